//! The procedures of companion objects against the objects of a device that has no machines: a DM
//! client and a DM server, message by message, in both encodings.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use omadm_core::StatusCode;
use omadm_download::Cancel;
use omadm_mo::ManagementObject;
use omadm_objects::{
    Component, Failure, Firmware, Fumo, Installation, Lawmo, LockState, Locker, Package, Scomo,
    Software, Updated, WipeItem, Wiped,
};
use omadm_server::{Config, Everyone};
use omadm_session::{Procedure, Report};
use omadm_syncml::Encoding;
use omadm_testkit::{Bench, Pair, TestJournal, Wire, uri};
use virmo_server::{Manage, ManageSoftware, Place, Policy, ResultCode, SoftwarePackage};

const URL: &str = "http://sw.example/1.pkg";

thread_local! {
    /// What is installed, and what is going to fail once; of the device of this test.
    static DEVICE: Arc<Back> = Arc::default();
}

/// Firmware, software and a lock that do what they are told.
#[derive(Default)]
struct Back {
    installed: Mutex<BTreeMap<String, bool>>,
    fails: Mutex<Option<ResultCode>>,
    calls: Mutex<Vec<String>>,
}

impl Back {
    fn call(&self, call: String) -> Result<(), ResultCode> {
        self.calls.lock().unwrap().push(call);
        self.fails.lock().unwrap().take().map_or(Ok(()), Err)
    }
}

struct Hand(Arc<Back>);

impl Software for Hand {
    fn inventory(&self) -> Result<Vec<Component>, ResultCode> {
        let installed = self.0.installed.lock().unwrap();
        let component = |(id, active): (&String, &bool)| {
            let mut component = Component::new(id, id);
            component.active = *active;
            component
        };
        Ok(installed.iter().map(component).collect())
    }

    fn install(&self, package: &Package, how: &Installation) -> Result<Vec<String>, ResultCode> {
        let from = match package {
            Package::Data(octets) => format!("{octets:?}"),
            Package::Own => "own".to_owned(),
            Package::File(path) => path.clone(),
        };
        self.0
            .call(format!("install {} {from} {}", how.package_id, how.params))?;
        let mut installed = self.0.installed.lock().unwrap();
        installed.insert(how.package_id.clone(), how.active);
        Ok(vec![how.package_id.clone()])
    }

    fn set_active(&self, component: &str, active: bool) -> Result<(), ResultCode> {
        self.0.call(format!("{component}: {active}"))?;
        let mut installed = self.0.installed.lock().unwrap();
        installed.insert(component.to_owned(), active);
        Ok(())
    }

    fn remove(&self, component: &str) -> Result<(), ResultCode> {
        self.0.call(format!("remove {component}"))?;
        self.0.installed.lock().unwrap().remove(component);
        Ok(())
    }

    fn download(&self, id: &str, url: &str, _: &Cancel) -> Result<(), ResultCode> {
        self.0.call(format!("download {id} {url}"))
    }

    fn discard(&self, _: &str) -> Result<(), ResultCode> {
        Ok(())
    }
}

impl Firmware for Hand {
    fn update(&self, _: &Package) -> Result<Updated, ResultCode> {
        self.0.call("update".to_owned())?;
        Ok(Updated::Done)
    }

    fn download(&self, url: &str, _: &Cancel) -> Result<(), ResultCode> {
        self.0.call(format!("download {url}"))
    }
}

impl Locker for Hand {
    fn lock(&self, _: LockState, _: bool) -> Result<(), Failure> {
        Ok(())
    }

    fn wipe_list(&self) -> Vec<WipeItem> {
        Vec::new()
    }

    fn wipe(&self, _: &[String], _: bool) -> Result<Wiped, Failure> {
        Err(Failure::Client)
    }

    fn factory_reset(&self, _: bool) -> Result<(), Failure> {
        Err(Failure::Client)
    }
}

fn hand() -> Arc<Hand> {
    DEVICE.with(|back| Arc::new(Hand(Arc::clone(back))))
}

