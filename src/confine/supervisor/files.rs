//! The files that a command opens, names or removes, for its record.
//!
//! A log and no door: every call goes on, and what may be opened is for Landlock and the modes of files to say. So a path may be read from
//! memory that another thread changes before the kernel reads it; a program that means to can so have another file on record than the one
//! that it opens, among those that it may open anyway.
//!
//! While the command runs nothing is looked up, because that may take for ever: a name is made absolute with what /proc says of its caller,
//! and written down. When nothing of the command is left, a helper with the rights of its user looks at all of them once: where they lead,
//! how large they are, and whether they could have been opened at all, which leaves out attempts that were refused. A name that leads
//! nowhere then is on record if it was written to or taken away.
//!
//! A program that could make itself unreadable (`PR_SET_DUMPABLE`, as sftp-server does) would show its memory to root alone, so its filter
//! keeps it from that. What cannot be read all the same is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, readlink};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{AccessFlags, faccessat};

use super::programs::{open_handle, target};
use super::{Decision, Supervisor};
use crate::confine::places::resolve;
use crate::policy::Confinement;
use crate::policy::confinement::DEVICES;
use crate::record::{FileAccess, FileRecord, Files};
use crate::sys::caller::PathAt;
use crate::sys::deadline::{self, answer_within};
use crate::sys::descriptor;
use crate::sys::identity::Identity;
use crate::sys::notify::{Answer, Notification};
use crate::words::limits;

/// Directories in which only root makes links: a name there is no other name of a file in a place of the rule.
const SYSTEM: [&str; 10] = ["/usr", "/etc", "/proc", "/sys", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// Names of a process's own descriptors, and where proc(5) has them.
const DESCRIPTORS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// Which files are logged: those in the places that the policy adds to a confinement, but for what is hidden there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileScope {
    pub confinement: Confinement,
    /// The account's home directory, for `~` in hidden paths.
    pub home: String,
}

/// What a command has done to files so far.
#[derive(Debug)]
pub struct FileLog {
    scope: FileScope,
    /// Whose rights the files are looked at with in the end.
    identity: Option<Identity>,
    seen: BTreeMap<(PathBuf, FileAccess), Seen>,
    /// Bytes of all names.
    bytes: usize,
    left_out: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The how many-th it was.
    number: usize,
    /// Whether it may be gone in the end without being lost: the command has taken the name away itself, or has only tried to give it.
    excused: bool,
}

/// Where a name led in the end, and how large that was.
type Fate = Option<(Vec<u8>, Option<u64>)>;

impl Supervisor {
    pub(super) fn note_open(&mut self, call: &Notification, at: PathAt, flags: i32) -> Decision {
        let flags = OFlag::from_bits_retain(flags);
        // What opens a directory, or nothing but a name, reads no file; O_TMPFILE is one of them until its file gets a name.
        if !flags.intersects(OFlag::O_PATH | OFlag::O_DIRECTORY) {
            let reads = flags & OFlag::O_ACCMODE == OFlag::O_RDONLY && !flags.intersects(OFlag::O_CREAT | OFlag::O_TRUNC);
            if let Some((path, log)) = self.name(call, at).zip(self.log.as_mut()) {
                log.note(path, if reads { FileAccess::Read } else { FileAccess::Write }, false);
            }
        }
        Ok(Answer::Continue.into())
    }

    pub(super) fn note_open_how(&mut self, call: &Notification, at: PathAt, how: u64) -> Decision {
        match self.memory(call).and_then(|memory| memory.open_flags(how)) {
            Ok(flags) => self.note_open(call, at, flags),
            Err(_) => {
                self.count_unseen();
                Ok(Answer::Continue.into())
            }
        }
    }

    pub(super) fn note_rename(&mut self, call: &Notification, from: PathAt, to: PathAt, exchange: bool) -> Decision {
        if let Some((from, log)) = self.name(call, from).zip(self.log.as_mut()) {
            // A file that the command has made under another name first, as many do, is not one that it takes away.
            if !log.take_away(&from) {
                log.note(from.clone(), FileAccess::Remove, false);
            }
            if exchange {
                log.note(from, FileAccess::Write, true);
            }
        }
        self.note_link(call, to)
    }

