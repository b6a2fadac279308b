//! Lines that a form takes: the shortest, the fullest, and one for each option.
//!
//! They are made from the form and then tried with the real matcher, so that each of them is a line that the form takes indeed.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::policy::form::{Choice, Form, Name, NameKind, Operand, OptionGroup, Pattern, Piece, Segment, Slot, Style, Variant};
use crate::policy::matching::{Budget, Matcher, Reader};
use crate::policy::types::{Judge, TypeDef};

/// Samples of one word that are tried.
const ROUNDS: usize = 6;

/// Lines of one rule, at most.
const LINES: usize = 300;

/// A word of a line, and what it is to a program that reads options as the form does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub word: String,
    pub role: Role,
}

/// What a word is to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A word that begins with no dash and is no value: a subcommand or an operand.
    Plain,
    Option,
    Value,
}

/// The words of a line behind the command word.
pub type Line = Vec<Token>;

/// The argv of a line.
pub fn argv(form: &Form, line: &[Token]) -> Vec<String> {
    std::iter::once(form.command.clone()).chain(line.iter().map(|token| token.word.clone())).collect()
}

/// Tries lines with a form.
pub struct Sampler<'f> {
    form: &'f Form,
    judge: &'f dyn Judge,
    /// Words that each type of the form takes.
    samples: Vec<Vec<String>>,
    lines: OnceCell<Vec<Line>>,
}

/// The samples of the types of a policy: its rules share most of their types.
#[derive(Default)]
pub struct Samples<'f>(RefCell<BTreeMap<Option<&'f str>, Vec<Sampled<'f>>>>);

type Sampled<'f> = (&'f TypeDef, Rc<[String]>);

impl<'f> Samples<'f> {
    fn of(&self, definition: &'f TypeDef) -> Rc<[String]> {
        let mut known = self.0.borrow_mut();
        let known = known.entry(definition.name()).or_default();
        if let Some((_, samples)) = known.iter().find(|(other, _)| *other == definition) {
            return Rc::clone(samples);
        }
        let samples: Rc<[String]> = definition.samples().into();
        known.push((definition, Rc::clone(&samples)));
        samples
    }
}

/// Which of a variant's lines is made.
#[derive(Clone, Copy, Default)]
struct Plan {
    /// Which sample of each word.
    round: usize,
    /// Operands that may be left out are there.
    operands: bool,
    /// Every option is there.
    options: bool,
    /// The option, by segment, group, choice and name, that is there besides those that must be.
    option: Option<[usize; 4]>,
}

