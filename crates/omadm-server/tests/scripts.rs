//! Sessions as text: what a device sends, and exactly what the engine answers and tells.
//!
//! Each file in `tests/scripts` is one session or a few. A line begins with
//!
//! - `#`: a comment;
//! - `!`: something done to the engine, see [`Stage::act`];
//! - `>`: a message of the device: its id, SessionID and MsgID, `final` or `more`, the commands;
//!   header elements may stand first, in braces;
//! - `>>`: a message of the device word for word; `>=`: the last one once more;
//! - `<`: the answer, as it stands on the wire if that is XML;
//! - `*`: an event.
//!
//! `BLESS=1 cargo test -p omadm-server --test scripts` writes the answers and events anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "test code"
)]

use std::{env, fmt::Write as _, fs, path::Path, time::Duration};

use omadm_core::Now;
use omadm_server::{
    Account, CommandGroup, Compat, Config, Event, EventKind, Everyone, Request, Server,
    SingleCommand,
};
use omadm_session::{Proof, Scheme};
use omadm_testkit::{encoding, from_wire, to_wire};

const SERVER: &str = "https://dm.example/dm";

struct Stage {
    config: Config,
    account: Option<Account>,
    server: Option<Server>,
    now: Now,
    last: String,
}

impl Stage {
    fn server(&mut self) -> &mut Server {
        let (config, account) = (&self.config, &self.account);
        self.server.get_or_insert_with(|| match account {
            Some(account) => Server::new(config.clone(), account.clone()),
            None => Server::new(config.clone(), Everyone),
        })
    }

    /// `lenient`, `basic`, `mutual`, `limit <name> <number>`, `resp-uri <uri>` before the first
    /// message; `get|exec|delete <device> <uri>`, `add|replace <device> <uri> <value>`,
    /// `abort <device>`, `wait <seconds>` at any time.
    fn act(&mut self, words: &[&str]) -> String {
        let proof = |scheme, name: &str, secret: &str| Some(Proof::new(scheme, name, secret));
        let device = |scheme| proof(scheme, "Bruce2", "OhBehave");
        let server = |scheme| proof(scheme, "dm.example", "Groovy");
        match words {
            ["lenient"] => self.config.compat = Compat::lenient(),
            ["basic"] => self.account = Some(Account::new(device(Scheme::Basic), None)),
            ["mutual"] => {
                let (device, server) = (device(Scheme::Basic), server(Scheme::Basic));
                self.account = Some(Account::new(device, server));
            }
            ["resp-uri", uri] => self.config.resp_uri = Some((*uri).to_owned()),
            ["limit", name, number] => {
                let number: u32 = number.parse().unwrap();
                match *name {
                    "messages" => self.config.max_messages = number,
                    "object" => self.config.max_object_size = number,
                    "alerts" => self.config.max_alerts = number,
                    "attempts" => self.config.max_attempts = number,
                    "sessions" => self.config.max_sessions = number.try_into().unwrap(),
                    "devices" => self.config.max_devices = number.try_into().unwrap(),
                    other => panic!("no limit {other}"),
                }
            }
            ["get", device, uri] => self.enqueue(device, SingleCommand::get(uri)),
            ["exec", device, uri] => self.enqueue(device, SingleCommand::exec(uri)),
            ["delete", device, uri] => self.enqueue(device, SingleCommand::delete(uri)),
            ["add", device, uri, value] => {
                self.enqueue(device, SingleCommand::add(uri, (*value).into()));
            }
            ["replace", device, uri, value] => {
                self.enqueue(device, SingleCommand::replace(uri, (*value).into()));
            }
            [group @ ("atomic" | "sequence"), device, uris @ ..] => {
                let commands = uris.iter().map(|uri| match uri.strip_prefix('-') {
                    Some(uri) => SingleCommand::delete(uri),
                    None => SingleCommand::get(uri),
                });
                let procedure = match *group {
                    "atomic" => CommandGroup::atomic(commands),
                    _ => CommandGroup::sequence(commands),
                };
                self.server().enqueue(device, Box::new(procedure)).unwrap();
            }
            ["abort", device] => assert!(self.server().abort(device)),
            ["wait", seconds] => {
                self.now.mono += Duration::from_secs(seconds.parse().unwrap());
                let now = self.now;
                return told(&self.server().expire(now));
            }
            other => panic!("no action {other:?}"),
        }
        String::new()
    }

    fn enqueue(&mut self, device: &str, procedure: SingleCommand) {
        self.server().enqueue(device, Box::new(procedure)).unwrap();
    }

