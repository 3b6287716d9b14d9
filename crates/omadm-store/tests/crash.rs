//! Kills a process with SIGKILL while it commits batches and while it downloads, opens what it
//! left and compares that with what it had reported.
//!
//! The program runs itself: without arguments it is the judge, with a role and a directory it is
//! the process to be killed. `CRASH_ROUNDS` sets the number of kills in each role.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    ops::ControlFlow,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use omadm_core::{Batch, Journal, Space};
use omadm_download::{
    Cancel, Clock, Content, Download, DownloadKey, Ending, Environment, Fetch, FetchError,
    FetchRequest, Finished, Policy, Receiver, ResponseHead, Validator,
};
use omadm_store::{FileSink, RedbJournal};
use tempfile::TempDir;

const ROUNDS: u64 = 12;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("commit") => commit_forever(Path::new(&arguments[2])),
        Some("download") => _ = download(Path::new(&arguments[2]), &mut report),
        // `cargo test` may pass options of its own harness.
        _ => judge(),
    }
}

fn judge() {
    let rounds = env::var("CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut random = Random(0x5DEE_CE66);
    let batches = kill_commits(rounds, &mut random);
    let (kills, fetched) = kill_downloads(rounds, &mut random);
    println!(
        "{rounds} kills in {batches} commits and {kills} in downloads of {LENGTH} bytes \
         ({fetched} fetched after kills); nothing reported was lost"
    );
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// Runs this program in a role, kills it after it has reported so many lines, and returns all it
/// has reported.
fn run_and_kill(role: &str, directory: &Path, lines: u64) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([role.as_ref(), directory.as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reported = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        reported.push(line.unwrap());
        if reported.len() as u64 == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    reported
}

fn report(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

/// Batch n: the same number in two spaces, a large record, and the removal of an old one.
fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(Space::TREE, "last", number.to_be_bytes());
    batch.put(Space::ALERTS, number.to_be_bytes(), large(number));
    if let Some(old) = number.checked_sub(5) {
        batch.remove(Space::ALERTS, old.to_be_bytes());
    }
    batch.put(Space::INTENTS, "last", number.to_be_bytes());
    batch
}

fn large(number: u64) -> Vec<u8> {
    vec![number as u8; (number * 997 % 20_000) as usize]
}

/// The number of the last batch in the journal; panics if batches are mixed.
fn last(journal: &RedbJournal) -> Option<u64> {
    let number = |space| {
        let record = journal.read(space, b"last").unwrap()?;
        Some(u64::from_be_bytes(record.try_into().unwrap()))
    };
    let last = number(Space::TREE)?;
    assert_eq!(number(Space::INTENTS), Some(last));
    let mut expected = last.saturating_sub(4);
    let mut visit = |key: &[u8], value: &[u8]| {
        assert_eq!(key, expected.to_be_bytes());
        assert!(value == large(expected), "record {expected}");
        expected += 1;
    };
    journal.scan(Space::ALERTS, &mut visit).unwrap();
    assert_eq!(expected, last + 1);
    Some(last)
}

fn commit_forever(directory: &Path) {
    let journal = RedbJournal::open(directory.join("journal")).unwrap();
    let first = last(&journal).map_or(0, |last| last + 1);
    for number in first.. {
        journal.commit(&batch(number)).unwrap();
        report(&number.to_string());
    }
}

fn kill_commits(rounds: u64, random: &mut Random) -> u64 {
    let directory = TempDir::new().unwrap();
    let mut batches = 0;
    for round in 0..rounds {
        let lines = 1 + random.below(12);
        let reported = run_and_kill("commit", directory.path(), lines);
        let reported: u64 = reported.last().unwrap().parse().unwrap();
        let journal = RedbJournal::open(directory.path().join("journal")).unwrap();
        let found = last(&journal).unwrap();
        assert!(
            found == reported || found == reported + 1,
            "round {round}: {reported} was reported, {found} is there"
        );
        batches = found + 1;
    }
    batches
}

const LENGTH: usize = 400_000;
const CHUNK: usize = 1000;
const CHECKPOINT: usize = 20_000;

fn image() -> Vec<u8> {
    (0..LENGTH).map(|n| (n * 7 + n / 251) as u8).collect()
}

struct NoWait;

impl Clock for NoWait {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn wait(&self, _: Duration, _: &Cancel) {}
}

/// A good server, without the network.
struct Source;

impl Fetch for Source {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        let first = request.resume.map(|resume| resume.from);
        let total = Some(LENGTH as u64);
        let mut head = ResponseHead::new(match first {
            Some(first) => Content::Part { first, total },
            None => Content::Whole { length: total },
        });
        head.media_type = Some("a/b".to_owned());
        head.validator = Some(Validator::new("\"1\""));
        let mut flow = receiver.head(&head);
        for chunk in image()[first.unwrap_or(0) as usize..].chunks(CHUNK) {
            if flow == ControlFlow::Break(()) {
                return Ok(Ending::Stopped);
            }
            flow = receiver.chunk(chunk);
        }
        Ok(Ending::Complete)
    }
}

/// Downloads into a directory; tells where it starts and each piece.
fn download(directory: &Path, report: &mut dyn FnMut(&str)) -> Finished {
    let journal = RedbJournal::open(directory.join("journal")).unwrap();
    let sink = FileSink::open(directory.join("images")).unwrap();
    let key: DownloadKey = "entvm".parse().unwrap();
    let uri = "http://images.example/entvm.img".parse().unwrap();
    let mut policy = Policy::default();
    policy.checkpoint_bytes = CHECKPOINT as u64;
    let environment = Environment {
        fetch: &Source,
        sink: &sink,
        journal: &journal,
        clock: &NoWait,
        policy: &policy,
        cancel: &Cancel::new(),
    };
    let mut download = Download::prepare(&journal, &key, &uri, "a/b").unwrap();
    report(&download.progress().received.to_string());
    let mut tell = |progress: omadm_download::Progress| report(&progress.received.to_string());
    download.run(&environment, &mut tell).unwrap()
}

fn kill_downloads(rounds: u64, random: &mut Random) -> (u64, u64) {
    let mut kills = 0;
    let mut fetched = 0;
    while kills < rounds {
        let directory = TempDir::new().unwrap();
        let mut reached = 0;
        loop {
            let lines = 1 + random.below(100);
            let reported = run_and_kill("download", directory.path(), lines);
            let numbers: Vec<u64> = reported.iter().map(|line| line.parse().unwrap()).collect();
            // All but the bytes since the last checkpoint is still there.
            let kept = numbers[0];
            assert!(
                kept + (CHECKPOINT + CHUNK) as u64 > reached,
                "{kept} kept of {reached}"
            );
            reached = numbers.last().copied().unwrap();
            if reached == LENGTH as u64 {
                break;
            }
            kills += 1;
            fetched += reached.saturating_sub(kept);
        }
        let finished = download(directory.path(), &mut |_| {});
        assert_eq!(finished.bytes, LENGTH as u64);
        assert!(std::fs::read(finished.location).unwrap() == image());
    }
    (kills, fetched)
}
