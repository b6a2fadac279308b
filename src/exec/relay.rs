//! Output on its way through the shell: counted, bounded, byte for byte, and never more of it held than one chunk.
//!
//! A relay stands between a pipe of ours, which commands write to, and one of the shell's own descriptors. That one is shared with the
//! client's side, so its flags are not ours to change, and a plain write could wait for a slow reader while signals and time limits pass
//! unseen. Pipes are therefore spliced and sockets sent to, both without waiting; what is neither (a regular file) does not wait.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::pipe2;

use super::walk::kind;
use crate::sys::descriptor;
use crate::words::limits;

/// How bytes reach the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Splice,
    Send,
    Write,
}

/// What a relay waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Something to read.
    Source,
    /// Room to write.
    Target,
    /// Nothing: there is no reader any more, or no writer.
    Closed,
}

/// What came of moving bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// All that there was for now.
    Everything,
    /// The target has no room.
    Blocked,
    /// There is more than the allowance; the relay is closed.
    Exceeded,
}

/// One stream from the commands to one of the shell's descriptors.
pub(super) struct Relay {
    /// `None` once it is closed: who writes then gets EPIPE, as from a pipe without us.
    source: Option<File>,
    target: File,
    way: Way,
    state: State,
    /// Read but not yet written; unused for splices.
    held: Vec<u8>,
    /// Bytes that reached the target.
    pub passed: u64,
}

impl Relay {
    /// A relay to `target`, and the end that commands write to.
    pub fn new(target: OwnedFd) -> nix::Result<(Relay, OwnedFd)> {
        let (source, writer) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&source, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let way = match kind(&fstat(&target)?) {
            SFlag::S_IFIFO => Way::Splice,
            SFlag::S_IFSOCK => Way::Send,
            _ => Way::Write,
        };
        let relay = Relay { source: Some(source.into()), target: target.into(), way, state: State::Source, held: Vec::new(), passed: 0 };
        Ok((relay, descriptor::copy_above_standard(writer)?))
    }

