//! `serve` and `device` as two processes.

use std::{fs, thread};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http::ask,
    program::{Background, complaint, events, leaf, lines, pick, virmo},
};

const LIFE: &str = r#"
[[step]]
deliver_image = { node = "i", name = "android", uri = "images/i.img", media_type = "application/x-disk", description = "An image" }
[[step]]
create_vm = { node = "v", image = "i", description = "Enterprise" }
[[step]]
suspend = { vm = "v" }
[[step]]
resume = { vm = "v" }
[[step]]
power_off = { vm = "v" }
[[step]]
power_on = { vm = "v" }
[[step]]
get = "./VirMO/v/State"
[[step]]
delete_vm = { vm = "v" }
[[step]]
delete_image = { node = "i" }
"#;

/// A folder with a plan, and an image of 300,000 bytes.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new(plan: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("plan.toml"), plan).unwrap();
        fs::create_dir(folder.path().join("images")).unwrap();
        fs::write(folder.path().join("images/i.img"), vec![7; 300_000]).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn serve(&self, words: &[&str]) -> (Background, String) {
        let (plan, images) = (self.path("plan.toml"), self.path("images"));
        Background::serve(&[&["--plan", &plan, "--images", &images], words].concat())
    }
}

#[test]
fn a_device_goes_through_the_whole_life() {
    let place = Place::new(LIFE);
    let (server, url) = place.serve(&["--once"]);
    let state = place.path("state");
    let device = virmo(&[
        "device",
        "--server",
        &url,
        "--state",
        &state,
        "--until-idle",
        "--json",
    ]);
    assert_eq!(device.status.code(), Some(0), "{device:?}");
    assert_eq!(complaint(&device), "");
    let (code, told) = server.end();
    assert_eq!(code, Some(0), "{told:?}");
    assert_eq!(
        pick(&told, "step", &["index", "ok", "status", "value"]),
        [
            "0 true 200 null",
            "1 true 200 null",
            "2 true 200 null",
            "3 true 200 null",
            "4 true 200 null",
            "5 true 200 null",
            "6 true 200 2",
            "7 true 200 null",
            "8 true 200 null",
        ]
    );
    let ready = "urn:oma:at:oma-virmo:imageready:1.0 ./VMImgMO/i/Operations/Download";
    assert_eq!(pick(&told, "alert", &["type", "source"]), [ready]);
    let sessions = pick(&told, "session", &["result", "device"]);
    assert_eq!(sessions, ["completed urn:virmo:device:1"; 2]);

    let told = events(&device);
    assert_eq!(
        pick(&told, "state", &["vm", "image", "from", "to"]),
        [
            "null i 0 1",
            "null i 1 2",
            "v null 0 2",
            "v null 2 3",
            "v null 3 2",
            "v null 2 1",
            "v null 1 2",
            "v null 2 4",
            "null i 2 null",
        ]
    );
    assert_eq!(
        pick(&told, "alert", &["type", "source", "delivered"]),
        [format!("{ready} false"), format!("{ready} true")]
    );
    assert_eq!(pick(&told, "session", &["result"]), ["completed"; 2]);
    let downloads = pick(&told, "download", &["image", "bytes", "total"]);
    assert_eq!(downloads[0], "i 0 300000");
    assert_eq!(downloads.last().unwrap(), "i 300000 300000");
    let commands = pick(&told, "command", &["name", "uri", "status"]);
    assert_eq!(
        commands[..2],
        ["Get ./VMImgMO/i/State 404", "Add ./VMImgMO/i 200"]
    );
    assert!(commands.contains(&"Exec ./VirMO/v/Operations/Suspend 200".to_owned()));
    assert_eq!(pick(&told, "error", &["message"]), [""; 0]);
}

