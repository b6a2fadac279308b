//! What a command may use.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::door::{Door, EVERYBODY, User};
use crate::host::ready;
use crate::process::{Finished, run};
use crate::prove::answers_of;
use crate::scene;

/// What limits, the attempt that takes more, what the person's message and the record's reason must name, and whether the limit itself ends the
/// command (124). The others fail in a call that the program may survive: the person is told when it has failed, and the record has its status.
const LIMITS: [(&str, &str, &[&str], bool); 12] = [
    ("confine: { base: inspect, limits: { cpu: 1s } }", "spin 1.5", &["cpu", "processor"], true),
    ("confine: { base: inspect, limits: { cpu: 1s } }", "spin-shared 1.4", &["cpu", "processor"], true),
    ("confine: { base: inspect, limits: { cpu: 1s } }", "spin-unwaited 1.4", &["cpu", "processor"], true),
    ("confine: { base: inspect, limits: { cpu: 1s } }", "spin-orphaned 1.4", &["cpu", "processor"], true),
    ("confine: { base: inspect, limits: { memory: 64MiB } }", "grab 200", &["memory"], true),
    ("confine: { base: inspect, limits: { memory: 64MiB } }", "headless map 200", &["memory"], true),
    ("confine: { base: inspect, limits: { memory: 64MiB } }", "map 200", &["memory"], true),
    ("confine: { base: inspect, limits: { memory: 64MiB } }", "reserve 2000", &["memory"], false),
    ("confine: { base: inspect, limits: { processes: 20 } }", "bomb 60", &["processes"], true),
    ("confine: { base: inspect, limits: { files: 32 } }", "open-many 100", &["files"], false),
    ("timeout: 1s, confine: inspect", "doze 1.5", &["time"], true),
    ("output: 64KiB, confine: inspect", "talk 1000000", &["output"], true),
];

/// All faults of one limit.
fn faults(user: User, limit: &str, attempt: &str, names: &[&str], ends: bool) -> Vec<String> {
    let door = Door::new(user, "inspect");
    let limited = Door::with_rules(user, &format!("  - {{ {}, {limit} }}\n", door.rule()));
    let control = door.line(&format!("attack {attempt}"));
    let run = limited.line(&format!("attack {attempt}"));
    let said = |out: &str| answers_of(out).first().cloned().unwrap_or_default().0;
    let message = run.err();
    let named = |text: &str| names.iter().any(|name| text.to_lowercase().contains(name));
    let told = message.lines().any(|line| line.starts_with("posternsh: ") && named(line) && line.contains("policy.yaml:4"));
    let reason = run.end()["reason"].as_str().unwrap_or_default().to_owned();
    let checks = [
        (said(&control.out()) == "yes", "the control fails"),
        (said(&run.out()) != "yes", "it works"),
        (!ends || run.status() == 124, "its status is not 124"),
        (ends || run.status() == 3, "its status is not its own"),
        (told, "no message names the limit and the rule"),
        (if ends { named(&reason) } else { reason.is_empty() }, "the record does not say it"),
    ];
    let fault = |why: &str| {
        format!(
            "{user:?}: {limit}: {attempt}: {why}: control {}, held {}, status {}, {message:?}, {reason:?}",
            said(&control.out()),
            said(&run.out()),
            run.status()
        )
    };
    checks.iter().filter(|(holds, _)| !holds).map(|(_, why)| fault(why)).collect()
}

#[test]
fn what_takes_too_much_is_ended_with_a_message_and_a_record() {
    if !ready() {
        return;
    }
    // One thread for each limit: they spend their time waiting.
    let faults: Vec<String> = std::thread::scope(|scope| {
        let of_all = |(limit, attempt, names, ends): &(&str, &str, &[&str], bool)| {
            let users = if attempt.contains("spin") { &EVERYBODY[..1] } else { &EVERYBODY[..] };
            users.iter().flat_map(|user| faults(*user, limit, attempt, names, *ends)).collect::<Vec<_>>()
        };
        let running: Vec<_> = LIMITS.iter().map(|row| scope.spawn(move || of_all(row))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn who_is_confined_cannot_take_all_numbers_of_processes() {
    if !ready() {
        return;
    }
    let bound = |confine: &str, hard: &str| {
        let shell = Door::new(User::Account, confine).shell(&["-c", "attack read /proc/self/limits"]);
        let out = bounded(&shell, hard).out();
        out.lines().find_map(|line| line.strip_prefix("Max processes")).unwrap_or(&out).split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(bound("open", "9000"), "9000", "the control");
    assert_eq!(bound("inspect", "9000"), "4096");
    assert_eq!(bound("inspect", "3000"), "3000");
    assert_eq!(bound("{ base: inspect, limits: { processes: 20 } }", "9000"), "9000", "the rule says it");
}

#[test]
fn a_bomb_that_is_at_the_bound_of_processes_ends_and_leaves_nothing() {
    if !ready() {
        return;
    }
    let door = Door::new(User::Account, "inspect");
    let shell = |word: &str| door.shell(&["-c", &format!("attack bomb 250 {word}")]);
    let control = bounded(&shell("no-bound"), "9000");
    assert_eq!(answers_of(&control.out())[0].0, "yes", "the control");
    // Other tests have processes of the same user.
    let word = format!("left-{}", postern::record::new_session_id());
    let run = bounded(&shell(&word), "150");
    assert_eq!(answers_of(&run.out())[0].0, "no EAGAIN", "{}", run.err());
    assert_eq!(crate::survival::left(&word), Vec::<String>::new());
}

/// Runs a program with a hard limit on processes. The limit is set by root, who is not bound by it.
fn bounded(command: &Command, hard: &str) -> Finished {
    let mut bounded = Command::new("prlimit");
    bounded.arg(format!("--nproc={hard}:{hard}")).arg(command.get_program()).args(command.get_args());
    bounded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(&mut bounded, b"")
}

#[test]
fn a_file_does_not_grow_beyond_its_limit() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let (directory, _) = scene::make(std::path::Path::new("/tmp"), user.uid());
        let path = directory.display();
        let writes = format!("base: inspect, write: [{path}]");
        let control = Door::new(user, &format!("{{ {writes} }}")).line(&format!("attack fill 1000000 {path}/free"));
        assert!(control.out().contains("= yes"), "{user:?}: {}{}", control.out(), control.err());
        let door = Door::new(user, &format!("{{ {writes}, limits: {{ file_size: 64KiB }} }}"));
        let held = |way: &str, name: &str| {
            let run = door.line(&format!("attack {way} 1000000 {path}/{name}"));
            assert_eq!(std::fs::metadata(directory.join(name)).unwrap().len(), 64 << 10, "{user:?}: {way}");
            run
        };
        // The command itself dies of it; a child of the command does, and the command lives on; whoever ignores the signal gets an error.
        let run = held("alone fill", "alone");
        assert_eq!(run.end()["reason"], "file_size", "{user:?}: {}", run.end());
        assert_eq!(run.status(), 124, "{user:?}: {:?}", run.err());
        assert!(run.err().contains("a file of 64KiB, its limit") && run.err().contains("policy.yaml:4"), "{user:?}: {:?}", run.err());
        for (way, answer) in [("fill", format!("killed {}", Signal::SIGXFSZ as i32)), ("fill-ignoring", "no EFBIG".to_owned())] {
            let run = held(way, way);
            assert_eq!(answers_of(&run.out())[0].0, answer, "{user:?}: {way}");
            assert_eq!((run.status(), run.end().get("reason")), (0, None), "{user:?}: {way}");
        }
    }
}
