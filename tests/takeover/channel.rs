//! What a front can say to its guard.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::run;
use crate::pty::Terminal;
use crate::world::{BOTH, Install, assert_precious_is_untouched, of, started, world};

/// What was answered, by the name of the call.
fn answers(output: &str) -> BTreeMap<&str, &str> {
    output.lines().filter_map(|line| line.split_once(": ")).collect()
}

fn last(records: &[Value]) -> &Value {
    &records[records.len() - 1]
}

#[test]
fn words_that_no_rule_allows_or_no_line_has_run_nothing() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        let finished = world.attack("calls words");
        let output = finished.out();
        let answers = answers(&output);
        for (name, answer) in [
            ("not allowed", "126 false"),
            ("a hidden file", "126 false"),
            ("input of a hidden file", "126 false"),
            ("input through a link", "126 false"),
            ("output", "126 false"),
            ("output behind", "126 false"),
            ("descriptor 7", "2 false"),
            ("descriptor 2", "0 true"),
            ("NUL", "2 false"),
            ("an escape", "2 false"),
            ("a newline", "2 false"),
            ("a long word", "2 false"),
            ("a long line", "2 false"),
            ("many words", "2 false"),
            ("a place outside the line", "2 false"),
            ("nothing to hang on", "2 false"),
            ("nothing", "2 false"),
            ("no word", "2 false"),
            ("another line than words", "0 true"),
            ("forged answers", "126 false"),
        ] {
            assert_eq!(answers.get(name), Some(&answer), "{install:?}: {name}: {output}{}", finished.err());
        }
        assert!(output.contains("what-ran\n") && !output.contains("in-closed") && !output.contains("in-file"), "{install:?}: {output}");
        assert_precious_is_untouched();

        let records = world.session(None);
        // What ran is what the record has: `line` alone is the front's word.
        let lie: Vec<_> = of(&records, "command.start").into_iter().filter(|record| record["line"] == "uptime").collect();
        assert_eq!((lie.len(), &lie[0]["stages"][0]["argv"]), (1, &serde_json::json!(["echo", "what-ran"])));
        assert!(lie[0]["stages"][0]["program"].as_str().unwrap().ends_with("/echo"));
        for record in of(&records, "command.end") {
            let (argv, status) = (&record["stages"][0]["argv"], &record["stages"][0]["status"]);
            let ran = status["exit"] == 0;
            let allowed = [serde_json::json!(["true"]), serde_json::json!(["echo", "what-ran"])].contains(argv);
            assert_eq!(ran, allowed, "{record}");
        }
        assert_eq!(last(&records)["reason"], "exit");
    }
}

/// Calls that no front of ours makes: what each session's last record says, and which commands it began.
const ENDED: [(&str, &str, &[&str]); 21] = [
    ("second-start", "error", &[]),
    ("abort", "error", &[]),
    ("builtin-of-a-program", "error", &[]),
    ("builtin-of-nothing", "error", &[]),
    ("builtin-twice", "error", &["pwd"]),
    ("submit-in-builtin", "error", &["pwd"]),
    ("end-of-no-builtin", "exit", &[]),
    ("relative-directory", "error", &[]),
    ("long-line", "error", &[]),
    ("long-reason", "error", &[]),
    ("long-directory", "error", &[]),
    ("end-max", "error", &["true"]),
    ("end-strikes", "error", &["true"]),
    ("end-idle", "idle", &["true"]),
    ("end-exit", "exit", &["true"]),
    ("bytes garbage", "error", &[]),
    ("bytes version", "error", &[]),
    ("bytes 4-gib", "error", &[]),
    ("bytes choice", "error", &[]),
    ("bytes over", "error", &[]),
    ("close", "error", &["true"]),
];

#[test]
fn calls_that_no_front_makes_end_the_session() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        for (attack, reason, commands) in ENDED {
            let finished = world.attack(&format!("calls {attack}"));
            assert!(!finished.out().contains("after\n"), "{install:?}: {attack}: {}", finished.out());
            let records = world.session(None);
            assert_eq!((last(&records)["reason"].as_str(), started(&records)), (Some(reason), to_owned(commands)), "{install:?}: {attack}");
            assert_eq!(
                reason == "error" && !attack.starts_with("end-"),
                finished.err().contains("the front of this shell is gone"),
                "{attack}: {}",
                finished.err()
            );
        }
        assert_precious_is_untouched();
    }
}

fn to_owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn before_there_is_a_session_there_is_one_record_or_none() {
    let Some(world) = world(Install::Root) else { return };
    for attack in ["garbage-first", "submit-first", "abort-long"] {
        world.attack(&format!("calls {attack}"));
        let records = world.session(None);
        assert_eq!((records.len(), &records[0]["event"]), (1, &"session.deny".into()), "{attack}");
        assert!(records[0]["reason"].as_str().unwrap().len() < 200, "{attack}");
    }
    assert_eq!(world.attack("calls nothing").status, 0, "as for --help");
}

