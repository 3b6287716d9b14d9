//! A device with a gateway, its server, and an end device behind it, in one process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use omadm_client::{Auth, Client, Event, Input, Notice, Output, Received, Start};
use omadm_core::{Format, GenericAlert, Now};
use omadm_gateway::{
    DeliveryError, EndDevices, Gateway, MAX_DEVICES, MAX_NOTIFICATION, ProxySession,
};
use omadm_mo::JobEnd;
use omadm_server::Account;
use omadm_session::{
    Proof, Scheme,
    notification::{Notification, ProvenBy},
    request::{self, Leaf},
};
use omadm_syncml::{Command, Encoding, Exec, Item, Meta, decode};
use omadm_testkit::{
    Bench, DEVICE_ID, Pair, SERVER_ID, TestJournal, Wire, again_over_wbxml, device, encoding,
    statuses, uri,
};

const TRIGGER: &str = "./Gateway/guest/Trigger";
const EXECUTE: &str = "./Gateway/guest/Execute";
const RESULT: &str = "./Gateway/guest/Result";

/// What is behind the gateway: one guest, which may be off or deaf.
#[derive(Default)]
struct Guests {
    notified: Mutex<Vec<Vec<u8>>>,
    fault: Mutex<Option<DeliveryError>>,
    alerts: Mutex<Vec<GenericAlert>>,
    /// The guest falls silent after this many of its messages.
    silent_after: Mutex<Option<usize>>,
}

impl Guests {
    fn find(&self, device: &str) -> Result<(), DeliveryError> {
        match *self.fault.lock().unwrap() {
            _ if device != DEVICE_ID => Err(DeliveryError::Unknown),
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }
}

impl EndDevices for Guests {
    fn notify(&self, device: &str, notification: &[u8]) -> Result<(), DeliveryError> {
        self.find(device)?;
        self.notified.lock().unwrap().push(notification.to_vec());
        Ok(())
    }

    fn session(&self, device: &str, server: &mut ProxySession) -> Result<(), DeliveryError> {
        self.find(device)?;
        let journal = TestJournal::default();
        let (tree, registry, _) = omadm_testkit::device(&journal);
        let now = Now::default();
        let shared = Arc::new(journal.clone());
        let client = Client::new(Bench::config(), tree, registry, shared, now);
        let mut client = client.unwrap().with_random(journal.random());
        for alert in self.alerts.lock().unwrap().drain(..) {
            client
                .handle(Input::Queue(Notice::Alerts(vec![alert])), now)
                .unwrap();
            while client.poll_output().is_some() {}
        }
        client
            .handle(Input::Start(Start::by_client(1)), now)
            .unwrap();
        let (mut carried, mut jobs) = (0, VecDeque::new());
        while client.in_session() {
            let mut request = None;
            while let Some(output) = client.poll_output() {
                match output {
                    Output::Send(sent) => request = Some(sent),
                    Output::Run(job) => jobs.push_back(job),
                    _ => {}
                }
            }
            if let Some(request) = request {
                carried += 1;
                if *self.silent_after.lock().unwrap() == Some(carried) {
                    return Err(DeliveryError::NoAnswer);
                }
                let answer = server.answer(&request.body, request.encoding, now);
                let answer = answer.map_err(|_| DeliveryError::Unreachable)?;
                let received = Received::new(&answer, request.encoding);
                client.handle(Input::Received(received), now).unwrap();
            } else if let Some(job) = jobs.pop_front() {
                let (job, end) = (job.id, JobEnd::Finished(job.run()));
                client.handle(Input::Completed { job, end }, now).unwrap();
            }
        }
        assert!(server.is_over());
        Ok(())
    }
}

/// A device with a gateway that knows the guest.
fn host() -> (Bench, Arc<Guests>) {
    let guests = Arc::<Guests>::default();
    let journal = TestJournal::default();
    let (tree, mut registry, lamp) = device(&journal);
    let gateway = Gateway::new(uri("./Gateway"), guests.clone());
    registry.mount(Box::new(gateway)).unwrap();
    let mut bench = Bench::with(tree, registry, lamp, journal, Bench::config()).unwrap();
    let codes = bench.codes([
        request::add_node("./Gateway/guest", None),
        request::replace("./Gateway/guest/DeviceID", Leaf::from(DEVICE_ID)),
    ]);
    assert_eq!(codes, [200, 200]);
    (bench, guests)
}

fn exec(node: &str, octets: &[u8]) -> Command<'static> {
    let meta = Meta::new().with_format(Format::B64);
    let item = Item::new().with_target(node.to_owned()).with_meta(meta);
    Command::Exec(Exec::new([item.with_data(STANDARD.encode(octets))]))
}

/// The status of an Exec, with its job run in between.
fn run(bench: &mut Bench, node: &str, octets: &[u8]) -> u16 {
    bench.start();
    let answer = bench.say([exec(node, octets)]).unwrap_or_else(|| {
        bench.finish_job();
        bench.read().unwrap()
    });
    bench.say([]);
    statuses(&answer).last().unwrap().1
}

