use std::{fmt::Write, str, time::Duration};

use omadm_core::{
    AlertCode, EchoType, InputType, Interaction, InteractionOptions, StatusCode, UserAnswer,
    UserInteraction,
};

use crate::{Alert, Item, Status};

/// Why an Alert is no user interaction that can be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InteractionError {
    /// The code is not one of 1100 to 1104.
    #[error("not a user interaction")]
    NotInteraction,
    /// The text, or the choices of a choice, are missing.
    #[error("the text or the choices are missing")]
    Incomplete,
    /// The optional parameter has a value that its grammar does not have.
    #[error("the optional parameter {0} has no valid value")]
    InvalidOption(&'static str),
}

impl InteractionError {
    /// What the Alert is answered with. [DM-Protocol]
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotInteraction => StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
            Self::Incomplete | Self::InvalidOption(_) => StatusCode::INCOMPLETE_COMMAND,
        }
    }
}

/// User interactions. [DM-Protocol]
impl<'a> Alert<'a> {
    /// The Alert that asks for `interaction`: first the options, then the text, then the choices.
    #[must_use]
    pub fn from_interaction(interaction: &'a UserInteraction) -> Self {
        let (code, choices): (_, &[String]) = match &interaction.interaction {
            Interaction::Display => (AlertCode::DISPLAY, &[]),
            Interaction::Confirm => (AlertCode::CONFIRM, &[]),
            Interaction::TextInput => (AlertCode::TEXT_INPUT, &[]),
            Interaction::SingleChoice(choices) => (AlertCode::SINGLE_CHOICE, choices),
            Interaction::MultipleChoice(choices) => (AlertCode::MULTIPLE_CHOICE, choices),
        };
        let options = write_options(&interaction.options);
        let mut items = vec![Item::new()];
        if let (false, [first]) = (options.is_empty(), items.as_mut_slice()) {
            first.data = Some(options.into());
        }
        items.push(Item::new().with_data(interaction.text.as_str()));
        items.extend(
            choices
                .iter()
                .map(|choice| Item::new().with_data(choice.as_str())),
        );
        Self::new(code).with_items(items)
    }

    /// The user interaction it asks for. Options nobody knows, and those for another kind of
    /// interaction, are skipped.
    ///
    /// # Errors
    ///
    /// [`InteractionError`], which knows the status that answers it.
    pub fn user_interaction(&self) -> Result<UserInteraction, InteractionError> {
        let code = self.code.filter(|code| code.is_user_interaction());
        let code = code.ok_or(InteractionError::NotInteraction)?;
        let [options, text, choices @ ..] = self.items.as_slice() else {
            return Err(InteractionError::Incomplete);
        };
        let text_of = |item: &Item<'_>| {
            let text = item.data.as_ref().and_then(|data| data.as_text());
            text.map(str::to_owned).ok_or(InteractionError::Incomplete)
        };
        let interaction = match code {
            AlertCode::DISPLAY => Interaction::Display,
            AlertCode::CONFIRM => Interaction::Confirm,
            AlertCode::TEXT_INPUT => Interaction::TextInput,
            _ => {
                let choices: Vec<_> = choices.iter().map(text_of).collect::<Result<_, _>>()?;
                if choices.is_empty() {
                    return Err(InteractionError::Incomplete);
                }
                match code {
                    AlertCode::SINGLE_CHOICE => Interaction::SingleChoice(choices),
                    _ => Interaction::MultipleChoice(choices),
                }
            }
        };
        let mut asked = UserInteraction::new(interaction, text_of(text)?);
        let options = options.data.as_ref().and_then(|data| data.as_text());
        asked.options = read_options(options.unwrap_or_default(), code)?;
        Ok(asked)
    }
}

