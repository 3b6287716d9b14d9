//! User interaction at the device: every kind and outcome at the top level, in a Sequence and in an
//! Atomic, in both encodings; time-outs; answers that do not fit.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use std::time::Duration;

use omadm_client::{ApiMisuse, Input, SessionEnd};
use omadm_core::{Interaction, UserAnswer, UserInteraction};
use omadm_session::request::{self, Leaf};
use omadm_syncml::{Alert, Command, Encoding, Group, Message, Status};
use omadm_testkit::{Bench, data, statuses};

const SECOND: Duration = Duration::from_secs(1);

fn alert(asked: &UserInteraction) -> Command<'static> {
    Command::Alert(Alert::from_interaction(asked).into_owned())
}

fn asked(interaction: Interaction) -> UserInteraction {
    UserInteraction::new(interaction, "Größe der ☃?")
}

fn choices() -> Vec<String> {
    ["eins", "zwei & drei", "vier"].map(str::to_owned).to_vec()
}

fn kinds() -> [Interaction; 5] {
    [
        Interaction::Display,
        Interaction::Confirm,
        Interaction::TextInput,
        Interaction::SingleChoice(choices()),
        Interaction::MultipleChoice(choices()),
    ]
}

/// Every answer to a kind, with its status, the Data of its Items, and whether it lets a Sequence
/// and the rest of the message go on.
fn outcomes(kind: &Interaction) -> Vec<(UserAnswer, u16, Vec<&'static str>, bool, bool)> {
    let mut all = match kind {
        Interaction::Display => vec![(UserAnswer::Accepted, 200, vec![], true, true)],
        Interaction::Confirm => vec![
            (UserAnswer::Accepted, 200, vec![], true, true),
            (UserAnswer::Rejected, 304, vec![], false, true),
        ],
        Interaction::TextInput => vec![
            (UserAnswer::Text("äß ".into()), 200, vec!["äß "], true, true),
            (UserAnswer::Text(String::new()), 200, vec![""], true, true),
        ],
        Interaction::SingleChoice(_) => {
            vec![(UserAnswer::Choices(vec![3]), 200, vec!["3"], true, true)]
        }
        Interaction::MultipleChoice(_) => vec![
            (
                UserAnswer::Choices(vec![3, 1]),
                200,
                vec!["3", "1"],
                true,
                true,
            ),
            (UserAnswer::Choices(vec![]), 200, vec![], true, true),
        ],
    };
    all.extend([
        (UserAnswer::Cancelled, 214, vec![], false, false),
        (UserAnswer::TimedOut, 408, vec![], false, false),
        (UserAnswer::CannotDisplay, 416, vec![], true, true),
        (UserAnswer::Unsupported, 406, vec![], true, true),
    ]);
    all
}

fn bench(encoding: Encoding) -> Bench {
    let mut config = Bench::config();
    config.encoding = encoding;
    Bench::new(config)
}

fn codes(message: &Message<'_>) -> Vec<u16> {
    statuses(message)
        .into_iter()
        .map(|(_, code)| code)
        .collect()
}

fn items(message: &Message<'_>) -> Vec<String> {
    let alert = message.commands.iter().find_map(|command| match command {
        Command::Status(Status { cmd, items, .. }) if cmd == "Alert" => Some(items),
        _ => None,
    });
    alert.unwrap().iter().map(data).collect()
}

const ENCODINGS: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

#[test]
fn at_the_top_level_a_no_concerns_nothing_else_and_a_cancel_stops_the_message() {
    for encoding in ENCODINGS {
        for kind in kinds() {
            for (answer, code, data, _, goes_on) in outcomes(&kind) {
                let mut bench = bench(encoding);
                bench.start();
                let get = || request::get("./DevInfo/Mod");
                assert!(
                    bench
                        .say([get(), alert(&asked(kind.clone())), get()])
                        .is_none()
                );
                assert_eq!(bench.question.as_ref().unwrap().asked, asked(kind.clone()));
                let said = bench.answer(answer).unwrap();
                let after = if goes_on { 200 } else { 215 };
                assert_eq!(codes(&said), [200, code, after], "{encoding} {kind:?}");
                assert_eq!(items(&said), data);
                assert!(bench.say([]).is_none());
                assert_eq!(bench.ended, [SessionEnd::Completed]);
            }
        }
    }
}

#[test]
fn in_a_sequence_a_no_skips_the_rest_of_it_and_nothing_behind_it() {
    for encoding in ENCODINGS {
        for kind in kinds() {
            for (answer, code, data, sequence, message) in outcomes(&kind) {
                let mut bench = bench(encoding);
                bench.start();
                let get = || request::get("./DevInfo/Mod");
                let nested = Group::new([get(), alert(&asked(kind.clone())), get()]);
                let outer = Group::new([Command::Sequence(nested), get()]);
                assert!(bench.say([Command::Sequence(outer), get()]).is_none());
                let said = bench.answer(answer).unwrap();
                let skipped = |executed| if executed { 200 } else { 215 };
                let expected = [
                    200,
                    200,
                    200,
                    code,
                    skipped(sequence),
                    // The outer Sequence is none the inner question is in.
                    skipped(message),
                    skipped(message),
                ];
                assert_eq!(codes(&said), expected, "{encoding} {kind:?}");
                assert_eq!(items(&said), data);
            }
        }
    }
}

