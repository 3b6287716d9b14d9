//! LAWMO on a device: every operation in every state, what is reported and how, restarts, refusals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use omadm_core::{Correlator, Format, GenericAlert, Journal, JournalErrorKind, Mark, Space};
use omadm_mo::{JobEnd, Reporting};
use omadm_objects::{
    ALERT_LAWMO, Failure, Lawmo, LawmoOperation, LockState, Locker, WipeItem, Wiped,
};
use omadm_session::request::{self, Leaf};
use omadm_syncml::{Command, Exec, Item, Message};
use omadm_testkit::{Bench, TestJournal, again_over_wbxml, data, device, uri};

const SECOND: Duration = Duration::from_secs(1);
const SPACE: Space = Space::new("operations");

/// A lock that notes what it is asked for, and does what it is told to.
#[derive(Clone)]
struct Lock(Arc<Mutex<Inner>>);

struct Inner {
    calls: Vec<String>,
    next: Result<Wiped, Failure>,
    list: Vec<&'static str>,
}

impl Default for Lock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            calls: Vec::new(),
            next: Ok(Wiped::Data),
            list: vec!["mail", "photos"],
        })))
    }
}

impl Lock {
    fn takes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    fn will(&self, next: Result<Wiped, Failure>) {
        self.0.lock().unwrap().next = next;
    }

    fn call(&self, call: String, notify: bool) -> Result<Wiped, Failure> {
        let mut inner = self.0.lock().unwrap();
        let told = if notify { " and tells" } else { "" };
        inner.calls.push(call + told);
        inner.next
    }
}

impl Locker for Lock {
    fn lock(&self, state: LockState, notify: bool) -> Result<(), Failure> {
        self.call(format!("{state:?}"), notify).map(|_| ())
    }

    fn wipe_list(&self) -> Vec<WipeItem> {
        let list = self.0.lock().unwrap().list.clone();
        let item = |node: &str| WipeItem {
            node: node.to_owned(),
            name: format!("All {node}"),
        };
        list.into_iter().map(item).collect()
    }

    fn wipe(&self, items: &[String], notify: bool) -> Result<Wiped, Failure> {
        self.call(format!("wipe {}", items.join("+")), notify)
    }

    fn factory_reset(&self, notify: bool) -> Result<(), Failure> {
        self.call("reset".to_owned(), notify).map(|_| ())
    }
}

/// A device with LAWMO, new or as it was left.
fn bench(journal: &TestJournal, lock: &Lock, reporting: Reporting) -> Bench {
    let (tree, mut registry, lamp) = device(journal);
    let lawmo = Lawmo::new(uri("./LAWMO"), Arc::new(lock.clone()), journal).unwrap();
    let lawmo = lawmo.reporting(reporting).time_limit(60 * SECOND);
    registry.mount(Box::new(lawmo)).unwrap();
    Bench::with(tree, registry, lamp, journal.clone(), Bench::config()).unwrap()
}

fn new() -> (Bench, Lock) {
    let lock = Lock::default();
    let journal = TestJournal::default();
    (bench(&journal, &lock, Reporting::Synchronous), lock)
}

fn exec(operation: LawmoOperation) -> Command<'static> {
    exec_at(&format!("./LAWMO/Operations/{}", operation.name()))
}

fn exec_at(at: &str) -> Command<'static> {
    request::exec(at, None)
}

fn mark(item: &str) -> Command<'static> {
    let at = format!("./LAWMO/AvailableWipeList/{item}/ToBeWiped");
    request::replace(&at, Leaf::new(Format::Bool, "true"))
}

/// Executes an operation to its end: the status and the result.
fn execute(bench: &mut Bench, operation: LawmoOperation) -> (u16, String) {
    bench.start();
    let answer = bench.say([exec(operation)]).or_else(|| {
        bench.finish_job();
        bench.read()
    });
    let answer = answer.unwrap();
    bench.say([]);
    outcome(&answer)
}

fn outcome(answer: &Message<'_>) -> (u16, String) {
    let status = answer
        .commands
        .iter()
        .rev()
        .find_map(|command| match command {
            Command::Status(status) if status.cmd.as_ref() == "Exec" => Some(status),
            _ => None,
        });
    let status = status.unwrap();
    let result = status.items.first().map(data).unwrap_or_default();
    (status.code.get(), result)
}

