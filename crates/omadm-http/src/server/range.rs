/// The bytes of a file that a request gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Selection {
    Whole,
    /// First and last byte.
    Part(u64, u64),
    Unsatisfiable,
}

/// What a `Range` header selects of a file of this length. A header that is malformed, of another
/// unit or of several ranges is ignored, as may be. [RFC 9110 §14.2]
pub(super) fn select(header: &str, length: u64) -> Selection {
    let Some(range) = parse(header) else {
        return Selection::Whole;
    };
    match (range, length.checked_sub(1)) {
        (Range::From(first), Some(end)) if first <= end => Selection::Part(first, end),
        (Range::Between(first, last), Some(end)) if first <= end => {
            Selection::Part(first, last.min(end))
        }
        (Range::Last(count), Some(end)) if count > 0 => {
            Selection::Part(length.saturating_sub(count), end)
        }
        _ => Selection::Unsatisfiable,
    }
}

enum Range {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

fn parse(header: &str) -> Option<Range> {
    let (unit, range) = header.trim().split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    match range.split_once('-')? {
        ("", count) => number(count).map(Range::Last),
        (first, "") => number(first).map(Range::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Range::Between(first, last))
        }
    }
}

fn number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        Selection::{Part, Unsatisfiable, Whole},
        *,
    };

    #[test]
    fn ranges_select_what_the_rfc_says() {
        for (header, expected) in [
            ("bytes=0-", Part(0, 9)),
            ("bytes=4-", Part(4, 9)),
            ("Bytes=4-6", Part(4, 6)),
            ("bytes=4-4", Part(4, 4)),
            ("bytes=4-99", Part(4, 9)),
            ("bytes=-3", Part(7, 9)),
            ("bytes=-99", Part(0, 9)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-11", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=6-4", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=a-", Whole),
            ("bytes=+1-", Whole),
            ("bytes=-", Whole),
            ("bytes", Whole),
            ("items=0-", Whole),
            ("bytes=99999999999999999999-", Whole),
        ] {
            assert_eq!(select(header, 10), expected, "{header}");
        }
        for header in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(select(header, 0), Unsatisfiable, "{header}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_lies_in_the_file(
            header in "(bytes=[0-9]{0,20}-[0-9]{0,20}|.{0,20})",
            length in prop_oneof![0..50u64, any::<u64>()],
        ) {
            if let Part(first, last) = select(&header, length) {
                prop_assert!(first <= last && last < length);
            }
        }

        #[test]
        fn a_range_within_the_file_is_taken_as_it_is(first: u64, count in 0..1000u64) {
            let (first, last) = (first / 2, first / 2 + count);
            let found = select(&format!("bytes={first}-{last}"), last + 1);
            prop_assert_eq!(found, Part(first, last));
        }
    }
}
