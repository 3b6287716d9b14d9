//! What there is of the optional parts. Where a path into one begins, one of these is asked, and what
//! can be reached in no other way is not in a program without the feature.

/// Bootstrap documents for DM clients in guests. [VirMO §11.1.3]
pub(crate) const BOOTSTRAP: bool = cfg!(feature = "bootstrap");

/// What is below the DMTree of a VM. [VirMO §11.2]
pub(crate) const DM_TREE: bool = cfg!(feature = "dm-tree");

/// Questions to the user of a VM. [VirMO §11.2.2]
pub(crate) const UI: bool = cfg!(feature = "ui");

/// The draft before the approved text.
pub(crate) const DRAFT: bool = cfg!(feature = "draft");