/// The alerts a device brings along in its next session.
fn alerts(bench: &mut Bench) -> Vec<GenericAlert> {
    let setup = bench.start();
    bench.say([]);
    let of = |command: &Command<'_>| match command {
        Command::Alert(alert) => alert.generic_alerts().ok(),
        _ => None,
    };
    setup.commands.iter().filter_map(of).flatten().collect()
}

fn state(bench: &Bench) -> u8 {
    bench.value("./LAWMO/State").unwrap().parse().unwrap()
}

/// The operation that leads to a state.
fn to(state: LockState) -> LawmoOperation {
    match state {
        LockState::FullyLocked => LawmoOperation::FullyLock,
        LockState::PartiallyLocked => LawmoOperation::PartiallyLock,
        LockState::Unlocked => LawmoOperation::UnLock,
    }
}

/// Operation, State after success (0: as it was), what the lock is asked for, result codes of
/// success, `Failed`, `Cancelled` and `Client`.
const TABLE: [(LawmoOperation, u8, &str, [&str; 4]); 5] = {
    use LawmoOperation::*;
    [
        (
            FullyLock,
            10,
            "FullyLocked",
            ["1200", "1402", "1401", "1400"],
        ),
        (
            PartiallyLock,
            20,
            "PartiallyLocked",
            ["1200", "1403", "1401", "1400"],
        ),
        (UnLock, 30, "Unlocked", ["1200", "1404", "1401", "1400"]),
        (FactoryReset, 0, "reset", ["1200", "1400", "1401", "1400"]),
        (Wipe, 0, "wipe mail", ["1201", "1405", "1401", "1400"]),
    ]
};

/// VR-035, VR-036: FullyLock locks, UnLock unlocks.
#[test]
fn every_operation_in_every_state_with_every_end() {
    assert_eq!(TABLE.map(|row| row.0), LawmoOperation::ALL);
    for (operation, after, call, codes) in TABLE {
        for before in LockState::ALL {
            let (mut bench, lock) = new();
            bench.codes([mark("mail")]);
            assert_eq!(execute(&mut bench, to(before)), (200, "1200".into()));
            for (failure, code) in [Failure::Failed, Failure::Cancelled, Failure::Client]
                .into_iter()
                .zip(&codes[1..])
            {
                lock.takes();
                lock.will(Err(failure));
                let got = execute(&mut bench, operation);
                assert_eq!(got, (500, (*code).to_owned()), "{operation:?} {before:?}");
                assert_eq!(lock.takes(), [call]);
                assert_eq!(state(&bench), before.value(), "a failure changes nothing");
            }
            lock.will(Ok(Wiped::Data));
            let got = execute(&mut bench, operation);
            assert_eq!(got, (200, codes[0].to_owned()), "{operation:?} {before:?}");
            let expected = if after == 0 { before.value() } else { after };
            assert_eq!(state(&bench), expected, "{operation:?} {before:?}");
            assert!(bench.journal.records(SPACE).is_empty());
            assert_eq!(alerts(&mut bench), []);
        }
    }
}

#[test]
fn a_device_starts_unlocked_and_says_what_can_be_wiped() {
    let (bench, lock) = new();
    assert_eq!(state(&bench), 30);
    let list = |leaf: &str| bench.value(&format!("./LAWMO/AvailableWipeList/{leaf}"));
    assert_eq!(list("photos/ListItemName").as_deref(), Some("All photos"));
    assert_eq!(list("photos/ToBeWiped").as_deref(), Some("false"));
    assert_eq!(
        bench.value("./LAWMO/LAWMOConfig/NotifyUser").as_deref(),
        Some("false")
    );
    assert_eq!(lock.takes(), [""; 0]);
    let root = bench.client.tree().node(&uri("./LAWMO")).unwrap();
    assert_eq!(root.node_type(), "urn:oma:mo:oma-lawmo:1.0");
}

