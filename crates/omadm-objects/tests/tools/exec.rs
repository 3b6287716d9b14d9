//! Executing nodes of a [`Bench`], and reading what comes of it.
#![allow(dead_code, reason = "each suite uses its part")]

use omadm_core::GenericAlert;
use omadm_session::request;
use omadm_syncml::{Command, Message};
use omadm_testkit::{Bench, data};

/// Executes a node, and every job up to the end: the status and the result.
pub(crate) fn execute(bench: &mut Bench, at: &str) -> (u16, String) {
    bench.start();
    let answer = bench.say([request::exec(at, None)]).or_else(|| {
        bench.finish_job();
        bench.read()
    });
    let answer = answer.unwrap();
    bench.say([]);
    while !bench.jobs.is_empty() {
        bench.finish_job();
    }
    outcome(&answer)
}

/// The status of an Exec, and the result that came with it.
pub(crate) fn outcome(answer: &Message<'_>) -> (u16, String) {
    let status = answer
        .commands
        .iter()
        .rev()
        .find_map(|command| match command {
            Command::Status(status) if status.cmd.as_ref() == "Exec" => Some(status),
            _ => None,
        });
    let status = status.unwrap();
    let result = status.items.first().map(data).unwrap_or_default();
    (status.code.get(), result)
}

/// The alerts a device brings along in its next session.
pub(crate) fn alerts(bench: &mut Bench) -> Vec<GenericAlert> {
    let setup = bench.start();
    bench.say([]);
    let of = |command: &Command<'_>| match command {
        Command::Alert(alert) => alert.generic_alerts().ok(),
        _ => None,
    };
    setup.commands.iter().filter_map(of).flatten().collect()
}

/// Compares with a file, or writes it with `UPDATE_GOLDEN=1`.
pub(crate) fn golden(name: &str, text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/");
    let path = std::path::Path::new(path).join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{name}");
}

/// The element of the Generic Alert in a message.
pub(crate) fn generic_alert(message: &str) -> String {
    let (before, after) = message.split_once("<Data>1226</Data>").unwrap();
    let (_, start) = before.rsplit_once("<Alert>").unwrap();
    let (rest, _) = after.split_once("</Alert>").unwrap();
    let text = format!("<Alert>{start}<Data>1226</Data>{rest}</Alert>");
    text.replace("><", ">\n<") + "\n"
}
