use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
};

use crate::store::NodeId;

/// Guesses the node of a parent and a name in one step.
///
/// It keeps one node a hash, so a guess has to be verified, and a node it does not know may still
/// exist: names chosen to collide cost time, never a wrong answer.
#[derive(Default)]
pub(crate) struct Index(HashMap<u32, NodeId, BuildHasherDefault<Spread>>);

impl Index {
    pub(crate) fn guess(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        self.0.get(&hash(parent, name)).copied()
    }

    pub(crate) fn insert(&mut self, parent: NodeId, name: &str, id: NodeId) {
        self.0.entry(hash(parent, name)).or_insert(id);
    }

    pub(crate) fn remove(&mut self, parent: NodeId, name: &str, id: NodeId) {
        if let Entry::Occupied(entry) = self.0.entry(hash(parent, name))
            && *entry.get() == id
        {
            entry.remove();
        }
    }
}

const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

fn hash(parent: NodeId, name: &str) -> u32 {
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = name.as_bytes().as_chunks();
    let hash = words.iter().fold(parent.into(), |hash, word| {
        mix(hash, u64::from_le_bytes(*word))
    });
    let hash = rest
        .iter()
        .fold(hash, |hash, byte| mix(hash, (*byte).into()));
    (hash >> 32) as u32
}

/// Spreads what is a hash already over the bits a map looks at.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((*byte).into());
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.0 = (self.0 ^ u64::from(word)).wrapping_mul(FACTOR);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use omadm_core::Now;

    use super::*;
    use crate::{Acl, Required, Rule, Schema, Tree, TreeLimits, Uri, Value, store::ROOT};

    struct Any;

    impl Schema for Any {
        fn rule(&self, _: &Uri) -> Option<Rule<'_>> {
            None
        }

        fn required(&self, _: &Uri) -> Vec<Required> {
            Vec::new()
        }
    }

    /// Two names with one hash below the root.
    fn twins() -> (String, String) {
        let mut seen = HashMap::new();
        (0..)
            .find_map(|n: u32| {
                let name = format!("{n:x}");
                let twin = seen.insert(hash(ROOT, &name), name.clone())?;
                Some((twin, name))
            })
            .unwrap()
    }

    #[test]
    fn nodes_with_one_hash_are_both_found() {
        let (a, b) = twins();
        let (a, b) = (
            Uri::root().child(&a).unwrap(),
            Uri::root().child(&b).unwrap(),
        );
        let mut tree = Tree::new(TreeLimits::default(), Acl::new());
        let mut transaction = tree.begin(Now::default());
        for uri in [&a, &b] {
            let value = Value::chr(uri.to_string());
            transaction.set(&Any, uri, value).unwrap();
        }
        for uri in [&a, &b] {
            assert_eq!(transaction.node(uri).unwrap().uri(), *uri);
        }
        transaction.remove(&a).unwrap();
        assert!(transaction.node(&a).is_none());
        assert_eq!(transaction.node(&b).unwrap().uri(), b);
        transaction.rename(&Any, &b, a.name().unwrap()).unwrap();
        assert!(transaction.node(&b).is_none());
        let moved = transaction.node(&a).unwrap();
        assert_eq!(moved.text(), Some(b.to_string().as_str()));
    }

    #[test]
    fn one_node_a_hash() {
        let mut index = Index::default();
        index.insert(1, "a", 7);
        index.insert(1, "a", 8);
        assert_eq!(index.guess(1, "a"), Some(7));
        assert_eq!(index.guess(2, "a"), None);
        index.remove(1, "a", 8);
        assert_eq!(index.guess(1, "a"), Some(7));
        index.remove(1, "a", 7);
        assert_eq!(index.guess(1, "a"), None);
    }

    #[test]
    fn like_names_have_hashes_of_their_own() {
        let mut hashes: Vec<u32> = (0..10)
            .flat_map(|parent| (0..1000).map(move |n| hash(parent, &format!("instance-{n:04}"))))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        // By chance, of 10,000 hashes of 32 bits about 0.01 pairs collide.
        assert!(hashes.len() > 9_990, "{}", hashes.len());
    }
}
