//! The checks every back end runs in its own tests.
//!
//! A back end writes a [`Fixture`] and one line:
//!
//! ```text
//! mod contract {
//!     virmo_hypervisor::contract_tests!(super::MyFixture::new());
//! }
//! ```
//!
//! which makes one `#[test]` of each check in [`CHECKS`], on a fixture of its own. A check that
//! needs what the back end cannot do ([`Need`]) is skipped and says so; reports take the same data
//! from [`Check::run`].

use std::{error::Error, fmt, path::PathBuf, sync::Arc};

use virmo_params::ResourceConfig;
use virmo_state::VmId;

use crate::{
    Capabilities, Hypervisor, HypervisorError, HypervisorErrorKind as Kind, MachineState, Resource,
    Support, VmSpec,
};

mod guest;
mod lifecycle;
mod resources;
mod switches;

/// A back end under test, and the place its machines are kept in.
///
/// A fresh fixture is an empty place of its own.
pub trait Fixture: Sync {
    /// Opens the back end on the place. Handles opened before were dropped.
    fn open(&self) -> Arc<dyn Hypervisor>;

    /// An image the back end can boot, in a new file that the check may delete.
    fn image(&self) -> (PathBuf, String);

    /// What a machine from that image is entitled to in most checks: at most a quarter of the
    /// device in each resource.
    fn resources(&self) -> ResourceConfig;

    /// What is on the place, by name: files, processes, definitions. Compared before and after.
    fn leftovers(&self) -> Vec<String>;

    /// Makes a machine that is not ours and says its name; `None` where the hypervisor has no
    /// other users.
    fn add_foreign(&self) -> Option<String> {
        None
    }

    /// How far the guest of a running machine got: a number that grows while it runs or with each
    /// resume, and begins again at a boot. `None` if it cannot be told.
    fn progress(&self, id: &VmId) -> Option<u64> {
        let _ = id;
        None
    }

    /// A message that the guest of a running machine answers with at least two octets. `None` if
    /// there is no channel to guests, or the guest of the image does not listen.
    fn guest_message(&self) -> Option<Vec<u8>> {
        None
    }
}

/// What a check asks of a back end that not every back end has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Need {
    /// Machines that are not ours: [`Fixture::add_foreign`].
    Foreign,
    /// A guest that answers: [`Fixture::guest_message`].
    Guest,
    /// [`Hypervisor::input_lock`].
    InputLock,
    /// [`Hypervisor::peripherals`].
    Peripherals,
    /// A look into the guest: [`Fixture::progress`].
    Progress,
    /// At least one resource that can be changed.
    Resources,
    /// [`Capabilities::suspend`].
    Suspend,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "machines of others",
            Self::Guest => "a guest that answers",
            Self::InputLock => "a lock of the input",
            Self::Peripherals => "peripherals that can be switched",
            Self::Progress => "a look into the guest",
            Self::Resources => "resources that can be changed",
            Self::Suspend => "suspend and resume",
        })
    }
}

/// One check.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Check {
    /// Its name, also that of its test.
    pub name: &'static str,
    /// What holds if it passes.
    pub about: &'static str,
    /// What it needs of the back end.
    pub needs: &'static [Need],
    run: fn(&Bench<'_>) -> Result<(), Stop>,
}

/// What became of a check that did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// It holds.
    Passed,
    /// The back end does not have what the check needs.
    Skipped(Need),
}

/// What a back end did that the contract forbids.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Check {
    /// The check of this name, if there is one.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        CHECKS.iter().find(|check| check.name == name)
    }

    /// Runs the check on a fresh fixture.
    ///
    /// # Errors
    ///
    /// What the back end did that the contract forbids.
    pub fn run(&self, fixture: &dyn Fixture) -> Result<Verdict, Failure> {
        let bench = Bench { fixture };
        let result = bench.meets(self.needs).and_then(|()| (self.run)(&bench));
        match result {
            Ok(()) => Ok(Verdict::Passed),
            Err(Stop::Skip(need)) => Ok(Verdict::Skipped(need)),
            Err(Stop::Fail(text)) => Err(Failure(format!("{}: {text}", self.name))),
        }
    }
}

