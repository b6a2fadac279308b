//! A page for each command, the confinements in plain words, and a glossary of what stands between `<` and `>`.

use std::collections::BTreeMap;

use super::exceptions::{effects, held_by};
use super::facts::{Facts, codes};
use super::model::{Block, Inline, Section, Text, id, plain};
use super::observed;
use crate::confine::{Kernel, Plan};
use crate::policy::hidden::HIDDEN;
use crate::policy::{Rule, RuleRef};
use crate::shell::message::duration;

/// A page for each command, like those of a manual.
pub fn commands(facts: &Facts) -> Section {
    let pages = facts.commands.iter().filter(|(_, rules)| !rules.allow.is_empty());
    let pages = pages.map(|(command, rules)| page(facts, command, &rules.allow)).collect();
    let head = "In a form, [ ] is what may be left out, ( | ) one of several, ... one or more, and < > a word of the kind that the glossary explains.";
    Section { sections: pages, ..Section::new("commands", "Commands").with([Block::Paragraph(plain(head))]) }
}

fn page(facts: &Facts, command: &str, rules: &[Rule]) -> Section {
    let mut section = Section { title: vec![Inline::Code(command.to_owned())], ..Section::new(id("command", command), command) };
    for rules in rules.chunk_by(has_same_terms) {
        let Some(first) = rules.first() else { continue };
        section.blocks.push(Block::Synopsis(rules.iter().map(|rule| breakable(rule.form.written())).collect()));
        section.blocks.push(Block::List(terms(facts, first, rules)));
    }
    section
}

/// Whether two rules differ in their forms alone.
fn has_same_terms(one: &Rule, next: &Rule) -> bool {
    let terms = |rule: &Rule| (rule.scope, rule.run_as.clone(), rule.confine.clone(), rule.timeout, rule.output, rule.path.clone());
    let rest = |rule: &Rule| (rule.note.clone(), rule.account_home, rule.confirm, rule.witness.clone());
    terms(one) == terms(next) && rest(one) == rest(next)
}

fn terms(facts: &Facts, rule: &Rule, rules: &[Rule]) -> Vec<Text> {
    let mut items = vec![[plain("Effect: "), effects(rule)].concat()];
    let mut held = [plain("Held by "), vec![held_by(facts, &rule.confine)]].concat();
    if !rule.confine.roots.is_empty() {
        held.extend([plain("; reads besides "), codes(&rule.confine.roots)].concat());
    }
    items.push(held);
    if let Some(note) = &rule.note {
        items.push(vec![Inline::Plain("Note: ".to_owned()), Inline::Quote(note.clone())]);
    }
    if let Some(witness) = &rule.witness {
        items.push(vec![Inline::Plain("Before and after, for the record, runs: ".to_owned()), Inline::Code(witness.to_string())]);
    }
    if rule.confirm {
        items.push(plain("Runs only after the person has typed once more what it is for"));
    }
    let bounds = [
        rule.timeout.map(|limit| format!("after {}{}", time(limit.value), without_terminal(limit.on_terminal))),
        rule.output.map(|limit| format!("after {} bytes of output{}", limit.value, without_terminal(limit.on_terminal))),
    ];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    if !bounds.is_empty() {
        items.push(plain(format!("Ends {}", bounds.join(", and "))));
    }
    let source = facts.scope(rule).map_or_else(String::new, |scope| scope.source.clone());
    let places = rules.iter().map(|rule| Inline::Code(RuleRef { source: source.clone(), line: rule.line }.to_string()));
    items.push([plain("Where: "), super::model::joined(places, ", ")].concat());
    items
}

fn time(milliseconds: u64) -> String {
    duration(std::time::Duration::from_millis(milliseconds))
}

fn without_terminal(on_terminal: bool) -> &'static str {
    if on_terminal { "" } else { " without a terminal" }
}

/// The words of a form at which a line may be broken: the blanks outside of all brackets, and inside of those that fill a line.
fn breakable(form: &str) -> Vec<String> {
    const LONG: usize = 48;
    let mut words = Vec::new();
    let (mut word, mut depth, mut quoted) = (String::new(), 0_usize, false);
    for character in form.trim().chars() {
        match character {
            '\'' => quoted = !quoted,
            '[' | '(' | '<' if !quoted => depth += 1,
            ']' | ')' | '>' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        let full = depth == 0 || word.len() > LONG;
        match character {
            ' ' if full && !quoted => words.push(std::mem::take(&mut word)),
            '|' if word.len() > LONG && !quoted => {
                word.push('|');
                words.push(std::mem::take(&mut word));
            }
            _ => word.push(character),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// What holds commands, in plain words.
pub fn confinements(facts: &Facts) -> Section {
    let strength = &facts.policy.settings().strength;
    let sections = facts.confinements.iter().map(|(title, confinement)| {
        let words = Plan::of(confinement, &Kernel::FULL).words(strength);
        let shown = words.into_iter().filter(|(label, _)| *label != "holds");
        let definitions = shown.map(|(label, text)| (vec![Inline::Strong(label.to_owned())], vec![plain(text)])).collect();
        Section::new(id("confinement", title), title.clone()).with([Block::Definitions(definitions)])
    });
    let head = "What the kernel lets the commands of a confinement do, whatever their programs try.";
    let hidden = HIDDEN.iter().map(|group| plain(group.reason)).collect();
    let sections: Vec<Section> = sections.collect();
    let hides = Section::new("hidden", "What is hidden from all of them").with([
        Block::Paragraph(plain("Unless an exception says so, and whatever the modes of the files are. postern-policy(5) has the names.")),
        Block::List(hidden),
    ]);
    Section { sections: sections.into_iter().chain([hides]).collect(), ..Section::new("confinements", "What the kernel makes impossible") }
        .with([Block::Paragraph(plain(head))])
}

/// What is refused whatever allows it.
pub fn refusals(facts: &Facts) -> Section {
    let denies: Vec<&Rule> = facts.commands.values().flat_map(|rules| &rules.deny).collect();
    let forms = denies.iter().map(|rule| breakable(rule.form.written())).collect();
    let section = Section::new("refusals", "Refused whatever allows it");
    let but = observed::paragraph(facts, "On record, and not refused,");
    if denies.is_empty() { section } else { section.with(but).with([Block::Synopsis(forms)]) }
}

/// The glossary of types.
pub fn types(facts: &Facts) -> Section {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for rule in facts.allows() {
        for (name, definition) in rule.form.types.iter().filter_map(|definition| Some((definition.name()?, definition))) {
            known.entry(name.to_owned()).or_insert_with(|| definition.words());
        }
    }
    if known.is_empty() {
        return Section::new("types", "Glossary");
    }
    let definitions = known.into_iter().map(|(name, words)| (vec![Inline::Code(format!("<{name}>"))], vec![plain(words)])).collect();
    let head = "In <label:type> the label is for people; <type,...> is a list with commas.";
    Section::new("types", "Glossary").with([Block::Paragraph(plain(head)), Block::Definitions(definitions)])
}
