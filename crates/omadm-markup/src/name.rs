use crate::{Tag, Vocabulary};

/// The name of an element or attribute.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Name<'a> {
    /// A name of a vocabulary of OMA DM.
    Known(Tag),
    /// Any other name.
    Other(Namespace<'a>, &'a str),
}

/// The namespace of a [`Name::Other`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Namespace<'a> {
    /// No namespace.
    None,
    /// That of a vocabulary of OMA DM, which has no such name.
    Known(Vocabulary),
    /// Any other, by its name.
    Other(&'a str),
}

impl<'a> Name<'a> {
    /// A name without a namespace, as attributes have it.
    #[must_use]
    pub const fn local(local: &'a str) -> Self {
        Self::Other(Namespace::None, local)
    }

    /// The local part.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        match self {
            Self::Known(tag) => tag.as_str(),
            Self::Other(_, local) => local,
        }
    }

    /// The namespace.
    #[must_use]
    pub const fn namespace(&self) -> Namespace<'a> {
        match self {
            Self::Known(tag) => Namespace::Known(tag.vocabulary()),
            Self::Other(namespace, _) => *namespace,
        }
    }

    /// The tag, if the name is one of a vocabulary of OMA DM.
    #[must_use]
    pub const fn tag(&self) -> Option<Tag> {
        match self {
            Self::Known(tag) => Some(*tag),
            Self::Other(..) => None,
        }
    }
}

impl From<Tag> for Name<'_> {
    fn from(tag: Tag) -> Self {
        Self::Known(tag)
    }
}

impl<'a> Namespace<'a> {
    /// The namespace of that name; empty is none.
    #[must_use]
    pub fn from_uri(uri: &'a str) -> Self {
        match Vocabulary::from_namespace(uri) {
            Some(vocabulary) => Self::Known(vocabulary),
            None if uri.is_empty() => Self::None,
            None => Self::Other(uri),
        }
    }

    /// The name of the namespace; empty for none.
    #[must_use]
    pub const fn uri(&self) -> &'a str {
        match self {
            Self::None => "",
            Self::Known(vocabulary) => vocabulary.namespace(),
            Self::Other(uri) => uri,
        }
    }
}
