use crate::{
    Name, Namespace, Tag, WriteError, chars, syncml,
    wbxml::{self, Kind, provisioning, token},
    word,
};

mod strings;

use strings::Strings;

/// How WBXML is written; the default is what every deployed stack is known to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct WbxmlOptions {
    /// The version in the header. Default: 1.2; some decoders refuse a higher one.
    pub version: WbxmlVersion,
    /// How the header names the type of the document. Default: as a number where there is one.
    pub public_id: PublicId,
}

/// A version of WBXML that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum WbxmlVersion {
    /// WBXML 1.1.
    V1_1,
    /// WBXML 1.2.
    #[default]
    V1_2,
    /// WBXML 1.3.
    V1_3,
}

/// How a document names its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum PublicId {
    /// As the registered number; as text where none is registered.
    #[default]
    Numeric,
    /// As text in the string table.
    Textual,
}

impl WbxmlVersion {
    const fn byte(self) -> u8 {
        match self {
            Self::V1_1 => 0x01,
            Self::V1_2 => 0x02,
            Self::V1_3 => 0x03,
        }
    }
}

/// The WBXML side of [`crate::Writer`]. [WAP-WBXML]
#[derive(Debug)]
pub(super) struct WbxmlWriter<'o> {
    out: &'o mut Vec<u8>,
    options: WbxmlOptions,
    document: Document,
    /// The document around an embedded one.
    outer: Option<Document>,
    state: State,
}

/// A document on its way.
#[derive(Debug)]
struct Document {
    kind: Kind,
    /// Where it begins in the buffer, and where the length of its string table is.
    start: usize,
    table_at: usize,
    /// The depth outside its root.
    base: usize,
    strings: Strings,
    tag_page: u8,
    attribute_page: u8,
}

/// Where in the document.
#[derive(Clone, Copy, Debug)]
struct State {
    depth: usize,
    /// The tag of the innermost element, as long as it has no content.
    tag: Option<usize>,
    /// That tag has attributes, whose list is open.
    attributes: bool,
    /// Prefixes declared in that list.
    prefixes: usize,
    /// That tag is `Data`.
    data: bool,
    /// The depth of the outermost literal element with a namespace of its own; inside of it every
    /// literal declares one.
    foreign: Option<usize>,
    done: bool,
}

/// A place to come back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct WbxmlMark {
    position: usize,
    state: State,
    embedded: bool,
    strings: usize,
    tag_page: u8,
    attribute_page: u8,
}

impl Document {
    const fn new(kind: Kind, start: usize, base: usize) -> Self {
        Self {
            kind,
            start,
            table_at: start,
            base,
            strings: Strings::new(),
            tag_page: 0,
            attribute_page: 0,
        }
    }
}

impl<'o> WbxmlWriter<'o> {
    pub(super) const fn new(options: WbxmlOptions, out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        Self {
            out,
            options,
            document: Document::new(Kind::Unknown, start, 0),
            outer: None,
            state: State {
                depth: 0,
                tag: None,
                attributes: false,
                prefixes: 0,
                data: false,
                foreign: None,
                done: false,
            },
        }
    }

    #[inline]
    pub(super) fn start(&mut self, name: Name<'_>) -> Result<(), WriteError> {
        self.begin_child(name)?;
        self.state.prefixes = 0;
        let token = match name {
            Name::Known(tag) => self.page_of(tag).map(|page| (page, tag.token())),
            Name::Other(Namespace::None, local) if self.is_provisioning() => {
                provisioning::tag_token(local).map(|token| (0, token))
            }
            Name::Other(..) => None,
        };
        match token {
            Some((page, token)) => {
                self.turn_to(page);
                self.open(token);
            }
            None => self.literal(name.namespace(), name.as_str())?,
        }
        self.state.data = name == Name::Known(syncml::DATA);
        Ok(())
    }

    pub(super) fn attribute(&mut self, name: Name<'_>, value: &str) -> Result<(), WriteError> {
        if self.state.tag.is_none() {
            return Err(WriteError::Misplaced);
        }
        let local = name.as_str();
        if !chars::is_name(local) || (name.namespace() == Namespace::None && local == "xmlns") {
            return Err(WriteError::InvalidName);
        }
        self.open_attributes();
        match name.namespace() {
            Namespace::None => {
                if self.is_provisioning() && self.provisioning_attribute(local, value)? {
                    return Ok(());
                }
                self.attribute_name(local)?;
            }
            Namespace::Other(chars::XML_NAMESPACE) => {
                self.attribute_name(&format!("xml:{local}"))?;
            }
            namespace => {
                check_namespace(namespace.uri())?;
                self.state.prefixes += 1;
                let prefix = self.state.prefixes;
                self.attribute_name(&format!("xmlns:a{prefix}"))?;
                self.attribute_value(namespace.uri())?;
                self.attribute_name(&format!("a{prefix}:{local}"))?;
            }
        }
        self.attribute_value(value)
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), WriteError> {
        if text.is_empty() {
            return Ok(());
        }
        if word::has_zero(text.as_bytes()) {
            return self.opaque(text.as_bytes());
        }
        self.content()?;
        self.inline(text);
        Ok(())
    }

