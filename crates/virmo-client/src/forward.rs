//! Commands for a guest, and its addresses. [VirMO §11.2.1]

use std::{mem::take, sync::Arc, time::Duration};

use omadm_core::{Batch, Journal, StatusCode};
use omadm_download::Cancel;
use omadm_tree::{NewNode, Uri};
use virmo_guest::{Answer, Command, Outcome, Reply};
use virmo_state::VmId;

use crate::{
    GuestError, GuestLink,
    drive::{Failure, explain},
    ledger::note_doubt,
};

/// What a guest calls `./X`, as the server knows it: below the guest's DMTree. An address that is
/// none of a tree (`urn:…`, `https://…`) stays as it is.
///
/// The guest may have said more than the address, such as `?prop=Name`.
pub(crate) fn outward(dm_tree: &Uri, text: &str) -> String {
    let (path, rest) = match text.find('?') {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    let scheme = path
        .split('/')
        .next()
        .is_some_and(|name| name.contains(':'));
    let path = if path == "./" { "." } else { path };
    match Uri::parse(path) {
        Ok(uri) if !scheme => format!("{}{rest}", dm_tree.join(&uri)),
        _ => text.to_owned(),
    }
}

/// What a job does with a guest.
pub(crate) struct Errand {
    pub(crate) link: Arc<GuestLink>,
    pub(crate) vm: VmId,
    /// What brings the guest in step where that is doubtful, before all else.
    pub(crate) first: Vec<Command>,
    /// Where that is.
    pub(crate) doubts: Vec<Uri>,
    pub(crate) commands: Vec<Command>,
    /// What an Exec is of, so that a guest which lost it can be given it again.
    pub(crate) executed: Option<NewNode>,
    pub(crate) within: Duration,
    /// Takes it back.
    pub(crate) over: Cancel,
    /// Where it is noted, before the guest hears of it, what the commands may change.
    pub(crate) journal: Option<Arc<dyn Journal>>,
}

/// What came of an [`Errand`].
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) vm: VmId,
    /// The first answer that is a failure, or the last one.
    pub(crate) answer: Result<Answer, Failure>,
    /// Whether the guest was heard at all.
    pub(crate) heard: bool,
    /// Where the guest was brought in step, as far as it lets itself.
    pub(crate) settled: Vec<Uri>,
    /// Where the guest may have changed something.
    pub(crate) changed: Vec<Uri>,
    /// Where it was noted that it might.
    pub(crate) noted: Vec<Uri>,
    /// What the guest told beside.
    pub(crate) replies: Vec<Reply>,
}

impl Errand {
    /// Does it.
    ///
    /// The device's tree is the master copy, and guest and device may differ after either lost
    /// power in the midst of a change. So a guest that already has what is added gets its value,
    /// one that has lost what is changed or executed gets it anew, and one that has lost what is
    /// deleted is right.
    pub(crate) fn run(mut self) -> Told {
        let mut replies = Vec::new();
        let (first, commands) = (take(&mut self.first), take(&mut self.commands));
        let mut settled = Vec::new();
        let noted: Vec<Uri> = match &self.journal {
            Some(_) => commands.iter().filter_map(place).cloned().collect(),
            None => Vec::new(),
        };
        if let Some(journal) = &self.journal
            && !noted.is_empty()
        {
            let mut batch = Batch::new();
            for place in &noted {
                note_doubt(&mut batch, &self.vm, place);
            }
            if let Err(error) = journal.commit(&batch) {
                return Told {
                    vm: self.vm,
                    answer: Err(Failure::new(explain(&error))),
                    // The guest has done nothing wrong.
                    heard: true,
                    settled,
                    changed: Vec::new(),
                    noted: Vec::new(),
                    replies,
                };
            }
        }
        let mut answer = match first.is_empty() {
            true => Ok(StatusCode::OK.into()),
            false => self.call(&first, &mut replies),
        };
        if answer.is_ok() {
            settled = take(&mut self.doubts);
            answer = self.call(&commands, &mut replies);
        }
        // One that refuses its only command has changed nothing.
        let refused = match &answer {
            Ok(answer) => commands.len() == 1 && answer.status.is_failure(),
            Err(error) => !error.may_be_done(),
        };
        let changed = commands.iter().filter(|_| !refused).filter_map(place);
        Told {
            settled,
            changed: changed.cloned().collect(),
            noted,
            vm: self.vm,
            heard: !replies.is_empty(),
            answer: answer.map_err(Failure::from),
            replies,
        }
    }

    /// Does it, and leaves what the guest told beside for the next to hear.
    pub(crate) fn answer(&self) -> Result<Answer, GuestError> {
        self.call(&self.commands, &mut Vec::new())
    }

    fn call(&self, commands: &[Command], replies: &mut Vec<Reply>) -> Result<Answer, GuestError> {
        let mut last = StatusCode::OK.into();
        let answers = self.send(commands.to_vec(), replies)?;
        for (command, answer) in commands.iter().zip(answers) {
            last = match self.mend(command, answer.status) {
                None => answer,
                Some(again) if again.is_empty() => StatusCode::OK.into(),
                Some(again) => {
                    let answers = self.send(again, replies)?;
                    answers.into_iter().next_back().unwrap_or(answer)
                }
            };
            if !is_done(command, last.status) {
                break;
            }
        }
        Ok(last)
    }

