//! What a device has to be: what its server was told, and what it asked for and was not told of yet.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    path::PathBuf,
    time::Duration,
};

use virmo::{
    dm::{core::GenericAlert, session::Report},
    params::ResourceConfig,
};

use crate::{
    random::Random,
    seen::{Seen, SeenVm, Tree},
};

const READY: &str = "urn:oma:at:oma-virmo:imageready:1.0";

/// A VM as it should be. What is `None` is not known yet.
#[derive(Clone, PartialEq, Debug)]
pub struct Vm {
    /// Which of all that ever had this name.
    pub birth: u64,
    pub id: Option<String>,
    pub state: u8,
    pub config: Option<ResourceConfig>,
    pub locked: bool,
    /// It has the peripheral `usb`.
    pub usb: bool,
    /// What `Ext/one` and `Ext/two` say.
    pub note: Option<String>,
}

/// An image as it should be.
#[derive(Clone, PartialEq, Debug)]
pub struct Image {
    pub birth: u64,
    pub id: Option<String>,
    /// One of these.
    pub states: Vec<u8>,
    /// Its number and length, once it is there.
    pub content: Option<String>,
}

/// Objects by their names; what is `None` is not there.
pub type Objects<T> = BTreeMap<String, Option<T>>;

/// What the server is doing on the device. All of it happens, or what is before the last of the
/// stages stays.
#[derive(Clone, Debug, Default)]
pub struct Flight {
    pub label: String,
    /// What the VMs that are touched are, from before it to after it.
    pub vms: Vec<Objects<Vm>>,
    /// The same for images.
    pub images: Vec<Objects<Image>>,
    /// That it was refused means that the last stage was not reached.
    pub firm: bool,
    /// It was reported; what is left of the stages is what may be.
    pub over: bool,
    /// Through how many kills it went.
    pub kills: u32,
}

/// Downloads of one image that nobody knows the end of.
#[derive(Debug, Default)]
struct Open {
    correlators: Vec<String>,
    accepted: bool,
    /// There was an image before.
    again: bool,
    ready: bool,
}

#[derive(Debug, Default)]
struct Download {
    delivered: u32,
    reported: u32,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub kills: u32,
    /// What was in flight.
    pub killed_in: BTreeMap<String, u32>,
    /// How many of the kills fell into a download.
    pub downloading: u32,
    /// Processes that a fault ended.
    pub crashes: u32,
    /// What was recovered, and how.
    pub recovered: BTreeMap<String, u32>,
    /// Operations by what became of them.
    pub steps: BTreeMap<String, [u32; 2]>,
    pub checks: u32,
    pub identifiers: usize,
    /// Image Ready Alerts on the wire, and as the server told of them.
    pub delivered: u32,
    pub reported: u32,
    /// From the start of a process to the first look, and to its end, all together.
    pub starting: Duration,
    pub running: Duration,
}

