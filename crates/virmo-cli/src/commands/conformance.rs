//! `virmo conformance`: judges every row of the documents.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::Serialize;
use tempfile::TempDir;
use virmo::nodes::Profile;
use virmo_conformance::{
    Conformance, ForeignDevice, ForeignServer, Level, Outcome, Proofs, Row, Seed,
};

use crate::{
    args, auth,
    failure::Failure,
    interrupt::{self, Ends},
    output::print,
};

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Told<'t> {
    Listening {
        url: &'t str,
    },
    Row {
        id: &'t str,
        seed: String,
        level: String,
        side: &'t str,
        clause: &'t str,
        text: &'t str,
        /// What proves it: scenarios, another row, a place in a document.
        scenario: Option<String>,
        result: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    Sum {
        level: String,
        rows: usize,
        proven: usize,
        document: usize,
        nothing: usize,
        failed: usize,
        not_observable: usize,
        unproven: usize,
    },
    /// The last line.
    Total {
        rows: usize,
        proven: usize,
        /// The rows that failed.
        failed: Vec<&'t str>,
        /// The rows that nothing proves.
        unproven: Vec<&'t str>,
    },
}

/// How many rows of a level came to what.
#[derive(Default)]
struct Sum {
    rows: usize,
    proven: usize,
    document: usize,
    nothing: usize,
    failed: usize,
    not_observable: usize,
    unproven: usize,
}

impl Sum {
    const fn count(&mut self, outcome: &Outcome) {
        self.rows += 1;
        *match outcome {
            Outcome::Proven => &mut self.proven,
            Outcome::Written => &mut self.document,
            Outcome::Nothing => &mut self.nothing,
            Outcome::Failed(_) => &mut self.failed,
            Outcome::NotObservable(_) => &mut self.not_observable,
            _ => &mut self.unproven,
        } += 1;
    }
}

pub(crate) fn run(args: args::Conformance) -> Result<(), Failure> {
    let ends = Ends::watch()?;
    // Scenarios have temporary files of their own.
    let folder = TempDir::new().map_err(Failure::work)?;
    tempfile::env::override_temp_dir(folder.path())
        .map_err(|other| Failure::work(other.display()))?;
    let is_over = Arc::new(AtomicBool::new(false));
    let judging = Arc::clone(&is_over);
    let stop = || is_over.store(true, Ordering::Relaxed);
    let result = ends.work("judge", move || judge(&args, &judging), stop);
    interrupt::remove(folder);
    result
}

/// Judges row after row, until it is over.
fn judge(args: &args::Conformance, is_over: &AtomicBool) -> Result<(), Failure> {
    let seeds = match &args.seed {
        Some(number) => vec![number.parse().map_err(Failure::usage)?],
        None => Seed::ALL.to_vec(),
    };
    let is_foreign = args.server.is_some() || args.listen.is_some();
    if is_foreign && matches!(*seeds, [Seed::Uve]) {
        return Err(Failure::usage(
            "--seed 003: its rows are about monitors and applications of UVE, which neither a DM \
             server nor a DM device shows; leave out --server and --listen",
        ));
    }
    // A foreign end follows one text; 004 is asked for by itself.
    let profile = match *seeds {
        [Seed::Draft] => Profile::Draft,
        _ => Profile::Approved,
    };
    let mut subject = subject(args, profile)?;
    let mut sums: BTreeMap<Level, Sum> = BTreeMap::new();
    let (mut rows, mut proven) = (0, 0);
    let (mut failed, mut unproven) = (Vec::new(), Vec::new());
    for row in seeds.into_iter().flat_map(virmo_conformance::rows) {
        let outcome = subject.judge(row);
        if is_over.load(Ordering::Relaxed) {
            return Err(Failure::Told);
        }
        sums.entry(row.level).or_default().count(&outcome);
        rows += 1;
        match outcome {
            Outcome::Proven => proven += 1,
            Outcome::Failed(_) => failed.push(row.id),
            _ if outcome.is_open() => unproven.push(row.id),
            _ => {}
        }
        tell(args.json, &told(row, &outcome))?;
    }
    for (level, sum) in sums {
        let Sum {
            rows,
            proven,
            document,
            nothing,
            failed,
            not_observable,
            unproven,
        } = sum;
        let level = level.to_string();
        let told = Told::Sum {
            level,
            rows,
            proven,
            document,
            nothing,
            failed,
            not_observable,
            unproven,
        };
        tell(args.json, &told)?;
    }
    let open = !failed.is_empty() || !unproven.is_empty();
    let total = Told::Total {
        rows,
        proven,
        failed,
        unproven,
    };
    tell(args.json, &total)?;
    match (open, proven) {
        (true, _) => Err(Failure::Told),
        (false, 0) => Err(Failure::work("no row was proven")),
        (false, _) => Ok(()),
    }
}

