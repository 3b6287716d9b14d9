//! Objects below DMTree that the device hosts and the guest carries out.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use omadm_core::GenericAlert;
use omadm_download::Download;
use omadm_objects::{ALERT_SCOMO, FumoOperation};
use virmo_client::{GuestError, GuestLink};
use virmo_hypervisor::{
    Capabilities, Erase, GuestChannel, HypervisorError, HypervisorErrorKind, Listed, Observed,
    Outcome, Prepared,
};
use virmo_params::ResourceConfig;

use super::*;

const FUMO: &str = "./VirMO/v/DMTree/FUMO";
const SCOMO: &str = "./VirMO/v/DMTree/SCOMO";
const LAWMO: &str = "./VirMO/v/DMTree/LAWMO";
const URL: &str = "http://packages.example/p";

fn object(at: &str, moid: &str) -> Command<'static> {
    let meta = Meta::new()
        .with_format(Format::Node)
        .with_type(moid.to_owned());
    let item = Item::new().with_target(at.to_owned()).with_meta(meta);
    Command::Add(NodeCommand::new([item]))
}

fn fumo() -> Command<'static> {
    object(FUMO, "urn:oma:mo:oma-fumo:1.0")
}

fn scomo() -> Command<'static> {
    object(SCOMO, "urn:oma:mo:oma-scomo:1.0")
}

fn text(at: &str, text: &str) -> Command<'static> {
    replace(at, Value::chr(text))
}

fn below(root: &str, path: &str) -> String {
    format!("{root}/{path}")
}

fn with(object: Command<'static>) -> Bed {
    let mut bed = Bed::new();
    assert_eq!(bed.codes(vec![add(DM_TREE, None), object]), [200, 200]);
    bed
}

/// One that has downloaded a package for its firmware.
fn with_package() -> Bed {
    let mut bed = with(fumo());
    let download = below(FUMO, "Download");
    let codes = bed.codes(vec![
        text(&below(&download, "PkgURL"), URL),
        exec(&download),
    ]);
    assert_eq!(codes, [200, 202]);
    assert_eq!(told(&mut bed), [("download".to_owned(), "200".to_owned())]);
    bed
}

impl Bed {
    fn state(&self) -> String {
        self.bench.value(&below(FUMO, "State")).unwrap()
    }

    fn in_guest(&self, at: &str) -> Option<String> {
        let value = self.guest(|guest| guest.value(&uri(at)).cloned())?;
        value.text().map(str::to_owned)
    }

    fn only_alert(&mut self) -> GenericAlert {
        let alerts = self.alerts();
        let [alert] = &*alerts else {
            panic!("{alerts:?}")
        };
        assert_eq!(alert.correlator, Some(Correlator::new("c-7")));
        alert.clone()
    }
}

/// The operation and result code of each alert of FUMO.
fn told(bed: &mut Bed) -> Vec<(String, String)> {
    let alerts = bed.alerts().into_iter().map(|alert| {
        assert_eq!(alert.source.as_deref(), Some(FUMO));
        assert_eq!(alert.correlator, Some(Correlator::new("c-7")));
        let operation = alert.alert_type.rsplit('.').next().unwrap();
        (operation.to_owned(), alert.data)
    });
    alerts.collect()
}

fn said(operation: &str, code: &str) -> Vec<(String, String)> {
    vec![(operation.to_owned(), code.to_owned())]
}

/// VR-037, VR-222, VR-227 (HLF-14): Exec of FUMO/Update updates the firmware of that VM.
#[test]
fn firmware_is_updated_by_the_guest() {
    for slow in [false, true] {
        let mut bed = with(fumo());
        assert_eq!(bed.state(), "10");
        let root = bed.bench.client.tree().node(&uri(FUMO)).unwrap();
        assert_eq!(root.node_type(), "urn:oma:mo:oma-fumo:1.0");
        bed.guest(|guest| guest.set_slow(slow));
        let download = below(FUMO, "Download");
        let codes = bed.codes(vec![
            text(&below(&download, "PkgURL"), URL),
            exec(&download),
        ]);
        assert_eq!(codes, [200, 202]);
        assert_eq!(bed.state(), "40");
        assert_eq!(bed.in_guest("./FUMO/Download/PkgURL").as_deref(), Some(URL));
        assert_eq!(told(&mut bed), said("download", "200"));
        assert_eq!(bed.codes(vec![exec(&below(FUMO, "Update"))]), [202]);
        assert_eq!(bed.state(), "100");
        assert_eq!(told(&mut bed), said("update", "200"));
        assert_eq!(bed.codes(vec![exec(&below(FUMO, "Update"))]), [405]);
    }
}

