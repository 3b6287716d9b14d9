//! `virmo ddf`.

use crate::{args::Ddf, failure::Failure};

pub(crate) fn run(_: &Ddf) -> Result<(), Failure> {
    Err(Failure::not_built("ddf"))
}
