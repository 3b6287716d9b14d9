//! The examples of the VirMO specification, as they stand there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_core::{Format, Interaction, Mark, StatusCode, UserAnswer};
use omadm_syncml::{CmdId, CmdRef, Command, Encoding, Limits, decode_command, encode_command};

fn decode(xml: &str) -> Command<'_> {
    decode_command(xml.as_bytes(), Encoding::Xml, &Limits::default()).unwrap()
}

/// A command in XML; in WBXML it comes back the same.
fn encode(command: &Command<'_>) -> String {
    let mut wbxml = Vec::new();
    encode_command(command, Encoding::Wbxml, &mut wbxml).unwrap();
    let again = decode_command(&wbxml, Encoding::Wbxml, &Limits::default());
    assert_eq!(again.as_ref(), Ok(command));
    let mut out = Vec::new();
    encode_command(command, Encoding::Xml, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// VR-248, VR-249, VR-250, VR-251, VR-252, VR-253: the Image Ready Alert of §12.1, whose Type has
/// line breaks around it and whose Item has no Data.
#[test]
fn image_ready_alert() {
    let command = decode(include_str!("golden/virmo/image-ready-alert.xml"));
    let Command::Alert(alert) = &command else {
        panic!("{command:?}");
    };
    assert_eq!(alert.cmd_id, CmdId::new(2));
    let [ready] = <[_; 1]>::try_from(alert.generic_alerts().unwrap()).unwrap();
    assert_eq!(ready.alert_type, "urn:oma:at:oma-virmo:imageready:1.0");
    assert_eq!(
        ready.source.as_deref(),
        Some("./VMImgMO/entvm/Operations/Download")
    );
    assert_eq!(
        (ready.format, ready.mark),
        (Format::Xml, Some(Mark::Informational))
    );
    assert_eq!((ready.correlator, ready.data.as_str()), (None, ""));
    assert_eq!(
        encode(&command),
        "<Alert><CmdID>2</CmdID><Data>1226</Data><Item><Source>\
         <LocURI>./VMImgMO/entvm/Operations/Download</LocURI></Source><Meta>\
         <Format xmlns=\"syncml:metinf\">xml</Format>\
         <Type xmlns=\"syncml:metinf\">urn:oma:at:oma-virmo:imageready:1.0</Type>\
         <Mark xmlns=\"syncml:metinf\">informational</Mark></Meta></Item></Alert>"
    );
}

/// VR-235, VR-241: the value of `UI/Command` of §11.2.2, with an empty first Item and a comment.
#[test]
fn user_interaction_command() {
    let command = decode(include_str!("golden/virmo/ui-command.xml"));
    let Command::Alert(alert) = &command else {
        panic!("{command:?}");
    };
    let asked = alert.user_interaction().unwrap();
    assert_eq!(asked.interaction, Interaction::Confirm);
    assert_eq!(asked.text, "Do you want to add the CNN access point?");
    assert_eq!(asked.options, Default::default());
    let namespaced = encode(&command).replacen("<Alert>", "<Alert xmlns='SYNCML:SYNCML1.2'>", 1);
    assert_eq!(decode(&namespaced), command);
}

/// VR-237, VR-244: the value of `UI/Result` of §11.2.2.
#[test]
fn user_interaction_result() {
    let command = decode(include_str!("golden/virmo/ui-result.xml"));
    let Command::Status(status) = &command else {
        panic!("{command:?}");
    };
    assert_eq!((status.msg_ref, status.cmd.as_ref()), (1, "Alert"));
    assert_eq!(status.cmd_ref, CmdRef::Command(CmdId::new(2).unwrap()));
    assert_eq!(status.code, StatusCode::NOT_MODIFIED);
    assert_eq!(
        status.answer(&Interaction::Confirm),
        Some(UserAnswer::Rejected)
    );
    assert_eq!(decode(&encode(&command)), command);
}
