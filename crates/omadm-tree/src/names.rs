use crate::store::{NodeId, ROOT};

/// By its hash, a node that may have a name: most nodes are called like many others, and share its
/// text. Where hashes collide, or the node is no more, there is one text more.
#[derive(Default)]
pub(crate) struct Names {
    /// None, or a power of two and those that are near the last. The root is in none.
    nodes: Vec<NodeId>,
}

/// The places a name may be at.
const NEAR: usize = 4;

impl Names {
    /// Room for the names of so many nodes.
    pub(crate) fn with_room(nodes: usize) -> Self {
        Self {
            nodes: vec![ROOT; nodes.next_power_of_two() + NEAR - 1],
        }
    }

    /// The nodes that may have a name of this hash.
    pub(crate) fn guesses(&self, hash: u32) -> &[NodeId] {
        let begin = self.begin(hash);
        self.nodes.get(begin..begin + NEAR).unwrap_or_default()
    }

    /// Takes note of a node whose name no guess has: at a place that is free, or else the last.
    pub(crate) fn insert(&mut self, hash: u32, id: NodeId) {
        let begin = self.begin(hash);
        let mut places = self.nodes.iter_mut().skip(begin).take(NEAR).peekable();
        while let Some(place) = places.next() {
            if *place == ROOT || places.peek().is_none() {
                *place = id;
                return;
            }
        }
    }

    const fn begin(&self, hash: u32) -> usize {
        hash as usize & self.nodes.len().saturating_sub(NEAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_found_by_the_hash_of_its_name() {
        let mut names = Names::default();
        names.insert(7, 1);
        assert!(names.guesses(7).is_empty());
        names = Names::with_room(100);
        for id in 1..=10 {
            for hash in [0, 7, u32::MAX] {
                names.insert(hash, id);
                assert!(names.guesses(hash).contains(&id));
            }
        }
        assert_eq!(names.guesses(7), [1, 2, 3, 10]);
        assert_eq!(names.guesses(20), [ROOT; NEAR]);
    }
}
