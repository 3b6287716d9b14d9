use std::sync::Arc;

use omadm_mo::Context;
use omadm_objects::{LAWMO, SCOMO};
use omadm_tree::{NodeRef, Uri, Value};
use virmo_guest::{Happening, Reply};
use virmo_state::VmId;

use super::VirmoClient;
use crate::{Event, companion::tells_an_end, drive::Failure, forward};

/// What a guest tells by itself. [VirMO §11.2]
impl VirmoClient {
    /// Keeps it, as far as it fits.
    pub(super) fn keep_news(
        &mut self,
        node: &str,
        vm: &VmId,
        dm_tree: &Uri,
        said: &Reply,
        cx: &mut Context<'_, '_>,
    ) {
        let mut room = None;
        for news in &said.news {
            if let Err(failure) = self.keep_one(vm, dm_tree, &news.what, &mut room, cx) {
                self.book.tell(Event::GuestNewsDropped {
                    node: node.to_owned(),
                    vm: vm.clone(),
                    reason: failure.reason,
                });
            }
        }
        if !said.news.is_empty() {
            let (link, vm, said) = (Arc::clone(&self.link), vm.clone(), said.clone());
            let receipts = move || link.receipts(&vm, &said, said.news.len());
            self.book.then(receipts);
        }
    }

    fn keep_one(
        &self,
        vm: &VmId,
        dm_tree: &Uri,
        what: &Happening,
        room: &mut Option<Room>,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Failure> {
        match what {
            Happening::Alert(alert) => {
                let source = alert.source.as_deref();
                let ended = source.and_then(|source| source.parse::<Uri>().ok());
                let of_host = |uri: Uri| cx.schema.row(&dm_tree.join(&uri)).is_some();
                if tells_an_end(&alert.alert_type) && ended.is_some_and(of_host) {
                    return Ok(());
                }
                let source = source.map(|source| forward::outward(dm_tree, source));
                let mut alert = alert.clone();
                alert.source = source;
                cx.effects.told.push((vm.to_string(), alert));
                Ok(())
            }
            Happening::Changed { uri, value } if self.is_its_own(dm_tree, uri, None, cx) => {
                let uri = dm_tree.join(uri);
                self.take_room(dm_tree, &uri, Some(value), room, cx)?;
                Ok(cx.tree.set(cx.schema, &uri, value.clone())?)
            }
            Happening::Appeared { uri, node_type }
                if self.is_its_own(dm_tree, uri, node_type.as_deref(), cx) =>
            {
                let uri = dm_tree.join(uri);
                self.take_room(dm_tree, &uri, None, room, cx)?;
                Ok(match node_type {
                    Some(node_type) => cx.tree.add_typed(cx.schema, &uri, node_type),
                    None => cx.tree.add_interior(cx.schema, &uri),
                }?)
            }
            Happening::Vanished { uri } if self.is_its_own(dm_tree, uri, None, cx) => {
                let uri = dm_tree.join(uri);
                if cx.tree.node(&uri).is_some() {
                    cx.tree.remove(&uri)?;
                    *room = None;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What a guest tells takes no more of the tree than it may.
    fn take_room(
        &self,
        dm_tree: &Uri,
        uri: &Uri,
        value: Option<&Value>,
        room: &mut Option<Room>,
        cx: &Context<'_, '_>,
    ) -> Result<(), Failure> {
        let there = cx.tree.node(uri);
        let before = there.and_then(|node| node.octets()).map_or(0, <[u8]>::len);
        let octets = value.map_or(0, |value| value.octets().len());
        let missing = std::iter::once(uri.clone()).chain(uri.ancestors());
        let needed = Room {
            nodes: missing
                .take_while(|uri| cx.tree.node(uri).is_none())
                .count(),
            octets: octets.saturating_sub(before),
        };
        if needed == Room::default() {
            return Ok(());
        }
        let left = room.unwrap_or_else(|| {
            let taken = cx.tree.node(dm_tree).map(taken).unwrap_or_default();
            Room {
                nodes: self.policy.guest_nodes.saturating_sub(taken.nodes),
                octets: self.policy.guest_octets.saturating_sub(taken.octets),
            }
        });
        *room = Some(left);
        let nodes = left.nodes.checked_sub(needed.nodes);
        let octets = left.octets.checked_sub(needed.octets);
        match (nodes, octets) {
            (Some(nodes), Some(octets)) => {
                *room = Some(Room { nodes, octets });
                Ok(())
            }
            _ => Err(Failure::new("the guest has its share of the tree already")),
        }
    }

    /// Whether a guest may say what is at a place: not where an object of the host is, above it, or
    /// where one may come, but for what such an object says of the guest.
    fn is_its_own(
        &self,
        dm_tree: &Uri,
        place: &Uri,
        node_type: Option<&str>,
        cx: &Context<'_, '_>,
    ) -> bool {
        let at = dm_tree.join(place);
        let around = cx.schema.mount_of(&at);
        let around = around.filter(|mount| mount.root.starts_with(dm_tree));
        let host = around.or_else(|| cx.schema.mounts_below(&at).next());
        match host.map(|mount| &mount.root) {
            Some(root) => {
                let object = cx.tree.node(root).map(|node| node.node_type());
                let below = at.strip_prefix(root);
                let told = object
                    .zip(below)
                    .is_some_and(|(it, at)| is_told_of(it, &at));
                told && cx.schema.row(&at).is_some()
            }
            None => !place.is_root() && !self.may_be_hosted(dm_tree, place, node_type, cx),
        }
    }
}

/// Nodes, and octets of their values.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Room {
    nodes: usize,
    octets: usize,
}

/// What is at a node and below.
fn taken(top: NodeRef<'_>) -> Room {
    let mut taken = Room::default();
    let mut open = vec![top];
    while let Some(node) = open.pop() {
        taken.nodes += 1;
        taken.octets += node.octets().map_or(0, <[u8]>::len);
        open.extend(node.children());
    }
    taken
}

/// Whether a node below the root of an object the device hosts, which has this Type, says what is in
/// the guest: a component that is installed, or data that can be wiped.
fn is_told_of(node_type: &str, below: &Uri) -> bool {
    let names: Vec<&str> = below.segments().collect();
    match names.as_slice() {
        ["Inventory", "Deployed", _, ..] => node_type == SCOMO.moid,
        ["AvailableWipeList", _, below @ ..] => node_type == LAWMO.moid && *below != ["ToBeWiped"],
        _ => false,
    }
}
