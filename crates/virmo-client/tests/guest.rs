//! Device management of a VM by the shared DM client, from the server's messages to the guest and
//! back. [VirMO §11.2]
#![cfg(feature = "dm-tree")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use omadm_client::{Event as Engine, Input};
use omadm_core::{Batch, Correlator, Format, GenericAlert, JournalErrorKind, Now, Space};
use omadm_download::{
    Cancel, Clock, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest, MemorySink, Receiver,
};
use omadm_mo::JobEnd;
use omadm_syncml::{Command, Exec, Group, Item, Message, Meta, NodeCommand};
use omadm_testkit::{Bench, TestJournal, data, results, statuses, uri};
use omadm_tree::{Uri, Value};
use virmo_client::{Event, Policy, VirmoClient};
use virmo_guest::MemoryGuest;
use virmo_hypervisor::{Hypervisor, PowerOff, VmSpec};
use virmo_simulator::{Misbehaviour, Simulator};
use virmo_state::VmId;

#[path = "guest/objects.rs"]
mod objects;

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}

struct NoNetwork;

impl Fetch for NoNetwork {
    fn fetch(&self, _: &FetchRequest<'_>, _: &mut dyn Receiver) -> Result<Ending, FetchError> {
        Err(FetchErrorKind::Unreachable.into())
    }
}

struct NoTime;

impl Clock for NoTime {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wait(&self, _: Duration, _: &Cancel) {}
}

/// A device with a running VM `v`.
struct Bed {
    bench: Bench,
    simulator: Arc<Simulator>,
    /// The simulator, or what stands before it.
    hypervisor: Arc<dyn Hypervisor>,
    vm: VmId,
    told: Arc<Mutex<Vec<Event>>>,
    policy: Policy,
    /// The alerts that came with the answers to packages.
    heard: Vec<GenericAlert>,
    _folder: tempfile::TempDir,
}

const V: &str = "./VirMO/v";
const DM_TREE: &str = "./VirMO/v/DMTree";
const SETTINGS: &str = "./VirMO/v/DMTree/Settings";
const VOLUME: &str = "./VirMO/v/DMTree/Settings/volume";
const RESOURCES: &str = "RAM=1&Storage=10&CPU=1&Network=1";
const RING: &str = "./VirMO/v/DMTree/Settings/ring";

impl Bed {
    fn new() -> Self {
        Self::with_policy(Self::policy())
    }

    fn policy() -> Policy {
        let mut policy = Policy::default();
        policy.watch = None;
        policy.alert_type = Some("Reversed-Domain-Name: com.example.result".to_owned());
        policy.guest_encoding = omadm_testkit::encoding();
        policy
    }

    fn with_policy(policy: Policy) -> Self {
        Self::on(policy, |simulator| simulator)
    }

    fn on(policy: Policy, before: impl FnOnce(Arc<Simulator>) -> Arc<dyn Hypervisor>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        fs::write(&image, "an image").unwrap();
        let simulator = Simulator::builder(folder.path().join("machines"));
        let simulator = Arc::new(simulator.without_sync().open().unwrap());
        let vm: VmId = "vm-1".parse().unwrap();
        let resources = RESOURCES.parse().unwrap();
        let spec = VmSpec::new(vm.clone(), &image, "application/octet-stream", resources);
        simulator.create(&spec).unwrap();
        simulator.power_on(&vm).unwrap();
        let (told, journal) = (Arc::default(), TestJournal::default());
        let hypervisor = before(simulator.clone());
        let bench = device(&hypervisor, &policy, &told, journal);
        let mut bed = Self {
            bench,
            simulator,
            hypervisor,
            vm,
            told,
            policy,
            heard: Vec::new(),
            _folder: folder,
        };
        bed.work();
        bed
    }

    /// A device that manages its VM, which has settings.
    fn managed() -> Self {
        let mut bed = Self::new();
        bed.manage();
        bed
    }

    fn manage(&mut self) {
        let codes = self.codes(vec![
            add(DM_TREE, None),
            add(SETTINGS, None),
            add(VOLUME, Some(Value::int(5))),
            add(RING, Some(Value::null())),
        ]);
        assert_eq!(codes, [200, 200, 200, 200]);
    }

    /// Runs all jobs but the watch.
    fn work(&mut self) {
        loop {
            let jobs = &mut self.bench.jobs;
            let next = jobs.iter().find(|(_, job)| !job.label.starts_with("Watch"));
            let Some(id) = next.map(|(id, _)| *id) else {
                return;
            };
            let job = jobs.remove(&id).unwrap();
            let (job, end) = (job.id, JobEnd::Finished(job.run()));
            self.bench.feed(Input::Completed { job, end }).unwrap();
        }
    }

