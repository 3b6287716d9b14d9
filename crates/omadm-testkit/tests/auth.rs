//! Both ends prove who they are to each other: every scheme in each direction, over sessions,
//! restarts, crashes, failing journals and altered messages.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::collections::BTreeSet;

use omadm_client::{Auth, Config, Event, SessionEnd, Start};
use omadm_core::{Format, GenericAlert, JournalErrorKind, Space};
use omadm_server::{Account, EventKind, SingleCommand};
use omadm_session::{
    Proof, Scheme,
    notification::{Notification, ProvenBy, RESYNC_TEXT},
    request::Leaf,
};
use omadm_testkit::{Bench, DEVICE_ID, Fault, Pair, SERVER_ID, Wire, again_over_wbxml, uri};

/// No proof, and every scheme.
const ALL: [Option<Scheme>; 4] = [
    None,
    Some(Scheme::Basic),
    Some(Scheme::Md5),
    Some(Scheme::Mac),
];

fn device(scheme: Scheme) -> Proof {
    Proof::new(scheme, "dev1", "OhBehave")
}

fn server(scheme: Scheme) -> Proof {
    Proof::new(scheme, SERVER_ID, "Bruce2")
}

/// How each end proves itself.
#[derive(Clone, Copy, Debug)]
struct Both {
    device: Option<Scheme>,
    server: Option<Scheme>,
}

impl Both {
    fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
            .flat_map(|device| ALL.map(|server| Self { device, server }))
    }

    const fn same(scheme: Scheme) -> Self {
        Self {
            device: Some(scheme),
            server: Some(scheme),
        }
    }

    fn config(self) -> Config {
        let mut config = Bench::config();
        config.auth = Auth::given(self.device.map(device), self.server.map(server));
        config
    }

    fn account(self) -> Account {
        Account::new(self.device.map(device), self.server.map(server))
    }

    fn pair(self, wire: Wire) -> Pair {
        let config = omadm_server::Config::new("c");
        Pair::new(self.config(), config, self.account(), wire)
    }
}

fn value(pair: &Pair, at: &str) -> Option<String> {
    pair.client.tree().node(&uri(at))?.text().map(str::to_owned)
}

fn rename(name: &str) -> SingleCommand {
    SingleCommand::replace("./Lamp/Name", Leaf::new(Format::Chr, name.to_owned()))
}

/// How often the lamp was switched on.
fn executed(pair: &Pair) -> usize {
    let log = pair.lamp.take();
    log.iter().filter(|entry| *entry == "exec On").count()
}

fn refusals(pair: &Pair) -> Vec<u16> {
    let code = |kind: &EventKind| match kind {
        EventKind::Refused(code) => Some(code.get()),
        _ => None,
    };
    pair.told.iter().filter_map(code).collect()
}

/// What a message settles is one batch, and then each command that changes something.
#[test]
fn each_step_is_one_batch() {
    let mut pair = Both::same(Scheme::Mac).pair(Wire::default());
    pair.session();
    pair.journal.batches();
    pair.server_journal.batches();
    pair.queue(GenericAlert::new("org.example.news", Format::Chr).into());
    assert_eq!(pair.journal.batches(), ["alerts"]);
    let said = pair.transcript.messages().len();

    pair.enqueue(rename("porch"));
    pair.enqueue(SingleCommand::exec("./Lamp/On"));
    pair.enqueue(SingleCommand::get("./Lamp/Name"));
    pair.enqueue(SingleCommand::exec("./Lamp/Later"));
    pair.session();
    let told = ["-alerts nonces", "tree"];
    let switched = ["nonces", "lamp tree"];
    let (read, accepted, ended) = (["nonces"], ["nonces", "lamp"], ["nonces"]);
    let expected = [&told[..], &switched, &read, &accepted, &ended].concat();
    assert_eq!(pair.journal.batches(), expected);
    // The server makes everything durable once for each message it answers.
    let exchanges = (pair.transcript.messages().len() - said) / 2;
    let answered = pair.server_journal.batches();
    assert_eq!(answered.len(), exchanges, "{answered:?}");

    pair.settle();
    let batches = pair.journal.batches();
    let told = batches.iter().filter(|batch| batch.starts_with("alerts"));
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["alerts tree"],
        "the light goes with its alert"
    );
}

