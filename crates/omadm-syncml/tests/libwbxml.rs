//! Our WBXML read by libwbxml's tools, and theirs by us.
//!
//! The tools are `wbxml2xml` and `xml2wbxml` (Debian: libwbxml2-utils). Without them the test is
//! skipped, loudly, but fails if the environment has `CI=true`. docs/wbxml.md explains what differs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

use std::{
    env,
    io::{ErrorKind, Write},
    process::{Command as Process, Output, Stdio},
};

use omadm_core::{AlertCode, Format, StatusCode};
use omadm_markup::{Event, ReadErrorKind, Reader};
use omadm_syncml::{
    Alert, CmdId, CmdRef, Command, Data, Encoding, Exec, Fragment, Group, Header, Item, Limits,
    Message, Meta, NodeCommand, Results, Status, decode, encode,
};

const DOCTYPE: &str = r#"<!DOCTYPE SyncML PUBLIC "-//SYNCML//DTD SyncML 1.2//EN" "http://www.openmobilealliance.org/tech/DTD/OMA-TS-SyncML_RepPro_DTD-V1_2.dtd">"#;

fn tree() -> Fragment<'static> {
    let tree =
        b"<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD><Node><NodeName>A</NodeName>\
        <RTProperties><Format><chr/></Format><Type><MIME>text/plain</MIME></Type></RTProperties>\
        <Value>x &lt; y</Value></Node></MgmtTree>";
    let limits = omadm_markup::Limits::default();
    Fragment::parse(tree.as_slice(), Encoding::Xml, &limits).unwrap()
}

/// Items with everything DM carries in them.
fn items() -> Vec<(&'static str, Item<'static>)> {
    let item = || {
        Item::new()
            .with_target("./A/b?prop=Name")
            .with_source("./c")
    };
    let large = Meta::new().with_format(Format::Chr).with_size(70_000);
    let mut chunk = item().with_meta(large).with_data("x".repeat(5000));
    chunk.more_data = true;
    let trees = Meta::new()
        .with_format(Format::Bin)
        .with_type("application/vnd.syncml.dmtnds+wbxml");
    let b64 = Meta::new().with_format(Format::B64).with_type("image/png");
    vec![
        ("bare", Item::new().with_target("./A/b")),
        ("text", item().with_data("a word")),
        ("empty", item().with_data("")),
        ("markup", item().with_data("<a b=\"c\">&amp;</a>")),
        ("blanks", item().with_data("  two\n\tlines  ")),
        ("unicode", item().with_data("größe 日本 😀")),
        ("base64", item().with_meta(b64).with_data("AAEC/w==")),
        ("chunk", chunk),
        ("tree", item().with_meta(trees).with_data(tree())),
    ]
}

fn message(commands: Vec<Command<'static>>) -> Message<'static> {
    let mut message = Message::new(Header::new("1F", 3, "http://s/?a=1&b=2", "IMEI:1"));
    message.header.meta = Meta::new()
        .with_max_msg_size(5000)
        .with_max_obj_size(1 << 20);
    message.commands = commands;
    message.is_final = true;
    message
}

fn messages() -> Vec<(String, Message<'static>)> {
    let mut all = Vec::new();
    for (name, item) in items() {
        let id = CmdId::FIRST;
        let node = || NodeCommand::new([item.clone(), item.clone()]).with_cmd_id(id);
        let mut exec = Exec::new([item.clone()]);
        exec.cmd_id = Some(id);
        exec.correlator = Some("4711".into());
        let mut alert = Alert::new(AlertCode::GENERIC).with_cmd_id(id);
        alert.correlator = Some("a&b".into());
        alert.items = vec![item.clone()];
        let mut status = Status::new(1, CmdRef::Header, "SyncHdr", StatusCode::OK);
        status.cmd_id = Some(id);
        status.target_refs = ["./A", "./B"].into_iter().collect();
        status.items = vec![item.clone()];
        let mut results = Results::new(1, id, [item.clone()]);
        results.cmd_id = Some(id);
        results.source_ref = Some("./A".into());
        let group = |commands| {
            let mut group = Group::default();
            group.cmd_id = Some(id);
            group.commands = commands;
            group
        };
        let commands = [
            ("add", Command::Add(node())),
            ("exec", Command::Exec(exec)),
            ("alert", Command::Alert(alert)),
            ("status", Command::Status(status)),
            ("results", Command::Results(results)),
            (
                "groups",
                Command::Sequence(group(vec![
                    Command::Atomic(group(vec![Command::Replace(node())])),
                    Command::Get(node()),
                    Command::Delete(node()),
                    Command::Copy(node()),
                ])),
            ),
        ];
        for (kind, command) in commands {
            all.push((format!("{kind} {name}"), message(vec![command])));
        }
    }
    assert!(all.len() >= 40);
    all
}

/// Runs a tool from its standard input to its standard output; `None` if it is not there.
fn run(tool: &str, args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let output = output(tool, args, input)?;
    assert!(output.status.success(), "{output:?}");
    Some(output.stdout)
}

fn output(tool: &str, args: &[&str], input: &[u8]) -> Option<Output> {
    let mut command = Process::new(tool);
    command.args(args).args(["-o", "-", "-"]);
    let pipes = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match pipes.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            assert!(
                env::var("CI").as_deref() != Ok("true"),
                "{tool} is missing: install libwbxml2-utils"
            );
            eprintln!("SKIPPED: {tool} is missing (Debian: libwbxml2-utils)");
            return None;
        }
        child => child.unwrap(),
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    Some(child.wait_with_output().unwrap())
}

fn encoded(message: &Message<'_>, encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, encoding, &mut out).unwrap();
    out
}

