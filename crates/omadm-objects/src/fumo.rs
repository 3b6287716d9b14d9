mod state;
mod table;

use std::{sync::Arc, time::Duration};

use omadm_core::{Journal, JournalError, StatusCode};
use omadm_download::Cancel;
use omadm_mo::{
    Context, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject, Mount, Refusal,
    Reporting, Work,
};
use omadm_tree::{Change, ChangeKind, Principal, TreeError, Uri, Value};

use crate::{
    Delivery, ResultCode,
    ledger::{Ledger, Report, below, output, text, work},
};

pub use state::{FumoOperation, FumoState};
pub use table::FUMO;

/// The type of the alert by which a device asks for an update by itself. [FUMO]
pub const ALERT_FUMO_DEVICE: &str = "org.openmobilealliance.dm.firmwareupdate.devicerequest";

/// The type of the alert by which a user asks for an update. [FUMO]
pub const ALERT_FUMO_USER: &str = "org.openmobilealliance.dm.firmwareupdate.userrequest";

/// What FUMO drives: the firmware of a device or a VM.
///
/// ```
/// use omadm_objects::{Firmware, Package, ResultCode, Updated};
///
/// struct Bootloader;
///
/// impl Firmware for Bootloader {
///     fn update(&self, package: &Package) -> Result<Updated, ResultCode> {
///         match package {
///             Package::File(path) => println!("write {path} into the other slot"),
///             Package::Data(octets) if octets.is_empty() => return Err(ResultCode::FUMO_CORRUPTED),
///             Package::Data(octets) => println!("write {} octets", octets.len()),
///             Package::Own => return Err(ResultCode::FUMO_NOT_IMPLEMENTED),
///         }
///         Ok(Updated::Done)
///     }
/// }
/// ```
pub trait Firmware: Send + Sync {
    /// Updates with a package. May block, and may be called again with the same package: what a
    /// restart interrupted is asked for once more. An update that ends by a restart says then that
    /// it is done.
    ///
    /// # Errors
    /// A result code of FUMO; the firmware is as before then. After
    /// [402](ResultCode::FUMO_CORRUPTED), [403](ResultCode::FUMO_MISMATCH),
    /// [404](ResultCode::FUMO_INVALID) and [405](ResultCode::FUMO_NOT_ACCEPTABLE) the package is
    /// dropped; after any other, Update may be executed again.
    fn update(&self, package: &Package) -> Result<Updated, ResultCode>;

    /// Downloads a package, for a [`Fumo`] without a [`Delivery`]; it is [`Package::Own`] then, and
    /// takes the place of the one before. May block until `cancel` is thrown, and may be called
    /// again with the same address. Answers 408 by default.
    ///
    /// # Errors
    /// A result code of FUMO
    fn download(&self, url: &str, cancel: &Cancel) -> Result<(), ResultCode> {
        let _ = (url, cancel);
        Err(ResultCode::FUMO_NOT_IMPLEMENTED)
    }
}

/// Where the package of an update is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Package {
    /// In a file that the device downloaded; see [`Sink::location`](omadm_download::Sink::location).
    File(String),
    /// It came over DM, in `PkgData`.
    Data(Vec<u8>),
    /// Where [`Firmware::download`] has put it.
    Own,
}

/// What became of the package of an update that is done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Updated {
    /// It is of no more use and is deleted: State 100.
    Done,
    /// It has to be kept: State 90.
    KeepPackage,
}

