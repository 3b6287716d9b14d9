//! `virmo convert`.

use std::{
    fmt,
    io::{self, Read},
};

use virmo::dm::{
    markup::{self, Encoding, Reader, WbxmlOptions, Writer},
    syncml::{self, Command, Data, Item, Message, decode, encode},
};

use crate::{
    args::{Convert, Form},
    failure::Failure,
    output,
};

mod adapt;

use adapt::adapt;

pub(crate) fn run(args: &Convert) -> Result<(), Failure> {
    let limits = markup::Limits::default();
    let most = u64::try_from(limits.max_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut input = Vec::new();
    io::stdin()
        .take(most)
        .read_to_end(&mut input)
        .map_err(Failure::work)?;
    if input.is_empty() {
        return Err(Failure::work("there is nothing on standard input"));
    }
    output::print(&convert(
        &input,
        args.to,
        args.wbxml.options(),
        args.pretty,
    )?)
}

fn convert(
    input: &[u8],
    to: Form,
    options: WbxmlOptions,
    pretty: bool,
) -> Result<Vec<u8>, Failure> {
    match (Form::of(input), to) {
        (Form::Json, Form::Json) => print(&read_json(input)?, pretty),
        (Form::Json, to) => {
            let mut out = Vec::new();
            let message = read_json(input)?;
            encode(&message, encoding(to).with(options), &mut out).map_err(Failure::work)?;
            if pretty {
                markup(&out, encoding(to), encoding(to), options, true)
            } else {
                Ok(out)
            }
        }
        (from, Form::Json) => {
            // What the types do not hold would be gone without a word.
            let mut limits = syncml::Limits::lenient();
            limits.refuse_unknown = true;
            let message = decode(input, encoding(from), &limits).map_err(Failure::work)?;
            let mut items = message.commands.iter().flat_map(Command::flatten);
            let in_markup = |item: &Item<'_>| matches!(item.data, Some(Data::Fragment(_)));
            if from == Form::Wbxml && items.any(|it| it.items().iter().any(in_markup)) {
                // JSON has embedded documents in XML, so Meta and octets have to be as there.
                let xml = markup(input, Encoding::Wbxml, Encoding::Xml, options, false)?;
                let message = decode(&xml, Encoding::Xml, &limits).map_err(Failure::work)?;
                return print(&message, pretty);
            }
            print(&message, pretty)
        }
        (from, to) => markup(input, encoding(from), encoding(to), options, pretty),
    }
}

impl Form {
    /// The form of a document: markup begins with `<`, JSON with `{`, WBXML with its version.
    fn of(input: &[u8]) -> Self {
        let text = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input);
        match text.iter().find(|octet| !octet.is_ascii_whitespace()) {
            Some(b'{') => Self::Json,
            _ if matches!(input.first(), Some(0..=3)) => Self::Wbxml,
            _ => Self::Xml,
        }
    }
}

const fn encoding(form: Form) -> Encoding {
    match form {
        Form::Wbxml => Encoding::Wbxml,
        Form::Xml | Form::Json => Encoding::Xml,
    }
}

/// Event by event, so that what no message has survives too.
fn markup(
    input: &[u8],
    from: Encoding,
    to: Encoding,
    options: WbxmlOptions,
    pretty: bool,
) -> Result<Vec<u8>, Failure> {
    let mut reader = Reader::new(input, from, &markup::Limits::lenient()).map_err(Failure::work)?;
    let (mut events, mut offsets) = (Vec::new(), Vec::new());
    while let Some(event) = reader.next_event().map_err(Failure::work)? {
        events.push(event);
        offsets.push(reader.offset());
    }
    let at = |why: &dyn fmt::Display, event: usize| match offsets.get(event) {
        Some(offset) => Failure::work(format_args!("{why} at byte {offset}")),
        None => Failure::work(why),
    };
    if from != to {
        events = adapt(events, to).map_err(|event| at(&"value that is no base64", event))?;
    }
    let mut out = Vec::new();
    let mut writer = Writer::new(to.with(options), &mut out).map_err(Failure::work)?;
    if pretty {
        writer = writer.pretty();
    }
    for (index, event) in events.iter().enumerate() {
        writer.event(event).map_err(|error| at(&error, index))?;
    }
    writer.finish().map_err(Failure::work)?;
    if pretty && to == Encoding::Xml {
        out.push(b'\n');
    }
    Ok(out)
}

