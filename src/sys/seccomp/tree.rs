//! Decisions by one number: a search tree, the shortest that is simple to make.
//!
//! When a filter is installed, the kernel runs it once for each system call there is and then compiles it. So what counts is how many
//! instructions there are, and how few of them a number meets on its way.

use super::{Assembler, Label, Test};

/// So many single numbers are asked for one after the other: no tree of them would be shorter.
const CHAIN: usize = 3;

impl Assembler {
    /// Jumps by the loaded word. `ranges` are the first numbers of ranges, ascending from 0, and where each leads; the last has no end.
    pub(super) fn decide(&mut self, ranges: &[(u32, Label)]) {
        self.decide_below(ranges, u32::MAX);
    }

    /// As [`Assembler::decide`], of the numbers between the first range's first and `end`.
    fn decide_below(&mut self, ranges: &[(u32, Label)], end: u32) {
        if let Some((singles, others)) = singles(ranges, end) {
            return self.choose(&singles, others);
        }
        let (low, high) = ranges.split_at(middle(ranges, end));
        let Some(&(pivot, above)) = high.first() else { return };
        if let [(_, below)] = *low {
            // One range needs no instruction of its own.
            self.jump_unless(Test::AtLeast(pivot), below);
            return self.decide_below(high, end);
        }
        let above = if high.len() == 1 { above } else { self.label() };
        self.jump_if(Test::AtLeast(pivot), above);
        self.decide_below(low, pivot);
        if high.len() > 1 {
            self.place(above);
            self.decide_below(high, end);
        }
    }

    /// Jumps to the label of the number that is loaded, or to `others`.
    pub(super) fn choose(&mut self, numbers: &[(u32, Label)], others: Label) {
        let Some((&(last, label), before)) = numbers.split_last() else { return self.go(others) };
        for &(number, label) in before {
            self.jump_if(Test::Equal(number), label);
        }
        self.branch(Test::Equal(last), label, others);
    }
}

/// The few single numbers among ranges that otherwise all lead to one place, and that place.
fn singles(ranges: &[(u32, Label)], end: u32) -> Option<(Vec<(u32, Label)>, Label)> {
    // Where most lead: the widest range.
    let widths = ends(ranges, end).zip(ranges).map(|(next, &(first, label))| (next - first, label));
    let (_, others) = widths.max_by_key(|&(width, _)| width)?;
    let mut found = Vec::new();
    for (next, &(first, label)) in ends(ranges, end).zip(ranges) {
        if label == others {
            continue;
        }
        if next - first > 1 || found.len() == CHAIN {
            return None;
        }
        found.push((first, label));
    }
    Some((found, others))
}

/// Where each range ends.
fn ends(ranges: &[(u32, Label)], end: u32) -> impl Iterator<Item = u32> {
    ranges.iter().skip(1).map(|&(first, _)| first).chain(std::iter::once(end))
}

/// Where to cut: near the middle of the numbers, and not beside a single one, for which a test of its own is shorter.
fn middle(ranges: &[(u32, Label)], end: u32) -> usize {
    let firsts = || ranges.iter().map(|&(first, _)| first);
    let centre = firsts().next().unwrap_or(0).midpoint(firsts().next_back().unwrap_or(0));
    let widths: Vec<u32> = firsts().zip(ends(ranges, end)).map(|(first, next)| next - first).collect();
    let cuts = firsts().skip(1).zip(widths.windows(2)).map(|(first, beside)| (beside.contains(&1), first.abs_diff(centre)));
    cuts.enumerate().min_by_key(|&(_, cost)| cost).map_or(1, |(index, _)| index + 1)
}
