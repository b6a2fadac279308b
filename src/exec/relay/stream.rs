//! One stream on its way through the relay: counted, bounded, byte for byte, and never more of it held than one chunk.
//!
//! It stands between a pipe of ours, which commands write to, and one of the shell's own descriptors. That one is shared with the client's
//! side, so its flags are not ours to change, and a plain write could wait for a slow reader while the other stream has something to pass.
//! Pipes are therefore spliced and sockets sent to, both without waiting; what is neither (a regular file) does not wait.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::PollFlags;

use super::buffer::Buffer;
use super::layout::{Target, Way};
use super::recorder::{CHUNK, Recorder};
use crate::sys::descriptor;
use crate::words::limits;

/// Bytes that a pipe takes at once (PIPE_BUF of pipe(7)).
const PIPE_BUF: usize = 4096;

/// What a stream waits for.
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
    /// There is more than the allowance; the stream is closed.
    Exceeded,
}

/// Room for what is read of a stream, allocated before there is a relay.
pub(super) fn room() -> Buffer {
    Buffer::new(limits::RELAY_BYTES)
}

/// One stream from the commands to one of the shell's descriptors, line after line.
pub(super) struct Stream<'a> {
    /// `None` once it is closed: who writes then gets EPIPE, as from a pipe without us.
    source: Option<File>,
    target: File,
    way: Way,
    /// Whether somebody may be at the other end of the target, and has not been seen to be gone.
    watched: bool,
    is_client: bool,
    state: State,
    /// Read but not yet written. Unused for splices.
    held: &'a mut Buffer,
    /// Bytes of this line that reached the target.
    pub passed: u64,
}

