//! Globs against directories (XCU 2.6.6), with the rights of whoever reads them.
//!
//! Whoever expands a line may see no directory, and a dead file system is to cost a second and not the session: so the names are asked for
//! ([`AskNames`]), and somebody else looks ([`answer`]); hence the encoding of what is asked and of what was found. A directory that cannot be read matches nothing, as in any shell. What matches must be fit to be an
//! argument: a name that would become an option, that a terminal would obey or that is no text is a refusal, never skipped, because a list
//! with holes misleads. `?` and `[…]` match a character, as bash does in UTF-8, and not a byte.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SyntaxError;
use super::pattern::{Glyph, matches};
use crate::sys::deadline;
use crate::words::escape::{Safe, hazard};
use crate::words::{Span, limits};

/// Asks somebody who may read directories, and gives back what [`answer`] answered; the error is a reason in words.
pub type AskNames<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>, String>;

/// A word with `*`, `?` or `[…]` in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    /// The word with its quotes removed: what it stays when nothing matches.
    pub text: String,
    #[serde(skip)]
    pub span: Span,
}

/// A part of a path.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Segment {
    /// Components without globs, with their slashes.
    Literal(String),
    /// One component, matched against the names of a directory.
    Names(Vec<Glyph>),
}

/// Why a glob is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Refusal {
    TooManyNames,
    TooManyEntries,
    /// The name, made safe to show.
    Option(String),
    Unprintable(String),
    /// A directory that stopped answering while it was read, made safe to show.
    Unreadable(String),
}

/// What the globs of a line became, a list for each; or the index of the one that is refused.
type Found = Result<Vec<Vec<String>>, (usize, Refusal)>;

impl Pattern {
    pub fn new(glyphs: &[Glyph], text: String, span: Span) -> Result<Self, SyntaxError> {
        let mut segments = Vec::new();
        for component in glyphs.split_inclusive(|glyph| *glyph == Glyph::Literal('/')) {
            let (name, slash) = match component.split_last() {
                Some((Glyph::Literal('/'), name)) => (name, "/"),
                _ => (component, ""),
            };
            let literal: Option<String> = name.iter().map(|glyph| if let Glyph::Literal(c) = glyph { Some(*c) } else { None }).collect();
            match literal {
                Some(literal) if literal.is_empty() && segments.iter().any(|segment| matches!(segment, Segment::Names(_))) => {
                    return Err(SyntaxError::new("shells differ on a doubled `/` behind a glob", span).with_help("write one `/`"));
                }
                Some(literal) => push_literal(&mut segments, &(literal + slash)),
                None if matches(name, ".") || matches(name, "..") => {
                    let message = "shells differ on whether this glob means `.` and `..` too";
                    return Err(SyntaxError::new(message, span).with_help("write `.[!.]*` for hidden names"));
                }
                None => {
                    segments.push(Segment::Names(name.to_vec()));
                    push_literal(&mut segments, slash);
                }
            }
        }
        Ok(Pattern { segments, text, span })
    }
}

fn push_literal(segments: &mut Vec<Segment>, more: &str) {
    match segments.last_mut() {
        _ if more.is_empty() => {}
        Some(Segment::Literal(text)) => text.push_str(more),
        _ => segments.push(Segment::Literal(more.to_owned())),
    }
}

/// What each pattern becomes: the names that match, in byte order, or its own text. One deadline holds for all of them.
pub(super) fn expand_all(patterns: &[Pattern], directory: &Path, ask: AskNames<'_>) -> Result<Vec<Vec<String>>, SyntaxError> {
    let Some(first) = patterns.first() else { return Ok(Vec::new()) };
    let unanswered = |reason: String| {
        let texts: Vec<String> = patterns.iter().map(|pattern| format!("`{}`", pattern.text)).collect();
        SyntaxError::new(format!("cannot expand {}: {reason}", texts.join(" or ")), first.span)
    };
    let broken = || unanswered("a directory could not be read".to_owned());
    let question = serde_json::to_vec(&(directory, patterns)).map_err(|_| broken())?;
    let encoded = ask(&question).map_err(unanswered)?;
    let found: Found = serde_json::from_slice(&encoded).map_err(|_| broken())?;
    match found {
        Ok(names) if names.len() == patterns.len() => Ok(names),
        Ok(_) => Err(broken()),
        Err((index, refusal)) => Err(refused(&refusal, patterns.get(index).unwrap_or(first).span)),
    }
}

