//! The life of a VM, from its image to its end.

use virmo::VmState::{PoweredOff, Running, Suspended};

use super::Image;
use crate::{
    Failed,
    bench::{Bench, State},
    scenario::{Done, scenarios},
};

scenarios! {
    Device:
    A_VM_LIVES = a_vm_lives;
}

/// An image that is there, and the node and ImgID it has.
pub(crate) fn image(bench: &mut Bench<'_>) -> Result<(String, String), Failed> {
    let node = format!("./VMImgMO/{}", bench.name());
    let (uri, media_type) = (bench.image_uri(Image::Whole), bench.media_type());
    bench.add_node(&node)?;
    for (leaf, value) in [
        ("Name", "an-image"),
        ("DownloadURI", &uri),
        ("MediaType", &media_type),
    ] {
        bench.replace(&format!("{node}/{leaf}"), value)?;
    }
    bench.exec(&format!("{node}/Operations/Download"))?;
    let end = |value: Option<&str>| matches!(value, Some("2" | "3") | None);
    let state = bench.wait_for(&format!("{node}/State"), end)?;
    if state.as_deref() != Some("2") {
        return Err(Failed::new(format_args!(
            "the image does not come: State {state:?}"
        )));
    }
    let id = bench.value(&format!("{node}/ImgID"))?.unwrap_or_default();
    Ok((node, id))
}

/// A VM that is not created, with these CreateParams.
pub(crate) fn vm(bench: &mut Bench<'_>, params: &str) -> Result<String, Failed> {
    let node = format!("./VirMO/{}", bench.name());
    bench.add_node(&node)?;
    bench.replace(&format!("{node}/CreateParams"), params)?;
    Ok(node)
}

fn a_vm_lives(bench: &mut Bench<'_>) -> Done {
    let (_, image) = image(bench)?;
    let node = format!("./VirMO/{}", bench.name());
    let added = bench.add_node(&node)?;
    bench.check(
        &["VR-042", "VR-188", "VR-191", "VR-045", "VR-041"],
        added == 200,
        format_args!("Add of a VM was answered with {added}"),
    );
    let id = bench.value(&format!("{node}/VMID"))?.unwrap_or_default();
    bench.check(&["VR-189", "VR-270"], !id.is_empty(), "there is no VMID");
    let state = bench.value(&format!("{node}/State"))?;
    bench.check(
        &["VR-062", "VR-190"],
        state.as_deref() == Some("0"),
        format_args!("State of a new VM is {state:?}"),
    );
    let params = format!("ImgID={image}&Running=true");
    let set = bench.replace(&format!("{node}/CreateParams"), &params)?;
    bench.check(
        &["VR-061"],
        set == 200,
        format_args!("CreateParams were refused with {set}"),
    );

    let created = ["VR-024", "VR-031", "VR-039", "VR-195", "VR-196", "VR-065"];
    let steps: [(&str, State, &[&'static str]); 6] = [
        ("Create", State::Is(Running), &created),
        (
            "Suspend",
            State::Is(Suspended),
            &["VR-033", "VR-071", "VR-274"],
        ),
        ("Resume", State::Is(Running), &["VR-034", "VR-275"]),
        (
            "PowerOff",
            State::Is(PoweredOff),
            &["VR-027", "VR-074", "VR-277"],
        ),
        ("PowerOn", State::Is(Running), &["VR-026", "VR-276"]),
        (
            "Delete",
            State::Gone,
            &["VR-025", "VR-077", "VR-200", "VR-273"],
        ),
    ];
    for (operation, due, rows) in steps {
        let (status, state) = bench.operate(&node, operation)?;
        let rows = [
            rows,
            &["VR-041", "VR-042", "VR-052", "VR-206", "VR-264", "VR-271"],
        ]
        .concat();
        bench.check(
            &rows,
            matches!(status, 200 | 202) && state == due,
            format_args!("{operation} was answered with {status} and led to {state:?}"),
        );
    }
    let gone = bench.get(&node)?.status;
    bench.check(
        &["VR-200", "VR-077"],
        gone == 404,
        format_args!("after Delete, Get of the VM is answered with {gone}"),
    );
    Ok(())
}
