use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use postern::confine::Oversight;

use crate::acts::Say;
use crate::harness::{Act, Run, Scratch, UID, alone, is_root, skip, told};

pub const CONNECT: [i64; 1] = [libc::SYS_connect];

/// An address of the loopback interface: of AF_INET, or the same as one of AF_INET6.
pub fn internet(family: i32, port: u16) -> Vec<u8> {
    let mut bytes = (family as u16).to_ne_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    match family {
        libc::AF_INET6 => {
            bytes.extend([0; 14]);
            bytes.extend([0xff, 0xff, 127, 0, 0, 1, 0, 0, 0, 0]);
        }
        _ => bytes.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    }
    bytes
}

fn local(path: &str) -> Vec<u8> {
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    bytes.extend(path.replace('@', "\0").bytes());
    bytes.push(0);
    bytes
}

pub fn socket(family: i32, kind: i32) -> RawFd {
    unsafe { libc::socket(family, kind, 0) }
}

fn call(socket: RawFd, address: &[u8]) -> String {
    told(i64::from(unsafe { libc::connect(socket, address.as_ptr().cast(), address.len() as u32) }))
}

pub fn port(word: &str) -> u16 {
    word.parse().unwrap()
}

/// `tcp4 PORT`, `udp6 PORT`, … each with a new socket.
pub fn connect(words: &[String], say: Say<'_>) {
    for pair in words.chunks_exact(2) {
        let family = if pair[0].ends_with('6') { libc::AF_INET6 } else { libc::AF_INET };
        let kind = if pair[0].starts_with("tcp") { libc::SOCK_STREAM } else { libc::SOCK_DGRAM };
        say(call(socket(family, kind), &internet(family, port(&pair[1]))));
    }
}

fn network(items: &[String]) -> Oversight {
    Oversight { network: items.to_vec(), ..Oversight::default() }
}

fn run(name: &str, words: &[&str], oversight: Oversight) -> Run {
    Act::new(name, words, &CONNECT, oversight).run()
}

#[test]
fn ports_of_the_rule_are_reached_and_no_others() {
    let _alone = alone();
    let (open, shut) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let [a, b] = [&open, &shut].map(|listener| listener.local_addr().unwrap().port().to_string());
    let words = ["tcp4", &a, "tcp6", &a, "tcp4", &b, "tcp6", &b, "udp4", &a, "udp4", &b, "tcp4", "53", "udp6", "53"];
    let control = Act::new("connect", &words[..8], &[], Oversight::default()).run();
    assert_eq!(control.lines, ["ok"; 4]);
    shut.set_nonblocking(true).unwrap();
    (0..2).for_each(|_| drop(shut.accept().unwrap()));
    let rule = network(&[format!("tcp:{a}"), "udp:53".to_owned()]);
    let expected = ["ok", "ok", "EACCES", "EACCES", "EACCES", "EACCES", "EACCES", "ok"];
    assert_eq!(run("connect", &words, rule).lines, expected);
    assert!(shut.accept().is_err(), "nobody came");
    assert_eq!(run("connect", &words[..8], network(&[])).lines, ["ok"; 4], "no ports are any port");
    assert_eq!(run("connect", &["tcp4", &a, "udp4", &a], network(std::slice::from_ref(&a))).lines, ["ok", "ok"], "a bare port is both");
}

/// As event loops connect; and undone.
pub fn connect_and_wait(words: &[String], say: Say<'_>) {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
    let address = internet(libc::AF_INET, port(&words[0]));
    let first = call(socket, &address);
    assert!(["ok", "EINPROGRESS"].contains(&&*first), "{first}");
    let mut set = libc::pollfd { fd: socket, events: libc::POLLOUT, revents: 0 };
    unsafe { libc::poll(&mut set, 1, 5000) };
    say(call(socket, &address));
    let flags = unsafe { libc::fcntl(socket, libc::F_GETFL) };
    say(if flags & libc::O_NONBLOCK != 0 { "its flags are its own" } else { "changed" }.to_owned());
    say(call(socket, &[0; 16]));
}

#[test]
fn a_socket_that_does_not_wait_is_not_made_to() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let lines = run("connect and wait", &[&port], network(&[format!("tcp:{port}")])).lines;
    assert!(["ok", "EISCONN"].contains(&&*lines[0]), "{lines:?}");
    assert_eq!(lines[1..], ["its flags are its own", "ok"]);
}

pub fn refused_then_again(words: &[String], say: Say<'_>) {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM);
    words.iter().for_each(|word| say(call(socket, &internet(libc::AF_INET, port(word)))));
}

