//! Answers what a filter asks while its command runs: refuses other programs and names them, makes the connections that a rule allows on
//! the command's behalf, counts processes, keeps signals inside.
//!
//! What decides an answer must not change between the decision and the call. So a call goes on (`Answer::Continue`) only where all that was
//! judged is in its registers, or where something else holds what could change; a connection or a datagram, whose address is memory and
//! whose socket is a number that another thread can give to another socket, is made here instead: on a copy of the socket, with a
//! copy of the address.
//!
//! Nothing waits. Looking up a path, connecting and sending may take for ever, so a deputy does it (`sys::deputy`), a process with the
//! rights of the command's user and no capabilities, and the command's call waits for it as it would have waited for the kernel. The price
//! is less than half a millisecond for each such call, and that a server that asks for the peer's process sees the deputy's number, which is
//! soon nobody's; user and groups are the command's.
//!
//! Refused for simplicity: control messages (descriptors over a local socket too) wherever the shell sends for the command; `kill` of a
//! group whose leader has ended. `sends` and `processes` have more.

mod connections;
mod files;
mod processes;
pub mod programs;
mod sends;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::PollFlags;
use nix::sys::stat::Mode;

pub use files::{FileLog, FileScope};

use crate::sys::caller::{self, Memory, Message, Request};
use crate::sys::deputy::{Deputy, Outcome};
use crate::sys::identity::Identity;
use crate::sys::notify::{Answer, Listener, Notification};
use crate::sys::rights;
use crate::sys::socket::{self, IdleRequest};
use crate::words::limits;

/// What a supervisor decides by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oversight {
    /// Programs that may be started besides the command's own; `None`: none.
    pub exec: Option<Vec<PathBuf>>,
    /// Sockets that can be connected to: these paths, and what is below them.
    pub sockets: Vec<String>,
    /// As policies write it: `tcp:443`, `udp:53`, `443` for both; any port where there are none.
    pub network: Vec<String>,
    /// Processes at a time.
    pub processes: Option<u64>,
    /// Whose rights a connection is made with, and the files of the log looked at; `None`: of this process, without its capabilities.
    pub identity: Option<Identity>,
    /// Of which files there is a log; `None`: of none.
    pub files: Option<FileScope>,
}

/// Watches over one command. Dropped before the command's orphans are swept: what its deputies leave is reaped with them.
pub struct Supervisor {
    listener: Listener,
    oversight: Oversight,
    waiting: Vec<Waiting>,
    stopped: Vec<String>,
    log: Option<FileLog>,
    /// Processes that may still start before they are counted again.
    allowance: u64,
    /// The port of the idle sockets; 0 until there is one.
    port: u16,
    over: bool,
}

/// What serving the listener showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// The limit on processes was reached: the command is to end.
    pub too_many_processes: bool,
    /// Nobody is left who could ask. Before kernel 6.11 those who have ended and were not reaped could.
    pub over: bool,
}

/// A call that waits for a deputy.
struct Waiting {
    id: u64,
    deputy: Deputy,
    purpose: Purpose,
}

/// What a deputy's outcome means to the call.
enum Purpose {
    /// What the call returns.
    Result,
    /// The same for sendmmsg(2), which writes to each of these how much of it was sent.
    Messages { memory: Memory, address: u64 },
    /// Nothing, if the program may be started; its name where it was stopped.
    Program,
}

/// What becomes of a call, or not yet.
enum Verdict {
    Answer(Answer),
    HandOver(OwnedFd, bool),
    Wait(Deputy, Purpose),
}

impl From<Answer> for Verdict {
    fn from(answer: Answer) -> Verdict {
        Verdict::Answer(answer)
    }
}

/// The error is what the call returns.
type Decision = Result<Verdict, Errno>;

impl Supervisor {
    pub fn new(listener: Listener, mut oversight: Oversight) -> Supervisor {
        let log = oversight.files.take().map(|scope| FileLog::new(scope, oversight.identity.clone()));
        Supervisor { listener, oversight, waiting: Vec::new(), stopped: Vec::new(), log, allowance: 0, port: 0, over: false }
    }

    /// What to wait for.
    pub fn interests(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let listener = (!self.over).then(|| self.listener.as_fd());
        let deputies = self.waiting.iter().map(|waiting| waiting.deputy.as_fd());
        listener.into_iter().chain(deputies).map(|fd| (fd, PollFlags::POLLIN)).collect()
    }

    /// Answers what waits; called when one of [`Supervisor::interests`] is ready. Bounded in time. With root's rights, where this process has
    /// them to take: who asks may be anybody, and only root may look at the memory, the sockets and the program of any process.
    pub fn serve(&mut self) -> Served {
        rights::as_root(|| self.take_calls()).unwrap_or_default()
    }

    fn take_calls(&mut self) -> Served {
        let mut served = Served::default();
        self.settle();
        for _ in 0..limits::ANSWERS {
            match self.listener.receive() {
                Ok(Some(call)) => self.consider(&call, &mut served),
                Ok(None) => break,
                Err(_) => {
                    // No listener any more that could be served: what still asks waits for its end.
                    self.over = true;
                    break;
                }
            }
        }
        self.over |= self.listener.is_over();
        served.over = self.over;
        served
    }

    /// Programs that the command was stopped from starting: full paths where known, each once, the first few.
    pub fn stopped(&self) -> &[String] {
        &self.stopped
    }

    /// The log of the files, if there is one; from here on none is kept.
    pub fn take_log(&mut self) -> Option<FileLog> {
        self.log.take()
    }

