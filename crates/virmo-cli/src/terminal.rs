//! A person at a terminal, who is asked what the server wants to know.

use std::{
    io::{self, BufRead, BufReader, IsTerminal, Read},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use virmo::{
    dm::{
        core::{EchoType, InputType, Interaction, UserAnswer, UserInteraction},
        download::Cancel,
    },
    runtime::{Unattended, UserInterface},
};

use crate::output::printable;

/// What cancels a question.
const CANCEL: &str = "/cancel";

/// How often a question that waits for a line looks whether it is over.
const GLANCE: Duration = Duration::from_millis(100);

/// Text on a screen, answers by the line.
pub(crate) struct Terminal<T> {
    lines: Mutex<Lines>,
    /// Shows a text as it is, without a line end of its own.
    show: T,
    /// Whether a person types and sees it, so that it can be hidden, and can come too late.
    conceals: bool,
}

enum Lines {
    /// Nothing is read before the first question, so that a device that is never asked leaves its
    /// input alone.
    Unread(Box<dyn Read + Send>),
    Reading(Receiver<String>),
}

/// Whether there is a person to ask.
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

impl<T: Fn(&str)> Terminal<T> {
    /// Reads standard input, shows by `show`.
    pub(crate) fn new(show: T) -> Self {
        Self::with(Box::new(io::stdin()), show, is_there())
    }

    fn with(input: Box<dyn Read + Send>, show: T, conceals: bool) -> Self {
        Self {
            lines: Mutex::new(Lines::Unread(input)),
            show,
            conceals,
        }
    }

    /// Asks until a line is an answer; the end of the input is one as well.
    fn answer(&self, asked: &UserInteraction, over: &Cancel) -> UserAnswer {
        let hidden = self.conceals && asked.options.echo == EchoType::Password;
        loop {
            (self.show)(&prompt(asked));
            if hidden {
                (self.show)("\x1b[8m");
            }
            let line = self.line(over);
            if hidden {
                (self.show)("\x1b[28m");
            }
            match line {
                Ok(line) => match read(asked, &line) {
                    Some(answer) => return answer,
                    None => (self.show)("That is no answer to this.\n"),
                },
                Err(RecvTimeoutError::Timeout) => {
                    (self.show)("\nToo late.\n");
                    return UserAnswer::TimedOut;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    (self.show)("\n");
                    return Unattended::Reject.ask(asked, over);
                }
            }
        }
    }

    /// Forgets what a person typed before the question was shown: it answers another one, or none.
    fn forget(&self) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Lines::Reading(lines)) = (self.conceals, &*lines) {
            lines.try_iter().for_each(drop);
        }
    }

    /// The next line; a time-out if the question is over before.
    fn line(&self, over: &Cancel) -> Result<String, RecvTimeoutError> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Lines::Unread(input) = &mut *lines {
            let input = std::mem::replace(input, Box::new(io::empty()));
            *lines = Lines::Reading(reader(input));
        }
        let Lines::Reading(lines) = &*lines else {
            return Err(RecvTimeoutError::Disconnected);
        };
        loop {
            match lines.recv_timeout(GLANCE) {
                Err(RecvTimeoutError::Timeout) if !over.is_cancelled() => {}
                line => return line,
            }
        }
    }
}

impl<T: Fn(&str) + Send + Sync> UserInterface for Terminal<T> {
    fn ask(&self, asked: &UserInteraction, over: &Cancel) -> UserAnswer {
        self.forget();
        (self.show)(&format!("\nThe server says: {}\n", printable(&asked.text)));
        match asked.interaction {
            Interaction::Display => UserAnswer::Accepted,
            _ => self.answer(asked, over),
        }
    }
}

