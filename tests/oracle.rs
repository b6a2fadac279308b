//! The command line against bash and dash: whatever this shell accepts, both accept, with the same words, redirections and order of execution.
//!
//! Random lines are parsed here; those that are accepted are run by both shells, in which every command is a stub that writes down its
//! words and where its descriptors lead. Each line runs three times: all commands succeed, all fail, some do.
//!
//! A failure prints its seed. `ORACLE_SEED=…` repeats it; `ORACLE_LINES=1000000 cargo test --release --test oracle -- --ignored` goes on for longer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends by panicking")]

#[path = "oracle/generate.rs"]
mod generate;
#[path = "oracle/scratch.rs"]
mod scratch;
#[path = "oracle/shells.rs"]
mod shells;
#[path = "oracle/simulate.rs"]
mod simulate;

use generate::Random;
use postern::syntax::{RedirectKind, Request, parse};
use scratch::Scratch;
use simulate::{Outcome, simulate};

/// Lines that one shell process runs; more would fill the directory with files that globs then meet.
const BATCH: usize = 400;

/// Names that are harmless to a shell, and hard to get right: blanks, quotes, glob characters, hidden ones.
const ODD_NAMES: &[&str] = &[
    "a", "b", "ab", "a b", "a'b", "a\"b", "a\\b", "a*", "a[b", "[a]", "]", "!", "^", "#", "~", "$", "{", "a-b", "a=b", ".a", ".b.c", "A",
    "B", "1", "a.1", "b.1", "d/a", "d/.a", "d/-a", "d e/a", "d-/a", "f/g/a", "f/h/a",
];

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// Compares about `count` random lines; gives how many were accepted.
fn compare(count: usize, seed: u64, names: &[&str], generate: fn(&mut Random) -> String) -> usize {
    let mut random = Random::new(seed);
    let mut compared = 0;
    for batch in 0..count.div_ceil(BATCH) {
        let scratch = Scratch::with(names);
        let lines: Vec<String> = (0..BATCH).map(|_| generate(&mut random)).collect();
        let accepted = scratch.accept(&lines);
        compared += accepted.len();
        let expected: Vec<[Outcome; 3]> =
            accepted.iter().map(|request| shells::MODES.map(|mode| simulate(request, mode, &scratch))).collect();
        for shell in ["bash", "dash"] {
            let outcomes = shells::run(shell, &accepted, &scratch);
            for (index, (request, expected)) in accepted.iter().zip(&expected).enumerate() {
                let errors = scratch.errors(shell);
                let place = format!("seed {seed}, batch {batch}, {shell}: {:?}\n{errors}", request.line);
                assert_eq!(
                    outcomes.get(index).map(|outcome| sorted(outcome, expected)),
                    Some(expected.clone().map(Outcome::sorted)),
                    "{place}"
                );
            }
        }
    }
    compared
}

/// What a shell did, with the records of each pipeline in one order: its commands run at the same time.
fn sorted(found: &[Outcome; 3], expected: &[Outcome; 3]) -> [Outcome; 3] {
    let mut found = found.clone();
    for (found, expected) in found.iter_mut().zip(expected) {
        found.regroup(expected);
    }
    found.map(Outcome::sorted)
}

#[test]
fn random_lines_mean_the_same_to_bash_and_dash() {
    let seed = environment("ORACLE_SEED").unwrap_or(1);
    let accepted = compare(8000, seed, ODD_NAMES, generate::noise);
    assert!(accepted > 600, "only {accepted} lines of noise were accepted");
    let accepted = compare(2400, seed, ODD_NAMES, generate::plausible);
    assert!(accepted > 600, "only {accepted} plausible lines were accepted");
}

#[test]
fn globs_mean_the_same_to_bash_and_dash() {
    let accepted = compare(2400, environment("ORACLE_SEED").unwrap_or(2), ODD_NAMES, generate::globs);
    assert!(accepted > 600, "only {accepted} globs were accepted");
}

/// dash knows bytes only; to bash, and here, a character is what a person takes for one.
#[test]
fn globs_match_characters_as_bash_does() {
    let scratch = Scratch::with(&["a", "é", "éa", "aé", "日本", ".é"]);
    let lines = ["a ?", "a ??", "a [!a]", "a [!a]?", "a *é*", "a .?[!x]*", "a ?' '"].map(str::to_owned);
    let accepted = scratch.accept(&lines);
    assert_eq!(accepted.len(), lines.len());
    for (request, found) in accepted.iter().zip(shells::run("bash", &accepted, &scratch)) {
        let expected = shells::MODES.map(|mode| simulate(request, mode, &scratch));
        assert_eq!(sorted(&found, &expected), expected.map(Outcome::sorted), "{:?}", request.line);
    }
}

#[test]
#[ignore = "as long as ORACLE_LINES says"]
fn many_random_lines_mean_the_same_to_bash_and_dash() {
    let lines = environment("ORACLE_LINES").unwrap_or(100_000) as usize;
    let seed = environment("ORACLE_SEED").unwrap_or(std::process::id().into());
    for generate in [generate::noise, generate::plausible, generate::globs] {
        let accepted = compare(lines / 3, seed, ODD_NAMES, generate);
        assert!(accepted * 20 > lines / 3, "only {accepted} lines were accepted");
    }
}

#[test]
fn a_shell_that_differs_is_noticed() {
    let scratch = Scratch::with(&["a"]);
    let mut accepted = scratch.accept(&["a b | c; d".to_owned(), "a >x && b".to_owned()]);
    let found = shells::run("dash", &accepted, &scratch);
    accepted[0].items[0].stages[0].argv[1].text.push('x');
    accepted[1].items[0].stages[0].redirects[0].kind = RedirectKind::Null(1);
    for (request, found) in accepted.iter().zip(&found) {
        let expected = shells::MODES.map(|mode| simulate(request, mode, &scratch));
        assert_ne!(sorted(found, &expected), expected.map(Outcome::sorted));
    }
}

/// A second opinion on quotes: lines of plain words, against a parser that others wrote.
#[test]
fn plain_words_are_split_as_shlex_splits_them() {
    let mut random = Random::new(3);
    let mut compared = 0;
    let scratch = Scratch::with(&[]);
    for _ in 0..20_000 {
        let line = generate::quotes(&mut random);
        let Some(request) =
            parse(line.as_bytes()).ok().filter(|script| script.single().is_some()).and_then(|script| scratch.settle(&script))
        else {
            continue;
        };
        let words: Vec<String> = argv(&request).map(str::to_owned).collect();
        assert_eq!(shlex::split(&line), Some(words), "{line:?}");
        compared += 1;
    }
    assert!(compared > 5000, "only {compared} lines were compared");
}

fn argv(request: &Request) -> impl Iterator<Item = &str> {
    request.items.iter().flat_map(|item| &item.stages).flat_map(|stage| &stage.argv).map(|argument| argument.text.as_str())
}
