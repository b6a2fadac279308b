//! Facts about this host, asked of the kernel within a deadline.
//!
//! What the kernel has at hand is answered in a few microseconds and without any waiting (`RESOLVE_CACHED`). Everything else, which
//! includes names that do not exist, other users' rights and kernels that lack the call, is walked by a helper that can be left behind.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::stat::fstat;

use super::identity::{Who, to_assume};
use super::program;
use super::walk::{WalkError, walk};
use crate::access::Person;
use crate::policy::{Facts, Resolved};
use crate::sys::deadline::{Answer, Elapsed, answer_within};
use crate::sys::descriptor;
use crate::sys::identity::Identity;
use crate::words::{Safe, limits};

/// The host that this process runs on, seen from a directory, for as long as one line is decided: all its lookups together may take
/// [`limits::PATH_DEADLINE`], so that a line of a hundred paths on a dead file system is refused as soon as one of one path.
pub struct Host {
    /// What relative paths start from.
    directory: PathBuf,
    /// The account that lines are decided for; `None`: whoever this process is. It acts with that account's rights in any case.
    account: Option<Who>,
    /// Users that were looked up.
    users: RefCell<BTreeMap<Option<String>, ToAssume>>,
    /// What the lookups that had to wait have taken.
    waited: Cell<Duration>,
}

/// What a helper takes on to be a user, or why it cannot.
type ToAssume = Result<Option<Identity>, String>;

impl Host {
    pub fn new(directory: impl Into<PathBuf>) -> Host {
        Host { directory: directory.into(), account: None, users: RefCell::default(), waited: Cell::new(Duration::ZERO) }
    }

    /// The same for lines of this person, whom `as:` starts from.
    #[must_use]
    pub fn for_person(self, person: &Person) -> Host {
        Host { account: Some(Who::account(person)), ..self }
    }

    /// Who looks a path up that is asked for with the rights of `run_as`; each is found once.
    fn identity(&self, run_as: Option<&str>) -> ToAssume {
        let key = run_as.map(str::to_owned);
        if let Some(found) = self.users.borrow().get(&key) {
            return found.clone();
        }
        let account = self.account.clone().map_or_else(Who::this_process, Ok);
        let found = account.and_then(|account| account.run_as(run_as)).and_then(|who| to_assume(who.identity));
        self.users.borrow_mut().insert(key, found.clone());
        found
    }

    /// Where a path leads, by a helper, in what is left of the time.
    fn wait_for(&self, path: &Path, run_as: Option<&str>) -> Result<Resolved, String> {
        let identity = self.identity(run_as)?;
        let account = self.account.as_ref().map(|account| &account.identity).filter(|account| account.uid != 0);
        let changer = account.filter(|account| run_as.is_some() && identity.as_ref().is_some_and(|identity| identity != *account));
        let left = limits::PATH_DEADLINE.saturating_sub(self.waited.get());
        if left.is_zero() {
            return Err(Elapsed(limits::PATH_DEADLINE).to_string());
        }
        let start = Instant::now();
        let found = walked(path, identity.as_ref(), changer, left);
        self.waited.set(self.waited.get() + start.elapsed());
        found
    }
}

impl Facts for Host {
    fn resolve(&self, path: &str, run_as: Option<&str>) -> Result<Resolved, String> {
        if path.is_empty() {
            return Err("no such file or directory".to_owned());
        }
        let path = self.directory.join(path);
        let at_hand = if run_as.is_none() { cached(&path) } else { None };
        at_hand.map_or_else(|| self.wait_for(&path, run_as), Ok)
    }

    fn same_program(&self, typed: &str, name: &str, search: &[String]) -> bool {
        let typed = Path::new(typed);
        let exists = |path: &PathBuf| match program::is_fixed(path) {
            true => path.exists(),
            false => self.resolve(&path.display().to_string(), None).is_ok_and(|found| found.exists),
        };
        let Some(hit) = program::candidates(name, search).into_iter().find(exists) else { return false };
        if typed.file_name() != hit.file_name() || !typed.is_absolute() {
            return false;
        }
        let directory = |path: &Path| self.resolve(&path.parent()?.display().to_string(), None).ok().filter(|found| found.exists);
        typed == hit || directory(typed).is_some_and(|found| directory(&hit) == Some(found))
    }
}

/// Where an existing path leads, if the kernel can say so at once.
fn cached(path: &Path) -> Option<Resolved> {
    let handle = descriptor::open_cached(path).ok()?;
    let leads = nix::fcntl::readlink(format!("/proc/self/fd/{}", handle.as_raw_fd()).as_str()).ok()?;
    leads.as_bytes().starts_with(b"/").then(|| Resolved { path: leads.into(), exists: true })
}

