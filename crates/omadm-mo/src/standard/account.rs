use omadm_core::{Format, Secret, ServerId};
use omadm_tree::{NodeRef, Schema, Transaction, Tree, TreeError, Uri, Value};

use super::{DM_ACC, literal};
use crate::{Mount, Plain};

/// An account with a DM server, as [`DM_ACC`] keeps it: where the server is, and who is who.
///
/// ```
/// use omadm_mo::{Account, AuthLevel, AuthType, Credential};
///
/// let mut account = Account::new("dm.example".parse()?, "http://dm.example/dm");
/// account.credentials = vec![
///     Credential::new(AuthLevel::Client, AuthType::Basic, "device-7", "pa55"),
///     Credential::new(AuthLevel::Server, AuthType::Basic, "dm.example", "s3cret"),
/// ];
/// assert!(!format!("{account:?}").contains("pa55"));
/// # Ok::<(), omadm_core::InvalidServerId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Account {
    /// `ServerID`: the identity for ACLs and notifications.
    pub server_id: ServerId,
    /// `Name`: a name for people; empty for none.
    pub name: String,
    /// `AppAddr/<x>/Addr`, of the first address.
    pub address: String,
    /// `AppAddr/<x>/AddrType`.
    pub address_type: AddressType,
    /// `AppAddr/<x>/Port/<x>/PortNbr`, the first.
    pub port: Option<u16>,
    /// `AAuthPref`: the scheme to start with.
    pub preferred: Option<AuthType>,
    /// `AppAuth/<x>`, in the order of the names.
    pub credentials: Vec<Credential>,
}

/// One set of credentials, `AppAuth/<x>`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Credential {
    /// `AAuthLevel`: who proves itself to whom.
    pub level: AuthLevel,
    /// `AAuthType`: how.
    pub auth_type: AuthType,
    /// `AAuthName`: the user name; empty for none.
    pub name: String,
    /// `AAuthSecret`: the password; empty for none.
    pub secret: Secret,
    /// `AAuthData`: the nonce of the schemes that have one; empty for none.
    pub data: Secret,
}

/// Makes an enum of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $($(#[$word_doc:meta])* $variant:ident $word:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$word_doc])* #[doc = concat!("`", $word, "`.")] $variant,)*
        }

        impl $name {
            /// Every word.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the tree.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

words! {
    /// What kind of address `AddrType` says.
    AddressType:
    Uri "URI",
    Ipv4 "IPv4",
    Ipv6 "IPv6",
}

words! {
    /// Who proves itself to whom, `AAuthLevel`.
    AuthLevel:
    /// The client to the server:
    Client "CLCRED",
    /// The server to the client, also in notifications:
    Server "SRVCRED",
    /// The client in the OBEX transport:
    Obex "OBEX",
    /// The client in the HTTP transport:
    Http "HTTP",
}

words! {
    /// The scheme of authentication, `AAuthType`.
    AuthType:
    HttpBasic "HTTP-BASIC",
    HttpDigest "HTTP-DIGEST",
    /// `syncml:auth-basic`:
    Basic "BASIC",
    /// `syncml:auth-md5`:
    Digest "DIGEST",
    /// `syncml:auth-MAC`:
    Hmac "HMAC",
    X509 "X509",
    SecurId "SECURID",
    SafeWord "SAFEWORD",
    DigiPass "DIGIPASS",
    Transport "TRANSPORT",
}

/// Why the nodes at an address are no account.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{uri}: {kind}")]
pub struct AccountError {
    /// The node.
    pub uri: Uri,
    /// What is wrong with it.
    pub kind: AccountErrorKind,
}

/// The kind of an [`AccountError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AccountErrorKind {
    /// The node is missing or empty.
    #[error("the node is missing or empty")]
    Missing,
    /// Its value is none of those it can have.
    #[error("the value is not valid")]
    Invalid,
}

