//! A file system that is full: a small one of its own, where the test may mount one.

use std::{
    io::{self, Write},
    path::Path,
    process::Command,
};

use omadm_download::{DownloadKey, Sink, SinkError, SinkErrorKind};
use omadm_store::FileSink;
use tempfile::TempDir;

const KIB: usize = 1 << 10;

/// A file system of 256 KiB; unmounted when dropped.
struct Small(TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]);
        let mounted = mount.arg(folder.path()).status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).status());
    }
}

fn kind<T>(result: Result<T, SinkError>) -> Option<SinkErrorKind> {
    result.err().map(|error| error.kind())
}

/// A file too long is refused before it comes, one of unknown length when there is no room left;
/// what was written stays, and there is room again when it is discarded.
#[test]
fn a_full_file_system_is_no_space_and_loses_nothing() {
    let Some(small) = Small::mount() else {
        // The harness would swallow what a macro prints.
        let said = b"SKIPPED: no tmpfs can be mounted here, so no file system was filled\n";
        return io::stderr().write_all(said).unwrap();
    };
    let sink = FileSink::open(small.path()).unwrap().with_headroom(0);
    let [kept, grown]: [DownloadKey; 2] = ["kept", "grown"].map(|key| key.parse().unwrap());
    sink.reserve(&kept, Some(64 << 10)).unwrap();
    sink.write_at(&kept, 0, &[1; 64 * KIB]).unwrap();
    sink.sync(&kept).unwrap();
    let location = sink.finish(&kept).unwrap();

    let too_long = sink.reserve(&grown, Some(1 << 20));
    assert_eq!(kind(too_long), Some(SinkErrorKind::NoSpace));
    sink.reserve(&grown, None).unwrap();
    let chunk = [2; 16 * KIB];
    let written = (0u64..).find_map(|number| {
        let failed = kind(sink.write_at(&grown, number * chunk.len() as u64, &chunk))?;
        Some((number, failed))
    });
    let (written, failed) = written.unwrap();
    assert_eq!(failed, SinkErrorKind::NoSpace);
    assert!((1..16).contains(&written), "{written} chunks");
    let mut read = vec![0; chunk.len()];
    let length = sink.read_at(&grown, (written - 1) * chunk.len() as u64, &mut read);
    assert_eq!((length.unwrap(), &read[..]), (chunk.len(), &chunk[..]));
    assert_eq!(std::fs::read(&location).unwrap(), vec![1; 64 * KIB]);

    sink.discard(&grown).unwrap();
    assert_eq!(sink.keys().unwrap(), [kept]);
    sink.reserve(&grown, Some(128 << 10)).unwrap();
    for number in 0..8 {
        sink.write_at(&grown, number * chunk.len() as u64, &chunk)
            .unwrap();
    }
    sink.finish(&grown).unwrap();
}
