//! How a pattern is written, and how a text is held against it.
//!
//! A pattern is a fixed beginning and then steps, each of which takes what it can and never gives any of it back: no backtracking, so the time
//! is linear, and what is known of a text does not change when more of it comes. That is what makes the result independent of how a text is cut.
//! It costs some care: no step may take what the next one needs.

use super::key;
use super::set::{BASE64URL, DIGIT, LOWER, QUOTE, SPACE, Set, UPPER, WORD};
use super::value::{self, Kind};

/// No upper bound of a run.
pub(super) const MANY: usize = usize::MAX;

/// What is known of the text at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing begins here.
    No,
    /// It depends on text that is not there yet; where a secret has certainly begun by then, it.
    More(Option<Secret>),
    Yes(Secret),
    /// A block of key material begins behind so many bytes.
    Block(&'static str, usize),
}

/// Where a secret stands in the text ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Secret {
    pub id: &'static str,
    pub from: usize,
    pub to: usize,
    /// What continues it, where it goes on beyond what can be held.
    pub rest: &'static Set,
}

/// A place in a text: what of the text is gone, what is at hand, and how far into that.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub gone: &'a [u8],
    pub here: &'a [u8],
    pub at: usize,
    /// Whether the text ends where `here` does.
    pub end: bool,
}

impl<'a> Place<'a> {
    pub(super) fn text(self) -> Text<'a> {
        Text { ahead: self.here.get(self.at..).unwrap_or_default(), end: self.end }
    }

    /// What stands before, backwards.
    pub(super) fn before(self) -> impl Iterator<Item = u8> {
        let here = self.here.get(..self.at).unwrap_or_default();
        here.iter().rev().chain(self.gone.iter().rev()).copied().take(REACH)
    }

    pub(super) fn last(self) -> Option<u8> {
        self.before().next()
    }

    /// Whether one of these words stands before on the same line.
    fn names(self, words: &[&str]) -> bool {
        let line = || self.before().take_while(|byte| *byte != b'\n');
        let ends_here = |at: usize, word: &str| line().skip(at).take(word.len()).eq(word.bytes().rev());
        words.iter().any(|word| (0..line().count()).any(|at| ends_here(at, word)))
    }
}

/// How far back is looked, and so how much of the text that is gone is kept.
pub(super) const REACH: usize = 128;

pub(super) enum Step {
    Text(&'static str),
    /// One of these, in any case; none is the beginning of another.
    OneOf(&'static [&'static str]),
    /// As many of these as there are, but at most the second number, and not less than the first.
    Run(&'static Set, usize, usize),
    /// The secret begins here, not at the beginning of the pattern.
    From,
    /// The secret ends here, not at the end of the pattern.
    To,
    /// None of these follows.
    Not(&'static Set),
    /// The secret so far has a digit, or letters of both cases, or many bytes: no word of prose.
    Odd,
    /// The secret so far has a digit and a letter.
    Mixed,
    /// The secret so far has a digit and letters of both cases.
    Dense,
    /// The secret so far does not stand for one that is elsewhere.
    Real,
    /// This stands in what was taken so far.
    Has(&'static str),
    /// What was taken so far is the name of a password.
    Named,
    /// A value of this kind, to its end.
    Value(Kind),
    /// A block of key material begins.
    Block,
}

/// What has to stand before a pattern.
pub(super) enum Context {
    Anything,
    /// The beginning of a word.
    Boundary,
    /// The beginning of an argument.
    Blank,
    /// Eight digits or more.
    Number,
    /// The name of a scheme.
    Scheme,
    /// Three characters of a token of Entra ID and a digit.
    Entra,
    /// The beginning of an argument on a line that names one of these programs.
    Program(&'static [&'static str]),
}

impl Context {
    /// Whether it can hold behind this byte; `None`: at the beginning of the text.
    pub(super) const fn may_follow(&self, last: Option<u8>) -> bool {
        let Some(last) = last else { return !matches!(self, Context::Number | Context::Scheme | Context::Entra) };
        match self {
            Context::Anything => true,
            Context::Boundary => !WORD.has(last),
            Context::Blank | Context::Program(_) => SPACE.has(last) || QUOTE.has(last),
            Context::Number | Context::Entra => DIGIT.has(last),
            Context::Scheme => LOWER.has(last) || DIGIT.has(last),
        }
    }

    fn holds(&self, place: Place<'_>) -> bool {
        let count = |of: &Set, most: usize| place.before().take(most).filter(|byte| of.has(*byte)).count();
        self.may_follow(place.last())
            && match self {
                Context::Anything | Context::Boundary | Context::Blank => true,
                Context::Number => count(&DIGIT, 8) == 8,
                Context::Scheme => count(&LOWER.and(DIGIT), 2) == 2,
                Context::Entra => count(&BASE64URL.and(Set::of(".~")), 4) == 4,
                Context::Program(names) => place.names(names),
            }
    }
}

pub(super) struct Pattern {
    pub id: &'static str,
    /// How it begins, one of these: ASCII, and none is the beginning of another.
    pub heads: &'static [&'static str],
    /// Whether `heads` are in any case.
    pub folded: bool,
    pub context: Context,
    pub steps: &'static [Step],
    /// What continues the secret beyond what can be held, where that is more than its last run.
    pub rest: Option<&'static Set>,
}

impl Pattern {
    /// A token, from the beginning of a word on.
    pub(super) const fn token(id: &'static str, heads: &'static [&'static str], steps: &'static [Step]) -> Pattern {
        Pattern { id, heads, folded: false, context: Context::Boundary, steps, rest: None }
    }

    pub(super) const fn after(self, context: Context) -> Pattern {
        Pattern { context, ..self }
    }

    pub(super) const fn folded(self) -> Pattern {
        Pattern { folded: true, ..self }
    }

    pub(super) const fn rest(self, rest: &'static Set) -> Pattern {
        Pattern { rest: Some(rest), ..self }
    }

    pub(super) fn verdict(&self, place: Place<'_>) -> Verdict {
        if !self.context.holds(place) {
            return Verdict::No;
        }
        let text = place.text();
        match text.one_of(0, self.heads, self.folded) {
            Ok(at) => text.steps(self.id, self.steps, at, 0, self.rest),
            Err(why) => why,
        }
    }
}

/// The text ahead, and whether it ends there.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub ahead: &'a [u8],
    pub end: bool,
}

impl<'a> Text<'a> {
    pub(super) fn from(self, at: usize) -> &'a [u8] {
        self.ahead.get(at..).unwrap_or_default()
    }

