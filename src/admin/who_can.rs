//! `postern who-can`: for whom, where and from where a policy allows a line.
//!
//! The line is decided for one person of each kind that the files of the policy tell apart, and of each set of files that give what it needs
//! together; where there are more than can be gone through, that is said in place of "nobody". Each way in which somebody may run it is then
//! said in the words of the files whose rules let it through; of several that fit, the first holds, as it does in a session. What deny
//! rules take away is said for all ways together. That these words are true is checked: whoever they say something else of than was decided
//! is listed by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use serde::Serialize;

use super::arguments::Arguments;
use super::line::{Answer, decide_anywhere, describe, is_observed};
use super::output::{json, say};
use super::{Failure, Status, sources};
use crate::access::in_force::InForce;
use crate::policy::kinds::{Kinds, kinds};
use crate::policy::{Applied, Damaged, Denied, Rule, RuleRef, Scope, Subject, Verdict, audience};
use crate::shell::message;
use crate::syntax::Request;
use crate::sys::file::Owner;
use crate::words::{Safe, paths};

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

/// What a line has to do with the files of a policy, each by its place among all.
#[derive(Default)]
struct Asked {
    /// Of each constant and each command, the files that may give it.
    needs: Vec<BTreeSet<usize>>,
    /// The files that may deny one of its commands.
    denies: BTreeSet<usize>,
    /// The files that have a say in it at all: with rules for its commands, or constants, or where nothing is refused.
    mattering: BTreeSet<usize>,
}

impl Asked {
    fn of(policy: &Applied, line: &[u8]) -> Result<Asked, Damaged> {
        let mut asked = Asked::default();
        asked.add_constants(policy, line);
        let Some(request) = asked.request(policy, line)? else {
            // What it asks for may be something else for somebody else.
            asked.mattering = (0..policy.scopes().len()).collect();
            return Ok(asked);
        };
        asked.mattering.extend(indices(policy, |scope| !scope.env.is_empty() || scope.observe.is_some()));
        for (index, stage) in request.items.iter().flat_map(|item| &item.stages).enumerate() {
            let word = stage.argv.first().map_or("", |word| word.text.as_str());
            let rules = policy.rules(word.rsplit('/').next().unwrap_or(word))?;
            let scopes = |rules: &[Rule]| rules.iter().map(|rule| rule.scope as usize).collect::<BTreeSet<usize>>();
            let (allow, deny) = rules.map_or_else(Default::default, |rules| (scopes(&rules.allow), scopes(&rules.deny)));
            asked.mattering.extend(allow.iter().chain(&deny));
            asked.denies.extend(deny);
            let mut giving = BTreeSet::new();
            for scope in allow {
                if may_give(policy, scope, line, index)? {
                    giving.insert(scope);
                }
            }
            asked.needs.push(giving);
        }
        Ok(asked)
    }

    fn add_constants(&mut self, policy: &Applied, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let names: BTreeSet<&String> = policy.scopes().iter().flat_map(|scope| scope.env.keys()).collect();
        let used = names.into_iter().filter(|name| line.contains(&format!("${name}")) || line.contains(&format!("${{{name}")));
        self.needs.extend(used.map(|name| indices(policy, |scope| scope.env.contains_key(name))));
    }

