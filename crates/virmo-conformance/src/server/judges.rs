//! What a server has to have sent.

use virmo::{
    VmState,
    dm::{
        core::AlertCode,
        syncml::{Command, Encoding, Limits, decode_command},
    },
    params::{CreateParams, DeviceResources, ResourceConfig},
};

use crate::{
    scenario::Verdicts,
    trace::{Sent, Trace},
};

const VMS: &str = "./VirMO/";
const IMAGES: &str = "./VMImgMO/";

/// [VirMO §10.1] as a server does it.
pub(super) fn delivery(trace: &Trace, verdicts: &mut Verdicts) {
    let downloads: Vec<_> = trace.all("Exec", IMAGES, "/Operations/Download").collect();
    let rows = [
        "VR-038", "VR-047", "VR-053", "VR-154", "VR-164", "VR-165", "VR-174", "VR-179", "VR-180",
        "VR-282",
    ];
    for media in trace.tried(IMAGES, "/MediaType") {
        let holds = is_media_type(media);
        verdicts.check(&["VR-164"], holds, format_args!("MediaType {media:?}"));
    }
    if downloads.is_empty() {
        verdicts.unseen(&rows, "the server delivers no image");
        return;
    }
    for (at, exec) in downloads {
        let node = parent(&exec.uri);
        let written = |leaf: &str| {
            trace
                .written(&format!("{node}/{leaf}"), at)
                .unwrap_or_default()
        };
        let added = trace.sent.iter().take(at).any(|sent| {
            sent.name == "Add" && (sent.uri == node || sent.uri.starts_with(&format!("{node}/")))
        });
        verdicts.check(
            &["VR-174"],
            added,
            format_args!("{node} is not added before Download"),
        );
        let name = written("Name");
        verdicts.check(
            &["VR-154", "VR-179"],
            !name.is_empty(),
            "Name is not set before Download",
        );
        let media = written("MediaType");
        verdicts.check(
            &["VR-165", "VR-179"],
            !media.is_empty(),
            "MediaType is not set",
        );
        let uri = written("DownloadURI");
        verdicts.check(
            &["VR-179"],
            !uri.is_empty(),
            "DownloadURI is not set before Download",
        );
        let taken = matches!(exec.status, Some(200 | 202));
        verdicts.check(
            &["VR-038", "VR-180", "VR-282"],
            taken,
            format_args!("Exec Download was answered with {:?}", exec.status),
        );
        if taken {
            let mut alerts = trace.alerts.iter();
            let alert = alerts.find(|(alert, _)| {
                let source = alert.items.first().and_then(|item| item.source.as_ref());
                source.is_some_and(|source| source.uri == exec.uri)
            });
            let status = alert.and_then(|(_, status)| *status);
            verdicts.check(
                &["VR-047", "VR-053"],
                status.is_some_and(|status| (200..300).contains(&status)),
                format_args!("the alert of the image got {status:?}"),
            );
        }
    }
}

/// [VirMO §10.2] as a server does it.
pub(super) fn creation(trace: &Trace, verdicts: &mut Verdicts) {
    let creates: Vec<_> = trace.all("Exec", VMS, "/Operations/Create").collect();
    let rows = [
        "VR-024", "VR-031", "VR-039", "VR-048", "VR-097", "VR-098", "VR-100", "VR-101", "VR-102",
        "VR-103", "VR-126", "VR-187", "VR-192", "VR-193", "VR-265", "VR-282",
    ];
    for text in trace.tried(VMS, "/CreateParams") {
        let rows = ["VR-097", "VR-098", "VR-100", "VR-101", "VR-103", "VR-192"];
        let holds = text.parse::<CreateParams>().is_ok();
        verdicts.check(&rows, holds, format_args!("CreateParams {text:?}"));
    }
    if creates.is_empty() {
        verdicts.unseen(&rows, "the server creates no VM");
        return;
    }
    for (at, exec) in creates {
        let node = parent(&exec.uri);
        let added = trace
            .sent
            .iter()
            .take(at)
            .any(|sent| sent.name == "Add" && sent.uri == node);
        verdicts.check(
            &["VR-187"],
            added,
            format_args!("{node} is not added before Create"),
        );
        let params = trace.written(&format!("{node}/CreateParams"), at);
        verdicts.check(
            &["VR-126", "VR-192"],
            params.is_some_and(|params| !params.is_empty()),
            "CreateParams are not set before Create",
        );
        let text = params.unwrap_or_default();
        let parsed = text.parse::<CreateParams>();
        let image = parsed.map(|params| params.image.to_string());
        let known = image.is_ok_and(|image| {
            let mut read = trace.sent.iter().take(at).filter(|sent| {
                sent.name == "Get" && sent.uri.starts_with(IMAGES) && sent.uri.ends_with("/ImgID")
            });
            read.any(|sent| sent.results.contains(&image))
        });
        verdicts.check(
            &["VR-031", "VR-102"],
            known || exec.status == Some(200),
            "ImgID is that of no image",
        );
        verdicts.check(
            &["VR-024", "VR-039", "VR-048", "VR-193", "VR-265", "VR-282"],
            matches!(exec.status, Some(200 | 202)),
            format_args!("Exec Create was answered with {:?}", exec.status),
        );
    }
}

