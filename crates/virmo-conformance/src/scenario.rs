use std::{collections::BTreeMap, fmt};

use crate::{Failed, bench::Bench, trace::Trace};

pub(crate) type Done = Result<(), Failed>;

/// Something that is tried on a subject, and what has to come of it.
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    pub(crate) kind: Kind,
}

/// What a scenario is tried on.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A device; each check names the rows it is for.
    Device(fn(&mut Bench<'_>) -> Done),
    /// What a server sent; each check names the rows it is for.
    Server(fn(&Trace, &mut Verdicts)),
    /// The libraries themselves: all rows that name it hold, or none.
    Own(fn() -> Done),
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A scenario of this kind with the name of its function.
macro_rules! scenarios {
    ($kind:ident: $($name:ident = $run:ident;)*) => {
        $(pub(crate) static $name: $crate::Scenario = $crate::Scenario {
            name: stringify!($run),
            kind: $crate::scenario::Kind::$kind($run),
        };)*
    };
}
pub(crate) use scenarios;

/// What the checks of one scenario found for a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Holds,
    Unseen(String),
    Fails(String),
}

/// What the checks of one scenario found, by row.
#[derive(Default, Debug)]
pub(crate) struct Verdicts(BTreeMap<&'static str, Verdict>);

impl Verdicts {
    /// These rows hold, or not; a row that failed once has failed.
    pub(crate) fn check(
        &mut self,
        rows: &[&'static str],
        holds: bool,
        otherwise: impl fmt::Display,
    ) {
        for row in rows {
            let verdict = self.0.entry(*row).or_insert(Verdict::Holds);
            if !holds && !matches!(verdict, Verdict::Fails(_)) {
                *verdict = Verdict::Fails(otherwise.to_string());
            } else if matches!(verdict, Verdict::Unseen(_)) {
                *verdict = Verdict::Holds;
            }
        }
    }

    /// These rows cannot be seen, unless another check sees them.
    pub(crate) fn unseen(&mut self, rows: &[&'static str], why: impl fmt::Display) {
        for row in rows {
            let unseen = || Verdict::Unseen(why.to_string());
            self.0.entry(*row).or_insert_with(unseen);
        }
    }

    pub(crate) fn of(&self, row: &str) -> Option<&Verdict> {
        self.0.get(row)
    }
}
