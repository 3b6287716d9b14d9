//! A device with a gateway, its server, and an end device behind it, in one process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod hostile;
mod modes;
mod restarts;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use omadm_client::{Auth, Client, Input, Notice, Output, Received, Start};
use omadm_core::{Format, GenericAlert, Now};
use omadm_gateway::{Account, DeliveryError, EndDevices, Gateway, ProxySession, Request};
use omadm_mo::JobEnd;
use omadm_session::{
    Proof,
    request::{self, Leaf},
};
use omadm_syncml::{Command, Encoding, Exec, Item, Message, Meta, decode};
use omadm_testkit::{Bench, DEVICE_ID, TestJournal, again_over_wbxml, device, statuses, uri};

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
    /// MaxMsgSize of the guest.
    max_message: Mutex<Option<u32>>,
    /// What is agreed on at the gateway, and what the guest believes.
    accounts: Mutex<[Option<(Proof, Proof)>; 2]>,
    /// The nonces of the guest.
    journal: TestJournal,
    messages: Mutex<usize>,
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
        let journal = self.journal.clone();
        let (tree, registry, _) = omadm_testkit::device(&journal);
        let now = Now::default();
        let shared = Arc::new(journal.clone());
        let mut config = Bench::config();
        if let Some(most) = *self.max_message.lock().unwrap() {
            config.max_message_size = most;
        }
        if let Some((device, server)) = self.accounts.lock().unwrap()[1].clone() {
            config.auth = Auth::given(Some(device), Some(server));
        }
        let client = Client::new(config, tree, registry, shared, now);
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
                *self.messages.lock().unwrap() += 1;
                if *self.silent_after.lock().unwrap() == Some(carried) {
                    return Err(DeliveryError::NoAnswer);
                }
                let carried = Request::new(&request.body, request.encoding, now);
                let answer = server.answer(carried.with_hmac(request.hmac.as_deref()));
                let answer = answer.map_err(|_| DeliveryError::Unreachable)?;
                let received = Received::new(&answer.body, answer.encoding);
                let received = received.with_hmac(answer.hmac.as_deref());
                client.handle(Input::Received(received), now).unwrap();
            } else if let Some(job) = jobs.pop_front() {
                let (job, end) = (job.id, JobEnd::Finished(job.run()));
                client.handle(Input::Completed { job, end }, now).unwrap();
            }
        }
        let proven = self.accounts.lock().unwrap()[0].is_some();
        assert!(server.is_over() || proven);
        Ok(())
    }

    fn account(&self, device: &str) -> Account {
        assert_eq!(device, DEVICE_ID);
        match self.accounts.lock().unwrap()[0].clone() {
            Some((device, server)) => Account::new(Some(device), Some(server)),
            None => Account::default(),
        }
    }
}

/// A device with a gateway.
fn host_on(journal: TestJournal, devices: Arc<dyn EndDevices>) -> Bench {
    let (tree, mut registry, lamp) = device(&journal);
    let shared = Arc::new(journal.clone());
    let gateway = Gateway::new(uri("./Gateway"), devices, shared).unwrap();
    let gateway = gateway.with_random(journal.random());
    registry.mount(Box::new(gateway)).unwrap();
    Bench::with(tree, registry, lamp, journal, Bench::config()).unwrap()
}

/// A device with a gateway that knows the guest.
fn host() -> (Bench, Arc<Guests>) {
    let guests = Arc::<Guests>::default();
    let mut bench = host_on(TestJournal::default(), guests.clone());
    know(&mut bench);
    (bench, guests)
}

fn know(bench: &mut Bench) {
    let codes = bench.codes([
        request::add_node("./Gateway/guest", None),
        request::replace("./Gateway/guest/DeviceID", Leaf::from(DEVICE_ID)),
    ]);
    assert_eq!(codes, [200, 200]);
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

/// What Result says, an answer a line.
fn told(host: &Bench) -> Vec<String> {
    let document = host.value(RESULT).unwrap();
    if document.is_empty() {
        return Vec::new();
    }
    let message = decode(document.as_bytes(), Encoding::Xml, &Default::default()).unwrap();
    let told = message.commands.iter().map(|command| match command {
        Command::Status(it) => format!("{:?} {} {}", it.cmd_ref, it.cmd, it.code.get()),
        Command::Results(it) => {
            let data = it.items[0].data.as_ref().and_then(|data| data.as_text());
            format!("{:?} {}", it.cmd_ref, data.unwrap())
        }
        other => panic!("{other:?}"),
    });
    told.collect()
}

/// The Generic Alerts of the device's next session: source, Correlator, data.
fn alerts(host: &mut Bench) -> Vec<(String, Option<String>, String)> {
    let mut said = Some(host.start());
    let mut heard = Vec::new();
    while let Some(message) = said {
        heard.extend(alerts_in(&message));
        said = host.say([]);
    }
    heard
}

fn alerts_in(message: &Message<'_>) -> Vec<(String, Option<String>, String)> {
    let alerts = message.commands.iter().filter_map(|command| match command {
        Command::Alert(alert) => alert.generic_alerts().ok(),
        _ => None,
    });
    let told = alerts.flatten().map(|alert| {
        let correlator = alert.correlator.map(|it| it.as_str().to_owned());
        (alert.source.unwrap(), correlator, alert.data)
    });
    told.collect()
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