    /// Lets the watch look, and what follows from that.
    fn watch(&mut self) {
        let mut jobs = self.bench.jobs.iter();
        let watch = jobs.find(|(_, job)| job.label.starts_with("Watch"));
        let id = *watch.unwrap().0;
        let job = self.bench.jobs.remove(&id).unwrap();
        let (job, end) = (job.id, JobEnd::Finished(job.run()));
        self.bench.feed(Input::Completed { job, end }).unwrap();
        self.work();
    }

    /// What the device answers to a package of these commands, and the end of the session.
    fn run(&mut self, commands: Vec<Command<'static>>) -> Message<'static> {
        self.bench.start();
        let answer = self.bench.say(commands);
        let answer = answer.unwrap_or_else(|| {
            self.work();
            self.bench.read().unwrap()
        });
        self.heard.extend(alerts(&answer));
        self.bench.say([]);
        self.work();
        answer
    }

    fn codes(&mut self, commands: Vec<Command<'static>>) -> Vec<u16> {
        let answer = self.run(commands);
        statuses(&answer)
            .into_iter()
            .map(|(_, code)| code)
            .collect()
    }

    /// The alerts the server heard since it was asked last, and those it hears now.
    fn alerts(&mut self) -> Vec<GenericAlert> {
        let package = self.bench.start();
        self.bench.say([]);
        self.work();
        self.heard.extend(alerts(&package));
        std::mem::take(&mut self.heard)
    }

    fn guest<R>(&self, look: impl FnOnce(&mut MemoryGuest) -> R) -> R {
        self.simulator.guest(&self.vm, look).unwrap()
    }

    fn volume_in_guest(&self) -> Option<Value> {
        self.guest(|guest| guest.value(&uri("./Settings/volume")).cloned())
    }

    fn has(&self, node: &str) -> bool {
        self.bench.client.tree().node(&uri(node)).is_some()
    }

    /// Turns the device off and on again, in the midst of whatever it does; the VM runs on.
    fn restart(&mut self) {
        let journal = self.bench.journal.clone();
        self.bench = device(&self.hypervisor, &self.policy, &self.told, journal);
        self.work();
    }
}

fn alerts(message: &Message<'_>) -> Vec<GenericAlert> {
    let alerts = message.commands.iter().filter_map(|command| match command {
        Command::Alert(alert) => alert.generic_alerts().ok(),
        _ => None,
    });
    alerts.flatten().collect()
}

fn device(
    hypervisor: &Arc<dyn Hypervisor>,
    policy: &Policy,
    told: &Arc<Mutex<Vec<Event>>>,
    journal: TestJournal,
) -> Bench {
    let durable = Arc::new(journal.clone());
    let told = Arc::clone(told);
    let client = VirmoClient::builder(
        hypervisor.clone(),
        Arc::new(NoNetwork),
        Arc::new(MemorySink::new()),
        durable.clone(),
        Arc::new(NoTime),
    );
    let client = client
        .policy(policy.clone())
        .observer(move |event| told.lock().unwrap().push(event))
        .build()
        .unwrap();
    let (mut tree, mut registry, lamp) = omadm_testkit::device(&journal);
    registry.mount(Box::new(client)).unwrap();
    if tree.node(&uri(V)).is_none() {
        let mut transaction = tree.begin(Now::default());
        let layout = registry.layout();
        let below = |name: &str| -> Uri { uri(&format!("{V}/{name}")) };
        transaction.add_interior(layout, &uri(V)).unwrap();
        for (leaf, value) in [
            ("VMID", Value::chr("vm-1")),
            ("State", Value::int(2)),
            ("Resources/CurrentConfig", Value::chr(RESOURCES)),
        ] {
            transaction.set(layout, &below(leaf), value).unwrap();
        }
        transaction.commit(&*durable, Batch::new()).unwrap();
    }
    let config = Bench::config();
    Bench::with(tree, registry, lamp, journal, config).unwrap()
}

fn item(at: &str, value: Option<Value>) -> Item<'static> {
    let format = value.as_ref().map_or(Format::Node, Value::format);
    let meta = Meta::new().with_format(format);
    let item = Item::new().with_target(at.to_owned()).with_meta(meta);
    match value.as_ref().and_then(Value::text) {
        Some(text) if !text.is_empty() => item.with_data(text.to_owned()),
        _ => item,
    }
}

fn add(at: &str, value: Option<Value>) -> Command<'static> {
    Command::Add(NodeCommand::new([item(at, value)]))
}

