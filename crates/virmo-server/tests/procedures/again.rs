//! What is lost, begun anew or replaced: done once, and not taken for what was before it.

use super::*;

/// A session lost at any command, before or after the device executed it, loses nothing, neither
/// when the device is done in the next session nor when it takes longer: the operation is executed
/// once, and its status is that of an operation that succeeded.
#[test]
fn every_procedure_survives_a_lost_session_at_any_command() {
    for (name, procedure, device) in cases() {
        for style in Style::ALL {
            let mut whole = device(style);
            whole.run(&mut *procedure(Policy::default()));
            for number in 0..whole.log.len() {
                for (fault, delay) in [
                    (Fault::LostBefore, 0),
                    (Fault::LostAfter, 0),
                    (Fault::LostAfter, 3),
                    (Fault::LostAfter, 25),
                ] {
                    let mut device = device(style).with_fault(number, fault);
                    device.delay = delay;
                    let report = device.run(&mut *procedure(Policy::default()));
                    let command = &whole.log[number];
                    let case = format!("{name} {style:?}, {command} {fault:?}: {report:?}");
                    assert!(report.ok, "{case}");
                    assert_eq!(report.status, Some(StatusCode::OK), "{case}");
                    assert_eq!(device.executed, 1, "{case}");
                }
            }
        }
    }
}

/// The server loses everything, its procedures too, after any command, answered or not; begun anew
/// each ends as if nothing had happened, and nothing is done twice.
#[test]
fn every_procedure_begun_anew_finds_what_was_done() {
    for (name, procedure, device) in cases() {
        for style in Style::ALL {
            let mut whole = device(style);
            whole.run(&mut *procedure(Policy::default()));
            for commands in 0..=whole.log.len() {
                for delay in [0, 3] {
                    let mut device = device(style);
                    device.delay = delay;
                    device.run_until_lost(&mut *procedure(Policy::default()), commands);
                    let mut policy = Policy::default();
                    policy.resumed = true;
                    let report = device.run(&mut *procedure(policy));
                    let case = format!("{name} {style:?}, {commands}, {delay}: {report:?}");
                    assert!(report.ok, "{case}: {:?}", device.log);
                    assert_eq!(device.nodes(), whole.nodes(), "{case}");
                    // The same question may well be meant, and a lock is one however often.
                    let asked_again = name == "ask" || name.starts_with("draft");
                    assert!(
                        device.executed == 1 || (asked_again && device.executed == 2),
                        "{case}: {:?}",
                        device.log
                    );
                }
            }
        }
    }
}

/// A digest is that of the file it came with: one delivered to the same place without it is not
/// held to the old one.
#[test]
fn a_digest_goes_with_its_file() {
    let at = "./VMImgMO/a/Ext/SHA256";
    let mut device = Device::new(Style::Alerting);
    assert!(device.run(&mut deliver().with_digest([0xAB; 32])).ok);
    assert_eq!(device.value(at), Some(&*"ab".repeat(32)));
    // The same file is there, and stays.
    assert!(device.run(&mut deliver()).ok);
    assert!(device.has(at));
    device.set("./VMImgMO/a/State", "3");
    let other = "https://images.example/b.img";
    let mut other = DeliverImage::new(image("a"), "b", other, "application/octet-stream");
    let report = device.run(&mut other);
    assert!(report.ok, "{report:?}");
    assert!(!device.has(at));
    assert_eq!(device.executed, 2);
}

/// Begun anew, a change of resources takes back what an earlier run of the server wrote.
#[test]
fn a_failure_takes_back_what_an_earlier_run_wrote() {
    let new = "./VirMO/v/Resources/NewConfig";
    for (resumed, left) in [(true, false), (false, true)] {
        let device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
        let mut device = device.with_vm("w", VmState::Running);
        device.set(new, &config(512).to_string());
        device.outcome = Outcome::Failure(420);
        let mut policy = Policy::default();
        policy.resumed = resumed;
        let report = device.run(&mut apply().with_policy(policy));
        assert_eq!(report.status, Some(StatusCode::DEVICE_FULL));
        assert_eq!(device.has(new), left);
    }
}

