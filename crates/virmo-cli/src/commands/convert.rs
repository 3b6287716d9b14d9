//! `virmo convert`.

use crate::{args::Convert, failure::Failure};

pub(crate) fn run(_: &Convert) -> Result<(), Failure> {
    Err(Failure::not_built("convert"))
}
