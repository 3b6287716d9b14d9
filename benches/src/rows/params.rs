//! `key=value` lists, beside an iterator that splits and checks nothing.

use std::{fmt::Write, hint::black_box};

use virmo_params::{Limits, Pairs, ResourceConfig};

use crate::{
    allocations,
    rounds::{Table, Target},
};

const RESOURCES: &str = "RAM=268435456&Storage=1073741824&CPU=10&Network=10";

const VENDORS: &str = "RAM=268435456&Storage=1073741824&CPU=10&Network=10\
    &OEM.Disks=2&OEM.Cores=4&OEM.Queue=16&OEM.Class=gold";

pub fn run(table: &mut Table) {
    for keys in [2, 4, 100] {
        let mut text = String::new();
        for key in 0..keys {
            let and = if key == 0 { "" } else { "&" };
            write!(text, "{and}vendor{key}=value-{key}").expect("text takes everything");
        }
        table.row(
            &format!("parse {keys} pairs"),
            "split",
            Target::Time(1.3),
            || {
                let pairs = Pairs::new(black_box(&text), Limits::default()).expect("short");
                pairs.for_each(|pair| {
                    black_box(pair.expect("valid"));
                });
            },
            || {
                let pairs = black_box(&text).split('&').map(|pair| pair.split_once('='));
                pairs.for_each(|pair| {
                    black_box(pair.expect("valid"));
                });
            },
        );
    }
    for (what, text) in [("4 keys", RESOURCES), ("8 keys, 4 of a vendor", VENDORS)] {
        let parse = || text.parse::<ResourceConfig>().expect("valid");
        let count = allocations::count(|| black_box(parse()));
        table.count(&format!("allocations, resources of {what}"), 1, count);
    }
}
