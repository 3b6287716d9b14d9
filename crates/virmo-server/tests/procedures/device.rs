//! A device at the level of answers: a few nodes, two ways to report, and faults on request.

use std::{collections::BTreeMap, env};

use omadm_core::{Correlator, Format, GenericAlert, Mark, StatusCode};
use omadm_session::{Answer, Correlators, Procedure, Report, Step, Tagged, Unanswered};
use omadm_syncml::{Command, Item, Meta};
use virmo_params::CreateParams;
use virmo_server::Profile;
use virmo_state::{Primitive, VmState};

/// The variable that says which text the devices of a run of the tests follow.
pub(crate) const VARIABLE: &str = "TEST_PROFILE";

/// The text the devices of this run follow.
pub(crate) fn profile() -> Profile {
    match env::var(VARIABLE).as_deref() {
        Err(_) | Ok("approved") => Profile::Approved,
        Ok("draft") => Profile::Draft,
        Ok(other) => panic!("{VARIABLE} is {other:?}: approved or draft"),
    }
}

/// What is elsewhere below a machine of the draft: the approved place, or that of other operations,
/// and that of the draft.
const MOVED: [(&str, &str); 8] = [
    ("/CreateParams", "/Operations/CreateParams"),
    ("/DMTree", "/Ext/DMTree"),
    ("/Operations/Suspend", "/Ext/Suspend"),
    ("/Operations/Resume", "/Ext/Resume"),
    ("/Resources/CurrentConfig", "/Ext/CurrentConfig"),
    ("/Resources/NewConfig", "/Ext/NewConfig"),
    ("/Operations/AllowSharing", "/Ext/AllowSharing"),
    ("/Operations/ProhibitSharing", "/Ext/ProhibitSharing"),
];

/// A text about approved nodes as it is in the profile of this run.
pub(crate) fn spelled(approved: &str) -> String {
    match profile() {
        Profile::Approved => approved.to_owned(),
        Profile::Draft => MOVED.iter().fold(approved.to_owned(), |text, (from, to)| {
            text.replace(from, to)
        }),
    }
}

/// The approved address of a node, by the one it has in the profile of this run; none where that
/// text has no such node.
fn understood(uri: &str) -> Option<String> {
    if profile() == Profile::Approved || !uri.starts_with("./VirMO/") {
        return Some(uri.to_owned());
    }
    let moved = MOVED.iter().find(|(_, draft)| uri.contains(draft));
    let approved = match moved {
        Some((approved, draft)) => uri.replace(draft, approved),
        None => uri.to_owned(),
    };
    (spelled(&approved) == uri).then_some(approved)
}

/// How an Exec is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// By its Status.
    Synchronous,
    /// 202, and an alert in the next session.
    Alerting,
    /// 202, and the Source of the alert has to do: it repeats no Correlator.
    Uncorrelated,
    /// 202, and never a word: the state has to be read.
    Silent,
}

impl Style {
    pub(crate) const ALL: [Self; 4] = [
        Self::Synchronous,
        Self::Alerting,
        Self::Uncorrelated,
        Self::Silent,
    ];
}

/// What goes wrong with a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It is refused.
    Status(u16),
    /// The session is lost before it reaches the device.
    LostBefore,
    /// The session is lost after it was executed.
    LostAfter,
    /// It is left without a Status.
    Forgotten,
    /// It never fits a message.
    TooLarge,
}

/// How the next Exec goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Success,
    /// It fails with this code; a download ends in State 3.
    Failure(u16),
    /// It fails with this result code of a companion object.
    Result(u16),
}

