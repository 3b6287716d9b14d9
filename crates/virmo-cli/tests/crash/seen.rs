//! What a device says of itself over DM, and what is in its folder; and what of it cannot be,
//! whatever the server did.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

/// Everything below `./VirMO` and `./VMImgMO`, by its address; an interior node is empty.
pub type Tree = BTreeMap<String, String>;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct SeenVm {
    pub id: String,
    pub state: String,
    pub config: Option<String>,
    /// Whether it is locked, if anything says so.
    pub locked: Option<bool>,
    /// Whether it has the peripheral `usb`, likewise.
    pub usb: Option<bool>,
    /// `Ext/one` and `Ext/two`.
    pub notes: [Option<String>; 2],
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct SeenImage {
    pub id: String,
    pub state: String,
    pub location: Option<String>,
    /// Which one its file is.
    pub content: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Seen {
    /// In the draft profile.
    pub draft: bool,
    pub vms: BTreeMap<String, SeenVm>,
    pub images: BTreeMap<String, SeenImage>,
    /// The hypervisor's own records.
    pub machines: BTreeMap<String, Value>,
    /// What the hypervisor was making or removing.
    pub scratch: Vec<String>,
    /// The files of images, with which one it is or what is wrong.
    pub files: BTreeMap<String, Result<String, String>>,
}

/// What each VM of the draft has.
const OF_DRAFT_VM: [&str; 4] = ["VMID", "State", "Operations", "Ext"];

/// What each VM has; what only an Exec reaches is not shown.
const OF_VM: [&str; 6] = [
    "VMID",
    "State",
    "CreateParams",
    "Resources",
    "Resources/CurrentConfig",
    "Operations",
];

const OF_IMAGE: [&str; 6] = [
    "ImgID",
    "Name",
    "State",
    "DownloadURI",
    "MediaType",
    "Operations",
];

impl Seen {
    /// Sorts what the tree says, and looks into the folder.
    pub fn of(tree: &Tree, state: &Path, draft: bool) -> Self {
        let names = |root: &str| -> BTreeSet<String> {
            let below = tree.keys().filter_map(|uri| uri.strip_prefix(root));
            below
                .filter(|name| !name.contains('/'))
                .map(str::to_owned)
                .collect()
        };
        let leaf = |uri: String| tree.get(&uri).cloned();
        let mut seen = Self {
            draft,
            ..Self::default()
        };
        let (config, lock) = match draft {
            true => ("Ext/CurrentConfig", "Ext/Locked"),
            false => ("Resources/CurrentConfig", "DMTree/LAWMO/State"),
        };
        for name in names("./VirMO/") {
            if ["DeviceResources", "Operations", "Ext"].contains(&&*name) {
                continue;
            }
            let at = |node: &str| leaf(format!("./VirMO/{name}/{node}"));
            let vm = SeenVm {
                id: at("VMID").unwrap_or_default(),
                state: at("State").unwrap_or_default(),
                config: at(config).filter(|config| !config.is_empty()),
                locked: at(lock).map(|lock| !["30", "false"].contains(&&*lock)),
                usb: at("DMTree/DCMO/usb/Enabled").map(|usb| usb == "true"),
                notes: [at("Ext/one"), at("Ext/two")],
            };
            seen.vms.insert(name, vm);
        }
        for name in names("./VMImgMO/") {
            let at = |node: &str| leaf(format!("./VMImgMO/{name}/{node}"));
            let image = SeenImage {
                id: at("ImgID").unwrap_or_default(),
                state: at("State").unwrap_or_default(),
                location: at("DownloadedLocation").filter(|location| !location.is_empty()),
                content: None,
            };
            seen.images.insert(name, image);
        }
        let machines = state.join("machines");
        for name in children(&machines.join("machines")) {
            let record = machines.join("machines").join(&name).join("machine.json");
            let record = fs::read(record).map(|text| serde_json::from_slice(&text));
            let record = record.ok().and_then(Result::ok).unwrap_or_default();
            seen.machines.insert(name, record);
        }
        seen.scratch = children(&machines.join("scratch"));
        for name in children(&state.join("images")) {
            let file = match name.ends_with(".part") {
                true => Ok(String::new()),
                false => content::check(&state.join("images").join(&name)),
            };
            seen.files.insert(name, file);
        }
        for image in seen.images.values_mut() {
            let file = seen.files.get(&image.id);
            image.content = file.cloned().and_then(Result::ok);
        }
        seen
    }

    /// What cannot be, whatever the server did.
    pub fn faults(&self, tree: &Tree, state: &Path) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, vm) in &self.vms {
            self.vm_faults(name, vm, &mut faults);
            let nodes: &[&str] = if self.draft { &OF_DRAFT_VM } else { &OF_VM };
            missing(tree, &format!("./VirMO/{name}"), nodes, &mut faults);
        }
        for (name, image) in &self.images {
            self.image_faults(name, image, state, &mut faults);
            missing(tree, &format!("./VMImgMO/{name}"), &OF_IMAGE, &mut faults);
        }
        let of_vms = self.vms.iter().map(|(name, vm)| (&vm.id, name));
        let of_images = self.images.iter().map(|(name, image)| (&image.id, name));
        let mut owners = BTreeMap::new();
        for (id, name) in of_vms.chain(of_images) {
            if let Some(other) = owners.insert(id, name) {
                faults.push(format!("{other} and {name} both have the identifier {id}"));
            }
        }
        for id in self.machines.keys() {
            if !self.vms.values().any(|vm| vm.id == *id) {
                faults.push(format!("no VM stands for the machine {id}"));
            }
        }
        for file in self.files.keys() {
            let id = file.strip_suffix(".part").unwrap_or(file);
            if !self.images.values().any(|image| image.id == id) {
                faults.push(format!("no image stands for the file {file}"));
            }
        }
        for name in &self.scratch {
            faults.push(format!("the hypervisor left {name} half made or removed"));
        }
        faults
    }

    fn vm_faults(&self, name: &str, vm: &SeenVm, faults: &mut Vec<String>) {
        let SeenVm { id, state, .. } = vm;
        let machine = self.machines.get(id);
        let at = |path: &str| machine.and_then(|it| it.pointer(path));
        if id.is_empty() {
            faults.push(format!("VM {name} has no VMID"));
        }
        if vm.notes[0] != vm.notes[1] {
            let notes = &vm.notes;
            faults.push(format!("VM {name} has half of an Atomic: {notes:?}"));
        }
        let wanted = match &**state {
            "0" if machine.is_some() => {
                return faults.push(format!("VM {name} has State 0, and there is machine {id}"));
            }
            "0" => return,
            "1" => "off",
            "2" => "running",
            "3" => "suspended",
            other => return faults.push(format!("VM {name} has the State {other:?}")),
        };
        if machine.is_none() {
            return faults.push(format!("VM {name} has State {state}, without machine {id}"));
        }
        let found = at("/own/state").and_then(Value::as_str);
        if found != Some(wanted) {
            faults.push(format!(
                "VM {name} has State {state}, machine {id} is {found:?}"
            ));
        }
        for open in ["/own/pending", "/prepared"] {
            // A machine that was to be powered off or deleted, and is not, is as before.
            let same = [Value::Null, "power_off".into(), "delete".into()];
            let value = at(open).filter(|value| !same.contains(value));
            if let Some(value) = value {
                faults.push(format!("machine {id} has {open} = {value}"));
            }
        }
        let config = at("/config").and_then(Value::as_str);
        if config != vm.config.as_deref() {
            faults.push(format!(
                "VM {name} has CurrentConfig {:?}, machine {id} has {config:?}",
                vm.config
            ));
        }
        let locked = at("/own/locked").and_then(Value::as_bool);
        let said = vm.locked.unwrap_or(false);
        if locked != Some(said) {
            faults.push(format!(
                "VM {name} says locked = {said}, machine {id} has {locked:?}"
            ));
        }
        let disabled = at("/own/disabled").and_then(Value::as_array);
        let disabled = disabled.is_some_and(|it| it.contains(&"usb".into()));
        if disabled == vm.usb.unwrap_or(true) {
            let said = vm.usb;
            faults.push(format!(
                "VM {name} says usb = {said:?}, machine {id} has disabled = {disabled}"
            ));
        }
    }

    fn image_faults(&self, name: &str, image: &SeenImage, state: &Path, faults: &mut Vec<String>) {
        let SeenImage { id, location, .. } = image;
        if id.is_empty() {
            faults.push(format!("image {name} has no ImgID"));
        }
        let file = self.files.get(id);
        let part = self.files.contains_key(&format!("{id}.part"));
        match &*image.state {
            "0" if file.is_some() || part => {
                faults.push(format!("image {name} has State 0, and a file"));
            }
            "3" if file.is_some() => {
                faults.push(format!("image {name} has State 3, and a whole file"));
            }
            // What came so far stays, and what is to be replaced until the job begins.
            "0" | "1" | "3" => {}
            "2" => {
                let path = state.join("images").join(id);
                if location.as_deref() != path.to_str() {
                    faults.push(format!("image {name} has DownloadedLocation {location:?}"));
                }
                match file {
                    None => faults.push(format!("image {name} has State 2, without file {id}")),
                    Some(Err(why)) => faults.push(format!("image {name}: file {id}: {why}")),
                    Some(Ok(_)) => {}
                }
                if part {
                    faults.push(format!("image {name} has State 2, and a partial file"));
                }
                return;
            }
            other => faults.push(format!("image {name} has the State {other:?}")),
        }
        if location.is_some() {
            faults.push(format!(
                "image {name} has State {} and DownloadedLocation {location:?}",
                image.state
            ));
        }
    }
}

