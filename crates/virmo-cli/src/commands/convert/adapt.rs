//! What Meta says has to follow the encoding of Data.

use std::{borrow::Cow, mem};

use virmo::dm::core::base64;
use virmo::dm::markup::{Encoding, Event, Name, ddf, metinf, syncml};

/// Where the Format and the Type of an element's Meta are.
#[derive(Clone, Copy, Default)]
struct Described {
    format: Option<usize>,
    media_type: Option<usize>,
}

/// Makes the events of a document fit for an encoding: raw octets of the format `bin` and raw nonces
/// become base64 in XML, and the Meta of a serialised tree in Data names the encoding it has there.
/// Values of the format `bin` in such a tree are base64 in XML and raw octets in WBXML.
///
/// One event becomes one event.
///
/// # Errors
/// The place of an event that has no counterpart.
pub(super) fn adapt(events: Vec<Event<'_>>, to: Encoding) -> Result<Vec<Event<'_>>, usize> {
    let mut out = Vec::with_capacity(events.len());
    let mut open: Vec<(Name<'_>, Described)> = Vec::new();
    let mut changes: Vec<(usize, Cow<'static, str>)> = Vec::new();
    let mut nodes: Vec<Node> = Vec::new();
    let mut events = events.into_iter().peekable();
    while let Some(event) = events.next() {
        match &event {
            Event::Start(name) => {
                open.push((*name, Described::default()));
                match &open[..] {
                    [.., (Name::Known(ddf::NODE), _)] => nodes.push(Node::default()),
                    [
                        ..,
                        (Name::Known(ddf::RT_PROPERTIES), _),
                        (Name::Known(ddf::FORMAT), _),
                        (Name::Known(ddf::BIN), _),
                    ] => {
                        if let Some(node) = nodes.last_mut() {
                            node.bin = true;
                        }
                    }
                    _ => {}
                }
            }
            Event::End => {
                if let Some((Name::Known(ddf::NODE), _)) = open.pop()
                    && let Some(node) = nodes.pop()
                {
                    node.adapt(&mut out, to)?;
                }
            }
            Event::Text(_) => {
                let described = match &mut open[..] {
                    [
                        ..,
                        (_, described),
                        (Name::Known(syncml::META), _),
                        (Name::Known(tag), _),
                    ] => Some((described, *tag)),
                    _ => None,
                };
                match described {
                    Some((described, metinf::FORMAT)) => described.format = Some(out.len()),
                    Some((described, metinf::TYPE)) => described.media_type = Some(out.len()),
                    _ => {}
                }
            }
            _ => {}
        }
        if let [
            ..,
            (Name::Known(ddf::NODE), _),
            (Name::Known(ddf::VALUE), _),
        ] = &open[..]
            && matches!(event, Event::Text(_) | Event::Opaque(_))
            && let Some(node) = nodes.last_mut()
        {
            node.value = Some(out.len());
        }
        let tag = open.last().and_then(|(name, _)| name.tag());
        let describing = |of: fn(&Described) -> Option<usize>| {
            let mut outwards = open.iter().rev().skip(1);
            outwards.find_map(|(_, described)| of(described))
        };
        let event = match (event, tag) {
            (Event::Opaque(nonce), Some(metinf::NEXT_NONCE)) if to == Encoding::Xml => {
                Event::Text(base64::encode(nonce).into())
            }
            (event @ (Event::Opaque(_) | Event::Text(_)), Some(syncml::DATA))
                if to == Encoding::Xml =>
            {
                match describing(|it| it.format) {
                    Some(at) if text(&out, at) == "bin" => {
                        changes.push((at, "b64".into()));
                        Event::Text(base64::encode(octets(&event)).into())
                    }
                    _ => event,
                }
            }
            (event, _) => event,
        };
        let is_data = matches!(event, Event::Start(Name::Known(syncml::DATA)));
        let tree = Event::Start(Name::Known(ddf::MGMT_TREE));
        if is_data && events.peek() == Some(&tree) {
            let format = describing(|it| it.format);
            let media_type = describing(|it| it.media_type);
            let (from_suffix, to_suffix, to_format) = match to {
                Encoding::Xml => ("+wbxml", "+xml", "xml"),
                Encoding::Wbxml => ("+xml", "+wbxml", "bin"),
            };
            if let Some(at) = media_type
                && let Some(stem) = text(&out, at).strip_suffix(from_suffix)
            {
                changes.push((at, format!("{stem}{to_suffix}").into()));
                changes.extend(format.map(|at| (at, to_format.into())));
            }
        }
        out.push(event);
    }
    for (at, new) in changes {
        if let Some(event) = out.get_mut(at) {
            drop(mem::replace(event, Event::Text(new)));
        }
    }
    Ok(out)
}

/// A node of a serialized tree.
#[derive(Default)]
struct Node {
    /// Whether its format is `bin`.
    bin: bool,
    /// Where the content of its value is, one event.
    value: Option<usize>,
}

impl Node {
    /// Makes its value fit for an encoding. In WBXML text is base64 as well.
    fn adapt(&self, out: &mut [Event<'_>], to: Encoding) -> Result<(), usize> {
        let Some(at) = self.value.filter(|_| self.bin) else {
            return Ok(());
        };
        let Some(event) = out.get_mut(at) else {
            return Ok(());
        };
        let adapted = match (&*event, to) {
            (Event::Opaque(octets), Encoding::Xml) => Event::Text(base64::encode(octets).into()),
            (Event::Text(text), Encoding::Wbxml) => {
                let mut text = text.as_bytes().to_vec();
                text.retain(|octet| !octet.is_ascii_whitespace());
                let octets = base64::decode(&*text).ok_or(at)?;
                match octets.is_empty() {
                    true => return Ok(()),
                    false => Event::Opaque(octets.into()),
                }
            }
            _ => return Ok(()),
        };
        *event = adapted;
        Ok(())
    }
}

fn text<'e>(events: &'e [Event<'_>], at: usize) -> &'e str {
    match events.get(at) {
        Some(Event::Text(text)) => text.trim_ascii(),
        _ => "",
    }
}

fn octets<'e>(event: &'e Event<'_>) -> &'e [u8] {
    match event {
        Event::Opaque(octets) => octets,
        Event::Text(text) => text.as_bytes(),
        _ => &[],
    }
}
