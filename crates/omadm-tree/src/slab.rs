use crate::store::{Node, NodeId};

/// Places for nodes, in blocks: those of a full block never move again, and less than a block is kept
/// empty at the end, as the last block grows as it fills.
#[derive(Default)]
pub(crate) struct Slab {
    blocks: Vec<Vec<Place>>,
}

/// A place for a node, which is one line of cache where addresses have 64 bits.
#[derive(Default)]
#[cfg_attr(target_pointer_width = "64", repr(align(64)))]
struct Place(Option<Node>);

const BLOCK: usize = 256;

impl Slab {
    /// The number of places.
    pub(crate) fn len(&self) -> usize {
        let last = self.blocks.last().map_or(0, Vec::len);
        self.blocks.len().saturating_sub(1) * BLOCK + last
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Node> {
        let id = id as usize;
        self.blocks.get(id / BLOCK)?.get(id % BLOCK)?.0.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.place(id)?.as_mut()
    }

    /// The place, empty or not.
    pub(crate) fn place(&mut self, id: NodeId) -> Option<&mut Option<Node>> {
        let id = id as usize;
        let place = self.blocks.get_mut(id / BLOCK)?.get_mut(id % BLOCK)?;
        Some(&mut place.0)
    }

    /// Appends an empty place.
    pub(crate) fn push(&mut self) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(Place::default()),
            _ => self.blocks.push(vec![Place::default()]),
        }
    }

    /// Every place, with its number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, Option<&Node>)> {
        (0..).zip(self.blocks.iter().flatten().map(|place| place.0.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_line_of_cache() {
        assert!(size_of::<Option<Node>>() <= 64);
        #[cfg(target_pointer_width = "64")]
        assert_eq!((size_of::<Place>(), align_of::<Place>()), (64, 64));
    }

    #[test]
    fn places_are_numbered_over_all_blocks() {
        let mut slab = Slab::default();
        assert!(slab.place(0).is_none());
        for id in 0..1000 {
            assert_eq!(slab.len(), id as usize);
            slab.push();
            *slab.place(id).unwrap() = Some(Node::interior(id, "".into(), 0));
        }
        *slab.place(700).unwrap() = None;
        assert!(slab.get(700).is_none() && slab.get_mut(700).is_none());
        assert!(slab.get(1000).is_none() && slab.place(1000).is_none());
        for (id, node) in slab.iter().filter(|(id, _)| *id != 700) {
            assert_eq!(node.unwrap().parent(), id);
        }
        assert_eq!(slab.iter().count(), 1000);
    }
}
