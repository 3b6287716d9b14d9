//! What holds a secret does not print it: every type of every crate that has one.
#![cfg(all(feature = "device", feature = "server"))]
#![allow(clippy::unwrap_used, reason = "test code")]

use std::fmt::Debug;

use virmo::{
    VmSpec,
    dm::{
        client::{Auth, Config, Received},
        core::{
            AlertCode, Batch, Format, Journal, MemoryJournal, Now, RecordReader, RecordWriter,
            Secret, Space,
        },
        http::{Outgoing, Post},
        markup::Limits,
        mo::{Account, AuthLevel, AuthType, Credential, ExecRequest},
        server,
        session::{
            Assembler, Evidence, LargeObject, Proof, Prover, Scheme, Verifier, bootstrap::Secrets,
            request::Leaf,
        },
        syncml::{
            Alert, CmdId, Command, Cred, Data, Encoding, Fragment, Header, Item, Message, Meta,
            NodeCommand, encode,
        },
        tree::Principal,
    },
    runtime::Reply,
};

const SECRET: &str = "0hBehave";
const IN_BASE64: &str = "MGhCZWhhdmU=";

/// Fails if the secret is in what it prints, as text, in base64 or as octets.
fn is_silent(what: &impl Debug) {
    for printed in [format!("{what:?}"), format!("{what:#?}")] {
        let octets = printed.split_whitespace().collect::<String>();
        for form in [SECRET, IN_BASE64, "48,104,66,101,104", "77,71,104,67,90,87"] {
            assert!(!printed.contains(form), "{printed}");
            assert!(!octets.contains(form), "{printed}");
        }
    }
}

#[test]
fn no_type_prints_its_secret() {
    is_silent(&Secret::from(SECRET));
    let proof = || Proof::new(Scheme::Md5, "me", SECRET);
    is_silent(&proof());
    is_silent(&Auth::given(Some(proof()), Some(proof())));
    let mut config = Config::new("dm.example".parse().unwrap(), "http://dm.example/");
    config.auth = Auth::given(Some(proof()), Some(proof()));
    is_silent(&config);
    is_silent(&server::Account::new(Some(proof()), Some(proof())));
    is_silent(&Prover::new([proof()]));
    is_silent(&Verifier::new(Some(proof())));

    let credential = Credential::new(AuthLevel::Client, AuthType::Basic, "me", SECRET);
    is_silent(&credential);
    let mut account = Account::new("dm.example".parse().unwrap(), "http://dm.example/");
    account.credentials = vec![credential];
    is_silent(&account);
    is_silent(&account.object("./DMAcc/a".parse().unwrap()));
    is_silent(&Secrets::new().with_network(SECRET).with_pin(SECRET));

    let resources = "RAM=1&Storage=1&CPU=1&Network=1".parse().unwrap();
    let mut spec = VmSpec::new("vm-1".parse().unwrap(), "/i", "a/b", resources);
    spec.bootstrap = Some(Secret::from(SECRET));
    is_silent(&spec);

    // Messages have them in what they send, and show its size.
    let cred = Cred::new(Meta::new().with_type("syncml:auth-basic"), IN_BASE64);
    is_silent(&cred);
    let mut message = Message::new(Header::new("1", 1, "a", "b"));
    message.header.cred = Some(cred);
    is_silent(&message);
    let body = IN_BASE64.as_bytes();
    is_silent(&Evidence::new(body, message.header.cred.as_ref()));
    is_silent(&Received::new(body, Encoding::Xml));
    is_silent(&Reply::new(Encoding::Xml, body.to_vec()));
    is_silent(&Post::new("http://dm.example/", Encoding::Xml, body));
    is_silent(&Outgoing::message(Encoding::Xml, body));
    is_silent(&server::Request::new(body, Encoding::Xml, Now::default()));
}

