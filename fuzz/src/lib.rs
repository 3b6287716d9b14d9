//! What the fuzz targets do with their bytes; each panics if something is wrong.
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run message fuzz/corpus/message crates/omadm-syncml/tests/golden/* -- -max_total_time=10
//! ```
//!
//! A finding goes to `regressions/TARGET/`, where `cargo test` replays it.

use omadm_markup::{Encoding, Event, Limits, ReadError, Reader, Writer};
use omadm_syncml::EncodeError;

/// Reads an XML document. What can be read can be written and read again, for people too, and an
/// error is inside the document.
pub fn xml(data: &[u8]) {
    let mut limits = Limits::default();
    limits.allow_doctype = true;
    let events = match events(data, &limits) {
        Ok(events) => events,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            return;
        }
    };
    // Declarations of prefixes are written on each attribute.
    limits.max_attributes *= 2;
    limits.max_bytes = usize::MAX;
    for pretty in [false, true] {
        let mut out = Vec::new();
        let mut writer = Writer::new(Encoding::Xml, &mut out).expect("XML is supported");
        if pretty {
            writer = writer.pretty();
        }
        for event in &events {
            writer.event(event).expect("what was read can be written");
        }
        writer.finish().expect("the document is whole");
        let again = self::events(&out, &limits);
        assert_eq!(
            again.as_ref(),
            Ok(&events),
            "{}",
            String::from_utf8_lossy(&out)
        );
    }
}

fn events<'a>(data: &'a [u8], limits: &Limits) -> Result<Vec<Event<'a>>, ReadError> {
    let mut reader = Reader::new(data, Encoding::Xml, limits)?;
    let mut events = Vec::new();
    while let Some(event) = reader.next_event()? {
        assert!(reader.offset() <= data.len());
        events.push(event);
    }
    Ok(events)
}

/// Decodes a message. What can be decoded comes back as it is after encoding, and an error is inside
/// the message.
pub fn message(data: &[u8]) {
    let mut limits = omadm_syncml::Limits::default();
    let message = match omadm_syncml::decode(data, Encoding::Xml, &limits) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            return;
        }
    };
    let mut out = Vec::new();
    match omadm_syncml::encode(&message, Encoding::Xml, &mut out) {
        Ok(()) => {}
        // An element of a foreign namespace may have the name of a command.
        Err(EncodeError::CommandName) => return,
        Err(error) => panic!("{error}: {message:?}"),
    }
    limits.markup.max_attributes *= 2;
    limits.markup.max_bytes = usize::MAX;
    let again = omadm_syncml::decode(&out, Encoding::Xml, &limits);
    assert_eq!(
        again.as_ref(),
        Ok(&message),
        "{}",
        String::from_utf8_lossy(&out)
    );
}