#[test]
fn a_wipe_erases_what_is_marked() {
    let (mut bench, lock) = new();
    assert_eq!(
        execute(&mut bench, LawmoOperation::Wipe),
        (500, "1406".into()),
        "nothing is marked"
    );
    assert_eq!(lock.takes(), [""; 0]);
    assert_eq!(bench.codes([mark("photos")]), [200]);
    lock.will(Ok(Wiped::Nothing));
    assert_eq!(
        execute(&mut bench, LawmoOperation::Wipe),
        (500, "1406".into())
    );
    lock.will(Ok(Wiped::DataAndItems));
    assert_eq!(
        execute(&mut bench, LawmoOperation::Wipe),
        (200, "1202".into())
    );
    assert_eq!(lock.takes(), ["wipe photos", "wipe photos"]);
    assert_eq!(
        bench.value("./LAWMO/AvailableWipeList/photos/ToBeWiped"),
        None
    );
    assert!(
        bench
            .value("./LAWMO/AvailableWipeList/mail/ToBeWiped")
            .is_some()
    );
}

#[test]
fn the_list_follows_the_device_over_restarts() {
    let (mut bench, lock) = new();
    assert_eq!(bench.codes([mark("photos"), mark("mail")]), [200, 200]);
    lock.0.lock().unwrap().list = vec!["photos", "music"];
    let bench = self::bench(&bench.journal, &lock, Reporting::Synchronous);
    let marked = |item: &str| bench.value(&format!("./LAWMO/AvailableWipeList/{item}/ToBeWiped"));
    assert_eq!(marked("photos").as_deref(), Some("true"));
    assert_eq!(marked("music").as_deref(), Some("false"));
    assert_eq!(marked("mail"), None);
}

#[test]
fn the_user_is_told_if_the_server_says_so() {
    let (mut bench, lock) = new();
    let notify = request::replace(
        "./LAWMO/LAWMOConfig/NotifyUser",
        Leaf::new(Format::Bool, "true"),
    );
    assert_eq!(bench.codes([notify, mark("mail")]), [200, 200]);
    for operation in LawmoOperation::ALL {
        execute(&mut bench, operation);
    }
    assert!(lock.takes().iter().all(|call| call.ends_with(" and tells")));
}

/// What an alert says, without its type, format and source, which are always the same.
fn check(alert: &GenericAlert, operation: LawmoOperation) -> (String, Option<Mark>, Option<&str>) {
    assert_eq!(alert.alert_type, ALERT_LAWMO);
    assert_eq!(alert.format, Format::Int);
    let source = format!("./LAWMO/Operations/{}", operation.name());
    assert_eq!(alert.source, Some(source));
    let correlator = alert.correlator.as_ref().map(Correlator::as_str);
    (alert.data.clone(), alert.mark, correlator)
}

#[test]
fn what_takes_long_is_told_by_an_alert() {
    for (end, code, mark) in [
        (Ok(Wiped::Data), "1200", None),
        (Err(Failure::Failed), "1402", Some(Mark::Warning)),
    ] {
        let (mut bench, lock) = new();
        lock.will(end);
        bench.start();
        let at = "./LAWMO/Operations/FullyLock";
        let lock = request::exec(at, Some(&Correlator::new("c7")));
        assert_eq!(bench.say([lock]), None);
        bench.advance(30 * SECOND);
        assert_eq!(outcome(&bench.read().unwrap()), (202, String::new()));
        bench.finish_job();
        bench.say([]);
        let alerts = alerts(&mut bench);
        assert_eq!(alerts.len(), 1);
        let said = check(&alerts[0], LawmoOperation::FullyLock);
        assert_eq!(said, (code.to_owned(), mark, Some("c7")));
        assert!(bench.journal.records(SPACE).is_empty());
        assert!(bench.client.is_idle());
    }
}

#[test]
fn every_operation_can_be_asynchronous() {
    for (operation, _, _, codes) in TABLE {
        let lock = Lock::default();
        let mut bench = bench(&TestJournal::default(), &lock, Reporting::Asynchronous);
        bench.codes([mark("mail")]);
        assert_eq!(bench.codes([exec(operation)]), [202]);
        bench.finish_job();
        let alerts = alerts(&mut bench);
        assert_eq!(alerts.len(), 1);
        let said = check(&alerts[0], operation);
        assert_eq!(said, (codes[0].to_owned(), None, None));
    }
}

