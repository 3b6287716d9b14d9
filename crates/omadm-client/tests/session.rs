//! How sessions go: packages, ids, repeats, aborts, versions, credentials, and how they end.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::time::Duration;

use omadm_client::{
    ApiMisuse, Auth, Compat, Config, Input, Received, SessionEnd, Start, TransportFailure,
};
use omadm_core::{AlertCode, StatusCode};
use omadm_session::{
    Evidence, NoRandom, Proof, Prover, Scheme, Verdict, Verifier, header_status, request,
};
use omadm_syncml::{
    Alert, Chal, Command, Encoding, Header, Message, Meta, PublicId, Status, WbxmlVersion,
};
use omadm_testkit::{Bench, DEVICE_ID, SERVER_URL, describe, from_wire};

fn get() -> Command<'static> {
    request::get("./Lamp/Name")
}

fn alert(code: AlertCode) -> Command<'static> {
    Command::Alert(Alert::new(code))
}

/// Package 2 with a Get, its header changed.
fn package2(bench: &mut Bench, change: impl Fn(&mut Header<'static>)) -> Vec<u8> {
    bench.start();
    let mut header = bench.script.header();
    change(&mut header);
    let mut commands = bench.script.acknowledge();
    commands.push(get());
    bench.script.write_as(&header, commands, true)
}

#[test]
fn a_session_ends_when_the_server_wants_nothing() {
    let mut bench = Bench::default();
    bench.start();
    assert!(bench.client.in_session());
    assert_eq!(bench.say([]), None);
    assert_eq!(bench.ended, [SessionEnd::Completed]);
    assert!(!bench.client.in_session() && bench.client.is_idle());
}

#[test]
fn a_session_has_as_many_packages_as_the_server_wants() {
    let mut bench = Bench::default();
    let setup = bench.start();
    assert_eq!((setup.header.msg_id, &*setup.header.session_id), (1, "1"));
    assert_eq!(setup.header.target.uri, SERVER_URL);
    assert_eq!(setup.header.source.uri, DEVICE_ID);
    for msg_id in 2..10 {
        let answer = bench.say([get()]).unwrap();
        assert_eq!(describe(&answer), "SyncHdr=200 Get=200 Results Final");
        assert_eq!(
            (answer.header.msg_id, &*answer.header.session_id),
            (msg_id, "1")
        );
        for command in &answer.commands {
            if let Command::Status(status) = command {
                assert_eq!(status.msg_ref, msg_id - 1);
            }
        }
    }
    assert_eq!(bench.say([]), None);
}

#[test]
fn a_notified_session_says_so_and_takes_its_id() {
    let mut bench = Bench::default();
    bench.feed(Input::Start(Start::by_server(0xAB1))).unwrap();
    let setup = bench.read().unwrap();
    assert_eq!(describe(&setup), "Alert(1200) Replace Final");
    assert_eq!(setup.header.session_id, "AB1");
}

#[test]
fn the_next_message_goes_to_the_resp_uri() {
    let mut bench = Bench::default();
    let body = package2(&mut bench, |header| {
        header.resp_uri = Some("http://dm.example/s?t=1".into())
    });
    bench.deliver(&body).unwrap();
    assert_eq!(
        bench.request.as_ref().unwrap().url,
        "http://dm.example/s?t=1"
    );
    bench.say([get()]).unwrap();
    assert_eq!(
        bench.request.as_ref().unwrap().url,
        "http://dm.example/s?t=1",
        "and the ones after"
    );
    bench.say([]);
    bench.start();
    assert_eq!(bench.request.as_ref().unwrap().url, SERVER_URL);
}

#[test]
fn a_message_of_another_session_ends_this_one() {
    let mut bench = Bench::default();
    let body = package2(&mut bench, |header| header.session_id = "2".into());
    assert_eq!(bench.deliver(&body), None);
    assert_eq!(bench.ended, [SessionEnd::OtherSession]);
}

#[test]
fn message_ids_count_on_unless_tolerated() {
    let mut bench = Bench::default();
    let body = package2(&mut bench, |header| header.msg_id = 3);
    assert_eq!(bench.deliver(&body), None);
    assert_eq!(
        bench.ended,
        [SessionEnd::OutOfOrder {
            expected: 1,
            received: 3
        }]
    );

    let mut config = Bench::config();
    config.compat = Compat::lenient();
    let mut bench = Bench::new(config);
    let body = package2(&mut bench, |header| header.msg_id = 3);
    let answer = bench.deliver(&body).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=200 Get=200 Results Final");
}

#[test]
fn a_repeated_message_gets_the_same_answer_and_is_not_executed_again() {
    let mut bench = Bench::default();
    bench.start();
    let body = bench.script.write([request::exec("./Lamp/On", None)], true);
    bench.deliver(&body).unwrap();
    let answer = bench.request.clone().unwrap();
    bench.lamp.take();
    for _ in 0..6 {
        bench.deliver(&body).unwrap();
        assert_eq!(bench.request.as_ref(), Some(&answer));
    }
    assert_eq!(bench.lamp.take(), [""; 0]);
    assert_eq!(bench.deliver(&body), None, "but not for ever");
    assert_eq!(
        bench.ended,
        [SessionEnd::TransportFailed(TransportFailure::Lost)]
    );
}

#[test]
fn a_lost_message_is_sent_again_as_it_was() {
    let mut bench = Bench::default();
    bench.start();
    let sent = bench.request.clone().unwrap();
    for pause in [500, 1000, 2000, 3000, 3000, 3000] {
        bench.lose();
        bench.advance(Duration::from_millis(pause - 1));
        assert_eq!(bench.request, None);
        bench.advance(Duration::from_millis(1));
        let again = bench.request.clone().unwrap();
        assert_eq!((&again.url, &again.body), (&sent.url, &sent.body));
    }
    bench.lose();
    assert_eq!(
        bench.ended,
        [SessionEnd::TransportFailed(TransportFailure::Lost)]
    );
    assert_eq!(bench.client.deadline(), None);
}

#[test]
fn a_server_that_takes_its_time_to_fail_is_not_asked_for_ever() {
    let mut bench = Bench::default();
    bench.start();
    for _ in 0..2 {
        bench.advance(Duration::from_secs(6));
        bench.lose();
        assert_eq!(bench.ended, []);
        bench.advance(Duration::from_secs(1));
        assert!(bench.request.is_some());
    }
    bench.advance(Duration::from_secs(6));
    bench.lose();
    assert_eq!(
        bench.ended,
        [SessionEnd::TransportFailed(TransportFailure::Lost)]
    );
}

#[test]
fn a_message_the_transport_refuses_ends_the_session() {
    let mut bench = Bench::default();
    bench.start();
    bench
        .feed(Input::TransportFailed(TransportFailure::Refused))
        .unwrap();
    assert_eq!(
        bench.ended,
        [SessionEnd::TransportFailed(TransportFailure::Refused)]
    );
}

#[test]
fn the_server_may_abort() {
    let mut bench = Bench::default();
    bench.start();
    let before = bench.dump();
    let commands = [
        request::exec("./Lamp/On", None),
        alert(AlertCode::SESSION_ABORT),
    ];
    assert_eq!(bench.say(commands), None);
    assert_eq!(bench.ended, [SessionEnd::AbortedByServer]);
    assert_eq!(bench.dump(), before, "nothing is executed any more");
}

#[test]
fn the_device_may_abort_when_it_has_the_word() {
    let mut bench = Bench::default();
    bench.start();
    bench.feed(Input::Abort).unwrap();
    assert!(bench.client.in_session());
    let before = bench.dump();
    let last = bench
        .say([get(), request::exec("./Lamp/On", None)])
        .unwrap();
    assert_eq!(
        describe(&last),
        "SyncHdr=200 Get=215 Exec=215 Alert(1223) Final"
    );
    assert_eq!(bench.dump(), before);
    assert_eq!(bench.ended, []);
    bench.say([get()]);
    assert_eq!(bench.ended, [SessionEnd::Aborted]);

    bench.start();
    bench.feed(Input::Abort).unwrap();
    bench.lose();
    assert_eq!(bench.ended[1..], [SessionEnd::Aborted]);
    bench.start();
    bench.lose();
    bench.feed(Input::Abort).unwrap();
    assert_eq!(bench.ended[2..], [SessionEnd::Aborted]);
    bench.feed(Input::Abort).unwrap();
    assert_eq!(bench.ended.len(), 3, "no session, nothing to abort");
}

#[test]
fn an_abort_is_the_last_word_even_if_it_gets_lost() {
    let mut bench = Bench::default();
    bench.start();
    bench.feed(Input::Abort).unwrap();
    assert!(bench.say([]).is_some());
    bench.lose();
    assert_eq!(bench.ended, [SessionEnd::Aborted]);
}

#[test]
fn a_session_is_not_endless() {
    let mut config = Bench::config();
    config.max_messages = 3;
    let mut bench = Bench::new(config);
    bench.start();
    bench.say([get()]).unwrap();
    bench.say([get()]).unwrap();
    let last = bench.say([get()]).unwrap();
    assert_eq!(
        describe(&last),
        "SyncHdr=200 Get=200 Results Alert(1223) Final"
    );
    bench.say([]);
    assert_eq!(bench.ended, [SessionEnd::TooManyMessages]);
}

#[test]
fn a_session_lasts_no_longer_than_its_limit() {
    let mut config = Bench::config();
    config.session_limit = Duration::from_secs(60);
    let mut bench = Bench::new(config.clone());
    bench.start();
    for _ in 0..5 {
        bench.advance(Duration::from_secs(10));
        bench.say([get()]).unwrap();
    }
    bench.advance(Duration::from_secs(10));
    let last = bench.say([get()]).unwrap();
    assert_eq!(
        describe(&last),
        "SyncHdr=200 Get=200 Results Alert(1223) Final"
    );
    bench.say([]);
    assert_eq!(bench.ended, [SessionEnd::TooLong]);

    // One message that takes long is no way around it.
    let mut bench = Bench::new(config);
    bench.run([request::exec("./Lamp/On", None)]);
    let off = || request::exec("./Lamp/Off", None);
    assert_eq!(bench.say([off(), off(), off(), get()]), None);
    bench.advance(Duration::from_secs(59));
    assert_eq!(bench.read(), None);
    bench.advance(Duration::from_secs(1));
    let last = bench.read().unwrap();
    assert_eq!(
        describe(&last),
        "SyncHdr=200 Exec=202 Exec=202 Exec=215 Get=215 Alert(1223) Final"
    );
    bench.say([]);
    assert_eq!(bench.ended, [SessionEnd::TooLong]);
}

#[test]
fn another_version_is_refused_once() {
    for (dtd, proto, code, supported) in [
        ("1.1", "DM/1.2", 505, "1.2"),
        ("1.2", "SyncML/1.2", 513, "DM/1.2"),
    ] {
        let mut bench = Bench::default();
        let change = |header: &mut Header<'static>| {
            header.ver_dtd = dtd.into();
            header.ver_proto = proto.into();
        };
        let body = package2(&mut bench, change);
        let answer = bench.deliver(&body).unwrap();
        assert_eq!(
            describe(&answer),
            format!("SyncHdr={code} Get={code} Final")
        );
        let Command::Status(status) = &answer.commands[0] else {
            panic!("{answer:?}")
        };
        assert_eq!(omadm_testkit::data(&status.items[0]), supported);
        let mut header = bench.script.header();
        change(&mut header);
        let commands = [bench.script.heard(), get()];
        let body = bench.script.write_as(&header, commands, true);
        assert_eq!(bench.deliver(&body), None);
        assert_eq!(bench.ended, [SessionEnd::VersionNotSupported]);
    }
}

