//! What a command leaves behind.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::door::{Door, EVERYBODY, User};
use crate::host::{ATTACK, ready};
use crate::sandbox::await_that;

/// What is started and left, and how many of it there are at least.
const WAYS: [(&str, usize); 4] = [("daemons 20", 20), ("chains 16", 8), ("stopped 5", 5), ("reapers 3", 6)];

/// Processes that have a word in their command line.
pub fn left(word: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter(|path| fs::read(path.join("cmdline")).is_ok_and(|words| String::from_utf8_lossy(&words).contains(word)))
        .filter_map(|path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

#[test]
fn nothing_survives_its_command() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        for (way, least) in WAYS {
            let word = format!("left-{}", postern::record::new_session_id());
            // Not to a pipe, which they would hold open.
            assert!(user.command(ATTACK).args(way.split(' ')).arg(&word).stdout(Stdio::null()).status().unwrap().success());
            await_that(|| format!("{way} to be there"), || left(&word).len() >= least);
            end(&word);

            for confine in ["inspect", "sealed", "open"] {
                let start = Instant::now();
                let word = format!("left-{}", postern::record::new_session_id());
                let run = Door::new(user, confine).line(&format!("attack {way} {word}"));
                assert_eq!(left(&word), Vec::<String>::new(), "{user:?}: {way} under {confine}: {}", run.err());
                assert!(start.elapsed() < Duration::from_secs(10), "{user:?}: {way} under {confine}: {:?}", start.elapsed());
                assert_eq!((run.status(), run.err().as_str()), (0, ""), "{user:?}: {way} under {confine}");
            }
        }
    }
}

/// Ends what a control has left, so that it does not keep the processors busy.
fn end(word: &str) {
    await_that(
        || "a control to end",
        || {
            let left = left(word);
            left.iter().for_each(|pid| {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.parse().unwrap()), nix::sys::signal::Signal::SIGKILL);
            });
            left.is_empty()
        },
    );
}

#[test]
fn a_bomb_ends_with_its_command() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let word = format!("left-{}", postern::record::new_session_id());
        let door = Door::new(user, "{ base: inspect, limits: { processes: 20 } }");
        let run = door.line(&format!("attack bomb 300 {word}"));
        assert_eq!(left(&word), Vec::<String>::new(), "{user:?}");
        assert_eq!(run.status(), 124, "{user:?}: {}{}", run.out(), run.err());
    }
    // The control: without a limit it gets as many as it asks for, and even those do not stay.
    let run = Door::new(User::Account, "inspect").line("attack bomb 60 left-of-control");
    assert!(run.out().contains("= yes"), "{}{}", run.out(), run.err());
    assert_eq!(left("left-of-control"), Vec::<String>::new());
}
