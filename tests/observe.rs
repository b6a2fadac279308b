//! `mode: observe`: the first door refuses nothing and says what it would have refused; the second stays shut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/house.rs"]
#[allow(dead_code)]
mod house;
#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;

use std::process::{Command, Output};

use house::House;
use pty::Terminal;
use serde_json::Value;

/// A house whose policy says more at its top.
fn house(more: &str) -> House {
    let house = House::with("strikes: 1");
    let policy = std::fs::read_to_string(house.policy()).unwrap();
    let write = format!("  - run: rm -f <file:path>\n    confine: {{ write: ['{}/out'] }}\n", house.directory().display());
    std::fs::create_dir(house.directory().join("out")).unwrap();
    std::fs::write(
        house.policy(),
        format!("{}{write}deny: ['echo ** secret **']\n", policy.replace("postern: 1", &format!("postern: 1\n{more}"))),
    )
    .unwrap();
    house
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_changing_command_passes_the_first_door_and_is_stopped_by_the_second() {
    let observed = house("mode: observe");
    let file = observed.directory().join("out/kept");
    std::fs::write(&file, "kept").unwrap();
    let line = format!("rm -rf {}", file.display());
    let output = observed.run(&line);
    assert!(file.exists() && output.status.code() == Some(1), "{:?} {}", output.status, text(&output.stderr));
    assert!(text(&output.stderr).contains("cannot remove"), "{}", text(&output.stderr));
    let start = &observed.events("command.start")[0];
    assert_eq!(start["decision"], "observe", "{start}");
    assert!(start["reason"].as_str().unwrap().starts_with("rm: this option is not allowed here"), "{start}");
    assert_eq!((&start["stages"][0]["confine"], start["stages"][0].get("rule")), (&"inspect".into(), None), "{start}");
    assert_eq!(observed.events("session.start")[0]["mode"], "observe");
    assert_eq!(observed.events("session.end")[0]["denied"], 0);

    let rule = observed.run(&format!("rm -f {}", file.display()));
    assert!(rule.status.success() && !file.exists(), "the control: {}", text(&rule.stderr));
    let enforced = house("");
    assert_eq!(enforced.run(&line).status.code(), Some(126));
    assert_eq!(enforced.events("session.start")[0].get("mode"), None);
}

#[test]
fn what_reads_runs_though_no_rule_allows_it_and_though_one_denies_it() {
    let house = house("mode: observe");
    for (line, stdout, decision) in [
        ("id -u", format!("{}\n", nix::unistd::getuid()), "observe"),
        ("echo secret", "secret\n".to_owned(), "observe"),
        ("echo a | tr a b", "b\n".to_owned(), "observe"),
        ("echo open", "open\n".to_owned(), "allow"),
    ] {
        let output = house.run(line);
        assert_eq!((text(&output.stdout), text(&output.stderr), output.status.code()), (stdout, String::new(), Some(0)), "{line}");
        assert_eq!(house.events("command.start").last().unwrap()["decision"], decision, "{line}");
    }
}

#[test]
fn what_the_confinement_does_not_give_the_shell_does_not_open_for_it() {
    let house = house("mode: observe");
    let file = house.directory().join("file");
    for line in [format!("id > {}", file.display()), "cat < /etc/shadow".to_owned(), "./id".to_owned(), "/tmp/id".to_owned()] {
        let output = house.run(&line);
        assert_eq!((output.status.code(), file.exists()), (Some(126), false), "{line}: {}", text(&output.stderr));
    }
    assert_eq!(house.run("id $(id)").status.code(), Some(2));
}

#[test]
fn banner_prompt_and_help_say_so_and_nothing_is_a_strike() {
    let house = house("mode: observe");
    let mut terminal = Terminal::start(house.shell(&[]));
    terminal.expect("Nothing is refused here for now; what would be is on record, and commands stay confined. `help` shows");
    terminal.expect(" (observe)> ");
    for _ in 0..2 {
        terminal.line("id -u");
        terminal.expect(&format!("\n{}\n", nix::unistd::getuid()));
        terminal.expect(" (observe)> ");
    }
    terminal.line("explain id -u");
    terminal.expect("would be refused: id -u");
    terminal.expect("allowed: id -u");
    terminal.expect(" (observe)> ");
    terminal.line("help");
    terminal.expect("Nothing is refused here for now");
    terminal.expect("You may run:");
    terminal.expect(" (observe)> ");
    terminal.send("\x04");
    assert_eq!(terminal.end().0, 0);
}

fn tool(house: &House, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postern")).args(arguments).arg("--policy").arg(house.policy()).output().unwrap()
}

#[test]
fn explain_tells_what_would_be_refused_and_how_it_runs() {
    let house = house("mode: observe");
    let output = tool(&house, &["explain", "--json", "id -u | cat"]);
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &explained["decision"]), (Some(1), &"observe".into()), "{explained}");
    assert_eq!((&explained["reason"], &explained["commands"][0]["confine"]), (&"no rule allows `id`".into(), &"inspect".into()));
    assert_eq!(explained["commands"][1]["decision"], "allow");
    let words = text(&tool(&house, &["explain", "id -u"]).stdout);
    assert!(
        words.starts_with("would be refused: id -u\n") && words.contains("not refused for now (mode: observe); it runs so:"),
        "{words}"
    );
}

#[test]
fn explain_says_what_there_is_in_place_of_a_refused_line() {
    let house = house("");
    let field = |line: &str, name: &str| -> Value {
        let output = tool(&house, &["explain", "--json", line]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()[name].clone()
    };
    assert_eq!(field("systemctl stop x", "nearest"), "systemctl status x");
    assert_eq!(field("clear", "hint"), "Ctrl-L clears the screen");
    assert_eq!(field("echo $(id)", "hint"), "run the command first, then write what it said");
    assert_eq!((field("echo a", "nearest"), field("echo a", "hint")), (Value::Null, Value::Null));
    let words = text(&tool(&house, &["explain", "sudo ls"]).stdout);
    assert!(words.ends_with("; try: ls\n"), "{words}");
}
