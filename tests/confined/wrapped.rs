//! The real shell where the kernel lacks something: what it refuses by default, and what it says and records where the policy puts up with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::attacks::compile;
use crate::harness::Scratch;

const RULES: &str = "
allow:
  - cat [<file>...]
  - {run: 'find **', confine: inspect}
  - {run: 'true', path: /bin/true, confine: {sockets: [/run/nothing]}}
";

struct Host {
    scratch: Scratch,
    wrap: PathBuf,
}

impl Host {
    fn new() -> Host {
        let scratch = Scratch::private();
        fs::create_dir(scratch.path("audit")).unwrap();
        let wrap = compile("wrap.c", &scratch);
        Host { scratch, wrap }
    }

    /// Runs a line on a kernel that lacks `what`, under a policy with these settings: exit status, what was printed and said, the records.
    fn run(&self, what: &str, settings: &str, line: &str) -> (i32, String, String, String) {
        let audit = self.scratch.path("audit");
        let policy = self.scratch.path("policy.yaml");
        let head = format!("postern: 1\naudit: {{ syslog: none, dir: {} }}\n", audit.display());
        fs::write(&policy, format!("{head}{settings}{RULES}")).unwrap();
        let output = Command::new(&self.wrap)
            .args([what, env!("CARGO_BIN_EXE_posternsh"), "--policy"])
            .arg(&policy)
            .args(["-c", line])
            .output()
            .unwrap();
        let files = fs::read_dir(&audit).unwrap().flatten().map(|entry| entry.path());
        let records: String = files.map(|file| take(&file)).collect();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr), records)
    }
}

fn take(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    fs::remove_file(file).unwrap();
    text
}

#[test]
fn what_the_kernel_lacks_is_refused_unless_the_policy_puts_up_with_it() {
    let host = Host::new();
    for (what, line, lacking) in [
        ("landlock", "cat /etc/hostname", "reads, writes"),
        ("seccomp", "cat /etc/hostname", "one_exec, calls, writes, network, sockets, signals"),
        ("notify", "true", "sockets"),
        ("listener", "true", "sockets"),
    ] {
        let (status, output, said, records) = host.run(what, "", line);
        assert_eq!((status, output.as_str()), (126, ""), "{what}: {said}");
        assert!(said.contains(&format!("this kernel cannot hold it to: {lacking};")), "{what}: {said}");
        assert!(records.contains("command.deny") && !records.contains("command.start"), "{what}: {records}");

        let (status, _, said, records) = host.run(what, "confinement: best-effort\n", line);
        assert_eq!(status, 0, "{what}: {said}");
        let names: Vec<&str> = lacking.split(", ").collect();
        assert_eq!(said.matches("this kernel does not hold commands to:").count(), 1, "{what}: {said}");
        assert!(names.iter().all(|name| said.contains(name)), "{what}: {said}");
        let missing = format!("\"missing\":[{}]", names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(","));
        assert!(records.lines().filter(|record| record.contains(&missing)).count() == 2, "{what}: start and end say so: {records}");

        let (status, ..) = host.run(what, "confinement: { require: [no_core] }\n", line);
        assert_eq!(status, 0, "{what}: what is not required may be lacking");
        let (status, ..) = host.run(what, &format!("confinement: {{ require: [{}] }}\n", names[0]), line);
        assert_eq!(status, 126, "{what}: what is required may not");
    }
}

#[test]
fn without_a_listener_the_doors_hold_and_only_the_name_of_a_stopped_program_is_lost() {
    let host = Host::new();
    let line = "find /etc/hostname -exec id ;".replace(';', "\\;");
    let control = host.run("landlock", "confinement: best-effort\n", &line);
    assert!(control.2.contains("find was stopped from starting /usr/bin/id"), "{}", control.2);
    for what in ["notify", "listener"] {
        let (_, output, said, records) = host.run(what, "", &line);
        assert_eq!(output, "", "{what}");
        assert!(!said.contains("was stopped from starting"), "{what}: {said}");
        assert!(said.contains("Permission denied"), "{what}: {said}");
        assert!(records.contains("\"one_exec\"") && records.contains("\"reads\""), "{what}: {records}");
    }
}
