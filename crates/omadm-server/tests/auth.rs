//! What a server makes of proofs: a proven session is not disturbed by who proves nothing, another
//! scheme than the one asked for ends the attempt, and a transport may vouch for a device.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

#[path = "tools/full.rs"]
mod full;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use omadm_core::{Batch, Interaction, Journal, MemoryJournal, Now, StatusCode, UserInteraction};
use omadm_server::{
    Account, AskUser, CommandGroup, Config, EventKind, Request, Server, SingleCommand,
};
use omadm_session::{
    NoRandom, Nonce, NoncePair, Nonces, Procedure, Proof, Prover, Report, Scheme, TransportIdentity,
};
use omadm_syncml::{Chal, CmdRef, Command, Limits, decode};
use omadm_testkit::{again_over_wbxml, encoding, to_wire};

use full::Full;

const DEVICE: &str = "dev1";

fn proof(scheme: Scheme) -> Proof {
    Proof::new(scheme, "Bruce2", "OhBehave")
}

fn server(account: Account) -> Server {
    let mut count = 0u8;
    let random = move |octets: &mut [u8]| {
        count += 1;
        octets.fill(count);
        Ok::<(), NoRandom>(())
    };
    let nonces = Nonces::new(Arc::new(MemoryJournal::new()), random);
    Server::new(Config::new("t"), account).with_nonces(nonces)
}

/// A message of the device, as a text in XML without its credentials.
fn message(id: u32, cred: &str, body: &str) -> Vec<u8> {
    to_wire(&format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
         <VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>{id}</MsgID>\
         <Target><LocURI>s</LocURI></Target><Source><LocURI>{DEVICE}</LocURI></Source>{cred}\
         </SyncHdr><SyncBody>{body}<Final/></SyncBody></SyncML>"
    ))
}

fn package_1() -> String {
    let leaves: String = ["DevId", "Man", "Mod", "DmV", "Lang"]
        .map(|leaf| {
            format!("<Item><Source><LocURI>./DevInfo/{leaf}</LocURI></Source><Data>x</Data></Item>")
        })
        .concat();
    format!(
        "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>{leaves}</Replace>"
    )
}

const ANSWER: &str = "<Status><CmdID>1</CmdID><MsgRef>2</MsgRef><CmdRef>0</CmdRef>\
    <Cmd>SyncHdr</Cmd><Data>200</Data></Status><Status><CmdID>2</CmdID><MsgRef>2</MsgRef>\
    <CmdRef>4</CmdRef><Cmd>Get</Cmd><Data>404</Data></Status>";

/// What a message got: the code of its header, the challenge, the procedures that ended.
struct Got {
    code: u16,
    chal: Option<Chal<'static>>,
    body: Vec<u8>,
    finished: usize,
}

fn exchange(server: &mut Server, request: Request<'_>) -> Got {
    let mut receipt = server.receive(request).unwrap();
    let mut events = receipt.take_events();
    let response = server.respond(receipt).unwrap();
    events.extend(response.events);
    let ended = |kind: &EventKind| matches!(kind, EventKind::ProcedureFinished { .. });
    let answer = decode(&response.body, encoding(), &Limits::default()).unwrap();
    let status = answer.commands.iter().find_map(|command| match command {
        Command::Status(status) if status.cmd_ref == CmdRef::Header => Some(status.clone()),
        _ => None,
    });
    let status = status.unwrap().into_owned();
    Got {
        code: status.code.get(),
        chal: status.chal.map(|chal| *chal),
        finished: events.iter().filter(|event| ended(&event.kind)).count(),
        body: response.body.clone(),
    }
}

fn request<'a>(body: &'a [u8], hmac: Option<&'a str>) -> Request<'a> {
    Request::new(body, encoding(), Now::default()).with_hmac(hmac)
}

