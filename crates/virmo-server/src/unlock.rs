use omadm_core::{Format, StatusCode};
use omadm_session::{Report, request::Leaf};
use omadm_tree::Uri;
use virmo_nodes::{Profile, VmNode};

use crate::{
    flow::{Done, Flow, Next, Script, Stage, Write, failure, procedure},
    mounts::place,
};

/// Says whether the user of a machine may unlock it, on a device of the [draft](Profile::Draft).
///
/// State is read first: the Add of `Ext/UserUnlock` could make a machine that is not there.
///
/// ```
/// use virmo_server::{AllowUserUnlock, Mounts};
///
/// let allow = AllowUserUnlock::new(&Mounts::default().vm("work")?, true);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct AllowUserUnlock {
    vm: Uri,
    leaf: Leaf,
    phase: Phase,
    flow: Flow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Look,
    Write,
    Report,
}

impl AllowUserUnlock {
    /// Whether the user of the machine at this address may.
    #[must_use]
    pub fn new(vm: &Uri, allowed: bool) -> Self {
        Self {
            vm: vm.clone(),
            leaf: Leaf::new(Format::Bool, allowed.to_string()),
            phase: Phase::Look,
            flow: Flow::default(),
        }
    }
}

impl Script for AllowUserUnlock {
    fn next(&mut self, done: Done<'_>) -> Next {
        let node = |node| place(Profile::Draft, &self.vm, node);
        let (phase, stage) = match self.phase {
            Phase::Look => (Phase::Write, Stage::Read(vec![node(VmNode::State)])),
            Phase::Write => {
                if let Some(missing) = done.replies.iter().find(|reply| !reply.is_success()) {
                    return Next::Report(failure(missing));
                }
                let write = Write::required(node(VmNode::UserUnlock), self.leaf.clone());
                (Phase::Report, Stage::Write(vec![write]))
            }
            Phase::Report => return Next::Report(Report::success(StatusCode::OK)),
        };
        self.phase = phase;
        Next::Stage(stage)
    }
}

procedure!(AllowUserUnlock);
