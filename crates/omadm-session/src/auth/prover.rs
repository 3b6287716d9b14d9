use omadm_core::{StatusCode, base64};
use omadm_syncml::{Chal, Cred};

use super::{Hmac, Nonce, Proof, Scheme};

/// The end that proves itself, towards one peer in one session. [DM-Security]
///
/// ```text
///                   ┌── 200, with the next nonce ──┐
///                   ▼                              │
/// Presenting ───────┴──────────────────────────────┤── 212 ──> Accepted
///     │  ▲                                         │
///     │  └── the first challenge it can answer ────┘
///     └── any other challenge ──> Failed
/// ```
///
/// Each message takes its proof from [`cred`](Self::cred), which goes into the header, and from
/// [`mac`](Self::mac), which goes beside the message. A digest is made when there is a nonce: before
/// a challenge the one [of the last session](Self::with_nonce). No nonce is used twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prover {
    /// What it may be asked for; the current one first.
    proofs: Box<[Proof]>,
    /// None before there is any nonce, as for the scheme basic.
    nonces: Option<Box<Told>>,
    state: State,
    /// The last message carried a proof.
    presented: bool,
    /// No challenge is answered any more: one was, or a message was accepted.
    settled: bool,
}

/// The nonces of the peer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Told {
    /// What the next proof is made with.
    next: Option<Nonce>,
    /// What the peer sent last in this session, used or not.
    heard: Option<Nonce>,
    /// What the proof in the last message was made with.
    used: Option<Nonce>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Presenting,
    Accepted,
    Failed,
}

/// What the peer said about our proof: [`Prover::heard`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Heard {
    /// It holds, or none is wanted; the message was processed.
    Accepted,
    /// The message was not processed; it is to be sent again, with a new proof.
    Again,
    /// The message was not processed and another try is in vain: the session is over.
    Failed,
    /// The peer took a MAC and broke its rules: it accepted it for the whole session, or sent no
    /// next nonce. The session is over.
    Violated,
}

impl Prover {
    /// Proves itself by the first of these, by another one if the peer asks for its scheme; not at
    /// all if there is none.
    pub fn new(proofs: impl IntoIterator<Item = Proof>) -> Self {
        Self {
            proofs: proofs.into_iter().collect(),
            nonces: None,
            state: State::Presenting,
            presented: false,
            settled: false,
        }
    }

    /// Proves itself from the first message on also by a digest, with this nonce: the one the peer
    /// sent last.
    #[must_use]
    pub fn with_nonce(mut self, nonce: Option<Nonce>) -> Self {
        if nonce.is_some() || self.nonces.is_some() {
            self.nonces.get_or_insert_default().next = nonce;
        }
        self
    }

