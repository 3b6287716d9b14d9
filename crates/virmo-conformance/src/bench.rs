//! What the scenarios of a device stand on: a DM server by hand.

use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

use virmo::{
    VmState,
    dm::{
        core::{AlertCode, Format, StatusCode},
        session::{
            Heard, Packer, Verdict, command_status, header_status,
            request::{self, Leaf},
        },
        syncml::{Alert, CmdId, CmdRef, Command, Encoding, Header, Item, Limits, Message, decode},
        tree::Uri,
    },
    nodes::{Profile, VirmoPath},
};

use crate::{
    Failed,
    device::{Device, Image, Inside},
    proof::Guard,
    scenario::{Done, Verdicts},
};

/// How often something that takes time is asked for on a device without
/// [patience](Device::patience).
const TRIES: u32 = 400;
/// The pause between two tries; on a device with patience each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(5);
/// The longest of these.
const LONGEST: Duration = Duration::from_secs(1);
/// How often a command is sent that the device wants a proof for.
const CHALLENGES: u32 = 3;

/// What a device said to a command.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) items: Vec<Item<'static>>,
}

impl Answer {
    pub(crate) const fn ok(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The Data of the first Item.
    pub(crate) fn text(&self) -> Option<String> {
        let data = self.items.first()?.data.as_ref()?;
        data.to_text().map(Into::into)
    }
}

/// The session that is open.
#[derive(Default)]
pub(crate) struct Talk {
    /// The message of the device that is not answered yet.
    open: Option<Message<'static>>,
    encoding: Option<Encoding>,
    msg_id: u32,
    /// The alerts of type 1226 so far.
    alerts: VecDeque<Alert<'static>>,
    names: u32,
    guard: Guard,
    /// What became of the device's proof in the message that is open.
    verdict: Option<Verdict>,
    /// What the device said about ours in it.
    heard: Option<Heard>,
}

/// A device on the bench: commands go there, answers come back, checks are written down.
pub(crate) struct Bench<'d> {
    device: &'d mut dyn Device,
    talk: &'d mut Talk,
    profile: Profile,
    pub(crate) verdicts: Verdicts,
}

impl<'d> Bench<'d> {
    pub(crate) fn new(device: &'d mut dyn Device, talk: &'d mut Talk, profile: Profile) -> Self {
        Self {
            device,
            talk,
            profile,
            verdicts: Verdicts::default(),
        }
    }

