use omadm_core::StatusCode;
use omadm_objects::{DCMO, FUMO, LAWMO, ResultCode};
use omadm_session::{Reply, Report};
use omadm_tree::{Uri, UriError};

use crate::{
    flow::{Change, Done, Fate, Flow, Judgement, Next, Script, Stage, Write, failure, procedure},
    place::{Place, below},
};

/// Has a companion object of a machine, or of a device, do something. [VirMO §11.2.1]
///
/// 1. Of a machine read State, for the Add of a `DMTree` could make one that is not there, and what
///    the operation changes: what is as asked for already is left alone, what is under way is waited
///    for.
/// 2. Of a machine add `DMTree` and the object, unless it is there; that the device makes it itself
///    does not matter.
/// 3. Set what the operation needs.
/// 4. Exec the operation, and wait for its end: the Status, or after 202 the alert. Each further
///    session that brings none reads what the operation changes.
/// 5. Read that, which has to be as asked for.
///
/// The objects of a machine are at `DMTree/LAWMO`, `DMTree/DCMO/<capability>` and `DMTree/FUMO`; a
/// device without machines has them where the [`Place`] says. The report's status is that of the
/// Exec; 200 where none was needed.
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
    place: Place,
    /// What is to be there: nodes, each the root of an object with this identifier.
    objects: Vec<(Uri, Option<&'static str>)>,
    write: Option<(Uri, String)>,
    node: Uri,
    check: Check,
    /// What looked before the Exec as if it had been done, or were going on, with another value set.
    stale: Option<Stale>,
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

/// What an operation with another value set left: that it is there says nothing of the next one.
#[derive(Clone, PartialEq, Debug)]
struct Stale {
    /// What the operation changes.
    value: String,
    /// The other value.
    written: Option<String>,
}

/// The values of `FUMO/State` while an update goes on. [FUMO]
const UPDATING: &[&str] = &["30", "40", "50", "60"];

/// Those of them in which a device may rest as well, with a package and nothing under way.
const RESTING: [&str; 2] = ["40", "50"];

impl Manage {
    /// Locks the machine at this address, or the device, by LAWMO.
    pub fn lock(place: impl Into<Place>) -> Self {
        Self::lawmo(place.into(), "FullyLock", &["10"])
    }

    /// Unlocks the machine at this address, or the device, by LAWMO.
    pub fn unlock(place: impl Into<Place>) -> Self {
        Self::lawmo(place.into(), "UnLock", &["30"])
    }

    fn lawmo(place: Place, operation: &str, reached: &'static [&'static str]) -> Self {
        let object = place.object("LAWMO");
        let check = Check {
            leaf: below(&object, &["State"]),
            reached,
            busy: &[],
            failed: &[],
        };
        let node = below(&object, &["Operations", operation]);
        Self::new(place, vec![(object, Some(&LAWMO.moid))], None, node, check)
    }

    /// Gives the machine at this address a peripheral, by DCMO.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn enable(place: impl Into<Place>, peripheral: &str) -> Result<Self, UriError> {
        Self::dcmo(place.into(), peripheral, "Enable", &["true"])
    }

    /// Takes a peripheral from the machine at this address, by DCMO.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn disable(place: impl Into<Place>, peripheral: &str) -> Result<Self, UriError> {
        Self::dcmo(place.into(), peripheral, "Disable", &["false"])
    }

    fn dcmo(
        place: Place,
        peripheral: &str,
        operation: &str,
        reached: &'static [&'static str],
    ) -> Result<Self, UriError> {
        let objects = place.object("DCMO");
        let object = objects.child(peripheral)?;
        let check = Check {
            leaf: below(&object, &["Enabled"]),
            reached,
            busy: &[],
            failed: &[],
        };
        let node = below(&object, &["Operations", operation]);
        let made = vec![(objects, None), (object, Some(&*DCMO.moid))];
        Ok(Self::new(place, made, None, node, check))
    }

    /// Updates the firmware of the machine at this address, or of the device, from a package at this
    /// URL, by FUMO. An update from the same URL that succeeded is not done again. One that failed
    /// after an update from another URL leaves that URL, or an empty one where the end is not known:
    /// State alone does not say which of them succeeded. For the same reason PkgURL is emptied first
    /// then, and written at once with the Exec, and an Exec whose answer was lost is sent again. A device
    /// that takes no empty PkgURL gets the new one a message before the Exec as well.
    ///
    /// State counts as that of this URL once the Exec is accepted. A server that is killed before it knows
    /// that leaves the update [in doubt](crate::Policy::in_doubt): begun anew, it is executed again. Where
    /// the time of an update is over ([`Policy::time_limit`](crate::Policy::time_limit)) before its
    /// refusal has taken the URL back, a later one from the same URL takes State for its own.
    pub fn update_firmware(place: impl Into<Place>, url: &str) -> Self {
        let place = place.into();
        let object = place.object("FUMO");
        let check = Check {
            leaf: below(&object, &["State"]),
            reached: &["90", "100"],
            busy: UPDATING,
            failed: &["20", "70", "80"],
        };
        let node = below(&object, &["DownloadAndUpdate"]);
        let url = (below(&node, &["PkgURL"]), url.to_owned());
        Self::new(
            place,
            vec![(object, Some(&FUMO.moid))],
            Some(url),
            node,
            check,
        )
    }

    fn new(
        place: Place,
        objects: Vec<(Uri, Option<&'static str>)>,
        write: Option<(Uri, String)>,
        node: Uri,
        check: Check,
    ) -> Self {
        // A device has its own objects.
        let objects = match place {
            Place::Vm(_) | Place::DraftVm(_) => objects,
            Place::Object(_) => Vec::new(),
        };
        Self {
            place,
            objects,
            write,
            node,
            check,
            stale: None,
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

    /// The result code of the Exec, if the device told one.
    #[must_use]
    pub const fn result(&self) -> Option<ResultCode> {
        self.flow.result()
    }
}

impl Manage {
    fn run(&self) -> Stage {
        let with = self.write.iter().filter(|_| self.stale.is_some());
        Stage::Run {
            node: self.node.clone(),
            check: vec![self.check.leaf.clone()],
            with: with
                .map(|(node, value)| Write::required(node.clone(), value.as_str()))
                .collect(),
        }
    }

    /// What is left to do after the first look.
    fn looked(&mut self, done: Done<'_>) -> Next {
        let read = match self.place.read(done.replies) {
            Ok(read) => read,
            Err(report) => return Next::Report(report),
        };
        let [leaf, written @ ..] = read else {
            return Next::Report(Report::new(false, done.status));
        };
        let written = written.first().and_then(Reply::text);
        // An empty one tells that nobody knows.
        let is_ours =
            written != Some("") && written == self.write.as_ref().map(|(_, value)| value.as_str());
        let is_done = is_ours && !self.flow.policy.in_doubt;
        // If something goes on all the same, the device refuses to begin, and is waited for.
        let rests = leaf.text().is_some_and(|value| RESTING.contains(&value));
        match self.judge(leaf, Fate::Lost) {
            Judgement::Reached if is_done => {
                self.value = leaf.text().map(str::to_owned);
                let mut report = Report::success(StatusCode::OK);
                report.value.clone_from(&self.value);
                Next::Report(report)
            }
            Judgement::Busy if is_ours && !rests => {
                self.phase = Phase::Read;
                Next::Stage(Stage::Join {
                    node: self.node.clone(),
                    check: vec![self.check.leaf.clone()],
                })
            }
            judgement => {
                let is_stale = judgement == Judgement::Reached || (rests && !is_done);
                let stale = leaf.text().filter(|_| is_stale);
                self.stale = stale.map(|value| Stale {
                    value: value.to_owned(),
                    written: written.filter(|_| !is_ours).map(str::to_owned),
                });
                self.make(match leaf.is_success() {
                    true => self.objects.len() + 1,
                    false => 0,
                })
            }
        }
    }

    /// The next of what has to be there before the operation.
    fn make(&mut self, made: usize) -> Next {
        self.phase = Phase::Make(made + 1);
        if let Some(dm_tree) = self.place.dm_tree().filter(|_| made == 0) {
            return Next::Stage(Stage::Make(dm_tree, None));
        }
        if let Some((node, moid)) = self.objects.get(made.saturating_sub(1)) {
            return Next::Stage(Stage::Try(node.clone(), *moid));
        }
        self.phase = Phase::Run;
        let stale = self.stale.is_some();
        let write = self.write.iter().map(|(node, value)| match stale {
            true => Write::emptied(node.clone(), value),
            false => Write::required(node.clone(), value.as_str()),
        });
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
                let mut nodes = self.place.looks();
                nodes.push(self.check.leaf.clone());
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
                self.stale = None;
                self.phase = Phase::Report;
                Next::Stage(Stage::Read(vec![self.check.leaf.clone()]))
            }
            Phase::Report => Next::Report(self.report(done)),
        }
    }

    fn judge(&self, check: &Reply, fate: Fate) -> Judgement {
        let is_stale = |value: &str| self.stale.as_ref().is_some_and(|it| it.value == value);
        match check.text() {
            Some(value) if is_stale(value) && fate == Fate::Refused => Judgement::Failed,
            Some(value) if is_stale(value) && fate != Fate::Accepted => Judgement::Untouched,
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

    fn changes(&self, open: bool) -> Vec<Change> {
        let written = self.write.iter().zip(&self.stale);
        let changes = written.map(|((uri, made), stale)| {
            let before = stale.written.as_deref().filter(|_| !open);
            Change::leaf(uri.clone(), made.clone(), before.or(Some(""))).emptied()
        });
        changes.collect()
    }

    fn is_in_doubt(&self, _: bool) -> bool {
        match self.phase {
            Phase::Look | Phase::Looked => self.flow.policy.in_doubt,
            Phase::Make(_) | Phase::Run | Phase::Read | Phase::Report => {
                self.write.is_some() && self.stale.is_some()
            }
        }
    }
}

procedure!(Manage);
