use omadm_core::Format;
use omadm_markup::{Encoding, Event, Name, Reader, ddf};
use omadm_tree::{AccessSet, AccessType, Occurrence, Scope};

use super::{
    CaseSense, DdfError, DdfErrorKind as Kind, Description, Document, NodeType, Properties,
};
use crate::tnds::Limits;

impl Document {
    /// Reads a document. Elements may come in any order, with or without a namespace; those nobody
    /// knows are skipped.
    ///
    /// # Errors
    /// A [`DdfError`].
    pub fn decode(document: &[u8], encoding: Encoding, limits: &Limits) -> Result<Self, DdfError> {
        let mut reader = Reader::new(document, encoding, &limits.markup)?;
        match reader.next_event()? {
            Some(Event::Start(Name::Known(ddf::MGMT_TREE))) => {}
            _ => return Err(Kind::Root.at(reader.offset())),
        }
        let document = mgmt_tree(&mut reader, limits)?;
        // Nothing but the end can follow; this makes sure of it.
        while reader.next_event()?.is_some() {}
        Ok(document)
    }
}

fn mgmt_tree(reader: &mut Reader<'_>, limits: &Limits) -> Result<Document, DdfError> {
    let mut document = Document::default();
    let mut open: Vec<Description> = Vec::new();
    let mut count = 0;
    loop {
        let Some(name) = reader.child()? else {
            let Some(node) = open.pop() else {
                return Ok(document);
            };
            match open.last_mut() {
                Some(parent) => parent.nodes.push(node),
                None => document.nodes.push(node),
            }
            continue;
        };
        let offset = reader.offset();
        match (name.tag(), open.last_mut()) {
            (Some(ddf::NODE), _) => {
                count += 1;
                if count > limits.max_nodes {
                    return Err(Kind::TooManyNodes.at(offset));
                }
                if open.len() == limits.max_depth {
                    return Err(Kind::TooDeep.at(offset));
                }
                open.push(Description::default());
            }
            (Some(ddf::MAN), None) => document.man = Some(reader.text()?.into_owned()),
            (Some(ddf::MOD), None) => document.model = Some(reader.text()?.into_owned()),
            (Some(ddf::NODE_NAME), Some(node)) => {
                let name = reader.text()?;
                let name = name.trim();
                if name != "*" && !name.starts_with('<') {
                    name.clone_into(&mut node.name);
                }
            }
            (Some(ddf::PATH), Some(node)) => node.path = Some(reader.text()?.trim().to_owned()),
            (Some(ddf::DF_PROPERTIES), Some(node)) => {
                node.properties = Some(properties(reader, offset)?);
            }
            _ => reader.skip()?,
        }
    }
}

fn properties(reader: &mut Reader<'_>, offset: usize) -> Result<Properties, DdfError> {
    let (mut access, mut format, mut node_type) = (None, None, None);
    // The rest is filled in as it comes.
    let mut properties = Properties::new(
        AccessSet::EMPTY,
        Format::Node,
        NodeType::DdfName(String::new()),
    );
    while let Some(name) = reader.child()? {
        let at = reader.offset();
        match name.tag() {
            Some(ddf::ACCESS_TYPE) => access = Some(access_type(reader, at)?),
            Some(ddf::DEFAULT_VALUE) => properties.default_value = Some(text(reader)?),
            Some(ddf::DESCRIPTION) => properties.description = Some(text(reader)?),
            Some(ddf::DF_FORMAT) => {
                let word = |name: &str, _: &str| name.parse::<Format>().ok();
                format = Some(choice(reader, at, "DFFormat", word)?);
            }
            Some(ddf::OCCURRENCE) => {
                properties.occurrence = Some(choice(reader, at, "Occurrence", occurrence)?);
            }
            Some(ddf::SCOPE) => {
                let word = |name: &str, _: &str| match name {
                    "Permanent" => Some(Scope::Permanent),
                    "Dynamic" => Some(Scope::Dynamic),
                    _ => None,
                };
                properties.scope = Some(choice(reader, at, "Scope", word)?);
            }
            Some(ddf::DF_TITLE) => properties.title = Some(text(reader)?),
            Some(ddf::DF_TYPE) => node_type = Some(df_type(reader, at)?),
            Some(ddf::CASE_SENSE) => {
                let word = |name: &str, _: &str| {
                    CaseSense::ALL.into_iter().find(|one| one.as_str() == name)
                };
                properties.case_sense = Some(choice(reader, at, "CaseSense", word)?);
            }
            _ => reader.skip()?,
        }
    }
    let missing = |name| Kind::Missing(name).at(offset);
    properties.access = access.ok_or(missing("AccessType"))?;
    properties.format = format.ok_or(missing("DFFormat"))?;
    properties.node_type = node_type.ok_or(missing("DFType"))?;
    Ok(properties)
}

fn text(reader: &mut Reader<'_>) -> Result<String, DdfError> {
    Ok(reader.text()?.into_owned())
}

fn access_type(reader: &mut Reader<'_>, at: usize) -> Result<AccessSet, DdfError> {
    let mut access = AccessSet::EMPTY;
    while let Some(name) = reader.child()? {
        let mut known = AccessType::ALL.into_iter();
        let word = known.find(|word| word.as_str() == name.as_str());
        access = access.with(word.ok_or(Kind::Invalid("AccessType").at(at))?);
        reader.skip()?;
    }
    Ok(access)
}

/// Reads an element with exactly one element in it, by its name and text.
fn choice<T>(
    reader: &mut Reader<'_>,
    at: usize,
    element: &'static str,
    read: impl Fn(&str, &str) -> Option<T>,
) -> Result<T, DdfError> {
    let invalid = || Kind::Invalid(element).at(at);
    let mut found = None;
    while let Some(name) = reader.child()? {
        let text = reader.text()?;
        let value = read(name.as_str(), text.trim()).ok_or_else(invalid)?;
        if found.replace(value).is_some() {
            return Err(invalid());
        }
    }
    found.ok_or_else(invalid)
}

/// The numbers of [DM-DDF].
fn occurrence(name: &str, text: &str) -> Option<Occurrence> {
    let number = || text.parse().ok().filter(|n| (2..=65_536).contains(n));
    Some(match name {
        "One" => Occurrence::One,
        "ZeroOrOne" => Occurrence::ZeroOrOne,
        "ZeroOrMore" => Occurrence::ZeroOrMore,
        "OneOrMore" => Occurrence::OneOrMore,
        "ZeroOrN" => Occurrence::ZeroOrN(number()?),
        "OneOrN" => Occurrence::OneOrN(number()?),
        _ => return None,
    })
}

fn df_type(reader: &mut Reader<'_>, at: usize) -> Result<NodeType, DdfError> {
    let mut found = None;
    while let Some(name) = reader.child()? {
        let text = reader.text()?.trim().to_owned();
        found = match (name.tag(), found) {
            (Some(ddf::DDF_NAME), None) => Some(NodeType::DdfName(text)),
            (Some(ddf::MIME), None) => Some(NodeType::Mime(vec![text])),
            (Some(ddf::MIME), Some(NodeType::Mime(mut types))) => {
                types.push(text);
                Some(NodeType::Mime(types))
            }
            _ => return Err(Kind::Invalid("DFType").at(at)),
        };
    }
    found.ok_or(Kind::Invalid("DFType").at(at))
}
