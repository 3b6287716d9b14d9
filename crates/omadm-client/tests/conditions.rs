//! Every command against every condition that stands in its way, with the exact status; nothing is
//! changed by a command that fails, alone or as the second in an Atomic. [DM-Protocol], [DM-RepPro]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_core::{Correlator, Format};
use omadm_mo::{DevInfo, Registry};
use omadm_session::request::{self, Leaf, copy, delete, get};
use omadm_syncml::{Command, Exec, Group, Item, Meta, NodeCommand};
use omadm_testkit::{
    Bench, DEVICE_ID, Lamp, SERVER_ID, TestJournal, data, describe, results, statuses,
};
use omadm_tree::{Acl, Property, Tree, TreeLimits};

type Row = (Vec<Command<'static>>, Command<'static>, u16);

fn add(uri: &str, value: &str) -> Command<'static> {
    request::add(uri, value.into())
}

fn add_int(uri: &str, value: &str) -> Command<'static> {
    request::add(uri, Leaf::new(Format::Int, value.to_owned()))
}

fn replace(uri: &str, value: &str) -> Command<'static> {
    request::replace(uri, value.into())
}

fn replace_int(uri: &str, value: &str) -> Command<'static> {
    request::replace(uri, Leaf::new(Format::Int, value.to_owned()))
}

fn exec(uri: &str) -> Command<'static> {
    request::exec(uri, None)
}

/// What gives a node this list.
fn acl(uri: &str, list: &str) -> Command<'static> {
    replace(&format!("{uri}?prop=ACL"), list)
}

fn rename(uri: &str, name: &str) -> Command<'static> {
    replace(&format!("{uri}?prop=Name"), name)
}

/// A device whose tree has these limits.
fn device(limits: TreeLimits) -> Bench {
    let acl: Acl = format!("Add=*&Get=*&Replace=*&Exec={SERVER_ID}&Delete={SERVER_ID}")
        .parse()
        .unwrap();
    let journal = TestJournal::default();
    let tree = Tree::load(&journal, limits, acl).unwrap();
    let dev_info = DevInfo {
        dev_id: DEVICE_ID.into(),
        man: "Example".into(),
        model: "Lamp".into(),
        dmv: "1.0".into(),
        lang: "en".into(),
    };
    let (lamp, log) = Lamp::new();
    let mut registry = Registry::new();
    registry.mount(Box::new(dev_info.object())).unwrap();
    registry.mount(Box::new(lamp)).unwrap();
    Bench::with(tree, registry, log, journal, Bench::config()).unwrap()
}

/// Each row on a device of its own.
fn check_with(limits: TreeLimits, rows: Vec<Row>) {
    for (setup, command, code) in rows {
        let mut bench = device(limits);
        for setup in setup {
            assert_eq!(bench.codes([setup.clone()]), [200], "{setup:?}");
        }
        let before = bench.dump();
        assert_eq!(bench.codes([command.clone()]), [code], "{command:?}");
        if code < 300 {
            continue;
        }
        assert_eq!(bench.dump(), before, "{command:?}");
        // In an Atomic it fails alike, unless it has no business there.
        let alike = !matches!(command, Command::Get(_) | Command::Exec(_));
        let first = replace("./Lamp/Pin", "1");
        let group = Command::Atomic(Group::new([first, command.clone()]));
        let code = if alike { code } else { 500 };
        assert_eq!(bench.codes([group]), [507, 216, code], "{command:?}");
        assert_eq!(bench.dump(), before, "{command:?}");
    }
}

fn check(rows: Vec<Row>) {
    check_with(TreeLimits::default(), rows);
}

fn long() -> String {
    format!("./Lamp/Ext/{}", "n".repeat(256))
}

fn deep() -> String {
    format!("./Lamp/Ext{}", "/d".repeat(40))
}

fn total() -> String {
    format!("./Lamp/Ext{}", format!("/{}", "t".repeat(200)).repeat(6))
}

