//! Every kind of error the XML reader makes, with its offset.

#![allow(clippy::unwrap_used, reason = "test code")]

use omadm_markup::{Encoding, Limits, ReadError, ReadErrorKind as Kind, Reader};

fn read(xml: &[u8], limits: &Limits) -> Result<(), ReadError> {
    let mut reader = Reader::new(xml, Encoding::Xml, limits)?;
    while reader.next_event()?.is_some() {}
    Ok(())
}

/// Reads `xml`, in which `|` marks the offset where the error is expected.
fn refused(xml: &str, kind: Kind) {
    refused_within(&Limits::default(), xml, kind);
}

fn refused_within(limits: &Limits, xml: &str, kind: Kind) {
    let offset = xml.find('|').unwrap();
    let xml = xml.replacen('|', "", 1);
    let error = ReadError { kind, offset };
    assert_eq!(read(xml.as_bytes(), limits), Err(error), "{xml}");
    // A byte order mark counts.
    let marked = format!("\u{FEFF}{xml}");
    let error = ReadError {
        kind,
        offset: offset + 3,
    };
    if kind != Kind::TooLarge {
        assert_eq!(read(marked.as_bytes(), limits), Err(error), "{marked}");
    }
}

#[test]
fn a_document_is_one_whole_root() {
    for xml in ["|", "  |", "<!-- c -->|", "<?xml version='1.0'?>|"] {
        refused(xml, Kind::UnexpectedEnd);
    }
    for xml in [
        "<a>|",
        "<a><b/>|",
        "<a|",
        "<a b='|",
        "<a>x|",
        "<a><![CDATA[x|",
        "<a><!-- |",
        "<a><?x |",
        "<!DOCTYPE a|",
        "<|",
        "<!|",
        "<a><!-x></a>|",
        "</a|",
    ] {
        refused(xml, Kind::UnexpectedEnd);
    }
    for xml in [
        "|x<a/>",
        " \n |x<a/>",
        "<a/>|x",
        "<a/>\n |x",
        "<a/>|<b/>",
        "<a/>|&#32;",
        "|<![CDATA[ ]]><a/>",
        "<a/>|\u{FEFF}",
    ] {
        refused(xml, Kind::ContentOutsideRoot);
    }
    let kind = Kind::ContentOutsideRoot;
    let error = ReadError { kind, offset: 3 };
    let twice_marked = "\u{FEFF}\u{FEFF}<a/>".as_bytes();
    assert_eq!(read(twice_marked, &Limits::default()), Err(error));
}

#[test]
fn tags_match() {
    refused("<a><b>|</a></b>", Kind::MismatchedTag);
    refused("<a/>|</a>", Kind::MismatchedTag);
    refused("|</a>", Kind::MismatchedTag);
    refused("<p:a xmlns:p='u' xmlns:q='u'>|</q:a>", Kind::MismatchedTag);
}