#[test]
fn every_scheme_works_with_every_other_session_after_session() {
    for both in Both::all() {
        let mut pair = both.pair(Wire::default());
        for session in 0..4 {
            let name = format!("name {session}");
            // A session in which the server has something to say, and one in which it has not.
            pair.enqueue(rename(&name));
            pair.enqueue(SingleCommand::exec("./Lamp/On"));
            pair.session();
            assert_eq!(value(&pair, "./Lamp/Name"), Some(name), "{both:?}");
            pair.session();
        }
        assert_eq!(pair.ended, vec![SessionEnd::Completed; 8], "{both:?}");
        assert!(pair.reports.iter().all(|report| report.ok), "{both:?}");
        assert_eq!(executed(&pair), 4, "{both:?}");
        let violations = pair.told.iter();
        let violations = violations.filter(|kind| matches!(kind, EventKind::Violation(_)));
        assert_eq!(violations.count(), 0, "{both:?} {:?}", pair.told);
        // The device is challenged once in its life, where a digest has no nonce at first.
        let digest = both.device.is_some_and(Scheme::has_nonce);
        let expected = if digest { vec![407] } else { vec![] };
        assert_eq!(refusals(&pair), expected, "{both:?}");
    }
}

/// Each end takes the other's MAC in hexadecimal digits, session after session, if it was told to,
/// and otherwise no word of it.
#[test]
fn macs_of_hexadecimal_digits_carry_whole_sessions_if_both_ends_let_them_pass() {
    let mac = |device: bool, server: bool| Both {
        device: device.then_some(Scheme::Mac),
        server: server.then_some(Scheme::Mac),
    };
    for both in [mac(true, true), mac(true, false), mac(false, true)] {
        for (client_lenient, server_lenient) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let mut config = both.config();
            config.compat.hex_mac = client_lenient;
            let mut server_config = omadm_server::Config::new("c");
            server_config.compat.hex_mac = server_lenient;
            let mut pair = Pair::new(config, server_config, both.account(), Wire::default());
            pair.hex_macs = true;
            for session in 0..3 {
                pair.enqueue(rename(&format!("name {session}")));
                pair.session();
            }
            let of_device = both.device.is_none() || server_lenient;
            let of_server = both.server.is_none() || client_lenient;
            let expected = match (of_device, of_server) {
                (true, true) => SessionEnd::Completed,
                (false, _) => SessionEnd::Unauthorized,
                (true, false) => SessionEnd::ServerUnauthorized,
            };
            let what = format!("{both:?} {client_lenient} {server_lenient}");
            assert_eq!(pair.ended, vec![expected; 3], "{what}");
            let expected = (of_device && of_server).then(|| "name 2".to_owned());
            let name = value(&pair, "./Lamp/Name").filter(|name| name.starts_with("name"));
            assert_eq!(name, expected, "{what}");
        }
    }
}

#[test]
fn a_wrong_password_is_found_out_in_either_direction() {
    for scheme in Scheme::ALL {
        let wrong = Some(Proof::new(scheme, "dev1", "guess"));
        let mut pair = Both::same(scheme).pair(Wire::default());
        pair.restart_server(
            omadm_server::Config::new("c"),
            Account::new(wrong, Some(server(scheme))),
        );
        pair.enqueue(rename("hall"));
        pair.session();
        assert_eq!(pair.ended, [SessionEnd::Unauthorized], "{scheme}");
        let expected = match scheme {
            Scheme::Basic => vec![401],
            _ => vec![407, 401],
        };
        assert_eq!(refusals(&pair), expected, "{scheme}");

        let wrong = Some(Proof::new(scheme, SERVER_ID, "guess"));
        let mut pair = Both::same(scheme).pair(Wire::default());
        pair.restart_server(
            omadm_server::Config::new("c"),
            Account::new(Some(device(scheme)), wrong),
        );
        pair.enqueue(rename("hall"));
        pair.session();
        assert_eq!(pair.ended, [SessionEnd::ServerUnauthorized], "{scheme}");
        assert_ne!(value(&pair, "./Lamp/Name").as_deref(), Some("hall"));
    }
}

#[test]
fn ends_that_want_different_schemes_part() {
    for ours in Scheme::ALL {
        for theirs in Scheme::ALL {
            let mut pair = Both::same(ours).pair(Wire::default());
            pair.restart_server(
                omadm_server::Config::new("c"),
                Account::new(Some(device(theirs)), None),
            );
            pair.enqueue(rename("hall"));
            pair.session();
            let expected = match ours == theirs {
                // The server proves nothing.
                true => SessionEnd::ServerUnauthorized,
                false => SessionEnd::Unauthorized,
            };
            assert_eq!(pair.ended, [expected], "{ours} {theirs}");
            assert_ne!(value(&pair, "./Lamp/Name").as_deref(), Some("hall"));
        }
    }
}

