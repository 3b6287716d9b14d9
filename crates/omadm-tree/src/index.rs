use crate::{
    segments::{FACTOR, zero_octets},
    store::{NodeId, ROOT},
};

/// Guesses the node of a parent and a name in one step.
///
/// A node is in one of the slots of its bucket, or of the one beside it where others have taken
/// these, or in none; the root is in none. A slot is found by eight bits of the hash. So a guess has
/// to be verified, and a node it does not know may still exist: names chosen to collide cost time,
/// never a wrong answer.
#[derive(Default)]
pub(crate) struct Index {
    /// None, or a power of two and more than one.
    buckets: Vec<Bucket>,
    live: usize,
}

const SLOTS: usize = 8;

/// Some slots; two buckets are a line of cache.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Bucket {
    /// What to know the nodes by; 0 where there is none.
    tags: [u8; SLOTS],
    /// Their lower octets: [`MAX_SLOTS`](crate::record::MAX_SLOTS) keeps within them.
    nodes: [[u8; 3]; SLOTS],
}

/// The tag of a slot without a node.
const NONE: u8 = 0;

static EMPTY: Bucket = Bucket {
    tags: [NONE; SLOTS],
    nodes: [[0; 3]; SLOTS],
};

impl Bucket {
    /// The nodes with a tag, and perhaps others after the first of them.
    fn guesses(&self, tag: u8) -> impl Iterator<Item = NodeId> {
        let others = u64::from_le_bytes(self.tags) ^ u64::from_le_bytes([tag; SLOTS]);
        let mut hits = zero_octets(others);
        std::iter::from_fn(move || {
            let [a, b, c] = *self.nodes.get(hits.trailing_zeros() as usize / 8)?;
            hits &= hits.wrapping_sub(1);
            Some(NodeId::from_le_bytes([a, b, c, 0]))
        })
    }

    /// The slot with this content.
    fn slot(&mut self, tag: u8, node: [u8; 3]) -> Option<(&mut u8, &mut [u8; 3])> {
        let mut slots = self.tags.iter_mut().zip(&mut self.nodes);
        slots.find(|(its_tag, its_node)| (**its_tag, **its_node) == (tag, node))
    }
}

impl Index {
    /// An index with room for so many nodes and as many more.
    pub(crate) fn with_room(nodes: usize) -> Self {
        let buckets = (nodes * 2).div_ceil(SLOTS).next_power_of_two().max(2);
        Self {
            buckets: vec![EMPTY; buckets],
            live: 0,
        }
    }

    /// Whether it is time for a larger one.
    pub(crate) const fn is_full(&self) -> bool {
        self.live * 8 >= self.buckets.len() * SLOTS * 5
    }

    /// The nodes that may have this hash: almost always the one that has.
    pub(crate) fn guesses(&self, hash: u32) -> impl Iterator<Item = NodeId> {
        self.at(self.bucket(hash)).guesses(tag(hash))
    }

    /// The nodes that may have this hash, and found no place where the others are.
    pub(crate) fn guesses_beside(&self, hash: u32) -> impl Iterator<Item = NodeId> {
        self.at(self.bucket(hash) ^ 1).guesses(tag(hash))
    }

    fn at(&self, bucket: usize) -> &Bucket {
        self.buckets.get(bucket).unwrap_or(&EMPTY)
    }

    pub(crate) fn insert(&mut self, hash: u32, id: NodeId) {
        if id != ROOT && self.put(hash, (NONE, [0; 3]), (tag(hash), octets(id))) {
            self.live += 1;
        }
    }

    pub(crate) fn remove(&mut self, hash: u32, id: NodeId) {
        if id != ROOT && self.put(hash, (tag(hash), octets(id)), (NONE, [0; 3])) {
            self.live -= 1;
        }
    }

    /// Changes the content of one slot; says whether there was one with this content.
    fn put(&mut self, hash: u32, before: (u8, [u8; 3]), after: (u8, [u8; 3])) -> bool {
        let at = self.bucket(hash);
        for at in [at, at ^ 1] {
            let bucket = self.buckets.get_mut(at);
            if let Some((tag, node)) = bucket.and_then(|it| it.slot(before.0, before.1)) {
                (*tag, *node) = after;
                return true;
            }
        }
        false
    }

    const fn bucket(&self, hash: u32) -> usize {
        hash as usize & self.buckets.len().wrapping_sub(1)
    }
}

/// The bits of a hash that are in its slot.
fn tag(hash: u32) -> u8 {
    let [.., tag] = hash.to_le_bytes();
    tag.max(NONE + 1)
}

const fn octets(id: NodeId) -> [u8; 3] {
    let [a, b, c, _] = id.to_le_bytes();
    [a, b, c]
}

/// The hash of the child of a node by that of its name.
pub(crate) fn hash(parent: NodeId, name: u64) -> u32 {
    const PARENT: u64 = 0xD1B5_4A32_D192_ED03;
    // The parent comes last: names are hashed before it is found.
    let hash = name ^ u64::from(parent).wrapping_mul(PARENT);
    ((hash ^ hash >> 32).wrapping_mul(FACTOR) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use omadm_core::Now;

    use super::*;
    use crate::{Acl, Required, Rule, Schema, Tree, TreeLimits, Uri, Value, segments};

    struct Any;

    impl Schema for Any {
        fn rule(&self, _: &Uri) -> Option<Rule<'_>> {
            None
        }

        fn required(&self, _: &Uri) -> Vec<Required> {
            Vec::new()
        }
    }

    fn hash(parent: NodeId, name: &str) -> u32 {
        super::hash(parent, segments::hash(name))
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
    fn two_buckets_take_as_many_as_they_have_slots() {
        assert_eq!(size_of::<Bucket>(), 32);
        let mut index = Index::with_room(100);
        let guesses = |index: &Index, hash| index.guesses(hash).collect::<Vec<_>>();
        let beside = |index: &Index, hash| index.guesses_beside(hash).collect::<Vec<_>>();
        for id in 1..=17 {
            index.insert(7 << 24, id);
        }
        assert_eq!(guesses(&index, 7 << 24), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(beside(&index, 7 << 24), [9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(guesses(&index, 8 << 24), [], "another tag");
        assert_eq!(guesses(&index, 7 << 24 | 2), [], "another bucket");
        for id in [17, 3, 16] {
            index.remove(7 << 24, id);
        }
        assert_eq!(guesses(&index, 7 << 24), [1, 2, 4, 5, 6, 7, 8]);
        assert_eq!(beside(&index, 7 << 24), [9, 10, 11, 12, 13, 14, 15]);
        index.insert(7 << 24, 1 << 23);
        assert_eq!(guesses(&index, 7 << 24), [1, 2, 1 << 23, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_hash_without_bits_for_its_tag_has_one() {
        let mut index = Index::with_room(100);
        assert_eq!(index.guesses(0).count(), 0);
        index.insert(0, 1);
        assert_eq!(index.guesses(0).next(), Some(1));
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
