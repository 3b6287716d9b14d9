//! The targets, and what each begins with.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    /// Of its binary, its corpus and its regressions.
    pub name: &'static str,
    /// Panics if something is wrong.
    pub run: fn(&[u8]),
    /// Every how many octets a seed is cut and damaged by `cargo test`.
    pub step: usize,
    seeds: fn() -> Vec<Vec<u8>>,
}

impl FuzzTarget {
    /// Every target.
    pub const ALL: [Self; 18] = [
        Self::new("acl", crate::acl, 1, acls),
        Self::new("agreement", crate::agreement, 1, markup),
        Self::new("bootstrap", crate::bootstrap, 1, bootstraps),
        Self::new("descriptor", crate::descriptor, 1, descriptors),
        Self::new("device_session", crate::device_session, 29, sessions),
        Self::new("document", crate::document, 1, documents),
        Self::new("guest", crate::guest, 3, crate::guest_talk),
        Self::new("libvirt", crate::libvirt, 1, metadata),
        Self::new("message", crate::message, 1, markup),
        Self::new("notification", crate::notification, 1, notifications),
        Self::new("params", crate::params, 1, parameters),
        Self::new("procedures", crate::procedures, 1, successes),
        Self::new("qmp", crate::qmp, 1, answers),
        Self::new("server_session", crate::server_session, 29, sessions),
        Self::new("uri", crate::uri, 1, addresses),
        Self::new("vm_operations", crate::vm_operations, 4, operations),
        Self::new("wbxml", crate::wbxml, 1, markup),
        Self::new("xml", crate::xml, 1, markup),
    ];

    const fn new(
        name: &'static str,
        run: fn(&[u8]),
        step: usize,
        seeds: fn() -> Vec<Vec<u8>>,
    ) -> Self {
        Self {
            name,
            run,
            step,
            seeds,
        }
    }

    /// The target of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name == name)
    }

    /// Inputs as they are in the field, most from golden files; and every past finding.
    #[must_use]
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds = (self.seeds)();
        assert!(!seeds.is_empty(), "{} has seeds", self.name);
        seeds.extend(self.findings());
        seeds
    }

    /// What was found with this target, and mended.
    #[must_use]
    pub fn findings(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
        files(&folder.join(self.name), &mut found);
        found.iter().map(|path| contents(path)).collect()
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
    found.sort();
}

/// The octets of a file, which hex files spell out.
fn contents(path: &Path) -> Vec<u8> {
    let whole = fs::read(path).expect("the file can be read");
    if path.extension().is_some_and(|extension| extension == "hex") {
        octets(str::from_utf8(&whole).expect("hex is text"))
    } else {
        whole
    }
}

fn octets(text: &str) -> Vec<u8> {
    let lines = text.lines().flat_map(|line| line.split('#').next());
    let octets = lines.flat_map(str::split_whitespace);
    octets
        .map(|octet| u8::from_str_radix(octet, 16).expect("it is hex"))
        .collect()
}

/// The files in folders of the crates.
fn golden(folders: &[&str]) -> Vec<Vec<u8>> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut found = Vec::new();
    for folder in folders {
        let before = found.len();
        files(&crates.join(folder), &mut found);
        assert!(found.len() > before, "{folder} has files");
    }
    found.iter().map(|path| contents(path)).collect()
}

fn markup() -> Vec<Vec<u8>> {
    golden(&[
        "omadm-markup/tests/golden",
        "omadm-syncml/tests/golden",
        "omadm-objects/tests/golden",
    ])
}

fn sessions() -> Vec<Vec<u8>> {
    golden(&[
        "omadm-syncml/tests/golden",
        "omadm-testkit/tests/golden",
        "omadm-client/tests/golden",
    ])
}

fn documents() -> Vec<Vec<u8>> {
    golden(&[
        "omadm-mo/tests/golden",
        "omadm-objects/ddf",
        "virmo-nodes/ddf",
    ])
}

fn bootstraps() -> Vec<Vec<u8>> {
    golden(&["omadm-mo/tests/golden"])
}

fn descriptors() -> Vec<Vec<u8>> {
    golden(&["omadm-download/tests/golden"])
}

