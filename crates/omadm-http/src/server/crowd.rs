use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Whom a connection counts for: an address, or in IPv6 a network of one subscriber, who has all
/// addresses of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Source([u8; 8]);

impl Source {
    fn of(remote: SocketAddr) -> Self {
        let mut octets = [0; 8];
        match remote.ip().to_canonical() {
            // No network of anybody begins with zeros.
            IpAddr::V4(address) => octets[4..].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => octets.copy_from_slice(&address.octets()[..8]),
        }
        Self(octets)
    }
}

/// The connections that are open, so that nobody keeps all of them by doing nothing.
#[derive(Debug)]
pub(super) struct Crowd {
    share: usize,
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: BTreeMap<u64, Taken>,
}

#[derive(Debug)]
struct Taken {
    source: Source,
    /// Requests under way, up to the last byte of the answer.
    busy: usize,
    leaving: bool,
    leave: Arc<Notify>,
}

/// The place of one connection, free when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    number: u64,
    leave: Arc<Notify>,
}

/// While it exists, a request of the connection is under way.
#[derive(Debug)]
pub(super) struct Busy(Arc<Seat>);

impl Crowd {
    pub(super) fn new(share: usize) -> Arc<Self> {
        Arc::new(Self {
            share,
            seats: Mutex::default(),
        })
    }

    pub(super) fn seat(self: &Arc<Self>, remote: SocketAddr) -> Arc<Seat> {
        let mut seats = self.seats();
        let number = seats.next;
        seats.next += 1;
        let leave = Arc::new(Notify::new());
        let taken = Taken {
            source: Source::of(remote),
            busy: 0,
            leaving: false,
            leave: Arc::clone(&leave),
        };
        seats.taken.insert(number, taken);
        Arc::new(Seat {
            crowd: Arc::clone(self),
            number,
            leave,
        })
    }

    /// Asks one connection to leave that has no request under way, and whose source has more than
    /// its share: the oldest of the source that has most of all such.
    pub(super) fn make_room(&self) {
        let mut seats = self.seats();
        let mut counts = BTreeMap::<Source, (usize, bool)>::new();
        for taken in seats.taken.values().filter(|taken| !taken.leaving) {
            let (count, has_idle) = counts.entry(taken.source).or_default();
            *count += 1;
            *has_idle |= taken.busy == 0;
        }
        let most = counts
            .into_iter()
            .filter(|(_, (count, has_idle))| *has_idle && *count > self.share)
            .max_by_key(|(_, (count, _))| *count);
        let Some((source, _)) = most else {
            return;
        };
        let idle = |taken: &&mut Taken| taken.source == source && taken.busy == 0 && !taken.leaving;
        if let Some(taken) = seats.taken.values_mut().find(idle) {
            taken.leaving = true;
            taken.leave.notify_one();
        }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Returns when the connection is to make room for another.
    pub(super) async fn wanted(&self) {
        self.leave.notified().await;
    }

    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.count(|busy| busy + 1);
        Busy(Arc::clone(self))
    }

    /// Whether a request is under way.
    pub(super) fn is_busy(&self) -> bool {
        let seats = self.crowd.seats();
        seats.taken.get(&self.number).is_some_and(|it| it.busy > 0)
    }

    fn count(&self, change: impl Fn(usize) -> usize) {
        if let Some(taken) = self.crowd.seats().taken.get_mut(&self.number) {
            taken.busy = change(taken.busy);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.seats().taken.remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.count(|busy| busy.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_of_ipv6_is_one_source() {
        let source = |address: &str| Source::of(format!("{address}:1").parse().unwrap());
        assert_eq!(source("[2001:db8::1]"), source("[2001:db8::ffff:2]"));
        assert_ne!(source("[2001:db8::1]"), source("[2001:db8:0:1::1]"));
        assert_eq!(source("[::ffff:192.0.2.1]"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }

    #[test]
    fn who_has_most_gives_way_where_nothing_is_under_way() {
        let crowd = Crowd::new(2);
        let seat = |address: &str| crowd.seat(format!("{address}:1").parse().unwrap());
        let leaving = || {
            let seats = crowd.seats();
            let all = seats.taken.iter().filter(|(_, taken)| taken.leaving);
            all.map(|(number, _)| *number).collect::<Vec<_>>()
        };
        let many: Vec<_> = (0..4).map(|_| seat("192.0.2.1")).collect();
        let few = [seat("192.0.2.2"), seat("192.0.2.2")];
        let first = many[0].busy();
        crowd.make_room();
        assert_eq!(leaving(), [1]);
        crowd.make_room();
        assert_eq!(leaving(), [1, 2]);
        // The share is left to it.
        crowd.make_room();
        assert_eq!(leaving(), [1, 2]);
        drop(first);
        let more = [seat("192.0.2.1")];
        crowd.make_room();
        assert_eq!(leaving(), [0, 1, 2]);
        drop((many, few, more));
        assert!(crowd.seats().taken.is_empty());
    }

    #[test]
    fn who_is_busy_keeps_no_other_from_giving_way() {
        let crowd = Crowd::new(2);
        let seat = |address: &str| crowd.seat(format!("{address}:1").parse().unwrap());
        let most: Vec<_> = (0..5).map(|_| seat("192.0.2.1")).collect();
        let busy: Vec<_> = most.iter().map(Seat::busy).collect();
        let many: Vec<_> = (0..3).map(|_| seat("192.0.2.2")).collect();
        crowd.make_room();
        let leaving = |seat: &Arc<Seat>| crowd.seats().taken[&seat.number].leaving;
        assert!(leaving(&many[0]));
        assert!(!most.iter().chain(&many[1..]).any(leaving));
        drop(busy);
    }
}
