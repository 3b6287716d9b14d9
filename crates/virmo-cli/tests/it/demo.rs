//! `virmo demo`: the whole road in one command.

use std::{env, fs, net::TcpListener, process::Command};

use crate::life::Place;
use crate::program::{Background, complaint, events, lines, pick, virmo, virmo_with};

#[test]
fn the_demo_shows_every_command_the_state_after_it_and_a_summary() {
    let output = virmo(&["demo"]);
    assert_eq!(
        (output.status.code(), complaint(&output)),
        (Some(0), String::new())
    );
    let text = lines(&output);
    assert!(text[0].starts_with("DM server at http://127.0.0.1:"));
    let steps: Vec<_> = text
        .iter()
        .filter(|line| line.starts_with("step "))
        .collect();
    assert_eq!(steps.len(), 8);
    assert!(steps.iter().all(|line| line.contains(" ok ")), "{steps:?}");
    for (exec, state) in [
        (
            "202  Exec     ./VMImgMO/entvm/Operations/Download",
            "image entvm: state 0 -> 1 (Downloading)",
        ),
        (
            "200  Exec     ./VirMO/entvm/Operations/Create",
            "VM entvm: state 0 -> 2 (Running)",
        ),
        (
            "200  Exec     ./VirMO/entvm/Operations/Suspend",
            "VM entvm: state 2 -> 3 (Suspended)",
        ),
        (
            "200  Exec     ./VirMO/entvm/Operations/Resume",
            "VM entvm: state 3 -> 2 (Running)",
        ),
        (
            "200  Exec     ./VirMO/entvm/Operations/PowerOff",
            "VM entvm: state 2 -> 1 (PoweredOff)",
        ),
        (
            "200  Exec     ./VirMO/entvm/Operations/PowerOn",
            "VM entvm: state 1 -> 2 (Running)",
        ),
        (
            "200  Exec     ./VirMO/entvm/Operations/Delete",
            "VM entvm: state 2 -> 4 (Deleted)",
        ),
        (
            "200  Exec     ./VMImgMO/entvm/Operations/Delete",
            "image entvm: state 2 -> gone",
        ),
    ] {
        let at = text.iter().position(|line| line.trim() == exec);
        let at = at.unwrap_or_else(|| panic!("{exec}: {text:#?}"));
        assert_eq!(text[at + 1].trim(), state);
    }
    let last = text.last().unwrap();
    assert!(
        last.starts_with("done: 8 of 8 steps, 48 MiB delivered, "),
        "{last}"
    );
}

#[test]
fn a_script_gets_json_and_nothing_else() {
    for encoding in ["xml", "wbxml"] {
        let output = virmo(&["demo", "--json", "--encoding", encoding]);
        assert_eq!(
            (output.status.code(), complaint(&output)),
            (Some(0), String::new())
        );
        let told = events(&output);
        let first = pick(&told[..1], "listening", &["url"]);
        assert!(first[0].starts_with("http://127.0.0.1:"), "{first:?}");
        assert_eq!(pick(&told, "step", &["ok", "status"]), ["true 200"; 8]);
        assert_eq!(pick(&told, "session", &["result"]), ["completed"; 2]);
        let downloads = pick(&told, "download", &["bytes", "total"]);
        assert_eq!(downloads.last().unwrap(), "50331648 50331648");
        assert!(downloads.len() > 50, "{downloads:?}");
        assert_eq!(pick(&told, "alert", &["delivered"]), ["false", "true"]);
        assert_eq!(pick(&told, "error", &["message"]), [""; 0]);
    }
}

/// The ends prove who they are by digest and by MAC; the challenge before is no error.
#[test]
fn the_demo_proves_both_ends_as_it_is_asked_to() {
    for (scheme, encoding) in [("md5", "xml"), ("mac", "wbxml")] {
        let output = virmo(&["demo", "--auth", scheme, "--encoding", encoding, "--json"]);
        let told = (output.status.code(), complaint(&output));
        assert_eq!(told, (Some(0), String::new()), "{scheme} {encoding}");
        let told = events(&output);
        assert_eq!(pick(&told, "error", &["message"]), [""; 0], "{scheme}");
        assert_eq!(pick(&told, "step", &["ok"]), ["true"; 8], "{scheme}");
    }
}

#[expect(clippy::print_stderr, reason = "a test that was left out is loud")]
fn has_qemu() -> bool {
    let version = Command::new("qemu-system-x86_64").arg("--version").output();
    let there = version.is_ok();
    if !there {
        assert!(env::var_os("CI").is_none(), "QEMU is not installed");
        eprintln!("SKIPPED: qemu-system-x86_64 is not installed");
    }
    there
}

