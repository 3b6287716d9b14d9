//! What happens seldom: two things at once, clocks that are set, copies that are gone.

use std::{
    sync::{Arc, Barrier, atomic::Ordering},
    thread,
    time::Duration,
};

use uve::{
    BeginUpdate, Begun, CommitUpdate, DataCentre, Digest, MonitoringNotification, Uve2, Uve2Error,
    Uve5, Uve5Error, Version, WriteUpdate, session::State,
};
use uve_engine::{Blobs, EmbeddedDataCentre, Progress, Vm, VmConfig, VmEvent, VmmEvent};

use crate::bench::{Bench, Break, Disk, Wire, content, ua, user, vm_id};

/// Ann's image, saved by `vm`.
fn save(bench: &Bench, vm: &Vm, text: &[u8]) {
    let selection = bench.serve("ann", vm);
    vm.set_image_len(&selection.session, 0).unwrap();
    vm.write_image(&selection.session, 0, text).unwrap();
    vm.finish(&selection.session).unwrap();
    assert_eq!(vm.drive().unwrap(), Progress::Idle);
}

fn set_aside(vm: &Vm) -> bool {
    vm.take_events()
        .iter()
        .any(|event| matches!(event, VmEvent::SetAside { .. }))
}

/// A user who leaves while any call of the retrieval is under way has left.
#[test]
fn who_leaves_while_the_image_comes_has_left() {
    for image in [&b""[..], b"three pieces of seven"] {
        let bench = Bench::new();
        if !image.is_empty() {
            save(&bench, &bench.vm("first", &Disk::default()), image);
        }
        for at in 0..=image.len().div_ceil(7) {
            let wire = Wire::new(&bench.vmm);
            let disk = Disk::default();
            let vm = Arc::new(bench.vm_over("a", &disk, wire.clone()));
            let selection = bench.select("ann", "a");
            vm.serve(&selection).unwrap();
            let leaver = vm.clone();
            let leaves = move || leaver.finish(&selection.session).unwrap();
            let at = i64::try_from(at).unwrap();
            *wire.meanwhile.lock().unwrap() = Some((at, Box::new(leaves)));
            assert_eq!(vm.drive().unwrap(), Progress::Idle, "call {at}");
            assert!(wire.meanwhile.lock().unwrap().is_none(), "call {at}");
            assert_eq!(bench.vmm.holder(&user("ann")).unwrap(), None, "call {at}");
            assert_eq!(disk.blobs.len("copy").unwrap(), None, "call {at}");
        }
    }
}

/// UR-012: when the last one who watched left during the suspension, nobody monitors any more.
#[test]
fn a_session_resumed_without_a_monitor_is_not_monitored() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    let session = &selection.session;
    vm.notify_monitoring(&MonitoringNotification {
        monitor: user("eve"),
        session: session.clone(),
        seconds: None,
    })
    .unwrap();
    vm.monitor(session, &user("eve")).unwrap();
    vm.suspend_session(session).unwrap();
    vm.unmonitor(session, &user("eve")).unwrap();
    vm.resume(session).unwrap();
    assert_eq!(vm.state(), State::Serving);
    assert_eq!(vm.suspend_session(session), Err(Uve2Error::NotMonitored));
}

/// Authorizations whose time is over take no room.
#[test]
fn authorizations_that_ended_make_room() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    for number in 0..40 {
        vm.notify_monitoring(&MonitoringNotification {
            monitor: user(&format!("user {number}")),
            session: selection.session.clone(),
            seconds: Some(10),
        })
        .unwrap();
        bench.clock.advance(Duration::from_secs(1));
    }
}

/// Rule 6, UR-016: whoever logs in again on the same VM before it has updated is served there.
#[test]
fn a_log_in_on_the_same_vm_outlives_the_session_before() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let first = bench.serve("ann", &vm);
    vm.write_image(&first.session, 0, b"work").unwrap();
    vm.disconnect(&first.session).unwrap();
    let second = bench.select("ann", "a");
    assert_eq!(vm.drive().unwrap(), Progress::Idle);
    assert_eq!(
        bench.vmm.selected(&user("ann")).unwrap(),
        Some(second.clone())
    );
    vm.serve(&second).unwrap();
    vm.drive().unwrap();
    assert_eq!(content(&vm, &second), b"work");
}

