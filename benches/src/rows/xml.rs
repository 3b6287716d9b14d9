//! XML to messages and back, beside quick-xml.

use std::hint::black_box;

use omadm_syncml::{Encoding, decode, encode};
use quick_xml::{
    Reader, Writer,
    events::{BytesEnd, BytesStart, BytesText, Event},
};

use crate::{
    corpus::{limits, samples},
    rounds::{Table, Target},
};

/// What a writer is told.
enum Told {
    Start(String),
    Text(String),
    End(String),
}

pub fn run(table: &mut Table) {
    let limits = limits();
    for sample in samples() {
        table.row(
            &format!("decode XML, {}", sample.name),
            "quick-xml Reader",
            Target::Speed(0.75),
            || {
                black_box(decode(black_box(&sample.xml), Encoding::Xml, &limits).expect("valid"));
            },
            || {
                let text = std::str::from_utf8(black_box(&sample.xml)).expect("valid");
                let mut reader = Reader::from_str(text);
                while !matches!(black_box(reader.read_event().expect("valid")), Event::Eof) {}
            },
        );
    }
    for sample in samples() {
        let message = decode(&sample.xml, Encoding::Xml, &limits).expect("valid");
        let told = told(std::str::from_utf8(&sample.xml).expect("valid"));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let due = match sample.name.contains("escaped") {
            true => 1.0,
            false => 3.0,
        };
        table.row(
            &format!("encode XML, {}", sample.name),
            "quick-xml Writer",
            Target::Speed(due),
            || {
                ours.clear();
                encode(black_box(&message), Encoding::Xml, &mut ours).expect("valid");
                black_box(&ours);
            },
            || {
                theirs.clear();
                let mut writer = Writer::new(&mut theirs);
                for told in black_box(&told) {
                    let event = match told {
                        Told::Start(name) => Event::Start(BytesStart::new(name)),
                        Told::Text(text) => Event::Text(BytesText::new(text)),
                        Told::End(name) => Event::End(BytesEnd::new(name)),
                    };
                    writer
                        .write_event(event)
                        .expect("a buffer takes everything");
                }
                black_box(&theirs);
            },
        );
    }
}

/// The events of a document; attributes, of which there is a handful, are left out.
fn told(text: &str) -> Vec<Told> {
    let mut told = Vec::new();
    let mut reader = Reader::from_str(text);
    let add = |told: &mut Vec<Told>, more: &str| match told.last_mut() {
        Some(Told::Text(text)) => text.push_str(more),
        _ => told.push(Told::Text(more.to_owned())),
    };
    let name = |octets: &str| octets.to_owned();
    loop {
        match reader.read_event().expect("valid") {
            Event::Start(start) => told.push(Told::Start(name(start.name().as_ref()))),
            Event::Empty(empty) => {
                told.push(Told::Start(name(empty.name().as_ref())));
                told.push(Told::End(name(empty.name().as_ref())));
            }
            Event::End(end) => told.push(Told::End(name(end.name().as_ref()))),
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
            Event::Eof => return told,
            other => panic!("{other:?}"),
        }
    }
}
