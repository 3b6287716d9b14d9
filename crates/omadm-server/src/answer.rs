//! Writes the messages of the server.

use omadm_core::{AlertCode, StatusCode};
use omadm_session::{
    Answer, Correlators, Fit, LargeObject, Packer, Unanswered, command_status, data_size,
    header_status, request,
};
use omadm_syncml::{Alert, Chal, Command, EncodeError, Header, Item, Message, OutputEncoding};

use crate::{
    Config, EventKind, ReceiveError, RespondError, SessionEnd,
    device::{Device, News},
    log::Log,
    session::{Phase, Queued, Sending, Sent, Session, Turn},
};

/// What an Alert without Items takes at most, in bytes of either encoding.
const ALERT_ROOM: usize = 96;

/// What most answers fit into, in bytes; an allocator has them at hand.
const USUAL: usize = 1000;

/// What every device has and every server may read.
const PROOF: &str = "./DevInfo/DevId";

/// How often procedures are asked for commands before one message: one that yields nothing but
/// commands that cannot be sent does not hold the engine up.
const MAX_POLLS: usize = 100;

/// Appends the answer to a message that is not processed: this code for its header and for each of
/// its commands.
pub(crate) fn refusal(
    message: &Message<'_>,
    header: &Header<'_>,
    encoding: OutputEncoding,
    limit: usize,
    refusal: Refusal,
) -> Result<Vec<u8>, ReceiveError> {
    let mut body = Vec::new();
    let mut packer = Packer::new(header, encoding, limit, &mut body)?;
    let mut status = header_status(&message.header, refusal.code);
    if let Some(chal) = refusal.chal {
        status = status.with_chal(chal);
    }
    let supported = refusal.supported.into_iter();
    status = status.with_items(
        supported
            .map(|version| Item::new().with_data(version))
            .collect::<Vec<_>>(),
    );
    packer.require(&mut Command::Status(status))?;
    for command in &message.commands {
        if matches!(command, Command::Status(_) | Command::Results(_)) || command.no_resp() {
            continue;
        }
        let status = command_status(message.header.msg_id, command, refusal.code);
        if !matches!(packer.push(&mut Command::Status(status))?, Fit::Packed(_)) {
            break;
        }
    }
    packer.finish(true);
    match body.len() > limit {
        true => Err(ReceiveError::NoRoom { limit }),
        false => Ok(body),
    }
}

/// Why a message is not processed.
pub(crate) struct Refusal {
    pub(crate) code: StatusCode,
    pub(crate) chal: Option<Chal<'static>>,
    /// The versions that are supported instead.
    pub(crate) supported: Vec<&'static str>,
}

impl From<StatusCode> for Refusal {
    fn from(code: StatusCode) -> Self {
        Self {
            code,
            chal: None,
            supported: Vec::new(),
        }
    }
}

/// Writes the answer to a message that was processed.
pub(crate) struct Composer<'t> {
    pub(crate) config: &'t Config,
    pub(crate) session: &'t mut Session,
    pub(crate) device: &'t mut Device,
    pub(crate) correlators: &'t mut Correlators,
    pub(crate) log: &'t mut Log,
}

