//! `postern who-can`: for whom, where and from where a policy allows a line.
//!
//! The line is decided for one person of each kind that the files of the policy tell apart, and of each set of files that give what it needs
//! together; where there are more than can be gone through, that is said in place of "nobody". Each way in which somebody may run it is then
//! said in the words of the files whose rules let it through; of several that fit, the first holds, as it does in a session. What deny
//! rules take away is said for all ways together. That these words are true is checked: whoever they say something else of than was decided
//! is listed by name.

mod asked;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use serde::Serialize;

use super::arguments::Arguments;
use super::line::{Answer, decide_anywhere, describe, is_observed};
use super::output::{json, say};
use super::{Failure, Status, sources};
use crate::access::in_force::InForce;
use crate::policy::{Applied, Damaged, Denied, Rule, RuleRef, Scope, Subject, audience};
use crate::shell::message;
use crate::sys::file::Owner;
use crate::words::{Safe, paths};
use asked::Asked;

/// Who can run a line. The names of the fields are the contract; more may come.
#[derive(Serialize)]
struct Report {
    line: String,
    /// In the order in which they hold.
    ways: Vec<Way>,
    /// Those who cannot, because of a rule that denies it.
    denied: Vec<Taken>,
    /// Those to whom it is refused and who run it all the same: whom files of `mode: observe` are for.
    observed: Vec<Observed>,
    /// Whether there can be nobody of whom it was not asked.
    complete: bool,
    /// Others of whom the above does not hold.
    except: Vec<Exception>,
    /// Of a line that nobody can run: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip)]
    refusal: Option<Denied>,
}

/// Said where the answer may not be all of it.
const BEYOND: &str =
    "not decided for everybody: this line and policy tell apart more people, or harder names of hosts, than are gone through";

/// Rules by which a line is allowed, and whom their files are for: those of whom each of them says so.
#[derive(Serialize)]
struct Way {
    who: Vec<People>,
    commands: Vec<CommandTerms>,
    #[serde(skip)]
    scopes: BTreeSet<usize>,
}

/// What a file says of whom it is for; an empty list leaves it open.
#[derive(Clone, PartialEq, Eq, Serialize)]
struct People {
    text: String,
    accounts: Vec<String>,
    hosts: Vec<String>,
    from: Vec<String>,
}

#[derive(Serialize)]
struct CommandTerms {
    command: String,
    rule: String,
    form: String,
    /// `None` for the account itself.
    #[serde(rename = "as")]
    run_as: Option<String>,
    confine: String,
    #[serde(skip)]
    text: String,
}

/// What a deny rule takes away.
#[derive(Serialize)]
struct Taken {
    who: People,
    rule: String,
    form: String,
    #[serde(skip)]
    scope: usize,
}

/// A file that refuses nothing.
#[derive(Serialize)]
struct Observed {
    who: People,
    file: String,
}

#[derive(Serialize)]
struct Exception {
    who: String,
    allowed: bool,
}

/// `postern who-can [--policy FILE|DIR] [--json] LINE`.
pub fn who_can(arguments: &Arguments) -> Result<Status, Failure> {
    let line = arguments.operands.first().ok_or_else(|| Failure::Usage("who-can needs a LINE".to_owned()))?;
    let policy = match arguments.flag("policy") {
        Some(path) => Rc::new(sources::compiled(Path::new(path))?),
        None => InForce::open(Path::new(paths::STATE_DIR), Owner::Root).map_err(|error| Failure::Other(error.to_string()))?.policy,
    };
    let report = report(&policy, line.as_encoded_bytes()).map_err(|damaged| Failure::Other(damaged.to_string()))?;
    match arguments.flag("json") {
        Some(_) => say(json(&report)?),
        None => say(report.text(line.as_encoded_bytes())),
    }
    Ok(if report.ways.is_empty() && report.observed.is_empty() { Status::Findings } else { Status::Done })
}

