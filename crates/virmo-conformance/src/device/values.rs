//! Identifiers, CreateParams and what the client alone may set. [VirMO §8, §9]

use std::collections::BTreeSet;

use virmo::VmState::{NotCreated, PoweredOff, Running};

use super::{life, states::remove};
use crate::{
    bench::{Bench, State},
    scenario::{Done, scenarios},
};

scenarios! {
    Device:
    IDS_ARE_THE_DEVICES = ids_are_the_devices;
    CREATE_PARAMS_ARE_READ = create_params_are_read;
}

/// Leaves a server may only read.
fn ids_are_the_devices(bench: &mut Bench<'_>) -> Done {
    let (image, id) = life::image(bench)?;
    let vm = life::vm(bench, &format!("ImgID={id}"))?;
    for (node, value, rows) in [
        (format!("{vm}/VMID"), "mine", &["VR-032", "VR-090"][..]),
        (format!("{vm}/State"), "2", &["VR-094"]),
        (format!("{image}/ImgID"), "mine", &["VR-151"]),
        (format!("{image}/State"), "0", &["VR-161"]),
        (
            format!("{image}/DownloadedLocation"),
            "/etc/passwd",
            &["VR-159"],
        ),
    ] {
        let before = bench.value(&node)?;
        let statuses = [
            bench.replace(&node, value)?,
            bench.add(&node, value)?,
            bench.delete(&node)?,
        ];
        let after = bench.value(&node)?;
        bench.check(
            rows,
            statuses.iter().all(|status| *status >= 400) && before == after && before.is_some(),
            format_args!("{node}: {statuses:?}, {before:?} became {after:?}"),
        );
    }
    let (mut vms, mut images) = (BTreeSet::new(), BTreeSet::from([Some(id)]));
    let mut nodes = vec![vm.clone()];
    vms.insert(bench.value(&format!("{vm}/VMID"))?);
    for _ in 0..3 {
        let vm = life::vm(bench, "")?;
        let fresh = vms.insert(bench.value(&format!("{vm}/VMID"))?);
        bench.check(&["VR-032", "VR-091"], fresh, "two VMs have one VMID");
        nodes.push(vm);
        let image = format!("./VMImgMO/{}", bench.name());
        bench.add_node(&image)?;
        let fresh = images.insert(bench.value(&format!("{image}/ImgID"))?);
        bench.check(&["VR-152"], fresh, "two images have one ImgID");
        nodes.push(image);
    }
    for node in nodes {
        bench.delete(&node)?;
    }
    Ok(())
}

fn create_params_are_read(bench: &mut Bench<'_>) -> Done {
    let (_, image) = life::image(bench)?;
    let pending = format!("./VMImgMO/{}", bench.name());
    bench.add_node(&pending)?;
    let pending_id = bench
        .value(&format!("{pending}/ImgID"))?
        .unwrap_or_default();
    let running = State::Is(Running);
    let off = State::Is(PoweredOff);
    let good = [
        (
            format!("ImgID={image}"),
            running,
            &["VR-100", "VR-101", "VR-103", "VR-106"][..],
        ),
        (
            format!("ImgID={image}&Running=true"),
            running,
            &["VR-097", "VR-098", "VR-104"],
        ),
        (
            format!("Running=false&ImgID={image}"),
            off,
            &["VR-098", "VR-105"],
        ),
        (
            format!("ImgID={image}&X-Vendor=1&Running=false"),
            off,
            &["VR-099", "VR-105"],
        ),
    ];
    for (params, due, rows) in good {
        let vm = life::vm(bench, &params)?;
        let (status, state) = bench.operate(&vm, "Create")?;
        let rows = [rows, &["VR-127", "VR-194", "VR-272"]].concat();
        bench.check(
            &rows,
            matches!(status, 200 | 202) && state == due,
            format_args!("Create with {params:?}: {status}, {state:?}"),
        );
        remove(bench, &vm)?;
    }
    let bad = [
        (String::new(), &["VR-101"][..]),
        ("Running=true".to_owned(), &["VR-101"]),
        (format!("ImgID={image}&ImgID={image}"), &["VR-101"]),
        ("ImgID=there-is-none".to_owned(), &["VR-102"]),
        (format!("ImgID={pending_id}"), &["VR-102"]),
        (
            format!("ImgID={image}&Running=true&Running=true"),
            &["VR-103"],
        ),
        (format!("ImgID={image}&Running=perhaps"), &["VR-103"]),
        (format!("ImgID={image};Running=true"), &["VR-098"]),
        (format!("ImgID={image}&Running"), &["VR-097"]),
    ];
    for (params, rows) in bad {
        let vm = life::vm(bench, &params)?;
        let (status, state) = bench.operate(&vm, "Create")?;
        bench.check(
            rows,
            status >= 400 && state == State::Is(NotCreated),
            format_args!("Create with {params:?}: {status}, {state:?}"),
        );
        remove(bench, &vm)?;
    }
    bench.delete(&pending).map(drop)
}
