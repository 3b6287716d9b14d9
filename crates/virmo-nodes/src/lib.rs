//! The VirMO and VMImgMO definition tables, identifiers, typed paths and DDF files.
