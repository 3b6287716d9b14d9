use std::{fmt, str::FromStr};

use omadm_core::StatusCode;

use crate::{Uri, UriError, UriLimits};

/// What a command addresses: a node, one of its properties, or a list over its subtree.
/// [DM-TND §6, §7.7], [DM-Protocol §8.4]
///
/// ```
/// use omadm_tree::{Property, Selector, Target};
///
/// let target: Target = "./DevInfo/DevId?prop=ACL".parse()?;
/// assert_eq!(target.selector, Selector::Property(Property::Acl));
/// assert_eq!(target.to_string(), "./DevInfo/DevId?prop=ACL");
/// # Ok::<(), omadm_tree::TargetError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// The node.
    pub uri: Uri,
    /// What of it.
    pub selector: Selector,
}

/// The part of a node a [`Target`] names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Selector {
    /// The node itself: its value or its children.
    #[default]
    Node,
    /// `?prop=`: a property.
    Property(Property),
    /// `?list=`: the subtree.
    List(List),
}

/// A property of a node. [DM-TND §7.7]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Property {
    /// The access control list of the node itself; empty if inherited.
    Acl,
    /// The format of the value, `node` for interior nodes.
    Format,
    /// The last segment of the address, percent-encoded as in an address.
    Name,
    /// The octets of the value; not for interior nodes.
    Size,
    /// A name for people.
    Title,
    /// When the value was last written.
    TStamp,
    /// The media type of a leaf, the management object identifier of an interior node.
    Type,
    /// How often the value was written, modulo 65,536.
    VerNo,
}

/// The kind of a `?list=` target. [DM-Protocol §8.4]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum List {
    /// Every node of the subtree, without values.
    Struct,
    /// Every node of the subtree, leaves with their values.
    StructData,
    /// The subtree as a TNDS document. [DM-TNDS]
    Tnds(PropertySelection),
}

/// Which properties a TNDS document shows, `Value` among them.
///
/// The default is everything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PropertySelection {
    only: bool,
    named: u16,
}

/// A text that is no target, or one for something not supported.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The address is wrong.
    #[error("the address is not valid")]
    Uri(#[from] UriError),
    /// What follows `?` is no property and no list this crate knows.
    #[error("unknown selector {0:?}")]
    UnknownSelector(String),
}

impl Target {
    /// A node.
    #[must_use]
    pub const fn node(uri: Uri) -> Self {
        Self {
            uri,
            selector: Selector::Node,
        }
    }

    /// A property of a node.
    #[must_use]
    pub const fn property(uri: Uri, property: Property) -> Self {
        Self {
            uri,
            selector: Selector::Property(property),
        }
    }

    /// A list over the subtree of a node.
    #[must_use]
    pub const fn list(uri: Uri, list: List) -> Self {
        Self {
            uri,
            selector: Selector::List(list),
        }
    }

    /// Parses a `LocURI` without limits.
    ///
    /// # Errors
    /// A [`TargetError`].
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        Self::parse_with(text, &UriLimits::UNLIMITED)
    }

    /// Parses a `LocURI` within limits; `max_total` counts what follows `?` too.
    ///
    /// # Errors
    /// A [`TargetError`].
    pub fn parse_with(text: &str, limits: &UriLimits) -> Result<Self, TargetError> {
        // Nearly none has one, which octets tell in fewer steps than characters.
        if !text.as_bytes().contains(&b'?') {
            return Ok(Self::node(Uri::parse_with(text, limits)?));
        }
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let uri = Uri::parse(address)?;
        limits.check_suffixed(&uri, query.chars().count() + 1)?;
        let selector = match query.split_once('=') {
            Some(("prop", name)) => name.parse().ok().map(Selector::Property),
            Some(("list", spec)) => List::parse(spec).map(Selector::List),
            _ => None,
        };
        match selector {
            Some(selector) => Ok(Self { uri, selector }),
            None => Err(TargetError::UnknownSelector(query.to_owned())),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        Self::parse(text)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)?;
        match self.selector {
            Selector::Node => Ok(()),
            Selector::Property(property) => write!(f, "?prop={property}"),
            Selector::List(list) => write!(f, "?list={list}"),
        }
    }
}

impl TargetError {
    /// The status a command on such a target gets: 406 for an unknown selector, otherwise that of
    /// the address.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Uri(error) => error.status(),
            Self::UnknownSelector(_) => StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
        }
    }
}

impl Property {
    /// Every property.
    pub const ALL: [Self; 8] = [
        Self::Acl,
        Self::Format,
        Self::Name,
        Self::Size,
        Self::Title,
        Self::TStamp,
        Self::Type,
        Self::VerNo,
    ];

    /// The name in addresses and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acl => "ACL",
            Self::Format => "Format",
            Self::Name => "Name",
            Self::Size => "Size",
            Self::Title => "Title",
            Self::TStamp => "TStamp",
            Self::Type => "Type",
            Self::VerNo => "VerNo",
        }
    }

    /// Whether a server may replace it.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        match self {
            Self::Acl | Self::Name | Self::Title => true,
            Self::Format | Self::Size | Self::TStamp | Self::Type | Self::VerNo => false,
        }
    }
}

impl FromStr for Property {
    type Err = TargetError;

