//! Strategies for whole messages, for tests.
//!
//! What they make survives encoding and decoding as it is.

use omadm_core::{AlertCode, Format, StatusCode};
use omadm_markup::{Encoding, Fragment, Limits, Name, Namespace, Writer, ddf};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{
    Alert, Chal, CmdId, CmdRef, Command, Cred, Data, Exec, Group, Header, Item, Location, Message,
    Meta, NodeCommand, Refs, Results, Status, Unsupported,
};

/// Messages that `encoding` can carry; octets come in WBXML only.
pub fn message(encoding: Encoding) -> BoxedStrategy<Message<'static>> {
    (
        header(encoding),
        vec(command(encoding), 0..6),
        any::<bool>(),
    )
        .prop_map(|(header, commands, is_final)| {
            let mut message = Message::new(header);
            message.commands = commands;
            message.is_final = is_final;
            message
        })
        .boxed()
}

/// Headers.
pub fn header(encoding: Encoding) -> BoxedStrategy<Header<'static>> {
    let words = ("1\\.[0-9]", "DM/1\\.[0-9]", text());
    let optional = (
        option::of(word()),
        any::<bool>(),
        option::of(cred(encoding)),
    );
    (
        words,
        any::<u32>(),
        location(),
        location(),
        optional,
        meta(encoding),
    )
        .prop_map(
            |(
                (ver_dtd, ver_proto, session),
                msg_id,
                target,
                source,
                (resp_uri, no_resp, cred),
                meta,
            )| {
                let mut header = Header::new(session, msg_id, target, source);
                header.ver_dtd = ver_dtd.into();
                header.ver_proto = ver_proto.into();
                header.resp_uri = resp_uri.map(Into::into);
                header.no_resp = no_resp;
                header.cred = cred;
                header.meta = meta;
                header
            },
        )
        .boxed()
}

/// Commands of every kind, legal at their place or not; groups nest up to three deep.
pub fn command(encoding: Encoding) -> BoxedStrategy<Command<'static>> {
    let single = prop_oneof![
        4 => node_command(encoding),
        1 => exec(encoding).prop_map(Command::Exec),
        2 => alert(encoding).prop_map(Command::Alert),
        2 => status(encoding).prop_map(Command::Status),
        1 => results(encoding).prop_map(Command::Results),
        1 => unsupported().prop_map(Command::Unsupported),
    ];
    single
        .prop_recursive(3, 8, 3, move |inner| {
            let group = (cmd_id(), any::<bool>(), meta(encoding), vec(inner, 0..3));
            let group = group.prop_map(|(cmd_id, no_resp, meta, commands)| Group {
                cmd_id,
                no_resp,
                meta,
                commands,
            });
            (group, any::<bool>()).prop_map(|(group, atomic)| match atomic {
                true => Command::Atomic(group),
                false => Command::Sequence(group),
            })
        })
        .boxed()
}

fn node_command(encoding: Encoding) -> BoxedStrategy<Command<'static>> {
    let kinds = [
        Command::Add,
        Command::Copy,
        Command::Delete,
        Command::Get,
        Command::Replace,
    ];
    let parts = (cmd_id(), any::<bool>(), meta(encoding), items(encoding));
    (select(kinds.to_vec()), parts)
        .prop_map(|(kind, (cmd_id, no_resp, meta, items))| {
            kind(NodeCommand {
                cmd_id,
                no_resp,
                meta,
                items,
            })
        })
        .boxed()
}

fn exec(encoding: Encoding) -> BoxedStrategy<Exec<'static>> {
    let correlator = option::of(text());
    (
        cmd_id(),
        any::<bool>(),
        meta(encoding),
        correlator,
        items(encoding),
    )
        .prop_map(|(cmd_id, no_resp, meta, correlator, items)| Exec {
            cmd_id,
            no_resp,
            meta,
            correlator: correlator.map(Into::into),
            items,
        })
        .boxed()
}

fn alert(encoding: Encoding) -> BoxedStrategy<Alert<'static>> {
    let code = option::of(any::<u16>().prop_map(AlertCode::from));
    (
        cmd_id(),
        any::<bool>(),
        code,
        option::of(text()),
        items(encoding),
    )
        .prop_map(|(cmd_id, no_resp, code, correlator, items)| Alert {
            cmd_id,
            no_resp,
            code,
            correlator: correlator.map(Into::into),
            items,
        })
        .boxed()
}

fn status(encoding: Encoding) -> BoxedStrategy<Status<'static>> {
    let refs = || vec(text(), 0..3).prop_map(|uris| uris.into_iter().collect::<Refs<'_>>());
    let names = select(vec![Status::SYNC_HDR, "Add", "Get", "Vendor"]);
    let referred = (any::<u32>(), cmd_ref(), names);
    let chal = option::of(meta(encoding).prop_map(Chal::new).prop_map(Box::new));
    let code = any::<u16>().prop_map(StatusCode::from);
    (
        cmd_id(),
        referred,
        refs(),
        refs(),
        chal,
        code,
        items(encoding),
    )
        .prop_map(
            |(cmd_id, (msg_ref, cmd_ref, cmd), target_refs, source_refs, chal, code, items)| {
                Status {
                    cmd_id,
                    msg_ref,
                    cmd_ref,
                    cmd: cmd.into(),
                    target_refs,
                    source_refs,
                    chal,
                    code,
                    items,
                }
            },
        )
        .boxed()
}

