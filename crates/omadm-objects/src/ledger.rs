//! The operations of one object that are under way, in memory and in the journal.

use std::{mem, time::Duration};

use omadm_core::{
    Correlator, Format, GenericAlert, Journal, JournalError, JournalErrorKind, Mark, Records,
    SortedMap, SortedSet, Space, StatusCode,
};
use omadm_mo::{
    Context, ExecAnswer, ExecRequest, ExecResult, Job, JobEnd, JobId, Refusal, Reporting, Work,
};
use omadm_tree::{Principal, Uri};

use crate::{
    ALERT_DCMO, ALERT_LAWMO, ALERT_SCOMO, DCMO, FUMO, Failure, FumoOperation, LAWMO, ResultCode,
    SCOMO,
};

/// One record for each Exec under way; the key is the address of the operation.
pub(crate) const SPACE: Space = Space::new("operations");

/// What the objects keep in a journal beside their downloads ([`omadm_download::RECORDS`]), for
/// [`upgrade`](omadm_core::upgrade()).
pub const RECORDS: Records = Records::new(SPACE, VERSION);

const VERSION: u8 = 1;

/// The operations of one object under way; `T` says what a job is for.
///
/// A record is there from the Exec until its end is reported. What it says is done again after a
/// restart: as no Status can follow then, the result goes into an alert. So is what has ended without
/// its end becoming durable, as soon as something else is asked for or the engine says so.
pub(crate) struct Ledger<T> {
    pub(crate) tasks: Tasks,
    whats: SortedMap<JobId, T>,
}

/// What a [`Ledger`] knows of its jobs, whatever they are for.
pub(crate) struct Tasks {
    alert_type: &'static str,
    pub(crate) reporting: Reporting,
    pub(crate) time_limit: Duration,
    /// The lane of all jobs; absent for one for each thing that is worked on.
    pub(crate) job_lane: Option<String>,
    open: SortedMap<JobId, Task>,
    /// What is to be taken up: what the last run left open, and whose end did not become durable.
    left: Vec<Report>,
    /// What the open transaction takes up of it.
    taken: Vec<Report>,
    /// What the open transaction ended, if only by its time limit.
    ended: Vec<(JobId, Report)>,
    /// What the open transaction began.
    begun: Vec<JobId>,
    /// What the open transaction told of 202.
    accepted: Vec<JobId>,
}

struct Task {
    /// What works on one thing at a time.
    lane: Uri,
    /// An Exec asked for it, so that no other may begin in its lane.
    exec: bool,
    /// What the end is to be reported for; none if nobody asked, or once it was.
    report: Option<Report>,
}

/// An Exec whose end is not reported yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Report {
    pub(crate) uri: Uri,
    correlator: Option<Correlator>,
    /// The result goes into an alert.
    by_alert: bool,
}

impl Report {
    /// That of an Exec that begins; its record becomes durable with it.
    fn of(request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> Self {
        let report = Self {
            uri: request.uri.clone(),
            correlator: request.correlator.cloned(),
            by_alert: false,
        };
        let key = report.uri.to_string();
        cx.effects.batch.put(SPACE, key, report.record());
        report
    }

    fn record(&self) -> Vec<u8> {
        let mut record = vec![VERSION];
        if let Some(correlator) = &self.correlator {
            record.push(1);
            record.extend(correlator.as_str().as_bytes());
        } else {
            record.push(0);
        }
        record
    }

    /// The report behind a record. Nobody waits any more, so there will be an alert.
    fn read(key: &[u8], record: &[u8]) -> Option<Self> {
        let correlator = match record {
            [VERSION, 0] => None,
            [VERSION, 1, text @ ..] => Some(Correlator::new(str::from_utf8(text).ok()?)),
            _ => return None,
        };
        Some(Self {
            uri: str::from_utf8(key).ok()?.parse().ok()?,
            correlator,
            by_alert: true,
        })
    }
}

impl<T: Clone> Ledger<T> {
    /// The operations below `root` that the last run left open.
    pub(crate) fn load(
        alert_type: &'static str,
        root: &Uri,
        journal: &dyn Journal,
    ) -> Result<Self, JournalError> {
        Ok(Self {
            tasks: Tasks::load(alert_type, root, journal)?,
            whats: SortedMap::new(),
        })
    }

    /// What the jobs under way are for.
    pub(crate) fn whats(&self) -> impl Iterator<Item = &T> {
        self.whats.values()
    }

