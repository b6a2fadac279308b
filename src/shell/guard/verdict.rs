//! What becomes of a line by the policy: the permission of every command, or the first refusal as the person reads it.

use std::path::Path;

use super::super::{hint, in_force, message};
use super::{Guard, Stop};
use crate::policy::{self, Allowed, Denied, Verdict};
use crate::record::{CommandRecord, Decision};
use crate::syntax::{Request, Stage};
use crate::words::Safe;

impl Guard {
    /// The permissions of every stage, by pipeline; or the first refusal. Where nothing is refused, what would have been is noted in the
    /// record.
    pub(super) fn decide(&self, request: &Request, directory: &Path, record: &mut CommandRecord<'_>) -> Result<Vec<Vec<Allowed>>, Stop> {
        let facts = self.host(directory);
        let mut records = record.stages.iter_mut();
        let (mut refusal, mut observed) = (None, Vec::new());
        let mut permissions = Vec::new();
        for item in &request.items {
            let mut allowed = Vec::new();
            for stage in &item.stages {
                // There is a record for each stage.
                let mut ignored = Default::default();
                let record = records.next().unwrap_or(&mut ignored);
                let denied = match policy::decide(self.policy(), &self.subject, stage, &facts)? {
                    Verdict::Allowed(permission) => {
                        record.rule = Some(permission.terms().rule.to_string());
                        record.confine = Some(permission.terms().confine.name.clone());
                        allowed.push(*permission);
                        continue;
                    }
                    Verdict::Denied(denied) => denied,
                };
                match policy::observe(self.policy(), &self.subject, stage, &facts)? {
                    Some(permission) => {
                        record.confine = Some(permission.terms().confine.name.clone());
                        observed.push(reason(stage, &denied));
                        allowed.push(permission);
                    }
                    None => drop(refusal.get_or_insert_with(|| self.denied(&request.line, stage, &denied))),
                }
            }
            permissions.push(allowed);
        }
        if let (None, false) = (&refusal, observed.is_empty()) {
            record.decision = Decision::Observe;
            record.reason = Some(observed.join("; "));
        }
        let Some((message, reason)) = refusal else { return Ok(permissions) };
        let hint = hint::of(self.policy(), &self.subject, request, &facts).map(|hint| hint.text());
        Err(Stop::Denied { messages: std::iter::once(message).chain(hint).collect(), reason })
    }

    /// A refusal as the person reads it, and as records have it.
    fn denied(&self, line: &str, stage: &Stage, denied: &Denied) -> (String, String) {
        let command = stage.argv.first().map_or("", |word| word.text.as_str());
        let message = match denied.rule {
            Some(_) => message::denied(line, denied),
            None => {
                let known = in_force::allowed_commands(self.policy(), &self.subject);
                format!("{}; {}", Safe(denied.reason.as_bytes()), message::hint(command, known.iter().map(String::as_str)))
            }
        };
        (message, reason(stage, denied))
    }
}

/// A refusal as records have it.
fn reason(stage: &Stage, denied: &Denied) -> String {
    let command = stage.argv.first().map_or("", |word| word.text.as_str());
    format!("{command}: {}", message::miss(denied))
}
