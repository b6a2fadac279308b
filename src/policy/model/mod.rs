//! What one source file says, read from its tree: values checked, names not yet resolved.

pub mod accept;
mod cautions;
pub mod confinement;
pub mod reader;
pub mod rules;
pub mod settings;
pub mod values;

use std::collections::BTreeMap;

use self::confinement::RawConfinement;
use self::reader::{Reader, Text};
use self::rules::{Defaults, RawRule};
use super::findings::Mistake;
use super::load::{Entry, Node, Value};
use super::rule::Scope;
use super::settings::Settings;
use super::types::RawType;
use crate::words::{Span, limits};

/// The version of the source format that this program reads.
const VERSION: &str = "1";

/// One source file.
#[derive(Debug, Default)]
pub struct File {
    /// Without its `observe`, which takes what the confinements of all files are.
    pub scope: Scope,
    /// Where `mode: observe` stands.
    pub observe: Option<Span>,
    /// The names of `scope.env`, with their places.
    pub env: Vec<Text>,
    /// `None` for a definition that is reported already.
    pub types: Vec<(Text, Option<RawType>)>,
    pub confinements: Vec<(Text, RawConfinement)>,
    pub defaults: Defaults,
    pub parts: BTreeMap<String, String>,
    pub allow: Vec<RawRule>,
    pub deny: Vec<RawRule>,
    /// Directories behind the fixed PATH.
    pub search: Vec<String>,
    /// What the main file says of the host; its `search` is empty.
    pub settings: Settings,
}

pub const KEYS: [&str; 18] = [
    "postern",
    "mode",
    "hosts",
    "accounts",
    "from",
    "types",
    "confinements",
    "defaults",
    "parts",
    "allow",
    "deny",
    "env",
    "path",
    "audit",
    "record",
    "redact",
    "session",
    "confinement",
];

/// Reads a file. `main` is whether host-wide settings may stand in it.
pub fn read(reader: &mut Reader<'_>, root: &Node, main: bool) -> File {
    let mut file = File { scope: Scope { source: reader.document.name.clone(), ..Scope::default() }, ..File::default() };
    let entries = reader.map(root, "a policy file", &KEYS);
    if matches!(root.value, Value::Map(_)) && !entries.iter().any(|entry| entry.key == "postern") {
        let start = Span::new(root.span.start as usize, root.span.start as usize);
        reader.error(start, Mistake::new("the format version is missing").with_help(format!("begin the file with `postern: {VERSION}`")));
    }
    for entry in entries {
        read_key(reader, entry, main, &mut file);
    }
    file
}

/// What a file says of whom it is for, in so many words that all can be gone through for each session.
fn patterns(reader: &mut Reader<'_>, node: &Node, what: &str, parse: fn(&str) -> Result<String, Mistake>) -> Vec<String> {
    let found = reader.values(node, what, parse);
    if found.len() > limits::SCOPE_PATTERNS {
        let mistake = Mistake::new(format!("{what} has more than {} patterns", limits::SCOPE_PATTERNS));
        reader.error(node.span, mistake.with_help("write globs, groups or networks that several have in common, or several files"));
    }
    found
}

fn read_key(reader: &mut Reader<'_>, entry: &Entry, main: bool, file: &mut File) {
    let (node, what) = (&entry.value, format!("`{}`", entry.key));
    match entry.key.as_str() {
        "postern" => {
            let version = |text: &str| (text == VERSION).then_some(()).ok_or_else(|| Mistake::new("not a version that this program reads"));
            reader.measure(node, &what, |text| version(text).map_err(|mistake| mistake.with_help(format!("write `postern: {VERSION}`"))));
        }
        "mode" => {
            let observes = reader.choice(node, &what, &[("enforce", false), ("observe", true)]).unwrap_or_default();
            file.observe = observes.then_some(node.span);
        }
        "hosts" => {
            file.scope.hosts = patterns(reader, node, &what, values::host);
            warn_contradictions(reader, node, &file.scope.hosts);
        }
        "accounts" => {
            file.scope.accounts = patterns(reader, node, &what, values::account);
            warn_contradictions(reader, node, &file.scope.accounts);
        }
        "from" => file.scope.from = patterns(reader, node, &what, values::network),
        "types" => file.types = definitions(reader, node, &what, rules::read_type),
        "confinements" => {
            file.confinements = definitions(reader, node, &what, |reader, _, node| confinement::read(reader, node));
        }
        "defaults" => file.defaults = rules::read_defaults(reader, node),
        "parts" => {
            let parts = definitions(reader, node, &what, |reader, _, node| reader.text(node, "a part"));
            let text = |part: Option<Text>| part.map_or_else(String::new, |text| text.value);
            file.parts = parts.into_iter().map(|(name, part)| (name.value, text(part))).collect();
        }
        "allow" => file.allow = rules::read_rules(reader, node, &what, &rules::ALLOW_KEYS),
        "deny" => file.deny = rules::read_rules(reader, node, &what, &rules::DENY_KEYS),
        "env" => read_environment(reader, node, file),
        "path" => file.search = reader.values(node, &what, values::path),
        _ if !main => {
            let mistake = Mistake::new(format!("{what} concerns the whole host")).with_help("move it to policy.yaml");
            reader.error(entry.key_span, mistake);
        }
        "audit" => file.settings.audit = settings::read_audit(reader, node),
        "record" => file.settings.record = settings::read_record(reader, node),
        "redact" => file.settings.redact = settings::read_redact(reader, node),
        "session" => file.settings.session = settings::read_session(reader, node),
        _ => file.settings.strength = settings::read_strength(reader, node),
    }
}

/// The entries of a map from names to definitions.
fn definitions<T>(reader: &mut Reader<'_>, node: &Node, what: &str, read: impl Fn(&mut Reader<'_>, &Text, &Node) -> T) -> Vec<(Text, T)> {
    let mut definitions = Vec::new();
    for entry in reader.free_map(node, what) {
        let name = Text { value: entry.key.clone(), span: entry.key_span };
        if let Err(mistake) = values::name(&name.value) {
            reader.error(name.span, mistake);
        }
        let definition = read(reader, &name, &entry.value);
        definitions.push((name, definition));
    }
    definitions
}

fn read_environment(reader: &mut Reader<'_>, node: &Node, file: &mut File) {
    for entry in reader.free_map(node, "`env`") {
        if let Err(mistake) = values::environment_name(&entry.key) {
            reader.error(entry.key_span, mistake);
        }
        let Some(value) = reader.lines(&entry.value, "the value of a variable") else { continue };
        if let Err(mistake) = values::environment_value(&value.value) {
            reader.error(value.span, mistake);
        }
        file.env.push(Text { value: entry.key.clone(), span: entry.key_span });
        file.scope.env.insert(entry.key.clone(), value.value);
    }
}

/// Patterns that name the same thing with and without `!`, so that the one with `!` wins for all that the other matches.
fn warn_contradictions(reader: &mut Reader<'_>, node: &Node, patterns: &[String]) {
    let negated = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!'));
    for pattern in negated.filter(|negated| *negated == "*" || patterns.iter().any(|pattern| pattern == negated)) {
        let mistake = Mistake::new(format!("`!{pattern}` contradicts the rest: nothing that `{pattern}` matches is ever taken"));
        reader.warning(node.span, mistake.with_help("remove one of them"));
    }
}
