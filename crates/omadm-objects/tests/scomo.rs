//! SCOMO on a device: every operation in every state, packages by both ways, restarts amid every
//! step, alerts, refusals.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

#[path = "tools/exec.rs"]
mod exec;
#[path = "tools/web.rs"]
mod web;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use omadm_client::Input;
use omadm_core::{Correlator, Format, GenericAlert, Mark, Space};
use omadm_download::{Cancel, DownloadKey, FetchErrorKind, Sink};
use omadm_mo::{JobEnd, Reporting};
use omadm_objects::{
    ALERT_SCOMO, Component, Installation, Package, ResultCode, Scomo, ScomoBranch, ScomoOperation,
    Software,
};
use omadm_session::request::{self, Leaf};
use omadm_syncml::Command;
use omadm_testkit::{Bench, TestJournal, again_over_wbxml, device, from_wire, uri};
use proptest::prelude::*;

use exec::{alerts, outcome};
use web::Web;

const SPACE: Space = Space::new("operations");
const URL: &str = "http://sw.example/1.pkg";
const X: &str = "./SCOMO/Download/x";
const DELIVERED: &str = "./SCOMO/Inventory/Delivered/x";
const DEPLOYED: &str = "./SCOMO/Inventory/Deployed/app";

/// Software that notes what it is asked for, and does what it is told to. A package brings `app`.
#[derive(Clone)]
struct Apps(Arc<Mutex<Inner>>);

struct Inner {
    calls: Vec<String>,
    next: Result<(), ResultCode>,
    installed: BTreeMap<String, bool>,
    web: Web,
}

impl Apps {
    fn takes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    fn will(&self, next: Result<(), u16>) {
        self.0.lock().unwrap().next = next.map_err(ResultCode::from);
    }
}

impl Software for Apps {
    fn inventory(&self) -> Result<Vec<Component>, ResultCode> {
        let inner = self.0.lock().unwrap();
        let component = |(node, active): (&String, &bool)| {
            let mut component = Component::new(node, format!("com.<{node}>"));
            component.package_id = "pkg-1".to_owned();
            component.name = format!("The {node}");
            component.version = "2.1".to_owned();
            component.active = *active;
            component
        };
        Ok(inner.installed.iter().map(component).collect())
    }

    fn install(&self, package: &Package, how: &Installation) -> Result<Vec<String>, ResultCode> {
        let mut inner = self.0.lock().unwrap();
        let package = match package {
            Package::File(location) => {
                let key: DownloadKey = location.strip_prefix("memory:").unwrap().parse().unwrap();
                let sink = Arc::clone(&inner.web.sink.lock().unwrap());
                String::from_utf8(sink.contents(&key).unwrap()).unwrap()
            }
            Package::Data(octets) => String::from_utf8(octets.clone()).unwrap(),
            Package::Own => format!("own {}", how.package_id),
        };
        let call = format!(
            "install {package} with {:?}, active: {}",
            how.params, how.active
        );
        inner.calls.push(call);
        inner.next?;
        inner.installed.insert("app".to_owned(), how.active);
        Ok(vec!["com.<app>".to_owned()])
    }

    fn set_active(&self, component: &str, active: bool) -> Result<(), ResultCode> {
        let mut inner = self.0.lock().unwrap();
        inner.calls.push(format!("{component} active: {active}"));
        inner.next?;
        inner.installed.insert("app".to_owned(), active);
        Ok(())
    }

    fn remove(&self, component: &str) -> Result<(), ResultCode> {
        let mut inner = self.0.lock().unwrap();
        inner.calls.push(format!("remove {component}"));
        inner.next?;
        inner.installed.remove("app");
        Ok(())
    }

    fn download(&self, id: &str, url: &str, _: &Cancel) -> Result<(), ResultCode> {
        let mut inner = self.0.lock().unwrap();
        inner.calls.push(format!("download {id} {url}"));
        inner.next
    }

    fn discard(&self, id: &str) -> Result<(), ResultCode> {
        let mut inner = self.0.lock().unwrap();
        inner.calls.push(format!("discard {id}"));
        inner.next
    }
}

struct Device {
    bench: Bench,
    apps: Apps,
    web: Web,
    own: bool,
    reporting: Reporting,
    /// How many alerts were sent.
    heard: usize,
}

