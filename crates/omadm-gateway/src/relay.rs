//! Commands for an end device, and what comes back for them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use omadm_core::{Correlator, StatusCode};
use omadm_session::{
    Answer, Correlators, Procedure, Report, Step, Tag, Tagged, Unanswered, data_size,
};
use omadm_syncml::{
    CmdId, Command, Encoding, Header, Item, Limits, Message, Results, Status, decode, encode,
};

use crate::MAX_RESULT;

/// Commands that are no commands for an end device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoCommands;

/// Reads the commands of a message; its header means nothing.
pub(crate) fn commands(octets: &[u8]) -> Result<Vec<Command<'static>>, NoCommands> {
    // A document in WBXML begins with its version.
    let encoding = match octets.first() {
        Some(1..=3) => Encoding::Wbxml,
        _ => Encoding::Xml,
    };
    let message = decode(octets, encoding, &Limits::default()).map_err(|_| NoCommands)?;
    let mut ids = BTreeSet::new();
    // Answers are told apart by the id of their command.
    let mut is_for_device = |command: &Command<'_>| {
        command.cmd_id().is_some_and(|id| ids.insert(id))
            && matches!(
                command,
                Command::Add(_)
                    | Command::Replace(_)
                    | Command::Delete(_)
                    | Command::Copy(_)
                    | Command::Get(_)
                    | Command::Exec(_)
                    | Command::Atomic(_)
                    | Command::Sequence(_)
            )
    };
    let mut is_fit = |command: &Command<'_>| command.flatten().all(&mut is_for_device);
    if message.commands.is_empty() || !message.commands.iter().all(&mut is_fit) {
        return Err(NoCommands);
    }
    Ok(message.into_owned().commands)
}

/// What an answer takes beside its values, in octets, at least.
const ANSWER_OCTETS: u64 = 64;

/// What came back so far; a session that is lost leaves it as it is.
#[derive(Debug)]
pub(crate) struct Answers {
    asked: Vec<Asked>,
    given: Vec<Command<'static>>,
    /// The id of the next answer.
    next: CmdId,
    octets: u64,
    too_large: bool,
}

#[derive(Debug)]
struct Asked {
    id: CmdId,
    name: String,
    correlator: Option<Correlator>,
    /// The last Status; none if it was not answered.
    status: Option<StatusCode>,
}

impl Answers {
    fn new(commands: &[Command<'static>]) -> Self {
        let asked = commands.iter().flat_map(Command::flatten);
        let asked = asked.map(|command| Asked {
            id: command.cmd_id().unwrap_or(CmdId::FIRST),
            name: command.name().to_owned(),
            correlator: match command {
                Command::Exec(exec) => exec.correlator.as_deref().map(Correlator::new),
                _ => None,
            },
            status: None,
        });
        Self {
            asked: asked.collect(),
            given: Vec::new(),
            next: CmdId::FIRST,
            octets: 0,
            too_large: false,
        }
    }

    fn status(&mut self, place: usize, code: StatusCode, items: Vec<Item<'static>>) {
        let items = if self.has_room(&items) {
            items
        } else {
            Vec::new()
        };
        let Some(asked) = self.asked.get_mut(place) else {
            return;
        };
        // Of many for one command, one for each Item, none is left out while there is room.
        if asked.status.is_some() && self.too_large {
            return;
        }
        asked.status = Some(code);
        let status = Status::new(1, asked.id, asked.name.clone(), code).with_items(items);
        self.given
            .push(Command::Status(status.with_cmd_id(self.next)));
        self.next = self.next.next();
    }

    fn results(&mut self, place: usize, items: Vec<Item<'static>>) {
        let fits = self.has_room(&items);
        if let Some(asked) = self.asked.get(place).filter(|_| fits) {
            let results = Results::new(1, asked.id, items).with_cmd_id(self.next);
            self.given.push(Command::Results(results));
            self.next = self.next.next();
        }
    }

    fn has_room(&mut self, items: &[Item<'static>]) -> bool {
        let values = items.iter().filter_map(|item| item.data.as_ref());
        let places = items.iter().filter_map(|item| item.source.as_ref());
        let octets = ANSWER_OCTETS * (1 + items.len() as u64)
            + values.map(data_size).sum::<u64>()
            + places.map(|place| place.uri.len() as u64).sum::<u64>();
        self.octets = self.octets.saturating_add(octets);
        self.too_large |= self.octets > MAX_RESULT as u64;
        !self.too_large
    }

    /// What came of it all; what was not answered when the session ended is answered with 503.
    pub(crate) fn outcome(&mut self, device: &str) -> Outcome {
        let any = !self.given.is_empty();
        let lost: Vec<usize> = (0..)
            .zip(&self.asked)
            .filter(|(_, asked)| asked.status.is_none())
            .map(|(place, _)| place)
            .collect();
        for place in &lost {
            self.status(*place, StatusCode::SERVICE_UNAVAILABLE, Vec::new());
            if let Some(asked) = self.asked.get_mut(*place) {
                // It may have been executed all the same.
                asked.status = None;
            }
        }
        let mut status = match self.too_large {
            true => StatusCode::REQUEST_ENTITY_TOO_LARGE,
            false => StatusCode::OK,
        };
        let mut message = Message::new(Header::new("0", 1, "", device.to_owned()));
        message.commands = std::mem::take(&mut self.given);
        message.is_final = true;
        let mut document = written(&message);
        if document.is_none() {
            // A value has what XML does not: the statuses alone do not.
            status = StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT;
            message.commands.retain_mut(|answer| match answer {
                Command::Status(status) => {
                    status.items.clear();
                    true
                }
                _ => false,
            });
            document = written(&message);
        }
        Outcome {
            whole: lost.is_empty(),
            status,
            document: document.filter(|_| any).unwrap_or_default(),
            told: self.asked.iter().filter_map(Asked::told).collect(),
        }
    }
}

impl Asked {
    /// Its Correlator, and whether an alert may come with it.
    fn told(&self) -> Option<(Correlator, bool)> {
        let open = matches!(self.status, None | Some(StatusCode::ACCEPTED));
        self.correlator.clone().map(|correlator| (correlator, open))
    }
}

fn written(message: &Message<'_>) -> Option<String> {
    let mut document = Vec::new();
    encode(message, Encoding::Xml, &mut document).ok()?;
    String::from_utf8(document).ok()
}

/// What came of the commands.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Outcome {
    /// Whether everything was answered.
    pub(crate) whole: bool,
    /// 200 if all of that is in the document.
    pub(crate) status: StatusCode,
    /// The statuses and results as a message in XML; empty if nothing was answered.
    pub(crate) document: String,
    /// The Correlators of the commands, and whether an alert may still come with them.
    pub(crate) told: Vec<(Correlator, bool)>,
}

/// All commands in one go. Their answers are shared: an engine keeps a procedure whose session is
/// lost for the next one.
#[derive(Debug)]
pub(crate) struct Relay {
    tagged: Vec<Tagged>,
    sent: bool,
    answers: Arc<Mutex<Answers>>,
}

impl Relay {
    pub(crate) fn new(commands: Vec<Command<'static>>) -> Self {
        let answers = Arc::new(Mutex::new(Answers::new(&commands)));
        let (mut tagged, mut next) = (Vec::new(), 0);
        for command in commands {
            let tag = Tag(next);
            next += u32::try_from(command.flatten().count()).unwrap_or(u32::MAX);
            tagged.push(Tagged::new(tag, command));
        }
        Self {
            tagged,
            sent: false,
            answers,
        }
    }

