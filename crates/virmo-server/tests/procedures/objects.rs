//! Firmware, software, locks and peripherals.

use super::*;

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
            // Then come the check, and PkgURL once more.
            device.with_fault(exec + 3 * time, Fault::LostBefore)
        });
        let report = device.run(&mut update("new"));
        assert!(!report.ok, "{style:?}: {report:?}");
        assert_eq!(device.value(url), Some(""), "{style:?}: {report:?}");
        assert!(device.run(&mut update("new")).ok);
        assert_eq!(device.executed, 2, "{style:?}");
    }
}

/// An update whose server is gone, or whose time is over, between any two messages is not taken for
/// done where another URL brought what is there.
#[test]
fn an_update_that_was_cut_is_made_later() {
    let update = |url: &str, resumed| {
        let mut policy = Policy::default();
        policy.resumed = resumed;
        Manage::update_firmware(place("v"), url).with_policy(policy)
    };
    for state in ["50", "90", "100"] {
        let before = || {
            let mut device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
            assert!(device.run(&mut update("old", false)).ok);
            device.set("./VirMO/v/DMTree/FUMO/State", state);
            device.messages.clear();
            device
        };
        let mut whole = before();
        assert!(whole.run(&mut update("new", false)).ok);
        for cut in whole.messages {
            for resumed in [false, true] {
                let mut device = before();
                assert!(!device.run_until_lost(&mut update("new", false), cut));
                let report = device.run(&mut update("new", resumed));
                let case = format!("{state}, after {:?}: {report:?}", device.log.get(cut));
                assert_eq!((report.ok, device.executed), (true, 2), "{case}");
            }
        }
    }
}

/// The URL goes out with the Exec: that the device does not take it is what failed.
#[test]
fn an_update_whose_url_is_refused_fails() {
    let mut device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
    assert!(
        device
            .run(&mut Manage::update_firmware(place("v"), "old"))
            .ok
    );
    let mut whole = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
    assert!(
        whole
            .run(&mut Manage::update_firmware(place("v"), "old"))
            .ok
    );
    assert!(
        whole
            .run(&mut Manage::update_firmware(place("v"), "new"))
            .ok
    );
    let exec = whole.log.iter().rposition(|it| it.starts_with("Exec"));
    let mut device = device.with_fault(exec.unwrap() - 1, Fault::Status(425));
    let report = device.run(&mut Manage::update_firmware(place("v"), "new"));
    assert_eq!((report.ok, report.status), (false, Some(425.into())));
    let url = device.value("./VirMO/v/DMTree/FUMO/DownloadAndUpdate/PkgURL");
    assert_ne!(url, Some("new"));
}

/// A device that takes no empty URL gets the new one before the Exec.
#[test]
fn a_url_that_cannot_be_emptied_is_replaced() {
    let update = |url: &str| Manage::update_firmware(place("v"), url);
    let url = "./VirMO/v/DMTree/FUMO/DownloadAndUpdate/PkgURL";
    let before = || {
        let mut device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
        assert!(device.run(&mut update("old")).ok);
        device
    };
    let emptied = {
        let (mut whole, done) = (before(), before().log.len());
        assert!(whole.run(&mut update("new")).ok);
        let is_emptied = |it: &String| *it == format!("Replace {url}");
        done + whole.log[done..].iter().position(is_emptied).unwrap()
    };
    for code in [405, 406, 500] {
        let mut device = before().with_fault(emptied, Fault::Status(code));
        let report = device.run(&mut update("new"));
        assert_eq!((report.ok, device.executed), (true, 2), "{code} {report:?}");
        assert_eq!(device.value(url), Some("new"), "{code}");
    }
    // Nor the new one: nothing is executed, and the reason is that.
    let device = before().with_fault(emptied, Fault::Status(406));
    let mut device = device.with_fault(emptied + 1, Fault::Status(425));
    let report = device.run(&mut update("new"));
    assert_eq!((report.ok, report.status), (false, Some(425.into())));
    assert_eq!((device.executed, device.value(url)), (1, Some("old")));
}

/// An empty URL is what is left where nobody knows what is there: no update and no image is of it.
#[test]
fn nothing_comes_from_an_empty_url() {
    let mut device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
    assert!(device.run(&mut Manage::update_firmware(place("v"), "u")).ok);
    device.set("./VirMO/v/DMTree/FUMO/DownloadAndUpdate/PkgURL", "");
    device.run(&mut Manage::update_firmware(place("v"), ""));
    assert_eq!(device.executed, 2, "the device is asked");

    let mut device = Device::new(Style::Synchronous).with_image("img");
    for (leaf, text) in [("Name", "n"), ("DownloadURI", ""), ("MediaType", "m/t")] {
        device.set(&format!("./VMImgMO/img/{leaf}"), text);
    }
    device.run(&mut DeliverImage::new(image("img"), "n", "", "m/t"));
    assert!(
        device.log.iter().any(|it| it.starts_with("Exec")),
        "{:?}",
        device.log
    );
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
