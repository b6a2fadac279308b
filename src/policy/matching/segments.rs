//! Which segment of a variant reads a word, for `lint`: it puts words into thousands of lines, and most fail at the first look.

use std::collections::{BTreeMap, BTreeSet};

use super::{Matcher, State};
use crate::policy::form::{Name, NameKind, Operand, Pattern, Segment, Variant};

impl<'f> Matcher<'f> {
    /// The segment, by its index, that would read a word put in before each word of `argv` but the first, and behind the last; cut short
    /// behind a word that the variant does not take there.
    pub fn segments(&self, variant: &'f Variant, argv: &[String]) -> Vec<usize> {
        let Some((first, rest)) = variant.segments.split_first() else { return Vec::new() };
        let (mut state, mut at, mut segments) = (State::at(first, rest), 1, vec![0]);
        while let Some(word) = argv.get(at) {
            let Ok(next) = self.word(&mut state, argv, at, word) else { break };
            at = next;
            segments.resize(at, variant.segments.len() - state.rest.len() - 1);
        }
        segments
    }
}

/// What a segment can read, looked up once: most of a form's options have plain names.
pub struct Reader<'f> {
    segment: &'f Segment,
    /// The keyword of the segment behind it.
    next: &'f [Pattern],
    /// Names of options that are one word each.
    names: BTreeSet<&'f str>,
    /// Those that are not.
    patterns: Vec<&'f Name>,
    /// The letters of options, and whether a value can touch them.
    letters: BTreeMap<char, bool>,
}

impl<'f> Reader<'f> {
    /// The reader of the segment at `index`.
    pub fn of(variant: &'f Variant, index: usize) -> Option<Reader<'f>> {
        let (mut names, mut patterns, mut letters) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        let segment = variant.segments.get(index)?;
        for choice in segment.options.iter().flat_map(|group| &group.choices) {
            for name in &choice.names {
                match name.pattern.literal() {
                    Some(literal) => drop(names.insert(literal)),
                    None => patterns.push(name),
                }
                if let Some(letter) = name.letter() {
                    letters.entry(letter).or_insert(!choice.values.is_empty());
                }
            }
        }
        let next = variant.segments.get(index + 1).map_or(&[][..], |next| &next.keyword);
        Some(Reader { segment, next, names, patterns, letters })
    }

    /// Whether it reads words as another does.
    pub fn reads_as(&self, variant: &Variant, index: usize) -> bool {
        let next = variant.segments.get(index + 1).map_or(&[][..], |next| &next.keyword);
        variant.segments.get(index) == Some(self.segment) && self.next == next
    }

    /// Whether a word that begins with no dash can be an option that takes the next for its value.
    pub fn takes_values(&self) -> bool {
        let names = self.segment.options.iter().flat_map(|group| &group.choices).filter(|choice| !choice.values.is_empty());
        names.flat_map(|choice| &choice.names).any(|name| !name.pattern.prefix().starts_with('-'))
    }

    /// Whether it can read a word at all, with no more than `before` words of no option before it; [`Matcher::matches`] tells whether it
    /// does.
    pub fn may_read(&self, matcher: &Matcher<'_>, word: &str, before: usize) -> bool {
        let mut required = 0;
        let reached = |operand: &&Operand| {
            let open = required <= before;
            required += usize::from(operand.required);
            open
        };
        let fits = |pattern| matcher.fits(pattern, word);
        self.segment.any
            || word == "-"
            || self.segment.terminator && word == "--"
            || self.may_be_option(matcher, word)
            || self.next.iter().any(fits)
            || !word.starts_with('-') && self.segment.operands.iter().take_while(reached).flat_map(|operand| &operand.patterns).any(fits)
    }

    fn may_be_option(&self, matcher: &Matcher<'_>, word: &str) -> bool {
        let before = word.split_once('=').map(|(name, _)| name).filter(|name| name.starts_with("--"));
        let long = |name: &Name| name.kind == NameKind::Long && before.is_some_and(|before| matcher.fits(&name.pattern, before));
        // A cluster: letters of the segment, up to one that takes the rest for its value.
        let cluster = |letters: &str| {
            let first = letters.chars().map(|letter| self.letters.get(&letter)).find(|valued| *valued != Some(&false));
            !letters.is_empty() && first != Some(None)
        };
        self.names.contains(word)
            || before.is_some_and(|before| self.names.contains(before))
            || word.strip_prefix('-').is_some_and(cluster)
            || self.patterns.iter().any(|name| matcher.fits(&name.pattern, word) || long(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::form::{Catalog, Form};
    use crate::policy::lint::host::Anywhere;
    use crate::policy::matching::Budget;

    fn form(text: &str) -> Form {
        Form::parse(text, &Catalog { parts: &BTreeMap::new(), types: &BTreeMap::new() }, false).unwrap()
    }

    #[test]
    fn each_place_of_a_line_has_its_segment() {
        let form = form("ip [-s] link [-n <int>] show [<iface>]");
        for (line, segments) in [
            ("ip", &[0][..]),
            ("ip -s link -n 5 show eth0", &[0, 0, 1, 1, 1, 2, 2]),
            // Nothing behind `route` is read.
            ("ip -s route show", &[0, 0]),
        ] {
            let (argv, budget): (Vec<String>, _) = (line.split(' ').map(str::to_owned).collect(), Budget::default());
            assert_eq!(Matcher::new(&form, &Anywhere, &budget).segments(&form.variants[0], &argv), segments, "{line}");
        }
    }

    #[test]
    fn a_segment_may_read_what_looks_like_one_of_its_words() {
        let form = form("x [-a] [-n <int>] [--lines[=<int>]] [-<size:int>k] verb <int> [--] <end:over|done>");
        for (index, word, reads) in [
            (0, "-a", true),
            (0, "-an5", true),
            (0, "-ab", false),
            (0, "-b", false),
            (0, "--lines=x", true),
            (0, "--line", false),
            (0, "-7k", true),
            (0, "verb", true),
            (0, "5", false),
            (1, "5", true),
            (1, "-5", false),
            // Behind a word that has to be there.
            (1, "over", false),
            (1, "-a", false),
            (1, "--", true),
            (2, "5", false),
        ] {
            let (budget, reader) = (Budget::default(), Reader::of(&form.variants[0], index));
            let matcher = Matcher::new(&form, &Anywhere, &budget);
            assert_eq!(reader.is_some_and(|reader| reader.may_read(&matcher, word, 0)), reads, "{index} {word}");
        }
    }
}
