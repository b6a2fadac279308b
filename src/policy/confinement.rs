//! Named second doors: what a policy says that a command may reach. `confine` makes a plan of them.

use serde::{Deserialize, Serialize};

use super::glob;

/// A confinement, its bases merged in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// As the rule names it; an inline one is named after its base, `inspect+`.
    pub name: String,
    /// Which of the built-in ones it refines.
    pub base: Base,
    pub read: Vec<String>,
    pub write: Vec<String>,
    /// Path globs hidden on top of the built-in list; `~` is the account's home directory.
    pub hide: Vec<String>,
    /// Path globs taken from the hidden lists.
    pub unhide: Vec<String>,
    pub exec: Exec,
    pub sockets: Vec<String>,
    pub network: Vec<String>,
    pub capabilities: Vec<String>,
}

/// The built-in confinements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    Sealed,
    #[default]
    Inspect,
    Service,
    Network,
    Open,
}

/// Which programs the command may start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exec {
    #[default]
    None,
    Paths(Vec<String>),
    Any,
}

/// Contents that no confinement shows unless it says `unhide`: key material, credentials, other processes' environments and memory.
pub const HIDDEN: &[&str] = &[];

impl Confinement {
    /// Whether the contents of an absolute, resolved path are hidden from the command.
    pub fn hides(&self, path: &str, home: &str) -> bool {
        let covers = |pattern: &str| glob::path_or_below(pattern, path, home);
        let hidden = HIDDEN.iter().any(|pattern| covers(pattern)) || self.hide.iter().any(|pattern| covers(pattern));
        hidden && !self.unhide.iter().any(|pattern| covers(pattern))
    }
}
