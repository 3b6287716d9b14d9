//! FUMO on a device: every operation in every state, packages by both ways, restarts amid every
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
    sync::{Arc, Mutex},
    time::Duration,
};

use omadm_client::Input;
use omadm_core::{Batch, Correlator, Format, GenericAlert, JournalErrorKind, Mark, Space};
use omadm_download::{Cancel, DownloadKey, FetchErrorKind, MemorySink, Sink};
use omadm_mo::JobEnd;
use omadm_objects::{Firmware, Fumo, FumoOperation, FumoState, Package, ResultCode, Updated};
use omadm_session::request::{self, Leaf};
use omadm_syncml::Command;
use omadm_testkit::{Bench, TestJournal, again_over_wbxml, device, from_wire, uri};
use proptest::prelude::*;

use exec::{alerts, outcome};
use web::Web;

const SPACE: Space = Space::new("operations");
const URL: &str = "http://fw.example/1.pkg";
const CONTENT: &[u8] = b"the new firmware";

/// Firmware that notes what it is asked for, and does what it is told to.
#[derive(Clone)]
struct Slot(Arc<Mutex<Inner>>);

struct Inner {
    calls: Vec<String>,
    update: Result<Updated, ResultCode>,
    download: Result<(), ResultCode>,
    sink: Arc<MemorySink>,
}

impl Slot {
    fn takes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    fn will(&self, update: Result<Updated, ResultCode>) {
        self.0.lock().unwrap().update = update;
    }
}

impl Firmware for Slot {
    fn update(&self, package: &Package) -> Result<Updated, ResultCode> {
        let mut inner = self.0.lock().unwrap();
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        let call = match package {
            Package::File(location) => {
                let key: DownloadKey = location.strip_prefix("memory:").unwrap().parse().unwrap();
                format!("file {}", text(&inner.sink.contents(&key).unwrap()))
            }
            Package::Data(octets) => format!("data {}", text(octets)),
            Package::Own => "own".to_owned(),
        };
        inner.calls.push(call);
        inner.update
    }

    fn download(&self, url: &str, _: &Cancel) -> Result<(), ResultCode> {
        let mut inner = self.0.lock().unwrap();
        inner.calls.push(format!("download {url}"));
        inner.download
    }
}

/// A device with FUMO that downloads by itself, or has the firmware do so.
struct Device {
    bench: Bench,
    slot: Slot,
    web: Web,
    own: bool,
    /// How many alerts were sent.
    heard: usize,
}

impl Device {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(own: bool) -> Self {
        let web = Web::default();
        web.serve(URL, CONTENT);
        let slot = Slot(Arc::new(Mutex::new(Inner {
            calls: Vec::new(),
            update: Ok(Updated::Done),
            download: Ok(()),
            sink: Arc::clone(&web.sink.lock().unwrap()),
        })));
        Self::on(TestJournal::default(), slot, web, own)
    }

    fn on(journal: TestJournal, slot: Slot, web: Web, own: bool) -> Self {
        let (tree, mut registry, lamp) = device(&journal);
        let mut fumo = Fumo::new(uri("./FUMO"), Arc::new(slot.clone()), &journal).unwrap();
        if !own {
            fumo = fumo.delivery(web.delivery(&journal));
        }
        registry.mount(Box::new(fumo)).unwrap();
        let bench = Bench::with(tree, registry, lamp, journal, Bench::config()).unwrap();
        let heard = 0;
        Self {
            bench,
            slot,
            web,
            own,
            heard,
        }
    }

    /// Off and on again.
    fn restart(self) -> Self {
        let heard = self.heard;
        let device = Self::on(self.bench.journal, self.slot, self.web, self.own);
        Self { heard, ..device }
    }

    fn state(&self) -> u8 {
        self.bench.value("./FUMO/State").unwrap().parse().unwrap()
    }

    fn exec(&mut self, operation: FumoOperation) -> u16 {
        self.heard += alerts(&mut self.bench).len();
        self.bench.start();
        let at = format!("./FUMO/{}", operation.name());
        let exec = request::exec(&at, Some(&Correlator::new("c1")));
        let answer = self.bench.say([exec]).unwrap();
        self.bench.say([]);
        outcome(&answer).0
    }

