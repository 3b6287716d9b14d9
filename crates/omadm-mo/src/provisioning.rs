//! WAP provisioning documents, the content of the Client Provisioning profile of bootstrap.
//! [WAP-ProvCont], [DM-Bootstrap §5.4]
//!
//! A [`Document`] keeps every characteristic it was read with. Its w7 applications are accounts
//! ([`Document::accounts`], [`Document::from_accounts`]); `NAPDEF` and `PXLOGICAL` and whatever else
//! it holds are for the embedder, as no management object here describes connectivity.
//!
//! ```
//! use omadm_markup::{Encoding, Limits};
//! use omadm_mo::provisioning::Document;
//!
//! let xml = br#"<wap-provisioningdoc version="1.1">
//!   <characteristic type="APPLICATION">
//!     <parm name="APPID" value="w7"/>
//!     <parm name="PROVIDER-ID" value="dm.example"/>
//!     <characteristic type="APPADDR"><parm name="ADDR" value="http://dm.example/"/></characteristic>
//!   </characteristic>
//! </wap-provisioningdoc>"#;
//! let document = Document::decode(xml, Encoding::Xml, &Limits::lenient())?;
//! assert_eq!(document.accounts()?[0].server_id.as_str(), "dm.example");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accounts;
mod read;
mod write;

use std::fmt;

use omadm_markup::{ReadError, ReadErrorKind};

pub use accounts::{ApplicationError, NotExpressible};

/// The media type of a document in XML.
pub const MIME_XML: &str = "text/vnd.wap.connectivity-xml";

/// The media type of a document in WBXML.
pub const MIME_WBXML: &str = "application/vnd.wap.connectivity-wbxml";

/// How deep characteristics nest in a document that is read.
pub const MAX_DEPTH: usize = 8;

/// A `wap-provisioningdoc`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Document {
    /// The outermost characteristics, in order.
    pub characteristics: Vec<Characteristic>,
}

/// A `characteristic`: a set of parameters with a type.
///
/// Parameters are written before the characteristics inside.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Characteristic {
    /// `type`, as `APPLICATION`.
    pub kind: String,
    /// Its parameters, in order.
    pub parms: Vec<Parm>,
    /// The characteristics inside, in order.
    pub characteristics: Vec<Characteristic>,
}

/// A `parm`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Parm {
    /// `name`, as `APPID`.
    pub name: String,
    /// `value`; some parameters have none.
    pub value: Option<String>,
}

/// Why something is no provisioning document, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct ProvisioningError {
    /// What is wrong.
    pub kind: ProvisioningErrorKind,
    /// The byte offset of the element at fault; for [`ProvisioningErrorKind::Markup`] see
    /// [`ReadError::offset`].
    pub offset: usize,
}

/// The kind of a [`ProvisioningError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisioningErrorKind {
    /// The markup is malformed or beyond its limits.
    #[error("{0}")]
    Markup(ReadErrorKind),
    /// The root element is not `wap-provisioningdoc`.
    #[error("the root is not wap-provisioningdoc")]
    Root,
    /// A characteristic without a type, or a parameter without a name.
    #[error("element without type or name")]
    Unnamed,
    /// A parameter outside a characteristic, or something inside a parameter.
    #[error("element out of place")]
    Misplaced,
    /// Characteristics nest deeper than [`MAX_DEPTH`].
    #[error("characteristics nested too deep")]
    TooDeep,
}

impl ProvisioningErrorKind {
    const fn at(self, offset: usize) -> ProvisioningError {
        ProvisioningError { kind: self, offset }
    }
}

impl From<ReadError> for ProvisioningError {
    fn from(error: ReadError) -> Self {
        ProvisioningErrorKind::Markup(error.kind).at(error.offset)
    }
}

impl Characteristic {
    /// One without anything in it.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            ..Self::default()
        }
    }

    /// The characteristic with another parameter.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parms.push(Parm {
            name: name.into(),
            value: Some(value.into()),
        });
        self
    }

    /// The characteristic with another one inside.
    #[must_use]
    pub fn containing(mut self, inner: Self) -> Self {
        self.characteristics.push(inner);
        self
    }

    /// The values of a parameter, in order; those without a value are empty.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.parms
            .iter()
            .filter(move |parm| parm.name == name)
            .map(|parm| parm.value.as_deref().unwrap_or_default())
    }

    /// The first value of a parameter that is not empty.
    #[must_use]
    pub fn value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).find(|value| !value.is_empty())
    }

    /// The characteristics of a type right inside, in order.
    pub fn inner<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Self> {
        self.characteristics
            .iter()
            .filter(move |inner| inner.kind == kind)
    }
}

impl fmt::Debug for Parm {
    /// Shows the name; a value may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.value.as_ref().map(String::len);
        match length {
            Some(length) => write!(f, "{} ({length} bytes)", self.name),
            None => f.write_str(&self.name),
        }
    }
}