fn objects(journal: &TestJournal) -> Vec<Box<dyn ManagementObject>> {
    vec![
        Box::new(Fumo::new(uri("./FUMO"), hand(), journal).unwrap()),
        Box::new(Scomo::new(uri("./SCOMO"), hand(), journal).unwrap()),
        Box::new(Lawmo::new(uri("./LAWMO"), hand(), journal).unwrap()),
    ]
}

fn pair(encoding: Encoding) -> Pair {
    let mut client = Bench::config();
    client.encoding = encoding;
    let pair = Pair::new(client, Config::new("c"), Everyone, Wire::default());
    pair.with_objects(objects)
}

/// Runs a procedure to its end; its report.
fn run(pair: &mut Pair, procedure: impl Procedure) -> Report {
    pair.enqueue(procedure);
    pair.settle();
    pair.reports.pop().unwrap()
}

fn calls() -> Vec<String> {
    DEVICE.with(|back| std::mem::take(&mut *back.calls.lock().unwrap()))
}

fn fail_with(code: ResultCode) {
    DEVICE.with(|back| *back.fails.lock().unwrap() = Some(code));
}

const ENCODINGS: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

fn scomo() -> Place {
    Place::Object(uri("./SCOMO"))
}

fn package(version: &str) -> SoftwarePackage {
    let url = format!("{URL}?{version}");
    SoftwarePackage::at_url("mail", format!("mail-{version}"), url).with_params("quiet")
}

#[test]
fn software_of_a_device_goes_through_its_whole_life() {
    for encoding in ENCODINGS {
        DEVICE.with(|back| back.installed.lock().unwrap().clear());
        let mut pair = pair(encoding);
        let mut go = |procedure: ManageSoftware| {
            let report = run(&mut pair, procedure);
            (report.status, report.value, report.children, calls())
        };
        let ok = Some(StatusCode::OK);
        let names = |names: &[&str]| Some(names.iter().map(|&it| it.to_owned()).collect());
        let text = |text: &str| Some(text.to_owned());
        let said = |calls: &[&str]| calls.iter().map(|&it| it.to_owned()).collect();

        let deliver = || ManageSoftware::deliver(scomo(), package("1")).unwrap();
        let download: Vec<_> = said(&["download mail-1 http://sw.example/1.pkg?1"]);
        assert_eq!(go(deliver()), (ok, text("10"), names(&[]), download));
        assert_eq!(
            go(deliver()),
            (ok, text("10"), names(&[]), vec![]),
            "it is there"
        );
        let install = || {
            ManageSoftware::install(scomo(), package("1"))
                .unwrap()
                .inactive()
        };
        let installed = said(&["install mail-1 own quiet"]);
        assert_eq!(
            go(install()),
            (ok, text("20"), names(&["mail-1"]), installed)
        );
        assert_eq!(
            go(install()),
            (ok, text("20"), names(&["mail-1"]), vec![]),
            "it is there"
        );

        let activate = || ManageSoftware::activate(scomo(), "mail-1").unwrap();
        let active = said(&["mail-1: true"]);
        assert_eq!(go(activate()), (ok, text("20"), names(&["mail-1"]), active));
        assert_eq!(go(activate()), (ok, text("20"), names(&["mail-1"]), vec![]));
        let update = || ManageSoftware::install(scomo(), package("2")).unwrap();
        let both = names(&["mail-1", "mail-2"]);
        let updated = said(&[
            "download mail-2 http://sw.example/1.pkg?2",
            "install mail-2 own quiet",
        ]);
        assert_eq!(go(update()), (ok, text("20"), both.clone(), updated));
        let deactivate = ManageSoftware::deactivate(scomo(), "mail-1").unwrap();
        let inactive = said(&["mail-1: false"]);
        assert_eq!(go(deactivate), (ok, text("10"), both, inactive));
        let remove = || ManageSoftware::remove(scomo(), "mail-1").unwrap();
        let removed = said(&["remove mail-1"]);
        assert_eq!(go(remove()), (ok, None, names(&["mail-2"]), removed));
        let gone = Some(StatusCode::NOT_FOUND);
        assert_eq!(go(remove()).0, gone);
        let forget = || ManageSoftware::remove_package(scomo(), "mail").unwrap();
        assert_eq!(go(forget()), (ok, None, names(&["mail-2"]), vec![]));
        assert_eq!(go(forget()).0, gone);

        let data = SoftwarePackage::with_data("own", "own-1", vec![0, 255]);
        let brought = ManageSoftware::install(scomo(), data).unwrap();
        let installed = said(&["install own-1 [0, 255] "]);
        assert_eq!(
            go(brought),
            (ok, text("20"), names(&["mail-2", "own-1"]), installed)
        );
    }
}

