//! Commands against conditions: which status comes back, and what has changed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use omadm_client::{Compat, Event};
use omadm_core::{AlertCode, Format, StatusCode};
use omadm_session::request::{self, Leaf};
use omadm_syncml::{
    Alert, CmdId, CmdRef, Command, Data, Encoding, Exec, Group, Item, Location, Meta, NodeCommand,
    Results, Unsupported,
};
use omadm_testkit::{Bench, by_encoding, data, describe, results};

fn add(uri: &str, format: Format, text: &str) -> Command<'static> {
    request::add(uri, Leaf::new(format, text.to_owned()))
}

fn replace(uri: &str, format: Format, text: &str) -> Command<'static> {
    request::replace(uri, Leaf::new(format, text.to_owned()))
}

fn get(uri: &str) -> Command<'static> {
    request::get(uri)
}

fn item(uri: &str) -> Item<'static> {
    Item::new().with_target(Location::new(uri.to_owned()))
}

fn copy(from: &str, to: &str) -> Command<'static> {
    let source = Location::new(from.to_owned());
    Command::Copy(NodeCommand::new([item(to).with_source(source)]))
}

fn exec_with(uri: &str, argument: &'static str) -> Command<'static> {
    Command::Exec(Exec::new([item(uri).with_data(argument)]))
}

/// Each command in a session of its own on a new device; the first status counts.
fn check(table: Vec<(Command<'static>, u16)>) {
    for (command, code) in table {
        let mut bench = Bench::default();
        let before = bench.dump();
        let shown = format!("{command:?}");
        let codes = bench.codes([command]);
        assert_eq!(codes.first(), Some(&code), "{shown}");
        if code >= 300 {
            assert_eq!(bench.dump(), before, "{shown}");
        }
    }
}

#[test]
fn nodes_are_added_or_not() {
    check(vec![
        (add("./Lamp/Presets/dim", Format::Int, "3"), 200),
        (
            add("./Lamp/Ext/a/b/c", Format::Chr, "implicit ancestors"),
            200,
        ),
        (
            request::add_node("./Lamp/Ext/a", Some("urn:example:mo:any:1.0")),
            200,
        ),
        (request::add_node("./Lamp/Ext/a", None), 200),
        (add("./Lamp/Ext/b", Format::B64, "AAEC\n/w=="), 200),
        (add("./Lamp/Ext/b", Format::Null, ""), 200),
        (add("./Lamp/Presets", Format::Int, "3"), 405),
        (add("./Lamp/Name", Format::Chr, "x"), 405),
        (add("./Lamp/Presets/a/b", Format::Int, "3"), 405),
        (add("./Nowhere", Format::Chr, "x"), 405),
        (add("./DevInfo/Ext/x", Format::Chr, "x"), 405),
        (add(".", Format::Chr, "x"), 405),
        (add("./Lamp/Ext/a?prop=ACL", Format::Chr, "x"), 405),
        (add("./Lamp/Presets/dim", Format::Chr, "3"), 415),
        (add("./Lamp/Presets/dim", Format::Int, "three"), 415),
        (add("./Lamp/Ext/b", Format::B64, "***"), 415),
        (add("./Lamp/Ext/b", Format::Null, "x"), 415),
        (add("./Lamp/Ext/b", Format::Node, "a value"), 415),
        (
            add(&format!("./Lamp/Ext/{}", "x".repeat(256)), Format::Chr, ""),
            414,
        ),
        (add("./Lamp/Ext//x", Format::Chr, ""), 400),
        (add("", Format::Chr, ""), 400),
        (add("/Lamp/Ext/x", Format::Chr, ""), 400),
        (add("./Lamp/Ext/x?what", Format::Chr, ""), 406),
        (Command::Add(NodeCommand::new([item("./Lamp/Ext/x")])), 412),
        (
            Command::Add(NodeCommand::new([Item::new().with_data("x")])),
            412,
        ),
        (Command::Add(NodeCommand::new([])), 412),
    ]);
    let mut bench = Bench::default();
    let twice = [1, 2].map(|level| add("./Lamp/Presets/dim", Format::Int, &level.to_string()));
    assert_eq!(bench.codes(twice), [200, 418]);
    assert_eq!(bench.value("./Lamp/Presets/dim").as_deref(), Some("1"));
}

#[test]
fn values_are_replaced_or_not() {
    check(vec![
        (replace("./Lamp/Name", Format::Chr, "hall"), 200),
        (replace("Lamp/Name", Format::Chr, ""), 200),
        (replace("./Lamp/Icon", Format::B64, "iVBO"), 200),
        (replace("./Lamp/Icon", Format::Bin, "as it is"), 200),
        (replace("./Lamp/Pin", Format::Chr, "1234"), 200),
        (
            replace("./Lamp/Name?prop=Title", Format::Chr, "A name"),
            200,
        ),
        (replace("./Lamp/Name?prop=ACL", Format::Chr, "Get=*"), 200),
        (replace("./Lamp/Missing", Format::Chr, "x"), 404),
        (replace("./Lamp/Light", Format::Bool, "true"), 405),
        (replace("./Lamp/Presets", Format::Chr, "x"), 405),
        (replace("./Lamp/Presets", Format::Node, ""), 405),
        (replace("./Lamp/Name?prop=Size", Format::Chr, "1"), 405),
        (replace("./Lamp/Name?prop=Name", Format::Chr, "n"), 405),
        (replace("./Lamp/Name?list=Struct", Format::Chr, "n"), 405),
        (replace("./Lamp/Name?prop=ACL", Format::Chr, "Get"), 400),
        (
            replace("./Lamp/Name?prop=Title", Format::Chr, &"x".repeat(256)),
            413,
        ),
        (replace("./Lamp/Level", Format::Chr, "7"), 415),
        (replace("./Lamp/Level", Format::Int, "7.5"), 415),
        (replace("./Lamp/Level", Format::Node, ""), 415),
        // The object refuses: while the change is made, and when all is made.
        (replace("./Lamp/Name", Format::Chr, "bad"), 403),
        (replace("./Lamp/Level", Format::Int, "101"), 406),
        (
            Command::Replace(NodeCommand::new([item("./Lamp/Name")])),
            412,
        ),
        (
            Command::Replace(NodeCommand::new([
                item("./Lamp/Name?prop=ACL").with_meta(Meta::new().with_format(Format::Chr))
            ])),
            412,
        ),
    ]);
}

#[test]
fn an_unknown_format_is_refused() {
    let mut meta = Meta::new();
    meta.format = Some("text".into());
    let name = item("./Lamp/Name").with_data("x").with_meta(meta);
    check(vec![
        (Command::Replace(NodeCommand::new([name.clone()])), 415),
        (
            Command::Exec(Exec::new([name.with_target("./Lamp/Echo")])),
            415,
        ),
    ]);
}

#[test]
fn nodes_are_deleted_or_not() {
    check(vec![
        (request::delete("./Lamp/Presets/none"), 404),
        (request::delete("./Lamp"), 405),
        (request::delete("."), 405),
        (request::delete("./Lamp/Name"), 405),
        (request::delete("./Lamp/Presets?prop=ACL"), 405),
        (Command::Delete(NodeCommand::new([Item::new()])), 412),
    ]);
    let mut bench = Bench::default();
    let commands = [
        add("./Lamp/Ext/a/b/c", Format::Chr, "x"),
        request::delete("./Lamp/Ext/a"),
        get("./Lamp/Ext/a/b/c"),
    ];
    assert_eq!(bench.codes(commands), [200, 200, 404]);
}

#[test]
fn nodes_are_read_or_not() {
    check(vec![
        (get("."), 200),
        (get("./Lamp/Name"), 200),
        (get("./Lamp/Name?prop=ACL"), 200),
        (get("./Lamp?list=Struct"), 200),
        (get("./Lamp?list=StructData"), 200),
        (
            get("./Lamp?list=TNDS"),
            if cfg!(feature = "tnds") { 200 } else { 406 },
        ),
        (get("./Lamp/Missing"), 404),
        (get("./Lamp/Name/x"), 404),
        (get("./Lamp/Pin"), 405),
        (get("./Lamp/On"), 405),
        (get("./Lamp?prop=Size"), 406),
        (get("./Lamp?prop=Value"), 406),
        (get("./Lamp?list=All"), 406),
        (get("./Lamp/../x"), 400),
        (get(&format!("./{}", "x/".repeat(40) + "x")), 414),
        (Command::Get(NodeCommand::new([Item::new()])), 412),
    ]);
}

#[test]
fn leaves_are_copied_or_not() {
    check(vec![
        (copy("./Lamp/Level", "./Lamp/Presets/now"), 200),
        (copy("./Lamp/Missing", "./Lamp/Presets/now"), 404),
        (copy("./Lamp/Name", "./Lamp/Presets/now"), 405),
        (copy("./Lamp/Presets", "./Lamp/Presets/now"), 405),
        (copy("./Lamp/Level", "./Lamp/Light"), 405),
        (copy("./Lamp/Level", "./Lamp/Name"), 415),
        (Command::Copy(NodeCommand::new([item("./Lamp/Name")])), 412),
    ]);
    let mut bench = Bench::default();
    let commands = [
        replace("./Lamp/Level", Format::Int, "42"),
        copy("./Lamp/Level", "./Lamp/Presets/now"),
        replace("./Lamp/Level", Format::Int, "1"),
    ];
    assert_eq!(bench.codes(commands), [200, 200, 200]);
    assert_eq!(bench.value("./Lamp/Presets/now").as_deref(), Some("42"));
}

#[test]
fn nodes_are_executed_or_not() {
    check(vec![
        (request::exec("./Lamp/On", None), 200),
        (request::exec("./Lamp/Later", None), 202),
        (exec_with("./Lamp/Fail", "405"), 405),
        (exec_with("./Lamp/Fail", "777"), 777),
        (request::exec("./Lamp/Missing", None), 404),
        (request::exec("./Lamp/Name", None), 405),
        (request::exec("./DevInfo", None), 405),
        (request::exec("./Lamp/On?prop=ACL", None), 405),
        (Command::Exec(Exec::new([Item::new()])), 412),
    ]);
    let mut bench = Bench::default();
    let answer = bench.run([
        exec_with("./Lamp/Echo", "hello"),
        request::exec("./Lamp/On", None),
    ]);
    let Command::Status(echo) = &answer.commands[1] else {
        panic!("{answer:?}")
    };
    assert_eq!(data(&echo.items[0]), "hello");
    assert_eq!(bench.value("./Lamp/Light").as_deref(), Some("true"));
    let base64 = item("./Lamp/Echo")
        .with_data("aMOk")
        .with_meta(Meta::new().with_format(Format::B64));
    let answer = bench.say([Command::Exec(Exec::new([base64]))]).unwrap();
    let Command::Status(echo) = &answer.commands[1] else {
        panic!("{answer:?}")
    };
    assert_eq!(data(&echo.items[0]), "hä");
}

#[test]
fn the_acl_decides_who_may() {
    let mut bench = Bench::default();
    let acl = |acl| replace("./Lamp/Presets?prop=ACL", Format::Chr, acl);
    let dim = || add("./Lamp/Presets/dim", Format::Int, "1");
    assert_eq!(
        bench.codes([acl("Get=other&Replace=*"), dim(), get("./Lamp/Presets")]),
        [200, 425, 425]
    );
    let reading = bench.run([
        get("./Lamp?list=Struct"),
        acl("Add=*&Get=*&Replace=*"),
        dim(),
    ]);
    bench.say([]);
    assert_eq!(
        describe(&reading),
        by_encoding(
            "SyncHdr=200 Get=200 Results Results Replace=200 Add=200 Final",
            "SyncHdr=200 Get=200 Results Replace=200 Add=200 Final"
        )
    );
    let shown: Vec<_> = results(&reading)
        .into_iter()
        .map(|item| item.source.unwrap().uri)
        .collect();
    assert!(shown.contains(&"./Lamp/Name".into()) && !shown.contains(&"./Lamp/Presets".into()));
    assert_eq!(bench.codes([request::delete("./Lamp/Presets/dim")]), [425]);
}

#[test]
fn alerts_of_a_server_are_answered() {
    let alert = |code: u16| Command::Alert(Alert::new(AlertCode::from(code)));
    let asked = if cfg!(feature = "interaction") {
        412
    } else {
        406
    };
    let mut table: Vec<_> = (1100..=1104).map(|code| (alert(code), asked)).collect();
    table.extend([1200, 1201, 1224, 1226].map(|code| (alert(code), 405)));
    table.extend([(alert(1222), 200), (alert(1225), 200), (alert(100), 406)]);
    let mut nothing = Alert::new(AlertCode::NEXT_MESSAGE);
    nothing.code = None;
    table.push((Command::Alert(nothing), 412));
    check(table);
}

#[test]
fn what_is_no_command_of_a_server_is_answered() {
    let mut table: Vec<_> = ["Map", "Move", "Put", "Search", "Sync"]
        .map(|name| (Command::Unsupported(Unsupported::new(name)), 406))
        .into();
    table.push((Command::Unsupported(Unsupported::new("Dance")), 501));
    table.push((
        Command::Results(Results::new(1, CmdId::FIRST, [item("./Lamp")])),
        405,
    ));
    check(table);
}

#[test]
fn a_sequence_runs_in_order() {
    let mut bench = Bench::default();
    let level = |level: &str| replace("./Lamp/Level", Format::Int, level);
    let sequence = Group::new([
        level("1"),
        get("./Lamp/Level"),
        level("bad"),
        Command::Sequence(Group::new([level("2"), get("./Lamp/Level")])),
        request::exec("./Lamp/On", None),
    ]);
    let answer = bench.run([Command::Sequence(sequence), get("./Lamp/Light")]);
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Sequence=200 Replace=200 Get=200 Results Replace=415 Sequence=200 \
         Replace=200 Get=200 Results Exec=200 Get=200 Results Final"
    );
    let read: Vec<_> = results(&answer).iter().map(data).collect();
    assert_eq!(read, ["1", "2", "true"]);
}

#[test]
fn several_items_share_a_status_unless_they_differ() {
    let mut bench = Bench::default();
    let gets = |uris: &[&str]| {
        Command::Get(NodeCommand::new(
            uris.iter().map(|uri| item(uri)).collect::<Vec<_>>(),
        ))
    };
    let answer = bench.run([
        gets(&["./Lamp/Name", "./Lamp/Level"]),
        gets(&["./Lamp/Name", "./Lamp/Missing", "./Lamp/Level"]),
        gets(&["./Lamp/Missing", "./Lamp/Missing"]),
    ]);
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Get=200 Results Get=200 Get=404 Get=200 Results Get=404 Final"
    );
    let refs: Vec<_> = answer
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::Status(status) if status.cmd == "Get" => Some(status.target_refs.first()),
            _ => None,
        })
        .collect();
    let named = ["./Lamp/Name", "./Lamp/Missing", "./Lamp/Level"].map(Some);
    assert_eq!(refs, [&[None], &named[..], &[None]].concat());
    assert_eq!(results(&answer).len(), 4);
    let source = bench
        .say([copy("./Lamp/Missing", "./Lamp/Presets/a")])
        .unwrap();
    let Command::Status(status) = &source.commands[1] else {
        panic!("{source:?}")
    };
    assert!(status.target_refs.is_empty() && status.source_refs.is_empty());
}

