//! Resource limits of nothing.

use super::host::{host, may_raise};

#[test]
fn a_limit_of_zero_is_raised_or_is_the_end() {
    let Some(host) = host() else { return };
    assert!(host.victim(&["limit:FSIZE:0"], true).contains("file size 0\n"), "the attack works");
    let raises = may_raise();
    let id = format!("{}\n", host.uid);
    for resource in ["MEMLOCK", "SIGPENDING", "MSGQUEUE", "RTTIME", "CORE"] {
        host.started(&[&format!("limit:{resource}:0")], "id -u").works(&id);
    }
    for resource in ["FSIZE", "CPU"] {
        let started = host.started(&[&format!("limit:{resource}:0")], "id -u");
        match raises {
            true => assert!(started.has("command.start") && started.has("session.end"), "{resource}: {started:?}"),
            false => started.refuses(&format!("RLIMIT_{resource} is 0 here")),
        }
    }
    // With so little a program may not even begin; and a command that gets it back from the shell may not either.
    for resource in ["AS", "DATA", "STACK", "NOFILE", "NPROC"] {
        let started = host.started(&[&format!("limit:{resource}:0")], "id -u");
        match started.has("command.start") {
            true => assert!(started.has("command.end") && started.has("session.end"), "{resource}: {started:?}"),
            false => started.fails_closed(),
        }
    }
}

#[test]
fn a_soft_limit_is_raised_for_the_shell_and_not_for_its_command() {
    let Some(host) = host() else { return };
    let clean = host.started(&[], "cat /proc/self/limits").out;
    for (resource, value, line) in [
        ("FSIZE", "0", "Max file size             0  "),
        ("NOFILE", "40", "Max open files            40  "),
        ("CPU", "9", "Max cpu time              9  "),
        ("STACK", "2097152", "Max stack size            2097152  "),
    ] {
        assert!(!clean.contains(line), "{clean}");
        let started = host.started(&[&format!("soft:{resource}:{value}")], "cat /proc/self/limits");
        started.works(&started.out);
        assert!(started.out.contains(line), "{resource}: {}", started.out);
    }
}
