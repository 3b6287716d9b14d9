use std::fmt;

use omadm_core::{Secret, StatusCode};
use omadm_syncml::{Chal, Cred};

use super::{
    Hmac, NoRandom, Nonce, Proof, Random, Scheme, TransportIdentity, credentials::octets,
    nonce::fresh,
};

/// The end that wants proof, from one peer in one session. [DM-Security]
///
/// | scheme | the proof holds for | Status | nonce |
/// |---|---|---|---|
/// | basic | the session | 212 | – |
/// | md5 | the session | 212 | the next one, for the next session |
/// | MAC | the message | 200 | the next one, for the next message or session |
/// | the transport's | the message | 212 | – |
///
/// A nonce holds once, and the one of a challenge in this session only.
#[derive(Clone, PartialEq, Debug)]
pub struct Verifier {
    proof: Option<Proof>,
    identity: Option<TransportIdentity>,
    /// None before there is any nonce, as for the scheme basic.
    nonces: Option<Box<Issued>>,
    /// The peer was told the scheme.
    challenged: bool,
    /// Proven for the session.
    verified: bool,
    /// Whether the last message was accepted.
    satisfied: bool,
    failures: u32,
}

/// The nonces of one peer in one session.
#[derive(Clone, PartialEq, Debug, Default)]
struct Issued {
    /// Those of which one makes the next digest hold.
    expected: [Option<Nonce>; 2],
    /// What the peer is told to prove itself with next, by the Status of the last message.
    next: Option<Nonce>,
    /// The nonce that the Status of the last message carries.
    told: Option<Nonce>,
    /// The last nonce in a message that the peer answered.
    reached: Option<Nonce>,
}

/// What a message brings to prove its sender.
///
/// `Debug` shows the size of the body alone: it may hold credentials.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Evidence<'m> {
    /// The credentials in its header.
    pub cred: Option<&'m Cred<'m>>,
    /// The transport header `x-syncml-hmac`.
    pub hmac: Option<&'m str>,
    /// The octets of the message as they came.
    pub body: &'m [u8],
    /// Whom the transport has authenticated.
    pub identity: Option<&'m TransportIdentity>,
    /// Whether the MAC may be the base64 of hexadecimal digits instead of octets.
    pub allow_hex_mac: bool,
}

impl fmt::Debug for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("cred", &self.cred)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

impl<'m> Evidence<'m> {
    /// A message with these octets and credentials.
    #[must_use]
    pub const fn new(body: &'m [u8], cred: Option<&'m Cred<'m>>) -> Self {
        Self {
            cred,
            hmac: None,
            body,
            identity: None,
            allow_hex_mac: false,
        }
    }

    /// With a MAC that may be the base64 of hexadecimal digits, if it is let pass.
    #[must_use]
    pub const fn with_hex_mac(mut self, allowed: bool) -> Self {
        self.allow_hex_mac = allowed;
        self
    }

    /// With the transport header `x-syncml-hmac`, if there is one.
    #[must_use]
    pub const fn with_hmac(mut self, hmac: Option<&'m str>) -> Self {
        self.hmac = hmac;
        self
    }

    /// With the identity the transport has authenticated, if it has.
    #[must_use]
    pub const fn with_identity(mut self, identity: Option<&'m TransportIdentity>) -> Self {
        self.identity = identity;
        self
    }
}

/// What became of the proof in a message: [`Verifier::check`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// No proof is wanted.
    NotWanted,
    /// Proven for the session, now or earlier.
    Proven,
    /// Proven for this message.
    ProvenOnce,
    /// There is none.
    Missing,
    /// It is wrong, out of date or of another scheme.
    Wrong,
    /// It is of another scheme than the one a challenge asked for: the session is over.
    OtherScheme,
}

impl Verdict {
    /// The code of the header's Status: 200, 212, 407 or 401.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotWanted | Self::ProvenOnce => StatusCode::OK,
            Self::Proven => StatusCode::AUTHENTICATION_ACCEPTED,
            Self::Missing => StatusCode::AUTHENTICATION_REQUIRED,
            Self::Wrong | Self::OtherScheme => StatusCode::UNAUTHORIZED,
        }
    }

    /// Whether the message may be processed.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::NotWanted | Self::Proven | Self::ProvenOnce)
    }
}

impl Verifier {
    /// Wants this proof; none, if there is none.
    #[must_use]
    pub const fn new(proof: Option<Proof>) -> Self {
        Self {
            satisfied: proof.is_none(),
            proof,
            identity: None,
            nonces: None,
            challenged: false,
            verified: false,
            failures: 0,
        }
    }

