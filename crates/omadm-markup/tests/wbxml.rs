//! WBXML documents as files, and what is refused.
//!
//! `golden/NAME.hex` means `golden/NAME.xml`. A file that begins with `read-` is read only, one with
//! `open-table-` or `nameless-` needs the option of that name; any other is also what is written.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

mod walks;

use std::{fs, path::Path};

use omadm_markup::{
    Content, Encoding, Event, Limits, Name, Namespace, PublicId, ReadError, ReadErrorKind as Kind,
    Reader, WbxmlOptions, WbxmlVersion, WriteError, Writer, metinf, syncml,
};
use walks::{WALKS, steps, without};

fn hex(text: &str) -> Vec<u8> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap());
    let octets = lines.flat_map(str::split_whitespace);
    octets
        .map(|octet| u8::from_str_radix(octet, 16).unwrap())
        .collect()
}

/// Name, document and the same as XML.
fn golden() -> Vec<(String, Vec<u8>, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "hex"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let xml = fs::read_to_string(path.with_extension("xml")).unwrap();
            (
                name,
                hex(&fs::read_to_string(&path).unwrap()),
                xml.trim_end().to_owned(),
            )
        })
        .collect();
    files.sort();
    assert!(files.len() >= 18);
    files
}

fn convert(
    document: &[u8],
    from: Encoding,
    to: Encoding,
    limits: &Limits,
) -> Result<Vec<u8>, ReadError> {
    let mut reader = Reader::new(document, from, limits)?;
    let mut out = Vec::new();
    let mut writer = Writer::new(to, &mut out).unwrap();
    while let Some(event) = reader.next_event()? {
        writer.event(&event).unwrap();
    }
    writer.finish().unwrap();
    Ok(out)
}

fn refused(document: &[u8], kind: Kind, offset: usize) {
    let error = convert(
        document,
        Encoding::Wbxml,
        Encoding::Wbxml,
        &Limits::default(),
    );
    assert_eq!(error, Err(ReadError { kind, offset }), "{document:02X?}");
}

#[test]
fn documents_mean_what_they_say() {
    for (name, document, xml) in golden() {
        let found = convert(
            &document,
            Encoding::Wbxml,
            Encoding::Xml,
            &Limits::lenient(),
        );
        assert_eq!(String::from_utf8(found.unwrap()).unwrap(), xml, "{name}");
        let strict = convert(
            &document,
            Encoding::Wbxml,
            Encoding::Xml,
            &Limits::default(),
        );
        let kind = match &name {
            name if name.starts_with("open-table-") => Some(Kind::UnterminatedString),
            name if name.starts_with("nameless-") => Some(Kind::InvalidStringIndex),
            _ => None,
        };
        assert_eq!(strict.err().map(|error| error.kind), kind, "{name}");
        if kind.is_none() && !name.starts_with("read-") {
            let written = convert(
                xml.as_bytes(),
                Encoding::Xml,
                Encoding::Wbxml,
                &Limits::default(),
            );
            assert_eq!(written.unwrap(), document, "{name}");
        }
    }
}

#[test]
fn each_tolerance_is_its_own() {
    let mut table = Limits::default();
    table.allow_open_table = true;
    let mut nameless = Limits::default();
    nameless.allow_nameless_attributes = true;
    for (name, document, _) in golden() {
        let read = |limits| convert(&document, Encoding::Wbxml, Encoding::Xml, limits).is_ok();
        assert_eq!(read(&table), !name.starts_with("nameless-"), "{name}");
        assert_eq!(read(&nameless), !name.starts_with("open-table-"), "{name}");
    }
}

/// Every cut and every change of one byte: an error inside, or a document that can be sent on.
#[test]
fn damage_is_refused_in_peace() {
    let mut known = Vec::new();
    for (name, whole, xml) in golden() {
        for len in 0..whole.len() {
            let cut = convert(
                &whole[..len],
                Encoding::Wbxml,
                Encoding::Wbxml,
                &Limits::lenient(),
            );
            let error = cut.unwrap_err();
            assert_eq!(
                (error.kind, error.offset),
                (Kind::UnexpectedEnd, len),
                "{name}"
            );
        }
        // Of documents that say the same the first part differs.
        let damaged = if known.contains(&xml) {
            whole.len().min(48)
        } else {
            whole.len()
        };
        known.push(xml);
        for at in 0..damaged {
            for byte in 0..=255 {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                check(&damaged);
            }
        }
    }
}

