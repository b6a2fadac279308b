//! Globs of policies: on host names, and on paths.
#![expect(clippy::indexing_slicing, reason = "every index is below the length that it was compared with")]

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};

/// Whether `pattern` (`*`, `?`, `[…]`, `[!…]`) matches the whole of `name`. Host names: letter case is ignored (RFC 4343).
pub fn name(pattern: &str, name: &str) -> bool {
    let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    whole(&lower(pattern), &lower(name))
}

/// Whether `pattern` matches the absolute path `path` or a directory above it. `*` and `?` stay within a name, `**` crosses `/`;
/// a leading `~` is `home`.
pub fn path_or_below(pattern: &str, path: &str, home: &str) -> bool {
    let pattern = match pattern.strip_prefix('~') {
        Some(rest) => Cow::Owned(format!("{}{rest}", home.trim_end_matches('/'))),
        None => Cow::Borrowed(pattern),
    };
    let Some(sign) = pattern.find(['*', '?', '[']) else {
        let rest = path.strip_prefix(pattern.trim_end_matches('/'));
        return rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    };
    // Most patterns are settled by the directory that they begin with, or by the text that they end in.
    let directory = pattern[..sign].rfind('/').map_or("", |slash| &pattern[..=slash]);
    let ending = pattern.rfind(['*', '?', ']', '[']).map_or("", |sign| &pattern[sign + 1..]);
    path.starts_with(directory) && path.contains(ending) && below(&names(&pattern), &names(path))
}

/// Whether one name of a pattern (`*`, `?`, `[…]`) matches one name of a path; letter case counts.
pub fn within_name(pattern: &str, name: &str) -> bool {
    whole(&pattern.chars().collect::<Vec<char>>(), &name.chars().collect::<Vec<char>>())
}

/// A name that two patterns for host names both match, if there is one: what they leave open is `filler`, once if that will do.
pub fn common(first: &str, second: &str, filler: char) -> Option<String> {
    let filled = |pattern: &str| pattern.to_lowercase().replace('*', "?*").chars().collect::<Vec<char>>();
    let plain = |pattern: &str| pattern.to_lowercase().chars().collect::<Vec<char>>();
    shortest(&filled(first), &filled(second), filler).or_else(|| shortest(&plain(first), &plain(second), filler))
}

/// What was found of a name that several patterns all match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Common {
    Name(String),
    None,
    /// There are too many ways to try.
    Unknown,
}

/// A name that all these patterns for host names match, looked for in `steps` at most, which are taken off.
pub fn common_of(patterns: &[&str], filler: char, steps: &mut usize) -> Common {
    let patterns: Vec<Vec<char>> = patterns.iter().map(|pattern| pattern.to_lowercase().chars().collect()).collect();
    let begin = vec![0; patterns.len()];
    let mut seen = BTreeSet::from([begin.clone()]);
    let mut open = VecDeque::from([(begin, String::new())]);
    while let Some((places, name)) = open.pop_front() {
        if patterns.iter().zip(&places).all(|(pattern, place)| *place == pattern.len()) {
            return Common::Name(name);
        }
        let Some(left) = steps.checked_sub(1) else { return Common::Unknown };
        *steps = left;
        // A `*` may stand for nothing.
        for (index, (pattern, place)) in patterns.iter().zip(&places).enumerate() {
            if pattern.get(*place) == Some(&'*') {
                let mut next = places.clone();
                next[index] += 1;
                open.extend(seen.insert(next.clone()).then(|| (next, name.clone())));
            }
        }
        let told = patterns.iter().zip(&places).flat_map(|(pattern, place)| told(pattern, *place));
        for character in [filler, 'a', '0'].into_iter().chain(told) {
            let after = |(pattern, place): (&Vec<char>, &usize)| match pattern.get(*place) {
                Some('*') => Some(*place),
                _ => one(pattern, *place, character),
            };
            let next: Option<Vec<usize>> = patterns.iter().zip(&places).map(after).collect();
            open.extend(next.filter(|next| seen.insert(next.clone())).map(|next| (next, format!("{name}{character}"))));
        }
    }
    Common::None
}

