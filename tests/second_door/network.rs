//! Networks and local sockets.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::OnceLock;

use crate::door::{ACCOUNT_ONLY, Door, EVERYBODY, ROOT_ONLY, User};
use crate::host::{LENT, ready, uid};
use crate::listeners::{Listeners, Sender};
use crate::prove::{Attack, Free, Ground, Sign, attack, fails, prove_on, reaches, said, through, works};
use crate::sandbox::skip;

const OPEN: Free<'static> = Free::Confined("open");
const SOCKETS: &str = "/run/second-door/sockets";
const LOG: &str = "/run/systemd/journal/dev-log";

/// Ports and sockets with somebody behind them.
struct Around {
    listeners: Listeners,
    tcp: [u16; 2],
    tcp6: u16,
    udp: [u16; 2],
    udp6: u16,
}

/// Made once; `None` outside of the sandbox.
fn around() -> Option<&'static Around> {
    static AROUND: OnceLock<Around> = OnceLock::new();
    ready().then(|| {
        AROUND.get_or_init(|| {
            let listeners = Listeners::default();
            let around = Around {
                tcp: [listeners.tcp("127.0.0.1"), listeners.tcp("127.0.0.1")],
                tcp6: listeners.tcp("::1"),
                udp: [listeners.udp("127.0.0.1"), listeners.udp("127.0.0.1")],
                udp6: listeners.udp("::1"),
                listeners,
            };
            fs::create_dir_all(SOCKETS).unwrap();
            fs::create_dir_all(Path::new(LOG).parent().unwrap()).unwrap();
            for name in ["allow", "block"] {
                around.listeners.stream(&format!("{SOCKETS}/{name}.sock"));
            }
            symlink("block.sock", format!("{SOCKETS}/point.sock")).unwrap();
            symlink(format!("{SOCKETS}/allow.sock"), "/run/second-door/to-allow").unwrap();
            around.listeners.packets("/run/second-door/packets.sock");
            around.listeners.datagrams(LOG);
            around.listeners.abstract_stream("second-door-stream");
            around.listeners.abstract_datagrams("second-door-datagrams");
            around
        })
    })
}

impl Around {
    fn ground(&self) -> Ground<'_> {
        Ground { place: "/tmp", listeners: Some(&self.listeners) }
    }

    fn streams(&self) -> Vec<Attack> {
        let [first, _] = self.tcp;
        vec![
            reaches(format!("tcp 127.0.0.1 {first} {{token}}")),
            reaches(format!("tcp ::1 {} {{token}}", self.tcp6)),
            reaches(format!("tcp ::ffff:127.0.0.1 {first} {{token}}")),
            reaches(format!("tcp-nonblock 127.0.0.1 {first} {{token}}")),
            reaches(format!("fastopen 127.0.0.1 {first} {{token}}")),
            reaches(format!("fastopen-sendmsg 127.0.0.1 {first} {{token}}")),
            reaches(format!("fastopen-connect 127.0.0.1 {first} {{token}}")),
            reaches(format!("uring-tcp 127.0.0.1 {first} {{token}}")).if_kernel(),
            reaches(format!("mptcp 127.0.0.1 {first} {{token}}")).if_kernel(),
        ]
    }

    fn datagrams(&self) -> Vec<Attack> {
        let [first, _] = self.udp;
        let ways = ["udp", "udp-sendmsg", "udp-sendmmsg", "udp-send", "udp-write", "udp-connect-sendmsg", "udp-cork", "udp-reconnect"];
        let mut attacks: Vec<Attack> = ways.iter().map(|way| reaches(format!("{way} 127.0.0.1 {first} {{token}}"))).collect();
        attacks.extend(["udp", "udp-write", "udp-sendmsg"].map(|way| reaches(format!("{way} ::1 {} {{token}}", self.udp6))));
        attacks
    }

    fn local(&self) -> Vec<Attack> {
        let ways =
            ["unix-datagram", "unix-sendto", "unix-sendmsg", "unix-sendmmsg", "pair-sendto", "pair-flags", "pair-connect", "pair-raw"];
        let mut attacks: Vec<Attack> = ways.iter().map(|way| reaches(format!("{way} {LOG} {{token}}"))).collect();
        attacks
            .extend(["unix-sendto", "unix-datagram", "pair-sendto"].map(|way| reaches(format!("{way} @second-door-datagrams {{token}}"))));
        attacks.extend([
            reaches(format!("unix {SOCKETS}/block.sock {{token}}")),
            reaches(format!("unix {SOCKETS}/point.sock {{token}}")),
            reaches(format!("unix-below {SOCKETS} block.sock {{token}}")),
            reaches(format!("unix-descriptor {SOCKETS}/block.sock {{token}}")),
            reaches("unix @second-door-stream {token}"),
            reaches("unix-packets /run/second-door/packets.sock {token}"),
            reaches(format!("uring-unix {SOCKETS}/block.sock {{token}}")).if_kernel(),
        ]);
        attacks
    }
}