    fn finish(&mut self) {
        while !self.bench.jobs.is_empty() {
            self.bench.finish_job();
        }
    }

    fn set(&mut self, command: Command<'static>) -> u16 {
        self.heard += alerts(&mut self.bench).len();
        self.bench.codes([command])[0]
    }

    /// The addresses are set.
    fn aimed(mut self) -> Self {
        for node in ["Download", "DownloadAndUpdate"] {
            assert_eq!(self.set(url(node, URL)), 200);
        }
        self
    }

    /// Brings the object into a state by what leads there.
    fn reach(state: FumoState) -> Self {
        use FumoOperation::{Download, DownloadAndUpdate, Update};
        let mut device = Self::new().aimed();
        let failed = |code| Err(ResultCode::from(code));
        match state {
            FumoState::Idle => {}
            FumoState::DownloadFailed => {
                device.web.breaks(0, FetchErrorKind::Protocol);
                device.run(Download);
            }
            FumoState::DownloadProgressing => {
                device.exec(Download);
            }
            FumoState::DownloadComplete => device.run(Download),
            FumoState::ReadyToUpdate => {
                device.set(data("package"));
            }
            FumoState::UpdateProgressing => {
                device.run(Download);
                device.exec(Update);
            }
            FumoState::UpdateFailedHaveData | FumoState::UpdateFailedNoData => {
                let have = state == FumoState::UpdateFailedHaveData;
                device.slot.will(failed(if have { 410 } else { 404 }));
                device.run(DownloadAndUpdate);
            }
            FumoState::UpdateSuccessfulHaveData => {
                device.slot.will(Ok(Updated::KeepPackage));
                device.run(DownloadAndUpdate);
            }
            FumoState::UpdateSuccessfulNoData => device.run(DownloadAndUpdate),
        }
        if !matches!(
            state,
            FumoState::DownloadProgressing | FumoState::UpdateProgressing
        ) {
            alerts(&mut device.bench);
        }
        device.slot.will(Ok(Updated::Done));
        device.slot.takes();
        assert_eq!(device.state(), state.value());
        device
    }

    fn run(&mut self, operation: FumoOperation) {
        assert_eq!(self.exec(operation), 202);
        self.finish();
    }

    /// The one alert: its code and mark.
    fn told(&mut self, operation: FumoOperation) -> (String, Option<Mark>) {
        let alerts: Vec<GenericAlert> = alerts(&mut self.bench);
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        let alert = &alerts[0];
        assert_eq!(alert.alert_type, operation.alert_type());
        assert_eq!(alert.format, Format::Int);
        assert_eq!(alert.source.as_deref(), Some("./FUMO"));
        assert_eq!(alert.correlator, Some(Correlator::new("c1")));
        (alert.data.clone(), alert.mark)
    }

    fn files(&self) -> usize {
        self.web.sink.lock().unwrap().keys().unwrap().len()
    }
}

fn url(node: &str, url: &str) -> Command<'static> {
    let at = format!("./FUMO/{node}/PkgURL");
    request::replace(&at, Leaf::new(Format::Chr, url.to_owned()))
}

fn data(octets: &str) -> Command<'static> {
    let leaf = Leaf::new(Format::Bin, octets.as_bytes().to_vec());
    request::replace("./FUMO/Update/PkgData", leaf)
}

fn warned(code: &str) -> (String, Option<Mark>) {
    (code.to_owned(), Some(Mark::Warning))
}

fn succeeded() -> (String, Option<Mark>) {
    ("200".to_owned(), None)
}