#[test]
fn who_has_no_mac_neither_executes_nor_ends_a_session() {
    let mut server = server(Account::new(Some(proof(Scheme::Mac)), None));
    let get = Box::new(SingleCommand::get("./A"));
    server.enqueue(DEVICE, get).unwrap();
    let mut device = Prover::new([proof(Scheme::Mac)]);
    let mut mac = |body: &[u8], got: &Got| {
        device.heard(StatusCode::from(got.code), got.chal.as_ref());
        assert_eq!(device.cred(), None);
        device.mac(body).unwrap().to_string()
    };

    let first = message(1, "", &package_1());
    let got = exchange(&mut server, request(&first, None));
    assert_eq!(got.code, 407);
    let second = message(2, "", &package_1());
    let hmac = mac(&second, &got);
    let got = exchange(&mut server, request(&second, Some(&hmac)));
    assert_eq!(got.code, 200);

    // The next message, from somebody else, and the real one after it.
    let third = message(3, "", ANSWER);
    for forged in [
        None,
        Some("username=\"Bruce2\", mac=AAAAAAAAAAAAAAAAAAAAAA=="),
        Some("x"),
    ] {
        let refused = exchange(&mut server, request(&third, forged));
        let code = if forged.is_none() { 407 } else { 401 };
        assert_eq!((refused.code, refused.finished), (code, 0));
        assert_eq!(
            refused.chal.as_ref().and_then(Scheme::of_challenge),
            Some(Scheme::Mac)
        );
    }
    let hmac = mac(&third, &got);
    let got = exchange(&mut server, request(&third, Some(&hmac)));
    assert_eq!((got.code, got.finished), (200, 1));

    // The same message is repeated as it was, one like it is not.
    let again = exchange(&mut server, request(&third, Some(&hmac)));
    assert_eq!(again.body, got.body);
    let refused = exchange(&mut server, request(&third, None));
    assert_ne!(refused.body, got.body);
    assert_eq!(refused.code, 400);
}

#[test]
fn another_scheme_than_the_one_asked_for_ends_the_attempt() {
    let mut server = server(Account::new(Some(proof(Scheme::Md5)), None));
    let first = message(1, "", &package_1());
    assert_eq!(exchange(&mut server, request(&first, None)).code, 407);
    let basic = "<Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
        <Type xmlns=\"syncml:metinf\">syncml:auth-basic</Type></Meta>\
        <Data>QnJ1Y2UyOk9oQmVoYXZl</Data></Cred>";
    let second = message(2, basic, &package_1());
    assert_eq!(exchange(&mut server, request(&second, None)).code, 401);
    let third = message(3, "", &package_1());
    assert_eq!(
        exchange(&mut server, request(&third, None)).code,
        404,
        "it is over"
    );
}

#[test]
fn a_device_the_transport_vouches_for_needs_no_credentials() {
    let dev1 = TransportIdentity::new("certificate of dev1");
    let dev2 = TransportIdentity::new("certificate of dev2");
    for (account, others) in [
        (Account::default(), [401, 407]),
        (Account::new(Some(proof(Scheme::Md5)), None), [407, 407]),
    ] {
        let account = account.or_by_transport(dev1.clone());
        let cases = [
            (Some(&dev1), 212),
            (Some(&dev2), others[0]),
            (None, others[1]),
        ];
        for (identity, code) in cases {
            let mut server = server(account.clone());
            let body = message(1, "", &package_1());
            let request = request(&body, None).with_identity(identity);
            assert_eq!(exchange(&mut server, request).code, code);
        }
    }
}

/// What a device was told is repeated to that device only.
#[test]
fn a_repetition_is_for_whom_the_answer_was() {
    let dev1 = TransportIdentity::new("certificate of dev1");
    let dev2 = TransportIdentity::new("certificate of dev2");
    let mut server = server(Account::default().or_by_transport(dev1.clone()));
    let get = Box::new(SingleCommand::get("./A"));
    server.enqueue(DEVICE, get).unwrap();
    let mut told = Vec::new();
    for (id, body) in [
        (1, package_1()),
        (2, ANSWER.replace("MsgRef>2", "MsgRef>1")),
    ] {
        let body = message(id, "", &body);
        let own = request(&body, None).with_identity(Some(&dev1));
        let got = exchange(&mut server, own);
        assert_eq!(got.code, 212);
        assert_eq!(exchange(&mut server, own).body, got.body);
        for other in [Some(&dev2), None] {
            let forged = request(&body, None).with_identity(other);
            let refused = exchange(&mut server, forged);
            assert!(refused.code >= 400 && refused.body != got.body);
        }
        told.push(got);
    }
    assert_eq!(told[1].finished, 1);
}

