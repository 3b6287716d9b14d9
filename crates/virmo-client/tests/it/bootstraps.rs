//! Bootstrap documents for DM clients in guests. [VirMO §11.1.3]

use omadm_core::{Journal, Space, StatusCode};
use omadm_mo::{
    Account,
    bootstrap::{Content, Limits, MediaType},
};
use virmo_state::VmState;

use crate::device::{Device, Edit};

const LEAF: &str = "./VirMO/entvm/Ext/Bootstrap";
const OK: StatusCode = StatusCode::OK;

fn content() -> Content {
    let account = Account::new("dm.example".parse().unwrap(), "http://dm.example/dm");
    Content::of_accounts([("1", &account)]).unwrap()
}

fn document(media_type: MediaType) -> Vec<u8> {
    content().encode(media_type).unwrap()
}

fn write(device: &mut Device, media_type: &str, octets: &[u8]) -> StatusCode {
    device.command(Edit::AddOctets(LEAF, media_type, octets))
}

/// The documents the device keeps for guests.
fn kept(device: &Device) -> usize {
    let mut kept = 0;
    let mut visit = |_: &[u8], _: &[u8]| kept += 1;
    device.journal.scan(Space::BOOTSTRAPS, &mut visit).unwrap();
    kept
}

/// VR-213: a message in either encoding goes to the machine as the one every client takes, can never
/// be read back, and is forgotten once the machine is there.
#[test]
fn a_document_goes_to_the_machine_only() {
    let forms = [MediaType::MessageWbxml, MediaType::MessageXml];
    for media_type in forms {
        let mut device = Device::new();
        device.provision("entvm", "");
        let octets = document(media_type);
        assert_eq!(write(&mut device, media_type.as_str(), &octets), OK);
        assert_eq!(device.get(LEAF).as_deref(), Some(""));
        assert_eq!(kept(&device), 1);
        let mut in_tree = |_: &[u8], record: &[u8]| {
            let told = record.windows(10).any(|octets| octets == b"dm.example");
            assert!(!told, "the tree keeps the document");
        };
        device.journal.scan(Space::TREE, &mut in_tree).unwrap();
        device.restart();
        assert_eq!(device.get(LEAF).as_deref(), Some(""));
        device.bring("entvm", VmState::Running);
        assert_eq!(kept(&device), 0);
        let got = device.bench.bootstraps.lock().unwrap()[&device.id("entvm")].clone();
        let read = Content::decode(&got, MediaType::MessageWbxml, &Limits::default());
        assert_eq!(read.unwrap(), content(), "{media_type:?}");
        device.check();
    }
}

#[test]
fn what_is_no_document_is_refused() {
    let unsupported = StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT;
    let message = document(MediaType::MessageWbxml);
    let wbxml = MediaType::MessageWbxml.as_str();
    for (media_type, octets, status) in [
        ("", &message[..], unsupported),
        ("text/plain", &message, unsupported),
        (
            MediaType::TndsXml.as_str(),
            &document(MediaType::TndsXml),
            unsupported,
        ),
        (
            MediaType::ProvisioningXml.as_str(),
            b"<wap-provisioningdoc/>",
            unsupported,
        ),
        (wbxml, b"\x02", StatusCode::BAD_REQUEST),
        (
            MediaType::MessageXml.as_str(),
            &message,
            StatusCode::BAD_REQUEST,
        ),
        (
            wbxml,
            &message[..message.len() / 2],
            StatusCode::BAD_REQUEST,
        ),
        (wbxml, b"", OK),
    ] {
        let mut device = Device::new();
        device.provision("entvm", "");
        assert_eq!(
            write(&mut device, media_type, octets),
            status,
            "{media_type}"
        );
        assert_eq!(kept(&device), 0);
        if status != OK {
            assert_eq!(device.get(LEAF), None);
        }
    }
}

/// It is for what is to be created: not for a VM that is there, and gone with the leaf or the VM.
#[test]
fn a_document_can_be_taken_back_until_create() {
    let wbxml = MediaType::MessageWbxml.as_str();
    let octets = document(MediaType::MessageWbxml);
    for undo in [LEAF, "./VirMO/entvm"] {
        let mut device = Device::new();
        device.provision("entvm", "");
        assert_eq!(write(&mut device, wbxml, &octets), OK);
        assert_eq!(device.delete(undo), OK);
        assert_eq!(kept(&device), 0, "{undo}");
    }
    let mut device = Device::new();
    device.provision("entvm", "");
    device.bring("entvm", VmState::PoweredOff);
    let refused = StatusCode::COMMAND_NOT_ALLOWED;
    assert_eq!(write(&mut device, wbxml, &octets), refused);
    assert_eq!(kept(&device), 0);
    assert!(device.bench.bootstraps.lock().unwrap().is_empty());
}

/// What is changed of the leaf and not in it leaves its document as it is; it has no other name.
#[test]
fn a_property_takes_no_document_away() {
    let wbxml = MediaType::MessageWbxml.as_str();
    let octets = document(MediaType::MessageWbxml);
    let mut device = Device::new();
    device.provision("entvm", "");
    assert_eq!(write(&mut device, wbxml, &octets), OK);
    let title = Edit::Property(LEAF, "Title", "the account");
    assert_eq!(device.command(title), OK);
    assert_eq!(kept(&device), 1);
    assert_ne!(device.rename(LEAF, "Elsewhere"), OK);
    let other = "./VirMO/entvm/Ext/Other";
    let edit = Edit::AddOctets(other, wbxml, &octets);
    assert_eq!(device.command(edit), OK);
    assert_eq!(device.delete(LEAF), OK);
    assert_eq!(kept(&device), 0);
    assert_ne!(device.rename(other, "Bootstrap"), OK);
    assert_eq!(device.get(LEAF), None);
    assert_eq!(write(&mut device, wbxml, &octets), OK);
    device.bring("entvm", VmState::Running);
    let there = device.bench.bootstraps.lock().unwrap();
    assert!(there.contains_key(&device.id("entvm")));
}

/// A crash at any moment of a Create: the machine has its document, or the device still keeps it.
#[test]
fn a_crash_amid_create_loses_no_document() {
    for tick in 0.. {
        let mut device = Device::new();
        device.provision("entvm", "");
        let octets = document(MediaType::MessageWbxml);
        let wbxml = MediaType::MessageWbxml.as_str();
        assert_eq!(write(&mut device, wbxml, &octets), OK);
        device.trip.arm(tick);
        let crashed = device.crash_in(|device| {
            assert_eq!(device.operate("entvm", "Create"), OK);
        });
        if !crashed {
            assert!(tick > 3);
            break;
        }
        device.restart();
        if device.state("entvm") == Some(VmState::NotCreated) {
            assert_eq!(kept(&device), 1, "{tick}");
            assert_eq!(device.operate("entvm", "Create"), OK);
        }
        assert_eq!(kept(&device), 0, "{tick}");
        let got = device.bench.bootstraps.lock().unwrap();
        assert_eq!(got.get(&device.id("entvm")), Some(&octets), "{tick}");
    }
}