#[test]
fn a_message_the_server_refuses_ends_the_session() {
    let mut bench = Bench::default();
    bench.start();
    let last = bench.script.last.clone().unwrap();
    let refused = header_status(&last.header, StatusCode::SERVICE_UNAVAILABLE);
    let header = bench.script.header();
    let body = bench
        .script
        .write_as(&header, [Command::Status(refused), get()], true);
    assert_eq!(bench.deliver(&body), None);
    assert_eq!(
        bench.ended,
        [SessionEnd::Refused(StatusCode::SERVICE_UNAVAILABLE)]
    );
}

#[test]
fn inputs_are_fed_in_their_turn() {
    let mut bench = Bench::default();
    let failed = || Input::TransportFailed(TransportFailure::Lost);
    assert_eq!(bench.feed(failed()), Err(ApiMisuse::NotAwaited));
    bench.start();
    let again = bench.feed(Input::Start(Start::by_client(9)));
    assert_eq!(again, Err(ApiMisuse::SessionOpen));
    bench.lose();
    assert_eq!(bench.feed(failed()), Err(ApiMisuse::NotAwaited));
    let now = bench.clock.now();
    bench.advance(Duration::from_millis(499));
    bench.feed(Input::Deadline).unwrap();
    assert_eq!(bench.request, None, "not yet");
    bench.clock.advance(Duration::from_millis(1));
    bench
        .client
        .handle(Input::Deadline, bench.clock.now())
        .unwrap();
    let undrained = bench.client.handle(Input::Deadline, now);
    assert_eq!(undrained, Err(ApiMisuse::UndrainedOutput));
    assert!(bench.client.poll_output().is_some());
    assert!(bench.client.poll_output().is_none());
}

