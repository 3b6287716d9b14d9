//! A [`FileSink`] keeps what the contract of a sink says when the power goes.

use std::{fs, path::Path};

use omadm_core::FileWatch;
use omadm_download::{DownloadKey, Sink, SinkError};
use omadm_store::FileSink;
use omadm_testkit::{Power, PowerCut};

use crate::{folder::VolatileFolder, world::scratch};

type Step = fn(&FileSink, &DownloadKey) -> Result<(), SinkError>;

/// What is done to a file, one after the other; each may be done again when it failed.
const STEPS: [Step; 7] = [
    |sink, key| sink.reserve(key, None),
    |sink, key| {
        sink.write_at(key, 0, b"first")?;
        sink.sync(key)
    },
    |sink, key| {
        if sink.len(key)?.is_some() {
            sink.write_at(key, 5, b"second")?;
        }
        sink.finish(key).map(drop)
    },
    |sink, key| sink.reserve(key, None),
    |sink, key| {
        sink.write_at(key, 0, b"another, and longer")?;
        sink.truncate(key, 7)?;
        sink.sync(key)
    },
    |sink, key| sink.finish(key).map(drop),
    |sink, key| sink.discard(key),
];

/// What is wrong when so many of [`STEPS`] are done, and the next one may be under way.
fn lost(done: usize, folder: &Path) -> Option<String> {
    let read = |name: &str| fs::read(folder.join(name)).ok();
    let (partial, finished) = (read("a.part"), read("a"));
    let is = |file: &Option<Vec<u8>>, bytes: &[u8]| file.as_deref() == Some(bytes);
    let begins = partial.as_ref().is_some_and(|it| it.starts_with(b"first"));
    let (old, new) = (is(&finished, b"firstsecond"), is(&finished, b"another"));
    let kept = match done {
        0 => true,
        1 => partial.is_some(),
        2 => begins || old,
        3 => old,
        4 => old && partial.is_some(),
        5 => old && is(&partial, b"another") || new,
        6 => new,
        _ => (&partial, &finished) == (&None, &None),
    };
    (!kept).then(|| format!("after {done} steps: {partial:?}, {finished:?}"))
}

/// A way for the power to go that nobody hopes for.
fn cuts() -> impl Iterator<Item = PowerCut> {
    let lucks = (0..10).flat_map(|seed| [PowerCut::Mix(seed), PowerCut::Tear(seed)]);
    [PowerCut::Drop, PowerCut::Keep].into_iter().chain(lucks)
}

/// What is lost where this change fails, and the power goes then; or, if it is done `again`, after
/// the step it is of. None if there are not so many changes.
fn lost_at(change: usize, how: PowerCut, again: bool) -> Option<Vec<String>> {
    let root = scratch();
    let power = Power::default();
    let folder = VolatileFolder::new(root.path(), &power);
    let watched = folder.clone();
    let sink = FileSink::open(root.path()).unwrap().with_headroom(0);
    let sink = sink.watch_files(FileWatch::new(move |step| watched.step(step)));
    let key = "a".parse().unwrap();
    power.lasts_for(change);
    for (done, step) in STEPS.iter().enumerate() {
        if step(&sink, &key).is_ok() {
            continue;
        }
        power.comes_back();
        let done = match again {
            true => {
                step(&sink, &key).unwrap();
                done + 1
            }
            // What is to be removed is there or not.
            false if done == 6 => 0,
            false => done,
        };
        folder.cut(how);
        return Some(lost(done, root.path()).into_iter().collect());
    }
    None
}

/// The power goes at each change of a file, or each change fails once and the power goes when what it
/// is of is done: what was synced or finished is there, what was discarded is not.
#[test]
fn files_keep_what_their_sink_promised() {
    let mut points = 0;
    for how in cuts() {
        for again in [false, true] {
            for change in 0.. {
                let Some(lost) = lost_at(change, how, again) else {
                    break;
                };
                assert_eq!(lost, [""; 0], "{how:?} at {change}, again: {again}");
                points += 1;
            }
        }
    }
    println!("files of images: {points} points");
    assert!(points > 500, "only {points} points");
}
