use omadm_download::DownloadKey;

/// What a partial file's name ends with; no name that [`encode`] makes does.
pub(crate) const PARTIAL: &str = ".part";

/// The key as the name of a file in one directory: ASCII letters, digits, `-`, `_` and inner dots
/// as they are, everything else as `%XX`.
pub(crate) fn encode(key: &DownloadKey) -> String {
    let text = key.as_str();
    let mut name = String::with_capacity(text.len());
    for (offset, byte) in text.bytes().enumerate() {
        let plain = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => true,
            b'.' => offset > 0 && text.get(offset..) != Some(PARTIAL),
            _ => false,
        };
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

/// The key whose name this is, if it is one's.
pub(crate) fn decode(name: &str) -> Option<DownloadKey> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first == b'%' {
            let (digits, tail) = rest.split_first_chunk::<2>()?;
            rest = tail;
            bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        } else {
            bytes.push(*first);
        }
    }
    let key: DownloadKey = str::from_utf8(&bytes).ok()?.parse().ok()?;
    (encode(&key) == name).then_some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(key: &str) -> String {
        encode(&key.parse().unwrap())
    }

    #[test]
    fn names_are_readable_and_stay_in_their_directory() {
        assert_eq!(name("entvm-2.img"), "entvm-2.img");
        assert_eq!(name("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
        assert_eq!(name(".hidden"), "%2Ehidden");
        assert_eq!(name("a.part"), "a%2Epart");
        assert_eq!(name("a.part.b"), "a.part.b");
        assert_eq!(name("C:\\x"), "C%3A%5Cx");
        assert_eq!(name("ü"), "%C3%BC");
    }

    #[test]
    fn foreign_names_are_no_keys() {
        for foreign in [
            "", "a%2", "a%2G", "%41", "a b", "%2epart", "a.part", "%FF", "%00",
        ] {
            assert_eq!(decode(foreign), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_a_name_of_its_own(key in "[^\\p{Cc}]{1,20}") {
            let key: DownloadKey = key.parse().unwrap();
            let name = encode(&key);
            prop_assert!(!name.ends_with(PARTIAL) && !name.starts_with('.'));
            prop_assert!(!name.contains(['/', '\\', '\0']) && name.len() <= 240);
            prop_assert_eq!(decode(&name), Some(key));
        }
    }
}
