//! What the server does: one thing after another, for ever.

use virmo::{
    ApplyResources, CreateVm, DeliverImage, Mounts, Operate, Procedure,
    dm::{
        core::{Format, Interaction, StatusCode, UserInteraction},
        server::{CommandGroup, SingleCommand},
        session::{Answer, Correlators, Report, Round, Step, request, request::Leaf},
        tree::Uri,
    },
    nodes::Profile,
    params::{Bytes, Percent, ResourceConfig},
    server::{AskVmUser, Manage, Policy},
    state::AccessOperation,
};

use crate::world::{Flight, Image, Objects, Vm, World};

const VMS: [&str; 4] = ["a", "b", "c", "d"];
const IMAGES: [&str; 3] = ["x", "y", "z"];

/// What every procedure puts up with.
fn patient() -> Policy {
    let mut policy = Policy::default();
    policy.retries = 1_000_000;
    policy.max_sessions = 1_000_000;
    policy
}

type Operation = (Box<dyn Procedure>, Flight);

/// The next thing to do.
pub fn next(world: &mut World) -> Option<Operation> {
    if world.clearing {
        return clear(world);
    }
    loop {
        // Without an image there is little to do.
        let first = match world.images.values().any(|image| image.states == [2]) {
            true => 1,
            false => 0,
        };
        let operation = match first + world.random.below(23) {
            0 => deliver(world),
            1..=2 => fetch(world),
            3 => deliver(world),
            4..=6 => create(world),
            7..=12 => operate(world),
            13..=14 => apply(world),
            15..=16 => manage(world),
            17 => ask(world),
            18 => delete(world),
            20..=21 => note(world),
            22 => switch(world),
            _ => add(world),
        };
        if operation.is_some() {
            return operation;
        }
    }
}

fn mounts() -> Mounts {
    Mounts::default()
}

fn profile(world: &World) -> Profile {
    match world.draft {
        true => Profile::Draft,
        false => Profile::Approved,
    }
}

fn vm_at(name: &str) -> Uri {
    mounts().vm(name).unwrap()
}

fn image_at(name: &str) -> Uri {
    mounts().image(name).unwrap()
}

/// An operation on one VM, from what it is to what it will be.
fn on_vm(label: String, name: &str, stages: Vec<Option<Vm>>) -> Flight {
    let stage = |vm| Objects::from([(name.to_owned(), vm)]);
    Flight {
        label,
        vms: stages.into_iter().map(stage).collect(),
        ..Flight::default()
    }
}

fn on_image(label: String, name: &str, stages: Vec<Option<Image>>) -> Flight {
    let stage = |image| Objects::from([(name.to_owned(), image)]);
    Flight {
        label,
        images: stages.into_iter().map(stage).collect(),
        ..Flight::default()
    }
}

/// An image that nothing is being done with, or that is not there yet.
fn idle_image(world: &mut World) -> Option<(&'static str, Option<Image>)> {
    let name = *world.random.pick(&IMAGES)?;
    let image = world.images.get(name).cloned();
    let idle = image.as_ref().is_none_or(|image| image.states.len() == 1);
    idle.then_some((name, image))
}

/// Where an image comes from, and whether it is there.
fn source(world: &mut World) -> (String, bool) {
    let number = world.random.below(1_000_000);
    let length = match world.random.below(10) {
        0 => 5 << 20,
        1..=3 => 300_000,
        _ => 20_000 + number % 100_000,
    };
    let there = !world.random.chance(10);
    let place = if there { "image" } else { "nowhere" };
    (format!("{}/{place}/{number}/{length}", world.site), there)
}

/// The stages of an image that is downloaded.
fn stages(world: &mut World, image: Option<Image>, uri: &str, after: &[u8]) -> Vec<Option<Image>> {
    let birth = match &image {
        Some(image) => image.birth,
        None => world.birth(),
    };
    let id = image.as_ref().and_then(|image| image.id.clone());
    let with = |states: &[u8], content: Option<&str>| {
        Some(Image {
            birth,
            id: id.clone(),
            states: states.to_vec(),
            content: content.map(str::to_owned),
        })
    };
    let content = uri.rsplit_once("image/").map(|(_, content)| content);
    vec![image, with(&[0, 1, 2, 3], None), with(after, content)]
}

