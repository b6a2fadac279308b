//! Sources to rules: layering, names, types, parts, confinements. Every mistake of every file is found in one go.

use std::collections::BTreeMap;

use super::rule::{CommandRules, Scope};
use super::settings::Settings;
use crate::words::Diagnostic;

/// One file of a policy tree.
pub struct Source {
    /// As messages and records name it: `policy.yaml`, `policy.d/20-db.yaml`.
    pub name: String,
    pub bytes: Vec<u8>,
    /// Whether host-wide settings may stand in it.
    pub main: bool,
}

/// A compiled policy, before it is encoded.
pub struct Compiled {
    pub settings: Settings,
    pub scopes: Vec<Scope>,
    pub rules: BTreeMap<String, CommandRules>,
    /// Findings that do not stand in the way.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles a tree; on failure, every error found (and the warnings), in the order of files and lines.
pub fn compile(_sources: &[Source]) -> Result<Compiled, Vec<Diagnostic>> {
    todo!()
}
