//! Changes of directories, as the kernel tells of them (inotify(7), kernel 2.6.13).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What can make a name lead elsewhere, or change who may read it. Contents are of no interest.
const CHANGES: u32 = libc::IN_CREATE | libc::IN_MOVE | libc::IN_DELETE | libc::IN_ATTRIB | libc::IN_DELETE_SELF | libc::IN_MOVE_SELF;

/// What makes a file longer, and the end of whoever made it so.
const GROWTH: u32 = libc::IN_MODIFY | libc::IN_CLOSE_WRITE;

/// Watches files and directories for changes of names and rights, or of contents.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    /// # Errors
    /// `EMFILE` where the user has too many of them.
    pub fn new() -> io::Result<Watch> {
        // SAFETY: takes flags only.
        let made = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(Watch(unsafe { OwnedFd::from_raw_fd(made) }))
    }

    /// Tells of changes of an open file or directory, and of what is directly in it, from now on. Whoever asks must be able to read it.
    pub fn add(&self, what: BorrowedFd<'_>) -> io::Result<()> {
        self.tell_of(CHANGES, what)
    }

    /// Tells when an open file grows, and when one who could write to it lets go of it.
    pub fn add_growth(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        self.tell_of(GROWTH, file)
    }

    fn tell_of(&self, events: u32, what: BorrowedFd<'_>) -> io::Result<()> {
        // The link, and not a path, so that what was opened is what is watched.
        let path = format!("/proc/self/fd/{}\0", what.as_raw_fd());
        // SAFETY: the path ends in a NUL and outlives the call.
        let added = unsafe { libc::inotify_add_watch(self.0.as_raw_fd(), path.as_ptr().cast(), events) };
        if added < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Forgets what there is to tell by now.
    pub fn drain(&self) {
        let mut events = [0; 4096];
        while nix::unistd::read(&self.0, &mut events).is_ok_and(|count| count > 0) {}
    }
}

impl From<OwnedFd> for Watch {
    /// Of one that another process has made, or this one before a fork.
    fn from(inotify: OwnedFd) -> Watch {
        Watch(inotify)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether a watch has something to tell, or an open `/proc/self/mountinfo`, which tells of mounts since it was opened
/// (proc_pid_mountinfo(5)). A doubt counts as yes.
pub fn changed(watch: &Watch, mounts: BorrowedFd<'_>) -> bool {
    let mut asked = [PollFd::new(watch.as_fd(), PollFlags::POLLIN), PollFd::new(mounts, PollFlags::POLLPRI)];
    poll(&mut asked, PollTimeout::ZERO) != Ok(0)
}

/// The same for mounts alone.
pub fn mounts_changed(mounts: BorrowedFd<'_>) -> bool {
    poll(&mut [PollFd::new(mounts, PollFlags::POLLPRI)], PollTimeout::ZERO) != Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn names_and_rights_are_told_of_and_contents_are_not() {
        let directory = nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-watch-XXXXXX")).unwrap();
        let file = directory.join("file");
        fs::write(&file, "1").unwrap();
        let mounts = File::open("/proc/self/mountinfo").unwrap();
        let rights = |mode| fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let changes: [(&str, bool, &dyn Fn()); 6] = [
            ("nothing", false, &|| {}),
            ("contents", false, &|| fs::write(&file, "2").unwrap()),
            ("a name", true, &|| fs::write(directory.join("new"), "").unwrap()),
            ("rights", true, &|| rights(0o600)),
            ("a link", true, &|| fs::hard_link(&file, directory.join("link")).unwrap()),
            ("a rename", true, &|| fs::rename(&file, directory.join("moved")).unwrap()),
        ];
        for (name, told, change) in changes {
            let watch = Watch::new().unwrap();
            watch.add(File::open(&directory).unwrap().as_fd()).unwrap();
            change();
            assert_eq!(changed(&watch, mounts.as_fd()), told, "{name}");
            watch.drain();
            assert!(!changed(&watch, mounts.as_fd()), "{name}, told");
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
