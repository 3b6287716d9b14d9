//! Commands and conditions, each with the status it gets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_core::Format;
use omadm_session::request::{self, Leaf};
use omadm_testkit::{Bench, data, describe, results};

#[test]
fn first() {
    let mut bench = Bench::default();
    let setup = bench.start();
    println!(
        "{}",
        String::from_utf8_lossy(&bench.request.clone().unwrap().body)
    );
    assert_eq!(describe(&setup), "Alert(1201) Replace Final");
    let answer = bench
        .say([
            request::get("./Lamp/Name"),
            request::replace("./Lamp/Level", Leaf::new(Format::Int, "7")),
            request::exec("./Lamp/On", None),
        ])
        .unwrap();
    println!(
        "{}",
        String::from_utf8_lossy(&bench.request.clone().unwrap().body)
    );
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Get=200 Results Replace=200 Exec=200 Final"
    );
    assert_eq!(data(&results(&answer)[0]), "lamp");
    assert_eq!(bench.say([]), None);
    println!(
        "{:?} {:?} {:?}",
        bench.ended,
        bench.events,
        bench.lamp.take()
    );
    println!("{}", bench.dump());
}
