//! Serialized trees in both encodings: what is written, what is read, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use std::{env, fs, path::Path};

use omadm_core::{Format, MemoryJournal, Now};
use omadm_markup::{Encoding, Fragment};
use omadm_mo::{
    DM_ACC, Mount, Plain, Registry,
    tnds::{
        Body, CreationErrorKind, Document, Limits, Node, Place, Properties, TndsError,
        TndsErrorKind as Kind,
    },
};
use omadm_tree::{
    AccessType, Acl, NewNode, Principal, Reading, Target, Tree, TreeLimits, Uri, UriErrorKind,
    Value,
};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest},
    test_runner::Config,
};

/// A node A, of one character. [dm-tndsx]
const STAND_ALONE: &str = "02 00 00 6a 1a \
    2d 2f 2f 4f 4d 41 2f 2f 44 54 44 2d 44 4d 2d 44 44 46 20 31 2e 32 2f 2f 45 4e \
    00 02 60 77 03 31 2e 32 00 01 64 66 03 41 00 01 6f 5c 0b 01 \
    75 61 03 74 65 78 74 2f 70 6c 61 69 6e 00 01 01 01 76 03 78 00 01 01 01";

fn hex(text: &str) -> Vec<u8> {
    let octets = text.split_whitespace();
    octets
        .map(|octet| u8::from_str_radix(octet, 16).unwrap())
        .collect()
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn relative(text: &str) -> Place {
    Place::Relative(uri(text))
}

/// Compares with a file of `tests/golden`, or writes it when `UPDATE_GOLDEN` is set.
fn golden(name: &str, actual: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (actual, expected) = (actual.escape_ascii(), expected.escape_ascii());
    assert_eq!(actual.to_string(), expected.to_string(), "{name}");
}

fn encode(document: &Document, encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    document.encode(encoding, &mut out).unwrap();
    out
}

fn decode(document: &[u8], encoding: Encoding) -> Result<Document, TndsError> {
    Document::decode(document, encoding, &Limits::default())
}

fn read(xml: &str) -> Result<Document, TndsError> {
    decode(xml.as_bytes(), Encoding::Xml)
}

/// Nodes in a document without a namespace.
fn read_nodes(nodes: &str) -> Result<Document, TndsError> {
    read(&format!("<MgmtTree>{nodes}</MgmtTree>"))
}

fn places(nodes: &str) -> Vec<Place> {
    let document = read_nodes(nodes).unwrap();
    document.nodes.into_iter().map(|node| node.place).collect()
}

/// A tree with one account of which secrets cannot be read.
fn account() -> (Registry, Tree) {
    let plain = Plain::new(Mount::new(uri("./DMAcc/a%20b"), &DM_ACC))
        .with(uri("ServerID"), Value::chr("dm.example"))
        .with(uri("AppAddr/1/Addr"), Value::chr("http://a/?x&y"))
        .with(uri("AppAuth/1/AAuthName"), Value::chr("me"))
        .with(uri("AppAuth/1/AAuthSecret"), Value::chr("pa55"))
        .with(uri("AppAuth/1/AAuthData"), Value::bin([0, 1, 255]))
        .with(uri("Ext/raw"), Value::bin([0, 1, 255]))
        .with(uri("Ext/page"), Value::xml("<p>1 &lt; 2</p>"));
    let mut registry = Registry::new();
    registry.mount(Box::new(plain)).unwrap();
    let mut tree = Tree::new(TreeLimits::default(), Acl::root_default());
    let mut transaction = tree.begin(Now::default());
    let mut effects = omadm_mo::Effects::new(1);
    registry
        .start(&mut transaction, &mut effects, Now::default())
        .unwrap();
    transaction
        .set_acl(
            &uri("./DMAcc/a%20b"),
            "Get=*&Replace=dm.example".parse().unwrap(),
        )
        .unwrap();
    transaction
        .set_title(&uri("./DMAcc/a%20b"), "Mine")
        .unwrap();
    transaction
        .commit(&MemoryJournal::new(), effects.batch)
        .unwrap();
    registry.committed();
    (registry, tree)
}

/// What `?list=TNDS` shows a server of that account.
fn listing(selection: &str) -> Document {
    let (registry, mut tree) = account();
    let target = Target::parse(&format!("./DMAcc/a%20b?list=TNDS{selection}")).unwrap();
    let server = Principal::Server("dm.example".parse().unwrap());
    let transaction = tree.begin(Now::default());
    let permit = transaction
        .authorize(registry.layout(), &server, AccessType::Get, &target)
        .unwrap();
    match transaction.get(registry.layout(), &permit).unwrap() {
        Reading::Tnds { nodes, properties } => {
            Document::from_tree(transaction.tree(), &nodes, properties)
        }
        reading => panic!("{reading:?}"),
    }
}

#[test]
fn the_known_document_is_read() {
    let document = decode(&hex(STAND_ALONE), Encoding::Wbxml).unwrap();
    let node = Node::leaf(relative("A"), Value::chr("x"));
    assert_eq!(document.nodes, [node]);
    // Written, the public identifier has its terminator.
    let mut expected = hex(STAND_ALONE);
    expected[4] += 1;
    expected.insert(31, 0);
    assert_eq!(encode(&document, Encoding::Wbxml), expected);
}

/// `?list=TNDS` shows what the server may read, nothing of a secret, and can be read back.
#[test]
fn a_subtree_is_listed() {
    let document = listing("");
    let xml = String::from_utf8(encode(&document, Encoding::Xml)).unwrap();
    assert!(
        !xml.contains("pa55") && !xml.contains("AAuthSecret"),
        "{xml}"
    );
    golden("listing.xml", xml.replace("<Node>", "\n<Node>").as_bytes());
    assert_eq!(xml.matches("<Path>").count(), 1);
    assert!(xml.contains("<Value>AAH/</Value>"), "{xml}");
    assert!(
        xml.contains("<Value>&lt;p&gt;1 &amp;lt; 2&lt;/p&gt;</Value>"),
        "{xml}"
    );
    for encoding in Encoding::ALL {
        assert_eq!(
            decode(&encode(&document, encoding), encoding),
            Ok(document.clone())
        );
    }

    let (_, tree) = account();
    for creation in document.creations(&uri("./DMAcc")).unwrap() {
        let node = tree.node(&creation.uri).unwrap();
        match creation.node {
            NewNode::Leaf(value) => assert_eq!(node.value(), Some(value)),
            NewNode::Interior { node_type } => {
                assert_eq!(node.node_type(), node_type.unwrap_or_default());
            }
        }
        assert_eq!(creation.acl.unwrap_or_default(), *node.acl());
    }
}

#[test]
fn a_selection_shows_what_it_names() {
    let document = listing("+ACL+Value");
    let account = &document.nodes[0];
    let shown = Properties {
        acl: account.properties.acl.clone(),
        // The document type wants it where there is any property.
        node_type: Some("urn:oma:mo:oma-dm-dmacc:1.0".to_owned()),
        ..Properties::default()
    };
    assert_eq!(account.properties, shown);
    assert!(shown.acl.is_some());
    for node in listing("-Type").nodes {
        assert!(node.properties.node_type.is_some());
    }
    for node in listing("+Value").nodes {
        assert_eq!(node.properties, Properties::default());
    }

    let document = listing("-Value-TStamp");
    for node in document.nodes {
        assert!(matches!(node.body, Body::Interior | Body::Leaf(None)));
        assert_eq!(node.properties.timestamp, None);
        assert!(node.properties.format.is_some() && node.properties.ver_no.is_some());
    }
}

#[test]
fn nodes_are_nested_or_have_a_path() {
    let leaf = "<Value>1</Value>";
    for (nodes, expected) in [
        (
            format!("<Node><NodeName>A</NodeName><Node><NodeName>B</NodeName>{leaf}</Node></Node>"),
            vec![relative("A"), relative("A/B")],
        ),
        // The name is that of the target.
        (
            format!("<Node><NodeName/><Node><NodeName>B</NodeName>{leaf}</Node></Node>"),
            vec![Place::target(), relative("B")],
        ),
        (format!("<Node>{leaf}</Node>"), vec![Place::target()]),
        (
            format!("<Node><NodeName>B</NodeName><Path>A</Path>{leaf}</Node>"),
            vec![relative("A/B")],
        ),
        (
            format!("<Node><NodeName>B</NodeName><Path>./A</Path>{leaf}</Node>"),
            vec![Place::Absolute(uri("./A/B"))],
        ),
        (
            format!("<Node><NodeName>B</NodeName><Path>./a b/c%20d</Path>{leaf}</Node>"),
            vec![Place::Absolute(uri("./a%20b/c%20d/B"))],
        ),
        (
            format!("<Node><NodeName>B</NodeName><Path>.</Path>{leaf}</Node>"),
            vec![Place::Absolute(uri("./B"))],
        ),
        (
            format!("<Node><NodeName>B</NodeName><Path>/A/</Path>{leaf}</Node>"),
            vec![Place::Absolute(uri("./A/B"))],
        ),
        // A path inside a node does not count from there.
        (
            format!(
                "<Node><NodeName>A</NodeName><Node>{leaf}<Path>./C</Path><NodeName>B</NodeName>\
                 </Node></Node>"
            ),
            vec![relative("A"), Place::Absolute(uri("./C/B"))],
        ),
        (
            "<Node><NodeName>.</NodeName><Node><NodeName>B</NodeName></Node></Node>".to_owned(),
            vec![Place::Absolute(uri(".")), Place::Absolute(uri("./B"))],
        ),
        // Names are taken encoded or as they stand.
        (
            format!("<Node><NodeName>a%20b</NodeName>{leaf}</Node>"),
            vec![relative("a%20b")],
        ),
        (
            format!("<Node><NodeName>a b 100%</NodeName>{leaf}</Node>"),
            vec![relative("a%20b%20100%25")],
        ),
    ] {
        assert_eq!(places(&nodes), expected, "{nodes}");
    }
}

#[test]
fn places_never_leave_the_target() {
    let target = uri("./A");
    for (place, resolved) in [
        (relative("."), "./A"),
        (relative("A"), "./A/A"),
        (Place::Absolute(uri("./A/B")), "./A/B"),
        (Place::Absolute(uri("./A")), "./A"),
        (Place::Absolute(uri("./AB")), "./A/AB"),
        (Place::Absolute(uri("./B")), "./A/B"),
        (Place::Absolute(uri(".")), "./A"),
    ] {
        assert_eq!(place.resolve(&target), uri(resolved), "{place:?}");
    }
}

#[test]
fn the_kind_of_a_node_is_found_out() {
    let rt = |properties: &str| format!("<RTProperties>{properties}</RTProperties>");
    let value = |value| Body::Leaf(Some(value));
    for (content, body) in [
        (String::new(), Body::Interior),
        ("<Value/>".to_owned(), value(Value::chr(""))),
        ("<Value> x </Value>".to_owned(), value(Value::chr(" x "))),
        (rt("<Type><MIME>text/plain</MIME></Type>"), Body::Leaf(None)),
        (rt("<Type><DDFName/></Type>"), Body::Interior),
        (rt("<Format><node/></Format>") + "<Value/>", Body::Interior),
        (rt("<Format><int/></Format>"), Body::Leaf(None)),
        (
            "<Value>7</Value>".to_owned() + &rt("<Format><int/></Format>"),
            value(Value::int(7)),
        ),
        (
            rt("<Format><b64/></Format>") + "<Value>AAE</Value>",
            value(Value::bin([0, 1])),
        ),
        (
            rt("<Format><bin/></Format>") + "<Value> AA\n E= </Value>",
            value(Value::bin([0, 1])),
        ),
        (
            rt("<Format><xml/></Format>") + "<Value><![CDATA[<a/>]]></Value>",
            value(Value::xml("<a/>")),
        ),
        (
            rt("<Format><xml/></Format><Foo>bar</Foo>") + "<Value><a xmlns=''>b</a></Value>",
            value(Value::xml("<a>b</a>")),
        ),
        (
            rt("<Type><MIME>image/png</MIME></Type><Size>no</Size>") + "<Value>x</Value>",
            value(Value::chr("x").with_media_type("image/png")),
        ),
        (
            "<DFProperties><AccessType><Get/></AccessType></DFProperties><Value>x</Value>"
                .to_owned(),
            value(Value::chr("x")),
        ),
    ] {
        let node = format!("<Node><NodeName>A</NodeName>{content}</Node>");
        let document = read_nodes(&node).unwrap_or_else(|error| panic!("{node}: {error}"));
        assert_eq!(document.nodes[0].body, body, "{node}");
    }
    // A node continued by the path of another is an interior one.
    let document = read_nodes(
        "<Node><NodeName>A</NodeName></Node>\
         <Node><NodeName>B</NodeName><Path>A</Path><Value>1</Value></Node>",
    );
    assert_eq!(document.unwrap().nodes[0].body, Body::Interior);
}

#[test]
fn errors_say_what_and_where() {
    let named = |content: &str| format!("<Node><NodeName>A</NodeName>{content}</Node>");
    let rt = |properties: &str| named(&format!("<RTProperties>{properties}</RTProperties>"));
    for (nodes, fault, kind, status) in [
        (
            named("<Node><NodeName/></Node>"),
            "<Node><NodeName/>",
            Kind::Unnamed,
            400,
        ),
        (
            named("<Path>A//B</Path>"),
            "<Node>",
            Kind::Path(UriErrorKind::EmptySegment),
            400,
        ),
        (
            named("<Path>../B</Path>"),
            "<Node>",
            Kind::Path(UriErrorKind::DotSegment),
            400,
        ),
        (
            "<Node><NodeName>a/b</NodeName></Node>".to_owned(),
            "<Node>",
            Kind::Name(UriErrorKind::InvalidName),
            400,
        ),
        (
            "<Node><NodeName>..</NodeName></Node>".to_owned(),
            "<Node>",
            Kind::Name(UriErrorKind::DotSegment),
            400,
        ),
        (
            rt("<ACL>Get</ACL>"),
            "<ACL>",
            Kind::Acl(omadm_tree::AclErrorKind::UnknownCommand),
            400,
        ),
        (rt("<Format><str/></Format>"), "<Format>", Kind::Format, 415),
        (
            rt("<Format><bin/></Format>").replace("</Node>", "<Value>*</Value></Node>"),
            "<Value>",
            Kind::Base64,
            415,
        ),
        (
            rt("<Format><int/></Format>").replace("</Node>", "<Value>x</Value></Node>"),
            "<Value>",
            Kind::Value(omadm_tree::ValueError::Malformed(Format::Int)),
            415,
        ),
        (
            named("<Value><a/></Value>"),
            "<Value>",
            Kind::ValueMarkup,
            415,
        ),
        (
            named("<Value><a/><b/></Value>"),
            "<Value>",
            Kind::ValueMarkup,
            415,
        ),
        (
            named("<Value>x</Value><Node><NodeName>B</NodeName></Node>"),
            "<Value>",
            Kind::Kind,
            405,
        ),
        (
            rt("<Format><chr/></Format>")
                .replace("</Node>", "<Node><NodeName>B</NodeName></Node></Node>"),
            "<Node>",
            Kind::Kind,
            405,
        ),
    ] {
        let document = format!("<MgmtTree>{nodes}</MgmtTree>");
        let error = read(&document).unwrap_err();
        let expected = TndsError {
            kind,
            offset: document.find(fault).unwrap(),
        };
        assert_eq!(
            (error, error.status().get()),
            (expected, status),
            "{document}"
        );
    }
    assert_eq!(read("<Node/>").unwrap_err().kind, Kind::Root);
    assert!(matches!(
        read("<MgmtTree>").unwrap_err().kind,
        Kind::Markup(_)
    ));
}

#[test]
fn limits_hold() {
    let mut limits = Limits::default();
    limits.max_nodes = 2;
    let nodes = |count| {
        let nodes: String = (0..count)
            .map(|n| format!("<Node><NodeName>{n}</NodeName></Node>"))
            .collect();
        format!("<MgmtTree>{nodes}</MgmtTree>")
    };
    let read = |xml: &str, limits: &Limits| {
        let result = Document::decode(xml.as_bytes(), Encoding::Xml, limits);
        result
            .map(|document| document.nodes.len())
            .map_err(|error| (error.kind, error.status().get()))
    };
    assert_eq!(read(&nodes(2), &limits), Ok(2));
    assert_eq!(read(&nodes(3), &limits), Err((Kind::TooManyNodes, 413)));

    let mut limits = Limits::default();
    limits.max_depth = 3;
    let nested = |depth: usize| {
        let open = "<Node><NodeName>a</NodeName>".repeat(depth);
        format!("<MgmtTree>{open}{}</MgmtTree>", "</Node>".repeat(depth))
    };
    assert_eq!(read(&nested(3), &limits), Ok(3));
    assert_eq!(read(&nested(4), &limits), Err((Kind::TooDeep, 413)));
    let path = |path: &str| {
        format!("<MgmtTree><Node><Path>{path}</Path><NodeName>a</NodeName></Node></MgmtTree>")
    };
    assert_eq!(read(&path("a/b"), &limits), Ok(1));
    assert_eq!(read(&path("a/b/c"), &limits), Err((Kind::TooDeep, 413)));
}

#[test]
fn creations_come_parents_first() {
    let document = read_nodes(
        "<Node><NodeName>C</NodeName><Path>A/B</Path><Value>1</Value></Node>\
         <Node><NodeName>A</NodeName><RTProperties><ACL>Get=*</ACL><Title>t</Title>\
         <Type><DDFName>urn:x</DDFName></Type></RTProperties><Node><NodeName>B</NodeName></Node></Node>",
    )
    .unwrap();
    let creations = document.creations(&uri("./T")).unwrap();
    let uris: Vec<_> = creations
        .iter()
        .map(|creation| creation.uri.to_string())
        .collect();
    assert_eq!(uris, ["./T/A", "./T/A/B", "./T/A/B/C"]);
    let node_type = Some("urn:x".to_owned());
    assert_eq!(creations[0].node, NewNode::Interior { node_type });
    assert_eq!(creations[0].acl, Some("Get=*".parse().unwrap()));
    assert_eq!(creations[0].title.as_deref(), Some("t"));

    let fault = |nodes: &str| {
        let error = read_nodes(nodes)
            .unwrap()
            .creations(&uri("./T"))
            .unwrap_err();
        (error.uri.to_string(), error.kind, error.status().get())
    };
    let leaf = "<Node><NodeName>A</NodeName><Value>1</Value></Node>";
    assert_eq!(
        fault(&leaf.repeat(2)),
        ("./T/A".to_owned(), CreationErrorKind::Duplicate, 418)
    );
    let int =
        "<Node><NodeName>A</NodeName><RTProperties><Format><int/></Format></RTProperties></Node>";
    let malformed = omadm_tree::ValueError::Malformed(Format::Int);
    assert_eq!(
        fault(int),
        ("./T/A".to_owned(), CreationErrorKind::Value(malformed), 415)
    );
    // The leaf and the node below it are told apart only by the target.
    let below = "<Node><NodeName>B</NodeName><Path>./T/A</Path><Value>1</Value></Node>";
    assert_eq!(
        fault(&format!("{leaf}{below}")),
        ("./T/A/B".to_owned(), CreationErrorKind::Parent, 405)
    );
}

#[test]
fn a_document_travels_in_a_message() {
    let document = listing("");
    for encoding in Encoding::ALL {
        let fragment = document.to_fragment(encoding).unwrap();
        assert_eq!(
            fragment.wbxml_document().is_some(),
            encoding == Encoding::Wbxml
        );
        let read = Document::from_fragment(&fragment, &Limits::default());
        assert_eq!(read, Ok(document.clone()));
    }
    let two = Fragment::parse(
        b"<Data><MgmtTree/></Data>".as_slice(),
        Encoding::Xml,
        &omadm_markup::Limits::default(),
    );
    let error = Document::from_fragment(&two.unwrap(), &Limits::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Root);
}

/// Whatever is cut off or changed, it is read or refused; what is read comes back as it is.
#[test]
fn damage_is_survived() {
    let mut document = listing("-Name-Size-TStamp");
    document.nodes.retain(|node| node.place.uri().depth() < 4);
    for encoding in Encoding::ALL {
        let whole = encode(&document, encoding);
        for length in 0..whole.len() {
            assert!(
                decode(&whole[..length], encoding).is_err(),
                "{length} of {encoding}"
            );
        }
        for at in 0..whole.len() {
            for change in [0x01, 0x80] {
                let mut damaged = whole.clone();
                damaged[at] ^= change;
                if let Ok(document) = decode(&damaged, encoding) {
                    assert!(document.nodes.len() <= 10_000);
                    let _ = document.creations(&Uri::root());
                    let again = decode(&encode(&document, encoding), encoding);
                    assert_eq!(again, Ok(document), "{at}");
                }
            }
        }
    }
}

/// Text XML can carry.
fn text() -> impl Strategy<Value = String> {
    "[ -~\\n\\r\\tä-ö日]{0,8}"
}

fn value() -> impl Strategy<Value = Value> {
    any::<Value>().prop_filter("text XML can carry", |value| {
        value.format() == Format::Bin
            || value.text().is_some_and(|text| {
                text.chars()
                    .all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}'))
            })
    })
}

