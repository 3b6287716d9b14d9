//! The consistency rules of user images, one test each.

use std::time::Duration;

use uve::{
    BeginUpdate, Begun, CommitUpdate, Digest, Uve5, Uve5Error, Version, WriteUpdate, session::State,
};
use uve_engine::{Blobs, Progress, VmError, VmEvent, VmmEvent};

use crate::bench::{Bench, Disk, content, ua, user, vm_id};

/// Rule 1, UR-003, UR-004, UR-016, UR-017: a log-in finds what the one before left.
#[test]
fn a_second_login_sees_the_work_of_the_first() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    for round in 0..3u8 {
        let selection = bench.serve("ann", &vm);
        assert_eq!(vm.state(), State::Serving);
        let expected: Vec<u8> = (0..round).collect();
        assert_eq!(content(&vm, &selection), expected);
        vm.write_image(&selection.session, round.into(), &[round])
            .unwrap();
        vm.finish(&selection.session).unwrap();
        assert_eq!(vm.drive().unwrap(), Progress::Idle);
    }
    let updates = bench.vmm.take_events();
    let versions: Vec<_> = updates
        .iter()
        .map(|event| match event {
            VmmEvent::Updated { version, .. } => version.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(versions, [1, 2, 3]);
}

/// UR-003, UR-016: the image is there before the user works.
#[test]
fn nobody_is_served_before_the_image_is_here() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.select("ann", "a");
    vm.serve(&selection).unwrap();
    assert_eq!(vm.state(), State::Selected);
    let refused = vm.write_image(&selection.session, 0, b"x");
    assert!(matches!(refused, Err(VmError::WrongState { .. })));
    vm.drive().unwrap();
    vm.write_image(&selection.session, 0, b"x").unwrap();
}

/// Rule 2, UR-018: the VM before updates first.
#[test]
fn a_switch_waits_for_the_update() {
    let bench = Bench::new();
    let (a, b) = (
        bench.vm("a", &Disk::default()),
        bench.vm("b", &Disk::default()),
    );
    let first = bench.serve("ann", &a);
    a.write_image(&first.session, 0, b"work").unwrap();

    let second = bench.serve("ann", &b);
    let waiting = b.drive().unwrap();
    assert!(
        matches!(
            waiting,
            Progress::Waiting {
                error: Uve5Error::Leased { seconds: 60 },
                ..
            }
        ),
        "{waiting:?}"
    );
    assert_eq!(b.state(), State::UifLoading);

    a.finish(&first.session).unwrap();
    assert_eq!(a.drive().unwrap(), Progress::Idle);
    b.drive().unwrap();
    assert_eq!(b.state(), State::Serving);
    assert_eq!(content(&b, &second), b"work");
    assert_eq!(bench.vmm.selected(&user("ann")).unwrap(), Some(second));
}

/// Rule 3: a stale base is a conflict, whoever sends it.
#[test]
fn a_stale_base_never_overwrites() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    for text in [&b"one"[..], b"two"] {
        let selection = bench.serve("ann", &vm);
        vm.write_image(&selection.session, 0, text).unwrap();
        vm.finish(&selection.session).unwrap();
        vm.drive().unwrap();
    }
    let selection = bench.serve("ann", &vm);
    for base in [0, 1, 3] {
        let begun = bench.vmm.begin_update(
            &vm_id("a"),
            &BeginUpdate {
                user: user("ann"),
                update: "stale".parse().unwrap(),
                base: Version(base),
                size: 3,
                digest: Digest::of(b"bad"),
            },
        );
        let current = Version(2);
        assert_eq!(begun, Err(Uve5Error::Conflict { current }), "base {base}");
    }
    assert_eq!(content(&vm, &selection), b"two");
}

