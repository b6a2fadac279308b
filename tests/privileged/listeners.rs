//! Rules whose filter asks the shell (`sockets`, `exec`, a number of processes), for root, for another user and for the account: the shell
//! answers with root's rights, and what it does for a command it does as that command's user.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::thread;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::host::host;
use super::process::run;

pub const POLICY: &str = "\
postern: 1
accounts: [wide]
confinements:
  asks: { base: inspect, sockets: [/run/postern-test/closed], exec: [/usr/bin/id, /usr/bin/stat], limits: { processes: 64 } }
allow:
  - { run: 'perl -e <code:text> [<what:text>...]', as: root, confine: asks }
  - { run: 'perl -we <code:text> [<what:text>...]', as: postgres, confine: asks }
  - { run: 'perl -le <code:text> [<what:text>...]', confine: asks }
  - { run: 'readlink <path>', as: postgres, confine: { processes: look } }
  - { run: 'readlink -f <path>', as: root, confine: { processes: look } }
  - { run: 'readlink -n <path>', confine: { processes: look } }
";

const START: &str = "exec { $ARGV[0] } $ARGV[0], @ARGV[1 .. $#ARGV] or print qq(no $!\\n)";
const CONNECT: &str = "use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0); print connect(S, sockaddr_un($ARGV[0])) ? qq(in\\n) : qq(no $!\\n)";

/// A listener for whom the modes of the directory above it let through; the user of each who comes.
fn listen(path: &str) -> thread::JoinHandle<u32> {
    let listener = UnixListener::bind(path).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o666)).unwrap();
    thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let _ = connection.read(&mut [0]);
        getsockopt(&connection, PeerCredentials).unwrap().uid()
    })
}

fn uid(user: &str) -> u32 {
    run(std::process::Command::new("id").args(["-u", user]), b"").out().trim().parse().unwrap()
}

#[test]
fn a_list_of_programs_holds_whoever_the_command_runs_as() {
    let Some(host) = host() else { return };
    for (flag, user) in [("-e", "root"), ("-we", "postgres"), ("-le", "wide")] {
        let start = |program: &str| host.line("wide", &format!("perl {flag} '{START}' {program}"));
        let started = start("/usr/bin/id");
        assert!(started.out().contains(&format!("({user})")), "{}{}", started.out(), started.err());
        let refused = start("/usr/bin/uname");
        assert!(refused.out().starts_with("no "), "{user}: {}{}", refused.out(), refused.err());
        assert!(refused.err().contains("perl was stopped from starting /usr/bin/uname"), "{user}: {}", refused.err());
    }
}

#[test]
fn a_listed_socket_is_connected_to_as_the_user_of_the_command_and_no_other() {
    let Some(host) = host() else { return };
    for (flag, user, mode, gets_in) in [
        ("-e", "root", 0o700, true),
        ("-we", "postgres", 0o711, true),
        ("-we", "postgres", 0o700, false),
        ("-le", "wide", 0o711, true),
        ("-le", "wide", 0o700, false),
    ] {
        let directory = "/run/postern-test/closed";
        let _ = std::fs::remove_dir_all(directory);
        std::fs::create_dir(directory).unwrap();
        std::fs::set_permissions(directory, PermissionsExt::from_mode(mode)).unwrap();
        let path = format!("{directory}/socket");
        let listener = listen(&path);
        let tried = host.line("wide", &format!("perl {flag} '{CONNECT}' {path}"));
        assert_eq!(tried.out().trim() == "in", gets_in, "{user}, {mode:o}: {}{}", tried.out(), tried.err());
        if gets_in {
            assert_eq!(listener.join().unwrap(), uid(user));
        }
    }
    let elsewhere = "/run/postern-test/elsewhere";
    let _never = UnixListener::bind(elsewhere).unwrap();
    std::fs::set_permissions(elsewhere, PermissionsExt::from_mode(0o666)).unwrap();
    let refused = host.line("wide", &format!("perl -e '{CONNECT}' {elsewhere}"));
    assert!(refused.out().starts_with("no "), "root, not listed: {}{}", refused.out(), refused.err());
}

#[test]
fn who_looks_sees_the_processes_of_its_own_user() {
    let Some(host) = host() else { return };
    for (line, program) in [
        ("readlink /proc/PID/exe".to_owned(), Some("/usr/bin/perl")),
        (format!("readlink /proc/{}/exe", std::process::id()), None),
        ("readlink -n /proc/PID/exe".to_owned(), None),
    ] {
        let seen = host.line("wide", &line);
        assert_eq!(seen.out().trim().starts_with("/usr/bin/perl"), program.is_some(), "{line}: {}{}", seen.out(), seen.err());
    }
    // Root without a capability sees those of root that have none either.
    let bare = host.of_root_without_capabilities();
    for (pid, sees) in [(bare.id(), true), (std::process::id(), false), (host.service, false)] {
        let seen = host.line("wide", &format!("readlink -f /proc/{pid}/exe"));
        assert_eq!(seen.out().trim() == "/usr/bin/sleep", sees, "{pid}: {}{}", seen.out(), seen.err());
    }
}