    /// The commands of the line, as somebody has them who has what it needs of constants.
    fn request(&self, policy: &Applied, line: &[u8]) -> Result<Option<Request>, Damaged> {
        let constants: BTreeSet<usize> = self.needs.iter().flatten().copied().collect();
        let with_constants = Asked { mattering: constants, needs: self.needs.clone(), ..Asked::default() }.kinds(policy).subjects;
        for subject in std::iter::once(audience::anyone()).chain(with_constants) {
            if let Answer::Commands { request, .. } = decide_anywhere(policy, &subject, line)? {
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    /// One person of each kind that the files which matter tell apart.
    fn kinds(&self, policy: &Applied) -> Kinds {
        let mattering: Vec<usize> = self.mattering.iter().copied().collect();
        let scopes: Vec<Scope> = mattering.iter().filter_map(|index| policy.scopes().get(*index).cloned()).collect();
        let place = |index: &usize| mattering.binary_search(index).ok();
        let places = |indices: &BTreeSet<usize>| indices.iter().filter_map(place).collect::<BTreeSet<usize>>();
        let needs: Vec<BTreeSet<usize>> = self.needs.iter().map(places).collect();
        kinds(&scopes, &needs, &places(&self.denies))
    }
}

fn indices(policy: &Applied, is: impl Fn(&Scope) -> bool) -> BTreeSet<usize> {
    policy.scopes().iter().enumerate().filter(|(_, scope)| is(scope)).map(|(index, _)| index).collect()
}

/// Whether rules of a file may allow a command of a line: not if somebody whom it is for is refused it for want of a rule.
fn may_give(policy: &Applied, scope: usize, line: &[u8], command: usize) -> Result<bool, Damaged> {
    let Some(scope) = policy.scopes().get(scope) else { return Ok(false) };
    let sample = audience::sample(scope);
    let Answer::Commands { verdicts, .. } = decide_anywhere(policy, &sample, line)? else { return Ok(true) };
    let is_missing = matches!(verdicts.get(command), Some(Verdict::Denied(denied)) if !denied.is_explicit());
    Ok(!is_missing || !scope.admits(&sample))
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
mod tests {
    use super::*;
    use crate::policy::compile::Source;

    /// What `who-can` says of a line of a tree.
    fn said(files: &[(&str, &str)], line: &str) -> String {
        let files = files.iter().map(|(name, text)| Source::from(((*name).to_owned(), format!("postern: 1\n{text}").into_bytes())));
        let (policy, _) = Applied::from_sources(&files.collect::<Vec<_>>()).unwrap();
        report(&policy, line.as_bytes()).unwrap().text(line.as_bytes())
    }

    const TREE: [(&str, &str); 4] = [
        ("policy.yaml", "allow: [id, 'wc [-l]']\n"),
        (
            "policy.d/20-db.yaml",
            "hosts: [db-*, '!db-x']\naccounts: ['%oncall']\nfrom: [10.0.0.0/8]\nallow:\n  - run: psql <db:word>\n    as: pg\n  - { run: id, confine: sealed }\n",
        ),
        ("policy.d/30-dba.yaml", "accounts: ['%dba']\nallow:\n  - { run: 'psql <db:word>', confine: service }\n"),
        ("policy.d/90-deny.yaml", "from: [10.9.0.0/16]\naccounts: ['%guests']\ndeny: ['psql **']\n"),
    ];

    #[test]
    fn each_way_is_said_in_the_words_of_the_files_in_the_order_in_which_they_hold() {
        for (line, expected) in [
            ("id", "everyone: confined by inspect (policy.yaml:2)"),
            (
                "psql shop",
                concat!(
                    "%oncall on db-* (but not db-x) from 10.0.0.0/8: as pg, confined by inspect (policy.d/20-db.yaml:6)\n",
                    "%dba: confined by service (policy.d/30-dba.yaml:4)\n",
                    "but not %guests from 10.9.0.0/16 or from an unknown address: denied by policy.d/90-deny.yaml:4: psql **",
                ),
            ),
            (
                "psql shop | wc -l",
                concat!(
                    "%oncall on db-* (but not db-x) from 10.0.0.0/8: psql as pg, confined by inspect (policy.d/20-db.yaml:6); ",
                    "wc confined by inspect (policy.yaml:2)\n",
                    "%dba: psql confined by service (policy.d/30-dba.yaml:4); wc confined by inspect (policy.yaml:2)\n",
                    "but not %guests from 10.9.0.0/16 or from an unknown address: denied by policy.d/90-deny.yaml:4: psql **",
                ),
            ),
            ("help", "everyone: part of the shell"),
            ("reboot", "nobody\nrefused: reboot\n         ^^^^^^ no rule allows `reboot`"),
            ("id $(id)", "nobody\nrefused: id $(id)\n            ^^ command substitution is not part of this shell"),
        ] {
            assert_eq!(said(&TREE, line), expected, "{line}");
        }
    }

    #[test]
    fn of_whom_the_words_of_the_files_do_not_hold_is_listed() {
        // The constant is another file's, so that the rule's own people do not all have it.
        let tree = [
            ("policy.yaml", "accounts: [ada, bob]\nallow: ['ls <path>']\n"),
            ("policy.d/20.yaml", "accounts: [ada]\nenv: { WHERE: /srv }\ndeny: [ls -R]\n"),
        ];
        assert_eq!(said(&tree, "ls $WHERE"), "ada, bob: confined by inspect (policy.yaml:3)\nexcept: bob on host cannot");
    }

    /// The rules of each command may be in files for different people: it is for those whom all of them are for.
    #[test]
    fn who_is_among_the_people_of_several_files_is_found() {
        let groups = [
            ("policy.d/1.yaml", "accounts: ['%a']\nallow: [uptime]\n"),
            ("policy.d/2.yaml", "accounts: ['%b']\nallow: [wc]\n"),
            ("policy.d/3.yaml", "accounts: ['%c']\nallow: [sort]\n"),
            ("policy.d/4.yaml", "accounts: ['%d']\ndeny: [sort]\n"),
        ];
        let expected = concat!(
            "%a, who is also %b, who is also %c: uptime confined by inspect (policy.d/1.yaml:3); ",
            "wc confined by inspect (policy.d/2.yaml:3); sort confined by inspect (policy.d/3.yaml:3)\n",
            "but not %d: denied by policy.d/4.yaml:3: sort",
        );
        assert_eq!(said(&groups, "uptime | wc | sort"), expected);
        let hosts = [
            ("policy.d/1.yaml", "hosts: [db*]\nallow: [uptime]\n"),
            ("policy.d/2.yaml", "hosts: ['*prod*']\nallow: [wc]\n"),
            ("policy.d/3.yaml", "hosts: ['*eu']\nallow: [sort]\n"),
        ];
        let found = said(&hosts, "uptime | wc | sort");
        assert!(found.starts_with("everyone on db*, who is also everyone on *prod*, who is also everyone on *eu: uptime"), "{found}");
        assert!(!found.contains('\n'), "{found}");
    }

    #[test]
    fn where_it_cannot_be_decided_that_is_said_and_not_that_nobody_can() {
        let glob = |number: usize| format!("*{}*{number}*", "ab?*".repeat(12));
        let texts: Vec<String> = (0..9).map(|number| format!("hosts: ['{}']\nallow: [c{number}]\n", glob(number))).collect();
        let names: Vec<String> = (0..9).map(|number| format!("policy.d/{number}.yaml")).collect();
        let mut tree: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        tree.push(("policy.d/z.yaml", "hosts: ['c*']\nallow: [wc]\n"));
        let found = said(&tree, "c0 | c1 | c2 | c3 | c4 | c5 | c6 | c7 | c8 | wc");
        assert!(found.starts_with("nobody was found\n") && found.ends_with(BEYOND), "{found}");
    }

    #[test]
    fn to_whom_nothing_is_refused_is_said() {
        let tree = [("policy.yaml", "allow: [uptime]\n"), ("policy.d/1.yaml", "accounts: ['%a']\nmode: observe\nallow: [wc]\n")];
        let observed = "%a: not refused now by policy.d/1.yaml (mode: observe)";
        for (line, expected) in [
            ("reboot", format!("{observed}\nnobody by a rule\nrefused: reboot\n         ^^^^^^ no rule allows `reboot`")),
            ("uptime", "everyone: confined by inspect (policy.yaml:2)".to_owned()),
            (
                "wc -l",
                format!("{observed}\nnobody by a rule\nrefused: wc -l\n            ^^ this option is not allowed here (policy.d/1.yaml:4)"),
            ),
            ("id $(id)", "nobody\nrefused: id $(id)\n            ^^ command substitution is not part of this shell".to_owned()),
        ] {
            assert_eq!(said(&tree, line), expected, "{line}");
        }
    }

    /// Whoever writes a list of hosts instead of a glob still has an answer at once.
    #[test]
    fn hundreds_of_patterns_are_gone_through() {
        let list = |from: usize| (from..from + 300).map(|number| format!("'rack-{number}-*'")).collect::<Vec<_>>().join(", ");
        let texts = [format!("hosts: [{}]\nallow: [uptime]\n", list(0)), format!("hosts: [{}]\nallow: [wc]\n", list(299))];
        let began = std::time::Instant::now();
        let found = said(&[("policy.d/1.yaml", &texts[0]), ("policy.d/2.yaml", &texts[1])], "uptime | wc");
        assert!(found.starts_with("everyone on rack-0-*"), "{found}");
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }
}
