use std::{borrow::Cow, fmt};

use omadm_core::{Format, Mark, UnknownFormat};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

#[cfg(feature = "serde")]
use crate::json::is_default;
use crate::{Data, item::own};

/// Meta-information. [DM-MetInf]
///
/// An absent child and an empty one differ: `None` is absent, `Some("")` empty. A `Meta` in which
/// everything is absent is not written. Elements of Data Synchronization are skipped on receipt.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Meta<'a> {
    /// `Format` as it stands; [`Meta::format`] reads it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub format: Option<Cow<'a, str>>,
    /// `Type`: a media type, an authentication scheme, an alert type or the id of a management
    /// object.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "type", skip_serializing_if = "is_default")
    )]
    pub media_type: Option<Cow<'a, str>>,
    /// `Mark` as it stands; [`Meta::mark`] reads it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub mark: Option<Cow<'a, str>>,
    /// `Size`: bytes of the whole object as transported.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub size: Option<u64>,
    /// `NextNonce`: base64 text, or the octets themselves in WBXML.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub next_nonce: Option<Box<Data<'a>>>,
    /// `MaxMsgSize`: bytes of the largest message the sender can take.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub max_msg_size: Option<u64>,
    /// `MaxObjSize`: bytes of the largest object the sender can take.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub max_obj_size: Option<u64>,
    /// `EMI`: experimental meta-information.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub emi: Vec<Cow<'a, str>>,
}

impl<'a> Meta<'a> {
    /// What an absent `Type` means.
    pub const DEFAULT_TYPE: &'static str = "text/plain";

    /// Meta-information in which everything is absent.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            format: None,
            media_type: None,
            mark: None,
            size: None,
            next_nonce: None,
            max_msg_size: None,
            max_obj_size: None,
            emi: Vec::new(),
        }
    }

    /// With this `Format`.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = Some(format.as_str().into());
        self
    }

    /// With this `Type`.
    #[must_use]
    pub fn with_type(mut self, media_type: impl Into<Cow<'a, str>>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }

    /// With this `Size`.
    #[must_use]
    pub const fn with_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// With this `MaxMsgSize`.
    #[must_use]
    pub const fn with_max_msg_size(mut self, bytes: u64) -> Self {
        self.max_msg_size = Some(bytes);
        self
    }

    /// With this `MaxObjSize`.
    #[must_use]
    pub const fn with_max_obj_size(mut self, bytes: u64) -> Self {
        self.max_obj_size = Some(bytes);
        self
    }

    /// The format; absent means `chr`.
    ///
    /// # Errors
    ///
    /// [`UnknownFormat`] for a word that is no format.
    pub fn format(&self) -> Result<Format, UnknownFormat> {
        self.format.as_deref().map_or(Ok(Format::Chr), str::parse)
    }

    /// The type; absent means [`Meta::DEFAULT_TYPE`].
    #[must_use]
    pub fn media_type(&self) -> &str {
        self.media_type.as_deref().unwrap_or(Self::DEFAULT_TYPE)
    }

    /// The mark, if it is there and one of the words of the specification.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        self.mark.as_deref()?.parse().ok()
    }

    /// Whether everything is absent.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self {
            format,
            media_type,
            mark,
            size,
            next_nonce,
            max_msg_size,
            max_obj_size,
            emi,
        } = self;
        let words = format.is_none() && media_type.is_none() && mark.is_none();
        let sizes = size.is_none() && max_msg_size.is_none() && max_obj_size.is_none();
        words && sizes && next_nonce.is_none() && emi.is_empty()
    }

    /// The meta-information of an Item, whose command has `outer`: what is absent here is taken
    /// from there. [DM-RepPro]
    #[must_use]
    pub fn inherit<'s>(&'s self, outer: &'s Meta<'a>) -> Meta<'s> {
        fn text<'s>(
            inner: Option<&'s Cow<'_, str>>,
            outer: Option<&'s Cow<'_, str>>,
        ) -> Option<Cow<'s, str>> {
            inner.or(outer).map(|text| Cow::Borrowed(text.as_ref()))
        }
        let emi = if self.emi.is_empty() {
            &outer.emi
        } else {
            &self.emi
        };
        Meta {
            format: text(self.format.as_ref(), outer.format.as_ref()),
            media_type: text(self.media_type.as_ref(), outer.media_type.as_ref()),
            mark: text(self.mark.as_ref(), outer.mark.as_ref()),
            size: self.size.or(outer.size),
            next_nonce: self
                .next_nonce
                .as_ref()
                .or(outer.next_nonce.as_ref())
                .map(|nonce| Box::new(nonce.borrow())),
            max_msg_size: self.max_msg_size.or(outer.max_msg_size),
            max_obj_size: self.max_obj_size.or(outer.max_obj_size),
            emi: emi
                .iter()
                .map(|text| Cow::Borrowed(text.as_ref()))
                .collect(),
        }
    }

    /// The meta-information detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Meta<'static> {
        Meta {
            format: self.format.map(own),
            media_type: self.media_type.map(own),
            mark: self.mark.map(own),
            size: self.size,
            next_nonce: self.next_nonce.map(|nonce| Box::new(nonce.into_owned())),
            max_msg_size: self.max_msg_size,
            max_obj_size: self.max_obj_size,
            emi: self.emi.into_iter().map(own).collect(),
        }
    }
}

