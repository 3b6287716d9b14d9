//! Walks the commands of one message.

use std::{borrow::Cow, collections::BTreeSet};

use omadm_core::{AlertCode, Format, StatusCode};
use omadm_session::{Answer, Heard, Stopped, Tag, Tagged, Taken, Unanswered, command_status};
use omadm_syncml::{
    Alert, CmdId, CmdRef, Command, Data, Encoding, Item, Limits, Message, NodeCommand, Results,
    Status, decode,
};

use crate::{
    Compat, Config, DevInfo, EventKind, ProcedureId, SessionEnd, Trigger, Violation,
    device::{Device, News},
    log::Log,
    session::{Phase, Queued, Sending, Sent, Session, address},
};

/// The root of what a device says about itself.
const DEV_INFO: &str = "DevInfo/";

/// Processes a message whose header was accepted.
pub(crate) struct Walk<'t> {
    pub(crate) config: &'t Config,
    pub(crate) session: &'t mut Session,
    pub(crate) device: &'t mut Device,
    pub(crate) log: &'t mut Log,
    /// Whether this is Package 1.
    pub(crate) opening: bool,
    /// Whether the device refused the last message of the server, and may get it again.
    pub(crate) refused: bool,
    /// The encoding of the last message of the server.
    pub(crate) said_in: Encoding,
}

/// What a first message has to hold.
pub(crate) struct Opening {
    pub(crate) trigger: Trigger,
    pub(crate) dev_info: DevInfo,
}

impl Opening {
    /// None for a message that opens no session.
    pub(crate) fn of(message: &Message<'_>, compat: Compat) -> Option<Self> {
        let trigger = message.commands.iter().find_map(|command| match command {
            Command::Alert(alert) => trigger(alert),
            _ => None,
        })?;
        let mut dev_info = DevInfo::default();
        for command in &message.commands {
            if let Command::Replace(replace) = command {
                for (path, value) in leaves(replace, compat).flatten() {
                    dev_info.insert(path, value);
                }
            }
        }
        Some(Self { trigger, dev_info })
    }
}

fn trigger(alert: &Alert<'_>) -> Option<Trigger> {
    match alert.code? {
        AlertCode::SERVER_INITIATED => Some(Trigger::Server),
        AlertCode::CLIENT_INITIATED => Some(Trigger::Client),
        _ => None,
    }
}

/// The leaves of DevInfo in a Replace, none for an Item that is no such leaf.
fn leaves<'m>(
    replace: &'m NodeCommand<'_>,
    compat: Compat,
) -> impl Iterator<Item = Option<(&'m str, &'m str)>> {
    replace.items.iter().map(move |item| {
        let target = item.target.as_ref().filter(|_| compat.dev_info_as_target);
        let uri: &str = &item.source.as_ref().or(target)?.uri;
        if item.more_data {
            return None;
        }
        let path = uri
            .strip_prefix("./")
            .unwrap_or(uri)
            .strip_prefix(DEV_INFO)?;
        Some((path, item.data.as_ref().map_or(Some(""), Data::as_text)?))
    })
}

