use std::{fmt, time::Duration};

use crate::SortedSet;

/// What a server asks a person, alerts 1100 to 1104. [DM-Protocol §12]
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UserInteraction {
    /// What is asked.
    pub interaction: Interaction,
    /// The text or title to show.
    pub text: String,
    /// How it is asked.
    pub options: InteractionOptions,
}

impl UserInteraction {
    /// An interaction with no options.
    #[must_use]
    pub fn new(interaction: Interaction, text: impl Into<String>) -> Self {
        Self {
            interaction,
            text: text.into(),
            options: InteractionOptions::default(),
        }
    }

    /// Whether `answer` is one that a person can give to this: of its kind, with choices that were
    /// offered, each once, and a text as [`InteractionOptions`] want it. What ends it without an
    /// answer always fits.
    #[must_use]
    pub fn accepts(&self, answer: &UserAnswer) -> bool {
        let offered = |choices: &[String], chosen: &[u32]| {
            let known = |number: &u32| {
                let number = usize::try_from(*number).unwrap_or(usize::MAX);
                (1..=choices.len()).contains(&number)
            };
            let once: SortedSet<&u32> = chosen.iter().collect();
            once.len() == chosen.len() && chosen.iter().all(known)
        };
        match (&self.interaction, answer) {
            (Interaction::Display | Interaction::Confirm, UserAnswer::Accepted)
            | (Interaction::Confirm, UserAnswer::Rejected) => true,
            (Interaction::TextInput, UserAnswer::Text(text)) => {
                let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                let fits = self.options.max_length.is_none_or(|max| length <= max);
                fits && self.options.input.accepts(text)
            }
            (Interaction::SingleChoice(choices), UserAnswer::Choices(chosen)) => {
                chosen.len() == 1 && offered(choices, chosen)
            }
            (Interaction::MultipleChoice(choices), UserAnswer::Choices(chosen)) => {
                offered(choices, chosen)
            }
            (
                _,
                UserAnswer::Cancelled
                | UserAnswer::TimedOut
                | UserAnswer::CannotDisplay
                | UserAnswer::Unsupported,
            ) => true,
            _ => false,
        }
    }

    /// The answer the widget begins with: DR, if it is an answer to this; what a person gives who
    /// changes nothing. [DM-Protocol §12.2]
    #[must_use]
    pub fn default_answer(&self) -> Option<UserAnswer> {
        let text = self.options.default_response.as_deref()?;
        let answer = match &self.interaction {
            Interaction::Display => return None,
            Interaction::Confirm => match text.trim() {
                "0" => UserAnswer::Rejected,
                "1" => UserAnswer::Accepted,
                _ => return None,
            },
            Interaction::TextInput => UserAnswer::Text(text.to_owned()),
            Interaction::SingleChoice(_) | Interaction::MultipleChoice(_) => {
                let numbers = text.split('-').map(|number| number.trim().parse());
                UserAnswer::Choices(numbers.collect::<Result<_, _>>().ok()?)
            }
        };
        Some(answer).filter(|answer| self.accepts(answer))
    }
}

/// The kind of a user interaction with its choices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Interaction {
    /// Show the text (1100).
    Display,
    /// Yes or no (1101).
    Confirm,
    /// A text (1102).
    TextInput,
    /// One of these (1103); numbered from 1.
    SingleChoice(Vec<String>),
    /// Any of these (1104); numbered from 1.
    MultipleChoice(Vec<String>),
}

/// The optional parameters in the first Item of a user-interaction alert.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct InteractionOptions {
    /// MINDT: show it for at least this long; whole seconds.
    pub min_display: Option<Duration>,
    /// MAXDT: wait no longer than this; whole seconds.
    pub max_display: Option<Duration>,
    /// DR: the initial state of the widget, as text of the grammar for the interaction.
    pub default_response: Option<String>,
    /// MAXLEN: at most this many characters (1102 only).
    pub max_length: Option<u32>,
    /// IT: what may be typed (1102 only).
    pub input: InputType,
    /// ET: how typing shows (1102 only).
    pub echo: EchoType,
}

/// What may be typed: IT of [`InteractionOptions`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum InputType {
    /// `A`: anything.
    #[default]
    Alphanumeric,
    /// `N`: digits, decimal point, sign.
    Numeric,
    /// `D`: a date, answered as `DDMMYYYY`.
    Date,
    /// `T`: a time, answered as `hhmmss`.
    Time,
    /// `P`: a telephone number.
    Phone,
    /// `I`: an IPv4 address.
    Ip,
}

impl InputType {
    /// Whether a text is one of this type. Whether a date or a time exists is not asked.
    #[must_use]
    pub fn accepts(self, text: &str) -> bool {
        let digits =
            |count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Alphanumeric => true,
            Self::Numeric => {
                let number = text.strip_prefix(['+', '-']).unwrap_or(text);
                let (whole, part) = number.split_once('.').unwrap_or((number, ""));
                let figures = whole.len() + part.len();
                let mut bytes = whole.bytes().chain(part.bytes());
                figures > 0 && bytes.all(|byte| byte.is_ascii_digit())
            }
            Self::Date => digits(8),
            Self::Time => digits(6),
            Self::Phone => {
                let number = text.strip_prefix('+').unwrap_or(text);
                let dialled = |byte: u8| byte.is_ascii_digit() || b"pws".contains(&byte);
                !number.is_empty() && number.bytes().all(dialled)
            }
            Self::Ip => {
                // Zeros in front are part of the grammar.
                let parts = text.split('.').map(|part| {
                    let digits = part.bytes().all(|byte| byte.is_ascii_digit());
                    part.parse::<u8>().is_ok() && digits && part.len() <= 3
                });
                parts.clone().count() == 4 && parts.into_iter().all(|part| part)
            }
        }
    }
}

