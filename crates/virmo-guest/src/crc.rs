/// The frame check sequence of 32 bits. [RFC 1662 §C.3]
pub(crate) fn fcs(bytes: &[u8]) -> u32 {
    let step = |fcs: u32, byte: &u8| {
        let index = (fcs ^ u32::from(*byte)) & 0xff;
        (fcs >> 8) ^ entry(index)
    };
    !bytes.iter().fold(u32::MAX, step)
}

const fn entry(index: u32) -> u32 {
    let (mut entry, mut bit) = (index, 0);
    while bit < 8 {
        let feedback = if entry & 1 == 0 { 0 } else { 0xedb8_8320 };
        entry = (entry >> 1) ^ feedback;
        bit += 1;
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_the_known_one() {
        assert_eq!(fcs(b"123456789"), 0xcbf4_3926);
        assert_eq!(fcs(b""), 0);
    }
}