/// The shortest such name, in steps at most the product of the patterns' lengths.
fn shortest(first: &[char], second: &[char], filler: char) -> Option<String> {
    let mut seen = BTreeSet::from([(0, 0)]);
    let mut open = VecDeque::from([(0, 0, String::new())]);
    while let Some((p, q, name)) = open.pop_front() {
        if p == first.len() && q == second.len() {
            return Some(name);
        }
        let after = |pattern: &[char], at: usize, character: char| match pattern.get(at) {
            Some('*') => Some(at),
            _ => one(pattern, at, character),
        };
        // A `*` may stand for nothing.
        let nothing = [(first, p, (p + 1, q)), (second, q, (p, q + 1))];
        let mut next: Vec<(usize, usize, String)> = nothing
            .into_iter()
            .filter(|(pattern, at, _)| pattern.get(*at) == Some(&'*'))
            .map(|(.., (p, q))| (p, q, name.clone()))
            .collect();
        let characters = [filler, 'a', '0'].into_iter().chain(told(first, p)).chain(told(second, q));
        next.extend(characters.filter_map(|c| Some((after(first, p, c)?, after(second, q, c)?, format!("{name}{c}")))));
        open.extend(next.into_iter().filter(|(p, q, _)| seen.insert((*p, *q))));
    }
    None
}

/// The characters that a pattern names at a place, as far as names of hosts have them.
fn told(pattern: &[char], at: usize) -> Vec<char> {
    let end = if pattern.get(at) == Some(&'[') { class_end(pattern, at) } else { None };
    let told = pattern.get(at..=end.unwrap_or(at)).unwrap_or_default();
    told.iter().copied().filter(|c| c.is_alphanumeric() || "-._".contains(*c)).collect()
}

fn names(path: &str) -> Vec<Vec<char>> {
    path.split('/').filter(|name| !name.is_empty()).map(|name| name.chars().collect()).collect()
}

/// Path names against pattern names; the path may go on below where the pattern ends.
fn below(pattern: &[Vec<char>], path: &[Vec<char>]) -> bool {
    // Which pattern names may come next: a set, so that several `**` cost no more than the product of the lengths.
    let mut next = vec![false; pattern.len() + 1];
    next[0] = true;
    for step in 0..=path.len() {
        spread(pattern, &mut next);
        if next[pattern.len()] && step > 0 || pattern.is_empty() {
            return true;
        }
        let Some(name) = path.get(step) else { return false };
        let mut after = vec![false; pattern.len() + 1];
        for (index, item) in pattern.iter().enumerate().filter(|(index, _)| next[*index]) {
            let crosses = is_any_path(item);
            after[index] |= crosses;
            after[index + 1] |= crosses || whole(item, name);
        }
        next = after;
    }
    false
}

/// `**` may stand for no name at all, but not at the end of a pattern: `/srv/**` is what is below `/srv`.
fn spread(pattern: &[Vec<char>], next: &mut [bool]) {
    for (index, item) in pattern.iter().enumerate() {
        if next[index] && is_any_path(item) && index + 1 < pattern.len() {
            next[index + 1] = true;
        }
    }
}

fn is_any_path(name: &[char]) -> bool {
    name == ['*', '*']
}