#[derive(Debug)]
pub(crate) struct Device {
    /// Leaves with their values, interior nodes with none.
    nodes: BTreeMap<String, Option<String>>,
    pub(crate) style: Style,
    pub(crate) outcome: Outcome,
    /// With what every Exec is refused, without any effect.
    pub(crate) refusal: Option<u16>,
    /// Whether an Add of a machine or image makes the required leaves below it.
    pub(crate) auto_create: bool,
    /// Whether Add of a leaf that is there is an error even while it has no value.
    pub(crate) strict_add: bool,
    /// How many sessions what was accepted takes.
    pub(crate) delay: u32,
    /// Whether an applied NewConfig stays, empty.
    pub(crate) keep_new_config: bool,
    /// What the users of machines answer.
    answer: String,
    /// By image, where it came from.
    origins: BTreeMap<String, String>,
    faults: Vec<(usize, Fault)>,
    /// After how many commands the server is gone.
    lost_after: Option<usize>,
    /// What changes by itself after this session.
    later: Option<(String, String, u32)>,
    /// What was accepted and is done between two sessions.
    open: Vec<(String, Option<String>)>,
    alerts: Vec<GenericAlert>,
    /// Every command that came, as `name uri`.
    pub(crate) log: Vec<String>,
    /// How many commands came before each of the messages.
    pub(crate) messages: Vec<usize>,
    pub(crate) sessions: u32,
    /// How many operations were executed, well or not.
    pub(crate) executed: u32,
    correlators: Correlators,
}

impl Device {
    pub(crate) fn new(style: Style) -> Self {
        let mut device = Self {
            nodes: BTreeMap::new(),
            style,
            outcome: Outcome::Success,
            refusal: None,
            auto_create: true,
            strict_add: false,
            delay: 0,
            keep_new_config: false,
            answer: String::new(),
            origins: BTreeMap::new(),
            faults: Vec::new(),
            later: None,
            lost_after: None,
            open: Vec::new(),
            alerts: Vec::new(),
            log: Vec::new(),
            messages: Vec::new(),
            sessions: 0,
            executed: 0,
            correlators: Correlators::new("t"),
        };
        for node in ["./VirMO", "./VMImgMO"] {
            device.nodes.insert(node.to_owned(), None);
        }
        if profile() == Profile::Approved {
            device.set(
                "./VirMO/DeviceResources",
                "RAM=4294967296&Storage=34359738368",
            );
            let operations = "./VirMO/Operations".to_owned();
            device.nodes.insert(operations, None);
            device.set("./VirMO/Operations/ApplyChanges", "");
        }
        device
    }

    /// The DownloadURI of the file an image is.
    pub(crate) fn origin(&self, image: &str) -> Option<&str> {
        self.origins.get(image).map(String::as_str)
    }

    /// With a downloaded image.
    pub(crate) fn with_image(mut self, name: &str) -> Self {
        let base = format!("./VMImgMO/{name}");
        self.make(&base);
        self.set(&format!("{base}/State"), "2");
        self.set(&format!("{base}/DownloadedLocation"), "/images/1");
        self
    }

    /// With a machine in this state.
    pub(crate) fn with_vm(mut self, name: &str, state: VmState) -> Self {
        let base = format!("./VirMO/{name}");
        self.make(&base);
        self.set(&format!("{base}/State"), &state.value().to_string());
        self
    }

    /// With a running machine whose user answers with this Status, or nothing for a text.
    pub(crate) fn with_user(self, name: &str, answer: &str) -> Self {
        let mut device = self.with_vm(name, VmState::Running);
        device.set(&format!("./VirMO/{name}/UI/Command"), "");
        device.set(&format!("./VirMO/{name}/UI/Result"), "");
        device.answer = answer.to_owned();
        device
    }

    /// With a running machine that is locked.
    pub(crate) fn with_locked_vm(self, name: &str) -> Self {
        let mut device = self.with_vm(name, VmState::Running);
        device.make_object(&format!("./VirMO/{name}/DMTree"));
        device.set(&format!("./VirMO/{name}/DMTree/LAWMO/State"), "10");
        device
    }

    /// With a running machine that has the package `old`, installed, and its component `app` in
    /// this State.
    pub(crate) fn with_software(self, name: &str, app: &str) -> Self {
        let mut device = self.with_vm(name, VmState::Running);
        let scomo = format!("./VirMO/{name}/DMTree/SCOMO");
        device.make_object(&format!("./VirMO/{name}/DMTree"));
        device.make_object(&scomo);
        device.make_object(&format!("{scomo}/Inventory/Delivered/old"));
        device.set(&format!("{scomo}/Inventory/Delivered/old/State"), "20");
        device.deploy(&format!("{scomo}/Inventory/Deployed/app"), app);
        device
    }

