//! Rules as they are compiled and applied.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::confinement::Confinement;
use super::form::Form;
use super::glob;
use super::witness::Witness;

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
    /// Whether the shell can run a command as somebody else, or with capabilities. Where it cannot, a rule with `as:` decides only what no
    /// other rule lets through.
    pub can_become: bool,
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
    /// `mode: observe` — for whom the file is, no line is refused; what would have been is on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe: Option<Observe>,
}

/// Under which terms a command runs that nothing lets through, where that is not refused: the `defaults` of its file, as the account and
/// without a capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observe {
    /// Line of `mode:` in its source.
    pub line: u32,
    pub confine: Confinement,
    /// Milliseconds.
    pub timeout: Option<Limit>,
    /// Bytes on standard output and standard error together.
    pub output: Option<Limit>,
}

impl Scope {
    /// Whether the allows and constants of the file hold for a subject.
    pub fn admits(&self, subject: &Subject) -> bool {
        self.matches(subject, false)
    }

    /// Whether the denies of the file hold for a subject.
    pub fn denies(&self, subject: &Subject) -> bool {
        self.matches(subject, true)
    }

    fn matches(&self, subject: &Subject, denying: bool) -> bool {
        self.matches_host(&subject.host)
            && self.matches_account(&subject.account, &subject.groups)
            && self.matches_address(subject.from, denying)
    }

    /// Host names match as a whole, or by their first label.
    fn matches_host(&self, host: &str) -> bool {
        let short = host.split('.').next().unwrap_or(host);
        listed(&self.hosts, |pattern| glob::name(pattern, host) || short != host && glob::name(pattern, short))
    }

    fn matches_account(&self, account: &str, groups: &[String]) -> bool {
        listed(&self.accounts, |pattern| match pattern.strip_prefix('%') {
            Some(group) => groups.iter().any(|member| member == group),
            None => pattern == account,
        })
    }

    /// An unknown address matches every deny and no allow.
    fn matches_address(&self, from: Option<IpAddr>, denying: bool) -> bool {
        let inside = |from: IpAddr| self.from.iter().any(|network| contains(network, from));
        self.from.is_empty() || from.map_or(denying, inside)
    }
}

/// Whether a list of patterns takes something: left out, everything; else what a pattern matches and no `!` pattern does.
/// A list of `!` patterns alone takes everything else.
fn listed(patterns: &[String], matches: impl Fn(&str) -> bool) -> bool {
    let (excluded, included): (Vec<&str>, Vec<&str>) = patterns.iter().map(String::as_str).partition(|pattern| pattern.starts_with('!'));
    let included = included.is_empty() || included.iter().any(|pattern| matches(pattern));
    included && !excluded.iter().any(|pattern| matches(pattern.trim_start_matches('!')))
}

/// Whether `address/bits` contains an address. A network that does not parse contains none.
fn contains(network: &str, address: IpAddr) -> bool {
    let Some((base, bits)) = network.split_once('/') else { return network.parse() == Ok(address) };
    let (Ok(base), Ok(bits)) = (base.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) if bits <= 32 => {
            prefix(base.to_bits().into(), 32, bits) == prefix(address.to_bits().into(), 32, bits)
        }
        (IpAddr::V6(base), IpAddr::V6(address)) if bits <= 128 => prefix(base.to_bits(), 128, bits) == prefix(address.to_bits(), 128, bits),
        _ => false,
    }
}

fn prefix(address: u128, width: u32, bits: u32) -> u128 {
    address.checked_shr(width - bits).unwrap_or(0)
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
    /// `confirm: true` — the person repeats what the line names before it runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
    /// `witness:` — what shows, before and after, what the command changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
    /// `accept:` — why what `check` and `lint` warn of is meant, by the name of the warning.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accept: BTreeMap<String, String>,
}

impl Rule {
    /// Whether only the root install can give its terms.
    pub fn needs_privilege(&self) -> bool {
        self.run_as.is_some() || !self.confine.capabilities.is_empty()
    }
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
