//! Finds the places of a text where something may begin, fast.
//!
//! Plain text is most of what passes, and nearly all of it begins nothing. Four tables say for a byte, the one before it and the two behind it
//! which patterns they allow there, one bit for a few patterns each; where the four have no bit in common, nothing begins. That is four loads
//! a byte and one branch that is hardly ever taken. What is left is looked at properly.

use std::iter;

use super::key;
use super::pattern::{Pattern, Place, Secret, Verdict};
use super::patterns::PATTERNS;
use super::set::{BLANK, LETTER, QUOTE, Set};

/// Behind these stand values.
const SEPARATOR: Set = Set::of(":=>");
const BEFORE_SEPARATOR: Set = LETTER.and(QUOTE).and(BLANK).and(Set::of("]"));
const BEHIND_SEPARATOR: Set = Set::of(":/").not();

/// The bit of separators; those below are the patterns'.
const SEPARATORS: u32 = 63;
const SHARED: usize = 63;

/// By byte, which bits it allows: before a place, at it, and as the first and the second byte behind it.
struct Tables([[u64; 256]; 4]);

static TABLES: Tables = Tables::new();

impl Tables {
    #[allow(clippy::indexing_slicing, reason = "only ever evaluated by the compiler")]
    const fn new() -> Tables {
        let mut tables = [[0; 256]; 4];
        let mut byte = 0;
        while byte < 256 {
            let value = byte as u8;
            tables[0][byte] |= (BEFORE_SEPARATOR.has(value) as u64) << SEPARATORS;
            tables[1][byte] |= (SEPARATOR.has(value) as u64) << SEPARATORS;
            tables[2][byte] |= (BEHIND_SEPARATOR.has(value) as u64) << SEPARATORS;
            tables[3][byte] |= 1 << SEPARATORS;
            let mut index = 0;
            while index < PATTERNS.len() {
                let (pattern, bit) = (&PATTERNS[index], 1 << (index % SHARED));
                if pattern.context.may_follow(Some(value)) {
                    tables[0][byte] |= bit;
                }
                let mut head = 0;
                while head < pattern.heads.len() {
                    let mut offset = 0;
                    while offset < 3 {
                        let text = pattern.heads[head].as_bytes();
                        let is_free = offset >= text.len();
                        if is_free || text[offset] == value || pattern.folded && text[offset].eq_ignore_ascii_case(&value) {
                            tables[1 + offset][byte] |= bit;
                        }
                        offset += 1;
                    }
                    head += 1;
                }
                index += 1;
            }
            byte += 1;
        }
        Tables(tables)
    }

    fn bits(&self, before: Option<u8>, bytes: [Option<u8>; 3]) -> u64 {
        let Tables([first, second, third, fourth]) = self;
        let [at, next, last] = bytes;
        let look = |table: &[u64; 256], byte: Option<u8>| byte.map_or(u64::MAX, |byte| allowed(table, byte));
        look(first, before) & look(second, at) & look(third, next) & look(fourth, last)
    }
}

fn allowed(table: &[u64; 256], byte: u8) -> u64 {
    table.get(usize::from(byte)).copied().unwrap_or(0)
}

/// The first place of the text at hand, from `place` on, where something begins or may begin.
pub(super) fn find(place: Place<'_>) -> Option<usize> {
    let mut at = place.at;
    while let Some(next) = possible(place.gone, place.here, at) {
        if verdict(Place { at: next, ..place }) != Verdict::No {
            return Some(next);
        }
        at = next + 1;
    }
    None
}

/// The first place from `from` on that the tables let pass.
fn possible(gone: &[u8], here: &[u8], from: usize) -> Option<usize> {
    let byte = |at: usize| here.get(at).copied();
    let slow = |at: &usize| {
        let before = if *at == 0 { gone.last().copied() } else { byte(*at - 1) };
        TABLES.bits(before, [byte(*at), byte(*at + 1), byte(*at + 2)]) != 0
    };
    if from == 0 && !here.is_empty() && slow(&0) {
        return Some(0);
    }
    let from = from.max(1);
    let Tables([first, second, third, fourth]) = &TABLES;
    let middle = here.get(from - 1..).unwrap_or_default().windows(4).position(|window| match window {
        [a, b, c, d] => allowed(first, *a) & allowed(second, *b) & allowed(third, *c) & allowed(fourth, *d) != 0,
        _ => false,
    });
    // The last two have less than two bytes behind them.
    middle.map(|at| at + from).or_else(|| (from.max(here.len().saturating_sub(2))..here.len()).find(slow))
}

/// What begins at a place.
pub(super) fn verdict(place: Place<'_>) -> Verdict {
    match outer(place) {
        Verdict::Yes(secret) => inner(place, secret),
        other => other,
    }
}

fn outer(place: Place<'_>) -> Verdict {
    let is_separator = place.text().ahead.first().is_some_and(|byte| SEPARATOR.has(*byte));
    match is_separator {
        true => Some(key::verdict(place)).filter(is_something).unwrap_or_else(|| token(place)),
        false => token(place),
    }
}

/// The first pattern of the table that matches here, or that may.
fn token(place: Place<'_>) -> Verdict {
    let mut ahead = place.text().ahead.iter().copied();
    let bits = TABLES.bits(place.last(), [ahead.next(), ahead.next(), ahead.next()]) & !(1 << SEPARATORS);
    PATTERNS
        .chunks(SHARED)
        .flat_map(|patterns| of_bits(patterns, bits))
        .map(|pattern| pattern.verdict(place))
        .find(is_something)
        .unwrap_or(Verdict::No)
}

fn is_something(verdict: &Verdict) -> bool {
    *verdict != Verdict::No
}

/// Those of the patterns whose bit is set, in their order.
fn of_bits(patterns: &'static [Pattern], mut bits: u64) -> impl Iterator<Item = &'static Pattern> {
    iter::from_fn(move || {
        let lowest = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (lowest < SEPARATORS).then_some(lowest as usize)
    })
    .filter_map(|bit| patterns.get(bit))
}

/// A token inside what was found: in place of a password it says more of what it is, and as the user of a URL it is hidden with the password.
fn inner(place: Place<'_>, outer: Secret) -> Verdict {
    for offset in 0..=outer.from {
        let at = Place { at: place.at + offset, ..place };
        let found = if offset == 0 { Verdict::No } else { token(at) };
        match found {
            Verdict::Yes(found) if offset + found.from < outer.from || found.from == 0 && offset + found.to >= outer.to => {
                let (from, to) = (offset + found.from, outer.to.max(offset + found.to));
                return Verdict::Yes(Secret { from, to, ..found });
            }
            Verdict::More(_) => return Verdict::More(Some(outer)),
            _ => {}
        }
    }
    Verdict::Yes(outer)
}