    fn deploy(&mut self, component: &str, state: &str) {
        self.nodes.insert(component.to_owned(), None);
        self.set(&format!("{component}/State"), state);
        self.set(&format!("{component}/Status"), "10");
        for operation in ["Activate", "Deactivate", "Remove"] {
            self.set(&format!("{component}/Operations/{operation}"), "");
        }
    }

    /// A leaf gets this value by itself, so many sessions later.
    pub(crate) fn settle_later(&mut self, uri: &str, value: &str, sessions: u32) {
        self.later = Some((uri.to_owned(), value.to_owned(), self.sessions + sessions));
    }

    /// The command of this number, counted from 0 over all sessions, goes wrong.
    pub(crate) fn with_fault(mut self, number: usize, fault: Fault) -> Self {
        self.faults.push((number, fault));
        self
    }

    pub(crate) fn value(&self, uri: &str) -> Option<&str> {
        self.nodes.get(uri)?.as_deref()
    }

    /// All there is.
    pub(crate) const fn nodes(&self) -> &BTreeMap<String, Option<String>> {
        &self.nodes
    }

    pub(crate) fn has(&self, uri: &str) -> bool {
        self.nodes.contains_key(uri)
    }

    pub(crate) fn set(&mut self, uri: &str, value: &str) {
        self.nodes.insert(uri.to_owned(), Some(value.to_owned()));
    }

    pub(crate) fn remove(&mut self, uri: &str) {
        self.nodes
            .retain(|node, _| node != uri && !node.starts_with(&format!("{uri}/")));
    }

    pub(crate) fn alert_later(&mut self, alert: GenericAlert) {
        self.alerts.push(alert);
    }

    /// The server forgets everything after it sent so many commands; whether the procedure was over
    /// before.
    pub(crate) fn run_until_lost(
        &mut self,
        procedure: &mut dyn Procedure,
        commands: usize,
    ) -> bool {
        self.lost_after = Some(commands);
        let over = self.session(procedure).is_some();
        self.lost_after = None;
        self.correlators = Correlators::new(format!("after-{commands}"));
        over
    }

    /// Runs a procedure to its end, over as many sessions as it takes.
    pub(crate) fn run(&mut self, procedure: &mut dyn Procedure) -> Report {
        for session in 0..300 {
            self.sessions += 1;
            let due = |later: &mut (String, String, u32)| later.2 < self.sessions;
            if let Some((uri, value, _)) = self.later.take_if(due) {
                self.set(&uri, &value);
            }
            if session > 0 {
                procedure.begin_session();
            }
            for alert in std::mem::take(&mut self.alerts) {
                procedure.alert(&alert);
            }
            if let Some(report) = self.session(procedure) {
                return report;
            }
            if self.delay > 0 && !self.open.is_empty() {
                self.delay -= 1;
                continue;
            }
            for (node, correlator) in std::mem::take(&mut self.open) {
                let code = self.execute(&node);
                self.report(&node, correlator, code);
            }
        }
        panic!("300 sessions are not enough: {:?}", self.log);
    }

