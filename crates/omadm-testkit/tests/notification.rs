//! Notifications from a server to a device, and the sessions that answer them, with the nonces of
//! both ends.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use omadm_client::{Auth, Event, NotificationDrop, SessionEnd};
use omadm_server::{Account, EventKind, NotifyError, Trigger};
use omadm_session::{
    Proof, Scheme,
    notification::{Notification, ProvenBy, Resync},
};
use omadm_testkit::{Bench, DEVICE_ID, Pair, SERVER_ID, Wire, again_over_wbxml};

fn pair(scheme: Scheme, resync: Resync) -> Pair {
    let device = Some(Proof::new(scheme, "dev1", "OhBehave"));
    let server = Some(Proof::new(scheme, SERVER_ID, "Bruce2"));
    let mut config = Bench::config();
    config.auth = Auth::given(device.clone(), server.clone());
    config.nonce_resync = resync;
    let account = Account::new(device, server);
    let engine = omadm_server::Config::new("c");
    Pair::new(config, engine, account, Wire::default())
}

fn signed(pair: &mut Pair, session_id: u16, by: ProvenBy) -> Vec<u8> {
    let notification = Notification::new(session_id, SERVER_ID.parse().unwrap()).unwrap();
    pair.server.notify(DEVICE_ID, &notification, by).unwrap()
}

/// Why a notification is dropped.
fn dropped(pair: &mut Pair, octets: &[u8]) -> NotificationDrop {
    pair.events.clear();
    pair.notify(octets);
    match pair.events.as_slice() {
        [Event::NotificationDropped(reason)] => *reason,
        other => panic!("{other:?}"),
    }
}

/// The device takes a notification and opens the session; what the server tells of its beginning.
fn answered(pair: &mut Pair, octets: &[u8]) -> Vec<Option<u16>> {
    pair.events.clear();
    pair.told.clear();
    pair.notify(octets);
    let [Event::Notified(notified)] = pair.events.as_slice() else {
        panic!("{:?}", pair.events)
    };
    let start = notified.start;
    pair.session_of(start);
    assert_eq!(pair.ended.last(), Some(&SessionEnd::Completed));
    let told = pair.told.iter().filter_map(|kind| match kind {
        EventKind::SessionStarted { trigger, .. } => {
            assert_eq!(*trigger, Trigger::Server);
            Some(None)
        }
        EventKind::NotificationAnswered { session_id } => Some(Some(*session_id)),
        _ => None,
    });
    told.collect()
}

#[test]
fn the_server_knows_the_session_that_answers() {
    for scheme in Scheme::ALL {
        let mut pair = pair(scheme, Resync::Refused);
        for id in [0xAB, 0x1234] {
            let octets = signed(&mut pair, id, ProvenBy::StoredNonce);
            assert_eq!(answered(&mut pair, &octets), [None, Some(id)], "{scheme}");
        }
        // A session of the device's own answers none.
        signed(&mut pair, 1, ProvenBy::StoredNonce);
        pair.told.clear();
        pair.session();
        let is_answer = |kind: &EventKind| matches!(kind, EventKind::NotificationAnswered { .. });
        assert!(!pair.told.iter().any(is_answer));
    }
}

#[test]
fn a_nonce_holds_until_a_session_brings_the_next() {
    for scheme in Scheme::ALL {
        let mut pair = pair(scheme, Resync::Refused);
        pair.session();
        let [first, second] = [7, 8].map(|id| signed(&mut pair, id, ProvenBy::StoredNonce));
        assert_eq!(answered(&mut pair, &first), [None, Some(7)]);
        if scheme.has_nonce() {
            assert_eq!(dropped(&mut pair, &second), NotificationDrop::Forged);
            // Played back: the nonce is gone.
            assert_eq!(dropped(&mut pair, &first), NotificationDrop::Forged);
        } else {
            assert_eq!(answered(&mut pair, &second), [None, Some(8)]);
            assert_eq!(dropped(&mut pair, &first), NotificationDrop::Repeated);
        }
        pair.restart();
        let third = signed(&mut pair, 9, ProvenBy::StoredNonce);
        assert_eq!(answered(&mut pair, &third), [None, Some(9)], "{scheme}");
    }
}

#[test]
fn a_server_that_lost_the_nonce_begins_anew() {
    for scheme in Scheme::ALL {
        for by in [ProvenBy::ResyncText, ProvenBy::ResyncOctets] {
            let mut pair = pair(scheme, Resync::Allowed);
            pair.session();
            let octets = signed(&mut pair, 7, by);
            assert_eq!(answered(&mut pair, &octets), [None, Some(7)], "{scheme}");
            let refused = pair.told.iter();
            let refused = refused.filter(|kind| matches!(kind, EventKind::Refused(_)));
            assert_eq!(refused.count(), 0, "{scheme}: the nonce of both directions");
            assert_eq!(dropped(&mut pair, &octets), NotificationDrop::Repeated);
            // Both ends have new nonces.
            let octets = signed(&mut pair, 8, ProvenBy::StoredNonce);
            assert_eq!(answered(&mut pair, &octets), [None, Some(8)], "{scheme}");

            let mut wary = self::pair(scheme, Resync::Refused);
            let octets = signed(&mut wary, 7, by);
            assert_eq!(dropped(&mut wary, &octets), NotificationDrop::Forged);
        }
    }
}

#[test]
fn an_identifier_is_given_to_one_session() {
    let mut pair = pair(Scheme::Md5, Resync::Refused);
    let octets = signed(&mut pair, 7, ProvenBy::StoredNonce);
    let notification = Notification::new(7, SERVER_ID.parse().unwrap()).unwrap();
    let again = |pair: &mut Pair| {
        let server = &mut pair.server;
        server.notify(DEVICE_ID, &notification, ProvenBy::StoredNonce)
    };
    assert_eq!(again(&mut pair), Err(NotifyError::SessionIdInUse(7)));
    answered(&mut pair, &octets);
    // The session is remembered for a while, for what the device may repeat.
    assert_eq!(again(&mut pair), Err(NotifyError::SessionIdInUse(7)));
}

#[test]
fn who_cannot_prove_itself_cannot_notify() {
    let mut pair = Pair::plain(Wire::default());
    let notification = Notification::new(7, SERVER_ID.parse().unwrap()).unwrap();
    let octets = pair
        .server
        .notify(DEVICE_ID, &notification, ProvenBy::StoredNonce);
    assert_eq!(octets, Err(NotifyError::NoPassword));
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
