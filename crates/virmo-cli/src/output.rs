//! What the program says: one JSON object a line for scripts, text and progress bars for people.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{
    commands::load::{Progress, Report},
    failure::Failure,
};

/// Something that happened, in the words of the program's contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    Listening {
        url: String,
    },
    Session {
        id: String,
        /// Absent while the session goes on.
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<String>,
        /// What a notification to the device is signed with, in base64.
        #[serde(skip_serializing_if = "Option::is_none")]
        nonce: Option<String>,
    },
    Command {
        name: String,
        uri: String,
        status: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<Origin>,
    },
    State {
        #[serde(flatten)]
        of: Thing,
        from: u32,
        /// Absent for an image that is gone.
        to: Option<u32>,
        /// The name of the new state.
        #[serde(skip)]
        to_name: &'static str,
    },
    Download {
        image: String,
        bytes: u64,
        total: Option<u64>,
    },
    Alert {
        #[serde(rename = "type")]
        alert_type: String,
        source: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        delivered: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<Origin>,
    },
    /// A bootstrap document was written.
    #[serde(rename = "bootstrap")]
    BootstrapWritten {
        content_type: String,
        bytes: usize,
    },
    /// A bootstrap document was brought into a state.
    #[serde(rename = "bootstrap")]
    Bootstrapped {
        /// Where the accounts are.
        accounts: Vec<String>,
        /// What the device has no place for.
        ignored: Vec<String>,
    },
    /// A notification: on a device one that came, else one that was sent.
    Notification {
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// Where it was sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ui_mode: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        initiator: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        accepted: Option<bool>,
        /// Why it was not accepted.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What somebody says came of a file behind a descriptor.
    Install {
        file: String,
        status: u16,
        /// The name of the status.
        text: &'static str,
        /// Who says so.
        from: String,
    },
    /// How far the guest of the demo counted since it was booted.
    Guest {
        vm: String,
        count: u64,
    },
    /// A question to the user of a VM is over.
    Question {
        vm: String,
        /// What UI/Result says.
        status: u16,
    },
    Recovered {
        /// Absent for a change over several VMs.
        #[serde(skip_serializing_if = "Option::is_none")]
        vm: Option<String>,
        intent: String,
        outcome: String,
    },
    Step {
        index: usize,
        ok: bool,
        status: Option<u16>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        children: Option<Vec<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<Origin>,
        /// What the step does, for people.
        #[serde(skip)]
        label: String,
    },
    /// A step got on.
    Progress {
        device: Origin,
        index: usize,
        #[serde(flatten)]
        what: Advance,
    },
    /// Where a device is in its plan, as an earlier run of the server left it.
    Resumed {
        device: String,
        /// The index of the step that is next.
        next: usize,
        /// Whether that one was begun.
        begun: bool,
        /// The steps that are over; each was told when it was, unless the server was killed there.
        steps: Vec<Finished>,
        /// The alerts of the last exchange, likewise.
        alerts: Vec<LateAlert>,
    },
    /// A device was asked to prove who it is.
    Challenge {
        device: String,
    },
    /// A device went on with a session that is over, or of the server before a restart.
    UnknownSession {
        device: String,
        id: String,
    },
    /// A session failed; the next one begins after this pause at the latest.
    Retry {
        seconds: f64,
    },
    /// How far a load has come.
    #[serde(rename = "progress")]
    LoadProgress(Progress),
    /// What came of a load.
    Load(Box<Report>),
    Error {
        message: String,
    },
}

/// How a step got on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum Advance {
    Begun,
    /// The same, after an earlier run of the server began it.
    Resumed,
    Sent {
        commands: usize,
    },
    /// The same, after they were sent in vain.
    Retried {
        commands: usize,
    },
    /// With 202.
    Accepted {
        uri: String,
    },
    TimedOut {
        seconds: u64,
    },
}

impl Advance {
    /// What a person is told of it, who sees the commands and the end of the step anyway.
    const fn shown(&self) -> Option<&'static str> {
        match self {
            Self::Retried { .. } => Some("sent again"),
            Self::Accepted { .. } => Some("accepted, waiting for the device"),
            Self::Begun | Self::Resumed | Self::Sent { .. } | Self::TimedOut { .. } => None,
        }
    }
}

/// A step that an earlier run of the server finished.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Finished {
    pub(crate) index: usize,
    pub(crate) ok: bool,
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) children: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