    fn session(&mut self, procedure: &mut dyn Procedure) -> Option<Report> {
        loop {
            let commands = match procedure.poll(&mut self.correlators) {
                Step::Done(report) => return Some(report),
                Step::Wait => return None,
                Step::Send(commands) => commands,
            };
            assert!(!commands.is_empty());
            self.messages.push(self.log.len());
            let mut lost = false;
            for Tagged { tag, command } in commands {
                if self.lost_after == Some(self.log.len()) {
                    return None;
                }
                if lost {
                    procedure.answer(Answer::not_answered(tag, Unanswered::SessionLost));
                    continue;
                }
                let number = self.log.len();
                let fault = self.faults.iter().find(|(at, _)| *at == number);
                let refusal = self.refusal.filter(|_| command.name() == "Exec");
                let fault = fault.map(|(_, fault)| *fault);
                let fault = fault.or(refusal.map(Fault::Status));
                let uri = understood(target(&command));
                // No node has an address like this.
                let uri = uri.unwrap_or_else(|| format!("./not{}", target(&command)));
                self.log.push(format!("{} {uri}", command.name()));
                match fault {
                    Some(Fault::Status(code)) => {
                        procedure.answer(Answer::status(tag, code.into()));
                    }
                    Some(Fault::LostBefore | Fault::LostAfter) => {
                        if fault == Some(Fault::LostAfter) {
                            self.command(&command, &uri);
                        }
                        procedure.answer(Answer::not_answered(tag, Unanswered::SessionLost));
                        lost = true;
                    }
                    Some(Fault::Forgotten) => {
                        procedure.answer(Answer::not_answered(tag, Unanswered::NoStatus));
                    }
                    Some(Fault::TooLarge) => {
                        procedure.answer(Answer::not_answered(tag, Unanswered::TooLarge));
                    }
                    None => {
                        let (code, items) = self.command(&command, &uri);
                        match (code.is_success(), items.is_empty()) {
                            (false, false) => {
                                procedure.answer(Answer::status_with(tag, code, items));
                            }
                            (_, is_empty) => {
                                procedure.answer(Answer::status(tag, code));
                                if !is_empty {
                                    procedure.answer(Answer::results(tag, items));
                                }
                            }
                        }
                    }
                }
            }
            if lost {
                return None;
            }
        }
    }

    fn command(&mut self, command: &Command<'_>, uri: &str) -> (StatusCode, Vec<Item<'static>>) {
        let data = || {
            let item = command.items().first();
            let data = item.and_then(|item| item.data.as_ref());
            data.and_then(|data| data.as_text()).unwrap_or_default()
        };
        let parent = uri.rsplit_once('/').map_or("", |(parent, _)| parent);
        let code = match command {
            Command::Get(_) => return self.get(uri),
            Command::Add(_) if !self.has(parent) => StatusCode::NOT_FOUND,
            Command::Add(_) if uri.ends_with("/DMTree/LAWMO") => StatusCode::COMMAND_NOT_ALLOWED,
            Command::Add(_) if uri.ends_with("/robot") => {
                StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED
            }
            Command::Add(_)
                if self.has(uri) && (self.strict_add || self.value(uri) != Some("")) =>
            {
                StatusCode::ALREADY_EXISTS
            }
            Command::Add(add) if add.items[0].meta.format() == Ok(Format::Node) => {
                self.make(uri);
                StatusCode::OK
            }
            Command::Add(_) => {
                self.set(uri, data());
                StatusCode::OK
            }
            Command::Replace(_) if !self.has(uri) => StatusCode::NOT_FOUND,
            Command::Replace(_) => {
                if let Some(vm) = uri.strip_suffix("/UI/Command") {
                    self.set(&format!("{vm}/UI/Result"), "");
                }
                self.set(uri, data());
                StatusCode::OK
            }
            Command::Delete(_) if !self.has(uri) => StatusCode::NOT_FOUND,
            Command::Delete(_) if uri.contains("/SCOMO/") => {
                self.remove(uri);
                StatusCode::OK
            }
            Command::Delete(_) if self.value(&format!("{uri}/State")).unwrap_or("0") != "0" => {
                StatusCode::COMMAND_NOT_ALLOWED
            }
            Command::Delete(_) => {
                self.remove(uri);
                StatusCode::OK
            }
            Command::Exec(exec) => {
                let correlator = exec.correlator.as_deref().map(str::to_owned);
                let code = self.exec(uri, correlator);
                return match self.outcome {
                    Outcome::Result(result) if code != StatusCode::ACCEPTED => {
                        (code, vec![Item::new().with_data(result.to_string())])
                    }
                    _ => (code, Vec::new()),
                };
            }
            other => panic!("{other:?}"),
        };
        (code, Vec::new())
    }

    fn get(&self, uri: &str) -> (StatusCode, Vec<Item<'static>>) {
        let Some(node) = self.nodes.get(uri) else {
            return (StatusCode::NOT_FOUND, Vec::new());
        };
        let item = Item::new().with_source(spelled(uri));
        let item = match node {
            Some(value) => item.with_data(value.clone()),
            None => {
                let below = format!("{uri}/");
                let names = self
                    .nodes
                    .keys()
                    .filter_map(|node| node.strip_prefix(&below));
                let names: Vec<&str> = names.filter(|name| !name.contains('/')).collect();
                item.with_meta(Meta::new().with_format(Format::Node))
                    .with_data(names.join("/"))
            }
        };
        (StatusCode::OK, vec![item])
    }

