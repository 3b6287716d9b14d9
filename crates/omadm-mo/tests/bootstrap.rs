//! Bootstrap content: provisioning documents, serialized trees and messages, and what a tree makes of
//! them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use std::{borrow::Cow, env, fs, path::Path};

use omadm_core::{Now, Secret, ServerId};
use omadm_markup::{Encoding, Limits as MarkupLimits};
use omadm_mo::{
    Account, AccountErrorKind, Address, AddressType, AuthLevel, AuthType, Credential, Definition,
    Effects, Mount, NodeDefinition as N, Plain, Registry,
    bootstrap::{
        Addition, Applied, ApplyError, Content, DecodeError, EncodeError, Limits, MediaType,
    },
    provisioning::{
        self, ApplicationError, Characteristic, NotExpressible, Parm, ProvisioningErrorKind,
    },
    tnds,
};
use omadm_tree::{
    AccessType, NewNode, Occurrence, Principal, Target, Tree, TreeLimits, Uri, Value,
};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest},
    sample::select,
    test_runner::Config,
};

static NAP: Definition = Definition {
    name: Cow::Borrowed("NAP"),
    moid: Cow::Borrowed("urn:example:mo:nap:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "An access point.", "Example").occurs(Occurrence::ZeroOrMore),
        N::leaf("Name", omadm_core::Format::Chr, "Its name.", "Example"),
    ]),
};

static VENDOR: Definition = Definition {
    name: Cow::Borrowed("Vendor"),
    moid: Cow::Borrowed("urn:example:mo:vendor:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A vendor's own.", "Example").permanent(),
        N::node("Ext", "Anything.", "Example").permanent().open(),
    ]),
};

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn server(id: &str) -> ServerId {
    id.parse().unwrap()
}

fn account() -> Account {
    let mut account = Account::new(server("dm.example"), "http://dm.example/dm");
    account.name = "Example & Co".to_owned();
    account.preferred_connection = "NAP1".to_owned();
    account.addresses[0].ports = vec![8080];
    account
        .addresses
        .push(Address::new("10.0.0.1", AddressType::Ipv4));
    let mut client = Credential::new(AuthLevel::Client, AuthType::Digest, "device", "pa55");
    client.data = Secret::from(vec![0, 1, 255]);
    account.credentials = vec![
        client,
        Credential::new(AuthLevel::Server, AuthType::Hmac, "dm.example", "s3cret"),
    ];
    account
}

/// A device that has accounts and access points.
fn registry() -> Registry {
    let mut registry = Registry::new();
    let accounts = Account::objects([]).unwrap();
    registry.mount(Box::new(accounts)).unwrap();
    let naps = Plain::new(Mount::instances(uri("./NAP"), &NAP));
    registry.mount(Box::new(naps)).unwrap();
    registry
}

fn tree(registry: &mut Registry) -> Tree {
    let mut tree = Tree::new(TreeLimits::default(), "Add=*&Get=*".parse().unwrap());
    let mut transaction = tree.begin(Now::default());
    let mut effects = Effects::new(1);
    registry
        .start(&mut transaction, &mut effects, Now::default())
        .unwrap();
    commit(transaction);
    registry.committed();
    tree
}

fn commit(transaction: omadm_tree::Transaction<'_>) {
    let journal = omadm_core::MemoryJournal::new();
    transaction.commit(&journal, Default::default()).unwrap();
}

fn apply(content: &Content, tree: &mut Tree, registry: &Registry) -> Result<Applied, ApplyError> {
    let mut transaction = tree.begin(Now::default());
    let applied = content.apply(&mut transaction, registry.layout())?;
    commit(transaction);
    Ok(applied)
}

fn texts(uris: &[Uri]) -> Vec<String> {
    uris.iter().map(Uri::to_string).collect()
}

/// Compares with a file of `tests/golden`, or writes it when `UPDATE_GOLDEN` is set.
fn golden(name: &str, actual: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (actual, expected) = (actual.escape_ascii(), expected.escape_ascii());
    assert_eq!(actual.to_string(), expected.to_string(), "{name}");
}

fn provisioning_of(accounts: &[Account]) -> Content {
    Content::Provisioning(provisioning::Document::from_accounts(accounts).unwrap())
}

fn decode(octets: &[u8], media_type: MediaType) -> Result<Content, DecodeError> {
    Content::decode(octets, media_type, &Limits::default())
}

/// What fits a media type.
fn content(media_type: MediaType) -> Content {
    match media_type {
        MediaType::ProvisioningWbxml | MediaType::ProvisioningXml => provisioning_of(&[account()]),
        _ => Content::of_accounts([("main", &account())]).unwrap(),
    }
}

