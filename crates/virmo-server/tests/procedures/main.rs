//! The procedures against a device that reports in every style and fails at every step.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod device;

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

/// A session lost at any command, before or after the device executed it, loses nothing, neither
/// when the device is done in the next session nor when it takes longer: the operation is executed
/// once, and its status is that of an operation that succeeded.
#[test]
fn every_procedure_survives_a_lost_session_at_any_command() {
    for (name, procedure, device) in cases() {
        for style in Style::ALL {
            let mut whole = device(style);
            whole.run(&mut *procedure(Policy::default()));
            for number in 0..whole.log.len() {
                for (fault, delay) in [
                    (Fault::LostBefore, 0),
                    (Fault::LostAfter, 0),
                    (Fault::LostAfter, 3),
                    (Fault::LostAfter, 25),
                ] {
                    let mut device = device(style).with_fault(number, fault);
                    device.delay = delay;
                    let report = device.run(&mut *procedure(Policy::default()));
                    let command = &whole.log[number];
                    let case = format!("{name} {style:?}, {command} {fault:?}: {report:?}");
                    assert!(report.ok, "{case}");
                    assert_eq!(report.status, Some(StatusCode::OK), "{case}");
                    assert_eq!(device.executed, 1, "{case}");
                }
            }
        }
    }
}

/// The server loses everything, its procedures too, after any command, answered or not; begun anew
/// each ends as if nothing had happened, and nothing is done twice.
#[test]
fn every_procedure_begun_anew_finds_what_was_done() {
    for (name, procedure, device) in cases() {
        for style in Style::ALL {
            let mut whole = device(style);
            whole.run(&mut *procedure(Policy::default()));
            for commands in 0..=whole.log.len() {
                for delay in [0, 3] {
                    let mut device = device(style);
                    device.delay = delay;
                    device.run_until_lost(&mut *procedure(Policy::default()), commands);
                    let mut policy = Policy::default();
                    policy.resumed = true;
                    let report = device.run(&mut *procedure(policy));
                    let case = format!("{name} {style:?}, {commands}, {delay}: {report:?}");
                    assert!(report.ok, "{case}: {:?}", device.log);
                    assert_eq!(device.nodes(), whole.nodes(), "{case}");
                    // The same question may well be meant, and a lock is one however often.
                    let asked_again = name == "ask" || name.starts_with("draft");
                    assert!(
                        device.executed == 1 || (asked_again && device.executed == 2),
                        "{case}: {:?}",
                        device.log
                    );
                }
            }
        }
    }
}

/// A digest is that of the file it came with: one delivered to the same place without it is not
/// held to the old one.
#[test]
fn a_digest_goes_with_its_file() {
    let at = "./VMImgMO/a/Ext/SHA256";
    let mut device = Device::new(Style::Alerting);
    assert!(device.run(&mut deliver().with_digest([0xAB; 32])).ok);
    assert_eq!(device.value(at), Some(&*"ab".repeat(32)));
    // The same file is there, and stays.
    assert!(device.run(&mut deliver()).ok);
    assert!(device.has(at));
    device.set("./VMImgMO/a/State", "3");
    let other = "https://images.example/b.img";
    let mut other = DeliverImage::new(image("a"), "b", other, "application/octet-stream");
    let report = device.run(&mut other);
    assert!(report.ok, "{report:?}");
    assert!(!device.has(at));
    assert_eq!(device.executed, 2);
}

/// Begun anew, a change of resources takes back what an earlier run of the server wrote.
#[test]
fn a_failure_takes_back_what_an_earlier_run_wrote() {
    let new = "./VirMO/v/Resources/NewConfig";
    for (resumed, left) in [(true, false), (false, true)] {
        let device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
        let mut device = device.with_vm("w", VmState::Running);
        device.set(new, &config(512).to_string());
        device.outcome = Outcome::Failure(420);
        let mut policy = Policy::default();
        policy.resumed = resumed;
        let report = device.run(&mut apply().with_policy(policy));
        assert_eq!(report.status, Some(StatusCode::DEVICE_FULL));
        assert_eq!(device.has(new), left);
    }
}

