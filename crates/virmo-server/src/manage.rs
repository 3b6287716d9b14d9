use omadm_core::StatusCode;
use omadm_session::{Reply, Report};
use omadm_tree::{Uri, UriError};
use virmo_nodes::VmNode;

use crate::flow::{Done, Fate, Flow, Judgement, Next, Script, Stage, Write, failure, procedure};

/// Has an object in a machine's own device management tree do something. [VirMO §11.2.1]
///
/// 1. Read State of the machine, for the Add of a `DMTree` could make one that is not there, and what
///    the operation changes: what is as asked for already is left alone, what is under way is waited
///    for.
/// 2. Add `DMTree` and the object, unless it is there; that the device makes it itself does not
///    matter.
/// 3. Set what the operation needs.
/// 4. Exec the operation, and wait for its end: the Status, or after 202 the alert. Each further
///    session that brings none reads what the operation changes.
/// 5. Read that, which has to be as asked for.
///
/// The objects are at `DMTree/LAWMO`, `DMTree/DCMO/<capability>` and `DMTree/FUMO`. The report's
/// status is that of the Exec; 200 where none was needed.
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
    vm: Uri,
    /// What is to be there: nodes, each the root of an object with this identifier.
    objects: Vec<(Uri, Option<&'static str>)>,
    write: Option<(Uri, String)>,
    node: Uri,
    check: Check,
    phase: Phase,
    value: Option<String>,
    flow: Flow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Look,
    Looked,
    /// So many of the objects were seen to.
    Make(usize),
    Run,
    Read,
    Report,
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
        let url = (below(&node, &["PkgURL"]), url.to_owned());
        Self::new(vm, vec![(object, Some(FUMO))], Some(url), node, check)
    }

    fn new(
        vm: Uri,
        objects: Vec<(Uri, Option<&'static str>)>,
        write: Option<(Uri, String)>,
        node: Uri,
        check: Check,
    ) -> Self {
        Self {
            vm,
            objects,
            write,
            node,
            check,
            phase: Phase::Look,
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

impl Manage {
    fn run(&self) -> Stage {
        Stage::Run {
            node: self.node.clone(),
            check: self.check.leaf.clone(),
        }
    }

    /// What is left to do after the first look.
    fn looked(&mut self, done: Done<'_>) -> Next {
        let [state, leaf, written @ ..] = done.replies else {
            return Next::Report(Report::new(false, done.status));
        };
        let missing = |reply: &Reply| {
            // What a server may not read is as good as not there.
            let codes = [StatusCode::NOT_FOUND, StatusCode::COMMAND_NOT_ALLOWED];
            reply.status().is_some_and(|code| codes.contains(&code))
        };
        let faulty = |reply: &&Reply| !reply.is_success() && !missing(reply);
        let faulty = written.iter().chain([leaf]).find(faulty);
        if let Some(reply) = Some(state).filter(|state| !state.is_success()).or(faulty) {
            return Next::Report(failure(reply));
        }
        let written = written.first().and_then(Reply::text);
        let is_ours = written == self.write.as_ref().map(|(_, value)| value.as_str());
        match self.judge(leaf, Fate::Lost) {
            Judgement::Reached if is_ours => {
                self.value = leaf.text().map(str::to_owned);
                let mut report = Report::success(StatusCode::OK);
                report.value.clone_from(&self.value);
                Next::Report(report)
            }
            Judgement::Busy if is_ours => {
                self.phase = Phase::Read;
                Next::Stage(Stage::Join {
                    node: self.node.clone(),
                    check: self.check.leaf.clone(),
                })
            }
            _ if leaf.is_success() => self.make(self.objects.len() + 1),
            _ => self.make(0),
        }
    }

    /// The next of what has to be there before the operation.
    fn make(&mut self, made: usize) -> Next {
        self.phase = Phase::Make(made + 1);
        if made == 0 {
            return Next::Stage(Stage::Make(VmNode::DmTree.of(&self.vm), None));
        }
        if let Some((node, moid)) = self.objects.get(made - 1) {
            return Next::Stage(Stage::Try(node.clone(), *moid));
        }
        self.phase = Phase::Run;
        let write = self.write.iter();
        let write = write.map(|(node, value)| Write::required(node.clone(), value.as_str()));
        Next::Stage(Stage::Write(write.collect()))
    }

    fn report(&mut self, done: Done<'_>) -> Report {
        let [reply] = done.replies else {
            return Report::new(false, done.status);
        };
        self.value = reply.text().map(str::to_owned);
        let mut report = Report::new(
            self.judge(reply, Fate::Accepted) == Judgement::Reached,
            done.status,
        );
        report.value.clone_from(&self.value);
        if !report.ok {
            report.detail = Some(match &self.value {
                Some(value) => format!("{}: {value}", reply.uri()),
                None => failure(reply).detail.unwrap_or_default(),
            });
        }
        report
    }
}

impl Script for Manage {
    fn next(&mut self, done: Done<'_>) -> Next {
        match self.phase {
            Phase::Look => {
                self.phase = Phase::Looked;
                let state = VmNode::State.of(&self.vm);
                let mut nodes = vec![state, self.check.leaf.clone()];
                nodes.extend(self.write.as_ref().map(|(node, _)| node.clone()));
                Next::Stage(Stage::Read(nodes))
            }
            Phase::Looked => self.looked(done),
            Phase::Make(made) => self.make(made),
            Phase::Run => {
                self.phase = Phase::Read;
                Next::Stage(self.run())
            }
            Phase::Read => {
                self.phase = Phase::Report;
                Next::Stage(Stage::Read(vec![self.check.leaf.clone()]))
            }
            Phase::Report => Next::Report(self.report(done)),
        }
    }

    fn judge(&self, check: &Reply, fate: Fate) -> Judgement {
        match check.text() {
            Some(value) if self.check.reached.contains(&value) => Judgement::Reached,
            Some(value) if self.check.busy.contains(&value) => Judgement::Busy,
            // It may have failed earlier.
            Some(value) if fate == Fate::Accepted && self.check.failed.contains(&value) => {
                Judgement::Failed
            }
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