    /// Begins what an Exec asks for.
    pub(crate) fn exec(
        &mut self,
        request: &ExecRequest<'_>,
        lane: &Uri,
        what: T,
        work: Work,
        cx: &mut Context<'_, '_>,
    ) -> ExecAnswer {
        let report = Report::of(request, cx);
        let job = self.begin(Some(report), lane, what, work, cx);
        ExecAnswer::Pending(job.id, self.tasks.reporting)
    }

    /// Begins what the last run left open, or what nobody waits for.
    pub(crate) fn begin<'a>(
        &mut self,
        report: Option<Report>,
        lane: &Uri,
        what: T,
        work: Work,
        cx: &'a mut Context<'_, '_>,
    ) -> &'a mut Job {
        let job = self.tasks.begin(report, lane, work, cx);
        self.whats.insert(job.id, what);
        job
    }

    /// A job ended: what it was for, and what is to be reported now. After its time limit it stays
    /// under way until it ends indeed.
    pub(crate) fn end(&mut self, job: JobId, end: &JobEnd) -> Option<(T, Option<Report>)> {
        let timed_out = matches!(end, JobEnd::TimedOut);
        let what = match timed_out {
            true => self.whats.get(&job).cloned(),
            false => self.whats.remove(&job),
        };
        Some((what?, self.tasks.end(job, timed_out)))
    }

    /// Forgets what the transaction began. A job that ended has ended all the same; its record is
    /// still there, so it is left open, or reported at its late end.
    pub(crate) fn rolled_back(&mut self) {
        for job in self.tasks.rolled_back() {
            self.whats.remove(&job);
        }
    }
}

impl Tasks {
    /// How long a job may take by default.
    const TIME_LIMIT: Duration = Duration::from_secs(600);

    fn load(
        alert_type: &'static str,
        root: &Uri,
        journal: &dyn Journal,
    ) -> Result<Self, JournalError> {
        let mut left = Vec::new();
        let mut damaged = false;
        journal.scan(SPACE, &mut |key, record| match Report::read(key, record) {
            Some(report) if report.uri.starts_with(root) => left.push(report),
            Some(_) => {}
            None => damaged = true,
        })?;
        if damaged {
            return Err(JournalError::new(JournalErrorKind::Corrupt, None));
        }
        Ok(Self {
            alert_type,
            reporting: Reporting::Synchronous,
            time_limit: Self::TIME_LIMIT,
            job_lane: None,
            open: SortedMap::new(),
            left,
            taken: Vec::new(),
            ended: Vec::new(),
            begun: Vec::new(),
            accepted: Vec::new(),
        })
    }

    /// What is to be taken up, once. What a Status has told to have failed is not: only a restart
    /// does it again.
    pub(crate) fn take_left(&mut self, cx: &mut Context<'_, '_>) -> Vec<Report> {
        let left = mem::take(&mut self.left);
        self.taken.extend(left.iter().cloned());
        let (due, answered): (Vec<_>, Vec<_>) = left.into_iter().partition(|it| it.by_alert);
        for report in answered {
            cx.effects.batch.remove(SPACE, report.uri.to_string());
        }
        due
    }

    /// Whether an operation is under way in a lane.
    pub(crate) fn is_busy(&self, lane: &Uri) -> bool {
        self.busy_lanes().any(|busy| busy == lane)
    }

    /// Where an operation is under way.
    pub(crate) fn busy_lanes(&self) -> impl Iterator<Item = &Uri> {
        let tasks = self.open.values().filter(|task| task.exec);
        tasks.map(|task| &task.lane)
    }

    /// The thing of a lane goes away: not while a server's Exec is under way there, and what is left
    /// of it is not done again.
    pub(crate) fn stage_end(
        &self,
        lane: &Uri,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if self.is_busy(lane) && matches!(by, Principal::Server(_)) {
            return Err(Refusal(StatusCode::COMMAND_NOT_ALLOWED));
        }
        let here = self.open.values().filter(|task| task.lane == *lane);
        let left = self.left.iter().filter(|it| it.uri.starts_with(lane));
        for report in here.filter_map(|task| task.report.as_ref()).chain(left) {
            cx.effects.batch.remove(SPACE, report.uri.to_string());
        }
        Ok(())
    }

    /// [`stage_end`](Self::stage_end) of the whole object.
    pub(crate) fn stage_end_of_all(
        &self,
        root: &Uri,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let lanes = self.open.values().map(|task| &task.lane);
        let lanes: SortedSet<&Uri> = lanes.chain([root]).collect();
        let mut lanes = lanes.into_iter();
        lanes.try_for_each(|lane| self.stage_end(lane, by, cx))
    }