    /// Reads the name, exact in case.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        Self::ALL
            .into_iter()
            .find(|property| property.as_str() == text)
            .ok_or_else(|| TargetError::UnknownSelector(text.to_owned()))
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl List {
    fn parse(spec: &str) -> Option<Self> {
        match spec {
            "Struct" => Some(Self::Struct),
            "StructData" => Some(Self::StructData),
            _ => {
                let selection = spec.strip_prefix("TNDS")?;
                PropertySelection::parse(selection).map(Self::Tnds)
            }
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Struct => f.write_str("Struct"),
            Self::StructData => f.write_str("StructData"),
            Self::Tnds(selection) => write!(f, "TNDS{selection}"),
        }
    }
}

impl PropertySelection {
    /// Everything.
    pub const ALL: Self = Self {
        only: false,
        named: 0,
    };

    const VALUE: &'static str = "Value";

    /// The named properties (and the value) only, or everything but them; naming nothing shows
    /// everything.
    #[must_use]
    pub fn naming(only: bool, properties: &[Property], value: bool) -> Self {
        let named = properties
            .iter()
            .fold(0, |named, property| named | 1 << *property as u16);
        let named = if value {
            named | Self::VALUE_BIT
        } else {
            named
        };
        Self {
            only: only && named != 0,
            named,
        }
    }

    /// Whether a property is shown.
    #[must_use]
    pub fn contains(self, property: Property) -> bool {
        self.shows(1 << property as u16)
    }

    /// Whether the value is shown.
    #[must_use]
    pub fn contains_value(self) -> bool {
        self.shows(Self::VALUE_BIT)
    }

    const VALUE_BIT: u16 = 1 << Property::ALL.len();

    const fn shows(self, bit: u16) -> bool {
        (self.named & bit != 0) == self.only
    }

    /// Reads `+P1+P2…`, `-P1-P2…` or nothing; the signs do not mix.
    fn parse(text: &str) -> Option<Self> {
        let (sign, only) = match text.chars().next() {
            None => return Some(Self::ALL),
            Some('+') => ('+', true),
            Some('-') => ('-', false),
            Some(_) => return None,
        };
        let mut named = 0;
        for name in text.split(sign).skip(1) {
            named |= if name == Self::VALUE {
                Self::VALUE_BIT
            } else {
                1 << name.parse::<Property>().ok()? as u16
            };
        }
        Some(Self { only, named })
    }
}

impl fmt::Display for PropertySelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.only { '+' } else { '-' };
        for property in Property::ALL {
            if self.named & 1 << property as u16 != 0 {
                write!(f, "{sign}{property}")?;
            }
        }
        if self.named & Self::VALUE_BIT != 0 {
            write!(f, "{sign}{}", Self::VALUE)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_selector_round_trips() {
        let mut texts = vec!["./A".to_owned(), ".".to_owned()];
        texts.extend(Property::ALL.map(|property| format!("./A/B?prop={property}")));
        texts.extend(
            [
                "Struct",
                "StructData",
                "TNDS",
                "TNDS+ACL+Value",
                "TNDS-ACL-VerNo-Value",
            ]
            .map(|list| format!(".?list={list}")),
        );
        for text in texts {
            assert_eq!(Target::parse(&text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn unknown_selectors_are_optional_features() {
        for query in [
            "",
            "prop",
            "prop=",
            "prop=acl",
            "prop=Value",
            "list=",
            "list=struct",
            "list=TNDSACL",
            "list=TNDS+",
            "list=TNDS+ACL-Name",
            "list=TNDS+ACL+",
            "list=TNDS-Foo",
            "x=ACL",
        ] {
            let error = Target::parse(&format!("./A?{query}")).unwrap_err();
            assert_eq!(error, TargetError::UnknownSelector(query.to_owned()));
            assert_eq!(error.status(), StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED);
        }
    }

    #[test]
    fn selections_are_built_as_they_are_read() {
        let named = [Property::Acl, Property::Name, Property::VerNo];
        for (only, value, text) in [
            (true, true, "+ACL+Name+VerNo+Value"),
            (true, false, "+ACL+Name+VerNo"),
            (false, true, "-ACL-Name-VerNo-Value"),
        ] {
            // Naming one twice says no more.
            let twice = [named, named].concat();
            for properties in [&named[..], &twice] {
                let built = PropertySelection::naming(only, properties, value);
                assert_eq!(built.to_string(), text);
                assert_eq!(Some(built), PropertySelection::parse(text));
            }
        }
        assert_eq!(
            PropertySelection::naming(true, &[], false),
            PropertySelection::ALL
        );
    }

    #[test]
    fn the_length_limit_counts_the_suffix() {
        let limits = UriLimits::new(0, 12, 0);
        assert!(Target::parse_with("./A?prop=ACL", &limits).is_ok());
        let error = Target::parse_with("./A?prop=Name", &limits).unwrap_err();
        assert_eq!(error.status(), StatusCode::URI_TOO_LONG);
    }

    #[test]
    fn selections_name_what_is_shown() {
        let select = |text| match Target::parse(text).unwrap().selector {
            Selector::List(List::Tnds(selection)) => selection,
            other => panic!("{other:?}"),
        };
        let all = select("./A?list=TNDS");
        let only = select("./A?list=TNDS+ACL+Value");
        let except = select("./A?list=TNDS-ACL-Value");
        for property in Property::ALL {
            assert!(all.contains(property));
            assert_eq!(only.contains(property), property == Property::Acl);
            assert_eq!(except.contains(property), property != Property::Acl);
        }
        assert!(all.contains_value() && only.contains_value() && !except.contains_value());
    }
}
