//! What tests read of the pages in docs/.

/// The rows of the table behind a heading of the second level, each as its cells, if there is such
/// a heading.
#[must_use]
pub fn table<'p>(page: &'p str, heading: &str) -> Option<Vec<Vec<&'p str>>> {
    let heading = format!("\n## {heading}\n");
    let (_, rest) = page.split_once(&heading)?;
    let rows = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &'p str| row.trim_matches('|').split('|').map(str::trim).collect();
    Some(rows.map(cells).collect())
}