/// Where a path leads, by a helper. Where the command has other rights than `changer`, nothing on the way may be theirs to change: what was
/// decided here, the command looks up again.
fn walked(path: &Path, identity: Option<&Identity>, changer: Option<&Identity>, limit: Duration) -> Result<Resolved, String> {
    let judge = |directory: &Path, handle: &OwnedFd| match changer {
        Some(changer) if may_change(changer, handle)? => Err(WalkError::Changeable(Safe(directory.as_os_str().as_bytes()).to_string())),
        _ => Ok(()),
    };
    // One byte of verdict, then the path or the reason.
    let work = || match walk(path, &judge) {
        Ok(found) => [if found.missing.is_empty() { b"+" } else { b"-" }, found.full().as_os_str().as_bytes()].concat(),
        Err(error) => format!("!{error}").into_bytes(),
    };
    let answer = answer_within(limit, identity, || Answer { bytes: work(), descriptor: None });
    let bytes = answer.map_err(|_| Elapsed(limits::PATH_DEADLINE).to_string())?.bytes;
    let path = |path: &[u8]| PathBuf::from(OsString::from_vec(path.to_vec()));
    match bytes.split_first() {
        Some((b'+', leads)) => Ok(Resolved { path: path(leads), exists: true }),
        Some((b'-', leads)) => Ok(Resolved { path: path(leads), exists: false }),
        Some((_, reason)) => Err(String::from_utf8_lossy(reason).into_owned()),
        None => Err("no answer".to_owned()),
    }
}