fn report(policy: &Applied, line: &[u8]) -> Result<Report, Damaged> {
    let scopes = policy.scopes();
    let kinds = Asked::of(policy, line)?.kinds(policy);
    let decided: Vec<(Subject, Answer)> = kinds
        .subjects
        .into_iter()
        .map(|subject| Ok((subject.clone(), decide_anywhere(policy, &subject, line)?)))
        .collect::<Result<_, Damaged>>()?;
    let mut found = BTreeMap::new();
    for answer in decided.iter().map(|(_, answer)| answer) {
        if let Some((order, way)) = way(policy, answer)? {
            found.entry(order).or_insert(way);
        }
    }
    let ways: Vec<Way> = found.into_values().collect();
    let mut denied: BTreeMap<(usize, u32), Taken> = BTreeMap::new();
    for (subject, answer) in &decided {
        let would = ways.iter().any(|way| way.admits(scopes, subject));
        if let Some(taken) = taken(policy, answer)?.filter(|_| would) {
            denied.entry((taken.scope, line_of(&taken.rule))).or_insert(taken);
        }
    }
    let denied: Vec<Taken> = denied.into_values().collect();
    let except = decided.iter().filter_map(|(subject, answer)| exception(policy, subject, answer, &ways, &denied).transpose());
    let except = except.collect::<Result<_, Damaged>>()?;
    let observed = observed(policy, &decided)?;
    let refusal = ways.is_empty().then(|| nearest(&decided)).flatten();
    Ok(Report {
        line: String::from_utf8_lossy(line).into_owned(),
        ways,
        denied,
        observed,
        complete: kinds.complete,
        except,
        reason: refusal.as_ref().map(|denied| denied.reason.clone()),
        refusal,
    })
}

/// The files of `mode: observe` by which somebody runs the line to whom it is refused.
fn observed(policy: &Applied, decided: &[(Subject, Answer)]) -> Result<Vec<Observed>, Damaged> {
    let mut found = BTreeMap::new();
    for (subject, answer) in decided.iter().filter(|(_, answer)| answer.terms().is_none()) {
        let mut observing = policy.scopes().iter().enumerate().filter(|(_, scope)| scope.observe.is_some());
        if let Some((index, scope)) = observing.find(|(_, scope)| scope.admits(subject))
            && !found.contains_key(&index)
            && is_observed(policy, subject, answer)?
        {
            found.insert(index, Observed { who: People::of(scope), file: scope.source.clone() });
        }
    }
    Ok(found.into_values().collect())
}

/// The refusal that says most: by a rule, if there is one.
fn nearest(decided: &[(Subject, Answer)]) -> Option<Denied> {
    let refusals = || decided.iter().filter_map(|(_, answer)| answer.refusal());
    refusals().find(|denied| denied.rule.is_some()).or_else(|| refusals().next())
}

/// Where a rule stands among those that are tried: of each command, its place in the list.
type Order = Vec<usize>;

/// The way by which a line is allowed.
fn way(policy: &Applied, answer: &Answer) -> Result<Option<(Order, Way)>, Damaged> {
    let Some(terms) = answer.terms() else { return Ok(None) };
    let (mut order, mut scopes, mut commands) = (Vec::new(), BTreeSet::new(), Vec::new());
    for terms in terms {
        let command = terms.argv.first().map_or("", |word| word.rsplit('/').next().unwrap_or(word));
        let rules = policy.rules(command)?;
        let allow = rules.iter().flat_map(|rules| &rules.allow);
        let is_it = |rule: &Rule| {
            rule.line == terms.rule.line && rule.form.text == terms.form && source(policy, rule.scope as usize) == terms.rule.source
        };
        order.push(allow.clone().position(is_it).unwrap_or(usize::MAX));
        scopes.extend(allow.clone().find(|rule| is_it(rule)).map(|rule| rule.scope as usize));
        commands.push(CommandTerms {
            command: command.to_owned(),
            rule: terms.rule.to_string(),
            form: terms.form.clone(),
            run_as: terms.run_as.clone(),
            confine: terms.confine.name.clone(),
            text: describe(terms),
        });
    }
    let mut who: Vec<People> = Vec::new();
    for people in scopes.iter().filter_map(|scope| policy.scopes().get(*scope)).map(People::of) {
        if !who.contains(&people) {
            who.push(people);
        }
    }
    Ok(Some((order, Way { who, commands, scopes })))
}

fn source(policy: &Applied, scope: usize) -> &str {
    policy.scopes().get(scope).map_or("", |scope| scope.source.as_str())
}

fn line_of(rule: &str) -> u32 {
    rule.rsplit_once(':').and_then(|(_, line)| line.parse().ok()).unwrap_or(0)
}