/// A notification, bare, in a WAP push, and in one with a port header.
fn notifications() -> Vec<Vec<u8>> {
    let bare = octets(
        "cf 2f 6a d2 34 93 ac c1 bf 14 f1 84 ff ec e0 14 02 d0 00 00 00 12 34 12
         63 6f 6d 2e 6d 67 6d 74 73 72 76 2e 6d 61 6e 61 67 65",
    );
    let push = [b"\x01\x06\x03\xC4\xAF\x87", bare.as_slice()].concat();
    let sms = [b"\x06\x05\x04\x0B\x84\xC0\x02", push.as_slice()].concat();
    vec![bare, push, sms]
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<Vec<u8>> {
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn addresses() -> Vec<Vec<u8>> {
    texts([
        ".",
        "./VirMO/a/Operations/Create",
        "VMImgMO/c%20d/DownloadURI",
        "./DMAcc/x/AppAuth/%C3%A9?prop=ACL",
        "./DevDetail?list=StructData",
        "./VirMO?list=TNDS+ACL+Format+Name+Title+TStamp+Type+VerNo+Value",
        "./a?list=TNDS-ACL",
        "./A.b/~!*'():@&=+$,%2E",
    ])
}

fn acls() -> Vec<Vec<u8>> {
    texts([
        "",
        "Add=*&Get=*",
        "Add=a+b&Delete=a&Exec=b&Get=*&Replace=com.example+org.example",
        "Copy=*&Get=a*b",
    ])
}

fn parameters() -> Vec<Vec<u8>> {
    texts([
        "ImgID=img-1&Running=true",
        "ImgID=a%3Db%26c%25d&Running=false&x-vendor=1%202",
        "RAM=268435456&Storage=1073741824&CPU=10&Network=10",
        "CPU=10&RAM=268435456&Storage=1073741824&Network=5&x-gpu=1",
        "RAM=4294967296&Storage=34359738368",
    ])
}

/// What QEMU says: the greeting, then an answer to each command.
fn answers() -> Vec<Vec<u8>> {
    let greeting = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}}, \"capabilities\": [\"oob\"]}}\n";
    let done = "{\"return\": {}, \"id\": 1}\n";
    let answers = [
        "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}\n",
        "{\"return\": {\"status\": \"running\", \"running\": true}, \"id\": 2}\n",
        "{\"return\": {\"status\": \"completed\"}, \"id\": 3}\n",
        "{\"return\": {\"UUID\": \"550e8400-e29b-41d4-a716-446655440000\"}, \"id\": 4}\n",
        "{\"return\": [{\"cpu-index\": 0, \"thread-id\": 25627}], \"id\": 5}\n",
        "{\"id\": 6, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n",
        "{\"return\": {}, \"id\": 7}\n",
    ];
    let whole = [greeting, done, &answers.concat()].concat();
    texts([greeting, &whole])
}

/// Each procedure on a device to which all goes well.
fn successes() -> Vec<Vec<u8>> {
    let answers = [0, 8, 0, 1, 0, 12, 0, 2, 0x90, 2, 0];
    let successes = (0..5).map(|which| [&[which], answers.repeat(8).as_slice()].concat());
    successes.collect()
}

/// Metadata of libvirt's, and records of each version and shape.
fn metadata() -> Vec<Vec<u8>> {
    let record = |version: u32, rest: &str| {
        format!(
            r#"{{"version":{version},"owner":"virmo","description":"a","config":"RAM=1&Storage=2&CPU=3&Network=4","prepared":null,{rest}}}"#
        )
    };
    let own = r#""place":"p","uuid":"u","disk":7,"pending":"power_on","running":true"#;
    let own = [own, &format!(r#""own":{{{own}}}"#)];
    let [old, moved, present] =
        [(1, own[0]), (1, own[1]), (2, own[1])].map(|it| record(it.0, it.1));
    let inside = format!(
        "<virmo:record>{}</virmo:record>",
        present.replace('&', "&amp;")
    );
    texts([
        &old,
        &moved,
        &present,
        &inside,
        r#"{"version":3,"owner":"virmo"}"#,
        r#"{"owner":"others"}"#,
        "<virmo:record xmlns:virmo=\"urn:virmo:libvirt\">{&quot;id&quot;:&quot;vm-1&quot;}</virmo:record>",
        "<record>&#x41;&#66;&lt;&gt;&amp;&apos;</record>",
        "plain\ttext \u{1}\u{fffe}",
    ])
}

/// Lives of VMs, step by step and with jobs in any order.
fn operations() -> Vec<Vec<u8>> {
    let provision: &[u8] = &[10, 0, 0, 12, 0, 0, 6, 0, 0];
    let life: &[u8] = &[0, 0, 0, 2, 0, 0, 3, 0, 0, 5, 0, 0, 4, 0, 0, 1, 0, 0];
    let troubled: Vec<u8> = life
        .chunks(3)
        .zip((128..).step_by(17))
        .flat_map(|(step, wrong)| [step[0], step[1], wrong])
        .collect();
    let images: &[u8] = &[14, 0, 0, 10, 0, 0, 12, 0, 200, 15, 0, 0, 9, 0, 0];
    let begun: &[u8] = &[0, 0, 0, 9, 0, 0, 17, 0, 0, 2, 0, 0, 0, 1, 0, 28, 0, 0];
    let ended: &[u8] = &[25, 1, 0, 9, 1, 0, 17, 1, 0, 8, 0, 0, 31, 0, 0, 9, 0, 0];
    vec![
        [&[0], provision, life, images].concat(),
        [&[0], provision, &troubled, images].concat(),
        [&[1], begun, ended].concat(),
        [&[1], begun, &[6, 1, 0, 27, 0, 0, 7, 1, 0], ended].concat(),
    ]
}
