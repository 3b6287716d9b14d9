//! What the libraries themselves show.

use virmo::nodes::{VIRMO, VMIMGMO};

use crate::{
    Failed,
    scenario::{Done, scenarios},
};

mod guests;

pub(crate) use guests::{
    A_CLIENT_IN_A_VM_IS_ONE_MORE_DEVICE, A_GATEWAY_RELATES_TWO_SESSIONS,
    A_NOTIFICATION_PASSES_A_GATEWAY,
};

scenarios! {
    Own:
    REGISTERED_OBJECTS = registered_objects;
}

/// [VirMO §13.2]
fn registered_objects() -> Done {
    for (object, name, moid) in [
        (&VIRMO, "VirMO", "urn:oma:mo:oma-virmo:1.0"),
        (&VMIMGMO, "VMImgMO", "urn:oma:mo:oma-vmimgmo:1.0"),
    ] {
        if object.name != name || object.moid != moid {
            return Err(Failed::new(format_args!(
                "{} is {}",
                object.name, object.moid
            )));
        }
    }
    Ok(())
}