fn replace(at: &str, value: Value) -> Command<'static> {
    Command::Replace(NodeCommand::new([item(at, Some(value))]))
}

fn delete(at: &str) -> Command<'static> {
    Command::Delete(NodeCommand::new([Item::new().with_target(at.to_owned())]))
}

fn get(at: &str) -> Command<'static> {
    Command::Get(NodeCommand::new([Item::new().with_target(at.to_owned())]))
}

fn exec(at: &str) -> Command<'static> {
    let item = Item::new().with_target(at.to_owned()).with_data("loud");
    Command::Exec(Exec::new([item]).with_correlator("c-7"))
}

/// VR-216, VR-217, VR-226, VR-230, VR-278, HLF-07: what a server writes below DMTree is in the
/// guest under its own addresses, and in the device's tree under the server's.
#[test]
fn what_a_server_writes_is_in_the_guest_and_in_the_tree() {
    let mut bed = Bed::managed();
    assert_eq!(bed.volume_in_guest(), Some(Value::int(5)));
    assert_eq!(bed.bench.value(VOLUME).as_deref(), Some("5"));
    assert_eq!(bed.codes(vec![replace(VOLUME, Value::int(7))]), [200]);
    assert_eq!(bed.volume_in_guest(), Some(Value::int(7)));
    let answer = bed.run(vec![get(VOLUME), get(SETTINGS)]);
    let values: Vec<String> = results(&answer).iter().map(data).collect();
    assert_eq!(values, ["7", "ring/volume"]);
    let copy = Item::new()
        .with_source(VOLUME)
        .with_target(format!("{SETTINGS}/copy"));
    assert_eq!(
        bed.codes(vec![Command::Copy(NodeCommand::new([copy]))]),
        [200]
    );
    let copied = bed.guest(|guest| guest.value(&uri("./Settings/copy")).cloned());
    assert_eq!(copied, Some(Value::int(7)));
    assert_eq!(bed.codes(vec![delete(SETTINGS)]), [200]);
    assert!(!bed.guest(|guest| guest.contains(&uri("./Settings"))));
    assert!(!bed.has(SETTINGS));
}

/// VR-220: a guest that is no longer managed keeps what it has.
#[test]
fn the_end_of_management_deletes_nothing_in_the_guest() {
    let mut bed = Bed::managed();
    assert_eq!(bed.codes(vec![delete(DM_TREE)]), [200]);
    assert!(!bed.has(DM_TREE));
    assert_eq!(bed.volume_in_guest(), Some(Value::int(5)));
    // Managed again, it is brought in step.
    bed.manage();
    assert_eq!(bed.codes(vec![replace(VOLUME, Value::int(6))]), [200]);
    assert_eq!(bed.volume_in_guest(), Some(Value::int(6)));
}

/// VR-222, VR-231: an Exec is the guest's, and its alert is from an address the server knows.
#[test]
fn an_exec_is_the_guests_and_its_alert_comes_with_a_known_address() {
    let mut bed = Bed::managed();
    assert_eq!(bed.codes(vec![exec(RING)]), [200]);
    let alerts = bed.alerts();
    let [alert] = &*alerts else {
        panic!("{alerts:?}")
    };
    assert_eq!(alert.source.as_deref(), Some(RING));
    assert_eq!(alert.alert_type, MemoryGuest::EXECUTED);
    assert_eq!(alert.data, "loud");
    // Told once, as it is kept.
    assert_eq!(bed.codes(vec![replace(VOLUME, Value::int(1))]), [200]);
    assert_eq!(bed.alerts(), []);
    assert_eq!(
        bed.codes(vec![exec(VOLUME), exec(SETTINGS), exec(DM_TREE)]),
        [405, 405, 405]
    );
}

/// VR-231: a guest that answers later says so by its own alert, with the Correlator.
#[test]
fn a_guest_may_answer_later() {
    let mut bed = Bed::managed();
    bed.guest(|guest| guest.set_slow(true));
    assert_eq!(bed.codes(vec![exec(RING)]), [202]);
    let alerts = bed.alerts();
    let [alert] = &*alerts else {
        panic!("{alerts:?}")
    };
    assert_eq!(alert.source.as_deref(), Some(RING));
    assert_eq!(alert.correlator, Some(Correlator::new("c-7")));
}

