use std::sync::Arc;

use omadm_core::JournalErrorKind;
use omadm_session::{
    Nonce,
    notification::{Notification, NotificationError, ProvenBy, RESYNC_OCTETS, RESYNC_TEXT},
};

use super::Server;
use crate::session::Key;

/// Why there is no notification for a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// It may have no session.
    #[error("the device has no account")]
    NoAccount,
    /// Nothing was agreed on by which the server proves itself to it.
    #[error("there is no password of the server for the device")]
    NoPassword,
    /// A session of the device has the identifier, or a notification it did not answer yet.
    #[error("the session identifier {0} is in use")]
    SessionIdInUse(u16),
    /// The notification cannot be written.
    #[error("the notification cannot be written")]
    Notification(#[source] NotificationError),
    /// [`Config::max_devices`](crate::Config::max_devices) are known.
    #[error("too many devices are known")]
    TooManyDevices,
    /// The nonce of the device cannot be read, or the notification not be kept.
    #[error("the journal failed: {0}")]
    JournalFailed(JournalErrorKind),
}

impl Server {
    /// Writes a notification for a device, which asks it for a session: its octets, to be sent by
    /// HTTP, in a WAP push or however the device takes them. [DM-Notification]
    ///
    /// It is signed with the server's password for the device and the nonce the device sent last, or
    /// with the nonce of resynchronisation where that one got lost, which the device has to allow;
    /// the session it opens then begins with this nonce in both directions, and brings new ones.
    /// The same nonce holds for several notifications until a session brings the next: each has an
    /// identifier of its own, as a device takes one once. A session that answers is told by
    /// [`EventKind::NotificationAnswered`](crate::EventKind::NotificationAnswered); nothing says
    /// that none will.
    ///
    /// # Errors
    /// A [`NotifyError`]; nothing is to be sent.
    ///
    /// ```
    /// use omadm_server::{Account, Config, NotifyError, Server};
    /// use omadm_session::{
    ///     Proof, Scheme,
    ///     notification::{Notification, ProvenBy, UiMode},
    /// };
    ///
    /// let proof = Proof::new(Scheme::Basic, "dm.example", "srvpwd");
    /// let mut server = Server::new(Config::new("r1"), Account::new(None, Some(proof)));
    ///
    /// let mut notification = Notification::new(0xAB, "dm.example".parse()?)?;
    /// notification.ui_mode = UiMode::Background;
    /// let octets = server.notify("urn:example:device-7", &notification, ProvenBy::StoredNonce)?;
    /// assert_eq!(octets.len(), 34);
    ///
    /// let again = server.notify("urn:example:device-7", &notification, ProvenBy::StoredNonce);
    /// assert_eq!(again, Err(NotifyError::SessionIdInUse(0xAB)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn notify(
        &mut self,
        device: &str,
        notification: &Notification,
        by: ProvenBy,
    ) -> Result<Vec<u8>, NotifyError> {
        let session_id = notification.session_id.get();
        let account = self
            .accounts
            .account(device)
            .ok_or(NotifyError::NoAccount)?;
        let proof = account.server.ok_or(NotifyError::NoPassword)?;
        let known = self.devices.get(device);
        let name = Arc::from(device);
        let session = Key::new(Arc::clone(&name), format!("{session_id:X}").into());
        if self.sessions.get(&session).is_some() || known.is_some_and(|it| it.awaits(session_id)) {
            return Err(NotifyError::SessionIdInUse(session_id));
        }
        let nonce = match by {
            ProvenBy::StoredNonce => self
                .notification_nonce(device)
                .map_err(|error| NotifyError::JournalFailed(error.kind()))?,
            ProvenBy::ResyncText => Nonce::new(RESYNC_TEXT).ok(),
            ProvenBy::ResyncOctets => Nonce::new(RESYNC_OCTETS).ok(),
        };
        let octets = nonce.as_ref().map(Nonce::expose).unwrap_or_default();
        let octets = notification
            .sign(&proof.credentials().secret, octets)
            .map_err(NotifyError::Notification)?;
        if !self.make_room_for_device(device) {
            return Err(NotifyError::TooManyDevices);
        }
        let known = self.devices.get_or_insert(&name);
        let before = known.past.resync.take();
        known.notified(session_id);
        known.past.resync = nonce.filter(|_| by != ProvenBy::StoredNonce);
        let kept = self.keep(&name, None);
        if kept.is_err()
            && let Some(known) = self.devices.get_mut(device)
        {
            known.answers(session_id);
            known.past.resync = before;
        }
        self.file(&name);
        match kept {
            Ok(()) => Ok(octets),
            Err(error) => Err(NotifyError::JournalFailed(error.kind())),
        }
    }
}
