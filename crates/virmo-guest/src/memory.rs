mod objects;

use std::collections::BTreeMap;

use omadm_core::{Format, GenericAlert, StatusCode, UserAnswer};
use omadm_tree::{NewNode, Uri, Value};

use crate::{Answer, Command, Guest, Happening, News, Outcome};

/// A guest in memory that behaves like a small device: for demonstrations, tests, and to begin
/// with.
///
/// It takes any node, as long as its parent is there. A leaf of format `null` can be executed: that
/// is answered with 200 and told by an alert of type [`EXECUTED`](Self::EXECUTED) with the node as
/// its source, the argument as its data and the Correlator; or with 202 and that alert if it is
/// [`slow`](Self::set_slow). So are the operations of LAWMO, FUMO and SCOMO that a host
/// [hands on](crate#objects-the-host-has), without an alert. Nobody sits in front of it: users' answers are
/// [prepared](Self::answer_with), and 215 if none are.
///
/// ```
/// use omadm_tree::Value;
/// use virmo_guest::{Guest, Happening, MemoryGuest};
///
/// let mut guest = MemoryGuest::new();
/// guest.set(&"./Sensor/Temperature".parse()?, Value::int(21));
/// let news = guest.news();
/// assert!(matches!(&news[1].what, Happening::Changed { value, .. } if *value == Value::int(21)));
/// guest.received(news[0].number);
/// assert_eq!(guest.news().len(), 1);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MemoryGuest {
    nodes: BTreeMap<Uri, NewNode>,
    news: Vec<News>,
    last: u32,
    slow: bool,
    users: Vec<UserAnswer>,
    asked: Vec<String>,
    /// What the next operations of objects fail with.
    codes: Vec<u16>,
    /// The status of the operation under way, and what it will be.
    at_work: Option<(Uri, Value)>,
}

impl MemoryGuest {
    /// The type of the alert that tells of an Exec.
    pub const EXECUTED: &'static str = "Reversed-Domain-Name: org.virmo.guest.executed";

    /// The news kept for a host that does not come; the oldest go first beyond.
    pub const MAX_NEWS: usize = 1_000;

    /// A guest without nodes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a leaf from inside, makes what is missing above it, and tells the host.
    pub fn set(&mut self, uri: &Uri, value: Value) {
        let mut above: Vec<_> = uri.ancestors().collect();
        above.retain(|uri| !uri.is_root() && !self.nodes.contains_key(uri));
        for uri in above.into_iter().rev() {
            self.nodes.insert(uri.clone(), NewNode::INTERIOR);
            self.tell(Happening::Appeared {
                uri,
                node_type: None,
            });
        }
        self.nodes.insert(uri.clone(), NewNode::Leaf(value.clone()));
        let uri = uri.clone();
        self.tell(Happening::Changed { uri, value });
    }

    /// Makes an object with this Type, as the guest by itself, where nothing is.
    pub fn make(&mut self, uri: &Uri, node_type: &str) {
        let node_type = Some(node_type.to_owned());
        let node = NewNode::Interior {
            node_type: node_type.clone(),
        };
        if self.add(uri, &node) == StatusCode::OK {
            let uri = uri.clone();
            self.tell(Happening::Appeared { uri, node_type });
        }
    }

    /// Removes a node from inside, and tells the host.
    pub fn remove(&mut self, uri: &Uri) {
        if self.cut(uri) {
            self.tell(Happening::Vanished { uri: uri.clone() });
        }
    }

    /// Tells the host of an alert.
    pub fn raise(&mut self, alert: GenericAlert) {
        self.tell(Happening::Alert(alert));
    }

    /// Whether Execs are answered with 202 and later.
    pub const fn set_slow(&mut self, slow: bool) {
        self.slow = slow;
    }

    /// What the next operation of an object fails with, a result code; several fail one after the
    /// other.
    pub fn fail_with(&mut self, code: u16) {
        self.codes.push(code);
    }

    /// What the user says when asked next; several are said one after the other.
    pub fn answer_with(&mut self, answer: UserAnswer) {
        self.users.push(answer);
    }

    /// The texts the user was asked.
    #[must_use]
    pub fn asked(&self) -> &[String] {
        &self.asked
    }

    /// What a leaf holds.
    #[must_use]
    pub fn value(&self, uri: &Uri) -> Option<&Value> {
        match self.nodes.get(uri)? {
            NewNode::Leaf(value) => Some(value),
            NewNode::Interior { .. } => None,
        }
    }

