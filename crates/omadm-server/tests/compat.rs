//! Every tolerance of the server: what it is for is refused without it and accepted with it, in
//! both encodings.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use omadm_core::{AlertCode, Format, Now, StatusCode};
use omadm_server::{Compat, Config, EventKind, Everyone, Request, Server, SingleCommand};
use omadm_session::header_status;
use omadm_syncml::{
    Alert, CmdId, Command, Header, Item, Limits, Message, Meta, NodeCommand, Results, Status,
    decode, encode,
};
use omadm_testkit::{describe, encoding};

const SERVER: &str = "https://dm.example/dm";

/// A device of the tests, a few messages into a session.
struct Device {
    server: Server,
    msg_id: u32,
    /// The last message of the server.
    last: Option<Message<'static>>,
    /// What its procedure read.
    value: Option<String>,
}

impl Device {
    /// One for which a Get waits.
    fn new(compat: Compat) -> Self {
        let mut config = Config::new("t");
        config.compat = compat;
        let mut server = Server::new(config, Everyone);
        let get = SingleCommand::get("./A");
        server.enqueue("dev1", Box::new(get)).unwrap();
        Self {
            server,
            msg_id: 0,
            last: None,
            value: None,
        }
    }

    /// Sends these commands after the Status of the header, with what is wrong about them; what the
    /// server answers.
    fn send(
        &mut self,
        commands: impl IntoIterator<Item = Command<'static>>,
        change: impl Fn(&mut Message<'static>),
    ) -> String {
        self.msg_id += 1;
        let mut message = Message::new(Header::new("1", self.msg_id, SERVER, "dev1"));
        message.is_final = true;
        let status = |last: &Message<'_>| header_status(&last.header, StatusCode::OK);
        let status = self.last.as_ref().map(status).map(Command::Status);
        message.commands = status.into_iter().chain(commands).collect();
        for (command, id) in message.commands.iter_mut().zip(1..) {
            command.set_cmd_id(CmdId::new(id).unwrap());
        }
        change(&mut message);
        self.msg_id = message.header.msg_id;
        let mut body = Vec::new();
        encode(&message, encoding(), &mut body).unwrap();
        let request = Request::new(&body, encoding(), Now::default());
        let receipt = self.server.receive(request).unwrap();
        let response = self.server.respond(receipt).unwrap();
        for event in response.events {
            if let EventKind::ProcedureFinished { report, .. } = event.kind {
                self.value = report.value;
            }
        }
        let answer = decode(&response.body, encoding(), &Limits::default()).unwrap();
        self.last = Some(answer.clone().into_owned());
        describe(&answer)
    }

    /// Package 1.
    fn open(&mut self, change: impl Fn(&mut Message<'static>)) -> String {
        let leaf = |name: &&'static str| {
            let uri = format!("./DevInfo/{name}");
            Item::new().with_source(uri).with_data("x")
        };
        let leaves: Vec<_> = ["DevId", "Man", "Mod", "DmV", "Lang"]
            .iter()
            .map(leaf)
            .collect();
        let alert = Command::Alert(Alert::new(AlertCode::CLIENT_INITIATED));
        self.send([alert, Command::Replace(NodeCommand::new(leaves))], change)
    }

    /// The Status and the Results of the Get in the last message.
    fn answers(&self) -> [Command<'static>; 2] {
        let last = self.last.as_ref().unwrap();
        let get = last.commands.last().unwrap();
        let msg_id = last.header.msg_id;
        let item = Item::new().with_source("./A").with_data("value");
        [
            Command::Status(Status::new(msg_id, get.cmd_id(), "Get", StatusCode::OK)),
            Command::Results(Results::new(msg_id, get.cmd_id(), [item])),
        ]
    }
}

fn dev_info<'m>(message: &'m mut Message<'static>) -> &'m mut Vec<Item<'static>> {
    match message.commands.get_mut(1) {
        Some(Command::Replace(replace)) => &mut replace.items,
        other => panic!("{other:?}"),
    }
}

