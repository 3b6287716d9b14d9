//! What is no message is refused with a kind and an offset, or is another message; nothing panics,
//! and whatever is too much ends at a limit.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::{fs, path::Path};

use omadm_markup::{ReadErrorKind, Reader, Writer};
use omadm_syncml::{DecodeErrorKind as Kind, Encoding, Limits, decode, encode};
use proptest::prelude::*;

const HEADER: &str = "<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
     <SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>t</LocURI></Target>\
     <Source><LocURI>s</LocURI></Source></SyncHdr>";

/// The golden messages in both encodings.
fn samples() -> Vec<(Encoding, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/messages");
    let mut samples = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().unwrap().to_str().unwrap() {
            "xml" => {
                let xml = fs::read(&path).unwrap();
                samples.push((Encoding::Xml, xml.trim_ascii_end().to_vec()));
            }
            "hex" => {
                let text = fs::read_to_string(&path).unwrap();
                let octets = text.split_whitespace();
                let octets = octets.map(|octet| u8::from_str_radix(octet, 16).unwrap());
                samples.push((Encoding::Wbxml, octets.collect()));
            }
            _ => {}
        }
    }
    assert!(samples.len() >= 10);
    samples
}

/// Decodes; what is a message can be sent on, and an error is inside the document.
fn check(document: &[u8], encoding: Encoding) {
    match decode(document, encoding, &Limits::lenient()) {
        Err(error) => assert!(error.offset <= document.len(), "{error}"),
        Ok(message) => {
            let mut out = Vec::new();
            // An element in the place of a command may have a name that cannot be sent.
            if encode(&message, encoding, &mut out).is_ok() {
                let again = decode(&out, encoding, &Limits::lenient());
                assert_eq!(again.as_ref(), Ok(&message));
            }
        }
    }
}

