/// What a reader spends at most on one document, and what it lets pass.
///
/// ```
/// let mut limits = omadm_markup::Limits::default();
/// limits.max_depth = 16;
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The size of the document in bytes, and of all that is taken from its string table and its
    /// namespace declarations, counted as often as it is. Default: 8 MiB.
    pub max_bytes: usize,
    /// How deep elements nest; the root is at depth 1. Default: 64.
    pub max_depth: usize,
    /// The number of elements. Default: 500,000.
    pub max_elements: usize,
    /// The number of attributes of one element, namespace declarations included, and of prefixes
    /// bound at once. Default: 64.
    pub max_attributes: usize,
    /// The size of one run of text or octets, or of one attribute value, in bytes once decoded.
    /// Default: 8 MiB.
    pub max_text: usize,
    /// Whether an XML document may have a `DOCTYPE`; it is then skipped and nothing it names is
    /// ever fetched. One that declares something itself is refused all the same; instructions and
    /// comments in it pass. Default: no.
    pub allow_doctype: bool,
    /// Whether the last string of a WBXML string table may end with the table instead of with a
    /// terminator, as the SyncML reference toolkit and those after it send their public identifier.
    /// Default: no.
    pub allow_open_table: bool,
    /// Whether an attribute of a WBXML element may have a name outside the string table; it is then
    /// left out. Nokia devices declare the namespace of the root that way. Default: no.
    pub allow_nameless_attributes: bool,
}

impl Limits {
    /// The default limits, letting everything pass that deployed stacks send.
    #[must_use]
    pub fn lenient() -> Self {
        Self {
            allow_doctype: true,
            allow_open_table: true,
            allow_nameless_attributes: true,
            ..Self::default()
        }
    }

    /// No limit, for what was read within limits before.
    pub(crate) const NONE: Self = Self {
        max_bytes: usize::MAX,
        max_depth: usize::MAX,
        max_elements: usize::MAX,
        max_attributes: usize::MAX,
        max_text: usize::MAX,
        allow_doctype: false,
        allow_open_table: true,
        allow_nameless_attributes: true,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 8 << 20,
            max_depth: 64,
            max_elements: 500_000,
            max_attributes: 64,
            max_text: 8 << 20,
            allow_doctype: false,
            allow_open_table: false,
            allow_nameless_attributes: false,
        }
    }
}
