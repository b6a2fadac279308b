//! Tables of attacks, read twice.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::door::{Door, User};
use crate::host::{ATTACK, SECRET};
use crate::listeners::Listeners;
use crate::process::run;
use crate::scene;

/// By what an attack that works is known, besides its own word.
#[derive(Clone, Debug)]
pub enum Sign {
    /// Its own word alone.
    Said,
    /// It prints this.
    Prints(String),
    /// The directory that its words name as `{scene}` is not as it was.
    Changes,
    /// Somebody who listens got its `{token}`.
    Arrives,
}

/// One attack: what it is, the words for the attack program, and how it is known to work.
#[derive(Clone, Debug)]
pub struct Attack {
    name: String,
    words: String,
    sign: Sign,
    /// Instead of `words` in the control.
    control: Option<String>,
    /// Whether the control may fail, because kernels differ in having it at all.
    optional: bool,
}

pub fn attack(words: impl Into<String>, sign: Sign) -> Attack {
    let words = words.into();
    Attack { name: words.clone(), words, sign, control: None, optional: false }
}

/// One that is known by its word alone.
pub fn said(words: impl Into<String>) -> Attack {
    attack(words, Sign::Said)
}

/// One that prints the secret.
pub fn steals(words: impl Into<String>) -> Attack {
    attack(words, Sign::Prints(SECRET.to_owned()))
}

/// One that changes a scene.
pub fn changes(name: &str) -> Attack {
    attack(format!("{name} {{scene}}"), Sign::Changes)
}

/// One that reaches a listener.
pub fn reaches(words: impl Into<String>) -> Attack {
    attack(words, Sign::Arrives)
}

impl Attack {
    /// The words of the control, where the target must be another one.
    pub fn control(mut self, words: impl Into<String>) -> Attack {
        self.control = Some(words.into());
        self
    }

    /// As [`Attack::if_kernel`], where it has one of these words in it.
    pub fn if_kernel_without(mut self, words: &[&str]) -> Attack {
        self.optional = words.iter().any(|word| self.name.contains(word));
        self
    }

    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// Whether it begins with one of these.
    pub fn is_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.name.starts_with(name))
    }

    /// Not every kernel has it; where the control fails, that is said.
    pub fn if_kernel(mut self) -> Attack {
        self.optional = true;
        self
    }
}

/// Under what the control runs.
#[derive(Clone, Copy, Debug)]
pub enum Free<'a> {
    /// A confinement that lacks the protection.
    Confined(&'a str),
    /// No shell at all: what every command is kept from, whatever its confinement.
    Bare,
}

/// An attack with all its words, and its place.
struct Prepared<'a> {
    attack: &'a Attack,
    words: String,
    scene: Option<(PathBuf, String)>,
    token: String,
}

/// How one attack went.
pub struct Outcome {
    pub name: String,
    /// What the attack said: `yes`, `no EACCES`, `killed 31`, or `nothing`.
    pub answer: String,
    /// Whether its sign was there.
    pub seen: bool,
    pub out: String,
}

impl Outcome {
    pub fn said_yes(&self) -> bool {
        self.answer == "yes"
    }
}

/// What attacks need around them.
pub struct Ground<'a> {
    /// Where scenes are made.
    pub place: &'a str,
    pub listeners: Option<&'a Listeners>,
}

pub const NO_GROUND: Ground<'static> = Ground { place: "/tmp", listeners: None };

/// Shows for every user that each attack works without a protection, and none with it.
pub fn prove(what: &str, attacks: &[Attack], users: &[User], held: &str, free: Free<'_>) {
    prove_on(&NO_GROUND, what, attacks, users, held, free);
}

pub fn prove_on(ground: &Ground<'_>, what: &str, attacks: &[Attack], users: &[User], held: &str, free: Free<'_>) {
    let mut faults = String::new();
    for user in users {
        let control = match free {
            Free::Confined(confine) => through(&Door::new(*user, confine), ground, attacks, true),
            Free::Bare => bare(*user, ground, attacks),
        };
        note_idle(&mut faults, what, *user, attacks, &control);
        let door = Door::new(*user, held);
        note_working(&mut faults, *user, held, &through(&door, ground, attacks, false));
    }
    assert!(faults.is_empty(), "{what}\n{faults}");
}

/// Shows that what is no attack works under a confinement.
pub fn works(ground: &Ground<'_>, what: &str, uses: &[Attack], users: &[User], held: &str) {
    let mut faults = String::new();
    for user in users {
        let outcomes = through(&Door::new(*user, held), ground, uses, false);
        note_idle(&mut faults, what, *user, uses, &outcomes);
    }
    assert!(faults.is_empty(), "{what}, under {held}\n{faults}");
}

/// Shows that attacks fail; for those that have their control elsewhere.
pub fn fails(ground: &Ground<'_>, what: &str, attacks: &[Attack], users: &[User], held: &str) {
    let mut faults = String::new();
    for user in users {
        note_working(&mut faults, *user, held, &through(&Door::new(*user, held), ground, attacks, false));
    }
    assert!(faults.is_empty(), "{what}\n{faults}");
}

