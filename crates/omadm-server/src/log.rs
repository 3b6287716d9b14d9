use std::sync::Arc;

use crate::{Event, EventKind, session::Key};

/// How many events most calls have at most: a procedure ends, the next one begins and sends.
const USUAL: usize = 3;

/// Gathers the events of one call.
#[derive(Debug)]
pub(crate) struct Log {
    key: Key,
    events: Vec<Event>,
}

impl Log {
    /// Of a session.
    pub(crate) const fn new(key: Key) -> Self {
        Self {
            key,
            events: Vec::new(),
        }
    }

    /// Of a device in no session.
    pub(crate) fn of_device(device: Arc<str>) -> Self {
        Self::new(Key::new(device, Arc::default()))
    }

    pub(crate) fn push(&mut self, kind: EventKind) {
        self.add(Arc::clone(&self.key.session), kind);
    }

    /// Something that happened in another session of the device.
    pub(crate) fn push_in(&mut self, session: &Arc<str>, kind: EventKind) {
        self.add(Arc::clone(session), kind);
    }

    fn add(&mut self, session: Arc<str>, kind: EventKind) {
        if self.events.is_empty() {
            self.events.reserve_exact(USUAL);
        }
        self.events.push(Event {
            device: Arc::clone(&self.key.device),
            session,
            kind,
        });
    }

    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events
    }
}