/// The deny rule that refuses a line, if one does.
fn taken(policy: &Applied, answer: &Answer) -> Result<Option<Taken>, Damaged> {
    let Some(Denied { rule: Some(rule), form: Some(form), .. }) = answer.refusal() else { return Ok(None) };
    let command = form.split_whitespace().next().unwrap_or_default();
    let rules = policy.rules(command)?;
    let mut denies = rules.iter().flat_map(|rules| &rules.deny);
    let is_it = |(line, scope): (u32, u32)| line == rule.line && source(policy, scope as usize) == rule.source;
    let Some(found) = denies.find(|candidate| is_it((candidate.line, candidate.scope)) && candidate.form.text == form) else {
        return Ok(None);
    };
    let scope = found.scope as usize;
    let Some(mut who) = policy.scopes().get(scope).map(People::of) else { return Ok(None) };
    if !who.from.is_empty() {
        who.text.push_str(" or from an unknown address");
    }
    Ok(Some(Taken { who, rule: RuleRef::to_string(&rule), form, scope }))
}

/// Whether what is said of somebody is not what was decided.
fn exception(policy: &Applied, subject: &Subject, answer: &Answer, ways: &[Way], denied: &[Taken]) -> Result<Option<Exception>, Damaged> {
    let scopes = policy.scopes();
    let is_denied = denied.iter().any(|taken| scopes.get(taken.scope).is_some_and(|scope| scope.denies(subject)));
    let said = ways.iter().find(|way| !is_denied && way.admits(scopes, subject));
    let found = way(policy, answer)?.map(|(_, way)| way);
    let rules = |way: &Way| way.commands.iter().map(|command| (command.rule.clone(), command.form.clone())).collect::<Vec<_>>();
    let true_of = said.map(rules) == found.as_ref().map(rules);
    Ok((!true_of).then(|| Exception { who: audience::person(subject), allowed: found.is_some() }))
}

impl People {
    fn of(scope: &Scope) -> People {
        let (accounts, hosts, from) = (scope.accounts.clone(), scope.hosts.clone(), scope.from.clone());
        People { text: audience::words(scope), accounts, hosts, from }
    }
}

impl Way {
    /// Whether somebody is among those whom all of its files are for.
    fn admits(&self, scopes: &[Scope], subject: &Subject) -> bool {
        self.scopes.iter().all(|scope| scopes.get(*scope).is_some_and(|scope| scope.admits(subject)))
    }

    fn text(&self) -> String {
        // Of several files the one for everyone says nothing.
        let open = |people: &&People| self.who.len() == 1 || people.text != "everyone";
        let who: Vec<&str> = self.who.iter().filter(open).map(|people| people.text.as_str()).collect();
        let who = if who.is_empty() { "everyone".to_owned() } else { who.join(", who is also ") };
        let how = match self.commands.as_slice() {
            [] => "part of the shell".to_owned(),
            [only] => only.text.clone(),
            several => several.iter().map(|command| format!("{} {}", command.command, command.text)).collect::<Vec<_>>().join("; "),
        };
        format!("{}: {}", Safe(who.as_bytes()), Safe(how.as_bytes()))
    }
}

impl Report {
    fn text(&self, line: &[u8]) -> String {
        let observed = self.observed.iter().map(|observed| {
            let text = format!("{}: not refused now by {} (mode: observe)", observed.who.text, observed.file);
            Safe(text.as_bytes()).to_string()
        });
        let unknown = (!self.complete).then(|| BEYOND.to_owned());
        if let Some(denied) = &self.refusal {
            let nobody = match (self.complete, self.observed.is_empty()) {
                (true, true) => "nobody",
                (true, false) => "nobody by a rule",
                (false, _) => "nobody was found",
            };
            let refused = format!("{nobody}\n{}", message::point("refused: ", 0, line, denied.span, &message::miss(denied)));
            return observed.chain([refused]).chain(unknown).collect::<Vec<_>>().join("\n");
        }
        let ways = self.ways.iter().map(Way::text);
        let denied = self.denied.iter().map(|taken| {
            let text = format!("but not {}: denied by {}: {}", taken.who.text, taken.rule, taken.form);
            Safe(text.as_bytes()).to_string()
        });
        let except = self.except.iter().map(|exception| {
            let can = if exception.allowed { "can" } else { "cannot" };
            format!("except: {} {can}", Safe(exception.who.as_bytes()))
        });
        ways.chain(denied).chain(except).chain(observed).chain(unknown).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests;
