//! What something costs as it grows: instructions, counted by valgrind.

use std::{
    env,
    io::ErrorKind,
    process::{Command, Output},
};

/// What a child is to do.
const TASK: &str = "WORK_OF_TEST";

/// The kind of work and its size, if the test binary runs as the child of [`growth`]: its test named
/// `task` asks for them, and does that.
#[must_use]
pub fn task() -> Option<(String, usize)> {
    let task = env::var(TASK).ok()?;
    let (kind, size) = task.rsplit_once(' ').unwrap();
    Some((kind.to_owned(), size.parse().unwrap()))
}

/// How much more instructions the step from twice a size to four times takes than the step to twice,
/// in thousandths: 2000 is right for what grows as its size does.
///
/// Without valgrind it is `None`, which is said aloud, but a panic if the environment has `CI=true`.
#[must_use]
pub fn growth(kind: &str, size: usize) -> Option<u64> {
    let mut counts = [0; 3];
    for (count, times) in counts.iter_mut().zip([1, 2, 4]) {
        *count = instructions(kind, times * size)?;
    }
    let [first, second, third] = counts;
    Some((third - second) * 1000 / (second - first))
}

fn instructions(kind: &str, size: usize) -> Option<u64> {
    let run = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg("--cachegrind-out-file=/dev/null")
        .arg(env::current_exe().unwrap())
        .args(["--exact", "task"])
        .env(TASK, format!("{kind} {size}"))
        .output();
    let Output { status, stderr, .. } = match run {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let ci = env::var("CI").as_deref() == Ok("true");
            assert!(!ci, "valgrind is missing");
            eprintln!("SKIPPED: valgrind is missing");
            return None;
        }
        run => run.unwrap(),
    };
    let told = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{told}");
    let (_, count) = told.split_once(" refs:").unwrap();
    let count = count.lines().next().unwrap().trim().replace(',', "");
    Some(count.parse().unwrap())
}
