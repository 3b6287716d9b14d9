use std::{borrow::Cow, sync::Arc};

use omadm_core::{Format, StatusCode};
use omadm_syncml::{Command, Data, Encoding, Fragment, Item, Limits};

use crate::{Answer, Step, Tag, Tagged, Unanswered, request};

/// The commands a procedure yielded at once, and what came back for each.
///
/// The commands inside a group have replies of their own, which follow that of the group.
///
/// ```
/// use omadm_core::StatusCode;
/// use omadm_session::{Answer, Round, Step, request};
///
/// let mut round = Round::new();
/// let Step::Send(sent) = round.send([request::get("./DevInfo/Mod")]) else { unreachable!() };
/// round.answer(Answer::status(sent[0].tag, StatusCode::NOT_FOUND));
/// let reply = &round.replies()[0];
/// assert_eq!((reply.uri(), reply.status()), ("./DevInfo/Mod", Some(StatusCode::NOT_FOUND)));
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Round {
    /// The tag of the first reply; tags count on, so that a late answer never meets a new command.
    first: u32,
    replies: Vec<Reply>,
}

/// What came back for one command of a [`Round`].
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    command: Arc<Command<'static>>,
    status: Option<StatusCode>,
    unanswered: Option<Unanswered>,
    items: Vec<Item<'static>>,
    /// Results came with an Item.
    has_value: bool,
    text: Option<Text>,
}

/// The text of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Text {
    /// It stands in the Item at this place.
    At(usize),
    /// It was made of markup or octets.
    Made(String),
}

impl Round {
    /// Nothing was sent yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: 0,
            replies: Vec::new(),
        }
    }

    /// Forgets the last round and yields the commands of the next one, which the replies share with
    /// whoever else has them.
    pub fn send(&mut self, commands: impl IntoIterator<Item: Into<Arc<Command<'static>>>>) -> Step {
        self.first = self.first.wrapping_add(self.count());
        self.replies = Vec::new();
        let commands = commands.into_iter();
        let mut tagged = Vec::with_capacity(commands.size_hint().0);
        for command in commands {
            let command: Arc<Command<'static>> = command.into();
            let tag = Tag(self.first.wrapping_add(self.count()));
            tagged.push(Tagged::new(tag, Command::clone(&command)));
            let inside = command.flatten().skip(1).cloned().map(Arc::new);
            let inside: Vec<_> = inside.collect();
            if self.replies.capacity() <= self.replies.len() + inside.len() {
                // Mostly there is one.
                let further = inside.len() + self.replies.len() / 2;
                self.replies.reserve_exact(1 + further);
            }
            self.replies.push(Reply::new(command));
            self.replies.extend(inside.into_iter().map(Reply::new));
        }
        Step::Send(tagged)
    }

    /// Yields the same commands once more, as if nothing had come back.
    pub fn send_again(&mut self) -> Step {
        let mut commands = Vec::new();
        let mut replies = self.replies.iter();
        while let Some(reply) = replies.next() {
            commands.push(reply.command.clone());
            // Those inside go with it.
            for _ in reply.command.flatten().skip(1) {
                replies.next();
            }
        }
        self.send(commands)
    }

    /// Takes in what came back; answers to earlier rounds are ignored.
    pub fn answer(&mut self, answer: Answer) {
        let index = answer.tag().0.wrapping_sub(self.first);
        let reply = usize::try_from(index)
            .ok()
            .and_then(|index| self.replies.get_mut(index));
        let Some(reply) = reply else { return };
        match answer {
            Answer::Status { code, items, .. } => {
                // One Status for each Item: the worst one tells.
                if reply.status.is_none_or(|known| known.is_success()) {
                    reply.status = Some(code);
                }
                reply.items.extend(items);
            }
            Answer::Results { items, .. } => {
                if let (None, Some(item)) = (&reply.text, items.first()) {
                    reply.text = text(item).map(|text| match text {
                        Cow::Borrowed(_) => Text::At(reply.items.len()),
                        Cow::Owned(text) => Text::Made(text),
                    });
                }
                reply.has_value |= !items.is_empty();
                match reply.items.is_empty() {
                    true => reply.items = items,
                    false => reply.items.extend(items),
                }
            }
            Answer::NotAnswered { reason, .. } => reply.unanswered = Some(reason),
        }
    }

    /// The replies, in document order of the commands.
    #[must_use]
    pub fn replies(&self) -> &[Reply] {
        &self.replies
    }

    /// Whether a command got lost with its session.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        let lost = Some(Unanswered::SessionLost);
        self.replies.iter().any(|reply| reply.unanswered == lost)
    }

    fn count(&self) -> u32 {
        u32::try_from(self.replies.len()).unwrap_or(u32::MAX)
    }
}

