//! What came of a command, as Status and Results.

use std::mem;

use omadm_core::StatusCode;
use omadm_session::command_status;
use omadm_syncml::{Command, Item, Location};

use crate::{Event, failure::Failure, session::Measured, walk::Ground};

/// What came of one Item of a command, or of a command as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    status: StatusCode,
    /// What the Status tells besides.
    items: Vec<Item<'static>>,
    /// What a Get read.
    results: Vec<Measured>,
}

impl Outcome {
    /// A Status with these Items.
    pub(crate) const fn new(status: StatusCode, items: Vec<Item<'static>>) -> Self {
        Self {
            status,
            items,
            results: Vec::new(),
        }
    }

    /// Whether it was executed.
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success() && self.status != StatusCode::OPERATION_CANCELLED
    }

    /// What a Get read.
    pub(crate) const fn read(results: Vec<Measured>) -> Self {
        Self {
            status: StatusCode::OK,
            items: Vec::new(),
            results,
        }
    }
}

impl From<StatusCode> for Outcome {
    fn from(status: StatusCode) -> Self {
        Self::new(status, Vec::new())
    }
}

impl From<&Failure> for Outcome {
    /// The status; if an Add failed at an ancestor, an Item names it. [DM-RepPro]
    fn from(failure: &Failure) -> Self {
        let ancestor = match failure {
            Failure::Tree(error) => error.failed_ancestor(),
            _ => None,
        };
        let item = |uri: String| Item::new().with_target(Location::new(uri));
        let items = ancestor
            .map(|uri| item(uri.to_string()))
            .into_iter()
            .collect();
        Self::new(failure.status(), items)
    }
}

/// Answers a command of the message `msg_id`: one Status if all Items came out alike, else one for
/// each; then Results, several if one would be [too large](Session::results_limit). [DM-RepPro]
pub(crate) fn answer(
    msg_id: u32,
    command: &Command<'_>,
    outcomes: &mut [Outcome],
    ground: &mut Ground<'_>,
) {
    let (session, device) = (&mut *ground.session, &mut *ground.device);
    let items = command.items();
    for (index, outcome) in outcomes.iter().enumerate() {
        let target = items.get(index).and_then(|item| item.target.as_ref());
        device.tell(Event::Command {
            name: command.to_name(),
            uri: target.map_or_else(String::new, |target| target.uri.clone().into_owned()),
            status: outcome.status,
        });
    }
    let mut results = Vec::new();
    let alike = match &*outcomes {
        [first, rest @ ..] => {
            rest.is_empty()
                || outcomes
                    .iter()
                    .all(|outcome| outcome.status == first.status && outcome.items.is_empty())
        }
        [] => true,
    };
    for (index, outcome) in outcomes.iter_mut().enumerate() {
        if results.is_empty() {
            results = mem::take(&mut outcome.results);
        } else {
            results.append(&mut outcome.results);
        }
        if command.no_resp() || (alike && index > 0) {
            continue;
        }
        let status = command_status(msg_id, command, outcome.status);
        let Some(Command::Status(status)) = session.answer(Command::Status(status)) else {
            continue;
        };
        status.items = mem::take(&mut outcome.items);
        if let (false, Some(item)) = (alike, items.get(index)) {
            let uri = |location: &Location<'_>| location.uri.clone().into_owned();
            status.target_refs = item.target.iter().map(uri).collect();
            status.source_refs = item.source.iter().map(uri).collect();
        }
    }
    let limit = match results.len() {
        0 | 1 => 0,
        _ => session.results_limit(),
    };
    let mut room = 0;
    for Measured { mut results, bytes } in results {
        match session.last_answer() {
            Some(Command::Results(last)) if bytes <= room => {
                last.items.append(&mut results.items);
                room -= bytes;
            }
            _ => {
                (results.msg_ref, results.cmd_ref) = (Some(msg_id), command.cmd_id().into());
                session.answer(Command::Results(results));
                room = limit.saturating_sub(bytes);
            }
        }
    }
}
