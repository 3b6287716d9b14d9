//! What the readers make of documents, event by event: XML as it stands there, and the same document
//! in WBXML.

#![allow(clippy::unwrap_used, reason = "test code")]

mod walks;

use std::borrow::Cow;

use omadm_markup::{
    Content, Encoding, Event, Limits, Name, Namespace, ReadError, ReadErrorKind, Reader,
    Vocabulary, Writer, ddf, metinf, syncml,
};
use walks::{WALKS, steps, without};

/// The events as text: `<name>` with the namespace unless it is SyncML's, `name=value`, `"text"`.
fn events(document: &[u8], encoding: Encoding) -> Result<String, ReadError> {
    let mut reader = Reader::new(document, encoding, &Limits::default())?;
    let mut found = Vec::new();
    while let Some(event) = reader.next_event()? {
        found.push(match event {
            Event::Start(name) => format!("<{}>", show(name)),
            Event::Attribute(name, value) => format!("{}={value}", show(name)),
            Event::Text(text) => format!("{text:?}"),
            Event::Opaque(octets) => format!("{octets:?}"),
            Event::End => "/".to_owned(),
        });
    }
    assert_eq!(reader.next_event()?, None);
    Ok(found.join(" "))
}

fn show(name: Name<'_>) -> String {
    match name {
        Name::Known(tag) => format!("{tag:?}").replace("SyncMl:", ""),
        Name::Other(namespace, local) => format!("{{{}}}{local}", namespace.uri()),
    }
}

/// An XML document in WBXML.
fn wbxml(xml: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
    let mut writer = Writer::new(Encoding::Wbxml, &mut out).unwrap();
    while let Some(event) = reader.next_event().unwrap() {
        writer.event(&event).unwrap();
    }
    writer.finish().unwrap();
    out
}

fn same(xml: &str, expected: &str) {
    let found = events(xml.as_bytes(), Encoding::Xml);
    assert_eq!(found.as_deref(), Ok(expected), "{xml}");
    let found = events(&wbxml(xml), Encoding::Wbxml);
    assert_eq!(found.as_deref(), Ok(expected), "{xml} in WBXML");
}

#[test]
fn elements_of_the_vocabularies_are_known() {
    same(
        r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncBody><Add><Meta><Type xmlns="syncml:metinf">a</Type></Meta><Data><MgmtTree xmlns="syncml:dmddf1.2"><Node/></MgmtTree></Data></Add></SyncBody></SyncML>"#,
        "<SyncML> <SyncBody> <Add> <Meta> <MetInf:Type> \"a\" / / <Data> <Ddf:MgmtTree> <Ddf:Node> / / / / / /",
    );
    for namespace in ["SYNCML:SYNCML1.0", "SYNCML:SYNCML1.1"] {
        same(&format!("<SyncML xmlns='{namespace}'/>"), "<SyncML> /");
    }
    same("<MgmtTree xmlns='syncml:dmddf'/>", "<Ddf:MgmtTree> /");
    same("<DevInf xmlns='syncml:devinf'/>", "<DevInf:DevInf> /");
}

#[test]
fn prefixes_mean_the_same_as_defaults() {
    same(
        "<s:SyncML xmlns:s='SYNCML:SYNCML1.2' xmlns:m='syncml:metinf'><s:Meta><m:Size>1</m:Size></s:Meta></s:SyncML>",
        "<SyncML> <Meta> <MetInf:Size> \"1\" / / /",
    );
    same(
        "<a:x xmlns:a='urn:1'><a:x xmlns:a='urn:2'/><a:y/></a:x>",
        "<{urn:1}x> <{urn:2}x> / <{urn:1}y> / /",
    );
    same(
        "<x xmlns='urn:1'><x xmlns=''/><x/></x>",
        "<{urn:1}x> <{}x> / <{urn:1}x> / /",
    );
}

#[test]
fn children_of_meta_need_no_namespace() {
    same(
        "<Meta xmlns='SYNCML:SYNCML1.2'><Type>a</Type><Size>1</Size></Meta>",
        "<Meta> <MetInf:Type> \"a\" / <MetInf:Size> \"1\" / /",
    );
}

