//! As whom commands run in each of the three installs: set-user-ID root, owned by postern, and plain.
//!
//! The install is a copy of this test, which takes the ids that the shell has in its life there, and plans and runs commands.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Gid, Uid, geteuid, setfsgid, setfsuid, setresuid};
use postern::access::{Person, identify};
use postern::confine::{Confiner, Kernel, Rulesets};
use postern::exec::{PipelineTerms, PlanContext, Relayer, plan_terms, run};
use postern::policy::settings::Strength;
use postern::policy::{Confinement, RuleRef, Terms};
use postern::syntax::Connector;

use crate::Binary;
use crate::host::{EXTRA_USER, SEVERAL, host, numbers, shell};
use crate::users::Asking;

/// Set in the process that the test starts of itself: what it is to do.
const TASK: &str = "POSTERN_TEST_INSTALL";
/// The owner of the second install, and a number that no account has.
const OWNER: u32 = 22_002;
const ACCOUNT: u32 = 22_003;

const NOT_ROOT: &str = "this install runs commands as the account only (posternsh is owned by postern, not root)";
const NOT_SET: &str = "this install runs commands as the account only (posternsh is not set-user-ID root)";

/// Takes the ids that the guard has in this process's install.
fn settle(person: &Person) {
    let (account, owner) = (Uid::from_raw(person.uid), geteuid());
    if owner.is_root() {
        setresuid(owner, owner, owner).unwrap();
        setfsuid(account);
        setfsgid(Gid::from_raw(person.gid));
    } else if owner != account {
        setresuid(owner, account, owner).unwrap();
    }
}

