use std::{borrow::Cow, fmt};

use omadm_markup::{Encoding, Fragment};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use crate::Meta;
#[cfg(feature = "serde")]
use crate::json::is_default;

/// Detaches a text from the input.
pub(crate) fn own(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

/// A `Target` or `Source`: an address and, if need be, a name. [DM-RepPro]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Location<'a> {
    /// `LocURI`, as it stands.
    pub uri: Cow<'a, str>,
    /// `LocName`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub name: Option<Cow<'a, str>>,
}

impl<'a> Location<'a> {
    /// A location without a name.
    pub fn new(uri: impl Into<Cow<'a, str>>) -> Self {
        Self {
            uri: uri.into(),
            name: None,
        }
    }

    /// With this `LocName`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Cow<'a, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same location, borrowed from here.
    #[must_use]
    pub fn borrow(&self) -> Location<'_> {
        Location {
            uri: Cow::Borrowed(&self.uri),
            name: self.name.as_deref().map(Cow::Borrowed),
        }
    }

    /// The location detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Location<'static> {
        Location {
            uri: own(self.uri),
            name: self.name.map(own),
        }
    }
}

impl<'a> From<&'a str> for Location<'a> {
    fn from(uri: &'a str) -> Self {
        Self::new(uri)
    }
}

impl From<String> for Location<'_> {
    fn from(uri: String) -> Self {
        Self::new(uri)
    }
}

/// The content of a `Data` element. Its `Debug` has the kind and the length: the content may be a
/// secret, as a password in a Replace is.
#[derive(Clone, PartialEq)]
pub enum Data<'a> {
    /// Text, exact to the last white space; also the empty `Data`.
    Text(Cow<'a, str>),
    /// Octets; on the wire in WBXML only.
    Opaque(Cow<'a, [u8]>),
    /// Elements of another vocabulary, such as a TNDS tree.
    Fragment(Fragment<'a>),
}

impl<'a> Data<'a> {
    /// The text, unless it is an embedded document or octets that are not UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Opaque(octets) => str::from_utf8(octets).ok(),
            Self::Fragment(_) => None,
        }
    }

    /// The content as text, an embedded document as XML; `None` for octets that are not UTF-8.
    #[must_use]
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(_) | Self::Opaque(_) => self.as_text().map(Cow::Borrowed),
            Self::Fragment(fragment) => {
                let mut xml = Vec::new();
                fragment.encode(Encoding::Xml, &mut xml).ok()?;
                String::from_utf8(xml).ok().map(Cow::Owned)
            }
        }
    }

    /// The same content, borrowed from here.
    #[must_use]
    pub fn borrow(&self) -> Data<'_> {
        match self {
            Self::Text(text) => Data::Text(Cow::Borrowed(text)),
            Self::Opaque(octets) => Data::Opaque(Cow::Borrowed(octets)),
            Self::Fragment(fragment) => Data::Fragment(fragment.clone()),
        }
    }

    /// The content detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Data<'static> {
        match self {
            Self::Text(text) => Data::Text(own(text)),
            Self::Opaque(octets) => Data::Opaque(Cow::Owned(octets.into_owned())),
            Self::Fragment(fragment) => Data::Fragment(fragment.into_owned()),
        }
    }
}

impl fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, length) = match self {
            Self::Text(text) => ("Text", text.len()),
            Self::Opaque(octets) => ("Opaque", octets.len()),
            Self::Fragment(fragment) => return fragment.fmt(f),
        };
        write!(f, "Data({kind}, {length} bytes)")
    }
}

impl<'a> From<&'a str> for Data<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Data<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<Cow<'a, str>> for Data<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Data<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self::Opaque(octets.into())
    }
}

impl From<Vec<u8>> for Data<'_> {
    fn from(octets: Vec<u8>) -> Self {
        Self::Opaque(octets.into())
    }
}

impl<'a> From<Fragment<'a>> for Data<'a> {
    fn from(fragment: Fragment<'a>) -> Self {
        Self::Fragment(fragment)
    }
}

/// One Item of a command. [DM-RepPro]
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Item<'a> {
    /// The node the command is about.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub target: Option<Location<'a>>,
    /// Where the data comes from: the node of a result, an alert or a Copy.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub source: Option<Location<'a>>,
    /// What is absent here is taken from the command, see [`Meta::inherit`].
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub meta: Meta<'a>,
    /// `Data`; absent and empty differ.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub data: Option<Data<'a>>,
    /// `MoreData`: this is a chunk of a large object and not the last one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub more_data: bool,
}

impl<'a> Item<'a> {
    /// An Item without anything.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            target: None,
            source: None,
            meta: Meta::new(),
            data: None,
            more_data: false,
        }
    }

    /// With this `Target`.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<Location<'a>>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// With this `Source`.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Location<'a>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// With this `Meta`.
    #[must_use]
    pub fn with_meta(mut self, meta: Meta<'a>) -> Self {
        self.meta = meta;
        self
    }

    /// With this `Data`.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Data<'a>>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// The Item detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Item<'static> {
        Item {
            target: self.target.map(Location::into_owned),
            source: self.source.map(Location::into_owned),
            meta: self.meta.into_owned(),
            data: self.data.map(Data::into_owned),
            more_data: self.more_data,
        }
    }
}
