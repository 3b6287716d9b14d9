use std::borrow::Cow;

use omadm_core::{Format, base64, in_order};
use omadm_markup::{Content, Encoding, Event, Fragment, Name, Reader, ddf};
use omadm_tree::{Uri, UriErrorKind, Value};

use super::{Body, Document, Limits, Node, Place, Properties, TndsError, TndsErrorKind as Kind};

impl Document {
    /// Reads a document on its own.
    ///
    /// # Errors
    /// A [`TndsError`].
    pub fn decode(document: &[u8], encoding: Encoding, limits: &Limits) -> Result<Self, TndsError> {
        Self::read(
            &mut Reader::new(document, encoding, &limits.markup)?,
            limits,
        )
    }

    /// Reads a document that is all there is in an element, as in the `Data` of a command.
    ///
    /// # Errors
    /// A [`TndsError`], with offsets in the fragment.
    pub fn from_fragment(fragment: &Fragment<'_>, limits: &Limits) -> Result<Self, TndsError> {
        Self::read(&mut fragment.reader()?, limits)
    }

    fn read(reader: &mut Reader<'_>, limits: &Limits) -> Result<Self, TndsError> {
        match reader.next_event()? {
            Some(Event::Start(Name::Known(ddf::MGMT_TREE))) => {}
            _ => return Err(Kind::Root.at(reader.offset())),
        }
        let raw = nodes(reader, limits)?;
        if reader.next_event()?.is_some() {
            return Err(Kind::Trailing.at(reader.offset()));
        }
        resolve(&raw, limits)
    }
}

/// A node as it is written.
#[derive(Default)]
struct Raw {
    offset: usize,
    /// The node it is nested in.
    parent: Option<usize>,
    has_children: bool,
    name: String,
    path: String,
    properties: Properties,
    /// Whether `Type` is that of an interior node.
    interior_type: Option<bool>,
    value: Option<Written>,
}

/// A value as it is written.
struct Written {
    offset: usize,
    content: Octets,
}

enum Octets {
    Text(String),
    /// Octets in WBXML.
    Opaque(Vec<u8>),
    /// Markup, as XML.
    Markup(String),
}

/// Reads the nodes of the `MgmtTree` that is open, each after the one it is nested in.
fn nodes(reader: &mut Reader<'_>, limits: &Limits) -> Result<Vec<Raw>, TndsError> {
    let mut nodes: Vec<Raw> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let Some(name) = reader.child()? else {
            match open.pop() {
                Some(_) => continue,
                None => return Ok(nodes),
            }
        };
        let offset = reader.offset();
        if name == Name::Known(ddf::NODE) {
            if nodes.len() == limits.max_nodes {
                return Err(Kind::TooManyNodes.at(offset));
            }
            if open.len() == limits.max_depth {
                return Err(Kind::TooDeep.at(offset));
            }
            let parent = open.last().copied();
            if let Some(parent) = parent.and_then(|parent| nodes.get_mut(parent)) {
                parent.has_children = true;
            }
            open.push(nodes.len());
            nodes.push(Raw {
                offset,
                parent,
                ..Raw::default()
            });
            continue;
        }
        let Some(node) = open.last().and_then(|node| nodes.get_mut(*node)) else {
            // VerDTD, Man, Mod, and whatever else.
            reader.skip()?;
            continue;
        };
        match name.tag() {
            Some(ddf::NODE_NAME) => node.name = trimmed(reader)?,
            Some(ddf::PATH) => node.path = trimmed(reader)?,
            Some(ddf::RT_PROPERTIES) => properties(reader, node)?,
            Some(ddf::VALUE) => {
                let content = value(reader).map_err(|error| match error {
                    Fault::Markup => Kind::ValueMarkup.at(offset),
                    Fault::Read(error) => error,
                })?;
                node.value = Some(Written { offset, content });
            }
            _ => reader.skip()?,
        }
    }
}

