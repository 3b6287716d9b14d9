//! Every call to a journal or to blobs fails once, on either side, in a whole day of a user; what
//! was promised holds afterwards.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, Space};
use uve::{
    DataCentre, Digest, MonitoringNotification, UaPackage, Uve2, Uve2Error, Version, session::State,
};
use uve_engine::{
    Blobs, EmbeddedDataCentre, MemoryBlobs, Progress, Selection, Vm, VmConfig, VmEvent, Vmm,
    VmmConfig, VmmEvent,
};

use crate::bench::{Bench, Disk, PACKAGE, Wire, content, editor, ua, user, vm_id};

const TEXT: &[u8] = b"a text of a few pieces of seven octets each";

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// Nothing is done.
    Undone,
    /// Blobs do half of it, or all of it, and say that they did not; a journal cannot.
    Half,
    /// From this call on nothing is done: the process ends here.
    End,
    /// The same, and what was not synced is lost.
    PowerCut,
}

/// Calls that pass until one fails.
struct Medium {
    disk: Disk,
    left: AtomicI64,
    fault: Fault,
    struck: AtomicBool,
    /// What blobs that are not synced are after a power cut; none: there is no such blob.
    durable: Mutex<BTreeMap<String, Option<Vec<u8>>>>,
}

impl Medium {
    fn new(disk: Disk, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            disk,
            left: AtomicI64::new(-1),
            fault,
            struck: AtomicBool::new(false),
            durable: Mutex::default(),
        })
    }

    fn mend(&self) {
        let struck = self.left.swap(-1, Ordering::SeqCst) == 0;
        let lost = std::mem::take(&mut *self.durable.lock().unwrap());
        if self.fault != Fault::PowerCut || !struck {
            return;
        }
        for (name, octets) in lost {
            self.disk.blobs.remove(&name).unwrap();
            if let Some(octets) = octets {
                self.disk.blobs.write_at(&name, 0, &octets).unwrap();
            }
        }
    }

    /// Keeps what a blob was when it was last durable.
    fn touch(&self, name: &str) {
        let mut durable = self.durable.lock().unwrap();
        if !durable.contains_key(name) {
            durable.insert(name.to_owned(), whole(&self.disk.blobs, name));
        }
    }

    fn fails(&self) -> bool {
        let left = self.left.load(Ordering::SeqCst);
        if left < 0 {
            return false;
        }
        if left > 0 || !matches!(self.fault, Fault::End | Fault::PowerCut) {
            self.left.store(left - 1, Ordering::SeqCst);
        }
        if left == 0 {
            self.struck.store(true, Ordering::SeqCst);
        }
        left == 0
    }

    fn blob<T>(
        &self,
        half: impl FnOnce(&dyn Blobs),
        whole: impl FnOnce(&dyn Blobs) -> io::Result<T>,
    ) -> io::Result<T> {
        if !self.fails() {
            return whole(&*self.disk.blobs);
        }
        if self.fault == Fault::Half {
            half(&*self.disk.blobs);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Err(io::Error::other("a fault"))
    }

    fn record<T>(
        &self,
        whole: impl FnOnce() -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        match (self.fails(), self.fault) {
            (false, _) => whole(),
            (true, Fault::Half) => Err(JournalError::new(JournalErrorKind::Full, None)),
            (true, _) => Err(JournalError::new(JournalErrorKind::Io, None)),
        }
    }
}

fn whole(blobs: &MemoryBlobs, name: &str) -> Option<Vec<u8>> {
    let len = blobs.len(name).unwrap()?;
    let mut octets = vec![0; usize::try_from(len).unwrap()];
    blobs.read_at(name, 0, &mut octets).unwrap();
    Some(octets)
}

