//! What the relay does, all its life. It allocates nothing and makes no call that its list does not have (`sys::sealed`).

use std::array;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout};

use super::layout::Target;
use super::message::{Event, ORDER, Order};
use super::stream::{Held, Moved, Stream};
use crate::sys::{descriptor, packet};

pub(super) struct Worker<'a> {
    guard: OwnedFd,
    streams: [Option<Stream<'a>>; 2],
    /// What the pipeline may still write.
    allowance: Option<u64>,
    /// Whether the guard waits for the last byte.
    draining: bool,
}

impl<'a> Worker<'a> {
    pub fn new(guard: OwnedFd, given: [Option<OwnedFd>; 2], targets: [Option<Target>; 2], held: &'a mut [Held; 2]) -> Worker<'a> {
        let mut parts = given.into_iter().zip(targets).zip(held);
        let mut next = || parts.next().and_then(|((fd, target), held)| Some(Stream::new(fd?, target?, held)));
        Worker { guard, streams: array::from_fn(|_| next()), allowance: None, draining: false }
    }

    /// Works until the guard is gone, or one of the two says what the other does not understand.
    pub fn run(mut self) {
        while self.turn().is_ok() {}
    }

    /// Waits for the next thing to happen, and handles it.
    fn turn(&mut self) -> io::Result<()> {
        let [ordered, output, output_room, error, error_room] = match self.wait() {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            shown => shown?,
        };
        if !ordered.is_empty() {
            self.obey()?;
        }
        if [output, output_room, error, error_room].iter().any(|shown| !shown.is_empty()) {
            self.pass()?;
        }
        for (index, shown) in [output_room, error_room].into_iter().enumerate() {
            if self.streams.get_mut(index).and_then(Option::as_mut).is_some_and(|stream| stream.has_lost_client(shown)) {
                self.tell(Event::Gone(index))?;
            }
        }
        if self.draining && !self.streams.iter().flatten().any(Stream::is_busy) {
            self.draining = false;
            self.tell(Event::Drained(self.passed()))?;
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<[PollFlags; 5]> {
        let [output, error] = self.streams.each_ref().map(|stream| stream.as_ref().map_or([None, None], Stream::interests));
        let guard = Some((self.guard.as_fd(), PollFlags::POLLIN));
        descriptor::wait([guard, output[0], output[1], error[0], error[1]], PollTimeout::NONE)
    }

    fn obey(&mut self) -> io::Result<()> {
        let mut bytes = [0; ORDER];
        let Some(received) = packet::receive(self.guard.as_fd(), &mut bytes)? else { return Err(ErrorKind::UnexpectedEof.into()) };
        match bytes.get(..received.length).and_then(Order::read) {
            Some(Order::Open(opened)) => self.open(opened, received.descriptors)?,
            Some(Order::Begin(allowance)) => self.allowance = allowance,
            Some(Order::Drain) => self.draining = true,
            Some(Order::Close) => {
                self.pass()?;
                self.streams.iter_mut().flatten().for_each(Stream::finish);
                self.draining = false;
                self.tell(Event::Closed(self.passed()))?;
            }
            None => return Err(ErrorKind::InvalidData.into()),
        }
        Ok(())
    }

    fn open(&mut self, opened: [bool; 2], sources: [Option<OwnedFd>; 2]) -> io::Result<()> {
        let mut sources = sources.into_iter().flatten();
        for (stream, _) in self.streams.iter_mut().zip(opened).filter(|(_, opened)| *opened) {
            let (Some(stream), Some(source)) = (stream, sources.next()) else { return Err(ErrorKind::InvalidData.into()) };
            stream.open(source);
        }
        Ok(())
    }

    /// Moves what can be moved.
    fn pass(&mut self) -> io::Result<()> {
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let Some(stream) = stream else { continue };
            let event = match stream.pass(&mut self.allowance) {
                Ok(Moved::Exceeded) => Event::Exceeded,
                Ok(Moved::Everything | Moved::Blocked) => continue,
                // The command learns of it as of any reader that went away.
                Err(error) if error.kind() == ErrorKind::BrokenPipe || error.kind() == ErrorKind::ConnectionReset => continue,
                Err(error) => Event::Full(index, error.raw_os_error().unwrap_or(Errno::EIO as i32)),
            };
            send(&self.guard, event)?;
        }
        Ok(())
    }

    fn tell(&self, event: Event) -> io::Result<()> {
        send(&self.guard, event)
    }

    fn passed(&self) -> [u64; 2] {
        self.streams.each_ref().map(|stream| stream.as_ref().map_or(0, |stream| stream.passed))
    }
}

fn send(guard: &OwnedFd, event: Event) -> io::Result<()> {
    descriptor::send_now(guard.as_fd(), &event.bytes()).map(drop)
}