// Credentials.

fn authenticated() -> Config {
    let mut config = Bench::config();
    config.auth = Auth::given(client_proof(), server_proof());
    config
}

fn client_proof() -> Option<Proof> {
    Some(Proof::new(Scheme::Basic, "dev1", "OhBehave"))
}

fn server_proof() -> Option<Proof> {
    Some(Proof::new(Scheme::Basic, "server", "Bruce2"))
}

/// What the server says: the header's status, then commands; with or without its credentials.
fn says(
    bench: &mut Bench,
    prover: &mut Prover,
    proven: bool,
    mut status: Status<'static>,
    commands: Vec<Command<'static>>,
) -> Option<Message<'static>> {
    let mut header = bench.script.header();
    header.cred = proven.then(|| prover.cred()).flatten();
    status.msg_ref = bench.script.last.as_ref().unwrap().header.msg_id;
    let commands = [Command::Status(status)].into_iter().chain(commands);
    let body = bench.script.write_as(&header, commands, true);
    bench.deliver(&body)
}

fn header_says(bench: &Bench, code: StatusCode) -> Status<'static> {
    header_status(&bench.script.last.as_ref().unwrap().header, code)
}

#[test]
fn both_ends_prove_themselves() {
    let config = authenticated();
    let mut prover = Prover::new(server_proof());
    let mut verifier = Verifier::new(client_proof());
    let mut bench = Bench::new(config);
    let setup = bench.start();
    let evidence = Evidence::new(&[], setup.header.cred.as_ref());
    let verdict = verifier.check(&evidence, &mut NoRandom);
    assert_eq!(verdict, Ok(Verdict::Proven));
    let accepted = header_says(&bench, StatusCode::AUTHENTICATION_ACCEPTED);
    let answer = says(&mut bench, &mut prover, true, accepted.clone(), vec![get()]).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=212 Get=200 Results Final");
    assert_eq!(answer.header.cred, None, "accepted for the session");
    let answer = says(&mut bench, &mut prover, false, accepted, vec![get()]).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=212 Get=200 Results Final");
}

