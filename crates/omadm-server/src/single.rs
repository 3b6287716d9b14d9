use omadm_core::GenericAlert;
use omadm_session::{Answer, Correlators, Procedure, Reply, Round, Step, request, request::Leaf};
use omadm_syncml::Command;
use omadm_tree::{List, Property};

use crate::tracked::Tracked;

/// How often commands are sent again after their session was lost.
pub(crate) const RETRIES: u32 = 3;

/// One command as a procedure.
///
/// The report holds the value or the names of the children a Get read. An Exec that is answered
/// with 202 waits for its alert, and what is queued for the device behind it waits too, over as
/// many sessions as [`SingleCommand::within_sessions`] says. Then it is given up: it finishes with
/// a report of failure with status 202, and an alert that comes after all is one nobody waits for.
///
/// When the session is lost, Add, Copy, Delete, Get and Replace are sent again; an Exec is not, because
/// it may have been executed. What is sent again succeeds where nothing is left to do: an Add with
/// the status 418, a Delete with 404.
///
/// ```
/// use omadm_server::{Config, Everyone, Server, SingleCommand};
///
/// let mut server = Server::new(Config::new("r1"), Everyone);
/// server.enqueue("urn:x:dev1", Box::new(SingleCommand::get("./DevDetail/SwV")))?;
/// # Ok::<(), omadm_server::EnqueueError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct SingleCommand {
    command: Tracked,
    round: Round,
    lost: u32,
}

impl SingleCommand {
    /// How many further sessions may begin without the alert of an accepted Exec, unless said
    /// otherwise: 20.
    pub const DEFAULT_SESSIONS: u32 = 20;

    /// Reads a node.
    #[must_use]
    pub fn get(uri: &str) -> Self {
        Self::new(request::get(uri))
    }

    /// Reads a property of a node.
    #[must_use]
    pub fn property(uri: &str, property: Property) -> Self {
        Self::get(&format!("{uri}?prop={property}"))
    }

    /// Reads the subtree of a node. The report of a [`List::Tnds`] holds the document as its value,
    /// in XML; that of the others the addresses of the nodes as its children, and
    /// [`SingleCommand::reply`] the rest.
    #[must_use]
    pub fn list(uri: &str, list: List) -> Self {
        Self::get(&format!("{uri}?list={list}"))
    }

    /// Adds an interior node, with the identifier of the management object it is the root of.
    #[must_use]
    pub fn add_node(uri: &str, moid: Option<&str>) -> Self {
        Self::new(request::add_node(uri, moid))
    }

    /// Adds a leaf.
    #[must_use]
    pub fn add(uri: &str, leaf: Leaf) -> Self {
        Self::new(request::add(uri, leaf))
    }

    /// Adds a subtree: a TNDS document in XML, whose paths are relative to `uri`.
    #[must_use]
    pub fn add_tree(uri: &str, document: impl Into<String>) -> Self {
        Self::new(request::add_tree(uri, document))
    }

    /// Replaces a subtree by that of a TNDS document in XML: what it does not have is deleted.
    #[must_use]
    pub fn replace_tree(uri: &str, document: impl Into<String>) -> Self {
        Self::new(request::replace_tree(uri, document))
    }

    /// Writes the value of one leaf to another, which is created if it does not exist.
    #[must_use]
    pub fn copy(from: &str, to: &str) -> Self {
        Self::new(request::copy(from, to))
    }

    /// Replaces the value of a leaf.
    #[must_use]
    pub fn replace(uri: &str, leaf: Leaf) -> Self {
        Self::new(request::replace(uri, leaf))
    }

    /// Deletes a node and what is below it.
    #[must_use]
    pub fn delete(uri: &str) -> Self {
        Self::new(request::delete(uri))
    }

    /// Executes a node.
    #[must_use]
    pub fn exec(uri: &str) -> Self {
        Self::new(request::exec(uri, None))
    }

    /// Any command; an Exec gets a Correlator if it has none.
    #[must_use]
    pub fn new(command: Command<'static>) -> Self {
        Self {
            command: Tracked::new(command, Self::DEFAULT_SESSIONS),
            round: Round::new(),
            lost: 0,
        }
    }

    /// Gives up an accepted Exec when its alert has not come and as many further sessions have
    /// begun; with 0, at once. Default: [`Self::DEFAULT_SESSIONS`].
    #[must_use]
    pub const fn within_sessions(mut self, sessions: u32) -> Self {
        self.command.set_max_sessions(sessions);
        self
    }

