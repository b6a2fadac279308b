//! The policy: its sources, what is in force, and what nobody reads.

use std::path::Path;

use super::finding::{Check, Finding};
use super::host::Host;
use super::reading::{Unread, names, status};
use crate::access::in_force::{NotInForce, open_one};
use crate::admin::install;
use crate::admin::output::count;
use crate::policy::Applied;
use crate::policy::applied::encode;
use crate::policy::compile::{Compiled, Source, compile};
use crate::sys::file::{Directory, Owner, read_tree};
use crate::words::paths::{APPLIED, EMPTY_HOME, POLICY_DIR, POLICY_FILE, POLICY_PARTS, PREVIOUS, STATE_DIR};
use crate::words::{Diagnostic, Severity};

pub const CHECKS: &[Check] = &[
    Check { id: "policy.sources", run: |_| vec![sources()] },
    Check { id: "policy.valid", run: |host| vec![valid(&host.sources)] },
    Check { id: "policy.ignored", run: |_| ignored() },
    Check { id: "policy.state", run: |_| vec![state()] },
    Check { id: "policy.applied", run: |host| vec![applied(host)] },
    Check { id: "policy.previous", run: |_| vec![previous()] },
    Check { id: "policy.observe", run: observed },
    Check { id: "policy.home", run: |_| vec![home()] },
];

fn sources() -> Finding {
    match read_tree(Path::new(POLICY_DIR), Owner::Root) {
        Ok(sources) => Finding::ok(POLICY_DIR, format!("{}, root's with all above", count(sources.len(), "file"))),
        Err(error) if error.is_missing() => Finding::warning(POLICY_DIR, format!("{error}: the policy in force has no source"))
            .fix(format!("write {POLICY_DIR}/{POLICY_FILE}")),
        Err(error) => Finding::distrust(&error),
    }
}

/// What the sources compile to, whoever owns them; `None` where they cannot be read.
pub type Sources = Option<Result<Compiled, Vec<Diagnostic>>>;

/// Reads and compiles the sources.
pub fn compiled() -> Sources {
    let sources: Vec<Source> = read_tree(Path::new(POLICY_DIR), Owner::Anyone).ok()?.into_iter().map(Source::from).collect();
    Some(compile(&sources).map(|mut compiled| {
        compiled.warnings.extend(install::beyond(&compiled, &sources));
        compiled
    }))
}

fn valid(sources: &Sources) -> Finding {
    match sources {
        None => Finding::skipped(POLICY_DIR, "its sources cannot be read"),
        Some(Err(findings)) => {
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
            Finding::problem(POLICY_DIR, format!("{}, so it cannot be put in force", count(errors, "error")))
                .fix("`postern check` shows them")
        }
        Some(Ok(compiled)) if !compiled.warnings.is_empty() => {
            Finding::warning(POLICY_DIR, count(compiled.warnings.len(), "warning")).fix("`postern check` shows them")
        }
        Some(Ok(compiled)) => Finding::ok(POLICY_DIR, format!("{}, no warnings", count(compiled.all_rules().count(), "rule"))),
    }
}

/// What lies among the sources and is none.
fn ignored() -> Vec<Finding> {
    let parts = format!("{POLICY_DIR}/{POLICY_PARTS}");
    let (in_main, in_parts) = match (names(POLICY_DIR), names(&parts)) {
        (Ok(in_main), Ok(in_parts)) => (in_main, in_parts),
        (Err(unread), _) => return vec![unread.skipped(POLICY_DIR)],
        (_, Err(unread)) => return vec![unread.skipped(parts)],
    };
    let is_yaml = |name: &str| name.ends_with(".yaml") || name.ends_with(".yml");
    let misplaced = in_main.iter().filter(|name| is_yaml(name) && *name != POLICY_FILE);
    let mut found: Vec<Finding> = misplaced.map(|name| stray(POLICY_DIR, name)).collect();
    found.extend(in_parts.iter().filter(|name| !name.ends_with(".yaml") || name.starts_with('.')).map(|name| stray(&parts, name)));
    if found.is_empty() { vec![Finding::ok(POLICY_DIR, "every file in it is read")] } else { found }
}

fn stray(directory: &str, name: &str) -> Finding {
    let (path, parts) = (format!("{directory}/{name}"), format!("{POLICY_DIR}/{POLICY_PARTS}"));
    let message = format!("not read: only {POLICY_FILE}, and what ends in .yaml in {POLICY_PARTS}, is");
    match name.strip_suffix(".yml").or(name.strip_suffix(".yaml").filter(|_| directory == POLICY_DIR)) {
        Some(stem) if !name.starts_with('.') => {
            let target = format!("{parts}/{stem}.yaml");
            Finding::warning(&path, message).fix(format!("rename it to {target}, or remove it"))
        }
        _ => Finding::note(path, message).fix("remove it if it is a left-over"),
    }
}