/// A package of the server's own reaches the guest, and both steps go by one command.
#[test]
fn packages_come_over_dm_and_updates_by_one_command() {
    let mut bed = with(fumo());
    let data = below(FUMO, "Update/PkgData");
    let codes = bed.codes(vec![
        replace(&data, Value::bin(b"firmware")),
        exec(&below(FUMO, "Update")),
    ]);
    assert_eq!(codes, [200, 202]);
    assert_eq!(
        (&*bed.state(), told(&mut bed)),
        ("100", said("update", "200"))
    );
    let received = bed.guest(|guest| guest.value(&uri("./FUMO/Update/PkgData")).cloned());
    assert_eq!(received, Some(Value::bin(b"firmware")));
    let both = below(FUMO, "DownloadAndUpdate");
    let codes = bed.codes(vec![text(&below(&both, "PkgURL"), URL), exec(&both)]);
    assert_eq!(codes, [200, 202]);
    assert_eq!(
        (&*bed.state(), told(&mut bed)),
        ("100", said("downloadandupdate", "200"))
    );
}

/// The guest's result code is the server's, and silence is a time-out.
#[test]
fn failures_tell_why() {
    for (code, state) in [(402, "80"), (410, "70"), (502, "70")] {
        let mut bed = with_package();
        bed.guest(|guest| guest.fail_with(code));
        assert_eq!(bed.codes(vec![exec(&below(FUMO, "Update"))]), [202]);
        assert_eq!(bed.state(), state, "{code}");
        assert_eq!(told(&mut bed), said("update", &code.to_string()));
    }
    let mut bed = with_package();
    bed.simulator.misbehave(Misbehaviour::Silent);
    assert_eq!(bed.codes(vec![exec(&below(FUMO, "Download"))]), [202]);
    assert_eq!(
        (&*bed.state(), told(&mut bed)),
        ("20", said("download", "407"))
    );
    let mut bed = with_package();
    bed.simulator.misbehave(Misbehaviour::Silent);
    assert_eq!(bed.codes(vec![exec(&below(FUMO, "Update"))]), [202]);
    assert_eq!(
        (&*bed.state(), told(&mut bed)),
        ("70", said("update", "410"))
    );
}

/// The journal could not keep that an update was done: it is kept after a pause, without any command
/// and any restart.
#[test]
fn an_end_that_is_not_kept_is_made_up_for() {
    let mut bed = with_package();
    bed.bench.start();
    bed.bench.say([exec(&below(FUMO, "Update"))]);
    bed.bench.say([]);
    bed.bench.journal.fail_once(0, JournalErrorKind::Full);
    bed.work();
    assert_eq!((&*bed.state(), told(&mut bed)), ("60", Vec::new()));
    bed.bench.advance(Duration::from_secs(3600));
    bed.work();
    assert_eq!(bed.state(), "100");
    assert_eq!(told(&mut bed), said("update", "200"));
}

/// One that answers late, or is away for a while, is asked until it is done.
#[test]
fn a_guest_may_be_away_meanwhile() {
    let mut bed = with_package();
    bed.guest(|guest| guest.set_slow(true));
    // The look at its state and the two before it passes; the Exec is done without an answer.
    for _ in 0..2 {
        bed.simulator.misbehave(Misbehaviour::Noisy);
    }
    for _ in 0..3 {
        bed.simulator.misbehave(Misbehaviour::Late);
    }
    assert_eq!(bed.codes(vec![exec(&below(FUMO, "Update"))]), [202]);
    assert_eq!(
        (&*bed.state(), told(&mut bed)),
        ("100", said("update", "200"))
    );
}