    /// Takes into account that an earlier run of the server may have sent it, as if its session had
    /// been lost: an Exec fails without being sent.
    #[must_use]
    pub const fn resumed(mut self) -> Self {
        self.command.again();
        self
    }

    /// What came back; none before the command was sent.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        self.round.replies().first()
    }

    pub(crate) fn into_tracked(self) -> Tracked {
        self.command
    }
}

impl Procedure for SingleCommand {
    fn poll(&mut self, correlators: &mut Correlators) -> Step {
        let Some(reply) = self.round.replies().first() else {
            return match self.command.unknown() {
                Some(report) => Step::Done(report),
                None => self.round.send([self.command.start(correlators)]),
            };
        };
        if self.round.is_lost() && self.command.is_repeatable() && self.lost < RETRIES {
            self.lost += 1;
            self.command.again();
            return self.round.send_again();
        }
        self.command.report(reply).map_or(Step::Wait, Step::Done)
    }

    fn answer(&mut self, answer: Answer) {
        self.round.answer(answer);
    }

    fn alert(&mut self, alert: &GenericAlert) -> bool {
        self.command.alert(alert)
    }

    fn begin_session(&mut self) {
        self.command.begin_session();
    }
}

#[cfg(test)]
mod tests {
    use omadm_core::{Correlator, Format, StatusCode};
    use omadm_session::{Report, Tag, Tagged, Unanswered};
    use omadm_syncml::{Item, Meta};
    use omadm_tree::PropertySelection;

    use super::*;

    fn sent(step: Step) -> (Tag, Command<'static>) {
        match step {
            Step::Send(mut commands) if commands.len() == 1 => {
                let Tagged { tag, command } = commands.remove(0);
                (tag, command)
            }
            other => panic!("{other:?}"),
        }
    }

    fn done(step: Step) -> Report {
        match step {
            Step::Done(report) => report,
            other => panic!("{other:?}"),
        }
    }

    fn read(format: Format, text: &str) -> Report {
        let mut correlators = Correlators::new("t");
        let mut get = SingleCommand::get("./A");
        let (tag, _) = sent(get.poll(&mut correlators));
        get.answer(Answer::status(tag, StatusCode::OK));
        let meta = Meta::new().with_format(format);
        let item = Item::new().with_meta(meta).with_data(text.to_owned());
        get.answer(Answer::results(tag, vec![item]));
        done(get.poll(&mut correlators))
    }