/// A plan that leaves its machine running leaves no QEMU, whether its steps succeed or not.
#[test]
fn the_demo_leaves_nothing_behind_on_qemu() {
    if !has_qemu() {
        return;
    }
    let place = tempfile::Builder::new().prefix("vd").tempdir_in("/tmp");
    let place = place.unwrap();
    let temporary = place.path().to_str().unwrap();
    let plan = place.path().join("plan.toml");
    for (more, code) in [("", 0), ("[[step]]\nget = \"./None\"\n", 1)] {
        let steps = "[[step]]\ndeliver_image = { node = \"i\", name = \"i\", uri = \"/images/entvm.img\", \
                     media_type = \"application/x-disk\" }\n\
                     [[step]]\ncreate_vm = { node = \"v\", image = \"i\" }\n";
        fs::write(&plan, format!("{steps}{more}")).unwrap();
        let words = ["demo", "--hypervisor", "qemu", "--json", "--plan"];
        let words = [&words[..], &[plan.to_str().unwrap()]].concat();
        let output = virmo_with(&words, &[("TMPDIR", temporary)], b"");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let told = pick(&events(&output), "state", &["vm", "to"]);
        assert!(told.contains(&"v 2".to_owned()), "{told:?}");
        let left = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&format!("{temporary}/."))
        });
        assert_eq!(left.count(), 0);
        // The plan is all there is.
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}

/// The plan has no end of its own: its last image is where nobody answers.
#[test]
fn a_demo_that_is_stopped_takes_its_machine_and_its_files_along() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/i.img", silent.local_addr().unwrap());
    let deliver = |uri: &str| {
        format!(
            "deliver_image = {{ node = 'i', name = 'i', uri = '{uri}', \
             media_type = 'application/x-disk' }}\n"
        )
    };
    let steps = [
        &deliver("/images/entvm.img"),
        "create_vm = { node = 'entvm', image = 'i', running = true }\n",
        &deliver(&uri).replace("'i'", "'j'"),
    ];
    let place = Place::new(&steps.map(|step| format!("[[step]]\n{step}")).concat());
    for hypervisor in ["sim", "qemu"] {
        if hypervisor == "qemu" && !has_qemu() {
            continue;
        }
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let words = ["demo", "--json", "--hypervisor", hypervisor, "--plan"];
            let mut demo = Background::start(&[&words[..], &[&place.path("plan.toml")]].concat());
            demo.wait_for(&[("event", "state".into()), ("vm", "entvm".into())]);
            demo.signal(&[signal]);
            assert_eq!(demo.end_without_trace().0, Some(code), "{hypervisor}");
        }
    }
}

/// From its first file on, and while a QEMU that has its pid file does not answer yet.
#[test]
fn a_demo_may_be_stopped_at_any_moment() {
    for (hypervisor, file) in [("sim", ""), ("sim", "/hypervisor"), ("qemu", "/pid")] {
        if hypervisor == "qemu" && !has_qemu() {
            continue;
        }
        let demo = Background::start(&["demo", "--json", "--hypervisor", hypervisor]);
        demo.wait_for_file(file);
        demo.signal(&["INT"]);
        assert_eq!(demo.end_without_trace().0, Some(130), "{hypervisor} {file}");
    }
}

/// The guest that was delivered boots, goes on counting after it was suspended, and begins again
/// after it was powered off.
#[test]
fn the_demo_runs_a_real_guest_on_qemu() {
    if !has_qemu() {
        return;
    }
    let output = virmo(&["demo", "--hypervisor", "qemu", "--json"]);
    assert_eq!(
        (output.status.code(), complaint(&output)),
        (Some(0), String::new())
    );
    let told: Vec<_> = events(&output)
        .iter()
        .filter_map(|event| match event["event"].as_str() {
            Some("guest") => event["count"].as_u64().map(|count| ("guest", count)),
            Some("state") if event["vm"].is_string() => Some(("state", event["to"].as_u64()?)),
            _ => None,
        })
        .collect();
    let states: Vec<_> = told.iter().filter(|(what, _)| *what == "state").collect();
    assert_eq!(states.len(), 6, "{told:?}");
    let [(_, 2), booted, (_, 3), suspended, (_, 2), resumed, ..] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(booted.1 >= 1 && booted.1 <= suspended.1, "{told:?}");
    assert!(suspended.1 <= resumed.1, "the guest went back: {told:?}");
}