#[test]
fn each_media_type_carries_its_profile() {
    for media_type in MediaType::ALL {
        let octets = content(media_type).encode(media_type).unwrap();
        let name = match media_type {
            MediaType::ProvisioningWbxml => "bootstrap.prov.wbxml",
            MediaType::ProvisioningXml => "bootstrap.prov.xml",
            MediaType::MessageWbxml => "bootstrap.dm.wbxml",
            MediaType::MessageXml => "bootstrap.dm.xml",
            MediaType::TndsWbxml => "bootstrap.tnds.wbxml",
            MediaType::TndsXml => "bootstrap.tnds.xml",
        };
        golden(name, &octets);
        assert_eq!(
            decode(&octets, media_type),
            Ok(content(media_type)),
            "{name}"
        );
        let with_parameters = format!(
            "{}; SEC=USERPIN; MAC=00",
            media_type.as_str().to_uppercase()
        );
        assert_eq!(MediaType::of(&with_parameters), Some(media_type));
    }
    assert_eq!(MediaType::of("text/xml"), None);
}

/// Whatever the profile, the device has the account, and its server the rights on it.
#[test]
fn an_account_arrives_by_either_profile() {
    for media_type in MediaType::ALL {
        let mut registry = registry();
        let mut tree = tree(&mut registry);
        let octets = content(media_type).encode(media_type).unwrap();
        let applied = apply(&decode(&octets, media_type).unwrap(), &mut tree, &registry).unwrap();
        let root = match media_type {
            MediaType::ProvisioningWbxml | MediaType::ProvisioningXml => uri("./DMAcc/dm.example"),
            _ => uri("./DMAcc/main"),
        };
        assert_eq!(applied.accounts, std::slice::from_ref(&root));
        assert!(applied.objects.is_empty() && applied.ignored.is_empty());
        let found = Account::find(&tree, registry.layout(), &server("dm.example")).unwrap();
        assert_eq!(found, Some((root.clone(), account())));
        assert!(tree.node(&uri("./Inbox")).is_none());

        let node = tree.node(&root).unwrap();
        assert_eq!(
            node.acl().to_string(),
            "Delete=dm.example&Get=dm.example&Replace=dm.example"
        );
        let transaction = tree.begin(Now::default());
        for (id, access, path, allowed) in [
            ("dm.example", AccessType::Get, "AppAddr/1/Addr", true),
            (
                "dm.example",
                AccessType::Replace,
                "AppAuth/1/AAuthSecret",
                true,
            ),
            (
                "dm.example",
                AccessType::Get,
                "AppAuth/1/AAuthSecret",
                false,
            ),
            ("other", AccessType::Get, "AppAddr/1/Addr", false),
            ("other", AccessType::Replace, "AppAddr/1/Addr", false),
        ] {
            let target = Target::node(root.join(&uri(path)));
            let by = Principal::Server(server(id));
            let permit = transaction.authorize(registry.layout(), &by, access, &target);
            assert_eq!(permit.is_ok(), allowed, "{id} {access} {path}");
        }
    }
}

#[test]
fn a_second_bootstrap_replaces_the_account_of_its_server_alone() {
    let mut registry = registry();
    let mut tree = tree(&mut registry);
    let other = Account::new(server("other"), "http://other.example/");
    apply(
        &provisioning_of(&[account(), other.clone()]),
        &mut tree,
        &registry,
    )
    .unwrap();

    let mut moved = Account::new(server("dm.example"), "http://new.example/");
    moved.preferred = Some(AuthType::Basic);
    let again = Content::of_accounts([("main", &moved)]).unwrap();
    let applied = apply(&again, &mut tree, &registry).unwrap();
    assert_eq!(texts(&applied.accounts), ["./DMAcc/dm.example"]);
    assert_eq!(Account::read(&tree, &uri("./DMAcc/dm.example")), Ok(moved));
    assert_eq!(Account::read(&tree, &uri("./DMAcc/other")), Ok(other));

    // Of two accounts with one server the last counts.
    let fifth = |url: &str| Account::new(server("fifth"), url);
    let (one, last) = (fifth("http://one.example/"), fifth("http://two.example/"));
    for content in [
        Content::of_accounts([("x", &one), ("y", &last)]).unwrap(),
        provisioning_of(&[one.clone(), last.clone()]),
    ] {
        let applied = apply(&content, &mut tree, &registry).unwrap();
        assert_eq!(texts(&applied.accounts), ["./DMAcc/x"]);
        assert_eq!(
            Account::find(&tree, registry.layout(), &server("fifth")),
            Ok(Some((uri("./DMAcc/x"), last.clone())))
        );
        assert!(tree.node(&uri("./DMAcc/y")).is_none());
    }

    // A name that is taken by another server gets a number.
    let third = Account::new(server("a/b"), "http://third.example/");
    let named = Content::of_accounts([("other", &third)]).unwrap();
    let applied = apply(&named, &mut tree, &registry).unwrap();
    assert_eq!(texts(&applied.accounts), ["./DMAcc/other-2"]);
    // An identifier that is no name leaves the device to number the account.
    let fourth = Account::new(server("c/d"), "http://fourth.example/");
    let applied = apply(&provisioning_of(&[fourth]), &mut tree, &registry).unwrap();
    assert_eq!(texts(&applied.accounts), ["./DMAcc/1"]);
}