    pub(super) fn note_link(&mut self, call: &Notification, to: PathAt) -> Decision {
        if let Some((path, log)) = self.name(call, to).zip(self.log.as_mut()) {
            log.note(path, FileAccess::Write, true);
        }
        Ok(Answer::Continue.into())
    }

    pub(super) fn note_removal(&mut self, call: &Notification, at: PathAt) -> Decision {
        if let Some((path, log)) = self.name(call, at).zip(self.log.as_mut()) {
            log.take_away(&path);
            log.note(path, FileAccess::Remove, false);
        }
        Ok(Answer::Continue.into())
    }

    /// The absolute path that a call names. Of one that the kernel cannot read either there is none.
    fn name(&mut self, call: &Notification, at: PathAt) -> Option<PathBuf> {
        match self.absolute(call, at) {
            Err(Errno::EACCES | Errno::EPERM) => {
                self.count_unseen();
                None
            }
            named => named.ok(),
        }
    }

    fn absolute(&self, call: &Notification, at: PathAt) -> Result<PathBuf, Errno> {
        let path = PathBuf::from(OsString::from_vec(self.memory(call)?.text(at.path, limits::PATH_BYTES)?));
        let base = match at.directory {
            _ if path.is_absolute() => PathBuf::new(),
            _ if path.as_os_str().is_empty() => return Err(Errno::ENOENT),
            None => readlink(&call.proc("cwd"))?.into(),
            Some(fd) => readlink(&call.proc(&format!("fd/{fd}")))?.into(),
        };
        let path = through_proc(call, base.join(path));
        if self.listener.is_current(call.id) { Ok(path) } else { Err(Errno::ESRCH) }
    }

    fn count_unseen(&mut self) {
        if let Some(log) = &mut self.log {
            log.left_out += 1;
        }
    }
}

/// Puts in place of the links of /proc that lead to open files and the like what they lead to, as long as there are any in front: when the
/// command is over they lead nowhere.
fn through_proc(call: &Notification, path: PathBuf) -> PathBuf {
    let mut path: PathBuf = path.components().collect();
    for _ in 0..limits::PROC_LINKS {
        let Some(next) = first_link(call, &path) else { break };
        path = next.components().collect();
    }
    path
}

fn first_link(call: &Notification, path: &Path) -> Option<PathBuf> {
    let own = DESCRIPTORS.iter().find_map(|(name, link)| Some(Path::new(link).join(path.strip_prefix(name).ok()?)));
    let path = own.as_deref().unwrap_or(path);
    let mut names = path.strip_prefix("/proc").ok()?.iter();
    let process = names.next()?;
    let mut link = if process == "self" || process == "thread-self" { call.proc("") } else { Path::new("/proc").join(process) };
    let mut name = names.next()?;
    if name == "task" {
        link.extend([name, names.next()?]);
        name = names.next()?;
    }
    link.push(name);
    if name == "fd" || name == "map_files" {
        link.push(names.next()?);
    } else if name != "cwd" && name != "root" {
        return None;
    }
    let leads = PathBuf::from(readlink(&link).ok()?);
    leads.is_absolute().then(|| leads.join(names.as_path()))
}

impl FileLog {
    pub(super) fn new(scope: FileScope, identity: Option<Identity>) -> FileLog {
        FileLog { scope, identity, seen: BTreeMap::new(), bytes: 0, left_out: 0 }
    }

    /// Notes something that is about to be tried.
    fn note(&mut self, path: PathBuf, access: FileAccess, excused: bool) {
        let named = self.scope.names(&path);
        if !named && is_of_system(&path) || access != FileAccess::Write && is_missing(&path) {
            return;
        }
        let (number, length) = (self.seen.len(), path.as_os_str().len());
        let key = (path, access);
        if let Some(seen) = self.seen.get_mut(&key) {
            seen.excused &= excused;
            return;
        }
        // Names elsewhere, which may lead into a place of the rule and mostly do not, must not crowd out the others.
        let share = if named { 1 } else { 2 };
        if number >= limits::LOGGED_FILES / share || self.bytes + length > limits::LOGGED_BYTES / share {
            self.left_out += 1;
            return;
        }
        self.bytes += length;
        self.seen.insert(key, Seen { number, excused });
    }

