//! How the device and its server prove who they are: what each message gets, where credentials come
//! from, and that no server keeps a device going in circles.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::time::Duration;

use omadm_client::{Auth, Config, Input, Received, SessionEnd, TransportFailure};
use omadm_core::{AlertCode, StatusCode};
use omadm_mo::{Account, AuthLevel, AuthType, Credential};
use omadm_session::{
    Evidence, NoRandom, Nonce, Proof, Prover, Scheme, TransportIdentity, Verdict, Verifier,
    header_status, request,
};
use omadm_syncml::{Command, Message, Status};
use omadm_testkit::{Bench, SERVER_URL, TestJournal, again_over_wbxml, describe, device, uri};
use omadm_tree::Uri;
use proptest::prelude::*;

const ACCOUNT: &str = "./DMAcc/dm.example";

fn client(scheme: Scheme) -> Proof {
    Proof::new(scheme, "dev1", "OhBehave")
}

fn server(scheme: Scheme) -> Proof {
    Proof::new(scheme, "srv", "Bruce2")
}

fn wants(scheme: Scheme) -> Config {
    let mut config = Bench::config();
    config.auth = Auth::given(None, Some(server(scheme)));
    config
}

fn nonce(octets: &[u8]) -> Option<Nonce> {
    Some(Nonce::new(octets).unwrap())
}

fn get() -> Command<'static> {
    request::get("./Lamp/Name")
}

/// The next message of the server: a status for the header, these commands, this proof.
fn say(
    bench: &mut Bench,
    prover: &mut Prover,
    status: impl FnOnce(Status<'static>) -> Status<'static>,
    commands: Vec<Command<'static>>,
) -> Option<Message<'static>> {
    let last = bench.script.last.clone().unwrap();
    let mut header = bench.script.header();
    header.cred = prover.cred();
    let status = status(header_status(&last.header, StatusCode::OK));
    let commands = [Command::Status(status)].into_iter().chain(commands);
    let body = bench.script.write_as(&header, commands, true);
    let hmac = prover.mac(&body).map(|hmac| hmac.to_string());
    deliver(bench, &body, hmac.as_deref())
}

fn coded(mut status: Status<'static>, code: StatusCode) -> Status<'static> {
    status.code = code;
    status
}

fn deliver(bench: &mut Bench, body: &[u8], hmac: Option<&str>) -> Option<Message<'static>> {
    bench.request = None;
    let received = Received::new(body, bench.script.encoding).with_hmac(hmac);
    bench.feed(Input::Received(received)).unwrap();
    bench.read()
}

