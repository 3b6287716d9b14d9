//! Two users, three VMs, crashes, broken wires, switches and time, against a model of what is
//! acknowledged.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use uve::{Uve5, session::State};
use uve_engine::{Blobs, Progress, Selection, Vm, VmEvent};

use crate::bench::{Bench, Break, Disk, Wire, content};

const USERS: [&str; 2] = ["ann", "bob"];
const VMS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    /// The VMM selects the VM for the user, who logs in there.
    LogIn {
        user: usize,
        vm: usize,
    },
    Write {
        vm: usize,
        octet: u8,
    },
    Finish(usize),
    Disconnect(usize),
    Drive(usize),
    /// The wire breaks after so many calls, at the request or at the answer.
    DriveOnto {
        vm: usize,
        calls: i64,
        how: Break,
    },
    /// The VM stops and starts.
    Crash(usize),
    /// The VMM stops and starts.
    CrashVmm,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let vm = || 0..VMS.len();
    let step = prop_oneof![
        3 => (0..USERS.len(), vm()).prop_map(|(user, vm)| Step::LogIn { user, vm }),
        3 => (vm(), any::<u8>()).prop_map(|(vm, octet)| Step::Write { vm, octet }),
        2 => vm().prop_map(Step::Finish),
        1 => vm().prop_map(Step::Disconnect),
        6 => vm().prop_map(Step::Drive),
        2 => (vm(), 0..6i64, prop_oneof![Just(Break::Request), Just(Break::Answer)])
            .prop_map(|(vm, calls, how)| Step::DriveOnto { vm, calls, how }),
        1 => vm().prop_map(Step::Crash),
        1 => Just(Step::CrashVmm),
        1 => (0..90u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..60)
}

struct World {
    bench: Bench,
    wire: Arc<Wire>,
    disks: Vec<Disk>,
    vms: Vec<Vm>,
    /// What each user's image holds by what was acknowledged, and its version.
    acknowledged: BTreeMap<&'static str, (u64, Vec<u8>)>,
    /// What the copy on each VM holds.
    copies: Vec<Option<(Selection, Vec<u8>)>>,
}

impl World {
    fn new() -> Self {
        let bench = Bench::new();
        let wire = Wire::new(&bench.vmm);
        let disks: Vec<Disk> = VMS.iter().map(|_| Disk::default()).collect();
        let vms = VMS
            .iter()
            .zip(&disks)
            .map(|(name, disk)| bench.vm_over(name, disk, wire.clone()))
            .collect();
        Self {
            bench,
            wire,
            disks,
            vms,
            acknowledged: USERS.iter().map(|name| (*name, (0, Vec::new()))).collect(),
            copies: vec![None; VMS.len()],
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::LogIn { user, vm } => {
                if self.vms[vm].state() == State::Idle {
                    let selection = self.bench.select(USERS[user], VMS[vm]);
                    self.vms[vm].serve(&selection).unwrap();
                }
            }
            Step::Write { vm, octet } => {
                let place = self.copies[vm].as_mut();
                if let (true, Some((selection, copy))) = (self.vms[vm].state().is_consumed(), place)
                {
                    let end = copy.len() as u64;
                    self.vms[vm]
                        .write_image(&selection.session, end, &[octet])
                        .unwrap();
                    copy.push(octet);
                }
            }
            Step::Finish(vm) => {
                if let Some(selection) = self.vms[vm].selection() {
                    // Refused where it cannot happen; nothing changes then.
                    _ = self.vms[vm].finish(&selection.session);
                }
            }
            Step::Disconnect(vm) => {
                if let Some(selection) = self.vms[vm].selection() {
                    _ = self.vms[vm].disconnect(&selection.session);
                }
            }
            Step::Drive(vm) => self.drive(vm),
            Step::DriveOnto { vm, calls, how } => {
                self.wire.break_after(calls, how);
                self.drive(vm);
                self.wire.mend();
            }
            Step::Crash(vm) => {
                let wire = self.wire.clone();
                self.vms[vm] = self.bench.vm_over(VMS[vm], &self.disks[vm], wire);
            }
            Step::CrashVmm => {
                self.bench.restart();
                *self.wire.to.lock().unwrap() = self.bench.vmm.clone();
            }
            Step::Wait(seconds) => self.bench.clock.advance(Duration::from_secs(seconds)),
        }
    }

