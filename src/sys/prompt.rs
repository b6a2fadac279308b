//! What waiting at a prompt needs of the kernel: signals that end the wait, and the size of the window.
//!
//! The line editor blocks in read(2), begins it again after every signal, and gives up on SIGINT alone. So a signal that must end the wait
//! (SIGHUP, SIGTERM, the alarm clock) is noted and handed on to the main thread as SIGINT. It may come just before a read begins and
//! would then be lost on it: therefore the alarm repeats it every second until it is taken. What comes once there is a line is the line's:
//! [`super::signal::Watch`] finds it where it was noted.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::libc::{self, c_int, c_void, siginfo_t};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::alarm;

use super::signal;

/// Why a wait ended before there was input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// SIGHUP: the terminal is gone.
    Hangup,
    /// SIGTERM.
    Terminate,
    /// The time of [`wake_after`] is over.
    Alarm,
    /// SIGINT.
    Interrupt,
}

/// What ends a wait, the gravest first.
const WAKES: [(Signal, Wake); 4] =
    [(Signal::SIGHUP, Wake::Hangup), (Signal::SIGTERM, Wake::Terminate), (Signal::SIGALRM, Wake::Alarm), (Signal::SIGINT, Wake::Interrupt)];

/// How often a signal is repeated until it is taken.
const REPEAT: Duration = Duration::from_secs(1);

/// What would end the shell without the last record of its session, and asks nothing of it.
const MEANINGLESS: [Signal; 6] = [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGIO, Signal::SIGXCPU, Signal::SIGVTALRM, Signal::SIGPROF];

/// The thread that reads.
static READER: AtomicUsize = AtomicUsize::new(0);

/// Lets SIGHUP, SIGTERM and SIGINT end a wait of the calling thread instead of this process. At a prompt of a person, Ctrl-\ and Ctrl-Z do
/// nothing to it either; signals that mean nothing to a shell never do. Children must reset what is ignored here.
pub fn watch(interactive: bool) -> io::Result<()> {
    // SAFETY: has no preconditions.
    let reader = unsafe { libc::pthread_self() };
    READER.store(reader as usize, Ordering::SeqCst);
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGALRM] {
        handle(signal, SigHandler::Handler(hand_on))?;
    }
    handle(Signal::SIGINT, SigHandler::SigAction(note))?;
    MEANINGLESS.into_iter().try_for_each(|signal| handle(signal, SigHandler::SigIgn))?;
    if interactive {
        handle(Signal::SIGQUIT, SigHandler::SigIgn)?;
        handle(Signal::SIGTSTP, SigHandler::SigIgn)?;
    }
    Ok(())
}

/// Lets a terminal not stop this process where it is in the background (tty_ioctl(4), TOSTOP of termios(3)): what it sets there is an error.
pub fn go_on_in_the_background() -> io::Result<()> {
    [Signal::SIGTTOU, Signal::SIGTTIN].into_iter().try_for_each(|signal| handle(signal, SigHandler::SigIgn))
}

/// Arms the alarm clock, to the second, rounded up; `None` turns it off. What came and was not taken yet is still repeated.
pub fn wake_after(time: Option<Duration>) {
    arm(time);
    // The alarm that it has set is lost now.
    if signal::has_arrived() {
        arm(Some(REPEAT));
    }
}

fn arm(time: Option<Duration>) {
    match time {
        Some(time) => {
            let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            alarm::set(u32::try_from(seconds.max(1)).unwrap_or(u32::MAX));
        }
        None => {
            alarm::cancel();
        }
    }
}

/// What ended the wait, if a signal did; the gravest of several. Turns the alarm clock off.
pub fn take() -> Option<Wake> {
    let arrived = signal::take_arrived();
    stop();
    WAKES.into_iter().find(|(signal, _)| arrived.contains(*signal)).map(|(_, wake)| wake)
}

/// Turns the alarm clock off: the wait is over. Other signals that came are left for whoever takes them next.
pub fn stop() {
    alarm::cancel();
    // It may have rung just before.
    signal::forget(Signal::SIGALRM);
}

/// Columns and rows of a terminal; `None` where it has not been told.
pub fn window(terminal: BorrowedFd<'_>) -> Option<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize, which outlives the call.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Sets a disposition. Without SA_RESTART, so that a blocking call ends.
fn handle(signal: Signal, handler: SigHandler) -> io::Result<()> {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handlers of this file, like those of `signal`, do nothing that signal-safety(7) does not list.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

/// Notes SIGINT, and sees to it that the reader is woken if this was too early for it. One that [`hand_on`] has sent is no Ctrl-C.
extern "C" fn note(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO one siginfo, which lives as long as the handler runs.
    let sent_by_thread = unsafe { (*info).si_code } == libc::SI_TKILL;
    if !sent_by_thread {
        signal::arrive(signal);
        // SAFETY: signal-safety(7) lists the call.
        unsafe { libc::alarm(REPEAT.as_secs() as libc::c_uint) };
    }
}

/// Notes a signal, wakes the reader, and sees to it that it is woken again.
extern "C" fn hand_on(signal: c_int) {
    signal::arrive(signal);
    let reader = READER.load(Ordering::SeqCst) as libc::pthread_t;
    // SAFETY: signal-safety(7) lists both calls. The reader is the main thread, which lives as long as this process.
    unsafe {
        libc::pthread_kill(reader, libc::SIGINT);
        libc::alarm(REPEAT.as_secs() as libc::c_uint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_file_has_no_window() {
        let file = std::fs::File::open("/proc/self/status").unwrap();
        assert_eq!(window(std::os::fd::AsFd::as_fd(&file)), None);
    }
}
