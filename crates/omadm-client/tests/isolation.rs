//! Two servers on one device: whatever the one tries by commands, it neither reads nor changes nor
//! runs what is the other's; and nobody reads the secrets of an account.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_core::{AlertCode, Format};
use omadm_mo::{Account, AuthLevel, AuthType, Credential, DevInfo, Registry};
use omadm_session::request::{self, Leaf, add_node, copy, delete, get};
use omadm_syncml::{Alert, Command, Encoding, Group, Header, Message, encode};
use omadm_testkit::{Bench, DEVICE_ID, Lamp, SERVER_ID, SERVER_URL, TestJournal, statuses, uri};
use omadm_tree::{Acl, Tree, TreeLimits, Value};

/// What only the other server may know.
const SECRET: &str = "hush";

/// Everything for the other server, nothing for anybody else.
const THEIRS: &str = "Add=other&Delete=other&Exec=other&Get=other&Replace=other";

/// A device on which every server may Add and Get, and the other one may do everything. It has
/// `./Lamp/Ext/theirs`, of the other server alone, and an account with passwords.
fn device() -> Bench {
    let root: Acl = "Add=*&Get=*&Exec=other&Replace=other&Delete=other"
        .parse()
        .unwrap();
    let journal = TestJournal::default();
    let mut tree = Tree::load(&journal, TreeLimits::default(), root).unwrap();
    let dev_info = DevInfo {
        dev_id: DEVICE_ID.into(),
        man: "Example".into(),
        model: "Lamp".into(),
        dmv: "1.0".into(),
        lang: "en".into(),
    };
    let (lamp, log) = Lamp::new();
    let mut account = Account::new(SERVER_ID.parse().unwrap(), SERVER_URL);
    let digest = |level| Credential::new(level, AuthType::Digest, "who", SECRET);
    account.credentials = vec![digest(AuthLevel::Client), digest(AuthLevel::Server)];
    let mut registry = Registry::new();
    registry.mount(Box::new(dev_info.object())).unwrap();
    registry.mount(Box::new(lamp)).unwrap();
    registry
        .mount(Box::new(account.object(uri("./DMAcc/mine"))))
        .unwrap();
    // As the objects have begun; what is theirs comes after it.
    let mut effects = omadm_mo::Effects::new(1);
    let mut transaction = tree.begin(omadm_core::Now::default());
    registry
        .start(&mut transaction, &mut effects, omadm_core::Now::default())
        .unwrap();
    let schema = registry.layout();
    for node in ["theirs", "theirs/inner"] {
        let node = uri(&format!("./Lamp/Ext/{node}"));
        transaction.add_interior(schema, &node).unwrap();
    }
    for leaf in ["theirs/note", "theirs/inner/nested"] {
        let leaf = uri(&format!("./Lamp/Ext/{leaf}"));
        transaction.set(schema, &leaf, Value::chr(SECRET)).unwrap();
    }
    let theirs = uri("./Lamp/Ext/theirs");
    transaction
        .set_acl(&theirs, THEIRS.parse().unwrap())
        .unwrap();
    transaction.set_title(&theirs, SECRET).unwrap();
    transaction.commit(&journal, effects.batch).unwrap();
    registry.committed();
    Bench::with(tree, registry, log, journal, Bench::config()).unwrap()
}

fn add(uri: &str) -> Command<'static> {
    request::add(uri, "x".into())
}

fn replace(uri: &str, value: &str) -> Command<'static> {
    request::replace(uri, value.into())
}

fn exec(uri: &str) -> Command<'static> {
    request::exec(uri, None)
}

/// A message with all that is in it.
fn text(message: &Message<'_>) -> String {
    let mut octets = Vec::new();
    encode(message, Encoding::Wbxml, &mut octets).unwrap();
    String::from_utf8_lossy(&octets).into_owned()
}

/// A session of these commands: the codes, and everything the device sent, as text.
fn session(bench: &mut Bench, commands: &[Command<'static>]) -> (Vec<u16>, String) {
    let (mut said, mut codes) = (String::new(), Vec::new());
    bench.start();
    let mut next = bench.say(commands.iter().cloned());
    // An answer may take several messages.
    while let Some(answer) = next {
        said += &text(&answer);
        let code = |(name, code): (String, u16)| (name != "Alert").then_some(code);
        codes.extend(statuses(&answer).into_iter().filter_map(code));
        next = match answer.is_final {
            true => bench.say([]),
            false => {
                let more = Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE));
                let body = bench.script.write([more], false);
                bench.deliver(&body)
            }
        };
    }
    (codes, said)
}

/// The whole tree, without the lamp's count of what servers changed.
fn tree(bench: &Bench) -> Vec<String> {
    let dump = bench.dump();
    let lines = dump.lines().filter(|it| !it.starts_with("./Lamp/Changes "));
    lines.map(str::to_owned).collect()
}

