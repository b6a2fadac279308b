//! Real shells that run nothing: every command is a stub that records its words and where its descriptors lead.
//!
//! Many lines go to one process. Commands named with the first letters and digits are functions, which costs no process; others, among them quoted
//! keywords, are links to one script.
//! A shell that takes a line for a syntax error leaves its records out, and dash then ends, so that all later ones are missing too.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use postern::syntax::Request;

use crate::scratch::{CONSTANTS, STATUS, Scratch};
use crate::simulate::Outcome;

/// What the stubs return.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    Success,
    Failure,
    /// 1 if the number of their words is even.
    Mixed,
}

pub const MODES: [Mode; 3] = [Mode::Success, Mode::Failure, Mode::Mixed];

impl Mode {
    pub fn status(self, words: usize) -> u8 {
        match self {
            Mode::Success => 0,
            Mode::Failure => 1,
            Mode::Mixed => u8::from(words.is_multiple_of(2)),
        }
    }
}

/// One write a record, so that those of a pipeline do not mix.
const RECORD: &str = r#"
lead() {
    if [ "/proc/self/fd/$1" -ef /dev/null ]; then lead=n
    elif [ -p "/proc/self/fd/$1" ]; then lead=p
    elif [ "/proc/self/fd/$1" -ef "$BASE.in" ]; then lead=i
    elif [ "/proc/self/fd/$1" -ef "$BASE.out" ]; then lead=o
    elif [ "/proc/self/fd/$1" -ef "$BASE.err" ]; then lead=e
    elif [ "/proc/self/fd/$1" -ef "$FILE1" ]; then lead=1
    elif [ "/proc/self/fd/$1" -ef "$FILE2" ]; then lead=2
    elif [ "/proc/self/fd/$1" -ef "$FILE3" ]; then lead=3
    else lead=x
    fi
}
record() {
    lead 0; leads=$lead
    lead 1; leads=$leads$lead
    lead 2; leads=$leads$lead
    printf '%s\000' command "$leads" "$#" "$@" >>"$BASE.log"
    case $MODE in
        2) return "$(( ($# + 1) % 2 ))" ;;
        *) return "$MODE" ;;
    esac
}
"#;

/// Runs a line in each mode. The blank before it keeps `eval` from taking a `-` for an option of its own.
const RUN: &str = r#"
before() { return "$STATUS"; }
run() {
    FILE1=$2 FILE2=$3 FILE3=$4
    for MODE in 0 1 2; do
        kept=
        for file in "$FILE1" "$FILE2" "$FILE3"; do [ -z "$file" ] || printf x >"$file"; done
        before
        eval " $1"
        status=$?
        for file in "$FILE1" "$FILE2" "$FILE3"; do
            if [ -z "$file" ]; then :; elif [ -s "$file" ]; then kept=${kept}1; else kept=${kept}0; fi
        done
        printf '%s\000' end "$status" "$kept" >>"$BASE.log"
    done
}
"#;

/// What a shell does with each line, in each mode; fewer than there are lines if it gave up. The records of each are one long "pipeline".
pub fn run(shell: &str, requests: &[Request], scratch: &Scratch) -> Vec<[Outcome; 3]> {
    let base = scratch.root().join(shell);
    let of = |suffix: &str| base.with_extension(suffix);
    for suffix in ["in", "out", "err", "log"] {
        fs::write(of(suffix), "").expect("a file is written");
    }
    fs::write(of("sh"), script(shell, requests, scratch)).expect("the script is written");
    let variables = [("BASE", base.as_os_str()), ("HOME", scratch.home().as_os_str())].map(|(name, value)| (name, value.to_owned()));
    Command::new(format!("/bin/{shell}"))
        .arg(of("sh"))
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", scratch.root().join("stubs").join(shell))
        .env("STATUS", STATUS.to_string())
        .envs(variables)
        .envs(CONSTANTS)
        .current_dir(scratch.work())
        .stdin(File::open(of("in")).expect("a file is read"))
        .stdout(File::create(of("out")).expect("a file is written"))
        .stderr(File::create(of("err")).expect("a file is written"))
        .status()
        .expect("bash and dash are installed");
    read_log(&fs::read_to_string(of("log")).expect("the log is UTF-8"))
}

fn script(shell: &str, requests: &[Request], scratch: &Scratch) -> String {
    let stages = requests.iter().flat_map(|request| &request.items).flat_map(|item| &item.stages);
    let names: BTreeSet<&str> = stages.filter_map(|stage| stage.argv.first()).map(|argument| argument.text.as_str()).collect();
    let stubs = scratch.root().join("stubs").join(shell);
    fs::create_dir_all(&stubs).expect("a directory is made");
    let stub = scratch.root().join(format!("{shell}-stub"));
    fs::write(&stub, format!("#!/bin/dash\n{RECORD}\nrecord \"${{0##*/}}\" \"$@\"\n")).expect("the stub is written");
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).expect("the stub can be run");
    let mut script = format!("export MODE FILE1 FILE2 FILE3\n{RECORD}{RUN}");
    for name in names {
        if name.starts_with(|character: char| character.is_ascii_alphabetic())
            && name.chars().all(|character| matches!(character, 'a'..='c' | '0'..='9'))
        {
            script.push_str(&format!("{name}() {{ record {name} \"$@\"; }}\n"));
        } else {
            symlink(&stub, stubs.join(name)).expect("a stub is linked");
        }
    }
    for request in requests {
        let files: Vec<String> = scratch.files(request).iter().map(|file| quote(&file.to_string_lossy())).collect();
        script.push_str(&format!("run {} {}\n", quote(&request.line), files.join(" ")));
    }
    script
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn read_log(log: &str) -> Vec<[Outcome; 3]> {
    let mut fields = log.split_terminator('\0').map(str::to_owned);
    let mut runs = Vec::new();
    let mut records = Vec::new();
    while let Some(kind) = fields.next() {
        let first = fields.next().unwrap_or_default();
        let second = fields.next().unwrap_or_default();
        if kind == "command" {
            let words = fields.by_ref().take(second.parse().unwrap_or(0)).collect();
            records.push((first, words));
        } else {
            runs.push(Outcome { pipelines: vec![std::mem::take(&mut records)], status: first.parse().unwrap_or(255), kept: second });
        }
    }
    runs.chunks_exact(3).map(|modes| [modes[0].clone(), modes[1].clone(), modes[2].clone()]).collect()
}
