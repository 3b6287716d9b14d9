//! Both ends against each other, over a wire that fails.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use omadm_client::{Auth, SessionEnd};
use omadm_core::Format;
use omadm_server::{Account, EventKind, Everyone, SingleCommand};
use omadm_session::{Proof, Scheme, request::Leaf};
use omadm_testkit::{Bench, Fault, Pair, Wire, uri};
use proptest::prelude::*;

fn leaf(text: &str) -> Leaf {
    Leaf::new(Format::Chr, text.to_owned())
}

/// An Exec whose alert does not come keeps the others waiting for as long as it says.
#[test]
fn an_accepted_exec_is_given_up_and_the_next_procedure_goes_on() {
    let mut pair = Pair::plain(Wire::default());
    pair.enqueue(SingleCommand::exec("./Lamp/Later").within_sessions(2));
    pair.enqueue(SingleCommand::replace("./Lamp/Name", leaf("hall")));
    for sessions in 0..3 {
        assert_eq!(pair.reports, [], "{sessions}");
        pair.session();
    }
    let reports: Vec<_> = pair.reports.iter().map(|it| (it.ok, it.status)).collect();
    assert_eq!(
        reports,
        [(false, Some(202.into())), (true, Some(200.into()))]
    );
    assert_eq!(value(&pair, "./Lamp/Name"), "hall");
}

/// One procedure after the other, of every kind.
fn enqueue_all(pair: &mut Pair) {
    pair.enqueue(SingleCommand::add("./Lamp/Ext/a", leaf("1 < 2")));
    pair.enqueue(SingleCommand::get("./Lamp/Ext/a"));
    pair.enqueue(SingleCommand::exec("./Lamp/On"));
    pair.enqueue(SingleCommand::exec("./Lamp/Off"));
    pair.enqueue(SingleCommand::exec("./Lamp/Later"));
    pair.enqueue(SingleCommand::delete("./Lamp/Ext/none"));
    pair.enqueue(SingleCommand::replace("./Lamp/Name", leaf("hall")));
    pair.enqueue(SingleCommand::get("./Lamp"));
}

fn codes(pair: &Pair) -> Vec<u16> {
    pair.reports
        .iter()
        .map(|report| report.status.unwrap().get())
        .collect()
}

fn value(pair: &Pair, at: &str) -> String {
    pair.client
        .tree()
        .node(&uri(at))
        .unwrap()
        .text()
        .unwrap()
        .to_owned()
}

fn alerts(pair: &Pair) -> Vec<String> {
    let of = |kind: &EventKind| match kind {
        EventKind::Alert { alert, .. } => Some(format!(
            "{} {}",
            alert.source.as_deref().unwrap(),
            alert.data
        )),
        _ => None,
    };
    pair.told.iter().filter_map(of).collect()
}

fn check_done(pair: &Pair) {
    assert_eq!(value(pair, "./Lamp/Name"), "hall");
    assert_eq!(value(pair, "./Lamp/Ext/a"), "1 < 2");
    assert_eq!(value(pair, "./Lamp/Light"), "true", "Later comes last");
    assert_eq!(alerts(pair), ["./Lamp/Later 200"], "reported once");
    assert!(pair.client.is_idle());
}

#[test]
fn everything_is_done_in_order() {
    let mut pair = Pair::plain(Wire::default());
    enqueue_all(&mut pair);
    pair.settle();
    check_done(&pair);
    assert_eq!(codes(&pair), [200, 200, 200, 200, 200, 404, 200, 200]);
    assert_eq!(pair.reports[1].value.as_deref(), Some("1 < 2"));
    assert!(pair.ended.iter().all(SessionEnd::is_normal));
    let violation = |kind: &EventKind| matches!(kind, EventKind::Violation(_));
    assert!(!pair.told.iter().any(violation), "{:?}", pair.told);
}

#[test]
fn a_lost_or_repeated_message_costs_nothing_but_time() {
    let exchanges = {
        let mut pair = Pair::plain(Wire::default());
        enqueue_all(&mut pair);
        pair.settle();
        pair.wire.exchanges()
    };
    assert!(exchanges >= 4, "{exchanges}");
    for exchange in 0..exchanges {
        for fault in Fault::ALL {
            let mut pair = Pair::plain(Wire::new([(exchange, fault)]));
            enqueue_all(&mut pair);
            pair.settle();
            let broken = pair.ended.iter().filter(|end| !end.is_normal()).count();
            let lost = pair
                .reports
                .iter()
                .filter(|report| report.status.is_none())
                .count();
            let done = pair
                .lamp
                .take()
                .into_iter()
                .filter(|entry| entry == "exec On")
                .count();
            match fault {
                Fault::LoseRequest | Fault::LoseAnswer | Fault::RepeatRequest => {
                    check_done(&pair);
                    assert_eq!((broken, lost, done), (0, 0, 1), "{fault:?} at {exchange}");
                    assert_eq!(codes(&pair), [200, 200, 200, 200, 200, 404, 200, 200]);
                }
                // Something unreadable ends the session, and what was under way is told so.
                Fault::CutRequest | Fault::CutAnswer => {
                    assert_eq!(broken, 1, "{fault:?} at {exchange}");
                    assert!(lost <= 1 && done <= 1, "{fault:?} at {exchange}");
                }
                Fault::AlterRequest | Fault::AlterAnswer => panic!("found out by a MAC alone"),
            }
        }
    }
}

