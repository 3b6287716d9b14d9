//! What the tests stand on: a VMM, VMs, and a wire that can break.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use omadm_core::MemoryJournal;
use uve::{
    BeginUpdate, Begun, CommitUpdate, Digest, ReadUif, Retrieved, SessionDisconnect, UaId,
    UaPackage, UserId, Uve2, Uve5, Uve5Error, Version, VmId, WriteUpdate,
};
use uve_engine::{
    EmbeddedDataCentre, MemoryBlobs, Selection, SteppedClock, Vm, VmConfig, Vmm, VmmConfig,
};

pub(crate) const PACKAGE: &[u8] = b"an editor";

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn ua() -> UaId {
    "editor".parse().unwrap()
}

pub(crate) fn vm_id(name: &str) -> VmId {
    name.parse().unwrap()
}

pub(crate) fn editor() -> UaPackage {
    UaPackage {
        ua: ua(),
        version: "1".into(),
        digest: Digest::of(PACKAGE),
    }
}

/// The journal and blobs of a side: they stay when the side is opened again.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) blobs: Arc<MemoryBlobs>,
}

pub(crate) struct Bench {
    pub(crate) clock: Arc<SteppedClock>,
    pub(crate) disk: Disk,
    pub(crate) vmm: Arc<Vmm>,
    pub(crate) max_image: u64,
    pub(crate) lease: Duration,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(1 << 20)
    }

    pub(crate) fn with(max_image: u64) -> Self {
        let clock = Arc::new(SteppedClock::default());
        clock.advance(Duration::from_secs(1_000_000));
        let disk = Disk::default();
        let lease = VmmConfig::default().lease;
        let vmm = open(&clock, &disk, max_image, lease);
        for name in ["ann", "bob"] {
            vmm.add_user(&user(name)).unwrap();
        }
        Self {
            clock,
            disk,
            vmm,
            max_image,
            lease,
        }
    }

    /// The VMM stops and starts.
    pub(crate) fn restart(&mut self) {
        self.vmm = open(&self.clock, &self.disk, self.max_image, self.lease);
    }

    pub(crate) fn vm(&self, name: &str, disk: &Disk) -> Vm {
        self.vm_over(name, disk, self.vmm.clone())
    }

    pub(crate) fn vm_over(&self, name: &str, disk: &Disk, vmm: Arc<dyn Uve5>) -> Vm {
        let mut config = VmConfig::default();
        config.piece = 7;
        let vm = Vm::open(
            vm_id(name),
            vmm,
            disk.journal.clone(),
            disk.blobs.clone(),
            self.clock.clone(),
            config,
        )
        .unwrap();
        vm.deploy_ua(&editor(), PACKAGE).unwrap();
        vm
    }

    pub(crate) fn select(&self, name: &str, vm: &str) -> Selection {
        self.vmm.select(&user(name), &ua(), &vm_id(vm)).unwrap()
    }

    /// Serves a user on a VM as far as it goes.
    pub(crate) fn serve(&self, name: &str, vm: &Vm) -> Selection {
        let selection = self.select(name, vm.id().as_str());
        vm.serve(&selection).unwrap();
        vm.drive().unwrap();
        selection
    }
}

fn open(clock: &Arc<SteppedClock>, disk: &Disk, max_image: u64, lease: Duration) -> Arc<Vmm> {
    let mut config = VmmConfig::default();
    config.lease = lease;
    let centre =
        EmbeddedDataCentre::open(disk.journal.clone(), disk.blobs.clone(), max_image).unwrap();
    let vmm = Vmm::open(
        disk.journal.clone(),
        Arc::new(centre),
        clock.clone(),
        config,
    );
    Arc::new(vmm.unwrap())
}

pub(crate) fn content(vm: &Vm, selection: &Selection) -> Vec<u8> {
    let len = vm.image_len(&selection.session).unwrap();
    let mut octets = vec![0; usize::try_from(len).unwrap()];
    let read = vm.read_image(&selection.session, 0, &mut octets).unwrap();
    assert_eq!(read, octets.len());
    octets
}

