//! Managing what is in a VM, with one DM client for all. [VirMO §11.2]

use virmo::{VmId, VmState::Running, dm::core::Format, dm::session::request::Leaf};

use super::{
    life,
    nodes::{Access, judge, optional},
    states::remove,
};
use crate::{
    Failed,
    bench::{Bench, State},
    scenario::{Done, scenarios},
};

scenarios! {
    Device:
    NODES_OF_A_MANAGED_VM = nodes_of_a_managed_vm;
    A_VM_IS_LOCKED = a_vm_is_locked;
    PERIPHERALS_ARE_MANAGED = peripherals_are_managed;
    A_GUEST_FOLLOWS = a_guest_follows;
    FIRMWARE_OF_A_VM_IS_UPDATED = firmware_of_a_vm_is_updated;
}

const DCMO: &str = "urn:oma:mo:oma-dcmo:1.0";
const FUMO: &str = "urn:oma:mo:oma-fumo:1.0";
const LAWMO: &str = "urn:oma:mo:oma-lawmo:1.0";
const NO_TREE: &str = "DMTree is optional, and refused";

/// Two VMs that run.
fn vms(bench: &mut Bench<'_>) -> Result<[String; 2], Failed> {
    let (_, image) = life::image(bench)?;
    let params = format!("ImgID={image}");
    let vms = [life::vm(bench, &params)?, life::vm(bench, &params)?];
    for vm in &vms {
        let (status, state) = bench.operate(vm, "Create")?;
        if state != State::Is(Running) {
            return Err(Failed::new(format_args!("Create: {status}, {state:?}")));
        }
    }
    Ok(vms)
}

/// Whether the machine of a VM keeps its user out.
fn is_locked(bench: &mut Bench<'_>, vm: &str) -> Result<Option<bool>, Failed> {
    let id = bench.value(&format!("{vm}/VMID"))?.unwrap_or_default();
    let id: VmId = id.parse().map_err(Failed::new)?;
    match bench.inside() {
        Some(inside) => Ok(inside.machine(&id)?.locked),
        None => Ok(None),
    }
}

fn nodes_of_a_managed_vm(bench: &mut Bench<'_>) -> Done {
    let vms = vms(bench)?;
    let [vm, other] = &vms;
    let tree = format!("{vm}/DMTree");
    let before = bench.get(&tree)?.status;
    bench.check(
        &["VR-220"],
        before == 404,
        format_args!("DMTree of a VM nobody manages: {before}"),
    );
    if bench.add_node(&tree)? == 200 {
        let node = optional("VR-107", "./VirMO/<x>/DMTree", Format::Node, Access::Get);
        judge(bench, &node, vm)?;
        let lawmo = bench.value(&format!("{tree}/LAWMO?prop=Type"))?;
        bench.check(
            &["VR-107", "VR-227"],
            lawmo.as_deref() == Some(LAWMO),
            format_args!("the type of LAWMO is {lawmo:?}"),
        );
    } else {
        bench.verdicts.unseen(&["VR-107", "VR-227"], NO_TREE);
    }
    let after = bench.get(&format!("{other}/DMTree"))?.status;
    bench.check(
        &["VR-220"],
        after == 404,
        format_args!("DMTree of another VM: {after}"),
    );
    vms.iter().try_for_each(|vm| remove(bench, vm))
}

fn a_vm_is_locked(bench: &mut Bench<'_>) -> Done {
    let vms = vms(bench)?;
    let [vm, other] = &vms;
    let lawmo = format!("{vm}/DMTree/LAWMO");
    let rows = [
        "DR-014", "VR-030", "VR-035", "VR-036", "VR-201", "VR-202", "VR-215", "VR-217", "VR-218",
        "VR-223", "VR-224", "VR-226", "VR-229", "VR-230", "VR-231", "VR-278",
    ];
    if bench.add_node(&format!("{vm}/DMTree"))? != 200 {
        bench.verdicts.unseen(&rows, NO_TREE);
        return vms.iter().try_for_each(|vm| remove(bench, vm));
    }
    for (operation, state, locked, rows) in [
        ("FullyLock", "10", true, &["VR-035", "VR-223"][..]),
        ("UnLock", "30", false, &["VR-036"]),
    ] {
        let all = [
            rows,
            &[
                "DR-014", "VR-030", "VR-201", "VR-202", "VR-215", "VR-217", "VR-224", "VR-226",
                "VR-229", "VR-231", "VR-278",
            ],
        ]
        .concat();
        let status = bench.exec(&format!("{lawmo}/Operations/{operation}"))?;
        let now = bench.wait_for(&format!("{lawmo}/State"), |value| {
            status != 202 || value == Some(state)
        })?;
        bench.check(
            &all,
            matches!(status, 200 | 202) && now.as_deref() == Some(state),
            format_args!("{operation}: {status}, State {now:?}"),
        );
        if let Some(found) = is_locked(bench, vm)? {
            bench.check(
                &all,
                found == locked,
                format_args!("after {operation} the machine is locked: {found}"),
            );
        }
        // It is a command for that VM, and for no other.
        let elsewhere = is_locked(bench, other)?;
        let state = bench.value(&format!("{other}/State"))?;
        bench.check(
            &["VR-218", "VR-230"],
            elsewhere != Some(true) && state.as_deref() == Some("2"),
            format_args!("another VM: State {state:?}, locked {elsewhere:?}"),
        );
    }
    vms.iter().try_for_each(|vm| remove(bench, vm))
}

