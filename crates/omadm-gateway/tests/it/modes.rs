//! The two modes, and who is refused.

use std::time::Duration;

use omadm_client::{Auth, Event, Input};
use omadm_core::{Format, GenericAlert};
use omadm_gateway::{MAX_DEVICES, MAX_NOTIFICATION};
use omadm_mo::JobEnd;
use omadm_server::Account;
use omadm_session::{
    Proof, Scheme,
    notification::{Notification, ProvenBy},
    request::{self, Leaf},
};
use omadm_testkit::{Bench, DEVICE_ID, Pair, SERVER_ID, Wire, encoding, statuses};

use crate::{
    DeliveryError, EXECUTE, RESULT, TRIGGER, alerts_in, commands, exec, host, run, target, told,
};

/// VR-208 to VR-210: the notification reaches the guest's client octet by octet, which verifies it
/// and opens a session with the server that signed it.
#[test]
fn transparent_mode_hands_the_notification_over() {
    let device = Some(Proof::new(Scheme::Md5, "guest", "OhBehave"));
    let server = Some(Proof::new(Scheme::Md5, SERVER_ID, "Bruce2"));
    let mut config = Bench::config();
    config.auth = Auth::given(device.clone(), server.clone());
    let account = Account::new(device, server);
    let engine = omadm_server::Config::new("c");
    let mut pair = Pair::new(config, engine, account, Wire::default());
    pair.session();
    let notification = Notification::new(7, SERVER_ID.parse().unwrap()).unwrap();
    let by = ProvenBy::StoredNonce;
    let octets = pair.server.notify(DEVICE_ID, &notification, by).unwrap();

    let (mut host, guests) = host();
    assert_eq!(run(&mut host, TRIGGER, &octets), 200);
    assert_eq!(guests.notified.lock().unwrap()[..], [&octets[..]]);
    pair.events.clear();
    pair.notify(&octets);
    let [Event::Notified(notified)] = pair.events.as_slice() else {
        panic!("{:?}", pair.events);
    };
    let start = notified.start;
    assert_eq!(start.session_id, 7);
    pair.session_of(start);
    assert!(pair.ended.last().unwrap().is_normal());
}

/// Nothing is dropped in silence.
#[test]
fn who_cannot_be_reached_is_told() {
    let read = commands(&target(1, "Get", "./Lamp/Name"));
    for (fault, status) in [
        (DeliveryError::NotRunning, 405),
        (DeliveryError::NoAnswer, 408),
        (DeliveryError::Unreachable, 503),
        (DeliveryError::Unknown, 404),
    ] {
        let (mut host, guests) = host();
        *guests.fault.lock().unwrap() = Some(fault);
        assert_eq!(run(&mut host, TRIGGER, b"package 0"), status, "{fault}");
        assert_eq!(run(&mut host, EXECUTE, &read), status, "{fault}");
        assert_eq!(host.value(RESULT).as_deref(), Some(""));
        assert!(guests.notified.lock().unwrap().is_empty());
    }
    let (mut host, _) = host();
    let other = request::replace("./Gateway/guest/DeviceID", Leaf::from("urn:x:other"));
    assert_eq!(host.codes([other]), [200]);
    assert_eq!(run(&mut host, TRIGGER, b"package 0"), 404);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (mut host, guests) = host();
    let long = vec![0; MAX_NOTIFICATION + 1];
    let alert = "<Alert><CmdID>1</CmdID><Data>1100</Data><Item/></Alert>";
    let inside = format!(
        "<Atomic><CmdID>1</CmdID>{}</Atomic>",
        alert.replace('1', "2")
    );
    let nameless = target(1, "Get", "./Lamp").replace("<CmdID>1</CmdID>", "");
    for (node, octets, status) in [
        (TRIGGER, vec![], 412),
        (TRIGGER, long, 413),
        (EXECUTE, vec![], 412),
        (EXECUTE, b"Get ./Lamp".to_vec(), 400),
        (EXECUTE, commands(""), 400),
        (EXECUTE, commands(alert), 400),
        (EXECUTE, commands(&inside), 400),
        (EXECUTE, commands(&nameless), 400),
        ("./Gateway/none/Trigger", b"x".to_vec(), 404),
        ("./Gateway/guest", b"x".to_vec(), 405),
    ] {
        assert_eq!(run(&mut host, node, &octets), status, "{node} {octets:?}");
    }
    assert!(guests.notified.lock().unwrap().is_empty());
    let nameless = request::add_node("./Gateway/nameless", None);
    assert_eq!(host.codes([nameless]), [200]);
    assert_eq!(run(&mut host, "./Gateway/nameless/Trigger", b"x"), 412);
    let others: Vec<_> = (2..MAX_DEVICES).map(|it| it.to_string()).collect();
    for some in others.chunks(10) {
        let adds = some
            .iter()
            .map(|it| request::add_node(&format!("./Gateway/{it}"), None));
        assert_eq!(host.codes(adds), vec![200; some.len()]);
    }
    let more = ["a", "b"].map(|it| request::add_node(&format!("./Gateway/{it}"), None));
    assert_eq!(host.codes(more), [420, 420]);
}

