//! DCMO on a device: every operation in every state, what is reported and how, restarts, refusals.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

#[path = "tools/exec.rs"]
mod exec;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use omadm_core::{Correlator, Format, GenericAlert, Mark, Space};
use omadm_mo::{JobEnd, Reporting};
use omadm_objects::{ALERT_DCMO, Capability, Dcmo, DcmoOperation, Failure, Switch};
use omadm_session::request::{self, Leaf};
use omadm_syncml::Command;
use omadm_testkit::{Bench, TestJournal, again_over_wbxml, device, uri};
use proptest::prelude::*;

use exec::{alerts, execute, outcome};

const SECOND: Duration = Duration::from_secs(1);
const SPACE: Space = Space::new("operations");

#[derive(Clone)]
struct Board(Arc<Mutex<Inner>>);

struct Inner {
    calls: Vec<String>,
    next: Result<(), Failure>,
    list: BTreeMap<&'static str, (bool, Option<bool>)>,
}

impl Default for Board {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            calls: Vec::new(),
            next: Ok(()),
            list: BTreeMap::from([("Camera", (true, None)), ("USB", (true, Some(false)))]),
        })))
    }
}

impl Board {
    fn takes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    fn will(&self, next: Result<(), Failure>) {
        self.0.lock().unwrap().next = next;
    }

    fn is(&self, name: &'static str, enabled: bool, attached: Option<bool>) {
        self.0
            .lock()
            .unwrap()
            .list
            .insert(name, (enabled, attached));
    }
}

impl Switch for Board {
    fn capabilities(&self) -> Vec<Capability> {
        let list = self.0.lock().unwrap().list.clone();
        let capability = |(name, (enabled, attached))| {
            let mut capability = Capability::new(name);
            capability.group = "IO".to_owned();
            capability.description = format!("The {name}");
            (capability.enabled, capability.attached) = (enabled, attached);
            capability
        };
        list.into_iter().map(capability).collect()
    }

    fn switch(&self, name: &str, enabled: bool, notify: bool) -> Result<(), Failure> {
        let mut inner = self.0.lock().unwrap();
        let told = if notify { " and tells" } else { "" };
        inner.calls.push(format!("{name} {enabled}{told}"));
        inner.next?;
        if let Some(capability) = inner.list.get_mut(name) {
            capability.0 = enabled;
        }
        Ok(())
    }

    fn deny_user_enable(&self, name: &str, deny: bool) -> Result<(), Failure> {
        let mut inner = self.0.lock().unwrap();
        inner.calls.push(format!("{name} deny {deny}"));
        inner.next
    }
}

fn bench(journal: &TestJournal, board: &Board, reporting: Reporting) -> Bench {
    let (tree, mut registry, lamp) = device(journal);
    let dcmo = Dcmo::new(uri("./DCMO"), Arc::new(board.clone()), journal).unwrap();
    let dcmo = dcmo.reporting(reporting).time_limit(60 * SECOND);
    registry.mount(Box::new(dcmo)).unwrap();
    Bench::with(tree, registry, lamp, journal.clone(), Bench::config()).unwrap()
}

fn new() -> (Bench, Board) {
    let board = Board::default();
    let journal = TestJournal::default();
    (bench(&journal, &board, Reporting::Synchronous), board)
}

fn at(operation: DcmoOperation) -> String {
    format!("./DCMO/Camera/Operations/{}", operation.name())
}

fn enabled(bench: &Bench) -> String {
    bench.value("./DCMO/Camera/Enabled").unwrap()
}