/// What the guest downloads is the guest's: the device has nothing of it that a VM could leave behind.
#[test]
fn the_device_keeps_no_package_of_a_guest() {
    let mut bed = with_package();
    let package = below(SCOMO, "Download/app");
    let codes = bed.codes(vec![
        scomo(),
        add(&package, None),
        text(&below(&package, "PkgID"), "app"),
        text(&below(&package, "PkgURL"), URL),
        exec(&below(&package, "Operations/Download")),
    ]);
    assert_eq!(codes, [200, 200, 200, 200, 202]);
    let alert = bed.only_alert();
    assert!(
        alert.data.contains("<ResultCode>1200</ResultCode>"),
        "{}",
        alert.data
    );
    assert_eq!(bed.state(), "40");
    assert_eq!(Download::keys(&bed.bench.journal).unwrap(), []);
}

/// A machine that does not run takes no commands for its guest.
#[test]
fn a_vm_that_does_not_run_is_not_updated() {
    let mut bed = with_package();
    let install = below(SCOMO, "Download/app/Operations/Download");
    let add_package = add(&below(SCOMO, "Download/app"), None);
    assert_eq!(bed.codes(vec![scomo(), add_package]), [200, 200]);
    bed.simulator.suspend(&bed.vm).unwrap();
    bed.restart();
    let update = below(FUMO, "Update");
    let wipe = below(LAWMO, "Operations/Wipe");
    assert_eq!(
        bed.codes(vec![exec(&update), exec(&install), exec(&wipe)]),
        [405; 3]
    );
    assert_eq!(
        bed.codes(vec![exec(&below(LAWMO, "Operations/FullyLock"))]),
        [200]
    );
    assert_eq!(bed.state(), "40");
    bed.simulator.resume(&bed.vm).unwrap();
    bed.restart();
    assert_eq!(bed.codes(vec![exec(&update)]), [202]);
    assert_eq!(
        (&*bed.state(), told(&mut bed)),
        ("100", said("update", "200"))
    );
}

/// What was under way when the device went off is brought to its end, once.
#[test]
fn a_restart_goes_on() {
    for (slow, done) in [(false, false), (false, true), (true, true)] {
        let mut bed = with_package();
        bed.guest(|guest| guest.set_slow(slow));
        bed.bench.start();
        bed.bench.say([exec(&below(FUMO, "Update"))]);
        assert_eq!(bed.state(), "60");
        if done {
            // The guest has heard of it, the device no more of the guest.
            let id = *bed
                .bench
                .jobs
                .iter()
                .find(|(_, job)| job.label == below(FUMO, "Update"))
                .unwrap()
                .0;
            drop(bed.bench.jobs.remove(&id).unwrap().run());
            // A second one would be refused in this state, and fail.
            bed.guest(|guest| guest.fail_with(410));
        }
        bed.restart();
        assert_eq!(
            (&*bed.state(), told(&mut bed)),
            ("100", said("update", "200")),
            "{slow} {done}"
        );
        bed.restart();
        assert_eq!(told(&mut bed), []);
    }
}

/// An object that is gone leaves nothing to the next of its name.
#[test]
fn objects_come_and_go() {
    let mut bed = with_package();
    bed.bench.start();
    bed.bench.say([exec(&below(FUMO, "Update"))]);
    bed.bench.say([]);
    bed.bench.start();
    let refused = bed.bench.say([delete(FUMO), delete(DM_TREE)]).unwrap();
    let refused: Vec<u16> = statuses(&refused)
        .into_iter()
        .map(|(_, code)| code)
        .collect();
    assert_eq!(refused, [405, 405]);
    bed.bench.say([]);
    bed.work();
    told(&mut bed);
    assert_eq!(bed.codes(vec![delete(FUMO), fumo()]), [200, 200]);
    assert_eq!(bed.state(), "10");
    assert_eq!(bed.codes(vec![delete(DM_TREE)]), [200]);
    assert!(!bed.has(FUMO));
    assert_eq!(bed.codes(vec![exec(&below(FUMO, "Update"))]), [404]);
    assert_eq!(bed.codes(vec![add(DM_TREE, None), scomo()]), [200, 200]);
    bed.restart();
    assert!(!bed.has(FUMO) && bed.has(&below(SCOMO, "Inventory/Deployed")));
    assert_eq!(bed.alerts(), []);
}

