//! Shares of the CPU, by control groups: QEMU itself has no such knob.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The period of a quota, in microseconds: short, so that a small share still answers soon.
const PERIOD: u64 = 20_000;
/// The smallest quota the kernel takes, in microseconds.
const LEAST: u64 = 1_000;

/// The control groups of the system that can limit the CPU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Groups {
    /// Version 1: threads are limited one by one.
    Threads(PathBuf),
    /// Version 2: whole processes are.
    Processes(PathBuf),
}

impl Groups {
    /// What the system has and lets us use.
    pub(crate) fn find(root: &Path) -> Option<Self> {
        let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
        if controllers.split_whitespace().any(|name| name == "cpu") {
            let enabled = fs::read_to_string(root.join("cgroup.subtree_control")).ok()?;
            let enabled = enabled.split_whitespace().any(|name| name == "cpu");
            return (enabled && is_writable(root)).then(|| Self::Processes(root.to_owned()));
        }
        let version_1 = root.join("cpu");
        let is_usable = version_1.join("cpu.cfs_quota_us").exists() && is_writable(&version_1);
        is_usable.then_some(Self::Threads(version_1))
    }

    fn group(&self, uuid: &str) -> PathBuf {
        let (Self::Threads(root) | Self::Processes(root)) = self;
        root.join(format!("virmo-{uuid}"))
    }

    /// Gives threads of a process so many hundredths of all CPUs.
    pub(crate) fn limit(
        &self,
        uuid: &str,
        percent: u8,
        process: u64,
        threads: &[u64],
    ) -> io::Result<()> {
        let group = self.group(uuid);
        match fs::create_dir(&group) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.set(uuid, percent)?;
        match self {
            Self::Threads(_) => threads
                .iter()
                .try_for_each(|thread| fs::write(group.join("tasks"), thread.to_string())),
            Self::Processes(_) => fs::write(group.join("cgroup.procs"), process.to_string()),
        }
    }

    /// Changes the limit of a group that is there.
    pub(crate) fn set(&self, uuid: &str, percent: u8) -> io::Result<()> {
        let group = self.group(uuid);
        let quota = quota(percent);
        match self {
            Self::Threads(_) => {
                fs::write(group.join("cpu.cfs_period_us"), PERIOD.to_string())?;
                fs::write(group.join("cpu.cfs_quota_us"), quota.to_string())
            }
            Self::Processes(_) => fs::write(group.join("cpu.max"), format!("{quota} {PERIOD}")),
        }
    }

    /// Removes a group whose process has ended; none is as good.
    pub(crate) fn remove(&self, uuid: &str) -> io::Result<()> {
        match fs::remove_dir(self.group(uuid)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A share of all CPUs as time within a period.
fn quota(percent: u8) -> u64 {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    (u64::from(percent) * cpus * PERIOD / 100).max(LEAST)
}

fn is_writable(root: &Path) -> bool {
    // Each look has a probe of its own: places are opened side by side.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let probe = root.join(format!("virmo-probe-{}-{number}", std::process::id()));
    let made = fs::create_dir(&probe);
    let _ = fs::remove_dir(&probe);
    made.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_where_they_can_limit() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(Groups::find(root), None);
        let version_1 = root.join("cpu");
        fs::create_dir(&version_1).unwrap();
        assert_eq!(Groups::find(root), None);
        fs::write(version_1.join("cpu.cfs_quota_us"), "-1").unwrap();
        assert_eq!(Groups::find(root), Some(Groups::Threads(version_1)));
        fs::write(root.join("cgroup.controllers"), "cpuset cpu io\n").unwrap();
        fs::write(root.join("cgroup.subtree_control"), "io\n").unwrap();
        assert_eq!(Groups::find(root), None, "not enabled below");
        fs::write(root.join("cgroup.subtree_control"), "cpu io\n").unwrap();
        assert_eq!(Groups::find(root), Some(Groups::Processes(root.to_owned())));
    }

    #[test]
    fn who_looks_beside_another_finds_the_same() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!((0..500).all(|_| is_writable(folder.path()))));
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_share_is_of_all_cpus() {
        let all = quota(100);
        assert_eq!(all % PERIOD, 0);
        assert_eq!(quota(50), all / 2);
        assert!(quota(1) >= LEAST);
        assert_eq!(quota(0), LEAST);
    }
}
