use omadm_core::{Format, StatusCode};
use omadm_session::{Report, request::Leaf};
use omadm_tree::Uri;
use virmo_nodes::{Profile, VmNode};

use crate::{
    flow::{Done, Flow, Next, Script, Stage, Write, procedure},
    mounts::place,
};

/// Says whether the user of a machine may unlock it, on a device of the [draft](Profile::Draft).
///
/// ```
/// use virmo_server::{AllowUserUnlock, Mounts};
///
/// let allow = AllowUserUnlock::new(&Mounts::default().vm("work")?, true);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct AllowUserUnlock {
    write: Option<Write>,
    flow: Flow,
}

impl AllowUserUnlock {
    /// Whether the user of the machine at this address may.
    #[must_use]
    pub fn new(vm: &Uri, allowed: bool) -> Self {
        let leaf = Leaf::new(Format::Bool, allowed.to_string());
        Self {
            write: Some(Write::required(
                place(Profile::Draft, vm, VmNode::UserUnlock),
                leaf,
            )),
            flow: Flow::default(),
        }
    }
}

impl Script for AllowUserUnlock {
    fn next(&mut self, _: Done<'_>) -> Next {
        match self.write.take() {
            Some(write) => Next::Stage(Stage::Write(vec![write])),
            None => Next::Report(Report::success(StatusCode::OK)),
        }
    }
}

procedure!(AllowUserUnlock);