impl<'a> Stream<'a> {
    /// A closed one.
    pub fn new(descriptor: OwnedFd, Target { way, is_client }: Target, held: &'a mut Buffer) -> Stream<'a> {
        let target = descriptor.into();
        Stream { source: None, target, way, watched: false, is_client, state: State::Closed, held, passed: 0 }
    }

    /// Takes the output of another line: the reading end of a pipe, which does not wait.
    pub fn open(&mut self, source: OwnedFd) {
        self.held.clear();
        (self.source, self.state, self.watched, self.passed) = (Some(source.into()), State::Source, self.is_client, 0);
    }

    /// What to wait for: something to read, where it can be recorded now; room to write, or nothing but the end of whoever reads.
    pub fn interests(&self, has_room: bool) -> [Option<(BorrowedFd<'_>, PollFlags)>; 2] {
        let source = self.source.as_ref().filter(|_| self.state == State::Source && has_room);
        let room = if self.state == State::Target { PollFlags::POLLOUT } else { PollFlags::empty() };
        let target = (self.watched || !room.is_empty()).then(|| (self.target.as_fd(), room));
        [source.map(|source| (source.as_fd(), PollFlags::POLLIN)), target]
    }

    /// Whether what the target shows is the end of its reader, for the first time. Then the stream is closed.
    pub fn has_lost_client(&mut self, shown: PollFlags) -> bool {
        let gone = self.watched && shown.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL);
        if gone {
            self.watched = false;
            self.close();
        }
        gone
    }

    /// Moves what can be moved without waiting, at most `allowance` bytes (`None` for any number), which is reduced by what was moved.
    /// An error says why the target takes no more; the stream is then closed.
    pub fn pass(&mut self, allowance: &mut Option<u64>, recorder: &mut Recorder) -> io::Result<Moved> {
        while self.state != State::Closed {
            match self.step(allowance, recorder) {
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

    /// Lets go of the source: writers get EPIPE. Who reads the target may still be watched.
    pub fn close(&mut self) {
        self.source = None;
        self.held.clear();
        self.state = State::Closed;
    }

    /// The line is over.
    pub fn finish(&mut self) {
        self.close();
        self.watched = false;
    }

    /// One chunk; `None` when there may be more.
    fn step(&mut self, allowance: &mut Option<u64>, recorder: &mut Recorder) -> io::Result<Option<Moved>> {
        if !self.held.is_empty() {
            return self.write(allowance);
        }
        let Some(source) = &mut self.source else { return Ok(Some(Moved::Everything)) };
        if !descriptor::is_readable(source.as_fd())? || !recorder.has_room() {
            self.state = State::Source;
            return Ok(Some(Moved::Everything));
        }
        let limit = allowance.map_or(limits::RELAY_BYTES, |left| limits::RELAY_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX)));
        if limit == 0 {
            return Ok(Some(Moved::Exceeded));
        }
        if self.way != Way::Splice || recorder.wants_output() {
            self.held.fill(source, limit.min(CHUNK))?;
            recorder.output(self.held.bytes());
            return Ok(None);
        }
        match descriptor::splice_pipes(source.as_fd(), self.target.as_fd(), limit) {
            Ok(count) => {
                recorder.leave_out(count);
                self.count(count, allowance);
            }
            // The source has bytes, so it is the target that has no room.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Some(Moved::Blocked)),
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// Writes what is held.
    fn write(&mut self, allowance: &mut Option<u64>) -> io::Result<Option<Moved>> {
        let bytes = self.held.bytes();
        let written = match self.way {
            Way::Send => descriptor::send_now(self.target.as_fd(), bytes),
            // A pipe that shows room takes as much as this without waiting (pipe(7)).
            Way::Splice if !descriptor::is_writable(self.target.as_fd())? => return Ok(Some(Moved::Blocked)),
            Way::Splice => self.target.write(bytes.get(..PIPE_BUF).unwrap_or(bytes)),
            Way::Write => self.target.write(bytes),
        };
        match written {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                self.held.taken(count);
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
        let waiting = |source: &File| descriptor::is_readable(source.as_fd()).unwrap_or(false);
        !self.held.is_empty() || self.source.as_ref().is_some_and(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout;
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::unistd::pipe2;

    /// An open stream to a target, and the end that commands write to.
    fn stream(target: OwnedFd, held: &mut Buffer) -> (Stream<'_>, OwnedFd) {
        let (source, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        fcntl(&source, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let kind = kind_of(&target);
        let mut stream = Stream::new(target, kind, held);
        stream.open(source);
        (stream, writer)
    }

    fn kind_of(target: &OwnedFd) -> Target {
        layout::of(target.as_fd(), target.as_fd()).unwrap()[0].target().unwrap()
    }

    /// Passes `data` on to `target`, read by `reader` in small pieces, and returns what arrived.
    fn passed(data: &[u8], target: OwnedFd, mut reader: impl Read + Send + 'static) -> Vec<u8> {
        let mut held = room();
        let (mut stream, writer) = stream(target, &mut held);
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
        while stream.passed < length as u64 {
            let _ = stream.pass(&mut None, &mut Recorder::new()).unwrap();
            std::thread::yield_now();
        }
        write.join().unwrap().unwrap();
        read.join().unwrap()
    }

    #[test]
    fn bytes_arrive_as_they_were_through_pipes_and_sockets() {
        let data: Vec<u8> = (0..1_000_000_u32).map(|index| (index * 7 / 3) as u8).collect();
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        assert!(passed(&data, writer, File::from(reader)) == data);
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert!(passed(&data, ours.into(), theirs) == data);
    }

    #[test]
    fn a_full_target_is_waited_for_and_not_written_to() {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        for target in [writer, ours.into()] {
            let mut held = room();
            let (mut stream, source) = stream(target, &mut held);
            let mut source = File::from(source);
            let mut moved = Moved::Everything;
            while moved == Moved::Everything {
                source.write_all(&[b'x'; 4096]).unwrap();
                moved = stream.pass(&mut None, &mut Recorder::new()).unwrap();
            }
            assert_eq!(moved, Moved::Blocked);
            let [reads, writes] = stream.interests(true);
            assert!(stream.is_busy() && reads.is_none() && writes.is_some_and(|(_, flags)| flags == PollFlags::POLLOUT));
        }
        drop((reader, theirs));
    }

    #[test]
    fn no_byte_passes_beyond_the_allowance() {
        for length in [99, 100, 101] {
            let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
            let mut held = room();
            let (mut stream, source) = stream(writer, &mut held);
            File::from(source).write_all(&vec![b'x'; length]).unwrap();
            let moved = stream.pass(&mut Some(100), &mut Recorder::new()).unwrap();
            drop(stream);
            let mut passed = Vec::new();
            File::from(reader).read_to_end(&mut passed).unwrap();
            assert_eq!((moved, passed.len()), if length > 100 { (Moved::Exceeded, 100) } else { (Moved::Everything, length) });
        }
    }

    #[test]
    fn a_reader_that_went_away_is_passed_on() {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let mut held = room();
        let (mut stream, source) = stream(writer, &mut held);
        drop(reader);
        let mut source = File::from(source);
        source.write_all(b"x").unwrap();
        assert_eq!(stream.pass(&mut None, &mut Recorder::new()).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(source.write_all(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
