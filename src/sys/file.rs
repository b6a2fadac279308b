//! Files that are trusted only because of who owns them, and changes of files that are whole at every moment.
//!
//! A path is walked one name at a time from `/`, each directory opened below the one before it and checked on its descriptor, so that
//! what was checked is what is used. A symbolic link on the way is followed by hand, and checked like everything else; the last name of
//! a path that is read is never one.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, RenameFlags, openat, readlinkat, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, linkat, unlinkat};

use crate::words::{limits, paths};

/// Whose files are trusted. In each case they must not be writable by group or others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Root's only.
    Root,
    /// Root's and the effective user's, for development and tests; directories such as `/tmp`, where the sticky bit keeps others from
    /// replacing a file, may lie above them.
    Caller,
    /// Anyone's, whatever their mode: for reading what is not going to be in force.
    Anyone,
}

/// What is wrong with a file or a directory. Each names it, and the way to mend it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {source}")]
    System { path: PathBuf, source: io::Error },
    #[error("{path} is owned by uid {uid}, not by root; run `chown root {path}`")]
    Owner { path: PathBuf, uid: u32 },
    #[error("{path} can be written by {who}; run `chmod {mend} {path}`")]
    Writable { path: PathBuf, who: &'static str, mend: &'static str },
    #[error("{path} is open to everyone; keep what is trusted elsewhere")]
    Shared { path: PathBuf },
    #[error("{path} is {found}, not {expected}")]
    Kind { path: PathBuf, found: &'static str, expected: &'static str },
    #[error("{path} has a name that is not UTF-8; rename it")]
    Name { path: PathBuf },
    #[error("{path} has a policy.d and no policy.yaml; write one, or name {path}/policy.d for the parts alone")]
    NoMain { path: PathBuf },
    #[error("{path} holds more than {} files", limits::POLICY_FILES)]
    TooMany { path: PathBuf },
    #[error("{path}: too many symbolic links")]
    Links { path: PathBuf },
    #[error("{path}: another process is changing it; try again when that is done")]
    Locked { path: PathBuf },
}

impl FileError {
    /// Whether the file or directory is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, FileError::System { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the file is there, but not trusted because of who owns it or may write it.
    pub fn is_distrust(&self) -> bool {
        matches!(self, FileError::Owner { .. } | FileError::Writable { .. } | FileError::Shared { .. })
    }
}

type Result<T> = std::result::Result<T, FileError>;

/// Opens a regular file to read it, whose ever it is, and nothing else: no link, no device, nothing that waits.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")) }
}

/// How the name of a policy file ends, and that of the golden file beside it.
const SOURCE: &str = ".yaml";
const GOLDEN: &str = ".golden";

/// Reads the sources of a policy, named as messages and records name them. `path` is a directory that holds `policy.yaml` and perhaps
/// `policy.d`, or one file; where nothing is to be in force, a directory of parts alone too. The main file comes first, then
/// `policy.d/*.yaml` in the order of their bytes. Of each file at most one byte more than [`limits::POLICY_BYTES`] is read.
pub fn read_tree(path: &Path, owner: Owner) -> Result<Vec<(String, Vec<u8>)>> {
    match Directory::open(path, owner) {
        Ok(directory) => read_directory(&directory, owner),
        Err(FileError::Kind { .. }) => read_single(path, owner),
        Err(error) => Err(error),
    }
}

fn read_directory(directory: &Directory, owner: Owner) -> Result<Vec<(String, Vec<u8>)>> {
    let main = match directory.read(paths::POLICY_FILE, owner) {
        Err(error) if error.is_missing() && owner != Owner::Root => match directory.parts_alone(SOURCE, owner)? {
            parts if parts.is_empty() => return Err(error),
            parts => return Ok(parts),
        },
        main => main?,
    };
    let mut sources = vec![(paths::POLICY_FILE.to_owned(), main)];
    match directory.subdirectory(paths::POLICY_PARTS, owner) {
        Err(error) if error.is_missing() => {}
        parts => sources.extend(parts?.parts(paths::POLICY_PARTS, SOURCE, owner)?),
    }
    Ok(sources)
}

