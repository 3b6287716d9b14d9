use virmo_hypervisor::MachineState;
use virmo_state::{Primitive, VmState};

/// One call to the hypervisor that changes a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Create,
    PowerOn,
    PowerOff,
    Suspend,
    Resume,
    Delete,
}

/// Which way a primitive is being brought to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// To the state it promises.
    Finish,
    /// Back to the state it started from, as far as there is a way back.
    Undo,
}

/// What a machine is seen as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Absent,
    Off,
    Running,
    Suspended,
    /// Between two states, see [`MachineState::Unsettled`].
    Unsettled,
    Broken,
}

/// What the table says for a machine as it is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Make this call, unless it was the last one made: then hold.
    Do(Step),
    /// This is the end.
    Hold,
    /// There is no way to the promised state from here: undo.
    Turn,
}

use Next::{Do, Hold, Turn};
use Step::{Create, Delete, PowerOff, PowerOn, Resume, Suspend};

/// The table primitive × machine × direction: every step a primitive takes, how it is finished and
/// how it is undone, whether in one go, after a failure, or after a crash at any moment.
///
/// The point of no return of a primitive is where the undo row holds although the machine is not
/// what it was before: Resume once the guest runs, PowerOff once it is off, Delete once the machine
/// is absent or no longer usable. `Create`, `Suspend` and `PowerOn` have none.
const TABLE: [Row; 7] = [
    //                         absent      off          running       suspended     unsettled      broken
    Row {
        primitive: Primitive::Create,
        finish: [Do(Create), Do(PowerOn), Hold, Turn, Do(PowerOn), Turn],
        undo: [Do(Delete); 6],
    },
    Row {
        primitive: Primitive::CreateAndPoweroff,
        finish: [Do(Create), Hold, Turn, Turn, Turn, Turn],
        undo: [Do(Delete); 6],
    },
    Row {
        primitive: Primitive::Suspend,
        finish: [Turn, Turn, Do(Suspend), Hold, Do(Suspend), Turn],
        undo: [Hold, Hold, Hold, Do(Resume), Do(Resume), Hold],
    },
    Row {
        primitive: Primitive::Resume,
        finish: [Turn, Turn, Hold, Do(Resume), Do(Resume), Turn],
        undo: [Hold, Hold, Hold, Hold, Do(Suspend), Hold],
    },
    Row {
        primitive: Primitive::PowerOn,
        finish: [Turn, Do(PowerOn), Hold, Turn, Do(PowerOn), Turn],
        undo: [Hold, Hold, Do(PowerOff), Hold, Do(PowerOff), Hold],
    },
    Row {
        primitive: Primitive::PowerOff,
        finish: [Turn, Hold, Do(PowerOff), Turn, Do(PowerOff), Turn],
        undo: [Hold, Hold, Hold, Hold, Do(PowerOff), Hold],
    },
    Row {
        primitive: Primitive::Delete,
        finish: [Do(Delete); 6],
        undo: [Do(Delete), Hold, Hold, Hold, Do(Delete), Do(Delete)],
    },
];

struct Row {
    primitive: Primitive,
    finish: [Next; 6],
    undo: [Next; 6],
}

/// What the table says.
pub(crate) fn next(primitive: Primitive, direction: Direction, seen: Seen) -> Next {
    TABLE
        .iter()
        .find(|row| row.primitive == primitive)
        .and_then(|row| {
            let cells = match direction {
                Direction::Finish => &row.finish,
                Direction::Undo => &row.undo,
            };
            cells.get(seen as usize).copied()
        })
        .unwrap_or(Hold)
}

impl Step {
    /// What a machine is after the call succeeded.
    pub(crate) const fn result(self) -> Seen {
        match self {
            Self::Create | Self::PowerOff => Seen::Off,
            Self::PowerOn | Self::Resume => Seen::Running,
            Self::Suspend => Seen::Suspended,
            Self::Delete => Seen::Absent,
        }
    }
}

impl Seen {
    /// The state of the specification, if it is one.
    pub(crate) const fn state(self) -> Option<VmState> {
        match self {
            Self::Absent => Some(VmState::NotCreated),
            Self::Off => Some(VmState::PoweredOff),
            Self::Running => Some(VmState::Running),
            Self::Suspended => Some(VmState::Suspended),
            Self::Unsettled | Self::Broken => None,
        }
    }
}

impl From<&MachineState> for Seen {
    fn from(state: &MachineState) -> Self {
        match state {
            MachineState::Absent => Self::Absent,
            MachineState::Off { .. } => Self::Off,
            MachineState::Running => Self::Running,
            MachineState::Suspended => Self::Suspended,
            MachineState::Unsettled => Self::Unsettled,
            MachineState::Broken(_) => Self::Broken,
        }
    }
}