/// The VM goes, and with it what its guest was at; nobody hears of that any more.
#[test]
fn objects_go_with_their_vm() {
    let mut bed = with(scomo());
    let package = below(SCOMO, "Download/app");
    let codes = bed.codes(vec![
        fumo(),
        text(&below(FUMO, "Download/PkgURL"), URL),
        add(&package, None),
        text(&below(&package, "PkgID"), "app"),
        text(&below(&package, "PkgURL"), URL),
    ]);
    assert_eq!(codes, [200; 5]);
    bed.bench.start();
    let operation = below(&package, "Operations/Download");
    bed.bench
        .say([exec(&operation), exec(&below(FUMO, "Download"))]);
    let begun = std::mem::take(&mut bed.bench.jobs);
    assert!(
        bed.bench
            .say([exec(&below(V, "Operations/Delete"))])
            .is_none()
    );
    bed.work();
    assert_eq!(statuses(&bed.bench.read().unwrap()).pop().unwrap().1, 200);
    assert!(!bed.has(V));
    bed.bench.jobs.extend(begun);
    bed.work();
    bed.bench.say([]);
    assert_eq!(bed.alerts(), []);
}

/// What the device hosts is known by the Type of its root, wherever a server Adds it and whatever it
/// is called: the guest has it at the same place.
#[test]
fn objects_are_known_by_their_type() {
    let phone = below(DM_TREE, "Phone");
    let (radio, apps) = (below(&phone, "Radio"), below(&phone, "Apps"));
    let mut bed = with(add(&phone, None));
    let codes = bed.codes(vec![
        object(&radio, "urn:oma:mo:oma-fumo:1.0"),
        object(&apps, "urn:oma:mo:oma-scomo:1.0"),
        text(&below(&radio, "Download/PkgURL"), URL),
        exec(&below(&radio, "Download")),
    ]);
    assert_eq!(codes, [200, 200, 200, 202]);
    let given = bed.in_guest("./Phone/Radio/Download/PkgURL");
    assert_eq!(given.as_deref(), Some(URL));
    assert!(!bed.guest(|guest| guest.contains(&uri("./FUMO"))));
    assert_eq!(bed.only_alert().source.as_deref(), Some(&*radio));

    let tell = |bed: &mut Bed| {
        bed.guest(|guest| {
            guest.set(
                &uri("./Phone/Apps/Inventory/Deployed/a/ID"),
                Value::chr("a"),
            );
            guest.set(&uri("./Phone/Radio/State"), Value::int(90));
            guest.set(&uri("./Phone/Number"), Value::int(7));
        });
        assert_eq!(bed.codes(vec![add(SETTINGS, None)]), [200]);
        let value = |at: &str| bed.bench.value(&below(&phone, at));
        let known = [
            value("Apps/Inventory/Deployed/a/ID"),
            value("Radio/State"),
            value("Number"),
        ];
        known.map(Option::unwrap_or_default)
    };
    // This guest does nothing there.
    assert_eq!(tell(&mut bed), ["a", "20", "7"]);
    bed.restart();
    assert_eq!(bed.codes(vec![exec(&below(&radio, "Download"))]), [202]);
    let source = bed.only_alert().source;
    assert_eq!(source.as_deref(), Some(&*radio));

    assert_eq!(bed.codes(vec![delete(&phone)]), [200]);
    assert!(!bed.has(&phone) && !bed.guest(|guest| guest.contains(&uri("./Phone"))));
}

/// A name says nothing: an object of another Type is the guest's. The lock of a VM is one.
#[test]
fn names_make_no_object_of_the_device() {
    let mut bed = with(object(FUMO, "urn:x:mo:other:1.0"));
    assert!(!bed.has(&below(FUMO, "State")));
    assert!(bed.guest(|guest| guest.contains(&uri("./FUMO"))));
    let second = below(DM_TREE, "Lock");
    let codes = bed.codes(vec![
        add(&below(FUMO, "State"), Some(Value::chr("its own"))),
        object(&second, "urn:oma:mo:oma-lawmo:1.0"),
    ]);
    assert_eq!(codes, [200, 405]);
    bed.guest(|guest| guest.set(&uri("./FUMO/State"), Value::chr("changed")));
    assert_eq!(bed.codes(vec![add(SETTINGS, None)]), [200]);
    assert_eq!(bed.state(), "changed");
    assert!(!bed.has(&second));
}

