//! Execs whose work takes a while: in time, too late, never; in a session and outside one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::{borrow::Cow, time::Duration};

use omadm_client::{ApiMisuse, Event, Input, Received, SessionEnd, Start};
use omadm_core::{Correlator, Format, JournalErrorKind, StatusCode};
use omadm_mo::{
    Context, Definition, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject,
    Mount, NodeDefinition as N, Refusal,
};
use omadm_session::request;
use omadm_syncml::{Command, Exec, Item, Message};
use omadm_testkit::{Bench, Lamp, TestJournal, data, describe, device, results, uri};
use omadm_tree::{Change, Principal, Uri, Value};

const SECOND: Duration = Duration::from_secs(1);

fn off() -> Command<'static> {
    request::exec("./Lamp/Off", Some(&Correlator::new("c1")))
}

fn light() -> Command<'static> {
    request::get("./Lamp/Light")
}

/// A session in which the lamp is lit, then `commands` wait for a job: nothing is sent.
fn waiting(commands: impl IntoIterator<Item = Command<'static>>) -> Bench {
    let mut bench = Bench::default();
    bench.run([request::exec("./Lamp/On", None)]);
    assert_eq!(bench.say(commands), None);
    assert_eq!((bench.jobs.len(), bench.ended.len()), (1, 0));
    bench
}

/// The answer that was held up.
fn answer(bench: &mut Bench) -> Message<'static> {
    bench.read().unwrap()
}

/// Ends the session, and delivers the alerts in one of its own; what they say.
fn alerts(bench: &mut Bench) -> Vec<String> {
    if bench.client.in_session() {
        bench.say([]);
    }
    let setup = bench.start();
    assert_eq!(bench.say([]), None);
    let alert = |command: &Command<'_>| match command {
        Command::Alert(alert) => alert.generic_alerts().ok(),
        _ => None,
    };
    let alerts = setup.commands.iter().filter_map(alert).flatten();
    alerts
        .map(|alert| {
            assert_eq!(alert.alert_type, Lamp::ALERT);
            let correlator = alert.correlator.map_or(String::new(), |it| it.to_string());
            format!("{} {correlator} {}", alert.source.unwrap(), alert.data)
        })
        .collect()
}

/// VR-186: the synchronous reporting mechanism.
#[test]
fn a_job_that_ends_in_time_gives_the_status() {
    let mut bench = waiting([light(), off(), light()]);
    bench.advance(29 * SECOND);
    assert!(bench.request.is_none());
    bench.finish_job();
    let answer = answer(&mut bench);
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Get=200 Results Exec=200 Get=200 Results Final"
    );
    let read: Vec<_> = results(&answer).iter().map(data).collect();
    assert_eq!(
        read,
        ["true", "false"],
        "what follows sees what the Exec did"
    );
    assert_eq!(alerts(&mut bench), [""; 0]);
    assert!(bench.client.is_idle());
}

#[test]
fn a_job_that_takes_longer_gives_202_and_an_alert() {
    let mut bench = waiting([off(), light()]);
    bench.lamp.take();
    bench.advance(30 * SECOND);
    let late = answer(&mut bench);
    assert_eq!(
        describe(&late),
        "SyncHdr=200 Exec=202 Get=200 Results Final"
    );
    assert_eq!(data(&results(&late)[0]), "true");
    assert_eq!(bench.lamp.take(), ["accepted", "committed"]);
    assert!(!bench.journal.records(Lamp::SPACE).is_empty());
    bench.finish_job();
    assert_eq!(bench.value("./Lamp/Light").as_deref(), Some("false"));
    assert_eq!(alerts(&mut bench), ["./Lamp/Off c1 200"]);
    assert!(bench.client.is_idle());
}

#[test]
fn a_job_that_never_ends_is_given_up() {
    let mut config = Bench::config();
    config.exec_limit = 90 * SECOND;
    let mut bench = Bench::new(config);
    bench.start();
    assert_eq!(bench.say([off(), light()]), None);
    bench.advance(59 * SECOND);
    assert!(bench.request.is_none());
    bench.advance(SECOND);
    assert_eq!(
        describe(&answer(&mut bench)),
        "SyncHdr=200 Exec=500 Get=200 Results Final"
    );
    let job = *bench.jobs.first_key_value().unwrap().0;
    assert!(bench.events.contains(&Event::JobTimedOut(job)));
    assert_eq!(alerts(&mut bench), [""; 0]);
    assert!(bench.client.is_idle(), "nobody waits for it any more");
    bench.lamp.take();
    bench.finish_job();
    assert_eq!(bench.lamp.take(), ["late", "committed"]);
    assert!(bench.client.is_idle());
}

