//! One mount namespace for the whole session (mount_namespaces(7)): what is hidden is covered, and everything is read-only but where some
//! rule writes. Made once by the guard's main thread; its children inherit it and pay nothing. It holds for root with every capability, on
//! kernels without Landlock too, and against new names and renamed files; who could take it away again needs mount(2), which the filter of
//! every confined command refuses. Landlock stays: what is hidden for one rule and not for another it alone can tell apart.
//!
//! *Covers.* One small file system in memory is mounted on the state directory. In it are the empty home directory of commands, and a file
//! and a directory without any mode bits; those two are bound over all that is hidden (`masks` finds it). An account may not open them; root
//! may, and finds nothing. Without mode bits, because a walk for Landlock asks the kernel what the account may read, and needs no hole here.
//!
//! *Not held*, or not at once:
//!
//! - A mask is a mount on a file, not on a name. When somebody outside renames another file over that one, as passwd(1) does with
//!   /etc/shadow, or removes it, the kernel takes the mask away (since 3.18, before that it refused the rename). So is what is mounted outside
//!   later: it is seen here, and comes writable and with what is hidden in it. [`Namespace::mend`], before each command, puts both right;
//!   a command that runs meanwhile has seen it, as far as Landlock and the ordinary rights let it.
//! - Another hard link of a hidden file. A bind mount of it is masked as well, where the table of mounts shows one.
//! - /proc by process (`/proc/*/environ`): Landlock and the capabilities that are missing keep that. `/proc/PID/root` and `cwd` of a process
//!   outside lead round all of this for who may trace it, and so does a descriptor of a directory that was opened outside.
//! - File systems that may hang, unless the whole of it is hidden with a directory above: see `masks`. [`Namespace::unmasked`] names them.
//! - What sssd(8) keeps in /var/lib/sss: the shell itself looks users up there. Landlock and file modes keep that.
//! - Patterns that could match anywhere (`/**/.ssh`) are masked in /etc and in two home directories only; a rule that reads more has
//!   Landlock look through it.
//! - Of what one user owns, more than so many ([`limits::MASKS_OF_USER`]): whoever floods /tmp with what is hidden there leaves the own files
//!   without masks, and locks nobody out.
//! - What is mounted outside and has a mask or a writable place of a session in it stays in use by that session when it is unmounted there.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, mkdirat, mknodat};

use super::index::Index;
use super::masks::Search;
use super::mounts::{COVERS, Mount, Mounts};
use super::patterns::Patterns;
use super::places::{expand, resolve};
use super::scout::Scout;
use crate::sys::deadline;
use crate::sys::mount::{self, Held};
use crate::sys::watch::{self, Watch};
use crate::words::{limits, paths};

/// Of the calling thread: other threads may be in other namespaces.
const TABLE: &str = "/proc/thread-self/mountinfo";
/// Room for most tables, which grow in small steps otherwise.
pub(super) const TABLE_BYTES: usize = 16 << 10;
/// In the covers, besides [`paths::EMPTY_HOME`].
const COVER_FILE: &str = "file";
const COVER_DIRECTORY: &str = "directory";

/// What a session's namespace is to be like.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// The account's home directory, for `~`.
    pub home: String,
    /// Path globs that some rule in force takes from the hidden list.
    pub unhide: Vec<String>,
    /// Path globs that some rule in force writes, with all that is below them. Of what does not exist, the nearest directory above that does.
    pub write: Vec<String>,
    /// The directory of the sessions' records, hidden wherever it is.
    pub records: PathBuf,
    /// Whether there will be more than one line: then the kernel is asked to tell what changes.
    pub lasts: bool,
    /// What there is in /etc, read before: the state directory cannot be seen inside.
    pub index: Option<Rc<Index>>,
}

