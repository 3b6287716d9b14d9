//! What a server does and what goes wrong meanwhile, as values: made up by chance or by a fuzzer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use omadm_core::StatusCode;
use omadm_mo::{Job, JobEnd, JobId, JobOutput, Reporting};
use virmo_client::Policy;
use virmo_state::{Primitive, VmState};

use crate::{
    bench::{Fault, MEDIA_TYPE, in_job},
    device::{Answer, Device, IMAGE},
};

/// What VMs and images are called.
pub(crate) const NAMES: [&str; 3] = ["a", "b", "c d"];

/// What a server does, or happens to the device. Numbers are indexes of names.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    AddVm {
        vm: usize,
        image: usize,
        running: bool,
    },
    DeleteNode {
        vm: usize,
    },
    Exec {
        vm: usize,
        operation: &'static str,
    },
    AddImage {
        image: usize,
    },
    Download {
        image: usize,
    },
    DeleteImage {
        image: usize,
        by_exec: bool,
    },
}

/// What goes wrong meanwhile.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    None,
    Restart,
    /// The process ends at this call, and starts again.
    Crash(u32),
    /// This call of the hypervisor goes wrong.
    Fault(usize, Fault),
    /// The connection breaks after so many bytes.
    Cut(usize),
    /// This commit of the journal fails.
    Full(i64),
}

/// What a server may believe of the device.
#[derive(Default)]
struct Model {
    /// State and the parameters of each VM: image name and Running.
    vms: BTreeMap<usize, (VmState, usize, bool)>,
    /// State of each image.
    images: BTreeMap<usize, u8>,
    /// Which image a VM was told of still is the one of that name.
    told: BTreeMap<usize, bool>,
}

impl Model {
    /// The status of a deed while nothing goes wrong, and what it changes.
    fn expect(&mut self, deed: &Deed) -> StatusCode {
        use StatusCode as S;
        match *deed {
            Deed::AddVm { vm, image, running } => {
                if self.vms.contains_key(&vm) {
                    return S::ALREADY_EXISTS;
                }
                self.vms.insert(vm, (VmState::NotCreated, image, running));
                self.told.insert(vm, self.images.contains_key(&image));
                S::OK
            }
            Deed::DeleteNode { vm } => match self.vms.get(&vm) {
                None => S::NOT_FOUND,
                Some((VmState::NotCreated, ..)) => {
                    self.vms.remove(&vm);
                    S::OK
                }
                Some(_) => S::COMMAND_NOT_ALLOWED,
            },
            Deed::Exec { vm, operation } => {
                let Some((state, image, running)) = self.vms.get(&vm).copied() else {
                    return S::NOT_FOUND;
                };
                let Ok(after) = state.after(primitive(operation, running)) else {
                    return S::COMMAND_NOT_ALLOWED;
                };
                if operation == "Create" {
                    match self.images.get(&image) {
                        _ if !self.told[&vm] => return S::NOT_FOUND,
                        Some(2) => {}
                        Some(_) => return S::COMMAND_NOT_ALLOWED,
                        None => return S::NOT_FOUND,
                    }
                }
                match after {
                    VmState::Deleted => _ = self.vms.remove(&vm),
                    after => _ = self.vms.insert(vm, (after, image, running)),
                }
                S::OK
            }
            Deed::AddImage { image } => match self.images.get(&image) {
                Some(_) => S::ALREADY_EXISTS,
                None => {
                    self.images.insert(image, 0);
                    S::OK
                }
            },
            Deed::Download { image } => match self.images.get_mut(&image) {
                None => S::NOT_FOUND,
                Some(2) => S::COMMAND_NOT_ALLOWED,
                Some(state) => {
                    *state = 2;
                    S::OK
                }
            },
            Deed::DeleteImage { image, .. } => match self.images.remove(&image) {
                None => S::NOT_FOUND,
                Some(_) => {
                    for (vm, (_, of, _)) in &self.vms {
                        if *of == image {
                            self.told.insert(*vm, false);
                        }
                    }
                    S::OK
                }
            },
        }
    }

    /// Takes over what is true on the device after something went wrong.
    fn learn(&mut self, device: &Device) {
        for (index, name) in NAMES.iter().enumerate() {
            let name = name.replace(' ', "%20");
            match (device.state(&name), self.vms.get_mut(&index)) {
                (Some(state), Some(known)) => known.0 = state,
                (None, _) => _ = self.vms.remove(&index),
                (Some(_), None) => unreachable!("AddVm is never troubled"),
            }
            match device.get(&format!("./VMImgMO/{name}/State")) {
                Some(state) => _ = self.images.insert(index, state.parse().unwrap()),
                None => {
                    if self.images.contains_key(&index) {
                        self.expect(&Deed::DeleteImage {
                            image: index,
                            by_exec: true,
                        });
                    }
                }
            }
        }
    }
}