/// A node that another server made where anything may be added, and that says to be an account, is
/// none: no bootstrap writes its secrets there.
#[test]
fn what_only_says_to_be_an_account_is_none() {
    let mut registry = registry();
    let vendor = Plain::new(Mount::new(uri("./Vendor"), &VENDOR));
    registry.mount(Box::new(vendor)).unwrap();
    let mut tree = tree(&mut registry);
    let other = Principal::Server(server("other.example"));
    let mut transaction = tree.begin(Now::default());
    for (path, node) in [
        (
            "./Vendor/Ext/x",
            NewNode::Interior {
                node_type: Some(omadm_mo::DM_ACC.moid.to_string()),
            },
        ),
        (
            "./Vendor/Ext/x/ServerID",
            NewNode::Leaf(Value::chr("dm.example")),
        ),
    ] {
        let layout = registry.layout();
        let target = Target::node(uri(path));
        let permit = transaction.authorize(layout, &other, AccessType::Add, &target);
        transaction.add(layout, permit.unwrap(), node).unwrap();
    }
    commit(transaction);

    let find = |tree: &Tree| Account::find(tree, registry.layout(), &server("dm.example"));
    assert_eq!(find(&tree), Ok(None));
    for media_type in [MediaType::ProvisioningWbxml, MediaType::MessageWbxml] {
        let applied = apply(&content(media_type), &mut tree, &registry).unwrap();
        let (root, _) = find(&tree).unwrap().unwrap();
        assert!(root.starts_with(&uri("./DMAcc")), "{root}");
        assert_eq!(applied.accounts, [root]);
        assert!(tree.node(&uri("./Vendor/Ext/x/AppAuth")).is_none());
    }
}

/// Objects in the Inbox go where their Type is at home, and references follow them.
#[test]
fn objects_leave_the_inbox() {
    let mut registry = registry();
    let mut tree = tree(&mut registry);
    let mut first = account();
    first.preferred_connection = "./Inbox/home".to_owned();
    first.connections = vec![
        "./Inbox/home/Name".to_owned(),
        "./Inbox/elsewhere".to_owned(),
    ];
    let Content::Additions(mut additions) = Content::of_accounts([("1", &first)]).unwrap() else {
        panic!("additions");
    };
    let xml = b"<MgmtTree>\
        <Node><NodeName>home</NodeName><RTProperties><Type><DDFName>urn:example:mo:nap:1.0</DDFName>\
        </Type></RTProperties><Node><NodeName>Name</NodeName><Value>n</Value></Node>\
        <Node><NodeName>Vendor</NodeName><Value>v</Value></Node></Node>\
        <Node><NodeName>odd</NodeName><RTProperties><Type><DDFName>urn:example:mo:odd:1.0</DDFName>\
        </Type></RTProperties><Node><NodeName>Name</NodeName><Value>n</Value></Node></Node>\
        </MgmtTree>";
    let document = tnds::Document::decode(xml, Encoding::Xml, &tnds::Limits::default()).unwrap();
    let target = uri("./Inbox");
    additions.push(Addition { target, document });
    let applied = apply(&Content::Additions(additions), &mut tree, &registry).unwrap();
    assert_eq!(texts(&applied.accounts), ["./DMAcc/1"]);
    assert_eq!(texts(&applied.objects), ["./NAP/home"]);
    assert_eq!(
        texts(&applied.ignored),
        ["./Inbox/home/Vendor", "./Inbox/odd"]
    );
    let read = Account::read(&tree, &uri("./DMAcc/1")).unwrap();
    assert_eq!(read.preferred_connection, "./NAP/home");
    assert_eq!(read.connections, ["./NAP/home/Name", "./Inbox/elsewhere"]);
    assert!(tree.node(&uri("./Inbox")).is_none());
}

