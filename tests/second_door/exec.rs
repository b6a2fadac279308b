//! Other programs.

use std::fs;
use std::os::unix::fs::chown;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::door::{ACCOUNT_ONLY, Door, EVERYBODY, User};
use crate::host::{SECRET, ready};
use crate::process::run;
use crate::prove::{Attack, Free, NO_GROUND, Sign, answers_of, attack, fails, prove, steals, works};

#[cfg(target_arch = "x86_64")]
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
#[cfg(target_arch = "aarch64")]
const LOADER: &str = "/lib/ld-linux-aarch64.so.1";

const ANY: Free<'static> = Free::Confined("{ base: inspect, exec: any }");
const LISTED: &str = "{ base: inspect, exec: [/usr/bin/id] }";

fn prints(words: &str, what: &str) -> Attack {
    attack(words, Sign::Prints(what.to_owned()))
}

fn starts_id(words: &str) -> Attack {
    prints(words, "uid=")
}

#[test]
fn no_way_of_starting_a_program_works() {
    if !ready() {
        return;
    }
    let direct = ["execve", "execveat", "exec-descriptor", "fexecve", "exec-proc", "exec-memfd", "spawn", "vfork", "exec-thread"];
    let mut attacks: Vec<Attack> = direct.iter().map(|way| starts_id(&format!("{way} /usr/bin/id"))).collect();
    attacks.extend([
        starts_id("execvp id"),
        starts_id("system /usr/bin/id"),
        starts_id("popen /usr/bin/id"),
        starts_id("exec-guess /usr/bin/id"),
        starts_id(&format!("execve {LOADER} /usr/bin/id")),
        starts_id("execve /bin/sh /run/second-door/stopped"),
        prints("execve /run/second-door/shows-itself", "canary of a script"),
        starts_id("execve /usr/bin/env id"),
    ]);
    #[cfg(target_arch = "x86_64")]
    attacks.extend([starts_id("int80 /usr/bin/id").if_kernel(), starts_id("x32 /usr/bin/id").if_kernel()]);
    prove("other programs", &attacks, &EVERYBODY, "inspect", ANY);
    for base in ["sealed", "service", "network"] {
        fails(&NO_GROUND, "other programs", &attacks[..1], &ACCOUNT_ONLY, base);
    }
}

#[test]
fn a_list_of_programs_admits_those_and_no_other() {
    if !ready() {
        return;
    }
    let wanted = ["execve", "execvp", "spawn", "vfork", "exec-thread"].map(|way| starts_id(&format!("{way} /usr/bin/id")));
    works(&NO_GROUND, "programs of the list", &wanted, &EVERYBODY, LISTED);
    let mut attacks = vec![
        prints("execve /usr/bin/uname", "Linux"),
        prints("execveat /usr/bin/uname", "Linux"),
        prints("exec-descriptor /usr/bin/uname", "Linux"),
        prints("exec-proc /usr/bin/uname", "Linux"),
        prints("exec-memfd /usr/bin/uname", "Linux"),
        prints("spawn /usr/bin/uname", "Linux"),
        prints("execve /usr/bin/env uname", "Linux"),
        prints("exec-race /usr/bin/id /usr/bin/uname", "Linux"),
        starts_id("exec-memfd /usr/bin/id"),
        starts_id("system /usr/bin/id"),
        starts_id(&format!("execve {LOADER} /usr/bin/id")),
        prints(&format!("execve {LOADER} /usr/bin/uname"), "Linux"),
        prints("execve /run/second-door/shows-itself", "canary of a script"),
    ];
    #[cfg(target_arch = "x86_64")]
    attacks.extend([prints("int80 /usr/bin/uname", "Linux").if_kernel(), prints("x32 /usr/bin/uname", "Linux").if_kernel()]);
    prove("programs that are not on the list", &attacks, &EVERYBODY, LISTED, ANY);
    // The same with a name that leads to the one and then to the other.
    for user in EVERYBODY {
        let place = format!("/tmp/race-{user:?}");
        fs::create_dir_all(&place).unwrap();
        chown(&place, Some(user.uid()), Some(user.uid())).unwrap();
        let race = [prints(&format!("exec-race-link {place} /usr/bin/id /usr/bin/uname"), "Linux")];
        let (held, free) = (format!("exec: [/usr/bin/id], write: [{place}] }}"), format!("exec: any, write: [{place}] }}"));
        let [held, free] = [held, free].map(|rest| format!("{{ base: inspect, {rest}"));
        prove("a race of names", &race, &[user], &held, Free::Confined(&free));
    }
    // Naming the loader changes nothing: with it any file would be a program. Either the policy or the shell says so.
    let door = Door::new(User::Account, &format!("{{ base: inspect, exec: [{LOADER}] }}"));
    let run = door.line(&format!("attack execve {LOADER} /usr/bin/id"));
    assert!(!run.out().contains("uid="), "the loader on the list: {}{}", run.out(), run.err());
}

