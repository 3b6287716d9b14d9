use omadm_mo::Mount;
use omadm_tree::Uri;

use crate::{VIRMO, VMIMGMO, VmNode};

/// Which optional nodes of the Virtualization MO a device has.
///
/// `Ext` is always there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Features {
    /// `Operations/Suspend` and `Operations/Resume`: both or none. Default: yes.
    pub suspend: bool,
    /// `UI` and `Operations/ExecUICmd`: both or none. Default: no.
    pub user_interaction: bool,
    /// `DMTree`, which appears when a server Adds it. Default: no.
    pub dm_tree: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            suspend: true,
            user_interaction: false,
            dm_tree: false,
        }
    }
}

impl Features {
    /// The Virtualization MO at `root`, with these features.
    #[must_use]
    pub fn virmo(self, root: Uri) -> Mount {
        let optional = [
            (self.suspend, VmNode::Suspend),
            (self.suspend, VmNode::Resume),
            (self.user_interaction, VmNode::Ui),
            (self.user_interaction, VmNode::ExecUiCmd),
            (self.dm_tree, VmNode::DmTree),
        ];
        optional
            .into_iter()
            .filter(|(present, _)| !present)
            .fold(Mount::new(root, &VIRMO), |mount, (_, node)| {
                mount.without(node.path())
            })
    }
}

/// The VM Image MO at `root`.
#[must_use]
pub fn vmimgmo(root: Uri) -> Mount {
    Mount::new(root, &VMIMGMO)
}