#[test]
fn failures_of_software_tell_their_result_code() {
    for encoding in ENCODINGS {
        let mut pair = pair(encoding);
        fail_with(ResultCode::SCOMO_DOWNLOAD_MEMORY);
        let install = || ManageSoftware::install(scomo(), package("1")).unwrap();
        let report = run(&mut pair, install());
        assert_eq!(
            (report.ok, report.status),
            (false, Some(StatusCode::COMMAND_FAILED))
        );
        let detail = report.detail.unwrap();
        assert!(detail.ends_with("result code 1404"), "{detail}");
        // A second attempt goes through, whatever the first one left.
        assert!(run(&mut pair, install()).ok);
        fail_with(ResultCode::SCOMO_REMOVE_FAILED);
        let remove = || ManageSoftware::remove(scomo(), "mail-1").unwrap();
        let detail = run(&mut pair, remove()).detail.unwrap();
        assert!(detail.ends_with("result code 1408"), "{detail}");
        assert!(run(&mut pair, remove()).ok);
        calls();
    }
}

/// HLF-14 without a VM: the same procedure, at the object of the device.
#[test]
fn firmware_of_a_device_is_updated() {
    for encoding in ENCODINGS {
        let mut pair = pair(encoding);
        let update = |url: &str| Manage::update_firmware(Place::Object(uri("./FUMO")), url);
        let report = run(&mut pair, update(URL));
        assert_eq!((report.ok, report.value.as_deref()), (true, Some("100")));
        assert_eq!(calls(), [format!("download {URL}"), "update".to_owned()]);
        assert!(run(&mut pair, update(URL)).ok);
        assert_eq!(calls(), [""; 0], "it is updated");
        fail_with(ResultCode::FUMO_NETWORK);
        let report = run(&mut pair, update("http://fw.example/2"));
        assert_eq!((report.ok, report.status), (false, Some(503.into())));
        let report = run(&mut pair, update("http://fw.example/2"));
        assert_eq!((report.ok, report.value.as_deref()), (true, Some("100")));
        calls();
    }
}

#[test]
fn a_device_is_locked_and_unlocked() {
    for encoding in ENCODINGS {
        let mut pair = pair(encoding);
        let lawmo = || Place::Object(uri("./LAWMO"));
        for (procedure, state) in [
            (Manage::lock(lawmo()), "10"),
            (Manage::unlock(lawmo()), "30"),
        ] {
            let report = run(&mut pair, procedure);
            assert_eq!((report.ok, report.value.as_deref()), (true, Some(state)));
        }
        let none = run(&mut pair, Manage::lock(Place::Object(uri("./None"))));
        assert_eq!((none.ok, none.status), (false, Some(StatusCode::NOT_FOUND)));
    }
}

/// The server loses everything after any of its messages, and begins anew: nothing is done twice.
#[test]
fn a_server_that_lost_everything_installs_once() {
    for messages in 1..12 {
        DEVICE.with(|back| back.installed.lock().unwrap().clear());
        let mut pair = pair(Encoding::Xml);
        let mut policy = Policy::default();
        policy.resumed = true;
        pair.enqueue(ManageSoftware::install(scomo(), package("1")).unwrap());
        pair.open();
        for _ in 0..messages {
            if pair.client.in_session() {
                pair.step();
            }
        }
        pair.restart_server(Config::new("again"), Everyone);
        while pair.client.in_session() {
            pair.step();
        }
        pair.reports.clear();
        let again = ManageSoftware::install(scomo(), package("1")).unwrap();
        let report = run(&mut pair, again.with_policy(policy));
        assert!(report.ok, "{messages}: {report:?}");
        let installed = calls()
            .into_iter()
            .filter(|call| call.starts_with("install"));
        assert_eq!(installed.count(), 1, "{messages}");
    }
}