fn missing(tree: &Tree, uri: &str, nodes: &[&str], faults: &mut Vec<String>) {
    for node in nodes {
        if !tree.contains_key(&format!("{uri}/{node}")) {
            faults.push(format!("{uri} has no {node}"));
        }
    }
}

fn children(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Images that tell what they should be.
pub mod content {
    use std::{fs, path::Path};

    /// The image of this number, so long.
    pub fn of(number: u64, length: usize) -> Vec<u8> {
        let mut octets = format!("{number} {length}\n").into_bytes();
        let pattern: Vec<u8> = (0..=250).map(|at| at ^ number as u8).collect();
        while octets.len() < length {
            octets.extend_from_slice(&pattern);
        }
        octets.truncate(length);
        octets
    }

    /// Which image a file is.
    pub fn check(path: &Path) -> Result<String, String> {
        let octets = fs::read(path).map_err(|error| error.to_string())?;
        let end = octets.iter().position(|octet| *octet == b'\n');
        let head = end.and_then(|end| std::str::from_utf8(&octets[..end]).ok());
        let head = head.and_then(|head| head.split_once(' '));
        let head =
            head.and_then(|(number, length)| Some((number.parse().ok()?, length.parse().ok()?)));
        match head {
            Some((number, length)) if octets == of(number, length) => {
                Ok(format!("{number}/{length}"))
            }
            Some((number, length)) => Err(format!(
                "{} octets are not the {length} of image {number}",
                octets.len()
            )),
            None => Err(format!("{} octets are no image", octets.len())),
        }
    }
}
