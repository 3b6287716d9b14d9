//! Device descriptions: read from any vendor, written back the same, mounted, and held against a tree.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use omadm_core::{Format, MemoryJournal, Now};
use omadm_markup::Encoding;
use omadm_mo::{
    DEV_DETAIL, DEV_INFO, DM_ACC, DefinitionErrorKind, Effects, Layout, Mount, NodeDefinition,
    Plain, Registry, Support, ViolationKind,
    ddf::{
        self, CaseSense, DdfError, DdfErrorKind as Kind, Description, Document, NodeType,
        Properties,
    },
    tnds::Limits,
};
use omadm_testkit::ddf::validate;
use omadm_tree::{
    AccessSet, AccessType, Acl, NewNode, Occurrence, Principal, Scope, Target, Tree, TreeLimits,
    Uri, Value,
};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest},
    sample::select,
    test_runner::Config,
};

const THERMOSTAT: &str = include_str!("golden/thermostat.ddf");

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn decode(document: &[u8], encoding: Encoding) -> Result<Document, DdfError> {
    Document::decode(document, encoding, &Limits::default())
}

fn read(xml: &str) -> Result<Document, DdfError> {
    decode(xml.as_bytes(), Encoding::Xml)
}

fn encode(document: &Document, encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    document.encode(encoding, &mut out).unwrap();
    out
}

fn thermostat() -> Document {
    read(THERMOSTAT).unwrap()
}

#[test]
fn a_description_is_written_back_as_it_was_read() {
    let document = thermostat();
    assert_eq!(validate(THERMOSTAT), Ok(()));
    assert_eq!(
        String::from_utf8(encode(&document, Encoding::Xml)).unwrap(),
        THERMOSTAT
    );
    let wbxml = encode(&document, Encoding::Wbxml);
    assert_eq!(decode(&wbxml, Encoding::Wbxml), Ok(document.clone()));

    assert_eq!(document.man.as_deref(), Some("Warm Rooms"));
    let root = document.nodes[0].properties.as_ref().unwrap();
    assert_eq!(root.description.as_deref(), Some("Everything about <heat>"));
    assert_eq!(root.case_sense, Some(CaseSense::Sensitive));
    let room = &document.nodes[0].nodes[0];
    assert_eq!(room.name, "");
    let room = room.properties.as_ref().unwrap();
    assert_eq!(room.occurrence, Some(Occurrence::ZeroOrN(3)));
    assert_eq!(room.scope, None);
}

/// What the program describes comes back the same by way of a document.
#[test]
fn descriptions_of_the_program_are_read() {
    for definition in [&DEV_INFO, &DEV_DETAIL, &DM_ACC] {
        let text = ddf::write(definition).unwrap();
        let document = read(&text).unwrap();
        assert_eq!(document, Document::of(definition));
        let loaded = document.definitions().unwrap().remove(0);
        assert_eq!(
            ddf::write(&loaded.definition).unwrap(),
            text,
            "{}",
            definition.name
        );
        let rows = |nodes: &[NodeDefinition]| {
            let row = |row: &NodeDefinition| {
                (
                    row.path.to_string(),
                    row.occurrence,
                    row.format,
                    row.access,
                    row.scope,
                )
            };
            nodes.iter().map(row).collect::<Vec<_>>()
        };
        let mut ours = rows(&definition.nodes);
        let mut theirs = rows(&loaded.definition.nodes);
        // A document has the rows of a node together.
        ours.sort_by(|one, other| one.0.cmp(&other.0));
        theirs.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(theirs, ours, "{}", definition.name);
    }
}

#[test]
fn other_spellings_mean_the_same() {
    let one = "<MgmtTree xmlns='syncml:dmddf1.2'><Node><DFProperties><CaseSense><CS/></CaseSense>\
        <DFType><DDFName/></DFType><MSFT:Applicability xmlns:MSFT='urn:m'><a/></MSFT:Applicability>\
        <DFFormat><node/></DFFormat><AccessType><Get/></AccessType></DFProperties>\
        <NodeName>*</NodeName><Value>x</Value><RTProperties><Type><DDFName/></Type></RTProperties>\
        </Node></MgmtTree>";
    let other = "<MgmtTree><VerDTD>1.2</VerDTD><Node><NodeName>&lt;X&gt;</NodeName><DFProperties>\
        <AccessType><Get/></AccessType><DFFormat><node/></DFFormat><DFType><DDFName></DDFName></DFType>\
        <CaseSense><CS/></CaseSense></DFProperties></Node></MgmtTree>";
    assert_eq!(read(one), read(other));
    assert_eq!(read(one).unwrap().nodes[0].name, "");
}

