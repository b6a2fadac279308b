//! `confinements:` and `confine:`: reads them and merges their bases in.
//!
//! Lists add up along the bases, so that a confinement never shows less than the one it is based on, with two exceptions that make it
//! stricter: what it hides is taken from an inherited `unhide`, and `limits` are replaced one by one. `exec: any` wins over paths, and of
//! `processes` what shows more.

use std::collections::BTreeMap;

use super::reader::{Reader, Text};
use super::{accept, cautions, values};
use crate::policy::confinement::{Base, Confinement, Exec, Limits, Processes};
use crate::policy::findings::{Findings, Mistake};
use crate::policy::load::{Document, Node, Value};
use crate::words::{Safe, Severity, Span, limits, suggest};

/// The keys of a confinement.
pub const KEYS: [&str; 12] =
    ["base", "read", "write", "hide", "unhide", "exec", "sockets", "network", "capabilities", "processes", "limits", "accept"];

/// A confinement as the policy writes it: its base by name, and what it adds.
#[derive(Clone, Debug)]
pub struct RawConfinement {
    base: Option<Text>,
    adds: Confinement,
    /// Where it stands, for what is wrong with the whole of it.
    span: Span,
}

/// What stands behind `confine:`.
#[derive(Clone, Debug)]
pub enum Reference {
    Name(Text),
    Inline(Box<RawConfinement>),
}

/// A confinement of the policy's own, and the document that defines it.
pub struct Named<'a> {
    pub document: &'a Document,
    pub name: Text,
    pub raw: RawConfinement,
}

/// Reads the value of `confine:`.
pub fn read_reference(reader: &mut Reader<'_>, node: &Node) -> Option<Reference> {
    match node.value {
        Value::Map(_) => Some(Reference::Inline(Box::new(read(reader, node)))),
        _ => reader.text(node, "`confine`").map(Reference::Name),
    }
}

/// Reads a confinement.
pub fn read(reader: &mut Reader<'_>, node: &Node) -> RawConfinement {
    const PROCESSES: [(&str, Processes); 3] = [("own", Processes::Own), ("look", Processes::Look), ("trace", Processes::Trace)];
    let mut raw = RawConfinement { base: None, adds: Confinement::default(), span: node.span };
    let entries = reader.map(node, "a confinement", &KEYS);
    // First, for it says which of the warnings are meant.
    if let Some(entry) = entries.iter().find(|entry| entry.key == "accept") {
        raw.adds.accept = accept::read(reader, &entry.value, &accept::OF_CONFINEMENT);
    }
    for entry in entries {
        let (node, what) = (&entry.value, format!("`{}`", entry.key));
        let adds = &mut raw.adds;
        match entry.key.as_str() {
            "base" => raw.base = reader.text(node, &what),
            "read" => adds.read = reader.values(node, &what, values::path),
            "write" => adds.write = reader.values(node, &what, values::path),
            "hide" => adds.hide = reader.values(node, &what, values::path_glob),
            "unhide" => adds.unhide = reader.values(node, &what, values::path_glob),
            "exec" => adds.exec = read_exec(reader, node),
            "sockets" => adds.sockets = reader.values(node, &what, values::path),
            "network" => {
                let ports = reader.list(node, &what).iter();
                adds.network = ports.filter_map(|port| reader.measure(port, &what, values::port)).collect();
            }
            "capabilities" => adds.capabilities = reader.values(node, &what, values::capability),
            "processes" => adds.processes = reader.choice(node, &what, &PROCESSES).unwrap_or_default(),
            "accept" => {}
            _ => adds.limits = read_limits(reader, node),
        }
        reader.accepts = adds.accept.get_key_value(&entry.key).map(|(key, reason)| (key.clone(), reason.clone()));
        match entry.key.as_str() {
            "read" => cautions::on_read(reader, node),
            "write" => cautions::on_write(reader, node),
            "hide" => cautions::on_hide(reader, node),
            "unhide" => cautions::on_unhide(reader, node),
            "exec" => cautions::on_exec(reader, node),
            "sockets" => cautions::on_sockets(reader, node),
            "capabilities" => cautions::on_capabilities(reader, node),
            _ => {}
        }
        reader.accepts = None;
    }
    raw
}

