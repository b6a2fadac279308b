//! Where records go: the audit directory, the syslog socket, and what becomes of them behind it.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::finding::{Check, Finding};
use super::host::Host;
use super::reading::{Unread, lines, names, status, text, text_or_empty};
use crate::policy::settings::Audit;
use crate::sys::deadline::within;
use crate::sys::file::{Directory, Owner};
use crate::words::limits;

pub const CHECKS: &[Check] = &[
    Check { id: "audit.directory", run: |host| places(host, |audit| directory(&audit.dir)) },
    Check { id: "audit.space", run: |host| places(host, |audit| space(&audit.dir)) },
    Check { id: "audit.syslog", run: |host| places(host, |audit| syslog(audit.syslog.as_deref())) },
    Check { id: "audit.rsyslog", run: |_| vec![rsyslog()] },
    Check { id: "audit.rotation", run: |_| vec![rotation()] },
];

/// Every account makes the files of its sessions there, and can neither list nor remove those of others.
const MODE: u32 = 0o1733;
/// How long its disk may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Fewer bytes left than these are a warning: some thousands of sessions.
const LITTLE: u64 = 64 << 20;
/// The same for files.
const FEW: u64 = 1000;

/// A check of where the policy in force has records go.
fn places(host: &Host, check: impl Fn(&Audit) -> Finding) -> Vec<Finding> {
    vec![match host.settings() {
        Some(settings) => check(&settings.audit),
        None => Finding::skipped("audit", "no policy is in force that says where records go"),
    }]
}

/// Whether a path can be looked at without a wait that never ends, whatever is there.
fn answers(path: &str) -> bool {
    within(LIMIT, || statvfs(path).err().map(|error| error.to_string().into_bytes()).unwrap_or_default()).is_ok()
}

fn directory(path: &str) -> Finding {
    let make = ["install", "-d", "-m", "1733", "-o", "root", "-g", "root", path];
    if !answers(path) {
        let message = "its disk gives no answer: each session waits for it, and then does without";
        return Finding::problem(path, message).fix("mend the disk, or name another directory under `audit:`");
    }
    let found = match status(path) {
        Ok(Some(found)) => found,
        Ok(None) => return Finding::problem(path, "it is not there, so records are in syslog alone").command(make),
        Err(unread) => return unread.skipped(path),
    };
    let above = Path::new(path).parent().unwrap_or(Path::new("/"));
    if let Err(error) = Directory::open(above, Owner::Root) {
        return Finding::distrust(&error);
    }
    let mode = found.mode() & 0o7777;
    match (found.is_dir(), found.uid(), mode) {
        (false, ..) => {
            Finding::problem(path, "it is no directory, so records are in syslog alone").fix("remove it, and make a directory of mode 1733")
        }
        (true, 0, MODE) => Finding::ok(path, "it is root's, mode 1733"),
        (true, uid, mode) => {
            Finding::problem(path, format!("it belongs to uid {uid}, mode {mode:o}, and has to be root's, mode 1733")).command(make)
        }
    }
}

fn space(path: &str) -> Finding {
    let Some(found) = answers(path).then(|| statvfs(path).ok()).flatten() else {
        return Finding::skipped(path, "its file system gives no answer, or it is not there");
    };
    let free = found.blocks_available().saturating_mul(found.fragment_size());
    // A file system without a table of files says 0 of 0.
    let files = (found.files() > 0).then_some(found.files_available());
    judge_space(path, free, files)
}

fn judge_space(path: &str, free: u64, files: Option<u64>) -> Finding {
    let mend = "make room, or give it a file system of its own";
    match (free, files) {
        (free, _) if free < LITTLE => Finding::warning(path, format!("{} MiB are left for records", free >> 20)).fix(mend),
        (_, Some(files)) if files < FEW => Finding::warning(path, format!("{files} files are left for records")).fix(mend),
        (free, _) => Finding::ok(path, format!("{} MiB are left for records", free >> 20)),
    }
}