/// An image whose last download failed: that the next one was lost does not mean that it failed.
#[test]
fn a_lost_download_is_not_taken_for_the_failed_one_before_it() {
    for (fault, execs) in [(Fault::LostBefore, 2), (Fault::LostAfter, 1)] {
        let mut device = Device::new(Style::Silent).with_image("a");
        device.set("./VMImgMO/a/State", "3");
        let mut device = device.with_fault(10, fault);
        let report = device.run(&mut deliver());
        assert_eq!((report.ok, report.status), (true, Some(StatusCode::OK)));
        let exec = |command: &&String| command.starts_with("Exec");
        assert_eq!(device.log.iter().filter(exec).count(), execs);
    }
}

/// An image that is to be replaced: that it is still there when the answer of its download was lost
/// does not mean that the other one came.
#[test]
fn a_lost_download_is_not_taken_for_the_image_before_it() {
    for style in Style::ALL {
        let mut whole = Device::new(style).with_image("a");
        assert!(whole.run(&mut deliver()).ok);
        for number in 0..whole.log.len() {
            for (fault, delay) in [
                (Fault::LostBefore, 0),
                (Fault::LostAfter, 0),
                (Fault::LostAfter, 3),
            ] {
                let device = Device::new(style).with_image("a");
                let mut device = device.with_fault(number, fault);
                device.delay = delay;
                let report = device.run(&mut deliver());
                let case = format!("{style:?}, {} {fault:?}", whole.log[number]);
                assert_eq!(report.status, Some(StatusCode::OK), "{case}: {report:?}");
                assert_eq!((report.ok, device.executed), (true, 1), "{case}");
                let origin = device.origin("./VMImgMO/a");
                assert_eq!(origin, Some("https://images.example/a.img"), "{case}");
            }
        }
    }
}

/// The server is gone after any command of a replacement, and begins anew: the image before it is
/// not taken for the one that was asked for, though DownloadURI says so already.
#[test]
fn a_replacement_begun_anew_is_not_taken_for_the_image_before_it() {
    for style in Style::ALL {
        let mut whole = Device::new(style).with_image("a");
        assert!(whole.run(&mut deliver()).ok);
        for commands in 0..=whole.log.len() {
            for (delay, fault) in [
                (0, None),
                (3, None),
                (0, Some(Fault::LostBefore)),
                (0, Some(Fault::LostAfter)),
            ] {
                let numbers = if fault.is_some() { 10 } else { 1 };
                for number in 0..numbers {
                    let mut device = Device::new(style).with_image("a");
                    device.delay = delay;
                    device.run_until_lost(&mut deliver(), commands);
                    if let Some(fault) = fault {
                        let lost = device.log.len() + number;
                        device = device.with_fault(lost, fault);
                    }
                    let mut policy = Policy::default();
                    policy.resumed = true;
                    let mut deliver = deliver().with_policy(policy);
                    let report = device.run(&mut deliver);
                    let case = format!("{style:?} {commands} {delay} {fault:?} {number}");
                    assert_eq!(report.status, Some(StatusCode::OK), "{case}: {report:?}");
                    assert!(report.ok, "{case}: {report:?}");
                    assert_eq!(device.executed, 1, "{case}: {:?}", device.log);
                    let origin = device.origin("./VMImgMO/a");
                    assert_eq!(origin, Some("https://images.example/a.img"), "{case}");
                }
            }
        }
    }
}

/// A replacement whose time is over between any two messages is made by the next one, which knows
/// nothing of it.
#[test]
fn a_replacement_that_was_cut_is_made_later() {
    let mut whole = Device::new(Style::Synchronous).with_image("a");
    assert!(whole.run(&mut deliver()).ok);
    for cut in whole.messages {
        let mut device = Device::new(Style::Synchronous).with_image("a");
        device.run_until_lost(&mut deliver(), cut);
        let report = device.run(&mut deliver());
        let case = format!("after {:?}: {report:?}", device.log.get(cut));
        assert_eq!((report.ok, device.executed), (true, 1), "{case}");
        let origin = device.origin("./VMImgMO/a");
        assert_eq!(origin, Some("https://images.example/a.img"), "{case}");
    }
}

