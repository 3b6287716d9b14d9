//! How the engine drives a procedure: the calls it makes, and their order.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use std::{
    any::Any,
    sync::{Arc, Mutex},
    time::Duration,
};

use omadm_core::{GenericAlert, Now, StatusCode};
use omadm_server::{
    Config, Event, EventKind, Everyone, ProcedureProgress, Request, Server, SingleCommand,
};
use omadm_session::{Answer, Correlators, Procedure, Report, Step, Tag, Tagged, request};
use omadm_testkit::{encoding, to_wire};

/// Writes down every call; sends a Get, waits, sends a Delete, and is done.
#[derive(Debug)]
struct Recorder {
    calls: Arc<Mutex<Vec<String>>>,
    polls: u32,
}

impl Recorder {
    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }
}

impl Procedure for Recorder {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        self.polls += 1;
        self.note(format!("poll {}", self.polls));
        match self.polls {
            1 => Step::Send(vec![Tagged::new(Tag(7), request::get("./A"))]),
            2 => Step::Wait,
            3 => Step::Send(vec![Tagged::new(Tag(8), request::delete("./A"))]),
            4 => Step::Send(Vec::new()),
            _ => Step::Done(Report::success(StatusCode::OK)),
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.note(match answer {
            Answer::Status { tag, code, .. } => format!("status {} {code}", tag.0),
            Answer::Results { tag, items, .. } => {
                let text = items.first().and_then(|item| item.data.as_ref()?.as_text());
                format!("results {} {text:?}", tag.0)
            }
            Answer::NotAnswered { tag, reason, .. } => format!("{reason:?} {}", tag.0),
            other => panic!("{other:?}"),
        });
    }

    fn alert(&mut self, alert: &GenericAlert) -> bool {
        self.note(format!("alert {}", alert.data));
        alert.data != "not mine"
    }

    fn begin_session(&mut self) {
        self.note("session");
    }
}

struct Wire {
    server: Server,
    session: u32,
    sent: u32,
    /// In seconds.
    now: u64,
}

impl Wire {
    fn new() -> Self {
        Self {
            server: Server::new(Config::new("t"), Everyone),
            session: 0,
            sent: 0,
            now: 0,
        }
    }

    fn time(&self) -> Now {
        let mono = Duration::from_secs(self.now);
        Now {
            mono,
            ..Now::default()
        }
    }
}

impl Wire {
    /// A whole package.
    fn send(&mut self, commands: &str) -> Vec<Event> {
        self.send_part(&format!("{commands}<Final/>"))
    }

    /// A message that ends no package by itself.
    fn send_part(&mut self, commands: &str) -> Vec<Event> {
        self.sent += 1;
        let body = format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
             <VerProto>DM/1.2</VerProto><SessionID>{}</SessionID><MsgID>{}</MsgID>\
             <Target><LocURI>s</LocURI></Target><Source><LocURI>dev1</LocURI></Source></SyncHdr>\
             <SyncBody>{commands}</SyncBody></SyncML>",
            self.session, self.sent
        );
        let body = to_wire(&body);
        let request = Request::new(&body, encoding(), self.time());
        let mut receipt = self.server.receive(request).unwrap();
        let mut events = receipt.take_events();
        assert!(receipt.take_events().is_empty());
        events.extend(self.server.respond(receipt).unwrap().events);
        events
    }

    fn open(&mut self, alerts: &str) -> Vec<Event> {
        self.session += 1;
        self.sent = 0;
        let leaves: String = ["DevId", "Man", "Mod", "DmV", "Lang"]
            .map(|leaf| {
                format!(
                    "<Item><Source><LocURI>./DevInfo/{leaf}</LocURI></Source>\
                     <Data>x</Data></Item>"
                )
            })
            .concat();
        self.send(&format!(
            "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>{leaves}\
             </Replace>{alerts}"
        ))
    }
}

