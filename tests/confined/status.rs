//! Exit statuses, connectors, redirections.

use crate::harness::{Line, Scratch, Stage, command, line, perl, report};

fn yes() -> Stage {
    command(&["true"])
}

fn no() -> Stage {
    command(&["false"])
}

fn exits(code: u8) -> Stage {
    perl(&format!("exit {code}"))
}

#[test]
fn the_status_of_a_line_is_what_posix_says() {
    let missing = || command(&["no-such-program"]);
    let table: Vec<(&str, Line, u8)> = vec![
        ("true", line(&[yes()]), 0),
        ("false", line(&[no()]), 1),
        ("exit 200", line(&[exits(200)]), 200),
        ("! true", Line::default().then("; !", &[yes()]), 1),
        ("! exit 3", Line::default().then("; !", &[exits(3)]), 0),
        ("false | exit 3", line(&[no(), exits(3)]), 3),
        ("exit 3 | true", line(&[exits(3), yes()]), 0),
        ("! false | exit 3", Line::default().then("; !", &[no(), exits(3)]), 0),
        ("true && exit 3", line(&[yes()]).then("&&", &[exits(3)]), 3),
        ("false && exit 3", line(&[no()]).then("&&", &[exits(3)]), 1),
        ("true || exit 3", line(&[yes()]).then("||", &[exits(3)]), 0),
        ("false || exit 3", line(&[no()]).then("||", &[exits(3)]), 3),
        ("false && true || exit 4", line(&[no()]).then("&&", &[yes()]).then("||", &[exits(4)]), 4),
        ("false; true", line(&[no()]).then(";", &[yes()]), 0),
        ("no-such-program", line(&[missing()]), 127),
        ("no-such-program || true", line(&[missing()]).then("||", &[yes()]), 0),
        ("no-such-program | true", line(&[missing(), yes()]), 0),
        ("killed by TERM", line(&[perl("kill TERM, $$")]), 143),
        ("killed by a real-time signal", line(&[perl("kill 40, $$")]), 168),
    ];
    for (shown, line, status) in table {
        assert_eq!(report(line).status, status, "{shown}");
    }
}

#[test]
fn an_interrupted_command_ends_the_line() {
    let report = report(line(&[perl("kill INT, $$; sleep 100")]).then("||", &[yes()]).then(";", &[yes(), yes()]));
    assert_eq!(report.status, 130);
    assert_eq!(report.stages, [vec!["signal 2"], vec!["not run"], vec!["not run", "not run"]]);
}

#[test]
fn what_the_kernel_does_not_start_is_126_with_the_reason() {
    if !crate::harness::is_root() {
        return;
    }
    let scratch = Scratch::private();
    for (name, content, reason) in [
        ("noise", "not a program", "failed: cannot execute: Exec format error"),
        ("orphan", "#!/no/such/interpreter\n", "failed: cannot execute: No such file or directory"),
    ] {
        let path = scratch.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let report = report(line(&[command(&[path.to_str().unwrap()])]));
        assert_eq!((report.status, &report.stages[0][0][..]), (126, reason));
    }
}

#[test]
fn redirections_take_effect_in_the_order_written() {
    let both = || perl("print STDOUT 'out'; print STDERR 'err'");
    let table: [(&[&str], &str, &str); 5] = [
        (&[], "out", "err"),
        (&[">/dev/null"], "", "err"),
        (&["2>/dev/null"], "out", ""),
        (&["2>&1", ">/dev/null"], "err", ""),
        (&[">/dev/null", "2>&1"], "", ""),
    ];
    for (redirects, out, err) in table {
        let stage = redirects.iter().fold(both(), |stage, redirect| stage.with(redirect));
        let (report, output) = crate::harness::Shell::new(line(&[stage])).run();
        assert_eq!(
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
            (out.into(), err.into()),
            "{redirects:?}"
        );
        assert_eq!(report.bytes, [Some(out.len() as u64), Some(err.len() as u64)]);
    }
}

#[test]
fn files_are_read_written_appended_and_cut_only_at_their_turn() {
    let scratch = Scratch::new();
    let (kept, grown) = (scratch.path("kept"), scratch.path("grown"));
    std::fs::write(&kept, "before\n").unwrap();
    let echo = |word: &str| command(&["echo", word]);
    let from = |path: &std::path::Path| command(&["cat"]).with(&format!("<{}", path.display()));
    let append = |word: &str| echo(word).with(&format!(">>{}", grown.display()));
    let result = report(
        line(&[no()])
            .then("&&", &[echo("never").into(&kept)])
            .then(";", &[from(&kept).into(&grown)])
            .then(";", &[append("one")])
            .then(";", &[append("two")])
            .then(";", &[echo("after").into(&kept)]),
    );
    assert_eq!(result.status, 0, "{result:?}");
    assert_eq!((scratch.read("grown"), scratch.read("kept")), ("before\none\ntwo\n".to_owned(), "after\n".to_owned()));

    let new = scratch.path("new");
    let refused = report(line(&[echo("lost").into(&kept)]).then(";", &[echo("x").into(&new)]).then(";", &[from(&scratch.path("none"))]));
    assert_eq!(refused.refused, Some(format!("{}: no such file or directory", scratch.path("none").display())));
    assert_eq!(scratch.read("kept"), "after\n", "a refused line changes no content");
    assert!(!new.exists(), "a refused line creates nothing");
}

#[test]
fn what_this_install_cannot_give_is_refused() {
    let refused = |stage: Stage| report(line(&[stage])).refused.unwrap();
    assert_eq!(refused(yes().run_as("no such user")), "cannot run as no such user: no such user");
}