/// Reads the golden files of a policy that [`read_tree`] reads, by the same rules: `policy.golden` and `policy.d/*.golden`, all of a
/// directory of parts, or the one beside a file. There may be none.
pub fn read_goldens(path: &Path, owner: Owner) -> Result<Vec<(String, Vec<u8>)>> {
    let directory = match Directory::open(path, owner) {
        Err(FileError::Kind { .. }) => return present(read_single(&path.with_extension("golden"), owner)),
        directory => directory?,
    };
    if let Err(error) = directory.open_file(paths::POLICY_FILE, owner)
        && error.is_missing()
        && owner != Owner::Root
    {
        return directory.parts_alone(GOLDEN, owner);
    }
    let main = Path::new(paths::POLICY_FILE).with_extension("golden").display().to_string();
    let mut goldens = present(directory.read(&main, owner).map(|bytes| vec![(main, bytes)]))?;
    match directory.subdirectory(paths::POLICY_PARTS, owner) {
        Err(error) if error.is_missing() => {}
        parts => goldens.extend(parts?.parts(paths::POLICY_PARTS, GOLDEN, owner)?),
    }
    Ok(goldens)
}

/// Nothing, in place of what is not there.
fn present(found: Result<Vec<(String, Vec<u8>)>>) -> Result<Vec<(String, Vec<u8>)>> {
    match found {
        Err(error) if error.is_missing() => Ok(Vec::new()),
        found => found,
    }
}

fn read_single(path: &Path, owner: Owner) -> Result<Vec<(String, Vec<u8>)>> {
    let unnamed = || FileError::Name { path: path.to_owned() };
    let name = path.file_name().and_then(OsStr::to_str).ok_or_else(unnamed)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(vec![(name.to_owned(), Directory::open(parent, owner)?.read(name, owner)?)])
}

/// An open directory that has been checked, with all above it.
#[derive(Debug)]
pub struct Directory {
    descriptor: OwnedFd,
    /// As messages name it.
    path: PathBuf,
}

/// Held until dropped, or until the process ends in any way.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its drop")] Flock<OwnedFd>);

impl Directory {
    /// Opens a directory, checking it and every directory above it.
    pub fn open(path: &Path, owner: Owner) -> Result<Directory> {
        let absolute = std::path::absolute(path).map_err(|source| FileError::System { path: path.to_owned(), source })?;
        Walk { owner, path: path.to_owned(), links: 0 }.directory(&absolute)
    }

    /// Opens a directory below this one, which must not be a symbolic link.
    pub fn subdirectory(&self, name: &str, owner: Owner) -> Result<Directory> {
        let path = self.path.join(name);
        let descriptor = self.open_at(name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())?;
        check(&descriptor, &path, owner, SFlag::S_IFDIR)?;
        Ok(Directory { descriptor, path })
    }

    /// Opens a regular file in this directory for reading, which must not be a symbolic link; a FIFO does not hold this up.
    pub fn open_file(&self, name: &str, owner: Owner) -> Result<File> {
        let descriptor = self.open_at(name, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY, Mode::empty())?;
        check(&descriptor, &self.path.join(name), owner, SFlag::S_IFREG)?;
        Ok(File::from(descriptor))
    }