impl Device {
    fn new() -> Self {
        Self::with(false, Reporting::Synchronous)
    }

    fn with(own: bool, reporting: Reporting) -> Self {
        let web = Web::default();
        web.serve(URL, b"content");
        let apps = Apps(Arc::new(Mutex::new(Inner {
            calls: Vec::new(),
            next: Ok(()),
            installed: BTreeMap::new(),
            web: web.clone(),
        })));
        let mut device = Self::on(TestJournal::default(), apps, web, own, reporting);
        device.finish();
        device
    }

    fn on(journal: TestJournal, apps: Apps, web: Web, own: bool, reporting: Reporting) -> Self {
        let (tree, mut registry, lamp) = device(&journal);
        let mut scomo = Scomo::new(uri("./SCOMO"), Arc::new(apps.clone()), &journal)
            .unwrap()
            .reporting(reporting)
            .time_limit(Duration::from_secs(600))
            .max_components(8);
        if !own {
            scomo = scomo.delivery(web.delivery(&journal));
        }
        registry.mount(Box::new(scomo)).unwrap();
        let bench = Bench::with(tree, registry, lamp, journal, Bench::config()).unwrap();
        Self {
            bench,
            apps,
            web,
            own,
            reporting,
            heard: 0,
        }
    }

    /// Off and on again.
    fn restart(self) -> Self {
        let heard = self.heard;
        let journal = self.bench.journal;
        let device = Self::on(journal, self.apps, self.web, self.own, self.reporting);
        Self { heard, ..device }
    }

    /// With a package to download.
    fn offered(mut self) -> Self {
        let codes = self.set([
            request::add_node(X, None),
            leaf(X, "PkgID", "pkg-1"),
            leaf(X, "PkgURL", URL),
            leaf(X, "InstallParams", "--all"),
        ]);
        assert_eq!(codes, [200; 4]);
        self
    }

    /// With a package and a component that is installed, active.
    fn installed(self) -> Self {
        let mut device = self.offered();
        assert_eq!(device.run(ScomoOperation::DownloadInstall), 202);
        device.told();
        device.apps.takes();
        device
    }

    fn hear(&mut self) {
        if self.bench.client.queued_alerts() > 0 {
            self.heard += alerts(&mut self.bench).len();
        }
    }

    fn set(&mut self, commands: impl IntoIterator<Item = Command<'static>>) -> Vec<u16> {
        self.hear();
        self.bench.codes(commands)
    }

    /// Begins an operation; its status, or 0 if it is awaited.
    fn begin(&mut self, operation: ScomoOperation) -> u16 {
        self.hear();
        self.bench.start();
        let exec = request::exec(&at(operation), Some(&Correlator::new("c1")));
        let answer = self.bench.say([exec]);
        answer.map_or(0, |answer| outcome(&answer).0)
    }

    fn run(&mut self, operation: ScomoOperation) -> u16 {
        let status = self.begin(operation);
        self.end(status)
    }

    /// Brings to its end what was begun with this status.
    fn end(&mut self, status: u16) -> u16 {
        if status == 0 {
            self.bench.finish_job();
            let status = outcome(&self.bench.read().unwrap());
            self.bench.say([]);
            self.finish();
            return status.0;
        }
        self.bench.say([]);
        self.finish();
        status
    }

    fn finish(&mut self) {
        while !self.bench.jobs.is_empty() {
            self.bench.finish_job();
        }
    }

    /// The one alert: its content and mark.
    fn told(&mut self) -> (String, Option<Mark>) {
        let alerts: Vec<GenericAlert> = alerts(&mut self.bench);
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        let alert = &alerts[0];
        assert_eq!(alert.alert_type, ALERT_SCOMO);
        assert_eq!(alert.format, Format::Xml);
        assert!(alert.source.as_ref().unwrap().contains("/Operations/"));
        assert_eq!(alert.correlator, Some(Correlator::new("c1")));
        (alert.data.clone(), alert.mark)
    }

    fn value(&self, node: &str, leaf: &str) -> Option<String> {
        self.bench.value(&format!("{node}/{leaf}"))
    }

