//! The spellings of the table put into lines that a form takes: what the form takes then, it should not.
//!
//! A spelling counts only where the program would read it as what the table says. So no sample line holds `--`, and a word that is the value
//! of another option is none. Abbreviations of long options are tried where the form could take them for something else than a name of its
//! own: whether `--in` is an option of the program, its manual knows and the table does not.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::lines::{Line, Role, Sampler, Token, argv};
use super::table::{Effect, Row, Spelling, Value};
use crate::policy::form::{NameKind, Piece, Segment, Variant};
use crate::policy::matching::Reader;
use crate::policy::rule::Rule;

/// Lines tried for one rule, at most: a form of many variants would take minutes.
const TRIES: usize = 20_000;

/// Places to name where the table names a file that is written or run.
const FILES: [&str; 2] = ["/etc/hosts", "/var/log/x"];

/// A file that no rule means: what may be read, a form says by a path type, and then reading it is no surprise.
const ELSEWHERE: &str = "/nonexistent/x";

/// Words by which a program, with nothing else on the line, tells what it is.
const TELLS: [&str; 10] = ["-h", "--help", "-help", "-?", "help", "-V", "--version", "-version", "-v", "version"];

/// Programs whose words mean the same in capitals and small letters.
const CASELESS: [&str; 3] = ["redis-cli", "valkey-cli", "keydb-cli"];

/// A file in the directory of the session, for slots that take no slash.
const RELATIVE: &str = "x";

/// A spelling that a rule takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub effect: Effect,
    /// The option, subcommand or operand: `-exec`, `netns exec`, `operand 2`; empty where it is the program itself.
    pub spelling: String,
    /// The words of a line that the rule takes.
    pub line: Vec<String>,
    pub what: String,
}

/// Everything of `rows` that a rule takes, each spelling once; and whether all was tried.
pub fn found(rule: &Rule, program: &str, sampler: &Sampler<'_>, rows: &[Row]) -> (Vec<Found>, bool) {
    if rows.is_empty() {
        return (Vec::new(), true);
    }
    let mut search = Search { caseless: CASELESS.contains(&program), ..Search::new(rule, sampler, rows) };
    let mut found = Vec::new();
    for row in rows {
        for spelling in &row.spellings {
            let spelled = named(spelling);
            let known = |found: &Found| (found.effect, &found.what) == (row.effect, &row.what) && found.spelling.eq_ignore_ascii_case(&spelled);
            if search.caseless && found.iter().any(known) {
                continue;
            }
            if let Some(line) = search.line_with(row, spelling) {
                found.push(Found { effect: row.effect, spelling: spelled, line, what: row.what.clone() });
            }
        }
    }
    (found, search.tries <= TRIES)
}

fn named(spelling: &Spelling) -> String {
    match spelling {
        Spelling::Always => String::new(),
        Spelling::Option { behind, name, .. } => behind.iter().chain([name]).cloned().collect::<Vec<_>>().join(" "),
        Spelling::Words(words) => words.join(" "),
        Spelling::Operand { at, .. } => format!("operand {at}"),
    }
}

/// Which spellings of an option make a difference to a variant.
#[derive(Default)]
struct Openings<'f> {
    /// Anything.
    any: bool,
    /// A name that stands for several words: `--out[put]`, `-<n>`.
    several: bool,
    names: BTreeSet<&'f str>,
    /// The letters of options without a value, which the letters of others can touch.
    flags: BTreeSet<char>,
}

