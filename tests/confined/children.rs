//! What a command is given: descriptors, environment, identity, and nothing else.

use std::os::unix::process::CommandExt;
use std::process::Stdio;

use postern::policy::confinement::{Base, Confinement};

use crate::harness::{Scratch, Shell, Stage, command, is_root, line, perl, report};

/// The fields of /proc/self/status of a command.
fn status_of(stage: impl Fn(&[&str]) -> Stage) -> impl Fn(&str) -> String {
    let scratch = Scratch::new();
    let outcome = report(line(&[stage(&["cat", "/proc/self/status"]).into(&scratch.path("status"))]));
    assert_eq!(outcome.status, 0, "{outcome:?}");
    let status = scratch.read("status");
    move |field| {
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
        value.map(|value| value.trim().to_owned()).unwrap_or_default()
    }
}

#[test]
fn a_command_has_three_descriptors_and_no_more() {
    let scratch = Scratch::new();
    let open = perl("print join ' ', grep { -e \"/proc/self/fd/$_\" } 0..2000");
    let outcome = report(line(&[open.clone().into(&scratch.path("one")), open.into(&scratch.path("two"))]));
    assert_eq!(outcome.status, 0);
    assert_eq!((scratch.read("one"), scratch.read("two")), ("0 1 2".to_owned(), "0 1 2".to_owned()));
}

#[test]
fn a_command_has_no_privilege_and_cannot_get_any() {
    let free = |argv: &[&str]| command(argv).confined(Confinement::built_in(Base::Open));
    let (held, free) = (status_of(command), status_of(free));
    for field in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(held(field), "0000000000000000", "{field}");
        assert_eq!(free(field), "0000000000000000", "{field} under open");
    }
    if is_root() {
        assert_eq!(held("CapBnd"), "0000000000000000");
    }
    assert_eq!((held("NoNewPrivs"), held("Seccomp")), ("1".to_owned(), "2".to_owned()));
    assert_eq!((free("NoNewPrivs"), free("Seccomp")), ("1".to_owned(), "0".to_owned()), "no filter under open");
    assert_eq!(held("Umask"), "0077");
}

#[test]
fn a_program_that_is_marked_with_capabilities_runs_without_them() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::private();
    let program = scratch.path("marked");
    std::fs::copy("/usr/bin/cat", &program).unwrap();
    let marked = std::process::Command::new("setcap").arg("cap_net_raw,cap_sys_time+ep").arg(&program).status().unwrap();
    assert!(marked.success());
    let out = Scratch::new();
    let argv = [program.to_str().unwrap(), "/proc/self/status"];
    let outcome = report(line(&[command(&argv).into(&out.path("status"))]));
    assert_eq!(outcome.status, 0, "{outcome:?}");
    for field in ["CapPrm", "CapEff", "CapAmb"] {
        assert!(out.read("status").contains(&format!("{field}:\t0000000000000000\n")), "{field}: {}", out.read("status"));
    }
    // As ping begins: prctl(PR_SET_KEEPCAPS, 1).
    #[cfg(target_arch = "x86_64")]
    assert_eq!(report(line(&[perl("exit(syscall(157, 8, 1, 0, 0, 0) != 0)")])).status, 0);
}

#[test]
fn what_is_reported_is_what_is_in_force() {
    let open = command(&["true"]).confined(Confinement::built_in(Base::Open));
    let outcome = report(line(&[command(&["true"]), command(&["true"]).free(true), open]));
    let always = ["no_new_privs", "no_capabilities", "no_core"];
    let held = ["calls", "reads", "writes", "network", "sockets", "signals"];
    assert_eq!(outcome.protections, [[[&always[..], &["one_exec"], &held].concat(), [&always[..], &held].concat(), always.to_vec()]]);
}

#[test]
fn a_command_starts_with_default_signals_whatever_the_shell_has() {
    // Rust itself ignores SIGPIPE, and the caller of this shell ignores two more.
    let scratch = Scratch::new();
    let stage = command(&["cat", "/proc/self/status"]).into(&scratch.path("status"));
    let ignoring = ["perl", "-e", "$SIG{HUP} = $SIG{CHLD} = 'IGNORE'; exec @ARGV"];
    assert_eq!(Shell::through(line(&[stage]), &ignoring).quietly().status, 0);
    for field in ["SigIgn", "SigBlk", "SigCgt"] {
        assert!(scratch.read("status").contains(&format!("{field}:\t0000000000000000\n")), "{field}: {}", scratch.read("status"));
    }
}

