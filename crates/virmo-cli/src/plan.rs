//! The plan of `virmo serve`: an ordered list of steps in TOML.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use serde::Deserialize;
use toml::Spanned;

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) action: Action,
    /// The status that makes the step a success instead of any 2xx.
    pub(crate) expect: Option<u16>,
    /// End the plan if this step fails.
    pub(crate) stop: bool,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    DeliverImage(DeliverImage),
    CreateVm(CreateVm),
    Suspend(String),
    Resume(String),
    PowerOn(String),
    PowerOff(String),
    DeleteVm(String),
    DeleteImage(String),
    ApplyResources(BTreeMap<String, String>),
    Get(String),
    Exec(String),
    Delete(String),
    Add(Leaf),
    Replace(Leaf),
    /// A word of a later capability.
    NotBuilt(&'static str),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliverImage {
    pub(crate) node: String,
    pub(crate) name: String,
    pub(crate) uri: String,
    pub(crate) media_type: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateVm {
    pub(crate) node: String,
    /// The name of the image's node.
    pub(crate) image: String,
    #[serde(default)]
    pub(crate) running: Option<bool>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// NewConfig, set before Create.
    #[serde(default)]
    pub(crate) resources: Option<String>,
}

/// A node for a raw Add or Replace; without `value` an interior node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leaf {
    pub(crate) uri: String,
    #[serde(default)]
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) format: Option<String>,
    #[serde(default, rename = "type")]
    pub(crate) media_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    step: Vec<Spanned<Row>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    expect: Option<u16>,
    #[serde(default)]
    stop: bool,
    deliver_image: Option<DeliverImage>,
    create_vm: Option<CreateVm>,
    suspend: Option<Vm>,
    resume: Option<Vm>,
    power_on: Option<Vm>,
    power_off: Option<Vm>,
    delete_vm: Option<Vm>,
    delete_image: Option<Image>,
    apply_resources: Option<BTreeMap<String, String>>,
    ask_user: Option<toml::Value>,
    get: Option<String>,
    exec: Option<String>,
    delete: Option<String>,
    add: Option<Leaf>,
    replace: Option<Leaf>,
    atomic: Option<toml::Value>,
    sequence: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vm {
    vm: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    node: String,
}

/// Why a plan cannot be used.
#[derive(Debug)]
pub(crate) enum PlanError {
    Read(io::Error),
    /// What is wrong, with its line.
    Syntax(String),
    /// A step that does not say one thing to do.
    Step {
        line: usize,
        actions: usize,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Syntax(text) => f.write_str(text.trim_end()),
            Self::Step { line, actions: 0 } => write!(f, "line {line}: the step does nothing"),
            Self::Step { line, actions } => {
                write!(
                    f,
                    "line {line}: the step has {actions} actions; give each its own [[step]]"
                )
            }
        }
    }
}

/// Reads a plan file.
pub(crate) fn read(path: &Path) -> Result<Vec<Step>, PlanError> {
    parse(&fs::read_to_string(path).map_err(PlanError::Read)?)
}

/// Reads the text of a plan.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, PlanError> {
    let file: File = toml::from_str(text).map_err(|error| PlanError::Syntax(error.to_string()))?;
    file.step
        .into_iter()
        .map(|row| {
            let start = text.get(..row.span().start).unwrap_or_default();
            step(row.into_inner(), start.lines().count() + 1)
        })
        .collect()
}

fn step(row: Row, line: usize) -> Result<Step, PlanError> {
    let vm = |make: fn(String) -> Action| move |row: Vm| make(row.vm);
    let mut actions: Vec<Action> = [
        row.deliver_image.map(Action::DeliverImage),
        row.create_vm.map(Action::CreateVm),
        row.suspend.map(vm(Action::Suspend)),
        row.resume.map(vm(Action::Resume)),
        row.power_on.map(vm(Action::PowerOn)),
        row.power_off.map(vm(Action::PowerOff)),
        row.delete_vm.map(vm(Action::DeleteVm)),
        row.delete_image.map(|row| Action::DeleteImage(row.node)),
        row.apply_resources.map(Action::ApplyResources),
        row.ask_user.map(|_| Action::NotBuilt("ask_user")),
        row.get.map(Action::Get),
        row.exec.map(Action::Exec),
        row.delete.map(Action::Delete),
        row.add.map(Action::Add),
        row.replace.map(Action::Replace),
        row.atomic.map(|_| Action::NotBuilt("atomic")),
        row.sequence.map(|_| Action::NotBuilt("sequence")),
    ]
    .into_iter()
    .flatten()
    .collect();
    match (actions.pop(), actions.len()) {
        (Some(action), 0) => Ok(Step {
            action,
            expect: row.expect,
            stop: row.stop,
        }),
        (None, _) => Err(PlanError::Step { line, actions: 0 }),
        (Some(_), others) => Err(PlanError::Step {
            line,
            actions: others + 1,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_of_the_documentation_reads() {
        let steps = parse(
            r#"
[[step]]
deliver_image = { node = "entvm", name = "android", uri = "http://127.0.0.1:9000/entvm.img", media_type = "application/octet-stream" }
[[step]]
create_vm = { node = "entvm", image = "entvm", running = true, description = "Enterprise" }
[[step]]
suspend = { vm = "entvm" }
expect = 405
stop = true
[[step]]
delete_image = { node = "entvm" }
[[step]]
apply_resources = { entvm = "RAM=536870912&Storage=1073741824&CPU=60&Network=50" }
[[step]]
get = "./VirMO/entvm/State"
[[step]]
add = { uri = "./VirMO/x/Ext/a", value = "1", format = "int", type = "text/plain" }
[[step]]
ask_user = { vm = "entvm", kind = "confirm", text = "Add the access point?" }
"#,
        )
        .unwrap();
        assert_eq!(steps.len(), 8);
        assert_eq!(
            steps[2],
            Step {
                action: Action::Suspend("entvm".into()),
                expect: Some(405),
                stop: true
            }
        );
        assert!(matches!(&steps[1].action, Action::CreateVm(vm) if vm.running == Some(true)));
        assert_eq!(steps[5].action, Action::Get("./VirMO/entvm/State".into()));
        assert_eq!(steps[7].action, Action::NotBuilt("ask_user"));
    }

    #[test]
    fn a_faulty_plan_is_explained_with_its_line() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(
            error("[[step]]\nexpect = 200\n"),
            "line 1: the step does nothing"
        );
        assert_eq!(
            error("\n[[step]]\nget = \".\"\nexec = \".\"\n"),
            "line 2: the step has 2 actions; give each its own [[step]]"
        );
        let unknown = error("[[step]]\nget = \".\"\n[[step]]\nsuspnd = { vm = \"a\" }\n");
        assert!(
            unknown.contains("line 4") && unknown.contains("suspnd"),
            "{unknown}"
        );
        let missing = error("[[step]]\ncreate_vm = { node = \"a\" }\n");
        assert!(
            missing.contains("line 2") && missing.contains("image"),
            "{missing}"
        );
        let broken = error("[[step]]\nget = \n");
        assert!(broken.contains("line 2"), "{broken}");
    }
}
