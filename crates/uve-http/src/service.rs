//! Both interfaces as an HTTP server answers them.

use std::{io, net::TcpListener, sync::Arc};

use omadm_core::Secret;
use omadm_http::{Handler, Incoming, Outgoing, Server, ServerConfig};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uve::{UaId, UaSessionId, UserId, Uve2, Uve2Error, Uve5, Uve5Error, VmId};

use crate::Token;

pub(crate) const JSON: &str = "application/json";
pub(crate) const OCTETS: &str = "application/octet-stream";
/// The longest body of a request of UVE-2, in bytes: a package of a UA with room to spare.
const MAX_PACKAGE: usize = 80 << 20;
/// The longest one of UVE-5, in bytes: a piece of an image.
const MAX_PIECE: usize = 1 << 20;
/// Connections to a VM at a time. A body is read before anybody knows whose it is, so this and the
/// length of a body are what a stranger can make a VM hold.
const MAX_MANAGERS: usize = 8;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfUser {
    pub(crate) user: UserId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfUa {
    pub(crate) ua: UaId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfSession {
    pub(crate) session: UaSessionId,
}

/// UVE-5, exposed by a VMM.
pub struct Uve5Service {
    vmm: Arc<dyn Uve5>,
    vms: Vec<(VmId, Token)>,
}

impl std::fmt::Debug for Uve5Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uve5Service").finish_non_exhaustive()
    }
}

impl Uve5Service {
    /// A service no VM may use yet.
    #[must_use]
    pub fn new(vmm: Arc<dyn Uve5>) -> Self {
        Self {
            vmm,
            vms: Vec::new(),
        }
    }

    /// Serves until the server is dropped. A request has 1 MiB at most.
    ///
    /// # Errors
    /// The listener or a thread cannot be had.
    pub fn serve(self, listener: TcpListener) -> io::Result<Server> {
        let mut config = ServerConfig::default();
        config.max_body_bytes = MAX_PIECE;
        Server::start(listener, Arc::new(self), config)
    }

    /// Lets a VM use it that proves itself with the token. Who shows it is that VM: no two may have
    /// the same one.
    #[must_use]
    pub fn with_vm(mut self, vm: VmId, token: Token) -> Self {
        self.vms.push((vm, token));
        self
    }

    fn caller(&self, authorization: Option<&Secret>) -> Result<&VmId, Uve5Error> {
        // All of them are looked at, so that time does not tell which one it was.
        let found =
            self.vms
                .iter()
                .fold(None, |found, (vm, token)| match token.is(authorization) {
                    true => Some(vm),
                    false => found,
                });
        found.ok_or(Uve5Error::Unauthorized)
    }

    fn answer(&self, function: &str, request: &Incoming) -> Result<Outgoing, Uve5Error> {
        let vm = self.caller(request.authorization.as_ref())?;
        match function {
            "notify-session-disconnect" => {
                json(&self.vmm.notify_session_disconnect(vm, &body(request)?)?)
            }
            "retrieve-uif" => {
                let of: OfUser = body(request)?;
                json(&self.vmm.retrieve_uif(vm, &of.user)?)
            }
            "read-uif" => Ok(octets(self.vmm.read_uif(vm, &body(request)?)?)),
            "begin-update" => json(&self.vmm.begin_update(vm, &body(request)?)?),
            "write-update" => {
                let piece = query(request)?;
                json(&self.vmm.write_update(vm, &piece, &request.body)?)
            }
            "commit-update" => json(&self.vmm.commit_update(vm, &body(request)?)?),
            "renew-lease" => {
                let of: OfUser = body(request)?;
                json(&self.vmm.renew_lease(vm, &of.user)?)
            }
            "release-lease" => {
                let of: OfUser = body(request)?;
                json(&self.vmm.release_lease(vm, &of.user)?)
            }
            _ => Err(Uve5Error::BadRequest {
                reason: format!("UVE-5 has no function {function:?}"),
            }),
        }
    }
}

impl Handler for Uve5Service {
    fn serves(&self, path: &str) -> bool {
        path.starts_with("/uve-5/")
    }

    fn accepts(&self, content_type: &str) -> bool {
        is_ours(content_type)
    }

    fn handle(&self, request: &Incoming) -> Outgoing {
        let function = function(request, "/uve-5/");
        self.answer(function, request).unwrap_or_else(|error| {
            let status = match error {
                Uve5Error::BadRequest { .. } => 400,
                Uve5Error::Unauthorized => 401,
                Uve5Error::NotServing => 403,
                Uve5Error::UnknownSession
                | Uve5Error::UnknownVersion
                | Uve5Error::UnknownUpdate => 404,
                Uve5Error::Conflict { .. }
                | Uve5Error::WrongOffset { .. }
                | Uve5Error::Incomplete { .. } => 409,
                Uve5Error::TooLarge { .. } => 413,
                Uve5Error::DigestMismatch => 422,
                Uve5Error::Leased { .. } => 423,
                Uve5Error::Full => 507,
                _ => 500,
            };
            refusal(status, &error)
        })
    }
}

