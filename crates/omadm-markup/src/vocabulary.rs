use std::fmt;

use crate::word;

/// A set of names that share a namespace in XML and a code page in WBXML.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
#[repr(u8)]
pub enum Vocabulary {
    /// Messages: `SYNCML:SYNCML1.2`; 1.1 and 1.0 are read as the same.
    SyncMl = 0,
    /// Meta-information: `syncml:metinf`.
    MetInf = 1,
    /// Device descriptions and serialised trees: `syncml:dmddf1.2`, also `syncml:dmddf`.
    Ddf = 2,
    /// Device information of Data Synchronization: `syncml:devinf`.
    DevInf = 3,
}

impl Vocabulary {
    /// Every vocabulary.
    pub const ALL: &'static [Self] = &[Self::SyncMl, Self::MetInf, Self::Ddf, Self::DevInf];

    /// The name of its namespace, as it is written.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "there is a namespace for each vocabulary"
    )]
    pub const fn namespace(self) -> &'static str {
        NAMESPACES[self as usize]
    }

    /// The vocabulary of that namespace, in any spelling that is read.
    #[must_use]
    pub fn from_namespace(uri: &str) -> Option<Self> {
        match uri {
            "SYNCML:SYNCML1.2" | "SYNCML:SYNCML1.1" | "SYNCML:SYNCML1.0" => Some(Self::SyncMl),
            "syncml:metinf" => Some(Self::MetInf),
            "syncml:dmddf1.2" | "syncml:dmddf" => Some(Self::Ddf),
            "syncml:devinf" => Some(Self::DevInf),
            _ => None,
        }
    }

    /// The tag of that name, exact in case.
    #[must_use]
    pub fn tag(self, name: &str) -> Option<Tag> {
        self.tag_of_bytes(name.as_bytes())
    }

    /// The tokens that are names, a bit for each.
    #[expect(
        clippy::indexing_slicing,
        reason = "there are tokens for each vocabulary"
    )]
    #[inline]
    pub(crate) const fn tokens(self) -> u64 {
        TABLES.tokens[self as usize]
    }

    #[inline]
    pub(crate) fn tag_of_bytes(self, name: &[u8]) -> Option<Tag> {
        self.search(hash(name), |place| place.name().as_bytes() == name)
    }

    /// The tag of a name of `len` letters, 1 to 8, that is all there is in `word`.
    #[inline]
    pub(crate) fn tag_of_word(self, word: u64, len: usize) -> Option<Tag> {
        let last = (word >> (8 * (len - 1))) as u8;
        self.search(slot(word as u8, last, len), |place| {
            place.len() == len && word::prefix(place.word(), len) == word
        })
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "there are slots for each vocabulary"
    )]
    #[inline]
    fn search(self, mut slot: u8, is_it: impl Fn(Place) -> bool) -> Option<Tag> {
        let slots = &TABLES.slots[self as usize];
        loop {
            let token = *slots.get(usize::from(slot))?;
            if token == 0 {
                return None;
            }
            let tag = Tag::new(self, token);
            if is_it(tag.place()) {
                return Some(tag);
            }
            slot = slot.wrapping_add(1);
        }
    }
}

/// A name of a [`Vocabulary`]; the constants are in [`syncml`], [`metinf`], [`ddf`] and
/// [`devinf`], and may be patterns.
///
/// ```
/// use omadm_markup::{Vocabulary, syncml};
///
/// assert_eq!(Vocabulary::SyncMl.tag("LocURI"), Some(syncml::LOC_URI));
/// assert_eq!(syncml::LOC_URI.as_str(), "LocURI");
/// assert_eq!(syncml::LOC_URI.token(), 0x17);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u16);

impl Tag {
    pub(crate) const fn new(vocabulary: Vocabulary, token: u8) -> Self {
        Self((vocabulary as u16) << 8 | token as u16)
    }

    /// The vocabulary.
    #[must_use]
    pub const fn vocabulary(self) -> Vocabulary {
        match self.0 >> 8 & 3 {
            0 => Vocabulary::SyncMl,
            1 => Vocabulary::MetInf,
            2 => Vocabulary::Ddf,
            _ => Vocabulary::DevInf,
        }
    }

    /// The token on the vocabulary's code page, 0x05 to 0x3F. [WAP-WBXML]
    #[must_use]
    pub const fn token(self) -> u8 {
        self.0 as u8
    }