/// Commands for the guest, in the encoding of the run.
fn commands(markup: &str) -> Vec<u8> {
    let header = "<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID>\
                  <MsgID>1</MsgID><Target><LocURI>g</LocURI></Target><Source><LocURI>s</LocURI>\
                  </Source></SyncHdr>";
    omadm_testkit::to_wire(&format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'>{header}<SyncBody>{markup}<Final/></SyncBody></SyncML>"
    ))
}

fn target(id: u8, command: &str, node: &str) -> String {
    format!(
        "<{command}><CmdID>{id}</CmdID><Item><Target><LocURI>{node}</LocURI></Target></Item>\
         </{command}>"
    )
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}

/// VR-208 to VR-210: the notification reaches the guest's client octet by octet, which verifies it
/// and opens a session with the server that signed it.
#[test]
fn transparent_mode_hands_the_notification_over() {
    let device = Some(Proof::new(Scheme::Md5, "guest", "OhBehave"));
    let server = Some(Proof::new(Scheme::Md5, SERVER_ID, "Bruce2"));
    let mut config = Bench::config();
    config.auth = Auth::given(device.clone(), server.clone());
    let account = Account::new(device, server);
    let engine = omadm_server::Config::new("c");
    let mut pair = Pair::new(config, engine, account, Wire::default());
    pair.session();
    let notification = Notification::new(7, SERVER_ID.parse().unwrap()).unwrap();
    let by = ProvenBy::StoredNonce;
    let octets = pair.server.notify(DEVICE_ID, &notification, by).unwrap();

    let (mut host, guests) = host();
    assert_eq!(run(&mut host, TRIGGER, &octets), 200);
    assert_eq!(guests.notified.lock().unwrap()[..], [&octets[..]]);
    pair.events.clear();
    pair.notify(&octets);
    let [Event::Notified(notified)] = pair.events.as_slice() else {
        panic!("{:?}", pair.events);
    };
    let start = notified.start;
    assert_eq!(start.session_id, 7);
    pair.session_of(start);
    assert!(pair.ended.last().unwrap().is_normal());
}

/// Nothing is dropped in silence.
#[test]
fn who_cannot_be_reached_is_told() {
    let read = commands(&target(1, "Get", "./Lamp/Name"));
    for (fault, status) in [
        (DeliveryError::NotRunning, 405),
        (DeliveryError::NoAnswer, 408),
        (DeliveryError::Unreachable, 503),
        (DeliveryError::Unknown, 404),
    ] {
        let (mut host, guests) = host();
        *guests.fault.lock().unwrap() = Some(fault);
        assert_eq!(run(&mut host, TRIGGER, b"package 0"), status, "{fault}");
        assert_eq!(run(&mut host, EXECUTE, &read), status, "{fault}");
        assert_eq!(host.value(RESULT).as_deref(), Some(""));
        assert!(guests.notified.lock().unwrap().is_empty());
    }
    let (mut host, _) = host();
    let other = request::replace("./Gateway/guest/DeviceID", Leaf::from("urn:x:other"));
    assert_eq!(host.codes([other]), [200]);
    assert_eq!(run(&mut host, TRIGGER, b"package 0"), 404);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (mut host, guests) = host();
    let long = vec![0; MAX_NOTIFICATION + 1];
    let alert = "<Alert><CmdID>1</CmdID><Data>1100</Data><Item/></Alert>";
    let inside = format!(
        "<Atomic><CmdID>1</CmdID>{}</Atomic>",
        alert.replace('1', "2")
    );
    let nameless = target(1, "Get", "./Lamp").replace("<CmdID>1</CmdID>", "");
    for (node, octets, status) in [
        (TRIGGER, vec![], 412),
        (TRIGGER, long, 413),
        (EXECUTE, vec![], 412),
        (EXECUTE, b"Get ./Lamp".to_vec(), 400),
        (EXECUTE, commands(""), 400),
        (EXECUTE, commands(alert), 400),
        (EXECUTE, commands(&inside), 400),
        (EXECUTE, commands(&nameless), 400),
        ("./Gateway/none/Trigger", b"x".to_vec(), 404),
        ("./Gateway/guest", b"x".to_vec(), 405),
    ] {
        assert_eq!(run(&mut host, node, &octets), status, "{node} {octets:?}");
    }
    assert!(guests.notified.lock().unwrap().is_empty());
    let nameless = request::add_node("./Gateway/nameless", None);
    assert_eq!(host.codes([nameless]), [200]);
    assert_eq!(run(&mut host, "./Gateway/nameless/Trigger", b"x"), 412);
    let others: Vec<_> = (2..MAX_DEVICES).map(|it| it.to_string()).collect();
    for some in others.chunks(10) {
        let adds = some
            .iter()
            .map(|it| request::add_node(&format!("./Gateway/{it}"), None));
        assert_eq!(host.codes(adds), vec![200; some.len()]);
    }
    let more = ["a", "b"].map(|it| request::add_node(&format!("./Gateway/{it}"), None));
    assert_eq!(host.codes(more), [420, 420]);
}

