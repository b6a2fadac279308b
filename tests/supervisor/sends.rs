use std::net::UdpSocket;
use std::os::fd::RawFd;
use std::time::Duration;

use postern::confine::Oversight;

use crate::acts::Say;
use crate::connections::{a_while, internet, port, rewriting, socket};
use crate::harness::{Act, Run, alone, is_root, skip, told};

const ASKED: [i64; 4] = [libc::SYS_connect, libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_sendmmsg];

fn message(name: &[u8], parts: &mut [libc::iovec], control: &[u8]) -> libc::msghdr {
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = name.as_ptr().cast_mut().cast();
    message.msg_namelen = name.len() as u32;
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len();
    message.msg_control = control.as_ptr().cast_mut().cast();
    message.msg_controllen = control.len();
    message
}

fn part(data: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() }
}

/// `HOW PORT` each, with a new socket.
pub fn send(words: &[String], say: Say<'_>) {
    for pair in words.chunks_exact(2) {
        let family = if pair[0].ends_with('6') { libc::AF_INET6 } else { libc::AF_INET };
        let (socket, address) = (socket(family, libc::SOCK_DGRAM), internet(family, port(&pair[1])));
        say(send_one(pair[0].trim_end_matches('6'), socket, &address));
    }
}

fn send_one(how: &str, socket: RawFd, address: &[u8]) -> String {
    let long = vec![0; 70_000];
    let sendto = |data: &[u8], flags: i32| {
        told(unsafe { libc::sendto(socket, data.as_ptr().cast(), data.len(), flags, address.as_ptr().cast(), address.len() as u32) } as i64)
    };
    match how {
        "sendto" => sendto(b"sendto", 0),
        "long" => sendto(&long, 0),
        "fast" => sendto(b"fast", libc::MSG_FASTOPEN),
        "connected" => {
            let connected = unsafe { libc::connect(socket, address.as_ptr().cast(), address.len() as u32) };
            if connected < 0 {
                return told(connected.into());
            }
            told(unsafe { libc::sendmsg(socket, &message(&[], &mut [part(b"conn"), part(b"ected")], &[]), 0) } as i64)
        }
        "sendmsg" => {
            told(unsafe { libc::sendmsg(socket, &message(address, &mut [part(b"send"), part(b""), part(b"msg")], &[]), 0) } as i64)
        }
        "control" => told(unsafe { libc::sendmsg(socket, &message(address, &mut [part(b"control")], &[0; 24]), 0) } as i64),
        _ => {
            let (mut one, mut two) = ([part(b"first")], [part(b"second!")]);
            let wrap = |msg_hdr| libc::mmsghdr { msg_hdr, msg_len: 77 };
            let mut both = [wrap(message(address, &mut one, &[])), wrap(message(address, &mut two, &[]))];
            let sent = unsafe { libc::sendmmsg(socket, both.as_mut_ptr(), 2, 0) };
            if sent < 0 { told(sent.into()) } else { format!("{sent}: {} {}", both[0].msg_len, both[1].msg_len) }
        }
    }
}

fn listener() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    (socket, port)
}

fn came(socket: &UdpSocket) -> Vec<String> {
    let mut room = [0; 256];
    let next = || socket.recv(&mut room).ok().map(|count| String::from_utf8_lossy(&room[..count]).into_owned());
    std::iter::from_fn(next).collect()
}

fn run(name: &str, words: &[&str], network: &[&str]) -> Run {
    let network = network.iter().map(|item| (*item).to_owned()).collect();
    Act::new(name, words, &ASKED, Oversight { network, ..Oversight::default() }).run()
}

#[test]
fn datagrams_go_to_the_ports_of_the_rule_and_no_others() {
    let _alone = alone();
    let ((open, a), (shut, b)) = (listener(), listener());
    let ways = ["sendto", "sendto6", "sendmsg", "connected", "sendmmsg", "control", "long", "fast"];
    let words: Vec<&str> = ways.iter().flat_map(|way| [*way, a.as_str()]).collect();
    let rule = format!("udp:{a}");
    let run_open = run("send", &words, &[&rule]);
    assert_eq!(run_open.lines, ["ok", "ok", "ok", "ok", "2: 5 7", "EINVAL", "EMSGSIZE", "EPERM"]);
    assert_eq!(came(&open), ["sendto", "sendto", "sendmsg", "connected", "first", "second!"]);
    let words: Vec<&str> = ways[..5].iter().flat_map(|way| [*way, b.as_str()]).collect();
    assert_eq!(Act::new("send", &words, &[], Oversight::default()).run().lines, ["ok", "ok", "ok", "ok", "2: 5 7"]);
    assert_eq!(came(&shut).len(), 6, "the control");
    assert_eq!(run("send", &words, &[&rule]).lines, ["EACCES"; 5]);
    assert_eq!(came(&shut), [""; 0]);
}

#[test]
fn where_a_rule_has_no_datagrams_sends_go_on() {
    let _alone = alone();
    assert_eq!(run("send along a pair", &[], &["tcp:9"]).lines, ["ok", "ok"], "descriptors and all");
    assert_eq!(run("send along a pair", &[], &["udp:9"]).lines, ["ok", "EINVAL"]);
}

