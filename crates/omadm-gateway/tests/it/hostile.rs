//! End devices that are not who they say, or send without end.

use std::sync::{Arc, Mutex};

use omadm_core::{Now, Space};
use omadm_gateway::{
    DeliveryError, EndDevices, MAX_ALERTS, MAX_MESSAGES, ProxyError, ProxySession, Request,
};
use omadm_session::{Proof, Scheme, request};
use omadm_syncml::Encoding;
use omadm_testkit::TestJournal;

use crate::{EXECUTE, alerts, alerts_in, commands, exec, host, host_on, know, run, target, told};

fn proofs(scheme: Scheme, password: &str) -> (Proof, Proof) {
    (
        Proof::new(scheme, "guest", password),
        Proof::new(scheme, "gateway", "Bruce2"),
    )
}

/// VR-211: each leg has its own credentials and nonces; who does not know the password is given no
/// commands, and who the gateway does not prove itself to carries none out.
#[test]
fn the_inner_session_has_credentials_of_its_own() {
    let light = commands(&target(1, "Exec", "./Lamp/On"));
    for scheme in [Scheme::Basic, Scheme::Md5, Scheme::Mac] {
        let (mut host, guests) = host();
        let ours = proofs(scheme, "OhBehave");
        *guests.accounts.lock().unwrap() = [Some(ours.clone()), Some(ours.clone())];
        for _ in 0..2 {
            assert_eq!(run(&mut host, EXECUTE, &light), 200, "{scheme:?}");
            assert_eq!(told(&host), ["Command(1) Exec 200"]);
        }
        let own = host.journal.records(Space::new("gateway-nonces"));
        assert_eq!(own.len(), usize::from(scheme != Scheme::Basic));
        assert!(host.journal.records(Space::NONCES).is_empty());

        let theirs = proofs(scheme, "wrong");
        guests.accounts.lock().unwrap()[1] = Some(theirs);
        assert_eq!(run(&mut host, EXECUTE, &light), 503, "{scheme:?}");
        assert!(told(&host).is_empty());
        let mut theirs = ours;
        theirs.1 = Proof::new(scheme, "gateway", "wrong");
        guests.accounts.lock().unwrap()[1] = Some(theirs);
        assert_ne!(run(&mut host, EXECUTE, &light), 200, "{scheme:?}");
        assert!(!told(&host).contains(&"Command(1) Exec 200".to_owned()));
        let delete = request::delete("./Gateway/guest");
        assert_eq!(host.codes([delete]), [200]);
        assert!(
            host.journal
                .records(Space::new("gateway-nonces"))
                .is_empty()
        );
    }
}

/// An end device that sends what it likes.
struct Hostile {
    play: Play,
    errors: Mutex<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Play {
    /// What is no message, for as long as anybody listens.
    Noise,
    /// The same message again and again.
    Again,
    /// Messages that never end their package.
    NoEnd,
    /// A session of somebody else.
    Name,
    /// More alerts than anybody wants to hear.
    Alerts,
}

const HEAD: &str = "<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID>\
                    <MsgID>MSG</MsgID><Target><LocURI>gw</LocURI></Target><Source><LocURI>DEVICE\
                    </LocURI></Source></SyncHdr>";

const ALERT: &str = "<Alert><CmdID>9</CmdID><Data>1226</Data><Item><Source><LocURI>./a</LocURI>\
                     </Source><Meta><Type xmlns='syncml:metinf'>t</Type><Format \
                     xmlns='syncml:metinf'>chr</Format></Meta><Data>loud</Data></Item></Alert>";

fn package_1(more: &str) -> String {
    let items = ["DevId", "Man", "Mod", "DmV", "Lang"].map(|leaf| {
        format!("<Item><Source><LocURI>./DevInfo/{leaf}</LocURI></Source><Data>x</Data></Item>")
    });
    let mut alerts = String::new();
    for (number, alert) in (10..).zip(more.split_inclusive("</Alert>")) {
        alerts += &alert.replace(">9<", &format!(">{number}<"));
    }
    format!(
        "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>{}</Replace>\
         {alerts}<Final/>",
        items.concat()
    )
}

fn message(number: u32, device: &str, body: &str) -> Vec<u8> {
    let head = HEAD
        .replace("MSG", &number.to_string())
        .replace("DEVICE", device);
    format!("<SyncML xmlns='SYNCML:SYNCML1.2'>{head}<SyncBody>{body}</SyncBody></SyncML>").into()
}

impl EndDevices for Hostile {
    fn notify(&self, _: &str, _: &[u8]) -> Result<(), DeliveryError> {
        Err(DeliveryError::Unreachable)
    }

