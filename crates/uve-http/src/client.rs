//! Both interfaces as an HTTP client calls them.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use ureq::Agent;
use uve::{
    BeginUpdate, Begun, CommitUpdate, MonitoringNotification, ReadUif, Retrieved,
    SessionDisconnect, UaId, UaPackage, UaSessionId, UserId, Uve2, Uve2Error, Uve5, Uve5Error,
    Version, VmId, WriteUpdate,
};

use crate::{
    Token,
    service::{JSON, OCTETS, OfSession, OfUa, OfUser},
};

/// What a function's name is sent without.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');
/// The longest answer taken, in bytes.
const MAX_ANSWER: u64 = 16 << 20;

#[derive(Debug)]
struct Caller {
    agent: Agent,
    base: String,
    token: Token,
}

/// What came back instead of an answer.
enum Trouble<E> {
    /// A refusal of the other side.
    Refused(E),
    /// No answer that could be read.
    Lost(String),
}

impl Caller {
    fn new(base: &str, token: Token) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        Self {
            agent,
            base: base.trim_end_matches('/').to_owned(),
            token,
        }
    }

    fn post<E: DeserializeOwned>(
        &self,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, Trouble<E>> {
        let lost = |error: ureq::Error| Trouble::Lost(error.to_string());
        let mut answer = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("Content-Type", content_type)
            .header("Authorization", self.token.header())
            .send(body)
            .map_err(lost)?;
        let octets = answer
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_vec()
            .map_err(lost)?;
        let status = answer.status();
        if status == 200 {
            return Ok(octets);
        }
        Err(match serde_json::from_slice(&octets) {
            Ok(error) => Trouble::Refused(error),
            Err(_) => Trouble::Lost(format!("the answer was {status}")),
        })
    }

    /// A function whose request is all there is.
    fn ask<E: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<Vec<u8>, Trouble<E>> {
        let body = serde_json::to_vec(request).map_err(|error| Trouble::Lost(error.to_string()))?;
        self.post(path, JSON, &body)
    }

    /// A function with octets.
    fn send<E: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
        octets: &[u8],
    ) -> Result<Vec<u8>, Trouble<E>> {
        let json =
            serde_json::to_string(request).map_err(|error| Trouble::Lost(error.to_string()))?;
        let json = utf8_percent_encode(&json, NON_ALPHANUMERIC);
        self.post(&format!("{path}?request={json}"), OCTETS, octets)
    }
}

fn read<T: DeserializeOwned, E>(octets: Vec<u8>) -> Result<T, Trouble<E>> {
    serde_json::from_slice(&octets)
        .map_err(|error| Trouble::Lost(format!("the answer cannot be read: {error}")))
}

impl From<Trouble<Self>> for Uve5Error {
    fn from(trouble: Trouble<Self>) -> Self {
        match trouble {
            Trouble::Refused(error) => error,
            Trouble::Lost(reason) => Self::Failed { reason },
        }
    }
}

impl From<Trouble<Self>> for Uve2Error {
    fn from(trouble: Trouble<Self>) -> Self {
        match trouble {
            Trouble::Refused(error) => error,
            Trouble::Lost(reason) => Self::Failed { reason },
        }
    }
}

/// [`Uve5`] over HTTP, for a VM.
///
/// A VMM that does not answer within 60 s is a [`Uve5Error::Failed`]. Who the VM is says its token:
/// the argument `vm` of the calls is not sent.
#[derive(Debug)]
pub struct Uve5Client(Caller);

impl Uve5Client {
    /// A client of the VMM at `http://host:port`.
    #[must_use]
    pub fn new(base: &str, token: Token) -> Self {
        Self(Caller::new(base, token))
    }

    fn call<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, Uve5Error> {
        Ok(self.0.ask(path, request).and_then(read)?)
    }
}

impl Uve5 for Uve5Client {
    fn notify_session_disconnect(
        &self,
        _: &VmId,
        disconnect: &SessionDisconnect,
    ) -> Result<(), Uve5Error> {
        self.call("/uve-5/notify-session-disconnect", disconnect)
    }

    fn retrieve_uif(&self, _: &VmId, user: &UserId) -> Result<Retrieved, Uve5Error> {
        let user = user.clone();
        self.call("/uve-5/retrieve-uif", &OfUser { user })
    }

    fn read_uif(&self, _: &VmId, piece: &ReadUif) -> Result<Vec<u8>, Uve5Error> {
        Ok(self.0.ask("/uve-5/read-uif", piece)?)
    }

    fn begin_update(&self, _: &VmId, update: &BeginUpdate) -> Result<Begun, Uve5Error> {
        self.call("/uve-5/begin-update", update)
    }

    fn write_update(&self, _: &VmId, piece: &WriteUpdate, octets: &[u8]) -> Result<u64, Uve5Error> {
        let sent = self.0.send("/uve-5/write-update", piece, octets);
        Ok(sent.and_then(read)?)
    }

    fn commit_update(&self, _: &VmId, commit: &CommitUpdate) -> Result<Version, Uve5Error> {
        self.call("/uve-5/commit-update", commit)
    }

    fn renew_lease(&self, _: &VmId, user: &UserId) -> Result<u64, Uve5Error> {
        let user = user.clone();
        self.call("/uve-5/renew-lease", &OfUser { user })
    }

    fn release_lease(&self, _: &VmId, user: &UserId) -> Result<(), Uve5Error> {
        let user = user.clone();
        self.call("/uve-5/release-lease", &OfUser { user })
    }
}

/// [`Uve2`] over HTTP, for the VMM: one client for each VM.
///
/// A VM that does not answer within 60 s is a [`Uve2Error::Failed`].
#[derive(Debug)]
pub struct Uve2Client(Caller);

impl Uve2Client {
    /// A client of the VM at `http://host:port`.
    #[must_use]
    pub fn new(base: &str, token: Token) -> Self {
        Self(Caller::new(base, token))
    }

    fn call(&self, path: &str, request: &impl Serialize) -> Result<(), Uve2Error> {
        Ok(self.0.ask(path, request).and_then(read)?)
    }

    /// Asks the VM for any function by its name, with an empty request; to learn what it has.
    ///
    /// # Errors
    /// [`Uve2Error::NotSupported`] for what UVE-2 does not have.
    pub fn ask_for(&self, function: &str) -> Result<(), Uve2Error> {
        let function = utf8_percent_encode(function, NAME);
        self.call(&format!("/uve-2/{function}"), &serde_json::json!({}))
    }

    fn package(&self, path: &str, ua: &UaPackage, package: &[u8]) -> Result<(), Uve2Error> {
        Ok(self.0.send(path, ua, package).and_then(read)?)
    }
}

impl Uve2 for Uve2Client {
    fn notify_monitoring(&self, notification: &MonitoringNotification) -> Result<(), Uve2Error> {
        self.call("/uve-2/notify-monitoring", notification)
    }

    fn deploy_ua(&self, ua: &UaPackage, package: &[u8]) -> Result<(), Uve2Error> {
        self.package("/uve-2/deploy-ua", ua, package)
    }

    fn update_ua(&self, ua: &UaPackage, package: &[u8]) -> Result<(), Uve2Error> {
        self.package("/uve-2/update-ua", ua, package)
    }

    fn delete_ua(&self, ua: &UaId) -> Result<(), Uve2Error> {
        let ua = ua.clone();
        self.call("/uve-2/delete-ua", &OfUa { ua })
    }

    fn suspend_session(&self, session: &UaSessionId) -> Result<(), Uve2Error> {
        let session = session.clone();
        self.call("/uve-2/suspend-session", &OfSession { session })
    }
}
