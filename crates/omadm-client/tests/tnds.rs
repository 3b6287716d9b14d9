//! Whole subtrees: `?list=TNDS`, and Add and Replace of a document.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_core::Format;
use omadm_mo::{
    Account, Inbox,
    tnds::{Document, Limits, MIME_WBXML, MIME_XML},
};
use omadm_session::request::{self, Leaf};
use omadm_syncml::{Command, Data, Encoding, Fragment, Group, Item, Meta, NodeCommand};
use omadm_testkit::{Bench, TestJournal, by_encoding, data, describe, encoding, results, uri};

/// A document of these nodes.
fn tree(nodes: &str) -> String {
    format!("<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD>{nodes}</MgmtTree>")
}

/// An interior node; with a place, name or path.
fn node(place: &str, inside: &str) -> String {
    format!(
        "<Node>{place}<RTProperties><Format><node/></Format><Type><DDFName/></Type></RTProperties>\
         {inside}</Node>"
    )
}

fn leaf(place: &str, format: &str, properties: &str, value: &str) -> String {
    format!(
        "<Node>{place}<RTProperties>{properties}<Format><{format}/></Format><Type>\
         <MIME>text/plain</MIME></Type></RTProperties><Value>{value}</Value></Node>"
    )
}

fn named(name: &str) -> String {
    format!("<NodeName>{name}</NodeName>")
}

/// An Item with a document, as the encoding of the run has it.
fn item(target: &str, document: &str) -> Item<'static> {
    let (format, media_type, data) = match encoding() {
        Encoding::Xml => (Format::Xml, MIME_XML, Data::from(document.to_owned())),
        Encoding::Wbxml => {
            let read = Fragment::parse(document.as_bytes(), Encoding::Xml, &Default::default());
            let mut octets = Vec::new();
            read.unwrap().encode(Encoding::Wbxml, &mut octets).unwrap();
            (Format::Bin, MIME_WBXML, Data::Opaque(octets.into()))
        }
    };
    let meta = Meta::new().with_format(format).with_type(media_type);
    Item::new()
        .with_target(target.to_owned())
        .with_meta(meta)
        .with_data(data)
}

fn add(target: &str, document: &str) -> Command<'static> {
    Command::Add(NodeCommand::new([item(target, document)]))
}

fn replace(target: &str, document: &str) -> Command<'static> {
    Command::Replace(NodeCommand::new([item(target, document)]))
}

/// What `?list=TNDS` with this selection reads.
fn read(bench: &mut Bench, target: &str, selection: &str) -> Document {
    let answer = bench.run([request::get(&format!("{target}?list=TNDS{selection}"))]);
    bench.say([]);
    let [item] = &results(&answer)[..] else {
        panic!("{answer:?}")
    };
    assert_eq!(item.source.as_ref().unwrap().uri, target);
    let (format, media_type) = match encoding() {
        Encoding::Xml => (Format::Xml, MIME_XML),
        Encoding::Wbxml => (Format::Bin, MIME_WBXML),
    };
    assert_eq!(item.meta.format(), Ok(format));
    assert_eq!(item.meta.media_type(), media_type);
    let limits = Limits::default();
    match item.data.as_ref().unwrap() {
        Data::Fragment(fragment) => Document::from_fragment(fragment, &limits).unwrap(),
        Data::Text(text) => Document::decode(text.as_bytes(), Encoding::Xml, &limits).unwrap(),
        Data::Opaque(octets) => Document::decode(octets, Encoding::Wbxml, &limits).unwrap(),
    }
}

fn uris(document: &Document) -> Vec<String> {
    let nodes = document.nodes.iter();
    nodes.map(|node| node.place.uri().to_string()).collect()
}

/// What is below `./Lamp/Ext`.
fn ext(bench: &Bench) -> Vec<String> {
    let dump = bench.dump();
    let lines = dump.lines().filter(|line| line.starts_with("./Lamp/Ext"));
    lines.map(str::to_owned).collect()
}

