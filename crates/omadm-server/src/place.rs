use omadm_core::{ClientEvent, GenericAlert};
use omadm_session::Report;

/// How far a device has come with its [steps](crate::Server::enqueue_step).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Place {
    /// The reports of the steps that are over, in their order. Texts longer than
    /// [`Place::LONGEST_TEXT`] are left out: a device says what it likes, and these stay.
    pub finished: Vec<Report>,
    /// Whether the step after those was begun, so that the device may have executed some of it.
    pub begun: bool,
    /// Whether that step was [in doubt](omadm_session::Procedure::is_in_doubt): what the device holds
    /// may pass for what it was to do, and not be it.
    pub in_doubt: bool,
    /// The alerts an earlier engine reported last, whose Status the device was not known to have
    /// when that engine ended. Where it was killed before anybody heard of them, they are here and
    /// nowhere else.
    pub alerts: Vec<GenericAlert>,
    /// The same of client events.
    pub events: Vec<ClientEvent>,
}

impl Place {
    /// The longest text of a report that is kept, in bytes: 4,096. The names of children count as
    /// one text, with a byte between them.
    pub const LONGEST_TEXT: usize = 4096;

    /// The step under way is over.
    pub(crate) fn finish(&mut self, report: &Report) {
        let fitting = |text: &Option<String>| {
            let text = text.as_ref();
            text.filter(|it| it.len() <= Self::LONGEST_TEXT).cloned()
        };
        let octets = |names: &&Vec<String>| names.iter().map(|name| name.len() + 1).sum::<usize>();
        let children = report.children.as_ref();
        let mut kept = Report::new(report.ok, report.status);
        kept.value = fitting(&report.value);
        kept.result = fitting(&report.result);
        kept.detail = fitting(&report.detail);
        kept.children = children
            .filter(|names| octets(names) <= Self::LONGEST_TEXT)
            .cloned();
        kept.is_timed_out = report.is_timed_out;
        self.begun = false;
        self.in_doubt = false;
        self.finished.push(kept);
    }
}

#[cfg(test)]
mod tests {
    use omadm_core::StatusCode;

    use super::*;

    fn kept(report: &Report) -> Report {
        let mut place = Place {
            begun: true,
            in_doubt: true,
            ..Place::default()
        };
        place.finish(report);
        assert!(!place.begun && !place.in_doubt);
        place.finished.remove(0)
    }

    /// What a device says does not fill the memory.
    #[test]
    fn long_texts_are_left_out() {
        for (length, stays) in [
            (Place::LONGEST_TEXT, true),
            (Place::LONGEST_TEXT + 1, false),
        ] {
            let text = "x".repeat(length);
            let mut report = Report::failure(Some(StatusCode::OK), text.clone());
            report.value = Some(text.clone());
            report.result = Some(text);
            let kept = kept(&report);
            let texts = [kept.value, kept.result, kept.detail];
            assert!(texts.iter().all(|text| text.is_some() == stays));
        }
        for (names, stays) in [
            (Place::LONGEST_TEXT, true),
            (Place::LONGEST_TEXT + 1, false),
        ] {
            let mut report = Report::success(StatusCode::OK);
            report.children = Some(vec![String::new(); names]);
            assert_eq!(kept(&report).children.is_some(), stays);
        }
    }

    #[test]
    fn all_else_stays() {
        let mut report = Report::timed_out(std::time::Duration::from_secs(7));
        report.value = Some("v".into());
        report.result = Some("r".into());
        report.children = Some(vec!["a".into()]);
        assert_eq!(kept(&report), report);
    }
}
