//! Filters of the shell's own processes: a list of the calls that one needs, and nothing else.
//!
//! The filter of a command cannot be such a list, because nobody knows what commands need. Of the shell's own helpers everybody does, so
//! what is not on the list does not exist for them, and neither does what a later kernel brings. Where arguments are looked at, they are
//! numbers in registers; of an `int` the low half, which is all that the kernel takes (see `arguments`).

use std::collections::BTreeMap;

use super::filter::{ALLOW, KILL, NOT_PERMITTED};
use super::table::{CALLS, Machine};
use super::{Assembler, Filter, Label, Test, TooFar, Word};

/// A call that is let through.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// As in syscalls(2). A machine that does not have it does without.
    name: &'static str,
    /// All of which must hold.
    checks: Vec<Check>,
}

impl Allowed {
    /// Calls with any arguments.
    pub fn all(names: &[&'static str]) -> Vec<Allowed> {
        names.iter().map(|name| Allowed { name, checks: Vec::new() }).collect()
    }

    /// A call with some arguments only.
    pub fn only(name: &'static str, checks: impl IntoIterator<Item = Check>) -> Allowed {
        Allowed { name, checks: checks.into_iter().collect() }
    }
}

/// What an argument, counted from 0, must be.
#[derive(Clone, Debug)]
pub enum Check {
    /// An `int` with one of these values.
    OneOf(u8, Vec<u32>),
    /// Flags, none of these bits among them.
    Without(u8, u32),
    /// A pointer to nothing.
    Null(u8),
}

/// What becomes of a call that is not on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It fails with EPERM.
    Refuse,
    /// It ends the process.
    Kill,
}

/// Why a list is no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    #[error("there is no system call {0}")]
    Unknown(&'static str),
    #[error(transparent)]
    TooFar(#[from] TooFar),
}

impl Filter {
    /// The filter that lets through what is listed. A call of another architecture ends the process in any case.
    pub fn allowing(list: &[Allowed], otherwise: Otherwise) -> Result<Filter, ListError> {
        Filter::allowing_on(Machine::NATIVE, list, otherwise)
    }

    pub(super) fn allowing_on(machine: Machine, list: &[Allowed], otherwise: Otherwise) -> Result<Filter, ListError> {
        let mut program = Assembler::default();
        let (allow, refuse, foreign) = (program.label(), program.label(), program.label());
        let mut leads = BTreeMap::new();
        let mut looks = Vec::new();
        for Allowed { name, checks } in list {
            let Some(number) = number(name, machine)? else { continue };
            let label = if checks.is_empty() { allow } else { program.label() };
            leads.insert(number, label);
            looks.extend((!checks.is_empty()).then_some((label, checks)));
        }
        program.load(Word::Architecture);
        program.jump_unless(Test::Equal(machine.architecture()), foreign);
        program.load(Word::Number);
        program.decide(&ranges(&leads, refuse));
        let otherwise = if otherwise == Otherwise::Kill { KILL } else { NOT_PERMITTED };
        for (label, answer) in [(allow, ALLOW), (refuse, otherwise), (foreign, KILL)] {
            program.place(label);
            program.answer(answer);
        }
        // Jumps lead down only, so the looks have a refusal of their own.
        let refuse = program.label();
        for (label, checks) in looks {
            program.place(label);
            checks.iter().for_each(|check| program.check(check, refuse));
            program.answer(ALLOW);
        }
        program.place(refuse);
        program.answer(otherwise);
        Ok(program.finish()?)
    }
}

impl Assembler {
    /// Goes on if a check holds.
    fn check(&mut self, check: &Check, fails: Label) {
        match check {
            Check::OneOf(argument, values) => {
                let holds = self.label();
                let values: Vec<_> = values.iter().map(|value| (*value, holds)).collect();
                self.load(Word::Low(*argument));
                self.choose(&values, fails);
                self.place(holds);
            }
            Check::Without(argument, bits) => {
                self.load(Word::Low(*argument));
                self.jump_if(Test::AnyOf(*bits), fails);
            }
            Check::Null(argument) => {
                for word in [Word::Low(*argument), Word::High(*argument)] {
                    self.load(word);
                    self.jump_unless(Test::Equal(0), fails);
                }
            }
        }
    }
}

/// The number of a call, where the machine has it.
fn number(name: &'static str, machine: Machine) -> Result<Option<u32>, ListError> {
    let call = CALLS.iter().find(|call| call.name == name).ok_or(ListError::Unknown(name))?;
    Ok(call.number(machine).map(u32::from))
}

/// The first number of each range that leads to one place.
fn ranges(leads: &BTreeMap<u32, Label>, others: Label) -> Vec<(u32, Label)> {
    let mut ranges = vec![(0, others)];
    for (&number, &label) in leads {
        // Where two numbers stand side by side, nothing is between them.
        ranges.retain(|(first, _)| *first != number);
        ranges.extend([(number, label), (number + 1, others)]);
    }
    ranges.dedup_by_key(|(_, label)| *label);
    ranges
}
