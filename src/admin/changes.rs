//! What one policy has that another has not: rules, whom files are for, and settings.
//!
//! Rules are found again by their form, so that one that only moved, within its file or to another of the same people, is no change. What a
//! rule or a setting says is compared as it is applied, field by field, and so nothing that will be added to either is forgotten here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::output::count;
use crate::policy::{Applied, Damaged, Rule, Scope};
use crate::shell::message::duration;
use crate::words::Safe;

/// Everything that differs. The names of the fields are the contract of `postern diff --json`; more may come.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub rules: Vec<RuleChange>,
    /// Commands of which the same rules are tried in another order, and the first that takes a line decides.
    pub reordered: Vec<String>,
    pub files: Vec<FileChange>,
    pub settings: Vec<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Allow,
    Deny,
}

/// A rule that came (`before` is `None`), went (`after` is `None`) or says something else.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct RuleChange {
    pub command: String,
    pub kind: Kind,
    pub form: String,
    /// `file:line`.
    pub before: Option<String>,
    pub after: Option<String>,
    /// What it says otherwise.
    pub terms: Vec<Field>,
}

/// Whom a file is for, or which constants it has, where that is another.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    pub file: String,
    pub terms: Vec<Field>,
}

/// One thing that is said otherwise. Of lists there is what went and what came.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    pub name: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// How many rules came, went, and say something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub added: usize,
    pub removed: usize,
    pub changed: usize,
}

impl Display for RuleChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (sign, place) = match (&self.before, &self.after) {
            (None, place) => ('+', place),
            (place, None) => ('-', place),
            (_, place) => ('~', place),
        };
        let kind = if self.kind == Kind::Allow { "allow" } else { "deny" };
        let place = place.as_deref().unwrap_or_default();
        write!(f, "{sign} {kind} {} ({})", Safe(self.form.as_bytes()), Safe(place.as_bytes()))?;
        if self.terms.is_empty() { Ok(()) } else { write!(f, "\n{}", texts(&self.terms)) }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        let text = format!("{}: {} -> {}", self.name, side(&self.before), side(&self.after));
        write!(f, "{}", Safe(text.as_bytes()))
    }
}

fn texts(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("    {field}")).collect::<Vec<_>>().join("\n")
}

impl Display for Counts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let changed = if self.changed > 0 { format!(", {} changed", count(self.changed, "rule")) } else { String::new() };
        write!(f, "{} added, {} removed{changed}", count(self.added, "rule"), count(self.removed, "rule"))
    }
}

/// What is said, by name.
type Fields = BTreeMap<String, Value>;

/// A rule with where it stands.
#[derive(Clone)]
struct Placed {
    scope: Scope,
    place: String,
    fields: Fields,
}

impl Changes {
    /// Compares two policies. The cost grows with both.
    pub fn between(before: Option<&Applied>, after: &Applied) -> Result<Changes, Damaged> {
        let (old, new) = (before.map(rules).transpose()?.unwrap_or_default(), rules(after)?);
        let keys: BTreeSet<&Key> = old.keys().chain(new.keys()).collect();
        let none = Vec::new();
        let of = |rules: &BTreeMap<Key, Vec<Placed>>, key: &Key| rules.get(key).unwrap_or(&none).clone();
        let changed = keys.into_iter().flat_map(|key| pairs(of(&old, key), of(&new, key)).into_iter().filter_map(|pair| rule(key, pair)));
        let rules = changed.collect();
        let Some(before) = before else { return Ok(Changes { rules, ..Changes::default() }) };
        Ok(Changes {
            rules,
            reordered: reordered(before, after)?,
            files: files(before.scopes(), after.scopes()),
            settings: differing(&settings(before)?, &settings(after)?),
        })
    }

    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }

    /// What a reader is told, besides rules that came, went or say something else.
    pub fn of_host(&self) -> Vec<String> {
        let order = self.reordered.iter().map(|command| format!("~ the rules for {command} are tried in another order"));
        let files = self.files.iter().map(|file| format!("~ {}\n{}", Safe(file.file.as_bytes()), texts(&file.terms)));
        let settings = (!self.settings.is_empty()).then(|| format!("~ settings\n{}", texts(&self.settings)));
        order.chain(files).chain(settings).collect()
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for rule in &self.rules {
            match (&rule.before, &rule.after) {
                (None, _) => counts.added += 1,
                (_, None) => counts.removed += 1,
                _ => counts.changed += 1,
            }
        }
        counts
    }
}

