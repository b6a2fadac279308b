//! The shell's own standard descriptors, as a line's commands get them, and whether anybody is still there.
//!
//! /dev/null is handed on as it is; in place of the person's terminal a pipeline gets one of its own, and of everything else a pipe, both of
//! which the relay serves (see [`super::relay`]). Where output and error are one file, one pipe serves both, so that their order is kept.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFlags, PollTimeout};
use nix::unistd::pipe2;

use super::relay::Relayer;
use super::relay::layout::{self, Passing};
use super::relay::message::{Begin, Event, Order, Report};
use crate::sys::descriptor::{self, StatusFlags};
use crate::sys::half;
use crate::sys::pty::{Held, Pty};
use crate::words::limits;

/// What a line's commands read and write by default.
pub(super) struct Streams {
    standard: [Rc<OwnedFd>; 3],
    /// Which of them are the person's terminal.
    terminal: [bool; 3],
    relayed: Option<Relayed>,
    counted: [bool; 2],
    flags: [StatusFlags; 3],
}

/// The part of the streams that the relay has.
struct Relayed {
    relayer: Relayer,
    /// The reading ends of our pipes, until the line begins.
    sources: [Option<OwnedFd>; 2],
    /// Of each stream that has a reader who may go, and of the terminal: whether he has.
    gone: [Option<bool>; 3],
    /// What became of the line, as far as was told.
    report: Report,
    /// Why nothing is recorded any more.
    unrecorded: Option<String>,
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

/// What serving the streams showed.
#[derive(Default)]
pub(super) struct Served {
    /// There was more than the allowance.
    pub exceeded: bool,
    /// Nothing is recorded any more.
    pub unrecorded: bool,
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
        let copy = |fd: BorrowedFd<'_>| descriptor::copy_above_standard(fd).map(Rc::new);
        let mut streams = Streams {
            standard: [copy(input.as_fd())?, copy(output.as_fd())?, copy(error.as_fd())?],
            terminal: [layout::is_terminal(input.as_fd()), passing[0] == Passing::Terminal, passing[1] == Passing::Terminal],
            relayed: None,
            counted: passing.map(Passing::is_counted),
            flags: [StatusFlags::of(&input)?, StatusFlags::of(&output)?, StatusFlags::of(&error)?],
        };
        let has_terminal = streams.terminal.contains(&true);
        if has_terminal || passing.iter().any(|passing| passing.target().is_some()) {
            let relayer = relayer.filter(|relayer| !has_terminal || relayer.terminal().is_some());
            streams.relay(relayer.ok_or_else(|| io::Error::other("nothing passes them on"))?, passing)?;
        }
        Ok(streams)
    }

    /// Puts pipes in place of what is relayed.
    fn relay(&mut self, relayer: &Relayer, passing: [Passing; 2]) -> io::Result<()> {
        relayer.await_start().map_err(io::Error::other)?;
        let [output, error] = passing.map(|passing| passing.target().filter(|target| target.is_client).map(|_| false));
        let gone = [output, error, self.terminal.contains(&true).then_some(false)];
        let [mut output, mut error] = [None, None];
        if passing[0].target().is_some() {
            (output, self.standard[1]) = pipe().map(|(source, writer)| (Some(source), Rc::new(writer)))?;
        }
        match passing[1] {
            Passing::WithOutput => self.standard[2] = Rc::clone(&self.standard[1]),
            Passing::Relayed(_) => (error, self.standard[2]) = pipe().map(|(source, writer)| (Some(source), Rc::new(writer)))?,
            Passing::Terminal | Passing::Null => {}
        }
        let (relayer, sources) = (relayer.clone(), [output, error]);
        self.relayed = Some(Relayed { relayer, sources, gone, report: Report::default(), unrecorded: None, stage: Stage::Passing });
        Ok(())
    }

    /// A terminal for a pipeline, where the person has one.
    pub fn open_pty(&self) -> io::Result<Option<Pty>> {
        let held = self.relayed.as_ref().filter(|_| self.terminal.contains(&true)).and_then(|relayed| relayed.relayer.terminal());
        held.map(Held::open_pty).transpose()
    }

    /// Standard input, output and error of a pipeline that has this terminal.
    pub fn standard(&self, terminal: Option<&Rc<OwnedFd>>) -> [Rc<OwnedFd>; 3] {
        let mut standard = self.standard.each_ref().map(Rc::clone);
        for (fd, _) in standard.iter_mut().zip(self.terminal).filter(|(_, is_terminal)| *is_terminal) {
            *fd = terminal.map_or_else(|| Rc::clone(fd), Rc::clone);
        }
        standard
    }

