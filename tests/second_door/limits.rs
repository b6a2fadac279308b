//! What a command may use.

use crate::door::{Door, EVERYBODY, User};
use crate::host::ready;
use crate::prove::answers_of;
use crate::scene;

/// What limits, the attempt that takes more, what the person's message and the record's reason must name, and whether the limit itself ends the
/// command (124); the others fail in a call that the program may survive.
const LIMITS: [(&str, &str, &[&str], bool); 7] = [
    ("confine: { base: inspect, limits: { cpu: 1s } }", "spin 2", &["cpu", "processor"], true),
    ("confine: { base: inspect, limits: { memory: 64MiB } }", "grab 200", &["memory"], false),
    ("confine: { base: inspect, limits: { memory: 64MiB } }", "map 200", &["memory"], false),
    ("confine: { base: inspect, limits: { processes: 20 } }", "bomb 60", &["processes"], true),
    ("confine: { base: inspect, limits: { files: 32 } }", "open-many 100", &["files"], false),
    ("timeout: 1s, confine: inspect", "doze 2", &["time"], true),
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
        (ends || run.status() != 125, "its status is 125"),
        (told, "no message names the limit and the rule"),
        (named(&reason), "the record does not say it"),
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
    // One thread each: they spend their time waiting.
    let faults: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = LIMITS
            .iter()
            .flat_map(|(limit, attempt, names, ends)| {
                let users = if attempt.starts_with("spin") { &EVERYBODY[..1] } else { &EVERYBODY[..] };
                users.iter().map(move |user| scope.spawn(move || faults(*user, limit, attempt, names, *ends)))
            })
            .collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
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
        let run =
            Door::new(user, &format!("{{ {writes}, limits: {{ file_size: 64KiB }} }}")).line(&format!("attack fill 1000000 {path}/held"));
        assert!(!run.out().contains("= yes"), "{user:?}: {}", run.out());
        assert!(std::fs::metadata(directory.join("held")).unwrap().len() <= 64 << 10);
        assert!(run.err().contains("file_size") || run.err().contains("file size"), "{user:?}: {:?}", run.err());
    }
}
