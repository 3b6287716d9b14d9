//! `virmo ddf`.

use virmo::{
    dm::{
        mo::{DEV_DETAIL, DEV_INFO, DM_ACC, Definition, ddf},
        objects::{DCMO, FUMO, LAWMO, SCOMO},
    },
    nodes::{VIRMO, VMIMGMO},
};

use super::device::profile;
use crate::{
    args::{Ddf, Object},
    failure::Failure,
    output,
};

pub(crate) fn run(args: &Ddf) -> Result<(), Failure> {
    profile(args.profile)?;
    let document = ddf::write(definition(args.object)?).map_err(Failure::work)?;
    output::print(document.as_bytes())
}

fn definition(object: Object) -> Result<&'static Definition, Failure> {
    match object {
        Object::Virmo => Ok(&VIRMO),
        Object::Vmimgmo => Ok(&VMIMGMO),
        Object::Devinfo => Ok(&DEV_INFO),
        Object::Devdetail => Ok(&DEV_DETAIL),
        Object::Dmacc => Ok(&DM_ACC),
        Object::Lawmo => Ok(&LAWMO),
        Object::Dcmo => Ok(&DCMO),
        Object::Fumo => Ok(&FUMO),
        Object::Scomo => Ok(&SCOMO),
    }
}
