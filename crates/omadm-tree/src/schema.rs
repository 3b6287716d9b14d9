use std::{borrow::Cow, fmt};

use omadm_core::Format;

use crate::{AccessSet, Uri, Value};

/// Describes the nodes a tree may have; the tables of the management objects implement it.
///
/// ```
/// use omadm_core::Format;
/// use omadm_tree::{AccessSet, AccessType, FormatSet, Initial, Required, Rule, Schema, Uri, Value};
///
/// /// `./Lamps/<name>/On`
/// struct Lamps;
///
/// impl Schema for Lamps {
///     fn rule(&self, uri: &Uri) -> Option<Rule<'_>> {
///         let names: Vec<&str> = uri.segments().collect();
///         match names.as_slice() {
///             ["Lamps"] => Some(Rule::interior(AccessSet::of(&[AccessType::Get])).permanent()),
///             ["Lamps", _] => Some(Rule::interior(AccessSet::ALL).placeholder()),
///             ["Lamps", _, "On"] => Some(Rule::leaf(AccessSet::ALL, FormatSet::of(&[Format::Bool]))),
///             _ => None,
///         }
///     }
///
///     fn required(&self, uri: &Uri) -> Vec<Required> {
///         match uri.depth() {
///             2 => vec![Required::new("On", Initial::Leaf(Value::bool(false)))],
///             _ => Vec::new(),
///         }
///     }
/// }
/// ```
pub trait Schema {
    /// What describes the node at `uri`, whether it exists or not.
    ///
    /// `None`: nobody describes it. A server cannot create such a node, nor use one the device
    /// made (405).
    fn rule(&self, uri: &Uri) -> Option<Rule<'_>>;

    /// The children an interior node at `uri` never goes without: they are created with it, each
    /// with its own required children.
    ///
    /// A child that is named here and that [`rule`](Schema::rule) does not describe is created all
    /// the same.
    fn required(&self, uri: &Uri) -> Vec<Required>;
}

/// What a node may be and what a server may do with it. [DM-DDF]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Rule<'a> {
    /// The commands the node allows; another one answers 405.
    pub access: AccessSet,
    /// The formats a node here may have; with [`Format::Node`] it may be interior.
    pub formats: FormatSet,
    /// The media types a leaf may have; empty allows any. A value that names none gets the first,
    /// unless its format's own is among them.
    pub media_types: &'a [Cow<'static, str>],
    /// The identifier of the management object, for its root node.
    pub node_type: Option<&'a str>,
    /// Whether a server may create, rename and delete it.
    pub scope: Scope,
    /// How many there may be.
    pub occurrence: Occurrence,
    /// Who writes its value.
    pub owner: Owner,
    /// Whether the name is chosen at run time; [`Rule::occurrence`] then counts the siblings whose
    /// rule says so too.
    pub placeholder: bool,
}

impl<'a> Rule<'a> {
    /// A dynamic interior node with a fixed name, at most one.
    #[must_use]
    pub const fn interior(access: AccessSet) -> Self {
        Self::leaf(access, FormatSet::of(&[Format::Node]))
    }

    /// A dynamic leaf with a fixed name, at most one, that the server writes; of any media type.
    #[must_use]
    pub const fn leaf(access: AccessSet, formats: FormatSet) -> Self {
        Self {
            access,
            formats,
            media_types: &[],
            node_type: None,
            scope: Scope::Dynamic,
            occurrence: Occurrence::One,
            owner: Owner::Server,
            placeholder: false,
        }
    }

    /// A node of any kind, in a place where anything may be added, as below `Ext`.
    #[must_use]
    pub const fn open(access: AccessSet) -> Self {
        Self::leaf(access, FormatSet::ALL)
            .placeholder()
            .occurring(Occurrence::ZeroOrMore)
    }

    /// The rule with [`Scope::Permanent`].
    #[must_use]
    pub const fn permanent(mut self) -> Self {
        self.scope = Scope::Permanent;
        self
    }

    /// The rule with [`Owner::Device`].
    #[must_use]
    pub const fn device_owned(mut self) -> Self {
        self.owner = Owner::Device;
        self
    }

    /// The rule for a name chosen at run time; any number, unless
    /// [`occurring`](Self::occurring) says otherwise later.
    #[must_use]
    pub const fn placeholder(mut self) -> Self {
        self.placeholder = true;
        self.occurring(Occurrence::ZeroOrMore)
    }

    /// The rule with an occurrence.
    #[must_use]
    pub const fn occurring(mut self, occurrence: Occurrence) -> Self {
        self.occurrence = occurrence;
        self
    }

    /// The rule with the media types a leaf may have.
    #[must_use]
    pub const fn with_media_types(mut self, media_types: &'a [Cow<'static, str>]) -> Self {
        self.media_types = media_types;
        self
    }

    /// The rule with a management object identifier.
    #[must_use]
    pub const fn with_node_type(mut self, node_type: &'a str) -> Self {
        self.node_type = Some(node_type);
        self
    }
}