impl Counts {
    pub fn add(&mut self, more: Self) {
        self.kills += more.kills;
        self.downloading += more.downloading;
        self.crashes += more.crashes;
        self.checks += more.checks;
        self.identifiers += more.identifiers;
        self.delivered += more.delivered;
        self.reported += more.reported;
        self.starting += more.starting;
        self.running += more.running;
        for (what, count) in more.killed_in {
            *self.killed_in.entry(what).or_default() += count;
        }
        for (what, count) in more.recovered {
            *self.recovered.entry(what).or_default() += count;
        }
        for (what, [failed, done]) in more.steps {
            let counts = self.steps.entry(what).or_default();
            counts[0] += failed;
            counts[1] += done;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, u32>| {
            let texts = counts.iter().map(|(what, count)| format!("{what} {count}"));
            texts.collect::<Vec<_>>().join(", ")
        };
        let each = |all: Duration| all.as_millis() / u128::from(self.kills.max(1));
        writeln!(
            f,
            "kills: {} (faults ended {} more)",
            self.kills, self.crashes
        )?;
        writeln!(f, "  amid: {}", list(&self.killed_in))?;
        writeln!(f, "  with a download under way: {}", self.downloading)?;
        let (first, end) = (each(self.starting), each(self.running));
        writeln!(
            f,
            "  each: {first} ms to the first look, killed after {end} ms"
        )?;
        writeln!(f, "recovered: {}", list(&self.recovered))?;
        let steps = self.steps.iter();
        let steps = steps.map(|(what, [failed, done])| format!("{what} {done}+{failed}"));
        writeln!(f, "done+refused: {}", steps.collect::<Vec<_>>().join(", "))?;
        writeln!(
            f,
            "identifiers: {}, looks: {}",
            self.identifiers, self.checks
        )?;
        writeln!(
            f,
            "image ready: {} delivered, {} reported",
            self.delivered, self.reported
        )
    }
}

#[derive(Debug)]
pub struct World {
    pub seed: u64,
    pub random: Random,
    pub state: PathBuf,
    /// Where images come from.
    pub site: String,
    /// In the draft profile.
    pub draft: bool,
    pub vms: BTreeMap<String, Vm>,
    pub images: BTreeMap<String, Image>,
    flight: Option<Flight>,
    births: u64,
    /// Who has or had an identifier.
    pub owners: BTreeMap<String, (String, u64)>,
    open: BTreeMap<String, Open>,
    downloads: BTreeMap<String, Download>,
    /// One of each of these is to be reported.
    pub due: Vec<Vec<String>>,
    /// How often the process that runs was found in order.
    pub verified: u32,
    /// How many Execs were sent to the process that runs.
    pub executed: u64,
    /// Whether the process may be at something when it is looked at.
    pub patient: bool,
    /// Whether its hypervisor may hang: what it is at has no end.
    pub hangs: bool,
    /// Nothing more is to be begun.
    pub paused: bool,
    /// Everything is to be deleted, and then nothing more is to be done.
    pub clearing: bool,
    pub cleared: bool,
    /// Everything is to be told.
    pub traced: bool,
    pub violations: Vec<String>,
    pub counts: Counts,
}

/// Through how many kills one operation may go.
const MOST_KILLS: u32 = 150;

impl World {
    pub fn new(seed: u64, state: PathBuf, site: String, draft: bool) -> Self {
        Self {
            seed,
            random: Random(seed),
            state,
            site,
            draft,
            vms: BTreeMap::new(),
            images: BTreeMap::new(),
            flight: None,
            births: 0,
            owners: BTreeMap::new(),
            open: BTreeMap::new(),
            downloads: BTreeMap::new(),
            due: Vec::new(),
            verified: 0,
            executed: 0,
            paused: false,
            patient: false,
            hangs: false,
            clearing: false,
            cleared: false,
            traced: std::env::var_os("TRACE").is_some(),
            violations: Vec::new(),
            counts: Counts::default(),
        }
    }

    pub fn violation(&mut self, what: impl fmt::Display) {
        let mut text = format!("seed {:#x}, kill {}: {what}", self.seed, self.counts.kills);
        if let Some(flight) = &self.flight {
            let _ = write!(text, " (amid {})", flight.label);
        }
        self.violations.push(text);
    }

    pub fn trace(&self, what: impl fmt::Display) {
        if self.traced {
            println!("{:#x} {:4} {what}", self.seed, self.counts.kills);
        }
    }

    /// The next of those that are ever made.
    pub fn birth(&mut self) -> u64 {
        self.births += 1;
        self.births
    }

    pub fn doing(&self) -> &str {
        self.flight
            .as_ref()
            .map_or("nothing", |flight| &flight.label)
    }

    pub fn begin(&mut self, flight: Flight) {
        for name in flight.images.iter().flat_map(BTreeMap::keys) {
            self.open.remove(name);
        }
        self.trace(format_args!("begins to {}", flight.label));
        self.flight = Some(flight);
    }

    /// A new process starts.
    pub fn restarted(&mut self) {
        self.verified = 0;
        self.executed = 0;
        if let Some(flight) = &mut self.flight {
            flight.kills += 1;
            if flight.kills == MOST_KILLS {
                self.violation("it never ends");
            }
        }
    }