fn alert(id: u32, data: &str) -> String {
    format!(
        "<Alert><CmdID>{id}</CmdID><Data>1226</Data><Item><Meta>\
         <Format xmlns=\"syncml:metinf\">chr</Format><Type xmlns=\"syncml:metinf\">t</Type></Meta>\
         <Data>{data}</Data></Item></Alert>"
    )
}

fn status(id: u32, cmd_ref: u32, cmd: &str, code: u32) -> String {
    format!(
        "<Status><CmdID>{id}</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>{cmd}</Cmd>\
         <Data>{code}</Data></Status>"
    )
}

fn takers(events: &[Event]) -> Vec<Option<u64>> {
    let alerts = events.iter().filter_map(|event| match &event.kind {
        EventKind::Alert { procedure, .. } => Some(procedure.map(|id| id.get())),
        _ => None,
    });
    alerts.collect()
}

#[test]
fn a_procedure_is_called_in_the_order_the_trait_says() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let heard = || std::mem::take(&mut *calls.lock().unwrap());
    let mut wire = Wire::new();
    for _ in 0..2 {
        let recorder = Recorder {
            calls: Arc::clone(&calls),
            polls: 0,
        };
        wire.server.enqueue("dev1", Box::new(recorder)).unwrap();
    }

    // What was not started hears no alert, and of no session.
    let events = wire.open(&alert(3, "early"));
    assert_eq!(takers(&events), [None]);
    assert_eq!(heard(), ["poll 1"]);

    // Answers and alerts come in the order of the message, the next poll after all of them.
    let results = "<Results><CmdID>4</CmdID><MsgRef>1</MsgRef><CmdRef>5</CmdRef><Item>\
        <Source><LocURI>./A</LocURI></Source><Data>a</Data></Item></Results>";
    let events = wire.send(&format!(
        "{}{}{}{results}{}",
        status(1, 0, "SyncHdr", 200),
        status(2, 5, "Get", 200),
        alert(3, "mine"),
        alert(5, "not mine"),
    ));
    assert_eq!(takers(&events), [Some(1), None]);
    assert_eq!(
        heard(),
        [
            "status 7 200",
            "alert mine",
            "results 7 Some(\"a\")",
            "alert not mine",
            "poll 2"
        ]
    );

    // The next session is told before its alerts; a session lost is told by its commands.
    wire.open(&alert(3, "late"));
    assert_eq!(heard(), ["session", "alert late", "poll 3"]);
    wire.open("");
    assert_eq!(heard(), ["SessionLost 8", "session", "poll 4"]);
    let events = wire.open("");
    assert_eq!(heard(), ["session", "poll 5", "poll 1"]);

    let finished = events.into_iter().find_map(|event| match event.kind {
        EventKind::ProcedureFinished { id, procedure, .. } => Some((id.get(), procedure)),
        _ => None,
    });
    let (id, procedure) = finished.unwrap();
    let recorder: Box<dyn Any> = procedure;
    assert_eq!((id, recorder.downcast::<Recorder>().unwrap().polls), (1, 5));
    assert_eq!(wire.server.waiting("dev1"), 1);
}

/// Sends three commands, the tags of which come in no order.
#[derive(Debug)]
struct Unordered(bool);

impl Procedure for Unordered {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        if std::mem::replace(&mut self.0, true) {
            return Step::Done(Report::success(StatusCode::OK));
        }
        let tagged = [(9, "./A"), (1, "./B"), (5, "./C")];
        let tagged = tagged.map(|(tag, uri)| Tagged::new(Tag(tag), request::delete(uri)));
        Step::Send(tagged.into())
    }

    fn answer(&mut self, _: Answer) {}
}