impl Composer<'_> {
    /// The body of the answer, which the session keeps as well.
    pub(crate) fn compose(mut self, turn: Turn) -> Result<Vec<u8>, RespondError> {
        let mut body = Vec::with_capacity(USUAL);
        let limit = self.session.link.max_message_size();
        let encoding = self.session.encoding.with(self.config.wbxml);
        let mut header = self.session.next_header();
        header.resp_uri = self.config.resp_uri.as_deref().map(Into::into);
        let msg_id = header.msg_id;
        let mut packer = Packer::new(&header, encoding, limit, &mut body)?;
        packer.require(&mut Command::Status(turn.status))?;
        if self.session.abort || !turn.complete {
            packer.reserve(ALERT_ROOM);
        } else if let Some(sending) = &self.session.sending {
            packer.reserve_chunk(&sending.object);
        }
        // Before a procedure hears that something fits no message.
        if packer.is_over() {
            return Err(RespondError::NoRoom { limit });
        }
        let statuses = self.statuses(&mut packer, msg_id)?;
        let more = !self.session.outbox.is_empty();
        self.session.cramped = more && statuses <= 1;
        if self.session.phase == Phase::Open && !self.session.abort {
            self.run_out();
        }

        let is_final = if self.session.phase != Phase::Open {
            true
        } else if self.session.abort {
            self.alert(&mut packer, msg_id, AlertCode::SESSION_ABORT)?;
            self.end(SessionEnd::AbortedByServer);
            true
        } else if !turn.complete {
            self.alert(&mut packer, msg_id, AlertCode::NEXT_MESSAGE)?;
            false
        } else if more {
            if let Some(sending) = self.session.sending.take() {
                self.chunk(&mut packer, msg_id, sending);
            }
            false
        } else {
            let lacks_nonce = self.session.prover.lacks_nonce();
            let packed = if lacks_nonce && self.session.sending.is_none() {
                self.ask_for_challenge(&mut packer, msg_id)?;
                Packed::Some
            } else {
                self.commands(&mut packer, msg_id, statuses)
            };
            match packed {
                Packed::Some => true,
                Packed::Part => false,
                Packed::Nothing if self.is_waiting() => self.ask_for_rest(&mut packer, msg_id),
                Packed::Nothing if self.ask_for_proof(&mut packer, msg_id) => true,
                Packed::Nothing => {
                    self.session.phase = Phase::Ended { resumable: true };
                    let end = EventKind::SessionEnded(SessionEnd::Completed);
                    self.log.push(end);
                    true
                }
            }
        };
        self.session.mid_package = turn.complete && !is_final;
        packer.finish(is_final);
        if body.len() > limit {
            return Err(RespondError::NoRoom { limit });
        }
        let hmac = self.session.prover.mac(&body);
        self.session.hmac = hmac.map(|hmac| hmac.to_string().into());
        self.session.answer.replace(&body);
        self.session.compact();
        Ok(body)
    }

    /// Packs statuses, and the alert about an object that was broken off, as far as they fit; how
    /// many.
    fn statuses(&mut self, packer: &mut Packer<'_>, msg_id: u32) -> Result<usize, EncodeError> {
        let mut packed = 0;
        while let Some(status) = self.session.outbox.front_mut() {
            match packer.push(status)? {
                Fit::Full => break,
                Fit::Packed(id) => {
                    packed += 1;
                    if matches!(status, Command::Alert(_)) {
                        self.session.ledger.sent(msg_id, id, Sent::Alert);
                    }
                }
                // Left out: the device takes no message it fits into.
                Fit::Never => {}
            }
            self.session.outbox.pop_front();
        }
        Ok(packed)
    }

    /// Packs commands of the procedures as far as they fit beside this many statuses.
    fn commands(&mut self, packer: &mut Packer<'_>, msg_id: u32, statuses: usize) -> Packed {
        let mut any = Packed::Nothing;
        if let Some(sending) = self.session.sending.take() {
            any = self.chunk(packer, msg_id, sending);
        }
        for polled in 0..=MAX_POLLS {
            while any != Packed::Part
                && let Some(mut queued) = self.session.queue.pop_front()
            {
                request::suit(&mut queued.tagged.command, self.session.encoding);
                if self.is_too_large(&queued) {
                    self.device.unsent(&queued, Unanswered::TooLarge);
                    continue;
                }
                match packer.push(&mut queued.tagged.command) {
                    Ok(Fit::Packed(_)) => {
                        for (id, sent) in queued.sent() {
                            self.session.ledger.sent(msg_id, id, sent);
                        }
                        any = Packed::Some;
                    }
                    // A further message of this package holds a Status as well, that of 1222.
                    Ok(Fit::Full) if any == Packed::Some || statuses > 1 => {
                        self.session.queue.push_front(queued);
                        return match any {
                            Packed::Some => any,
                            _ => Packed::Part,
                        };
                    }
                    Ok(Fit::Full | Fit::Never) => any = self.cut(packer, msg_id, queued),
                    Err(_) => self.device.unsent(&queued, Unanswered::Unencodable),
                }
            }
            let timeout = self.config.procedure_timeout;
            let is_waiting = self.is_waiting();
            let queue = &mut self.session.queue;
            if any != Packed::Nothing
                || polled == MAX_POLLS
                || is_waiting
                || !self.device.poll(queue, self.correlators, timeout, self.log)
            {
                break;
            }
        }
        any
    }

    /// Whether a command still waits for its Status. None does once the package of the device is
    /// complete; one may while that of the server goes on.
    fn is_waiting(&self) -> bool {
        let mut waiting = self.session.ledger.waiting();
        waiting.any(|sent| matches!(sent, Sent::Command { .. }))
    }

    /// Ends the procedure under way if its time is over, whatever is to come of it: a device may see to
    /// it that neither package ends. What of it is in no message yet stays out of them; an object of
    /// which chunks were sent goes on, as one that is broken off costs the device more.
    fn run_out(&mut self) {
        let (now, timeout) = (self.session.last_seen, self.config.procedure_timeout);
        if !self.device.is_over(now, timeout) {
            return;
        }
        let correlators = self.is_answered().then_some(&mut *self.correlators);
        self.device.run_out(timeout, correlators, self.log);
        self.session.queue.clear();
    }

    /// Whether every command of the procedure under way is answered, with its Results.
    fn is_answered(&self) -> bool {
        let session = &*self.session;
        // As if the session were lost now.
        let mut open = session.ledger.clone().lose().into_iter();
        session.queue.is_empty()
            && session.sending.is_none()
            && session.unfinished.is_none()
            && !open.any(|sent| matches!(sent, Sent::Command { .. }))
    }

    /// Ends the package, and asks for the answers to it that are to come before a procedure is asked
    /// for more; whether this message has room for that.
    fn ask_for_rest(&mut self, packer: &mut Packer<'_>, msg_id: u32) -> bool {
        let mut alert = Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE));
        match packer.push(&mut alert) {
            Ok(Fit::Packed(id)) => {
                self.session.ledger.sent(msg_id, id, Sent::Alert);
                true
            }
            _ => false,
        }
    }

    /// Asks for a further message where the session would end with the Status of an alert that
    /// nothing but its content tells from a later one; whether it did. The device that sends it has
    /// got that Status, so what it brings in its next session is new.
    fn ask_for_proof(&mut self, packer: &mut Packer<'_>, msg_id: u32) -> bool {
        if self.session.unconfirmed.iter().all(News::is_named) {
            return false;
        }
        match packer.push(&mut request::get(PROOF)) {
            Ok(Fit::Packed(id)) => {
                self.session.ledger.sent(msg_id, id, Sent::Proof);
                true
            }
            _ => false,
        }
    }

    /// Whether a value is larger than what the device takes.
    fn is_too_large(&self, queued: &Queued) -> bool {
        let Some(most) = self.session.link.max_object_size() else {
            return false;
        };
        queued.tagged.flatten().any(|(_, command)| {
            let mut values = command.items().iter().filter_map(|item| item.data.as_ref());
            values.any(|data| data_size(data) > most)
        })
    }

    /// Begins to send a command that fits no message, if it can be cut.
    fn cut(&mut self, packer: &mut Packer<'_>, msg_id: u32, queued: Queued) -> Packed {
        let Queued { procedure, tagged } = queued;
        match LargeObject::new(tagged.command.clone()) {
            Some(object) => {
                let sending = Box::new(Sending {
                    procedure,
                    tag: tagged.tag,
                    object,
                });
                self.chunk(packer, msg_id, sending)
            }
            None => {
                let queued = Queued { procedure, tagged };
                self.device.unsent(&queued, Unanswered::TooLarge);
                Packed::Nothing
            }
        }
    }

    /// Packs the next chunk.
    fn chunk(&mut self, packer: &mut Packer<'_>, msg_id: u32, mut sending: Box<Sending>) -> Packed {
        let (procedure, tag) = (sending.procedure, sending.tag);
        let goes_on = sending.object.is_begun();
        let reason = match packer.push_chunk(&mut sending.object) {
            Ok(Fit::Packed(id)) if sending.object.is_complete() => {
                let mut sent = Sent::command(procedure, tag);
                if let Sent::Command { is_rest, .. } = &mut sent {
                    *is_rest = goes_on;
                }
                self.session.ledger.sent(msg_id, id, sent);
                return Packed::Some;
            }
            Ok(Fit::Packed(id)) => {
                self.session.ledger.sent(msg_id, id, Sent::Chunk);
                self.session.sending = Some(sending);
                return Packed::Part;
            }
            Ok(Fit::Full | Fit::Never) => Unanswered::TooLarge,
            Err(_) => Unanswered::Unencodable,
        };
        let answer = Answer::not_answered(tag, reason);
        self.device.answer(procedure, answer);
        Packed::Nothing
    }

    /// Packs a command that is of no use but to be challenged: a device challenges no message
    /// that wants nothing, and the nonce it sends is what the server proves itself with.
    fn ask_for_challenge(
        &mut self,
        packer: &mut Packer<'_>,
        msg_id: u32,
    ) -> Result<(), EncodeError> {
        let id = packer.require(&mut request::get(PROOF))?;
        self.session.ledger.sent(msg_id, id, Sent::Proof);
        Ok(())
    }

    fn alert(
        &mut self,
        packer: &mut Packer<'_>,
        msg_id: u32,
        code: AlertCode,
    ) -> Result<(), EncodeError> {
        let id = packer.require(&mut Command::Alert(Alert::new(code)))?;
        self.session.ledger.sent(msg_id, id, Sent::Alert);
        Ok(())
    }

    fn end(&mut self, end: SessionEnd) {
        self.device.lose(self.session);
        self.session.phase = Phase::Ended { resumable: false };
        self.log.push(EventKind::SessionEnded(end));
    }
}

/// What became of the commands: [`Composer::commands`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packed {
    /// Some are in the message.
    Some,
    /// The package goes on in the next message: with the next chunk, or with commands that found
    /// no room beside the statuses.
    Part,
    /// There are none.
    Nothing,
}