#[test]
fn a_job_may_be_given_up_after_its_202() {
    let mut bench = waiting([off()]);
    bench.advance(60 * SECOND);
    assert_eq!(describe(&answer(&mut bench)), "SyncHdr=200 Exec=202 Final");
    assert_eq!(alerts(&mut bench), ["./Lamp/Off c1 500"]);
    let (_, job) = bench.jobs.pop_first().unwrap();
    let lost = Input::Completed {
        job: job.id,
        end: JobEnd::Lost,
    };
    bench.feed(lost).unwrap();
    assert_eq!(
        bench.lamp.take().last().map(String::as_str),
        Some("committed")
    );
}

#[test]
fn a_lost_job_fails() {
    let mut bench = waiting([off()]);
    let (job, _) = bench.jobs.pop_first().unwrap();
    bench
        .feed(Input::Completed {
            job,
            end: JobEnd::Lost,
        })
        .unwrap();
    assert_eq!(describe(&answer(&mut bench)), "SyncHdr=200 Exec=500 Final");
    assert_eq!(bench.value("./Lamp/Light").as_deref(), Some("true"));
}

/// VR-186: the asynchronous reporting mechanism.
#[test]
fn an_asynchronous_exec_is_answered_at_once() {
    let mut bench = Bench::default();
    let later = request::exec("./Lamp/Later", Some(&Correlator::new("c2")));
    let answer = bench.run([later, light()]);
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Exec=202 Get=200 Results Final"
    );
    assert_eq!(data(&results(&answer)[0]), "false");
    bench.advance(1800 * SECOND);
    // The job ends while the server has the word: its alert goes along with the next answer.
    bench.finish_job();
    let answer = bench.say([light()]).unwrap();
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Get=200 Results Alert(1226) Final"
    );
    assert_eq!(bench.say([]), None);
    assert!(matches!(
        bench.events.last(),
        Some(Event::AlertDelivered(_))
    ));
    assert!(bench.client.is_idle());
}

#[test]
fn a_job_ends_outside_a_session() {
    let mut bench = Bench::default();
    bench.run([request::exec("./Lamp/Later", None)]);
    bench.say([]);
    assert_eq!(bench.ended, [SessionEnd::Completed]);
    assert!(!bench.events.contains(&Event::SessionWanted));
    bench.finish_job();
    assert_eq!(bench.events.last(), Some(&Event::SessionWanted));
    assert_eq!(bench.value("./Lamp/Light").as_deref(), Some("true"));
    assert_eq!(alerts(&mut bench), ["./Lamp/Later  200"]);
}

#[test]
fn every_item_of_an_exec_waits_for_its_job() {
    let mut bench = Bench::default();
    let item = |uri: &'static str| Item::new().with_target(uri);
    let exec = Exec::new([item("./Lamp/Off"), item("./Lamp/On"), item("./Lamp/Off")]);
    bench.start();
    assert_eq!(bench.say([Command::Exec(exec), light()]), None);
    bench.finish_job();
    assert!(bench.request.is_none(), "the third item waits");
    assert_eq!(bench.value("./Lamp/Light").as_deref(), Some("true"));
    bench.advance(30 * SECOND);
    assert_eq!(
        describe(&answer(&mut bench)),
        "SyncHdr=200 Exec=200 Exec=200 Exec=202 Get=200 Results Final"
    );
}

#[test]
fn no_more_jobs_are_begun_than_may_be_open() {
    let mut config = Bench::config();
    config.max_open_jobs = 2;
    let mut bench = Bench::new(config);
    let later = || request::exec("./Lamp/Later", None);
    assert_eq!(bench.codes([later(), later(), later()]), [202, 202, 503]);
    bench.finish_job();
    assert_eq!(bench.codes([later(), later()]), [202, 503]);
}

#[test]
fn a_202_that_cannot_be_made_durable_is_not_given() {
    let mut bench = waiting([off()]);
    bench.journal.fail_once(0, JournalErrorKind::Io);
    bench.advance(30 * SECOND);
    assert!(bench.request.is_none(), "the job gets more time");
    assert_eq!(
        bench.lamp.take().last().map(String::as_str),
        Some("rolled back")
    );
    bench.finish_job();
    assert_eq!(describe(&answer(&mut bench)), "SyncHdr=200 Exec=200 Final");
    assert_eq!(alerts(&mut bench), [""; 0]);
}

#[test]
fn a_result_that_cannot_be_made_durable_is_a_failure() {
    let mut bench = waiting([off()]);
    bench.journal.fail_once(0, JournalErrorKind::Full);
    bench.finish_job();
    assert_eq!(describe(&answer(&mut bench)), "SyncHdr=200 Exec=420 Final");
    assert_eq!(bench.value("./Lamp/Light").as_deref(), Some("true"));
    let failed = Event::JournalFailed(JournalErrorKind::Full);
    assert!(bench.events.contains(&failed));
}