    /// These rows hold, or not.
    pub(crate) fn check(
        &mut self,
        rows: &[&'static str],
        holds: bool,
        otherwise: impl std::fmt::Display,
    ) {
        self.verdicts.check(rows, holds, otherwise);
    }

    /// A name that nothing on the device has yet.
    pub(crate) fn name(&mut self) -> String {
        self.talk.names += 1;
        format!("c{}", self.talk.names)
    }

    pub(crate) fn image_uri(&self, image: Image) -> String {
        self.device.image(image)
    }

    /// What an image that is there is.
    pub(crate) fn media_type(&self) -> String {
        self.device.media_type().to_owned()
    }

    pub(crate) fn inside(&mut self) -> Option<&mut dyn Inside> {
        self.device.inside()
    }

    /// Turns the device off and on again.
    pub(crate) fn restart(&mut self, fault: Option<&str>) -> Done {
        let inside = self.device.inside();
        inside
            .ok_or_else(|| Failed::new("the device cannot be restarted"))?
            .restart(fault)?;
        (self.talk.open, self.talk.msg_id) = (None, 0);
        Ok(())
    }

    pub(crate) fn get(&mut self, uri: &str) -> Result<Answer, Failed> {
        self.one(request::get(&self.at(uri)))
    }

    /// Where a node of the approved text is in the one the device follows.
    fn at(&self, uri: &str) -> String {
        moved(Profile::Approved, uri, self.profile)
    }

    /// The value of a leaf; none if it is not there.
    pub(crate) fn value(&mut self, uri: &str) -> Result<Option<String>, Failed> {
        let answer = self.get(uri)?;
        Ok(answer.ok().then(|| answer.text().unwrap_or_default()))
    }

    pub(crate) fn add_node(&mut self, uri: &str) -> Result<u16, Failed> {
        Ok(self.one(request::add_node(&self.at(uri), None))?.status)
    }

    /// Adds the root of a management object.
    pub(crate) fn add_object(&mut self, uri: &str, moid: &str) -> Result<u16, Failed> {
        let command = request::add_node(&self.at(uri), Some(moid));
        Ok(self.one(command)?.status)
    }

    pub(crate) fn add(&mut self, uri: &str, text: &str) -> Result<u16, Failed> {
        let leaf = Leaf::new(Format::Chr, text.to_owned());
        Ok(self.one(request::add(&self.at(uri), leaf))?.status)
    }

    pub(crate) fn replace(&mut self, uri: &str, text: &str) -> Result<u16, Failed> {
        let leaf = Leaf::new(Format::Chr, text.to_owned());
        self.replace_leaf(uri, leaf)
    }

    pub(crate) fn replace_leaf(&mut self, uri: &str, leaf: Leaf) -> Result<u16, Failed> {
        Ok(self.one(request::replace(&self.at(uri), leaf))?.status)
    }

    pub(crate) fn delete(&mut self, uri: &str) -> Result<u16, Failed> {
        Ok(self.one(request::delete(&self.at(uri)))?.status)
    }

    pub(crate) fn exec(&mut self, uri: &str) -> Result<u16, Failed> {
        Ok(self.one(request::exec(&self.at(uri), None))?.status)
    }

    /// One command and what came of it.
    pub(crate) fn one(&mut self, command: Command<'static>) -> Result<Answer, Failed> {
        for _ in 0..CHALLENGES {
            if let Some(answer) = self.once(command.clone())? {
                return Ok(answer);
            }
        }
        Err(Failed::new(
            "the device challenges the judge again and again",
        ))
    }

    /// One command and what came of it; none if the device wants a proof for it first.
    fn once(&mut self, command: Command<'static>) -> Result<Option<Answer>, Failed> {
        let message = self.package()?;
        let mut ids = Vec::new();
        self.send(&message, [command], &mut ids)?;
        let sent = self.talk.msg_id;
        let id = ids
            .last()
            .map_or(CmdRef::Nameless, |id| CmdRef::Command(*id));
        let mut answer = Answer {
            status: 0,
            items: Vec::new(),
        };
        for _ in 0..TRIES {
            let message = self.package()?;
            match self.talk.heard {
                Some(Heard::Again) => return Ok(None),
                Some(Heard::Violated) => {
                    return Err(Failed::new(
                        "the device took a MAC for the session, or sent no next nonce",
                    ));
                }
                _ => {}
            }
            for command in &message.commands {
                match command {
                    Command::Status(status)
                        if status.cmd_ref == CmdRef::Header && status.code.get() >= 400 =>
                    {
                        return Err(Failed::new(format_args!(
                            "the device refuses the judge: SyncHdr was answered with {}",
                            status.code.get()
                        )));
                    }
                    Command::Status(status) if status.msg_ref == sent && status.cmd_ref == id => {
                        answer.status = status.code.get();
                    }
                    Command::Results(results)
                        if results.msg_ref.is_none_or(|it| it == sent) && results.cmd_ref == id =>
                    {
                        answer.items.extend(results.items.iter().cloned());
                    }
                    _ => {}
                }
            }
            if message.is_final || answer.status != 0 && message.commands.is_empty() {
                break;
            }
            // The rest of the package is asked for.
            self.send(&message, [], &mut Vec::new())?;
        }
        match answer.status {
            0 => Err(Failed::new("a command got no Status")),
            _ => Ok(Some(answer)),
        }
    }

    /// Ends the session, so that the next message opens one.
    pub(crate) fn end_session(&mut self) -> Done {
        while self.talk.open.is_some() {
            let message = self.package()?;
            let last = message.is_final;
            self.send(&message, [], &mut Vec::new())?;
            if last {
                // What the device still has to say comes before the session is over.
                break;
            }
        }
        Ok(())
    }

    /// The Generic Alerts of this source, once there is one; none if none comes in a few sessions.
    pub(crate) fn alerts_from(&mut self, source: &str) -> Result<Vec<Alert<'static>>, Failed> {
        let mut polls = self.polls(TRIES / 4);
        loop {
            let found: Vec<_> = self
                .talk
                .alerts
                .iter()
                .filter(|it| is_from(it, source))
                .cloned()
                .collect();
            if !found.is_empty() || !polls.go_on() {
                return Ok(found);
            }
            self.next_session()?;
        }
    }