    /// 202 is about to be sent.
    pub(crate) fn accepted(&mut self, job: JobId) {
        let task = self.open.get_mut(&job);
        if let Some(report) = task.and_then(|task| task.report.as_mut()) {
            report.by_alert = true;
            self.accepted.push(job);
        }
    }

    /// The answer to an Exec, with its alert if it was answered with 202.
    pub(crate) fn report(
        &self,
        report: Option<Report>,
        code: ResultCode,
        cx: &mut Context<'_, '_>,
    ) -> ExecResult {
        self.report_as(report, code, cx, |_| {})
    }

    /// As [`report`](Self::report), with an alert of another shape.
    pub(crate) fn report_as(
        &self,
        report: Option<Report>,
        code: ResultCode,
        cx: &mut Context<'_, '_>,
        shape: impl FnOnce(&mut GenericAlert),
    ) -> ExecResult {
        if let Some(report) = report {
            cx.effects.batch.remove(SPACE, report.uri.to_string());
            if report.by_alert {
                let mut alert = GenericAlert::new(self.alert_type, Format::Int);
                alert.source = Some(report.uri.to_string());
                alert.mark = (!code.is_success()).then_some(Mark::Warning);
                alert.correlator = report.correlator;
                alert.data = code.to_string();
                shape(&mut alert);
                cx.effects.alerts.push(alert);
            }
        }
        answer(code)
    }

    fn begin<'a>(
        &mut self,
        report: Option<Report>,
        lane: &Uri,
        work: Work,
        cx: &'a mut Context<'_, '_>,
    ) -> &'a mut Job {
        let label = report.as_ref().map_or(lane, |report| &report.uri);
        let job_lane = self.job_lane.clone();
        let job_lane = job_lane.unwrap_or_else(|| lane.to_string());
        let job = cx.effects.job(job_lane, label.to_string(), work);
        job.time_limit = Some(self.time_limit);
        self.begun.push(job.id);
        let task = Task {
            lane: lane.clone(),
            exec: report.is_some(),
            report,
        };
        self.open.insert(job.id, task);
        job
    }

    fn end(&mut self, job: JobId, timed_out: bool) -> Option<Report> {
        let report = match timed_out {
            true => self.open.get_mut(&job)?.report.take(),
            false => self.open.remove(&job)?.report,
        };
        self.ended
            .extend(report.clone().map(|report| (job, report)));
        report
    }

    pub(crate) fn committed(&mut self) {
        self.taken.clear();
        self.ended.clear();
        self.begun.clear();
        self.accepted.clear();
    }

    /// The jobs the transaction began.
    fn rolled_back(&mut self) -> Vec<JobId> {
        self.left.append(&mut self.taken);
        for (job, report) in self.ended.drain(..) {
            match self.open.get_mut(&job) {
                Some(task) => task.report = Some(report),
                None => self.left.push(report),
            }
        }
        for job in &self.begun {
            self.open.remove(job);
        }
        for job in self.accepted.drain(..) {
            let task = self.open.get_mut(&job);
            if let Some(report) = task.and_then(|task| task.report.as_mut()) {
                report.by_alert = false;
            }
        }
        mem::take(&mut self.begun)
    }
}

/// Ends what objects below a node left open in the last run, where nobody hosts them any more: as
/// failed, with its alert, as the Type of the root says. An object that comes to its place later must
/// not take it up as its own.
///
/// # Errors
/// A [`JournalError`] if the medium fails.
pub fn give_up(
    journal: &dyn Journal,
    below: &Uri,
    cx: &mut Context<'_, '_>,
) -> Result<(), JournalError> {
    let mut left = Vec::new();
    journal.scan(SPACE, &mut |key, record| {
        let report = Report::read(key, record);
        left.extend(report.filter(|it| it.uri.starts_with(below)));
    })?;
    for report in left {
        let key = report.uri.to_string();
        cx.effects.batch.remove(SPACE, &*key);
        if let Some(alert) = of_given_up(report, cx) {
            cx.effects.alerts.push(alert);
        }
    }
    Ok(())
}