#[test]
fn each_item_is_a_change_of_its_own() {
    let mut bench = Bench::default();
    let level = |level| item("./Lamp/Level").with_data(level);
    let replace = NodeCommand::new([level("1"), level("101"), level("2")])
        .with_meta(Meta::new().with_format(Format::Int));
    assert_eq!(bench.codes([Command::Replace(replace)]), [200, 406, 200]);
    assert_eq!(bench.value("./Lamp/Level").as_deref(), Some("2"));
    assert_eq!(bench.value("./Lamp/Changes").as_deref(), Some("2"));
}

#[test]
fn meta_of_the_command_counts_unless_the_item_says_otherwise() {
    let mut bench = Bench::default();
    let with = |uri: &str, data| item(uri).with_data(data);
    let chr = Meta::new().with_format(Format::Chr);
    let add = NodeCommand::new([
        with("./Lamp/Presets/a", "1"),
        with("./Lamp/Ext/b", "text").with_meta(chr),
        with("./Lamp/Presets/c", "x"),
    ])
    .with_meta(
        Meta::new()
            .with_format(Format::Int)
            .with_type("text/x-count"),
    );
    assert_eq!(bench.codes([Command::Add(add)]), [200, 200, 415]);
    let answer = bench.run([
        get("./Lamp/Ext/b?prop=Type"),
        get("./Lamp/Ext/b?prop=Format"),
    ]);
    let read: Vec<_> = results(&answer).iter().map(data).collect();
    assert_eq!(read, ["text/x-count", "chr"]);
}

