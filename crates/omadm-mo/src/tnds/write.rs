use omadm_core::{Format, base64};
use omadm_markup::{Encoding, Fragment, Tag, Vocabulary, WriteError, Writer, ddf};
use omadm_tree::Value;

use super::{Body, Document, Node, Place, Properties};

impl Document {
    /// Writes the document, on its own or inside the element that is open.
    ///
    /// A node right below the one before it, or below an ancestor of that, is nested there; any other
    /// has its `Path`. Names and paths are percent-encoded as in addresses.
    ///
    /// # Errors
    /// [`WriteError`]; [`WriteError::InvalidCharacter`] for text XML cannot carry.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        writer.start(ddf::MGMT_TREE)?;
        writer.element(ddf::VER_DTD, "1.2")?;
        let mut open: Vec<&Place> = Vec::new();
        for node in &self.nodes {
            let parent = node.place.parent();
            while open.last().is_some_and(|top| Some(*top) != parent.as_ref()) {
                open.pop();
                writer.end()?;
            }
            writer.start(ddf::NODE)?;
            writer.element(ddf::NODE_NAME, &name(&node.place))?;
            if open.is_empty()
                && let Some(path) = path(&node.place)
            {
                writer.element(ddf::PATH, &path)?;
            }
            properties(writer, node)?;
            match &node.body {
                Body::Interior => open.push(&node.place),
                Body::Leaf(value) => {
                    if let Some(value) = value {
                        write_value(writer, value)?;
                    }
                    writer.end()?;
                }
            }
        }
        for _ in open {
            writer.end()?;
        }
        writer.end()
    }

    /// Appends the document to `out`.
    ///
    /// # Errors
    /// [`WriteError`], as for [`write`](Self::write).
    pub fn encode(&self, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let mut writer = Writer::new(encoding, out)?;
        self.write(&mut writer)?;
        writer.finish()
    }

    /// The document as the content of a `Data`, to be written in the same encoding as the message.
    ///
    /// # Errors
    /// [`WriteError`], as for [`write`](Self::write).
    pub fn to_fragment(&self, encoding: Encoding) -> Result<Fragment<'static>, WriteError> {
        let mut out = Vec::new();
        self.encode(encoding, &mut out)?;
        let mut limits = omadm_markup::Limits::default();
        limits.max_bytes = usize::MAX;
        limits.max_depth = usize::MAX;
        limits.max_elements = usize::MAX;
        limits.max_text = usize::MAX;
        Fragment::parse(out, encoding, &limits).map_err(|_| WriteError::Misplaced)
    }
}

/// The last segment of the address; nothing for the target.
fn name(place: &Place) -> String {
    let text = place.uri().to_string();
    match place {
        Place::Relative(uri) if uri.is_root() => String::new(),
        Place::Absolute(_) | Place::Relative(_) => {
            let name = text
                .rsplit_once('/')
                .map_or(text.as_str(), |(_, name)| name);
            name.to_owned()
        }
    }
}

/// Where the node is, unless its name says all.
fn path(place: &Place) -> Option<String> {
    let parent = place.parent()?;
    let text = parent.uri().to_string();
    match &parent {
        Place::Relative(uri) if uri.is_root() => None,
        Place::Relative(_) => text.strip_prefix("./").map(ToOwned::to_owned),
        Place::Absolute(_) => Some(text),
    }
}

/// Writes what is shown of a node, in the order of the document type.
fn properties(writer: &mut Writer<'_>, node: &Node) -> Result<(), WriteError> {
    let properties = &node.properties;
    if *properties == Properties::default() {
        return Ok(());
    }
    writer.start(ddf::RT_PROPERTIES)?;
    text(writer, ddf::ACL, properties.acl.as_ref())?;
    if let Some(format) = properties.format {
        writer.start(ddf::FORMAT)?;
        empty(writer, format.as_str())?;
        writer.end()?;
    }
    text(writer, ddf::NAME, properties.name.as_ref())?;
    text(writer, ddf::SIZE, properties.size)?;
    text(writer, ddf::TITLE, properties.title.as_ref())?;
    text(writer, ddf::T_STAMP, properties.timestamp.as_ref())?;
    if let Some(node_type) = &properties.node_type {
        writer.start(ddf::TYPE)?;
        let tag = match node.body {
            Body::Interior => ddf::DDF_NAME,
            Body::Leaf(_) => ddf::MIME,
        };
        writer.element(tag, node_type)?;
        writer.end()?;
    }
    text(writer, ddf::VER_NO, properties.ver_no)?;
    writer.end()
}

fn text(writer: &mut Writer<'_>, tag: Tag, text: Option<impl ToString>) -> Result<(), WriteError> {
    match text {
        Some(text) => writer.element(tag, &text.to_string()),
        None => Ok(()),
    }
}

/// Writes the element of a word, such as that of a format.
fn empty(writer: &mut Writer<'_>, word: &str) -> Result<(), WriteError> {
    let tag = Vocabulary::Ddf.tag(word).ok_or(WriteError::InvalidName)?;
    writer.start(tag)?;
    writer.end()
}

fn write_value(writer: &mut Writer<'_>, value: &Value) -> Result<(), WriteError> {
    let octets = value.octets();
    writer.start(ddf::VALUE)?;
    if !octets.is_empty() {
        match (value.format(), writer.encoding()) {
            (Format::Bin, Encoding::Xml) => writer.text(&base64::encode(octets))?,
            (Format::Bin, Encoding::Wbxml) => writer.opaque(octets)?,
            _ => writer.text(value.text().unwrap_or_default())?,
        }
    }
    writer.end()
}
