//! What the fuzz targets do with their bytes; each panics if something is wrong.
//!
//! `fuzz/smoke` runs them. A finding goes to `regressions/TARGET/`, where `cargo test` replays it.

mod bootstrap;
mod guest;
mod hosts;
mod operations;
mod procedures;
mod sessions;
mod targets;
mod words;

// Tests of other crates, and what those do not show to anyone.
#[expect(dead_code, reason = "more is needed there")]
#[path = "../../crates/virmo-client/tests/it/bench.rs"]
mod bench;
#[expect(dead_code, reason = "more is needed there")]
#[path = "../../crates/virmo-client/tests/it/device.rs"]
mod device;
#[allow(dead_code, reason = "more is needed there")]
#[path = "../../crates/virmo-libvirt/src/machine.rs"]
mod libvirt_machine;
#[allow(dead_code, reason = "more is needed there")]
#[path = "../../crates/virmo-libvirt/src/xml.rs"]
mod libvirt_xml;
#[allow(dead_code, reason = "more is needed there")]
#[path = "../../crates/virmo-qemu/src/qmp.rs"]
mod qmp;
#[path = "../../crates/virmo-client/tests/it/sequences.rs"]
mod sequences;

use omadm_download::Descriptor;
use omadm_markup::{
    Encoding, Event, Limits, Name, Namespace, ReadError, Reader, WriteError, Writer, syncml,
};
use omadm_mo::{ddf, provisioning, tnds};
use omadm_session::notification::{
    Resync, Unverified,
    push::{PortHeader, unwrap},
};
use omadm_syncml::EncodeError;
use omadm_tree::Uri;

pub use bootstrap::bootstrap;
pub use guest::{guest, guest_talk};
pub use hosts::{libvirt, qmp};
pub use operations::vm_operations;
pub use procedures::procedures;
pub use sessions::{device_session, server_session};
pub use targets::FuzzTarget;
pub use words::{acl, params, uri};

/// Reads an XML document. What can be read can be written and read again, for people too, and an
/// error is inside the document.
pub fn xml(data: &[u8]) {
    let mut limits = Limits::default();
    limits.allow_doctype = true;
    let events = match events(data, Encoding::Xml, &limits) {
        Ok(events) => events,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            return;
        }
    };
    // Declarations of prefixes are written on each attribute.
    limits.max_attributes *= 2;
    limits.max_bytes = usize::MAX;
    for pretty in [false, true] {
        let mut out = Vec::new();
        let mut writer = Writer::new(Encoding::Xml, &mut out).expect("XML is supported");
        if pretty {
            writer = writer.pretty();
        }
        for event in &events {
            writer.event(event).expect("what was read can be written");
        }
        writer.finish().expect("the document is whole");
        let again = self::events(&out, Encoding::Xml, &limits);
        assert_eq!(
            again.as_ref(),
            Ok(&events),
            "{}",
            String::from_utf8_lossy(&out)
        );
    }
}

/// Reads a WBXML document. What can be read can be written and read again, and an error is inside
/// the document. Octets and a text behind them are one, and may be an embedded document then, which
/// neither was; it is one from then on.
pub fn wbxml(data: &[u8]) {
    let events = match events(data, Encoding::Wbxml, &Limits::lenient()) {
        Ok(events) => events,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            return;
        }
    };
    let out = written(&events, Encoding::Wbxml).expect("what was read can be written");
    let again = self::events(&out, Encoding::Wbxml, &generous());
    if again.as_ref() == Ok(&events) {
        return;
    }
    let read = again.as_ref().map_or(&[][..], Vec::as_slice);
    let at = events.iter().zip(read).take_while(|(a, b)| a == b).count();
    let joined = matches!(events.get(at), Some(Event::Opaque(_)))
        && events.get(at - 1) == Some(&Event::Start(Name::Known(syncml::DATA)));
    assert!(joined, "{at}, {again:?}, {events:?}, {out:02X?}");
    let out = written(read, Encoding::Wbxml).expect("what was read can be written");
    assert_eq!(self::events(&out, Encoding::Wbxml, &generous()), again);
}

/// Reads a document, WBXML if it begins like it and XML otherwise, and takes it to the other
/// encoding: the events stay the same, but for octets that are text.
pub fn agreement(data: &[u8]) {
    let (from, to) = match data.first() {
        Some(0..=3) => (Encoding::Wbxml, Encoding::Xml),
        _ => (Encoding::Xml, Encoding::Wbxml),
    };
    let Ok(mut events) = events(data, from, &Limits::lenient()) else {
        return;
    };
    // Without a namespace the root of XML says what names mean.
    if let Some(Event::Start(Name::Other(Namespace::None, _))) = events.first() {
        return;
    }
    let out = match written(&events, to) {
        Ok(out) => out,
        Err(WriteError::InvalidCharacter | WriteError::NotText) if to == Encoding::Xml => return,
        Err(error) => panic!("{error}: {events:?}"),
    };
    for event in &mut events {
        if let Event::Opaque(octets) = event {
            let text = str::from_utf8(octets).expect("XML carried it");
            *event = Event::Text(text.to_owned().into());
        }
    }
    let again = self::events(&out, to, &generous());
    assert_eq!(again.as_ref(), Ok(&events), "{out:02X?}");
}

