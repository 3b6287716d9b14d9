use std::{borrow::Borrow, fmt, slice, vec};

/// A map of few entries, in the order of their keys: a sorted vector.
///
/// As [`BTreeMap`](std::collections::BTreeMap), whose code is several times as large for every pair
/// of types, and that for the entries a device has at a time: VMs, images, jobs, alerts. Looking up
/// takes a logarithm of steps; putting in and taking out move what comes behind, so it is not for
/// thousands of entries that come in any order.
///
/// ```
/// use omadm_core::SortedMap;
///
/// let mut jobs = SortedMap::new();
/// jobs.insert("vm-2", 20);
/// jobs.insert("vm-1", 10);
/// *jobs.get_or_insert_with("vm-1", || 0) += 1;
/// assert_eq!(jobs.get("vm-1"), Some(&11));
/// assert!(jobs.keys().eq(&["vm-1", "vm-2"]));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SortedMap<K, V>(Vec<(K, V)>);

/// A set of few values, in their order: a sorted vector.
///
/// As [`BTreeSet`](std::collections::BTreeSet), and for the same reason as [`SortedMap`].
///
/// ```
/// use omadm_core::SortedSet;
///
/// let set: SortedSet<u32> = [3, 1, 3].into_iter().collect();
/// assert!(set.iter().eq(&[1, 3]));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SortedSet<T>(Vec<T>);

impl<K, V> SortedMap<K, V> {
    /// A map without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The same, with values that can be changed.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The keys in their order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// Takes every entry out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps the entries that `keep` says true of.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// The value of a key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (_, value) = self.0.get(self.place(key).ok()?)?;
        Some(value)
    }

    /// The same, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        let (_, value) = self.0.get_mut(place)?;
        Some(value)
    }

    /// Whether a key has a value.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// The entries from a key on, whether it is there or not, in the order of their keys.
    pub fn iter_from(&self, key: &K) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        let (Ok(place) | Err(place)) = self.place(key);
        let entries = self.0.get(place..).unwrap_or_default().iter();
        entries.map(|(key, value)| (key, value))
    }

    /// The entry of a key, or else the last before it.
    #[must_use]
    pub fn last_up_to(&self, key: &K) -> Option<(&K, &V)> {
        let last = match self.place(key) {
            Ok(place) => place,
            Err(after) => after.checked_sub(1)?,
        };
        let (key, value) = self.0.get(last)?;
        Some((key, value))
    }

    /// Sets the value of a key, and gives back the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => {
                let (_, old) = self.0.get_mut(place)?;
                Some(std::mem::replace(old, value))
            }
            Err(place) => {
                self.0.insert(place, (key, value));
                None
            }
        }
    }

    /// The value of a key, made by `make` if it has none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let place = self.place(&key).unwrap_or_else(|place| {
            self.0.insert(place, (key, make()));
            place
        });
        #[expect(clippy::indexing_slicing, reason = "found or put there just now")]
        &mut self.0[place].1
    }

    /// Takes a key and its value out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(self.0.remove(place).1)
    }

    /// Where a key is, or would be.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(at, _)| at.borrow().cmp(key))
    }
}

impl<T> SortedSet<T> {
    /// A set without values.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values in their order.
    pub fn iter(&self) -> slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Takes every value out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps the values that `keep` says true of.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }
}

