//! `virmo unlock`.

use virmo::{
    client::{UnlockError, Users},
    dm::tree::{Acl, Tree, TreeLimits, Uri},
};

use super::{
    device::chain,
    hypervisor::Backend,
    tree::{open, shown},
};
use crate::{args, failure::Failure, output};

pub(crate) fn run(args: &args::Unlock) -> Result<(), Failure> {
    let (folder, node) = (&args.state, &args.node);
    let journal = open(folder)?;
    let tree = Tree::load(&journal, TreeLimits::default(), Acl::default())
        .map_err(|error| Failure::work(chain(&error)))?;
    let vm = Uri::parse("./VirMO").and_then(|root| root.child(node));
    let vm = vm.map_err(|error| Failure::usage(format_args!("{node}: {error}")))?;
    if tree.node(&vm).is_none() {
        return Err(Failure::work(format_args!("{vm}: there is no such VM")));
    }
    let hypervisor = Backend::of_folder(folder)?.open(folder, &[])?;
    Users::of_tree(hypervisor, &tree)
        .unlock(node)
        .map_err(|error| match error {
            UnlockError::NotAuthorized => Failure::work(format_args!(
                "{vm}: its server does not let its user unlock it"
            )),
            error => Failure::work(format_args!("{vm}: {}", chain(&error))),
        })?;
    output::print(format!("{} is unlocked\n", shown(node)).as_bytes())
}