/// How typing shows: ET of [`InteractionOptions`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EchoType {
    /// `T`: as typed.
    #[default]
    Text,
    /// `P`: masked.
    Password,
}

/// What came of a user interaction. [DM-Protocol §12.2]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UserAnswer {
    /// Shown, or answered with yes: 200.
    Accepted,
    /// Answered with no: 304.
    Rejected,
    /// A text was typed: 200 with one Item.
    Text(String),
    /// These choices were made, numbered from 1: 200 with one Item each.
    Choices(Vec<u32>),
    /// Cancelled by the user: 214.
    Cancelled,
    /// No answer within MAXDT: 408.
    TimedOut,
    /// It cannot be displayed: 416.
    CannotDisplay,
    /// This kind of interaction is not supported: 406.
    Unsupported,
}

impl UserAnswer {
    /// Whether the person did what was asked: saw the text, said yes, typed, chose.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        matches!(self, Self::Accepted | Self::Text(_) | Self::Choices(_))
    }
}

/// The answer in words: `yes` or `no`, the text, the numbers of the choices joined by `-`, or one
/// of `cancelled`, `timed out`, `cannot display`, `unsupported`.
impl fmt::Display for UserAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("yes"),
            Self::Rejected => f.write_str("no"),
            Self::Text(text) => f.write_str(text),
            Self::Choices(numbers) => {
                let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
                f.write_str(&numbers.join("-"))
            }
            Self::Cancelled => f.write_str("cancelled"),
            Self::TimedOut => f.write_str("timed out"),
            Self::CannotDisplay => f.write_str("cannot display"),
            Self::Unsupported => f.write_str("unsupported"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    fn every_answer() -> Vec<UserAnswer> {
        vec![
            UserAnswer::Accepted,
            UserAnswer::Rejected,
            UserAnswer::Text(String::new()),
            UserAnswer::Choices(vec![]),
            UserAnswer::Choices(vec![3]),
            UserAnswer::Choices(vec![3, 1]),
            UserAnswer::Choices(vec![1, 1]),
            UserAnswer::Choices(vec![0]),
            UserAnswer::Choices(vec![4]),
            UserAnswer::Cancelled,
            UserAnswer::TimedOut,
            UserAnswer::CannotDisplay,
            UserAnswer::Unsupported,
        ]
    }

    #[test]
    fn an_answer_fits_its_kind() {
        for (interaction, fitting) in [
            (Interaction::Display, &[0][..]),
            (Interaction::Confirm, &[0, 1]),
            (Interaction::TextInput, &[2]),
            (Interaction::SingleChoice(choices()), &[4]),
            (Interaction::MultipleChoice(choices()), &[3, 4, 5]),
        ] {
            let asked = UserInteraction::new(interaction, "?");
            for (index, answer) in every_answer().iter().enumerate() {
                let fits = fitting.contains(&index) || index >= 9;
                assert_eq!(asked.accepts(answer), fits, "{asked:?} {answer:?}");
            }
        }
    }

    #[test]
    fn a_text_fits_its_type_and_length() {
        for (input, good, bad) in [
            (InputType::Alphanumeric, &["", "größer ☃"][..], &[][..]),
            (
                InputType::Numeric,
                &["0", "-1.5", "+.5", "7."],
                &["", "-", ".", "1e3", "1.2.3", "--1", "٣"],
            ),
            (InputType::Date, &["31122026"], &["", "3112202", "31.12.26"]),
            (InputType::Time, &["235959"], &["2359", "23:59:59"]),
            (
                InputType::Phone,
                &["+49p123w4s5", "112"],
                &["", "+", "1+2", "12-3"],
            ),
            (
                InputType::Ip,
                &["10.0.0.1", "010.000.000.001"],
                &["", "10.0.0", "1.2.3.4.5", "256.1.1.1", "1.2.3.+4", "1..2.3"],
            ),
        ] {
            for text in good {
                assert!(input.accepts(text), "{input:?} {text:?}");
            }
            for text in bad {
                assert!(!input.accepts(text), "{input:?} {text:?}");
            }
        }
        let mut asked = UserInteraction::new(Interaction::TextInput, "?");
        asked.options.max_length = Some(2);
        assert!(asked.accepts(&UserAnswer::Text("öü".into())));
        assert!(!asked.accepts(&UserAnswer::Text("öüä".into())));
    }

    #[test]
    fn the_default_response_is_an_answer() {
        let choices = |numbers: &[u32]| Some(UserAnswer::Choices(numbers.to_vec()));
        let text = |text: &str| Some(UserAnswer::Text(text.to_owned()));
        let single = Interaction::SingleChoice(self::choices());
        let multiple = Interaction::MultipleChoice(self::choices());
        for (interaction, response, answer) in [
            (Interaction::Display, "1", None),
            (Interaction::Confirm, "1", Some(UserAnswer::Accepted)),
            (Interaction::Confirm, "0", Some(UserAnswer::Rejected)),
            (Interaction::Confirm, "yes", None),
            (Interaction::TextInput, " x ", text(" x ")),
            (single.clone(), "2", choices(&[2])),
            (single.clone(), "2-3", None),
            (single, "4", None),
            (multiple.clone(), "2-3", choices(&[2, 3])),
            (multiple.clone(), "2--3", None),
            (multiple, "2-2", None),
        ] {
            let mut asked = UserInteraction::new(interaction, "?");
            assert_eq!(asked.default_answer(), None);
            asked.options.default_response = Some(response.to_owned());
            assert_eq!(asked.default_answer(), answer, "{asked:?}");
        }
    }
}
