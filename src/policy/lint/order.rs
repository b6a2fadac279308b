//! Rules that decide nothing: an earlier one takes all that they take, a refusal does, or nobody is in their scope.

use super::host::Anywhere;
use super::lines::{Line, Sampler, argv};
use super::{Level, Problem};
use crate::policy::confinement::Confinement;
use crate::policy::matching::{Budget, Matcher};
use crate::policy::rule::{CommandRules, Rule, Scope};
use crate::policy::{denying, glob};

/// What stands before a rule.
///
/// `samplers` are those of the allow rules for the same command, in their order.
pub fn in_the_way(rule: &Rule, index: usize, samplers: &[Sampler<'_>], rules: &CommandRules, scopes: &[Scope]) -> Option<Problem> {
    let scope = scopes.get(rule.scope as usize)?;
    if let Some(why) = matches_nobody(scope) {
        return Some(Problem::new(Level::Warning, "unreachable", why, "mend the list at the head of the file"));
    }
    let holds = |other: &Rule| scopes.get(other.scope as usize).is_some_and(|before| covers(before, scope));
    // Where the shell cannot become somebody else, a rule that asks for that is passed over for one that does not.
    let earlier = rules.allow.iter().zip(samplers).take(index).filter(|(earlier, _)| holds(earlier));
    let mut earlier = earlier.filter(|(earlier, _)| rule.needs_privilege() || !earlier.needs_privilege()).peekable();
    let mut denies = rules.deny.iter().filter(|deny| holds(deny)).peekable();
    if earlier.peek().is_none() && denies.peek().is_none() {
        return None;
    }
    let lines = samplers.get(index)?.lines();
    if lines.is_empty() {
        return None;
    }
    let place = |other: &Rule| format!("{}:{}", scopes.get(other.scope as usize).map_or("", |scope| &scope.source), other.line);
    if let Some(deny) = denies.find(|deny| lines.iter().all(|line| denied(deny, rule, line))) {
        let why = format!("`{}` at {} denies every line of it", deny.form.text, place(deny));
        return Some(Problem::new(Level::Warning, "unreachable", why, "take one of them out"));
    }
    let (shadow, _) = earlier.find(|(earlier, sampler)| takes_all(earlier, sampler, rule, lines))?;
    let same = same_terms(shadow, rule);
    let (level, how) = if same { (Level::Note, "with the same terms") } else { (Level::Warning, "with other terms") };
    let why = format!("the rule at {}, which stands before it, takes every line of it, {how}", place(shadow));
    Some(Problem::new(level, "shadowed", why, if same { "take it out" } else { "put it first, or take it out" }))
}

/// Why no host or account can be in a scope.
fn matches_nobody(scope: &Scope) -> Option<String> {
    let contradicts = |patterns: &[String]| {
        let excluded: Vec<&str> = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!')).collect();
        let mut included = patterns.iter().filter(|pattern| !pattern.starts_with('!')).peekable();
        let out = |pattern: &str| excluded.iter().any(|excluded| *excluded == pattern || glob::name(excluded, pattern));
        excluded.contains(&"*") || included.peek().is_some() && included.all(|pattern| out(pattern))
    };
    let list = [("hosts", &scope.hosts), ("accounts", &scope.accounts)].into_iter().find(|(_, patterns)| contradicts(patterns))?;
    Some(format!("`{}` of its file takes out all that it names", list.0))
}

/// Whether whoever is in `scope` is in `before` too, as far as their words tell.
fn covers(before: &Scope, scope: &Scope) -> bool {
    let wider = |before: &[String], scope: &[String]| before.is_empty() || before == scope;
    wider(&before.hosts, &scope.hosts) && wider(&before.accounts, &scope.accounts) && wider(&before.from, &scope.from)
}

fn takes_all(earlier: &Rule, sampler: &Sampler<'_>, rule: &Rule, lines: &[Line]) -> bool {
    let redirects =
        [(&earlier.form.input, &rule.form.input), (&earlier.form.output, &rule.form.output), (&earlier.form.append, &rule.form.append)];
    redirects.into_iter().all(|(earlier, rule)| earlier.is_some() || rule.is_none())
        && lines.iter().all(|line| sampler.takes(&argv(&earlier.form, line)))
}

fn denied(deny: &Rule, rule: &Rule, line: &Line) -> bool {
    let budget = Budget::default();
    let matcher = Matcher::new(&deny.form, &Anywhere, &budget);
    let argv = argv(&rule.form, line);
    deny.form.variants.iter().any(|variant| denying::denies(&matcher, variant, &argv).is_some())
}

/// Whether a command runs the same under both. What is read for the sake of a rule's own path types is not told apart.
fn same_terms(one: &Rule, other: &Rule) -> bool {
    let plain = |confine: &Confinement| Confinement { roots: Vec::new(), accept: Default::default(), ..confine.clone() };
    let terms = |rule: &Rule| (rule.path.clone(), rule.run_as.clone(), rule.timeout, rule.output, rule.account_home, rule.confirm);
    terms(one) == terms(other) && one.witness == other.witness && plain(&one.confine) == plain(&other.confine)
}
