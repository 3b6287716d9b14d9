//! What a server sent to a device of ours, and what it got.

use std::{thread, time::Duration};

use virmo::{
    dm::{
        core::AlertCode,
        syncml::{Alert, CmdRef, Command, Encoding, Item, Limits, Message, decode},
    },
    nodes::Profile,
};

use crate::{
    Failed, Server,
    bench::moved,
    device::{Device, Image, OurDevice},
};

/// A command of a server.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) uri: String,
    pub(crate) data: Option<String>,
    /// The status of the device.
    pub(crate) status: Option<u16>,
    /// What came back.
    pub(crate) results: Vec<String>,
}

/// Everything a server sent, in order, and what it did with the alerts of the device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) sent: Vec<Sent>,
    /// The Generic Alerts of the device, and the status each got.
    pub(crate) alerts: Vec<(Alert<'static>, Option<u16>)>,
}

/// Where commands are in a trace: MsgID, CmdID, place.
type Places = Vec<(u32, u32, usize)>;

/// How many sessions without anything new mean that a foreign server is done.
const SILENT: u32 = 5;
/// The same while the device is at something that it accepted.
const SILENT_AMID: u32 = 50;
/// The pause after such a session.
const PAUSE: Duration = Duration::from_millis(200);
/// How many messages a server may take.
const MESSAGES: usize = 2000;

/// Lets a server do what it does to a new device of ours.
pub(crate) fn of(
    server: &mut dyn Server,
    encoding: Option<Encoding>,
    profile: Profile,
) -> Result<Trace, Failed> {
    let mut device = OurDevice::new().with_server(server.url(), server.proofs());
    if server.has_images() {
        device = device.with_http_images();
    }
    device.begin(encoding, profile)?;
    server.begin(&|image: Image| device.image(image), profile)?;
    let mut trace = Trace::default();
    // Where the commands and alerts of the last messages are, by MsgID and CmdID.
    let (mut asked, mut told) = (Places::new(), Places::new());
    // How many sessions brought nothing new, and where this one begins.
    let (mut silent, mut session) = (0, None);
    // Whether a message of the device was taken, and how the last one was refused.
    let (mut met, mut refused) = (false, None);
    let mut is_over = false;
    for _ in 0..MESSAGES {
        let (packet, encoding) = device.receive()?;
        let message = read(&packet.body, encoding)?;
        if message.header.msg_id == 1 {
            (asked, told) = (Places::new(), Places::new());
            let quiet = session.is_some_and(|from| trace.only_asks_again(from));
            session = Some(trace.sent.len());
            silent = if quiet { silent + 1 } else { 0 };
            let enough = match trace.is_amid() {
                true => SILENT_AMID,
                false => SILENT,
            };
            if silent >= enough && server.is_done().is_none() {
                is_over = true;
                break;
            }
            if silent > 0 {
                thread::sleep(PAUSE);
            }
        }
        // What was refused for want of proof comes once more.
        if let Some((sent, status)) = header_status(&message)
            && is_challenge(status)
        {
            if let Some((_, _, first)) = asked.iter().find(|(msg, ..)| *msg == sent) {
                trace.sent.truncate(*first);
            }
            asked.retain(|(msg, ..)| *msg != sent);
        }
        let heard = trace.alerts.len();
        for command in &message.commands {
            let place = |msg: u32, cmd: Option<u32>| {
                let found = asked.iter().find(|(m, c, _)| *m == msg && Some(*c) == cmd);
                found.map(|(_, _, at)| *at)
            };
            match command {
                Command::Status(status) => {
                    let at = place(status.msg_ref, number(status.cmd_ref));
                    if let Some(sent) = at.and_then(|at| trace.sent.get_mut(at)) {
                        sent.status = Some(status.code.get());
                    }
                }
                Command::Results(results) => {
                    let at = place(results.msg_ref.unwrap_or(1), number(results.cmd_ref));
                    if let Some(sent) = at.and_then(|at| trace.sent.get_mut(at)) {
                        sent.results.extend(results.items.iter().filter_map(text));
                    }
                }
                Command::Alert(alert) if alert.code == Some(AlertCode::GENERIC) => {
                    if let Some(id) = alert.cmd_id {
                        told.push((message.header.msg_id, id.get(), trace.alerts.len()));
                    }
                    trace.alerts.push((alert.clone(), None));
                }
                _ => {}
            }
        }
        let answer = server.exchange(&packet, encoding)?;
        let reply = read(&answer.body, encoding)?;
        let status = header_status(&reply).map(|(_, status)| status);
        if status.is_some_and(is_challenge) {
            trace.alerts.truncate(heard);
        }
        match status {
            Some(code) if code >= 300 => refused = Some(code),
            _ => met = true,
        }
        let before = trace.sent.len();
        for command in reply.commands.iter().flat_map(Command::flatten) {
            if let Command::Status(status) = command {
                let id = number(status.cmd_ref);
                let found = told
                    .iter()
                    .find(|(m, c, _)| *m == status.msg_ref && Some(*c) == id);
                if let Some((_, alert)) = found.and_then(|(_, _, at)| trace.alerts.get_mut(*at)) {
                    *alert = Some(status.code.get());
                }
                continue;
            }
            let Some(id) = command.cmd_id() else {
                continue;
            };
            for item in command.items() {
                let Some(target) = &item.target else {
                    continue;
                };
                asked.push((reply.header.msg_id, id.get(), trace.sent.len()));
                trace.sent.push(Sent {
                    name: command.name().to_owned(),
                    uri: moved(profile, &target.uri, Profile::Approved),
                    data: text(item),
                    status: None,
                    results: Vec::new(),
                });
            }
        }
        device.answer(answer)?;
        let idle = trace.sent.len() == before && reply.is_final && message.is_final;
        if idle && server.is_done() == Some(true) {
            return Ok(trace);
        }
    }
    match refused {
        _ if met && is_over => Ok(trace),
        Some(code) if !met => Err(Failed::new(format_args!(
            "the server refuses the device: SyncHdr was answered with {code}"
        ))),
        _ => Err(Failed::new(format_args!(
            "the server comes to no end in {MESSAGES} messages"
        ))),
    }
}

