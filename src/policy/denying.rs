//! Words against a `deny` form.
//!
//! An allow must be exact; a deny must not be got round. So a deny form matches in every spelling: an option of it anywhere on the line,
//! separate, with `=`, attached, in a cluster, shortened; words in their order, whatever options and values stand between them. Where it is
//! unclear (a path that cannot be resolved, a value that is none of its type), it matches.

use super::form::{Choice, Name, NameKind, Operand, Pattern, Segment, Variant};
use super::matching::Matcher;

/// If the variant denies `argv`: the index of the word that gives it away.
pub fn denies(matcher: &Matcher<'_>, variant: &Variant, argv: &[String]) -> Option<usize> {
    let groups = variant.segments.iter().flat_map(|segment| &segment.options).filter(|group| group.required);
    let mut culprit = None;
    for group in groups {
        let found = group.choices.iter().find_map(|choice| choice.names.iter().find_map(|name| occurs(matcher, name, choice, argv)));
        culprit = Some(found?);
    }
    let last_word = in_order(matcher, &variant.segments, argv)?;
    Some(culprit.unwrap_or(last_word))
}

/// The first word that gives this option, with a value that it may have.
fn occurs(matcher: &Matcher<'_>, name: &Name, choice: &Choice, argv: &[String]) -> Option<usize> {
    let words = argv.iter().enumerate().skip(1);
    words.filter_map(|(index, word)| attached(matcher, name, word).map(|value| (index, value))).find_map(|(index, value)| {
        let Some(first) = choice.values.first() else { return Some(index) };
        let next = argv.get(index + 1).map(String::as_str);
        let fits = |value: &str| first.patterns.iter().any(|pattern| matcher.fits(pattern, value) || matcher.is_unclear(pattern, value));
        let candidates = [value, next];
        let known = candidates.iter().flatten().any(|value| fits(value));
        (known || !first.required || candidates == [None, None]).then_some(index)
    })
}

/// If the word gives the option in some spelling: the value that is attached to it, if one is.
fn attached<'w>(matcher: &Matcher<'_>, name: &Name, word: &'w str) -> Option<Option<&'w str>> {
    let (typed, value) = word.split_once('=').map_or((word, None), |(typed, value)| (typed, Some(value)));
    let full = name.pattern.full_word().unwrap_or_default();
    let bare = full.trim_start_matches('-');
    let begun = |typed: &str| !typed.is_empty() && bare.starts_with(typed);
    match name.kind {
        NameKind::Short if typed.strip_prefix("--") == Some(bare) => Some(value),
        NameKind::Short => in_cluster(word, name.letter()?),
        NameKind::Long if typed.starts_with("--") => begun(typed.get(2..)?).then_some(value),
        NameKind::Long => (typed.strip_prefix('-') == Some(bare)).then_some(value),
        NameKind::OneDash => begun(typed.strip_prefix("--").or_else(|| typed.strip_prefix('-'))?).then_some(value),
        NameKind::Bare => matcher.fits(&name.pattern, word).then_some(None),
        NameKind::Shape => {
            let prefix = name.pattern.prefix().trim_end_matches('-');
            (matcher.fits(&name.pattern, word) || !prefix.is_empty() && word.starts_with(prefix)).then_some(None)
        }
    }
}

/// The letter in a cluster, with what stands behind it.
fn in_cluster(word: &str, letter: char) -> Option<Option<&str>> {
    let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'))?;
    let (_, behind) = letters.split_once(letter)?;
    Some(Some(behind.strip_prefix('=').unwrap_or(behind)).filter(|behind| !behind.is_empty()))
}

/// The keywords and operands of a form, in their order among the words; the index of the last keyword.
fn in_order(matcher: &Matcher<'_>, segments: &[Segment], argv: &[String]) -> Option<usize> {
    let mut places: Vec<(usize, usize, usize)> = vec![(0, 0, 0)];
    let mut behind_dash = false;
    for (index, word) in argv.iter().enumerate().skip(1) {
        let mut next = Vec::new();
        for &(segment, operand, last) in &places {
            let Some(current) = segments.get(segment) else { continue };
            if current.any || behind_dash || word.starts_with('-') {
                next.push((segment, operand, last));
            }
            next.extend(steps(matcher, segments, current, (segment, operand, last), index, word));
        }
        next.sort_unstable();
        next.dedup_by_key(|place| (place.0, place.1));
        places = next;
        behind_dash = word.starts_with('-');
    }
    let ended = |&&(segment, operand, _): &&(usize, usize, usize)| {
        segment + 1 == segments.len()
            && segments.get(segment).is_some_and(|segment| segment.operands.iter().skip(operand).all(|operand| !operand.required))
    };
    places.iter().find(ended).map(|(.., last)| *last)
}

type Place = (usize, usize, usize);

/// The places that one word leads to from one place.
fn steps(
    matcher: &Matcher<'_>,
    segments: &[Segment],
    current: &Segment,
    (segment, operand, last): Place,
    index: usize,
    word: &str,
) -> Vec<Place> {
    // A value that is attached to an option is a word of its own to the program.
    let attached = word.split_once('=').map(|(_, value)| value);
    let behind_letter = word.strip_prefix('-').and_then(|letters| letters.get(1..)).filter(|value| !value.is_empty());
    let words = [Some(word), attached, behind_letter];
    let fits = |patterns: &[Pattern]| {
        let whole = patterns.iter().any(|pattern| matcher.fits(pattern, word));
        whole || patterns.iter().any(|pattern| !pattern.is_word() && words.iter().flatten().any(|word| matcher.fits(pattern, word)))
    };
    let mut next = Vec::new();
    let mut rest = current.operands.iter().enumerate().skip(operand);
    // The last operand taken may be repeated.
    if let Some(before) = operand.checked_sub(1).and_then(|before| current.operands.get(before))
        && before.repeat
        && fits(&before.patterns)
    {
        next.push((segment, operand, last));
    }
    let required = rest.by_ref().find_map(|(at, candidate): (usize, &Operand)| {
        if fits(&candidate.patterns) {
            next.push((segment, at + 1, last));
        }
        candidate.required.then_some(at)
    });
    if let (None, Some(following)) = (required, segments.get(segment + 1))
        && fits(&following.keyword)
    {
        next.push((segment + 1, 0, index));
    }
    next
}