#[test]
fn nonces_outlive_restarts_of_both_ends() {
    for both in Both::all() {
        let mut pair = both.pair(Wire::default());
        let mut spent = Vec::new();
        for round in 0..4 {
            let before = pair.wire.exchanges();
            pair.enqueue(rename(&round.to_string()));
            pair.session();
            spent.push(pair.wire.exchanges() - before);
            if round >= 1 {
                pair.restart();
                pair.restart_server(omadm_server::Config::new("c"), both.account());
            }
        }
        assert_eq!(pair.ended, vec![SessionEnd::Completed; 4], "{both:?}");
        // The second session knows the nonces of the first, and so do those after the restarts.
        assert_eq!(spent[1..], [spent[1]; 3], "{both:?}");
    }
}

#[test]
fn no_proof_is_made_twice() {
    for scheme in [Scheme::Md5, Scheme::Mac] {
        let mut pair = Both::same(scheme).pair(Wire::default());
        let mut seen = BTreeSet::new();
        for round in 0..6 {
            if round % 2 == 0 {
                pair.enqueue(rename(&round.to_string()));
            }
            if round == 3 {
                pair.restart();
            }
            pair.session();
            for (space, journal) in [(0, &pair.journal), (1, &pair.server_journal)] {
                for (_, record) in journal.records(Space::NONCES) {
                    assert!(seen.insert((space, record)), "{scheme}, session {round}");
                }
            }
        }
        assert_eq!(seen.len(), 12);
    }
}

#[test]
fn a_device_may_go_down_at_any_moment() {
    for scheme in Scheme::ALL {
        for steps in 0..16 {
            let mut pair = Both::same(scheme).pair(Wire::default());
            pair.enqueue(rename("hall"));
            pair.session();
            pair.enqueue(rename("porch"));
            pair.open();
            for _ in 0..steps {
                if pair.client.in_session() {
                    pair.step();
                }
            }
            pair.restart();
            pair.enqueue(rename("shed"));
            pair.settle();
            assert_eq!(
                value(&pair, "./Lamp/Name").as_deref(),
                Some("shed"),
                "{steps}"
            );
            assert!(
                pair.ended.iter().all(SessionEnd::is_normal),
                "{scheme} {steps}"
            );
        }
    }
}

#[test]
fn a_server_may_go_down_between_any_two_messages() {
    for scheme in Scheme::ALL {
        for steps in 0..8 {
            let both = Both::same(scheme);
            let mut pair = both.pair(Wire::default());
            pair.enqueue(rename("hall"));
            pair.session();
            pair.enqueue(rename("porch"));
            pair.open();
            for _ in 0..steps {
                if pair.client.in_session() {
                    pair.step();
                }
            }
            pair.restart_server(omadm_server::Config::new("d"), both.account());
            while pair.client.in_session() {
                pair.step();
            }
            pair.ended.clear();
            pair.enqueue(rename("shed"));
            pair.session();
            assert_eq!(pair.ended, [SessionEnd::Completed], "{scheme} {steps}");
            assert_eq!(value(&pair, "./Lamp/Name").as_deref(), Some("shed"));
        }
    }
}

#[test]
fn a_device_that_cannot_keep_its_nonces_executes_nothing() {
    for scheme in [Scheme::Md5, Scheme::Mac] {
        let mut pair = Both::same(scheme).pair(Wire::default());
        pair.enqueue(rename("hall"));
        pair.journal.fail_for_good(JournalErrorKind::Full);
        pair.session();
        let full = SessionEnd::JournalFailed(JournalErrorKind::Full);
        assert_eq!(pair.ended, [full], "{scheme}");
        assert_ne!(value(&pair, "./Lamp/Name").as_deref(), Some("hall"));
        pair.journal.mend();
        pair.settle();
        assert_eq!(value(&pair, "./Lamp/Name").as_deref(), Some("hall"));
    }
}

#[test]
fn a_server_that_cannot_keep_its_nonces_says_nothing() {
    for scheme in [Scheme::Md5, Scheme::Mac] {
        let mut pair = Both::same(scheme).pair(Wire::default());
        pair.enqueue(rename("hall"));
        pair.server_journal.fail_for_good(JournalErrorKind::Full);
        pair.session();
        assert!(!pair.ended[0].is_normal(), "{scheme}");
        assert_ne!(value(&pair, "./Lamp/Name").as_deref(), Some("hall"));
        pair.server_journal.mend();
        pair.settle();
        assert_eq!(value(&pair, "./Lamp/Name").as_deref(), Some("hall"));
    }
}