/// An object that says where it belongs, and one without a name.
#[test]
fn objects_have_paths_or_no_name() {
    let leaf = |name: &str, value: &str| {
        format!("<Node><NodeName>{name}</NodeName><Value>{value}</Value></Node>")
    };
    let object = |name: &str| {
        format!(
            "<MgmtTree><Node>{name}<RTProperties><Type><DDFName>urn:oma:mo:oma-dm-dmacc:1.0</DDFName>\
             </Type></RTProperties>{}{}<Node><NodeName>AppAddr</NodeName><Node><NodeName>1</NodeName>{}\
             </Node></Node></Node></MgmtTree>",
            leaf("AppID", "w7"),
            leaf("ServerID", "dm.example"),
            leaf("Addr", "http://dm.example/"),
        )
    };
    for (name, root) in [
        ("<NodeName>x</NodeName><Path>./DMAcc</Path>", "./DMAcc/x"),
        ("<NodeName>x</NodeName><Path>./Inbox</Path>", "./DMAcc/x"),
        ("<NodeName>x</NodeName>", "./DMAcc/x"),
        ("<NodeName/>", "./DMAcc/dm.example"),
        ("", "./DMAcc/dm.example"),
    ] {
        let mut registry = registry();
        let mut tree = tree(&mut registry);
        let content = decode(object(name).as_bytes(), MediaType::TndsXml).unwrap();
        let applied = apply(&content, &mut tree, &registry).unwrap();
        assert_eq!(texts(&applied.accounts), [root], "{name}");
        let account = Account::new(server("dm.example"), "http://dm.example/");
        assert_eq!(Account::read(&tree, &uri(root)), Ok(account));
    }
    // Nothing may be added beside the objects that are mounted, nor in their place.
    for path in ["<Path>.</Path>", "<Path>./DMAcc/y/AppAddr</Path>"] {
        let mut registry = registry();
        let mut tree = tree(&mut registry);
        let xml = object(&format!("<NodeName>AppID</NodeName>{path}"));
        let content = decode(xml.as_bytes(), MediaType::TndsXml).unwrap();
        let before = tree.node_count();
        let result = apply(&content, &mut tree, &registry);
        assert!(result.is_err(), "{path}: {result:?}");
        assert_eq!(tree.node_count(), before);
    }
}

#[test]
fn refusals_leave_the_tree_alone() {
    let mut registry = registry();
    let mut tree = tree(&mut registry);
    let before = tree.node_count();
    let mut refused = |content: &Content| {
        let error = apply(content, &mut tree, &registry).unwrap_err();
        assert_eq!(tree.node_count(), before);
        error
    };

    let broken = Account::new(server("a"), "");
    let second = Content::of_accounts([("1", &account()), ("2", &broken)]).unwrap();
    match refused(&second) {
        ApplyError::Account(error) => {
            assert_eq!(error.uri, uri("./DMAcc/2/AppAddr/1/Addr"));
            assert_eq!(error.kind, AccountErrorKind::Missing);
        }
        error => panic!("{error:?}"),
    }
    let twice = Content::of_accounts([("1", &account()), ("1", &broken)]).unwrap();
    assert!(matches!(refused(&twice), ApplyError::Creation(_)));
    let document = provisioning::Document {
        characteristics: vec![
            Characteristic::new("APPLICATION").with("APPID", "w5"),
            Characteristic::new("APPLICATION")
                .with("APPID", "w7")
                .with("PROVIDER-ID", "a b"),
        ],
    };
    let error = ApplicationError {
        application: 1,
        parm: "PROVIDER-ID",
        kind: AccountErrorKind::Invalid,
    };
    assert_eq!(
        refused(&Content::Provisioning(document)),
        ApplyError::Application(error)
    );
}

/// A document without a w7 application grants nothing to anybody.
#[test]
fn connectivity_alone_changes_no_tree() {
    let mut registry = registry();
    let mut tree = tree(&mut registry);
    let before = tree.node_count();
    let nap = Characteristic::new("NAPDEF")
        .with("NAPID", "NAP1")
        .with("NAP-ADDRESS", "internet");
    let document = provisioning::Document {
        characteristics: vec![nap],
    };
    let applied = apply(&Content::Provisioning(document), &mut tree, &registry).unwrap();
    assert_eq!(applied, Applied::default());
    assert_eq!(tree.node_count(), before);
}