#[test]
fn an_add_that_fails_above_names_the_ancestor() {
    let mut bench = Bench::default();
    let answer = bench.run([add("./Nowhere/a/b", Format::Chr, "")]);
    let Command::Status(status) = &answer.commands[1] else {
        panic!("{answer:?}")
    };
    assert_eq!(status.code, StatusCode::COMMAND_NOT_ALLOWED);
    assert_eq!(status.items[0].target.as_ref().unwrap().uri, "./Nowhere");
}

#[test]
fn commands_need_an_id_of_their_own() {
    let commands = || {
        [
            get("./Lamp/Name"),
            replace("./Lamp/Name", Format::Chr, "x"),
            get("./Lamp/Name"),
        ]
    };
    let body = |bench: &mut Bench| {
        bench.start();
        let header = bench.script.header();
        let mut message = omadm_syncml::Message::new(header);
        let [mut first, mut second, third] = commands();
        first.set_cmd_id(CmdId::FIRST);
        second.set_cmd_id(CmdId::FIRST);
        let mut heard = bench.script.heard();
        heard.set_cmd_id(CmdId::new(9).unwrap());
        message.commands = vec![heard, first, second, third];
        message.is_final = true;
        let mut body = Vec::new();
        omadm_syncml::encode(&message, bench.script.encoding, &mut body).unwrap();
        body
    };
    let mut bench = Bench::default();
    let body_of_faults = body(&mut bench);
    let answer = bench.deliver(&body_of_faults).unwrap();
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Get=200 Results Replace=400 Get=400 Final"
    );
    let Some(Command::Status(nameless)) = answer.commands.last() else {
        panic!("{answer:?}")
    };
    assert_eq!(nameless.cmd_ref, CmdRef::Nameless);
    assert_eq!(bench.value("./Lamp/Name").as_deref(), Some("lamp"));

    let mut config = Bench::config();
    config.compat = Compat::lenient();
    let mut bench = Bench::new(config);
    let body_of_faults = body(&mut bench);
    let answer = bench.deliver(&body_of_faults).unwrap();
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Get=200 Results Replace=200 Get=200 Results Final"
    );
}

