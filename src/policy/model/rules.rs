//! `types:`, `defaults:`, `allow:` and `deny:`.

use std::collections::BTreeMap;

use super::confinement::{self, Reference};
use super::reader::{Reader, Text};
use super::{accept, values};
use crate::policy::findings::Mistake;
use crate::policy::load::{Kind, Node, Value};
use crate::policy::types::RawType;
use crate::words::{Span, limits};

/// The keys of a rule in its long form.
pub const ALLOW_KEYS: [&str; 13] =
    ["run", "as", "confine", "timeout", "output", "note", "path", "options", "home", "confirm", "witness", "log_files", "accept"];
/// A refusal has no terms.
pub const DENY_KEYS: [&str; 3] = ["run", "note", "options"];

/// A rule with one form.
#[derive(Clone, Debug)]
pub struct RawRule {
    pub form: Text,
    pub terms: RawTerms,
}

/// What a rule says besides its form.
#[derive(Clone, Debug, Default)]
pub struct RawTerms {
    pub run_as: Option<Text>,
    pub confine: Option<Reference>,
    /// Milliseconds.
    pub timeout: Option<u64>,
    /// Bytes.
    pub output: Option<u64>,
    pub note: Option<String>,
    pub path: Option<String>,
    /// `options: exact`.
    pub exact: bool,
    /// `home: account`.
    pub account_home: bool,
    pub confirm: bool,
    pub witness: Option<Text>,
    /// `log_files: true`, and where that stands.
    pub log_files: Option<Span>,
    /// `accept:`, by the name of the warning.
    pub accept: BTreeMap<String, String>,
}

/// `defaults:` of a file.
#[derive(Debug, Default)]
pub struct Defaults {
    pub confine: Option<Reference>,
    pub timeout: Option<u64>,
    pub output: Option<u64>,
    pub run_as: Option<Text>,
    /// What each rule accepts besides its own.
    pub accept: BTreeMap<String, String>,
}

/// Reads the list behind `allow:` or `deny:`.
pub fn read_rules(reader: &mut Reader<'_>, node: &Node, what: &str, keys: &[&str]) -> Vec<RawRule> {
    let items = reader.list(node, what);
    if items.len() > limits::POLICY_RULES {
        reader.error(node.span, Mistake::new(format!("more than {} rules", limits::POLICY_RULES)));
        return Vec::new();
    }
    items.iter().flat_map(|item| read_rule(reader, item, keys)).collect()
}

fn read_rule(reader: &mut Reader<'_>, node: &Node, keys: &[&str]) -> Vec<RawRule> {
    match node.value {
        Value::Map(_) => read_long_rule(reader, node, keys),
        Value::List(_) => {
            let help = "quote a form that begins with [, or write `run: [...]` for several forms";
            reader.error(node.span, Mistake::new("a rule must be a form or a map").with_help(help));
            Vec::new()
        }
        _ => read_form(reader, node).map(|form| RawRule { form, terms: RawTerms::default() }).into_iter().collect(),
    }
}

fn read_form(reader: &mut Reader<'_>, node: &Node) -> Option<Text> {
    let form = reader.text(node, "a form")?;
    if form.value.trim().is_empty() {
        reader.error(node.span, Mistake::new("a form is empty").with_help("a form begins with a command word"));
        return None;
    }
    Some(form)
}