    /// Whether there is such a node.
    #[must_use]
    pub fn contains(&self, uri: &Uri) -> bool {
        uri.is_root() || self.nodes.contains_key(uri)
    }

    fn tell(&mut self, what: Happening) {
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.news.push(News::new(self.last, what));
        let surplus = self.news.len().saturating_sub(Self::MAX_NEWS);
        self.news.drain(..surplus);
    }

    fn cut(&mut self, uri: &Uri) -> bool {
        let before = self.nodes.len();
        self.nodes.retain(|node, _| !node.starts_with(uri));
        self.nodes.len() < before
    }

    fn add(&mut self, uri: &Uri, node: &NewNode) -> StatusCode {
        if self.contains(uri) {
            return StatusCode::ALREADY_EXISTS;
        }
        let parent = uri.parent().unwrap_or_else(Uri::root);
        match self.nodes.get(&parent) {
            None if !parent.is_root() => return StatusCode::NOT_FOUND,
            Some(NewNode::Leaf(_)) => return StatusCode::COMMAND_NOT_ALLOWED,
            _ => {}
        }
        self.nodes.insert(uri.clone(), node.clone());
        StatusCode::OK
    }

    fn replace(&mut self, uri: &Uri, value: &Value) -> StatusCode {
        match self.nodes.get_mut(uri) {
            Some(NewNode::Leaf(held)) => {
                *held = value.clone();
                StatusCode::OK
            }
            Some(NewNode::Interior { .. }) => StatusCode::COMMAND_NOT_ALLOWED,
            None => StatusCode::NOT_FOUND,
        }
    }

    fn read(&self, uri: &Uri) -> Answer {
        match self.nodes.get(uri) {
            Some(NewNode::Leaf(value)) => {
                Answer::new(StatusCode::OK, Outcome::Value(value.clone()))
            }
            None if !uri.is_root() => StatusCode::NOT_FOUND.into(),
            _ => {
                let children = self
                    .nodes
                    .keys()
                    .filter(|node| node.parent().as_ref() == Some(uri));
                let names = children.filter_map(Uri::name).map(str::to_owned);
                Answer::new(StatusCode::OK, Outcome::Children(names.collect()))
            }
        }
    }
}

impl Guest for MemoryGuest {
    fn carry_out(&mut self, command: &Command) -> Answer {
        match command {
            Command::Add { uri, node } => self.add(uri, node).into(),
            Command::Replace { uri, value } => self.replace(uri, value).into(),
            Command::Delete { uri } if self.cut(uri) => StatusCode::OK.into(),
            Command::Delete { .. } => StatusCode::NOT_FOUND.into(),
            Command::Copy { from, to } => match self.value(from).cloned() {
                Some(value) if self.contains(to) => self.replace(to, &value).into(),
                Some(value) => self.add(to, &NewNode::Leaf(value)).into(),
                None if self.contains(from) => StatusCode::COMMAND_NOT_ALLOWED.into(),
                None => StatusCode::NOT_FOUND.into(),
            },
            Command::Get { uri } => {
                let answer = self.read(uri);
                self.was_read(uri);
                answer
            }
            Command::Exec {
                uri,
                argument,
                correlator,
            } => match self.value(uri).map(Value::format) {
                Some(Format::Null) => {
                    let mut alert = GenericAlert::new(Self::EXECUTED, Format::Chr);
                    alert.source = Some(uri.to_string());
                    alert.correlator.clone_from(correlator);
                    let argument = argument.as_deref().unwrap_or_default();
                    alert.data = String::from_utf8_lossy(argument).into_owned();
                    self.raise(alert);
                    if self.slow {
                        StatusCode::ACCEPTED.into()
                    } else {
                        StatusCode::OK.into()
                    }
                }
                _ => match self.operate(uri) {
                    Some(answer) => answer,
                    None if self.contains(uri) => StatusCode::COMMAND_NOT_ALLOWED.into(),
                    None => StatusCode::NOT_FOUND.into(),
                },
            },
            Command::Ask(asked) => {
                self.asked.push(asked.text.clone());
                if self.users.is_empty() {
                    return StatusCode::NOT_EXECUTED.into();
                }
                match self.users.remove(0) {
                    answer if asked.accepts(&answer) => answer.into(),
                    _ => UserAnswer::Cancelled.into(),
                }
            }
        }
    }

    fn news(&self) -> Vec<News> {
        self.news.clone()
    }

    fn received(&mut self, number: u32) {
        self.news.retain(|news| news.number != number);
    }
}