impl Account {
    /// An account with a server at a URI, without credentials.
    #[must_use]
    pub fn new(server_id: ServerId, address: impl Into<String>) -> Self {
        Self {
            server_id,
            name: String::new(),
            address: address.into(),
            address_type: AddressType::Uri,
            port: None,
            preferred: None,
            credentials: Vec::new(),
        }
    }

    /// The object that holds the account at an address of its own, such as `./DMAcc/dm.example`.
    ///
    /// The account is what a bootstrap brings: at the next start, what the server changed since
    /// stays, and what it deleted comes back. [`write`](Self::write) overrides it.
    #[must_use]
    pub fn object(&self, root: Uri) -> Plain {
        let plain = Plain::new(Mount::new(root, &DM_ACC));
        self.leaves()
            .into_iter()
            .fold(plain, |plain, (below, value)| plain.with_seed(below, value))
    }

    /// Writes the account at an address, in the place of the one that was there. Credentials without
    /// data take over the data, such as a nonce, of those with the same level, type and name.
    ///
    /// # Errors
    /// A [`TreeError`]; part of the account may be written then.
    pub fn write(
        &self,
        tree: &mut Transaction<'_>,
        schema: &dyn Schema,
        root: &Uri,
    ) -> Result<(), TreeError> {
        let mut account = self.clone();
        if let Ok(before) = Self::read(tree.tree(), root) {
            for credential in &mut account.credentials {
                credential.take_data(&before.credentials);
            }
            if before == account {
                return Ok(());
            }
        }
        for path in ["Name", "AAuthPref", "AppAddr", "AppAuth"] {
            let uri = root.join(&literal(path));
            if tree.node(&uri).is_some() {
                tree.remove(&uri)?;
            }
        }
        tree.add_interior(schema, root)?;
        for (below, value) in account.leaves() {
            tree.set(schema, &root.join(&below), value)?;
        }
        Ok(())
    }

    /// Reads the account at an address.
    ///
    /// # Errors
    /// An [`AccountError`]: the server identifier or the address is missing, or a leaf holds what
    /// it cannot.
    pub fn read(tree: &Tree, root: &Uri) -> Result<Self, AccountError> {
        let root = Place {
            node: tree.node(root),
            uri: root.clone(),
        };
        let address = root.child("AppAddr").first_child();
        let port = address.child("Port").first_child().child("PortNbr");
        let mut credentials = Vec::new();
        for place in root.child("AppAuth").children() {
            credentials.push(Credential::read(&place)?);
        }
        Ok(Self {
            server_id: root.child("ServerID").required(|text| text.parse().ok())?,
            name: root.child("Name").text()?.to_owned(),
            address: address
                .child("Addr")
                .required(|text| Some(text.to_owned()))?,
            address_type: address
                .child("AddrType")
                .optional(AddressType::from_word)?
                .unwrap_or(AddressType::Uri),
            port: port.optional(|text| text.parse().ok())?,
            preferred: root.child("AAuthPref").optional(AuthType::from_word)?,
            credentials,
        })
    }

    /// The leaves, by their addresses below the root.
    fn leaves(&self) -> Vec<(Uri, Value)> {
        let text = |path, text: &str| (literal(path), Value::chr(text));
        let mut leaves = vec![
            text("ServerID", self.server_id.as_str()),
            text("AppAddr/1/Addr", &self.address),
            text("AppAddr/1/AddrType", self.address_type.as_str()),
        ];
        if !self.name.is_empty() {
            leaves.push(text("Name", &self.name));
        }
        if let Some(port) = self.port {
            leaves.push(text("AppAddr/1/Port/1/PortNbr", &port.to_string()));
        }
        if let Some(preferred) = self.preferred {
            leaves.push(text("AAuthPref", preferred.as_str()));
        }
        for (index, credential) in self.credentials.iter().enumerate() {
            // Names of equal length, so that the order of names is the order of the list.
            let set = literal("AppAuth").child(&format!("{:03}", index + 1));
            let set = set.unwrap_or_else(|_| literal("AppAuth"));
            let leaf = |(below, value)| (set.join(&below), value);
            leaves.extend(credential.leaves().into_iter().map(leaf));
        }
        leaves
    }
}