/// Rule 3: VMs name their updates by themselves. Two that chose the same name made two updates.
#[test]
fn updates_of_the_same_name_are_not_mixed_up() {
    let bench = Bench::new();
    let ann = user("ann");
    let update = |vm: &str, base, octets: &'static [u8]| {
        let (at, user, update) = (vm_id(vm), ann.clone(), "u".parse().unwrap());
        bench.select("ann", vm);
        bench.vmm.retrieve_uif(&at, &ann).unwrap();
        let begin = BeginUpdate {
            user,
            update,
            base: Version(base),
            size: octets.len() as u64,
            digest: Digest::of(octets),
        };
        assert_eq!(bench.vmm.begin_update(&at, &begin)?, Begun::Send(0));
        let piece = WriteUpdate {
            user: ann.clone(),
            update: begin.update.clone(),
            offset: 0,
        };
        bench.vmm.write_update(&at, &piece, octets)?;
        bench.vmm.commit_update(
            &at,
            &CommitUpdate {
                user: ann.clone(),
                update: begin.update,
            },
        )
    };
    assert_eq!(update("a", 0, b"of a"), Ok(Version(1)));
    assert_eq!(update("b", 1, b"of b!"), Ok(Version(2)));
    // One VM that uses a name again for something else is told so.
    assert!(matches!(
        update("b", 2, b"more of b"),
        Err(Uve5Error::BadRequest { .. })
    ));
    bench.vmm.release_lease(&vm_id("b"), &ann).unwrap();
    let c = bench.vm("c", &Disk::default());
    let selection = bench.serve("ann", &c);
    assert_eq!(content(&c, &selection), b"of b!");
}

/// Rule 5: a clock that is set back locks nobody out.
#[test]
fn a_clock_that_is_set_back_makes_no_lease_longer() {
    for restart in [false, true] {
        let mut bench = Bench::new();
        let vm = bench.vm("a", &Disk::default());
        bench.serve("ann", &vm);
        bench.clock.set(Duration::from_secs(1000));
        bench.select("ann", "b");
        if restart {
            bench.restart();
        }
        let (b, ann) = (vm_id("b"), user("ann"));
        let leased = bench.vmm.retrieve_uif(&b, &ann);
        assert_eq!(leased, Err(Uve5Error::Leased { seconds: 60 }));
        bench.clock.advance(Duration::from_secs(60));
        assert!(bench.vmm.retrieve_uif(&b, &ann).is_ok(), "{restart}");
    }
}

/// Nor does the VM forget to renew.
#[test]
fn a_clock_that_is_set_back_does_not_keep_a_vm_from_renewing() {
    let bench = Bench::new();
    let wire = Wire::new(&bench.vmm);
    let vm = bench.vm_over("a", &Disk::default(), wire.clone());
    bench.serve("ann", &vm);
    bench.clock.set(Duration::from_secs(1000));
    let calls = wire.calls.load(Ordering::SeqCst);
    let half = Duration::from_secs(30);
    assert_eq!(vm.drive().unwrap(), Progress::Serving(half));
    assert_eq!(wire.calls.load(Ordering::SeqCst), calls + 1);
}

/// Rule 3: a copy that is gone is no image, and replaces none.
#[test]
fn a_copy_that_is_gone_overwrites_nothing() {
    for restart in [false, true] {
        let bench = Bench::new();
        save(
            &bench,
            &bench.vm("first", &Disk::default()),
            b"years of work",
        );
        let disk = Disk::default();
        let mut vm = bench.vm("a", &disk);
        let selection = bench.serve("ann", &vm);
        disk.blobs.remove("copy").unwrap();
        if restart {
            drop(vm);
            vm = bench.vm("a", &disk);
        } else {
            vm.finish(&selection.session).unwrap();
        }
        assert_eq!(vm.drive().unwrap(), Progress::Idle);
        assert!(!set_aside(&vm));
        assert_eq!(bench.vmm.holder(&user("ann")).unwrap(), None);
        let again = bench.serve("ann", &vm);
        assert_eq!(content(&vm, &again), b"years of work");
    }
}

/// What is set aside stays until it is discarded, whatever is set aside after it.
#[test]
fn what_is_set_aside_is_not_replaced() {
    let bench = Bench::new();
    let (a, b) = (
        bench.vm("a", &Disk::default()),
        bench.vm("b", &Disk::default()),
    );
    let first = bench.serve("ann", &a);
    for text in [&b"one"[..], b"two"] {
        a.write_image(&first.session, 0, text).unwrap();
        let other = bench.serve("ann", &b);
        bench.clock.advance(Duration::from_secs(61));
        b.drive().unwrap();
        a.finish(&first.session).unwrap();
        a.drive().unwrap();
        assert!(set_aside(&a));
        b.finish(&other.session).unwrap();
        b.drive().unwrap();
        // The selection of a session that ended is handed to the VM again.
        bench.select("ann", "a");
        a.serve(&first).unwrap();
        a.drive().unwrap();
    }
    let mut texts: Vec<_> = a
        .aside()
        .unwrap()
        .iter()
        .map(|name| {
            let mut octets = [0; 3];
            a.read_aside(name, 0, &mut octets).unwrap();
            octets
        })
        .collect();
    texts.sort();
    assert_eq!(texts, [*b"one", *b"two"]);
}

