//! Lines from anywhere but the line editor: a pipe, a file, a terminal that can do nothing but print.
//!
//! One byte is read at a time, as POSIX sh does: what stands behind the line belongs to the command that the line starts.

use std::io;
use std::time::Instant;

use nix::errno::Errno;
use nix::unistd::read;

use super::clock::{Clock, Ending};
use crate::sys::prompt::{self, Wake};
use crate::words::limits::LINE_BYTES;

/// What came instead of a line, or the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Without its newline; one that is too long is cut just behind the limit, where the parser refuses it.
    Line(Vec<u8>),
    /// Ctrl-C.
    Interrupted,
    /// What was typed is no text.
    NotText,
    /// There is no more: Ctrl-D, or the end of the file.
    End,
    /// The session is over.
    Ended(Ending),
    /// Standard input cannot be read.
    Failed(String),
}

/// Reads a line from standard input, as long as the clock lets the session wait.
pub fn read_line(clock: &Clock) -> Input {
    // What came before there was a line to wait for.
    if let Some(wake) = prompt::take() {
        return woken_by(wake, clock);
    }
    let mut line = Vec::new();
    loop {
        prompt::wake_after(clock.remaining(Instant::now()));
        let outcome = read_into(&mut line);
        if outcome.is_ok_and(|whole| whole || !line.is_empty()) {
            prompt::stop();
            return Input::Line(line);
        }
        match (outcome, prompt::take()) {
            (_, Some(wake @ (Wake::Hangup | Wake::Terminate))) => return woken_by(wake, clock),
            (Err(Errno::EINTR), None) => {}
            (Err(Errno::EINTR), Some(wake)) => return woken_by(wake, clock),
            // read(2): the process has lost its terminal.
            (Err(Errno::EIO), _) => return Input::Ended(Ending::Hangup),
            (Err(errno), _) => return Input::Failed(errno.desc().to_owned()),
            (Ok(_), _) => return Input::End,
        }
    }
}

/// Reads up to a newline; whether there was one. What a line has beyond the limit is read and dropped, but for the byte that shows it.
fn read_into(line: &mut Vec<u8>) -> nix::Result<bool> {
    let mut byte = [0];
    loop {
        match (read(io::stdin(), &mut byte)?, byte) {
            (0, _) => return Ok(false),
            (_, [b'\n']) => return Ok(true),
            (_, [byte]) if line.len() <= LINE_BYTES => line.push(byte),
            _ => {}
        }
    }
}

/// What a signal that ended a wait means.
pub fn woken_by(wake: Wake, clock: &Clock) -> Input {
    match wake {
        Wake::Hangup => Input::Ended(Ending::Hangup),
        Wake::Terminate => Input::Ended(Ending::Terminated),
        Wake::Alarm => clock.over(Instant::now()).map_or(Input::Interrupted, Input::Ended),
        Wake::Interrupt => Input::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::settings::Session;

    #[test]
    fn a_signal_ends_the_session_or_only_the_line() {
        let clock = |max: Option<u64>| {
            let mut clock = Clock::start(Instant::now());
            clock.set(&Session { idle: None, max, ..Session::default() });
            clock
        };
        let over = Input::Ended(Ending::Max(Duration::ZERO));
        for (wake, max, expected) in [
            (Wake::Hangup, None, Input::Ended(Ending::Hangup)),
            (Wake::Terminate, None, Input::Ended(Ending::Terminated)),
            (Wake::Interrupt, Some(0), Input::Interrupted),
            (Wake::Alarm, Some(0), over),
            (Wake::Alarm, None, Input::Interrupted),
        ] {
            assert_eq!(woken_by(wake, &clock(max)), expected, "{wake:?}");
        }
    }
}
