//! Asking the user of a VM. [VirMO §11.2.2]

use virmo::dm::{
    core::{AlertCode, Format},
    session::request::Leaf,
    syncml::{Alert, Command, Encoding, Item, Limits, Status, decode_command},
};

use super::{
    life,
    nodes::{Access, Node, judge, optional, required},
    states::remove,
};
use crate::{
    Failed,
    bench::{Bench, State},
    scenario::{Done, scenarios},
};

scenarios! {
    Device:
    A_USER_IS_ASKED = a_user_is_asked;
    NODES_OF_INTERACTION = nodes_of_interaction;
}

const NODES: [Node; 4] = [
    optional("VR-233", "./VirMO/<x>/UI", Format::Node, Access::Get),
    required("VR-234", "./VirMO/<x>/UI/Command", Format::Xml, Access::Get),
    required(
        "VR-236",
        "./VirMO/<x>/UI/Result",
        Format::Xml,
        Access::GetOnly,
    ),
    optional(
        "VR-238",
        "./VirMO/<x>/Operations/ExecUICmd",
        Format::Null,
        Access::Exec,
    ),
];

fn nodes_of_interaction(bench: &mut Bench<'_>) -> Done {
    let vm = life::vm(bench, "")?;
    if bench.get(&format!("{vm}/UI"))?.status == 404 {
        let rows = ["VR-233", "VR-234", "VR-236", "VR-238", "VR-269"];
        bench
            .verdicts
            .unseen(&rows, "UI is optional, and not there");
        return remove(bench, &vm);
    }
    for node in &NODES {
        judge(bench, node, &vm)?;
    }
    for leaf in ["Command", "Result"] {
        let got = bench.get(&format!("{vm}/UI/{leaf}"))?.status;
        bench.check(
            &["VR-269"],
            got == 200,
            format_args!("there is UI, and Get of {leaf} was answered with {got}"),
        );
    }
    remove(bench, &vm)
}

/// An Alert that asks for yes or no, as text of a node.
fn question(text: &str) -> String {
    format!(
        "<Alert><CmdID>2</CmdID><Data>1101</Data><Item></Item><Item><Data>{text}</Data></Item></Alert>"
    )
}

fn write(bench: &mut Bench<'_>, vm: &str, text: &str) -> Result<u16, Failed> {
    let leaf = Leaf::new(Format::Xml, text.to_owned());
    bench.replace_leaf(&format!("{vm}/UI/Command"), leaf)
}

/// The Status a node holds.
fn status(text: &str) -> Option<Status<'static>> {
    let command = decode_command(text.as_bytes(), Encoding::Xml, &Limits::lenient()).ok()?;
    match command.into_owned() {
        Command::Status(status) => Some(status),
        _ => None,
    }
}

fn a_user_is_asked(bench: &mut Bench<'_>) -> Done {
    let (_, image) = life::image(bench)?;
    let vm = life::vm(bench, &format!("ImgID={image}"))?;
    let other = life::vm(bench, &format!("ImgID={image}"))?;
    for vm in [&vm, &other] {
        bench.operate(vm, "Create")?;
    }
    if bench.get(&format!("{vm}/UI"))?.status == 404 {
        let rows = [
            "VR-232", "VR-235", "VR-237", "VR-240", "VR-243", "VR-244", "VR-245",
        ];
        bench
            .verdicts
            .unseen(&rows, "UI is optional, and not there");
        remove(bench, &other)?;
        return remove(bench, &vm);
    }
    let exec = format!("{vm}/Operations/ExecUICmd");
    let result = format!("{vm}/UI/Result");

    // What is no Alert that asks is refused, when it is written or when it is executed.
    for bad in [
        "",
        "hello",
        "<Get><CmdID>1</CmdID></Get>",
        "<Alert><CmdID>1</CmdID>",
    ] {
        let written = write(bench, &vm, bad)?;
        let executed = bench.exec(&exec)?;
        let found = bench.value(&result)?.unwrap_or_default();
        let answered = status(&found).map(|status| status.code.get());
        bench.check(
            &["VR-235"],
            written >= 400 || executed >= 400 || answered.is_some_and(|code| code >= 400),
            format_args!("{bad:?}: Replace {written}, Exec {executed}, Result {found:?}"),
        );
    }

    let text = format!("Is this {vm}?");
    let written = write(bench, &vm, &question(&text))?;
    let executed = bench.exec(&exec)?;
    bench.check(
        &["VR-235", "VR-243", "VR-245"],
        (200..300).contains(&written) && matches!(executed, 200 | 202),
        format_args!("a question: Replace {written}, Exec {executed}"),
    );
    let found = bench.wait_for(&result, |value| value.is_some_and(|it| !it.is_empty()))?;
    let found = found.unwrap_or_default();
    let answer = status(&found);
    bench.check(
        &["VR-237", "VR-240", "VR-244"],
        answer.is_some(),
        format_args!("UI/Result is {found:?}"),
    );
    let fits = answer.is_some_and(|status| {
        let command = virmo::dm::syncml::CmdId::new(2).map(Into::into);
        status.cmd == "Alert" && Some(status.cmd_ref) == command
    });
    bench.check(
        &["VR-237", "VR-244"],
        fits,
        format_args!("UI/Result does not answer the Alert of UI/Command: {found:?}"),
    );

    // A question without a VM is for the device.
    let items = vec![Item::new(), Item::new().with_data("Are you the device?")];
    let plain = bench.one(Command::Alert(
        Alert::new(AlertCode::CONFIRM).with_items(items),
    ))?;
    let untouched = bench
        .value(&format!("{other}/UI/Result"))?
        .unwrap_or_default();
    let same = bench.value(&result)?.as_ref() == Some(&found);
    bench.check(
        &["VR-232", "VR-243"],
        plain.status >= 200 && untouched.is_empty() && same,
        format_args!("another question changed UI/Result: {untouched:?}"),
    );
    let id = bench.value(&format!("{vm}/VMID"))?.unwrap_or_default();
    if let Some(asked) = bench.inside().map(|inside| inside.asked()) {
        let of = |wanted: &str| {
            let mut found = asked.iter().filter(|(_, text)| text == wanted);
            found
                .next()
                .map(|(vm, _)| vm.as_ref().map(ToString::to_string))
        };
        bench.check(
            &["VR-243"],
            of(&text) == Some(Some(id)),
            format_args!("who was asked what: {asked:?}"),
        );
        bench.check(
            &["VR-232"],
            of("Are you the device?") == Some(None),
            format_args!("who was asked what: {asked:?}"),
        );
    }

    // Nobody can answer in a VM that does not run.
    let (_, off) = bench.operate(&vm, "PowerOff")?;
    let executed = bench.exec(&exec)?;
    bench.check(
        &["VR-243"],
        off != State::Gone && executed >= 400,
        format_args!("ExecUICmd of a VM that is off was answered with {executed}"),
    );
    remove(bench, &other)?;
    remove(bench, &vm)
}
