//! `virmo conformance`: runs the scenario of every row of a document.

use std::collections::BTreeMap;

use serde::Serialize;
use virmo_conformance::{Level, Outcome, Row, Seed, rows};

use crate::{args, failure::Failure, output::print};

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Told<'t> {
    Row {
        id: &'t str,
        level: String,
        side: &'t str,
        clause: &'t str,
        text: &'t str,
        scenario: Option<&'t str>,
        result: &'t str,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    Sum {
        level: String,
        proven: usize,
        rows: usize,
    },
}

pub(crate) fn run(args: &args::Conformance) -> Result<(), Failure> {
    if args.server.is_some() {
        return Err(Failure::not_built("conformance --server"));
    }
    let Some(number) = &args.seed else {
        return Err(Failure::not_built("conformance without --seed 003"));
    };
    if ["000", "001", "002", "004"].contains(&number.as_str()) {
        return Err(Failure::not_built(format_args!(
            "conformance --seed {number}"
        )));
    }
    let seed: Seed = number.parse().map_err(Failure::usage)?;
    let mut sums: BTreeMap<Level, (usize, usize)> = BTreeMap::new();
    for row in rows(seed) {
        let outcome = row.prove();
        let (proven, all) = sums.entry(row.level).or_default();
        *proven += usize::from(outcome == Outcome::Proven);
        *all += 1;
        tell(args.json, &told(row, outcome))?;
    }
    for (level, (proven, rows)) in &sums {
        let (level, proven, rows) = (level.to_string(), *proven, *rows);
        tell(
            args.json,
            &Told::Sum {
                level,
                proven,
                rows,
            },
        )?;
    }
    match sums.values().all(|(proven, rows)| proven == rows) {
        true => Ok(()),
        false => Err(Failure::Told),
    }
}

fn told(row: &'static Row, outcome: Outcome) -> Told<'static> {
    let (result, detail) = match outcome {
        Outcome::Proven => ("proven", None),
        Outcome::Failed(failed) => ("failed", Some(failed.to_string())),
        Outcome::Unproven => ("unproven", None),
    };
    Told::Row {
        id: row.id,
        level: row.level.to_string(),
        side: row.side,
        clause: row.clause,
        text: row.text,
        scenario: row.scenario(),
        result,
        detail,
    }
}

fn tell(json: bool, told: &Told<'_>) -> Result<(), Failure> {
    let mut line = match told {
        _ if json => serde_json::to_string(told).map_err(Failure::work)?,
        Told::Row {
            id,
            level,
            side,
            clause,
            text,
            scenario,
            result,
            detail,
        } => {
            let scenario = scenario.unwrap_or("no scenario");
            let detail = detail
                .as_ref()
                .map_or(String::new(), |detail| format!(": {detail}"));
            format!(
                "{result:<8} {id} {level:<4} {clause:<8} {side:<7} {text}\n         by {scenario}{detail}"
            )
        }
        Told::Sum {
            level,
            proven,
            rows,
        } => format!("{level:<4} {proven} of {rows} proven"),
    };
    line.push('\n');
    print(line.as_bytes())
}