    /// Status of the download; Status and State of the package; Status and State of the component.
    fn states(&self) -> [u8; 5] {
        let number = |node, leaf| {
            let value = self.value(node, leaf);
            value.map_or(0, |value| value.parse().unwrap())
        };
        [
            number(X, "Status"),
            number(DELIVERED, "Status"),
            number(DELIVERED, "State"),
            number(DEPLOYED, "Status"),
            number(DEPLOYED, "State"),
        ]
    }

    fn files(&self) -> usize {
        self.web.sink.lock().unwrap().keys().unwrap().len()
    }
}

fn leaf(node: &str, leaf: &str, value: &str) -> Command<'static> {
    let at = format!("{node}/{leaf}");
    request::replace(&at, Leaf::new(Format::Chr, value.to_owned()))
}

fn data(octets: &str) -> Command<'static> {
    let at = format!("{DELIVERED}/Data");
    request::replace(&at, Leaf::new(Format::Bin, octets.as_bytes().to_vec()))
}

fn at(operation: ScomoOperation) -> String {
    let node = match operation.branch() {
        ScomoBranch::Download => X,
        ScomoBranch::Delivered => DELIVERED,
        ScomoBranch::Deployed => DEPLOYED,
    };
    format!("{node}/Operations/{}", operation.name())
}

fn content(code: u16, id: bool) -> String {
    let id = if id {
        "<Identifier>com.&lt;app&gt;</Identifier>"
    } else {
        ""
    };
    format!("<ResultCode>{code}</ResultCode>{id}")
}

/// What an operation is at most asked for, Status and State after success, and for each result code
/// of a failure after it.
struct Row {
    operation: ScomoOperation,
    call: &'static [&'static str],
    meanwhile: [u8; 5],
    after: [u8; 5],
    failed: &'static [(u16, u16, [u8; 5])],
}

/// Beginning with a package that is installed, its component active.
fn table() -> Vec<Row> {
    use ScomoOperation::*;
    let row = |operation, call, meanwhile, after, failed| Row {
        operation,
        call,
        meanwhile,
        after,
        failed,
    };
    vec![
        row(
            Download,
            &[],
            [30, 10, 20, 10, 20],
            [40, 10, 10, 10, 20],
            &[],
        ),
        row(
            DownloadInstall,
            &["install content with \"--all\", active: true"],
            [30, 10, 20, 10, 20],
            [10, 10, 20, 10, 20],
            &[
                (1405, 1405, [60, 50, 10, 10, 20]),
                (1407, 1407, [70, 0, 0, 10, 20]),
                (1413, 1413, [70, 0, 0, 10, 20]),
                (1200, 1412, [60, 50, 10, 10, 20]),
            ],
        ),
        row(
            DownloadInstallInactive,
            &["install content with \"--all\", active: false"],
            [30, 10, 20, 10, 20],
            [10, 10, 20, 10, 10],
            &[(1406, 1406, [60, 50, 10, 10, 20])],
        ),
        row(
            Install,
            &["install content with \"--all\", active: true"],
            [10, 40, 20, 10, 20],
            [10, 10, 20, 10, 20],
            &[
                (1405, 1405, [10, 50, 20, 10, 20]),
                (1407, 1407, [10, 60, 20, 10, 20]),
            ],
        ),
        row(
            InstallInactive,
            &["install content with \"--all\", active: false"],
            [10, 40, 20, 10, 20],
            [10, 10, 20, 10, 10],
            &[(1401, 1401, [10, 50, 20, 10, 20])],
        ),
        row(
            RemovePackage,
            &[],
            [10, 30, 20, 10, 20],
            [10, 0, 0, 10, 20],
            &[],
        ),
        row(
            Activate,
            &["com.<app> active: true"],
            [10, 10, 20, 50, 20],
            [10, 10, 20, 10, 20],
            &[(1409, 1409, [10, 10, 20, 40, 20])],
        ),
        row(
            Deactivate,
            &["com.<app> active: false"],
            [10, 10, 20, 70, 20],
            [10, 10, 20, 10, 10],
            &[(1410, 1410, [10, 10, 20, 60, 20])],
        ),
        row(
            Remove,
            &["remove com.<app>"],
            [10, 10, 20, 30, 20],
            [10, 10, 20, 0, 0],
            &[(1408, 1408, [10, 10, 20, 20, 20])],
        ),
    ]
}