/// Each Status is told with the name of its command, whatever the order of tags and answers.
#[test]
fn every_status_is_told_with_its_command() {
    let mut wire = Wire::new();
    wire.server
        .enqueue("dev1", Box::new(Unordered(false)))
        .unwrap();
    wire.open("");
    let events = wire.send(&format!(
        "{}{}{}{}",
        status(1, 0, "SyncHdr", 200),
        status(2, 6, "Delete", 206),
        status(3, 4, "Delete", 204),
        status(4, 5, "Delete", 205),
    ));
    let told: Vec<_> = events
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Command { uri, status, .. } => Some((uri, status.get())),
            _ => None,
        })
        .collect();
    let told: Vec<_> = told.iter().map(|(uri, code)| (&**uri, *code)).collect();
    assert_eq!(told, [("./C", 206), ("./A", 204), ("./B", 205)]);
}

/// A command that may take a minute.
#[derive(Debug)]
struct Brief(SingleCommand);

impl Procedure for Brief {
    fn poll(&mut self, correlators: &mut Correlators) -> Step {
        self.0.poll(correlators)
    }

    fn answer(&mut self, answer: Answer) {
        self.0.answer(answer);
    }

    fn alert(&mut self, alert: &GenericAlert) -> bool {
        self.0.alert(alert)
    }

    fn begin_session(&mut self) {
        self.0.begin_session();
    }

    fn time_limit(&self) -> Option<Duration> {
        Some(Duration::from_secs(60))
    }
}

fn exec() -> Box<Brief> {
    Box::new(Brief(SingleCommand::exec("./A/Operations/Go")))
}

/// The number and the report of each procedure that ended, and the session it ended in.
fn ends(events: Vec<Event>) -> Vec<(u64, Report, String)> {
    let ends = events.into_iter().filter_map(|event| match event.kind {
        EventKind::ProcedureFinished { id, report, .. } => {
            Some((id.get(), report, event.session.to_string()))
        }
        _ => None,
    });
    ends.collect()
}

/// How procedures got on: the number of each and, of a step, its place.
fn progress(events: &[Event]) -> Vec<(u64, Option<usize>, String)> {
    let got_on = events.iter().filter_map(|event| match &event.kind {
        EventKind::Progress {
            procedure,
            step,
            progress,
        } => {
            let what = match progress {
                ProcedureProgress::Begun => "begun".to_owned(),
                ProcedureProgress::Resumed => "resumed".to_owned(),
                ProcedureProgress::Sent { commands, .. } => format!("sent {commands}"),
                ProcedureProgress::Retried { commands, .. } => format!("retried {commands}"),
                ProcedureProgress::Accepted { uri, .. } => format!("accepted {uri}"),
                ProcedureProgress::TimedOut { limit, .. } => format!("timed out {limit:?}"),
                other => panic!("{other:?}"),
            };
            Some((procedure.get(), *step, what))
        }
        _ => None,
    });
    got_on.collect()
}

/// What an Exec goes through until it ends, and what is lost on its way.
#[test]
fn how_a_procedure_gets_on_is_told() {
    let mut wire = Wire::new();
    let told = |events: &[Event], number, step| {
        let told = progress(events).into_iter().map(|(of, place, what)| {
            assert_eq!((of, place), (number, step));
            what
        });
        told.collect::<Vec<_>>()
    };
    let get = || Box::new(SingleCommand::get("./A"));
    wire.server.enqueue("dev1", get()).unwrap();
    wire.server.enqueue_step("dev1", get()).unwrap();
    wire.server.enqueue_step("dev1", exec()).unwrap();
    assert_eq!(told(&wire.open(""), 1, None), ["begun", "sent 1"]);
    assert_eq!(told(&wire.open(""), 1, None), ["retried 1"]);
    let answer = |name: &str, code| {
        let status = status(2, 4, name, code);
        [self::status(1, 0, "SyncHdr", 200), status].concat()
    };
    let events = wire.send(&answer("Get", 404));
    assert_eq!(told(&events, 2, Some(0)), ["begun", "sent 1"]);
    wire.open("");
    let events = wire.send(&answer("Get", 404));
    assert_eq!(told(&events, 3, Some(1)), ["begun", "sent 1"]);
    wire.open("");
    wire.server.enqueue_step("dev1", exec()).unwrap();
    let events = wire.open("");
    assert_eq!(told(&events, 4, Some(2)), ["begun", "sent 1"]);
    let events = wire.send(&answer("Exec", 202));
    let accepted = ["accepted ./A/Operations/Go"];
    assert_eq!(told(&events, 4, Some(2)), accepted);
    assert_eq!(progress(&wire.open("")), [], "it is told once");
    wire.now += 60;
    let events = wire.server.expire(wire.time());
    assert_eq!(told(&events, 4, Some(2)), ["timed out 60s"]);
    assert_eq!(ends(events).len(), 1);
}

