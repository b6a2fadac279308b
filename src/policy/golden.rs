//! Golden files: lines that a policy is meant to allow or to deny, kept beside it and held against it.
//!
//! They are read by the policy's own loader, so that a mistake in one is reported as a mistake in a policy is. What a case leaves out, its
//! file says for all of its cases; what that leaves out too, the policy file beside it says: a line for `policy.d/20-db.golden` is decided
//! for somebody whom `policy.d/20-db.yaml` is for, on a host and from an address that it names. So nothing of the machine that runs the
//! tests decides, but where its paths lead.

use std::net::IpAddr;

use super::audience;
use super::compile::Source;
use super::findings::{Findings, Mistake};
use super::load::{self, Document, Entry, Node, Value};
use super::model::reader::{Reader, Text};
use super::rule::{Scope, Subject};
use crate::words::{Diagnostic, Span};

/// How the name of a golden file ends.
pub const ENDING: &str = ".golden";

/// Whom a line is decided for, as far as it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Who {
    account: Option<String>,
    groups: Option<Vec<String>>,
    host: Option<String>,
    /// `Some(None)` for an address that is not known.
    from: Option<Option<IpAddr>>,
    terminal: Option<bool>,
}

/// One line and what is expected of it.
#[derive(Debug)]
pub struct Case {
    pub line: Text,
    pub allowed: bool,
    /// `file` or `file:line` of the rule that decides the first command of the line.
    pub rule: Option<Text>,
    /// Whom that command runs as.
    pub run_as: Option<Text>,
    pub confine: Option<Text>,
    /// A part of the reason of a refusal.
    pub reason: Option<Text>,
    who: Who,
}

/// One golden file.
#[derive(Debug)]
pub struct Golden {
    pub document: Document,
    /// In the order of the file.
    pub cases: Vec<Case>,
    who: Who,
}

const WHO: [&str; 5] = ["account", "groups", "host", "from", "terminal"];
const FILE_KEYS: [&str; 7] = ["account", "groups", "host", "from", "terminal", "allow", "deny"];
const ALLOW_KEYS: [&str; 9] = ["line", "rule", "as", "confine", "account", "groups", "host", "from", "terminal"];
const DENY_KEYS: [&str; 8] = ["line", "rule", "reason", "account", "groups", "host", "from", "terminal"];

/// Reads golden files; on failure, every mistake in them.
pub fn read_all(sources: &[Source]) -> Result<Vec<Golden>, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let mut files = Vec::new();
    for source in sources {
        if let Some((document, root)) = load::load(source, &mut findings) {
            files.push(read(document, &root, &mut findings));
        }
    }
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    if findings.errors() > 0 { Err(findings.sorted(&names)) } else { Ok(files) }
}

fn read(document: Document, root: &Node, findings: &mut Findings) -> Golden {
    let mut reader = Reader { document: &document, findings, accepts: None };
    let entries = reader.map(root, "a golden file", &FILE_KEYS);
    let mut who = Who::default();
    let mut cases = Vec::new();
    for entry in &entries {
        match entry.key.as_str() {
            "allow" => cases.extend(read_cases(&mut reader, entry, true)),
            "deny" => cases.extend(read_cases(&mut reader, entry, false)),
            _ => who.read(&mut reader, entry),
        }
    }
    let lists = ["allow", "deny"].iter().any(|key| entries.iter().any(|entry| entry.key == *key));
    if matches!(root.value, Value::Map(_)) && !lists {
        let start = Span::new(root.span.start as usize, root.span.start as usize);
        reader.error(start, Mistake::new("the file has no lines to test").with_help("list lines under `allow:` and `deny:`"));
    }
    Golden { document, cases, who }
}

fn read_cases(reader: &mut Reader<'_>, list: &Entry, allowed: bool) -> Vec<Case> {
    let items = reader.list(&list.value, &format!("`{}`", list.key));
    items.iter().filter_map(|item| read_case(reader, item, allowed)).collect()
}