/// What tells the end of an operation that was given up; nothing if its object is gone.
fn of_given_up(report: Report, cx: &Context<'_, '_>) -> Option<GenericAlert> {
    let mut above = report.uri.ancestors();
    let (root, alert_type) = above.find_map(|root| {
        let alert_type = match cx.tree.node(&root)?.node_type() {
            it if it == LAWMO.moid => ALERT_LAWMO,
            it if it == SCOMO.moid => ALERT_SCOMO,
            it if it == DCMO.moid => ALERT_DCMO,
            it if it == FUMO.moid => FumoOperation::from_name(report.uri.name()?)?.alert_type(),
            _ => return None,
        };
        Some((root, alert_type))
    })?;
    let code = ResultCode::CLIENT_ERROR;
    let (format, source, data) = match alert_type {
        ALERT_SCOMO => {
            let data = format!("<ResultCode>{code}</ResultCode>");
            (Format::Xml, report.uri, data)
        }
        ALERT_LAWMO | ALERT_DCMO => (Format::Int, report.uri, code.to_string()),
        _ => (Format::Int, root, ResultCode::FUMO_CLIENT_ERROR.to_string()),
    };
    let mut alert = GenericAlert::new(alert_type, format);
    alert.source = Some(source.to_string());
    alert.mark = Some(Mark::Warning);
    alert.correlator = report.correlator;
    alert.data = data;
    Some(alert)
}

/// The answer with a result code: 200 or 500, with the code in an Item.
pub(crate) fn answer(code: ResultCode) -> ExecResult {
    let status = match code.is_success() {
        true => StatusCode::OK,
        false => StatusCode::COMMAND_FAILED,
    };
    ExecResult {
        status,
        items: vec![code.to_string()],
    }
}

/// What a job brought back; a failure if it was lost or took too long.
pub(crate) fn outcome<O: 'static>(end: JobEnd) -> Result<O, Failure> {
    output(end).unwrap_or(Err(Failure::Failed))
}

/// What a job brought back; nothing if it was lost or took too long.
pub(crate) fn output<O: 'static>(end: JobEnd) -> Option<O> {
    match end {
        JobEnd::Finished(output) | JobEnd::Late(output) => {
            output.downcast().ok().map(|output| *output)
        }
        JobEnd::Lost | JobEnd::TimedOut => None,
    }
}

/// The work of a job that [`outcome`] and [`output`] read.
pub(crate) fn work<O: Send + 'static>(work: impl FnOnce() -> O + Send + 'static) -> Work {
    Box::new(move || Box::new(work()))
}

/// The node at a path of a table below a root; the names are known to be names.
pub(crate) fn below(root: &Uri, path: &str) -> Uri {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.fold(root.clone(), |uri, name| {
        uri.child(name).unwrap_or_else(|_| uri.clone())
    })
}

/// The text of a leaf; empty if there is none.
pub(crate) fn text(cx: &Context<'_, '_>, leaf: &Uri) -> String {
    let leaf = cx.tree.node(leaf).and_then(|leaf| leaf.text());
    leaf.unwrap_or_default().to_owned()
}

/// Whether a leaf holds `true`.
pub(crate) fn is_true(cx: &Context<'_, '_>, leaf: &Uri) -> bool {
    let value = cx.tree.node(leaf).and_then(|leaf| leaf.value());
    value.and_then(|value| value.as_bool()) == Some(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is in journals: a record of another shape has another version.
    #[test]
    fn records_of_version_1_stay_as_they_are() {
        let mut report = Report {
            uri: "./LAWMO/Operations/Wipe".parse().unwrap(),
            correlator: Some(Correlator::new("c-1")),
            by_alert: true,
        };
        assert_eq!(report.record(), b"\x01\x01c-1");
        report.correlator = None;
        assert_eq!(report.record(), b"\x01\0");
        assert_eq!(RECORDS.version(), 1);
    }

    proptest! {
        #[test]
        fn records_come_back(correlator in proptest::option::of(".*")) {
            let uri: Uri = "./LAWMO/Operations/Wipe".parse().unwrap();
            let correlator = correlator.map(Correlator::new);
            let report = Report { uri, correlator, by_alert: true };
            let record = report.record();
            prop_assert_eq!(Report::read(b"./LAWMO/Operations/Wipe", &record), Some(report));
        }

        #[test]
        fn no_bytes_are_too_strange(
            key in proptest::collection::vec(any::<u8>(), 0..20),
            record in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            if let Some(report) = Report::read(&key, &record) {
                prop_assert_eq!(report.record(), record);
            }
        }
    }

    #[test]
    fn another_version_is_damage() {
        for record in [&[][..], &[2, 0], &[1], &[1, 0, 0], &[1, 2], &[1, 1, 0xFF]] {
            assert_eq!(Report::read(b"./A", record), None, "{record:?}");
        }
    }
}
