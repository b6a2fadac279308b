//! Where records go: the audit directory, the syslog socket, and what becomes of them behind it.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::finding::{Check, Finding};
use super::host::{Host, Owners};
use super::reading::{Unread, lines, names, status, text, text_or_empty};
use crate::access::Install;
use crate::policy::settings::Audit;
use crate::sys::deadline::within;
use crate::sys::file::{Directory, Owner};
use crate::words::limits;

pub const CHECKS: &[Check] = &[
    Check { id: "audit.directory", run: |host| places(host, |audit| directories(host, &audit.dir)) },
    Check { id: "audit.space", run: |host| places(host, |audit| vec![space(&audit.dir)]) },
    Check { id: "audit.syslog", run: |host| places(host, |audit| vec![syslog(audit.syslog.as_deref(), &host.installs())]) },
    Check { id: "audit.rsyslog", run: |_| vec![rsyslog()] },
    Check { id: "audit.rotation", run: |_| vec![rotation()] },
];

/// Where every account makes the files of its sessions, and can neither list nor remove those of others.
const SHARED: u32 = 0o1733;
/// Where the shell makes them with rights that no account has; the second lets a group read.
const PRIVATE: [u32; 2] = [0o700, 0o750];
/// How long its disk may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Fewer bytes left than these are a warning: some thousands of sessions.
const LITTLE: u64 = 64 << 20;
/// The same for files.
const FEW: u64 = 1000;

/// A check of where the policy in force has records go.
fn places(host: &Host, check: impl Fn(&Audit) -> Vec<Finding>) -> Vec<Finding> {
    match host.settings() {
        Some(settings) => check(&settings.audit),
        None => vec![Finding::skipped("audit", "no policy is in force that says where records go")],
    }
}

/// Whether a path can be looked at without a wait that never ends, whatever is there.
fn answers(path: &str) -> bool {
    within(LIMIT, || statvfs(path).err().map(|error| error.to_string().into_bytes()).unwrap_or_default()).is_ok()
}

/// Whose the audit directory is, and its mode, in each install.
struct Wanted {
    install: Install,
    owner: u32,
    modes: &'static [u32],
    /// Why so.
    because: &'static str,
}

impl Wanted {
    /// `None` where its owner is not there; that is a finding of `shell.privilege`.
    fn by(install: Install, owners: Owners) -> Option<Wanted> {
        let (owner, modes, because) = match install {
            Install::Root => (0, &PRIVATE[..], "so that no account reaches the records"),
            Install::Postern => (owners.user?, &PRIVATE[..], "so that no account reaches the records"),
            Install::Plain => (0, &[SHARED][..], "so that every account can make files there, and neither list nor remove those of others"),
        };
        Some(Wanted { install, owner, modes, because })
    }

    /// `root's, mode 700 or 750`.
    fn text(&self) -> String {
        let modes: Vec<String> = self.modes.iter().map(|mode| format!("{mode:o}")).collect();
        format!("{}, mode {}", if self.owner == 0 { "root's" } else { "postern's" }, modes.join(" or "))
    }

    fn make(&self, path: &str) -> Vec<String> {
        let mode = format!("{:04o}", self.modes.first().copied().unwrap_or_default());
        let owner = if self.owner == 0 { "root" } else { "postern" };
        ["install", "-d", "-m", &mode, "-o", owner, "-g", "root", path].map(str::to_owned).into()
    }
}

/// For each install on this host: two that differ cannot share a directory.
fn directories(host: &Host, path: &str) -> Vec<Finding> {
    let readers: Vec<u32> = host.accounts.iter().flat_map(|account| account.gids.iter().copied()).collect();
    let wanted = host.installs().into_iter().filter_map(|install| Wanted::by(install, host.owners));
    let found: Vec<Finding> = wanted.map(|wanted| directory(path, &wanted, &readers)).collect();
    if found.is_empty() { vec![Finding::skipped(path, "there is no user postern, whose it would be")] } else { found }
}

