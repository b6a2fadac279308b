//! The spellings of the table put into lines that a form takes: what the form takes then, it should not.
//!
//! A spelling counts only where the program would read it as what the table says. So no sample line holds `--`, and a word that is the value
//! of another option is none. Abbreviations of long options are tried where the form could take them for something else than a name of its
//! own: whether `--in` is an option of the program, its manual knows and the table does not.

use std::collections::BTreeSet;

use super::lines::{Line, Role, Sampler, Token, argv};
use super::readers::Readers;
use super::spellings::{Openings, spellings, values};
use super::table::{Effect, Row, Spelling, Value};
use crate::policy::form::{Piece, Segment, Variant};
use crate::policy::rule::Rule;

/// Lines tried for one rule, at most: a form of many variants would take minutes.
const TRIES: usize = 20_000;

/// Words by which a program, with nothing else on the line, tells what it is.
const TELLS: [&str; 12] = ["-h", "--help", "-help", "-?", "help", "-V", "--version", "-version", "-v", "version", "--usage", "--tldr"];

/// Programs whose words mean the same in capitals and small letters.
const CASELESS: [&str; 3] = ["redis-cli", "valkey-cli", "keydb-cli"];

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
            let known =
                |found: &Found| (found.effect, &found.what) == (row.effect, &row.what) && found.spelling.eq_ignore_ascii_case(&spelled);
            if search.caseless && matches!(spelling, Spelling::Words(_)) && found.iter().any(known) {
                continue;
            }
            if let Some(line) = search.line_with(row, spelling) {
                let shortened = matches!(spelling, Spelling::Words(words) if !has(&line, words));
                let what = if shortened { format!("may be what its beginning means, and {}", row.what) } else { row.what.clone() };
                found.push(Found { effect: row.effect, spelling: spelled, line, what });
            }
        }
    }
    (found, search.tries <= TRIES)
}

/// Whether words stand on a line, in whatever case, one by one or joined.
fn has(line: &[String], words: &[String]) -> bool {
    let is = |word: &String, other: &str| word.eq_ignore_ascii_case(other);
    words.iter().all(|word| line.iter().any(|other| is(word, other))) || line.iter().any(|other| is(other, &words.join("_")))
}

fn named(spelling: &Spelling) -> String {
    match spelling {
        Spelling::Always => String::new(),
        Spelling::Option { behind, name, .. } => behind.iter().chain([name]).cloned().collect::<Vec<_>>().join(" "),
        Spelling::Words(words) => words.join(" "),
        Spelling::Operand { at, .. } => format!("operand {at}"),
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
    /// Whether the form takes it as it is.
    whole: bool,
}

impl Base {
    fn of(sampler: &Sampler<'_>, rule: &Rule, variant: &Variant, line: &[Token]) -> Base {
        let argv = argv(&rule.form, line);
        let segments = sampler.segments(variant, &argv);
        Base { argv, plain: places(line), segments, from: 0, whole: true }
    }

    /// Where the first plain word is, or would be.
    fn first(&self) -> usize {
        self.plain.first().copied().unwrap_or(self.argv.len() - 1)
    }

    /// The line with words in the place of its first plain ones.
    fn behind(&self, sampler: &Sampler<'_>, variant: &Variant, words: &[String]) -> Base {
        let argv = inserted(&self.argv, self.first() + 1, words.len().min(self.plain.len()), words);
        let segments = sampler.segments(variant, &argv);
        Base { argv, plain: Vec::new(), segments, from: self.first() + words.len(), whole: self.whole }
    }
}

/// Whether a word is a cluster of letters with this option among them: `-nx` has `-n`, and so has `-nx/tmp`.
fn in_cluster(word: &str, option: &str) -> bool {
    let letters: Option<String> = word.strip_prefix('-').map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect());
    letters
        .zip(option.strip_prefix('-'))
        .is_some_and(|(cluster, letter)| letter.len() == 1 && cluster.len() > 1 && cluster.contains(letter))
}

