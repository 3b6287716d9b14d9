//! Commands as they stand in the plan.

use virmo::dm::core::base64;
use virmo::dm::{
    core::{Format, StatusCode},
    markup::Encoding,
    mo::tnds,
    server::{CommandGroup, SingleCommand},
    session::{Answer, Correlators, Procedure, Reply, Report, Round, Step as Next, request},
    syncml::{Command, Data, Group, Item, NodeCommand},
    tree::{List, Selector, Target, Uri, Value},
};

use crate::{
    commands::device::chain,
    plan::{Leaf, Raw},
};

/// What a command is called, and how it is done; an earlier run of the server may have sent it.
pub(super) fn procedure(raw: &Raw, resumed: bool) -> Result<(String, Box<dyn Procedure>), String> {
    let procedure: Box<dyn Procedure> = match raw {
        Raw::Atomic(group) => {
            let members = members(group)?;
            refuse_atomic(group)?;
            Box::new(resume(CommandGroup::atomic(members), resumed))
        }
        Raw::Sequence(group) => {
            let group = CommandGroup::sequence(members(group)?);
            Box::new(resume(group, resumed))
        }
        raw => Box::new(Single {
            command: command(raw)?,
            round: Round::default(),
            retries: 0,
            again: resumed,
        }),
    };
    Ok((label(raw), procedure))
}

fn resume(group: CommandGroup, resumed: bool) -> CommandGroup {
    if resumed { group.resumed() } else { group }
}

fn label(raw: &Raw) -> String {
    match raw {
        Raw::Get(uri) => format!("get {uri}"),
        Raw::Exec(uri) => format!("exec {uri}"),
        Raw::Delete(uri) => format!("delete {uri}"),
        Raw::Copy(it) => format!("copy {} to {}", it.from, it.to),
        Raw::Add(it) => format!("add {}", it.uri),
        Raw::Replace(it) => format!("replace {}", it.uri),
        Raw::Atomic(group) => format!("atomic of {}", group.len()),
        Raw::Sequence(group) => format!("sequence of {}", group.len()),
    }
}

fn members(group: &[Raw]) -> Result<Vec<SingleCommand>, String> {
    if group.is_empty() {
        return Err("nothing in it".to_owned());
    }
    let members = group.iter().map(|raw| command(raw).map(SingleCommand::new));
    members.collect()
}

fn command(raw: &Raw) -> Result<Command<'static>, String> {
    Ok(match raw {
        Raw::Get(uri) => request::get(target(uri)?),
        Raw::Exec(uri) => request::exec(node(uri)?, None),
        Raw::Delete(uri) => request::delete(node(uri)?),
        Raw::Copy(it) => {
            let (from, to) = (node(&it.from)?.to_owned(), node(&it.to)?.to_owned());
            let item = Item::new().with_source(from).with_target(to);
            Command::Copy(NodeCommand::new([item]))
        }
        Raw::Add(it) => match value(it)? {
            Some(value) => request::add(node(&it.uri)?, value),
            None => request::add_node(node(&it.uri)?, it.media_type.as_deref()),
        },
        Raw::Replace(it) => {
            let value = value(it)?.ok_or("a value is missing")?;
            request::replace(target(&it.uri)?, value)
        }
        Raw::Atomic(group) => {
            refuse_atomic(group)?;
            Command::Atomic(inner(group)?)
        }
        Raw::Sequence(group) => Command::Sequence(inner(group)?),
    })
}

/// Every device refuses an Atomic in an Atomic.
fn refuse_atomic(group: &[Raw]) -> Result<(), String> {
    let mut open: Vec<&Raw> = group.iter().collect();
    while let Some(raw) = open.pop() {
        match raw {
            Raw::Atomic(_) => return Err("an atomic in an atomic".to_owned()),
            Raw::Sequence(group) => open.extend(group),
            _ => {}
        }
    }
    Ok(())
}

fn inner(group: &[Raw]) -> Result<Group<'static>, String> {
    if group.is_empty() {
        return Err("nothing in it".to_owned());
    }
    let commands: Result<Vec<_>, String> = group.iter().map(command).collect();
    Ok(Group::new(commands?))
}

fn node(uri: &str) -> Result<&str, String> {
    match Uri::parse(uri) {
        Ok(_) => Ok(uri),
        Err(error) => Err(format!("{uri:?}: {}", chain(&error))),
    }
}

/// A node, or a property or the list of one.
fn target(uri: &str) -> Result<&str, String> {
    match Target::parse(uri) {
        Ok(_) => Ok(uri),
        Err(error) => Err(format!("{uri:?}: {}", chain(&error))),
    }
}

/// The value of a leaf; none for an interior node.
fn value(it: &Leaf) -> Result<Option<request::Leaf>, String> {
    let format = match &it.format {
        None => Format::Chr,
        Some(word) => word.parse().map_err(|error| format!("{word:?}: {error}"))?,
    };
    let octets = match (&it.value, &it.value_file) {
        (Some(_), Some(_)) => return Err("value and value_file are one too many".to_owned()),
        (None, None) if it.format.is_none() || format == Format::Node => return Ok(None),
        (Some(value), None) => value.as_bytes(),
        (None, _) => it.content.as_deref().unwrap_or_default(),
    };
    let data = match format {
        // What stands in the plan stands there as it goes out; a file is as it is.
        Format::B64 | Format::Bin if it.value.is_none() => Data::from(base64::encode(octets)),
        _ => {
            let text = str::from_utf8(octets);
            let text = text.map_err(|error| format!("the value is no text: {error}"))?;
            fits(format, it.media_type.as_deref(), text)?;
            Data::from(text.to_owned())
        }
    };
    let format = match format {
        Format::Bin if it.value.is_none() => Format::B64,
        format => format,
    };
    let leaf = request::Leaf::new(format, data);
    Ok(Some(match &it.media_type {
        Some(media_type) => leaf.with_type(media_type),
        None => leaf,
    }))
}

