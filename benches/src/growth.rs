//! What things cost as they grow: the processor's time of this thread, the median of five rounds.

use std::hint::black_box;

use omadm_core::Now;
use omadm_syncml::{
    CmdId, Command, Encoding, Header, Item, Message, Meta, Results, decode, encode,
};
use omadm_tree::Uri;
use rustix::time::ClockId;
use virmo::dm::{
    core::{Batch, Format},
    tree::Value,
};

use crate::{
    allocations,
    corpus::limits,
    device::Device,
    forest::{self, Anything, Nowhere, shuffled},
    recorded::Recorded,
    rounds::now,
    sessions::{Opener, basic, has_get, sessions},
};

pub fn run() {
    messages();
    trees();
    machines();
    devices();
}

/// Seconds for each of some things, the median of five rounds.
fn cost(things: usize, mut act: impl FnMut()) -> f64 {
    let mut rounds = [0.0; 5];
    for round in &mut rounds {
        let started = now(ClockId::ThreadCPUTime);
        act();
        *round = (now(ClockId::ThreadCPUTime) - started) / things as f64;
    }
    rounds.sort_by(f64::total_cmp);
    rounds[2]
}

fn messages() {
    println!(
        "| Items of Results | bytes of XML | decode XML | encode XML | bytes of WBXML | decode WBXML | encode WBXML |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    let limits = limits();
    for items in [10, 100, 1000, 10_000] {
        let all = (0..items).map(|item| {
            let meta = Meta::new().with_format(Format::Chr);
            let at = format!("./VirMO/vm{item}/Resources/CurrentConfig");
            let config = format!("RAM={item}&Storage=1073741824&CPU=10&Network=10");
            Item::new()
                .with_source(at)
                .with_meta(meta)
                .with_data(config)
        });
        let header = Header::new("1F", 2, "http://dm.example/dm", "urn:x:device:7");
        let mut message = Message::new(header);
        let mut results = Results::new(1, CmdId::FIRST, all.collect::<Vec<_>>());
        results.cmd_id = Some(CmdId::FIRST);
        message.commands = vec![Command::Results(results)];
        message.is_final = true;
        let mut cells = Vec::new();
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let mut out = Vec::new();
            encode(&message, encoding, &mut out).expect("valid");
            let (octets, turns) = (out.clone(), 200_000 / items);
            let bytes = turns * octets.len();
            let read = cost(bytes, || {
                for _ in 0..turns {
                    black_box(decode(black_box(&octets), encoding, &limits).expect("valid"));
                }
            });
            let write = cost(bytes, || {
                for _ in 0..turns {
                    out.clear();
                    encode(black_box(&message), encoding, &mut out).expect("valid");
                }
            });
            cells.push(format!(
                "{} | {:.2} ns a byte | {:.2} ns a byte",
                octets.len(),
                read * 1e9,
                write * 1e9
            ));
        }
        println!("| {items} | {} |", cells.join(" | "));
    }
    println!();
}

fn trees() {
    println!("| nodes | add and commit one | get one | list, for each child | bytes a node |");
    println!("|--:|--:|--:|--:|--:|");
    for nodes in [1000, 10_000, 100_000, 1_000_000] {
        let plan = forest::plan(nodes);
        let (mut tree, held) = allocations::held(|| forest::tree(&plan));
        let uri = |path: &str| Uri::parse(path).expect("an address");
        let some = |keep: fn(&forest::Planned) -> bool| -> Vec<Uri> {
            let all = plan.iter().filter(|planned| keep(planned));
            let all: Vec<_> = all.collect();
            let picked = shuffled(all.len()).into_iter().take(10_000);
            picked.map(|at| uri(&all[at].path)).collect()
        };
        let wanted = some(|_| true);
        let get = cost(wanted.len(), || {
            for uri in &wanted {
                black_box(tree.node(uri).expect("planned").octets());
            }
        });
        let interior = some(|planned| planned.value.is_none() && planned.path != "VirMO");
        let mut children = 0;
        for uri in &interior {
            children += tree.node(uri).expect("planned").children().count();
        }
        let list = cost(children, || {
            for uri in &interior {
                for child in tree.node(uri).expect("planned").children() {
                    black_box(child.name());
                }
            }
        });
        // Machines beside those that are there, each with a leaf.
        let mut number = 0;
        let add = cost(2000, || {
            for _ in 0..1000 {
                number += 7919;
                let uri = uri(&format!("VirMO/new-{:06}/State", number % 1_000_000));
                let mut transaction = tree.begin(forest::now());
                transaction
                    .set(&Anything, &uri, Value::int(1))
                    .expect("within the limits");
                transaction
                    .commit(&Nowhere, Batch::new())
                    .expect("kept nowhere");
            }
        });
        println!(
            "| {nodes} | {:.0} ns | {:.0} ns | {:.0} ns | {:.0} |",
            add * 1e9,
            get * 1e9,
            list * 1e9,
            held as f64 / nodes as f64
        );
    }
    println!();
}

fn machines() {
    println!("| VMs | nodes of the tree | a message of 1 KB in, statuses out |");
    println!("|--:|--:|--:|");
    for machines in [1, 10, 100, 1000] {
        let device = Device::with_machines(machines);
        let nodes = device.client.tree().node_count();
        let mut recorded = Recorded::new(device, machines / 2);
        let messages = recorded.said.len();
        let each = cost(10 * messages, || (0..10).for_each(|_| recorded.again()));
        println!("| {machines} | {nodes} | {:.1} µs |", each * 1e6);
    }
    println!();
}

fn devices() {
    println!(
        "| devices with an open session | package 1 in, the Get that waits out | bytes a session, its answer included |"
    );
    println!("|--:|--:|--:|");
    for devices in [1, 10, 100, 1000, 10_000, 100_000] {
        // What is made once is not counted.
        drop(sessions(1, basic()));
        let ((mut server, _), held) = allocations::held(|| sessions(devices, basic()));
        let mut opener = Opener::new(basic());
        let rounds = 200;
        let new = (1 << 30)..(1 << 30) + 5 * rounds;
        new.clone()
            .for_each(|number| opener.ask(&mut server, number));
        let (mut new, mut answers) = (new, Vec::with_capacity(5 * rounds));
        let each = cost(rounds, || {
            for number in new.by_ref().take(rounds) {
                // As the runtime does before each message.
                black_box(server.expire(Now::default()));
                answers.push(opener.open(&mut server, number));
            }
        });
        assert_eq!(answers.len(), 5 * rounds);
        assert!(answers.iter().all(|answer| has_get(answer)));
        println!(
            "| {devices} | {:.1} µs | {} |",
            each * 1e6,
            held as usize / devices
        );
    }
}
