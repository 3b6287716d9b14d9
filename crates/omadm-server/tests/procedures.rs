//! How the engine drives a procedure: the calls it makes, and their order.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{
    any::Any,
    sync::{Arc, Mutex},
};

use omadm_core::{GenericAlert, Now, StatusCode};
use omadm_server::{Config, Event, EventKind, Everyone, Request, Server};
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
}

impl Wire {
    fn send(&mut self, commands: &str) -> Vec<Event> {
        self.sent += 1;
        let body = format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
             <VerProto>DM/1.2</VerProto><SessionID>{}</SessionID><MsgID>{}</MsgID>\
             <Target><LocURI>s</LocURI></Target><Source><LocURI>dev1</LocURI></Source></SyncHdr>\
             <SyncBody>{commands}<Final/></SyncBody></SyncML>",
            self.session, self.sent
        );
        let body = to_wire(&body);
        let request = Request::new(&body, encoding(), Now::default());
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
    let mut wire = Wire {
        server: Server::new(Config::new("t"), Everyone),
        session: 0,
        sent: 0,
    };
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

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
