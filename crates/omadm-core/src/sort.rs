use std::{cmp::Ordering, mem};

/// Sorts numbers, or what they stand for: those of equals stay in their order.
///
/// One function for all there is to sort. The code of the standard library takes some kilobytes for
/// each type, and as many more to be fast for numbers alone.
///
/// ```
/// let names = ["b", "c", "a"];
/// let mut order = vec![0, 1, 2];
/// omadm_core::sort(&mut order, &|a, b| names[a as usize].cmp(names[b as usize]));
/// assert_eq!(order, [2, 0, 1]);
/// ```
pub fn sort(numbers: &mut Vec<u32>, order: &dyn Fn(u32, u32) -> Ordering) {
    if numbers.is_sorted_by(|a, b| order(*a, *b).is_le()) {
        return;
    }
    let mut merged = Vec::with_capacity(numbers.len());
    let mut run = 1;
    while run < numbers.len() {
        for pair in numbers.chunks(2 * run) {
            let (mut one, mut other) = pair.split_at(run.min(pair.len()));
            while let (Some((a, after_a)), Some((b, after_b))) =
                (one.split_first(), other.split_first())
            {
                if order(*a, *b).is_le() {
                    merged.push(*a);
                    one = after_a;
                } else {
                    merged.push(*b);
                    other = after_b;
                }
            }
            merged.extend(one);
            merged.extend(other);
        }
        mem::swap(numbers, &mut merged);
        merged.clear();
        run *= 2;
    }
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