impl Reply {
    const fn new(command: Arc<Command<'static>>) -> Self {
        Self {
            command,
            status: None,
            unanswered: None,
            items: Vec::new(),
            has_value: false,
            text: None,
        }
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> &Command<'static> {
        &self.command
    }

    /// The node it addressed; empty if it addressed none.
    #[must_use]
    pub fn uri(&self) -> &str {
        let item = self.command.items().first();
        let target = item.and_then(|item| item.target.as_ref());
        target.map_or("", |target| &target.uri)
    }

    /// Its Status; the first that is no success, if there are several.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Whether it has a Status, that is a success, and nothing is missing: a Get has Results too.
    #[must_use]
    pub fn is_success(&self) -> bool {
        let has_all = self.has_value || !matches!(*self.command, Command::Get(_));
        self.status.is_some_and(StatusCode::is_success) && self.unanswered.is_none() && has_all
    }

    /// Why it got no answer, if it got none.
    #[must_use]
    pub const fn unanswered(&self) -> Option<Unanswered> {
        self.unanswered
    }

    /// The Items of its Status and its Results.
    #[must_use]
    pub fn items(&self) -> &[Item<'static>] {
        &self.items
    }

    /// The value a Get read, if it read one that is text; markup and subtrees are XML.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let text = match self.text.as_ref()? {
            Text::At(place) => match text(self.items.get(*place)?)? {
                Cow::Borrowed(text) => text,
                Cow::Owned(_) => return None,
            },
            Text::Made(text) => text,
        };
        self.is_success().then_some(text)
    }

    /// The names of the children, if a Get read an interior node. [DM-RepPro]
    #[must_use]
    pub fn children(&self) -> Option<Vec<&str>> {
        let item = self.items.first()?;
        if item.meta.format() != Ok(Format::Node) {
            return None;
        }
        let names = self.text()?.split('/').map(str::trim);
        Some(names.filter(|name| !name.is_empty()).collect())
    }

    /// What went wrong, for people: the command, the node and why.
    #[must_use]
    pub fn complaint(&self) -> String {
        let why = match (self.unanswered, self.status) {
            (Some(Unanswered::TooLarge), _) => "too large".to_owned(),
            (Some(Unanswered::Incomplete), _) => "part of the value got lost".to_owned(),
            (Some(Unanswered::Unencodable), _) => "not expressible in the encoding".to_owned(),
            (Some(Unanswered::SessionLost), _) => "the session ended".to_owned(),
            (None, Some(code)) if !code.is_success() => format!("{code:?}"),
            (None, Some(_)) => "no value".to_owned(),
            (Some(Unanswered::NoStatus), _) | (None, None) => "no status".to_owned(),
        };
        match self.uri() {
            "" => format!("{}: {why}", self.command.name()),
            uri => format!("{} {uri}: {why}", self.command.name()),
        }
    }
}

/// The content of an Item; a leaf without a value may come without Data.
fn text<'i>(item: &'i Item<'_>) -> Option<Cow<'i, str>> {
    match &item.data {
        // One that came in chunks is octets still.
        Some(Data::Opaque(octets)) if item.meta.media_type() == request::TNDS_WBXML => {
            let limits = Limits::lenient().markup;
            let document = Fragment::parse(&octets[..], Encoding::Wbxml, &limits).ok()?;
            let document = Data::Fragment(document);
            Some(Cow::Owned(document.to_text()?.into_owned()))
        }
        Some(data) => data.to_text(),
        None => Some(Cow::Borrowed("")),
    }
}

#[cfg(test)]
mod tests {
    use omadm_syncml::{Group, Meta};

    use crate::request;

    use super::*;