/// What a package, a component or firmware came to is told by its result code, whichever way the
/// device reports.
#[test]
fn results_of_companion_objects_are_told() {
    for style in [Style::Synchronous, Style::Alerting, Style::Uncorrelated] {
        let mut device = Device::new(style).with_software("v", "20");
        device.outcome = Outcome::Result(1408);
        let mut remove = ManageSoftware::remove(place("v"), "app").unwrap();
        let report = device.run(&mut remove);
        assert_eq!(report.status, Some(StatusCode::COMMAND_FAILED), "{style:?}");
        let detail = report.detail.unwrap();
        assert!(detail.ends_with("result code 1408"), "{detail}");
        assert_eq!(remove.result(), Some(ResultCode::SCOMO_REMOVE_FAILED));
        assert_eq!(remove.components(), None);
    }
}

/// What is so already is not done again; what is not there is not switched.
#[test]
fn software_is_left_alone_where_nothing_is_to_be_done() {
    type Make = fn(Place, &str) -> Result<ManageSoftware, omadm_tree::UriError>;
    let activate: Make = ManageSoftware::activate;
    let deactivate: Make = ManageSoftware::deactivate;
    let remove: Make = ManageSoftware::remove;
    let remove_package: Make = ManageSoftware::remove_package;
    let install: Make = ManageSoftware::install_delivered;
    for (make, name, ok, status) in [
        (activate, "app", true, 200),
        (deactivate, "none", false, 404),
        (remove, "none", true, 404),
        (remove_package, "none", true, 404),
        (install, "old", true, 200),
        (install, "none", false, 404),
    ] {
        let mut device = Device::new(Style::Synchronous).with_software("v", "20");
        let report = device.run(&mut make(place("v"), name).unwrap());
        assert_eq!(
            (report.ok, report.status),
            (ok, Some(status.into())),
            "{name}"
        );
        assert_eq!(device.executed, 0);
        let gone = device.run(&mut make(place("gone"), name).unwrap());
        assert_eq!((gone.ok, gone.status), (false, Some(StatusCode::NOT_FOUND)));
    }
}

/// An installation that failed with its package there is not downloaded again.
#[test]
fn a_delivered_package_is_installed_without_a_download() {
    let mut device = Device::new(Style::Alerting).with_vm("v", VmState::Running);
    let deliver = ManageSoftware::deliver(place("v"), mail()).unwrap();
    assert!(device.run(&mut { deliver }).ok);
    let first = device.log.len();
    let mut install = ManageSoftware::install(place("v"), mail()).unwrap();
    assert!(device.run(&mut install).ok);
    let exec = "Exec ./VirMO/v/DMTree/SCOMO/Inventory/Delivered/mail/Operations/Install";
    assert!(device.log[first..].iter().any(|command| command == exec));
    assert_eq!(install.components(), Some(&["mail".to_owned()][..]));
}

/// An image whose last download failed: that the next one was lost does not mean that it failed.
#[test]
fn a_lost_download_is_not_taken_for_the_failed_one_before_it() {
    for (fault, execs) in [(Fault::LostBefore, 2), (Fault::LostAfter, 1)] {
        let mut device = Device::new(Style::Silent).with_image("a");
        device.set("./VMImgMO/a/State", "3");
        let mut device = device.with_fault(10, fault);
        let report = device.run(&mut deliver());
        assert_eq!((report.ok, report.status), (true, Some(StatusCode::OK)));
        let exec = |command: &&String| command.starts_with("Exec");
        assert_eq!(device.log.iter().filter(exec).count(), execs);
    }
}

/// An image that is to be replaced: that it is still there when the answer of its download was lost
/// does not mean that the other one came.
#[test]
fn a_lost_download_is_not_taken_for_the_image_before_it() {
    for style in Style::ALL {
        let mut whole = Device::new(style).with_image("a");
        assert!(whole.run(&mut deliver()).ok);
        for number in 0..whole.log.len() {
            for (fault, delay) in [
                (Fault::LostBefore, 0),
                (Fault::LostAfter, 0),
                (Fault::LostAfter, 3),
            ] {
                let device = Device::new(style).with_image("a");
                let mut device = device.with_fault(number, fault);
                device.delay = delay;
                let report = device.run(&mut deliver());
                let case = format!("{style:?}, {} {fault:?}", whole.log[number]);
                assert_eq!(report.status, Some(StatusCode::OK), "{case}: {report:?}");
                assert_eq!((report.ok, device.executed), (true, 1), "{case}");
                let origin = device.origin("./VMImgMO/a");
                assert_eq!(origin, Some("https://images.example/a.img"), "{case}");
            }
        }
    }
}

