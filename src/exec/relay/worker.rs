//! What the relay does, all its life. It allocates nothing and makes no call that its list does not have (`sys::sealed`).

use std::array;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout};

use super::buffer::Buffer;
use super::layout::Target;
use super::message::{Event, ORDER, Order, Report};
use super::recorder::Recorder;
use super::screen::{Given, Memory, Ready, Screen};
use super::stream::{Moved, Stream};
use crate::sys::{descriptor, packet};

/// The person's terminal, as events number it.
const TERMINAL: usize = 2;

pub(super) struct Worker<'a> {
    guard: OwnedFd,
    streams: [Option<Stream<'a>>; 2],
    screen: Option<Screen<'a>>,
    recorder: &'a mut Recorder,
    /// What the pipeline may still write.
    allowance: Option<u64>,
    awaited: Awaited,
}

/// What the guard waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Nothing,
    /// The last byte of the pipeline.
    Drain,
    /// The last byte of the front.
    Finish,
    /// The last byte of the recording.
    Flush,
}

/// What the relay works with, allocated before there is one.
pub(super) struct Room {
    pub held: [Buffer; 2],
    pub screen: Option<Memory>,
    pub recorder: Recorder,
}

/// What the wait showed.
struct Shown {
    ordered: PollFlags,
    streams: [PollFlags; 4],
    screen: Ready,
    recorder: PollFlags,
}