/// A name as it is written in an address.
fn name(index: usize) -> String {
    NAMES[index].replace(' ', "%20")
}

pub(crate) fn primitive(operation: &str, running: bool) -> Primitive {
    match operation {
        "Create" if running => Primitive::Create,
        "Create" => Primitive::CreateAndPoweroff,
        "Suspend" => Primitive::Suspend,
        "Resume" => Primitive::Resume,
        "PowerOn" => Primitive::PowerOn,
        "PowerOff" => Primitive::PowerOff,
        _ => Primitive::Delete,
    }
}

fn perform(device: &mut Device, deed: &Deed, ids: &mut BTreeSet<String>) -> StatusCode {
    match *deed {
        Deed::AddVm { vm, image, running } => {
            let base = format!("./VirMO/{}", name(vm));
            let status = device.add(&base);
            if status == StatusCode::OK {
                assert!(ids.insert(device.get(&format!("{base}/VMID")).unwrap()));
                let image = device.get(&format!("./VMImgMO/{}/ImgID", name(image)));
                let image = image.unwrap_or_else(|| "nobody".to_owned());
                let params = format!("ImgID={image}&Running={running}");
                device.replace(&format!("{base}/CreateParams"), &params);
            }
            status
        }
        Deed::DeleteNode { vm } => device.delete(&format!("./VirMO/{}", name(vm))),
        Deed::Exec { vm, operation } => device.operate(&name(vm), operation),
        Deed::AddImage { image } => {
            let base = format!("./VMImgMO/{}", name(image));
            let status = device.add(&base);
            if status == StatusCode::OK {
                assert!(ids.insert(device.get(&format!("{base}/ImgID")).unwrap()));
                device.replace(&format!("{base}/DownloadURI"), IMAGE);
                device.replace(&format!("{base}/MediaType"), MEDIA_TYPE);
            }
            status
        }
        Deed::Download { image } => {
            device.exec(&format!("./VMImgMO/{}/Operations/Download", name(image)))
        }
        Deed::DeleteImage {
            image,
            by_exec: true,
        } => device.exec(&format!("./VMImgMO/{}/Operations/Delete", name(image))),
        Deed::DeleteImage {
            image,
            by_exec: false,
        } => {
            let status = device.delete(&format!("./VMImgMO/{}", name(image)));
            device.run_all();
            status
        }
    }
}

/// Does all of it on one device. While nothing goes wrong, every status is the one of the model;
/// afterwards State is legal and true, nothing is left behind, and no identifier was given out twice.
pub(crate) fn deeds_keep_the_promises(deeds: &[(Deed, Trouble)]) {
    let mut policy = Policy::default();
    policy.downloads.retry.retries = 0;
    policy.downloads.checkpoint_bytes = 10;
    let mut device = Device::with_policy(policy);
    let (mut model, mut ids) = (Model::default(), BTreeSet::new());
    for (deed, trouble) in deeds {
        let adds = matches!(deed, Deed::AddVm { .. } | Deed::AddImage { .. });
        let trouble = if adds { &Trouble::None } else { trouble };
        match *trouble {
            Trouble::None => {}
            Trouble::Restart => device.restart(),
            Trouble::Crash(tick) => device.trip.arm(tick),
            Trouble::Fault(call, fault) => device.bench.fault(call, fault),
            Trouble::Cut(bytes) => device.shelf.cuts.lock().unwrap().push(bytes),
            Trouble::Full(commit) => device.journal.fail_in.store(commit, Ordering::SeqCst),
        }
        let calm = matches!(trouble, Trouble::None | Trouble::Restart);
        if calm {
            let status = perform(&mut device, deed, &mut ids);
            assert_eq!(status, model.expect(deed), "{deed:?}");
        } else {
            let crashed = device.crash_in(|device| {
                perform(device, deed, &mut ids);
            });
            device.trip.disarm();
            device.bench.no_faults();
            device.shelf.cuts.lock().unwrap().clear();
            device.journal.fail_in.store(-1, Ordering::SeqCst);
            // What could not be kept is brought in order by a start at the latest.
            if crashed || matches!(trouble, Trouble::Full(_) | Trouble::Fault(..)) {
                device.restart();
            }
            model.learn(&device);
        }
        device.check();
    }
}

/// What happens next while several jobs are under way. Numbers pick one of them.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// An Exec; the job is left waiting.
    Begin(usize, &'static str),
    Download(usize),
    DeleteImage(usize),
    Apply,
    /// The job is done; the client hears of it later.
    Work(usize),
    /// The client hears of a job that was done.
    Report(usize),
    TimeOut(usize),
    Lose(usize),
    Accept(usize),
    Restart,
}

/// A job the client asked for and has not heard of yet.
pub(crate) struct Flight {
    pub(crate) id: JobId,
    pub(crate) lane: String,
    pub(crate) work: Option<Job>,
    pub(crate) output: Option<JobOutput>,
    pub(crate) timed_out: bool,
}