#[test]
fn w7_applications_are_read_as_they_are_sent() {
    let w7 = |application: Characteristic| {
        let document = provisioning::Document {
            characteristics: vec![application],
        };
        document.accounts().map(|mut accounts| accounts.remove(0))
    };
    let minimal = || {
        Characteristic::new("APPLICATION")
            .with("APPID", "w7")
            .with("PROVIDER-ID", "dm.example")
    };
    let fault = |application, parm, kind| {
        let application_error = ApplicationError {
            application: 1,
            parm,
            kind,
        };
        assert_eq!(w7(application), Err(application_error));
    };
    // An address of its own, and one without a type.
    let account = w7(minimal().with("ADDR", "http://a/").containing(
        Characteristic::new("APPADDR")
            .with("ADDR", "::1")
            .with("ADDRTYPE", "IPV6"),
    ))
    .unwrap();
    let types: Vec<_> = account.addresses.iter().map(|one| one.addr_type).collect();
    assert_eq!(types, [AddressType::Uri, AddressType::Ipv6]);
    assert_eq!(account.preferred_connection, "");

    let several = minimal()
        .with("ADDR", "x")
        .with("TO-NAPID", "n")
        .with("TO-PROXY", "p");
    let account = w7(several).unwrap();
    assert_eq!(account.preferred_connection, "");
    assert_eq!(account.connections, ["p", "n"]);

    fault(minimal(), "ADDR", AccountErrorKind::Missing);
    let appaddr = |kind: &str, port: &str| {
        let port = Characteristic::new("PORT").with("PORTNBR", port);
        let appaddr = Characteristic::new("APPADDR")
            .with("ADDR", "x")
            .with("ADDRTYPE", kind);
        minimal().containing(appaddr.containing(port))
    };
    fault(appaddr("E164", "80"), "ADDRTYPE", AccountErrorKind::Invalid);
    fault(
        appaddr("IPV4", "65536"),
        "PORTNBR",
        AccountErrorKind::Invalid,
    );
    let appauth = |level: &str, kind: &str, data: &str| {
        let appauth = Characteristic::new("APPAUTH")
            .with("AAUTHLEVEL", level)
            .with("AAUTHTYPE", kind)
            .with("AAUTHDATA", data);
        minimal().with("ADDR", "x").containing(appauth)
    };
    let level = |level| w7(appauth(level, "DIGEST", "")).map(|one| one.credentials[0].level);
    assert_eq!(level("APPSRV"), Ok(AuthLevel::Client));
    assert_eq!(level("CLIENT"), Ok(AuthLevel::Server));
    assert_eq!(level("OBEX"), Ok(AuthLevel::Obex));
    fault(
        appauth("HTTP", "DIGEST", ""),
        "AAUTHLEVEL",
        AccountErrorKind::Invalid,
    );
    fault(
        appauth("APPSRV", "MD5", ""),
        "AAUTHTYPE",
        AccountErrorKind::Invalid,
    );
    fault(
        appauth("APPSRV", "", ""),
        "AAUTHTYPE",
        AccountErrorKind::Missing,
    );
    fault(
        appauth("APPSRV", "DIGEST", "*"),
        "AAUTHDATA",
        AccountErrorKind::Invalid,
    );

    let mut http = Account::new(server("a"), "x");
    http.credentials = vec![Credential::new(
        AuthLevel::Http,
        AuthType::HttpBasic,
        "",
        "",
    )];
    let error = provisioning::Document::from_accounts([&http]).unwrap_err();
    assert_eq!(error, NotExpressible::Level(AuthLevel::Http));
}

#[test]
fn no_password_prints() {
    for media_type in MediaType::ALL {
        let text = format!("{:?}", content(media_type));
        assert!(!text.contains("pa55") && !text.contains("s3cret"), "{text}");
    }
}

#[test]
fn messages_bring_nothing_but_additions() {
    let message = |body: &str| {
        format!(
            "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
             <SessionID>0</SessionID><MsgID>1</MsgID><Target><LocURI>a</LocURI></Target><Source>\
             <LocURI>b</LocURI></Source></SyncHdr><SyncBody>{body}<Final/></SyncBody></SyncML>"
        )
    };
    let read = |body: &str| decode(message(body).as_bytes(), MediaType::MessageXml);
    let add = |id: u32, data: &str| {
        format!(
            "<Add><CmdID>{id}</CmdID><Item><Target><LocURI>./Inbox</LocURI></Target>\
             <Data>{data}</Data></Item></Add>"
        )
    };
    let tree = "<MgmtTree xmlns='syncml:dmddf1.2'><Node><NodeName>A</NodeName></Node></MgmtTree>";
    let cdata = format!("<![CDATA[{tree}]]>");
    let both = format!(
        "<Atomic><CmdID>1</CmdID>{}{}</Atomic>",
        add(2, tree),
        add(3, &cdata)
    );
    let Ok(Content::Additions(additions)) = read(&both) else {
        panic!("additions");
    };
    assert_eq!(additions.len(), 2);
    assert_eq!(additions[0], additions[1]);

    let get = "<Get><CmdID>1</CmdID><Item><Target><LocURI>.</LocURI></Target></Item></Get>";
    assert_eq!(read(get), Err(DecodeError::Command("Get".to_owned())));
    assert!(matches!(read(&add(1, "<a/>")), Err(DecodeError::Tnds(_))));
    assert_eq!(read(&add(1, "*")), Err(DecodeError::Item));
    let bare = "<Add><CmdID>1</CmdID><Item><Target><LocURI>./Inbox</LocURI></Target></Item></Add>";
    assert_eq!(read(bare), Err(DecodeError::Item));
    assert!(matches!(read("<"), Err(DecodeError::Message(_))));

    let additions = content(MediaType::MessageXml);
    let wrong = additions.encode(MediaType::ProvisioningXml);
    assert_eq!(wrong, Err(EncodeError::Content(MediaType::ProvisioningXml)));
    let wrong = provisioning_of(&[]).encode(MediaType::TndsXml);
    assert_eq!(wrong, Err(EncodeError::Content(MediaType::TndsXml)));
}

