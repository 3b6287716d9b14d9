use std::sync::{Arc, atomic::Ordering};

use omadm_core::{Space, StatusCode};
use omadm_download::{Descriptor, DownloadKey, Sink};
use omadm_mo::{JobEnd, JobId, Reporting};
use virmo_client::{Event, Policy};
use virmo_state::{ImageState, VmState};

use crate::{
    bench::{MEDIA_TYPE, in_job},
    device::{Answer, Device, IMAGE, final_alert, image_ready},
};

const CONTENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const DOWNLOAD: &str = "./VMImgMO/img/Operations/Download";
const DELETE: &str = "./VMImgMO/img/Operations/Delete";

/// A device with an image to be downloaded from an address.
fn device(uri: &str, policy: Policy) -> Device {
    let mut device = Device::with_policy(policy);
    assert_eq!(device.add("./VMImgMO/img"), StatusCode::OK);
    assert_eq!(
        device.add_leaf("./VMImgMO/img/DownloadURI", uri),
        StatusCode::OK
    );
    assert_eq!(
        device.add_leaf("./VMImgMO/img/MediaType", MEDIA_TYPE),
        StatusCode::OK
    );
    device
}

/// Downloads that give up at once.
fn impatient() -> Policy {
    let mut policy = Policy::default();
    policy.downloads.retry.retries = 0;
    policy.downloads.checkpoint_bytes = 10;
    policy
}

fn leaf(device: &Device, name: &str) -> Option<String> {
    device.get(&format!("./VMImgMO/img/{name}"))
}

fn key() -> DownloadKey {
    "img-1".parse().unwrap()
}

fn states(device: &Device) -> Vec<(ImageState, Option<ImageState>)> {
    let events = device.take_events().into_iter();
    let states = events.filter_map(|event| match event {
        Event::Image { from, to, .. } => Some((from, to)),
        _ => None,
    });
    states.collect()
}

/// VR-168, VR-169, VR-181 to VR-186, VR-247 to VR-252, rule 9: State 1 is durable before the
/// download begins; State 2, DownloadedLocation and the Image Ready Alert come in one batch.
#[test]
pub(crate) fn a_download_ends_in_state_2_and_an_alert_in_one_batch() {
    let mut device = device(IMAGE, Policy::default());
    let Answer::Pending(job, Reporting::Asynchronous) = device.begin(DOWNLOAD, Some("c-1")) else {
        panic!("not asynchronous");
    };
    assert_eq!(leaf(&device, "State").as_deref(), Some("1"));
    assert_eq!(device.journal.count(Space::DOWNLOADS), 1);
    assert_eq!(device.shelf.requests.lock().unwrap().len(), 0);
    assert_eq!(device.take_alerts(), [""; 0]);
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(leaf(&device, "State").as_deref(), Some("2"));
    assert_eq!(
        leaf(&device, "DownloadedLocation").as_deref(),
        Some("memory:img-1")
    );
    assert_eq!(device.store.kept.contents(&key()).as_deref(), Some(CONTENT));
    let alert = image_ready("img", Some("c-1"));
    assert!(device.journal.wrote_together("memory:img-1", &alert));
    assert_eq!(device.take_alerts(), [alert]);
    assert_eq!(device.journal.count(Space::DOWNLOADS), 0);
    let expected = [
        (ImageState::NotDownloaded, Some(ImageState::Downloading)),
        (ImageState::Downloading, Some(ImageState::Downloaded)),
    ];
    assert_eq!(states(&device), expected);
    device.check();
}

/// VR-186: the alert comes after a synchronous answer too.
#[test]
pub(crate) fn synchronous_reporting_of_downloads_is_a_policy() {
    let mut policy = Policy::default();
    policy.download_reporting = Reporting::Synchronous;
    let mut device = device(IMAGE, policy);
    let Answer::Pending(job, Reporting::Synchronous) = device.begin(DOWNLOAD, None) else {
        panic!("not synchronous");
    };
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(device.take_alerts(), [image_ready("img", None)]);
}

