//! Values between the wire and the tree. [DM-RepPro], [MetInf]

use std::borrow::Cow;

use omadm_core::{Format, base64};
use omadm_mo::tnds::{self, Document};
use omadm_syncml::{Data, Encoding, Item, Location, Meta};
use omadm_tree::{ListEntry, NewNode, Reading, Uri, Value};

use crate::failure::Failure;

/// What an Add creates; `meta` is the Item's with what it inherits.
pub(crate) fn new_node(item: &Item<'_>, meta: &Meta<'_>) -> Result<NewNode, Failure> {
    if meta.format() != Ok(Format::Node) {
        return value(item, meta).map(NewNode::Leaf);
    }
    if item
        .data
        .as_ref()
        .is_some_and(|data| data.as_text() != Some(""))
    {
        return Err(Failure::Value);
    }
    // The default of Type, spelled out, says no more than its absence.
    let node_type = meta
        .media_type
        .as_deref()
        .filter(|it| *it != Meta::DEFAULT_TYPE);
    Ok(NewNode::Interior {
        node_type: node_type.map(str::to_owned),
    })
}

/// What a leaf is to hold; `meta` is the Item's with what it inherits.
pub(crate) fn value(item: &Item<'_>, meta: &Meta<'_>) -> Result<Value, Failure> {
    let format = meta.format().map_err(|_| Failure::Value)?;
    let media_type = meta.media_type.as_deref();
    let octets = match argument(item, meta)? {
        Some(octets) => octets,
        None if format == Format::Null => Cow::Borrowed(&[][..]),
        None => return Err(Failure::Incomplete("Data")),
    };
    let format = match format {
        Format::B64 => Format::Bin,
        format => format,
    };
    Value::new(format, media_type, octets).map_err(|_| Failure::Value)
}

/// The octets of an Item's Data as its Format says; `None` if there is no Data.
pub(crate) fn argument<'i>(
    item: &'i Item<'_>,
    meta: &Meta<'_>,
) -> Result<Option<Cow<'i, [u8]>>, Failure> {
    let Some(data) = &item.data else {
        return Ok(None);
    };
    let format = meta.format().map_err(|_| Failure::Value)?;
    let octets = match data {
        Data::Text(text) => Cow::Borrowed(text.as_bytes()),
        Data::Opaque(octets) => Cow::Borrowed(octets.as_ref()),
        Data::Fragment(fragment) if format == Format::Xml => {
            let mut markup = Vec::new();
            fragment
                .encode(Encoding::Xml, &mut markup)
                .map_err(|_| Failure::Value)?;
            Cow::Owned(markup)
        }
        // Octets are octets, even if they are a document.
        Data::Fragment(fragment) if format == Format::Bin => {
            Cow::Borrowed(fragment.wbxml_document().ok_or(Failure::Value)?)
        }
        Data::Fragment(_) => return Err(Failure::Value),
    };
    if format != Format::B64 {
        return Ok(Some(octets));
    }
    let mut text = octets.into_owned();
    text.retain(|octet| !octet.is_ascii_whitespace());
    let octets = base64::decode(text).ok_or(Failure::Value)?;
    Ok(Some(Cow::Owned(octets)))
}

/// The text of a property.
pub(crate) fn text<'i>(item: &'i Item<'_>) -> Result<&'i str, Failure> {
    let data = item.data.as_ref().ok_or(Failure::Incomplete("Data"))?;
    data.as_text().ok_or(Failure::Value)
}

/// The Items of a Results for what was read at `uri`, which is no document.
pub(crate) fn items(uri: &str, reading: Reading, encoding: Encoding) -> Vec<Item<'static>> {
    let mut item = Item::new();
    match reading {
        Reading::Leaf(value) => set_value(&mut item, &value, encoding),
        Reading::Children(names) => {
            item.meta = Meta::new().with_format(Format::Node);
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            item.data = Some(names.join("/").into());
        }
        Reading::Property(text) => item.data = Some(text.into()),
        Reading::List(entries) => {
            let entries = entries.into_iter();
            return entries.map(|entry| list_item(entry, encoding)).collect();
        }
        _ => return Vec::new(),
    }
    item.source = Some(Location::new(uri.to_owned()));
    vec![item]
}

/// The Item of a Results for the subtree at `uri`. [DM-TNDS]
///
/// The document is text in XML and octets in WBXML, so that it can be cut into chunks.
pub(crate) fn document(
    uri: &Uri,
    document: &Document,
    encoding: Encoding,
) -> Result<Item<'static>, Failure> {
    let mut octets = Vec::new();
    document
        .encode(encoding, &mut octets)
        .map_err(|_| Failure::Unencodable)?;
    let (format, media_type, data) = match encoding {
        Encoding::Xml => {
            let text = String::from_utf8(octets).map_err(|_| Failure::Unencodable)?;
            (Format::Xml, tnds::MIME_XML, Data::from(text))
        }
        Encoding::Wbxml => (Format::Bin, tnds::MIME_WBXML, Data::Opaque(octets.into())),
    };
    let meta = Meta::new().with_format(format).with_type(media_type);
    let item = Item::new().with_source(Location::new(uri.to_string()));
    Ok(item.with_meta(meta).with_data(data))
}

fn list_item(entry: ListEntry, encoding: Encoding) -> Item<'static> {
    let mut item = Item::new().with_source(Location::new(entry.uri.to_string()));
    match entry.value {
        Some(value) => set_value(&mut item, &value, encoding),
        None => item.meta = described(entry.format, &entry.node_type, encoding),
    }
    item
}

fn set_value(item: &mut Item<'_>, value: &Value, encoding: Encoding) {
    item.meta = described(value.format(), value.media_type(), encoding);
    item.data = match (value.format(), encoding) {
        (Format::Null, _) => None,
        (Format::Bin, Encoding::Xml) => Some(base64::encode(value.octets()).into()),
        (Format::Bin, Encoding::Wbxml) => Some(Data::Opaque(Cow::Owned(value.octets().to_vec()))),
        _ => Some(value.text().unwrap_or_default().to_owned().into()),
    };
}

/// Format and Type, unless they are the defaults.
fn described(format: Format, media_type: &str, encoding: Encoding) -> Meta<'static> {
    let mut meta = Meta::new();
    match (format, encoding) {
        (Format::Chr, _) => {}
        (Format::Bin, Encoding::Xml) => meta = meta.with_format(Format::B64),
        (format, _) => meta = meta.with_format(format),
    }
    if !["", Meta::DEFAULT_TYPE].contains(&media_type) {
        meta = meta.with_type(media_type.to_owned());
    }
    meta
}
