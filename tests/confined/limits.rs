//! Output on its way, limits, signals to the shell, clients that go away.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Line, Scratch, Shell, await_text, command, line, living, perl, report, without_preamble};

/// Bytes of every value, at no regular distance.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(length)
    .collect()
}

#[test]
fn ten_megabytes_pass_byte_for_byte_into_pipes_sockets_and_files() {
    let scratch = Scratch::new();
    let data = noise(10 << 20);
    std::fs::write(scratch.path("data"), &data).unwrap();
    let cat = || Shell::new(line(&[command(&["cat", scratch.path("data").to_str().unwrap()]), command(&["cat"])]));
    let counted = |shell: &Shell| assert_eq!(shell.report().bytes[0], Some(data.len() as u64));

    let (report, output) = cat().run();
    assert!(output.stdout == data && report.bytes == [Some(data.len() as u64), Some(0)]);

    let mut shell = cat();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut child = shell.command.stdout(std::os::fd::OwnedFd::from(theirs)).stderr(Stdio::null()).spawn().unwrap();
    shell.command.stdout(Stdio::null());
    let mut got = Vec::new();
    (&ours).read_to_end(&mut got).unwrap();
    child.wait().unwrap();
    assert!(without_preamble(&got) == data);
    counted(&shell);

    let mut shell = cat();
    let file = File::options().append(true).create(true).open(scratch.path("log")).unwrap();
    assert!(shell.command.stdout(file).status().unwrap().success());
    assert!(without_preamble(&std::fs::read(scratch.path("log")).unwrap()) == data);
    counted(&shell);
}

#[test]
fn output_and_error_keep_their_order_where_they_are_one() {
    let program = "for (1..5000) { syswrite STDOUT, \"o$_\\n\"; syswrite STDERR, \"e$_\\n\" }";
    let mut shell = Shell::new(line(&[perl(program)]));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut child = shell.command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    shell.command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut got = Vec::new();
    reader.read_to_end(&mut got).unwrap();
    child.wait().unwrap();
    let expected: String = (1..=5000).map(|count| format!("o{count}\ne{count}\n")).collect();
    assert!(without_preamble(&got) == expected.as_bytes());
}

#[test]
fn output_beyond_its_limit_ends_the_pipeline() {
    let print = |bytes: u32| perl(&format!("print 'x' x {bytes}"));
    let (exact, output) = Shell::new(line(&[print(1000).output(1000)])).run();
    assert_eq!((exact.status, exact.ended, output.stdout.len()), (0, None, 1000));
    let endless = line(&[command(&["yes"]).output(100_000), command(&["cat"]).output(5000)]).then(";", &[command(&["true"])]);
    let (over, output) = Shell::new(endless).run();
    assert_eq!((over.status, over.ended.as_deref(), output.stdout.len()), (124, Some("Output(5000)"), 5000));
    assert_eq!(over.stages[1], ["not run"]);
}

#[test]
fn a_reader_that_has_enough_ends_the_writer() {
    let (report, output) = Shell::new(line(&[command(&["yes"]), command(&["head", "-1"])])).run();
    assert_eq!((report.status, &output.stdout[..]), (0, &b"y\n"[..]));
    assert_eq!(report.stages, [["signal 13", "exit 0"]]);

    // The same where the reader is the client's, and somebody still reads the errors.
    let mut shell = Shell::new(line(&[command(&["yes"])]));
    let mut child = shell.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    await_text(child.stdout.as_mut().unwrap(), "y\ny\n");
    drop(child.stdout.take());
    child.wait().unwrap();
    assert_eq!((shell.report().status, shell.report().ended), (141, None));
}

