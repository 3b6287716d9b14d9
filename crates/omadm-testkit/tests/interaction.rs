//! A server asks the person at a device: both ends, every kind and outcome, both encodings.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::time::Duration;

use omadm_client::SessionEnd;
use omadm_core::{EchoType, InputType, Interaction, UserAnswer, UserInteraction};
use omadm_server::AskUser;
use omadm_testkit::{Fault, Pair, Wire};

fn choices() -> Vec<String> {
    ["eins", "zwei & drei", "<vier>"]
        .map(str::to_owned)
        .to_vec()
}

/// A question with every option there is for its kind.
fn question(interaction: Interaction) -> UserInteraction {
    let mut asked = UserInteraction::new(interaction, " Größe & Art?\n<b> ");
    asked.options.min_display = Some(Duration::from_secs(2));
    asked.options.max_display = Some(Duration::from_secs(60));
    asked.options.default_response = match &asked.interaction {
        Interaction::Display => None,
        Interaction::Confirm => Some("1".to_owned()),
        Interaction::TextInput => Some("12.5&+%".to_owned()),
        Interaction::SingleChoice(_) => Some("2".to_owned()),
        Interaction::MultipleChoice(_) => Some("2-3".to_owned()),
    };
    if asked.interaction == Interaction::TextInput {
        asked.options.max_length = Some(9);
        asked.options.input = InputType::Numeric;
        asked.options.echo = EchoType::Password;
    }
    asked
}

fn cases() -> Vec<(Interaction, Option<UserAnswer>, u16, bool, &'static str)> {
    let text = |text: &str| Some(UserAnswer::Text(text.to_owned()));
    let chosen = |numbers: &[u32]| Some(UserAnswer::Choices(numbers.to_vec()));
    let single = || Interaction::SingleChoice(choices());
    let multiple = || Interaction::MultipleChoice(choices());
    vec![
        (
            Interaction::Display,
            Some(UserAnswer::Accepted),
            200,
            true,
            "yes",
        ),
        (
            Interaction::Confirm,
            Some(UserAnswer::Accepted),
            200,
            true,
            "yes",
        ),
        (
            Interaction::Confirm,
            Some(UserAnswer::Rejected),
            304,
            false,
            "no",
        ),
        (Interaction::TextInput, text("-12.5"), 200, true, "-12.5"),
        (single(), chosen(&[3]), 200, true, "3"),
        (multiple(), chosen(&[3, 1]), 200, true, "3-1"),
        (multiple(), chosen(&[]), 200, true, ""),
        (
            single(),
            Some(UserAnswer::Cancelled),
            214,
            false,
            "cancelled",
        ),
        (Interaction::Confirm, None, 408, false, "timed out"),
        (
            multiple(),
            Some(UserAnswer::CannotDisplay),
            416,
            false,
            "cannot display",
        ),
        (
            Interaction::TextInput,
            Some(UserAnswer::Unsupported),
            406,
            false,
            "unsupported",
        ),
    ]
}

#[test]
fn what_the_person_says_reaches_the_server() {
    for (interaction, answer, code, ok, result) in cases() {
        let mut pair = Pair::plain(Wire::default());
        let asked = question(interaction);
        pair.answers.extend(answer);
        pair.enqueue(AskUser::new(asked.clone()));
        pair.session();
        assert_eq!(pair.ended, [SessionEnd::Completed]);
        assert_eq!(pair.asked, [asked]);
        let report = &pair.reports[0];
        assert_eq!(report.status, Some(code.into()));
        assert_eq!((report.ok, report.result.as_deref()), (ok, Some(result)));
    }
}

#[test]
fn a_fault_asks_again_at_most() {
    for exchange in 0..2 {
        for fault in Fault::ALL {
            let mut pair = Pair::plain(Wire::new([(exchange, fault)]));
            pair.answers
                .extend([UserAnswer::Rejected, UserAnswer::Rejected]);
            pair.enqueue(AskUser::new(question(Interaction::Confirm)));
            pair.settle();
            let report = &pair.reports[0];
            assert_eq!(
                report.result.as_deref(),
                Some("no"),
                "{fault:?} at {exchange}"
            );
            let again = matches!((exchange, fault), (1, Fault::CutRequest));
            assert_eq!(
                pair.asked.len(),
                1 + usize::from(again),
                "{fault:?} at {exchange}"
            );
        }
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
