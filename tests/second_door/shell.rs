//! The shell, its parent, and other processes of the same user.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;

use crate::door::{Door, EVERYBODY, User};
use crate::host::{Victim, ready};
use crate::process::run;
use crate::prove::{Attack, Free, NO_GROUND, answers_of, fails, prove, said};

/// Each signal once, so that one that is pending at the victim tells which it was; `{}` is the process.
const SIGNALS: [&str; 12] = [
    "kill {} 40",
    "tkill {} 41",
    "tgkill {} 42",
    "sigqueue {} 43",
    "tgsigqueue {} 44",
    "pidfd-signal {} 45",
    "proc-signal {} 46",
    "setown {} 47",
    "setown-ex {} 48",
    "fiosetown {} 49",
    "kill-group {} 28",
    "kill-all {} 23",
];
/// The control runs first and reaches the other victim too, so it does not leave the trace that is looked for there.
const FIRST: [(&str, &str); 2] = [("kill-all {} 23", "kill-all {} 17"), ("ioprio-user {} 7", "ioprio-user {} 6")];
/// The shell does not block all signals, so here it is the call that tells; SIGURG is ignored where it is not expected.
const CALLS: [&str; 9] = [
    "kill {} 23",
    "kill {} 0",
    "tkill {} 23",
    "tgkill {} 23",
    "sigqueue {} 23",
    "tgsigqueue {} 23",
    "pidfd-signal {} 23",
    "proc-signal {} 23",
    "kill-group {} 23",
];

const MEMORY: [&str; 8] = [
    "ptrace {}",
    "process-readv {}",
    "process-writev {}",
    "pidfd-getfd {}",
    "kcmp {}",
    "move-pages-of {}",
    "robust-list {}",
    "write-proc {} oom_score_adj 500",
];

const MACHINE: [&str; 14] = [
    "nice-user {}",
    "open-proc {} comm",
    "open-proc {} autogroup",
    "open-proc {} coredump_filter",
    "open-proc {} clear_refs",
    "prlimit {}",
    "nice {}",
    "nice-group {}",
    "ioprio {}",
    "ioprio-user {} 7",
    "affinity {}",
    "scheduler {}",
    "sched-param {}",
    "sched-attr {}",
];

fn at(table: &[&str], target: &str) -> Vec<Attack> {
    let attack = |words: &&str| said(words.replace("{}", target)).control(first(words).replace("{}", target));
    table.iter().map(|words| attack(words).if_kernel_without(&["autogroup", "move-pages", "ptrace", "ioprio-user"])).collect()
}

/// The words of the control.
fn first(words: &str) -> &str {
    FIRST.iter().find(|(held, _)| *held == words).map_or(words, |(_, free)| free)
}

#[test]
fn no_process_outside_is_signalled() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        // The control hits the victim, and whoever else is of this user: nobody is, but for processes that know nothing of these signals.
        let (free, held) = (Victim::of(user), Victim::of(user));
        let attacks: Vec<Attack> = SIGNALS
            .iter()
            .map(|words| said(words.replace("{}", &held.pid().to_string())).control(first(words).replace("{}", &free.pid().to_string())))
            // The control must not signal everything of root's: that is this whole machine.
            .filter(|attack| user != User::Root || !attack.is_any(&["kill-all", "kill-group"]))
            .collect();
        prove("signals to another process", &attacks, &[user], "inspect", Free::Confined("open"));
        fails(&NO_GROUND, "signals to the shell", &at(&CALLS, "shell"), &[user], "inspect");
    }
}

#[test]
fn no_process_outside_is_looked_into_or_slowed_down() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let victim = Victim::of(user);
        let pid = victim.pid().to_string();
        prove("another process", &[at(&MEMORY, &pid), at(&MACHINE, &pid)].concat(), &[user], "inspect", Free::Confined("open"));
        fails(&NO_GROUND, "the shell", &[at(&MEMORY, "shell"), at(&MACHINE, "shell")].concat(), &[user], "inspect");
    }
}

#[test]
fn a_parent_of_the_same_user_is_out_of_reach_too() {
    if !ready() {
        return;
    }
    // As login(1) leaves it: the shell's parent is a process of its user, without protection of its own.
    let table: Vec<String> = [&CALLS[..], &MEMORY, &MACHINE].concat().iter().map(|words| words.replace("{}", "shells-parent")).collect();
    let mut faults = Vec::new();
    for user in [User::Account, User::Root] {
        let shell = Door::new(user, "inspect").shell(&["-c", &format!("attack {}", table.join(" , "))]);
        let words: Vec<&OsStr> = shell.get_args().skip_while(|word| *word != "--").skip(1).collect();
        let mut parent = user.command("/bin/sh");
        // With a group of its own, which has a number in here.
        parent.args(["-c", "\"$@\"; exit $?", "sh"]).args(words).process_group(0);
        let finished = run(&mut parent, b"");
        let answers = answers_of(&finished.out());
        if finished.status != 0 || answers.len() != table.len() {
            faults.push(format!("{user:?}: status {}: {}", finished.status, finished.err()));
        }
        let through = table.iter().zip(answers).filter(|(_, (answer, _))| answer == "yes");
        faults.extend(through.map(|(words, _)| format!("{user:?}: {words}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