/// VR-211, VR-212: two related sessions: commands go in and answers come out by their ids, in the
/// addresses of the guest, whose alerts go on with theirs rewritten.
#[test]
fn proxy_mode_relates_two_sessions() {
    let (mut host, guests) = host();
    let mut alert = GenericAlert::new("urn:example:at:hot", Format::Chr);
    alert.source = Some("./Lamp/Level".to_owned());
    guests.alerts.lock().unwrap().push(alert);
    let replace = "<Replace><CmdID>5</CmdID><Item><Target><LocURI>./Lamp/Level</LocURI></Target>\
                   <Meta><Format xmlns='syncml:metinf'>int</Format></Meta><Data>7</Data></Item>\
                   </Replace>";
    let atomic = format!(
        "<Atomic><CmdID>4</CmdID>{replace}{}</Atomic>",
        target(6, "Exec", "./Lamp/On")
    );
    let asked = [
        replace.replace("<CmdID>5<", "<CmdID>1<"),
        target(2, "Get", "./Lamp/Level"),
        target(3, "Get", "./Lamp/None"),
        atomic,
        target(9, "Exec", "./Lamp/Off"),
    ];
    host.start();
    assert!(
        host.say([exec(EXECUTE, &commands(&asked.concat()))])
            .is_none()
    );
    host.finish_job();
    let answer = host.read().unwrap();
    assert_eq!(statuses(&answer).last().unwrap().1, 200);
    assert_eq!(
        told(&host),
        [
            "Command(1) Replace 200",
            "Command(2) Get 200",
            "Command(2) 7",
            "Command(3) Get 404",
            "Command(4) Atomic 507",
            "Command(5) Replace 216",
            "Command(6) Exec 500",
            "Command(9) Exec 200",
        ]
    );
    // The host's own lamp is another.
    assert_eq!(host.value("./Lamp/Level").as_deref(), Some("0"));
    let source = "./Gateway/guest/Lamp/Level".to_owned();
    assert_eq!(alerts_in(&answer), [(source, None, String::new())]);
}

/// A guest that falls silent amid its session: nothing pretends to be an answer.
#[test]
fn a_session_that_is_lost_is_told() {
    for carried in [1, 2] {
        let (mut host, guests) = host();
        *guests.silent_after.lock().unwrap() = Some(carried);
        let read = commands(&target(1, "Get", "./Lamp/Name"));
        assert_eq!(run(&mut host, EXECUTE, &read), 408, "{carried}");
        assert_eq!(host.value(RESULT).as_deref(), Some(""));
        *guests.silent_after.lock().unwrap() = None;
        assert_eq!(run(&mut host, EXECUTE, &read), 200);
    }
}

/// An end device that hangs is busy until its job ends, also over 202; the others are not.
#[test]
fn an_end_device_has_one_job_at_a_time() {
    let (mut host, guests) = host();
    let codes = host.codes([
        request::add_node("./Gateway/other", None),
        request::replace("./Gateway/other/DeviceID", Leaf::from(DEVICE_ID)),
    ]);
    assert_eq!(codes, [200, 200]);
    host.start();
    assert!(host.say([exec(TRIGGER, b"1")]).is_none());
    host.advance(Duration::from_secs(31));
    let answer = host.read().unwrap();
    assert_eq!(statuses(&answer).last().unwrap().1, 202);
    host.say([]);
    assert_eq!(host.codes([exec(TRIGGER, b"2")]), [405]);
    host.advance(Duration::from_secs(60));
    assert_eq!(
        host.codes([exec(TRIGGER, b"3")]),
        [405],
        "it may still come"
    );
    let (_, job) = host.jobs.pop_first().unwrap();
    let (job, end) = (job.id, JobEnd::Finished(job.run()));
    host.feed(Input::Completed { job, end }).unwrap();
    assert_eq!(run(&mut host, TRIGGER, b"4"), 200);
    assert_eq!(run(&mut host, "./Gateway/other/Trigger", b"5"), 200);
    let notified: [&[u8]; 3] = [b"1", b"4", b"5"];
    assert_eq!(*guests.notified.lock().unwrap(), notified);
    assert_eq!(encoding(), host.script.encoding);
}
