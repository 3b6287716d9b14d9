//! Messages and errors as files.
//!
//! `golden/messages/NAME.xml` is what comes in, `NAME.json` what it means, `NAME.out` how it is
//! sent on in XML and `NAME.hex` in WBXML. `golden/errors/NAME.xml` is refused as
//! `golden/errors.txt` says, and the same document in WBXML as `golden/errors-wbxml.txt` says. With
//! `UPDATE_GOLDEN` in the environment the expectations are written instead; look at the difference.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use omadm_markup::{Reader, Writer};
use omadm_syncml::{DecodeErrorKind as Kind, Encoding, Limits, Message, decode, encode};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn documents(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(golden().join(folder)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "xml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn check(path: &Path, found: &str) {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

/// An XML document in WBXML; `None` if it is no document.
fn wbxml(xml: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut reader = Reader::new(xml, Encoding::Xml, &Default::default()).ok()?;
    let mut writer = Writer::new(Encoding::Wbxml, &mut out).unwrap();
    while let Some(event) = reader.next_event().ok()? {
        writer.event(&event).unwrap();
    }
    writer.finish().unwrap();
    Some(out)
}

/// Octets, sixteen a line.
fn hex(octets: &[u8]) -> String {
    let line = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let lines: Vec<String> = octets
        .chunks(16)
        .map(|octets| {
            let words: Vec<String> = line(octets);
            words.join(" ") + "\n"
        })
        .collect();
    lines.concat()
}

#[test]
fn messages_mean_what_they_say() {
    for path in documents("messages") {
        let xml = fs::read(&path).unwrap();
        let message = decode(&xml, Encoding::Xml, &Limits::default()).unwrap();
        let json = serde_json::to_string_pretty(&message).unwrap() + "\n";
        check(&path.with_extension("json"), &json);
        assert_eq!(serde_json::from_str::<Message<'_>>(&json).unwrap(), message);
        let mut out = Vec::new();
        encode(&message, Encoding::Xml, &mut out).unwrap();
        assert_eq!(
            decode(&out, Encoding::Xml, &Limits::default()).unwrap(),
            message
        );
        out.push(b'\n');
        check(
            &path.with_extension("out"),
            &String::from_utf8(out).unwrap(),
        );
        let wbxml = wbxml(&xml).unwrap();
        let found = decode(&wbxml, Encoding::Wbxml, &Limits::default()).unwrap();
        assert_eq!(found, message, "{} in WBXML", path.display());
        let mut out = Vec::new();
        encode(&message, Encoding::Wbxml, &mut out).unwrap();
        let found = decode(&out, Encoding::Wbxml, &Limits::default()).unwrap();
        assert_eq!(found, message, "{} in WBXML", path.display());
        check(&path.with_extension("hex"), &hex(&out));
    }
}

#[test]
fn errors_have_a_kind_and_an_offset() {
    let mut lines = Vec::new();
    let mut in_wbxml = Vec::new();
    for path in documents("errors") {
        let xml = fs::read(&path).unwrap();
        let error = decode(&xml, Encoding::Xml, &Limits::default()).unwrap_err();
        let name = path.file_stem().unwrap().to_string_lossy();
        let rest = String::from_utf8_lossy(&xml[error.offset..]);
        let place: String = rest.chars().take(12).collect();
        lines.push(format!("{name}: {error}: {}\n", place.escape_debug()));
        // What is wrong with a document of XML alone cannot be said in WBXML.
        let Some(wbxml) = wbxml(&xml) else { continue };
        let again = decode(&wbxml, Encoding::Wbxml, &Limits::default()).unwrap_err();
        assert_eq!(again.kind, error.kind, "{name}");
        let (_, rest) = wbxml.split_at(again.offset);
        let place = hex(rest.get(..8).unwrap_or(rest));
        in_wbxml.push(format!("{name}: {again}: {place}"));
    }
    check(&golden().join("errors.txt"), &lines.concat());
    check(&golden().join("errors-wbxml.txt"), &in_wbxml.concat());
    assert!(in_wbxml.len() > 20, "{in_wbxml:?}");
}

#[test]
fn limits_hold_to_the_last_unit() {
    let xml = fs::read(golden().join("messages/package-4.xml")).unwrap();
    let places = ["<Add>", "<Item>", "<Sequence>"].map(|it| {
        let text = str::from_utf8(&xml).unwrap();
        text.rfind(it).unwrap()
    });
    limits_hold(&xml, Encoding::Xml, places);
    let wbxml = wbxml(&xml).unwrap();
    // Each with its first child, CmdID or Target.
    let places = [[0x45, 0x4B], [0x54, 0x6E], [0x64, 0x4B]];
    let places = places.map(|it| wbxml.windows(2).rposition(|found| found == it).unwrap());
    limits_hold(&wbxml, Encoding::Wbxml, places);
}

fn limits_hold(document: &[u8], encoding: Encoding, places: [usize; 3]) {
    let [last_add, last_item, last_sequence] = places;
    let result = |limits: &Limits| decode(document, encoding, limits).map(|_| ());
    let refused = |limits: &Limits, kind: Kind, at: usize| {
        let error = result(limits).unwrap_err();
        assert_eq!((error.kind, error.offset), (kind, at), "{encoding}");
    };
    let mut limits = Limits::default();
    limits.max_commands = 11;
    limits.max_items = 9;
    limits.max_nesting = 2;
    assert_eq!(result(&limits), Ok(()));
    limits.max_commands -= 1;
    refused(&limits, Kind::TooManyCommands, last_add);
    limits.max_commands += 1;
    limits.max_items -= 1;
    refused(&limits, Kind::TooManyItems, last_item);
    limits.max_items += 1;
    limits.max_nesting -= 1;
    refused(&limits, Kind::NestedTooDeep, last_sequence);
    limits = Limits::default();
    limits.markup.max_bytes = document.len() - 1;
    let error = result(&limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("document too large at byte {}", document.len() - 1)
    );
}

#[test]
fn a_doctype_passes_where_it_is_allowed() {
    let xml = fs::read(golden().join("errors/doctype.xml")).unwrap();
    let mut limits = Limits::default();
    limits.markup.allow_doctype = true;
    assert!(decode(&xml, Encoding::Xml, &limits).is_ok());
}

#[test]
fn most_of_a_message_is_borrowed() {
    let xml = fs::read_to_string(golden().join("messages/package-2.xml")).unwrap();
    let message = decode(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
    let within = |text: &str| xml.as_bytes().as_ptr_range().contains(&text.as_ptr());
    assert!(within(&message.header.session_id));
    assert!(within(
        &message.commands[3].items()[1].target.as_ref().unwrap().uri
    ));
}
