//! Pseudoterminals (pty(7)): what the front and the commands have in place of the person's terminal.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::pty::{grantpt, posix_openpt, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios, cfmakeraw, tcgetattr, tcsetattr,
};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};

use super::{descriptor, prompt};

/// Columns and rows of a terminal that does not say how large it is.
pub const WINDOW: (u16, u16) = (80, 24);

/// A new terminal. Nobody has it for a controlling one yet.
#[derive(Debug)]
pub struct Pty {
    /// What is written here was typed; what is read here is shown. Never waits.
    pub master: OwnedFd,
    /// The terminal that programs get.
    pub slave: OwnedFd,
}

impl Pty {
    /// One with these modes and this window. It belongs to the file-system user of the calling thread.
    ///
    /// # Errors
    /// There is no /dev/ptmx, or there are no more (`kernel.pty.max`).
    pub fn open(modes: &Termios, (columns, rows): (u16, u16)) -> io::Result<Pty> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let master = posix_openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        // Not by its name, which in another mount namespace is another's (ioctl_tty(2)).
        // SAFETY: takes numbers, and makes a descriptor for us.
        let slave = unsafe { OwnedFd::from_raw_fd(Errno::result(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags))?) };
        let pty = Pty { master: descriptor::copy_above_standard(&master)?, slave: descriptor::copy_above_standard(slave)? };
        tcsetattr(&pty.slave, SetArg::TCSANOW, modes)?;
        set_window(pty.master.as_fd(), (columns, rows))?;
        Ok(pty)
    }

    /// What programs call it, in the mount namespaces where /dev/pts is its file system.
    pub fn name(&self) -> io::Result<PathBuf> {
        let mut number: libc::c_uint = 0;
        // SAFETY: TIOCGPTN writes one unsigned int.
        Errno::result(unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCGPTN, &raw mut number) })?;
        Ok(PathBuf::from(format!("/dev/pts/{number}")))
    }
}

/// Tells a terminal how large it is; its foreground group gets SIGWINCH where that is new. Allocates nothing.
pub fn set_window(terminal: BorrowedFd<'_>, (columns, rows): (u16, u16)) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize, which outlives the call.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes a terminal the controlling one of the calling process, which becomes the leader of a session of its own; it must not lead a group.
pub fn lead_session(terminal: BorrowedFd<'_>) -> nix::Result<()> {
    nix::unistd::setsid()?;
    // SAFETY: takes numbers.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
}

/// Whether a key of this terminal's is a signal now, and which: by its current modes, as the program behind it has set them. Allocates nothing.
pub fn signal_of(terminal: BorrowedFd<'_>, key: u8) -> Option<Key> {
    let modes = tcgetattr(terminal).ok()?;
    if !modes.local_flags.contains(LocalFlags::ISIG) {
        return None;
    }
    let is = |index: SpecialCharacterIndices| modes.control_chars.get(index as usize).is_some_and(|char| *char == key && key != 0);
    [
        (SpecialCharacterIndices::VINTR, Key::Interrupt),
        (SpecialCharacterIndices::VQUIT, Key::Quit),
        (SpecialCharacterIndices::VSUSP, Key::Suspend),
    ]
    .into_iter()
    .find_map(|(index, key)| is(index).then_some(key))
}

/// A key that is a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Interrupt,
    Quit,
    Suspend,
}

/// Signals the foreground of a pty, by its master (TIOCSIG, Linux 2.6.36): for a key that would wait behind others.
pub fn send_signal(master: BorrowedFd<'_>, key: Key) {
    let signal = match key {
        Key::Interrupt => libc::SIGINT,
        Key::Quit => libc::SIGQUIT,
        Key::Suspend => libc::SIGTSTP,
    };
    // SAFETY: takes numbers.
    let _ = unsafe { libc::ioctl(master.as_raw_fd(), TIOCSIG, signal) };
}

/// `_IOW('T', 0x36, int)` of asm-generic/ioctls.h.
pub const TIOCSIG: libc::Ioctl = 0x4004_5436;