    /// Takes a digest of either of these nonces until it has challenged: the one it sent last, and
    /// one of resynchronisation. No others count any more.
    #[must_use]
    pub fn with_nonces(mut self, issued: Option<Nonce>, resync: Option<Nonce>) -> Self {
        let expected = [issued, resync];
        if self.nonces.is_some() || expected.iter().any(Option::is_some) {
            self.nonces.get_or_insert_default().expected = expected;
        }
        self
    }

    /// Also takes messages of a peer the transport has authenticated as this one; wants that if no
    /// other proof is wanted.
    #[must_use]
    pub fn with_identity(mut self, identity: Option<TransportIdentity>) -> Self {
        self.satisfied &= identity.is_none();
        self.identity = identity;
        self
    }

    /// Judges a message.
    ///
    /// # Errors
    ///
    /// [`NoRandom`] if a nonce is to be made and cannot; the message is not to be processed.
    pub fn check(
        &mut self,
        evidence: &Evidence<'_>,
        random: &mut dyn Random,
    ) -> Result<Verdict, NoRandom> {
        // Who answers a message has it.
        if let Some(nonces) = &mut self.nonces
            && let Some(told) = nonces.told.take()
        {
            nonces.reached = Some(told);
        }
        if self.identity.is_some() && evidence.identity == self.identity.as_ref() {
            self.satisfied = true;
            return Ok(Verdict::Proven);
        }
        let verdict = self.judge(evidence);
        self.satisfied = verdict.is_accepted();
        if !self.satisfied {
            self.failures = self.failures.saturating_add(1);
        }
        let Some(scheme) = self.scheme() else {
            return Ok(verdict);
        };
        if std::mem::replace(&mut self.verified, verdict == Verdict::Proven) {
            return Ok(verdict);
        }
        self.challenged |= !self.satisfied;
        if scheme.has_nonce() {
            let nonce = fresh(random).inspect_err(|_| self.satisfied = false)?;
            let nonces = self.nonces.get_or_insert_default();
            nonces.expected = [Some(nonce.clone()), None];
            nonces.told = Some(nonce.clone());
            nonces.next = Some(nonce).filter(|_| self.satisfied);
        }
        Ok(verdict)
    }

    /// What the Status of the last message carries: the challenge with 401 and 407, the next nonce
    /// with 200 and 212.
    #[must_use]
    pub fn chal(&self) -> Option<Chal<'static>> {
        let scheme = self.scheme()?;
        match self.nonces.as_ref().and_then(|it| it.told.as_ref()) {
            Some(nonce) => Some(nonce.chal(scheme)),
            None => {
                let refused = !self.satisfied && self.failures > 0 && !scheme.has_nonce();
                refused.then(|| Chal::new(scheme.meta()))
            }
        }
    }

    /// The nonce that an accepted peer was told to prove itself with next; to be kept for the next
    /// session before that is sent.
    #[must_use]
    pub fn next_nonce(&self) -> Option<&Nonce> {
        self.nonces.as_ref()?.next.as_ref()
    }

    /// The nonce that the peer is known to have been told last, in this session.
    #[must_use]
    pub fn reached_nonce(&self) -> Option<&Nonce> {
        self.nonces.as_ref()?.reached.as_ref()
    }

    /// The scheme of the proof in messages, if one is wanted.
    #[must_use]
    pub fn scheme(&self) -> Option<Scheme> {
        self.proof.as_ref().map(Proof::scheme)
    }

    /// Whether the peer has proven itself for the session: no further message is refused for the
    /// lack of a proof.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.verified
    }

    /// Whether the last message was accepted, or none would be refused.
    #[must_use]
    pub const fn is_satisfied(&self) -> bool {
        self.satisfied
    }

    /// How many messages had no proof or a wrong one.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let Some(proof) = &self.proof else {
            return match (&self.identity, evidence.identity) {
                (None, _) => Verdict::NotWanted,
                (Some(_), None) => Verdict::Missing,
                (Some(_), Some(_)) => Verdict::Wrong,
            };
        };
        if self.verified {
            return Verdict::Proven;
        }
        let scheme = match (evidence.cred, evidence.hmac) {
            (None, None) => return Verdict::Missing,
            (_, Some(_)) if proof.scheme() == Scheme::Mac => Some(Scheme::Mac),
            (Some(cred), _) => Scheme::of_meta(&cred.meta),
            (None, Some(_)) => Some(Scheme::Mac),
        };
        if scheme != Some(proof.scheme()) {
            return match self.challenged {
                true => Verdict::OtherScheme,
                false => Verdict::Wrong,
            };
        }
        match (self.holds(proof, evidence), proof.scheme()) {
            (Some(true), Scheme::Mac) => Verdict::ProvenOnce,
            (Some(true), _) => Verdict::Proven,
            _ => Verdict::Wrong,
        }
    }

    /// Whether the evidence, of the scheme that is wanted, proves what is wanted.
    fn holds(&self, proof: &Proof, evidence: &Evidence<'_>) -> Option<bool> {
        let credentials = proof.credentials();
        let any = |holds: &dyn Fn(&Nonce) -> bool| {
            Some(self.nonces.as_ref()?.expected.iter().flatten().any(holds))
        };
        match proof.scheme() {
            Scheme::Basic => Some(cred_octets(evidence)? == credentials.basic()),
            Scheme::Md5 => {
                let digest = cred_octets(evidence)?;
                any(&|nonce| credentials.md5(nonce) == digest)
            }
            Scheme::Mac => {
                let hmac = Hmac::parse(evidence.hmac?, evidence.allow_hex_mac).ok()?;
                if hmac.username() != credentials.name {
                    return None;
                }
                any(&|nonce| credentials.mac(nonce, evidence.body) == *hmac.mac())
            }
        }
    }
}

