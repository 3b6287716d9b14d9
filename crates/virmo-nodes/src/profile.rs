use std::fmt;

use omadm_mo::Definition;
use omadm_tree::{NodeRef, Tree, Uri};

use crate::{VIRMO, VIRMO_DRAFT, VMIMGMO, VmNode, path::address};

/// Which text of VirMO 1.0 both ends follow; chosen at run time.
///
/// The two differ in nodes of the Virtualization MO. States, primitives and the VM Image MO are
/// the same, and nothing on the wire tells one from the other: both ends have to be set alike.
///
/// ```
/// use omadm_tree::Uri;
/// use virmo_nodes::{Profile, VmNode};
///
/// let work = Uri::parse("./VirMO/work")?;
/// let at = |profile: Profile| profile.node(VmNode::CreateParams, &work).map(|uri| uri.to_string());
/// assert_eq!(at(Profile::Approved).as_deref(), Some("./VirMO/work/CreateParams"));
/// assert_eq!(at(Profile::Draft).as_deref(), Some("./VirMO/work/Operations/CreateParams"));
/// assert_eq!(Profile::Approved.node(VmNode::Lock, &work), None);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Profile {
    /// The approved text, OMA-ER-VirMO-V1_0-20140325-A.
    #[default]
    Approved,
    /// The draft before it: Lock and Unlock are operations, CreateParams is one of them, and there
    /// is neither ApplyChanges nor user interaction.
    ///
    /// What this draft demands and has no node for is below `Ext`, which is ours; so are DMTree,
    /// Suspend and Resume, CurrentConfig and NewConfig.
    Draft,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 2] = [Self::Approved, Self::Draft];

    /// The table of the Virtualization MO.
    #[must_use]
    pub fn virmo(self) -> &'static Definition {
        match self {
            Self::Approved => &VIRMO,
            Self::Draft => &VIRMO_DRAFT,
        }
    }

    /// The table of the VM Image MO, which is the same in both.
    #[must_use]
    pub fn vmimgmo(self) -> &'static Definition {
        &VMIMGMO
    }

    /// The path of a node in the [table](Self::virmo); none if the text has no such node.
    #[must_use]
    pub const fn path(self, node: VmNode) -> Option<&'static str> {
        match self {
            Self::Approved => match node {
                VmNode::Lock
                | VmNode::Unlock
                | VmNode::Locked
                | VmNode::UserUnlock
                | VmNode::Sharing
                | VmNode::AllowSharing
                | VmNode::ProhibitSharing => None,
                node => Some(node.path()),
            },
            Self::Draft => match node {
                VmNode::Resources
                | VmNode::Ui
                | VmNode::UiCommand
                | VmNode::UiResult
                | VmNode::ExecUiCmd => None,
                VmNode::CreateParams => Some("<x>/Operations/CreateParams"),
                VmNode::DmTree => Some("<x>/Ext/DMTree"),
                VmNode::Suspend => Some("<x>/Ext/Suspend"),
                VmNode::Resume => Some("<x>/Ext/Resume"),
                VmNode::CurrentConfig => Some("<x>/Ext/CurrentConfig"),
                VmNode::NewConfig => Some("<x>/Ext/NewConfig"),
                node => Some(node.path()),
            },
        }
    }

    /// The address of a node of the machine at `vm`; none if the text has no such node.
    #[must_use]
    pub fn node(self, node: VmNode, vm: &Uri) -> Option<Uri> {
        Some(address(vm, "<x>", self.path(node)?))
    }

    /// Whether a name is that of a node beside the machines, so that no machine can have it.
    /// [VirMO §8]
    ///
    /// ```
    /// use virmo_nodes::Profile;
    ///
    /// assert!(Profile::Approved.is_reserved_vm_name("Operations"));
    /// assert!(!Profile::Approved.is_reserved_vm_name("operations"));
    /// assert!(!Profile::Draft.is_reserved_vm_name("Operations"));
    /// ```
    #[must_use]
    pub fn is_reserved_vm_name(self, name: &str) -> bool {
        // The path of a row right below the root is its name.
        let row = self.virmo().node(name);
        row.is_some_and(|row| !row.is_placeholder() && row.name() == Some(name))
    }

    /// The other profile that a machine below `virmo` is of, if one is.
    ///
    /// Where a machine has its CreateParams tells; a tree with machines stays with its profile.
    #[must_use]
    pub fn other_in(self, tree: &Tree, virmo: &Uri) -> Option<Self> {
        let machines = NodeRef::children_of(tree.node(virmo));
        machines.map(|machine| machine.uri()).find_map(|machine| {
            let params = |profile: Self| profile.node(VmNode::CreateParams, &machine);
            let mut others = Self::ALL
                .into_iter()
                .filter(|it| params(*it) != params(self));
            others.find(|it| params(*it).is_some_and(|params| tree.node(&params).is_some()))
        })
    }

    /// One word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Draft => "draft",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