/// VR-231: an Exec that takes longer than the engine waits is answered with 202, and its outcome by
/// the vendor's alert.
#[test]
fn an_exec_that_takes_long_is_answered_later() {
    let mut bed = Bed::managed();
    bed.bench.start();
    assert_eq!(bed.bench.say([exec(RING)]), None);
    bed.bench.advance(Duration::from_secs(30));
    let answer = bed.bench.read().unwrap();
    assert_eq!(statuses(&answer), [("Exec".to_owned(), 202)]);
    bed.bench.say([]);
    // The guest is busy with it.
    bed.bench.start();
    let answer = bed.bench.say([exec(RING)]).unwrap();
    assert_eq!(statuses(&answer), [("Exec".to_owned(), 405)]);
    bed.bench.say([]);
    bed.work();
    let sources: Vec<_> = bed
        .alerts()
        .into_iter()
        .map(|alert| (alert.source, alert.data))
        .collect();
    let ring = Some(RING.to_owned());
    assert_eq!(
        sources,
        [(ring.clone(), "loud".to_owned()), (ring, "200".to_owned())]
    );
}

/// The journal could not keep what came of an Exec that was answered with 202: it is reported as
/// failed after a pause, without any command and any restart.
#[test]
fn an_exec_whose_end_is_not_kept_is_reported() {
    let mut bed = Bed::managed();
    bed.bench.start();
    assert_eq!(bed.bench.say([exec(RING)]), None);
    bed.bench.advance(Duration::from_secs(30));
    bed.bench.read().unwrap();
    bed.bench.say([]);
    bed.bench.journal.fail_once(0, JournalErrorKind::Full);
    bed.work();
    let failed = |bed: &mut Bed| {
        let alerts = bed.alerts().into_iter();
        alerts.filter(|alert| alert.data == "500").count()
    };
    assert_eq!(failed(&mut bed), 0);
    bed.bench.advance(Duration::from_secs(3600));
    assert_eq!(failed(&mut bed), 1);
    bed.restart();
    assert_eq!(failed(&mut bed), 0);
}

/// A VM that cannot execute them takes no commands below its DMTree; what it has can be read.
#[test]
fn a_vm_that_does_not_run_is_only_read() {
    let mut bed = Bed::managed();
    bed.simulator.suspend(&bed.vm).unwrap();
    let own = |name: &str| format!("{V}/{name}");
    let write = |bed: &mut Bed| {
        bed.codes(vec![
            replace(VOLUME, Value::int(9)),
            add(&format!("{SETTINGS}/new"), Some(Value::int(1))),
            delete(VOLUME),
            exec(RING),
            get(VOLUME),
        ])
    };
    // The device has not noticed yet.
    assert_eq!(write(&mut bed), [405, 405, 405, 405, 200]);
    bed.restart();
    assert_eq!(bed.bench.value(&own("State")).as_deref(), Some("3"));
    assert_eq!(write(&mut bed), [405, 405, 405, 405, 200]);
    bed.simulator.resume(&bed.vm).unwrap();
    assert_eq!(bed.volume_in_guest(), Some(Value::int(5)));
}

/// What cannot be taken back is not part of an Atomic.
#[test]
fn an_atomic_does_not_reach_into_a_guest() {
    let mut bed = Bed::managed();
    let group = |command| Command::Atomic(Group::new([command]));
    let codes = bed.codes(vec![group(replace(VOLUME, Value::int(9)))]);
    assert_eq!(codes, [507, 406]);
    assert_eq!(bed.codes(vec![group(exec(RING))])[0], 507);
    assert_eq!(bed.bench.value(VOLUME).as_deref(), Some("5"));
    assert_eq!(bed.volume_in_guest(), Some(Value::int(5)));
    assert_eq!(bed.guest(|guest| virmo_guest::Guest::news(guest).len()), 0);
}

