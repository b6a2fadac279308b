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
//! | [`stream`] | one stream: bytes, counts, bounds |
//! | [`worker`] | what the relay does all its life |

pub(super) mod layout;
pub(super) mod message;
mod stream;
mod worker;

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use crate::sys::identity::Identity;
use crate::sys::sealed::{self, Process, Role, StartError};
use crate::sys::{descriptor, packet};
use crate::words::limits;
use layout::Passing;
use message::{EVENT, Event, Order};
use stream::Held;
use worker::Worker;

/// The guard's end of the relay. It ends with the last of these.
#[derive(Clone, Debug)]
pub struct Relayer(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    process: Process,
    /// Whether it was waited for until it was sealed.
    begun: Cell<bool>,
    /// Whether it was given up: whatever it still says is of another line.
    lost: Cell<bool>,
}

impl Relayer {
    /// Forks the relay of this process's standard output and error, which becomes the user `identity` (`None`: keeps its ids); none where both
    /// are handed on as they are.
    ///
    /// To be called before this process enters a Landlock scope (`confine::Confiner::set_apart`), so that what ends all of a command does not
    /// end the relay, and before it has other threads.
    pub fn start(identity: Option<&Identity>) -> io::Result<Option<Relayer>> {
        let (output, error) = (io::stdout(), io::stderr());
        Relayer::between(identity, [output.as_fd(), error.as_fd()])
    }

    fn between(identity: Option<&Identity>, [output, error]: [BorrowedFd<'_>; 2]) -> io::Result<Option<Relayer>> {
        let targets = layout::of(output, error)?.map(Passing::target);
        if targets == [None, None] {
            return Ok(None);
        }
        let mut held = targets.map(Held::of);
        let given = [targets[0].map(|_| output), targets[1].map(|_| error)];
        let process = sealed::start(Role::Relay, identity, given, |guard, given| Worker::new(guard, given, targets, &mut held).run());
        let process = process.map_err(io::Error::other)?;
        Ok(Some(Relayer(Rc::new(Inner { process, begun: Cell::new(false), lost: Cell::new(false) }))))
    }

    /// Waits until it is sealed, the first time.
    pub(super) fn await_start(&self) -> Result<(), StartError> {
        if !self.0.begun.get() {
            self.0.process.await_start(limits::START_DEADLINE)?;
            self.0.begun.set(true);
        }
        Ok(())
    }

    /// Gives it up, for this line and all that follow.
    pub(super) fn lose(&self) {
        self.0.lost.set(true);
    }

    /// Asks for something; never waits. An error says that it has ended, or was given up.
    pub(super) fn order(&self, order: Order, sources: &[BorrowedFd<'_>]) -> io::Result<()> {
        if self.0.lost.get() {
            return Err(ErrorKind::NotConnected.into());
        }
        if sources.is_empty() {
            return descriptor::send_now(self.as_fd(), &order.bytes()).map(drop);
        }
        packet::send_with(self.as_fd(), &order.bytes(), sources)
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
