//! What runs as an account without anybody logging in, and so past the login shell: cron, at, systemd, mail; and sudo, which needs a shell
//! but gives more than the policy does.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::finding::{Check, Finding, quoted};
use super::host::{Account, Host};
use super::reading::{Unread, lines, names, status, text, text_or_empty};

pub const CHECKS: &[Check] = &[
    Check { id: "account.cron", run: |host| host.each_account(cron) },
    Check { id: "account.cron_access", run: |host| host.each_account(|account| vec![access(account.name(), "cron", "/usr/bin/crontab")]) },
    Check { id: "account.at", run: |host| host.each_account(at) },
    Check { id: "account.at_access", run: |host| host.each_account(|account| vec![access(account.name(), "at", "/usr/bin/at")]) },
    Check { id: "account.linger", run: |host| host.each_account(|account| vec![linger(account.name())]) },
    Check { id: "account.units", run: units },
    Check { id: "account.mail", run: mail },
    Check { id: "account.sudo", run: sudo },
];

/// Where cron(8) of Debian, of RHEL and of SUSE keeps the tables of accounts.
const CRONTABS: [&str; 3] = ["/var/spool/cron/crontabs", "/var/spool/cron", "/var/spool/cron/tabs"];
/// The same for at(1).
const AT_JOBS: [&str; 2] = ["/var/spool/cron/atjobs", "/var/spool/at"];

fn cron(account: &Account) -> Vec<Finding> {
    let name = account.name();
    let mut found = Vec::new();
    for directory in CRONTABS {
        let path = format!("{directory}/{name}");
        match status(&path) {
            Ok(None) => {}
            Ok(Some(table)) if table.is_dir() => {}
            Ok(Some(_)) => found.push(Finding::problem(&path, "cron runs what it says as the account").command(["rm", &path])),
            Err(unread) => found.push(unread.skipped(&path)),
        }
    }
    found.extend(system_tables(name).unwrap_or_else(|unread| vec![unread.skipped("/etc/cron.d")]));
    if found.is_empty() { vec![Finding::ok(name, "cron runs nothing for it")] } else { found }
}

/// Lines of the host's own tables that name the account.
fn system_tables(name: &str) -> Result<Vec<Finding>, Unread> {
    let mut tables = vec!["/etc/crontab".to_owned()];
    tables.extend(names("/etc/cron.d")?.into_iter().map(|table| format!("/etc/cron.d/{table}")));
    let mut found = Vec::new();
    for table in tables {
        let text = regular(&table)?.unwrap_or_default();
        if lines(&text).iter().any(|line| cron_user(line) == Some(name)) {
            found.push(
                Finding::note(table, format!("the host's own cron table runs something as {name}")).fix("let another account do that"),
            );
        }
    }
    Ok(found)
}

/// The sixth word of a line of crontab(5), or the second behind `@daily`; assignments have none that is an account.
fn cron_user(line: &str) -> Option<&str> {
    line.split_whitespace().nth(if line.starts_with('@') { 1 } else { 5 })
}

/// Whether an account may leave jobs at all: crontab(1), at(1). The policy does not allow these programs by itself.
fn access(name: &str, kind: &str, program: &str) -> Finding {
    if !Path::new(program).exists() {
        return Finding::ok(name, format!("{program} is not installed"));
    }
    let (allow, deny) = (format!("/etc/{kind}.allow"), format!("/etc/{kind}.deny"));
    match (regular(&allow), regular(&deny)) {
        (Err(unread), _) => unread.skipped(allow),
        (_, Err(unread)) => unread.skipped(deny),
        (Ok(allowed), Ok(denied)) => judge_access(name, kind, allowed.as_deref(), denied.as_deref()),
    }
}

fn judge_access(name: &str, kind: &str, allowed: Option<&str>, denied: Option<&str>) -> Finding {
    let has = |text: &str| lines(text).iter().any(|line| line == name);
    let may = match (allowed, denied) {
        (Some(allowed), _) => has(allowed),
        (None, Some(denied)) => !has(denied),
        // Debian's cron then lets everybody, others nobody but root.
        (None, None) => kind == "cron",
    };
    match may {
        false => Finding::ok(name, format!("{kind} takes no jobs of it")),
        true if allowed.is_some() => {
            Finding::note(name, format!("/etc/{kind}.allow lets it leave jobs, if a rule lets it run the program"))
                .script(format!("sed -i {} /etc/{kind}.allow", quoted(&format!("/^{name}$/d"))))
        }
        true => Finding::note(name, format!("nothing keeps it from leaving jobs with {kind}, if a rule lets it run the program"))
            .script(format!("echo {} >> /etc/{kind}.deny", quoted(name))),
    }
}

