use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use omadm_core::{Format, Secret, StatusCode};
use omadm_syncml::{Chal, Cred, Data, Meta};

/// How one end proves who it is. [DM-Security]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Scheme {
    /// Not in the messages: the transport does it, or nobody.
    #[default]
    None,
    /// Name and password in the clear, `syncml:auth-basic`.
    Basic,
    /// A digest of name, password and nonce, `syncml:auth-md5`.
    Md5,
    /// A digest of the message in a transport header, `syncml:auth-MAC`.
    Mac,
}

/// A word that is no [`Scheme`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown authentication scheme {0:?}")]
pub struct UnknownScheme(pub String);

/// A [`Scheme`] that is not supported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the authentication scheme {0} is not supported")]
pub struct UnsupportedScheme(pub Scheme);

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 4] = [Self::None, Self::Basic, Self::Md5, Self::Mac];

    /// The word for people: `none`, `basic`, `md5` or `mac`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::Md5 => "md5",
            Self::Mac => "mac",
        }
    }

    /// The `Type` of credentials and challenges; none without authentication.
    #[must_use]
    pub const fn media_type(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Basic => Some("syncml:auth-basic"),
            Self::Md5 => Some("syncml:auth-md5"),
            Self::Mac => Some("syncml:auth-MAC"),
        }
    }

    /// The scheme a challenge asks for; none for one this crate does not know.
    #[must_use]
    pub fn of_challenge(chal: &Chal<'_>) -> Option<Self> {
        Self::of_meta(&chal.meta)
    }

    fn of_meta(meta: &Meta<'_>) -> Option<Self> {
        let media_type = meta.media_type.as_deref()?.trim();
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.media_type() == Some(media_type))
    }

    fn supported(self) -> Result<Self, UnsupportedScheme> {
        match self {
            Self::None | Self::Basic => Ok(self),
            Self::Md5 | Self::Mac => Err(UnsupportedScheme(self)),
        }
    }
}

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(word: &str) -> Result<Self, UnknownScheme> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str() == word)
            .ok_or_else(|| UnknownScheme(word.to_owned()))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name and the password that proves it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Credentials {
    /// The name; without a colon for the scheme basic.
    pub name: String,
    /// The password.
    pub secret: Secret,
}

impl Credentials {
    /// A name and its password.
    pub fn new(name: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self {
            name: name.into(),
            secret: secret.into(),
        }
    }

    /// What the scheme basic encodes: name, colon, password.
    fn basic(&self) -> Secret {
        let mut text = self.name.clone().into_bytes();
        text.push(b':');
        text.extend_from_slice(self.secret.expose());
        Secret::from(text)
    }
}

/// The end that proves itself, towards one peer in one session. [DM-Security]
///
/// ```text
/// Presenting ── 212 ──> Accepted
///     │  ^── 200, or the first 401/407 that a new try can answer
///     └── any other 401/407 ──> Failed
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prover {
    credentials: Option<Credentials>,
    state: Proving,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Proving {
    Presenting { presented: bool },
    Accepted,
    Failed,
}

/// What the peer said about our credentials: [`Prover::heard`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// They hold, or none are wanted; the message was processed.
    Accepted,
    /// The message was not processed; it is to be sent again with [`Prover::cred`].
    Again,
    /// The message was not processed and another try is in vain: the session is over.
    Failed,
}

impl Prover {
    /// Proves itself by these credentials, from the first message on.
    ///
    /// # Errors
    ///
    /// [`UnsupportedScheme`]
    pub fn new(
        scheme: Scheme,
        credentials: Option<Credentials>,
    ) -> Result<Self, UnsupportedScheme> {
        let credentials = match scheme.supported()? {
            Scheme::None => None,
            _ => credentials,
        };
        Ok(Self {
            credentials,
            state: Proving::Presenting { presented: false },
        })
    }

    /// The credentials that the header of the next message carries, if it is to carry any.
    pub fn cred(&mut self) -> Option<Cred<'static>> {
        let (Proving::Presenting { presented }, Some(credentials)) =
            (&mut self.state, &self.credentials)
        else {
            return None;
        };
        *presented = true;
        let meta = basic_meta();
        Some(Cred::new(
            meta,
            STANDARD.encode(credentials.basic().expose()),
        ))
    }

    /// Takes in the Status of the last message's header; none if it is not about credentials and
    /// the message was not accepted either.
    pub fn heard(&mut self, code: StatusCode, chal: Option<&Chal<'_>>) -> Option<Heard> {
        match code {
            StatusCode::AUTHENTICATION_ACCEPTED => {
                self.state = Proving::Accepted;
                Some(Heard::Accepted)
            }
            code if code.is_success() => Some(Heard::Accepted),
            StatusCode::UNAUTHORIZED | StatusCode::AUTHENTICATION_REQUIRED => {
                let wanted =
                    chal.is_none_or(|chal| Scheme::of_challenge(chal) == Some(Scheme::Basic));
                // Basic has no nonce: the same credentials refused once are refused for good.
                let fresh = matches!(self.state, Proving::Presenting { presented: false });
                Some(if wanted && fresh && self.credentials.is_some() {
                    Heard::Again
                } else {
                    self.state = Proving::Failed;
                    Heard::Failed
                })
            }
            _ => None,
        }
    }
}

