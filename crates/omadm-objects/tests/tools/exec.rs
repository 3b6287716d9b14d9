//! Executing nodes of a [`Bench`], and reading what comes of it.

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