/// Rule 3: a broken upload leaves the version before.
#[test]
fn an_update_is_whole_or_not_at_all() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    bench.serve("ann", &vm);
    let (ann, a, update) = (user("ann"), vm_id("a"), "u".parse().unwrap());
    let begin = BeginUpdate {
        user: ann.clone(),
        update,
        base: Version::NONE,
        size: 4,
        digest: Digest::of(b"good"),
    };
    let commit = CommitUpdate {
        user: ann.clone(),
        update: begin.update.clone(),
    };
    let write = |offset, octets: &[u8]| {
        let (user, update) = (ann.clone(), begin.update.clone());
        bench.vmm.write_update(
            &a,
            &WriteUpdate {
                user,
                update,
                offset,
            },
            octets,
        )
    };
    assert_eq!(
        bench.vmm.commit_update(&a, &commit),
        Err(Uve5Error::UnknownUpdate)
    );
    assert_eq!(write(0, b"go"), Err(Uve5Error::UnknownUpdate));
    assert_eq!(bench.vmm.begin_update(&a, &begin), Ok(Begun::Send(0)));
    assert_eq!(write(0, b"go"), Ok(2));
    assert_eq!(bench.vmm.begin_update(&a, &begin), Ok(Begun::Send(2)));
    for offset in [0, 1, 3] {
        assert_eq!(
            write(offset, b"x"),
            Err(Uve5Error::WrongOffset { expected: 2 })
        );
    }
    assert_eq!(
        write(2, b"abc"),
        Err(Uve5Error::WrongOffset { expected: 2 })
    );
    let incomplete = bench.vmm.commit_update(&a, &commit);
    assert_eq!(incomplete, Err(Uve5Error::Incomplete { offset: 2 }));
    assert_eq!(write(2, b"xx"), Ok(4));
    let mismatch = bench.vmm.commit_update(&a, &commit);
    assert_eq!(mismatch, Err(Uve5Error::DigestMismatch));
    assert_eq!(bench.vmm.retrieve_uif(&a, &ann).unwrap().image, None);

    assert_eq!(bench.vmm.begin_update(&a, &begin), Ok(Begun::Send(0)));
    assert_eq!(write(0, b"good"), Ok(4));
    assert_eq!(bench.vmm.commit_update(&a, &commit), Ok(Version(1)));
    // The answer may have been lost.
    assert_eq!(bench.vmm.commit_update(&a, &commit), Ok(Version(1)));
    assert_eq!(
        bench.vmm.begin_update(&a, &begin),
        Ok(Begun::Done(Version(1)))
    );
}

/// Rule 4, UR-014, UR-015: the VMM is told of session, user and UA, then gets the work.
#[test]
fn an_unexpected_disconnect_is_told_once_and_saves_the_work() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    vm.write_image(&selection.session, 0, b"unsaved").unwrap();
    vm.disconnect(&selection.session).unwrap();
    assert_eq!(vm.state(), State::Disconnected);
    assert_eq!(vm.drive().unwrap(), Progress::Idle);

    let events = bench.vmm.take_events();
    let [
        VmmEvent::Disconnected { vm: at, disconnect },
        VmmEvent::Updated { .. },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(at, &vm_id("a"));
    assert_eq!(disconnect.session, selection.session);
    assert_eq!(disconnect.user, user("ann"));
    assert_eq!(disconnect.ua, ua());
    // A repetition is acknowledged, and told no second time.
    bench.vmm.notify_session_disconnect(at, disconnect).unwrap();
    assert_eq!(bench.vmm.take_events(), []);

    let again = bench.serve("ann", &vm);
    assert_eq!(content(&vm, &again), b"unsaved");
}

