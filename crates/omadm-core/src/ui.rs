use std::time::Duration;

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
