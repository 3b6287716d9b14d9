//! The states of a UA session as the VM keeps them, in one table.

use serde::{Deserialize, Serialize};

/// Where a VM is in serving a user. The text has no state machine: this one is ours, made of what
/// the text asks for (unverified).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It serves nobody, and holds nobody's image.
    Idle,
    /// The VMM chose it for a user.
    Selected,
    /// It retrieves the user's image over UVE-5.
    UifLoading,
    /// The user works.
    Serving,
    /// The user works, and an authorized second user watches.
    Monitored,
    /// The VMM suspended the monitored session over UVE-2.
    Suspended,
    /// The connection of the user broke unexpectedly; the VMM is being told over UVE-5.
    Disconnected,
    /// It updates the user's image over UVE-5.
    UifSaving,
}

/// What happens to a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The VMM chose the VM for a user who logs in.
    Select,
    /// The VM asks for the image.
    Load,
    /// The image is here, whole; or the user is new and has none.
    Loaded,
    /// The VM may not have the image: the user is served elsewhere.
    Refused,
    /// An authorized user begins to watch.
    Monitor,
    /// Nobody watches any more.
    Unmonitor,
    /// The VMM suspends the monitored session.
    Suspend,
    /// The user takes a suspended session up again; an extension of ours, the text has no way back.
    Resume,
    /// The connection to the user broke.
    Disconnect,
    /// The VMM acknowledged the disconnect.
    Acknowledged,
    /// The user finished consuming the VM or switches to another one.
    Finish,
    /// The VMM acknowledged the update, or refused it for good and the copy was set aside; no copy
    /// is left where the next user could see it.
    Saved,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::Selected,
        Self::UifLoading,
        Self::Serving,
        Self::Monitored,
        Self::Suspended,
        Self::Disconnected,
        Self::UifSaving,
    ];

    /// The state after an event; none if the event cannot happen here.
    ///
    /// ```
    /// use uve::session::{Event, State};
    ///
    /// assert_eq!(State::Monitored.after(Event::Suspend), Some(State::Suspended));
    /// // Only a monitored session can be suspended.
    /// assert_eq!(State::Serving.after(Event::Suspend), None);
    /// ```
    #[must_use]
    pub const fn after(self, event: Event) -> Option<Self> {
        Some(match (self, event) {
            (Self::Idle, Event::Select) => Self::Selected,
            (Self::Selected, Event::Load) => Self::UifLoading,
            (Self::UifLoading, Event::Loaded) => Self::Serving,
            // Nothing was changed yet, so there is nothing to update.
            (Self::Selected | Self::UifLoading, Event::Refused | Event::Finish) => Self::Idle,
            (Self::Serving, Event::Monitor) => Self::Monitored,
            (Self::Monitored, Event::Unmonitor) => Self::Serving,
            (Self::Monitored, Event::Suspend) => Self::Suspended,
            (Self::Suspended, Event::Resume) => Self::Monitored,
            (Self::Serving | Self::Monitored | Self::Suspended, Event::Finish) => Self::UifSaving,
            (Self::Serving | Self::Monitored | Self::Suspended, Event::Disconnect) => {
                Self::Disconnected
            }
            (Self::Disconnected, Event::Acknowledged) => Self::UifSaving,
            (Self::UifSaving, Event::Saved) => Self::Idle,
            _ => return None,
        })
    }

    /// Whether the user's image may be read and changed: the user works.
    #[must_use]
    pub const fn is_consumed(self) -> bool {
        matches!(self, Self::Serving | Self::Monitored)
    }
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 12] = [
        Self::Select,
        Self::Load,
        Self::Loaded,
        Self::Refused,
        Self::Monitor,
        Self::Unmonitor,
        Self::Suspend,
        Self::Resume,
        Self::Disconnect,
        Self::Acknowledged,
        Self::Finish,
        Self::Saved,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All states × all events, against the picture written down apart: `.` cannot happen.
    ///
    /// UR-003, UR-004, UR-012, UR-016, UR-017.
    #[test]
    fn every_state_meets_every_event() {
        // Sel Load Loaded Ref Mon Unmon Susp Res Disc Ack Fin Saved
        let table = [
            (State::Idle, "S..........."),
            (State::Selected, ".L.I......I."),
            (State::UifLoading, "..VI......I."),
            (State::Serving, "....M...D.U."),
            (State::Monitored, ".....VP.D.U."),
            (State::Suspended, ".......MD.U."),
            (State::Disconnected, ".........U.."),
            (State::UifSaving, "...........I"),
        ];
        assert_eq!(table.map(|(state, _)| state), State::ALL);
        for (state, row) in table {
            for (event, expected) in Event::ALL.into_iter().zip(row.chars()) {
                let letter = match state.after(event) {
                    None => '.',
                    Some(State::Idle) => 'I',
                    Some(State::Selected) => 'S',
                    Some(State::UifLoading) => 'L',
                    Some(State::Serving) => 'V',
                    Some(State::Monitored) => 'M',
                    Some(State::Suspended) => 'P',
                    Some(State::Disconnected) => 'D',
                    Some(State::UifSaving) => 'U',
                };
                assert_eq!(letter, expected, "{state:?} × {event:?}");
            }
        }
    }

    /// Whoever has an image passes through `UifSaving` before the VM is idle.
    #[test]
    fn no_way_leads_from_work_to_idle_without_an_update() {
        for state in [
            State::Serving,
            State::Monitored,
            State::Suspended,
            State::Disconnected,
        ] {
            for event in Event::ALL {
                assert_ne!(state.after(event), Some(State::Idle), "{state:?} {event:?}");
            }
        }
    }
}
