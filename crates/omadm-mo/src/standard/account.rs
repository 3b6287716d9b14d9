use omadm_core::{Format, Secret, ServerId, SortedMap};
use omadm_tree::{
    AccessSet, AccessType, NodeRef, Schema, Transaction, Tree, TreeError, Uri, UriError, Value,
};

use super::{DM_ACC, literal};
use crate::{Layout, Mount, Plain, bootstrap::owner_rights};

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
    /// `PrefConRef`: the connectivity to prefer; empty for none.
    pub preferred_connection: String,
    /// `ToConRef/<x>/ConRef`: other connectivity, in the order of the names.
    pub connections: Vec<String>,
    /// `AppAddr/<x>`, in the order of the names; never empty in an account that was read.
    pub addresses: Vec<Address>,
    /// `AAuthPref`: the scheme to start with.
    pub preferred: Option<AuthType>,
    /// `AppAuth/<x>`, in the order of the names.
    pub credentials: Vec<Credential>,
}

/// One address of a server, `AppAddr/<x>`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Address {
    /// `Addr`.
    pub addr: String,
    /// `AddrType`: what `addr` is.
    pub addr_type: AddressType,
    /// `Port/<x>/PortNbr`, in the order of the names.
    pub ports: Vec<u16>,
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

            pub(crate) fn from_word(word: &str) -> Option<Self> {
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

/// What [`Account::write`] puts in the place of what was there.
const CHANGEABLE: [&str; 6] = [
    "Name",
    "PrefConRef",
    "ToConRef",
    "AppAddr",
    "AAuthPref",
    "AppAuth",
];

impl Account {
    /// An account with a server at a URI, without credentials.
    #[must_use]
    pub fn new(server_id: ServerId, address: impl Into<String>) -> Self {
        Self {
            server_id,
            name: String::new(),
            preferred_connection: String::new(),
            connections: Vec::new(),
            addresses: vec![Address::new(address, AddressType::Uri)],
            preferred: None,
            credentials: Vec::new(),
        }
    }

    /// The credentials of a level: those of the preferred type, otherwise the first.
    #[must_use]
    pub fn credential(&self, level: AuthLevel) -> Option<&Credential> {
        let of_level = || self.credentials.iter().filter(|one| one.level == level);
        of_level()
            .find(|one| Some(one.auth_type) == self.preferred)
            .or_else(|| of_level().next())
    }

    /// What a tree allows with accounts below `./DMAcc` and nothing else, for who looks for them, or
    /// brings them, while no engine runs.
    #[must_use]
    pub fn layout() -> Layout {
        let mut layout = Layout::default();
        // It does not fail: there is no other mount.
        drop(layout.mount(below_dm_acc()));
        layout
    }

    /// Where the accounts of a tree are: the nodes that [`DM_ACC`] describes, in order. [DM-StdObj]
    ///
    /// A node that says by its Type to be an account where anything may be added, as below an `Ext`
    /// or in the Inbox, is none: whoever added it rules there.
    #[must_use]
    pub fn roots(tree: &Tree, schema: &dyn Schema) -> Vec<Uri> {
        let is_account = |uri: &Uri| {
            let rule = schema.rule(uri);
            rule.is_some_and(|rule| rule.node_type == Some(&*DM_ACC.moid))
        };
        let mut roots = Vec::new();
        let mut open: Vec<NodeRef<'_>> = tree.node(&Uri::root()).into_iter().collect();
        while let Some(node) = open.pop() {
            if node.node_type() == DM_ACC.moid && is_account(&node.uri()) {
                roots.push(node.uri());
            } else {
                open.extend(node.children().rev().filter(NodeRef::is_interior));
            }
        }
        roots
    }

    /// The account with a server, and where it is; the first if there are several.
    ///
    /// # Errors
    /// The [`AccountError`] of that account. What else is wrong elsewhere does not matter.
    pub fn find(
        tree: &Tree,
        schema: &dyn Schema,
        server: &ServerId,
    ) -> Result<Option<(Uri, Self)>, AccountError> {
        match Self::root_of(tree, schema, server) {
            Some(root) => Ok(Some((root.clone(), Self::read(tree, &root)?))),
            None => Ok(None),
        }
    }

    /// Where the account with a server is; the first if there are several. What is mounted says where
    /// accounts are.
    #[must_use]
    pub fn root_of(tree: &Tree, schema: &dyn Schema, server: &ServerId) -> Option<Uri> {
        Self::roots(tree, schema).into_iter().find(|root| {
            let id = tree.node(root).and_then(|node| node.child("ServerID"));
            id.and_then(|id| id.text()) == Some(server.as_str())
        })
    }

    /// Where the account with each server is, as [`root_of`](Self::root_of) says.
    pub(crate) fn roots_by_server(tree: &Tree, schema: &dyn Schema) -> SortedMap<ServerId, Uri> {
        let mut by_server = SortedMap::new();
        for root in Self::roots(tree, schema) {
            let id = tree.node(&root).and_then(|node| node.child("ServerID"));
            if let Some(server) = id.and_then(|id| id.text()?.parse().ok()) {
                by_server.get_or_insert_with(server, || root);
            }
        }
        by_server
    }

    /// The object that holds accounts below `./DMAcc`, each at its name there, and whatever other
    /// accounts are added below.
    ///
    /// An account here is what a bootstrap brings, and its server's, as for
    /// [`object`](Self::object).
    ///
    /// # Errors
    /// A [`UriError`] if a name is none.
    pub fn objects<'a>(
        accounts: impl IntoIterator<Item = (&'a str, &'a Self)>,
    ) -> Result<Plain, UriError> {
        let mut plain = Plain::new(below_dm_acc());
        for (name, account) in accounts {
            plain = account.seed(plain, &Uri::root().child(name)?);
        }
        Ok(plain)
    }

    /// The object that holds the account at an address of its own, such as `./DMAcc/dm.example`.
    ///
    /// The account is what a bootstrap brings: at the next start, what the server changed since
    /// stays, and what it deleted comes back. [`write`](Self::write) overrides it.
    ///
    /// It is its server's from the start: others can neither read it nor add to it, whatever the
    /// ACLs above say, lest they name themselves as the address to log on at.
    /// [DM-Bootstrap §5.4]
    #[must_use]
    pub fn object(&self, root: Uri) -> Plain {
        let plain = Plain::new(Mount::new(root, &DM_ACC));
        self.seed(plain, &Uri::root())
    }

    fn seed(&self, plain: Plain, below: &Uri) -> Plain {
        let server = self.server_id.clone();
        let rights = owner_rights(&server).with(server, AccessSet::of(&[AccessType::Add]));
        let plain = plain.with_seed_acl(below.clone(), rights);
        let leaves = self.leaves().into_iter();
        leaves.fold(plain, |plain, (path, value)| {
            plain.with_seed(below.join(&path), value)
        })
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
        for path in CHANGEABLE {
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
        let mut addresses = Vec::new();
        for place in root.child("AppAddr").children() {
            addresses.push(Address::read(&place)?);
        }
        if addresses.is_empty() {
            return Err(root.child("AppAddr").error(AccountErrorKind::Missing));
        }
        let mut credentials = Vec::new();
        for place in root.child("AppAuth").children() {
            credentials.push(Credential::read(&place)?);
        }
        let mut connections = Vec::new();
        for place in root.child("ToConRef").children() {
            connections.push(place.child("ConRef").text()?.to_owned());
        }
        Ok(Self {
            server_id: root.child("ServerID").required(|text| text.parse().ok())?,
            name: root.child("Name").text()?.to_owned(),
            preferred_connection: root.child("PrefConRef").text()?.to_owned(),
            connections,
            addresses,
            preferred: root.child("AAuthPref").optional(AuthType::from_word)?,
            credentials,
        })
    }

    /// The leaves, by their addresses below the root.
    pub(crate) fn leaves(&self) -> Vec<(Uri, Value)> {
        let text = |path, text: &str| (literal(path), Value::chr(text));
        let mut leaves = vec![text("ServerID", self.server_id.as_str())];
        for (path, value) in [
            ("Name", &self.name),
            ("PrefConRef", &self.preferred_connection),
        ] {
            if !value.is_empty() {
                leaves.push(text(path, value));
            }
        }
        if let Some(preferred) = self.preferred {
            leaves.push(text("AAuthPref", preferred.as_str()));
        }
        let connection = |reference: &String| vec![text("ConRef", reference)];
        let connections = self.connections.iter().map(connection).collect();
        let addresses = self.addresses.iter().map(Address::leaves).collect();
        let credentials = self.credentials.iter().map(Credential::leaves).collect();
        leaves.extend(instances("ToConRef", connections));
        leaves.extend(instances("AppAddr", addresses));
        leaves.extend(instances("AppAuth", credentials));
        leaves
    }
}

fn below_dm_acc() -> Mount {
    Mount::instances(literal("./DMAcc"), &DM_ACC)
}

/// The leaves of nodes named at run time, one node a list. The names are numbers, of equal length so
/// that their order is that of the lists.
fn instances(parent: &'static str, lists: Vec<Vec<(Uri, Value)>>) -> Vec<(Uri, Value)> {
    let width = lists.len().to_string().len();
    let mut leaves = Vec::new();
    for (index, list) in lists.into_iter().enumerate() {
        let name = format!("{:0width$}", index + 1);
        let parent = literal(parent);
        let uri = parent.child(&name).unwrap_or(parent);
        leaves.extend(
            list.into_iter()
                .map(|(below, value)| (uri.join(&below), value)),
        );
    }
    leaves
}

impl Address {
    /// An address without ports.
    #[must_use]
    pub fn new(addr: impl Into<String>, addr_type: AddressType) -> Self {
        Self {
            addr: addr.into(),
            addr_type,
            ports: Vec::new(),
        }
    }

    fn read(place: &Place<'_>) -> Result<Self, AccountError> {
        let mut ports = Vec::new();
        for port in place.child("Port").children() {
            let number = port.child("PortNbr");
            ports.push(number.required(|text| text.parse().ok())?);
        }
        Ok(Self {
            addr: place.child("Addr").required(|text| Some(text.to_owned()))?,
            addr_type: place
                .child("AddrType")
                .optional(AddressType::from_word)?
                .unwrap_or(AddressType::Uri),
            ports,
        })
    }

    fn leaves(&self) -> Vec<(Uri, Value)> {
        let mut leaves = vec![
            (literal("Addr"), Value::chr(&self.addr)),
            (literal("AddrType"), Value::chr(self.addr_type.as_str())),
        ];
        let port = |port: &u16| vec![(literal("PortNbr"), Value::chr(port.to_string()))];
        leaves.extend(instances("Port", self.ports.iter().map(port).collect()));
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
        NodeRef::children_of(self.node).map(|node| Self {
            uri: node.uri(),
            node: Some(node),
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
