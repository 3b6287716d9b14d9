//! Replays seeds, damaged ones too, and every past finding.

use std::{collections::BTreeSet, fs, path::Path};

use virmo_fuzz::FuzzTarget;

/// At how many places a seed is cut, and damaged, at most.
const PLACES: usize = 400;

/// Each seed as it is; cut and damaged at each `step`th octet, or at fewer if it is long.
fn replay(name: &str) {
    let target = FuzzTarget::named(name).expect("there is such a target");
    for whole in target.seeds() {
        (target.run)(&whole);
        let step = target.step.max(whole.len().div_ceil(PLACES));
        for (nth, at) in (0..whole.len()).step_by(step).enumerate() {
            (target.run)(&whole[..at]);
            let mut damaged = whole.clone();
            for octet in [b"<>&\"'/ x"[nth % 8], whole[at] ^ 1 << (nth % 8)] {
                damaged[at] = octet;
                (target.run)(&damaged);
            }
        }
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*
    };
}

replays! {
    acl agreement bootstrap descriptor device_session document guest libvirt message notification params
    procedures qmp server_session uri vm_operations wbxml xml
}

/// The table of targets, the binaries and the tests here are the same.
#[test]
fn every_target_is_everywhere() {
    let targets: BTreeSet<_> = FuzzTarget::ALL.map(|target| target.name).into();
    let replayed = REPLAYED.iter().copied().collect();
    assert_eq!(targets, replayed);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut binaries = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        binaries.insert(name.expect("it has a name").to_owned());
    }
    let binaries: BTreeSet<_> = binaries.iter().map(String::as_str).collect();
    assert_eq!(binaries, targets);
}
