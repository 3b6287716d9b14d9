//! Both transition tables, cell by cell, against expectations written down from the
//! specification and not from the code.
#![allow(clippy::expect_used, reason = "test code")]

use virmo_state::{
    AccessOperation, ImageNotApplicable, ImageOperation, ImageState, NotApplicable, Primitive,
    VmState,
};

/// The rows of [VirMO §7.1.4]: name, applicable states, state afterwards. A dot is a refusal.
///
/// VR-079, VR-080, VR-081, VR-082, VR-083, VR-084, VR-085, VR-129.
#[rustfmt::skip]
const VM_TABLE: [(&str, [&str; 5]); 7] = [
    //                     NotCreated    PoweredOff  Running       Suspended  Deleted
    ("Create",            ["Running",    ".",        ".",          ".",       "."]),
    ("CreateAndPoweroff", ["PoweredOff", ".",        ".",          ".",       "."]),
    ("Suspend",           [".",          ".",        "Suspended",  ".",       "."]),
    ("Resume",            [".",          ".",        ".",          "Running", "."]),
    ("Poweron",           [".",          "Running",  ".",          ".",       "."]),
    ("Poweroff",          [".",          ".",        "PoweredOff", ".",       "."]),
    ("Delete",            [".",          "Deleted",  "Deleted",    "Deleted", "."]),
];

#[test]
fn every_primitive_in_every_state_is_as_the_specification_says() {
    for (primitive, (name, row)) in Primitive::ALL.into_iter().zip(VM_TABLE) {
        assert_eq!(primitive.name(), name);
        for (state, expected) in VmState::ALL.into_iter().zip(row) {
            match state.after(primitive) {
                Ok(next) => assert_eq!(next.name(), expected, "{primitive} in {state}"),
                Err(error) => {
                    assert_eq!(expected, ".", "{primitive} in {state}");
                    assert_eq!(error, NotApplicable { state, primitive });
                }
            }
        }
    }
}

/// VR-095: the values of `VirMO/<x>/State`.
#[test]
fn vm_state_values_are_those_of_the_node() {
    let expected = [
        (0, "NotCreated", false),
        (1, "PoweredOff", true),
        (2, "Running", true),
        (3, "Suspended", true),
        (4, "Deleted", false),
    ];
    assert_eq!(VmState::ALL.len(), expected.len());
    for (state, (value, name, created)) in VmState::ALL.into_iter().zip(expected) {
        assert_eq!(state.value(), value);
        assert_eq!(VmState::from_value(value), Some(state));
        assert_eq!(state.to_string(), name);
        assert_eq!(state.is_created(), created);
    }
    for value in 5..=u8::MAX {
        assert_eq!(VmState::from_value(value), None);
    }
    assert_eq!(VmState::default().value(), 0);
}

#[rustfmt::skip]
const IMAGE_TABLE: [(ImageOperation, [&str; 4]); 3] = [
    //                                 NotDownloaded  Downloading  Downloaded     DownloadFailed
    (ImageOperation::Download,         ["Downloading", ".",        ".",           "Downloading"]),
    (ImageOperation::DownloadReplaced, ["Downloading", ".",        "Downloading", "Downloading"]),
    (ImageOperation::Delete,           ["gone",        "gone",     "gone",        "gone"]),
];

/// VR-171: an image can be deleted whatever was downloaded of it.
#[test]
fn every_image_operation_in_every_state() {
    for (operation, (expected_operation, row)) in ImageOperation::ALL.into_iter().zip(IMAGE_TABLE) {
        assert_eq!(operation, expected_operation);
        for (state, expected) in ImageState::ALL.into_iter().zip(row) {
            match state.after(operation) {
                Ok(Some(next)) => assert_eq!(next.name(), expected, "{operation:?} in {state}"),
                Ok(None) => assert_eq!(expected, "gone", "{operation:?} in {state}"),
                Err(error) => {
                    assert_eq!(expected, ".", "{operation:?} in {state}");
                    assert_eq!(error, ImageNotApplicable { state, operation });
                }
            }
        }
    }
}

/// VR-162: the values of `VMImgMO/<x>/State`.
#[test]
fn image_state_values_are_those_of_the_node() {
    let expected = [
        (0, "Not Downloaded"),
        (1, "Downloading"),
        (2, "Downloaded"),
        (3, "Download Failed"),
    ];
    assert_eq!(ImageState::ALL.len(), expected.len());
    for (state, (value, name)) in ImageState::ALL.into_iter().zip(expected) {
        assert_eq!(state.value(), value);
        assert_eq!(ImageState::from_value(value), Some(state));
        assert_eq!(state.to_string(), name);
    }
    for value in 4..=u8::MAX {
        assert_eq!(ImageState::from_value(value), None);
    }
    assert_eq!(ImageState::default().value(), 0);
}

#[test]
fn refusals_name_both_sides() {
    let error = ImageState::Downloading
        .after(ImageOperation::DownloadReplaced)
        .expect_err("a download is running");
    assert_eq!(
        error.to_string(),
        "Download does not apply to an image that is Downloading"
    );
    let error = VmState::Deleted
        .after(Primitive::Delete)
        .expect_err("it is gone");
    assert_eq!(
        error.to_string(),
        "Delete does not apply to a VM that is Deleted"
    );
}

/// DR-004, DR-005, DR-020, DR-021: Lock and Unlock keep the State, and apply where there is a
/// machine.
#[test]
fn access_operations_keep_every_state_of_a_machine() {
    for operation in AccessOperation::ALL {
        let kept = VmState::ALL.map(|state| state.after_access(operation).ok());
        let (off, running, suspended) = (VmState::PoweredOff, VmState::Running, VmState::Suspended);
        let machines = [None, Some(off), Some(running), Some(suspended), None];
        assert_eq!(kept, machines, "{operation}");
    }
    let refused = VmState::NotCreated.after_access(AccessOperation::Lock);
    let said = "Lock does not apply to a VM that is NotCreated";
    assert_eq!(refused.unwrap_err().to_string(), said);
    let names = AccessOperation::ALL.map(AccessOperation::name);
    assert_eq!(names, ["Lock", "Unlock", "AllowSharing", "ProhibitSharing"]);
}
