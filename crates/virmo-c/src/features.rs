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

/// What a library may be built without, each a bit. The header is the same.
#[repr(u32)]
pub enum virmo_feature {
    /// `bootstrap`: `virmo_config_bootstrap`, and bootstrap documents for guests.
    Bootstrap = 1,
    /// `descriptors`: images behind download descriptors.
    Descriptors = 2,
    /// `dm-tree`: the DMTree of a VM.
    DmTree = 4,
    /// `draft`: VIRMO_NUMBER_DRAFT, and `virmo_device_unlock`.
    Draft = 8,
    /// `tnds`: subtrees as documents.
    Tnds = 16,
    /// `ui`: questions to people.
    Ui = 32,
}

/// What this library has: the sum of its virmo_feature. A later library may have more of them. From any
/// thread.
#[unsafe(no_mangle)]
pub extern "C" fn virmo_features() -> u32 {
    use virmo_feature::{Bootstrap, Descriptors, DmTree, Draft, Tnds, Ui};
    let of = |has: bool, feature: virmo_feature| if has { feature as u32 } else { 0 };
    of(BOOTSTRAP, Bootstrap)
        | of(cfg!(feature = "descriptors"), Descriptors)
        | of(DM_TREE, DmTree)
        | of(DRAFT, Draft)
        | of(cfg!(feature = "tnds"), Tnds)
        | of(UI, Ui)
}
