//! What is asked where a path into an optional part begins; without the feature, the linker finds no way
//! to it.

/// Accounts from bootstrap documents.
pub(crate) const BOOTSTRAP: bool = cfg!(feature = "bootstrap");

/// What is below the DMTree of a VM.
pub(crate) const DM_TREE: bool = cfg!(feature = "dm-tree");

/// The draft before the approved text.
pub(crate) const DRAFT: bool = cfg!(feature = "draft");

/// Why what only the draft has is refused.
pub(crate) const NO_DRAFT: &str = "this library has no draft";

/// Questions to the user of a VM.
pub(crate) const UI: bool = cfg!(feature = "ui");
