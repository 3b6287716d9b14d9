use std::{
    fmt,
    mem::take,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use omadm_core::{SortedMap, StatusCode, UserAnswer};
use omadm_download::Cancel;
use omadm_syncml::Encoding;
use virmo_guest::{
    Answer, Command, Limits, MessageError, Outcome, Receipt, Reply, Request, Unencodable,
};
use virmo_hypervisor::{Hypervisor, HypervisorError, HypervisorErrorKind as Kind};
use virmo_state::VmId;

use crate::{VmQuestion, VmUserInterface};

/// The way from the device to what runs in its VMs. [VirMO §11.2]
///
/// Calls block: they belong into jobs. As a [`VmUserInterface`] it lets guests ask their users
/// themselves.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use omadm_core::StatusCode;
/// use virmo_client::GuestLink;
/// use virmo_guest::Command;
/// use virmo_hypervisor::Hypervisor;
/// use virmo_state::VmId;
///
/// /// What a job does to lock a machine that can lock itself.
/// fn lock(hypervisor: Arc<dyn Hypervisor>, vm: &VmId) -> StatusCode {
///     let link = GuestLink::new(hypervisor, "1");
///     let command = Command::Exec {
///         uri: "./LAWMO/Operations/FullyLock".parse().unwrap(),
///         argument: None,
///         correlator: None,
///     };
///     match link.one(vm, command, Duration::from_secs(10)) {
///         Ok(answer) => answer.status,
///         Err(error) => error.status(),
///     }
/// }
/// ```
pub struct GuestLink {
    hypervisor: Arc<dyn Hypervisor>,
    session: String,
    encoding: Encoding,
    limits: Limits,
    lines: Mutex<SortedMap<VmId, Line>>,
}

/// What is known of the line to one guest.
#[derive(Default)]
struct Line {
    /// Requests so far.
    number: u32,
    /// To be sent with the next request: the reply of each of these news.
    receipts: SortedMap<u32, u32>,
    /// Ends the calls that are open.
    over: Cancel,
}

/// Why a guest did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// The machine does not run.
    #[error("the machine does not run")]
    NotRunning(#[source] HypervisorError),
    /// The hypervisor has no channel to guests.
    #[error("no channel to the guest")]
    NoChannel,
    /// The command has a text that the encoding of the link does not have.
    #[error("the command cannot be written")]
    Unencodable(#[source] Unencodable),
    /// No answer in time.
    #[error("no answer of the guest in time")]
    NoAnswer(#[source] HypervisorError),
    /// What the guest answered makes no sense.
    #[error("no sensible answer of the guest")]
    Unintelligible(#[source] MessageError),
    /// The channel failed, or the answer was too long.
    #[error("the channel to the guest failed")]
    Channel(#[source] HypervisorError),
}

impl GuestError {
    /// Whether the guest may have done what it was asked all the same.
    #[must_use]
    pub const fn may_be_done(&self) -> bool {
        !matches!(
            self,
            Self::NotRunning(_) | Self::NoChannel | Self::Unencodable(_)
        )
    }

    /// The status a server gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotRunning(_) => StatusCode::COMMAND_NOT_ALLOWED,
            Self::NoChannel => StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
            Self::Unencodable(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT,
            Self::NoAnswer(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Unintelligible(_) | Self::Channel(_) => StatusCode::COMMAND_FAILED,
        }
    }
}

impl From<HypervisorError> for GuestError {
    fn from(error: HypervisorError) -> Self {
        match error.kind() {
            Kind::InvalidState { .. } | Kind::NotFound => Self::NotRunning(error),
            Kind::NotSupported => Self::NoChannel,
            Kind::Timeout { .. } => Self::NoAnswer(error),
            _ => Self::Channel(error),
        }
    }
}

impl GuestLink {
    /// A link over [`Hypervisor::guest_channel`], in WBXML, within the default [`Limits`].
    /// `session` is another text at each start of the device, so that a guest notices.
    pub fn new(hypervisor: Arc<dyn Hypervisor>, session: impl Into<String>) -> Self {
        Self {
            hypervisor,
            session: session.into(),
            encoding: Encoding::Wbxml,
            limits: Limits::default(),
            lines: Mutex::default(),
        }
    }

    /// With messages in this encoding.
    #[must_use]
    pub const fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// With replies within these limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether there is a way to guests at all.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.hypervisor.guest_channel().is_some()
    }

    /// Has the guest of a VM carry out commands, in order; with none it only tells its news.
    ///
    /// The reply has one answer to each command. Whoever keeps its news says so by
    /// [`receipts`](Self::receipts); the guest repeats the others.
    ///
    /// # Errors
    ///
    /// [`GuestError`]
    pub fn call(
        &self,
        vm: &VmId,
        commands: Vec<Command>,
        within: Duration,
    ) -> Result<Reply, GuestError> {
        self.call_until(vm, commands, within, &Cancel::new())
    }

    /// [`call`](Self::call) that is taken back when `over` is thrown: it ends within a second, as if
    /// there were no answer in time, and the guest's answer goes nowhere. What the guest is at it may
    /// end all the same.
    ///
    /// # Errors
    ///
    /// [`GuestError`]
    pub fn call_until(
        &self,
        vm: &VmId,
        commands: Vec<Command>,
        within: Duration,
        over: &Cancel,
    ) -> Result<Reply, GuestError> {
        let channel = self.hypervisor.guest_channel();
        let channel = channel.ok_or(GuestError::NoChannel)?;
        let (request, abandoned) = self.request(vm, commands);
        let over = || over.is_cancelled() || abandoned.is_cancelled();
        let sent = request.encode(self.encoding).map_err(|error| {
            self.put_back(vm, &request);
            GuestError::Unencodable(error)
        })?;
        let received = channel.exchange(vm, &sent, within, self.limits.max_bytes, &over);
        let received = received.inspect_err(|_| self.put_back(vm, &request))?;
        Reply::decode(&received, &request, &self.limits).map_err(|error| {
            self.put_back(vm, &request);
            GuestError::Unintelligible(error)
        })
    }

    /// [`call`](Self::call) with one command.
    ///
    /// # Errors
    ///
    /// [`GuestError`]
    pub fn one(&self, vm: &VmId, command: Command, within: Duration) -> Result<Answer, GuestError> {
        only(self.call(vm, vec![command], within)?)
    }

    /// Says that the first `count` news of a reply are durable on this side. The guest hears of it
    /// with the next call.
    pub fn receipts(&self, vm: &VmId, reply: &Reply, count: usize) {
        let receipts = reply.news.iter().take(count);
        let mut lines = self.lines();
        let line = lines.get_or_insert_with(vm.clone(), Default::default);
        line.receipts
            .extend(receipts.map(|news| (news.number, reply.number)));
    }

    /// The guest of a VM is not there to answer: takes back all calls that wait for it, see
    /// [`call_until`](Self::call_until).
    pub fn abandon(&self, vm: &VmId) {
        let open = self.lines().get_mut(vm).map(|line| take(&mut line.over));
        if let Some(open) = open {
            open.cancel();
        }
    }

    /// A VM is gone: [abandons](Self::abandon) its guest, and forgets what is known of it.
    pub fn forget(&self, vm: &VmId) {
        let line = self.lines().remove(vm);
        if let Some(line) = line {
            line.over.cancel();
        }
    }

    fn request(&self, vm: &VmId, commands: Vec<Command>) -> (Request, Cancel) {
        let mut lines = self.lines();
        let line = lines.get_or_insert_with(vm.clone(), Default::default);
        line.number = line.number.checked_add(1).unwrap_or(1);
        let mut request = Request::new(self.session.as_str(), line.number, commands);
        request.max_reply = self.limits.max_bytes;
        let receipts = take(&mut line.receipts).into_iter();
        request.received = receipts
            .map(|(news, reply)| Receipt { reply, news })
            .collect();
        (request, line.over.clone())
    }

    /// Nobody knows whether the guest got its receipts: they go out again.
    fn put_back(&self, vm: &VmId, request: &Request) {
        if let Some(line) = self.lines().get_mut(vm) {
            for receipt in &request.received {
                line.receipts
                    .get_or_insert_with(receipt.news, || receipt.reply);
            }
        }
    }

    fn lines(&self) -> MutexGuard<'_, SortedMap<VmId, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to the only command.
pub(crate) fn only(reply: Reply) -> Result<Answer, GuestError> {
    let unanswered = GuestError::Unintelligible(MessageError::Unanswered(0));
    reply.answers.into_iter().next().ok_or(unanswered)
}

impl VmUserInterface for GuestLink {
    /// Has the guest ask. It is not told when the question is over: a guest that gets another
    /// request takes the question back.
    fn ask(&self, question: &VmQuestion<'_>, over: &Cancel) -> Result<UserAnswer, HypervisorError> {
        let command = vec![Command::Ask(question.asked.clone())];
        let reply = self.call_until(question.vm, command, question.within, over);
        match reply.and_then(only) {
            Ok(answer) => match answer.outcome {
                Outcome::User(answer) => Ok(answer),
                _ => {
                    let error = HypervisorError::new(Kind::Backend);
                    Err(error.because(format!("the guest answered with {}", answer.status)))
                }
            },
            Err(error) => Err(match error {
                GuestError::NotRunning(error)
                | GuestError::NoAnswer(error)
                | GuestError::Channel(error) => error,
                GuestError::NoChannel => HypervisorError::new(Kind::NotSupported),
                error => HypervisorError::new(Kind::Backend).caused_by(error),
            }),
        }
    }
}

impl fmt::Debug for GuestLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestLink")
            .field("session", &self.session)
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}
