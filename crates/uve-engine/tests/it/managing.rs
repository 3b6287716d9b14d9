//! UVE-2: monitoring, UAs, suspension.

use std::time::Duration;

use uve::{Digest, MonitoringNotification, UaPackage, Uve2, Uve2Error, session::State};
use uve_engine::{Blobs, Progress, VmError};

use crate::bench::{Bench, Disk, PACKAGE, content, editor, ua, user};

fn notification(session: &uve::UaSessionId, seconds: Option<u32>) -> MonitoringNotification {
    MonitoringNotification {
        monitor: user("eve"),
        session: session.clone(),
        seconds,
    }
}

/// UR-005, UR-006, UR-007, UR-008: a user the VMM did not name may not monitor.
#[test]
fn monitoring_needs_a_notification() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    let session = &selection.session;
    let refused = vm.monitor(session, &user("eve"));
    assert!(matches!(refused, Err(VmError::NotAuthorized(_))));
    vm.notify_monitoring(&notification(session, None)).unwrap();
    assert!(matches!(
        vm.monitor(session, &user("mallory")),
        Err(VmError::NotAuthorized(_))
    ));
    vm.monitor(session, &user("eve")).unwrap();
    vm.monitor(session, &user("eve")).unwrap();
    assert_eq!(vm.state(), State::Monitored);
    // The user goes on working.
    vm.write_image(session, 0, b"watched").unwrap();
    vm.unmonitor(session, &user("eve")).unwrap();
    vm.unmonitor(session, &user("eve")).unwrap();
    assert_eq!(vm.state(), State::Serving);
}

/// UR-008: the authorization is for one session, and for its time.
#[test]
fn an_authorization_ends() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    let session = &selection.session;
    vm.notify_monitoring(&notification(session, Some(10)))
        .unwrap();
    bench.clock.advance(Duration::from_secs(10));
    assert!(matches!(
        vm.monitor(session, &user("eve")),
        Err(VmError::NotAuthorized(_))
    ));
    vm.notify_monitoring(&notification(session, None)).unwrap();
    vm.finish(session).unwrap();
    vm.drive().unwrap();
    let next = bench.serve("ann", &vm);
    assert!(matches!(
        vm.monitor(&next.session, &user("eve")),
        Err(VmError::NotAuthorized(_))
    ));
    let late = vm.notify_monitoring(&notification(session, None));
    assert_eq!(late, Err(Uve2Error::UnknownSession));
}

#[test]
fn the_last_who_leaves_ends_the_monitoring() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    let session = &selection.session;
    for name in ["eve", "bob"] {
        let monitor = user(name);
        let (session, seconds) = (session.clone(), None);
        let notification = MonitoringNotification {
            monitor,
            session,
            seconds,
        };
        vm.notify_monitoring(&notification).unwrap();
        vm.monitor(&selection.session, &user(name)).unwrap();
    }
    vm.unmonitor(session, &user("bob")).unwrap();
    assert_eq!(vm.state(), State::Monitored);
    vm.unmonitor(session, &user("eve")).unwrap();
    assert_eq!(vm.state(), State::Serving);
}

#[test]
fn authorizations_are_limited() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    let tell = |name: String| {
        let monitor = name.parse().unwrap();
        let (session, seconds) = (selection.session.clone(), None);
        vm.notify_monitoring(&MonitoringNotification {
            monitor,
            session,
            seconds,
        })
    };
    for number in 0..16 {
        tell(format!("user {number}")).unwrap();
    }
    assert_eq!(tell("one more".into()), Err(Uve2Error::TooMany));
    tell("user 3".into()).unwrap();
}

