use std::path::PathBuf;

use omadm_core::Secret;
use virmo_params::{ResourceConfig, VendorPairs};
use virmo_state::VmId;

/// What a machine is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct VmSpec {
    /// Its identifier.
    pub id: VmId,
    /// For people; may be empty. [VirMO §8 Description]
    pub description: String,
    /// The absolute path of the image file. It is copied, not kept: the image may be deleted once
    /// [`create`](crate::Hypervisor::create) has returned. [VirMO §10.2 step 5]
    pub image: PathBuf,
    /// The image's media type. [VirMO §9 MediaType]
    pub media_type: String,
    /// What it is entitled to.
    pub resources: ResourceConfig,
    /// The vendor pairs of its CreateParams; a back end ignores keys it does not know.
    pub vendor: VendorPairs,
    /// A bootstrap document for a DM client inside the guest, if it is to have one.
    /// [VirMO §11.1.3]
    pub bootstrap: Option<Secret>,
}

impl VmSpec {
    /// A machine without description, vendor pairs and bootstrap document.
    #[must_use]
    pub fn new(
        id: VmId,
        image: impl Into<PathBuf>,
        media_type: impl Into<String>,
        resources: ResourceConfig,
    ) -> Self {
        Self {
            id,
            description: String::new(),
            image: image.into(),
            media_type: media_type.into(),
            resources,
            vendor: VendorPairs::default(),
            bootstrap: None,
        }
    }
}
