use omadm_mo::Definition;
use omadm_tree::Uri;
use virmo_state::{AccessOperation, Primitive};

use crate::{Profile, VMIMGMO};

/// Makes an enum of the rows of a table, each with its path below a base.
macro_rules! nodes {
    ($(#[$doc:meta])* $name:ident in $object:literal, $base:literal: $($node:ident $path:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum $name {
            $(
                #[doc = concat!("`", $object, $path, "`")]
                $node,
            )*
        }

        impl $name {
            /// Every node.
            pub const ALL: &'static [Self] = &[$(Self::$node,)*];

            /// The path in the table of the object.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$node => concat!($base, $path),)*
                }
            }

            #[doc = concat!("The address of the node, with `", $object, "` at `base`.")]
            #[must_use]
            pub fn of(self, base: &Uri) -> Uri {
                address(base, $base, self.path())
            }
        }
    };
}

/// The names from a base of a table to one of its paths.
fn steps<'p>(base: &str, path: &'p str) -> impl Iterator<Item = &'p str> {
    let below = path.strip_prefix(base).unwrap_or(path);
    below.split('/').filter(|name| !name.is_empty())
}

/// Where a path of a table is, with the base of the table at an address.
pub(crate) fn address(at: &Uri, base: &str, path: &str) -> Uri {
    steps(base, path).fold(at.clone(), |uri, name| uri.child(name).unwrap_or(uri))
}

/// The node with these names below a base of the table, and the address below that node, which is
/// more than the root only where the table is open.
fn find<N: Copy>(
    nodes: impl IntoIterator<Item = (N, &'static str)>,
    (table, base): (&Definition, &str),
    below_base: &str,
) -> Option<(N, Uri)> {
    // All paths are that of the base, or begin with it.
    let begin = base.len() + usize::from(!base.is_empty());
    nodes.into_iter().find_map(|(node, path)| {
        debug_assert!(path.starts_with(base), "{path}");
        let at = path.get(begin..).unwrap_or_default();
        // Nearly all of the others have something else here.
        if !matches!(below_base.as_bytes().get(at.len()), None | Some(b'/')) && !at.is_empty() {
            return None;
        }
        let below = match below_base.strip_prefix(at)? {
            "" => "",
            below if at.is_empty() => below,
            below => below.strip_prefix('/')?,
        };
        let open = || table.node(path).is_some_and(|row| row.open);
        (below.is_empty() || open()).then(|| (node, address(&Uri::root(), "", below)))
    })
}

nodes! {
    /// A node of the Virtualization MO that belongs to no single machine. [VirMO §8]
    VirmoNode in "VirMO", "":
    Root "",
    Operations "Operations",
    ApplyChanges "Operations/ApplyChanges",
    DeviceResources "DeviceResources",
}

nodes! {
    /// A node of one machine. [VirMO §8, §11.2.2]
    ///
    /// [`path`](Self::path) and [`of`](Self::of) are its place in the approved text, or in the draft
    /// if only that has it; [`Profile::path`] and [`Profile::node`] are its place in either.
    VmNode in "VirMO/<x>", "<x>":
    Vm "",
    VmId "/VMID",
    Description "/Description",
    State "/State",
    CreateParams "/CreateParams",
    DmTree "/DMTree",
    Resources "/Resources",
    CurrentConfig "/Resources/CurrentConfig",
    NewConfig "/Resources/NewConfig",
    Operations "/Operations",
    Create "/Operations/Create",
    Delete "/Operations/Delete",
    Suspend "/Operations/Suspend",
    Resume "/Operations/Resume",
    PowerOn "/Operations/PowerOn",
    PowerOff "/Operations/PowerOff",
    ExecUiCmd "/Operations/ExecUICmd",
    Ext "/Ext",
    Ui "/UI",
    UiCommand "/UI/Command",
    UiResult "/UI/Result",
    Lock "/Operations/Lock",
    Unlock "/Operations/Unlock",
    Locked "/Ext/Locked",
    UserUnlock "/Ext/UserUnlock",
    Sharing "/Ext/Sharing",
    AllowSharing "/Ext/AllowSharing",
    ProhibitSharing "/Ext/ProhibitSharing",
}

nodes! {
    /// A node of one image. [VirMO §9]
    ImageNode in "VMImgMO/<x>", "<x>":
    Image "",
    ImgId "/ImgID",
    Name "/Name",
    Description "/Description",
    DownloadUri "/DownloadURI",
    DownloadedLocation "/DownloadedLocation",
    State "/State",
    MediaType "/MediaType",
    Operations "/Operations",
    Download "/Operations/Download",
    Delete "/Operations/Delete",
    Ext "/Ext",
}

impl VmNode {
    /// The operation that triggers a primitive. [VirMO §7.1.4]
    #[must_use]
    pub const fn operation(primitive: Primitive) -> Self {
        match primitive {
            Primitive::Create | Primitive::CreateAndPoweroff => Self::Create,
            Primitive::Suspend => Self::Suspend,
            Primitive::Resume => Self::Resume,
            Primitive::PowerOn => Self::PowerOn,
            Primitive::PowerOff => Self::PowerOff,
            Primitive::Delete => Self::Delete,
        }
    }

    /// The operation that changes who gets at a machine; in the draft only.
    #[must_use]
    pub const fn access(operation: AccessOperation) -> Self {
        match operation {
            AccessOperation::Lock => Self::Lock,
            AccessOperation::Unlock => Self::Unlock,
            AccessOperation::AllowSharing => Self::AllowSharing,
            AccessOperation::ProhibitSharing => Self::ProhibitSharing,
        }
    }
}

/// What an address in the Virtualization MO names.
///
/// ```
/// use omadm_tree::Uri;
/// use virmo_nodes::{Profile, VirmoPath, VmNode};
///
/// let root = Uri::parse("./VirMO")?;
/// let uri = Uri::parse("./VirMO/work/Operations/Create")?;
/// match VirmoPath::parse(Profile::Approved, &root, &uri) {
///     Some(VirmoPath::Vm(path)) => {
///         assert_eq!((path.vm, path.node), ("work", VmNode::Create));
///         assert_eq!(path.node.of(&root.child(path.vm)?), uri);
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VirmoPath<'a> {
    /// A node that belongs to no single machine.
    Device(VirmoNode),
    /// A node of a machine.
    Vm(VmPath<'a>),
}

/// A node of a named machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VmPath<'a> {
    /// The name `<x>` of the machine in the tree; not its VMID.
    pub vm: &'a str,
    /// The node.
    pub node: VmNode,
    /// What lies below [`VmNode::DmTree`] or [`VmNode::Ext`]; the root for the node itself.
    pub below: Uri,
}

