//! Any tree of events comes back as it was written, and no input does harm.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use omadm_markup::{
    Content, Encoding, Event, Fragment, Limits, Name, Namespace, Reader, Tag, Vocabulary,
    WriteError, Writer, syncml,
};
use proptest::prelude::*;

/// The namespace of the prefix `xml`.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// The namespace of the prefix `xmlns`.
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

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
        prop::sample::select(vec!["", "urn:a", "urn:b'é", "syncml:metinf", XML]),
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

fn encoding() -> impl Strategy<Value = Encoding> {
    prop::sample::select(Encoding::ALL.to_vec())
}

fn write(events: &[Event<'_>], encoding: Encoding, pretty: bool) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    let mut writer = Writer::new(encoding, &mut out)?;
    if pretty {
        writer = writer.pretty();
    }
    for event in events {
        writer.event(event)?;
    }
    writer.finish()?;
    Ok(out)
}

fn read(document: &[u8], encoding: Encoding) -> Vec<Event<'_>> {
    let mut reader = Reader::new(document, encoding, &Limits::default()).unwrap();
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        events.push(event);
    }
    events
}

/// A root around the element.
fn events_in(root: Tag, element: Element) -> Vec<Event<'static>> {
    let root = Element {
        name: OwnedName::Known(root),
        attributes: Vec::new(),
        children: vec![Child::Element(element)],
    };
    let mut events = Vec::new();
    root.events(&mut events);
    events
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(element in element(), encoding in encoding(), pretty: bool) {
        let events = events_in(syncml::SYNC_ML, element);
        let document = write(&events, encoding, pretty).unwrap();
        prop_assert_eq!(read(&document, encoding), events);
    }

    #[test]
    fn any_root_is_read_back(element in element(), encoding in encoding()) {
        let mut events = Vec::new();
        element.events(&mut events);
        // Without a namespace a root of XML is understood by its name.
        let bare = matches!(&element.name, OwnedName::Other(uri, _) if uri.is_empty());
        prop_assume!(encoding == Encoding::Wbxml || !bare);
        let document = write(&events, encoding, false).unwrap();
        prop_assert_eq!(read(&document, encoding), events);
    }

    #[test]
    fn both_encodings_say_the_same(element in element()) {
        let events = events_in(syncml::DATA, element);
        let xml = write(&events, Encoding::Xml, false).unwrap();
        let wbxml = write(&read(&xml, Encoding::Xml), Encoding::Wbxml, false).unwrap();
        let again = write(&read(&wbxml, Encoding::Wbxml), Encoding::Xml, false).unwrap();
        prop_assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8(xml).unwrap());
    }

    /// Reader and writer agree on what can be declared. [XML-Names §3]
    #[test]
    fn what_is_read_can_be_written(
        prefix in prop::sample::select(vec![None, Some("p"), Some("xml"), Some("xmlns")]),
        uri in prop_oneof![
            prop::sample::select(vec!["", "urn:a", "syncml:metinf", XML, XMLNS]).prop_map(str::to_owned),
            "[a-z/:#~é]{1,9}",
        ],
        on_attribute: bool,
        encoding in encoding(),
    ) {
        let (declaration, name) = match prefix {
            None => ("xmlns".to_owned(), "a".to_owned()),
            Some(prefix) => (format!("xmlns:{prefix}"), format!("{prefix}:a")),
        };
        let name = if on_attribute { format!("b {name}='c'") } else { name };
        let xml = format!("<Data {declaration}='{uri}'><{name}/></Data>");
        let may_bind = match (prefix, uri.as_str()) {
            (Some("xml"), XML) | (None, "") => true,
            (Some("xml" | "xmlns"), _) | (_, XML | XMLNS | "") => false,
            _ => true,
        };
        let mut events = Vec::new();
        let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
        let read_whole = loop {
            match reader.next_event() {
                Ok(Some(event)) => events.push(event),
                end => break end.is_ok(),
            }
        };
        prop_assert_eq!(read_whole, may_bind, "{}", xml);
        if read_whole {
            let document = write(&events, encoding, false).unwrap();
            prop_assert_eq!(read(&document, encoding), events);
        }
    }

    #[test]
    fn a_document_knows_its_size(element in element(), encoding in encoding(), at: prop::sample::Index) {
        let events = events_in(syncml::DATA, element);
        let at = at.index(events.len());
        let mut out = b"before".to_vec();
        let mut writer = Writer::new(encoding, &mut out).unwrap();
        let mut open = 0;
        for event in &events[..at] {
            writer.event(event).unwrap();
            match event {
                Event::Start(_) => open += 1,
                Event::End => open -= 1,
                _ => {}
            }
        }
        let attributes_follow = matches!(events.get(at), Some(Event::Attribute(..)));
        if at > 0 && !attributes_follow {
            // What is tried and taken back leaves no trace.
            let mark = writer.mark();
            writer.start(Name::Other(Namespace::Other("urn:tried"), "tried")).unwrap();
            writer.text("x").unwrap();
            writer.rewind(mark);
        }
        let len = writer.position() + writer.closing_len();
        for _ in 0..open {
            writer.end().unwrap();
        }
        if at > 0 {
            writer.finish().unwrap();
            prop_assert_eq!(out.len(), len);
        }
    }

    #[test]
    fn what_is_taken_out_can_be_put_back(element in element(), encoding in encoding()) {
        let events = events_in(syncml::DATA, element);
        let document = write(&events, encoding, false).unwrap();
        let mut reader = Reader::new(&document, encoding, &Limits::default()).unwrap();
        reader.next_event().unwrap();
        let Content::Fragment(fragment) = reader.content().unwrap() else {
            panic!("an element is a fragment");
        };
        for fragment in [fragment.borrow(), fragment.clone().into_owned()] {
            for into in Encoding::ALL {
                let mut again = Vec::new();
                let mut writer = Writer::new(into, &mut again).unwrap();
                writer.start(syncml::DATA).unwrap();
                fragment.write(&mut writer).unwrap();
                writer.end().unwrap();
                writer.finish().unwrap();
                prop_assert_eq!(again, write(&events, into, false).unwrap());
            }
        }
        for into in Encoding::ALL {
            let mut alone = Vec::new();
            fragment.encode(into, &mut alone).unwrap();
            let parsed = Fragment::parse(alone, into, &Limits::default()).unwrap();
            prop_assert_eq!(&parsed, &fragment);
        }
    }

    #[test]
    fn no_input_makes_it_panic(xml in "(<[/!?]?|>|/>|&|;|#|x|a|b|:|=|'|\"|xmlns|\\[CDATA\\[|--|\\]\\]>|DOCTYPE|\\[| |é|\\PC){0,40}") {
        check(xml.as_bytes(), Encoding::Xml);
    }

    #[test]
    fn nor_does_any_body(
        id in prop::sample::select(vec![vec![0xA4, 1], vec![0x0B], vec![1], vec![0, 0]]),
        body in prop::collection::vec(token(), 0..40),
    ) {
        let mut document = vec![2];
        document.extend(id);
        document.extend(b"\x6A\x22-//OMA//DTD-DM-DDF 1.2//EN\0xmlns\0x");
        document.extend(body);
        check(&document, Encoding::Wbxml);
    }

    #[test]
    fn nor_do_damaged_documents(element in element(), encoding in encoding(), at: prop::sample::Index, byte: u8, cut: bool) {
        let mut events = Vec::new();
        element.events(&mut events);
        let mut document = write(&events, encoding, false).unwrap();
        let at = at.index(document.len());
        if cut {
            document.truncate(at);
        } else {
            document[at] = byte;
        }
        check(&document, encoding);
    }
}

/// A byte of a body, of the kind that does something.
fn token() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => prop::sample::select(vec![0, 1, 2, 3, 4, 0x1B, 0x43, 0x44, 0x4F, 0x54, 0x57, 0x60, 0x83, 0x84, 0xC3, 0xC4, 0xC6]),
        1 => any::<u8>(),
    ]
}

/// Reads to the end or to an error, whose offset must be inside.
fn check(document: &[u8], encoding: Encoding) {
    let mut limits = Limits::default();
    limits.allow_doctype = true;
    limits.allow_open_table = true;
    limits.allow_nameless_attributes = true;
    let result = Reader::new(document, encoding, &limits).and_then(|mut reader| {
        while reader.next_event()?.is_some() {
            assert!(reader.offset() <= document.len());
        }
        Ok(())
    });
    if let Err(error) = result {
        assert!(error.offset <= document.len(), "{error}");
    }
}