    fn drive(&mut self, vm: usize) {
        let before = self.vms[vm].state();
        drop(self.vms[vm].take_events());
        self.vms[vm].drive().unwrap();
        for event in self.vms[vm].take_events() {
            match event {
                VmEvent::Saved { user, version } => {
                    let (selection, copy) = self.copies[vm].take().unwrap();
                    assert_eq!(selection.user, user);
                    let known = self.acknowledged.get_mut(user.as_str()).unwrap();
                    // It may have been in force before without the VM knowing.
                    if version.0 > known.0 {
                        assert_eq!(version.0, known.0 + 1, "versions grow by one");
                        *known = (version.0, copy);
                    } else if version.0 == known.0 {
                        assert_eq!(known.1, copy, "one version is one image");
                    }
                }
                VmEvent::SetAside { name, .. } => {
                    let (_, copy) = self.copies[vm].take().unwrap();
                    let mut octets = vec![0; copy.len() + 1];
                    let read = self.vms[vm].read_aside(&name, 0, &mut octets).unwrap();
                    assert_eq!(octets[..read], copy, "what was refused is kept");
                    self.vms[vm].discard_aside(&name).unwrap();
                }
                _ => {}
            }
        }
        let now = self.vms[vm].state();
        if now == State::Idle {
            let copy = self.disks[vm].blobs.len("copy").unwrap();
            assert_eq!(copy, None, "an idle VM has nobody's image");
        }
        if !before.is_consumed() && now == State::Serving {
            let selection = self.vms[vm].selection().unwrap();
            let copy = content(&self.vms[vm], &selection);
            self.served(&selection, &copy);
            self.copies[vm] = Some((selection, copy));
        }
    }

    /// What is served is the last version acknowledged, or one that is in force without its VM
    /// knowing: the answer was lost.
    fn served(&mut self, selection: &Selection, image: &[u8]) {
        let vmm = &self.bench.vmm;
        let version = vmm.retrieve_uif(&selection.vm, &selection.user).unwrap();
        let version = version.image.map_or(0, |image| image.version.0);
        let name = selection.user.as_str();
        let known = self.acknowledged.get_mut(name).unwrap();
        if version == known.0 {
            assert_eq!(image, known.1, "the last acknowledged version is served");
            return;
        }
        assert_eq!(version, known.0 + 1, "versions grow by one");
        let is_waiting = |vm: usize| {
            let of_vm = self.copies[vm].as_ref();
            self.vms[vm].state() == State::UifSaving
                && of_vm.is_some_and(|(of, copy)| of.user == selection.user && copy == image)
        };
        assert!((0..VMS.len()).any(is_waiting), "an image of no VM's making");
        *known = (version, image.to_vec());
    }

    /// Nobody changes anything any more: everything settles, and nothing acknowledged is lost.
    fn settle(mut self) {
        for _ in 0..4 {
            for vm in 0..VMS.len() {
                self.step(Step::Finish(vm));
                self.drive(vm);
            }
            self.bench.clock.advance(Duration::from_secs(61));
        }
        for (vm, machine) in self.vms.iter().enumerate() {
            assert_eq!(machine.state(), State::Idle, "{}", VMS[vm]);
            assert!(matches!(machine.drive().unwrap(), Progress::Idle));
        }
        // A lease whose return was lost has run out: whoever held it, another VM serves.
        for (name, vm) in USERS.into_iter().flat_map(|name| [(name, 0), (name, 1)]) {
            let selection = self.bench.serve(name, &self.vms[vm]);
            let image = content(&self.vms[vm], &selection);
            assert_eq!(image, self.acknowledged[name].1, "{name}");
            self.vms[vm].finish(&selection.session).unwrap();
            self.vms[vm].drive().unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Rules 1 to 3 and 5 to 7 under any order of events.
    #[test]
    fn what_was_acknowledged_is_served(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.settle();
    }
}
