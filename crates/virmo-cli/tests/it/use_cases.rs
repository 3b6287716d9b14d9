//! The use cases of Appendix B: `examples/appendix-b.toml`, part by part and as it stands.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Background, complaint, events, leaf, pick, virmo};

const PLAN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../examples/appendix-b.toml"
);

/// What the simulator's record says of each machine there is: its state and what it is denied.
fn machines(state: &Path) -> BTreeMap<String, (String, Vec<String>)> {
    let folders = fs::read_dir(state.join("machines/machines")).unwrap();
    let record = |folder: fs::DirEntry| {
        let text = fs::read(folder.path().join("machine.json")).unwrap();
        let record: Value = serde_json::from_slice(&text).unwrap();
        let own = find(&record, "disabled").unwrap();
        let denied = own["disabled"].as_array().unwrap().iter();
        let denied = denied.map(|name| name.as_str().unwrap().to_owned());
        let state = own["state"].as_str().unwrap().to_owned();
        let id = folder.file_name().into_string().unwrap();
        (id, (state, denied.collect()))
    };
    folders.map(|folder| record(folder.unwrap())).collect()
}

/// The object with this field, wherever it is.
fn find<'v>(value: &'v Value, field: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    match object.get(field) {
        Some(_) => Some(value),
        None => object.values().find_map(|value| find(value, field)),
    }
}

/// The parts of the plan, by what follows `# -- ` in their first line.
fn parts() -> Vec<(String, String)> {
    let text = fs::read_to_string(PLAN).unwrap();
    let parts = text.split("\n# -- ").skip(1);
    parts
        .map(|part| {
            let (title, steps) = part.split_once('\n').unwrap();
            (title.to_owned(), steps.to_owned())
        })
        .collect()
}

/// Takes the device of the folder through a plan; the steps, and what the device told.
fn run(folder: &Path, plan: &str, encoding: &str) -> (Vec<String>, Vec<Value>) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    fs::write(path("plan.toml"), plan).unwrap();
    let (plan, images, state) = (path("plan.toml"), path("images"), path("state"));
    let (server, url) = Background::serve(&["--plan", &plan, "--images", &images, "--once"]);
    let words = ["device", "--server", &url, "--state", &state];
    let words = [
        &words[..],
        &["--encoding", encoding, "--until-idle", "--json"],
    ]
    .concat();
    let device = virmo(&words);
    assert_eq!(device.status.code(), Some(0), "{device:?}");
    assert_eq!(complaint(&device), "");
    let (code, told) = server.end();
    assert_eq!(code, Some(0), "{told:?}");
    (pick(&told, "step", &["status", "value"]), events(&device))
}

fn hold(encoding: &str) {
    let place = TempDir::new().unwrap();
    let folder = place.path();
    fs::create_dir(folder.join("images")).unwrap();
    fs::write(folder.join("images/entvm.img"), vec![7; 1000]).unwrap();
    let state = folder.join("state");
    let read = |uri: &str| leaf(state.to_str().unwrap(), uri);
    let mut parts = parts().into_iter();
    let mut next = |title: &str| {
        let (found, plan) = parts.next().unwrap();
        assert!(found.starts_with(title), "{found}");
        run(folder, &plan, encoding)
    };
    let is = |state: &str, denied: &[&str]| {
        let denied = denied.iter().map(|name| (*name).to_owned()).collect();
        (state.to_owned(), denied)
    };
    let private = ("vm-1".to_owned(), is("running", &[]));
    let with = |enterprise| BTreeMap::from([private.clone(), ("vm-2".to_owned(), enterprise)]);

    next("Before");
    assert_eq!(machines(&state), BTreeMap::from([private.clone()]));

    let (steps, _) = next("B.1");
    assert_eq!(steps, ["200 null", "200 2"]);
    assert_eq!(machines(&state), with(is("running", &[])));
    assert_eq!(read("./VirMO/entvm/VMID").as_deref(), Some("vm-2"));

    let (steps, _) = next("B.3");
    let mut expected = vec!["200 false"; 4];
    expected.push("404 null");
    assert_eq!(steps, expected);
    let denied = ["bluetooth", "nfc", "usb", "wlan"];
    assert_eq!(machines(&state), with(is("running", &denied)));
    for name in denied {
        let enabled = read(&format!("./VirMO/entvm/DMTree/DCMO/{name}/Enabled"));
        assert_eq!(enabled.as_deref(), Some("false"), "{name}");
    }

    let (steps, _) = next("B.4: something");
    assert_eq!(steps[1..], ["200 null", "200 3"]);
    assert_eq!(machines(&state), with(is("suspended", &denied)));

    let (steps, told) = next("B.4: the diagnostic");
    assert_eq!(steps, ["200 null", "200 2", "200 3", "200 null"]);
    let states = pick(&told, "state", &["vm", "from", "to"]);
    assert_eq!(states, ["diagnostic 0 2", "diagnostic 2 4"]);
    assert_eq!(machines(&state), with(is("suspended", &denied)));

    let (steps, told) = next("B.4: the problem");
    assert_eq!(steps, ["200 null", "200 2", "200 false"]);
    assert_eq!(pick(&told, "state", &["vm", "from", "to"]), ["entvm 3 2"]);
    assert_eq!(machines(&state), with(is("running", &denied)));

    let (steps, _) = next("B.2");
    assert_eq!(steps, ["200 null", "200 null", "404 null", "200 2"]);
    assert_eq!(machines(&state), BTreeMap::from([private]));
    assert_eq!(read("./VMImgMO/entvm"), None);
    assert_eq!(read("./VirMO/private/State").as_deref(), Some("2"));
}

/// VR-259 to VR-262: each use case, with what it leaves on the simulator and in the tree.
#[test]
fn the_use_cases_of_appendix_b_hold() {
    hold("xml");
}

#[test]
fn the_use_cases_of_appendix_b_hold_over_wbxml() {
    hold("wbxml");
}

/// As the plan says to run it.
#[test]
fn the_demo_goes_through_the_plan_of_appendix_b() {
    for encoding in ["xml", "wbxml"] {
        let output = virmo(&["demo", "--plan", PLAN, "--encoding", encoding, "--json"]);
        let told = (output.status.code(), complaint(&output));
        assert_eq!(told, (Some(0), String::new()), "{encoding}");
        let told = events(&output);
        let steps = pick(&told, "step", &["ok"]);
        let text = fs::read_to_string(PLAN).unwrap();
        assert_eq!(steps, vec!["true"; text.matches("\n[[step]]").count()]);
        // The enterprise VM is suspended for as long as the diagnostic is there.
        let states = pick(&told, "state", &["vm", "to"]);
        let at = |what: &str| states.iter().position(|state| state == what).unwrap();
        assert!(at("entvm 3") < at("diagnostic 2"), "{states:?}");
        let resumed = states.iter().rposition(|state| state == "entvm 2").unwrap();
        assert!(at("diagnostic 4") < resumed, "{states:?}");
    }
}

#[test]
fn the_demo_refuses_a_plan_that_cannot_be_carried_out() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("plan.toml");
    let plan = path.to_str().unwrap();
    for (text, why) in [
        (None, "plan.toml: "),
        (Some(""), "it has no steps"),
        (Some("[[step]]\nsuspend = { vm = 'a/b' }\n"), "line 1: "),
    ] {
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        let output = virmo(&["demo", "--plan", plan]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(complaint(&output).contains(why), "{output:?}");
    }
}
