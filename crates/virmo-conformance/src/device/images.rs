//! Images: delivery, failure, deletion.

use virmo::dm::{core::Format, syncml::Alert};

use super::{Image, life, states::remove};
use crate::{
    Failed,
    bench::{Bench, type_of},
    scenario::{Done, scenarios},
};

scenarios! {
    Device:
    AN_IMAGE_IS_DELIVERED = an_image_is_delivered;
    A_DESCRIPTOR_IS_FOLLOWED = a_descriptor_is_followed;
    A_DOWNLOAD_FAILS = a_download_fails;
    AN_IMAGE_IS_DELETED = an_image_is_deleted;
}

const READY: &str = "urn:oma:at:oma-virmo:imageready:1.0";

/// Adds an image and says where it is; its node.
fn provide(bench: &mut Bench<'_>, image: Image, media_type: &str) -> Result<String, Failed> {
    let node = format!("./VMImgMO/{}", bench.name());
    let uri = bench.image_uri(image);
    bench.add_node(&node)?;
    for (leaf, value) in [
        ("Name", "an-image"),
        ("DownloadURI", &uri),
        ("MediaType", media_type),
    ] {
        bench.replace(&format!("{node}/{leaf}"), value)?;
    }
    Ok(node)
}

/// Executes Download and waits for its end; State then.
fn download(bench: &mut Bench<'_>, node: &str) -> Result<(u16, Option<String>), Failed> {
    let status = bench.exec(&format!("{node}/Operations/Download"))?;
    let end = |value: Option<&str>| status >= 400 || !matches!(value, Some("0" | "1"));
    let state = bench.wait_for(&format!("{node}/State"), end)?;
    Ok((status, state))
}

/// The procedure of [VirMO §10.1] and the alert of [VirMO §12.1].
fn an_image_is_delivered(bench: &mut Bench<'_>) -> Done {
    let node = format!("./VMImgMO/{}", bench.name());
    let added = bench.add_node(&node)?;
    bench.check(
        &["VR-175", "VR-178"],
        added == 200,
        format_args!("Add of an image was answered with {added}"),
    );
    let id = bench.value(&format!("{node}/ImgID"))?.unwrap_or_default();
    bench.check(&["VR-176"], !id.is_empty(), "there is no ImgID");
    let state = bench.value(&format!("{node}/State"))?;
    bench.check(
        &["VR-177", "VR-162", "VR-183"],
        state.as_deref() == Some("0"),
        format_args!("State of a new image is {state:?}"),
    );
    let location = format!("{node}/DownloadedLocation");
    let early = bench.value(&location)?.unwrap_or_default();
    bench.check(
        &["VR-158"],
        early.is_empty(),
        format_args!("DownloadedLocation of a new image is {early:?}"),
    );
    let (uri, media_type) = (bench.image_uri(Image::Whole), bench.media_type());
    for (leaf, value) in [
        ("Name", "an-image"),
        ("DownloadURI", &uri),
        ("MediaType", &media_type),
    ] {
        let set = bench.replace(&format!("{node}/{leaf}"), value)?;
        bench.check(
            &["VR-038", "VR-280"],
            set == 200,
            format_args!("{leaf} was refused with {set}"),
        );
    }

    let (status, state) = download(bench, &node)?;
    bench.check(
        &["VR-186"],
        matches!(status, 200 | 202),
        format_args!("Exec Download was answered with {status}"),
    );
    bench.check(
        &["VR-038", "VR-162", "VR-181", "VR-182", "VR-183", "VR-280"],
        state.as_deref() == Some("2"),
        format_args!("State after the download is {state:?}"),
    );
    let found = bench.value(&location)?.unwrap_or_default();
    bench.check(
        &["VR-158", "VR-168", "VR-184"],
        !found.is_empty(),
        "a downloaded image has no DownloadedLocation",
    );
    match bench.inside().map(|inside| inside.has_file(&found)) {
        None => {}
        Some(there) => bench.check(
            &["VR-168", "VR-184"],
            there,
            format_args!("there is no file at {found:?}"),
        ),
    }
    ready_alert(bench, &node)
}

