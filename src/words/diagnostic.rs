//! One caret renderer, for policies and for command lines.

use std::fmt::{self, Display, Formatter};

use super::escape::{self, Safe};
use super::{Position, Span};

/// Columns of a source line that are shown at most; a longer one is shown around the culprit.
const WINDOW: usize = 120;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Note,
    Warning,
    Error,
}

impl Display for Severity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// A finding in a file: where, what, and how to mend it. Displays as `file:line:column: error: …`, the line, a caret, the help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub file: String,
    /// Where in the file; `None` when the whole file is meant.
    pub place: Option<Place>,
    pub severity: Severity,
    pub message: String,
    pub help: Option<String>,
}

/// A place in a file together with the source line that it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub position: Position,
    /// The whole source line, without its newline.
    pub source: String,
    /// Bytes of `source` that are meant.
    pub span: Span,
}

impl Place {
    /// The place of `span` in `text`; of a span over several lines, the part on its first line.
    pub fn of(text: &str, span: Span) -> Place {
        let start = (span.start as usize).min(text.len());
        let position = Position::of(text, start);
        let before = text.get(..start).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let source = text.get(line_start..).unwrap_or("").lines().next().unwrap_or("").to_owned();
        let end = (span.end as usize).saturating_sub(line_start).min(source.len());
        Place { position, span: Span::new(start - line_start, end), source }
    }
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(file: &str, place: Option<Place>, message: impl Into<String>) -> Self {
        Diagnostic { file: file.to_owned(), place, severity: Severity::Error, message: message.into(), help: None }
    }

    /// A warning at a place.
    pub fn warning(file: &str, place: Option<Place>, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(file, place, message) }
    }

    /// The same finding with a way to mend it.
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Diagnostic { help: Some(help.into()), ..self }
    }
}

impl Display for Diagnostic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", Safe(self.file.as_bytes()))?;
        if let Some(place) = &self.place {
            write!(f, "{}:{}:", place.position.line, place.position.column)?;
        }
        write!(f, " {}: {}", self.severity, Safe(self.message.as_bytes()))?;
        let margin = self.place.as_ref().map_or(1, |place| place.position.line.to_string().len().max(4));
        if let Some(place) = &self.place {
            let (source, carets) = mark(place.source.as_bytes(), place.span);
            write!(f, "\n{:>margin$} | {source}\n{:>margin$} | {carets}", place.position.line, "")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n{:>margin$} = {}", "", Safe(help.as_bytes()))?;
        }
        Ok(())
    }
}

/// A source line as it may be shown, and a line of carets that stand under `span` of it. An empty span gets one caret.
pub fn mark(line: &[u8], span: Span) -> (String, String) {
    let (shown, from, to) = columns(line, span);
    let total = shown.chars().count();
    let to = to.max(from + 1);
    let skip = if total.max(to) <= WINDOW { 0 } else { from.saturating_sub(WINDOW / 3).min(total.saturating_sub(WINDOW)) };
    let cut = total > skip + WINDOW;
    let lead = if skip > 0 { "..." } else { "" };
    let window: String = shown.chars().skip(skip).take(WINDOW).collect();
    let carets = "^".repeat((to - from).min((skip + WINDOW).saturating_sub(from)).max(1));
    let pad = " ".repeat(from - skip + lead.len());
    (format!("{lead}{window}{}", if cut { "..." } else { "" }), format!("{pad}{carets}"))
}

/// The line as shown, and the columns in it of the two ends of `span`.
fn columns(line: &[u8], span: Span) -> (String, usize, usize) {
    let (start, end) = (span.start as usize, span.end as usize);
    let (mut shown, mut from, mut to) = (String::new(), None, None);
    let (mut offset, mut column) = (0, 0);
    for chunk in line.utf8_chunks() {
        let valid = chunk.valid().chars().map(|character| {
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _ = escape::show(&mut text, character);
            (character.len_utf8(), text)
        });
        let invalid = chunk.invalid().iter().map(|byte| (1, Safe(&[*byte]).to_string()));
        for (bytes, text) in valid.chain(invalid) {
            if offset >= start {
                from.get_or_insert(column);
            }
            if offset >= end {
                to.get_or_insert(column);
            }
            offset += bytes;
            column += text.chars().count();
            shown.push_str(&text);
        }
    }
    (shown, from.unwrap_or(column), to.unwrap_or(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_what_is_meant() {
        for (line, start, end, shown, carets) in [
            (&b"echo $(id)"[..], 5, 7, "echo $(id)", "     ^^"),
            ("é\u{202e}x".as_bytes(), 2, 5, "é<U+202E>x", " ^^^^^^^^"),
            (b"a\xffb", 1, 2, "a<ff>b", " ^^^^"),
            (b"abc", 3, 3, "abc", "   ^"),
        ] {
            assert_eq!(mark(line, Span::new(start, end)), (shown.to_owned(), carets.to_owned()));
        }
    }

    #[test]
    fn a_long_line_is_shown_around_the_culprit() {
        let line = [b"x".repeat(3000), b"BAD".to_vec(), b"y".repeat(900)].concat();
        let (shown, carets) = mark(&line, Span::new(3000, 3003));
        assert!(shown.len() < 140 && shown.starts_with("...") && shown.ends_with("..."));
        let column = carets.find('^').unwrap();
        assert_eq!(&shown[column..column + 3], "BAD");
        assert_eq!(carets.trim(), "^^^");
    }

    #[test]
    fn a_finding_names_the_place_and_the_fix() {
        let text = "postern: 1\nalow:\n  - ls\n";
        let finding = Diagnostic::error("policy.yaml", Some(Place::of(text, Span::new(11, 15))), "unknown key `alow`")
            .with_help("did you mean `allow`?");
        assert_eq!(
            finding.to_string(),
            "policy.yaml:2:1: error: unknown key `alow`\n   2 | alow:\n     | ^^^^\n     = did you mean `allow`?"
        );
    }
}