#[test]
fn markup_is_well_formed() {
    for xml in [
        "<a>|<!x></a>",
        "<a>|<!ENTITY a 'b'></a>",
        "<a>|<!DOCTYPE b></a>",
        "<a>|<![cdata[x]]></a>",
    ] {
        refused(xml, Kind::InvalidMarkup);
    }
    for xml in [
        "<a>x|]]></a>",
        "<a>|]]><b/></a>",
        "<a>>]|]]>&amp;</a>",
        "<a>&lt;x|]]></a>",
        "<a>&lt;0123456789abcdef >|]]></a>",
        "<a>é|]]>",
        "<a><![CDATA[]]>|]]></a>",
    ] {
        refused(xml, Kind::InvalidMarkup);
    }
    for xml in [
        "<a><?| x?></a>",
        "<?|1?><a/>",
        "<a/><?|XML ?>",
        "<?|x:y?><a/>",
    ] {
        refused(xml, Kind::InvalidName);
    }
    refused("<a><!-- b |-- c --></a>", Kind::Comment);
    refused("<a><!-- b |---></a>", Kind::Comment);
    refused("<!-- - b |----><a/>", Kind::Comment);
    for xml in [
        "<|1/>",
        "<| />",
        "<|>",
        "<| a/>",
        "<|a: xmlns:a='u'/>",
        "<|:a/>",
        "<|a:b:c xmlns:a='u'/>",
        "<|a<b/>",
        "<a><|b'c'/></a>",
        "<|xmlns:a/>",
    ] {
        refused(xml, Kind::InvalidName);
    }
    for xml in [
        "<a |b/>",
        "<a |b=/>",
        "<a |b=1/>",
        "<a |b='<'/>",
        "<a b='1'|c='2'/>",
        "<a |='1'/>",
        "<a |xmlns:b=''/>",
        "<a |xmlns:='u'/>",
        "<a |xmlns:xmlns='u'/>",
        "<a |xmlns:b:c='u'/>",
        "<a |xmlns:xml='urn:other'/>",
        "<a |xmlns:b='http://www.w3.org/XML/1998/namespace'/>",
        "<a |xmlns='http://www.w3.org/XML/1998/namespace'/>",
        "<a |xmlns:xmlns='http://www.w3.org/XML/1998/namespace'/>",
    ] {
        refused(xml, Kind::InvalidAttribute);
    }
    for xml in ["<a |1='x'/>", "<a b='1' |c/d='2'/>", "<a |:b='1'/>"] {
        let kind = if xml.contains(":b") {
            Kind::UndeclaredPrefix
        } else {
            Kind::InvalidName
        };
        refused(xml, kind);
    }
    for xml in [
        "<a b='1' |b='2'/>",
        "<a xmlns='u' |xmlns='u'/>",
        "<a xmlns:b='u' |xmlns:b='v'/>",
        "<a xmlns:b='u' xmlns:c='u' b:x='' |c:x=''/>",
    ] {
        refused(xml, Kind::DuplicateAttribute);
    }
    refused("<a><|b:c/></a>", Kind::UndeclaredPrefix);
    refused("<a><b xmlns:c='u'/><|c:d/></a>", Kind::UndeclaredPrefix);
    refused("<a |b:c='1'/>", Kind::UndeclaredPrefix);
    for xml in [
        "<a xmlns='|a&amp;b'/>",
        "<a xmlns:b='|a\nb'/>",
        "<a xmlns='|>'/>",
        "<a xmlns='|\"'/>",
        "<a xmlns='|http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns:b='|http://www.w3.org/2000/xmlns/'/>",
    ] {
        refused(xml, Kind::UnsupportedNamespace);
    }
}

#[test]
fn characters_and_references_are_legal() {
    for xml in [
        "<a>x|\0</a>",
        "<a>|\u{1}</a>",
        "<!-- |\u{8} --><a/>",
        "<a b='|\u{1F}'/>",
        "<a>é|\u{FFFE}</a>",
        "<a>\u{FFFD}|\u{FFFF}</a>",
    ] {
        refused(xml, Kind::InvalidCharacter);
    }
    for xml in [
        "<a>x|&#0;</a>",
        "<a>|&#xD800;</a>",
        "<a>|&;</a>",
        "<a>|&#;</a>",
        "<a>x |& y</a>",
        "<a>|&amp</a>",
        "<a>|&amp",
        "<a>|&a b;</a>",
        "<a b='é|&#1;'/>",
        "<a b='x|&'/>",
    ] {
        refused(xml, Kind::InvalidReference);
    }
    for xml in ["<a>&lt;|&nbsp;</a>", "<a b='x|&y;'/>"] {
        refused(xml, Kind::UndefinedEntity);
    }
    let limits = Limits::default();
    for (xml, offset) in [
        (b"<a>ab\xFF</a>".as_slice(), 5),
        (b"<a>\xC3</a>", 3),
        (b"<a b='\xE2\x82'/>", 6),
        (b"<a\xFF/>", 2),
        (b"<a><!-- \xFF --></a>", 8),
        (b"<a>\xED\xA0\x80</a>", 3),
        (b"<a>x<!-- c -->\xFF", 14),
        (b"<a>&\xFF;</a>", 4),
        // What is not UTF-8 ends the document before it can be found to be cut.
        (b"<a>\xFF", 3),
        (b"<a\xFF", 2),
        (b"<a><!-- \xFF", 8),
    ] {
        let kind = Kind::NotUtf8;
        assert_eq!(
            read(xml, &limits),
            Err(ReadError { kind, offset }),
            "{xml:?}"
        );
    }
}

#[test]
fn the_declaration_is_first_and_says_utf_8() {
    for xml in [
        " |<?xml version='1.0'?><a/>",
        "<a>|<?xml version='1.0'?></a>",
        "|<?xml?><a/>",
        "|<?xml encoding='UTF-8'?><a/>",
        "|<?xml version='2.0'?><a/>",
        "|<?xml version=1.0?><a/>",
        "|<?xml version='1.0' encoding=latin1?><a/>",
        "|<?xml version='1.0' standalone='maybe'?><a/>",
        "|<?xml version='1.0' standalone='no' encoding='UTF-8'?><a/>",
        "|<?xml version='1.0' version='1.0'?><a/>",
        "|<?xml version='1.0' encoding='UTF-8' x?><a/>",
    ] {
        refused(xml, Kind::Declaration);
    }
    for charset in ["ISO-8859-1", "UTF-16", "US-ASCII", ""] {
        refused(
            &format!("<?xml version='1.0' encoding='|{charset}'?><a/>"),
            Kind::UnsupportedCharset,
        );
    }
}