/// What happens to a call on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Break {
    /// The request is lost.
    Request,
    /// The answer is lost.
    Answer,
}

/// Carries calls to a VMM until it breaks.
pub(crate) struct Wire {
    pub(crate) to: Mutex<Arc<Vmm>>,
    /// How many calls pass; negative: all.
    pub(crate) left: AtomicI64,
    pub(crate) how: Mutex<Break>,
    pub(crate) calls: AtomicI64,
    /// Happens while the call of this number is under way.
    pub(crate) meanwhile: Mutex<Option<(i64, Meanwhile)>>,
}

pub(crate) type Meanwhile = Box<dyn FnOnce() + Send>;

impl Wire {
    pub(crate) fn new(to: &Arc<Vmm>) -> Arc<Self> {
        Arc::new(Self {
            to: Mutex::new(to.clone()),
            left: AtomicI64::new(-1),
            how: Mutex::new(Break::Request),
            calls: AtomicI64::new(0),
            meanwhile: Mutex::new(None),
        })
    }

    pub(crate) fn break_after(&self, calls: i64, how: Break) {
        *self.how.lock().unwrap() = how;
        self.left.store(calls, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.left.store(-1, Ordering::SeqCst);
    }

    fn carry<T>(&self, call: impl FnOnce(&Vmm) -> Result<T, Uve5Error>) -> Result<T, Uve5Error> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let due = self
            .meanwhile
            .lock()
            .unwrap()
            .take_if(|(at, _)| *at == number);
        if let Some((_, happens)) = due {
            happens();
        }
        let lost = || {
            Err(Uve5Error::Failed {
                reason: "the wire broke".into(),
            })
        };
        let left = self.left.load(Ordering::SeqCst);
        let how = *self.how.lock().unwrap();
        if left > 0 {
            self.left.store(left - 1, Ordering::SeqCst);
        } else if left == 0 && how == Break::Request {
            return lost();
        }
        let to = self.to.lock().unwrap().clone();
        let answer = call(&to);
        if left == 0 { lost() } else { answer }
    }
}

impl Uve5 for Wire {
    fn notify_session_disconnect(
        &self,
        vm: &VmId,
        disconnect: &SessionDisconnect,
    ) -> Result<(), Uve5Error> {
        self.carry(|vmm| vmm.notify_session_disconnect(vm, disconnect))
    }

    fn retrieve_uif(&self, vm: &VmId, user: &UserId) -> Result<Retrieved, Uve5Error> {
        self.carry(|vmm| vmm.retrieve_uif(vm, user))
    }

    fn read_uif(&self, vm: &VmId, piece: &ReadUif) -> Result<Vec<u8>, Uve5Error> {
        self.carry(|vmm| vmm.read_uif(vm, piece))
    }

    fn begin_update(&self, vm: &VmId, update: &BeginUpdate) -> Result<Begun, Uve5Error> {
        self.carry(|vmm| vmm.begin_update(vm, update))
    }

    fn write_update(
        &self,
        vm: &VmId,
        piece: &WriteUpdate,
        octets: &[u8],
    ) -> Result<u64, Uve5Error> {
        self.carry(|vmm| vmm.write_update(vm, piece, octets))
    }

    fn commit_update(&self, vm: &VmId, commit: &CommitUpdate) -> Result<Version, Uve5Error> {
        self.carry(|vmm| vmm.commit_update(vm, commit))
    }

    fn renew_lease(&self, vm: &VmId, user: &UserId) -> Result<u64, Uve5Error> {
        self.carry(|vmm| vmm.renew_lease(vm, user))
    }

    fn release_lease(&self, vm: &VmId, user: &UserId) -> Result<(), Uve5Error> {
        self.carry(|vmm| vmm.release_lease(vm, user))
    }
}