/// The header's Status in a message of the device.
fn told(message: &Message<'static>) -> Status<'static> {
    match &message.commands[0] {
        Command::Status(status) => status.clone(),
        other => panic!("{other:?}"),
    }
}

/// What the device told the server to prove itself with next.
fn told_nonce(message: &Message<'static>) -> Option<Nonce> {
    let status = told(message);
    let chal = status.chal.as_deref()?;
    let mut reader = Prover::new([server(Scheme::of_challenge(chal)?)]);
    reader.heard(StatusCode::OK, Some(chal));
    reader.nonce().cloned()
}

#[test]
fn every_proof_of_the_server_gets_its_status() {
    for wanted in Scheme::ALL {
        let good = if wanted == Scheme::Mac { 200 } else { 212 };
        let right = || Prover::new([server(wanted)]);
        let wrong = || Prover::new([Proof::new(wanted, "srv", "guess")]);
        let mut table = vec![
            (Prover::new([]), 407),
            (wrong().with_nonce(nonce(b"old")), 401),
        ];
        for other in Scheme::ALL {
            if other != wanted {
                let prover = Prover::new([server(other)]);
                table.push((prover.with_nonce(nonce(b"old")), 401));
            }
        }
        let stale = if wanted == Scheme::Basic { good } else { 401 };
        table.push((right().with_nonce(nonce(b"old")), stale));
        for (mut prover, code) in table {
            let mut bench = Bench::new(wants(wanted));
            bench.start();
            let before = bench.dump();
            let answer = say(&mut bench, &mut prover, |it| it, vec![get()]).unwrap();
            if code == good {
                continue;
            }
            let expected = format!("SyncHdr={code} Get={code} Final");
            assert_eq!(describe(&answer), expected, "{wanted} {prover:?}");
            assert_eq!(bench.dump(), before);
            let chal = told(&answer).chal.unwrap();
            assert_eq!(Scheme::of_challenge(&chal), Some(wanted));

            // The second time with what was asked for.
            let mut prover = right().with_nonce(told_nonce(&answer));
            let answer = say(&mut bench, &mut prover, |it| it, vec![get()]).unwrap();
            let expected = format!("SyncHdr={good} Get=200 Results Final");
            assert_eq!(describe(&answer), expected, "{wanted}");
            assert_eq!(told_nonce(&answer).is_some(), wanted.has_nonce());
        }
    }
}

#[test]
fn with_a_mac_every_message_of_the_server_has_one() {
    let mut bench = Bench::new(wants(Scheme::Mac));
    bench.start();
    let answer = say(&mut bench, &mut Prover::new([]), |it| it, vec![get()]).unwrap();
    let mut prover = Prover::new([server(Scheme::Mac)]);
    for _ in 0..3 {
        prover = Prover::new([server(Scheme::Mac)])
            .with_nonce(told_nonce(bench.script.last.as_ref().unwrap()));
        let answer = say(&mut bench, &mut prover, |it| it, vec![get()]).unwrap();
        assert_eq!(describe(&answer), "SyncHdr=200 Get=200 Results Final");
    }
    // It was challenged once already.
    assert_eq!(describe(&answer), "SyncHdr=407 Get=407 Final");
    assert_eq!(prover.nonce(), None);
    let before = bench.dump();
    let on = vec![request::exec("./Lamp/On", None)];
    assert_eq!(say(&mut bench, &mut Prover::new([]), |it| it, on), None);
    assert_eq!(bench.ended, [SessionEnd::ServerUnauthorized]);
    assert_eq!(bench.dump(), before);
}

#[test]
fn a_message_for_another_device_ends_the_session_unless_tolerated() {
    for tolerated in [false, true] {
        let mut config = Bench::config();
        config.compat.any_target = tolerated;
        let mut bench = Bench::new(config);
        bench.start();
        let mut header = bench.script.header();
        header.target.uri = "urn:example:dev2".into();
        let commands = bench.script.acknowledge().into_iter().chain([get()]);
        let body = bench.script.write_as(&header, commands, true);
        let answer = bench.deliver(&body);
        assert_eq!(answer.is_some(), tolerated);
        let ended: &[SessionEnd] = if tolerated {
            &[]
        } else {
            &[SessionEnd::OtherDevice]
        };
        assert_eq!(bench.ended, ended);
    }
}

#[test]
fn a_silent_server_is_asked_a_few_times_within_the_window() {
    let mut bench = Bench::default();
    bench.start();
    let begin = bench.clock.now().mono;
    let sent = bench.request.clone().unwrap();
    let mut tries = 0;
    while bench.ended.is_empty() {
        let request = bench.request.clone().unwrap();
        assert_eq!((&request.body, &request.url), (&sent.body, &sent.url));
        tries += 1;
        bench.clock.advance(request.timeout);
        bench.lose();
        bench.advance(Duration::from_secs(1));
    }
    assert_eq!(
        bench.ended,
        [SessionEnd::TransportFailed(TransportFailure::Lost)]
    );
    let spent = bench.clock.now().mono - begin;
    assert!(
        tries >= 3 && spent <= Duration::from_secs(15),
        "{tries} in {spent:?}"
    );

    let mut config = Bench::config();
    config.transport_window = Duration::from_secs(2);
    let mut bench = Bench::new(config);
    bench.start();
    assert_eq!(bench.request.unwrap().timeout, Duration::from_secs(2));
}

#[test]
fn the_transport_may_prove_the_server() {
    let mut config = Bench::config();
    config.server_identity = Some(TransportIdentity::new("srv"));
    for (identity, said) in [
        (Some("srv"), "SyncHdr=212 Get=200 Results Final"),
        (Some("other"), "SyncHdr=401 Get=401 Final"),
        (None, "SyncHdr=407 Get=407 Final"),
    ] {
        let mut bench = Bench::new(config.clone());
        bench.start();
        let body = bench.script.write([get()], true);
        bench.request = None;
        let identity = identity.map(TransportIdentity::new);
        let received = Received::new(&body, bench.script.encoding);
        let received = received.with_identity(identity.as_ref());
        bench.feed(Input::Received(received)).unwrap();
        assert_eq!(describe(&bench.read().unwrap()), said);
    }
}

// The account.

fn account() -> Account {
    let mut account = Account::new("dm.example".parse().unwrap(), SERVER_URL);
    let mut of_client = Credential::new(AuthLevel::Client, AuthType::Digest, "dev1", "OhBehave");
    of_client.data = b"client"[..].to_vec().into();
    let mut of_server = Credential::new(AuthLevel::Server, AuthType::Digest, "srv", "Bruce2");
    of_server.data = b"server"[..].to_vec().into();
    let basic = Credential::new(AuthLevel::Client, AuthType::Basic, "dev1", "basic");
    account.credentials = vec![basic, of_client, of_server];
    account.preferred = Some(AuthType::Digest);
    account
}

fn with_account(account: &Account, journal: TestJournal) -> Bench {
    let (tree, mut registry, lamp) = device(&journal);
    registry
        .mount(Box::new(account.object(uri(ACCOUNT))))
        .unwrap();
    let mut config = Bench::config();
    config.auth = Auth::Account(uri(ACCOUNT));
    Bench::with(tree, registry, lamp, journal, config).unwrap()
}

/// Whether the first message of a session is proven by this and this nonce.
fn proven(setup: &Message<'_>, proof: Proof, with: &[u8]) -> bool {
    let mut verifier = Verifier::new(Some(proof)).with_nonces(nonce(with), None);
    let evidence = Evidence::new(&[], setup.header.cred.as_ref());
    // The proof is judged before a new nonce is made.
    verifier
        .check(&evidence, &mut seven)
        .is_ok_and(Verdict::is_accepted)
}

fn seven(octets: &mut [u8]) -> Result<(), NoRandom> {
    octets.fill(7);
    Ok(())
}

#[test]
fn an_account_says_who_is_who_and_what_the_first_nonces_are() {
    let mut bench = with_account(&account(), TestJournal::default());
    let setup = bench.start();
    assert!(proven(&setup, client(Scheme::Md5), b"client"));
    assert_eq!(setup.header.source.name.as_deref(), Some("dev1"));
    let mut prover = Prover::new([server(Scheme::Md5)]).with_nonce(nonce(b"server"));
    let accept = |status| coded(status, StatusCode::AUTHENTICATION_ACCEPTED);
    let answer = say(&mut bench, &mut prover, accept, vec![get()]).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=212 Get=200 Results Final");
    let next = told_nonce(&answer);
    say(&mut bench, &mut prover, |it| it, vec![]);
    assert_eq!(bench.ended, [SessionEnd::Completed]);

    // The server's nonce of the last session is what holds now, also after a restart.
    let mut bench = with_account(&account(), bench.journal);
    bench.start();
    let mut prover = Prover::new([server(Scheme::Md5)]).with_nonce(nonce(b"server"));
    let answer = say(&mut bench, &mut prover, |it| it, vec![get()]).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=401 Get=401 Final", "used once");
    let mut bench = with_account(&account(), bench.journal);
    bench.start();
    let mut prover = Prover::new([server(Scheme::Md5)]).with_nonce(next);
    let answer = say(&mut bench, &mut prover, |it| it, vec![get()]).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=212 Get=200 Results Final");
}

#[test]
fn an_account_has_credentials_for_what_is_asked_for() {
    let mut bench = with_account(&account(), TestJournal::default());
    bench.start();
    let mut wanted = Verifier::new(Some(client(Scheme::Basic)));
    let verdict = wanted.check(&Evidence::new(&[], None), &mut NoRandom);
    assert_eq!(verdict, Ok(Verdict::Missing));
    let challenge = |status: Status<'static>| {
        let code = StatusCode::AUTHENTICATION_REQUIRED;
        coded(status, code).with_chal(wanted.chal().unwrap())
    };
    let mut prover = Prover::new([server(Scheme::Md5)]).with_nonce(nonce(b"server"));
    let again = say(&mut bench, &mut prover, challenge, vec![]).unwrap();
    assert_eq!(describe(&again), "SyncHdr=212 Alert(1201) Replace Final");
    assert!(proven(
        &again,
        Proof::new(Scheme::Basic, "dev1", "basic"),
        b""
    ));
}

