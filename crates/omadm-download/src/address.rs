//! Addresses in URIs. As the standard library reads and writes them, in a quarter of its code.

use std::{fmt::Write as _, iter::repeat_n};

/// The octets of an IPv4 address: four numbers without zeros before them.
pub(crate) fn ipv4(text: &str) -> Option<[u8; 4]> {
    let mut parts = text.split('.');
    let mut address = [0; 4];
    for octet in &mut address {
        let part = parts.next()?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        let fits = digits && (part == "0" || !part.starts_with('0'));
        *octet = part.parse().ok().filter(|_| fits)?;
    }
    parts.next().is_none().then_some(address)
}

/// The eight groups of an IPv6 address. [RFC 4291 §2.2]
pub(crate) fn ipv6(text: &str) -> Option<Vec<u16>> {
    let Some(gap) = text.as_bytes().windows(2).position(|two| two == b"::") else {
        return groups(text, true).filter(|groups| groups.len() == 8);
    };
    let mut before = groups(text.get(..gap)?, false)?;
    let after = groups(text.get(gap + 2..)?, true)?;
    let zeros = 8_usize.checked_sub(before.len() + after.len());
    before.extend(repeat_n(0, zeros.filter(|zeros| *zeros > 0)?));
    before.extend(after);
    Some(before)
}

/// Groups with colons between them; at the end of an address the last two may be an IPv4 address.
fn groups(text: &str, at_end: bool) -> Option<Vec<u16>> {
    let mut groups = Vec::new();
    let mut parts = text.split(':').filter(|_| !text.is_empty()).peekable();
    while let Some(part) = parts.next() {
        match ipv4(part) {
            Some([a, b, c, d]) if at_end && parts.peek().is_none() => {
                groups.extend([[a, b], [c, d]].map(u16::from_be_bytes));
            }
            _ => {
                let digits = part.bytes().all(|byte| byte.is_ascii_hexdigit());
                let group = u16::from_str_radix(part, 16).ok();
                groups.push(group.filter(|_| digits && part.len() <= 4)?);
            }
        }
    }
    Some(groups)
}

/// Writes the groups of an IPv6 address with `::` for the first of the longest runs of zeros.
/// [RFC 5952 §4]
pub(crate) fn push_ipv6(to: &mut String, groups: &[u16]) {
    let zeros = |from: &usize| {
        let rest = groups.iter().skip(*from);
        rest.take_while(|group| **group == 0).count()
    };
    let begin = (0..groups.len()).rev().max_by_key(zeros).unwrap_or(0);
    let end = match zeros(&begin) {
        0 | 1 => begin,
        run => begin + run,
    };
    for (at, group) in groups.iter().enumerate() {
        if (begin..end).contains(&at) {
            to.push_str(if at == begin { "::" } else { "" });
        } else {
            let separator = if at == 0 || at == end && begin != end {
                ""
            } else {
                ":"
            };
            _ = write!(to, "{separator}{group:x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn addresses_are_those_of_the_standard_library(
            four in "[0-9]{1,4}(\\.[0-9]{0,3}){2,4}|(0|1|25[4-6]|00|\\+1)(\\.(0|1|255|256|01)){3}",
            six in "[0-9a-f:+]{0,12}|(::)?([0-9A-F]{1,5}:{1,2}){0,8}([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9a-f]{0,4})(::)?",
            numbers in any::<[u16; 8]>(), kept: u8,
        ) {
            prop_assert_eq!(ipv4(&four), four.parse().ok().map(|it: Ipv4Addr| it.octets()));
            let theirs = six.parse().ok().map(|it: Ipv6Addr| it.segments().to_vec());
            prop_assert_eq!(ipv6(&six), theirs, "{}", six);
            let mut bits = (0..8).map(|bit| kept >> bit & 1);
            let numbers = numbers.map(|it| it * u16::from(bits.next().unwrap()));
            let address = Ipv6Addr::from(numbers);
            let mut text = String::new();
            push_ipv6(&mut text, &numbers);
            if address.to_ipv4_mapped().is_none() {
                prop_assert_eq!(&text, &address.to_string());
            }
            prop_assert_eq!(ipv6(&text), Some(numbers.to_vec()));
        }
    }
}
