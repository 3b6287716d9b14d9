//! The key=value parameter grammar of VirMO 1.0, typed.
