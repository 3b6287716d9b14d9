//! A node that is durable, beside the least anybody could do: append its record to a file and sync
//! it. What is measured is time on the wall, since it is spent waiting.

use std::{fs::File, io::Write};

use omadm_core::{Batch, Journal, Space};
use omadm_store::RedbJournal;
use omadm_tree::{Acl, Tree, TreeLimits, Uri, Value};
use rustix::time::ClockId;

use crate::{
    forest::{Anything, now},
    rounds::{self, Table, Target},
};

/// How many commits a round has.
const COMMITS: u32 = 50;

pub fn run(table: &mut Table) {
    let what = "durable commit of one node";
    if !table.wants(what) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let journal = RedbJournal::open(folder.path().join("journal")).expect("a new journal");
    let uri: Uri = "./VirMO/entvm/State".parse().expect("an address");
    let mut tree = Tree::load(&journal, TreeLimits::default(), Acl::new()).expect("empty");
    let mut state = 0;
    let mut set = move |journal: &RedbJournal| {
        state += 1;
        let mut transaction = tree.begin(now());
        transaction
            .set(&Anything, &uri, Value::int(state))
            .expect("within the limits");
        transaction
            .commit(journal, Batch::new())
            .expect("there is room");
    };
    set(&journal);
    let mut record = Vec::new();
    let mut last = |_: &[u8], found: &[u8]| record = found.to_vec();
    journal.scan(Space::TREE, &mut last).expect("readable");
    let mut file = File::create(folder.path().join("appended")).expect("a new file");
    table.rounds(
        what,
        "append and fdatasync",
        Target::Time(1.6),
        || on_the_wall(|| set(&journal)),
        || {
            on_the_wall(|| {
                file.write_all(&record).expect("there is room");
                file.sync_data().expect("there is room");
            })
        },
    );
}

/// Seconds that one turn of a round takes.
fn on_the_wall(mut act: impl FnMut()) -> f64 {
    let started = rounds::now(ClockId::Monotonic);
    for _ in 0..COMMITS {
        act();
    }
    (rounds::now(ClockId::Monotonic) - started) / f64::from(COMMITS)
}
