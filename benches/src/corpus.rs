//! Messages of the shapes there are, as XML; nothing in them is random.

use std::fmt::Write;

use omadm_syncml::{Encoding, Limits, decode, encode};
use quick_xml::{
    Reader, Writer,
    events::{BytesEnd, BytesStart, BytesText, Event},
};

/// A message in both encodings.
pub struct Sample {
    pub name: &'static str,
    pub xml: Vec<u8>,
    pub wbxml: Vec<u8>,
}

/// What a writer is told.
pub enum Told {
    Start(Tag),
    Empty(Tag),
    Text(String),
    End(String),
}

/// The name of an element, and its one attribute: the namespace that begins there.
pub struct Tag {
    name: String,
    xmlns: Option<String>,
}

impl Tag {
    fn of(start: &BytesStart<'_>) -> Self {
        let mut xmlns = None;
        for attribute in start.attributes() {
            let attribute = attribute.expect("valid");
            assert_eq!(attribute.key.as_ref(), "xmlns");
            xmlns = Some(attribute.value.into_owned());
        }
        let name = start.name().as_ref().to_owned();
        Self { name, xmlns }
    }

    fn event(&self) -> BytesStart<'_> {
        let start = BytesStart::new(&*self.name);
        match &self.xmlns {
            Some(xmlns) => start.with_attributes([("xmlns", &**xmlns)]),
            None => start,
        }
    }
}

/// Limits that the greatest of the messages keeps.
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_items = 1 << 20;
    limits.markup.max_bytes = 16 << 20;
    limits.markup.max_text = 16 << 20;
    limits.markup.max_elements = 1 << 20;
    limits
}

/// All of them, by size.
pub fn samples() -> Vec<Sample> {
    [
        ("1 KB Exec and Status", exec_and_status()),
        ("5 KB package 1", package_1()),
        ("16 KB Results of a tree", results(110, true)),
        ("64 KB escaped TNDS", escaped_tnds()),
        ("256 KB list of Struct", results(1930, false)),
        ("1 MB object in base64", object()),
    ]
    .map(|(name, body)| sample(name, &body))
    .into()
}