impl<'f> Openings<'f> {
    fn of(variant: &'f Variant) -> Openings<'f> {
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

/// A line of a variant, and where in it words are tried.
struct Base {
    argv: Vec<String>,
    /// Where the plain words are, as indices into the words behind the command word.
    plain: Vec<usize>,
    /// For each of those words, and behind the last, the segment that would read a word put in there.
    segments: Vec<usize>,
    /// The first place to put an option.
    from: usize,
}

impl Base {
    fn of(sampler: &Sampler<'_>, rule: &Rule, variant: &Variant, line: &[Token]) -> Base {
        let argv = argv(&rule.form, line);
        let segments = sampler.segments(variant, &argv);
        Base { argv, plain: places(line), segments, from: 0 }
    }

    /// Where the first plain word is, or would be.
    fn first(&self) -> usize {
        self.plain.first().copied().unwrap_or(self.argv.len() - 1)
    }

    /// The line with words in the place of its first plain ones.
    fn behind(&self, sampler: &Sampler<'_>, variant: &Variant, words: &[String]) -> Base {
        let argv = inserted(&self.argv, self.first() + 1, words.len().min(self.plain.len()), words);
        let segments = sampler.segments(variant, &argv);
        Base { argv, plain: Vec::new(), segments, from: self.first() + words.len() }
    }
}

struct Search<'a> {
    rule: &'a Rule,
    sampler: &'a Sampler<'a>,
    rows: &'a [Row],
    caseless: bool,
    variants: Vec<(&'a Variant, Vec<Base>, Openings<'a>)>,
    readers: Readers<'a>,
    tries: usize,
}

impl<'a> Search<'a> {
    fn new(rule: &'a Rule, sampler: &'a Sampler<'a>, rows: &'a [Row]) -> Search<'a> {
        let base = |variant, line: &Line| Base::of(sampler, rule, variant, line);
        let bases = |variant| sampler.bases(variant).iter().map(|line| base(variant, line)).collect();
        let variants = rule.form.variants.iter().map(|variant| (variant, bases(variant), Openings::of(variant))).collect();
        Search { rule, sampler, rows, caseless: false, variants, readers: Readers::of(rule, sampler), tries: 0 }
    }

    fn line_with(&mut self, row: &Row, spelling: &Spelling) -> Option<Vec<String>> {
        match spelling {
            Spelling::Always => self.any_line(row),
            Spelling::Option { behind, name, value } => self.with_option(row, behind, name, value),
            Spelling::Words(words) => {
                let words = self.in_each_case(words);
                let found = words.iter().find_map(|words| self.with_words(row, words));
                // `remote_add` may be the word of a program that has such words.
                let joined = || words.iter().filter(|words| words.len() > 1).find_map(|words| self.with_words(row, &[words.join("_")]));
                found.or_else(joined)
            }
            Spelling::Operand { at, value } => self.with_operand(row, *at, value),
        }
    }

    /// A line that does something: not only asks the program what it is.
    fn any_line(&self, row: &Row) -> Option<Vec<String>> {
        let does = |argv: &Vec<String>| self.counts(row, argv) && !self.only_tells(argv);
        let mut bases = self.variants.iter().flat_map(|(_, bases, _)| bases).map(|base| &base.argv).peekable();
        if bases.peek().is_none() {
            return Some(vec![self.rule.form.command.clone()]);
        }
        let others = || self.sampler.lines().iter().map(|line| argv(&self.rule.form, line)).find(does);
        bases.find(|argv| does(argv)).cloned().or_else(others)
    }

    /// Whether a line is the program with one word for its help or version, and the table does not say that the word does something.
    fn only_tells(&self, argv: &[String]) -> bool {
        let [_, word] = argv else { return false };
        let does = |spelling: &Spelling| match spelling {
            Spelling::Option { behind, name, value } => behind.is_empty() && name == word && !matches!(value, Value::Required(_)),
            Spelling::Words(words) => matches!(words.as_slice(), [only] if only == word),
            Spelling::Always | Spelling::Operand { .. } => false,
        };
        TELLS.contains(&word.as_str()) && !self.rows.iter().flat_map(|row| &row.spellings).any(does)
    }

    /// The words as the table has them; for a program that does not tell cases apart, in either.
    fn in_each_case(&self, words: &[String]) -> Vec<Vec<String>> {
        if !self.caseless {
            return vec![words.to_vec()];
        }
        let each = |change: fn(&str) -> String| words.iter().map(|word| change(word)).collect::<Vec<_>>();
        let mut cases = vec![words.to_vec(), each(str::to_lowercase), each(str::to_uppercase)];
        let literals: Vec<&str> = self.rule.form.words();
        let own = |word: &String| literals.iter().find(|literal| literal.eq_ignore_ascii_case(word)).map_or(word.clone(), |own| (*own).to_owned());
        cases.push(words.iter().map(own).collect());
        cases
    }

    /// Whether no word of a line takes back what a row says.
    fn counts(&self, row: &Row, argv: &[String]) -> bool {
        let same = |word: &str, unless: &str| word == unless || self.caseless && word.eq_ignore_ascii_case(unless);
        let name = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
        !argv.iter().skip(1).any(|word| row.unless.iter().any(|unless| same(&name(word), unless)))
    }

    /// Puts each spelling of an option before and behind every word.
    fn with_option(&mut self, row: &Row, behind: &[String], name: &str, value: &Value) -> Option<Vec<String>> {
        let values = match value {
            Value::None => Vec::new(),
            Value::Required(sample) | Value::Optional(sample) => values(row.effect, sample, self.sampler.values_of(name)),
        };
        let sampler = self.sampler;
        for (index, (variant, bases, openings)) in self.variants.iter().enumerate() {
            let replaced: Vec<Base>;
            let bases = if behind.is_empty() {
                bases
            } else {
                replaced = bases.iter().map(|base| base.behind(sampler, variant, behind)).collect();
                &replaced
            };
            for words in spellings(name, value, &values, openings, self.rule.form.exact) {
                let Some(word) = words.first() else { continue };
                let reads: Vec<bool> = (0..variant.segments.len()).map(|at| self.readers.reads(index, at, word)).collect();
                for base in bases.iter().filter(|_| reads.contains(&true)) {
                    // Where the segment cannot read the word, or an earlier word does not fit, there is no need to look.
                    let places = base.segments.iter().enumerate().skip(base.from).filter(|(_, segment)| reads.get(**segment) == Some(&true));
                    for (at, _) in places {
                        self.tries += 1;
                        if self.tries > TRIES {
                            return None;
                        }
                        let argv = inserted(&base.argv, at + 1, 0, &words);
                        let taken = self.counts(row, &argv).then(|| sampler.taken(variant, &argv)).flatten();
                        if taken.is_some_and(|whole| !whole.contains(&(at + 1))) {
                            return Some(argv);
                        }
                    }
                }
            }
        }
        None
    }

    /// Puts words in the place of a line's first words that are no option and no value.
    fn with_words(&self, row: &Row, words: &[String]) -> Option<Vec<String>> {
        for (index, (variant, bases, _)) in self.variants.iter().enumerate() {
            for base in bases {
                let (plain, first) = (&base.plain, base.first());
                if !base.segments.get(first).is_some_and(|segment| self.readers.may_read(index, *segment, words)) {
                    continue;
                }
                for replaced in (0..=words.len().min(plain.len())).rev() {
                    // Nothing but plain words may stand between those that are replaced.
                    let together = plain.iter().take(replaced).enumerate().all(|(index, at)| *at == first + index);
                    let argv = inserted(&base.argv, first + 1, replaced, words);
                    if together && self.counts(row, &argv) && self.sampler.taken(variant, &argv).is_some() {
                        return Some(argv);
                    }
                }
            }
        }
        None
    }

    /// Puts a value in the place of a line's operand, and further operands before it where there are too few.
    fn with_operand(&self, row: &Row, at: usize, value: &str) -> Option<Vec<String>> {
        for (variant, bases, _) in &self.variants {
            for Base { argv, plain, .. } in bases {
                let missing = at.saturating_sub(plain.len());
                let place = if missing == 0 { plain.get(at - 1)? + 1 } else { argv.len() };
                // A sample of the form's own shows something only where the value is any file.
                let own = argv.get(place).filter(|_| value.starts_with('/')).cloned();
                let last = plain.last().and_then(|last| argv.get(last + 1)).cloned().unwrap_or_else(|| value.to_owned());
                for value in values(row.effect, value, own.into_iter().collect()) {
                    let mut words = vec![last.clone(); missing.saturating_sub(1)];
                    words.push(value);
                    let argv = inserted(argv, place, usize::from(missing == 0), &words);
                    if self.counts(row, &argv) && self.sampler.taken(variant, &argv).is_some() {
                        return Some(argv);
                    }
                }
            }
        }
        None
    }
}

/// Which segments of a form can read a word at all. Variants share most of their segments, and rows many of their words.
struct Readers<'a> {
    sampler: &'a Sampler<'a>,
    /// Of each segment that differs.
    readers: Vec<Reader<'a>>,
    /// For each variant, which of those its segments have.
    variants: Vec<Vec<usize>>,
    known: RefCell<BTreeMap<String, Vec<Option<bool>>>>,
}

