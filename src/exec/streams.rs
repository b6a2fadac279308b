//! The shell's own standard descriptors, as a line's commands get them, and whether anybody is still there.
//!
//! A terminal and /dev/null are handed on as they are; of everything else commands get a pipe of ours, which the relay empties (see
//! [`super::relay`]). Where output and error are one file, one pipe serves both, so that their order is kept.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFlags, PollTimeout};
use nix::unistd::pipe2;

use super::relay::Relayer;
use super::relay::layout::{self, Passing};
use super::relay::message::{Event, Order};
use crate::sys::descriptor::{self, StatusFlags};
use crate::sys::half;
use crate::words::limits;

/// What a line's commands read and write by default.
pub(super) struct Streams {
    pub input: Rc<OwnedFd>,
    pub output: Rc<OwnedFd>,
    pub error: Rc<OwnedFd>,
    relayed: Option<Relayed>,
    terminals: Vec<Terminal>,
    counted: [bool; 2],
    flags: [StatusFlags; 3],
}

/// A terminal that a stream is, with somebody at its other end.
struct Terminal {
    fd: OwnedFd,
    gone: bool,
}

/// The part of the streams that the relay has.
struct Relayed {
    relayer: Relayer,
    /// The reading ends of our pipes, until the line begins.
    sources: [Option<OwnedFd>; 2],
    /// Of each stream that has a reader who may go: whether he has.
    gone: [Option<bool>; 2],
    /// Bytes that reached their targets, as far as was told.
    passed: [u64; 2],
    stage: Stage,
}

/// Where the relay is with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Passing,
    /// Asked for what is still on its way.
    Draining,
    Closed,
    /// It ended, or is not to be understood.
    Lost,
}

/// What a descriptor of [`Streams::interests`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Relay,
    Terminal(usize),
}

/// What serving the streams showed.
#[derive(Default)]
pub(super) struct Served {
    /// There was more than the allowance.
    pub exceeded: bool,
    /// What the person should be told.
    pub notices: Vec<String>,
}

impl Streams {
    /// Takes copies of descriptors 0, 1 and 2, and makes the pipes.
    ///
    /// # Errors
    /// Without a relayer that works, where one is needed.
    pub fn of_shell(relayer: Option<&Relayer>) -> io::Result<Streams> {
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        let passing = layout::of(output.as_fd(), error.as_fd())?;
        let mut streams = Streams {
            input: Rc::new(descriptor::copy_above_standard(&input)?),
            output: Rc::new(descriptor::copy_above_standard(&output)?),
            error: Rc::new(descriptor::copy_above_standard(&error)?),
            relayed: None,
            terminals: Vec::new(),
            counted: passing.map(Passing::is_counted),
            flags: [StatusFlags::of(&input)?, StatusFlags::of(&output)?, StatusFlags::of(&error)?],
        };
        for (passing, fd) in passing.into_iter().zip([output.as_fd(), error.as_fd()]) {
            if passing == Passing::Terminal {
                streams.terminals.push(Terminal { fd: descriptor::copy_above_standard(fd)?, gone: false });
            }
        }
        if passing.iter().any(|passing| passing.target().is_some()) {
            let relayer = relayer.ok_or_else(|| io::Error::other("nothing passes them on"))?;
            streams.relay(relayer, passing)?;
        }
        Ok(streams)
    }

    /// Puts pipes in place of what is relayed.
    fn relay(&mut self, relayer: &Relayer, passing: [Passing; 2]) -> io::Result<()> {
        relayer.await_start().map_err(io::Error::other)?;
        let gone = passing.map(|passing| passing.target().filter(|target| target.is_client).map(|_| false));
        let [mut output, mut error] = [None, None];
        if passing[0].target().is_some() {
            (output, self.output) = pipe().map(|(source, writer)| (Some(source), Rc::new(writer)))?;
        }
        match passing[1] {
            Passing::WithOutput => self.error = Rc::clone(&self.output),
            Passing::Relayed(_) => (error, self.error) = pipe().map(|(source, writer)| (Some(source), Rc::new(writer)))?,
            Passing::Terminal | Passing::Null => {}
        }
        let (relayer, sources) = (relayer.clone(), [output, error]);
        self.relayed = Some(Relayed { relayer, sources, gone, passed: [0; 2], stage: Stage::Passing });
        Ok(())
    }

    /// The line begins.
    pub fn open(&mut self) -> Served {
        self.relayed.as_mut().map(Relayed::open).unwrap_or_default()
    }

    /// A pipeline begins, which may write so many bytes.
    pub fn begin(&mut self, allowance: Option<u64>) -> Served {
        self.relayed.as_mut().map(|relayed| relayed.ask(Order::Begin(allowance), Stage::Passing)).unwrap_or_default()
    }

    /// All of the pipeline have ended: what they wrote is to arrive, as long as somebody takes it ([`Streams::is_busy`]).
    pub fn drain(&mut self) -> Served {
        self.relayed.as_mut().map(|relayed| relayed.ask(Order::Drain, Stage::Draining)).unwrap_or_default()
    }

    /// The line is over. Waits for the relay, which waits for nobody.
    pub fn close(&mut self) -> Served {
        self.relayed.as_mut().map(Relayed::close).unwrap_or_default()
    }