/// Looks at directories for a line, with the rights of this process. May take as long as a file system does. Whatever the question
/// is, there is an answer; one of nothing is no answer.
pub fn answer(question: &[u8]) -> Vec<u8> {
    let asked: Result<(PathBuf, Vec<Pattern>), _> = serde_json::from_slice(question);
    asked.and_then(|(directory, patterns)| serde_json::to_vec(&walk(&patterns, &directory))).unwrap_or_default()
}

/// Looks by itself, in a process of its own.
pub fn ask_here(question: &[u8]) -> Result<Vec<u8>, String> {
    deadline::within(limits::PATH_DEADLINE, || answer(question)).map_err(|elapsed| elapsed.to_string())
}

fn refused(refusal: &Refusal, span: Span) -> SyntaxError {
    let (message, help) = match refusal {
        Refusal::TooManyNames => (format!("globs match more than {} names", limits::GLOB_NAMES), "write a narrower one"),
        Refusal::TooManyEntries => {
            (format!("globs read more than {} directory entries", limits::GLOB_ENTRIES), "start from a smaller directory")
        }
        Refusal::Option(name) => {
            (format!("this glob matches `{name}`, which a command would take for an option"), "write `./` before the glob")
        }
        Refusal::Unprintable(name) => (format!("this glob matches `{name}`, a name that is not plain text"), "write a narrower one"),
        Refusal::Unreadable(path) => (format!("not all of the directory `{path}` could be read"), "write the names out"),
    };
    SyntaxError::new(message, span).with_help(help)
}

fn walk(patterns: &[Pattern], directory: &Path) -> Found {
    let mut walk = Walk { directory, names: 0, entries: 0 };
    patterns.iter().enumerate().map(|(index, pattern)| walk.expand(pattern).map_err(|refusal| (index, refusal))).collect()
}

/// What the globs of one line have used up.
struct Walk<'a> {
    directory: &'a Path,
    names: usize,
    entries: usize,
}

impl Walk<'_> {
    fn expand(&mut self, pattern: &Pattern) -> Result<Vec<String>, Refusal> {
        let mut found = Vec::new();
        self.descend(Vec::new(), &pattern.segments, &mut found)?;
        if found.is_empty() {
            return Ok(vec![pattern.text.clone()]);
        }
        found.sort_unstable();
        found.into_iter().map(argument).collect()
    }

    /// Adds to `found` every path that begins with `path` and goes on as `segments` say.
    fn descend(&mut self, path: Vec<u8>, segments: &[Segment], found: &mut Vec<Vec<u8>>) -> Result<(), Refusal> {
        match segments.split_first() {
            None => {
                self.names += 1;
                found.push(path);
                if self.names > limits::GLOB_NAMES { Err(Refusal::TooManyNames) } else { Ok(()) }
            }
            Some((Segment::Literal(text), rest)) => {
                let path = [path, text.as_bytes().to_vec()].concat();
                // Before a glob, the directory is read anyway; at the end, the name must be there.
                let there = !rest.is_empty() || fs::symlink_metadata(self.place(&path)).is_ok();
                if there { self.descend(path, rest, found) } else { Ok(()) }
            }
            Some((Segment::Names(glob), rest)) => {
                for name in self.read(&path, glob)? {
                    self.descend([path.as_slice(), name.as_slice()].concat(), rest, found)?;
                }
                Ok(())
            }
        }
    }

    /// The names in a directory that match.
    fn read(&mut self, path: &[u8], glob: &[Glyph]) -> Result<Vec<Vec<u8>>, Refusal> {
        let mut names = Vec::new();
        let Ok(entries) = fs::read_dir(self.place(path)) else { return Ok(names) };
        for entry in entries {
            let entry = entry.map_err(|_| Refusal::Unreadable(Safe(path).to_string()))?;
            self.entries += 1;
            if self.entries > limits::GLOB_ENTRIES {
                return Err(Refusal::TooManyEntries);
            }
            let name = entry.file_name();
            // A name that is no text matches by what it looks like, and is refused for it later.
            if matches(glob, &name.to_string_lossy()) {
                names.push(name.as_bytes().to_vec());
            }
        }
        Ok(names)
    }

    /// Where a path of the line is; the empty one is the directory itself.
    fn place(&self, path: &[u8]) -> std::path::PathBuf {
        self.directory.join(OsStr::from_bytes(path))
    }
}

/// A path that is fit to be an argument.
fn argument(path: Vec<u8>) -> Result<String, Refusal> {
    let shown = || Safe(&path).to_string();
    if path.starts_with(b"-") {
        return Err(Refusal::Option(shown()));
    }
    let text = String::from_utf8(path.clone()).map_err(|_| Refusal::Unprintable(shown()))?;
    if text.chars().any(|character| hazard(character).is_some()) { Err(Refusal::Unprintable(shown())) } else { Ok(text) }
}