static BULB: Definition = Definition {
    name: Cow::Borrowed("Bulb"),
    moid: Cow::Borrowed("urn:example:mo:bulb:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A bulb.", "§1").permanent(),
        N::leaf("Resumed", Format::Int, "How often.", "§1").starts_as("0"),
    ]),
};

/// An object that has something to take up whenever it is asked; sets the lamp to this level then.
struct Bulb {
    root: Uri,
    level: i32,
    /// Whether it leaves something open every time.
    asks: bool,
}

impl ManagementObject for Bulb {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(self.root.clone(), &BULB)]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        cx.effects.resume = self.asks;
        Ok(())
    }

    fn stage(&mut self, _: &Change, _: &Principal, _: &mut Context<'_, '_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn resume(&mut self, cx: &mut Context<'_, '_>) {
        cx.effects.resume = self.asks;
        let resumed = self.root.child("Resumed").unwrap();
        let times: i32 = cx
            .tree
            .node(&resumed)
            .unwrap()
            .text()
            .unwrap()
            .parse()
            .unwrap();
        let level = uri("./Lamp/Level");
        for (leaf, number) in [(&resumed, times + 1), (&level, self.level)] {
            cx.tree.set(cx.schema, leaf, Value::int(number)).unwrap();
        }
    }

    fn exec(&mut self, _: &ExecRequest<'_>, _: &mut Context<'_, '_>) -> ExecAnswer {
        StatusCode::COMMAND_NOT_ALLOWED.into()
    }

    fn completed(&mut self, _: JobId, _: JobEnd, _: &mut Context<'_, '_>) -> ExecResult {
        StatusCode::COMMAND_FAILED.into()
    }
}

/// A device with three bulbs, the second of which wants a level that the lamp refuses, after the
/// journal failed when the end of a job was to be kept.
fn with_bulbs() -> Bench {
    let journal = TestJournal::default();
    let (tree, mut registry, lamp) = device(&journal);
    for (root, level) in [("./A", 1), ("./B", 101), ("./C", 3)] {
        let bulb = Bulb {
            root: uri(root),
            level,
            asks: false,
        };
        registry.mount(Box::new(bulb)).unwrap();
    }
    let mut bench = Bench::with(tree, registry, lamp, journal, Bench::config()).unwrap();
    bench.start();
    bench.say([off()]);
    bench.journal.fail_once(0, JournalErrorKind::Full);
    bench.finish_job();
    bench.say([]);
    bench.events.clear();
    bench
}

fn resumed(bench: &Bench) -> [String; 3] {
    ["./A/Resumed", "./B/Resumed", "./C/Resumed"].map(|leaf| bench.value(leaf).unwrap())
}

#[test]
fn what_one_object_cannot_take_up_keeps_no_other_from_it() {
    let mut bench = with_bulbs();
    bench.advance(3_600 * SECOND);
    assert_eq!(resumed(&bench), ["1", "0", "1"]);
    assert_eq!(bench.value("./Lamp/Level").as_deref(), Some("3"));
    let refused = Event::NotResumed {
        object: "./B".to_owned(),
        status: StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
    };
    assert_eq!(bench.events, [refused], "told once, and not tried again");
}

#[test]
fn what_cannot_be_kept_again_is_taken_up_later() {
    let mut bench = with_bulbs();
    bench.journal.fail_once(0, JournalErrorKind::Full);
    bench.advance(bench.client.deadline().unwrap() - bench.clock.now().mono);
    assert_eq!(resumed(&bench), ["0", "0", "1"]);
    bench.advance(3_600 * SECOND);
    assert_eq!(resumed(&bench), ["1", "0", "2"]);
}

#[test]
fn what_stays_open_is_taken_up_ever_more_seldom() {
    for (first, due) in [(60, [60, 120, 240, 480]), (0, [1; 4])] {
        let journal = TestJournal::default();
        let (tree, mut registry, lamp) = device(&journal);
        let bulb = Bulb {
            root: uri("./A"),
            level: 1,
            asks: true,
        };
        registry.mount(Box::new(bulb)).unwrap();
        let mut config = Bench::config();
        config.alert_retry.first = first * SECOND;
        let mut bench = Bench::with(tree, registry, lamp, journal, config).unwrap();
        let pauses = [(); 4].map(|()| {
            let pause = bench.client.deadline().unwrap() - bench.clock.now().mono;
            bench.advance(pause);
            pause.as_secs()
        });
        assert_eq!(pauses, due);
        assert_eq!(bench.value("./A/Resumed").as_deref(), Some("4"));
    }
}

