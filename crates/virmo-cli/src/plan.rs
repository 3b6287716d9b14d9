//! The plan of `virmo serve`: an ordered list of steps in TOML.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// Where it stands in the plan, from 1.
    pub(crate) line: usize,
    pub(crate) action: Action,
    /// The status that makes the step a success instead of any 2xx.
    pub(crate) expect: Option<u16>,
    /// End the plan if this step fails.
    pub(crate) stop: bool,
    /// How many seconds it may take.
    pub(crate) within: Option<u64>,
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
    Lock(String),
    Unlock(String),
    AllowSharing(String),
    ProhibitSharing(String),
    UserUnlock(UserUnlock),
    EnablePeripheral(Peripheral),
    DisablePeripheral(Peripheral),
    Companion(Companion),
    DeleteImage(String),
    ApplyResources(BTreeMap<String, String>),
    AskUser(AskUser),
    Raw(Raw),
}

/// A command as it goes to the device.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Raw {
    Get(String),
    Exec(String),
    Delete(String),
    Copy(Copy),
    Add(Leaf),
    Replace(Leaf),
    Atomic(Vec<Raw>),
    Sequence(Vec<Raw>),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Copy {
    pub(crate) from: String,
    pub(crate) to: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskUser {
    /// The VM whose user is asked; without it the device's.
    #[serde(default)]
    pub(crate) vm: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) choices: Vec<String>,
    /// What the answer is until the user changes it: DR.
    #[serde(default)]
    pub(crate) default: Option<String>,
    #[serde(default)]
    pub(crate) min_seconds: Option<u64>,
    #[serde(default)]
    pub(crate) max_seconds: Option<u64>,
    #[serde(default)]
    pub(crate) max_length: Option<u32>,
    #[serde(default)]
    pub(crate) input: Input,
    #[serde(default)]
    pub(crate) password: bool,
}

/// What a user is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Display,
    Confirm,
    Input,
    Choice,
    Choices,
}

/// What may be typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Input {
    #[default]
    Text,
    Number,
    Date,
    Time,
    Phone,
    Ip,
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
    /// Name the descriptor of the file instead of the file.
    #[serde(default)]
    pub(crate) descriptor: bool,
    /// The digest the file must have.
    #[serde(default)]
    pub(crate) sha256: Option<Sha256>,
}

/// A digest, or whether it is that of the file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Sha256 {
    Given(String),
    OfFile(bool),
}

/// A peripheral of a VM: a capability of its DCMO.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peripheral {
    pub(crate) vm: String,
    pub(crate) name: String,
}

/// What a companion object of a VM does, or one of the device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Companion {
    UpdateFirmware(Firmware),
    DeliverSoftware(Package),
    InstallSoftware(Package),
    RemovePackage(Delivered),
    ActivateSoftware(Component),
    DeactivateSoftware(Component),
    RemoveSoftware(Component),
}

/// Firmware of a VM, or of the device.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Firmware {
    #[serde(default)]
    pub(crate) vm: Option<String>,
    /// The object of a device; `./FUMO` without it.
    #[serde(default)]
    pub(crate) object: Option<String>,
    pub(crate) uri: String,
}

/// A package for a VM, or for the device.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Package {
    #[serde(default)]
    pub(crate) vm: Option<String>,
    /// The object of a device; `./SCOMO` without it.
    #[serde(default)]
    pub(crate) object: Option<String>,
    /// The name of the package's node.
    pub(crate) package: String,
    /// PkgID.
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// PkgURL.
    #[serde(default)]
    pub(crate) uri: Option<String>,
    /// A file whose content is Data.
    #[serde(default)]
    pub(crate) file: Option<PathBuf>,
    /// The content of that file.
    #[serde(skip)]
    pub(crate) content: Option<Vec<u8>>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) params: Option<String>,
    #[serde(default)]
    pub(crate) environment: Option<String>,
    #[serde(default)]
    pub(crate) media_type: Option<String>,
    /// Whether the components are to run.
    #[serde(default)]
    pub(crate) active: Option<bool>,
}

/// A package that is delivered to a VM, or to the device.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delivered {
    #[serde(default)]
    pub(crate) vm: Option<String>,
    #[serde(default)]
    pub(crate) object: Option<String>,
    pub(crate) package: String,
}

/// What is installed in a VM, or on the device.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Component {
    #[serde(default)]
    pub(crate) vm: Option<String>,
    #[serde(default)]
    pub(crate) object: Option<String>,
    pub(crate) component: String,
}