/// Rule 5: when a VM is gone for good, the last acknowledged version is served.
#[test]
fn a_crashed_vm_loses_its_lease() {
    let bench = Bench::new();
    let (a, b) = (
        bench.vm("a", &Disk::default()),
        bench.vm("b", &Disk::default()),
    );
    let first = bench.serve("ann", &a);
    a.write_image(&first.session, 0, b"old").unwrap();
    a.finish(&first.session).unwrap();
    a.drive().unwrap();
    let first = bench.serve("ann", &a);
    a.write_image(&first.session, 0, b"new").unwrap();

    let second = bench.serve("ann", &b);
    bench.clock.advance(Duration::from_secs(59));
    assert!(matches!(b.drive().unwrap(), Progress::Waiting { .. }));
    bench.clock.advance(Duration::from_secs(1));
    b.drive().unwrap();
    assert_eq!(content(&b, &second), b"old");
    let lost = VmmEvent::LeaseLost {
        user: user("ann"),
        vm: vm_id("a"),
    };
    assert!(bench.vmm.take_events().contains(&lost));

    // The silent VM comes back: its work is kept, apart, and overwrites nothing.
    b.write_image(&second.session, 0, b"moved on").unwrap();
    a.finish(&first.session).unwrap();
    assert_eq!(a.drive().unwrap(), Progress::Idle);
    let names = a.aside().unwrap();
    assert_eq!(names.len(), 1);
    let mut octets = [0; 8];
    assert_eq!(a.read_aside(&names[0], 0, &mut octets).unwrap(), 3);
    assert_eq!(&octets[..3], b"new");
    assert!(
        a.take_events()
            .iter()
            .any(|event| matches!(event, VmEvent::SetAside { .. }))
    );
    a.discard_aside(&names[0]).unwrap();
    assert_eq!(a.aside().unwrap(), [""; 0]);
    assert_eq!(content(&b, &second), b"moved on");
}

/// A VM that renews keeps the image however long its user works.
#[test]
fn a_lease_lasts_as_long_as_it_is_renewed() {
    let mut bench = Bench::new();
    let (a, b) = (
        bench.vm("a", &Disk::default()),
        bench.vm("b", &Disk::default()),
    );
    let first = bench.serve("ann", &a);
    for _ in 0..20 {
        let Progress::Serving(next) = a.drive().unwrap() else {
            panic!("{:?}", a.state());
        };
        assert!(next <= Duration::from_secs(30));
        bench.clock.advance(next);
    }
    let selection = bench.select("ann", "b");
    b.serve(&selection).unwrap();
    assert!(matches!(b.drive().unwrap(), Progress::Waiting { .. }));

    // Renewals are not written down: after a restart the lease has its whole time again.
    bench.clock.advance(Duration::from_secs(3600));
    bench.restart();
    let retrieved = bench.vmm.retrieve_uif(&vm_id("b"), &user("ann"));
    assert_eq!(retrieved, Err(Uve5Error::Leased { seconds: 60 }));
    assert_eq!(bench.vmm.holder(&user("ann")).unwrap(), Some(vm_id("a")));
    a.finish(&first.session).unwrap();
}

/// Rule 6: only the VM that was selected has to do with the image.
#[test]
fn a_vm_has_to_do_with_the_user_it_serves_only() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    vm.write_image(&selection.session, 0, b"secret").unwrap();
    vm.finish(&selection.session).unwrap();
    vm.drive().unwrap();
    bench.serve("ann", &vm);

    for (at, name) in [("b", "ann"), ("a", "bob"), ("a", "nobody")] {
        let (at, name) = (vm_id(at), user(name));
        assert_eq!(
            bench.vmm.retrieve_uif(&at, &name),
            Err(Uve5Error::NotServing)
        );
        let piece = uve::ReadUif {
            user: name.clone(),
            version: Version(1),
            offset: 0,
            length: 9,
        };
        assert_eq!(bench.vmm.read_uif(&at, &piece), Err(Uve5Error::NotServing));
        let begin = BeginUpdate {
            user: name.clone(),
            update: "u".parse().unwrap(),
            base: Version(1),
            size: 0,
            digest: Digest::of(b""),
        };
        assert_eq!(
            bench.vmm.begin_update(&at, &begin),
            Err(Uve5Error::NotServing)
        );
        assert_eq!(
            bench.vmm.renew_lease(&at, &name),
            Err(Uve5Error::NotServing)
        );
        assert_eq!(
            bench.vmm.release_lease(&at, &name),
            Err(Uve5Error::NotServing)
        );
    }
}

/// Rule 6: a user who finished is not served any more without being selected again.
#[test]
fn a_selection_is_good_for_one_session() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    vm.finish(&selection.session).unwrap();
    vm.drive().unwrap();
    let retrieved = bench.vmm.retrieve_uif(&vm_id("a"), &user("ann"));
    assert_eq!(retrieved, Err(Uve5Error::NotServing));
    vm.serve(&selection).unwrap();
    assert_eq!(vm.drive().unwrap(), Progress::Idle);
    assert!(matches!(
        &vm.take_events()[..],
        [
            ..,
            VmEvent::Refused {
                error: Uve5Error::NotServing,
                ..
            },
            VmEvent::State { .. }
        ]
    ));
}

