//! "Allowed" also means "works": each program is run once, as it is typed, under its confinement.

use std::collections::BTreeSet;
use std::path::Path;

use super::host::{Host, host};
use super::sandbox::skip;

/// A line that must work.
struct Row {
    line: String,
    statuses: Vec<i32>,
    shows: String,
    package: String,
}

impl Row {
    fn parse(text: &str) -> Row {
        let fields: Vec<&str> = text.split('\t').collect();
        let [line, statuses, shows, package] = fields.as_slice() else { panic!("not four fields: {text}") };
        let statuses = statuses.split(',').map(|status| status.parse().unwrap_or_else(|_| panic!("not a status: {text}"))).collect();
        Row { line: (*line).to_owned(), statuses, shows: (*shows).to_owned(), package: (*package).to_owned() }
    }

    /// The programs of the line, as far as blanks tell.
    fn programs(&self) -> impl Iterator<Item = &str> {
        self.line.split(['|', ';', '&']).filter_map(|stage| stage.split_whitespace().next())
    }

    fn is_installed(&self) -> bool {
        self.programs()
            .all(|program| ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|place| Path::new(place).join(program).exists()))
    }

    /// What went wrong, if something did.
    fn failure(&self, host: &Host) -> Option<String> {
        let ran = host.line(&self.line);
        let shown = ran.out() + &ran.err();
        // What a program is stopped from besides its work does not keep it from working.
        let refused = ["not allowed", "not possible"].iter().any(|word| shown.contains(&format!("posternsh: {word}")));
        let works = self.statuses.contains(&ran.status) && shown.contains(&self.shows) && !refused;
        (!works).then(|| format!("{}: status {}, expected {:?} and {:?}\n{shown}", self.line, ran.status, self.statuses, self.shows))
    }
}

fn rows(text: &str) -> Vec<Row> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Row::parse).collect()
}

#[test]
fn each_program_that_is_installed_works_as_it_is_allowed() {
    let Some(host) = host() else { return };
    let (here, missing): (Vec<Row>, Vec<Row>) = host.tables.iter().flat_map(|table| rows(table)).partition(Row::is_installed);
    assert!(here.len() > 100, "only {} lines could run", here.len());
    let half = here.len().div_ceil(2);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> =
            here.chunks(half).map(|rows| scope.spawn(|| rows.iter().filter_map(|row| row.failure(host)).collect())).collect();
        workers.into_iter().flat_map(|worker| -> Vec<String> { worker.join().unwrap() }).collect()
    });
    if !missing.is_empty() {
        let packages: BTreeSet<&str> = missing.iter().map(|row| row.package.as_str()).collect();
        let packages: Vec<&str> = packages.into_iter().collect();
        skip(&format!(
            "{} lines of programs that are not installed (tests/run --programs installs them): {}",
            missing.len(),
            packages.join(" ")
        ));
    }
    assert!(failures.is_empty(), "{} of {} lines:\n{}", failures.len(), here.len(), failures.join("\n"));
}