fn read_exec(reader: &mut Reader<'_>, node: &Node) -> Exec {
    match &node.value {
        Value::List(_) => Exec::Paths(reader.values(node, "`exec`", values::path)),
        _ => reader.choice(node, "`exec`", &[("any", ())]).map_or(Exec::None, |()| Exec::Any),
    }
}

fn read_limits(reader: &mut Reader<'_>, node: &Node) -> Limits {
    let mut bounds = Limits::default();
    for entry in reader.map(node, "`limits`", &["cpu", "memory", "processes", "files", "file_size"]) {
        let (node, what) = (&entry.value, format!("`{}`", entry.key));
        match entry.key.as_str() {
            "cpu" => bounds.cpu = reader.measure(node, &what, values::duration),
            "memory" => bounds.memory = reader.measure(node, &what, values::size),
            "processes" => bounds.processes = reader.measure(node, &what, values::count),
            "files" => bounds.files = reader.measure(node, &what, values::count),
            _ => bounds.file_size = reader.measure(node, &what, values::size),
        }
    }
    bounds
}

impl RawConfinement {
    /// Whether another one says the same, wherever it stands.
    pub fn says_the_same(&self, other: &RawConfinement) -> bool {
        let base = |raw: &RawConfinement| raw.base.as_ref().map_or_else(|| Base::default().name().to_owned(), |base| base.value.clone());
        base(self) == base(other) && self.adds == other.adds
    }
}

/// The confinements of a whole policy, each with its bases merged in; `None` where a mistake is reported already.
pub struct Confinements {
    resolved: BTreeMap<String, Option<Confinement>>,
}

impl Reference {
    /// Where the name stands that decides what the confinement is based on.
    pub fn base(&self) -> Option<&Text> {
        match self {
            Reference::Name(name) => Some(name),
            Reference::Inline(raw) => raw.base.as_ref(),
        }
    }
}

impl Confinements {
    /// Resolves all that a policy defines. Names are unique already.
    pub fn resolve(defined: &[Named<'_>], findings: &mut Findings) -> Confinements {
        let mut all = Confinements { resolved: BTreeMap::new() };
        let by_name: BTreeMap<&str, &Named<'_>> = defined.iter().map(|named| (named.name.value.as_str(), named)).collect();
        for named in defined {
            all.resolve_one(named, &by_name, &mut Vec::new(), findings);
        }
        all
    }

    fn resolve_one<'n>(
        &mut self,
        named: &'n Named<'_>,
        by_name: &BTreeMap<&str, &'n Named<'_>>,
        chain: &mut Vec<&'n str>,
        findings: &mut Findings,
    ) {
        let name = named.name.value.as_str();
        if self.resolved.contains_key(name) {
            return;
        }
        let circle = chain.contains(&name);
        chain.push(name);
        if circle || chain.len() > limits::CONFINEMENT_BASES {
            let what =
                if circle { "confinements are based on one another in a circle" } else { "too many confinements based on one another" };
            findings.error(named.document, named.name.span, Mistake::new(what).with_help(chain.join(" is based on ")));
            self.resolved.insert(name.to_owned(), None);
            return;
        }
        if let Some(base) = named.raw.base.as_ref().and_then(|base| by_name.get(base.value.as_str())) {
            self.resolve_one(base, by_name, chain, findings);
        }
        // A circle is found below, and this one is part of it then.
        if !self.resolved.contains_key(name) {
            let merged = self.merge(&named.raw, name.to_owned(), named.document, findings);
            self.resolved.insert(name.to_owned(), merged);
        }
    }