    pub(crate) const fn answers(&self) -> &Arc<Mutex<Answers>> {
        &self.answers
    }
}

impl Procedure for Relay {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        if std::mem::replace(&mut self.sent, true) {
            return Step::Done(Report::success(StatusCode::OK));
        }
        Step::Send(std::mem::take(&mut self.tagged))
    }

    fn answer(&mut self, answer: Answer) {
        let Ok(place) = usize::try_from(answer.tag().0) else {
            return;
        };
        let mut answers = lock(&self.answers);
        match answer {
            Answer::Status { code, items, .. } => answers.status(place, code, items),
            Answer::Results { items, .. } => answers.results(place, items),
            Answer::NotAnswered { reason, .. } => {
                let code = match reason {
                    Unanswered::TooLarge | Unanswered::Incomplete => {
                        StatusCode::REQUEST_ENTITY_TOO_LARGE
                    }
                    Unanswered::Unencodable => StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT,
                    Unanswered::NoStatus => StatusCode::NOT_EXECUTED,
                    _ => return,
                };
                answers.status(place, code, Vec::new());
            }
            _ => {}
        }
    }
}

pub(crate) fn lock(answers: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use omadm_syncml::Data;

    use super::*;

    fn answers() -> Answers {
        let mut gets = ["./A", "./B"].map(omadm_session::request::get);
        for (get, id) in gets.iter_mut().zip([CmdId::FIRST, CmdId::FIRST.next()]) {
            get.set_cmd_id(id);
        }
        Answers::new(&gets)
    }

    fn value(text: String) -> Vec<Item<'static>> {
        vec![Item::new().with_data(Data::from(text))]
    }

    /// However much comes, and in however small pieces, what is kept has a limit; each command has
    /// its status.
    #[test]
    fn what_is_kept_has_a_limit() {
        for size in [0, 1, 30_000, MAX_RESULT] {
            let mut answers = answers();
            answers.status(0, StatusCode::OK, Vec::new());
            let pieces = 2 * MAX_RESULT / (size + 1).max(64);
            for _ in 0..=pieces {
                answers.results(0, value("r".repeat(size)));
                answers.status(0, StatusCode::OK, value("s".repeat(size)));
            }
            answers.status(1, StatusCode::NOT_FOUND, value("s".repeat(size)));
            let kept = answers.given.len() as u64 * ANSWER_OCTETS;
            assert!(kept <= MAX_RESULT as u64 + 2 * ANSWER_OCTETS, "{kept}");
            let outcome = answers.outcome("d");
            assert!(outcome.whole);
            assert_eq!(outcome.status, StatusCode::REQUEST_ENTITY_TOO_LARGE);
            assert!(outcome.document.contains("<Data>404</Data>"));
        }
    }

    /// A value that XML cannot carry costs the values, not the statuses.
    #[test]
    fn what_cannot_be_written_is_told() {
        let mut answers = answers();
        answers.status(0, StatusCode::OK, Vec::new());
        answers.results(0, value("\u{1}".to_owned()));
        answers.status(1, StatusCode::NOT_FOUND, Vec::new());
        let outcome = answers.outcome("d");
        assert_eq!(outcome.status, StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT);
        assert!(outcome.document.contains("<Data>404</Data>"), "{outcome:?}");
        assert!(!outcome.document.contains("Results"));
    }
}