#[test]
fn core_dumps_are_off() {
    let scratch = Scratch::new();
    report(line(&[command(&["cat", "/proc/self/limits"]).into(&scratch.path("limits"))]));
    let limits = scratch.read("limits");
    let core: Vec<&str> = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().split_whitespace().collect();
    // One byte, where it may be set: also what a program in core_pattern takes as "none".
    assert!(matches!(core[4..6], ["1", "1"] | ["0", "0"]), "{core:?}");
}

#[test]
fn a_command_runs_as_the_user_that_its_rule_names() {
    if !is_root() {
        return;
    }
    let nobody = status_of(|argv| command(argv).run_as("nobody"));
    assert_eq!((nobody("Uid"), nobody("Gid")), ("65534\t65534\t65534\t65534".to_owned(), "65534\t65534\t65534\t65534".to_owned()));
    assert_eq!((nobody("Groups"), nobody("CapEff"), nobody("CapBnd")), ("65534".to_owned(), "0".repeat(16), "0".repeat(16)));
    let root = status_of(|argv| command(argv).run_as("root"));
    assert_eq!((root("Uid"), root("CapEff")), ("0\t0\t0\t0".to_owned(), "0".repeat(16)));

    let scratch = Scratch::new();
    let own = scratch.path("own");
    let outcome = report(line(&[
        command(&["true"]).run_as("nobody").into(&own),
        command(&["cat", "/etc/shadow"]).run_as("nobody").with("2>/dev/null"),
    ]));
    assert_eq!(outcome.status, 1, "another user's file is not read");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(own).unwrap()), 65534, "and a new file is that user's");
}

#[test]
fn an_install_without_privilege_runs_as_the_account_only() {
    if !is_root() {
        return;
    }
    let run = |stage: Stage| {
        let mut shell = Shell::new(line(&[stage]));
        shell.command.uid(65534).gid(65534).stdout(Stdio::null());
        // A checkout that this user cannot read proves nothing.
        shell.command.status().ok().map(|_| shell.report())
    };
    let Some(refused) = run(command(&["true"]).run_as("root")) else { return };
    let reason = "this install runs commands as the account only (posternsh is not set-user-ID root)";
    assert_eq!(refused.refused.unwrap(), format!("cannot run as root: {reason}"));
    let held = run(perl("open F, '/proc/self/status'; exit !grep /NoNewPrivs:\\s1|Seccomp:\\s2/, <F>")).unwrap();
    assert_eq!((held.status, held.refused), (0, None));
}

#[test]
fn the_environment_of_the_shell_is_not_handed_on() {
    let scratch = Scratch::new();
    let mut shell = Shell::new(line(&[command(&["env"]).into(&scratch.path("env"))]));
    shell.command.env("LD_PRELOAD_CANARY", "1").env("PGPASSWORD", "secret");
    assert_eq!(shell.quietly().status, 0);
    let names: Vec<String> = scratch.read("env").lines().map(|line| line.split('=').next().unwrap().to_owned()).collect();
    assert!(names.contains(&"PATH".to_owned()) && names.contains(&"TERM".to_owned()));
    assert!(names.iter().all(|name| !["LD_PRELOAD_CANARY", "PGPASSWORD", "POSTERN_TEST_TASK"].contains(&name.as_str())), "{names:?}");
}

#[test]
fn a_command_dies_with_the_shell() {
    let marker = format!("marker-dies-{}", std::process::id());
    let mut shell =
        Shell::new(line(&[perl(&format!("$| = 1; $SIG{{$_}} = 'IGNORE' for qw(HUP TERM INT); print 'ready'; sleep 1000 # {marker}"))]));
    let mut child = shell.command.stdout(Stdio::piped()).spawn().unwrap();
    crate::harness::await_text(child.stdout.as_mut().unwrap(), "ready");
    assert_eq!(crate::harness::living(&marker).len(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    while !crate::harness::living(&marker).is_empty() {
        std::thread::yield_now();
    }
}
