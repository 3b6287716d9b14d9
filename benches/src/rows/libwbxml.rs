//! WBXML to messages and whole conversions, beside libwbxml.

use std::{ffi::c_void, hint::black_box, ptr};

use omadm_syncml::{Encoding, decode};

use crate::{
    conversion::convert,
    corpus::{limits, samples},
    floors::{LOOK, LOOK_AND_COPY, look, look_and_copy, one_text},
    rounds::{Table, Target},
};

const DOCTYPE: &str = "<!DOCTYPE SyncML PUBLIC \"-//SYNCML//DTD SyncML 1.2//EN\" \
    \"http://www.openmobilealliance.org/tech/DTD/OMA-TS-SyncML_RepPro_DTD-V1_2.dtd\">";

pub fn run(table: &mut Table) {
    let mut limits = limits();
    for sample in samples() {
        let what = format!("decode WBXML (libwbxml), {}", sample.name);
        let ours = || {
            let message = decode(black_box(&sample.wbxml), Encoding::Wbxml, &limits);
            black_box(message.expect("valid"));
        };
        let anchor = || parse(black_box(&sample.wbxml));
        let name = "libwbxml SAX parser";
        if let Some(text) = one_text(&sample.wbxml, b"<>&\0") {
            let floor = (LOOK, || look(text));
            table.row_above(&what, name, 2.5, ours, anchor, floor);
        } else {
            table.row(&what, name, Target::Speed(2.5), ours, anchor);
        }
    }
    // libwbxml's documents have a document type declaration.
    limits.markup.allow_doctype = true;
    for sample in samples() {
        let document = [DOCTYPE.as_bytes(), &sample.xml].concat();
        // Both sides have to make something that is a message.
        let theirs = to_wbxml(&document);
        decode(&theirs, Encoding::Wbxml, &limits).expect(sample.name);
        let mut out = Vec::new();
        convert(&sample.xml, Encoding::Xml, &mut out);
        decode(&out, Encoding::Wbxml, &limits).expect(sample.name);
        table.row(
            &format!("XML to WBXML, {}", sample.name),
            "wbxml_conv without a string table",
            Target::Speed(7.0),
            || {
                convert(black_box(&sample.xml), Encoding::Xml, &mut out);
                black_box(&out);
            },
            || {
                black_box(to_wbxml(black_box(&document)));
            },
        );
        decode(&to_xml(&sample.wbxml), Encoding::Xml, &limits).expect(sample.name);
        convert(&sample.wbxml, Encoding::Wbxml, &mut out);
        decode(&out, Encoding::Xml, &limits).expect(sample.name);
        let what = format!("WBXML to XML, {}", sample.name);
        let ours = || {
            convert(black_box(&sample.wbxml), Encoding::Wbxml, &mut out);
            black_box(&out);
        };
        let anchor = || {
            black_box(to_xml(black_box(&sample.wbxml)));
        };
        if let Some(text) = one_text(&sample.wbxml, b"<>&\0") {
            let mut copy = Vec::new();
            let floor = (LOOK_AND_COPY, || look_and_copy(text, &mut copy));
            table.row_above(&what, "wbxml_conv", 7.0, ours, anchor, floor);
        } else {
            table.row(&what, "wbxml_conv", Target::Speed(7.0), ours, anchor);
        }
    }
}

/// A parse whose handlers look at nothing.
fn parse(document: &[u8]) {
    let length = u32::try_from(document.len()).expect("short");
    let mut handler = Handler {
        start_document: None,
        end_document: None,
        start_element: Some(start_element),
        end_element: Some(end_element),
        characters: Some(characters),
        instruction: None,
    };
    // SAFETY: the library copies the document, whose length is right; the handler outlives the
    // parser, which is destroyed once.
    unsafe {
        let parser = wbxml_parser_create();
        assert!(!parser.is_null());
        wbxml_parser_set_content_handler(parser, &raw mut handler);
        let error = wbxml_parser_parse(parser, document.as_ptr().cast_mut(), length);
        assert_eq!(error, 0);
        wbxml_parser_destroy(parser);
    }
}

fn to_wbxml(document: &[u8]) -> Vec<u8> {
    let length = u32::try_from(document.len()).expect("short");
    let (mut conversion, mut octets, mut written) = (ptr::null_mut(), ptr::null_mut(), 0);
    // SAFETY: the library reads the document only, whose length is right; what it gives back is as
    // long as it says and was allocated by malloc.
    unsafe {
        assert_eq!(wbxml_conv_xml2wbxml_create(&raw mut conversion), 0);
        wbxml_conv_xml2wbxml_disable_string_table(conversion);
        wbxml_conv_xml2wbxml_enable_preserve_whitespaces(conversion);
        let document = document.as_ptr().cast_mut();
        let (place, length_place) = (&raw mut octets, &raw mut written);
        let error = wbxml_conv_xml2wbxml_run(conversion, document, length, place, length_place);
        assert_eq!(error, 0);
        wbxml_conv_xml2wbxml_destroy(conversion);
        taken(octets, written)
    }
}

