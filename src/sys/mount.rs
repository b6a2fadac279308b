//! Mount namespaces (mount_namespaces(7)) and what is mounted in them.
//!
//! All of this is mount(2) as it has been since 2.6.26, but for one call that is new (mount_setattr(2), Linux 5.12) and has to be asked for. The
//! newer ones that take descriptors (open_tree(2), move_mount(2)) were measured and are no faster; what they are wanted for, a mount on what
//! was looked at and not on what has its name by now, the links in `/proc/self/fd` do as well.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use super::raw;

/// Of mount_setattr(2), linux/mount.h.
const ATTR_RDONLY: u64 = 1;
const ATTR_NOSUID: u64 = 2;

/// `struct mount_attr`.
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// How something that is mounted can be used, apart from writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub nodev: bool,
    pub noexec: bool,
    pub nosymfollow: bool,
}

/// The mount namespace of the calling thread.
pub fn current() -> io::Result<OwnedFd> {
    File::open("/proc/thread-self/ns/mnt").map(OwnedFd::from)
}

/// Leaves for a copy of the namespace, which hears of what is mounted in the original from then on, and of which the original does not. The
/// calling thread alone: the others stay.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`; `ENOSPC` where there are as many as `/proc/sys/user/max_mnt_namespaces` allows.
pub fn leave() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&Path>, "/", None::<&Path>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&Path>)
}

/// Takes the calling thread into a namespace, to its root directory. Needs `CAP_SYS_ADMIN` and `CAP_SYS_CHROOT`.
pub fn join(namespace: BorrowedFd<'_>) -> nix::Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNS)
}

/// Does something with the calling thread in a namespace, in its root directory, and takes it back. Needs what [`join`] needs.
pub fn inside<T>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> T) -> nix::Result<T> {
    let own = current().map_err(|error| error.raw_os_error().map_or(nix::Error::EIO, nix::Error::from_raw))?;
    join(namespace)?;
    let done = work();
    if join(own.as_fd()).is_err() {
        // Whatever came next would be outside.
        std::process::abort();
    }
    Ok(done)
}

/// The same, for a child before its exec. Async-signal-safe.
pub(super) fn join_in_child(namespace: i32) -> Result<(), i32> {
    // SAFETY: takes numbers.
    unsafe { raw::call(libc::SYS_setns, [namespace as usize, libc::CLONE_NEWNS as usize, 0, 0, 0]) }.map(drop)
}

/// Mounts a file system of memory, of so many bytes and files, in which nothing can be executed and no device opened.
pub fn mount_memory(onto: BorrowedFd<'_>, source: &str, bytes: usize, files: usize) -> nix::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let options = format!("size={bytes},nr_inodes={files},mode=755");
    mount(Some(source), link(onto).as_str(), Some("tmpfs"), flags, Some(options.as_str()))
}

/// Mounts what is somewhere in this namespace somewhere else in it. `deep`: with all that is mounted below.
pub fn bind(what: BorrowedFd<'_>, onto: BorrowedFd<'_>, deep: bool) -> nix::Result<()> {
    let flags = if deep { MsFlags::MS_BIND | MsFlags::MS_REC } else { MsFlags::MS_BIND };
    mount(Some(link(what).as_str()), link(onto).as_str(), None::<&Path>, flags, None::<&Path>)
}

/// What is open, as a path that leads there and nowhere else.
fn link(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Makes everything in this namespace read-only, and takes the set-user-ID bits of programs their effect; all or nothing. False where the
/// kernel has no such call (before 5.12).
pub fn make_all_read_only() -> nix::Result<bool> {
    let attributes = Attributes { set: ATTR_RDONLY | ATTR_NOSUID, clear: 0, propagation: 0, user_namespace: 0 };
    let (flags, attributes) = (libc::AT_RECURSIVE as usize, std::ptr::from_ref(&attributes));
    let arguments = [libc::AT_FDCWD as usize, c"/".as_ptr() as usize, flags, attributes as usize, size_of::<Attributes>()];
    // SAFETY: the path ends in NUL, the attributes are laid out as the kernel wants them, and both outlive the call, which changes neither.
    match unsafe { raw::call(libc::SYS_mount_setattr, arguments) } {
        Err(libc::ENOSYS) => Ok(false),
        result => result.map(|_| true).map_err(Errno::from_raw),
    }
}

/// Makes what is mounted at a path read-only, or writable, and nosuid.
///
/// # Errors
/// `EINVAL` where nothing is mounted just there; `EBUSY` where something below has a file open for writing that shall become read-only.
/// `ELOOP` where a link is on the way: whoever could put one there is not to say which mount it is.
pub fn set_writable(point: &Path, held: Held, writable: bool) -> nix::Result<()> {
    let resolve = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let mounted = openat2(AT_FDCWD, point, OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve))?;
    set_open_writable(mounted.as_fd(), held, writable)
}

