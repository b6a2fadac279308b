//! Sessions in 80 columns. What is longer than its column is cut, visibly; `--json` has all of it.

use super::{Listed, safe, when};

struct Column {
    heading: &'static str,
    /// Blanks before it, and columns that it has.
    gap: usize,
    width: usize,
    is_number: bool,
}

const COLUMNS: [Column; 7] = [
    Column { heading: "SESSION", gap: 0, width: 24, is_number: false },
    Column { heading: "ACCOUNT", gap: 1, width: 10, is_number: false },
    Column { heading: "FROM", gap: 2, width: 15, is_number: false },
    Column { heading: "FOR", gap: 2, width: 4, is_number: true },
    Column { heading: "RUN", gap: 1, width: 4, is_number: true },
    Column { heading: "DENY", gap: 1, width: 4, is_number: true },
    Column { heading: "END", gap: 2, width: 10, is_number: false },
];

pub fn table(sessions: &[Listed]) -> String {
    let heading = row(&COLUMNS.map(|column| column.heading.to_owned()));
    let rows = sessions.iter().map(|session| row(&cells(session)));
    [heading].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

fn cells(session: &Listed) -> [String; 7] {
    let end = match &session.end {
        _ if session.way.as_deref() == Some("watch") => "(watch)",
        Some(end) => end,
        None => "open",
    };
    [
        session.session.clone(),
        safe(&session.account),
        session.from.as_deref().map_or_else(|| "-".to_owned(), safe),
        session.seconds.map_or_else(|| "-".to_owned(), when::short),
        session.commands.to_string(),
        session.denied.to_string(),
        safe(end),
    ]
}

fn row(cells: &[String; 7]) -> String {
    let mut row = String::new();
    for (cell, Column { gap, width, is_number, .. }) in cells.iter().zip(COLUMNS) {
        let cell = cut(cell, width);
        let cell = if is_number { format!("{cell:>width$}") } else { format!("{cell:width$}") };
        row.extend([" ".repeat(gap), cell]);
    }
    row.trim_end().to_owned()
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_80_columns() {
        let long = || "x".repeat(100);
        let session = Listed {
            session: "20261121-031244-9f3a1c2e".to_owned(),
            host: long(),
            account: "break\x1bglass".to_owned(),
            uid: None,
            from: Some(long()),
            tty: None,
            way: None,
            since: String::new(),
            until: None,
            seconds: Some(u64::MAX),
            commands: u64::MAX,
            denied: 3,
            open: false,
            pid: None,
            end: Some("terminated".to_owned()),
            by: None,
            why: None,
            watched: None,
            recording: None,
            damaged: 0,
        };
        let table = table(&[session]);
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        assert!(table.contains("break^[gl…  xxxx") && table.ends_with("   3  terminated"), "{table}");
    }
}