/// Whether the user of a VM may unlock it; in the draft.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserUnlock {
    pub(crate) vm: String,
    pub(crate) allowed: bool,
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
    /// Delete the image afterwards.
    #[serde(default)]
    pub(crate) delete_image: bool,
}

/// A node for a raw Add or Replace; an Add without a value and a format is that of an interior node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leaf {
    pub(crate) uri: String,
    #[serde(default)]
    pub(crate) value: Option<String>,
    /// A file whose content is the value.
    #[serde(default)]
    pub(crate) value_file: Option<PathBuf>,
    /// The content of that file.
    #[serde(skip)]
    pub(crate) content: Option<Vec<u8>>,
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
    within: Option<u64>,
    deliver_image: Option<DeliverImage>,
    create_vm: Option<CreateVm>,
    suspend: Option<Vm>,
    resume: Option<Vm>,
    power_on: Option<Vm>,
    power_off: Option<Vm>,
    delete_vm: Option<Vm>,
    lock: Option<Vm>,
    unlock: Option<Vm>,
    allow_sharing: Option<Vm>,
    prohibit_sharing: Option<Vm>,
    user_unlock: Option<UserUnlock>,
    enable_peripheral: Option<Peripheral>,
    disable_peripheral: Option<Peripheral>,
    update_firmware: Option<Firmware>,
    deliver_software: Option<Package>,
    install_software: Option<Package>,
    remove_package: Option<Delivered>,
    activate_software: Option<Component>,
    deactivate_software: Option<Component>,
    remove_software: Option<Component>,
    delete_image: Option<Image>,
    apply_resources: Option<BTreeMap<String, String>>,
    ask_user: Option<AskUser>,
    get: Option<String>,
    exec: Option<String>,
    delete: Option<String>,
    copy: Option<Copy>,
    add: Option<Leaf>,
    replace: Option<Leaf>,
    atomic: Option<Vec<Raw>>,
    sequence: Option<Vec<Raw>>,
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
    Syntax {
        line: usize,
        why: String,
    },
    /// What is no status.
    Expect {
        line: usize,
        expect: u16,
    },
    /// A time that is over at once.
    Within {
        line: usize,
    },
    /// A step that does not say one thing to do.
    Step {
        line: usize,
        actions: usize,
    },
    /// The content of a value.
    File {
        line: usize,
        path: PathBuf,
        error: io::Error,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Syntax { line, why } => write!(f, "line {line}: {why}"),
            Self::Expect { line, expect } => {
                write!(
                    f,
                    "line {line}: expect = {expect}: a status is from 100 to 599"
                )
            }
            Self::Within { line } => {
                write!(f, "line {line}: within = 0: a step takes a second at least")
            }
            Self::Step { line, actions: 0 } => write!(f, "line {line}: the step does nothing"),
            Self::Step { line, actions } => {
                write!(
                    f,
                    "line {line}: the step has {actions} actions; give each its own [[step]]"
                )
            }
            Self::File { line, path, error } => {
                write!(f, "line {line}: {}: {error}", path.display())
            }
        }
    }
}

/// Reads a plan file; the files it names are found from its folder.
pub(crate) fn read(path: &Path) -> Result<Vec<Step>, PlanError> {
    let mut steps = parse(&fs::read_to_string(path).map_err(PlanError::Read)?)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for Step { line, action, .. } in &mut steps {
        match action {
            Action::Raw(raw) => load(raw, folder, *line)?,
            Action::Companion(Companion::DeliverSoftware(it) | Companion::InstallSoftware(it)) => {
                if let Some(name) = &it.file {
                    it.content = Some(content(folder, name, *line)?);
                }
            }
            _ => {}
        }
    }
    Ok(steps)
}

fn content(folder: &Path, name: &Path, line: usize) -> Result<Vec<u8>, PlanError> {
    let path = folder.join(name);
    fs::read(&path).map_err(|error| PlanError::File { line, path, error })
}

/// Reads the files a command names.
fn load(raw: &mut Raw, folder: &Path, line: usize) -> Result<(), PlanError> {
    match raw {
        Raw::Add(leaf) | Raw::Replace(leaf) => {
            if let Some(name) = &leaf.value_file {
                leaf.content = Some(content(folder, name, line)?);
            }
            Ok(())
        }
        Raw::Atomic(group) | Raw::Sequence(group) => {
            group.iter_mut().try_for_each(|raw| load(raw, folder, line))
        }
        Raw::Get(_) | Raw::Exec(_) | Raw::Delete(_) | Raw::Copy(_) => Ok(()),
    }
}