fn cred_octets(evidence: &Evidence<'_>) -> Option<Secret> {
    let cred = evidence.cred?;
    octets(&cred.meta, &cred.data)
}

#[cfg(test)]
mod tests {
    use omadm_core::base64;
    use omadm_syncml::Meta;

    use super::{super::Prover, *};

    const BODY: &[u8] = b"<SyncML/>";

    /// Octets that differ from call to call.
    fn counter() -> impl FnMut(&mut [u8]) -> Result<(), NoRandom> + Send {
        let mut count = 0u8;
        move |octets| {
            count += 1;
            octets.fill(count);
            Ok(())
        }
    }

    fn nonce(octets: &[u8]) -> Nonce {
        Nonce::new(octets).unwrap()
    }

    fn proof(scheme: Scheme, password: &str) -> Proof {
        Proof::new(scheme, "Bruce2", password)
    }

    fn verifier(scheme: Scheme) -> Verifier {
        Verifier::new(Some(proof(scheme, "OhBehave"))).with_nonces(Some(nonce(b"stored")), None)
    }

    /// What a message carries: of a scheme, with a password and a nonce.
    fn carried(
        scheme: Scheme,
        password: &str,
        with: &[u8],
    ) -> (Option<Cred<'static>>, Option<String>) {
        let mut prover = Prover::new([proof(scheme, password)]).with_nonce(Some(nonce(with)));
        let cred = prover.cred();
        (cred, prover.mac(BODY).map(|mac| mac.to_string()))
    }