fn read_long_rule(reader: &mut Reader<'_>, node: &Node, keys: &[&str]) -> Vec<RawRule> {
    let (mut forms, mut terms, mut runs) = (Vec::new(), RawTerms::default(), false);
    let entries = reader.map(node, if keys.contains(&"as") { "a rule" } else { "a `deny` rule" }, keys);
    for entry in &entries {
        let (node, what) = (&entry.value, format!("`{}`", entry.key));
        match entry.key.as_str() {
            "run" => {
                runs = true;
                forms = match node.value {
                    Value::List(_) => reader.list(node, "`run`").iter().filter_map(|item| read_form(reader, item)).collect(),
                    _ => read_form(reader, node).into_iter().collect(),
                };
            }
            "as" => terms.run_as = read_user(reader, node),
            "confine" => terms.confine = confinement::read_reference(reader, node),
            "timeout" => terms.timeout = reader.measure(node, &what, values::duration),
            "output" => terms.output = reader.measure(node, &what, values::size),
            "note" => terms.note = reader.text(node, &what).map(|text| text.value),
            "path" => terms.path = reader.value(node, &what, values::path),
            "options" => terms.exact = reader.choice(node, &what, &[("exact", true)]).unwrap_or_default(),
            "confirm" => terms.confirm = reader.boolean(node, &what).unwrap_or_default(),
            "log_files" => terms.log_files = reader.boolean(node, &what).filter(|logs| *logs).map(|_| node.span),
            "accept" => terms.accept = accept::read(reader, node, &accept::OF_RULE),
            "witness" => terms.witness = reader.text(node, &what),
            _ => terms.account_home = reader.choice(node, &what, &[("account", true)]).unwrap_or_default(),
        }
    }
    if !runs && !entries.is_empty() {
        let mistake = Mistake::new("a rule without a form").with_help("add `run:`; if a form holds a colon and a space, quote it");
        reader.error(node.span, mistake);
    }
    forms.into_iter().map(|form| RawRule { form, terms: terms.clone() }).collect()
}

fn read_user(reader: &mut Reader<'_>, node: &Node) -> Option<Text> {
    reader.value(node, "`as`", values::run_as).map(|value| Text { value, span: node.span })
}

/// Reads `defaults:`.
pub fn read_defaults(reader: &mut Reader<'_>, node: &Node) -> Defaults {
    let mut defaults = Defaults::default();
    for entry in reader.map(node, "`defaults`", &["confine", "timeout", "output", "as", "accept"]) {
        let node = &entry.value;
        match entry.key.as_str() {
            "confine" => defaults.confine = confinement::read_reference(reader, node),
            "timeout" => defaults.timeout = reader.measure(node, "`timeout`", values::duration),
            "output" => defaults.output = reader.measure(node, "`output`", values::size),
            "accept" => defaults.accept = accept::read(reader, node, &accept::OF_RULE),
            _ => defaults.run_as = read_user(reader, node),
        }
    }
    defaults
}

/// Reads one type of `types:`.
pub fn read_type(reader: &mut Reader<'_>, name: &Text, node: &Node) -> Option<RawType> {
    const KINDS: [&str; 4] = ["match", "path", "int", "one_of"];
    let mut raw = RawType::default();
    let entries = reader.map(node, "a type", &["match", "path", "int", "one_of", "except", "dash"]);
    let kinds: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).filter(|key| KINDS.contains(key)).collect();
    for entry in &entries {
        let (node, what) = (&entry.value, format!("`{}`", entry.key));
        match entry.key.as_str() {
            "match" => raw.matches = reader.text(node, &what).map(|text| text.value),
            "path" => raw.path = reader.value_or_values(node, &what, values::path_glob),
            "int" => raw.int = range(reader, node),
            "one_of" => {
                raw.one_of = reader.list(node, &what).iter().filter_map(|item| reader.text(item, "a word")).map(|text| text.value).collect()
            }
            "except" => raw.except = reader.text(node, &what).map(|text| text.value),
            _ => raw.dash = reader.boolean(node, &what),
        }
    }
    if kinds.len() == 1 {
        return Some(raw);
    }
    if matches!(node.value, Value::Map(_)) {
        let found = if kinds.is_empty() { "none".to_owned() } else { kinds.join(" and ") };
        reader.error(name.span, Mistake::new(format!("a type needs one of match, path, int and one_of, not {found}")));
    }
    None
}

/// `1..100` is text to YAML, `5` a number, `..5` text again.
fn range(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    match &node.value {
        Value::Scalar(Kind::Number, number) => Some(number.clone()),
        _ => reader.text(node, "`int`").map(|text| text.value),
    }
}
