//! Every rule about sockets, as a row.

use super::super::filter::{ALLOW, NO_ACCESS, NOT_PERMITTED, NOTIFY, error};
use super::*;

const NO_FAMILY: u32 = error(libc::EAFNOSUPPORT);
const NO_PROTOCOL: u32 = error(libc::EPROTONOSUPPORT);
const NOT_SUPPORTED: u32 = error(libc::EOPNOTSUPP);

const UNIX: i64 = libc::AF_UNIX as i64;
const INET: i64 = libc::AF_INET as i64;
const INET6: i64 = libc::AF_INET6 as i64;
const NETLINK: i64 = libc::AF_NETLINK as i64;
const STREAM: i64 = libc::SOCK_STREAM as i64;
const DATAGRAM: i64 = libc::SOCK_DGRAM as i64;
const RAW: i64 = libc::SOCK_RAW as i64;
const SEQUENCED: i64 = libc::SOCK_SEQPACKET as i64;
const FLAGS: i64 = (libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as i64;
const FAST: i64 = libc::MSG_FASTOPEN as i64;

#[test]
fn families_that_nobody_needs_do_not_exist() {
    for unix in [Unix::Pairs, Unix::Asked, Unix::Any] {
        for inet in [Inet::Idle, Inet::Asked { datagrams: true }, Inet::Outbound, Inet::Any] {
            check(
                &Calls { unix, inet, ..listening() },
                &[
                    ("socket", &[libc::AF_PACKET as i64, RAW, 0x300], NO_FAMILY),
                    ("socket", &[libc::AF_VSOCK as i64, STREAM, 0], NO_FAMILY),
                    ("socket", &[libc::AF_ALG as i64, SEQUENCED, 0], NO_FAMILY),
                    ("socket", &[0, STREAM, 0], NO_FAMILY),
                    ("socket", &[libc::AF_BLUETOOTH as i64, RAW, 1], NO_FAMILY),
                    ("socket", &[-1, STREAM, 0], NO_FAMILY),
                    ("socketpair", &[INET, STREAM, 0], NO_FAMILY),
                    ("socketpair", &[libc::AF_TIPC as i64, STREAM, 0], NO_FAMILY),
                    // Routes, sockets, ethtool, device events; and nothing else of netlink.
                    ("socket", &[NETLINK, RAW | FLAGS, 0], ALLOW),
                    ("socket", &[NETLINK | HIGH, DATAGRAM, 4 | HIGH], ALLOW),
                    ("socket", &[NETLINK, RAW, 16], ALLOW),
                    ("socket", &[NETLINK, RAW, 15], ALLOW),
                    ("socket", &[NETLINK, RAW, 2], NO_PROTOCOL),
                    ("socket", &[NETLINK, RAW, 9], NO_PROTOCOL),
                    ("socket", &[NETLINK, RAW, 12], NO_PROTOCOL),
                    ("socket", &[NETLINK, RAW, 6], NO_PROTOCOL),
                    ("bind", &[3, 1, 12], ALLOW),
                ],
            );
        }
    }
}

#[test]
fn unix_sockets_are_pairs_of_streams() {
    check(
        &strictest(),
        &[
            ("socket", &[UNIX, STREAM, 0], NO_FAMILY),
            ("socket", &[UNIX, DATAGRAM | FLAGS, 0], NO_FAMILY),
            ("socketpair", &[UNIX, STREAM, 0], ALLOW),
            ("socketpair", &[UNIX, STREAM | FLAGS, 0], ALLOW),
            ("socketpair", &[UNIX | HIGH, STREAM | HIGH, 0], ALLOW),
            ("socketpair", &[UNIX, DATAGRAM, 0], NO_ACCESS),
            ("socketpair", &[UNIX, RAW, 0], NO_ACCESS),
            ("socketpair", &[UNIX, SEQUENCED, 0], NO_ACCESS),
            ("connect", &[3, 1, 110], NO_ACCESS),
        ],
    );
    for (listener, connect) in [(true, NOTIFY), (false, NO_ACCESS)] {
        check(
            &Calls { unix: Unix::Asked, listener, ..strictest() },
            &[
                ("socket", &[UNIX, STREAM | FLAGS, 0], ALLOW),
                ("socket", &[UNIX, SEQUENCED, 0], ALLOW),
                ("socket", &[UNIX, DATAGRAM, 0], NO_ACCESS),
                ("socket", &[UNIX, RAW, 0], NO_ACCESS),
                ("socketpair", &[UNIX, SEQUENCED, 0], ALLOW),
                ("socketpair", &[UNIX, DATAGRAM, 0], NO_ACCESS),
                ("connect", &[3, 1, 110], connect),
                ("listen", &[3, 1], NO_ACCESS),
                ("sendmsg", &[3, 1, 0], ALLOW),
                ("sendto", &[3, 1, 1, 0, 1, 110], ALLOW),
            ],
        );
    }
    check(
        &Calls { unix: Unix::Any, ..strictest() },
        &[("socket", &[UNIX, DATAGRAM, 0], ALLOW), ("socketpair", &[UNIX, DATAGRAM, 0], ALLOW), ("connect", &[3, 1, 110], ALLOW)],
    );
}

#[test]
fn an_idle_internet_is_one_socket_that_is_handed_out() {
    for (listener, handed) in [(true, NOTIFY), (false, NO_ACCESS)] {
        check(
            &Calls { listener, ..strictest() },
            &[
                ("socket", &[INET, DATAGRAM, 0], handed),
                ("socket", &[INET, DATAGRAM | FLAGS, 17], handed),
                ("socket", &[INET6 | HIGH, DATAGRAM | HIGH, 0], handed),
                ("socket", &[INET, DATAGRAM, 1], NO_ACCESS),
                ("socket", &[INET, DATAGRAM, 136], NO_ACCESS),
                ("socket", &[INET, STREAM, 0], NO_ACCESS),
                ("socket", &[INET6, STREAM, 6], NO_ACCESS),
                ("socket", &[INET, RAW, 1], NO_ACCESS),
                ("socket", &[INET, 10, 3], NO_ACCESS),
                ("setsockopt", &[3, 0, 35, 1, 8], NOT_PERMITTED),
                ("setsockopt", &[3, 41 | HIGH, 20, 1, 20], NOT_PERMITTED),
                ("setsockopt", &[3, 1, 8, 1, 4], ALLOW),
                ("setsockopt", &[3, 270, 1, 1, 4], ALLOW),
                ("sendto", &[3, 1, 1, 0, 1, 12], ALLOW),
                ("sendmsg", &[3, 1, 0], ALLOW),
                ("listen", &[3, 1], NO_ACCESS),
                ("accept", &[3], NO_ACCESS),
                ("accept4", &[3], NO_ACCESS),
            ],
        );
    }
}

#[test]
fn an_asked_internet_asks_about_every_address() {
    for (listener, asked) in [(true, NOTIFY), (false, NO_ACCESS)] {
        let common: [Row<'_>; 13] = [
            ("socket", &[INET, STREAM | FLAGS, 0], ALLOW),
            ("socket", &[INET6, STREAM, 6], ALLOW),
            ("socket", &[INET, STREAM, 262], NO_ACCESS),
            ("socket", &[INET, STREAM, 132], NO_ACCESS),
            ("socket", &[INET, STREAM, 256], NO_ACCESS),
            ("socket", &[INET, RAW, 1], NO_ACCESS),
            ("socket", &[INET, DATAGRAM, 1], NO_ACCESS),
            ("connect", &[3, 1, 16], asked),
            ("setsockopt", &[3, 0, 35, 1, 8], NOT_PERMITTED),
            ("setsockopt", &[3, 41, 20, 1, 20], NOT_PERMITTED),
            ("setsockopt", &[3, 0, 1, 1, 4], ALLOW),
            ("setsockopt", &[3, 6, 35, 1, 4], ALLOW),
            ("listen", &[3, 1], NO_ACCESS),
        ];
        let with = Calls { inet: Inet::Asked { datagrams: true }, listener, ..strictest() };
        check(&with, &common);
        check(
            &with,
            &[
                ("socket", &[INET, DATAGRAM, 0], ALLOW),
                ("socket", &[INET6, DATAGRAM, 17], ALLOW),
                ("sendto", &[3, 1, 1, 0, 0, 0], ALLOW),
                ("sendto", &[3, 1, 1, 0, 1, 16], asked),
                ("sendto", &[3, 1, 1, 0, HIGH, 16], asked),
                ("sendto", &[3, 1, 1, FAST, 0, 0], NOT_SUPPORTED),
                ("sendto", &[3, 1, 1, FAST | 0x40, 1, 16], NOT_SUPPORTED),
                ("sendmsg", &[3, 1, 0], asked),
                ("sendmsg", &[3, 1, FAST], NOT_SUPPORTED),
                ("sendmmsg", &[3, 1, 1, 0], asked),
                ("sendmmsg", &[3, 1, 1, FAST], NOT_SUPPORTED),
            ],
        );
        let without = Calls { inet: Inet::Asked { datagrams: false }, ..with };
        check(&without, &common);
        check(
            &without,
            &[
                ("socket", &[INET, DATAGRAM, 17], asked),
                ("sendto", &[3, 1, 1, 0, 1, 16], ALLOW),
                ("sendto", &[3, 1, 1, FAST, 1, 16], NOT_SUPPORTED),
                ("sendmsg", &[3, 1, 0], ALLOW),
                ("sendmsg", &[3, 1, FAST], NOT_SUPPORTED),
                ("sendmmsg", &[3, 1, 1, 0], ALLOW),
                ("sendmmsg", &[3, 1, 1, FAST], NOT_SUPPORTED),
            ],
        );
    }
}

#[test]
fn an_outbound_internet_connects_and_waits_for_nobody() {
    check(
        &Calls { inet: Inet::Outbound, ..strictest() },
        &[
            ("socket", &[INET, STREAM, 6], ALLOW),
            ("socket", &[INET6, DATAGRAM | FLAGS, 17], ALLOW),
            ("socket", &[INET, DATAGRAM, 1], ALLOW),
            ("socket", &[INET6, DATAGRAM, 58], ALLOW),
            ("socket", &[INET, RAW, 1], ALLOW),
            ("socket", &[INET6, RAW, 58], ALLOW),
            ("socket", &[INET, RAW, 255], NO_ACCESS),
            ("socket", &[INET, RAW, 6], NO_ACCESS),
            ("socket", &[INET, STREAM, 262], NO_ACCESS),
            ("socket", &[INET, SEQUENCED, 132], NO_ACCESS),
            ("socket", &[INET, 6, 33], NO_ACCESS),
            ("socket", &[INET, 10, 3], NO_ACCESS),
            ("connect", &[3, 1, 16], ALLOW),
            ("sendto", &[3, 1, 1, FAST, 1, 16], ALLOW),
            ("setsockopt", &[3, 0, 35, 1, 8], ALLOW),
            ("listen", &[3, 1], NO_ACCESS),
            ("accept4", &[3], NO_ACCESS),
        ],
    );
    // Where local sockets are asked about, all connections are.
    check(&Calls { inet: Inet::Outbound, unix: Unix::Asked, ..listening() }, &[("connect", &[3, 1, 16], NOTIFY)]);
    check(
        &Calls { inet: Inet::Any, ..strictest() },
        &[("socket", &[INET, SEQUENCED, 132], ALLOW), ("listen", &[3, 1], ALLOW), ("accept", &[3], ALLOW)],
    );
}