/// [LAWMO] State outlives a restart; here the lock is in force again before a server can look.
#[test]
fn a_lock_outlives_a_restart() {
    for before in LockState::ALL {
        let (mut bench, lock) = new();
        execute(&mut bench, to(before));
        lock.takes();
        lock.will(Err(Failure::Failed));
        let mut bench = self::bench(&bench.journal, &lock, Reporting::Synchronous);
        assert_eq!(state(&bench), before.value());
        let locked = before != LockState::Unlocked;
        assert_eq!(bench.jobs.len(), usize::from(locked));
        if locked {
            assert!(bench.jobs.first_key_value().unwrap().1.before_sessions);
            bench.finish_job();
            assert_eq!(lock.takes(), [format!("{before:?}")]);
        }
        assert_eq!(state(&bench), before.value(), "a fault does not unlock");
        assert_eq!(alerts(&mut bench), []);
    }
}

#[test]
fn what_a_restart_interrupted_is_done_again_and_told() {
    for (operation, after, call, codes) in TABLE {
        let (mut bench, lock) = new();
        bench.codes([mark("mail")]);
        bench.start();
        let at = format!("./LAWMO/Operations/{}", operation.name());
        let asked = request::exec(&at, Some(&Correlator::new("c1")));
        assert_eq!(bench.say([asked]), None);
        assert_eq!(bench.journal.records(SPACE).len(), 1);
        // Off before the job had a chance.
        let mut bench = self::bench(&bench.journal, &lock, Reporting::Synchronous);
        assert_eq!(bench.jobs.len(), 1);
        // A server that looks finds State as the lock is.
        let job = bench.jobs.first_key_value().unwrap().1;
        assert_eq!(job.before_sessions, after != 0, "{operation:?}");
        bench.finish_job();
        assert_eq!(lock.takes(), [call]);
        assert_eq!(state(&bench), if after == 0 { 30 } else { after });
        let alerts = alerts(&mut bench);
        let said = check(&alerts[0], operation);
        assert_eq!(said, (codes[0].to_owned(), None, Some("c1")));
        let bench = self::bench(&bench.journal, &lock, Reporting::Synchronous);
        assert!(bench.journal.records(SPACE).is_empty());
    }
}

#[test]
fn a_wipe_that_has_lost_its_items_is_told_as_not_performed() {
    let (mut bench, lock) = new();
    bench.codes([mark("mail")]);
    bench.start();
    assert_eq!(bench.say([exec(LawmoOperation::Wipe)]), None);
    lock.0.lock().unwrap().list.clear();
    let mut bench = self::bench(&bench.journal, &lock, Reporting::Synchronous);
    assert!(bench.jobs.is_empty());
    let alerts = alerts(&mut bench);
    let said = check(&alerts[0], LawmoOperation::Wipe);
    assert_eq!(said, ("1406".to_owned(), Some(Mark::Warning), None));
}

#[test]
fn a_record_that_cannot_be_read_stops_the_start() {
    let journal = TestJournal::default();
    let mut batch = omadm_core::Batch::new();
    batch.put(SPACE, "./LAWMO/Operations/Wipe", [9, 9]);
    journal.commit(&batch).unwrap();
    let lawmo = Lawmo::new(uri("./LAWMO"), Arc::new(Lock::default()), &journal);
    let kind = lawmo.err().map(|error| error.kind());
    assert_eq!(kind, Some(JournalErrorKind::Corrupt));
}

#[test]
fn one_operation_at_a_time() {
    let (mut bench, _) = new();
    bench.start();
    let item = |at: &'static str| Item::new().with_target(at);
    let exec = Exec::new([item("./LAWMO/Operations/FullyLock")]);
    assert_eq!(bench.say([Command::Exec(exec)]), None);
    bench.advance(30 * SECOND);
    bench.read();
    let second = bench.say([exec_at("./LAWMO/Operations/UnLock")]).unwrap();
    assert_eq!(outcome(&second), (405, String::new()));
    bench.finish_job();
    bench.say([]);
    assert_eq!(state(&bench), 10);
    assert_eq!(execute(&mut bench, LawmoOperation::UnLock).0, 200);
}