struct Search<'a> {
    rule: &'a Rule,
    sampler: &'a Sampler<'a>,
    rows: &'a [Row],
    caseless: bool,
    variants: Vec<(&'a Variant, Vec<Base>, Openings<'a>)>,
    readers: Readers<'a>,
    /// Words that the form takes as beginnings of longer ones.
    beginnings: BTreeSet<String>,
    tries: usize,
}

impl<'a> Search<'a> {
    fn new(rule: &'a Rule, sampler: &'a Sampler<'a>, rows: &'a [Row]) -> Search<'a> {
        let bases = |variant| {
            let lines = sampler.bases(variant);
            let whole = lines.iter().map(|line| Base::of(sampler, rule, variant, line));
            let shorter = lines.iter().flat_map(|line| without_options(line));
            whole.chain(shorter.map(|line| Base { whole: false, ..Base::of(sampler, rule, variant, &line) })).collect()
        };
        let variants = rule.form.variants.iter().map(|variant| (variant, bases(variant), Openings::of(variant))).collect();
        Search {
            rule,
            sampler,
            rows,
            caseless: false,
            variants,
            readers: Readers::of(rule, sampler),
            beginnings: beginnings(rule, rows),
            tries: 0,
        }
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
                let found = found.or_else(joined);
                found.or_else(|| words.iter().find_map(|words| self.with_beginnings(row, words)))
            }
            Spelling::Operand { at, value } => self.with_operand(row, *at, value),
        }
    }

    /// A line that does something: not only asks the program what it is.
    fn any_line(&self, row: &Row) -> Option<Vec<String>> {
        let does = |argv: &Vec<String>| self.counts(row, argv) && !self.only_tells(argv);
        let mut bases = self.whole_bases().map(|base| &base.argv).peekable();
        if bases.peek().is_none() {
            return Some(vec![self.rule.form.command.clone()]);
        }
        let others = || self.sampler.lines().iter().map(|line| argv(&self.rule.form, line)).find(does);
        bases.find(|argv| does(argv)).cloned().or_else(others)
    }

    fn whole_bases(&self) -> impl Iterator<Item = &Base> {
        self.variants.iter().flat_map(|(_, bases, _)| bases).filter(|base| base.whole)
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
        let own = |word: &String| {
            literals.iter().find(|literal| literal.eq_ignore_ascii_case(word)).map_or(word.clone(), |own| (*own).to_owned())
        };
        cases.push(words.iter().map(own).collect());
        cases.sort();
        cases.dedup();
        cases
    }

    /// Whether no word of a line takes back what a row says.
    fn counts(&self, row: &Row, argv: &[String]) -> bool {
        let same = |word: &str, unless: &str| word == unless || self.caseless && word.eq_ignore_ascii_case(unless);
        let name = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
        let is_name =
            |word: &String| row.spellings.iter().any(|spelling| matches!(spelling, Spelling::Option { name, .. } if name == word));
        let in_cluster = |word: &String, unless: &String| !is_name(word) && !is_name(unless) && in_cluster(word, unless);
        let takes_back = |word: &String, unless: &String| same(&name(word), unless) || in_cluster(word, unless);
        !argv.iter().skip(1).any(|word| row.unless.iter().any(|unless| takes_back(word, unless)))
    }

    /// Puts each spelling of an option before and behind every word.
    fn with_option(&mut self, row: &Row, behind: &[String], name: &str, value: &Value) -> Option<Vec<String>> {
        let values = match value {
            Value::None => Vec::new(),
            // Where the table has several values of an option, these do it, and others do not.
            Value::Required(sample) | Value::Optional(sample) => {
                let own = if self.has_values(behind, name) { Vec::new() } else { self.sampler.values_of(name) };
                values(row.effect, sample, own)
            }
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
                let reads: Vec<bool> = (0..variant.segments.len()).map(|at| self.readers.reads(index, at, word, usize::MAX)).collect();
                for base in bases.iter().filter(|_| reads.contains(&true)) {
                    // Where the segment cannot read the word, or an earlier word does not fit, there is no need to look.
                    let places =
                        base.segments.iter().enumerate().skip(base.from).filter(|(_, segment)| reads.get(**segment) == Some(&true));
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

    /// Whether the table has several values of an option.
    fn has_values(&self, words: &[String], option: &str) -> bool {
        let sample = |spelling: &'a Spelling| match spelling {
            Spelling::Option { behind, name, value: Value::Required(sample) | Value::Optional(sample) } => {
                (behind == words && name == option).then_some(sample)
            }
            _ => None,
        };
        self.rows.iter().flat_map(|row| &row.spellings).filter_map(sample).collect::<BTreeSet<_>>().len() > 1
    }

    /// Puts words in the place of a line's first words that are no option and no value.
    fn with_words(&self, row: &Row, words: &[String]) -> Option<Vec<String>> {
        for (index, (variant, bases, _)) in self.variants.iter().enumerate() {
            for base in bases.iter().filter(|base| base.whole) {
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

    /// Puts in, for words, beginnings of them that the form takes for other words: `s[how]` takes the `s` of `set`.
    fn with_beginnings(&self, row: &Row, words: &[String]) -> Option<Vec<String>> {
        let begins = |begun: &&String, word: &str| begun.len() < word.len() && word.starts_with(begun.as_str());
        let of = |word| self.beginnings.iter().filter(move |begun| begins(begun, word));
        let mut shortened = words.iter().enumerate().flat_map(|(at, word)| of(word).map(move |begun| (at, begun)));
        shortened.find_map(|(at, begun)| self.with_words(row, &inserted(words, at, 1, std::slice::from_ref(begun))))
    }

    /// Puts a value in the place of a line's operand, and further operands before it where there are too few.
    fn with_operand(&self, row: &Row, at: usize, value: &str) -> Option<Vec<String>> {
        for (variant, bases, _) in &self.variants {
            for Base { argv, plain, .. } in bases.iter().filter(|base| base.whole) {
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

/// The beginnings that a form takes for its words, but for the words themselves. None where the table has such beginnings itself (`l_s`):
/// then it knows which of them the program takes for what.
fn beginnings(rule: &Rule, rows: &[Row]) -> BTreeSet<String> {
    let letter =
        |spelling: &Spelling| matches!(spelling, Spelling::Words(words) if words.len() > 1 && words.iter().any(|word| word.len() == 1));
    if rows.iter().flat_map(|row| &row.spellings).any(letter) {
        return BTreeSet::new();
    }
    let patterns = rule.form.variants.iter().flat_map(|variant| &variant.segments).flat_map(Segment::patterns);
    let begun = patterns.filter_map(|pattern| match pattern.pieces.as_slice() {
        [Piece::Text(text), Piece::Beginning(rest)] if !text.starts_with('-') => Some((text, rest)),
        _ => None,
    });
    let ends = |rest: &str| rest.char_indices().map(|(end, _)| end).collect::<Vec<_>>();
    begun.flat_map(|(text, rest)| ends(rest).into_iter().map(move |end| format!("{text}{}", rest.get(..end).unwrap_or("")))).collect()
}

/// The line without each of its options: what a form requires can be there only in its place.
fn without_options(line: &[Token]) -> Vec<Line> {
    let options = line.iter().enumerate().filter(|(_, token)| token.role == Role::Option);
    let without = |at: usize| {
        let values = line.iter().skip(at + 1).take_while(|token| token.role == Role::Value).count();
        line.iter().take(at).chain(line.iter().skip(at + 1 + values)).cloned().collect()
    };
    options.map(|(at, _)| without(at)).collect()
}

/// Where the plain words of a line are.
fn places(line: &[Token]) -> Vec<usize> {
    line.iter().enumerate().filter(|(_, token)| token.role == Role::Plain).map(|(at, _)| at).collect()
}

/// A line with words put in at `at`, in place of `replaced` of its own.
fn inserted(argv: &[String], at: usize, replaced: usize, words: &[String]) -> Vec<String> {
    argv.iter().take(at).chain(words).chain(argv.iter().skip(at + replaced)).cloned().collect()
}