#[test]
fn changed_credentials_apply_from_the_next_session() {
    let mut bench = with_account(&account(), TestJournal::default());
    bench.start();
    let mut prover = Prover::new([server(Scheme::Md5)]).with_nonce(nonce(b"server"));
    let accept = |status| coded(status, StatusCode::AUTHENTICATION_ACCEPTED);
    let sets = bench
        .client
        .tree()
        .node(&uri(&format!("{ACCOUNT}/AppAuth")))
        .unwrap();
    let set = sets.children().nth(1).unwrap().uri();
    let change = request::replace(&format!("{set}/AAuthSecret"), "new".into());
    let answer = say(&mut bench, &mut prover, accept, vec![change, get()]).unwrap();
    assert_eq!(
        describe(&answer),
        "SyncHdr=212 Replace=200 Get=200 Results Final"
    );
    let answer = say(&mut bench, &mut prover, |it| it, vec![get()]).unwrap();
    assert_eq!(answer.header.cred, None, "this session goes on as it began");
    let mut asks = Verifier::new(Some(client(Scheme::Md5)));
    asks.check(&Evidence::new(&[], None), &mut seven).unwrap();
    let next = asks.chal().unwrap();
    say(
        &mut bench,
        &mut prover,
        |status| status.with_chal(next),
        vec![],
    );
    assert_eq!(bench.ended, [SessionEnd::Completed]);
    let setup = bench.start();
    let changed = Proof::new(Scheme::Md5, "dev1", "new");
    assert!(proven(&setup, changed, &[7; 16]));
    assert!(!proven(&setup, client(Scheme::Md5), &[7; 16]));
}