/// An alert of the node, that repeats no Correlator.
fn end_of_go(code: &str) -> String {
    alert(3, code).replace(
        "<Item>",
        "<Item><Source><LocURI>./A/Operations/Go</LocURI></Source>",
    )
}

#[test]
fn a_procedure_that_waits_ends_when_its_time_is_over() {
    let mut wire = Wire::new();
    for _ in 0..2 {
        wire.server.enqueue("dev1", exec()).unwrap();
    }
    assert_eq!(wire.server.next_expiry(), None, "nothing began");
    wire.now = 10;
    wire.open("");
    wire.now = 20;
    let accepted = [status(1, 0, "SyncHdr", 200), status(2, 4, "Exec", 202)].concat();
    assert!(ends(wire.send(&accepted)).is_empty());
    // The session is over, the time counts from the first command.
    let minute = Duration::from_secs(70);
    assert_eq!(wire.server.next_expiry(), Some(minute));
    wire.now = 69;
    assert!(ends(wire.server.expire(wire.time())).is_empty());
    wire.now = 70;
    let mut over = ends(wire.server.expire(wire.time()));
    let (id, report, session) = over.pop().unwrap();
    assert_eq!((id, over.len(), &*session), (1, 0, ""));
    assert_eq!(report, Report::timed_out(Duration::from_secs(60)));
    assert!(report.is_timed_out && !report.ok);
    assert_eq!(report.status, Some(StatusCode::REQUEST_TIMEOUT));

    // The next one waits for its turn without a limit, and its end is not that of the first.
    wire.now = 1000;
    let events = wire.open(&end_of_go("500"));
    assert_eq!(takers(&events), [None]);
    let accepted = [status(1, 0, "SyncHdr", 200), status(2, 5, "Exec", 202)].concat();
    assert!(ends(wire.send(&accepted)).is_empty());
    let events = wire.open(&end_of_go("200"));
    assert_eq!(takers(&events), [Some(2)]);
    let [(2, report, _)] = &ends(events)[..] else {
        panic!("the second is not over");
    };
    assert!(report.ok);
}

/// A device that says with its alert of which node it is, and not of which Exec: once it accepted
/// another, the one before is over, whether it ever said so or not.
#[test]
fn an_end_that_never_came_does_not_take_that_of_the_next() {
    let mut wire = Wire::new();
    let accepted = [status(1, 0, "SyncHdr", 200), status(2, 4, "Exec", 202)].concat();
    for number in 1..3 {
        wire.server.enqueue("dev1", exec()).unwrap();
        wire.open("");
        assert!(ends(wire.send(&accepted)).is_empty());
        if number == 1 {
            wire.now += 60;
            assert_eq!(ends(wire.server.expire(wire.time())).len(), 1);
        }
    }
    let events = wire.open(&end_of_go("200"));
    assert_eq!(takers(&events), [Some(2)]);
    assert_eq!(ends(events).len(), 1);
    // What comes now is that of the first, as nobody else waits for it.
    assert_eq!(takers(&wire.open(&end_of_go("500"))), [None]);
}