/// The tree changes only after the guest has acknowledged; a later command brings both in step.
#[test]
fn a_change_the_guest_does_not_acknowledge_is_none() {
    let cases = [
        (Misbehaviour::Silent, 408),
        (Misbehaviour::Late, 408),
        (Misbehaviour::Noisy, 200),
        (Misbehaviour::Garbage, 500),
        (Misbehaviour::TooLong, 500),
        (Misbehaviour::WrongId, 408),
        (Misbehaviour::WrongSession, 500),
        (Misbehaviour::Vanish, 500),
    ];
    assert!(cases.iter().map(|case| case.0).eq(Misbehaviour::ALL));
    for (wrong, status) in cases {
        let mut bed = Bed::managed();
        bed.simulator.misbehave(wrong);
        let new = format!("{SETTINGS}/new");
        let done = status == 200;
        assert_eq!(
            bed.codes(vec![add(&new, Some(Value::int(1)))]),
            [status],
            "{wrong:?}"
        );
        assert_eq!(bed.has(&new), done, "{wrong:?}");
        bed.simulator.misbehave(wrong);
        if wrong == Misbehaviour::Vanish {
            bed.simulator.power_on(&bed.vm).unwrap();
        }
        let expected = if done { "9" } else { "5" };
        assert_eq!(
            bed.codes(vec![replace(VOLUME, Value::int(9))]),
            [status],
            "{wrong:?}"
        );
        assert_eq!(
            bed.bench.value(VOLUME).as_deref(),
            Some(expected),
            "{wrong:?}"
        );
        bed.simulator.misbehave(wrong);
        if wrong == Misbehaviour::Vanish {
            bed.simulator.power_on(&bed.vm).unwrap();
        }
        assert_eq!(bed.codes(vec![exec(RING)]), [status], "{wrong:?}");
        if wrong == Misbehaviour::Vanish {
            bed.simulator.power_on(&bed.vm).unwrap();
        }
        let again = match done {
            true => replace(&new, Value::int(2)),
            false => add(&new, Some(Value::int(2))),
        };
        let commands = vec![again, replace(VOLUME, Value::int(3)), exec(RING)];
        assert_eq!(bed.codes(commands), [200, 200, 200], "{wrong:?}");
        assert_eq!(bed.volume_in_guest(), Some(Value::int(3)), "{wrong:?}");
        assert_eq!(bed.bench.value(&new).as_deref(), Some("2"), "{wrong:?}");
    }
}

/// The device ends before, in or after each step of a change; the server does it again.
#[test]
fn a_device_that_restarts_amid_a_change_can_do_it_again() {
    for done_by_guest in [false, true] {
        for command in [
            add(&format!("{SETTINGS}/new"), Some(Value::int(1))),
            replace(VOLUME, Value::int(9)),
            delete(VOLUME),
        ] {
            let mut bed = Bed::managed();
            bed.bench.start();
            assert_eq!(bed.bench.say([command.clone()]), None);
            if done_by_guest {
                let (_, job) = bed.bench.jobs.pop_first().unwrap();
                drop(job.run());
            }
            bed.restart();
            assert_eq!(bed.bench.value(VOLUME).as_deref(), Some("5"));
            assert_eq!(bed.codes(vec![command]), [200]);
        }
    }
}

/// An Exec that a restart interrupts after 202 is reported as failed: nobody knows more.
#[test]
fn an_exec_that_a_restart_interrupts_is_reported() {
    let mut bed = Bed::managed();
    bed.bench.start();
    assert_eq!(bed.bench.say([exec(RING)]), None);
    bed.bench.advance(Duration::from_secs(30));
    bed.restart();
    let alerts = bed.alerts();
    let [alert] = &*alerts else {
        panic!("{alerts:?}")
    };
    assert_eq!((alert.source.as_deref(), &*alert.data), (Some(RING), "500"));
    assert_eq!(alert.correlator, Some(Correlator::new("c-7")));
    bed.restart();
    assert_eq!(bed.alerts(), []);
    assert_eq!(bed.codes(vec![exec(RING)]), [200]);
}

/// A guest that lost what it had gets it with the next change of it.
#[test]
fn a_guest_that_boots_without_its_tree_is_brought_in_step() {
    let mut bed = Bed::managed();
    bed.simulator.power_off(&bed.vm, PowerOff::Force).unwrap();
    bed.simulator.power_on(&bed.vm).unwrap();
    assert_eq!(bed.volume_in_guest(), None);
    let commands = vec![replace(VOLUME, Value::int(6)), exec(RING), delete(VOLUME)];
    assert_eq!(bed.codes(commands), [200, 200, 200]);
    assert!(bed.guest(|guest| guest.contains(&uri("./Settings/ring"))));
}

/// A change that takes longer than the engine waits is none for the server; the guest may have it.
#[test]
fn a_change_that_takes_too_long_is_given_up() {
    let mut bed = Bed::managed();
    bed.bench.start();
    assert_eq!(bed.bench.say([replace(VOLUME, Value::int(9))]), None);
    bed.bench.advance(Duration::from_secs(30));
    let answer = bed.bench.read().unwrap();
    assert_eq!(statuses(&answer), [("Replace".to_owned(), 408)]);
    bed.bench.say([]);
    bed.work();
    assert_eq!(bed.bench.value(VOLUME).as_deref(), Some("5"));
    assert_eq!(bed.codes(vec![replace(VOLUME, Value::int(8))]), [200]);
    assert_eq!(bed.volume_in_guest(), Some(Value::int(8)));
}

