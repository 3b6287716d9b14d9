//! WBXML to messages, and whole conversions; the anchor is our own XML, which has rows of its own.

use std::hint::black_box;

use omadm_syncml::{Encoding, decode};

use crate::{
    corpus::{limits, samples},
    rounds::{Table, Target},
};

pub fn run(table: &mut Table) {
    let limits = limits();
    for sample in samples() {
        table.row(
            &format!("decode WBXML, {}", sample.name),
            "our decoder of XML",
            Target::Speed(1.0),
            || {
                let message = decode(black_box(&sample.wbxml), Encoding::Wbxml, &limits);
                black_box(message.expect("valid"));
            },
            || {
                black_box(decode(black_box(&sample.xml), Encoding::Xml, &limits).expect("valid"));
            },
        );
    }
}
