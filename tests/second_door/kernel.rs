//! Calls that reach into the kernel.

use crate::door::{ACCOUNT_ONLY, Door, EVERYBODY, ROOT_ONLY};
use crate::host::ready;
use crate::prove::{Attack, Free, NO_GROUND, answers_of, fails, prove, said, works};

/// New namespaces, by their flags: user, mount, PID, network, IPC, UTS, cgroup, time.
const NAMESPACES: [&str; 8] = ["10000000", "20000", "20000000", "40000000", "8000000", "4000000", "2000000", "80"];

fn calls() -> Vec<Attack> {
    let always = [
        "file-handle /etc",
        "userfaultfd",
        "uring",
        "keyctl",
        "add-key",
        "request-key",
        "personality",
        "traceme",
        "vm-readv",
        "kcmp-self",
        "pidfd",
        "secret",
        "fanotify",
        "vmsplice",
        "remap",
        "listener",
    ];
    let mut calls: Vec<Attack> = always.iter().map(|words| said(*words).if_kernel()).collect();
    calls.extend(["bpf", "perf", "move-pages", "set-mempolicy", "mbind", "kernel-log", "quota"].map(|words| said(words).if_kernel()));
    #[cfg(target_arch = "x86_64")]
    calls.push(said("ldt").if_kernel());
    calls
}

#[test]
fn what_reaches_into_the_kernel_is_closed() {
    if !ready() {
        return;
    }
    prove("calls", &calls(), &EVERYBODY, "inspect", Free::Confined("open"));
    for base in ["sealed", "service", "network"] {
        fails(&NO_GROUND, "calls", &calls(), &ACCOUNT_ONLY, base);
    }
}

#[test]
fn there_are_no_new_namespaces() {
    if !ready() {
        return;
    }
    // A user namespace is everybody's; with one, so are the others.
    let user = ["unshare 10000000", "clone 10000000", "clone3 10000000", "unshare 10020000", "clone 10020000"];
    prove("user namespaces", &user.map(|words| said(words).if_kernel()), &EVERYBODY, "inspect", Free::Confined("open"));
    let others =
        NAMESPACES[1..].iter().flat_map(|flags| ["unshare", "clone", "clone3"].map(|call| said(format!("{call} {flags}")).if_kernel()));
    // The low bits of clone's flags are a signal: it has no time namespaces.
    let others: Vec<Attack> = others.filter(|attack| !attack.is("clone 80")).collect();
    prove("other namespaces", &others, &ROOT_ONLY, "inspect", Free::Bare);
}

#[test]
fn root_has_no_powers() {
    if !ready() {
        return;
    }
    let powers = ["chroot", "fsopen", "open-tree /etc", "setns /proc/1/ns/uts", "kernel-log", "bpf", "perf"];
    prove("powers", &powers.map(|words| said(words).if_kernel()), &ROOT_ONLY, "inspect", Free::Bare);
}

#[test]
fn programs_of_today_find_what_they_need() {
    if !ready() {
        return;
    }
    // Threads, children, and unknown calls that libraries fall back from.
    works(&NO_GROUND, "processes", &[said("clone 0"), said("kill-self")], &EVERYBODY, "inspect");
    let run = Door::new(crate::door::User::Account, "inspect").line("attack clone3 0 , unknown 600 , unknown 100000");
    let answers: Vec<String> = answers_of(&run.out()).into_iter().map(|(answer, _)| answer).collect();
    assert_eq!(answers, ["no ENOSYS", "no ENOSYS", "no ENOSYS"]);
}
