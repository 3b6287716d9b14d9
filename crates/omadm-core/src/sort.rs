use std::cmp::Ordering;

/// Sorts numbers, or what they stand for: those of equals stay in their order.
///
/// One function for all there is to sort, as the code for it takes some kilobytes for each type.
///
/// ```
/// let names = ["b", "c", "a"];
/// let mut order = vec![0, 1, 2];
/// omadm_core::sort(&mut order, &|a, b| names[a as usize].cmp(names[b as usize]));
/// assert_eq!(order, [2, 0, 1]);
/// ```
pub fn sort(numbers: &mut [u32], order: &dyn Fn(u32, u32) -> Ordering) {
    numbers.sort_by(|a, b| order(*a, *b));
}

/// Where values are in a slice, in the order of these; of equals the first one comes first.
///
/// ```
/// assert_eq!(omadm_core::in_order(&["b", "c", "a", "b"]), [2, 0, 3, 1]);
/// ```
pub fn in_order<T: Ord>(values: &[T]) -> Vec<u32> {
    let value = |at: u32| values.get(at as usize);
    let mut order: Vec<u32> = (0..).zip(values).map(|(at, _)| at).collect();
    sort(&mut order, &|a, b| value(a).cmp(&value(b)));
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_in_order_and_equals_as_they_were(
            mut numbers in proptest::collection::vec(0..1000_u32, 0..200), tens in any::<bool>(),
        ) {
            let key = |number: u32| if tens { number / 10 } else { number };
            let mut expected = numbers.clone();
            expected.sort_by_key(|number| key(*number));
            super::sort(&mut numbers, &|a, b| key(a).cmp(&key(b)));
            prop_assert_eq!(numbers, expected);
        }
    }
}
