//! The records of the very session that attacks them, in the place where they are by default.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::door::{Door, EVERYBODY, User};
use crate::host::{ATTACK, ready};
use crate::process::Running;
use crate::prove::answers_of;
use crate::sandbox::await_some;

/// Every attack on the file, after one that gives it the rights which it is made without; what removes it comes last.
const ATTACKS: [&str; 11] = [
    "chmod-path {}",
    "read {}",
    "read-reopened {}",
    "append-to {} forged-record",
    "open-to-write {}",
    "utimens-path {}",
    "hardlink {} {}-too",
    "move {} {}-moved",
    "create-path {}.forged.jsonl",
    "truncate-path {}",
    "unlink-path {}",
];

/// Sessions share the directory of records, and a session's file is known by being new: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In one session, each attack on a file of records made by its own session; what each said.
fn attempt(user: User, confine: &str) -> Vec<(String, String, String)> {
    let door = Door::with_default_records(user, confine);
    let mut results = Vec::new();
    for attack in ATTACKS {
        let before = files(&door);
        let mut running = Running::start(&mut door.shell(&["-c", "attack -"]));
        let file = await_some(|| "the session's records", || files(&door).into_iter().find(|file| !before.contains(file)));
        running.send(&format!("chmod-path {{}} , {attack}").replace("{}", file.to_str().unwrap()));
        drop(running.stdin.take());
        let finished = running.finish();
        let text = fs::read_to_string(&file).unwrap_or_default();
        let answers = answers_of(&finished.out());
        // Under protection neither may work.
        let through = answers.iter().filter(|_| confine != "open").find(|(answer, _)| answer == "yes");
        let answer = through.or(answers.last()).cloned().unwrap_or_default().0;
        results.push((attack.to_owned(), if finished.out().contains("session.start") { "yes".to_owned() } else { answer }, text));
    }
    results
}

fn files(door: &Door) -> Vec<PathBuf> {
    let files = fs::read_dir(door.records_directory()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|name| name == "jsonl")).collect()
}

#[test]
fn records_are_out_of_reach_of_what_they_record() {
    if !ready() {
        return;
    }
    let _alone = alone();
    let mut faults = Vec::new();
    for user in EVERYBODY {
        // The records of the lent user's commands are root's: the rights of files keep them already.
        let control = if user == User::Lent { Vec::new() } else { attempt(user, "open") };
        for (attack, answer, _) in control.iter().filter(|(_, answer, _)| answer != "yes") {
            faults.push(format!("{user:?}: {attack} should work: {answer}"));
        }
        for (attack, answer, text) in attempt(user, "inspect") {
            let whole = text.contains("session.end") && !text.contains("forged-record") || text.is_empty() && user != User::Root;
            if !answer.starts_with("no ") || !whole {
                faults.push(format!("{user:?}: {attack}: {answer}; whole: {whole}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_command_that_may_write_opens_them_for_no_other() {
    if !ready() {
        return;
    }
    let _alone = alone();
    // The lent user's records are root's, and so are root's: their rights are not the second door's.
    for (confine, through) in [("open", true), ("{ base: inspect, write: [/tmp] }", false)] {
        let rule = format!("  - {{ run: 'writer **', path: {ATTACK}, confine: {confine} }}\n");
        // It may read all that its rights let it, as a command of another rule might.
        let door = Door::with_default_records_and(User::Account, "open", &rule);
        let before = files(&door);
        let mut session = Running::start(&mut door.shell(&[]));
        let file = await_some(|| "the session's records", || files(&door).into_iter().find(|file| !before.contains(file)));
        let name = file.display();
        session.send(&format!("writer chmod-path {name} , fchmod-path {name}\nattack read {name}\nattack doze 0 , stat /no/such/file\n"));
        session.expect("= no ENOENT");
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        drop(session.stdin.take());
        let out = session.finish().out();
        assert_eq!((out.contains("session.start"), mode == 0o600), (through, through), "under {confine}, {mode:o}: {out}");
    }
}
