use omadm_core::StatusCode;
use omadm_objects::{ResultCode, SCOMO, ScomoBranch, ScomoOperation};
use omadm_session::{Reply, Report, request::Leaf};
use omadm_tree::{Uri, UriError};

use crate::{
    flow::{Done, Fate, Flow, Judgement, Next, Script, Stage, Write, failure, procedure},
    place::{Place, below, is_missing},
};

/// Delivers, installs, updates and removes software of a machine or a device, by SCOMO.
/// [VirMO §11.2.1, SCOMO]
///
/// 1. Of a machine read State. Read what the operation changes: what is as asked for already is left
///    alone, what is under way is waited for.
/// 2. Of a machine add `DMTree` and `DMTree/SCOMO`, unless they are there.
/// 3. Of a package delete what is delivered at its node, if that is another one, add the node, and
///    write PkgID and PkgURL or Data, and what else is known.
/// 4. Exec the operation, and wait for its end: the Status, or after 202 the alert. Each further
///    session that brings none reads what the operation changes. A package whose Data the server
///    brings is delivered without.
/// 5. Read that, and the names below `Inventory/Deployed`.
///
/// | operation | node executed | it succeeded when |
/// |---|---|---|
/// | [`deliver`](Self::deliver) | `Download/<x>/Operations/Download` | `Inventory/Delivered/<x>` is there |
/// | [`install`](Self::install) | `Download/<x>/Operations/DownloadInstall`, `…Inactive`; `Inventory/Delivered/<x>/Operations/Install`, `…Inactive` where the package is there | State of `Inventory/Delivered/<x>` is 20 |
/// | [`remove_package`](Self::remove_package) | `Inventory/Delivered/<x>/Operations/Remove` | that is gone; the components stay |
/// | [`activate`](Self::activate), [`deactivate`](Self::deactivate) | `Inventory/Deployed/<x>/Operations/…` | State of the component is 20, 10 |
/// | [`remove`](Self::remove) | `Inventory/Deployed/<x>/Operations/Remove` | that is gone |
///
/// An update is the installation of a package with another PkgID or PkgURL at the same node. The report's status is that of the Exec; 200 where
/// none was needed, and 404 where what was to be removed is not there. Its value is the State, its
/// children are the components.
///
/// ```
/// use virmo_server::{ManageSoftware, Mounts, SoftwarePackage};
///
/// let work = Mounts::default().vm("work")?;
/// let package = SoftwarePackage::at_url("mail", "com.example.mail-2", "https://apps.example/mail");
/// let install = ManageSoftware::install(work.clone(), package)?;
/// let deactivate = ManageSoftware::deactivate(work, "com.example.mail")?;
/// assert_eq!(install.components(), None);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct ManageSoftware {
    place: Place,
    root: Uri,
    package: Option<SoftwarePackage>,
    /// The package or component that is worked on.
    item: Uri,
    /// Where the State is that tells.
    at: Uri,
    /// None for a package that is only written.
    operation: Option<ScomoOperation>,
    /// The State wanted; none for what is to be gone.
    wanted: &'static [&'static str],
    /// Whether something else is delivered at the node of the package.
    stale: bool,
    phase: Phase,
    components: Option<Vec<String>>,
    flow: Flow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Look,
    Looked,
    /// So much of what has to be there before the package was seen to.
    Make(usize),
    Clear,
    Add,
    Write,
    Read,
    Report,
}

/// A package of software, as a server knows it. \[SCOMO\]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SoftwarePackage {
    node: String,
    id: String,
    source: Source,
    name: Option<String>,
    params: Option<String>,
    environment: Option<String>,
    media_type: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Source {
    Url(String),
    Data(Vec<u8>),
}

impl SoftwarePackage {
    /// The package with this PkgID that the device downloads from this PkgURL; `node` is the name
    /// of its nodes below `Download` and `Inventory/Delivered`.
    pub fn at_url(node: impl Into<String>, id: impl Into<String>, url: impl Into<String>) -> Self {
        Self::new(node.into(), id.into(), Source::Url(url.into()))
    }

    /// The package with this PkgID that the server brings itself: these octets are its Data.
    pub fn with_data(node: impl Into<String>, id: impl Into<String>, data: Vec<u8>) -> Self {
        Self::new(node.into(), id.into(), Source::Data(data))
    }

