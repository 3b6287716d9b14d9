//! Sessions of random commands, legal and illegal, alone and in groups: the statuses, what is read
//! and the tree in the end are those of the reference tree, whether a command waits for somebody or not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod garden;
mod strategies;
mod wire;

use omadm_core::StatusCode;
use omadm_syncml::Meta;
use omadm_testkit::{SERVER_ID, results, statuses};
use omadm_tree::{
    Acl, Principal, Tree, TreeLimits, Uri, UriLimits,
    reference::{ReferenceTree, Step},
};
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::{
    garden::bench,
    strategies::step,
    wire::{expected, gets, packed, sent, shown},
};

/// What a message holds at most: every document in one piece.
const MESSAGE_BYTES: u64 = 1 << 20;

/// Plays packages of commands in one session, on a device and on the reference tree; how many
/// commands were put off.
fn run(packages: &[Vec<Step>], limits: TreeLimits) -> usize {
    let mut put_off = 0;
    let (mut bench, layout) = bench(limits);
    let by = Principal::Server(SERVER_ID.parse().unwrap());
    let mut model = ReferenceTree::of(bench.client.tree());
    bench.start();
    for steps in packages {
        let mut statuses_due = Vec::new();
        let mut results_due = Vec::new();
        for step in steps {
            let outcomes = model.play(&layout, &by, step, bench.clock.now());
            statuses_due.extend(packed(step, &outcomes));
            let mut commands = Vec::new();
            gets(step, &mut commands);
            for (items, outcome) in commands.into_iter().zip(outcomes) {
                let read = items
                    .iter()
                    .zip(outcome.statuses)
                    .filter(|(_, status)| *status == StatusCode::OK);
                for ((item, _), reading) in read.zip(outcome.readings) {
                    results_due.extend(expected(item, reading));
                }
            }
        }
        let mut header = bench.script.header();
        header.meta = Meta::new().with_max_msg_size(MESSAGE_BYTES);
        let acknowledged = bench.script.acknowledge().into_iter();
        let commands = acknowledged.chain(steps.iter().map(sent));
        let body = bench.script.write_as(&header, commands, true);
        let mut found = bench.deliver(&body);
        let mut found = loop {
            if let Some(found) = found {
                break found;
            }
            put_off += 1;
            bench.finish_job();
            found = bench.read();
        };
        let (mut codes, mut read) = (statuses(&found), shown(results(&found)));
        while !found.is_final {
            found = bench.say([]).unwrap();
            codes.extend(statuses(&found));
            read.extend(shown(results(&found)));
        }
        assert_eq!(codes, statuses_due, "{steps:#?}");
        assert_eq!(read, results_due, "{steps:#?}");
        assert_eq!(ReferenceTree::of(bench.client.tree()), model, "{steps:#?}");
    }
    let journal = bench.journal.clone();
    let stored = Tree::load(&journal, limits, Acl::root_default()).unwrap();
    let root = |tree: &Tree| tree.node(&Uri::root()).unwrap().acl().clone();
    if root(&stored) == root(bench.client.tree()) {
        assert_eq!(ReferenceTree::of(&stored), model);
    }
    put_off
}

fn narrow() -> TreeLimits {
    let mut limits = TreeLimits::default();
    limits.nodes = 50;
    limits.children = 6;
    limits.value_bytes = 50;
    limits.total_bytes = 120;
    limits.acl_bytes = 60;
    limits.type_bytes = 30;
    limits.list_nodes = 20;
    limits.implicit_ancestors = 3;
    limits.uri = UriLimits::new(6, 40, 20);
    limits
}

fn session() -> impl Strategy<Value = Vec<Vec<Step>>> {
    vec(vec(step(), 1..8), 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_session_does_what_the_reference_does(session in session()) {
        run(&session, TreeLimits::default());
    }

    #[test]
    fn also_within_narrow_limits(session in session()) {
        run(&session, narrow());
    }
}

#[test]
fn a_long_session_does_what_the_reference_does() {
    let mut runner = TestRunner::deterministic();
    let package = vec(step(), 20);
    let session: Vec<Vec<Step>> = (0..50)
        .map(|_| package.new_tree(&mut runner).unwrap().current())
        .collect();
    assert!(run(&session, TreeLimits::default()) > 50);
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