/// Families that no diagnosis needs, by number: family, type, protocol. Not every kernel has them all.
fn families() -> Vec<Attack> {
    let sockets = [
        "10 1 262", // MPTCP
        "2 1 262", "2 2 136", // UDP-Lite
        "2 5 132", // SCTP
        "2 1 132", "2 6 33", // DCCP
        "40 1 0", // vsock
        "40 2 0", "38 5 0",  // ALG
        "43 1 0",  // SMC
        "30 1 0",  // TIPC
        "21 5 0",  // RDS
        "31 3 1",  // Bluetooth
        "29 3 1",  // CAN
        "41 2 0",  // KCM
        "16 3 2",  // netlink for programs among themselves
        "16 3 6",  // IPsec
        "16 3 9",  // audit
        "16 3 11", // connector
        "16 3 12", // netfilter
        "16 3 21", // crypto
    ];
    let mut attacks: Vec<Attack> = sockets.iter().map(|words| said(format!("socket {words}")).if_kernel()).collect();
    attacks.push(said("alg").if_kernel());
    attacks
}

#[test]
fn without_a_network_nothing_is_reached() {
    let Some(around) = around() else { return };
    let mut attacks = [around.streams(), around.datagrams(), around.local()].concat();
    attacks.extend([said("listen 127.0.0.1 0"), said("listen ::1 0"), said("join 239.1.2.3").if_kernel()]);
    prove_on(&around.ground(), "no network", &attacks, &EVERYBODY, "inspect", OPEN);
    fails(&around.ground(), "no network", &attacks, &ACCOUNT_ONLY, "sealed");
    let inet = [around.streams(), around.datagrams()].concat();
    fails(&around.ground(), "no network", &inet, &EVERYBODY, "service");
}

#[test]
fn families_that_nobody_needs_are_closed() {
    let Some(around) = around() else { return };
    for base in ["inspect", "network"] {
        prove_on(&around.ground(), "families of sockets", &families(), &ACCOUNT_ONLY, base, OPEN);
        let privileged = ["2 3 6", "2 3 255", "17 3 768", "17 2 768", "10 3 58"].map(|words| said(format!("socket {words}")).if_kernel());
        prove_on(&around.ground(), "raw sockets", &privileged, &ROOT_ONLY, base, Free::Bare);
    }
}

#[test]
fn what_comes_from_elsewhere_is_not_received() {
    let Some(around) = around() else { return };
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _sender = Sender::to(port, "from-elsewhere");
    let attacks = [attack(format!("udp-receive 127.0.0.1 {port}"), Sign::Prints("from-elsewhere".to_owned()))];
    for base in ["inspect", "service", "sealed"] {
        prove_on(&around.ground(), "receiving", &attacks, &ACCOUNT_ONLY, base, OPEN);
    }
}

#[test]
fn sockets_serve_for_what_they_are_asked() {
    let Some(around) = around() else { return };
    let mut uses = Vec::new();
    for family in [2, 10] {
        uses.push(attack(format!("ioctl-conf {family}"), Sign::Prints("lo".to_owned())));
        uses.push(said(format!("ioctl-link {family}")));
    }
    uses.push(attack("ioctl-address 2", Sign::Prints("127.0.0.1".to_owned())));
    // Routing, diagnosis, generic.
    uses.extend(["16 3 0", "16 3 4", "16 3 16"].map(|words| said(format!("socket {words}")).if_kernel()));
    for base in ["inspect", "service", "network"] {
        works(&around.ground(), "ioctls and netlink", &uses, &EVERYBODY, base);
    }
}