#[test]
fn documents_without_namespaces_are_understood_by_their_root() {
    same(
        "<Alert><CmdID>1</CmdID></Alert>",
        "<Alert> <CmdID> \"1\" / /",
    );
    same(
        "<MgmtTree><Node><Type/></Node></MgmtTree>",
        "<Ddf:MgmtTree> <Ddf:Node> <Ddf:Type> / / /",
    );
    same(
        "<DevInf><Man/></DevInf>",
        "<DevInf:DevInf> <DevInf:Man> / /",
    );
    same("<wap-provisioningdoc/>", "<{}wap-provisioningdoc> /");
    // A namespace on the root means that its absence is meant as well.
    same(
        "<a xmlns='urn:x'><Alert xmlns=''/></a>",
        "<{urn:x}a> <{}Alert> / /",
    );
    same(
        "<x:a xmlns:x='urn:x'><Alert/></x:a>",
        "<{urn:x}a> <{}Alert> / /",
    );
}

#[test]
fn unknown_names_are_kept_with_their_namespace() {
    same(
        "<Meta xmlns='SYNCML:SYNCML1.1'><Foo/><Bar xmlns='urn:x-vendor'/></Meta>",
        "<Meta> <{SYNCML:SYNCML1.2}Foo> / <{urn:x-vendor}Bar> / /",
    );
    same("<größe/>", "<{}größe> /");
    assert_eq!(Namespace::from_uri(""), Namespace::None);
    assert_eq!(
        Namespace::from_uri("syncml:metinf"),
        Namespace::Known(Vocabulary::MetInf)
    );
}

#[test]
fn attributes_follow_their_element() {
    same(
        "<characteristic type=\"APPLICATION\"><parm name='NAME' value='a&amp;&#x9;b'/></characteristic>",
        "<{}characteristic> {}type=APPLICATION <{}parm> {}name=NAME {}value=a&\tb / /",
    );
    same(
        "<a xml:lang='de' x:b='1' b='2' xmlns:x='urn:x'>t</a>",
        "<{}a> {http://www.w3.org/XML/1998/namespace}lang=de {urn:x}b=1 {}b=2 \"t\" /",
    );
    same("<a b='x\r\ny\tz'/>", "<{}a> {}b=x y z /");
}

#[test]
fn text_is_one_event_from_tag_to_tag() {
    same(
        "<a>1&lt;2<!-- c -->&#x20AC;<![CDATA[<&]]>3<?pi x?>&amp;&gt;&quot;&apos;</a>",
        "<{}a> \"1<2€<&3&>\\\"'\" /",
    );
    same("<a><![CDATA[]]></a>", "<{}a> /");
    same("<a>x<b/>y</a>", "<{}a> \"x\" <{}b> / \"y\" /");
}

#[test]
fn white_space_counts_only_where_it_is_alone_in_an_element() {
    same(
        "<a>\n  <b> \n </b>\n  <c/>\n</a>\n",
        "<{}a> <{}b> \" \\n \" / <{}c> / /",
    );
    same("<a> <!-- c --> </a>", "<{}a> \"  \" /");
    same("<a><b/> <!-- c -->\n<b/> </a>", "<{}a> <{}b> / <{}b> / /");
    same("<a> x <b/> y </a>", "<{}a> \" x \" <{}b> / \" y \" /");
    same(
        "<a><b/>&#32;<b/><![CDATA[ ]]></a>",
        "<{}a> <{}b> / \" \" <{}b> / \" \" /",
    );
}

#[test]
fn line_ends_are_normalised_but_not_references_to_them() {
    same(
        "<a>1\r\n2\r3&#13;\n<![CDATA[\r\n]]></a>",
        "<{}a> \"1\\n2\\n3\\r\\n\\n\" /",
    );
}

#[test]
fn what_comes_before_the_root_makes_no_event() {
    same(
        "\u{FEFF}<?xml version='1.0'?>\n<!-- c --><?pi?>\n<a/><!-- c -->\n",
        "<{}a> /",
    );
    for declaration in [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>",
        "<?xml version='1.1'?>",
    ] {
        same(&format!("{declaration}<a/>"), "<{}a> /");
    }
}

#[test]
fn a_doctype_passes_only_if_asked_for_and_is_ignored() {
    let mut limits = Limits::default();
    limits.allow_doctype = true;
    for xml in [
        "<!DOCTYPE SyncML PUBLIC '-//SYNCML//DTD SyncML 1.2//EN' 'http://x/y.dtd'>\n<a/>",
        "<!DOCTYPE MgmtTree PUBLIC 'a' 'b'\n  [<?oma-dm-ddf-ver supported-versions=\"1.2\"?>]>\n<a/>",
    ] {
        let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &limits).unwrap();
        let root = Event::Start(Name::local("a"));
        assert_eq!(reader.next_event(), Ok(Some(root)));
        assert_eq!(Some(reader.offset()), xml.find("<a/>"));
    }
}

