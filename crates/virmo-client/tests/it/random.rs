use std::collections::{BTreeMap, BTreeSet};

use omadm_core::StatusCode;
use proptest::prelude::*;
use virmo_client::Policy;
use virmo_state::{Primitive, VmState};

use crate::{
    bench::{Fault, MEDIA_TYPE},
    device::{Device, IMAGE},
};

const NAMES: [&str; 3] = ["a", "b", "c d"];

/// What a server does, or happens to the device. Numbers are indexes of names.
#[derive(Clone, Debug)]
enum Deed {
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
enum Trouble {
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

fn deed() -> impl Strategy<Value = Deed> {
    let name = || 0..NAMES.len();
    let operations = [
        "Create", "Create", "Delete", "Suspend", "Resume", "PowerOn", "PowerOff",
    ];
    prop_oneof![
        2 => (name(), name(), any::<bool>())
            .prop_map(|(vm, image, running)| Deed::AddVm { vm, image, running }),
        1 => name().prop_map(|vm| Deed::DeleteNode { vm }),
        8 => (name(), proptest::sample::select(operations.to_vec()))
            .prop_map(|(vm, operation)| Deed::Exec { vm, operation }),
        2 => name().prop_map(|image| Deed::AddImage { image }),
        3 => name().prop_map(|image| Deed::Download { image }),
        1 => (name(), any::<bool>())
            .prop_map(|(image, by_exec)| Deed::DeleteImage { image, by_exec }),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let fault = prop_oneof![Just(Fault::Nothing), Just(Fault::Half), Just(Fault::All)];
    prop_oneof![
        10 => Just(Trouble::None),
        2 => Just(Trouble::Restart),
        4 => (0u32..16).prop_map(Trouble::Crash),
        4 => (0usize..4, fault).prop_map(|(call, fault)| Trouble::Fault(call, fault)),
        1 => (0usize..40).prop_map(Trouble::Cut),
        2 => (0i64..3).prop_map(Trouble::Full),
    ]
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

fn primitive(operation: &str, running: bool) -> Primitive {
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
    let name = |index: usize| NAMES[index].replace(' ', "%20");
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any sequence of what a server may do, with anything going wrong meanwhile: while nothing
    /// does, every status is the one of the model; afterwards State is legal and true, nothing is
    /// left behind, and no identifier was given out twice.
    #[test]
    fn any_sequence_keeps_the_promises(
        deeds in proptest::collection::vec((deed(), trouble()), 1..24),
    ) {
        let mut policy = Policy::default();
        policy.downloads.retry.retries = 0;
        policy.downloads.checkpoint_bytes = 10;
        let mut device = Device::with_policy(policy);
        let (mut model, mut ids) = (Model::default(), BTreeSet::new());
        for (deed, trouble) in &deeds {
            let adds = matches!(deed, Deed::AddVm { .. } | Deed::AddImage { .. });
            let trouble = if adds { &Trouble::None } else { trouble };
            match *trouble {
                Trouble::None => {}
                Trouble::Restart => device.restart(),
                Trouble::Crash(tick) => device.trip.arm(tick),
                Trouble::Fault(call, fault) => device.bench.fault(call, fault),
                Trouble::Cut(bytes) => device.shelf.cuts.lock().unwrap().push(bytes),
                Trouble::Full(commit) => {
                    device.journal.fail_in.store(commit, std::sync::atomic::Ordering::SeqCst);
                }
            }
            let calm = matches!(trouble, Trouble::None | Trouble::Restart);
            if calm {
                let status = perform(&mut device, deed, &mut ids);
                prop_assert_eq!(status, model.expect(deed), "{:?}", deed);
            } else {
                let crashed = device.crash_in(|device| {
                    perform(device, deed, &mut ids);
                });
                device.trip.disarm();
                device.bench.no_faults();
                device.shelf.cuts.lock().unwrap().clear();
                device.journal.fail_in.store(-1, std::sync::atomic::Ordering::SeqCst);
                // What could not be kept is brought in order by a start at the latest.
                if crashed || matches!(trouble, Trouble::Full(_) | Trouble::Fault(..)) {
                    device.restart();
                }
                model.learn(&device);
            }
            device.check();
        }
    }
}