#[test]
fn a_socket_for_ioctls_takes_no_options_of_protocols() {
    let Some(around) = around() else { return };
    // UDP_ENCAP (ESP, L2TP), UDP_GRO, and joining a group by its general name.
    let options = ["17 100 2", "17 100 3", "17 104 1", "0 2 4"].map(|words| said(format!("option {words}")).if_kernel());
    for base in ["inspect", "service"] {
        prove_on(&around.ground(), "options", &options, &EVERYBODY, base, OPEN);
    }
}

#[test]
fn ifconfig_works() {
    if !ready() {
        return;
    }
    if !Path::new("/usr/sbin/ifconfig").exists() {
        return skip("ifconfig (net-tools) is not installed; its ioctls are shown without it");
    }
    let door = Door::with_rules(User::Account, "  - 'ifconfig **'\n");
    let run = door.line("ifconfig lo");
    assert!(run.status() == 0 && run.out().contains("inet 127.0.0.1"), "{}{}", run.out(), run.err());
}

#[test]
fn the_network_is_outbound() {
    let Some(around) = around() else { return };
    let mut uses = around.streams();
    uses.truncate(4);
    uses.extend(around.datagrams());
    works(&around.ground(), "outbound", &uses, &EVERYBODY, "network");
    let mut attacks = around.local();
    attacks.extend([said("listen 127.0.0.1 0"), said("listen ::1 0")]);
    prove_on(&around.ground(), "not outbound", &attacks, &EVERYBODY, "network", OPEN);
}

#[test]
fn a_port_of_the_rule_is_reached_and_no_other() {
    let Some(around) = around() else { return };
    let ([tcp, other_tcp], [udp, other_udp]) = (around.tcp, around.udp);
    let streams = ["tcp", "tcp-nonblock"].map(|way| (way, [format!("{way} 127.0.0.1 {tcp}"), format!("{way} 127.0.0.1 {other_tcp}")]));
    let datagrams = ["udp", "udp-sendmsg", "udp-sendmmsg", "udp-send", "udp-write", "udp-connect-sendmsg"]
        .map(|way| (way, [format!("{way} 127.0.0.1 {udp}"), format!("{way} 127.0.0.1 {other_udp}")]));
    let to = |words: &String| reaches(format!("{words} {{token}}"));
    let (to_tcp, to_other_tcp): (Vec<Attack>, Vec<Attack>) = streams.iter().map(|(_, [own, other])| (to(own), to(other))).unzip();
    let (to_udp, to_other_udp): (Vec<Attack>, Vec<Attack>) = datagrams.iter().map(|(_, [own, other])| (to(own), to(other))).unzip();
    let mut evasions: Vec<Attack> = ["fastopen", "fastopen-sendmsg", "fastopen-connect"]
        .iter()
        .map(|way| reaches(format!("{way} 127.0.0.1 {other_tcp} {{token}}")))
        .collect();
    evasions.extend([
        reaches(format!("tcp ::ffff:127.0.0.1 {other_tcp} {{token}}")),
        reaches(format!("tcp ::1 {} {{token}}", around.tcp6)),
        reaches(format!("mptcp 127.0.0.1 {other_tcp} {{token}}")).if_kernel(),
        reaches(format!("mptcp 127.0.0.1 {tcp} {{token}}")).if_kernel(),
        said("listen 127.0.0.1 0"),
        said("listen ::1 0"),
    ]);
    let ground = around.ground();
    for (base, racers) in [("inspect", &EVERYBODY[..]), ("network", &ACCOUNT_ONLY)] {
        let held = format!("{{ base: {base}, network: ['tcp:{tcp}'] }}");
        works(&ground, "the port", &to_tcp, &EVERYBODY, &held);
        prove_on(&ground, "other ports", &to_other_tcp, &EVERYBODY, &held, OPEN);
        prove_on(&ground, "datagrams", &[to_udp.clone(), to_other_udp.clone()].concat(), &ACCOUNT_ONLY, &held, OPEN);
        prove_on(&ground, "evasions", &evasions, &ACCOUNT_ONLY, &held, OPEN);
        // Nobody listens on the one that is allowed, so that whatever arrives has reached the other.
        let silent = format!("{{ base: {base}, network: ['tcp:1'] }}");
        let race = reaches(format!("race-tcp 127.0.0.1 1 {other_tcp} {{token}}")).control(format!("tcp 127.0.0.1 {other_tcp} {{token}}"));
        prove_on(&ground, "a race", &[race], racers, &silent, OPEN);

        let held = format!("{{ base: {base}, network: ['udp:{udp}'] }}");
        works(&ground, "the port", &to_udp, &EVERYBODY, &held);
        prove_on(&ground, "other ports", &to_other_udp, &EVERYBODY, &held, OPEN);
        prove_on(&ground, "streams", &[to_tcp.clone(), to_other_tcp.clone()].concat(), &ACCOUNT_ONLY, &held, OPEN);
        let swap = reaches(format!("race-socket {SOCKETS} 127.0.0.1 {other_udp} {{token}}"))
            .control(format!("udp 127.0.0.1 {other_udp} {{token}}"));
        prove_on(&ground, "a race of sockets", &[swap], racers, &held, OPEN);
        prove_on(&ground, "local sockets", &around.local(), &ACCOUNT_ONLY, &held, OPEN);
    }
    works(&ground, "both", &[to_udp, to_tcp].concat(), &ACCOUNT_ONLY, &format!("{{ base: inspect, network: ['{tcp}', '{udp}'] }}"));
}

