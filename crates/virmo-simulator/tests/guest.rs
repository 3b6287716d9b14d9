//! The guest of a simulated machine, and what it can do wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{fs, time::Duration};

use omadm_core::StatusCode;
use omadm_syncml::Encoding;
use omadm_tree::{NewNode, Uri, Value};
use virmo_guest::{Command, Limits, MessageError, Reply, Request};
use virmo_hypervisor::{
    Hypervisor, HypervisorError, HypervisorErrorKind as Kind, MachineState, PowerOff, VmSpec,
};
use virmo_simulator::{Misbehaviour, Simulator};
use virmo_state::VmId;

struct Bench {
    simulator: Simulator,
    vm: VmId,
    number: u32,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        fs::write(&image, "an image").unwrap();
        let simulator = Simulator::builder(dir.path().join("simulator"))
            .without_sync()
            .open()
            .unwrap();
        let vm: VmId = "vm-1".parse().unwrap();
        let resources = "RAM=1&Storage=10&CPU=1&Network=1".parse().unwrap();
        let spec = VmSpec::new(vm.clone(), &image, "application/octet-stream", resources);
        simulator.create(&spec).unwrap();
        simulator.power_on(&vm).unwrap();
        let (number, _dir) = (0, dir);
        Self {
            simulator,
            vm,
            number,
            _dir,
        }
    }

    fn call(
        &mut self,
        command: Command,
    ) -> Result<Result<StatusCode, MessageError>, HypervisorError> {
        self.number += 1;
        let request = Request::new("1", self.number, vec![command]);
        let message = request.encode(Encoding::Wbxml).unwrap();
        let channel = self.simulator.guest_channel().unwrap();
        let reply = channel.exchange(&self.vm, &message, Duration::ZERO, 4096, &|| false)?;
        let reply = Reply::decode(&reply, &request, &Limits::default());
        Ok(reply.map(|reply| reply.answers.first().unwrap().status))
    }

    fn has(&self, uri: &Uri) -> bool {
        self.simulator
            .guest(&self.vm, |guest| guest.contains(uri))
            .unwrap()
    }
}

fn add(name: &str) -> (Uri, Command) {
    let uri = Uri::root().child(name).unwrap();
    let node = NewNode::Leaf(Value::int(1));
    (uri.clone(), Command::Add { uri, node })
}

#[test]
fn a_guest_keeps_its_state_until_the_power_goes() {
    let mut bench = Bench::new();
    let (uri, command) = add("a");
    assert_eq!(bench.call(command).unwrap(), Ok(StatusCode::OK));
    bench.simulator.suspend(&bench.vm).unwrap();
    assert!(bench.has(&uri));
    bench.simulator.resume(&bench.vm).unwrap();
    assert!(bench.has(&uri));
    bench
        .simulator
        .power_off(&bench.vm, PowerOff::Force)
        .unwrap();
    assert!(bench.simulator.guest(&bench.vm, |_| ()).is_err());
    bench.simulator.power_on(&bench.vm).unwrap();
    assert!(!bench.has(&uri));
    bench
        .simulator
        .guest(&bench.vm, |guest| guest.set(&uri, Value::int(2)))
        .unwrap();
    bench.simulator.end_guest(&bench.vm, true).unwrap();
    bench.simulator.power_on(&bench.vm).unwrap();
    assert!(!bench.has(&uri));
}

/// VR-067: a suspended machine executes nothing.
#[test]
fn a_suspended_guest_is_not_talked_to() {
    let mut bench = Bench::new();
    bench.simulator.suspend(&bench.vm).unwrap();
    let (uri, command) = add("a");
    let observed = MachineState::Suspended;
    let error = bench.call(command).unwrap_err();
    assert_eq!(error.kind(), &Kind::InvalidState { observed });
    assert!(!bench.has(&uri));
}

#[test]
fn each_misbehaviour_shows_once_and_harms_no_later_exchange() {
    let timeout = Kind::Timeout {
        may_have_happened: true,
    };
    for wrong in Misbehaviour::ALL {
        let mut bench = Bench::new();
        let (uri, command) = add("a");
        bench.simulator.misbehave(wrong);
        let answer = bench.call(command);
        let failed =
            |kind: &Kind| assert_eq!(answer.as_ref().unwrap_err().kind(), kind, "{wrong:?}");
        let replied = |due| assert_eq!(*answer.as_ref().unwrap(), due, "{wrong:?}");
        match wrong {
            Misbehaviour::Silent | Misbehaviour::Late | Misbehaviour::WrongId => failed(&timeout),
            Misbehaviour::Noisy => replied(Ok(StatusCode::OK)),
            Misbehaviour::Garbage => {
                assert!(
                    matches!(answer, Ok(Err(MessageError::Syncml(_)))),
                    "{answer:?}"
                );
            }
            Misbehaviour::WrongSession => replied(Err(MessageError::WrongRequest)),
            Misbehaviour::TooLong => failed(&Kind::Backend),
            Misbehaviour::Vanish => {
                failed(&Kind::Backend);
                let state = bench.simulator.observe(&bench.vm).unwrap().state;
                assert_eq!(state, MachineState::Off { crashed: true });
                bench.simulator.power_on(&bench.vm).unwrap();
            }
            _ => panic!("{wrong:?} is not expected here"),
        }
        let did = [
            Misbehaviour::Late,
            Misbehaviour::Noisy,
            Misbehaviour::WrongId,
        ];
        assert_eq!(bench.has(&uri), did.contains(&wrong), "{wrong:?}");
        let (other, command) = add("b");
        assert_eq!(
            bench.call(command).unwrap(),
            Ok(StatusCode::OK),
            "{wrong:?}"
        );
        assert!(bench.has(&other));
    }
}