/// The Firmware Update Management Object: one package, at any place of the tree.
///
/// | Exec of | in State | State meanwhile | State when done | when it failed |
/// |---|---|---|---|---|
/// | Download | any but 30, 60 | 30 | 40 | 20 |
/// | Update | 40, 50, 70 | 60 | 100, or 90 if the package is kept | 70, or 80 if the package is no good |
/// | DownloadAndUpdate | any but 30, 60 | 30, 60 | as Update | 20, 70, 80 |
///
/// In any other State, and while one is under way, an operation is refused with 405; a download
/// without an address with 412. Replace of PkgData leads to State 50; with an empty value it deletes
/// the package, which turns 40 and 50 to 10, 70 to 80 and 90 to 100. Neither PkgData nor a PkgURL can
/// be written while an operation is under way (405). A package that comes takes the place of the one
/// before.
///
/// The Status is 202. The alert that follows has the type
/// [of the operation](FumoOperation::alert_type), this object as its source, a result code of FUMO
/// as an `int`, the Correlator of the Exec, and the mark `warning` for a failure.
///
/// Where the object comes and goes, a server cannot delete it while an operation is under way (405).
///
/// What was under way when the device went off goes on at the next start: a download from the last
/// byte that is safe, an update by asking [`Firmware::update`] once more. So does, at
/// the next Exec, what has ended without its end becoming durable.
///
/// A package over DM is limited by what a value of the tree may hold, one that is downloaded by
/// [`Policy::max_bytes`](omadm_download::Policy::max_bytes) and the room of the sink.
///
/// ```
/// # use omadm_objects::{Firmware, Package, ResultCode, Updated};
/// # struct Bootloader;
/// # impl Firmware for Bootloader {
/// #     fn update(&self, _: &Package) -> Result<Updated, ResultCode> { Ok(Updated::Done) }
/// # }
/// use std::sync::Arc;
///
/// use omadm_core::MemoryJournal;
/// use omadm_mo::Registry;
/// use omadm_objects::Fumo;
/// use omadm_tree::Uri;
///
/// let fumo = Fumo::new(Uri::parse("./FUMO")?, Arc::new(Bootloader), &MemoryJournal::new())?;
/// // Packages come over DM alone.
/// let fumo = fumo.without("Download").without("DownloadAndUpdate");
/// Registry::new().mount(Box::new(fumo))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Fumo {
    root: Uri,
    firmware: Arc<dyn Firmware>,
    delivery: Option<Delivery>,
    ledger: Ledger<Task>,
    without: Vec<&'static str>,
}

#[derive(Clone)]
enum Task {
    Download(FumoOperation, Cancel),
    Update(FumoOperation),
    /// Nobody waits for it.
    Discard,
}

impl Fumo {
    /// The object at a place, for one `./FUMO`; reads from the journal what the last run left open.
    ///
    /// # Errors
    /// The [`JournalError`]
    pub fn new(
        root: Uri,
        firmware: Arc<dyn Firmware>,
        journal: &dyn Journal,
    ) -> Result<Self, JournalError> {
        let mut ledger = Ledger::load(FumoOperation::Update.alert_type(), &root, journal)?;
        ledger.tasks.reporting = Reporting::Asynchronous;
        ledger.tasks.time_limit = Duration::from_secs(6 * 3600);
        Ok(Self {
            root,
            firmware,
            delivery: None,
            ledger,
            without: Vec::new(),
        })
    }

