use crate::{Event, EventKind};

/// Gathers the events of one call.
#[derive(Debug)]
pub(crate) struct Log {
    device: String,
    session: String,
    events: Vec<Event>,
}

impl Log {
    pub(crate) fn new(device: &str, session: &str) -> Self {
        Self {
            device: device.to_owned(),
            session: session.to_owned(),
            events: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, kind: EventKind) {
        self.events.push(Event {
            device: self.device.clone(),
            session: self.session.clone(),
            kind,
        });
    }

    /// Something that happened in another session of the device.
    pub(crate) fn push_in(&mut self, session: &str, kind: EventKind) {
        self.events.push(Event {
            device: self.device.clone(),
            session: session.to_owned(),
            kind,
        });
    }

    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events
    }
}
