//! What the two processes take when they do nothing, and after many sessions.

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    count,
    process::Process,
    serve::{GOOD, serve, steps_are_good},
};

/// After so many sessions everything is as large as it gets.
const WARM: usize = 300;

/// What a device may take that does nothing, in KiB, and by how much either process may grow over
/// any number of sessions.
const IDLE: usize = 32 << 10;
const BAND: usize = 1 << 10;

fn sessions() -> usize {
    count("FLOOD_SESSIONS", 700)
}

/// One device holds session after session with one server, which keeps the last.
#[test]
fn memory_is_flat_over_many_sessions() {
    let folder = TempDir::new().unwrap();
    let (mut server, url) = serve(&folder);
    let words = [
        "device",
        "--server",
        &url,
        "--json",
        "--device-id",
        GOOD,
        "--interval",
        "0.001",
    ];
    let ended = |event: &Value| event["event"] == "session" && event.get("result").is_some();
    let mut device = Process::start(&words, ended);
    steps_are_good(&server);
    let hold = |sessions: usize| {
        for _ in 0..sessions {
            let event = device.event().expect("the device ended");
            assert_eq!(event["result"], "completed", "{event}");
        }
        (device.memory(), server.memory())
    };
    let (device_before, server_before) = hold(WARM);
    let (device_after, server_after) = hold(sessions());
    eprintln!(
        "{} sessions: device {} to {} KiB, serve {} to {} KiB",
        sessions(),
        device_before.now,
        device_after.now,
        server_before.now,
        server_after.now
    );
    assert!(device_before.now <= IDLE, "{device_before:?}");
    assert!(
        device_after.own <= device_before.own + BAND,
        "{device_before:?} {device_after:?}"
    );
    assert!(
        server_after.own <= server_before.own + BAND,
        "{server_before:?} {server_after:?}"
    );
    device.is_well(IDLE + BAND);
    server.is_well(usize::MAX);
}
