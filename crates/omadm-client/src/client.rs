use std::{fmt, sync::Arc, time::Duration};

use omadm_core::{Journal, Now};
use omadm_mo::Registry;
use omadm_tree::Tree;

use crate::{ApiMisuse, Config, Input, Output, StartError, device::Device};

/// A DM client: the management tree of a device, its objects, and the sessions with its server.
/// [DM-Protocol]
///
/// It reads no clock, opens no connection and starts no thread. Whoever embeds it drives it:
///
/// 1. [`Client::new`] starts the objects. They may ask for jobs at once, so continue with 3.
/// 2. [`handle`](Self::handle) feeds one [`Input`]: what happened, and when.
/// 3. [`poll_output`](Self::poll_output) is called until it returns `None`; each [`Output`] is
///    carried out. Feeding the next input before that is [`ApiMisuse::UndrainedOutput`].
/// 4. [`deadline`](Self::deadline) says until when to wait for the next thing to happen; when the
///    moment comes first, feed [`Input::Deadline`].
/// 5. Back to 2.
///
/// Each [`Output::Send`] is followed by [`Input::Received`] or [`Input::TransportFailed`], each
/// [`Output::Run`] by [`Input::Completed`], at any later time and in any order. Outside a session
/// the client goes on with its jobs, and asks for a session by
/// [`Event::SessionWanted`](crate::Event::SessionWanted) when an alert is due. It may be dropped at
/// any moment: what it promised is in the journal.
pub struct Client {
    config: Config,
    device: Device,
}

impl Client {
    /// Starts the objects of `registry` on `tree`, which was loaded from `journal`, and takes up the
    /// alerts that were not delivered.
    ///
    /// # Errors
    /// A [`StartError`] if the journal fails or holds damaged alerts, an object refuses, or the
    /// tree lacks a mandatory leaf of `./DevInfo`.
    pub fn new(
        config: Config,
        tree: Tree,
        registry: Registry,
        journal: Arc<dyn Journal>,
        now: Now,
    ) -> Result<Self, StartError> {
        let device = Device::start(&config, tree, registry, journal, now)?;
        Ok(Self { config, device })
    }

    /// Takes in one thing that happened, at a moment.
    ///
    /// # Errors
    /// An [`ApiMisuse`]; nothing happened then.
    pub fn handle(&mut self, input: Input<'_>, now: Now) -> Result<(), ApiMisuse> {
        if self.device.has_outputs() {
            return Err(ApiMisuse::UndrainedOutput);
        }
        let _ = (input, now, &self.config);
        Ok(())
    }

    /// What is to be done next, in order; `None` when there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.device.outputs().pop_front()
    }

    /// When to feed [`Input::Deadline`] if nothing else happens before, monotonic.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        [self.device.next_job_deadline(), self.device.next_alert()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The management tree.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        self.device.tree()
    }

    /// Whether a session is open.
    #[must_use]
    pub const fn in_session(&self) -> bool {
        false
    }

    /// Whether nothing is left to do: no session, no open job, no alert in the queue.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.in_session() && self.device.open_jobs() == 0 && self.device.queued_alerts() == 0
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("in_session", &self.in_session())
            .field("open_jobs", &self.device.open_jobs())
            .field("queued_alerts", &self.device.queued_alerts())
            .finish_non_exhaustive()
    }
}
