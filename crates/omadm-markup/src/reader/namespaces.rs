//! Which namespaces are in force where. [XML-Names §6]

use std::borrow::Cow;

use crate::{Namespace, Tag, Vocabulary, chars};

/// The namespaces in force at one place of a document.
#[derive(Debug)]
pub(super) struct Namespaces<'a> {
    /// What names without a namespace mean, if the root has none.
    bare: Option<Vocabulary>,
    default: Namespace<'a>,
    bindings: Vec<(&'a str, Namespace<'a>)>,
    /// For each open element with declarations what was in force outside of it.
    outer: Vec<Outer<'a>>,
}

#[derive(Debug)]
struct Outer<'a> {
    depth: usize,
    default: Namespace<'a>,
    bindings: usize,
    declares_default: bool,
}

/// Whether a prefix, or without one the default, may be declared for a namespace. [XML-Names §3]
pub(super) fn may_bind(prefix: Option<&str>, uri: &str) -> bool {
    match prefix {
        Some("xml") => uri == chars::XML_NAMESPACE,
        _ if uri == chars::XML_NAMESPACE => false,
        Some(prefix) => chars::is_name(prefix) && prefix != "xmlns" && !uri.is_empty(),
        None => true,
    }
}

/// How a binding went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Binding {
    Done,
    Duplicate,
    TooMany,
}

impl<'a> Namespaces<'a> {
    pub(super) const fn new() -> Self {
        Self {
            bare: None,
            default: Namespace::None,
            bindings: Vec::new(),
            outer: Vec::new(),
        }
    }

    /// Binds a prefix, or with an empty one the default, for the element at `depth`.
    pub(super) fn bind(
        &mut self,
        depth: usize,
        prefix: &'a str,
        namespace: Namespace<'a>,
        max: usize,
    ) -> Binding {
        if self.outer.last().is_none_or(|outer| outer.depth != depth) {
            self.outer.push(Outer {
                depth,
                default: self.default,
                bindings: self.bindings.len(),
                declares_default: false,
            });
        }
        let Some(outer) = self.outer.last_mut() else {
            return Binding::Done;
        };
        if prefix.is_empty() {
            let again = core::mem::replace(&mut outer.declares_default, true);
            self.default = namespace;
            return if again {
                Binding::Duplicate
            } else {
                Binding::Done
            };
        }
        if self
            .bindings
            .iter()
            .skip(outer.bindings)
            .any(|(other, _)| *other == prefix)
        {
            return Binding::Duplicate;
        }
        if self.bindings.len() == max {
            return Binding::TooMany;
        }
        self.bindings.push((prefix, namespace));
        Binding::Done
    }

    /// Declares the default of the element at `depth`, whose only declaration it is.
    pub(super) fn set_default(&mut self, depth: usize, vocabulary: Vocabulary) {
        self.outer.push(Outer {
            depth,
            default: self.default,
            bindings: self.bindings.len(),
            declares_default: true,
        });
        self.default = Namespace::Known(vocabulary);
    }

    /// Ends the element at `depth`.
    #[inline]
    pub(super) fn leave(&mut self, depth: usize) {
        if self.outer.last().is_some_and(|outer| outer.depth == depth)
            && let Some(outer) = self.outer.pop()
        {
            self.default = outer.default;
            self.bindings.truncate(outer.bindings);
        }
    }

    /// Takes the name of the root, which has no prefix: without a namespace it tells the vocabulary.
    pub(super) fn set_root(&mut self, name: &[u8]) {
        self.bare = (self.default == Namespace::None).then_some(match name {
            b"MgmtTree" => Vocabulary::Ddf,
            b"DevInf" => Vocabulary::DevInf,
            _ => Vocabulary::SyncMl,
        });
    }