macro_rules! checks {
    (($d:tt) $(#[doc = $about:literal] $module:ident::$name:ident [$($need:ident)*];)*) => {
        /// Every check.
        pub const CHECKS: &[Check] = &[$(Check {
            name: stringify!($name),
            about: $about,
            needs: &[$(Need::$need),*],
            run: $module::$name,
        }),*];

        /// Makes one `#[test]` of each check of the contract. The expression makes a fresh
        /// [`Fixture`](crate::contract::Fixture).
        #[macro_export]
        macro_rules! contract_tests {
            ($d fixture:expr) => {$(
                #[doc = $about]
                #[test]
                fn $name() {
                    let check = $crate::contract::Check::by_name(stringify!($name));
                    match check.map(|check| check.run(&$d fixture)) {
                        Some(Ok($crate::contract::Verdict::Passed)) => {}
                        Some(Ok($crate::contract::Verdict::Skipped(need))) => {
                            eprintln!("skipped: the back end does not have {need}");
                        }
                        Some(Err(failure)) => panic!("{failure}"),
                        None => unreachable!("the list of checks is the list of tests"),
                    }
                }
            )*};
        }
    };
}

checks! { ($)
    /// A created machine is off and has the resources it was created with.
    lifecycle::a_machine_is_made_off [];
    /// Each call in each state does what the table of the trait says, and nothing else.
    lifecycle::every_call_in_every_state_is_as_the_table_says [];
    /// A suspended machine goes on where it was; a powered-on one begins again.
    lifecycle::a_suspended_guest_goes_on_and_a_booted_one_begins_again [Suspend Progress];
    /// A guest that is asked to end itself ends or is left running; who cannot ask says so.
    lifecycle::a_graceful_power_off_never_forces [];
    /// A machine that was never made is absent to every call.
    lifecycle::an_unknown_machine_is_absent [];
    /// Deleting leaves nothing, whatever the state.
    lifecycle::deleting_leaves_nothing [];
    /// An image that is not there makes no machine and leaves nothing.
    lifecycle::a_missing_image_makes_no_machine [];
    /// The image can be deleted once the machine is made.
    lifecycle::the_image_may_go_once_the_machine_is_made [];
    /// The list has every machine once, as observed.
    lifecycle::the_list_is_what_is_observed [];
    /// A call on one machine leaves the others as they are.
    lifecycle::machines_are_apart [];
    /// Machines go through their lives side by side.
    lifecycle::machines_live_side_by_side [];
    /// Machines in every state are found again by a new handle, and go on.
    lifecycle::machines_outlive_the_handle [];
    /// Machines of others are listed, and no call touches them.
    lifecycle::machines_of_others_are_listed_and_not_touched [Foreign];
    /// A back end that cannot suspend says so and changes nothing.
    lifecycle::who_cannot_suspend_says_so [];
    /// A running guest answers, each machine its own, time and again.
    guest::a_running_guest_answers [Guest];
    /// A machine that does not run, or is not there, has no guest to talk to.
    guest::only_a_running_guest_is_talked_to [Guest];
    /// A reply that is too long is an error, and the next exchange is not harmed.
    guest::a_reply_is_no_longer_than_it_may_be [Guest];
    /// A peripheral is switched for one machine, whether it runs or not, and stays so.
    switches::a_peripheral_is_switched_alone_and_stays_so [Peripherals];
    /// What a machine could not have is not switched.
    switches::only_what_a_machine_has_is_switched [Peripherals];
    /// The input of one machine is locked, whether it runs or not, until it is unlocked.
    switches::a_locked_input_stays_locked [InputLock];
    /// Every call works on a locked machine, and the lock goes with the machine.
    switches::a_locked_machine_obeys_its_owner [InputLock];
    /// A machine larger than the device, or than what is left of it, is not made.
    resources::no_machine_is_larger_than_what_is_left [Resources];
    /// Preparing changes nothing of the machine.
    resources::preparing_changes_nothing [Resources];
    /// A commit makes the resources effective, once, and for the next handle too.
    resources::a_commit_is_effective_and_lasting [Resources];
    /// Undo puts back what was prepared, and what was committed.
    resources::undo_puts_back [Resources];
    /// A resource that cannot be changed is refused by name, and nothing changes.
    resources::what_cannot_change_is_refused [];
    /// A running machine changes live or refuses, and then nothing changes.
    resources::a_running_machine_changes_live_or_not_at_all [Resources];
    /// A suspended machine keeps its RAM and storage.
    resources::a_suspended_machine_keeps_ram_and_storage [Resources Suspend];
    /// A preparation that is refused leaves the earlier one in place.
    resources::a_refused_preparation_leaves_the_earlier [Resources];
    /// What is prepared for one machine is not given to another, until it is undone.
    resources::what_is_prepared_is_reserved [Resources];
    /// Two machines exchange resources in two passes, and an undo is not refused for room.
    resources::machines_exchange_resources_in_two_passes [Resources];
    /// A change goes on with a new handle after any of its steps.
    resources::a_change_goes_on_after_a_restart [Resources];
    /// A commit without preparation prepares, and may be refused.
    resources::a_commit_without_preparation_prepares [Resources];
}

/// Why a check ended early.
enum Stop {
    Skip(Need),
    Fail(String),
}

impl From<HypervisorError> for Stop {
    fn from(error: HypervisorError) -> Self {
        let mut text = format!("a call failed: {error}");
        let mut source = Error::source(&error);
        while let Some(error) = source {
            text.push_str(&format!(": {error}"));
            source = error.source();
        }
        Self::Fail(text)
    }
}

/// Fails unless two values are equal.
fn same<T: PartialEq + fmt::Debug>(
    what: impl fmt::Display,
    found: &T,
    due: &T,
) -> Result<(), Stop> {
    if found == due {
        return Ok(());
    }
    Err(Stop::Fail(format!("{what}: found {found:?}, due {due:?}")))
}

/// Fails unless a call was refused with this kind.
fn refused<T: fmt::Debug>(
    what: impl fmt::Display,
    result: Result<T, HypervisorError>,
    due: &Kind,
) -> Result<(), Stop> {
    match result {
        Ok(found) => Err(Stop::Fail(format!("{what}: found {found:?}, due {due:?}"))),
        Err(error) => same(what, error.kind(), due),
    }
}

const OFF: MachineState = MachineState::Off { crashed: false };

/// What the checks do with a fixture.
struct Bench<'a> {
    fixture: &'a dyn Fixture,
}