/// The end that wants proof, from one peer in one session. [DM-Security]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verifier {
    expected: Option<Credentials>,
    verified: bool,
    failures: u32,
}

/// What became of the credentials in a header: [`Verifier::check`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No proof is wanted in messages.
    NotWanted,
    /// Proven, now or earlier in the session.
    Proven,
    /// There are none.
    Missing,
    /// They are wrong, or of another scheme than the one wanted.
    Wrong,
}

impl Verdict {
    /// The code of the header's Status: 200, 212, 407 or 401.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotWanted => StatusCode::OK,
            Self::Proven => StatusCode::AUTHENTICATION_ACCEPTED,
            Self::Missing => StatusCode::AUTHENTICATION_REQUIRED,
            Self::Wrong => StatusCode::UNAUTHORIZED,
        }
    }

    /// Whether the message may be processed.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::NotWanted | Self::Proven)
    }
}

impl Verifier {
    /// Wants proof of these credentials; of none, if there are none.
    ///
    /// # Errors
    ///
    /// [`UnsupportedScheme`]
    pub fn new(scheme: Scheme, expected: Option<Credentials>) -> Result<Self, UnsupportedScheme> {
        let expected = match scheme.supported()? {
            Scheme::None => None,
            _ => expected,
        };
        Ok(Self {
            expected,
            verified: false,
            failures: 0,
        })
    }

    /// Judges the credentials of a header; once proven, a peer is so for the whole session.
    pub fn check(&mut self, cred: Option<&Cred<'_>>) -> Verdict {
        let Some(expected) = &self.expected else {
            return Verdict::NotWanted;
        };
        let verdict = match cred {
            _ if self.verified => Verdict::Proven,
            None => Verdict::Missing,
            Some(cred) if presented(cred).is_some_and(|it| it == expected.basic()) => {
                Verdict::Proven
            }
            Some(_) => Verdict::Wrong,
        };
        if verdict.is_accepted() {
            self.verified = true;
        } else {
            self.failures = self.failures.saturating_add(1);
        }
        verdict
    }

    /// The challenge that goes with 401 and 407.
    #[must_use]
    pub fn chal(&self) -> Option<Chal<'static>> {
        self.expected.as_ref().map(|_| Chal::new(basic_meta()))
    }

    /// Whether the peer may be listened to.
    #[must_use]
    pub const fn is_satisfied(&self) -> bool {
        self.verified || self.expected.is_none()
    }

    /// How many messages had no proof or a wrong one.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

fn basic_meta() -> Meta<'static> {
    let meta = Meta::new().with_format(Format::B64);
    match Scheme::Basic.media_type() {
        Some(media_type) => meta.with_type(media_type),
        None => meta,
    }
}

