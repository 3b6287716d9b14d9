//! Our serialized trees, device descriptions and provisioning documents read by libwbxml's tools, and
//! theirs by us.
//!
//! The tools are `wbxml2xml` and `xml2wbxml` (Debian: libwbxml2-utils). Without them the test is
//! skipped, loudly, but fails if the environment has `CI=true`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

use std::{
    env,
    io::{ErrorKind, Write},
    process::{Command, Stdio},
};

use omadm_core::Secret;
use omadm_markup::Encoding;
use omadm_mo::{
    Account, Address, AddressType, AuthLevel, AuthType, Credential, DEV_DETAIL, DEV_INFO, DM_ACC,
    ddf,
    provisioning::{self, Characteristic},
    tnds::{self, Limits, Node, Place},
};
use omadm_tree::{Acl, Uri, Value};

const DDF: &str = "<!DOCTYPE MgmtTree PUBLIC \"-//OMA//DTD-DM-DDF 1.2//EN\" \
    \"http://www.openmobilealliance.org/tech/DTD/DM_DDF-V1_2.dtd\">";
const PROV: &str = "<!DOCTYPE wap-provisioningdoc PUBLIC \"-//WAPFORUM//DTD PROV 1.0//EN\" \
    \"http://www.wapforum.org/DTD/prov.dtd\">";

/// Runs a tool from its standard input to its standard output; `None` if it is not there.
fn run(tool: &str, args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(tool);
    command.args(args).args(["-o", "-", "-"]);
    let pipes = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match pipes.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            assert!(
                env::var("CI").as_deref() != Ok("true"),
                "{tool} is missing: install libwbxml2-utils"
            );
            eprintln!("SKIPPED: {tool} is missing (Debian: libwbxml2-utils)");
            return None;
        }
        child => child.unwrap(),
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(output.stdout)
}

/// Takes our WBXML to XML and our XML to WBXML, by libwbxml.
fn agree<T: PartialEq + std::fmt::Debug>(
    document: &T,
    doctype: &str,
    encode: impl Fn(Encoding) -> Vec<u8>,
    decode: impl Fn(&[u8], Encoding) -> T,
) {
    let Some(xml) = run("wbxml2xml", &["-m", "0", "-k"], &encode(Encoding::Wbxml)) else {
        return;
    };
    assert_eq!(&decode(&xml, Encoding::Xml), document);
    let xml = String::from_utf8(encode(Encoding::Xml)).unwrap();
    // What we write for people has a document type with an instruction inside.
    let root = xml.find("<MgmtTree").or(xml.find("<wap-")).unwrap();
    let xml = format!("{doctype}{}", xml.split_at(root).1);
    for options in [&["-n", "-v", "1.2"][..], &[]] {
        let Some(wbxml) = run("xml2wbxml", options, xml.as_bytes()) else {
            return;
        };
        assert_eq!(&decode(&wbxml, Encoding::Wbxml), document, "{options:?}");
    }
}

#[test]
fn trees_agree() {
    let place = |text| Place::Absolute(Uri::parse(text).unwrap());
    let acl: Acl = "Get=*&Replace=a+b".parse().unwrap();
    let document = tnds::Document {
        nodes: vec![
            Node::interior(place("./A"), "urn:example:mo:a:1.0").with_acl(acl),
            Node::leaf(place("./A/chr"), Value::chr("x < y & größe")),
            Node::leaf(place("./A/empty"), Value::chr("")),
            Node::leaf(place("./A/int"), Value::int(-7)),
            Node::leaf(place("./A/bool"), Value::bool(true)),
            Node::leaf(place("./A/null"), Value::null()),
            Node::leaf(place("./A/xml"), Value::xml("<a b=\"c\">&amp;</a>")),
            Node::leaf(place("./A/date"), Value::date("20260102").unwrap()),
            Node::leaf(place("./A/time"), Value::time("101112Z").unwrap()),
            Node::leaf(place("./A/float"), Value::float(1.5)),
            Node::interior(place("./B/a%20b"), ""),
        ],
    };
    agree(
        &document,
        DDF,
        |encoding| {
            let mut out = Vec::new();
            document.encode(encoding, &mut out).unwrap();
            out
        },
        |bytes, encoding| tnds::Document::decode(bytes, encoding, &Limits::default()).unwrap(),
    );
}

#[test]
fn descriptions_agree() {
    for definition in [&DEV_INFO, &DEV_DETAIL, &DM_ACC] {
        let document = ddf::Document::of(definition);
        agree(
            &document,
            DDF,
            |encoding| {
                let mut out = Vec::new();
                document.encode(encoding, &mut out).unwrap();
                out
            },
            |bytes, encoding| ddf::Document::decode(bytes, encoding, &Limits::default()).unwrap(),
        );
    }
}

#[test]
fn provisioning_documents_agree() {
    let mut account = Account::new("dm.example".parse().unwrap(), "http://dm.example/dm?a=1&b");
    account.name = "größe".to_owned();
    account.preferred_connection = "NAP1".to_owned();
    let mut six = Address::new("::1", AddressType::Ipv6);
    six.ports = vec![80, 65535];
    account.addresses.push(six);
    let mut credential = Credential::new(AuthLevel::Client, AuthType::HttpDigest, "me", "<pa55>");
    credential.data = Secret::from(vec![0, 255]);
    account.credentials = vec![credential];
    let mut document = provisioning::Document::from_accounts([&account]).unwrap();
    let nap = Characteristic::new("NAPDEF")
        .with("NAPID", "NAP1")
        .with("BEARER", "GSM-GPRS")
        .with("NAP-ADDRESS", "internet")
        .with("NAP-ADDRTYPE", "APN")
        .containing(Characteristic::new("NAPAUTHINFO").with("AUTHTYPE", "PAP"));
    document.characteristics.push(nap);
    agree(
        &document,
        PROV,
        |encoding| {
            let mut out = Vec::new();
            document.encode(encoding, &mut out).unwrap();
            out
        },
        |bytes, encoding| {
            let limits = omadm_markup::Limits::lenient();
            provisioning::Document::decode(bytes, encoding, &limits).unwrap()
        },
    );
}
