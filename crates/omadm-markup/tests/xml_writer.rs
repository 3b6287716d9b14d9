//! What the writers make of events: XML as it stands there, and what both refuse.

#![allow(clippy::unwrap_used, reason = "test code")]

use omadm_markup::{
    Encoding, Event, Fragment, Limits, Name, Namespace, Reader, Vocabulary, WriteError, Writer,
    ddf, metinf, syncml,
};

fn written_in(
    encoding: Encoding,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), WriteError>,
) -> Result<Vec<u8>, WriteError> {
    let mut out = b"before ".to_vec();
    let mut writer = Writer::new(encoding, &mut out)?;
    write(&mut writer)?;
    writer.finish()?;
    Ok(out.strip_prefix(b"before ").unwrap().to_owned())
}

fn written(
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), WriteError>,
) -> Result<String, WriteError> {
    written_in(Encoding::Xml, write).map(|xml| String::from_utf8(xml).unwrap())
}

/// A document as XML.
fn as_xml(document: &[u8], encoding: Encoding) -> String {
    let fragment = Fragment::parse(document, encoding, &Limits::default()).unwrap();
    encoded(&fragment)
}

#[test]
fn namespaces_are_declared_where_they_change() {
    let xml = written(|w| {
        w.start(syncml::SYNC_ML)?;
        w.start(syncml::META)?;
        w.element(metinf::FORMAT, "xml")?;
        w.element(metinf::TYPE, "")?;
        w.end()?;
        w.start(syncml::DATA)?;
        w.start(ddf::MGMT_TREE)?;
        w.element(ddf::VER_DTD, "1.2")?;
        w.start(syncml::ITEM)?;
        w.end()?;
        w.end()?;
        w.end()?;
        w.end()
    });
    assert_eq!(
        xml.unwrap(),
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><Meta><Format xmlns=\"syncml:metinf\">xml</Format>\
         <Type xmlns=\"syncml:metinf\"/></Meta><Data><MgmtTree xmlns=\"syncml:dmddf1.2\">\
         <VerDTD>1.2</VerDTD><Item xmlns=\"SYNCML:SYNCML1.2\"/></MgmtTree></Data></SyncML>"
    );
    let foreign = |uri, local| Name::Other(Namespace::Other(uri), local);
    let xml = written(|w| {
        w.start(foreign("urn:b", "x"))?;
        w.start(foreign("urn:a", "y"))?;
        w.start(foreign("urn:a", "z"))?;
        w.start(Name::local("n"))?;
        w.start(Name::local("m"))?;
        w.end()?;
        w.end()?;
        w.end()?;
        w.end()?;
        w.end()
    });
    assert_eq!(
        xml.unwrap(),
        "<x xmlns=\"urn:b\"><y xmlns=\"urn:a\"><z><n xmlns=\"\"><m/></n></z></y></x>"
    );
}

#[test]
fn a_namespace_may_be_taken_for_declared() {
    let mut out = Vec::new();
    let mut writer = Writer::new(Encoding::Xml, &mut out)
        .unwrap()
        .within(Vocabulary::SyncMl);
    writer.start(syncml::ALERT).unwrap();
    writer.element(metinf::TYPE, "t").unwrap();
    writer.end().unwrap();
    writer.finish().unwrap();
    assert_eq!(
        out,
        b"<Alert><Type xmlns=\"syncml:metinf\">t</Type></Alert>"
    );
}

const XML: Namespace<'_> = Namespace::Other("http://www.w3.org/XML/1998/namespace");

/// It cannot be declared as the default. [XML-Names §3]
#[test]
fn what_is_in_the_namespace_of_xml_has_its_prefix() {
    let xml = written(|w| {
        w.start(Name::Other(Namespace::Other("urn:x"), "a"))?;
        w.start(Name::Other(XML, "b"))?;
        w.start(Name::Other(Namespace::Other("urn:x"), "c"))?;
        w.end()?;
        w.end()?;
        w.end()
    });
    assert_eq!(xml.unwrap(), "<a xmlns=\"urn:x\"><xml:b><c/></xml:b></a>");
}

#[test]
fn attributes_are_escaped_and_may_have_namespaces() {
    let xml = written(|w| {
        w.start(Name::local("parm"))?;
        w.attribute(Name::local("name"), "a\"<>&\t'")?;
        w.attribute(Name::Other(XML, "lang"), "de")?;
        w.attribute(Name::Other(Namespace::Other("urn:x"), "name"), "1")?;
        w.attribute(Name::Other(Namespace::Other("urn:y"), "name"), "2")?;
        w.text("t")?;
        w.end()
    });
    assert_eq!(
        xml.unwrap(),
        "<parm name=\"a&quot;&lt;&gt;&amp;&#9;'\" xml:lang=\"de\" xmlns:a1=\"urn:x\" a1:name=\"1\" \
         xmlns:a2=\"urn:y\" a2:name=\"2\">t</parm>"
    );
}

