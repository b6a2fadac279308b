//! Sockets as a supervisor handles them: which kind one is, what an address names, connecting and sending with addresses that are bytes.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{Shutdown, SockaddrIn, SockaddrIn6, bind, getsockname, setsockopt, shutdown, sockopt};

/// What a socket can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Udp,
    /// One of [`idle`].
    Idle,
    /// Another of AF_INET or AF_INET6.
    Internet,
    /// Of AF_UNIX, and no datagram socket: it sends to nobody but its one peer.
    Unix,
    Netlink,
    Other,
}

/// Asks a socket.
pub fn kind(socket: BorrowedFd<'_>) -> nix::Result<Kind> {
    let option = |name| option(socket, name);
    let (family, style, protocol) = (option(libc::SO_DOMAIN)?, option(libc::SO_TYPE)?, option(libc::SO_PROTOCOL)?);
    Ok(match (family, style, protocol) {
        (libc::AF_INET | libc::AF_INET6, ..) if option(libc::SO_LOCK_FILTER)? != 0 => Kind::Idle,
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM, libc::IPPROTO_TCP) => Kind::Tcp,
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_DGRAM, libc::IPPROTO_UDP) => Kind::Udp,
        (libc::AF_INET | libc::AF_INET6, ..) => Kind::Internet,
        (libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_SEQPACKET, _) => Kind::Unix,
        (libc::AF_NETLINK, ..) => Kind::Netlink,
        _ => Kind::Other,
    })
}

fn option(socket: BorrowedFd<'_>, name: libc::c_int) -> nix::Result<libc::c_int> {
    let (mut value, mut length) = (0, size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: writes at most one int.
    let got = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, std::ptr::from_mut(&mut value).cast(), &mut length) };
    Errno::result(got)?;
    Ok(value)
}

/// A `struct sockaddr` of any family, as a caller wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(pub Vec<u8>);

impl Address {
    /// Bytes that an address can have (`struct sockaddr_storage`).
    pub const LONGEST: u64 = size_of::<libc::sockaddr_storage>() as u64;

    /// Whether it stands for no address: connecting to it undoes a connection.
    pub fn is_unspecified(&self) -> bool {
        self.part::<2>(0).map(u16::from_ne_bytes) == Some(libc::AF_UNSPEC as u16)
    }

    /// The port, which AF_INET and AF_INET6 have at the same place.
    pub fn port(&self) -> Option<u16> {
        self.part(2).map(u16::from_be_bytes)
    }

    /// The path of an AF_UNIX address; `None` for one of the abstract ones, or none.
    pub fn path(&self) -> Option<&Path> {
        let family = self.part::<2>(0).map(u16::from_ne_bytes)?;
        let path = self.0.get(2..)?.split(|byte| *byte == 0).next()?;
        let named = family == libc::AF_UNIX as u16 && !path.is_empty();
        named.then(|| Path::new(OsStr::from_bytes(path)))
    }

    fn part<const COUNT: usize>(&self, from: usize) -> Option<[u8; COUNT]> {
        self.0.get(from..from + COUNT)?.try_into().ok()
    }
}

/// Connects a socket; waits if the socket does.
pub fn connect(socket: BorrowedFd<'_>, address: &Address) -> nix::Result<()> {
    let Address(bytes) = address;
    // SAFETY: the address is as long as is said.
    Errno::result(unsafe { libc::connect(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len() as libc::socklen_t) }).map(drop)
}

/// Sends bytes, to an address if there is one; waits if the socket does. Never a `SIGPIPE`.
pub fn send(socket: BorrowedFd<'_>, data: &[u8], address: Option<&Address>, flags: i32) -> nix::Result<usize> {
    let (name, length) = address.map_or((std::ptr::null(), 0), |address| (address.0.as_ptr(), address.0.len()));
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: data and address are as long as is said.
    let sent = unsafe { libc::sendto(socket.as_raw_fd(), data.as_ptr().cast(), data.len(), flags, name.cast(), length as libc::socklen_t) };
    Errno::result(sent).map(|count| count as usize)
}

/// Whether flags of a send make a connection too (TCP fast open).
pub fn connects(flags: i32) -> bool {
    flags & libc::MSG_FASTOPEN != 0
}

/// A datagram socket that serves `ioctl` alone: a program asks it for the addresses of interfaces and the like.
///
/// It is shut down both ways, which no call undoes, so that nothing can be sent; a filter that drops everything and cannot be taken off
/// keeps all from being received, the queue included; and it is bound, to a port of the loopback interface that all of a command's share, so that it
/// cannot take another. `port`: that one, 0 for the first; it is returned.
pub fn idle(request: IdleRequest, port: u16) -> nix::Result<(OwnedFd, u16)> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | if request.nonblocking { libc::SOCK_NONBLOCK } else { 0 };
    let family = if request.version_6 { libc::AF_INET6 } else { libc::AF_INET };
    // SAFETY: takes numbers, and makes a descriptor that is ours.
    let socket = unsafe { OwnedFd::from_raw_fd(Errno::result(libc::socket(family, kind, libc::IPPROTO_UDP))?) };
    receive_nothing(socket.as_fd())?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    let port = if request.version_6 {
        // A host may have IPv6 without an address of its loopback interface.
        let loopback = SocketAddrV6::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped(), port, 0, 0);
        setsockopt(&socket, sockopt::Ipv6V6Only, &false)?;
        bind(socket.as_raw_fd(), &SockaddrIn6::from(loopback))?;
        getsockname::<SockaddrIn6>(socket.as_raw_fd())?.port()
    } else {
        bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)))?;
        getsockname::<SockaddrIn>(socket.as_raw_fd())?.port()
    };
    match shutdown(socket.as_raw_fd(), Shutdown::Both) {
        // It says so, being unconnected, and shuts all the same (net/ipv4/af_inet.c, `inet_shutdown`).
        Ok(()) | Err(Errno::ENOTCONN) => Ok((socket, port)),
        Err(errno) => Err(errno),
    }
}

/// Which idle socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleRequest {
    /// Of AF_INET6 rather than AF_INET.
    pub version_6: bool,
    pub nonblocking: bool,
    pub close_on_exec: bool,
}

impl IdleRequest {
    /// The one that socket(2) with these arguments may have; `None` for any other socket.
    pub fn of(family: i32, kind: i32, protocol: i32) -> Option<IdleRequest> {
        let (nonblocking, close_on_exec) = (kind & libc::SOCK_NONBLOCK != 0, kind & libc::SOCK_CLOEXEC != 0);
        let style = kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        let there = [libc::AF_INET, libc::AF_INET6].contains(&family) && style == libc::SOCK_DGRAM;
        let known = there && [0, libc::IPPROTO_UDP].contains(&protocol);
        known.then_some(IdleRequest { version_6: family == libc::AF_INET6, nonblocking, close_on_exec })
    }
}

/// Drops all that comes, for good.
fn receive_nothing(socket: BorrowedFd<'_>) -> nix::Result<()> {
    let mut nothing = libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 };
    let program = libc::sock_fprog { len: 1, filter: &mut nothing };
    let locked: libc::c_int = 1;
    let set = |name, value: *const libc::c_void, length: usize| {
        // SAFETY: the value is as long as is said, and what it points to lives.
        Errno::result(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, value, length as libc::socklen_t) })
    };
    set(libc::SO_ATTACH_FILTER, std::ptr::from_ref(&program).cast(), size_of_val(&program))?;
    set(libc::SO_LOCK_FILTER, std::ptr::from_ref(&locked).cast(), size_of_val(&locked)).map(drop)
}