#[test]
fn an_abort_lets_the_job_go_on() {
    let mut bench = waiting([off(), light()]);
    bench.feed(Input::Abort).unwrap();
    let last = answer(&mut bench);
    assert_eq!(
        describe(&last),
        "SyncHdr=200 Exec=202 Get=215 Alert(1223) Final"
    );
    bench.deliver(b"whatever is said now");
    assert_eq!(bench.ended, [SessionEnd::Aborted]);
    bench.finish_job();
    assert_eq!(bench.value("./Lamp/Light").as_deref(), Some("false"));
    assert_eq!(alerts(&mut bench), ["./Lamp/Off c1 200"]);
}

#[test]
fn only_open_jobs_can_end() {
    let mut bench = waiting([off()]);
    let unknown = JobId::new(99);
    let end = Input::Completed {
        job: unknown,
        end: JobEnd::Lost,
    };
    assert_eq!(bench.feed(end), Err(ApiMisuse::UnknownJob(unknown)));
    let job = *bench.jobs.first_key_value().unwrap().0;
    bench.finish_job();
    let end = Input::Completed {
        job,
        end: JobEnd::Lost,
    };
    assert_eq!(bench.feed(end), Err(ApiMisuse::UnknownJob(job)));
    assert_eq!(describe(&answer(&mut bench)), "SyncHdr=200 Exec=200 Final");
}

#[test]
fn nobody_may_answer_while_a_job_holds_the_answer_up() {
    let mut bench = waiting([off()]);
    let received = Input::Received(Received::new(b"", bench.script.encoding));
    assert_eq!(bench.feed(received), Err(ApiMisuse::NotAwaited));
    bench.finish_job();
    assert_eq!(describe(&answer(&mut bench)), "SyncHdr=200 Exec=200 Final");
}

#[test]
fn a_job_of_the_last_run_is_unknown_to_the_next() {
    let mut bench = waiting([off()]);
    let (job, _) = bench.jobs.pop_first().unwrap();
    let mut bench = bench.restart();
    let end = Input::Completed {
        job,
        end: JobEnd::Lost,
    };
    assert_eq!(bench.feed(end), Err(ApiMisuse::UnknownJob(job)));
    let answer = bench.run([light()]);
    assert_eq!(data(&results(&answer)[0]), "true");
}

/// A device that has just started, with a job that comes before sessions.
fn unsure() -> Bench {
    let mut bench = Bench::default();
    let name = request::replace("./Lamp/Name", "unsure".into());
    assert_eq!(bench.codes([name]), [200]);
    let bench = bench.restart();
    assert_eq!(bench.jobs.len(), 1);
    bench
}

fn open() -> Input<'static> {
    Input::Start(Start::by_client(7))
}

#[test]
fn a_session_begins_after_the_jobs_that_come_before_it() {
    let mut bench = unsure();
    bench.feed(open()).unwrap();
    assert!(bench.client.in_session() && bench.request.is_none());
    assert_eq!(bench.feed(open()), Err(ApiMisuse::SessionOpen));
    bench.advance(29 * SECOND);
    assert!(bench.request.is_none());
    bench.finish_job();
    let setup = bench.read().unwrap();
    assert_eq!(
        (describe(&setup).as_str(), setup.header.session_id.as_ref()),
        ("Alert(1201) Replace Final", "7")
    );
    let answer = bench.say([light()]).unwrap();
    assert_eq!(data(&results(&answer)[0]), "true");
}

#[test]
fn a_job_that_does_not_end_keeps_no_session_away() {
    for by_limit_of_job in [false, true] {
        let mut config = Bench::config();
        if by_limit_of_job {
            config.exec_limit = 90 * SECOND;
        }
        let mut bench = unsure();
        bench = Bench::on(bench.journal, config).unwrap();
        bench.feed(open()).unwrap();
        let limit = if by_limit_of_job { 60 } else { 30 };
        bench.advance((limit - 1) * SECOND);
        assert!(bench.request.is_none());
        bench.advance(SECOND);
        assert!(bench.request.is_some());
        bench.read();
        let answer = bench.say([light()]).unwrap();
        assert_eq!(data(&results(&answer)[0]), "false");
        bench.finish_job();
        assert_eq!(bench.say([]), None);
        assert_eq!(bench.ended, [SessionEnd::Completed]);
    }
}

#[test]
fn a_session_that_has_not_begun_can_be_aborted() {
    let mut bench = unsure();
    bench.feed(open()).unwrap();
    bench.feed(Input::Abort).unwrap();
    assert_eq!(bench.ended, [SessionEnd::Aborted]);
    assert!(!bench.client.in_session() && bench.request.is_none());
    bench.finish_job();
    assert!(bench.request.is_none());
    bench.run([light()]);
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
