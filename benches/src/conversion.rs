//! Conversions from one encoding to the other.

use omadm_markup::{Reader, Writer};
use omadm_syncml::Encoding;

use crate::corpus::limits;

/// A whole conversion to the other encoding, event by event.
pub fn convert(document: &[u8], from: Encoding, out: &mut Vec<u8>) {
    let to = match from {
        Encoding::Xml => Encoding::Wbxml,
        Encoding::Wbxml => Encoding::Xml,
    };
    out.clear();
    let mut reader = Reader::new(document, from, &limits().markup).expect("valid");
    let mut writer = Writer::new(to, out).expect("a buffer takes everything");
    while let Some(event) = reader.next_event().expect("valid") {
        writer.event(&event).expect("what was read can be written");
    }
    writer.finish().expect("whole");
}
