//! The procedures against a device that reports in every style and fails at every step.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod again;
mod device;
mod objects;
mod people;
mod resources;
mod snapshot;

use std::{env, process::Command};

use omadm_core::{Format, GenericAlert, Interaction, StatusCode, UserAnswer, UserInteraction};
use omadm_session::Procedure;
use omadm_tree::Uri;
use virmo_params::{Bytes, DeviceResources, Percent, ResourceConfig};
use virmo_server::{
    AllowUserUnlock, ApplyResources, AskVmUser, ComponentState, CreateVm, DeliverImage, FumoState,
    LockState, Manage, ManageSoftware, Mounts, Operate, PackageState, Place, Policy, Profile,
    ResultCode, SoftwarePackage, TakeSnapshot,
};
use virmo_state::{AccessOperation, ImageState, VmState};

use device::{Device, Fault, Outcome, Style, VARIABLE, profile, spelled};

fn mounts() -> Mounts {
    Mounts::default().with_profile(profile())
}

fn vm(name: &str) -> Uri {
    mounts().vm(name).unwrap()
}

/// Where the companion objects of a machine are.
fn place(name: &str) -> Place {
    match profile() {
        Profile::Approved => Place::Vm(vm(name)),
        Profile::Draft => Place::DraftVm(vm(name)),
    }
}

fn image(name: &str) -> Uri {
    Mounts::default().image(name).unwrap()
}

fn config(ram: u32) -> ResourceConfig {
    let share = Percent::new(20).unwrap();
    ResourceConfig::new(Bytes::mib(ram), Bytes::gib(1), share, share)
}

fn deliver() -> DeliverImage {
    let uri = "https://images.example/a.img";
    DeliverImage::new(image("a"), "android", uri, "application/octet-stream")
        .with_description("An image")
}

fn create() -> CreateVm {
    CreateVm::new(vm("v"), image("a"))
        .in_profile(profile())
        .with_description("A machine")
        .with_resources(config(512))
}

fn apply() -> ApplyResources {
    let configs = [("v", config(512)), ("w", config(256))];
    ApplyResources::new(&Mounts::default(), configs).unwrap()
}

/// A procedure, and a device it succeeds on.
type Case = (
    &'static str,
    fn(Policy) -> Box<dyn Procedure>,
    fn(Style) -> Device,
);

/// A yes to the question with the first id.
const YES: &str = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Cmd>Alert</Cmd>\
                   <Data>200</Data></Status>";

fn question() -> UserInteraction {
    UserInteraction::new(Interaction::Confirm, "Add it?")
}

fn ask(interaction: Interaction) -> AskVmUser {
    AskVmUser::new(vm("v"), UserInteraction::new(interaction, "Add it?"))
}

fn mail() -> SoftwarePackage {
    SoftwarePackage::at_url("mail", "com.example.mail", "https://apps.example/mail")
        .named("Mail")
        .with_params("quiet")
}

/// Of the draft alone: operations that may be executed twice.
const ACCESS: [Case; 3] = [
    (
        "draft lock",
        |policy| {
            let lock = Operate::access(vm("v"), AccessOperation::Lock);
            Box::new(lock.with_policy(policy))
        },
        |style| Device::new(style).with_vm("v", VmState::Running),
    ),
    (
        "draft unlock",
        |policy| {
            let unlock = Operate::access(vm("v"), AccessOperation::Unlock);
            Box::new(unlock.with_policy(policy))
        },
        |style| {
            let mut device = Device::new(style).with_vm("v", VmState::Running);
            device.set("./VirMO/v/Ext/Locked", "true");
            device
        },
    ),
    (
        "draft prohibit sharing",
        |policy| {
            let prohibit = Operate::access(vm("v"), AccessOperation::ProhibitSharing);
            Box::new(prohibit.with_policy(policy))
        },
        |style| Device::new(style).with_vm("v", VmState::Suspended),
    ),
];