    /// The confinement that a rule refers to.
    pub fn get(&self, reference: &Reference, document: &Document, findings: &mut Findings) -> Option<Confinement> {
        match reference {
            Reference::Name(name) => self.named(name, document, findings),
            Reference::Inline(raw) => {
                let base = raw.base.as_ref().map_or(Base::default().name(), |base| base.value.as_str());
                self.merge(raw, format!("{base}+"), document, findings)
            }
        }
    }

    fn named(&self, name: &Text, document: &Document, findings: &mut Findings) -> Option<Confinement> {
        if let Some(base) = Base::named(&name.value) {
            return Some(Confinement::built_in(base));
        }
        if let Some(resolved) = self.resolved.get(&name.value) {
            return resolved.clone();
        }
        let mut known: Vec<&str> = Base::ALL.into_iter().map(Base::name).collect();
        known.extend(self.resolved.keys().map(String::as_str));
        let help = match suggest::nearest(&name.value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known ones: {}", known.join(", ")),
        };
        findings.error(document, name.span, Mistake::new(format!("no confinement `{}`", Safe(name.value.as_bytes()))).with_help(help));
        None
    }

    fn merge(&self, raw: &RawConfinement, name: String, document: &Document, findings: &mut Findings) -> Option<Confinement> {
        let mut merged = match &raw.base {
            Some(base) => self.named(base, document, findings)?,
            None => Confinement::built_in(Base::default()),
        };
        let adds = &raw.adds;
        let holds = matches!(adds.exec, Exec::Paths(_)) || !(adds.sockets.is_empty() && adds.network.is_empty());
        if let (Base::Open, Some(base), true) = (merged.base, &raw.base, holds) {
            let mistake =
                Mistake::new("`open` holds a command back from nothing, and so not to a list under `exec`, `sockets` or `network` either");
            findings.error(document, base.span, mistake.with_help("refine `inspect`, `service` or `network` with what the command needs"));
        }
        let known = cautions::of_whole(&merged);
        merged.name = name;
        merged.processes = merged.processes.max(adds.processes);
        merged.hide.retain(|pattern| !adds.unhide.contains(pattern));
        merged.unhide.retain(|pattern| !adds.hide.contains(pattern));
        for (list, more) in [
            (&mut merged.read, &adds.read),
            (&mut merged.write, &adds.write),
            (&mut merged.hide, &adds.hide),
            (&mut merged.unhide, &adds.unhide),
            (&mut merged.sockets, &adds.sockets),
            (&mut merged.network, &adds.network),
            (&mut merged.capabilities, &adds.capabilities),
        ] {
            add(list, more);
        }
        merged.exec = match (std::mem::take(&mut merged.exec), &adds.exec) {
            (Exec::Any, _) | (_, Exec::Any) => Exec::Any,
            (Exec::Paths(mut paths), Exec::Paths(more)) => {
                add(&mut paths, more);
                Exec::Paths(paths)
            }
            (Exec::None, exec) => exec.clone(),
            (exec, Exec::None) => exec,
        };
        let (bounds, more) = (&mut merged.limits, &adds.limits);
        bounds.cpu = more.cpu.or(bounds.cpu);
        bounds.memory = more.memory.or(bounds.memory);
        bounds.processes = more.processes.or(bounds.processes);
        bounds.files = more.files.or(bounds.files);
        bounds.file_size = more.file_size.or(bounds.file_size);
        merged.accept.extend(adds.accept.clone());
        for (severity, key, mistake) in cautions::of_whole(&merged).into_iter().filter(|caution| !known.contains(caution)) {
            match (severity, adds.accept.get(key)) {
                (Severity::Warning, Some(reason)) => findings.accepted(key, reason),
                (Severity::Error, _) => findings.error(document, raw.span, mistake),
                (Severity::Warning | Severity::Note, _) => findings.warning(document, raw.span, mistake),
            }
        }
        Some(merged)
    }
}

fn add(list: &mut Vec<String>, more: &[String]) {
    let new: Vec<String> = more.iter().filter(|item| !list.contains(item)).cloned().collect();
    list.extend(new);
}