/// Connects, as the shell does, and sends nothing.
fn syslog(path: Option<&str>) -> Finding {
    let Some(path) = path else {
        return Finding::warning("audit: syslog", "the policy says `none`: records stay on this host, in the account's own reach")
            .fix("name a socket under `audit:` in policy.yaml, and `postern apply`");
    };
    match UnixDatagram::unbound().and_then(|socket| socket.connect(path)) {
        Ok(()) => Finding::ok(path, "somebody listens there"),
        Err(error) => Finding::problem(path, format!("{error}: records reach files on this host alone")).fix("start the syslog daemon"),
    }
}

/// rsyslogd, where it is installed, with the shipped rule or one like it.
fn rsyslog() -> Finding {
    if !Path::new("/usr/sbin/rsyslogd").exists() {
        return Finding::ok("rsyslog", "not installed: what else reads the socket has to keep records whole, which are at most 2 KiB");
    }
    match rsyslog_files() {
        Ok(files) => judge_rsyslog(&files),
        Err(unread) => unread.skipped("/etc/rsyslog.d"),
    }
}

/// The lines of rsyslog's configuration.
fn rsyslog_files() -> Result<Vec<String>, Unread> {
    let mut all = lines(&text_or_empty("/etc/rsyslog.conf")?);
    for name in names("/etc/rsyslog.d")?.into_iter().filter(|name| name.ends_with(".conf")) {
        all.extend(lines(&text(format!("/etc/rsyslog.d/{name}"))?));
    }
    Ok(all)
}

fn judge_rsyslog(lines: &[String]) -> Finding {
    let subject = "rsyslog";
    if let Some(limit) = lines.iter().find_map(|line| message_limit(line)).filter(|limit| *limit < 2 * limits::RECORD_BYTES as u64) {
        return Finding::problem(subject, format!("it cuts messages at {limit} bytes, and records are up to 2 KiB"))
            .fix("maxMessageSize of 8k");
    }
    if lines.iter().any(|line| line.contains("posternsh")) {
        return Finding::ok(subject, "it has a rule for records");
    }
    Finding::warning(subject, "it has no rule for records: they are among all others of their facility")
        .fix("install packaging/rsyslog/postern.conf as /etc/rsyslog.d/10-postern.conf, and restart rsyslog")
}

/// Bytes, of `$MaxMessageSize 8k` or `global(maxMessageSize="8k")`.
fn message_limit(line: &str) -> Option<u64> {
    let lower = line.to_ascii_lowercase();
    let (_, value) = lower.split_once("maxmessagesize")?;
    let value = value.trim_start_matches([' ', '\t', '=', '"']);
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit.chars().next() {
        Some('k') => 1 << 10,
        Some('m') => 1 << 20,
        _ => 1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn rotation() -> Finding {
    let subject = "logrotate";
    let mentioned = || -> Result<bool, Unread> {
        for name in names("/etc/logrotate.d")? {
            if text(format!("/etc/logrotate.d/{name}"))?.contains("/var/log/postern") {
                return Ok(true);
            }
        }
        Ok(text_or_empty("/etc/logrotate.conf")?.contains("/var/log/postern"))
    };
    match mentioned() {
        Ok(true) => Finding::ok(subject, "it knows of the records"),
        Ok(false) => Finding::note(subject, "nothing rotates records: /var/log/postern.jsonl and the audit directory grow for ever")
            .fix("a file in /etc/logrotate.d, by how long records have to be kept"),
        Err(unread) => unread.skipped("/etc/logrotate.d"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn little_room_is_a_warning() {
        for (free, files, level) in [
            (1 << 30, Some(100_000), Level::Ok),
            (1 << 30, None, Level::Ok),
            (1 << 20, Some(100_000), Level::Warning),
            (0, None, Level::Warning),
            (1 << 30, Some(3), Level::Warning),
        ] {
            assert_eq!(judge_space("/x", free, files).level, level, "{free} {files:?}");
        }
    }

    #[test]
    fn rsyslog_needs_a_rule_and_whole_messages() {
        for (line, level) in [
            (r#"if $programname == "posternsh" then stop"#, Level::Ok),
            ("*.* /var/log/all", Level::Warning),
            (r#"global(maxMessageSize="1k") # posternsh"#, Level::Problem),
            ("$MaxMessageSize 2048", Level::Problem),
            ("$MaxMessageSize 64k posternsh", Level::Ok),
        ] {
            assert_eq!(judge_rsyslog(&[line.to_owned()]).level, level, "{line}");
        }
    }
}
