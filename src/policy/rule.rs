//! Rules as they are compiled and applied.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::confinement::Confinement;
use super::form::Form;

/// Who asks, from where, on which host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub host: String,
    pub account: String,
    /// Names of the groups of the account.
    pub groups: Vec<String>,
    /// The account's home directory, for `~` in hidden paths.
    pub home: String,
    /// The client's address; `None` when unknown, which matches every deny and no allow that names addresses.
    pub from: Option<IpAddr>,
    /// Whether the command will run on a terminal: limits of `defaults` hold without one only.
    pub terminal: bool,
}

/// Whom one source file is for, and what it adds to the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The file, as records and messages name it: `policy.yaml`, `policy.d/20-db.yaml`.
    pub source: String,
    /// Globs on the host name, `!` in front for "not"; empty: every host.
    pub hosts: Vec<String>,
    /// Accounts and `%groups`, `!` in front for "not"; empty: every account.
    pub accounts: Vec<String>,
    /// Networks as `address/bits`; empty: anywhere.
    pub from: Vec<String>,
    /// Constants that lines may use as `$NAME` and that commands find in their environment.
    pub env: BTreeMap<String, String>,
}

/// The rules for one command word, in the order of the sources.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CommandRules {
    pub allow: Vec<Rule>,
    pub deny: Vec<Rule>,
}

/// One compiled rule. Durations are in milliseconds, sizes in bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Index into the policy's scopes.
    pub scope: u32,
    /// Line of the rule in its source, from 1.
    pub line: u32,
    pub form: Form,
    /// `path:` — the program's full path, where it is not searched for.
    pub path: Option<String>,
    /// `as:` — the user that the command runs as; `None` for the account itself.
    pub run_as: Option<String>,
    pub confine: Confinement,
    pub timeout: Option<Limit>,
    pub output: Option<Limit>,
    pub note: Option<String>,
    /// `home: account` — the command sees the account's own home directory.
    pub account_home: bool,
}

/// A bound, and whether it holds on a terminal too. Those of `defaults` do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub value: u64,
    pub on_terminal: bool,
}

impl Limit {
    /// The bound as it holds for a command on a terminal, or without one.
    pub fn on(self, terminal: bool) -> Option<u64> {
        (self.on_terminal || !terminal).then_some(self.value)
    }
}

/// Names a rule in messages and records: `policy.d/20-db.yaml:14`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRef {
    pub source: String,
    pub line: u32,
}

impl Display for RuleRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.line)
    }
}
