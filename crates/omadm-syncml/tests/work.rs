//! What a message costs grows with its size and no faster: the instructions it takes to read, decode,
//! detach and encode documents of one kind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::hint;

use omadm_markup::{Reader, Writer};
use omadm_syncml::{Encoding, Limits, decode, encode};
use omadm_testkit::work;

/// How many times a piece is repeated at least.
const SIZE: usize = 30;

/// A kind of document, and what is repeated in it.
type Kind = (&'static str, fn(usize) -> String);

const KINDS: &[Kind] = &[
    ("commands", |n| {
        "<Get><CmdID>1</CmdID><Item><Target><LocURI>./A</LocURI></Target></Item></Get>".repeat(n)
    }),
    ("items", |n| {
        let item = "<Item><Target><LocURI>./A</LocURI></Target><Data>1</Data></Item>";
        format!("<Add>{}</Add>", item.repeat(n))
    }),
    ("groups", |n| {
        "<Sequence><Atomic><Delete/></Atomic><Get/></Sequence>".repeat(n)
    }),
    ("text", |n| data(&"plain text ".repeat(8 * n))),
    ("references", |n| data(&"&lt;&#13;&#233;".repeat(4 * n))),
    ("sections", |n| {
        data(&"<![CDATA[<]]><!-- c -->x<?p?>".repeat(2 * n))
    }),
    ("foreign", |n| {
        let element = "<x:a xmlns:x='urn:x' x:b='1' c='2'><x:d/>t</x:a>";
        data(&element.repeat(n))
    }),
    ("names", |n| {
        let elements: Vec<_> = (0..2 * n).map(|it| format!("<name{it}/>")).collect();
        data(&elements.concat())
    }),
    ("trees", |n| {
        let tree = "<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD></MgmtTree>";
        format!(
            "<Add>{}</Add>",
            format!("<Item><Data>{tree}</Data></Item>").repeat(n)
        )
    }),
    ("tree", |n| {
        let node = "<Node><NodeName>a</NodeName><Value>1</Value></Node>";
        data(&format!(
            "<MgmtTree xmlns='syncml:dmddf1.2'>{}</MgmtTree>",
            node.repeat(n)
        ))
    }),
];

fn data(content: &str) -> String {
    format!("<Add><Item><Data>{content}</Data></Item></Add>")
}

fn document(kind: Kind, encoding: Encoding, size: usize) -> Vec<u8> {
    let (_, body) = kind;
    let xml = format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD>\
         <VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID>\
         <Target><LocURI>t</LocURI></Target><Source><LocURI>s</LocURI></Source></SyncHdr>\
         <SyncBody>{}</SyncBody></SyncML>",
        body(size)
    );
    match encoding {
        Encoding::Xml => xml.into_bytes(),
        Encoding::Wbxml => copied(xml.as_bytes(), Encoding::Xml, Encoding::Wbxml),
    }
}

/// Event by event.
fn copied(document: &[u8], from: Encoding, to: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = Reader::new(document, from, &Default::default()).unwrap();
    let mut writer = Writer::new(to, &mut out).unwrap();
    while let Some(event) = reader.next_event().unwrap() {
        writer.event(&event).unwrap();
    }
    writer.finish().unwrap();
    out
}

/// What is counted.
fn take(document: &[u8], encoding: Encoding) {
    let other = match encoding {
        Encoding::Xml => Encoding::Wbxml,
        Encoding::Wbxml => Encoding::Xml,
    };
    hint::black_box(copied(document, encoding, other));
    let message = decode(document, encoding, &Limits::default()).unwrap();
    let message = message.into_owned();
    let mut out = Vec::new();
    encode(&message, encoding, &mut out).unwrap();
    hint::black_box(out);
}

#[test]
fn task() {
    let Some((kind, size)) = work::task() else {
        return;
    };
    let (name, encoding) = kind.split_once(' ').unwrap();
    let mut encodings = Encoding::ALL.into_iter();
    let encoding = encodings.find(|it| it.to_string() == encoding).unwrap();
    for kind in KINDS.iter().filter(|(it, _)| [*it, "all"].contains(&name)) {
        take(&document(*kind, encoding, size), encoding);
    }
}

/// Of one kind of documents, or all.
fn growth(name: &str, encoding: Encoding) -> Option<u64> {
    work::growth(&format!("{name} {encoding}"), SIZE)
}

#[test]
fn each_byte_costs_the_same_at_any_size() {
    for encoding in Encoding::ALL {
        let Some(found) = growth("all", encoding) else {
            return;
        };
        // Some is left to buffers that grow.
        if found < 2050 {
            continue;
        }
        let each = KINDS
            .iter()
            .map(|(name, _)| format!("{name} {:?}", growth(name, encoding)));
        let each: Vec<_> = each.collect();
        panic!("{encoding} costs more the larger it is: {found}, {each:?}");
    }
}