fn watching() -> Bed {
    let mut policy = Policy::default();
    policy.watch = Some(Duration::from_secs(1));
    Bed::with_policy(policy)
}

/// What a guest changes and tells by itself comes with the next watch.
#[test]
fn what_a_guest_does_by_itself_is_heard() {
    let mut bed = watching();
    let sensor = format!("{DM_TREE}/Sensor/Temperature");
    let set = |bed: &Bed, value| {
        bed.guest(|guest| guest.set(&uri("./Sensor/Temperature"), Value::int(value)));
    };
    set(&bed, 20);
    bed.watch();
    // Nobody manages it.
    assert!(!bed.has(&sensor));
    assert_eq!(bed.codes(vec![add(DM_TREE, None)]), [200]);
    bed.watch();
    assert_eq!(bed.bench.value(&sensor).as_deref(), Some("20"));
    set(&bed, 21);
    let mut alert = GenericAlert::new("urn:x-example:at:hot:1.0", Format::Chr);
    alert.source = Some("./Sensor/Temperature".to_owned());
    bed.guest(|guest| guest.raise(alert));
    bed.watch();
    assert_eq!(bed.bench.value(&sensor).as_deref(), Some("21"));
    let alerts = bed.alerts();
    let [alert] = &*alerts else {
        panic!("{alerts:?}")
    };
    assert_eq!(alert.source.as_deref(), Some(&*sensor));
    bed.watch();
    assert_eq!(bed.guest(|guest| virmo_guest::Guest::news(guest)), []);
    assert_eq!(bed.alerts(), []);
    bed.guest(|guest| guest.remove(&uri("./Sensor")));
    bed.watch();
    assert!(!bed.has(&format!("{DM_TREE}/Sensor")));
}

/// What was not kept durably is told again.
#[test]
fn news_that_are_not_kept_are_told_again() {
    let mut bed = watching();
    assert_eq!(bed.codes(vec![add(DM_TREE, None)]), [200]);
    bed.guest(|guest| guest.set(&uri("./Light"), Value::bool(true)));
    bed.bench.journal.fail_once(0, JournalErrorKind::Full);
    bed.watch();
    assert!(!bed.has(&format!("{DM_TREE}/Light")));
    assert!(
        bed.bench
            .events
            .iter()
            .any(|event| matches!(event, Engine::JournalFailed(_)))
    );
    bed.restart();
    bed.watch();
    assert_eq!(
        bed.bench.value(&format!("{DM_TREE}/Light")).as_deref(),
        Some("true")
    );
}

/// A guest that says nothing is told once, and once when it is back.
#[test]
fn a_silent_guest_is_told_once() {
    let mut bed = watching();
    assert_eq!(bed.codes(vec![add(DM_TREE, None)]), [200]);
    let count = |bed: &Bed| {
        let told = bed.told.lock().unwrap();
        let silent = told
            .iter()
            .filter(|event| matches!(event, Event::GuestSilent { .. }));
        let heard = told
            .iter()
            .filter(|event| matches!(event, Event::GuestHeard { .. }));
        (silent.count(), heard.count())
    };
    for _ in 0..3 {
        bed.simulator.misbehave(Misbehaviour::Silent);
        bed.watch();
        assert_eq!(count(&bed), (1, 0));
    }
    bed.watch();
    bed.watch();
    assert_eq!(count(&bed), (1, 1));
}

/// What the guest did after the server was told that nothing was done is undone: the device's tree
/// is the master copy.
#[test]
fn a_change_that_is_given_up_is_undone_in_the_guest() {
    let new = format!("{SETTINGS}/new");
    for (command, at) in [
        (add(&new, Some(Value::int(1))), "./Settings/new"),
        (replace(VOLUME, Value::int(9)), "./Settings/volume"),
        (delete(SETTINGS), "./Settings/ring"),
    ] {
        let mut bed = watching();
        bed.manage();
        let before = bed.guest(|guest| guest.value(&uri(at)).cloned());
        bed.bench.start();
        assert_eq!(bed.bench.say([command]), None);
        bed.bench.advance(Duration::from_secs(30));
        let answer = bed.bench.read().unwrap();
        assert_eq!(statuses(&answer)[0].1, 408);
        bed.bench.say([]);
        bed.work();
        let done = bed.guest(|guest| guest.value(&uri(at)).cloned());
        assert_ne!(done, before, "the guest did it all the same");
        bed.watch();
        let now = bed.guest(|guest| guest.value(&uri(at)).cloned());
        assert_eq!(now, before);
        // Once: what the guest does later is its own.
        bed.guest(|guest| guest.set(&uri("./Settings/ring"), Value::chr("mine")));
        bed.watch();
        bed.watch();
        let mine = bed.guest(|guest| guest.value(&uri("./Settings/ring")).cloned());
        assert_eq!(mine, Some(Value::chr("mine")));
    }
}