/// Reads lines on a thread of its own, as nothing else can take a reader back.
fn reader(input: Box<dyn Read + Send>) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    let read = move || {
        for line in BufReader::new(input).lines() {
            match line {
                Ok(line) => {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    };
    // Without a thread the channel is closed, as at the end of the input.
    drop(
        thread::Builder::new()
            .name("terminal".to_owned())
            .spawn(read),
    );
    lines
}

/// What is asked for, below the text.
fn prompt(asked: &UserInteraction) -> String {
    let default = asked.default_answer();
    let default = default.as_ref();
    let mut prompt = String::new();
    if let Interaction::SingleChoice(choices) | Interaction::MultipleChoice(choices) =
        &asked.interaction
    {
        for (number, choice) in (1..).zip(choices) {
            prompt.push_str(&format!("  {number}) {}\n", printable(choice)));
        }
    }
    let wanted = match &asked.interaction {
        Interaction::Display => return prompt,
        Interaction::Confirm => match default {
            Some(UserAnswer::Accepted) => "Y/n".to_owned(),
            Some(UserAnswer::Rejected) => "y/N".to_owned(),
            _ => "y/n".to_owned(),
        },
        Interaction::TextInput => {
            let kind = match asked.options.input {
                InputType::Alphanumeric => "a text",
                InputType::Numeric => "a number",
                InputType::Date => "a date as DDMMYYYY",
                InputType::Time => "a time as hhmmss",
                InputType::Phone => "a telephone number",
                InputType::Ip => "an address like 10.0.0.1",
            };
            match asked.options.max_length {
                Some(length) => format!("{kind}, at most {length} characters"),
                None => kind.to_owned(),
            }
        }
        Interaction::SingleChoice(_) => "a number".to_owned(),
        Interaction::MultipleChoice(_) => "numbers, or nothing for none".to_owned(),
    };
    prompt.push_str(&format!("({wanted}; {CANCEL} to cancel)"));
    match default {
        Some(UserAnswer::Text(text)) => prompt.push_str(&format!(" [{}]", printable(text))),
        Some(UserAnswer::Choices(numbers)) => prompt.push_str(&format!(" [{}]", joined(numbers))),
        _ => {}
    }
    prompt.push_str(" > ");
    prompt
}

/// The answer a line is; an empty one is the default.
fn read(asked: &UserInteraction, line: &str) -> Option<UserAnswer> {
    let word = line.trim();
    if word == CANCEL {
        return Some(UserAnswer::Cancelled);
    }
    if let (true, Some(default)) = (word.is_empty(), asked.default_answer()) {
        return Some(default);
    }
    let answer = match &asked.interaction {
        Interaction::Display => UserAnswer::Accepted,
        Interaction::Confirm => match word.to_lowercase().as_str() {
            "y" | "yes" => UserAnswer::Accepted,
            "n" | "no" => UserAnswer::Rejected,
            _ => return None,
        },
        Interaction::TextInput => UserAnswer::Text(line.to_owned()),
        Interaction::SingleChoice(_) | Interaction::MultipleChoice(_) => {
            let numbers = word
                .split([' ', ',', '-'])
                .filter(|number| !number.is_empty());
            UserAnswer::Choices(numbers.map(str::parse).collect::<Result<_, _>>().ok()?)
        }
    };
    Some(answer).filter(|answer| asked.accepts(answer))
}

fn joined(numbers: &[u32]) -> String {
    let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
    numbers.join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What one question comes to when these lines are typed, and what was shown.
    fn ask(asked: &UserInteraction, typed: &'static str) -> (UserAnswer, String) {
        let shown = Arc::new(Mutex::new(String::new()));
        let screen = Arc::clone(&shown);
        let show = move |text: &str| screen.lock().unwrap().push_str(text);
        let terminal = Terminal::with(Box::new(typed.as_bytes()), show, true);
        let answer = terminal.ask(asked, &Cancel::new());
        let shown = shown.lock().unwrap().clone();
        (answer, shown)
    }

    fn asked(interaction: Interaction, default: Option<&str>) -> UserInteraction {
        let mut asked = UserInteraction::new(interaction, "Add the access point?");
        asked.options.default_response = default.map(str::to_owned);
        asked
    }

    fn choices() -> Vec<String> {
        ["red", "green", "blue"].map(str::to_owned).to_vec()
    }

    #[test]
    fn lines_become_answers() {
        let text = |text: &str| UserAnswer::Text(text.to_owned());
        let chosen = |numbers: &[u32]| UserAnswer::Choices(numbers.to_vec());
        let (yes, no) = (UserAnswer::Accepted, UserAnswer::Rejected);
        let single = || Interaction::SingleChoice(choices());
        let multiple = || Interaction::MultipleChoice(choices());
        for (interaction, default, typed, answer) in [
            (Interaction::Display, None, "", yes.clone()),
            (Interaction::Confirm, None, "y\n", yes.clone()),
            (Interaction::Confirm, None, "maybe\nNO\n", no.clone()),
            (Interaction::Confirm, Some("1"), "\n", yes),
            (
                Interaction::Confirm,
                None,
                "/cancel\n",
                UserAnswer::Cancelled,
            ),
            (Interaction::Confirm, None, "", no),
            (Interaction::TextInput, None, " größer \n", text(" größer ")),
            (Interaction::TextInput, Some("x y"), "\n", text("x y")),
            (Interaction::TextInput, None, "\n", text("")),
            (Interaction::TextInput, None, "", UserAnswer::Cancelled),
            (single(), None, "4\n\n2\n", chosen(&[2])),
            (single(), Some("3"), "\n", chosen(&[3])),
            (multiple(), None, "3, 1\n", chosen(&[3, 1])),
            (multiple(), Some("2-3"), "\n", chosen(&[2, 3])),
            (multiple(), None, "\n", chosen(&[])),
            (multiple(), None, "1 1\n2\n", chosen(&[2])),
        ] {
            let asked = asked(interaction, default);
            assert_eq!(ask(&asked, typed).0, answer, "{asked:?} {typed:?}");
        }
    }

    #[test]
    fn what_is_wanted_is_shown_and_nothing_steers_the_terminal() {
        let mut hostile = asked(Interaction::SingleChoice(choices()), Some("2"));
        hostile.text = "a\x1b[2Jb\rc".into();
        let (_, shown) = ask(&hostile, "1\n");
        let expected = "\nThe server says: a\u{fffd}[2Jb\u{fffd}c\n  1) red\n  2) green\n  3) blue\n(a number; /cancel \
                        to cancel) [2] > ";
        assert_eq!(shown, expected);

        let mut secret = asked(Interaction::TextInput, None);
        secret.options.input = InputType::Numeric;
        secret.options.max_length = Some(4);
        secret.options.echo = EchoType::Password;
        let (answer, shown) = ask(&secret, "12345\n1234\n");
        assert_eq!(answer, UserAnswer::Text("1234".into()));
        let prompt = "(a number, at most 4 characters; /cancel to cancel) > \x1b[8m\x1b[28m";
        assert_eq!(
            shown,
            format!(
                "\nThe server says: Add the access point?\n{prompt}That is no answer to this.\n{prompt}"
            )
        );
    }

    /// A person who says yes too late says it to nothing else.
    #[test]
    fn a_late_answer_is_none_to_the_next_question() {
        /// Gives these lines, and says when it is asked for more.
        struct Typed(Receiver<&'static str>, mpsc::Sender<()>);
        impl Read for Typed {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1.send(()).unwrap_or_default();
                let line = self.0.recv().unwrap_or_default();
                buffer[..line.len()].copy_from_slice(line.as_bytes());
                Ok(line.len())
            }
        }
        let (typing, typed) = mpsc::channel();
        let (wanted, wants) = mpsc::channel();
        let wants = Mutex::new(wants);
        let typed = Typed(typed, wanted);
        let show = move |text: &str| {
            if text.contains("second") {
                typing.send("no\n").unwrap();
            } else if text.contains("Too late") {
                typing.send("yes\n").unwrap();
                // Once for each line, and once more when the last was passed on.
                wants.lock().unwrap().iter().take(2).for_each(drop);
            }
        };
        let terminal = Terminal::with(Box::new(typed), show, true);
        let over = Cancel::new();
        over.cancel();
        let first = asked(Interaction::Confirm, None);
        assert_eq!(terminal.ask(&first, &over), UserAnswer::TimedOut);
        let second = UserInteraction::new(Interaction::Confirm, "second");
        let answer = terminal.ask(&second, &Cancel::new());
        assert_eq!(answer, UserAnswer::Rejected);
    }

    #[test]
    fn a_question_that_is_over_waits_no_longer() {
        let (_writer, reader) = mpsc::channel::<()>();
        /// Never says anything.
        struct Silent(Receiver<()>);
        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                self.0.recv().unwrap_or_default();
                Ok(0)
            }
        }
        let terminal = Terminal::with(Box::new(Silent(reader)), |_: &str| {}, false);
        let over = Cancel::new();
        over.cancel();
        let asked = asked(Interaction::Confirm, None);
        assert_eq!(terminal.ask(&asked, &over), UserAnswer::TimedOut);
    }
}
