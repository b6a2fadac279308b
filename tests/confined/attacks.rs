//! A second program: every way to start one leaves a canary without the filter, and none with it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Scratch, Shell, Stage, command, is_root, line, perl, report};

/// Compiles a C program of this directory.
pub fn compile(source: &str, scratch: &Scratch) -> PathBuf {
    let program = scratch.path(source.trim_end_matches(".c"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/confined").join(source);
    let compiled = Command::new("cc").args(["-O1", "-pthread", "-o"]).arg(&program).arg(source).status();
    assert!(compiled.expect("a C compiler, as Rust itself needs one").success());
    program
}

/// Whether a stage leaves the canary.
fn escapes(stage: Stage, canary: &Path) -> bool {
    let _ = std::fs::remove_file(canary);
    let outcome = report(line(&[stage.with("</dev/null").with(">/dev/null").with("2>&1").timeout(60_000)]));
    assert_eq!((outcome.refused, outcome.ended), (None, None));
    assert!(!outcome.stages[0][0].starts_with("failed"), "the attack itself must run: {:?}", outcome.stages);
    canary.exists()
}

#[test]
fn no_stock_program_starts_another() {
    let scratch = Scratch::new();
    let canary = scratch.path("canary");
    let text = canary.to_str().unwrap();
    let script = scratch.path("script");
    std::fs::write(&script, format!("touch {text}\n")).unwrap();
    std::fs::write(scratch.path("big"), "x\n".repeat(400_000)).unwrap();
    let touch = format!("touch {text}");
    let checkpoint = format!("--checkpoint-action=exec={touch}");
    let (getline, system) = (format!("BEGIN {{ \"{touch}\" | getline }}"), format!("BEGIN {{ system(\"{touch}\") }}"));
    let (piped, sed) = (format!("open F, '|{touch}'; close F"), format!("1e {touch}"));
    let python = |call: &str| format!("import os, subprocess\n{call}");
    let [spawn, run, exec, os] = [
        python(&format!("os.waitpid(os.posix_spawn('/usr/bin/touch', ['touch', '{text}'], {{}}), 0)")),
        python(&format!("subprocess.run(['touch', '{text}'])")),
        python(&format!("subprocess.run(['touch', '{text}'], preexec_fn=lambda: None, close_fds=False)")),
        python(&format!("os.system('{touch}')")),
    ];
    let (from, big) = (script.to_str().unwrap(), scratch.path("big").display().to_string());
    let styles: Vec<Vec<&str>> = vec![
        vec!["env", "touch", text],
        vec!["sh", "-c", &touch],
        vec!["bash", "-c", &touch],
        vec!["bash", from],
        vec!["find", "/etc/passwd", "-exec", "touch", text, ";"],
        vec!["find", "/etc/passwd", "-exec", "touch", text, "+"],
        vec!["xargs", "-a", from, "env"],
        vec!["awk", &system],
        vec!["awk", &getline],
        vec!["perl", "-e", &piped],
        vec!["sed", "-n", &sed, "/etc/passwd"],
        vec!["tar", "-cf", "/dev/null", "--checkpoint=1", &checkpoint, "/etc/passwd"],
        vec!["sort", "-S", "64k", "--compress-program", from, &big],
        vec!["nice", "touch", text],
        vec!["nohup", "touch", text],
        vec!["timeout", "5", "touch", text],
        vec!["setsid", "-w", "touch", text],
        vec!["stdbuf", "-o0", "touch", text],
        vec!["setpriv", "touch", text],
        vec!["script", "-qc", &touch, "/dev/null"],
        vec!["/usr/bin/python3", "-c", &spawn],
        vec!["/usr/bin/python3", "-c", &run],
        vec!["/usr/bin/python3", "-c", &exec],
        vec!["/usr/bin/python3", "-c", &os],
    ];
    let mut free = 0;
    for style in &styles {
        free += usize::from(escapes(command(style).free(true), &canary));
        assert!(!escapes(command(style), &canary), "{style:?}");
    }
    // Some are not installed on every host; one (`sort`) wants a script that may be executed.
    assert!(free >= 15, "only {free} of {} styles work without the filter", styles.len());
}

#[test]
fn no_hostile_program_starts_another() {
    if !is_root() {
        return;
    }
    let (programs, scratch) = (Scratch::private(), Scratch::new());
    let (attack, canary) = (compile("attack.c", &programs), scratch.path("canary"));
    let mode = |mode: &str| command(&[attack.to_str().unwrap(), mode, canary.to_str().unwrap()]);
    for name in ["execve", "execvp", "spawn", "vfork", "thread", "descriptor", "fexecve", "memfd", "guess"] {
        assert!(escapes(mode(name).free(true), &canary), "{name} without the filter");
        assert!(!escapes(mode(name), &canary), "{name}");
    }
    // Not every kernel has these tables, so there may be no control.
    for name in ["int80", "x32"] {
        assert!(!escapes(mode(name), &canary), "{name}");
    }
    for user in ["root", "nobody"] {
        assert!(!escapes(mode("execve").run_as(user), &canary), "as {user}");
    }
}

#[test]
fn the_shell_is_closed_to_its_commands() {
    if !is_root() {
        return;
    }
    let (programs, scratch) = (Scratch::private(), Scratch::new());
    let (attack, canary) = (compile("attack.c", &programs), scratch.path("canary"));
    let words = [attack.to_str().unwrap(), "shell", canary.to_str().unwrap()];
    // Shell and command are of one user without privilege, between whom the kernel sees no difference.
    let mut shell = Shell::new(line(&[command(&words)]));
    shell.command.uid(65534).gid(65534).stdout(Stdio::null());
    if shell.command.status().is_ok() {
        assert_eq!((shell.report().stages[0][0].as_str(), canary.exists()), ("exit 0", false));
    }
    // The control: a parent that has not closed itself.
    let open = words.iter().fold(perl("system @ARGV").free(true).run_as("nobody"), |stage, word| stage.argument(word));
    assert!(escapes(open, &canary));
}