fn at(account: &Account) -> Vec<Finding> {
    let mut found = Vec::new();
    for directory in AT_JOBS {
        let jobs = match names(directory) {
            Ok(jobs) => jobs,
            Err(unread) => {
                found.push(unread.skipped(directory));
                continue;
            }
        };
        for path in jobs.into_iter().map(|job| format!("{directory}/{job}")) {
            let own = status(&path).ok().flatten().is_some_and(|job| job.is_file() && job.uid() == account.user.uid.as_raw());
            if own {
                found.push(Finding::problem(&path, format!("atd runs it as {}", account.name())).command(["rm", &path]));
            }
        }
    }
    if found.is_empty() { vec![Finding::ok(account.name(), "atd runs nothing for it")] } else { found }
}

fn linger(name: &str) -> Finding {
    let path = format!("/var/lib/systemd/linger/{name}");
    match status(&path) {
        Ok(None) => Finding::ok(name, "systemd starts nothing for it at boot"),
        Ok(Some(_)) => {
            let finding = Finding::problem(name, "it lingers: systemd starts its units at boot, and keeps what it left running");
            // sd_booted(3).
            match Path::new("/run/systemd/system").exists() {
                true => finding.command(["loginctl", "disable-linger", name]),
                false => finding.command(["rm", &path]),
            }
        }
        Err(unread) => unread.skipped(path),
    }
}

/// The text of a file that may be missing; what is none, such as a masked unit that leads to /dev/null, says nothing either.
fn regular(path: &str) -> Result<Option<String>, Unread> {
    match text(path) {
        Err(Unread::Missing | Unread::Other(_)) => Ok(None),
        other => other.map(Some),
    }
}

/// Directories of units that an administrator writes.
const UNITS: [&str; 2] = ["/etc/systemd/system", "/etc/systemd/user"];

fn units(host: &Host) -> Vec<Finding> {
    let units = match unit_files() {
        Ok(units) => units,
        Err(unread) => return vec![unread.skipped("/etc/systemd")],
    };
    host.each_account(|account| {
        let (name, uid) = (account.name(), account.user.uid.to_string());
        let named =
            units.iter().filter(|(_, text)| lines(text).iter().any(|line| unit_user(line).is_some_and(|user| user == name || user == uid)));
        let found: Vec<Finding> = named
            .map(|(path, _)| {
                Finding::warning(path, format!("this unit runs as {name}, past the login shell")).fix("let it run as another account")
            })
            .collect();
        if found.is_empty() { vec![Finding::ok(name, "no unit of the host runs as it")] } else { found }
    })
}

/// Units and their drop-ins, with their text.
fn unit_files() -> Result<Vec<(String, String)>, Unread> {
    let mut files = Vec::new();
    for directory in UNITS {
        for name in names(directory)? {
            let path = format!("{directory}/{name}");
            match name.rsplit_once('.') {
                Some((_, "service" | "socket")) => files.push(path),
                Some((_, "d")) => {
                    files.extend(names(&path)?.into_iter().filter(|name| name.ends_with(".conf")).map(|name| format!("{path}/{name}")))
                }
                _ => {}
            }
        }
    }
    let read = files.into_iter().filter_map(|path| regular(&path).map(|text| Some((path, text?))).transpose());
    read.collect()
}

/// The account of `User=`, systemd.exec(5).
fn unit_user(line: &str) -> Option<&str> {
    line.strip_prefix("User")?.trim_start().strip_prefix('=').map(str::trim)
}

/// Aliases of the account that run a program.
fn mail(host: &Host) -> Vec<Finding> {
    let path = "/etc/aliases";
    match text_or_empty(path) {
        Err(unread) => vec![unread.skipped(path)],
        Ok(text) => host.each_account(|account| {
            let name = account.name();
            match lines(&text).iter().find(|line| pipes(line, name)) {
                None => vec![Finding::ok(name, "no alias of it runs a program")],
                Some(line) => vec![Finding::warning(path, format!("mail to {name} runs a program: {line}")).fix("take the `|` out")],
            }
        }),
    }
}