impl From<VmState> for Seen {
    fn from(state: VmState) -> Self {
        match state {
            VmState::NotCreated | VmState::Deleted => Self::Absent,
            VmState::PoweredOff => Self::Off,
            VmState::Running => Self::Running,
            VmState::Suspended => Self::Suspended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: [Seen; 6] = [
        Seen::Absent,
        Seen::Off,
        Seen::Running,
        Seen::Suspended,
        Seen::Unsettled,
        Seen::Broken,
    ];

    /// Follows the table as if every call succeeded.
    fn walk(primitive: Primitive, mut direction: Direction, from: Seen) -> (Seen, Vec<Step>) {
        let (mut seen, mut steps) = (from, Vec::new());
        loop {
            match next(primitive, direction, seen) {
                Do(step) if steps.last() != Some(&step) => {
                    steps.push(step);
                    seen = step.result();
                }
                Turn => direction = Direction::Undo,
                Do(_) | Hold => return (seen, steps),
            }
            assert!(
                steps.len() < 4,
                "{primitive} {from:?} never ends: {steps:?}"
            );
        }
    }

    #[test]
    fn the_rows_are_the_primitives_in_their_order() {
        assert_eq!(TABLE.map(|row| row.primitive), Primitive::ALL);
    }

    /// VR-079 to VR-085: from each applicable state the table leads to the promised one, in the
    /// fewest calls.
    #[test]
    fn finishing_leads_to_what_the_transition_table_promises() {
        let mut calls = Vec::new();
        for primitive in Primitive::ALL {
            for prior in VmState::ALL {
                if let Ok(target) = prior.after(primitive) {
                    let (end, steps) = walk(primitive, Direction::Finish, prior.into());
                    assert_eq!(end, target.into(), "{primitive} from {prior}");
                    calls.push((primitive, steps));
                }
            }
        }
        assert_eq!(
            calls,
            [
                (Primitive::Create, vec![Create, PowerOn]),
                (Primitive::CreateAndPoweroff, vec![Create]),
                (Primitive::Suspend, vec![Suspend]),
                (Primitive::Resume, vec![Resume]),
                (Primitive::PowerOn, vec![PowerOn]),
                (Primitive::PowerOff, vec![PowerOff]),
                (Primitive::Delete, vec![Delete]),
                (Primitive::Delete, vec![Delete]),
                (Primitive::Delete, vec![Delete]),
            ]
        );
    }

    /// VR-059, VR-060: a primitive cut before, between or after its calls goes back to where it
    /// came from, except past its point of no return.
    #[test]
    fn undoing_leads_back_except_past_the_point_of_no_return() {
        let mut no_return = Vec::new();
        for primitive in Primitive::ALL {
            for prior in VmState::ALL {
                if prior.after(primitive).is_err() {
                    continue;
                }
                let (_, steps) = walk(primitive, Direction::Finish, prior.into());
                let cut = [prior.into(), Seen::Unsettled]
                    .into_iter()
                    .chain(steps.iter().map(|step| step.result()));
                for seen in cut {
                    let (end, _) = walk(primitive, Direction::Undo, seen);
                    if end != prior.into() {
                        no_return.push((primitive, prior, seen, end));
                    }
                }
            }
        }
        use VmState::{PoweredOff, Running, Suspended};
        assert_eq!(
            no_return,
            [
                (Primitive::Resume, Suspended, Seen::Running, Seen::Running),
                (Primitive::PowerOff, Running, Seen::Unsettled, Seen::Off),
                (Primitive::PowerOff, Running, Seen::Off, Seen::Off),
                (Primitive::Delete, PoweredOff, Seen::Unsettled, Seen::Absent),
                (Primitive::Delete, PoweredOff, Seen::Absent, Seen::Absent),
                (Primitive::Delete, Running, Seen::Unsettled, Seen::Absent),
                (Primitive::Delete, Running, Seen::Absent, Seen::Absent),
                (Primitive::Delete, Suspended, Seen::Unsettled, Seen::Absent),
                (Primitive::Delete, Suspended, Seen::Absent, Seen::Absent),
            ]
        );
    }

    #[test]
    fn whatever_a_machine_is_seen_as_there_is_an_end() {
        for primitive in Primitive::ALL {
            for direction in [Direction::Finish, Direction::Undo] {
                for seen in SEEN {
                    let (end, _) = walk(primitive, direction, seen);
                    assert!(end.state().is_some() || end == seen, "{primitive} {seen:?}");
                }
            }
        }
    }
}
