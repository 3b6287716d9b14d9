use omadm_mo::Definition;
use omadm_tree::Uri;
use virmo_state::Primitive;

use crate::{VIRMO, VMIMGMO};

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
                self.steps().fold(base.clone(), |uri, name| uri.child(name).unwrap_or(uri))
            }

            /// The names from the base to the node.
            fn steps(self) -> impl Iterator<Item = &'static str> {
                let path = match self {
                    $(Self::$node => $path,)*
                };
                path.split('/').filter(|name| !name.is_empty())
            }

            /// The node at an address below the base, and the address below that node, which is
            /// more than the root only where the table is open.
            fn find(table: &Definition, below_base: &Uri) -> Option<(Self, Uri)> {
                Self::ALL.iter().find_map(|node| {
                    let mut names = below_base.segments();
                    let on_the_way = node.steps().all(|step| names.next() == Some(step));
                    let open = || table.node(node.path()).is_some_and(|row| row.open);
                    if on_the_way && (names.next().is_none() || open()) {
                        let below = below_base.strip_prefix(&node.of(&Uri::root()))?;
                        return Some((*node, below));
                    }
                    None
                })
            }
        }
    };
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
}

/// What an address in the Virtualization MO names.
///
/// ```
/// use omadm_tree::Uri;
/// use virmo_nodes::{VirmoPath, VmNode};
///
/// let root = Uri::parse("./VirMO")?;
/// let uri = Uri::parse("./VirMO/work/Operations/Create")?;
/// match VirmoPath::parse(&root, &uri) {
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
    /// What `uri` names, with the object at `root`; `None` outside the object and for an address
    /// its table does not have.
    #[must_use]
    pub fn parse(root: &Uri, uri: &'a Uri) -> Option<Self> {
        let below_root = uri.strip_prefix(root)?;
        if let Some((node, _)) = VirmoNode::find(&VIRMO, &below_root) {
            return Some(Self::Device(node));
        }
        let (vm, below_vm) = instance(root, uri)?;
        if is_reserved_vm_name(vm) {
            return None;
        }
        let (node, below) = VmNode::find(&VIRMO, &below_vm)?;
        Some(Self::Vm(VmPath { vm, node, below }))
    }
}

impl<'a> ImagePath<'a> {
    /// What `uri` names, with the VM Image MO at `root`; `None` outside the object, for the root
    /// and for an address its table does not have.
    #[must_use]
    pub fn parse(root: &Uri, uri: &'a Uri) -> Option<Self> {
        let (image, below_image) = instance(root, uri)?;
        let (node, below) = ImageNode::find(&VMIMGMO, &below_image)?;
        Some(Self { image, node, below })
    }
}

/// Whether a name is that of a node beside the machines, so that no machine can have it.
/// [VirMO §8]
///
/// ```
/// assert!(virmo_nodes::is_reserved_vm_name("Operations"));
/// assert!(!virmo_nodes::is_reserved_vm_name("operations"));
/// ```
#[must_use]
pub fn is_reserved_vm_name(name: &str) -> bool {
    VIRMO
        .children("")
        .any(|row| !row.is_placeholder() && row.name() == Some(name))
}

/// The name right below a root, and the address below that name.
fn instance<'a>(root: &Uri, uri: &'a Uri) -> Option<(&'a str, Uri)> {
    let below_root = uri.strip_prefix(root)?;
    let mut names = below_root.segments();
    let at = Uri::root().child(names.next()?).ok()?;
    let name = uri.segments().nth(root.depth())?;
    Some((name, below_root.strip_prefix(&at)?))
}