/// The events of one of our documents, which [`write`] makes the same octets of.
pub fn told(xml: &[u8]) -> Vec<Told> {
    let mut told = Vec::new();
    let mut reader = Reader::from_str(std::str::from_utf8(xml).expect("valid"));
    let add = |told: &mut Vec<Told>, more: &str| match told.last_mut() {
        Some(Told::Text(text)) => text.push_str(more),
        _ => told.push(Told::Text(more.to_owned())),
    };
    loop {
        match reader.read_event().expect("valid") {
            Event::Start(start) => told.push(Told::Start(Tag::of(&start))),
            Event::Empty(empty) => told.push(Told::Empty(Tag::of(&empty))),
            Event::End(end) => told.push(Told::End(end.name().as_ref().to_owned())),
            Event::Text(text) => add(&mut told, &text),
            Event::GeneralRef(reference) => add(
                &mut told,
                match &*reference {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    other => panic!("{other}"),
                },
            ),
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    let mut again = Vec::new();
    write(&told, &mut again);
    assert!(again == xml, "the anchor writes something else");
    told
}

/// Writes events as quick-xml does.
pub fn write(told: &[Told], out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    for told in told {
        let event = match told {
            Told::Start(tag) => Event::Start(tag.event()),
            Told::Empty(tag) => Event::Empty(tag.event()),
            Told::Text(text) => Event::Text(BytesText::new(text)),
            Told::End(name) => Event::End(BytesEnd::new(&**name)),
        };
        writer
            .write_event(event)
            .expect("a buffer takes everything");
    }
}

fn sample(name: &'static str, body: &str) -> Sample {
    let text = format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>1F</SessionID><MsgID>2</MsgID><Target><LocURI>urn:x:device:7</LocURI></Target>\
         <Source><LocURI>https://dm.example/dm</LocURI></Source></SyncHdr>\
         <SyncBody>{body}<Final/></SyncBody></SyncML>"
    );
    let message = decode(text.as_bytes(), Encoding::Xml, &limits()).expect(name);
    let [xml, wbxml] = [Encoding::Xml, Encoding::Wbxml].map(|encoding| {
        let mut octets = Vec::new();
        encode(&message, encoding, &mut octets).expect(name);
        octets
    });
    Sample { name, xml, wbxml }
}

fn status(body: &mut String, id: u32, name: &str, code: u32) {
    write!(
        body,
        "<Status><CmdID>{id}</CmdID><MsgRef>1</MsgRef><CmdRef>{}</CmdRef><Cmd>{name}</Cmd><Data>{code}</Data></Status>",
        id - 1
    )
    .expect("text takes everything");
}

fn exec_and_status() -> String {
    let mut body = String::new();
    status(&mut body, 1, "SyncHdr", 212);
    status(&mut body, 2, "Alert", 200);
    status(&mut body, 3, "Replace", 200);
    body + "<Exec><CmdID>4</CmdID><Correlator>0011223344556677-1</Correlator><Item><Target>\
            <LocURI>./VirMO/entvm/Operations/Suspend</LocURI></Target>\
            <Meta><Format xmlns=\"syncml:metinf\">chr</Format>\
            <Type xmlns=\"syncml:metinf\">text/plain</Type></Meta>\
            <Data>reason=maintenance</Data></Item></Exec>"
}

fn package_1() -> String {
    let mut body = "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>".to_owned();
    body += "<Replace><CmdID>2</CmdID>";
    for (name, value) in [
        ("DevId", "urn:x:device:7"),
        ("Man", "Example"),
        ("Mod", "One"),
        ("DmV", "1.0"),
        ("Lang", "en"),
    ] {
        item(
            &mut body,
            "Source",
            &format!("./DevInfo/{name}"),
            "chr",
            value,
        );
    }
    body += "</Replace>";
    for id in 3..14 {
        write!(
            body,
            "<Alert><CmdID>{id}</CmdID><Data>1226</Data><Correlator>0011223344556677-{id}</Correlator>\
             <Item><Source><LocURI>./VMImgMO/image{id}/Operations/Download</LocURI></Source><Meta>\
             <Format xmlns=\"syncml:metinf\">int</Format>\
             <Type xmlns=\"syncml:metinf\">urn:oma:at:oma-virmo:imageready:1.0</Type></Meta>\
             <Data>1200</Data></Item></Alert>"
        )
        .expect("text takes everything");
    }
    body
}

fn item(body: &mut String, end: &str, uri: &str, format: &str, value: &str) {
    write!(
        body,
        "<Item><{end}><LocURI>{uri}</LocURI></{end}><Meta><Format xmlns=\"syncml:metinf\">{format}</Format></Meta>"
    )
    .expect("text takes everything");
    if !value.is_empty() {
        write!(body, "<Data>{value}</Data>").expect("text takes everything");
    }
    *body += "</Item>";
}

fn results(count: u32, with_values: bool) -> String {
    let mut body = "<Results><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef>".to_owned();
    for number in 0..count {
        let uri = format!("./VirMO/machine{number}/CurrentConfig");
        match with_values {
            true => item(&mut body, "Source", &uri, "chr", &format!("RAM={number}")),
            false => item(&mut body, "Source", &uri, "node", ""),
        }
    }
    body + "</Results>"
}

fn escaped_tnds() -> String {
    let mut tree = "&lt;MgmtTree&gt;&lt;VerDTD&gt;1.2&lt;/VerDTD&gt;".to_owned();
    for number in 0..640 {
        write!(
            tree,
            "&lt;Node&gt;&lt;NodeName&gt;n{number}&lt;/NodeName&gt;&lt;Value&gt;a &amp;amp; b&lt;/Value&gt;&lt;/Node&gt;"
        )
        .expect("text takes everything");
    }
    tree += "&lt;/MgmtTree&gt;";
    format!(
        "<Add><CmdID>1</CmdID><Item><Target><LocURI>./x</LocURI></Target><Meta>\
         <Type xmlns=\"syncml:metinf\">application/vnd.syncml.dmtnds+xml</Type></Meta>\
         <Data>{tree}</Data></Item></Add>"
    )
}

fn object() -> String {
    let value = "QUJD".repeat(1 << 18);
    let mut body = "<Replace><CmdID>1</CmdID>".to_owned();
    item(&mut body, "Target", "./x/y", "b64", &value);
    body + "</Replace>"
}