fn trimmed(reader: &mut Reader<'_>) -> Result<String, TndsError> {
    Ok(reader.text()?.trim().to_owned())
}

fn properties(reader: &mut Reader<'_>, node: &mut Raw) -> Result<(), TndsError> {
    let properties = &mut node.properties;
    while let Some(name) = reader.child()? {
        let offset = reader.offset();
        match name.tag() {
            Some(ddf::ACL) => {
                let acl = trimmed(reader)?.parse();
                let acl = acl.map_err(|error: omadm_tree::AclError| Kind::Acl(error.kind));
                properties.acl = Some(acl.map_err(|kind| kind.at(offset))?);
            }
            Some(ddf::FORMAT) => {
                while let Some(word) = reader.child()? {
                    let format = word.as_str().parse();
                    properties.format = Some(format.map_err(|_| Kind::Format.at(offset))?);
                    reader.skip()?;
                }
            }
            Some(ddf::NAME) => properties.name = Some(trimmed(reader)?),
            Some(ddf::SIZE) => properties.size = trimmed(reader)?.parse().ok(),
            Some(ddf::TITLE) => properties.title = Some(reader.text()?.into_owned()),
            Some(ddf::T_STAMP) => properties.timestamp = Some(trimmed(reader)?),
            Some(ddf::TYPE) => {
                while let Some(kind) = reader.child()? {
                    node.interior_type = Some(kind.tag() == Some(ddf::DDF_NAME));
                    properties.node_type = Some(trimmed(reader)?);
                }
            }
            Some(ddf::VER_NO) => properties.ver_no = trimmed(reader)?.parse().ok(),
            _ => reader.skip()?,
        }
    }
    Ok(())
}

enum Fault {
    /// Markup that is not one element.
    Markup,
    Read(TndsError),
}

fn value(reader: &mut Reader<'_>) -> Result<Octets, Fault> {
    let content = reader.content();
    Ok(match content.map_err(|error| Fault::Read(error.into()))? {
        Content::Empty => Octets::Text(String::new()),
        Content::Text(text) => Octets::Text(text.into_owned()),
        Content::Opaque(octets) => Octets::Opaque(octets.into_owned()),
        Content::Fragment(fragment) => {
            let mut xml = Vec::new();
            fragment
                .encode(Encoding::Xml, &mut xml)
                .map_err(|_| Fault::Markup)?;
            Octets::Markup(String::from_utf8(xml).map_err(|_| Fault::Markup)?)
        }
    })
}

/// Finds out where every node is and what it holds.
fn resolve(raw: &[Raw], limits: &Limits) -> Result<Document, TndsError> {
    let mut places: Vec<Place> = Vec::with_capacity(raw.len());
    for node in raw {
        let parent = node.parent.and_then(|parent| places.get(parent));
        places.push(place(node, parent, limits)?);
    }
    // Sorted once, as there may be many.
    let parents: Vec<Place> = places.iter().filter_map(Place::parent).collect();
    let order = in_order(&parents);
    let parent = |at: &u32| parents.get(*at as usize);
    let mut document = Document::default();
    for (node, place) in raw.iter().zip(places) {
        let is_parent = order.binary_search_by(|at| parent(at).cmp(&Some(&place)));
        let has_children = node.has_children || is_parent.is_ok();
        let body = body(node, has_children)?;
        let mut properties = node.properties.clone();
        if properties.format == Some(Format::B64) {
            properties.format = Some(Format::Bin);
        }
        document.nodes.push(Node {
            place,
            body,
            properties,
        });
    }
    Ok(document)
}

