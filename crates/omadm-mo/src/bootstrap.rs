//! The content of a bootstrap: from its octets to the accounts of a tree, and back. [DM-Bootstrap]
//!
//! Two profiles say what a bootstrap holds: Client Provisioning, a [`provisioning`] document, and
//! DM, additions of TNDS objects in a message or in a document alone; additions node by node, as DM
//! 1.1 has them, are read as one object. [`Content::decode`] reads
//! either, [`Content::apply`] brings it into a tree. Where it comes from and whether it may be
//! trusted is decided before: by then the MAC was checked.
//!
//! ```
//! use omadm_core::{MemoryJournal, Now};
//! use omadm_mo::{Account, Registry, bootstrap::{Content, Limits, MediaType}};
//! use omadm_tree::{Acl, Tree, TreeLimits};
//!
//! // The server writes an account,
//! let account = Account::new("dm.example".parse()?, "http://dm.example/dm");
//! let content = Content::of_accounts([("1", &account)])?;
//! let octets = content.encode(MediaType::MessageWbxml)?;
//!
//! // and a device takes it over.
//! let mut registry = Registry::new();
//! registry.mount(Box::new(Account::objects([])?))?;
//! let mut tree = Tree::new(TreeLimits::default(), Acl::root_default());
//! let mut transaction = tree.begin(Now::default());
//! let content = Content::decode(&octets, MediaType::MessageWbxml, &Limits::default())?;
//! let applied = content.apply(&mut transaction, registry.layout())?;
//! assert_eq!(applied.accounts[0].to_string(), "./DMAcc/1");
//! transaction.commit(&MemoryJournal::new(), Default::default())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod decode;
mod encode;
mod placement;

use omadm_core::ServerId;
use omadm_markup::Encoding;
use omadm_tree::{AccessSet, AccessType, Acl, Uri, UriError, Value};

use crate::{
    Account, DM_ACC,
    provisioning::{self, ProvisioningError},
    standard::inbox,
    tnds::{self, CreationError, Node, Place, TndsError},
};

pub use apply::{Applied, ApplyError};
pub use encode::EncodeError;
pub(crate) use placement::{Object, Placement, find_places, free};

/// What a bootstrap holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// Client Provisioning profile: a provisioning document.
    Provisioning(provisioning::Document),
    /// DM profile: objects to add.
    Additions(Vec<Addition>),
}

/// One Add of the DM profile, or all that add a node each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Addition {
    /// What is added to; `./Inbox` has the device find the place by the Type of each object.
    pub target: Uri,
    /// The objects.
    pub document: tnds::Document,
}

/// How a bootstrap is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MediaType {
    /// Client Provisioning, `application/vnd.wap.connectivity-wbxml`.
    ProvisioningWbxml,
    /// The same in XML, `text/vnd.wap.connectivity-xml`.
    ProvisioningXml,
    /// A DM message, `application/vnd.syncml.dm+wbxml`; the one a client of the DM profile has to
    /// take.
    MessageWbxml,
    /// The same in XML, `application/vnd.syncml.dm+xml`.
    MessageXml,
    /// A TNDS document alone, `application/vnd.syncml.dmtnds+wbxml`; it counts as added to
    /// `./Inbox`.
    TndsWbxml,
    /// The same in XML, `application/vnd.syncml.dmtnds+xml`.
    TndsXml,
}

/// What reading a bootstrap may cost.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Of a DM message. Default: [`lenient`](omadm_syncml::Limits::lenient).
    pub message: omadm_syncml::Limits,
    /// Of serialized trees, and of provisioning documents in
    /// [`markup`](tnds::Limits::markup).
    pub tnds: tnds::Limits,
}

