//! Bootstrap documents: what is taken in, and what leaves no trace. [DM-Bootstrap]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use omadm_client::{Bootstrap, BootstrapError};
use omadm_core::{JournalErrorKind, Now, Space};
use omadm_mo::{
    Account, AuthLevel, AuthType, Credential, Registry,
    bootstrap::{Applied, Content, MediaType},
    provisioning::{Characteristic, Document},
};
use omadm_session::bootstrap::{Method, Profile, Protection, Secrets, imsi_octets};
use omadm_testkit::{TestJournal, uri};
use omadm_tree::{Acl, Tree, TreeLimits};

const SERVER: &str = "dm.example";

fn account() -> Account {
    let mut account = Account::new(SERVER.parse().unwrap(), "http://dm.example/dm");
    account.credentials = vec![
        Credential::new(AuthLevel::Client, AuthType::Digest, "device-7", "pa55"),
        Credential::new(AuthLevel::Server, AuthType::Digest, SERVER, "s3cret"),
    ];
    account
}

fn profile(media_type: MediaType) -> Profile {
    match media_type {
        MediaType::ProvisioningWbxml | MediaType::ProvisioningXml => Profile::Cp,
        _ => Profile::Dm,
    }
}

fn document(media_type: MediaType) -> Vec<u8> {
    let account = account();
    let content = match profile(media_type) {
        Profile::Cp => Content::Provisioning(Document::from_accounts([&account]).unwrap()),
        Profile::Dm => Content::of_accounts([("1", &account)]).unwrap(),
    };
    content.encode(media_type).unwrap()
}

fn pin(pin: &str) -> Secrets {
    Secrets::new().with_pin(pin)
}

/// The Content-Type of a document that a PIN protects.
fn sealed(media_type: MediaType, document: &[u8]) -> String {
    let profile = profile(media_type);
    let protection = Protection::new(profile, Method::UserPin, &pin("1234"), document).unwrap();
    protection.content_type(profile, media_type.as_str())
}

struct Device {
    tree: Tree,
    registry: Registry,
    journal: TestJournal,
}

impl Device {
    fn on(journal: TestJournal) -> Self {
        let tree = Tree::load(&journal, TreeLimits::default(), Acl::root_default()).unwrap();
        let mut registry = Registry::new();
        registry
            .mount(Box::new(Account::objects([]).unwrap()))
            .unwrap();
        Self {
            tree,
            registry,
            journal,
        }
    }

    fn new() -> Self {
        Self::on(TestJournal::default())
    }

    fn restart(self) -> Self {
        Self::on(self.journal)
    }

    fn apply(&mut self, bootstrap: &Bootstrap<'_>) -> Result<Applied, BootstrapError> {
        let layout = self.registry.layout();
        let (tree, journal) = (&mut self.tree, &self.journal);
        bootstrap.apply(tree, layout, journal, Now::default())
    }

    fn is_untouched(&self) -> bool {
        let root = self.tree.node(&uri(".")).unwrap();
        root.children().next().is_none() && self.journal.records(Space::TREE).is_empty()
    }
}

#[test]
fn every_form_with_every_method_brings_the_account() {
    let imsi = imsi_octets("262021234567890").unwrap();
    let secrets = pin("1234").with_network(imsi);
    for media_type in MediaType::ALL {
        for method in Method::ALL {
            let document = document(media_type);
            let profile = profile(media_type);
            let protection = Protection::new(profile, method, &secrets, &document).unwrap();
            let content_type = protection.content_type(profile, media_type.as_str());
            let mut device = Device::new();
            let bootstrap = Bootstrap::new(&content_type, &document, &secrets);
            let applied = device.apply(&bootstrap).unwrap();
            let device = device.restart();
            let [root] = applied.accounts.as_slice() else {
                panic!("{applied:?}")
            };
            let found = Account::read(&device.tree, root).unwrap();
            assert_eq!(found, account(), "{content_type}");
            let acl = device.tree.node(root).unwrap().acl().to_string();
            assert_eq!(acl, "Delete=dm.example&Get=dm.example&Replace=dm.example");
        }
    }
}