    #[test]
    fn a_get_reports_value_or_children() {
        let report = read(Format::Int, "2");
        assert_eq!((report.ok, report.value.as_deref()), (true, Some("2")));
        assert_eq!(report.children, None);
        let report = read(Format::Node, "a/b");
        assert_eq!(report.children, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(report.value, None);
    }

    #[test]
    fn a_list_reports_addresses_and_a_document_its_xml() {
        let mut correlators = Correlators::new("t");
        let mut list = SingleCommand::list("./A", List::Struct);
        let (tag, command) = sent(list.poll(&mut correlators));
        assert_eq!(command.items()[0].target, Some("./A?list=Struct".into()));
        list.answer(Answer::status(tag, StatusCode::OK));
        let node = Item::new().with_meta(Meta::new().with_format(Format::Node));
        let items = ["./A", "./A/b"].map(|uri| node.clone().with_source(uri));
        list.answer(Answer::results(tag, items[..1].to_vec()));
        list.answer(Answer::results(tag, items[1..].to_vec()));
        let report = done(list.poll(&mut correlators));
        assert_eq!(
            report.children,
            Some(vec!["./A".to_owned(), "./A/b".to_owned()])
        );
        assert_eq!(report.value, None);

        let tnds = List::Tnds(PropertySelection::ALL);
        let mut list = SingleCommand::list("./A", tnds);
        let (tag, _) = sent(list.poll(&mut correlators));
        list.answer(Answer::status(tag, StatusCode::OK));
        let meta = Meta::new().with_format(Format::Xml);
        let item = Item::new().with_meta(meta).with_data("<MgmtTree/>");
        list.answer(Answer::results(tag, vec![item]));
        let report = done(list.poll(&mut correlators));
        assert_eq!(
            (report.value.as_deref(), report.children),
            (Some("<MgmtTree/>"), None)
        );
    }

    #[test]
    fn a_get_without_results_is_a_failure() {
        let mut correlators = Correlators::new("t");
        let mut get = SingleCommand::get("./A");
        let (tag, _) = sent(get.poll(&mut correlators));
        get.answer(Answer::status(tag, StatusCode::OK));
        let mut chunked = get.clone();
        let report = done(get.poll(&mut correlators));
        assert_eq!((report.ok, report.status), (false, Some(StatusCode::OK)));
        assert_eq!(report.detail.as_deref(), Some("Get ./A: no value"));
        chunked.answer(Answer::not_answered(tag, Unanswered::TooLarge));
        let report = done(chunked.poll(&mut correlators));
        assert_eq!(report.detail.as_deref(), Some("Get ./A: too large"));
    }

    #[test]
    fn a_failure_says_what_failed() {
        let mut correlators = Correlators::new("t");
        for mut command in [
            SingleCommand::get("./A"),
            SingleCommand::add("./A", "x".into()),
            SingleCommand::add_node("./A", None),
            SingleCommand::replace("./A", "x".into()),
            SingleCommand::delete("./A"),
            SingleCommand::copy("./B", "./A"),
            SingleCommand::add_tree("./A", "<MgmtTree/>"),
            SingleCommand::replace_tree("./A", "<MgmtTree/>"),
            SingleCommand::exec("./A"),
        ] {
            let (tag, sent) = sent(command.poll(&mut correlators));
            command.answer(Answer::status(tag, StatusCode::NOT_FOUND));
            let report = done(command.poll(&mut correlators));
            assert_eq!(
                (report.ok, report.status),
                (false, Some(StatusCode::NOT_FOUND))
            );
            let detail = format!("{} ./A: 404 Not found", sent.name());
            assert_eq!(report.detail, Some(detail));
        }
    }

    #[test]
    fn a_lost_command_is_sent_again_a_few_times() {
        let mut correlators = Correlators::new("t");
        let mut delete = SingleCommand::delete("./A");
        for _ in 0..4 {
            let (tag, _) = sent(delete.poll(&mut correlators));
            delete.answer(Answer::not_answered(tag, Unanswered::SessionLost));
        }
        let report = done(delete.poll(&mut correlators));
        assert_eq!((report.ok, report.status), (false, None));
    }

    #[test]
    fn a_lost_exec_is_not_sent_again() {
        let mut correlators = Correlators::new("t");
        let mut exec = SingleCommand::exec("./A");
        let (tag, _) = sent(exec.poll(&mut correlators));
        exec.answer(Answer::not_answered(tag, Unanswered::SessionLost));
        let report = done(exec.poll(&mut correlators));
        assert_eq!((report.ok, report.status), (false, None));
    }

    #[test]
    fn an_accepted_exec_ends_with_its_alert() {
        for (data, ok) in [("200", true), ("500", false)] {
            let mut correlators = Correlators::new("t");
            let mut exec = SingleCommand::exec("./A");
            let (tag, command) = sent(exec.poll(&mut correlators));
            let Command::Exec(command) = command else {
                panic!()
            };
            assert_eq!(command.correlator.as_deref(), Some("t-1"));
            exec.answer(Answer::status(tag, StatusCode::ACCEPTED));
            assert_eq!(exec.poll(&mut correlators), Step::Wait);
            exec.begin_session();
            assert_eq!(exec.poll(&mut correlators), Step::Wait);
            let mut alert = GenericAlert::new("com.example.done", Format::Int);
            alert.correlator = Some(Correlator::new("t-1"));
            alert.data = data.to_owned();
            assert!(exec.alert(&alert));
            let report = done(exec.poll(&mut correlators));
            assert_eq!(
                (report.ok, report.status),
                (ok, data.parse().ok().map(u16::into))
            );
        }
    }

    #[test]
    fn an_accepted_exec_without_alert_is_given_up_at_last() {
        let exec = SingleCommand::exec("./A");
        for (mut exec, sessions) in [
            (exec.clone(), SingleCommand::DEFAULT_SESSIONS),
            (exec.clone().within_sessions(0), 0),
            (exec.within_sessions(3), 3),
        ] {
            let mut correlators = Correlators::new("t");
            let (tag, _) = sent(exec.poll(&mut correlators));
            exec.answer(Answer::status(tag, StatusCode::ACCEPTED));
            for _ in 0..sessions {
                assert_eq!(exec.poll(&mut correlators), Step::Wait);
                exec.begin_session();
            }
            let report = done(exec.poll(&mut correlators));
            let status = Some(StatusCode::ACCEPTED);
            assert_eq!((report.ok, report.status), (false, status));
            let detail = format!("Exec ./A: no alert in {sessions} further sessions");
            assert_eq!(report.detail, Some(detail));
        }
    }
}