#[test]
fn a_node_that_is_missing_is_404() {
    let missing = "./Lamp/Presets/none";
    check(vec![
        (vec![], replace_int(missing, "1"), 404),
        (vec![], replace(&format!("{missing}?prop=Title"), "t"), 404),
        (vec![], acl(missing, "Get=*"), 404),
        (vec![], rename(missing, "some"), 404),
        (vec![], delete(missing), 404),
        (vec![], get(missing), 404),
        (vec![], get(&format!("{missing}?prop=ACL")), 404),
        (vec![], get(&format!("{missing}?list=Struct")), 404),
        (vec![], get(&format!("{missing}?list=TNDS")), 404),
        (vec![], copy(missing, "./Lamp/Presets/to"), 404),
        (vec![], exec(missing), 404),
        // More than the device creates on the way.
        (
            vec![],
            add(&format!("./Lamp/Ext/x{}", "/y".repeat(29)), "v"),
            200,
        ),
    ]);
    let mut limits = TreeLimits::default();
    limits.implicit_ancestors = 0;
    check_with(
        limits,
        vec![
            (vec![], add("./Lamp/Ext/a/b", "v"), 404),
            (vec![], copy("./Lamp/Level", "./Lamp/Ext/a/b"), 404),
            (vec![], add("./Lamp/Ext/a", "v"), 200),
        ],
    );
}

#[test]
fn what_the_description_or_the_structure_forbids_is_405() {
    let preset = || vec![add_int("./Lamp/Presets/a", "1")];
    check(vec![
        // AccessType
        (vec![], add("./Lamp/Name", "n"), 405),
        (vec![], replace("./Lamp/Light", "true"), 405),
        (vec![], delete("./Lamp/Name"), 405),
        (vec![], get("./Lamp/Pin"), 405),
        (vec![], copy("./Lamp/Name", "./Lamp/Presets/to"), 405),
        (vec![], copy("./Lamp/Level", "./Lamp/Light"), 405),
        (vec![], copy("./Lamp/Level", "./Lamp/New"), 405),
        (vec![], exec("./Lamp/Name"), 405),
        // Structure
        (vec![], add(".", "v"), 405),
        (vec![], add("./Lamp/Name/below", "v"), 405),
        (preset(), add("./Lamp/Presets/a/below", "v"), 405),
        (vec![], replace("./Lamp/Presets", "v"), 405),
        (vec![], replace(".", "v"), 405),
        (vec![], delete("."), 405),
        (vec![], delete("./Lamp"), 405),
        (vec![], copy("./Lamp/Presets", "./Lamp/Ext/to"), 405),
        (preset(), copy("./Lamp/Presets/a", "./Lamp/Ext"), 405),
        (vec![], exec("."), 405),
        // Names
        (vec![], rename(".", "n"), 405),
        (vec![], rename("./Lamp", "Light"), 405),
        (vec![], rename("./Lamp/Name", "Title"), 405),
        // A root without a list
        (vec![], acl(".", ""), 405),
        // Properties and lists
        (preset(), add("./Lamp/Presets/a?prop=Title", "t"), 405),
        (preset(), delete("./Lamp/Presets/a?prop=ACL"), 405),
        (
            preset(),
            copy("./Lamp/Presets/a?prop=Name", "./Lamp/Ext/to"),
            405,
        ),
        (vec![], exec("./Lamp/On?prop=Name"), 405),
        (vec![], replace("./Lamp?list=Struct", "v"), 405),
        (vec![], delete("./Lamp?list=Struct"), 405),
        (vec![], exec("./Lamp/On?list=TNDS"), 405),
    ]);
    for property in Property::ALL {
        let code = if property.is_writable() {
            continue;
        } else {
            405
        };
        let target = format!("./Lamp/Level?prop={property}");
        check(vec![(vec![], replace(&target, "1"), code)]);
    }
}