/// The person's terminal, of which this shell is the only user for a while.
pub struct Held {
    /// Not to wait for, even where others wait for the same terminal.
    file: OwnedFd,
    modes: Termios,
    window: (u16, u16),
    /// Whether its keys are this process's, and not of a shell in whose background it is.
    foreground: bool,
}

impl Held {
    /// The terminal that is the first of these.
    ///
    /// # Errors
    /// It says nothing about itself.
    pub fn of(descriptors: [BorrowedFd<'_>; 3]) -> io::Result<Option<Held>> {
        let Some(terminal) = descriptors.into_iter().find(|fd| nix::unistd::isatty(fd).unwrap_or(false)) else { return Ok(None) };
        let foreground = !matches!(tcgetpgrp(terminal), Ok(group) if !is_ours(group));
        Ok(Some(Held {
            file: own_description(terminal)?,
            modes: tcgetattr(terminal)?,
            window: prompt::window(terminal).unwrap_or(WINDOW),
            foreground,
        }))
    }

    /// Lets every key and every byte through as it is: what they mean is for the pty behind. Nothing where another group is in the foreground.
    pub fn make_raw(&self) -> io::Result<()> {
        let mut raw = self.modes.clone();
        cfmakeraw(&mut raw);
        if self.foreground {
            tcsetattr(&self.file, SetArg::TCSANOW, &raw)?;
        }
        Ok(())
    }

    /// Puts its modes back. One that is gone cannot be put back, which is no error.
    pub fn put_back(&self) {
        if self.foreground {
            let _ = tcsetattr(&self.file, SetArg::TCSANOW, &self.modes);
        }
    }

    /// The same terminal.
    pub fn try_clone(&self) -> io::Result<Held> {
        Ok(Held { file: self.file.try_clone()?, modes: self.modes.clone(), ..*self })
    }

    /// How large it is.
    pub fn window(&self) -> (u16, u16) {
        prompt::window(self.file.as_fd()).unwrap_or(self.window)
    }

    pub fn is_in_foreground(&self) -> bool {
        self.foreground
    }

    /// Whether what is typed there can be read, and is for this process.
    pub fn has_keys(&self) -> bool {
        self.foreground && access(self.as_fd()).is_ok_and(|access| access != OFlag::O_WRONLY)
    }

    /// A new pty that is like it.
    pub fn open_pty(&self) -> io::Result<Pty> {
        Pty::open(&usual(&self.modes), self.window())
    }
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn is_ours(group: Pid) -> bool {
    group == getpgrp()
}

/// The modes of a terminal at which lines are typed, with the keys of this one.
fn usual(modes: &Termios) -> Termios {
    let mut usual = modes.clone();
    usual.input_flags |= InputFlags::ICRNL | InputFlags::IXON | InputFlags::IUTF8;
    usual.input_flags -= InputFlags::INLCR | InputFlags::IGNCR | InputFlags::ISTRIP;
    usual.output_flags |= OutputFlags::OPOST | OutputFlags::ONLCR;
    usual.control_flags |= ControlFlags::CS8 | ControlFlags::CREAD;
    usual.local_flags |=
        LocalFlags::ISIG | LocalFlags::ICANON | LocalFlags::IEXTEN | LocalFlags::ECHO | LocalFlags::ECHOE | LocalFlags::ECHOK;
    usual.local_flags -= LocalFlags::NOFLSH | LocalFlags::TOSTOP;
    usual
}

/// A file description of one's own for a terminal, so that not to wait is nobody else's affair. Where there is none to be had (another user's
/// terminal that is not the controlling one) it is the same one, which may wait.
///
/// One that was opened for reading or for writing only is not opened anew: with lent rights that would be more than was handed over.
fn own_description(terminal: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let wanted = device(terminal);
    let again = (access(terminal)? == OFlag::O_RDWR).then(|| format!("/proc/self/fd/{}", terminal.as_raw_fd()));
    let mut paths = ["/dev/tty".to_owned()].into_iter().chain(again);
    let found = paths.find_map(|path| open(path.as_str(), flags, Mode::empty()).ok().filter(|file| device(file.as_fd()) == wanted));
    match found {
        Some(file) if wanted.is_some() => descriptor::copy_above_standard(file),
        _ => descriptor::copy_above_standard(terminal),
    }
}

/// Whether it was opened for reading, for writing, or for both.
fn access(terminal: BorrowedFd<'_>) -> nix::Result<OFlag> {
    Ok(OFlag::from_bits_retain(fcntl(terminal, FcntlArg::F_GETFL)?) & OFlag::O_ACCMODE)
}

/// Which terminal it is, also where it was opened as /dev/tty (TIOCGDEV of ioctl_tty(2)).
fn device(terminal: BorrowedFd<'_>) -> Option<u32> {
    let mut number = 0;
    // SAFETY: TIOCGDEV writes one unsigned int.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), TIOCGDEV, &raw mut number) };
    (result == 0).then_some(number)
}

/// `_IOR('T', 0x32, unsigned int)`.
const TIOCGDEV: libc::Ioctl = 0x8004_5432_u32 as libc::Ioctl;

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{read, write};

    fn pty() -> Pty {
        let template = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY).unwrap();
        Pty::open(&usual(&tcgetattr(&template).unwrap()), (100, 40)).unwrap()
    }