/// The guest did it, and then the device could not keep it.
#[test]
fn a_change_that_is_not_kept_is_undone_in_the_guest() {
    let mut bed = watching();
    bed.manage();
    bed.bench.start();
    assert_eq!(bed.bench.say([replace(VOLUME, Value::int(9))]), None);
    // After the note that it may change.
    bed.bench.journal.fail_once(1, JournalErrorKind::Full);
    bed.work();
    assert_eq!(bed.volume_in_guest(), Some(Value::int(9)));
    assert_eq!(bed.bench.value(VOLUME).as_deref(), Some("5"));
    bed.watch();
    assert_eq!(bed.volume_in_guest(), Some(Value::int(5)));
}

/// The guest did it, and a restart came before the device could: the start undoes it, without any
/// command and without a watch, once.
#[test]
fn a_change_that_a_restart_cuts_is_undone_in_the_guest() {
    let new = format!("{SETTINGS}/new");
    for (command, at) in [
        (add(&new, Some(Value::int(1))), "./Settings/new"),
        (replace(VOLUME, Value::int(9)), "./Settings/volume"),
        (delete(SETTINGS), "./Settings/ring"),
    ] {
        let mut bed = Bed::managed();
        let before = bed.guest(|guest| guest.value(&uri(at)).cloned());
        bed.bench.start();
        assert_eq!(bed.bench.say([command]), None);
        let id = *bed.bench.jobs.keys().next_back().unwrap();
        let _ = bed.bench.jobs.remove(&id).unwrap().run();
        let done = bed.guest(|guest| guest.value(&uri(at)).cloned());
        assert_ne!(done, before, "the guest did it");
        bed.restart();
        let now = bed.guest(|guest| guest.value(&uri(at)).cloned());
        assert_eq!(now, before);
        // Once: what the guest does later is its own.
        bed.guest(|guest| guest.set(&uri("./Settings/ring"), Value::chr("mine")));
        bed.restart();
        let mine = bed.guest(|guest| guest.value(&uri("./Settings/ring")).cloned());
        assert_eq!(mine, Some(Value::chr("mine")));
        assert!(bed.bench.journal.records(Space::new("doubts")).is_empty());
    }
}

/// A guest says nothing of what the device does itself, and nothing where the device may come to do
/// something.
#[test]
fn a_guest_does_not_reach_what_the_device_does_itself() {
    const MOID: &str = "urn:oma:mo:oma-dcmo:1.0";
    let mut bed = watching();
    let camera = format!("{DM_TREE}/DCMO/Camera");
    let object = item(&camera, None);
    let meta = object.meta.clone().with_type(MOID);
    let object = Command::Add(NodeCommand::new([object.with_meta(meta)]));
    assert_eq!(bed.codes(vec![add(DM_TREE, None)]), [200]);
    bed.guest(|guest| guest.set(&uri("./DCMO/Camera/Enabled"), Value::bool(true)));
    bed.watch();
    assert!(!bed.has(&camera));
    assert_eq!(bed.codes(vec![object]), [200]);
    assert_eq!(
        bed.codes(vec![exec_of(&format!("{camera}/Operations/Disable"))]),
        [200]
    );
    let before = bed.bench.dump();
    for forged in [
        "LAWMO/State",
        "LAWMO/Forged",
        "DCMO/Camera/Enabled",
        "DCMO/Forged/A",
    ] {
        bed.guest(|guest| {
            guest.set(&uri(&format!("./{forged}")), Value::bool(true));
        });
    }
    bed.watch();
    for gone in ["DCMO/Camera", "DCMO", "LAWMO"] {
        bed.guest(|guest| guest.remove(&uri(&format!("./{gone}"))));
        bed.watch();
        assert_eq!(bed.bench.dump(), before, "{gone}");
    }
}

