//! Both ends of the program over WBXML.

use std::fs;

use crate::program::{Background, events, virmo, virmo_with};

const PLAN: &str = r#"
[[step]]
add = { uri = "./VMImgMO/entvm", format = "node" }
[[step]]
add = { uri = "./VMImgMO/entvm/Name", value = "a <b> & c" }
[[step]]
get = "./VMImgMO/entvm/Name"
[[step]]
get = "./VMImgMO/none"
expect = 404
[[step]]
get = "./DevInfo/DevId"
"#;

#[test]
fn a_plan_runs_over_either_encoding_with_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    fs::write(&plan, PLAN).unwrap();
    let plan = plan.to_str().unwrap();
    let mut told = Vec::new();
    for words in [&[][..], &["--encoding", "wbxml"]] {
        for encoding in ["xml", "wbxml"] {
            let (server, url) = Background::serve(&[words, &["--plan", plan, "--once"]].concat());
            let device = virmo(&[
                "device",
                "--server",
                &url,
                "--once",
                "--json",
                "--encoding",
                encoding,
                "--wbxml-id",
                "text",
            ]);
            if encoding == "xml" && !words.is_empty() {
                // HTTP 415.
                assert_eq!(device.status.code(), Some(1), "{device:?}");
                let session = events(&device)
                    .into_iter()
                    .find(|it| it["event"] == "session");
                assert!(session.is_none_or(|it| it["result"] != "ok"), "{device:?}");
                server.kill();
                continue;
            }
            assert_eq!(device.status.code(), Some(0), "{device:?}");
            let (code, mut steps) = server.end();
            assert_eq!(code, Some(0), "{steps:?}");
            steps.retain(|event| event["event"] == "step");
            assert_eq!(steps.len(), 5, "{steps:?}");
            told.push(steps);
        }
    }
    let [xml, wbxml, only] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(xml, wbxml);
    assert_eq!(wbxml, only);
}

#[test]
fn convert_reads_what_it_writes() {
    let xml = r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncBody><Final/></SyncBody></SyncML>"#;
    let wbxml = virmo_with(&["convert", "--to", "wbxml"], &[], xml.as_bytes());
    assert_eq!(wbxml.stdout, [2, 0xA4, 1, 0x6A, 0, 0x6D, 0x6B, 0x12, 1, 1]);
    let back = virmo_with(&["convert", "--to", "xml"], &[], &wbxml.stdout);
    assert_eq!(String::from_utf8(back.stdout).unwrap(), xml);
    let words = ["--wbxml-version", "1.1", "--wbxml-id", "text"];
    let other = virmo_with(
        &[&["convert", "--to", "wbxml"], &words[..]].concat(),
        &[],
        xml.as_bytes(),
    );
    let header = b"\x01\0\0\x6A\x1E-//SYNCML//DTD SyncML 1.2//EN\0";
    assert_eq!(
        other.stdout,
        [&header[..], &[0x6D, 0x6B, 0x12, 1, 1]].concat()
    );
}