fn to_xml(document: &[u8]) -> Vec<u8> {
    let length = u32::try_from(document.len()).expect("short");
    let (mut conversion, mut octets, mut written) = (ptr::null_mut(), ptr::null_mut(), 0);
    // SAFETY: as above.
    unsafe {
        assert_eq!(wbxml_conv_wbxml2xml_create(&raw mut conversion), 0);
        wbxml_conv_wbxml2xml_set_gen_type(conversion, COMPACT);
        wbxml_conv_wbxml2xml_enable_preserve_whitespaces(conversion);
        let document = document.as_ptr().cast_mut();
        let (place, length_place) = (&raw mut octets, &raw mut written);
        let error = wbxml_conv_wbxml2xml_run(conversion, document, length, place, length_place);
        assert_eq!(error, 0);
        wbxml_conv_wbxml2xml_destroy(conversion);
        taken(octets, written)
    }
}

/// Octets of the library as ours; a copy, which is nothing beside the conversion.
///
/// # Safety
/// They are that many, and were allocated by malloc.
unsafe fn taken(octets: *mut u8, length: u32) -> Vec<u8> {
    assert!(!octets.is_null());
    // SAFETY: as the caller promises.
    unsafe {
        let copy = std::slice::from_raw_parts(octets, length as usize).to_vec();
        free(octets.cast());
        copy
    }
}

extern "C" fn start_element(_: *mut c_void, tag: *mut c_void, _: *mut *mut c_void, _: u8) {
    black_box(tag);
}

extern "C" fn end_element(_: *mut c_void, tag: *mut c_void, _: u8) {
    black_box(tag);
}

extern "C" fn characters(_: *mut c_void, text: *mut u8, start: u32, length: u32) {
    black_box((text, start, length));
}

/// `WBXML_GEN_XML_COMPACT`
const COMPACT: i32 = 0;

/// `WBXMLContentHandler`
#[repr(C)]
struct Handler {
    start_document: Option<extern "C" fn(*mut c_void, i32, *const c_void)>,
    end_document: Option<extern "C" fn(*mut c_void)>,
    start_element: Option<extern "C" fn(*mut c_void, *mut c_void, *mut *mut c_void, u8)>,
    end_element: Option<extern "C" fn(*mut c_void, *mut c_void, u8)>,
    characters: Option<extern "C" fn(*mut c_void, *mut u8, u32, u32)>,
    instruction: Option<extern "C" fn(*mut c_void, *const u8, *mut u8)>,
}

#[link(name = "wbxml2")]
unsafe extern "C" {
    // The library has the parser, though Debian's headers leave it out.
    fn wbxml_parser_create() -> *mut c_void;
    fn wbxml_parser_destroy(parser: *mut c_void);
    fn wbxml_parser_set_content_handler(parser: *mut c_void, handler: *mut Handler);
    fn wbxml_parser_parse(parser: *mut c_void, wbxml: *mut u8, length: u32) -> i32;

    fn wbxml_conv_xml2wbxml_create(conversion: *mut *mut c_void) -> i32;
    fn wbxml_conv_xml2wbxml_disable_string_table(conversion: *mut c_void);
    fn wbxml_conv_xml2wbxml_enable_preserve_whitespaces(conversion: *mut c_void);
    fn wbxml_conv_xml2wbxml_run(
        conversion: *mut c_void,
        xml: *mut u8,
        xml_length: u32,
        wbxml: *mut *mut u8,
        wbxml_length: *mut u32,
    ) -> i32;
    fn wbxml_conv_xml2wbxml_destroy(conversion: *mut c_void);

    fn wbxml_conv_wbxml2xml_create(conversion: *mut *mut c_void) -> i32;
    fn wbxml_conv_wbxml2xml_set_gen_type(conversion: *mut c_void, kind: i32);
    fn wbxml_conv_wbxml2xml_enable_preserve_whitespaces(conversion: *mut c_void);
    fn wbxml_conv_wbxml2xml_run(
        conversion: *mut c_void,
        wbxml: *mut u8,
        wbxml_length: u32,
        xml: *mut *mut u8,
        xml_length: *mut u32,
    ) -> i32;
    fn wbxml_conv_wbxml2xml_destroy(conversion: *mut c_void);

    fn free(octets: *mut c_void);
}