#[test]
fn no_resp_is_honoured() {
    let mut bench = Bench::default();
    let mut quiet = NodeCommand::new([item("./Lamp/Name").with_data("quiet")]);
    quiet.no_resp = true;
    let mut silent_get = NodeCommand::new([item("./Lamp/Name")]);
    silent_get.no_resp = true;
    let answer = bench.run([Command::Replace(quiet.clone()), Command::Get(silent_get)]);
    assert_eq!(describe(&answer), "SyncHdr=200 Results Final");
    assert_eq!(data(&results(&answer)[0]), "quiet");
    let answer = bench.say([Command::Replace(quiet)]).unwrap();
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Final",
        "the server waits for an answer"
    );

    let mut header = bench.script.header();
    header.no_resp = true;
    let commands = [
        bench.script.heard(),
        get("./Lamp/Name"),
        request::exec("./Lamp/On", None),
    ];
    let body = bench.script.write_as(&header, commands, true);
    let answer = bench.deliver(&body).unwrap();
    assert_eq!(describe(&answer), "Results Final");
}

/// Octets travel as base64 over XML and as they are over WBXML, also if they look like a document
/// that the encoding knows.
#[test]
fn octets_are_sent_as_the_encoding_can() {
    let tree = b"\x02\0\0\x6A\x1B-//OMA//DTD-DM-DDF 1.2//EN\0\0\x02\x60\x77\x031.2\0\x01\x01";
    for octets in [b"\0<\xFF\x01".as_slice(), tree] {
        let opaque = item("./Lamp/Icon")
            .with_meta(Meta::new().with_format(Format::Bin))
            .with_data(octets);
        let mut config = Bench::config();
        config.encoding = Encoding::Wbxml;
        let mut bench = Bench::new(config.clone());
        let answer = bench.run([
            Command::Replace(NodeCommand::new([opaque])),
            get("./Lamp/Icon"),
        ]);
        let [item] = &results(&answer)[..] else {
            panic!("{answer:?}");
        };
        assert_eq!(item.meta.format(), Ok(Format::Bin));
        match item.data.as_ref().unwrap() {
            Data::Opaque(found) => assert_eq!(&found[..], octets),
            Data::Fragment(found) => assert_eq!(found.wbxml_document(), Some(octets)),
            Data::Text(text) => panic!("{text}"),
        }
        config.encoding = Encoding::Xml;
        let mut bench = Bench::on(bench.journal, config).unwrap();
        let answer = bench.run([get("./Lamp/Icon")]);
        let [item] = &results(&answer)[..] else {
            panic!("{answer:?}");
        };
        assert_eq!(item.meta.format(), Ok(Format::B64));
        let text = item.data.as_ref().unwrap().as_text().unwrap();
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        );
    }
}