fn state() -> Finding {
    match Directory::open(Path::new(STATE_DIR), Owner::Root) {
        Ok(_) => Finding::ok(STATE_DIR, "it is root's, with all above it"),
        Err(error) if error.is_missing() => Finding::skipped(STATE_DIR, "it is not there: `postern apply` makes it"),
        Err(error) => Finding::distrust(&error),
    }
}

/// Whether what is in force is sound, and what the sources say.
fn applied(host: &Host) -> Finding {
    let path = format!("{STATE_DIR}/{APPLIED}");
    let apply = |finding: Finding| finding.command(["postern", "apply"]);
    let in_force = match &host.policy {
        Ok(in_force) => in_force,
        Err(NotInForce::State(error)) if error.is_distrust() => return Finding::skipped(path, error.to_string()),
        Err(error) => return apply(Finding::problem(path, format!("{error}; nobody gets in"))),
    };
    if let Some(damage) = &in_force.damage {
        return apply(Finding::problem(path, format!("{damage}; the policy before it is in force")));
    }
    if let Err(damage) = in_force.policy.verify() {
        return apply(Finding::problem(path, damage.to_string()));
    }
    match host.sources.as_ref().and_then(|sources| digest(sources.as_ref().ok()?)) {
        None => Finding::skipped(path, format!("it is sound, but {POLICY_DIR} cannot be compiled, so whether they agree is not known")),
        Some(digest) if digest == in_force.policy.digest() => Finding::ok(path, format!("it is sound, and what {POLICY_DIR} says")),
        Some(_) => {
            apply(Finding::warning(path, format!("{POLICY_DIR} says something else: it was changed and not applied, or rolled back")))
        }
    }
}

/// For whom the policy in force refuses nothing.
fn observed(host: &Host) -> Vec<Finding> {
    let path = format!("{STATE_DIR}/{APPLIED}");
    let Ok(in_force) = &host.policy else { return vec![Finding::skipped(path, "no policy is in force")] };
    let scopes = in_force.policy.scopes().iter().filter(|scope| scope.observe.is_some());
    let found: Vec<Finding> = scopes
        .map(|scope| {
            let accounts = if scope.accounts.is_empty() { "all accounts".to_owned() } else { scope.accounts.join(", ") };
            let message = format!("nothing is refused to {accounts} (mode: observe); `postern search --observed` shows what would be");
            Finding::warning(&scope.source, message).fix("take `mode: observe` out of it when the policy is as it should be, and apply it")
        })
        .collect();
    if found.is_empty() { vec![Finding::ok(path, "what it does not allow is refused")] } else { found }
}

fn digest(compiled: &Compiled) -> Option<String> {
    let applied = Applied::open(Box::new(encode(compiled).ok()?)).ok()?;
    Some(applied.digest().to_owned())
}

fn previous() -> Finding {
    let path = format!("{STATE_DIR}/{PREVIOUS}");
    let Ok(directory) = Directory::open(Path::new(STATE_DIR), Owner::Root) else {
        return Finding::skipped(path, "the state directory cannot be used");
    };
    let damage = match open_one(&directory, PREVIOUS, Owner::Root) {
        Ok(None) => return Finding::ok(path, "there is none yet"),
        Ok(Some(policy)) => policy.verify().err().map(|damage| damage.to_string()),
        Err(error) => Some(error.to_string()),
    };
    match damage {
        None => Finding::ok(path, "it is sound: `postern rollback` can go back to it"),
        Some(damage) => Finding::warning(&path, format!("{damage}: there is nothing to go back to")).command(["rm", &path]),
    }
}

/// The home directory of commands, in which nobody may put a file that configures them.
fn home() -> Finding {
    let path = format!("{STATE_DIR}/{EMPTY_HOME}");
    let make = ["install", "-d", "-m", "755", "-o", "root", "-g", "root", &path];
    let state = match Directory::open(Path::new(STATE_DIR), Owner::Anyone) {
        Ok(state) => state,
        Err(error) => return Finding::skipped(path, error.to_string()),
    };
    match status(&path) {
        Ok(None) => return Finding::problem(&path, "it is not there, and commands have it for a home directory").command(make),
        Err(unread) => return unread.skipped(&path),
        Ok(Some(_)) => {}
    }
    if let Err(error) = state.subdirectory(EMPTY_HOME, Owner::Root) {
        return Finding::distrust(&error);
    }
    match names(&path) {
        Ok(names) if names.is_empty() => Finding::ok(path, "it is root's and empty"),
        Ok(names) => Finding::problem(&path, format!("it holds {}, which commands may take for their configuration", names.join(", ")))
            .command(["find", &path, "-mindepth", "1", "-delete"]),
        Err(Unread::Missing) => Finding::skipped(path, "it has just gone"),
        Err(unread) => unread.skipped(path),
    }
}
