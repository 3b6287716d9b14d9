//! Companion objects that the device hosts and the guest of a VM carries out. [VirMO §11.2]
//!
//! The guest has the object where the device has it below DMTree, such as at its own `./LAWMO`: it is
//! given what the operation needs, is told to Exec, and is asked for its status until it is done.

mod firmware;
mod locker;
mod running;
mod software;

use std::{sync::Arc, time::Duration};

use omadm_core::StatusCode;
use omadm_download::{Cancel, Clock};
use omadm_objects::{ALERT_LAWMO, ALERT_SCOMO, FumoOperation, ResultCode};
use omadm_tree::{Uri, Value};
use virmo_guest::{Answer, Command, Outcome, Reply};
use virmo_state::VmId;

use crate::{
    GuestError, GuestLink,
    forward::{self, Errand},
    guest::only,
};

pub(crate) use locker::VmLocker;
pub(crate) use running::WhileRunning;

/// How long a guest that is at work is left alone.
const PAUSE: Duration = Duration::from_secs(2);

/// Whether an alert tells the end of an operation: of what the device hosts it tells that itself.
pub(crate) fn tells_an_end(alert_type: &str) -> bool {
    let firmware = FumoOperation::ALL.map(FumoOperation::alert_type);
    let mut types = firmware.into_iter().chain([ALERT_SCOMO, ALERT_LAWMO]);
    types.any(|ours| alert_type.ends_with(ours))
}

/// A guest, as the objects the device hosts for it see it. Calls block.
#[derive(Clone)]
pub(crate) struct Companion {
    pub(crate) link: Arc<GuestLink>,
    pub(crate) vm: VmId,
    /// Where the object is in the guest.
    pub(crate) root: Uri,
    pub(crate) clock: Arc<dyn Clock>,
    /// Thrown when the client goes.
    pub(crate) over: Cancel,
    /// For one answer.
    pub(crate) within: Duration,
    /// For one operation.
    pub(crate) limit: Duration,
}

/// One operation of a guest.
struct Step<'a> {
    /// The node to be executed.
    node: Uri,
    /// The leaf that says how far the guest is.
    status: Uri,
    /// What that holds while it is at work.
    busy: &'a str,
    /// What it is given first.
    values: Vec<(Uri, Value)>,
    /// What the guest has if what it is at is this operation: one the device has begun before it
    /// went off.
    same: Option<(Uri, &'a str)>,
}

/// How an operation ended.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Ended {
    /// The guest said that it is done.
    Done,
    /// Its status says what came of it.
    At(String),
    /// It has no status any more.
    Gone,
}

/// Why a guest did not do what it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trouble {
    /// It said why.
    Code(ResultCode),
    /// It has no such operation.
    NotOffered,
    /// It said no.
    Refused,
    /// It cannot be talked to.
    Unreachable,
    /// It does not answer, or not in time.
    Silent,
}

impl From<GuestError> for Trouble {
    fn from(error: GuestError) -> Self {
        match error {
            GuestError::NoAnswer(_) | GuestError::Unintelligible(_) | GuestError::Channel(_) => {
                Self::Silent
            }
            GuestError::NotRunning(_) | GuestError::NoChannel | GuestError::Unencodable(_) => {
                Self::Unreachable
            }
        }
    }
}

impl Trouble {
    /// Of an answer that is no success.
    fn of(answer: Answer) -> Self {
        let status = answer.status;
        match result_code(answer) {
            Some(code) => Self::Code(code),
            None => match status {
                StatusCode::NOT_FOUND
                | StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED
                | StatusCode::COMMAND_NOT_IMPLEMENTED => Self::NotOffered,
                _ => Self::Refused,
            },
        }
    }
}

impl Companion {
    /// An address of the object in the guest.
    fn at(&self, names: &[&str]) -> Result<Uri, Trouble> {
        let root = self.root.clone();
        let uri = names.iter().try_fold(root, |uri, name| uri.child(name));
        uri.map_err(|_| Trouble::Refused)
    }

    fn call(&self, commands: Vec<Command>) -> Result<Reply, GuestError> {
        self.link
            .call_until(&self.vm, commands, self.within, &self.over)
    }

    fn one(&self, command: Command) -> Result<Answer, GuestError> {
        only(self.call(vec![command])?)
    }