impl Blobs for Medium {
    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        self.blob(|_| {}, |blobs| blobs.len(name))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.blob(|_| {}, |blobs| blobs.read_at(name, offset, buffer))
    }

    fn write_at(&self, name: &str, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.blob(
            |blobs| {
                blobs
                    .write_at(name, offset, &octets[..octets.len() / 2])
                    .unwrap();
            },
            |blobs| {
                self.touch(name);
                blobs.write_at(name, offset, octets)
            },
        )
    }

    fn set_len(&self, name: &str, len: u64) -> io::Result<()> {
        let half = |blobs: &dyn Blobs| blobs.set_len(name, len).unwrap();
        self.blob(half, |blobs| {
            self.touch(name);
            blobs.set_len(name, len)
        })
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.blob(
            |_| {},
            |blobs| {
                self.durable.lock().unwrap().remove(name);
                blobs.sync(name)
            },
        )
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let half = |blobs: &dyn Blobs| blobs.rename(from, to).unwrap();
        self.blob(half, |blobs| {
            let mut durable = self.durable.lock().unwrap();
            if let Some(octets) = durable.remove(from) {
                durable.insert(to.to_owned(), octets);
            }
            blobs.rename(from, to)
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let half = |blobs: &dyn Blobs| blobs.remove(name).unwrap();
        self.blob(half, |blobs| {
            self.durable.lock().unwrap().remove(name);
            blobs.remove(name)
        })
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.blob(|_| {}, |blobs| blobs.names())
    }
}

impl Journal for Medium {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        self.record(|| self.disk.journal.commit(batch))
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.record(|| self.disk.journal.read(space, key))
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.record(|| self.disk.journal.scan(space, visit))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Vm,
    Vmm,
}

struct World {
    bench: Bench,
    wire: Arc<Wire>,
    side: Side,
    restarts: bool,
    medium: Arc<Medium>,
    /// What the VM keeps.
    disk: Disk,
    vm: Option<Vm>,
    selection: Option<Selection>,
    /// What the copy held when the VM was last driven.
    copy: Vec<u8>,
    /// The VM was started again while its user worked.
    cut_short: bool,
    told: Vec<VmmEvent>,
    heard: Vec<VmEvent>,
}

type Step = Result<(), String>;

fn said(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

impl World {
    fn new(side: Side, fault: Fault, restarts: bool, at: i64) -> Self {
        let bench = Bench::new();
        let first = bench.vm("first", &Disk::default());
        let selection = bench.serve("ann", &first);
        first.write_image(&selection.session, 0, TEXT).unwrap();
        first.finish(&selection.session).unwrap();
        first.drive().unwrap();
        drop(bench.vmm.take_events());
        let wire = Wire::new(&bench.vmm);
        let disk = Disk::default();
        let of_side = match side {
            Side::Vm => &disk,
            Side::Vmm => &bench.disk,
        };
        let medium = Medium::new(of_side.clone(), fault);
        medium.left.store(at, Ordering::SeqCst);
        Self {
            wire,
            side,
            restarts,
            medium,
            disk,
            vm: None,
            selection: None,
            copy: Vec::new(),
            cut_short: false,
            told: Vec::new(),
            heard: Vec::new(),
            bench,
        }
    }

    fn open_vm(&mut self) -> Step {
        if let Some(vm) = self.vm.take() {
            self.heard.extend(vm.take_events());
            self.cut_short |= vm.state().is_consumed();
        }
        let mut config = VmConfig::default();
        config.piece = 7;
        let (journal, blobs): (Arc<dyn Journal>, Arc<dyn Blobs>) = match self.side {
            Side::Vm => (self.medium.clone(), self.medium.clone()),
            Side::Vmm => (self.disk.journal.clone(), self.disk.blobs.clone()),
        };
        let (vmm, clock) = (self.wire.clone(), self.bench.clock.clone());
        let vm = Vm::open(vm_id("a"), vmm, journal, blobs, clock, config).map_err(said)?;
        self.vm = Some(vm);
        Ok(())
    }

    fn open_vmm(&mut self) -> Step {
        self.told.extend(self.bench.vmm.take_events());
        let (journal, blobs): (Arc<dyn Journal>, Arc<dyn Blobs>) = match self.side {
            Side::Vmm => (self.medium.clone(), self.medium.clone()),
            Side::Vm => (
                self.bench.disk.journal.clone(),
                self.bench.disk.blobs.clone(),
            ),
        };
        let centre = EmbeddedDataCentre::open(journal.clone(), blobs, 1 << 20).map_err(said)?;
        let (clock, config) = (self.bench.clock.clone(), VmmConfig::default());
        let vmm = Arc::new(Vmm::open(journal, Arc::new(centre), clock, config).map_err(said)?);
        *self.wire.to.lock().unwrap() = vmm.clone();
        self.bench.vmm = vmm;
        Ok(())
    }

    /// Does a step again until it is done; after a failure the side is started again, or not.
    fn until(&mut self, step: impl Fn(&mut Self) -> Step) {
        for _ in 0..20 {
            let Err(error) = step(self) else {
                return;
            };
            assert!(self.medium.struck.load(Ordering::SeqCst), "{error}");
            self.in_force();
            if self.restarts {
                self.medium.mend();
                let opened = match self.side {
                    Side::Vm => self.open_vm(),
                    Side::Vmm => self.open_vmm(),
                };
                opened.unwrap();
            }
        }
        panic!("a step is never done");
    }

    /// Rule 3: whatever just failed, a whole image is in force.
    fn in_force(&self) {
        let Disk { journal, blobs } = self.bench.disk.clone();
        let centre = EmbeddedDataCentre::open(journal, blobs, 1 << 20).unwrap();
        let info = centre.info(&user("ann")).unwrap().unwrap();
        let mut octets = vec![0; TEXT.len()];
        let read = centre.read(&user("ann"), info.version, 0, &mut octets);
        assert_eq!(read, Ok(TEXT.len()));
        assert_eq!(Digest::of(&octets), info.digest);
    }

    fn vm(&self) -> &Vm {
        self.vm.as_ref().unwrap()
    }

    /// Something the user's session does, unless the VM was started again and ended it.
    fn in_session(&self, step: impl FnOnce(&Vm, &Selection) -> Step) -> Step {
        let selection = self.selection.as_ref().unwrap();
        match self.cut_short || !self.vm().state().is_consumed() {
            true => Ok(()),
            false => step(self.vm(), selection),
        }
    }

    fn drive(&mut self, to: State) -> Step {
        if let Some(copy) = whole(&self.disk.blobs, "copy") {
            self.copy = copy;
        }
        let progress = self.vm().drive().map_err(said)?;
        let state = self.vm().state();
        match progress {
            Progress::Waiting { error, .. } => Err(said(error)),
            _ if state == to || self.cut_short => Ok(()),
            _ => Err(format!("{state:?} instead of {to:?}")),
        }
    }

    fn day(&mut self) {
        self.until(Self::open_vmm);
        self.until(Self::open_vm);
        self.until(|world| world.vm().deploy_ua(&editor(), PACKAGE).map_err(said));
        let better = || UaPackage {
            version: "2".into(),
            digest: Digest::of(b"better"),
            ..editor()
        };
        self.until(|world| world.vm().update_ua(&better(), b"better").map_err(said));
        self.until(|world| {
            let selected = world.bench.vmm.select(&user("ann"), &ua(), &vm_id("a"));
            world.selection = Some(selected.map_err(said)?);
            Ok(())
        });
        self.until(|world| {
            let selection = world.selection.clone().unwrap();
            world.vm().serve(&selection).map_err(said)
        });
        self.until(|world| world.drive(State::Serving));
        self.until(|world| {
            world.in_session(|vm, selection| {
                let session = &selection.session;
                vm.write_image(session, 0, b"A TEXT").map_err(said)
            })
        });
        self.until(|world| {
            world.in_session(|vm, selection| {
                let (monitor, session) = (user("eve"), selection.session.clone());
                let seconds = None;
                let notification = MonitoringNotification {
                    monitor,
                    session,
                    seconds,
                };
                vm.notify_monitoring(&notification).map_err(said)
            })
        });
        self.until(|world| {
            world.in_session(|vm, selection| {
                vm.monitor(&selection.session, &user("eve")).map_err(said)
            })
        });
        self.until(|world| {
            world.in_session(|vm, selection| vm.suspend_session(&selection.session).map_err(said))
        });
        self.until(|world| match world.vm().state() {
            State::Suspended => {
                let session = world.selection.as_ref().unwrap().session.clone();
                world.vm().resume(&session).map_err(said)
            }
            _ => Ok(()),
        });
        self.until(|world| {
            world.in_session(|vm, selection| vm.disconnect(&selection.session).map_err(said))
        });
        self.until(|world| world.drive(State::Idle));
        self.until(|world| match world.vm().delete_ua(&ua()) {
            Ok(()) | Err(Uve2Error::UnknownUa) => Ok(()),
            Err(error) => Err(said(error)),
        });
    }

    fn check(mut self, case: &str) {
        self.medium.mend();
        self.open_vm().unwrap();
        self.open_vmm().unwrap();
        assert_eq!(self.vm().state(), State::Idle, "{case}");
        // Rule 7.
        assert_eq!(self.disk.blobs.names().unwrap(), [""; 0], "{case}");
        assert_eq!(self.bench.disk.blobs.names().unwrap().len(), 1, "{case}");
        // Rule 4.
        let disconnects: Vec<_> = self
            .told
            .iter()
            .filter(|event| matches!(event, VmmEvent::Disconnected { .. }))
            .collect();
        assert_eq!(disconnects.len(), 1, "{case}: {disconnects:?}");
        // Rule 3.
        let versions: Vec<_> = self
            .told
            .iter()
            .filter_map(|event| match event {
                VmmEvent::Updated { version, .. } => Some(*version),
                _ => None,
            })
            .collect();
        assert_eq!(versions, [Version(2)], "{case}");
        for event in &self.heard {
            assert!(
                matches!(event, VmEvent::State { .. } | VmEvent::Saved { .. }),
                "{case}: {event:?}"
            );
        }
        // Rules 1, 2 and 5.
        assert_eq!(self.bench.vmm.holder(&user("ann")).unwrap(), None, "{case}");
        let b = self.bench.vm("b", &Disk::default());
        let selection = self.bench.serve("ann", &b);
        let octets = content(&b, &selection);
        assert_eq!(octets, self.copy, "{case}");
        if !self.cut_short {
            assert!(octets.starts_with(b"A TEXT"), "{case}");
        }
        assert_eq!(octets[6..], TEXT[6..], "{case}");
    }
}

/// Rules 1 to 5 and 7, at every call to a medium of either side.
#[test]
fn whatever_fails_nothing_is_lost() {
    for side in [Side::Vm, Side::Vmm] {
        for (fault, restarts) in [
            (Fault::Undone, false),
            (Fault::Undone, true),
            (Fault::Half, false),
            (Fault::Half, true),
            (Fault::End, true),
            (Fault::PowerCut, true),
        ] {
            let mut at = 0;
            loop {
                let case = format!("call {at} of the {side:?}, {fault:?}, restarts: {restarts}");
                let mut world = World::new(side, fault, restarts, at);
                world.day();
                let struck = world.medium.struck.load(Ordering::SeqCst);
                world.check(&case);
                if !struck {
                    break;
                }
                at += 1;
            }
            assert!(at > 40, "{side:?}: {at} calls");
        }
    }
}

/// Rule 5: what a silent VM kept is set aside once, at whichever call its medium fails.
#[test]
fn whatever_fails_the_refused_work_is_kept() {
    for (fault, restarts) in [
        (Fault::Undone, false),
        (Fault::Undone, true),
        (Fault::Half, false),
        (Fault::Half, true),
        (Fault::End, true),
        (Fault::PowerCut, true),
    ] {
        for at in 0.. {
            let case = format!("call {at}, {fault:?}, restarts: {restarts}");
            let mut world = World::new(Side::Vm, fault, restarts, -1);
            world.open_vm().unwrap();
            world.vm().deploy_ua(&editor(), PACKAGE).unwrap();
            let selection = world.bench.serve("ann", world.vm());
            world
                .vm()
                .write_image(&selection.session, 0, b"A TEXT")
                .unwrap();
            world.selection = Some(selection);
            let b = world.bench.vm("b", &Disk::default());
            let other = world.bench.select("ann", "b");
            b.serve(&other).unwrap();
            world.bench.clock.advance(Duration::from_secs(61));
            b.drive().unwrap();
            assert_eq!(content(&b, &other), TEXT);

            world.medium.left.store(at, Ordering::SeqCst);
            world.until(|world| {
                world.in_session(|vm, selection| vm.finish(&selection.session).map_err(said))
            });
            world.until(|world| world.drive(State::Idle));
            let struck = world.medium.struck.load(Ordering::SeqCst);
            world.medium.mend();
            let aside = world.vm().aside().unwrap();
            assert_eq!(aside.len(), 1, "{case}");
            let mut octets = vec![0; TEXT.len() + 1];
            let read = world.vm().read_aside(&aside[0], 0, &mut octets).unwrap();
            assert_eq!(octets[..read], world.copy, "{case}");
            if !world.cut_short {
                assert!(octets.starts_with(b"A TEXT"), "{case}");
            }
            assert_eq!(world.disk.blobs.len("copy").unwrap(), None, "{case}");
            assert_eq!(content(&b, &other), TEXT, "{case}");
            if !struck {
                assert!(at > 10, "{at} calls");
                break;
            }
        }
    }
}