    pub fn is_downloading(&self) -> bool {
        !self.open.is_empty()
    }

    /// The server sends an Exec of a Download.
    pub fn downloads(&mut self, image: &str, correlator: &str) {
        let again = |images: &Objects<Image>| matches!(images.get(image), Some(Some(it)) if it.states == [2]);
        let first = self.flight.as_ref().and_then(|it| it.images.first());
        let again = first.is_some_and(again);
        let open = self.open.entry(image.to_owned()).or_default();
        open.again = again;
        open.correlators.push(correlator.to_owned());
        self.downloads
            .insert(correlator.to_owned(), Download::default());
    }

    /// It was accepted.
    pub fn accepted(&mut self, correlator: &str) {
        let mut open = self.open.values_mut();
        if let Some(open) = open.find(|open| open.correlators.iter().any(|it| it == correlator)) {
            open.accepted = true;
        }
    }

    /// An alert is in a message of the device.
    pub fn delivered(&mut self, alert: &GenericAlert) {
        if alert.alert_type == READY {
            self.counts.delivered += 1;
            let correlator = alert.correlator.as_ref().map(|it| it.as_str());
            if let Some(download) = correlator.and_then(|it| self.downloads.get_mut(it)) {
                download.delivered += 1;
            }
        }
    }

    /// The server reports an alert.
    pub fn reported(&mut self, alert: &GenericAlert) {
        if alert.alert_type != READY {
            return;
        }
        self.counts.reported += 1;
        let correlator = alert.correlator.as_ref().map_or("", |it| it.as_str());
        let times = match self.downloads.get_mut(correlator) {
            Some(download) => {
                download.reported += 1;
                download.reported
            }
            None => 0,
        };
        if times != 1 {
            let source = alert.source.as_deref().unwrap_or_default();
            self.violation(format_args!(
                "the alert of {source} with Correlator {correlator:?} was reported {times} times"
            ));
        }
        let mut open = self.open.values_mut();
        if let Some(open) = open.find(|open| open.correlators.iter().any(|it| it == correlator)) {
            open.ready = true;
        }
    }

    /// What the server was doing is over.
    pub fn conclude(&mut self, report: &Report) {
        let Some(mut flight) = self.flight.take() else {
            return;
        };
        self.trace(format_args!("{}: {report:?}", flight.label));
        let kind = flight.label.split(' ').next().unwrap_or_default();
        let counts = self.counts.steps.entry(kind.to_owned()).or_default();
        counts[usize::from(report.ok)] += 1;
        let refused = report.status.is_some_and(|status| status.get() >= 400);
        if report.ok {
            keep_last(&mut flight.vms);
            keep_last(&mut flight.images);
            for (name, vm) in flight.vms.into_iter().flatten() {
                put(&mut self.vms, &name, vm);
            }
            for (name, image) in flight.images.into_iter().flatten() {
                put(&mut self.images, &name, image);
            }
            return;
        }
        if refused && flight.firm {
            drop_last(&mut flight.vms);
            drop_last(&mut flight.images);
        }
        flight.over = true;
        self.flight = Some(flight);
    }