/// An alert that an earlier run of the server took in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LateAlert {
    #[serde(rename = "type")]
    pub(crate) alert_type: String,
    pub(crate) source: Option<String>,
}

/// The device a server tells of.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Origin {
    pub(crate) device: String,
    /// Whether people have to be told: there is more than one.
    #[serde(skip)]
    pub(crate) of_several: bool,
}

/// How many characters of a value people see.
const SHOWN: usize = 80;

/// How many characters people see of a name, which a peer may have chosen.
const NAMED: usize = 160;

/// How many characters people see of a list or a message, which may quote a peer.
const TOLD: usize = 1000;

/// What people see of a text, and how much there is of it if that is not all.
fn short(text: &str, most: usize) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(most) else {
        return text.into();
    };
    let shown = text.get(..end).unwrap_or_default();
    format!("{shown}... ({} bytes)", text.len()).into()
}

/// For people: the device, where there is more than one.
fn origin(device: &Option<Origin>) -> String {
    device.as_ref().map(Origin::shown).unwrap_or_default()
}

impl Origin {
    fn shown(&self) -> String {
        match self.of_several {
            true => format!("  [{}]", short(&self.device, NAMED)),
            false => String::new(),
        }
    }
}

/// A VM or an image, by the name of its node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Thing {
    Vm(String),
    Image(String),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vm(name) => write!(f, "VM {}", short(name, NAMED)),
            Self::Image(name) => write!(f, "image {}", short(name, NAMED)),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { url } => write!(f, "listening at {url}"),
            Self::Session {
                id, result, device, ..
            } => {
                write!(f, "session {}", short(id, NAMED))?;
                if let Some(device) = device {
                    write!(f, " with {}", short(device, NAMED))?;
                }
                write!(f, " {}", result.as_deref().unwrap_or("begins"))
            }
            Self::Command {
                name,
                uri,
                status,
                device,
            } => {
                write!(f, "  {status}  {name:<8} {}", short(uri, NAMED))?;
                match name_of(*status) {
                    Some(text) if *status >= 300 => write!(f, "  ({text})")?,
                    _ => {}
                }
                f.write_str(&origin(device))
            }
            Self::Install {
                file,
                status,
                text,
                from,
            } => {
                let file = short(file, NAMED);
                write!(f, "       {file}: {status} {text}, reports {from}")
            }
            Self::Guest { vm, count } => write!(f, "  guest of {vm} has counted to {count}"),
            Self::State {
                of,
                from,
                to,
                to_name,
            } => match to {
                Some(to) => write!(f, "       {of}: state {from} -> {to} ({to_name})"),
                None => write!(f, "       {of}: state {from} -> {to_name}"),
            },
            Self::Download {
                image,
                bytes,
                total: Some(total),
            } => {
                write!(f, "       image {image}: {bytes} of {total} bytes")
            }
            Self::Download {
                image,
                bytes,
                total: None,
            } => {
                write!(f, "       image {image}: {bytes} bytes")
            }
            Self::Alert {
                alert_type,
                source,
                delivered,
                device,
            } => {
                write!(f, "       alert {}", short(alert_type, NAMED))?;
                if let Some(source) = source {
                    write!(f, " from {}", short(source, NAMED))?;
                }
                match delivered {
                    Some(true) => f.write_str(" delivered")?,
                    Some(false) => f.write_str(" queued")?,
                    None => {}
                }
                f.write_str(&origin(device))
            }
            // As it is, for whoever applies it.
            Self::BootstrapWritten { content_type, .. } => f.write_str(content_type),
            Self::Bootstrapped { accounts, ignored } => {
                write!(f, "accounts: {}", short(&accounts.join(", "), TOLD))?;
                if !ignored.is_empty() {
                    write!(f, "; left out: {}", short(&ignored.join(", "), TOLD))?;
                }
                Ok(())
            }
            Self::Notification {
                session,
                to,
                reason,
                ..
            } => match (session, to, reason) {
                (_, _, Some(reason)) => write!(f, "notification dropped: {reason}"),
                (Some(session), Some(to), None) => {
                    write!(f, "notification for session {session} sent to {to}")
                }
                (Some(session), None, None) => write!(f, "notification for session {session}"),
                (None, _, None) => f.write_str("notification"),
            },
            Self::Question { vm, status } => {
                write!(f, "       the user of VM {vm} was asked: {status}")
            }
            Self::Recovered {
                vm,
                intent,
                outcome,
            } => {
                f.write_str("       ")?;
                if let Some(vm) = vm {
                    write!(f, "VM {vm}: ")?;
                }
                write!(f, "{intent} was cut off: {outcome}")
            }
            Self::Step {
                index,
                ok,
                status,
                value,
                children,
                result,
                detail,
                device,
                label,
            } => {
                write!(
                    f,
                    "step {index} {} {label}",
                    if *ok { "ok    " } else { "FAILED" }
                )?;
                if let Some(status) = status {
                    write!(f, "  status {status}")?;
                }
                if let Some(value) = value {
                    match value.char_indices().nth(SHOWN) {
                        None => write!(f, "  {value:?}")?,
                        Some((end, _)) => {
                            let shown = value.get(..end).unwrap_or_default();
                            write!(f, "  {shown:?}... ({} bytes)", value.len())?;
                        }
                    }
                }
                if let Some(children) = children {
                    write!(f, "  [{}]", short(&children.join(", "), TOLD))?;
                }
                if let Some(result) = result {
                    write!(f, "  result {}", short(result, TOLD))?;
                }
                if let Some(detail) = detail {
                    write!(f, "  ({})", short(detail, TOLD))?;
                }
                f.write_str(&origin(device))
            }
            Self::Progress {
                device,
                index,
                what,
            } => {
                let what = what.shown().unwrap_or_default();
                write!(f, "step {index}: {what}")?;
                f.write_str(&device.shown())
            }
            Self::Resumed {
                device,
                next,
                steps,
                ..
            } => {
                let failed = steps.iter().filter(|step| !step.ok).count();
                let device = short(device, NAMED);
                write!(f, "{device} goes on with step {next}")?;
                match failed {
                    0 => Ok(()),
                    failed => write!(f, ", {failed} before it failed"),
                }
            }
            Self::Challenge { device } => {
                write!(f, "{} is asked to prove who it is", short(device, NAMED))
            }
            Self::UnknownSession { device, id } => write!(
                f,
                "{} goes on with session {}, which is over, or of this server before it was started \
                 again: it is told so, and begins another",
                short(device, NAMED),
                short(id, NAMED)
            ),
            Self::LoadProgress(progress) => progress.fmt(f),
            Self::Load(report) => report.fmt(f),
            Self::Retry { seconds } => write!(f, "the next session begins in {seconds} s"),
            Self::Error { message } => write!(f, "error: {}", short(message, TOLD)),
        }
    }
}

