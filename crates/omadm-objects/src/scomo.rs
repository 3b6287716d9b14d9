mod discard;
mod ends;
mod inventory;
mod operation;
mod software;
mod table;

use std::{sync::Arc, time::Duration};

use omadm_core::{Journal, JournalError, StatusCode};
use omadm_download::{Cancel, DownloadKey};
use omadm_mo::{
    Context, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject, Mount, Refusal,
    Reporting, Work,
};
use omadm_tree::{Change, ChangeKind, Principal, TreeError, Uri, Value};

use crate::{
    Delivery, Package, ResultCode,
    ledger::{Ledger, Report, below, output, text, work},
};

pub use operation::{ScomoBranch, ScomoOperation};
pub use software::{Component, Installation, Software};
pub use table::SCOMO;

/// The type of the alert that ends an operation which was answered with 202. [SCOMO]
pub const ALERT_SCOMO: &str = "urn:oma:at:scomo:1.0:OperationComplete";

/// The Software Component Management Object.
///
/// A server adds a package below `Download` with its address, or below `Inventory/Delivered` with its
/// Data. Components are what the [`Software`] says they are.
///
/// | Exec of | Status meanwhile | when done | when it failed |
/// |---|---|---|---|
/// | Download/x: Download | 30 | 40; the package is at Delivered/x | 20 |
/// | Download/x: DownloadInstall, DownloadInstallInactive | 30, 50 | 10; the package is at Delivered/x, installed | 20, 60, or 70 if the package is no good |
/// | Delivered/x: Install, InstallInactive | 40 | 10, State 20 | 50, or 60 if the package is no good |
/// | Delivered/x: Remove | 30 | the node is gone, components stay | 20 |
/// | Deployed/x: Activate | 50 | 10, State 20 | 40 |
/// | Deployed/x: Deactivate | 70 | 10, State 10 | 60 |
/// | Deployed/x: Remove | 30 | the node is gone | 20 |
///
/// Any of them may begin in every State while nothing else is under way at the same package or
/// component; otherwise it is refused with 405, as is deleting or changing a package then. A download
/// without an address, and an installation of a package that was dropped, are refused with 412.
///
/// Downloads, and what takes longer than the engine waits, are answered with 202; [`ALERT_SCOMO`]
/// follows, from the operation, in the format `xml`: a `ResultCode` and an `Identifier` for each
/// component an installation brought, the mark `warning` for a failure, and the Correlator of the
/// Exec. Otherwise the Status is 200 or 500, with the result code in an Item.
///
/// Where the object comes and goes, a server cannot delete it while an operation is under way (405).
///
/// What was under way when the device went off goes on at the next start: a download from the last
/// byte that is safe, all else by asking the [`Software`] once more. So does, at
/// the next Exec, what has ended without its end becoming durable.
///
/// ```
/// # use omadm_objects::{Component, Installation, Package, ResultCode, Software};
/// # struct Apps;
/// # impl Software for Apps {
/// #     fn inventory(&self) -> Result<Vec<Component>, ResultCode> { Ok(Vec::new()) }
/// #     fn install(&self, _: &Package, _: &Installation) -> Result<Vec<String>, ResultCode> { Ok(Vec::new()) }
/// #     fn set_active(&self, _: &str, _: bool) -> Result<(), ResultCode> { Ok(()) }
/// #     fn remove(&self, _: &str) -> Result<(), ResultCode> { Ok(()) }
/// # }
/// use std::sync::Arc;
///
/// use omadm_core::MemoryJournal;
/// use omadm_mo::Registry;
/// use omadm_objects::Scomo;
/// use omadm_tree::Uri;
///
/// let scomo = Scomo::new(Uri::parse("./SCOMO")?, Arc::new(Apps), &MemoryJournal::new())?;
/// Registry::new().mount(Box::new(scomo))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Scomo {
    root: Uri,
    software: Arc<dyn Software>,
    delivery: Option<Delivery>,
    ledger: Ledger<Task>,
    without: Vec<&'static str>,
    max_components: usize,
    /// What ended last may know less of what is installed than what ended before.
    stale: bool,
}

/// An operation and the node of its package or component.
#[derive(Clone)]
struct Item {
    operation: ScomoOperation,
    node: Uri,
}

#[derive(Clone)]
enum Task {
    /// Nobody waits for it.
    Inventory,
    /// Nobody waits for it.
    Discard(DownloadKey),
    /// Nobody waits for it.
    DiscardOwn,
    Download(Item, Cancel),
    Install(Item),
    /// Whatever has one step and no package.
    Single(Item),
}