impl<T: Ord> SortedSet<T> {
    /// Whether a value is in the set.
    #[must_use]
    pub fn contains<Q: Ord + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.place(value).is_ok()
    }

    /// The values from one on, whether it is there or not, in their order.
    pub fn iter_from(&self, value: &T) -> slice::Iter<'_, T> {
        let (Ok(place) | Err(place)) = self.place(value);
        self.0.get(place..).unwrap_or_default().iter()
    }

    /// Puts a value in; whether it was not there.
    pub fn insert(&mut self, value: T) -> bool {
        let place = self.place(&value);
        if let Err(place) = place {
            self.0.insert(place, value);
        }
        place.is_err()
    }

    /// Takes a value out; whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        let place = self.place(value);
        if let Ok(place) = place {
            self.0.remove(place);
        }
        place.is_ok()
    }

    /// Where a value is, or would be.
    fn place<Q: Ord + ?Sized>(&self, value: &Q) -> Result<usize, usize>
    where
        T: Borrow<Q>,
    {
        self.0.binary_search_by(|at| at.borrow().cmp(value))
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for SortedSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

/// The later of two entries of one key counts.
impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<T: Ord> Extend<T> for SortedSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.insert(value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut set = Self::new();
        set.extend(values);
        set
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T> IntoIterator for SortedSet<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'s, T> IntoIterator for &'s SortedSet<T> {
    type Item = &'s T;
    type IntoIter = slice::Iter<'s, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, u32),
        Change(u8, u32),
        Remove(u8),
        Retain(u8),
        Extend(Vec<(u8, u32)>),
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0..12_u8;
        prop_oneof![
            (key.clone(), 0..100_u32).prop_map(|(key, value)| Step::Insert(key, value)),
            (key.clone(), 0..100_u32).prop_map(|(key, value)| Step::Change(key, value)),
            key.clone().prop_map(Step::Remove),
            key.clone().prop_map(Step::Retain),
            proptest::collection::vec((key, 0..100_u32), 0..8).prop_map(Step::Extend),
        ]
    }

    proptest! {
        /// The same as the maps and sets of the standard library, whatever is done with them.
        #[test]
        fn sorted_vectors_are_maps_and_sets(steps in proptest::collection::vec(step(), 0..40)) {
            let (mut map, mut set) = (SortedMap::new(), SortedSet::new());
            let (mut model, mut values) = (BTreeMap::new(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                        prop_assert_eq!(set.insert(key), values.insert(key));
                    }
                    Step::Change(key, value) => {
                        *map.get_or_insert_with(key, || 7) += value;
                        *model.entry(key).or_insert(7) += value;
                        if let Some(value) = map.get_mut(&key) {
                            *value += 1;
                        }
                        *model.entry(key).or_default() += 1;
                    }
                    Step::Remove(key) => {
                        prop_assert_eq!(map.remove(&key), model.remove(&key));
                        prop_assert_eq!(set.remove(&key), values.remove(&key));
                    }
                    Step::Retain(below) => {
                        map.retain(|key, value| *key < below || *value > 50);
                        model.retain(|key, value| *key < below || *value > 50);
                        set.retain(|value| *value < below);
                        values.retain(|value| *value < below);
                    }
                    Step::Extend(entries) => {
                        set.extend(entries.iter().map(|(key, _)| *key));
                        values.extend(entries.iter().map(|(key, _)| *key));
                        map.extend(entries.clone());
                        model.extend(entries);
                    }
                }
                for (key, value) in map.iter_mut() {
                    *value = *value % 90 + u32::from(*key);
                }
                for (key, value) in &mut model {
                    *value = *value % 90 + u32::from(*key);
                }
                prop_assert!(map.iter().eq(&model));
                prop_assert!(map.keys().eq(model.keys()) && map.values().eq(model.values()));
                prop_assert!(set.iter().eq(&values));
                prop_assert_eq!((map.len(), set.len()), (model.len(), values.len()));
                prop_assert_eq!(map.is_empty(), model.is_empty());
                prop_assert_eq!(set.is_empty(), values.is_empty());
                for key in 0..12 {
                    prop_assert_eq!(map.get(&key), model.get(&key));
                    prop_assert_eq!(map.contains_key(&key), model.contains_key(&key));
                    prop_assert!(map.iter_from(&key).eq(model.range(key..)));
                    prop_assert_eq!(map.last_up_to(&key), model.range(..=key).next_back());
                    prop_assert_eq!(set.contains(&key), values.contains(&key));
                    prop_assert!(set.iter_from(&key).eq(values.range(key..)));
                }
            }
            prop_assert_eq!(format!("{map:?} {set:?}"), format!("{model:?} {values:?}"));
            let mut cleared = map.clone();
            cleared.clear();
            prop_assert!(cleared.is_empty());
            let mut cleared = set.clone();
            cleared.clear();
            prop_assert!(cleared.is_empty());
            let again: SortedMap<_, _> = model.into_iter().rev().collect();
            prop_assert_eq!(again.into_iter().collect::<Vec<_>>(), map.into_iter().collect::<Vec<_>>());
            let again: SortedSet<_> = values.into_iter().rev().collect();
            prop_assert_eq!(again, set);
        }
    }
}