/// Answers to user interactions. [DM-Protocol]
impl Status<'_> {
    /// With the code and the Items of `answer`.
    #[must_use]
    pub fn with_answer(mut self, answer: &UserAnswer) -> Self {
        (self.code, self.items) = match answer {
            UserAnswer::Accepted => (StatusCode::OK, Vec::new()),
            UserAnswer::Rejected => (StatusCode::NOT_MODIFIED, Vec::new()),
            UserAnswer::Text(text) => {
                let item = Item::new().with_data(text.clone());
                (StatusCode::OK, vec![item])
            }
            UserAnswer::Choices(choices) => {
                let item = |choice: &u32| Item::new().with_data(choice.to_string());
                (StatusCode::OK, choices.iter().map(item).collect())
            }
            UserAnswer::Cancelled => (StatusCode::OPERATION_CANCELLED, Vec::new()),
            UserAnswer::TimedOut => (StatusCode::REQUEST_TIMEOUT, Vec::new()),
            UserAnswer::CannotDisplay => (StatusCode::REQUESTED_SIZE_TOO_BIG, Vec::new()),
            UserAnswer::Unsupported => (StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED, Vec::new()),
        };
        self
    }

    /// The answer to `asked`; `None` if it is none, such as that of a command that was skipped.
    #[must_use]
    pub fn answer(&self, asked: &Interaction) -> Option<UserAnswer> {
        match self.code {
            StatusCode::OK => self.positive_answer(asked),
            StatusCode::NOT_MODIFIED => Some(UserAnswer::Rejected),
            StatusCode::OPERATION_CANCELLED => Some(UserAnswer::Cancelled),
            StatusCode::REQUEST_TIMEOUT => Some(UserAnswer::TimedOut),
            StatusCode::REQUESTED_SIZE_TOO_BIG => Some(UserAnswer::CannotDisplay),
            StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED => Some(UserAnswer::Unsupported),
            _ => None,
        }
    }

    fn positive_answer(&self, asked: &Interaction) -> Option<UserAnswer> {
        let mut texts = self.items.iter().map(|item| item.data.as_ref()?.as_text());
        let (choices, at_most) = match asked {
            Interaction::Display | Interaction::Confirm => return Some(UserAnswer::Accepted),
            Interaction::TextInput => {
                return Some(UserAnswer::Text(texts.next()??.to_owned()));
            }
            Interaction::SingleChoice(choices) => (choices, 1),
            Interaction::MultipleChoice(choices) => (choices, choices.len()),
        };
        let number = |text: Option<&str>| {
            let number: u32 = text?.trim().parse().ok()?;
            (1..=choices.len())
                .contains(&usize::try_from(number).ok()?)
                .then_some(number)
        };
        let chosen: Vec<_> = texts.map(number).collect::<Option<_>>()?;
        let enough = chosen.len() <= at_most && (at_most > 1 || !chosen.is_empty());
        enough.then_some(UserAnswer::Choices(chosen))
    }
}

fn write_options(options: &InteractionOptions) -> String {
    let mut text = String::new();
    let mut add = |key, value: &str| {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(key);
        text.push('=');
        encode_url(value, &mut text);
    };
    if let Some(time) = options.min_display {
        add("MINDT", &time.as_secs().to_string());
    }
    if let Some(time) = options.max_display {
        add("MAXDT", &time.as_secs().to_string());
    }
    if let Some(response) = &options.default_response {
        add("DR", response);
    }
    if let Some(length) = options.max_length {
        add("MAXLEN", &length.to_string());
    }
    if options.input != InputType::default() {
        add("IT", input_letter(options.input));
    }
    if options.echo != EchoType::default() {
        add("ET", echo_letter(options.echo));
    }
    text
}

const INPUTS: [InputType; 6] = [
    InputType::Alphanumeric,
    InputType::Numeric,
    InputType::Date,
    InputType::Time,
    InputType::Phone,
    InputType::Ip,
];
const ECHOES: [EchoType; 2] = [EchoType::Text, EchoType::Password];

const fn input_letter(input: InputType) -> &'static str {
    match input {
        InputType::Alphanumeric => "A",
        InputType::Numeric => "N",
        InputType::Date => "D",
        InputType::Time => "T",
        InputType::Phone => "P",
        InputType::Ip => "I",
    }
}

const fn echo_letter(echo: EchoType) -> &'static str {
    match echo {
        EchoType::Text => "T",
        EchoType::Password => "P",
    }
}