/// A VM that cannot take an image, or whose update is not taken, holds nobody up.
#[test]
fn a_refused_image_gives_the_lease_back() {
    let bench = Bench::with(16);
    let mut config = VmConfig::default();
    config.max_image = 4;
    let disk = Disk::default();
    let (journal, blobs) = (disk.journal.clone(), disk.blobs.clone());
    drop(bench.vm("small", &disk));
    let small = Vm::open(
        vm_id("small"),
        bench.vmm.clone(),
        journal,
        blobs,
        bench.clock.clone(),
        config,
    )
    .unwrap();
    let large = bench.vm("large", &Disk::default());
    save(&bench, &large, b"five!");
    bench.serve("ann", &small);
    assert_eq!(small.state(), State::Idle);
    assert_eq!(bench.vmm.holder(&user("ann")).unwrap(), None);

    let selection = bench.serve("ann", &large);
    large.write_image(&selection.session, 0, &[0; 17]).unwrap();
    large.finish(&selection.session).unwrap();
    large.drive().unwrap();
    assert!(set_aside(&large));
    assert_eq!(bench.vmm.holder(&user("ann")).unwrap(), None);
}

/// Rule 4: a VM that was set up anew counts its reports from the beginning.
#[test]
fn reports_of_a_vm_that_was_set_up_anew_are_told() {
    let bench = Bench::new();
    for _ in 0..2 {
        let vm = bench.vm("a", &Disk::default());
        let selection = bench.serve("ann", &vm);
        vm.disconnect(&selection.session).unwrap();
        assert_eq!(vm.drive().unwrap(), Progress::Idle);
        let told = bench.vmm.take_events();
        assert!(
            matches!(&told[..], [VmmEvent::Disconnected { disconnect, .. }, _]
                if disconnect.session == selection.session),
            "{told:?}"
        );
    }
}

/// Rule 7: however long a VM was away, it learns that its update was acknowledged.
#[test]
fn a_late_vm_learns_that_its_update_is_in_force() {
    let bench = Bench::new();
    let wire = Wire::new(&bench.vmm);
    let a = bench.vm_over("a", &Disk::default(), wire.clone());
    let selection = bench.serve("ann", &a);
    a.write_image(&selection.session, 0, b"a").unwrap();
    a.finish(&selection.session).unwrap();
    wire.break_after(2, Break::Answer);
    assert!(matches!(a.drive().unwrap(), Progress::Waiting { .. }));
    wire.mend();
    let b = bench.vm("b", &Disk::default());
    for _ in 0..20 {
        save(&bench, &b, b"b");
    }
    assert_eq!(a.drive().unwrap(), Progress::Idle);
    assert!(!set_aside(&a));
    assert_eq!(a.aside().unwrap(), [""; 0]);
}

/// UR-010: a UA is deleted or serves a user, whoever comes first.
#[test]
fn a_ua_is_not_deleted_under_a_user_who_logs_in() {
    for _ in 0..200 {
        let bench = Bench::new();
        let vm = bench.vm("a", &Disk::default());
        let selection = bench.select("ann", "a");
        let start = Barrier::new(2);
        let (served, deleted) = thread::scope(|scope| {
            let serve = scope.spawn(|| {
                start.wait();
                vm.serve(&selection).is_ok()
            });
            start.wait();
            let deleted = vm.delete_ua(&ua()).is_ok();
            (serve.join().unwrap(), deleted)
        });
        assert!(served != deleted, "served and deleted: {served}");
    }
}

/// A lease of less than a second is no reason to call the VMM all the time.
#[test]
fn a_lease_of_no_time_leaves_a_pause() {
    let mut bench = Bench::new();
    bench.lease = Duration::from_millis(1);
    bench.restart();
    let vm = bench.vm("a", &Disk::default());
    bench.serve("ann", &vm);
    let Progress::Serving(pause) = vm.drive().unwrap() else {
        panic!("{:?}", vm.state());
    };
    assert!(pause >= Duration::from_millis(500), "{pause:?}");
}

/// Rule 4: who is served stays known, however often their user logs in elsewhere.
#[test]
fn a_session_that_is_served_is_not_forgotten() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.serve("ann", &vm);
    for _ in 0..40 {
        bench.select("ann", "b");
    }
    vm.disconnect(&selection.session).unwrap();
    assert_eq!(vm.drive().unwrap(), Progress::Idle);
    let told = bench.vmm.take_events();
    assert!(
        matches!(&told[..], [VmmEvent::Disconnected { .. }, _]),
        "{told:?}"
    );
}