/// The namespace that the calling thread is in.
#[derive(Debug)]
pub struct Namespace {
    shape: Shape,
    patterns: Patterns,
    host: OwnedFd,
    own: OwnedFd,
    /// False where it could not be come back to.
    inside: Cell<bool>,
    covers: Option<Covers>,
    /// Devices of all covers there have been.
    devices: HashSet<u64>,
    /// How many masks there are, or were, over what each user owns.
    masked: HashMap<u32, usize>,
    /// Where what is mounted was made read-only here; `None` before that was done for the first time.
    closed: Option<HashSet<PathBuf>>,
    unmasked: Vec<PathBuf>,
    changes: Changes,
}

/// How it is known that something has changed.
#[derive(Debug)]
struct Changes {
    table: File,
    /// Of the directories that were looked at.
    watch: Option<Rc<Watch>>,
    /// Whether the two tell of all that matters.
    complete: bool,
}

/// What hidden paths are covered with.
#[derive(Debug)]
struct Covers {
    device: u64,
    file: OwnedFd,
    directory: OwnedFd,
}

/// A place that is written.
struct Place {
    path: PathBuf,
    held: Held,
    /// Whether it was writable before anything was done here.
    writable: bool,
    /// Whether it is as it was left.
    settled: bool,
}

/// Why there is no such namespace, or why a command must not run in it. In words.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    #[error("no mount namespace for the session: {}", .0.desc())]
    Enter(Errno),
    #[error("the session's mount namespace cannot be come back to: {}", .0.desc())]
    Return(Errno),
    #[error("{TABLE}: {0}")]
    Table(io::Error),
    #[error("{}: nothing to cover what is hidden with: {}", paths::STATE_DIR, .0.desc())]
    Covers(Errno),
    #[error("{}: hidden, and cannot be masked: {}", .path.display(), .reason.desc())]
    Mask { path: PathBuf, reason: Errno },
    #[error("{}: cannot be made read-only: {}", .path.display(), .reason.desc())]
    ReadOnly { path: PathBuf, reason: Errno },
    #[error("{}: cannot be kept writable: {}", .path.display(), .reason.desc())]
    Writable { path: PathBuf, reason: Errno },
    #[error("{0}")]
    Search(String),
}

impl Namespace {
    /// Takes the calling thread, alone, into a namespace of that shape. It needs `CAP_SYS_ADMIN`, and root's rights on files.
    ///
    /// What this process has open by now still leads outside, directories above all: what a command is given must be opened afterwards.
    ///
    /// # Errors
    /// Whatever is not as it should be; the thread is then on the host again, where no command must run. `Return`: not even that.
    pub fn enter(shape: Shape) -> Result<Namespace, NamespaceError> {
        let current = || mount::current().map_err(|error| NamespaceError::Enter(errno(&error)));
        let host = current()?;
        mount::leave().map_err(NamespaceError::Enter)?;
        let mut patterns = Patterns::masked(&shape.unhide, &shape.home);
        patterns.hide(&shape.records);
        resolve(&shape.records).iter().for_each(|(_, records)| patterns.hide(records));
        let watch = if shape.lasts { Watch::new().ok().map(Rc::new) } else { None };
        let made = || {
            Ok(Namespace {
                changes: Changes { table: table()?, watch, complete: true },
                shape,
                patterns,
                host: host.try_clone().map_err(|error| NamespaceError::Enter(errno(&error)))?,
                own: current()?,
                inside: Cell::new(true),
                covers: None,
                devices: HashSet::new(),
                masked: HashMap::new(),
                closed: None,
                unmasked: Vec::new(),
            })
        };
        let arranged = made().and_then(|mut namespace: Namespace| namespace.arrange().map(|()| namespace));
        if arranged.is_err() {
            // From a namespace that is half made, the next one would be taken for the host's.
            mount::join(host.as_fd()).map_err(NamespaceError::Return)?;
        }
        let namespace = arranged?;
        if !namespace.shape.lasts {
            // All that has changed is its own doing. A session that lasts looks once more: it may not be all.
            let _ = namespace.changes.any();
        }
        Ok(namespace)
    }

    /// Takes the calling thread back to the host's namespace for good.
    pub fn quit(self) -> Result<(), NamespaceError> {
        mount::join(self.host.as_fd()).map_err(NamespaceError::Return)
    }

