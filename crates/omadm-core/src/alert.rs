use std::{fmt, str::FromStr};

use crate::{Correlator, Format};

/// The code in the `Data` of an Alert. [DM-RepPro §11]
///
/// An open newtype; only the codes with a constant are valid in OMA DM.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertCode(u16);

impl AlertCode {
    /// Display a text.
    pub const DISPLAY: Self = Self(1100);
    /// Ask yes or no.
    pub const CONFIRM: Self = Self(1101);
    /// Ask for a text.
    pub const TEXT_INPUT: Self = Self(1102);
    /// Choose one of several.
    pub const SINGLE_CHOICE: Self = Self(1103);
    /// Choose any of several.
    pub const MULTIPLE_CHOICE: Self = Self(1104);
    /// A session the server asked for.
    pub const SERVER_INITIATED: Self = Self(1200);
    /// A session the client opened by itself.
    pub const CLIENT_INITIATED: Self = Self(1201);
    /// Ask the peer for its next message.
    pub const NEXT_MESSAGE: Self = Self(1222);
    /// End the session at once.
    pub const SESSION_ABORT: Self = Self(1223);
    /// An event on the client.
    pub const CLIENT_EVENT: Self = Self(1224);
    /// A chunked object was not completed.
    pub const NO_END_OF_DATA: Self = Self(1225);
    /// A Generic Alert.
    pub const GENERIC: Self = Self(1226);

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether this is a user interaction, 1100 to 1104.
    #[must_use]
    pub const fn is_user_interaction(self) -> bool {
        matches!(self.0, 1100..=1104)
    }
}

impl From<u16> for AlertCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl fmt::Display for AlertCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AlertCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The importance of a Generic Alert, most important first. [DM-Protocol §8.7]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Mark {
    /// Nothing works any more.
    Fatal,
    /// A main function is lost.
    Critical,
    /// A minor fault.
    Minor,
    /// A warning.
    Warning,
    /// Information; what an absent Mark means.
    #[default]
    Informational,
    /// Harmless.
    Harmless,
    /// Not known.
    Indeterminate,
}

impl Mark {
    /// Every mark, most important first.
    pub const ALL: [Self; 7] = [
        Self::Fatal,
        Self::Critical,
        Self::Minor,
        Self::Warning,
        Self::Informational,
        Self::Harmless,
        Self::Indeterminate,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Critical => "critical",
            Self::Minor => "minor",
            Self::Warning => "warning",
            Self::Informational => "informational",
            Self::Harmless => "harmless",
            Self::Indeterminate => "indeterminate",
        }
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|mark| mark.as_str() == text.trim())
            .ok_or(())
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One Generic Alert (1226): one Item of the Alert command. [DM-Protocol §8.7]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct GenericAlert {
    /// The URI of the management object concerned, if the object demands it.
    pub source: Option<String>,
    /// The alert type, a URN or reversed domain name, without surrounding white space.
    pub alert_type: String,
    /// The format of `data`.
    pub format: Format,
    /// The importance; absent means [`Mark::Informational`].
    pub mark: Option<Mark>,
    /// The Correlator of the Exec this answers.
    pub correlator: Option<Correlator>,
    /// The content; empty where the alert type defines none.
    pub data: String,
}

impl GenericAlert {
    /// An alert of the given type and format, without source, mark, correlator and content.
    #[must_use]
    pub fn new(alert_type: impl Into<String>, format: Format) -> Self {
        Self {
            source: None,
            alert_type: alert_type.into(),
            format,
            mark: None,
            correlator: None,
            data: String::new(),
        }
    }
}

/// One event on a client (1224): one Item of the Alert command. [DM-Protocol §8.6]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct ClientEvent {
    /// The URI of the node or object concerned, if there is one.
    pub source: Option<String>,
    /// The type of the event, without surrounding white space.
    pub event_type: String,
    /// The format of `data`.
    pub format: Format,
    /// The content; empty where the type defines none.
    pub data: String,
}

impl ClientEvent {
    /// An event of the given type and format, without source and content.
    #[must_use]
    pub fn new(event_type: impl Into<String>, format: Format) -> Self {
        Self {
            source: None,
            event_type: event_type.into(),
            format,
            data: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_round_trip_and_are_ordered_by_importance() {
        for mark in Mark::ALL {
            assert_eq!(mark.as_str().parse(), Ok(mark));
        }
        assert!(Mark::Fatal < Mark::Warning);
        assert_eq!("  minor\n".parse(), Ok(Mark::Minor));
        assert_eq!("Minor".parse::<Mark>(), Err(()));
    }

    #[test]
    fn user_interactions_are_1100_to_1104() {
        let found: Vec<u16> = (0..2000)
            .filter(|&code| AlertCode::from(code).is_user_interaction())
            .collect();
        assert_eq!(found, [1100, 1101, 1102, 1103, 1104]);
    }
}