#[test]
fn text_that_could_be_taken_for_layout_is_referenced() {
    let xml = written(|w| {
        w.start(syncml::ITEM)?;
        w.element(syncml::DATA, " \n")?;
        w.element(syncml::DATA, " x ")?;
        w.text("\n ")?;
        w.end()
    });
    assert_eq!(
        xml.unwrap(),
        "<Item xmlns=\"SYNCML:SYNCML1.2\"><Data>&#32;\n</Data><Data> x </Data>&#10; </Item>"
    );
}

#[test]
fn pretty_is_for_people_and_changes_no_event() {
    let xml = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncBody><Add><Item><Data> a\n</Data></Item><Meta/></Add><Final/></SyncBody><x xmlns=\"\">1<y/>2<y><z/></y></x></SyncML>";
    let expected = "<SyncML xmlns=\"SYNCML:SYNCML1.2\">
  <SyncBody>
    <Add>
      <Item>
        <Data> a
</Data>
      </Item>
      <Meta/>
    </Add>
    <Final/>
  </SyncBody>
  <x xmlns=\"\">1<y/>2<y>
      <z/>
    </y></x>
</SyncML>
";
    let events = |xml: &str| {
        let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
        let mut events = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            events.push(format!("{event:?}"));
        }
        events
    };
    let mut out = Vec::new();
    let mut writer = Writer::new(Encoding::Xml, &mut out).unwrap().pretty();
    let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
    while let Some(event) = reader.next_event().unwrap() {
        writer.event(&event).unwrap();
    }
    writer.finish().unwrap();
    let pretty = String::from_utf8(out).unwrap();
    assert_eq!(pretty, expected);
    assert_eq!(events(&pretty), events(xml));
}

#[test]
fn what_is_out_of_place_is_refused() {
    for encoding in Encoding::ALL {
        out_of_place(|write| written_in(encoding, write));
    }
}

fn out_of_place(
    written: impl Fn(&dyn Fn(&mut Writer<'_>) -> Result<(), WriteError>) -> Result<Vec<u8>, WriteError>,
) {
    let misplaced = Err(WriteError::Misplaced);
    assert_eq!(written(&|_| Ok(())), misplaced);
    assert_eq!(written(&|w| w.start(syncml::ADD)), misplaced);
    assert_eq!(written(&|w| w.end()), misplaced);
    assert_eq!(written(&|w| w.text("x")), misplaced);
    assert_eq!(
        written(&|w| w
            .element(syncml::ADD, "")
            .and_then(|()| w.start(syncml::ADD))),
        misplaced
    );
    assert_eq!(
        written(&|w| w
            .element(syncml::ADD, "")
            .and_then(|()| w.element(syncml::ADD, ""))),
        misplaced
    );
    assert_eq!(written(&|w| w.attribute(Name::local("a"), "")), misplaced);
    let late = |w: &mut Writer<'_>| {
        w.start(syncml::ADD)?;
        w.text("x")?;
        w.attribute(Name::local("a"), "")
    };
    assert_eq!(written(&late), misplaced);
}

#[test]
fn what_xml_cannot_carry_is_refused() {
    let invalid = Err(WriteError::InvalidCharacter);
    assert_eq!(written(|w| w.element(syncml::DATA, "a\0")), invalid);
    assert_eq!(
        written(|w| w.start(syncml::DATA).and_then(|()| w.text("\u{FFFE}"))),
        invalid
    );
    for name in ["", "1", "a b", "a:b", "a>"] {
        let name = Name::local(name);
        assert_eq!(written(|w| w.start(name)), Err(WriteError::InvalidName));
        assert_eq!(
            written(|w| w.start(syncml::ADD).and_then(|()| w.attribute(name, ""))),
            Err(WriteError::InvalidName)
        );
    }
    for uri in [
        "a&b",
        "a>b",
        "a\"b",
        "a\tb",
        "\u{FFFE}",
        "http://www.w3.org/2000/xmlns/",
    ] {
        let namespace = Name::Other(Namespace::Other(uri), "x");
        assert_eq!(
            written(|w| w.start(namespace)),
            Err(WriteError::InvalidName)
        );
    }
    let xmlns = |w: &mut Writer<'_>| {
        w.start(syncml::ADD)
            .and_then(|()| w.attribute(Name::local("xmlns"), ""))
    };
    assert_eq!(written(xmlns), Err(WriteError::InvalidName));
    let opaque = |octets: &'static [u8]| {
        written(|w| {
            w.start(Name::local("a"))?;
            w.event(&Event::Opaque(octets.into()))?;
            w.end()
        })
    };
    assert_eq!(opaque(b"a<"), Ok("<a>a&lt;</a>".to_owned()));
    assert_eq!(opaque(&[0xFF]), Err(WriteError::NotText));
    assert_eq!(opaque(&[0]), Err(WriteError::NotText));
}