/// What a user of a VM reaches is said by DCMO below its DMTree.
fn peripherals_are_managed(bench: &mut Bench<'_>) -> Done {
    let vms = vms(bench)?;
    let [vm, other] = &vms;
    let rows = [
        "DR-012", "VR-029", "VR-108", "VR-202", "VR-219", "VR-221", "VR-227",
    ];
    let camera = format!("{vm}/DMTree/DCMO/Camera");
    bench.add_node(&format!("{vm}/DMTree"))?;
    let added = bench.add_object(&camera, DCMO)?;
    if added == 404 || added == 405 {
        bench.verdicts.unseen(&rows, "the device takes no DCMO");
        return vms.iter().try_for_each(|vm| remove(bench, vm));
    }
    bench.check(
        &["VR-108", "VR-219", "VR-221"],
        added == 200,
        format_args!("Add of DCMO below DMTree was answered with {added}"),
    );
    let moid = bench.value(&format!("{camera}?prop=Type"))?;
    bench.check(
        &["VR-227"],
        moid.as_deref() == Some(DCMO),
        format_args!("the type of an object below DMTree is {moid:?}"),
    );
    for (operation, due) in [("Disable", "false"), ("Enable", "true")] {
        let status = bench.exec(&format!("{camera}/Operations/{operation}"))?;
        let enabled = bench.wait_for(&format!("{camera}/Enabled"), |value| {
            status != 202 || value == Some(due)
        })?;
        bench.check(
            &["DR-012", "VR-029", "VR-202"],
            matches!(status, 200 | 202) && enabled.as_deref() == Some(due),
            format_args!("{operation}: {status}, Enabled {enabled:?}"),
        );
        for (of, off) in [(vm, operation == "Disable"), (other, false)] {
            let id = bench.value(&format!("{of}/VMID"))?.unwrap_or_default();
            let id: VmId = id.parse().map_err(Failed::new)?;
            if let Some(inside) = bench.inside() {
                let disabled = inside.machine(&id)?.disabled;
                bench.check(
                    &["DR-012", "VR-029"],
                    disabled.contains(&"camera".to_owned()) == off,
                    format_args!("after {operation} {of} is without {disabled:?}"),
                );
            }
        }
    }
    vms.iter().try_for_each(|vm| remove(bench, vm))
}

/// What no object of the device itself is for goes on to what runs in the VM.
fn a_guest_follows(bench: &mut Bench<'_>) -> Done {
    let vms = vms(bench)?;
    let [vm, other] = &vms;
    let tree = format!("{vm}/DMTree");
    let settings = format!("{tree}/Settings");
    let volume = format!("{settings}/volume");
    bench.add_node(&tree)?;
    let added = bench.add_node(&settings)?;
    if matches!(added, 404..=406) {
        bench
            .verdicts
            .unseen(&["VR-216"], "nothing goes on to a guest");
        return vms.iter().try_for_each(|vm| remove(bench, vm));
    }
    let set = bench.add(&volume, "7")?;
    let kept = bench.value(&volume)?;
    bench.check(
        &["VR-216"],
        added == 200 && set == 200 && kept.as_deref() == Some("7"),
        format_args!("Add of a node: {added}, of a leaf: {set}; it is {kept:?}"),
    );
    for (of, due) in [(vm, Some("7")), (other, None)] {
        let id = bench.value(&format!("{of}/VMID"))?.unwrap_or_default();
        let id: VmId = id.parse().map_err(Failed::new)?;
        if let Some(inside) = bench.inside() {
            let found = inside.in_guest(&id, "./Settings/volume")?;
            bench.check(
                &["VR-216"],
                found.as_deref() == due,
                format_args!("the guest of {of} has {found:?}"),
            );
        }
    }
    vms.iter().try_for_each(|vm| remove(bench, vm))
}

/// An Exec on FUMO below DMTree reaches what runs in the VM, and its end is told.
fn firmware_of_a_vm_is_updated(bench: &mut Bench<'_>) -> Done {
    let vms = vms(bench)?;
    let [vm, _] = &vms;
    let rows = ["DR-023", "VR-037", "VR-202", "VR-222"];
    let fumo = format!("{vm}/DMTree/FUMO");
    bench.add_node(&format!("{vm}/DMTree"))?;
    let added = bench.add_object(&fumo, FUMO)?;
    if matches!(added, 404..=406) {
        bench.verdicts.unseen(&rows, "the device takes no FUMO");
        return vms.iter().try_for_each(|vm| remove(bench, vm));
    }
    // "firmware" in base64.
    let package = Leaf::new(Format::B64, "ZmlybXdhcmU=");
    let given = bench.replace_leaf(&format!("{fumo}/Update/PkgData"), package)?;
    let status = bench.exec(&format!("{fumo}/Update"))?;
    let done = |value: Option<&str>| matches!(value, Some("90" | "100"));
    let state = bench.wait_for(&format!("{fumo}/State"), done)?;
    bench.check(
        &rows,
        added == 200 && given == 200 && matches!(status, 200 | 202) && done(state.as_deref()),
        format_args!("Add: {added}, PkgData: {given}, Update: {status}, State {state:?}"),
    );
    vms.iter().try_for_each(|vm| remove(bench, vm))
}