/// Command, kind and form: what a rule is found again by.
type Key = (String, Kind, String);

fn rules(policy: &Applied) -> Result<BTreeMap<Key, Vec<Placed>>, Damaged> {
    let mut all: BTreeMap<Key, Vec<Placed>> = BTreeMap::new();
    for command in policy.commands()? {
        let Some(rules) = policy.rules(&command)? else { continue };
        for (kind, list) in [(Kind::Allow, &rules.allow), (Kind::Deny, &rules.deny)] {
            for rule in list {
                let key = (command.clone(), kind, rule.form.text.clone());
                all.entry(key).or_default().push(placed(policy, rule)?);
            }
        }
    }
    Ok(all)
}

fn placed(policy: &Applied, rule: &Rule) -> Result<Placed, Damaged> {
    let scope = policy.scopes().get(rule.scope as usize).cloned().unwrap_or_default();
    let place = format!("{}:{}", scope.source, rule.line);
    let Value::Object(mut said) = to_json(&Rule { scope: 0, line: 0, ..rule.clone() })? else { return Err(Damaged(place)) };
    // The form is the same text; what its words take need not be.
    let form = said.remove("form").unwrap_or_default();
    let mut fields = Fields::new();
    for (name, value) in said {
        match name.as_str() {
            "scope" | "line" => {}
            "run_as" => flatten("as", value, &mut fields),
            "account_home" => flatten("home", value, &mut fields),
            "timeout" | "output" => {}
            _ => flatten(&name, value, &mut fields),
        }
    }
    let limits = [
        ("timeout", rule.timeout, rule.timeout.map(|limit| duration(Duration::from_millis(limit.value)))),
        ("output", rule.output, rule.output.map(|limit| format!("{} bytes", limit.value))),
    ];
    for (name, limit, text) in limits.into_iter().filter_map(|(name, limit, text)| Some((name, limit?, text?))) {
        fields.insert(name.to_owned(), if limit.on_terminal { text } else { format!("{text} without a terminal") }.into());
    }
    fields.insert("what its words take".to_owned(), form);
    Ok(Placed { scope, place, fields })
}

/// Names and values, nested names with a dot. What is not said, or empty, has no name.
fn flatten(name: &str, value: Value, fields: &mut Fields) {
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::Array(items) if items.is_empty() => {}
        Value::Object(map) => {
            for (key, value) in map {
                // The name of a confinement goes by that of the key.
                let inner = if key == "name" { name.to_owned() } else { format!("{name}.{key}") };
                flatten(&inner, value, fields);
            }
        }
        value => drop(fields.insert(name.to_owned(), value)),
    }
}

/// Rules of one form: those that are the same first, then those of one file, then in their order.
fn pairs(mut old: Vec<Placed>, mut new: Vec<Placed>) -> Vec<(Option<Placed>, Option<Placed>)> {
    let mut pairs = Vec::new();
    let alike: [fn(&Placed, &Placed) -> bool; 3] = [
        |one, other| one.fields == other.fields && same_people(&one.scope, &other.scope),
        |one, other| one.scope.source == other.scope.source,
        |_, _| true,
    ];
    for alike in alike {
        for one in std::mem::take(&mut old) {
            match new.iter().position(|other| alike(&one, other)) {
                Some(at) => pairs.push((Some(one), Some(new.remove(at)))),
                None => old.push(one),
            }
        }
    }
    pairs.extend(old.into_iter().map(|one| (Some(one), None)));
    pairs.extend(new.into_iter().map(|other| (None, Some(other))));
    pairs
}

fn rule((command, kind, form): &Key, (before, after): (Option<Placed>, Option<Placed>)) -> Option<RuleChange> {
    let terms = match (&before, &after) {
        (Some(old), Some(new)) => {
            let mut terms = differing(&old.fields, &new.fields);
            // Of one file it is said once, for all of its rules.
            if old.scope.source != new.scope.source {
                terms.extend(differing(&people(&old.scope), &people(&new.scope)));
            }
            if terms.is_empty() {
                return None;
            }
            terms
        }
        _ => Vec::new(),
    };
    let place = |placed: Option<Placed>| placed.map(|placed| placed.place);
    Some(RuleChange { command: command.clone(), kind: *kind, form: form.clone(), before: place(before), after: place(after), terms })
}