    /// Adds a node below the DMTree of a machine.
    fn make_object(&mut self, base: &str) {
        let (vm, object) = base.split_once("/DMTree").unwrap();
        self.nodes.insert(base.to_owned(), None);
        let leaves: &[(&str, &str)] = match object {
            "" => &[
                ("LAWMO/State", "30"),
                ("LAWMO/Operations/FullyLock", ""),
                ("LAWMO/Operations/UnLock", ""),
            ],
            "/DCMO/camera" => &[
                ("DCMO/camera/Enabled", "true"),
                ("DCMO/camera/Operations/Enable", ""),
                ("DCMO/camera/Operations/Disable", ""),
            ],
            "/FUMO" => &[
                ("FUMO/State", "10"),
                ("FUMO/DownloadAndUpdate", ""),
                ("FUMO/DownloadAndUpdate/PkgURL", ""),
            ],
            "/SCOMO" => &[],
            object if object.starts_with("/SCOMO/Download/") => &[
                ("PkgID", ""),
                ("PkgURL", ""),
                ("Status", "10"),
                ("Operations/Download", ""),
                ("Operations/DownloadInstall", ""),
                ("Operations/DownloadInstallInactive", ""),
            ],
            object if object.starts_with("/SCOMO/Inventory/Delivered/") => &[
                ("PkgID", ""),
                ("Status", "10"),
                ("State", "10"),
                ("Operations/Install", ""),
                ("Operations/InstallInactive", ""),
                ("Operations/Remove", ""),
            ],
            _ => &[],
        };
        if object == "/SCOMO" {
            for node in [
                "Download",
                "Inventory",
                "Inventory/Delivered",
                "Inventory/Deployed",
            ] {
                self.nodes.insert(format!("{base}/{node}"), None);
            }
        }
        for (leaf, value) in leaves {
            match object.starts_with("/SCOMO/") {
                true => self.set(&format!("{base}/{leaf}"), value),
                false => self.set(&format!("{vm}/DMTree/{leaf}"), value),
            }
        }
        if object.is_empty() {
            self.nodes.insert(format!("{base}/LAWMO"), None);
        }
    }

    /// Adds a machine or an image.
    fn make(&mut self, base: &str) {
        if base.contains("/DMTree") {
            return self.make_object(base);
        }
        self.nodes.insert(base.to_owned(), None);
        self.nodes.insert(format!("{base}/Operations"), None);
        let owned: &[(&str, &str)] = if base.starts_with("./VirMO/") {
            self.nodes.insert(format!("{base}/Resources"), None);
            if profile() == Profile::Draft {
                self.set(&format!("{base}/Ext/Locked"), "false");
                self.set(&format!("{base}/Ext/Sharing"), "true");
            }
            &[
                ("VMID", "vm-1"),
                ("State", "0"),
                ("Resources/CurrentConfig", "RAM=0&Storage=0&CPU=0&Network=0"),
            ]
        } else {
            self.nodes.insert(format!("{base}/Ext"), None);
            &[("ImgID", "img-1"), ("State", "0")]
        };
        for (name, value) in owned {
            self.set(&format!("{base}/{name}"), value);
        }
        if self.auto_create {
            let set = if base.starts_with("./VirMO/") {
                ["CreateParams", "Description"].as_slice()
            } else {
                ["Name", "DownloadURI", "MediaType"].as_slice()
            };
            for name in set {
                self.set(&format!("{base}/{name}"), "");
            }
        }
    }

    fn exec(&mut self, uri: &str, correlator: Option<String>) -> StatusCode {
        if let Some(code) = self.refusal(uri) {
            return code;
        }
        if self.style == Style::Synchronous {
            let code = self.execute(uri);
            // The Image Ready Alert comes all the same.
            if uri.ends_with("/Operations/Download") {
                self.report(uri, correlator, code);
            }
            return code;
        }
        if let Some(image) = uri.strip_suffix("/Operations/Download") {
            self.set(&format!("{image}/State"), "1");
        }
        self.open.push((uri.to_owned(), correlator));
        StatusCode::ACCEPTED
    }

