//! Words against a variant of a form.
//!
//! One reading: each word is the first of an option of the segment (even if its value then fails), the form's next keyword (once everything
//! required before it is there), an operand. There is no second try; only among the operands of a segment, several of which may be left out,
//! is a *set* of places followed, so that the work is at most words times places. Every comparison is a step, and the steps of one decision
//! are bounded over all its rules ([`limits::MATCH_STEPS`]).

mod budget;
mod segments;
mod taken;
mod word;

use std::cell::RefCell;

use super::form::{Choice, Form, NameKind, Operand, OptionGroup, Pattern, Piece, Segment, Slot, Style, Variant};
use super::types::Judge;

pub use budget::Budget;
pub use segments::Reader;
use taken::Row;
pub use taken::Taken;
use word::WordMatcher;

/// Where and why a variant stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Miss {
    /// Index of the word in the argv; its length where a word is missing.
    pub word: usize,
    /// What would have been taken there, as the form writes it.
    pub expected: Vec<String>,
    /// Why the word is not what it looked like: `5 is above 3`.
    pub reason: Option<String>,
}

impl Miss {
    /// Whether nothing but help or a version was expected.
    pub fn is_about_help(&self) -> bool {
        let is_help = |word: &String| matches!(word.as_str(), "-h" | "-?" | "-help" | "--help" | "help" | "-V" | "--version" | "version");
        self.reason.is_none() && !self.expected.is_empty() && self.expected.iter().all(is_help)
    }
}

/// A word that a form would take next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<'f> {
    /// A keyword, an option name, or a literal value.
    Word(String),
    /// A slot, and whether it names files.
    Slot { slot: &'f Slot, path: bool },
}

/// One matching of words against one variant.
pub struct Matcher<'f> {
    form: &'f Form,
    budget: &'f Budget,
    words: WordMatcher<'f>,
    /// What slots took of the words so far, but for the operands of the segment that is being read.
    taken: RefCell<Vec<Taken>>,
}

/// How far a variant has been matched.
struct State<'f> {
    rest: &'f [Segment],
    segment: &'f Segment,
    /// How often each option group of the segment occurred.
    used: Vec<u32>,
    /// Places among the operands: bit `2 * index` is "before it", bit `2 * index + 1` is "it may be repeated".
    places: u64,
    /// Behind `--`.
    terminated: bool,
    /// The words among the operands, and which of those each may be.
    row: Row,
}

impl<'f> State<'f> {
    fn at(segment: &'f Segment, rest: &'f [Segment]) -> State<'f> {
        State {
            rest,
            segment,
            used: vec![0; segment.options.len()],
            places: close(&segment.operands, 1),
            terminated: false,
            row: Row::default(),
        }
    }

    /// Whether everything that the segment requires is there.
    fn complete(&self) -> bool {
        self.has_operands() && self.lacking().next().is_none()
    }

    fn has_operands(&self) -> bool {
        self.places & (1 << (2 * self.segment.operands.len())) != 0
    }

    /// The groups of options of which one must occur and none did.
    fn lacking(&self) -> impl Iterator<Item = &'f OptionGroup> {
        self.segment.options.iter().zip(&self.used).filter(|(group, used)| group.required && **used == 0).map(|(group, _)| group)
    }

    /// The operands that the next word may be.
    fn open(&self) -> impl Iterator<Item = (usize, &'f Operand)> {
        let places = self.places;
        self.segment.operands.iter().enumerate().filter(move |(index, _)| places & (0b11 << (2 * index)) != 0)
    }
}

/// Adds the places that are reached by leaving out what may be left out.
fn close(operands: &[Operand], mut places: u64) -> u64 {
    for (index, operand) in operands.iter().enumerate() {
        let (before, again) = (1 << (2 * index), 1 << (2 * index + 1));
        if places & again != 0 || places & before != 0 && !operand.required {
            places |= 1 << (2 * (index + 1));
        }
    }
    places
}