    /// Notes that a name is about to be taken away; whether it was written to before.
    fn take_away(&mut self, path: &Path) -> bool {
        let mut take = |access| self.seen.get_mut(&(path.to_owned(), access)).map(|seen| seen.excused = true).is_some();
        take(FileAccess::Read);
        take(FileAccess::Write)
    }

    /// What is to be on record, when nothing of the command is left. Waits for the file systems, at most [`limits::PATH_DEADLINE`].
    pub fn finish(self) -> Files {
        let mut all: Vec<(&Path, FileAccess, Seen)> =
            self.seen.iter().map(|((path, access), seen)| (path.as_path(), *access, *seen)).collect();
        all.sort_by_key(|(.., seen)| seen.number);
        if all.is_empty() {
            return Files { listed: Vec::new(), left_out: self.left_out };
        }
        let look = || {
            let sight = Sight::of(&self.scope);
            let fates: Vec<Fate> = all.iter().map(|(path, access, seen)| sight.fate(path, *access, seen.excused)).collect();
            deadline::Answer { bytes: serde_json::to_vec(&fates).unwrap_or_default(), descriptor: None }
        };
        let answer = answer_within(limits::PATH_DEADLINE, self.identity.as_ref(), look);
        let fates = answer.ok().and_then(|answer| serde_json::from_slice::<Vec<Fate>>(&answer.bytes).ok());
        // A file system that does not answer: all that the names alone say.
        let fates = fates.unwrap_or_else(|| all.iter().map(|(path, ..)| self.scope.names(path).then(|| unresolved(path))).collect());
        let (mut files, mut once) = (Files { listed: Vec::new(), left_out: self.left_out }, BTreeSet::new());
        for ((_, access, _), fate) in all.iter().zip(fates) {
            let Some((path, size)) = fate.filter(|(path, _)| once.insert((path.clone(), *access))) else { continue };
            if files.listed.len() < limits::LISTED_FILES {
                files.listed.push(FileRecord { path, access: *access, size });
            } else {
                files.left_out += 1;
            }
        }
        files
    }
}

impl FileScope {
    /// Whether a path is in a place of the rule by its name.
    fn names(&self, path: &Path) -> bool {
        self.confinement.is_in_own_place(&path.to_string_lossy(), &self.home, false)
    }
}

/// Whether a path is where only root makes links, and nothing in it leads elsewhere.
fn is_of_system(path: &Path) -> bool {
    let system = SYSTEM.iter().any(|place| path.starts_with(place)) && path.iter().all(|name| name != "..");
    system || DEVICES.iter().any(|device| path == Path::new(device))
}

/// Whether there is certainly nothing of that name, as far as the kernel knows without asking a disk (from Linux 5.12).
fn is_missing(path: &Path) -> bool {
    matches!(descriptor::open_cached(path), Err(Errno::ENOENT | Errno::ENOTDIR))
}

/// A name of which nothing more is known.
fn unresolved(path: &Path) -> (Vec<u8>, Option<u64>) {
    (path.as_os_str().as_bytes().to_vec(), None)
}

/// How the files look in the end to the command's user.
struct Sight<'a> {
    scope: &'a FileScope,
    /// The places of the rule where they really are, and whether they can be written.
    places: Vec<(PathBuf, bool)>,
}