#[test]
fn what_never_ends_has_failed_and_may_still_end() {
    let (mut bench, _) = new();
    bench.start();
    bench.say([exec(LawmoOperation::FullyLock)]);
    bench.advance(60 * SECOND);
    bench.read();
    bench.say([]);
    let said = alerts(&mut bench);
    let said = check(&said[0], LawmoOperation::FullyLock);
    assert_eq!(said, ("1402".to_owned(), Some(Mark::Warning), None));
    assert_eq!(state(&bench), 30);
    assert_eq!(
        bench.codes([exec(LawmoOperation::UnLock)]),
        [405],
        "it still works"
    );
    bench.finish_job();
    assert_eq!(state(&bench), 10, "State tells the truth");
    assert_eq!(alerts(&mut bench), [], "it was told of");
    assert_eq!(execute(&mut bench, LawmoOperation::UnLock).0, 200);
}

#[test]
fn a_job_that_is_lost_has_failed() {
    let (mut bench, _) = new();
    bench.start();
    bench.say([exec(LawmoOperation::UnLock)]);
    let (job, _) = bench.jobs.pop_first().unwrap();
    let end = JobEnd::Lost;
    bench
        .feed(omadm_client::Input::Completed { job, end })
        .unwrap();
    assert_eq!(outcome(&bench.read().unwrap()), (500, "1404".into()));
}

#[test]
fn a_journal_that_fails_lets_nothing_begin() {
    let (mut bench, lock) = new();
    bench.start();
    bench.journal.fail_once(0, JournalErrorKind::Full);
    let answer = bench.say([exec(LawmoOperation::FullyLock)]).unwrap();
    assert_eq!(outcome(&answer), (420, String::new()));
    assert!(bench.jobs.is_empty());
    bench.say([]);
    assert_eq!(execute(&mut bench, LawmoOperation::FullyLock).0, 200);
    assert_eq!(lock.takes(), ["FullyLocked"]);
}

#[test]
fn an_end_that_cannot_be_made_durable_is_a_failure_until_the_next_start() {
    let (mut bench, lock) = new();
    bench.start();
    bench.say([exec(LawmoOperation::FullyLock)]);
    bench.journal.fail_once(0, JournalErrorKind::Full);
    bench.finish_job();
    assert_eq!(outcome(&bench.read().unwrap()), (420, String::new()));
    bench.say([]);
    assert_eq!(state(&bench), 30);
    assert_eq!(bench.journal.records(SPACE).len(), 1);
    let mut bench = self::bench(&bench.journal, &lock, Reporting::Synchronous);
    bench.finish_job();
    assert_eq!(state(&bench), 10);
    let said = alerts(&mut bench);
    let said = check(&said[0], LawmoOperation::FullyLock);
    assert_eq!(said, ("1200".to_owned(), None, None));
}

/// The server knows that it failed, so what it asks for next counts.
#[test]
fn what_a_status_has_told_to_have_failed_is_not_done_after_the_next_exec() {
    let (mut bench, lock) = new();
    bench.start();
    bench.say([exec(LawmoOperation::FullyLock)]);
    bench.journal.fail_once(0, JournalErrorKind::Full);
    bench.finish_job();
    bench.read();
    bench.say([]);
    let done = execute(&mut bench, LawmoOperation::PartiallyLock);
    assert_eq!(done, (200, "1200".into()));
    assert!(bench.journal.records(SPACE).is_empty());
    let mut bench = self::bench(&bench.journal, &lock, Reporting::Synchronous);
    bench.finish_job();
    assert_eq!(state(&bench), 20);
    assert_eq!(
        lock.takes(),
        ["FullyLocked", "PartiallyLocked", "PartiallyLocked"]
    );
    assert_eq!(alerts(&mut bench), []);
}