    fn check(
        verifier: &mut Verifier,
        carried: &(Option<Cred<'static>>, Option<String>),
        random: &mut dyn Random,
    ) -> Verdict {
        let (cred, hmac) = carried;
        let evidence = Evidence::new(BODY, cred.as_ref()).with_hmac(hmac.as_deref());
        verifier.check(&evidence, random).unwrap()
    }

    /// What the next proof is to be made with, as the Status says.
    fn next(verifier: &Verifier) -> Vec<u8> {
        let nonce = Nonce::of_chal(&verifier.chal().unwrap());
        nonce
            .map(|nonce| nonce.expose().to_vec())
            .unwrap_or_default()
    }

    #[test]
    fn every_scheme_judges_every_proof() {
        for wanted in Scheme::ALL {
            let mut random = counter();
            let right = match wanted {
                Scheme::Mac => (200, true),
                _ => (212, true),
            };
            let mut table = vec![((None, None), (407, false))];
            for sent in Scheme::ALL {
                let fits = sent == wanted;
                let good = if fits { right } else { (401, false) };
                let stale = if fits && sent == Scheme::Basic {
                    right
                } else {
                    (401, false)
                };
                table.push((carried(sent, "OhBehave", b"stored"), good));
                table.push((carried(sent, "OhBehave", b"older"), stale));
                table.push((carried(sent, "guess", b"stored"), (401, false)));
            }
            for (carried, (code, accepted)) in &table {
                let mut verifier = verifier(wanted);
                assert!(!verifier.is_satisfied());
                let verdict = check(&mut verifier, carried, &mut random);
                let seen = (verdict.status().get(), verdict.is_accepted());
                assert_eq!(seen, (*code, *accepted), "{wanted} {carried:?}");
                assert_eq!(verifier.is_satisfied(), *accepted);
                assert_eq!(verifier.failures(), u32::from(!accepted));
                assert_eq!(
                    verifier.next_nonce().is_some(),
                    *accepted && wanted.has_nonce()
                );
                // A challenge names its scheme, and brings a nonce where one is needed.
                let chal = verifier.chal();
                let wants_chal = !accepted || wanted.has_nonce();
                assert_eq!(
                    chal.as_ref().and_then(Scheme::of_challenge),
                    wants_chal.then_some(wanted)
                );
                let has_nonce = chal.is_some_and(|chal| chal.meta.next_nonce.is_some());
                assert_eq!(has_nonce, wanted.has_nonce());
            }
        }
    }

    #[test]
    fn a_challenge_is_met_with_its_nonce_and_no_other() {
        for wanted in [Scheme::Md5, Scheme::Mac] {
            let mut random = counter();
            let mut verifier = verifier(wanted);
            check(&mut verifier, &(None, None), &mut random);
            let fresh = next(&verifier);
            let stored = carried(wanted, "OhBehave", b"stored");
            let mut other = verifier.clone();
            assert_eq!(check(&mut other, &stored, &mut random), Verdict::Wrong);
            let met = carried(wanted, "OhBehave", &fresh);
            assert!(check(&mut verifier, &met, &mut random).is_accepted());
            assert_ne!(next(&verifier), fresh);
            assert_eq!(verifier.next_nonce().unwrap().expose(), next(&verifier));
        }
    }

    #[test]
    fn another_scheme_than_the_one_asked_for_ends_it() {
        for wanted in Scheme::ALL {
            for sent in Scheme::ALL {
                let mut random = counter();
                let mut verifier = verifier(wanted);
                check(&mut verifier, &(None, None), &mut random);
                let carried = carried(sent, "guess", b"x");
                let verdict = check(&mut verifier, &carried, &mut random);
                let expected = match sent == wanted {
                    true => Verdict::Wrong,
                    false => Verdict::OtherScheme,
                };
                assert_eq!(verdict, expected, "{wanted} {sent}");
                assert_eq!(verdict.status().get(), 401);
            }
        }
    }

    #[test]
    fn a_proof_for_the_session_holds_for_the_session() {
        for wanted in [Scheme::Basic, Scheme::Md5] {
            let mut random = counter();
            let mut verifier = verifier(wanted);
            let right = carried(wanted, "OhBehave", b"stored");
            assert!(!verifier.is_settled());
            assert_eq!(check(&mut verifier, &right, &mut random), Verdict::Proven);
            assert!(verifier.is_settled());
            let next = verifier.next_nonce().cloned();
            for carried in [(None, None), carried(wanted, "guess", b"x")] {
                assert_eq!(check(&mut verifier, &carried, &mut random), Verdict::Proven);
                assert_eq!(verifier.chal(), None, "it was told once");
                assert_eq!(verifier.next_nonce(), next.as_ref());
            }
        }
    }

    #[test]
    fn a_mac_of_hexadecimal_digits_is_taken_if_asked_for() {
        let mut random = counter();
        let verifier = verifier(Scheme::Mac);
        let (_, hmac) = carried(Scheme::Mac, "OhBehave", b"stored");
        let hmac = hmac.unwrap();
        let mac: Hmac = hmac.parse().unwrap();
        let digits: String = mac
            .mac()
            .expose()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        for (digits, well) in [
            (digits.clone(), true),
            (digits.to_uppercase(), true),
            (digits.replace(digits.split_at(1).0, "g"), false),
            (format!("{digits}00"), false),
        ] {
            let start = hmac.split("mac=").next().unwrap();
            let text = format!("{start}mac={}", base64::encode(digits));
            let evidence = Evidence::new(BODY, None).with_hmac(Some(&text));
            let strict = verifier.clone().check(&evidence, &mut random);
            assert_eq!(strict, Ok(Verdict::Wrong));
            let lenient = verifier
                .clone()
                .check(&evidence.with_hex_mac(true), &mut random);
            let expected = if well {
                Verdict::ProvenOnce
            } else {
                Verdict::Wrong
            };
            assert_eq!(lenient, Ok(expected), "{text}");
        }
        let evidence = Evidence::new(BODY, None).with_hmac(Some(&hmac));
        let octets = verifier
            .clone()
            .check(&evidence.with_hex_mac(true), &mut random);
        assert_eq!(octets, Ok(Verdict::ProvenOnce), "octets are taken as well");
    }

    #[test]
    fn a_mac_holds_for_one_message_and_not_for_another() {
        let mut random = counter();
        let mut verifier = verifier(Scheme::Mac);
        let first = carried(Scheme::Mac, "OhBehave", b"stored");
        assert_eq!(
            check(&mut verifier, &first, &mut random),
            Verdict::ProvenOnce
        );
        let before = verifier.clone();
        assert_eq!(
            check(&mut verifier, &first, &mut random),
            Verdict::Wrong,
            "a replay"
        );
        let mut verifier = before;
        let (_, hmac) = carried(Scheme::Mac, "OhBehave", &next(&verifier));
        for at in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[at] ^= 1;
            let evidence = Evidence::new(&body, None).with_hmac(hmac.as_deref());
            let verdict = verifier.clone().check(&evidence, &mut random);
            assert_eq!(verdict, Ok(Verdict::Wrong), "octet {at}");
        }
        let other = hmac.as_deref().unwrap().replace("Bruce2", "Bruce3");
        let evidence = Evidence::new(BODY, None).with_hmac(Some(&other));
        let verdict = verifier.clone().check(&evidence, &mut random);
        assert_eq!(verdict, Ok(Verdict::Wrong), "the name is part of it");
        assert_eq!(
            check(&mut verifier, &(None, None), &mut random),
            Verdict::Missing
        );
    }

