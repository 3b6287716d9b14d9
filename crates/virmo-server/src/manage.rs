use std::collections::VecDeque;

use omadm_core::{Format, StatusCode};
use omadm_session::{Reply, Report, request::Leaf};
use omadm_tree::{Uri, UriError};
use virmo_nodes::{Profile, VmNode};

use crate::{
    flow::{Done, Flow, Judgement, Next, Script, Stage, Write, failure, procedure},
    mounts::place,
};

/// Has an object in a machine's own device management tree do something. [VirMO §11.2.1]
///
/// 1. Add `DMTree` and the object; that it is there already, or that the device makes it itself,
///    does not matter.
/// 2. Set what the operation needs.
/// 3. Exec the operation, and wait for its end: the Status, or after 202 the alert. Each further
///    session that brings none reads what the operation changes.
/// 4. Read that, which has to be as asked for.
///
/// The objects are at `DMTree/LAWMO`, `DMTree/DCMO/<capability>`, `DMTree/FUMO` and `DMTree/SCOMO`.
/// The report's status is that of the Exec.
///
/// ```
/// use virmo_server::{Manage, Mounts};
///
/// let work = Mounts::default().vm("work")?;
/// let steps = [Manage::lock(work.clone()), Manage::disable(work.clone(), "camera")?, Manage::unlock(work)];
/// assert_eq!(steps[0].value(), None);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Manage {
    stages: VecDeque<Stage>,
    /// What the operation changes, and what that says.
    check: Option<Check>,
    reading: bool,
    value: Option<String>,
    flow: Flow,
}

#[derive(Clone, PartialEq, Debug)]
struct Check {
    leaf: Uri,
    reached: &'static [&'static str],
    busy: &'static [&'static str],
    failed: &'static [&'static str],
}

/// The values of `FUMO/State` while an update goes on. [FUMO]
const UPDATING: &[&str] = &["30", "40", "50", "60"];

const LAWMO: &str = "urn:oma:mo:oma-lawmo:1.0";
const DCMO: &str = "urn:oma:mo:oma-dcmo:1.0";
const FUMO: &str = "urn:oma:mo:oma-fumo:1.0";

impl Manage {
    /// Locks the machine at this address, by LAWMO.
    #[must_use]
    pub fn lock(vm: Uri) -> Self {
        Self::lawmo(vm, "FullyLock", &["10"])
    }

    /// Unlocks the machine at this address, by LAWMO.
    #[must_use]
    pub fn unlock(vm: Uri) -> Self {
        Self::lawmo(vm, "UnLock", &["30"])
    }