/// Past the test harness, which would swallow it.
fn say(text: &str) {
    std::io::stdout().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// Runs `cat /proc/self/status` as a rule may say, and prints what became of it.
fn command(person: &Person, run_as: Option<&str>) {
    let words = ["cat", "/proc/self/status"].map(str::to_owned);
    let terms = Terms {
        program: "cat".to_owned(),
        argv: words.to_vec(),
        redirects: Vec::new(),
        run_as: run_as.map(str::to_owned),
        confine: Confinement::default(),
        timeout: None,
        output: None,
        account_home: false,
        rule: RuleRef { source: "test".to_owned(), line: 1 },
        form: String::new(),
        note: None,
        confirm: false,
        slots: Vec::new(),
        witness: None,
    };
    let confiner = Confiner::new(Kernel::of_host(), Strength::BestEffort, Rulesets::default());
    let (directory, constants) = (Path::new("/"), BTreeMap::new());
    let relayer = Relayer::start(None, None).unwrap();
    let context = PlanContext {
        person,
        directory,
        constants: &constants,
        search: &[],
        term: None,
        confiner: &confiner,
        inherited: &postern::sys::start::Inherited::default(),
        relayer: relayer.as_ref(),
        chapter: None,
        output_left: None,
        is_prompt_next: false,
    };
    match plan_terms(vec![PipelineTerms { connector: Connector::Always, negated: false, stages: vec![terms] }], &context) {
        Ok(plan) => assert_eq!(run(plan, None, &mut || false).status, 0),
        Err(refused) => say(&format!("refused: {refused}")),
    }
}

/// In the process that the test starts of itself; whether this is one.
fn task() -> bool {
    let Ok(task) = std::env::var(TASK) else { return false };
    if task == "ask" {
        let found = postern::sys::user::by_name(EXTRA_USER);
        say(&format!("{found:?}"));
        return true;
    }
    let person = identify().unwrap();
    settle(&person);
    command(&person, Some(task.as_str()).filter(|task| *task != "account"));
    true
}

/// The ids in what a command or the plan of it said, user, group and groups; or the refusal.
fn outcome(said: &str) -> Result<(u32, u32, Vec<u32>), String> {
    if let Some(refused) = said.lines().find_map(|line| line.strip_prefix("refused: ")) {
        return Err(refused.to_owned());
    }
    let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {said}"));
    let one = |name: &str| {
        let ids: Vec<u32> = field(name).split_whitespace().map(|id| id.parse().unwrap()).collect();
        assert_eq!(ids, [ids[0]; 4], "real, effective, saved, of files: nothing is left of anybody else");
        ids[0]
    };
    assert_eq!((field("CapPrm:").trim(), field("NoNewPrivs:").trim()), ("0000000000000000", "1"));
    Ok((one("Uid:"), one("Gid:"), numbers(field("Groups:"))))
}

#[test]
fn a_command_is_wholly_who_its_rule_says_in_each_install() {
    if task() {
        return;
    }
    let Some(host) = host() else { return };
    host.sources("files");
    let number = |command: &str| shell(command).trim().parse::<u32>().unwrap();
    let (uid, gid, groups) = (number("id -u several"), number("id -g several"), host.groups(SEVERAL));
    let tape = number("getent group tape | cut -d: -f3");
    let account = Ok((uid, gid, groups.clone()));
    let in_tape = Ok((uid, tape, numbers(&shell("id -G several; getent group tape | cut -d: -f3"))));
    let refused = |run_as: &str, why: &str| Err(format!("cannot run as {run_as}: {why}"));
    for (install, owner, mode, run_as, expected) in [
        ("root", 0, 0o4755, "account", account.clone()),
        ("root", 0, 0o4755, SEVERAL, account.clone()),
        ("root", 0, 0o4755, ":tape", in_tape),
        ("root", 0, 0o4755, "root", Ok((0, 0, host.groups("root")))),
        ("root", 0, 0o4755, "nobody:tape", Ok((65_534, tape, vec![tape]))),
        ("postern", OWNER, 0o4511, "account", account.clone()),
        ("postern", OWNER, 0o4511, SEVERAL, account.clone()),
        ("postern", OWNER, 0o4511, "root", refused("root", NOT_ROOT)),
        ("postern", OWNER, 0o4511, "owner", refused("owner", NOT_ROOT)),
        ("postern", OWNER, 0o4511, ":tape", refused(":tape", NOT_ROOT)),
        ("plain", 0, 0o755, "account", account.clone()),
        ("plain", 0, 0o755, SEVERAL, account),
        ("plain", 0, 0o755, "root", refused("root", NOT_SET)),
        ("plain", 0, 0o755, ":tape", refused(":tape", NOT_SET)),
    ] {
        let binary = Binary::new(owner, 0, mode);
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--init-groups", binary.path()]);
        command.args(["--exact", "installs::a_command_is_wholly_who_its_rule_says_in_each_install"]).env(TASK, run_as);
        let output = command.current_dir("/").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{install}, {run_as}: {said} {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(outcome(&said), expected, "{install}, {run_as}");
    }
}

/// What asks another source is nobody where there is privilege, the owner where there is an owner's, and never the account, but where
/// the account is all there is.
#[test]
fn the_account_is_not_who_asks_another_source_in_an_install_with_privilege() {
    if task() {
        return;
    }
    let Some(host) = host() else { return };
    host.sources("files extrausers");
    host.hang();
    for (owner, mode, uid, gid) in [(0, 0o4755, 65_534, 65_533), (OWNER, 0o4511, OWNER, ACCOUNT), (0, 0o755, ACCOUNT, ACCOUNT)] {
        let binary = Binary::new(owner, 0, mode);
        let mut command = Command::new(binary.path());
        command.args(["--exact", "installs::the_account_is_not_who_asks_another_source_in_an_install_with_privilege"]);
        let asking = Asking::start(command.env(TASK, "ask").uid(ACCOUNT).gid(ACCOUNT).current_dir("/"));
        let whole = |id: u32| [id; 4].map(|id| id.to_string()).join("\t");
        assert_eq!((asking.status("Uid"), asking.status("Gid")), (whole(uid), whole(gid)), "{mode:o} of {owner}");
        assert_eq!((asking.status("CapPrm"), asking.status("NoNewPrivs")), ("0".repeat(16), "1".to_owned()));
        let output = asking.shell.wait_with_output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().contains("no answer within 2s"));
    }
    host.entries();
}