fn properties() -> impl Strategy<Value = Properties> {
    let shown = (
        any::<Option<Acl>>(),
        option::of(text()),
        any::<Option<u32>>(),
        any::<Option<u16>>(),
    );
    shown.prop_map(|(acl, title, size, ver_no)| Properties {
        acl,
        title,
        size,
        ver_no,
        ..Properties::default()
    })
}

/// Nodes with their Format and Type, each at another place.
fn document() -> impl Strategy<Value = Document> {
    let node = (
        any::<bool>(),
        any::<Uri>(),
        option::of(value()),
        properties(),
    );
    vec(node, 0..12).prop_map(|nodes| {
        let mut document = Document::default();
        for (absolute, uri, value, shown) in nodes {
            let place = if absolute {
                Place::Absolute(uri)
            } else {
                Place::Relative(uri)
            };
            let mut node = match value {
                Some(value) => Node::leaf(place, value),
                None => Node::interior(place, "urn:example"),
            };
            let (format, node_type) = (node.properties.format, node.properties.node_type.take());
            node.properties = shown;
            node.properties.format = format;
            node.properties.node_type = node_type;
            let clash = document.nodes.iter().any(|other: &Node| {
                let leaf = |node: &Node| matches!(node.body, Body::Leaf(_));
                let below = |above: &Node, below: &Node| {
                    leaf(above) && below.place.parent().as_ref() == Some(&above.place)
                };
                other.place == node.place || below(other, &node) || below(&node, other)
            });
            if !clash {
                document.nodes.push(node);
            }
        }
        document
    })
}

