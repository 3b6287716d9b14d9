use omadm_mo::Mount;
use omadm_tree::Uri;

use crate::{Profile, VMIMGMO, VmNode};

/// The text a device follows, and which optional nodes of the Virtualization MO it has.
///
/// `Ext` is always there. A feature the text has no node for is ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Features {
    /// Default: the approved text.
    pub profile: Profile,
    /// `Operations/Suspend` and `Operations/Resume`: both or none. Default: yes.
    pub suspend: bool,
    /// `UI` and `Operations/ExecUICmd`: both or none. Default: no.
    pub user_interaction: bool,
    /// `DMTree`, which appears when a server Adds it. Default: no.
    pub dm_tree: bool,
    /// `Sharing`, `AllowSharing` and `ProhibitSharing` of the draft: all or none. Default: no.
    pub sharing: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            profile: Profile::Approved,
            suspend: true,
            user_interaction: false,
            dm_tree: false,
            sharing: false,
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
            (self.sharing, VmNode::Sharing),
            (self.sharing, VmNode::AllowSharing),
            (self.sharing, VmNode::ProhibitSharing),
        ];
        optional
            .into_iter()
            .filter(|(present, _)| !present)
            .filter_map(|(_, node)| self.profile.path(node))
            .fold(Mount::new(root, self.profile.virmo()), Mount::without)
    }
}

/// The VM Image MO at `root`.
#[must_use]
pub fn vmimgmo(root: Uri) -> Mount {
    Mount::new(root, &VMIMGMO)
}