#[test]
fn nothing_a_dtd_can_do_is_done() {
    let mut lenient = Limits::default();
    lenient.allow_doctype = true;
    for xml in [
        "|<!DOCTYPE a><a/>",
        " |<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "|<!DOCTYPE a [<?b?>]><a/>",
    ] {
        refused(xml, Kind::Doctype);
    }
    for xml in [
        "|<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "|<!DOCTYPE a [<!ENTITY % b SYSTEM 'c'> %b;]><a/>",
        "|<!DOCTYPE><a/>",
        "|<!doctype a 'b'><a/>",
        "|<!doctype a><a/>",
        "|<!DOCTYPEa><a/>",
    ] {
        refused(xml, Kind::InternalSubset);
        refused_within(&lenient, xml, Kind::InternalSubset);
    }
    for xml in ["<!DOCTYPE a>|<!DOCTYPE a><a/>", "<a/>|<!DOCTYPE a>"] {
        refused_within(&lenient, xml, Kind::InvalidMarkup);
    }
    refused_within(&lenient, "<!DOCTYPE a><a>|&b;</a>", Kind::UndefinedEntity);
}

#[test]
fn limits_hold_to_the_last_unit() {
    type Set = fn(&mut Limits, usize);
    let cases: [(Set, usize, &str, &str, Kind); 10] = [
        (
            |l, n| l.max_bytes = n,
            8,
            "<aaaaaa/>",
            "<aaaaaa/|>",
            Kind::TooLarge,
        ),
        (
            |l, n| l.max_depth = n,
            2,
            "<a><b><c/></b></a>",
            "<a><b>|<c/></b></a>",
            Kind::TooDeep,
        ),
        (
            |l, n| l.max_elements = n,
            2,
            "<a><b/><c/></a>",
            "<a><b/>|<c/></a>",
            Kind::TooManyElements,
        ),
        (
            |l, n| l.max_attributes = n,
            2,
            "<a b='' c='' d=''/>",
            "<a b='' c='' |d=''/>",
            Kind::TooManyAttributes,
        ),
        (
            |l, n| l.max_attributes = n,
            1,
            "<a xmlns:b='u'><c xmlns:d='v'/></a>",
            "<a xmlns:b='u'><c |xmlns:d='v'/></a>",
            Kind::TooManyAttributes,
        ),
        (
            |l, n| l.max_attributes = n,
            0,
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"/>",
            "<SyncML |xmlns=\"SYNCML:SYNCML1.2\"/>",
            Kind::TooManyAttributes,
        ),
        (
            |l, n| l.max_attributes = n,
            0,
            "<Meta><Type xmlns=\"syncml:metinf\">a</Type></Meta>",
            "<Meta><Type |xmlns=\"syncml:metinf\">a</Type></Meta>",
            Kind::TooManyAttributes,
        ),
        (
            |l, n| l.max_attributes = n,
            0,
            "<Metas><T-pe xmlns=\"syncml:metinf\">a</T-pe></Metas>",
            "<Metas><T-pe |xmlns=\"syncml:metinf\">a</T-pe></Metas>",
            Kind::TooManyAttributes,
        ),
        (
            |l, n| l.max_text = n,
            3,
            "<a>1&lt;&gt;4</a>",
            "<a>|1&lt;&gt;4</a>",
            Kind::TextTooLarge,
        ),
        (
            |l, n| l.max_text = n,
            3,
            "<a b='1234'/>",
            "<a b='|1234'/>",
            Kind::TextTooLarge,
        ),
    ];
    for (set, limit, xml, marked, kind) in cases {
        let mut limits = Limits::default();
        set(&mut limits, limit);
        refused_within(&limits, marked, kind);
        set(&mut limits, limit + 1);
        assert_eq!(read(xml.as_bytes(), &limits), Ok(()), "{xml}");
    }
}

#[test]
fn nesting_costs_no_stack() {
    let xml = "<a>".repeat(500_000) + &"</a>".repeat(500_000);
    let mut limits = Limits::default();
    assert_eq!(
        read(xml.as_bytes(), &limits).unwrap_err().kind,
        Kind::TooDeep
    );
    limits.max_depth = usize::MAX;
    assert_eq!(read(xml.as_bytes(), &limits), Ok(()));
}

#[test]
fn errors_read_well() {
    let error = read(b"<a>&b;</a>", &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "undefined entity at byte 3");
}