/// Reads `key=value&…` in which values are URL-encoded.
fn read_options(text: &str, code: AlertCode) -> Result<InteractionOptions, InteractionError> {
    let mut options = InteractionOptions::default();
    let is_input = code == AlertCode::TEXT_INPUT;
    for parameter in text.trim().split('&') {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let invalid = InteractionError::InvalidOption;
        let value = decode_url(value);
        match key.trim() {
            "MINDT" => options.min_display = Some(seconds(value).ok_or(invalid("MINDT"))?),
            "MAXDT" => options.max_display = Some(seconds(value).ok_or(invalid("MAXDT"))?),
            "DR" if code != AlertCode::DISPLAY => {
                options.default_response = Some(value.ok_or(invalid("DR"))?);
            }
            "MAXLEN" if is_input => {
                let length = value.and_then(|value| positive(&value)?.try_into().ok());
                options.max_length = Some(length.ok_or(invalid("MAXLEN"))?);
            }
            "IT" if is_input => {
                let found = INPUTS
                    .into_iter()
                    .find(|i| value.as_deref() == Some(input_letter(*i)));
                options.input = found.ok_or(invalid("IT"))?;
            }
            "ET" if is_input => {
                let found = ECHOES
                    .into_iter()
                    .find(|e| value.as_deref() == Some(echo_letter(*e)));
                options.echo = found.ok_or(invalid("ET"))?;
            }
            _ => {}
        }
    }
    Ok(options)
}

fn seconds(value: Option<String>) -> Option<Duration> {
    positive(&value?).map(Duration::from_secs)
}

fn positive(value: &str) -> Option<u64> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|&number| digits && number > 0)
}

