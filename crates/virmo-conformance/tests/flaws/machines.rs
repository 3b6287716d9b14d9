//! Devices whose machines do not do what they are told.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use virmo::{
    Hypervisor, Simulator, VmId, VmSpec,
    hypervisor::{
        Capabilities, Erase, GuestChannel, HypervisorError, HypervisorErrorKind, InputLock, Listed,
        MachineState, Observed, Outcome, Peripherals, PowerOff, Prepared,
    },
    params::ResourceConfig,
};
use virmo_conformance::OurDevice;
use virmo_guest::{MemoryGuest, Responder};

/// What a hypervisor does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// Suspend says that it is done, and does nothing.
    Suspend,
    /// Suspend powers off, Resume powers on.
    Execution,
    /// Power off suspends, power on resumes.
    Boot,
    /// Delete says that it is done, and does nothing.
    Delete,
    /// Create is content with any resources.
    Resources,
    /// What was cut cannot be undone.
    Undo,
    /// Nobody can be kept out.
    Lock,
    /// What a guest is told gets to another.
    Guest,
    /// Guests hear nothing.
    Deaf,
    /// No peripheral can be switched.
    Peripherals,
}

pub(crate) struct Flaw {
    pub(crate) name: &'static str,
    pub(crate) scenarios: &'static [&'static str],
    pub(crate) rows: &'static [&'static str],
    wrong: Wrong,
}

const SUSPENDED: &[&str] = &["a_suspended_vm_keeps_its_execution"];

pub(crate) static FLAWS: &[Flaw] = &[
    Flaw {
        name: "a suspended machine runs on",
        scenarios: &["a_suspended_vm_keeps_its_execution", "machines_follow"],
        rows: &[
            "VR-019", "VR-044", "VR-049", "VR-066", "VR-067", "VR-069", "VR-070",
        ],
        wrong: Wrong::Suspend,
    },
    Flaw {
        name: "a suspended machine loses its execution",
        scenarios: SUSPENDED,
        rows: &["VR-018", "VR-068"],
        wrong: Wrong::Execution,
    },
    Flaw {
        name: "a machine powered off is only suspended",
        scenarios: &["a_vm_powered_off_boots_anew"],
        rows: &["VR-072", "VR-073"],
        wrong: Wrong::Boot,
    },
    Flaw {
        name: "a deleted machine stays",
        scenarios: &["a_deleted_vm_is_gone"],
        rows: &["VR-075", "VR-076", "VR-199"],
        wrong: Wrong::Delete,
    },
    Flaw {
        name: "a machine has other resources",
        scenarios: &["machines_follow"],
        rows: &["VR-064"],
        wrong: Wrong::Resources,
    },
    Flaw {
        name: "what was cut cannot be undone",
        scenarios: &["failures_are_undone"],
        rows: &["VR-058", "VR-059", "VR-060"],
        wrong: Wrong::Undo,
    },
    Flaw {
        name: "nobody can be kept out",
        scenarios: &["a_draft_vm_is_locked", "a_vm_is_locked"],
        rows: &["DR-004", "DR-014", "DR-020", "DR-022"],
        wrong: Wrong::Lock,
    },
    Flaw {
        name: "no peripheral can be switched",
        scenarios: &["peripherals_are_managed"],
        rows: &["DR-012"],
        wrong: Wrong::Peripherals,
    },
    Flaw {
        name: "guests hear nothing",
        scenarios: &["firmware_of_a_vm_is_updated"],
        rows: &["DR-023", "VR-037", "VR-202", "VR-222"],
        wrong: Wrong::Deaf,
    },
    Flaw {
        name: "what a guest is told gets to another",
        scenarios: &["a_guest_follows"],
        rows: &["VR-216"],
        wrong: Wrong::Guest,
    },
];

pub(crate) fn device(flaw: &'static Flaw) -> OurDevice {
    OurDevice::new().with_hypervisor(|simulator| {
        Arc::new(Machines {
            simulator,
            wrong: flaw.wrong,
            another: Mutex::new(Responder::new(MemoryGuest::new())),
        })
    })
}

struct Machines {
    simulator: Arc<Simulator>,
    wrong: Wrong,
    another: Mutex<Responder<MemoryGuest>>,
}

impl GuestChannel for Machines {
    fn exchange(
        &self,
        id: &VmId,
        message: &[u8],
        within: Duration,
        max_reply: usize,
        over: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, HypervisorError> {
        match (self.simulator.guest_channel(), self.wrong) {
            (_, Wrong::Deaf) => Err(HypervisorError::new(HypervisorErrorKind::Timeout {
                may_have_happened: false,
            })),
            (Some(channel), wrong) if wrong != Wrong::Guest => {
                channel.exchange(id, message, within, max_reply, over)
            }
            _ => Ok(self.another.lock().unwrap().answer(message)),
        }
    }
}

impl Hypervisor for Machines {
    fn capabilities(&self) -> Capabilities {
        self.simulator.capabilities()
    }

    fn list(&self) -> Result<Vec<Listed>, HypervisorError> {
        Hypervisor::list(&*self.simulator)
    }

    fn observe(&self, id: &VmId) -> Result<Observed, HypervisorError> {
        self.simulator.observe(id)
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome, HypervisorError> {
        let mut spec = spec.clone();
        if self.wrong == Wrong::Resources {
            spec.resources = "RAM=1048576&Storage=1048576&CPU=1&Network=1"
                .parse()
                .unwrap();
        }
        self.simulator.create(&spec)
    }

    fn power_on(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        match self.wrong {
            Wrong::Boot => self
                .simulator
                .resume(id)
                .or_else(|_| self.simulator.power_on(id)),
            _ => self.simulator.power_on(id),
        }
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError> {
        match self.wrong {
            Wrong::Boot => self.simulator.suspend(id),
            _ => self.simulator.power_off(id, how),
        }
    }

    fn suspend(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        match self.wrong {
            Wrong::Suspend => Ok(Outcome::Done),
            Wrong::Execution => self.simulator.power_off(id, PowerOff::Force),
            _ => self.simulator.suspend(id),
        }
    }

    fn resume(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        match self.wrong {
            Wrong::Execution => self.simulator.power_on(id),
            Wrong::Undo if self.simulator.observe(id)?.state == MachineState::Unsettled => {
                Err(HypervisorError::new(HypervisorErrorKind::Backend))
            }
            _ => self.simulator.resume(id),
        }
    }

    fn delete(&self, id: &VmId, erase: Erase) -> Result<Outcome, HypervisorError> {
        match self.wrong {
            Wrong::Delete => Ok(Outcome::Done),
            _ => self.simulator.delete(id, erase),
        }
    }

    fn guest_channel(&self) -> Option<&dyn GuestChannel> {
        Some(self)
    }

    fn peripherals(&self) -> Option<&dyn Peripherals> {
        self.simulator
            .peripherals()
            .filter(|_| self.wrong != Wrong::Peripherals)
    }

    fn input_lock(&self) -> Option<&dyn InputLock> {
        self.simulator
            .input_lock()
            .filter(|_| self.wrong != Wrong::Lock)
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared, HypervisorError> {
        self.simulator.prepare(id, want)
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        self.simulator.commit(id, want)
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        self.simulator.undo(id, before)
    }
}
