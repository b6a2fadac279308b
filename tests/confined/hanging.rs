//! A file system that never answers is a refusal that says so, and holds nothing up.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::attacks::compile;
use crate::harness::{Scratch, Shell, await_text, command, is_root, line};

/// A mounted file system that hangs, gone at the end of the test.
struct Hanging {
    server: Child,
    root: PathBuf,
    _scratch: Scratch,
}

impl Hanging {
    fn mount() -> Option<Hanging> {
        if !is_root() || !Path::new("/dev/fuse").exists() {
            let _ = writeln!(std::io::stderr().lock(), "SKIPPED: needs root and /dev/fuse");
            return None;
        }
        let scratch = Scratch::private();
        let program = compile("hang.c", &scratch);
        let root = scratch.path("mount");
        std::fs::create_dir(&root).unwrap();
        let mut server = Command::new(program).arg(&root).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        await_text(server.stdout.as_mut().unwrap(), "mounted");
        Some(Hanging { server, root, _scratch: scratch })
    }

    fn file(&self) -> PathBuf {
        self.root.join("file")
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

#[test]
fn a_path_that_hangs_is_refused_in_time_and_the_shell_still_ends() {
    let Some(hanging) = Hanging::mount() else { return };
    let (report, _) = Shell::resolving(&hanging.file()).run();
    assert_eq!((report.resolved, report.refused.as_deref()), (None, Some("no answer within 1s")));
    assert!((1000..10_000).contains(&report.milliseconds), "{}", report.milliseconds);
    // The control: what does not hang on the same file system is answered.
    let (report, _) = Shell::resolving(&hanging.root).run();
    assert_eq!(report.resolved, Some(hanging.root.display().to_string()));
}

#[test]
fn a_redirection_or_a_program_that_hangs_is_refused_in_time() {
    let Some(hanging) = Hanging::mount() else { return };
    let file = hanging.file().display().to_string();
    for (stage, refused) in [
        (command(&["cat"]).with(&format!("<{file}")), format!("{file}: no answer within 1s")),
        (command(&["true"]).with(&format!(">{file}")), format!("{file}: no answer within 1s")),
        (command(&[&file]), format!("{file} is not safe to run: no answer within 1s")),
    ] {
        let (report, _) = Shell::new(line(&[command(&["true"])]).then(";", &[stage])).run();
        assert_eq!((report.status, report.refused), (126, Some(refused)));
    }
}

#[test]
fn a_helper_that_hangs_keeps_no_connection_open() {
    let Some(hanging) = Hanging::mount() else { return };
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut shell = Shell::resolving(&hanging.file());
    let mut child = shell.command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    shell.command.stdout(Stdio::null()).stderr(Stdio::null());
    child.wait().unwrap();
    // The helper may still be stuck in the kernel; the pipe ends all the same.
    std::io::Read::read_to_end(&mut reader, &mut Vec::new()).unwrap();
    assert!(shell.report().refused.is_some());
}
