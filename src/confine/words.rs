//! A plan in words, for `postern explain`.

use super::plan::Plan;

impl Plan {
    /// What the command can do and what it cannot, a label and a sentence each.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}