    /// The host's namespace, for a child that must run there.
    pub fn host(&self) -> BorrowedFd<'_> {
        self.host.as_fd()
    }

    /// Where nothing was masked, because it may hang.
    pub fn unmasked(&self) -> &[PathBuf] {
        &self.unmasked
    }

    /// Does something in the host's namespace. Needs `CAP_SYS_ADMIN` and `CAP_SYS_CHROOT`. The thread is in the root directory then and behind
    /// it: whose directory it was in before, and whether that lets itself be entered again, is not to matter.
    ///
    /// # Errors
    /// `Enter`: nothing was done. `Return`: it was; the thread may still be outside, where nothing may run before [`Namespace::mend`] has it back.
    pub fn outside<T>(&self, work: impl FnOnce() -> T) -> Result<T, NamespaceError> {
        mount::join(self.host.as_fd()).map_err(NamespaceError::Enter)?;
        self.inside.set(false);
        let done = work();
        self.come_back()?;
        Ok(done)
    }

    /// Puts right what has changed since it was entered or mended: masks that are gone, paths that have come, what was mounted. To be called
    /// before each command; costs one system call where nothing has. Needs what [`Namespace::enter`] needs.
    ///
    /// # Errors
    /// As for [`Namespace::enter`]: the command must not run.
    pub fn mend(&mut self) -> Result<(), NamespaceError> {
        if !self.inside.get() {
            self.come_back()?;
        }
        if self.changes.any() {
            // Until it is done, it is not.
            self.changes.complete = false;
            self.changes.table = table()?;
            self.arrange()?;
        }
        Ok(())
    }

    fn come_back(&self) -> Result<(), NamespaceError> {
        mount::join(self.own.as_fd()).map_err(NamespaceError::Return)?;
        self.inside.set(true);
        Ok(())
    }

    /// Makes it as it should be, whatever it is like now.
    fn arrange(&mut self) -> Result<(), NamespaceError> {
        let (watch, index) = (self.changes.watch.clone(), self.shape.index.clone());
        // Before anything is looked at: what changes from here on is heard of.
        watch.iter().for_each(|watch| watch.drain());
        let mut text = Vec::with_capacity(TABLE_BYTES);
        self.changes.table.read_to_end(&mut text).map_err(NamespaceError::Table)?;
        let mounts = Mounts::parse(&text);
        let mut scout = Scout::new(watch.as_deref());
        scout.index = index.as_deref();
        self.cover_state_directory()?;
        let written = self.written(&mounts, &mut scout)?;
        self.mask(&mounts, &mut scout)?;
        self.close(&mounts, &written)?;
        self.changes.complete = !self.shape.lasts || scout.watched;
        Ok(())
    }

    fn cover_state_directory(&mut self) -> Result<(), NamespaceError> {
        let handle = || handle(Path::new(paths::STATE_DIR));
        let failed = NamespaceError::Covers;
        let state = handle().map_err(failed)?;
        if !self.devices.contains(&fstat(&state).map_err(failed)?.st_dev) {
            let covers = Covers::mount(state.as_fd(), handle).map_err(failed)?;
            self.devices.insert(covers.device);
            self.covers = Some(covers);
        }
        Ok(())
    }

    /// The places that are written, each of which has then a mount of its own.
    fn written(&self, mounts: &Mounts, scout: &mut Scout<'_>) -> Result<Vec<Place>, NamespaceError> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for pattern in &self.shape.write {
            let places = |scout: &mut Scout<'_>| expand(pattern, &self.shape.home, scout);
            let look = || {
                let _ = places(&mut Scout::new(None)).map(|places| places.iter().filter_map(|path| nearest(path)).count());
                Vec::new()
            };
            // One that does not answer is not written either.
            if mounts.any_remote() && deadline::within(limits::PATH_DEADLINE, look).is_err() {
                continue;
            }
            paths.extend(places(scout).map_err(NamespaceError::Search)?.iter().filter_map(|path| nearest(path)));
        }
        // Those that are above others first.
        paths.sort();
        paths.dedup();
        paths.into_iter().filter(|path| path != Path::new("/")).map(|path| self.own_mount(path, mounts)).collect()
    }

    fn own_mount(&self, path: PathBuf, mounts: &Mounts) -> Result<Place, NamespaceError> {
        let around = mounts.of(&path);
        let (held, writable) = around.map_or((Held::default(), false), |mount| (mount.held, mount.writable));
        let own = around.is_some_and(|mount| mount.point == path);
        if !own {
            let bound = handle(&path).and_then(|place| mount::bind(place.as_fd(), place.as_fd(), true));
            bound.map_err(|reason| NamespaceError::Writable { path: path.clone(), reason })?;
        }
        let before = writable || around.is_some_and(|mount| self.closed.as_ref().is_some_and(|closed| closed.contains(&mount.point)));
        Ok(Place { path, held, writable: before, settled: own && writable && self.closed.is_some() })
    }

    /// Covers all that is hidden and is not covered yet.
    fn mask(&mut self, mounts: &Mounts, scout: &mut Scout<'_>) -> Result<(), NamespaceError> {
        let root = handle(Path::new("/")).map_err(|reason| NamespaceError::Mask { path: PathBuf::from("/"), reason })?;
        let (Some(covers), devices, patterns) = (&self.covers, &self.devices, &self.patterns) else { return Ok(()) };
        let (masked, mut left) = (&mut self.masked, Vec::new());
        // Root's are counted anew each time, or a file that root often replaces would end a long session.
        masked.remove(&0);
        let cover = |path: &Path, fd: BorrowedFd<'_>| {
            let stat = fstat(fd).map_err(|reason| NamespaceError::Mask { path: path.to_owned(), reason })?;
            let of_owner = masked.entry(stat.st_uid).or_insert(0);
            // What is masked already belongs to root, as every cover does.
            *of_owner += usize::from(!devices.contains(&stat.st_dev));
            match (stat.st_uid, *of_owner) {
                (0, count) if count > limits::MASKS => {
                    return Err(NamespaceError::Search(format!("more than {} paths to mask", limits::MASKS)));
                }
                (1.., count) if count > limits::MASKS_OF_USER => return Ok(()),
                _ => {}
            }
            let failed = |path: &Path, reason| NamespaceError::Mask { path: path.to_owned(), reason };
            covers.put_over(fd, devices).map_err(|reason| failed(path, reason))?;
            for view in mounts.other_views(path).into_iter().filter(|view| !patterns.at(view.as_os_str().as_bytes()).shown) {
                if mounts.of(&view).is_some_and(|mount| mount.remote) {
                    left.push(view);
                    continue;
                }
                match handle(&view) {
                    Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {}
                    found => found.and_then(|found| covers.put_over(found.as_fd(), devices)).map_err(|reason| failed(&view, reason))?,
                }
            }
            Ok(())
        };
        let mut search = Search::new(patterns, mounts, scout, root.as_fd(), cover);
        search.run()?;
        let skipped = search.left;
        self.unmasked = [skipped, left].concat();
        Ok(())
    }

    /// Makes everything read-only, but for the places that are written. What cannot be made so by its path is by the call that takes none: a
    /// mount of somebody's own (FUSE) may be where no path leads any more, and is not to stop everybody's commands.
    fn close(&mut self, mounts: &Mounts, written: &[Place]) -> Result<(), NamespaceError> {
        let in_a_place = |mount: &&Mount| written.iter().any(|place| mount.point.starts_with(&place.path));
        let failed = |path: &Path, reason| NamespaceError::ReadOnly { path: path.to_owned(), reason };
        let all = || mount::make_all_read_only().map_err(|reason| failed(Path::new("/"), reason));
        let to_close = || mounts.iter().filter(|mount| mount.writable && !in_a_place(mount));
        let mut at_once = self.closed.is_none() && all()?;
        self.closed.get_or_insert_default().extend(to_close().map(|mount| mount.point.clone()));
        let one_by_one = || to_close().find_map(|mount| make_read_only(mount).err().map(|reason| failed(&mount.point, reason)));
        if !at_once && let Some(error) = one_by_one() {
            at_once = all()?;
            if !at_once {
                return Err(error);
            }
        }
        let is_place = |mount: &&Mount| written.iter().any(|place| mount.point == place.path);
        let below = mounts.iter().filter(|mount| at_once && mount.writable && in_a_place(mount) && !is_place(mount));
        let below = below.map(|mount| (&mount.point, mount.held));
        let places = written.iter().filter(|place| place.writable && (at_once || !place.settled)).map(|place| (&place.path, place.held));
        for (path, held) in places.chain(below) {
            mount::set_writable(path, held, true).map_err(|reason| NamespaceError::Writable { path: path.clone(), reason })?;
        }
        Ok(())
    }
}