    /// What to wait for; `None` for nothing.
    pub fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match self.state {
            State::Source => self.source.as_ref().map(|source| (source.as_fd(), PollFlags::POLLIN)),
            State::Target => Some((self.target.as_fd(), PollFlags::POLLOUT)),
            State::Closed => None,
        }
    }

    /// Moves what can be moved without waiting, at most `allowance` bytes (`None` for any number), which is reduced by what was moved.
    /// An error says why the target takes no more; the relay is then closed.
    pub fn pass(&mut self, allowance: &mut Option<u64>) -> io::Result<Moved> {
        while self.state != State::Closed {
            match self.step(allowance) {
                Ok(None) => {}
                Ok(Some(moved)) => {
                    match moved {
                        Moved::Everything => {}
                        Moved::Blocked => self.state = State::Target,
                        Moved::Exceeded => self.close(),
                    }
                    return Ok(moved);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.close();
                    return Err(error);
                }
            }
        }
        Ok(Moved::Everything)
    }

    /// Lets go of the source: writers get EPIPE.
    pub fn close(&mut self) {
        self.source = None;
        self.held.clear();
        self.state = State::Closed;
    }

    /// One chunk; `None` when there may be more.
    fn step(&mut self, allowance: &mut Option<u64>) -> io::Result<Option<Moved>> {
        if !self.held.is_empty() {
            return self.write(allowance);
        }
        let Some(source) = &mut self.source else { return Ok(Some(Moved::Everything)) };
        if descriptor::readable(source.as_fd())? == 0 {
            self.state = State::Source;
            return Ok(Some(Moved::Everything));
        }
        let limit = allowance.map_or(limits::RELAY_BYTES, |left| limits::RELAY_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX)));
        if limit == 0 {
            return Ok(Some(Moved::Exceeded));
        }
        if self.way != Way::Splice {
            self.held.resize(limit, 0);
            let count = source.read(&mut self.held).inspect_err(|_| self.held.clear())?;
            self.held.truncate(count);
            return Ok(None);
        }
        match descriptor::splice_pipes(source.as_fd(), self.target.as_fd(), limit) {
            Ok(count) => self.count(count, allowance),
            // The source has bytes, so it is the target that has no room.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Some(Moved::Blocked)),
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// Writes what is held.
    fn write(&mut self, allowance: &mut Option<u64>) -> io::Result<Option<Moved>> {
        let written = match self.way {
            Way::Send => descriptor::send_now(self.target.as_fd(), &self.held),
            Way::Splice | Way::Write => self.target.write(&self.held),
        };
        match written {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                self.held.drain(..count);
                self.count(count, allowance);
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Some(Moved::Blocked)),
            Err(error) => Err(error),
        }
    }

    fn count(&mut self, count: usize, allowance: &mut Option<u64>) {
        self.passed += count as u64;
        *allowance = allowance.map(|left| left.saturating_sub(count as u64));
    }

    /// Whether something is on its way.
    pub fn is_busy(&self) -> bool {
        let waiting = |source: &File| descriptor::readable(source.as_fd()).is_ok_and(|count| count > 0);
        !self.held.is_empty() || self.source.as_ref().is_some_and(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    /// Relays `data` to `target`, read by `reader` in small pieces, and returns what arrived.
    fn relayed(data: &[u8], target: OwnedFd, mut reader: impl Read + Send + 'static) -> Vec<u8> {
        let (mut relay, writer) = Relay::new(target).unwrap();
        let sent = data.to_vec();
        let write = std::thread::spawn(move || File::from(writer).write_all(&sent));
        let length = data.len();
        let read = std::thread::spawn(move || {
            let (mut all, mut piece) = (Vec::new(), [0; 1000]);
            while all.len() < length {
                let count = reader.read(&mut piece).unwrap();
                all.extend_from_slice(&piece[..count]);
            }
            all
        });
        while relay.passed < length as u64 {
            let _ = relay.pass(&mut None).unwrap();
            std::thread::yield_now();
        }
        write.join().unwrap().unwrap();
        read.join().unwrap()
    }

    #[test]
    fn bytes_arrive_as_they_were_through_pipes_and_sockets() {
        let data: Vec<u8> = (0..1_000_000_u32).map(|index| (index * 7 / 3) as u8).collect();
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        assert!(relayed(&data, writer, File::from(reader)) == data);
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert!(relayed(&data, ours.into(), theirs) == data);
    }

    #[test]
    fn a_full_target_is_waited_for_and_not_written_to() {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        for target in [writer, ours.into()] {
            let (mut relay, source) = Relay::new(target).unwrap();
            let mut source = File::from(source);
            let mut moved = Moved::Everything;
            while moved == Moved::Everything {
                source.write_all(&[b'x'; 4096]).unwrap();
                moved = relay.pass(&mut None).unwrap();
            }
            assert_eq!(moved, Moved::Blocked);
            assert!(relay.is_busy() && relay.interest().is_some_and(|(_, flags)| flags == PollFlags::POLLOUT));
        }
        drop((reader, theirs));
    }

    #[test]
    fn no_byte_passes_beyond_the_allowance() {
        for length in [99, 100, 101] {
            let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
            let (mut relay, source) = Relay::new(writer).unwrap();
            File::from(source).write_all(&vec![b'x'; length]).unwrap();
            let moved = relay.pass(&mut Some(100)).unwrap();
            drop(relay);
            let mut passed = Vec::new();
            File::from(reader).read_to_end(&mut passed).unwrap();
            assert_eq!((moved, passed.len()), if length > 100 { (Moved::Exceeded, 100) } else { (Moved::Everything, length) });
        }
    }

    #[test]
    fn a_reader_that_went_away_is_passed_on() {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let (mut relay, source) = Relay::new(writer).unwrap();
        drop(reader);
        let mut source = File::from(source);
        source.write_all(b"x").unwrap();
        assert_eq!(relay.pass(&mut None).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(source.write_all(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
