//! Scripts. `#!/usr/bin/sh` is the kernel's business: it opens the interpreter within the one exec that a command has. `#!/usr/bin/env X`
//! would be a second one, so what `env` would start is found here, on the same PATH and by the same checks as any program, and executed
//! in its place.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::program::{ProgramError, find_program, is_fixed};
use crate::sys::deadline;
use crate::words::limits;

/// What is executed for a program: its path and argv.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Executable {
    pub path: PathBuf,
    pub argv: Vec<String>,
}

/// What is executed for `program` with `argv`. An error where `env` is asked for what cannot be found beforehand.
pub(super) fn executable(program: &Path, argv: &[String], search: &[String]) -> Result<Executable, ProgramError> {
    let Some(interpreter) = env_interpreter(&first_line(program)?) else {
        return Ok(Executable { path: program.to_owned(), argv: argv.to_vec() });
    };
    let refused = |reason: String| ProgramError::Unsafe(format!("it is a script for `env`, and {reason}"));
    let (name, arguments) = interpreter.split_first().ok_or_else(|| refused("names no interpreter".to_owned()))?;
    if name.starts_with('-') || name.contains('=') {
        return Err(refused(format!("`{name}` is more than a name: name the interpreter by its path")));
    }
    let path = find_program(name, search)?.ok_or_else(|| refused(format!("its interpreter `{name}` is not installed")))?;
    let script = program.to_str().ok_or_else(|| refused("its path is not UTF-8".to_owned()))?;
    let words = [name.clone()].into_iter().chain(arguments.iter().cloned()).chain([script.to_owned()]);
    Ok(Executable { path, argv: words.chain(argv.iter().skip(1).cloned()).collect() })
}

/// The words behind `env` in the first line of a script: one, as the kernel passes it, or with `-S` split at white space.
fn env_interpreter(line: &[u8]) -> Option<Vec<String>> {
    let line = std::str::from_utf8(line.strip_prefix(b"#!")?).ok()?.trim();
    let (program, rest) = line.split_once([' ', '\t'])?;
    if !matches!(program, "/usr/bin/env" | "/bin/env") {
        return None;
    }
    let rest = rest.trim();
    let split = rest.strip_prefix("-S").or_else(|| rest.strip_prefix("--split-string="));
    Some(match split {
        Some(words) => words.split_whitespace().map(str::to_owned).collect(),
        None => vec![rest.to_owned()],
    })
}

/// The first line of a file, as far as the kernel would read it (BINPRM_BUF_SIZE, 256 bytes); empty where it cannot be read: such a file is
/// no script for anybody.
fn first_line(program: &Path) -> Result<Vec<u8>, ProgramError> {
    let read = || {
        let mut start = [0; 256];
        let count = File::open(program).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
        start.get(..count).unwrap_or_default().split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec()
    };
    if is_fixed(program) {
        return Ok(read());
    }
    deadline::within(limits::PATH_DEADLINE, read).map_err(|elapsed| ProgramError::Unsafe(elapsed.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_env_would_start_is_looked_for() {
        let words = |line: &str| env_interpreter(line.as_bytes());
        for (line, expected) in [
            ("#!/usr/bin/env python3", Some(vec!["python3"])),
            ("#! /usr/bin/env  perl ", Some(vec!["perl"])),
            ("#!/usr/bin/env -S python3 -u", Some(vec!["python3", "-u"])),
            ("#!/usr/bin/env python3 -u", Some(vec!["python3 -u"])),
            ("#!/bin/sh -e", None),
            ("#!/usr/bin/envoy x", None),
            ("\x7fELF", None),
        ] {
            assert_eq!(words(line), expected.map(|words| words.into_iter().map(str::to_owned).collect()), "{line}");
        }
    }

    #[test]
    fn a_script_for_env_becomes_its_interpreter() {
        let base = nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-script-XXXXXX")).unwrap();
        let argv = ["tool", "-x"].map(str::to_owned);
        for (line, expected) in [
            ("#!/usr/bin/env sh\n", Ok(vec!["sh", "SCRIPT", "-x"])),
            ("#!/usr/bin/env -S sh -e\n", Ok(vec!["sh", "-e", "SCRIPT", "-x"])),
            ("#!/bin/sh\n", Ok(vec!["tool", "-x"])),
            ("#!/usr/bin/env no-such-program\n", Err("is not installed")),
            ("#!/usr/bin/env A=1 sh\n", Err("more than a name")),
        ] {
            let script = base.join("tool");
            std::fs::write(&script, line).unwrap();
            let found = executable(&script, &argv, &[]);
            match expected {
                Ok(words) => {
                    let words: Vec<String> = words.iter().map(|word| word.replace("SCRIPT", script.to_str().unwrap())).collect();
                    assert_eq!(found.unwrap().argv, words, "{line}");
                }
                Err(part) => assert!(found.unwrap_err().to_string().contains(part), "{line}"),
            }
        }
        std::fs::remove_dir_all(base).unwrap();
    }
}