fn written(events: &[Event<'_>], encoding: Encoding) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    let mut writer = Writer::new(encoding, &mut out)?;
    for event in events {
        writer.event(event)?;
    }
    writer.finish()?;
    Ok(out)
}

/// Limits for what was written: declarations of namespaces are on each element and attribute, and
/// the other encoding may be longer.
fn generous() -> Limits {
    let mut limits = Limits::default();
    limits.max_attributes = limits.max_attributes * 2 + 1;
    limits.max_bytes = usize::MAX;
    limits
}

fn events<'a>(
    data: &'a [u8],
    encoding: Encoding,
    limits: &Limits,
) -> Result<Vec<Event<'a>>, ReadError> {
    let mut reader = Reader::new(data, encoding, limits)?;
    let mut events = Vec::new();
    while let Some(event) = reader.next_event()? {
        assert!(reader.offset() <= data.len());
        events.push(event);
    }
    Ok(events)
}

/// Reads a download descriptor. What can be read can be written and read again, and an error is
/// inside the document.
pub fn descriptor(data: &[u8]) {
    let Ok(base) = "http://images.example/a/entvm.dd".parse() else {
        return;
    };
    match Descriptor::parse(data, &base) {
        Ok(read) => assert_eq!(Descriptor::parse(&read.to_xml(), &base), Ok(read)),
        Err(error) => assert!(error.offset <= data.len(), "{error}"),
    }
}

/// Reads a notification as it is, in a WAP push, and in one with a port header. What can be read is
/// within limits, nobody signed it, and signed and read again it is the same; an error is inside.
pub fn notification(data: &[u8]) {
    let push = match PortHeader::split(data) {
        Ok((_, push)) => push,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            data
        }
    };
    let octets = match unwrap(push) {
        Ok(octets) => octets,
        Err(error) => {
            assert!(error.offset <= push.len(), "{error}");
            data
        }
    };
    let read = match Unverified::parse(octets) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.offset <= octets.len(), "{error}");
            return;
        }
    };
    let password = "password".into();
    assert_eq!(read.verify(&password, b"nonce", Resync::Allowed), None);
    let signed = read.claimed().sign(&password, b"nonce");
    let signed = signed.expect("what was read can be written");
    let again = Unverified::parse(&signed).expect("what was written can be read");
    assert_eq!(again.claimed(), read.claimed());
    assert!(again.verify(&password, b"nonce", Resync::Refused).is_some());
}

/// Reads a serialized tree, a device description and a provisioning document, WBXML if it begins like
/// it and XML otherwise. What can be read is within limits and comes back as it is after writing, and
/// an error is inside the document.
pub fn document(data: &[u8]) {
    let encoding = match data.first() {
        Some(0..=3) => Encoding::Wbxml,
        _ => Encoding::Xml,
    };
    let limits = tnds::Limits::default();
    let mut generous = limits.clone();
    generous.markup.max_bytes = usize::MAX;
    let mut out = Vec::new();
    match tnds::Document::decode(data, encoding, &limits) {
        Ok(tree) => {
            assert!(tree.nodes.len() <= limits.max_nodes);
            let target = Uri::parse("./a/b").expect("it is an address");
            let mut made: Vec<Uri> = Vec::new();
            for creation in tree.creations(&target).unwrap_or_default() {
                let late = made.iter().any(|uri| uri.starts_with(&creation.uri));
                assert!(!late, "{} after what is in it", creation.uri);
                made.push(creation.uri);
            }
            tree.encode(encoding, &mut out)
                .expect("what was read can be written");
            let again = tnds::Document::decode(&out, encoding, &generous);
            assert_eq!(again, Ok(tree), "{}", out.escape_ascii());
        }
        Err(error) => assert!(error.offset <= data.len(), "{error}"),
    }
    out.clear();
    match ddf::Document::decode(data, encoding, &limits) {
        Ok(description) => {
            drop(description.definitions());
            description
                .encode(encoding, &mut out)
                .expect("what was read can be written");
            let again = ddf::Document::decode(&out, encoding, &generous);
            assert_eq!(again, Ok(description), "{}", out.escape_ascii());
        }
        Err(error) => assert!(error.offset <= data.len(), "{error}"),
    }
    out.clear();
    match provisioning::Document::decode(data, encoding, &limits.markup) {
        Ok(document) => {
            drop(document.accounts());
            document
                .encode(encoding, &mut out)
                .expect("what was read can be written");
            let again = provisioning::Document::decode(&out, encoding, &generous.markup);
            assert_eq!(again, Ok(document), "{}", out.escape_ascii());
        }
        Err(error) => assert!(error.offset <= data.len(), "{error}"),
    }
}

/// Decodes a message, WBXML if it begins like it and XML otherwise. What can be decoded comes back as
/// it is after encoding, and an error is inside the message.
pub fn message(data: &[u8]) {
    let mut limits = omadm_syncml::Limits::default();
    let encoding = match data.first() {
        Some(0..=3) => Encoding::Wbxml,
        _ => Encoding::Xml,
    };
    let message = match omadm_syncml::decode(data, encoding, &limits) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            return;
        }
    };
    let mut out = Vec::new();
    match omadm_syncml::encode(&message, encoding, &mut out) {
        Ok(()) => {}
        // An element of a foreign namespace may have the name of a command.
        Err(EncodeError::CommandName) => return,
        Err(error) => panic!("{error}: {message:?}"),
    }
    limits.markup.max_attributes *= 2;
    limits.markup.max_bytes = usize::MAX;
    let again = omadm_syncml::decode(&out, encoding, &limits);
    assert_eq!(
        again.as_ref(),
        Ok(&message),
        "{}",
        String::from_utf8_lossy(&out)
    );
}
