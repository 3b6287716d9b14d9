use std::time::Duration;

use omadm_core::{StatusCode, UserAnswer, UserInteraction};
use omadm_download::Cancel;
use omadm_syncml::{
    Alert, CmdId, Command, Encoding, Limits, Status, decode_command, encode_command,
};
use virmo_hypervisor::HypervisorError;
use virmo_state::VmId;

/// The user interface of VMs: shows a question to the user of one, and brings the answer.
/// [VirMO §11.2.2]
///
/// ```
/// use omadm_core::{Interaction, UserAnswer};
/// use omadm_download::Cancel;
/// use virmo_client::{VmQuestion, VmUserInterface};
/// use virmo_hypervisor::HypervisorError;
///
/// /// One line of the host's screen for all VMs, and nobody who types.
/// struct StatusLine;
///
/// impl VmUserInterface for StatusLine {
///     fn ask(&self, question: &VmQuestion<'_>, _: &Cancel) -> Result<UserAnswer, HypervisorError> {
///         Ok(match question.asked.interaction {
///             Interaction::Display => {
///                 println!("{}: {}", question.node, question.asked.text);
///                 UserAnswer::Accepted
///             }
///             _ => UserAnswer::Unsupported,
///         })
///     }
/// }
/// ```
pub trait VmUserInterface: Send + Sync {
    /// Asks, and waits for the answer; called from a job, one question of each VM at a time.
    ///
    /// `over` is thrown when the answer is of no use any more, because
    /// [`VmQuestion::within`] has passed or the VM left Running: the question is to be taken back,
    /// and whatever is returned is ignored. An answer that is
    /// [none that fits](UserInteraction::accepts) counts as [`UserAnswer::CannotDisplay`].
    ///
    /// # Errors
    ///
    /// If the VM could not be asked. `Timeout` counts as [`UserAnswer::TimedOut`], `NotSupported`
    /// as [`UserAnswer::Unsupported`].
    fn ask(&self, question: &VmQuestion<'_>, over: &Cancel) -> Result<UserAnswer, HypervisorError>;
}

/// A question to the user of a VM.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct VmQuestion<'a> {
    /// The VM.
    pub vm: &'a VmId,
    /// The name `<x>` of its node.
    pub node: &'a str,
    /// What is asked.
    pub asked: &'a UserInteraction,
    /// How long the answer may take: MAXDT, but no longer than
    /// [`Policy::interaction_limit`](crate::Policy::interaction_limit).
    pub within: Duration,
}

impl<'a> VmQuestion<'a> {
    /// A question.
    #[must_use]
    pub const fn new(
        vm: &'a VmId,
        node: &'a str,
        asked: &'a UserInteraction,
        within: Duration,
    ) -> Self {
        Self {
            vm,
            node,
            asked,
            within,
        }
    }
}

/// Why a text is no UI/Command: it is not one Alert with a CmdID and a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoCommand;

/// The Alert in a UI/Command, with or without the namespace of SyncML.
pub(crate) fn command(text: &str) -> Result<Alert<'_>, NoCommand> {
    match decode_command(text.as_bytes(), Encoding::Xml, &Limits::default()) {
        Ok(Command::Alert(alert)) if alert.cmd_id.is_some() && alert.code.is_some() => Ok(alert),
        _ => Err(NoCommand),
    }
}

/// What a UI/Result says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The user's answer.
    Answer(UserAnswer),
    /// It was not, or cannot be, asked.
    Status(StatusCode),
}

impl Verdict {
    /// It was not asked, or in vain.
    pub(crate) const NOT_EXECUTED: Self = Self::Status(StatusCode::NOT_EXECUTED);

    /// The UI/Result for the command with this id. MsgRef has no meaning for a stored command and
    /// is 1, as in the example of the specification.
    pub(crate) fn document(&self, command: CmdId) -> (StatusCode, String) {
        let status = |code| Status::new(1, command, "Alert", code).with_cmd_id(command);
        let status = match self {
            Self::Answer(answer) => status(StatusCode::OK).with_answer(answer),
            Self::Status(code) => status(*code),
        };
        let code = status.code;
        let mut document = Vec::new();
        // A typed text may hold what XML cannot carry.
        if encode_command(&Command::Status(status), Encoding::Xml, &mut document).is_err() {
            return Self::Status(StatusCode::REQUESTED_SIZE_TOO_BIG).document(command);
        }
        (code, String::from_utf8(document).unwrap_or_default())
    }
}
