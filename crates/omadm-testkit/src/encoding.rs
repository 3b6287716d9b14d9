use std::{env, process::Command};

use omadm_markup::{Encoding, Limits, Reader, Writer};

/// The variable that says in which encoding a run of tests is.
const VARIABLE: &str = "TEST_ENCODING";

/// The encoding of this run of the tests: XML, or WBXML if `TEST_ENCODING=wbxml` is in the
/// environment.
///
/// [`Bench`](crate::Bench), [`Pair`](crate::Pair) and [`Script`](crate::Script) start out with it.
/// A suite whose messages all come from them, or from [`to_wire`], says nothing about an encoding and
/// proves both: each of its files has one test that calls [`again_over_wbxml`].
///
/// # Panics
///
/// If the variable holds anything else.
#[must_use]
pub fn encoding() -> Encoding {
    match env::var(VARIABLE).as_deref() {
        Err(_) | Ok("xml") => Encoding::Xml,
        Ok("wbxml") => Encoding::Wbxml,
        Ok(other) => panic!("{VARIABLE} is {other:?}: xml or wbxml"),
    }
}

/// One value or the other, by the [`encoding`] of this run: for sizes of messages, which are about a
/// third in WBXML.
#[must_use]
pub fn by_encoding<T>(xml: T, wbxml: T) -> T {
    match encoding() {
        Encoding::Xml => xml,
        Encoding::Wbxml => wbxml,
    }
}

/// Runs all tests of the calling test binary once more, over WBXML. Called from a test of its own,
/// once in each binary:
///
/// ```no_run
/// #[test]
/// fn all_of_this_over_wbxml_too() {
///     omadm_testkit::again_over_wbxml();
/// }
/// ```
///
/// `TEST_ENCODING=wbxml cargo test …` runs one of them alone.
///
/// # Panics
///
/// With what the tests said, if one of them failed.
pub fn again_over_wbxml() {
    if env::var_os(VARIABLE).is_some() {
        return;
    }
    let program = env::current_exe().expect("a test is a program");
    let run = Command::new(program).env(VARIABLE, "wbxml").output();
    let run = run.expect("the tests can be run again");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success(),
        "over WBXML:\n{said}\n{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let others = said
        .lines()
        .filter(|line| line.starts_with("test ") && line.ends_with("... ok"));
    assert!(others.count() > 1, "nothing was run:\n{said}");
}

/// A document that is written down as XML, in the encoding of this run. Text that is no document
/// stays as it is, to be one in neither.
#[must_use]
pub fn to_wire(xml: &str) -> Vec<u8> {
    match encoding() {
        Encoding::Xml => xml.as_bytes().to_vec(),
        Encoding::Wbxml => convert(xml.as_bytes(), Encoding::Xml, Encoding::Wbxml)
            .unwrap_or_else(|| xml.as_bytes().to_vec()),
    }
}

/// A document in the encoding of this run, as XML.
///
/// # Panics
///
/// If it is not a document, or holds octets that are not text.
#[must_use]
pub fn from_wire(body: &[u8]) -> String {
    let xml = match encoding() {
        Encoding::Xml => body.to_vec(),
        Encoding::Wbxml => convert(body, Encoding::Wbxml, Encoding::Xml).expect("it is a document"),
    };
    String::from_utf8(xml).expect("XML is text")
}

fn convert(document: &[u8], from: Encoding, to: Encoding) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut reader = Reader::new(document, from, &Limits::default()).ok()?;
    let mut writer = Writer::new(to, &mut out).ok()?;
    while let Some(event) = reader.next_event().ok()? {
        writer.event(&event).ok()?;
    }
    writer.finish().ok()?;
    Some(out)
}