    /// The name of the element.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.place().name()
    }

    /// How the tag is written in XML.
    #[inline]
    pub(crate) fn spelling(self) -> Spelling {
        let place = self.place();
        Spelling {
            start: place.block(),
            len: place.len(),
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the masks keep the indices inside the table"
    )]
    #[inline]
    const fn place(self) -> Place {
        TABLES.places[(self.0 >> 8 & 3) as usize][(self.0 & 0x3F) as usize]
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.vocabulary(), self.as_str())
    }
}

/// The start tag of an element in XML.
#[derive(Clone, Copy)]
pub(crate) struct Spelling {
    /// `<name>`, and what fills it up: so many bytes are copied at once faster than so many as there
    /// are.
    pub(crate) start: &'static [u8; Self::BLOCK],
    /// The length of the name.
    pub(crate) len: usize,
}

impl Spelling {
    pub(crate) const BLOCK: usize = 32;
}

/// Where a start tag is in [`TAGS`], and in the lowest bits the length of its name.
#[derive(Clone, Copy)]
struct Place(u16);

impl Place {
    const LEN_BITS: u32 = 5;
    const END: usize = 1 << (u16::BITS - Self::LEN_BITS);

    const fn new(at: usize, len: usize) -> Self {
        assert!(at < Self::END && len < 1 << Self::LEN_BITS);
        Self((at << Self::LEN_BITS | len) as u16)
    }

    #[inline]
    const fn at(self) -> usize {
        (self.0 >> Self::LEN_BITS) as usize
    }

    #[inline]
    const fn len(self) -> usize {
        (self.0 & ((1 << Self::LEN_BITS) - 1)) as usize
    }

    /// `<name>` and what is behind it.
    #[inline]
    fn block(self) -> &'static [u8; Spelling::BLOCK] {
        let block = TAGS.as_bytes().get(self.at()..);
        let block = block.and_then(|block| block.first_chunk());
        block.unwrap_or(&[0; Spelling::BLOCK])
    }

    /// The first eight letters of the name, and what follows it if it has less.
    #[inline]
    fn word(self) -> u64 {
        let [_, a, b, c, d, e, f, g, h, ..] = *self.block();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    #[inline]
    const fn name(self) -> &'static str {
        let name = match TAGS.split_at_checked(self.at() + "<".len()) {
            Some((_, name)) => name.split_at_checked(self.len()),
            None => None,
        };
        match name {
            Some((name, _)) => name,
            None => "",
        }
    }
}

/// The start tags of all names, and so much more that each place has a whole block.
const TAGS: &str = match str::from_utf8(&tags()) {
    Ok(tags) => tags,
    Err(_) => unreachable!(),
};

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time, where it fails the build"
)]
const fn tags() -> [u8; Place::END + Spelling::BLOCK] {
    let mut tags = [b' '; Place::END + Spelling::BLOCK];
    let (mut i, mut at) = (0, 0);
    while i < NAMES.len() {
        let name = NAMES[i].2.as_bytes();
        tags[at] = b'<';
        let (_, behind) = tags.split_at_mut(at + "<".len());
        behind.split_at_mut(name.len()).0.copy_from_slice(name);
        at += "<>".len() + name.len();
        tags[at - ">".len()] = b'>';
        i += 1;
    }
    tags
}

/// The names by vocabulary and token, and the tokens by the hash of their name.
struct Tables {
    places: [[Place; 64]; 4],
    slots: [[u8; 256]; 4],
    tokens: [u64; 4],
}

static TABLES: Tables = Tables::new();

impl Tables {
    #[expect(
        clippy::indexing_slicing,
        reason = "runs at compile time, where it fails the build"
    )]
    const fn new() -> Self {
        let mut tables = Self {
            places: [[Place(0); 64]; 4],
            slots: [[0; 256]; 4],
            tokens: [0; 4],
        };
        let (mut i, mut at) = (0, 0);
        while i < NAMES.len() {
            let (vocabulary, token, name) = NAMES[i];
            let vocabulary = vocabulary as usize;
            tables.places[vocabulary][token as usize] = Place::new(at, name.len());
            tables.tokens[vocabulary] |= 1 << token;
            let slots = &mut tables.slots[vocabulary];
            let mut slot = hash(name.as_bytes());
            while slots[slot as usize] != 0 {
                slot = slot.wrapping_add(1);
            }
            slots[slot as usize] = token;
            at += "<>".len() + name.len();
            i += 1;
        }
        tables
    }
}

