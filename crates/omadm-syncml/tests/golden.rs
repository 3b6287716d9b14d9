//! Messages and errors as files.
//!
//! `golden/messages/NAME.xml` is what comes in, `NAME.json` what it means, `NAME.out` how it is
//! sent on. `golden/errors/NAME.xml` is refused as `golden/errors.txt` says. With `UPDATE_GOLDEN`
//! in the environment the expectations are written instead; look at the difference.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

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
    }
}

#[test]
fn errors_have_a_kind_and_an_offset() {
    let mut lines = Vec::new();
    for path in documents("errors") {
        let xml = fs::read(&path).unwrap();
        let error = decode(&xml, Encoding::Xml, &Limits::default()).unwrap_err();
        let name = path.file_stem().unwrap().to_string_lossy();
        let rest = String::from_utf8_lossy(&xml[error.offset..]);
        let place: String = rest.chars().take(12).collect();
        lines.push(format!("{name}: {error}: {}\n", place.escape_debug()));
    }
    check(&golden().join("errors.txt"), &lines.concat());
}

#[test]
fn limits_hold_to_the_last_unit() {
    let xml = fs::read(golden().join("messages/package-4.xml")).unwrap();
    let result = |limits: &Limits| decode(&xml, Encoding::Xml, limits).map(|_| ());
    let text = str::from_utf8(&xml).unwrap();
    let refused = |limits: &Limits, kind: Kind, last: &str| {
        let error = result(limits).unwrap_err();
        assert_eq!(
            (error.kind, error.offset),
            (kind, text.rfind(last).unwrap())
        );
    };
    let mut limits = Limits::default();
    limits.max_commands = 11;
    limits.max_items = 9;
    limits.max_nesting = 2;
    assert_eq!(result(&limits), Ok(()));
    limits.max_commands -= 1;
    refused(&limits, Kind::TooManyCommands, "<Add>");
    limits.max_commands += 1;
    limits.max_items -= 1;
    refused(&limits, Kind::TooManyItems, "<Item>");
    limits.max_items += 1;
    limits.max_nesting -= 1;
    refused(&limits, Kind::NestedTooDeep, "<Sequence>");
    limits = Limits::default();
    limits.markup.max_bytes = xml.len() - 1;
    let error = result(&limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("document too large at byte {}", xml.len() - 1)
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
