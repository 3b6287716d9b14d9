use std::any::Any;

use omadm_core::{Correlator, GenericAlert, Now, StatusCode};
use omadm_server::{Config, EventKind, Everyone, ReceiveError, Request, RespondError, Server};
use omadm_session::{Answer, Correlators, Procedure, Report, Step, Tag, Tagged, Unanswered};
use omadm_syncml::{
    CmdId, Command, Encoding, Header, Limits, Message, Results, Status, decode, encode,
};

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
    let is_for_device = |command: &Command<'_>| {
        command.cmd_id().is_some()
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
    let is_fit = |command: &Command<'_>| command.flatten().all(is_for_device);
    if message.commands.is_empty() || !message.commands.iter().all(is_fit) {
        return Err(NoCommands);
    }
    Ok(message.into_owned().commands)
}

/// All commands in one go, and what came back for each.
#[derive(Debug)]
struct Relay {
    tagged: Vec<Tagged>,
    /// The id and the name of each command, by its tag.
    asked: Vec<(CmdId, String)>,
    sent: bool,
    answers: Vec<Command<'static>>,
    /// The id of the next answer.
    next: CmdId,
    lost: bool,
}

impl Relay {
    fn new(commands: Vec<Command<'static>>) -> Self {
        let (mut tagged, mut asked) = (Vec::new(), Vec::new());
        for command in commands {
            let tag = Tag(u32::try_from(asked.len()).unwrap_or(u32::MAX));
            for inside in command.flatten() {
                let id = inside.cmd_id().unwrap_or(CmdId::FIRST);
                asked.push((id, inside.name().to_owned()));
            }
            tagged.push(Tagged::new(tag, command));
        }
        Self {
            tagged,
            asked,
            sent: false,
            answers: Vec::new(),
            next: CmdId::FIRST,
            lost: false,
        }
    }
}

impl Procedure for Relay {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        if std::mem::replace(&mut self.sent, true) {
            let status = if self.lost {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::OK
            };
            return Step::Done(Report::new(!self.lost, Some(status)));
        }
        Step::Send(std::mem::take(&mut self.tagged))
    }

    fn answer(&mut self, answer: Answer) {
        let place = usize::try_from(answer.tag().0).ok();
        let Some((id, name)) = place.and_then(|place| self.asked.get(place)) else {
            return;
        };
        let own = self.next;
        let status = |code| Status::new(1, *id, name.clone(), code).with_cmd_id(own);
        let answer = match answer {
            Answer::Status { code, items, .. } => Command::Status(status(code).with_items(items)),
            Answer::Results { items, .. } => {
                Command::Results(Results::new(1, *id, items).with_cmd_id(own))
            }
            Answer::NotAnswered { reason, .. } => Command::Status(status(match reason {
                Unanswered::TooLarge | Unanswered::Incomplete => {
                    StatusCode::REQUEST_ENTITY_TOO_LARGE
                }
                Unanswered::NoStatus => StatusCode::NOT_EXECUTED,
                _ => {
                    self.lost = true;
                    StatusCode::SERVICE_UNAVAILABLE
                }
            })),
            _ => return,
        };
        self.next = own.next();
        self.answers.push(answer);
    }
}

/// Why a message of an end device cannot be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It cannot be taken.
    #[error("the message of the end device cannot be taken")]
    Receive(#[source] ReceiveError),
    /// The answer cannot be written.
    #[error("the answer to the end device cannot be written")]
    Respond(#[source] RespondError),
}

/// The gateway's side of one session with an end device, as its server: a session of its own, with
/// its own identifiers and message numbers. [VirMO §11.1.2]
#[derive(Debug)]
pub struct ProxySession {
    server: Server,
    device: String,
    outcome: Option<(bool, Vec<Command<'static>>)>,
    alerts: Vec<GenericAlert>,
    ended: bool,
}

/// What came of a session.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Outcome {
    /// Whether everything was answered.
    pub(crate) whole: bool,
    /// The statuses and results as a message in XML.
    pub(crate) document: String,
    pub(crate) alerts: Vec<GenericAlert>,
}

impl ProxySession {
    pub(crate) fn new(prefix: &str, device: &str, commands: Vec<Command<'static>>) -> Self {
        let mut config = Config::new(prefix);
        config.max_sessions = 1;
        config.max_devices = 1;
        config.max_alerts = MAX_ALERTS;
        let mut server = Server::new(config, Everyone);
        // A queue without anything in it has room.
        let _ = server.enqueue(device, Box::new(Relay::new(commands)));
        Self {
            server,
            device: device.to_owned(),
            outcome: None,
            alerts: Vec::new(),
            ended: false,
        }
    }

    /// What to send the end device for its message. Who it is has been found out by what carries
    /// its messages.
    ///
    /// # Errors
    ///
    /// [`ProxyError`]; the session goes on with the next message, if there is one.
    pub fn answer(
        &mut self,
        message: &[u8],
        encoding: Encoding,
        now: Now,
    ) -> Result<Vec<u8>, ProxyError> {
        let request = Request::new(message, encoding, now);
        let mut receipt = self.server.receive(request).map_err(ProxyError::Receive)?;
        self.note(receipt.take_events());
        let response = self.server.respond(receipt).map_err(ProxyError::Respond)?;
        self.note(response.events);
        Ok(response.body)
    }

    /// Whether the end device answered everything, or ended its session.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.ended
    }

    fn note(&mut self, events: Vec<omadm_server::Event>) {
        for event in events {
            if event.device != self.device {
                continue;
            }
            match event.kind {
                EventKind::Alert { alert, .. } => self.alerts.push(alert),
                EventKind::ProcedureFinished { procedure, .. } => {
                    let procedure: Box<dyn Any> = procedure;
                    if let Ok(relay) = procedure.downcast::<Relay>() {
                        self.outcome = Some((!relay.lost, relay.answers));
                    }
                }
                EventKind::SessionEnded { .. } => self.ended = true,
                _ => {}
            }
        }
    }

    /// What came of it; none if nothing was answered, or it cannot be written in XML.
    pub(crate) fn outcome(self) -> Option<Outcome> {
        let (whole, answers) = self.outcome?;
        let mut message = Message::new(Header::new("0", 1, "", self.device));
        message.commands = answers;
        message.is_final = true;
        let mut document = Vec::new();
        encode(&message, Encoding::Xml, &mut document).ok()?;
        Some(Outcome {
            whole,
            document: String::from_utf8(document).ok()?,
            alerts: self.alerts,
        })
    }
}

/// How many alerts of one session are passed on.
const MAX_ALERTS: u32 = 100;

/// The alert as the server of the device in front hears it: its Source begins with `place`.
pub(crate) fn passed_on(mut alert: GenericAlert, place: &str) -> GenericAlert {
    if let Some(source) = &mut alert.source {
        let below = source.strip_prefix("./").unwrap_or(source);
        *source = format!("{place}/{below}");
    }
    // A Correlator of the inner session means nothing outside.
    alert.correlator = None::<Correlator>;
    alert
}