#[test]
fn time_that_is_up_ends_the_pipeline_and_all_that_it_started() {
    let marker = format!("marker-timeout-{}", std::process::id());
    // Twenty daemons in sessions of their own that ignore what can be ignored, and one that forks on for ever.
    let program = format!(
        "$SIG{{$_}} = 'IGNORE' for qw(HUP INT QUIT TERM PIPE TSTP); use POSIX;
         for (1..20) {{ fork or do {{ setsid; fork and exit; sleep 1000; exit }} }}
         fork or do {{ setsid; while (1) {{ my $pid = fork; exit if $pid }} }};
         sleep 1000 # {marker}"
    );
    let outcome = report(line(&[perl(&program).timeout(1000), command(&["cat"]).timeout(60_000)]).then("||", &[command(&["true"])]));
    assert_eq!((outcome.status, outcome.ended.as_deref()), (124, Some("Timeout(1s)")), "{outcome:?}");
    assert_eq!(outcome.stages, [vec!["signal 9", "signal 9"], vec!["not run"]]);
    assert_eq!(living(&marker), Vec::<String>::new());
    assert_eq!(outcome.notices, Vec::<String>::new());
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let marker = format!("marker-left-{}", std::process::id());
    let program = format!("use POSIX; for (1..20) {{ fork or do {{ setsid; fork and exit; sleep 1000; exit }} }} exit 5 # {marker}");
    let outcome = report(line(&[perl(&program)]));
    assert_eq!((outcome.status, outcome.ended), (5, None));
    assert_eq!(living(&marker), Vec::<String>::new());
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_up_the_limit() {
    let mut shell = Shell::new(line(&[command(&["yes"]).timeout(500)]));
    let mut child = shell.command.stdout(Stdio::piped()).spawn().unwrap();
    child.wait().unwrap();
    assert_eq!(shell.report().ended.as_deref(), Some("Timeout(500ms)"));
}

/// A shell whose command says `ready` and then waits, ignoring `ignored`.
fn waiting(ignored: &str, rest: &str) -> (Shell, Child) {
    let program = format!("$| = 1; $SIG{{$_}} = 'IGNORE' for qw({ignored}); {rest}; print 'ready'; sleep 1000 while 1");
    let mut shell = Shell::new(line(&[perl(&program)]).then(";", &[command(&["true"])]));
    let mut child = shell.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    await_text(child.stdout.as_mut().unwrap(), "ready");
    (shell, child)
}

#[test]
fn signals_to_a_shell_without_a_terminal_reach_the_command() {
    let handled = "$SIG{INT} = sub { exit 7 }; $SIG{QUIT} = sub { exit 8 }";
    for (signal, ignored, status, ended, stage) in [
        (Signal::SIGTERM, "", 143, Some("Terminated"), "signal 15"),
        (Signal::SIGTERM, "TERM", 143, Some("Terminated"), "signal 9"),
        (Signal::SIGHUP, "", 129, Some("Hangup"), "signal 1"),
        (Signal::SIGINT, "", 0, None, "exit 7"),
        (Signal::SIGQUIT, "", 0, None, "exit 8"),
    ] {
        let (shell, mut child) = waiting(ignored, handled);
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        child.wait().unwrap();
        let report = shell.report();
        assert_eq!((report.status, report.ended.as_deref(), &report.stages[0][0][..]), (status, ended, stage), "{signal}");
        assert_eq!(report.stages[1][0] == "not run", ended.is_some(), "{signal}");
    }
    let (shell, mut child) = waiting("", "");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    child.wait().unwrap();
    assert_eq!((shell.report().status, &shell.report().stages[1][0][..]), (130, "not run"));
}

#[test]
fn a_client_that_goes_away_ends_a_quiet_command() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("log"), "ready\n").unwrap();
    let tail = || Shell::new(line(&[command(&["tail", "-f", scratch.path("log").to_str().unwrap()])]));

    let mut shell = tail();
    let mut child = shell.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    await_text(child.stdout.as_mut().unwrap(), "ready");
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap();
    assert_eq!((shell.report().status, shell.report().ended.as_deref()), (129, Some("Hangup")));

    let mut shell = tail();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let theirs = std::os::fd::OwnedFd::from(theirs);
    shell.command.stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut child = shell.command.spawn().unwrap();
    shell.command.stdout(Stdio::null()).stderr(Stdio::null());
    await_text(&mut ours, "ready");
    drop(ours);
    child.wait().unwrap();
    assert_eq!(shell.report().ended.as_deref(), Some("Hangup"));
}

#[test]
fn a_command_that_stops_itself_is_continued() {
    let outcome = report(Line::default().then(";", &[perl("kill STOP, $$; kill TSTP, $$; exit 9")]));
    assert_eq!((outcome.status, outcome.notices), (9, vec!["no job control: continued".to_owned()]));
    let stubborn = report(line(&[perl("kill STOP, $$ while 1")]));
    assert_eq!(stubborn.stages, [["signal 9"]]);
}

#[test]
fn processes_that_are_stopped_before_they_begin_hold_nothing_up() {
    // Stops its whole group, which the others join while they are being started, as fast as it can.
    let stopper = perl("$SIG{TSTP} = 'IGNORE'; for (1..300_000) { kill TSTP, -getpgrp }").timeout(20_000);
    let stages: Vec<_> = std::iter::once(stopper).chain((0..30).map(|_| command(&["true"]))).collect();
    let outcome = report(line(&stages));
    assert_eq!((outcome.ended, outcome.stages[0][0].as_str()), (None, "exit 0"), "{:?}", outcome.stages);
    assert!(outcome.milliseconds < 20_000);
}

#[test]
fn a_long_command_does_not_collect_dead_orphans() {
    // Each grandchild ends as the shell's own child; nobody else will reap it.
    let program = "for (1..50) { fork or do { fork; exit }; wait } select undef, undef, undef, 0.3;
        my $shell = getppid; my $dead = grep { open F, $_ and <F> =~ /\\) Z $shell / } glob '/proc/[0-9]*/stat'; exit($dead > 5)";
    let outcome = report(line(&[perl(program)]));
    assert_eq!(outcome.status, 0, "{outcome:?}");
}