impl Credential {
    /// Credentials without data.
    #[must_use]
    pub fn new(
        level: AuthLevel,
        auth_type: AuthType,
        name: impl Into<String>,
        secret: impl Into<Secret>,
    ) -> Self {
        Self {
            level,
            auth_type,
            name: name.into(),
            secret: secret.into(),
            data: Secret::default(),
        }
    }

    fn read(place: &Place<'_>) -> Result<Self, AccountError> {
        let octets = |name| Secret::from(place.child(name).octets().to_vec());
        Ok(Self {
            level: place.child("AAuthLevel").required(AuthLevel::from_word)?,
            auth_type: place.child("AAuthType").required(AuthType::from_word)?,
            name: place.child("AAuthName").text()?.to_owned(),
            secret: octets("AAuthSecret"),
            data: octets("AAuthData"),
        })
    }

    fn leaves(&self) -> Vec<(Uri, Value)> {
        let mut leaves = vec![
            (literal("AAuthLevel"), Value::chr(self.level.as_str())),
            (literal("AAuthType"), Value::chr(self.auth_type.as_str())),
        ];
        if !self.name.is_empty() {
            leaves.push((literal("AAuthName"), Value::chr(&self.name)));
        }
        if !self.secret.is_empty() {
            // A secret that is no text stays what it is, and the tree refuses it.
            let octets = self.secret.expose();
            let value = Value::new(Format::Chr, None, octets).unwrap_or(Value::bin(octets));
            leaves.push((literal("AAuthSecret"), value));
        }
        if !self.data.is_empty() {
            leaves.push((literal("AAuthData"), Value::bin(self.data.expose())));
        }
        leaves
    }

    fn take_data(&mut self, before: &[Self]) {
        let same = |other: &&Self| {
            other.level == self.level
                && other.auth_type == self.auth_type
                && other.name == self.name
        };
        if self.data.is_empty()
            && let Some(other) = before.iter().find(same)
        {
            self.data = other.data.clone();
        }
    }
}

/// An address, and the node there if there is one.
struct Place<'t> {
    uri: Uri,
    node: Option<NodeRef<'t>>,
}

impl<'t> Place<'t> {
    fn child(&self, name: &'static str) -> Self {
        Self {
            uri: self.uri.join(&literal(name)),
            node: self.node.and_then(|node| node.child(name)),
        }
    }

    fn children(&self) -> impl Iterator<Item = Self> + use<'t> {
        self.node
            .into_iter()
            .flat_map(|node| node.children())
            .map(|node| Self {
                uri: node.uri(),
                node: Some(node),
            })
    }

    /// The first child, or this place without a node.
    fn first_child(&self) -> Self {
        self.children().next().unwrap_or_else(|| Self {
            uri: self.uri.clone(),
            node: None,
        })
    }

    fn octets(&self) -> &'t [u8] {
        self.node.and_then(|node| node.octets()).unwrap_or_default()
    }

    fn text(&self) -> Result<&'t str, AccountError> {
        str::from_utf8(self.octets()).map_err(|_| self.error(AccountErrorKind::Invalid))
    }

    fn optional<T>(&self, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, AccountError> {
        match self.text()? {
            "" => Ok(None),
            text => match parse(text) {
                Some(value) => Ok(Some(value)),
                None => Err(self.error(AccountErrorKind::Invalid)),
            },
        }
    }

    fn required<T>(&self, parse: impl Fn(&str) -> Option<T>) -> Result<T, AccountError> {
        self.optional(parse)?
            .ok_or_else(|| self.error(AccountErrorKind::Missing))
    }

    fn error(&self, kind: AccountErrorKind) -> AccountError {
        let uri = self.uri.clone();
        AccountError { uri, kind }
    }
}
