//! The person's terminal while this shell has it: every key and every byte passes as it is, and what they mean is for the terminals behind.
//! At the end it gets its modes back, however the session ends.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use nix::poll::{PollFlags, PollTimeout};
use nix::unistd::write;

use super::message::line;
use crate::exec;
use crate::sys::descriptor;
use crate::sys::pty::{Held, Pty};
use crate::words::limits::FAREWELL;

/// For whoever ends a session that does not end by itself.
static HELD: Mutex<Option<Held>> = Mutex::new(None);

/// The person's terminal, and another one for the front.
pub struct Terminal {
    held: Held,
    front: Pty,
}

/// Whether one of the standard descriptors is a terminal.
pub fn is_there() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

impl Terminal {
    /// Finds it; `None` where there is none.
    pub fn find() -> io::Result<Option<Terminal>> {
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        let Some(held) = Held::of([input.as_fd(), output.as_fd(), error.as_fd()])? else { return Ok(None) };
        Ok(Some(Terminal { front: held.open_pty()?, held }))
    }

    /// What the front gets in its place.
    pub fn for_front(&self) -> &OwnedFd {
        &self.front.slave
    }

    /// Takes it, for the relay to have.
    pub fn take(self) -> io::Result<exec::Terminal> {
        self.held.make_raw()?;
        *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.held.try_clone()?);
        Ok(exec::Terminal { held: self.held, front: Some(self.front.master) })
    }
}

/// Tells the person the last there is to say, as far as it is taken soon: who does not read keeps no session from its end.
pub fn tell_last(text: &str) {
    let error = io::stderr();
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    // Its descriptor does not wait, even where there is less room than the text takes.
    let held = held.as_ref().filter(|_| error.is_terminal()).map(AsFd::as_fd);
    let target = held.unwrap_or(error.as_fd());
    let patience = PollTimeout::try_from(FAREWELL).unwrap_or(PollTimeout::ZERO);
    let shown = descriptor::wait([Some((target, PollFlags::POLLOUT))], patience);
    if shown.is_ok_and(|[shown]| shown.contains(PollFlags::POLLOUT)) {
        let _ = write(target, line(text).as_bytes());
    }
}

/// Puts its modes back.
pub fn put_back() {
    if let Some(held) = HELD.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        held.put_back();
    }
}