#[test]
fn errors_say_what_and_where() {
    let node = |properties: &str| {
        format!(
            "<MgmtTree><Node><NodeName>A</NodeName><DFProperties>{properties}</DFProperties></Node></MgmtTree>"
        )
    };
    let (access, format, kind) = (
        "<AccessType><Get/></AccessType>",
        "<DFFormat><chr/></DFFormat>",
        "<DFType><MIME>a</MIME></DFType>",
    );
    for (properties, fault, expected) in [
        (
            format!("{format}{kind}"),
            "<DFP",
            Kind::Missing("AccessType"),
        ),
        (format!("{access}{kind}"), "<DFP", Kind::Missing("DFFormat")),
        (format!("{access}{format}"), "<DFP", Kind::Missing("DFType")),
        (
            "<AccessType><Read/></AccessType>".to_owned(),
            "<Acc",
            Kind::Invalid("AccessType"),
        ),
        ("<DFFormat/>".to_owned(), "<DFF", Kind::Invalid("DFFormat")),
        (
            "<DFFormat><str/></DFFormat>".to_owned(),
            "<DFF",
            Kind::Invalid("DFFormat"),
        ),
        (
            "<DFFormat><int/><int/></DFFormat>".to_owned(),
            "<DFF",
            Kind::Invalid("DFFormat"),
        ),
        (
            "<Scope><Global/></Scope>".to_owned(),
            "<Sco",
            Kind::Invalid("Scope"),
        ),
        (
            "<CaseSense><cs/></CaseSense>".to_owned(),
            "<Cas",
            Kind::Invalid("CaseSense"),
        ),
        (
            "<Occurrence><Two/></Occurrence>".to_owned(),
            "<Occ",
            Kind::Invalid("Occurrence"),
        ),
        (
            "<Occurrence><OneOrN>1</OneOrN></Occurrence>".to_owned(),
            "<Occ",
            Kind::Invalid("Occurrence"),
        ),
        (
            "<Occurrence><ZeroOrN>65537</ZeroOrN></Occurrence>".to_owned(),
            "<Occ",
            Kind::Invalid("Occurrence"),
        ),
        ("<DFType/>".to_owned(), "<DFT", Kind::Invalid("DFType")),
        (
            "<DFType><MIME/><DDFName/></DFType>".to_owned(),
            "<DFT",
            Kind::Invalid("DFType"),
        ),
    ] {
        let xml = node(&properties);
        let expected = DdfError {
            kind: expected,
            offset: xml.find(fault).unwrap(),
        };
        assert_eq!(read(&xml), Err(expected), "{properties}");
    }
    assert_eq!(read("<Node/>").unwrap_err().kind, Kind::Root);
    assert!(matches!(
        read("<MgmtTree></Node>").unwrap_err().kind,
        Kind::Markup(_)
    ));

    let mut limits = Limits::default();
    limits.max_nodes = 3;
    limits.max_depth = 2;
    let nested = |depth: usize| {
        format!(
            "<MgmtTree>{}{}</MgmtTree>",
            "<Node>".repeat(depth),
            "</Node>".repeat(depth)
        )
    };
    let read = |xml: String| {
        Document::decode(xml.as_bytes(), Encoding::Xml, &limits).map_err(|error| error.kind)
    };
    assert!(read(nested(2)).is_ok());
    assert_eq!(read(nested(3)), Err(Kind::TooDeep));
    let flat = |count: usize| format!("<MgmtTree>{}</MgmtTree>", "<Node/>".repeat(count));
    assert!(read(flat(3)).is_ok());
    assert_eq!(read(flat(4)), Err(Kind::TooManyNodes));
}