#[test]
fn a_session_needs_the_account_it_is_to_begin_by() {
    let mut config = Bench::config();
    config.auth = Auth::Account(uri(ACCOUNT));
    let mut bench = Bench::new(config);
    bench
        .feed(Input::Start(omadm_client::Start::by_client(1)))
        .unwrap();
    assert!(
        matches!(bench.ended[..], [SessionEnd::Account(_)]),
        "{:?}",
        bench.ended
    );
    let mut unheard = account();
    unheard.credentials[2].auth_type = AuthType::SecurId;
    let mut bench = with_account(&unheard, TestJournal::default());
    bench
        .feed(Input::Start(omadm_client::Start::by_client(1)))
        .unwrap();
    assert_eq!(bench.ended, [SessionEnd::AuthNotSupported]);
}

#[test]
fn a_configuration_can_be_had_from_an_account() {
    let bench = with_account(&account(), TestJournal::default());
    let at: Uri = uri(ACCOUNT);
    let config = Config::of_account(bench.client.tree(), at.clone()).unwrap();
    assert_eq!(config.server_url, SERVER_URL);
    assert_eq!(config.server_id.as_str(), "dm.example");
    assert_eq!(config.auth, Auth::Account(at));
    assert!(Config::of_account(bench.client.tree(), uri("./DMAcc/x")).is_err());
    let printed = format!("{config:?} {bench:?}");
    assert!(!printed.contains("OhBehave") && !printed.contains("Bruce2"));
}

// A server that means harm.

#[derive(Clone, Debug)]
struct Turn {
    code: u16,
    chal: Option<(Scheme, u8)>,
    proof: Option<(Scheme, u8)>,
    commands: bool,
}

fn turn() -> impl Strategy<Value = Turn> {
    let scheme = || prop::sample::select(Scheme::ALL.to_vec());
    let code = prop::sample::select(vec![200, 212, 401, 407, 500]);
    let some = || proptest::option::of((scheme(), 0..4u8));
    let parts = (code, some(), some(), any::<bool>());
    parts.prop_map(|(code, chal, proof, commands)| Turn {
        code,
        chal,
        proof,
        commands,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_server_keeps_a_device_beginning_over(
        ours in prop::sample::select(Scheme::ALL.to_vec()),
        theirs in proptest::option::of(prop::sample::select(Scheme::ALL.to_vec())),
        turns in proptest::collection::vec(turn(), 1..20),
    ) {
        let mut config = Bench::config();
        config.auth = Auth::given(Some(client(ours)), theirs.map(server));
        let mut bench = Bench::new(config);
        bench.start();
        let mut begun = 1;
        let mut refused = 0;
        for Turn { code, chal, proof, commands } in turns {
            let mut prover = match proof {
                Some((scheme, octet)) => {
                    Prover::new([server(scheme)]).with_nonce(nonce(&[octet]))
                }
                None => Prover::new([]),
            };
            let change = |status: Status<'static>| {
                let status = coded(status, code.into());
                match chal {
                    Some((scheme, octet)) => {
                        let mut verifier = Verifier::new(Some(client(scheme)));
                        let mut fill = |octets: &mut [u8]| {
                            octets.fill(octet);
                            Ok(())
                        };
                        verifier.check(&Evidence::new(&[], None), &mut fill).unwrap();
                        status.with_chal(verifier.chal().unwrap())
                    }
                    None => status,
                }
            };
            let commands = if commands { vec![get()] } else { vec![] };
            match say(&mut bench, &mut prover, change, commands) {
                Some(message) => {
                    let opens = |command: &Command<'_>| matches!(
                        command,
                        Command::Alert(alert) if alert.code == Some(AlertCode::CLIENT_INITIATED)
                    );
                    begun += usize::from(message.commands.iter().any(opens));
                    refused += usize::from(told(&message).code.get() >= 400);
                }
                None => break,
            }
        }
        // Once anew, and one challenge of the server beside that.
        prop_assert!(begun <= 2, "{begun}");
        prop_assert!(refused <= 2, "{refused}");
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
