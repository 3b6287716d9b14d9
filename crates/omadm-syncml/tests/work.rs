//! What a message costs grows with its size and no faster.
//!
//! valgrind counts the instructions it takes to read, decode, detach and encode documents of one kind
//! at three sizes: from the second to the third the same number a byte as from the first to the
//! second. Without valgrind the test is skipped, loudly, but fails if the environment has `CI=true`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

use std::{
    env, hint,
    io::ErrorKind,
    process::{Command, Output},
};

use omadm_markup::{Reader, Writer};
use omadm_syncml::{Encoding, Limits, decode, encode};

/// What a child is to do: the kind of document, or all, the encoding, the size.
const TASK: &str = "WORK_OF_TEST";

/// How many times a piece is repeated: three sizes, each twice the one before.
const SIZES: [usize; 3] = [30, 60, 120];

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
fn work(document: &[u8], encoding: Encoding) {
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

/// The child, run under valgrind.
#[test]
fn task() {
    let Ok(task) = env::var(TASK) else { return };
    let mut words = task.split(' ');
    let name = words.next().unwrap();
    let encoding = match words.next().unwrap() {
        "xml" => Encoding::Xml,
        _ => Encoding::Wbxml,
    };
    let size = words.next().unwrap().parse().unwrap();
    for kind in KINDS.iter().filter(|(it, _)| [*it, "all"].contains(&name)) {
        work(&document(*kind, encoding, size), encoding);
    }
}

/// How many instructions a task takes; `None` without valgrind.
fn instructions(name: &str, encoding: Encoding, size: usize) -> Option<u64> {
    let run = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg("--cachegrind-out-file=/dev/null")
        .arg(env::current_exe().unwrap())
        .args(["--exact", "task"])
        .env(TASK, format!("{name} {encoding} {size}"))
        .output();
    let Output { status, stderr, .. } = match run {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let ci = env::var("CI").as_deref() == Ok("true");
            assert!(!ci, "valgrind is missing");
            eprintln!("SKIPPED: valgrind is missing");
            return None;
        }
        run => run.unwrap(),
    };
    let told = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{told}");
    let (_, count) = told.split_once(" refs:").unwrap();
    let count = count.lines().next().unwrap().trim().replace(',', "");
    Some(count.parse().unwrap())
}

/// How much more the step to the third size takes than the step to the second, in thousandths; twice
/// as much is right.
fn growth(name: &str, encoding: Encoding) -> Option<u64> {
    let mut counts = [0; 3];
    for (count, size) in counts.iter_mut().zip(SIZES) {
        *count = instructions(name, encoding, size)?;
    }
    let [first, second, third] = counts;
    Some((third - second) * 1000 / (second - first))
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