    pub(super) fn opaque(&mut self, octets: &[u8]) -> Result<(), WriteError> {
        if octets.is_empty() {
            return Ok(());
        }
        self.content()?;
        self.out.push(token::OPAQUE);
        wbxml::push_integer(octets.len(), self.out);
        self.out.extend_from_slice(octets);
        Ok(())
    }

    pub(super) fn end(&mut self) -> Result<(), WriteError> {
        if self.state.depth == 0 {
            return Err(WriteError::Misplaced);
        }
        self.close_attributes();
        if self.state.tag.take().is_none() {
            self.out.push(token::END);
        }
        self.state.data = false;
        self.left();
        Ok(())
    }

    #[inline]
    pub(super) fn element(&mut self, tag: Tag, text: &str) -> Result<(), WriteError> {
        self.start(Name::Known(tag))?;
        self.text(text)?;
        self.end()
    }

    pub(super) fn number(&mut self, tag: Tag, number: u64) -> Result<(), WriteError> {
        self.start(Name::Known(tag))?;
        self.content()?;
        self.out.push(token::STR_I);
        super::push_digits(number, self.out);
        self.out.push(0);
        self.end()
    }

    pub(super) fn finish(self) -> Result<(), WriteError> {
        if self.state.done {
            Ok(())
        } else {
            Err(WriteError::Misplaced)
        }
    }

    pub(super) fn mark(&mut self) -> WbxmlMark {
        self.close_attributes();
        WbxmlMark {
            position: self.out.len(),
            state: self.state,
            embedded: self.outer.is_some(),
            strings: self.document.strings.len(),
            tag_page: self.document.tag_page,
            attribute_page: self.document.attribute_page,
        }
    }

    pub(super) fn rewind(&mut self, mark: WbxmlMark) {
        self.out.truncate(mark.position);
        self.state = mark.state;
        if !mark.embedded
            && let Some(outer) = self.outer.take()
        {
            self.document = outer;
        }
        self.document.strings.truncate(mark.strings);
        self.document.tag_page = mark.tag_page;
        self.document.attribute_page = mark.attribute_page;
        if let Some(tag) = self.state.tag
            && let Some(tag) = self.out.get_mut(tag)
        {
            *tag &= !token::CONTENT;
        }
    }

    pub(super) fn position(&self) -> usize {
        let outer = self.outer.as_ref();
        self.out.len() + self.document.strings.growth() + outer.map_or(0, |it| it.strings.growth())
    }

    pub(super) fn closing_len(&self) -> usize {
        let empty = usize::from(self.state.tag.is_some());
        let ends = self.state.depth - empty + usize::from(self.state.attributes);
        if self.outer.is_none() {
            return ends;
        }
        let inside = ends - self.document.base;
        let document = self.out.len() - self.document.start + self.document.strings.growth();
        ends + 1 + wbxml::integer_len(document + inside)
    }

    /// Gets ready for an element: the header before the root, the content of its parent, or a
    /// document of its own.
    fn begin_child(&mut self, name: Name<'_>) -> Result<(), WriteError> {
        let kind = name.tag().map(|tag| Kind::of_root(tag.vocabulary()));
        if self.state.depth == 0 {
            if self.state.done {
                return Err(WriteError::Misplaced);
            }
            let kind = match name {
                Name::Other(Namespace::None, "wap-provisioningdoc") => Kind::Provisioning,
                _ => kind.unwrap_or(Kind::Unknown),
            };
            self.begin_document(kind);
        } else {
            let embeds = self.state.data && !self.document.kind.is_embedded();
            self.content()?;
            if let Some(kind) = kind.filter(|kind| embeds && kind.is_embedded()) {
                self.begin_embedded(kind);
            }
        }
        self.state.depth += 1;
        Ok(())
    }

    fn begin_embedded(&mut self, kind: Kind) {
        let document = Document::new(kind, self.out.len(), self.state.depth);
        self.outer = Some(std::mem::replace(&mut self.document, document));
        self.begin_document(kind);
    }

    fn begin_document(&mut self, kind: Kind) {
        let start = self.out.len();
        self.document = Document::new(kind, start, self.state.depth);
        self.out.push(self.options.version.byte());
        let textual = self.options.public_id == PublicId::Textual && !kind.text().is_empty();
        let number = if textual { 0 } else { kind.number() };
        wbxml::push_integer(number as usize, self.out);
        if number == 0 {
            self.out.push(0);
        }
        self.out.push(wbxml::UTF_8);
        self.document.table_at = self.out.len();
        let id = if number == 0 { kind.text() } else { "" };
        self.document.strings.begin(id, self.out);
    }