/// A message as XML, without what libwbxml changes: line ends, and the encoding that the type of a
/// tree names.
fn canonical(message: &Message<'_>) -> String {
    let xml = String::from_utf8(encoded(message, Encoding::Xml)).unwrap();
    xml.replace("&#13;", "")
        .replace("dmtnds+wbxml", "dmtnds+xml")
}

#[test]
fn libwbxml_reads_what_we_write() {
    for (name, message) in messages() {
        let wbxml = encoded(&message, Encoding::Wbxml);
        let Some(xml) = run("wbxml2xml", &["-m", "0", "-k"], &wbxml) else {
            return;
        };
        let found = decode(&xml, Encoding::Xml, &Limits::lenient());
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(canonical(&found), canonical(&message), "{name}");
    }
}

#[test]
fn we_read_what_libwbxml_writes() {
    for (name, message) in messages() {
        let xml = String::from_utf8(encoded(&message, Encoding::Xml)).unwrap();
        let xml = xml.replace("dmtnds+wbxml", "dmtnds+xml");
        for options in [&["-k", "-n", "-v", "1.2"][..], &["-k"]] {
            let document = format!("{DOCTYPE}{xml}");
            let Some(wbxml) = run("xml2wbxml", options, document.as_bytes()) else {
                return;
            };
            let found = decode(&wbxml, Encoding::Wbxml, &Limits::default());
            let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(canonical(&found), canonical(&message), "{name} {options:?}");
        }
    }
}

/// libwbxml writes octets into XML as they are, which is no XML; we refuse to.
#[test]
fn octets_are_where_they_were() {
    let octets = [0, b'<', 0xFF];
    let meta = Meta::new().with_format(Format::Bin);
    let item = Item::new()
        .with_target("./A")
        .with_meta(meta)
        .with_data(Data::from(octets.to_vec()));
    let command = NodeCommand::new([item]).with_cmd_id(CmdId::FIRST);
    let message = message(vec![Command::Add(command)]);
    assert!(encode(&message, Encoding::Xml, &mut Vec::new()).is_err());
    let wbxml = encoded(&message, Encoding::Wbxml);
    if let Some(xml) = run("wbxml2xml", &["-m", "0", "-k"], &wbxml) {
        let expected = [b"<Data><![CDATA[".as_slice(), &octets, b"]]></Data>"].concat();
        assert!(xml.windows(expected.len()).any(|it| it == expected));
    }
}

/// libwbxml makes octets of CDATA sections, and we read them as what they are.
#[test]
fn octets_of_libwbxml_are_octets() {
    let inside = "a < b & c";
    let xml = String::from_utf8(encoded(&message(vec![]), Encoding::Xml)).unwrap();
    let add = format!(
        "<Add><CmdID>1</CmdID><Item><Target><LocURI>./A</LocURI></Target>\
         <Data><![CDATA[{inside}]]></Data></Item></Add><Final/>"
    );
    let document = format!("{DOCTYPE}{}", xml.replacen("<Final/>", &add, 1));
    let Some(wbxml) = run("xml2wbxml", &["-k", "-n"], document.as_bytes()) else {
        return;
    };
    let found = decode(&wbxml, Encoding::Wbxml, &Limits::default()).unwrap();
    let [Command::Add(add)] = &found.commands[..] else {
        panic!("{found:?}");
    };
    let data = add.items.first().unwrap().data.as_ref();
    assert_eq!(data, Some(&Data::Opaque(inside.as_bytes().into())));
}

/// The attributes of a provisioning document, `None` if a token is on no table.
fn attributes(document: &[u8], encoding: Encoding) -> Option<Vec<String>> {
    let mut limits = omadm_markup::Limits::default();
    limits.allow_doctype = true;
    let mut reader = Reader::new(document, encoding, &limits).unwrap();
    let mut found = Vec::new();
    loop {
        match reader.next_event() {
            Ok(Some(Event::Attribute(name, _))) if name.as_str() == "unknown" => return None,
            Ok(Some(Event::Attribute(name, value))) => found.push(format!("{name:?} {value}")),
            Ok(Some(_)) => {}
            Ok(None) => return Some(found),
            Err(error) if error.kind == ReadErrorKind::UnknownToken => return None,
            Err(error) => panic!("{error}: {document:02X?}"),
        }
    }
}

/// Every token of the two attribute pages of WAP provisioning means the same to libwbxml, or nothing
/// to both.
#[test]
fn provisioning_tokens_are_those_of_libwbxml() {
    let mut known = 0;
    for page in [0, 1] {
        // An attribute with the value x, and the attribute `value` with a token for its value.
        let starts = (0x05..=0x3F).chain(0x45..=0x7F);
        let starts = starts.map(|token| vec![token, 3, b'x', 0]);
        let values = (0x85..=0xBF).map(|token| vec![0x06, token]);
        for attribute in starts.chain(values) {
            let mut document = vec![3, 0x0B, 0x6A, 0, 0x45, 0x87, 0, page];
            document.extend(&attribute);
            document.extend([1, 1]);
            let ours = attributes(&document, Encoding::Wbxml);
            let Some(output) = output("wbxml2xml", &["-m", "0", "-k"], &document) else {
                return;
            };
            // A value it does not know is an error to it, an attribute it does not know is "unknown".
            let theirs = match output.status.success() {
                true => attributes(&output.stdout, Encoding::Xml),
                false => None,
            };
            known += usize::from(ours.is_some());
            // Not in its table: the token that page 0 has for this value.
            if (page, &attribute[..]) == (1, &[0x06, 0x85]) {
                assert_eq!((ours.is_some(), theirs), (true, None));
                continue;
            }
            assert_eq!(ours, theirs, "page {page}, {attribute:02X?}");
        }
    }
    assert!(known > 150, "{known}");
}