#[test]
fn every_operation_with_every_end() {
    for reporting in [Reporting::Synchronous, Reporting::Asynchronous] {
        for row in table() {
            let operation = row.operation;
            let shown = format!("{operation:?} {reporting:?}");
            let downloads = operation.branch() == ScomoBranch::Download;
            let by_alert = downloads || reporting == Reporting::Asynchronous;
            if downloads && reporting == Reporting::Asynchronous {
                continue;
            }
            let names = !matches!(
                operation,
                ScomoOperation::Download | ScomoOperation::RemovePackage
            );
            let mut device = Device::with(false, reporting).installed();
            let begun = device.begin(operation);
            assert_eq!(begun, if by_alert { 202 } else { 0 }, "{shown}");
            assert_eq!(device.states(), row.meanwhile, "{shown}");
            let ended = device.end(begun);
            assert_eq!(ended, if by_alert { 202 } else { 200 }, "{shown}");
            assert_eq!(device.apps.takes(), row.call, "{shown}");
            assert_eq!(device.states(), row.after, "{shown}");
            if by_alert {
                assert_eq!(device.told(), (content(1200, names), None), "{shown}");
            }
            assert!(device.bench.journal.records(SPACE).is_empty(), "{shown}");
            assert_eq!(device.files(), usize::from(row.after[1] != 0), "{shown}");

            for (end, code, after) in row.failed {
                let shown = format!("{shown} {end}");
                let mut device = Device::with(false, reporting).installed();
                device.apps.will(Err(*end));
                let failed = if by_alert { 202 } else { 500 };
                assert_eq!(device.run(operation), failed, "{shown}");
                assert_eq!(device.states(), *after, "{shown}");
                if by_alert {
                    let said = (content(*code, false), Some(Mark::Warning));
                    assert_eq!(device.told(), said, "{shown}");
                }
                let dropped = matches!(end, 1407 | 1413);
                assert_eq!(device.files(), usize::from(!dropped), "{shown}");
                // Whatever failed can be asked for again, unless the package is gone.
                device.apps.will(Ok(()));
                let again = match dropped && !downloads {
                    true => 412,
                    false if by_alert => 202,
                    false => 200,
                };
                assert_eq!(device.run(operation), again, "{shown}");
            }
        }
    }
}

/// Amid the download, between download and installation, amid the rest, before the alert is out.
#[test]
fn a_restart_amid_every_step() {
    for row in table() {
        let operation = row.operation;
        let installs = matches!(
            operation,
            ScomoOperation::DownloadInstall | ScomoOperation::DownloadInstallInactive
        );
        for done in 0..=(1 + usize::from(installs)) {
            let shown = format!("{operation:?} after {done} jobs");
            let mut device = Device::with(false, Reporting::Asynchronous).installed();
            assert_eq!(device.begin(operation), 202);
            for _ in 0..done {
                device.bench.finish_job();
            }
            let mut device = device.restart();
            device.finish();
            assert_eq!(device.states(), row.after, "{shown}");
            let names = !matches!(
                operation,
                ScomoOperation::Download | ScomoOperation::RemovePackage
            );
            assert_eq!(device.told(), (content(1200, names), None), "{shown}");
            let mut device = device.restart();
            device.finish();
            assert_eq!(alerts(&mut device.bench), []);
            assert_eq!(device.files(), usize::from(row.after[1] != 0), "{shown}");
            assert!(device.bench.journal.records(SPACE).is_empty());
        }
    }
}

#[test]
fn a_download_goes_on_from_what_is_safe_and_tells_its_faults() {
    for (kind, code) in [
        (FetchErrorKind::Interrupted, 1402),
        (FetchErrorKind::Status(401), 1403),
        (FetchErrorKind::Status(500), 1500),
        (FetchErrorKind::Unreachable, 1501),
    ] {
        let mut device = Device::new().offered();
        device.web.breaks(6, kind);
        assert_eq!(device.run(ScomoOperation::DownloadInstall), 202);
        assert_eq!(device.states(), [20, 0, 0, 0, 0]);
        assert_eq!(device.told(), (content(code, false), Some(Mark::Warning)));
        device.run(ScomoOperation::Download);
        assert_eq!(*device.web.asked.lock().unwrap(), [0, 6]);
        assert_eq!(device.states(), [40, 10, 10, 0, 0]);
    }
}

