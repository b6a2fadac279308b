//! The syslog socket: one datagram a record, `<PRI>posternsh[pid]: @cee: {json}`.
//!
//! The `syslog` crate gives facilities, severities and the framing interface; the socket is ours, because the crate's blocks without bound
//! when the daemon is slow and never reconnects when it was restarted. A datagram that was taken is no acknowledgement: what waits in the
//! queue of a daemon that dies is lost, which is one reason for the file beside it.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use syslog::{Facility, LogFormat, Severity};

use crate::policy::settings::Audit;
use crate::words::limits;

/// How a message looks. Without time and host, which the daemon adds for whatever comes through the local socket.
struct Frame {
    facility: Facility,
    pid: u32,
}

impl LogFormat<&str> for Frame {
    fn format<W: Write>(&self, out: &mut W, severity: Severity, json: &str) -> syslog::Result<()> {
        let priority = self.facility as u8 | severity as u8;
        write!(out, "<{priority}>posternsh[{}]: @cee: {json}", self.pid).map_err(syslog::Error::Write)
    }
}

/// The local syslog daemon.
pub(super) struct Syslog {
    path: String,
    frame: Frame,
    socket: Option<UnixDatagram>,
    /// Time-outs in a row, and until when there is no waiting after them.
    timeouts: u32,
    paused: Option<Instant>,
}

impl Syslog {
    /// The socket that the policy names; `Err` says why there is none. Connects with the first record.
    pub fn of(audit: &Audit) -> Result<Syslog, String> {
        let path = audit.syslog.clone().ok_or("the policy says `syslog: none`")?;
        let facility = Facility::from_str(&audit.facility).map_err(|()| format!("there is no syslog facility {:?}", audit.facility))?;
        let frame = Frame { facility, pid: std::process::id() };
        Ok(Syslog { path, frame, socket: None, timeouts: 0, paused: None })
    }

    /// Sends the records of one event, in order, within [`limits::SYSLOG_DEADLINE`] for all of them.
    pub fn send(&mut self, severity: Severity, records: &[String]) -> io::Result<()> {
        let now = Instant::now();
        let deadline = if self.paused.is_some_and(|until| now < until) { now } else { now + limits::SYSLOG_DEADLINE };
        let sent = records.iter().try_for_each(|record| self.send_one(severity, record, deadline));
        match &sent {
            Ok(()) => (self.timeouts, self.paused) = (0, None),
            Err(error) if error.kind() == io::ErrorKind::TimedOut && deadline > now => {
                let pause = Duration::from_secs(1 << self.timeouts.min(6)).min(limits::SYSLOG_PAUSE);
                (self.timeouts, self.paused) = (self.timeouts.saturating_add(1), Some(Instant::now() + pause));
            }
            Err(_) => {}
        }
        sent
    }

    /// A daemon that was restarted has a new socket at the old path: connects anew, once.
    fn send_one(&mut self, severity: Severity, record: &str, deadline: Instant) -> io::Result<()> {
        let mut message = Vec::with_capacity(record.len() + 64);
        self.frame.format(&mut message, severity, record).map_err(io::Error::other)?;
        match self.connected().and_then(|socket| deliver(socket, &message, deadline)) {
            Err(error) if is_stale(&error) => {
                self.socket = None;
                deliver(self.connected()?, &message, deadline)
            }
            other => other,
        }
    }

    fn connected(&mut self) -> io::Result<&UnixDatagram> {
        if self.socket.is_none() {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.connect(&self.path)?;
            self.socket = Some(socket);
        }
        self.socket.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// The daemon is gone, or is another by now (`unix(7)`).
fn is_stale(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ECONNREFUSED | Errno::ENOTCONN | Errno::ECONNRESET | Errno::ENOENT))
}

/// Sends one datagram, waiting for room in the daemon's queue until `deadline`.
fn deliver(socket: &UnixDatagram, message: &[u8], deadline: Instant) -> io::Result<()> {
    loop {
        match socket.send(message) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "its queue stays full"));
                }
                wait_for_room(socket, left)?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn wait_for_room(socket: &UnixDatagram, left: Duration) -> io::Result<()> {
    // Rounded up, so that the rest of a millisecond is not spent turning round.
    let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO);
    match poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_priority_of_facility_and_severity() {
        for (facility, severity, start) in [
            ("authpriv", Severity::LOG_INFO, "<86>posternsh[7]: @cee: {}"),
            ("authpriv", Severity::LOG_WARNING, "<84>posternsh[7]: @cee: {}"),
            ("local7", Severity::LOG_ALERT, "<185>posternsh[7]: @cee: {}"),
            ("kern", Severity::LOG_EMERG, "<0>posternsh[7]: @cee: {}"),
        ] {
            let frame = Frame { facility: Facility::from_str(facility).unwrap(), pid: 7 };
            let mut message = Vec::new();
            frame.format(&mut message, severity, "{}").unwrap();
            assert_eq!(String::from_utf8(message).unwrap(), start);
        }
    }

    #[test]
    fn a_policy_without_a_usable_socket_says_why() {
        let none = Audit { syslog: None, ..Audit::default() };
        assert_eq!(Syslog::of(&none).err().unwrap(), "the policy says `syslog: none`");
        let wrong = Audit { facility: "autpriv".to_owned(), ..Audit::default() };
        assert_eq!(Syslog::of(&wrong).err().unwrap(), "there is no syslog facility \"autpriv\"");
    }
}