#[test]
fn what_no_list_grants_is_425() {
    let preset = |list: &str| {
        vec![
            add_int("./Lamp/Presets/a", "1"),
            acl("./Lamp/Presets/a", list),
        ]
    };
    let presets = |list: &str| {
        vec![
            add_int("./Lamp/Presets/a", "1"),
            acl("./Lamp/Presets", list),
        ]
    };
    let level = |list: &str| vec![acl("./Lamp/Level", list)];
    check(vec![
        (
            vec![acl("./Lamp/Ext", "Get=*&Replace=*")],
            add("./Lamp/Ext/a", "v"),
            425,
        ),
        (
            vec![acl("./Lamp/Ext", "Add=other&Replace=*")],
            add("./Lamp/Ext/a/b", "v"),
            425,
        ),
        (level("Get=*"), replace_int("./Lamp/Level", "1"), 425),
        (level("Get=*"), replace("./Lamp/Level?prop=Title", "t"), 425),
        (
            preset("Get=*&Delete=*"),
            rename("./Lamp/Presets/a", "b"),
            425,
        ),
        (preset("Get=*&Replace=*"), delete("./Lamp/Presets/a"), 425),
        (level("Replace=*"), get("./Lamp/Level"), 425),
        (level("Replace=*"), get("./Lamp/Level?prop=ACL"), 425),
        (level("Replace=*"), get("./Lamp/Level?list=StructData"), 425),
        (level("Replace=*"), get("./Lamp/Level?list=TNDS"), 425),
        (vec![acl("./Lamp/On", "Get=*")], exec("./Lamp/On"), 425),
        // A Copy needs Get on the one, Replace on the other, or Add on its parent.
        (
            level("Replace=*"),
            copy("./Lamp/Level", "./Lamp/Presets/to"),
            425,
        ),
        (
            preset("Get=*"),
            copy("./Lamp/Level", "./Lamp/Presets/a"),
            425,
        ),
        (
            presets("Get=*&Replace=*"),
            copy("./Lamp/Level", "./Lamp/Presets/to"),
            425,
        ),
        (
            presets("Get=*&Replace=*"),
            copy("./Lamp/Level", "./Lamp/Presets/a"),
            200,
        ),
        // The list of a leaf belongs to who may replace its parent, that of an interior node also to
        // who may replace the node.
        (
            preset("Get=*"),
            acl("./Lamp/Presets/a", "Get=*&Replace=*"),
            200,
        ),
        (
            presets("Get=*&Delete=*"),
            acl("./Lamp/Presets/a", "Get=*"),
            425,
        ),
        (presets("Get=*"), acl("./Lamp/Presets", "Get=*&Add=*"), 200),
    ]);
}

#[test]
fn an_address_beyond_the_limits_is_414() {
    for uri in [long(), deep(), total()] {
        let of = |suffix: &str| format!("{uri}{suffix}");
        check(vec![
            (vec![], add(&uri, "v"), 414),
            (vec![], replace(&uri, "v"), 414),
            (vec![], replace(&of("?prop=Title"), "v"), 414),
            (vec![], delete(&uri), 414),
            (vec![], get(&uri), 414),
            (vec![], get(&of("?prop=ACL")), 414),
            (vec![], get(&of("?list=Struct")), 414),
            (vec![], copy("./Lamp/Level", &uri), 414),
            (vec![], copy(&uri, "./Lamp/Presets/to"), 414),
            (vec![], exec(&uri), 414),
        ]);
    }
    let preset = vec![add_int("./Lamp/Presets/a", "1")];
    check(vec![(
        preset,
        rename("./Lamp/Presets/a", &"n".repeat(256)),
        414,
    )]);
}

#[test]
fn a_property_or_list_that_is_not_supported_is_406() {
    for query in [
        "?prop=Colour",
        "?prop=",
        "?list=All",
        "?list=TNDS+Colour",
        "?list=TNDS+ACL-Name",
    ] {
        let uri = &format!("./Lamp/Level{query}");
        check(vec![
            (vec![], add(uri, "v"), 406),
            (vec![], replace(uri, "v"), 406),
            (vec![], delete(uri), 406),
            (vec![], get(uri), 406),
            (vec![], copy(uri, "./Lamp/Presets/to"), 406),
            (vec![], copy("./Lamp/Level", uri), 406),
            (vec![], exec(uri), 406),
        ]);
    }
    check(vec![(vec![], get("./Lamp?prop=Size"), 406)]);
}

#[test]
fn a_value_of_the_wrong_type_is_415() {
    let typed = |uri: &str, format, media_type: &str| {
        let leaf = Leaf::new(format, "7").with_type(media_type);
        [request::add(uri, leaf.clone()), request::replace(uri, leaf)]
    };
    let item = Item::new().with_target("./Lamp/Echo").with_data("*");
    let base64 = item.with_meta(Meta::new().with_format(Format::B64));
    let mut rows: Vec<Row> = vec![
        (vec![], add("./Lamp/Presets/a", "chr"), 415),
        (vec![], add_int("./Lamp/Presets/a", "one"), 415),
        (vec![], request::add_node("./Lamp/Presets/a", None), 415),
        (
            vec![],
            request::add_node("./Lamp/Ext/a", Some(&"t".repeat(256))),
            413,
        ),
        (vec![], replace("./Lamp/Level", "1"), 415),
        (vec![], replace_int("./Lamp/Level", "one"), 415),
        (vec![], copy("./Lamp/Level", "./Lamp/Name"), 415),
        (vec![], Command::Exec(Exec::new([base64])), 415),
    ];
    let [added, _] = typed("./Lamp/Presets/a", Format::Int, "text/x-level");
    rows.push((vec![], added, 200));
    let [_, replaced] = typed("./Lamp/Name", Format::Int, "text/plain");
    rows.push((vec![], replaced, 415));
    check(rows);
}

