use std::{fmt, fmt::Write as _, str::FromStr};

use crate::uve;

/// A document whose requirements are numbered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Seed {
    /// 003, the change request to the UVE enabler on UVE-2 and UVE-5.
    Uve,
}

/// A number no document has, or one whose rows are not here yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are no rows for the seed {0:?}; there are some for 003")]
pub struct UnknownSeed(String);

impl FromStr for Seed {
    type Err = UnknownSeed;

    fn from_str(number: &str) -> Result<Self, UnknownSeed> {
        match number {
            "003" => Ok(Self::Uve),
            _ => Err(UnknownSeed(number.to_owned())),
        }
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uve => "003",
        })
    }
}

/// How binding a row is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Level {
    /// A statement of the text without a key word.
    Statement,
    /// Says something, and asks for nothing.
    Information,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Statement => "STMT",
            Self::Information => "INFO",
        })
    }
}

/// What a scenario found to be otherwise.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

impl Failed {
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        Self(what.to_string())
    }
}

/// How a row is proven.
#[derive(Clone, Copy, Debug)]
pub enum Proof {
    /// By a scenario of this name.
    Scenario(&'static str, fn() -> Result<(), Failed>),
    /// There is no proof.
    None,
}

/// One requirement.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its number.
    pub id: &'static str,
    /// The document.
    pub seed: Seed,
    /// Its place there.
    pub clause: &'static str,
    /// How binding it is.
    pub level: Level,
    /// Whom it asks.
    pub side: &'static str,
    /// What it asks for, in a few words of ours.
    pub text: &'static str,
    /// How it is proven.
    pub proof: Proof,
}

/// What came of a proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It holds.
    Proven,
    /// It does not.
    Failed(Failed),
    /// There is no proof.
    Unproven,
}

impl Row {
    /// The name of the scenario.
    #[must_use]
    pub const fn scenario(&self) -> Option<&'static str> {
        match self.proof {
            Proof::Scenario(name, _) => Some(name),
            Proof::None => None,
        }
    }

    /// Runs the proof.
    #[must_use]
    pub fn prove(&self) -> Outcome {
        match self.proof {
            Proof::Scenario(_, run) => match run() {
                Ok(()) => Outcome::Proven,
                Err(failed) => Outcome::Failed(failed),
            },
            Proof::None => Outcome::Unproven,
        }
    }
}

/// The rows of a document, in its order.
pub fn rows(seed: Seed) -> impl Iterator<Item = &'static Row> {
    uve::ROWS.iter().filter(move |row| row.seed == seed)
}

/// The rows of a document as a table.
#[must_use]
pub fn markdown(seed: Seed) -> String {
    let mut table = String::from(
        "| row | clause | level | side | what | scenario |\n|---|---|---|---|---|---|\n",
    );
    for row in rows(seed) {
        let Row {
            id,
            clause,
            level,
            side,
            text,
            ..
        } = row;
        let scenario = match row.scenario() {
            Some(name) => format!("`{name}`"),
            None => "none".to_owned(),
        };
        // Writing to memory cannot fail.
        _ = writeln!(
            table,
            "| {id} | {clause} | {level} | {side} | {text} | {scenario} |"
        );
    }
    table
}
