//! What a server makes of proofs: a proven session is not disturbed by who proves nothing, another
//! scheme than the one asked for ends the attempt, and a transport may vouch for a device.

#![allow(clippy::unwrap_used, reason = "test code")]

use omadm_core::{MemoryJournal, Now, StatusCode};
use omadm_server::{Account, Config, EventKind, Request, Server, SingleCommand};
use omadm_session::{NoRandom, Nonces, Proof, Prover, Scheme, TransportIdentity};
use omadm_syncml::{Chal, CmdRef, Command, Limits, decode};
use omadm_testkit::{again_over_wbxml, encoding, to_wire};

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
    let nonces = Nonces::new(std::sync::Arc::new(MemoryJournal::new()), random);
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