    /// What leaves hold, as text; none for one that is not there.
    fn read(&self, leaves: &[Uri]) -> Result<Vec<Option<String>>, GuestError> {
        let get = |uri: &Uri| Command::Get { uri: uri.clone() };
        let reply = self.call(leaves.iter().map(get).collect())?;
        let mut answers = reply.answers.into_iter();
        let texts = leaves.iter().map(|_| match answers.next()?.outcome {
            Outcome::Value(value) => value.text().map(str::to_owned),
            _ => None,
        });
        Ok(texts.collect())
    }

    /// The names below a node; none if it is not there.
    fn children(&self, uri: Uri) -> Result<Vec<String>, GuestError> {
        let answer = self.one(Command::Get { uri })?;
        Ok(match answer.outcome {
            Outcome::Children(names) => names,
            _ => Vec::new(),
        })
    }

    /// Has the guest carry out commands, and makes what it lacks for them.
    fn tell(&self, commands: Vec<Command>) -> Result<(), Trouble> {
        if commands.is_empty() {
            return Ok(());
        }
        let errand = Errand {
            link: Arc::clone(&self.link),
            vm: self.vm.clone(),
            first: Vec::new(),
            doubts: Vec::new(),
            commands,
            executed: None,
            within: self.within,
            over: self.over.clone(),
            journal: None,
        };
        let answer = errand.answer()?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(Trouble::of(answer)),
        }
    }

    fn give(&self, values: Vec<(Uri, Value)>) -> Result<(), Trouble> {
        let replace = |(uri, value)| Command::Replace { uri, value };
        self.tell(values.into_iter().map(replace).collect())
    }

    /// Whether the guest is done already with an Exec.
    fn exec(&self, uri: Uri) -> Result<bool, Trouble> {
        let command = Command::Exec {
            uri,
            argument: None,
            correlator: None,
        };
        match self.one(command) {
            Ok(answer) if answer.status == StatusCode::ACCEPTED => Ok(false),
            Ok(answer) if answer.status.is_success() => match result_code(answer) {
                Some(code) if !code.is_success() => Err(Trouble::Code(code)),
                _ => Ok(true),
            },
            Ok(answer) => Err(Trouble::of(answer)),
            // An update may take the guest away before it can answer.
            Err(GuestError::NoAnswer(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Has the guest carry out an operation, or goes on waiting for one it is at.
    fn carry_out(&self, step: Step<'_>, cancel: &Cancel) -> Result<Ended, Trouble> {
        let same = step.same.as_ref().map(|(leaf, _)| leaf.clone());
        let leaves: Vec<Uri> = [step.status.clone()].into_iter().chain(same).collect();
        let mut found = self.read(&leaves)?.into_iter();
        let at_work = found.next().flatten().as_deref() == Some(step.busy);
        let ours = match &step.same {
            Some((_, value)) => found.next().flatten().as_deref() == Some(value),
            None => true,
        };
        if !(at_work && ours) {
            self.give(step.values)?;
            if self.exec(step.node)? {
                return Ok(Ended::Done);
            }
        }
        self.wait(step.status, step.busy, cancel)
    }

    /// Asks the guest how far it is until it is done. It may be away meanwhile: many restart.
    fn wait(&self, status: Uri, busy: &str, cancel: &Cancel) -> Result<Ended, Trouble> {
        let leaf = [status];
        let begin = self.clock.now();
        let mut asked = Duration::ZERO;
        loop {
            match self
                .read(&leaf)
                .map(|found| found.into_iter().next().flatten())
            {
                Ok(Some(text)) if text != busy => return Ok(Ended::At(text)),
                Ok(None) => return Ok(Ended::Gone),
                Ok(Some(_)) => {}
                Err(error) => match Trouble::from(error) {
                    Trouble::Silent => {}
                    trouble => return Err(trouble),
                },
            }
            asked += PAUSE;
            let since = self.clock.now().saturating_sub(begin);
            let is_over = cancel.is_cancelled() || self.over.is_cancelled();
            if is_over || since.max(asked) >= self.limit {
                return Err(Trouble::Silent);
            }
            self.clock.wait(PAUSE, &self.over);
        }
    }
}

/// The code in the first Item of an answer.
fn result_code(answer: Answer) -> Option<ResultCode> {
    let code: u16 = forward::items(answer).first()?.parse().ok()?;
    Some(ResultCode::from(code))
}
