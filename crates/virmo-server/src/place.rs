use omadm_core::StatusCode;
use omadm_session::{Reply, Report};
use omadm_tree::Uri;
use virmo_nodes::{Profile, VmNode};

use crate::{flow::failure, mounts::place};

/// Where a companion object is: LAWMO, DCMO, FUMO or SCOMO.
///
/// ```
/// use omadm_tree::Uri;
/// use virmo_server::{Manage, Mounts, Place};
///
/// // The firmware of a machine, and that of a device that may have none.
/// let of_vm = Manage::update_firmware(Mounts::default().vm("work")?, "https://fw.example/2");
/// let fumo = Place::Object(Uri::parse("./FUMO")?);
/// let of_device = Manage::update_firmware(fumo, "https://fw.example/2");
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Below the `DMTree` of the machine at this address, where it is added if it is not there.
    /// [VirMO §11.2]
    Vm(Uri),
    /// The same on a device of the [draft](crate::Profile::Draft), which has it at `Ext/DMTree`.
    DraftVm(Uri),
    /// At this address, such as `./SCOMO` of a device: its root, which has to be there. For DCMO it is
    /// the node that the capabilities are below.
    Object(Uri),
}

impl From<Uri> for Place {
    fn from(vm: Uri) -> Self {
        Self::Vm(vm)
    }
}

impl Place {
    /// The root of the object with this name.
    pub(crate) fn object(&self, name: &str) -> Uri {
        match (self, self.dm_tree()) {
            (Self::Object(root), _) => root.clone(),
            (Self::Vm(at) | Self::DraftVm(at), dm_tree) => {
                below(dm_tree.as_ref().unwrap_or(at), &[name])
            }
        }
    }

    /// The `DMTree` of a machine.
    pub(crate) fn dm_tree(&self) -> Option<Uri> {
        self.node(VmNode::DmTree)
    }

    fn node(&self, node: VmNode) -> Option<Uri> {
        match self {
            Self::Vm(vm) => Some(place(Profile::Approved, vm, node)),
            Self::DraftVm(vm) => Some(place(Profile::Draft, vm, node)),
            Self::Object(_) => None,
        }
    }

    /// What has to be read before anything is made.
    pub(crate) fn looks(&self) -> Vec<Uri> {
        // The Add of a DMTree could make a machine that is not there.
        self.node(VmNode::State).into_iter().collect()
    }

    /// What was read behind that; the report of the failure if something is faulty rather than
    /// missing.
    pub(crate) fn read<'r>(&self, replies: &'r [Reply]) -> Result<&'r [Reply], Report> {
        let read = match (self, replies) {
            (Self::Object(_), _) | (_, []) => replies,
            (_, [state, read @ ..]) if state.is_success() => read,
            (_, [state, ..]) => return Err(failure(state)),
        };
        match read
            .iter()
            .rev()
            .find(|reply| !reply.is_success() && !is_missing(reply))
        {
            Some(faulty) => Err(failure(faulty)),
            None => Ok(read),
        }
    }
}

/// Whether a node is not there; what a server may not read is as good as that.
pub(crate) fn is_missing(reply: &Reply) -> bool {
    let codes = [StatusCode::NOT_FOUND, StatusCode::COMMAND_NOT_ALLOWED];
    reply.status().is_some_and(|code| codes.contains(&code))
}

/// A node whose names are known to be names.
pub(crate) fn below(at: &Uri, names: &[&str]) -> Uri {
    names
        .iter()
        .fold(at.clone(), |uri, name| uri.child(name).unwrap_or(uri))
}