/// The octets of basic credentials.
fn presented(cred: &Cred<'_>) -> Option<Secret> {
    if Scheme::of_meta(&cred.meta) != Some(Scheme::Basic) {
        return None;
    }
    match &cred.data {
        // In WBXML the octets may stand as they are, when the format says so.
        Data::Opaque(octets) if cred.meta.format() == Ok(Format::Bin) => {
            Some(Secret::from(octets.to_vec()))
        }
        data => STANDARD
            .decode(data.as_text()?.trim())
            .ok()
            .map(Secret::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bruce() -> Option<Credentials> {
        Some(Credentials::new("Bruce2", "OhBehave"))
    }

    fn prover() -> Prover {
        Prover::new(Scheme::Basic, bruce()).unwrap()
    }

    fn verifier() -> Verifier {
        Verifier::new(Scheme::Basic, bruce()).unwrap()
    }

    fn cred(scheme: Scheme, data: &str) -> Cred<'_> {
        let meta = Meta::new().with_format(Format::B64);
        Cred::new(meta.with_type(scheme.media_type().unwrap()), data)
    }

    #[test]
    fn the_vector_of_the_specification() {
        let cred = prover().cred().unwrap();
        assert_eq!(cred.data.as_text(), Some("QnJ1Y2UyOk9oQmVoYXZl"));
        assert_eq!(cred.meta.media_type(), "syncml:auth-basic");
        assert_eq!(cred.meta.format(), Ok(Format::B64));
        assert_eq!(verifier().check(Some(&cred)), Verdict::Proven);
    }

    #[test]
    fn proof_holds_for_the_session_and_its_lack_does_not() {
        let mut verifier = verifier();
        assert!(!verifier.is_satisfied());
        assert_eq!(verifier.check(None).status().get(), 407);
        let wrong = [
            cred(Scheme::Basic, "QnJ1Y2UyOk9oQmVoYXZm"),
            cred(Scheme::Basic, "QnJ1Y2UyOk9oQmVoYXZ"),
            cred(Scheme::Basic, ""),
            cred(Scheme::Md5, "QnJ1Y2UyOk9oQmVoYXZl"),
            Cred::new(Meta::new(), "QnJ1Y2UyOk9oQmVoYXZl"),
        ];
        for cred in &wrong {
            assert_eq!(verifier.check(Some(cred)).status().get(), 401, "{cred:?}");
        }
        assert_eq!(verifier.failures(), 6);
        let chal = verifier.chal().unwrap();
        assert_eq!(Scheme::of_challenge(&chal), Some(Scheme::Basic));
        let right = cred(Scheme::Basic, " QnJ1Y2UyOk9oQmVoYXZl\n");
        assert_eq!(verifier.check(Some(&right)).status().get(), 212);
        assert_eq!(verifier.check(None), Verdict::Proven);
        assert!(verifier.is_satisfied());
    }

    #[test]
    fn nothing_expected_is_nothing_wanted() {
        for (scheme, expected) in [(Scheme::None, bruce()), (Scheme::Basic, None)] {
            let mut verifier = Verifier::new(scheme, expected).unwrap();
            assert!(verifier.is_satisfied());
            assert_eq!(verifier.check(None).status().get(), 200);
            assert_eq!(verifier.chal(), None);
        }
    }

    #[test]
    fn credentials_are_repeated_until_accepted_for_the_session() {
        let mut prover = prover();
        assert!(prover.cred().is_some());
        assert_eq!(prover.heard(StatusCode::OK, None), Some(Heard::Accepted));
        assert!(prover.cred().is_some());
        let accepted = StatusCode::AUTHENTICATION_ACCEPTED;
        assert_eq!(prover.heard(accepted, None), Some(Heard::Accepted));
        assert_eq!(prover.cred(), None);
        assert_eq!(prover.heard(StatusCode::COMMAND_FAILED, None), None);
    }

    #[test]
    fn a_challenge_is_answered_once() {
        let chal = verifier().chal();
        for code in [
            StatusCode::UNAUTHORIZED,
            StatusCode::AUTHENTICATION_REQUIRED,
        ] {
            let mut prover = prover();
            assert_eq!(prover.heard(code, chal.as_ref()), Some(Heard::Again));
            assert!(prover.cred().is_some());
            assert_eq!(prover.heard(code, chal.as_ref()), Some(Heard::Failed));
            assert_eq!(prover.cred(), None);
        }
    }

    #[test]
    fn a_challenge_that_cannot_be_answered_fails() {
        let md5 = Chal::new(Meta::new().with_type("syncml:auth-md5"));
        let odd = Chal::new(Meta::new().with_type("syncml:auth-odd"));
        for chal in [&md5, &odd] {
            let heard = prover().heard(StatusCode::UNAUTHORIZED, Some(chal));
            assert_eq!(heard, Some(Heard::Failed));
        }
        let mut mute = Prover::new(Scheme::None, bruce()).unwrap();
        assert_eq!(mute.cred(), None);
        let heard = mute.heard(StatusCode::AUTHENTICATION_REQUIRED, None);
        assert_eq!(heard, Some(Heard::Failed));
    }

    #[test]
    fn schemes_have_words_and_unsupported_ones_say_so() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.as_str().parse(), Ok(scheme));
        }
        assert_eq!("MD5".parse::<Scheme>(), Err(UnknownScheme("MD5".into())));
        for scheme in [Scheme::Md5, Scheme::Mac] {
            let error = UnsupportedScheme(scheme);
            assert_eq!(Prover::new(scheme, bruce()), Err(error));
            assert_eq!(Verifier::new(scheme, bruce()), Err(error));
        }
        let error = UnsupportedScheme(Scheme::Mac).to_string();
        assert_eq!(error, "the authentication scheme mac is not supported");
    }

    #[test]
    fn secrets_do_not_print() {
        let shown = format!("{:?} {:?}", prover(), verifier());
        assert!(shown.contains("Bruce2") && !shown.contains("OhBehave"));
    }
}
