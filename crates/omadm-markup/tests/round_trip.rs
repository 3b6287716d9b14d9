//! Any tree of events comes back as it was written, and no input does harm.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_markup::{
    Content, Encoding, Event, Fragment, Limits, Name, Namespace, Reader, Tag, Vocabulary,
    WriteError, Writer, syncml,
};
use proptest::prelude::*;

/// An element; strings only, so that strategies can make it.
#[derive(Clone, Debug)]
struct Element {
    name: OwnedName,
    attributes: Vec<(OwnedName, String)>,
    children: Vec<Child>,
}

#[derive(Clone, Debug)]
enum Child {
    Text(String),
    Element(Element),
}

#[derive(Clone, Debug, PartialEq)]
enum OwnedName {
    Known(Tag),
    Other(String, String),
}

impl Element {
    fn events(&self, events: &mut Vec<Event<'static>>) {
        // Events of a generated tree may live as long as the test.
        let leak = |name: &OwnedName| -> Name<'static> {
            match name {
                OwnedName::Known(tag) => Name::Known(*tag),
                OwnedName::Other(uri, local) => Name::Other(
                    Namespace::from_uri(uri.clone().leak()),
                    local.clone().leak(),
                ),
            }
        };
        events.push(Event::Start(leak(&self.name)));
        for (name, value) in &self.attributes {
            events.push(Event::Attribute(leak(name), value.clone().into()));
        }
        for child in &self.children {
            match child {
                Child::Element(element) => element.events(events),
                Child::Text(text) => match events.last_mut() {
                    Some(Event::Text(before)) => before.to_mut().push_str(text),
                    _ => events.push(Event::Text(text.clone().into())),
                },
            }
        }
        events.push(Event::End);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ \t\n\r]{1,4}", "[a-z<>&'\"\\]\r\n ]{1,12}", "\\PC{1,40}"]
        .prop_filter("XML has no such characters", |text| {
            !text.contains(['\u{FFFE}', '\u{FFFF}'])
        })
}

fn known() -> impl Strategy<Value = OwnedName> {
    let names = [
        "Add", "Type", "Node", "Man", "Data", "Format", "b64", "LocURI",
    ];
    let of = |vocabulary: &Vocabulary| names.map(|name| vocabulary.tag(name));
    let tags: Vec<_> = Vocabulary::ALL.iter().flat_map(of).flatten().collect();
    prop::sample::select(tags).prop_map(OwnedName::Known)
}

fn foreign() -> impl Strategy<Value = OwnedName> {
    (
        prop::sample::select(vec!["", "urn:a", "urn:b'é", "syncml:metinf"]),
        "[xyzß_][0-9.-]{0,2}",
    )
        .prop_map(|(uri, local)| OwnedName::Other(uri.to_owned(), local))
}

fn element() -> impl Strategy<Value = Element> {
    let name = || prop_oneof![3 => known(), 1 => foreign()];
    let attributes = || {
        prop::collection::vec((foreign(), "[a-c<>&'\" \t\r\n]{0,6}"), 0..3).prop_map(|mut all| {
            let mut seen = Vec::new();
            all.retain(|(name, _)| {
                !seen.contains(name) && {
                    seen.push(name.clone());
                    true
                }
            });
            all
        })
    };
    let leaf = (
        name(),
        attributes(),
        prop::collection::vec(text().prop_map(Child::Text), 0..2),
    )
        .prop_map(|(name, attributes, children)| Element {
            name,
            attributes,
            children,
        });
    leaf.prop_recursive(5, 24, 4, move |inner| {
        let child = prop_oneof![text().prop_map(Child::Text), inner.prop_map(Child::Element)];
        (name(), attributes(), prop::collection::vec(child, 0..5)).prop_map(
            |(name, attributes, children)| Element {
                name,
                attributes,
                children,
            },
        )
    })
}

fn write(events: &[Event<'_>], pretty: bool) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    let mut writer = Writer::new(Encoding::Xml, &mut out)?;
    if pretty {
        writer = writer.pretty();
    }
    for event in events {
        writer.event(event)?;
    }
    writer.finish()?;
    Ok(out)
}

fn read(xml: &[u8]) -> Vec<Event<'_>> {
    let mut reader = Reader::new(xml, Encoding::Xml, &Limits::default()).unwrap();
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        events.push(event);
    }
    events
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(element in element(), pretty: bool) {
        let root = Element {
            name: OwnedName::Known(syncml::SYNC_ML),
            attributes: Vec::new(),
            children: vec![Child::Element(element)],
        };
        let mut events = Vec::new();
        root.events(&mut events);
        let xml = write(&events, pretty).unwrap();
        prop_assert_eq!(read(&xml), events);
    }

    #[test]
    fn what_is_taken_out_can_be_put_back(element in element()) {
        let root = Element {
            name: OwnedName::Known(syncml::DATA),
            attributes: Vec::new(),
            children: vec![Child::Element(element)],
        };
        let mut events = Vec::new();
        root.events(&mut events);
        let xml = write(&events, false).unwrap();
        let mut reader = Reader::new(&xml, Encoding::Xml, &Limits::default()).unwrap();
        reader.next_event().unwrap();
        let Content::Fragment(fragment) = reader.content().unwrap() else {
            panic!("an element is a fragment");
        };
        let mut again = Vec::new();
        let mut writer = Writer::new(Encoding::Xml, &mut again).unwrap();
        writer.start(syncml::DATA).unwrap();
        fragment.write(&mut writer).unwrap();
        writer.end().unwrap();
        writer.finish().unwrap();
        prop_assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8(xml.clone()).unwrap());
        let mut alone = Vec::new();
        fragment.encode(Encoding::Xml, &mut alone).unwrap();
        let parsed = Fragment::parse(alone, Encoding::Xml, &Limits::default()).unwrap();
        prop_assert_eq!(parsed, fragment.into_owned());
    }

    #[test]
    fn no_input_makes_it_panic(xml in "(<[/!?]?|>|/>|&|;|#|x|a|b|:|=|'|\"|xmlns|\\[CDATA\\[|--|\\]\\]>|DOCTYPE|\\[| |é|\\PC){0,40}") {
        check(xml.as_bytes());
    }

    #[test]
    fn nor_do_damaged_documents(element in element(), at: prop::sample::Index, byte: u8, cut: bool) {
        let mut events = Vec::new();
        element.events(&mut events);
        let mut xml = write(&events, false).unwrap();
        let at = at.index(xml.len());
        if cut {
            xml.truncate(at);
        } else {
            xml[at] = byte;
        }
        check(&xml);
    }
}

/// Reads to the end or to an error, whose offset must be inside.
fn check(xml: &[u8]) {
    let mut limits = Limits::default();
    limits.allow_doctype = true;
    let result = Reader::new(xml, Encoding::Xml, &limits).and_then(|mut reader| {
        while reader.next_event()?.is_some() {
            assert!(reader.offset() <= xml.len());
        }
        Ok(())
    });
    if let Err(error) = result {
        assert!(error.offset <= xml.len(), "{error}");
    }
}