/// VR-183, spec-diff 4.19, 4.49: a download that is cut ends in State 3 without an alert; the next
/// goes on where it was.
#[test]
pub(crate) fn a_cut_download_fails_and_the_next_resumes() {
    let mut device = device(IMAGE, impatient());
    *device.shelf.cuts.lock().unwrap() = vec![20];
    assert_eq!(device.exec(DOWNLOAD), StatusCode::COMMAND_FAILED);
    assert_eq!(leaf(&device, "State").as_deref(), Some("3"));
    assert_eq!(leaf(&device, "DownloadedLocation"), None);
    assert_eq!(device.take_alerts(), [""; 0]);
    let failed = |event: &Event| matches!(event, Event::ImageFailed { .. });
    assert!(device.take_events().iter().any(failed));
    device.check();
    assert_eq!(device.exec(DOWNLOAD), StatusCode::OK);
    assert_eq!(
        *device.shelf.requests.lock().unwrap(),
        [format!("{IMAGE}+0"), format!("{IMAGE}+20")]
    );
    assert_eq!(device.store.kept.contents(&key()).as_deref(), Some(CONTENT));
    assert_eq!(device.take_alerts(), [image_ready("img", None)]);
    device.check();
}

/// What cannot be downloaded ends in State 3 with a status of its own, and can be mended.
#[test]
pub(crate) fn refused_downloads_end_in_state_3() {
    for (uri, media_type, status) in [
        (
            "ftp://images.example/a.img",
            MEDIA_TYPE,
            StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
        ),
        (
            "file:///etc/passwd",
            MEDIA_TYPE,
            StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
        ),
        ("a.img", MEDIA_TYPE, StatusCode::BAD_REQUEST),
        (
            "http://images.example/nothing",
            MEDIA_TYPE,
            StatusCode::COMMAND_FAILED,
        ),
        (
            IMAGE,
            "application/x-other",
            StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT,
        ),
    ] {
        let mut device = device(uri, impatient());
        assert_eq!(
            device.replace("./VMImgMO/img/MediaType", media_type),
            StatusCode::OK
        );
        assert_eq!(device.exec(DOWNLOAD), status, "{uri}");
        assert_eq!(leaf(&device, "State").as_deref(), Some("3"), "{uri}");
        assert_eq!(device.take_alerts(), [""; 0]);
        device.check();
        assert_eq!(
            device.replace("./VMImgMO/img/DownloadURI", IMAGE),
            StatusCode::OK
        );
        assert_eq!(
            device.replace("./VMImgMO/img/MediaType", MEDIA_TYPE),
            StatusCode::OK
        );
        assert_eq!(device.exec(DOWNLOAD), StatusCode::OK, "{uri}");
        device.check();
    }
}

#[test]
pub(crate) fn a_download_needs_its_parameters() {
    let mut device = Device::new();
    assert_eq!(device.add("./VMImgMO/img"), StatusCode::OK);
    assert_eq!(device.exec(DOWNLOAD), StatusCode::INCOMPLETE_COMMAND);
    assert_eq!(
        device.replace("./VMImgMO/img/DownloadURI", IMAGE),
        StatusCode::OK
    );
    assert_eq!(device.exec(DOWNLOAD), StatusCode::INCOMPLETE_COMMAND);
    assert_eq!(leaf(&device, "State").as_deref(), Some("0"));
}

/// spec-diff 4.8, 4.49: while it runs, neither a second download nor new parameters.
#[test]
pub(crate) fn a_running_download_is_left_alone() {
    let mut device = device(IMAGE, Policy::default());
    let Answer::Pending(job, _) = device.begin(DOWNLOAD, None) else {
        panic!("refused");
    };
    let refused = StatusCode::COMMAND_NOT_ALLOWED;
    assert_eq!(device.begin(DOWNLOAD, None), Answer::Done(refused));
    assert_eq!(
        device.replace("./VMImgMO/img/DownloadURI", "http://x/"),
        refused
    );
    assert_eq!(device.replace("./VMImgMO/img/MediaType", "a/b"), refused);
    assert_eq!(device.rename("./VMImgMO/img", "other"), refused);
    assert_eq!(
        device.replace("./VMImgMO/img/Name", "android"),
        StatusCode::OK
    );
    assert_eq!(device.run(job), StatusCode::OK);
    device.check();
}