fn read_case(reader: &mut Reader<'_>, node: &Node, allowed: bool) -> Option<Case> {
    let bare = |line| Case { line, allowed, rule: None, run_as: None, confine: None, reason: None, who: Who::default() };
    let Value::Map(_) = &node.value else { return reader.text(node, "a line").map(bare) };
    let mut case = bare(Text { value: String::new(), span: node.span });
    for entry in reader.map(node, "a line", if allowed { &ALLOW_KEYS } else { &DENY_KEYS }) {
        if WHO.contains(&entry.key.as_str()) {
            case.who.read(reader, entry);
            continue;
        }
        let Some(text) = reader.text(&entry.value, &format!("`{}`", entry.key)) else { continue };
        match entry.key.as_str() {
            "line" => case.line = text,
            "rule" => case.rule = Some(text),
            "as" => case.run_as = Some(text),
            "confine" => case.confine = Some(text),
            _ => case.reason = Some(text),
        }
    }
    let has_line = matches!(&node.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == "line"));
    if !has_line {
        let start = Span::new(node.span.start as usize, node.span.start as usize);
        let help = "write `line:`, and quote a line that holds a colon and a space";
        reader.error(start, Mistake::new("this has no `line`").with_help(help));
    }
    Some(case).filter(|case| !case.line.value.is_empty())
}

impl Who {
    fn read(&mut self, reader: &mut Reader<'_>, entry: &Entry) {
        let (node, what) = (&entry.value, format!("`{}`", entry.key));
        match entry.key.as_str() {
            "account" => self.account = reader.text(node, &what).map(|text| text.value),
            "groups" => {
                let items = reader.list(node, &what);
                self.groups = Some(items.iter().filter_map(|item| reader.value(item, &what, group)).collect());
            }
            "host" => self.host = reader.text(node, &what).map(|text| text.value),
            "from" => self.from = reader.value(node, &what, address),
            _ => self.terminal = reader.boolean(node, &what),
        }
    }
}

/// The name of a group, which `accounts:` writes with a `%`.
fn group(text: &str) -> Result<String, Mistake> {
    match text.strip_prefix('%') {
        Some(name) => Err(Mistake::new("a group has no % here").with_help(format!("write {name}"))),
        None => Ok(text.to_owned()),
    }
}

fn address(text: &str) -> Result<Option<IpAddr>, Mistake> {
    match text {
        "unknown" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| Mistake::new("not an address").with_help("write one such as 192.0.2.7, or unknown")),
    }
}

impl Golden {
    /// Each case, and whom it is decided for. `scopes` are those of the policy that is tested.
    pub fn subjects(&self, scopes: &[Scope]) -> impl Iterator<Item = (&Case, Subject)> {
        let beside = self.document.name.strip_suffix(ENDING).map(|stem| format!("{stem}.yaml"));
        let scope = scopes.iter().find(|scope| beside.as_ref() == Some(&scope.source));
        let usual = scope.map_or_else(audience::anyone, audience::sample);
        self.cases.iter().map(move |case| (case, self.subject(case, usual.clone())))
    }