/// What reading a word as an option came to.
enum Reading {
    /// It is none.
    NotAnOption,
    /// It is one, and this is the index of the next word.
    Taken(usize),
}

impl<'f> Matcher<'f> {
    pub fn new(form: &'f Form, judge: &'f dyn Judge, budget: &'f Budget) -> Matcher<'f> {
        Matcher { form, budget, words: WordMatcher::new(form, judge, budget), taken: RefCell::default() }
    }

    /// Whether `argv` (the command word first) matches the variant; if so, what its slots took, in the order of the line.
    pub fn matches(&self, variant: &'f Variant, argv: &[String]) -> Result<Vec<Taken>, Miss> {
        let state = self.run(variant, argv)?;
        if state.rest.is_empty() && state.has_operands() && !state.complete() {
            let names = state.lacking().flat_map(|group| &group.choices).flat_map(|choice| &choice.names);
            return Err(self.expecting(argv.len(), names.map(|name| name.pattern.text.clone()).collect()));
        }
        if !state.complete() || !state.rest.is_empty() {
            return Err(self.miss(argv.len(), self.next(&state)));
        }
        let mut taken = self.taken.take();
        taken.extend(state.row.settle(&state.segment.operands));
        taken.sort_by_key(|taken| taken.at);
        Ok(taken)
    }

    /// What may come behind `argv`.
    pub fn next_words(&self, variant: &'f Variant, argv: &[String]) -> Vec<Next<'f>> {
        match self.run(variant, argv) {
            Ok(state) => self.next(&state),
            // The last word is an option that waits for its value.
            Err(miss) if miss.word == argv.len() => self.awaited(variant, argv),
            Err(_) => Vec::new(),
        }
    }

    /// Whether a word is what a pattern takes.
    pub fn fits(&self, pattern: &Pattern, word: &str) -> bool {
        self.words.fits(pattern, word)
    }

    /// Whether nobody can say if a word is what a pattern takes.
    pub fn is_unclear(&self, pattern: &Pattern, word: &str) -> bool {
        self.words.is_unclear(pattern, word)
    }

    /// Whether a word is what a slot takes; the error as in [`super::types::TypeDef::check`].
    pub fn check(&self, slot: &Slot, word: &str) -> Result<(), Option<String>> {
        self.words.check(slot, word)
    }

    fn run(&self, variant: &'f Variant, argv: &[String]) -> Result<State<'f>, Miss> {
        let (first, rest) = variant.segments.split_first().ok_or_else(Miss::default)?;
        let mut state = State::at(first, rest);
        self.taken.borrow_mut().clear();
        let mut at = 1;
        while let Some(word) = argv.get(at) {
            self.words.take_reason();
            at = self.word(&mut state, argv, at, word)?;
        }
        Ok(state)
    }

    /// Reads the word at `at`; returns the index of the next.
    fn word(&self, state: &mut State<'f>, argv: &[String], at: usize, word: &str) -> Result<usize, Miss> {
        if !state.terminated {
            if word == "--" && state.segment.terminator {
                state.terminated = true;
                return Ok(at + 1);
            }
            if let Reading::Taken(next) = self.option(state, argv, at, word)? {
                return Ok(next);
            }
            if let Some((next, rest)) = state.rest.split_first()
                && state.complete()
                && next.keyword.iter().any(|pattern| self.takes(at, pattern, word))
            {
                let row = std::mem::take(&mut state.row);
                self.taken.borrow_mut().extend(row.settle(&state.segment.operands));
                *state = State::at(next, rest);
                return Ok(at + 1);
            }
        }
        if self.operand(state, at, word) || state.segment.any && !state.terminated {
            return Ok(at + 1);
        }
        Err(self.miss(at, self.next(state)))
    }

    /// Whether a pattern takes the word at `at`, and nothing else will; keeps what its slots take.
    fn takes(&self, at: usize, pattern: &Pattern, word: &str) -> bool {
        let fits = self.fits(pattern, word);
        if fits {
            let taken = self.words.take_taken();
            self.taken.borrow_mut().extend(taken.into_iter().map(|(slot, word)| Taken { at, slot, word }));
        }
        fits
    }

    fn operand(&self, state: &mut State<'f>, at: usize, word: &str) -> bool {
        let (mut places, mut candidates) = (0, Vec::new());
        for (index, operand) in state.open() {
            let dash = state.terminated || !word.starts_with('-');
            if operand.patterns.iter().any(|pattern| (dash || self.takes_dash_alone(pattern, word)) && self.fits(pattern, word)) {
                places |= 1 << (2 * (index + 1));
                places |= u64::from(operand.repeat) << (2 * index + 1);
                candidates.push((index, self.words.take_taken()));
            }
        }
        if places != 0 {
            state.places = close(&state.segment.operands, places);
            state.row.push(at, candidates);
        }
        places != 0
    }

    /// `-` alone names standard input where a type says so; a form may also write it.
    fn takes_dash_alone(&self, pattern: &Pattern, word: &str) -> bool {
        word == "-"
            && match pattern.pieces.as_slice() {
                [Piece::Slot(slot)] => {
                    self.form.definition(slot).is_some_and(|definition| definition.takes_dash(word) && definition.is_path())
                }
                _ => pattern.literal() == Some("-"),
            }
    }

    /// Reads a word as an option of the segment: by its whole name, as a cluster or a name with its value attached, by its shape.
    fn option(&self, state: &mut State<'f>, argv: &[String], at: usize, word: &str) -> Result<Reading, Miss> {
        if let Some((group, choice, style)) = self.by_name(state.segment, word) {
            self.count(state, group, at)?;
            return match style {
                Style::Free => self.values(choice, argv, at + 1).map(Reading::Taken),
                Style::AttachedOrNone => Ok(Reading::Taken(at + 1)),
                Style::Attached => Err(self.refuse(at, format!("{word} needs its value attached"))),
            };
        }
        if let Some((group, choice, value)) = self.with_equals(state.segment, word) {
            self.count(state, group, at)?;
            return self.attached(choice, value, argv, at).map(Reading::Taken);
        }
        if let Some(next) = self.cluster(state, argv, at, word)? {
            return Ok(Reading::Taken(next));
        }
        self.shape(state, argv, at, word)
    }

    fn choices(segment: &'f Segment) -> impl Iterator<Item = (usize, &'f Choice)> {
        segment.options.iter().enumerate().flat_map(|(index, group)| group.choices.iter().map(move |choice| (index, choice)))
    }

    fn by_name(&self, segment: &'f Segment, word: &str) -> Option<(usize, &'f Choice, Style)> {
        Self::choices(segment).find_map(|(index, choice)| {
            let name = choice.names.iter().find(|name| name.kind != NameKind::Shape && self.fits(&name.pattern, word))?;
            Some((index, choice, name.style))
        })
    }

    /// `--lines=5`.
    fn with_equals<'w>(&self, segment: &'f Segment, word: &'w str) -> Option<(usize, &'f Choice, &'w str)> {
        let (name, value) = word.split_once('=').filter(|(name, _)| name.starts_with("--"))?;
        let found =
            |choice: &&Choice| choice.names.iter().any(|candidate| candidate.kind == NameKind::Long && self.fits(&candidate.pattern, name));
        Self::choices(segment).find(|(_, choice)| found(choice)).map(|(index, choice)| (index, choice, value))
    }

    /// `-lah`, `-xn5`, `-n5`; `None` if a letter of it is no option, or the form does not cluster.
    fn cluster(&self, state: &mut State<'f>, argv: &[String], at: usize, word: &str) -> Result<Option<usize>, Miss> {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty() && !letters.starts_with('-')) else {
            return Ok(None);
        };
        let mut found = Vec::new();
        let mut value = None;
        for (index, letter) in letters.char_indices() {
            let rest = letters.get(index + letter.len_utf8()..).unwrap_or("");
            let Some((group, choice, style)) = self.by_letter(state.segment, letter) else { return Ok(None) };
            if self.form.exact && (!found.is_empty() || style == Style::Free || choice.values.is_empty()) {
                return Ok(None);
            }
            found.push(group);
            if !choice.values.is_empty() {
                value = Some((choice, style, rest));
                break;
            }
        }
        for group in found {
            self.count(state, group, at)?;
        }
        match value {
            None => Ok(Some(at + 1)),
            Some((choice, Style::Free, "")) => self.values(choice, argv, at + 1).map(Some),
            Some((_, Style::AttachedOrNone, "")) => Ok(Some(at + 1)),
            Some((_, Style::Attached, "")) => Err(self.refuse(at, format!("{word} needs its value attached"))),
            Some((choice, _, rest)) => self.attached(choice, rest, argv, at).map(Some),
        }
    }

    fn by_letter(&self, segment: &'f Segment, letter: char) -> Option<(usize, &'f Choice, Style)> {
        Self::choices(segment).find_map(|(index, choice)| {
            self.budget.step();
            let name = choice.names.iter().find(|name| name.letter() == Some(letter))?;
            Some((index, choice, name.style))
        })
    }

    /// `-20`, `if=/dev/zero`, `@server`: an option whose whole word has slots in it.
    fn shape(&self, state: &mut State<'f>, argv: &[String], at: usize, word: &str) -> Result<Reading, Miss> {
        let shapes = || {
            Self::choices(state.segment)
                .flat_map(|(index, choice)| choice.names.iter().map(move |name| (index, choice, name)))
                .filter(|(.., name)| name.kind == NameKind::Shape)
        };
        let whole = shapes().find(|(.., name)| self.takes(at, &name.pattern, word)).map(|(index, choice, _)| (index, choice));
        if let Some((index, choice)) = whole {
            self.count(state, index, at)?;
            return self.values(choice, argv, at + 1).map(Reading::Taken);
        }
        let begun = shapes().find(|(.., name)| !name.pattern.prefix().is_empty() && word.starts_with(name.pattern.prefix()));
        match begun {
            Some((.., name)) => Err(self.expecting(at, vec![name.pattern.text.clone()])),
            None => Ok(Reading::NotAnOption),
        }
    }

    /// Each once, unless it repeats.
    fn count(&self, state: &mut State<'f>, group: usize, at: usize) -> Result<(), Miss> {
        let repeat = state.segment.options.get(group).is_some_and(|group| group.repeat);
        match state.used.get_mut(group) {
            Some(used) if *used == 0 || repeat => {
                *used += 1;
                Ok(())
            }
            _ => Err(self.refuse(at, "it is there twice, or excludes another that is there".to_owned())),
        }
    }

    /// The value in the same word, and the further values in the next ones.
    fn attached(&self, choice: &'f Choice, value: &str, argv: &[String], at: usize) -> Result<usize, Miss> {
        let Some((first, rest)) = choice.values.split_first() else {
            return Err(self.refuse(at, "this option takes no value".to_owned()));
        };
        if !first.patterns.iter().any(|pattern| self.takes(at, pattern, value)) {
            return Err(self.expecting(at, first.patterns.iter().map(|pattern| pattern.text.clone()).collect()));
        }
        self.values_of(rest, argv, at + 1)
    }

    fn values(&self, choice: &'f Choice, argv: &[String], at: usize) -> Result<usize, Miss> {
        self.values_of(&choice.values, argv, at)
    }

    /// The values of an option in the words from `at`; an optional one is taken whenever it matches.
    fn values_of(&self, values: &'f [Operand], argv: &[String], mut at: usize) -> Result<usize, Miss> {
        for value in values {
            let fits = argv.get(at).is_some_and(|word| {
                value
                    .patterns
                    .iter()
                    .any(|pattern| (!word.starts_with('-') || self.takes_dash(pattern, word)) && self.takes(at, pattern, word))
            });
            match (fits, value.required) {
                (true, _) => at += 1,
                (false, false) => {}
                (false, true) => return Err(self.expecting(at, value.patterns.iter().map(|pattern| pattern.text.clone()).collect())),
            }
        }
        Ok(at)
    }

    /// Whether an option's value may begin with a dash here.
    fn takes_dash(&self, pattern: &Pattern, word: &str) -> bool {
        match pattern.pieces.as_slice() {
            [Piece::Slot(slot), ..] => self.form.definition(slot).is_some_and(|definition| definition.takes_dash(word)),
            _ => false,
        }
    }

    /// What the state would take next.
    fn next(&self, state: &State<'f>) -> Vec<Next<'f>> {
        let mut next = Vec::new();
        if !state.terminated
            && state.complete()
            && let Some(following) = state.rest.first()
        {
            next.extend(following.keyword.iter().map(|pattern| self.as_next(pattern)));
        }
        for (_, operand) in state.open() {
            next.extend(operand.patterns.iter().map(|pattern| self.as_next(pattern)));
        }
        let free = |(group, used): &(&OptionGroup, &u32)| **used == 0 || group.repeat;
        for (group, _) in state.segment.options.iter().zip(&state.used).filter(free).filter(|_| !state.terminated) {
            next.extend(
                group
                    .choices
                    .iter()
                    .flat_map(|choice| &choice.names)
                    .map(|name| Next::Word(name.pattern.full_word().unwrap_or_else(|| name.pattern.text.clone()))),
            );
        }
        next
    }

    fn as_next(&self, pattern: &'f Pattern) -> Next<'f> {
        match pattern.pieces.first() {
            Some(Piece::Slot(slot)) => Next::Slot { slot, path: self.form.definition(slot).is_some_and(|definition| definition.is_path()) },
            _ => Next::Word(pattern.full_word().unwrap_or_else(|| pattern.text.clone())),
        }
    }

    /// The value that the last word of `argv` waits for.
    fn awaited(&self, variant: &'f Variant, argv: &[String]) -> Vec<Next<'f>> {
        let Some((last, before)) = argv.split_last() else { return Vec::new() };
        let Ok(state) = self.run(variant, before) else { return Vec::new() };
        let named = self.by_name(state.segment, last).map(|(_, choice, _)| choice);
        let letter = last.chars().last().filter(|_| last.starts_with('-') && !last.starts_with("--"));
        let choice = named.or_else(|| letter.and_then(|letter| self.by_letter(state.segment, letter)).map(|(_, choice, _)| choice));
        let first = choice.and_then(|choice| choice.values.first());
        first.map_or_else(Vec::new, |value| value.patterns.iter().map(|pattern| self.as_next(pattern)).collect())
    }

    fn miss(&self, word: usize, next: Vec<Next<'f>>) -> Miss {
        let (words, slots): (Vec<_>, Vec<_>) =
            next.into_iter().partition(|next| matches!(next, Next::Word(word) if !word.starts_with('-')));
        let options = slots.iter().filter_map(|next| if let Next::Word(option) = next { Some(option.clone()) } else { None });
        let shown = words.iter().chain(slots.iter().filter(|next| matches!(next, Next::Slot { .. }))).map(|next| match next {
            Next::Word(word) => word.clone(),
            Next::Slot { slot, .. } => slot.text.clone(),
        });
        Miss { word, expected: shown.chain(options).collect(), reason: self.words.take_reason() }
    }

    fn expecting(&self, word: usize, expected: Vec<String>) -> Miss {
        Miss { word, expected, reason: self.words.take_reason() }
    }

    fn refuse(&self, word: usize, reason: String) -> Miss {
        Miss { word, expected: Vec::new(), reason: Some(reason) }
    }
}

#[cfg(test)]
mod tests;
