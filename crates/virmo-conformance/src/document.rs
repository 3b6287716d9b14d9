use std::fmt::Write as _;

use crate::{Conformance, Level, Outcome, Proof, Row, Seed, rows};

/// The rows of a document as a table.
#[must_use]
pub fn markdown(seed: Seed) -> String {
    let mut table =
        String::from("| row | clause | level | side | what | by |\n|---|---|---|---|---|---|\n");
    for row in rows(seed) {
        let by = match row.proof {
            Proof::Scenarios(scenarios) => {
                let names = scenarios
                    .iter()
                    .map(|scenario| format!("`{}`", scenario.name));
                names.collect::<Vec<_>>().join(", ")
            }
            Proof::None => "**nothing yet**".to_owned(),
            _ => row.proof_name().unwrap_or_else(|| "-".to_owned()),
        };
        let Row {
            id,
            clause,
            level,
            side,
            text,
            ..
        } = row;
        // Writing to memory cannot fail.
        _ = writeln!(
            table,
            "| {id} | {clause} | {level} | {side} | {text} | {by} |"
        );
    }
    table
}

/// The conformance tables of VirMO 1.0, Appendix C, filled in: an item is supported if its row is
/// proven now.
#[must_use]
pub fn statement(judge: &mut Conformance) -> String {
    let mut table = String::from("| item | function | status | supported |\n|---|---|---|---|\n");
    for row in rows(Seed::Approved) {
        let status = match row.level {
            Level::ScrM => "mandatory",
            Level::ScrO => "optional",
            _ => continue,
        };
        let item = row.clause.rsplit(' ').next().unwrap_or(row.clause);
        let supported = match judge.judge(row) {
            Outcome::Proven => "yes",
            Outcome::NotObservable(_) => "not observable",
            _ => "no",
        };
        _ = writeln!(table, "| {item} | {} | {status} | {supported} |", row.text);
    }
    table
}