/// `readers` are the groups that accounts are in.
fn directory(path: &str, wanted: &Wanted, readers: &[u32]) -> Finding {
    let make = |finding: Finding| finding.command(wanted.make(path).iter().map(String::as_str));
    if !answers(path) {
        let message = "its disk gives no answer: each session waits for it, and then does without";
        return Finding::problem(path, message).fix("mend the disk, or name another directory under `audit:`");
    }
    let found = match status(path) {
        Ok(Some(found)) => found,
        Ok(None) => return make(Finding::problem(path, "it is not there, so records are in syslog alone")),
        Err(unread) => return unread.skipped(path),
    };
    let above = Path::new(path).parent().unwrap_or(Path::new("/"));
    if let Err(error) = Directory::open(above, Owner::Root) {
        return Finding::distrust(&error);
    }
    if !found.is_dir() {
        return Finding::problem(path, "it is no directory, so records are in syslog alone")
            .fix("remove it, and make a directory in its place");
    }
    match judge_directory(found.uid(), found.gid(), found.mode() & 0o7777, wanted, readers) {
        None => Finding::ok(path, format!("it is as the {} install has it: {}", wanted.install.name(), wanted.text())),
        Some(message) => make(Finding::problem(path, message)),
    }
}

/// What is wrong with its owner, group or mode. A set-group-ID bit, by which records get its group, is fine.
fn judge_directory(uid: u32, gid: u32, mode: u32, wanted: &Wanted, readers: &[u32]) -> Option<String> {
    let plain = mode & !0o2000;
    if uid != wanted.owner || !wanted.modes.contains(&plain) {
        let (install, text, because) = (wanted.install.name(), wanted.text(), wanted.because);
        return Some(format!("it belongs to uid {uid}, mode {mode:o}; with the {install} install it has to be {text}, {because}"));
    }
    let read = plain == 0o750 && readers.contains(&gid);
    read.then(|| format!("mode {mode:o}, and an account is in its group {gid}: it sees whose sessions there were"))
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
fn syslog(path: Option<&str>, installs: &[Install]) -> Finding {
    let Some(path) = path else {
        let reach = if installs.contains(&Install::Plain) { ", in the account's own reach" } else { "" };
        return Finding::warning("audit: syslog", format!("the policy says `none`: records stay on this host{reach}"))
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
        Ok(false) => {
            Finding::note(subject, "nothing rotates records and recordings: /var/log/postern.jsonl and the audit directory grow for ever")
                .fix("a file in /etc/logrotate.d, by how long records have to be kept")
        }
        Err(unread) => unread.skipped("/etc/logrotate.d"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn each_install_wants_another_audit_directory() {
        use Install::{Plain, Postern, Root};
        let owners = Owners { group: Some(50), user: Some(990) };
        for (install, uid, gid, mode, fits) in [
            (Root, 0, 0, 0o700, true),
            (Root, 0, 4, 0o750, true),
            (Root, 0, 4, 0o2750, true),
            (Root, 0, 50, 0o750, false),
            (Root, 0, 50, 0o700, true),
            (Root, 0, 0, 0o1733, false),
            (Root, 0, 0, 0o755, false),
            (Root, 990, 0, 0o700, false),
            (Postern, 990, 0, 0o700, true),
            (Postern, 990, 4, 0o750, true),
            (Postern, 0, 0, 0o700, false),
            (Postern, 0, 0, 0o1733, false),
            (Plain, 0, 0, 0o1733, true),
            (Plain, 0, 0, 0o700, false),
            (Plain, 7, 0, 0o1733, false),
        ] {
            let wanted = Wanted::by(install, owners).unwrap();
            assert_eq!(judge_directory(uid, gid, mode, &wanted, &[50]).is_none(), fits, "{install:?} {uid}:{gid} {mode:o}");
        }
        let make = |install| Wanted::by(install, owners).unwrap().make("/x").join(" ");
        assert_eq!(make(Root), "install -d -m 0700 -o root -g root /x");
        assert_eq!(make(Postern), "install -d -m 0700 -o postern -g root /x");
        assert_eq!(make(Plain), "install -d -m 1733 -o root -g root /x");
        assert!(Wanted::by(Postern, Owners { user: None, ..owners }).is_none());
    }

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