#[test]
fn a_loaded_description_is_a_definition() {
    let loaded = thermostat().definitions().unwrap();
    let rooms = &loaded[0].definition;
    assert_eq!(
        (&*rooms.name, &*rooms.moid),
        ("Thermostat", "urn:example:mo:thermostat:2.1")
    );
    let row = |path: &str| rooms.node(path).unwrap();
    assert_eq!(row("<x>").occurrence, Occurrence::ZeroOrN(3));
    assert!(row("<x>/Set-Point").with_parent && row("<x>/Set-Point").initial == "20");
    // Permanent, but only as long as the room.
    assert_eq!(row("<x>/Set-Point").scope, Scope::Dynamic);
    // Nothing is no float, so that the device has to set it.
    assert_eq!(row("<x>/Sensor").status, Support::Required);
    assert!(!row("<x>/Sensor").with_parent);
    assert_eq!(row("<x>/Photo").format, Format::Bin);
    assert_eq!(*row("<x>/Photo").media_types, ["image/png"]);
    assert!(row("Ext").open);
    assert!(!loaded[1].definition.has_named_root());
    let mounts: Vec<Mount> = loaded.into_iter().filter_map(ddf::Loaded::mount).collect();
    assert_eq!(mounts[0].root, uri("./Vendor/Thermostat"));
    assert!(!mounts[0].instances);
    assert_eq!(mounts[1].root, uri("./Vendor/Schedules"));
    assert!(mounts[1].instances);
}

#[test]
fn what_is_no_definition_is_refused() {
    let mut chr = Properties::new(AccessSet::ALL, Format::Chr, NodeType::Mime(vec![]));
    let leaf = |name: &str, properties: &Properties| Description {
        name: name.to_owned(),
        properties: Some(properties.clone()),
        ..Description::default()
    };
    let interior = Properties::new(
        AccessSet::ALL,
        Format::Node,
        NodeType::DdfName(String::new()),
    );
    let root = |nodes: Vec<Description>| {
        let mut root = leaf("R", &interior);
        root.nodes = nodes;
        let document = Document {
            nodes: vec![root],
            ..Document::default()
        };
        let result = document.definitions();
        result
            .map(|loaded| loaded[0].definition.nodes.len())
            .map_err(|error| (error.path, error.kind))
    };
    use DefinitionErrorKind as Kind;
    assert_eq!(root(vec![leaf("a", &chr)]), Ok(2));
    let fault = |path: &str, kind| Err((path.to_owned(), kind));
    assert_eq!(
        root(vec![Description::default()]),
        fault("<x>", Kind::Properties)
    );
    assert_eq!(root(vec![leaf("a/b", &chr)]), fault("a/b", Kind::Path));
    assert_eq!(root(vec![leaf("..", &chr)]), fault("..", Kind::Path));
    assert_eq!(
        root(vec![leaf("a", &chr), leaf("a", &chr)]),
        fault("a", Kind::Duplicate)
    );
    assert_eq!(
        root(vec![leaf("", &chr), leaf("", &chr)]),
        fault("<x>", Kind::Duplicate)
    );
    let mut parent = leaf("a", &chr);
    parent.nodes = vec![leaf("b", &chr)];
    assert_eq!(root(vec![parent]), fault("a/b", Kind::Parent));
    chr.default_value = Some("x".to_owned());
    chr.occurrence = Some(Occurrence::ZeroOrMore);
    assert_eq!(root(vec![leaf("a", &chr)]), Ok(2));
    let document = Document {
        nodes: vec![leaf("R", &chr)],
        ..Document::default()
    };
    assert_eq!(document.definitions().unwrap_err().kind, Kind::Format);
}

/// A device with the objects of the description.
fn device() -> (Registry, Tree) {
    let mut registry = Registry::new();
    for loaded in thermostat().definitions().unwrap() {
        registry
            .mount(Box::new(Plain::new(loaded.mount().unwrap())))
            .unwrap();
    }
    let mut tree = Tree::new(
        TreeLimits::default(),
        "Add=*&Get=*&Replace=*".parse::<Acl>().unwrap(),
    );
    let mut transaction = tree.begin(Now::default());
    let mut effects = Effects::new(1);
    registry
        .start(&mut transaction, &mut effects, Now::default())
        .unwrap();
    transaction
        .commit(&MemoryJournal::new(), effects.batch)
        .unwrap();
    registry.committed();
    (registry, tree)
}