/// The server is gone after any command of a replacement, and begins anew: the image before it is
/// not taken for the one that was asked for, though DownloadURI says so already.
#[test]
fn a_replacement_begun_anew_is_not_taken_for_the_image_before_it() {
    for style in Style::ALL {
        let mut whole = Device::new(style).with_image("a");
        assert!(whole.run(&mut deliver()).ok);
        for commands in 0..=whole.log.len() {
            for (delay, fault) in [
                (0, None),
                (3, None),
                (0, Some(Fault::LostBefore)),
                (0, Some(Fault::LostAfter)),
            ] {
                let numbers = if fault.is_some() { 10 } else { 1 };
                for number in 0..numbers {
                    let mut device = Device::new(style).with_image("a");
                    device.delay = delay;
                    device.run_until_lost(&mut deliver(), commands);
                    if let Some(fault) = fault {
                        let lost = device.log.len() + number;
                        device = device.with_fault(lost, fault);
                    }
                    let mut policy = Policy::default();
                    policy.resumed = true;
                    let mut deliver = deliver().with_policy(policy);
                    let report = device.run(&mut deliver);
                    let case = format!("{style:?} {commands} {delay} {fault:?} {number}");
                    assert_eq!(report.status, Some(StatusCode::OK), "{case}: {report:?}");
                    assert!(report.ok, "{case}: {report:?}");
                    assert_eq!(device.executed, 1, "{case}: {:?}", device.log);
                    let origin = device.origin("./VMImgMO/a");
                    assert_eq!(origin, Some("https://images.example/a.img"), "{case}");
                }
            }
        }
    }
}

/// A device that refuses to replace an image, one of which a machine is being made, has the other
/// one still.
#[test]
fn a_refused_replacement_of_an_image_is_a_failure() {
    let mut whole = Device::new(Style::Synchronous).with_image("a");
    whole.run(&mut deliver());
    let exec = |command: &String| command.starts_with("Exec");
    let exec = whole.log.iter().position(exec).unwrap();
    let device = Device::new(Style::Synchronous).with_image("a");
    let mut device = device.with_fault(exec, Fault::Status(405));
    let report = device.run(&mut deliver());
    assert_eq!(
        (report.ok, report.status),
        (false, Some(StatusCode::COMMAND_NOT_ALLOWED))
    );
}

/// A replacement that failed leaves the DownloadURI of the image that is there, and a later one is
/// made; one without a known end leaves none.
#[test]
fn a_failed_replacement_is_not_taken_for_a_delivery_later() {
    let at = "./VMImgMO/a/DownloadURI";
    let new = "https://images.example/b.img";
    let media_type = "application/octet-stream";
    let replace = || DeliverImage::new(image("a"), "b", new, media_type);
    let before = || {
        let mut device = Device::new(Style::Synchronous);
        assert!(device.run(&mut deliver()).ok);
        device
    };
    let mut whole = before();
    let done = whole.log.len();
    assert!(whole.run(&mut replace()).ok);
    let is_exec = |it: &String| it.starts_with("Exec");
    let exec = done + whole.log[done..].iter().position(is_exec).unwrap();
    let refusals = [405, 500].map(|code| vec![(exec, Fault::Status(code))]);
    // The Exec is lost each time.
    let lost = (0..4).map(|time| (exec + 2 * time, Fault::LostBefore));
    let faults = [lost.collect()].into_iter().chain(refusals);
    for faults in faults {
        let left = match faults.len() {
            1 => "https://images.example/a.img",
            _ => "",
        };
        let mut device = faults.iter().fold(before(), |device, (number, fault)| {
            device.with_fault(*number, *fault)
        });
        let report = device.run(&mut replace());
        let case = format!("{faults:?}: {report:?} {:?}", device.log);
        assert!(!report.ok, "{case}");
        assert_eq!(device.value(at), Some(left), "{case}");
        assert!(!report.detail.unwrap().contains("taken back"), "{case}");
        let report = device.run(&mut replace());
        assert_eq!(
            (report.ok, device.executed),
            (true, 2),
            "{case}: {report:?}"
        );
        assert_eq!(device.origin("./VMImgMO/a"), Some(new), "{case}");
    }
}

