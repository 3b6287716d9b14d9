//! The draft of VirMO 1.0, at both ends.

use crate::{
    life::Place,
    program::{complaint, events, leaf, lines, pick, virmo},
};

const LIFE: &str = r#"
[[step]]
deliver_image = { node = "i", name = "android", uri = "images/i.img", media_type = "application/x-disk" }
[[step]]
create_vm = { node = "v", image = "i", resources = "RAM=1000&Storage=2000000&CPU=3&Network=4" }
[[step]]
get = "./VirMO/v/Operations/CreateParams"
[[step]]
lock = { vm = "v" }
[[step]]
get = "./VirMO/v/State"
[[step]]
suspend = { vm = "v" }
[[step]]
resume = { vm = "v" }
[[step]]
unlock = { vm = "v" }
[[step]]
user_unlock = { vm = "v", allowed = true }
[[step]]
allow_sharing = { vm = "v" }
[[step]]
prohibit_sharing = { vm = "v" }
[[step]]
lock = { vm = "v" }
[[step]]
power_off = { vm = "v" }
[[step]]
power_on = { vm = "v" }
[[step]]
get = "./VirMO/v/Ext/CurrentConfig"
[[step]]
get = "./VirMO/v/Resources"
expect = 404
[[step]]
user_unlock = { vm = "novm", allowed = true }
expect = 404
"#;

/// DR-007 to DR-022 over HTTP, in both encodings.
#[test]
fn a_device_of_the_draft_goes_through_its_life() {
    for encoding in ["xml", "wbxml"] {
        let place = Place::new(LIFE);
        let profile = ["--profile", "draft"];
        let (server, url) =
            place.serve(&[&["--once", "--encoding", encoding], &profile[..]].concat());
        let state = place.path("state");
        let words = [
            "device",
            "--server",
            &url,
            "--state",
            &state,
            "--encoding",
            encoding,
        ];
        let device = virmo(&[&words[..], &["--until-idle", "--json"], &profile].concat());
        assert_eq!(device.status.code(), Some(0), "{device:?}");
        assert_eq!(complaint(&device), "");
        let (code, told) = server.end();
        assert_eq!(code, Some(0), "{told:?}");
        let steps = pick(&told, "step", &["ok", "status"]);
        let (done, missing) = steps.split_at(15);
        assert_eq!(missing, ["true 404"; 2]);
        assert_eq!(done, ["true 200"; 15]);
        assert_eq!(leaf(&state, "./VirMO/novm"), None);
        assert_eq!(leaf(&state, "./VirMO/novm/Ext/UserUnlock"), None);
        let values = pick(&told, "step", &["value"]);
        assert_eq!(values[2], "ImgID=img-1&Running=true");
        assert_eq!(values[4], "2", "Lock keeps State");
        assert_eq!(values[14], "RAM=1000&Storage=2000000&CPU=3&Network=4");
        let commands = pick(&events(&device), "command", &["name", "uri", "status"]);
        for command in [
            "Exec ./VirMO/v/Operations/Lock 200",
            "Exec ./VirMO/v/Operations/Unlock 200",
            "Exec ./VirMO/v/Ext/Suspend 200",
            "Exec ./VirMO/v/Ext/AllowSharing 200",
            "Replace ./VirMO/v/Ext/UserUnlock 200",
        ] {
            assert!(
                commands.iter().any(|seen| seen == command),
                "{command}: {commands:?}"
            );
        }
        assert_eq!(
            leaf(&state, "./VirMO/v/Ext/Locked").as_deref(),
            Some("true")
        );

        // The state stays with its profile.
        let other = virmo(&[&words[..], &["--once"]].concat());
        assert_eq!(other.status.code(), Some(1), "{other:?}");
        let said = complaint(&other);
        assert!(
            said.contains("of the draft profile: start with --profile draft"),
            "{said}"
        );
    }
}