impl Task {
    /// Whether its end tells what is installed.
    const fn brings_stock(&self) -> bool {
        matches!(self, Self::Inventory | Self::Install(_) | Self::Single(_))
    }
}

/// What came of a step, and what is installed since.
type Done = (Result<Vec<String>, ResultCode>, Option<Vec<Component>>);

impl Scomo {
    /// How many components the tree shows at most, by default.
    pub const MAX_COMPONENTS: usize = 512;

    /// The object at a place, usually `./SCOMO`; reads from the journal what the last run left open.
    ///
    /// # Errors
    /// The [`JournalError`]
    pub fn new(
        root: Uri,
        software: Arc<dyn Software>,
        journal: &dyn Journal,
    ) -> Result<Self, JournalError> {
        let mut ledger = Ledger::load(ALERT_SCOMO, &root, journal)?;
        ledger.tasks.time_limit = Duration::from_secs(6 * 3600);
        Ok(Self {
            root,
            software,
            delivery: None,
            ledger,
            without: Vec::new(),
            max_components: Self::MAX_COMPONENTS,
            stale: false,
        })
    }

    /// Has the device download packages. Without it [`Software::download`] does.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = Some(delivery);
        self
    }

    /// Leaves out an optional node of [`SCOMO`] and what is below it.
    #[must_use]
    pub fn without(mut self, path: &'static str) -> Self {
        self.without.push(path);
        self
    }

    /// How operations other than downloads are reported. Default: [`Reporting::Synchronous`].
    #[must_use]
    pub const fn reporting(mut self, reporting: Reporting) -> Self {
        self.ledger.tasks.reporting = reporting;
        self
    }

    /// How long a step may take until it counts as failed. Default: 6 hours.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.ledger.tasks.time_limit = limit;
        self
    }

    /// How many components the tree shows at most; the rest is left out. Default:
    /// [`MAX_COMPONENTS`](Self::MAX_COMPONENTS).
    #[must_use]
    pub const fn max_components(mut self, limit: usize) -> Self {
        self.max_components = limit;
        self
    }

    fn branch(&self, branch: ScomoBranch) -> Uri {
        below(&self.root, branch.path())
    }

    /// The operation of a node; none if it is no operation.
    fn operation(&self, uri: &Uri) -> Option<Item> {
        let node = uri.parent()?.parent()?;
        let branch = self.branch_of(&node)?;
        let operation = ScomoOperation::from_name(branch, uri.name()?)?;
        let is_operation = below(&node, "Operations").child(operation.name());
        let item = Item { operation, node };
        is_operation.is_ok_and(|at| at == *uri).then_some(item)
    }

    /// The branch of the node of a package or a component.
    fn branch_of(&self, node: &Uri) -> Option<ScomoBranch> {
        let parent = node.parent()?;
        [
            ScomoBranch::Download,
            ScomoBranch::Delivered,
            ScomoBranch::Deployed,
        ]
        .into_iter()
        .find(|branch| self.branch(*branch) == parent)
    }

    /// Where a package is once it is delivered; a component is where it is. Also what one operation
    /// at a time works on.
    fn place(&self, node: &Uri) -> Uri {
        match (self.branch_of(node), node.name()) {
            (Some(ScomoBranch::Download), Some(name)) => {
                let delivered = self.branch(ScomoBranch::Delivered).child(name);
                delivered.unwrap_or_else(|_| node.clone())
            }
            _ => node.clone(),
        }
    }

    /// Writes a leaf of a node that is there, as far as the device has it.
    fn set(
        &self,
        node: &Uri,
        leaf: &str,
        value: Value,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), TreeError> {
        let at = below(node, leaf);
        let present = cx.tree.node(&at).map(|leaf| leaf.value());
        if cx.tree.node(node).is_none()
            || cx.schema.row(&at).is_none()
            || present == Some(Some(value.clone()))
        {
            return Ok(());
        }
        cx.tree.set(cx.schema, &at, value)
    }

    fn status(&self, node: &Uri, status: i32, cx: &mut Context<'_, '_>) -> Result<(), TreeError> {
        self.set(node, "Status", Value::int(status), cx)
    }

    /// What an operation begins with.
    fn first(&self, item: &Item, cx: &Context<'_, '_>) -> (Task, Work) {
        match item.operation {
            ScomoOperation::Download
            | ScomoOperation::DownloadInstall
            | ScomoOperation::DownloadInstallInactive => self.download(item, cx),
            ScomoOperation::Install | ScomoOperation::InstallInactive => self.install(item, cx),
            ScomoOperation::RemovePackage
            | ScomoOperation::Activate
            | ScomoOperation::Deactivate
            | ScomoOperation::Remove => self.single(item, cx),
        }
    }

    fn download(&self, item: &Item, cx: &Context<'_, '_>) -> (Task, Work) {
        let (software, delivery) = (Arc::clone(&self.software), self.delivery.clone());
        let url = text(cx, &below(&item.node, "PkgURL"));
        let id = text(cx, &below(&item.node, "PkgID"));
        let place = self.place(&item.node);
        let cancel = Cancel::new();
        let task = Task::Download(item.clone(), cancel.clone());
        let work = work(move || match delivery {
            Some(delivery) => delivery
                .run(&place, &url, &cancel)
                .map_err(|fault| fault.scomo()),
            None => software.download(&id, &url, &cancel),
        });
        (task, work)
    }

    fn install(&self, item: &Item, cx: &Context<'_, '_>) -> (Task, Work) {
        let (software, delivery) = (Arc::clone(&self.software), self.delivery.clone());
        let place = self.place(&item.node);
        let data = cx.tree.node(&below(&place, "Data"));
        let data = data.and_then(|data| data.octets());
        let data = data.filter(|octets| !octets.is_empty()).map(<[u8]>::to_vec);
        let said = |leaf: &str| text(cx, &below(&place, leaf));
        let how = Installation {
            package_id: said("PkgID"),
            name: said("Name"),
            params: said("InstallParams"),
            environment: said("EnvType"),
            media_type: said("PkgType"),
            active: item.operation.activates(),
        };
        let work = work(move || -> Done {
            let package = match (data, delivery) {
                (Some(data), _) => Ok(Package::Data(data)),
                (None, None) => Ok(Package::Own),
                (None, Some(delivery)) => delivery
                    .location(&place)
                    .map(Package::File)
                    .ok_or(ResultCode::SCOMO_INSTALL_FAILED),
            };
            let result = package.and_then(|package| software.install(&package, &how));
            (result, software.inventory().ok())
        });
        (Task::Install(item.clone()), work)
    }

    fn single(&self, item: &Item, cx: &Context<'_, '_>) -> (Task, Work) {
        let software = Arc::clone(&self.software);
        let operation = item.operation;
        let removes_package = operation == ScomoOperation::RemovePackage;
        let is_own = self.delivery.is_none();
        let leaf = if removes_package { "PkgID" } else { "ID" };
        let id = text(cx, &below(&item.node, leaf));
        let work = work(move || -> Done {
            let result = match operation {
                ScomoOperation::RemovePackage if is_own => software.discard(&id),
                ScomoOperation::RemovePackage => Ok(()),
                ScomoOperation::Remove => software.remove(&id),
                _ => software.set_active(&id, operation.activates()),
            };
            let ids = if removes_package {
                Vec::new()
            } else {
                vec![id]
            };
            (result.map(|()| ids), software.inventory().ok())
        });
        (Task::Single(item.clone()), work)
    }

    /// Goes on with what was left open.
    fn take_up(&mut self, cx: &mut Context<'_, '_>) {
        for report in self.ledger.tasks.take_left(cx) {
            self.resume(report, cx);
        }
    }

    fn resume(&mut self, report: Report, cx: &mut Context<'_, '_>) {
        let item = self.operation(&report.uri);
        let begun = item.as_ref().and_then(|item| {
            let status = text(cx, &below(&item.node, "Status"));
            // A device may be without the Status of components.
            let status = status.parse().unwrap_or(item.operation.progress());
            match (item.operation.branch(), status) {
                (ScomoBranch::Download, 50) => Some(self.install(item, cx)),
                (_, status) if status == item.operation.progress() => Some(self.first(item, cx)),
                _ => None,
            }
        });
        match (item, begun) {
            (Some(item), Some((task, work))) => {
                let place = self.place(&item.node);
                self.ledger.begin(Some(report), &place, task, work, cx);
            }
            _ => {
                self.tell(Some(report), ResultCode::CLIENT_ERROR, &[], cx);
            }
        }
    }
}