impl Bench<'_> {
    fn open(&self) -> Arc<dyn Hypervisor> {
        self.fixture.open()
    }

    fn meets(&self, needs: &[Need]) -> Result<(), Stop> {
        let capabilities = self.open().capabilities();
        for need in needs {
            let met = match need {
                // Only trying tells.
                Need::Foreign | Need::Progress => true,
                Need::Guest => self.fixture.guest_message().is_some(),
                Need::InputLock => self.open().input_lock().is_some(),
                Need::Peripherals => self.open().peripherals().is_some(),
                Need::Resources => !changeable(&capabilities).is_empty(),
                Need::Suspend => capabilities.suspend,
            };
            if !met {
                return Err(Stop::Skip(*need));
            }
        }
        Ok(())
    }

    fn spec(&self, id: &VmId) -> VmSpec {
        let (image, media_type) = self.fixture.image();
        VmSpec::new(id.clone(), image, media_type, self.fixture.resources())
    }

    /// A machine of this name in this state.
    fn machine(
        &self,
        hypervisor: &dyn Hypervisor,
        name: &str,
        state: &MachineState,
    ) -> Result<VmId, Stop> {
        let id = id(name)?;
        hypervisor.create(&self.spec(&id))?;
        match state {
            MachineState::Running => {
                hypervisor.power_on(&id)?;
            }
            MachineState::Suspended => {
                hypervisor.power_on(&id)?;
                hypervisor.suspend(&id)?;
            }
            _ => {}
        }
        in_state("set-up", hypervisor, &id, state)?;
        Ok(id)
    }

    fn guest_message(&self) -> Result<Vec<u8>, Stop> {
        let message = self.fixture.guest_message();
        message.ok_or(Stop::Skip(Need::Guest))
    }

    fn progress(&self, id: &VmId) -> Result<u64, Stop> {
        self.fixture.progress(id).ok_or(Stop::Skip(Need::Progress))
    }
}

/// The states a machine of this back end can be kept in.
fn kept_states(capabilities: &Capabilities) -> Vec<MachineState> {
    let mut states = vec![OFF, MachineState::Running];
    if capabilities.suspend {
        states.push(MachineState::Suspended);
    }
    states
}

/// The resources that can be changed, at least of a machine that is off.
fn changeable(capabilities: &Capabilities) -> Vec<Resource> {
    Resource::ALL
        .into_iter()
        .filter(|resource| capabilities.support(*resource) != Support::None)
        .collect()
}

fn id(name: &str) -> Result<VmId, Stop> {
    name.parse()
        .map_err(|error| Stop::Fail(format!("{name:?}: {error}")))
}

fn in_state(
    what: impl fmt::Display,
    hypervisor: &dyn Hypervisor,
    id: &VmId,
    due: &MachineState,
) -> Result<(), Stop> {
    let observed = hypervisor.observe(id)?;
    same(format!("{what}: state of {id}"), &observed.state, due)
}

/// Fails unless the machine has these resources.
fn has(
    what: impl fmt::Display,
    hypervisor: &dyn Hypervisor,
    id: &VmId,
    due: &ResourceConfig,
) -> Result<(), Stop> {
    match hypervisor.observe(id)?.resources {
        Some(found) => same(format!("{what}: resources of {id}"), &found, due),
        None => Err(Stop::Fail(format!(
            "{what}: the resources of {id} are not told"
        ))),
    }
}