    const fn new(node: String, id: String, source: Source) -> Self {
        Self {
            node,
            id,
            source,
            name: None,
            params: None,
            environment: None,
            media_type: None,
        }
    }

    /// With this Name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With these InstallParams, which the installer is given.
    #[must_use]
    pub fn with_params(mut self, params: impl Into<String>) -> Self {
        self.params = Some(params.into());
        self
    }

    /// With this EnvType: the environment its components run in.
    #[must_use]
    pub fn for_environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// With this PkgType: its media type.
    #[must_use]
    pub fn of_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }

    fn leaves(&self, item: &Uri) -> Vec<Write> {
        let node = |name: &str| below(item, &[name]);
        let mut leaves = vec![Write::required(node("PkgID"), self.id.as_str())];
        leaves.push(match &self.source {
            Source::Url(url) => Write::required(node("PkgURL"), url.as_str()),
            Source::Data(data) => Write::optional(node("Data"), Leaf::octets(data)),
        });
        let others = [
            ("Name", &self.name),
            ("InstallParams", &self.params),
            ("EnvType", &self.environment),
            ("PkgType", &self.media_type),
        ];
        let others = others.into_iter().filter_map(|(name, text)| {
            let text = text.as_deref()?;
            Some(Write::optional(node(name), text))
        });
        // Data is last: it makes the package one that can be installed.
        leaves.splice(1..1, others);
        leaves
    }
}

impl ManageSoftware {
    /// Has the package delivered, not installed.
    ///
    /// # Errors
    ///
    /// [`UriError`] if the node of the package has no name for one.
    pub fn deliver(place: impl Into<Place>, package: SoftwarePackage) -> Result<Self, UriError> {
        let operation = match package.source {
            Source::Url(_) => Some(ScomoOperation::Download),
            Source::Data(_) => None,
        };
        Self::of_package(place.into(), package, operation, &["10", "20"])
    }

    /// Has the package delivered and installed; its components are active.
    ///
    /// # Errors
    ///
    /// [`UriError`] if the node of the package has no name for one.
    pub fn install(place: impl Into<Place>, package: SoftwarePackage) -> Result<Self, UriError> {
        let operation = match package.source {
            Source::Url(_) => ScomoOperation::DownloadInstall,
            Source::Data(_) => ScomoOperation::Install,
        };
        Self::of_package(place.into(), package, Some(operation), &["20"])
    }

    /// Leaves the components of an installation inactive.
    #[must_use]
    pub fn inactive(mut self) -> Self {
        self.operation = self.operation.map(|operation| match operation {
            ScomoOperation::DownloadInstall => ScomoOperation::DownloadInstallInactive,
            ScomoOperation::Install => ScomoOperation::InstallInactive,
            other => other,
        });
        self
    }