/// VR-037, VirMO-HLF-14; VR-031, VirMO-HLF-08: firmware is provided and updated. [FUMO]
#[test]
fn every_operation_in_every_state() {
    for state in FumoState::ALL {
        for operation in FumoOperation::ALL {
            let shown = format!("{operation:?} in {state:?}");
            let mut device = Device::reach(state);
            let begun = device.exec(operation);
            if !state.accepts(operation) {
                assert_eq!(begun, 405, "{shown}");
                assert_eq!(device.state(), state.value(), "{shown}");
                continue;
            }
            assert_eq!(begun, 202, "{shown}");
            let meanwhile = if operation == FumoOperation::Update {
                60
            } else {
                30
            };
            assert_eq!(device.state(), meanwhile, "{shown}");
            device.finish();
            let (after, calls) = match (operation, state) {
                (FumoOperation::Download, _) => (40, vec![]),
                (FumoOperation::Update, FumoState::ReadyToUpdate) => (100, vec!["data package"]),
                _ => (100, vec!["file the new firmware"]),
            };
            assert_eq!(device.state(), after, "{shown}");
            assert_eq!(device.slot.takes(), calls, "{shown}");
            assert_eq!(device.told(operation), succeeded(), "{shown}");
            assert_eq!(device.files(), usize::from(after == 40), "{shown}");
            assert!(device.bench.journal.records(SPACE).is_empty());
            assert!(device.bench.client.is_idle());
        }
    }
}

#[test]
fn the_accepted_operations_are_those_of_the_table() {
    let accepted = |operation: FumoOperation| {
        let states = FumoState::ALL.into_iter();
        let accepting = states.filter(|state| state.accepts(operation));
        accepting.map(FumoState::value).collect::<Vec<_>>()
    };
    let downloads = [10, 20, 40, 50, 70, 80, 90, 100];
    assert_eq!(accepted(FumoOperation::Download), downloads);
    assert_eq!(accepted(FumoOperation::DownloadAndUpdate), downloads);
    assert_eq!(accepted(FumoOperation::Update), [40, 50, 70]);
}

#[test]
fn every_end_of_an_update() {
    for (end, code, state) in [
        (Ok(Updated::Done), 200, 100),
        (Ok(Updated::KeepPackage), 200, 90),
        (Err(400), 400, 70),
        (Err(401), 401, 70),
        (Err(402), 402, 80),
        (Err(403), 403, 80),
        (Err(404), 404, 80),
        (Err(405), 405, 80),
        (Err(410), 410, 70),
        (Err(450), 450, 70),
        (Err(502), 502, 70),
        // A failure that says it is none.
        (Err(200), 409, 70),
    ] {
        for operation in [FumoOperation::Update, FumoOperation::DownloadAndUpdate] {
            let mut device = Device::reach(FumoState::DownloadComplete);
            device.slot.will(end.map_err(ResultCode::from));
            device.run(operation);
            assert_eq!(device.state(), state, "{end:?}");
            let mark = end.is_err().then_some(Mark::Warning);
            assert_eq!(device.told(operation), (code.to_string(), mark));
            assert_eq!(device.files(), usize::from(state == 70 || state == 90));
        }
    }
}

#[test]
fn every_end_of_a_download() {
    for (kind, code) in [
        (FetchErrorKind::Unreachable, "503"),
        (FetchErrorKind::Interrupted, "503"),
        (FetchErrorKind::TimedOut, "407"),
        (FetchErrorKind::Status(401), "406"),
        (FetchErrorKind::Tls, "406"),
        (FetchErrorKind::Status(404), "411"),
        (FetchErrorKind::Status(500), "500"),
    ] {
        for operation in [FumoOperation::Download, FumoOperation::DownloadAndUpdate] {
            let mut device = Device::new().aimed();
            device.web.breaks(0, kind);
            device.run(operation);
            assert_eq!(device.state(), 20);
            assert_eq!(device.told(operation), warned(code), "{kind:?}");
            assert_eq!(device.slot.takes(), [""; 0]);
        }
    }
    let mut device = Device::new();
    device.set(url("Download", "no address"));
    device.run(FumoOperation::Download);
    assert_eq!(device.told(FumoOperation::Download), warned("411"));
    let web = Web::default();
    *web.sink.lock().unwrap() = Arc::new(MemorySink::with_capacity(8));
    let device = Device::new();
    web.serve(URL, CONTENT);
    let mut device = Device::on(TestJournal::default(), device.slot, web, false).aimed();
    device.run(FumoOperation::Download);
    assert_eq!(device.told(FumoOperation::Download), warned("501"));
}