/// A message, and one with a descriptor.
pub fn along_a_pair(_: &[String], say: Say<'_>) {
    let mut pair = [0; 2];
    unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) };
    say(told(unsafe { libc::sendmsg(pair[0], &message(&[], &mut [part(b"x")], &[]), 0) } as i64));
    let mut rights = [0_u8; 24];
    rights[..8].copy_from_slice(&20_usize.to_ne_bytes());
    rights[8..12].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
    rights[12..16].copy_from_slice(&libc::SCM_RIGHTS.to_ne_bytes());
    rights[16..20].copy_from_slice(&pair[1].to_ne_bytes());
    say(told(unsafe { libc::sendmsg(pair[0], &message(&[], &mut [part(b"x")], &rights), 0) } as i64));
}

/// `COUNT PORT`: so many datagrams, while a signal comes more often than they go.
pub fn under_a_timer(words: &[String], say: Say<'_>) {
    extern "C" fn nothing(_: libc::c_int) {}
    let (socket, address) = (socket(libc::AF_INET, libc::SOCK_DGRAM), internet(libc::AF_INET, port(&words[1])));
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    action.sa_flags = libc::SA_RESTART;
    let often = libc::timeval { tv_sec: 0, tv_usec: 700 };
    let timer = libc::itimerval { it_interval: often, it_value: often };
    unsafe { libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()) };
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
    let sent = (0..words[0].parse().unwrap())
        .filter(|_| unsafe { libc::sendto(socket, b"x".as_ptr().cast(), 1, 0, address.as_ptr().cast(), address.len() as u32) } == 1);
    say(sent.count().to_string());
}

/// A call that a signal interrupts is made again: the shell must not have made it by then.
#[test]
fn a_datagram_is_sent_once_whatever_signals_come() {
    let _alone = alone();
    let (socket, port) = listener();
    // As many as fit into the receiver's buffer, and some room for more.
    let run = run("send under a timer", &["200", &port], &[&format!("udp:{port}")]);
    let came = came(&socket).len();
    // WAIT_KILLABLE_RECV is there since Linux 5.19.
    let release = nix::sys::utsname::uname().unwrap().release().to_string_lossy().into_owned();
    let version: Vec<u32> = release.split(['.', '-']).map_while(|part| part.parse().ok()).collect();
    if version < vec![5, 19] {
        return skip("a signal doubles calls that are asked about: this kernel does not have WAIT_KILLABLE_RECV");
    }
    assert_eq!((run.lines, came), (vec!["200".to_owned()], 200));
}

/// Asks for the links, then takes one down, which needs a capability.
pub fn netlink(_: &[String], say: Say<'_>) {
    let socket = socket(libc::AF_NETLINK, libc::SOCK_RAW);
    let kernel = [libc::AF_NETLINK as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let request = |kind: u16, flags: u16, flags_of_link: u32, change: u32| {
        let mut bytes = 32_u32.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([0; 4]);
        bytes.extend(1_u32.to_ne_bytes());
        bytes.extend(flags_of_link.to_ne_bytes());
        bytes.extend(change.to_ne_bytes());
        bytes
    };
    let mut answer = |request: &[u8]| {
        let sent = unsafe { libc::sendto(socket, request.as_ptr().cast(), request.len(), 0, kernel.as_ptr().cast(), 12) };
        let mut room = [0_u8; 8192];
        let count = unsafe { libc::recv(socket, room.as_mut_ptr().cast(), room.len(), 0) };
        let kind = u16::from_ne_bytes(room[4..6].try_into().unwrap());
        let error = i32::from_ne_bytes(room[16..20].try_into().unwrap());
        say(format!("{} {kind} {}", sent == 32 && count > 16, if kind == 2 { error } else { 0 }));
    };
    answer(&request(libc::RTM_GETLINK, (libc::NLM_F_REQUEST) as u16, 0, 0));
    // Loopback, up as it is: no change even if it is let through.
    answer(&request(libc::RTM_NEWLINK, (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16, libc::IFF_UP as u32, libc::IFF_UP as u32));
}

#[test]
fn netlink_answers_and_lends_no_rights_of_the_shell() {
    let _alone = alone();
    let asked = ["true 16 0".to_owned(), format!("true 2 {}", -libc::EPERM)];
    assert_eq!(run("ask netlink", &[], &["udp:9"]).lines, asked, "the shell's ids, without its capabilities");
    if is_root() {
        assert_eq!(Act::new("ask netlink", &[], &[], Oversight::default()).run().lines, ["true 16 0", "true 2 0"], "the control");
        let oversight = Oversight { network: vec!["udp:9".to_owned()], ..Oversight::default() };
        assert_eq!(Act::new("ask netlink", &[], &ASKED, oversight).by_user().run().lines, asked);
    }
}

/// `A B`: sends to an address that changes between the two.
pub fn rewrite(words: &[String], say: Say<'_>) {
    let [one, other] = [&words[0], &words[1]].map(|word| internet(libc::AF_INET, port(word)));
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM);
    rewriting(&one, &other, |address| {
        for _ in a_while() {
            unsafe { libc::sendto(socket, b"x".as_ptr().cast(), 1, 0, address.cast(), 16) };
        }
    });
    say("done".to_owned());
}

#[test]
fn rewriting_the_address_while_it_is_judged_sends_nothing_elsewhere() {
    let _alone = alone();
    let ((open, a), (shut, b)) = (listener(), listener());
    Act::new("rewrite while sending", &[&a, &b], &[], Oversight::default()).run();
    assert!(!came(&open).is_empty() && !came(&shut).is_empty(), "the control");
    run("rewrite while sending", &[&a, &b], &[&format!("udp:{a}")]);
    assert!(!came(&open).is_empty());
    assert_eq!(came(&shut), [""; 0]);
}