#[test]
fn what_is_not_allowed_is_refused() {
    let int = |text: &str| Leaf::new(Format::Int, text.to_owned());
    let chr = |text: &str| Leaf::new(Format::Chr, text.to_owned());
    let name = "./LAWMO/AvailableWipeList/mail/ListItemName";
    for (command, code) in [
        (request::replace("./LAWMO/State", int("30")), 405),
        (request::replace(name, chr("x")), 405),
        (
            request::replace("./LAWMO/AvailableWipeList/mail/ToBeWiped", chr("x")),
            415,
        ),
        (
            request::add_node("./LAWMO/AvailableWipeList/mine", None),
            405,
        ),
        (request::delete("./LAWMO/AvailableWipeList/mail"), 405),
        (request::delete("./LAWMO"), 405),
        (request::get("./LAWMO/Operations/Wipe"), 405),
        (exec_at("./LAWMO/Operations/Unlock"), 404),
        (exec_at("./LAWMO/Operations"), 405),
        (exec_at("./LAWMO/State"), 405),
        (exec_at("./LAWMO"), 405),
    ] {
        let (mut bench, lock) = new();
        let before = bench.dump();
        let shown = format!("{command:?}");
        assert_eq!(bench.codes([command]), [code], "{shown}");
        assert_eq!(bench.dump(), before, "{shown}");
        assert_eq!(lock.takes(), [""; 0]);
    }
}

#[test]
fn what_a_device_has_not_is_not_there() {
    let lock = Lock::default();
    let journal = TestJournal::default();
    let (tree, mut registry, lamp) = device(&journal);
    let mut lawmo = Lawmo::new(uri("./LAWMO"), Arc::new(lock), &journal).unwrap();
    for path in [
        "AvailableWipeList",
        "Operations/Wipe",
        "Operations/FactoryReset",
        "LAWMOConfig",
    ] {
        lawmo = lawmo.without(path);
    }
    registry.mount(Box::new(lawmo)).unwrap();
    let mut bench = Bench::with(tree, registry, lamp, journal, Bench::config()).unwrap();
    let codes = bench.codes([
        exec(LawmoOperation::Wipe),
        exec(LawmoOperation::FactoryReset),
        request::get("./LAWMO/AvailableWipeList"),
        request::get("./LAWMO/State"),
    ]);
    assert_eq!(codes, [404, 404, 404, 200]);
    assert_eq!(
        execute(&mut bench, LawmoOperation::FullyLock),
        (200, "1200".into())
    );
}

/// VR-223: an Exec below the tree of one VM locks that VM and no other.
#[test]
fn several_at_their_places_do_not_touch_each_other() {
    let locks = [Lock::default(), Lock::default()];
    let journal = TestJournal::default();
    let roots = ["./Work/DMTree/LAWMO", "./Home/DMTree/LAWMO"];
    let start = || {
        let (tree, mut registry, lamp) = device(&journal);
        for (root, lock) in roots.iter().zip(&locks) {
            let lawmo = Lawmo::new(uri(root), Arc::new(lock.clone()), &journal).unwrap();
            let lawmo = lawmo.reporting(Reporting::Asynchronous);
            registry.mount(Box::new(lawmo)).unwrap();
        }
        Bench::with(tree, registry, lamp, journal.clone(), Bench::config()).unwrap()
    };
    let mut bench = start();
    let asked = roots.map(|root| exec_at(&format!("{root}/Operations/FullyLock")));
    assert_eq!(
        bench.codes(asked.clone()),
        [202, 202],
        "neither is busy for the other"
    );
    drop(bench);
    let mut bench = start();
    assert_eq!(bench.jobs.len(), 2);
    bench.finish_job();
    bench.finish_job();
    let sources: Vec<_> = alerts(&mut bench)
        .into_iter()
        .map(|alert| alert.source)
        .collect();
    let expected = roots.map(|root| Some(format!("{root}/Operations/FullyLock")));
    assert_eq!(sources, expected);
    assert_eq!(
        bench.codes([exec_at("./Work/DMTree/LAWMO/Operations/UnLock")]),
        [202]
    );
    bench.finish_job();
    let state = |root: &str| bench.value(&format!("{root}/State")).unwrap();
    assert_eq!(roots.map(state), ["30", "10"]);
}

#[test]
fn all_of_this_over_wbxml_too() {
    again_over_wbxml();
}
