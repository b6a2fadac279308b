//! Which segments of a form can read which words.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::lines::Sampler;
use crate::policy::form::Variant;
use crate::policy::matching::Reader;
use crate::policy::rule::Rule;

/// Which segments of a form can read a word at all. Variants share most of their segments, and rows many of their words.
pub struct Readers<'a> {
    sampler: &'a Sampler<'a>,
    /// Of each segment that differs.
    readers: Vec<Reader<'a>>,
    /// For each variant, which of those its segments have.
    variants: Vec<Vec<usize>>,
    known: RefCell<BTreeMap<Word, Vec<Option<bool>>>>,
}

/// A word, and how many stand before it.
type Word = (usize, String);

impl<'a> Readers<'a> {
    pub fn of(rule: &'a Rule, sampler: &'a Sampler<'a>) -> Readers<'a> {
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

    /// Whether a segment of a variant can read a word with no more than `before` words before it.
    pub fn reads(&self, variant: usize, segment: usize, word: &str, before: usize) -> bool {
        let Some(index) = self.variants.get(variant).and_then(|own| own.get(segment)).copied() else { return false };
        let mut known = self.known.borrow_mut();
        let known = known.entry((before, word.to_owned())).or_insert_with(|| vec![None; self.readers.len()]).get_mut(index);
        let (Some(known), Some(reader)) = (known, self.readers.get(index)) else { return false };
        *known.get_or_insert_with(|| self.sampler.may_read(reader, word, before))
    }

    /// Whether words could stand one behind the other from a segment's beginning on: each is read by that of the word before, or by the next.
    pub fn may_read(&self, variant: usize, segment: usize, words: &[String]) -> bool {
        let own = self.variants.get(variant).map_or(&[][..], Vec::as_slice);
        let within = |index: usize| segment..own.len().min(segment + index + 1);
        let valued = |at: usize| own.get(at).and_then(|own| self.readers.get(*own)).is_some_and(Reader::takes_values);
        let reads =
            |(index, word): (usize, &String)| within(index).any(|at| index > 0 && valued(at) || self.reads(variant, at, word, index));
        words.iter().enumerate().all(reads) && self.reads(variant, segment, words.first().map_or("", String::as_str), 0)
    }
}
