//! The contract of `Sink` in memory and on files.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex},
};

use omadm_core::{FileStep, FileWatch};
use omadm_download::{DownloadKey, MemorySink, Sink, SinkErrorKind};
use omadm_store::FileSink;
use tempfile::TempDir;

/// A way to read back what a sink holds.
type Contents<'a> = &'a dyn Fn(&DownloadKey) -> Option<Vec<u8>>;

/// Runs a test on every implementation, each time on an empty sink.
fn on_each(test: impl Fn(&dyn Sink, Contents<'_>)) {
    let memory = MemorySink::new();
    test(&memory, &|key| memory.contents(key));
    let directory = TempDir::new().unwrap();
    let files = FileSink::open(directory.path().join("images")).unwrap();
    test(&files, &|key| {
        let location = files.location(key).unwrap()?;
        assert!(Path::new(&location).is_absolute());
        Some(fs::read(location).unwrap())
    });
}

fn key(text: &str) -> DownloadKey {
    text.parse().unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T, omadm_download::SinkError>) -> SinkErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn bytes_go_where_they_belong_and_appear_when_finished() {
    on_each(|sink, contents| {
        let key = key("entvm");
        assert_eq!(sink.len(&key).unwrap(), None);
        sink.reserve(&key, Some(10)).unwrap();
        assert_eq!(sink.len(&key).unwrap(), Some(0));
        sink.write_at(&key, 0, b"hello").unwrap();
        sink.write_at(&key, 5, b" wor").unwrap();
        sink.write_at(&key, 1, b"E").unwrap();
        sink.sync(&key).unwrap();
        assert_eq!(sink.len(&key).unwrap(), Some(9));
        assert_eq!((sink.location(&key).unwrap(), contents(&key)), (None, None));

        let location = sink.finish(&key).unwrap();
        assert_eq!(sink.location(&key).unwrap(), Some(location.clone()));
        assert_eq!(contents(&key), Some(b"hEllo wor".to_vec()));
        assert_eq!(sink.len(&key).unwrap(), None);
        assert_eq!(sink.finish(&key).unwrap(), location);
    });
}

#[test]
fn reserving_again_keeps_what_is_there() {
    on_each(|sink, contents| {
        let key = key("a");
        sink.reserve(&key, None).unwrap();
        sink.write_at(&key, 0, b"kept").unwrap();
        sink.reserve(&key, Some(100)).unwrap();
        assert_eq!(sink.len(&key).unwrap(), Some(4));
        sink.finish(&key).unwrap();
        assert_eq!(contents(&key), Some(b"kept".to_vec()));
    });
}

#[test]
fn truncating_cuts_and_never_adds() {
    on_each(|sink, contents| {
        let key = key("a");
        sink.reserve(&key, None).unwrap();
        sink.write_at(&key, 0, b"0123456789").unwrap();
        for (length, left) in [(20, 10), (10, 10), (4, 4), (7, 4), (0, 0)] {
            sink.truncate(&key, length).unwrap();
            assert_eq!(sink.len(&key).unwrap(), Some(left));
        }
        sink.write_at(&key, 2, b"x").unwrap();
        sink.finish(&key).unwrap();
        assert_eq!(contents(&key), Some(b"\0\0x".to_vec()));
    });
}

#[test]
fn a_new_file_takes_the_place_of_the_old_one_when_it_is_finished() {
    on_each(|sink, contents| {
        let key = key("a");
        for version in [&b"a longer first version"[..], b"second"] {
            let before = contents(&key);
            sink.reserve(&key, None).unwrap();
            sink.write_at(&key, 0, version).unwrap();
            assert_eq!(contents(&key), before);
            sink.finish(&key).unwrap();
            assert_eq!(contents(&key), Some(version.to_vec()));
        }
    });
}

/// VR-171: an image is deleted whether it is there in whole, in part or not at all.
#[test]
fn discarding_removes_everything_and_may_be_repeated() {
    on_each(|sink, contents| {
        let (gone, stays) = (key("a"), key("b"));
        for key in [&gone, &stays] {
            sink.reserve(key, None).unwrap();
            sink.finish(key).unwrap();
            sink.reserve(key, None).unwrap();
            sink.write_at(key, 0, b"new").unwrap();
        }
        for _ in 0..2 {
            sink.discard(&gone).unwrap();
            assert_eq!((sink.len(&gone).unwrap(), contents(&gone)), (None, None));
        }
        assert_eq!(kind(sink.finish(&gone)), SinkErrorKind::Missing);
        assert_eq!(sink.keys().unwrap(), std::slice::from_ref(&stays));
        sink.finish(&stays).unwrap();
        assert_eq!(contents(&stays), Some(b"new".to_vec()));
        sink.reserve(&gone, None).unwrap();
        assert_eq!(sink.len(&gone).unwrap(), Some(0));
    });
}

#[test]
fn a_missing_partial_file_is_told() {
    on_each(|sink, _| {
        let key = key("a");
        assert_eq!(kind(sink.write_at(&key, 0, b"x")), SinkErrorKind::Missing);
        assert_eq!(kind(sink.truncate(&key, 0)), SinkErrorKind::Missing);
        assert_eq!(kind(sink.sync(&key)), SinkErrorKind::Missing);
        assert_eq!(kind(sink.finish(&key)), SinkErrorKind::Missing);
        sink.discard(&key).unwrap();
        assert_eq!(sink.location(&key).unwrap(), None);
        assert_eq!(sink.keys().unwrap(), []);
    });
}

#[test]
fn keys_are_apart_whatever_they_look_like() {
    on_each(|sink, contents| {
        let mut keys: Vec<_> = [
            "a",
            "a.part",
            "A",
            "../a",
            "a/b",
            ".",
            "%61",
            "ü",
            "a.part.part",
        ]
        .map(key)
        .into();
        for key in &keys {
            sink.reserve(key, None).unwrap();
            sink.write_at(key, 0, key.as_str().as_bytes()).unwrap();
        }
        for key in &keys {
            sink.finish(key).unwrap();
            sink.reserve(key, None).unwrap();
        }
        for key in &keys {
            assert_eq!(contents(key), Some(key.as_str().as_bytes().to_vec()));
        }
        keys.sort();
        assert_eq!(sink.keys().unwrap(), keys);
    });
}

#[test]
fn a_length_beyond_the_medium_finds_no_room() {
    on_each(|sink, _| {
        let key = key("a");
        assert_eq!(
            kind(sink.reserve(&key, Some(u64::MAX))),
            SinkErrorKind::NoSpace
        );
        assert_eq!(sink.len(&key).unwrap(), None);
    });
}

/// A threat no key may be: every file lies directly in the directory of the sink.
#[test]
fn no_key_leads_out_of_the_directory() {
    let directory = TempDir::new().unwrap();
    let sink = FileSink::open(directory.path().join("images")).unwrap();
    for text in [
        "../x",
        "/etc/x",
        "..",
        "a/../../x",
        "..\\x",
        "%2e%2e%2fx",
        "C:x",
        "~x",
    ] {
        let key = key(text);
        sink.reserve(&key, None).unwrap();
        let location = sink.finish(&key).unwrap();
        assert_eq!(
            Path::new(&location).parent(),
            Some(sink.directory()),
            "{text}"
        );
    }
    let outside: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(outside.len(), 1);
}

#[test]
fn files_stay_and_go_on_in_another_process() {
    let directory = TempDir::new().unwrap();
    let open = || FileSink::open(directory.path()).unwrap();
    let key = key("a");
    let sink = open();
    sink.reserve(&key, None).unwrap();
    sink.write_at(&key, 0, b"hello").unwrap();
    drop(sink);
    let sink = open();
    assert_eq!(sink.len(&key).unwrap(), Some(5));
    sink.write_at(&key, 5, b"!").unwrap();
    let location = sink.finish(&key).unwrap();
    drop(sink);
    assert_eq!(open().location(&key).unwrap(), Some(location.clone()));
    assert_eq!(fs::read(location).unwrap(), b"hello!");
}

/// A file that is closed for others takes no error with it.
#[test]
fn what_is_closed_is_synced_or_said_not_to_be() {
    let directory = TempDir::new().unwrap();
    let synced = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&synced);
    let watch = FileWatch::new(move |step| {
        let FileStep::Sync(path) = step else {
            return Ok(());
        };
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let fails = name == "bad.part" && !told.lock().unwrap().contains(&name);
        told.lock().unwrap().push(name);
        if fails {
            Err(io::Error::other("lost"))
        } else {
            Ok(())
        }
    });
    let sink = FileSink::open(directory.path()).unwrap().watch_files(watch);
    let synced = |name: &str| {
        synced
            .lock()
            .unwrap()
            .iter()
            .filter(|it| *it == name)
            .count()
    };
    let (bad, good, read) = (key("bad"), key("good"), key("read"));
    for key in [&bad, &good, &read] {
        sink.reserve(key, None).unwrap();
    }
    sink.write_at(&bad, 0, b"a").unwrap();
    sink.write_at(&good, 0, b"a").unwrap();
    sink.read_at(&read, 0, &mut [0]).unwrap();
    for number in 0..FileSink::MAX_OPEN {
        let key = key(&format!("k{number}"));
        sink.reserve(&key, None).unwrap();
        sink.write_at(&key, 0, b"a").unwrap();
    }
    assert_eq!((synced("bad.part"), synced("good.part")), (1, 1));
    assert_eq!((synced("read.part"), synced("k0.part")), (0, 0), "needless");
    assert_eq!(sink.sync(&bad).unwrap_err().kind(), SinkErrorKind::Io);
    sink.sync(&good).unwrap();
    sink.finish(&bad).unwrap();
}