impl<'a> Readers<'a> {
    fn of(rule: &'a Rule, sampler: &'a Sampler<'a>) -> Readers<'a> {
        let mut readers: Vec<Reader<'_>> = Vec::new();
        let mut reader_of = |variant: &'a Variant, at| {
            let same = readers.iter().position(|reader| reader.reads_as(variant, at));
            same.unwrap_or_else(|| {
                readers.extend(Reader::of(variant, at));
                readers.len() - 1
            })
        };
        let variants = rule.form.variants.iter();
        let variants = variants.map(|variant| (0..variant.segments.len()).map(|at| reader_of(variant, at)).collect()).collect();
        Readers { sampler, readers, variants, known: RefCell::default() }
    }

    /// Whether a segment of a variant can read a word.
    fn reads(&self, variant: usize, segment: usize, word: &str) -> bool {
        let Some(index) = self.variants.get(variant).and_then(|own| own.get(segment)).copied() else { return false };
        let mut known = self.known.borrow_mut();
        if !known.contains_key(word) {
            known.insert(word.to_owned(), vec![None; self.readers.len()]);
        }
        let known = known.get_mut(word).and_then(|known| known.get_mut(index));
        let (Some(known), Some(reader)) = (known, self.readers.get(index)) else { return false };
        *known.get_or_insert_with(|| self.sampler.may_read(reader, word))
    }