    /// Compares, and takes over what is seen if it is as it may be.
    pub fn verify(&mut self, seen: &Seen, tree: &Tree) -> Vec<String> {
        let mut faults = seen.faults(tree, &self.state);
        let flight = self.flight.clone().unwrap_or_default();
        let touched = |name: &String| {
            let mut stages = flight.vms.iter();
            stages.any(|stage| stage.contains_key(name))
        };
        for (name, vm) in &self.vms {
            if !touched(name) && !is_vm(Some(vm), seen.vms.get(name)) {
                faults.push(format!("VM {name} is {:?}, not {vm:?}", seen.vms.get(name)));
            }
        }
        for name in seen.vms.keys() {
            if !touched(name) && !self.vms.contains_key(name) {
                faults.push(format!("there is a VM {name}"));
            }
        }
        let fits = |stage: &&Objects<Vm>| {
            let mut all = stage.iter();
            all.all(|(name, vm)| is_vm(vm.as_ref(), seen.vms.get(name)))
        };
        let at = flight.vms.iter().rfind(fits);
        if at.is_none() && !flight.vms.is_empty() {
            let found: Vec<_> = flight.vms.iter().flat_map(BTreeMap::keys).collect();
            let found: BTreeMap<_, _> = found.iter().map(|it| (it, seen.vms.get(*it))).collect();
            faults.push(format!("VMs are {found:?}, none of {:?}", flight.vms));
        }
        self.compare_images(seen, &flight, &mut faults);
        let vms = seen.vms.iter().map(|(name, vm)| {
            let known = at.and_then(|stage| stage.get(name)).cloned().flatten();
            let birth = known.or_else(|| self.vms.get(name).cloned());
            (name, &vm.id, birth.map(|vm| vm.birth))
        });
        let images = seen.images.iter().map(|(name, image)| {
            let birth = self.image_wanted(name, &flight).map(|image| image.birth);
            (name, &image.id, birth)
        });
        for (name, id, birth) in vms.chain(images) {
            let Some(birth) = birth else { continue };
            let (owner, born) = self
                .owners
                .get(id)
                .cloned()
                .unwrap_or((name.clone(), birth));
            if (&owner, born) != (name, birth) {
                faults.push(format!(
                    "{name} has the identifier {id}, which {owner} had before"
                ));
            }
        }
        if faults.is_empty() {
            self.take_over(seen);
        }
        faults
    }

    fn image_wanted(&self, name: &str, flight: &Flight) -> Option<Image> {
        let in_flight = flight
            .images
            .iter()
            .find_map(|stage| stage.get(name)?.clone());
        in_flight.or_else(|| self.images.get(name).cloned())
    }

    fn compare_images(&self, seen: &Seen, flight: &Flight, faults: &mut Vec<String>) {
        let names = self.images.keys().chain(seen.images.keys());
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            let found = seen.images.get(name);
            let stages = flight.images.iter().filter_map(|stage| stage.get(name));
            let mut may: Vec<_> = stages.map(Option::as_ref).collect();
            if may.is_empty() {
                may.push(self.images.get(name));
            }
            let fits = |image: &Option<&Image>| match (image, found) {
                (None, None) => true,
                (Some(image), Some(found)) => {
                    image.id.as_ref().is_none_or(|id| *id == found.id)
                        && image.states.iter().any(|it| it.to_string() == found.state)
                        && (found.state != "2"
                            || image.content.is_none()
                            || image.content == found.content)
                }
                _ => false,
            };
            if !may.iter().any(fits) {
                faults.push(format!("image {name} is {found:?}, not one of {may:?}"));
            }
            let ready = self.open.get(name).is_some_and(|open| open.ready);
            if ready && found.is_some_and(|found| found.state != "2") {
                faults.push(format!(
                    "image {name} is {found:?}, although its alert came"
                ));
            }
        }
    }