#[test]
fn in_a_session_the_time_ends_between_commands() {
    let mut wire = Wire::new();
    wire.server.enqueue("dev1", exec()).unwrap();
    wire.open("");
    // The Exec is under way: what comes of it counts.
    wire.now = 60;
    assert!(ends(wire.server.expire(wire.time())).is_empty());
    let done = [status(1, 0, "SyncHdr", 200), status(2, 4, "Exec", 200)].concat();
    let [(1, report, _)] = &ends(wire.send(&done))[..] else {
        panic!("it is not over");
    };
    assert!(report.ok);

    wire.server.enqueue("dev1", exec()).unwrap();
    wire.open("");
    wire.now += 60;
    let accepted = [status(1, 0, "SyncHdr", 200), status(2, 4, "Exec", 202)].concat();
    let [(2, report, session)] = &ends(wire.send(&accepted))[..] else {
        panic!("it is not over");
    };
    assert!(report.is_timed_out);
    assert_eq!(session, "2");
}

/// Whatever the device was sent, a package without end wins it no time.
#[test]
fn a_package_that_never_ends_does_not_outlast_the_time_of_a_procedure() {
    let mut wire = Wire::new();
    for _ in 0..2 {
        wire.server.enqueue("dev1", exec()).unwrap();
    }
    wire.open("");
    wire.now = 59;
    let header = status(1, 0, "SyncHdr", 200);
    assert!(ends(wire.send_part(&header)).is_empty());
    wire.now = 60;
    let over = ends(wire.send_part(&header));
    let report = Report::timed_out(Duration::from_secs(60));
    assert_eq!(over, [(1, report, "1".to_owned())]);

    // What comes of it after all is nobody's, and the next one has its turn when the package ends.
    wire.now = 1000;
    let late = [header.clone(), status(2, 4, "Exec", 200)].concat();
    let events = wire.send_part(&late);
    assert!(progress(&events).is_empty() && ends(events).is_empty());
    let events = wire.send(&header);
    let next = [
        (2, None, "begun".to_owned()),
        (2, None, "sent 1".to_owned()),
    ];
    assert_eq!(progress(&events), next);
    assert!(ends(events).is_empty());
}

/// Sends these once, and is done when they are answered; within a minute.
#[derive(Debug)]
struct Once(Vec<Tagged>);

impl Once {
    /// Deletes that fit no one message.
    fn many() -> Box<Self> {
        let uris = (0..1000).map(|tag| (Tag(tag), format!("./A/{tag:060}")));
        let deletes = uris.map(|(tag, uri)| Tagged::new(tag, request::delete(&uri)));
        Box::new(Self(deletes.collect()))
    }
}

impl Procedure for Once {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        match std::mem::take(&mut self.0) {
            commands if commands.is_empty() => Step::Done(Report::success(StatusCode::OK)),
            commands => Step::Send(commands),
        }
    }

    fn answer(&mut self, _: Answer) {}

    fn time_limit(&self) -> Option<Duration> {
        Some(Duration::from_secs(60))
    }
}

/// What was to follow is left out with the procedure it is of, whether the device ends its packages
/// or not.
#[test]
fn of_a_procedure_whose_time_is_over_nothing_is_sent() {
    for (late, is_final) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut wire = Wire::new();
        wire.server.enqueue("dev1", Once::many()).unwrap();
        wire.open("");
        wire.now = if late { 60 } else { 59 };
        let header = status(1, 0, "SyncHdr", 200);
        let over = match is_final {
            true => wire.send(&header),
            false => wire.send_part(&header),
        };
        let report = Report::timed_out(Duration::from_secs(60));
        let over: Vec<_> = ends(over).into_iter().map(|(_, it, _)| it).collect();
        assert_eq!(over, Vec::from_iter(late.then_some(report)), "{is_final}");
        if !is_final {
            wire.send(&header);
        }
        let open = wire.server.sessions().any(|session| session.is_open());
        assert_eq!(open, !late, "there is more to send: {is_final}");
    }
}

