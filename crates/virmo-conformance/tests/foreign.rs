//! What becomes of a subject that does less than ours, and of one that lets nobody in.
#![allow(clippy::unwrap_used, reason = "test code")]

use virmo::dm::{
    core::StatusCode,
    syncml::{CmdRef, Command, Encoding, Limits, Message, decode, encode},
};
use virmo::nodes::Profile;
use virmo_conformance::{
    Begun, Conformance, Device, Failed, Image, OurDevice, OurServer, Outcome, Packet, Seed, Server,
    rows,
};

/// Our server, whose messages are changed on their way.
struct Changed {
    server: OurServer,
    change: fn(&mut Message<'static>),
    is_done: fn(&OurServer) -> Option<bool>,
}

impl Server for Changed {
    fn encodings(&self) -> Vec<Encoding> {
        vec![Encoding::Xml]
    }

    fn follows(&self, profile: Profile) -> bool {
        profile == Profile::Approved
    }

    fn begin(&mut self, image: &dyn Fn(Image) -> String, profile: Profile) -> Result<(), Failed> {
        self.server.begin(image, profile)
    }

    fn exchange(&mut self, packet: &Packet, encoding: Encoding) -> Result<Packet, Failed> {
        let answer = self.server.exchange(packet, encoding)?;
        let mut message = decode(&answer.body, encoding, &Limits::lenient())
            .unwrap()
            .into_owned();
        (self.change)(&mut message);
        let mut body = Vec::new();
        encode(&message, encoding, &mut body).unwrap();
        Ok(body.into())
    }

    fn is_done(&self) -> Option<bool> {
        (self.is_done)(&self.server)
    }
}

fn outcome(subject: &mut Conformance, id: &str) -> Outcome {
    let row = rows(Seed::Approved).find(|row| row.id == id);
    subject.judge(row.unwrap())
}

/// VR-108, VR-219, VR-221, VR-225: LAWMO comes with `DMTree`, and a server may be content with that.
#[test]
fn a_server_that_adds_only_the_tree_of_a_vm_is_right() {
    let mut subject = Conformance::of_server(Changed {
        server: OurServer::new(),
        change: |message| {
            for command in &mut message.commands {
                let is_add = matches!(command, Command::Add(_));
                let items = command.items_mut().into_iter().flatten();
                for target in items.filter_map(|item| item.target.as_mut()) {
                    if is_add && let Some((vm, _)) = target.uri.split_once("/DMTree/") {
                        target.uri = format!("{vm}/DMTree").into();
                    }
                }
            }
        },
        is_done: Server::is_done,
    });
    for id in ["VR-108", "VR-219", "VR-221", "VR-225"] {
        assert_eq!(outcome(&mut subject, id), Outcome::Proven, "{id}");
    }
}

/// VR-108, VR-228: a server that adds `DMTree` and does nothing below it shows nothing of either.
#[test]
fn a_server_that_does_nothing_below_the_tree_is_not_judged_by_it() {
    let mut subject = Conformance::of_server(Changed {
        server: OurServer::new(),
        change: |message| {
            for command in &mut message.commands {
                let items = command.items_mut().into_iter().flatten();
                for target in items.filter_map(|item| item.target.as_mut()) {
                    if let Some((vm, _)) = target.uri.split_once("/DMTree/") {
                        target.uri = format!("{vm}/DMTree").into();
                    }
                }
            }
        },
        is_done: Server::is_done,
    });
    for id in ["VR-108", "VR-219", "VR-221", "VR-224", "VR-225", "VR-228"] {
        let outcome = outcome(&mut subject, id);
        assert!(matches!(outcome, Outcome::NotObservable(_)), "{id}");
    }
}

#[test]
fn a_server_that_refuses_the_device_is_one_error() {
    let mut subject = Conformance::of_server(Changed {
        server: OurServer::new(),
        change: |message| {
            message.commands.retain_mut(|command| match command {
                Command::Status(status) if status.cmd_ref == CmdRef::Header => {
                    status.code = StatusCode::AUTHENTICATION_REQUIRED;
                    true
                }
                Command::Status(_) => true,
                _ => false,
            });
        },
        is_done: |_| None,
    });
    let met = subject.meet(Profile::Approved).unwrap_err().to_string();
    assert_eq!(
        met,
        "the server refuses the device: SyncHdr was answered with 407"
    );
}

/// A device of ours that stops to come after some messages.
struct Tired {
    device: OurDevice,
    messages: u32,
}

impl Device for Tired {
    fn encodings(&self) -> Vec<Encoding> {
        Vec::new()
    }

    fn follows(&self, profile: Profile) -> bool {
        profile == Profile::Approved
    }

    fn begin(&mut self, _: Option<Encoding>, profile: Profile) -> Result<Begun, Failed> {
        self.device.begin(Some(Encoding::Xml), profile)
    }

    fn receive(&mut self) -> Result<(Packet, Encoding), Failed> {
        self.messages = self.messages.saturating_sub(1);
        match self.messages {
            0 => Err(Failed("it sleeps".to_owned())),
            _ => self.device.receive(),
        }
    }

    fn answer(&mut self, packet: Packet) -> Result<(), Failed> {
        self.device.answer(packet)
    }

    fn image(&self, image: Image) -> String {
        self.device.image(image)
    }

    fn is_silent(&self) -> bool {
        self.messages == 0
    }
}

#[test]
fn a_silent_device_is_not_observable() {
    let mut subject = Conformance::of_device(Tired {
        device: OurDevice::new(),
        messages: 6,
    });
    subject.meet(Profile::Approved).unwrap();
    // Of two scenarios.
    for id in ["VR-190", "VR-180", "VR-247"] {
        let outcome = outcome(&mut subject, id);
        assert!(
            matches!(outcome, Outcome::NotObservable(_)),
            "{id}: {outcome:?}"
        );
    }
}