fn check(document: &[u8]) {
    let mut events = Vec::new();
    let result =
        Reader::new(document, Encoding::Wbxml, &Limits::lenient()).and_then(|mut reader| {
            while let Some(event) = reader.next_event()? {
                events.push(event);
            }
            Ok(())
        });
    match result {
        Err(error) => assert!(error.offset <= document.len(), "{error}"),
        Ok(()) => {
            let mut out = Vec::new();
            let mut writer = Writer::new(Encoding::Wbxml, &mut out).unwrap();
            for event in &events {
                writer.event(event).unwrap();
            }
            writer.finish().unwrap();
            let mut again = Vec::new();
            let mut limits = Limits::default();
            limits.max_attributes *= 2;
            let mut reader = Reader::new(&out, Encoding::Wbxml, &limits).unwrap();
            while let Some(event) = reader.next_event().unwrap() {
                again.push(event);
            }
            assert_eq!(again, events, "{document:02X?}");
        }
    }
}

#[test]
fn headers_are_checked() {
    refused(&[], Kind::UnexpectedEnd, 0);
    refused(&[0x12, 1, 0x6A, 0, 0x2D], Kind::UnsupportedVersion, 0);
    refused(&[2, 4, 0x6A, 0, 0x2D], Kind::UnknownPublicId, 1);
    refused(b"\x02\0\0\x6A\x02x\0\x2D", Kind::UnknownPublicId, 1);
    refused(b"\x02\0\x02\x6A\x02x\0\x2D", Kind::InvalidStringIndex, 1);
    refused(&[2, 1, 0x87, 0x77, 0, 0x2D], Kind::UnsupportedCharset, 2);
    refused(
        &[2, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
        Kind::InvalidInteger,
        1,
    );
    refused(
        &[2, 1, 0x6A, 0x8F, 0xFF, 0xFF, 0xFF, 0x7F, 0x2D],
        Kind::UnexpectedEnd,
        9,
    );
    refused(b"\x02\x01\x6A\x01x\x2D", Kind::UnterminatedString, 5);
}

/// A body behind the header of a SyncML document with `xmlns`, `a:b` and `1` in its table.
fn body_refused(body: &[u8], kind: Kind, offset: usize) {
    let mut document = b"\x02\xA4\x01\x6A\x0Cxmlns\0a:b\x001\0".to_vec();
    let start = document.len();
    document.extend(body);
    refused(&document, kind, start + offset);
}

#[test]
fn bodies_are_checked() {
    body_refused(&[], Kind::UnexpectedEnd, 0);
    body_refused(&[0x6D], Kind::UnexpectedEnd, 1);
    body_refused(&[0x2D, 0x2D], Kind::ContentOutsideRoot, 1);
    body_refused(&[0x2D, 3, b'x', 0], Kind::ContentOutsideRoot, 1);
    body_refused(&[0xC3, 1, 0, 0x2D], Kind::ContentOutsideRoot, 0);
    body_refused(&[1], Kind::MismatchedTag, 0);
    body_refused(&[0x2D, 1], Kind::MismatchedTag, 1);
    for extension in [0x40, 0x41, 0x42, 0x80, 0x81, 0x82, 0xC0, 0xC1, 0xC2] {
        body_refused(&[0x6D, extension, 1], Kind::InvalidToken, 1);
    }
    body_refused(&[0x6D, 3, b'x', 0xFF, 0, 1], Kind::NotUtf8, 3);
    body_refused(&[0x6D, 3, b'x'], Kind::UnexpectedEnd, 3);
    body_refused(&[0x6D, 0xC3, 5, 0, 1], Kind::UnexpectedEnd, 5);
    body_refused(
        &[0x6D, 0xC3, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
        Kind::InvalidInteger,
        2,
    );
    body_refused(&[0x6D, 0x83, 12, 1], Kind::InvalidStringIndex, 1);
    for entity in [&[2, 0][..], &[2, 1], &[2, 0x83, 0xB0, 0]] {
        body_refused(&[&[0x6D], entity, &[1]].concat(), Kind::InvalidReference, 1);
    }
    body_refused(&[0x44, 10, 1], Kind::InvalidName, 0);
    body_refused(&[0x44, 6, 1], Kind::UndeclaredPrefix, 0);
    body_refused(&[0xAD, 5, 1], Kind::UnknownToken, 1);
    body_refused(&[0xAD, 4, 6, 1], Kind::UndeclaredPrefix, 1);
    body_refused(&[0xAD, 3, b'x', 0, 1], Kind::InvalidToken, 1);
    body_refused(&[0xAD, 4, 0, 0x85, 1], Kind::UnknownToken, 3);
    body_refused(&[0x84, 0, 4, 0, 4, 0, 1], Kind::DuplicateAttribute, 4);
    for (uri, kind) in [
        (">", Kind::UnsupportedNamespace),
        ("http://www.w3.org/2000/xmlns/", Kind::UnsupportedNamespace),
        (
            "http://www.w3.org/XML/1998/namespace",
            Kind::InvalidAttribute,
        ),
    ] {
        let body = [&[0x84, 0, 4, 0, 3], uri.as_bytes(), &[0, 1]].concat();
        body_refused(&body, kind, 2);
    }
    body_refused(&[0x6D, 0x43, 1, 1], Kind::InvalidToken, 1);
    body_refused(
        &[0xAD, 4, 0, 0xC3, 2, b'a', 0, 1],
        Kind::InvalidCharacter,
        6,
    );
}

/// A processing instruction before a unit takes that off the short ways that most are read by.
#[test]
fn what_is_read_the_short_way_is_what_is_read_the_long_way() {
    const HEADER: [u8; 7] = [0x02, 0xA4, 0x01, 0x6A, 2, b'p', 0];
    const INSTRUCTION: [u8; 4] = [0x43, 0x04, 0, 0x01];
    let documents: [&[&[u8]]; 12] = [
        &[
            &[0x6D],
            &[0x6B],
            &[0x54],
            &[0x4F],
            b"\x03ab\0",
            &[1],
            &[1],
            &[1],
            &[1],
        ],
        &[&[0x6D], &[0x4F], b"\x03\0", &[1], &[0x0F], &[1]],
        &[
            &[0x6D],
            &[0, 1],
            &[0x47],
            b"\x03a\0",
            &[1],
            &[0, 0],
            &[0x0F],
            &[1],
        ],
        &[&[0x6D], &[0x4F], b"\x03a\0", b"\x03b\0", &[1], &[1]],
        &[
            &[0x6D],
            &[0x4F],
            b"\x03a\0",
            &[0x0F],
            b"\x03b\0",
            &[1],
            &[1],
        ],
        &[&[0x6D], &[0x4F], b"\x03a\0", &[0, 1], &[1], &[1]],
        &[&[0x6D], &[0x4F], b"\x03a\0", &[0xC3, 1, 2], &[1], &[1]],
        &[&[0x6D], &[0x4F], &[0xC3, 2, 1, 2], &[1], &[1]],
        &[&[0x6D], &[0x4F], b"\x03a\xFF\0", &[1], &[1]],
        &[&[0x6D], &[0x4F], &[1], &[1], &[1]],
        &[&[0x2D], b"\x03a\0", &[1]],
        &[
            &[0x6D],
            &[0x7F],
            b"\x03a\0",
            &[1],
            &[0x4F],
            &[0x83, 0],
            &[1],
            &[1],
        ],
    ];
    for (max_elements, max_depth, max_text) in [
        (9, 9, 9),
        (1, 9, 9),
        (2, 9, 9),
        (9, 1, 9),
        (9, 2, 9),
        (9, 9, 0),
        (9, 9, 1),
    ] {
        let mut limits = Limits::default();
        (limits.max_elements, limits.max_depth) = (max_elements, max_depth);
        limits.max_text = max_text;
        for units in documents {
            for len in 0..=units.len() {
                let (mut short, mut long) = (HEADER.to_vec(), HEADER.to_vec());
                let mut added = Vec::new();
                for unit in &units[..len] {
                    short.extend_from_slice(unit);
                    added.push(long.len());
                    long.extend_from_slice(&INSTRUCTION);
                    long.extend_from_slice(unit);
                }
                for step in WALKS {
                    let short = steps(&short, Encoding::Wbxml, &limits, step);
                    let long = steps(&long, Encoding::Wbxml, &limits, step);
                    let long = without(long, &added, INSTRUCTION.len());
                    assert_eq!(short, long, "{units:02X?} {len} {limits:?}");
                }
            }
        }
    }
}

#[test]
fn limits_hold_to_the_last_unit() {
    type Set = fn(&mut Limits, usize);
    let header = b"\x02\xA4\x01\x6A\x06xmlns\0";
    let cases: [(Set, usize, &[u8], Kind, usize); 7] = [
        (|l, n| l.max_bytes = n, 12, &[0x6D, 1], Kind::TooLarge, 1),
        (
            |l, n| l.max_depth = n,
            2,
            &[0x6D, 0x6B, 0x12, 1, 1],
            Kind::TooDeep,
            2,
        ),
        (
            |l, n| l.max_elements = n,
            2,
            &[0x6D, 0x2B, 0x2B, 1],
            Kind::TooManyElements,
            2,
        ),
        (
            |l, n| l.max_attributes = n,
            1,
            &[0x84, 0, 4, 0, 4, 0, 1],
            Kind::TooManyAttributes,
            4,
        ),
        (
            |l, n| l.max_text = n,
            2,
            &[0x6D, 3, b'a', b'b', 0, 2, 65, 1],
            Kind::TextTooLarge,
            1,
        ),
        (
            |l, n| l.max_text = n,
            2,
            &[0xAD, 4, 0, 3, b'a', b'b', b'c', 0, 1],
            Kind::TextTooLarge,
            3,
        ),
        (
            |l, n| l.max_text = n,
            2,
            &[0x6D, 0xC3, 3, 0, 0, 0, 1],
            Kind::TextTooLarge,
            1,
        ),
    ];
    for (set, limit, body, kind, offset) in cases {
        let document = [header, body].concat();
        let read = |limits: &Limits| {
            let mut reader = Reader::new(&document, Encoding::Wbxml, limits)?;
            while reader.next_event()?.is_some() {}
            Ok(())
        };
        let mut limits = Limits::default();
        set(&mut limits, limit);
        let offset = header.len() + offset;
        assert_eq!(read(&limits), Err(ReadError { kind, offset }), "{body:?}");
        set(&mut limits, limit + 1);
        assert!(
            read(&limits).is_ok() || kind == Kind::TooManyAttributes,
            "{body:?}"
        );
    }
}

/// A long string of the table, referred to again and again, comes to an end.
#[test]
fn strings_of_the_table_are_no_bomb() {
    let mut document = b"\x02\xA4\x01\x6A\x81\x80\x00".to_vec();
    document.extend([b'x'; (1 << 14) - 1]);
    document.push(0);
    document.push(0x6D);
    for _ in 0..1000 {
        document.extend([0x2B, 0x83, 0]);
    }
    document.push(1);
    let error = convert(
        &document,
        Encoding::Wbxml,
        Encoding::Wbxml,
        &Limits::default(),
    );
    assert_eq!(error.unwrap_err().kind, Kind::TooMuchReferred);
}

#[test]
fn nesting_costs_no_stack() {
    let mut document = vec![2, 0xA4, 1, 0x6A, 0];
    document.extend(vec![0x54; 500_000]);
    document.extend(vec![1; 500_000]);
    let mut limits = Limits::default();
    let too_deep = convert(&document, Encoding::Wbxml, Encoding::Wbxml, &limits);
    assert_eq!(too_deep.unwrap_err().kind, Kind::TooDeep);
    limits.max_depth = usize::MAX;
    let found = convert(&document, Encoding::Wbxml, Encoding::Wbxml, &limits);
    // The innermost is written without content.
    assert_eq!(found.unwrap().len(), document.len() - 1);
}

fn written(
    options: WbxmlOptions,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), WriteError>,
) -> Result<Vec<u8>, WriteError> {
    let mut out = b"before".to_vec();
    let mut writer = Writer::new(options, &mut out)?;
    write(&mut writer)?;
    writer.finish()?;
    Ok(out.split_off(b"before".len()))
}

#[test]
fn options_change_the_header_alone() {
    let write = |w: &mut Writer<'_>| w.element(syncml::SYNC_ML, "");
    let mut options = WbxmlOptions::default();
    assert_eq!(
        written(options, write).unwrap(),
        [2, 0xA4, 1, 0x6A, 0, 0x2D]
    );
    for (version, byte) in [(WbxmlVersion::V1_1, 1), (WbxmlVersion::V1_3, 3)] {
        options.version = version;
        assert_eq!(
            written(options, write).unwrap(),
            [byte, 0xA4, 1, 0x6A, 0, 0x2D]
        );
    }
    options.version = WbxmlVersion::V1_2;
    options.public_id = PublicId::Textual;
    let expected = b"\x02\0\0\x6A\x1E-//SYNCML//DTD SyncML 1.2//EN\0\x2D";
    assert_eq!(written(options, write).unwrap(), expected);
}

#[test]
fn what_wbxml_cannot_carry_is_refused() {
    let options = WbxmlOptions::default();
    let octets = written(options, |w| w.element(syncml::DATA, "a\0b")).unwrap();
    assert_eq!(octets, b"\x02\xA4\x01\x6A\0\x4F\xC3\x03a\0b\x01");
    let attribute = |name: &'static str, value: &'static str| {
        written(options, move |w| {
            w.start(syncml::DATA)?;
            w.attribute(Name::local(name), value)?;
            w.end()
        })
    };
    assert_eq!(attribute("a", "\0"), Err(WriteError::InvalidCharacter));
    for name in ["", "1", "a b", "a:b", "xmlns"] {
        assert_eq!(attribute(name, ""), Err(WriteError::InvalidName), "{name}");
    }
    for name in [
        Name::local("a b"),
        Name::Other(Namespace::Other("a>b"), "x"),
        Name::Other(Namespace::Other("http://www.w3.org/2000/xmlns/"), "x"),
    ] {
        assert_eq!(
            written(options, |w| w.start(name)),
            Err(WriteError::InvalidName)
        );
    }
    let misplaced = Err(WriteError::Misplaced);
    assert_eq!(written(options, |_| Ok(())), misplaced);
    assert_eq!(written(options, |w| w.start(syncml::ADD)), misplaced);
    assert_eq!(written(options, |w| w.end()), misplaced);
    assert_eq!(written(options, |w| w.text("x")), misplaced);
    assert_eq!(written(options, |w| w.opaque(b"x")), misplaced);
    assert_eq!(
        written(options, |w| w.attribute(Name::local("a"), "")),
        misplaced
    );
    let twice = |w: &mut Writer<'_>| {
        w.element(metinf::TYPE, "")?;
        w.element(metinf::TYPE, "")
    };
    assert_eq!(written(options, twice), misplaced);
}