fn results(encoding: Encoding) -> BoxedStrategy<Results<'static>> {
    let referred = (option::of(any::<u32>()), cmd_ref());
    let refs = (option::of(text()), option::of(text()));
    (cmd_id(), referred, meta(encoding), refs, items(encoding))
        .prop_map(
            |(cmd_id, (msg_ref, cmd_ref), meta, (target_ref, source_ref), items)| Results {
                cmd_id,
                msg_ref,
                cmd_ref,
                meta,
                target_ref: target_ref.map(Into::into),
                source_ref: source_ref.map(Into::into),
                items,
            },
        )
        .boxed()
}

fn unsupported() -> BoxedStrategy<Unsupported<'static>> {
    let name = select(vec![
        "Put", "Map", "Search", "Move", "Item", "Type", "x-vendor",
    ]);
    (name, cmd_id(), any::<bool>())
        .prop_map(|(name, cmd_id, no_resp)| Unsupported {
            name: name.into(),
            cmd_id,
            no_resp,
        })
        .boxed()
}

fn items(encoding: Encoding) -> BoxedStrategy<Vec<Item<'static>>> {
    vec(item(encoding), 0..3).boxed()
}

/// Items.
pub fn item(encoding: Encoding) -> BoxedStrategy<Item<'static>> {
    let locations = (option::of(location()), option::of(location()));
    (
        locations,
        meta(encoding),
        option::of(data(encoding)),
        any::<bool>(),
    )
        .prop_map(|((target, source), meta, data, more_data)| Item {
            target,
            source,
            meta,
            data,
            more_data,
        })
        .boxed()
}

/// Locations.
pub fn location() -> BoxedStrategy<Location<'static>> {
    (text(), option::of(text()))
        .prop_map(|(uri, name)| Location {
            uri: uri.into(),
            name: name.map(Into::into),
        })
        .boxed()
}

/// Meta-information.
pub fn meta(encoding: Encoding) -> BoxedStrategy<Meta<'static>> {
    let formats = Format::ALL.map(Format::as_str).to_vec();
    let format = prop_oneof![select(formats).prop_map(str::to_owned), word()];
    let words = (option::of(format), option::of(word()), option::of(word()));
    let sizes = (
        option::of(any::<u64>()),
        option::of(0..10_000_u64),
        option::of(0..10_000_u64),
    );
    let filled = (words, sizes, option::of(data(encoding)), vec(text(), 0..2)).prop_map(
        |((format, media_type, mark), (size, max_msg_size, max_obj_size), next_nonce, emi)| Meta {
            format: format.map(Into::into),
            media_type: media_type.map(Into::into),
            mark: mark.map(Into::into),
            size,
            next_nonce: next_nonce.map(Box::new),
            max_msg_size,
            max_obj_size,
            emi: emi.into_iter().map(Into::into).collect(),
        },
    );
    prop_oneof![Just(Meta::new()), filled].boxed()
}

fn cred(encoding: Encoding) -> BoxedStrategy<Cred<'static>> {
    (meta(encoding), data(encoding))
        .prop_map(|(meta, data)| Cred { meta, data })
        .boxed()
}

/// Content of `Data`.
pub fn data(encoding: Encoding) -> BoxedStrategy<Data<'static>> {
    let text = text().prop_map(Data::from);
    let fragment = fragment().prop_map(Data::from);
    match encoding {
        Encoding::Xml => prop_oneof![5 => text, 1 => fragment].boxed(),
        Encoding::Wbxml => {
            let octets = vec(any::<u8>(), 1..20).prop_map(Data::from);
            prop_oneof![5 => text, 1 => fragment, 2 => octets].boxed()
        }
    }
}

/// Embedded documents: small trees of TNDS and foreign elements.
pub fn fragment() -> BoxedStrategy<Fragment<'static>> {
    vec((text(), any::<bool>()), 0..3)
        .prop_filter_map("it is written and read", |nodes| {
            let mut xml = Vec::new();
            let mut writer = Writer::new(Encoding::Xml, &mut xml).ok()?;
            writer.start(ddf::MGMT_TREE).ok()?;
            for (text, foreign) in nodes {
                writer.start(ddf::NODE).ok()?;
                writer.element(ddf::NODE_NAME, &text).ok()?;
                if foreign {
                    let name = Name::Other(Namespace::Other("urn:x-vendor"), "x");
                    writer.start(name).ok()?;
                    writer.attribute(Name::local("y"), &text).ok()?;
                    writer.end().ok()?;
                }
                writer.end().ok()?;
            }
            writer.end().ok()?;
            writer.finish().ok()?;
            Fragment::parse(xml, Encoding::Xml, &Limits::default()).ok()
        })
        .boxed()
}

fn cmd_id() -> BoxedStrategy<Option<CmdId>> {
    any::<u32>().prop_map(CmdId::new).boxed()
}

fn cmd_ref() -> BoxedStrategy<CmdRef> {
    option::of(prop_oneof![Just(0), any::<u32>()])
        .prop_map(CmdRef::from_number)
        .boxed()
}

/// A text without white space around it.
fn word() -> BoxedStrategy<String> {
    "[!-~]{0,8}|[!-~é]( ?[a-z<&])*".boxed()
}

/// Any text that XML can carry, markup and white space more often than other characters.
pub fn text() -> BoxedStrategy<String> {
    prop_oneof![
        "[./a-zA-Z0-9?=:]{0,20}",
        "[ \t\r\n]{1,3}",
        "[a-c<>&'\"\\] \r\n\t]{1,12}",
        "\\PC{1,20}".prop_filter("XML has no such characters", |text| {
            !text.contains(['\u{FFFE}', '\u{FFFF}'])
        }),
    ]
    .boxed()
}