/// A place far behind the end is the end.
#[test]
fn nothing_is_behind_the_end_of_an_image() {
    let bench = Bench::new();
    let vm = bench.vm("a", &Disk::default());
    save(&bench, &vm, b"work");
    bench.serve("ann", &vm);
    for offset in [4, u64::MAX] {
        let piece = uve::ReadUif {
            user: user("ann"),
            version: Version(1),
            offset,
            length: 9,
        };
        assert_eq!(bench.vmm.read_uif(vm.id(), &piece), Ok(Vec::new()));
    }
}

/// Rule 2: as long as an update is under way, no other VM gets the image.
#[test]
fn an_update_under_way_is_waited_for() {
    for at in 0..4 {
        let bench = Bench::new();
        let wire = Wire::new(&bench.vmm);
        let vm = bench.vm_over("a", &Disk::default(), wire.clone());
        let selection = bench.serve("ann", &vm);
        vm.write_image(&selection.session, 0, b"two pieces")
            .unwrap();
        bench.select("ann", "b");
        vm.finish(&selection.session).unwrap();
        let vmm = bench.vmm.clone();
        let asks = move || {
            let answer = vmm.retrieve_uif(&vm_id("b"), &user("ann"));
            assert_eq!(answer, Err(Uve5Error::Leased { seconds: 60 }), "call {at}");
        };
        let first = wire.calls.load(Ordering::SeqCst);
        *wire.meanwhile.lock().unwrap() = Some((first + at, Box::new(asks)));
        assert_eq!(vm.drive().unwrap(), Progress::Idle);
        assert!(wire.meanwhile.lock().unwrap().is_none(), "call {at}");
    }
}

/// The VMM died after the image was in force and before it noted that; then another VM went on.
#[test]
fn an_update_in_force_is_told_to_its_vm_even_after_another_went_on() {
    let mut bench = Bench::new();
    let wire = Wire::new(&bench.vmm);
    let a = bench.vm_over("a", &Disk::default(), wire.clone());
    let selection = bench.serve("ann", &a);
    a.write_image(&selection.session, 0, b"work").unwrap();
    a.finish(&selection.session).unwrap();
    wire.break_after(2, Break::Request);
    assert!(matches!(a.drive().unwrap(), Progress::Waiting { .. }));
    let Disk { journal, blobs } = bench.disk.clone();
    let centre = EmbeddedDataCentre::open(journal, blobs, bench.max_image).unwrap();
    let update = format!("{}.1", selection.session).parse().unwrap();
    assert_eq!(centre.commit(&user("ann"), &update).unwrap().version.0, 1);
    bench.restart();
    *wire.to.lock().unwrap() = bench.vmm.clone();
    wire.mend();

    let b = bench.vm("b", &Disk::default());
    let other = bench.serve("ann", &b);
    bench.clock.advance(Duration::from_secs(61));
    b.drive().unwrap();
    assert_eq!(content(&b, &other), b"work");
    assert_eq!(a.drive().unwrap(), Progress::Idle);
    assert!(!set_aside(&a));
    assert_eq!(a.aside().unwrap(), [""; 0]);
}

/// Calls for one user come one at a time: none undoes what another one wrote.
#[test]
fn calls_for_one_user_do_not_overtake_each_other() {
    for _ in 0..20 {
        let bench = Bench::new();
        let start = Barrier::new(4);
        let sessions: Vec<_> = thread::scope(|scope| {
            let select = || {
                start.wait();
                [bench.select("ann", "a"), bench.select("ann", "a")]
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(select)).collect();
            let selections = threads.into_iter().map(|thread| thread.join().unwrap());
            selections.flatten().collect()
        });
        for selection in sessions {
            let report = uve::SessionDisconnect {
                session: selection.session,
                user: selection.user,
                ua: selection.ua,
                event: uve::EventId(1),
            };
            let told = bench.vmm.notify_session_disconnect(&vm_id("a"), &report);
            assert_eq!(told, Ok(()), "{report:?}");
        }
    }
}

/// Rule 8: a copy that its medium changed is kept for somebody to look at, and sent no more.
#[test]
fn a_copy_that_changed_by_itself_is_set_aside() {
    let bench = Bench::new();
    let wire = Wire::new(&bench.vmm);
    let disk = Disk::default();
    let vm = bench.vm_over("a", &disk, wire.clone());
    let selection = bench.serve("ann", &vm);
    vm.write_image(&selection.session, 0, b"work").unwrap();
    vm.finish(&selection.session).unwrap();
    wire.break_after(0, Break::Request);
    assert!(matches!(vm.drive().unwrap(), Progress::Waiting { .. }));
    disk.blobs.write_at("copy", 2, b"!").unwrap();
    wire.mend();
    assert_eq!(vm.drive().unwrap(), Progress::Idle);
    assert!(set_aside(&vm));
    assert_eq!(vm.aside().unwrap().len(), 1);
    assert_eq!(bench.vmm.holder(&user("ann")).unwrap(), None);
}