/// spec-diff 4.49, 4.51: a downloaded image is fetched again only from another address; meanwhile
/// it has no location.
#[test]
pub(crate) fn a_downloaded_image_is_fetched_again_from_another_address_only() {
    let mut device = device(IMAGE, impatient());
    assert_eq!(device.exec(DOWNLOAD), StatusCode::OK);
    assert_eq!(device.exec(DOWNLOAD), StatusCode::COMMAND_NOT_ALLOWED);
    let other = "http://images.example/other.img";
    device.shelf.put(other, b"another image");
    assert_eq!(
        device.replace("./VMImgMO/img/DownloadURI", other),
        StatusCode::OK
    );
    device.restart();
    let Answer::Pending(job, _) = device.begin(DOWNLOAD, None) else {
        panic!("refused");
    };
    assert_eq!(leaf(&device, "DownloadedLocation"), None);
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(
        device.store.kept.contents(&key()).as_deref(),
        Some(&b"another image"[..])
    );
    assert_eq!(device.exec(DOWNLOAD), StatusCode::COMMAND_NOT_ALLOWED);
    device.check();
}

/// VR-171, VR-172, spec-diff 4.10, 4.12: Exec and DM Delete take image and node, in every state.
#[test]
pub(crate) fn an_image_is_deleted_in_every_state() {
    for by_exec in [true, false] {
        for state in ["0", "1", "2", "3"] {
            let mut device = device(IMAGE, impatient());
            match state {
                "1" => _ = device.begin(DOWNLOAD, None),
                "2" => _ = device.exec(DOWNLOAD),
                "3" => {
                    *device.shelf.cuts.lock().unwrap() = vec![20];
                    device.exec(DOWNLOAD);
                }
                _ => {}
            }
            assert_eq!(leaf(&device, "State").as_deref(), Some(state));
            device.take_alerts();
            let status = match by_exec {
                true => device.exec(DELETE),
                false => device.delete("./VMImgMO/img"),
            };
            assert_eq!(status, StatusCode::OK);
            assert_eq!(device.get("./VMImgMO/img"), None);
            device.run_all();
            assert_eq!(device.store.keys().unwrap(), []);
            for space in [Space::DOWNLOADS, Space::new("images")] {
                assert_eq!(device.journal.count(space), 0);
            }
            assert_eq!(device.take_alerts(), [""; 0]);
            let last = states(&device).last().copied().unwrap();
            assert_eq!(last.1, None);
            device.check();
        }
    }
}

/// VR-171: a download that runs is stopped, whatever it still writes is removed.
#[test]
pub(crate) fn deleting_an_image_stops_its_download() {
    let mut device = device(IMAGE, impatient());
    let Answer::Pending(job, _) = device.begin(DOWNLOAD, None) else {
        panic!("refused");
    };
    let (reached, at) = std::sync::mpsc::channel();
    let (go, gate) = std::sync::mpsc::channel();
    *device.shelf.interrupt.lock().unwrap() = Some(Box::new(move || {
        reached.send(()).unwrap();
        gate.recv().unwrap();
    }));
    let work = device.take(job);
    let worker = std::thread::spawn(move || in_job(|| work.run()));
    at.recv().unwrap();
    let Answer::Pending(discard, Reporting::Synchronous) = device.begin(DELETE, None) else {
        panic!("refused");
    };
    assert_eq!(device.take(discard).lane, "image img-1");
    go.send(()).unwrap();
    let output = worker.join().unwrap();
    assert_eq!(device.store.kept.contents(&key()), None, "it was stopped");
    device.complete(job, JobEnd::Finished(output));
    assert_eq!(device.shelf.requests.lock().unwrap().len(), 1);
    assert_eq!(device.get("./VMImgMO/img"), None);
    assert_eq!(device.take_alerts(), [""; 0]);
    // The job of the discarding was taken out above; a start makes up for it.
    device.restart();
    assert_eq!(device.store.keys().unwrap(), []);
    device.check();
}

