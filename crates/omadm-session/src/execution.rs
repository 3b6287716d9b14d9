use omadm_core::{Correlator, GenericAlert, Mark, StatusCode};

/// One Exec, followed from its Status to its final answer. [DM-Protocol]
///
/// ```text
///            ┌─ 2xx, 4xx, 5xx ──────────────────────> Finished
/// Started ───┤
///            └─ 202 ──> Accepted ── its alert ──────> Finished
/// ```
///
/// An alert is its own if it repeats the Correlator, or if it has none and names the executed node
/// as its Source; those of FUMO name the object instead, the parent of that node.
///
/// ```
/// use omadm_core::{Correlator, Format, GenericAlert, StatusCode};
/// use omadm_session::{Execution, Progress};
///
/// let mut execution = Execution::new("./VirMO/a/Operations/Create", Correlator::new("r1-1"));
/// execution.status(StatusCode::ACCEPTED);
/// assert_eq!(execution.progress(), Progress::Accepted);
/// let mut alert = GenericAlert::new("com.example.done", Format::Int);
/// alert.correlator = Some(Correlator::new("r1-1"));
/// alert.data = "500".to_owned();
/// assert!(execution.alert(&alert));
/// assert_eq!(execution.progress(), Progress::Finished(StatusCode::COMMAND_FAILED));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Execution {
    uri: String,
    correlator: Correlator,
    progress: Progress,
}

/// How far an [`Execution`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// No answer yet.
    Started,
    /// Accepted with 202; the alert is to come.
    Accepted,
    /// The final outcome is known.
    Finished(StatusCode),
}

impl Execution {
    /// The Exec of a node, with the Correlator it carries.
    pub fn new(uri: impl Into<String>, correlator: Correlator) -> Self {
        Self {
            uri: uri.into(),
            correlator,
            progress: Progress::Started,
        }
    }

    /// Takes in the Status of the Exec. One that comes after the alert changes nothing.
    pub fn status(&mut self, code: StatusCode) {
        if self.progress == Progress::Started {
            self.progress = match code {
                StatusCode::ACCEPTED => Progress::Accepted,
                code => Progress::Finished(code),
            };
        }
    }

    /// Takes in an alert; whether it is about this Exec.
    ///
    /// Data that is a number of three digits is the outcome. Of a result code of four digits, alone
    /// or in the element `ResultCode` as SCOMO has it, the class is: 12xx succeeded, others failed.
    /// Otherwise the alert itself says that it ended: well, unless its Mark is [`Mark::Warning`] or
    /// graver.
    pub fn alert(&mut self, alert: &GenericAlert) -> bool {
        let own = match (&alert.correlator, &alert.source) {
            (Some(correlator), _) => *correlator == self.correlator,
            (None, Some(source)) => {
                same_node(source, &self.uri) || is_of_firmware(alert, source, &self.uri)
            }
            (None, None) => false,
        };
        if own && !matches!(self.progress, Progress::Finished(_)) {
            self.progress = Progress::Finished(outcome(alert));
        }
        own
    }

    /// How far it is.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// The executed node.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The Correlator of the Exec.
    #[must_use]
    pub const fn correlator(&self) -> &Correlator {
        &self.correlator
    }
}

/// Whether two LocURIs name the same node, with or without the `./` of the root.
fn same_node(a: &str, b: &str) -> bool {
    let path = |uri: &str| {
        uri.trim()
            .trim_start_matches("./")
            .trim_end_matches('/')
            .to_owned()
    };
    path(a) == path(b)
}

/// Whether an alert is that of FUMO for an operation, of which it names the object. [FUMO]
fn is_of_firmware(alert: &GenericAlert, object: &str, operation: &str) -> bool {
    const TYPES: &str = "org.openmobilealliance.dm.firmwareupdate.";
    let executed = alert.alert_type.strip_prefix(TYPES);
    executed
        .zip(operation.rsplit_once('/'))
        .is_some_and(|(executed, (parent, name))| {
            same_node(object, parent) && executed.eq_ignore_ascii_case(name)
        })
}