fn deliver(world: &mut World) -> Option<Operation> {
    let (name, image) = idle_image(world)?;
    let (uri, there) = source(world);
    let after = if there { 2 } else { 3 };
    let stages = stages(world, image, &uri, &[after]);
    let deliver = DeliverImage::new(image_at(name), name, uri, "application/octet-stream");
    Some((
        Box::new(deliver.with_policy(patient())),
        on_image(format!("deliver {name}"), name, stages),
    ))
}

/// Downloads an image and does not wait for it.
fn fetch(world: &mut World) -> Option<Operation> {
    let (name, image) = idle_image(world)?;
    let (uri, there) = source(world);
    let after = if there { [1, 2] } else { [1, 3] };
    let stages = stages(world, image, &uri, &after);
    let fetch = Fetch {
        image: name.to_owned(),
        uri,
        round: Round::new(),
        sent: false,
    };
    Some((
        Box::new(fetch),
        on_image(format!("fetch {name}"), name, stages),
    ))
}

#[derive(Debug)]
struct Fetch {
    image: String,
    uri: String,
    round: Round,
    sent: bool,
}

impl Procedure for Fetch {
    fn poll(&mut self, correlators: &mut Correlators) -> Step {
        let Some(last) = self.round.replies().last().filter(|_| self.sent) else {
            self.sent = true;
            let at = |leaf: &str| format!("./VMImgMO/{}/{leaf}", self.image);
            let text = |text: &str| Leaf::new(Format::Chr, text.to_owned());
            let exec = request::exec(&at("Operations/Download"), Some(&correlators.next()));
            return self.round.send([
                request::add_node(&format!("./VMImgMO/{}", self.image), None),
                request::replace(&at("DownloadURI"), text(&self.uri)),
                request::replace(&at("MediaType"), text("application/octet-stream")),
                exec,
            ]);
        };
        let status = last.status();
        let ok = status == Some(StatusCode::ACCEPTED);
        Step::Done(Report::new(ok, status))
    }

    fn answer(&mut self, answer: Answer) {
        self.round.answer(answer);
    }
}

fn config(world: &mut World) -> ResourceConfig {
    let random = &mut world.random;
    ResourceConfig::new(
        Bytes::mib(64 + random.below(512) as u32),
        Bytes::mib(8 + random.below(64) as u32),
        Percent::new(1 + random.below(24) as u8).unwrap(),
        Percent::new(1 + random.below(24) as u8).unwrap(),
    )
}

fn create(world: &mut World) -> Option<Operation> {
    let name = *world.random.pick(&VMS)?;
    let before = world.vms.get(name).cloned();
    if before.as_ref().is_some_and(|vm| vm.state != 0) {
        return None;
    }
    let images: Vec<_> = world
        .images
        .iter()
        .filter(|(_, it)| it.states == [2])
        .collect();
    let images: Vec<_> = images.into_iter().map(|(name, _)| name.clone()).collect();
    let image = world.random.pick(&images)?.clone();
    let birth = match &before {
        Some(vm) => vm.birth,
        None => world.birth(),
    };
    let mut vm = Vm {
        birth,
        id: before.as_ref().and_then(|vm| vm.id.clone()),
        state: 0,
        config: None,
        locked: false,
        usb: true,
        note: before.as_ref().and_then(|vm| vm.note.clone()),
    };
    let mut stages = vec![before.clone()];
    if before.is_none() {
        stages.push(Some(vm.clone()));
    }
    let mut create = CreateVm::new(vm_at(name), image_at(&image));
    create = create.in_profile(profile(world));
    vm.state = 2;
    if world.random.chance(30) {
        create = create.powered_off();
        vm.state = 1;
    }
    vm.config = Some(ResourceConfig::new(
        Bytes::mib(256),
        Bytes::gib(1),
        Percent::new(10)?,
        Percent::new(10)?,
    ));
    if world.random.chance(60) {
        let config = config(world);
        create = create.with_resources(config.clone());
        vm.config = Some(config);
    }
    stages.push(Some(vm));
    let mut flight = on_vm(format!("create {name}"), name, stages);
    flight.firm = true;
    Some((Box::new(create.with_policy(patient())), flight))
}

