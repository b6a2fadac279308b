//! What may reach a terminal, written down a second time: a strict reader of it, which shares nothing with the filter but the table of hazardous
//! characters. The fuzz target uses it too.

use postern::words::escape::hazard;

/// Marks that combine, the common ones.
const MARKS: [std::ops::RangeInclusive<char>; 9] = [
    '\u{300}'..='\u{36f}',
    '\u{483}'..='\u{489}',
    '\u{591}'..='\u{5bd}',
    '\u{64b}'..='\u{65f}',
    '\u{e34}'..='\u{e3a}',
    '\u{1ab0}'..='\u{1ace}',
    '\u{1dc0}'..='\u{1dff}',
    '\u{20d0}'..='\u{20f0}',
    '\u{fe20}'..='\u{fe2f}',
];

/// What is wrong with bytes for a terminal of this size.
pub fn objection(bytes: &[u8], columns: u16, rows: u16) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Some(error.to_string()),
    };
    let mut rest = text;
    let (mut bells, mut marks, mut printable_before) = (0, 5, false);
    while let Some(first) = rest.chars().next() {
        let (length, printable) = match first {
            '\x1b' => match sequence(&rest[1..], columns, rows, printable_before) {
                Some(length) => (1 + length, false),
                None => return Some(format!("at {}: {:?}", text.len() - rest.len(), rest.chars().take(40).collect::<String>())),
            },
            '\x07' => {
                bells += 1;
                (1, false)
            }
            '\n' => {
                bells = 0;
                (1, false)
            }
            '\x08' | '\t' | '\r' => (1, false),
            first if hazard(first).is_some() => return Some(format!("{first:?}")),
            first if MARKS.iter().any(|range| range.contains(&first)) => {
                marks += 1;
                (first.len_utf8(), false)
            }
            first => {
                marks = 0;
                (first.len_utf8(), true)
            }
        };
        if matches!(first, '\r' | '\n') {
            marks = 5;
        }
        if bells > 3 || marks > 4 && MARKS.iter().any(|range| range.contains(&first)) {
            return Some(format!("one {first:?} too many at {}", text.len() - rest.len()));
        }
        printable_before = printable;
        rest = &rest[length..];
    }
    None
}

/// Bytes of the sequence behind ESC, if it is on the list.
fn sequence(text: &str, columns: u16, rows: u16, printable_before: bool) -> Option<usize> {
    if ["7", "8", "D", "E", "M", "=", ">"].iter().any(|known| text.starts_with(known)) {
        return Some(1);
    }
    if text.starts_with("(0") || text.starts_with("(B") {
        return Some(2);
    }
    let body = text.strip_prefix('[')?;
    let end = body.find(|c: char| ('@'..='~').contains(&c))?;
    let (parameters, last) = (&body[..end], &body[end..=end]);
    let listed = match last {
        "m" => rendition(parameters),
        "h" | "l" => match parameters.strip_prefix('?') {
            Some(modes) => modes.split(';').all(|mode| ["1", "7", "12", "25", "1049"].contains(&mode)),
            None => parameters.split(';').all(|mode| mode == "4"),
        },
        "p" => parameters == "!",
        "q" => matches!(parameters, " " | "0 " | "1 " | "2 " | "3 " | "4 " | "5 " | "6 "),
        "s" | "u" => parameters.is_empty(),
        "J" | "K" => matches!(parameters, "" | "0" | "1" | "2"),
        "g" => matches!(parameters, "" | "0" | "3"),
        "A" | "B" | "C" | "D" | "E" | "F" | "G" | "a" | "d" | "e" | "`" => numbers(parameters, 1, 9999),
        "H" | "f" | "r" => numbers(parameters, 2, 9999),
        "I" | "Z" | "X" | "@" | "P" => numbers(parameters, 1, columns),
        "L" | "M" | "S" | "T" => numbers(parameters, 1, rows),
        "b" => printable_before && numbers(parameters, 1, columns),
        _ => false,
    };
    listed.then_some(1 + end + 1)
}

/// At most so many numbers, each canonical and at most so high, or left out.
fn numbers(parameters: &str, most: usize, highest: u16) -> bool {
    parameters.split(';').count() <= most && parameters.split(';').all(|text| text.is_empty() || number(text).is_some_and(|n| n <= highest))
}

fn number(text: &str) -> Option<u16> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

fn rendition(parameters: &str) -> bool {
    let items: Vec<&str> = parameters.split(';').collect();
    let mut rest = &items[..];
    while let Some((first, behind)) = rest.split_first() {
        let color = |numbers: &[&str]| numbers.iter().all(|text| number(text).is_some_and(|n| n <= 255));
        let taken = match (*first, behind) {
            ("38" | "48", ["5", index, ..]) if color(&[index]) => 2,
            ("38" | "48", ["2", red, green, blue, ..]) if color(&[red, green, blue]) => 4,
            (first, _) if first.contains(':') => match first.split(':').collect::<Vec<_>>()[..] {
                ["4", style] if number(style).is_some_and(|n| n <= 5) => 0,
                ["38" | "48", "5", index] if color(&[index]) => 0,
                ["38" | "48", "2", red, green, blue] | ["38" | "48", "2", "", red, green, blue] if color(&[red, green, blue]) => 0,
                _ => return false,
            },
            ("", _) => 0,
            (first, _) => match number(first) {
                Some(0..=7 | 9 | 21..=25 | 27 | 29 | 30..=37 | 39 | 40..=47 | 49 | 53 | 55 | 90..=97 | 100..=107) => 0,
                _ => return false,
            },
        };
        rest = &behind[taken..];
    }
    items.len() <= 16
}
