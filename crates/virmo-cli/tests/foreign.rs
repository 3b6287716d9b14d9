//! The program against a foreign peer, which shares no crate with it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use std::thread;

#[path = "support/peer.rs"]
mod peer;

use peer::{Device, Server, command};

#[test]
fn the_foreign_ends_understand_each_other() {
    let server = Server::bind();
    let url = server.url();
    let device = thread::spawn(move || {
        let mut device = Device::default();
        (device.session(&url), device.session(&url))
    });
    let mut packages = 0;
    server.session(|answers| {
        packages += 1;
        match packages {
            1 => vec![
                command("Add", "./VMImgMO/entvm", "node", ""),
                command("Get", "./VMImgMO/entvm/State", "", ""),
                command("Get", "./VMImgMO/no", "", ""),
                command("Exec", "./VMImgMO/entvm/Operations/Download", "", ""),
            ],
            2 => {
                assert_eq!(
                    answers.status.values().collect::<Vec<_>>(),
                    [&200, &200, &404, &202]
                );
                assert_eq!(answers.results[&1], "0");
                Vec::new()
            }
            _ => unreachable!(),
        }
    });
    server.session(|answers| {
        assert_eq!(answers.alerts[0].1, "./VMImgMO/entvm/Operations/Download");
        Vec::new()
    });
    assert_eq!(device.join().unwrap(), (4, 0));
}