    fn session(&self, device: &str, server: &mut ProxySession) -> Result<(), DeliveryError> {
        let heard = "<Status><CmdID>1</CmdID><MsgRef>REF</MsgRef><CmdRef>0</CmdRef>\
                     <Cmd>SyncHdr</Cmd><Data>200</Data></Status>";
        for number in 1..3 * MAX_MESSAGES {
            let sent = match (self.play, number) {
                (Play::Noise, _) => b"noise".to_vec(),
                (Play::Name, _) => message(1, "somebody", &package_1("")),
                (Play::Again, _) => message(1, device, &package_1("")),
                (Play::Alerts, 1) => message(1, device, &package_1(&ALERT.repeat(120))),
                (_, 1) => message(1, device, &package_1("")),
                (Play::Alerts, _) => return Ok(()),
                (Play::NoEnd, _) => message(
                    number,
                    device,
                    &heard.replace("REF", &(number - 1).to_string()),
                ),
            };
            let request = Request::new(&sent, Encoding::Xml, Now::default());
            if let Err(error) = server.answer(request) {
                let last = matches!(error, ProxyError::TooMany);
                assert_eq!(server.is_over(), last, "{error}");
                self.errors.lock().unwrap().push(error.to_string());
            }
            if server.is_over() {
                return Ok(());
            }
        }
        panic!("{:?} has no end", self.play);
    }
}

/// However an end device spins out its session, it ends; nothing of it counts.
#[test]
fn a_session_has_an_end() {
    let read = commands(&target(1, "Get", "./Lamp/Name"));
    for play in [Play::Noise, Play::Again, Play::NoEnd, Play::Name] {
        let hostile = Arc::new(Hostile {
            play,
            errors: Mutex::default(),
        });
        let mut host = host_on(TestJournal::default(), hostile.clone());
        know(&mut host);
        assert_eq!(run(&mut host, EXECUTE, &read), 503, "{play:?}");
        assert_eq!(alerts(&mut host), []);
        let unanswered = ["Command(1) Get 503", "Command(1) Get 215"];
        let told = told(&host);
        assert!(
            told.iter().all(|line| unanswered.contains(&line.as_str())),
            "{told:?}"
        );
        let errors = hostile.errors.lock().unwrap().len();
        let noise = usize::try_from(MAX_MESSAGES).unwrap() + 1;
        let expected = match play {
            Play::Noise => noise,
            Play::NoEnd => 0,
            _ => 1,
        };
        assert_eq!(errors, expected, "{play:?}");
    }
}

/// VR-211: what goes on to the server has a limit, whatever is told.
#[test]
fn alerts_have_a_limit() {
    let hostile = Hostile {
        play: Play::Alerts,
        errors: Mutex::default(),
    };
    let mut host = host_on(TestJournal::default(), Arc::new(hostile));
    know(&mut host);
    let read = commands(&target(1, "Get", "./Lamp/Name"));
    host.start();
    assert!(host.say([exec(EXECUTE, &read)]).is_none());
    host.finish_job();
    let mut said = host.read();
    let mut heard = 0;
    while let Some(message) = said {
        heard += alerts_in(&message).len();
        said = host.say([]);
    }
    heard += alerts(&mut host).len();
    assert_eq!(heard, usize::try_from(MAX_ALERTS).unwrap());
}