/// Whether a node comes and goes at run time. [DM-TND §7.6]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Scope {
    /// Servers cannot create, rename or delete it.
    Permanent,
    /// Servers may create, rename and delete it.
    #[default]
    Dynamic,
}

/// How many nodes a description stands for. [DM-DDF]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Occurrence {
    /// Exactly one.
    #[default]
    One,
    /// At most one.
    ZeroOrOne,
    /// Any number.
    ZeroOrMore,
    /// At least one.
    OneOrMore,
    /// At most N.
    ZeroOrN(u32),
    /// One to N.
    OneOrN(u32),
}

impl Occurrence {
    /// The smallest number.
    #[must_use]
    pub const fn min(self) -> u32 {
        match self {
            Self::One | Self::OneOrMore | Self::OneOrN(_) => 1,
            Self::ZeroOrOne | Self::ZeroOrMore | Self::ZeroOrN(_) => 0,
        }
    }

    /// The greatest number, if there is one.
    #[must_use]
    pub const fn max(self) -> Option<u32> {
        match self {
            Self::One | Self::ZeroOrOne => Some(1),
            Self::ZeroOrMore | Self::OneOrMore => None,
            Self::ZeroOrN(n) | Self::OneOrN(n) => Some(n),
        }
    }
}

impl fmt::Display for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("One"),
            Self::ZeroOrOne => f.write_str("ZeroOrOne"),
            Self::ZeroOrMore => f.write_str("ZeroOrMore"),
            Self::OneOrMore => f.write_str("OneOrMore"),
            Self::ZeroOrN(n) => write!(f, "ZeroOrN({n})"),
            Self::OneOrN(n) => write!(f, "OneOrN({n})"),
        }
    }
}

/// Who writes the value of a leaf.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Owner {
    /// Servers, as far as AccessType and ACL let them; the device may too.
    #[default]
    Server,
    /// The device alone: Add and Replace of a server answer 405, whatever the AccessType says.
    Device,
}

/// A child that is created with its parent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Required {
    /// The (decoded) name.
    pub name: Cow<'static, str>,
    /// What it starts as.
    pub initial: Initial,
}

impl Required {
    /// A required child.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, initial: Initial) -> Self {
        Self {
            name: name.into(),
            initial,
        }
    }
}

/// What a required child starts as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Initial {
    /// An interior node.
    Interior,
    /// A leaf that holds this value and counts as unset: one Add of a server is taken as setting
    /// it, later ones answer 418.
    Leaf(Value),
}

/// A set of [`Format`]s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FormatSet(u16);

impl FormatSet {
    /// Every format.
    pub const ALL: Self = Self::of(&Format::ALL);

    /// The formats of a list.
    #[must_use]
    pub const fn of(list: &[Format]) -> Self {
        let mut set = 0;
        let mut rest = list;
        while let [first, more @ ..] = rest {
            set |= 1 << *first as u16;
            rest = more;
        }
        Self(set)
    }

    /// Whether a format is in the set; `b64` stands for `bin`.
    #[must_use]
    pub const fn contains(self, format: Format) -> bool {
        match format {
            Format::B64 | Format::Bin => {
                self.0 & (1 << Format::B64 as u16 | 1 << Format::Bin as u16) != 0
            }
            _ => self.0 & 1 << format as u16 != 0,
        }
    }

    /// The one format, if there is exactly one.
    #[must_use]
    pub fn single(self) -> Option<Format> {
        let mut formats = self.iter();
        formats.next().filter(|_| formats.next().is_none())
    }

    /// The formats, in the order of [`Format::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Format> {
        Format::ALL
            .into_iter()
            .filter(move |format| self.0 & 1 << *format as u16 != 0)
    }
}

impl FromIterator<Format> for FormatSet {
    fn from_iter<I: IntoIterator<Item = Format>>(formats: I) -> Self {
        Self(
            formats
                .into_iter()
                .fold(0, |set, format| set | 1 << format as u16),
        )
    }
}

impl fmt::Debug for FormatSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_sets_know_their_members() {
        let set = FormatSet::of(&[Format::Chr, Format::Bin]);
        for format in Format::ALL {
            assert_eq!(
                set.contains(format),
                matches!(format, Format::Chr | Format::Bin | Format::B64)
            );
            assert_eq!(FormatSet::of(&[format]).single(), Some(format));
        }
        assert_eq!(set.single(), None);
        assert_eq!(set.iter().collect::<FormatSet>(), set);
        assert_eq!(FormatSet::default().single(), None);
    }

    #[test]
    fn occurrences_have_bounds() {
        for (occurrence, min, max) in [
            (Occurrence::One, 1, Some(1)),
            (Occurrence::ZeroOrOne, 0, Some(1)),
            (Occurrence::ZeroOrMore, 0, None),
            (Occurrence::OneOrMore, 1, None),
            (Occurrence::ZeroOrN(7), 0, Some(7)),
            (Occurrence::OneOrN(7), 1, Some(7)),
        ] {
            assert_eq!((occurrence.min(), occurrence.max()), (min, max));
        }
    }
}