#[test]
fn in_an_atomic_what_is_no_yes_takes_everything_back() {
    for encoding in ENCODINGS {
        for kind in kinds() {
            for (answer, code, data, _, message) in outcomes(&kind) {
                let mut bench = bench(encoding);
                bench.start();
                let before = bench.dump();
                let rename = |to: &str| request::replace("./Lamp/Name", Leaf::from(to));
                let inside = [rename("a"), alert(&asked(kind.clone())), rename("b")];
                let get = request::get("./DevInfo/Mod");
                assert!(
                    bench
                        .say([Command::Atomic(Group::new(inside)), get])
                        .is_none()
                );
                assert_eq!(
                    bench.dump(),
                    before,
                    "nothing is changed while a person thinks"
                );
                let said = bench.answer(answer).unwrap();
                let after = if message { 200 } else { 215 };
                if code == 200 {
                    assert_eq!(codes(&said), [200, 200, code, 200, after]);
                    assert_eq!(bench.value("./Lamp/Name").as_deref(), Some("b"));
                } else {
                    assert_eq!(
                        codes(&said),
                        [507, 216, code, 215, after],
                        "{encoding} {kind:?}"
                    );
                    assert_eq!(bench.dump(), before);
                }
                assert_eq!(items(&said), data);
            }
        }
    }
}

#[test]
fn an_answer_that_does_not_fit_is_the_callers_mistake() {
    let mut bench = Bench::default();
    bench.start();
    bench.say([alert(&asked(Interaction::Confirm))]);
    let question = bench.question.as_ref().unwrap().id;
    for answer in [UserAnswer::Text("yes".into()), UserAnswer::Choices(vec![1])] {
        let misuse = bench.feed(Input::Answered { question, answer });
        assert_eq!(misuse, Err(ApiMisuse::UnfitAnswer(question)));
    }
    let said = bench.answer(UserAnswer::Accepted).unwrap();
    assert_eq!(codes(&said), [200]);
    let late = bench.feed(Input::Answered {
        question,
        answer: UserAnswer::Rejected,
    });
    assert_eq!(late, Ok(()), "a second answer is without effect");
}

#[test]
fn nobody_is_waited_for_longer_than_maxdt_or_the_limit() {
    for (max_display, limit, waited) in [(Some(7), 60, 7), (Some(90), 60, 60), (None, 60, 60)] {
        let mut config = Bench::config();
        config.interaction_limit = limit * SECOND;
        let mut bench = Bench::new(config);
        bench.start();
        let mut asked = asked(Interaction::TextInput);
        asked.options.max_display = max_display.map(Duration::from_secs);
        bench.say([alert(&asked), request::get("./DevInfo/Mod")]);
        bench.advance(waited * SECOND - Duration::from_millis(1));
        let question = bench.question.clone().unwrap().id;
        bench.advance(Duration::from_millis(1));
        assert_eq!(bench.withdrawn, [question]);
        let said = bench.read().unwrap();
        assert_eq!(codes(&said), [408, 215]);
        let answer = UserAnswer::Text("too late".into());
        bench.feed(Input::Answered { question, answer }).unwrap();
        assert!(bench.question.is_none());
    }
}

#[test]
fn what_is_shown_stays_for_mindt() {
    for (min, max, shown) in [(5, None, 5), (5, Some(3), 3)] {
        let mut bench = Bench::default();
        bench.start();
        let mut asked = asked(Interaction::Display);
        asked.options.min_display = Some(Duration::from_secs(min));
        asked.options.max_display = max.map(Duration::from_secs);
        bench.say([alert(&asked)]);
        assert!(bench.answer(UserAnswer::Accepted).is_none());
        bench.advance(shown * SECOND - Duration::from_millis(1));
        assert!(bench.read().is_none());
        bench.advance(Duration::from_millis(1));
        assert_eq!(codes(&bench.read().unwrap()), [200]);
        assert!(bench.withdrawn.is_empty());
    }
    let mut bench = Bench::default();
    bench.start();
    let mut confirm = asked(Interaction::Confirm);
    confirm.options.min_display = Some(5 * SECOND);
    bench.say([alert(&confirm)]);
    let said = bench.answer(UserAnswer::Rejected).unwrap();
    assert_eq!(codes(&said), [304], "who answers has seen it");
}

#[test]
fn questions_are_asked_one_after_the_other() {
    let mut bench = Bench::default();
    bench.start();
    let ask = |kind| alert(&asked(kind));
    assert!(bench.say(kinds().map(ask)).is_none());
    let mut ids = Vec::new();
    let mut said = None;
    for kind in kinds() {
        assert!(said.is_none());
        let question = bench.question.clone().unwrap();
        assert_eq!(question.asked.interaction, kind);
        ids.push(question.id);
        said = bench.answer(outcomes(&kind)[0].0.clone());
    }
    assert_eq!(codes(&said.unwrap()), [200; 5]);
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn an_abort_takes_the_question_back() {
    let mut bench = Bench::default();
    bench.start();
    bench.say([
        alert(&asked(Interaction::Confirm)),
        request::get("./DevInfo/Mod"),
    ]);
    let question = bench.question.clone().unwrap().id;
    bench.feed(Input::Abort).unwrap();
    assert_eq!(bench.withdrawn, [question]);
    let said = bench.read().unwrap();
    assert_eq!(codes(&said), [214, 215]);
    bench
        .feed(Input::TransportFailed(omadm_client::TransportFailure::Lost))
        .unwrap();
    assert_eq!(bench.ended, [SessionEnd::Aborted]);
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
