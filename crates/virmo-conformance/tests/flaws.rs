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

use std::{collections::BTreeSet, thread};

use virmo_conformance::{Conformance, Outcome, Proof, Row, Seed, rows};

/// The rows that name one of these scenarios.
fn rows_of(scenarios: &[&str]) -> Vec<&'static Row> {
    let names = |row: &&Row| match row.proof {
        Proof::Scenarios(all) => all.iter().any(|it| scenarios.contains(&it.name)),
        _ => false,
    };
    Seed::ALL.into_iter().flat_map(rows).filter(names).collect()
}

/// The rows that failed, and what should have failed and did not.
type Found = (BTreeSet<&'static str>, Vec<String>);

/// The rows of these scenarios that fail, among which these are due.
fn judged(name: &str, mut subject: Conformance, scenarios: &[&str], due: &[&str]) -> Found {
    let rows = rows_of(scenarios).into_iter();
    let failed = rows.filter(|row| matches!(subject.judge(row), Outcome::Failed(_)));
    let red: BTreeSet<_> = failed.map(|row| row.id).collect();
    let missing: Vec<_> = due.iter().filter(|row| !red.contains(**row)).collect();
    let wrong =
        (!missing.is_empty()).then(|| format!("{name}: {missing:?} do not fail, but {red:?} do"));
    (red, wrong.into_iter().collect())
}

fn sum(all: impl Iterator<Item = Found>) -> Found {
    all.fold(
        Found::default(),
        |(mut found, mut wrong), (more, errors)| {
            found.extend(more);
            wrong.extend(errors);
            (found, wrong)
        },
    )
}

#[test]
fn every_flaw_is_found_and_every_row_can_fail() {
    let devices = || {
        let flaws = flaws::device::FLAWS.iter();
        sum(flaws.map(|flaw| {
            let subject = Conformance::of_device(flaws::device::Flawed::new(flaw));
            judged(flaw.name, subject, flaw.scenarios, flaw.rows)
        }))
    };
    let machines = || {
        let flaws = flaws::machines::FLAWS.iter();
        sum(flaws.map(|flaw| {
            let subject = Conformance::of_device(flaws::machines::device(flaw));
            judged(flaw.name, subject, flaw.scenarios, flaw.rows)
        }))
    };
    let servers = || {
        let flaws = flaws::server::FLAWS.iter();
        sum(flaws.map(|flaw| {
            let subject = Conformance::of_server(flaws::server::Flawed::new(flaw));
            judged(flaw.name, subject, flaw.scenarios, flaw.rows)
        }))
    };
    let parts = thread::scope(|scope| {
        let parts = [
            scope.spawn(devices),
            scope.spawn(machines),
            scope.spawn(servers),
        ];
        parts.map(|part| part.join().unwrap())
    });
    let (found, wrong) = sum(parts.into_iter());
    let has_no_subject = |row: &Row| {
        // The scenarios of 003 and of the libraries have no subject to exchange.
        let only_ours = [
            "VR-204", "VR-205", "VR-208", "VR-209", "VR-210", "VR-211", "VR-212", "VR-213",
            "VR-256", "VR-257",
        ];
        row.seed == Seed::Uve || only_ours.contains(&row.id)
    };
    let proven = Seed::ALL
        .into_iter()
        .flat_map(rows)
        .filter(|row| matches!(row.proof, Proof::Scenarios(_)) && !has_no_subject(row));
    let never: Vec<_> = proven
        .map(|row| row.id)
        .filter(|id| !found.contains(id))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}, {never:?}");
    assert!(never.is_empty(), "nothing makes these fail: {never:?}");
}
