use crate::{Deframer, Frame, FrameKind, Noise};

/// The host's end of the line to one guest; what a back end drives its channel with.
///
/// 1. [`request`](Self::request) begins an exchange and appends what goes out. An exchange that is
///    still open is given up: its reply is dropped when it comes.
/// 2. [`receive`](Self::receive) takes what comes in, until it returns the reply.
///
/// Time is the caller's: one that has waited long enough just begins the next exchange.
///
/// ```
/// use virmo_guest::{HostEnd, MemoryGuest, Responder};
///
/// let mut guest = Responder::new(MemoryGuest::new());
/// let mut host = HostEnd::new(1);
/// let (mut there, mut back) = (Vec::new(), Vec::new());
/// host.request(b"hello", 1024, &mut there);
/// guest.receive(&there, &mut back);
/// // No message; a guest answers what it cannot read with nothing.
/// assert_eq!(host.receive(&back), Ok(Some(vec![])));
/// ```
#[derive(Clone, Debug)]
pub struct HostEnd {
    deframer: Deframer,
    next: u32,
    waiting: Option<u32>,
}

/// The guest's reply has more octets than were asked for; the exchange is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("reply too long")]
pub struct ReplyTooLong;

impl HostEnd {
    /// An end whose first request has this id. One other than that of the last run keeps replies
    /// to that run apart.
    #[must_use]
    pub const fn new(first_id: u32) -> Self {
        Self {
            deframer: Deframer::new(0),
            next: first_id,
            waiting: None,
        }
    }

    /// Begins an exchange: appends the frame of a request to `out`. The reply may have up to
    /// `max_reply` octets.
    pub fn request(&mut self, message: &[u8], max_reply: usize, out: &mut Vec<u8>) {
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.waiting = Some(id);
        self.deframer.limit(max_reply);
        Frame::new(FrameKind::Request, id, message.to_vec()).write(out);
    }

    /// Takes octets from the guest; returns the reply that is waited for once it is whole. What
    /// else comes, and what is damaged, is dropped.
    ///
    /// # Errors
    ///
    /// [`ReplyTooLong`]
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<Option<Vec<u8>>, ReplyTooLong> {
        while let Some(found) = self.deframer.next_frame(&mut bytes) {
            let (kind, id) = match &found {
                Ok(frame) => (Some(frame.kind), frame.id),
                Err(Noise::TooLong { kind, id }) => (*kind, *id),
                Err(Noise::Damaged) => continue,
            };
            if kind == Some(FrameKind::Reply) && self.waiting == Some(id) {
                self.waiting = None;
                let frame = found.map_err(|_| ReplyTooLong)?;
                return Ok(Some(frame.payload));
            }
        }
        Ok(None)
    }
}