/// The type of a serialized tree in XML.
const TNDS: &str = "application/vnd.syncml.dmtnds+xml";

/// Whether a value is one of its format, and a tree if it says so.
fn fits(format: Format, media_type: Option<&str>, text: &str) -> Result<(), String> {
    // These are octets, in the form that the message needs.
    if !matches!(format, Format::Bin | Format::B64 | Format::Node)
        && Value::new(format, None, text).is_err()
    {
        let shown: String = text.chars().take(80).collect();
        return Err(format!("{shown:?} is no {format}"));
    }
    if media_type == Some(TNDS) {
        let limits = tnds::Limits::default();
        tnds::Document::decode(text.as_bytes(), Encoding::Xml, &limits)
            .map_err(|error| format!("the value is no tree: {}", chain(&error)))?;
    }
    Ok(())
}

/// How often a command is sent again whose session was lost.
const RETRIES: u32 = 3;

/// One command. It is done with its Status, whatever an Exec has set off. It is sent again if its
/// session was lost, except an Exec, which may have been executed; an Add or a Delete that did its
/// work before is a success then.
#[derive(Debug)]
struct Single {
    command: Command<'static>,
    round: Round,
    retries: u32,
    /// Whether it was sent before.
    again: bool,
}

impl Procedure for Single {
    fn poll(&mut self, _: &mut Correlators) -> Next {
        let repeatable = !matches!(self.command, Command::Exec(_));
        let Some(reply) = self.round.replies().first() else {
            if self.again && !repeatable {
                let why = "sent before the server was restarted, the outcome is lost";
                return Next::Done(Report::failure(None, why));
            }
            return self.round.send([self.command.clone()]);
        };
        if self.round.is_lost() && repeatable && self.retries < RETRIES {
            self.retries += 1;
            self.again = true;
            return self.round.send_again();
        }
        let done = match self.command {
            Command::Add(_) => Some(StatusCode::ALREADY_EXISTS),
            Command::Delete(_) => Some(StatusCode::NOT_FOUND),
            _ => None,
        };
        let is_done = self.again && done.is_some() && reply.status() == done;
        let mut report = Report::new(reply.is_success() || is_done, reply.status());
        if let Some(list) = list(reply) {
            report.children = Some(list);
        } else if let Some(children) = reply.children() {
            report.children = Some(children.into_iter().map(str::to_owned).collect());
        } else {
            report.value = reply.text().map(str::to_owned).or_else(|| octets(reply));
        }
        // A Get that succeeds is answered with Results, be they empty.
        if report.ok && matches!(self.command, Command::Get(_)) && reply.items().is_empty() {
            report.ok = false;
            report.detail = Some("no value came".to_owned());
        } else if !report.ok {
            report.detail = Some(reply.complaint());
        }
        Next::Done(report)
    }

    fn answer(&mut self, answer: Answer) {
        self.round.answer(answer);
    }
}

/// A value that is no text, in base64, as it comes in XML.
fn octets(reply: &Reply) -> Option<String> {
    match reply.items().first()?.data.as_ref()? {
        Data::Opaque(octets) => Some(base64::encode(octets)),
        _ => None,
    }
}

/// The nodes of a `?list=`, each with its value if it came. [DM-Protocol §8.4]
fn list(reply: &Reply) -> Option<Vec<String>> {
    let target = Target::parse(reply.uri()).ok()?;
    let is_list = matches!(
        target.selector,
        Selector::List(List::Struct | List::StructData)
    );
    if !reply.is_success() || !is_list {
        return None;
    }
    let items = reply.items().iter();
    let line = |item: &Item<'static>| {
        let uri = &item.source.as_ref()?.uri;
        let value = item.data.as_ref().and_then(|data| data.to_text());
        Some(match value {
            Some(value) => format!("{uri} = {value}"),
            None => uri.clone().into_owned(),
        })
    };
    Some(items.filter_map(line).collect())
}

#[cfg(test)]
mod tests {
    use virmo::{
        dm::{server::Place, session::Unanswered},
        nodes::Profile,
    };

    use super::*;
    use crate::{plan, steps::procedures};

    #[test]
    fn what_was_lost_is_sent_again_unless_it_may_have_been_executed() {
        let plan = plan::parse("[[step]]\nget = './a'\n[[step]]\nexec = './a'\n").unwrap();
        let mut correlators = Correlators::new("t");
        let mut sent = Vec::new();
        for mut procedure in
            procedures(&plan, "http://h", Profile::Approved, &Place::default()).unwrap()
        {
            let mut times = 0;
            while let Next::Send(commands) = procedure.poll(&mut correlators) {
                times += 1;
                for command in commands {
                    let lost = Answer::not_answered(command.tag, Unanswered::SessionLost);
                    procedure.answer(lost);
                }
            }
            sent.push(times);
        }
        assert_eq!(sent, [4, 1]);
    }
}