/// VR-202, VR-219, VR-228: software is downloaded and installed by the guest, and Inventory/Deployed
/// says what it has.
#[test]
fn software_is_installed_by_the_guest() {
    for slow in [false, true] {
        let mut bed = with(scomo());
        bed.guest(|guest| guest.set_slow(slow));
        let package = below(SCOMO, "Download/app");
        let codes = bed.codes(vec![
            add(&package, None),
            text(&below(&package, "PkgID"), "com.example.app"),
            text(&below(&package, "PkgURL"), URL),
            text(&below(&package, "InstallParams"), "quiet"),
            exec(&below(&package, "Operations/DownloadInstallInactive")),
        ]);
        assert_eq!(codes, [200, 200, 200, 200, 202]);
        let alert = bed.only_alert();
        assert_eq!(alert.alert_type, ALERT_SCOMO);
        assert_eq!(
            alert.source.as_deref(),
            Some(&*below(&package, "Operations/DownloadInstallInactive"))
        );
        assert!(
            alert.data.contains("<ResultCode>1200</ResultCode>"),
            "{}",
            alert.data
        );
        assert!(alert.data.contains("com.example.app"), "{}", alert.data);
        let params = bed.in_guest("./SCOMO/Inventory/Delivered/com.example.app/InstallParams");
        assert_eq!(params.as_deref(), Some("quiet"));

        let deployed = below(SCOMO, "Inventory/Deployed");
        let answer = bed.run(vec![get(&deployed)]);
        assert_eq!(data(&results(&answer)[0]), "com.example.app");
        let component = below(&deployed, "com.example.app");
        let state = |bed: &Bed| bed.bench.value(&below(&component, "State")).unwrap();
        assert_eq!(state(&bed), "10");
        assert_eq!(
            bed.codes(vec![exec(&below(&component, "Operations/Activate"))]),
            [200]
        );
        assert_eq!(state(&bed), "20");
        bed.guest(|guest| guest.fail_with(1408));
        let remove = exec(&below(&component, "Operations/Remove"));
        assert_eq!(bed.codes(vec![remove.clone()]), [500]);
        assert_eq!(bed.codes(vec![remove]), [200]);
        assert!(!bed.has(&component));
    }
}

/// What is in the guest is seen when the object comes, and when its user changes it.
#[test]
fn software_that_the_user_installs_is_seen() {
    let mut bed = Bed::new();
    let leaf = |name: &str, leaf: &str| uri(&format!("./SCOMO/Inventory/Deployed/{name}/{leaf}"));
    bed.guest(|guest| guest.set(&leaf("old", "ID"), Value::chr("org.old")));
    assert_eq!(bed.codes(vec![add(DM_TREE, None), scomo()]), [200, 200]);
    let id = |bed: &Bed, name: &str| {
        bed.bench
            .value(&below(SCOMO, &format!("Inventory/Deployed/{name}/ID")))
    };
    assert_eq!(id(&bed, "old").as_deref(), Some("org.old"));
    bed.guest(|guest| {
        guest.remove(&uri("./SCOMO/Inventory/Deployed/old"));
        guest.set(&leaf("new", "ID"), Value::chr("org.new"));
        // The rest of the object is the device's.
        guest.set(&uri("./SCOMO/Download/x/Status"), Value::int(40));
    });
    assert_eq!(bed.codes(vec![add(SETTINGS, None)]), [200]);
    assert_eq!(id(&bed, "new").as_deref(), Some("org.new"));
    assert_eq!(id(&bed, "old"), None);
    assert!(!bed.has(&below(SCOMO, "Download/x")));
    assert_eq!(
        bed.codes(vec![exec(&below(
            SCOMO,
            "Inventory/Deployed/new/Operations/Activate"
        ))]),
        [200]
    );
}

/// The device tells the result of what it hosts; what else the guest says is the guest's.
#[test]
fn an_end_is_told_once() {
    let mut bed = with(fumo());
    let mut alert = GenericAlert::new(FumoOperation::Update.alert_type(), Format::Int);
    alert.source = Some("./FUMO".to_owned());
    alert.data = "200".to_owned();
    let mut request = alert.clone();
    request.alert_type = omadm_objects::ALERT_FUMO_USER.to_owned();
    let mut other = alert.clone();
    other.source = Some("./Other".to_owned());
    bed.guest(|guest| {
        for alert in [alert, request, other] {
            guest.raise(alert);
        }
    });
    assert_eq!(bed.codes(vec![add(SETTINGS, None)]), [200]);
    let sources: Vec<_> = bed
        .alerts()
        .into_iter()
        .map(|alert| alert.source.unwrap())
        .collect();
    assert_eq!(sources, [FUMO, "./VirMO/v/DMTree/Other"]);
}