    /// Reads a regular file in this directory, up to one byte more than a policy file may have.
    pub fn read(&self, name: &str, owner: Owner) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.open_file(name, owner)?;
        file.take(limits::POLICY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|source| self.failed(name, source))?;
        Ok(bytes)
    }

    /// Its own name, without what is above it.
    fn name(&self) -> String {
        self.path.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())).unwrap_or_default()
    }

    /// Parts without a main file, as the project ships them; what is to be in force has one. A `policy.d` beside them belongs to a main
    /// file that is not there, and what it denies must not drop out in silence.
    fn parts_alone(&self, ending: &str, owner: Owner) -> Result<Vec<(String, Vec<u8>)>> {
        match self.subdirectory(paths::POLICY_PARTS, owner) {
            Err(error) if error.is_missing() => self.parts(&self.name(), ending, owner),
            Err(error) => Err(error),
            Ok(_) => Err(FileError::NoMain { path: self.path.clone() }),
        }
    }

    /// The files whose names end so, in name order, each under `below/`.
    fn parts(&self, below: &str, ending: &str, owner: Owner) -> Result<Vec<(String, Vec<u8>)>> {
        let wanted = |name: &OsStr| name.as_bytes().ends_with(ending.as_bytes()) && !name.as_bytes().starts_with(b".");
        let names = self.names(wanted)?;
        let read = |name: OsString| {
            let name = name.into_string().map_err(|name| FileError::Name { path: self.path.join(name) })?;
            Ok((format!("{below}/{name}"), self.read(&name, owner)?))
        };
        names.into_iter().map(read).collect()
    }

    /// The names in this directory that are wanted, sorted by their bytes.
    fn names(&self, wanted: impl Fn(&OsStr) -> bool) -> Result<Vec<OsString>> {
        let mut directory = nix::dir::Dir::openat(&self.descriptor, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| self.failed("", errno))?;
        let mut names = Vec::new();
        for entry in directory.iter() {
            let name = entry.map_err(|errno| self.failed("", errno))?.file_name().to_bytes().to_vec();
            names.extend(Some(OsString::from_vec(name)).filter(|name| wanted(name)));
            if names.len() > limits::POLICY_FILES {
                return Err(FileError::TooMany { path: self.path.clone() });
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes a directory of mode 0755 unless there is one, and opens it.
    pub fn make_directory(&self, name: &str, owner: Owner) -> Result<Directory> {
        let mode = Mode::from_bits_truncate(0o755);
        match mkdirat(&self.descriptor, name, mode) {
            Ok(()) => {
                let made = self.subdirectory(name, owner)?;
                // The umask may have taken more than is meant.
                fchmod(&made.descriptor, mode).map_err(|errno| self.failed(name, errno))?;
                Ok(made)
            }
            Err(Errno::EEXIST) => self.subdirectory(name, owner),
            Err(errno) => Err(self.failed(name, errno)),
        }
    }

    /// Locks this directory for this process alone, without waiting for another that has it.
    pub fn lock(&self) -> Result<Lock> {
        let descriptor = self.open_at(".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())?;
        match Flock::lock(descriptor, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Lock(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Err(FileError::Locked { path: self.path.clone() }),
            Err((_, errno)) => Err(self.failed("", errno)),
        }
    }

    /// Writes a new file of mode 0644 and waits until the disk has it. On failure there is no such file.
    pub fn write_new(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write_with_mode(name, bytes, Mode::from_bits_truncate(0o644))
    }

    /// The same for its owner alone: of mode 0600.
    pub fn write_new_private(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write_with_mode(name, bytes, Mode::from_bits_truncate(0o600))
    }

    fn write_with_mode(&self, name: &str, bytes: &[u8], mode: Mode) -> Result<()> {
        let mut file = File::from(self.open_at(name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, mode)?);
        let written = fchmod(&file, mode).map_err(io::Error::from).and_then(|()| file.write_all(bytes)).and_then(|()| file.sync_all());
        written.map_err(|source| {
            let _ = self.remove(name);
            self.failed(name, source)
        })
    }

    /// Gives a file a second name, which must not exist.
    pub fn link(&self, name: &str, second: &str) -> Result<()> {
        linkat(&self.descriptor, name, &self.descriptor, second, AtFlags::empty()).map_err(|errno| self.failed(second, errno))
    }

    /// Renames a file, over another if there is one. The disk has it after [`Directory::sync`].
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        renameat(&self.descriptor, from, &self.descriptor, to).map_err(|errno| self.failed(to, errno))
    }

    /// Exchanges two files in one step (Linux 3.15). The disk has it after [`Directory::sync`].
    pub fn exchange(&self, one: &str, other: &str) -> Result<()> {
        let (directory, flags) = (&self.descriptor, RenameFlags::RENAME_EXCHANGE);
        renameat2(directory, one, directory, other, flags).map_err(|errno| self.failed(one, errno))
    }

    /// Removes a file if there is one.
    pub fn remove(&self, name: &str) -> Result<()> {
        match unlinkat(&self.descriptor, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.failed(name, errno)),
        }
    }

    /// Waits until the disk has what was done to the directory.
    pub fn sync(&self) -> Result<()> {
        nix::unistd::fsync(&self.descriptor).map_err(|errno| self.failed("", errno))
    }

    /// Opens a name in this directory; never through a symbolic link, never inherited by a child.
    fn open_at(&self, name: &str, flags: OFlag, mode: Mode) -> Result<OwnedFd> {
        let opened = openat(&self.descriptor, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, mode);
        opened.map_err(|errno| match errno {
            Errno::ELOOP => FileError::Kind { path: self.path.join(name), found: "a symbolic link", expected: "a file" },
            Errno::ENOTDIR => FileError::Kind { path: self.path.join(name), found: "no directory", expected: "a directory" },
            errno => self.failed(name, errno),
        })
    }

    fn failed(&self, name: &str, source: impl Into<io::Error>) -> FileError {
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        FileError::System { path, source: source.into() }
    }
}

/// A walk from `/` to a directory.
struct Walk {
    owner: Owner,
    /// As messages name what is looked for.
    path: PathBuf,
    links: usize,
}

impl Walk {
    fn directory(mut self, absolute: &Path) -> Result<Directory> {
        let mut above = vec![self.root()?];
        let mut names = components(absolute);
        while let Some(name) = names.pop_front() {
            let Some(here) = above.last() else { break };
            if name == ".." {
                above.truncate((above.len() - 1).max(1));
                continue;
            }
            match self.step(here, &name)? {
                Step::Into(directory) => above.push(directory),
                Step::Link(target) => {
                    if target.is_absolute() {
                        above.truncate(1);
                    }
                    let mut path = components(&target);
                    path.extend(names);
                    names = path;
                }
            }
        }
        let last = above.pop().map_or_else(|| self.root(), Ok)?;
        // What is walked is opened without any right to it; what is found, for reading.
        let descriptor = openat(&last.descriptor, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let descriptor = descriptor.map_err(|errno| FileError::System { path: self.path.clone(), source: errno.into() })?;
        Ok(Directory { descriptor, path: self.path })
    }

    fn root(&self) -> Result<Directory> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let path = PathBuf::from("/");
        let descriptor =
            nix::fcntl::open("/", flags, Mode::empty()).map_err(|errno| FileError::System { path: path.clone(), source: errno.into() })?;
        check_walked(&status(&descriptor, &path)?, &path, self.owner)?;
        Ok(Directory { descriptor, path })
    }

    fn step(&mut self, here: &Directory, name: &OsStr) -> Result<Step> {
        let path = here.path.join(name);
        let failed = |errno: Errno| FileError::System { path: path.clone(), source: errno.into() };
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let descriptor = openat(&here.descriptor, name, flags, Mode::empty()).map_err(failed)?;
        let found = status(&descriptor, &path)?;
        match kind(&found) {
            SFlag::S_IFDIR => {
                check_walked(&found, &path, self.owner)?;
                Ok(Step::Into(Directory { descriptor, path }))
            }
            SFlag::S_IFLNK => {
                self.links += 1;
                if self.links > limits::SYMLINKS {
                    return Err(FileError::Links { path: self.path.clone() });
                }
                check_owner(&found, &path, self.owner)?;
                Ok(Step::Link(PathBuf::from(readlinkat(&descriptor, "").map_err(failed)?)))
            }
            _ => Err(FileError::Kind { path, found: kind_name(&found), expected: "a directory" }),
        }
    }
}

enum Step {
    Into(Directory),
    Link(PathBuf),
}

fn components(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter(|component| matches!(component, Component::Normal(_) | Component::ParentDir));
    names.map(|component| component.as_os_str().to_owned()).collect()
}

fn status(descriptor: impl AsFd, path: &Path) -> Result<FileStat> {
    fstat(descriptor).map_err(|errno| FileError::System { path: path.to_owned(), source: errno.into() })
}

fn kind(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits())
}

fn kind_name(found: &FileStat) -> &'static str {
    match kind(found) {
        SFlag::S_IFREG => "a file",
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFSOCK => "a socket",
        _ => "a device",
    }
}