    pub(super) fn between(self, from: usize, to: usize) -> &'a [u8] {
        self.ahead.get(from..to).unwrap_or_default()
    }

    /// What there is to say where the text ends too early.
    pub(super) fn short(self) -> Verdict {
        if self.end { Verdict::No } else { Verdict::More(None) }
    }

    /// Where `word` ends that stands at a place.
    fn word(self, at: usize, word: &str, folded: bool) -> Result<usize, Verdict> {
        let rest = self.from(at);
        let same = |(one, other): (&u8, &u8)| one == other || folded && one.eq_ignore_ascii_case(other);
        match rest.iter().zip(word.as_bytes()).all(same) {
            false => Err(Verdict::No),
            true if rest.len() < word.len() => Err(self.short()),
            true => Ok(at + word.len()),
        }
    }

    fn one_of(self, at: usize, words: &[&str], folded: bool) -> Result<usize, Verdict> {
        let mut all = Err(Verdict::No);
        for word in words {
            match self.word(at, word, folded) {
                Err(Verdict::No) => {}
                other => all = other,
            }
        }
        all
    }

    /// Where a run ends, and whether that is known.
    fn run(self, at: usize, of: &Set, least: usize, most: usize) -> Result<(usize, bool), Verdict> {
        let rest = self.from(at);
        let length = of.span(rest.get(..most).unwrap_or(rest));
        let is_open = length == rest.len() && length < most && !self.end;
        match length < least {
            true if is_open => Err(Verdict::More(None)),
            true => Err(Verdict::No),
            false => Ok((at + length, is_open)),
        }
    }

    /// Goes through steps; the secret begins at `from` if none of them says otherwise.
    pub(super) fn steps(self, id: &'static str, steps: &[Step], start: usize, from: usize, rest: Option<&'static Set>) -> Verdict {
        let (mut at, mut from, mut to, mut last) = (start, from, None, &Set::NONE);
        for step in steps {
            let next = match step {
                Step::Text(word) => self.word(at, word, false),
                Step::OneOf(words) => self.one_of(at, words, true),
                Step::Run(of, least, most) => match self.run(at, of, *least, *most) {
                    Ok((to, true)) => {
                        let secret = Secret { id, from, to, rest: rest.unwrap_or(of) };
                        return Verdict::More((*most == MANY).then_some(secret));
                    }
                    Ok((to, false)) => {
                        last = if *most == MANY { of } else { &Set::NONE };
                        Ok(to)
                    }
                    Err(why) => Err(why),
                },
                Step::From => {
                    from = at;
                    Ok(at)
                }
                Step::To => {
                    to = Some(at);
                    Ok(at)
                }
                Step::Not(of) => match self.from(at).first() {
                    Some(byte) if of.has(*byte) => Err(Verdict::No),
                    None if !self.end => Err(Verdict::More(None)),
                    _ => Ok(at),
                },
                Step::Odd => known(is_odd(self.between(from, at)), at),
                Step::Mixed => known(is_mixed(self.between(from, at)), at),
                Step::Dense => known(is_dense(self.between(from, at)), at),
                Step::Real => known(!value::is_placeholder(self.between(from, at)), at),
                Step::Has(word) => known(self.between(0, at).windows(word.len()).any(|part| part == word.as_bytes()), at),
                Step::Named => known(key::is_password(self.between(0, at)), at),
                Step::Value(kind) => return value::verdict(id, *kind, self, at),
                Step::Block => return Verdict::Block(id, at),
            };
            match next {
                Ok(next) => at = next,
                Err(why) => return why,
            }
        }
        Verdict::Yes(Secret { id, from, to: to.unwrap_or(at), rest: rest.unwrap_or(last) })
    }
}

fn known(holds: bool, at: usize) -> Result<usize, Verdict> {
    if holds { Ok(at) } else { Err(Verdict::No) }
}

fn has(text: &[u8], of: &Set) -> bool {
    text.iter().any(|byte| of.has(*byte))
}

pub(super) fn is_odd(text: &[u8]) -> bool {
    has(text, &DIGIT) || has(text, &UPPER) && text.iter().skip(1).any(|byte| UPPER.has(*byte)) && has(text, &LOWER) || text.len() >= 20
}

pub(super) fn is_mixed(text: &[u8]) -> bool {
    has(text, &DIGIT) && (has(text, &UPPER) || has(text, &LOWER))
}

fn is_dense(text: &[u8]) -> bool {
    has(text, &DIGIT) && has(text, &UPPER) && has(text, &LOWER)
}
