//! How often the message of 1 KB allocates.

use omadm_syncml::{Encoding, decode, encode};

use crate::{
    allocations,
    corpus::{limits, samples},
    rounds::Table,
};

pub fn run(table: &mut Table) {
    let limits = limits();
    for sample in samples().iter().take(1) {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let octets = match encoding {
                Encoding::Xml => &sample.xml,
                Encoding::Wbxml => &sample.wbxml,
            };
            let read = || decode(octets, encoding, &limits).expect("valid");
            let count = allocations::count(read);
            table.count(&format!("allocations, decode {encoding}, 1 KB"), 8, count);
            let message = read();
            let mut out = Vec::with_capacity(4096);
            let write = || encode(&message, encoding, &mut out).expect("valid");
            let count = allocations::count(write);
            table.count(&format!("allocations, encode {encoding}, 1 KB"), 0, count);
        }
    }
}