/// What is on its way to a node or to the journal may be a password, and whoever carries it does not
/// know.
#[test]
fn no_type_prints_what_it_carries() {
    let markup = format!("<MgmtTree xmlns='syncml:dmddf1.2'>{SECRET}</MgmtTree>");
    let fragment = Fragment::parse(markup.as_bytes(), Encoding::Xml, &Limits::default()).unwrap();
    is_silent(&fragment);
    for data in [
        Data::from(SECRET),
        Data::from(SECRET.as_bytes()),
        Data::from(fragment),
    ] {
        is_silent(&data);
        let item = Item::new().with_target("./DMAcc/a/AppAuth/1/AAuthSecret");
        let item = item.with_data(data);
        is_silent(&item);
        let mut message = Message::new(Header::new("1", 1, "a", "b"));
        let replace = Command::Replace(NodeCommand::new([item]));
        message.commands.push(replace);
        is_silent(&message);
        assert!(format!("{message:?}").contains("AAuthSecret"), "the place");
    }

    let mut batch = Batch::new();
    batch.put(Space::TREE, "AAuthSecret", SECRET);
    is_silent(&batch);
    is_silent(&batch.operations());
    assert!(format!("{batch:?}").contains("AAuthSecret"), "the key");
    let journal = MemoryJournal::new();
    journal.commit(&batch).unwrap();
    is_silent(&journal);
    let mut record = RecordWriter::new(1);
    record.text(Some(SECRET));
    is_silent(&record);
    let record = record.finish();
    is_silent(&RecordReader::new(1, &record).unwrap());

    let (uri, by) = ("./x".parse().unwrap(), Principal::Device);
    let mut exec = ExecRequest::new(&uri, &by);
    exec.argument = Some(SECRET.as_bytes());
    is_silent(&exec);
}

/// Nor what comes or goes in parts.
#[test]
fn no_type_prints_what_it_carries_on() {
    let item = |data: Data<'static>| Item::new().with_target("./x").with_data(data);
    for data in [Data::from(SECRET), Data::from(SECRET.as_bytes())] {
        let whole = Command::Replace(NodeCommand::new([item(data.clone())]));
        let object = LargeObject::new(whole).unwrap();
        is_silent(&object);
        assert!(format!("{object:?}").contains("8 bytes"), "the size");

        let mut first = item(data);
        first.more_data = true;
        first.meta.size = Some(100);
        let mut assembler = Assembler::new(1000);
        assembler.take(&Command::Replace(NodeCommand::new([first])));
        is_silent(&assembler);
        assert!(
            format!("{assembler:?}").contains("8 of 100 bytes"),
            "the size"
        );
    }
}

/// A server keeps its last answer, which may set a password.
#[test]
fn no_server_prints_what_it_said() {
    let mut server = server::Server::new(server::Config::new("t"), server::Everyone);
    let leaf = Leaf::new(Format::Chr, SECRET.to_owned());
    let command = server::SingleCommand::replace("./x", leaf);
    server.enqueue("dev", Box::new(command)).unwrap();
    is_silent(&server);
    let info = ["DevId", "Man", "Mod", "DmV", "Lang"].map(|leaf| {
        let item = Item::new().with_source(format!("./DevInfo/{leaf}"));
        item.with_data("dev")
    });
    let mut message = Message::new(Header::new("1", 1, "http://dm.example/", "dev"));
    message.is_final = true;
    let start = Alert::new(AlertCode::CLIENT_INITIATED);
    let replace = NodeCommand::new(info);
    message.commands = vec![Command::Alert(start), Command::Replace(replace)];
    for (command, id) in message.commands.iter_mut().zip(1..) {
        command.set_cmd_id(CmdId::new(id).unwrap());
    }
    let mut body = Vec::new();
    encode(&message, Encoding::Xml, &mut body).unwrap();
    let request = server::Request::new(&body, Encoding::Xml, Now::default());
    let receipt = server.receive(request).unwrap();
    let response = server.respond(receipt).unwrap();
    assert!(String::from_utf8_lossy(&response.body).contains(SECRET));
    is_silent(&response);
    is_silent(&server);
}

/// What goes to a guest and comes from it.
#[test]
fn no_type_prints_what_a_guest_is_told() {
    use virmo::guest::{Deframer, Frame, FrameKind};

    let frame = Frame::new(FrameKind::Request, 1, SECRET.as_bytes().to_vec());
    is_silent(&frame);
    let mut line = Vec::new();
    frame.write(&mut line);
    line.pop();
    let mut deframer = Deframer::new(100);
    assert_eq!(deframer.next_frame(&mut line.as_slice()), None);
    is_silent(&deframer);
    is_silent(&virmo::guest::Command::Exec {
        uri: "./x".parse().unwrap(),
        argument: Some(SECRET.as_bytes().to_vec()),
        correlator: None,
    });
}

/// The check finds what it looks for.
#[test]
fn what_prints_its_secret_is_found() {
    for leak in [format!("x{SECRET}"), format!("{:#?}", IN_BASE64.as_bytes())] {
        assert!(std::panic::catch_unwind(|| is_silent(&format_args!("{leak}"))).is_err());
    }
}