    #[test]
    fn nothing_expected_is_nothing_wanted() {
        let mut verifier = Verifier::new(None);
        assert!(verifier.is_satisfied());
        for scheme in Scheme::ALL {
            let carried = carried(scheme, "x", b"y");
            let verdict = check(&mut verifier, &carried, &mut NoRandom);
            assert_eq!((verdict, verdict.status().get()), (Verdict::NotWanted, 200));
            assert_eq!(verifier.chal(), None);
        }
    }

    #[test]
    fn a_transport_may_vouch_for_a_peer() {
        let dev1 = TransportIdentity::new("dev1");
        let dev2 = TransportIdentity::new("dev2");
        let by = |verifier: &mut Verifier, identity| {
            let evidence = Evidence::new(BODY, None).with_identity(identity);
            verifier
                .check(&evidence, &mut counter())
                .unwrap()
                .status()
                .get()
        };
        let mut only = Verifier::new(None).with_identity(Some(dev1.clone()));
        assert!(!only.is_satisfied());
        for (identity, code) in [(Some(&dev1), 212), (Some(&dev2), 401), (None, 407)] {
            assert_eq!(by(&mut only, identity), code);
            assert_eq!(only.is_satisfied(), code == 212);
            assert_eq!(only.chal(), None, "there is nothing to ask for");
        }
        let mut either = verifier(Scheme::Md5).with_identity(Some(dev1.clone()));
        for (identity, code) in [(Some(&dev1), 212), (None, 407), (Some(&dev2), 407)] {
            assert_eq!(
                by(&mut either, identity),
                code,
                "it vouches for its own messages"
            );
        }
    }

    #[test]
    fn without_a_nonce_to_give_nothing_is_accepted() {
        let mut verifier = verifier(Scheme::Md5);
        let (cred, _) = carried(Scheme::Md5, "OhBehave", b"stored");
        let evidence = Evidence::new(BODY, cred.as_ref());
        assert_eq!(verifier.check(&evidence, &mut NoRandom), Err(NoRandom));
        assert!(!verifier.is_satisfied());
    }

    #[test]
    fn base64_is_needed_for_basic_and_white_space_does_not_matter() {
        let right = base64::encode("Bruce2:OhBehave");
        let meta = Scheme::Basic.meta();
        let check = |meta, data: String| {
            let cred = Cred::new(meta, data);
            let evidence = Evidence::new(BODY, Some(&cred));
            let mut verifier = Verifier::new(Some(proof(Scheme::Basic, "OhBehave")));
            verifier
                .check(&evidence, &mut NoRandom)
                .unwrap()
                .status()
                .get()
        };
        assert_eq!(check(meta.clone(), format!(" {right}\n")), 212);
        for wrong in ["Bruce2:OhBehave", "", "QnJ1Y2UyOk9oQmVoYXZ"] {
            assert_eq!(check(meta.clone(), wrong.to_owned()), 401);
        }
        assert_eq!(check(Meta::new(), right), 401, "of no scheme");
    }

    #[test]
    fn secrets_do_not_print() {
        let shown = format!("{:?}", verifier(Scheme::Md5));
        assert!(shown.contains("Bruce2") && !shown.contains("OhBehave"));
        assert!(!shown.contains("115, 116, 111"), "{shown}");
    }
}
