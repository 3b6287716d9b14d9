//! What the nodes of the two objects say, read from the tree.

use omadm_mo::Context;
use omadm_tree::{ChangeKind, NodeRef, Tree, TreeError, Uri, Value};
use virmo_nodes::{ImageNode, Profile, VmNode};
use virmo_params::{ImageId, ResourceConfig};
use virmo_state::{ImageState, VmId, VmState};

use crate::features::DRAFT;

/// Where the two objects are mounted, and what they look like.
#[derive(Clone, Debug)]
pub(crate) struct Roots {
    profile: Profile,
    pub(crate) virmo: Uri,
    pub(crate) vmimgmo: Uri,
}

/// One VM as the tree has it.
#[derive(Clone, Copy)]
pub(crate) struct VmView<'t>(NodeRef<'t>, Profile);

/// One image as the tree has it.
#[derive(Clone, Copy)]
pub(crate) struct ImageView<'t>(NodeRef<'t>);

impl Roots {
    /// `./VirMO` and `./VMImgMO`.
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            virmo: named(&Uri::root(), "VirMO"),
            vmimgmo: named(&Uri::root(), "VMImgMO"),
        }
    }

    /// The text the device follows.
    pub(crate) const fn profile(&self) -> Profile {
        if DRAFT {
            self.profile
        } else {
            Profile::Approved
        }
    }

    /// Whether that is the draft.
    pub(crate) fn is_draft(&self) -> bool {
        self.profile() == Profile::Draft
    }

    /// `VirMO/<x>`
    pub(crate) fn vm(&self, name: &str) -> Uri {
        named(&self.virmo, name)
    }

    /// A node of `VirMO/<x>`, where the profile has it.
    pub(crate) fn vm_node(&self, name: &str, node: VmNode) -> Uri {
        let vm = self.vm(name);
        self.profile()
            .node(node, &vm)
            .unwrap_or_else(|| node.of(&vm))
    }

    /// `VMImgMO/<x>`
    pub(crate) fn image(&self, name: &str) -> Uri {
        named(&self.vmimgmo, name)
    }

    /// Every VM with its VMID.
    pub(crate) fn vms<'t>(&self, tree: &'t Tree) -> Vec<(VmId, VmView<'t>)> {
        let nodes = NodeRef::children_of(tree.node(&self.virmo));
        let views = nodes.map(|node| VmView(node, self.profile()));
        views.filter_map(|vm| Some((vm.id()?, vm))).collect()
    }

    /// Every image with its ImgID.
    pub(crate) fn images<'t>(&self, tree: &'t Tree) -> Vec<(ImageId, ImageView<'t>)> {
        let views = NodeRef::children_of(tree.node(&self.vmimgmo)).map(ImageView);
        views
            .filter_map(|image| Some((image.id()?, image)))
            .collect()
    }

    /// The VM with this VMID.
    pub(crate) fn vm_of<'t>(&self, tree: &'t Tree, id: &VmId) -> Option<VmView<'t>> {
        let mut vms = self.vms(tree).into_iter();
        vms.find_map(|(other, vm)| (other == *id).then_some(vm))
    }

    /// The image with this ImgID.
    pub(crate) fn image_of<'t>(&self, tree: &'t Tree, id: &ImageId) -> Option<ImageView<'t>> {
        let mut images = self.images(tree).into_iter();
        images.find_map(|(other, image)| (other == *id).then_some(image))
    }

    pub(crate) fn vm_view<'t>(&self, tree: &'t Tree, name: &str) -> Option<VmView<'t>> {
        let node = tree.node(&self.virmo)?.child(name)?;
        Some(VmView(node, self.profile()))
    }

    pub(crate) fn image_view<'t>(&self, tree: &'t Tree, name: &str) -> Option<ImageView<'t>> {
        tree.node(&self.vmimgmo)?.child(name).map(ImageView)
    }
}

impl<'t> VmView<'t> {
    pub(crate) fn name(&self) -> &'t str {
        self.0.name()
    }

    pub(crate) fn id(&self) -> Option<VmId> {
        self.text(VmNode::VmId).parse().ok()
    }

    pub(crate) fn state(&self) -> VmState {
        let value = self.text(VmNode::State).parse().ok();
        value.and_then(VmState::from_value).unwrap_or_default()
    }

    /// What the VM is entitled to.
    pub(crate) fn current_config(&self) -> ResourceConfig {
        self.text(VmNode::CurrentConfig).parse().unwrap_or_default()
    }

    /// The value of a leaf; empty if there is none.
    pub(crate) fn text(&self, leaf: VmNode) -> &'t str {
        self.1.path(leaf).map_or("", |path| text(self.0, path))
    }
}

impl<'t> ImageView<'t> {
    /// The SHA-256 digest the file must have, as a server wrote it below the vendor extensions.
    pub(crate) fn digest(&self) -> Option<&'t str> {
        let leaf = self.0.child("Ext")?.child("SHA256")?;
        leaf.text().map(str::trim).filter(|text| !text.is_empty())
    }

    pub(crate) fn name(&self) -> &'t str {
        self.0.name()
    }

    pub(crate) fn id(&self) -> Option<ImageId> {
        self.text(ImageNode::ImgId).parse().ok()
    }

    pub(crate) fn state(&self) -> ImageState {
        let value = self.text(ImageNode::State).parse().ok();
        value.and_then(ImageState::from_value).unwrap_or_default()
    }

    /// The value of a leaf; empty if there is none.
    pub(crate) fn text(&self, leaf: ImageNode) -> &'t str {
        text(self.0, leaf.path())
    }
}

/// The value that a leaf had before it was deleted in the open transaction.
pub(crate) fn deleted(cx: &Context<'_, '_>, uri: &Uri) -> Option<String> {
    let changes = cx
        .tree
        .changes()
        .iter()
        .rev()
        .filter(|change| change.uri == *uri);
    let value = changes
        .map(|change| &change.kind)
        .find_map(|kind| match kind {
            ChangeKind::Deleted { before } => before.as_ref(),
            _ => None,
        });
    value.and_then(Value::text).map(str::to_owned)
}

/// Writes a leaf as the device.
pub(crate) fn set(cx: &mut Context<'_, '_>, leaf: &Uri, value: Value) -> Result<(), TreeError> {
    cx.tree.set(cx.schema, leaf, value)
}

/// Removes a leaf, if it is there.
pub(crate) fn clear(cx: &mut Context<'_, '_>, leaf: &Uri) -> Result<(), TreeError> {
    if cx.tree.node(leaf).is_some() {
        cx.tree.remove(leaf)
    } else {
        Ok(())
    }
}

/// The value of a leaf of an object, by its path in the table, which begins with the object.
fn text<'t>(object: NodeRef<'t>, path: &str) -> &'t str {
    let names = path.strip_prefix("<x>/");
    let leaf = names.and_then(|names| object.below(names));
    leaf.and_then(|leaf| leaf.text()).unwrap_or_default()
}

/// The child of a name that is known to be one: a constant, or one read from a tree.
fn named(uri: &Uri, name: &str) -> Uri {
    uri.child(name).unwrap_or_else(|_| uri.clone())
}