/// What the guest offers is wiped, and nothing else.
#[test]
fn data_is_wiped_by_the_guest() {
    let mut bed = Bed::new();
    assert_eq!(bed.codes(vec![add(DM_TREE, None)]), [200]);
    let wipe = below(LAWMO, "Operations/Wipe");
    assert_eq!(
        bed.codes(vec![exec(&wipe)]),
        [500],
        "there is nothing to wipe"
    );
    bed.guest(|guest| {
        for name in ["photos", "mail"] {
            let item = format!("./LAWMO/AvailableWipeList/{name}");
            guest.set(&uri(&format!("{item}/ListItemName")), Value::chr(name));
            guest.set(&uri(&format!("{item}/ToBeWiped")), Value::bool(true));
            guest.set(&uri(&format!("./Data/{name}")), Value::chr("private"));
        }
    });
    assert_eq!(bed.codes(vec![add(SETTINGS, None)]), [200]);
    let item = |name: &str, leaf: &str| below(LAWMO, &format!("AvailableWipeList/{name}/{leaf}"));
    for name in ["photos", "mail"] {
        assert_eq!(
            bed.bench.value(&item(name, "ListItemName")).as_deref(),
            Some(name)
        );
        let marked = bed.bench.value(&item(name, "ToBeWiped"));
        assert_eq!(marked.as_deref(), Some("false"), "for a server to say");
    }
    bed.restart();
    let mark = replace(&item("photos", "ToBeWiped"), Value::bool(true));
    assert_eq!(bed.codes(vec![mark, exec(&wipe)]), [200, 200]);
    assert_eq!(bed.in_guest("./Data/photos"), None);
    assert_eq!(bed.in_guest("./Data/mail").as_deref(), Some("private"));
    // This guest has none.
    assert_eq!(
        bed.codes(vec![exec(&below(LAWMO, "Operations/FactoryReset"))]),
        [500]
    );
}

/// What is installed in a guest that says nothing keeps no server away from the device.
#[test]
fn a_silent_guest_does_not_hold_up_the_start() {
    let mut bed = with(scomo());
    let journal = bed.bench.journal.clone();
    bed.bench = device(&bed.hypervisor, &bed.policy, &bed.told, journal);
    // All but what asks the guest.
    loop {
        let mut jobs = bed.bench.jobs.iter();
        let next = jobs.find(|(_, job)| !job.lane.contains("SCOMO") && !job.background);
        let Some(id) = next.map(|(id, _)| *id) else {
            break;
        };
        let job = bed.bench.jobs.remove(&id).unwrap();
        let (job, end) = (job.id, JobEnd::Finished(job.run()));
        bed.bench.feed(Input::Completed { job, end }).unwrap();
    }
    assert!(
        bed.bench
            .jobs
            .values()
            .any(|job| job.lane.contains("SCOMO"))
    );
    bed.bench.start();
    assert_eq!(bed.bench.say([]), None);
}

/// Until somebody takes it back, a guest that was asked does not answer.
#[derive(Default)]
struct Line {
    is_silent: AtomicBool,
    waiting: AtomicUsize,
    /// Whether changes of resources cannot be taken back.
    keeps: AtomicBool,
}

/// A hypervisor that carries messages to guests, and can do nothing to keep their users out.
struct NoLock(Arc<Simulator>, Line);

impl NoLock {
    fn new(simulator: Arc<Simulator>) -> Self {
        Self(simulator, Line::default())
    }

    /// Waits until so many calls wait for an answer.
    fn wait_for(&self, calls: usize) {
        while self.1.waiting.load(Ordering::SeqCst) != calls {
            std::thread::yield_now();
        }
    }
}

