//! Images behind download descriptors, and what `serve` hears of them. [DLOTA 1.0]

use std::fs;

use serde_json::{Value, json};

use crate::{
    http::{self, Images},
    life::Place,
    program::{Background, events, leaf, pick, virmo},
};

const ENCODINGS: [&str; 2] = ["xml", "wbxml"];

fn deliver(uri: &str, media_type: &str, more: &str) -> String {
    format!(
        "[[step]]\ndeliver_image = {{ node = 'i', name = 'i', uri = '{uri}', \
         media_type = '{media_type}'{more} }}\n"
    )
}

/// A descriptor that asks for reports at its own place.
fn descriptor(name: &str, media_type: &str, size: usize, object: &str) -> String {
    format!(
        "<media xmlns=\"http://www.openmobilealliance.org/xmlns/dd\"><type>{media_type}</type>\
         <size>{size}</size><objectURI>{object}</objectURI>\
         <installNotifyURI>{name}</installNotifyURI></media>"
    )
}

fn device<'a>(url: &'a str, state: &'a str, encoding: &'a str) -> Vec<&'a str> {
    vec![
        "device",
        "--server",
        url,
        "--state",
        state,
        "--encoding",
        encoding,
        "--json",
    ]
}

/// A plan to its end; what `serve` and the device told, and whether the plan succeeded.
fn run(place: &Place, encoding: &str) -> (bool, Vec<Value>, Vec<Value>) {
    let (server, url) = place.serve(&["--once"]);
    let state = place.path("state");
    let output = virmo(&[&device(&url, &state, encoding)[..], &["--until-idle"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (code, told) = server.end();
    (code == Some(0), told, events(&output))
}

fn reports(told: &[Value]) -> Vec<String> {
    pick(told, "install", &["file", "status", "text"])
}

#[test]
fn an_image_comes_behind_its_descriptor_and_is_reported() {
    for encoding in ENCODINGS {
        let more = ", descriptor = true, sha256 = true";
        let place = Place::new(&deliver("/images/i.img", "application/x-disk", more));
        let (ok, told, _) = run(&place, encoding);
        assert!(ok, "{told:?}");
        assert_eq!(reports(&told), ["i.img 900 Success"]);
        let from = pick(&told, "install", &["from"]);
        assert!(from[0].starts_with("127.0.0.1:"), "{from:?}");
        let state = place.path("state");
        let uri = leaf(&state, "./VMImgMO/i/DownloadURI").unwrap();
        assert!(uri.ends_with("/images/i.img.dd"), "{uri}");
        let location = leaf(&state, "./VMImgMO/i/DownloadedLocation").unwrap();
        assert_eq!(fs::read(location).unwrap(), vec![7; 300_000]);
        assert_eq!(
            leaf(&state, "./VMImgMO/i/Ext/SHA256").unwrap(),
            "08f166476de183f7a1b2874d544d37912aaf8d19b92013e1aafe233ba231024a"
        );
    }
}

/// A file with another digest than the plan gives is no image, and is reported as given up.
#[test]
fn another_digest_is_a_failed_delivery() {
    for encoding in ENCODINGS {
        let more = format!(", descriptor = true, sha256 = '{}'", "0a".repeat(32));
        let place = Place::new(&deliver("images/i.img", "application/x-disk", &more));
        let (ok, told, _) = run(&place, encoding);
        assert!(!ok, "{told:?}");
        assert_eq!(reports(&told), ["i.img 952 Device Aborted"]);
        assert_eq!(
            leaf(&place.path("state"), "./VMImgMO/i/State").as_deref(),
            Some("3")
        );
    }
}

/// [DLOTA 905]: a size that lies, and a type that is another; nothing stays.
#[test]
fn a_descriptor_that_lies_is_reported() {
    let octets = "application/octet-stream";
    for encoding in ENCODINGS {
        for (media_type, size) in [
            (octets, 299_999),
            (octets, 300_001),
            ("application/x-other", 300_000),
        ] {
            let place = Place::new(&deliver("images/lying.dd", octets, ""));
            let lying = descriptor("lying.dd", media_type, size, "i.img");
            fs::write(place.path("images/lying.dd"), lying).unwrap();
            let (ok, told, device) = run(&place, encoding);
            assert!(!ok, "{told:?}");
            assert_eq!(reports(&told), ["lying 905 Attribute mismatch"]);
            assert_eq!(pick(&device, "state", &["from", "to"]), ["0 1", "1 3"]);
            let state = place.path("state");
            assert_eq!(leaf(&state, "./VMImgMO/i/DownloadedLocation"), None);
            assert_eq!(fs::read_dir(place.path("state/images")).unwrap().count(), 0);
        }
    }
}

/// A device that was killed amid the file goes on with it by Range, asks for the descriptor no
/// more, and reports once.
#[test]
fn a_kill_amid_the_file_costs_at_most_bytes() {
    const MIB: usize = 1 << 20;
    for encoding in ENCODINGS {
        let octets = "application/octet-stream";
        let place = Place::new(&deliver("images/far.dd", octets, ""));
        let image = Images::of(12 * MIB);
        image.stop_at(10 * MIB);
        let far = descriptor("far.dd", octets, 12 * MIB, &image.url);
        let path = place.path("images/far.dd");
        fs::write(&path, far).unwrap();
        let (server, url) = place.serve(&["--once"]);
        let state = place.path("state");
        let mut killed = Background::start(&device(&url, &state, encoding));
        loop {
            let event = killed.wait_for(&[("event", json!("download"))]);
            if event["bytes"].as_u64().unwrap() > 9 * MIB as u64 {
                break;
            }
        }
        killed.kill();
        // It is not asked for again; reports of it are still taken.
        fs::write(&path, "<media/>").unwrap();

        image.stop_at(usize::MAX);
        let again = [&device(&url, &state, encoding)[..], &["--until-idle"]].concat();
        let output = virmo(&again);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let (code, told) = server.end();
        assert_eq!(code, Some(0), "{told:?}");
        assert_eq!(reports(&told), ["far 900 Success"]);
        let asked = image.asked();
        assert_eq!((asked.len(), asked[0]), (2, 0));
        assert!((8 * MIB..12 * MIB).contains(&asked[1]), "{asked:?}");
        let location = leaf(&state, "./VMImgMO/i/DownloadedLocation").unwrap();
        let whole = http::ask("GET", &image.url, &[], b"").body;
        assert!(
            fs::read(location).unwrap() == whole,
            "another file came out"
        );
    }
}

/// Images come from the hosts of `--download-host` and from no other, whatever the server says.
#[test]
fn images_come_from_allowed_hosts() {
    let octets = "application/octet-stream";
    for (words, states) in [
        (vec!["--download-host", "images.example"], ["0 1", "1 3"]),
        (
            vec![
                "--download-host",
                "Images.Example",
                "--download-host",
                "127.0.0.1",
                "--max-downloads",
                "1",
            ],
            ["0 1", "1 2"],
        ),
    ] {
        let place = Place::new(&deliver("images/i.img", octets, ", descriptor = true"));
        let (server, url) = place.serve(&["--once"]);
        let state = place.path("state");
        let args = [&device(&url, &state, "xml")[..], &["--until-idle"], &words].concat();
        let output = virmo(&args);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let told = pick(&events(&output), "state", &["from", "to"]);
        assert_eq!(told, states, "{words:?}");
        let (code, _) = server.end();
        assert_eq!(code == Some(0), states[1] == "1 2", "{words:?}");
    }
    for words in [
        ["--download-host", "images.example:80"],
        ["--download-host", "http://images.example"],
        ["--download-host", "a/b"],
        ["--download-host", "user@images.example"],
        ["--download-host", ""],
        ["--download-host", "images.example#a"],
        ["--download-host", "b\u{fc}cher.example"],
        ["--max-downloads", "0"],
    ] {
        let output =
            virmo(&[&["device", "--server", "http://127.0.0.1:1/dm"][..], &words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.contains("xn--"), !words[1].is_ascii(), "{said}");
    }
}

#[test]
fn a_plan_that_cannot_be_described_is_refused() {
    let refused = |plan: &str, images: bool| {
        let place = Place::new(plan);
        let (plan, images_path) = (place.path("plan.toml"), place.path("images"));
        let mut words = vec!["serve", "--listen", "127.0.0.1:0", "--plan", &plan];
        if images {
            words.extend(["--images", &images_path]);
        }
        let output = virmo(&words);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let none = "needs --images or";
    let plan = |uri: &str, more: &str| deliver(uri, "a/b", more);
    for (plan, images, why) in [
        (
            plan("images/i", ", descriptor = true"),
            false,
            "need --images",
        ),
        (plan("images/i", ", sha256 = true"), false, "need --images"),
        (plan("images/i", ", sha256 = false"), false, none),
        (
            plan("http://h/i", ", descriptor = true"),
            true,
            "descriptor = true: \"http://h/i\" is no relative uri",
        ),
        (
            plan("/images/i?a", ", sha256 = true"),
            true,
            "sha256 = true: \"/images/i?a\" is no relative uri",
        ),
        (plan("images/none", ", sha256 = true"), true, "none: "),
        (
            plan("images/i.img", ", sha256 = '0a'"),
            true,
            "\"0a\" is not the 64 hexadecimal digits of a digest",
        ),
    ] {
        let said = refused(&plan, images);
        assert!(
            said.contains("line 1: ") && said.contains(why),
            "{plan}: {said}"
        );
    }
}

/// A name that needs an escape in an address has its media type, its digest and its descriptor.
#[test]
fn names_of_files_may_need_escapes() {
    for more in ["", ", sha256 = true", ", descriptor = true, sha256 = true"] {
        let place = Place::new(&deliver(
            "/images/my%20disk.img",
            "application/x-disk",
            more,
        ));
        let file = place.path("images/my disk.img");
        fs::copy(place.path("images/i.img"), file).unwrap();
        let (ok, told, device) = run(&place, "xml");
        assert!(ok, "{more}: {told:?} {device:?}");
    }
}

/// What a plan delivers has to be there before anything is served.
#[test]
fn an_image_that_is_missing_is_named_with_its_line() {
    let place = Place::new(&deliver("/images/none.img", "application/x-disk", ""));
    let (plan, images) = (place.path("plan.toml"), place.path("images"));
    let output = virmo(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--plan",
        &plan,
        "--images",
        &images,
    ]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("line 1: uri = \"/images/none.img\": "),
        "{said}"
    );
}