/// UVE-2, exposed by a VM.
pub struct Uve2Service {
    vm: Arc<dyn Uve2>,
    token: Token,
}

impl std::fmt::Debug for Uve2Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uve2Service").finish_non_exhaustive()
    }
}

impl Uve2Service {
    /// A service for the VMM that proves itself with the token.
    #[must_use]
    pub fn new(vm: Arc<dyn Uve2>, token: Token) -> Self {
        Self { vm, token }
    }

    /// Serves until the server is dropped. A request has 80 MiB at most, and there are eight
    /// connections at a time.
    ///
    /// # Errors
    /// The listener or a thread cannot be had.
    pub fn serve(self, listener: TcpListener) -> io::Result<Server> {
        let mut config = ServerConfig::default();
        config.max_body_bytes = MAX_PACKAGE;
        config.max_connections = MAX_MANAGERS;
        Server::start(listener, Arc::new(self), config)
    }

    fn answer(&self, function: &str, request: &Incoming) -> Result<Outgoing, Uve2Error> {
        if !self.token.is(request.authorization.as_ref()) {
            return Err(Uve2Error::Unauthorized);
        }
        match function {
            "notify-monitoring" => json(&self.vm.notify_monitoring(&body(request)?)?),
            "deploy-ua" => json(&self.vm.deploy_ua(&query(request)?, &request.body)?),
            "update-ua" => json(&self.vm.update_ua(&query(request)?, &request.body)?),
            "delete-ua" => {
                let of: OfUa = body(request)?;
                json(&self.vm.delete_ua(&of.ua)?)
            }
            "suspend-session" => {
                let of: OfSession = body(request)?;
                json(&self.vm.suspend_session(&of.session)?)
            }
            // Also what the change request took away: deploy and update of user images.
            _ => Err(Uve2Error::NotSupported),
        }
    }
}

impl Handler for Uve2Service {
    fn serves(&self, path: &str) -> bool {
        path.starts_with("/uve-2/")
    }

    fn accepts(&self, content_type: &str) -> bool {
        is_ours(content_type)
    }

    fn handle(&self, request: &Incoming) -> Outgoing {
        let function = function(request, "/uve-2/");
        self.answer(function, request).unwrap_or_else(|error| {
            let status = match error {
                Uve2Error::BadRequest { .. } => 400,
                Uve2Error::Unauthorized => 401,
                Uve2Error::UnknownSession | Uve2Error::UnknownUa => 404,
                Uve2Error::AlreadyDeployed
                | Uve2Error::InUse
                | Uve2Error::NotMonitored
                | Uve2Error::TooMany => 409,
                Uve2Error::TooLarge { .. } => 413,
                Uve2Error::DigestMismatch => 422,
                Uve2Error::NotSupported => 501,
                _ => 500,
            };
            refusal(status, &error)
        })
    }
}

fn is_ours(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(JSON) || essence.eq_ignore_ascii_case(OCTETS)
}

/// The function in a path, without the query.
fn function<'r>(request: &'r Incoming, prefix: &str) -> &'r str {
    let path = request.target.split('?').next().unwrap_or_default();
    path.strip_prefix(prefix).unwrap_or_default()
}

/// A request that cannot be read.
struct Unreadable(String);

impl From<Unreadable> for Uve5Error {
    fn from(Unreadable(reason): Unreadable) -> Self {
        Self::BadRequest { reason }
    }
}

impl From<Unreadable> for Uve2Error {
    fn from(Unreadable(reason): Unreadable) -> Self {
        Self::BadRequest { reason }
    }
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(json).map_err(|error| Unreadable(error.to_string()))
}

fn body<T: DeserializeOwned>(request: &Incoming) -> Result<T, Unreadable> {
    read(&request.body)
}

fn query<T: DeserializeOwned>(request: &Incoming) -> Result<T, Unreadable> {
    let parameter = request
        .target
        .split_once('?')
        .and_then(|(_, query)| query.strip_prefix("request="))
        .ok_or_else(|| Unreadable("the query has no parameter `request`".to_owned()))?;
    let json: Vec<u8> = percent_decode_str(parameter).collect();
    read(&json)
}

fn json<E>(answer: &impl Serialize) -> Result<Outgoing, E>
where
    Unreadable: Into<E>,
{
    let json = serde_json::to_vec(answer).map_err(|error| Unreadable(error.to_string()).into())?;
    let mut outgoing = Outgoing::status(200);
    outgoing.content_type = Some(JSON.into());
    outgoing.body = json;
    Ok(outgoing)
}

fn octets(octets: Vec<u8>) -> Outgoing {
    let mut outgoing = Outgoing::status(200);
    outgoing.content_type = Some(OCTETS.into());
    outgoing.body = octets;
    outgoing
}

fn refusal(status: u16, error: &impl Serialize) -> Outgoing {
    let mut outgoing = Outgoing::status(status);
    if let Ok(json) = serde_json::to_vec(error) {
        outgoing.content_type = Some(JSON.into());
        outgoing.body = json;
    }
    outgoing
}