/// Each attempt alone, in a Sequence and in an Atomic: refused with this code, nothing told,
/// nothing changed.
fn refused(attempts: Vec<(Command<'static>, u16)>) {
    for (attempt, code) in attempts {
        let mut bench = device();
        let (before, log) = (tree(&bench), bench.lamp.take());
        assert!(log.iter().any(|line| line == "start"));
        let (codes, said) = session(&mut bench, std::slice::from_ref(&attempt));
        assert_eq!(codes, [code], "{attempt:?}");
        let group = || Group::new([add("./Lamp/Ext/mine"), attempt.clone()]);
        let (_, in_atomic) = session(&mut bench, &[Command::Atomic(group())]);
        assert_eq!(tree(&bench), before, "{attempt:?}");
        let (codes, in_sequence) = session(&mut bench, &[Command::Sequence(group())]);
        assert_eq!(codes, [200, 200, code], "{attempt:?}");
        for said in [said, in_atomic, in_sequence] {
            assert!(!said.contains(SECRET), "{attempt:?}: {said}");
            assert!(!said.contains("nested"), "{attempt:?}: {said}");
        }
        let mut after = tree(&bench);
        after.retain(|line| !line.starts_with("./Lamp/Ext/mine "));
        assert_eq!(after, before, "{attempt:?}");
        let log = bench.lamp.take();
        assert!(!log.iter().any(|line| line.starts_with("exec")), "{log:?}");
    }
}

#[test]
fn what_is_another_servers_is_not_read() {
    let mut attempts = Vec::new();
    for node in [
        "theirs",
        "theirs/note",
        "theirs/inner",
        "theirs/inner/nested",
    ] {
        let node = format!("./Lamp/Ext/{node}");
        attempts.push((get(&node), 425));
        for property in ["ACL", "Format", "Name", "TStamp", "Title", "Type", "VerNo"] {
            attempts.push((get(&format!("{node}?prop={property}")), 425));
        }
        for list in ["Struct", "StructData", "TNDS", "TNDS+ACL", "TNDS-Value"] {
            attempts.push((get(&format!("{node}?list={list}")), 425));
        }
    }
    for leaf in ["note", "inner/nested"] {
        let leaf = format!("./Lamp/Ext/theirs/{leaf}");
        attempts.push((get(&format!("{leaf}?prop=Size")), 425));
        attempts.push((copy(&leaf, "./Lamp/Ext/mine2"), 425));
        attempts.push((copy(&leaf, "./Lamp/Ext/mine2/deeper"), 425));
        attempts.push((copy(&leaf, "./Lamp/Level"), 425));
    }
    refused(attempts);
}

/// A list from above leaves it out; that a node has children of these names is no secret.
/// [DM-TND §7.7.1]
#[test]
fn lists_from_above_leave_it_out() {
    for above in [".", "./Lamp", "./Lamp/Ext"] {
        for list in ["Struct", "StructData", "TNDS", "TNDS+ACL", "TNDS+Value"] {
            let mut bench = device();
            let (codes, said) = session(&mut bench, &[get(&format!("{above}?list={list}"))]);
            // The root has no TNDS document.
            assert!(
                codes == [200] || above == "." && codes[0] >= 400,
                "{above} {list} {codes:?}"
            );
            for hidden in [SECRET, "nested", "note"] {
                assert!(!said.contains(hidden), "{above} {list}: {said}");
            }
        }
    }
}

#[test]
fn what_is_another_servers_is_not_changed() {
    let theirs = "./Lamp/Ext/theirs";
    let note = "./Lamp/Ext/theirs/note";
    let mut attempts = vec![
        (replace(note, "mine"), 425),
        (copy("./Lamp/Level", note), 425),
        (copy("./Lamp/Level", &format!("{theirs}/new")), 425),
        (add(&format!("{theirs}/new")), 425),
        (add_node(&format!("{theirs}/new"), None), 425),
        // On the way to a node that is not there yet.
        (add(&format!("{theirs}/a/b/c")), 425),
        (delete(theirs), 425),
        (delete(note), 425),
        (delete(&format!("{theirs}/inner")), 425),
        // In or at what is theirs by what is above it.
        (delete("./Lamp/Ext"), 405),
        (replace("./Lamp/Name", "mine"), 425),
        (
            request::replace_tree(
                theirs,
                "<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD>\
                 <Node><NodeName>theirs</NodeName><RTProperties><Format><node/></Format>\
                 </RTProperties></Node></MgmtTree>",
            ),
            425,
        ),
        (
            request::add_tree(
                theirs,
                "<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD>\
                 <Node><NodeName>new</NodeName><RTProperties><Format><chr/></Format>\
                 <Type><MIME>text/plain</MIME></Type></RTProperties><Value>x</Value></Node>\
                 </MgmtTree>",
            ),
            425,
        ),
    ];
    for node in [theirs, note, "./Lamp/Ext", "./Lamp", "."] {
        let acl = format!("{node}?prop=ACL");
        attempts.push((replace(&acl, "Get=*&Replace=*"), 425));
        attempts.push((replace(&acl, ""), 425));
    }
    for node in [theirs, note] {
        attempts.push((replace(&format!("{node}?prop=Name"), "mine"), 425));
        attempts.push((replace(&format!("{node}?prop=Title"), "mine"), 425));
    }
    refused(attempts);
}

/// By its operation, by what is above it, by what is below it.
#[test]
fn what_is_another_servers_is_not_run() {
    refused(vec![
        (exec("./Lamp/On"), 425),
        (exec("./Lamp/Echo"), 425),
        (exec("./Lamp"), 405),
        (exec("."), 405),
        (exec("./Lamp/On/x"), 404),
        (exec("./Lamp/../Lamp/On"), 400),
        (exec("./Lamp/On?prop=ACL"), 405),
        (exec("./Lamp/%4fn"), 425),
    ]);
}

/// What a server made is its own: that does not make it master of what is beside and above it.
#[test]
fn what_a_server_made_is_no_way_into_what_it_did_not() {
    let mut bench = device();
    let mine = "./Lamp/Ext/mine";
    let (codes, _) = session(
        &mut bench,
        &[add_node(mine, None), add("./Lamp/Ext/mine/x")],
    );
    assert_eq!(codes, [200, 200]);
    for name in [
        "theirs",
        "../theirs",
        "theirs/inner",
        ".",
        "..",
        "%2e%2e",
        "a/b",
    ] {
        let rename = replace(&format!("{mine}?prop=Name"), name);
        let (codes, _) = session(&mut bench, &[rename]);
        assert_ne!(codes, [200], "{name}");
    }
    // Its list may say whatever it likes.
    let all = replace(
        &format!("{mine}?prop=ACL"),
        "Add=*&Delete=*&Exec=*&Get=*&Replace=*",
    );
    let attempts = [
        all,
        get("./Lamp/Ext/theirs/note"),
        get("./Lamp/Ext/mine/../theirs/note"),
        get("./Lamp/Ext/mine/%2e%2e/theirs/note"),
        copy("./Lamp/Ext/theirs/note", "./Lamp/Ext/mine/x"),
        copy("./Lamp/Ext/mine/x", "./Lamp/Ext/theirs/note"),
        exec("./Lamp/On"),
    ];
    let (codes, said) = session(&mut bench, &attempts);
    assert_eq!(codes.first(), Some(&200), "{codes:?}");
    assert!(codes.iter().skip(1).all(|code| *code >= 400), "{codes:?}");
    assert!(!said.contains(SECRET));
}

/// Not by the server of the account, by no property, list, copy or change of the list.
#[test]
fn secrets_of_accounts_are_read_by_nobody() {
    let account = "./DMAcc/mine";
    let mut bench = device();
    let acl = replace("./DMAcc/mine?prop=ACL", "Get=*&Replace=*&Copy=*");
    let mut attempts = vec![acl];
    for node in [".", "./DMAcc", account, "./DMAcc/mine/AppAuth"] {
        attempts.push(get(node));
        for list in ["Struct", "StructData", "TNDS", "TNDS+Value"] {
            attempts.push(get(&format!("{node}?list={list}")));
        }
    }
    for set in ["1", "2"] {
        for leaf in ["AAuthSecret", "AAuthData"] {
            let leaf = format!("{account}/AppAuth/{set}/{leaf}");
            attempts.push(get(&leaf));
            attempts.push(copy(&leaf, "./Lamp/Ext/mine"));
            attempts.push(copy(&leaf, "./Lamp/Name"));
            attempts.push(get("./Lamp/Ext/mine"));
            attempts.push(exec(&leaf));
            for list in ["Struct", "StructData", "TNDS"] {
                attempts.push(get(&format!("{leaf}?list={list}")));
            }
        }
    }
    let (codes, said) = session(&mut bench, &attempts);
    assert_eq!(codes.len(), attempts.len());
    assert!(codes.contains(&200), "{codes:?}");
    assert!(!said.contains(SECRET), "{said}");
    // Where it is what a server is to be proven by.
    let leaf = Leaf::new(Format::Chr, SECRET.to_owned());
    let mut message = Message::new(Header::new("1", 1, "a", "b"));
    message.commands.push(request::add("./x", leaf));
    assert!(text(&message).contains(SECRET));
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