    /// What names mean outside the root.
    pub(super) fn outermost(&self) -> Scope<'static> {
        Scope {
            bare: self.bare,
            default: None,
            bindings: Box::default(),
        }
    }

    /// The namespace of names without a prefix.
    pub(super) const fn default(&self) -> Namespace<'a> {
        self.default
    }

    /// The namespace a prefix is bound to.
    pub(super) fn of(&self, prefix: &str) -> Option<Namespace<'a>> {
        if prefix == "xml" {
            return Some(Namespace::Other(chars::XML_NAMESPACE));
        }
        let mut bindings = self.bindings.iter().rev();
        bindings
            .find(|(bound, _)| *bound == prefix)
            .map(|(_, namespace)| *namespace)
    }

    /// The vocabulary that names in a namespace are of.
    #[inline]
    pub(super) const fn vocabulary(&self, namespace: Namespace<'_>) -> Option<Vocabulary> {
        match namespace {
            Namespace::None => self.bare,
            Namespace::Known(vocabulary) => Some(vocabulary),
            Namespace::Other(_) => None,
        }
    }

    /// The tag of a name in a namespace. Children of `Meta` are found without a declaration.
    #[inline]
    pub(super) fn tag(&self, namespace: Namespace<'_>, name: &[u8]) -> Option<Tag> {
        let vocabulary = self.vocabulary(namespace)?;
        vocabulary.tag_of_bytes(name).or_else(|| {
            let lax = vocabulary == Vocabulary::SyncMl;
            lax.then(|| Vocabulary::MetInf.tag_of_bytes(name)).flatten()
        })
    }

    /// What is in force inside the innermost element, on whose children nothing is declared yet.
    pub(super) fn mark(&self) -> (Namespace<'a>, usize) {
        (self.default, self.bindings.len())
    }

    /// What was in force at `mark`; the element that was the innermost there is still open.
    pub(super) fn scope(&self, (default, bindings): (Namespace<'a>, usize)) -> Scope<'a> {
        let named = self.bindings.iter().take(bindings).copied();
        let (default, unprefixed) = match default {
            Namespace::None => (None, None),
            Namespace::Known(vocabulary) => (Some(vocabulary), None),
            Namespace::Other(_) => (None, Some(("", default))),
        };
        Scope {
            bare: self.bare,
            default,
            bindings: unprefixed
                .into_iter()
                .chain(named)
                .map(|(prefix, namespace)| (prefix.into(), namespace.uri().into()))
                .collect(),
        }
    }
}

/// What names mean inside an element that was taken out of its document.
#[derive(Clone, Debug)]
pub(crate) struct Scope<'a> {
    bare: Option<Vocabulary>,
    default: Option<Vocabulary>,
    /// Prefixes with their namespaces; the empty prefix is the default.
    bindings: Box<[(Cow<'a, str>, Cow<'a, str>)]>,
}

impl Scope<'_> {
    /// What a copy of it costs, in bytes.
    pub(super) fn weight(&self) -> usize {
        let bindings = self.bindings.iter();
        bindings.map(|(prefix, uri)| prefix.len() + uri.len()).sum()
    }

    pub(super) fn namespaces(&self) -> Namespaces<'_> {
        let mut namespaces = Namespaces::new();
        namespaces.bare = self.bare;
        namespaces.default = self.default.map_or(Namespace::None, Namespace::Known);
        for (prefix, uri) in &*self.bindings {
            let namespace = Namespace::from_uri(uri);
            if prefix.is_empty() {
                // Kept apart from no declaration at all, which only WBXML does.
                namespaces.default = match namespace {
                    Namespace::None => Namespace::Other(""),
                    namespace => namespace,
                };
            } else {
                namespaces.bindings.push((prefix, namespace));
            }
        }
        namespaces
    }

    pub(crate) fn into_owned(self) -> Scope<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let bindings = self.bindings.into_iter();
        Scope {
            bare: self.bare,
            default: self.default,
            bindings: bindings
                .map(|(prefix, uri)| (own(prefix), own(uri)))
                .collect(),
        }
    }
}
