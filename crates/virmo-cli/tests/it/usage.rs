//! Wrong usage ends with 2 and says what is wrong; nothing is done.

use std::fs;

use crate::program::{complaint, lines, virmo, virmo_with};

/// Runs the program as it must not be; what it says.
fn refused(words: &[&str]) -> String {
    let output = virmo_with(words, &[("SET", "x")], b"");
    assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
    assert_eq!(lines(&output), [""; 0], "{words:?}");
    let complaint = complaint(&output);
    assert!(!complaint.is_empty(), "{words:?}");
    complaint
}

/// A slip in an address is no name of a host that is not there, and nothing to be mended.
#[test]
fn an_address_that_is_none_is_refused_with_the_place() {
    let write = ["bootstrap", "write", "--out", "/no/such/file", "--server"];
    let notify = ["notify", "--password-env", "SET", "--to"];
    let flags: [&[&str]; 6] = [
        &["load", "--server"],
        &["device", "--server"],
        &["conformance", "--server"],
        &["serve", "--listen", "127.0.0.1:0", "--public-url"],
        &notify,
        &write,
    ];
    for flag in flags {
        for (url, said) in [
            (" http://127.0.0.1:1/", "character 1 is ' '"),
            ("http://127.0.0.1:1/d m", "character 21 is ' '"),
            ("http://127. 0.0.1:1/", "character 12 is ' '"),
            ("http://127.0.0.1:1/<dm>", "character 20 is '<'"),
            ("http://dm.\u{e9}xample/", "character 11 is '\u{e9}'"),
            ("http://127.0.0.1:1/\n", "character 20 is '\\n'"),
            ("http:/127.0.0.1:1/", "is not an absolute URI"),
            ("http://u@127.0.0.1/", "has a user name or password in it"),
        ] {
            let complaint = refused(&[flag, &[url]].concat());
            assert!(complaint.contains(said), "{flag:?}: {complaint}");
        }
    }
}

#[test]
fn libvirt_is_built_in_or_said_to_be_missing() {
    let device = ["device", "--server", "http://127.0.0.1:1/"];
    let words = ["--hypervisor", "libvirt:test:///default"];
    let said = refused(&[&device[..], &words].concat());
    let due = if cfg!(feature = "libvirt") {
        "needs --state"
    } else {
        "build it with --features libvirt"
    };
    assert!(said.contains(due), "{said}");
}