/// The same for what is open, which must be the root of a mount.
pub fn set_open_writable(mounted: BorrowedFd<'_>, held: Held, writable: bool) -> nix::Result<()> {
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID;
    flags.set(MsFlags::MS_NODEV, held.nodev);
    flags.set(MsFlags::MS_NOEXEC, held.noexec);
    flags.set(MsFlags::from_bits_retain(libc::MS_NOSYMFOLLOW), held.nosymfollow);
    flags.set(MsFlags::MS_RDONLY, !writable);
    // How times of access are kept stays as it is where nothing is said of it.
    mount(None::<&Path>, link(mounted).as_str(), None::<&Path>, flags, None::<&Path>)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::PathBuf;

    /// Runs a test in a thread with a namespace of its own.
    fn apart(test: impl FnOnce() + Send) {
        if !nix::unistd::geteuid().is_root() {
            return crate::words::skip("only root can have mount namespaces");
        }
        std::thread::scope(|scope| {
            let test = || {
                leave().unwrap();
                test();
            };
            scope.spawn(test).join().unwrap();
        });
    }

    fn scratch() -> std::path::PathBuf {
        nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-mount-XXXXXX")).unwrap()
    }

    #[test]
    fn a_thread_leaves_alone_and_comes_back() {
        let number = |namespace: &OwnedFd| File::from(namespace.try_clone().unwrap()).metadata().unwrap().ino();
        let host = current().unwrap();
        apart(|| {
            let own = current().unwrap();
            assert_ne!(number(&own), number(&host));
            join(host.as_fd()).unwrap();
            assert_eq!(number(&current().unwrap()), number(&host));
            join(own.as_fd()).unwrap();
            assert_eq!(number(&current().unwrap()), number(&own));
        });
        assert_eq!(number(&current().unwrap()), number(&host), "this thread stayed");
    }

    #[test]
    fn what_is_mounted_is_read_only_or_writable_as_is_said() {
        let directory = scratch();
        apart(|| {
            let open = |path: &Path| OwnedFd::from(File::open(path).unwrap());
            mount_memory(open(&directory).as_fd(), "test", 1 << 20, 10).unwrap();
            fs::create_dir(directory.join("a")).unwrap();
            fs::create_dir(directory.join("b")).unwrap();
            bind(open(&directory.join("a")).as_fd(), open(&directory.join("b")).as_fd(), false).unwrap();
            let file = directory.join("b/file");
            let write = || fs::write(&file, "").map_err(|error| error.raw_os_error().unwrap_or(0));
            assert_eq!(write(), Ok(()));
            assert!(make_all_read_only().unwrap(), "this kernel has the call");
            assert_eq!(write(), Err(libc::EROFS));
            let held = Held { nodev: true, ..Held::default() };
            set_writable(&directory.join("b"), held, true).unwrap();
            assert_eq!(write(), Ok(()));
            set_writable(&directory.join("b"), held, false).unwrap();
            assert_eq!(write(), Err(libc::EROFS));
            assert_eq!(set_writable(&directory.join("a"), held, false), Err(Errno::EINVAL), "nothing is mounted there");
        });
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0, "it was never seen here");
        fs::remove_dir(directory).unwrap();
    }

    /// Three mounts of one file system: `own/place`, `elsewhere` and `elsewhere/place`.
    fn three(directory: &Path) {
        let open = |name: &str| OwnedFd::from(File::open(directory.join(name)).unwrap());
        mount_memory(open("").as_fd(), "test", 1 << 20, 20).unwrap();
        fs::create_dir_all(directory.join("own/place")).unwrap();
        fs::create_dir_all(directory.join("elsewhere/place")).unwrap();
        for name in ["own/place", "elsewhere", "elsewhere/place"] {
            bind(open(name).as_fd(), open(name).as_fd(), false).unwrap();
        }
        assert!(make_all_read_only().unwrap(), "this kernel has the call");
        set_writable(directory, Held::default(), true).unwrap();
    }

    fn writes(directory: PathBuf) -> bool {
        fs::write(directory.join("file"), "").is_ok()
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_makes_no_other_mount_writable() {
        let directory = scratch();
        let (own, moved, elsewhere) = (directory.join("own"), directory.join("moved"), directory.join("elsewhere"));
        let swap = || {
            fs::rename(&own, &moved).unwrap();
            symlink(&elsewhere, &own).unwrap();
        };
        apart(|| {
            three(&directory);
            swap();
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
            mount(None::<&Path>, &own.join("place"), None::<&Path>, flags, None::<&Path>).unwrap();
            assert!(writes(elsewhere.join("place")) && !writes(moved.join("place")), "the attack works");
        });
        apart(|| {
            three(&directory);
            swap();
            for name in [own.join("place"), own.clone(), own.join("place/.")] {
                assert_eq!(set_writable(&name, Held::default(), true), Err(Errno::ELOOP), "{}", name.display());
            }
            assert!(!writes(elsewhere.join("place")) && !writes(elsewhere.clone()) && !writes(moved.join("place")));
        });
        fs::remove_dir(directory).unwrap();
    }

    #[test]
    fn what_is_open_is_what_becomes_writable_whatever_has_its_name_by_then() {
        let directory = scratch();
        let (own, moved, elsewhere) = (directory.join("own"), directory.join("moved"), directory.join("elsewhere"));
        apart(|| {
            three(&directory);
            let place = OwnedFd::from(File::open(own.join("place")).unwrap());
            fs::rename(&own, &moved).unwrap();
            symlink(&elsewhere, &own).unwrap();
            set_open_writable(place.as_fd(), Held::default(), true).unwrap();
            assert!(writes(moved.join("place")), "the control");
            assert!(!writes(elsewhere.join("place")) && !writes(elsewhere.clone()));
        });
        fs::remove_dir(directory).unwrap();
    }
}
