//! XML to messages, beside structures that serde fills from quick-xml.

use std::hint::black_box;

use omadm_syncml::{Encoding, decode};
use serde::Deserialize;

use crate::{
    corpus::{limits, samples},
    floors::{LOOK_FOR_MARKUP, look_for_markup, one_text},
    rounds::{Table, Target},
};

/// A message as somebody would write it down for serde: every element, owned text.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is read into them is not looked at")]
struct SyncML {
    sync_hdr: SyncHdr,
    sync_body: SyncBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is read into them is not looked at")]
struct SyncHdr {
    #[serde(rename = "VerDTD")]
    ver_dtd: String,
    ver_proto: String,
    #[serde(rename = "SessionID")]
    session_id: String,
    #[serde(rename = "MsgID")]
    msg_id: u32,
    target: Location,
    source: Location,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read into them is not looked at")]
struct SyncBody {
    #[serde(rename = "$value")]
    commands: Vec<Command>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read into them is not looked at")]
enum Command {
    Status(Status),
    Alert(Request),
    Add(Request),
    Replace(Request),
    Exec(Request),
    Results(Results),
    Final,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is read into them is not looked at")]
struct Status {
    #[serde(rename = "CmdID")]
    cmd_id: u32,
    msg_ref: u32,
    cmd_ref: u32,
    cmd: String,
    data: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is read into them is not looked at")]
struct Request {
    #[serde(rename = "CmdID")]
    cmd_id: u32,
    correlator: Option<String>,
    data: Option<String>,
    #[serde(default)]
    item: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is read into them is not looked at")]
struct Results {
    #[serde(rename = "CmdID")]
    cmd_id: u32,
    msg_ref: u32,
    cmd_ref: u32,
    #[serde(default)]
    item: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is read into them is not looked at")]
struct Item {
    target: Option<Location>,
    source: Option<Location>,
    meta: Option<Meta>,
    data: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "what is read into them is not looked at")]
struct Meta {
    format: Option<String>,
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read into them is not looked at")]
struct Location {
    #[serde(rename = "LocURI")]
    uri: String,
}

pub fn run(table: &mut Table) {
    let limits = limits();
    for sample in samples() {
        let text = std::str::from_utf8(&sample.xml).expect("valid");
        let what = format!("decode XML (serde), {}", sample.name);
        let ours = || {
            black_box(decode(black_box(&sample.xml), Encoding::Xml, &limits).expect("valid"));
        };
        let anchor = || {
            let read = quick_xml::de::from_str::<SyncML>(black_box(text));
            black_box(read.expect("valid"));
        };
        let name = "quick-xml and serde";
        if let Some(text) = one_text(&sample.xml, b"<>&") {
            let floor = (LOOK_FOR_MARKUP, || look_for_markup(text));
            table.row_above(&what, name, 4.0, ours, anchor, floor);
        } else {
            table.row(&what, name, Target::Speed(4.0), ours, anchor);
        }
    }
}