#[test]
fn firmware_may_download_by_itself() {
    let mut device = Device::with(true).aimed();
    device.run(FumoOperation::DownloadAndUpdate);
    assert_eq!(
        device.slot.takes(),
        [format!("download {URL}"), "own".to_owned()]
    );
    assert_eq!(device.told(FumoOperation::DownloadAndUpdate), succeeded());
    device.slot.0.lock().unwrap().download = Err(ResultCode::FUMO_NOT_ACCEPTABLE);
    device.run(FumoOperation::Download);
    assert_eq!(device.state(), 20);
    assert_eq!(device.told(FumoOperation::Download), warned("405"));
}

#[test]
fn a_download_goes_on_from_what_is_safe() {
    let mut device = Device::new().aimed();
    device.web.breaks(10, FetchErrorKind::Interrupted);
    device.run(FumoOperation::Download);
    assert_eq!(device.told(FumoOperation::Download), warned("503"));
    device.run(FumoOperation::Download);
    assert_eq!(device.told(FumoOperation::Download), succeeded());
    assert_eq!(*device.web.asked.lock().unwrap(), [0, 10]);
    // What is there already may be out of date.
    device.web.serve(URL, b"newer firmware");
    device.run(FumoOperation::DownloadAndUpdate);
    assert_eq!(device.slot.takes(), ["file newer firmware"]);
}

/// Amid the download, between download and update, amid the update, and before the alert is out.
#[test]
fn a_restart_amid_every_step() {
    for operation in FumoOperation::ALL {
        let steps = if operation == FumoOperation::DownloadAndUpdate {
            3
        } else {
            2
        };
        for done in 0..steps {
            let shown = format!("{operation:?} after {done} jobs");
            let before = match operation {
                FumoOperation::Update => FumoState::DownloadComplete,
                _ => FumoState::Idle,
            };
            let mut device = Device::reach(before);
            assert_eq!(device.exec(operation), 202);
            for _ in 0..done {
                device.bench.finish_job();
            }
            let mut device = device.restart();
            device.finish();
            let after = if operation == FumoOperation::Download {
                40
            } else {
                100
            };
            assert_eq!(device.state(), after, "{shown}");
            assert_eq!(device.told(operation), succeeded(), "{shown}");
            let mut device = device.restart();
            assert!(device.bench.jobs.is_empty(), "{shown}");
            assert_eq!(alerts(&mut device.bench), []);
            assert_eq!(device.files(), usize::from(after == 40), "{shown}");
        }
    }
}

/// Without a restart it would stay in progress for ever, as no other Exec is accepted then.
#[test]
fn an_end_that_cannot_be_made_durable_is_taken_up_by_the_next_exec() {
    for operation in FumoOperation::ALL {
        let updates = operation == FumoOperation::DownloadAndUpdate;
        for done in 0..=usize::from(updates) {
            let before = match operation {
                FumoOperation::Update => FumoState::DownloadComplete,
                _ => FumoState::Idle,
            };
            let mut device = Device::reach(before);
            assert_eq!(device.exec(operation), 202);
            for _ in 0..done {
                device.bench.finish_job();
            }
            // Nor is it lost if that happens again.
            for _ in 0..2 {
                let (job, asked) = device.bench.jobs.pop_first().unwrap();
                let end = JobEnd::Finished(asked.run());
                device.bench.journal.fail_once(0, JournalErrorKind::Full);
                device.bench.feed(Input::Completed { job, end }).unwrap();
                assert!(device.bench.jobs.is_empty());
                assert_eq!(alerts(&mut device.bench), []);
                assert_eq!(device.exec(operation), 405, "it goes on");
            }
            device.finish();
            let after = if operation == FumoOperation::Download {
                40
            } else {
                100
            };
            assert_eq!(device.state(), after);
            assert_eq!(device.told(operation), succeeded());
            assert!(device.bench.journal.records(SPACE).is_empty());
        }
    }
}

