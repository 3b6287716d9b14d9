//! XML to messages and back, beside quick-xml.

use std::hint::black_box;

use omadm_syncml::{Encoding, decode, encode};
use quick_xml::{Reader, events::Event};

use crate::{
    corpus::{limits, samples, told, write},
    rounds::{Table, Target},
};

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
        let told = told(&sample.xml);
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
                write(black_box(&told), &mut theirs);
                black_box(&theirs);
            },
        );
    }
}