/// A loaded description decides about commands as one of the program does.
#[test]
fn a_tree_goes_by_a_loaded_description() {
    let (registry, mut tree) = device();
    let layout = registry.layout();
    assert_eq!(
        tree.node(&uri("./Vendor/Thermostat")).unwrap().node_type(),
        "urn:example:mo:thermostat:2.1"
    );
    let by = Principal::Server("dm.example".parse().unwrap());
    let mut transaction = tree.begin(Now::default());
    let mut add = |path: &str, new: NewNode| {
        let target = Target::node(uri(path));
        let permit = transaction.authorize(layout, &by, AccessType::Add, &target)?;
        transaction.add(layout, permit, new)
    };
    let status =
        |result: Result<(), omadm_tree::TreeError>| result.map_err(|error| error.status().get());
    assert_eq!(
        status(add("./Vendor/Thermostat/kitchen", NewNode::INTERIOR)),
        Ok(())
    );
    assert_eq!(
        status(add("./Vendor/Thermostat/Ext/any", NewNode::INTERIOR)),
        Ok(())
    );
    assert_eq!(
        status(add("./Vendor/Schedules/night", NewNode::INTERIOR)),
        Ok(())
    );
    assert_eq!(status(add("./Vendor/Other", NewNode::INTERIOR)), Err(405));
    let chr = NewNode::Leaf(Value::chr("x"));
    assert_eq!(
        status(add("./Vendor/Thermostat/kitchen/Photo", chr)),
        Err(415)
    );
    let photo = NewNode::Leaf(Value::bin([0]));
    assert_eq!(
        status(add("./Vendor/Thermostat/kitchen/Photo", photo)),
        Ok(())
    );
    for name in ["a", "b"] {
        assert_eq!(
            status(add(
                &format!("./Vendor/Thermostat/{name}"),
                NewNode::INTERIOR
            )),
            Ok(())
        );
    }
    assert_eq!(
        status(add("./Vendor/Thermostat/c", NewNode::INTERIOR)),
        Err(405)
    );
    let set_point = transaction.node(&uri("./Vendor/Thermostat/kitchen/Set-Point"));
    assert_eq!(set_point.unwrap().text(), Some("20"));
    let photo = transaction.node(&uri("./Vendor/Thermostat/kitchen/Photo"));
    assert_eq!(photo.unwrap().node_type(), "image/png");
}

#[test]
fn violations_say_what_is_wrong_where() {
    let (registry, mut tree) = device();
    let layout = registry.layout();
    let found = |tree: &Tree, top: &str| -> Vec<(String, ViolationKind)> {
        let violations = layout.violations(tree, &uri(top));
        violations
            .into_iter()
            .map(|one| (one.uri.to_string(), one.kind))
            .collect()
    };
    use ViolationKind as V;
    let schedules = ("./Vendor/Schedules".to_owned(), V::TooFew(1));
    assert_eq!(found(&tree, "."), [schedules]);
    assert_eq!(found(&tree, "./Vendor/Thermostat"), []);
    assert_eq!(found(&tree, "./x"), [("./x".to_owned(), V::Missing)]);

    // The device's own changes keep to formats and types where there is a description; what was
    // stored before the description changed need not.
    let bare = Layout::default();
    let mut transaction = tree.begin(Now::default());
    for (path, value) in [
        ("./Vendor/Thermostat/a/Set-Point", Value::int(1)),
        ("./Vendor/Thermostat/b/Set-Point", Value::chr("warm")),
        ("./Vendor/Thermostat/b/Sensor", Value::float(1.5)),
        ("./Vendor/Thermostat/b/Boost", Value::null()),
        ("./Vendor/Thermostat/b/Photo", Value::bin([0])),
        ("./Vendor/Thermostat/c/Sensor/x", Value::int(1)),
        ("./Vendor/Thermostat/d/Other/x", Value::int(1)),
        ("./Vendor/Thermostat/Ext/x", Value::int(1)),
        ("./Vendor/Elsewhere/x", Value::int(1)),
    ] {
        transaction.set(&bare, &uri(path), value).unwrap();
    }
    transaction
        .commit(&MemoryJournal::new(), Default::default())
        .unwrap();
    let at = |path: &str, kind| (format!("./Vendor/{path}"), kind);
    assert_eq!(
        found(&tree, "."),
        [
            at("Elsewhere", V::Undescribed),
            at("Schedules", V::TooFew(1)),
            at("Thermostat", V::TooMany(3)),
            at("Thermostat/a/Boost", V::Missing),
            at("Thermostat/a/Sensor", V::Missing),
            at(
                "Thermostat/b/Photo",
                V::Type("application/octet-stream".to_owned())
            ),
            at("Thermostat/b/Set-Point", V::Format(Format::Chr)),
            at("Thermostat/c/Boost", V::Missing),
            at("Thermostat/c/Sensor", V::Format(Format::Node)),
            at("Thermostat/c/Set-Point", V::Missing),
            at("Thermostat/d/Boost", V::Missing),
            at("Thermostat/d/Other", V::Undescribed),
            at("Thermostat/d/Sensor", V::Missing),
            at("Thermostat/d/Set-Point", V::Missing),
        ]
    );
}

