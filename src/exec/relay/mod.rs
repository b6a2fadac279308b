//! Output on its way through the shell, in a process that has no privilege: the *relay*.
//!
//! Whoever has a set-user-ID shell writes what its output carries, and chooses what stands behind its standard output: a pipe, a socket, a
//! file of some file system. None of those bytes passes the guard. The relay is forked once a session, before there is a policy or a record
//! in memory, and is sealed (`sys::sealed`): the account's ids, its two descriptors, a dozen system calls. For each line the guard makes the pipes
//! that the commands write to, and hands over the reading ends.
//!
//! The guard believes its numbers (nobody without privilege reaches the relay), but not its lengths; what is not understood ends it. If it
//! dies, nobody can take the output any more, which is what it is when a client has gone: the line ends as then.
//!
//! | file | what it is |
//! |---|---|
//! | [`layout`] | which of output and error goes where |
//! | [`message`] | what the guard and the relay say to each other |
//! | [`buffer`] | bytes on their way |
//! | [`stream`] | one stream that is no terminal: bytes, counts, bounds |
//! | [`keys`] | what is typed |
//! | [`screen`] | the person's terminal, and the two behind it |
//! | [`recorder`] | the relay's end of the recording |
//! | [`worker`] | what the relay does all its life |

mod buffer;
mod keys;
pub(super) mod layout;
pub(super) mod message;
mod recorder;
mod screen;
mod stream;
mod worker;

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::poll::{PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::policy::settings::Redact;
use crate::screen::redact::Key;
use crate::sys::identity::Identity;
use crate::sys::pty::Held;
use crate::sys::sealed::{self, Process, Role, StartError};
use crate::sys::{descriptor, packet, pty};
use crate::words::limits;
use layout::Passing;
use message::{EVENT, Event, Order};
use recorder::Recorder;
use screen::{Given, Memory};
use worker::{Room, Worker};

/// The guard's end of the relay. It ends with the last of these.
#[derive(Clone)]
pub struct Relayer(Rc<Inner>);

struct Inner {
    process: Process,
    /// The person's terminal, which the relay has.
    terminal: Option<Held>,
    /// Whether it writes a recording.
    recording: Cell<bool>,
    /// Whether it was waited for until it was sealed.
    begun: Cell<bool>,
    /// Whether it was given up: whatever it still says is of another line.
    lost: Cell<bool>,
}

/// The person's terminal, and what stands behind it for the front.
pub struct Terminal {
    pub held: Held,
    /// The master of the front's own.
    pub front: Option<OwnedFd>,
}

impl Relayer {
    /// Forks the relay of this process's standard output and error and of the person's terminal, which becomes the user `identity` (`None`: keeps
    /// its ids); none where there is nothing for it to do.
    ///
    /// To be called before this process enters a Landlock scope (`confine::Confiner::set_apart`), so that what ends all of a command does not
    /// end the relay, and before it has other threads.
    pub fn start(identity: Option<&Identity>, terminal: Option<Terminal>) -> io::Result<Option<Relayer>> {
        let (output, error) = (io::stdout(), io::stderr());
        Relayer::between(identity, [output.as_fd(), error.as_fd()], terminal)
    }

    fn between(
        identity: Option<&Identity>,
        [output, error]: [BorrowedFd<'_>; 2],
        terminal: Option<Terminal>,
    ) -> io::Result<Option<Relayer>> {
        let targets = layout::of(output, error)?.map(Passing::target);
        if targets == [None, None] && terminal.is_none() {
            return Ok(None);
        }
        let resized = terminal.as_ref().map(|_| window_changes()).transpose()?;
        let held = terminal.as_ref().map(|terminal| &terminal.held);
        let mut room =
            Room { held: targets.map(|_| stream::room()), screen: held.map(|held| Memory::new(held.window())), recorder: Recorder::new() };
        let given = [
            targets[0].map(|_| output),
            targets[1].map(|_| error),
            held.map(Held::as_fd),
            resized.as_ref().map(SignalFd::as_fd),
            terminal.as_ref().and_then(|terminal| terminal.front.as_ref()).map(OwnedFd::as_fd),
        ];
        let reads = held.is_some_and(Held::has_keys);
        let process = sealed::start(Role::Relay, identity, given, |guard, [output, error, terminal, resized, front]| {
            let screen = terminal.zip(resized).map(|(terminal, resized)| Given { terminal, resized, front, reads });
            Worker::new(guard, [output, error], targets, screen, &mut room).run();
        });
        let (recording, begun, lost) = (Cell::new(false), Cell::new(false), Cell::new(false));
        let terminal = terminal.map(|terminal| terminal.held);
        Ok(Some(Relayer(Rc::new(Inner { process: process.map_err(io::Error::other)?, terminal, recording, begun, lost }))))
    }

    /// The window of the person's terminal; without one, of none: 80 columns, 24 rows.
    pub fn window(&self) -> (u16, u16) {
        self.terminal().map_or(pty::WINDOW, Held::window)
    }

    /// Whether there is a terminal whose keys are another program's.
    pub fn is_in_background(&self) -> bool {
        self.terminal().is_some_and(|held| !held.is_in_foreground())
    }

    /// Lets it record all that follows to `pipe`, which is that of a recording with so many bytes in it.
    pub fn record(&self, offset: u64, redact: Redact, key: Key, pipe: &OwnedFd) -> io::Result<()> {
        self.await_start().map_err(io::Error::other)?;
        self.0.recording.set(true);
        self.order(Order::Record(message::Recording { offset, redact, key }), &[pipe.as_fd()])
    }

    /// The person's terminal, where there is one.
    pub(super) fn terminal(&self) -> Option<&Held> {
        self.0.terminal.as_ref()
    }

    /// Waits until it is sealed, the first time.
    pub(super) fn await_start(&self) -> Result<(), StartError> {
        if !self.0.begun.get() {
            self.0.process.await_start(limits::START_DEADLINE)?;
            self.0.begun.set(true);
        }
        Ok(())
    }

    /// Whether there is anything to be shown, or recorded, when a session is over.
    fn is_needed_to_the_end(&self) -> bool {
        self.terminal().is_some() || self.0.recording.get()
    }

    /// The session is over: shows the person what is on its way, and puts the recording to an end. Waits, at most so long, until that is
    /// done: the person may not read.
    pub fn finish(&self, patience: Duration) {
        if !self.is_needed_to_the_end() {
            return;
        }
        let end = Instant::now() + patience;
        // Its first message says that it has begun, and is no event.
        let mut finished = self.await_start().is_err() || self.order(Order::Finish, &[]).is_err();
        while !finished {
            let left = PollTimeout::try_from(end.saturating_duration_since(Instant::now())).unwrap_or(PollTimeout::MAX);
            let shown = descriptor::wait([Some((self.as_fd(), PollFlags::POLLIN))], left);
            finished = shown.is_ok_and(|[shown]| shown.is_empty()) || matches!(self.event(), Ok(Some(Event::Closed(_))) | Err(_));
        }
        self.lose();
    }

    /// Gives it up, for this line and all that follow.
    pub(super) fn lose(&self) {
        self.0.lost.set(true);
    }

    /// Asks for something; never waits. An error says that it has ended, or was given up.
    pub(super) fn order(&self, order: Order<'_>, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        if self.0.lost.get() {
            return Err(ErrorKind::NotConnected.into());
        }
        let message = order.message();
        if descriptors.is_empty() {
            return descriptor::send_now(self.as_fd(), message.bytes()).map(drop);
        }
        packet::send_with(self.as_fd(), message.bytes(), descriptors)
    }

    /// What it tells next; `None` for nothing yet. An error says that it has ended, or does not speak as it should.
    pub(super) fn event(&self) -> io::Result<Option<Event>> {
        let mut bytes = [0; EVENT];
        match packet::receive(self.as_fd(), &mut bytes) {
            Ok(Some(received)) => bytes.get(..received.length).and_then(Event::read).map(Some).ok_or(ErrorKind::InvalidData.into()),
            Ok(None) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Relayer {
    /// Readable when it has something to tell, or has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.process.as_fd()
    }
}

/// Readable when the terminal of this process's group has another size. Its signal is blocked in the relay, as all are.
fn window_changes() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGWINCH);
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

#[cfg(test)]
mod tests {
    use super::message::{Begin, Report};
    use super::*;
    use std::fs::{self, File};
    use std::io::{Read, Write};
    use std::os::fd::OwnedFd;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::unistd::pipe;

    /// What the relay tells next.
    fn told(relayer: &Relayer) -> io::Result<Event> {
        loop {
            descriptor::wait([Some((relayer.as_fd(), PollFlags::POLLIN))], PollTimeout::from(20_000_u16))?;
            if let Some(event) = relayer.event()? {
                return Ok(event);
            }
        }
    }

    /// A relay between two new pipes and what can be read at their ends.
    fn relay(identity: Option<&Identity>) -> (Relayer, [File; 2]) {
        let ([output, first], [error, second]) = (new_pipe(), new_pipe());
        let relayer = Relayer::between(identity, [first.as_fd(), second.as_fd()], None).unwrap().unwrap();
        relayer.await_start().unwrap();
        (relayer, [output.into(), error.into()])
    }

    fn begin(allowance: Option<u64>) -> Order<'static> {
        Order::Begin(Begin { allowance, ..Begin::default() })
    }

    fn passed(passed: [u64; 2]) -> Report {
        Report { passed, ..Report::default() }
    }

    fn new_pipe() -> [OwnedFd; 2] {
        let (reader, writer) = pipe().unwrap();
        [reader, writer]
    }

    /// Opens a line; what its commands write to.
    fn open(relayer: &Relayer) -> [File; 2] {
        let ([output, first], [error, second]) = (new_pipe(), new_pipe());
        for source in [&output, &error] {
            fcntl(source, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        }
        relayer.order(Order::Open([true; 2]), &[output.as_fd(), error.as_fd()]).unwrap();
        [first.into(), second.into()]
    }

    #[test]
    fn line_after_line_passes_and_is_counted() {
        let (relayer, [mut output, mut error]) = relay(None);
        for _ in 0..3 {
            let [mut first, mut second] = open(&relayer);
            for _ in 0..2 {
                relayer.order(begin(None), &[]).unwrap();
                first.write_all(b"output").unwrap();
                second.write_all(b"errors!").unwrap();
                relayer.order(Order::Drain, &[]).unwrap();
                assert!(matches!(told(&relayer).unwrap(), Event::Drained(_)));
            }
            relayer.order(Order::Close, &[]).unwrap();
            assert_eq!(told(&relayer).unwrap(), Event::Closed(passed([12, 14])));
            assert!(first.write_all(b"x").is_err(), "the line is over");
            let mut bytes = ([0; 12], [0; 14]);
            output.read_exact(&mut bytes.0).unwrap();
            error.read_exact(&mut bytes.1).unwrap();
            assert_eq!(bytes, (*b"outputoutput", *b"errors!errors!"));
        }
    }

    #[test]
    fn the_allowance_is_of_both_streams_and_of_each_pipeline() {
        let (relayer, _readers) = relay(None);
        let [mut first, mut second] = open(&relayer);
        let mut pipeline = |bytes: &[u8]| {
            relayer.order(begin(Some(10)), &[]).unwrap();
            first.write_all(bytes).unwrap();
            second.write_all(b"12345").unwrap();
            relayer.order(Order::Drain, &[]).unwrap();
            told(&relayer).unwrap()
        };
        assert_eq!(pipeline(b"12345"), Event::Drained(passed([5, 5])));
        assert_eq!(pipeline(b"12345"), Event::Drained(passed([10, 10])));
        assert_eq!(pipeline(b"123456"), Event::Exceeded);
    }

    #[test]
    fn a_reader_that_goes_is_told_of_once_and_a_full_disk_with_its_reason() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let [reader, writer] = new_pipe();
        let relayer = Relayer::between(None, [full.as_fd(), writer.as_fd()], None).unwrap().unwrap();
        relayer.await_start().unwrap();
        drop(writer);
        let [mut first, mut second] = open(&relayer);
        relayer.order(begin(None), &[]).unwrap();
        first.write_all(b"x").unwrap();
        assert_eq!(told(&relayer).unwrap(), Event::Full(0, nix::errno::Errno::ENOSPC as i32));
        drop(reader);
        assert_eq!(told(&relayer).unwrap(), Event::Gone(1));
        assert_eq!(second.write_all(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        relayer.order(Order::Close, &[]).unwrap();
        assert_eq!(told(&relayer).unwrap(), Event::Closed(Report::default()));
    }

    #[test]
    fn what_it_does_not_understand_ends_it() {
        for nonsense in [&[9; message::ORDER][..], &[9], Order::Open([true, true]).message().bytes(), &[0; message::ORDER + 1]] {
            let (relayer, _readers) = relay(None);
            packet::send_with(relayer.as_fd(), nonsense, &[]).unwrap();
            assert_eq!(told(&relayer).unwrap_err().kind(), ErrorKind::UnexpectedEof, "{nonsense:?}");
        }
    }

    #[test]
    fn it_becomes_the_user_that_is_asked_for() {
        if !nix::unistd::geteuid().is_root() {
            return crate::words::skip("only root can take the ids of another user");
        }
        let (relayer, [mut output, _]) = relay(Some(&Identity { uid: 12345, gid: 23456, groups: vec![34567] }));
        let status = fs::read_to_string(format!("/proc/{}/status", relayer.0.process.pid())).unwrap();
        for line in ["Uid:\t12345\t12345\t12345\t12345", "Gid:\t23456\t23456\t23456\t23456", "Groups:\t34567 ", "CapBnd:\t0000000000000000"]
        {
            assert!(status.lines().any(|is| is == line), "{line} in {status}");
        }
        let [mut first, _second] = open(&relayer);
        first.write_all(b"it works").unwrap();
        let mut bytes = [0; 8];
        output.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"it works");
    }
}
