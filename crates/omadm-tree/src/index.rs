use crate::store::{NodeId, ROOT};

/// Guesses the node of a parent and a name in one step.
///
/// A slot holds a node and eight bits of its hash. A node is in one of the eight slots of its
/// bucket, or in none where others have taken them; the root is in none. So a guess has to be
/// verified, and a node it does not know may still exist: names chosen to collide cost time, never
/// a wrong answer.
#[derive(Default)]
pub(crate) struct Index {
    /// None, or a power of two.
    buckets: Vec<[u32; SLOTS]>,
    live: usize,
}

const SLOTS: usize = 8;

/// A slot without a node.
const EMPTY: u32 = 0;

/// The bits of a slot that are the node; [`MAX_SLOTS`](crate::record::MAX_SLOTS) keeps within them.
const ID: u32 = crate::record::MAX_SLOTS - 1;

impl Index {
    /// An index with room for so many nodes and as many more.
    pub(crate) fn with_room(nodes: usize) -> Self {
        let buckets = (nodes * 2).div_ceil(SLOTS).next_power_of_two();
        Self {
            buckets: vec![[EMPTY; SLOTS]; buckets],
            live: 0,
        }
    }

    /// Whether it is time for a larger one.
    pub(crate) const fn is_full(&self) -> bool {
        self.live * 8 >= self.buckets.len() * SLOTS * 5
    }

    /// The nodes that may have this hash; almost always the one that has, or none.
    pub(crate) fn guesses(&self, hash: u32) -> impl Iterator<Item = NodeId> {
        let bucket = self
            .buckets
            .get(self.bucket(hash))
            .unwrap_or(&[EMPTY; SLOTS]);
        let tag = tag(hash);
        bucket
            .iter()
            .filter(move |slot| **slot & !ID == tag && **slot != EMPTY)
            .map(|slot| slot & ID)
    }

    pub(crate) fn insert(&mut self, hash: u32, id: NodeId) {
        if id != ROOT && self.put(hash, EMPTY, tag(hash) | id & ID) {
            self.live += 1;
        }
    }

    pub(crate) fn remove(&mut self, hash: u32, id: NodeId) {
        if id != ROOT && self.put(hash, tag(hash) | id & ID, EMPTY) {
            self.live -= 1;
        }
    }

    /// Changes the content of one slot of a bucket; says whether there was one with this content.
    fn put(&mut self, hash: u32, before: u32, after: u32) -> bool {
        let at = self.bucket(hash);
        let bucket = self.buckets.get_mut(at).map(|bucket| bucket.iter_mut());
        let slot = bucket.and_then(|mut slots| slots.find(|slot| **slot == before));
        slot.map(|slot| *slot = after).is_some()
    }

    const fn bucket(&self, hash: u32) -> usize {
        hash as usize & self.buckets.len().wrapping_sub(1)
    }
}

/// The bits of a hash that are in its slot.
const fn tag(hash: u32) -> u32 {
    hash & !ID
}

/// The hash of the child of a node by its name.
pub(crate) fn hash(parent: NodeId, name: &str) -> u32 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |hash: u64, word: [u8; 8]| {
        (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR)
    };
    let (words, rest) = name.as_bytes().as_chunks();
    let hash = words
        .iter()
        .fold(parent.into(), |hash, word| mix(hash, *word));
    // No name holds the character that fills the last word up.
    let mut last = [0; 8];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    let hash = mix(hash, last);
    ((hash ^ hash >> 32).wrapping_mul(FACTOR) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use omadm_core::Now;

    use super::*;
    use crate::{Acl, Required, Rule, Schema, Tree, TreeLimits, Uri, Value};

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
    fn a_bucket_takes_as_many_as_it_has_slots() {
        let mut index = Index::with_room(100);
        let guesses = |index: &Index, hash| index.guesses(hash).collect::<Vec<_>>();
        for id in 1..=9 {
            index.insert(7, id);
        }
        assert_eq!(guesses(&index, 7), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(guesses(&index, 7 | 1 << 24), [], "another tag");
        assert_eq!(guesses(&index, 8), [], "another bucket");
        index.remove(7, 9);
        index.remove(7, 3);
        assert_eq!(guesses(&index, 7), [1, 2, 4, 5, 6, 7, 8]);
        index.insert(7, 9);
        assert_eq!(guesses(&index, 7), [1, 2, 9, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn an_index_has_room_for_what_it_is_made_for() {
        assert!(Index::default().is_full());
        for nodes in [0, 1, 8, 100, 1000] {
            let mut index = Index::with_room(nodes);
            for id in 0..nodes as u32 {
                assert!(!index.is_full(), "{id} of {nodes}");
                index.insert(id, id + 1);
            }
            assert!(!index.is_full(), "{nodes}");
        }
    }

    /// Names chosen to collide: far more of them than a bucket has slots.
    #[test]
    fn nodes_of_one_bucket_are_all_found() {
        let names: Vec<String> = (0..)
            .map(|n: u32| format!("{n:x}"))
            .filter(|name| hash(ROOT, name) & 0x0300_001F == 0)
            .take(60)
            .collect();
        let mut tree = Tree::new(TreeLimits::default(), Acl::new());
        let mut transaction = tree.begin(Now::default());
        let uris = names.iter().map(|name| Uri::root().child(name).unwrap());
        let uris: Vec<Uri> = uris.collect();
        for uri in &uris {
            transaction.set(&Any, uri, Value::null()).unwrap();
        }
        for (at, uri) in uris.iter().enumerate() {
            for (other, uri) in uris.iter().enumerate() {
                assert_eq!(transaction.node(uri).is_some(), other >= at, "{uri:?}");
            }
            transaction.remove(uri).unwrap();
        }
    }

    #[test]
    fn like_names_have_hashes_of_their_own() {
        let mut hashes: Vec<u32> = (0..10)
            .flat_map(|parent| (0..1000).map(move |n| hash(parent, &format!("instance-{n:04}"))))
            .collect();
        let mut in_buckets = [0; 1 << 12];
        for hash in &hashes {
            in_buckets[*hash as usize % in_buckets.len()] += 1;
        }
        // Of 10,000 in slots for 32,768, by chance some 20 find none.
        let without: usize = in_buckets
            .iter()
            .map(|many| 0.max(*many - 8) as usize)
            .sum();
        assert!(without < 100, "{without}");
        hashes.sort_unstable();
        hashes.dedup();
        // By chance, of 10,000 hashes of 32 bits about 0.01 pairs collide.
        assert!(hashes.len() > 9_990, "{}", hashes.len());
    }
}
