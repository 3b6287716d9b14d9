//! `virmo device`.

use crate::{args::Device, failure::Failure};

pub(crate) fn run(_: &Device) -> Result<(), Failure> {
    Err(Failure::not_built("device"))
}