    /// Passes on what deputies have found, and lets go of those whose callers have gone.
    fn settle(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            if !self.listener.is_current(waiting.id) {
                continue;
            }
            match waiting.deputy.outcome() {
                None => self.waiting.push(waiting),
                Some(outcome) => self.conclude(&waiting, outcome),
            }
        }
    }

    fn conclude(&mut self, waiting: &Waiting, outcome: Outcome) {
        let answer = match (outcome.errno(), &waiting.purpose) {
            (None, Purpose::Program) => Answer::Continue,
            (Some(errno), Purpose::Program) => {
                self.remember(&outcome.text);
                Answer::Error(errno)
            }
            (Some(errno), _) => Answer::Error(errno),
            (None, Purpose::Result) => Answer::Value(outcome.value),
            (None, Purpose::Messages { memory, address }) => {
                let places = (0..).map(|index: u64| address.wrapping_add(index * Message::STRIDE + Message::SENT));
                // Memory that cannot be written is the caller's own fault; the messages have gone.
                let written = places.zip(outcome.text.chunks_exact(4)).try_for_each(|(place, sent)| memory.write(place, sent));
                written.map_or_else(Answer::Error, |()| Answer::Value(outcome.value))
            }
        };
        self.answer(waiting.id, answer);
    }

    fn remember(&mut self, name: &[u8]) {
        let name = String::from_utf8_lossy(name).into_owned();
        if !name.is_empty() && self.stopped.len() < limits::STOPPED_PROGRAMS && !self.stopped.contains(&name) {
            self.stopped.push(name);
        }
    }

    fn consider(&mut self, call: &Notification, served: &mut Served) {
        match self.decide(call, served) {
            Ok(Verdict::Answer(answer)) => self.answer(call.id, answer),
            Ok(Verdict::HandOver(descriptor, close_on_exec)) => {
                // A caller that could not be answered has gone, or waits for its end.
                let _ = self.listener.hand_over(call.id, descriptor.as_fd(), close_on_exec);
            }
            Ok(Verdict::Wait(deputy, purpose)) => self.waiting.push(Waiting { id: call.id, deputy, purpose }),
            Err(errno) => self.answer(call.id, Answer::Error(errno)),
        }
    }

    fn answer(&self, id: u64, answer: Answer) {
        // As above.
        let _ = self.listener.answer(id, answer);
    }

    fn decide(&mut self, call: &Notification, served: &mut Served) -> Decision {
        match call.request() {
            Request::Execute { directory, path, itself, follow } => self.execute(call, directory, path, itself, follow),
            Request::Open { at, flags } if self.log.is_none() => self.open_null(call, at.path, flags),
            Request::Open { at, flags } => self.note_open(call, at, flags),
            Request::OpenHow { at, how } => self.note_open_how(call, at, how),
            Request::Truncate { at } => self.note_open(call, at, OFlag::O_WRONLY.bits()),
            Request::Rename { from, to, exchange } => self.note_rename(call, from, to, exchange),
            Request::Link { to } => self.note_link(call, to),
            Request::Remove { at } => self.note_removal(call, at),
            Request::Connect { socket, address } => self.connect(call, socket, address),
            Request::Send { socket, data, flags, address } => self.send(call, socket, data, flags, address),
            Request::SendMessage { socket, message, flags } => self.send_message(call, socket, message, flags),
            Request::SendMessages { socket, messages, count, flags } => self.send_messages(call, socket, messages, count, flags),
            Request::Socket { family, kind, protocol } => self.idle_socket(IdleRequest::of(family, kind, protocol).ok_or(Errno::EACCES)?),
            Request::Kill { target, signal } => self.kill(call, target, signal),
            Request::Signal { target } => processes::signal(target),
            Request::Fork => {
                let decision = self.fork();
                served.too_many_processes |= decision.is_err();
                decision
            }
            Request::Other => Err(Errno::EPERM),
        }
    }

    /// Of all files that would be opened for writing, the one that programs cannot do without (lsof ends if it does not get it): the shell's own is
    /// handed out, so nothing that could change matters.
    fn open_null(&self, call: &Notification, path: u64, flags: i32) -> Decision {
        if self.memory(call)?.text(path, limits::PATH_BYTES)? != b"/dev/null" {
            return Err(Errno::EACCES);
        }
        let flags = OFlag::from_bits_truncate(flags);
        let null = open("/dev/null", (flags & OFlag::O_ACCMODE) | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Verdict::HandOver(null, flags.contains(OFlag::O_CLOEXEC)))
    }

    fn idle_socket(&mut self, request: IdleRequest) -> Decision {
        let (socket, port) = socket::idle(request, self.port)?;
        self.port = port;
        Ok(Verdict::HandOver(socket, request.close_on_exec))
    }

    /// Has something done for a call: `look` has the listener and the `held` descriptors, to see whether the call is still the same's.
    fn depute<Found>(
        &self,
        held: &[BorrowedFd<'_>],
        look: impl FnOnce(&Listener, Vec<OwnedFd>) -> nix::Result<Found>,
        act: impl FnOnce(Found) -> Outcome,
    ) -> Result<Deputy, Errno> {
        if self.waiting.len() >= limits::DEPUTIES {
            return Err(Errno::EAGAIN);
        }
        let all: Vec<BorrowedFd<'_>> = std::iter::once(self.listener.as_fd()).chain(held.iter().copied()).collect();
        let look = |descriptors: Vec<OwnedFd>| {
            let mut descriptors = descriptors.into_iter();
            let listener = descriptors.next().map(Listener::from).ok_or(Errno::EBADF)?;
            look(&listener, descriptors.collect())
        };
        Deputy::send(self.oversight.identity.as_ref(), &all, look, act)
    }

    fn memory(&self, call: &Notification) -> Result<Memory, Errno> {
        Memory::of(&self.listener, call, false)
    }

    fn descriptor(&self, call: &Notification, fd: i32) -> Result<OwnedFd, Errno> {
        caller::descriptor(&self.listener, call, fd)
    }
}
