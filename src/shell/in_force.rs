//! The policy in force for a session: opened once, and again when another one was applied.
//!
//! This is the only file of the shell that opens policies. A policy that cannot be opened when the session starts ends it; later, the one
//! that the session has stays in force, with an alert: it is what a person was let in by, and nothing weaker.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::arguments::Origin;
use super::builtins;
use crate::access::Person;
use crate::access::in_force::{InForce as AppliedInForce, NotInForce};
use crate::policy::compile::Source;
use crate::policy::settings::Audit;
use crate::policy::shipped;
use crate::policy::{Applied, Damaged, Rule, Settings, Subject};
use crate::sys::file::{FileError, Owner, read_tree};
use crate::words::{Diagnostic, Safe, paths};

/// Why there is no policy to go by.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{0}")]
    NotInForce(#[from] NotInForce),
    #[error("{0}")]
    Unreadable(#[from] FileError),
    #[error("the policy has errors\n{0}")]
    Invalid(String),
    #[error("the demo needs a home directory for its records: {0}")]
    DemoRecords(String),
}

/// The policy in force, and where records go under it.
pub struct InForce {
    policy: Rc<Applied>,
    /// The applied policy, if this is it, and not one compiled in memory.
    applied: Option<AppliedInForce>,
    /// Where records go instead of where the policy says.
    records: Option<Audit>,
}

/// What became of the policy since the line before.
pub enum Change {
    /// Another one is in force; `before` is the digest of the old, the alert is of the opening of the new.
    Replaced { before: String, alert: Option<String> },
    /// There is another one, which cannot be used.
    Unusable(String),
}

impl InForce {
    /// Opens the policy of `origin`. The second value is what the person and the records must be told of it.
    pub fn open(origin: &Origin, person: &Person) -> Result<(InForce, Option<String>), PolicyError> {
        let in_memory = |policy, records| InForce { policy: Rc::new(policy), applied: None, records };
        match origin {
            Origin::Applied => {
                let applied = AppliedInForce::open(Path::new(paths::STATE_DIR), Owner::Root)?;
                let alert = applied.damage.clone();
                Ok((InForce { policy: Rc::clone(&applied.policy), applied: Some(applied), records: None }, alert))
            }
            Origin::Sources(path) => Ok((in_memory(from_sources(path)?, None), None)),
            Origin::Demo => Ok((in_memory(compile(&shipped::sources())?, Some(demo_records(&person.home)?)), None)),
        }
    }

    pub fn policy(&self) -> &Rc<Applied> {
        &self.policy
    }

    pub fn settings(&self) -> &Settings {
        self.policy.settings()
    }

    /// Where records go.
    pub fn audit(&self) -> &Audit {
        self.records.as_ref().unwrap_or(&self.settings().audit)
    }

    /// Takes up another policy if one was applied since this one was opened.
    pub fn refresh(&mut self) -> Option<Change> {
        let applied = self.applied.as_mut().filter(|applied| !applied.is_current())?;
        match AppliedInForce::open(Path::new(paths::STATE_DIR), Owner::Root) {
            Ok(opened) => self.take(opened),
            Err(error) => {
                applied.stay();
                Some(Change::Unusable(error.to_string()))
            }
        }
    }

    /// Goes back to the policy before, when damage shows in the applied one; `None` where there is none to go back to.
    pub fn fall_back(&mut self, damage: &Damaged) -> Option<Change> {
        self.applied.as_ref()?;
        let before = AppliedInForce::previous(Path::new(paths::STATE_DIR), Owner::Root, damage).ok()?;
        self.take(before)
    }

    fn take(&mut self, opened: AppliedInForce) -> Option<Change> {
        let before = self.policy.digest().to_owned();
        let alert = opened.damage.clone();
        self.policy = Rc::clone(&opened.policy);
        self.applied = Some(opened);
        (self.policy.digest() != before || alert.is_some()).then_some(Change::Replaced { before, alert })
    }
}

/// The policy of a file or a directory, which must belong to root or to the caller.
pub fn from_sources(path: &Path) -> Result<Applied, PolicyError> {
    let sources: Vec<Source> = read_tree(path, Owner::Caller)?.into_iter().map(Source::from).collect();
    compile(&sources)
}

fn compile(sources: &[Source]) -> Result<Applied, PolicyError> {
    let text = |findings: &[Diagnostic]| findings.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n");
    Applied::from_sources(sources).map(|(policy, _warnings)| policy).map_err(|findings| PolicyError::Invalid(text(&findings)))
}

/// The demo's records: `postern` in the state directory of the XDG base directory specification, made for the caller alone.
fn demo_records(home: &str) -> Result<Audit, PolicyError> {
    let configured = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let dir = configured.unwrap_or_else(|| Path::new(home).join(".local/state")).join("postern");
    let failed = |reason: &str| PolicyError::DemoRecords(format!("{}: {reason}", Safe(dir.as_os_str().as_encoded_bytes())));
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
    builder.create(&dir).map_err(|error| failed(&error.to_string()))?;
    let dir = dir.to_str().ok_or_else(|| failed("its name is not UTF-8"))?.to_owned();
    Ok(Audit { syslog: None, dir, ..Audit::default() })
}

/// Every command word that some rule in force for `subject` allows, sorted.
pub fn allowed_commands(policy: &Applied, subject: &Subject) -> Vec<String> {
    let names = policy.commands().unwrap_or_default();
    names.into_iter().filter(|name| allows(policy, subject, name)).collect()
}

/// Whether some rule in force for `subject` allows this command word. A damaged policy allows none.
pub fn allows(policy: &Applied, subject: &Subject, command: &str) -> bool {
    let rules = policy.rules(command).ok().flatten();
    rules
        .iter()
        .flat_map(|rules| &rules.allow)
        .any(|rule| policy.scopes().get(rule.scope as usize).is_some_and(|scope| scope.admits(subject)))
}

/// Builtins that are programs of the policy, too: they need not stand alone.
pub fn shadowed_builtins(policy: &Applied, subject: &Subject) -> Vec<String> {
    builtins::names().filter(|name| allows(policy, subject, name)).map(str::to_owned).collect()
}

/// The allow rules for one command word that are in force for `subject`, with the source that each is from. A damaged policy has none.
pub fn rules_in_force(policy: &Applied, subject: &Subject, command: &str) -> Vec<InForceRule> {
    let rules = policy.rules(command).ok().flatten();
    let rules = rules.iter().flat_map(|rules| &rules.allow);
    let scoped = rules.filter_map(|rule| Some((rule, policy.scopes().get(rule.scope as usize)?)));
    scoped.filter(|(_, scope)| scope.admits(subject)).map(|(rule, scope)| InForceRule::of(rule, &scope.source)).collect()
}

/// A rule as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForceRule {
    /// With its parts filled in.
    pub form: String,
    /// `path:` of the rule.
    pub path: Option<String>,
    pub note: Option<String>,
    pub run_as: Option<String>,
    pub confine: String,
    pub timeout: Option<Duration>,
    /// `file:line`.
    pub place: String,
}

impl InForceRule {
    fn of(rule: &Rule, source: &str) -> InForceRule {
        InForceRule {
            form: rule.form.written().to_owned(),
            path: rule.path.clone(),
            note: rule.note.clone(),
            run_as: rule.run_as.clone(),
            confine: rule.confine.name.clone(),
            timeout: rule.timeout.map(|limit| Duration::from_millis(limit.value)),
            place: format!("{source}:{}", rule.line),
        }
    }
}

/// The constants that lines of `subject` may use, and that its commands find in their environment.
pub fn constants(policy: &Applied, subject: &Subject) -> BTreeMap<String, String> {
    let scopes = policy.scopes().iter().filter(|scope| scope.admits(subject));
    scopes.flat_map(|scope| scope.env.clone()).collect()
}
