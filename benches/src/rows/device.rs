//! What a device does with a message, beside reading it and writing the answer.

use crate::{
    device::Device,
    recorded::{Recorded, codecs},
    rounds::{Table, Target},
};

pub fn run(table: &mut Table) {
    let what = "device, a session of 1 KB messages";
    if !table.wants(what) {
        return;
    }
    let mut recorded = Recorded::new(Device::with_machines(1), 0);
    let length = recorded.said[1].body.len();
    assert!((900..1150).contains(&length), "{length}");
    let said: Vec<Vec<u8>> = recorded.said.iter().map(|it| it.body.clone()).collect();
    let answered = recorded.answered.clone();
    let mut out = Vec::new();
    table.row(
        what,
        "decode and encode alone",
        Target::Time(3.0),
        || recorded.again(),
        || codecs(&said, &answered, &mut out),
    );
}
