//! Values between the wire and a guest. [DM-RepPro]

use std::borrow::Cow;

use omadm_core::{Format, base64};
use omadm_syncml::{Data, Encoding, Item, Meta};
use omadm_tree::{NewNode, Value};

/// What an Add makes; `meta` is the Item's with what it inherits.
pub(crate) fn new_node(item: &Item<'_>, meta: &Meta<'_>) -> Option<NewNode> {
    if meta.format() != Ok(Format::Node) {
        return value(item, meta).map(NewNode::Leaf);
    }
    let node_type = meta.media_type.as_deref().map(str::to_owned);
    Some(NewNode::Interior { node_type })
}

/// What a leaf holds.
pub(crate) fn value(item: &Item<'_>, meta: &Meta<'_>) -> Option<Value> {
    let octets = argument(item, meta)?;
    let format = match meta.format().ok()? {
        Format::B64 => Format::Bin,
        format => format,
    };
    Value::new(format, meta.media_type.as_deref(), octets).ok()
}

/// The octets of an Item's Data; none if there is no Data.
pub(crate) fn argument<'i>(item: &'i Item<'_>, meta: &Meta<'_>) -> Option<Cow<'i, [u8]>> {
    let octets = match &item.data {
        None => Cow::Borrowed(&[][..]),
        Some(Data::Text(text)) => Cow::Borrowed(text.as_bytes()),
        Some(Data::Opaque(octets)) => Cow::Borrowed(octets.as_ref()),
        Some(Data::Fragment(fragment)) => {
            let mut markup = Vec::new();
            fragment.encode(Encoding::Xml, &mut markup).ok()?;
            Cow::Owned(markup)
        }
    };
    if meta.format() != Ok(Format::B64) {
        return Some(octets);
    }
    let mut text = octets.into_owned();
    text.retain(|octet| !octet.is_ascii_whitespace());
    base64::decode(text).map(Cow::Owned)
}

/// The Item with a value in it.
pub(crate) fn with_value<'a>(item: Item<'a>, value: &Value, encoding: Encoding) -> Item<'a> {
    let media_type = value.media_type();
    let own = media_type == Value::default_media_type(value.format());
    let meta = described(value.format(), if own { "" } else { media_type }, encoding);
    let item = item.with_meta(meta.into_owned());
    match value.format() {
        Format::Null => item,
        Format::Bin => with_octets(item, value.octets(), encoding),
        _ => item.with_data(value.text().unwrap_or_default().to_owned()),
    }
}

/// The Item with an argument: as text, unless it is none that both encodings carry.
pub(crate) fn with_argument<'a>(item: Item<'a>, argument: &[u8], encoding: Encoding) -> Item<'a> {
    let plain = |text: &&str| {
        !text
            .chars()
            .any(|c| c.is_control() && !"\t\n\r".contains(c))
    };
    match str::from_utf8(argument).ok().filter(plain) {
        Some(text) => item.with_data(text.to_owned()),
        None => {
            let item = item.with_meta(described(Format::Bin, "", encoding).into_owned());
            with_octets(item, argument, encoding)
        }
    }
}

fn with_octets<'a>(item: Item<'a>, octets: &[u8], encoding: Encoding) -> Item<'a> {
    match encoding {
        Encoding::Xml => item.with_data(base64::encode(octets)),
        Encoding::Wbxml => item.with_data(Data::Opaque(Cow::Owned(octets.to_vec()))),
    }
}

/// Format and Type, unless they are the defaults.
pub(crate) fn described(format: Format, media_type: &str, encoding: Encoding) -> Meta<'_> {
    let mut meta = match (format, encoding) {
        (Format::Chr, _) => Meta::new(),
        (Format::Bin, Encoding::Xml) => Meta::new().with_format(Format::B64),
        (format, _) => Meta::new().with_format(format),
    };
    if !media_type.is_empty() {
        meta = meta.with_type(media_type);
    }
    meta
}