#[test]
fn who_outlives_the_command_starts_nothing_either() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let attempt = |confine: &str, line: &str| {
            let door = Door::with(user, confine, "  - cat\n");
            let run = door.line(line);
            (run.out().contains("uid="), run.err())
        };
        let stopped = "posternsh: attack was stopped from starting /usr/bin/id\n";
        // In the one the command is still there, in the other another command of its line.
        for (line, told) in [("attack orphan /usr/bin/id , doze 0.4", true), ("attack orphan /usr/bin/id | cat", false)] {
            assert_eq!(attempt("{ base: inspect, exec: any }", line), (true, String::new()), "the control, {user:?}: {line}");
            let (started, message) = attempt("inspect", line);
            assert!(!started && (message == stopped || !told && message.is_empty()), "{user:?}: {line}: {started}, {message:?}");
        }
    }
}

#[test]
fn a_program_of_the_list_is_held_as_the_command_is() {
    if !ready() {
        return;
    }
    for held in ["{ base: inspect, exec: [/usr/bin/cat, /usr/bin/touch] }", "{ base: inspect, exec: any }"] {
        let attacks = [
            steals("execve /usr/bin/cat /srv/customer/data"),
            steals("execve /usr/bin/cat /etc/foo/x.key"),
            attack("execve /usr/bin/touch {scene}/new", Sign::Changes),
        ];
        prove("secrets through a helper", &attacks, &EVERYBODY, held, Free::Confined("open"));
    }
}

#[test]
fn the_loader_is_no_program_to_allow() {
    if !ready() {
        return;
    }
    let control = run(User::Account.command(LOADER).arg("/usr/bin/id"), b"");
    assert!(control.out().contains("uid="), "the control: {}", control.err());
    for user in EVERYBODY {
        let lent = if user == User::Lent { ", as: lent" } else { "" };
        let door = Door::with_rules(user, &format!("  - {{ run: 'loader **', path: {LOADER}{lent} }}\n"));
        let run = door.line("loader /usr/bin/id");
        assert!(run.status() != 0 && !run.out().contains("uid="), "{user:?}: {} {}", run.out(), run.err());
        assert!(run.err().contains("loader"), "{user:?}: the reason: {}", run.err());
    }
}

#[test]
fn the_person_is_told_what_was_stopped_and_so_is_the_record() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let run = Door::new(user, "inspect").line("attack execve /usr/bin/id");
        let told: Vec<String> = run.err().lines().map(str::to_owned).collect();
        assert_eq!(told, ["posternsh: attack was stopped from starting /usr/bin/id"], "{user:?}");
        assert_eq!(run.end()["stages"][0]["stopped"], json!(["/usr/bin/id"]), "{user:?}: {}", run.end());
    }
}

#[test]
fn a_real_program_is_named_when_it_is_stopped() {
    if !ready() {
        return;
    }
    let door = Door::with_rules(User::Account, "  - find **\n");
    let run = door.line("find /etc/hostname -exec id {} \\;");
    assert!(run.err().lines().any(|line| line == "posternsh: find was stopped from starting /usr/bin/id"), "{}", run.err());
    assert_eq!(run.end()["stages"][0]["stopped"], json!(["/usr/bin/id"]), "{}", run.end());
}

#[test]
fn what_does_not_exist_is_not_found_and_was_not_stopped() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let run = Door::new(user, "inspect").line("attack execve /no/such/program , execvp no-such-program");
        let answers: Vec<String> = answers_of(&run.out()).into_iter().map(|(answer, _)| answer).collect();
        assert_eq!(answers, ["no ENOENT", "no ENOENT"], "{user:?}");
        assert_eq!(run.err(), "", "{user:?}");
        assert!(run.end()["stages"][0].get("stopped").is_none_or(|stopped| stopped == &json!([])), "{}", run.end());
    }
}

#[test]
fn a_flood_of_attempts_costs_the_shell_neither_time_nor_room() {
    if !ready() {
        return;
    }
    let start = Instant::now();
    let run = Door::new(User::Account, "inspect").line("attack exec-flood 3000 /usr/bin/id , exec-flood 3000 /usr/bin/env");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(run.status(), 0, "{}", run.err());
    let stopped = run.end()["stages"][0]["stopped"].as_array().cloned().unwrap_or_default();
    assert!((1..=8).contains(&stopped.len()), "{stopped:?}");
    assert!(run.err().lines().count() <= 8, "{}", run.err());
}

#[test]
fn scripts_are_programs_like_others() {
    if !ready() {
        return;
    }
    for user in EVERYBODY {
        let lent = if user == User::Lent { ", as: lent" } else { "" };
        let rule = |name: &str| format!("  - {{ run: '{name} **', path: /run/second-door/{name}{lent} }}\n");
        let door = Door::with_rules(user, &["by-env", "plain", "stopped"].map(rule).concat());
        for name in ["by-env", "plain"] {
            let run = door.line(&format!("{name} well"));
            assert_eq!((run.status(), run.out().as_str(), run.err().as_str()), (0, "ran well\n", ""), "{user:?}: {name}");
        }
        let run = door.line("stopped");
        assert!(!run.out().contains("uid="));
        assert!(run.err().contains("posternsh: stopped was stopped from starting /usr/bin/id\n"), "{user:?}: {}", run.err());
    }
}

#[test]
fn the_control_of_all_this_is_a_secret_that_can_be_read() {
    if !ready() {
        return;
    }
    let run = run(User::Account.command("/usr/bin/cat").arg("/srv/customer/data"), b"");
    assert!(run.out().contains(SECRET));
}