    fn tags(step: Step) -> Vec<Tag> {
        match step {
            Step::Send(sent) => sent.into_iter().map(|tagged| tagged.tag).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn value(text: &str) -> Vec<Item<'static>> {
        vec![Item::new().with_data(text.to_owned())]
    }

    #[test]
    fn replies_stay_with_their_commands() {
        let mut round = Round::new();
        let sent = tags(round.send([request::get("./A"), request::get("./B")]));
        round.answer(Answer::status(sent[1], StatusCode::OK));
        round.answer(Answer::results(sent[1], value("b")));
        round.answer(Answer::not_answered(sent[0], Unanswered::NoStatus));
        let [a, b] = round.replies() else { panic!() };
        assert_eq!(
            (a.status(), a.unanswered()),
            (None, Some(Unanswered::NoStatus))
        );
        assert_eq!(
            (a.text(), a.complaint()),
            (None, "Get ./A: no status".into())
        );
        assert_eq!(
            (b.uri(), b.text(), b.is_success()),
            ("./B", Some("b"), true)
        );
        assert!(!round.is_lost());
    }

    #[test]
    fn answers_of_an_earlier_round_do_not_count() {
        let mut round = Round::new();
        let old = tags(round.send([request::get("./A"), request::get("./B")]));
        round.answer(Answer::not_answered(old[0], Unanswered::SessionLost));
        assert!(round.is_lost());
        let new = tags(round.send_again());
        assert!(new.iter().all(|tag| !old.contains(tag)));
        for tag in old {
            round.answer(Answer::status(tag, StatusCode::OK));
        }
        assert!(round.replies().iter().all(|reply| reply.status().is_none()));
        assert!(!round.is_lost());
    }

    #[test]
    fn what_is_inside_a_group_has_replies_of_its_own() {
        let mut round = Round::new();
        let group = Command::Sequence(Group::new([request::get("./A"), request::delete("./B")]));
        let sent = tags(round.send([group, request::get("./C")]));
        assert_eq!(sent, [Tag(0), Tag(3)]);
        round.answer(Answer::status(Tag(0), StatusCode::OK));
        round.answer(Answer::status(Tag(2), StatusCode::NOT_FOUND));
        round.answer(Answer::not_answered(Tag(3), Unanswered::SessionLost));
        let replies = round.replies().iter();
        let statuses: Vec<_> = replies
            .map(|reply| (reply.command().name(), reply.status()))
            .collect();
        assert_eq!(
            statuses,
            [
                ("Sequence", Some(StatusCode::OK)),
                ("Get", None),
                ("Delete", Some(StatusCode::NOT_FOUND)),
                ("Get", None)
            ]
        );
        let again = round.send_again();
        assert_eq!(tags(again.clone()), [Tag(4), Tag(7)]);
        let Step::Send(commands) = again else {
            panic!()
        };
        let names = commands.iter().map(|tagged| tagged.command.name());
        assert_eq!(names.collect::<Vec<_>>(), ["Sequence", "Get"]);
        let tags = commands[0].flatten().map(|(tag, _)| tag.0);
        assert_eq!(tags.collect::<Vec<_>>(), [4, 5, 6]);
    }

    #[test]
    fn a_get_without_results_has_no_value() {
        let mut round = Round::new();
        let sent = tags(round.send([request::get("./A"), request::delete("./B")]));
        for tag in sent.iter().copied() {
            round.answer(Answer::status_with(tag, StatusCode::OK, value("word")));
        }
        round.answer(Answer::results(sent[0], Vec::new()));
        let [get, delete] = round.replies() else {
            panic!()
        };
        assert_eq!((get.is_success(), get.text()), (false, None));
        assert_eq!(get.complaint(), "Get ./A: no value");
        assert!(delete.is_success());
        round.answer(Answer::results(sent[0], value("a")));
        assert!(round.replies()[0].is_success());
    }

    #[test]
    fn of_several_statuses_the_failure_tells() {
        let mut round = Round::new();
        let sent = tags(round.send([request::get("./A")]));
        for code in [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::OK] {
            round.answer(Answer::status(sent[0], code));
        }
        let reply = &round.replies()[0];
        assert_eq!(reply.status(), Some(StatusCode::NOT_FOUND));
        assert_eq!(reply.complaint(), "Get ./A: 404 Not found");
    }

    #[test]
    fn an_interior_node_lists_its_children() {
        let read = |format: Format, text: &str| {
            let mut round = Round::new();
            let sent = tags(round.send([request::get("./A")]));
            let meta = Meta::new().with_format(format);
            let item = Item::new().with_meta(meta).with_data(text.to_owned());
            round.answer(Answer::status(sent[0], StatusCode::OK));
            round.answer(Answer::results(sent[0], vec![item]));
            let children = round.replies()[0].children();
            children.map(|names| names.join(","))
        };
        assert_eq!(read(Format::Node, "a/b c/d").as_deref(), Some("a,b c,d"));
        assert_eq!(read(Format::Node, "").as_deref(), Some(""));
        assert_eq!(read(Format::Chr, "a/b"), None);
    }

    #[test]
    fn a_value_without_data_is_empty() {
        let mut round = Round::new();
        let sent = tags(round.send([request::get("./A")]));
        round.answer(Answer::results(sent[0], vec![Item::new()]));
        assert_eq!(round.replies()[0].text(), None, "no Status yet");
        round.answer(Answer::status(sent[0], StatusCode::OK));
        assert_eq!(round.replies()[0].text(), Some(""));
    }

    #[test]
    fn octets_without_a_type_are_text() {
        let mut item = Item::new();
        item.data = Some(b"abc".as_slice().into());
        assert_eq!(text(&item).as_deref(), Some("abc"));
        item.meta = Meta::new().with_type(request::TNDS_WBXML);
        assert_eq!(text(&item), None, "no document");
    }
}
