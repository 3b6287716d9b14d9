//! `virmo serve`.

use crate::{args::Serve, failure::Failure};

pub(crate) fn run(_: &Serve) -> Result<(), Failure> {
    Err(Failure::not_built("serve"))
}
