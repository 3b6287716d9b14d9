//! Counts the instructions of the hot paths beside those of their anchors, and fails if a ratio is
//! more than 5 % above the one in `expected.txt`:
//!
//! ```sh
//! cargo run --release --manifest-path benches/Cargo.toml -p virmo-instructions
//! cargo run --release --manifest-path benches/Cargo.toml -p virmo-instructions -- --record
//! ```
//!
//! The second command writes `expected.txt` anew; an improvement is recorded with the change that
//! brought it. A ratio to other code of the same build hardly depends on compiler and machine.
//!
//! The program runs itself under valgrind, which writes down a count whenever [`boundary`] is
//! reached.

#[path = "../../src/conversion.rs"]
mod conversion;
#[path = "../../src/corpus.rs"]
mod corpus;
#[path = "../../src/device.rs"]
mod device;
#[path = "../../src/forest.rs"]
mod forest;
#[path = "../../src/recorded.rs"]
mod recorded;
#[path = "../../src/sessions.rs"]
mod sessions;
mod work;

use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path, process::Command};

/// How much more than expected is too much.
const SLACK: f64 = 1.05;

/// What makes the program do the work instead of counting it.
const WORK: &str = "--work";

type Failure = Box<dyn std::error::Error>;

/// What was counted of one row.
struct Count {
    name: String,
    ours: u64,
    anchor: u64,
}

impl Count {
    fn ratio(&self) -> f64 {
        self.ours as f64 / self.anchor as f64
    }
}

fn main() -> Result<(), Failure> {
    let mode = env::args().nth(1);
    if mode.as_deref() == Some(WORK) {
        return work();
    }
    let counts = count()?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("expected.txt");
    if mode.as_deref() == Some("--record") {
        let mut text = String::new();
        for count in &counts {
            writeln!(text, "{} {}", four(count.ratio()), count.name)?;
        }
        return Ok(fs::write(file, text)?);
    }
    match judge(&counts, &fs::read_to_string(file)?) {
        0 => Ok(()),
        failed => Err(format!("{failed} rows differ; see {}", file!()).into()),
    }
}

/// Does each piece of work between two boundaries, and says in which order.
fn work() -> Result<(), Failure> {
    for mut row in work::rows() {
        // The first time, buffers grow and addresses are resolved.
        (row.ours)();
        (row.anchor)();
        boundary();
        (row.ours)();
        boundary();
        (row.anchor)();
        boundary();
        println!("{}", row.name);
    }
    Ok(())
}

/// Where counting begins anew.
#[inline(never)]
fn boundary() {
    std::hint::black_box(());
}

/// Counts all rows, in one run.
fn count() -> Result<Vec<Count>, Failure> {
    let folder = env::temp_dir().join(format!("virmo-instructions-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let counts = count_in(&folder);
    fs::remove_dir_all(&folder)?;
    counts
}

fn count_in(folder: &Path) -> Result<Vec<Count>, Failure> {
    let run = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--dump-before=virmo_instructions::boundary",
        ])
        .arg(format!("--callgrind-out-file={}/counts", folder.display()))
        .arg(env::current_exe()?)
        .arg(WORK)
        .output()
        .map_err(|error| format!("valgrind does not run: {error}"))?;
    if !run.status.success() {
        return Err(String::from_utf8_lossy(&run.stderr).into());
    }
    // The first count of three is that of what prepares a row.
    let names = String::from_utf8(run.stdout)?;
    let rows = names.lines().zip(0..).map(|(name, row)| {
        Ok(Count {
            name: name.to_owned(),
            ours: total(folder, 3 * row + 2)?,
            anchor: total(folder, 3 * row + 3)?,
        })
    });
    rows.collect()
}

/// The count with that number.
fn total(folder: &Path, number: u32) -> Result<u64, Failure> {
    let text = fs::read_to_string(folder.join(format!("counts.{number}")))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("a count without a total")?.parse()?)
}

/// A ratio with four significant digits: what is rounded off has to be far below the slack.
fn four(ratio: f64) -> String {
    let whole = ratio.log10().floor() as i32;
    format!("{ratio:.*}", (3 - whole).clamp(0, 9) as usize)
}

/// Prints all rows; how many are not as expected.
fn judge(counts: &[Count], expected: &str) -> usize {
    let lines = expected.lines().filter_map(|line| line.split_once(' '));
    let mut expected: BTreeMap<_, f64> = lines
        .map(|(ratio, name)| (name, ratio.parse().expect("a number")))
        .collect();
    let mut failed = 0;
    println!("| what | instructions | of the anchor | ratio | expected | |");
    println!("|---|---|---|---|---|---|");
    for count in counts {
        let Count { name, ours, anchor } = count;
        let ratio = count.ratio();
        let due = expected.remove(name.as_str());
        let verdict = match due {
            Some(due) if ratio <= due * SLACK => "",
            Some(_) => "more",
            None => "not recorded",
        };
        failed += usize::from(!verdict.is_empty());
        let (ratio, due) = (four(ratio), four(due.unwrap_or(f64::NAN)));
        println!("| {name} | {ours} | {anchor} | {ratio} | {due} | {verdict} |");
    }
    for name in expected.keys() {
        println!("| {name} | | | | | not counted |");
    }
    failed + expected.len()
}
