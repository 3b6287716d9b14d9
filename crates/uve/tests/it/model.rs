//! Two users, three VMs, crashes, switches and time, against a model of what is acknowledged.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use uve::{Progress, Selection, Vm, VmEvent, session::State};

use crate::bench::{Bench, Disk, content, user};

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
        1 => vm().prop_map(Step::Crash),
        1 => Just(Step::CrashVmm),
        1 => (0..90u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..60)
}

struct World {
    bench: Bench,
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
        let disks: Vec<Disk> = VMS.iter().map(|_| Disk::default()).collect();
        let vms = VMS
            .iter()
            .zip(&disks)
            .map(|(name, disk)| bench.vm(name, disk))
            .collect();
        Self {
            bench,
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
            Step::Crash(vm) => {
                self.vms[vm] = self.bench.vm(VMS[vm], &self.disks[vm]);
            }
            Step::CrashVmm => {
                self.bench.restart();
                // VMs hold on to the VMM they know: they are started with the new one.
                for (vm, (name, disk)) in self.vms.iter_mut().zip(VMS.iter().zip(&self.disks)) {
                    *vm = self.bench.vm(name, disk);
                }
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
                    assert_eq!(version.0, known.0 + 1, "versions grow by one");
                    *known = (version.0, copy);
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
        if !before.is_consumed() && now == State::Serving {
            let selection = self.vms[vm].selection().unwrap();
            let copy = content(&self.vms[vm], &selection);
            let known = &self.acknowledged[selection.user.as_str()];
            assert_eq!(copy, known.1, "the last acknowledged version is served");
            self.copies[vm] = Some((selection, copy));
        }
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
        for name in USERS {
            assert_eq!(self.bench.vmm.holder(&user(name)).unwrap(), None);
            let selection = self.bench.serve(name, &self.vms[0]);
            assert_eq!(
                content(&self.vms[0], &selection),
                self.acknowledged[name].1,
                "{name}"
            );
            self.vms[0].finish(&selection.session).unwrap();
            self.vms[0].drive().unwrap();
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
