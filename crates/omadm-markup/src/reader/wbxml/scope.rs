use std::borrow::Cow;

use super::{Pages, header::Charset};
use crate::{reader::namespaces, wbxml::Kind};

/// What tokens mean inside an element that was taken out of its document, or in a document.
#[derive(Clone, Debug)]
pub(crate) struct Scope<'a> {
    /// Boxed, as most scopes are those of XML or of documents.
    pub(super) place: Option<Box<Place<'a>>>,
}

#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub(super) kind: Kind,
    pub(super) charset: Charset,
    pub(super) table: Cow<'a, [u8]>,
    pub(super) pages: Pages,
    pub(super) namespaces: namespaces::Scope<'a>,
}

impl Scope<'_> {
    /// That of a document with a header of its own.
    pub(in crate::reader) const DOCUMENT: Scope<'static> = Scope { place: None };

    pub(in crate::reader) const fn is_document(&self) -> bool {
        self.place.is_none()
    }

    pub(in crate::reader) fn into_owned(self) -> Scope<'static> {
        let place = self.place.map(|place| {
            Box::new(Place {
                kind: place.kind,
                charset: place.charset,
                table: Cow::Owned(place.table.into_owned()),
                pages: place.pages,
                namespaces: place.namespaces.into_owned(),
            })
        });
        Scope { place }
    }
}