/// A node of a named image.
///
/// ```
/// use omadm_tree::Uri;
/// use virmo_nodes::{ImageNode, ImagePath};
///
/// let root = Uri::parse("./VMImgMO")?;
/// let uri = Uri::parse("./VMImgMO/entvm/State")?;
/// let path = ImagePath::parse(&root, &uri).map(|path| (path.image, path.node));
/// assert_eq!(path, Some(("entvm", ImageNode::State)));
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImagePath<'a> {
    /// The name `<x>` of the image in the tree; not its ImgID.
    pub image: &'a str,
    /// The node.
    pub node: ImageNode,
    /// What lies below [`ImageNode::Ext`]; the root for the node itself.
    pub below: Uri,
}

impl<'a> VirmoPath<'a> {
    /// What `uri` names, with the object of a profile at `root`; `None` outside the object and for
    /// an address its table does not have.
    #[must_use]
    pub fn parse(profile: Profile, root: &Uri, uri: &'a Uri) -> Option<Self> {
        let below_root = uri.names_below(root)?;
        let table = profile.virmo();
        let of_device = VirmoNode::ALL.iter().map(|node| (*node, node.path()));
        let of_device = find(of_device, (table, ""), below_root);
        if let Some((node, _)) = of_device.filter(|(node, _)| table.node(node.path()).is_some()) {
            return Some(Self::Device(node));
        }
        let (vm, below_vm) = instance(below_root)?;
        if profile.is_reserved_vm_name(vm) {
            return None;
        }
        let of_vm = VmNode::ALL.iter();
        let of_vm = of_vm.filter_map(|node| Some((*node, profile.path(*node)?)));
        let (node, below) = find(of_vm, (table, "<x>"), below_vm)?;
        Some(Self::Vm(VmPath { vm, node, below }))
    }
}

impl<'a> ImagePath<'a> {
    /// What `uri` names, with the VM Image MO at `root`; `None` outside the object, for the root
    /// and for an address its table does not have.
    #[must_use]
    pub fn parse(root: &Uri, uri: &'a Uri) -> Option<Self> {
        let (image, below_image) = instance(uri.names_below(root)?)?;
        let nodes = ImageNode::ALL.iter().map(|node| (*node, node.path()));
        let (node, below) = find(nodes, (&VMIMGMO, "<x>"), below_image)?;
        Some(Self { image, node, below })
    }
}

/// The name right below a root, and the names below that.
fn instance(below_root: &str) -> Option<(&str, &str)> {
    let (name, below) = below_root.split_once('/').unwrap_or((below_root, ""));
    (!name.is_empty()).then_some((name, below))
}
