//! `virmo unlock`.

use virmo::{
    client::{UnlockError, Users},
    dm::tree::{Acl, Tree, TreeLimits, Uri},
    nodes::Profile,
};

use super::{
    device::chain,
    hypervisor::Backend,
    tree::{open, shown},
};
use crate::{args, failure::Failure, output};

/// Where VMs are.
const ROOT: &str = "./VirMO";

pub(crate) fn run(args: &args::Unlock) -> Result<(), Failure> {
    let folder = &args.state;
    let below = args.node.strip_prefix(ROOT);
    let below = below.and_then(|below| below.strip_prefix('/'));
    let node = below.unwrap_or(&args.node);
    let journal = open(folder)?;
    let tree = Tree::load(&journal, TreeLimits::default(), Acl::default())
        .map_err(|error| Failure::work(chain(&error)))?;
    let root = Uri::parse(ROOT).map_err(Failure::work)?;
    let vm = root
        .child(node)
        .map_err(|error| Failure::usage(format_args!("{node}: {error}")))?;
    if tree.node(&vm).is_none() {
        return Err(Failure::work(format_args!("{vm}: there is no such VM")));
    }
    if let Some(other) = Profile::Draft.other_in(&tree, &root) {
        return Err(Failure::work(format_args!(
            "--state {}: its VMs are of the {other} profile; users unlock VMs of the draft profile alone",
            folder.display()
        )));
    }
    let hypervisor = Backend::of_folder(folder)?.open(folder, &[], false)?;
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
