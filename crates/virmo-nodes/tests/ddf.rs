//! The DDF files are what the tables say. `UPDATE_GOLDEN=1 cargo test -p virmo-nodes` writes them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{env, fs, path::PathBuf};

use omadm_mo::{Definition, ddf};
use omadm_testkit::ddf::validate;
use virmo_nodes::{VIRMO, VIRMO_DRAFT, VMIMGMO};

fn golden(definition: &Definition, folder: &str) {
    let text = ddf::write(definition).unwrap();
    validate(&text).unwrap();
    let file = format!("{folder}/{}.ddf", definition.file_name());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap();
    assert!(
        stored == text,
        "{} is not what the table says",
        path.display()
    );
}

/// VR-254, VR-256: the file is named as the release information says.
#[test]
fn virmo() {
    assert_eq!(VIRMO.file_name(), "VirMO-V1_0");
    golden(&VIRMO, "ddf");
}

/// VR-255, VR-257: the file is named as the release information says.
#[test]
fn vmimgmo() {
    assert_eq!(VMIMGMO.file_name(), "VMImgMO-V1_0");
    golden(&VMIMGMO, "ddf");
}

/// The draft's has the same name, as it has the same identifier.
#[test]
fn virmo_draft() {
    golden(&VIRMO_DRAFT, "ddf/draft");
}
