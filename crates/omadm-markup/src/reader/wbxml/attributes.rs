use std::borrow::Cow;

use super::{Result, WbxmlReader, text::join};
use crate::{
    Name, Namespace, ReadErrorKind, chars,
    reader::namespaces::{self, Binding},
    wbxml::{Kind, provisioning, token},
};

/// An attribute as it stands; without a name it is to be passed over.
struct Attribute<'a> {
    name: Option<&'a str>,
    value: Cow<'a, str>,
    at: usize,
}

impl<'a> WbxmlReader<'a> {
    /// What a literal tag is called, once its namespace declarations were read.
    pub(super) fn literal_name(&mut self, name: &'a str, at: usize) -> Result<Name<'a>> {
        let (namespace, local) = match name.split_once(':') {
            None => (self.default_namespace(), name),
            Some((prefix, local)) => match self.namespaces.of(prefix) {
                Some(namespace) => (namespace, local),
                None => return self.fail(ReadErrorKind::UndeclaredPrefix, at),
            },
        };
        if !chars::is_name(local) {
            return self.fail(ReadErrorKind::InvalidName, at);
        }
        if let Namespace::Other(uri) = namespace {
            self.refer(uri.len(), at)?;
        }
        let tag = self.namespaces.tag(namespace, local.as_bytes());
        Ok(tag.map_or(Name::Other(namespace, local), Name::Known))
    }

    /// The namespace of literal names without a prefix: the one that was declared, else that of the
    /// code page.
    fn default_namespace(&self) -> Namespace<'a> {
        match self.namespaces.default() {
            Namespace::None => self.header.kind.namespace(self.pages.tags),
            Namespace::Other("") => Namespace::None,
            namespace => namespace,
        }
    }

    /// Reads the attributes of the element that begins. Declarations of namespaces are for literal
    /// names; a tag of a code page has its namespace from there.
    pub(super) fn attributes(&mut self, literal: bool) -> Result<()> {
        let mut plain = Vec::new();
        let mut count = 0;
        while let Some(Attribute { name, value, at }) = self.attribute()? {
            count += 1;
            if count > self.limits.max_attributes {
                return self.fail(ReadErrorKind::TooManyAttributes, at);
            }
            let Some(name) = name else { continue };
            let prefix = match name.split_once(':') {
                None if name == "xmlns" => "",
                Some(("xmlns", prefix)) => prefix,
                _ => {
                    plain.push((name, value, at));
                    continue;
                }
            };
            if prefix.is_empty() && !literal {
                continue;
            }
            let Cow::Borrowed(uri) = value else {
                return self.fail(ReadErrorKind::UnsupportedNamespace, at);
            };
            if !chars::is_namespace(uri) {
                return self.fail(ReadErrorKind::UnsupportedNamespace, at);
            }
            if !namespaces::may_bind((name != "xmlns").then_some(prefix), uri) {
                return self.fail(ReadErrorKind::InvalidAttribute, at);
            }
            let namespace = match Namespace::from_uri(uri) {
                Namespace::None => Namespace::Other(""),
                namespace => namespace,
            };
            let max = self.limits.max_attributes;
            let kind = match self.namespaces.bind(self.depth, prefix, namespace, max) {
                Binding::Done => continue,
                Binding::Duplicate => ReadErrorKind::DuplicateAttribute,
                Binding::TooMany => ReadErrorKind::TooManyAttributes,
            };
            return self.fail(kind, at);
        }
        for (name, value, at) in plain {
            let (namespace, local) = match name.split_once(':') {
                None => (Namespace::None, name),
                Some((prefix, local)) => match self.namespaces.of(prefix) {
                    Some(namespace) => (namespace, local),
                    None => return self.fail(ReadErrorKind::UndeclaredPrefix, at),
                },
            };
            if !chars::is_name(local) {
                return self.fail(ReadErrorKind::InvalidName, at);
            }
            if let Namespace::Other(uri) = namespace {
                self.refer(uri.len(), at)?;
            }
            let name = Name::Other(namespace, local);
            if self.attributes.iter().any(|(other, _)| *other == name) {
                return self.fail(ReadErrorKind::DuplicateAttribute, at);
            }
            self.attributes.push_back((name, value));
        }
        Ok(())
    }

    /// One attribute, or `None` at the end of the list.
    fn attribute(&mut self) -> Result<Option<Attribute<'a>>> {
        let (at, byte) = loop {
            let at = self.at;
            match self.byte()? {
                token::SWITCH_PAGE => self.pages.attributes = self.byte()?,
                token::END => return Ok(None),
                byte => break (at, byte),
            }
        };
        let (name, mut value) = match byte {
            token::LITERAL => match self.literal(at) {
                Ok(name) => (Some(name), Cow::Borrowed("")),
                Err(error)
                    if error.kind == ReadErrorKind::InvalidStringIndex
                        && self.limits.allow_nameless_attributes =>
                {
                    (None, Cow::Borrowed(""))
                }
                Err(error) => return Err(error),
            },
            0x05..=0x3F | 0x45..=0x7F => {
                let known = match self.header.kind {
                    Kind::Provisioning => provisioning::attribute(self.pages.attributes, byte),
                    _ => None,
                };
                let Some((name, value)) = known else {
                    return self.fail(ReadErrorKind::UnknownToken, at);
                };
                (Some(name), Cow::Borrowed(value))
            }
            _ => return self.fail(ReadErrorKind::InvalidToken, at),
        };
        while let Some(&byte) = self.input.get(self.at) {
            let at = self.at;
            let piece = match byte {
                token::SWITCH_PAGE => {
                    self.at += 1;
                    self.pages.attributes = self.byte()?;
                    continue;
                }
                token::ENTITY | token::STR_I | token::STR_T => self.string(at)?,
                token::OPAQUE => {
                    let octets = self.opaque()?;
                    let start = self.at - octets.len();
                    if let Some(nul) = octets.iter().position(|&octet| octet == 0) {
                        return self.fail(ReadErrorKind::InvalidCharacter, start + nul);
                    }
                    self.decode(octets, start)?
                }
                0x85..=0xBF | 0xC5..=0xFF => {
                    let known = match self.header.kind {
                        Kind::Provisioning => provisioning::value(self.pages.attributes, byte),
                        _ => None,
                    };
                    let Some(known) = known else {
                        return self.fail(ReadErrorKind::UnknownToken, at);
                    };
                    self.at += 1;
                    Cow::Borrowed(known)
                }
                _ => break,
            };
            if value.len() + piece.len() > self.limits.max_text {
                return self.fail(ReadErrorKind::TextTooLarge, at);
            }
            join(&mut value, piece);
        }
        Ok(Some(Attribute { name, value, at }))
    }

    /// Passes over a processing instruction.
    pub(super) fn instruction(&mut self, at: usize) -> Result<()> {
        self.at += 1;
        let Some(_) = self.attribute()? else {
            return self.fail(ReadErrorKind::InvalidToken, at);
        };
        match self.byte()? {
            token::END => Ok(()),
            _ => self.fail(ReadErrorKind::InvalidToken, self.at - 1),
        }
    }
}