    /// Waits for something on this device.
    fn polls(&self, tries: u32) -> Polls {
        Polls {
            begun: Instant::now(),
            patience: self.device.patience(),
            tries,
            pause: PAUSE,
        }
    }

    /// The Generic Alerts of this source and type that came until now.
    pub(crate) fn alerts_so_far(&self, source: &str, alert_type: &str) -> usize {
        let alerts = self.talk.alerts.iter();
        alerts
            .filter(|it| is_from(it, source) && type_of(it) == Some(alert_type))
            .count()
    }

    /// Goes on to another session.
    pub(crate) fn next_session(&mut self) -> Done {
        self.end_session()?;
        self.package().map(drop)
    }

    /// Asks for a value until it is as wanted; the last one.
    pub(crate) fn wait_for(
        &mut self,
        uri: &str,
        wanted: impl Fn(Option<&str>) -> bool,
    ) -> Result<Option<String>, Failed> {
        let mut polls = self.polls(TRIES);
        loop {
            let value = self.value(uri)?;
            if wanted(value.as_deref()) || !polls.go_on() {
                return Ok(value);
            }
            polls.pause();
        }
    }

    /// An Exec on a VM, waited for if it was only accepted; its status, and State after it.
    pub(crate) fn operate(&mut self, vm: &str, operation: &str) -> Result<(u16, State), Failed> {
        let state = format!("{vm}/State");
        let before = self.value(&state)?;
        let status = self.exec(&format!("{vm}/Operations/{operation}"))?;
        let after = match status {
            202 => self.wait_for(&state, |value| value != before.as_deref())?,
            _ => self.value(&state)?,
        };
        Ok((status, after.as_deref().into()))
    }

    /// The message of the device that waits for an answer: one that has proven who it is.
    fn package(&mut self) -> Result<Message<'static>, Failed> {
        for _ in 0..CHALLENGES {
            let message = self.message()?;
            match self.talk.verdict {
                Some(Verdict::Missing | Verdict::Wrong) => {
                    self.send(&message, [], &mut Vec::new())?;
                }
                Some(Verdict::OtherScheme) => break,
                _ => return Ok(message),
            }
        }
        Err(Failed::new("the device does not prove who it is"))
    }

    /// The message of the device that waits for an answer, whoever sent it.
    fn message(&mut self) -> Result<Message<'static>, Failed> {
        if let Some(message) = &self.talk.open {
            return Ok(message.clone());
        }
        let (packet, encoding) = self.device.receive()?;
        let message = decode(&packet.body, encoding, &Limits::lenient()).map_err(Failed::new)?;
        let message = message.into_owned();
        if message.header.msg_id == 1 {
            self.talk.msg_id = 0;
            self.talk.guard.begin(&self.device.proofs());
        }
        self.talk.encoding = Some(encoding);
        let (verdict, heard) = self.talk.guard.check(&packet, &message)?;
        (self.talk.verdict, self.talk.heard) = (Some(verdict), heard);
        if !verdict.is_accepted() {
            self.talk.open = Some(message.clone());
            return Ok(message);
        }
        for command in &message.commands {
            if let Command::Alert(alert) = command
                && alert.code == Some(AlertCode::GENERIC)
            {
                self.talk.alerts.push_back(alert.clone());
            }
        }
        self.talk.open = Some(message.clone());
        Ok(message)
    }

    /// Answers that message: everything acknowledged, then these commands, whose ids are put down.
    fn send(
        &mut self,
        message: &Message<'static>,
        commands: impl IntoIterator<Item = Command<'static>>,
        ids: &mut Vec<CmdId>,
    ) -> Done {
        let header = &message.header;
        let uri = header.source.uri.clone().into_owned();
        self.talk.msg_id += 1;
        let mut reply = Header::new(
            header.session_id.clone(),
            self.talk.msg_id,
            uri,
            header.target.uri.clone().into_owned(),
        );
        self.talk.guard.sign(&mut reply);
        let code = self.talk.verdict.map_or(StatusCode::OK, Verdict::status);
        let accepted = self.talk.verdict.is_none_or(Verdict::is_accepted);
        let encoding = self.talk.encoding.unwrap_or(Encoding::Xml);
        let mut body = Vec::new();
        let mut packer =
            Packer::new(&reply, encoding, usize::MAX, &mut body).map_err(Failed::new)?;
        let mut heard = header_status(header, code);
        heard.chal = self.talk.guard.chal().map(Box::new);
        let heard = Command::Status(heard);
        let of_commands = if accepted { StatusCode::OK } else { code };
        let asked = message.commands.iter().filter(|command| {
            !matches!(command, Command::Status(_) | Command::Results(_)) && !command.no_resp()
        });
        let heard =
            [heard].into_iter().chain(asked.map(|command| {
                Command::Status(command_status(header.msg_id, command, of_commands))
            }));
        for mut command in heard {
            packer.require(&mut command).map_err(Failed::new)?;
        }
        if !message.is_final {
            let mut more = Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE));
            packer.require(&mut more).map_err(Failed::new)?;
        }
        for mut command in commands {
            request::suit(&mut command, encoding);
            ids.push(packer.require(&mut command).map_err(Failed::new)?);
        }
        packer.finish(message.is_final);
        self.talk.open = None;
        let packet = self.talk.guard.seal(body);
        self.device.answer(packet)
    }
}

