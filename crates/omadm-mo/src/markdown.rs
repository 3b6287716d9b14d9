use std::fmt::Write;

use omadm_tree::{AccessSet, AccessType};

use crate::Definition;

/// Writes the documentation table of a definition: one Markdown row a node, in table order.
///
/// ```
/// let table = omadm_mo::markdown(&omadm_mo::DEV_INFO);
/// assert!(table.contains("| `DevInfo/Lang` | Required | One | chr | Get | Get |"));
/// ```
#[must_use]
pub fn markdown(definition: &Definition) -> String {
    let mut out = String::from(
        "| Node | Status | Occurrence | Format | Min. access | Access | Initial | Purpose | Clause |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let root = match definition.has_named_root() {
        true => &*definition.name,
        false => "<x>",
    };
    for row in definition.nodes.iter() {
        let separator = if row.path.is_empty() { "" } else { "/" };
        let denied = if row.no_replace { ", No Replace" } else { "" };
        let initial = match &*row.initial {
            "" => String::new(),
            initial => format!("`{initial}`"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| `{root}{separator}{}` | {} | {} | {} | {}{denied} | {} | {initial} | {} | {} |",
            row.path,
            row.status.as_str(),
            row.occurrence,
            row.format,
            words(row.min_access),
            words(row.access),
            row.description,
            row.clause,
        );
    }
    out
}

fn words(access: AccessSet) -> String {
    let words: Vec<&str> = access.iter().map(AccessType::as_str).collect();
    words.join(", ")
}
