use std::time::Duration;

use virmo_guest::{FrameKind, HostEnd, MemoryGuest, Reply, Request, Responder, encoding_of};
use virmo_hypervisor::{GuestChannel, HypervisorError, HypervisorErrorKind as Kind};
use virmo_state::VmId;

use crate::{Simulator, record::State};

/// What a guest does wrong in one exchange.
///
/// Nothing here takes time: a reply that would come too late is a `Timeout` at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// It does nothing and says nothing.
    Silent,
    /// It does what it is asked, and its reply comes with the next exchange.
    Late,
    /// Its reply comes between octets that are none: a console on the same line.
    Noisy,
    /// It replies with something that is no message.
    Garbage,
    /// It replies with more octets than are taken.
    TooLong,
    /// It replies in a frame of another exchange.
    WrongId,
    /// It replies with a message of another session.
    WrongSession,
    /// It does what it is asked, and crashes before it replies.
    Vanish,
}

impl Misbehaviour {
    /// All that can go wrong.
    pub const ALL: [Self; 8] = [
        Self::Silent,
        Self::Late,
        Self::Noisy,
        Self::Garbage,
        Self::TooLong,
        Self::WrongId,
        Self::WrongSession,
        Self::Vanish,
    ];
}

/// The line to a guest, both ends of it.
#[derive(Debug)]
pub(crate) struct Line {
    host: HostEnd,
    guest: Responder<MemoryGuest>,
    /// What the guest said too late.
    late: Vec<u8>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            host: HostEnd::new(1),
            guest: Responder::new(MemoryGuest::new()),
            late: Vec::new(),
        }
    }
}

impl Line {
    /// What the guest says to what the host says.
    fn say(&mut self, message: &[u8], max_reply: usize, wrong: Option<Misbehaviour>) -> Vec<u8> {
        let mut there = Vec::new();
        self.host.request(message, max_reply, &mut there);
        let mut back = std::mem::take(&mut self.late);
        // What stands in a frame instead of the reply, and how far its id is off.
        let (instead, off) = match wrong {
            Some(Misbehaviour::Silent) => return back,
            Some(Misbehaviour::Garbage) => (b"<html>busy</html>".to_vec(), 0),
            Some(Misbehaviour::TooLong) => (vec![b'x'; max_reply.saturating_add(1)], 0),
            Some(Misbehaviour::WrongId) => (self.guest.answer(message), 1),
            Some(Misbehaviour::WrongSession) => (of_another_session(message), 0),
            Some(Misbehaviour::Late | Misbehaviour::Vanish) => {
                self.guest.receive(&there, &mut self.late);
                return back;
            }
            Some(Misbehaviour::Noisy) => {
                back.extend(b"\r\n~# login: ");
                self.guest.receive(&there, &mut back);
                back.extend(b"\r\nc=0000000a");
                return back;
            }
            None => {
                self.guest.receive(&there, &mut back);
                return back;
            }
        };
        let mut frames = virmo_guest::Deframer::new(usize::MAX);
        if let Some(Ok(mut frame)) = frames.next_frame(&mut there.as_slice()) {
            frame.kind = FrameKind::Reply;
            frame.id = frame.id.wrapping_add(off);
            frame.payload = instead;
            frame.write(&mut back);
        }
        back
    }
}

fn of_another_session(message: &[u8]) -> Vec<u8> {
    let request = Request::decode(message, &virmo_guest::Limits::default());
    let written = request.ok().and_then(|mut request| {
        request.session.push('0');
        let reply = Reply::to(&request);
        reply.encode(&request, encoding_of(message)).ok()
    });
    written.unwrap_or_default()
}

/// Each running machine has a [`MemoryGuest`]. It begins empty with each boot and each start of the
/// simulator; a suspended one is kept.
impl GuestChannel for Simulator {
    fn exchange(
        &self,
        id: &VmId,
        message: &[u8],
        _within: Duration,
        max_reply: usize,
        _over: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, HypervisorError> {
        let record = self.record(id)?;
        if record.own.state != State::Running || record.own.pending.is_some() {
            return Err(HypervisorError::invalid_state(record.own.machine_state()));
        }
        let wrong = self.misbehaviours().pop_front();
        let received = {
            let mut guests = self.guests();
            let line = guests.entry(id.clone()).or_default();
            let back = line.say(message, max_reply, wrong);
            line.host.receive(&back)
        };
        if wrong == Some(Misbehaviour::Vanish) {
            self.end_guest(id, true)?;
            let error = HypervisorError::new(Kind::Backend);
            return Err(error.because("the guest is gone"));
        }
        match received {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(HypervisorError::new(Kind::Timeout {
                may_have_happened: true,
            })),
            Err(error) => Err(HypervisorError::new(Kind::Backend).caused_by(error)),
        }
    }
}

impl Simulator {
    /// Has a guest do something wrong in the next exchange; several show one after the other.
    pub fn misbehave(&self, wrong: Misbehaviour) {
        self.misbehaviours().push_back(wrong);
    }

    /// Looks into the guest of a running or suspended machine, or acts from inside.
    ///
    /// # Errors
    ///
    /// `NotFound`, `InvalidState` if it is off, or a fault of the folder.
    pub fn guest<R>(
        &self,
        id: &VmId,
        look: impl FnOnce(&mut MemoryGuest) -> R,
    ) -> Result<R, HypervisorError> {
        let record = self.record(id)?;
        match record.own.state {
            State::Running | State::Suspended => {
                let mut guests = self.guests();
                Ok(look(
                    guests.entry(id.clone()).or_default().guest.guest_mut(),
                ))
            }
            State::Off | State::Crashed => {
                Err(HypervisorError::invalid_state(record.own.machine_state()))
            }
        }
    }
}
