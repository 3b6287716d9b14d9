//! Questions to the user of a machine.

use super::*;

/// VR-239, VR-241, VR-246: the question is written as an Alert, and every answer is read.
#[test]
fn every_answer_of_a_user_is_read() {
    let two = || vec!["a".to_owned(), "b".to_owned()];
    let single = || Interaction::SingleChoice(two());
    for (asked, code, items, ok, result) in [
        (Interaction::Display, 200, &[][..], true, Some("yes")),
        (Interaction::Confirm, 304, &[], false, Some("no")),
        (
            Interaction::TextInput,
            200,
            &["a &amp; b"],
            true,
            Some("a & b"),
        ),
        (Interaction::TextInput, 200, &[], false, None),
        (single(), 200, &["2"], true, Some("2")),
        (single(), 200, &["3"], false, None),
        (
            Interaction::MultipleChoice(two()),
            200,
            &["1", "2"],
            true,
            Some("1-2"),
        ),
        (Interaction::Confirm, 214, &[], false, Some("cancelled")),
        (Interaction::Confirm, 408, &[], false, Some("timed out")),
        (Interaction::Confirm, 406, &[], false, Some("unsupported")),
        (
            Interaction::Confirm,
            416,
            &[],
            false,
            Some("cannot display"),
        ),
        (Interaction::Confirm, 215, &[], false, None),
        (Interaction::Confirm, 412, &[], false, None),
    ] {
        let items: String = items
            .iter()
            .map(|data| format!("<Item><Data>{data}</Data></Item>"))
            .collect();
        let answer = YES.replace("<Data>200</Data>", &format!("<Data>{code}</Data>{items}"));
        let mut device = Device::new(Style::Synchronous).with_user("v", &answer);
        let mut procedure = ask(asked.clone());
        let report = device.run(&mut procedure);
        assert_eq!(
            (report.ok, report.result.as_deref()),
            (ok, result),
            "{answer}"
        );
        assert_eq!(report.status, Some(code.into()), "{answer}");
        assert_eq!(report.detail.is_some(), !ok);
        assert_eq!(procedure.answer().is_some(), result.is_some());
        let command = device.value("./VirMO/v/UI/Command").unwrap();
        assert!(
            command.starts_with("<Alert><CmdID>1</CmdID><Data>1"),
            "{command}"
        );
    }
    let mut device = Device::new(Style::Synchronous).with_user("v", YES);
    let mut procedure = ask(Interaction::Confirm);
    device.run(&mut procedure);
    assert_eq!(procedure.answer(), Some(&UserAnswer::Accepted));
    assert_eq!(
        device.value("./VirMO/v/UI/Command"),
        Some(
            "<Alert><CmdID>1</CmdID><Data>1101</Data><Item/><Item><Data>Add it?</Data></Item></Alert>"
        )
    );
}

/// What is no Status is named, and so is a question that XML cannot carry.
#[test]
fn what_cannot_be_read_or_written_is_named() {
    for nonsense in ["yes", "<Alert/>", "<Status/>", "<Status"] {
        let mut device = Device::new(Style::Synchronous).with_user("v", nonsense);
        let report = device.run(&mut ask(Interaction::Confirm));
        let why = report.detail.unwrap();
        assert!(!report.ok && why.ends_with(" is no Status"), "{why}");
    }
    let mut device = Device::new(Style::Synchronous).with_user("v", YES);
    let asked = UserInteraction::new(Interaction::Confirm, "\u{1}");
    let report = device.run(&mut AskVmUser::new(vm("v"), asked));
    assert_eq!((report.ok, device.log.len()), (false, 2));
}

/// No machine comes of a question to one that is not there.
#[test]
fn an_unknown_machine_is_not_asked() {
    let mut device = Device::new(Style::Synchronous);
    let report = device.run(&mut ask(Interaction::Confirm));
    assert_eq!(report.status, Some(StatusCode::NOT_FOUND));
    assert_eq!(device.executed, 0);
    assert!(!device.has("./VirMO/v"));
}

/// A user who takes long is waited for, and asked once.
#[test]
fn a_user_who_takes_long_is_waited_for() {
    let mut device = Device::new(Style::Silent).with_user("v", YES);
    device.delay = 50;
    let report = device.run(&mut ask(Interaction::Confirm));
    assert!(report.ok, "{report:?}");
    assert_eq!(device.executed, 1);
}