#[test]
fn a_rewound_writer_goes_on_as_before() {
    for (deep, encoding) in [0, 20]
        .into_iter()
        .flat_map(|it| Encoding::ALL.map(|to| (it, to)))
    {
        let document = written_in(encoding, |w| {
            for _ in 0..=deep {
                w.start(syncml::ITEM)?;
            }
            let empty = w.mark();
            w.element(syncml::DATA, "1")?;
            w.rewind(empty);
            w.element(syncml::DATA, "2")?;
            let mark = w.mark();
            w.start(syncml::META)?;
            w.start(metinf::TYPE)?;
            w.rewind(mark);
            w.element(syncml::DATA, "3")?;
            for _ in 0..=deep {
                w.end()?;
            }
            Ok(())
        });
        let xml = as_xml(&document.unwrap(), encoding);
        assert!(xml.contains("<Data>2</Data><Data>3</Data></Item>"), "{xml}");
        assert!(
            !xml.contains("Meta") && !xml.contains('1'.to_string().repeat(2).as_str()),
            "{xml}"
        );
    }
    for encoding in Encoding::ALL {
        let mut out = Vec::new();
        let mut writer = Writer::new(encoding, &mut out).unwrap();
        let start = writer.mark();
        writer.element(syncml::DATA, "1").unwrap();
        writer.rewind(start);
        assert_eq!(writer.position(), 0);
        writer.element(syncml::ADD, "").unwrap();
        writer.finish().unwrap();
        assert_eq!(as_xml(&out, encoding), "<Add xmlns=\"SYNCML:SYNCML1.2\"/>");
    }
}

fn fragment(xml: &str) -> Fragment<'_> {
    Fragment::parse(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap()
}

fn encoded(fragment: &Fragment<'_>) -> String {
    let mut out = Vec::new();
    fragment.encode(Encoding::Xml, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn fragments_carry_the_meaning_of_their_names() {
    let outer = b"<Item xmlns='SYNCML:SYNCML1.2' xmlns:m='syncml:metinf' xmlns:v='urn:v'><Data><v:x><m:Type>t</m:Type><Add/></v:x></Data></Item>";
    let mut reader = Reader::new(outer, Encoding::Xml, &Limits::default()).unwrap();
    reader.next_event().unwrap();
    reader.next_event().unwrap();
    let omadm_markup::Content::Fragment(found) = reader.content().unwrap() else {
        unreachable!()
    };
    let expected = "<x xmlns=\"urn:v\"><Type xmlns=\"syncml:metinf\">t</Type><Add xmlns=\"SYNCML:SYNCML1.2\"/></x>";
    assert_eq!(encoded(&found), expected);
    let owned = found.borrow().into_owned();
    assert_eq!(encoded(&owned), expected);
    assert_eq!(found, owned);
    assert_eq!(found, fragment(expected));
    assert_ne!(found, fragment("<x xmlns='urn:v'/>"));
    assert_ne!(
        found,
        fragment(
            "<x xmlns='urn:w'><Type xmlns='syncml:metinf'>t</Type><Add xmlns='SYNCML:SYNCML1.2'/></x>"
        )
    );
}

#[test]
fn a_parsed_fragment_is_its_root_alone() {
    let xml = "\u{FEFF}<?xml version='1.0'?><!-- c --><MgmtTree><Node/> </MgmtTree> <!-- c -->";
    let fragment = fragment(xml);
    assert_eq!(format!("{fragment:?}"), "Fragment(XML, 29 bytes)");
    let expected = "<MgmtTree xmlns=\"syncml:dmddf1.2\"><Node/></MgmtTree>";
    assert_eq!(encoded(&fragment), expected);
    let owned =
        Fragment::parse(xml.as_bytes().to_vec(), Encoding::Xml, &Limits::default()).unwrap();
    assert_eq!(format!("{owned:?}"), format!("{fragment:?}"));
    assert!(Fragment::parse(b"<a>".as_slice(), Encoding::Xml, &Limits::default()).is_err());
}