#[test]
fn a_wrong_word_is_named() {
    let device = ["device", "--server", "http://127.0.0.1:1/"];
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let load = ["load", "--server", "http://127.0.0.1:1/"];
    let basic = ["--auth", "basic"];
    for (start, words, said) in [
        (&[][..], &[][..], "Usage"),
        (&["nonsense"], &[], "nonsense"),
        (&device, &["--nonsense"], "--nonsense"),
        (&["device"], &[], "--server"),
        (
            &["device"],
            &["--server", "ftp://127.0.0.1/"],
            "ftp://127.0.0.1/",
        ),
        (&["device"], &["--server", "127.0.0.1:80"], "127.0.0.1:80"),
        (&["device"], &["--server", "http://"], "http://"),
        (&device, &["--hypervisor", "xen"], "xen"),
        (
            &device,
            &["--hypervisor", "qemu"],
            "--hypervisor qemu needs --state",
        ),
        (&device, &["--server-id", ""], "--server-id"),
        (&device, &["--server-id", "a b"], "--server-id"),
        (&device, &["--server-id", "*"], "--server-id"),
        (&device, &["--server-id", "a/b"], "--server-id"),
        (&load, &["--server-id", "a/b"], "--server-id"),
        (&["load"], &["--server", "http:///dm"], "http:///dm"),
        (&device, &["--device-id", ""], "--device-id"),
        (&device, &["--fault", "create"], "--fault create"),
        (&device, &["--fault", "crate:fail"], "crate"),
        (&device, &["--fault", "create:explode"], "explode"),
        (&device, &["--fault", "download:explode"], "explode"),
        (&device, &["--once", "--until-idle"], "--until-idle"),
        (
            &device,
            &["--listen", "127.0.0.1:0"],
            "--server-password-env",
        ),
        (&device, &["--listen", "127.0.0.1:0", "--once"], "--once"),
        (&device, &["--nonce-resync"], "--listen"),
        (&device, &["--interval", "soon"], "soon"),
        (&device, &["--interval", "-1"], "-1"),
        (&device, &["--interval", "0"], "--interval"),
        (&device, &["--interval", "0.0001"], "--interval"),
        (&device, &["--op-timeout", "0"], "--op-timeout"),
        (&device, &["--op-deadline", "0"], "--op-deadline"),
        (&device, &["--op-timeout", "nan"], "nan"),
        (&device, &["--op-deadline", "x"], "--op-deadline"),
        (&device, &["--cpu-policy", "some"], "some"),
        (&device, &["--cert", "c.pem"], "--key"),
        (&serve, &["--tls-cert", "no.pem"], "--tls-key"),
        (&device, &["--user", "u"], "--password-env"),
        (&device, &["--password-env", "SET"], "--user"),
        (
            &device,
            &["--user", "u", "--password-env", "SET"],
            "--auth basic",
        ),
        (&device, &basic, "--user"),
        (&device, &["--auth", "md5"], "--auth md5 needs --user"),
        (&serve, &["--auth", "mac"], "--auth mac needs --user"),
        (&device, &["--auth", "md4"], "md4"),
        (
            &device,
            &[
                "--auth",
                "basic",
                "--user",
                "u",
                "--password-env",
                "VIRMO_TEST_UNSET",
            ],
            "VIRMO_TEST_UNSET",
        ),
        (&["serve"], &[], "--listen"),
        (&["load"], &[], "--server"),
        (&load, &["--devices", "0"], "--devices"),
        (&load, &["--concurrency", "0"], "--concurrency"),
        (&load, &["--timeout", "0.0009"], "it is at least 0.001"),
        (&load, &["--timeout", "NaN"], "not a number of seconds"),
        (
            &load,
            &["--timeout", "1e30"],
            "so many seconds cannot be counted",
        ),
        (&load, &["--sessions", "2", "--seconds", "3"], "--seconds"),
        (&load, &["--device-id-prefix", ""], "--device-id-prefix"),
        (&load, &["--server-id", "a b"], "--server-id"),
        (&load, &["--user", "u"], "--password-env"),
        (&load, &["--auth", "md5"], "--auth md5 needs --user"),
        (&["serve", "--listen"], &["nowhere"], "nowhere"),
        (
            &serve,
            &["--plan", "/no/such/plan.toml"],
            "/no/such/plan.toml",
        ),
        (&serve, &["--once"], "--plan"),
        (&serve, &["--images", "/no/such/folder"], "/no/such/folder"),
        (&serve, &basic, "--user"),
        (&serve, &["--encoding", "yaml"], "yaml"),
        (&["convert"], &[], "--to"),
        (&["convert", "--to"], &["yaml"], "yaml"),
        (&["ddf"], &["nonsense"], "nonsense"),
        (&["params"], &["nonsense"], "nonsense"),
        (&["tree"], &[], "--state"),
        (
            &["notify", "--to", "http://127.0.0.1:1/"],
            &["--password-env", "SET", "--nonce", "%"],
            "--nonce %: it is not base64",
        ),
    ] {
        let words = [start, words].concat();
        let complaint = refused(&words);
        assert!(complaint.contains(said), "{words:?}: {complaint}");
    }
}

/// Files of certificates are named where they are wrong, and the flags where there is no https.
#[test]
fn a_wrong_certificate_is_named() {
    let device = ["device", "--server", "http://127.0.0.1:1/"];
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let cases: [(&[&str], &[&str], &str); 4] = [
        (&device, &["--ca", "no.pem"], "--ca no.pem"),
        (&device, &["--ca", "Cargo.toml"], "--ca Cargo.toml"),
        (
            &device,
            &["--cert", "no.pem", "--key", "no.pem"],
            "--cert no.pem",
        ),
        (
            &serve,
            &["--tls-cert", "Cargo.toml", "--tls-key", "Cargo.toml"],
            "--tls-cert Cargo.toml",
        ),
    ];
    for (start, words, said) in cases {
        let words = [start, words].concat();
        let complaint = refused(&words);
        let said = match cfg!(feature = "tls") {
            true => said,
            false => "not built yet",
        };
        assert!(complaint.contains(said), "{words:?}: {complaint}");
    }
}