    #[test]
    fn a_pty_has_the_window_it_was_given() {
        let pty = pty();
        assert_eq!(prompt::window(pty.slave.as_fd()), Some((100, 40)));
        set_window(pty.master.as_fd(), (80, 25)).unwrap();
        assert_eq!(prompt::window(pty.slave.as_fd()), Some((80, 25)));
    }

    #[test]
    fn what_is_typed_is_read_and_what_is_written_is_shown() {
        let pty = pty();
        let mut bytes = [0; 64];
        write(&pty.master, b"typed\r").unwrap();
        let count = read(&pty.slave, &mut bytes).unwrap();
        assert_eq!(&bytes[..count], b"typed\n");
        write(&pty.slave, b"shown\n").unwrap();
        let mut shown = Vec::new();
        while shown.len() < b"typed\r\nshown\r\n".len() {
            descriptor::wait([Some((pty.master.as_fd(), nix::poll::PollFlags::POLLIN))], nix::poll::PollTimeout::from(1000_u16)).unwrap();
            let count = read(&pty.master, &mut bytes).unwrap();
            shown.extend_from_slice(&bytes[..count]);
        }
        assert_eq!(shown, b"typed\r\nshown\r\n");
    }

    #[test]
    fn keys_are_signals_as_long_as_the_program_lets_them() {
        let pty = pty();
        for (key, signal) in [(3, Some(Key::Interrupt)), (0x1c, Some(Key::Quit)), (0x1a, Some(Key::Suspend)), (b'a', None), (0, None)] {
            assert_eq!(signal_of(pty.master.as_fd(), key), signal);
        }
        let mut modes = tcgetattr(&pty.slave).unwrap();
        cfmakeraw(&mut modes);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &modes).unwrap();
        assert_eq!(signal_of(pty.master.as_fd(), 3), None);
    }

    #[test]
    fn a_description_of_ones_own_is_of_the_same_terminal_and_does_not_wait() {
        let pty = pty();
        let own = own_description(pty.slave.as_fd()).unwrap();
        assert_eq!(device(own.as_fd()), device(pty.slave.as_fd()));
        assert_eq!(read(&own, &mut [0; 8]), Err(Errno::EAGAIN));
    }

    #[test]
    fn what_was_handed_over_for_reading_is_not_opened_for_writing() {
        let pty = pty();
        let lent = open(&pty.name().unwrap(), OFlag::O_RDONLY | OFlag::O_NOCTTY, Mode::empty()).unwrap();
        let own = own_description(lent.as_fd()).unwrap();
        assert_eq!(write(&own, b"x"), Err(Errno::EBADF));
    }
}
