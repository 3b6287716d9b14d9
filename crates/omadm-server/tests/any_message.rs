//! Whatever a device sends in a session is answered, in order, and nothing panics.

#![allow(clippy::unwrap_used, reason = "test code")]

use omadm_core::{Now, StatusCode};
use omadm_server::{Compat, Config, Everyone, Request, RespondError, Server, SingleCommand};
use omadm_syncml::{CmdRef, Command, Limits, Message, decode, encode, strategies};
use omadm_testkit::{encoding, to_wire};
use proptest::prelude::*;

const PACKAGE_1: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
        <VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID>\
        <Target><LocURI>s</LocURI></Target><Source><LocURI>dev1</LocURI></Source></SyncHdr>\
        <SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>\
        <Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>d</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>d</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Mod</LocURI></Source><Data>d</Data></Item>\
        <Item><Source><LocURI>./DevInfo/DmV</LocURI></Source><Data>d</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Lang</LocURI></Source><Data>d</Data></Item>\
        </Replace><Final/></SyncBody></SyncML>";

/// A server in a session with `dev1`, one Get under way.
fn server(compat: Compat) -> Server {
    let mut config = Config::new("t");
    config.compat = compat;
    let mut server = Server::new(config, Everyone);
    for uri in ["./A", "./B"] {
        server
            .enqueue("dev1", Box::new(SingleCommand::get(uri)))
            .unwrap();
    }
    exchange(&mut server, &to_wire(PACKAGE_1)).unwrap();
    server
}

fn exchange(server: &mut Server, body: &[u8]) -> Option<Message<'static>> {
    let request = Request::new(body, encoding(), Now::default());
    let receipt = server.receive(request).ok()?;
    let response = match server.respond(receipt) {
        Err(RespondError::NoRoom { .. }) => return None,
        response => response.unwrap(),
    };
    let answer = decode(&response.body, encoding(), &Limits::default()).unwrap();
    Some(answer.into_owned())
}

/// The commands that get a Status each, in document order, groups before what is inside.
fn answered<'m>(commands: &'m [Command<'m>], into: &mut Vec<&'m Command<'m>>) {
    for command in commands {
        match command {
            Command::Status(_) | Command::Results(_) => {}
            _ if command.no_resp() => {}
            Command::Atomic(group) | Command::Sequence(group) => {
                into.push(command);
                // A group without an id is refused as it stands.
                if command.cmd_id().is_some() {
                    inside(&group.commands, into);
                }
            }
            _ => into.push(command),
        }
    }
}

fn inside<'m>(commands: &'m [Command<'m>], into: &mut Vec<&'m Command<'m>>) {
    for command in commands {
        if !matches!(command, Command::Status(_) | Command::Results(_)) {
            into.push(command);
        }
        if let Command::Atomic(group) | Command::Sequence(group) = command {
            inside(&group.commands, into);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_command_gets_its_status_in_order(
        mut message in strategies::message(encoding()),
        is_final in any::<bool>(),
    ) {
        message.header.ver_dtd = "1.2".into();
        message.header.ver_proto = "DM/1.2".into();
        message.header.session_id = "1".into();
        message.header.msg_id = 2;
        message.header.source.uri = "dev1".into();
        message.header.no_resp = false;
        message.header.meta.max_msg_size = Some(1_000_000);
        message.is_final = is_final;
        // The statuses of commands without or with repeated ids are another test's.
        for (id, command) in (1..).step_by(100).zip(&mut message.commands) {
            command.set_cmd_id(omadm_syncml::CmdId::new(id).unwrap());
        }
        let mut body = Vec::new();
        encode(&message, encoding(), &mut body).unwrap();
        let answer = exchange(&mut server(Compat::default()), &body).unwrap();

        let mut expected = Vec::new();
        answered(&message.commands, &mut expected);
        let refused = answer.commands.iter().filter_map(|command| match command {
            Command::Status(status) => Some(status),
            _ => None,
        });
        let statuses: Vec<_> = refused.filter(|status| status.cmd != "Results").collect();
        let header = statuses.first().unwrap();
        prop_assert_eq!((header.msg_ref, header.cmd_ref), (2, CmdRef::Header));
        let found: Vec<_> = statuses
            .iter()
            .skip(1)
            .map(|status| (status.msg_ref, status.cmd_ref, status.cmd.to_string()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|command| (2, CmdRef::from(command.cmd_id()), command.name().to_owned()))
            .collect();
        prop_assert_eq!(found, expected);
        let codes = [200, 213, 215, 400, 404, 405, 406, 411, 412, 413, 415, 424, 500, 501].map(StatusCode::from);
        let odd = statuses.iter().find(|status| !codes.contains(&status.code));
        prop_assert_eq!(odd, None);
    }

    #[test]
    fn any_message_leaves_the_server_alive(
        messages in prop::collection::vec(strategies::message(encoding()), 1..6),
        lenient in any::<bool>(),
        in_session in prop::collection::vec(any::<bool>(), 6),
    ) {
        let compat = if lenient { Compat::lenient() } else { Compat::default() };
        let mut server = server(compat);
        for ((mut message, in_session), msg_id) in messages.into_iter().zip(in_session).zip(2..) {
            if in_session {
                message.header.session_id = "1".into();
                message.header.msg_id = msg_id;
                message.header.source.uri = "dev1".into();
                message.header.ver_dtd = "1.2".into();
                message.header.ver_proto = "DM/1.2".into();
            }
            let mut body = Vec::new();
            encode(&message, encoding(), &mut body).unwrap();
            let first = exchange(&mut server, &body);
            // A session that is given up for want of room is refused from then on.
            prop_assert!(exchange(&mut server, &body).is_some() || first.is_none());
        }
        // Another device is served all the same.
        prop_assert!(exchange(&mut server, &to_wire(&PACKAGE_1.replace("dev1", "dev2"))).is_some());
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
