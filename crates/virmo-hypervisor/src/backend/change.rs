use std::sync::MutexGuard;

use virmo_params::ResourceConfig;
use virmo_state::VmId;

use super::Record;
use crate::{
    Capabilities, Effect, HypervisorError, HypervisorErrorKind as Kind, Ledger, MachineState,
    Outcome, Prepared, Resource, Support,
};

/// A change of one machine's resources, as every back end makes it that keeps a [`Record`] and a
/// [`Ledger`]; what differs is how it is written down and made effective.
///
/// The three steps are given the machine's record and state as they are now.
pub trait Change {
    /// What only this back end keeps in a record.
    type Own: Clone + PartialEq;
    /// What stops a call.
    type Error: From<HypervisorError>;

    /// The machine.
    fn id(&self) -> &VmId;

    /// What the back end can do.
    fn capabilities(&self) -> &Capabilities;

    /// What all machines claim.
    fn ledger(&self) -> MutexGuard<'_, Ledger>;

    /// Refuses what this machine cannot have for a reason of its own.
    ///
    /// # Errors
    ///
    /// That reason.
    fn allow(
        &self,
        record: &Record<Self::Own>,
        want: &ResourceConfig,
    ) -> Result<(), HypervisorError>;

    /// Makes a record durable.
    ///
    /// # Errors
    ///
    /// A fault of the back end.
    fn write(&self, record: &Record<Self::Own>) -> Result<(), HypervisorError>;

    /// Makes resources effective, and says in the record what has to be known of that; the
    /// configuration itself is written down afterwards.
    ///
    /// # Errors
    ///
    /// A fault of the back end.
    fn apply(
        &self,
        record: &mut Record<Self::Own>,
        want: &ResourceConfig,
    ) -> Result<(), Self::Error>;

    /// [`Hypervisor::prepare`](crate::Hypervisor::prepare).
    ///
    /// # Errors
    ///
    /// As there.
    fn prepare(
        &self,
        record: &mut Record<Self::Own>,
        state: &MachineState,
        want: &ResourceConfig,
    ) -> Result<Prepared, Self::Error> {
        let prepared = effects(self.capabilities(), &record.config, state, want)?;
        self.allow(record, want)?;
        let before = record.clone();
        self.ledger()
            .claim(self.id(), want)
            .map_err(|resource| HypervisorError::new(Kind::NoSpace(resource)))?;
        record.prepared = (record.config != *want).then(|| want.clone());
        if *record != before
            && let Err(error) = self.write(record)
        {
            self.ledger().set(self.id(), before.claim().clone());
            return Err(error.into());
        }
        Ok(prepared)
    }

    /// [`Hypervisor::commit`](crate::Hypervisor::commit).
    ///
    /// # Errors
    ///
    /// As there.
    fn commit(
        &self,
        record: &mut Record<Self::Own>,
        state: &MachineState,
        want: &ResourceConfig,
    ) -> Result<Outcome, Self::Error> {
        if record.config == *want && record.prepared.is_none() {
            return Ok(Outcome::AlreadyDone);
        }
        if record.prepared.as_ref() != Some(want) {
            self.prepare(record, state, want)?;
        }
        // Where nothing is prepared now, only what was prepared stood in the way.
        if record.prepared.is_some() {
            make_effective(self, record, want)?;
        }
        Ok(Outcome::Done)
    }

    /// [`Hypervisor::undo`](crate::Hypervisor::undo).
    ///
    /// # Errors
    ///
    /// As there.
    fn undo(
        &self,
        record: &mut Record<Self::Own>,
        before: &ResourceConfig,
    ) -> Result<Outcome, Self::Error> {
        if record.config == *before && record.prepared.is_none() {
            return Ok(Outcome::AlreadyDone);
        }
        make_effective(self, record, before)?;
        Ok(Outcome::Done)
    }
}

fn make_effective<C: Change + ?Sized>(
    change: &C,
    record: &mut Record<C::Own>,
    config: &ResourceConfig,
) -> Result<(), C::Error> {
    change.apply(record, config)?;
    record.config = config.clone();
    record.prepared = None;
    change.write(record)?;
    change.ledger().set(change.id(), config.clone());
    Ok(())
}

/// When the changes take effect, if back end and state allow them.
fn effects(
    capabilities: &Capabilities,
    has: &ResourceConfig,
    state: &MachineState,
    want: &ResourceConfig,
) -> Result<Prepared, HypervisorError> {
    let changes = |resource| match resource {
        Resource::Ram => has.ram != want.ram,
        Resource::Storage => has.storage != want.storage,
        Resource::Cpu => has.cpu != want.cpu,
        Resource::Network => has.network != want.network,
    };
    let (runs, suspended) = match state {
        MachineState::Running => (true, false),
        MachineState::Suspended => (false, true),
        MachineState::Off { .. } => (false, false),
        state => return Err(HypervisorError::invalid_state(state.clone())),
    };
    for resource in Resource::ALL.into_iter().filter(|it| changes(*it)) {
        match capabilities.support(resource) {
            Support::None => {
                let error = HypervisorError::new(Kind::NotSupported);
                return Err(error.because(format!("{resource} cannot be changed")));
            }
            Support::NotRunning if runs => {
                return Err(HypervisorError::new(Kind::CannotChangeLive(resource)));
            }
            _ if suspended && matches!(resource, Resource::Ram | Resource::Storage) => {
                return Err(HypervisorError::invalid_state(state.clone()));
            }
            Support::Live | Support::NotRunning => {}
        }
    }
    Ok(Prepared::new(|resource| match (changes(resource), runs) {
        (false, _) => Effect::Unchanged,
        (true, true) => Effect::Live,
        (true, false) => Effect::Recorded,
    }))
}