    /// Whether words could stand one behind the other from a segment on: each is read by that of the word before, or by the next.
    fn may_read(&self, variant: usize, segment: usize, words: &[String]) -> bool {
        let own = self.variants.get(variant).map_or(&[][..], Vec::as_slice);
        let within = |index: usize| segment..own.len().min(segment + index + 1);
        let valued = |at: usize| own.get(at).and_then(|own| self.readers.get(*own)).is_some_and(Reader::takes_values);
        let reads = |(index, word): (usize, &String)| within(index).any(|at| index > 0 && valued(at) || self.reads(variant, at, word));
        words.iter().enumerate().all(reads) && self.reads(variant, segment, words.first().map_or("", String::as_str))
    }
}

/// Values to try: the table's, and those that the form itself takes there, but for what is no file where the table has one.
fn values(effect: Effect, sample: &str, own: Vec<String>) -> Vec<String> {
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

/// Where the plain words of a line are.
fn places(line: &[Token]) -> Vec<usize> {
    line.iter().enumerate().filter(|(_, token)| token.role == Role::Plain).map(|(at, _)| at).collect()
}

/// A line with words put in at `at`, in place of `replaced` of its own.
fn inserted(argv: &[String], at: usize, replaced: usize, words: &[String]) -> Vec<String> {
    argv.iter().take(at).chain(words).chain(argv.iter().skip(at + replaced)).cloned().collect()
}

/// Every spelling of an option that could matter to a form: separate, attached, with `=`, in a cluster, abbreviated.
fn spellings(name: &str, value: &Value, values: &[String], openings: &Openings<'_>, exact: bool) -> Vec<Vec<String>> {
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
