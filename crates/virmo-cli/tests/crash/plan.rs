//! Plans that a seed decides, and what they mean.

use std::{collections::BTreeMap, fmt::Write};

use crate::random::Random;

const VMS: [&str; 3] = ["a", "b", "c"];
const IMAGES: [&str; 2] = ["x", "y"];

/// What a VM is at a point of the plan.
#[derive(Clone, Debug)]
pub struct Vm {
    /// Which of all that ever had this name.
    pub birth: u64,
    pub state: u8,
    pub config: String,
    pub locked: bool,
    pub usb: bool,
    /// The leaves `Ext/one` and `Ext/two`.
    pub note: Option<u64>,
    /// Whether there is the leaf `Ext/mark`.
    pub marked: bool,
}

/// An image that is there: which of all that ever had this name, and its number and length.
#[derive(Clone, Debug)]
pub struct Image {
    pub birth: u64,
    pub content: String,
}

/// What a step has to bring.
#[derive(Clone, Debug)]
pub enum Value {
    Is(String),
    /// The identifier of this one.
    IdentifierOf(u64),
    /// Nothing: a question, which ends with the device it is asked on.
    Yes,
}

/// A plan, and what is there when it is over.
#[derive(Debug, Default)]
pub struct Plan {
    pub toml: String,
    /// What each step brings, if it is more than its status.
    pub values: Vec<Option<Value>>,
    /// The number and length of each file that is served.
    pub files: Vec<(u64, usize)>,
    /// How often an image is delivered at each node.
    pub deliveries: BTreeMap<String, usize>,
    pub vms: BTreeMap<String, Vm>,
    pub images: BTreeMap<String, Image>,
    pub draft: bool,
    births: u64,
}

/// A VM that gets no configuration has this one.
const DEFAULT: &str = "RAM=268435456&Storage=1073741824&CPU=10&Network=10";

impl Plan {
    /// Of 10 to 20 steps.
    pub fn new(seed: u64, draft: bool) -> Self {
        let mut random = Random(seed);
        let mut plan = Self {
            draft,
            ..Self::default()
        };
        let steps = 10 + random.below(11) as usize;
        plan.deliver(&mut random);
        plan.create(&mut random);
        while plan.values.len() < steps {
            match random.below(20) {
                0..=1 => plan.deliver(&mut random),
                2..=3 => plan.create(&mut random),
                4..=8 => plan.operate(&mut random),
                9 => plan.apply(&mut random),
                10..=11 => plan.lock(&mut random),
                12 => plan.switch(&mut random),
                13 => plan.mark(&mut random),
                14..=15 if random.chance(60) => plan.note(&mut random),
                14..=15 => plan.ask(&mut random),
                16..=17 => plan.get(&mut random),
                18 => plan.delete_vm(&mut random),
                _ => plan.delete_image(&mut random),
            }
        }
        plan
    }

    pub fn steps(&self) -> usize {
        self.values.len()
    }

    fn step(&mut self, text: &str) {
        let _ = write!(self.toml, "[[step]]\n{text}\n");
        self.values.push(None);
    }

    fn read(&mut self, uri: &str, value: Value) {
        self.step(&format!("get = \"{uri}\""));
        if let Some(last) = self.values.last_mut() {
            *last = Some(value);
        }
    }

    fn birth(&mut self) -> u64 {
        self.births += 1;
        self.births
    }

    fn some_vm(&self, random: &mut Random) -> Option<String> {
        let names: Vec<_> = self.vms.keys().cloned().collect();
        random.pick(&names).cloned()
    }

    fn deliver(&mut self, random: &mut Random) {
        let Some(name) = random.pick(&IMAGES) else {
            return;
        };
        // No two of them are the same.
        let number = 1000 * self.files.len() as u64 + random.below(1000);
        let length = match random.below(4) {
            0 => 3 << 20,
            1 => 300_000,
            _ => 20_000,
        };
        self.files.push((number, length));
        let birth = match self.images.get(*name) {
            Some(image) => image.birth,
            None => self.birth(),
        };
        let content = format!("{number}/{length}");
        self.images
            .insert((*name).to_owned(), Image { birth, content });
        *self.deliveries.entry((*name).to_owned()).or_default() += 1;
        self.step(&format!(
            "deliver_image = {{ node = \"{name}\", name = \"{name}\", uri = \"/images/{number}.img\", \
             media_type = \"application/octet-stream\" }}"
        ));
        if random.chance(40) {
            let uri = format!("./VMImgMO/{name}/ImgID");
            self.read(&uri, Value::IdentifierOf(birth));
        }
    }

    fn config(random: &mut Random) -> String {
        format!(
            "RAM={}&Storage={}&CPU={}&Network={}",
            (64 + random.below(400)) << 20,
            (8 + random.below(64)) << 20,
            1 + random.below(20),
            1 + random.below(20),
        )
    }

    fn create(&mut self, random: &mut Random) {
        let images: Vec<_> = self.images.keys().cloned().collect();
        let (Some(name), Some(image)) = (random.pick(&VMS), random.pick(&images)) else {
            return;
        };
        if self.vms.contains_key(*name) {
            return;
        }
        let vm = Vm {
            birth: self.birth(),
            state: if random.chance(30) { 1 } else { 2 },
            config: match random.chance(60) {
                true => Self::config(random),
                false => DEFAULT.to_owned(),
            },
            locked: false,
            usb: true,
            note: None,
            marked: false,
        };
        let resources = match vm.config == DEFAULT {
            true => String::new(),
            false => format!(", resources = \"{}\"", vm.config),
        };
        self.step(&format!(
            "create_vm = {{ node = \"{name}\", image = \"{image}\", running = {}{resources} }}",
            vm.state == 2
        ));
        let uri = format!("./VirMO/{name}/VMID");
        self.read(&uri, Value::IdentifierOf(vm.birth));
        self.vms.insert((*name).to_owned(), vm);
    }

