//! Doors beside the door: what sshd forwards without starting the login shell at all.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::host::{Account, Sshd, host};
use super::process::{Running, must, run};
use super::sandbox::{ROOT, await_that};
use super::snippet::{Loot, only_without_the_snippet};

/// A TCP server that says a word to whoever connects.
fn greeter() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"reached");
        }
    });
    port
}

/// Whether the greeter answers behind a port of ours, after `request` was sent there.
fn answers(port: u16, request: &[u8]) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer.ends_with(b"reached")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_connection_through_sshd_is_closed() {
    let target = greeter();
    only_without_the_snippet("forward-stdio", None, |sshd, account| {
        let finished = run(&mut sshd.ssh(account, &["-W", &format!("127.0.0.1:{target}")]), b"");
        Loot::of(finished.out() == "reached", &finished)
    });
}

/// Starts a client that forwards, waits until it says one of `ready`, and tries the port.
fn forward(sshd: &Sshd, account: &Account, flag: &str, spec: &str, ready: &[&str], attempt: impl FnOnce() -> bool) -> Loot {
    let mut ssh = Running::start(&mut sshd.ssh(account, &["-v", "-N", flag, spec]));
    ssh.expect_error(ready);
    let won = attempt();
    ssh.kill();
    Loot { won, shown: ssh.finish().err() }
}

/// What the client says once it listens itself, and once it knows whether the server does.
const LISTENING: [&str; 1] = ["Entering interactive session"];
const ANSWERED: [&str; 2] = ["remote forward success", "remote port forwarding failed"];

#[test]
fn forwarded_ports_are_closed() {
    if host().is_none() {
        return;
    }
    let target = greeter();
    only_without_the_snippet("forward-local", None, |sshd, account| {
        let port = free_port();
        forward(sshd, account, "-L", &format!("{port}:127.0.0.1:{target}"), &LISTENING, || answers(port, b""))
    });
    only_without_the_snippet("forward-remote", None, |sshd, account| {
        let port = free_port();
        forward(sshd, account, "-R", &format!("{port}:127.0.0.1:{target}"), &ANSWERED, || answers(port, b""))
    });
    only_without_the_snippet("forward-dynamic", None, |sshd, account| {
        let port = free_port();
        // SOCKS version 4: connect to 127.0.0.1:target, no user name. The answer is 8 bytes, and then the stream.
        let request = [&[4, 1][..], &target.to_be_bytes(), &[127, 0, 0, 1, 0]].concat();
        forward(sshd, account, "-D", &port.to_string(), &LISTENING, || answers(port, &request))
    });
}

#[test]
fn forwarded_sockets_are_closed() {
    let target = greeter();
    only_without_the_snippet("forward-socket", None, |sshd, account| {
        let socket = account.home.join("socket");
        forward(sshd, account, "-R", &format!("{}:127.0.0.1:{target}", socket.display()), &ANSWERED, || socket.exists())
    });
}

#[test]
fn agent_forwarding_is_closed() {
    only_without_the_snippet("agent", None, |sshd, account| {
        let agent = PathBuf::from(ROOT).join(format!("agent-{}", account.name));
        let mut serve = Running::start(Command::new("ssh-agent").arg("-D").arg("-a").arg(&agent));
        await_that(|| "the agent's socket", || agent.exists());
        let mut ssh = Running::start(sshd.ssh(account, &["-A", "-T"]).env("SSH_AUTH_SOCK", &agent).arg("sleep 30"));
        await_that(|| "the command", || account.processes().iter().any(|process| process.contains("sleep")));
        let won = forwarded_agent(&account.name);
        ssh.kill();
        serve.kill();
        Loot { won, shown: ssh.finish().err() }
    });
}

/// Whether sshd made a socket for the account's agent; it lies in /tmp/ssh-XXXXXXXXXX/agent.PID.
fn forwarded_agent(account: &str) -> bool {
    let mut find = Command::new("find");
    find.args(["/tmp", "-maxdepth", "2", "-path", "/tmp/ssh-*/agent.*", "-type", "s", "-user", account]);
    !run(&mut find, b"").out().is_empty()
}

#[test]
fn x11_forwarding_is_closed() {
    only_without_the_snippet("x11", None, |sshd, account| {
        let mut ssh = sshd.ssh(account, &["-Y", "-T"]);
        let authority = PathBuf::from(ROOT).join("xauthority");
        must(Command::new("xauth").arg("-f").arg(&authority).args(["add", ":99", ".", "00112233445566778899aabbccddeeff"]));
        let mut ssh = Running::start(ssh.env("DISPLAY", ":99").env("XAUTHORITY", &authority).arg("sleep 30"));
        await_that(|| "the command", || account.processes().iter().any(|process| process.contains("sleep")));
        let won = listens_for_x11(&account.name);
        ssh.kill();
        Loot { won, shown: ssh.finish().err() }
    });
}

/// Whether a process of the account listens on a TCP port: nothing but sshd's X11 display does here.
fn listens_for_x11(account: &str) -> bool {
    let uid = run(Command::new("id").args(["-u", account]), b"").out();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    // proc_pid_net(5): column 4 is the state (0A: listening), column 8 the uid.
    let columns = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    columns.into_iter().any(|columns| columns.get(3) == Some(&"0A") && columns.get(7) == Some(&uid.trim()))
}