/// An Add for each node, with its Format and Type.
fn node_by_node(adds: &[(&str, &str, &str, &str)]) -> String {
    let item = |(uri, format, media_type, data): &(&str, &str, &str, &str)| {
        let data = match *data {
            "" => String::new(),
            data => format!("<Data>{data}</Data>"),
        };
        let media_type = match *media_type {
            "" => String::new(),
            it => format!("<Type xmlns='syncml:metinf'>{it}</Type>"),
        };
        format!(
            "<Item><Target><LocURI>{uri}</LocURI></Target><Meta>\
             <Format xmlns='syncml:metinf'>{format}</Format>{media_type}</Meta>{data}</Item>"
        )
    };
    let adds = adds.iter().enumerate().map(|(index, add)| {
        let id = index + 1;
        format!("<Add><CmdID>{id}</CmdID>{}</Add>", item(add))
    });
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>0</SessionID><MsgID>1</MsgID><Target><LocURI>a</LocURI></Target><Source>\
         <LocURI>b</LocURI></Source></SyncHdr><SyncBody>{}<Final/></SyncBody></SyncML>",
        adds.collect::<String>()
    )
}

/// The same in the other encoding.
fn as_wbxml(xml: &str) -> Vec<u8> {
    let message = omadm_syncml::decode(xml.as_bytes(), Encoding::Xml, &Default::default());
    let mut octets = Vec::new();
    omadm_syncml::encode(&message.unwrap(), Encoding::Wbxml, &mut octets).unwrap();
    octets
}

#[test]
fn an_account_arrives_node_by_node() {
    const TYPE: &str = "urn:oma:mo:oma-dm-dmacc:1.0";
    for (root, node_type) in [("./DMAcc/x", ""), ("./DMAcc/x", TYPE), ("./Inbox/x", TYPE)] {
        let below = |path: &str| format!("{root}/{path}");
        let (id, pref, addr, one, uri_of) = (
            below("ServerID"),
            below("PrefConRef"),
            below("AppAddr"),
            below("AppAddr/1"),
            below("AppAddr/1/Addr"),
        );
        let (auth, first, level, kind, name, secret) = (
            below("AppAuth"),
            below("AppAuth/1"),
            below("AppAuth/1/AAuthLevel"),
            below("AppAuth/1/AAuthType"),
            below("AppAuth/1/AAuthName"),
            below("AppAuth/1/AAuthSecret"),
        );
        let data = below("AppAuth/1/AAuthData");
        let reference = below("AppAddr/1");
        let adds = [
            // Children before their parents, which is no order to add them one after the other.
            (&*uri_of, "chr", "text/plain", "http://dm.example/"),
            (root, "node", node_type, ""),
            (&*id, "chr", "text/plain", "dm.example"),
            (&*pref, "chr", "", &*reference),
            (&*addr, "node", "", ""),
            (&*one, "node", "", ""),
            (&*auth, "node", "", ""),
            (&*first, "node", "", ""),
            (&*level, "chr", "", "CLCRED"),
            (&*kind, "chr", "", "DIGEST"),
            (&*name, "chr", "", "device"),
            (&*secret, "chr", "", "secret"),
            (&*data, "b64", "", "AAEC/w=="),
        ];
        let xml = node_by_node(&adds);
        for (octets, media_type) in [
            (xml.clone().into_bytes(), MediaType::MessageXml),
            (as_wbxml(&xml), MediaType::MessageWbxml),
        ] {
            let mut registry = registry();
            let mut tree = tree(&mut registry);
            let content = decode(&octets, media_type).unwrap();
            let Content::Additions(additions) = &content else {
                panic!("additions");
            };
            assert_eq!(additions.len(), 1, "one change");
            let applied = apply(&content, &mut tree, &registry).unwrap();
            assert_eq!(texts(&applied.accounts), ["./DMAcc/x"]);
            assert_eq!(texts(&applied.ignored), [""; 0]);
            let account = Account::read(&tree, &uri("./DMAcc/x")).unwrap();
            assert_eq!(account.server_id, server("dm.example"));
            assert_eq!(account.addresses[0].addr, "http://dm.example/");
            assert_eq!(account.credentials[0].name, "device");
            let text = |path: &str| tree.node(&uri(path)).unwrap().text().map(str::to_owned);
            assert_eq!(text("./DMAcc/x/PrefConRef").unwrap(), "./DMAcc/x/AppAddr/1");
            let nonce = tree.node(&uri("./DMAcc/x/AppAuth/1/AAuthData")).unwrap();
            assert_eq!(nonce.value().unwrap().octets(), [0, 1, 2, 255]);
            // Its server may keep it up to date.
            let acl = tree.node(&uri("./DMAcc/x")).unwrap().acl().clone();
            let access = omadm_tree::AccessType::Replace;
            assert!(acl.allows(&server("dm.example"), access), "{acl}");
            assert!(!acl.allows(&server("other.example"), access), "{acl}");
        }
    }
}