/// A guest that tells of more than its share fills neither the queue of alerts nor the tree: its
/// newest is dropped, and told of; what the device itself has to say is not.
#[test]
fn a_guest_has_no_more_than_its_share() {
    let mut policy = Bed::policy();
    policy.watch = Some(Duration::from_secs(1));
    policy.reporting = omadm_mo::Reporting::Asynchronous;
    policy.guest_nodes = 100;
    policy.guest_octets = 1000;
    let mut bed = Bed::with_policy(policy);
    assert_eq!(bed.codes(vec![add(DM_TREE, None)]), [200]);
    let mut alert = GenericAlert::new("urn:x-example:at:noise:1.0", Format::Chr);
    // Wherever it says they are from.
    alert.source = Some("urn:x-example:nobody".to_owned());
    for number in 0..150 {
        alert.data = number.to_string();
        bed.guest(|guest| guest.raise(alert.clone()));
        let name = uri(&format!("./Noise/n{number}"));
        bed.guest(|guest| guest.set(&name, Value::int(number)));
    }
    for _ in 0..5 {
        bed.watch();
    }
    let tree = bed.bench.client.tree();
    let noise = tree.node(&uri(&format!("{DM_TREE}/Noise"))).unwrap();
    let nodes = noise.children().count();
    assert!((70..100).contains(&nodes), "{nodes}");
    let tells = |event: &Event| matches!(event, Event::GuestNewsDropped { .. });
    let told = bed
        .told
        .lock()
        .unwrap()
        .iter()
        .filter(|it| tells(it))
        .count();
    assert_eq!(told, 150 - nodes);
    let dropped = |event: &&Engine| {
        let reason = omadm_client::DropReason::ShareFull;
        matches!(event, Engine::AlertDropped { reason: of, .. } if *of == reason)
    };
    assert_eq!(bed.bench.events.iter().filter(dropped).count(), 50);
    assert_eq!(bed.bench.client.queued_alerts(), 100);
    // A value that grows is more as well; one that changes is not.
    let first = format!("{DM_TREE}/Noise/n0");
    bed.guest(|guest| guest.set(&uri("./Noise/n0"), Value::chr("x".repeat(2000))));
    bed.watch();
    assert_eq!(bed.bench.value(&first).as_deref(), Some("0"));
    bed.guest(|guest| guest.set(&uri("./Noise/n0"), Value::chr("y")));
    bed.watch();
    assert_eq!(bed.bench.value(&first).as_deref(), Some("y"));
    // The alert that ends an Exec of the server.
    bed.bench.start();
    let mut package = bed.bench.say([exec(&format!("{V}/Operations/PowerOff"))]);
    bed.work();
    let mut heard = Vec::new();
    while let Some(message) = package {
        heard.extend(alerts(&message));
        package = bed.bench.say([]);
    }
    while heard.iter().all(|alert| alert.correlator.is_none()) {
        let mut package = Some(bed.bench.start());
        while let Some(message) = package {
            heard.extend(alerts(&message));
            package = bed.bench.say([]);
        }
    }
    let ended = heard.iter().find(|alert| alert.correlator.is_some());
    assert_eq!(ended.unwrap().data, "200");
}

/// VR-219, VR-227: an object of the guest's own is told by its Type.
#[test]
fn an_object_that_appears_in_the_guest_has_its_type() {
    let mut bed = watching();
    assert_eq!(bed.codes(vec![add(DM_TREE, None)]), [200]);
    let own = uri("./Battery");
    bed.guest(|guest| guest.make(&own, "urn:x-example:mo:battery:1.0"));
    bed.watch();
    let tree = bed.bench.client.tree();
    let node = tree.node(&uri(DM_TREE).join(&own)).unwrap();
    assert_eq!(node.node_type(), "urn:x-example:mo:battery:1.0");
}

fn exec_of(at: &str) -> Command<'static> {
    Command::Exec(Exec::new([Item::new().with_target(at.to_owned())]))
}

/// VR-226: the access control lists of the device hold below DMTree; a guest hears nothing of what
/// they forbid.
#[test]
fn access_control_lists_hold_below_the_tree_of_a_guest() {
    let mut bed = Bed::managed();
    let acl = "Get=*&Exec=com.example.other&Replace=com.example.other&Delete=com.example.other\
               &Add=com.example.other";
    let item = Item::new()
        .with_target(format!("{SETTINGS}?prop=ACL"))
        .with_data(acl);
    assert_eq!(
        bed.codes(vec![Command::Replace(NodeCommand::new([item]))]),
        [200]
    );
    let commands = vec![
        replace(VOLUME, Value::int(9)),
        add(&format!("{SETTINGS}/new"), Some(Value::int(1))),
        delete(VOLUME),
        exec(RING),
        get(VOLUME),
    ];
    assert_eq!(bed.codes(commands), [425, 425, 425, 425, 200]);
    assert_eq!(bed.volume_in_guest(), Some(Value::int(5)));
    assert!(!bed.guest(|guest| guest.contains(&uri("./Settings/new"))));
    assert_eq!(bed.guest(|guest| virmo_guest::Guest::news(guest).len()), 0);
}
