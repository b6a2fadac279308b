//! What one policy has that another has not.

use std::collections::BTreeMap;

use crate::policy::{Applied, Damaged, Rule};

/// How many rules came and went. A rule with other terms, or for others, is another rule; one that only moved is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes {
    pub added: usize,
    pub removed: usize,
}

impl Changes {
    /// Compares two policies. The cost grows with both.
    pub fn between(before: Option<&Applied>, after: &Applied) -> Result<Changes, Damaged> {
        let mut balance: BTreeMap<String, isize> = BTreeMap::new();
        for (policy, step) in before.map(|before| (before, -1)).into_iter().chain([(after, 1)]) {
            for rule in rules(policy)? {
                *balance.entry(rule).or_default() += step;
            }
        }
        let sum = |sign: isize| balance.values().map(|count| (count * sign).max(0).unsigned_abs()).sum();
        Ok(Changes { added: sum(1), removed: sum(-1) })
    }
}

/// Every rule, with all that it means, as a text to compare.
fn rules(policy: &Applied) -> Result<Vec<String>, Damaged> {
    let mut all = Vec::new();
    for command in policy.commands()? {
        let Some(rules) = policy.rules(&command)? else { continue };
        for (kind, list) in [("allow", &rules.allow), ("deny", &rules.deny)] {
            for rule in list {
                let scope = policy.scopes().get(rule.scope as usize);
                let rule = Rule { scope: 0, line: 0, ..rule.clone() };
                let text = serde_json::to_string(&(kind, scope, &rule)).map_err(|error| Damaged(error.to_string()))?;
                all.push(text);
            }
        }
    }
    Ok(all)
}
