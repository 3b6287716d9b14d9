use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::device::Device;

/// The devices that are known, found by name, by who gives way first and by whose procedure's time
/// is over first.
///
/// Whoever changes a device, or opens or ends a session of it, [files](Self::file) it again.
#[derive(Debug, Default)]
pub(super) struct Devices {
    by_name: BTreeMap<Arc<str>, Box<Device>>,
    /// Those that give way at once.
    idle: Order,
    /// Those that give way for lack of idle ones: something is to be remembered of them.
    needed: Order,
    /// When the time of a procedure is over.
    deadlines: BTreeSet<(Duration, Arc<str>)>,
}

/// Devices by when their last message came.
type Order = BTreeSet<(Option<Duration>, Arc<str>)>;

/// Where a device is filed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Filed {
    /// Whether it is needed, and when its last message came; none if it does not give way.
    yields: Option<(bool, Option<Duration>)>,
    deadline: Option<Duration>,
}

impl Devices {
    pub(super) fn get(&self, name: &str) -> Option<&Device> {
        self.by_name.get(name).map(|device| &**device)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Device> {
        self.by_name.get_mut(name).map(|device| &mut **device)
    }

    /// The name of a device, shared with what is known of it.
    pub(super) fn name(&self, name: &str) -> Arc<str> {
        let known = self.by_name.get_key_value(name);
        known.map_or_else(|| name.into(), |(name, _)| Arc::clone(name))
    }

    pub(super) fn get_or_insert(&mut self, name: &Arc<str>) -> &mut Device {
        self.by_name.entry(Arc::clone(name)).or_default()
    }

    /// Puts a device in that is not [filed](Self::file), in place of one that has its name.
    pub(super) fn insert(&mut self, name: Arc<str>, device: Box<Device>) {
        self.remove(&name);
        self.by_name.insert(name, device);
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<(Arc<str>, Box<Device>)> {
        let (name, device) = self.by_name.remove_entry(name)?;
        self.take_out(&name, device.filed);
        Some((name, device))
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_name.keys()
    }

    /// Finds the place of a device in all orders, given the limit of procedures that have none of
    /// their own.
    pub(super) fn file(&mut self, name: &str, is_in_session: bool, timeout: Duration) {
        let Some((name, device)) = self.by_name.get_key_value(name) else {
            return;
        };
        let name = Arc::clone(name);
        let yields = !is_in_session && device.waiting() == 0;
        let deadline = device.deadline(timeout).filter(|_| !is_in_session);
        let filed = Filed {
            yields: yields.then(|| (device.is_needed(), device.last_seen)),
            deadline,
        };
        let before = device.filed;
        if filed == before {
            return;
        }
        self.take_out(&name, before);
        if let Some(device) = self.by_name.get_mut(&name) {
            device.filed = filed;
        }
        if let Some((is_needed, seen)) = filed.yields {
            self.order_of(is_needed).insert((seen, Arc::clone(&name)));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, name));
        }
    }

    fn take_out(&mut self, name: &Arc<str>, filed: Filed) {
        if let Some((is_needed, seen)) = filed.yields {
            self.order_of(is_needed).remove(&(seen, Arc::clone(name)));
        }
        if let Some(deadline) = filed.deadline {
            self.deadlines.remove(&(deadline, Arc::clone(name)));
        }
    }

    const fn order_of(&mut self, is_needed: bool) -> &mut Order {
        if is_needed {
            &mut self.needed
        } else {
            &mut self.idle
        }
    }

    /// The one of which nothing is to be remembered that is silent for longest, if its last message
    /// came by then or never; and when. It is in no such order until it is [filed](Self::file) again.
    pub(super) fn pop_idle(
        &mut self,
        until: Option<Duration>,
    ) -> Option<(Option<Duration>, Arc<str>)> {
        self.idle.first().filter(|(seen, _)| *seen <= until)?;
        let (seen, name) = self.idle.pop_first()?;
        if let Some(device) = self.by_name.get_mut(&name) {
            device.filed.yields = None;
        }
        Some((seen, name))
    }

    /// The one that gives way to others. It is in no such order until it is [filed](Self::file) again.
    pub(super) fn pop_least_needed(&mut self) -> Option<Arc<str>> {
        let first = self.idle.pop_first();
        let (_, name) = first.or_else(|| self.needed.pop_first())?;
        if let Some(device) = self.by_name.get_mut(&name) {
            device.filed.yields = None;
        }
        Some(name)
    }

    /// When the time of the first procedure is over.
    pub(super) fn first_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Whose procedure's time is over first, if it is by now. It has no deadline until it is
    /// [filed](Self::file) again.
    pub(super) fn pop_overdue(&mut self, now: Duration) -> Option<Arc<str>> {
        self.deadlines
            .first()
            .filter(|(deadline, _)| *deadline <= now)?;
        let (_, name) = self.deadlines.pop_first()?;
        if let Some(device) = self.by_name.get_mut(&name) {
            device.filed.deadline = None;
        }
        Some(name)
    }
}