impl Sight<'_> {
    fn of(scope: &FileScope) -> Sight<'_> {
        let Confinement { read, roots, write, .. } = &scope.confinement;
        let all = read.iter().chain(roots).map(|place| (place, false)).chain(write.iter().map(|place| (place, true)));
        let places = all.filter_map(|(place, writes)| Some((resolve(Path::new(place)).ok()?.1, writes))).collect();
        Sight { scope, places }
    }

    /// Where a name leads, and how large that is; `None` for what does not belong on record.
    fn fate(&self, path: &Path, access: FileAccess, excused: bool) -> Fate {
        match open_handle(None, path, access != FileAccess::Remove) {
            Ok(_) if access == FileAccess::Remove => None,
            Ok(file) => self.found(&file, access),
            Err(Errno::ENOENT | Errno::ENOTDIR) => self.gone(path, access, excused),
            // A link of /proc that no name is given for: only the command knew where it led.
            Err(Errno::ELOOP) => Some(unresolved(path)),
            Err(_) => None,
        }
    }

    fn found(&self, file: &OwnedFd, access: FileAccess) -> Fate {
        let facts = fstat(file.as_fd()).ok()?;
        let place = target(file)?;
        let is_file = facts.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
        let logged = is_file && self.holds(&place, access) && self.permits(file, access);
        logged.then(|| (place.into_os_string().into_vec(), u64::try_from(facts.st_size).ok()))
    }

    /// A file that is not there: it was if it was made, or taken away by the command itself.
    fn gone(&self, path: &Path, access: FileAccess, excused: bool) -> Fate {
        let was_there = match access {
            FileAccess::Read => excused,
            FileAccess::Write => !excused,
            FileAccess::Remove => true,
        };
        let parent = open_handle(None, path.parent()?, true).ok().filter(|_| was_there)?;
        let place = target(&parent)?.join(path.file_name()?);
        (self.holds(&place, access) && self.permits(&parent, FileAccess::Write)).then(|| unresolved(&place))
    }

    fn holds(&self, place: &Path, access: FileAccess) -> bool {
        let writes = access != FileAccess::Read;
        let FileScope { confinement, home } = self.scope;
        let name = place.to_string_lossy();
        let real = || self.places.iter().any(|(real, writable)| place.starts_with(real) && (*writable || !writes));
        !confinement.hides(&name, home) && (confinement.is_in_own_place(&name, home, writes) || real())
    }

    /// Whether the modes of files let its user do it; of a command with capabilities, which may pass them, that is not asked.
    fn permits(&self, file: &OwnedFd, access: FileAccess) -> bool {
        let mode = if access == FileAccess::Read { AccessFlags::R_OK } else { AccessFlags::W_OK };
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        !self.scope.confinement.capabilities.is_empty() || faccessat(AT_FDCWD, path.as_str(), mode, AtFlags::AT_EACCESS).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::Pid;

    #[test]
    fn links_of_proc_are_followed_as_their_caller_sees_them() {
        let file = std::fs::File::open("/etc/passwd").unwrap();
        let (process, open) = (std::process::id(), file.as_raw_fd());
        let call = Notification { id: 1, pid: Pid::this(), call: 0, arguments: [0; 6] };
        let directory = std::env::current_dir().unwrap().display().to_string();
        for (path, leads) in [
            ("/proc/self/root/srv/x".to_owned(), "/srv/x".to_owned()),
            ("/proc/thread-self/root/./srv//x".to_owned(), "/srv/x".to_owned()),
            (format!("/proc/{process}/task/{process}/cwd/x"), format!("{directory}/x")),
            ("/proc/self/root/proc/self/root/srv".to_owned(), "/srv".to_owned()),
            (format!("/proc/self/fd/{open}"), "/etc/passwd".to_owned()),
            (format!("/dev/fd/{open}"), "/etc/passwd".to_owned()),
            ("/proc/self/status".to_owned(), "/proc/self/status".to_owned()),
            ("/proc/self/fd/99999".to_owned(), "/proc/self/fd/99999".to_owned()),
            ("/proc/self".to_owned(), "/proc/self".to_owned()),
            ("/srv/../proc".to_owned(), "/srv/../proc".to_owned()),
        ] {
            assert_eq!(through_proc(&call, PathBuf::from(&path)), PathBuf::from(leads), "{path}");
        }
    }

    #[test]
    fn names_of_the_system_are_left_out_unless_they_lead_elsewhere() {
        for (path, system) in [
            ("/usr/lib/x.so", true),
            ("/etc/ld.so.cache", true),
            ("/dev/null", true),
            ("/dev/shm/link", false),
            ("/usr/../srv/x", false),
            ("/proc/self/../../srv/x", false),
            ("/srv/x", false),
            ("/usrx", false),
        ] {
            assert_eq!(is_of_system(Path::new(path)), system, "{path}");
        }
    }
}
