//! What a device without the optional features answers.
#![cfg_attr(
    any(feature = "interaction", feature = "tnds"),
    allow(
        dead_code,
        unused_imports,
        reason = "what only the tests without a feature use"
    )
)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_client::{Event, Input, NotificationDrop};
use omadm_core::{Format, Interaction, UserInteraction};
use omadm_session::{
    notification::{Notification, UiMode},
    request,
};
use omadm_syncml::{Alert, Command, Item, Meta, NodeCommand};
use omadm_testkit::{Bench, SERVER_ID, describe};

/// What a command comes to; nothing is changed by it, nor is anybody asked.
fn check(command: Command<'static>, expected: &str) {
    let mut bench = Bench::default();
    let before = bench.dump();
    let answer = describe(&bench.run([command]));
    assert_eq!(answer, format!("SyncHdr=200 {expected} Final"));
    assert_eq!((bench.dump(), bench.question), (before, None));
}

#[cfg(not(feature = "tnds"))]
#[test]
fn no_subtree_is_a_document() {
    check(request::get("./Lamp?list=TNDS"), "Get=406");
    check(request::get("./Lamp?list=TNDS+ACL"), "Get=406");
    check(request::get("./Missing?list=TNDS"), "Get=404");
    let document = "<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD><Node><NodeName>a\
        </NodeName><RTProperties><Format><node/></Format></RTProperties></Node></MgmtTree>";
    check(request::add_tree("./Lamp/Ext/a", document), "Add=415");
    check(request::add_tree("./Missing/a", document), "Add=405");
    check(
        request::replace_tree("./Lamp/Name", document),
        "Replace=415",
    );
    let meta = Meta::new().with_format(Format::B64);
    let meta = meta.with_type("application/vnd.syncml.dmtnds+wbxml");
    let item = Item::new().with_target("./Lamp/Ext/a").with_meta(meta);
    let item = item.with_data("AgA=");
    check(Command::Add(NodeCommand::new([item])), "Add=415");
}

#[cfg(not(feature = "interaction"))]
#[test]
fn nobody_is_asked() {
    for interaction in [
        Interaction::Display,
        Interaction::Confirm,
        Interaction::TextInput,
        Interaction::SingleChoice(vec!["a".to_owned()]),
        Interaction::MultipleChoice(vec!["a".to_owned()]),
    ] {
        let asked = UserInteraction::new(interaction, "Well?");
        let alert = Command::Alert(Alert::from_interaction(&asked).into_owned());
        check(alert, "Alert=406");
    }
}

#[cfg(not(feature = "interaction"))]
#[test]
fn nobody_objects_to_a_session_or_agrees_to_one() {
    for (ui_mode, opens) in [
        (UiMode::Informative, true),
        (UiMode::UserInteraction, false),
    ] {
        let mut config = Bench::config();
        config.notification_secret = Some("srvpwd".into());
        let mut bench = Bench::new(config);
        let mut notification = Notification::new(7, SERVER_ID.parse().unwrap()).unwrap();
        notification.ui_mode = ui_mode;
        let octets = notification.sign(&"srvpwd".into(), b"").unwrap();
        bench.feed(Input::Notification(&octets)).unwrap();
        assert_eq!(bench.question, None);
        match bench.events.as_slice() {
            [Event::Notified(notified)] if opens => assert_eq!(notified.start.session_id, 7),
            [Event::NotificationDropped(NotificationDrop::Declined)] if !opens => {}
            events => panic!("{events:?}"),
        }
    }
}
