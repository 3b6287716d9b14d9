//! Groups of commands, subtrees and lists, from a server's procedure to the device and back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_core::Format;
use omadm_server::{CommandGroup, EventKind, SingleCommand};
use omadm_session::{Report, request::Leaf};
use omadm_testkit::{Pair, Wire, uri};
use omadm_tree::{List, Property, PropertySelection};

const TREE: &str = "<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD>\
    <Node><NodeName/><RTProperties><Format><node/></Format><Type><DDFName/></Type></RTProperties>\
    <Node><NodeName>a</NodeName><RTProperties><Format><chr/></Format><Type><MIME>text/plain</MIME>\
    </Type></RTProperties><Value>one &amp; only</Value></Node></Node></MgmtTree>";

/// Runs procedures to their end; the device breaks no rule on the way.
fn run(procedures: impl IntoIterator<Item = SingleCommand>) -> (Pair, Vec<Report>) {
    let mut pair = Pair::plain(Wire::default());
    for procedure in procedures {
        pair.enqueue(procedure);
    }
    pair.settle();
    quiet(&pair);
    let reports = std::mem::take(&mut pair.reports);
    (pair, reports)
}

fn quiet(pair: &Pair) {
    let violation = |kind: &EventKind| matches!(kind, EventKind::Violation(_));
    assert!(!pair.told.iter().any(violation), "{:?}", pair.told);
}

fn level(level: &str) -> SingleCommand {
    SingleCommand::replace("./Lamp/Level", Leaf::new(Format::Int, level.to_owned()))
}

#[test]
fn groups_report_as_the_device_did_them() {
    let mut pair = Pair::plain(Wire::default());
    pair.enqueue(CommandGroup::atomic([
        SingleCommand::add("./Lamp/Ext/a", "a".into()),
        SingleCommand::copy("./Lamp/Level", "./Lamp/Presets/now"),
        level("5"),
    ]));
    pair.enqueue(CommandGroup::atomic([
        level("6"),
        SingleCommand::delete("./Lamp/Ext/none"),
        level("7"),
    ]));
    pair.enqueue(CommandGroup::sequence([
        level("8"),
        SingleCommand::get("./Lamp/Missing"),
        SingleCommand::get("./Lamp/Level"),
        SingleCommand::exec("./Lamp/Later"),
    ]));
    pair.settle();
    quiet(&pair);
    let ended = |report: &Report| (report.ok, report.status.map(|status| status.get()));
    let reports: Vec<_> = pair.reports.iter().map(ended).collect();
    assert_eq!(
        reports,
        [(true, Some(200)), (false, Some(507)), (false, Some(404))]
    );
    let detail = pair.reports.get(1).unwrap().detail.as_deref();
    assert_eq!(detail, Some("Delete ./Lamp/Ext/none: 404 Not found"));
    let tree = pair.client.tree();
    assert_eq!(tree.node(&uri("./Lamp/Level")).unwrap().text(), Some("8"));
    assert_eq!(
        tree.node(&uri("./Lamp/Light")).unwrap().text(),
        Some("true")
    );
}

#[test]
fn subtrees_are_written_and_read() {
    let tnds = List::Tnds(PropertySelection::ALL);
    let (pair, reports) = run([
        SingleCommand::add_tree("./Lamp/Ext/x", TREE),
        SingleCommand::add("./Lamp/Ext/x/b", "b".into()),
        SingleCommand::list("./Lamp/Ext/x", List::Struct),
        SingleCommand::list("./Lamp/Ext/x", tnds),
        SingleCommand::replace_tree("./Lamp/Ext/x", TREE),
        SingleCommand::list("./Lamp/Ext/x", List::StructData),
        SingleCommand::property("./Lamp/Ext/x/a", Property::Format),
    ]);
    assert!(reports.iter().all(|report| report.ok), "{reports:#?}");
    let children = |at: usize| reports.get(at).unwrap().children.clone().unwrap();
    assert_eq!(
        children(2),
        ["./Lamp/Ext/x", "./Lamp/Ext/x/a", "./Lamp/Ext/x/b"]
    );
    assert_eq!(children(5), ["./Lamp/Ext/x", "./Lamp/Ext/x/a"]);
    let read = reports.get(3).unwrap().value.as_deref().unwrap();
    assert!(read.contains("<NodeName>b</NodeName>"), "{read}");
    assert_eq!(reports.get(6).unwrap().value.as_deref(), Some("chr"));
    let value = pair.client.tree().node(&uri("./Lamp/Ext/x/a")).unwrap();
    assert_eq!(value.text(), Some("one & only"));
}

/// What was read as a document is a document to write.
#[test]
fn a_subtree_is_moved() {
    let tnds = List::Tnds(PropertySelection::ALL);
    let (mut pair, reports) = run([
        SingleCommand::add_tree("./Lamp/Ext/x", TREE),
        SingleCommand::list("./Lamp/Ext/x", tnds),
        SingleCommand::delete("./Lamp/Ext/x"),
    ]);
    let read = reports.get(1).unwrap().value.clone().unwrap();
    pair.enqueue(SingleCommand::add_tree("./Lamp/Ext/x", read));
    pair.settle();
    assert!(
        pair.reports.iter().all(|report| report.ok),
        "{:?}",
        pair.reports
    );
    assert!(pair.client.tree().node(&uri("./Lamp/Ext/x/a")).is_some());
}

/// A document larger than a message goes in chunks, in both directions.
#[test]
fn a_subtree_may_be_larger_than_a_message() {
    let leaves: String = (0..1000)
        .map(|number| {
            format!(
                "<Node><NodeName>n{number:04}</NodeName><RTProperties><Format><chr/></Format><Type>\
                 <MIME>text/plain</MIME></Type></RTProperties><Value>{}</Value></Node>",
                "v".repeat(60)
            )
        })
        .collect();
    let document = TREE.replace("<Node><NodeName>a<", &format!("{leaves}<Node><NodeName>a<"));
    let (pair, reports) = run([
        SingleCommand::add_tree("./Lamp/Ext/x", document),
        SingleCommand::list("./Lamp/Ext/x", List::Tnds(PropertySelection::ALL)),
    ]);
    assert!(reports.iter().all(|report| report.ok), "{reports:#?}");
    let nodes = pair.client.tree().node(&uri("./Lamp/Ext/x")).unwrap();
    assert_eq!(nodes.children().count(), 1001);
    let read = reports.get(1).unwrap().value.as_deref().unwrap();
    assert!(read.len() > 65_536, "{}", read.len());
    assert_eq!(read.matches("<NodeName>").count(), 1002);
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