#[test]
fn a_server_without_proof_is_challenged_once_and_nothing_is_executed() {
    for proven_later in [true, false] {
        let config = authenticated();
        let mut prover = Prover::new(server_proof());
        let mut bench = Bench::new(config);
        bench.start();
        let before = bench.dump();
        let accepted = header_says(&bench, StatusCode::AUTHENTICATION_ACCEPTED);
        let on = || vec![request::exec("./Lamp/On", None), get()];
        let challenge = says(&mut bench, &mut prover, false, accepted.clone(), on()).unwrap();
        assert_eq!(describe(&challenge), "SyncHdr=407 Exec=407 Get=407 Final");
        let Command::Status(status) = &challenge.commands[0] else {
            panic!("{challenge:?}")
        };
        let chal = status.chal.as_ref().unwrap();
        assert_eq!(Scheme::of_challenge(chal), Some(Scheme::Basic));
        assert_eq!(bench.dump(), before);
        let answer = says(&mut bench, &mut prover, proven_later, accepted, on());
        if proven_later {
            assert_eq!(
                describe(&answer.unwrap()),
                "SyncHdr=212 Exec=200 Get=200 Results Final"
            );
        } else {
            assert_eq!((answer, bench.dump()), (None, before));
            assert_eq!(bench.ended, [SessionEnd::ServerUnauthorized]);
        }
    }
}

#[test]
fn a_wrong_password_of_the_server_is_told() {
    let mut bench = Bench::new(authenticated());
    bench.start();
    let mut prover = Prover::new([Proof::new(Scheme::Basic, "server", "guess")]);
    let accepted = header_says(&bench, StatusCode::AUTHENTICATION_ACCEPTED);
    let answer = says(&mut bench, &mut prover, true, accepted, vec![get()]).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=401 Get=401 Final");
}