impl<'f> Sampler<'f> {
    pub fn new(form: &'f Form, judge: &'f dyn Judge, samples: &Samples<'f>) -> Sampler<'f> {
        let fits = |definition: &TypeDef, word: &String| definition.check(word, judge).is_ok();
        let taken = |definition| samples.of(definition).iter().filter(|word| fits(definition, word)).cloned().collect();
        Sampler { form, judge, samples: form.types.iter().map(taken).collect(), lines: OnceCell::new() }
    }

    /// The shortest line of a variant, and the one with all of its operands; none where no sample fits.
    pub fn bases(&self, variant: &Variant) -> Vec<Line> {
        let mut lines = Vec::new();
        for operands in [false, true] {
            let plans = (0..ROUNDS).map(|round| Plan { round, operands, ..Plan::default() });
            let found = plans.filter_map(|plan| self.tried(variant, plan)).find(|line| !lines.contains(line));
            lines.extend(found);
        }
        lines
    }

    /// Lines that show what a form takes.
    pub fn lines(&self) -> &[Line] {
        self.lines.get_or_init(|| self.made())
    }

    fn made(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for variant in &self.form.variants {
            for plan in plans(variant) {
                if lines.len() >= LINES {
                    return lines;
                }
                lines.extend(self.tried(variant, plan).filter(|line| !lines.contains(line)));
            }
        }
        lines
    }

    /// A value that an option of the form takes under this name.
    pub fn values_of(&self, name: &str) -> Vec<String> {
        let segments = self.form.variants.iter().flat_map(|variant| &variant.segments);
        let choices = segments.flat_map(|segment| &segment.options).flat_map(|group| &group.choices);
        let named = choices.filter(|choice| choice.names.iter().any(|known| known.pattern.literal() == Some(name)));
        let values = named.filter_map(|choice| choice.values.first());
        let mut words: Vec<String> = values.filter_map(|value| self.operand(value, 0)).collect();
        words.dedup();
        words
    }

    /// Whether the variant takes the line, and if so, which words of it slots took whole.
    pub fn taken(&self, variant: &Variant, argv: &[String]) -> Option<Vec<usize>> {
        let budget = Budget::default();
        let taken = Matcher::new(self.form, self.judge, &budget).matches(variant, argv).ok()?;
        let whole = taken.iter().filter(|taken| argv.get(taken.at) == Some(&taken.word));
        (!budget.is_spent()).then(|| whole.map(|taken| taken.at).collect())
    }

    /// The segment that would read a word at each place of a line, as [`Matcher::segments`] tells.
    pub fn segments(&self, variant: &Variant, argv: &[String]) -> Vec<usize> {
        Matcher::new(self.form, self.judge, &Budget::default()).segments(variant, argv)
    }

    /// Whether a segment can read a word at all, as [`Reader::may_read`] tells.
    pub fn may_read(&self, reader: &Reader<'_>, word: &str, before: usize) -> bool {
        reader.may_read(&Matcher::new(self.form, self.judge, &Budget::default()), word, before)
    }

    /// Whether any variant takes the line.
    pub fn takes(&self, argv: &[String]) -> bool {
        self.form.variants.iter().any(|variant| self.taken(variant, argv).is_some())
    }

    fn tried(&self, variant: &Variant, plan: Plan) -> Option<Line> {
        let line = self.line(variant, plan)?;
        self.taken(variant, &argv(self.form, &line)).map(|_| line)
    }

    fn line(&self, variant: &Variant, plan: Plan) -> Option<Line> {
        let mut line = Vec::new();
        for (index, segment) in variant.segments.iter().enumerate() {
            if !segment.keyword.is_empty() {
                let pattern = segment.keyword.get(plan.round % segment.keyword.len())?;
                line.push(Token { word: self.pattern(pattern, plan.round)?, role: Role::Plain });
            }
            for (at, group) in segment.options.iter().enumerate() {
                let wanted = plan.option.filter(|[segment, group, ..]| (*segment, *group) == (index, at));
                if group.required || plan.options || wanted.is_some() {
                    self.option(group, wanted, plan.round, &mut line)?;
                }
            }
            for operand in segment.operands.iter().filter(|operand| operand.required || plan.operands) {
                line.push(Token { word: self.operand(operand, plan.round)?, role: Role::Plain });
                if operand.repeat && plan.operands {
                    line.push(Token { word: self.operand(operand, plan.round + 1)?, role: Role::Plain });
                }
            }
        }
        Some(line)
    }

    fn option(&self, group: &OptionGroup, wanted: Option<[usize; 4]>, round: usize, line: &mut Line) -> Option<()> {
        let [_, _, choice, name] = wanted.unwrap_or_default();
        let choice = group.choices.get(choice)?;
        let name = choice.names.get(name)?;
        let (word, values) = self.spelled(choice, name, round)?;
        let role = if word.starts_with(['-', '+']) { Role::Option } else { Role::Plain };
        line.push(Token { word, role });
        let values = values.iter().filter(|value| value.required || round % 2 == 1);
        for value in values {
            line.push(Token { word: self.operand(value, round)?, role: Role::Value });
        }
        Some(())
    }

    /// The word of an option, and the values that come behind it.
    fn spelled<'c>(&self, choice: &'c Choice, name: &Name, round: usize) -> Option<(String, &'c [Operand])> {
        let text = self.pattern(&name.pattern, round)?;
        Some(match (name.style, choice.values.as_slice()) {
            (Style::Free, values) => (text, values),
            (Style::AttachedOrNone, _) => (text, &[]),
            (Style::Attached, [first, rest @ ..]) => {
                let equals = if name.kind == NameKind::Long { "=" } else { "" };
                (format!("{text}{equals}{}", self.operand(first, round)?), rest)
            }
            (Style::Attached, []) => return None,
        })
    }

    fn operand(&self, operand: &Operand, round: usize) -> Option<String> {
        self.pattern(operand.patterns.get(round % operand.patterns.len().max(1))?, round)
    }

    /// A word that a pattern takes, if one is known; later rounds take other samples.
    fn pattern(&self, pattern: &Pattern, round: usize) -> Option<String> {
        self.pieces(&pattern.pieces, round)
    }

    fn pieces(&self, pieces: &[Piece], round: usize) -> Option<String> {
        let mut word = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => word.push_str(text),
                Piece::Beginning(text) if round.is_multiple_of(2) => word.push_str(text),
                Piece::Optional(inner) if round % 2 == 1 => word.push_str(&self.pieces(inner, round)?),
                Piece::Beginning(_) | Piece::Optional(_) => {}
                Piece::OneOf(branches) => word.push_str(&self.pieces(branches.get(round % branches.len().max(1))?, round)?),
                Piece::Slot(slot) => word.push_str(&self.slot(slot, round)?),
            }
        }
        Some(word)
    }

    fn slot(&self, slot: &Slot, round: usize) -> Option<String> {
        let samples = self.samples.get(slot.definition as usize)?;
        let sample = samples.get(round % samples.len().max(1))?;
        let more = samples.get((round + 1) % samples.len()).filter(|_| slot.list && round % 2 == 1);
        Some(more.map_or_else(|| sample.clone(), |more| format!("{sample},{more}")))
    }
}

/// The lines of a variant that are made: a few plain ones, one for each name of each option, and one with all options.
fn plans(variant: &Variant) -> Vec<Plan> {
    let mut plans: Vec<Plan> =
        (0..ROUNDS).flat_map(|round| [false, true].map(|operands| Plan { round, operands, ..Plan::default() })).collect();
    plans.push(Plan { options: true, ..Plan::default() });
    for (segment, options) in variant.segments.iter().map(|segment: &Segment| &segment.options).enumerate() {
        for (group, choices) in options.iter().map(|group| &group.choices).enumerate() {
            for (choice, names) in choices.iter().map(|choice| &choice.names).enumerate() {
                let each = (0..names.len()).map(|name| Plan { option: Some([segment, group, choice, name]), ..Plan::default() });
                plans.extend(each);
            }
        }
    }
    plans
}
