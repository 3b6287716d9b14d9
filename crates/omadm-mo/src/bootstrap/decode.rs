use omadm_core::{Format, ServerId, SortedMap, base64};
use omadm_syncml::{Command, Data, Item, Meta};
use omadm_tree::{Uri, Value};

use super::{Addition, Content, DecodeError, Limits, MediaType, owner_rights};
use crate::{
    provisioning,
    standard::inbox,
    tnds::{self, Node, Place},
};

impl Content {
    /// Reads a bootstrap.
    ///
    /// What the header of a message says is not looked at. [DM-Bootstrap §5.5]
    ///
    /// # Errors
    /// A [`DecodeError`].
    pub fn decode(
        octets: &[u8],
        media_type: MediaType,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let encoding = media_type.encoding();
        match media_type {
            MediaType::ProvisioningWbxml | MediaType::ProvisioningXml => {
                provisioning::Document::decode(octets, encoding, &limits.tnds.markup)
                    .map(Self::Provisioning)
                    .map_err(DecodeError::Provisioning)
            }
            MediaType::TndsWbxml | MediaType::TndsXml => {
                let document = tnds::Document::decode(octets, encoding, &limits.tnds)
                    .map_err(DecodeError::Tnds)?;
                let target = inbox::root();
                Ok(Self::Additions(vec![Addition { target, document }]))
            }
            MediaType::MessageWbxml | MediaType::MessageXml => {
                let message = omadm_syncml::decode(octets, encoding, &limits.message)
                    .map_err(DecodeError::Message)?;
                additions(&message.commands, limits).map(Self::Additions)
            }
        }
    }
}

fn additions(commands: &[Command<'_>], limits: &Limits) -> Result<Vec<Addition>, DecodeError> {
    let mut additions = Vec::new();
    let mut plain = tnds::Document::default();
    let mut pending: Vec<&Command<'_>> = commands.iter().rev().collect();
    while let Some(command) = pending.pop() {
        match command {
            Command::Atomic(group) | Command::Sequence(group) => {
                pending.extend(group.commands.iter().rev());
            }
            Command::Add(add) => {
                for item in &add.items {
                    let target = item.target.as_ref().map(|target| Uri::parse(&target.uri));
                    let Some(Ok(target)) = target else {
                        return Err(DecodeError::Item);
                    };
                    let meta = item.meta.inherit(&add.meta);
                    match item.data.as_ref().filter(|data| is_tree(&meta, data)) {
                        Some(data) => {
                            let document = tnds::Document::from_data(data, &limits.tnds)
                                .map_err(DecodeError::Tnds)?;
                            additions.push(Addition { target, document });
                        }
                        None => plain.nodes.push(plain_node(target, item, &meta)?),
                    }
                }
            }
            other => return Err(DecodeError::Command(other.name().to_owned())),
        }
    }
    if !plain.nodes.is_empty() {
        give_rights(&mut plain);
        // Node by node they are one object all the same.
        additions.push(Addition {
            target: Uri::root(),
            document: plain,
        });
    }
    Ok(additions)
}

/// Whether an Item holds a serialized tree: its Type says so, or nothing says otherwise.
fn is_tree(meta: &Meta<'_>, data: &Data<'_>) -> bool {
    match meta.media_type.as_deref() {
        Some(media_type) => [tnds::MIME_XML, tnds::MIME_WBXML].contains(&media_type),
        None => match data {
            Data::Text(text) => text.trim_start().starts_with('<'),
            Data::Opaque(_) | Data::Fragment(_) => {
                matches!(meta.format(), Ok(Format::Chr | Format::Xml))
            }
        },
    }
}

/// The node an Item adds by itself, as DM 1.1 does.
fn plain_node(target: Uri, item: &Item<'_>, meta: &Meta<'_>) -> Result<Node, DecodeError> {
    let format = meta.format().map_err(|_| DecodeError::Item)?;
    if target == inbox::root() || target.is_root() {
        return Err(DecodeError::Item);
    }
    let place = Place::Absolute(target);
    if format == Format::Node {
        let empty = item.data.as_ref().is_none_or(|it| it.as_text() == Some(""));
        let node_type = meta.media_type.as_deref().unwrap_or_default();
        let node_type = if node_type == Meta::DEFAULT_TYPE {
            ""
        } else {
            node_type
        };
        return match empty {
            true => Ok(Node::interior(place, node_type)),
            false => Err(DecodeError::Item),
        };
    }
    let octets = match &item.data {
        Some(Data::Text(text)) => text.as_bytes(),
        Some(Data::Opaque(octets)) => octets,
        None if format == Format::Null => b"",
        Some(Data::Fragment(_)) | None => return Err(DecodeError::Item),
    };
    let media_type = meta.media_type.as_deref();
    let value = match format {
        Format::B64 => str::from_utf8(octets)
            .ok()
            .and_then(base64::decode_lenient)
            .and_then(|octets| Value::new(Format::Bin, media_type, octets).ok()),
        format => Value::new(format, media_type, octets).ok(),
    };
    value
        .map(|value| Node::leaf(place, value))
        .ok_or(DecodeError::Item)
}

/// Gives the server of each account what it gets in the other profile: no node says so by itself.
fn give_rights(document: &mut tnds::Document) {
    let servers: SortedMap<Uri, ServerId> = document
        .nodes
        .iter()
        .filter_map(|node| {
            let uri = node.place.uri();
            let tnds::Body::Leaf(Some(value)) = &node.body else {
                return None;
            };
            let server = value.text().filter(|_| uri.name() == Some("ServerID"))?;
            Some((uri.parent()?, server.parse().ok()?))
        })
        .collect();
    for node in &mut document.nodes {
        let uri = node.place.uri();
        if let Some(server) = servers.get(uri) {
            node.properties.acl = Some(owner_rights(server));
        }
    }
}

impl tnds::Document {
    /// Reads the document in the `Data` of a command: inline, as text, or as octets, which are XML or
    /// WBXML; text that is no markup is base64 of WBXML.
    ///
    /// # Errors
    /// A [`TndsError`](tnds::TndsError), with offsets in the data.
    pub fn from_data(data: &Data<'_>, limits: &tnds::Limits) -> Result<Self, tnds::TndsError> {
        use omadm_markup::Encoding;

        match data {
            Data::Fragment(fragment) => Self::from_fragment(fragment, limits),
            Data::Opaque(octets) => {
                // A document in WBXML starts with its version, one in XML with a printable character.
                let encoding = match octets.first() {
                    Some(0x00..=0x08) => Encoding::Wbxml,
                    _ => Encoding::Xml,
                };
                Self::decode(octets, encoding, limits)
            }
            Data::Text(text) if text.trim_start().starts_with('<') => {
                Self::decode(text.trim().as_bytes(), Encoding::Xml, limits)
            }
            Data::Text(text) => match base64::decode_lenient(text) {
                Some(octets) => Self::decode(&octets, Encoding::Wbxml, limits),
                None => Err(tnds::TndsError {
                    kind: tnds::TndsErrorKind::Base64,
                    offset: 0,
                }),
            },
        }
    }
}