    /// Has the device download packages. Without it [`Firmware::download`] does.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = Some(delivery);
        self
    }

    /// Leaves out an optional node of [`FUMO`] and what is below it, as `Download`.
    #[must_use]
    pub fn without(mut self, path: &'static str) -> Self {
        self.without.push(path);
        self
    }

    /// How long a download or an update may take until it counts as failed. Default: 6 hours.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.ledger.tasks.time_limit = limit;
        self
    }

    fn below(&self, path: &str) -> Uri {
        below(&self.root, path)
    }

    fn state(&self, cx: &Context<'_, '_>) -> FumoState {
        let value = text(cx, &self.below("State")).parse().ok();
        value
            .and_then(FumoState::from_value)
            .unwrap_or(FumoState::Idle)
    }

    fn set_state(&self, state: FumoState, cx: &mut Context<'_, '_>) -> Result<(), TreeError> {
        let value = Value::int(state.value().into());
        cx.tree.set(cx.schema, &self.below("State"), value)
    }

    /// The operation of a node; none if it is no operation.
    fn operation(&self, uri: &Uri) -> Option<FumoOperation> {
        let operation = FumoOperation::from_name(uri.name()?)?;
        (self.below(operation.name()) == *uri).then_some(operation)
    }

    fn url(&self, operation: FumoOperation, cx: &Context<'_, '_>) -> String {
        text(cx, &below(&self.below(operation.name()), "PkgURL"))
    }

    /// The package that came over DM.
    fn data(&self, cx: &Context<'_, '_>) -> Option<Vec<u8>> {
        let data = cx.tree.node(&self.below("Update/PkgData"))?;
        let octets = data.octets()?;
        (!octets.is_empty()).then(|| octets.to_vec())
    }

    /// What an operation begins with, and the state meanwhile.
    fn first(&self, operation: FumoOperation, cx: &Context<'_, '_>) -> (Task, Work, FumoState) {
        match operation {
            FumoOperation::Download | FumoOperation::DownloadAndUpdate => {
                let (task, work) = self.download(operation, cx);
                (task, work, FumoState::DownloadProgressing)
            }
            FumoOperation::Update => {
                let (task, work) = self.update(operation, cx);
                (task, work, FumoState::UpdateProgressing)
            }
        }
    }

    fn download(&self, operation: FumoOperation, cx: &Context<'_, '_>) -> (Task, Work) {
        let (firmware, delivery) = (Arc::clone(&self.firmware), self.delivery.clone());
        let (root, url) = (self.root.clone(), self.url(operation, cx));
        let cancel = Cancel::new();
        let task = Task::Download(operation, cancel.clone());
        let work = work(move || match delivery {
            Some(delivery) => delivery
                .run(&root, &url, &cancel)
                .map_err(|fault| fault.fumo()),
            None => firmware.download(&url, &cancel),
        });
        (task, work)
    }

    fn update(&self, operation: FumoOperation, cx: &Context<'_, '_>) -> (Task, Work) {
        let (firmware, delivery) = (Arc::clone(&self.firmware), self.delivery.clone());
        let (root, data) = (self.root.clone(), self.data(cx));
        let work = work(move || {
            let package = match (data, delivery) {
                (Some(data), _) => Package::Data(data),
                (None, None) => Package::Own,
                (None, Some(delivery)) => delivery
                    .location(&root)
                    .map(Package::File)
                    .ok_or(ResultCode::FUMO_CORRUPTED)?,
            };
            firmware.update(&package)
        });
        (Task::Update(operation), work)
    }

    /// Drops the package; its file once that is durable.
    fn drop_package(&mut self, cx: &mut Context<'_, '_>) -> Result<(), TreeError> {
        if self.data(cx).is_some() {
            let data = self.below("Update/PkgData");
            cx.tree.set(cx.schema, &data, Value::bin([]))?;
        }
        self.discard(cx);
        Ok(())
    }

    fn discard(&mut self, cx: &mut Context<'_, '_>) {
        let root = self.root.clone();
        if let Some(delivery) = self
            .delivery
            .clone()
            .filter(|delivery| delivery.knows(&root))
        {
            let work = work(move || delivery.discard(&Delivery::key(&root)));
            self.ledger.begin(None, &self.root, Task::Discard, work, cx);
        }
    }

    /// A package came or was taken away over DM.
    fn replaced(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let state = match self.data(cx) {
            Some(_) => FumoState::ReadyToUpdate,
            None => self.state(cx).without_package(),
        };
        self.discard(cx);
        Ok(self.set_state(state, cx)?)
    }

    /// Goes on with what was left open.
    fn take_up(&mut self, cx: &mut Context<'_, '_>) {
        for report in self.ledger.tasks.take_left(cx) {
            self.resume(report, cx);
        }
    }

    fn resume(&mut self, report: Report, cx: &mut Context<'_, '_>) {
        let begun = match (self.operation(&report.uri), self.state(cx)) {
            (Some(operation), FumoState::DownloadProgressing) => Some(self.download(operation, cx)),
            (Some(operation), FumoState::UpdateProgressing) => Some(self.update(operation, cx)),
            _ => None,
        };
        match begun {
            Some((task, work)) => {
                self.ledger.begin(Some(report), &self.root, task, work, cx);
            }
            None => {
                self.tell(
                    FumoOperation::Update,
                    Some(report),
                    ResultCode::FUMO_CLIENT_ERROR,
                    cx,
                );
            }
        }
    }

    fn tell(
        &self,
        operation: FumoOperation,
        report: Option<Report>,
        code: ResultCode,
        cx: &mut Context<'_, '_>,
    ) -> ExecResult {
        let source = self.root.to_string();
        self.ledger.tasks.report_as(report, code, cx, |alert| {
            alert.alert_type = operation.alert_type().to_owned();
            alert.source = Some(source);
        })
    }

    /// Writes what came of a download, and goes on if there is more to do.
    fn downloaded(
        &mut self,
        operation: FumoOperation,
        end: JobEnd,
        report: Option<Report>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecResult, TreeError> {
        let timed_out = matches!(end, JobEnd::TimedOut);
        let result: Option<Result<(), ResultCode>> = output(end);
        let result = result.unwrap_or(Err(match timed_out {
            true => ResultCode::FUMO_TIMED_OUT,
            false => ResultCode::FUMO_UNDEFINED,
        }));
        if let Err(code) = result {
            self.set_state(FumoState::DownloadFailed, cx)?;
            return Ok(self.tell(operation, report, failure(code), cx));
        }
        if let (FumoOperation::DownloadAndUpdate, Some(report)) = (operation, &report) {
            self.set_state(FumoState::UpdateProgressing, cx)?;
            let (task, work) = self.update(operation, cx);
            self.ledger
                .begin(Some(report.clone()), &self.root, task, work, cx);
            return Ok(StatusCode::ACCEPTED.into());
        }
        self.set_state(FumoState::DownloadComplete, cx)?;
        Ok(self.tell(operation, report, ResultCode::FUMO_SUCCESS, cx))
    }

    /// Writes what came of an update.
    fn updated(
        &mut self,
        operation: FumoOperation,
        end: JobEnd,
        report: Option<Report>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecResult, TreeError> {
        let result: Option<Result<Updated, ResultCode>> = output(end);
        let (code, state) = match result.unwrap_or(Err(ResultCode::FUMO_UNDEFINED)) {
            Ok(Updated::KeepPackage) => (
                ResultCode::FUMO_SUCCESS,
                FumoState::UpdateSuccessfulHaveData,
            ),
            Ok(Updated::Done) => (ResultCode::FUMO_SUCCESS, FumoState::UpdateSuccessfulNoData),
            Err(
                code @ (ResultCode::FUMO_CORRUPTED
                | ResultCode::FUMO_MISMATCH
                | ResultCode::FUMO_INVALID
                | ResultCode::FUMO_NOT_ACCEPTABLE),
            ) => (code, FumoState::UpdateFailedNoData),
            Err(code) => (failure(code), FumoState::UpdateFailedHaveData),
        };
        self.set_state(state, cx)?;
        if !state.has_package() {
            self.drop_package(cx)?;
        }
        Ok(self.tell(operation, report, code, cx))
    }
}

/// A code that says of a failure that it is one.
const fn failure(code: ResultCode) -> ResultCode {
    match code.is_success() {
        true => ResultCode::FUMO_UNDEFINED,
        false => code,
    }
}

impl ManagementObject for Fumo {
    fn mounts(&self) -> Vec<Mount> {
        let mount = Mount::new(self.root.clone(), &FUMO);
        let without = self.without.iter();
        vec![without.fold(mount, |mount, path| mount.without(path))]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.take_up(cx);
        if !self.state(cx).has_package() {
            self.discard(cx);
        }
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if matches!(change.kind, ChangeKind::Deleted { .. }) && change.uri == self.root {
            return self.ledger.tasks.stage_end_of_all(&self.root, by, cx);
        }
        if !matches!(change.kind, ChangeKind::Replaced { .. }) {
            return Ok(());
        }
        let is_data = change.uri == self.below("Update/PkgData");
        let matters = is_data || change.uri.name() == Some("PkgURL");
        if matters && self.ledger.tasks.is_busy(&self.root) {
            return Err(Refusal(StatusCode::COMMAND_NOT_ALLOWED));
        }
        match is_data {
            true => self.replaced(cx),
            false => Ok(()),
        }
    }

    fn committed(&mut self) {
        self.ledger.tasks.committed();
    }

    fn rolled_back(&mut self) {
        self.ledger.rolled_back();
    }

    fn resume(&mut self, cx: &mut Context<'_, '_>) {
        self.take_up(cx);
    }

    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        self.take_up(cx);
        let before = self.state(cx);
        let operation = self.operation(request.uri);
        let allowed = operation.filter(|operation| before.accepts(*operation));
        let Some(operation) = allowed.filter(|_| !self.ledger.tasks.is_busy(&self.root)) else {
            return StatusCode::COMMAND_NOT_ALLOWED.into();
        };
        let downloads = operation != FumoOperation::Update;
        if downloads && self.url(operation, cx).is_empty() {
            return StatusCode::INCOMPLETE_COMMAND.into();
        }
        let (task, work, state) = self.first(operation, cx);
        let kept = match downloads && self.data(cx).is_some() {
            true => {
                let data = self.below("Update/PkgData");
                cx.tree.set(cx.schema, &data, Value::bin([]))
            }
            false => Ok(()),
        };
        if let Err(error) = kept.and_then(|()| self.set_state(state, cx)) {
            return error.status().into();
        }
        // Only what did not come whole is worth going on with: what did may be out of date.
        if downloads && before != FumoState::DownloadFailed {
            Delivery::forget(&Delivery::key(&self.root), &mut cx.effects.batch);
        }
        self.ledger.exec(request, &self.root, task, work, cx)
    }

    fn accepted(&mut self, job: JobId, _: &mut Context<'_, '_>) {
        self.ledger.tasks.accepted(job);
    }

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        let timed_out = matches!(end, JobEnd::TimedOut);
        let Some((task, report)) = self.ledger.end(job, &end) else {
            return StatusCode::COMMAND_FAILED.into();
        };
        let settled = match task {
            Task::Download(operation, cancel) => {
                if timed_out {
                    cancel.cancel();
                }
                self.downloaded(operation, end, report, cx)
            }
            Task::Update(operation) => self.updated(operation, end, report, cx),
            Task::Discard => {
                if output(end) == Some(true) && !self.ledger.tasks.is_busy(&self.root) {
                    Delivery::forget(&Delivery::key(&self.root), &mut cx.effects.batch);
                }
                Ok(StatusCode::OK.into())
            }
        };
        settled.unwrap_or_else(|error| error.status().into())
    }
}