    /// The answer line and the event lines.
    fn send(&mut self, message: &str) -> String {
        self.last = message.to_owned();
        let now = self.now;
        let body = to_wire(message);
        let request = Request::new(&body, encoding(), now);
        let server = self.server();
        let mut receipt = match server.receive(request) {
            Ok(receipt) => receipt,
            Err(error) => return format!("< {error}\n"),
        };
        let mut events = receipt.take_events();
        let response = server.respond(receipt).unwrap();
        events.extend(response.events);
        let body = from_wire(&response.body);
        format!("< {body}\n{}", told(&events))
    }
}

fn told(events: &[Event]) -> String {
    let mut lines = String::new();
    for Event {
        device,
        session,
        kind,
        ..
    } in events
    {
        write!(lines, "* {device} {session}: ").unwrap();
        match kind {
            EventKind::SessionStarted { trigger, dev_info } => {
                let model = dev_info.get("Mod");
                writeln!(lines, "session started by {trigger:?}, Mod {model:?}")
            }
            EventKind::SessionEnded(end) => writeln!(lines, "session ended: {end:?}"),
            EventKind::Refused(code) => writeln!(lines, "message refused: {code:?}"),
            EventKind::Command {
                procedure,
                name,
                uri,
                status,
            } => writeln!(
                lines,
                "procedure {}: {name} {uri} {status:?}",
                procedure.get()
            ),
            EventKind::Alert { alert, procedure } => {
                let procedure = procedure.map(|id| id.get());
                writeln!(lines, "{alert:?} for procedure {procedure:?}")
            }
            EventKind::ClientEvent(event) => writeln!(lines, "{event:?}"),
            EventKind::Progress {
                procedure,
                progress,
                ..
            } => writeln!(lines, "procedure {}: {progress:?}", procedure.get()),
            EventKind::ProcedureFinished { id, report, .. } => {
                writeln!(lines, "procedure {} finished: {report:?}", id.get())
            }
            EventKind::Violation(violation) => writeln!(lines, "{violation:?}"),
            other => writeln!(lines, "{other:?}"),
        }
        .unwrap();
    }
    lines
}

/// Builds a message from `device session msgid final|more {header} commands`.
fn message(line: &str) -> String {
    let mut words = line.splitn(5, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (device, session, msg_id, end, rest) = (word(), word(), word(), word(), word());
    let (header, commands) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_once('}').unwrap(),
        None => ("", rest),
    };
    let end = match end {
        "final" => "<Final/>",
        "more" => "",
        other => panic!("{other:?}: final or more"),
    };
    let package1 = "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>\
        <Replace><CmdID>2</CmdID>\
        <Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>DEVICE</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Own</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Mod</LocURI></Source><Data>M1</Data></Item>\
        <Item><Source><LocURI>./DevInfo/DmV</LocURI></Source><Data>1.2</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Lang</LocURI></Source><Data>en</Data></Item></Replace>";
    let commands = commands.replace("PACKAGE1", &package1.replace("DEVICE", device));
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
         <VerProto>DM/1.2</VerProto><SessionID>{session}</SessionID><MsgID>{msg_id}</MsgID>\
         <Target><LocURI>{SERVER}</LocURI></Target><Source><LocURI>{device}</LocURI></Source>\
         {header}</SyncHdr><SyncBody>{commands}{end}</SyncBody></SyncML>"
    )
}

fn perform(script: &str) -> String {
    let mut stage = Stage {
        config: Config::new("t"),
        account: None,
        server: None,
        now: Now::default(),
        last: String::new(),
    };
    let mut out = String::new();
    for line in script.lines() {
        if line.starts_with('<') || line.starts_with('*') {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        let told = if let Some(raw) = line.strip_prefix(">> ") {
            stage.send(raw)
        } else if line == ">=" {
            let last = stage.last.clone();
            stage.send(&last)
        } else if let Some(short) = line.strip_prefix("> ") {
            stage.send(&message(short))
        } else if let Some(action) = line.strip_prefix("! ") {
            stage.act(&action.split(' ').collect::<Vec<_>>())
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line:?}");
            continue;
        };
        out.push_str(&told);
    }
    out
}

#[test]
fn sessions_go_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let script = fs::read_to_string(&path).unwrap();
        let performed = perform(&script);
        if env::var_os("BLESS").is_some() {
            fs::write(&path, performed).unwrap();
        } else {
            for (number, (found, written)) in performed.lines().zip(script.lines()).enumerate() {
                assert_eq!(found, written, "{} line {}", path.display(), number + 1);
            }
            assert_eq!(performed, script, "{}", path.display());
        }
        count += 1;
    }
    assert!(count >= 10, "{count} scripts");
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