#[test]
fn a_refused_connection_can_be_tried_again_with_the_same_socket() {
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap().port().to_string();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let rule = network(&[there.clone(), gone.clone()]);
    assert_eq!(run("refused, then again", &[&gone, &there, &there], rule).lines, ["ECONNREFUSED", "ok", "EISCONN"]);
}

/// Stream sockets to each path, `@` for the abstract ones.
pub fn to_paths(words: &[String], say: Say<'_>) {
    for word in words {
        say(call(socket(libc::AF_UNIX, libc::SOCK_STREAM), &local(word)));
    }
}

#[test]
fn local_sockets_of_the_rule_are_reached_by_what_they_are() {
    let _alone = alone();
    let scratch = Scratch::new();
    let bind = |name: &str| {
        let listener = UnixListener::bind(scratch.path(name)).unwrap();
        fs::set_permissions(scratch.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        listener
    };
    fs::create_dir(scratch.path("below")).unwrap();
    let (open, _below, shut) = (bind("open"), bind("below/socket"), bind("shut"));
    fs::write(scratch.path("below/file"), "").unwrap();
    symlink(scratch.path("open"), scratch.path("to-open")).unwrap();
    symlink(scratch.path("shut"), scratch.path("below/to-shut")).unwrap();
    symlink(&scratch.0, scratch.path("alias")).unwrap();
    let abstract_name = format!("@postern-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&abstract_name[1..]).unwrap();
    let _abstract = UnixListener::bind_addr(&address).unwrap();
    let relative = format!("../..{}", scratch.path("open"));
    let words = [
        (scratch.path("open"), "ok"),
        (scratch.path("to-open"), "ok"),
        (scratch.path("below/socket"), "ok"),
        (scratch.path("below/../alias/open"), "ok"),
        (relative, "ok"),
        (scratch.path("shut"), "EACCES"),
        (scratch.path("below/to-shut"), "EACCES"),
        (scratch.path("below/file"), "ECONNREFUSED"),
        (scratch.path("none"), "ENOENT"),
        (format!("{}x", scratch.path("open")), "ENOENT"),
        (abstract_name, "EACCES"),
    ];
    let paths: Vec<&str> = words.iter().map(|(path, _)| path.as_str()).collect();
    let control = Act::new("connect to a path", &[paths[5], paths[6]], &[], Oversight::default()).run();
    assert_eq!(control.lines, ["ok", "ok"]);
    shut.set_nonblocking(true).unwrap();
    while shut.accept().is_ok() {}
    // Through another name, as policies write /var/run for /run; that must be root's.
    let by_name = scratch.path(if is_root() { "alias/open" } else { "open" });
    let oversight = Oversight { sockets: vec![by_name, scratch.path("below")], ..Oversight::default() };
    let got = run("connect to a path", &paths, oversight.clone()).lines;
    for ((path, expected), got) in words.iter().zip(&got) {
        assert_eq!(got, expected, "{path}");
    }
    assert!(shut.accept().is_err(), "nobody came");
    assert_eq!(run("connect to a path", &paths[..1], Oversight::default()).lines, ["EACCES"], "no sockets in the rule");
    if is_root() {
        open.set_nonblocking(true).unwrap();
        while open.accept().is_ok() {}
        assert_eq!(Act::new("connect to a path", &paths[..1], &CONNECT, oversight.clone()).by_user().run().lines, ["ok"]);
        let credentials = getsockopt(&open.accept().unwrap().0, PeerCredentials).unwrap();
        assert_eq!((credentials.uid(), credentials.gid()), (UID, UID), "the peer sees the command's user");
        fs::set_permissions(scratch.path("open"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let lines = Act::new("connect to a path", &paths[..1], &CONNECT, oversight).by_user().run().lines;
        assert_eq!(lines, ["EACCES"], "the shell's own rights are not lent");
    }
}

#[test]
fn a_link_of_the_commands_own_in_the_place_of_a_socket_leads_nowhere() {
    if !is_root() {
        return skip("needs root");
    }
    let _alone = alone();
    let scratch = Scratch::new();
    let _other = UnixListener::bind(scratch.path("other")).unwrap();
    fs::set_permissions(scratch.path("other"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let link = scratch.path("app.sock");
    symlink("/", &link).unwrap();
    let (other, through) = (scratch.path("other"), format!("{link}{}", scratch.path("other")));
    let attempt = || {
        let oversight = Oversight { sockets: vec![link.clone()], ..Oversight::default() };
        Act::new("connect to a path", &[&other, &through], &CONNECT, oversight).by_user().run().lines
    };
    assert_eq!(attempt(), ["ok", "ok"], "the control: root says where it leads");
    std::os::unix::fs::lchown(&link, Some(UID), Some(UID)).unwrap();
    assert_eq!(attempt(), ["EACCES", "EACCES"]);
}

static STOP: AtomicBool = AtomicBool::new(false);

/// As many rounds as a race takes: a few hundred, and a few hundred milliseconds at least.
pub fn a_while() -> impl Iterator<Item = u32> {
    let end = std::time::Instant::now() + Duration::from_millis(300);
    (0..).take_while(move |round| *round < 300 || std::time::Instant::now() < end)
}

/// Runs `attack` while another thread writes the one and the other in turn to the same memory.
pub fn rewriting(one: &[u8], other: &[u8], attack: impl FnOnce(*const u8)) {
    let mut memory = one.to_vec().into_boxed_slice();
    let place = memory.as_mut_ptr() as usize;
    let (one, other) = (one.to_vec(), other.to_vec());
    let length = one.len().min(other.len());
    let writer = std::thread::spawn(move || {
        while !STOP.load(Ordering::Relaxed) {
            for text in [&other, &one] {
                unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), place as *mut u8, length) };
                (0..50).for_each(|_| std::hint::spin_loop());
            }
        }
    });
    attack(place as *const u8);
    STOP.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

/// `port A B` or `path A B`: the address changes between the two all the time.
pub fn rewrite(words: &[String], say: Say<'_>) {
    let (family, [one, other]) = match words[0].as_str() {
        "port" => (libc::AF_INET, [&words[1], &words[2]].map(|word| internet(libc::AF_INET, port(word)))),
        _ => (libc::AF_UNIX, [&words[1], &words[2]].map(|word| local(word))),
    };
    let mut connected = 0;
    rewriting(&one, &other, |address| {
        for _ in 0..300 {
            let socket = socket(family, libc::SOCK_STREAM);
            connected += i32::from(unsafe { libc::connect(socket, address.cast(), one.len() as u32) } == 0);
            unsafe { libc::close(socket) };
        }
    });
    say(format!("{}", connected > 0));
}

#[test]
fn rewriting_the_address_while_it_is_judged_reaches_nothing_else() {
    let _alone = alone();
    let (open, shut) = (Door::new(), Door::new());
    Act::new("rewrite while connecting", &["port", &open.port, &shut.port], &[], Oversight::default()).run();
    assert!(open.came() > 0 && shut.came() > 0, "the control reaches both");
    let rule = network(&[format!("tcp:{}", open.port)]);
    let run = run("rewrite while connecting", &["port", &open.port, &shut.port], rule);
    assert_eq!(run.lines, ["true"]);
    assert!(open.came() > 0, "it came through in between");
    assert_eq!(shut.came(), 0);
}

/// A listener that takes all who come, so that its backlog never fills.
struct Door {
    port: String,
    came: Arc<AtomicUsize>,
}

impl Door {
    fn new() -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Door { port: listener.local_addr().unwrap().port().to_string(), came: Arc::default() };
        let came = Arc::clone(&door.came);
        std::thread::spawn(move || listener.incoming().for_each(|_| _ = came.fetch_add(1, Ordering::Relaxed)));
        door
    }

    /// How many have come since it was last asked.
    fn came(&self) -> usize {
        std::thread::sleep(Duration::from_millis(50));
        self.came.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn rewriting_a_path_or_a_link_while_it_is_judged_reaches_nothing_else() {
    let _alone = alone();
    let scratch = Scratch::new();
    let (_open, shut) = (UnixListener::bind(scratch.path("open")).unwrap(), UnixListener::bind(scratch.path("shut")).unwrap());
    shut.set_nonblocking(true).unwrap();
    let count = || std::iter::from_fn(|| shut.accept().ok()).count();
    let oversight = || Oversight { sockets: vec![scratch.path("open")], ..Oversight::default() };
    let words = ["path", &scratch.path("open"), &scratch.path("shut")];
    let mut control = 0;
    // The backlog is short, and nobody takes from it meanwhile.
    Act::new("connect to a path", &words[2..], &[], Oversight::default()).run();
    control += count();
    assert!(control > 0);
    let _ = run("rewrite while connecting", &words, oversight());
    assert_eq!(count(), 0);
    // A link that is turned round by somebody outside.
    let (link, spare) = (scratch.path("link"), scratch.path("spare"));
    let turner = std::thread::spawn(move || {
        for turn in 0..20_000 {
            symlink(if turn % 2 == 0 { "open" } else { "shut" }, &spare).unwrap();
            fs::rename(&spare, &link).unwrap();
        }
    });
    let link = scratch.path("link");
    run("connect to a path", &vec![link.as_str(); 200], oversight());
    turner.join().unwrap();
    assert_eq!(count(), 0);
}

/// Puts a datagram socket in the place of a stream while a message to port B is judged.
pub fn swap(words: &[String], say: Say<'_>) {
    let place = socket(libc::AF_INET, libc::SOCK_STREAM);
    let [stream, datagram] = [libc::SOCK_STREAM, libc::SOCK_DGRAM].map(|kind| socket(libc::AF_INET, kind));
    std::thread::spawn(move || {
        while !STOP.load(Ordering::Relaxed) {
            unsafe { libc::dup2(datagram, place) };
            unsafe { libc::dup2(stream, place) };
        }
    });
    let address = internet(libc::AF_INET, port(&words[0]));
    for _ in a_while() {
        unsafe { libc::sendto(place, b"out".as_ptr().cast(), 3, libc::MSG_NOSIGNAL, address.as_ptr().cast(), 16) };
    }
    STOP.store(true, Ordering::Relaxed);
    say("done".to_owned());
}

#[test]
fn swapping_the_socket_while_it_is_judged_sends_nothing() {
    let _alone = alone();
    let shut = UdpSocket::bind("127.0.0.1:0").unwrap();
    shut.set_nonblocking(true).unwrap();
    let port = shut.local_addr().unwrap().port().to_string();
    let came = || shut.recv(&mut [0; 8]).is_ok();
    Act::new("swap the socket", &[&port], &[], Oversight::default()).run();
    assert!(came(), "the control");
    while came() {}
    Act::new("swap the socket", &[&port], &[libc::SYS_sendto], network(&["9".to_owned()])).run();
    assert!(!came());
}

/// Connects where nobody answers, from a hundred threads; meanwhile others are served.
pub fn hang(words: &[String], say: Say<'_>) {
    for _ in 0..100 {
        let address = internet(libc::AF_INET, port(&words[0]));
        std::thread::spawn(move || call(socket(libc::AF_INET, libc::SOCK_STREAM), &address));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let address = internet(libc::AF_INET, port(&words[1]));
    say(call(socket(libc::AF_INET, libc::SOCK_STREAM), &address));
    let mut text = String::new();
    fs::File::open("/proc/self/status").unwrap().read_to_string(&mut text).unwrap();
    say(text.lines().find_map(|line| line.strip_prefix("Threads:\t")).unwrap().to_owned());
}

#[test]
fn connections_that_hang_hold_up_neither_the_shell_nor_its_end() {
    let _alone = alone();
    // A full backlog: the kernel leaves the next ones without an answer.
    let full = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    nix::sys::socket::bind(full.as_raw_fd(), &nix::sys::socket::SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    unsafe { libc::listen(full.as_raw_fd(), 0) };
    let address: nix::sys::socket::SockaddrIn = nix::sys::socket::getsockname(full.as_raw_fd()).unwrap();
    let port = address.port().to_string();
    let _filler = std::net::TcpStream::connect(("127.0.0.1", address.port())).unwrap();
    let begin = std::time::Instant::now();
    let run = run("hang", &[&port, "1"], network(&[format!("tcp:{port}")]));
    assert_eq!(run.lines[0], "EACCES", "the next call is judged");
    let waiting: i32 = run.lines[1].parse().unwrap();
    assert!((64..=66).contains(&waiting), "as many wait as there may be deputies, the others were told: {waiting}");
    assert!(begin.elapsed().as_secs() < 10 && run.longest.as_millis() < 500, "{:?} {:?}", begin.elapsed(), run.longest);
}

#[test]
#[ignore = "a measurement: cargo test --release --test supervisor -- --ignored --nocapture the_cost"]
fn the_cost_of_a_connection() {
    let _alone = alone();
    let door = Door::new();
    let words = vec![door.port.as_str(); 500];
    let time = |asked, oversight| {
        let begin = std::time::Instant::now();
        Act::new("refused, then again", &words, asked, oversight).run();
        begin.elapsed()
    };
    let control = time(&[], Oversight::default());
    let asked = time(&CONNECT, network(std::slice::from_ref(&door.port)));
    skip(&format!("not a proof, a number: {:?} a connection", asked.saturating_sub(control) / 500));
}
