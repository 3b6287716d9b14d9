//! What is lost, begun anew or replaced: done once, and not taken for what was before it.

use omadm_session::{Answer, Correlators, Step};

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

/// A procedure, and whether it was in doubt at each time it was asked for commands.
#[derive(Debug)]
struct Watched(Box<dyn Procedure>, Vec<bool>);

impl Procedure for Watched {
    fn poll(&mut self, correlators: &mut Correlators) -> Step {
        let step = self.0.poll(correlators);
        self.1.push(self.0.is_in_doubt());
        step
    }

    fn answer(&mut self, answer: Answer) {
        self.0.answer(answer);
    }
}

/// Makes a procedure that fetches from this URL.
type Make = fn(&str, Policy) -> Box<dyn Procedure>;

/// How the next run of a server begins it that was killed after so many commands; `None` if it was over
/// by then. The server may have kept what came for the last of them, or not.
fn killed(
    device: &mut Device,
    procedure: Make,
    policy: Policy,
    commands: usize,
    kept: bool,
) -> Option<Policy> {
    let mut watched = Watched(procedure("new", policy), vec![policy.in_doubt]);
    if device.run_until_lost(&mut watched, commands) {
        return None;
    }
    let mut doubts = watched.1.into_iter().rev();
    let mut policy = Policy::default();
    policy.resumed = true;
    policy.in_doubt = doubts.nth(usize::from(!kept)).unwrap();
    Some(policy)
}

/// An update, or a replacement of an image, is refused after another one succeeded, and the server is
/// killed twice, between any two messages: what is there is not taken for it, neither then nor later.
#[test]
fn a_refusal_that_a_kill_cuts_is_not_taken_for_what_was_there_before() {
    let update: Make =
        |url, policy| Box::new(Manage::update_firmware(place("v"), url).with_policy(policy));
    let deliver: Make = |url, policy| {
        let deliver = DeliverImage::new(image("a"), "a", url, "application/octet-stream");
        Box::new(deliver.with_policy(policy))
    };
    let update_at = "./VirMO/v/DMTree/FUMO/DownloadAndUpdate/PkgURL";
    let mut seen = 0;
    for (procedure, at) in [(update, update_at), (deliver, "./VMImgMO/a/DownloadURI")] {
        for code in [405, 500] {
            let before = || {
                let mut device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
                assert!(device.run(&mut *procedure("old", Policy::default())).ok);
                device.refusal = Some(code);
                device
            };
            let begin = before().log.len();
            // A device refuses an image it has in the same way: whether the first refusal was one of
            // those is not known where it was not kept.
            let keeps = match (at == update_at, code) {
                (false, 405) => &[true][..],
                _ => &[true, false],
            };
            let moments = || (0..).flat_map(|first| keeps.iter().map(move |kept| (first, *kept)));
            for (first, kept) in moments() {
                let mut device = before();
                let policy = Policy::default();
                if killed(&mut device, procedure, policy, begin + first, kept).is_none() {
                    break;
                }
                // A device executes a message or does not.
                if !device.messages.contains(&(begin + first)) {
                    continue;
                }
                for (second, kept_again) in moments() {
                    let mut device = before();
                    let policy = Policy::default();
                    let policy = killed(&mut device, procedure, policy, begin + first, kept);
                    let so_far = device.log.len() + second;
                    let policy =
                        killed(&mut device, procedure, policy.unwrap(), so_far, kept_again);
                    if policy.is_some() && !device.messages.contains(&so_far) {
                        continue;
                    }
                    let case = format!("{at} {code} {first} {kept} {second} {kept_again}");
                    if let Some(policy) = policy {
                        let report = device.run(&mut *procedure("new", policy));
                        assert!(!report.ok, "{case}: {report:?} {:?}", device.log);
                    }
                    assert_ne!(device.value(at), Some("new"), "{case}: {:?}", device.log);
                    assert_eq!(device.executed, 1, "{case}");
                    device.refusal = None;
                    let report = device.run(&mut *procedure("new", Policy::default()));
                    let done = (report.ok, device.executed, device.value(at));
                    assert_eq!(done, (true, 2, Some("new")), "{case}: {report:?}");
                    seen += 1;
                    if policy.is_none() {
                        break;
                    }
                }
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

/// An update that the device accepted before the server was killed is waited for, and not made again.
#[test]
fn an_accepted_update_is_not_in_doubt() {
    let update = |policy| Manage::update_firmware(place("v"), "new").with_policy(policy);
    for style in [Style::Alerting, Style::Uncorrelated, Style::Silent] {
        let mut device = Device::new(style).with_vm("v", VmState::Running);
        assert!(
            device
                .run(&mut Manage::update_firmware(place("v"), "old"))
                .ok
        );
        let mut begun = update(Policy::default());
        let all = usize::MAX;
        assert!(!device.run_until_lost(&mut begun, all));
        assert!(!begun.is_in_doubt(), "{style:?}");
        device.set("./VirMO/v/DMTree/FUMO/State", "30");
        let mut policy = Policy::default();
        policy.resumed = true;
        let report = device.run(&mut update(policy));
        assert_eq!((report.ok, device.executed), (true, 2), "{style:?}");
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
