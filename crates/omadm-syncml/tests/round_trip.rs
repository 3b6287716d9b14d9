//! Every message comes back as it was sent.

#![allow(clippy::unwrap_used, reason = "test code")]

use omadm_syncml::{
    Command, Encoder, Encoding, Header, Limits, Message, PublicId, WbxmlOptions, WbxmlVersion,
    decode, decode_command, encode, encode_command, strategies,
};
use proptest::prelude::*;

fn encoded(message: &Message<'_>, encoding: Encoding) -> Vec<u8> {
    let mut out = b"what was there".to_vec();
    encode(message, encoding, &mut out).unwrap();
    out.split_off(b"what was there".len())
}

/// An encoding, and something it can carry.
fn both<T: std::fmt::Debug + 'static>(
    strategy: fn(Encoding) -> BoxedStrategy<T>,
) -> impl Strategy<Value = (Encoding, T)> {
    prop::sample::select(Encoding::ALL.to_vec())
        .prop_flat_map(move |encoding| (Just(encoding), strategy(encoding)))
}

proptest! {
    #[test]
    fn messages_come_back((encoding, message) in both(strategies::message)) {
        let document = encoded(&message, encoding);
        let decoded = decode(&document, encoding, &Limits::default()).unwrap();
        prop_assert_eq!(&decoded, &message);
        prop_assert_eq!(encoded(&decoded.into_owned(), encoding), document);
    }

    #[test]
    fn a_message_is_the_same_over_either_encoding(message in strategies::message(Encoding::Xml)) {
        let limits = Limits::default();
        let xml = encoded(&message, Encoding::Xml);
        let wbxml = encoded(&decode(&xml, Encoding::Xml, &limits).unwrap(), Encoding::Wbxml);
        let decoded = decode(&wbxml, Encoding::Wbxml, &limits).unwrap();
        prop_assert_eq!(&decoded, &message);
        prop_assert_eq!(encoded(&decoded, Encoding::Xml), xml);
    }

    #[test]
    fn commands_come_back_with_and_without_a_namespace(
        command in strategies::command(Encoding::Xml)
            .prop_filter("its root would be no command", |c| !matches!(c, Command::Unsupported(_)))
    ) {
        let limits = Limits::default();
        for encoding in Encoding::ALL {
            let mut out = Vec::new();
            encode_command(&command, encoding, &mut out).unwrap();
            prop_assert_eq!(&decode_command(&out, encoding, &limits).unwrap(), &command);
        }
        let mut xml = Vec::new();
        encode_command(&command, Encoding::Xml, &mut xml).unwrap();
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
        (encoding, header) in both(strategies::header),
        commands in prop::collection::vec((strategies::command(Encoding::Xml), any::<bool>()), 0..5),
        is_final: bool,
    ) {
        let mut out = b"before".to_vec();
        let mut encoder = Encoder::new(&header, encoding, &mut out).unwrap();
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
        let whole = encoded(&message, encoding);
        prop_assert_eq!(len, whole.len());
        message.is_final = is_final;
        prop_assert_eq!(&out[b"before".len()..], encoded(&message, encoding));
    }

    #[test]
    fn whatever_the_options_the_message_is_the_same(
        message in strategies::message(Encoding::Wbxml),
        version in prop::sample::select(vec![WbxmlVersion::V1_1, WbxmlVersion::V1_2, WbxmlVersion::V1_3]),
        public_id in prop::sample::select(vec![PublicId::Numeric, PublicId::Textual]),
    ) {
        let mut options = WbxmlOptions::default();
        (options.version, options.public_id) = (version, public_id);
        let mut out = Vec::new();
        encode(&message, options, &mut out).unwrap();
        prop_assert_eq!(&decode(&out, Encoding::Wbxml, &Limits::default()).unwrap(), &message);
        let mut filled = Vec::new();
        let mut encoder = Encoder::new(&message.header, options, &mut filled).unwrap();
        for command in &message.commands {
            encoder.push(command).unwrap();
        }
        let len = encoder.len();
        encoder.finish(true);
        prop_assert_eq!(filled.len(), len);
    }

    #[test]
    fn damaged_messages_are_refused_in_peace(
        (encoding, message) in both(strategies::message),
        at: prop::sample::Index,
        byte: u8,
        cut: bool,
    ) {
        let mut document = encoded(&message, encoding);
        let at = at.index(document.len());
        if cut {
            document.truncate(at);
        } else {
            document[at] = byte;
        }
        match decode(&document, encoding, &Limits::default()) {
            Ok(decoded) => {
                prop_assert!(!cut);
                // An element in the place of a command may have a name that cannot be sent.
                let mut again = Vec::new();
                if encode(&decoded, encoding, &mut again).is_ok() {
                    prop_assert_eq!(decode(&again, encoding, &Limits::default()).unwrap(), decoded);
                }
            }
            Err(error) => prop_assert!(error.offset <= document.len()),
        }
    }
}

#[test]
fn failed_and_dropped_encoders_leave_nothing() {
    for encoding in Encoding::ALL {
        let header = Header::new("1", 1, "t", "s");
        let mut out = b"before".to_vec();
        let mut encoder = Encoder::new(&header, encoding, &mut out).unwrap();
        let len = encoder.len();
        let bad = Command::Unsupported(omadm_syncml::Unsupported::new("Add"));
        assert!(encoder.push(&bad).is_err());
        assert_eq!(encoder.len(), len);
        drop(encoder);
        assert_eq!(out, b"before");
        assert!(encode_command(&bad, encoding, &mut out).is_err());
        let mut message = Message::new(header);
        message.commands.push(bad);
        assert!(encode(&message, encoding, &mut out).is_err());
        message.header.session_id = "\0".into();
        assert!(encode(&message, encoding, &mut out).is_err());
        assert_eq!(out, b"before");
    }
}
