//! Landlock: what of the file system, and which processes, a child can reach (landlock(7); kernel 5.13, ABI 1).
//!
//! A ruleset *handles* rights: those are denied everywhere but where a rule gives them. It handles what the ABI that it is made for knows,
//! never more, so that a test of an old ABI tests what an old kernel does. Of commands, networks are not handled: seccomp and its listener decide
//! about sockets, UDP included, of which Landlock knows nothing.

use std::io;
use std::ops::BitOr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::raw;

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const VERSION: u32 = 1;
/// `LANDLOCK_RULE_PATH_BENEATH`.
const PATH_BENEATH: u32 = 1;
/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` and `LANDLOCK_SCOPE_SIGNAL`.
const SCOPES: u64 = 1 | 2;
/// The first ABI that has them (kernel 6.12).
const SCOPES_SINCE: u32 = 6;
/// `LANDLOCK_ACCESS_NET_BIND_TCP` and `LANDLOCK_ACCESS_NET_CONNECT_TCP`.
const NETWORK: u64 = 1 | 2;
/// The first ABI that has them (kernel 6.7).
const NETWORK_SINCE: u32 = 4;

/// `struct landlock_ruleset_attr`. Kernels that know a shorter one take this one too while what they do not know is zero.
#[repr(C)]
struct RulesetAttributes {
    handled_files: u64,
    handled_network: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// Rights on files and directories, as `LANDLOCK_ACCESS_FS_*` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(pub u64);

impl Rights {
    pub const EXECUTE: Rights = Rights(1 << 0);
    pub const WRITE_FILE: Rights = Rights(1 << 1);
    pub const READ_FILE: Rights = Rights(1 << 2);
    pub const READ_DIR: Rights = Rights(1 << 3);
    pub const REMOVE_DIR: Rights = Rights(1 << 4);
    pub const REMOVE_FILE: Rights = Rights(1 << 5);
    pub const MAKE_CHAR: Rights = Rights(1 << 6);
    pub const MAKE_DIR: Rights = Rights(1 << 7);
    pub const MAKE_REG: Rights = Rights(1 << 8);
    pub const MAKE_SOCK: Rights = Rights(1 << 9);
    pub const MAKE_FIFO: Rights = Rights(1 << 10);
    pub const MAKE_BLOCK: Rights = Rights(1 << 11);
    pub const MAKE_SYM: Rights = Rights(1 << 12);
    /// To rename or link into another directory.
    pub const REFER: Rights = Rights(1 << 13);
    pub const TRUNCATE: Rights = Rights(1 << 14);
    /// To use ioctl(2) on a device that is opened under the ruleset.
    pub const IOCTL_DEV: Rights = Rights(1 << 15);

    /// Those that a file can have; a rule on a file may give no others.
    const OF_FILES: Rights = Rights(1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15);

    /// All that an ABI knows.
    pub fn known(abi: u32) -> Rights {
        let count = match abi {
            0 => 0,
            1 => 13,
            2 => 14,
            3 | 4 => 15,
            _ => 16,
        };
        Rights((1 << count) - 1)
    }

    /// Whether all of `others` are among these.
    pub fn contains(self, others: Rights) -> bool {
        others.0 & !self.0 == 0
    }

    /// Those of them that a file can have.
    pub fn on_file(self) -> Rights {
        Rights(self.0 & Rights::OF_FILES.0)
    }
}

impl BitOr for Rights {
    type Output = Rights;
    fn bitor(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }
}

/// The version of the interface that this kernel has; 0 for none, or where it is switched off.
pub fn abi() -> u32 {
    // SAFETY: with this flag the call takes nothing else, and returns a number.
    let version = unsafe { raw::call(libc::SYS_landlock_create_ruleset, [0, 0, VERSION as usize, 0, 0]) };
    version.ok().and_then(|version| u32::try_from(version).ok()).unwrap_or(0)
}

/// A ruleset: what it handles is denied but for its rules.
#[derive(Debug)]
pub struct Ruleset {
    descriptor: OwnedFd,
    handled: Rights,
}

impl Ruleset {
    /// An empty ruleset that handles all that `abi` knows of files but execution, which `execution` adds; and with `scope` (ABI 6) signals
    /// and abstract sockets.
    ///
    /// # Errors
    /// `Unsupported` for ABI 0; else those of landlock_create_ruleset(2).
    pub fn new(abi: u32, execution: bool, scope: bool) -> io::Result<Ruleset> {
        if abi == 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let without = if execution { 0 } else { Rights::EXECUTE.0 };
        let handled = Rights(Rights::known(abi).0 & !without);
        let scoped = if scope && abi >= SCOPES_SINCE { SCOPES } else { 0 };
        Ok(Ruleset { descriptor: create(handled, 0, scoped)?, handled })
    }

    /// A ruleset that handles all that this kernel knows, TCP included, and allows none of it; `None` where there is no Landlock.
    pub fn of_nothing() -> io::Result<Option<OwnedFd>> {
        let abi = abi();
        let network = if abi >= NETWORK_SINCE { NETWORK } else { 0 };
        let scoped = if abi >= SCOPES_SINCE { SCOPES } else { 0 };
        (abi > 0).then(|| create(Rights::known(abi), network, scoped)).transpose()
    }

    /// Gives rights on an open file or directory (`O_PATH`), with all that is below it. Rights that are not handled are there anyway.
    ///
    /// # Errors
    /// `EINVAL` where `path` is a file and the rights are those of directories (see [`Rights::on_file`]).
    pub fn allow(&self, path: BorrowedFd<'_>, rights: Rights) -> io::Result<()> {
        let allowed = rights.0 & self.handled.0;
        if allowed == 0 {
            return Ok(());
        }
        let rule = PathBeneath { allowed, parent: path.as_raw_fd() };
        let arguments = [self.descriptor.as_raw_fd() as usize, PATH_BENEATH as usize, std::ptr::from_ref(&rule) as usize, 0, 0];
        // SAFETY: both descriptors are open; the rule is laid out as the kernel reads it and outlives the call.
        unsafe { raw::call(libc::SYS_landlock_add_rule, arguments) }.map(drop).map_err(io::Error::from_raw_os_error)
    }

    pub fn into_fd(self) -> OwnedFd {
        self.descriptor
    }
}

fn create(handled: Rights, network: u64, scoped: u64) -> io::Result<OwnedFd> {
    let attributes = RulesetAttributes { handled_files: handled.0, handled_network: network, scoped };
    let arguments = [std::ptr::from_ref(&attributes) as usize, size_of::<RulesetAttributes>(), 0, 0, 0];
    // SAFETY: the attributes are laid out as the kernel reads them, as long as is said, and outlive the call.
    let made = unsafe { raw::call(libc::SYS_landlock_create_ruleset, arguments) }.map_err(io::Error::from_raw_os_error)?;
    let made = i32::try_from(made).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

/// Holds the calling thread, and what it will start, to an open ruleset, for good. It must have `no_new_privs`. Async-signal-safe.
pub(super) fn restrict(ruleset: i32) -> Result<(), i32> {
    // SAFETY: takes numbers, and changes the credentials of this thread only.
    unsafe { raw::call(libc::SYS_landlock_restrict_self, [ruleset as usize, 0, 0, 0, 0]) }.map(drop)
}

/// The same with `no_new_privs`, for a process that is to go on by itself.
pub fn restrict_self(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    restrict(ruleset.as_raw_fd()).map_err(io::Error::from_raw_os_error)
}

/// Puts the calling thread, and what it will start from now on, into a domain of its own: no process in it can signal one outside, or
/// connect to an abstract socket there. With `no_new_privs`, for good.
///
/// # Errors
/// `Unsupported` below ABI 6.
pub fn enter_scope() -> io::Result<()> {
    if abi() < SCOPES_SINCE {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let ruleset = create(Rights(0), 0, SCOPES)?;
    nix::sys::prctl::set_no_new_privs()?;
    restrict(ruleset.as_raw_fd()).map_err(io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn each_abi_knows_what_the_manual_says() {
        for (abi, last) in [(1, Rights::MAKE_SYM), (2, Rights::REFER), (3, Rights::TRUNCATE), (4, Rights::TRUNCATE), (5, Rights::IOCTL_DEV)]
        {
            assert_eq!(Rights::known(abi).0 + 1, last.0 << 1, "ABI {abi}");
        }
        assert_eq!((Rights::known(0).0, Rights::known(6), Rights::known(7)), (0, Rights::known(5), Rights::known(5)));
    }

    #[test]
    fn a_rule_on_a_file_gives_the_rights_of_files() {
        if abi() == 0 {
            return crate::words::skip("this kernel has no Landlock");
        }
        let file = File::open("/etc/passwd").unwrap();
        let ruleset = Ruleset::new(abi(), false, true).unwrap();
        let all = Rights::known(abi());
        assert_eq!(ruleset.allow(file.as_fd(), all).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        ruleset.allow(file.as_fd(), all.on_file()).unwrap();
        ruleset.allow(file.as_fd(), Rights::EXECUTE).expect("which is not handled");
        ruleset.allow(File::open("/").unwrap().as_fd(), all).unwrap();
        assert_eq!(Ruleset::new(0, false, false).unwrap_err().kind(), io::ErrorKind::Unsupported);
    }

    /// A thread stands for a process: domains are those of threads.
    #[test]
    fn a_ruleset_holds_who_takes_it_on_and_nobody_else() {
        if abi() == 0 {
            return crate::words::skip("this kernel has no Landlock");
        }
        let ruleset = Ruleset::new(abi(), false, false).unwrap();
        ruleset.allow(File::open("/usr").unwrap().as_fd(), Rights::READ_FILE).unwrap();
        let ruleset = ruleset.into_fd();
        let reads = |path: &str| File::open(path).map(drop).map_err(|error| error.raw_os_error());
        let inside = std::thread::spawn(move || {
            restrict_self(ruleset.as_fd()).unwrap();
            (reads("/usr/lib/os-release"), reads("/etc/passwd"))
        });
        assert_eq!(inside.join().unwrap(), (Ok(()), Err(Some(libc::EACCES))));
        assert_eq!(reads("/etc/passwd"), Ok(()));
    }

    #[test]
    fn a_scope_ends_at_its_edge() {
        if abi() < SCOPES_SINCE {
            return crate::words::skip("this kernel has no Landlock scopes");
        }
        let own = nix::unistd::getpid();
        let signal = move || nix::sys::signal::kill(own, None);
        // To its own process a thread may send what it likes; another process is outside.
        let mut outside = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let other = nix::unistd::Pid::from_raw(outside.id().cast_signed());
        let inside = std::thread::spawn(move || {
            enter_scope().unwrap();
            (signal(), nix::sys::signal::kill(other, None), File::open("/etc/passwd").is_ok())
        });
        assert_eq!(inside.join().unwrap(), (Ok(()), Err(nix::errno::Errno::EPERM), true));
        assert_eq!(nix::sys::signal::kill(other, None), Ok(()));
        outside.kill().unwrap();
        outside.wait().unwrap();
    }
}
