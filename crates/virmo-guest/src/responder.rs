use std::collections::{BTreeMap, BTreeSet};

use omadm_core::StatusCode;
use omadm_syncml::Encoding;

use crate::{
    Answer, Command, Deframer, Frame, FrameKind, Limits, News, Noise, Reply, Request, encoding_of,
};

/// What is managed inside a guest; a [`Responder`] drives it.
///
/// Addresses are the guest's own: `./Settings/Volume` is what the server knows as
/// `./VirMO/<x>/DMTree/Settings/Volume`. [VirMO §11.2.1]
pub trait Guest {
    /// Carries out one command, and blocks as long as that takes. A host waits for a limited time;
    /// what takes longer is answered with 202 and an alert later.
    fn carry_out(&mut self, command: &Command) -> Answer;

    /// What happened by itself and is not [`received`](Self::received), oldest first. Each keeps
    /// its number.
    fn news(&self) -> Vec<News>;

    /// The host keeps the news of this number, or no reply that the host takes can hold them: they
    /// need not be told again.
    fn received(&mut self, number: u32);
}

/// The guest's end of the line to its host.
///
/// Octets in, octets out: [`receive`](Self::receive) takes what came, however it is cut, and
/// appends what is to be sent. It speaks only when it is spoken to.
#[derive(Clone, Debug)]
pub struct Responder<G> {
    guest: G,
    deframer: Deframer,
    limits: Limits,
    session: String,
    /// The first and last reply of the session that told the news of a number.
    told: BTreeMap<u32, (u32, u32)>,
}

impl<G: Guest> Responder<G> {
    /// A responder for `guest` within the default [`Limits`].
    pub fn new(guest: G) -> Self {
        Self::with_limits(guest, Limits::default())
    }

    /// A responder that takes requests within these limits.
    pub fn with_limits(guest: G, limits: Limits) -> Self {
        Self {
            guest,
            deframer: Deframer::new(limits.max_bytes),
            limits,
            session: String::new(),
            told: BTreeMap::new(),
        }
    }

    /// The guest.
    pub const fn guest(&self) -> &G {
        &self.guest
    }

    /// The guest, to be changed from inside.
    pub const fn guest_mut(&mut self) -> &mut G {
        &mut self.guest
    }

    /// Takes octets from the host, carries out the requests that are whole, and appends the
    /// replies to `out`.
    pub fn receive(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some(found) = self.deframer.next_frame(&mut bytes) {
            let (id, reply) = match found {
                Ok(frame) if frame.kind == FrameKind::Request => {
                    (frame.id, self.answer(&frame.payload))
                }
                Err(Noise::TooLong {
                    kind: Some(FrameKind::Request),
                    id,
                }) => (id, Vec::new()),
                Ok(_) | Err(_) => continue,
            };
            Frame::new(FrameKind::Reply, id, reply).write(out);
        }
    }

    /// The reply to one message, without frames; for a line that has its own. Empty if the message
    /// cannot be read or no reply to it fits what it allows.
    pub fn answer(&mut self, message: &[u8]) -> Vec<u8> {
        let Ok(request) = Request::decode(message, &self.limits) else {
            return Vec::new();
        };
        self.settle(&request);
        let mut reply = Reply::to(&request);
        for command in &request.commands {
            reply.answers.push(self.guest.carry_out(command));
        }
        reply.news = self.guest.news();
        let kept: BTreeSet<u32> = reply.news.iter().map(|news| news.number).collect();
        self.told.retain(|number, _| kept.contains(number));
        let room = self
            .limits
            .max_commands
            .saturating_sub(2 * reply.answers.len());
        reply.news.truncate(room);
        let encoding = encoding_of(message);
        let mut written = reply.encode(&request, encoding);
        while !reply.news.is_empty() && !fits(&written, &request) {
            match reply.news.as_slice() {
                // It would hold up all that follow for ever.
                [only] if !is_tellable(only, &request, encoding) => {
                    self.guest.received(only.number);
                    reply.news.clear();
                }
                news => reply.news.truncate(news.len() / 2),
            }
            written = reply.encode(&request, encoding);
        }
        if !fits(&written, &request) {
            // What was done stays done; what came of it does not fit.
            for answer in &mut reply.answers {
                *answer = StatusCode::REQUEST_ENTITY_TOO_LARGE.into();
            }
            written = reply.encode(&request, encoding);
            if !fits(&written, &request) {
                return Vec::new();
            }
        }
        for news in &reply.news {
            let told = self.told.entry(news.number);
            told.or_insert((request.number, 0)).1 = request.number;
        }
        written.unwrap_or_default()
    }

    /// Drops the news the host keeps. A receipt that is not for what was told in this session is
    /// one to an earlier life of the guest, whose numbers meant something else.
    fn settle(&mut self, request: &Request) {
        if self.session != request.session {
            self.session.clone_from(&request.session);
            self.told.clear();
        }
        for receipt in &request.received {
            let told = self.told.get(&receipt.news);
            if told.is_some_and(|(first, last)| (*first..=*last).contains(&receipt.reply)) {
                self.told.remove(&receipt.news);
                self.guest.received(receipt.news);
            }
        }
    }
}

/// Whether a reply could hold nothing but these news.
fn is_tellable(news: &News, request: &Request, encoding: Encoding) -> bool {
    let mut reply = Reply::to(request);
    reply.news.push(news.clone());
    fits(&reply.encode(request, encoding), request)
}

fn fits(written: &Result<Vec<u8>, crate::Unencodable>, request: &Request) -> bool {
    written
        .as_ref()
        .is_ok_and(|written| written.len() <= request.max_reply)
}