impl Changes {
    /// Whether there may be any since the last time.
    fn any(&self) -> bool {
        let told = match &self.watch {
            Some(watch) => watch::changed(watch, self.table.as_fd()),
            None => watch::mounts_changed(self.table.as_fd()),
        };
        told || !self.complete
    }
}

impl Covers {
    /// Mounts them on a directory. `again` opens that anew.
    fn mount(onto: BorrowedFd<'_>, again: impl Fn() -> nix::Result<OwnedFd>) -> nix::Result<Covers> {
        // A page for each directory, and a few files.
        mount::mount_memory(onto, COVERS, 64 << 10, 8)?;
        let root = again()?;
        let cover = |name| openat(&root, name, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
        mkdirat(&root, paths::EMPTY_HOME, Mode::empty())?;
        // Whatever the umask.
        fchmodat(&root, paths::EMPTY_HOME, Mode::from_bits_truncate(0o755), FchmodatFlags::FollowSymlink)?;
        mkdirat(&root, COVER_DIRECTORY, Mode::empty())?;
        mknodat(&root, COVER_FILE, SFlag::S_IFREG, Mode::empty(), 0)?;
        // So are those that are made of it.
        mount::set_open_writable(root.as_fd(), Held { nodev: true, noexec: true, nosymfollow: false }, false)?;
        Ok(Covers { device: fstat(&root)?.st_dev, file: cover(COVER_FILE)?, directory: cover(COVER_DIRECTORY)? })
    }

    /// Covers a file or directory, unless it is covered.
    fn put_over(&self, what: BorrowedFd<'_>, devices: &HashSet<u64>) -> nix::Result<()> {
        let stat = fstat(what)?;
        let done = match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            _ if devices.contains(&stat.st_dev) => Ok(()),
            // It leads to what is judged by its own path.
            SFlag::S_IFLNK => Ok(()),
            SFlag::S_IFDIR => mount::bind(self.directory.as_fd(), what, false),
            _ => mount::bind(self.file.as_fd(), what, false),
        };
        // Removed meanwhile: it has no name any more.
        if done == Err(Errno::ENOENT) { Ok(()) } else { done }
    }
}

/// Where something else is mounted on top by now, nobody can reach it.
fn make_read_only(mount: &Mount) -> nix::Result<()> {
    let set = || match mount::set_writable(&mount.point, mount.held, false) {
        Err(Errno::EINVAL | Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
        result => result,
    };
    if !mount.remote {
        return set();
    }
    // A helper has the same namespace, and can be left behind.
    let answer =
        deadline::within(limits::PATH_DEADLINE, || set().map_or_else(|errno| (errno as i32).to_ne_bytes().to_vec(), |()| Vec::new()));
    match answer.map_err(|_| Errno::ETIMEDOUT)?.try_into() {
        Ok(errno) => Err(Errno::from_raw(i32::from_ne_bytes(errno))),
        Err(_) => Ok(()),
    }
}

fn table() -> Result<File, NamespaceError> {
    File::open(TABLE).map_err(NamespaceError::Table)
}

/// A handle on what an absolute path leads to, by root's links only.
fn handle(path: &Path) -> nix::Result<OwnedFd> {
    resolve(path).map(|(handle, _)| handle).map_err(|error| errno(&error))
}

/// Where a path leads, or the nearest above it that exists.
fn nearest(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|path| resolve(path).ok()).map(|(_, path)| path)
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