#[test]
fn strings_and_octets_are_borrowed() {
    let document = b"\x02\xA4\x01\x6A\0\x4F\x03text\0\x01".to_vec();
    let mut reader = Reader::new(&document, Encoding::Wbxml, &Limits::default()).unwrap();
    reader.next_event().unwrap();
    let Some(Event::Text(text)) = reader.next_event().unwrap() else {
        unreachable!()
    };
    assert!(document.as_ptr_range().contains(&text.as_ptr()));
    assert_eq!(reader.offset(), 6);
}

/// Strings are checked many at once: what is between them, or wrong with another, changes none.
#[test]
fn each_string_is_judged_by_its_own_bytes() {
    let long = [b'x'; 90];
    let pieces: [&[u8]; 6] = [b"a", "é€".as_bytes(), &long, b"a\xFF", b"ab\xC3", b"\x80"];
    for number in 0..6 * 6 * 6 {
        let strings = [
            pieces[number / 36],
            pieces[number / 6 % 6],
            pieces[number % 6],
        ];
        for (charset, is_utf8) in [(0x6A, true), (0x04, false)] {
            let mut document = vec![0x02, 0xA4, 0x01, charset, 0x00, 0x6D];
            let mut expected = Vec::new();
            for string in strings {
                document.extend([0x4F, 0x03]);
                expected.push(match str::from_utf8(string) {
                    _ if !is_utf8 => Ok(string.iter().map(|&byte| char::from(byte)).collect()),
                    Ok(text) => Ok(text.to_owned()),
                    Err(error) => Err(document.len() + error.valid_up_to()),
                });
                document.extend(string);
                // What is no UTF-8 stands between the strings.
                document.extend([0x00, 0x01, 0x4F, 0xC3, 0x01, 0xFE, 0x01]);
            }
            document.push(0x01);
            let first_fault = expected.iter().position(Result::is_err);
            let read = first_fault.map_or(3, |at| at + 1);
            for by_content in [false, true] {
                let limits = Limits::default();
                let mut reader = Reader::new(&document, Encoding::Wbxml, &limits).unwrap();
                reader.next_event().unwrap();
                for expected in &expected[..read] {
                    reader.child().unwrap();
                    let found = match by_content {
                        false => reader.text().map(|text| text.into_owned()),
                        true => reader.content().map(|content| match content {
                            Content::Text(text) => text.into_owned(),
                            other => panic!("{other:?}"),
                        }),
                    };
                    let fault = |offset: usize| ReadError {
                        kind: Kind::NotUtf8,
                        offset,
                    };
                    assert_eq!(found, expected.clone().map_err(fault), "{document:02X?}");
                    if found.is_ok() {
                        reader.child().unwrap();
                        assert_eq!(reader.content(), Ok(Content::Opaque([0xFE][..].into())));
                    }
                }
                if first_fault.is_none() {
                    assert_eq!(reader.child(), Ok(None));
                    assert_eq!(reader.next_event(), Ok(None));
                }
            }
        }
    }
}