/// Whom this judges.
fn subject(args: &args::Conformance, profile: Profile) -> Result<Conformance, Failure> {
    let given = auth::read(&args.auth)?;
    if given.is_some() && args.server.is_none() && args.listen.is_none() {
        return Err(Failure::usage("--auth needs --server or --listen"));
    }
    let given = given.unwrap_or_default();
    let proofs = Proofs::new(given.client, given.server);
    if let Some(url) = &args.server {
        let encoding = args.encoding.into();
        let server = ForeignServer::new(url, encoding)
            .with_profile(profile)
            .with_proofs(proofs);
        let mut subject = Conformance::of_server(server);
        let failed = |why| Failure::work(format_args!("--server {url}: {why}"));
        subject.meet(profile).map_err(failed)?;
        return Ok(subject);
    }
    let Some(address) = &args.listen else {
        return Ok(Conformance::ours());
    };
    let failed = |error: io::Error| Failure::work(format_args!("--listen {address}: {error}"));
    let listener = TcpListener::bind(address).map_err(failed)?;
    let device = match &args.image {
        None => ForeignDevice::listen(listener).map_err(failed)?,
        Some(image) => ForeignDevice::listen_with_image(listener, image, &args.media_type)
            .map_err(|error| Failure::work(format_args!("--image {}: {error}", image.display())))?,
    };
    let device = device.with_profile(profile).with_proofs(proofs);
    tell(args.json, &Told::Listening { url: &device.url() })?;
    drop(writeln!(io::stderr(), "waiting for a device…"));
    let mut subject = Conformance::of_device(device);
    let failed = |why| Failure::work(format_args!("--listen {address}: {why}"));
    subject.meet(profile).map_err(failed)?;
    Ok(subject)
}

fn told(row: &'static Row, outcome: &Outcome) -> Told<'static> {
    let detail = match outcome {
        Outcome::Failed(why) | Outcome::NotObservable(why) => Some(why.to_string()),
        _ => None,
    };
    Told::Row {
        id: row.id,
        seed: row.seed.to_string(),
        level: row.level.to_string(),
        side: row.side,
        clause: row.clause,
        text: row.text,
        scenario: row.proof_name(),
        result: outcome.to_string(),
        detail,
    }
}

fn tell(json: bool, told: &Told<'_>) -> Result<(), Failure> {
    let mut line = match told {
        _ if json => serde_json::to_string(told).map_err(Failure::work)?,
        Told::Listening { url } => format!("the device posts to {url}"),
        Told::Row {
            id,
            level,
            side,
            clause,
            text,
            scenario,
            result,
            detail,
            ..
        } => {
            let by = scenario
                .as_ref()
                .map_or(String::new(), |by| format!("\n    by {by}"));
            let why = detail
                .as_ref()
                .map_or(String::new(), |why| format!("\n    {why}"));
            format!("{id} {result:<14} {level:<9} {side:<7} {clause}: {text}{by}{why}")
        }
        Told::Sum {
            level,
            rows,
            proven,
            document,
            nothing,
            failed,
            not_observable,
            unproven,
        } => {
            let parts = [
                (proven, "proven"),
                (document, "in a document"),
                (nothing, "with nothing to prove"),
                (not_observable, "not observable"),
                (failed, "failed"),
                (unproven, "unproven"),
            ];
            let parts = parts.into_iter().filter(|(count, _)| **count > 0);
            let parts: Vec<_> = parts
                .map(|(count, what)| format!("{count} {what}"))
                .collect();
            format!("{level:<9} {rows:>3} rows: {}", parts.join(", "))
        }
        Told::Total {
            rows,
            proven,
            failed,
            unproven,
        } => {
            let mut line = format!("{rows} rows in all, {proven} proven");
            for (ids, what) in [(failed, "failed"), (unproven, "unproven")] {
                let _ = match ids.is_empty() {
                    true => write!(line, ", none {what}"),
                    false => write!(line, ", {} {what}: {}", ids.len(), ids.join(" ")),
                };
            }
            line
        }
    };
    line.push('\n');
    print(line.as_bytes())
}