/// Why something is no bootstrap.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is no provisioning document.
    #[error("no provisioning document")]
    Provisioning(#[source] ProvisioningError),
    /// It is no DM message.
    #[error("no DM message")]
    Message(#[source] omadm_syncml::DecodeError),
    /// It is no serialized tree, or one inside the message is none; offsets then count from there.
    #[error("no serialized tree")]
    Tnds(#[source] TndsError),
    /// The message has a command other than Add, Atomic and Sequence.
    #[error("command {0} in a bootstrap")]
    Command(String),
    /// An Item of the message has no target that is an address where something can be added, or no
    /// data of its Format.
    #[error("item without a target or data")]
    Item,
}

impl MediaType {
    /// Every media type.
    pub const ALL: [Self; 6] = [
        Self::ProvisioningWbxml,
        Self::ProvisioningXml,
        Self::MessageWbxml,
        Self::MessageXml,
        Self::TndsWbxml,
        Self::TndsXml,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProvisioningWbxml => provisioning::MIME_WBXML,
            Self::ProvisioningXml => provisioning::MIME_XML,
            Self::MessageWbxml => omadm_syncml::media_type(Encoding::Wbxml),
            Self::MessageXml => omadm_syncml::media_type(Encoding::Xml),
            Self::TndsWbxml => tnds::MIME_WBXML,
            Self::TndsXml => tnds::MIME_XML,
        }
    }

    /// The media type a `Content-Type` names; case and parameters are ignored.
    #[must_use]
    pub fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        Self::ALL
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(essence))
    }

    /// The encoding.
    #[must_use]
    pub const fn encoding(self) -> Encoding {
        match self {
            Self::ProvisioningWbxml | Self::MessageWbxml | Self::TndsWbxml => Encoding::Wbxml,
            Self::ProvisioningXml | Self::MessageXml | Self::TndsXml => Encoding::Xml,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: omadm_syncml::Limits::lenient(),
            tnds: tnds::Limits::default(),
        }
    }
}

impl Content {
    /// Accounts for the DM profile, each with the name of its node: one addition to `./Inbox`.
    ///
    /// The server of each account may Get, Replace and Delete it. For the Client Provisioning
    /// profile there is
    /// [`provisioning::Document::from_accounts`](provisioning::Document::from_accounts).
    ///
    /// # Errors
    /// A [`UriError`] if a name is none.
    pub fn of_accounts<'a>(
        accounts: impl IntoIterator<Item = (&'a str, &'a Account)>,
    ) -> Result<Self, UriError> {
        let mut document = tnds::Document::default();
        for (name, account) in accounts {
            let root = Uri::root().child(name)?;
            let place = |below: &Uri| Place::Relative(root.join(below));
            let object = Node::interior(place(&Uri::root()), &*DM_ACC.moid);
            document
                .nodes
                .push(object.with_acl(owner_rights(&account.server_id)));
            let mut leaves = account.leaves();
            leaves.sort_by(|(one, _), (other, _)| one.cmp(other));
            leaves.insert(0, (crate::standard::literal("AppID"), Value::chr("w7")));
            let mut interiors = Vec::new();
            for (below, value) in leaves {
                let mut missing: Vec<Uri> = below
                    .ancestors()
                    .filter(|uri| !uri.is_root() && !interiors.contains(uri))
                    .collect();
                missing.reverse();
                for uri in missing {
                    document.nodes.push(Node::interior(place(&uri), ""));
                    interiors.push(uri);
                }
                document.nodes.push(Node::leaf(place(&below), value));
            }
        }
        let target = inbox::root();
        Ok(Self::Additions(vec![Addition { target, document }]))
    }
}

/// What a server may do with an account that a bootstrap brought. [DM-Bootstrap §5.4]
pub(crate) fn owner_rights(server: &ServerId) -> Acl {
    let rights = AccessSet::of(&[AccessType::Get, AccessType::Replace, AccessType::Delete]);
    Acl::new().with(server.clone(), rights)
}

impl Addition {
    /// The nodes, each after its parent. What counts from the root of the tree stays there.
    fn creations(&self) -> Result<Vec<tnds::Creation>, CreationError> {
        let mut document = self.document.clone();
        for node in &mut document.nodes {
            node.place = Place::Absolute(match &node.place {
                Place::Absolute(uri) => uri.clone(),
                Place::Relative(uri) => self.target.join(uri),
            });
        }
        document.creations(&Uri::root())
    }
}
