//! Devices and servers that do one thing wrong: the rows about it fail.
//!
//! Every row that a scenario proves fails for at least one of them, so that no check holds
//! whatever the subject does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod flaws {
    pub(crate) mod device;
    pub(crate) mod machines;
    pub(crate) mod server;
}

use std::collections::BTreeSet;

use virmo_conformance::{Conformance, Outcome, Proof, Row, Seed, rows};

/// The rows that name one of these scenarios.
fn rows_of(scenarios: &[&str]) -> Vec<&'static Row> {
    let names = |row: &&Row| match row.proof {
        Proof::Scenarios(all) => all.iter().any(|it| scenarios.contains(&it.name)),
        _ => false,
    };
    Seed::ALL.into_iter().flat_map(rows).filter(names).collect()
}

/// The rows of these scenarios that fail.
fn red(mut subject: Conformance, scenarios: &[&str]) -> BTreeSet<&'static str> {
    let rows = rows_of(scenarios).into_iter();
    let failed = rows.filter(|row| matches!(subject.judge(row), Outcome::Failed(_)));
    failed.map(|row| row.id).collect()
}

/// What a flaw has to turn red.
fn missing(name: &str, red: &BTreeSet<&'static str>, due: &[&str]) -> Option<String> {
    let missing: Vec<_> = due.iter().filter(|row| !red.contains(**row)).collect();
    let found = missing.is_empty();
    (!found).then(|| format!("{name}: {missing:?} do not fail, but {red:?} do"))
}

#[test]
fn every_flaw_is_found_and_every_row_can_fail() {
    let (mut found, mut wrong) = (BTreeSet::new(), Vec::new());
    for flaw in flaws::device::FLAWS {
        let red = red(
            Conformance::of_device(flaws::device::Flawed::new(flaw)),
            flaw.scenarios,
        );
        wrong.extend(missing(flaw.name, &red, flaw.rows));
        found.extend(red);
    }
    for flaw in flaws::machines::FLAWS {
        let red = red(
            Conformance::of_device(flaws::machines::device(flaw)),
            flaw.scenarios,
        );
        wrong.extend(missing(flaw.name, &red, flaw.rows));
        found.extend(red);
    }
    for flaw in flaws::server::FLAWS {
        let red = red(
            Conformance::of_server(flaws::server::Flawed::new(flaw)),
            flaw.scenarios,
        );
        wrong.extend(missing(flaw.name, &red, flaw.rows));
        found.extend(red);
    }
    let can_fail = |row: &Row| {
        // The scenarios of 003 and of the libraries have no subject to exchange.
        row.seed == Seed::Uve || ["VR-256", "VR-257"].contains(&row.id)
    };
    let proven = Seed::ALL
        .into_iter()
        .flat_map(rows)
        .filter(|row| matches!(row.proof, Proof::Scenarios(_)) && !can_fail(row));
    let never: Vec<_> = proven
        .map(|row| row.id)
        .filter(|id| !found.contains(id))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}, {never:?}");
    assert!(never.is_empty(), "nothing makes these fail: {never:?}");
}
