//! What a command would leave to those beside it and after it: their groups of processes, their terminal, their files, its own core.

use std::os::unix::process::CommandExt;

use crate::door::{Door, EVERYBODY, User};
use crate::host::ready;
use crate::process::run;
use crate::prove::{Free, NO_GROUND, answers_of, prove, said, works};
use crate::pty::Terminal;

const OPEN: Free<'static> = Free::Confined("open");

#[test]
fn nobody_joins_another_group_of_the_terminals_session() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        for (confine, expected) in [("open", "yes"), ("inspect", "no EPERM")] {
            let mut shell = Door::new(user, confine).shell(&["-c", "attack join-group shell , child-joins shell"]);
            // With a group that has a number in here.
            let out = run(shell.process_group(0), b"").out();
            let answers: Vec<String> = answers_of(&out).into_iter().map(|(answer, _)| answer).collect();
            assert_eq!(answers, [expected, expected], "{user:?} under {confine}");
        }
    }
    works(&NO_GROUND, "groups of its own", &[said("own-groups")], &EVERYBODY, "inspect");
}

#[test]
fn the_terminal_keeps_its_size() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        // TIOCSWINSZ, to nothing.
        for (confine, expected) in [("open", "yes"), ("inspect", "no EPERM")] {
            let mut terminal = Terminal::start(Door::new(user, confine).shell(&["-c", "attack ioctl 5414"]));
            terminal.end();
            let text = terminal.text();
            assert_eq!(answers_of(&text)[0].0, expected, "{user:?} under {confine}: {text}");
        }
    }
}

#[test]
fn a_command_cannot_ask_for_a_core_of_itself() {
    if !ready() {
        return;
    }
    prove("the limit of cores", &["no-core", "no-core-old-call", "no-core-and-old"].map(said), &EVERYBODY, "inspect", OPEN);
    let held = Door::new(User::Account, "inspect").line("attack no-core , no-core-old-call , read /proc/self/limits");
    let limit = held.out().lines().find_map(|line| Some(line.strip_prefix("Max core file size")?.trim().to_owned()));
    assert!(limit.is_some_and(|limit| limit.starts_with("1 ")), "{}", held.out());
}

#[test]
fn nobody_waits_for_a_lease() {
    if !ready() {
        return;
    }
    prove("leases", &[said("lease {scene}")], &EVERYBODY, "{ base: inspect, write: [/tmp] }", OPEN);
}

#[test]
fn memory_with_a_limit_is_not_had_from_files_in_memory() {
    if !ready() {
        return;
    }
    let held = "{ base: inspect, limits: { memory: 64MiB } }";
    prove("files in memory", &[said("memory-file 80")], &EVERYBODY, held, Free::Confined("inspect"));
}