/// VR-211, VR-212: two related sessions: commands go in and answers come out by their ids, in the
/// addresses of the guest, whose alerts go on with theirs rewritten.
#[test]
fn proxy_mode_relates_two_sessions() {
    let (mut host, guests) = host();
    let mut alert = GenericAlert::new("urn:example:at:hot", Format::Chr);
    alert.source = Some("./Lamp/Level".to_owned());
    guests.alerts.lock().unwrap().push(alert);
    let replace = "<Replace><CmdID>5</CmdID><Item><Target><LocURI>./Lamp/Level</LocURI></Target>\
                   <Meta><Format xmlns='syncml:metinf'>int</Format></Meta><Data>7</Data></Item>\
                   </Replace>";
    let atomic = format!(
        "<Atomic><CmdID>4</CmdID>{replace}{}</Atomic>",
        target(6, "Exec", "./Lamp/On")
    );
    let asked = [
        replace.replace("<CmdID>5<", "<CmdID>1<"),
        target(2, "Get", "./Lamp/Level"),
        target(3, "Get", "./Lamp/None"),
        atomic,
        target(9, "Exec", "./Lamp/Off"),
    ];
    host.start();
    assert!(
        host.say([exec(EXECUTE, &commands(&asked.concat()))])
            .is_none()
    );
    host.finish_job();
    let answer = host.read().unwrap();
    assert_eq!(statuses(&answer).last().unwrap().1, 200);
    let document = host.value(RESULT).unwrap();
    let message = decode(document.as_bytes(), Encoding::Xml, &Default::default()).unwrap();
    let mut told = Vec::new();
    for command in &message.commands {
        told.push(match command {
            Command::Status(it) => format!("{:?} {} {}", it.cmd_ref, it.cmd, it.code.get()),
            Command::Results(it) => {
                let data = it.items[0].data.as_ref().and_then(|data| data.as_text());
                format!("{:?} {}", it.cmd_ref, data.unwrap())
            }
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        told,
        [
            "Command(1) Replace 200",
            "Command(2) Get 200",
            "Command(2) 7",
            "Command(3) Get 404",
            "Command(4) Atomic 507",
            "Command(5) Replace 216",
            "Command(6) Exec 500",
            "Command(9) Exec 200",
        ]
    );
    // The host's own lamp is another.
    assert_eq!(host.value("./Lamp/Level").as_deref(), Some("0"));
    let alerts = answer.commands.iter().filter_map(|command| match command {
        Command::Alert(alert) => alert.generic_alerts().ok(),
        _ => None,
    });
    let alerts: Vec<_> = alerts.flatten().map(|alert| alert.source).collect();
    assert_eq!(alerts, [Some("./Gateway/guest/Lamp/Level".to_owned())]);
}

/// A guest that falls silent amid its session: nothing pretends to be an answer.
#[test]
fn a_session_that_is_lost_is_told() {
    for carried in [1, 2] {
        let (mut host, guests) = host();
        *guests.silent_after.lock().unwrap() = Some(carried);
        let read = commands(&target(1, "Get", "./Lamp/Name"));
        assert_eq!(run(&mut host, EXECUTE, &read), 408, "{carried}");
        assert_eq!(host.value(RESULT).as_deref(), Some(""));
        *guests.silent_after.lock().unwrap() = None;
        assert_eq!(run(&mut host, EXECUTE, &read), 200);
    }
}

/// An end device that hangs is busy until its job ends, also over 202; the others are not.
#[test]
fn an_end_device_has_one_job_at_a_time() {
    let (mut host, guests) = host();
    let codes = host.codes([
        request::add_node("./Gateway/other", None),
        request::replace("./Gateway/other/DeviceID", Leaf::from(DEVICE_ID)),
    ]);
    assert_eq!(codes, [200, 200]);
    host.start();
    assert!(host.say([exec(TRIGGER, b"1")]).is_none());
    host.advance(Duration::from_secs(31));
    let answer = host.read().unwrap();
    assert_eq!(statuses(&answer).last().unwrap().1, 202);
    host.say([]);
    assert_eq!(host.codes([exec(TRIGGER, b"2")]), [405]);
    host.advance(Duration::from_secs(60));
    assert_eq!(
        host.codes([exec(TRIGGER, b"3")]),
        [405],
        "it may still come"
    );
    let (_, job) = host.jobs.pop_first().unwrap();
    let (job, end) = (job.id, JobEnd::Finished(job.run()));
    host.feed(Input::Completed { job, end }).unwrap();
    assert_eq!(run(&mut host, TRIGGER, b"4"), 200);
    assert_eq!(run(&mut host, "./Gateway/other/Trigger", b"5"), 200);
    let notified: [&[u8]; 3] = [b"1", b"4", b"5"];
    assert_eq!(*guests.notified.lock().unwrap(), notified);
    assert_eq!(encoding(), host.script.encoding);
}