/// Whom a file is for, and whether it enforces.
fn people(scope: &Scope) -> Fields {
    let mut fields = Fields::new();
    for (name, list) in [("accounts", &scope.accounts), ("hosts", &scope.hosts), ("from", &scope.from)] {
        flatten(name, list.clone().into(), &mut fields);
    }
    if scope.observe.is_some() {
        fields.insert("mode".to_owned(), "observe".into());
    }
    fields
}

fn same_people(one: &Scope, other: &Scope) -> bool {
    people(one) == people(other)
}

fn files(old: &[Scope], new: &[Scope]) -> Vec<FileChange> {
    let fields = |scope: &Scope| {
        let mut fields = people(scope);
        scope.env.iter().for_each(|(name, value)| drop(fields.insert(format!("env.{name}"), value.clone().into())));
        fields
    };
    let (mut gone, mut come): (Vec<&Scope>, Vec<&Scope>) = (old.iter().collect(), new.iter().collect());
    let mut changes = Vec::new();
    gone.retain(|one| match come.iter().position(|other| other.source == one.source) {
        Some(at) => {
            let terms = differing(&fields(one), &fields(come.remove(at)));
            changes.extend(Some(FileChange { file: one.source.clone(), terms }).filter(|change| !change.terms.is_empty()));
            false
        }
        None => true,
    });
    // A file that has another name and is for the same people is the same.
    gone.retain(|one| match come.iter().position(|other| fields(other) == fields(one)) {
        Some(at) => {
            come.remove(at);
            false
        }
        None => true,
    });
    let none = Fields::new();
    let left = gone.iter().map(|scope| (scope, differing(&fields(scope), &none)));
    let left = left.chain(come.iter().map(|scope| (scope, differing(&none, &fields(scope)))));
    changes.extend(left.filter(|(_, terms)| !terms.is_empty()).map(|(scope, terms)| FileChange { file: scope.source.clone(), terms }));
    changes
}

/// What the policy says of the host, without what only follows from its rules.
fn settings(policy: &Applied) -> Result<Fields, Damaged> {
    let mut fields = Fields::new();
    let Value::Object(said) = to_json(policy.settings())? else { return Ok(fields) };
    for (name, value) in said {
        match name.as_str() {
            "unscoped_rules" | "writes" | "unhides" => {}
            "search" => flatten("path", value, &mut fields),
            "strength" => flatten("confinement", value, &mut fields),
            _ => flatten(&name, value, &mut fields),
        }
    }
    Ok(fields)
}

/// Commands whose rules that both policies have are in another order.
fn reordered(before: &Applied, after: &Applied) -> Result<Vec<String>, Damaged> {
    let forms = |policy: &Applied, command: &str| -> Result<Vec<String>, Damaged> {
        let rules = policy.rules(command)?;
        Ok(rules.iter().flat_map(|rules| &rules.allow).map(|rule| rule.form.text.clone()).collect())
    };
    let mut reordered = Vec::new();
    for command in after.commands()? {
        let (mut old, mut new) = (forms(before, &command)?, forms(after, &command)?);
        let common: BTreeSet<String> = old.iter().filter(|form| new.contains(form)).cloned().collect();
        [&mut old, &mut new].into_iter().for_each(|forms| forms.retain(|form| common.contains(form)));
        // A form that stands twice says nothing of the order.
        if old.len() == new.len() && old != new {
            reordered.push(command);
        }
    }
    Ok(reordered)
}

fn differing(old: &Fields, new: &Fields) -> Vec<Field> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    changed.map(|name| field(name, old.get(name), new.get(name))).collect()
}

