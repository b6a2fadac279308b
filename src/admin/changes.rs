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
use crate::policy::rule::{Limit, Observe};
use crate::policy::{Applied, Damaged, Rule, Scope};
use crate::shell::message::duration;
use crate::words::Safe;

/// Everything that differs. The names of the fields are the contract of `postern diff --json`; more may come.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub rules: Vec<RuleChange>,
    /// Commands of which the same rules are tried in another order, and the first that takes a line decides.
    pub reordered: Vec<String>,
    /// Files of `mode: observe` that are gone through in another order, as it is now: the first that a person is among decides the terms.
    pub reordered_observing: Vec<String>,
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
struct Placed {
    /// Its place among the rules of its command.
    at: usize,
    scope: Scope,
    place: String,
    fields: Fields,
}

impl Changes {
    /// Compares two policies. The cost grows with both.
    pub fn between(before: Option<&Applied>, after: &Applied) -> Result<Changes, Damaged> {
        let (mut old, mut new) = (before.map(rules).transpose()?.unwrap_or_default(), rules(after)?);
        let keys: BTreeSet<Key> = old.keys().chain(new.keys()).cloned().collect();
        let of = |rules: &mut BTreeMap<Key, Vec<Placed>>, key: &Key| rules.remove(key).unwrap_or_default();
        let (mut rules, mut both) = (Vec::new(), BTreeMap::new());
        for key in &keys {
            for (one, other) in pairs(of(&mut old, key), of(&mut new, key), ALIKE) {
                rules.extend(rule(key, (one.as_ref(), other.as_ref())));
                if let ((command, Kind::Allow, form), Some(one), Some(other)) = (key, one, other) {
                    let said = (form, one.fields, other.fields);
                    both.entry(command).or_insert_with(Vec::new).push((one.at, other.at, said));
                }
            }
        }
        let Some(before) = before else { return Ok(Changes { rules, ..Changes::default() }) };
        let of_files = file_pairs(before.scopes(), after.scopes())?;
        Ok(Changes {
            rules,
            reordered: both.into_iter().filter_map(|(command, rules)| moved(rules).then(|| command.clone())).collect(),
            reordered_observing: reordered_observing(&of_files),
            files: files(&of_files),
            settings: differing(&settings(before)?, &settings(after)?),
        })
    }

    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }

    /// What a reader is told, besides rules that came, went or say something else.
    pub fn of_host(&self) -> Vec<String> {
        let order = self.reordered.iter().map(|command| format!("~ the rules for {command} are tried in another order"));
        let observing = (!self.reordered_observing.is_empty()).then(|| {
            let files = self.reordered_observing.iter().map(|file| Safe(file.as_bytes()).to_string()).collect::<Vec<_>>();
            format!("~ the files of `mode: observe` are gone through in another order: {}", files.join(", "))
        });
        let files = self.files.iter().map(|file| format!("~ {}\n{}", Safe(file.file.as_bytes()), texts(&file.terms)));
        let settings = (!self.settings.is_empty()).then(|| format!("~ settings\n{}", texts(&self.settings)));
        order.chain(observing).chain(files).chain(settings).collect()
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
            for (at, rule) in list.iter().enumerate() {
                let key = (command.clone(), kind, rule.form.text.clone());
                all.entry(key).or_default().push(placed(policy, at, rule)?);
            }
        }
    }
    Ok(all)
}

fn placed(policy: &Applied, at: usize, rule: &Rule) -> Result<Placed, Damaged> {
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
    fields.extend(bounds("", rule.timeout, rule.output));
    fields.insert("what its words take".to_owned(), form);
    Ok(Placed { at, scope, place, fields })
}

