//! The terminal's modes as they were at the start, for whoever ends a session that did not end by itself.

use std::io;
use std::sync::{Mutex, PoisonError};

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

static MODES: Mutex<Option<Termios>> = Mutex::new(None);

/// Remembers the modes of the terminal on standard input, if that is one.
pub fn remember() {
    *MODES.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(io::stdin()).ok();
}

/// Puts them back.
pub fn put_back() {
    if let Some(modes) = MODES.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, modes);
    }
}
