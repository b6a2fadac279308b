//! The operator's terminal: keys without Enter, and its modes put back whatever happens.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use nix::unistd::read;

use crate::sys::prompt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Quit,
    Pause,
    Step,
    Previous,
    Next,
    Back,
    Forward,
    Faster,
    Slower,
}

/// Waits for keys and signals, and writes to the screen.
pub struct Terminal {
    /// The modes of standard input, where that and standard output are a terminal.
    modes: Option<Termios>,
}

/// What ended a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Woken {
    Keys(Vec<Key>),
    /// The time is over, or something else is ready.
    Other,
}

impl Terminal {
    /// Takes the keyboard, if there is one to take.
    pub fn open(keys: bool) -> io::Result<Terminal> {
        prompt::watch(false)?;
        let is_terminal = keys && io::stdin().is_terminal() && io::stdout().is_terminal();
        let modes = if is_terminal { Some(tcgetattr(io::stdin())?) } else { None };
        if let Some(modes) = &modes {
            let mut raw = modes.clone();
            raw.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
            for (index, value) in [(SpecialCharacterIndices::VMIN, 1), (SpecialCharacterIndices::VTIME, 0)] {
                if let Some(character) = raw.control_chars.get_mut(index as usize) {
                    *character = value;
                }
            }
            tcsetattr(io::stdin(), SetArg::TCSANOW, &raw)?;
        }
        Ok(Terminal { modes })
    }

    /// Whether there are keys.
    pub fn has_keys(&self) -> bool {
        self.modes.is_some()
    }

    /// Waits for keys, for another descriptor to be readable, or so long. A signal that ends a program is the key that quits.
    pub fn wait(&self, others: &[BorrowedFd<'_>], time: Option<Duration>) -> io::Result<Woken> {
        let input = io::stdin();
        let mut set: Vec<PollFd<'_>> = others.iter().map(|other| PollFd::new(*other, PollFlags::POLLIN)).collect();
        set.extend(self.has_keys().then(|| PollFd::new(input.as_fd(), PollFlags::POLLIN)));
        // Rounded up, so that the moment has come when this returns.
        let time = time.map(|time| PollTimeout::try_from((time + Duration::from_micros(999)).as_millis()).unwrap_or(PollTimeout::MAX));
        let ready = poll(&mut set, time.unwrap_or(PollTimeout::NONE));
        if prompt::take().is_some() {
            return Ok(Woken::Keys(vec![Key::Quit]));
        }
        match ready {
            Err(Errno::EINTR) => return Ok(Woken::Other),
            ready => ready?,
        };
        let pressed = self.has_keys() && set.last().and_then(PollFd::any).unwrap_or(false);
        if !pressed {
            return Ok(Woken::Other);
        }
        let mut bytes = [0; 256];
        match read(io::stdin(), &mut bytes) {
            Ok(0) | Err(Errno::EIO) => Ok(Woken::Keys(vec![Key::Quit])),
            Ok(count) => Ok(Woken::Keys(keys(bytes.get(..count).unwrap_or_default()))),
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(Woken::Other),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether somebody leaves: asked between two pieces, while there is always something to show. Other keys do nothing meanwhile, and
    /// whoever cannot be asked has left.
    pub fn is_left(&self) -> bool {
        self.wait(&[], Some(Duration::ZERO)).map_or(true, |woken| matches!(woken, Woken::Keys(keys) if keys.contains(&Key::Quit)))
    }

    /// Writes what was made safe; false once nobody reads it.
    pub fn write(&self, bytes: &[u8]) -> bool {
        let mut output = io::stdout().lock();
        output.write_all(bytes).and_then(|()| output.flush()).is_ok()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(modes) = &self.modes {
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, modes);
        }
    }
}

/// The keys that mean something; arrows come as `ESC [ C` or `ESC O C`.
fn keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        let (key, behind) = match (first, rest) {
            (0x1b, [b'[' | b'O', b'C', rest @ ..]) => (Some(Key::Forward), rest),
            (0x1b, [b'[' | b'O', b'D', rest @ ..]) => (Some(Key::Back), rest),
            (b'q' | 0x03 | 0x04, rest) => (Some(Key::Quit), rest),
            (b' ', rest) => (Some(Key::Pause), rest),
            (b'.', rest) => (Some(Key::Step), rest),
            (b'[', rest) => (Some(Key::Previous), rest),
            (b']', rest) => (Some(Key::Next), rest),
            (b'+' | b'=', rest) => (Some(Key::Faster), rest),
            (b'-', rest) => (Some(Key::Slower), rest),
            (_, rest) => (None, rest),
        };
        keys.extend(key);
        bytes = behind;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_from_what_arrows_send() {
        use Key::{Back, Faster, Forward, Next, Pause, Previous, Quit, Slower, Step};
        for (bytes, expected) in [
            (&b" .[]+-q"[..], &[Pause, Step, Previous, Next, Faster, Slower, Quit][..]),
            (b"\x1b[C\x1b[D\x1bOC", &[Forward, Back, Forward]),
            (b"\x03", &[Quit]),
            (b"xyz\x1b", &[]),
        ] {
            assert_eq!(keys(bytes), expected, "{bytes:?}");
        }
    }
}