/// Whether a user can put something else under a name in a directory. The sticky bit does not keep them from names of their own. Where there
/// is a list (acl(5)), the group's bits say what it gives at most to anybody that it names, who may be this user.
fn may_change(user: &Identity, directory: &OwnedFd) -> nix::Result<bool> {
    let stat = fstat(directory)?;
    let (owners, groups, everybodys) = (user.uid == stat.st_uid, stat.st_mode & 0o020 != 0, stat.st_mode & 0o002 != 0);
    let of_group = || user.gid == stat.st_gid || user.groups.contains(&stat.st_gid);
    Ok(owners || everybodys || groups && (of_group() || descriptor::has_list(directory.as_fd())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn host() -> Host {
        Host::new("/etc")
    }

    #[test]
    fn a_path_is_what_it_resolves_to() {
        for (path, leads, exists) in [
            ("passwd", "/etc/passwd", true),
            ("./../etc//passwd", "/etc/passwd", true),
            ("/", "/", true),
            ("no-such", "/etc/no-such", false),
            ("/no/such/name", "/no/such/name", false),
        ] {
            assert_eq!(host().resolve(path, None), Ok(Resolved { path: leads.into(), exists }), "{path}");
        }
    }

    #[test]
    fn a_line_that_has_waited_long_enough_waits_for_no_further_path() {
        let _ = fs::metadata("/etc/passwd");
        let late = Host { waited: Cell::new(limits::PATH_DEADLINE), ..host() };
        assert_eq!(host().resolve("/no-such", None).map(|found| found.exists), Ok(false), "with time left");
        assert_eq!(late.resolve("/no-such", None), Err("no answer within 1s".to_owned()));
    }

    #[test]
    fn the_fast_way_and_the_slow_one_agree() {
        // The kernel may have dropped one from its cache, but not all.
        let answers = ["/etc/passwd", "/bin/sh", "/usr/bin/../lib/", "/dev/null"].map(|path| {
            let _ = fs::metadata(path);
            cached(Path::new(path))
                .inspect(|found| assert_eq!(walked(Path::new(path), None, None, limits::PATH_DEADLINE).as_ref(), Ok(found)))
        });
        assert!(answers.iter().any(Option::is_some));
        assert!(cached(Path::new("/proc/self/root/etc")).is_none());
    }

    #[test]
    fn refusals_have_reasons() {
        for (path, reason) in [
            ("", "no such file or directory"),
            ("passwd/", "not a directory"),
            ("passwd/x", "not a directory"),
            ("no/../passwd", "`..` behind a name that does not exist"),
            ("/proc/self/cwd/passwd", "it leads into another process through a link of /proc"),
            ("/dev/fd/0", "it leads into another process through a link of /proc"),
        ] {
            assert_eq!(host().resolve(path, None), Err(reason.to_owned()), "{path}");
        }
        assert_eq!(host().resolve("/", Some("no such user")), Err("no such user".to_owned()));
    }

    #[test]
    fn a_path_is_looked_up_with_the_rights_of_its_user() {
        if !nix::unistd::geteuid().is_root() {
            return crate::words::skip("only root can take the rights of another user");
        }
        let base = nix::unistd::mkdtemp("/opt/postern-lookup-XXXXXX").unwrap();
        fs::set_permissions(&base, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        fs::create_dir_all(base.join("closed/open")).unwrap();
        std::os::unix::fs::chown(base.join("closed"), Some(0), Some(0)).unwrap();
        fs::set_permissions(base.join("closed"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let path = base.join("closed/open").display().to_string();
        assert_eq!(host().resolve(&path, None).map(|found| found.exists), Ok(true));
        assert_eq!(host().resolve(&path, Some("nobody")), Err("permission denied".to_owned()));
        fs::remove_dir_all(base).unwrap();
    }

    /// Lists the account with these rights (acl(5), and linux/posix_acl_xattr.h); false where the file system has no lists.
    fn list(directory: &Path, rights: u32) -> bool {
        let entry = |tag: u16, rights: u16, id: u32| [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat();
        let (rights, nobody) = (u16::try_from(rights).unwrap(), u32::MAX);
        let entries =
            [entry(1, 7, nobody), entry(2, rights, 12345), entry(4, 5, nobody), entry(0x10, rights, nobody), entry(0x20, 5, nobody)];
        let value: String = [2_u32.to_le_bytes().to_vec(), entries.concat()].concat().iter().map(|byte| format!("\\{byte:03o}")).collect();
        let set = format!("import os, sys; os.setxattr(sys.argv[1], 'system.posix_acl_access', b'{value}')");
        std::process::Command::new("python3").args(["-c", &set]).arg(directory).status().unwrap().success()
    }

    #[test]
    fn nothing_on_the_way_of_a_rules_user_is_for_the_account_to_change() {
        if !nix::unistd::geteuid().is_root() {
            return crate::words::skip("only root can take the rights of another user");
        }
        let base = nix::unistd::mkdtemp("/opt/postern-lookup-XXXXXX").unwrap();
        let person = Person { account: "acct".to_owned(), uid: 12345, gid: 12345, gids: vec![23456], ..crate::access::unidentified() };
        let host = || Host::new("/").for_person(&person);
        for (name, owner, group, mode, refused) in [
            ("roots", 0, 0, 0o755, false),
            ("nobodys", 65534, 0, 0o755, false),
            ("of_another_group", 0, 34567, 0o775, false),
            ("accounts", 12345, 0, 0o755, true),
            ("of_its_group", 0, 23456, 0o775, true),
            ("of_its_group_to_read", 0, 23456, 0o755, false),
            ("everybodys", 0, 0, 0o1777, true),
            ("its_by_a_list", 0, 34567, 0o775, true),
            ("its_to_read_by_a_list", 0, 34567, 0o755, false),
        ] {
            let directory = base.join(name);
            fs::create_dir(&directory).unwrap();
            symlink("/etc/hostname", directory.join("link")).unwrap();
            std::os::unix::fs::chown(&directory, Some(owner), Some(group)).unwrap();
            fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
            if name.ends_with("_list") && !list(&directory, mode >> 3 & 7) {
                crate::words::skip(&format!("{name}: /opt has no such lists"));
                continue;
            }
            fs::set_permissions(&base, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            let link = directory.join("link").display().to_string();
            assert!(host().resolve(&link, None).is_ok(), "{name}: by itself it may go where it likes");
            let found = host().resolve(&link, Some("nobody"));
            assert_eq!(found.is_err(), refused, "{name}: {found:?}");
        }
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn the_same_program_is_so_by_path_and_never_by_inode() {
        let base = nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-same-XXXXXX")).unwrap();
        fs::copy("/bin/sh", base.join("sh")).unwrap();
        fs::hard_link(base.join("sh"), base.join("dash")).unwrap();
        symlink("/usr/bin", base.join("bin")).unwrap();
        let typed = |path: &str| base.join(path).display().to_string();
        for (path, same) in [("/usr/bin/sh", true), ("/usr/bin/../bin/sh", true), ("/usr/bin/bash", false), ("sh", false)] {
            assert_eq!(host().same_program(path, "sh", &[]), same, "{path}");
        }
        if fs::canonicalize("/bin").unwrap() == Path::new("/usr/bin") {
            assert!(host().same_program("/bin/sh", "sh", &[]));
        }
        assert!(!host().same_program(&typed("sh"), "sh", &[]), "a copy");
        assert!(!host().same_program(&typed("dash"), "sh", &[]), "another name");
        assert!(host().same_program(&typed("bin/sh"), "sh", &[]), "the same directory by another way");
        assert!(!host().same_program("/usr/bin/no-such", "no-such", &[]));
        fs::remove_dir_all(base).unwrap();
    }
}
