//! `accept:`, by which an operator says that a warning is meant, and why. The reason is part of the policy, for whoever reads it next.

use std::collections::BTreeMap;

use super::reader::Reader;
use crate::policy::findings::Mistake;
use crate::policy::load::Node;
use crate::words::{Safe, suggest};

/// Warnings of a confinement are named after the key that they are about.
pub const OF_CONFINEMENT: [&str; 7] = ["read", "hide", "unhide", "exec", "sockets", "capabilities", "processes"];

/// Warnings of a rule, as `postern lint` names them.
pub const OF_RULE: [&str; 15] = [
    "open",
    "runs",
    "writes",
    "reads",
    "loads",
    "network",
    "changes",
    "listens",
    "secrets",
    "unhide",
    "wide",
    "breaks",
    "root",
    "shadowed",
    "unreachable",
];

/// Reads a map from the names of warnings to reasons.
pub fn read(reader: &mut Reader<'_>, node: &Node, known: &[&str]) -> BTreeMap<String, String> {
    let mut accepted = BTreeMap::new();
    for entry in reader.free_map(node, "`accept`") {
        if !known.contains(&entry.key.as_str()) {
            let near = suggest::nearest(&entry.key, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let help = near.unwrap_or_else(|| format!("known ones: {}", known.join(", ")));
            let mistake = Mistake::new(format!("no warning is named `{}`", Safe(entry.key.as_bytes())));
            reader.error(entry.key_span, mistake.with_help(help));
        }
        let Some(reason) = reader.text(&entry.value, "the reason") else { continue };
        if reason.value.trim().is_empty() {
            reader.error(reason.span, Mistake::new("the reason is empty").with_help("say why this is meant; others will read it"));
        }
        accepted.insert(entry.key.clone(), reason.value);
    }
    accepted
}
