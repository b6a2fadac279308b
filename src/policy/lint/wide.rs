//! Words that a form takes without anybody having thought of them.

use super::host::Anywhere;
use super::table::{Effect, Row};
use super::{Level, Problem};
use crate::policy::form::{Piece, Segment};
use crate::policy::rule::Rule;
use crate::policy::types::TypeDef;

/// Words that few patterns are meant to take, what each is, and the effects by which a program makes something of it; none where any does.
const SURPRISES: [(&str, &str, &[Effect]); 3] = [
    ("a/../../etc/x", "a path that climbs", &[Effect::Reads, Effect::Writes, Effect::Loads]),
    ("gopher://x/y", "a URL of any scheme", &[Effect::Network]),
    ("--output=/tmp/x", "an option", &[]),
];

/// `**`, and patterns that take more than a reader would think.
pub fn wide(rule: &Rule, rows: &[Row]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if rule.form.variants.iter().flat_map(|variant| &variant.segments).any(|segment| segment.any) {
        let why = "`**` takes any words, options too that no manual names yet";
        problems.push(Problem::new(Level::Warning, "wide", why, "name the options and operands that are needed"));
    }
    for (slot, definition) in patterns(rule) {
        // What takes anything at all is meant as a text.
        if takes(definition, "$(x) | \"y\"") {
            continue;
        }
        let taken: Vec<&str> = SURPRISES
            .iter()
            .filter(|(_, _, effects)| effects.is_empty() || rows.iter().any(|row| effects.contains(&row.effect)))
            .filter(|(word, ..)| takes(definition, word))
            .map(|(_, what, _)| *what)
            .collect();
        if !taken.is_empty() {
            let why = format!("the pattern of {slot} takes {}", taken.join(", and "));
            problems.push(Problem::new(Level::Note, "wide", why, "narrow the pattern, or name the exceptions under `except:`"));
        }
    }
    problems
}

fn takes(definition: &TypeDef, word: &str) -> bool {
    // Without `dash` no slot takes a word that begins with one.
    (!word.starts_with('-') || definition.takes_dash(word)) && definition.check(word, &Anywhere).is_ok()
}

/// The slots of a form whose type is a pattern of the policy, each type once.
fn patterns(rule: &Rule) -> Vec<(String, &TypeDef)> {
    let mut found: Vec<(String, &TypeDef)> = Vec::new();
    let segments = rule.form.variants.iter().flat_map(|variant| &variant.segments);
    let slots = segments.flat_map(Segment::patterns).flat_map(|pattern| &pattern.pieces).filter_map(|piece| match piece {
        Piece::Slot(slot) => Some(slot),
        _ => None,
    });
    for slot in slots {
        let Some(definition) = rule.form.definition(slot).filter(|definition| definition.is_pattern()) else { continue };
        if !found.iter().any(|(_, known)| *known == definition) {
            found.push((slot.text.clone(), definition));
        }
    }
    found
}
