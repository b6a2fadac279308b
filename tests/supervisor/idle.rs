//! The socket that a command without a network gets for its ioctls: proof that it is good for nothing else.

use std::net::UdpSocket;
use std::os::fd::RawFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use postern::confine::Oversight;

use crate::acts::Say;
use crate::connections::{internet, port, socket};
use crate::harness::{Act, alone, skip, told};

fn set(socket: RawFd, level: i32, name: i32, value: &[u8]) -> i32 {
    unsafe { libc::setsockopt(socket, level, name, value.as_ptr().cast(), value.len() as u32) }
}

/// Every way out, with a new socket each; then every way in; then what it is for.
pub fn try_everything(words: &[String], say: Say<'_>) {
    let (family, port) = (words[0].parse().unwrap(), port(&words[1]));
    let address = internet(family, port);
    let fresh = || socket(family, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK);
    let length = address.len() as u32;
    let connect = |socket: RawFd| unsafe { libc::connect(socket, address.as_ptr().cast(), length) };
    let undo = |socket: RawFd| unsafe { libc::connect(socket, [0_u8; 28].as_ptr().cast(), length) };
    let to = |socket: RawFd, data: &[u8], flags: i32| unsafe {
        libc::sendto(socket, data.as_ptr().cast(), data.len(), flags | libc::MSG_NOSIGNAL, address.as_ptr().cast(), length) as i64
    };
    let send = |socket: RawFd, data: &[u8], flags: i32| unsafe {
        libc::send(socket, data.as_ptr().cast(), data.len(), flags | libc::MSG_NOSIGNAL) as i64
    };
    let mut part = libc::iovec { iov_base: b"out".as_ptr().cast_mut().cast(), iov_len: 3 };
    let mut many: libc::mmsghdr = unsafe { std::mem::zeroed() };
    many.msg_hdr.msg_name = address.as_ptr().cast_mut().cast();
    many.msg_hdr.msg_namelen = length;
    many.msg_hdr.msg_iov = &mut part;
    many.msg_hdr.msg_iovlen = 1;
    let one = 1_i32.to_ne_bytes();
    let mut way = |name: &str, result: i64| say(format!("{name}: {}", told(result)));

    way("sendto", to(fresh(), b"out", 0));
    way("more", to(fresh(), b"out", libc::MSG_MORE));
    way("nothing", to(fresh(), b"", 0));
    way("confirm", to(fresh(), b"out", libc::MSG_CONFIRM | libc::MSG_DONTROUTE));
    way("sendmsg", unsafe { libc::sendmsg(fresh(), &many.msg_hdr, libc::MSG_NOSIGNAL) } as i64);
    way("sendmmsg", unsafe { libc::sendmmsg(fresh(), &mut many, 1, libc::MSG_NOSIGNAL as _) }.into());
    let connected = fresh();
    connect(connected);
    way("send", send(connected, b"out", 0));
    way("write", unsafe { libc::write(connected, b"out".as_ptr().cast(), 3) } as i64);
    way("writev", unsafe { libc::writev(connected, &part, 1) } as i64);
    set(connected, libc::SOL_SOCKET, libc::SO_ZEROCOPY, &one);
    way("zero copy", send(connected, &[0; 5000], libc::MSG_ZEROCOPY));
    set(connected, libc::SOL_UDP, libc::UDP_CORK, &one);
    way("corked", send(connected, b"out", 0));
    set(connected, libc::SOL_UDP, libc::UDP_CORK, &[0; 4]);
    set(connected, libc::SOL_UDP, libc::UDP_SEGMENT, &1000_i32.to_ne_bytes());
    way("segments", send(connected, &[0; 3000], 0));
    set(connected, libc::SOL_UDP, libc::UDP_SEGMENT, &[0; 4]);
    let mut pipe = [0; 2];
    unsafe { libc::pipe(pipe.as_mut_ptr()) };
    unsafe { libc::write(pipe[1], b"out".as_ptr().cast(), 3) };
    let null = std::ptr::null_mut();
    way("splice", unsafe { libc::splice(pipe[0], null, connected, null, 3, 0) } as i64);
    let file = unsafe { libc::open(c"/etc/passwd".as_ptr(), libc::O_RDONLY) };
    way("sendfile", unsafe { libc::sendfile(connected, file, std::ptr::null_mut(), 3) } as i64);
    undo(connected);
    way("disconnected", to(connected, b"out", 0));
    connect(connected);
    way("connected again", send(connected, b"out", 0));
    let errors = fresh();
    set(errors, libc::SOL_IP, libc::IP_RECVERR, &one);
    way("with errors", to(errors, b"out", 0));
    way("from the error queue", unsafe { libc::recv(errors, [0_u8; 64].as_mut_ptr().cast(), 64, libc::MSG_ERRQUEUE) } as i64);
    let bound = fresh();
    way("bind", unsafe { libc::bind(bound, internet(family, 0).as_ptr().cast(), length) }.into());
    undo(bound);
    way("bind behind a disconnect", unsafe { libc::bind(bound, internet(family, 0).as_ptr().cast(), length) }.into());
    way("listen", unsafe { libc::listen(bound, 1) }.into());
    way("unlock", set(bound, libc::SOL_SOCKET, libc::SO_LOCK_FILTER, &[0; 4]).into());
    way("detach", set(bound, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &[0; 4]).into());
    // Something comes to its own port, and to a group that it joins.
    let mut own = [0_u8; 28];
    let mut size = 28;
    unsafe { libc::getsockname(bound, own.as_mut_ptr().cast(), &mut size) };
    set(bound, libc::SOL_IP, libc::IP_ADD_MEMBERSHIP, &[224, 0, 0, 251, 127, 0, 0, 1]);
    // While it sleeps, the test sends to all that is bound.
    std::thread::sleep(Duration::from_millis(200));
    let mut waits = 0_i32;
    unsafe { libc::ioctl(bound, libc::FIONREAD, &mut waits) };
    let received = unsafe { libc::recv(bound, [0_u8; 64].as_mut_ptr().cast(), 64, 0) };
    say(format!("{received} received, {waits} waiting, bound {}", own[2..4] != [0, 0]));
    serve(family, fresh(), say);
}

