use std::borrow::Cow;

use omadm_core::{SortedSet, StatusCode};
use omadm_tree::{
    AccessType::Add, Change, ChangeKind, NewNode, NodeRef, Principal, PropertySelection, Tree, Uri,
};

use super::literal;
use crate::{
    Account, Context, DM_ACC, Definition, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId,
    Layout, ManagementObject, Mount, NodeDefinition as N, Refusal, ViolationKind,
    bootstrap::{Object, Placement, find_places, free},
    tnds::{Creation, Document},
};

/// Inbox: where a server adds a management object that the device is to find a place for.
/// [DM-StdObj]
///
/// Nothing in it can be read, replaced or deleted.
pub static INBOX: Definition = Definition {
    name: Cow::Borrowed("Inbox"),
    moid: Cow::Borrowed("urn:oma:mo:oma-dm-inbox:1.0"),
    specification: Cow::Borrowed("OMA-TS-DM_StdObj-V1_2"),
    nodes: Cow::Borrowed(&[N::node(
        "",
        "Objects on their way to their place.",
        "DM-StdObj, Inbox",
    )
    .prints(&[Add])
    .allows(&[Add])
    .permanent()
    .open()]),
};

/// The object at `./Inbox`: what is added to it moves to its place at once.
///
/// An object is a child of the Inbox with the identifier of its definition as Type, and belongs
/// below the mount of [`instances`](Mount::instances) of that definition. It moves as soon as every
/// required node is there; with an account, as soon as it can be read. Its ACLs move along, and values
/// that are addresses of what moves are changed; if its name is taken it gets a number. Nodes its
/// definition does not have are dropped. [DM-Bootstrap §5.5]
///
/// Optional nodes have to be there by then: sent before the last required one, or in the same
/// document or Atomic. Later ones have no object in the Inbox to go to, and are refused (415).
///
/// Refused are an object without a Type that is at home on this device (415), and an account with a
/// server there is an account with (418).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Inbox;

impl Inbox {
    /// Gives an object without a name, which a document adds to the Inbox itself, the name of a
    /// child that is not there: that of its server for an account, or a number. [DM-TNDS]
    ///
    /// The nodes are those of one document, parents first.
    pub fn name_object(creations: &mut [Creation], tree: &Tree) {
        let inbox = root();
        let unnamed = creations.iter().any(|it| {
            let is_object = |node_type: &Option<String>| node_type.is_some();
            it.uri == inbox
                && matches!(&it.node, NewNode::Interior { node_type } if is_object(node_type))
        });
        if !unnamed {
            return;
        }
        let server = literal("./Inbox/ServerID");
        let server = creations.iter().find(|it| it.uri == server);
        let wanted = server.and_then(|it| match &it.node {
            NewNode::Leaf(value) => value.text().map(str::to_owned),
            NewNode::Interior { .. } => None,
        });
        let name = free(&inbox, wanted, tree, &SortedSet::new());
        for creation in creations {
            if let Some(below) = creation.uri.strip_prefix(&inbox) {
                creation.uri = name.join(&below);
            }
        }
    }
}

/// Where it is.
pub(crate) fn root() -> Uri {
    literal("./Inbox")
}

impl ManagementObject for Inbox {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(root(), &INBOX)]
    }

    fn start(&mut self, _: &mut Context<'_, '_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        _: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let inbox = root();
        let concerns = |change: &&Change| {
            change.uri != inbox
                && change.uri.starts_with(&inbox)
                && !matches!(change.kind, ChangeKind::Deleted { .. })
        };
        // A subtree is looked at once: with the last of the changes that make it.
        let changes = cx.tree.changes().iter();
        if changes.clone().rev().find(concerns) != Some(change) {
            return Ok(());
        }
        // Others wait for their required nodes, and go on waiting.
        let changed = changes.filter(concerns);
        let changed: SortedSet<&str> = changed.filter_map(|it| it.uri.segments().nth(1)).collect();
        let layout = cx.schema;
        let mut objects = Vec::new();
        for object in NodeRef::children_of(cx.tree.node(&inbox)) {
            if changed.contains(object.name())
                && let Some(object) = ready(cx.tree.tree(), layout, object)?
            {
                objects.push(object);
            }
        }
        let placements = find_places(objects, cx.tree.tree(), layout)
            .map_err(|_| Refusal(StatusCode::COMMAND_FAILED))?;
        for placement in &placements {
            cx.tree.remove(&placement.object.from)?;
        }
        Placement::write(&placements, cx.tree, layout)?;
        Ok(())
    }

    fn exec(&mut self, _: &ExecRequest<'_>, _: &mut Context<'_, '_>) -> ExecAnswer {
        StatusCode::COMMAND_NOT_ALLOWED.into()
    }

    fn completed(&mut self, _: JobId, _: JobEnd, _: &mut Context<'_, '_>) -> ExecResult {
        StatusCode::COMMAND_FAILED.into()
    }
}

/// The object that a child of the Inbox is, if all of it is there.
fn ready(tree: &Tree, layout: &Layout, top: NodeRef<'_>) -> Result<Option<Object>, Refusal> {
    let from = top.uri();
    let home = layout
        .mounts()
        .find(|mount| mount.instances && *mount.definition.moid == *top.node_type());
    let Some(home) = home.filter(|_| top.is_interior()) else {
        return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT));
    };
    let complete = if home.definition.moid == DM_ACC.moid {
        match Account::read(tree, &from) {
            Ok(account) if Account::root_of(tree, layout, &account.server_id).is_some() => {
                return Err(Refusal(StatusCode::ALREADY_EXISTS));
            }
            account => account.is_ok(),
        }
    } else {
        let mut here = Layout::default();
        let mount = Mount::new(from.clone(), home.definition.clone());
        here.mount(mount)
            .map_err(|_| Refusal(StatusCode::COMMAND_FAILED))?;
        let waits = |kind: &ViolationKind| {
            matches!(kind, ViolationKind::Missing | ViolationKind::TooFew(_))
        };
        let violations = here.violations(tree, &from);
        !violations.iter().any(|violation| waits(&violation.kind))
    };
    if !complete {
        return Ok(None);
    }
    let mut nodes = Vec::new();
    let mut open = vec![top];
    while let Some(node) = open.pop() {
        nodes.push(node.uri());
        open.extend(node.children().rev());
    }
    let document = Document::from_tree(tree, &nodes, PropertySelection::ALL);
    let nodes = document
        .creations(&Uri::root())
        .map_err(|error| Refusal(error.status()))?;
    Ok(Some(Object { from, nodes }))
}