/// The waiting for something that takes time.
struct Polls {
    begun: Instant,
    patience: Option<Duration>,
    /// How often it is still asked for, without patience.
    tries: u32,
    pause: Duration,
}

impl Polls {
    /// Whether to ask once more.
    fn go_on(&mut self) -> bool {
        self.tries = self.tries.saturating_sub(1);
        match self.patience {
            Some(patience) => self.begun.elapsed() < patience,
            None => self.tries > 0,
        }
    }

    /// Waits before that.
    fn pause(&mut self) {
        thread::sleep(self.pause);
        if self.patience.is_some() {
            self.pause = self.pause.saturating_mul(2).min(LONGEST);
        }
    }
}

/// Where a node of one text is in another; where it was if the other has none.
pub(crate) fn moved(from: Profile, uri: &str, to: Profile) -> String {
    let moved = || {
        let (node, property) = match uri.split_once('?') {
            Some((node, property)) => (node, format!("?{property}")),
            None => (uri, String::new()),
        };
        let (root, node) = (Uri::parse("./VirMO").ok()?, Uri::parse(node).ok()?);
        let VirmoPath::Vm(path) = VirmoPath::parse(from, &root, &node)? else {
            return None;
        };
        let there = to.node(path.node, &root.child(path.vm).ok()?)?;
        Some(format!("{}{property}", there.join(&path.below)))
    };
    moved().unwrap_or_else(|| uri.to_owned())
}

/// Whether the first Item of an alert has this source.
fn is_from(alert: &Alert<'_>, source: &str) -> bool {
    let item = alert.items.first();
    let uri = item.and_then(|item| item.source.as_ref());
    uri.is_some_and(|it| it.uri == source)
}

/// The type in the first Item of an alert.
pub(crate) fn type_of<'a>(alert: &'a Alert<'_>) -> Option<&'a str> {
    let media_type = alert.items.first()?.meta.media_type.as_ref()?;
    Some(media_type.trim())
}

/// What `State` of a VM says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Is(VmState),
    /// The node is not there.
    Gone,
    /// It says something else.
    Wrong,
}

impl From<Option<&str>> for State {
    fn from(value: Option<&str>) -> Self {
        let Some(value) = value else {
            return Self::Gone;
        };
        let state = value.parse().ok().and_then(VmState::from_value);
        state.map_or(Self::Wrong, Self::Is)
    }
}
