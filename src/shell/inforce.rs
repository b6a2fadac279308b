//! The policy in force for a session: opened once, and again when another one was applied.
//!
//! This is the only file of the shell that opens policies. A policy that cannot be opened when the session starts ends it; later, the one
//! that the session has stays in force, with an alert: it is what a person was let in by, and nothing weaker.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nix::unistd::geteuid;

use super::arguments::Origin;
use crate::access::{Person, inforce};
use crate::policy::compile::Source;
use crate::policy::settings::Audit;
use crate::policy::{Applied, Rule, Settings, Subject};
use crate::sys;
use crate::words::{Diagnostic, Safe, paths};

/// The policy of `--demo`.
const DEMO: &str = include_str!("../../policies/diagnostics.yaml");

/// Why there is no policy to go by.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("no policy is in force: {0}; an operator must run `postern apply`")]
    NotApplied(String),
    #[error("{0}")]
    Unreadable(String),
    #[error("the policy has errors\n{0}")]
    Invalid(String),
    #[error("the demo needs a home directory for its records: {0}")]
    DemoRecords(String),
}

/// The policy in force, and where records go under it.
pub struct InForce {
    origin: Origin,
    policy: Rc<Applied>,
    /// Where records go instead of where the policy says.
    records: Option<Audit>,
    seen: Option<Identity>,
}

/// What became of the policy since the line before.
pub enum Change {
    /// Another one is in force; `before` is the digest of the old, the alert is of the opening of the new.
    Replaced { before: String, alert: Option<String> },
    /// There is another one, which cannot be used.
    Unusable(String),
}

/// Which file was read: it is another one after every `postern apply`, which replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

impl InForce {
    /// Opens the policy of `origin`. The second value is what the person and the records must be told of it.
    pub fn open(origin: Origin, person: &Person) -> Result<(InForce, Option<String>), PolicyError> {
        let seen = Identity::current(&origin);
        let (policy, alert) = open(&origin)?;
        let records = match origin {
            Origin::Demo => Some(demo_records(&person.home)?),
            Origin::Applied | Origin::Sources(_) => None,
        };
        Ok((InForce { origin, policy: Rc::new(policy), records, seen }, alert))
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
        let current = Identity::current(&self.origin);
        if current == self.seen {
            return None;
        }
        self.seen = current;
        let before = self.policy.digest().to_owned();
        match open(&self.origin) {
            Ok((policy, alert)) if policy.digest() != before || alert.is_some() => {
                self.policy = Rc::new(policy);
                Some(Change::Replaced { before, alert })
            }
            Ok(_) => None,
            Err(error) => Some(Change::Unusable(error.to_string())),
        }
    }
}

impl Identity {
    /// The applied file as it is now; `None` when there is none, or the policy is no applied file.
    fn current(origin: &Origin) -> Option<Identity> {
        match origin {
            Origin::Applied => Identity::of(&Path::new(paths::STATE_DIR).join(paths::APPLIED)).ok(),
            Origin::Sources(_) | Origin::Demo => None,
        }
    }

    fn of(path: &Path) -> io::Result<Identity> {
        let data = std::fs::metadata(path)?;
        Ok(Identity { device: data.dev(), inode: data.ino(), modified: (data.mtime(), data.mtime_nsec()), size: data.size() })
    }
}

fn open(origin: &Origin) -> Result<(Applied, Option<String>), PolicyError> {
    match origin {
        Origin::Applied => inforce::open_in_force(Path::new(paths::STATE_DIR)).map_err(|error| PolicyError::NotApplied(error.to_string())),
        Origin::Sources(path) => compile(&read_sources(path)?).map(|policy| (policy, None)),
        Origin::Demo => {
            let source = Source { name: "diagnostics.yaml".to_owned(), bytes: DEMO.as_bytes().to_vec(), main: true };
            compile(&[source]).map(|policy| (policy, None))
        }
    }
}

/// The sources of a file or a directory, which must belong to root or to the caller.
fn read_sources(path: &Path) -> Result<Vec<Source>, PolicyError> {
    let files = sys::file::read_tree(path, geteuid().as_raw()).map_err(|error| PolicyError::Unreadable(error.to_string()))?;
    let alone = files.len() == 1;
    let source = |(name, bytes): (String, Vec<u8>)| Source { main: alone || name == "policy.yaml", name, bytes };
    Ok(files.into_iter().map(source).collect())
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
    names.into_iter().filter(|name| !rules_in_force(policy, subject, name).is_empty()).collect()
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
    pub form: String,
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
            form: rule.form.text.clone(),
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