const CASES: [Case; 22] = [
    (
        "ask",
        |policy| Box::new(ask(Interaction::Confirm).with_policy(policy)),
        |style| Device::new(style).with_user("v", YES),
    ),
    (
        "lock",
        |policy| Box::new(Manage::lock(place("v")).with_policy(policy)),
        |style| Device::new(style).with_vm("v", VmState::Running),
    ),
    (
        "unlock",
        |policy| Box::new(Manage::unlock(place("v")).with_policy(policy)),
        |style| Device::new(style).with_locked_vm("v"),
    ),
    (
        "disable",
        |policy| {
            Box::new(
                Manage::disable(place("v"), "camera")
                    .unwrap()
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_vm("v", VmState::Suspended),
    ),
    (
        "update firmware",
        |policy| {
            Box::new(
                Manage::update_firmware(place("v"), "https://fw.example/2").with_policy(policy),
            )
        },
        |style| Device::new(style).with_vm("v", VmState::PoweredOff),
    ),
    (
        "deliver software",
        |policy| {
            Box::new(
                ManageSoftware::deliver(place("v"), mail())
                    .unwrap()
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_vm("v", VmState::Running),
    ),
    (
        "install software",
        |policy| {
            Box::new(
                ManageSoftware::install(place("v"), mail())
                    .unwrap()
                    .inactive()
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_software("v", "20"),
    ),
    (
        "update software",
        |policy| {
            let url = "https://apps.example/old-2";
            let package = SoftwarePackage::at_url("old", "com.example.old-2", url);
            Box::new(
                ManageSoftware::install(place("v"), package)
                    .unwrap()
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_software("v", "20"),
    ),
    (
        "install data",
        |policy| {
            let package = SoftwarePackage::with_data("mail", "com.example.mail", vec![7; 8]);
            Box::new(
                ManageSoftware::install(place("v"), package)
                    .unwrap()
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_vm("v", VmState::Running),
    ),
    (
        "activate software",
        |policy| {
            Box::new(
                ManageSoftware::activate(place("v"), "app")
                    .unwrap()
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_software("v", "10"),
    ),
    (
        "deactivate software",
        |policy| {
            Box::new(
                ManageSoftware::deactivate(place("v"), "app")
                    .unwrap()
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_software("v", "20"),
    ),
    (
        "remove software",
        |policy| {
            Box::new(
                ManageSoftware::remove(place("v"), "app")
                    .unwrap()
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_software("v", "20"),
    ),
    (
        "remove package",
        |policy| {
            Box::new(
                ManageSoftware::remove_package(place("v"), "old")
                    .unwrap()
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_software("v", "20"),
    ),
    (
        "deliver",
        |policy| Box::new(deliver().with_policy(policy)),
        Device::new,
    ),
    (
        "create",
        |policy| Box::new(create().with_policy(policy)),
        |style| Device::new(style).with_image("a"),
    ),
    (
        "suspend",
        |policy| {
            Box::new(
                Operate::suspend(vm("v"))
                    .in_profile(profile())
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_vm("v", VmState::Running),
    ),
    (
        "resume",
        |policy| {
            Box::new(
                Operate::resume(vm("v"))
                    .in_profile(profile())
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_vm("v", VmState::Suspended),
    ),
    (
        "power on",
        |policy| {
            Box::new(
                Operate::power_on(vm("v"))
                    .in_profile(profile())
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_vm("v", VmState::PoweredOff),
    ),
    (
        "power off",
        |policy| {
            Box::new(
                Operate::power_off(vm("v"))
                    .in_profile(profile())
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_vm("v", VmState::Running),
    ),
    (
        "delete",
        |policy| {
            Box::new(
                Operate::delete(vm("v"))
                    .in_profile(profile())
                    .with_policy(policy),
            )
        },
        |style| Device::new(style).with_vm("v", VmState::Suspended),
    ),
    (
        "delete image",
        |policy| Box::new(Operate::delete_image(image("a")).with_policy(policy)),
        |style| Device::new(style).with_image("a"),
    ),
    (
        "apply",
        |policy| Box::new(apply().with_policy(policy)),
        |style| {
            let device = Device::new(style).with_vm("v", VmState::Running);
            device.with_vm("w", VmState::PoweredOff)
        },
    ),
];

/// Those there are in the profile of this run.
fn cases() -> impl Iterator<Item = Case> {
    let draft = profile() == Profile::Draft;
    let approved_only = |name: &str| ["ask", "apply"].contains(&name);
    let both = CASES
        .into_iter()
        .filter(move |(name, ..)| !draft || !approved_only(name));
    both.chain(ACCESS.into_iter().filter(move |_| draft))
}

/// What may fail without the procedure failing: values that are read for information only.
const INFORMATION: [&str; 5] = [
    "Get ./VirMO/v/DMTree/SCOMO/Inventory/Deployed",
    "Get ./VMImgMO/a/DownloadedLocation",
    "Get ./VirMO/v/Resources/CurrentConfig",
    "Get ./VirMO/v/VMID",
    "Get ./VMImgMO/a/ImgID",
];

/// What the draft has no node for: resources of several machines and the users of machines, also in
/// a snapshot.
const APPROVED_ONLY: [&str; 14] = [
    "a_failure_takes_back_what_an_earlier_run_wrote",
    "resources_are_applied_all_together",
    "resources_of_a_machine_that_is_not_there_are_not_applied",
    "an_empty_new_config_says_that_it_was_applied",
    "resources_that_were_not_taken_over_are_a_failure",
    "resources_that_are_refused_are_taken_back",
    "only_what_is_still_there_is_taken_back",
    "a_snapshot_shows_everything",
    "a_snapshot_shows_what_is_below_dm_tree_and_what_the_user_said",
    "every_answer_of_a_user_is_read",
    "what_cannot_be_read_or_written_is_named",
    "an_unknown_machine_is_not_asked",
    "a_user_who_takes_long_is_waited_for",
    "all_of_this_in_the_draft_too",
];

/// Runs the tests once more, with devices of the draft.
#[test]
fn all_of_this_in_the_draft_too() {
    let program = env::current_exe().unwrap();
    let skips = APPROVED_ONLY.iter().flat_map(|name| ["--skip", name]);
    let mut run = Command::new(program);
    let run = run.env(VARIABLE, "draft").args(skips).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let complaint = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "in the draft:\n{said}\n{complaint}");
    let ok = said.lines().filter(|line| line.ends_with("... ok"));
    assert!(ok.count() > 30, "hardly anything was run:\n{said}");
}

#[test]
fn every_procedure_succeeds_in_every_style() {
    for (name, procedure, device) in cases() {
        for style in Style::ALL {
            let mut device = device(style);
            let report = device.run(&mut *procedure(Policy::default()));
            assert!(report.ok, "{name} {style:?}: {report:?}");
            assert_eq!(report.status, Some(StatusCode::OK), "{name} {style:?}");
            assert_eq!(report.detail, None);
            let sessions = if style == Style::Synchronous { 1 } else { 2 };
            assert_eq!(device.sessions, sessions, "{name} {style:?}");
        }
    }
}

/// Each command of each procedure refused, in turn: the report names it.
#[test]
fn every_failing_step_is_reported() {
    for (name, procedure, device) in cases() {
        let mut whole = device(Style::Synchronous);
        whole.run(&mut *procedure(Policy::default()));
        for (number, command) in whole.log.iter().enumerate() {
            for fault in [Fault::Status(500), Fault::Forgotten, Fault::TooLarge] {
                let mut device = device(Style::Synchronous).with_fault(number, fault);
                let report = device.run(&mut *procedure(Policy::default()));
                let case = format!("{name}, {command} {fault:?}: {report:?}");
                let for_information = INFORMATION.contains(&command.as_str())
                    && name != "apply"
                    && !(name == "create" && command.ends_with("ImgID"));
                if for_information {
                    assert!(report.ok, "{case}");
                    continue;
                }
                assert!(!report.ok, "{case}");
                let after_exec = whole.log[..number].iter().any(|it| it.starts_with("Exec"));
                let status = match fault {
                    _ if after_exec => Some(StatusCode::OK),
                    Fault::Status(code) => Some(code.into()),
                    _ => None,
                };
                assert_eq!(report.status, status, "{case}");
                let why = match fault {
                    Fault::Status(_) => "500 Command failed",
                    Fault::TooLarge => "too large",
                    _ => "no status",
                };
                let detail = report.detail.clone().unwrap_or_default();
                if name == "apply" && after_exec {
                    assert!(detail.ends_with("CurrentConfig is not readable"), "{case}");
                } else {
                    assert_eq!(detail, spelled(&format!("{command}: {why}")), "{case}");
                }
                // Nothing is executed once a step before failed.
                let executed = device.log.iter().any(|command| command.starts_with("Exec"));
                let due = whole.log[..=number].iter().any(|it| it.starts_with("Exec"));
                assert_eq!(executed, due, "{case}");
            }
        }
    }
}

/// What takes longer than a session is waited for.
#[test]
fn every_procedure_waits_for_what_takes_its_time() {
    for (name, procedure, device) in cases() {
        for style in [Style::Alerting, Style::Silent] {
            let mut device = device(style);
            device.delay = 5;
            let report = device.run(&mut *procedure(Policy::default()));
            assert!(report.ok, "{name} {style:?}: {report:?}");
            assert_eq!(device.sessions, 7, "{name} {style:?}");
        }
    }
}

/// VR-174, VR-179, VR-180, VR-154, VR-165: Add, then the parameters, then the Exec.
#[test]
fn an_image_is_delivered_step_by_step() {
    let mut device = Device::new(Style::Alerting);
    let mut deliver = deliver();
    let report = device.run(&mut deliver);
    assert!(report.ok, "{report:?}");
    assert_eq!(
        device.log,
        [
            "Get ./VMImgMO/a/State",
            "Add ./VMImgMO/a",
            "Replace ./VMImgMO/a/Name",
            "Replace ./VMImgMO/a/DownloadURI",
            "Replace ./VMImgMO/a/MediaType",
            "Add ./VMImgMO/a/Description",
            "Exec ./VMImgMO/a/Operations/Download",
            "Get ./VMImgMO/a/ImgID",
            "Get ./VMImgMO/a/State",
            "Get ./VMImgMO/a/DownloadedLocation",
        ]
    );
    for (node, value) in [
        ("Name", "android"),
        ("DownloadURI", "https://images.example/a.img"),
        ("MediaType", "application/octet-stream"),
        ("Description", "An image"),
    ] {
        assert_eq!(device.value(&format!("./VMImgMO/a/{node}")), Some(value));
    }
    let image = deliver.outcome().unwrap();
    assert_eq!(image.id.as_ref().unwrap().as_str(), "img-1");
    assert_eq!(image.state, Some(ImageState::Downloaded));
    assert_eq!(image.location.as_deref(), Some("/images/1"));
}

/// A digest is written before the Exec; where there is no place for it, nothing is fetched.
#[test]
fn an_image_is_delivered_only_with_its_digest() {
    let mut deliver = deliver().with_digest([0xa5; 32]);
    let mut device = Device::new(Style::Alerting);
    let report = device.run(&mut deliver);
    assert!(report.ok, "{report:?}");
    let leaf = "./VMImgMO/a/Ext/SHA256";
    assert_eq!(device.value(leaf), Some("a5".repeat(32).as_str()));
    let place = |line: &str| device.log.iter().position(|it| it == line);
    let written = place(&format!("Add {leaf}"));
    assert!(written.is_some() && written < place("Exec ./VMImgMO/a/Operations/Download"));

    let mut deliver = self::deliver().with_digest([0xa5; 32]);
    let mut device = Device::new(Style::Alerting).with_fault(6, Fault::Status(404));
    let report = device.run(&mut deliver);
    assert_eq!(
        (report.ok, report.status),
        (false, Some(StatusCode::NOT_FOUND))
    );
    assert!(!device.log.iter().any(|line| line.starts_with("Exec")));
}

/// VR-187, VR-192, VR-193, VR-126: Add, then CreateParams, then the Exec.
#[test]
fn a_machine_is_created_step_by_step() {
    let mut device = Device::new(Style::Synchronous).with_image("a");
    let mut create = create();
    let report = device.run(&mut create);
    assert!(report.ok, "{report:?}");
    assert_eq!(
        device.log,
        [
            "Get ./VirMO/v/State",
            "Get ./VirMO/v/CreateParams",
            "Get ./VMImgMO/a/ImgID",
            "Add ./VirMO/v",
            "Replace ./VirMO/v/CreateParams",
            "Replace ./VirMO/v/Description",
            "Add ./VirMO/v/Resources/NewConfig",
            "Exec ./VirMO/v/Operations/Create",
            "Get ./VirMO/v/VMID",
            "Get ./VirMO/v/State",
            "Get ./VirMO/v/Resources/CurrentConfig",
        ]
    );
    let params = device.value("./VirMO/v/CreateParams");
    assert_eq!(params, Some("ImgID=img-1&Running=true"));
    let vm = create.outcome().unwrap();
    assert_eq!(vm.id.as_ref().unwrap().as_str(), "vm-1");
    assert_eq!(vm.state, Some(VmState::Running));
    assert_eq!(vm.config, Some(config(512)));
}

/// SR-011: the image goes once the machine is there, if the server wants that; not when the machine
/// could not be made.
#[test]
fn the_image_of_a_machine_goes_afterwards_if_asked_for() {
    for style in Style::ALL {
        let mut device = Device::new(style).with_image("a");
        let mut create = CreateVm::new(vm("v"), image("a"))
            .in_profile(profile())
            .without_image(image("a"));
        let report = device.run(&mut create);
        assert!(report.ok, "{style:?}: {report:?}");
        assert_eq!(create.outcome().unwrap().state, Some(VmState::Running));
        assert_eq!(device.value("./VMImgMO/a/ImgID"), None);

        let mut device = Device::new(style).with_image("a");
        device.outcome = Outcome::Failure(500);
        let mut create = CreateVm::new(vm("v"), image("a"))
            .in_profile(profile())
            .without_image(image("a"));
        assert!(!device.run(&mut create).ok);
        assert!(device.value("./VMImgMO/a/ImgID").is_some());
    }
}

/// VR-103: `Running=false` leaves the machine powered off; a known ImgID is not read.
#[test]
fn a_machine_is_created_powered_off_from_a_known_image() {
    let mut device = Device::new(Style::Silent).with_image("a");
    let id: virmo_params::ImageId = "img-1".parse().unwrap();
    let mut create = CreateVm::new(vm("v"), id)
        .in_profile(profile())
        .powered_off();
    assert!(device.run(&mut create).ok);
    assert_eq!(device.log[2], "Add ./VirMO/v");
    let params = device.value("./VirMO/v/CreateParams");
    assert_eq!(params, Some("ImgID=img-1&Running=false"));
    assert_eq!(create.outcome().unwrap().state, Some(VmState::PoweredOff));
}

/// Devices that make no leaves, or that have them already, or take no Add of an empty one.
#[test]
fn values_are_added_or_replaced_whatever_the_device_allows() {
    for (auto_create, strict_add, twice) in [
        (false, false, false),
        (true, true, false),
        (true, true, true),
        (false, true, true),
    ] {
        let mut device = Device::new(Style::Synchronous);
        device.auto_create = auto_create;
        device.strict_add = strict_add;
        if twice {
            device.outcome = Outcome::Failure(500);
            assert!(!device.run(&mut deliver()).ok);
            device.outcome = Outcome::Success;
        }
        let report = device.run(&mut deliver());
        assert!(report.ok, "{auto_create} {strict_add} {twice}: {report:?}");
        if twice {
            device.outcome = Outcome::Failure(500);
            assert!(!device.run(&mut create()).ok);
            device.outcome = Outcome::Success;
        }
        let report = device.run(&mut create());
        assert!(report.ok, "{auto_create} {strict_add} {twice}: {report:?}");
    }
}

/// Where neither Add nor Replace helps, the refusal that tells why is reported.
#[test]
fn the_first_refusal_is_reported_when_the_second_says_nothing() {
    for (first, second, told, verb) in [
        (405, 418, 405, "Replace"),
        (405, 404, 405, "Replace"),
        (404, 425, 425, "Add"),
        (425, 200, 425, "Replace"),
    ] {
        let mut device = Device::new(Style::Synchronous)
            .with_fault(2, Fault::Status(first))
            .with_fault(6, Fault::Status(second));
        let report = device.run(&mut deliver());
        assert_eq!((report.ok, report.status), (false, Some(told.into())));
        let detail = report.detail.unwrap();
        assert!(
            detail.starts_with(&format!("{verb} ./VMImgMO/a/Name")),
            "{detail}"
        );
    }
}

#[test]
fn a_failed_download_is_noticed_in_every_style() {
    for style in Style::ALL {
        let mut device = Device::new(style);
        device.outcome = Outcome::Failure(500);
        let mut deliver = deliver();
        let report = device.run(&mut deliver);
        assert!(!report.ok, "{style:?}");
        let status = if style == Style::Synchronous {
            500
        } else {
            202
        };
        assert_eq!(report.status, Some(status.into()), "{style:?}");
        assert!(device.sessions <= 2, "{style:?}");
    }
}

#[test]
fn a_failed_primitive_is_noticed_in_every_style_but_the_silent_one() {
    for style in [Style::Synchronous, Style::Alerting, Style::Uncorrelated] {
        let mut device = Device::new(style).with_vm("v", VmState::Running);
        device.outcome = Outcome::Failure(420);
        let report = device.run(&mut Operate::suspend(vm("v")).in_profile(profile()));
        assert_eq!(
            (report.ok, report.status),
            (false, Some(420.into())),
            "{style:?}"
        );
        let detail = report.detail.unwrap();
        let told = spelled("Exec ./VirMO/v/Operations/Suspend: 420 Device full");
        assert_eq!(detail, told);
    }
    // The state stays, and says neither that it failed nor that it goes on: what is not refused
    // when it is asked for again did not go on.
    let mut device = Device::new(Style::Silent).with_vm("v", VmState::Running);
    device.outcome = Outcome::Failure(420);
    let report = device.run(&mut Operate::suspend(vm("v")).in_profile(profile()));
    assert_eq!((report.ok, report.status), (false, Some(202.into())));
    assert_eq!((device.executed, device.sessions), (4, 41));
}

/// Every operation in a state it does not apply to is refused by the device with 405.
#[test]
fn an_operation_in_the_wrong_state_reports_405() {
    for (operate, wrong) in [
        (Operate::suspend as fn(Uri) -> Operate, VmState::PoweredOff),
        (Operate::resume, VmState::PoweredOff),
        (Operate::power_on, VmState::Suspended),
        (Operate::power_off, VmState::Suspended),
    ] {
        for style in Style::ALL {
            let mut device = Device::new(style).with_vm("v", wrong);
            let mut operate = operate(vm("v")).in_profile(profile());
            let report = device.run(&mut operate);
            assert_eq!((report.ok, report.status), (false, Some(405.into())));
            let state = wrong.value().to_string();
            assert_eq!(device.value("./VirMO/v/State"), Some(state.as_str()));
        }
    }
}

/// What is so already is refused by the device, and a success: the status says which.
#[test]
fn an_operation_that_was_done_already_succeeds() {
    for (operate, state, code) in [
        (
            Operate::suspend as fn(Uri) -> Operate,
            Some(VmState::Suspended),
            405,
        ),
        (Operate::power_on, Some(VmState::Running), 405),
        (Operate::delete, None, 404),
        (Operate::suspend, None, 404),
    ] {
        let mut device = Device::new(Style::Alerting);
        if let Some(state) = state {
            device = device.with_vm("v", state);
        }
        let report = device.run(&mut operate(vm("v")).in_profile(profile()));
        let gone = state.is_none() && device.log[0].ends_with("Suspend");
        assert_eq!((report.ok, report.status), (!gone, Some(code.into())));
        assert_eq!(device.executed, 0);
    }
}

/// A policy bounds how long an outcome is waited for.
#[test]
fn a_policy_bounds_the_sessions() {
    let mut policy = Policy::default();
    policy.max_sessions = 5;
    let mut device = Device::new(Style::Silent).with_vm("v", VmState::Running);
    device.delay = 20;
    let report = device.run(
        &mut Operate::suspend(vm("v"))
            .in_profile(profile())
            .with_policy(policy),
    );
    assert_eq!((report.ok, report.status), (false, Some(202.into())));
    assert_eq!(device.sessions, 6);
    policy.max_sessions = 50;
    let mut device = Device::new(Style::Silent).with_vm("v", VmState::Running);
    device.delay = 20;
    assert!(
        device
            .run(
                &mut Operate::suspend(vm("v"))
                    .in_profile(profile())
                    .with_policy(policy)
            )
            .ok
    );
}

/// VR-198, VR-197: the Exec on Operations/Delete; afterwards the sub-tree is gone.
#[test]
fn deletion_is_verified() {
    let mut device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
    let mut delete = Operate::delete(vm("v")).in_profile(profile());
    assert!(device.run(&mut delete).ok);
    assert_eq!(delete.state(), Some(VmState::Deleted));
    assert_eq!(
        device.log,
        [
            "Get ./VirMO/v/State",
            "Exec ./VirMO/v/Operations/Delete",
            "Get ./VirMO/v"
        ]
    );
    assert!(!device.has("./VirMO/v"));

    // One that was never created: nothing is there to destroy.
    for style in Style::ALL {
        let mut device = Device::new(style).with_vm("v", VmState::NotCreated);
        let mut delete = Operate::delete(vm("v")).in_profile(profile());
        let report = device.run(&mut delete);
        assert_eq!((report.ok, report.status), (true, Some(StatusCode::OK)));
        assert_eq!(delete.state(), Some(VmState::Deleted));
        assert!(!device.has("./VirMO/v") && device.executed == 0);
    }

    // A device that says 200 and deletes nothing.
    let mut device = Device::new(Style::Synchronous)
        .with_image("a")
        .with_fault(0, Fault::Status(200));
    let report = device.run(&mut Operate::delete_image(image("a")));
    assert_eq!((report.ok, report.status), (false, Some(StatusCode::OK)));
    assert_eq!(report.detail.as_deref(), Some("./VMImgMO/a: still there"));
}

#[test]
fn a_device_that_says_200_without_effect_is_found_out() {
    let mut device = Device::new(Style::Synchronous)
        .with_vm("v", VmState::Running)
        .with_fault(0, Fault::Status(200));
    let mut suspend = Operate::suspend(vm("v")).in_profile(profile());
    let report = device.run(&mut suspend);
    assert_eq!((report.ok, report.status), (false, Some(StatusCode::OK)));
    assert_eq!(report.detail.as_deref(), Some("./VirMO/v: Running"));
    assert_eq!(suspend.state(), Some(VmState::Running));

    let mut device = Device::new(Style::Synchronous).with_fault(6, Fault::Status(200));
    let report = device.run(&mut deliver());
    assert_eq!(
        report.detail.as_deref(),
        Some("./VMImgMO/a: Not Downloaded")
    );
    assert!(!report.ok);
}

#[test]
fn a_machine_that_is_there_is_not_created() {
    for state in [VmState::Running, VmState::Suspended, VmState::PoweredOff] {
        let mut device = Device::new(Style::Synchronous)
            .with_image("a")
            .with_vm("v", state);
        let old = device.nodes().clone();
        let report = device.run(&mut create());
        assert_eq!((report.ok, report.status), (false, Some(405.into())));
        let detail = report.detail.unwrap();
        assert_eq!(detail, format!("./VirMO/v: it exists already: {state}"));
        assert_eq!(*device.nodes(), old);
    }
}

/// Alerts about other nodes, or of other Execs, are none of a procedure's business.
#[test]
fn other_alerts_are_left_alone() {
    let mut device = Device::new(Style::Alerting);
    let mut deliver = deliver();
    let mut other = GenericAlert::new("urn:oma:at:oma-virmo:imageready:1.0", Format::Xml);
    other.source = Some("./VMImgMO/other/Operations/Download".to_owned());
    assert!(!deliver.alert(&other));
    device.alert_later(other.clone());
    assert!(device.run(&mut deliver).ok);
    assert_eq!(device.sessions, 2);
    assert!(!deliver.alert(&other));
}

#[test]
fn an_image_without_an_id_is_no_source() {
    for (id, detail) in [
        ("", "./VMImgMO/a/ImgID: empty"),
        (" x", "./VMImgMO/a/ImgID: \" x\" is not readable"),
    ] {
        let mut device = Device::new(Style::Synchronous).with_image("a");
        device.set("./VMImgMO/a/ImgID", id);
        let report = device.run(&mut create());
        assert!(!report.ok);
        assert_eq!(report.detail.as_deref(), Some(detail));
        assert_eq!(device.log.len(), 3);
    }
    let report = Device::new(Style::Synchronous).run(&mut create());
    assert_eq!(
        (report.ok, report.status),
        (false, Some(StatusCode::NOT_FOUND))
    );
}
