use std::collections::BTreeMap;

use omadm_syncml::{CmdId, CmdRef, Results, Status};

/// What this end sent and still waits for, found by (MsgRef, CmdRef). [DM-RepPro]
///
/// A command stays until [`Ledger::close`], because Results follow its Status and a command of
/// several Items may get several of them.
///
/// ```
/// use omadm_core::StatusCode;
/// use omadm_session::Ledger;
/// use omadm_syncml::{CmdId, Status};
///
/// let mut ledger = Ledger::new();
/// ledger.sent(3, CmdId::FIRST, "the Get");
/// let status = Status::new(3, CmdId::FIRST, "Get", StatusCode::OK);
/// assert_eq!(ledger.status(&status), Some(&"the Get"));
/// let stray = Status::new(2, CmdId::FIRST, "Get", StatusCode::OK);
/// assert_eq!(ledger.status(&stray), None);
/// assert!(ledger.close().is_empty());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ledger<T> {
    entries: BTreeMap<(u32, CmdId), Entry<T>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry<T> {
    tag: T,
    answered: bool,
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Ledger<T> {
    /// A ledger in which nothing is awaited.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }

    /// Notes a command that was sent in the message `msg_id`.
    pub fn sent(&mut self, msg_id: u32, cmd_id: CmdId, tag: T) {
        let entry = Entry {
            tag,
            answered: false,
        };
        self.entries.insert((msg_id, cmd_id), entry);
    }

    /// The command a Status answers, which counts as answered from now on; none if its reference
    /// is wrong.
    pub fn status(&mut self, status: &Status<'_>) -> Option<&T> {
        let CmdRef::Command(id) = status.cmd_ref else {
            return None;
        };
        let entry = self.entries.get_mut(&(status.msg_ref, id))?;
        entry.answered = true;
        Some(&entry.tag)
    }

    /// The command that Results belong to, and whether its Status came already; none if the
    /// reference is wrong. An absent MsgRef means the last message that holds the command.
    #[must_use]
    pub fn results(&self, results: &Results<'_>) -> Option<(&T, bool)> {
        let CmdRef::Command(id) = results.cmd_ref else {
            return None;
        };
        let entry = match results.msg_ref {
            Some(msg_ref) => self.entries.get(&(msg_ref, id)),
            None => self
                .entries
                .iter()
                .rev()
                .find_map(|((_, sent), entry)| (*sent == id).then_some(entry)),
        }?;
        Some((&entry.tag, entry.answered))
    }

    /// Forgets everything; returns what got no Status, in the order it was sent.
    pub fn close(&mut self) -> Vec<T> {
        std::mem::take(&mut self.entries)
            .into_values()
            .filter(|entry| !entry.answered)
            .map(|entry| entry.tag)
            .collect()
    }

    /// How many commands wait for their Status.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.entries
            .values()
            .filter(|entry| !entry.answered)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use omadm_core::StatusCode;

    use super::*;

    fn id(number: u32) -> CmdId {
        CmdId::new(number).unwrap()
    }

    #[test]
    fn what_got_no_status_is_returned_in_order() {
        let mut ledger = Ledger::new();
        ledger.sent(2, id(1), "c");
        ledger.sent(1, id(3), "b");
        ledger.sent(1, id(2), "a");
        assert_eq!(ledger.waiting(), 3);
        let status = Status::new(1, id(3), "Get", StatusCode::OK);
        assert_eq!(ledger.status(&status), Some(&"b"));
        assert_eq!(
            ledger.status(&status),
            Some(&"b"),
            "one Status for each Item"
        );
        assert_eq!(ledger.waiting(), 2);
        assert_eq!(ledger.close(), ["a", "c"]);
        assert_eq!(ledger.status(&status), None);
    }

    #[test]
    fn results_find_their_command_by_reference_or_in_the_last_message() {
        let mut ledger = Ledger::new();
        ledger.sent(1, id(1), "old");
        ledger.sent(2, id(1), "new");
        let mut results = Results::new(1, id(1), []);
        assert_eq!(ledger.results(&results), Some((&"old", false)));
        results.msg_ref = None;
        assert_eq!(ledger.results(&results), Some((&"new", false)));
        ledger.status(&Status::new(2, id(1), "Get", StatusCode::OK));
        assert_eq!(ledger.results(&results), Some((&"new", true)));
        results.msg_ref = Some(3);
        assert_eq!(ledger.results(&results), None);
    }

    #[test]
    fn a_reference_to_the_header_is_no_command() {
        let mut ledger = Ledger::new();
        ledger.sent(1, id(1), ());
        for cmd_ref in [CmdRef::Header, CmdRef::Nameless] {
            let status = Status::new(1, cmd_ref, "Get", StatusCode::OK);
            assert_eq!(ledger.status(&status), None);
            assert_eq!(ledger.results(&Results::new(1, cmd_ref, [])), None);
        }
    }
}