/// Downloads that failed for good leave their partial files, and no open file.
#[cfg(target_os = "linux")]
#[test]
fn few_files_are_open_however_many_downloads_failed() {
    let directory = TempDir::new().unwrap();
    let sink = FileSink::open(directory.path()).unwrap();
    let place = sink.directory().to_owned();
    let held = || {
        let files = fs::read_dir("/proc/self/fd").unwrap();
        let files = files.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
        files.filter(|file| file.starts_with(&place)).count()
    };
    let keys: Vec<_> = (0..200).map(|number| key(&format!("k{number}"))).collect();
    for key in &keys {
        sink.reserve(key, None).unwrap();
        sink.truncate(key, 0).unwrap();
        sink.write_at(key, 0, key.as_str().as_bytes()).unwrap();
        assert!(held() <= FileSink::MAX_OPEN);
    }
    assert_eq!(held(), FileSink::MAX_OPEN, "those in use stay open");
    for key in &keys {
        sink.write_at(key, key.as_str().len() as u64, b"!").unwrap();
        let location = sink.finish(key).unwrap();
        assert_eq!(fs::read(location).unwrap(), format!("{key}!").as_bytes());
    }
    assert_eq!(held(), 0);
}

#[test]
fn foreign_files_are_left_alone() {
    let directory = TempDir::new().unwrap();
    for name in [".keep", "no key.txt", "journal redb"] {
        fs::write(directory.path().join(name), name).unwrap();
    }
    let sink = FileSink::open(directory.path()).unwrap();
    assert_eq!(sink.keys().unwrap(), []);
}

#[cfg(unix)]
#[test]
fn the_headroom_stays_free() {
    let directory = TempDir::new().unwrap();
    let sink = FileSink::open(directory.path())
        .unwrap()
        .with_headroom(u64::MAX / 2);
    let key = key("a");
    assert_eq!(kind(sink.reserve(&key, None)), SinkErrorKind::NoSpace);
    let sink = sink.with_headroom(0);
    sink.reserve(&key, Some(1)).unwrap();
    sink.write_at(&key, 0, b"x").unwrap();
    let sink = sink.with_headroom(u64::MAX / 2);
    assert_eq!(kind(sink.sync(&key)), SinkErrorKind::NoSpace);
}