/// A VM that was created.
fn some_vm(world: &mut World) -> Option<(String, Vm)> {
    let vms: Vec<_> = world.vms.iter().filter(|(_, vm)| vm.state != 0).collect();
    let vms: Vec<_> = vms
        .into_iter()
        .map(|(name, vm)| (name.clone(), vm.clone()))
        .collect();
    world.random.pick(&vms).cloned()
}

fn operate(world: &mut World) -> Option<Operation> {
    let (name, vm) = some_vm(world)?;
    let at = vm_at(&name);
    let (label, operate, from, to) = match world.random.below(4) {
        0 => ("suspend", Operate::suspend(at), 2, 3),
        1 => ("resume", Operate::resume(at), 3, 2),
        2 => ("power-on", Operate::power_on(at), 1, 2),
        _ => ("power-off", Operate::power_off(at), 2, 1),
    };
    let mut stages = vec![Some(vm.clone())];
    if vm.state == from {
        stages.push(Some(Vm { state: to, ..vm }));
    } else if world.random.chance(80) {
        // Mostly what applies.
        return None;
    }
    let mut flight = on_vm(format!("{label} {name}"), &name, stages);
    // The others have a point of no return.
    flight.firm = matches!(label, "suspend" | "power-on");
    Some((
        Box::new(operate.in_profile(profile(world)).with_policy(patient())),
        flight,
    ))
}

fn apply(world: &mut World) -> Option<Operation> {
    if world.draft {
        return None;
    }
    let mut vms: Vec<_> = world.vms.iter().filter(|(_, vm)| vm.state != 0).collect();
    if vms.len() > 3 {
        vms.pop();
    }
    let vms: Vec<_> = vms
        .into_iter()
        .map(|(name, vm)| (name.clone(), vm.clone()))
        .collect();
    if vms.is_empty() {
        return None;
    }
    let (mut before, mut after) = (Objects::new(), Objects::new());
    let mut configs = Vec::new();
    for (name, vm) in vms {
        let mut new = config(world);
        if let Some(old) = vm.config.as_ref().filter(|_| vm.state == 3) {
            new = ResourceConfig::new(old.ram, old.storage, new.cpu, new.network);
        }
        let changed = Vm {
            config: Some(new.clone()),
            ..vm.clone()
        };
        configs.push((name.clone(), new));
        after.insert(name.clone(), Some(changed));
        before.insert(name, Some(vm));
    }
    let names: Vec<_> = before.keys().cloned().collect();
    let flight = Flight {
        label: format!("apply {}", names.join(" ")),
        vms: vec![before, after],
        firm: true,
        ..Flight::default()
    };
    let apply = ApplyResources::new(&mounts(), configs).unwrap();
    Some((Box::new(apply.with_policy(patient())), flight))
}

/// Locks or unlocks.
fn manage(world: &mut World) -> Option<Operation> {
    let (name, vm) = some_vm(world)?;
    let at = vm_at(&name);
    let (label, operation) = match vm.locked {
        true => ("unlock", AccessOperation::Unlock),
        false => ("lock", AccessOperation::Lock),
    };
    let procedure: Box<dyn Procedure> = match (world.draft, vm.locked) {
        (true, _) => Box::new(Operate::access(at, operation).with_policy(patient())),
        (false, true) => Box::new(Manage::unlock(at).with_policy(patient())),
        (false, false) => Box::new(Manage::lock(at).with_policy(patient())),
    };
    let changed = Vm {
        locked: !vm.locked,
        ..vm.clone()
    };
    let stages = vec![Some(vm), Some(changed)];
    Some((procedure, on_vm(format!("{label} {name}"), &name, stages)))
}

/// Takes a peripheral away, or gives it back.
fn switch(world: &mut World) -> Option<Operation> {
    let (name, vm) = some_vm(world).filter(|_| !world.draft)?;
    let at = vm_at(&name);
    let switch = match vm.usb {
        true => Manage::disable(at, "usb").unwrap(),
        false => Manage::enable(at, "usb").unwrap(),
    };
    let changed = Vm {
        usb: !vm.usb,
        ..vm.clone()
    };
    let stages = vec![Some(vm), Some(changed)];
    let flight = on_vm(format!("switch {name}"), &name, stages);
    Some((Box::new(switch.with_policy(patient())), flight))
}

