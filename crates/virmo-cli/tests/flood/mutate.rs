//! Damage to messages and to the HTTP around them, the same for the same seed.

/// Random numbers: SplitMix64.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `limit`, or 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }
}

/// What somebody who knows the protocol would write where something else stood.
const WORDS: &[&[u8]] = &[
    b"",
    b"0",
    b"-1",
    b"99999999999999999999999",
    b"4294967296",
    b"1.5e9",
    b"NaN",
    b"./",
    b"../../etc/passwd",
    b"./VirMO/../DMAcc",
    b"./DMAcc/virmo-server/AppAuth/SrvCred/AAuthSecret",
    b".?list=TNDS",
    b"./VirMO/x?prop=ACL",
    b"./DevInfo?list=StructData",
    b"%00%2e%2e%2f",
    b"/////////////",
    b"\xff\xfe\x00\xd8",
    b"\xed\xa0\x80",
    b"]]>",
    b"<![CDATA[",
    b"<!-- ",
    b"<!DOCTYPE SyncML [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>",
    b"&b;",
    b"&#0;",
    b"&#x10FFFF;",
    b"&lt;",
    b"<Atomic><CmdID>9</CmdID>",
    b"<Exec><CmdID>7</CmdID><Item><Target><LocURI>./VirMO</LocURI></Target></Item></Exec>",
    b"<MoreData/>",
    b"<Final/>",
    b"</SyncBody>",
    b"<MaxMsgSize xmlns=\"syncml:metinf\">1</MaxMsgSize>",
    b"xmlns=\"\"",
    // WBXML: end, switch of code page, literal, string table, opaque of 4 GiB, entity, extension.
    b"\x01",
    b"\x00\x01",
    b"\x00\xff",
    b"\x04\x00",
    b"\x83\xff\xff\xff\x7f",
    b"\xc3\x8f\xff\xff\xff\x7f",
    b"\xc3\x80\x80\x80\x80\x80\x80\x01",
    b"\x02\x8f\xff\xff\x7f",
    b"\xc0\xc1\xc2",
    b"\x03never ends",
];

/// The longest a damaged message gets, a few bytes more than any end takes.
const LONGEST: usize = (1 << 20) + 10;

/// A damaged message: now and then as it was, mostly with one thing wrong, else with some.
pub fn mutate(rng: &mut Rng, message: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = message.to_vec();
    if rng.one_in(25) {
        return octets;
    }
    let wounds = match rng.below(4) {
        0 => 2 + rng.below(4),
        _ => 1,
    };
    for _ in 0..wounds {
        damage(rng, &mut octets, others);
    }
    octets.truncate(LONGEST);
    octets
}

fn damage(rng: &mut Rng, octets: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = rng.below(octets.len() + 1);
    let end = (at + 1 + rng.below(40)).min(octets.len());
    match rng.below(14) {
        // Cut.
        0 => octets.truncate(at),
        1 => drop(octets.drain(at..end)),
        // Flip.
        2 | 3 => {
            for _ in 0..=rng.below(3) {
                if let Some(octet) = octets.get_mut(rng.0 as usize % (end.max(1))) {
                    *octet ^= 1 << rng.below(8);
                }
                rng.next();
            }
        }
        // Splice.
        4 => {
            let other = rng.pick(others);
            octets.truncate(at);
            octets.extend_from_slice(&other[rng.below(other.len())..]);
        }
        // Repeat, sometimes very often.
        5 => {
            let piece = octets[at..end].to_vec();
            let times = match rng.below(40) {
                0 => LONGEST / piece.len().max(1) + 1,
                1..10 => 300,
                _ => 1 + rng.below(5),
            };
            octets.splice(at..at, piece.repeat(times));
        }
        // Swap two elements, or two stretches.
        6..9 => swap(rng, octets),
        // Another word in the place of one.
        9..13 => {
            let (start, end) = value(rng, octets).unwrap_or((at, end));
            octets.splice(start..end, rng.pick(WORDS).iter().copied());
        }
        _ => drop(octets.splice(at..at, rng.pick(WORDS).iter().copied())),
    }
}