fn encode_url(text: &str, out: &mut String) {
    for &byte in text.as_bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                out.push(byte.into());
            }
            _ if byte.is_ascii_alphanumeric() => out.push(byte.into()),
            _ => {
                // Writing to a String does not fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

fn decode_url(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        decoded.push(match (byte, after) {
            (b'+', _) => b' ',
            (
                b'%',
                [
                    high @ (b'0'..=b'9' | b'A'..=b'F' | b'a'..=b'f'),
                    low,
                    after @ ..,
                ],
            ) => {
                rest = after;
                let digits = [*high, *low];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            (b'%', _) => return None,
            (byte, _) => *byte,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(code: u16, data: &[Option<&'static str>]) -> Alert<'static> {
        let item = |data: &Option<&'static str>| match data {
            Some(data) => Item::new().with_data(*data),
            None => Item::new(),
        };
        Alert::new(code.into()).with_items(data.iter().map(item).collect::<Vec<_>>())
    }

    fn options(code: u16, text: &'static str) -> Result<InteractionOptions, InteractionError> {
        let read = alert(code, &[Some(text), Some("t"), Some("a")]).user_interaction();
        read.map(|interaction| interaction.options)
    }

    #[test]
    fn every_kind_with_every_option_comes_back() {
        let choices = || vec!["eins".to_owned(), "zwei & drei".to_owned()];
        for interaction in [
            Interaction::Display,
            Interaction::Confirm,
            Interaction::TextInput,
            Interaction::SingleChoice(choices()),
            Interaction::MultipleChoice(choices()),
        ] {
            let plain = UserInteraction::new(interaction, " Add the access point? ");
            let command = Alert::from_interaction(&plain);
            assert_eq!(command.items[0], Item::new());
            assert_eq!(command.user_interaction(), Ok(plain.clone()));
            let mut full = plain;
            full.options.min_display = Some(Duration::from_secs(5));
            full.options.max_display = Some(Duration::from_secs(60));
            if full.interaction != Interaction::Display {
                full.options.default_response = Some("a+b =&% é/2-3".into());
            }
            for (input, echo) in INPUTS.into_iter().flat_map(|i| ECHOES.map(|e| (i, e))) {
                if full.interaction == Interaction::TextInput {
                    full.options.max_length = Some(20);
                    full.options.input = input;
                    full.options.echo = echo;
                }
                assert_eq!(
                    Alert::from_interaction(&full).user_interaction(),
                    Ok(full.clone())
                );
            }
        }
    }

    #[test]
    fn options_are_written_url_encoded() {
        let mut options = InteractionOptions::default();
        options.min_display = Some(Duration::from_secs(10));
        options.default_response = Some("a b&c".into());
        options.echo = EchoType::Password;
        assert_eq!(write_options(&options), "MINDT=10&DR=a+b%26c&ET=P");
    }

    #[test]
    fn unknown_options_and_those_of_other_kinds_are_skipped() {
        let read = options(1102, "X=1&&MAXDT=7&dr=z&DR=J%4Fh+n&y").unwrap();
        assert_eq!(read.max_display, Some(Duration::from_secs(7)));
        assert_eq!(read.default_response.as_deref(), Some("JOh n"));
        assert_eq!(
            options(1101, "MAXLEN=x&IT=?&ET=?"),
            Ok(InteractionOptions::default())
        );
        assert_eq!(options(1100, "DR=%"), Ok(InteractionOptions::default()));
        assert_eq!(options(1103, ""), Ok(InteractionOptions::default()));
    }

    #[test]
    fn invalid_options_are_named() {
        for (text, key) in [
            ("MINDT=0", "MINDT"),
            ("MINDT=+1", "MINDT"),
            ("MAXDT", "MAXDT"),
            ("MAXDT=1.5", "MAXDT"),
            ("MAXLEN=4294967296", "MAXLEN"),
            ("IT=X", "IT"),
            ("ET=", "ET"),
            ("DR=%4", "DR"),
            ("DR=%+4", "DR"),
            ("DR=%FF", "DR"),
        ] {
            let error = InteractionError::InvalidOption(key);
            assert_eq!(options(1102, text), Err(error), "{text}");
            assert_eq!(error.status(), StatusCode::INCOMPLETE_COMMAND);
        }
    }

    #[test]
    fn incomplete_interactions_are_refused() {
        for (code, items) in [
            (1100, &[][..]),
            (1100, &[None]),
            (1101, &[None, None]),
            (1103, &[None, Some("t")]),
            (1104, &[None, Some("t"), None]),
        ] {
            let result = alert(code, items).user_interaction();
            assert_eq!(result, Err(InteractionError::Incomplete), "{code}");
        }
        for code in [1099, 1105, 1226] {
            let result = alert(code, &[None, Some("t")]).user_interaction();
            assert_eq!(result, Err(InteractionError::NotInteraction), "{code}");
        }
        assert_eq!(InteractionError::NotInteraction.status().get(), 406);
    }

    #[test]
    fn every_answer_comes_back() {
        let status = || Status::new(1, None, "Alert", StatusCode::OK);
        let choices = || vec!["a".to_owned(), "b".to_owned()];
        let single = Interaction::SingleChoice(choices());
        let multiple = Interaction::MultipleChoice(choices());
        for (asked, answer, code, items) in [
            (&Interaction::Display, UserAnswer::Accepted, 200, 0),
            (&Interaction::Confirm, UserAnswer::Accepted, 200, 0),
            (&Interaction::Confirm, UserAnswer::Rejected, 304, 0),
            (
                &Interaction::TextInput,
                UserAnswer::Text(" x ".into()),
                200,
                1,
            ),
            (
                &Interaction::TextInput,
                UserAnswer::Text(String::new()),
                200,
                1,
            ),
            (&single, UserAnswer::Choices(vec![2]), 200, 1),
            (&multiple, UserAnswer::Choices(vec![2, 1]), 200, 2),
            (&multiple, UserAnswer::Choices(vec![]), 200, 0),
            (&single, UserAnswer::Cancelled, 214, 0),
            (&single, UserAnswer::TimedOut, 408, 0),
            (&single, UserAnswer::CannotDisplay, 416, 0),
            (&single, UserAnswer::Unsupported, 406, 0),
        ] {
            let status = status().with_answer(&answer);
            assert_eq!((status.code.get(), status.items.len()), (code, items));
            assert_eq!(status.answer(asked), Some(answer));
        }
    }

    #[test]
    fn what_is_no_answer_is_none() {
        let status = |code: u16, data: &[&'static str]| {
            let items: Vec<_> = data
                .iter()
                .map(|data| Item::new().with_data(*data))
                .collect();
            Status::new(1, None, "Alert", code.into()).with_items(items)
        };
        let single = Interaction::SingleChoice(vec!["a".into(), "b".into()]);
        let multiple = Interaction::MultipleChoice(vec!["a".into(), "b".into()]);
        assert_eq!(status(215, &[]).answer(&Interaction::Confirm), None);
        assert_eq!(status(200, &[]).answer(&Interaction::TextInput), None);
        for chosen in [&[][..], &["0"], &["3"], &["x"], &["1", "2"]] {
            assert_eq!(status(200, chosen).answer(&single), None, "{chosen:?}");
        }
        for chosen in [&["0"][..], &["1", "3"], &["1", "2", "1"]] {
            assert_eq!(status(200, chosen).answer(&multiple), None, "{chosen:?}");
        }
    }
}