    /// Installs the package at this node below `Inventory/Delivered`; its components are active.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn install_delivered(place: impl Into<Place>, package: &str) -> Result<Self, UriError> {
        Self::of_item(place.into(), package, ScomoOperation::Install, &["20"])
    }

    /// Removes the package at this node below `Inventory/Delivered`; its components stay.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn remove_package(place: impl Into<Place>, package: &str) -> Result<Self, UriError> {
        Self::of_item(place.into(), package, ScomoOperation::RemovePackage, &[])
    }

    /// Activates the component at this node below `Inventory/Deployed`.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn activate(place: impl Into<Place>, component: &str) -> Result<Self, UriError> {
        Self::of_item(place.into(), component, ScomoOperation::Activate, &["20"])
    }

    /// Deactivates the component at this node below `Inventory/Deployed`.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn deactivate(place: impl Into<Place>, component: &str) -> Result<Self, UriError> {
        Self::of_item(place.into(), component, ScomoOperation::Deactivate, &["10"])
    }

    /// Removes the component at this node below `Inventory/Deployed`.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn remove(place: impl Into<Place>, component: &str) -> Result<Self, UriError> {
        Self::of_item(place.into(), component, ScomoOperation::Remove, &[])
    }

    fn of_package(
        place: Place,
        package: SoftwarePackage,
        operation: Option<ScomoOperation>,
        wanted: &'static [&'static str],
    ) -> Result<Self, UriError> {
        let root = place.object("SCOMO");
        let at = branch(&root, ScomoBranch::Delivered).child(&package.node)?;
        let item = match package.source {
            Source::Url(_) => branch(&root, ScomoBranch::Download).child(&package.node)?,
            Source::Data(_) => at.clone(),
        };
        Ok(Self::new(
            place,
            root,
            Some(package),
            [item, at],
            operation,
            wanted,
        ))
    }

    fn of_item(
        place: Place,
        name: &str,
        operation: ScomoOperation,
        wanted: &'static [&'static str],
    ) -> Result<Self, UriError> {
        let root = place.object("SCOMO");
        let item = branch(&root, operation.branch()).child(name)?;
        let at = item.clone();
        Ok(Self::new(
            place,
            root,
            None,
            [item, at],
            Some(operation),
            wanted,
        ))
    }

    fn new(
        place: Place,
        root: Uri,
        package: Option<SoftwarePackage>,
        [item, at]: [Uri; 2],
        operation: Option<ScomoOperation>,
        wanted: &'static [&'static str],
    ) -> Self {
        Self {
            place,
            root,
            package,
            item,
            at,
            operation,
            wanted,
            stale: false,
            phase: Phase::Look,
            components: None,
            flow: Flow::default(),
        }
    }

    /// The names of the components that are deployed afterwards, once they were read.
    #[must_use]
    pub fn components(&self) -> Option<&[String]> {
        self.components.as_deref()
    }

    /// The result code of the Exec, if the device told one.
    #[must_use]
    pub const fn result(&self) -> Option<ResultCode> {
        self.flow.result()
    }
}

impl ManageSoftware {
    /// What tells how far the operation is.
    fn checks(&self) -> Vec<Uri> {
        vec![below(&self.at, &["State"]), below(&self.item, &["Status"])]
    }

    fn node(&self) -> Option<Uri> {
        let name = self.operation?.name();
        Some(below(&self.item, &["Operations", name]))
    }