#[test]
fn what_only_looks_like_the_end_of_a_section_is_text() {
    for (text, expected) in [
        ("a > b", "a > b"),
        ("]] >", "]] >"),
        ("&amp;>]]", "&>]]"),
        ("]]&gt;", "]]>"),
        ("&#93;]>", "]]>"),
        ("]]<!-- c -->>", "]]>"),
        ("<![CDATA[]]]]><![CDATA[>]]>", "]]>"),
        ("<![CDATA[x]]>>", "x>"),
    ] {
        same(
            &format!("<a>{text}</a>"),
            &format!("<{{}}a> {expected:?} /"),
        );
        let xml = format!("<a xmlns:xml='http://www.w3.org/XML/1998/namespace'>{text}</a>");
        let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
        reader.next_event().unwrap();
        assert_eq!(reader.text().as_deref(), Ok(expected), "{xml}");
    }
}

#[test]
fn plain_text_and_names_are_borrowed() {
    let xml = String::from("<Data xmlns='SYNCML:SYNCML1.2'>text</Data>");
    let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
    reader.next_event().unwrap();
    let text = reader.next_event().unwrap();
    assert!(matches!(text, Some(Event::Text(Cow::Borrowed("text")))));
    for (xml, borrowed) in [
        ("<a><![CDATA[x]]></a>", true),
        ("<a>x<!-- c --></a>", true),
        ("<a>x&amp;</a>", false),
    ] {
        let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
        reader.next_event().unwrap();
        let Some(Event::Text(text)) = reader.next_event().unwrap() else {
            unreachable!()
        };
        assert_eq!(matches!(text, Cow::Borrowed(_)), borrowed, "{xml}");
    }
}

#[test]
fn end_tags_with_white_space_end_their_elements() {
    let xml = "<a><b>x</b\n><b></b ><b>y<!----></b\t></a >";
    let reader = || {
        let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
        reader.next_event().unwrap();
        reader
    };
    let [mut texts, mut contents] = [reader(), reader()];
    for expected in ["x", "", "y"] {
        assert_eq!(texts.child().unwrap().map(|it| it.as_str()), Some("b"));
        assert_eq!(texts.text().unwrap(), expected);
        assert_eq!(contents.child().unwrap().map(|it| it.as_str()), Some("b"));
        let content = match expected {
            "" => Content::Empty,
            text => Content::Text(text.into()),
        };
        assert_eq!(contents.content().unwrap(), content);
    }
    for mut reader in [texts, contents] {
        assert_eq!(reader.child(), Ok(None));
        assert_eq!(reader.next_event(), Ok(None));
    }
}

#[test]
fn elements_are_taken_or_skipped_at_once() {
    let xml = "<Item xmlns='SYNCML:SYNCML1.2'><Data> a </Data><Data/><Data y='1'> <x>1\n<y/></x> </Data><Meta><Type>t</Type></Meta><Final/></Item>";
    let meta = xml.find("<Meta").unwrap();
    taken_or_skipped(xml.as_bytes(), Encoding::Xml, meta);
    let wbxml = wbxml(xml);
    let meta = wbxml.windows(2).position(|it| it == [0x5A, 0]).unwrap();
    taken_or_skipped(&wbxml, Encoding::Wbxml, meta);
}