/// One name against one pattern, in time at most the product of their lengths.
fn whole(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match one(pattern, p, name[n]) {
            Some(after) => (p, n) = (after, n + 1),
            None if pattern.get(p) == Some(&'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            None => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (p, n) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&rest| rest == '*')
}

/// If the pattern at `p` takes this one character: where the pattern goes on.
fn one(pattern: &[char], p: usize, character: char) -> Option<usize> {
    match *pattern.get(p)? {
        '*' => None,
        '?' => Some(p + 1),
        '[' => match class_end(pattern, p) {
            Some(end) => in_class(&pattern[p + 1..end], character).then_some(end + 1),
            None => (character == '[').then_some(p + 1),
        },
        literal => (literal == character).then_some(p + 1),
    }
}

/// The `]` that closes the class at `p`; one that comes first is a member.
fn class_end(pattern: &[char], p: usize) -> Option<usize> {
    let first = p + 1 + usize::from(pattern.get(p + 1) == Some(&'!'));
    (first + 1..pattern.len()).find(|&end| pattern[end] == ']')
}

fn in_class(class: &[char], character: char) -> bool {
    let (negated, members) = match class {
        ['!', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    let mut rest = members;
    while let [first, after @ ..] = rest {
        rest = match after {
            ['-', last, more @ ..] => {
                found |= (*first..=*last).contains(&character);
                more
            }
            _ => {
                found |= *first == character;
                after
            }
        };
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        for (pattern, host, matches) in [
            ("db-*", "db-3", true),
            ("db-*", "DB-3", true),
            ("db-*", "web-db-3", false),
            ("*", "", true),
            ("db-?", "db-10", false),
            ("db-[0-3]", "db-3", true),
            ("db-[!0-3]", "db-3", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("x[", "x[", true),
        ] {
            assert_eq!(name(pattern, host), matches, "{pattern} {host}");
        }
    }

    #[test]
    fn what_two_patterns_have_in_common() {
        for (first, second, common) in [
            ("db-*", "*", Some("db-x")),
            ("db-*", "*-eu", Some("db-eu")),
            ("db-*", "web-*", None),
            ("db-[0-3]", "db-?", Some("db-0")),
            ("db-[!x]", "db-?", Some("db-a")),
            ("a*", "A", Some("a")),
            ("*", "*", Some("x")),
        ] {
            assert_eq!(super::common(first, second, 'x').as_deref(), common, "{first} {second}");
        }
    }

    #[test]
    fn what_several_patterns_have_in_common() {
        let long = "*a".repeat(20);
        let same = vec![long.as_str(); 8];
        for (patterns, common) in [
            (&["db*", "*prod*", "*eu"][..], Common::Name("dbprodeu".to_owned())),
            (&["db*", "*prod*", "web*"], Common::None),
            (&["*", "?", "[a-c]"], Common::Name("a".to_owned())),
            (&[&["*b*"][..], &same].concat(), Common::Unknown),
        ] {
            assert_eq!(common_of(patterns, 'x', &mut 5000), common, "{patterns:?}");
        }
    }

    #[test]
    fn paths_and_what_is_below_them() {
        for (pattern, path, matches) in [
            ("/etc/shadow", "/etc/shadow", true),
            ("/etc/shadow", "/etc/shadow-", false),
            ("/etc/shadow*", "/etc/shadow-", true),
            ("/etc/ssl/private", "/etc/ssl/private/a/b", true),
            ("/var/log/**", "/var/log/a/b", true),
            ("/var/log/**", "/var/log", false),
            ("/var/**/x", "/var/x", true),
            ("/var/**/x", "/var/a/b/x/below", true),
            ("/var/*/x", "/var/a/b/x", false),
            ("/proc/*/environ", "/proc/12/environ", true),
            ("/home/*/.ssh", "/home/a/.ssh/id", true),
            ("~/.ssh", "/srv/me/.ssh/id", true),
            ("~/.ssh", "/home/me/.ssh/id", false),
            ("/", "/anything", true),
        ] {
            assert_eq!(path_or_below(pattern, path, "/srv/me"), matches, "{pattern} {path}");
        }
    }

    #[test]
    fn hostile_patterns_take_no_longer_than_the_product_of_the_lengths() {
        let pattern = "/**".repeat(200) + "/x";
        assert!(!path_or_below(&pattern, &"/a".repeat(200), "/"));
        assert!(!name(&"*a".repeat(200), &"a".repeat(199)));
    }
}
