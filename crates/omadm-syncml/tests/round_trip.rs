//! Every message comes back as it was sent.

#![allow(clippy::unwrap_used, reason = "test code")]

use omadm_syncml::{
    Command, Encoder, Encoding, Header, Limits, Message, decode, decode_command, encode,
    encode_command, strategies,
};
use proptest::prelude::*;

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = b"what was there".to_vec();
    encode(message, Encoding::Xml, &mut out).unwrap();
    out.split_off(b"what was there".len())
}

proptest! {
    #[test]
    fn messages_come_back(message in strategies::message(Encoding::Xml)) {
        let xml = encoded(&message);
        let decoded = decode(&xml, Encoding::Xml, &Limits::default()).unwrap();
        prop_assert_eq!(&decoded, &message);
        prop_assert_eq!(encoded(&decoded.into_owned()), xml);
    }

    #[test]
    fn commands_come_back_with_and_without_a_namespace(
        command in strategies::command(Encoding::Xml)
            .prop_filter("its root would be no command", |c| !matches!(c, Command::Unsupported(_)))
    ) {
        let limits = Limits::default();
        let mut xml = Vec::new();
        encode_command(&command, Encoding::Xml, &mut xml).unwrap();
        prop_assert_eq!(&decode_command(&xml, Encoding::Xml, &limits).unwrap(), &command);
        let name = command.name();
        let namespaced = format!("{name} xmlns='SYNCML:SYNCML1.2'");
        let xml = String::from_utf8(xml).unwrap().replacen(name, &namespaced, 1);
        prop_assert_eq!(decode_command(xml.as_bytes(), Encoding::Xml, &limits).unwrap(), command);
    }

    #[test]
    fn json_says_the_same(message in strategies::message(Encoding::Wbxml)) {
        let json = serde_json::to_string(&message).unwrap();
        prop_assert_eq!(serde_json::from_str::<Message<'_>>(&json).unwrap(), message);
    }

    #[test]
    fn an_encoder_that_is_filled_up_knows_its_size(
        header in strategies::header(Encoding::Xml),
        commands in prop::collection::vec((strategies::command(Encoding::Xml), any::<bool>()), 0..5),
        is_final: bool,
    ) {
        let mut out = b"before".to_vec();
        let mut encoder = Encoder::new(&header, Encoding::Xml, &mut out).unwrap();
        let mut message = Message::new(header.clone());
        for (command, keep) in commands {
            encoder.push(&command).unwrap();
            if keep {
                message.commands.push(command);
            } else {
                encoder.pop();
            }
        }
        let len = encoder.len();
        encoder.finish(is_final);
        message.is_final = true;
        let whole = encoded(&message);
        prop_assert_eq!(len, whole.len());
        message.is_final = is_final;
        prop_assert_eq!(&out[b"before".len()..], encoded(&message));
    }

    #[test]
    fn damaged_messages_are_refused_in_peace(
        message in strategies::message(Encoding::Xml),
        at: prop::sample::Index,
        byte: u8,
        cut: bool,
    ) {
        let mut xml = encoded(&message);
        let at = at.index(xml.len());
        if cut {
            xml.truncate(at);
        } else {
            xml[at] = byte;
        }
        match decode(&xml, Encoding::Xml, &Limits::default()) {
            Ok(decoded) => {
                prop_assert!(!cut);
                // An element in the place of a command may have a name that cannot be sent.
                let mut again = Vec::new();
                if encode(&decoded, Encoding::Xml, &mut again).is_ok() {
                    prop_assert_eq!(decode(&again, Encoding::Xml, &Limits::default()).unwrap(), decoded);
                }
            }
            Err(error) => prop_assert!(error.offset <= xml.len()),
        }
    }
}

#[test]
fn failed_and_dropped_encoders_leave_nothing() {
    let header = Header::new("1", 1, "t", "s");
    let mut out = b"before".to_vec();
    let mut encoder = Encoder::new(&header, Encoding::Xml, &mut out).unwrap();
    let len = encoder.len();
    let bad = Command::Unsupported(omadm_syncml::Unsupported::new("Add"));
    assert!(encoder.push(&bad).is_err());
    assert_eq!(encoder.len(), len);
    drop(encoder);
    assert_eq!(out, b"before");
    assert!(encode_command(&bad, Encoding::Xml, &mut out).is_err());
    let mut message = Message::new(header);
    message.commands.push(bad);
    assert!(encode(&message, Encoding::Xml, &mut out).is_err());
    message.header.session_id = "\0".into();
    assert!(encode(&message, Encoding::Xml, &mut out).is_err());
    assert!(encode(&message, Encoding::Wbxml, &mut out).is_err());
    assert_eq!(out, b"before");
}