impl ManagementObject for Scomo {
    fn mounts(&self) -> Vec<Mount> {
        let mount = Mount::new(self.root.clone(), &SCOMO);
        let without = self.without.iter();
        vec![without.fold(mount, |mount, path| mount.without(path))]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.take_stock(cx).before_sessions = true;
        self.take_up(cx);
        self.discard_orphans(cx);
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if cx.tree.node(&self.root).is_none() {
            return match change.uri == self.root {
                true => self.ledger.tasks.stage_end_of_all(&self.root, by, cx),
                false => Ok(()),
            };
        }
        if matches!(change.kind, ChangeKind::PropertyChanged(_)) {
            return Ok(());
        }
        let mut ancestors = std::iter::once(change.uri.clone()).chain(change.uri.ancestors());
        let package = ancestors.find(|uri| {
            matches!(
                self.branch_of(uri),
                Some(ScomoBranch::Download | ScomoBranch::Delivered)
            )
        });
        let Some(package) = package else {
            return Ok(());
        };
        let place = self.place(&package);
        if self.ledger.tasks.is_busy(&place) {
            return Err(Refusal(StatusCode::COMMAND_NOT_ALLOWED));
        }
        if let ChangeKind::Deleted { before: Some(id) } = &change.kind
            && change.uri == below(&place, "PkgID")
        {
            let id = id.text().unwrap_or_default().to_owned();
            self.discard_own(&place, id, cx);
        }
        let came = matches!(change.kind, ChangeKind::Added | ChangeKind::Replaced { .. });
        let went = matches!(change.kind, ChangeKind::Deleted { .. });
        if went && change.uri == package && (package == place || cx.tree.node(&place).is_none()) {
            self.discard(&place, cx);
        }
        if came && change.uri == below(&place, "Data") {
            self.discard(&place, cx);
            self.set(&place, "State", Value::int(10), cx)?;
            self.status(&place, 10, cx)?;
        }
        Ok(())
    }

