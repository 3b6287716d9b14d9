//! DM 1.3 and DM 1.2 at either end. [DM-Protocol], what of it is known
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use omadm_client::SessionEnd;
use omadm_core::Now;
use omadm_server::{Everyone, Request, Server, SingleCommand};
use omadm_syncml::{Encoding, Header, Limits, Message, Version, decode, encode};
use omadm_testkit::{Bench, Pair, Wire, describe};

/// One session; how many exchanges it took.
fn session(client: Version, server: Version) -> usize {
    let mut device = Bench::config();
    device.version = client;
    let mut config = omadm_server::Config::new("t");
    config.version = server;
    let mut pair = Pair::new(device, config, Everyone, Wire::default());
    pair.enqueue(SingleCommand::get("./Lamp/Name"));
    pair.session();
    assert_eq!(pair.ended, [SessionEnd::Completed], "{client} {server}");
    assert!(pair.reports[0].ok, "{client} {server}");
    pair.wire.exchanges()
}

#[test]
fn the_ends_agree_on_the_lower_version() {
    assert_eq!(session(Version::Dm12, Version::Dm12), 2);
    assert_eq!(session(Version::Dm12, Version::Dm13), 2);
    assert_eq!(session(Version::Dm13, Version::Dm13), 2);
    assert_eq!(
        session(Version::Dm13, Version::Dm12),
        3,
        "513, then package 1 again"
    );
}

#[test]
fn a_server_answers_in_the_version_of_the_device() {
    for version in Version::ALL {
        let mut server = Server::new(omadm_server::Config::new("t"), Everyone);
        let mut header = Header::new("1", 1, "https://dm.example/dm", "dev1");
        header.ver_proto = version.as_str().into();
        let mut body = Vec::new();
        encode(&Message::new(header), Encoding::Xml, &mut body).unwrap();
        let request = Request::new(&body, Encoding::Xml, Now::default());
        let receipt = server.receive(request).unwrap();
        let answer = server.respond(receipt).unwrap().body;
        let answer = decode(&answer, Encoding::Xml, &Limits::default()).unwrap();
        assert_eq!(answer.header.ver_proto, version.as_str());
    }
}

#[test]
fn a_device_falls_back_once() {
    let mut config = Bench::config();
    config.version = Version::Dm13;
    let mut bench = Bench::new(config);
    assert_eq!(bench.start().header.ver_proto, "DM/1.3");
    let refuse = |bench: &mut Bench| {
        let mut answers = bench.script.acknowledge();
        for answer in &mut answers {
            if let omadm_syncml::Command::Status(status) = answer {
                status.code = 513.into();
            }
        }
        let header = bench.script.header();
        let body = bench.script.write_as(&header, answers, true);
        bench.deliver(&body)
    };
    let again = refuse(&mut bench).unwrap();
    assert_eq!(again.header.ver_proto, "DM/1.2");
    assert_eq!(describe(&again), "SyncHdr=200 Alert(1201) Replace Final");
    assert!(refuse(&mut bench).is_none());
    let refused = SessionEnd::Refused(513.into());
    assert_eq!(bench.ended, [refused]);
}

#[test]
fn a_server_that_answers_in_a_higher_version_is_told() {
    let mut bench = Bench::default();
    bench.start();
    let mut header = bench.script.header();
    header.ver_proto = "DM/1.3".into();
    let answers = bench.script.acknowledge();
    let get = omadm_session::request::get("./Lamp/Name");
    let commands = answers.into_iter().chain([get]);
    let body = bench.script.write_as(&header, commands, true);
    let said = bench.deliver(&body).unwrap();
    assert_eq!(describe(&said), "SyncHdr=513 Get=513 Final");
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
