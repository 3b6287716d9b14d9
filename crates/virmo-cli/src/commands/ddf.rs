//! `virmo ddf`.

use virmo::{
    dm::{
        mo::{DEV_DETAIL, DEV_INFO, DM_ACC, Definition, ddf},
        objects::{DCMO, FUMO, LAWMO, SCOMO},
    },
    nodes::Profile,
};

use crate::{
    args::{Ddf, Object},
    failure::Failure,
    output,
};

pub(crate) fn run(args: &Ddf) -> Result<(), Failure> {
    let definition = definition(args.object, args.profile.into())?;
    let document = ddf::write(definition).map_err(Failure::work)?;
    output::print(document.as_bytes())
}

fn definition(object: Object, profile: Profile) -> Result<&'static Definition, Failure> {
    match object {
        Object::Virmo => Ok(profile.virmo()),
        Object::Vmimgmo => Ok(profile.vmimgmo()),
        Object::Devinfo => Ok(&DEV_INFO),
        Object::Devdetail => Ok(&DEV_DETAIL),
        Object::Dmacc => Ok(&DM_ACC),
        Object::Lawmo => Ok(&LAWMO),
        Object::Dcmo => Ok(&DCMO),
        Object::Fumo => Ok(&FUMO),
        Object::Scomo => Ok(&SCOMO),
    }
}