fn ready_alert(bench: &mut Bench<'_>, node: &str) -> Done {
    let source = format!("{node}/Operations/Download");
    let alerts = bench.alerts_from(&source)?;
    let ready = alerts.iter().find(|alert| type_of(alert) == Some(READY));
    let alert = ready.or(alerts.first());
    bench.check(
        &[
            "VR-043", "VR-053", "VR-169", "VR-185", "VR-247", "VR-248", "VR-252",
        ],
        alert.is_some(),
        format_args!("no Generic Alert from {source}"),
    );
    let meta = |of: fn(&Alert<'_>) -> Option<String>| alert.and_then(of);
    let media_type = alert.and_then(type_of);
    bench.check(
        &["VR-249"],
        media_type == Some(READY),
        format_args!("the type of the alert is {media_type:?}"),
    );
    let format = alert.and_then(|alert| alert.items.first()?.meta.format().ok());
    bench.check(
        &["VR-250"],
        format == Some(Format::Xml),
        format_args!("the format of the alert is {format:?}"),
    );
    let mark = meta(|alert| Some(alert.items.first()?.meta.mark.as_ref()?.to_string()));
    let marks = [
        "fatal",
        "critical",
        "minor",
        "warning",
        "informational",
        "harmless",
        "indeterminate",
    ];
    bench.check(
        &["VR-251"],
        alert.is_some() && mark.as_deref().is_none_or(|mark| marks.contains(&mark)),
        format_args!("the mark of the alert is {mark:?}"),
    );
    Ok(())
}

/// What is at DownloadURI describes the image.
fn a_descriptor_is_followed(bench: &mut Bench<'_>) -> Done {
    let media_type = bench.media_type();
    let node = provide(bench, Image::Described, &media_type)?;
    let (status, state) = download(bench, &node)?;
    bench.check(
        &["VR-182"],
        matches!(status, 200 | 202) && state.as_deref() == Some("2"),
        format_args!("a download by a descriptor: {status}, State {state:?}"),
    );
    let id = bench.value(&format!("{node}/ImgID"))?;
    let vm = life::vm(bench, &format!("ImgID={}", id.unwrap_or_default()))?;
    let (status, _) = bench.operate(&vm, "Create")?;
    bench.check(
        &["VR-182"],
        matches!(status, 200 | 202),
        format_args!("Create of what came was answered with {status}"),
    );
    remove(bench, &vm)
}

fn a_download_fails(bench: &mut Bench<'_>) -> Done {
    let given = bench.media_type();
    for (image, media_type) in [(Image::Missing, &*given), (Image::Whole, "text/html")] {
        let node = provide(bench, image, media_type)?;
        let (_, state) = download(bench, &node)?;
        let rows: &[&'static str] = match image {
            Image::Missing => &["VR-162", "VR-183"],
            // What came is not what MediaType says.
            _ => &["VR-164"],
        };
        bench.check(
            rows,
            state.as_deref() == Some("3"),
            format_args!("State after a download that failed is {state:?}"),
        );
        let location = bench.value(&format!("{node}/DownloadedLocation"))?;
        bench.check(
            &["VR-158"],
            location.as_deref().unwrap_or_default().is_empty(),
            format_args!("after a download that failed DownloadedLocation is {location:?}"),
        );
        for _ in 0..3 {
            bench.next_session()?;
        }
        let alerts = bench.alerts_so_far(&format!("{node}/Operations/Download"), READY);
        bench.check(
            &["VR-247"],
            alerts == 0,
            "a download that failed sent an Image Ready Alert",
        );
    }
    Ok(())
}

fn an_image_is_deleted(bench: &mut Bench<'_>) -> Done {
    let media_type = bench.media_type();
    let failed = provide(bench, Image::Missing, &media_type)?;
    download(bench, &failed)?;
    let (whole, id) = life::image(bench)?;
    let vm = life::vm(bench, &format!("ImgID={id}"))?;
    let (_, running) = bench.operate(&vm, "Create")?;
    let location = bench.value(&format!("{whole}/DownloadedLocation"))?;
    for node in [failed, whole] {
        let status = bench.exec(&format!("{node}/Operations/Delete"))?;
        bench.wait_for(&format!("{node}/State"), |value| value.is_none())?;
        bench.check(
            &["VR-171", "VR-281"],
            matches!(status, 200 | 202),
            format_args!("Exec Delete of an image was answered with {status}"),
        );
        for below in ["", "/ImgID", "/State", "/Operations/Delete"] {
            let gone = bench.get(&format!("{node}{below}"))?.status;
            bench.check(
                &["VR-172", "VR-281"],
                gone == 404,
                format_args!("{node}{below} of a deleted image is answered with {gone}"),
            );
        }
    }
    let location = location.unwrap_or_default();
    if let Some(inside) = bench.inside() {
        let left = inside.has_file(&location);
        bench.check(
            &["VR-171"],
            !left,
            "the file of a deleted image is still there",
        );
    }
    let (_, off) = bench.operate(&vm, "PowerOff")?;
    let (_, on) = bench.operate(&vm, "PowerOn")?;
    bench.check(
        &["VR-197"],
        running == on && running != off,
        "a VM does not outlive its image",
    );
    bench.operate(&vm, "Delete").map(drop)
}