#[test]
fn a_device_may_go_down_at_any_moment() {
    for steps in 0..12 {
        let mut pair = Pair::plain(Wire::default());
        pair.enqueue(SingleCommand::replace("./Lamp/Name", leaf("hall")));
        pair.enqueue(SingleCommand::exec("./Lamp/Later"));
        pair.enqueue(SingleCommand::replace(
            "./Lamp/Level",
            Leaf::new(Format::Int, "7"),
        ));
        pair.open();
        for _ in 0..steps {
            if pair.client.in_session() {
                pair.step();
            }
        }
        pair.restart();
        pair.settle();
        assert_eq!(value(&pair, "./Lamp/Name"), "hall", "{steps} steps");
        assert_eq!(value(&pair, "./Lamp/Level"), "7", "{steps} steps");
    }
}

#[test]
fn both_prove_who_they_are() {
    let device = Proof::new(Scheme::Basic, "dev1", "OhBehave");
    let server = Proof::new(Scheme::Basic, "dm.example", "Bruce2");
    for (wrong_device, wrong_server) in [(false, false), (true, false), (false, true)] {
        let mut config = Bench::config();
        config.auth = Auth::given(Some(device.clone()), Some(server.clone()));
        let other = |wrong, it: &Proof| {
            Some(if wrong {
                Proof::new(Scheme::Basic, "x", "y")
            } else {
                it.clone()
            })
        };
        let account = Account::new(other(wrong_device, &device), other(wrong_server, &server));
        let server = omadm_server::Config::new("c");
        let mut pair = Pair::new(config, server, account, Wire::default());
        pair.enqueue(SingleCommand::get("./Lamp/Name"));
        pair.session();
        match (wrong_device, wrong_server) {
            (false, false) => {
                assert_eq!(
                    (codes(&pair), &pair.ended[..]),
                    (vec![200], &[SessionEnd::Completed][..])
                );
            }
            (true, _) => assert_eq!(pair.ended, [SessionEnd::Unauthorized]),
            (_, true) => assert_eq!(pair.ended, [SessionEnd::ServerUnauthorized]),
        }
    }
}

#[test]
fn neither_says_more_than_the_other_takes() {
    let mut config = Bench::config();
    config.max_message_size = 2000;
    let mut server = omadm_server::Config::new("c");
    server.max_message_size = 1500;
    let mut pair = Pair::new(config, server, Everyone, Wire::default());
    for n in 0..20 {
        pair.enqueue(SingleCommand::add(
            &format!("./Lamp/Ext/n{n}"),
            leaf(&"x".repeat(n * 20)),
        ));
    }
    pair.enqueue(SingleCommand::get("./Lamp/Ext?list=StructData"));
    pair.settle();
    assert!(pair.largest <= 1500, "{}", pair.largest);
    assert_eq!(codes(&pair), [200; 21]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_wire_does_the_work_is_done(
        faults in proptest::collection::btree_map(0usize..30, 0usize..Fault::ALL.len(), 0..12),
    ) {
        let faults = faults.into_iter().map(|(exchange, fault)| (exchange, Fault::ALL[fault]));
        let mut pair = Pair::plain(Wire::new(faults));
        enqueue_all(&mut pair);
        pair.settle();
        // A procedure whose session broke off says so; the others did their work.
        prop_assert_eq!(pair.reports.len(), 8);
        let ok = |index: usize| pair.reports[index].ok;
        prop_assert!(!ok(6) || value(&pair, "./Lamp/Name") == "hall");
        prop_assert!(!ok(1) || pair.reports[1].value.as_deref() == Some("1 < 2"));
        let told = alerts(&pair);
        prop_assert!(!ok(4) || told == ["./Lamp/Later 200"]);
        prop_assert!(told.len() <= 1);
        let broken = pair.ended.iter().filter(|end| !end.is_normal()).count();
        let lost = pair.reports.iter().filter(|report| report.status.is_none()).count();
        prop_assert!(lost <= broken);
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