#[test]
fn an_altered_message_is_refused_where_there_is_a_mac() {
    let exchanges = {
        let mut pair = Both::same(Scheme::Mac).pair(Wire::default());
        pair.enqueue(rename("hall"));
        pair.session();
        pair.wire.exchanges()
    };
    assert!(exchanges >= 3);
    for exchange in 0..exchanges {
        for fault in [Fault::AlterRequest, Fault::AlterAnswer] {
            let mut pair = Both::same(Scheme::Mac).pair(Wire::new([(exchange, fault)]));
            pair.enqueue(rename("hall"));
            pair.session();
            let broken = !pair.ended[0].is_normal();
            // What carries no MAC yet is a challenge, and a lie in it costs the session at most.
            assert!(broken || exchange == 0, "{fault:?} at {exchange}");
            pair.settle();
            assert_eq!(value(&pair, "./Lamp/Name").as_deref(), Some("hall"));
        }
    }
}

#[test]
fn a_lost_or_repeated_message_costs_no_proof() {
    for scheme in Scheme::ALL {
        for exchange in 0..6 {
            for fault in [Fault::LoseRequest, Fault::LoseAnswer, Fault::RepeatRequest] {
                let mut pair = Both::same(scheme).pair(Wire::new([(exchange, fault)]));
                pair.enqueue(rename("hall"));
                pair.enqueue(SingleCommand::exec("./Lamp/On"));
                pair.session();
                assert_eq!(
                    pair.ended,
                    [SessionEnd::Completed],
                    "{fault:?} at {exchange}"
                );
                assert_eq!(executed(&pair), 1, "{scheme} {fault:?} at {exchange}");
            }
        }
    }
}

#[test]
fn alerts_reach_a_server_that_has_to_prove_itself() {
    for scheme in Scheme::ALL {
        let mut pair = Both::same(scheme).pair(Wire::default());
        pair.enqueue(SingleCommand::exec("./Lamp/Later"));
        pair.settle();
        let delivered = pair.events.iter();
        let delivered = delivered.filter(|it| matches!(it, Event::AlertDelivered(_)));
        assert_eq!(delivered.count(), 1, "{scheme}");
        let refused = |event: &Event| matches!(event, Event::AlertRefused { .. });
        assert!(!pair.events.iter().any(refused), "{scheme}");
    }
}

#[test]
fn a_device_that_wants_no_proof_is_told_all_the_same() {
    for scheme in Scheme::ALL {
        let mut pair = Both::same(scheme).pair(Wire::default());
        let mut config = Bench::config();
        config.auth = Auth::given(Some(device(scheme)), None);
        pair = Pair::new(
            config,
            omadm_server::Config::new("c"),
            Account::new(Some(device(scheme)), Some(server(scheme))),
            std::mem::take(&mut pair.wire),
        );
        pair.enqueue(rename("hall"));
        pair.session();
        assert_eq!(pair.ended, [SessionEnd::Completed], "{scheme}");
        assert_eq!(value(&pair, "./Lamp/Name").as_deref(), Some("hall"));
    }
}

#[test]
fn both_ends_fall_back_to_the_default_nonce_once() {
    for scheme in [Scheme::Md5, Scheme::Mac] {
        let both = Both::same(scheme);
        let mut pair = both.pair(Wire::default());
        let notification = Notification::new(7, SERVER_ID.parse().unwrap()).unwrap();
        let server = &mut pair.server;
        let octets = server.notify(DEVICE_ID, &notification, ProvenBy::ResyncText);
        assert!(octets.is_ok());
        pair.enqueue(rename("hall"));
        let mut start = Start::by_server(7);
        start.resync = Some(RESYNC_TEXT);
        pair.session_of(start);
        assert_eq!(pair.ended, [SessionEnd::Completed], "{scheme}");
        assert_eq!(refusals(&pair), [0; 0], "the default nonce was taken");
        assert_eq!(value(&pair, "./Lamp/Name").as_deref(), Some("hall"));

        // Once: whoever plays it back is challenged.
        let mut start = Start::by_server(8);
        start.resync = Some(RESYNC_TEXT);
        pair.session_of(start);
        assert_eq!(refusals(&pair), [401], "{scheme}");
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
