//! OMA VirMO 1.0 on a complete OMA DM stack: one crate that re-exports the rest.