/// Reads the text of a plan.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, PlanError> {
    let line_at = |offset: usize| {
        let before = text.get(..offset).unwrap_or(text);
        before.matches('\n').count() + 1
    };
    let file: File = toml::from_str(text).map_err(|error| PlanError::Syntax {
        line: line_at(error.span().map_or(0, |span| span.start)),
        why: plain(error.message()),
    })?;
    file.step
        .into_iter()
        .map(|row| {
            let line = line_at(row.span().start);
            step(row.into_inner(), line)
        })
        .collect()
}

/// An error of the parser without the names of our types.
fn plain(message: &str) -> String {
    let message = message.trim_end().replace('\n', ", ");
    let (found, kind) = match message.split_once(", expected ") {
        Some(parts) => parts,
        None if message.ends_with("untagged enum Sha256") => {
            ("invalid sha256", "a digest in quotes, or true")
        }
        None if message == "wanted string or table" => {
            ("no command", "a command such as { get = \"./DevInfo\" }")
        }
        None => return message,
    };
    let wanted = match kind.split_once(' ') {
        Some(("struct", _)) => "a table { ... }",
        Some(("a", "map")) => "a table { ... }",
        Some(("a", "sequence")) => "a list [ ... ]",
        Some(("a", "string")) => "a text in quotes",
        Some(("a", "boolean")) => "true or false",
        _ if ["u16", "u32", "u64"].contains(&kind) => "a whole number",
        _ => kind,
    };
    format!("{found}, expected {wanted}")
}

