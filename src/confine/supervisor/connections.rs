//! Connections: to sockets by path, to ports by number.
//!
//! A path is resolved to a handle on the socket itself, judged by where that really is, and connected to through the handle: what was
//! judged is what is reached. Abstract sockets are out of reach.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{UnixAddr, connect};
use nix::sys::stat::{Mode, SFlag, fstat};

use super::programs::{open_handle, target};
use super::{Decision, Purpose, Supervisor, Verdict};
use crate::confine::places::resolve;
use crate::sys::caller::Span;
use crate::sys::deputy::Outcome;
use crate::sys::notify::{Listener, Notification};
use crate::sys::socket::{self, Address, Kind};

impl Supervisor {
    pub(super) fn connect(&mut self, call: &Notification, socket: i32, address: Span) -> Decision {
        let address = self.address(call, address)?;
        let copy = self.descriptor(call, socket)?;
        let allowed = match socket::kind(copy.as_fd())? {
            Kind::Unix => return self.connect_local(call, &copy, address.path().ok_or(Errno::EACCES)?),
            Kind::Netlink => true,
            Kind::Idle | Kind::Other => false,
            internet => address.is_unspecified() || self.may_reach(internet, &address),
        };
        if !allowed {
            return Err(Errno::EACCES);
        }
        let act = |copy: Option<OwnedFd>| finish(copy, |copy| socket::connect(copy.as_fd(), &address));
        let deputy = self.depute(&[copy.as_fd()], |_, held| Ok(held.into_iter().next()), act)?;
        Ok(Verdict::Wait(deputy, Purpose::Result))
    }

    fn connect_local(&self, call: &Notification, copy: &OwnedFd, path: &Path) -> Decision {
        if self.oversight.sockets.is_empty() {
            return Err(Errno::EACCES);
        }
        let (id, directory) = (call.id, (!path.is_absolute()).then(|| call.proc("cwd")));
        let look = |listener: &Listener, held: Vec<OwnedFd>| {
            let directory = directory.map(|directory| open(&directory, OFlag::O_PATH, Mode::empty())).transpose()?;
            if listener.is_current(id) { Ok((held.into_iter().next(), directory)) } else { Err(Errno::ESRCH) }
        };
        let act = |(copy, directory): (Option<OwnedFd>, Option<OwnedFd>)| {
            finish(copy, |copy| {
                let place = find(path, directory.as_ref(), &self.oversight.sockets)?;
                // Not through its path, which may lead elsewhere by now.
                connect(copy.as_raw_fd(), &UnixAddr::new(format!("/proc/self/fd/{}", place.as_raw_fd()).as_str())?)
            })
        };
        let deputy = self.depute(&[copy.as_fd()], look, act)?;
        Ok(Verdict::Wait(deputy, Purpose::Result))
    }

    /// The address that a call names.
    pub(super) fn address(&self, call: &Notification, place: Span) -> Result<Address, Errno> {
        if !(2..=Address::LONGEST).contains(&place.length) {
            return Err(Errno::EINVAL);
        }
        self.memory(call)?.bytes(place).map(Address)
    }

    /// Whether a socket of AF_INET or AF_INET6 may reach an address, which its port alone decides.
    pub(super) fn may_reach(&self, kind: Kind, address: &Address) -> bool {
        address.port().is_some_and(|port| is_listed(&self.oversight.network, kind, port))
    }
}

fn is_listed(network: &[String], kind: Kind, port: u16) -> bool {
    let is = |number: &str| number.parse() == Ok(port);
    let covers = |item: &String| match item.split_once(':') {
        Some(("tcp", number)) => kind == Kind::Tcp && is(number),
        Some(("udp", number)) => kind == Kind::Udp && is(number),
        Some(_) => false,
        None => [Kind::Tcp, Kind::Udp].contains(&kind) && is(item),
    };
    network.is_empty() || network.iter().any(covers)
}

fn finish(copy: Option<OwnedFd>, connect: impl FnOnce(&OwnedFd) -> nix::Result<()>) -> Outcome {
    copy.ok_or(Errno::EBADF).and_then(|copy| connect(&copy)).map_or_else(Outcome::error, |()| Outcome::default())
}

/// A handle on a socket that is one of `allowed` or below it.
fn find(path: &Path, directory: Option<&OwnedFd>, allowed: &[String]) -> nix::Result<OwnedFd> {
    let socket = open_handle(directory, path, true)?;
    let place = target(&socket).ok_or(Errno::EACCES)?;
    let covers = |allowed: &String| {
        // Where the command may write it can put a link: only root's lead anywhere.
        resolve(Path::new(allowed)).is_ok_and(|(_, allowed)| place.starts_with(allowed))
    };
    if !allowed.iter().any(covers) {
        return Err(Errno::EACCES);
    }
    match fstat(socket.as_fd())?.st_mode & SFlag::S_IFMT.bits() {
        kind if kind == SFlag::S_IFSOCK.bits() => Ok(socket),
        _ => Err(Errno::ECONNREFUSED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_listed_for_its_kind_of_socket() {
        let network = ["tcp:443", "udp:53", "8080"].map(str::to_owned);
        for (kind, port, listed) in [
            (Kind::Tcp, 443, true),
            (Kind::Udp, 443, false),
            (Kind::Udp, 53, true),
            (Kind::Tcp, 53, false),
            (Kind::Tcp, 8080, true),
            (Kind::Udp, 8080, true),
            (Kind::Internet, 8080, false),
            (Kind::Tcp, 80, false),
        ] {
            assert_eq!(is_listed(&network, kind, port), listed, "{kind:?} {port}");
            assert!(is_listed(&[], kind, port), "no ports are any port");
        }
    }
}