#[test]
fn a_wrong_pin_counts_and_three_are_too_many() {
    let document = document(MediaType::MessageWbxml);
    let content_type = sealed(MediaType::MessageWbxml, &document);
    let mut device = Device::new();
    for expected in [2, 1, 0] {
        let error = device.apply(&Bootstrap::new(&content_type, &document, &pin("1235")));
        let Err(BootstrapError::Forged { tries_left }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(tries_left, expected);
        device = device.restart();
    }
    let error = device.apply(&Bootstrap::new(&content_type, &document, &pin("1234")));
    assert!(
        matches!(error, Err(BootstrapError::TooManyTries)),
        "{error:?}"
    );
    assert!(device.is_untouched());

    // Another document is another matter.
    let (other, media_type) = (
        self::document(MediaType::ProvisioningWbxml),
        MediaType::ProvisioningWbxml,
    );
    let content_type = sealed(media_type, &other);
    let right = pin("1234");
    device
        .apply(&Bootstrap::new(&content_type, &other, &right))
        .unwrap();
}

#[test]
fn the_right_pin_makes_the_failures_forgotten() {
    let document = document(MediaType::MessageWbxml);
    let content_type = sealed(MediaType::MessageWbxml, &document);
    let mut device = Device::new();
    for _ in 0..3 {
        for expected in [2, 1] {
            let error = device.apply(&Bootstrap::new(&content_type, &document, &pin("0")));
            let Err(BootstrapError::Forged { tries_left }) = error else {
                panic!("{error:?}")
            };
            assert_eq!(tries_left, expected);
        }
        let right = pin("1234");
        device
            .apply(&Bootstrap::new(&content_type, &document, &right))
            .unwrap();
    }
}

#[test]
fn failures_of_many_documents_do_not_pile_up() {
    let mut device = Device::new();
    let fail = |device: &mut Device, name: &str| {
        let document = name.as_bytes();
        let content_type = sealed(MediaType::TndsXml, document);
        match device.apply(&Bootstrap::new(&content_type, document, &pin("0"))) {
            Err(BootstrapError::Forged { tries_left }) => tries_left,
            other => panic!("{other:?}"),
        }
    };
    for number in 0..16 {
        assert_eq!(fail(&mut device, &number.to_string()), 2);
    }
    assert_eq!(fail(&mut device, "0"), 1);
    assert_eq!(fail(&mut device, "16"), 2);
    let mut device = device.restart();
    assert_eq!(fail(&mut device, "1"), 2, "the oldest went");
    assert_eq!(fail(&mut device, "0"), 0);
    let records = device.journal.records(Space::BOOTSTRAPS);
    assert_eq!(records[0].1.len(), 1 + 16 * 21);
}

#[test]
fn one_wrong_bit_anywhere_is_refused() {
    let mut document = document(MediaType::ProvisioningWbxml);
    let content_type = sealed(MediaType::ProvisioningWbxml, &document);
    let right = pin("1234");
    for bit in 0..document.len() * 8 {
        document[bit / 8] ^= 0x80 >> (bit % 8);
        let mut device = Device::new();
        let error = device.apply(&Bootstrap::new(&content_type, &document, &right));
        assert!(
            matches!(error, Err(BootstrapError::Forged { .. })),
            "{bit}: {error:?}"
        );
        assert!(device.is_untouched());
        document[bit / 8] ^= 0x80 >> (bit % 8);
    }
}

#[test]
fn without_a_mac_only_what_is_trusted_is_taken() {
    let media_type = MediaType::MessageWbxml;
    let document = document(media_type);
    let none = Secrets::new();
    let mut device = Device::new();
    let mut bootstrap = Bootstrap::new(media_type.as_str(), &document, &none);
    let error = device.apply(&bootstrap);
    assert!(
        matches!(error, Err(BootstrapError::Unprotected)),
        "{error:?}"
    );
    assert!(device.is_untouched());
    bootstrap.trusted = true;
    assert_eq!(device.apply(&bootstrap).unwrap().accounts.len(), 1);

    // A MAC that is there has to be right all the same.
    let content_type = sealed(media_type, &document);
    let mut bootstrap = Bootstrap::new(&content_type, &document, &none);
    bootstrap.trusted = true;
    let error = Device::new().apply(&bootstrap);
    assert!(matches!(error, Err(BootstrapError::Secret(_))), "{error:?}");
}

#[test]
fn a_content_type_that_says_nothing_is_refused() {
    let document = document(MediaType::MessageWbxml);
    let right = pin("1234");
    let mut device = Device::new();
    let mut refused = |content_type: &str| {
        let error = device.apply(&Bootstrap::new(content_type, &document, &right));
        assert!(device.is_untouched());
        error.unwrap_err().to_string()
    };
    let unknown = "not the media type of a bootstrap document";
    assert_eq!(refused("text/plain; SEC=USERPIN"), unknown);
    let vague = "the content type cannot be understood";
    assert_eq!(
        refused("application/vnd.syncml.dm+wbxml; SEC=USERPIN"),
        vague
    );
}

/// Whatever is wrong with the second of two accounts, the first is not there either.
#[test]
fn what_does_not_fit_leaves_nothing_behind() {
    let account = account();
    let mut document = Document::from_accounts([&account]).unwrap();
    let broken = Characteristic::new("APPLICATION").with("APPID", "w7");
    document.characteristics.push(broken);
    let content = Content::Provisioning(document);
    let document = content.encode(MediaType::ProvisioningXml).unwrap();
    let content_type = sealed(MediaType::ProvisioningXml, &document);
    let right = pin("1234");
    let mut device = Device::new();
    let error = device.apply(&Bootstrap::new(&content_type, &document, &right));
    assert!(matches!(error, Err(BootstrapError::Apply(_))), "{error:?}");
    assert!(device.is_untouched());

    let content_type = sealed(MediaType::ProvisioningXml, b"<nonsense/>");
    let error = device.apply(&Bootstrap::new(&content_type, b"<nonsense/>", &right));
    assert!(
        matches!(error, Err(BootstrapError::Content(_))),
        "{error:?}"
    );
    assert!(device.is_untouched());
}

#[test]
fn a_journal_that_fails_leaves_nothing_behind() {
    let document = document(MediaType::MessageWbxml);
    let content_type = sealed(MediaType::MessageWbxml, &document);
    let mut device = Device::new();
    for secrets in [pin("1234"), pin("0")] {
        device.journal.fail_once(0, JournalErrorKind::Full);
        let error = device.apply(&Bootstrap::new(&content_type, &document, &secrets));
        assert!(
            matches!(error, Err(BootstrapError::Journal(_))),
            "{error:?}"
        );
        assert!(device.is_untouched());
    }
    let right = pin("1234");
    device
        .apply(&Bootstrap::new(&content_type, &document, &right))
        .unwrap();
}

#[test]
fn a_document_that_comes_again_replaces_the_account() {
    let mut device = Device::new();
    let right = pin("1234");
    for media_type in [
        MediaType::MessageWbxml,
        MediaType::ProvisioningWbxml,
        MediaType::TndsXml,
    ] {
        let document = document(media_type);
        let content_type = sealed(media_type, &document);
        device
            .apply(&Bootstrap::new(&content_type, &document, &right))
            .unwrap();
        assert_eq!(
            Account::roots(&device.tree, device.registry.layout()),
            [uri("./DMAcc/1")]
        );
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