/// A device that takes no empty DownloadURI gets the new one before the Exec.
#[test]
fn a_download_uri_that_cannot_be_emptied_is_replaced() {
    let mut whole = Device::new(Style::Synchronous).with_image("a");
    assert!(whole.run(&mut deliver()).ok);
    let emptied = "Replace ./VMImgMO/a/DownloadURI";
    let emptied = whole.log.iter().position(|it| it == emptied).unwrap();
    for code in [405, 406] {
        let device = Device::new(Style::Synchronous).with_image("a");
        let mut device = device.with_fault(emptied, Fault::Status(code));
        let report = device.run(&mut deliver());
        assert_eq!((report.ok, device.executed), (true, 1), "{code} {report:?}");
        let origin = device.origin("./VMImgMO/a");
        assert_eq!(origin, Some("https://images.example/a.img"), "{code}");
    }
}

/// A device that refuses to replace an image, one of which a machine is being made, has the other
/// one still.
#[test]
fn a_refused_replacement_of_an_image_is_a_failure() {
    let mut whole = Device::new(Style::Synchronous).with_image("a");
    whole.run(&mut deliver());
    let exec = |command: &String| command.starts_with("Exec");
    let exec = whole.log.iter().position(exec).unwrap();
    let device = Device::new(Style::Synchronous).with_image("a");
    let mut device = device.with_fault(exec, Fault::Status(405));
    let report = device.run(&mut deliver());
    assert_eq!(
        (report.ok, report.status),
        (false, Some(StatusCode::COMMAND_NOT_ALLOWED))
    );
}

/// A replacement that failed leaves the DownloadURI of the image that is there, and a later one is
/// made; one without a known end leaves none.
#[test]
fn a_failed_replacement_is_not_taken_for_a_delivery_later() {
    let at = "./VMImgMO/a/DownloadURI";
    let new = "https://images.example/b.img";
    let media_type = "application/octet-stream";
    let replace = || DeliverImage::new(image("a"), "b", new, media_type);
    let before = || {
        let mut device = Device::new(Style::Synchronous);
        assert!(device.run(&mut deliver()).ok);
        device
    };
    let mut whole = before();
    let done = whole.log.len();
    assert!(whole.run(&mut replace()).ok);
    let is_exec = |it: &String| it.starts_with("Exec");
    let exec = done + whole.log[done..].iter().position(is_exec).unwrap();
    let refusals = [405, 500].map(|code| vec![(exec, Fault::Status(code))]);
    // The Exec is lost each time.
    let lost = (0..4).map(|time| (exec + 2 * time, Fault::LostBefore));
    let faults = [lost.collect()].into_iter().chain(refusals);
    for faults in faults {
        let left = match faults.len() {
            1 => "https://images.example/a.img",
            _ => "",
        };
        let mut device = faults.iter().fold(before(), |device, (number, fault)| {
            device.with_fault(*number, *fault)
        });
        let report = device.run(&mut replace());
        let case = format!("{faults:?}: {report:?} {:?}", device.log);
        assert!(!report.ok, "{case}");
        assert_eq!(device.value(at), Some(left), "{case}");
        assert!(!report.detail.unwrap().contains("taken back"), "{case}");
        let report = device.run(&mut replace());
        assert_eq!(
            (report.ok, device.executed),
            (true, 2),
            "{case}: {report:?}"
        );
        assert_eq!(device.origin("./VMImgMO/a"), Some(new), "{case}");
    }
}

#[test]
fn sessions_lost_again_and_again_end_the_procedure() {
    for (name, procedure, device) in cases() {
        let mut device = device(Style::Synchronous);
        for number in 0..1000 {
            device = device.with_fault(number, Fault::LostBefore);
        }
        let report = device.run(&mut *procedure(Policy::default()));
        assert!(!report.ok, "{name}: {report:?}");
    }
}
