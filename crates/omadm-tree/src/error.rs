use std::fmt;

use omadm_core::{Format, StatusCode};

use crate::{AclError, Uri, UriError, ValueError};

/// Why a command on the tree is refused, and at which node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeError {
    cause: Box<Cause>,
}

/// Apart, so that what succeeds carries no room for it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Cause {
    kind: TreeErrorKind,
    uri: Uri,
    ancestor: bool,
}

/// The kind of a [`TreeError`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeErrorKind {
    /// The node, or an ancestor that may not be created on the way, does not exist: 404.
    #[error("the node does not exist")]
    NotFound,
    /// The description of the node or the structure of the tree forbids the command: 405.
    #[error("the command is not allowed: {0}")]
    NotAllowed(Refusal),
    /// The ACL refuses: 425.
    #[error("the access control list refuses")]
    PermissionDenied,
    /// There is a node of that name: 418.
    #[error("the node exists already")]
    AlreadyExists,
    /// The address, or a new name, is wrong (400) or too long (414).
    #[error("the address is not valid")]
    Uri(#[source] UriError),
    /// The node does not have the property: 406.
    #[error("the node does not have the property")]
    PropertyNotSupported,
    /// The node cannot have the format: 415.
    #[error("the node cannot have format {0}")]
    Format(Format),
    /// The node cannot have the media type or identifier: 415.
    #[error("the node cannot have type {0:?}")]
    Type(String),
    /// The value does not fit its format: 415.
    #[error("the value does not fit")]
    Value(#[source] ValueError),
    /// The new access control list is malformed: 400.
    #[error("the access control list is not valid")]
    Acl(#[source] AclError),
    /// A value, title, type, access control list or listing is larger than its limit: 413.
    #[error("{what} of {size} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, in bytes; for a listing in nodes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The tree holds as much as its limits allow: 420.
    #[error("the tree is full: limit of {limit} {what}")]
    Full {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A permit was used for something it does not permit: 500.
    #[error("the permit is for another operation")]
    WrongPermit,
}

/// Why a command is not allowed (405).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The AccessType of the node does not have the command.
    AccessType,
    /// Nobody describes the node.
    Undescribed,
    /// The node is permanent.
    Permanent,
    /// The device alone writes the node.
    DeviceOwned,
    /// The description fixes the name.
    FixedName,
    /// The command does not apply to the root.
    Root,
    /// A leaf has no children, and an interior node no value.
    Kind,
    /// There would be more or fewer nodes than the description allows.
    Occurrence,
    /// Properties and lists do not take the command.
    Selector,
    /// The root cannot go without an access control list.
    RootAcl,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessType => "the access type of the node lacks it",
            Self::Undescribed => "nobody describes the node",
            Self::Permanent => "the node is permanent",
            Self::DeviceOwned => "the device alone writes the node",
            Self::FixedName => "the description fixes the name",
            Self::Root => "it does not apply to the root",
            Self::Kind => "a leaf has no children, an interior node no value",
            Self::Occurrence => "the description allows another number of nodes",
            Self::Selector => "properties and lists do not take it",
            Self::RootAcl => "the root needs an access control list",
        })
    }
}

impl TreeError {
    #[cold]
    pub(crate) fn new(kind: TreeErrorKind, uri: &Uri) -> Self {
        Self {
            cause: Box::new(Cause {
                kind,
                uri: uri.clone(),
                ancestor: false,
            }),
        }
    }

    /// Checks the size of something against its limit.
    pub(crate) fn check_size(
        what: &'static str,
        size: usize,
        limit: usize,
        uri: &Uri,
    ) -> Result<(), Self> {
        if size <= limit {
            return Ok(());
        }
        let kind = TreeErrorKind::TooLarge { what, size, limit };
        Err(Self::new(kind, uri))
    }

    /// The same error, about a node on the way to the target.
    pub(crate) fn on_ancestor(mut self) -> Self {
        self.cause.ancestor = true;
        self
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> &TreeErrorKind {
        &self.cause.kind
    }

    /// The node at which the command failed.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.cause.uri
    }

    /// The ancestor at which the implicit part of an Add failed; the status should name it in an
    /// Item. [DM-RepPro §6.5.1]
    #[must_use]
    pub fn failed_ancestor(&self) -> Option<&Uri> {
        self.cause.ancestor.then_some(&self.cause.uri)
    }

    /// The status the command gets. [DM-RepPro §10]
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match &self.cause.kind {
            TreeErrorKind::NotFound => StatusCode::NOT_FOUND,
            TreeErrorKind::NotAllowed(_) => StatusCode::COMMAND_NOT_ALLOWED,
            TreeErrorKind::PermissionDenied => StatusCode::PERMISSION_DENIED,
            TreeErrorKind::AlreadyExists => StatusCode::ALREADY_EXISTS,
            TreeErrorKind::Uri(error) => error.status(),
            TreeErrorKind::PropertyNotSupported => StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
            TreeErrorKind::Format(_) | TreeErrorKind::Type(_) | TreeErrorKind::Value(_) => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT
            }
            TreeErrorKind::Acl(_) => StatusCode::BAD_REQUEST,
            TreeErrorKind::TooLarge { .. } => StatusCode::REQUEST_ENTITY_TOO_LARGE,
            TreeErrorKind::Full { .. } => StatusCode::DEVICE_FULL,
            TreeErrorKind::WrongPermit => StatusCode::COMMAND_FAILED,
        }
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.uri, self.cause.kind)
    }
}

impl std::error::Error for TreeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.cause.kind)
    }
}
