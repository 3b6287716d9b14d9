//! What the draft has and the approved text has not; on a device that follows the draft.

use virmo::{VmId, VmState::Running, dm::core::Format, dm::session::request::Leaf};

use super::{
    life,
    nodes::{Access, Node, judge, required},
    states::remove,
};
use crate::{
    Failed,
    bench::{Bench, State},
    scenario::{Done, scenarios},
};

scenarios! {
    Device:
    NODES_OF_THE_DRAFT = nodes_of_the_draft;
    A_DRAFT_VM_IS_LOCKED = a_draft_vm_is_locked;
    DATA_IS_SHARED_IF_ALLOWED = data_is_shared_if_allowed;
    A_DRAFT_VM_HAS_RESOURCES = a_draft_vm_has_resources;
}

const NODES: [Node; 4] = [
    required(
        "DR-052",
        "./VirMO/<x>/Operations/Create",
        Format::Null,
        Access::Exec,
    ),
    required(
        "DR-053",
        "./VirMO/<x>/Operations/CreateParams",
        Format::Chr,
        Access::Get,
    ),
    required(
        "DR-055",
        "./VirMO/<x>/Operations/Lock",
        Format::Null,
        Access::Exec,
    ),
    required(
        "DR-056",
        "./VirMO/<x>/Operations/Unlock",
        Format::Null,
        Access::Exec,
    ),
];

fn nodes_of_the_draft(bench: &mut Bench<'_>) -> Done {
    let (_, image) = life::image(bench)?;
    let vm = life::vm(bench, &format!("ImgID={image}"))?;
    for node in &NODES {
        judge(bench, node, &vm)?;
    }
    let (status, state) = bench.operate(&vm, "Create")?;
    bench.check(
        &["DR-052"],
        matches!(status, 200 | 202) && state == State::Is(Running),
        format_args!("Create: {status}, {state:?}"),
    );
    remove(bench, &vm)
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

fn a_draft_vm_is_locked(bench: &mut Bench<'_>) -> Done {
    let (_, image) = life::image(bench)?;
    let vm = life::vm(bench, &format!("ImgID={image}"))?;
    bench.operate(&vm, "Create")?;
    for (operation, due, rows) in [
        ("Lock", true, &["DR-004", "DR-020"]),
        ("Unlock", false, &["DR-005", "DR-021"]),
    ] {
        let (status, state) = {
            let status = bench.exec(&format!("{vm}/Operations/{operation}"))?;
            let state = bench.value(&format!("{vm}/State"))?;
            (status, State::from(state.as_deref()))
        };
        bench.check(
            rows,
            matches!(status, 200 | 202) && state == State::Is(Running),
            format_args!("{operation}: {status}, {state:?}"),
        );
        if let Some(locked) = is_locked(bench, &vm)? {
            bench.check(
                rows,
                locked == due,
                format_args!("after {operation} the machine is locked: {locked}"),
            );
        }
    }

    // The user may unlock it once the server says so, and not before.
    let name = vm.rsplit('/').next().unwrap_or_default().to_owned();
    for allowed in [false, true] {
        bench.exec(&format!("{vm}/Operations/Lock"))?;
        let leaf = Leaf::new(Format::Bool, allowed.to_string());
        bench.replace_leaf(&format!("{vm}/Ext/UserUnlock"), leaf)?;
        let Some(unlocked) = bench.inside().map(|inside| inside.unlock(&name)) else {
            bench
                .verdicts
                .unseen(&["DR-022"], "the user is at the device");
            break;
        };
        let locked = is_locked(bench, &vm)?;
        bench.check(
            &["DR-022"],
            unlocked == allowed && locked == Some(!allowed),
            format_args!("allowed {allowed}: the user unlocked it {unlocked}, locked {locked:?}"),
        );
    }
    remove(bench, &vm)
}

fn data_is_shared_if_allowed(bench: &mut Bench<'_>) -> Done {
    let (_, image) = life::image(bench)?;
    let vm = life::vm(bench, &format!("ImgID={image}"))?;
    bench.operate(&vm, "Create")?;
    if bench.get(&format!("{vm}/Ext/Sharing"))?.status == 404 {
        bench
            .verdicts
            .unseen(&["DR-013"], "the draft has no node for it");
        return remove(bench, &vm);
    }
    for (operation, due) in [("AllowSharing", "true"), ("ProhibitSharing", "false")] {
        let status = bench.exec(&format!("{vm}/Ext/{operation}"))?;
        let sharing = bench.value(&format!("{vm}/Ext/Sharing"))?;
        bench.check(
            &["DR-013"],
            matches!(status, 200 | 202) && sharing.as_deref() == Some(due),
            format_args!("{operation}: {status}, Sharing {sharing:?}"),
        );
    }
    remove(bench, &vm)
}

/// There is no ApplyChanges: a VM is created with what NewConfig says.
fn a_draft_vm_has_resources(bench: &mut Bench<'_>) -> Done {
    let (_, image) = life::image(bench)?;
    let vm = life::vm(bench, &format!("ImgID={image}&Running=false"))?;
    let config = "RAM=134217728&Storage=1073741824&CPU=20&Network=30";
    let added = bench.add(&format!("{vm}/Resources/NewConfig"), config)?;
    if added == 404 {
        bench
            .verdicts
            .unseen(&["DR-011"], "the draft has no node for it");
        return remove(bench, &vm);
    }
    let (status, _) = bench.operate(&vm, "Create")?;
    let now = bench.value(&format!("{vm}/Resources/CurrentConfig"))?;
    bench.check(
        &["DR-011"],
        matches!(status, 200 | 202) && now.as_deref() == Some(config),
        format_args!("Create: {status}, CurrentConfig {now:?}"),
    );
    remove(bench, &vm)
}