fn pipes(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(alias, to)| alias.trim().eq_ignore_ascii_case(name) && to.contains('|'))
}

fn sudo(host: &Host) -> Vec<Finding> {
    let path = "/etc/sudoers";
    let files = match sudoers(path) {
        Ok(files) => files,
        Err(Unread::Missing) => return host.each_account(|account| vec![Finding::ok(account.name(), "sudo is not installed")]),
        Err(unread) => return vec![unread.skipped(path)],
    };
    host.each_account(|account| {
        let gids = account.gids.iter().map(|gid| format!("%#{gid}"));
        let groups = account.groups.iter().map(|group| format!("%{group}"));
        let own = [account.name().to_owned(), format!("#{}", account.user.uid), "ALL".to_owned()];
        let who: BTreeSet<String> = own.into_iter().chain(groups).chain(gids).collect();
        let found: Vec<Finding> = files
            .iter()
            .flat_map(|(path, text)| grants(&files, text, &who).into_iter().map(move |entry| (path, entry)))
            .map(|(path, entry)| {
                Finding::problem(path, format!("sudo gives {} what the policy does not: {entry}", account.name()))
                    .fix("take the account, or its group, out with visudo")
            })
            .collect();
        if found.is_empty() { vec![Finding::ok(account.name(), "no entry of sudoers is for it")] } else { found }
    })
}

/// The files of sudoers(5) with their text, through `@include` and `@includedir`.
fn sudoers(path: &str) -> Result<Vec<(String, String)>, Unread> {
    let (mut waiting, mut files) = (vec![path.to_owned()], Vec::new());
    while let Some(path) = waiting.pop() {
        // More than these, or one twice, is a circle.
        if files.len() > 128 || files.iter().any(|(known, _)| *known == path) {
            continue;
        }
        let text = match text(&path) {
            Err(Unread::Missing) if !files.is_empty() => continue,
            text => text?,
        };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("@include" | "#include"), Some(file)) => waiting.push(file.to_owned()),
                // Names with a dot, or that end in `~`, are left out by sudo too.
                (Some("@includedir" | "#includedir"), Some(directory)) => {
                    let inside = names(directory)?.into_iter().filter(|name| !name.contains('.') && !name.ends_with('~'));
                    waiting.extend(inside.map(|name| format!("{directory}/{name}")));
                }
                _ => {}
            }
        }
        files.push((path, text));
    }
    Ok(files)
}

/// The entries of a file that are for one of `who`, by name or by an alias of any file.
fn grants(files: &[(String, String)], text: &str, who: &BTreeSet<String>) -> Vec<String> {
    let aliases: Vec<String> = files.iter().flat_map(|(_, text)| entries(text)).filter(|entry| entry.starts_with("User_Alias")).collect();
    let definitions =
        aliases.iter().flat_map(|entry| entry.trim_start_matches("User_Alias").split(':')).filter_map(|one| one.split_once('='));
    let named = definitions.filter(|(_, members)| list(members).any(|member| who.contains(&member)));
    let names: BTreeSet<String> = named.map(|(alias, _)| alias.trim().to_owned()).chain(who.iter().cloned()).collect();
    let is_definition =
        |entry: &str| entry.starts_with("Defaults") || entry.split_whitespace().next().is_some_and(|word| word.ends_with("_Alias"));
    let mut granted = entries(text);
    granted.retain(|entry| !is_definition(entry) && !entry.starts_with('@') && users(entry).iter().any(|user| names.contains(user)));
    granted
}

/// Entries, joined where they go on in the next line, without comments; `#` before a digit is a uid.
fn entries(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let bare = joined.lines().map(|line| match line.trim() {
        line if line.starts_with('#') && !line.get(1..2).is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit())) => {
            String::new()
        }
        line => line.split(" #").next().unwrap_or_default().trim().to_owned(),
    });
    bare.filter(|line| !line.is_empty()).collect()
}

/// The list of users that an entry begins with: what its commas join.
fn users(entry: &str) -> Vec<String> {
    let Some((left, _)) = entry.split_once('=') else { return Vec::new() };
    let glued = left.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",").replace(", ", ",");
    list(glued.split_whitespace().next().unwrap_or_default()).collect()
}

fn list(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(|name| name.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
#[path = "jobs_tests.rs"]
mod tests;