    fn committed(&mut self) {
        self.ledger.tasks.committed();
    }

    fn rolled_back(&mut self) {
        self.stale = true;
        self.ledger.rolled_back();
    }

    fn resume(&mut self, cx: &mut Context<'_, '_>) {
        self.take_up(cx);
    }

    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        self.take_up(cx);
        let item = self.operation(request.uri);
        let place = item.as_ref().map(|item| self.place(&item.node));
        let (Some(item), Some(place)) = (item, place) else {
            return StatusCode::COMMAND_NOT_ALLOWED.into();
        };
        if self.ledger.tasks.is_busy(&place) {
            return StatusCode::COMMAND_NOT_ALLOWED.into();
        }
        let before = text(cx, &below(&item.node, "Status"));
        let downloads = item.operation.branch() == ScomoBranch::Download;
        let installs = matches!(
            item.operation,
            ScomoOperation::Install | ScomoOperation::InstallInactive
        );
        if downloads && text(cx, &below(&item.node, "PkgURL")).is_empty()
            || installs && before == "60"
        {
            return StatusCode::INCOMPLETE_COMMAND.into();
        }
        let (task, work) = self.first(&item, cx);
        if let Err(error) = self.status(&item.node, item.operation.progress(), cx) {
            return error.status().into();
        }
        // Only what did not come whole is worth going on with: what did may be out of date.
        if downloads && before != "20" {
            Delivery::forget(&Delivery::key(&place), &mut cx.effects.batch);
        }
        match self.ledger.exec(request, &place, task, work, cx) {
            ExecAnswer::Pending(job, _) if downloads => {
                ExecAnswer::Pending(job, Reporting::Asynchronous)
            }
            answer => answer,
        }
    }

    fn accepted(&mut self, job: JobId, _: &mut Context<'_, '_>) {
        self.ledger.tasks.accepted(job);
    }

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        let timed_out = matches!(end, JobEnd::TimedOut);
        let Some((task, report)) = self.ledger.end(job, &end) else {
            return StatusCode::COMMAND_FAILED.into();
        };
        let brings_stock = task.brings_stock();
        let settled = match task {
            Task::Inventory => {
                let components: Option<Result<Vec<Component>, ResultCode>> = output(end);
                self.show(components.and_then(Result::ok), cx);
                Ok(StatusCode::OK.into())
            }
            Task::Discard(key) => {
                let mut busy = self.ledger.tasks.busy_lanes();
                if output(end) == Some(true) && !busy.any(|place| Delivery::key(place) == key) {
                    Delivery::forget(&key, &mut cx.effects.batch);
                }
                Ok(StatusCode::OK.into())
            }
            Task::DiscardOwn => Ok(StatusCode::OK.into()),
            Task::Download(item, cancel) => {
                if timed_out {
                    cancel.cancel();
                }
                self.downloaded(&item, end, report, cx)
            }
            Task::Install(item) => self.installed(&item, end, report, cx),
            Task::Single(item) => self.ended(&item, end, report, cx),
        };
        if brings_stock {
            self.take_stock_again(cx);
        }
        settled.unwrap_or_else(|error| error.status().into())
    }
}