fn read_json(input: &[u8]) -> Result<Message<'static>, Failure> {
    serde_json::from_slice(input).map_err(Failure::work)
}

fn print(message: &Message<'_>, pretty: bool) -> Result<Vec<u8>, Failure> {
    let mut out = if pretty {
        serde_json::to_vec_pretty(message)
    } else {
        serde_json::to_vec(message)
    }
    .map_err(Failure::work)?;
    out.push(b'\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(input: &[u8], to: Form, pretty: bool) -> Result<Vec<u8>, Failure> {
        super::convert(input, to, WbxmlOptions::default(), pretty)
    }

    const MESSAGE: &str = r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>http://a/</LocURI></Target><Source><LocURI>b</LocURI></Source></SyncHdr><SyncBody><Replace><CmdID>1</CmdID><Item><Target><LocURI>./x</LocURI></Target><Data>  two
lines </Data></Item></Replace><Final/></SyncBody></SyncML>"#;

    fn text(input: &str, to: Form, pretty: bool) -> String {
        String::from_utf8(convert(input.as_bytes(), to, pretty).unwrap()).unwrap()
    }

    #[test]
    fn json_and_back_is_the_same_message() {
        let json = text(MESSAGE, Form::Json, false);
        assert_eq!(text(&json, Form::Xml, false), MESSAGE);
        assert_eq!(
            text(&text(MESSAGE, Form::Json, true), Form::Json, false),
            json
        );
    }

    #[test]
    fn pretty_printing_leaves_data_alone() {
        let pretty = text(MESSAGE, Form::Xml, true);
        assert!(pretty.lines().count() > 20, "{pretty}");
        assert!(pretty.contains("<Data>  two\nlines </Data>"), "{pretty}");
        assert_eq!(
            text(&text(&pretty, Form::Json, false), Form::Xml, false),
            MESSAGE
        );
    }

    #[test]
    fn unknown_elements_survive_between_encodings() {
        let odd =
            r#"<SyncML xmlns="SYNCML:SYNCML1.2"><Odd xmlns="urn:x" a="1">&lt;</Odd></SyncML>"#;
        assert_eq!(text(odd, Form::Xml, false), odd);
    }

    /// JSON is the typed message: what that does not hold is an error, not gone.
    #[test]
    fn unknown_elements_do_not_get_lost_in_json() {
        let with = |element: &str| MESSAGE.replacen("<Item>", &format!("{element}<Item>"), 1);
        let at = MESSAGE.find("<Item>").unwrap();
        for element in ["<Odd xmlns=\"urn:x\">1</Odd>", "<Lang>en</Lang>"] {
            for to in [Form::Xml, Form::Wbxml] {
                let message = convert(with(element).as_bytes(), to, false).unwrap();
                let Err(failure) = convert(&message, Form::Json, false) else {
                    panic!("{element}")
                };
                let said = failure.message().unwrap();
                assert!(said.contains("unknown element at byte"), "{said}");
                assert!(
                    to != Form::Xml || said.ends_with(&format!(" {at}")),
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn a_broken_message_says_where() {
        let Err(failure) = convert(b"<SyncML><a></SyncML>", Form::Xml, false) else {
            panic!()
        };
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.message().unwrap().contains("byte"), "{failure:?}");
        let Err(failure) = convert(&[2, 0xA4, 1, 0x6A], Form::Xml, false) else {
            panic!()
        };
        assert!(failure.message().unwrap().contains("byte 4"), "{failure:?}");
    }

    #[test]
    fn wbxml_and_back_is_the_same_document() {
        let odd = r#"<SyncML xmlns="SYNCML:SYNCML1.2"><Odd xmlns="urn:x" a="1">&lt; &#13;</Odd></SyncML>"#;
        for document in [MESSAGE, odd] {
            for pretty in [false, true] {
                let wbxml = convert(document.as_bytes(), Form::Wbxml, pretty).unwrap();
                assert!(wbxml.starts_with(&[2]));
                let back = convert(&wbxml, Form::Xml, false).unwrap();
                assert_eq!(String::from_utf8(back).unwrap(), document);
            }
        }
        let json = text(MESSAGE, Form::Json, false);
        let wbxml = convert(json.as_bytes(), Form::Wbxml, false).unwrap();
        assert_eq!(convert(&wbxml, Form::Json, false).unwrap(), json.as_bytes());
    }

    /// A message with one Add.
    fn add(meta: &str, data: &str) -> String {
        format!(
            r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncBody><Add><CmdID>1</CmdID><Item><Meta>{meta}</Meta>{data}</Item></Add></SyncBody></SyncML>"#
        )
    }

    #[test]
    fn raw_octets_are_base64_in_xml() {
        let mut wbxml = vec![2, 0xA4, 1, 0x6A, 0, 0x6D, 0x6B, 0x45, 0x4B, 3, b'1', 0, 1];
        wbxml.extend(
            b"\x54\x5A\0\x01\x47\x03bin\0\x01\x01\0\0\x4F\xC3\x03\0<\xFF\x01\x01\x01\x01\x01",
        );
        let xml = String::from_utf8(convert(&wbxml, Form::Xml, false).unwrap()).unwrap();
        let format = r#"<Format xmlns="syncml:metinf">b64</Format>"#;
        assert_eq!(xml, add(format, "<Data>ADz/</Data>"));
    }

    /// A serialized tree of one leaf.
    fn tree(format: &str, value: &str) -> String {
        let format = match format {
            "" => String::new(),
            format => format!("<Format><{format}/></Format>"),
        };
        format!(
            r#"<MgmtTree xmlns="syncml:dmddf1.2"><VerDTD>1.2</VerDTD><Node><NodeName>a</NodeName><RTProperties>{format}<Type><MIME>x/y</MIME></Type></RTProperties>{value}</Node></MgmtTree>"#
        )
    }

    /// The value of the leaf, read as a tree.
    fn value(document: &[u8], encoding: Encoding) -> Vec<u8> {
        use virmo::dm::mo::tnds::{Body, Document, Limits};

        let read = Document::decode(document, encoding, &Limits::default()).unwrap();
        match &read.nodes[0].body {
            Body::Leaf(Some(value)) => value.octets().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn octets_in_a_tree_stay_what_they_are() {
        for octets in [&b"\0<\xFF"[..], b"text", b"dGV4dA==", b"a b\n"] {
            use virmo::dm::core::base64;

            let text = base64::encode(octets);
            let xml = tree("bin", &format!("<Value>{text}</Value>"));
            let wbxml = convert(xml.as_bytes(), Form::Wbxml, false).unwrap();
            assert_eq!(value(&wbxml, Encoding::Wbxml), octets);
            let at = wbxml.windows(octets.len()).position(|it| it == octets);
            assert_eq!(wbxml[at.unwrap() - 2], 0xC3, "as octets");
            let back = convert(&wbxml, Form::Xml, false).unwrap();
            assert_eq!(String::from_utf8(back).unwrap(), xml);

            // Properties after the value, as no document type has them.
            let (start, end) = xml.split_at(xml.find("<RTP").unwrap());
            let (properties, end) = end.split_at(end.find("<Value").unwrap());
            let (written, end) = end.split_at(end.find("</Node").unwrap());
            let late = format!("{start}{written}{properties}{end}");
            let wbxml = convert(late.as_bytes(), Form::Wbxml, false).unwrap();
            assert_eq!(value(&wbxml, Encoding::Wbxml), octets);
            let back = convert(&wbxml, Form::Xml, false).unwrap();
            assert_eq!(String::from_utf8(back).unwrap(), late);
        }
        // Text stays text, also where it could be base64.
        for format in ["", "chr", "b64"] {
            let xml = tree(format, "<Value>dGV4dA==</Value>");
            let wbxml = convert(xml.as_bytes(), Form::Wbxml, false).unwrap();
            let expected = if format == "b64" { "text" } else { "dGV4dA==" };
            assert_eq!(value(&wbxml, Encoding::Wbxml), expected.as_bytes());
            let back = convert(&wbxml, Form::Xml, false).unwrap();
            assert_eq!(String::from_utf8(back).unwrap(), xml);
        }
    }

    /// JSON has a tree in XML, and its Meta says so.
    #[test]
    fn octets_in_a_tree_stay_what_they_are_in_json() {
        let tree = tree("bin", "<Value>dGV4dA==</Value>");
        let item = add(
            r#"<Format xmlns="syncml:metinf">xml</Format><Type xmlns="syncml:metinf">application/vnd.syncml.dmtnds+xml</Type>"#,
            &format!("<Data>{tree}</Data>"),
        );
        let (head, _) = MESSAGE.split_at(MESSAGE.find("<SyncBody>").unwrap());
        let (_, body) = item.split_at(item.find("<SyncBody>").unwrap());
        let xml = [head, body].concat();
        let wbxml = convert(xml.as_bytes(), Form::Wbxml, false).unwrap();
        let json = convert(&wbxml, Form::Json, false).unwrap();
        assert_eq!(json, convert(xml.as_bytes(), Form::Json, false).unwrap());
        let back = convert(&json, Form::Xml, false).unwrap();
        assert_eq!(String::from_utf8(back).unwrap(), xml);
    }

    #[test]
    fn octets_that_have_no_text_are_refused_with_their_place() {
        let refused = |document: &[u8], to: Form, at: usize| {
            let Err(failure) = convert(document, to, false) else {
                panic!("{document:?}")
            };
            let said = failure.message().unwrap();
            assert!(said.ends_with(&format!("at byte {at}")), "{said}");
        };
        let xml = tree("bin", "<Value>!</Value>");
        refused(xml.as_bytes(), Form::Wbxml, xml.find('!').unwrap());

        let chr = convert(
            tree("chr", "<Value>@</Value>").as_bytes(),
            Form::Wbxml,
            false,
        )
        .unwrap();
        let at = chr.windows(3).position(|it| it == b"\x03@\0").unwrap();
        let with = |content: &[u8]| [&chr[..at], content, &chr[at + 3..]].concat();
        refused(&with(b"\xC3\x01\xFF"), Form::Xml, at);
        let text = convert(&with(b"\xC3\x01A"), Form::Xml, false).unwrap();
        assert!(
            String::from_utf8(text)
                .unwrap()
                .contains("<Value>A</Value>")
        );
    }

    #[test]
    fn a_tree_in_data_is_named_by_its_encoding() {
        let xml = add(
            r#"<Format xmlns="syncml:metinf">xml</Format><Type xmlns="syncml:metinf">application/vnd.syncml.dmtnds+xml</Type>"#,
            r#"<Data><MgmtTree xmlns="syncml:dmddf1.2"><VerDTD>1.2</VerDTD></MgmtTree></Data>"#,
        );
        let wbxml = convert(xml.as_bytes(), Form::Wbxml, false).unwrap();
        let holds = |piece: &[u8]| wbxml.windows(piece.len()).any(|window| window == piece);
        assert!(holds(b"dmtnds+wbxml\0") && holds(b"\x03bin\0") && holds(b"DTD-DM-DDF 1.2"));
        assert!(!holds(b"dmtnds+xml"));
        let back = convert(&wbxml, Form::Xml, false).unwrap();
        assert_eq!(String::from_utf8(back).unwrap(), xml);
    }
}