#[test]
fn a_time_limit_that_cannot_be_made_durable_is_told_at_the_end() {
    let mut device = Device::reach(FumoState::DownloadComplete);
    device.exec(FumoOperation::Update);
    device.bench.journal.fail_once(0, JournalErrorKind::Full);
    device.bench.advance(Duration::from_secs(6 * 3600));
    assert_eq!(alerts(&mut device.bench), []);
    assert_eq!(device.exec(FumoOperation::Update), 405, "it still works");
    device.finish();
    assert_eq!(device.state(), 100);
    assert_eq!(device.told(FumoOperation::Update), succeeded());
    assert!(device.bench.journal.records(SPACE).is_empty());
}

#[test]
fn a_download_goes_on_after_a_restart() {
    let mut device = Device::new().aimed();
    assert_eq!(device.exec(FumoOperation::Download), 202);
    device.web.breaks(10, FetchErrorKind::Interrupted);
    let (_, job) = device.bench.jobs.pop_first().unwrap();
    // It ran, but the device went off before its end was told.
    drop(job.run());
    let mut device = device.restart();
    device.finish();
    assert_eq!(*device.web.asked.lock().unwrap(), [0, 10]);
    assert_eq!(device.told(FumoOperation::Download), succeeded());
}

#[test]
fn what_hangs_has_failed_and_may_still_end() {
    let limit = Duration::from_secs(6 * 3600);
    let mut device = Device::reach(FumoState::DownloadComplete);
    device.exec(FumoOperation::Update);
    device.bench.advance(limit);
    assert_eq!(device.state(), 70);
    assert_eq!(device.told(FumoOperation::Update), warned("409"));
    assert_eq!(device.exec(FumoOperation::Update), 405, "it still works");
    device.finish();
    assert_eq!(device.state(), 100, "State tells the truth");
    assert_eq!(alerts(&mut device.bench), []);

    let mut device = Device::new().aimed();
    device.exec(FumoOperation::DownloadAndUpdate);
    device.bench.advance(limit);
    assert_eq!(device.told(FumoOperation::DownloadAndUpdate), warned("407"));
    device.finish();
    assert_eq!(device.state(), 20, "the download was stopped");
    assert_eq!(device.slot.takes(), [""; 0]);
}

#[test]
fn a_job_that_is_lost_has_failed() {
    for (operation, state) in [(FumoOperation::Download, 20), (FumoOperation::Update, 70)] {
        let mut device = Device::reach(FumoState::DownloadComplete);
        device.exec(operation);
        let (job, _) = device.bench.jobs.pop_first().unwrap();
        let end = JobEnd::Lost;
        device.bench.feed(Input::Completed { job, end }).unwrap();
        assert_eq!(device.state(), state);
        assert_eq!(device.told(operation), warned("409"));
    }
}

#[test]
fn a_package_over_dm_takes_the_place_of_the_other_and_can_be_taken_away() {
    for (state, after) in [
        (FumoState::Idle, 10),
        (FumoState::DownloadFailed, 20),
        (FumoState::DownloadComplete, 10),
        (FumoState::ReadyToUpdate, 10),
        (FumoState::UpdateFailedHaveData, 80),
        (FumoState::UpdateFailedNoData, 80),
        (FumoState::UpdateSuccessfulHaveData, 100),
        (FumoState::UpdateSuccessfulNoData, 100),
    ] {
        let mut device = Device::reach(state);
        assert_eq!(device.set(data("")), 200);
        assert_eq!(device.state(), after, "{state:?}");
        device.finish();
        assert_eq!(device.files(), 0, "{state:?}");
        let mut device = Device::reach(state);
        assert_eq!(device.set(data("other")), 200);
        assert_eq!(device.state(), 50);
        device.finish();
        device.run(FumoOperation::Update);
        assert_eq!(device.slot.takes(), ["data other"]);
        assert_eq!(device.state(), 100);
    }
    for state in [FumoState::DownloadProgressing, FumoState::UpdateProgressing] {
        let mut device = Device::reach(state);
        assert_eq!(device.set(data("x")), 405);
        assert_eq!(device.set(url("Download", "http://b/")), 405);
        assert_eq!(device.state(), state.value());
    }
}

