use std::borrow::Cow;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use crate::item::own;

/// Any number of `LocURI`s, most often one: the first takes no allocation.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(from = "Vec<Cow<'a, str>>", into = "Vec<Cow<'a, str>>")
)]
pub struct Refs<'a> {
    first: Option<Cow<'a, str>>,
    rest: Vec<Cow<'a, str>>,
}

impl<'a> Refs<'a> {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: None,
            rest: Vec::new(),
        }
    }

    /// Adds one at the end.
    pub fn push(&mut self, uri: impl Into<Cow<'a, str>>) {
        if self.first.is_none() {
            self.first = Some(uri.into());
        } else {
            self.rest.push(uri.into());
        }
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.first.iter().chain(&self.rest).map(Cow::as_ref)
    }

    /// The first one.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The references detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Refs<'static> {
        Refs {
            first: self.first.map(own),
            rest: self.rest.into_iter().map(own).collect(),
        }
    }
}

impl<'a> From<Vec<Cow<'a, str>>> for Refs<'a> {
    fn from(uris: Vec<Cow<'a, str>>) -> Self {
        uris.into_iter().collect()
    }
}

impl<'a> From<Refs<'a>> for Vec<Cow<'a, str>> {
    fn from(refs: Refs<'a>) -> Self {
        refs.first.into_iter().chain(refs.rest).collect()
    }
}

impl<'a, T: Into<Cow<'a, str>>> FromIterator<T> for Refs<'a> {
    fn from_iter<I: IntoIterator<Item = T>>(uris: I) -> Self {
        let mut refs = Self::new();
        for uri in uris {
            refs.push(uri);
        }
        refs
    }
}