fn field(name: &str, old: Option<&Value>, new: Option<&Value>) -> Field {
    let lists = (old.and_then(Value::as_array), new.and_then(Value::as_array));
    let (before, after) = match lists {
        (Some(old), Some(new)) => {
            let without = |one: &[Value], other: &[Value]| {
                let items: Vec<String> = one.iter().filter(|item| !other.contains(item)).map(text).collect();
                (!items.is_empty()).then(|| items.join(", "))
            };
            (without(old, new), without(new, old))
        }
        // Compiled forms are nothing to read.
        _ if old.or(new).is_some_and(|value| value.get("variants").is_some()) => (None, Some("another type or part".to_owned())),
        _ => (old.map(text), new.map(text)),
    };
    Field { name: name.to_owned(), before, after }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

fn to_json(value: &impl Serialize) -> Result<Value, Damaged> {
    serde_json::to_value(value).map_err(|error| Damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::compile::Source;

    fn policy(files: &[(&str, &str)]) -> Applied {
        let files = files.iter().map(|(name, text)| Source::from(((*name).to_owned(), format!("postern: 1\n{text}").into_bytes())));
        Applied::from_sources(&files.collect::<Vec<_>>()).unwrap().0
    }

    /// What differs, in short.
    fn between(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let changes = Changes::between(Some(&policy(old)), &policy(new)).unwrap();
        let fields = |fields: &[Field]| {
            let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
            fields.iter().map(|field| format!("{}: {}>{}", field.name, or_none(&field.before), or_none(&field.after))).collect::<Vec<_>>()
        };
        let rules = changes.rules.iter().map(|rule| {
            let sign = match (&rule.before, &rule.after) {
                (None, _) => '+',
                (_, None) => '-',
                _ => '~',
            };
            format!("{sign}{:?} {} {}", rule.kind, rule.form, fields(&rule.terms).join(" ")).trim_end().to_owned()
        });
        let files = changes.files.iter().map(|file| format!("{} {}", file.file, fields(&file.terms).join(" ")));
        rules.chain(changes.reordered.clone()).chain(files).chain(fields(&changes.settings)).collect()
    }

    #[test]
    fn what_only_moved_is_no_change() {
        let old = [("policy.yaml", "allow: [id, ls]\n"), ("policy.d/a.yaml", "hosts: [x]\nallow: [df]\n")];
        for new in [
            &[("policy.yaml", "# more\n\nallow: [id, ls]\n"), ("policy.d/a.yaml", "hosts: [x]\n\nallow: [df]\n")][..],
            &[("policy.yaml", "allow: [id, ls]\n"), ("policy.d/b.yaml", "hosts: [x]\nallow: [df]\n")],
        ] {
            assert_eq!(between(&old, new), [""; 0], "{new:?}");
        }
    }

    #[test]
    fn each_change_is_named_once() {
        for (old, new, expected) in [
            ("allow: [id]\n", "allow: [id, ls]\n", vec!["+Allow ls"]),
            ("allow: [id, ls]\n", "allow: [id]\n", vec!["-Allow ls"]),
            ("allow: [id]\n", "allow: [id]\ndeny: ['id **']\n", vec!["+Deny id **"]),
            ("allow: [id]\n", "allow: [{ run: id, as: web }]\n", vec!["~Allow id as: >web"]),
            ("allow: [id]\n", "allow: [{ run: id, timeout: 5s }]\n", vec!["~Allow id timeout: >5s"]),
            (
                "types: { n: { int: 1..2 } }\nallow: ['head <n>']\n",
                "types: { n: { int: 1..3 } }\nallow: ['head <n>']\n",
                vec!["~Allow head <n> what its words take: >another type or part"],
            ),
            ("hosts: [a, b]\nallow: [id, ls]\n", "hosts: [b, c]\nallow: [id, ls]\n", vec!["policy.yaml hosts: a>c"]),
            ("allow: [id]\n", "mode: observe\nallow: [id]\n", vec!["policy.yaml mode: >observe"]),
            ("allow: [id]\n", "env: { A: b }\nallow: [id]\n", vec!["policy.yaml env.A: >b"]),
            (
                "allow: [id]\n",
                "audit: { syslog: none }\nredact: none\nallow: [id]\n",
                vec!["audit.syslog: /dev/log>", "redact: files>none"],
            ),
            ("allow: [ls -l, ls <file>]\n", "allow: [ls <file>, ls -l]\n", vec!["ls"]),
        ] {
            assert_eq!(between(&[("policy.yaml", old)], &[("policy.yaml", new)]), expected, "{new}");
        }
    }

    #[test]
    fn a_rule_that_is_for_others_now_is_changed() {
        let old = [("policy.yaml", "allow: [id]\n"), ("policy.d/a.yaml", "accounts: [ada]\nallow: [df]\n")];
        let new = [("policy.yaml", "allow: [id, df]\n"), ("policy.d/a.yaml", "accounts: [ada]\ndeny: [ls **]\n")];
        assert_eq!(between(&old, &new), ["~Allow df accounts: ada>", "+Deny ls **"]);
    }
}