fn place(node: &Raw, parent: Option<&Place>, limits: &Limits) -> Result<Place, TndsError> {
    let target = Place::target();
    let parent = match (node.path.as_str(), parent) {
        ("", Some(parent)) => parent.clone(),
        ("", None) if node.name.is_empty() => return Ok(target),
        ("", None) if node.name == "." => return Ok(Place::Absolute(Uri::root())),
        ("", None) => target,
        (path, _) => parse_path(path).map_err(|kind| Kind::Path(kind).at(node.offset))?,
    };
    if node.name.is_empty() {
        return Err(Kind::Unnamed.at(node.offset));
    }
    if parent.uri().depth() >= limits.max_depth {
        return Err(Kind::TooDeep.at(node.offset));
    }
    let child = parent.child(&decoded(&node.name));
    child.map_err(|error| Kind::Name(error.kind).at(node.offset))
}

/// Reads a `Path`, with a slash too many at its ends.
fn parse_path(path: &str) -> Result<Place, UriErrorKind> {
    let (from_root, rest) = match path.strip_prefix("./").or(path.strip_prefix('/')) {
        Some(rest) => (true, rest),
        None if path == "." => (true, ""),
        None => (false, path),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let mut uri = Uri::root();
    for segment in rest.split('/').filter(|_| !rest.is_empty()) {
        let child = uri.child(&decoded(segment));
        uri = child.map_err(|error| error.kind)?;
    }
    Ok(if from_root {
        Place::Absolute(uri)
    } else {
        Place::Relative(uri)
    })
}

/// The name a segment of an address stands for; what is none is taken as it stands.
fn decoded(segment: &str) -> Cow<'_, str> {
    match Uri::parse(segment) {
        Ok(uri) if uri.depth() == 1 && !segment.contains('/') => {
            Cow::Owned(uri.name().unwrap_or_default().to_owned())
        }
        _ => Cow::Borrowed(segment),
    }
}

fn body(node: &Raw, has_children: bool) -> Result<Body, TndsError> {
    let written = node.value.as_ref();
    let interior = match node.properties.format {
        Some(format) => format == Format::Node,
        None if has_children => true,
        None if written.is_some() => false,
        None => node.interior_type.unwrap_or(true),
    };
    if interior {
        let is_empty = |written: &Written| match &written.content {
            Octets::Text(text) => text.trim().is_empty(),
            Octets::Opaque(_) | Octets::Markup(_) => false,
        };
        return match written {
            Some(written) if !is_empty(written) => Err(Kind::Kind.at(written.offset)),
            _ => Ok(Body::Interior),
        };
    }
    if has_children {
        return Err(Kind::Kind.at(node.offset));
    }
    let Some(written) = written else {
        return Ok(Body::Leaf(None));
    };
    let format = node.properties.format.unwrap_or(match &written.content {
        // The sender was asked not to say its format.
        Octets::Opaque(octets) if str::from_utf8(octets).is_err() => Format::Bin,
        _ => Format::Chr,
    });
    let fail = |kind: Kind| Err(kind.at(written.offset));
    let decoded;
    let octets = match (&written.content, format) {
        (Octets::Opaque(octets), Format::B64) => {
            let text = str::from_utf8(octets).ok();
            decoded = text.and_then(base64::decode_lenient);
            decoded.as_deref()
        }
        (Octets::Text(text), Format::Bin | Format::B64) => {
            decoded = base64::decode_lenient(text);
            decoded.as_deref()
        }
        (Octets::Opaque(octets), _) => Some(octets.as_slice()),
        (Octets::Text(text), _) => Some(text.as_bytes()),
        (Octets::Markup(xml), Format::Xml) => Some(xml.as_bytes()),
        (Octets::Markup(_), _) => return fail(Kind::ValueMarkup),
    };
    let Some(octets) = octets else {
        return fail(Kind::Base64);
    };
    let format = match format {
        Format::B64 => Format::Bin,
        format => format,
    };
    let media_type = node.properties.node_type.as_deref();
    match Value::new(format, media_type, octets) {
        Ok(value) => Ok(Body::Leaf(Some(value))),
        Err(error) => fail(Kind::Value(error)),
    }
}
