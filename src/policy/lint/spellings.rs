//! How an option can be spelled, and which values it is tried with.

use std::collections::BTreeSet;

use super::table::{Effect, Value};
use crate::policy::form::{NameKind, Piece, Segment, Variant};

/// Places to name where the table names a file that is written or run.
const FILES: [&str; 2] = ["/etc/hosts", "/var/log/x"];

/// A file that no rule means: what may be read, a form says by a path type, and then reading it is no surprise.
const ELSEWHERE: &str = "/nonexistent/x";

/// A file in the directory of the session, for slots that take no slash.
const RELATIVE: &str = "x";

/// Which spellings of an option make a difference to a variant.
#[derive(Default)]
pub struct Openings<'f> {
    /// Anything.
    any: bool,
    /// A name that stands for several words: `--out[put]`, `-<n>`.
    several: bool,
    names: BTreeSet<&'f str>,
    /// The letters of options without a value, which the letters of others can touch.
    flags: BTreeSet<char>,
}

impl<'f> Openings<'f> {
    pub fn of(variant: &'f Variant) -> Openings<'f> {
        let some = |is: fn(&Segment) -> bool| variant.segments.iter().any(is);
        let mut openings = Openings { any: some(|segment| segment.any), ..Openings::default() };
        let choices = variant.segments.iter().flat_map(|segment: &Segment| &segment.options).flat_map(|group| &group.choices);
        for (choice, name) in choices.flat_map(|choice| choice.names.iter().map(move |name| (choice, name))) {
            match name.pattern.pieces.as_slice() {
                [Piece::Text(text)] if name.kind != NameKind::Shape => drop(openings.names.insert(text)),
                _ => openings.several = true,
            }
            openings.flags.extend(name.letter().filter(|_| choice.values.is_empty()));
        }
        openings
    }
}

/// Values to try: the table's, and those that the form itself takes there, but for what is no file where the table has one.
pub fn values(effect: Effect, sample: &str, own: Vec<String>) -> Vec<String> {
    let mut values = vec![sample.to_owned()];
    if !sample.starts_with('/') {
        values.extend(own);
    } else if effect == Effect::Reads {
        values = [ELSEWHERE, RELATIVE].map(str::to_owned).to_vec();
    } else {
        values.extend(own.into_iter().filter(|own| own.contains('/') && !own.starts_with("/dev/")));
        values.extend(FILES.into_iter().chain([RELATIVE]).map(str::to_owned));
    }
    values
}

/// Every spelling of an option that could matter to a form: separate, attached, with `=`, in a cluster, abbreviated.
pub fn spellings(name: &str, value: &Value, values: &[String], openings: &Openings<'_>, exact: bool) -> Vec<Vec<String>> {
    let mut names = vec![name.to_owned()];
    let short = name.chars().count() == 2;
    if let (Some(letter), true, false) = (name.chars().nth(1).filter(|_| short && name != "--"), name.starts_with('-'), exact) {
        names.extend(openings.flags.iter().map(|flag| format!("-{flag}{letter}")));
        if *value == Value::None {
            names.extend(openings.flags.iter().map(|flag| format!("-{letter}{flag}")));
        }
    }
    if name.starts_with("--") && (openings.any || openings.several) {
        let shorter = (3..name.len()).rev().filter_map(|end| name.get(..end)).filter(|word| !openings.names.contains(word));
        names.extend(shorter.map(str::to_owned));
    }
    let mut spellings = Vec::new();
    for name in names {
        if !matches!(value, Value::Required(_)) {
            spellings.push(vec![name.clone()]);
        }
        for sample in values {
            if matches!(value, Value::Required(_)) {
                spellings.push(vec![name.clone(), sample.clone()]);
            }
            spellings.push(vec![if short { format!("{name}{sample}") } else { format!("{name}={sample}") }]);
        }
    }
    spellings
}
