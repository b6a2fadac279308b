//! Standard descriptors that are closed or odd, and thousands of others.

use std::io::pipe;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::host::{Alive, SHELL, fill, host, take_records};
use super::sandbox::await_that;

#[test]
fn closed_standard_descriptors_are_errors_and_become_no_file() {
    let Some(host) = host() else { return };
    assert!(host.victim(&["close:0"], false).contains("standard 0 closed\n"), "the attack works");
    for closed in [&[0][..], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]] {
        let attacks: Vec<String> = closed.iter().map(|fd| format!("close:{fd}")).collect();
        let attacks: Vec<&str> = attacks.iter().map(String::as_str).collect();
        let started = host.started(&attacks, "id -u");
        // The records are whole, or `started` had failed: nothing was printed into them.
        assert!(started.has("command.start") && started.has("session.end"), "{closed:?}: {started:?}");
        if closed.contains(&1) {
            assert!(started.out.is_empty());
            assert_ne!(started.status, 0, "what cannot be printed is no success: {closed:?}");
        } else {
            started.works(&format!("{}\n", host.uid));
        }
    }
}

#[test]
fn odd_standard_descriptors_hang_nothing_and_lose_no_record() {
    let Some(host) = host() else { return };
    assert!(host.victim(&["strange:0:directory"], true).contains("standard 0 directory\n"), "the attack works");
    for odd in ["0:directory", "0:path", "0:writeonly", "2:directory", "2:path", "2:readonly", "2:noreader"] {
        host.started(&[&format!("strange:{odd}")], "id -u").works(&format!("{}\n", host.uid));
    }
    for odd in ["1:directory", "1:path", "1:readonly", "1:noreader"] {
        let started = host.started(&[&format!("strange:{odd}")], "id -u");
        // The command may have done its work, which is on record. That nobody could read of it is said; but not of a reader that went away,
        // which is how clients leave.
        assert!(started.has("command.start") && started.has("session.end"), "{odd}: {started:?}");
        let told = started.status != 0 || started.err.starts_with("posternsh: ");
        assert!(started.out.is_empty() && (told || odd == "1:noreader"), "{odd}: {started:?}");
    }
}

/// Nobody needs to be allowed to read a file to have such a handle on it, and it was made where nothing is masked.
#[test]
fn a_handle_on_what_is_hidden_is_no_standard_input() {
    let Some(host) = host() else { return };
    let attack = ["strange:0:path"];
    assert!(host.victim(&attack, true).contains("standard 0 path\n"), "the attack works");
    assert!(host.started(&[], "head /etc/passwd").out.contains("root:"), "the control: root reads");
    assert_eq!(host.started(&[], "head /etc/shadow").out, "", "but nothing that is masked");
    let started = host.started(&attack, "head /dev/stdin");
    assert!(started.out.is_empty() && started.has("command.end"), "{started:?}");
}

#[test]
fn a_full_pipe_holds_up_nobody_but_its_session() {
    let Some(host) = host() else { return };
    let (reader, writer) = pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    fill(&writer);
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    let mut command = host.attack(&[], SHELL, &["-c", "echo late"]);
    let mut shell = Alive::start(command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null()));
    drop(command);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(shell.0.try_wait().unwrap().is_none(), "it waits for the reader");
    let printed = super::host::text(reader);
    assert!(printed.ends_with("late\n") && shell.0.wait().unwrap().success());
    assert!(take_records().iter().any(|record| record["event"] == "command.end"));
}

#[test]
fn ten_thousand_descriptors_are_closed() {
    let Some(host) = host() else { return };
    let attack = ["descriptors:5000"];
    let held = host.victim(&attack, true);
    // And perhaps some that whoever runs the tests left open.
    let count = held.lines().find_map(|line| line.strip_prefix("descriptors ")?.parse().ok());
    assert!(count.is_some_and(|count: u32| count >= 10_000), "the attack works: {held}");
    let mut command = host.attack(&attack, SHELL, &["-c", "sleep 20"]);
    let shell = Alive::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    let open = || std::fs::read_dir(format!("/proc/{}/fd", shell.0.id())).map_or(0, Iterator::count);
    await_that(|| "sleep to run", || host.processes().iter().any(|process| process.contains("sleep\u{0}20")));
    assert!(open() < 64, "{}", open());
    drop(shell);
    host.await_nobody();
    take_records();
}
