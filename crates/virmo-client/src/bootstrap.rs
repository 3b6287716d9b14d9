//! Bootstrap documents for DM clients in guests: out of the tree, and to the hypervisor.
//! [VirMO §11.1.3]

use omadm_core::{
    Batch, Journal, JournalError, JournalErrorKind, Records, Secret, Space, StatusCode,
};
use omadm_mo::{
    Refusal,
    bootstrap::{Content, Limits, MediaType},
};
use omadm_tree::Uri;
use virmo_state::VmId;

use crate::features::BOOTSTRAP;

pub(crate) const RECORDS: Records = Records::new(Space::BOOTSTRAPS, VERSION).under(PREFIX);

const VERSION: u8 = 1;
const PREFIX: &str = "vm/";

/// Whether an address below `Ext` is that of the document.
pub(crate) fn is_leaf(below: &Uri) -> bool {
    let mut names = below.segments();
    names.next() == Some("Bootstrap") && names.next().is_none()
}

/// The document as guests get it; none for an empty value.
pub(crate) fn document(media_type: &str, octets: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    if octets.is_empty() {
        return Ok(None);
    }
    if !BOOTSTRAP {
        return Err(Refusal(StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED));
    }
    let media_type = match MediaType::of(media_type) {
        Some(of_message @ (MediaType::MessageWbxml | MediaType::MessageXml)) => of_message,
        _ => return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT)),
    };
    let unreadable = Refusal(StatusCode::BAD_REQUEST);
    let content = Content::decode(octets, media_type, &Limits::default());
    let document = content
        .map_err(|_| unreadable)?
        .encode(MediaType::MessageWbxml);
    document.map(Some).map_err(|_| unreadable)
}

/// Keeps the document of a VM until it is created.
pub(crate) fn save(batch: &mut Batch, vm: &VmId, document: &[u8]) {
    let record = [&[VERSION], document].concat();
    batch.put(Space::BOOTSTRAPS, key(vm), record);
}

pub(crate) fn forget(batch: &mut Batch, vm: &VmId) {
    batch.remove(Space::BOOTSTRAPS, key(vm));
}

pub(crate) fn load(journal: &dyn Journal, vm: &VmId) -> Result<Option<Secret>, JournalError> {
    match journal.read(Space::BOOTSTRAPS, key(vm).as_bytes())? {
        None => Ok(None),
        Some(record) => match record.split_first() {
            Some((&VERSION, document)) => Ok(Some(document.to_vec().into())),
            _ => Err(JournalError::new(JournalErrorKind::Corrupt, None)),
        },
    }
}

fn key(vm: &VmId) -> String {
    format!("{PREFIX}{vm}")
}