#[test]
fn a_package_over_dm_is_installed() {
    let mut device = Device::new();
    let codes = device.set([
        request::add_node(DELIVERED, None),
        leaf(DELIVERED, "PkgID", "pkg-2"),
        data("direct"),
    ]);
    assert_eq!(codes, [200; 3]);
    assert_eq!(device.run(ScomoOperation::Install), 200);
    assert_eq!(
        device.apps.takes(),
        ["install direct with \"\", active: true"]
    );
    assert_eq!(device.states(), [0, 10, 20, 10, 20]);
    assert_eq!(device.set([data("other")]), [200]);
    assert_eq!(
        device.states(),
        [0, 10, 10, 10, 20],
        "delivered, not installed"
    );
    device.apps.will(Err(1407));
    assert_eq!(device.run(ScomoOperation::InstallInactive), 500);
    assert_eq!(device.states(), [0, 60, 10, 10, 20]);
    assert_eq!(device.set([data("better")]), [200]);
    device.apps.will(Ok(()));
    assert_eq!(device.run(ScomoOperation::InstallInactive), 200);
    assert_eq!(device.run(ScomoOperation::RemovePackage), 200);
    assert_eq!(device.states(), [0, 0, 0, 10, 10], "the component stays");
}

#[test]
fn software_may_download_by_itself() {
    let mut device = Device::with(true, Reporting::Synchronous).offered();
    assert_eq!(device.run(ScomoOperation::DownloadInstall), 202);
    assert_eq!(
        device.apps.takes(),
        [
            format!("download pkg-1 {URL}"),
            "install own pkg-1 with \"--all\", active: true".to_owned()
        ]
    );
    device.apps.will(Err(1400));
    assert_eq!(device.run(ScomoOperation::RemovePackage), 500);
    assert_eq!(device.states(), [10, 20, 20, 10, 20]);
    device.apps.will(Ok(()));
    assert_eq!(device.run(ScomoOperation::RemovePackage), 200);
    assert_eq!(device.states(), [10, 0, 0, 10, 20]);
    assert_eq!(device.apps.takes(), ["discard pkg-1", "discard pkg-1"]);
    // One that a server deletes, and one that is dropped.
    assert_eq!(device.run(ScomoOperation::Download), 202);
    device.apps.takes();
    assert_eq!(device.set([request::delete(DELIVERED)]), [200]);
    device.finish();
    assert_eq!(device.apps.takes(), ["discard pkg-1"]);
    assert_eq!(device.run(ScomoOperation::Download), 202);
    device.apps.takes();
    device.apps.will(Err(1407));
    assert_eq!(device.run(ScomoOperation::Install), 500);
    let calls = device.apps.takes();
    assert_eq!(calls.last().unwrap(), "discard pkg-1");
}

/// The address of such a package is too long for the name of its file.
#[test]
fn no_file_with_a_long_name_outlives_its_package() {
    let long = format!("{X}{}", "x".repeat(80));
    for keeps in [false, true] {
        let mut device = Device::new();
        device.web.breaks(4, FetchErrorKind::Interrupted);
        let codes = device.set([
            request::add_node(&long, None),
            leaf(&long, "PkgURL", URL),
            request::exec(&format!("{long}/Operations/Download"), None),
        ]);
        assert_eq!(codes, [200, 200, 202]);
        device.finish();
        assert_eq!(device.files(), 1);
        if !keeps {
            assert_eq!(device.set([request::delete(&long)]), [200]);
        }
        // Off before what was asked for is done.
        let mut device = device.restart();
        device.finish();
        assert_eq!(device.files(), usize::from(keeps));
    }
}