impl GuestChannel for NoLock {
    fn exchange(
        &self,
        id: &VmId,
        message: &[u8],
        within: Duration,
        max_reply: usize,
        over: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, HypervisorError> {
        if !self.1.is_silent.load(Ordering::SeqCst) {
            return self.0.exchange(id, message, within, max_reply, over);
        }
        self.1.waiting.fetch_add(1, Ordering::SeqCst);
        while !over() {
            std::thread::yield_now();
        }
        self.1.waiting.fetch_sub(1, Ordering::SeqCst);
        Err(HypervisorError::new(HypervisorErrorKind::Timeout {
            may_have_happened: true,
        }))
    }
}

impl Hypervisor for NoLock {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn list(&self) -> Result<Vec<Listed>, HypervisorError> {
        self.0.list()
    }

    fn observe(&self, id: &VmId) -> Result<Observed, HypervisorError> {
        self.0.observe(id)
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome, HypervisorError> {
        self.0.create(spec)
    }

    fn power_on(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.0.power_on(id)
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError> {
        self.0.power_off(id, how)
    }

    fn suspend(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.0.suspend(id)
    }

    fn resume(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.0.resume(id)
    }

    fn delete(&self, id: &VmId, erase: Erase) -> Result<Outcome, HypervisorError> {
        self.0.delete(id, erase)
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared, HypervisorError> {
        self.0.prepare(id, want)
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        self.0.commit(id, want)
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        if self.1.keeps.load(Ordering::SeqCst) {
            return Err(HypervisorError::new(HypervisorErrorKind::Busy));
        }
        self.0.undo(id, before)
    }

    fn guest_channel(&self) -> Option<&dyn GuestChannel> {
        Some(self)
    }
}

/// VR-035, VR-036 (HLF-12, HLF-13): a guest locks itself where its hypervisor cannot.
#[test]
fn a_guest_locks_itself() {
    let mut bed = Bed::on(Bed::policy(), |simulator| Arc::new(NoLock::new(simulator)));
    assert_eq!(bed.codes(vec![add(DM_TREE, None)]), [200]);
    let operation = |name: &str| exec(&below(LAWMO, &format!("Operations/{name}")));
    let state = |bed: &Bed| bed.bench.value(&below(LAWMO, "State")).unwrap();
    for (name, value) in [
        ("FullyLock", "10"),
        ("UnLock", "30"),
        ("PartiallyLock", "20"),
    ] {
        assert_eq!(bed.codes(vec![operation(name)]), [200], "{name}");
        assert_eq!(
            (&*state(&bed), bed.in_guest("./LAWMO/State").as_deref()),
            (value, Some(value))
        );
    }
    bed.guest(|guest| guest.fail_with(1404));
    assert_eq!(bed.codes(vec![operation("UnLock")]), [500]);
    bed.simulator.misbehave(Misbehaviour::Silent);
    assert_eq!(bed.codes(vec![operation("UnLock")]), [500]);
    assert_eq!(state(&bed), "20", "as it was");
    // It has forgotten, and is told again.
    bed.guest(|guest| guest.remove(&uri("./LAWMO")));
    bed.restart();
    assert_eq!(bed.in_guest("./LAWMO/State").as_deref(), Some("20"));
    bed.simulator.suspend(&bed.vm).unwrap();
    bed.restart();
    assert_eq!(bed.codes(vec![operation("UnLock")]), [405]);
}

/// VR-239: a question is taken back when its time is over, and so is all that waits for a guest which
/// is gone; others wait on.
#[test]
fn calls_are_taken_back() {
    let bed = Bed::new();
    let hypervisor = Arc::new(NoLock::new(bed.simulator.clone()));
    hypervisor.1.is_silent.store(true, Ordering::SeqCst);
    let link = GuestLink::new(hypervisor.clone(), "1");
    let other: VmId = "vm-2".parse().unwrap();
    let long = Duration::from_secs(3600);
    let silent = |answer: Result<_, GuestError>| matches!(answer, Err(GuestError::NoAnswer(_)));
    std::thread::scope(|scope| {
        let (asked, open, elsewhere) = (Cancel::new(), Cancel::new(), Cancel::new());
        let call = |vm, over| {
            let (link, over) = (&link, Cancel::clone(over));
            scope.spawn(move || silent(link.call_until(vm, Vec::new(), long, &over)))
        };
        let question = call(&bed.vm, &asked);
        let (waits, stays) = (call(&bed.vm, &open), call(&other, &elsewhere));
        hypervisor.wait_for(3);
        asked.cancel();
        assert!(question.join().unwrap());
        hypervisor.wait_for(2);
        link.abandon(&bed.vm);
        assert!(waits.join().unwrap());
        hypervisor.wait_for(1);
        assert!(!stays.is_finished());
        link.forget(&other);
        assert!(stays.join().unwrap());
    });
    // Later calls are none of those.
    hypervisor.1.is_silent.store(false, Ordering::SeqCst);
    assert!(link.call(&bed.vm, Vec::new(), long).is_ok());
}

/// An Exec in a guest ends with its machine; the next is free to begin.
#[test]
fn a_guest_at_work_ends_with_its_machine() {
    let mut before = None;
    let mut bed = Bed::on(Bed::policy(), |simulator| {
        let hypervisor = Arc::new(NoLock::new(simulator));
        before = Some(hypervisor.clone());
        hypervisor
    });
    let hypervisor = before.unwrap();
    bed.manage();
    bed.bench.start();
    assert_eq!(bed.bench.say([exec(RING)]), None);
    let mut jobs = bed.bench.jobs.iter();
    let id = *jobs
        .find(|(_, job)| job.label.starts_with("Exec"))
        .unwrap()
        .0;
    let exec_in_guest = bed.bench.jobs.remove(&id).unwrap();
    hypervisor.1.is_silent.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let at_work = scope.spawn(|| JobEnd::Finished(exec_in_guest.run()));
        hypervisor.wait_for(1);
        bed.bench.advance(Duration::from_secs(30));
        bed.bench.say([]);
        assert_eq!(
            bed.codes(vec![exec(&format!("{V}/Operations/PowerOff"))]),
            [200]
        );
        let end = at_work.join().unwrap();
        bed.bench.feed(Input::Completed { job: id, end }).unwrap();
    });
    hypervisor.1.is_silent.store(false, Ordering::SeqCst);
    assert_eq!(bed.alerts().last().unwrap().data, "408");
    let resume = exec(&format!("{V}/Operations/PowerOn"));
    assert_eq!(bed.codes(vec![resume]), [200]);
    assert_eq!(bed.codes(vec![exec(RING)]), [200]);
}

/// A change of resources that ended too late, and cannot be taken back, is taken back by itself after a
/// while, also where nobody watches the machines; whether the failure to take it back is late too.
#[test]
fn what_is_owed_is_tried_again_after_a_pause() {
    for late in [false, true] {
        let mut made = None;
        let mut bed = Bed::on(Bed::policy(), |simulator| {
            Arc::clone(made.insert(Arc::new(NoLock::new(simulator)))) as _
        });
        let keeps = |keeps| {
            made.as_ref()
                .unwrap()
                .1
                .keeps
                .store(keeps, Ordering::SeqCst)
        };
        let change = |want: &str| {
            let config = add("./VirMO/v/Resources/NewConfig", Some(Value::chr(want)));
            vec![config, exec("./VirMO/Operations/ApplyChanges")]
        };
        let has = |bed: &Bed| {
            let resources = bed.simulator.observe(&bed.vm).unwrap().resources;
            resources.unwrap().to_string()
        };
        let end_late = |bed: &mut Bed| {
            let (job, work) = bed.bench.jobs.pop_first().unwrap();
            let end = JobEnd::Finished(work.run());
            bed.bench.advance(bed.policy.deadline);
            bed.bench.feed(Input::Completed { job, end }).unwrap();
        };
        let goes_on = |bed: &mut Bed| {
            let mut tens = 0..60;
            let began = tens.any(|_| {
                bed.bench.advance(Duration::from_secs(10));
                !bed.bench.jobs.is_empty()
            });
            bed.work();
            began
        };
        let wanted = "RAM=3&Storage=10&CPU=1&Network=1";
        keeps(true);
        bed.bench.start();
        assert_eq!(bed.bench.say(change(wanted)), None);
        end_late(&mut bed);
        match late {
            true => end_late(&mut bed),
            false => bed.work(),
        }
        assert!(bed.bench.jobs.is_empty());
        for _ in 0..3 {
            assert_eq!(has(&bed), wanted);
            assert!(goes_on(&mut bed));
        }
        keeps(false);
        assert_eq!(has(&bed), wanted);
        assert!(goes_on(&mut bed));
        assert_eq!(has(&bed), RESOURCES);
        assert!(!goes_on(&mut bed), "nothing is left");
    }
}