#[test]
fn a_node_that_is_there_is_418() {
    let two = || {
        vec![
            add_int("./Lamp/Presets/a", "1"),
            add_int("./Lamp/Presets/b", "2"),
        ]
    };
    check(vec![
        (two(), add_int("./Lamp/Presets/a", "3"), 418),
        (two(), rename("./Lamp/Presets/a", "b"), 418),
        (two(), rename("./Lamp/Presets/a", "a"), 200),
        (two(), rename("./Lamp/Presets/a", "c"), 200),
        (two(), copy("./Lamp/Presets/a", "./Lamp/Presets/b"), 200),
    ]);
}

#[test]
fn what_is_too_large_is_413() {
    let mut limits = TreeLimits::default();
    limits.value_bytes = 40;
    limits.acl_bytes = 60;
    let large = "v".repeat(41);
    check_with(
        limits,
        vec![
            (vec![], add("./Lamp/Ext/a", &large), 413),
            (vec![], replace("./Lamp/Name", &large), 413),
            (
                vec![],
                replace("./Lamp/Name?prop=Title", &"t".repeat(256)),
                413,
            ),
            (
                vec![],
                acl("./Lamp/Name", &format!("Get={}", "s".repeat(60))),
                413,
            ),
        ],
    );
}

#[test]
fn what_has_no_room_is_420() {
    let full = |change: fn(&mut TreeLimits, usize)| {
        let mut limits = TreeLimits::default();
        let count = device(limits).dump().lines().count();
        change(&mut limits, count);
        limits
    };
    let nodes = full(|limits, count| limits.nodes = u32::try_from(count).unwrap());
    check_with(
        nodes,
        vec![
            (vec![], add("./Lamp/Ext/a", "v"), 420),
            (vec![], request::add_node("./Lamp/Ext/a", None), 420),
            (vec![], copy("./Lamp/Level", "./Lamp/Presets/to"), 420),
            (vec![], replace("./Lamp/Name", "fits"), 200),
        ],
    );
    let bytes = full(|limits, _| limits.total_bytes = 100);
    let value = "v".repeat(90);
    check_with(
        bytes,
        vec![
            (vec![], add("./Lamp/Ext/a", &value), 420),
            (vec![], replace("./Lamp/Name", &value), 420),
        ],
    );
}