fn outcome(alert: &GenericAlert) -> StatusCode {
    let data = alert.data.trim();
    let element = data.split_once("<ResultCode>");
    let element = element.and_then(|(_, rest)| rest.split_once("</ResultCode>"));
    let code = element.map_or(data, |(code, _)| code.trim());
    match code.parse::<u16>() {
        Ok(code @ 100..=999) => code.into(),
        Ok(1200..=1299) => StatusCode::OK,
        Ok(1400..=1599) => StatusCode::COMMAND_FAILED,
        _ if alert.mark.is_some_and(|mark| mark <= Mark::Warning) => StatusCode::COMMAND_FAILED,
        _ => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use omadm_core::Format;

    use super::*;

    fn execution() -> Execution {
        Execution::new("./V/a/Operations/Create", Correlator::new("c1"))
    }

    fn alert(correlator: Option<&str>, source: Option<&str>, data: &str) -> GenericAlert {
        let mut alert = GenericAlert::new("t", Format::Chr);
        alert.correlator = correlator.map(Correlator::new);
        alert.source = source.map(str::to_owned);
        alert.data = data.to_owned();
        alert
    }

    #[test]
    fn a_synchronous_answer_is_final() {
        for code in [200, 405, 420, 500].map(StatusCode::from) {
            let mut execution = execution();
            assert_eq!(execution.uri(), "./V/a/Operations/Create");
            execution.status(code);
            assert_eq!(execution.progress(), Progress::Finished(code));
            assert!(
                execution.alert(&alert(Some("c1"), None, "200")),
                "heard, but late"
            );
            assert_eq!(execution.progress(), Progress::Finished(code));
        }
    }

    #[test]
    fn an_alert_belongs_by_correlator_or_else_by_source() {
        let node = Some("V/a/Operations/Create/");
        for (alert, own) in [
            (alert(Some("c1"), None, ""), true),
            (alert(Some("c1"), Some("./elsewhere"), ""), true),
            (alert(None, node, ""), true),
            (alert(Some("c2"), node, ""), false),
            (alert(None, Some("./V/b/Operations/Create"), ""), false),
            (alert(None, None, ""), false),
        ] {
            let mut execution = execution();
            execution.status(StatusCode::ACCEPTED);
            assert_eq!(execution.alert(&alert), own, "{alert:?}");
            let finished = execution.progress() == Progress::Finished(StatusCode::OK);
            assert_eq!(finished, own);
        }
    }

    #[test]
    fn an_alert_before_the_status_counts() {
        let mut execution = execution();
        assert!(execution.alert(&alert(Some("c1"), None, "420")));
        execution.status(StatusCode::ACCEPTED);
        let finished = Progress::Finished(StatusCode::DEVICE_FULL);
        assert_eq!(execution.progress(), finished);
    }

    #[test]
    fn without_a_code_the_mark_tells() {
        let told = |data: &str, mark: Option<Mark>| {
            let mut alert = alert(Some("c1"), None, data);
            alert.mark = mark;
            outcome(&alert).get()
        };
        assert_eq!(told("", None), 200);
        assert_eq!(told("<done/>", Some(Mark::Informational)), 200);
        assert_eq!(told("", Some(Mark::Harmless)), 200);
        for mark in [Mark::Fatal, Mark::Critical, Mark::Minor, Mark::Warning] {
            assert_eq!(told("", Some(mark)), 500);
            assert_eq!(told(" 200 ", Some(mark)), 200);
        }
        assert_eq!(told("7", None), 200);
        assert_eq!(told("65536", None), 200);
    }

    #[test]
    fn result_codes_of_four_digits_tell_by_their_class() {
        let told = |data: &str, mark: Option<Mark>| {
            let mut alert = alert(Some("c1"), None, data);
            alert.mark = mark;
            outcome(&alert).get()
        };
        // Clients in the field mark a success as a warning too.
        for mark in [None, Some(Mark::Warning)] {
            for (data, code) in [
                ("1200", 200),
                (" 1299 ", 200),
                ("1402", 500),
                ("1501", 500),
                ("<ResultCode>1202</ResultCode>", 200),
                (
                    "<ResultCode> 1200 </ResultCode><Identifier>1405</Identifier>",
                    200,
                ),
                ("<a><ResultCode>1405</ResultCode></a>", 500),
            ] {
                assert_eq!(told(data, mark), code, "{data}");
            }
        }
        assert_eq!(told("<ResultCode>", Some(Mark::Warning)), 500);
        assert_eq!(told("1300", None), 200, "of no class: the mark tells");
    }

    #[test]
    fn an_alert_of_firmware_names_the_object() {
        const TYPE: &str = "org.openmobilealliance.dm.firmwareupdate.";
        let mut alert = alert(None, Some("./FUMO"), "411");
        for (uri, executed, own) in [
            ("./FUMO/Download", "download", true),
            ("FUMO/DownloadAndUpdate", "downloadandupdate", true),
            ("./FUMO/Download", "update", false),
            ("./Other/Download", "download", false),
            ("./FUMO/a/Download", "download", false),
        ] {
            alert.alert_type = format!("{TYPE}{executed}");
            let mut execution = Execution::new(uri, Correlator::new("c1"));
            execution.status(StatusCode::ACCEPTED);
            assert_eq!(execution.alert(&alert), own, "{uri} {executed}");
        }
        alert.alert_type = "t".to_owned();
        assert!(!Execution::new("./FUMO/t", Correlator::new("c1")).alert(&alert));
    }
}
