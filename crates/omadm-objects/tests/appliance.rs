//! A device without virtual machines and a server engine: DCMO, FUMO and SCOMO end to end, over both
//! encodings.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "test code, and an example's main function"
)]

#[path = "../examples/appliance.rs"]
mod appliance;

use omadm_core::Format;
use omadm_server::SingleCommand;
use omadm_session::request::Leaf;
use omadm_testkit::{Pair, Wire, again_over_wbxml, uri};

fn pair() -> Pair {
    Pair::plain(Wire::default()).with_objects(|journal| appliance::objects(journal).unwrap())
}

fn value(pair: &Pair, at: &str) -> String {
    let node = pair.client.tree().node(&uri(at)).unwrap();
    node.text().unwrap().to_owned()
}

/// Has the server do this in turn; the final statuses.
fn run<const N: usize>(pair: &mut Pair, commands: [SingleCommand; N]) -> [u16; N] {
    pair.reports.clear();
    for command in commands {
        pair.enqueue(command);
    }
    pair.settle();
    let statuses: Vec<u16> = pair
        .reports
        .iter()
        .map(|report| report.status.unwrap().get())
        .collect();
    statuses.try_into().unwrap()
}

fn text(at: &str, value: &str) -> SingleCommand {
    SingleCommand::replace(at, Leaf::new(Format::Chr, value.to_owned()))
}

fn data(at: &str, value: &[u8]) -> SingleCommand {
    SingleCommand::replace(at, Leaf::new(Format::Bin, value.to_vec()))
}

#[test]
fn a_capability_is_switched() {
    let mut pair = pair();
    let disable = SingleCommand::exec("./DCMO/Camera/Operations/Disable");
    assert_eq!(run(&mut pair, [disable]), [200]);
    assert_eq!(value(&pair, "./DCMO/Camera/Enabled"), "false");
}

/// What takes longer than a message ends by an alert, which finds its Exec on the server.
#[test]
fn firmware_is_updated_by_both_ways() {
    let mut pair = pair();
    let update = || SingleCommand::exec("./FUMO/Update");
    let package = |octets| data("./FUMO/Update/PkgData", octets);
    let statuses = run(
        &mut pair,
        [
            update(),
            package(b"??"),
            update(),
            package(b"FW 2"),
            update(),
        ],
    );
    assert_eq!(statuses, [405, 200, 402, 200, 200]);
    assert_eq!(value(&pair, "./FUMO/State"), "100");
    let both = || SingleCommand::exec("./FUMO/DownloadAndUpdate");
    let url = |url| text("./FUMO/DownloadAndUpdate/PkgURL", url);
    let statuses = run(
        &mut pair,
        [
            both(),
            url("ftp://fw/2"),
            both(),
            url("https://fw/2"),
            both(),
        ],
    );
    assert_eq!(statuses, [412, 200, 411, 200, 200]);
}

#[test]
fn software_comes_and_goes() {
    let mut pair = pair();
    let package = "./SCOMO/Inventory/Delivered/p";
    let at = |path: &str| format!("{package}/{path}");
    let statuses = run(
        &mut pair,
        [
            SingleCommand::add_node(package, None),
            text(&at("PkgID"), "editor"),
            data(&at("Data"), b"package"),
            SingleCommand::exec(&at("Operations/InstallInactive")),
        ],
    );
    assert_eq!(statuses, [200; 4]);
    let editor = "./SCOMO/Inventory/Deployed/editor";
    assert_eq!(value(&pair, &format!("{editor}/State")), "10");
    let at = |operation: &str| SingleCommand::exec(&format!("{editor}/Operations/{operation}"));
    assert_eq!(run(&mut pair, [at("Activate")]), [200]);
    assert_eq!(value(&pair, &format!("{editor}/State")), "20");
    assert_eq!(run(&mut pair, [at("Remove"), at("Remove")]), [200, 404]);
    let download = "./SCOMO/Download/d";
    let statuses = run(
        &mut pair,
        [
            SingleCommand::add_node(download, None),
            text(&format!("{download}/PkgURL"), "https://sw/d"),
            SingleCommand::exec(&format!("{download}/Operations/Download")),
        ],
    );
    assert_eq!(statuses, [200, 200, 500], "this software downloads nothing");
}

/// Off in the middle of an update: the server hears of its end all the same.
#[test]
fn an_update_outlives_the_device() {
    let mut pair = pair();
    pair.enqueue(data("./FUMO/Update/PkgData", b"FW 3"));
    pair.enqueue(SingleCommand::exec("./FUMO/Update"));
    while value(&pair, "./FUMO/State") != "60" {
        if pair.client.in_session() {
            pair.step();
        } else {
            pair.open();
        }
    }
    pair.restart();
    pair.settle();
    assert_eq!(value(&pair, "./FUMO/State"), "100");
    assert!(pair.reports.last().unwrap().status.unwrap().is_success());
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
