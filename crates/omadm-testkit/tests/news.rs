//! Alerts without a Correlator and client events: told once by the server, whatever is lost.
#![allow(clippy::unwrap_used, reason = "test code")]

use omadm_client::{Input, Notice};
use omadm_core::{ClientEvent, Format, GenericAlert};
use omadm_server::EventKind;
use omadm_testkit::{Fault, Pair, Wire};

fn alert(data: &str) -> GenericAlert {
    let mut alert = GenericAlert::new("com.example.hot", Format::Chr);
    alert.data = data.to_owned();
    alert
}

fn event(data: &str) -> ClientEvent {
    let mut event = ClientEvent::new("com.example.event", Format::Chr);
    event.source = Some("./Lamp/Light".to_owned());
    event.data = data.to_owned();
    event
}

/// What the server told, one word for each alert and event.
fn told(pair: &Pair) -> Vec<String> {
    let of = |kind: &EventKind| match kind {
        EventKind::Alert { alert, .. } => Some(format!("alert {}", alert.data)),
        EventKind::ClientEvent(event) => Some(format!("event {}", event.data)),
        _ => None,
    };
    pair.told.iter().filter_map(of).collect()
}

fn queue(pair: &mut Pair, notice: impl Into<Notice>) {
    let now = pair.clock.now();
    pair.client
        .handle(Input::Queue(notice.into()), now)
        .unwrap();
    while pair.client.poll_output().is_some() {}
}

/// The same news twice, each brought by a session of its own.
fn twice(wire: Wire) -> Pair {
    let mut pair = Pair::plain(wire);
    for _ in 0..2 {
        queue(&mut pair, alert("warm"));
        queue(&mut pair, Notice::Events(vec![event("a"), event("b")]));
        pair.settle();
    }
    pair
}

#[test]
fn the_same_news_of_two_sessions_are_told_twice() {
    let pair = twice(Wire::default());
    let once = ["alert warm", "event a", "event b"];
    assert_eq!(told(&pair), [once, once].concat());
    assert_eq!(
        pair.wire.exchanges(),
        4,
        "one more in each session, as proof"
    );
}

#[test]
fn a_fault_at_any_exchange_tells_nothing_twice() {
    let once = ["alert warm", "event a", "event b"];
    for exchange in 0..4 {
        for fault in Fault::ALL {
            let pair = twice(Wire::new([(exchange, fault)]));
            assert!(pair.client.is_idle());
            // The one case that looks like a lost Status: the proof that it came is lost for good,
            // and the next session begins with the same news.
            let expected = match (exchange, fault) {
                (1, Fault::CutRequest) => once.to_vec(),
                _ => [once, once].concat(),
            };
            assert_eq!(told(&pair), expected, "{fault:?} at {exchange}");
        }
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