    /// What to wait for. Whoever is gone is not waited for again: the descriptor would always be ready.
    pub fn interests(&self) -> Vec<(BorrowedFd<'_>, PollFlags, Purpose)> {
        let relay = self.relayed.iter().filter(|relayed| relayed.is_there());
        let terminals = self.terminals.iter().enumerate().filter(|(_, terminal)| !terminal.gone);
        relay
            .map(|relayed| (relayed.relayer.as_fd(), PollFlags::POLLIN, Purpose::Relay))
            .chain(terminals.map(|(index, terminal)| (terminal.fd.as_fd(), PollFlags::empty(), Purpose::Terminal(index))))
            .collect()
    }

    /// Takes note of what the relay tells.
    pub fn serve(&mut self) -> Served {
        self.relayed.as_mut().map(Relayed::serve).unwrap_or_default()
    }

    /// Notes what a terminal showed.
    pub fn note(&mut self, terminal: usize, shown: PollFlags) {
        if let Some(terminal) = self.terminals.get_mut(terminal) {
            terminal.gone |= shown.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL);
        }
    }

    /// Whether somebody was there, and nobody is any more; or nobody can be reached; or the part of the shell that the person has is gone.
    pub fn is_abandoned(&self) -> bool {
        let relayed = self.relayed.iter().flat_map(|relayed| relayed.gone).flatten();
        let mut gone = self.terminals.iter().map(|terminal| terminal.gone).chain(relayed).peekable();
        let lost = self.relayed.as_ref().is_some_and(|relayed| relayed.stage == Stage::Lost);
        half::is_gone() || lost || gone.peek().is_some() && gone.all(|gone| gone)
    }

    /// Whether output is on its way, behind [`Streams::drain`].
    pub fn is_busy(&self) -> bool {
        self.relayed.as_ref().is_some_and(|relayed| relayed.stage == Stage::Draining)
    }

    /// Gives the shell's own descriptors the status flags that they had at first: to wait where it reads and writes is one.
    pub fn put_back(&self) {
        self.flags.iter().for_each(StatusFlags::put_back);
    }

    /// Bytes that passed to output and error; `None` where they are not counted. Where the two are one, all of it is output.
    pub fn passed(&self) -> [Option<u64>; 2] {
        let [output, error] = self.relayed.as_ref().map_or([0; 2], |relayed| relayed.passed);
        [self.counted[0].then_some(output), self.counted[1].then_some(error)]
    }
}

impl Relayed {
    fn is_there(&self) -> bool {
        matches!(self.stage, Stage::Passing | Stage::Draining)
    }

    fn open(&mut self) -> Served {
        let sources = std::mem::take(&mut self.sources);
        let opened = sources.each_ref().map(Option::is_some);
        let sources: Vec<BorrowedFd<'_>> = sources.iter().flatten().map(AsFd::as_fd).collect();
        self.relayer.order(Order::Open(opened), &sources).map_or_else(|_| self.lose(ENDED), |()| Served::default())
    }

    /// Asks for something, which leads to a stage.
    fn ask(&mut self, order: Order, stage: Stage) -> Served {
        if !self.is_there() {
            return Served::default();
        }
        self.stage = stage;
        self.relayer.order(order, &[]).map_or_else(|_| self.lose(ENDED), |()| Served::default())
    }

    fn close(&mut self) -> Served {
        let end = Instant::now() + limits::RELAY_DEADLINE;
        let mut all = self.ask(Order::Close, Stage::Draining);
        while self.is_there() {
            let left = PollTimeout::try_from(end.saturating_duration_since(Instant::now())).unwrap_or(PollTimeout::MAX);
            let ready = descriptor::wait([Some((self.relayer.as_fd(), PollFlags::POLLIN))], left);
            let served = if ready.is_ok_and(|[shown]| shown.is_empty()) { self.lose(SILENT) } else { self.serve() };
            all.notices.extend(served.notices);
        }
        all
    }

    fn serve(&mut self) -> Served {
        let mut served = Served::default();
        while self.is_there() {
            match self.relayer.event() {
                Ok(Some(event)) => self.take(event, &mut served),
                Ok(None) => break,
                Err(_) => served.notices.extend(self.lose(ENDED).notices),
            }
        }
        served
    }

    fn take(&mut self, event: Event, served: &mut Served) {
        match event {
            Event::Exceeded => served.exceeded = true,
            Event::Gone(stream) => self.gone.iter_mut().skip(stream).take(1).flatten().for_each(|gone| *gone = true),
            Event::Full(stream, errno) => {
                let name = if stream == 0 { "output" } else { "error" };
                served.notices.push(format!("standard {name} takes no more: {}", io::Error::from_raw_os_error(errno)));
            }
            Event::Drained(passed) => (self.passed, self.stage) = (passed, Stage::Passing),
            Event::Closed(passed) => (self.passed, self.stage) = (passed, Stage::Closed),
        }
    }

    fn lose(&mut self, notice: &str) -> Served {
        self.stage = Stage::Lost;
        self.relayer.lose();
        Served { exceeded: false, notices: vec![notice.to_owned()] }
    }
}

const ENDED: &str = "the process that passes output on has ended";
const SILENT: &str = "the process that passes output on does not answer";

/// A pipe whose reading end does not wait, and the end that commands write to.
fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    let (source, writer) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&source, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((source, descriptor::copy_above_standard(writer)?))
}