/// A text between two tags of XML.
fn value(rng: &mut Rng, octets: &[u8]) -> Option<(usize, usize)> {
    let starts = places(octets, |pair| pair[0] == b'>' && pair[1] != b'<');
    let start = *starts.get(rng.below(starts.len()))? + 1;
    let length = octets[start..].iter().position(|octet| *octet == b'<')?;
    Some((start, start + length))
}

fn places(octets: &[u8], is: impl Fn(&[u8]) -> bool) -> Vec<usize> {
    let pairs = octets.windows(2).enumerate();
    pairs
        .filter(|(_, pair)| is(pair))
        .map(|(at, _)| at)
        .collect()
}

/// Swaps two elements of XML that do not overlap, or two stretches of anything else.
fn swap(rng: &mut Rng, octets: &mut Vec<u8>) {
    let tags = places(octets, |pair| {
        pair[0] == b'<' && pair[1].is_ascii_alphabetic()
    });
    let mut elements: Vec<(usize, usize)> = (0..2)
        .filter_map(|_| {
            let start = *tags.get(rng.below(tags.len()))?;
            Some((start, start + element(&octets[start..])?))
        })
        .collect();
    if elements.len() < 2 {
        let mut at = || rng.below(octets.len() + 1);
        let mut four = [at(), at(), at(), at()];
        four.sort_unstable();
        elements = vec![(four[0], four[1]), (four[2], four[3])];
    }
    elements.sort_unstable();
    let [(a, b), (c, d)] = elements[..] else {
        return;
    };
    if b <= c {
        let parts = [
            &octets[..a],
            &octets[c..d],
            &octets[b..c],
            &octets[a..b],
            &octets[d..],
        ];
        *octets = parts.concat();
    }
}

/// The length of the element that begins here, if it is one.
fn element(octets: &[u8]) -> Option<usize> {
    let name = octets[1..]
        .iter()
        .position(|it| !it.is_ascii_alphanumeric())?;
    let end = [b"</", &octets[1..=name], b">"].concat();
    let at = octets.windows(end.len()).position(|it| it == end)?;
    Some(at + end.len())
}

/// Header lines that are not those of the message: another encoding, another charset, nothing,
/// something twice, something long.
pub fn headers(rng: &mut Rng, media_type: &str) -> String {
    const TYPES: &[&str] = &[
        "application/vnd.syncml.dm+xml",
        "application/vnd.syncml.dm+wbxml",
        "application/vnd.syncml+xml",
        "application/vnd.syncml.dm+xml; charset=utf-16",
        "application/vnd.syncml.dm+xml; charset=\"",
        "application/vnd.syncml.dm+json",
        "text/html",
        "*/*",
        ";;;",
        "",
    ];
    let mut text = match rng.below(12) {
        0 => String::new(),
        1 => format!("Content-Type: {media_type}\r\nContent-Type: text/plain\r\n"),
        2..7 => format!("Content-Type: {}\r\n", rng.pick(TYPES)),
        _ => format!("Content-Type: {media_type}\r\n"),
    };
    match rng.below(6) {
        0 => text += "x-syncml-hmac: algorithm=MD5, username=\"\", mac=%%%\r\n",
        1 => text += &format!("x-syncml-hmac: {}\r\n", "mac=AAAA, ".repeat(rng.below(300))),
        2 => text += &format!("X-Long: {}\r\n", "z".repeat(rng.below(9_000))),
        3 => text += &"X-Many: 1\r\n".repeat(rng.below(90)),
        4 => text += "Authorization: Basic !!!!\r\nAccept: \u{7f}\r\n",
        _ => text += "Content-Encoding: gzip\r\n",
    }
    text
}