/// What is installed by other means shows at the next start, up to the limit.
#[test]
fn the_tree_shows_what_is_installed() {
    let device = Device::new().installed();
    let app = |leaf| device.value(DEPLOYED, leaf).unwrap();
    assert_eq!(app("ID"), "com.<app>");
    assert_eq!(app("PkgIDRef"), "pkg-1");
    assert_eq!(app("Name"), "The app");
    assert_eq!(app("Version"), "2.1");
    {
        let mut inner = device.apps.0.lock().unwrap();
        inner.installed.remove("app");
        for number in 0..12 {
            inner.installed.insert(format!("c{number:02}"), true);
        }
    }
    let mut device = device.restart();
    assert!(
        device
            .bench
            .jobs
            .first_key_value()
            .unwrap()
            .1
            .before_sessions
    );
    device.finish();
    assert_eq!(device.value(DEPLOYED, "ID"), None);
    let deployed = uri("./SCOMO/Inventory/Deployed");
    let deployed = device.bench.client.tree().node(&deployed).unwrap();
    assert_eq!(deployed.children().count(), 8);
}

/// What ends last may have looked first.
#[test]
fn the_tree_shows_what_is_installed_after_operations_side_by_side() {
    let mut device = Device::with(false, Reporting::Asynchronous).installed();
    for operation in [ScomoOperation::Install, ScomoOperation::Remove] {
        assert_eq!(device.begin(operation), 202);
        device.bench.say([]);
    }
    let jobs = std::mem::take(&mut device.bench.jobs).into_iter();
    let ends: Vec<_> = jobs
        .map(|(job, asked)| (job, JobEnd::Finished(asked.run())))
        .collect();
    for (job, end) in ends.into_iter().rev() {
        device.bench.feed(Input::Completed { job, end }).unwrap();
    }
    device.finish();
    assert_eq!(device.value(DEPLOYED, "ID"), None, "it was removed");
    device.told_all(2);
}

#[test]
fn one_operation_at_a_time_at_each_package_and_component() {
    let mut device = Device::with(false, Reporting::Asynchronous).installed();
    assert_eq!(device.begin(ScomoOperation::DownloadInstall), 202);
    device.bench.say([]);
    for operation in ScomoOperation::ALL {
        let busy = operation.branch() != ScomoBranch::Deployed;
        let first = operation == ScomoOperation::Activate;
        let code = if busy || !first { 405 } else { 202 };
        assert_eq!(device.begin(operation), code, "{operation:?}");
        device.bench.say([]);
    }
    let commands = [
        request::delete(X),
        request::delete(DELIVERED),
        leaf(X, "PkgURL", "http://b/"),
        data("x"),
    ];
    assert_eq!(device.set(commands), [405; 4]);
    device.finish();
    device.told_all(2);
    assert_eq!(
        device.set([request::delete(X), request::delete(DELIVERED)]),
        [200, 200]
    );
    device.finish();
    assert_eq!(device.files(), 0);
}

impl Device {
    fn told_all(&mut self, count: usize) {
        let heard = std::mem::take(&mut self.heard);
        assert_eq!(heard + alerts(&mut self.bench).len(), count);
    }
}

/// A server that deletes what it added leaves nothing behind, also if the device goes off then.
#[test]
fn no_file_outlives_its_package() {
    for restarts in [false, true] {
        let mut device = Device::new().offered();
        device.web.breaks(4, FetchErrorKind::Interrupted);
        device.run(ScomoOperation::Download);
        assert_eq!(device.files(), 1);
        assert_eq!(device.set([request::delete(X)]), [200]);
        if restarts {
            device = device.restart();
        }
        device.finish();
        assert_eq!(device.files(), 0);
    }
}

#[test]
fn what_hangs_has_failed_and_may_still_end() {
    let mut device = Device::with(false, Reporting::Asynchronous).installed();
    device.begin(ScomoOperation::Deactivate);
    device.bench.say([]);
    device.bench.advance(Duration::from_secs(600));
    assert_eq!(device.states(), [10, 10, 20, 60, 20]);
    assert_eq!(device.told(), (content(1410, false), Some(Mark::Warning)));
    assert_eq!(
        device.begin(ScomoOperation::Activate),
        405,
        "it still works"
    );
    device.bench.say([]);
    device.finish();
    assert_eq!(device.states(), [10, 10, 20, 10, 10]);
    device.begin(ScomoOperation::DownloadInstall);
    device.bench.say([]);
    device.bench.advance(Duration::from_secs(600));
    assert_eq!(device.told(), (content(1402, false), Some(Mark::Warning)));
    device.finish();
    assert_eq!(device.states()[0], 20, "the download was stopped");
}

