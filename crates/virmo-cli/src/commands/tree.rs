//! `virmo tree`.

use crate::{args::Tree, failure::Failure};

pub(crate) fn run(_: &Tree) -> Result<(), Failure> {
    Err(Failure::not_built("tree"))
}