/// The jobs, oldest first.
#[derive(Default)]
pub(crate) struct Flights(pub(crate) Vec<Flight>);

impl Flights {
    pub(crate) fn board(&mut self, device: &mut Device) {
        self.0.extend(device.jobs.drain(..).map(|job| Flight {
            id: job.id,
            lane: job.lane.clone(),
            work: Some(job),
            output: None,
            timed_out: false,
        }));
    }

    /// Does the work of a job, unless an older one of its lane is still to be done.
    pub(crate) fn work(&mut self, index: usize) {
        let Some(flight) = self.0.get(index) else {
            return;
        };
        let lane = flight.lane.clone();
        let older = &self.0[..index];
        if older
            .iter()
            .any(|flight| flight.lane == lane && flight.work.is_some())
        {
            return;
        }
        let flight = &mut self.0[index];
        if let Some(job) = flight.work.take() {
            flight.output = Some(in_job(|| job.run()));
        }
    }

    pub(crate) fn report(&mut self, index: usize, device: &mut Device) {
        if self
            .0
            .get(index)
            .is_some_and(|flight| flight.output.is_some())
        {
            let flight = self.0.remove(index);
            let output = flight.output.unwrap();
            device.complete(
                flight.id,
                match flight.timed_out {
                    true => JobEnd::Late(output),
                    false => JobEnd::Finished(output),
                },
            );
        }
    }

    pub(crate) fn land(&mut self, device: &mut Device) {
        self.board(device);
        while !self.0.is_empty() {
            self.work(0);
            self.report(0, device);
            self.board(device);
        }
    }
}

/// Jobs of several VMs and images are done, reported, given up and lost as said: when all have landed
/// State is legal and true, nothing is left, and each Exec that was answered with 202 has its one alert.
pub(crate) fn turns_keep_the_promises(turns: &[Turn]) {
    let mut device = Device::with_alerts();
    for (name, other) in [("a", "a"), ("b", "a")] {
        if name == other {
            device.deliver(name);
        } else {
            assert_eq!(device.add(&format!("./VMImgMO/{name}")), StatusCode::OK);
            device.replace(&format!("./VMImgMO/{name}/DownloadURI"), IMAGE);
            device.replace(&format!("./VMImgMO/{name}/MediaType"), MEDIA_TYPE);
        }
        device.add_vm(name, other, "");
        let config = format!("./VirMO/{name}/Resources/NewConfig");
        device.add_leaf(&config, "RAM=1&Storage=1&CPU=50&Network=1");
    }
    device.take_alerts();
    let mut flights = Flights::default();
    // The jobs whose Exec waits for its Status, and how many got 202 instead.
    let (mut waiting, mut promised) = (BTreeSet::new(), 0);
    for turn in turns {
        let mut answer = None;
        match *turn {
            Turn::Begin(vm, operation) => {
                let uri = format!("./VirMO/{}/Operations/{operation}", name(vm));
                answer = Some(device.begin(&uri, None));
            }
            Turn::Download(image) => {
                let uri = format!("./VMImgMO/{}/Operations/Download", name(image));
                answer = Some(device.begin(&uri, None));
            }
            Turn::DeleteImage(image) => {
                device.delete(&format!("./VMImgMO/{}", name(image)));
            }
            Turn::Apply => answer = Some(device.begin("./VirMO/Operations/ApplyChanges", None)),
            Turn::Work(index) => flights.work(index),
            Turn::Report(index) => flights.report(index, &mut device),
            Turn::TimeOut(index) => {
                if let Some(flight) = flights.0.get_mut(index)
                    && !std::mem::replace(&mut flight.timed_out, true)
                {
                    waiting.remove(&flight.id);
                    device.complete(flight.id, JobEnd::TimedOut);
                }
            }
            Turn::Lose(index) => {
                let at = flights.0.get(index).map(|flight| flight.work.is_some());
                if at == Some(true) {
                    let flight = flights.0.remove(index);
                    device.complete(flight.id, JobEnd::Lost);
                }
            }
            Turn::Accept(index) => {
                if let Some(flight) = flights.0.get(index)
                    && waiting.remove(&flight.id)
                {
                    device.accept(flight.id);
                    promised += 1;
                }
            }
            Turn::Restart => {
                flights.0.clear();
                waiting.clear();
                device.boot();
            }
        }
        match answer {
            Some(Answer::Pending(job, Reporting::Synchronous)) => _ = waiting.insert(job),
            Some(Answer::Pending(_, Reporting::Asynchronous)) => promised += 1,
            Some(Answer::Done(_)) | None => {}
        }
        flights.board(&mut device);
    }
    flights.land(&mut device);
    // A job that was lost twice leaves something to be undone to the next start.
    device.restart();
    device.check();
    assert_eq!(device.take_alerts().len(), promised);
}