impl<'a> Worker<'a> {
    pub fn new(
        guard: OwnedFd,
        given: [Option<OwnedFd>; 2],
        targets: [Option<Target>; 2],
        screen: Option<Given>,
        room: &'a mut Room,
    ) -> Worker<'a> {
        let mut parts = given.into_iter().zip(targets).zip(&mut room.held);
        let mut next = || parts.next().and_then(|((fd, target), held)| Some(Stream::new(fd?, target?, held)));
        Worker {
            guard,
            streams: array::from_fn(|_| next()),
            screen: screen.zip(room.screen.as_mut()).map(|(given, memory)| Screen::new(given, memory)),
            recorder: &mut room.recorder,
            allowance: None,
            awaited: Awaited::Nothing,
        }
    }

    /// Works until the guard is gone, or one of the two says what the other does not understand.
    pub fn run(mut self) {
        while self.turn().is_ok() {}
    }

    /// Waits for the next thing to happen, and handles it.
    fn turn(&mut self) -> io::Result<()> {
        let shown = match self.wait() {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            shown => shown?,
        };
        if !shown.ordered.is_empty() {
            self.obey()?;
        }
        self.pass_screen(shown.screen)?;
        if shown.streams.iter().any(|shown| !shown.is_empty()) {
            self.pass()?;
        }
        let [_, output_room, _, error_room] = shown.streams;
        for (index, shown) in [output_room, error_room].into_iter().enumerate() {
            if self.streams.get_mut(index).and_then(Option::as_mut).is_some_and(|stream| stream.has_lost_client(shown)) {
                self.tell(Event::Gone(index))?;
            }
        }
        self.record(shown.recorder)?;
        self.answer()
    }

    fn wait(&self) -> io::Result<Shown> {
        let has_room = self.recorder.has_room();
        let [output, error] =
            self.streams.each_ref().map(|stream| stream.as_ref().map_or([None, None], |stream| stream.interests(has_room)));
        let [terminal, front, command, resized] = self.screen.as_ref().map_or([None; 4], |screen| screen.interests(has_room));
        let guard = Some((self.guard.as_fd(), PollFlags::POLLIN));
        let recorder = self.recorder.interest();
        let set = [guard, output[0], output[1], error[0], error[1], terminal, front, command, resized, recorder];
        let [ordered, streams @ .., terminal, front, command, resized, recorder] = descriptor::wait(set, self.patience())?;
        Ok(Shown { ordered, streams, screen: Ready { terminal, front, command, resized }, recorder })
    }

    /// How long to wait at most; rounded up, so that the moment has come then.
    fn patience(&self) -> PollTimeout {
        if self.recorder.has_room() && self.screen.as_ref().is_some_and(Screen::can_go_on) {
            return PollTimeout::ZERO;
        }
        let least = [self.recorder.patience(), self.screen.as_ref().and_then(Screen::patience)].into_iter().flatten().min();
        let rounded = |left: Duration| PollTimeout::try_from((left + Duration::from_micros(999)).as_millis()).unwrap_or(PollTimeout::MAX);
        least.map_or(PollTimeout::NONE, rounded)
    }

    fn obey(&mut self) -> io::Result<()> {
        let mut bytes = [0; ORDER];
        let Some(received) = packet::receive(self.guard.as_fd(), &mut bytes)? else { return Err(ErrorKind::UnexpectedEof.into()) };
        let [first, second] = received.descriptors;
        match bytes.get(..received.length).and_then(Order::read).ok_or(ErrorKind::InvalidData)? {
            Order::Open(opened) => self.open(opened, [first, second])?,
            Order::Begin(begin) => {
                self.allowance = begin.allowance;
                self.recorder.set_quota(begin.recorded);
                if let (true, Some(screen)) = (begin.terminal, &mut self.screen) {
                    screen.begin(first.ok_or(ErrorKind::InvalidData)?, begin.prompt);
                }
            }
            Order::Drain => self.awaited = Awaited::Drain,
            Order::Close => {
                self.pass()?;
                self.streams.iter_mut().flatten().for_each(Stream::finish);
                self.end_command();
                self.awaited = Awaited::Nothing;
                let report = self.report();
                self.tell(Event::Closed(report))?;
            }
            Order::Record(how) => {
                self.recorder.begin(&how, first.ok_or(ErrorKind::InvalidData)?);
                if let Some(screen) = &mut self.screen {
                    screen.redact(how.redact, &how.key);
                }
            }
            Order::Mark(label) => self.recorder.mark(label),
            Order::Finish => self.awaited = Awaited::Finish,
        }
        Ok(())
    }

    fn open(&mut self, opened: [bool; 2], sources: [Option<OwnedFd>; 2]) -> io::Result<()> {
        let mut sources = sources.into_iter().flatten();
        for (stream, _) in self.streams.iter_mut().zip(opened).filter(|(_, opened)| *opened) {
            let (Some(stream), Some(source)) = (stream, sources.next()) else { return Err(ErrorKind::InvalidData.into()) };
            stream.open(source);
        }
        if let Some(screen) = &mut self.screen {
            screen.open();
        }
        Ok(())
    }

    fn pass_screen(&mut self, ready: Ready) -> io::Result<()> {
        let Some(screen) = &mut self.screen else { return Ok(()) };
        let news = screen.pass(ready, self.recorder, &mut self.allowance);
        for (is_new, event) in [(news.gone, Event::Gone(TERMINAL)), (news.exceeded, Event::Exceeded)] {
            if is_new {
                self.tell(event)?;
            }
        }
        Ok(())
    }

    /// Moves what can be moved.
    fn pass(&mut self) -> io::Result<()> {
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let Some(stream) = stream else { continue };
            let event = match stream.pass(&mut self.allowance, self.recorder) {
                Ok(Moved::Exceeded) => Event::Exceeded,
                Ok(Moved::Everything | Moved::Blocked) => continue,
                // The command learns of it as of any reader that went away.
                Err(error) if error.kind() == ErrorKind::BrokenPipe || error.kind() == ErrorKind::ConnectionReset => continue,
                Err(error) => Event::Full(index, errno_of(&error)),
            };
            send(&self.guard, event)?;
        }
        Ok(())
    }

    fn record(&mut self, shown: PollFlags) -> io::Result<()> {
        match self.recorder.pass(shown) {
            Ok(()) => Ok(()),
            Err(error) => self.tell(Event::Unrecorded(errno_of(&error))),
        }
    }

    /// Answers the guard once what it waits for has come.
    fn answer(&mut self) -> io::Result<()> {
        if self.awaited == Awaited::Finish && !self.screen.as_ref().is_some_and(Screen::is_front_busy) {
            self.end_command();
            if let Some(screen) = &mut self.screen {
                screen.finish(self.recorder);
            }
            self.awaited = Awaited::Flush;
            self.flush()?;
        }
        let screen = self.screen.as_ref();
        let event = match self.awaited {
            Awaited::Drain if !self.streams.iter().flatten().any(Stream::is_busy) && !screen.is_some_and(Screen::is_busy) => {
                self.end_command();
                self.flush()?;
                Event::Drained(self.report())
            }
            Awaited::Flush if !self.recorder.is_busy() && !screen.is_some_and(Screen::is_busy) => Event::Closed(self.report()),
            _ => return Ok(()),
        };
        self.awaited = Awaited::Nothing;
        self.tell(event)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_screen(Ready::NOTHING)?;
        self.record(PollFlags::empty())
    }

    /// Puts the terminal and the recording in order behind a command.
    fn end_command(&mut self) {
        if let Some(screen) = &mut self.screen {
            screen.end_command(self.recorder);
        }
        self.recorder.end_chapter();
    }

    fn report(&mut self) -> Report {
        let chapter = self.recorder.chapter;
        let mut found = self.recorder.take_found();
        if let Some(screen) = &mut self.screen {
            found += screen.take_found();
        }
        Report {
            passed: self.streams.each_ref().map(|stream| stream.as_ref().map_or(0, |stream| stream.passed)),
            shown: self.screen.as_ref().map_or(0, |screen| screen.shown),
            offset: chapter.offset,
            time: chapter.time.as_millis() as u64,
            left_out: chapter.left_out,
            dropped: self.screen.as_mut().map(Screen::take_dropped).unwrap_or_default(),
            found,
        }
    }

    fn tell(&self, event: Event) -> io::Result<()> {
        send(&self.guard, event)
    }
}

fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(Errno::EIO as i32)
}

fn send(guard: &OwnedFd, event: Event) -> io::Result<()> {
    descriptor::send_now(guard.as_fd(), event.message().bytes()).map(drop)
}
