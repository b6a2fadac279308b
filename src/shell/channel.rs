//! The one socket pair between front and guard.
//!
//! One call, one reply, one at a time; nobody else has an end of it. Whatever goes wrong with it is the end of the session.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};

use super::desk::{Call, Reply};
use super::wire::{self, HEADER, Malformed};
use crate::sys::prompt::{self, Wake};
use crate::words::limits::REPLY_DEADLINE;

/// Why no message came.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("{0}")]
    System(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// One end.
#[derive(Debug)]
pub struct Channel(UnixStream);

/// What came to the guard.
#[derive(Debug)]
pub enum Incoming {
    Call(Box<Call>),
    /// A signal that is the session's.
    Wake(Wake),
    /// The time is over.
    Late,
    /// The front has gone.
    End,
}

impl Channel {
    /// Two ends.
    pub fn pair() -> io::Result<(Channel, Channel)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Channel(one), Channel(other)))
    }

    /// The front's side: asks, and waits for the reply.
    pub fn ask(&mut self, call: &Call) -> Result<Reply, ChannelError> {
        self.0.write_all(&wire::encode(call)?)?;
        let mut header = [0; HEADER];
        self.0.read_exact(&mut header)?;
        let mut bytes = vec![0; wire::length(header)?];
        self.0.read_exact(&mut bytes)?;
        Ok(wire::decode(&bytes)?)
    }

    /// The guard's side: whether nothing comes for so long. A signal is something.
    pub fn is_silent(&self, time: Duration) -> bool {
        let start = Instant::now();
        self.wait(start.checked_add(time)).is_ok() && start.elapsed() >= time
    }

    /// The guard's side: waits for a call until `end`. A front that sends half of one and stops is waited for no longer than one that sends
    /// nothing.
    pub fn receive(&mut self, end: Option<Instant>) -> Result<Incoming, ChannelError> {
        let mut header = [0; HEADER];
        if let Some(incoming) = self.fill(&mut header, end)? {
            return Ok(incoming);
        }
        let mut bytes = vec![0; wire::length(header)?];
        match self.fill(&mut bytes, end)? {
            Some(incoming) => Ok(incoming),
            None => Ok(Incoming::Call(Box::new(wire::decode(&bytes)?))),
        }
    }

    /// Reads as much as there is room for; what came instead if it did not come to that.
    fn fill(&mut self, mut room: &mut [u8], end: Option<Instant>) -> Result<Option<Incoming>, ChannelError> {
        while !room.is_empty() {
            if let Some(wake) = prompt::take().filter(|wake| *wake != Wake::Interrupt) {
                return Ok(Some(Incoming::Wake(wake)));
            }
            if !self.wait(end)? {
                return Ok(Some(Incoming::Late));
            }
            // Not a read that waits: the wait may have ended because the time is over, or for a signal.
            match recv(self.0.as_raw_fd(), room, MsgFlags::MSG_DONTWAIT) {
                Ok(0) | Err(Errno::ECONNRESET) => return Ok(Some(Incoming::End)),
                Ok(count) => room = room.get_mut(count..).unwrap_or_default(),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
        Ok(None)
    }

    /// Waits until there may be something to read or a signal has come; false once the time is over. A signal just before the wait is
    /// repeated by `sys::prompt`.
    fn wait(&self, end: Option<Instant>) -> io::Result<bool> {
        self.wait_for(PollFlags::POLLIN, end)
    }

    fn wait_for(&self, what: PollFlags, end: Option<Instant>) -> io::Result<bool> {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok(false);
        }
        // Rounded up, so that the moment has come when this returns.
        let timeout = left.map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from((left + Duration::from_micros(999)).as_millis()).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut [PollFd::new(self.0.as_fd(), what)], timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(true),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The guard's side: replies. A front that is gone is found out by the next [`Channel::receive`], one that does not read is not waited for.
    pub fn reply(&mut self, reply: &Reply) -> Result<(), ChannelError> {
        let (bytes, end) = (wire::encode(reply)?, Instant::now() + REPLY_DEADLINE);
        let mut rest = &bytes[..];
        // Not a write with a time-out, which begins anew with each part that is read.
        while !rest.is_empty() {
            match send(self.0.as_raw_fd(), rest, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::EAGAIN) if Instant::now() < end => self.wait_for(PollFlags::POLLOUT, Some(end)).map(drop)?,
                Err(Errno::EAGAIN) => return Err(io::Error::from(ErrorKind::TimedOut).into()),
                Err(Errno::EINTR) => {}
                Err(Errno::EPIPE) => return Ok(()),
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
        Ok(())
    }

    /// Bytes as they are: for who tries what the other end makes of them.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<std::os::fd::OwnedFd> for Channel {
    fn from(fd: std::os::fd::OwnedFd) -> Channel {
        Channel(UnixStream::from(fd))
    }
}