/// Relative addresses of images are where devices reach the server, not where it listens.
#[test]
fn images_are_at_the_public_address() {
    let place = Place::new(
        "[[step]]\ndeliver_image = { node = 'i', name = 'i', uri = '/images/i.img', media_type = 'application/octet-stream' }\n",
    );
    let images = place.path("images");
    let mut files = Background::start(&["serve", "--listen", "127.0.0.1:0", "--images", &images]);
    let first = files.line().unwrap();
    let public = first.strip_prefix("listening at ").unwrap();
    let public = public.strip_suffix("/dm").unwrap();

    let plan = place.path("plan.toml");
    let anywhere = [
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--plan",
        &plan,
        "--images",
        &images,
    ];
    let told = [&anywhere[..], &["--once", "--public-url", public]].concat();
    let mut server = Background::start(&told);
    let first = server.line().unwrap();
    let url = first.strip_prefix("listening at ").unwrap();
    let url = url.replace("0.0.0.0", "127.0.0.1");
    let device = virmo(&["device", "--server", &url, "--until-idle", "--json"]);
    assert_eq!(device.status.code(), Some(0), "{device:?}");
    let states = pick(&events(&device), "state", &["image", "from", "to"]);
    assert_eq!(states, ["i 0 1", "i 1 2"]);
    while server.line().is_some() {}

    // Whoever does not say it is told.
    let mut server = Background::start(&anywhere);
    assert!(server.line().unwrap().starts_with("listening at "));
    assert!(server.line().unwrap().contains("--public-url"));
    for wrong in ["images.example", "ftp://a", "http://", "http://a/?b"] {
        let refused = virmo(&[&anywhere[..], &["--public-url", wrong]].concat());
        assert_eq!(refused.status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn people_get_text() {
    let place = Place::new(LIFE);
    let (plan, images) = (place.path("plan.toml"), place.path("images"));
    let words = ["--plan", &plan, "--images", &images, "--once"];
    let serve = [&["serve", "--listen", "127.0.0.1:0"], &words[..]].concat();
    let mut server = Background::start(&serve);
    let first = server.line().unwrap();
    let url = first.strip_prefix("listening at ").unwrap();
    let device = virmo(&["device", "--server", url, "--until-idle"]);
    assert_eq!(
        (device.status.code(), complaint(&device)),
        (Some(0), String::new())
    );
    let text = lines(&device).join("\n");
    for line in [
        "  202  Exec     ./VMImgMO/i/Operations/Download\n       image i: state 0 -> 1 (Downloading)",
        "       image i: 300000 of 300000 bytes\n       image i: state 1 -> 2 (Downloaded)\n       \
         alert urn:oma:at:oma-virmo:imageready:1.0 from ./VMImgMO/i/Operations/Download queued",
        "  200  Exec     ./VirMO/v/Operations/Delete\n       VM v: state 2 -> 4 (Deleted)",
        "  404  Get      ./VirMO/v  (Not found)",
    ] {
        assert!(text.contains(line), "{line}\n--\n{text}");
    }
    let mut steps = Vec::new();
    while let Some(line) = server.line() {
        steps.extend(line.strip_prefix("step ").map(str::to_owned));
    }
    let waits = |step: &String| step == "0: accepted, waiting for the device";
    assert_eq!(steps.extract_if(.., |step| waits(step)).count(), 1);
    assert_eq!(steps.len(), 9);
    assert_eq!(steps[6], "6 ok     get ./VirMO/v/State  status 200  \"2\"");
}

#[test]
fn once_is_one_session_and_the_next_goes_on() {
    let place = Place::new(LIFE);
    let (mut server, url) = place.serve(&["--once"]);
    let state = place.path("state");
    let once = [
        "device", "--server", &url, "--state", &state, "--once", "--json",
    ];
    for run in 1.. {
        assert!(run < 200, "it never comes to an end");
        let device = virmo(&once);
        assert_eq!(device.status.code(), Some(0), "{device:?}");
        let told = events(&device);
        assert_eq!(pick(&told, "session", &["result"]), ["completed"]);
        let session = server.wait_for(&[("event", json!("session"))]);
        assert_eq!(session["result"], "completed");
        // The last step reads that the image is gone.
        let gone = "Get ./VMImgMO/i 404".to_owned();
        if pick(&told, "command", &["name", "uri", "status"]).contains(&gone) {
            break;
        }
    }
    assert_eq!(server.end().0, Some(0));
    assert_eq!(leaf(&state, "./VMImgMO/i/State"), None);
}

#[test]
fn without_an_end_it_goes_on() {
    let (mut server, url) = Background::serve(&[]);
    let mut device =
        Background::start(&["device", "--server", &url, "--interval", "0.02", "--json"]);
    let session = [("event", json!("session")), ("result", json!("completed"))];
    let mut ids: Vec<Value> = (0..4)
        .map(|_| device.wait_for(&session)["id"].clone())
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    let told = server.wait_for(&session);
    assert_eq!(told["id"], ids[0]);
    device.kill();
}

#[test]
fn an_alert_opens_a_session_of_its_own() {
    let place = Place::new(LIFE);
    let (server, url) = place.serve(&["--once"]);
    let mut device = Background::start(&["device", "--server", &url, "--json"]);
    let gone = [
        ("event", json!("state")),
        ("image", json!("i")),
        ("to", json!(null)),
    ];
    device.wait_for(&gone);
    assert_eq!(server.end().0, Some(0));
    device.kill();
}

#[test]
fn two_devices_go_through_the_plan_side_by_side() {
    let place = Place::new(LIFE);
    let (mut server, url) = place.serve(&[]);
    thread::scope(|scope| {
        for id in ["urn:x:1", "urn:x:2"] {
            let url = &url;
            scope.spawn(move || {
                for commands in [true, false] {
                    let words = ["--device-id", id, "--until-idle", "--json"];
                    let device = virmo(&[&["device", "--server", url], &words[..]].concat());
                    assert_eq!(device.status.code(), Some(0), "{device:?}");
                    let count = pick(&events(&device), "command", &["name"]).len();
                    assert_eq!(count > 0, commands, "the plan runs once for each device");
                }
            });
        }
    });
    let mut steps = Vec::new();
    while steps.len() < 18 {
        steps.push(server.wait_for(&[("event", json!("step"))]));
    }
    assert!(steps.iter().all(|step| step["ok"] == true), "{steps:?}");
    for id in ["urn:x:1", "urn:x:2"] {
        let own = steps.iter().filter(|step| step["device"] == id);
        let order: Vec<_> = own.map(|step| step["index"].as_u64().unwrap()).collect();
        assert_eq!(order, (0..9).collect::<Vec<_>>(), "{steps:?}");
    }
}

/// Runs a plan to its end; the server's code and its steps.
fn run(plan: &str) -> (Option<i32>, Vec<String>) {
    let place = Place::new(plan);
    let (server, url) = place.serve(&["--once"]);
    let device = virmo(&["device", "--server", &url, "--until-idle", "--json"]);
    assert_eq!(device.status.code(), Some(0), "{}", complaint(&device));
    let (code, told) = server.end();
    let fields = ["index", "ok", "status", "value", "children"];
    (code, pick(&told, "step", &fields))
}

#[test]
fn a_plan_says_what_it_expects_and_goes_on() {
    let plan = r#"
[[step]]
get = "./DevInfo/Man"
[[step]]
get = "./VirMO"
[[step]]
get = "./VirMO/none"
expect = 404
[[step]]
exec = "./VirMO/none/Operations/Create"
expect = 405
[[step]]
add = { uri = "./VirMO/v" }
[[step]]
replace = { uri = "./VirMO/v/Description", value = "a <b> & \"c\"" }
[[step]]
get = "./VirMO/v/Description"
[[step]]
replace = { uri = "./VirMO/v/State", value = "2", format = "int" }
expect = 405
[[step]]
replace = { uri = "./VirMO/v/Description", value = "2", format = "int" }
expect = 415
[[step]]
delete = "./VirMO/v"
[[step]]
suspend = { vm = "v" }
expect = 404
[[step]]
get = ".?prop=ACL"
"#;
    let (code, steps) = run(plan);
    assert_eq!(
        steps,
        [
            "0 true 200 virmo null",
            r#"1 true 200 null ["DeviceResources","Operations"]"#,
            "2 true 404 null null",
            "3 false 404 null null",
            "4 true 200 null null",
            "5 true 200 null null",
            r#"6 true 200 a <b> & "c" null"#,
            "7 true 405 null null",
            "8 true 415 null null",
            "9 true 200 null null",
            "10 true 404 null null",
            "11 true 200 Add=*&Delete=virmo-server&Exec=virmo-server&Get=*&Replace=virmo-server null",
        ]
    );
    assert_eq!(code, Some(1), "step 3 failed");
}

/// Every command a server has, in groups too; a value from a file; questions.
#[test]
fn a_plan_has_every_command() {
    let plan = r#"
[[step]]
sequence = [{ add = { uri = "./VirMO/a" } }, { add = { uri = "./VirMO/b" } }, { get = "./DevInfo/Man" }]
[[step]]
atomic = [{ replace = { uri = "./VirMO/a/Description", value = "1" } }, { delete = "./VirMO/none" }]
[[step]]
get = "./VirMO/a/Description"
[[step]]
atomic = [{ replace = { uri = "./VirMO/a/Description", value = "1" } }, { delete = "./VirMO/b" }]
[[step]]
get = "./VirMO/b"
expect = 404
[[step]]
add = { uri = "./VirMO/a/Ext/note", value_file = "note" }
[[step]]
copy = { from = "./VirMO/a/Ext/note", to = "./VirMO/a/Ext/kept" }
[[step]]
get = "./VirMO/a/Ext/kept"
[[step]]
get = "./DevInfo?list=StructData"
[[step]]
replace = { uri = "./VirMO/a?prop=Title", value = "A machine" }
[[step]]
get = "./VirMO/a?prop=Title"
[[step]]
apply_resources = { none = "RAM=1&Storage=1&CPU=1&Network=1" }
expect = 404
[[step]]
get = "./VirMO"
[[step]]
add = { uri = "./VirMO/a/Ext/tree", value_file = "tree", format = "xml", type = "application/vnd.syncml.dmtnds+xml" }
[[step]]
get = "./VirMO/a/Ext/tree/leaf"
[[step]]
get = "./VirMO/a/Ext/tree?list=TNDS+Value"
[[step]]
add = { uri = "./VirMO/a/Ext/large", value_file = "large" }
[[step]]
get = "./VirMO/a/Ext/large?prop=Size"
[[step]]
add = { uri = "./VirMO/a/Ext/octets", value_file = "octets", format = "bin" }
[[step]]
get = "./VirMO/a/Ext/octets"
[[step]]
ask_user = { kind = "confirm", text = "Add the access point?" }
[[step]]
ask_user = { kind = "choice", text = "Which?", choices = ["one", "two"], default = "2" }
"#;
    let place = Place::new(plan);
    fs::write(place.path("note"), "from a file").unwrap();
    fs::write(place.path("tree"), TREE).unwrap();
    // More than one message takes.
    fs::write(place.path("large"), "large".repeat(30_000)).unwrap();
    fs::write(place.path("octets"), [0xFF, 0, 0xFE]).unwrap();
    for encoding in ["xml", "wbxml"] {
        every_command(&place, encoding);
    }
}

/// An interior node with a leaf. [DM-TNDS]
const TREE: &str = "<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD><Node><NodeName/>\
    <RTProperties><Format><node/></Format><Type><DDFName/></Type></RTProperties>\
    <Node><NodeName>leaf</NodeName><RTProperties><Format><chr/></Format><Type>\
    <MIME>text/plain</MIME></Type></RTProperties><Value>green</Value></Node></Node></MgmtTree>";

fn every_command(place: &Place, encoding: &str) {
    let (server, url) = place.serve(&["--once"]);
    let words = [
        "--device-id",
        "urn:x:1",
        "--encoding",
        encoding,
        "--ui",
        "accept",
        "--until-idle",
        "--json",
    ];
    let device = virmo(&[&["device", "--server", &url], &words[..]].concat());
    assert_eq!(device.status.code(), Some(0), "{}", complaint(&device));
    let (code, told) = server.end();
    let fields = ["index", "ok", "status", "value", "children", "result"];
    let steps = pick(&told, "step", &fields);
    let list = r#"["./DevInfo","./DevInfo/DevId = urn:x:1","./DevInfo/DmV = "#;
    assert!(
        steps[8].starts_with(&format!("8 true 200 null {list}")),
        "{steps:?}"
    );
    assert!(steps[15].contains("<Value>green</Value>"), "{steps:?}");
    let mut others = steps.clone();
    others.remove(15);
    others.remove(8);
    assert_eq!(
        others,
        [
            "0 true 200 null null null",
            "1 false 507 null null null",
            "2 true 200  null null",
            "3 true 200 null null null",
            "4 true 404 null null null",
            "5 true 200 null null null",
            "6 true 200 null null null",
            "7 true 200 from a file null null",
            "9 true 200 null null null",
            "10 true 200 A machine null null",
            "11 true 404 null null null",
            r#"12 true 200 null ["DeviceResources","Operations","a"] null"#,
            "13 true 200 null null null",
            "14 true 200 green null null",
            "16 true 200 null null null",
            "17 true 200 150000 null null",
            "18 true 200 null null null",
            "19 true 200 /wD+ null null",
            "20 true 200 null null yes",
            "21 true 200 null null 2",
        ]
    );
    assert_eq!(code, Some(1), "step 1 is refused as a whole");
}

#[test]
fn a_plan_may_be_long() {
    let (code, steps) = run(&"[[step]]\nget = './DevInfo/Man'\n".repeat(1200));
    assert_eq!((code, steps.len()), (Some(0), 1200));
}

#[test]
fn a_step_may_end_the_plan() {
    let stop = "[[step]]\nget = './no'\nstop = true\n[[step]]\nget = './DevInfo/Man'\n";
    assert_eq!(
        run(stop),
        (Some(1), vec!["0 false 404 null null".to_owned()])
    );
    let goes_on =
        "[[step]]\nget = './no'\nstop = true\nexpect = 404\n[[step]]\nget = './DevInfo/Man'\n";
    let (code, steps) = run(goes_on);
    assert_eq!((code, steps.len()), (Some(0), 2));
}

/// An image of another media type than MediaType says, one that is not there, one nobody serves.
#[test]
fn a_download_that_fails_is_a_step_that_failed() {
    let plan = r#"
[[step]]
deliver_image = { node = "a", name = "a", uri = "other/none", media_type = "a/b" }
[[step]]
get = "./VMImgMO/a/State"
[[step]]
deliver_image = { node = "b", name = "b", uri = "ftp://127.0.0.1/i.img", media_type = "a/b" }
[[step]]
get = "./VMImgMO/b/State"
[[step]]
replace = { uri = "./VMImgMO/a/DownloadURI", value = "URL" }
[[step]]
exec = "./VMImgMO/a/Operations/Download"
"#;
    let (code, steps) = run(plan);
    assert_eq!(code, Some(1));
    assert_eq!(
        steps[..4],
        [
            "0 false 500 null null",
            "1 true 200 3 null",
            "2 false 406 null null",
            "3 true 200 3 null",
        ]
    );
    assert_eq!(
        steps[4..],
        ["4 true 200 null null", "5 false 400 null null"]
    );
}

/// Each step gets the file under the type that it names.
#[test]
fn a_file_may_be_an_image_of_two_types() {
    let deliver = |node: &str, media_type: &str| {
        format!(
            "[[step]]\ndeliver_image = {{ node = '{node}', name = 'n', uri = '/images/i.img', media_type = '{media_type}' }}\n"
        )
    };
    let plan = deliver("a", "application/x-one") + &deliver("b", "application/x-two");
    let delivered = |index| format!("{index} true 200 null null");
    assert_eq!(run(&plan), (Some(0), vec![delivered(0), delivered(1)]));
}

#[test]
fn images_are_served_in_parts_under_the_type_of_the_plan() {
    let place = Place::new(LIFE);
    let (_server, url) = place.serve(&[]);
    let url = url.replace("/dm", "/images/i.img");
    let whole = ask("GET", &url, &[], b"");
    assert_eq!((whole.status(), whole.body.len()), (200, 300_000));
    assert_eq!(whole.header("content-type"), Some("application/x-disk"));
    let tag = whole.header("etag").unwrap();
    let range = [("Range", "bytes=299990-"), ("If-Range", tag)];
    let part = ask("GET", &url, &range, b"");
    assert_eq!((part.status(), part.body.len()), (206, 10));
    let range = part.header("content-range");
    assert_eq!(range, Some("bytes 299990-299999/300000"));
    let none = url.replace("i.img", "none");
    assert_eq!(ask("GET", &none, &[], b"").status(), 404);
}

/// A value of 100 KiB goes to the device by procedures and by commands of a plan, and comes back,
/// though no message of either end has room for it.
#[test]
fn values_larger_than_a_message_go_there_and_back() {
    let long: String = (0..)
        .map(|n| format!("line {n} of <many> & more; "))
        .take(4000)
        .collect();
    let (long, _) = long.split_at(100 << 10);
    let plan = format!(
        r#"
[[step]]
deliver_image = {{ node = "i", name = "android", uri = "images/i.img", media_type = "application/x-disk", description = "{long}" }}
[[step]]
get = "./VMImgMO/i/Description"
[[step]]
add = {{ uri = "./VMImgMO/x", format = "node" }}
[[step]]
add = {{ uri = "./VMImgMO/x/Description", value = "{long}" }}
[[step]]
get = "./VMImgMO/x/Description"
[[step]]
get = "./VMImgMO/x?list=StructData"
"#
    );
    for encoding in ["xml", "wbxml"] {
        let place = Place::new(&plan);
        let (server, url) = place.serve(&["--once"]);
        let state = place.path("state");
        let device = virmo(&[
            "device",
            "--server",
            &url,
            "--state",
            &state,
            "--until-idle",
            "--encoding",
            encoding,
        ]);
        assert_eq!(device.status.code(), Some(0), "{}", complaint(&device));
        let (code, events) = server.end();
        let steps = pick(&events, "step", &["ok", "status"]);
        assert_eq!(steps, ["true 200"; 6], "{encoding}");
        assert_eq!(code, Some(0));
        for index in [1, 4] {
            let step = events
                .iter()
                .find(|it| it["event"] == "step" && it["index"] == index);
            assert_eq!(step.unwrap()["value"], *long, "{encoding}");
        }
        assert_eq!(
            leaf(&state, "./VMImgMO/x/Description").as_deref(),
            Some(long)
        );
    }
}
