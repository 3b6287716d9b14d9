//! Booting, ending, suspending and going on.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use virmo_hypervisor::{
    HypervisorError, HypervisorErrorKind as Kind, MachineState, Outcome, PowerOff,
};
use virmo_state::VmId;
use virt::{domain::Domain, error::ErrorNumber, sys};

use super::Look;
use crate::{
    Libvirt,
    domain::Life,
    line::LineError,
    machine::{Pending, Record},
};

/// How long a guest has to end before the power button is pressed again.
const BUTTON: Duration = Duration::from_secs(1);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

impl Libvirt {
    pub(super) fn boot(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        let (look, state) = self.settled(id)?;
        let Look {
            domain,
            mut record,
            life,
            ..
        } = look;
        match state {
            MachineState::Off { .. } => {}
            MachineState::Running => {
                self.settle(&domain, &mut record, true)?;
                return Ok(Outcome::AlreadyDone);
            }
            MachineState::Unsettled if record.own.pending == Some(Pending::PowerOn) => {
                if !life.is_off() {
                    // Stopped by others, or by a libvirt that died amid this.
                    self.end(&domain)?;
                }
            }
            state => return Err(HypervisorError::invalid_state(state)),
        }
        record.own.pending = Some(Pending::PowerOn);
        record.own.running = true;
        self.write(&domain, &record)?;
        let starting = domain.clone();
        let started = self.line.call(move || starting.create());
        self.steps.step();
        if let Err(error) = started {
            return Err(self.not_begun(&domain, &mut record, error));
        }
        self.settle(&domain, &mut record, true)?;
        Ok(Outcome::Done)
    }