/// Whatever is cut off or changed, it is read or refused; what is read comes back as it is.
#[test]
fn damage_is_survived() {
    let mut document = thermostat();
    document.nodes.truncate(1);
    document.nodes[0].nodes[0].nodes.truncate(2);
    for encoding in Encoding::ALL {
        let whole = encode(&document, encoding);
        let text = whole.trim_ascii_end();
        for length in 0..text.len() {
            assert!(decode(&text[..length], encoding).is_err(), "{length}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x01;
            if let Ok(document) = decode(&damaged, encoding) {
                let _ = document.definitions();
                let again = decode(&encode(&document, encoding), encoding);
                assert_eq!(again, Ok(document), "{at}");
            }
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    "[ -~ä-ö]{0,8}"
}

fn properties() -> impl Strategy<Value = Properties> {
    let occurrence = prop_oneof![
        Just(Occurrence::One),
        Just(Occurrence::ZeroOrOne),
        Just(Occurrence::ZeroOrMore),
        Just(Occurrence::OneOrMore),
        (2..=65_536_u32).prop_map(Occurrence::ZeroOrN),
        (2..=65_536_u32).prop_map(Occurrence::OneOrN),
    ];
    let word = || "[a-z/:.]{0,6}";
    let node_type = prop_oneof![
        word().prop_map(NodeType::DdfName),
        vec(word(), 1..3).prop_map(NodeType::Mime),
    ];
    (
        (any::<AccessSet>(), select(&Format::ALL[..]), node_type),
        (option::of(text()), option::of(text()), option::of(text())),
        option::of(occurrence),
        option::of(select(vec![Scope::Permanent, Scope::Dynamic])),
        option::of(select(&CaseSense::ALL[..])),
    )
        .prop_map(
            |((access, format, node_type), texts, occurrence, scope, case_sense)| {
                let mut properties = Properties::new(access, format, node_type);
                (
                    properties.default_value,
                    properties.description,
                    properties.title,
                ) = texts;
                properties.occurrence = occurrence;
                properties.scope = scope;
                properties.case_sense = case_sense;
                properties
            },
        )
}

fn document() -> impl Strategy<Value = Document> {
    let name = prop_oneof!["", "[a-zA-Z.-]{1,5}"];
    let node = (name, option::of("[./a-z]{1,6}"), option::of(properties())).prop_map(
        |(name, path, properties)| Description {
            name,
            path,
            properties,
            nodes: Vec::new(),
        },
    );
    let nested = node.prop_recursive(4, 16, 4, |inner| {
        (inner.clone(), vec(inner, 0..4)).prop_map(|(mut outer, inner)| {
            outer.nodes = inner;
            outer
        })
    });
    (option::of(text()), option::of(text()), vec(nested, 0..3))
        .prop_map(|(man, model, nodes)| Document { man, model, nodes })
}

proptest! {
    #![proptest_config(Config::with_cases(128))]

    /// Read, written and read again it is the same; so is what was written.
    #[test]
    fn documents_come_back(document in document()) {
        for encoding in Encoding::ALL {
            let bytes = encode(&document, encoding);
            let read = decode(&bytes, encoding);
            prop_assert_eq!(&read, &Ok(document.clone()), "{}", encoding);
            prop_assert_eq!(encode(&read.unwrap(), encoding), bytes);
        }
    }

    /// What is taken for a definition is one, and comes back as its own description.
    #[test]
    fn definitions_come_back(document in document()) {
        let Ok(loaded) = document.definitions() else { return Ok(()) };
        for loaded in loaded {
            prop_assert_eq!(loaded.definition.check(), Ok(()));
            let again = Document::of(&loaded.definition).definitions().unwrap().remove(0);
            let described = Document::of(&again.definition);
            prop_assert_eq!(described, Document::of(&loaded.definition));
        }
    }
}