/// Controls that show nothing.
fn note_idle(faults: &mut String, what: &str, user: User, attacks: &[Attack], outcomes: &[Outcome]) {
    let idle = attacks.iter().zip(outcomes).filter(|(_, outcome)| !outcome.said_yes() || !outcome.seen);
    let (lacking, broken): (Vec<_>, Vec<_>) = idle.partition(|(attack, _)| attack.optional);
    if !lacking.is_empty() {
        let list: Vec<String> = lacking.iter().map(|(_, outcome)| format!("{} ({})", outcome.name, outcome.answer)).collect();
        // The test itself runs: its other rows are shown.
        let _ = writeln!(io::stderr().lock(), "NOT SHOWN on this kernel: {what}, {user:?}: {}", list.join(", "));
    }
    for (attack, outcome) in broken {
        let _ = writeln!(faults, "  {user:?}: {} should work: {} (sign: {}) {:?}", attack.name, outcome.answer, outcome.seen, outcome.out);
    }
}

/// Attacks that get through.
fn note_working(faults: &mut String, user: User, held: &str, outcomes: &[Outcome]) {
    for outcome in outcomes {
        // A race says yes when it gets what it may have.
        let through = outcome.seen || (outcome.said_yes() && !outcome.name.starts_with("race") && !outcome.name.contains("-race"));
        if through || outcome.answer == "nothing" {
            let _ = writeln!(faults, "  {user:?}: {} under {held}: {} (sign: {})", outcome.name, outcome.answer, outcome.seen);
        }
    }
}

/// Makes the attacks through a shell. As many at a time as fit into a line.
pub fn through(door: &Door, ground: &Ground<'_>, attacks: &[Attack], control: bool) -> Vec<Outcome> {
    make(door.user, ground, attacks, control, |words| {
        let run = door.line(&format!("attack {words}"));
        assert_eq!(run.status(), 0, "the shell, as {:?} under {}: {}{}\n{words}", door.user, door.confine, run.out(), run.err());
        run.out()
    })
}

/// Makes the attacks without a shell.
fn bare(user: User, ground: &Ground<'_>, attacks: &[Attack]) -> Vec<Outcome> {
    make(user, ground, attacks, true, |words| {
        let mut command: Command = user.command(ATTACK);
        let finished = run(command.args(words.split(' ')), b"");
        assert_eq!(finished.status, 0, "{}", finished.err());
        finished.out()
    })
}

fn make(user: User, ground: &Ground<'_>, attacks: &[Attack], control: bool, run: impl Fn(&str) -> String) -> Vec<Outcome> {
    let prepared: Vec<Prepared<'_>> = attacks.iter().map(|attack| prepare(user, ground, attack, control)).collect();
    let mut answers = Vec::new();
    for batch in batches(&prepared) {
        let words: Vec<&str> = batch.iter().map(|prepared| prepared.words.as_str()).collect();
        let mut found = answers_of(&run(&words.join(" , ")));
        found.resize_with(batch.len(), || ("nothing".to_owned(), String::new()));
        answers.extend(found);
    }
    if ground.listeners.is_some() {
        // What was sent is on its way to the threads that listen.
        std::thread::sleep(Duration::from_millis(100));
    }
    prepared.iter().zip(answers).map(|(prepared, (answer, out))| prepared.judge(ground, answer, out)).collect()
}

/// Lines have a length.
fn batches<'a, 'b>(prepared: &'b [Prepared<'a>]) -> Vec<&'b [Prepared<'a>]> {
    let mut batches = Vec::new();
    let (mut start, mut length) = (0, 0);
    for (index, one) in prepared.iter().enumerate() {
        length += one.words.len() + 3;
        if length > 3500 {
            batches.push(&prepared[start..index]);
            (start, length) = (index, one.words.len() + 3);
        }
    }
    batches.push(&prepared[start..]);
    batches
}

fn prepare<'a>(user: User, ground: &Ground<'_>, attack: &'a Attack, control: bool) -> Prepared<'a> {
    let token = format!("token-{}", postern::record::new_session_id());
    let words = attack.control.as_ref().filter(|_| control).unwrap_or(&attack.words).replace("{token}", &token);
    let scene = words.contains("{scene}").then(|| scene::make(Path::new(ground.place), user.uid()));
    let words = scene.as_ref().map_or_else(|| words.clone(), |(path, _)| words.replace("{scene}", path.to_str().unwrap()));
    Prepared { attack, words, scene, token }
}

impl Prepared<'_> {
    fn judge(&self, ground: &Ground<'_>, answer: String, out: String) -> Outcome {
        let seen = match &self.attack.sign {
            Sign::Said => answer == "yes",
            Sign::Prints(text) => out.contains(text),
            Sign::Changes => self.scene.as_ref().is_some_and(|(path, before)| scene::state(path) != *before),
            Sign::Arrives => ground.listeners.is_some_and(|listeners| listeners.got(&self.token)),
        };
        Outcome { name: self.attack.name.clone(), answer, seen, out }
    }
}

/// What the attack program reports: for each attack what it said, and all that it printed.
pub fn answers_of(out: &str) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    for part in out.split("\n@\n").skip(1) {
        let answer = part.lines().rev().find_map(|line| line.strip_prefix("= ")).unwrap_or("nothing");
        answers.push((answer.to_owned(), part.to_owned()));
    }
    answers
}
