//! Bootstraps of any media type.

use omadm_mo::bootstrap::{Content, Limits, MediaType};

/// What was written may be longer than what was read.
fn generous(limits: &omadm_markup::Limits) -> omadm_markup::Limits {
    let mut limits = limits.clone();
    limits.max_attributes = limits.max_attributes * 2 + 1;
    limits.max_bytes = usize::MAX;
    limits
}

/// Reads a bootstrap of any media type. What can be read and written again comes back as it is.
pub fn bootstrap(data: &[u8]) {
    let types = match data.first() {
        Some(0..=3) => [
            MediaType::ProvisioningWbxml,
            MediaType::MessageWbxml,
            MediaType::TndsWbxml,
        ],
        _ => [
            MediaType::ProvisioningXml,
            MediaType::MessageXml,
            MediaType::TndsXml,
        ],
    };
    for media_type in types {
        let mut limits = Limits::default();
        let Ok(content) = Content::decode(data, media_type, &limits) else {
            continue;
        };
        if let Content::Provisioning(document) = &content {
            _ = document.accounts();
        }
        limits.message.markup = generous(&limits.message.markup);
        limits.tnds.markup = generous(&limits.tnds.markup);
        if let Ok(out) = content.encode(media_type) {
            let again = Content::decode(&out, media_type, &limits);
            assert_eq!(again.as_ref(), Ok(&content), "{media_type:?}");
        }
    }
}