proptest! {
    #![proptest_config(Config::with_cases(128))]

    #[test]
    fn documents_come_back(document in document()) {
        for encoding in Encoding::ALL {
            let bytes = encode(&document, encoding);
            prop_assert_eq!(decode(&bytes, encoding), Ok(document.clone()), "{}", encoding);
        }
    }

    #[test]
    fn values_without_their_formats_are_read(mut document in document()) {
        for node in &mut document.nodes {
            node.properties.format = None;
        }
        let octets = |document: &Document| -> Vec<Option<Vec<u8>>> {
            let of = |node: &Node| match &node.body {
                Body::Leaf(value) => value.as_ref().map(|value| value.octets().to_vec()),
                Body::Interior => None,
            };
            document.nodes.iter().map(of).collect()
        };
        // In XML nothing says that a value is base64.
        let xml = decode(&encode(&document, Encoding::Xml), Encoding::Xml).unwrap();
        prop_assert_eq!(xml.nodes.len(), document.nodes.len());
        let wbxml = decode(&encode(&document, Encoding::Wbxml), Encoding::Wbxml).unwrap();
        prop_assert_eq!(octets(&wbxml), octets(&document));
    }

    #[test]
    fn anything_is_read_or_refused(bytes in prop_oneof![
        vec(any::<u8>(), 0..60),
        vec(prop_oneof![Just("<Node>"), Just("</Node>"), Just("<NodeName>a</NodeName>"),
            Just("<Value>1</Value>"), Just("<Path>./b</Path>"), Just("<Format><int/></Format>"),
            Just("<RTProperties>"), Just("</RTProperties>")], 0..12)
            .prop_map(|parts| format!("<MgmtTree>{}</MgmtTree>", parts.concat()).into_bytes()),
    ]) {
        for encoding in Encoding::ALL {
            if let Ok(document) = decode(&bytes, encoding) {
                let again = encode(&document, encoding);
                prop_assert_eq!(decode(&again, encoding), Ok(document));
            }
        }
    }
}