fn name_of(status: u16) -> Option<&'static str> {
    virmo::dm::core::StatusCode::from(status).name()
}

/// Where events go. Shared between threads.
pub(crate) struct Output {
    json: bool,
    /// What people see; a script sees each event as it comes.
    screen: Mutex<Screen>,
}

/// Lines, and below them the bars of the downloads under way.
#[derive(Default)]
struct Screen {
    /// A change of state that waits for the command it belongs to, to follow it.
    held: Option<String>,
    bars: MultiProgress,
    downloads: BTreeMap<String, ProgressBar>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            screen: Mutex::default(),
        }
    }

    /// Tells one event: on standard output, errors for people on standard error.
    pub(crate) fn event(&self, event: &Event) {
        if self.json {
            let line = json(event);
            write_line(&mut io::stdout(), &line);
            return;
        }
        let screen = &mut *self.screen();
        match event {
            Event::State { of, .. } => {
                screen.flush();
                if let Thing::Image(name) = of {
                    screen.close(name);
                }
                screen.held = Some(event.to_string());
            }
            Event::Command { .. } | Event::Recovered { .. } => {
                screen.line(&mut io::stdout(), event);
                screen.flush();
            }
            Event::Download {
                image,
                bytes,
                total,
            } => screen.progress(image, *bytes, *total),
            Event::Progress { what, .. } if what.shown().is_none() => {}
            Event::Error { .. } => {
                screen.flush();
                screen.line(&mut io::stderr(), event);
            }
            _ => {
                screen.flush();
                screen.line(&mut io::stdout(), event);
            }
        }
    }

    /// A line for people only; nothing with `--json`.
    pub(crate) fn say(&self, text: impl fmt::Display) {
        if !self.json {
            let screen = &mut *self.screen();
            screen.flush();
            screen.line(&mut io::stdout(), &text);
        }
    }

    /// Shows a person at the terminal a text as it is, on standard error.
    pub(crate) fn prompt(&self, text: &str) {
        let screen = &mut *self.screen();
        screen.flush();
        screen.bars.suspend(|| {
            let mut to = io::stderr();
            // Who closed it does not want to be asked.
            drop(to.write_all(text.as_bytes()).and_then(|()| to.flush()));
        });
    }

    /// Tells what was held back, and ends the bars of downloads; a thread that is left at work may
    /// still tell something.
    pub(crate) fn close(&self) {
        let screen = &mut *self.screen();
        screen.flush();
        while let Some((image, _)) = screen.downloads.first_key_value() {
            let image = image.clone();
            screen.close(&image);
        }
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Screen {
    fn flush(&mut self) {
        if let Some(held) = self.held.take() {
            self.line(&mut io::stdout(), &held);
        }
    }

    fn line(&self, to: &mut dyn Write, text: &dyn fmt::Display) {
        let text = printable(&text.to_string()).replace('\n', SUBSTITUTE);
        self.bars.suspend(|| write_line(to, &text));
    }

    fn progress(&mut self, image: &str, bytes: u64, total: Option<u64>) {
        let bar = self
            .downloads
            .entry(image.to_owned())
            .or_insert_with(|| self.bars.add(bar(image, total)));
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(bytes);
    }

    /// Puts a line in the place of a bar: its download is over, one way or another.
    fn close(&mut self, image: &str) {
        if let Some(bar) = self.downloads.remove(image) {
            bar.finish_and_clear();
            let end = Event::Download {
                image: image.to_owned(),
                bytes: bar.position(),
                total: bar.length(),
            };
            self.line(&mut io::stdout(), &end);
        }
    }
}

/// The bar of one download.
fn bar(image: &str, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    let template = match total {
        Some(_) => "       {prefix} [{bar:32}] {bytes} of {total_bytes}, {bytes_per_sec}",
        None => "       {prefix} {bytes}, {bytes_per_sec}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(
        printable(&Thing::Image(image.to_owned()).to_string()).replace('\n', SUBSTITUTE),
    );
    bar
}

/// Stands for a character that is not shown.
const SUBSTITUTE: &str = "\u{fffd}";

/// A text without what would steer a terminal or turn the order of its characters around; line ends
/// and tabs stay.
pub(crate) fn printable(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\t' => c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// One line of JSON; the controls that JSON lets stand as they are would steer a terminal.
fn json(event: &Event) -> String {
    let line = serde_json::to_string(event).unwrap_or_default();
    let escaped = |c: char| match c {
        '\u{7f}'..='\u{9f}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    match line.contains(|c: char| c.is_control()) {
        true => line.chars().map(escaped).collect(),
        false => line,
    }
}

/// Writes the result of a command. A closed pipe is the reader's business, not a reason to fail.
pub(crate) fn print(result: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(result).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::work(error)),
        _ => Ok(()),
    }
}

