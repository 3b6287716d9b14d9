//! What the host's programs say to a back end.

use std::{io::Write, net::Shutdown, os::unix::net::UnixStream, time::Duration};

use virmo_hypervisor::backend::Found as AnyFound;

use crate::{
    libvirt_machine::Found,
    libvirt_xml::{Xml, text_of},
    qmp::{Qmp, QmpError},
};

/// A QEMU that says what it likes and ends: whoever asks it gets an answer or an error, and never
/// waits.
pub fn qmp(data: &[u8]) {
    const PATIENCE: Duration = Duration::from_secs(60);
    let (ours, mut theirs) = UnixStream::pair().expect("there are sockets");
    theirs
        .set_nonblocking(true)
        .expect("a socket takes options");
    // What does not fit is not said.
    _ = theirs.write(data).is_ok();
    theirs.shutdown(Shutdown::Write).expect("it is open");
    let waited = |error: QmpError| assert!(!matches!(error, QmpError::Silent));
    let mut qmp = match Qmp::over(ours, PATIENCE) {
        Ok(qmp) => qmp,
        Err(error) => return waited(error),
    };
    for _ in 0..4 {
        qmp.status().map(drop).unwrap_or_else(waited);
        qmp.migration().map(drop).unwrap_or_else(waited);
        qmp.uuid().map(drop).unwrap_or_else(waited);
        qmp.cpu_threads().map(drop).unwrap_or_else(waited);
    }
}

/// What a record says of a machine is the same once it is written anew.
fn record(data: &[u8]) {
    if let Found::Machine(record) = Found::parse(data) {
        let written = record.to_json().expect("it is an object");
        assert_eq!(Found::parse(&written), AnyFound::Machine(record));
    }
}

/// The metadata libvirt has of a domain, and the record of a machine in it or in a file. Any text
/// comes back after writing, but for what XML cannot say; so does a record, of whatever version.
pub fn libvirt(data: &[u8]) {
    record(data);
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Some(text) = text_of(text) {
        record(text.as_bytes());
    }
    let mut xml = Xml::default();
    xml.text("record", &[("xmlns:virmo", &text)], text);
    let sayable = |character: char| match character {
        '\t' | '\n' | '\r' => character,
        '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    let said: String = text.chars().map(sayable).collect();
    assert_eq!(text_of(&xml.finish()), Some(said));
}