fn step(row: Row, line: usize) -> Result<Step, PlanError> {
    if let Some(expect) = row.expect.filter(|expect| !(100..600).contains(expect)) {
        return Err(PlanError::Expect { line, expect });
    }
    if row.within == Some(0) {
        return Err(PlanError::Within { line });
    }
    let vm = |make: fn(String) -> Action| move |row: Vm| make(row.vm);
    let mut actions: Vec<Action> = [
        row.deliver_image.map(Action::DeliverImage),
        row.create_vm.map(Action::CreateVm),
        row.suspend.map(vm(Action::Suspend)),
        row.resume.map(vm(Action::Resume)),
        row.power_on.map(vm(Action::PowerOn)),
        row.power_off.map(vm(Action::PowerOff)),
        row.delete_vm.map(vm(Action::DeleteVm)),
        row.lock.map(vm(Action::Lock)),
        row.unlock.map(vm(Action::Unlock)),
        row.allow_sharing.map(vm(Action::AllowSharing)),
        row.prohibit_sharing.map(vm(Action::ProhibitSharing)),
        row.user_unlock.map(Action::UserUnlock),
        row.enable_peripheral.map(Action::EnablePeripheral),
        row.disable_peripheral.map(Action::DisablePeripheral),
        row.update_firmware
            .map(Companion::UpdateFirmware)
            .map(Action::Companion),
        row.deliver_software
            .map(Companion::DeliverSoftware)
            .map(Action::Companion),
        row.install_software
            .map(Companion::InstallSoftware)
            .map(Action::Companion),
        row.remove_package
            .map(Companion::RemovePackage)
            .map(Action::Companion),
        row.activate_software
            .map(Companion::ActivateSoftware)
            .map(Action::Companion),
        row.deactivate_software
            .map(Companion::DeactivateSoftware)
            .map(Action::Companion),
        row.remove_software
            .map(Companion::RemoveSoftware)
            .map(Action::Companion),
        row.delete_image.map(|row| Action::DeleteImage(row.node)),
        row.apply_resources.map(Action::ApplyResources),
        row.ask_user.map(Action::AskUser),
        row.get.map(|uri| Action::Raw(Raw::Get(uri))),
        row.exec.map(|uri| Action::Raw(Raw::Exec(uri))),
        row.delete.map(|uri| Action::Raw(Raw::Delete(uri))),
        row.copy.map(|copy| Action::Raw(Raw::Copy(copy))),
        row.add.map(|leaf| Action::Raw(Raw::Add(leaf))),
        row.replace.map(|leaf| Action::Raw(Raw::Replace(leaf))),
        row.atomic.map(|group| Action::Raw(Raw::Atomic(group))),
        row.sequence.map(|group| Action::Raw(Raw::Sequence(group))),
    ]
    .into_iter()
    .flatten()
    .collect();
    match (actions.pop(), actions.len()) {
        (Some(action), 0) => Ok(Step {
            line,
            action,
            expect: row.expect,
            stop: row.stop,
            within: row.within,
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
within = 60
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
                line: 6,
                action: Action::Suspend("entvm".into()),
                expect: Some(405),
                stop: true,
                within: Some(60)
            }
        );
        assert!(matches!(&steps[1].action, Action::CreateVm(vm) if vm.running == Some(true)));
        let get = Raw::Get("./VirMO/entvm/State".into());
        assert_eq!(steps[5].action, Action::Raw(get));
        assert!(matches!(&steps[7].action, Action::AskUser(ask) if ask.kind == Kind::Confirm));
    }

    #[test]
    fn groups_hold_commands_of_every_kind() {
        let steps = parse(
            "[[step]]\natomic = [{ add = { uri = './a', value = '1' } }, { delete = './b' },\n\
             { sequence = [{ copy = { from = './c', to = './d' } }] }]\n",
        )
        .unwrap();
        let Action::Raw(Raw::Atomic(group)) = &steps[0].action else {
            panic!("{steps:?}");
        };
        assert!(
            matches!(&group[..], [Raw::Add(_), Raw::Delete(_), Raw::Sequence(inner)]
            if matches!(&inner[..], [Raw::Copy(copy)] if copy.to == "./d"))
        );
        let error = |text: &str| parse(text).unwrap_err().to_string();
        let two = error("[[step]]\natomic = [{ get = './a', delete = './b' }]\n");
        assert!(two.contains("line 2"), "{two}");
        let unknown = error("[[step]]\nsequence = [{ suspend = 'a' }]\n");
        assert!(
            unknown.contains("line 2") && unknown.contains("suspend"),
            "{unknown}"
        );
    }

    #[test]
    fn a_value_may_be_a_file_beside_the_plan() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.toml");
        std::fs::write(folder.path().join("large"), [0, 255]).unwrap();
        let plan = |name: &str| {
            format!(
                "[[step]]\nsequence = [{{ replace = {{ uri = './a', value_file = '{name}' }} }}]\n"
            )
        };
        std::fs::write(&path, plan("large")).unwrap();
        let steps = read(&path).unwrap();
        let Action::Raw(Raw::Sequence(group)) = &steps[0].action else {
            panic!("{steps:?}");
        };
        assert!(matches!(&group[0], Raw::Replace(leaf) if leaf.content == Some(vec![0, 255])));
        std::fs::write(&path, plan("none")).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.starts_with("line 1: ") && error.contains("none"),
            "{error}"
        );
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
        for (expect, is_status) in [(99, false), (100, true), (599, true), (600, false)] {
            let plan = parse(&format!("\n[[step]]\nget = '.'\nexpect = {expect}\n"));
            let why = format!("line 2: expect = {expect}: a status is from 100 to 599");
            let why = (!is_status).then_some(why);
            assert_eq!(plan.err().map(|error| error.to_string()), why);
        }
        assert_eq!(
            error("\n[[step]]\nget = '.'\nwithin = 0\n"),
            "line 2: within = 0: a step takes a second at least"
        );
        assert!(parse("[[step]]\nget = '.'\nwithin = 1\n").is_ok());
        for (step, wanted) in [
            ("replace = './a'", "expected a table { ... }"),
            ("suspend = 'a'", "expected a table { ... }"),
            ("apply_resources = 'a'", "expected a table { ... }"),
            ("atomic = 'a'", "expected a list [ ... ]"),
            ("get = 1", "expected a text in quotes"),
            ("get = '.'\nstop = 1", "expected true or false"),
            ("get = '.'\nexpect = 'x'", "expected a whole number"),
            (
                "deliver_image = { node = 'a', name = '', uri = '', media_type = '', sha256 = 1 }",
                "expected a digest in quotes, or true",
            ),
            (
                "sequence = [1]",
                "expected a command such as { get = \"./DevInfo\" }",
            ),
        ] {
            let said = error(&format!("[[step]]\n{step}\n"));
            assert!(said.ends_with(wanted), "{step}: {said}");
        }
        let broken = error("[[step]]\nget = \n");
        assert!(broken.contains("line 2"), "{broken}");
    }
}