/// DR-022: the user unlocks what the server allowed, while no device runs, and nothing else; the
/// device tells the server when it runs again.
#[test]
fn the_user_of_a_device_unlocks_a_vm() {
    let start = "[[step]]\ndeliver_image = { node = 'i', name = 'n', uri = 'images/i.img', media_type = 'application/x-disk' }\n";
    let vm = |name: &str| {
        format!(
            "[[step]]\ncreate_vm = {{ node = '{name}', image = 'i' }}\n[[step]]\nlock = {{ vm = '{name}' }}\n"
        )
    };
    let allow = "[[step]]\nuser_unlock = { vm = 'v', allowed = true }\n";
    let place = Place::new(&[start, &vm("v"), &vm("w"), allow].concat());
    let state = place.path("state");
    let run = |place: &Place| {
        let draft = ["--profile", "draft"];
        let (server, url) = place.serve(&[&["--once"], &draft[..]].concat());
        let words = [
            "device",
            "--server",
            &url,
            "--state",
            &state,
            "--until-idle",
        ];
        let device = virmo(&[&words[..], &draft].concat());
        assert_eq!(device.status.code(), Some(0), "{device:?}");
        server.end()
    };
    run(&place);
    let unlock = |state: &str, vm: &str| virmo(&["unlock", "--state", state, vm]);
    let refuse = |state: &str, vm: &str, why: &str| {
        let refused = unlock(state, vm);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(complaint(&refused).contains(why), "{refused:?}");
    };
    refuse(&state, "w", "its server does not let its user unlock it");
    refuse(&state, "x", "there is no such VM");
    refuse(&place.path("other"), "v", "no device was run on it");
    for name in ["v", "./VirMO/v"] {
        let done = unlock(&state, name);
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        assert_eq!(lines(&done), ["v is unlocked"]);
    }
    let help = virmo(&["unlock", "--help"]);
    assert!(lines(&help).concat().contains("Ext/UserUnlock"));

    let plan = "[[step]]\nget = './VirMO/v/Ext/Locked'\n[[step]]\nget = './VirMO/w/Ext/Locked'\n";
    std::fs::write(place.path("plan.toml"), plan).unwrap();
    let (code, told) = run(&place);
    assert_eq!(code, Some(0), "{told:?}");
    assert_eq!(pick(&told, "step", &["value"]), ["false", "true"]);
}

/// Nobody unlocks anything in the approved profile, whatever a node is called.
#[test]
fn there_is_nothing_to_unlock_in_the_approved_profile() {
    let place = Place::new(
        "[[step]]\nadd = { uri = './VirMO/v', format = 'node' }\n\
         [[step]]\nreplace = { uri = './VirMO/v/CreateParams', value = 'ImgID=i' }\n",
    );
    let state = place.path("state");
    let (server, url) = place.serve(&["--once"]);
    let device = virmo(&["device", "--server", &url, "--state", &state, "--once"]);
    assert_eq!(device.status.code(), Some(0), "{device:?}");
    server.end();
    let refused = virmo(&["unlock", "--state", &state, "v"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let why = complaint(&refused);
    assert!(why.contains("of the approved profile"), "{why}");
}

/// What one profile has no words for is said before a device comes.
#[test]
fn a_plan_of_the_other_profile_is_refused() {
    for (profile, step, why) in [
        (
            "approved",
            "allow_sharing = { vm = 'v' }",
            "the draft profile",
        ),
        (
            "approved",
            "user_unlock = { vm = 'v', allowed = true }",
            "the draft profile",
        ),
        (
            "draft",
            "apply_resources = { v = 'RAM=1&Storage=1&CPU=1&Network=1' }",
            "ApplyChanges",
        ),
        (
            "draft",
            "disable_peripheral = { vm = 'v', name = 'usb' }",
            "DMTree",
        ),
    ] {
        let place = Place::new(&format!("[[step]]\n{step}\n"));
        let plan = place.path("plan.toml");
        let words = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--plan",
            &plan,
            "--profile",
            profile,
        ];
        let refused = virmo(&words);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let said = complaint(&refused);
        assert!(said.contains("line 1: ") && said.contains(why), "{said}");
    }
}

/// DR-053, DR-055, DR-056: the DDF of the draft has its operations.
#[test]
fn the_ddf_is_that_of_the_profile() {
    let ddf = |profile: &str| {
        let output = virmo(&["ddf", "virmo", "--profile", profile]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (approved, draft) = (ddf("approved"), ddf("draft"));
    assert_eq!(virmo(&["ddf", "virmo"]).stdout, approved.as_bytes());
    for (name, in_approved, in_draft) in [
        ("Lock", false, true),
        ("Unlock", false, true),
        ("CreateParams", true, true),
        ("ApplyChanges", true, false),
        ("DMTree", true, true),
    ] {
        let node = format!("<NodeName>{name}</NodeName>");
        assert_eq!(approved.contains(&node), in_approved, "{name}");
        assert_eq!(draft.contains(&node), in_draft, "{name}");
    }
    let images = |profile| virmo(&["ddf", "vmimgmo", "--profile", profile]).stdout;
    assert_eq!(images("approved"), images("draft"));
}
