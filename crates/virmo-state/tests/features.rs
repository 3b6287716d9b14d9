//! The optional features: values as numbers, identifiers as text, strategies that are valid.
#![allow(clippy::unwrap_used, reason = "test code")]

use proptest::prelude::{any, proptest};
use virmo_state::{ImageState, VmId, VmState};

#[test]
fn serde_uses_the_values_of_the_nodes() {
    assert_eq!(serde_json::to_string(&VmState::Suspended).unwrap(), "3");
    assert_eq!(serde_json::to_string(&ImageState::Downloaded).unwrap(), "2");
    assert!(serde_json::from_str::<VmState>("5").is_err());
    assert!(serde_json::from_str::<ImageState>("4").is_err());
    assert!(serde_json::from_str::<VmId>("\"../x\"").is_err());
}

proptest! {
    #[test]
    fn serde_round_trips(id in any::<VmId>(), state in any::<VmState>(), image in any::<ImageState>()) {
        let text = serde_json::to_string(&(&id, state, image)).unwrap();
        assert_eq!(serde_json::from_str::<(VmId, VmState, ImageState)>(&text).unwrap(), (id, state, image));
    }
}
