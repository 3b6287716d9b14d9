//! Questions to the user of a VM: UI/Command, ExecUICmd, UI/Result. [VirMO §11.2.2]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, atomic::Ordering, mpsc},
    time::Duration,
};

use omadm_core::{Interaction, StatusCode, UserAnswer, UserInteraction};
use omadm_download::Cancel;
use omadm_mo::{JobEnd, Reporting};
use omadm_store::FileSink;
use omadm_syncml::Encoding;
use omadm_tree::Value;
use virmo_client::{Event, GuestLink, Policy, VmQuestion, VmUserInterface};
use virmo_hypervisor::{HypervisorError, HypervisorErrorKind as Kind};
use virmo_simulator::{Misbehaviour, Simulator};
use virmo_state::VmState;

use crate::{
    bench::in_job,
    device::{Answer, Device, Edit, final_alert},
};

const COMMAND: &str = "./VirMO/entvm/UI/Command";
const RESULT: &str = "./VirMO/entvm/UI/Result";
const EXEC: &str = "./VirMO/entvm/Operations/ExecUICmd";

const OK: StatusCode = StatusCode::OK;
const REFUSED: StatusCode = StatusCode::COMMAND_NOT_ALLOWED;
const FAILED: StatusCode = StatusCode::COMMAND_FAILED;

/// The example of the specification, with its comment and white space.
const EXAMPLE: &str = "<Alert>\n\n<CmdID>2</CmdID>\n\n<Data>1101</Data>\n\n\
                       <Item></Item> <!-- no optional parameters -->\n\n<Item>\n\n\
                       <Data>Do you want to add the CNN access point?</Data>\n\n</Item>\n\n</Alert>";

type Reply = Result<UserAnswer, HypervisorError>;

/// A user with an answer for each question; after the last one, nobody.
#[derive(Default)]
struct User {
    answers: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<(String, String, UserInteraction, Duration)>>,
    /// Lets a question wait until it is taken back.
    hangs: Mutex<Option<mpsc::Sender<Cancel>>>,
}

impl VmUserInterface for User {
    fn ask(&self, question: &VmQuestion<'_>, over: &Cancel) -> Reply {
        let seen = (
            question.vm.to_string(),
            question.node.to_owned(),
            question.asked.clone(),
            question.within,
        );
        self.asked.lock().unwrap().push(seen);
        if let Some(hangs) = self.hangs.lock().unwrap().take() {
            hangs.send(over.clone()).unwrap();
        }
        let answer = self.answers.lock().unwrap().pop_front();
        answer.unwrap_or(Err(HypervisorError::new(Kind::Backend)))
    }
}

/// The code and the Items of a question, the user's answer, the code and the Items of the result.
type Case = (
    u16,
    &'static [&'static str],
    Reply,
    u16,
    &'static [&'static str],
);

fn error(kind: Kind) -> Reply {
    Err(HypervisorError::new(kind))
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.alert_type = Some("com.example.result".to_owned());
    policy
}

fn device(policy: Policy) -> (Device, Arc<User>) {
    let user = Arc::<User>::default();
    let mut device = Device::with_policy(policy);
    device.interface = Some(user.clone());
    device.restart();
    device.provision("entvm", "");
    (device, user)
}

/// A VM that runs, whose user gives these answers.
fn running(answers: impl IntoIterator<Item = Reply>) -> (Device, Arc<User>) {
    let (mut device, user) = device(policy());
    device.bring("entvm", VmState::Running);
    device.take_alerts();
    user.answers.lock().unwrap().extend(answers);
    (device, user)
}

fn alert(code: u16, items: &[&str]) -> String {
    let items: String = items
        .iter()
        .map(|data| format!("<Item><Data>{data}</Data></Item>"))
        .collect();
    format!("<Alert><CmdID>7</CmdID><Data>{code}</Data>{items}</Alert>")
}

