//! The rows, a table for each part of a document.

use crate::Row;

/// A table of rows.
macro_rules! rows {
    ($seed:ident: $($id:literal $level:ident $side:literal $clause:literal
        $text:literal by $proof:expr;)*) => {
        pub(super) static ROWS: &[$crate::Row] = &[$($crate::Row {
            id: $id,
            seed: $crate::Seed::$seed,
            clause: $clause,
            level: $crate::Level::$level,
            side: $side,
            text: $text,
            proof: $proof,
        },)*];
    };
}

/// Scenarios as a proof.
macro_rules! by {
    ($($scenario:expr),*) => { $crate::Proof::Scenarios(&[$(&$scenario),*]) };
}

mod alerts;
mod delete_image;

mod draft;
mod framework;
mod images;
mod machines;
mod management;
mod overview;
mod places;
mod procedures;
mod uve;
mod vm_image;

/// Every row of every document, in their order.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    [
        delete_image::ROWS,
        vm_image::ROWS,
        overview::ROWS,
        framework::ROWS,
        machines::ROWS,
        images::ROWS,
        procedures::ROWS,
        management::ROWS,
        alerts::ROWS,
        uve::ROWS,
        draft::ROWS,
    ]
    .into_iter()
    .flatten()
}