    fn subject(&self, case: &Case, usual: Subject) -> Subject {
        let (own, file) = (&case.who, &self.who);
        // Who names an account means that one, and not the groups of another.
        let usual_groups = if own.account.is_some() || file.account.is_some() { Vec::new() } else { usual.groups };
        let account = own.account.clone().or_else(|| file.account.clone()).unwrap_or(usual.account);
        Subject {
            host: own.host.clone().or_else(|| file.host.clone()).unwrap_or(usual.host),
            home: audience::home(&account),
            groups: own.groups.clone().or_else(|| file.groups.clone()).unwrap_or(usual_groups),
            account,
            from: own.from.or(file.from).unwrap_or(usual.from),
            terminal: own.terminal.or(file.terminal).unwrap_or(false),
            can_become: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::from(("policy.d/20-db.golden".to_owned(), text.as_bytes().to_vec()))
    }

    fn read_one(text: &str) -> Golden {
        read_all(&[source(text)]).unwrap().pop().unwrap()
    }

    #[test]
    fn a_case_is_a_line_or_a_line_with_expectations() {
        let golden = read_one(
            "allow:\n  - uptime | wc -l\n  - { line: 'ss -t', rule: net.yaml, as: root, confine: open_files }\ndeny:\n  - { line: id, reason: no rule }\n",
        );
        let seen: Vec<(&str, bool, bool)> =
            golden.cases.iter().map(|case| (case.line.value.as_str(), case.allowed, case.rule.is_some())).collect();
        assert_eq!(seen, [("uptime | wc -l", true, false), ("ss -t", true, true), ("id", false, false)]);
        assert_eq!(golden.cases[2].reason.as_ref().unwrap().value, "no rule");
    }

    #[test]
    fn what_is_left_out_is_said_by_the_file_and_then_by_the_policy_beside_it() {
        let scope = Scope {
            source: "policy.d/20-db.yaml".to_owned(),
            hosts: vec!["!db-canary".to_owned(), "db-*".to_owned()],
            accounts: vec!["%oncall".to_owned()],
            from: vec!["10.0.0.0/8".to_owned()],
            ..Scope::default()
        };
        let of = |text: &str, scopes: &[Scope]| {
            let golden = read_one(text);
            let (_, subject) = golden.subjects(scopes).next().unwrap();
            (subject.account, subject.groups.join(","), subject.host, subject.from.map(|from| from.to_string()))
        };
        let expected = |account: &str, groups: &str, host: &str, from: Option<&str>| {
            (account.to_owned(), groups.to_owned(), host.to_owned(), from.map(str::to_owned))
        };
        let scopes = [scope];
        assert_eq!(of("allow: [id]\n", &scopes), expected("breakglass", "oncall", "db-x", Some("10.0.0.0")));
        assert_eq!(of("allow: [id]\n", &[]), expected("breakglass", "", "host", None));
        assert_eq!(of("account: ada\nhost: db-1\nallow: [id]\n", &scopes), expected("ada", "", "db-1", Some("10.0.0.0")));
        assert_eq!(
            of("host: db-1\nallow: [{ line: id, host: db-2, groups: [x, y], from: unknown }]\n", &scopes),
            expected("breakglass", "x,y", "db-2", None)
        );
    }

    #[test]
    fn mistakes_are_named_with_place_and_help() {
        for (text, expected) in [
            ("alow: [id]\n", "policy.d/20-db.golden:1:1: error: unknown key `alow` in a golden file"),
            ("allow: []\n", "policy.d/20-db.golden:1:8: error: `allow` is empty"),
            ("host: x\n", "policy.d/20-db.golden:1:1: error: the file has no lines to test"),
            ("allow:\n  - id\n  - 5\n", "policy.d/20-db.golden:3:5: error: a line must be text, not a number"),
            ("allow:\n  - { rule: a.yaml }\n", "policy.d/20-db.golden:2:5: error: this has no `line`"),
            ("deny:\n  - { line: id, as: root }\n", "policy.d/20-db.golden:2:17: error: unknown key `as` in a line"),
            ("from: db-1\nallow: [id]\n", "policy.d/20-db.golden:1:7: error: `from`: not an address"),
            ("groups: ['%oncall']\nallow: [id]\n", "policy.d/20-db.golden:1:10: error: `groups`: a group has no % here"),
            ("terminal: yes\nallow: [id]\n", "policy.d/20-db.golden:1:11: error: `terminal` must be true or false, not text"),
        ] {
            let findings = read_all(&[source(text)]).unwrap_err();
            assert_eq!(findings[0].to_string().lines().next().unwrap(), expected, "{text}");
        }
    }
}