#[test]
fn what_is_not_allowed_is_refused() {
    let exec = |at: &str| request::exec(at, None);
    let int = |at: &str| request::replace(at, Leaf::new(Format::Int, "20"));
    for (command, code) in [
        (int("./SCOMO/Download/x/Status"), 405),
        (int("./SCOMO/Inventory/Delivered/x/State"), 405),
        (int("./SCOMO/Inventory/Deployed/app/State"), 405),
        (leaf(DEPLOYED, "Name", "mine"), 405),
        (
            request::add_node("./SCOMO/Inventory/Deployed/mine", None),
            405,
        ),
        (request::delete(DEPLOYED), 405),
        (request::delete("./SCOMO/Download"), 405),
        (request::delete("./SCOMO"), 405),
        (request::get("./SCOMO/Inventory/Delivered/x/Data"), 405),
        (exec("./SCOMO/Download/x/Operations/Install"), 404),
        (exec("./SCOMO/Download/x"), 405),
        (exec("./SCOMO/Inventory/Deployed/app/Operations"), 405),
        (
            exec("./SCOMO/Inventory/Deployed/none/Operations/Remove"),
            404,
        ),
    ] {
        let mut device = Device::new().installed();
        let before = device.bench.dump();
        let shown = format!("{command:?}");
        assert_eq!(device.set([command]), [code], "{shown}");
        assert_eq!(device.bench.dump(), before, "{shown}");
        assert_eq!(device.apps.takes(), [""; 0]);
    }
    let mut device = Device::new();
    device.set([request::add_node(X, None)]);
    assert_eq!(device.run(ScomoOperation::Download), 412, "no address");
}

/// What goes over the wire. `UPDATE_GOLDEN=1` writes it.
#[test]
fn the_alert_on_the_wire() {
    let mut device = Device::new().offered();
    device.run(ScomoOperation::DownloadInstall);
    device.bench.start();
    let body = device.bench.request.as_ref().unwrap().body.clone();
    exec::golden("scomo-alert.xml", &exec::generic_alert(&from_wire(&body)));
}

#[derive(Clone, Debug)]
enum Step {
    Exec(usize, Option<u16>),
    Restart,
    Finish,
}

fn step() -> impl Strategy<Value = Step> {
    let end = proptest::option::of(prop_oneof![Just(1405), Just(1407), Just(1410)]);
    prop_oneof![
        4 => (0..9_usize, end).prop_map(|(operation, end)| Step::Exec(operation, end)),
        1 => Just(Step::Restart),
        2 => Just(Step::Finish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Every Exec that was accepted is told once, nothing stays in progress, the tree shows what is
    /// installed, and a file is there only beside its node.
    #[test]
    fn any_steps_in_any_order(steps in proptest::collection::vec(step(), 0..12)) {
        let mut device = Device::with(false, Reporting::Asynchronous).installed();
        let mut accepted = 0;
        for step in steps {
            match step {
                Step::Exec(operation, end) => {
                    device.apps.will(end.map_or(Ok(()), Err));
                    let status = device.begin(ScomoOperation::ALL[operation]);
                    device.bench.say([]);
                    accepted += usize::from(status == 202);
                }
                Step::Restart => {
                    device = device.restart();
                    device.bench.finish_job();
                }
                Step::Finish => device.finish(),
            }
        }
        device.finish();
        device.told_all(accepted);
        prop_assert!(device.bench.journal.records(SPACE).is_empty());
        let [download, delivered, _, deployed, state] = device.states();
        prop_assert!([10, 20, 40, 60, 70].contains(&download));
        prop_assert!([0, 10, 20, 50, 60].contains(&delivered));
        prop_assert!([0, 10, 20, 40, 60].contains(&deployed));
        let installed = device.apps.0.lock().unwrap().installed.get("app").copied();
        prop_assert_eq!(state, installed.map_or(0, |active| if active { 20 } else { 10 }));
        if delivered == 0 {
            prop_assert_eq!(device.files(), 0);
        }
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
