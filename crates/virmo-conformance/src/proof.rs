//! How a foreign end and the judge prove to each other who they are.

use virmo::dm::{
    session::{Evidence, Heard, NoRandom, Nonce, Proof, Prover, Verdict, Verifier},
    syncml::{Chal, CmdRef, Command, Header, Message},
};

use crate::Failed;

/// A message as HTTP carries it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Packet {
    /// Its octets.
    pub body: Vec<u8>,
    /// The transport header `x-syncml-hmac`, if it has one. [DM-Security]
    pub hmac: Option<String>,
}

impl Packet {
    /// With the transport header `x-syncml-hmac`, if there is one.
    #[must_use]
    pub fn with_hmac(mut self, hmac: Option<String>) -> Self {
        self.hmac = hmac;
        self
    }
}

impl From<Vec<u8>> for Packet {
    fn from(body: Vec<u8>) -> Self {
        Self { body, hmac: None }
    }
}

/// What the ends have to prove themselves by in messages; by nothing unless it says so.
/// [DM-Security]
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Proofs {
    /// What the device proves itself by.
    pub device: Option<Proof>,
    /// What the server proves itself by.
    pub server: Option<Proof>,
}

impl Proofs {
    /// These, each by nothing if it is absent.
    #[must_use]
    pub const fn new(device: Option<Proof>, server: Option<Proof>) -> Self {
        Self { device, server }
    }
}

/// The judge as a server that wants proof and gives it, from session to session.
#[derive(Default)]
pub(crate) struct Guard {
    session: Option<(Verifier, Prover)>,
    issued: Option<Nonce>,
}

impl Guard {
    /// A session begins.
    pub(crate) fn begin(&mut self, proofs: &Proofs) {
        let heard = self
            .session
            .take()
            .and_then(|(_, prover)| prover.nonce().cloned());
        self.session = Some((
            Verifier::new(proofs.device.clone()).with_nonces(self.issued.clone(), None),
            Prover::new(proofs.server.clone()).with_nonce(heard),
        ));
    }

    /// Takes in a message of the device: what became of its proof, and of ours.
    pub(crate) fn check(
        &mut self,
        packet: &Packet,
        message: &Message<'_>,
    ) -> Result<(Verdict, Option<Heard>), Failed> {
        let Some((verifier, prover)) = &mut self.session else {
            return Ok((Verdict::NotWanted, None));
        };
        let evidence = Evidence::new(&packet.body, message.header.cred.as_ref())
            .with_hmac(packet.hmac.as_deref());
        let verdict = verifier
            .check(&evidence, &mut random)
            .map_err(Failed::new)?;
        if let Some(next) = verifier.next_nonce() {
            self.issued = Some(next.clone());
        }
        if !verdict.is_accepted() {
            return Ok((verdict, None));
        }
        let heard = message.commands.iter().find_map(|command| match command {
            Command::Status(status) if status.cmd_ref == CmdRef::Header => {
                prover.heard(status.code, status.chal.as_deref())
            }
            _ => None,
        });
        Ok((verdict, heard))
    }

    /// The challenge, or the next nonce, that goes with the Status of the header.
    pub(crate) fn chal(&self) -> Option<Chal<'static>> {
        self.session.as_ref()?.0.chal()
    }

    /// Puts our proof into a header.
    pub(crate) fn sign(&mut self, header: &mut Header<'static>) {
        if let Some((_, prover)) = &mut self.session {
            header.source.name = prover.name().map(|name| name.to_owned().into());
            header.cred = prover.cred();
        }
    }

    /// A message with our proof beside it.
    pub(crate) fn seal(&mut self, body: Vec<u8>) -> Packet {
        let session = self.session.as_mut();
        let hmac = session.and_then(|(_, prover)| prover.mac(&body));
        Packet::from(body).with_hmac(hmac.map(|hmac| hmac.to_string()))
    }
}

fn random(octets: &mut [u8]) -> Result<(), NoRandom> {
    getrandom::fill(octets).map_err(|_| NoRandom)
}