#[test]
fn what_is_malformed_is_400_or_412() {
    let preset = || vec![add_int("./Lamp/Presets/a", "1")];
    let bare = |uri: &'static str| Item::new().with_target(uri);
    let mut rows: Vec<Row> = vec![
        (preset(), rename("./Lamp/Presets/a", "b/c"), 400),
        (preset(), rename("./Lamp/Presets/a", ""), 400),
        (preset(), rename("./Lamp/Presets/a", "%4"), 400),
        (preset(), acl("./Lamp/Presets/a", "Get"), 400),
        (
            vec![],
            Command::Copy(NodeCommand::new([bare("./Lamp/Presets/to")])),
            412,
        ),
        (
            vec![],
            Command::Add(NodeCommand::new([bare("./Lamp/Ext/a")])),
            412,
        ),
        (
            vec![],
            Command::Replace(NodeCommand::new([bare("./Lamp/Name")])),
            412,
        ),
    ];
    let of: [fn(NodeCommand<'static>) -> Command<'static>; 5] = [
        Command::Add,
        Command::Copy,
        Command::Delete,
        Command::Get,
        Command::Replace,
    ];
    for command in of {
        rows.push((vec![], command(NodeCommand::new([])), 412));
        rows.push((vec![], command(NodeCommand::new([Item::new()])), 412));
        let source = Item::new().with_source("./Lamp/Level").with_data("v");
        for uri in [
            "",
            "/Lamp",
            "./Lamp/",
            "./Lamp//Name",
            "./../Lamp",
            "./Lamp/%",
        ] {
            let item = source.clone().with_target(uri);
            rows.push((vec![], command(NodeCommand::new([item])), 400));
        }
    }
    rows.push((vec![], Command::Exec(Exec::new([])), 412));
    rows.push((vec![], Command::Exec(Exec::new([Item::new()])), 412));
    rows.push((vec![], exec("/Lamp/On"), 400));
    check(rows);
}

/// The order of what stands in the way: 404, 405, 425, then what the data brings.
#[test]
fn existence_comes_first_then_description_then_lists_then_data() {
    let shut = |uri: &str| vec![acl("./Lamp/Pin", "Replace=*"), acl(uri, "Get=other")];
    check(vec![
        (
            shut("./Lamp/Presets"),
            replace("./Lamp/Presets/none", "chr"),
            404,
        ),
        (shut("./Lamp"), replace("./Lamp/Light", "1"), 405),
        (shut("./Lamp"), replace("./Lamp/Level", "chr"), 425),
        (shut("./Lamp"), add("./Lamp/Presets/a", "chr"), 425),
        (shut("./Lamp"), add("./Lamp/Name/below", "v"), 405),
        (shut("./Lamp"), get("./Lamp?prop=Size"), 425),
        (shut("./Lamp"), get("./Lamp?prop=Colour"), 406),
    ]);
}

#[test]
fn every_property_is_read_and_those_that_may_be_are_written() {
    let mut bench = device(TreeLimits::default());
    let codes = bench.codes([
        add_int("./Lamp/Presets/a%20b", "12"),
        acl("./Lamp/Presets/a%20b", "Get=*&Replace=*"),
        replace("./Lamp/Presets/a%20b?prop=Title", "Dim & low"),
        replace_int("./Lamp/Presets/a%20b", "13"),
        rename("./Lamp/Presets/a%20b", "c%20d"),
    ]);
    assert_eq!(codes, [200; 5]);
    let mut read = |uri: &str| -> Vec<String> {
        let answer =
            bench.run(Property::ALL.map(|property| get(&format!("{uri}?prop={property}"))));
        bench.say([]);
        let items = results(&answer);
        assert!(items.iter().all(|item| item.meta.is_empty()));
        items.iter().map(data).collect()
    };
    assert_eq!(
        read("./Lamp/Presets/c%20d"),
        [
            "Get=*&Replace=*",
            "int",
            "c%20d",
            "2",
            "Dim & low",
            "20260301T120000Z",
            "text/plain",
            "1"
        ]
    );
    assert_eq!(
        read("./Lamp"),
        [
            "",
            "node",
            "Lamp",
            "",
            "20260301T120000Z",
            "urn:example:mo:lamp:1.0",
            "0"
        ],
        "no Size"
    );
}

/// The Items name the node at which the creation of ancestors failed, and no other.
#[test]
fn an_add_names_the_ancestor_that_failed() {
    let mut bench = device(TreeLimits::default());
    for (uri, ancestor) in [
        ("./Nowhere/a/b", Some("./Nowhere")),
        ("./Lamp/None/a", Some("./Lamp/None")),
        ("./Lamp/Presets/a/b", Some("./Lamp/Presets/a")),
        ("./Lamp/None", None),
    ] {
        let answer = bench.run([add(uri, "v")]);
        bench.say([]);
        let Some(Command::Status(status)) = answer.commands.get(1) else {
            panic!("{answer:?}")
        };
        let named: Vec<_> = status
            .items
            .iter()
            .map(|item| &*item.target.as_ref().unwrap().uri)
            .collect();
        assert_eq!(named, Vec::from_iter(ancestor), "{uri}");
    }
}

/// The alert of an asynchronous Exec repeats its Correlator, or has none.
#[test]
fn the_correlator_comes_back() {
    for correlator in [Some(Correlator::new("c-1")), None] {
        let mut bench = device(TreeLimits::default());
        let answer = bench.run([request::exec("./Lamp/Later", correlator.as_ref())]);
        assert_eq!(statuses(&answer), [("Exec".to_owned(), 202)]);
        bench.finish_job();
        let answer = bench.say([get("./Lamp/Name")]).unwrap();
        let alert = answer.commands.iter().find_map(|command| match command {
            Command::Alert(alert) => Some(alert.correlator.as_deref()),
            _ => None,
        });
        assert_eq!(
            alert.unwrap(),
            correlator.as_ref().map(Correlator::as_str),
            "{}",
            describe(&answer)
        );
    }
}

/// A Sequence has its own status at once; a command that fails in it does not end it.
#[test]
fn a_sequence_goes_on_after_a_failure() {
    let mut bench = device(TreeLimits::default());
    let inner = Command::Sequence(Group::new([delete("./Lamp"), get("./Lamp/Name")]));
    let mut quiet = Group::new([delete("./Lamp/none"), inner, replace("./Lamp/Name", "hall")]);
    let group = Command::Sequence(quiet.clone());
    assert_eq!(bench.codes([group]), [200, 404, 200, 405, 200, 200]);
    quiet.no_resp = true;
    assert_eq!(
        bench.codes([Command::Sequence(quiet)]),
        [404, 200, 405, 200, 200]
    );
    assert_eq!(bench.codes([Command::Sequence(Group::new([]))]), [200]);
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