fn result(code: u16, items: &[&str]) -> Option<String> {
    let items: String = items
        .iter()
        .map(|data| format!("<Item><Data>{data}</Data></Item>"))
        .collect();
    Some(format!(
        "<Status><CmdID>7</CmdID><MsgRef>1</MsgRef><CmdRef>7</CmdRef><Cmd>Alert</Cmd>\
         <Data>{code}</Data>{items}</Status>"
    ))
}

/// VR-239 to VR-245: the example of the specification, word for word.
#[test]
fn the_example_of_the_specification() {
    let (mut device, user) = running([Ok(UserAnswer::Rejected)]);
    assert_eq!(device.replace_markup(COMMAND, EXAMPLE), OK);
    assert_eq!(device.get(COMMAND).as_deref(), Some(EXAMPLE));
    assert_eq!(device.exec(EXEC), OK);
    let answer = "<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Alert</Cmd>\
                  <Data>304</Data></Status>";
    assert_eq!(device.get(RESULT).as_deref(), Some(answer));
    let asked = user.asked.lock().unwrap().pop().unwrap();
    let text = "Do you want to add the CNN access point?";
    let question = UserInteraction::new(Interaction::Confirm, text);
    let limit = Duration::from_secs(240);
    assert_eq!(asked, ("vm-1".into(), "entvm".into(), question, limit));
    assert_eq!(device.take_events().last(), Some(&told(&device, 304)));
    device.check();
}

fn told(device: &Device, status: u16) -> Event {
    Event::Interaction {
        node: "entvm".to_owned(),
        vm: device.id("entvm"),
        status: status.into(),
    }
}

/// VR-237, VR-240: every kind of question with every kind of answer, each run overwriting the last.
#[test]
fn every_answer_is_a_status() {
    let text = |text: &str| Ok(UserAnswer::Text(text.to_owned()));
    let single = &["", "?", "a", "b"][..];
    let cases: Vec<Case> = vec![
        (1100, &["", "!"], Ok(UserAnswer::Accepted), 200, &[]),
        (1100, &["MINDT=5", "!"], Ok(UserAnswer::Accepted), 200, &[]),
        (1101, &["", "?"], Ok(UserAnswer::Accepted), 200, &[]),
        (1101, &["", "?"], Ok(UserAnswer::Rejected), 304, &[]),
        (1102, &["", "?"], text("a &lt;b"), 200, &["a &amp;lt;b"]),
        (1102, &["MAXLEN=1", "?"], text("ab"), 416, &[]),
        (1102, &["", "?"], text("\u{0}"), 416, &[]),
        (1103, single, Ok(UserAnswer::Choices(vec![2])), 200, &["2"]),
        (1103, single, Ok(UserAnswer::Choices(vec![3])), 416, &[]),
        (
            1104,
            single,
            Ok(UserAnswer::Choices(vec![1, 2])),
            200,
            &["1", "2"],
        ),
        (1104, single, Ok(UserAnswer::Choices(vec![])), 200, &[]),
        (1104, single, Ok(UserAnswer::Cancelled), 214, &[]),
        (1101, &["", "?"], Ok(UserAnswer::TimedOut), 408, &[]),
        (1101, &["", "?"], Ok(UserAnswer::CannotDisplay), 416, &[]),
        (1101, &["", "?"], Ok(UserAnswer::Unsupported), 406, &[]),
        (
            1101,
            &["", "?"],
            error(Kind::Timeout {
                may_have_happened: true,
            }),
            408,
            &[],
        ),
        (1101, &["", "?"], error(Kind::NotSupported), 406, &[]),
    ];
    let (mut device, user) = running([]);
    for (code, items, answer, status, said) in cases {
        let command = alert(code, items);
        assert_eq!(device.replace_markup(COMMAND, &command), OK, "{command}");
        user.answers.lock().unwrap().push_back(answer);
        assert_eq!(device.exec(EXEC), OK, "{command}");
        assert_eq!(device.get(RESULT), result(status, said), "{command}");
    }
    device.check();
}

