//! `virmo conformance`: judges every row of the documents.

use std::{collections::BTreeMap, net::TcpListener};

use serde::Serialize;
use virmo_conformance::{
    Conformance, ForeignDevice, ForeignServer, Level, Outcome, Row, Seed, rows,
};

use crate::{args, failure::Failure, output::print};

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

pub(crate) fn run(args: &args::Conformance) -> Result<(), Failure> {
    let seeds = match &args.seed {
        Some(number) => vec![number.parse().map_err(Failure::usage)?],
        None => Seed::ALL.to_vec(),
    };
    let mut subject = subject(args)?;
    let mut sums: BTreeMap<Level, Sum> = BTreeMap::new();
    let mut open = false;
    for row in seeds.into_iter().flat_map(rows) {
        let outcome = subject.judge(row);
        sums.entry(row.level).or_default().count(&outcome);
        open |= outcome.is_open();
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
    match open {
        false => Ok(()),
        true => Err(Failure::Told),
    }
}

/// Whom this judges.
fn subject(args: &args::Conformance) -> Result<Conformance, Failure> {
    if let Some(url) = &args.server {
        let encoding = args.encoding.into();
        return Ok(Conformance::of_server(ForeignServer::new(url, encoding)));
    }
    let Some(address) = &args.listen else {
        return Ok(Conformance::ours());
    };
    let failed = |error| Failure::work(format_args!("--listen {address}: {error}"));
    let listener = TcpListener::bind(address).map_err(failed)?;
    let device = ForeignDevice::listen(listener).map_err(failed)?;
    tell(args.json, &Told::Listening { url: &device.url() })?;
    Ok(Conformance::of_device(device))
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
    };
    line.push('\n');
    print(line.as_bytes())
}