    /// The credentials that the header of the next message carries, if it is to carry any. Asked
    /// for once a message.
    pub fn cred(&mut self) -> Option<Cred<'static>> {
        self.presented = false;
        if let Some(nonces) = &mut self.nonces {
            nonces.used = None;
        }
        let proof = self.current()?;
        let scheme = proof.scheme();
        let octets = match scheme {
            Scheme::Basic => proof.credentials().basic(),
            Scheme::Md5 => proof.credentials().md5(self.nonce()?),
            Scheme::Mac => return None,
        };
        self.present();
        Some(Cred::new(scheme.meta(), base64::encode(octets.expose())))
    }

    /// The MAC of the next message, if it is to have one. Asked for once a message, with its exact
    /// octets, after [`cred`](Self::cred).
    pub fn mac(&mut self, message: &[u8]) -> Option<Hmac> {
        let proof = self.current()?;
        if proof.scheme() != Scheme::Mac {
            return None;
        }
        let credentials = proof.credentials();
        let mac = credentials.mac(self.nonce()?, message);
        let hmac = Hmac::new(&credentials.name, mac)?;
        self.present();
        Some(hmac)
    }

    /// Takes in the Status of the last message's header; none if it is not about credentials and
    /// the message was not accepted either.
    pub fn heard(&mut self, code: StatusCode, chal: Option<&Chal<'_>>) -> Option<Heard> {
        match code {
            StatusCode::UNAUTHORIZED | StatusCode::AUTHENTICATION_REQUIRED => {
                let again = self.challenge(chal).is_some();
                Some(if again {
                    Heard::Again
                } else {
                    self.state = State::Failed;
                    Heard::Failed
                })
            }
            code if code.is_success() => Some(self.accepted(code, chal)),
            _ => None,
        }
    }

    /// The nonce of the next proof: to be kept for the next session once the peer has proven who it
    /// is. None after it was used.
    #[must_use]
    pub fn nonce(&self) -> Option<&Nonce> {
        self.nonces.as_ref()?.next.as_ref()
    }

    /// The nonce that the peer sent last in this session, used or not: what a notification is signed
    /// with. [DM-Notification]
    #[must_use]
    pub fn heard_nonce(&self) -> Option<&Nonce> {
        self.nonces.as_ref()?.heard.as_ref()
    }

    /// The user name that the `LocName` of the header's Source carries with a digest.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let proof = self.proofs.first()?;
        let digest = proof.scheme().has_nonce();
        digest.then_some(proof.credentials().name.as_str())
    }

    /// Whether messages are to carry a proof, where there is a nonce for it.
    #[must_use]
    pub fn is_presenting(&self) -> bool {
        self.current().is_some()
    }

    /// Whether a message may still be refused for the lack of proof, and sent again.
    #[must_use]
    pub const fn may_be_challenged(&self) -> bool {
        matches!(self.state, State::Presenting) && !self.settled && !self.proofs.is_empty()
    }

    /// Whether there is a proof, and the last message could not carry it for want of a nonce.
    #[must_use]
    pub fn lacks_nonce(&self) -> bool {
        let digest = self
            .proofs
            .first()
            .is_some_and(|it| it.scheme().has_nonce());
        digest && self.may_be_challenged() && !self.presented && self.nonce().is_none()
    }

    fn current(&self) -> Option<&Proof> {
        self.proofs
            .first()
            .filter(|_| self.state == State::Presenting)
    }

    fn present(&mut self) {
        self.presented = true;
        if let Some(nonces) = &mut self.nonces {
            nonces.used = nonces.next.take();
        }
    }

    fn accepted(&mut self, code: StatusCode, chal: Option<&Chal<'_>>) -> Heard {
        let scheme = self.proofs.first().map(Proof::scheme);
        let next = chal
            .filter(|chal| Scheme::of_challenge(chal) == scheme)
            .and_then(Nonce::of_chal);
        let with_mac = self.presented && scheme == Some(Scheme::Mac);
        let for_session = code == StatusCode::AUTHENTICATION_ACCEPTED;
        if with_mac && (for_session || next.is_none()) {
            self.state = State::Failed;
            return Heard::Violated;
        }
        if let Some(next) = next {
            self.told(next);
        }
        self.settled = true;
        if for_session {
            self.state = State::Accepted;
        }
        Heard::Accepted
    }

    /// Takes in a nonce of the peer.
    fn told(&mut self, nonce: Nonce) {
        let nonces = self.nonces.get_or_insert_default();
        nonces.heard = Some(nonce.clone());
        nonces.next = Some(nonce);
    }

    /// Gets ready for what a challenge asks for; none if it cannot or must not be answered.
    fn challenge(&mut self, chal: Option<&Chal<'_>>) -> Option<()> {
        if self.settled || self.state != State::Presenting {
            return None;
        }
        let wanted = match chal {
            Some(chal) => Scheme::of_challenge(chal)?,
            // A challenge that does not say what it asks for; a digest lacks its nonce then.
            None => Scheme::Basic,
        };
        let index = self.proofs.iter().position(|it| it.scheme() == wanted)?;
        if wanted.has_nonce() {
            let nonce = Nonce::of_chal(chal?)?;
            let used = self.nonces.as_ref().and_then(|it| it.used.as_ref());
            if used == Some(&nonce) {
                return None;
            }
            self.told(nonce);
        } else if index == 0 && self.presented {
            // Basic has no nonce: the same credentials refused once are refused for good.
            return None;
        }
        self.proofs.swap(0, index);
        self.settled = true;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use omadm_syncml::Meta;

    use super::*;

    const REFUSALS: [StatusCode; 2] = [
        StatusCode::UNAUTHORIZED,
        StatusCode::AUTHENTICATION_REQUIRED,
    ];

    fn nonce(octets: &[u8]) -> Option<Nonce> {
        Some(Nonce::new(octets).unwrap())
    }

    fn proof(scheme: Scheme) -> Proof {
        Proof::new(scheme, "Bruce2", "OhBehave")
    }

    fn prover(scheme: Scheme) -> Prover {
        Prover::new([proof(scheme)])
    }

    fn chal(scheme: Scheme, octets: &[u8]) -> Chal<'static> {
        match scheme {
            Scheme::Basic => Chal::new(scheme.meta()),
            _ => Nonce::new(octets).unwrap().chal(scheme),
        }
    }

    /// What the next message carries.
    fn carries(prover: &mut Prover) -> Option<String> {
        let cred = prover.cred();
        let mac = prover.mac(br#"<SyncML xmlns="SYNCML:SYNCML1.2"></SyncML>"#);
        match (cred, mac) {
            (Some(cred), None) => cred.data.as_text().map(str::to_owned),
            (None, Some(mac)) => Some(mac.to_string()),
            (None, None) => None,
            both => panic!("{both:?}"),
        }
    }

    #[test]
    fn proofs_are_those_of_the_specification() {
        let mut basic = prover(Scheme::Basic);
        assert_eq!(carries(&mut basic).as_deref(), Some("QnJ1Y2UyOk9oQmVoYXZl"));
        let mut md5 = prover(Scheme::Md5).with_nonce(nonce(b"Nonce"));
        assert_eq!(
            carries(&mut md5).as_deref(),
            Some("Zz6EivR3yeaaENcRN6lpAQ==")
        );
        let mut mac = prover(Scheme::Mac).with_nonce(nonce(b"Nonce"));
        assert_eq!(
            carries(&mut mac).as_deref(),
            Some("algorithm=MD5, username=\"Bruce2\", mac=aSBvnDHzBa7JhdjeEEUR2g==")
        );
    }

    #[test]
    fn no_nonce_is_used_twice() {
        for scheme in [Scheme::Md5, Scheme::Mac] {
            let mut prover = prover(scheme);
            assert_eq!(carries(&mut prover), None, "none to use at all");
            assert!(prover.lacks_nonce());
            let mut prover = prover.with_nonce(nonce(b"a"));
            assert!(carries(&mut prover).is_some());
            assert!(!prover.lacks_nonce());
            assert_eq!(prover.nonce(), None);
            assert_eq!(carries(&mut prover), None);
            let next = chal(scheme, b"b");
            assert!(prover.may_be_challenged());
            let heard = prover.heard(StatusCode::OK, Some(&next));
            assert_eq!(heard, Some(Heard::Accepted));
            assert!(!prover.may_be_challenged());
            assert_eq!(prover.nonce(), nonce(b"b").as_ref());
            assert!(carries(&mut prover).is_some());
        }
    }

    #[test]
    fn what_is_accepted_for_the_session_is_not_said_again() {
        for scheme in [Scheme::Basic, Scheme::Md5] {
            let mut prover = prover(scheme).with_nonce(nonce(b"a"));
            assert!(carries(&mut prover).is_some());
            let (code, next) = (StatusCode::AUTHENTICATION_ACCEPTED, chal(scheme, b"b"));
            assert_eq!(prover.heard(code, Some(&next)), Some(Heard::Accepted));
            assert_eq!(carries(&mut prover), None);
            assert!(!prover.may_be_challenged());
            for code in REFUSALS {
                let mut prover = prover.clone();
                let heard = prover.heard(code, Some(&chal(scheme, b"c")));
                assert_eq!(heard, Some(Heard::Failed), "it was accepted");
            }
            if scheme == Scheme::Md5 {
                assert_eq!(prover.nonce(), nonce(b"b").as_ref(), "for the next session");
            }
        }
    }

    #[test]
    fn credentials_are_repeated_until_accepted_for_the_session() {
        let mut prover = prover(Scheme::Basic);
        for _ in 0..3 {
            assert!(carries(&mut prover).is_some());
            assert_eq!(prover.heard(StatusCode::OK, None), Some(Heard::Accepted));
        }
        assert_eq!(prover.heard(StatusCode::COMMAND_FAILED, None), None);
    }

    #[test]
    fn one_challenge_is_answered() {
        for scheme in Scheme::ALL {
            for code in REFUSALS {
                // Without a proof before, and with one from a nonce that is out of date.
                for stale in [None, nonce(b"stale")] {
                    let mut prover = prover(scheme).with_nonce(stale.clone());
                    if scheme != Scheme::Basic {
                        assert_eq!(carries(&mut prover).is_some(), stale.is_some());
                    }
                    let heard = prover.heard(code, Some(&chal(scheme, b"fresh")));
                    assert_eq!(heard, Some(Heard::Again), "{scheme} {code}");
                    assert!(carries(&mut prover).is_some());
                    let heard = prover.heard(code, Some(&chal(scheme, b"fresher")));
                    assert_eq!(heard, Some(Heard::Failed), "{scheme} {code}");
                    assert_eq!(carries(&mut prover), None);
                }
            }
        }
    }

    #[test]
    fn what_was_refused_is_not_said_again() {
        let mut basic = prover(Scheme::Basic);
        carries(&mut basic);
        let chal_basic = chal(Scheme::Basic, b"");
        let heard = basic.heard(StatusCode::UNAUTHORIZED, Some(&chal_basic));
        assert_eq!(heard, Some(Heard::Failed));
        for scheme in [Scheme::Md5, Scheme::Mac] {
            let mut prover = prover(scheme).with_nonce(nonce(b"same"));
            carries(&mut prover);
            let heard = prover.heard(StatusCode::UNAUTHORIZED, Some(&chal(scheme, b"same")));
            assert_eq!(heard, Some(Heard::Failed), "the digest would be the same");
        }
    }

    #[test]
    fn a_challenge_for_a_scheme_without_credentials_fails() {
        for ours in Scheme::ALL {
            for wanted in Scheme::ALL {
                let mut prover = prover(ours);
                let heard = prover.heard(StatusCode::UNAUTHORIZED, Some(&chal(wanted, b"n")));
                let expected = if ours == wanted {
                    Heard::Again
                } else {
                    Heard::Failed
                };
                assert_eq!(heard, Some(expected), "{ours} {wanted}");
            }
            let odd = Chal::new(Meta::new().with_type("syncml:auth-odd"));
            let heard = prover(ours).heard(StatusCode::UNAUTHORIZED, Some(&odd));
            assert_eq!(heard, Some(Heard::Failed));
            let bare = Chal::new(ours.meta());
            for chal in [None, Some(&bare)] {
                let heard = prover(ours).heard(StatusCode::UNAUTHORIZED, chal);
                let basic = ours == Scheme::Basic;
                let expected = if basic { Heard::Again } else { Heard::Failed };
                assert_eq!(heard, Some(expected), "without a nonce");
            }
        }
        let mut mute = Prover::new([]);
        assert_eq!((mute.cred(), mute.name()), (None, None));
        let heard = mute.heard(StatusCode::AUTHENTICATION_REQUIRED, None);
        assert_eq!(heard, Some(Heard::Failed));
    }

    #[test]
    fn the_scheme_that_is_asked_for_is_used() {
        let mut prover = Prover::new([proof(Scheme::Md5), proof(Scheme::Mac)]);
        assert_eq!(carries(&mut prover), None);
        let heard = prover.heard(StatusCode::UNAUTHORIZED, Some(&chal(Scheme::Mac, b"n")));
        assert_eq!(heard, Some(Heard::Again));
        assert!(carries(&mut prover).unwrap().starts_with("algorithm=MD5"));
        let other = prover.heard(StatusCode::UNAUTHORIZED, Some(&chal(Scheme::Md5, b"m")));
        assert_eq!(other, Some(Heard::Failed), "one challenge a session");
    }

    #[test]
    fn a_mac_that_is_not_answered_by_the_rules_ends_the_session() {
        let next = chal(Scheme::Mac, b"b");
        let other = chal(Scheme::Md5, b"b");
        for (code, chal) in [
            (StatusCode::AUTHENTICATION_ACCEPTED, Some(&next)),
            (StatusCode::OK, None),
            (StatusCode::OK, Some(&other)),
        ] {
            let mut prover = prover(Scheme::Mac).with_nonce(nonce(b"a"));
            assert!(carries(&mut prover).is_some());
            assert_eq!(prover.heard(code, chal), Some(Heard::Violated));
            assert_eq!(carries(&mut prover), None);
        }
        let mut unasked = prover(Scheme::Mac);
        assert_eq!(carries(&mut unasked), None);
        assert_eq!(unasked.heard(StatusCode::OK, None), Some(Heard::Accepted));
    }

    #[test]
    fn a_name_goes_with_a_digest() {
        let names = Scheme::ALL.map(|scheme| prover(scheme).name().map(str::to_owned));
        let bruce = || Some("Bruce2".to_owned());
        assert_eq!(names, [None, bruce(), bruce()]);
    }

    #[test]
    fn secrets_do_not_print() {
        let shown = format!("{:?}", prover(Scheme::Md5).with_nonce(nonce(b"xyzzy")));
        assert!(shown.contains("Bruce2") && !shown.contains("OhBehave"));
        assert!(!shown.contains("120, 121"), "{shown}");
    }
}