#[test]
fn what_is_not_allowed_is_refused() {
    let exec = |at: &str| request::exec(at, None);
    for (command, code) in [
        (
            request::replace("./FUMO/State", Leaf::new(Format::Int, "40")),
            405,
        ),
        (
            request::replace("./FUMO/Update/PkgData", Leaf::new(Format::Chr, "x")),
            415,
        ),
        (request::get("./FUMO/Update/PkgData"), 405),
        (request::delete("./FUMO"), 405),
        (request::add_node("./FUMO/Mine", None), 405),
        (exec("./FUMO"), 405),
        (exec("./FUMO/State"), 405),
        (exec("./FUMO/update"), 404),
        (exec("./FUMO/Download"), 412),
        (exec("./FUMO/DownloadAndUpdate"), 412),
        (exec("./FUMO/Update"), 405),
    ] {
        let mut device = Device::new();
        let before = device.bench.dump();
        let shown = format!("{command:?}");
        assert_eq!(device.set(command), code, "{shown}");
        assert_eq!(device.bench.dump(), before, "{shown}");
        assert_eq!(device.slot.takes(), [""; 0]);
    }
}

#[test]
fn a_record_without_its_state_is_told_as_failed() {
    let device = Device::new();
    let mut batch = Batch::new();
    batch.put(SPACE, "./FUMO/Update", [1, 1, b'c', b'1']);
    omadm_core::Journal::commit(&device.bench.journal, &batch).unwrap();
    let mut device = device.restart();
    assert_eq!(device.told(FumoOperation::Update), warned("400"));
    assert!(device.bench.journal.records(SPACE).is_empty());
}

/// What goes over the wire. `UPDATE_GOLDEN=1` writes it.
#[test]
fn the_alert_on_the_wire() {
    let mut device = Device::new().aimed();
    device.web.breaks(0, FetchErrorKind::Status(404));
    device.run(FumoOperation::DownloadAndUpdate);
    device.bench.start();
    let body = device.bench.request.as_ref().unwrap().body.clone();
    let text = from_wire(&body);
    exec::golden("fumo-alert.xml", &exec::generic_alert(&text));
}

#[derive(Clone, Debug)]
enum Step {
    Exec(usize, bool),
    Data(bool),
    Restart,
    Finish,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, any::<bool>()).prop_map(|(operation, fails)| Step::Exec(operation, fails)),
        any::<bool>().prop_map(Step::Data),
        Just(Step::Restart),
        Just(Step::Finish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Every Exec that was accepted is told once, whatever happens; State is one of the table, and a
    /// file is there only where State says so.
    #[test]
    fn any_steps_in_any_order(steps in proptest::collection::vec(step(), 0..14)) {
        let mut device = Device::new().aimed();
        let mut accepted = 0;
        for step in steps {
            match step {
                Step::Exec(operation, fails) => {
                    let end = if fails { Err(ResultCode::FUMO_UPDATE_FAILED) } else { Ok(Updated::Done) };
                    device.slot.will(end);
                    if device.bench.jobs.is_empty() && fails {
                        device.web.faults.lock().unwrap().clear();
                        device.web.breaks(6, FetchErrorKind::Interrupted);
                    }
                    accepted += usize::from(device.exec(FumoOperation::ALL[operation]) == 202);
                }
                Step::Data(empty) => {
                    device.set(data(if empty { "" } else { "d" }));
                }
                Step::Restart => device = device.restart(),
                Step::Finish => device.finish(),
            }
        }
        device.finish();
        let state = FumoState::from_value(device.state()).unwrap();
        prop_assert!(!matches!(state, FumoState::DownloadProgressing | FumoState::UpdateProgressing));
        prop_assert_eq!(device.heard + alerts(&mut device.bench).len(), accepted);
        prop_assert!(device.bench.journal.records(SPACE).is_empty());
        prop_assert_eq!(device.bench.jobs.len(), 0);
        if matches!(state.value(), 10 | 80 | 100) {
            prop_assert_eq!(device.files(), 0);
        }
        device.web.faults.lock().unwrap().clear();
        device.slot.will(Ok(Updated::Done));
        device.run(FumoOperation::DownloadAndUpdate);
        prop_assert_eq!(device.state(), 100);
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