    fn send(
        &self,
        commands: Vec<Command>,
        replies: &mut Vec<Reply>,
    ) -> Result<Vec<Answer>, GuestError> {
        let mut reply = self
            .link
            .call_until(&self.vm, commands, self.within, &self.over)?;
        let mut answers = take(&mut reply.answers);
        for answer in &mut answers {
            answer.status = sensible(answer.status);
        }
        replies.push(reply);
        Ok(answers)
    }

    /// What brings a guest in step that answered a command like this; nothing if it is.
    fn mend(&self, command: &Command, status: StatusCode) -> Option<Vec<Command>> {
        match (command, status) {
            (Command::Delete { .. }, StatusCode::NOT_FOUND) => Some(Vec::new()),
            (Command::Add { uri, node }, StatusCode::ALREADY_EXISTS) => Some(match node {
                NewNode::Interior { .. } => Vec::new(),
                NewNode::Leaf(value) => vec![Command::Replace {
                    uri: uri.clone(),
                    value: value.clone(),
                }],
            }),
            (Command::Add { uri, node }, StatusCode::NOT_FOUND) => Some(anew(uri, node.clone())),
            (Command::Replace { uri, value }, StatusCode::NOT_FOUND) => {
                Some(anew(uri, NewNode::Leaf(value.clone())))
            }
            (Command::Exec { uri, .. }, StatusCode::NOT_FOUND) => {
                let mut commands = anew(uri, self.executed.clone()?);
                commands.push(command.clone());
                Some(commands)
            }
            _ => None,
        }
    }
}

/// Whether a guest has done what it was asked. One that accepts a change for later has not.
fn is_done(command: &Command, status: StatusCode) -> bool {
    match command {
        Command::Exec { .. } => status.is_success(),
        _ => status == StatusCode::OK,
    }
}

/// What a command changes.
pub(crate) const fn place(command: &Command) -> Option<&Uri> {
    match command {
        Command::Add { uri, .. } | Command::Replace { uri, .. } | Command::Delete { uri } => {
            Some(uri)
        }
        _ => None,
    }
}

/// The status of a guest as a server may hear it. Who the server is, and whom it should ask
/// instead, is not for a guest to say.
fn sensible(status: StatusCode) -> StatusCode {
    match status.get() {
        ..200 | 212 | 300..=399 | 401 | 407 => StatusCode::COMMAND_FAILED,
        _ => status,
    }
}

/// Makes a node and what is above it.
fn anew(uri: &Uri, node: NewNode) -> Vec<Command> {
    let mut above: Vec<Uri> = uri.ancestors().filter(|uri| !uri.is_root()).collect();
    above.reverse();
    let interior = |uri| Command::Add {
        uri,
        node: NewNode::INTERIOR,
    };
    let mut commands: Vec<Command> = above.into_iter().map(interior).collect();
    let uri = uri.clone();
    commands.push(Command::Add { uri, node });
    commands
}

/// The Data of each result Item.
pub(crate) fn items(answer: Answer) -> Vec<String> {
    match answer.outcome {
        Outcome::Items(items) => items,
        _ => Vec::new(),
    }
}

impl From<GuestError> for Failure {
    fn from(error: GuestError) -> Self {
        Self {
            status: error.status(),
            reason: explain(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// VR-226: an address of the guest comes back as it was.
        #[test]
        fn addresses_go_out_and_come_back(names in proptest::collection::vec("[a-z.:%é]{0,5}[a-z]", 0..4)) {
            let dm_tree: Uri = "./VirMO/my%20vm/DMTree".parse().unwrap();
            let mut uri = Uri::root();
            for name in &names {
                uri = uri.child(name).unwrap();
            }
            let told = outward(&dm_tree, &uri.to_string());
            let known: Uri = told.parse().unwrap();
            prop_assert_eq!(known.strip_prefix(&dm_tree), Some(uri.clone()));
            let property = outward(&dm_tree, &format!("{uri}?prop=Title"));
            prop_assert_eq!(property, format!("{told}?prop=Title"));
        }
    }

    /// What a guest only promises is not done, and it does not ask a server who that is.
    #[test]
    fn not_every_status_is_one_of_a_guest() {
        let delete = Command::Delete { uri: Uri::root() };
        let exec = Command::Exec {
            uri: Uri::root(),
            argument: None,
            correlator: None,
        };
        for code in (0..600).chain([1200, 1250, 1452]) {
            let status = StatusCode::from(code);
            let heard = sensible(status);
            let kept = matches!(code, 200..=211 | 213..=299 | 400 | 402..=406 | 408..);
            let expected = if kept {
                status
            } else {
                StatusCode::COMMAND_FAILED
            };
            assert_eq!(heard, expected);
            assert_eq!(is_done(&delete, heard), code == 200, "{code}");
            assert_eq!(is_done(&exec, heard), heard.is_success(), "{code}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_tree_stays() {
        let dm_tree: Uri = "./VirMO/x/DMTree".parse().unwrap();
        for text in [
            "",
            "urn:x:y",
            "https://example.com/a",
            "/a",
            "a//b",
            "http:",
        ] {
            assert_eq!(outward(&dm_tree, text), text);
        }
        for (text, known) in [
            ("./A/B", "./VirMO/x/DMTree/A/B"),
            ("A", "./VirMO/x/DMTree/A"),
            ("./a:b", "./VirMO/x/DMTree/a:b"),
            (".", "./VirMO/x/DMTree"),
            ("./", "./VirMO/x/DMTree"),
            ("./A?list=Struct", "./VirMO/x/DMTree/A?list=Struct"),
        ] {
            assert_eq!(outward(&dm_tree, text), known);
        }
    }
}
