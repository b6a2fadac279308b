//! Words that a type takes, for `lint` to try forms with.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::builtin::Lexical;
use super::{Kind, TypeDef};

/// Ways through a pattern that are tried.
const ROUNDS: usize = 12;

/// Bytes of a sample, at most.
const LONGEST: usize = 4096;

impl TypeDef {
    /// A few words that it might take, the plainest first; none is checked, neither against `except` nor by a judge.
    pub fn samples(&self) -> Vec<String> {
        let words: &[&str] = match &self.kind {
            Kind::Lexical(lexical) => of_lexical(*lexical),
            Kind::Int { low, high } => return of_range(*low, *high),
            Kind::OneOf(words) => return words.clone(),
            Kind::Match(pattern) => return of_pattern(&pattern.source),
            Kind::Path | Kind::Contents { .. } => &["/etc/hosts", "/var/log/syslog", "/proc/stat"],
            Kind::Below(globs) => return globs.iter().flat_map(|glob| of_glob(glob)).collect(),
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// Whether the policy says by a pattern of its own what it takes.
    pub fn is_pattern(&self) -> bool {
        matches!(self.kind, Kind::Match(_))
    }
}

fn of_lexical(lexical: Lexical) -> &'static [&'static str] {
    match lexical {
        Lexical::Number => &["1", "1.5"],
        Lexical::Word | Lexical::Name | Lexical::Unit | Lexical::Iface => &["abc", "x1"],
        Lexical::Text => &["abc", "a b"],
        Lexical::Host => &["db-1", "10.0.0.1"],
        Lexical::Ip => &["10.0.0.1", "::1"],
        Lexical::Cidr => &["10.0.0.0/8", "10.0.0.1"],
        Lexical::Port => &["80"],
        Lexical::Url => &["https://db-1/", "http://10.0.0.1:80/x"],
        Lexical::Pid => &["1", "42"],
        Lexical::User => &["root", "1000"],
        Lexical::Signal => &["HUP", "15"],
        Lexical::Duration => &["5", "2s"],
        Lexical::Time => &["yesterday", "2026-01-02 03:04:05"],
        Lexical::Size => &["10", "1M"],
        Lexical::Awk => &["{ print $1 }", "/x/"],
        Lexical::Sed => &["s/a/b/", "1p"],
    }
}

fn of_range(low: Option<i64>, high: Option<i64>) -> Vec<String> {
    let inside = |value: i64| low.is_none_or(|low| low <= value) && high.is_none_or(|high| value <= high);
    let values = [Some(1), low, high].into_iter().flatten().filter(|value| inside(*value));
    values.map(|value| value.to_string()).collect()
}

/// A file below a glob, and where the glob has no signs, the path itself.
fn of_glob(glob: &str) -> Vec<String> {
    let glob = glob.strip_prefix('~').map_or_else(|| glob.to_owned(), |rest| format!("{}{rest}", super::super::lint::HOME));
    let bracket = glob.split_once('[').and_then(|(before, rest)| Some((before, rest.split_once(']')?)));
    let glob = match bracket {
        Some((before, (inside, behind))) => format!("{before}{}{behind}", inside.trim_start_matches('!').chars().next().unwrap_or('x')),
        None => glob,
    };
    let plain = glob.replace("**", "x").replace(['*', '?'], "x");
    let below = format!("{}/x", plain.trim_end_matches('/'));
    if plain == glob { vec![below, plain] } else { vec![plain] }
}

fn of_pattern(source: &str) -> Vec<String> {
    let Ok(hir) = ParserBuilder::new().unicode(false).utf8(false).build().parse(source) else { return Vec::new() };
    let mut samples = Vec::new();
    for round in 0..ROUNDS {
        let mut bytes = Vec::new();
        walk(&hir, round, &mut bytes);
        if let Ok(word) = String::from_utf8(bytes)
            && !word.is_empty()
            && !samples.contains(&word)
        {
            samples.push(word);
        }
    }
    samples
}

/// One way through a pattern: rounds take other branches, other letters and other numbers of repetitions.
fn walk(hir: &Hir, round: usize, out: &mut Vec<u8>) {
    if out.len() > LONGEST {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend(&literal.0),
        HirKind::Class(class) => out.extend(letter(class, round)),
        HirKind::Repetition(repetition) => {
            let wanted = (repetition.min as usize).saturating_add(round % 3);
            let count = wanted.min(repetition.max.map_or(LONGEST, |most| most as usize)).min(LONGEST);
            (0..count).for_each(|index| walk(&repetition.sub, round + index, out));
        }
        HirKind::Capture(capture) => walk(&capture.sub, round, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| walk(part, round, out)),
        HirKind::Alternation(branches) => {
            if let Some(branch) = branches.get(round % branches.len().max(1)) {
                walk(branch, round, out);
            }
        }
    }
}

/// A printable character of a class, letters and digits first.
fn letter(class: &Class, round: usize) -> Option<u8> {
    let takes = |byte: &u8| match class {
        Class::Bytes(class) => class.iter().any(|range| (range.start()..=range.end()).contains(byte)),
        Class::Unicode(class) => class.iter().any(|range| (range.start()..=range.end()).contains(&char::from(*byte))),
    };
    let plain = (b'a'..=b'z').chain(b'0'..=b'9').chain(b'A'..=b'Z');
    let signs = (b' '..=b'~').filter(|byte| !byte.is_ascii_alphanumeric());
    let letters: Vec<u8> = plain.filter(takes).collect();
    let letters = if letters.is_empty() { signs.filter(takes).collect() } else { letters };
    letters.get(round % letters.len().max(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::types::RawType;

    #[test]
    fn every_type_takes_most_of_its_samples() {
        let own = |raw: RawType| TypeDef::compile("own", &raw).unwrap();
        let pattern = |text: &str| own(RawType { matches: Some(text.to_owned()), ..RawType::default() });
        let patterns = [
            r"[+-]?\d+([kKMGTPEZY]i?B?|[bcw])?",
            "a|b+|(cd){2}",
            r"\?|(pts/\d+|tty[A-Z]*\d*|console)",
            r"[A-Za-z0-9_@:.*?\\\[\]-]+",
            ".*",
            "[0-9a-f]{32}",
        ];
        let built_in = crate::policy::types::BUILT_IN.iter().filter_map(|name| TypeDef::built_in(name));
        for definition in built_in.chain(patterns.map(pattern)).chain([TypeDef::range("5..9").unwrap()]) {
            let samples = definition.samples();
            let judge = crate::policy::lint::host::Anywhere;
            let taken = samples.iter().filter(|word| definition.check(word, &judge).is_ok()).count();
            assert!(taken > 0 && taken * 2 >= samples.len(), "{definition:?}: {samples:?}");
        }
    }

    #[test]
    fn a_glob_has_a_file_below_it() {
        for (glob, samples) in
            [("/var/log", &["/var/log/x", "/var/log"][..]), ("/var/log/**", &["/var/log/x"]), ("/run/[ab]?/*.pid", &["/run/ax/x.pid"])]
        {
            assert_eq!(of_glob(glob), samples, "{glob}");
        }
    }
}
