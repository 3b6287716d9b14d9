//! How the ends prove who they are, and where that stands.

use omadm_core::Secret;
use omadm_mo::{
    Account, AccountError, Address, AddressType, AuthLevel, AuthType, Credential, Plain,
};
use omadm_session::{Nonce, Proof, Scheme};
use omadm_tree::{Tree, Uri, UriError, Value};

use crate::{Config, SessionEnd};

/// How client and server prove to each other who they are. [DM-Security]
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Auth {
    /// As said here, whatever the tree holds.
    Given {
        /// What the client proves itself by; by nothing if absent.
        client: Option<Proof>,
        /// What the server has to prove itself by; by nothing if absent.
        server: Option<Proof>,
    },
    /// As the account at this address says when a session begins: what a server changes in it
    /// applies from the next session on. [DM-StdObj]
    ///
    /// | in the account | means |
    /// |---|---|
    /// | `AAuthLevel` CLCRED | the client proves itself by this, when asked for its `AAuthType` |
    /// | `AAuthPref` | it does so at once by this `AAuthType`; else by the first |
    /// | `AAuthLevel` SRVCRED | the server has to prove itself by this |
    /// | … several | by that of `AAuthPref`, else by the first |
    /// | `AAuthSecret` of SRVCRED | notifications are signed with it |
    /// | `AAuthType` BASIC, DIGEST, HMAC | basic, md5, MAC |
    /// | … TRANSPORT | the transport does it |
    /// | `AAuthData` | the nonce of the first session |
    ///
    /// A session does not begin if there is no account, or one whose server is to prove itself by
    /// what is not supported.
    Account(Uri),
}

impl Auth {
    /// Nothing is proven in messages.
    pub const NONE: Self = Self::Given {
        client: None,
        server: None,
    };

    /// Both as said here.
    #[must_use]
    pub const fn given(client: Option<Proof>, server: Option<Proof>) -> Self {
        Self::Given { client, server }
    }

    /// What holds for a session that begins now.
    pub(crate) fn resolve(&self, tree: &Tree) -> Result<Terms, SessionEnd> {
        match self {
            Self::Given { client, server } => Ok(Terms {
                client: client.iter().cloned().collect(),
                notification: server.as_ref().map(|it| it.credentials().secret.clone()),
                server: server.clone(),
                provisioned: [None, None],
            }),
            Self::Account(uri) => {
                let account = Account::read(tree, uri).map_err(SessionEnd::Account)?;
                Terms::of(&account)
            }
        }
    }
}

/// How the ends prove who they are in one session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Terms {
    /// The first is used at once, the others when asked for.
    pub(crate) client: Vec<Proof>,
    pub(crate) server: Option<Proof>,
    /// The password the server signs notifications with.
    pub(crate) notification: Option<Secret>,
    /// The nonces the account began with: the server's, the client's.
    pub(crate) provisioned: [Option<Nonce>; 2],
}

impl Terms {
    fn of(account: &Account) -> Result<Self, SessionEnd> {
        let preferred = account.preferred;
        let signing = account.credential(AuthLevel::Server);
        let of_level = |level| {
            let (mut found, others): (Vec<&Credential>, Vec<_>) = account
                .credentials
                .iter()
                .filter(|credential| credential.level == level)
                .filter(|credential| credential.auth_type != AuthType::Transport)
                .partition(|credential| Some(credential.auth_type) == preferred);
            found.extend(others);
            found
        };
        let proof = |credential: &Credential| {
            let name = credential.name.clone();
            let scheme = scheme(credential.auth_type)?;
            Some(Proof::new(scheme, name, credential.secret.clone()))
        };
        let nonce = |credential: &&Credential| {
            let octets = credential.data.expose();
            Nonce::new(octets).ok().filter(|_| !octets.is_empty())
        };

        let client: Vec<_> = of_level(AuthLevel::Client)
            .into_iter()
            .filter(|credential| scheme(credential.auth_type).is_some())
            .collect();
        let servers = of_level(AuthLevel::Server);
        let server = servers.iter().find(|it| scheme(it.auth_type).is_some());
        if server.is_none() && !servers.is_empty() {
            return Err(SessionEnd::AuthNotSupported);
        }
        Ok(Self {
            notification: signing
                .map(|it| it.secret.clone())
                .filter(|it| !it.is_empty()),
            provisioned: [server.and_then(nonce), client.first().and_then(nonce)],
            client: client.into_iter().filter_map(proof).collect(),
            server: server.and_then(|it| proof(it)),
        })
    }
}

impl Config {
    /// The defaults for the account at this address in the tree: its server, at its first address,
    /// and its credentials, which are read again for each session.
    ///
    /// An IP address becomes an `http` URI, with the account's port if it has one.
    ///
    /// # Errors
    /// An [`AccountError`] if there is no account.
    pub fn of_account(tree: &Tree, uri: Uri) -> Result<Self, AccountError> {
        let account = Account::read(tree, &uri)?;
        let url = account.addresses.first().map(url).unwrap_or_default();
        let mut config = Self::new(account.server_id, url);
        config.auth = Auth::Account(uri);
        Ok(config)
    }

    /// The accounts of a device with this server, to be mounted: those of the tree, and the server's.
    ///
    /// The server's account is where the tree has one with its identifier, from a bootstrap for one,
    /// which stays as it is. Else it is at `./DMAcc/` and its identifier; the address there is that of
    /// this configuration after every start. An [`Auth::Account`] at an address without a node comes to
    /// mean that account.
    ///
    /// # Errors
    /// A [`UriError`] if the identifier of the server is no name of a node.
    pub fn accounts(&mut self, tree: &Tree) -> Result<Plain, UriError> {
        let server = self.server_id.as_str();
        let own = Uri::parse("./DMAcc")?.child(server)?;
        if self.is_of_account(tree) {
            return Account::objects([]);
        }
        let root = Account::root_of(tree, &Account::layout(), &self.server_id);
        if let Some(elsewhere) = root.filter(|root| *root != own) {
            if let Auth::Account(at) = &mut self.auth
                && tree.node(at).is_none()
            {
                *at = elsewhere;
            }
            return Account::objects([]);
        }
        // The rest of an account is what a server makes of it; where its server is, is said here.
        let account = Account::new(self.server_id.clone(), self.server_url.clone());
        let address = Uri::root()
            .child(server)?
            .join(&Uri::parse("AppAddr/1/Addr")?);
        let accounts = Account::objects([(server, &account)])?;
        Ok(accounts.with(address, Value::chr(&self.server_url)))
    }

    /// Whether an account in the tree says all this already.
    fn is_of_account(&self, tree: &Tree) -> bool {
        let Auth::Account(root) = &self.auth else {
            return false;
        };
        let said = Self::of_account(tree, root.clone());
        said.is_ok_and(|said| {
            said.server_id == self.server_id && said.server_url == self.server_url
        })
    }
}

fn url(address: &Address) -> String {
    let Address { addr, ports, .. } = address;
    let port = ports.first().map(|port| format!(":{port}"));
    let port = port.unwrap_or_default();
    match address.addr_type {
        AddressType::Ipv4 => format!("http://{addr}{port}/"),
        AddressType::Ipv6 => format!("http://[{addr}]{port}/"),
        _ => addr.clone(),
    }
}

const fn scheme(auth_type: AuthType) -> Option<Scheme> {
    match auth_type {
        AuthType::Basic => Some(Scheme::Basic),
        AuthType::Digest => Some(Scheme::Md5),
        AuthType::Hmac => Some(Scheme::Mac),
        _ => None,
    }
}