/// What is wrong with package 1: how it is refused and accepted.
type Case = (
    &'static str,
    fn(&mut Compat),
    fn(&mut Message<'static>),
    &'static str,
    &'static str,
);

const OPENED: &str = "SyncHdr=200 Alert=200 Replace=200 Get Final";

const CASES: [Case; 7] = [
    (
        "skipped_message_ids",
        |compat| compat.skipped_message_ids = true,
        |message| message.header.msg_id = 2,
        "SyncHdr=404 Alert=404 Replace=404 Final",
        OPENED,
    ),
    (
        "incomplete_dev_info",
        |compat| compat.incomplete_dev_info = true,
        |message| dev_info(message).truncate(2),
        "SyncHdr=412 Alert=412 Replace=412 Final",
        OPENED,
    ),
    (
        "dev_info_as_target",
        |compat| compat.dev_info_as_target = true,
        |message| {
            for item in dev_info(message) {
                item.target = item.source.take();
            }
        },
        "SyncHdr=412 Alert=412 Replace=412 Final",
        OPENED,
    ),
    (
        "alert_without_format",
        |compat| compat.alert_without_format = true,
        |message| {
            let item = Item::new().with_meta(Meta::new().with_type("com.example.x"));
            let mut alert = Alert::new(AlertCode::GENERIC).with_items([item]);
            alert.cmd_id = CmdId::new(9);
            message.commands.push(Command::Alert(alert));
        },
        "SyncHdr=200 Alert=200 Replace=200 Alert=412 Get Final",
        "SyncHdr=200 Alert=200 Replace=200 Alert=200 Get Final",
    ),
    (
        "missing_cmd_ids",
        |compat| compat.missing_cmd_ids = true,
        |message| {
            let alert = Alert::new(AlertCode::NO_END_OF_DATA);
            message.commands.push(Command::Alert(alert));
        },
        "SyncHdr=200 Alert=200 Replace=200 Alert=400 Get Final",
        "SyncHdr=200 Alert=200 Replace=200 Alert=200 Get Final",
    ),
    (
        "duplicate_cmd_ids",
        |compat| compat.duplicate_cmd_ids = true,
        |message| {
            let mut alert = Alert::new(AlertCode::NO_END_OF_DATA);
            alert.cmd_id = CmdId::new(1);
            message.commands.push(Command::Alert(alert));
        },
        "SyncHdr=200 Alert=200 Replace=200 Alert=400 Get Final",
        "SyncHdr=200 Alert=200 Replace=200 Alert=200 Get Final",
    ),
    (
        "other_ver_dtd",
        |compat| compat.other_ver_dtd = true,
        |message| message.header.ver_dtd = "1.1".into(),
        "SyncHdr=505 Alert=505 Replace=505 Final",
        OPENED,
    ),
];

#[test]
fn each_tolerance_is_for_one_thing() {
    for (name, turn_on, change, refused, accepted) in CASES {
        let strict = Device::new(Compat::default()).open(change);
        assert_eq!(strict, refused, "{name}");
        let mut only = Compat::default();
        turn_on(&mut only);
        assert_eq!(Device::new(only).open(change), accepted, "{name}");
        assert_eq!(
            Device::new(Compat::lenient()).open(change),
            accepted,
            "{name}"
        );
    }
    assert_eq!(Device::new(Compat::lenient()).open(|_| {}), OPENED);
    assert_eq!(
        Format::default(),
        Format::Chr,
        "what an alert without Format has"
    );
}

#[test]
fn results_may_come_before_their_status() {
    for lenient in [false, true] {
        let mut compat = Compat::default();
        compat.results_without_status = lenient;
        let mut device = Device::new(compat);
        device.open(|_| {});
        let [status, results] = device.answers();
        let said = device.send([results, status], |_| {});
        let expected = ["SyncHdr=200 Results=400 Final", "SyncHdr=200 Final"];
        assert_eq!(said, expected[usize::from(lenient)]);
        let value = lenient.then(|| "value".to_owned());
        assert_eq!(device.value, value);
    }
}

#[test]
fn without_final_a_package_ends_when_nothing_more_comes() {
    for lenient in [false, true] {
        let mut compat = Compat::default();
        compat.missing_final = lenient;
        let mut device = Device::new(compat);
        let no_final = |message: &mut Message<'static>| message.is_final = false;
        let asked = "SyncHdr=200 Alert=200 Replace=200 Alert(1222)";
        assert_eq!(device.open(no_final), asked);
        let after = device.send([], no_final);
        if !lenient {
            assert_eq!(after, "SyncHdr=200 Alert(1222)");
            continue;
        }
        assert_eq!(after, "SyncHdr=200 Get Final");
        let [status, results] = device.answers();
        // Each brings something, so each is asked for more.
        assert_eq!(device.send([status], no_final), "SyncHdr=200 Alert(1222)");
        assert_eq!(device.send([results], no_final), "SyncHdr=200 Alert(1222)");
        assert_eq!(device.send([], no_final), "SyncHdr=200 Final");
        assert_eq!(device.value.as_deref(), Some("value"));
    }
}

#[test]
fn no_case_is_missing() {
    let all = format!("{:?}", Compat::lenient());
    for option in all
        .split(": true")
        .filter_map(|before| before.rsplit(' ').next())
    {
        let own_test = ["results_without_status", "missing_final", "hex_mac"].contains(&option);
        let case = CASES.iter().any(|case| case.0 == option);
        assert!(own_test || case || option == "}", "{option} has no case");
    }
    assert!(!format!("{:?}", Compat::default()).contains("true"));
    assert!(!all.contains("false"));
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
