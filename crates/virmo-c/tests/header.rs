//! `include/virmo.h` is what cbindgen makes of the sources. With `UPDATE_GOLDEN` in the environment
//! it is written instead; look at the difference.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::{env, fs, path::Path};

#[test]
fn the_header_is_that_of_the_sources() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = builder.with_src(folder.join("src/lib.rs"));
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();

    let header = folder.join("include/virmo.h");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&header, made).unwrap();
        return;
    }
    let kept = fs::read_to_string(&header).unwrap_or_default();
    assert!(
        kept == made,
        "make it anew: UPDATE_GOLDEN=1 cargo test -p virmo-c --test header"
    );
}