    pub(super) fn stop(&self, id: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError> {
        let (look, state) = self.settled(id)?;
        let Look {
            domain,
            mut record,
            saved,
            ..
        } = look;
        match (&state, record.own.pending) {
            (MachineState::Off { .. }, _) => {
                self.settle(&domain, &mut record, false)?;
                return Ok(Outcome::AlreadyDone);
            }
            (MachineState::Running | MachineState::Broken(_), _)
            | (MachineState::Unsettled, None | Some(Pending::PowerOn)) => {}
            _ => return Err(HypervisorError::invalid_state(state)),
        }
        if saved {
            // A saved execution of the past would be taken for one of now.
            self.drop_saved(&domain)?;
        }
        match how {
            PowerOff::Force => self.end(&domain)?,
            PowerOff::Graceful { timeout } => self.ask_to_end(&domain, timeout)?,
        }
        self.settle(&domain, &mut record, false)?;
        Ok(Outcome::Done)
    }

    /// Presses the power button until the guest has ended or its time is over: a guest that is
    /// still booting does not hear it.
    fn ask_to_end(&self, domain: &Domain, timeout: Duration) -> Result<(), HypervisorError> {
        let deadline = Instant::now() + timeout;
        loop {
            let asked = domain.clone();
            match self.line.call(move || asked.shutdown()) {
                Ok(()) => self.steps.step(),
                // It may have just ended.
                Err(error) if is_idle(&error) => {}
                Err(error) => return Err(error.into()),
            }
            let pressed = Instant::now();
            while pressed.elapsed() < BUTTON && Instant::now() < deadline {
                if self.life(domain)?.is_off() {
                    return Ok(());
                }
                sleep(LOOK);
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        match self.life(domain)?.is_off() {
            true => Ok(()),
            false => Err(HypervisorError::new(Kind::Timeout {
                may_have_happened: true,
            })
            .because("the guest was asked and did not end")),
        }
    }

    pub(super) fn save(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.can_suspend()?;
        let (look, state) = self.settled(id)?;
        let Look {
            domain,
            mut record,
            life,
            ..
        } = look;
        match (&state, record.own.pending) {
            (MachineState::Running, _)
            | (MachineState::Unsettled, None | Some(Pending::Suspend)) => {}
            (MachineState::Suspended, _) => {
                self.settle(&domain, &mut record, false)?;
                return Ok(Outcome::AlreadyDone);
            }
            (MachineState::Unsettled, Some(Pending::Resume)) => {
                if life.is_off() {
                    // It was not restored yet.
                    self.settle(&domain, &mut record, false)?;
                    return Ok(Outcome::Done);
                }
            }
            _ => return Err(HypervisorError::invalid_state(state)),
        }
        record.own.pending = Some(Pending::Suspend);
        self.write(&domain, &record)?;
        let saving = domain.clone();
        let saved = self.line.ask_long(move || saving.managed_save(0));
        self.steps.step();
        if let Err(error) = saved {
            if !error.is_broken() && self.life(&domain)? == Life::Running {
                // The guest went on. Where this fails, the machine is unsettled, and says so.
                _ = self.settle(&domain, &mut record, true);
            }
            return Err(error.into());
        }
        // libvirt does not wait for the disk.
        rustix::fs::sync();
        self.settle(&domain, &mut record, false)?;
        Ok(Outcome::Done)
    }

    pub(super) fn go_on(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.can_suspend()?;
        let (look, state) = self.settled(id)?;
        let Look {
            domain,
            mut record,
            life,
            saved,
        } = look;
        match (&state, record.own.pending) {
            (MachineState::Suspended, _) => {}
            (MachineState::Running, _) => {
                if saved {
                    self.drop_saved(&domain)?;
                }
                self.settle(&domain, &mut record, true)?;
                return Ok(Outcome::AlreadyDone);
            }
            (MachineState::Unsettled, Some(Pending::Resume)) if life.is_off() => {}
            // A guest that came out of no saved execution must not run in its place.
            (MachineState::Unsettled, Some(Pending::Resume)) if life != Life::Restored => {
                return Err(self.anew(&domain, &mut record));
            }
            // The guest is in memory.
            (MachineState::Unsettled, None | Some(Pending::Suspend | Pending::Resume)) => {
                self.release(&domain, &mut record, life)?;
                return Ok(Outcome::Done);
            }
            _ => return Err(HypervisorError::invalid_state(state)),
        }
        record.own.pending = Some(Pending::Resume);
        self.write(&domain, &record)?;
        let restoring = domain.clone();
        let paused = self.driver.is_qemu();
        let restored = self.line.ask_long(move || match paused {
            true => restoring.create_with_flags(sys::VIR_DOMAIN_START_PAUSED),
            false => restoring.create(),
        });
        self.steps.step();
        if let Err(error) = restored {
            let error = self.not_begun(&domain, &mut record, error);
            return Err(match error.kind() {
                Kind::Backend => HypervisorError::new(Kind::Backend)
                    .because(
                        "libvirt cannot go on from the saved execution; power on would lose it",
                    )
                    .caused_by(error),
                _ => error,
            });
        }
        let life = self.life(&domain)?;
        if paused && life != Life::Restored {
            return Err(self.anew(&domain, &mut record));
        }
        self.release(&domain, &mut record, life)?;
        Ok(Outcome::Done)
    }

    /// Lets a guest in memory go on, once what was saved of it is gone.
    fn release(
        &self,
        domain: &Domain,
        record: &mut Record,
        life: Life,
    ) -> Result<(), HypervisorError> {
        let saved = domain.clone();
        if self.line.call(move || saved.has_managed_save(0))? {
            self.drop_saved(domain)?;
        }
        if life != Life::Running {
            // What was decided while it was suspended holds from its first instruction on.
            self.limit(domain, &record.own.uuid, &record.config)?;
            let released = domain.clone();
            match self.line.call(move || released.resume()) {
                Err(error) if !(is_idle(&error) && self.life(domain)? == Life::Running) => {
                    return Err(error.into());
                }
                _ => self.steps.step(),
            }
        }
        self.settle(domain, record, true)
    }

    /// Ends a guest that libvirt booted where it was to go on.
    fn anew(&self, domain: &Domain, record: &mut Record) -> HypervisorError {
        let ended = self
            .end(domain)
            .and_then(|()| self.settle(domain, record, false));
        match ended {
            Ok(()) => HypervisorError::new(Kind::Backend)
                .because("the saved execution was not whole; the machine is off"),
            Err(error) => error,
        }
    }

    /// What became of a start that failed; the answer is what is to be told.
    fn not_begun(&self, domain: &Domain, record: &mut Record, error: LineError) -> HypervisorError {
        // After a broken connection or too long a time, libvirt may still be at it.
        if !error.is_broken() && self.life(domain).is_ok_and(Life::is_off) {
            // Where this fails, the machine is unsettled, and says so.
            _ = self.settle(domain, record, false);
        }
        error.into()
    }

    /// Ends the execution of a machine, if there is one.
    pub(super) fn end(&self, domain: &Domain) -> Result<(), HypervisorError> {
        let ending = domain.clone();
        match self.line.call(move || ending.destroy()) {
            Ok(()) => {
                self.steps.step();
                Ok(())
            }
            // The test driver has another number for it than QEMU's.
            Err(_) if self.life(domain).is_ok_and(Life::is_off) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn drop_saved(&self, domain: &Domain) -> Result<(), HypervisorError> {
        let domain = domain.clone();
        self.line.call(move || domain.managed_save_remove(0))?;
        self.steps.step();
        Ok(())
    }

    fn life(&self, domain: &Domain) -> Result<Life, HypervisorError> {
        let domain = domain.clone();
        Ok(Life::of(self.line.call(move || domain.state())?))
    }

    /// The machine, with no call of an earlier client under way.
    fn settled(&self, id: &VmId) -> Result<(Look, MachineState), HypervisorError> {
        let (look, state) = self.machine(id)?;
        if look.record.own.pending.is_none() {
            return Ok((look, state));
        }
        // libvirt does this when it has done with the call before.
        self.write(&look.domain, &look.record)?;
        self.machine(id)
    }

    fn can_suspend(&self) -> Result<(), HypervisorError> {
        match self.capabilities.suspend {
            true => Ok(()),
            false => Err(HypervisorError::new(Kind::NotSupported)),
        }
    }

    /// Writes down that no call is under way.
    fn settle(
        &self,
        domain: &Domain,
        record: &mut Record,
        running: bool,
    ) -> Result<(), HypervisorError> {
        if record.own.pending.is_none() && record.own.running == running {
            return Ok(());
        }
        record.own.pending = None;
        record.own.running = running;
        self.write(domain, record)
    }
}

/// Whether libvirt refused because the domain does not run, or not in that state.
fn is_idle(error: &LineError) -> bool {
    error.is(ErrorNumber::OperationInvalid) || error.is(ErrorNumber::InternalError)
}