/// A server that proves itself to the device from the first message on.
fn known() -> Server {
    known_with(Config::new("t"))
}

fn known_with(config: Config) -> Server {
    let journal = Arc::new(MemoryJournal::new());
    let stored = NoncePair::default().provisioned(None, Nonce::new("stored").ok());
    let mut batch = Batch::new();
    stored.put(DEVICE, &mut batch);
    journal.commit(&batch).unwrap();
    let nonces = Nonces::new(journal, NoRandom);
    let account = Account::new(None, Some(proof(Scheme::Md5)));
    Server::new(config, account).with_nonces(nonces)
}

/// A challenge with another nonce.
const CHAL: &str = "<Chal><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
    <Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type>\
    <NextNonce xmlns=\"syncml:metinf\">ZnJlc2g=</NextNonce></Meta></Chal>";

/// A session of a device that challenges the server's message `at`, while a value of this length goes
/// out in chunks: what of the value it got, and how the procedure ended.
fn challenged(length: usize, at: u32) -> (usize, Report) {
    let mut server = known();
    let replace = SingleCommand::replace("./A", "v".repeat(length).into());
    server.enqueue(DEVICE, Box::new(replace)).unwrap();

    let mut body = package_1().replace("</CmdID>", "</CmdID><NoResp></NoResp>");
    let (mut received, mut ended) = (0, None);
    for id in 1.. {
        let sent = message(id, "", &body);
        let mut receipt = server.receive(request(&sent, None)).unwrap();
        let mut events = receipt.take_events();
        let response = server.respond(receipt).unwrap();
        events.extend(response.events);
        for event in events {
            match event.kind {
                EventKind::ProcedureFinished { report, .. } => ended = Some(report),
                EventKind::SessionEnded(_) => return (received, ended.unwrap()),
                _ => {}
            }
        }
        let answer = decode(&response.body, encoding(), &Limits::default()).unwrap();
        assert_eq!(answer.header.cred.is_some(), id == 1 || id == at + 1);
        let header = |code, chal| {
            format!(
                "<Status><CmdID>1</CmdID><MsgRef>{id}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>\
                 {chal}<Data>{code}</Data></Status>"
            )
        };
        body = match id {
            _ if id == at => header(401, CHAL),
            // A device that does not say what it thinks of the proof.
            _ if id < at => String::new(),
            _ => header(212, ""),
        };
        for command in &answer.commands {
            let Command::Replace(replace) = command else {
                continue;
            };
            let item = &replace.items[0];
            let code = match id {
                _ if id == at => 401,
                _ if item.more_data => 213,
                _ => 200,
            };
            if id != at {
                received += item.data.as_ref().unwrap().as_text().unwrap().len();
            }
            let cmd_ref = command.cmd_id().unwrap().get();
            body += &format!(
                "<Status><CmdID>2</CmdID><MsgRef>{id}</MsgRef><CmdRef>{cmd_ref}</CmdRef>\
                 <Cmd>Replace</Cmd><Data>{code}</Data></Status>"
            );
        }
    }
    unreachable!()
}

#[test]
fn an_object_whose_first_chunk_was_challenged_begins_anew() {
    let (received, report) = challenged(12_000, 1);
    assert_eq!((received, report.ok), (12_000, true), "{report:?}");
}

#[test]
fn an_object_whose_later_chunk_was_challenged_is_given_up() {
    // In the middle, and with its last chunk.
    for length in [12_000, 7000] {
        let (_, report) = challenged(length, 2);
        let detail = "Replace ./A: part of the value got lost";
        assert_eq!(
            (report.ok, report.detail.as_deref()),
            (false, Some(detail)),
            "{length}"
        );
    }
}