fn taken_or_skipped(document: &[u8], encoding: Encoding, meta: usize) {
    let mut reader = Reader::new(document, encoding, &Limits::default()).unwrap();
    let mut start = |tag| {
        assert_eq!(
            reader.next_event(),
            Ok(Some(Event::Start(Name::Known(tag))))
        );
    };
    start(syncml::ITEM);
    start(syncml::DATA);
    assert_eq!(reader.content(), Ok(Content::Text(" a ".into())));
    assert_eq!(
        reader.next_event(),
        Ok(Some(Event::Start(syncml::DATA.into())))
    );
    assert_eq!(reader.content(), Ok(Content::Empty));
    assert_eq!(
        reader.next_event(),
        Ok(Some(Event::Start(syncml::DATA.into())))
    );
    let Ok(Content::Fragment(fragment)) = reader.content() else {
        unreachable!()
    };
    let mut xml = Vec::new();
    fragment.encode(Encoding::Xml, &mut xml).unwrap();
    let x = b"<x xmlns=\"SYNCML:SYNCML1.2\">1\n<y/></x>";
    assert_eq!(str::from_utf8(&xml), str::from_utf8(x));
    assert_eq!(
        reader.next_event(),
        Ok(Some(Event::Start(syncml::META.into())))
    );
    assert_eq!((reader.depth(), reader.offset()), (2, meta));
    reader.skip().unwrap();
    assert_eq!(reader.depth(), 1);
    assert_eq!(
        reader.next_event(),
        Ok(Some(Event::Start(syncml::FINAL.into())))
    );
    assert_eq!(reader.next_event(), Ok(Some(Event::End)));
    assert_eq!(reader.next_event(), Ok(Some(Event::End)));
    assert_eq!(reader.next_event(), Ok(None));
}

/// What is in the fragment that `Data` holds, which is the last element of `document`.
fn in_data(document: &[u8], encoding: Encoding) -> String {
    let mut reader = Reader::new(document, encoding, &Limits::default()).unwrap();
    while reader.next_event().unwrap() != Some(Event::Start(syncml::DATA.into())) {}
    let Ok(Content::Fragment(fragment)) = reader.content() else {
        unreachable!()
    };
    let mut reader = fragment.reader().unwrap();
    let mut found = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        if let Event::Start(name) = event {
            found.push(show(name));
        }
    }
    found.join(" ")
}

#[test]
fn fragments_know_what_is_declared_around_them_and_nothing_else() {
    let table = b"v:x\0v:y\0xmlns:v\0";
    let declaring = |tag: &[u8], uri: &str| [tag, &[4, 8, 3], uri.as_bytes(), &[0, 1]].concat();
    let item = |uri| declaring(&[0xD4], uri);
    let data = |uri| declaring(&[0xCF], uri);
    let child = |uri| declaring(&[0x84, 0], uri);
    for (xml, body, expected) in [
        (
            "<Data xmlns:v='urn:v'><v:x/></Data>",
            [data("urn:v"), vec![4, 0, 1]].concat(),
            "{urn:v}x",
        ),
        (
            "<Item xmlns:v='urn:o'><Data><v:x/></Data></Item>",
            [item("urn:o"), vec![0x4F, 4, 0, 1, 1]].concat(),
            "{urn:o}x",
        ),
        (
            "<Item xmlns:v='urn:o'><Data xmlns:v='urn:v'><v:x/></Data></Item>",
            [item("urn:o"), data("urn:v"), vec![4, 0, 1, 1]].concat(),
            "{urn:v}x",
        ),
        (
            "<Item xmlns:v='urn:o'><Data><v:x xmlns:v='urn:c'/><v:y/></Data></Item>",
            [item("urn:o"), vec![0x4F], child("urn:c"), vec![4, 4, 1, 1]].concat(),
            "{urn:c}x {urn:o}y",
        ),
        (
            "<Data xmlns:v='urn:v'><v:x xmlns:v='urn:c'/><v:y/></Data>",
            [data("urn:v"), child("urn:c"), vec![4, 4, 1]].concat(),
            "{urn:c}x {urn:v}y",
        ),
    ] {
        assert_eq!(in_data(xml.as_bytes(), Encoding::Xml), expected, "{xml}");
        let header = [2, 0xA4, 1, 0x6A, 16];
        let wbxml = [header.as_slice(), table, &body].concat();
        assert_eq!(in_data(&wbxml, Encoding::Wbxml), expected, "{xml} in WBXML");
    }
}

/// A fragment takes over the declarations of its element, which counts like any other reference.
#[test]
fn what_is_declared_on_the_element_of_a_fragment_is_not_free() {
    let uri = "u".repeat(200);
    let xml = format!("<Data xmlns:v='{uri}'>|<v:x/></Data>");
    let offset = xml.find('|').unwrap();
    let xml = xml.replace('|', "");
    let mut limits = Limits::default();
    for (max, expected) in [(400, Err(ReadErrorKind::TooMuchReferred)), (401, Ok(()))] {
        limits.max_bytes = max;
        let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &limits).unwrap();
        reader.next_event().unwrap();
        let found = reader.content().map(drop);
        let expected = expected.map_err(|kind| ReadError { kind, offset });
        assert_eq!(found, expected, "{max}");
    }
}

