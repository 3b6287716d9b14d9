//! Ends that come late, after a restart, or not at all.

use std::{sync::Arc, time::Duration};

use omadm_client::Input;
use omadm_core::{Correlator, Format, GenericAlert};
use omadm_gateway::DeliveryError;
use omadm_mo::JobEnd;
use omadm_session::request::{self, Leaf};
use omadm_syncml::Command;
use omadm_testkit::statuses;

use crate::{EXECUTE, RESULT, TRIGGER, alerts, commands, exec, host, host_on, run, target, told};

fn with_correlator(command: Command<'static>, correlator: &'static str) -> Command<'static> {
    let Command::Exec(mut exec) = command else {
        panic!("{command:?}");
    };
    exec.correlator = Some(correlator.into());
    Command::Exec(exec)
}

fn end(uri: &str, data: &str) -> (String, Option<String>, String) {
    (uri.to_owned(), Some("c-7".to_owned()), data.to_owned())
}

/// What was answered with 202 ends with one alert, well or not, and is durable before it is told.
#[test]
fn after_202_an_alert_brings_the_end() {
    let read = commands(&target(1, "Get", "./Lamp/Name"));
    for (node, octets) in [(TRIGGER, &b"package 0"[..]), (EXECUTE, &read)] {
        for (fault, data) in [(None, "200"), (Some(DeliveryError::NotRunning), "405")] {
            let (mut host, guests) = host();
            *guests.fault.lock().unwrap() = fault;
            host.start();
            let asked = with_correlator(exec(node, octets), "c-7");
            assert!(host.say([asked]).is_none());
            host.advance(Duration::from_secs(31));
            let answer = host.read().unwrap();
            assert_eq!(statuses(&answer).last().unwrap().1, 202);
            host.say([]);
            host.finish_job();
            assert_eq!(alerts(&mut host), [end(node, data)]);
            assert_eq!(alerts(&mut host), []);
            assert!(
                host.journal
                    .records(omadm_core::Space::new("gateway"))
                    .is_empty()
            );
        }
    }
}

/// Past its limit an Exec has failed; what the end device did all the same is seen.
#[test]
fn what_comes_too_late_is_kept() {
    let (mut host, guests) = host();
    let mut hot = GenericAlert::new("urn:example:at:hot", Format::Chr);
    hot.source = Some("./Lamp".to_owned());
    guests.alerts.lock().unwrap().push(hot);
    host.start();
    let read = commands(&target(1, "Get", "./Lamp/Level"));
    assert!(
        host.say([with_correlator(exec(EXECUTE, &read), "c-7")])
            .is_none()
    );
    host.advance(Duration::from_secs(31));
    host.say([]);
    host.advance(Duration::from_secs(60));
    assert_eq!(alerts(&mut host), [end(EXECUTE, "408")]);
    assert!(told(&host).is_empty());
    let (_, job) = host.jobs.pop_first().unwrap();
    let (job, late) = (job.id, JobEnd::Late(job.run()));
    host.feed(Input::Completed { job, end: late }).unwrap();
    assert_eq!(told(&host), ["Command(1) Get 200", "Command(1) 0"]);
    let source = "./Gateway/guest/Lamp".to_owned();
    assert_eq!(alerts(&mut host), [(source, None, String::new())]);
}

/// Whether 202 got through or not: nothing ends in silence.
#[test]
fn a_restart_ends_what_was_under_way() {
    let read = commands(&target(1, "Get", "./Lamp/Name"));
    for (node, octets) in [(TRIGGER, &b"package 0"[..]), (EXECUTE, &read)] {
        for accepted in [false, true] {
            let (mut host, guests) = host();
            host.start();
            assert!(
                host.say([with_correlator(exec(node, octets), "c-7")])
                    .is_none()
            );
            if accepted {
                host.advance(Duration::from_secs(31));
            }
            let mut host = host_on(host.journal, guests);
            assert_eq!(alerts(&mut host), [end(node, "500")]);
            assert!(told(&host).is_empty());
            assert_eq!(run(&mut host, node, octets), 200);
            let mut host = host_on(host.journal, Arc::<crate::Guests>::default());
            assert_eq!(alerts(&mut host), []);
        }
    }
}

/// What was answered before the line broke is no less true.
#[test]
fn a_lost_session_keeps_what_was_answered() {
    let (mut host, guests) = host();
    *guests.max_message.lock().unwrap() = Some(2_000);
    *guests.silent_after.lock().unwrap() = Some(3);
    let many: String = (1..=100)
        .map(|id| target(id, "Get", "./Lamp/Level"))
        .collect();
    assert_eq!(run(&mut host, EXECUTE, &commands(&many)), 408);
    let told = told(&host);
    assert!(
        told.starts_with(&["Command(1) Get 200".into(), "Command(1) 0".into()]),
        "{told:?}"
    );
    assert_eq!(told.last().unwrap(), "Command(100) Get 503");
    let statuses = told.iter().filter(|line| line.contains("Get")).count();
    assert_eq!(statuses, 100, "each command has one");
}

/// An alert of an end device has the Correlator of a command it has not answered, and no other: it
/// could end what the server has under way elsewhere.
#[test]
fn an_end_device_repeats_its_own_correlators_only() {
    let (mut host, guests) = host();
    let light =
        target(1, "Exec", "./Lamp/On").replace("<Item>", "<Correlator>mine</Correlator><Item>");
    *guests.silent_after.lock().unwrap() = Some(2);
    assert_eq!(run(&mut host, EXECUTE, &commands(&light)), 408);
    *guests.silent_after.lock().unwrap() = None;
    let mut host = host_on(host.journal, guests.clone());
    for correlator in ["mine", "c-7"] {
        let mut alert = GenericAlert::new("urn:example:at:done", Format::Chr);
        alert.source = Some("./Lamp/On".to_owned());
        alert.correlator = Some(Correlator::new(correlator));
        guests.alerts.lock().unwrap().push(alert);
    }
    let read = commands(&target(1, "Get", "./Lamp/Name"));
    host.start();
    assert!(host.say([exec(EXECUTE, &read)]).is_none());
    host.finish_job();
    let mut heard = crate::alerts_in(&host.read().unwrap());
    host.say([]);
    heard.sort();
    let on = "./Gateway/guest/Lamp/On".to_owned();
    let mine = (on.clone(), Some("mine".to_owned()), String::new());
    assert_eq!(heard, [(on, None, String::new()), mine]);
    assert!(
        host.journal
            .records(omadm_core::Space::new("gateway"))
            .is_empty()
    );
}

/// An end device with work under way stays who it is; another one has none of its results.
#[test]
fn an_end_device_is_exchanged_only_when_it_is_idle() {
    let (mut host, _) = host();
    let read = commands(&target(1, "Get", "./Lamp/Name"));
    host.start();
    assert!(host.say([exec(EXECUTE, &read)]).is_none());
    host.advance(Duration::from_secs(31));
    host.say([]);
    let other = || request::replace("./Gateway/guest/DeviceID", Leaf::from("urn:x:other"));
    let delete = || request::delete("./Gateway/guest");
    assert_eq!(host.codes([other(), delete()]), [405, 405]);
    host.finish_job();
    assert_ne!(host.value(RESULT).as_deref(), Some(""));
    assert_eq!(host.codes([other()]), [200]);
    assert_eq!(host.value(RESULT).as_deref(), Some(""));
    assert_eq!(host.codes([delete()]), [200]);
}