/// The primitives a server asks for, each where it is applicable.
pub(super) fn operations(trace: &Trace, verdicts: &mut Verdicts) {
    let each: [(&[&'static str], &str); 4] = [
        (&["VR-033"], "Suspend"),
        (&["VR-034"], "Resume"),
        (&["VR-027"], "PowerOff"),
        (&["VR-026"], "PowerOn"),
    ];
    for (rows, operation) in each {
        let end = format!("/Operations/{operation}");
        let execs: Vec<_> = trace.all("Exec", VMS, &end).collect();
        let all = [rows, &["VR-046", "VR-052"]].concat();
        if execs.is_empty() {
            verdicts.unseen(&all, format_args!("the server sends no {operation}"));
        }
        for (_, exec) in execs {
            verdicts.check(
                &all,
                matches!(exec.status, Some(200 | 202)),
                format_args!("Exec {operation} was answered with {:?}", exec.status),
            );
        }
    }
}

/// New resources as a server gives them.
pub(super) fn resources(trace: &Trace, verdicts: &mut Verdicts) {
    let applied: Vec<_> = trace
        .all("Exec", "./VirMO/Operations/", "ApplyChanges")
        .collect();
    let rows = ["VR-028", "VR-111", "VR-112", "VR-114", "VR-123"];
    for text in trace.tried(VMS, "/Resources/NewConfig") {
        let holds = text.is_empty() || text.parse::<ResourceConfig>().is_ok();
        verdicts.check(
            &["VR-111", "VR-112", "VR-114", "VR-123"],
            holds,
            format_args!("NewConfig {text:?}"),
        );
    }
    if applied.is_empty() {
        verdicts.unseen(&rows, "the server applies no resources");
    }
    for (at, exec) in applied {
        let news = trace.sent.iter().take(at).filter(|sent| {
            ["Add", "Replace"].contains(&&*sent.name) && sent.uri.ends_with("/Resources/NewConfig")
        });
        let news: Vec<&Sent> = news.collect();
        verdicts.check(
            &["VR-028"],
            !news.is_empty(),
            "there is no NewConfig to apply",
        );
        verdicts.check(
            &["VR-028"],
            matches!(exec.status, Some(200 | 202)),
            format_args!("Exec ApplyChanges was answered with {:?}", exec.status),
        );
    }
}

/// What a server ends, and that it takes the end for one.
pub(super) fn deletion(trace: &Trace, verdicts: &mut Verdicts) {
    let deletes: Vec<_> = trace.all("Exec", VMS, "/Operations/Delete").collect();
    if deletes.is_empty() {
        verdicts.unseen(&["VR-025", "VR-198"], "the server deletes no VM");
    }
    for (_, exec) in deletes {
        verdicts.check(
            &["VR-025", "VR-198"],
            matches!(exec.status, Some(200 | 202)),
            format_args!("Exec Delete was answered with {:?}", exec.status),
        );
    }
    let images: Vec<_> = trace.all("Exec", IMAGES, "/Operations/Delete").collect();
    if images.is_empty() {
        verdicts.unseen(&["VR-197"], "the server deletes no image");
    }
    for (at, exec) in images {
        let created = trace
            .all("Exec", VMS, "/Operations/Create")
            .find(|(create, _)| *create < at);
        verdicts.check(
            &["VR-197"],
            created.is_none() || matches!(exec.status, Some(200 | 202)),
            format_args!(
                "Exec Delete of an image was answered with {:?}",
                exec.status
            ),
        );
    }
}

/// What a server reads of a device.
pub(super) fn snapshot(trace: &Trace, verdicts: &mut Verdicts) {
    let rows = ["VR-141", "VR-142", "VR-144"];
    let reads: Vec<_> = trace.all("Get", "./VirMO/", "DeviceResources").collect();
    if reads.is_empty() {
        verdicts.unseen(&rows, "the server does not read DeviceResources");
    }
    for (_, get) in reads {
        let value = get.results.first().map(String::as_str).unwrap_or_default();
        verdicts.check(
            &rows,
            value.parse::<DeviceResources>().is_ok(),
            format_args!("DeviceResources {value:?}"),
        );
    }
    let states = trace.all("Get", VMS, "/State");
    for (_, get) in
        states.filter(|(_, get)| get.status == Some(200) && !get.uri.contains("/DMTree/"))
    {
        let value = get.results.first().and_then(|value| value.parse().ok());
        let known = value.and_then(VmState::from_value).is_some();
        verdicts.check(&rows, known, format_args!("State {:?}", get.results));
    }
}

/// [VirMO §11.2.2] as a server does it.
pub(super) fn interaction(trace: &Trace, verdicts: &mut Verdicts) {
    for text in trace.tried(VMS, "/UI/Command") {
        let command = decode_command(text.as_bytes(), Encoding::Xml, &Limits::lenient());
        let asks = command.is_ok_and(|command| match command {
            Command::Alert(alert) => alert.code.is_some_and(AlertCode::is_user_interaction),
            _ => false,
        });
        verdicts.check(
            &["VR-235", "VR-241"],
            asks,
            format_args!("UI/Command {text:?}"),
        );
    }
    let execs: Vec<_> = trace.all("Exec", VMS, "/Operations/ExecUICmd").collect();
    if execs.is_empty() {
        let rows = ["VR-235", "VR-239", "VR-241", "VR-242", "VR-246"];
        verdicts.unseen(&rows, "the server asks no user of a VM");
    }
    for (at, exec) in execs {
        let node = parent(&exec.uri);
        let set = trace.written(&format!("{node}/UI/Command"), at);
        verdicts.check(
            &["VR-239", "VR-241"],
            set.is_some_and(|text| !text.is_empty()),
            "UI/Command is not set before ExecUICmd",
        );
        let taken = matches!(exec.status, Some(200 | 202));
        verdicts.check(
            &["VR-242"],
            taken,
            format_args!("ExecUICmd was answered with {:?}", exec.status),
        );
        let read = trace
            .all("Get", &node, "/UI/Result")
            .any(|(read, _)| read > at);
        verdicts.check(&["VR-246"], read || !taken, "UI/Result is not read");
    }
}

/// [VirMO §11.2.1] as a server does it.
pub(super) fn management(trace: &Trace, verdicts: &mut Verdicts) {
    let below = trace
        .sent
        .iter()
        .enumerate()
        .filter(|(_, sent)| sent.uri.starts_with(VMS) && sent.uri.contains("/DMTree/"));
    let below: Vec<_> = below.collect();
    if below.is_empty() {
        let rows = ["VR-108", "VR-219", "VR-221", "VR-224", "VR-225", "VR-228"];
        verdicts.unseen(&rows, "the server manages nothing below DMTree");
        return;
    }
    let made = |at: usize, sent: &Sent| {
        // What the device made by itself is there as well.
        let created = trace.all("Exec", VMS, "/Operations/Create");
        let mut before = created.filter(|(create, _)| *create < at);
        matches!(sent.status, Some(200 | 201 | 418)) && before.next().is_some()
    };
    let mut adds = below.iter().filter(|(_, sent)| sent.name == "Add");
    let object = adds.any(|(at, sent)| made(*at, sent));
    // LAWMO comes with DMTree, so that nothing has to be added below it.
    let mut trees = trace.all("Add", VMS, "/DMTree");
    let tree = trees.any(|(at, tree)| {
        let inside = format!("{}/", tree.uri);
        let used = |(later, sent): &(usize, &Sent)| {
            *later > at && sent.uri.starts_with(&inside) && matches!(sent.status, Some(200..=299))
        };
        made(at, tree) && below.iter().any(used)
    });
    verdicts.check(
        &["VR-108", "VR-219", "VR-221", "VR-224", "VR-225"],
        object || tree,
        "no object was made below DMTree of a VM that was created",
    );
    let asked = below.iter().filter(|(_, sent)| sent.name == "Exec");
    for (_, exec) in asked {
        verdicts.check(
            &["VR-224", "VR-228"],
            matches!(exec.status, Some(200 | 202)),
            format_args!("Exec {} was answered with {:?}", exec.uri, exec.status),
        );
    }
}

/// The instance an operation belongs to.
fn parent(operation: &str) -> String {
    let node = operation.rsplit_once("/Operations/").map(|(node, _)| node);
    node.unwrap_or(operation).to_owned()
}

/// A type, a slash, a subtype; parameters may follow.
fn is_media_type(text: &str) -> bool {
    let name = text.split(';').next().unwrap_or_default().trim();
    let token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    name.split_once('/')
        .is_some_and(|(kind, sub)| token(kind) && token(sub))
}
