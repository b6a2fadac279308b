//! The shell's own standard descriptors, as a line's commands get them, and whether anybody is still there.
//!
//! A terminal and /dev/null are handed on as they are; of everything else commands get a pipe of ours (see [`super::relay`]). Where
//! output and error are one file, one pipe serves both, so that their order is kept.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::poll::PollFlags;
use nix::sys::stat::{FileStat, SFlag, fstat, major, minor};
use nix::unistd::isatty;

use super::relay::{Moved, Relay};
use super::walk::kind;
use crate::sys::descriptor::{self, StatusFlags};

/// What a line's commands read and write by default.
pub(super) struct Streams {
    pub input: Rc<OwnedFd>,
    pub output: Rc<OwnedFd>,
    pub error: Rc<OwnedFd>,
    relays: Relays,
    clients: Vec<Client>,
    counted: [bool; 2],
    flags: [StatusFlags; 3],
}

#[derive(Default)]
struct Relays {
    output: Option<Relay>,
    error: Option<Relay>,
}

/// A descriptor that somebody may be at the other end of.
struct Client {
    fd: OwnedFd,
    /// The streams that go there.
    serves: [bool; 2],
    gone: bool,
}

/// What a descriptor of [`Streams::interests`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Relay,
    Client(usize),
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
    /// Takes copies of descriptors 0, 1 and 2.
    pub fn of_shell() -> nix::Result<Streams> {
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        let stats = [fstat(&output)?, fstat(&error)?];
        let [first, second] = [plain(output.as_fd(), &stats[0]), plain(error.as_fd(), &stats[1])];
        let one = (stats[0].st_dev, stats[0].st_ino) == (stats[1].st_dev, stats[1].st_ino);
        let mut streams = Streams {
            input: Rc::new(descriptor::copy_above_standard(&input)?),
            output: Rc::new(descriptor::copy_above_standard(&output)?),
            error: Rc::new(descriptor::copy_above_standard(&error)?),
            relays: Relays::default(),
            clients: Vec::new(),
            counted: [!first, !second],
            flags: [StatusFlags::of(&input)?, StatusFlags::of(&output)?, StatusFlags::of(&error)?],
        };
        streams.watch(output.as_fd(), &stats[0], [true, one])?;
        if !one {
            streams.watch(error.as_fd(), &stats[1], [false, true])?;
        }
        if !first {
            let (relay, writer) = Relay::new(descriptor::copy_above_standard(&output)?)?;
            (streams.relays.output, streams.output) = (Some(relay), Rc::new(writer));
        }
        if !second && one {
            streams.error = Rc::clone(&streams.output);
        } else if !second {
            let (relay, writer) = Relay::new(descriptor::copy_above_standard(&error)?)?;
            (streams.relays.error, streams.error) = (Some(relay), Rc::new(writer));
        }
        Ok(streams)
    }

    fn watch(&mut self, fd: BorrowedFd<'_>, stat: &FileStat, serves: [bool; 2]) -> nix::Result<()> {
        if matches!(kind(stat), SFlag::S_IFIFO | SFlag::S_IFSOCK) || isatty(fd) == Ok(true) {
            self.clients.push(Client { fd: descriptor::copy_above_standard(fd)?, serves, gone: false });
        }
        Ok(())
    }

    /// What to wait for. A client that is gone is not waited for again: its descriptor would always be ready.
    pub fn interests(&self) -> Vec<(BorrowedFd<'_>, PollFlags, Purpose)> {
        let relays = [&self.relays.output, &self.relays.error].into_iter().flatten().filter_map(Relay::interest);
        let clients = self.clients.iter().enumerate().filter(|(_, client)| !client.gone);
        relays
            .map(|(fd, flags)| (fd, flags, Purpose::Relay))
            .chain(clients.map(|(index, client)| (client.fd.as_fd(), PollFlags::empty(), Purpose::Client(index))))
            .collect()
    }

    /// Moves what can be moved.
    pub fn pass(&mut self, allowance: &mut Option<u64>) -> Served {
        let mut served = Served::default();
        let named = [("output", &mut self.relays.output), ("error", &mut self.relays.error)];
        for (name, relay) in named.into_iter().filter_map(|(name, relay)| relay.as_mut().map(|relay| (name, relay))) {
            match relay.pass(allowance) {
                Ok(moved) => served.exceeded |= moved == Moved::Exceeded,
                // The command learns of it as of any reader that went away.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe || error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(error) => served.notices.push(format!("standard {name} takes no more: {error}")),
            }
        }
        served
    }

    /// Notes what a client's descriptor showed.
    pub fn note(&mut self, client: usize, shown: PollFlags) {
        if !shown.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL) {
            return;
        }
        let Some(client) = self.clients.get_mut(client) else { return };
        client.gone = true;
        let relays = [&mut self.relays.output, &mut self.relays.error];
        relays.into_iter().zip(client.serves).filter(|(_, serves)| *serves).filter_map(|(relay, _)| relay.as_mut()).for_each(Relay::close);
    }

    /// Whether somebody was there, and nobody is any more.
    pub fn is_abandoned(&self) -> bool {
        !self.clients.is_empty() && self.clients.iter().all(|client| client.gone)
    }

    /// Whether output is on its way.
    pub fn is_busy(&self) -> bool {
        [&self.relays.output, &self.relays.error].into_iter().flatten().any(Relay::is_busy)
    }

    /// Gives the shell's own descriptors the status flags that they had at first: to wait where it reads and writes is one.
    pub fn put_back(&self) {
        self.flags.iter().for_each(StatusFlags::put_back);
    }

    /// Bytes that passed to output and error; `None` where they are not counted. Where the two are one, all of it is output.
    pub fn passed(&self) -> [Option<u64>; 2] {
        let [output, error] = self.counted;
        let passed = |relay: &Option<Relay>| relay.as_ref().map_or(0, |relay| relay.passed);
        [output.then(|| passed(&self.relays.output)), error.then(|| passed(&self.relays.error))]
    }
}

/// Whether a descriptor is handed on as it is: a terminal, or /dev/null.
fn plain(fd: BorrowedFd<'_>, stat: &FileStat) -> bool {
    let null = kind(stat) == SFlag::S_IFCHR && (major(stat.st_rdev), minor(stat.st_rdev)) == (1, 3);
    null || isatty(fd) == Ok(true)
}