    /// The line begins, as this chapter of the recording.
    pub fn open(&mut self, chapter: Option<&str>) -> Served {
        self.relayed.as_mut().map(|relayed| relayed.open(chapter)).unwrap_or_default()
    }

    /// A pipeline begins, with the master of its terminal.
    pub fn begin(&mut self, begin: Begin, master: Option<&OwnedFd>) -> Served {
        let masters: Vec<BorrowedFd<'_>> = master.into_iter().map(AsFd::as_fd).collect();
        self.relayed.as_mut().map(|relayed| relayed.ask_with(Order::Begin(begin), Stage::Passing, &masters)).unwrap_or_default()
    }

    /// All of the pipeline have ended: what they wrote is to arrive, as long as somebody takes it ([`Streams::is_busy`]).
    pub fn drain(&mut self) -> Served {
        self.relayed.as_mut().map(|relayed| relayed.ask(Order::Drain, Stage::Draining)).unwrap_or_default()
    }

    /// The line is over. Waits for the relay, which waits for nobody.
    pub fn close(&mut self) -> Served {
        self.relayed.as_mut().map(Relayed::close).unwrap_or_default()
    }

    /// What to wait for.
    pub fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let relay = self.relayed.as_ref().filter(|relayed| relayed.is_there());
        relay.map(|relayed| (relayed.relayer.as_fd(), PollFlags::POLLIN))
    }

    /// Takes note of what the relay tells.
    pub fn serve(&mut self) -> Served {
        self.relayed.as_mut().map(Relayed::serve).unwrap_or_default()
    }

    /// Whether somebody was there, and nobody is any more; or nobody can be reached; or the part of the shell that the person has is gone.
    pub fn is_abandoned(&self) -> bool {
        let mut gone = self.relayed.iter().flat_map(|relayed| relayed.gone).flatten().peekable();
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
        let [output, error] = self.report().passed;
        [self.counted[0].then_some(output), self.counted[1].then_some(error)]
    }

    /// Bytes of output so far, wherever they went.
    pub fn total(&self) -> u64 {
        let Report { passed: [output, error], shown, .. } = self.report();
        output.saturating_add(error).saturating_add(shown)
    }

    /// What became of the line, beside that.
    pub fn report(&self) -> Report {
        self.relayed.as_ref().map(|relayed| relayed.report).unwrap_or_default()
    }

    /// Why nothing is recorded any more, where that has changed since the line began.
    pub fn take_unrecorded(&mut self) -> Option<String> {
        self.relayed.as_mut()?.unrecorded.take()
    }
}

impl Relayed {
    fn is_there(&self) -> bool {
        matches!(self.stage, Stage::Passing | Stage::Draining)
    }

    fn open(&mut self, chapter: Option<&str>) -> Served {
        if let Some(chapter) = chapter
            && self.relayer.order(Order::Mark(chapter.as_bytes()), &[]).is_err()
        {
            return self.lose(ENDED);
        }
        let sources = std::mem::take(&mut self.sources);
        let opened = sources.each_ref().map(Option::is_some);
        let sources: Vec<BorrowedFd<'_>> = sources.iter().flatten().map(AsFd::as_fd).collect();
        self.relayer.order(Order::Open(opened), &sources).map_or_else(|_| self.lose(ENDED), |()| Served::default())
    }

    /// Asks for something, which leads to a stage.
    fn ask(&mut self, order: Order<'_>, stage: Stage) -> Served {
        self.ask_with(order, stage, &[])
    }

    fn ask_with(&mut self, order: Order<'_>, stage: Stage, descriptors: &[BorrowedFd<'_>]) -> Served {
        if !self.is_there() {
            return Served::default();
        }
        self.stage = stage;
        self.relayer.order(order, descriptors).map_or_else(|_| self.lose(ENDED), |()| Served::default())
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
            Event::Unrecorded(errno) => {
                let reason = io::Error::from_raw_os_error(errno);
                self.unrecorded = Some(reason.to_string());
                served.unrecorded = true;
                served.notices.push(format!("this session is not recorded any more: {reason}"));
            }
            Event::Full(stream, errno) => {
                let name = if stream == 0 { "output" } else { "error" };
                served.notices.push(format!("standard {name} takes no more: {}", io::Error::from_raw_os_error(errno)));
            }
            Event::Drained(report) => (self.report, self.stage) = (self.report.then(report), Stage::Passing),
            Event::Closed(report) => (self.report, self.stage) = (self.report.then(report), Stage::Closed),
        }
    }

    fn lose(&mut self, notice: &str) -> Served {
        self.stage = Stage::Lost;
        self.relayer.lose();
        Served { notices: vec![notice.to_owned()], ..Served::default() }
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