    /// The operation; or what follows where there is none.
    fn run(&mut self) -> Stage {
        self.phase = Phase::Read;
        match self.node() {
            Some(node) => Stage::run(node, self.checks()),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Stage {
        self.phase = Phase::Report;
        let state = below(&self.at, &["State"]);
        Stage::Read(vec![state, branch(&self.root, ScomoBranch::Deployed)])
    }

    /// What is left to do after the first look.
    fn looked(&mut self, done: Done<'_>) -> Next {
        let read = match self.place.read(done.replies) {
            Ok(read) => read,
            Err(report) => return Next::Report(report),
        };
        let [state, status, known @ ..] = read else {
            return Next::Report(Report::new(false, done.status));
        };
        let is_ours = match (&self.package, known) {
            (None, _) => true,
            (Some(package), [id, source @ ..]) => {
                let is_same = match (&package.source, source) {
                    (Source::Url(url), [at]) => !url.is_empty() && at.text() == Some(url),
                    // The octets cannot be read.
                    _ => self.flow.policy.resumed,
                };
                is_same && id.text() == Some(&package.id)
            }
            _ => false,
        };
        let judgement = self.judge_all(&[state.clone(), status.clone()], Fate::Lost);
        match judgement {
            Judgement::Reached if is_ours && self.wanted.is_empty() => {
                let code = StatusCode::NOT_FOUND;
                Next::Report(Report::success(code))
            }
            Judgement::Reached if is_ours => Next::Stage(self.read()),
            Judgement::Busy if is_ours => match self.node() {
                Some(node) => {
                    self.phase = Phase::Read;
                    let check = self.checks();
                    Next::Stage(Stage::Join { node, check })
                }
                None => self.make(0),
            },
            _ if self.package.is_none() && !state.is_success() => Next::Report(failure(state)),
            _ if self.package.is_none() => Next::Stage(self.run()),
            _ if is_ours && state.is_success() && self.item != self.at => {
                // It is delivered: what failed was the installation.
                self.item = self.at.clone();
                self.operation = self.operation.map(|operation| match operation.activates() {
                    true => ScomoOperation::Install,
                    false => ScomoOperation::InstallInactive,
                });
                Next::Stage(self.run())
            }
            _ => {
                self.stale = state.is_success();
                self.make(if status.is_success() { 2 } else { 0 })
            }
        }
    }

    /// The next of what has to be there before the package.
    fn make(&mut self, made: usize) -> Next {
        self.phase = Phase::Make(made + 1);
        let stage = match (self.place.dm_tree(), made) {
            (Some(dm_tree), 0) => Stage::Make(dm_tree, None),
            (Some(_), 1) => Stage::Try(self.root.clone(), Some(&SCOMO.moid)),
            _ => {
                self.phase = Phase::Clear;
                let stale = self.stale.then(|| Write::delete(self.at.clone()));
                Stage::Write(stale.into_iter().collect())
            }
        };
        Next::Stage(stage)
    }

    fn report(&mut self, done: Done<'_>) -> Report {
        let [state, deployed] = done.replies else {
            return Report::new(false, done.status);
        };
        let names = deployed.children();
        self.components = names.map(|names| names.into_iter().map(str::to_owned).collect());
        let is_reached = match self.wanted {
            [] => is_missing(state),
            wanted => state.text().is_some_and(|state| wanted.contains(&state)),
        };
        // Without an Exec there was none to be refused.
        let status = done.status.or(Some(StatusCode::OK));
        let mut report = Report::new(is_reached, status);
        report.value = state.text().map(str::to_owned);
        report.children.clone_from(&self.components);
        if !report.ok {
            report.detail = Some(match state.text() {
                Some(value) => format!("{}: {value}", state.uri()),
                None => state.complaint(),
            });
        }
        report
    }
}

impl Script for ManageSoftware {
    fn next(&mut self, done: Done<'_>) -> Next {
        let stage = match self.phase {
            Phase::Look => {
                self.phase = Phase::Looked;
                let mut nodes = self.place.looks();
                nodes.extend(self.checks());
                let known: &[&str] = match self.package.as_ref().map(|package| &package.source) {
                    Some(Source::Url(_)) => &["PkgID", "PkgURL"],
                    Some(Source::Data(_)) => &["PkgID"],
                    None => &[],
                };
                nodes.extend(known.iter().map(|name| below(&self.item, &[name])));
                Stage::Read(nodes)
            }
            Phase::Looked => return self.looked(done),
            Phase::Make(made) => return self.make(made),
            Phase::Clear => {
                self.phase = Phase::Add;
                Stage::Make(self.item.clone(), None)
            }
            Phase::Add => {
                self.phase = Phase::Write;
                let leaves = self
                    .package
                    .as_ref()
                    .map(|package| package.leaves(&self.item));
                Stage::Write(leaves.unwrap_or_default())
            }
            Phase::Write => self.run(),
            Phase::Read => self.read(),
            Phase::Report => return Next::Report(self.report(done)),
        };
        Next::Stage(stage)
    }

    fn judge_all(&self, checks: &[Reply], fate: Fate) -> Judgement {
        let [state, status] = checks else {
            return Judgement::Failed;
        };
        let is_reached = match self.wanted {
            [] => state.status() == Some(StatusCode::NOT_FOUND),
            wanted => state.text().is_some_and(|state| wanted.contains(&state)),
        };
        if is_reached {
            return Judgement::Reached;
        }
        let is_gone = self.package.is_none() && !state.is_success();
        // A device may be without the Status of components.
        let is_known = status.is_success() || is_missing(status);
        if is_gone || !is_known {
            return Judgement::Failed;
        }
        let progress = self
            .operation
            .map_or(0, ScomoOperation::progress)
            .to_string();
        let is_download = self.operation.map(ScomoOperation::branch) == Some(ScomoBranch::Download);
        match status.text() {
            Some(value) if value == progress => Judgement::Busy,
            Some("50") if is_download => Judgement::Busy,
            Some("10") | None => Judgement::Untouched,
            Some("40") if is_download => Judgement::Untouched,
            // It may have failed earlier.
            Some(_) if fate == Fate::Accepted => Judgement::Failed,
            Some(_) => Judgement::Untouched,
        }
    }
}

fn branch(root: &Uri, branch: ScomoBranch) -> Uri {
    let names: Vec<&str> = branch.path().split('/').collect();
    below(root, &names)
}

procedure!(ManageSoftware);