    fn lawmo(vm: Uri, operation: &str, reached: &'static [&'static str]) -> Self {
        let object = below(&VmNode::DmTree.of(&vm), &["LAWMO"]);
        let check = Check {
            leaf: below(&object, &["State"]),
            reached,
            busy: &[],
            failed: &[],
        };
        let node = below(&object, &["Operations", operation]);
        Self::new(vm, vec![(object, Some(LAWMO))], None, node, check)
    }

    /// Gives the machine at this address a peripheral, by DCMO.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn enable(vm: Uri, peripheral: &str) -> Result<Self, UriError> {
        Self::dcmo(vm, peripheral, "Enable", &["true"])
    }

    /// Takes a peripheral from the machine at this address, by DCMO.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn disable(vm: Uri, peripheral: &str) -> Result<Self, UriError> {
        Self::dcmo(vm, peripheral, "Disable", &["false"])
    }

    fn dcmo(
        vm: Uri,
        peripheral: &str,
        operation: &str,
        reached: &'static [&'static str],
    ) -> Result<Self, UriError> {
        let objects = below(&VmNode::DmTree.of(&vm), &["DCMO"]);
        let object = objects.child(peripheral)?;
        let check = Check {
            leaf: below(&object, &["Enabled"]),
            reached,
            busy: &[],
            failed: &[],
        };
        let node = below(&object, &["Operations", operation]);
        let made = vec![(objects, None), (object, Some(DCMO))];
        Ok(Self::new(vm, made, None, node, check))
    }

    /// Updates the firmware of the machine at this address from a package at this URL, by FUMO.
    #[must_use]
    pub fn update_firmware(vm: Uri, url: &str) -> Self {
        let object = below(&VmNode::DmTree.of(&vm), &["FUMO"]);
        let check = Check {
            leaf: below(&object, &["State"]),
            reached: &["90", "100"],
            busy: UPDATING,
            failed: &["20", "70", "80"],
        };
        let node = below(&object, &["DownloadAndUpdate"]);
        let url = Write::required(below(&node, &["PkgURL"]), url);
        Self::new(vm, vec![(object, Some(FUMO))], Some(url), node, check)
    }

    /// Says whether the user of the machine at this address may unlock it, on a device of the
    /// [draft](Profile::Draft).
    #[must_use]
    pub fn allow_user_unlock(vm: &Uri, allowed: bool) -> Self {
        let leaf = Leaf::new(Format::Bool, allowed.to_string());
        let write = Write::required(place(Profile::Draft, vm, VmNode::UserUnlock), leaf);
        Self {
            stages: VecDeque::from([Stage::Write(vec![write])]),
            check: None,
            reading: false,
            value: None,
            flow: Flow::default(),
        }
    }

    fn new(
        vm: Uri,
        objects: Vec<(Uri, Option<&'static str>)>,
        write: Option<Write>,
        node: Uri,
        check: Check,
    ) -> Self {
        let mut stages = VecDeque::from([Stage::Make(VmNode::DmTree.of(&vm), None)]);
        stages.extend(
            objects
                .into_iter()
                .map(|(node, moid)| Stage::Try(node, moid)),
        );
        stages.extend(write.map(|write| Stage::Write(vec![write])));
        let leaf = check.leaf.clone();
        stages.push_back(Stage::Run {
            node,
            check: leaf.clone(),
        });
        stages.push_back(Stage::Read(vec![leaf]));
        Self {
            stages,
            check: Some(check),
            reading: false,
            value: None,
            flow: Flow::default(),
        }
    }

    /// What the operation changed, once it was read: `State` of LAWMO and FUMO, `Enabled` of DCMO.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

impl Script for Manage {
    fn next(&mut self, done: Done<'_>) -> Next {
        if let Some(stage) = self.stages.pop_front() {
            self.reading = matches!(stage, Stage::Read(_));
            return Next::Stage(stage);
        }
        if !self.reading {
            // What was to be written was.
            return Next::Report(Report::new(true, Some(StatusCode::OK)));
        }
        let [reply] = done.replies else {
            return Next::Report(Report::new(false, done.status));
        };
        self.value = reply.text().map(str::to_owned);
        let mut report = Report::new(self.judge(reply, true) == Judgement::Reached, done.status);
        report.value.clone_from(&self.value);
        if !report.ok {
            report.detail = Some(match &self.value {
                Some(value) => format!("{}: {value}", reply.uri()),
                None => failure(reply).detail.unwrap_or_default(),
            });
        }
        Next::Report(report)
    }

    fn judge(&self, check: &Reply, accepted: bool) -> Judgement {
        let Some(expected) = &self.check else {
            return Judgement::Failed;
        };
        match check.text() {
            Some(value) if expected.reached.contains(&value) => Judgement::Reached,
            Some(value) if expected.busy.contains(&value) => Judgement::Busy,
            // It may have failed earlier.
            Some(value) if accepted && expected.failed.contains(&value) => Judgement::Failed,
            Some(_) => Judgement::Untouched,
            None => Judgement::Failed,
        }
    }
}

/// A node whose names are known to be names.
fn below(at: &Uri, names: &[&str]) -> Uri {
    names
        .iter()
        .fold(at.clone(), |uri, name| uri.child(name).unwrap_or(uri))
}

procedure!(Manage);