/// Credentials, which do not print. [DM-RepPro]
#[derive(Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Cred<'a> {
    /// `Type` is the scheme, `Format` that of the data.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub meta: Meta<'a>,
    /// The credentials themselves.
    pub data: Data<'a>,
}

impl<'a> Cred<'a> {
    /// Credentials of a scheme.
    pub fn new(meta: Meta<'a>, data: impl Into<Data<'a>>) -> Self {
        Self {
            meta,
            data: data.into(),
        }
    }

    /// The credentials detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Cred<'static> {
        Cred {
            meta: self.meta.into_owned(),
            data: self.data.into_owned(),
        }
    }
}

impl fmt::Debug for Cred<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Cred");
        fields.field("meta", &self.meta);
        fields.field("data", &format_args!("[redacted]")).finish()
    }
}

/// A challenge: the request for credentials. [DM-RepPro]
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Chal<'a> {
    /// `Type` is the scheme, `Format` that of `NextNonce`.
    pub meta: Meta<'a>,
}

impl<'a> Chal<'a> {
    /// A challenge of a scheme.
    #[must_use]
    pub const fn new(meta: Meta<'a>) -> Self {
        Self { meta }
    }

    /// The challenge detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Chal<'static> {
        Chal {
            meta: self.meta.into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_inherited() {
        let outer = Meta::new()
            .with_format(Format::Int)
            .with_type("a")
            .with_size(1);
        let inner = Meta::new().with_type("");
        let both = inner.inherit(&outer);
        assert_eq!(both.format(), Ok(Format::Int));
        assert_eq!((both.media_type(), both.size), ("", Some(1)));
        assert_eq!(Meta::new().inherit(&outer), outer);
        assert_eq!(outer.inherit(&inner), outer);
    }

    #[test]
    fn defaults_stand_for_what_is_absent() {
        let meta = Meta::new();
        assert!(meta.is_empty());
        assert_eq!(meta.format(), Ok(Format::Chr));
        assert_eq!((meta.media_type(), meta.mark()), ("text/plain", None));
        assert!(!Meta::new().with_type("").is_empty());
    }

    #[test]
    fn credentials_do_not_print() {
        let cred = Cred::new(Meta::new().with_type("syncml:auth-basic"), "c2VjcmV0");
        let printed = format!("{cred:?}");
        assert!(printed.contains("auth-basic") && printed.contains("[redacted]"));
        assert!(!printed.contains("c2VjcmV0"), "{printed}");
    }
}