/// A closed pipe is the reader's business, not a reason to fail.
fn write_line(to: &mut dyn Write, line: &str) {
    drop(writeln!(to, "{line}").and_then(|()| to.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_does_not_steer_the_terminal() {
        let hostile = Event::Command {
            name: "Get".into(),
            uri: "./a\x1b[2J\u{9b}2J\u{202e}x\nstep 0 ok".into(),
            status: 404,
            device: None,
        };
        let line = json(&hostile);
        assert!(!line.contains(|c: char| c.is_control()), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["uri"], "./a\x1b[2J\u{9b}2J\u{202e}x\nstep 0 ok");
        let mut shown = Vec::new();
        Screen::default().line(&mut shown, &hostile);
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            "  404  Get      ./a\u{fffd}[2J\u{fffd}2J\u{fffd}x\u{fffd}step 0 ok  (Not found)\n"
        );
    }

    /// Nothing a peer says makes a line long.
    #[test]
    fn long_texts_are_cut() {
        let long = "é".repeat(500_000);
        let device = Some(Origin {
            device: long.clone(),
            of_several: true,
        });
        for event in [
            Event::Session {
                id: long.clone(),
                result: None,
                device: Some(long.clone()),
                nonce: None,
            },
            Event::Command {
                name: "Get".into(),
                uri: long.clone(),
                status: 200,
                device: device.clone(),
            },
            Event::Alert {
                alert_type: long.clone(),
                source: Some(long.clone()),
                delivered: None,
                device: device.clone(),
            },
            Event::Step {
                index: 0,
                ok: true,
                status: None,
                value: Some(long.clone()),
                children: Some(vec![long.clone(); 2]),
                result: Some(long.clone()),
                detail: Some(long.clone()),
                device,
                label: "get .".into(),
            },
            Event::Challenge {
                device: long.clone(),
            },
            Event::UnknownSession {
                device: long.clone(),
                id: long.clone(),
            },
            Event::Bootstrapped {
                accounts: vec![long.clone()],
                ignored: vec![long.clone()],
            },
            Event::Error { message: long },
        ] {
            let line = event.to_string();
            assert!(line.contains("... (1000000 bytes)") || line.contains("... (2000002 bytes)"));
            assert!(line.chars().count() < 5000, "{}", line.len());
        }
    }

    #[test]
    fn events_keep_to_the_contract() {
        let state = Event::State {
            of: Thing::Vm("entvm".into()),
            from: 0,
            to: Some(2),
            to_name: "Running",
        };
        assert_eq!(
            json(&state),
            r#"{"event":"state","vm":"entvm","from":0,"to":2}"#
        );
        let alert = Event::Alert {
            alert_type: "urn:oma:at:oma-virmo:imageready:1.0".into(),
            source: Some("./VMImgMO/entvm/Operations/Download".into()),
            delivered: Some(true),
            device: None,
        };
        assert_eq!(
            json(&alert),
            r#"{"event":"alert","type":"urn:oma:at:oma-virmo:imageready:1.0","source":"./VMImgMO/entvm/Operations/Download","delivered":true}"#
        );
        let step = Event::Step {
            index: 3,
            ok: false,
            status: Some(405),
            value: None,
            children: None,
            result: None,
            detail: None,
            device: Some(Origin {
                device: "urn:x:1".into(),
                of_several: false,
            }),
            label: "suspend entvm".into(),
        };
        assert_eq!(
            json(&step),
            r#"{"event":"step","index":3,"ok":false,"status":405,"device":"urn:x:1"}"#
        );
        assert_eq!(step.to_string(), "step 3 FAILED suspend entvm  status 405");
        let progress = |what| Event::Progress {
            device: Origin {
                device: "urn:x:1".into(),
                of_several: true,
            },
            index: 2,
            what,
        };
        let uri = "./VMImgMO/a/Operations/Download".to_owned();
        for (what, said, shown) in [
            (Advance::Begun, r#""begun""#, None),
            (Advance::Resumed, r#""resumed""#, None),
            (
                Advance::Sent { commands: 3 },
                r#""sent","commands":3"#,
                None,
            ),
            (
                Advance::Retried { commands: 1 },
                r#""retried","commands":1"#,
                Some("step 2: sent again  [urn:x:1]"),
            ),
            (
                Advance::Accepted { uri },
                r#""accepted","uri":"./VMImgMO/a/Operations/Download""#,
                Some("step 2: accepted, waiting for the device  [urn:x:1]"),
            ),
            (
                Advance::TimedOut { seconds: 60 },
                r#""timed_out","seconds":60"#,
                None,
            ),
        ] {
            assert_eq!(what.shown().is_some(), shown.is_some());
            let event = progress(what);
            let line =
                format!(r#"{{"event":"progress","device":"urn:x:1","index":2,"what":{said}}}"#);
            assert_eq!(json(&event), line);
            if let Some(shown) = shown {
                assert_eq!(event.to_string(), shown);
            }
        }
        let command = Event::Command {
            name: "Get".into(),
            uri: "./VirMO".into(),
            status: 200,
            device: Some(Origin {
                device: "urn:x:1".into(),
                of_several: true,
            }),
        };
        assert_eq!(command.to_string(), "  200  Get      ./VirMO  [urn:x:1]");
        let mut large = step.clone();
        if let Event::Step { value, .. } = &mut large {
            *value = Some("é".repeat(81));
        }
        let shown = format!("{step}  \"{}\"... (162 bytes)", "é".repeat(80));
        assert_eq!(large.to_string(), shown);
        let listening = Event::Listening {
            url: "http://127.0.0.1:1/dm".into(),
        };
        assert_eq!(
            json(&listening),
            r#"{"event":"listening","url":"http://127.0.0.1:1/dm"}"#
        );
    }
}
