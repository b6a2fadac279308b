//! Which sockets can be made, and what can be done with them.
//!
//! A filter sees numbers, not descriptors: what a call may do is decided by which sockets there can be at all. So no datagram socket of
//! AF_UNIX (it sends to any path), and pairs of streams only; no AF_INET that is not of the confinement. Of netlink, what reads: routes and
//! links, sockets, generic families (ethtool), device events. To change anything through these the kernel asks for a capability, and no
//! message reaches another process. Other families do not exist for a command. Capabilities open more of these: `capable` says which.
//!
//! Where connecting is asked of the listener, sends need not be as long as nothing but TCP can be made: it takes no address but with
//! `MSG_FASTOPEN`, which says EOPNOTSUPP, as on a host where that is switched off. So netlink goes on working without the listener.

use super::calls::{Inet, Unix};
use super::filter::{ALLOW, Builder, NO_ACCESS, error};
use super::{Test, Word};
use crate::sys::capability::Capabilities;

/// The type is in these bits of the second argument; flags are above them (`SOCK_TYPE_MASK` of linux/net.h).
const TYPE: u32 = 0xf;
const STREAM: u32 = libc::SOCK_STREAM as u32;
const DATAGRAM: u32 = libc::SOCK_DGRAM as u32;
const SEQUENCED: u32 = libc::SOCK_SEQPACKET as u32;
const RAW: u32 = libc::SOCK_RAW as u32;

const NETLINK: [u32; 4] =
    [libc::NETLINK_ROUTE as u32, libc::NETLINK_SOCK_DIAG as u32, libc::NETLINK_GENERIC as u32, libc::NETLINK_KOBJECT_UEVENT as u32];
const TCP: [u32; 2] = [0, libc::IPPROTO_TCP as u32];
const UDP: [u32; 2] = [0, libc::IPPROTO_UDP as u32];
const ICMP: [u32; 2] = [libc::IPPROTO_ICMP as u32, libc::IPPROTO_ICMPV6 as u32];

/// Levels of setsockopt(2): options of IP, joining multicast groups among them, which makes the host itself send.
const IP_LEVELS: [u32; 2] = [libc::IPPROTO_IP as u32, libc::IPPROTO_IPV6 as u32];
/// None of these on an idle socket: UDP's own would take packets before the socket's filter does (`UDP_ENCAP`).
const IDLE_LEVELS: [u32; 3] = [libc::IPPROTO_IP as u32, libc::IPPROTO_IPV6 as u32, libc::IPPROTO_UDP as u32];
/// Options that join a group (linux/in.h, linux/in6.h): `IPV6_ADD_MEMBERSHIP`, `IPV6_JOIN_ANYCAST`, `IP_ADD_MEMBERSHIP`,
/// `IP_ADD_SOURCE_MEMBERSHIP`, `MCAST_JOIN_GROUP`, `MCAST_JOIN_SOURCE_GROUP`. Of those that mean something else at the other level
/// (`IP_RECVORIGDSTADDR`, `IPV6_XFRM_POLICY`) a command needs none.
const JOINS: [u32; 6] = [20, 27, 35, 39, 42, 46];

const NO_FAMILY: u32 = error(libc::EAFNOSUPPORT);
const NO_PROTOCOL: u32 = error(libc::EPROTONOSUPPORT);
const NOT_SUPPORTED: u32 = error(libc::EOPNOTSUPP);