/// An object of which chunks were sent goes on without the procedure it is of, which is not done.
#[test]
fn an_object_outlasts_its_procedure() {
    let mut wire = Wire::new();
    let large = request::replace("./A", "v".repeat(12_000).into());
    let large = Once(vec![Tagged::new(Tag(0), large)]);
    wire.server.enqueue("dev1", Box::new(large)).unwrap();
    wire.open("");
    let header = status(1, 0, "SyncHdr", 200);
    assert!(ends(wire.send(&header)).is_empty());
    wire.now = 60;
    let [(1, report, _)] = &ends(wire.send(&header))[..] else {
        panic!("it is not over");
    };
    assert!(report.is_timed_out);
    let is_open = |wire: &Wire| wire.server.sessions().any(|session| session.is_open());
    for goes_on in [true, true, false] {
        assert_eq!(is_open(&wire), goes_on);
        assert!(ends(wire.send(&header)).is_empty());
    }
}

/// A procedure all of which was answered in time, or with the message that comes too late, is asked
/// whether it is done, also while the package of the device goes on; no other begins meanwhile.
#[test]
fn what_is_answered_is_no_matter_of_time() {
    const RESULTS: &str = "<Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Item>\
        <Source><LocURI>./A</LocURI></Source><Data>a</Data></Item></Results>";
    let get = || Box::new(Brief(SingleCommand::get("./A")));
    let header = status(1, 0, "SyncHdr", 200);
    let chunk = RESULTS.replace("</Data>", "</Data><MoreData/>").replace(
        "<Data>",
        "<Meta><Size xmlns=\"syncml:metinf\">9</Size></Meta><Data>",
    );
    let got = status(2, 4, "Get", 200);
    for (is_exec, answer, is_done) in [
        (true, status(2, 4, "Exec", 200), true),
        (true, status(2, 4, "Exec", 202), false),
        (true, status(2, 4, "Exec", 202) + &end_of_go("200"), true),
        (false, got.clone(), false),
        (false, got.clone() + &chunk, false),
        (false, got.clone() + RESULTS, true),
        (false, got + RESULTS + &chunk, false),
    ] {
        for answered in [59, 60] {
            let mut wire = Wire::new();
            let procedure = if is_exec { exec() } else { get() };
            wire.server.enqueue("dev1", procedure).unwrap();
            wire.server.enqueue("dev1", exec()).unwrap();
            wire.open("");
            wire.now = answered;
            let mut events = wire.send_part(&[&*header, &*answer].concat());
            if answered < 60 {
                assert!(ends(events).is_empty(), "{answer}");
                wire.now = 60;
                events = wire.send_part(&header);
            }
            assert!(progress(&events).iter().all(|(number, ..)| *number == 1));
            let [(1, report, _)] = &ends(events)[..] else {
                panic!("it is not over: {answer}");
            };
            assert_eq!(
                (report.ok, report.is_timed_out),
                (is_done, !is_done),
                "{answer}"
            );
            let next = [
                (2, None, "begun".to_owned()),
                (2, None, "sent 1".to_owned()),
            ];
            assert_eq!(progress(&wire.send(&header)), next);
        }
    }
}

/// Without a limit of its own a procedure has that of the engine.
#[test]
fn every_procedure_has_a_time_limit() {
    let mut wire = Wire::new();
    let command = SingleCommand::exec("./A/Operations/Go");
    wire.server.enqueue("dev1", Box::new(command)).unwrap();
    wire.open("");
    wire.send(&[status(1, 0, "SyncHdr", 200), status(2, 4, "Exec", 202)].concat());
    // The session is forgotten first.
    wire.now = 300;
    assert!(ends(wire.server.expire(wire.time())).is_empty());
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    assert_eq!(wire.server.next_expiry(), Some(week));
    wire.now = week.as_secs();
    let over = ends(wire.server.expire(wire.time()));
    assert_eq!(over[0].1, Report::timed_out(week));
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
