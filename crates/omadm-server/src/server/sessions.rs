use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    Session,
    session::{Key, Phase},
};

/// The sessions of all devices, found by name and by when their last message came.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_key: BTreeMap<Key, Box<Session>>,
    /// Those that did not open yet.
    opening: Order,
    ended: Order,
    open: Order,
    /// What they keep of objects that come in chunks, in bytes.
    held: u64,
}

/// Sessions by when their last message came.
type Order = BTreeSet<(Duration, Key)>;

impl Sessions {
    /// Puts a session in, in place of one that has its name.
    pub(super) fn insert(&mut self, key: Key, session: Box<Session>) {
        self.remove(&key);
        self.held = self.held.saturating_add(session.assembler.held());
        let seen = (session.last_seen, key.clone());
        self.order_of(session.phase).insert(seen);
        self.by_key.insert(key, session);
    }

    /// Changes a session in its place, which is found anew if that is what changed.
    pub(super) fn change<T>(
        &mut self,
        key: &Key,
        change: impl FnOnce(&mut Session) -> T,
    ) -> Option<T> {
        let session = self.by_key.get_mut(key)?;
        let (phase, held) = (session.phase, session.assembler.held());
        let changed = change(session);
        let (seen, now) = (session.last_seen, session.phase);
        self.held = self.held.saturating_sub(held);
        self.held = self.held.saturating_add(session.assembler.held());
        if now != phase {
            let seen = (seen, key.clone());
            self.order_of(phase).remove(&seen);
            self.order_of(now).insert(seen);
        }
        Some(changed)
    }

    /// Takes a session out: when its last message came may only change outside.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Box<Session>> {
        let (key, session) = self.by_key.remove_entry(key)?;
        self.held = self.held.saturating_sub(session.assembler.held());
        let seen = (session.last_seen, key);
        self.order_of(session.phase).remove(&seen);
        Some(session)
    }

    fn order_of(&mut self, phase: Phase) -> &mut Order {
        match phase {
            Phase::Opening => &mut self.opening,
            Phase::Open => &mut self.open,
            Phase::Ended { .. } => &mut self.ended,
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Session> {
        self.by_key.get(key).map(|session| &**session)
    }

    /// The sessions of one device.
    pub(super) fn of(&self, device: &Arc<str>) -> impl Iterator<Item = (&Key, &Session)> {
        let first = Key::new(Arc::clone(device), Arc::default());
        let sessions = self.by_key.range(first..);
        let sessions = sessions.map(|(key, session)| (key, &**session));
        sessions.take_while(|(key, _)| key.device == *device)
    }

    /// Whether a device has an open session.
    pub(super) fn is_open(&self, device: &Arc<str>) -> bool {
        self.of(device).any(|(_, session)| session.is_open())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.by_key.values().map(|session| &**session)
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// What they keep of objects that come in chunks, in bytes.
    pub(super) const fn held(&self) -> u64 {
        self.held
    }

    /// Takes out the one that gives way to others: in which nothing was proven yet, then which ended.
    pub(super) fn take_least_needed(&mut self) -> Option<Box<Session>> {
        let first = self.opening.pop_first();
        let (_, key) = first.or_else(|| self.ended.pop_first())?;
        self.remove(&key)
    }

    /// Since when the one is silent that is silent for longest.
    pub(super) fn silent_since(&self) -> Option<Duration> {
        let orders = [&self.opening, &self.ended, &self.open];
        let first = orders.into_iter().filter_map(BTreeSet::first).min();
        first.map(|(last_seen, _)| *last_seen)
    }

    /// The one that is silent for longest, if its last message came by then. It is in no order any
    /// more, and to be [removed](Self::remove).
    pub(super) fn pop_silent(&mut self, until: Duration) -> Option<Key> {
        let orders = [&mut self.opening, &mut self.ended, &mut self.open];
        let first = orders.into_iter().min_by(|one, other| {
            let (one, other) = (one.first(), other.first());
            // One without any comes last.
            (one.is_none(), one).cmp(&(other.is_none(), other))
        });
        let order = first?;
        order.first().filter(|(seen, _)| *seen <= until)?;
        order.pop_first().map(|(_, key)| key)
    }
}