/// How long a command may take and how much it may write, for a reader.
fn bounds(prefix: &str, timeout: Option<Limit>, output: Option<Limit>) -> Fields {
    let bounds = [
        ("timeout", timeout, timeout.map(|limit| duration(Duration::from_millis(limit.value)))),
        ("output", output, output.map(|limit| format!("{} bytes", limit.value))),
    ];
    let said = bounds.into_iter().filter_map(|(name, limit, text)| Some((format!("{prefix}{name}"), limit?, text?)));
    said.map(|(name, limit, text)| (name, if limit.on_terminal { text } else { format!("{text} without a terminal") }.into())).collect()
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
const ALIKE: &[fn(&Placed, &Placed) -> bool] = &[
    |one, other| one.fields == other.fields && same_people(&one.scope, &other.scope),
    |one, other| one.scope.source == other.scope.source,
    |_, _| true,
];

/// What stands in two lists, the same beside each other.
type Pairs<T> = Vec<(Option<T>, Option<T>)>;

/// Which is which of two lists: by the first of the ways in which two are alike, then by the next; what is left has no other.
fn pairs<T>(mut old: Vec<T>, mut new: Vec<T>, alike: &[fn(&T, &T) -> bool]) -> Pairs<T> {
    let mut pairs = Vec::new();
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

fn rule((command, kind, form): &Key, (before, after): (Option<&Placed>, Option<&Placed>)) -> Option<RuleChange> {
    let terms = match (before, after) {
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
    let place = |placed: Option<&Placed>| placed.map(|placed| placed.place.clone());
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

/// The terms of `mode: observe`. Each field of them has to be named here, so that one that will be added is not forgotten.
fn observed(Observe { line: _, confine, timeout, output }: &Observe) -> Result<Fields, Damaged> {
    let mut fields = bounds("observe.", *timeout, *output);
    flatten("observe.confine", to_json(confine)?, &mut fields);
    Ok(fields)
}

/// A file of the policy: whom it is for and what it says besides its rules.
struct Said {
    /// Its place among the files.
    at: usize,
    source: String,
    fields: Fields,
    observed: Option<Fields>,
}

/// The files of two policies, the same beside each other.
fn file_pairs(old: &[Scope], new: &[Scope]) -> Result<Pairs<Said>, Damaged> {
    let said = |(at, scope): (usize, &Scope)| {
        let observed = scope.observe.as_ref().map(observed).transpose()?;
        let mut fields = people(scope);
        fields.extend(scope.env.iter().map(|(name, value)| (format!("env.{name}"), value.clone().into())));
        fields.extend(observed.clone().unwrap_or_default());
        Ok(Said { at, source: scope.source.clone(), fields, observed })
    };
    let of = |scopes: &[Scope]| scopes.iter().enumerate().map(said).collect::<Result<Vec<Said>, Damaged>>();
    // A file that has another name and is for the same people is the same.
    Ok(pairs(of(old)?, of(new)?, &[|one, other| one.source == other.source, |one, other| one.fields == other.fields]))
}

fn files(pairs: &Pairs<Said>) -> Vec<FileChange> {
    let none = Fields::new();
    let terms = |one: &Option<Said>, other: &Option<Said>| {
        let fields = |said: &Option<Said>| said.as_ref().map_or_else(|| none.clone(), |said| said.fields.clone());
        differing(&fields(one), &fields(other))
    };
    let changes = pairs.iter().filter_map(|(one, other)| {
        let file = one.as_ref().or(other.as_ref())?.source.clone();
        Some(FileChange { file, terms: terms(one, other) }).filter(|change| !change.terms.is_empty())
    });
    changes.collect()
}

/// Files that observe in both policies and are gone through in another order, as it is in the later.
fn reordered_observing(pairs: &Pairs<Said>) -> Vec<String> {
    let both = pairs.iter().filter_map(|(one, other)| one.as_ref().zip(other.as_ref()));
    let both = both.filter_map(|(one, other)| Some((one, other, (one.observed.as_ref()?, other.observed.as_ref()?))));
    let mut observing: Vec<_> = both.collect();
    if !moved(observing.iter().map(|(one, other, terms)| (one.at, other.at, terms)).collect()) {
        return Vec::new();
    }
    observing.sort_by_key(|(_, other, _)| other.at);
    observing.into_iter().map(|(_, other, _)| other.source.clone()).collect()
}

/// Whether what stood in one order stands in another, each with its place before and after. Neighbours that say the same can change
/// places and nothing is decided otherwise.
fn moved<T: PartialEq>(mut places: Vec<(usize, usize, T)>) -> bool {
    places.sort_by_key(|(before, ..)| *before);
    for alike in places.chunk_by_mut(|(.., one), (.., other)| one == other) {
        alike.sort_by_key(|(_, after, _)| *after);
    }
    !places.is_sorted_by_key(|(_, after, _)| *after)
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
#[path = "changes_tests.rs"]
mod tests;