/// VR-235: the value is one Alert with a CmdID and a code, with or without a namespace.
#[test]
fn a_command_is_an_alert() {
    let (mut device, _) = device(policy());
    let body = "<CmdID>1</CmdID><Data>1100</Data><Item/><Item><Data>x</Data></Item>";
    for good in [
        "".to_owned(),
        format!("<Alert>{body}</Alert>"),
        format!("<?xml version='1.0'?><Alert xmlns='SYNCML:SYNCML1.2'>{body}</Alert>"),
        format!("<s:Alert xmlns:s='SYNCML:SYNCML1.2'>{}</s:Alert>", body.replace('<', "<s:").replace("<s:/", "</s:")),
        "<Alert><CmdID>1</CmdID><Data>1100</Data><Item/><Item><Data><![CDATA[a < b]]></Data></Item></Alert>".to_owned(),
        // What the code means is judged when it is executed.
        "<Alert><CmdID>1</CmdID><Data>1226</Data></Alert>".to_owned(),
    ] {
        assert_eq!(device.replace_markup(COMMAND, &good), OK, "{good}");
    }
    for bad in [
        "Add the access point?",
        "<Alert>",
        "<Alert/>",
        "<Alert><Data>1100</Data></Alert>",
        "<Alert><CmdID>1</CmdID></Alert>",
        "<Alert xmlns='urn:x'><CmdID>1</CmdID><Data>1100</Data></Alert>",
        "<Alert><CmdID>1</CmdID><Data>1100</Data></Alert><Alert><CmdID>2</CmdID><Data>1100</Data></Alert>",
        "<Exec><CmdID>1</CmdID><Item/></Exec>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><Alert><CmdID>1</CmdID><Data>1100</Data></Alert>",
    ] {
        assert_eq!(
            device.replace_markup(COMMAND, bad),
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
    assert_ne!(
        device.replace(COMMAND, &alert(1100, &["", "x"])),
        OK,
        "text is no markup"
    );
    assert_ne!(
        device.replace_markup(RESULT, "<Status/>"),
        OK,
        "the result is the device's"
    );
}

/// An Add of the leaf sets its value, as of every leaf the device creates.
#[test]
fn a_command_may_be_added() {
    let (mut device, _) = running([Ok(UserAnswer::Accepted)]);
    let command = alert(1101, &["", "?"]);
    assert_eq!(device.command(Edit::AddMarkup(COMMAND, &command)), OK);
    assert_eq!(device.exec(EXEC), OK);
    assert_eq!(device.get(RESULT), result(200, &[]));
}

/// What is no question, or cannot be shown, has a result at once and nobody is asked.
#[test]
fn what_cannot_be_asked_has_a_result() {
    let (mut device, user) = running([]);
    let long = "x".repeat(policy().question_octets);
    for (command, status) in [
        (alert(1226, &["", "?"]), 406),
        (alert(1105, &["", "?"]), 406),
        (alert(1099, &[]), 406),
        (alert(1101, &[""]), 412),
        (alert(1103, &["", "?"]), 412),
        (alert(1102, &["MAXLEN=x", "?"]), 412),
        (alert(1100, &["", &long]), 416),
    ] {
        assert_eq!(device.replace_markup(COMMAND, &command), OK, "{command}");
        assert_eq!(device.exec_now(EXEC), OK, "{command}");
        assert_eq!(device.get(RESULT), result(status, &[]), "{command}");
    }
    assert_eq!(user.asked.lock().unwrap().len(), 0);
}

/// Nobody can answer while the VM does not run, and there has to be a command.
#[test]
fn only_the_user_of_a_running_vm_is_asked() {
    for state in [VmState::NotCreated, VmState::PoweredOff, VmState::Suspended] {
        let (mut device, user) = device(policy());
        device.bring("entvm", state);
        assert_eq!(device.replace_markup(COMMAND, EXAMPLE), OK);
        assert_eq!(device.exec_now(EXEC), REFUSED, "{state}");
        assert_eq!(device.get(RESULT).as_deref(), Some(""));
        assert_eq!(user.asked.lock().unwrap().len(), 0);
        device.check();
    }
    let (mut device, _) = running([]);
    assert_eq!(device.exec_now(EXEC), StatusCode::INCOMPLETE_COMMAND);
    let nobody = "./VirMO/other/Operations/ExecUICmd";
    assert_eq!(device.exec_now(nobody), StatusCode::NOT_FOUND);
}

/// A new command forgets the result of the old one, and a new run does too, once it begins.
#[test]
fn a_result_belongs_to_its_command() {
    let (mut device, _) = running([Ok(UserAnswer::Accepted), Ok(UserAnswer::Rejected)]);
    assert_eq!(device.replace_markup(COMMAND, EXAMPLE), OK);
    assert_eq!(device.exec(EXEC), OK);
    assert_eq!(device.replace_markup(COMMAND, &alert(1101, &["", "?"])), OK);
    assert_eq!(device.get(RESULT).as_deref(), Some(""));
    assert_eq!(device.exec(EXEC), OK);
    assert_eq!(device.get(RESULT), result(304, &[]));
    let Answer::Pending(job, reporting) = device.begin(EXEC, None) else {
        panic!("nobody is asked");
    };
    assert_eq!(reporting, Reporting::Synchronous);
    assert_eq!(device.get(RESULT).as_deref(), Some(""));
    // Meanwhile the command stays, and so does the name of the VM.
    assert_eq!(device.replace_markup(COMMAND, EXAMPLE), REFUSED);
    assert_eq!(device.rename("./VirMO/entvm", "other"), REFUSED);
    assert_eq!(device.exec_now(EXEC), REFUSED);
    device.run(job);
    assert_eq!(device.replace_markup(COMMAND, EXAMPLE), OK);
}

/// What is under way can be shown, but not a default answer, nor a vendor's parameters.
#[test]
fn nobody_sees_what_may_be_a_secret() {
    let (mut device, _) = running([Ok(UserAnswer::Accepted)]);
    let command = alert(1102, &["DR=secret&amp;ET=P", "secret?"]);
    assert_eq!(device.replace_markup(COMMAND, &command), OK);
    let Answer::Pending(asking, _) = device.begin(EXEC, None) else {
        panic!("nobody is asked");
    };
    device.add_vm("second", "entvm", "&x-first=secret");
    let Answer::Pending(..) = device.begin("./VirMO/second/Operations/Create", None) else {
        panic!("it is not created");
    };
    let shown = device.mind();
    assert!(shown.contains(&format!("{asking:?}")) && shown.contains("Making"));
    assert!(!shown.contains("secret"), "{shown}");
}

/// VR-245: 202, and an alert with the outcome.
#[test]
fn an_accepted_question_ends_with_an_alert() {
    let (mut device, _) = running([Ok(UserAnswer::Rejected)]);
    assert_eq!(device.replace_markup(COMMAND, &alert(1101, &["", "?"])), OK);
    let Answer::Pending(job, _) = device.begin(EXEC, Some("c1")) else {
        panic!("nobody is asked");
    };
    device.accept(job);
    device.run(job);
    assert_eq!(device.get(RESULT), result(304, &[]));
    assert_eq!(device.take_alerts(), [final_alert(EXEC, Some("c1"), OK)]);
    device.check();
}

/// An answer the journal could not keep is lost, as by a restart: the result says so and the alert comes
/// with the next look, or before the next question; nothing waits for a restart.
#[test]
fn an_answer_that_is_not_kept_ends_its_question() {
    for by_a_look in [true, false] {
        let (mut device, _) = running([Ok(UserAnswer::Accepted), Ok(UserAnswer::Rejected)]);
        assert_eq!(device.replace_markup(COMMAND, &alert(1101, &["", "?"])), OK);
        let Answer::Pending(job, _) = device.begin(EXEC, Some("c1")) else {
            panic!("nobody is asked");
        };
        device.accept(job);
        device.journal.fail_in.store(0, Ordering::SeqCst);
        device.run(job);
        assert_eq!(device.take_alerts(), [""; 0]);
        let failed = final_alert(EXEC, Some("c1"), FAILED);
        if by_a_look {
            device.look();
            assert_eq!(device.get(RESULT), result(215, &[]));
            assert_eq!(device.take_alerts(), [failed]);
        } else {
            assert_eq!(device.exec(EXEC), OK);
            assert_eq!(device.get(RESULT), result(304, &[]));
            assert_eq!(device.take_alerts(), [failed]);
        }
        device.look();
        device.restart();
        assert_eq!(device.take_alerts(), [""; 0]);
        device.check();
    }
}

/// A user who never answers: 408 when MAXDT or the limit has passed, and the question is taken
/// back; the next one is asked when that has happened.
#[test]
fn a_question_ends_in_time() {
    for (options, seconds) in [("MAXDT=60", 60), ("MAXDT=9999", 240), ("", 240)] {
        let (mut device, user) = running([Ok(UserAnswer::Accepted), Ok(UserAnswer::Accepted)]);
        let (hangs, hanging) = mpsc::channel();
        *user.hangs.lock().unwrap() = Some(hangs);
        assert_eq!(
            device.replace_markup(COMMAND, &alert(1101, &[options, "?"])),
            OK
        );
        let Answer::Pending(job, _) = device.begin(EXEC, None) else {
            panic!("nobody is asked");
        };
        device.accept(job);
        let work = device.take(job);
        assert_eq!(work.time_limit, Some(Duration::from_secs(seconds)));
        let output = in_job(|| work.run());
        let over = hanging.recv().unwrap();
        assert!(!over.is_cancelled());
        device.complete(job, JobEnd::TimedOut);
        assert!(over.is_cancelled());
        assert_eq!(device.get(RESULT), result(408, &[]));
        assert_eq!(device.take_alerts(), [final_alert(EXEC, None, OK)]);
        assert_eq!(device.exec_now(EXEC), REFUSED, "it is still on the screen");
        device.complete(job, JobEnd::Late(output));
        assert_eq!(device.get(RESULT), result(408, &[]));
        assert_eq!(device.take_alerts(), [""; 0]);
        assert_eq!(device.exec(EXEC), OK);
        assert_eq!(device.get(RESULT), result(200, &[]));
        device.check();
    }
}

/// A text that is to stay as long as it may take is not late when it has.
#[test]
fn a_text_that_stays_to_the_end_was_shown() {
    for (code, options, limit) in [
        (1100, "MINDT=60&amp;MAXDT=60", 61),
        (1100, "MINDT=9999", 241),
        (1100, "MINDT=10&amp;MAXDT=60", 60),
        (1101, "MINDT=60&amp;MAXDT=60", 60),
    ] {
        let (mut device, _) = running([Ok(UserAnswer::Accepted)]);
        let command = alert(code, &[options, "?"]);
        assert_eq!(device.replace_markup(COMMAND, &command), OK);
        let Answer::Pending(job, _) = device.begin(EXEC, None) else {
            panic!("nobody is asked");
        };
        let work = device.take(job);
        assert_eq!(
            work.time_limit,
            Some(Duration::from_secs(limit)),
            "{options}"
        );
        let output = in_job(|| work.run());
        device.complete(job, JobEnd::Finished(output));
        assert_eq!(device.get(RESULT), result(200, &[]));
    }
}

/// People keep no primitive waiting, and a VM that left Running is not asked on.
#[test]
fn a_primitive_takes_the_question_back() {
    for operation in ["Suspend", "PowerOff", "Delete"] {
        let (mut device, user) = running([Ok(UserAnswer::Accepted)]);
        let (hangs, hanging) = mpsc::channel();
        *user.hangs.lock().unwrap() = Some(hangs);
        assert_eq!(device.replace_markup(COMMAND, &alert(1101, &["", "?"])), OK);
        let Answer::Pending(job, _) = device.begin(EXEC, None) else {
            panic!("nobody is asked");
        };
        device.accept(job);
        let work = device.take(job);
        let output = in_job(|| work.run());
        let over = hanging.recv().unwrap();
        assert_eq!(device.operate("entvm", operation), OK);
        assert!(over.is_cancelled(), "{operation}");
        assert_eq!(device.complete(job, JobEnd::Finished(output)), FAILED);
        let left = (operation != "Delete").then(|| result(215, &[])).flatten();
        assert_eq!(device.get(RESULT), left);
        assert_eq!(device.take_alerts(), [final_alert(EXEC, None, FAILED)]);
        device.check();
    }
}

/// A VM that cannot be reached, and a thread that died: not asked, and the Exec failed.
#[test]
fn a_vm_that_cannot_be_reached_was_not_asked() {
    let (mut device, _) = running([error(Kind::Backend)]);
    assert_eq!(device.replace_markup(COMMAND, &alert(1101, &["", "?"])), OK);
    assert_eq!(device.exec(EXEC), FAILED);
    assert_eq!(device.get(RESULT), result(215, &[]));
    let events = device.take_events();
    assert!(matches!(
        &events[events.len() - 2..],
        [Event::Unreachable { .. }, Event::Interaction { .. }]
    ));
    let Answer::Pending(job, _) = device.begin(EXEC, None) else {
        panic!("nobody is asked");
    };
    device.take(job);
    assert_eq!(device.complete(job, JobEnd::Lost), FAILED);
    assert_eq!(device.get(RESULT), result(215, &[]));
    device.check();
}

/// A restart amid a question: it was asked in vain, and who waits for an alert gets one.
#[test]
fn a_restart_ends_a_question() {
    for accepted in [false, true] {
        let (mut device, _) = running([]);
        assert_eq!(device.replace_markup(COMMAND, &alert(1101, &["", "?"])), OK);
        let Answer::Pending(job, _) = device.begin(EXEC, Some("c")) else {
            panic!("nobody is asked");
        };
        if accepted {
            device.accept(job);
        }
        device.restart();
        assert_eq!(device.get(RESULT), result(215, &[]));
        let alerts: Vec<_> = accepted
            .then(|| final_alert(EXEC, Some("c"), FAILED))
            .into_iter()
            .collect();
        assert_eq!(device.take_alerts(), alerts);
        device.check();
        device.restart();
        assert_eq!(device.get(RESULT), result(215, &[]));
        assert_eq!(device.take_alerts(), [""; 0]);
    }
}

/// A crash at any moment of a run leaves no question open, and a result that is true.
#[test]
fn a_crash_at_any_moment_leaves_no_question_open() {
    for tick in 0.. {
        let (mut device, _) = running([Ok(UserAnswer::Accepted)]);
        assert_eq!(device.replace_markup(COMMAND, &alert(1101, &["", "?"])), OK);
        device.trip.arm(tick);
        let crashed = device.crash_in(|device| {
            assert_eq!(device.exec(EXEC), OK);
        });
        if !crashed {
            assert!(tick > 1, "the run is durable at its begin and its end");
            break;
        }
        device.restart();
        let found = device.get(RESULT);
        let legal = [Some(String::new()), result(215, &[]), result(200, &[])];
        assert!(legal.contains(&found), "{tick}: {found:?}");
        device.check();
        assert_eq!(device.replace_markup(COMMAND, &alert(1100, &["", "?"])), OK);
    }
}

/// VR-233, VR-238, VR-269: both optional nodes with their children, or neither.
#[test]
fn without_a_user_interface_there_are_no_nodes() {
    let (device, _) = device(policy());
    assert_eq!(
        device.get("./VirMO/entvm/UI").as_deref(),
        Some("Command/Result")
    );
    assert_eq!(device.get(EXEC).as_deref(), Some(""));
    let mut bare = Device::new();
    bare.provision("entvm", "");
    assert_eq!(bare.get("./VirMO/entvm/UI"), None);
    assert_eq!(bare.get(EXEC), None);
    bare.bring("entvm", VmState::Running);
    assert_eq!(bare.exec_now(EXEC), StatusCode::NOT_FOUND);
}

/// What another version of the client stored is judged when it is used.
#[test]
fn a_stored_value_that_is_no_command_is_refused() {
    let (mut device, _) = running([]);
    device.tamper(COMMAND, Value::xml("<Get/>"));
    assert_eq!(device.exec_now(EXEC), StatusCode::BAD_REQUEST);
    assert_eq!(device.get(RESULT).as_deref(), Some(""));
}

/// The guest asks its user by itself, in both encodings of the link; one nobody sits at was asked in
/// vain, and one that is silent or talks nonsense too.
#[test]
fn the_guest_asks_its_user() {
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Arc::new(Simulator::open(folder.path().join("machines")).unwrap());
        let mut device = Device::with_policy(policy());
        device.hypervisor = simulator.clone();
        let link = GuestLink::new(simulator.clone(), "1").with_encoding(encoding);
        device.interface = Some(Arc::new(link));
        device.sink = Arc::new(FileSink::open(folder.path().join("images")).unwrap());
        device.restart();
        device.provision("entvm", "");
        device.bring("entvm", VmState::Running);
        let vm = device.id("entvm");
        let answer_with = |answer: UserAnswer| {
            let guest = simulator.guest(&vm, |guest| guest.answer_with(answer));
            guest.unwrap();
        };
        let choices = ["", "Which?", "a", "b"];
        for (command, answer, status, items) in [
            (
                EXAMPLE.replace(">2<", ">7<"),
                UserAnswer::Rejected,
                304,
                &[][..],
            ),
            (
                alert(1102, &["", "?"]),
                UserAnswer::Text("Größe".into()),
                200,
                &["Größe"],
            ),
            (
                alert(1104, &choices),
                UserAnswer::Choices(vec![2]),
                200,
                &["2"],
            ),
            (alert(1103, &choices), UserAnswer::Cancelled, 214, &[]),
        ] {
            answer_with(answer);
            assert_eq!(device.replace_markup(COMMAND, &command), OK);
            assert_eq!(device.exec(EXEC), OK, "{command}");
            assert_eq!(device.get(RESULT), result(status, items), "{command}");
        }
        assert_eq!(device.exec(EXEC), FAILED, "nobody is there");
        assert_eq!(device.get(RESULT), result(215, &[]));
        for misbehaviour in [Misbehaviour::Silent, Misbehaviour::Garbage] {
            simulator.misbehave(misbehaviour);
            let silent = misbehaviour == Misbehaviour::Silent;
            assert_eq!(device.exec(EXEC), if silent { OK } else { FAILED });
            let status = if silent { 408 } else { 215 };
            assert_eq!(device.get(RESULT), result(status, &[]), "{misbehaviour:?}");
        }
    }
}

/// The answer of the user finds no room: the promise of 202 is kept all the same.
#[test]
fn an_answer_the_tree_has_no_room_for_is_a_failure() {
    let (mut device, _user) = running([Ok(UserAnswer::Accepted)]);
    assert_eq!(device.replace_markup(COMMAND, EXAMPLE), OK);
    device.limits.total_bytes = 1;
    device.restart();
    device.take_alerts();
    let Answer::Pending(job, _) = device.begin(EXEC, Some("c1")) else {
        panic!("refused");
    };
    device.accept(job);
    assert_eq!(device.run(job), StatusCode::DEVICE_FULL);
    let told = final_alert(EXEC, Some("c1"), StatusCode::DEVICE_FULL);
    assert_eq!(device.take_alerts(), [told]);
    device.restart();
    assert_eq!(device.take_alerts(), [""; 0]);
}

/// VMs that were stored before there was a user interface have its nodes after the next start.
#[test]
fn vms_of_a_device_without_a_user_interface_get_its_nodes() {
    let mut device = Device::with_policy(policy());
    device.provision("entvm", "");
    device.bring("entvm", VmState::Running);
    assert_eq!(device.get(EXEC), None);
    device.interface = Some(Arc::new(User::default()));
    device.restart();
    assert_eq!(device.get(EXEC).as_deref(), Some(""));
    assert_eq!(device.replace_markup(COMMAND, &alert(1101, &["", "?"])), OK);
    device.check();
}