/// What a message says to the SyncHdr of the one before: the MsgID of that, and the status.
fn header_status(message: &Message<'_>) -> Option<(u32, u16)> {
    message.commands.iter().find_map(|command| match command {
        Command::Status(status) if status.cmd_ref == CmdRef::Header => {
            Some((status.msg_ref, status.code.get()))
        }
        _ => None,
    })
}

const fn is_challenge(status: u16) -> bool {
    matches!(status, 401 | 407)
}

fn read(body: &[u8], encoding: Encoding) -> Result<Message<'static>, Failed> {
    let message = decode(body, encoding, &Limits::lenient());
    message.map(Message::into_owned).map_err(Failed::new)
}

fn text(item: &Item<'_>) -> Option<String> {
    let text = item.data.as_ref()?.to_text()?;
    Some(text.into_owned())
}

fn number(reference: CmdRef) -> Option<u32> {
    match reference {
        CmdRef::Command(id) => Some(id.get()),
        _ => None,
    }
}

impl Trace {
    /// Whether more was answered with 202 than alerts have come since.
    fn is_amid(&self) -> bool {
        let accepted = self.sent.iter().filter(|sent| sent.status == Some(202));
        accepted.count() > self.alerts.len()
    }

    /// Whether what was sent from a place on only asks for what was asked for before, and brought
    /// what it brought then.
    fn only_asks_again(&self, from: usize) -> bool {
        let known = |at: usize| {
            let before = self.asked_before(at).map(|sent| &sent.results);
            before.is_some() && before == self.sent.get(at).map(|sent| &sent.results)
        };
        (from..self.sent.len()).all(known)
    }

    /// The Get before the one at a place of the same node, with nothing but Gets in between.
    fn asked_before(&self, at: usize) -> Option<&Sent> {
        let (before, from) = self.sent.split_at_checked(at)?;
        let sent = from.first().filter(|sent| sent.name == "Get")?;
        let mut gets = before.iter().rev().take_while(|it| it.name == "Get");
        gets.find(|it| it.uri == sent.uri)
    }

    /// The commands of this name whose URI is below `root` and ends so, with their places.
    pub(crate) fn all<'t>(
        &'t self,
        name: &'t str,
        root: &'t str,
        end: &'t str,
    ) -> impl Iterator<Item = (usize, &'t Sent)> {
        self.sent.iter().enumerate().filter(move |(_, sent)| {
            sent.name == name && sent.uri.starts_with(root) && sent.uri.ends_with(end)
        })
    }

    /// What was to be written to leaves below `root` that end so, whether the device took it or not.
    pub(crate) fn tried<'t>(
        &'t self,
        root: &'t str,
        end: &'t str,
    ) -> impl Iterator<Item = &'t str> {
        let writes = ["Add", "Replace"].into_iter();
        let all = writes.flat_map(move |name| self.all(name, root, end));
        all.filter_map(|(_, sent)| sent.data.as_deref())
    }

    /// Writes of a leaf before a place: the last of Add and Replace that succeeded.
    pub(crate) fn written(&self, uri: &str, before: usize) -> Option<&str> {
        let sent = self.sent.get(..before)?;
        let writes = |sent: &&Sent| {
            ["Add", "Replace"].contains(&&*sent.name)
                && sent.uri == uri
                && sent
                    .status
                    .is_some_and(|status| (200..300).contains(&status))
        };
        sent.iter().rev().find(writes)?.data.as_deref()
    }
}