impl Walk<'_> {
    /// Processes it; whether the package of the device is complete.
    pub(crate) fn message(&mut self, message: &Message<'_>) -> bool {
        let msg_id = message.header.msg_id;
        let is_empty = self.is_empty(message);
        self.look_for_header_status(message);
        let mut ids = BTreeSet::new();
        let mut end = None;
        for command in &message.commands {
            // A device that refuses the server refused every command: the statuses say no more.
            if end == Some(SessionEnd::ServerNotAuthenticated) {
                break;
            }
            if self.refused && matches!(command, Command::Status(_) | Command::Results(_)) {
                continue;
            }
            self.stop(command);
            match command {
                Command::Status(status) => end = self.status(status).or(end),
                Command::Results(results) => {
                    if let Some(code) = self.results(command, results) {
                        let status = command_status(msg_id, command, code);
                        self.session.outbox.push_back(Command::Status(status));
                    }
                }
                command => {
                    let statuses = match self.id_fault(command.cmd_id(), &mut ids) {
                        Some(code) => vec![self.verdict(msg_id, command, code)],
                        None => self.taken(msg_id, command, &mut end),
                    };
                    let left_out = self.session.cramped && is_next_message(command);
                    if !command.no_resp() && !message.header.no_resp && !left_out {
                        let statuses = statuses.into_iter().map(Command::Status);
                        self.session.outbox.extend(statuses);
                    }
                }
            }
        }
        let is_final = message.is_final || (self.config.compat.missing_final && is_empty);
        if is_final {
            self.device.settle();
        }
        if let Some(alert) = self.session.assembler.end_message(is_final) {
            self.session.outbox.push_back(alert);
            self.violation(Violation::BrokenObject);
        }
        match end {
            Some(end) => self.end(end),
            None if is_final => self.close_package(),
            None => {}
        }
        is_final
    }

    /// Whether a device that was asked for its next message had nothing for it.
    fn is_empty(&self, message: &Message<'_>) -> bool {
        let ledger = &self.session.ledger;
        !self.opening
            && message.commands.iter().all(|command| match command {
                Command::Status(status) => !matches!(
                    ledger.find(status),
                    Some(Sent::Command { .. } | Sent::Proof)
                ),
                _ => false,
            })
    }

    /// A device that aborts the session need not say anything else.
    fn look_for_header_status(&mut self, message: &Message<'_>) {
        let last = self.session.link.last_sent();
        let said = message.commands.iter().any(|command| match command {
            Command::Status(it) => it.cmd_ref == CmdRef::Header && it.msg_ref == last,
            Command::Alert(alert) => alert.code == Some(AlertCode::SESSION_ABORT),
            _ => false,
        });
        if !self.opening && !said {
            self.violation(Violation::MissingHeaderStatus);
        }
    }

    /// Ends the session otherwise than in order.
    pub(crate) fn end(&mut self, end: SessionEnd) {
        self.device.lose(self.session);
        self.session.phase = Phase::Ended { resumable: false };
        self.log.push(EventKind::SessionEnded(end));
    }

    fn close_package(&mut self) {
        self.unfinished(None);
        let mut missing = 0;
        for sent in self.session.ledger.close() {
            if let Sent::Command { procedure, tag, .. } = sent {
                missing += 1;
                let answer = Answer::not_answered(tag, Unanswered::NoStatus);
                self.device.answer(procedure, answer);
            }
        }
        if missing > 0 {
            self.violation(Violation::MissingStatus { commands: missing });
        }
    }

    fn id_fault(&self, id: Option<CmdId>, ids: &mut BTreeSet<CmdId>) -> Option<StatusCode> {
        let compat = self.config.compat;
        let fault = match id {
            None => !compat.missing_cmd_ids,
            Some(id) => !ids.insert(id) && !compat.duplicate_cmd_ids,
        };
        fault.then_some(StatusCode::BAD_REQUEST)
    }

    fn status(&mut self, status: &Status<'_>) -> Option<SessionEnd> {
        if status.cmd_ref == CmdRef::Header && status.msg_ref == self.session.link.last_sent() {
            return match self
                .session
                .prover
                .heard(status.code, status.chal.as_deref())
            {
                Some(Heard::Accepted) => None,
                Some(Heard::Again) => {
                    self.say_again();
                    None
                }
                Some(_) => Some(SessionEnd::ServerNotAuthenticated),
                None => {
                    self.violation(Violation::HeaderRefused(status.code));
                    None
                }
            };
        }
        match self.session.ledger.status(status) {
            Some(Sent::Alert | Sent::Chunk | Sent::Proof) => {}
            Some(Sent::Command { procedure, tag, .. }) => {
                let (procedure, tag) = (*procedure, *tag);
                let items = status.items.iter().cloned().map(Item::into_owned).collect();
                let answer = Answer::status_with(tag, status.code, items);
                self.device.answer(procedure, answer);
                if let Some((name, uri)) = self.device.named(procedure, tag) {
                    self.log.push(EventKind::Command {
                        procedure,
                        name: name.clone(),
                        uri: uri.to_owned(),
                        status: status.code,
                    });
                }
            }
            None => self.violation(Violation::StrayStatus {
                msg_ref: status.msg_ref,
                cmd_ref: status.cmd_ref,
            }),
        }
        None
    }

    /// Ends the large object under way if that is what the device wants.
    fn stop(&mut self, command: &Command<'_>) {
        let stops = |sending: &mut Box<Sending>| sending.object.stopped_by(command).is_some();
        let Some(sending) = self.session.sending.take_if(stops) else {
            return;
        };
        let Sending {
            procedure,
            tag,
            object,
        } = *sending;
        match object.stopped_by(command) {
            Some(Stopped::Refused(code)) => {
                self.device.answer(procedure, Answer::status(tag, code));
                self.log.push(EventKind::Command {
                    procedure,
                    name: object.command().to_name(),
                    uri: address(object.command()).to_owned(),
                    status: code,
                });
            }
            Some(Stopped::NoEndOfData) | None => {
                let answer = Answer::not_answered(tag, Unanswered::Incomplete);
                self.device.answer(procedure, answer);
            }
        }
    }

    /// Notes of which Results only chunks came so far, and why if it stays so. The device may begin
    /// anew until its package ends.
    fn unfinished(&mut self, results: Option<(ProcedureId, Tag, Unanswered)>) {
        let before = std::mem::replace(&mut self.session.unfinished, results);
        if let Some((procedure, tag, reason)) = before
            && results.is_none_or(|(_, other, _)| other != tag)
        {
            let answer = Answer::not_answered(tag, reason);
            self.device.answer(procedure, answer);
        }
    }

    /// Puts large objects together, which a device sends in alerts; the statuses of a command or of a
    /// chunk.
    fn taken(
        &mut self,
        msg_id: u32,
        command: &Command<'_>,
        end: &mut Option<SessionEnd>,
    ) -> Vec<Status<'static>> {
        if !matches!(command, Command::Alert(_)) {
            self.session.assembler.break_off();
            return self.command(msg_id, command, end);
        }
        match self.session.assembler.take(command) {
            Taken::Whole => self.command(msg_id, command, end),
            Taken::Complete(whole) => self.command(msg_id, &whole, end),
            Taken::Answered(StatusCode::CHUNK_ACCEPTED) => {
                vec![command_status(msg_id, command, StatusCode::CHUNK_ACCEPTED)]
            }
            Taken::Answered(code) => vec![self.verdict(msg_id, command, code)],
        }
    }

    /// The device processed nothing of the last message, and a new proof goes with the next one.
    fn say_again(&mut self) {
        self.refused = true;
        let msg_id = self.session.link.last_sent();
        let last = std::mem::take(&mut self.session.answer);
        // What the engine wrote it also reads, however much it is; otherwise all of it is lost.
        let last = decode(last.expose(), self.said_in, &no_limits());
        let mut again = Vec::new();
        for command in last.into_iter().flat_map(|last| last.commands) {
            let is_answer = match &command {
                Command::Status(status) if status.cmd_ref == CmdRef::Header => continue,
                Command::Status(_) => true,
                Command::Alert(alert) => alert.code == Some(AlertCode::NO_END_OF_DATA),
                _ => false,
            };
            match is_answer {
                true => self.session.outbox.push_back(command.into_owned()),
                false => again.extend(self.queued_again(msg_id, command)),
            }
        }
        let sending = self.session.sending.take();
        let sending = sending.map(|sending| (sending.procedure, sending.tag));
        let lost = self.session.ledger.lose().into_iter();
        let lost = lost.filter_map(|sent| match sent {
            Sent::Command { procedure, tag, .. } => Some((procedure, tag)),
            Sent::Alert | Sent::Chunk | Sent::Proof => None,
        });
        for (procedure, tag) in lost.chain(sending) {
            let answer = Answer::not_answered(tag, Unanswered::Incomplete);
            self.device.answer(procedure, answer);
        }
        for queued in again.into_iter().rev() {
            self.session.queue.push_front(queued);
        }
    }

    /// A command of the last message as it was queued, and no longer as one that is sent. An object
    /// that began in that message begins anew; of any other a chunk is lost.
    fn queued_again(&mut self, msg_id: u32, command: Command<'_>) -> Option<Queued> {
        let ledger = &mut self.session.ledger;
        let id = command.cmd_id()?;
        match ledger.remove(msg_id, id)? {
            Sent::Command {
                procedure,
                tag,
                is_rest: false,
                ..
            } => {
                let tagged = Tagged::new(tag, command.into_owned());
                for (_, inside) in tagged.flatten() {
                    inside.cmd_id().and_then(|id| ledger.remove(msg_id, id));
                }
                Some(Queued { procedure, tagged })
            }
            Sent::Chunk if command.items().iter().any(|item| item.meta.size.is_some()) => {
                let sending = self.session.sending.take()?;
                let tagged = Tagged::new(sending.tag, sending.object.into_command());
                Some(Queued {
                    procedure: sending.procedure,
                    tagged,
                })
            }
            other => {
                ledger.sent(msg_id, id, other);
                None
            }
        }
    }

    /// The code of the Status the Results get, if it is not 200.
    fn results(&mut self, command: &Command<'_>, results: &Results<'_>) -> Option<StatusCode> {
        let found = self.session.ledger.results(results);
        if let Some((Sent::Proof, _)) = found {
            return match self.session.assembler.take(command) {
                Taken::Answered(code) => Some(code),
                Taken::Whole | Taken::Complete(_) => None,
            };
        }
        let Some((Sent::Command { procedure, tag, .. }, answered)) = found else {
            self.session.assembler.break_off();
            self.violation(Violation::StrayResults {
                msg_ref: results.msg_ref,
                cmd_ref: results.cmd_ref,
            });
            return Some(StatusCode::BAD_REQUEST);
        };
        let (procedure, tag) = (*procedure, *tag);
        if !answered && !self.config.compat.results_without_status {
            self.violation(Violation::ResultsWithoutStatus);
            return Some(StatusCode::BAD_REQUEST);
        }
        let whole = match self.session.assembler.take(command) {
            Taken::Whole => None,
            Taken::Complete(whole) => Some(whole),
            Taken::Answered(StatusCode::CHUNK_ACCEPTED) => {
                self.unfinished(Some((procedure, tag, Unanswered::Incomplete)));
                return Some(StatusCode::CHUNK_ACCEPTED);
            }
            Taken::Answered(code) => {
                let reason = match code {
                    StatusCode::REQUEST_ENTITY_TOO_LARGE => Unanswered::TooLarge,
                    _ => Unanswered::Incomplete,
                };
                self.unfinished(Some((procedure, tag, reason)));
                self.violation(Violation::Command {
                    name: command.name().to_owned(),
                    status: code,
                });
                return Some(code);
            }
        };
        let finished = |(_, other, _): &mut _| *other == tag;
        self.session.unfinished.take_if(finished);
        self.session.ledger.settle(results);
        let results = match whole.as_deref() {
            Some(Command::Results(whole)) => whole,
            _ => results,
        };
        let items = results.items.iter().map(|item| {
            let meta = item.meta.inherit(&results.meta).into_owned();
            item.clone().into_owned().with_meta(meta)
        });
        let items = items.collect();
        self.device.answer(procedure, Answer::results(tag, items));
        None
    }

    fn command(
        &mut self,
        msg_id: u32,
        command: &Command<'_>,
        end: &mut Option<SessionEnd>,
    ) -> Vec<Status<'static>> {
        match command {
            Command::Alert(alert) => {
                if alert.code == Some(AlertCode::SESSION_ABORT) {
                    *end = Some(SessionEnd::AbortedByDevice);
                }
                let code = self.alert(alert);
                vec![self.verdict(msg_id, command, code)]
            }
            Command::Replace(replace) if self.opening => {
                let well = leaves(replace, self.config.compat).all(|leaf| leaf.is_some());
                let code = if well && !replace.items.is_empty() {
                    StatusCode::OK
                } else {
                    StatusCode::INCOMPLETE_COMMAND
                };
                vec![self.verdict(msg_id, command, code)]
            }
            Command::Unsupported(_) => {
                vec![self.verdict(msg_id, command, StatusCode::COMMAND_NOT_IMPLEMENTED)]
            }
            Command::Atomic(_) | Command::Sequence(_) => {
                let mut statuses =
                    vec![self.verdict(msg_id, command, StatusCode::COMMAND_NOT_ALLOWED)];
                statuses.extend(
                    inside(command)
                        .map(|inner| command_status(msg_id, inner, StatusCode::NOT_EXECUTED)),
                );
                statuses
            }
            _ => vec![self.verdict(msg_id, command, StatusCode::COMMAND_NOT_ALLOWED)],
        }
    }

    fn alert(&mut self, alert: &Alert<'_>) -> StatusCode {
        match alert.code {
            None => StatusCode::INCOMPLETE_COMMAND,
            Some(AlertCode::SERVER_INITIATED | AlertCode::CLIENT_INITIATED) => {
                if self.opening {
                    StatusCode::OK
                } else {
                    StatusCode::COMMAND_NOT_ALLOWED
                }
            }
            Some(
                AlertCode::NEXT_MESSAGE | AlertCode::SESSION_ABORT | AlertCode::NO_END_OF_DATA,
            ) => StatusCode::OK,
            Some(AlertCode::CLIENT_EVENT | AlertCode::GENERIC) => self.news(alert),
            Some(code) if code.is_user_interaction() => StatusCode::COMMAND_NOT_ALLOWED,
            Some(_) => StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
        }
    }

    /// Hands the Items of a Generic Alert or a client event on.
    fn news(&mut self, alert: &Alert<'_>) -> StatusCode {
        let mut alert = Cow::Borrowed(alert);
        if self.config.compat.alert_without_format {
            for item in &mut alert.to_mut().items {
                let default = || Format::default().as_str().into();
                item.meta.format.get_or_insert_with(default);
            }
        }
        let news: Result<Vec<News>, _> = match alert.code {
            Some(AlertCode::CLIENT_EVENT) => alert
                .client_events()
                .map(|events| events.into_iter().map(News::Event).collect()),
            _ => alert
                .generic_alerts()
                .map(|alerts| alerts.into_iter().map(News::Alert).collect()),
        };
        let news = match news {
            Ok(news) => news,
            Err(error) => return error.status(),
        };
        let count = u32::try_from(news.len()).unwrap_or(u32::MAX);
        let alerts = self.session.alerts.saturating_add(count);
        let waiting = &self.session.unconfirmed;
        let most = self.config.max_unconfirmed;
        if alerts > self.config.max_alerts || !self.device.make_room(&news, waiting, most) {
            self.violation(Violation::TooManyAlerts);
            return StatusCode::COMMAND_FAILED;
        }
        self.session.alerts = alerts;
        for news in news {
            self.session.unconfirmed.push(news.clone());
            if let Some(event) = self.device.hear(news) {
                self.log.push(event);
            }
        }
        StatusCode::OK
    }

    /// The Status of a command, which is a violation unless it is 200.
    fn verdict(&mut self, msg_id: u32, command: &Command<'_>, code: StatusCode) -> Status<'static> {
        if code != StatusCode::OK {
            self.violation(Violation::Command {
                name: command.name().to_owned(),
                status: code,
            });
        }
        command_status(msg_id, command, code)
    }

    fn violation(&mut self, violation: Violation) {
        self.log.push(EventKind::Violation(violation));
    }
}

/// For what the engine wrote itself.
fn no_limits() -> Limits {
    let mut limits = Limits::default();
    limits.markup.max_bytes = usize::MAX;
    limits.markup.max_depth = usize::MAX;
    limits.markup.max_elements = usize::MAX;
    limits.markup.max_attributes = usize::MAX;
    limits.markup.max_text = usize::MAX;
    limits.max_commands = usize::MAX;
    limits.max_items = usize::MAX;
    limits.max_nesting = usize::MAX;
    limits
}

fn is_next_message(command: &Command<'_>) -> bool {
    matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::NEXT_MESSAGE))
}

/// What in a group gets a Status, at any depth, in document order.
fn inside<'c, 'm>(group: &'c Command<'m>) -> impl Iterator<Item = &'c Command<'m>> {
    let silent =
        |command: &&Command<'_>| matches!(command, Command::Status(_) | Command::Results(_));
    group
        .flatten()
        .skip(1)
        .filter(move |command| !silent(command))
}
