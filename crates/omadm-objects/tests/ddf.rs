//! The DDF files are what the tables say. `UPDATE_GOLDEN=1 cargo test -p omadm-objects --test ddf`
//! writes them.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::{env, fs, path::PathBuf};

use omadm_mo::{Definition, ddf};
use omadm_objects::{DCMO, FUMO, LAWMO, SCOMO};
use omadm_testkit::ddf::validate;

fn golden(definition: &Definition) {
    assert_eq!(definition.check(), Ok(()));
    let text = ddf::write(definition).unwrap();
    validate(&text).unwrap();
    let file = format!("ddf/{}.ddf", definition.file_name());
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

#[test]
fn lawmo() {
    assert_eq!(LAWMO.moid, "urn:oma:mo:oma-lawmo:1.0");
    golden(&LAWMO);
}

#[test]
fn dcmo() {
    assert_eq!(DCMO.moid, "urn:oma:mo:oma-dcmo:1.0");
    golden(&DCMO);
}

#[test]
fn fumo() {
    assert_eq!(FUMO.moid, "urn:oma:mo:oma-fumo:1.0");
    golden(&FUMO);
}

#[test]
fn scomo() {
    assert_eq!(SCOMO.moid, "urn:oma:mo:oma-scomo:1.0");
    golden(&SCOMO);
}