    fn take_over(&mut self, seen: &Seen) {
        self.verified += 1;
        self.counts.checks += 1;
        let mut flight = self.flight.take().unwrap_or_default();
        let fits = |stage: &Objects<Vm>| {
            let mut all = stage.iter();
            all.all(|(name, vm)| is_vm(vm.as_ref(), seen.vms.get(name)))
        };
        let last = flight.vms.last().is_some_and(fits);
        let at = flight.vms.iter().rfind(|stage| fits(stage)).cloned();
        if last && flight.vms.len() > 1 {
            keep_last(&mut flight.vms);
        }
        for (name, found) in &seen.vms {
            let wanted = at
                .as_ref()
                .and_then(|stage| stage.get(name))
                .cloned()
                .flatten();
            let Some(birth) = wanted
                .or_else(|| self.vms.get(name).cloned())
                .map(|vm| vm.birth)
            else {
                continue;
            };
            self.owners.insert(found.id.clone(), (name.clone(), birth));
            let state = found.state.parse().unwrap_or_default();
            let vm = Vm {
                birth,
                id: Some(found.id.clone()),
                state,
                config: found
                    .config
                    .as_deref()
                    .and_then(|config| config.parse().ok()),
                locked: found.locked.unwrap_or(false),
                usb: found.usb.unwrap_or(true),
                note: found.notes[0].clone(),
            };
            // An identifier stays, whichever stage comes next.
            for stage in &mut flight.vms {
                if let Some(Some(later)) = stage.get_mut(name) {
                    later.id = vm.id.clone();
                }
            }
            self.vms.insert(name.clone(), vm);
        }
        self.vms.retain(|name, _| seen.vms.contains_key(name));
        for (name, found) in &seen.images {
            let Some(mut image) = self.image_wanted(name, &flight) else {
                continue;
            };
            self.owners
                .insert(found.id.clone(), (name.clone(), image.birth));
            image.id = Some(found.id.clone());
            for stage in &mut flight.images {
                if let Some(Some(later)) = stage.get_mut(name) {
                    later.id = image.id.clone();
                }
            }
            let state = found.state.parse().unwrap_or_default();
            let in_flight = flight.images.iter().any(|stage| stage.contains_key(name));
            (image.states, image.content) = match state {
                1 if in_flight => (vec![1, 2, 3], None),
                1 => (image.states, image.content),
                _ => (vec![state], found.content.clone()),
            };
            self.images.insert(name.clone(), image);
            if state != 1 {
                self.settle(name, state);
            }
        }
        self.images.retain(|name, _| seen.images.contains_key(name));
        self.open.retain(|name, _| seen.images.contains_key(name));
        self.counts.identifiers = self.owners.len();
        if !flight.over && !flight.label.is_empty() {
            self.flight = Some(flight);
        }
    }

    /// A download of the image is over, or there never was one.
    fn settle(&mut self, name: &str, state: u8) {
        let Some(open) = self.open.get(name) else {
            return;
        };
        // What is there may be what was there before.
        if state == 2 && open.again && !open.accepted {
            return;
        }
        if let Some(open) = self.open.remove(name).filter(|_| state == 2) {
            self.due.push(open.correlators);
        }
    }

    /// Whether nothing is going on.
    pub fn is_at_rest(&self) -> bool {
        let certain = |image: &Image| image.states.len() == 1 && image.id.is_some();
        self.flight.is_none()
            && self.vms.values().all(|vm| vm.id.is_some())
            && self.images.values().all(certain)
    }

    /// Whether everything was reported that has to be.
    pub fn missing_alerts(&self) -> Vec<String> {
        let count =
            |correlator: &String| self.downloads.get(correlator).map_or(0, |it| it.reported);
        let missing = self
            .due
            .iter()
            .filter(|any| any.iter().map(count).sum::<u32>() == 0);
        missing
            .map(|any| format!("no alert of {any:?} was ever reported"))
            .collect()
    }
}

fn is_vm(wanted: Option<&Vm>, found: Option<&SeenVm>) -> bool {
    let (Some(wanted), Some(found)) = (wanted, found) else {
        return wanted.is_none() && found.is_none();
    };
    let config = || {
        found
            .config
            .as_deref()
            .and_then(|config| config.parse().ok())
    };
    wanted.id.as_ref().is_none_or(|id| *id == found.id)
        && wanted.state.to_string() == found.state
        && found.notes.iter().all(|note| *note == wanted.note)
        && (wanted.state == 0
            || wanted.locked == found.locked.unwrap_or(false)
                && wanted.usb == found.usb.unwrap_or(true)
                && wanted
                    .config
                    .as_ref()
                    .is_none_or(|it| Some(it) == config().as_ref()))
}

fn put<T>(objects: &mut BTreeMap<String, T>, name: &str, object: Option<T>) {
    match object {
        Some(object) => objects.insert(name.to_owned(), object),
        None => objects.remove(name),
    };
}

fn keep_last<T>(stages: &mut Vec<T>) {
    if let Some(last) = stages.pop() {
        *stages = vec![last];
    }
}

fn drop_last<T>(stages: &mut Vec<T>) {
    if stages.len() > 1 {
        stages.pop();
    }
}