/// What it is for.
fn serve(family: i32, socket: RawFd, say: Say<'_>) {
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    for (name, number) in [("SIOCGIFFLAGS", 0x8913_u64), ("SIOCGIFADDR", 0x8915), ("SIOCGIFINDEX", 0x8933)] {
        let skipped = family == libc::AF_INET6 && name == "SIOCGIFADDR";
        let result = unsafe { libc::ioctl(socket, number as _, request.as_mut_ptr()) };
        say(format!("{name}: {}", if skipped { "ok".to_owned() } else { told(result.into()) }));
    }
    // ETHTOOL_GDRVINFO of the loopback interface, which has none: the driver was asked.
    let mut info = [0_u8; 256];
    info[0] = 3;
    request[16..24].copy_from_slice(&(info.as_mut_ptr() as u64).to_ne_bytes());
    let asked = unsafe { libc::ioctl(socket, 0x8946, request.as_mut_ptr()) };
    say(format!("SIOCETHTOOL: {}", asked == 0 || nix::errno::Errno::last() == nix::errno::Errno::EOPNOTSUPP));
    for program in ["ifconfig", "ethtool"] {
        let output = Command::new(program).args(["lo"]).stderr(Stdio::null()).output();
        match output {
            Ok(output) => say(format!("{program}: {}", String::from_utf8_lossy(&output.stdout).lines().count() > 1)),
            Err(_) => say(format!("{program}: not here")),
        }
    }
}

/// Sends to every datagram socket of the loopback interface but one, all the time.
struct Flood(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Flood {
    fn new(spared: u16) -> Flood {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let spared = [spared, socket.local_addr().unwrap().port()];
        let flood = move || {
            while !stopped.load(Ordering::Relaxed) {
                let lists = ["udp", "udp6"].map(|name| std::fs::read_to_string(format!("/proc/net/{name}")).unwrap());
                let local = lists.iter().flat_map(|list| list.lines()).filter_map(|line| line.split_whitespace().nth(1)?.split_once(':'));
                for (_, port) in local.filter(|(address, _)| address.ends_with("0100007F")) {
                    let port = u16::from_str_radix(port, 16).unwrap();
                    if !spared.contains(&port) {
                        let _ = socket.send_to(b"in", ("127.0.0.1", port));
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        Flood(stop, Some(std::thread::spawn(flood)))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().unwrap().join().unwrap();
    }
}

#[test]
fn an_idle_socket_answers_ioctls_and_neither_sends_nor_receives() {
    let _alone = alone();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let shut = UdpSocket::bind("127.0.0.1:0").unwrap();
        shut.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let words = [family.to_string(), shut.local_addr().unwrap().port().to_string()];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let came = || shut.recv(&mut [0; 8192]).is_ok();
        let _flood = Flood::new(shut.local_addr().unwrap().port());
        let control = Act::new("idle", &words, &[], Oversight::default()).run();
        let ways_out = control.lines.iter().position(|line| line.starts_with("from the error queue")).unwrap();
        assert!(control.lines[..ways_out].iter().all(|line| line.ends_with(": ok")), "the control: {:?}", control.lines);
        assert!(control.lines.iter().any(|line| line == "2 received, 2 waiting, bound true"), "{:?}", control.lines);
        assert!(came());
        while came() {}
        // With and without connections being asked about.
        for asked in [&[libc::SYS_socket][..], &[libc::SYS_socket, libc::SYS_connect]] {
            let run = Act::new("idle", &words, asked, Oversight::default()).run();
            for line in &run.lines[..ways_out] {
                assert!(line.ends_with(": EPIPE") || line.ends_with(": EDESTADDRREQ") || line.ends_with(": ENOTCONN"), "{line}");
            }
            let rest: Vec<&str> = run.lines[ways_out..].iter().map(String::as_str).collect();
            let expected = [
                "from the error queue: EAGAIN",
                "bind: EINVAL",
                "bind behind a disconnect: EINVAL",
                "listen: EOPNOTSUPP",
                "unlock: EPERM",
                "detach: EPERM",
                "-1 received, 0 waiting, bound true",
                "SIOCGIFFLAGS: ok",
                "SIOCGIFADDR: ok",
                "SIOCGIFINDEX: ok",
                "SIOCETHTOOL: true",
            ];
            assert_eq!(rest[..expected.len()], expected);
            for line in &rest[expected.len()..] {
                match line.split_once(": ").unwrap() {
                    (program, "not here") => skip(&format!("{program} is not installed")),
                    (_, result) => assert_eq!(result, "true", "{line}"),
                }
            }
            assert!(!came(), "nothing came");
        }
    }
}
