use omadm_core::Journal;
use omadm_mo::{DevInfo, Registry};
use omadm_tree::{Acl, Tree, TreeLimits, Uri};

use crate::{Lamp, LampLog, TestJournal};

/// The device's identifier.
pub const DEVICE_ID: &str = "urn:example:dev1";

/// The server's identity for ACLs.
pub const SERVER_ID: &str = "dm.example";

/// The server's address.
pub const SERVER_URL: &str = "http://dm.example/dm";

/// A parsed address.
#[must_use]
pub fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

/// A device with DevInfo and a [`Lamp`] on a journal, new or as it was left: its tree, its objects
/// and what happens to the lamp.
///
/// Servers may do everything but Exec and Delete at the root; [`SERVER_ID`] may do that too.
#[must_use]
pub fn device(journal: &TestJournal) -> (Tree, Registry, LampLog) {
    let acl: Acl = format!("Add=*&Get=*&Replace=*&Exec={SERVER_ID}&Delete={SERVER_ID}")
        .parse()
        .unwrap();
    let tree = Tree::load(journal as &dyn Journal, TreeLimits::default(), acl).unwrap();
    let dev_info = DevInfo {
        dev_id: DEVICE_ID.into(),
        man: "Example".into(),
        model: "Lamp & Co".into(),
        dmv: "1.0".into(),
        lang: "en".into(),
    };
    let (lamp, log) = Lamp::new();
    let mut registry = Registry::new();
    registry.mount(Box::new(dev_info.object())).unwrap();
    registry.mount(Box::new(lamp)).unwrap();
    (tree, registry, log)
}