#[test]
fn sessions_lost_again_and_again_end_the_procedure() {
    for (name, procedure, device) in cases() {
        let mut device = device(Style::Synchronous);
        for number in 0..1000 {
            device = device.with_fault(number, Fault::LostBefore);
        }
        let report = device.run(&mut *procedure(Policy::default()));
        assert!(!report.ok, "{name}: {report:?}");
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
fn resources_are_applied_all_together() {
    let mut device = Device::new(Style::Synchronous)
        .with_vm("v", VmState::Running)
        .with_vm("w", VmState::PoweredOff);
    let mut apply = apply();
    let report = device.run(&mut apply);
    assert!(report.ok, "{report:?}");
    assert_eq!(
        device.log,
        [
            "Get ./VirMO/v/State",
            "Get ./VirMO/w/State",
            "Get ./VirMO/v/Resources/CurrentConfig",
            "Get ./VirMO/w/Resources/CurrentConfig",
            "Get ./VirMO/v/Resources/NewConfig",
            "Get ./VirMO/w/Resources/NewConfig",
            "Add ./VirMO/v/Resources/NewConfig",
            "Add ./VirMO/w/Resources/NewConfig",
            "Exec ./VirMO/Operations/ApplyChanges",
            "Get ./VirMO/v/Resources/CurrentConfig",
            "Get ./VirMO/w/Resources/CurrentConfig",
        ]
    );
    let current = apply.outcome().unwrap();
    assert_eq!(current["v"], config(512));
    assert_eq!(current["w"], config(256));
}

/// An Add of its NewConfig could make a machine that is not there.
#[test]
fn resources_of_a_machine_that_is_not_there_are_not_applied() {
    let mut device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
    let report = device.run(&mut apply());
    assert_eq!((report.ok, report.status), (false, Some(404.into())));
    let detail = report.detail.unwrap();
    assert_eq!(detail, "Get ./VirMO/w/State: 404 Not found");
    assert!(!device.has("./VirMO/w") && !device.has("./VirMO/v/Resources/NewConfig"));
}

/// An empty NewConfig means none.
#[test]
fn an_empty_new_config_says_that_it_was_applied() {
    let mut device = Device::new(Style::Silent)
        .with_vm("v", VmState::Running)
        .with_vm("w", VmState::PoweredOff);
    device.keep_new_config = true;
    let report = device.run(&mut apply());
    assert_eq!((report.ok, device.sessions), (true, 2), "{report:?}");
}

#[test]
fn resources_that_were_not_taken_over_are_a_failure() {
    let mut device = Device::new(Style::Synchronous)
        .with_vm("v", VmState::Running)
        .with_vm("w", VmState::PoweredOff)
        .with_fault(8, Fault::Status(200));
    let report = device.run(&mut apply());
    assert_eq!((report.ok, report.status), (false, Some(StatusCode::OK)));
    let detail = report.detail.unwrap();
    assert_eq!(detail, "v: RAM=0&Storage=0&CPU=0&Network=0");
    assert!(!device.has("./VirMO/v/Resources/NewConfig"));
    assert!(device.run(&mut apply()).ok);
}

/// A refused change is none, later either: each NewConfig becomes what it was, whatever failed, and
/// the next ApplyChanges for another machine applies nothing of it.
#[test]
fn resources_that_are_refused_are_taken_back() {
    let new = |name: &str| format!("./VirMO/{name}/Resources/NewConfig");
    for style in [Style::Synchronous, Style::Alerting, Style::Uncorrelated] {
        for fault in [None, Some((7, 500)), Some((8, 500))] {
            for before in [None, Some(config(64).to_string())] {
                let mut device = Device::new(style)
                    .with_vm("v", VmState::Running)
                    .with_vm("w", VmState::PoweredOff);
                if let Some(before) = &before {
                    device.set(&new("v"), before);
                }
                let old = device.nodes().clone();
                device.outcome = Outcome::Failure(420);
                if let Some((number, code)) = fault {
                    device = device.with_fault(number, Fault::Status(code));
                }
                let report = device.run(&mut apply());
                let case = format!("{style:?} {fault:?} {before:?}: {report:?}");
                assert!(!report.ok, "{case}");
                let code = fault.map_or(420, |(_, code)| code);
                assert_eq!(report.status, Some(code.into()), "{case}");
                assert!(!report.detail.unwrap().contains("taken back"), "{case}");
                assert_eq!(*device.nodes(), old, "{case}: {:?}", device.log);
            }
        }
    }
}

/// What the device took over although the answer says otherwise is not touched, and what it does not
/// let go of is told.
#[test]
fn only_what_is_still_there_is_taken_back() {
    let devices = || {
        Device::new(Style::Silent)
            .with_vm("v", VmState::Running)
            .with_vm("w", VmState::PoweredOff)
    };
    // The check fails, after the device did it.
    let mut device = devices().with_fault(9, Fault::Status(500));
    let report = device.run(&mut apply());
    assert!(!report.ok, "{report:?}");
    let current = device.value("./VirMO/v/Resources/CurrentConfig");
    assert_eq!(current, Some(config(512).to_string().as_str()));
    assert!(!device.log.iter().any(|it| it.starts_with("Delete")));

    let mut device = devices()
        .with_fault(8, Fault::Status(500))
        .with_fault(11, Fault::Status(425));
    let report = device.run(&mut apply());
    assert_eq!(report.status, Some(500.into()));
    let detail = report.detail.unwrap();
    let told = "; not taken back: Delete ./VirMO/v/Resources/NewConfig: 425";
    assert!(detail.contains(told), "{detail}");
    assert!(!device.has("./VirMO/w/Resources/NewConfig"));
}

/// A machine that could not be made leaves nothing; one whose node was there before keeps it, with
/// the NewConfig it had.
#[test]
fn a_machine_that_could_not_be_created_leaves_nothing() {
    let new = "./VirMO/v/Resources/NewConfig";
    for style in [Style::Synchronous, Style::Alerting, Style::Uncorrelated] {
        for fault in [None, Some((6, 500)), Some((7, 406))] {
            let mut device = Device::new(style).with_image("a");
            let old = device.nodes().clone();
            device.outcome = Outcome::Failure(420);
            if let Some((number, code)) = fault {
                device = device.with_fault(number, Fault::Status(code));
            }
            let report = device.run(&mut create());
            assert!(!report.ok);
            let code = fault.map_or(420, |(_, code)| code);
            assert_eq!(report.status, Some(code.into()), "{report:?}");
            assert_eq!(*device.nodes(), old, "{:?}", device.log);
        }
        for before in [None, Some(config(64).to_string())] {
            let mut device = Device::new(style)
                .with_image("a")
                .with_vm("v", VmState::NotCreated);
            if let Some(before) = &before {
                device.set(new, before);
            }
            device.outcome = Outcome::Failure(420);
            assert!(!device.run(&mut create()).ok);
            assert!(device.has("./VirMO/v"));
            assert_eq!(device.value(new), before.as_deref());
        }
    }
}

/// The device decides about a machine without resources, not what an earlier try left.
#[test]
fn a_stale_new_config_does_not_make_a_machine() {
    let mut device = Device::new(Style::Synchronous)
        .with_image("a")
        .with_vm("v", VmState::NotCreated);
    device.set("./VirMO/v/Resources/NewConfig", &config(64).to_string());
    let mut create = CreateVm::new(vm("v"), image("a")).in_profile(profile());
    let report = device.run(&mut create);
    assert!(report.ok, "{report:?}");
    assert_ne!(create.outcome().unwrap().config, Some(config(64)));
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

#[test]
fn a_snapshot_shows_everything() {
    let mut device = Device::new(Style::Synchronous)
        .with_image("a")
        .with_image("b")
        .with_vm("v", VmState::Running)
        .with_vm("w", VmState::NotCreated);
    device.set("./VirMO/v/CreateParams", "ImgID=img-1&Running=true");
    device.set(
        "./VirMO/v/Resources/CurrentConfig",
        &config(512).to_string(),
    );
    device.set("./VirMO/v/Resources/NewConfig", &config(256).to_string());
    device.set("./VirMO/w/State", "9");
    device.set("./VMImgMO/b/Name", "second");
    let mut take = TakeSnapshot::new(mounts());
    let report = device.run(&mut take);
    assert_eq!((report.ok, report.status), (true, Some(StatusCode::OK)));

    let snapshot = take.outcome().unwrap();
    let resources = DeviceResources::new(Bytes::gib(4), Bytes::gib(32));
    assert_eq!(snapshot.resources, Some(resources));
    let names: Vec<&String> = snapshot.vms.keys().collect();
    assert_eq!(
        names,
        ["v", "w"],
        "DeviceResources and Operations are no machines"
    );
    let v = &snapshot.vms["v"];
    assert_eq!(v.id.as_ref().unwrap().as_str(), "vm-1");
    assert_eq!(v.state, Some(VmState::Running));
    assert_eq!(v.create_params.as_ref().unwrap().image.as_str(), "img-1");
    assert_eq!(v.current_config, Some(config(512)));
    assert_eq!(v.new_config, Some(config(256)));
    let w = &snapshot.vms["w"];
    assert_eq!(
        (w.state, &w.new_config, &w.description),
        (None, &None, &None)
    );
    let names: Vec<&String> = snapshot.images.keys().collect();
    assert_eq!(names, ["a", "b"]);
    let b = &snapshot.images["b"];
    assert_eq!(b.name.as_deref(), Some("second"));
    assert_eq!(b.state, Some(ImageState::Downloaded));
    assert_eq!(b.location.as_deref(), Some("/images/1"));
    assert_eq!(snapshot.images["a"].name, None);
    assert_eq!(snapshot.faults, ["./VirMO/w/State: \"9\" is not readable"]);
}

/// What the guest of a machine is told and tells is part of it, by types.
#[test]
fn a_snapshot_shows_what_is_below_dm_tree_and_what_the_user_said() {
    let mut device = Device::new(Style::Synchronous).with_software("v", "10");
    for procedure in [
        Manage::lock(place("v")),
        Manage::disable(place("v"), "camera").unwrap(),
        Manage::update_firmware(place("v"), "https://fw.example/2"),
    ] {
        assert!(device.run(&mut { procedure }).ok);
    }
    let mut device = device.with_user("w", YES);
    assert!(device.run(&mut AskVmUser::new(vm("w"), question())).ok);
    let broken = "./VirMO/v/DMTree/SCOMO/Inventory/Delivered/old/State";
    for (state, told) in [("20", Some(PackageState::Installed)), ("x", None)] {
        device.set(broken, state);
        let mut take = TakeSnapshot::new(mounts());
        assert!(device.run(&mut take).ok);
        let snapshot = take.outcome().unwrap();
        let v = &snapshot.vms["v"];
        assert_eq!(v.lock, Some(LockState::FullyLocked));
        assert_eq!(v.firmware, Some(FumoState::UpdateSuccessfulNoData));
        assert_eq!(v.peripherals.get("camera"), Some(&false));
        assert_eq!(v.packages.get("old"), told.as_ref());
        let components: Vec<_> = v.components.iter().collect();
        assert_eq!(components, [(&"app".to_owned(), &ComponentState::Inactive)]);
        assert_eq!((&v.question, &v.result), (&None, &None));
        let w = &snapshot.vms["w"];
        assert_eq!(w.question, Some(question()));
        let result = w.result.as_ref().unwrap();
        assert_eq!(result.status, StatusCode::OK);
        assert_eq!(result.answer, Some(UserAnswer::Accepted));
        assert_eq!((w.lock, w.firmware), (None, None));
        let faults: Vec<_> = told
            .is_none()
            .then(|| format!("{broken}: \"x\" is not readable"))
            .into_iter()
            .collect();
        assert_eq!(snapshot.faults, faults);
    }
}

/// However much a device claims to have, only so much is asked for.
#[test]
fn a_snapshot_reads_so_many_components() {
    let mut device = Device::new(Style::Synchronous).with_software("v", "10");
    for number in 0..1100 {
        device.set(
            &format!("./VirMO/v/DMTree/SCOMO/Inventory/Deployed/c{number}/State"),
            "20",
        );
        device.set(
            &format!("./VirMO/v/DMTree/SCOMO/Inventory/Deployed/c{number}"),
            "",
        );
    }
    let mut take = TakeSnapshot::new(mounts());
    assert!(device.run(&mut take).ok);
    let snapshot = take.outcome().unwrap();
    let v = &snapshot.vms["v"];
    assert_eq!(v.components.len() + v.packages.len(), 1000);
    assert_eq!(snapshot.faults.len(), 102);
    assert!(snapshot.faults[0].ends_with("one too many to be read"));
}

#[test]
fn a_snapshot_of_an_empty_device_is_empty_and_of_none_a_failure() {
    let mut device = Device::new(Style::Synchronous);
    let mut take = TakeSnapshot::new(mounts());
    assert!(device.run(&mut take).ok);
    let snapshot = take.outcome().unwrap();
    assert!(snapshot.vms.is_empty() && snapshot.images.is_empty());

    device.remove("./VirMO");
    let mut take = TakeSnapshot::new(mounts());
    let report = device.run(&mut take);
    assert_eq!(
        (report.ok, report.status),
        (false, Some(StatusCode::NOT_FOUND))
    );
    assert_eq!(report.detail.as_deref(), Some("Get ./VirMO: 404 Not found"));
}

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

/// What is so already is left alone, what a machine cannot have is refused with the reason, and one
/// that is not there does not come of it.
#[test]
fn a_machine_is_managed_only_where_that_is_needed() {
    let mut device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
    let mut lock = Manage::lock(place("v"));
    assert!(device.run(&mut lock).ok);
    assert_eq!(lock.value(), Some("10"));
    assert_eq!(
        device.log,
        [
            "Get ./VirMO/v/State",
            "Get ./VirMO/v/DMTree/LAWMO/State",
            "Add ./VirMO/v/DMTree",
            "Add ./VirMO/v/DMTree/LAWMO",
            "Exec ./VirMO/v/DMTree/LAWMO/Operations/FullyLock",
            "Get ./VirMO/v/DMTree/LAWMO/State",
        ]
    );
    device.log.clear();
    let mut lock = Manage::lock(place("v"));
    let report = device.run(&mut lock);
    assert_eq!((report.ok, report.status), (true, Some(StatusCode::OK)));
    assert_eq!(
        (report.value.as_deref(), lock.value()),
        (Some("10"), Some("10"))
    );
    assert_eq!((device.log.len(), device.executed), (2, 1));

    device.log.clear();
    let mut robot = Manage::enable(place("v"), "robot").unwrap();
    let report = device.run(&mut robot);
    assert_eq!((report.ok, report.status), (false, Some(406.into())));
    assert!(!device.log.iter().any(|command| command.starts_with("Exec")));

    // That the operation is missing then only follows from the refusal of its object.
    device.log.clear();
    let mut device = device.with_fault(4, Fault::Status(405));
    let report = device.run(&mut Manage::disable(place("v"), "robot").unwrap());
    assert_eq!((report.ok, report.status), (false, Some(405.into())));
    let detail = report.detail.unwrap();
    let refused = spelled("Add ./VirMO/v/DMTree/DCMO/robot: 405");
    assert!(detail.starts_with(&refused), "{detail}");

    let report = device.run(&mut Manage::lock(place("w")));
    assert_eq!((report.ok, report.status), (false, Some(404.into())));
    assert!(!device.has("./VirMO/w"));
}

/// An update is one of its package: the same is not made twice, what goes on is waited for, and one
/// that failed, or another one, is made.
#[test]
fn an_update_is_made_once_for_each_package() {
    let update = |url: &str| Manage::update_firmware(place("v"), url);
    for (state, url, executed, sessions) in [
        ("100", "u", 0, 1),
        ("100", "other", 1, 1),
        ("60", "u", 0, 3),
        ("80", "u", 1, 1),
    ] {
        let mut device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
        assert!(device.run(&mut update("u")).ok);
        (device.executed, device.sessions) = (0, 0);
        device.set("./VirMO/v/DMTree/FUMO/State", state);
        device.settle_later("./VirMO/v/DMTree/FUMO/State", "100", 2);
        let report = device.run(&mut update(url));
        assert!(report.ok, "{state} {url}: {report:?}");
        let seen = (device.executed, device.sessions);
        assert_eq!(seen, (executed, sessions), "{state} {url}");
    }
}

/// What an update from another URL left is not taken for the success of one that was refused or lost,
/// neither at once nor later.
#[test]
fn a_refused_update_is_not_taken_for_the_one_before_it() {
    let update = |url: &str| Manage::update_firmware(place("v"), url);
    let url = "./VirMO/v/DMTree/FUMO/DownloadAndUpdate/PkgURL";
    for style in Style::ALL {
        let before = || {
            let mut device = Device::new(style).with_vm("v", VmState::Running);
            assert!(device.run(&mut update("old")).ok);
            device
        };
        let mut whole = before();
        let done = whole.log.len();
        assert!(whole.run(&mut update("new")).ok);
        let is_exec = |it: &String| it.starts_with("Exec");
        let exec = done + whole.log[done..].iter().position(is_exec).unwrap();
        for (code, state) in [(405, "100"), (404, "90"), (500, "100"), (405, "50")] {
            let mut device = before().with_fault(exec, Fault::Status(code));
            device.set("./VirMO/v/DMTree/FUMO/State", state);
            let report = device.run(&mut update("new"));
            let case = format!("{style:?} {code} {state}: {report:?}");
            assert_eq!(
                (report.ok, report.status),
                (false, Some(code.into())),
                "{case}"
            );
            assert!(!report.detail.unwrap().contains("taken back"), "{case}");
            assert_eq!(device.value(url), Some("old"), "{case}");
            assert_eq!(device.executed, 1, "{case}");
            let report = device.run(&mut update("new"));
            assert_eq!((report.ok, device.executed), (true, 2), "{case} {report:?}");
            assert_eq!(device.value(url), Some("new"));
        }
        for number in done..whole.log.len() {
            let mut device = before().with_fault(number, Fault::LostBefore);
            let report = device.run(&mut update("new"));
            let case = format!("{style:?} {}: {report:?}", whole.log[number]);
            assert_eq!((report.ok, device.executed), (true, 2), "{case}");
        }
        // The Exec is lost each time.
        let mut device = (0..4).fold(before(), |device, time| {
            device.with_fault(exec + 2 * time, Fault::LostBefore)
        });
        let report = device.run(&mut update("new"));
        assert!(!report.ok, "{style:?}: {report:?}");
        assert_eq!(device.value(url), Some(""), "{style:?}: {report:?}");
        assert!(device.run(&mut update("new")).ok);
        assert_eq!(device.executed, 2, "{style:?}");
    }
}

/// A package whose replacement was refused is not taken for the replacement later.
#[test]
fn a_refused_installation_is_made_later() {
    let package = |url: &str| SoftwarePackage::at_url("mail", "com.example.mail", url);
    let install = |url: &str| ManageSoftware::install(place("v"), package(url)).unwrap();
    for style in Style::ALL {
        let before = || {
            let mut device = Device::new(style).with_vm("v", VmState::Running);
            assert!(device.run(&mut install("old")).ok);
            device
        };
        let mut whole = before();
        let done = whole.log.len();
        assert!(whole.run(&mut install("new")).ok);
        // Each command of the second one that is not a question.
        for number in done..whole.log.len() {
            if whole.log[number].starts_with("Get") {
                continue;
            }
            let mut device = before().with_fault(number, Fault::Status(425));
            let report = device.run(&mut install("new"));
            let case = format!("{style:?} {}: {report:?}", whole.log[number]);
            assert_eq!(
                (report.ok, report.status),
                (false, Some(425.into())),
                "{case}"
            );
            let report = device.run(&mut install("new"));
            assert_eq!((report.ok, device.executed), (true, 2), "{case} {report:?}");
        }
    }
}

/// No machine comes of a word about one that is not there.
#[test]
fn the_user_of_an_unknown_machine_may_nothing() {
    let mut device = Device::new(Style::Synchronous);
    let report = device.run(&mut AllowUserUnlock::new(&vm("novm"), true));
    assert_eq!((report.ok, report.status), (false, Some(404.into())));
    assert_eq!(device.log, ["Get ./VirMO/novm/State"]);
}