/// Checks an open file or directory: what it is, whose it is, who may write it.
fn check(descriptor: impl AsFd, path: &Path, owner: Owner, expected: SFlag) -> Result<()> {
    let found = status(descriptor, path)?;
    if kind(&found) != expected {
        let expected = if expected == SFlag::S_IFDIR { "a directory" } else { "a file" };
        return Err(FileError::Kind { path: path.to_owned(), found: kind_name(&found), expected });
    }
    check_owner(&found, path, owner)?;
    check_writers(&found, path, owner)
}

/// Checks a directory above what is trusted.
fn check_walked(found: &FileStat, path: &Path, owner: Owner) -> Result<()> {
    check_owner(found, path, owner)?;
    match (owner, found.st_mode & Mode::S_ISVTX.bits() != 0) {
        (Owner::Caller, true) => Ok(()),
        (Owner::Root, true) => check_writers(found, path, owner).map_err(|_| FileError::Shared { path: path.to_owned() }),
        _ => check_writers(found, path, owner),
    }
}

fn check_owner(found: &FileStat, path: &Path, owner: Owner) -> Result<()> {
    let trusted = match owner {
        Owner::Root => found.st_uid == 0,
        Owner::Caller => found.st_uid == 0 || found.st_uid == geteuid().as_raw(),
        Owner::Anyone => true,
    };
    if trusted { Ok(()) } else { Err(FileError::Owner { path: path.to_owned(), uid: found.st_uid }) }
}

fn check_writers(found: &FileStat, path: &Path, owner: Owner) -> Result<()> {
    let writers = Mode::from_bits_truncate(found.st_mode) & (Mode::S_IWGRP | Mode::S_IWOTH);
    let (who, mend) = match owner {
        Owner::Anyone => return Ok(()),
        _ if writers.is_empty() => return Ok(()),
        _ if writers == Mode::S_IWGRP => ("its group", "g-w"),
        _ if writers == Mode::S_IWOTH => ("everyone", "o-w"),
        _ => ("its group and everyone", "go-w"),
    };
    Err(FileError::Writable { path: path.to_owned(), who, mend })
}
