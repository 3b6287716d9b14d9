//! The example of a gateway, run to its end.

#[path = "../examples/gateway.rs"]
#[allow(dead_code, reason = "its main is another program's")]
mod gateway;

/// VR-208 to VR-212: a device with VMs, its server over HTTP, and the DM client of a guest that is
/// reached over the line to the guest alone: by a notification, and by a session of the gateway's.
#[test]
fn a_guest_is_reached_in_both_modes() {
    let mut said = Vec::new();
    gateway::run(|line| said.push(line)).unwrap();
    let result = said.pop().unwrap();
    assert_eq!(
        said,
        [
            "done",
            "done",
            "done",
            "done",
            "vm-1 opens session 7",
            "done",
            "done"
        ]
    );
    assert!(result.contains("<Data>200</Data>"), "{result}");
    assert!(result.contains("<Data>Guest</Data>"), "{result}");
}
