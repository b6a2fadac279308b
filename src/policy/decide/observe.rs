//! `mode: observe`: what a refusal becomes where a file of the policy says that nothing is refused.
//!
//! It is for rolling a policy out: whoever is used to a shell keeps working, and the records say what the policy would have refused. Only the
//! first door stands open, and only so far that the second still holds: the program is one that a rule could name, it runs as the account
//! under the file's `defaults`, and what the shell itself would open for it is opened where the confinement reads or writes. [`decide`]
//! knows nothing of this, so that whoever judges a policy judges the rules.
//!
//! [`decide`]: super::decide

use std::cell::RefCell;

use super::judge::{AllowJudge, Lookups};
use super::{Allowed, Command, Decision, Terms};
use crate::policy::applied::{Applied, Damaged};
use crate::policy::facts::Facts;
use crate::policy::matching::Budget;
use crate::policy::rule::{CommandRules, Observe, Rule, RuleRef, Scope, Subject};
use crate::syntax::Stage;

/// Whether nothing is refused to a subject.
pub fn is_observed(policy: &Applied, subject: &Subject) -> bool {
    observing(policy, subject).is_some()
}

/// The first file in force that refuses nothing.
fn observing<'p>(policy: &'p Applied, subject: &Subject) -> Option<(&'p Scope, &'p Observe)> {
    let scopes = policy.scopes().iter().filter(|scope| scope.admits(subject));
    scopes.filter_map(|scope| Some((scope, scope.observe.as_ref()?))).next()
}

/// The terms under which a command runs that [`decide`](super::decide) refuses; `None` where the refusal stands.
pub fn observe(policy: &Applied, subject: &Subject, stage: &Stage, facts: &dyn Facts) -> Result<Option<Allowed>, Damaged> {
    let (Some((scope, terms)), Some(command)) = (observing(policy, subject), Command::of(stage)) else { return Ok(None) };
    let rules = policy.rules(command.name)?;
    // What asks a person, or shows what it changed, is not run unasked because somebody wrote it in another way.
    let is_asked = |rule: &Rule| {
        (rule.confirm || rule.witness.is_some()) && policy.scopes().get(rule.scope as usize).is_some_and(|scope| scope.admits(subject))
    };
    if rules.iter().flat_map(|rules| &rules.allow).any(is_asked) {
        return Ok(None);
    }
    let decision = Decision { policy, subject, lookups: Lookups { facts, known: RefCell::default() }, budget: Budget::default() };
    let Some(program) = decision.observed_program(rules.as_deref(), &command) else { return Ok(None) };
    let judge = AllowJudge { decision: &decision, run_as: None, confine: &terms.confine };
    let redirects: Result<Vec<_>, String> = stage.redirects.iter().map(|redirect| judge.redirect(&redirect.kind)).collect();
    Ok(redirects.ok().map(|redirects| {
        Allowed(Terms {
            program,
            argv: command.argv,
            redirects,
            run_as: None,
            confine: terms.confine.clone(),
            timeout: terms.timeout.and_then(|limit| limit.on(subject.terminal)),
            output: terms.output.and_then(|limit| limit.on(subject.terminal)),
            account_home: false,
            rule: RuleRef { source: scope.source.clone(), line: terms.line },
            form: String::new(),
            note: None,
            slots: Vec::new(),
            confirm: false,
            witness: None,
        })
    }))
}

impl Decision<'_> {
    /// The program that a rule for this word would run; `None` where a full path names another.
    fn observed_program(&self, rules: Option<&CommandRules>, command: &Command<'_>) -> Option<String> {
        let allows = rules.into_iter().flat_map(|rules| &rules.allow).filter(|rule| self.admits(rule));
        let mut paths = allows.filter_map(|rule| rule.path.as_deref());
        match command.path {
            None => Some(paths.next().unwrap_or(command.name).to_owned()),
            Some(typed) if paths.any(|path| path == typed) => Some(typed.to_owned()),
            Some(typed) => {
                let found = self.lookups.facts.same_program(typed, command.name, &self.policy.settings().search);
                found.then(|| command.name.to_owned())
            }
        }
    }
}