    /// Why an Exec is not even begun.
    fn refusal(&self, uri: &str) -> Option<StatusCode> {
        if self.open.iter().any(|(node, _)| node == uri) {
            return Some(StatusCode::COMMAND_NOT_ALLOWED);
        }
        if uri == "./VirMO/Operations/ApplyChanges" {
            return None;
        }
        if uri.contains("/DMTree/") {
            return (!self.has(uri)).then_some(StatusCode::NOT_FOUND);
        }
        let (base, _) = uri.split_once("/Operations/").unwrap();
        if !self.has(base) {
            return Some(StatusCode::NOT_FOUND);
        }
        let state = self.value(&format!("{base}/State")).unwrap();
        let allowed = match primitive(uri) {
            Some(primitive) => {
                let state = VmState::from_value(state.parse().unwrap()).unwrap();
                state.after(primitive).is_ok()
            }
            None if uri.ends_with("/ExecUICmd") => state == "2",
            None if uri.ends_with("/Download") && state == "2" => {
                let origin = self.value(&format!("{base}/DownloadURI"));
                self.origins.get(base).map(String::as_str) != origin
            }
            None if uri.ends_with("/Download") => state == "0" || state == "3",
            None if uri.starts_with("./VirMO/") && !uri.ends_with("/Delete") => state != "0",
            None => true,
        };
        (!allowed).then_some(StatusCode::COMMAND_NOT_ALLOWED)
    }

    fn execute(&mut self, uri: &str) -> StatusCode {
        self.executed += 1;
        if let Outcome::Failure(code) = self.outcome {
            if let Some(image) = uri.strip_suffix("/Operations/Download") {
                self.set(&format!("{image}/State"), "3");
            }
            return code.into();
        }
        if let Outcome::Result(_) = self.outcome {
            return StatusCode::COMMAND_FAILED;
        }
        if uri == "./VirMO/Operations/ApplyChanges" {
            let new: Vec<String> = self
                .nodes
                .keys()
                .filter(|node| node.ends_with("/NewConfig"))
                .cloned()
                .collect();
            for node in new {
                let value = self.value(&node).unwrap().to_owned();
                self.remove(&node);
                if self.keep_new_config {
                    self.set(&node, "");
                }
                self.set(&node.replace("NewConfig", "CurrentConfig"), &value);
            }
            return StatusCode::OK;
        }
        if let Some((scomo, operation)) = uri.split_once("/SCOMO/") {
            let scomo = format!("{scomo}/SCOMO");
            let names: Vec<&str> = operation.split('/').collect();
            let (item, operation) = match names[..] {
                ["Download", item, _, operation] => (item, operation),
                ["Inventory", _, item, _, operation] => (item, operation),
                _ => panic!("{uri}"),
            };
            let delivered = format!("{scomo}/Inventory/Delivered/{item}");
            let deployed = format!("{scomo}/Inventory/Deployed/{item}");
            match operation {
                "Activate" => self.set(&format!("{deployed}/State"), "20"),
                "Deactivate" => self.set(&format!("{deployed}/State"), "10"),
                "Remove" if names[1] == "Deployed" => self.remove(&deployed),
                "Remove" => self.remove(&delivered),
                _ => {
                    if names[0] == "Download" {
                        let id = self.value(&format!("{scomo}/Download/{item}/PkgID"));
                        let id = id.unwrap_or_default().to_owned();
                        self.make_object(&delivered);
                        self.set(&format!("{delivered}/PkgID"), &id);
                    }
                    if operation.contains("Install") {
                        self.set(&format!("{delivered}/State"), "20");
                        let inactive = operation.ends_with("Inactive");
                        self.deploy(&deployed, if inactive { "10" } else { "20" });
                    }
                }
            }
            return StatusCode::OK;
        }
        if let Some((object, operation)) = uri.split_once("/DMTree/") {
            let (leaf, value) = match operation.rsplit('/').next().unwrap() {
                "FullyLock" => ("LAWMO/State", "10"),
                "UnLock" => ("LAWMO/State", "30"),
                "Enable" => ("DCMO/camera/Enabled", "true"),
                "Disable" => ("DCMO/camera/Enabled", "false"),
                "DownloadAndUpdate" => ("FUMO/State", "100"),
                other => panic!("{other}"),
            };
            self.set(&format!("{object}/DMTree/{leaf}"), value);
            return StatusCode::OK;
        }
        let (base, operation) = uri.split_once("/Operations/").unwrap();
        match (primitive(uri), operation) {
            (Some(Primitive::Delete), _) => self.remove(base),
            (None, "Delete") => self.remove(base),
            (None, "Lock") => self.set(&format!("{base}/Ext/Locked"), "true"),
            (None, "Unlock") => self.set(&format!("{base}/Ext/Locked"), "false"),
            (None, "ProhibitSharing") => self.set(&format!("{base}/Ext/Sharing"), "false"),
            (None, "AllowSharing") => self.set(&format!("{base}/Ext/Sharing"), "true"),
            (None, "ExecUICmd") => {
                let answer = self.answer.clone();
                self.set(&format!("{base}/UI/Result"), &answer);
            }
            (None, "Download") => {
                self.set(&format!("{base}/State"), "2");
                self.set(&format!("{base}/DownloadedLocation"), "/images/1");
                let origin = self.value(&format!("{base}/DownloadURI")).unwrap();
                self.origins.insert(base.to_owned(), origin.to_owned());
            }
            (Some(primitive), _) => {
                let params = self.value(&format!("{base}/CreateParams"));
                let params = params.and_then(|text| text.parse::<CreateParams>().ok());
                let state = self.value(&format!("{base}/State")).unwrap();
                let state = VmState::from_value(state.parse().unwrap()).unwrap();
                let primitive = match (primitive, params) {
                    (Primitive::Create, None) => return StatusCode::COMMAND_FAILED,
                    (Primitive::Create, Some(params)) if !params.running => {
                        Primitive::CreateAndPoweroff
                    }
                    (primitive, _) => primitive,
                };
                let state = state.after(primitive).unwrap().value();
                self.set(&format!("{base}/State"), &state.to_string());
                let new = format!("{base}/Resources/NewConfig");
                if let Some(config) = self.value(&new).map(str::to_owned) {
                    self.remove(&new);
                    self.set(&format!("{base}/Resources/CurrentConfig"), &config);
                }
            }
            (None, other) => panic!("{other}"),
        }
        StatusCode::OK
    }