#[test]
fn refusals_are_refusals_whatever_the_front_says_of_them() {
    let Some(world) = world(Install::Root) else { return };
    world.attack("calls refuse-allow");
    let records = world.session(None);
    let denied = of(&records, "command.deny");
    assert_eq!((denied.len(), &denied[0]["decision"], started(&records)), (1, &"deny".into(), vec![]));
}

#[test]
fn a_session_that_is_over_is_over_for_every_front() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        world.apply("strikes: 2");
        for attack in ["strikes", "strikes-exit"] {
            let finished = world.attack(&format!("calls {attack}"));
            let records = world.session(None);
            assert_eq!((last(&records)["reason"].as_str(), started(&records)), (Some("strikes"), vec![]), "{attack}: {}", finished.out());
        }
    }
}

#[test]
fn silence_and_a_front_that_does_not_listen_are_ended() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        let started_at = Instant::now();
        world.attack("calls bytes deaf");
        assert!(started_at.elapsed() < Duration::from_secs(20));
        assert_eq!(last(&world.session(None))["reason"], "error");

        world.apply("max: 2s");
        let started_at = Instant::now();
        world.attack("calls bytes half");
        assert!(started_at.elapsed() < Duration::from_secs(15));
        let records = world.session(None);
        assert_eq!((last(&records)["reason"].as_str(), started(&records)), (Some("max"), vec![]));
    }
}

#[test]
fn a_front_that_goes_away_takes_its_command_with_it() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        let begun = Instant::now();
        world.shell("hostile", "calls close in-command").stdin(std::process::Stdio::null()).spawn().unwrap().wait().unwrap();
        world.await_nobody();
        assert!(begun.elapsed() < Duration::from_secs(25), "not the 1000 s that it asked for");
        let records = world.session(None);
        assert_eq!(of(&records, "command.end").len(), 1, "{records:?}");
    }
}

#[test]
fn questions_about_names_are_answered_with_the_accounts_rights() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        let output = world.attack("calls names").out();
        let answers = answers(&output);
        assert_eq!(answers["enter"], r#"{"Ok":"/var/precious"}"#, "the control");
        assert!(answers["list"].contains("anybody"), "the control: {}", answers["list"]);
        for name in ["enter closed", "enter through closed"] {
            assert!(answers[name].to_lowercase().contains("permission denied"), "{install:?}: {name}: {}", answers[name]);
        }
        assert_eq!((answers["list closed"], answers["garbage"]), ("[]", ""), "{install:?}");
        assert!(!answers["globs closed"].contains("file"), "{install:?}: {}", answers["globs closed"]);
        assert_eq!(answers["flood 299"], r#"{"Ok":"/etc"}"#, "{install:?}");
        assert_eq!(world.session(None).len(), 2, "no more than a beginning and an end");
    }
}

#[test]
fn what_the_client_says_of_its_terminal_is_a_known_name_or_nothing() {
    let Some(world) = world(Install::Root) else { return };
    let finished = world.attack("calls term");
    assert!(!finished.out().contains('\x1b'), "{:?}", finished.out());
    assert_eq!(started(&world.session(None)), ["printenv TERM"]);
}

/// Whoever has the front is the person: the question is no door against that.
#[test]
fn a_front_at_a_terminal_can_answer_for_the_person_and_without_one_cannot() {
    let Some(world) = world(Install::Root) else { return };
    let mut terminal = Terminal::start(world.shell("hostile", "calls confirm"));
    terminal.expect("answered: 0 true\n");
    terminal.end();
    world.await_nobody();
    let records = world.session(None);
    assert_eq!(of(&records, "command.start")[0]["stages"][0]["confirmed"], true);
    assert!(records.iter().all(|record| record["tty"].as_str().is_some_and(|tty| tty.contains("pts"))), "the terminal is the guard's word");

    assert!(world.attack("calls confirm").out().contains("answered: 126 false"));
    world.session(None);
}

#[test]
fn the_terminal_is_as_it_was() {
    let Some(world) = world(Install::Root) else { return };
    world.apply("max: 2s");
    let mut terminal = Terminal::start(world.shell("hostile", "calls bytes half"));
    terminal.expect("session ended: it may last 2s");
    terminal.end();
    assert_eq!(terminal.modes(), terminal.initial);
    assert_eq!(last(&world.session(None))["reason"], "max");
}

#[test]
fn over_ssh_the_address_and_the_account_are_what_sshd_says() {
    let Some(world) = world(Install::Root) else { return };
    for (attack, reason) in [("calls words", "exit"), ("calls builtin-of-a-program", "error")] {
        let mut ssh = world.sshd.ssh(&world.account, &["-T"]);
        let finished = run(ssh.arg(attack), b"");
        world.await_nobody();
        assert_eq!(finished.out().contains("what-ran"), attack == "calls words", "{}", finished.err());
        let records = world.session(Some("127.0.0.1"));
        assert_eq!((&records[0]["way"], &last(&records)["reason"]), (&"login".into(), &reason.into()), "the way is the front's word");
    }
    assert_precious_is_untouched();
}