impl Builder<'_> {
    pub(super) fn socket(&mut self) {
        let (netlink, unix, inet) = (self.program.label(), self.program.label(), self.program.label());
        let unknown = self.to(NO_FAMILY);
        let mut families = vec![(libc::AF_UNIX, unix), (libc::AF_INET, inet), (libc::AF_INET6, inet), (libc::AF_NETLINK, netlink)];
        if self.has(Capabilities::NET_RAW) {
            families.push((libc::AF_PACKET, self.to(ALLOW)));
        }
        let families: Vec<_> = families.into_iter().map(|(family, label)| (family as u32, label)).collect();
        self.program.load(Word::Low(0));
        self.program.choose(&families, unknown);
        self.program.place(netlink);
        let netfilter: &[u32] = if self.has(Capabilities::NET_ADMIN) { &[libc::NETLINK_NETFILTER as u32] } else { &[] };
        self.protocol(&[&NETLINK, netfilter].concat(), ALLOW, NO_PROTOCOL);
        self.program.place(unix);
        self.unix_socket();
        self.program.place(inet);
        self.inet_socket();
    }

    fn unix_socket(&mut self) {
        match self.calls.unix {
            // As on a host that has none: dig, for one, takes that better than a refusal.
            Unix::Pairs => self.program.answer(NO_FAMILY),
            Unix::Asked => self.types(&[STREAM, SEQUENCED], NO_ACCESS),
            Unix::Any => self.program.answer(ALLOW),
        }
    }

    fn inet_socket(&mut self) {
        let (stream, datagram, raw) = (self.program.label(), self.program.label(), self.program.label());
        let idle = self.asked(NO_ACCESS);
        let any_raw = self.has(Capabilities::NET_RAW);
        let outbound = self.calls.inet == Inet::Outbound;
        let (streams, datagrams, answer): (bool, &[u32], u32) = match self.calls.inet {
            Inet::Any => return self.program.answer(ALLOW),
            Inet::Idle => (false, &UDP, idle),
            Inet::Asked { datagrams: false } => (true, &UDP, idle),
            Inet::Asked { datagrams: true } => (true, &UDP, ALLOW),
            Inet::Outbound => (true, &[&UDP[..], &ICMP].concat(), ALLOW),
        };
        let raw = if any_raw { self.to(ALLOW) } else { raw };
        let types = [(true, (DATAGRAM, datagram)), (streams, (STREAM, stream)), (any_raw || outbound, (RAW, raw))];
        let types: Vec<_> = types.into_iter().filter_map(|(there, kind)| there.then_some(kind)).collect();
        let no_access = self.to(NO_ACCESS);
        self.load_type();
        self.program.choose(&types, no_access);
        self.program.place(datagram);
        self.protocol(datagrams, answer, NO_ACCESS);
        if streams {
            self.program.place(stream);
            self.protocol(&TCP, ALLOW, NO_ACCESS);
        }
        if outbound && !any_raw {
            self.program.place(raw);
            self.protocol(&ICMP, ALLOW, NO_ACCESS);
        }
    }

    pub(super) fn socketpair(&mut self) {
        let unknown = self.to(NO_FAMILY);
        self.program.load(Word::Low(0));
        self.program.jump_unless(Test::Equal(libc::AF_UNIX as u32), unknown);
        match self.calls.unix {
            Unix::Pairs => self.types(&[STREAM], NO_ACCESS),
            Unix::Asked => self.types(&[STREAM, SEQUENCED], NO_ACCESS),
            Unix::Any => self.program.answer(ALLOW),
        }
    }

    fn load_type(&mut self) {
        self.program.load(Word::Low(1));
        self.program.mask(TYPE);
    }

    /// Lets some types through.
    fn types(&mut self, types: &[u32], otherwise: u32) {
        let (allow, otherwise) = (self.to(ALLOW), self.to(otherwise));
        self.load_type();
        self.one_of(types, allow, otherwise);
    }

    /// Answers some protocols in one way, the others in another.
    fn protocol(&mut self, protocols: &[u32], answer: u32, otherwise: u32) {
        let (answer, otherwise) = (self.to(answer), self.to(otherwise));
        self.program.load(Word::Low(2));
        self.one_of(protocols, answer, otherwise);
    }

    /// With an address it is asked about, if there can be a socket that takes one.
    pub(super) fn sendto(&mut self) {
        self.without_fast_open(3);
        if self.calls.inet == (Inet::Asked { datagrams: true }) {
            let asked = self.asked(NO_ACCESS);
            let asked = self.to(asked);
            self.unless_null(4, asked);
        }
        self.program.answer(ALLOW);
    }

    /// The address is in memory. What hands over the listener is not asked about: nobody is there yet to answer.
    pub(super) fn send_message(&mut self, flags: u8) {
        self.without_fast_open(flags);
        if self.calls.inet == (Inet::Asked { datagrams: true }) {
            let asked = self.asked(NO_ACCESS);
            let asked = self.to(asked);
            self.unless_pointer(1, self.cookie.map_or(u64::MAX, |cookie| cookie.sendmsg), asked);
        }
        self.program.answer(ALLOW);
    }

    fn without_fast_open(&mut self, flags: u8) {
        let not_supported = self.to(NOT_SUPPORTED);
        self.program.load(Word::Low(flags));
        self.program.jump_if(Test::AnyOf(libc::MSG_FASTOPEN as u32), not_supported);
    }

    /// Options of IP: none on sockets that are idle, no joining of groups on others.
    pub(super) fn setsockopt(&mut self) {
        if self.calls.inet == Inet::Idle {
            return self.refuse_values(1, &IDLE_LEVELS);
        }
        let (options, allow) = (self.program.label(), self.to(ALLOW));
        self.program.load(Word::Low(1));
        self.one_of(&IP_LEVELS, options, allow);
        self.program.place(options);
        self.refuse_values(2, &JOINS);
    }
}