#[test]
fn a_server_that_wants_nothing_is_not_challenged() {
    let config = authenticated();
    let mut prover = Prover::new(server_proof());
    let mut bench = Bench::new(config);
    bench.start();
    let accepted = header_says(&bench, StatusCode::AUTHENTICATION_ACCEPTED);
    assert_eq!(says(&mut bench, &mut prover, false, accepted, vec![]), None);
    assert_eq!(bench.ended, [SessionEnd::ServerUnauthorized]);
}

#[test]
fn the_servers_word_on_alerts_counts_only_once_it_is_proven() {
    let config = authenticated();
    let mut bench = Bench::new(config);
    let mut prover = Prover::new(server_proof());
    bench.start();
    let accepted = header_says(&bench, StatusCode::AUTHENTICATION_ACCEPTED);
    says(
        &mut bench,
        &mut prover,
        true,
        accepted,
        vec![request::exec("./Lamp/Later", None)],
    );
    bench.finish_job();
    let accepted = header_says(&bench, StatusCode::AUTHENTICATION_ACCEPTED);
    says(&mut bench, &mut prover, true, accepted, vec![]);
    bench.start();
    // Everything acknowledged, nothing proven.
    assert_eq!(bench.say([]), None);
    assert_eq!(bench.ended.last(), Some(&SessionEnd::ServerUnauthorized));
    assert!(!bench.client.is_idle());
}

#[test]
fn a_challenged_client_starts_over_with_its_credentials() {
    let mut config = authenticated();
    config.auth = Auth::given(client_proof(), None);
    let mut bench = Bench::new(config);
    let first = bench.start();
    assert!(first.header.cred.is_some());
    // Basic credentials that were refused once are refused for good.
    let refused = header_says(&bench, StatusCode::UNAUTHORIZED).with_chal(chal(Scheme::Basic));
    let mut nobody = Prover::new([]);
    assert_eq!(says(&mut bench, &mut nobody, false, refused, vec![]), None);
    assert_eq!(bench.ended, [SessionEnd::Unauthorized]);
}

fn chal(scheme: Scheme) -> Chal<'static> {
    Chal::new(Meta::new().with_type(scheme.media_type()))
}

#[test]
fn a_client_without_credentials_gives_up_when_challenged() {
    let mut bench = Bench::default();
    bench.start();
    let refused =
        header_says(&bench, StatusCode::AUTHENTICATION_REQUIRED).with_chal(chal(Scheme::Basic));
    let mut nobody = Prover::new([]);
    assert_eq!(says(&mut bench, &mut nobody, false, refused, vec![]), None);
    assert_eq!(bench.ended, [SessionEnd::Unauthorized]);
}

#[test]
fn a_message_that_cannot_be_written_ends_the_session() {
    let mut config = Bench::config();
    config.encoding = Encoding::Xml;
    config.server_url.push('\u{1}');
    let mut bench = Bench::new(config);
    bench.feed(Input::Start(Start::by_client(1))).unwrap();
    assert!(
        matches!(bench.ended[..], [SessionEnd::Unencodable(_)]),
        "{:?}",
        bench.ended
    );
}

#[test]
fn wbxml_is_written_as_it_is_wanted() {
    let mut config = Bench::config();
    config.encoding = Encoding::Wbxml;
    config.wbxml.version = WbxmlVersion::V1_1;
    config.wbxml.public_id = PublicId::Textual;
    let mut bench = Bench::new(config);
    bench.start();
    for commands in [vec![get()], vec![]] {
        let body = &bench.request.as_ref().unwrap().body;
        assert!(body.starts_with(b"\x01\0\0\x6A\x1E-//SYNCML//DTD SyncML 1.2//EN\0\x6D"));
        bench.say(commands);
    }
    assert_eq!(bench.ended, [SessionEnd::Completed]);
}

#[test]
fn passwords_never_print() {
    let mut bench = Bench::new(authenticated());
    bench.start();
    let request = bench.request.clone().unwrap();
    assert!(
        from_wire(&request.body).contains("ZGV2MTpPaEJlaGF2ZQ=="),
        "base64 of dev1:OhBehave"
    );
    let received = Received::new(&request.body, request.encoding);
    let config = authenticated();
    let printed = format!("{:?} {request:?} {received:?} {config:?}", bench.client);
    let octets = format!("{:?}", b"ZGV2MTpPaEJlaGF2ZQ==").replace(['[', ']'], "");
    for secret in ["OhBehave", "Bruce2", "ZGV2MTpPaEJlaGF2ZQ==", &octets] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn a_client_can_go_to_another_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<omadm_client::Client>();
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