#[test]
fn nodes_that_make_no_object_change_nothing() {
    for (adds, decodes) in [
        (&[("./DMAcc/x/ServerID", "chr", "", "dm.example")][..], true),
        (
            &[("./DMAcc/x", "node", "", ""), ("./DMAcc/x", "node", "", "")],
            true,
        ),
        (&[("./DMAcc/x", "node", "", "")], true),
        (&[("./Inbox", "chr", "", "x")], false),
        (&[("./DMAcc/x", "node", "", "x")], false),
        (&[("./DMAcc/x/Name", "chr", "", "")], false),
        (&[("./DMAcc/x/Name", "int", "", "many")], false),
        (&[("./DMAcc/x/Name", "b64", "", "!")], false),
    ] {
        let mut registry = registry();
        let mut tree = tree(&mut registry);
        let before = tree.node_count();
        let content = decode(node_by_node(adds).as_bytes(), MediaType::MessageXml);
        assert_eq!(content.is_ok(), decodes, "{adds:?}");
        if let Ok(content) = content {
            assert!(apply(&content, &mut tree, &registry).is_err(), "{adds:?}");
        }
        assert_eq!(tree.node_count(), before);
    }
}

#[test]
fn provisioning_documents_are_refused_with_a_place() {
    let read = |xml: &str| {
        let limits = MarkupLimits::lenient();
        let result = provisioning::Document::decode(xml.as_bytes(), Encoding::Xml, &limits);
        result.map_err(|error| (error.kind, error.offset))
    };
    use ProvisioningErrorKind as Kind;
    let whole = |content: &str| format!("<wap-provisioningdoc>{content}</wap-provisioningdoc>");
    for (content, fault, kind) in [
        ("<parm name='A'/>", "<parm", Kind::Misplaced),
        (
            "<characteristic type='A'><parm value='b'/></characteristic>",
            "<parm",
            Kind::Unnamed,
        ),
        (
            "<characteristic><parm name='b'/></characteristic>",
            "</char",
            Kind::Unnamed,
        ),
        (
            "<characteristic type='A'><parm name='b'><c/></parm></characteristic>",
            "<c/>",
            Kind::Misplaced,
        ),
    ] {
        let xml = whole(content);
        assert_eq!(
            read(&xml),
            Err((kind, xml.find(fault).unwrap())),
            "{content}"
        );
    }
    assert_eq!(read("<prov/>"), Err((Kind::Root, 0)));
    let open = "<characteristic type='A'>";
    let nested = |depth| {
        whole(&format!(
            "{}{}",
            open.repeat(depth),
            "</characteristic>".repeat(depth)
        ))
    };
    assert!(read(&nested(provisioning::MAX_DEPTH)).is_ok());
    let error = read(&nested(provisioning::MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error.0, Kind::TooDeep);
    // What nobody knows is skipped; a document type and another version pass.
    let strange = "<?xml version='1.0'?><!DOCTYPE wap-provisioningdoc PUBLIC '-//WAPFORUM//DTD PROV 1.0//EN' \
        'http://www.wapforum.org/DTD/prov.dtd'><wap-provisioningdoc version='1.0'><x><parm name='q'/></x>\
        <characteristic type='A' x='y'>text<parm name='b' value=' c '/></characteristic></wap-provisioningdoc>";
    let document = read(strange).unwrap();
    assert_eq!(
        document.characteristics,
        [Characteristic::new("A").with("b", " c ")]
    );
}

/// Whatever is cut off or changed, it is read or refused, and what is read does not break a tree.
#[test]
fn damage_is_survived() {
    let mut registry = registry();
    let mut tree = tree(&mut registry);
    let mut small = Account::new(server("a"), "http://a/");
    let mut credential = Credential::new(AuthLevel::Client, AuthType::Basic, "", "b");
    credential.data = Secret::from(vec![0]);
    small.credentials = vec![credential];
    for media_type in MediaType::ALL {
        let content = match content(media_type) {
            Content::Provisioning(_) => provisioning_of(std::slice::from_ref(&small)),
            Content::Additions(_) => Content::of_accounts([("1", &small)]).unwrap(),
        };
        let whole = content.encode(media_type).unwrap();
        for length in 0..whole.len() {
            assert!(decode(&whole[..length], media_type).is_err(), "{length}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x01;
            if let Ok(content) = decode(&damaged, media_type) {
                if let Content::Provisioning(_) = content {
                    let again = content.encode(media_type).unwrap();
                    assert_eq!(decode(&again, media_type).as_ref(), Ok(&content), "{at}");
                }
                let mut transaction = tree.begin(Now::default());
                if let Ok(applied) = content.apply(&mut transaction, registry.layout()) {
                    for root in applied.accounts {
                        Account::read(transaction.tree(), &root).unwrap();
                    }
                }
            }
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\\tä-ö日]{0,8}"
}

fn characteristics() -> impl Strategy<Value = Vec<Characteristic>> {
    let known = select(vec![
        "APPLICATION",
        "NAPDEF",
        "APPID",
        "NAME",
        "TO-NAPID",
        "PORT",
        "ADDR",
    ]);
    let name = prop_oneof![known.prop_map(ToOwned::to_owned), "[A-Z]{1,5}"];
    let value = prop_oneof![
        text(),
        select(vec!["w7", "IPV4", "HTTP-BASIC", "APPSRV", "GSM-GPRS"]).prop_map(ToOwned::to_owned)
    ];
    let parms = vec((name.clone(), option::of(value)), 0..4).prop_map(|parms| {
        let parm = |(name, value)| Parm { name, value };
        parms.into_iter().map(parm).collect::<Vec<_>>()
    });
    let one = (name, parms).prop_map(|(kind, parms)| Characteristic {
        kind,
        parms,
        characteristics: Vec::new(),
    });
    let nested = one.prop_recursive(3, 12, 3, |inner| {
        (inner.clone(), vec(inner, 0..3)).prop_map(|(mut outer, inner)| {
            outer.characteristics = inner;
            outer
        })
    });
    vec(nested, 0..3)
}

fn accounts() -> impl Strategy<Value = Account> {
    let word = || "[!-%',-<>-~]{1,6}";
    let address = (word(), select(AddressType::ALL), vec(any::<u16>(), 0..3));
    let levels = vec![AuthLevel::Client, AuthLevel::Server, AuthLevel::Obex];
    let credential = (
        select(levels),
        select(AuthType::ALL),
        text(),
        text(),
        vec(any::<u8>(), 0..4),
    );
    let connections = prop_oneof![
        Just((String::new(), Vec::new())),
        word().prop_map(|one| (one, Vec::new())),
        vec(word(), 2..4).prop_map(|several| (String::new(), several)),
    ];
    let parts = (
        word(),
        text(),
        connections,
        vec(address, 1..3),
        vec(credential, 0..3),
    );
    parts.prop_map(|(id, name, connections, addresses, credentials)| {
        let mut account = Account::new(id.parse().unwrap(), "");
        account.name = name;
        (account.preferred_connection, account.connections) = connections;
        account.addresses = addresses
            .into_iter()
            .map(|(addr, kind, ports)| {
                let mut address = Address::new(addr, kind);
                address.ports = ports;
                address
            })
            .collect();
        account.credentials = credentials
            .into_iter()
            .map(|(level, kind, name, secret, data)| {
                let mut credential = Credential::new(level, kind, name, secret.as_str());
                credential.data = Secret::from(data);
                credential
            })
            .collect();
        account
    })
}

proptest! {
    #![proptest_config(Config::with_cases(48))]

    #[test]
    fn provisioning_documents_come_back(characteristics in characteristics()) {
        let document = provisioning::Document { characteristics };
        for encoding in Encoding::ALL {
            let mut out = Vec::new();
            document.encode(encoding, &mut out).unwrap();
            let read = provisioning::Document::decode(&out, encoding, &MarkupLimits::default());
            prop_assert_eq!(read, Ok(document.clone()), "{}", encoding);
        }
    }

    /// A bootstrap made of accounts gives a tree the same accounts.
    #[test]
    fn accounts_come_back(account in accounts()) {
        for media_type in MediaType::ALL {
            let content = match media_type {
                MediaType::ProvisioningWbxml | MediaType::ProvisioningXml => {
                    provisioning_of(std::slice::from_ref(&account))
                }
                _ => Content::of_accounts([("1", &account)]).unwrap(),
            };
            let mut registry = registry();
            let mut tree = tree(&mut registry);
            let octets = content.encode(media_type).unwrap();
            let applied = apply(&decode(&octets, media_type).unwrap(), &mut tree, &registry).unwrap();
            prop_assert_eq!(Account::read(&tree, &applied.accounts[0]), Ok(account.clone()));
        }
    }
}