#[test]
fn values_come_back_as_they_were_written() {
    let mut bench = Bench::default();
    let fragment = omadm_syncml::Fragment::parse(
        b"<a xmlns='urn:x'><b>1 &lt; 2</b></a>".as_slice(),
        Encoding::Xml,
        &Default::default(),
    )
    .unwrap();
    let markup = item("./Lamp/Ext/xml")
        .with_meta(Meta::new().with_format(Format::Xml))
        .with_data(Data::Fragment(fragment));
    let commands = [
        add("./Lamp/Ext/chr", Format::Chr, " a <b> & \"c\"\n"),
        add("./Lamp/Ext/bin", Format::B64, "AP/+"),
        add("./Lamp/Ext/int", Format::Int, "-7"),
        add("./Lamp/Ext/null", Format::Null, ""),
        add("./Lamp/Ext/date", Format::Date, "2026-03-01"),
        Command::Add(NodeCommand::new([markup])),
        request::add(
            "./Lamp/Ext/json",
            Leaf::new(Format::Chr, "{}").with_type("application/json"),
        ),
        get("./Lamp/Ext?list=StructData"),
    ];
    let answer = bench.run(commands);
    let read: Vec<_> = results(&answer)
        .into_iter()
        .map(|item| {
            let text = item.data.as_ref().map(|data| match data {
                Data::Opaque(octets) => format!("{octets:02X?}"),
                data => data.as_text().unwrap().to_owned(),
            });
            let meta = item.meta;
            (
                item.source.unwrap().uri.into_owned(),
                meta.format.map(|format| format.into_owned()),
                meta.media_type.map(|media_type| media_type.into_owned()),
                text,
            )
        })
        .collect();
    let expected = [
        ("", Some("node"), None, None),
        (
            "/bin",
            Some(by_encoding("b64", "bin")),
            Some("application/octet-stream"),
            Some(by_encoding("AP/+", "[00, FF, FE]")),
        ),
        ("/chr", None, None, Some(" a <b> & \"c\"\n")),
        ("/date", Some("date"), None, Some("2026-03-01")),
        ("/int", Some("int"), None, Some("-7")),
        ("/json", None, Some("application/json"), Some("{}")),
        ("/null", Some("null"), None, None),
        (
            "/xml",
            Some("xml"),
            Some("text/xml"),
            Some("<a xmlns=\"urn:x\"><b>1 &lt; 2</b></a>"),
        ),
    ]
    .map(|(name, format, media_type, text)| {
        (
            format!("./Lamp/Ext{name}"),
            format.map(str::to_owned),
            media_type.map(str::to_owned),
            text.map(str::to_owned),
        )
    });
    assert_eq!(read, expected);
    let answer = bench.say([
        get("./Lamp/Ext"),
        get("./Lamp/Presets"),
        get("./Lamp/Name?prop=Title"),
    ]);
    let answer = answer.unwrap();
    let read: Vec<_> = results(&answer).iter().map(data).collect();
    assert_eq!(read, ["bin/chr/date/int/json/null/xml", "", ""]);
    assert_eq!(results(&answer)[1].meta.format(), Ok(Format::Node));
    assert!(results(&answer)[2].meta.is_empty());
}

#[test]
fn what_the_encoding_cannot_carry_is_left_out() {
    let mut config = Bench::config();
    config.encoding = Encoding::Xml;
    let mut bench = Bench::new(config);
    let bell = item("./Lamp/Echo")
        .with_data("Bw==")
        .with_meta(Meta::new().with_format(Format::B64));
    let answer = bench.run([
        Command::Exec(Exec::new([bell])),
        get("./Lamp/Said"),
        get("./Lamp/Name"),
    ]);
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Exec=200 Get=500 Get=200 Results Final"
    );
    assert!(answer.commands[1].items().is_empty());
    assert_eq!(bench.value("./Lamp/Said").as_deref(), Some("\u{7}"));
}

#[test]
fn every_status_is_told() {
    let mut bench = Bench::default();
    let codes = bench.codes([get("./Lamp/Name"), get("./Lamp/Missing")]);
    assert_eq!(codes, [200, 404]);
    let told: Vec<_> = bench
        .events
        .iter()
        .map(|event| match event {
            Event::Command { name, uri, status } => format!("{name} {uri} {status}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["Get ./Lamp/Name 200", "Get ./Lamp/Missing 404"]);
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