#[test]
fn a_socket_of_the_rule_is_reached_and_no_other() {
    let Some(around) = around() else { return };
    let held = format!("{{ base: inspect, sockets: [{SOCKETS}/allow.sock] }}");
    let ground = around.ground();
    let uses = [
        reaches(format!("unix {SOCKETS}/allow.sock {{token}}")),
        reaches(format!("unix-below {SOCKETS} allow.sock {{token}}")),
        reaches("unix /run/second-door/to-allow {token}"),
        reaches(format!("unix {SOCKETS}/../sockets/allow.sock {{token}}")),
        reaches(format!("unix /var{SOCKETS}/allow.sock {{token}}")).if_kernel(),
    ];
    works(&ground, "the socket", &uses, &EVERYBODY, &held);
    prove_on(&ground, "other sockets", &around.local(), &EVERYBODY, &held, OPEN);
    prove_on(&ground, "networks", &[around.streams(), around.datagrams()].concat(), &ACCOUNT_ONLY, &held, OPEN);

    let below = [reaches(format!("unix {SOCKETS}/allow.sock {{token}}")), reaches(format!("unix {SOCKETS}/block.sock {{token}}"))];
    works(&ground, "sockets below a directory", &below, &EVERYBODY, &format!("{{ base: inspect, sockets: [{SOCKETS}] }}"));

    // Nobody listens on the one that is allowed, so that whatever arrives has reached the other.
    let silent = format!("{{ base: inspect, sockets: [{SOCKETS}/quiet.sock] }}");
    let race = reaches(format!("race-unix {SOCKETS}/quiet.sock {SOCKETS}/block.sock {{token}}"))
        .control(format!("unix {SOCKETS}/block.sock {{token}}"));
    prove_on(&ground, "a race", &[race], &EVERYBODY, &silent, OPEN);
}

#[test]
fn a_socket_sees_who_runs_the_command() {
    let Some(around) = around() else { return };
    let held = format!("{{ base: inspect, sockets: [{SOCKETS}/allow.sock] }}");
    for (user, expected) in [(User::Account, User::Account.uid()), (User::Lent, uid(LENT)), (User::Root, 0)] {
        let word = format!("hello-of-{user:?}");
        let uses = [said(format!("unix {SOCKETS}/allow.sock {word}"))];
        through(&Door::new(user, &held), &around.ground(), &uses, false);
        assert!(around.listeners.got(&format!("{word} uid={expected}\n")), "{user:?}");
    }
}