/// UR-012: only a monitored session is suspended.
#[test]
fn a_monitored_session_is_suspended() {
    let bench = Bench::new();
    let disk = Disk::default();
    let vm = bench.vm("a", &disk);
    let selection = bench.serve("ann", &vm);
    let session = &selection.session;
    assert_eq!(vm.suspend_session(session), Err(Uve2Error::NotMonitored));
    vm.notify_monitoring(&notification(session, None)).unwrap();
    assert_eq!(vm.suspend_session(session), Err(Uve2Error::NotMonitored));
    vm.monitor(session, &user("eve")).unwrap();
    vm.write_image(session, 0, b"work").unwrap();
    vm.suspend_session(session).unwrap();
    vm.suspend_session(session).unwrap();
    assert_eq!(vm.state(), State::Suspended);
    assert!(matches!(
        vm.write_image(session, 0, b"x"),
        Err(VmError::WrongState { .. })
    ));
    let unknown = vm.suspend_session(&"session-99".parse().unwrap());
    assert_eq!(unknown, Err(Uve2Error::UnknownSession));

    // It stays so when the VM stops and starts.
    drop(vm);
    let vm = bench.vm("a", &disk);
    assert_eq!(vm.state(), State::Suspended);
    vm.resume(session).unwrap();
    assert_eq!(vm.state(), State::Monitored);
    assert_eq!(content(&vm, &selection), b"work");
    vm.suspend_session(session).unwrap();
    vm.finish(session).unwrap();
    assert_eq!(vm.drive().unwrap(), Progress::Idle);
    let again = bench.serve("ann", &vm);
    assert_eq!(content(&vm, &again), b"work");
}

fn package(version: &str, octets: &[u8]) -> UaPackage {
    UaPackage {
        ua: ua(),
        version: version.into(),
        digest: Digest::of(octets),
    }
}

/// UR-009, UR-010, UR-011: deploy, update, delete.
#[test]
fn uas_are_deployed_updated_and_deleted() {
    let bench = Bench::new();
    let disk = Disk::default();
    let vm = bench.vm("a", &disk);
    vm.deploy_ua(&editor(), PACKAGE).unwrap();
    let two = package("2", b"a better editor");
    let deployed = vm.deploy_ua(&two, b"a better editor");
    assert_eq!(deployed, Err(Uve2Error::AlreadyDeployed));
    assert_eq!(vm.update_ua(&two, PACKAGE), Err(Uve2Error::DigestMismatch));
    assert_eq!(vm.uas().unwrap(), [editor()]);
    vm.update_ua(&two, b"a better editor").unwrap();
    vm.update_ua(&two, b"a better editor").unwrap();
    assert_eq!(vm.uas().unwrap(), std::slice::from_ref(&two));

    drop(vm);
    let blobs = || {
        let mut names = disk.blobs.names().unwrap();
        names.retain(|name| name.starts_with("ua-"));
        names.len()
    };
    assert_eq!(blobs(), 1, "of two versions one is kept");

    let vm = uve_engine::Vm::open(
        "a".parse().unwrap(),
        bench.vmm.clone(),
        disk.journal.clone(),
        disk.blobs.clone(),
        bench.clock.clone(),
        uve_engine::VmConfig::default(),
    )
    .unwrap();
    assert_eq!(vm.uas().unwrap(), [two]);
    vm.delete_ua(&ua()).unwrap();
    assert_eq!(blobs(), 0);
    assert_eq!(vm.delete_ua(&ua()), Err(Uve2Error::UnknownUa));
    let gone = vm.update_ua(&package("3", b"x"), b"x");
    assert_eq!(gone, Err(Uve2Error::UnknownUa));
}

#[test]
fn a_ua_in_use_stays() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    assert_eq!(vm.delete_ua(&ua()), Err(Uve2Error::InUse));
    let updated = vm.update_ua(&package("2", b"x"), b"x");
    assert_eq!(updated, Err(Uve2Error::InUse));
    vm.finish(&selection.session).unwrap();
    vm.drive().unwrap();
    vm.delete_ua(&ua()).unwrap();
}

#[test]
fn uas_have_limits() {
    let bench = Bench::new();
    let disk = Disk::default();
    let mut config = uve_engine::VmConfig::default();
    config.max_package = 4;
    config.max_uas = 1;
    let vm = uve_engine::Vm::open(
        "a".parse().unwrap(),
        bench.vmm.clone(),
        disk.journal.clone(),
        disk.blobs.clone(),
        bench.clock.clone(),
        config,
    )
    .unwrap();
    let large = vm.deploy_ua(&package("1", b"12345"), b"12345");
    assert_eq!(large, Err(Uve2Error::TooLarge { limit: 4 }));
    vm.deploy_ua(&package("1", b""), b"").unwrap();
    let mut other = package("1", b"");
    other.ua = "game".parse().unwrap();
    assert_eq!(vm.deploy_ua(&other, b""), Err(Uve2Error::TooMany));
}
