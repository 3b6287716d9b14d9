use std::collections::BTreeMap;

use omadm_client::{Request, TransportFailure};

/// What can happen to one exchange of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The server never gets the message.
    LoseRequest,
    /// The server gets the message, the device no answer.
    LoseAnswer,
    /// The server gets the message twice, the device the second answer.
    RepeatRequest,
    /// The server gets half of the message.
    CutRequest,
    /// The device gets half of the answer.
    CutAnswer,
    /// The server gets a message that differs in its last text.
    AlterRequest,
    /// The device gets an answer that differs in its last text.
    AlterAnswer,
}

impl Fault {
    /// Every fault that is found out without a MAC.
    pub const ALL: [Self; 5] = [
        Self::LoseRequest,
        Self::LoseAnswer,
        Self::RepeatRequest,
        Self::CutRequest,
        Self::CutAnswer,
    ];
}

/// The body of an answer, and its transport header `x-syncml-hmac`.
pub type Answer = (Vec<u8>, Option<String>);

/// The way between device and server, with a fault wherever one is planned.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    faults: BTreeMap<usize, Fault>,
    exchanges: usize,
}

impl Wire {
    /// A wire with a fault at each of these exchanges, counted from 0.
    #[must_use]
    pub fn new(faults: impl IntoIterator<Item = (usize, Fault)>) -> Self {
        Self {
            faults: faults.into_iter().collect(),
            exchanges: 0,
        }
    }

    /// How many exchanges there were, those that failed included.
    #[must_use]
    pub const fn exchanges(&self) -> usize {
        self.exchanges
    }

    /// Carries a message to `server` and its answer back; `None` is a server that refuses it.
    ///
    /// # Errors
    /// How the transport failed.
    pub fn carry(
        &mut self,
        request: &Request,
        mut server: impl FnMut(&[u8]) -> Option<Answer>,
    ) -> Result<Answer, TransportFailure> {
        let fault = self.faults.get(&self.exchanges).copied();
        self.exchanges += 1;
        let half = |body: &[u8]| body.split_at(body.len() / 2).0.to_vec();
        let answer = match fault {
            Some(Fault::LoseRequest) => return Err(TransportFailure::Lost),
            Some(Fault::LoseAnswer) => {
                server(&request.body);
                return Err(TransportFailure::Lost);
            }
            Some(Fault::RepeatRequest) => {
                server(&request.body);
                server(&request.body)
            }
            Some(Fault::CutRequest) => server(&half(&request.body)),
            Some(Fault::CutAnswer) => server(&request.body).map(|(body, hmac)| (half(&body), hmac)),
            Some(Fault::AlterRequest) => server(&altered(&request.body)),
            Some(Fault::AlterAnswer) => {
                server(&request.body).map(|(body, hmac)| (altered(&body), hmac))
            }
            None => server(&request.body),
        };
        answer.ok_or(TransportFailure::Refused)
    }
}

/// The message with another letter, where one stands that means nothing to the protocol.
fn altered(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    if let Some(octet) = body.iter_mut().rev().find(|octet| octet.is_ascii_digit()) {
        *octet = if *octet == b'9' { b'8' } else { *octet + 1 };
    }
    body
}