    /// An element ended.
    fn left(&mut self) {
        self.state.foreign = self.state.foreign.filter(|&depth| depth < self.state.depth);
        self.state.depth -= 1;
        if self.state.depth > self.document.base {
            return;
        }
        self.document
            .strings
            .put_in(self.document.table_at, self.out);
        match self.outer.take() {
            None => self.state.done = true,
            Some(outer) => {
                let start = self.document.start;
                let len = self.out.len() - start;
                self.document = outer;
                let before = self.out.len();
                self.out.push(token::OPAQUE);
                wbxml::push_integer(len, self.out);
                let added = self.out.len() - before;
                if let Some(document) = self.out.get_mut(start..) {
                    document.rotate_right(added);
                }
            }
        }
    }

    /// Announces content of the innermost element.
    #[inline]
    fn content(&mut self) -> Result<(), WriteError> {
        if self.state.depth == 0 {
            return Err(WriteError::Misplaced);
        }
        self.close_attributes();
        if let Some(tag) = self.state.tag.take() {
            self.state.data = false;
            if let Some(tag) = self.out.get_mut(tag) {
                *tag |= token::CONTENT;
            }
        }
        Ok(())
    }

    fn open(&mut self, token: u8) {
        self.state.tag = Some(self.out.len());
        self.out.push(token);
    }

    fn open_attributes(&mut self) {
        if let Some(tag) = self.state.tag
            && let Some(tag) = self.out.get_mut(tag)
        {
            *tag |= token::ATTRIBUTES;
            self.state.attributes = true;
        }
    }

    fn close_attributes(&mut self) {
        if std::mem::take(&mut self.state.attributes) {
            self.out.push(token::END);
        }
    }

    fn turn_to(&mut self, page: u8) {
        if page != self.document.tag_page {
            self.document.tag_page = page;
            self.out.extend_from_slice(&[token::SWITCH_PAGE, page]);
        }
    }

    fn turn_attributes_to(&mut self, page: u8) {
        if page != self.document.attribute_page {
            self.document.attribute_page = page;
            self.out.extend_from_slice(&[token::SWITCH_PAGE, page]);
        }
    }

    const fn page_of(&self, tag: Tag) -> Option<u8> {
        self.document.kind.page(tag.vocabulary())
    }

    const fn is_provisioning(&self) -> bool {
        matches!(self.document.kind, Kind::Provisioning)
    }

    /// Begins an element by its name. The namespace is that of the code page, or is declared.
    fn literal(&mut self, namespace: Namespace<'_>, local: &str) -> Result<(), WriteError> {
        if !chars::is_name(local) {
            return Err(WriteError::InvalidName);
        }
        check_namespace(namespace.uri())?;
        let is_xml = namespace == Namespace::Other(chars::XML_NAMESPACE);
        let implied = match namespace {
            _ if is_xml => true,
            _ if self.state.foreign.is_some() => false,
            Namespace::None => self.is_provisioning(),
            Namespace::Known(vocabulary) => match self.document.kind.page(vocabulary) {
                Some(page) => {
                    self.turn_to(page);
                    true
                }
                None => false,
            },
            Namespace::Other(_) => false,
        };
        self.open(token::LITERAL);
        let index = match is_xml {
            true => self.document.strings.index(&format!("xml:{local}"))?,
            false => self.document.strings.index(local)?,
        };
        wbxml::push_integer(index, self.out);
        if !implied {
            self.state.foreign = self.state.foreign.or(Some(self.state.depth));
            self.open_attributes();
            self.attribute_name("xmlns")?;
            self.attribute_value(namespace.uri())?;
        }
        Ok(())
    }

    fn attribute_name(&mut self, name: &str) -> Result<(), WriteError> {
        self.out.push(token::LITERAL);
        let index = self.document.strings.index(name)?;
        wbxml::push_integer(index, self.out);
        Ok(())
    }

    fn attribute_value(&mut self, value: &str) -> Result<(), WriteError> {
        if value.contains('\0') {
            return Err(WriteError::InvalidCharacter);
        }
        if !value.is_empty() {
            self.inline(value);
        }
        Ok(())
    }

    /// Writes an attribute of a provisioning document by tokens, if its name has one.
    fn provisioning_attribute(&mut self, name: &str, value: &str) -> Result<bool, WriteError> {
        let page = self.document.attribute_page;
        if let Some((page, token)) = provisioning::attribute_token(page, name, value) {
            self.turn_attributes_to(page);
            self.out.push(token);
            return Ok(true);
        }
        let Some((page, token)) = provisioning::attribute_token(page, name, "") else {
            return Ok(false);
        };
        self.turn_attributes_to(page);
        self.out.push(token);
        match provisioning::value_token(page, value) {
            Some((page, token)) => {
                self.turn_attributes_to(page);
                self.out.push(token);
            }
            None => self.attribute_value(value)?,
        }
        Ok(true)
    }

    fn inline(&mut self, text: &str) {
        self.out.push(token::STR_I);
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(0);
    }
}

fn check_namespace(uri: &str) -> Result<(), WriteError> {
    if chars::is_namespace(uri) && uri.chars().all(chars::is_allowed) {
        Ok(())
    } else {
        Err(WriteError::InvalidName)
    }
}