/// What the device did not process comes again, whatever it is, and is answered to whom it is of.
#[test]
fn what_was_challenged_is_said_again() {
    let tree = "<MgmtTree><VerDTD>1.2</VerDTD><Node><NodeName>A</NodeName>\
        <RTProperties><Format><node></node></Format></RTProperties></Node></MgmtTree>";
    let pair = || [SingleCommand::get("./A"), SingleCommand::delete("./B")];
    let asked = UserInteraction::new(Interaction::Confirm, "Go on?");
    let procedures: [Box<dyn Procedure>; 5] = [
        Box::new(SingleCommand::replace("./A", "ä <&> b".into())),
        Box::new(SingleCommand::add_tree("./A", tree)),
        Box::new(SingleCommand::exec("./A")),
        Box::new(CommandGroup::sequence(pair())),
        Box::new(AskUser::new(asked)),
    ];
    for procedure in procedures {
        let mut server = known();
        server.enqueue(DEVICE, procedure).unwrap();
        let first = message(1, "", &package_1());
        let first = exchange(&mut server, request(&first, None));
        let header = |id: u32, chal, code| {
            format!(
                "<Status><CmdID>1</CmdID><MsgRef>{id}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>\
                 {chal}<Data>{code}</Data></Status>"
            )
        };
        let refused = message(2, "", &header(1, CHAL, 401));
        let again = exchange(&mut server, request(&refused, None));
        let [first, again] = [&first.body, &again.body]
            .map(|body| decode(body, encoding(), &Limits::default()).unwrap());
        let said = |commands: &[Command<'_>]| -> Vec<Command<'static>> {
            let said = commands.iter().cloned().map(Command::into_owned);
            said.skip(1).collect()
        };
        assert_eq!(said(&first.commands), said(&again.commands));
        let last = again.commands.last().unwrap();
        let wanted: Vec<_> = last.flatten().collect();
        let statuses = wanted.iter().map(|command| {
            let (id, name) = (command.cmd_id().unwrap().get(), command.name());
            format!(
                "<Status><CmdID>{}</CmdID><MsgRef>2</MsgRef><CmdRef>{id}</CmdRef><Cmd>{name}</Cmd>\
                 <Data>404</Data></Status>",
                id + 10
            )
        });
        let answer = header(2, "", 212) + &statuses.collect::<String>();
        let ended = exchange(&mut server, request(&message(3, "", &answer), None));
        assert_eq!(ended.finished, 1, "{last:?}");
    }
}

/// A challenge wins a procedure no time.
#[test]
fn what_was_challenged_too_late_is_not_said_again() {
    for late in [false, true] {
        let mut config = Config::new("t");
        config.procedure_timeout = Duration::from_secs(60);
        let mut server = known_with(config);
        server
            .enqueue(DEVICE, Box::new(SingleCommand::exec("./A")))
            .unwrap();
        let first = message(1, "", &package_1());
        exchange(&mut server, request(&first, None));
        let header = format!(
            "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>\
             {CHAL}<Data>401</Data></Status>"
        );
        let refused = message(2, "", &header);
        let now = Now {
            mono: Duration::from_secs(if late { 60 } else { 59 }),
            ..Now::default()
        };
        let again = exchange(&mut server, Request::new(&refused, encoding(), now));
        let body = decode(&again.body, encoding(), &Limits::default()).unwrap();
        let is_exec = |command: &Command<'_>| matches!(command, Command::Exec(_));
        let said = body.commands.iter().any(is_exec);
        assert_eq!((again.finished, said), (usize::from(late), !late));
    }
}

/// More of them than anybody takes in who did not write them.
#[test]
fn all_statuses_that_were_challenged_are_said_again() {
    const COMMANDS: usize = 10_001;
    let mut config = Config::new("t");
    config.limits.max_commands = 2 * COMMANDS;
    let limits = config.limits.clone();
    let mut server = known_with(config);
    let mut statuses = |body: &[u8]| {
        let receipt = server.receive(request(body, None)).unwrap();
        let answer = server.respond(receipt).unwrap().body;
        let answer = decode(&answer, encoding(), &limits).unwrap();
        let of_gets = answer.commands.iter().filter(|command| match command {
            Command::Status(status) => status.code == StatusCode::COMMAND_NOT_ALLOWED,
            _ => false,
        });
        of_gets.count()
    };
    let meta = "<Meta><MaxMsgSize xmlns=\"syncml:metinf\">10000000</MaxMsgSize></Meta>";
    let item = "<Item><Target><LocURI>./A</LocURI></Target></Item>";
    let gets = (3..).take(COMMANDS);
    let gets = gets.map(|id| format!("<Get><CmdID>{id}</CmdID>{item}</Get>"));
    let first = message(1, meta, &(package_1() + &gets.collect::<String>()));
    assert_eq!(statuses(&first), COMMANDS);
    let refused = format!(
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>\
         {CHAL}<Data>401</Data></Status>"
    );
    assert_eq!(statuses(&message(2, meta, &refused)), COMMANDS);
}

/// Nobody hears of what happened in an answer that could not be given until the next message comes;
/// it does not wait for an answer that can.
#[test]
fn what_could_not_be_told_does_not_pile_up() {
    let journal = Arc::new(Full::default());
    let random = |octets: &mut [u8]| {
        octets.fill(7);
        Ok::<(), NoRandom>(())
    };
    let account = Account::new(Some(proof(Scheme::Md5)), None);
    let nonces = Nonces::new(Arc::clone(&journal) as _, random);
    let mut server = Server::new(Config::new("t"), account).with_nonces(nonces);
    server
        .enqueue(DEVICE, Box::new(SingleCommand::get("./A")))
        .unwrap();
    let mut told = Vec::new();
    for round in 0..20 {
        journal.is_full.store(round < 19, Ordering::Relaxed);
        let first = message(1, "", &package_1());
        let receipt = server.receive(request(&first, None)).unwrap();
        let challenge = server.respond(receipt).unwrap();
        let challenge = decode(&challenge.body, encoding(), &Limits::default()).unwrap();
        let Command::Status(status) = &challenge.commands[0] else {
            unreachable!()
        };
        let mut device = Prover::new([proof(Scheme::Md5)]);
        device.heard(status.code, status.chal.as_deref());
        let cred = device.cred().unwrap();
        let cred = format!(
            "<Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
             <Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type></Meta><Data>{}</Data></Cred>",
            cred.data.as_text().unwrap()
        );
        let proven = message(2, &cred, &package_1());
        let mut receipt = server.receive(request(&proven, None)).unwrap();
        let mut events = receipt.take_events();
        let answer = server.respond(receipt);
        assert_eq!(answer.is_ok(), round == 19);
        events.extend(answer.into_iter().flat_map(|answer| answer.events));
        told.push(events.len());
    }
    assert!(told[19] < 10, "{told:?}");
}

/// A first message that takes the name of a session that ended, and proves nothing, waits as long as
/// any other.
#[test]
fn a_session_that_takes_the_place_of_an_ended_one_expires_by_its_own_time() {
    let mut server = server(Account::new(Some(proof(Scheme::Basic)), None));
    let at = |seconds| Now {
        mono: Duration::from_secs(seconds),
        ..Now::default()
    };
    let basic = "<Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
        <Type xmlns=\"syncml:metinf\">syncml:auth-basic</Type></Meta>\
        <Data>QnJ1Y2UyOk9oQmVoYXZl</Data></Cred>";
    let first = message(1, basic, &package_1());
    let got = exchange(&mut server, Request::new(&first, encoding(), at(10)));
    assert_eq!(got.code, 212);
    assert!(server.sessions().all(|session| !session.is_open()));

    let unproven = message(1, "", &package_1());
    let got = exchange(&mut server, Request::new(&unproven, encoding(), at(20)));
    assert_eq!(got.code, 407);
    let timeout = Config::new("t").idle_timeout;
    assert_eq!(server.next_expiry(), Some(at(20).mono + timeout));
    for (seconds, left) in [(10, 1), (19, 1), (20, 0)] {
        let mono = at(seconds).mono + timeout;
        assert!(server.expire(Now { mono, ..at(0) }).is_empty());
        assert_eq!(server.sessions().count(), left);
    }
    assert_eq!(server.next_expiry(), None);
}

#[test]
fn without_nonces_a_digest_is_not_asked_for() {
    let account = Account::new(Some(proof(Scheme::Md5)), None);
    let mut server = Server::new(Config::new("t"), account);
    let body = message(1, "", &package_1());
    assert_eq!(exchange(&mut server, request(&body, None)).code, 500);
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