#[test]
fn words_come_without_the_white_space_around_them() {
    let uri = "http://dm.example/s?t=a b";
    let header = HEADER.replace(
        "<SessionID>",
        &format!("<RespURI>\n {uri}\t</RespURI><SessionID>"),
    );
    let header = header.replace("DM/1.2", " DM/1.2 ");
    let message = format!("<SyncML>{header}<SyncBody><Final/></SyncBody></SyncML>");
    let message = decode(message.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
    assert_eq!(message.header.resp_uri.as_deref(), Some(uri));
    assert_eq!(message.header.ver_proto, "DM/1.2");
}

/// It is a document whatever stands around it that says nothing.
#[test]
fn switches_of_pages_around_an_embedded_document_are_no_content() {
    const OPAQUE: u8 = 0xC3;
    let mut found = 0;
    for (_, message) in samples().iter().filter(|it| it.0 == Encoding::Wbxml) {
        let name = b"-//OMA//DTD-DM-DDF 1.2//EN";
        let Some(at) = message.windows(name.len()).position(|it| it == name) else {
            continue;
        };
        // Version, public identifier 0, its place, charset, length of the string table.
        let start = at - 5;
        let opaque = message[..start].iter().rposition(|it| *it == OPAQUE);
        let opaque = opaque.unwrap();
        let len = message[opaque + 1..start].iter();
        let len = len.fold(0, |len, it| len << 7 | usize::from(it & 0x7F));
        let mut around = message.clone();
        around.splice(start + len..start + len, [0, 0]);
        around.splice(opaque..opaque, [0, 0x53]);
        let read = |message| decode(message, Encoding::Wbxml, &Limits::default());
        assert_eq!(read(&around).unwrap(), read(message).unwrap());
        check(&around, Encoding::Wbxml);
        found += 1;
    }
    assert!(found > 0);
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    for (encoding, document) in samples() {
        decode(&document, encoding, &Limits::lenient()).unwrap();
        for len in 0..document.len() {
            let error = decode(&document[..len], encoding, &Limits::lenient()).unwrap_err();
            assert!(error.offset <= len, "{encoding} cut at {len}: {error}");
        }
    }
}

#[test]
fn a_message_with_any_byte_changed_is_refused_or_another() {
    for (encoding, mut document) in samples() {
        for at in 0..document.len() {
            let before = document[at];
            let bits = (0..8).map(|bit| before ^ 1 << bit);
            let tokens: Vec<u8> = match encoding {
                Encoding::Wbxml => bits.chain([0, 1, 3, 0x83, 0xC3]).collect(),
                Encoding::Xml => b"<>&/\" x\xFF<>"[at % 8..][..3].to_vec(),
            };
            for byte in tokens {
                document[at] = byte;
                check(&document, encoding);
            }
            document[at] = before;
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_a_message(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        encoding in prop::sample::select(Encoding::ALL.to_vec()),
    ) {
        check(&bytes, encoding);
    }

    #[test]
    fn so_are_bytes_behind_a_header(
        body in prop::collection::vec(prop_oneof![
            3 => prop::sample::select(vec![0, 1, 3, 0x45, 0x46, 0x48, 0x4B, 0x4F, 0x54, 0x5A, 0x60, 0x64, 0xC3]),
            1 => any::<u8>(),
        ], 0..200),
    ) {
        let mut document = to_wbxml(&message(""));
        // Behind the start of the body.
        let end = document.len() - 1;
        document.truncate(end);
        *document.last_mut().unwrap() = 0x6B;
        document.extend(body);
        check(&document, Encoding::Wbxml);
    }
}

fn message(commands: &str) -> String {
    format!("<SyncML xmlns='SYNCML:SYNCML1.2'>{HEADER}<SyncBody>{commands}</SyncBody></SyncML>")
}

fn to_wbxml(xml: &str) -> Vec<u8> {
    let mut limits = omadm_markup::Limits::default();
    limits.max_depth = usize::MAX;
    limits.max_elements = usize::MAX;
    let mut out = Vec::new();
    let mut reader = Reader::new(xml.as_bytes(), Encoding::Xml, &limits).unwrap();
    let mut writer = Writer::new(Encoding::Wbxml, &mut out).unwrap();
    while let Some(event) = reader.next_event().unwrap() {
        writer.event(&event).unwrap();
    }
    writer.finish().unwrap();
    out
}

/// The same message in both encodings ends at the same limit.
#[test]
fn too_much_of_anything_ends_at_a_limit() {
    let nested = |element: &str, times: usize| {
        format!("<{element}>").repeat(times) + &format!("</{element}>").repeat(times)
    };
    let item = "<Item><Data>x</Data></Item>";
    let cases = [
        (
            "deep elements",
            nested("Add", 10_000),
            Kind::Markup(ReadErrorKind::TooDeep),
        ),
        ("deep groups", nested("Sequence", 30), Kind::NestedTooDeep),
        (
            "deep foreign elements",
            nested("x", 63),
            Kind::Markup(ReadErrorKind::TooDeep),
        ),
        ("commands", "<Get/>".repeat(101), Kind::TooManyCommands),
        (
            "commands in groups",
            format!("<Sequence>{}</Sequence>", "<Get/>".repeat(100)),
            Kind::TooManyCommands,
        ),
        (
            "items",
            format!("<Add>{}</Add>", item.repeat(1001)),
            Kind::TooManyItems,
        ),
        (
            "elements",
            format!("<Add><Meta>{}</Meta></Add>", "<EMI/>".repeat(5000)),
            Kind::Markup(ReadErrorKind::TooManyElements),
        ),
    ];
    let mut limits = Limits::default();
    limits.max_commands = 100;
    limits.max_items = 1000;
    limits.markup.max_elements = 5000;
    for (name, commands, kind) in cases {
        let xml = message(&commands);
        let error = decode(xml.as_bytes(), Encoding::Xml, &limits).unwrap_err();
        assert_eq!(error.kind, kind, "{name}");
        let wbxml = to_wbxml(&xml);
        let error = decode(&wbxml, Encoding::Wbxml, &limits).unwrap_err();
        assert_eq!(error.kind, kind, "{name} in WBXML");
    }
}

/// A name of a namespace, said once and meant again and again, and what is copied with each
/// fragment.
#[test]
fn namespaces_are_no_bomb() {
    let uri = "u".repeat(100_000);
    let kind = Kind::Markup(ReadErrorKind::TooMuchReferred);
    let cases = [
        format!("<Add>{}</Add>", "<p:a/>".repeat(1000)),
        format!("<Add>{}</Add>", "<a p:a='' q:a=''/>".repeat(1000)),
        format!(
            "<Add>{}</Add>",
            "<Item><Data><Get/></Data></Item>".repeat(1000)
        ),
    ];
    for commands in cases {
        let xml = message(&commands).replacen(
            "<SyncBody>",
            &format!("<SyncBody xmlns:p='{uri}' xmlns:q='{uri}v'>"),
            1,
        );
        let error = decode(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap_err();
        assert_eq!(error.kind, kind, "{commands:.40}");
    }
    // In WBXML a prefix is declared by an attribute, and the table may be the bomb.
    let declared = |body: &[u8], times: usize| {
        let mut document = to_wbxml(&message(""));
        let mut table = b"xmlns:p\0p:a\0".to_vec();
        table.extend(uri.bytes());
        table.push(0);
        // Version, public identifier, character encoding, and then the table.
        let header_end = document.len() - 1;
        let tail = document.split_off(5);
        document.truncate(4);
        assert!(table.len() < 1 << 21 && header_end > 5);
        for shift in [14, 7] {
            document.push(0x80 | (table.len() >> shift & 0x7F) as u8);
        }
        document.push((table.len() & 0x7F) as u8);
        document.extend(table);
        document.extend(&tail[..tail.len() - 2]);
        // SyncBody with the declaration, an Add, and what is repeated.
        document.extend([0xEB, 4, 0, 0x83, 12, 1, 0x45]);
        for _ in 0..times {
            document.extend(body);
        }
        document.extend([1, 1, 1]);
        document
    };
    for body in [
        &[0x04, 8][..],
        // An Item with Data with an element in it.
        &[0x54, 0x4F, 0x13, 1, 1],
        // An Item with Data with octets that begin like a device description.
        b"\x54\x4F\xC3\x29\x02\0\0\x6A\x1E-//OMA//DTD-DM-DDF 1.2//EN\0xx\0\x60\x83\0\x83\0\x01\x01\x01",
    ] {
        let document = declared(body, 1);
        decode(&document, Encoding::Wbxml, &Limits::default()).unwrap();
        let many = declared(body, 1000);
        let result = decode(&many, Encoding::Wbxml, &Limits::default());
        if body.get(2) == Some(&0xC3) {
            // These are short, and cost what they are.
            result.unwrap();
        } else {
            assert_eq!(result.unwrap_err().kind, kind, "{body:02X?}");
        }
    }
}

#[test]
fn integers_that_lie_are_refused() {
    let with = |data: &[u8]| {
        let mut document = to_wbxml(&message(""));
        document.truncate(document.len() - 2);
        document.extend([0x6B, 0x45, 0x54, 0x4F]);
        document.extend(data);
        document.extend([1, 1, 1, 1, 1]);
        decode(&document, Encoding::Wbxml, &Limits::default()).map(|_| ())
    };
    with(b"\xC3\x02ab").unwrap();
    // Longer than needed, but it says 2.
    with(b"\xC3\x80\x80\x80\x80\x02ab").unwrap();
    for (data, kind) in [
        (
            &b"\xC3\x80\x80\x80\x80\x80\x02ab"[..],
            ReadErrorKind::InvalidInteger,
        ),
        (b"\xC3\x90\x80\x80\x80\x00ab", ReadErrorKind::InvalidInteger),
        (
            b"\xC3\xFF\xFF\xFF\xFF\xFF\x7F",
            ReadErrorKind::InvalidInteger,
        ),
        (b"\xC3\x8F\xFF\xFF\xFF\x7F", ReadErrorKind::UnexpectedEnd),
        (b"\xC3\x40ab", ReadErrorKind::UnexpectedEnd),
        (
            b"\x83\x8F\xFF\xFF\xFF\x7F",
            ReadErrorKind::InvalidStringIndex,
        ),
        (b"\x02\x8F\xFF\xFF\xFF\x7F", ReadErrorKind::InvalidReference),
    ] {
        let error = with(data).unwrap_err();
        assert_eq!(error.kind, Kind::Markup(kind), "{data:02X?}");
    }
}
