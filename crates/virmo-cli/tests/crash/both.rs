//! `virmo serve --state` and `virmo device --state` amid a plan, each killed at any moment and
//! started again.

use std::{
    collections::BTreeMap,
    fmt, fs,
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{
    number,
    plan::{Plan, Value},
    program::{Background, virmo},
    random::Random,
    seen::{Seen, Tree, content},
};

/// How long what is not killed any more may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often the two ends of one plan are killed at most.
const MOST: u32 = 30;

/// What does not go on is killed in any case.
const LONGEST: Duration = Duration::from_secs(1);

/// What servers told of one plan.
#[derive(Debug, Default)]
pub struct Told {
    steps: BTreeMap<u64, Json>,
    /// The steps that a later server said were over.
    resumed: BTreeMap<u64, Json>,
    /// Image Ready Alerts by their source.
    ready: BTreeMap<String, usize>,
    /// Those that a later server says came in the last exchange.
    late: BTreeMap<String, usize>,
    /// Whether the server that runs said where it goes on.
    pub went_on: bool,
    /// The step that goes on in this run of the server, if an earlier one began it.
    goes_on: Option<u64>,
}

const READY: &str = "urn:oma:at:oma-virmo:imageready:1.0";

impl Told {
    /// How many steps are over, as far as somebody said so.
    pub fn over(&self) -> usize {
        self.steps
            .keys()
            .chain(self.resumed.keys())
            .max()
            .map_or(0, |last| *last as usize + 1)
    }

    /// Takes an event in; what is wrong with it.
    pub fn hear(&mut self, event: &Json) -> Result<(), String> {
        let index = |step: &Json| step["index"].as_u64().unwrap();
        match event["event"].as_str().unwrap() {
            "step" => {
                let at = index(event);
                if self.steps.contains_key(&at) {
                    return Err(format!("told twice: {event}"));
                }
                if self.resumed.contains_key(&at) {
                    return Err(format!("told after it was over: {event}"));
                }
                if at as usize != self.over() {
                    return Err(format!("out of turn, after {}: {event}", self.over()));
                }
                self.steps.insert(at, event.clone());
            }
            "listening" => self.goes_on = None,
            "progress" => {
                let at = index(event);
                let goes_on = self.goes_on == Some(at);
                let wrong = if goes_on { "begun" } else { "resumed" };
                if event["what"] == wrong {
                    return Err(format!("it was begun before, or was not: {event}"));
                }
                if self.steps.contains_key(&at) {
                    return Err(format!("over already: {event}"));
                }
            }
            "resumed" => {
                self.went_on = true;
                self.goes_on = event["next"].as_u64().filter(|_| event["begun"] == true);
                let steps = event["steps"].as_array().unwrap();
                if steps.len() < self.over() || event["next"] != steps.len() {
                    return Err(format!("{} steps were over: {event}", self.over()));
                }
                for step in steps {
                    let known = self.steps.get(&index(step));
                    let known = known.or(self.resumed.get(&index(step)));
                    let same = |known: &&Json| {
                        let fields = ["ok", "status", "value", "detail"];
                        !fields.iter().all(|it| known[it] == step[it])
                    };
                    if let Some(other) = known.filter(same) {
                        return Err(format!("{step} was {other}"));
                    }
                    self.resumed.insert(index(step), step.clone());
                }
                for alert in event["alerts"].as_array().unwrap() {
                    let source = alert["source"].as_str().unwrap_or_default().to_owned();
                    if alert["type"] == READY {
                        *self.late.entry(source).or_default() += 1;
                    }
                }
            }
            "alert" if event["type"] == READY => {
                let source = event["source"].as_str().unwrap_or_default().to_owned();
                *self.ready.entry(source).or_default() += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// What is wrong when the plan is over.
    pub fn faults(&self, plan: &Plan) -> Vec<String> {
        let mut faults = Vec::new();
        let mut owners: BTreeMap<String, u64> = BTreeMap::new();
        let mut identifiers: BTreeMap<u64, String> = BTreeMap::new();
        for (index, wanted) in plan.values.iter().enumerate() {
            let index = index as u64;
            let Some(step) = self.steps.get(&index).or(self.resumed.get(&index)) else {
                faults.push(format!("step {index} was never reported"));
                continue;
            };
            let asked = matches!(wanted, Some(Value::Yes));
            if step["ok"] != true && !(asked && step["status"] == 215) {
                faults.push(format!("step {index} failed: {step}"));
            }
            let value = step["value"].as_str().unwrap_or_default().to_owned();
            match wanted {
                None | Some(Value::Yes) => {}
                Some(Value::Is(text)) if *text == value => {}
                Some(Value::Is(text)) => faults.push(format!("step {index}: {value}, not {text}")),
                Some(Value::IdentifierOf(birth)) => {
                    let owner = *owners.entry(value.clone()).or_insert(*birth);
                    let own = identifiers.entry(*birth).or_insert_with(|| value.clone());
                    if value.is_empty() || owner != *birth || *own != value {
                        faults.push(format!(
                            "step {index}: {birth} has the identifier {value}, as {owner}, before {own}"
                        ));
                    }
                }
            }
        }
        if self.over() != plan.steps() {
            faults.push(format!("{} of {} steps", self.over(), plan.steps()));
        }
        for (node, due) in &plan.deliveries {
            let source = format!("./VMImgMO/{node}/Operations/Download");
            let count = |of: &BTreeMap<String, usize>| of.get(&source).copied().unwrap_or(0);
            let (told, late) = (count(&self.ready), count(&self.late));
            if told > *due || told + late < *due {
                faults.push(format!(
                    "{due} images were delivered to {node}: {told} alerts, and {late} late"
                ));
            }
        }
        faults
    }
}

/// What is wrong with the tree and the folder of a device, by what a plan means.
fn faults_of(state: &std::path::Path, plan: &Plan) -> Vec<String> {
    let output = virmo(&["tree", "--state", state.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let tree: Tree = text
        .lines()
        .map(|line| line.split_once(" = ").unwrap_or((line, "")))
        .map(|(uri, value)| (uri.to_owned(), value.to_owned()))
        .collect();
    let seen = Seen::of(&tree, state, plan.draft);
    let mut faults = seen.faults(&tree, state);
    let names: Vec<_> = seen.vms.keys().collect();
    if names != plan.vms.keys().collect::<Vec<_>>() {
        faults.push(format!("VMs are {names:?}, not {:?}", plan.vms.keys()));
    }
    for (name, vm) in &seen.vms {
        let Some(wanted) = plan.vms.get(name) else {
            continue;
        };
        let wanted_note = wanted.note.map(|note| note.to_string());
        let is = (
            vm.state == wanted.state.to_string(),
            vm.config.as_deref() == Some(&wanted.config),
            vm.locked.unwrap_or(false) == wanted.locked,
            vm.usb.unwrap_or(true) == wanted.usb,
            tree.contains_key(&format!("./VirMO/{name}/Ext/mark")) == wanted.marked,
            vm.notes.iter().all(|note| *note == wanted_note),
        );
        if is != (true, true, true, true, true, true) {
            faults.push(format!("VM {name} is {vm:?}, not {wanted:?}: {is:?}"));
        }
    }
    let images = seen.images.iter();
    let images = images.map(|(name, image)| (name.clone(), image.content.clone()));
    let wanted = plan.images.iter();
    let wanted = wanted.map(|(name, image)| (name.clone(), Some(image.content.clone())));
    let (images, wanted): (Vec<_>, Vec<_>) = (images.collect(), wanted.collect());
    if images != wanted {
        faults.push(format!("images are {images:?}, not {wanted:?}"));
    }
    faults
}

/// What plans came to.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    plans: u32,
    steps: usize,
    servers: u32,
    devices: u32,
    /// Both at the same moment.
    pairs: u32,
    /// Steps and alerts that only a later server told of.
    late: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            plans,
            steps,
            servers,
            devices,
            pairs,
            late,
        } = self;
        write!(
            f,
            "{} kills in {plans} plans of {steps} steps: {servers} servers, {devices} devices, \
             {pairs} times both; {late} steps were told by resumed alone",
            servers + devices + 2 * pairs
        )
    }
}

/// A plan between two processes.
struct Ends {
    folder: TempDir,
    seed: u64,
    random: Random,
    plan: Plan,
    told: Told,
    faults: Vec<String>,
    /// Where the first server listened, and all later ones do.
    address: Option<String>,
    server: Option<Background>,
    device: Option<Background>,
}

impl Ends {
    fn new(seed: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let plan = Plan::new(seed, seed.is_multiple_of(2));
        let images = folder.path().join("images");
        fs::create_dir(&images).unwrap();
        for (number, length) in &plan.files {
            let octets = content::of(*number, *length);
            fs::write(images.join(format!("{number}.img")), octets).unwrap();
        }
        fs::write(folder.path().join("plan.toml"), &plan.toml).unwrap();
        Self {
            folder,
            seed,
            random: Random(seed ^ 0xb07),
            plan,
            told: Told::default(),
            faults: Vec::new(),
            address: None,
            server: None,
            device: None,
        }
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().canonicalize().unwrap().join(name);
        path.to_str().unwrap().to_owned()
    }

    fn profile(&self) -> [&'static str; 2] {
        [
            "--profile",
            if self.plan.draft { "draft" } else { "approved" },
        ]
    }

    fn start_server(&mut self) {
        let (state, plan) = (self.path("server"), self.path("plan.toml"));
        let images = self.path("images");
        let listen = self.address.clone();
        let listen = listen.as_deref().unwrap_or("127.0.0.1:0");
        let fixed = [
            "serve", "--listen", listen, "--state", &state, "--plan", &plan, "--images", &images,
            "--json",
        ];
        self.told.went_on = false;
        self.server = Some(Background::start(&[&fixed[..], &self.profile()].concat()));
    }

    fn start_device(&mut self, words: &[&str]) {
        let Some(address) = &self.address else { return };
        let (url, state) = (format!("http://{address}/dm"), self.path("device"));
        let mut fixed = vec!["device", "--server", &url, "--state", &state, "--json"];
        fixed.extend(["--interval", "0.01", "--ui", "accept"]);
        fixed.extend(self.profile());
        if self.random.chance(50) {
            fixed.extend(["--encoding", "wbxml"]);
        }
        fixed.extend(words);
        self.device = Some(Background::start(&fixed));
    }

    fn hear(&mut self, event: &Json) {
        if std::env::var_os("TRACE").is_some() {
            println!("{:#x} {event}", self.seed);
        }
        if event["event"] == "listening" && self.address.is_none() {
            let url = event["url"].as_str().unwrap();
            let address = url.trim_start_matches("http://").trim_end_matches("/dm");
            self.address = Some(address.to_owned());
        }
        if let Err(fault) = self.told.hear(event) {
            self.faults.push(fault);
        }
    }

    /// Hears what the server says, for so long.
    fn listen(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self
                .server
                .as_mut()
                .and_then(|server| server.event_within(left))
            {
                Some(event) => self.hear(&event),
                None => return,
            }
        }
    }

    /// Hears what the server says until so many commands were answered, or nothing comes any more.
    fn listen_for(&mut self, commands: u64) {
        let (start, mut answered) = (Instant::now(), 0);
        while answered < commands && start.elapsed() < LONGEST {
            let server = self.server.as_mut();
            if let Some(event) = server.and_then(|it| it.event_within(LONGEST / 10)) {
                answered += u64::from(event["event"] == "command");
                self.hear(&event);
            }
        }
    }

    fn kill_server(&mut self) {
        let said = self.server.take().map(Background::kill).unwrap_or_default();
        said.iter().for_each(|event| self.hear(event));
    }

    fn kill_device(&mut self) {
        let said = self.device.take().map(Background::kill).unwrap_or_default();
        for event in &said {
            let message = event["message"].as_str().unwrap_or_default();
            if message.contains("cannot be read") || message.contains("no node stands for it") {
                self.faults.push(format!("the device says: {message}"));
            }
        }
    }

    /// Takes the plan to its end; what is wrong.
    fn live(&mut self, counts: &mut Counts) -> Vec<String> {
        self.start_server();
        while self.address.is_none() {
            self.listen(Duration::from_millis(10));
        }
        self.start_device(&[]);
        for _ in 0..MOST {
            if self.told.over() == self.plan.steps() || !self.faults.is_empty() {
                break;
            }
            // A process that is killed while it starts did nothing; most should get somewhere.
            if self.random.chance(80) {
                let commands = 1 + self.random.below(12);
                self.listen_for(commands);
            }
            let micros = self.random.below(30_000);
            self.listen(Duration::from_micros(micros));
            match self.random.below(10) {
                0..4 => {
                    self.kill_server();
                    self.start_server();
                    counts.servers += 1;
                }
                4..8 => {
                    self.kill_device();
                    self.start_device(&[]);
                    counts.devices += 1;
                }
                _ => {
                    self.kill_server();
                    self.kill_device();
                    self.start_server();
                    self.start_device(&[]);
                    counts.pairs += 1;
                }
            }
        }
        self.end();
        counts.plans += 1;
        counts.steps += self.plan.steps();
        let untold = |index: &&u64| !self.told.steps.contains_key(index);
        counts.late += self.told.resumed.keys().filter(untold).count();
        self.faults.extend(self.told.faults(&self.plan));
        let state = self.path("device");
        self.faults.extend(faults_of(state.as_ref(), &self.plan));
        let seed = self.seed;
        let faults = self.faults.iter();
        faults.map(|it| format!("seed {seed:#x}: {it}")).collect()
    }

    /// Lets both go on until the plan is over and the device has nothing to say any more.
    fn end(&mut self) {
        let start = Instant::now();
        while self.told.over() < self.plan.steps() && self.faults.is_empty() {
            self.listen(Duration::from_millis(50));
            if start.elapsed() > PATIENCE {
                self.faults.push("the plan does not end".to_owned());
            }
        }
        self.kill_device();
        self.start_device(&["--until-idle"]);
        if let Some(device) = self.device.take() {
            let (code, said) = device.end();
            if code != Some(0) {
                self.faults
                    .push(format!("the device ended with {code:?}: {said:?}"));
            }
        }
        self.kill_server();
        self.start_server();
        let start = Instant::now();
        while !self.told.went_on && start.elapsed() < PATIENCE {
            self.listen(Duration::from_millis(50));
        }
        self.kill_server();
        if self.told.resumed.len() != self.plan.steps() {
            let resumed = self.told.resumed.len();
            self.faults.push(format!("{resumed} steps are kept"));
        }
    }
}

/// `PLANS` sets the number of plans, and `SEED` makes others.
#[test]
fn a_plan_goes_on_whichever_end_is_killed() {
    let (plans, seed) = (number("PLANS").unwrap_or(2), number("SEED").unwrap_or(1));
    let mut counts = Counts::default();
    for seed in seed..seed + plans {
        let mut ends = Ends::new(seed);
        let faults = ends.live(&mut counts);
        assert!(faults.is_empty(), "{faults:#?}\n{}", ends.plan.toml);
    }
    println!("{counts}");
    assert!(counts.servers + counts.devices + counts.pairs > 0);
}