#[test]
fn a_wrong_plan_is_explained_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.toml");
    let plan = path.to_str().unwrap();
    for (text, said) in [
        ("[[step]]\nget = '.'\n\n[[step]]\nget = \n", "line 5"),
        (
            "[[step]]\nget = '.'\n[[step]]\nsuspnd = { vm = 'v' }\n",
            "line 4",
        ),
        (
            "[[step]]\nget = '.'\n[[step]]\n",
            "line 3: the step does nothing",
        ),
        (
            "\n[[step]]\nget = '.'\nexec = '.'\n",
            "line 2: the step has 2 actions",
        ),
        ("[[step]]\ncreate_vm = { node = 'v' }\n", "image"),
        ("[[step]]\nget = 7\n", "line 2"),
        ("[[step]]\nget = '.'\nexpect = 'x'\n", "line 3"),
        ("steps = []\n", "steps"),
        ("[[step]]\nsuspend = { vm = 'a/b' }\n", "a/b"),
        ("[[step]]\napply_resources = { v = 'RAM=1' }\n", "RAM=1"),
        (
            "[[step]]\nadd = { uri = './x', value = '1', format = 'odd' }\n",
            "odd",
        ),
        (
            "[[step]]\nask_user = { vm = 'v/w', kind = 'confirm', text = '?' }\n",
            "line 1: \"v/w\": ",
        ),
        (
            "[[step]]\nask_user = { kind = 'shout', text = '?' }\n",
            "shout",
        ),
        ("[[step]]\natomic = []\n", "line 1: nothing in it"),
        ("\n[[step]]\nget = './a//b'\n", "line 2: "),
        ("[[step]]\napply_resources = {}\n", "names no VM"),
        (
            "\n[[step]]\nget = '.'\nexpect = 7\n",
            "line 2: expect = 7: a status is from 100 to 599",
        ),
        ("[[step]]\nget = '.'\nexpect = -1\n", "line 3: "),
        (
            "[[step]]\nadd = { uri = './x', value = 'abc', format = 'int' }\n",
            "line 1: \"abc\" is no int",
        ),
        (
            "[[step]]\natomic = [{ atomic = [{ get = '.' }] }]\n",
            "line 1: an atomic in an atomic",
        ),
        (
            "[[step]]\ndeliver_image = { node = 'a', name = 'a', uri = '/images/a', media_type = 'a/b' }\n",
            "line 1: \"/images/a\" needs --images",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let complaint = refused(&["serve", "--listen", "127.0.0.1:0", "--plan", plan]);
        assert!(complaint.contains(said), "{text}\n{complaint}");
        let start = format!("virmo: --plan {plan}: line ");
        assert!(complaint.starts_with(&start), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
    fs::write(&path, [0xff]).unwrap();
    refused(&["serve", "--listen", "127.0.0.1:0", "--plan", plan]);
}

#[test]
fn what_cannot_be_had_is_no_wrong_usage() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = virmo(&["serve", "--listen", &address, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains(&address), "{output:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let words = ["--state", file.to_str().unwrap(), "--once"];
    let output = virmo(&[&["device", "--server", "http://127.0.0.1:1/"], &words[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn help_and_version_are_no_failures() {
    for words in [
        &["--help"][..],
        &["--version"],
        &["device", "--help"],
        &["help", "serve"],
    ] {
        let output = virmo(words);
        assert_eq!(output.status.code(), Some(0));
        assert!(!lines(&output).is_empty());
    }
}

/// A password that is no UTF-8 is not shown.
#[cfg(unix)]
#[test]
fn a_password_is_not_in_what_is_said_about_it() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt, process::Command};
    let output = Command::new(env!("CARGO_BIN_EXE_virmo"))
        .args([
            "notify",
            "--to",
            "http://127.0.0.1:1/",
            "--password-env",
            "SECRET",
        ])
        .env("SECRET", OsStr::from_bytes(b"swordfish\xff"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = complaint(&output);
    assert!(said.contains("SECRET: it is not UTF-8"), "{said}");
    assert!(!said.contains("swordfish"), "{said}");
}