fn config(leaf: &str, value: &'static str) -> Command<'static> {
    let at = format!("./DCMO/Camera/DCMOConfig/{leaf}");
    request::replace(&at, Leaf::new(Format::Bool, value))
}

fn only(alerts: Vec<GenericAlert>) -> (String, Option<Mark>, Option<String>) {
    assert_eq!(alerts.len(), 1);
    let alert = alerts.into_iter().next().unwrap();
    assert_eq!(alert.alert_type, ALERT_DCMO);
    assert_eq!(alert.format, Format::Int);
    let source = alert.source.unwrap();
    assert!(source.starts_with("./DCMO/Camera/Operations/"), "{source}");
    let correlator = alert
        .correlator
        .map(|correlator| correlator.as_str().to_owned());
    (alert.data, alert.mark, correlator)
}

/// VR-029, VirMO-HLF-06: what a server may use of a device is switched by it, one capability at a time.
#[test]
fn every_operation_in_every_state_with_every_end() {
    for operation in DcmoOperation::ALL {
        for before in DcmoOperation::ALL {
            let (mut bench, board) = new();
            execute(&mut bench, &at(before));
            board.takes();
            for (failure, code) in [
                (Failure::Failed, "1450"),
                (Failure::Cancelled, "1451"),
                (Failure::Client, "1400"),
            ] {
                board.will(Err(failure));
                let got = execute(&mut bench, &at(operation));
                assert_eq!(got, (500, code.to_owned()));
                assert_eq!(enabled(&bench), before.enables().to_string());
            }
            board.takes();
            board.will(Ok(()));
            assert_eq!(execute(&mut bench, &at(operation)), (200, "1200".into()));
            let after = operation.enables().to_string();
            assert_eq!(board.takes(), [format!("Camera {after}")]);
            assert_eq!(enabled(&bench), after);
            assert_eq!(bench.value("./DCMO/USB/Enabled").unwrap(), "true");
            assert!(bench.journal.records(SPACE).is_empty());
            assert_eq!(alerts(&mut bench), []);
        }
    }
}

#[test]
fn a_capability_says_what_it_is() {
    let (bench, board) = new();
    let camera = |leaf: &str| bench.value(&format!("./DCMO/Camera/{leaf}"));
    assert_eq!(camera("Property").unwrap(), "Camera");
    assert_eq!(camera("Group").unwrap(), "IO");
    assert_eq!(camera("Description").unwrap(), "The Camera");
    assert_eq!(camera("Attached"), None, "it cannot be removed");
    assert_eq!(bench.value("./DCMO/USB/Attached").unwrap(), "false");
    let camera = bench.client.tree().node(&uri("./DCMO/Camera")).unwrap();
    assert_eq!(camera.node_type(), "urn:oma:mo:oma-dcmo:1.0");
    assert_eq!(board.takes(), [""; 0]);
}

#[test]
fn the_tree_follows_what_is_attached_and_what_is_there() {
    let (mut bench, board) = new();
    board.is("USB", true, Some(true));
    board.is("NFC", false, None);
    execute(&mut bench, &at(DcmoOperation::Disable));
    assert_eq!(bench.value("./DCMO/USB/Attached").unwrap(), "true");
    assert_eq!(bench.value("./DCMO/NFC/Enabled").unwrap(), "false");
    board.0.lock().unwrap().list.remove("USB");
    board.is("NFC", false, Some(false));
    execute(&mut bench, &at(DcmoOperation::Disable));
    assert_eq!(bench.value("./DCMO/USB/Enabled"), None);
    board.is("NFC", false, None);
    execute(&mut bench, &at(DcmoOperation::Disable));
    assert_eq!(bench.value("./DCMO/NFC/Attached"), None);
}

#[test]
fn the_user_is_told_and_denied_if_the_server_says_so() {
    let (mut bench, board) = new();
    assert_eq!(bench.codes([config("NotifyUser", "true")]), [200]);
    assert!(bench.jobs.is_empty());
    execute(&mut bench, &at(DcmoOperation::Disable));
    assert_eq!(board.takes(), ["Camera false and tells"]);
    assert_eq!(bench.codes([config("DenyUserEnable", "true")]), [200]);
    bench.finish_job();
    assert_eq!(board.takes(), ["Camera deny true"]);
    let mut bench = self::bench(&bench.journal, &board, Reporting::Synchronous);
    bench.finish_job();
    assert_eq!(board.takes(), ["Camera deny true"], "at every start");
    assert_eq!(bench.codes([config("DenyUserEnable", "false")]), [200]);
    bench.finish_job();
    assert_eq!(board.takes(), ["Camera deny false"]);
    assert_eq!(alerts(&mut bench), []);
}

#[test]
fn the_tree_says_what_the_device_denies() {
    let denied = |bench: &Bench| bench.value("./DCMO/Camera/DCMOConfig/DenyUserEnable");
    let (mut bench, board) = new();
    board.will(Err(Failure::Failed));
    assert_eq!(bench.codes([config("DenyUserEnable", "true")]), [200]);
    bench.finish_job();
    assert_eq!(denied(&bench).as_deref(), Some("false"), "it could not");
    board.will(Ok(()));
    // One that hangs counts as failed, and is brought in line should it end.
    assert_eq!(bench.codes([config("DenyUserEnable", "true")]), [200]);
    bench.advance(60 * SECOND);
    assert_eq!(denied(&bench).as_deref(), Some("false"));
    board.takes();
    bench.finish_job();
    bench.finish_job();
    assert_eq!(board.takes(), ["Camera deny true", "Camera deny false"]);
    assert!(bench.jobs.is_empty());
    assert_eq!(alerts(&mut bench), []);
}

/// A server that does not wait has no more than one job for each capability.
#[test]
fn what_a_server_says_often_is_asked_for_once() {
    let (mut bench, board) = new();
    let deny = |value| config("DenyUserEnable", value);
    let flips = (0..41).map(|flip| deny(if flip % 2 == 0 { "true" } else { "false" }));
    bench.codes(flips);
    assert_eq!(bench.jobs.len(), 1);
    bench.codes([deny("false")]);
    while !bench.jobs.is_empty() {
        bench.finish_job();
    }
    assert_eq!(board.takes(), ["Camera deny true", "Camera deny false"]);
}

/// The server's word outlives a restart of the device, whatever the hardware came up with.
#[test]
fn what_differs_is_in_force_again_before_a_server_looks() {
    for operation in DcmoOperation::ALL {
        let (mut bench, board) = new();
        execute(&mut bench, &at(operation));
        board.takes();
        for found in [false, true] {
            board.is("Camera", found, None);
            let mut bench = self::bench(&bench.journal, &board, Reporting::Synchronous);
            let wanted = operation.enables();
            assert_eq!(enabled(&bench), wanted.to_string());
            if found == wanted {
                assert!(bench.jobs.is_empty());
            } else {
                assert!(bench.jobs.first_key_value().unwrap().1.before_sessions);
                bench.finish_job();
                assert_eq!(board.takes(), [format!("Camera {wanted}")]);
            }
        }
    }
}

#[test]
fn what_takes_long_is_told_by_an_alert() {
    for (end, code, mark) in [
        (Ok(()), "1200", None),
        (Err(Failure::Failed), "1450", Some(Mark::Warning)),
    ] {
        for reporting in [Reporting::Synchronous, Reporting::Asynchronous] {
            let board = Board::default();
            let mut bench = bench(&TestJournal::default(), &board, reporting);
            board.will(end);
            bench.start();
            let correlator = Correlator::new("c7");
            let exec = request::exec(&at(DcmoOperation::Disable), Some(&correlator));
            let answer = bench.say([exec]).unwrap_or_else(|| {
                bench.advance(30 * SECOND);
                bench.read().unwrap()
            });
            assert_eq!(outcome(&answer), (202, String::new()));
            bench.finish_job();
            bench.say([]);
            let said = only(alerts(&mut bench));
            assert_eq!(said, (code.to_owned(), mark, Some("c7".to_owned())));
            assert!(bench.client.is_idle());
        }
    }
}

#[test]
fn what_a_restart_interrupted_is_done_again_and_told() {
    for operation in DcmoOperation::ALL {
        let (mut bench, board) = new();
        bench.start();
        assert_eq!(bench.say([request::exec(&at(operation), None)]), None);
        let mut bench = self::bench(&bench.journal, &board, Reporting::Synchronous);
        let mut jobs = bench.jobs.values();
        assert!(jobs.all(|job| job.before_sessions), "{operation:?}");
        bench.finish_job();
        assert_eq!(board.takes(), [format!("Camera {}", operation.enables())]);
        assert_eq!(enabled(&bench), operation.enables().to_string());
        assert_eq!(only(alerts(&mut bench)), ("1200".to_owned(), None, None));
        assert!(bench.journal.records(SPACE).is_empty());
    }
}

#[test]
fn what_was_taken_out_meanwhile_is_told_as_failed() {
    let (mut bench, board) = new();
    bench.start();
    bench.say([request::exec(&at(DcmoOperation::Disable), None)]);
    board.0.lock().unwrap().list.remove("Camera");
    let mut bench = self::bench(&bench.journal, &board, Reporting::Synchronous);
    assert!(bench.jobs.is_empty());
    let said = only(alerts(&mut bench));
    assert_eq!(said, ("1400".to_owned(), Some(Mark::Warning), None));
}

#[test]
fn one_operation_at_a_time_at_each_capability() {
    let board = Board::default();
    let mut bench = bench(&TestJournal::default(), &board, Reporting::Asynchronous);
    let enable = at(DcmoOperation::Enable);
    let disable = at(DcmoOperation::Disable);
    let exec = |at: &str| request::exec(at, None);
    let usb = exec("./DCMO/USB/Operations/Disable");
    assert_eq!(
        bench.codes([exec(&disable), exec(&enable), usb]),
        [202, 405, 202]
    );
    bench.finish_job();
    assert_eq!(bench.codes([exec(&enable)]), [202]);
}

#[test]
fn what_never_ends_has_failed_and_may_still_end() {
    let (mut bench, board) = new();
    bench.start();
    bench.say([request::exec(&at(DcmoOperation::Disable), None)]);
    bench.advance(60 * SECOND);
    bench.read();
    bench.say([]);
    let said = only(alerts(&mut bench));
    assert_eq!(said, ("1450".to_owned(), Some(Mark::Warning), None));
    assert_eq!(enabled(&bench), "true");
    bench.finish_job();
    assert_eq!(enabled(&bench), "false", "Enabled tells the truth");
    assert_eq!(alerts(&mut bench), []);
    assert_eq!(board.takes(), ["Camera false"]);
}

#[test]
fn a_job_that_is_lost_has_failed() {
    let (mut bench, _) = new();
    bench.start();
    bench.say([request::exec(&at(DcmoOperation::Disable), None)]);
    let (job, _) = bench.jobs.pop_first().unwrap();
    let end = JobEnd::Lost;
    bench
        .feed(omadm_client::Input::Completed { job, end })
        .unwrap();
    assert_eq!(outcome(&bench.read().unwrap()), (500, "1450".into()));
}

#[test]
fn what_is_not_allowed_is_refused() {
    let bool = |at: &str| request::replace(at, Leaf::new(Format::Bool, "false"));
    let exec = |at: &str| request::exec(at, None);
    for (command, code) in [
        (bool("./DCMO/Camera/Enabled"), 405),
        (bool("./DCMO/USB/Attached"), 405),
        (
            request::replace("./DCMO/Camera/Group", Leaf::new(Format::Chr, "x")),
            405,
        ),
        (
            request::replace(
                "./DCMO/Camera/DCMOConfig/NotifyUser",
                Leaf::new(Format::Chr, "x"),
            ),
            415,
        ),
        (request::add_node("./DCMO/Mine", None), 405),
        (request::delete("./DCMO/Camera"), 405),
        (request::delete("./DCMO"), 405),
        (request::get("./DCMO/Camera/Operations/Enable"), 405),
        (exec("./DCMO/Camera/Operations/enable"), 404),
        (exec("./DCMO/Camera/Operations"), 405),
        (exec("./DCMO/Camera"), 405),
        (exec("./DCMO/NFC/Operations/Enable"), 404),
    ] {
        let (mut bench, board) = new();
        let before = bench.dump();
        let shown = format!("{command:?}");
        assert_eq!(bench.codes([command]), [code], "{shown}");
        assert_eq!(bench.dump(), before, "{shown}");
        assert_eq!(board.takes(), [""; 0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Enabled is what the last operation that succeeded said, over restarts.
    #[test]
    fn any_operations_in_any_order(
        steps in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 0..12),
    ) {
        let (mut bench, board) = new();
        let mut expected = true;
        for (enable, fails, restarts) in steps {
            board.will(if fails { Err(Failure::Failed) } else { Ok(()) });
            let operation = DcmoOperation::ALL[usize::from(!enable)];
            execute(&mut bench, &at(operation));
            expected = if fails { expected } else { enable };
            if restarts {
                bench = self::bench(&bench.journal, &board, Reporting::Synchronous);
            }
            prop_assert_eq!(enabled(&bench), expected.to_string());
        }
        let camera = board.0.lock().unwrap().list["Camera"].0;
        prop_assert_eq!(camera, expected);
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