/// Every node below one, with its value.
fn values(bench: &mut Bench, target: &str) -> Vec<String> {
    let answer = bench.run([request::get(&format!("{target}?list=StructData"))]);
    bench.say([]);
    let shown = |item: &Item<'_>| {
        let at = &item.source.as_ref().unwrap().uri;
        let name = at.strip_prefix(target).unwrap();
        let value = match &item.data {
            Some(Data::Opaque(octets)) => format!("{octets:?}"),
            _ => data(item),
        };
        format!("{name}={value}")
    };
    results(&answer).iter().skip(1).map(shown).collect()
}

/// Each command on a new device: the status, and that nothing is left of one that failed.
fn check(table: Vec<(Command<'static>, u16)>) {
    for (command, code) in table {
        let mut bench = Bench::default();
        let before = bench.dump();
        let shown = format!("{command:?}");
        assert_eq!(bench.codes([command]), [code], "{shown}");
        assert_eq!(bench.dump() == before, code >= 300, "{shown}");
    }
}

#[test]
fn a_subtree_is_read_as_a_document() {
    let mut bench = Bench::default();
    let document = read(&mut bench, "./Lamp", "");
    let shown = uris(&document);
    assert!(shown.contains(&"./Lamp/Level".to_owned()), "{shown:?}");
    assert!(!shown.contains(&"./Lamp/Pin".to_owned()), "may not be read");
    assert!(!shown.contains(&"./Lamp/On".to_owned()), "may not be read");
    let expected = Document::from_tree(
        bench.client.tree(),
        &document
            .nodes
            .iter()
            .map(|node| node.place.uri().clone())
            .collect::<Vec<_>>(),
        omadm_tree::PropertySelection::ALL,
    );
    assert_eq!(document, expected);

    let document = read(&mut bench, "./Lamp/Level", "+Title+Value");
    assert!(document.nodes.first().unwrap().properties.format.is_none());
    let document = read(&mut bench, "./Lamp/Level", "-Value-TStamp");
    let properties = &document.nodes.first().unwrap().properties;
    assert!(properties.timestamp.is_none() && properties.ver_no == Some(0));
    let codes = bench.codes([
        request::get("./Lamp/Missing?list=TNDS"),
        request::get("./Lamp/Pin?list=TNDS"),
        request::get("./Lamp?list=TNDS+ACL-Name"),
        request::get("./Lamp?list=TNDS+Colour"),
    ]);
    assert_eq!(codes, [404, 405, 406, 406]);
}

#[test]
fn an_add_creates_every_node_of_a_document() {
    let mut bench = Bench::default();
    let title = "<Title>Ten</Title>";
    let acl = "<ACL>Get=*</ACL>";
    let document = tree(&node(
        "",
        &[
            leaf(&named("a"), "int", title, "10"),
            node(&named("b"), &leaf(&named("c d"), "chr", acl, " &lt;x&gt; ")),
            leaf("<NodeName>e</NodeName><Path>b/f</Path>", "bin", "", "AAH/"),
        ]
        .concat(),
    ));
    let answer = bench.run([add("./Lamp/Ext/new", &document)]);
    bench.say([]);
    assert_eq!(describe(&answer), "SyncHdr=200 Add=200 Final");
    assert_eq!(
        values(&mut bench, "./Lamp/Ext/new"),
        [
            "/a=10",
            "/b=",
            "/b/c%20d= <x> ",
            "/b/f=",
            by_encoding("/b/f/e=AAH/", "/b/f/e=[0, 1, 255]")
        ]
    );
    let tree = bench.client.tree();
    let at = |text: &str| tree.node(&uri(&format!("./Lamp/Ext/new/{text}"))).unwrap();
    assert_eq!(at("a").title(), "Ten");
    assert_eq!(at("b/c%20d").acl().to_string(), "Get=*");
    assert_eq!(bench.codes([add("./Lamp/Ext/new", &document)]), [418]);
}

#[test]
fn a_document_adds_below_a_node_that_is_there() {
    let mut bench = Bench::default();
    let document = tree(
        &[
            leaf(&named("dim"), "int", "", "5"),
            leaf(&named("full"), "int", "", "100"),
        ]
        .concat(),
    );
    assert_eq!(bench.codes([add("./Lamp/Presets", &document)]), [200]);
    assert_eq!(
        values(&mut bench, "./Lamp/Presets"),
        ["/dim=5", "/full=100"]
    );
}

#[test]
fn a_document_that_fails_adds_nothing() {
    let good = leaf(&named("dim"), "int", "", "5");
    let and = |bad: &str| tree(&format!("{good}{bad}"));
    check(vec![
        (
            add(
                "./Lamp/Presets",
                &and(&leaf(&named("x"), "chr", "", "text")),
            ),
            415,
        ),
        (
            add(
                "./Lamp/Presets",
                &and(&leaf(&named("x"), "int", "", "text")),
            ),
            415,
        ),
        (add("./Lamp/Presets", &and(&node(&named("x"), ""))), 415),
        (add("./Lamp/Presets", &and(&good)), 418),
        (
            add("./Lamp", &tree(&leaf(&named("x"), "int", "", "1"))),
            405,
        ),
        (add("./Lamp/Name", &tree(&good)), 405),
        (add("./Lamp/Name", &tree(&leaf("", "chr", "", "x"))), 405),
        (add("./Nowhere", &tree(&node("", ""))), 405),
        (add("./Lamp/Ext/x?prop=ACL", &tree(&node("", ""))), 405),
        (add("./Lamp/Ext/x", &tree("")), 412),
        (add("./Lamp/Ext/x", "<Node xmlns='syncml:dmddf1.2'/>"), 400),
        (
            add(
                "./Lamp/Ext/x",
                &tree(&node("", &leaf(&named(&"n".repeat(300)), "chr", "", ""))),
            ),
            414,
        ),
        (
            add(
                "./Lamp/Ext/x",
                &tree(&node(
                    "",
                    &leaf(
                        &named("a"),
                        "chr",
                        &format!("<Title>{}</Title>", "t".repeat(256)),
                        "",
                    ),
                )),
            ),
            413,
        ),
        (
            replace("./Lamp/Ext", &tree(&leaf(&named("a"), "int", "", "text"))),
            405,
        ),
        (replace("./Lamp/Ext/none", &tree(&node("", ""))), 404),
        (
            replace("./Lamp/Light", &tree(&leaf("", "bool", "", "true"))),
            405,
        ),
        (
            replace(
                "./Lamp",
                &tree(&node("", &leaf(&named("Name"), "chr", "", "x"))),
            ),
            405,
        ),
        (replace("./Lamp/Ext?list=Struct", &tree(&node("", ""))), 405),
    ]);
}

#[test]
fn a_replace_leaves_what_the_document_says() {
    let mut bench = Bench::default();
    let ext =
        |path: &str, value: &str| request::add(&format!("./Lamp/Ext/{path}"), Leaf::from(value));
    let codes = bench.codes([
        ext("x/same", "same"),
        ext("x/other", "old"),
        ext("x/gone/a", "gone"),
        ext("x/leaf", "to be a node"),
        ext("x/way/kept", "kept"),
        ext("x/way/lost", "lost"),
        request::replace("./Lamp/Ext/x/other?prop=Title", "A title".into()),
    ]);
    assert_eq!(codes, [200; 7]);
    let document = tree(&node(
        "",
        &[
            leaf(&named("same"), "chr", "", "same"),
            leaf(&named("other"), "int", "", "7"),
            node(&named("leaf"), &leaf(&named("inner"), "chr", "", "i")),
            leaf(
                "<NodeName>kept</NodeName><Path>way</Path>",
                "chr",
                "",
                "kept",
            ),
            leaf(&named("new"), "chr", "", "n"),
        ]
        .concat(),
    ));
    let answer = bench.run([replace("./Lamp/Ext/x", &document)]);
    bench.say([]);
    assert_eq!(describe(&answer), "SyncHdr=200 Replace=200 Final");
    assert_eq!(
        values(&mut bench, "./Lamp/Ext/x"),
        [
            "/leaf=",
            "/leaf/inner=i",
            "/new=n",
            "/other=7",
            "/same=same",
            "/way=",
            "/way/kept=kept"
        ]
    );
    let tree = bench.client.tree();
    let at = |text: &str| tree.node(&uri(&format!("./Lamp/Ext/x/{text}"))).unwrap();
    assert_eq!((at("same").ver_no(), at("other").ver_no()), (0, 1));
    assert_eq!(
        (at("other").title(), at("other").format()),
        ("A title", Format::Int)
    );
}

/// What is required or described otherwise stays as if each node came alone.
#[test]
fn a_replace_keeps_to_the_rights_of_each_node() {
    let mut bench = Bench::default();
    let acl = "Add=*&Get=*&Replace=dm.example";
    let leaf = |path: &str| request::add(&format!("./Lamp/Ext/x/{path}"), "v".into());
    let codes = bench.codes([
        leaf("a"),
        leaf("b"),
        request::replace("./Lamp/Ext/x/b?prop=ACL", acl.into()),
    ]);
    assert_eq!(codes, [200; 3]);
    let before = bench.dump();
    let without_b = tree(&node("", &self::leaf(&named("a"), "chr", "", "new")));
    assert_eq!(bench.codes([replace("./Lamp/Ext/x", &without_b)]), [425]);
    assert_eq!(bench.dump(), before);
    let without_a = tree(&node("", &self::leaf(&named("b"), "chr", "", "new")));
    assert_eq!(bench.codes([replace("./Lamp/Ext/x", &without_a)]), [200]);
}

/// What a list takes away counts once everything below is done.
#[test]
fn lists_of_a_document_follow_the_rules_of_changes() {
    let mut bench = Bench::default();
    let closed = "<ACL>Get=other</ACL>";
    let inner = node(&named("in"), &leaf(&named("a"), "chr", closed, "v"));
    let shut = format!(
        "<Node><RTProperties>{closed}<Format><node/></Format><Type><DDFName/></Type>\
         </RTProperties>{inner}</Node>"
    );
    assert_eq!(bench.codes([add("./Lamp/Ext/x", &tree(&shut))]), [200]);
    let codes = bench.codes([
        request::get("./Lamp/Ext/x"),
        replace("./Lamp/Ext/x/in", &tree(&node("", ""))),
    ]);
    assert_eq!(codes, [425, 425]);

    // Who may not replace the parent's list may not give a leaf one.
    let mut bench = Bench::default();
    let list = request::replace("./Lamp/Ext?prop=ACL", "Add=*&Get=*&Delete=*".into());
    let document = tree(&leaf(&named("a"), "chr", closed, "v"));
    assert_eq!(
        bench.codes([list, add("./Lamp/Ext", &document)]),
        [200, 425]
    );
    let document = tree(&leaf(&named("a"), "chr", "<Title>t</Title>", "v"));
    assert_eq!(bench.codes([add("./Lamp/Ext", &document)]), [200]);
}

#[test]
fn what_was_read_can_be_written_back() {
    let mut bench = Bench::default();
    let add = |path: &str, format, value: &str| {
        request::add(
            &format!("./Lamp/Ext/x/{path}"),
            Leaf::new(format, value.to_owned()),
        )
    };
    let codes = bench.codes([
        add("a/b/c", Format::Chr, "<&>"),
        add("a/bin", Format::B64, "AP/+"),
        add("a/null", Format::Null, ""),
        add("a/xml", Format::Xml, "<p q=\"r\">s</p>"),
        add("e f", Format::Bool, "true"),
    ]);
    assert_eq!(
        codes,
        [200, 200, 200, 200, 400],
        "a space is no part of an address"
    );
    let before = ext(&bench);
    for command in [replace as fn(&str, &str) -> Command<'static>, self::add] {
        let document = read(&mut bench, "./Lamp/Ext/x", "");
        let mut text = Vec::new();
        document.encode(Encoding::Xml, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(bench.codes([command("./Lamp/Ext/x", &text)]).len(), 1);
        assert_eq!(ext(&bench), before);
        // Once more, where it was.
        assert_eq!(bench.codes([request::delete("./Lamp/Ext/x")]), [200]);
        assert_eq!(bench.codes([self::add("./Lamp/Ext/x", &text)]), [200]);
        assert_eq!(ext(&bench), before);
    }
}

#[test]
fn a_document_is_a_change_among_others_in_an_atomic() {
    let mut bench = Bench::default();
    let before = bench.dump();
    let document = tree(&node("", &leaf(&named("a"), "chr", "", "v")));
    let group = |last: &str| {
        Command::Atomic(Group::new([
            add("./Lamp/Ext/x", &document),
            replace(
                "./Lamp/Ext/x",
                &tree(&node("", &leaf(&named("b"), "chr", "", "v"))),
            ),
            request::delete(last),
        ]))
    };
    let codes = bench.codes([group("./Lamp/Ext/x/a")]);
    assert_eq!(codes, [507, 216, 216, 404]);
    assert_eq!(bench.dump(), before);
    assert_eq!(bench.codes([group("./Lamp/Ext/x/b")]), [200; 4]);
    assert!(values(&mut bench, "./Lamp/Ext/x").is_empty());
}

/// XML in a message of either encoding, as text, as elements, and as octets.
#[test]
fn a_document_comes_in_many_shapes() {
    let document = tree(&node("", &leaf(&named("a"), "chr", "", "v")));
    let fragment = Fragment::parse(
        document.clone().into_bytes(),
        Encoding::Xml,
        &Default::default(),
    );
    let shapes = [
        (Format::Xml, Data::from(document.clone())),
        (Format::Xml, Data::Fragment(fragment.unwrap())),
        (Format::Chr, Data::from(document)),
    ];
    for (format, data) in shapes {
        let mut bench = Bench::default();
        let meta = Meta::new().with_format(format).with_type(MIME_XML);
        let item = Item::new()
            .with_target("./Lamp/Ext/x")
            .with_meta(meta)
            .with_data(data);
        assert_eq!(bench.codes([Command::Add(NodeCommand::new([item]))]), [200]);
        assert_eq!(bench.value("./Lamp/Ext/x/a").as_deref(), Some("v"));
    }
}

/// Whether a guess is right is nothing to tell a server that may not read the leaf.
#[test]
fn a_document_does_not_tell_what_cannot_be_read() {
    for guess in ["right", "wrong"] {
        let mut bench = Bench::default();
        let acl = request::replace("./Lamp/Ext/x/a?prop=ACL", "Get=other&Replace=other".into());
        let leaf = |value| leaf(&named("a"), "chr", "", value);
        let codes = bench.codes([
            add("./Lamp/Ext/x", &tree(&node("", &leaf("right")))),
            replace("./Lamp/Ext/x", &tree(&node("", &leaf("right")))),
            acl,
            replace("./Lamp/Ext/x", &tree(&node("", &leaf(guess)))),
        ]);
        assert_eq!(codes, [200, 200, 200, 425], "{guess}");
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}

/// A device with accounts and an Inbox.
fn with_inbox() -> Bench {
    let journal = TestJournal::default();
    let (stored, mut registry, log) = omadm_testkit::device(&journal);
    registry
        .mount(Box::new(Account::objects([]).unwrap()))
        .unwrap();
    registry.mount(Box::new(Inbox)).unwrap();
    Bench::with(stored, registry, log, journal, Bench::config()).unwrap()
}

const OWNED: &str = "Delete=second.example&amp;Get=second.example&amp;Replace=second.example";

/// The document of an account, its object in this place.
fn account_at(place: &str, acl: &str) -> String {
    let chr = |name: &str, value: &str| leaf(&named(name), "chr", "", value);
    let address = node(&named("1"), &chr("Addr", "http://second.example/"));
    let inside = chr("ServerID", "second.example") + &node(&named("AppAddr"), &address);
    let object = node(place, &inside);
    let kind = format!(
        "<RTProperties><ACL>{acl}</ACL><Format><node/></Format><Type>\
         <DDFName>urn:oma:mo:oma-dm-dmacc:1.0</DDFName></Type></RTProperties>"
    );
    let plain = "<RTProperties><Format><node/></Format><Type><DDFName/></Type></RTProperties>";
    tree(&object.replacen(plain, &kind, 1))
}

/// A server adds an account to the Inbox, and the device puts it where accounts are. [DM-StdObj]
#[test]
fn an_account_in_the_inbox_moves_to_its_place() {
    let account = account_at(&named("new"), OWNED);
    let mut bench = with_inbox();
    let codes = bench.codes([
        add("./Inbox", &account),
        add("./Inbox", &account),
        request::get("./Inbox"),
        request::get("./DMAcc"),
    ]);
    assert_eq!(codes, [200, 418, 405, 200]);
    let root = uri("./DMAcc/new");
    let read = Account::read(bench.client.tree(), &root).unwrap();
    assert_eq!(
        read,
        Account::new("second.example".parse().unwrap(), "http://second.example/")
    );
    let node = bench.client.tree().node(&root).unwrap();
    assert_eq!(node.acl().to_string(), OWNED.replace("&amp;", "&"));
}

/// An object without a name is named by the device: after its server, or by a number.
#[test]
fn an_account_without_a_name_moves_to_its_place() {
    for place in ["", "<NodeName/>"] {
        let mut bench = with_inbox();
        let account = account_at(place, OWNED);
        let codes = bench.codes([add("./Inbox", &account), add("./Inbox", &account)]);
        assert_eq!(codes, [200, 418]);
        let third = account.replace("second.example", "./third");
        assert_eq!(bench.codes([add("./Inbox", &third)]), [200]);
        for (root, server) in [
            ("./DMAcc/second.example", "second.example"),
            ("./DMAcc/1", "./third"),
        ] {
            let account = Account::read(bench.client.tree(), &uri(root)).unwrap();
            assert_eq!(account.server_id.as_str(), server);
        }
        let inbox = bench.client.tree().node(&uri("./Inbox")).unwrap();
        assert_eq!(inbox.children().count(), 0);
        // Without a Type it is no object.
        let codes = bench.codes([add("./Inbox", &tree(&node(place, "")))]);
        assert_eq!(codes, [418]);
    }
}

/// What is optional comes before the object is whole, or has nothing to go to.
#[test]
fn an_object_that_has_moved_takes_nothing_in_the_inbox() {
    let late = || request::add("./Inbox/new/Name", "late".into());
    let mut bench = with_inbox();
    let codes = bench.codes([
        request::add_node("./Inbox/new", Some("urn:oma:mo:oma-dm-dmacc:1.0")),
        request::add("./Inbox/new/Name", "early".into()),
        request::add("./Inbox/new/ServerID", "second.example".into()),
        request::add_node("./Inbox/new/AppAddr", None),
        request::add_node("./Inbox/new/AppAddr/1", None),
        request::add(
            "./Inbox/new/AppAddr/1/Addr",
            "http://second.example/".into(),
        ),
        late(),
    ]);
    assert_eq!(codes, [200, 200, 200, 200, 200, 200, 415]);
    assert_eq!(bench.value("./DMAcc/new/Name").as_deref(), Some("early"));
}
