use std::{fmt, str::FromStr};

use crate::{Failed, Scenario};

/// A document whose requirements are numbered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Seed {
    /// 000, the change request that adds a step to the creation of a VM.
    DeleteImage,
    /// 001, the change request that brings the VM Image MO.
    VmImage,
    /// 002, VirMO 1.0 as approved.
    Approved,
    /// 003, the change request to the UVE enabler on UVE-2 and UVE-5.
    Uve,
    /// 004, the draft before VirMO 1.0.
    Draft,
}

impl Seed {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::DeleteImage,
        Self::VmImage,
        Self::Approved,
        Self::Uve,
        Self::Draft,
    ];
}

/// A number no document has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are no rows for the seed {0:?}; there are some for 000, 001, 002, 003 and 004")]
pub struct UnknownSeed(String);

impl FromStr for Seed {
    type Err = UnknownSeed;

    fn from_str(number: &str) -> Result<Self, UnknownSeed> {
        let mut seeds = Self::ALL.into_iter();
        seeds
            .find(|seed| seed.to_string() == number)
            .ok_or_else(|| UnknownSeed(number.to_owned()))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeleteImage => "000",
            Self::VmImage => "001",
            Self::Approved => "002",
            Self::Uve => "003",
            Self::Draft => "004",
        })
    }
}

/// How binding a row is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Level {
    /// A high-level functional requirement.
    Shall,
    /// MUST.
    Must,
    /// MUST NOT.
    MustNot,
    /// MUST, if something optional is there.
    CondMust,
    /// SHOULD.
    Should,
    /// MAY.
    May,
    /// OPTIONAL.
    Optional,
    /// A node that is required.
    NodeReq,
    /// A node that is optional.
    NodeOpt,
    /// A parameter in a value.
    Param,
    /// A step of a procedure.
    Step,
    /// A statement of the text without a key word.
    Stmt,
    /// A mandatory item of a conformance table.
    ScrM,
    /// An optional item of a conformance table.
    ScrO,
    /// Points to another document.
    Ref,
    /// Says something, and asks for nothing.
    Info,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Shall => "SHALL",
            Self::Must => "MUST",
            Self::MustNot => "MUST NOT",
            Self::CondMust => "COND-MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
            Self::Optional => "OPTIONAL",
            Self::NodeReq => "NODE-REQ",
            Self::NodeOpt => "NODE-OPT",
            Self::Param => "PARAM",
            Self::Step => "STEP",
            Self::Stmt => "STMT",
            Self::ScrM => "SCR-M",
            Self::ScrO => "SCR-O",
            Self::Ref => "REF",
            Self::Info => "INFO",
        })
    }
}

/// How a row is proven.
#[derive(Clone, Copy, Debug)]
pub enum Proof {
    /// By these scenarios, all of them.
    Scenarios(&'static [&'static Scenario]),
    /// As another row, which says the same.
    As(&'static str),
    /// By what is written at a place.
    Document(&'static Place),
    /// Nothing is to be proven: it points to another document.
    Reference,
    /// Nothing is to be proven: it asks for nothing.
    Information,
    /// There is no proof.
    None,
}

/// A heading in a document of the repository.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The file, from the root of the repository.
    pub file: &'static str,
    /// The line of the heading.
    pub heading: &'static str,
    pub(crate) text: &'static str,
}

impl Place {
    /// Whether the heading is there, with something below it.
    #[must_use]
    pub fn exists(&self) -> bool {
        let mut lines = self.text.lines().skip_while(|line| *line != self.heading);
        lines.next().is_some() && lines.any(|line| !line.is_empty())
    }
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
    /// Whom it asks: C the client, S the server, B both, D a document; VM and VMM in 003.
    pub side: &'static str,
    /// What it asks for, in a few words of ours.
    pub text: &'static str,
    /// How it is proven.
    pub proof: Proof,
}

/// What came of a proof.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It holds.
    Proven,
    /// What is asked for is written at a place.
    Written,
    /// Nothing is to be proven.
    Nothing,
    /// It does not hold.
    Failed(Failed),
    /// The subject does not let see whether it holds.
    NotObservable(Failed),
    /// There is no proof.
    Unproven,
}

impl Outcome {
    /// Whether something that holds is missing: it failed, or there is no proof.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Unproven)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Proven => "proven",
            Self::Written => "document",
            Self::Nothing => "-",
            Self::Failed(_) => "failed",
            Self::NotObservable(_) => "not observable",
            Self::Unproven => "unproven",
        })
    }
}

impl Row {
    /// What proves it, by name: scenarios, another row, a place; nothing where there is nothing.
    #[must_use]
    pub fn proof_name(&self) -> Option<String> {
        match self.proof {
            Proof::Scenarios(scenarios) => {
                let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name).collect();
                Some(names.join(", "))
            }
            Proof::As(id) => Some(format!("as {id}")),
            Proof::Document(place) => Some(format!(
                "{}, {}",
                place.file,
                place.heading.trim_start_matches(['#', ' '])
            )),
            Proof::Reference | Proof::Information | Proof::None => None,
        }
    }
}

/// The rows of a document, in its order.
pub fn rows(seed: Seed) -> impl Iterator<Item = &'static Row> {
    crate::rows::all().filter(move |row| row.seed == seed)
}
