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
    /// In the order of message and command.
    entries: Vec<Entry<T>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry<T> {
    key: (u32, CmdId),
    tag: T,
    answered: bool,
    /// Results are to come, or came.
    results: Option<Due>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    Awaited,
    Settled,
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
            entries: Vec::new(),
        }
    }

    /// Notes a command that was sent in the message `msg_id`.
    pub fn sent(&mut self, msg_id: u32, cmd_id: CmdId, tag: T) {
        let entry = Entry {
            key: (msg_id, cmd_id),
            tag,
            answered: false,
            results: None,
        };
        if self.entries.len() == self.entries.capacity() {
            // What is open at a time is mostly one command.
            self.entries.reserve_exact(1 + self.entries.len() / 2);
        }
        match self.place(entry.key) {
            Ok(place) => {
                if let Some(known) = self.entries.get_mut(place) {
                    *known = entry;
                }
            }
            Err(place) => self.entries.insert(place, entry),
        }
    }

    /// Forgets a command, which the peer did not process and is to get again.
    pub fn remove(&mut self, msg_id: u32, cmd_id: CmdId) -> Option<T> {
        let place = self.place((msg_id, cmd_id)).ok()?;
        Some(self.entries.remove(place).tag)
    }

    /// Where an entry is, or is to be.
    fn place(&self, key: (u32, CmdId)) -> Result<usize, usize> {
        match self.entries.last() {
            Some(last) if last.key < key => Err(self.entries.len()),
            _ => self.entries.binary_search_by_key(&key, |entry| entry.key),
        }
    }

    fn get(&self, key: (u32, CmdId)) -> Option<&Entry<T>> {
        self.entries.get(self.place(key).ok()?)
    }

    fn get_mut(&mut self, key: (u32, CmdId)) -> Option<&mut Entry<T>> {
        let place = self.place(key).ok()?;
        self.entries.get_mut(place)
    }

    /// The command a Status answers, which counts as answered from now on; none if its reference
    /// is wrong.
    pub fn status(&mut self, status: &Status<'_>) -> Option<&T> {
        let CmdRef::Command(id) = status.cmd_ref else {
            return None;
        };
        let entry = self.get_mut((status.msg_ref, id))?;
        entry.answered = true;
        if status.cmd == "Get" && status.code.is_success() {
            entry.results.get_or_insert(Due::Awaited);
        }
        Some(&entry.tag)
    }

    /// The command a Status answers; none if its reference is wrong. Changes nothing.
    #[must_use]
    pub fn find(&self, status: &Status<'_>) -> Option<&T> {
        let CmdRef::Command(id) = status.cmd_ref else {
            return None;
        };
        let entry = self.get((status.msg_ref, id))?;
        Some(&entry.tag)
    }

    /// Notes that the Results of a command are known, the last chunk of them included.
    pub fn settle(&mut self, results: &Results<'_>) {
        if let Some(key) = self.results_key(results)
            && let Some(entry) = self.get_mut(key)
        {
            entry.results = Some(Due::Settled);
        }
    }

    /// The command that Results belong to, and whether its Status came already; none if the
    /// reference is wrong. An absent MsgRef means the last message that holds the command.
    #[must_use]
    pub fn results(&self, results: &Results<'_>) -> Option<(&T, bool)> {
        let entry = self.get(self.results_key(results)?)?;
        Some((&entry.tag, entry.answered))
    }

    fn results_key(&self, results: &Results<'_>) -> Option<(u32, CmdId)> {
        let CmdRef::Command(id) = results.cmd_ref else {
            return None;
        };
        match results.msg_ref {
            Some(msg_ref) => Some((msg_ref, id)),
            None => {
                let mut keys = self.entries.iter().map(|entry| entry.key).rev();
                keys.find(|key| key.1 == id)
            }
        }
    }

    /// Forgets everything; returns what got no Status, in the order it was sent.
    pub fn close(&mut self) -> Vec<T> {
        std::mem::take(&mut self.entries)
            .into_iter()
            .filter(|entry| !entry.answered)
            .map(|entry| entry.tag)
            .collect()
    }

    /// Forgets everything; returns what got no Status, or none of the Results it was to get, in the
    /// order it was sent.
    pub fn lose(&mut self) -> Vec<T> {
        std::mem::take(&mut self.entries)
            .into_iter()
            .filter(|entry| !entry.answered || entry.results == Some(Due::Awaited))
            .map(|entry| entry.tag)
            .collect()
    }

    /// What waits for its Status, in the order it was sent.
    pub fn waiting(&self) -> impl Iterator<Item = &T> {
        let waiting = self.entries.iter().filter(|entry| !entry.answered);
        waiting.map(|entry| &entry.tag)
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
        assert!(ledger.waiting().eq(&["a", "b", "c"]));
        let status = Status::new(1, id(3), "Get", StatusCode::OK);
        assert_eq!(ledger.status(&status), Some(&"b"));
        assert_eq!(
            ledger.status(&status),
            Some(&"b"),
            "one Status for each Item"
        );
        assert!(ledger.waiting().eq(&["a", "c"]));
        assert_eq!(ledger.remove(2, id(1)), Some("c"));
        assert_eq!(ledger.remove(2, id(1)), None);
        ledger.sent(2, id(1), "c");
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
    fn a_lost_session_loses_what_waits_for_a_status_or_results() {
        let mut ledger = Ledger::new();
        for n in 1..=5 {
            ledger.sent(1, id(n), n);
        }
        for (n, cmd, code) in [
            (2, "Get", StatusCode::OK),
            (3, "Get", StatusCode::OK),
            (4, "Get", StatusCode::NOT_FOUND),
            (5, "Add", StatusCode::OK),
        ] {
            ledger.status(&Status::new(1, id(n), cmd, code));
        }
        ledger.settle(&Results::new(1, id(3), []));
        assert_eq!(ledger.lose(), [1, 2]);
        assert_eq!(ledger.waiting().count(), 0);
        // Results may come first.
        ledger.sent(1, id(1), 1);
        ledger.settle(&Results::new(1, id(1), []));
        ledger.status(&Status::new(1, id(1), "Get", StatusCode::OK));
        assert!(ledger.lose().is_empty());
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
