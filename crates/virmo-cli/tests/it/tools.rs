//! `convert`, `ddf`, `params` and `tree`.

use std::{fs, path::Path, process::Output};

use serde_json::Value;

use crate::program::{Background, complaint, leaf, lines, virmo, virmo_with};

const MESSAGE: &str = r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>http://a/</LocURI></Target><Source><LocURI>b</LocURI></Source></SyncHdr><SyncBody><Get><CmdID>1</CmdID><Item><Target><LocURI>./x?prop=ACL</LocURI></Target></Item></Get><Final/></SyncBody></SyncML>"#;

fn convert(words: &[&str], input: &[u8]) -> Output {
    virmo_with(&[&["convert", "--to"], words].concat(), &[], input)
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn convert_goes_from_any_form_to_any() {
    let json = convert(&["json"], MESSAGE.as_bytes());
    let message: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(message["header"]["session_id"], "1", "{message}");
    let wbxml = convert(&["wbxml"], MESSAGE.as_bytes());
    for form in [&json.stdout, &wbxml.stdout, &MESSAGE.as_bytes().to_vec()] {
        assert_eq!(text(&convert(&["xml"], form)), MESSAGE);
        assert_eq!(convert(&["json"], form).stdout, json.stdout);
        assert_eq!(convert(&["wbxml"], form).stdout, wbxml.stdout);
    }
    let pretty = text(&convert(&["xml", "--pretty"], MESSAGE.as_bytes()));
    assert!(pretty.contains("\n      <CmdID>1</CmdID>\n"), "{pretty}");
}

#[test]
fn convert_says_where_a_message_is_wrong() {
    for (input, words) in [
        (&MESSAGE.as_bytes()[..200], "byte 200"),
        (b"<SyncML><a></SyncML>", "byte 8"),
        (b"", "nothing on standard input"),
        (b"\n", "byte 1"),
        (b"{", "line 1"),
        (b"\x02\x00", "byte"),
    ] {
        let output = convert(&["json"], input);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(complaint(&output).contains(words), "{output:?}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn ddf_prints_the_files_of_the_library() {
    let crates = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (object, file) in [
        ("virmo", "virmo-nodes/ddf/VirMO-V1_0.ddf"),
        ("vmimgmo", "virmo-nodes/ddf/VMImgMO-V1_0.ddf"),
        ("lawmo", "omadm-objects/ddf/LAWMO-V1_0.ddf"),
        ("dcmo", "omadm-objects/ddf/DCMO-V1_0.ddf"),
        ("fumo", "omadm-objects/ddf/FUMO-V1_0.ddf"),
        ("scomo", "omadm-objects/ddf/SCOMO-V1_0.ddf"),
    ] {
        let output = virmo(&["ddf", object]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(
            text(&output),
            fs::read_to_string(crates.join(file)).unwrap()
        );
    }
    for object in ["devinfo", "devdetail", "dmacc"] {
        let output = virmo(&["ddf", object]);
        let document = text(&output);
        assert!(document.contains("<MgmtTree>"), "{document}");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn params_print_as_json_or_say_at_which_byte_they_are_wrong() {
    for (kind, input, json) in [
        (
            "create",
            "ImgID=img-1",
            r#"{"ImgID":"img-1","Running":true,"vendor":{}}"#,
        ),
        (
            "create",
            "Running=false&ImgID=a&x=%26%25\n",
            r#"{"ImgID":"a","Running":false,"vendor":{"x":"&%"}}"#,
        ),
        (
            "resources",
            "RAM=1&Storage=2&CPU=3&Network=100\r\n",
            r#"{"RAM":1,"Storage":2,"CPU":3,"Network":100,"vendor":{}}"#,
        ),
        (
            "device",
            "RAM=4294967296&Storage=34359738368",
            r#"{"RAM":4294967296,"Storage":34359738368,"vendor":{}}"#,
        ),
    ] {
        let output = virmo_with(&["params", kind], &[], input.as_bytes());
        assert_eq!(lines(&output), [json], "{output:?}");
    }
    for (kind, input, byte) in [
        ("create", &b"ImgID=a&"[..], 8),
        ("create", b"ImgID=a&&x=1", 8),
        ("create", b"ImgID=a&ImgID=b", 8),
        ("create", b"ImgID=a&x=%2", 10),
        ("create", b"ImgID=a&Running=yes", 16),
        ("resources", b"RAM=1&Storage=2&CPU=101&Network=4", 20),
        ("resources", b"RAM=-1", 4),
        ("device", b"RAM=18446744073709551616&Storage=1", 4),
        ("create", b"ImgID=\xff", 6),
    ] {
        let output = virmo_with(&["params", kind], &[], input);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let complaint = complaint(&output);
        assert!(complaint.contains(&format!("byte {byte}")), "{output:?}");
        assert_eq!(lines(&output), [""; 0]);
    }
}

#[test]
fn tree_prints_what_a_device_holds() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let unused = virmo(&["tree", "--state", state]);
    assert_eq!(unused.status.code(), Some(1));
    assert!(complaint(&unused).contains("no device"), "{unused:?}");

    let plan = folder.path().join("plan.toml");
    let steps = "[[step]]\nadd = { uri = './VirMO/v' }\n\
                 [[step]]\nreplace = { uri = './VirMO/v/Description', value = \"two\\nlines\" }\n\
                 [[step]]\nadd = { uri = './DMAcc/virmo-server/AppAuth/1' }\n\
                 [[step]]\nadd = { uri = './DMAcc/virmo-server/AppAuth/1/AAuthSecret', value = 's3cret' }\n";
    fs::write(&plan, steps).unwrap();
    let words = ["--plan", plan.to_str().unwrap()];
    let (mut server, url) = Background::serve(&words);
    let words = ["device", "--server", &url, "--state", state, "--json"];
    let mut device = Background::start(&words);
    for _ in 0..4 {
        let step = server.wait_for(&[("event", "step".into())]);
        assert_eq!(step["ok"], true, "{step}");
    }
    device.wait_for(&[("event", "session".into())]);
    let busy = virmo(&["tree", "--state", state]);
    assert_eq!(busy.status.code(), Some(1));
    assert!(complaint(&busy).contains("a device runs on it"), "{busy:?}");
    device.kill();

    // To look needs no right to write (root has it all the same), and changes nothing, not even what a
    // killed process left.
    let journal = folder.path().join("device.redb");
    let mut access = fs::metadata(&journal).unwrap().permissions();
    access.set_readonly(true);
    fs::set_permissions(&journal, access).unwrap();
    let before = fs::read(&journal).unwrap();
    let whole = lines(&virmo(&["tree", "--state", state]));
    assert!(fs::read(&journal).unwrap() == before);
    assert_eq!(whole[0], ".");
    for line in [
        "./DevInfo/DevId = urn:virmo:device:1",
        "./DevDetail/LrgObj = true",
        "./VirMO/DeviceResources = RAM=4294967296&Storage=34359738368",
        "./VirMO/v/State = 0",
        "./VirMO/v/Description = two\\nlines",
        "./DMAcc/virmo-server/AppAuth/1/AAuthSecret = [redacted]",
    ] {
        assert!(whole.iter().any(|it| it == line), "{line}\n{whole:#?}");
    }
    let part = lines(&virmo(&["tree", "--state", state, "./VirMO/v"]));
    let below: Vec<_> = whole
        .iter()
        .filter(|it| it.starts_with("./VirMO/v"))
        .collect();
    assert_eq!(part.iter().collect::<Vec<_>>(), below);
    assert_eq!(leaf(state, "./VirMO/v/State").as_deref(), Some("0"));
    let missing = virmo(&["tree", "--state", state, "./VirMO/w"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(complaint(&missing).contains("./VirMO/w: there is no such node"));
    let wrong = virmo(&["tree", "--state", state, "./a//b"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}
