//! Commands that reach one socket and one port, which the guard connects for them, in both installs, and as another user.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

use crate::process::must;
use crate::world::{Install, PORT, SOCKET, World, of, world};

/// Answers whoever connects.
fn answer() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let (local, other) = (UnixListener::bind(SOCKET).unwrap(), UnixListener::bind(format!("{SOCKET}.other")).unwrap());
        must(Command::new("chmod").args(["666", SOCKET, &format!("{SOCKET}.other")]));
        let ports = [PORT, PORT + 1].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        thread::spawn(move || local.incoming().for_each(|client| drop(client.unwrap().write_all(b"local"))));
        thread::spawn(move || other.incoming().for_each(|client| drop(client.unwrap().write_all(b"other"))));
        for port in ports {
            thread::spawn(move || port.incoming().for_each(|client| drop(client.unwrap().write_all(b"port"))));
        }
    });
}

/// What a command heard, of its socket and its port, and of others.
fn heard(world: &World, options: &str) -> Vec<String> {
    let local = |path: &str| format!("IO::Socket::UNIX->new(Peer => '{path}')");
    let port = |port: u16| format!("IO::Socket::INET->new('127.0.0.1:{port}')");
    [local(SOCKET), port(PORT), local(&format!("{SOCKET}.other")), port(PORT + 1)]
        .iter()
        .map(|socket| {
            let code = format!("my $s = {socket} or die qq(no: $!); print <$s>");
            let finished = world.line(&format!("perl -MIO::Socket {options} -e \"{}\"", code.replace('$', "\\$")));
            let records = world.session(None);
            assert_eq!(of(&records, "command.start").len(), 1, "{}", finished.err());
            if finished.status == 0 { finished.out() } else { finished.err() }
        })
        .collect()
}

#[test]
fn a_command_reaches_its_socket_and_its_port_and_no_other() {
    for (install, options) in [(Install::Root, ""), (Install::Root, "-w"), (Install::Postern, "")] {
        let Some(world) = world(install) else { return };
        answer();
        let heard = heard(&world, options);
        assert_eq!(heard[..2], ["local", "port"], "{install:?} {options}: {heard:?}");
        assert!(heard[2..].iter().all(|error| error.contains("Permission denied")), "{install:?} {options}: {heard:?}");
    }
}