/// Rule 7: nothing of a user is left for the next one.
#[test]
fn the_copy_is_erased_after_the_acknowledgement() {
    let bench = Bench::new();
    let disk = Disk::default();
    let vm = bench.vm("a", &disk);
    let selection = bench.serve("ann", &vm);
    vm.write_image(&selection.session, 0, b"secret").unwrap();
    assert_eq!(disk.blobs.len("copy").unwrap(), Some(6));
    vm.finish(&selection.session).unwrap();
    vm.drive().unwrap();
    assert_eq!(disk.blobs.len("copy").unwrap(), None);
    let bobs = bench.serve("bob", &vm);
    assert_eq!(content(&vm, &bobs), b"");
    let hers = vm.read_image(&selection.session, 0, &mut [0; 6]);
    assert!(matches!(hers, Err(VmError::UnknownSession)));
}

/// Rule 8: sizes are checked before anything is sent.
#[test]
fn a_size_limit_holds_before_the_transfer() {
    let bench = Bench::with(4);
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    vm.write_image(&selection.session, 0, b"five!").unwrap();
    vm.finish(&selection.session).unwrap();
    assert_eq!(vm.drive().unwrap(), Progress::Idle);
    let events = vm.take_events();
    let too_large = |event: &VmEvent| {
        matches!(
            event,
            VmEvent::SetAside {
                error: Uve5Error::TooLarge { limit: 4 },
                ..
            }
        )
    };
    assert!(events.iter().any(too_large), "{events:?}");
    assert_eq!(vm.aside().unwrap().len(), 1);
}

/// A user who leaves while the image is loading holds nobody up.
#[test]
fn leaving_early_gives_the_lease_back() {
    let bench = Bench::new();
    let (a, b) = (
        bench.vm("a", &Disk::default()),
        bench.vm("b", &Disk::default()),
    );
    let other = bench.serve("ann", &b);
    let selection = bench.serve("ann", &a);
    assert_eq!(a.state(), State::UifLoading);
    a.finish(&selection.session).unwrap();
    b.finish(&other.session).unwrap();
    b.drive().unwrap();
    assert_eq!(a.drive().unwrap(), Progress::Idle);
    assert_eq!(bench.vmm.holder(&user("ann")).unwrap(), None);
}

/// One user at a time; the same selection twice is one.
#[test]
fn a_vm_serves_one_user_at_a_time() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    vm.serve(&selection).unwrap();
    let bobs = bench.select("bob", "a");
    assert!(matches!(
        vm.serve(&bobs),
        Err(VmError::WrongState {
            state: State::Serving,
            ..
        })
    ));
    let elsewhere = bench.select("bob", "b");
    assert!(matches!(vm.serve(&elsewhere), Err(VmError::OtherVm(_))));
    let mut unknown = bobs.clone();
    unknown.ua = "game".parse().unwrap();
    assert!(matches!(vm.serve(&unknown), Err(VmError::UnknownUa(_))));
}

/// The identifiers of a report must belong together.
#[test]
fn a_report_of_an_unknown_session_is_refused() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    let report = uve::SessionDisconnect {
        session: selection.session.clone(),
        user: user("ann"),
        ua: ua(),
        event: uve::EventId(1),
    };
    let mut others = vec![(vm_id("b"), report.clone()); 4];
    others[1] = (
        vm_id("a"),
        uve::SessionDisconnect {
            user: user("bob"),
            ..report.clone()
        },
    );
    others[2] = (
        vm_id("a"),
        uve::SessionDisconnect {
            ua: "game".parse().unwrap(),
            ..report.clone()
        },
    );
    others[3] = (
        vm_id("a"),
        uve::SessionDisconnect {
            session: "session-9".parse().unwrap(),
            ..report.clone()
        },
    );
    for (at, report) in others {
        let told = bench.vmm.notify_session_disconnect(&at, &report);
        assert_eq!(told, Err(Uve5Error::UnknownSession), "{at} {report:?}");
    }
    assert_eq!(bench.vmm.take_events(), []);
}