    fn operate(&mut self, random: &mut Random) {
        let Some(name) = self.some_vm(random) else {
            return;
        };
        let Some(vm) = self.vms.get_mut(&name) else {
            return;
        };
        let (step, state) = match (vm.state, random.chance(50)) {
            (1, _) => ("power_on", 2),
            (2, true) => ("suspend", 3),
            (2, false) => ("power_off", 1),
            _ => ("resume", 2),
        };
        vm.state = state;
        // The status of doing it for the first time, whatever was done of it before.
        let expect = if random.chance(30) {
            "\nexpect = 200"
        } else {
            ""
        };
        self.step(&format!("{step} = {{ vm = \"{name}\" }}{expect}"));
    }

    fn apply(&mut self, random: &mut Random) {
        if self.draft || self.vms.is_empty() {
            return;
        }
        let mut configs = Vec::new();
        for (name, vm) in &mut self.vms {
            let mut config = Self::config(random);
            // RAM and Storage of a suspended one stay.
            if vm.state == 3 {
                let own = vm.config.split('&').take(2);
                let new = config.split('&').skip(2);
                config = own.chain(new).collect::<Vec<_>>().join("&");
            }
            configs.push(format!("{name} = \"{config}\""));
            vm.config = config;
        }
        self.step(&format!("apply_resources = {{ {} }}", configs.join(", ")));
    }

    fn lock(&mut self, random: &mut Random) {
        let Some(name) = self.some_vm(random) else {
            return;
        };
        if let Some(vm) = self.vms.get_mut(&name) {
            vm.locked = !vm.locked;
            let step = if vm.locked { "lock" } else { "unlock" };
            self.step(&format!("{step} = {{ vm = \"{name}\" }}"));
        }
    }

    fn switch(&mut self, random: &mut Random) {
        let Some(name) = self.some_vm(random).filter(|_| !self.draft) else {
            return;
        };
        if let Some(vm) = self.vms.get_mut(&name) {
            vm.usb = !vm.usb;
            let step = if vm.usb { "enable" } else { "disable" };
            self.step(&format!(
                "{step}_peripheral = {{ vm = \"{name}\", name = \"usb\" }}"
            ));
        }
    }

    /// A leaf that is added or deleted; a VM of the draft takes no nodes.
    fn mark(&mut self, random: &mut Random) {
        let Some(name) = self.some_vm(random).filter(|_| !self.draft) else {
            return;
        };
        if let Some(vm) = self.vms.get_mut(&name) {
            vm.marked = !vm.marked;
            let uri = format!("./VirMO/{name}/Ext/mark");
            let text = match vm.marked {
                true => format!("add = {{ uri = \"{uri}\", value = \"1\" }}"),
                false => format!("delete = \"{uri}\""),
            };
            self.step(&text);
        }
    }

    /// Two leaves that are added, changed and deleted together.
    fn note(&mut self, random: &mut Random) {
        let Some(name) = self.some_vm(random).filter(|_| !self.draft) else {
            return;
        };
        let Some(vm) = self.vms.get_mut(&name) else {
            return;
        };
        let at = |leaf: &str| format!("./VirMO/{name}/Ext/{leaf}");
        let both = |member: &dyn Fn(&str) -> String| {
            format!("[{{ {} }}, {{ {} }}]", member("one"), member("two"))
        };
        let value = random.below(1000);
        let text = match vm.note {
            None => {
                both(&|leaf| format!("add = {{ uri = \"{}\", value = \"{value}\" }}", at(leaf)))
            }
            Some(_) if random.chance(40) => {
                vm.note = None;
                let text = both(&|leaf| format!("delete = \"{}\"", at(leaf)));
                return self.step(&format!("atomic = {text}"));
            }
            Some(_) => both(&|leaf| {
                format!(
                    "replace = {{ uri = \"{}\", value = \"{value}\" }}",
                    at(leaf)
                )
            }),
        };
        vm.note = Some(value);
        self.step(&format!("atomic = {text}"));
    }

    fn ask(&mut self, random: &mut Random) {
        let name = self.some_vm(random).filter(|_| !self.draft);
        let running = |name: &String| self.vms.get(name).is_some_and(|vm| vm.state == 2);
        if let Some(name) = name.filter(running) {
            self.step(&format!(
                "ask_user = {{ vm = \"{name}\", kind = \"confirm\", text = \"Go on?\" }}"
            ));
            if let Some(last) = self.values.last_mut() {
                *last = Some(Value::Yes);
            }
        }
    }

    fn get(&mut self, random: &mut Random) {
        let Some(name) = self.some_vm(random) else {
            return;
        };
        let Some(vm) = self.vms.get(&name).cloned() else {
            return;
        };
        let at = |leaf: &str| format!("./VirMO/{name}/{leaf}");
        match vm.note.filter(|_| random.chance(40)) {
            Some(note) => self.read(&at("Ext/two"), Value::Is(note.to_string())),
            None => self.read(&at("State"), Value::Is(vm.state.to_string())),
        }
    }

    fn delete_vm(&mut self, random: &mut Random) {
        let Some(name) = self.some_vm(random) else {
            return;
        };
        self.vms.remove(&name);
        self.step(&format!("delete_vm = {{ vm = \"{name}\" }}"));
    }

    fn delete_image(&mut self, random: &mut Random) {
        let names: Vec<_> = self.images.keys().cloned().collect();
        if names.len() > 1
            && let Some(name) = random.pick(&names)
        {
            self.images.remove(name);
            self.step(&format!("delete_image = {{ node = \"{name}\" }}"));
        }
    }
}