/// A download that was answered with 202 is answered, also if its image is deleted meanwhile.
#[test]
pub(crate) fn a_download_that_is_stopped_is_reported() {
    for by_exec in [true, false] {
        let mut policy = impatient();
        policy.alert_type = Some("com.example.result".to_owned());
        let mut device = device(IMAGE, policy);
        let Answer::Pending(..) = device.begin(DOWNLOAD, Some("c-6")) else {
            panic!("refused");
        };
        match by_exec {
            true => _ = device.begin(DELETE, None),
            false => _ = device.delete("./VMImgMO/img"),
        }
        device.run_all();
        let alert = final_alert(DOWNLOAD, Some("c-6"), StatusCode::COMMAND_FAILED);
        assert_eq!(device.take_alerts(), [alert]);
        device.check();
    }
}

/// Rule 7: a Delete that is rolled back stops nothing and removes nothing.
#[test]
pub(crate) fn a_delete_that_is_rolled_back_leaves_the_download_alone() {
    let mut device = device(IMAGE, impatient());
    let Answer::Pending(job, _) = device.begin(DOWNLOAD, None) else {
        panic!("refused");
    };
    device.journal.fail_in.store(0, Ordering::SeqCst);
    assert_eq!(device.delete("./VMImgMO/img"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(leaf(&device, "State").as_deref(), Some("2"));
    device.check();
}

/// spec-diff 4.47: an image that a VM is being made from is not deleted, nor fetched again;
/// afterwards it may go without harm.
#[test]
pub(crate) fn an_image_in_use_is_kept() {
    let mut device = Device::new();
    device.provision("img", "");
    let other = "http://images.example/other.img";
    device.shelf.put(other, b"another image");
    assert_eq!(
        device.replace("./VMImgMO/img/DownloadURI", other),
        StatusCode::OK
    );
    let Answer::Pending(job, _) = device.begin("./VirMO/img/Operations/Create", None) else {
        panic!("refused");
    };
    let refused = StatusCode::COMMAND_NOT_ALLOWED;
    assert_eq!(device.exec_now(DELETE), refused);
    assert_eq!(device.exec_now(DOWNLOAD), refused);
    assert_eq!(device.delete("./VMImgMO/img"), refused);
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(device.exec(DELETE), StatusCode::OK);
    assert_eq!(device.operate("img", "Suspend"), StatusCode::OK);
    assert_eq!(device.operate("img", "Resume"), StatusCode::OK);
    assert_eq!(device.state("img"), Some(VmState::Running));
    device.check();
}

/// Files that cannot be removed are removed at the next start; the Exec behind it was answered.
#[test]
pub(crate) fn a_delete_that_was_reported_as_failed_is_not_reported_again() {
    let mut policy = impatient();
    policy.alert_type = Some("com.example.result".to_owned());
    let mut device = device(IMAGE, policy);
    device.store.stuck.store(true, Ordering::SeqCst);
    let Answer::Pending(job, _) = device.begin(DELETE, Some("c-4")) else {
        panic!("refused");
    };
    device.accept(job);
    assert_eq!(device.run(job), StatusCode::COMMAND_FAILED);
    let alert = final_alert(DELETE, Some("c-4"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.take_alerts(), [alert]);
    device.store.stuck.store(false, Ordering::SeqCst);
    device.restart();
    assert_eq!(device.take_alerts(), [""; 0]);
    device.check();
}

/// Files that cannot be removed are removed at the next start; the node is gone all the same.
#[test]
pub(crate) fn files_that_stay_are_removed_at_the_next_start() {
    let mut device = device(IMAGE, impatient());
    assert_eq!(device.exec(DOWNLOAD), StatusCode::OK);
    device.store.stuck.store(true, Ordering::SeqCst);
    assert_eq!(device.exec(DELETE), StatusCode::COMMAND_FAILED);
    assert_eq!(device.get("./VMImgMO/img"), None);
    device.store.stuck.store(false, Ordering::SeqCst);
    device.restart();
    assert_eq!(device.store.keys().unwrap(), []);
    device.check();
}

/// spec-diff 4.19: a download that failed after 202 ends in the vendor's alert, if there is a type.
#[test]
pub(crate) fn a_failed_download_is_reported_by_the_vendor_alert() {
    let mut policy = impatient();
    policy.alert_type = Some("com.example.result".to_owned());
    let mut device = device("http://images.example/nothing", policy);
    let Answer::Pending(job, _) = device.begin(DOWNLOAD, Some("c-2")) else {
        panic!("refused");
    };
    assert_eq!(device.run(job), StatusCode::COMMAND_FAILED);
    let alert = final_alert(DOWNLOAD, Some("c-2"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.take_alerts(), [alert]);
}

#[test]
pub(crate) fn progress_is_told_by_hundredths_and_at_the_end() {
    let device_policy = impatient();
    let mut device = device(IMAGE, device_policy);
    let large = vec![7; 100_000];
    device.shelf.put(IMAGE, &large);
    assert_eq!(device.exec(DOWNLOAD), StatusCode::OK);
    let events = device.take_events().into_iter();
    let progress: Vec<_> = events
        .filter_map(|event| match event {
            Event::Download { bytes, total, .. } => Some((bytes, total)),
            _ => None,
        })
        .collect();
    assert!((50..=102).contains(&progress.len()), "{}", progress.len());
    assert_eq!(progress.last(), Some(&(100_000, Some(100_000))));
    assert!(progress.is_sorted());
}

/// The journal fails when the outcome is to be kept: State stays 1, and a new Exec is taken.
#[test]
pub(crate) fn an_outcome_that_cannot_be_kept_is_no_dead_end() {
    let mut device = device(IMAGE, impatient());
    let Answer::Pending(job, _) = device.begin(DOWNLOAD, None) else {
        panic!("refused");
    };
    let work = device.take(job);
    let output = in_job(|| work.run());
    device.journal.fail_in.store(0, Ordering::SeqCst);
    assert_eq!(
        device.complete(job, JobEnd::Finished(output)),
        StatusCode::COMMAND_FAILED
    );
    assert_eq!(leaf(&device, "State").as_deref(), Some("1"));
    assert_eq!(device.exec(DOWNLOAD), StatusCode::OK);
    assert_eq!(device.take_alerts(), [image_ready("img", None)]);
    device.check();
}

/// Each 202 has its one alert, also where what follows comes before the end can be kept.
#[test]
pub(crate) fn a_download_whose_end_was_not_kept_is_reported_once() {
    let failed = |status| final_alert(DOWNLOAD, Some("c-1"), status);
    let given_up = failed(StatusCode::COMMAND_FAILED);
    type Follow = fn(&mut Device);
    let follows: [(Follow, Vec<String>); 5] = [
        (Device::resume, vec![image_ready("img", Some("c-1"))]),
        (
            |device| _ = device.exec(DOWNLOAD),
            vec![given_up.clone(), image_ready("img", None)],
        ),
        (|device| _ = device.exec(DELETE), vec![given_up.clone()]),
        (
            |device| _ = device.delete("./VMImgMO/img"),
            vec![given_up.clone()],
        ),
        (
            |device| _ = device.replace("./VMImgMO/img/DownloadURI", "nowhere"),
            vec![failed(StatusCode::BAD_REQUEST)],
        ),
    ];
    for (follow, alerts) in follows {
        for restarts in [false, true] {
            let mut policy = impatient();
            policy.alert_type = Some("com.example.result".to_owned());
            let mut device = device(IMAGE, policy);
            let Answer::Pending(job, _) = device.begin(DOWNLOAD, Some("c-1")) else {
                panic!("refused");
            };
            drop(device.take(job));
            device.journal.fail_in.store(0, Ordering::SeqCst);
            device.complete(job, JobEnd::Lost);
            follow(&mut device);
            match restarts {
                true => device.restart(),
                false => device.resume(),
            }
            device.run_all();
            assert_eq!(device.take_alerts(), alerts);
            device.resume();
            assert!(device.jobs.is_empty(), "it was taken up already");
            device.check();
        }
    }
}

#[test]
pub(crate) fn a_lost_download_is_a_failed_one() {
    let mut device = device(IMAGE, impatient());
    let Answer::Pending(job, _) = device.begin(DOWNLOAD, None) else {
        panic!("refused");
    };
    drop(device.take(job));
    assert_eq!(
        device.complete(job, JobEnd::Lost),
        StatusCode::COMMAND_FAILED
    );
    assert_eq!(leaf(&device, "State").as_deref(), Some("3"));
    device.check();
    assert_eq!(device.exec(DOWNLOAD), StatusCode::OK);
    assert_eq!(
        Arc::strong_count(&device.shelf),
        2,
        "no job holds the source"
    );
}

/// The tree has no room for DownloadedLocation: the download failed, and can be asked for again.
#[test]
pub(crate) fn a_location_the_tree_has_no_room_for_is_a_failed_download() {
    let mut policy = impatient();
    policy.alert_type = Some("com.example.result".to_owned());
    let mut device = device(IMAGE, policy);
    device.limits.nodes = device.size().0;
    device.restart();
    for _ in 0..2 {
        assert_eq!(device.exec(DOWNLOAD), StatusCode::DEVICE_FULL);
        let alert = final_alert(DOWNLOAD, None, StatusCode::DEVICE_FULL);
        assert_eq!(device.take_alerts(), [alert]);
        device.check();
        assert_eq!(leaf(&device, "State").as_deref(), Some("3"));
    }
    device.limits.nodes += 1;
    device.restart();
    assert_eq!(leaf(&device, "State").as_deref(), Some("3"));
    assert_eq!(device.exec(DOWNLOAD), StatusCode::OK);
    assert_eq!(device.take_alerts(), [image_ready("img", None)]);
    device.check();
}

/// An image behind a descriptor of this size, with its DownloadURI.
fn described(size: u64) -> (Device, &'static str) {
    let mut device = Device::new();
    let uri = "http://images.example/entvm.dd";
    let mut descriptor = Descriptor::new(MEDIA_TYPE, size, IMAGE.parse().unwrap());
    descriptor.install_notify_uri = Some("http://images.example/report".parse().unwrap());
    device.shelf.put(uri, &descriptor.to_xml());
    assert_eq!(device.add("./VMImgMO/img"), StatusCode::OK);
    for (leaf, text) in [("DownloadURI", uri), ("MediaType", MEDIA_TYPE)] {
        let leaf = format!("./VMImgMO/img/{leaf}");
        assert_eq!(device.add_leaf(&leaf, text), StatusCode::OK);
    }
    (device, "./VMImgMO/img/Operations/Download")
}

fn reports(device: &Device) -> Vec<String> {
    std::mem::take(&mut device.shelf.reports.lock().unwrap())
}

/// VR-156, spec-diff 4.52: a DownloadURI may lead to a descriptor; what it says holds, and what
/// came of it is reported.
#[cfg(feature = "descriptors")]
#[test]
fn an_image_may_be_behind_a_descriptor() {
    let (mut device, download) = described(36);
    assert_eq!(device.exec(download), StatusCode::OK);
    assert_eq!(device.get("./VMImgMO/img/State").as_deref(), Some("2"));
    assert_eq!(device.take_alerts(), [image_ready("img", None)]);
    let report = |what: &str| format!("http://images.example/report {what}\r\n");
    assert_eq!(reports(&device), [report("900 Success")]);
    device.check();

    let (mut device, download) = described(35);
    assert_eq!(device.exec(download), StatusCode::COMMAND_FAILED);
    assert_eq!(device.get("./VMImgMO/img/State").as_deref(), Some("3"));
    assert_eq!(reports(&device), [report("905 Attribute mismatch")]);
    assert_eq!(device.store.keys().unwrap(), [], "nothing is left");
    device.check();
}

#[cfg(not(feature = "descriptors"))]
#[test]
fn without_descriptors_one_is_a_failed_download() {
    let (mut device, download) = described(36);
    assert_eq!(
        device.exec(download),
        StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT
    );
    assert_eq!(device.get("./VMImgMO/img/State").as_deref(), Some("3"));
    assert_eq!(reports(&device), [""; 0]);
    device.check();
}

/// A server may say which SHA-256 digest an image has, below the vendor extensions; another file is
/// none.
#[test]
fn an_image_has_the_digest_that_a_server_wrote() {
    // Of "0123456789abcdefghijklmnopqrstuvwxyz".
    let right = "74E7E5BB9D22D6DB26BF76946D40FFF3EA9F0346B884FD0694920FCCFAD15E33";
    for (text, status, state) in [
        (right.to_owned(), StatusCode::OK, "2"),
        (right.to_lowercase(), StatusCode::OK, "2"),
        (right.replace('7', "8"), StatusCode::COMMAND_FAILED, "3"),
        (right.replacen('7', "", 1), StatusCode::BAD_REQUEST, "3"),
        (right.replace('7', "+"), StatusCode::BAD_REQUEST, "3"),
        (String::new(), StatusCode::OK, "2"),
    ] {
        let mut device = Device::new();
        assert_eq!(device.add("./VMImgMO/img"), StatusCode::OK);
        for (leaf, value) in [
            ("DownloadURI", IMAGE),
            ("MediaType", MEDIA_TYPE),
            ("Ext/SHA256", &text),
        ] {
            let leaf = format!("./VMImgMO/img/{leaf}");
            assert_eq!(device.add_leaf(&leaf, value), StatusCode::OK, "{leaf}");
        }
        let answer = device.exec("./VMImgMO/img/Operations/Download");
        assert_eq!(answer, status, "{text}");
        assert_eq!(device.get("./VMImgMO/img/State").as_deref(), Some(state));
        device.check();
    }
}

/// A device on which a download was answered with 202 and cannot be read once it is taken up again.
fn unreadable() -> (Device, JobId) {
    let mut policy = impatient();
    policy.alert_type = Some("com.example.result".to_owned());
    let mut device = device(IMAGE, policy);
    let Answer::Pending(job, _) = device.begin(DOWNLOAD, Some("c-1")) else {
        panic!("refused");
    };
    device.accept(job);
    drop(device.take(job));
    device.journal.unreadable.store(1, Ordering::SeqCst);
    (device, job)
}

/// State says what the alert says.
#[test]
fn a_download_that_cannot_go_on_has_failed() {
    for restarts in [false, true] {
        let (mut device, job) = unreadable();
        if restarts {
            device.boot();
        } else {
            device.journal.fail_in.store(0, Ordering::SeqCst);
            device.complete(job, JobEnd::Lost);
            device.resume();
        }
        device.run_all();
        assert_eq!(leaf(&device, "State").as_deref(), Some("3"));
        let told = final_alert(DOWNLOAD, Some("c-1"), StatusCode::COMMAND_FAILED);
        assert_eq!(device.take_alerts(), [told]);
        let events = device.take_events().into_iter();
        let failures = events.filter(|event| matches!(event, Event::ImageFailed { .. }));
        assert_eq!(failures.count(), 1);
        assert_eq!(device.exec(DOWNLOAD), StatusCode::OK);
        device.check();
    }
}

/// What the tree has no room for is not reported before it has.
#[test]
fn a_download_that_cannot_go_on_is_not_forgotten() {
    let (mut device, _) = unreadable();
    let room = device.limits.total_bytes;
    device.limits.total_bytes = 0;
    device.boot();
    assert!(device.is_due);
    assert_eq!(device.take_alerts(), [""; 0]);
    assert_eq!(leaf(&device, "State").as_deref(), Some("1"));
    device.journal.unreadable.store(1, Ordering::SeqCst);
    device.resume();
    assert!(device.is_due, "again and again");
    device.limits.total_bytes = room;
    device.restart();
    assert_eq!(device.take_alerts(), [image_ready("img", Some("c-1"))]);
    device.check();
}