/// Adds, changes or deletes two leaves, both or neither.
fn note(world: &mut World) -> Option<Operation> {
    // A VM of the draft takes no nodes.
    if world.draft {
        return None;
    }
    let names: Vec<_> = world.vms.keys().cloned().collect();
    let name = world.random.pick(&names)?.clone();
    let vm = world.vms.get(&name)?.clone();
    let leaves = ["one", "two"].map(|leaf| format!("./VirMO/{name}/Ext/{leaf}"));
    let text = world.random.below(1_000_000).to_string();
    let leaf = || Leaf::new(Format::Chr, text.clone());
    let (members, note) = match &vm.note {
        None => {
            let add = |uri: &String| SingleCommand::add(uri, leaf());
            (leaves.each_ref().map(add), Some(text.clone()))
        }
        Some(_) if world.random.chance(40) => (
            leaves.each_ref().map(|uri| SingleCommand::delete(uri)),
            None,
        ),
        Some(_) => {
            let replace = |uri: &String| SingleCommand::replace(uri, leaf());
            (leaves.each_ref().map(replace), Some(text.clone()))
        }
    };
    let changed = Vm { note, ..vm.clone() };
    let stages = vec![Some(vm), Some(changed)];
    let mut flight = on_vm(format!("note {name}"), &name, stages);
    flight.firm = true;
    Some((Box::new(CommandGroup::atomic(members)), flight))
}

fn ask(world: &mut World) -> Option<Operation> {
    let (name, vm) = some_vm(world).filter(|(_, vm)| vm.state == 2 && !world.draft)?;
    let asked = UserInteraction::new(Interaction::Confirm, "Go on?");
    let ask = AskVmUser::new(vm_at(&name), asked).with_policy(patient());
    let flight = on_vm(format!("ask {name}"), &name, vec![Some(vm)]);
    Some((Box::new(ask), flight))
}

fn delete(world: &mut World) -> Option<Operation> {
    if world.random.chance(40) {
        let (name, image) = idle_image(world)?;
        let image = image?;
        return Some(delete_image(name, image));
    }
    let names: Vec<_> = world.vms.keys().cloned().collect();
    let name = world.random.pick(&names)?.clone();
    let vm = world.vms.get(&name)?.clone();
    let by_tree = world.random.chance(40);
    Some(delete_vm(&name, vm, by_tree, profile(world)))
}

fn delete_image(name: &str, image: Image) -> Operation {
    let flight = on_image(
        format!("delete-image {name}"),
        name,
        vec![Some(image), None],
    );
    let delete = Operate::delete_image(image_at(name));
    (Box::new(delete.with_policy(patient())), flight)
}

/// By its operation, or by a Delete of its sub-tree.
fn delete_vm(name: &str, vm: Vm, by_tree: bool, profile: Profile) -> Operation {
    let flight = on_vm(format!("delete {name}"), name, vec![Some(vm), None]);
    let at = vm_at(name);
    let delete: Box<dyn Procedure> = match by_tree {
        true => Box::new(SingleCommand::delete(&at.to_string())),
        false => Box::new(
            Operate::delete(at)
                .in_profile(profile)
                .with_policy(patient()),
        ),
    };
    (delete, flight)
}

fn add(world: &mut World) -> Option<Operation> {
    let name = *world.random.pick(&VMS)?;
    if world.vms.contains_key(name) {
        return None;
    }
    let vm = Vm {
        birth: world.birth(),
        id: None,
        state: 0,
        config: None,
        locked: false,
        usb: true,
        note: None,
    };
    let flight = on_vm(format!("add {name}"), name, vec![None, Some(vm)]);
    let add = SingleCommand::add_node(&vm_at(name).to_string(), None);
    Some((Box::new(add), flight))
}

/// Deletes what is left.
fn clear(world: &mut World) -> Option<Operation> {
    if let Some((name, vm)) = world.vms.first_key_value() {
        return Some(delete_vm(name, vm.clone(), false, profile(world)));
    }
    if !world.missing_alerts().is_empty() {
        return None;
    }
    let (name, image) = world.images.first_key_value()?;
    Some(delete_image(name, image.clone()))
}