const fn hash(name: &[u8]) -> u8 {
    match (name.first(), name.last()) {
        (Some(&first), Some(&last)) => slot(first, last, name.len()),
        _ => 0,
    }
}

/// A slot from the length and two letters, chosen so that few names of a vocabulary share one.
#[inline]
const fn slot(first: u8, last: u8, len: usize) -> u8 {
    let letters = first.wrapping_mul(5).wrapping_add(last.wrapping_mul(7));
    letters.wrapping_add((len as u8).wrapping_mul(29))
}

macro_rules! vocabularies {
    ($(
        $(#[$doc:meta])*
        $module:ident, $vocabulary:ident, $namespace:literal:
        $($token:literal $name:ident $text:literal)*
    )*) => {
        static NAMESPACES: [&str; 4] = [$($namespace),*];

        const NAMES: &[(Vocabulary, u8, &str)] =
            &[$($((Vocabulary::$vocabulary, $token, $text),)*)*];

        $(
            $(#[$doc])*
            pub mod $module {
                use super::{Tag, Vocabulary};

                $(
                    #[doc = concat!("`", $text, "`")]
                    pub const $name: Tag = Tag::new(Vocabulary::$vocabulary, $token);
                )*
            }
        )*
    };
}

vocabularies! {
    /// The names of messages, code page 0. [DM-RepPro]
    syncml, SyncMl, "SYNCML:SYNCML1.2":
    0x05 ADD "Add"
    0x06 ALERT "Alert"
    0x07 ARCHIVE "Archive"
    0x08 ATOMIC "Atomic"
    0x09 CHAL "Chal"
    0x0A CMD "Cmd"
    0x0B CMD_ID "CmdID"
    0x0C CMD_REF "CmdRef"
    0x0D COPY "Copy"
    0x0E CRED "Cred"
    0x0F DATA "Data"
    0x10 DELETE "Delete"
    0x11 EXEC "Exec"
    0x12 FINAL "Final"
    0x13 GET "Get"
    0x14 ITEM "Item"
    0x15 LANG "Lang"
    0x16 LOC_NAME "LocName"
    0x17 LOC_URI "LocURI"
    0x18 MAP "Map"
    0x19 MAP_ITEM "MapItem"
    0x1A META "Meta"
    0x1B MSG_ID "MsgID"
    0x1C MSG_REF "MsgRef"
    0x1D NO_RESP "NoResp"
    0x1E NO_RESULTS "NoResults"
    0x1F PUT "Put"
    0x20 REPLACE "Replace"
    0x21 RESP_URI "RespURI"
    0x22 RESULTS "Results"
    0x23 SEARCH "Search"
    0x24 SEQUENCE "Sequence"
    0x25 SESSION_ID "SessionID"
    0x26 SFT_DEL "SftDel"
    0x27 SOURCE "Source"
    0x28 SOURCE_REF "SourceRef"
    0x29 STATUS "Status"
    0x2A SYNC "Sync"
    0x2B SYNC_BODY "SyncBody"
    0x2C SYNC_HDR "SyncHdr"
    0x2D SYNC_ML "SyncML"
    0x2E TARGET "Target"
    0x2F TARGET_REF "TargetRef"
    0x31 VER_DTD "VerDTD"
    0x32 VER_PROTO "VerProto"
    0x33 NUMBER_OF_CHANGES "NumberOfChanges"
    0x34 MORE_DATA "MoreData"
    0x35 FIELD "Field"
    0x36 FILTER "Filter"
    0x37 RECORD "Record"
    0x38 FILTER_TYPE "FilterType"
    0x39 SOURCE_PARENT "SourceParent"
    0x3A TARGET_PARENT "TargetParent"
    0x3B MOVE "Move"
    0x3C CORRELATOR "Correlator"

    /// The names of meta-information, code page 1. [DM-MetInf]
    metinf, MetInf, "syncml:metinf":
    0x05 ANCHOR "Anchor"
    0x06 EMI "EMI"
    0x07 FORMAT "Format"
    0x08 FREE_ID "FreeID"
    0x09 FREE_MEM "FreeMem"
    0x0A LAST "Last"
    0x0B MARK "Mark"
    0x0C MAX_MSG_SIZE "MaxMsgSize"
    0x0D MEM "Mem"
    0x0E MET_INF "MetInf"
    0x0F NEXT "Next"
    0x10 NEXT_NONCE "NextNonce"
    0x11 SHARED_MEM "SharedMem"
    0x12 SIZE "Size"
    0x13 TYPE "Type"
    0x14 VERSION "Version"
    0x15 MAX_OBJ_SIZE "MaxObjSize"
    0x16 FIELD_LEVEL "FieldLevel"

    /// The names of device descriptions and serialised trees, code page 2. [DM-TND]
    ///
    /// [`NODE`](ddf::NODE) is the element `Node`, [`NODE_FORMAT`](ddf::NODE_FORMAT) the format `node`.
    ddf, Ddf, "syncml:dmddf1.2":
    0x05 ACCESS_TYPE "AccessType"
    0x06 ACL "ACL"
    0x07 ADD "Add"
    0x08 B64 "b64"
    0x09 BIN "bin"
    0x0A BOOL "bool"
    0x0B CHR "chr"
    0x0C CASE_SENSE "CaseSense"
    0x0D CIS "CIS"
    0x0E COPY "Copy"
    0x0F CS "CS"
    0x10 DATE "date"
    0x11 DDF_NAME "DDFName"
    0x12 DEFAULT_VALUE "DefaultValue"
    0x13 DELETE "Delete"
    0x14 DESCRIPTION "Description"
    0x15 DF_FORMAT "DFFormat"
    0x16 DF_PROPERTIES "DFProperties"
    0x17 DF_TITLE "DFTitle"
    0x18 DF_TYPE "DFType"
    0x19 DYNAMIC "Dynamic"
    0x1A EXEC "Exec"
    0x1B FLOAT "float"
    0x1C FORMAT "Format"
    0x1D GET "Get"
    0x1E INT "int"
    0x1F MAN "Man"
    0x20 MGMT_TREE "MgmtTree"
    0x21 MIME "MIME"
    0x22 MOD "Mod"
    0x23 NAME "Name"
    0x24 NODE "Node"
    0x25 NODE_FORMAT "node"
    0x26 NODE_NAME "NodeName"
    0x27 NULL "null"
    0x28 OCCURRENCE "Occurrence"
    0x29 ONE "One"
    0x2A ONE_OR_MORE "OneOrMore"
    0x2B ONE_OR_N "OneOrN"
    0x2C PATH "Path"
    0x2D PERMANENT "Permanent"
    0x2E REPLACE "Replace"
    0x2F RT_PROPERTIES "RTProperties"
    0x30 SCOPE "Scope"
    0x31 SIZE "Size"
    0x32 TIME "time"
    0x33 TITLE "Title"
    0x34 T_STAMP "TStamp"
    0x35 TYPE "Type"
    0x36 VALUE "Value"
    0x37 VER_DTD "VerDTD"
    0x38 VER_NO "VerNo"
    0x39 XML "xml"
    0x3A ZERO_OR_MORE "ZeroOrMore"
    0x3B ZERO_OR_N "ZeroOrN"
    0x3C ZERO_OR_ONE "ZeroOrOne"

    /// The names of device information of Data Synchronization; DM does not use them.
    devinf, DevInf, "syncml:devinf":
    0x05 CT_CAP "CTCap"
    0x06 CT_TYPE "CTType"
    0x07 DATA_STORE "DataStore"
    0x08 DATA_TYPE "DataType"
    0x09 DEV_ID "DevID"
    0x0A DEV_INF "DevInf"
    0x0B DEV_TYP "DevTyp"
    0x0C DISPLAY_NAME "DisplayName"
    0x0D DS_MEM "DSMem"
    0x0E EXT "Ext"
    0x0F FW_V "FwV"
    0x10 HW_V "HwV"
    0x11 MAN "Man"
    0x12 MAX_GUID_SIZE "MaxGUIDSize"
    0x13 MAX_ID "MaxID"
    0x14 MAX_MEM "MaxMem"
    0x15 MOD "Mod"
    0x16 OEM "OEM"
    0x17 PARAM_NAME "ParamName"
    0x18 PROP_NAME "PropName"
    0x19 RX "Rx"
    0x1A RX_PREF "Rx-Pref"
    0x1B SHARED_MEM "SharedMem"
    0x1C MAX_SIZE "MaxSize"
    0x1D SOURCE_REF "SourceRef"
    0x1E SW_V "SwV"
    0x1F SYNC_CAP "SyncCap"
    0x20 SYNC_TYPE "SyncType"
    0x21 TX "Tx"
    0x22 TX_PREF "Tx-Pref"
    0x23 VAL_ENUM "ValEnum"
    0x24 VER_CT "VerCT"
    0x25 VER_DTD "VerDTD"
    0x26 XNAM "XNam"
    0x27 XVAL "XVal"
    0x28 UTC "UTC"
    0x29 SUPPORT_NUMBER_OF_CHANGES "SupportNumberOfChanges"
    0x2A SUPPORT_LARGE_OBJS "SupportLargeObjs"
    0x2B PROPERTY "Property"
    0x2C PROP_PARAM "PropParam"
    0x2D MAX_OCCUR "MaxOccur"
    0x2E NO_TRUNCATE "NoTruncate"
    0x30 FILTER_RX "Filter-Rx"
    0x31 FILTER_CAP "FilterCap"
    0x32 FILTER_KEYWORD "FilterKeyword"
    0x33 FIELD_LEVEL "FieldLevel"
    0x34 SUPPORT_HIERARCHICAL_SYNC "SupportHierarchicalSync"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(vocabulary: Vocabulary) -> impl Iterator<Item = (u8, &'static str)> {
        let names = (0..64).map(move |token| (token, Tag::new(vocabulary, token).as_str()));
        names.filter(|(_, name)| !name.is_empty())
    }

    #[test]
    fn every_name_is_found_and_nothing_else() {
        for &vocabulary in Vocabulary::ALL {
            assert_eq!(
                Vocabulary::from_namespace(vocabulary.namespace()),
                Some(vocabulary)
            );
            for (token, name) in names(vocabulary) {
                let tag = vocabulary.tag(name).unwrap();
                assert_eq!(
                    (tag.vocabulary(), tag.token(), tag.as_str()),
                    (vocabulary, token, name)
                );
                let spelling = tag.spelling();
                assert!(spelling.start.starts_with(format!("<{name}>").as_bytes()));
                assert_eq!(spelling.len, name.len());
                if let Ok(len @ 1..=8) = u32::try_from(name.len()) {
                    let octets = name.bytes().chain([0; 8]).take(8);
                    let octets: Vec<u8> = octets.collect();
                    let word = u64::from_le_bytes(octets.try_into().unwrap());
                    let len = len as usize;
                    assert_eq!(vocabulary.tag_of_word(word, len), Some(tag));
                    assert_eq!(vocabulary.tag_of_word(word ^ 1, len), None);
                    assert_eq!(vocabulary.tag_of_word(word ^ 1 << (8 * len - 1), len), None);
                }
                assert_eq!(vocabulary.tag(&format!("{name}x")), None);
                assert_eq!(vocabulary.tag(&format!("{name} ")), None);
            }
            assert_eq!(vocabulary.tag(""), None);
            assert_eq!(Tag::new(vocabulary, 0x3F).as_str(), "");
        }
        assert_eq!(ddf::NODE.as_str(), "Node");
        assert_eq!(ddf::NODE_FORMAT.as_str(), "node");
    }

    #[test]
    fn code_pages_are_as_long_as_in_the_specification() {
        let counts = Vocabulary::ALL
            .iter()
            .map(|&vocabulary| names(vocabulary).count());
        assert_eq!(counts.collect::<Vec<_>>(), [55, 18, 56, 47]);
    }

    #[test]
    fn no_namespace_has_two_meanings() {
        assert_eq!(
            Vocabulary::from_namespace("SYNCML:SYNCML1.1"),
            Some(Vocabulary::SyncMl)
        );
        assert_eq!(Vocabulary::from_namespace("syncml:SYNCML1.2"), None);
        assert_eq!(Vocabulary::from_namespace(""), None);
    }

    #[test]
    fn debug_names_the_vocabulary() {
        assert_eq!(format!("{:?} {0}", metinf::TYPE), "MetInf:Type Type");
    }
}