    /// Queues the alert that ends an Exec; a failed download has none.
    fn report(&mut self, uri: &str, correlator: Option<String>, code: StatusCode) {
        let download = uri.ends_with("/Operations/Download");
        if self.style == Style::Silent || (download && !code.is_success()) {
            return;
        }
        let mut alert = if download {
            GenericAlert::new("urn:oma:at:oma-virmo:imageready:1.0", Format::Xml)
        } else {
            let mut alert = GenericAlert::new("com.example.virmo.result", Format::Int);
            alert.data = match self.outcome {
                Outcome::Result(result) => format!("<ResultCode>{result}</ResultCode>"),
                _ => code.to_string(),
            };
            alert
        };
        alert.mark = Some(if code.is_success() {
            Mark::Informational
        } else {
            Mark::Critical
        });
        alert.source = Some(spelled(uri));
        alert.correlator = correlator
            .filter(|_| self.style != Style::Uncorrelated)
            .map(Correlator::new);
        self.alerts.push(alert);
    }
}

fn primitive(uri: &str) -> Option<Primitive> {
    if !uri.starts_with("./VirMO/") {
        return None;
    }
    match uri.rsplit('/').next()? {
        "Create" => Some(Primitive::Create),
        "Suspend" => Some(Primitive::Suspend),
        "Resume" => Some(Primitive::Resume),
        "PowerOn" => Some(Primitive::PowerOn),
        "PowerOff" => Some(Primitive::PowerOff),
        "Delete" => Some(Primitive::Delete),
        _ => None,
    }
}

fn target<'c>(command: &'c Command<'_>) -> &'c str {
    let item = command.items().first().unwrap();
    &item.target.as_ref().unwrap().uri
}