#[test]
fn names_tell_their_parts() {
    let name = Name::from(metinf::TYPE);
    assert_eq!(
        (name.as_str(), name.namespace().uri(), name.tag()),
        ("Type", "syncml:metinf", Some(metinf::TYPE))
    );
    let name = Name::local("Type");
    assert_eq!(
        (name.as_str(), name.namespace().uri(), name.tag()),
        ("Type", "", None)
    );
    assert_ne!(Name::from(ddf::TYPE), Name::from(metinf::TYPE));
}

/// The document with white space before the end of each tag, and where that stands.
fn spaced(document: &str) -> (String, Vec<usize>) {
    let (mut spaced, mut blanks) = (String::new(), Vec::new());
    for (at, c) in document.char_indices() {
        let (before, from) = document.split_at(at);
        let ends_tag = from.starts_with("/>")
            || (c == '>' && !["/", "]]", "--"].iter().any(|it| before.ends_with(it)));
        if ends_tag {
            blanks.push(spaced.len());
            spaced.push(' ');
        }
        spaced.push(c);
    }
    (spaced, blanks)
}

/// White space in tags takes them off the short ways that most tags are read by.
#[test]
fn what_is_read_the_short_way_is_what_is_read_the_long_way() {
    let documents = [
        "<SyncML><SyncHdr><VerDTD>1.2</VerDTD><SessionID>1</SessionID></SyncHdr><Final/></SyncML>",
        "<Meta><Type xmlns=\"syncml:metinf\">a</Type><Format>b &amp; c</Format><Typf>d</Typf></Meta>",
        "<Item><Data> a\n</Data><Data></Data><Data><b>]]</b></Data><Data>a<![CDATA[<]]></Data></Item>",
        "<MgmtTree><Node><NodeName>größe</NodeName></Node><Cmd/><größe>x</größe><Cmd-x/></MgmtTree>",
        "<x:Item xmlns:x=\"SYNCML:SYNCML1.2\"><x:Data>a</x:Data><Data>b</Data></x:Item>",
        "<a xmlns=\"urn:a\"><Data>text of more than eight letters, and more than sixty-four of them in all</Data></a>",
        "<Data>a\r\nb</Data>",
        "<Item><Data>a\r\nb</Data></Item>",
        "<Item><Data x=\"1\">a</Data><Data x=\"1\"/></Item>",
        "<Item><Data>a<!-- c --></Data><Data><!-- c --></Data><!-- c --></Item>",
        "<Item><Data>abcd</Data></Item>",
        "<Item x=\"1\"><Data/><Data>a</Data></Item>",
        "<Item x=\"1\"><Data>a</Data></Item>",
        "<Data><Data/>a</Data>",
        "<Item><Data x=\"abcd\">a</Data></Item>",
        "<A/>",
        "<Item><Data>a</Dat></Item>",
        "<Item><Data>a</Datax></Item>",
        "<Item><Data>a</data></Item>",
        "<Item><Data>a]]></Data></Item>",
        "<Item><SyncBody></SyncBodx></Item>",
        "<Item><>a</></Item>",
        "<Item><Data>a</Data></Item><Item></Item>",
        "<Item><Data>a</Data>",
        "<Item><Data>a",
        "<Item><Dat",
        "<Item></",
    ];
    for document in documents {
        let (spaced, blanks) = spaced(document);
        for (max_elements, max_depth, max_text) in [
            (10, 10, 100),
            (2, 10, 100),
            (10, 1, 100),
            (10, 2, 100),
            (10, 10, 0),
            (10, 10, 1),
            (10, 10, 3),
        ] {
            let mut limits = Limits::default();
            (limits.max_elements, limits.max_depth) = (max_elements, max_depth);
            limits.max_text = max_text;
            for (index, walk) in WALKS.into_iter().enumerate() {
                let short = steps(document.as_bytes(), Encoding::Xml, &limits, walk);
                let long = steps(spaced.as_bytes(), Encoding::Xml, &limits, walk);
                let long = without(long, &blanks, 1);
                assert_eq!(
                    short, long,
                    "{document} {max_elements} {max_depth} {max_text} {index}"
                );
            }
        }
    }
}
