//! A tree to settled words.

use std::collections::BTreeMap;
use std::path::Path;

use super::ast::{Command, Piece, PieceKind, Pipeline, Redirection, Script, Target, Word};
use super::glob::{self, AskNames, Pattern};
use super::pattern::Glyph;
use super::{Argument, Item, Redirect, RedirectKind, Request, Stage, SyntaxError};
use crate::words::{Span, escape, limits, suggest};

/// What expansion depends on.
pub struct Context<'a> {
    /// Where globs and relative paths start.
    pub directory: &'a Path,
    /// What `~` means: the account's home directory.
    pub home: &'a str,
    /// What `$?` means: the exit status of the line before.
    pub status: u8,
    /// What `$NAME` may mean: the constants of the policy.
    pub constants: &'a BTreeMap<String, String>,
    /// Who reads directories.
    pub names: AskNames<'a>,
}

/// Names of globs not yet handed out, a list for each.
type Names = std::vec::IntoIter<Vec<String>>;

/// Settles the words of a line.
///
/// # Errors
/// An unknown or unfit constant, a glob that [`limits`] or the names that it matches forbid, no answer from a file system.
pub fn expand(script: &Script, context: &Context<'_>) -> Result<Request, SyntaxError> {
    let words = script.pipelines.iter().flat_map(|pipeline| &pipeline.commands).flat_map(|command| &command.words);
    let patterns: Vec<Pattern> = words.filter(|word| word.is_pattern()).map(|word| context.pattern(word)).collect::<Result<_, _>>()?;
    let mut names = glob::expand_all(&patterns, context.directory, context.names)?.into_iter();
    let items: Vec<Item> = script.pipelines.iter().map(|pipeline| context.item(pipeline, &mut names)).collect::<Result<_, _>>()?;
    let count: usize = items.iter().flat_map(|item| &item.stages).map(|stage| stage.argv.len()).sum();
    if count > limits::LINE_WORDS {
        let message = format!("after globs, the line has more than {} words", limits::LINE_WORDS);
        let span = patterns.first().map_or(Span::new(0, script.line.len()), |pattern| pattern.span);
        return Err(SyntaxError::new(message, span));
    }
    Ok(Request { line: script.line.clone(), items })
}

impl Context<'_> {
    fn item(&self, pipeline: &Pipeline, names: &mut Names) -> Result<Item, SyntaxError> {
        let stages = pipeline.commands.iter().map(|command| self.stage(command, names)).collect::<Result<_, _>>()?;
        Ok(Item { connector: pipeline.connector, negated: pipeline.negated, stages })
    }

    fn stage(&self, command: &Command, names: &mut Names) -> Result<Stage, SyntaxError> {
        let mut argv = Vec::new();
        for word in &command.words {
            if word.is_pattern() {
                let found = names.next().unwrap_or_default();
                argv.extend(found.into_iter().map(|text| Argument { text, span: word.span }));
            } else {
                argv.push(self.argument(word)?);
            }
        }
        let redirects = command.redirections.iter().map(|redirection| self.redirect(redirection)).collect::<Result<_, _>>()?;
        Ok(Stage { argv, redirects })
    }

    fn redirect(&self, redirection: &Redirection) -> Result<Redirect, SyntaxError> {
        let file = match &redirection.target {
            Target::Input(word) | Target::Output { file: word, .. } => Some(self.argument(word)?),
            Target::ErrorToOutput | Target::ErrorToNull => None,
        };
        let kind = match (&redirection.target, file) {
            (Target::ErrorToOutput, _) => RedirectKind::ErrorToOutput,
            (Target::Input(_), Some(file)) if file.text != "/dev/null" => RedirectKind::Input(file),
            (Target::Output { append, .. }, Some(file)) if file.text != "/dev/null" => RedirectKind::Output { file, append: *append },
            (Target::Input(_), _) => RedirectKind::Null(0),
            (Target::Output { .. }, _) => RedirectKind::Null(1),
            (Target::ErrorToNull, _) => RedirectKind::Null(2),
        };
        Ok(Redirect { kind, span: redirection.span })
    }

    /// A word without globs.
    fn argument(&self, word: &Word) -> Result<Argument, SyntaxError> {
        let texts: Vec<String> = word.pieces.iter().map(|piece| self.text(piece)).collect::<Result<_, _>>()?;
        Ok(Argument { text: texts.concat(), span: word.span })
    }

    /// A word with globs. What is quoted, and the value of whatever is expanded, stands for itself.
    fn pattern(&self, word: &Word) -> Result<Pattern, SyntaxError> {
        let mut glyphs = Vec::new();
        let mut text = String::new();
        for piece in &word.pieces {
            let written = self.text(piece)?;
            match &piece.kind {
                PieceKind::AnyText => glyphs.push(Glyph::AnyText),
                PieceKind::AnyCharacter => glyphs.push(Glyph::AnyCharacter),
                PieceKind::OneOf(bracket) => glyphs.push(Glyph::OneOf(bracket.clone())),
                _ => glyphs.extend(written.chars().map(Glyph::Literal)),
            }
            text.push_str(&written);
        }
        Pattern::new(&glyphs, text, word.span)
    }

    /// The text of a piece; of a glob, the glob itself.
    fn text(&self, piece: &Piece) -> Result<String, SyntaxError> {
        match &piece.kind {
            PieceKind::Text { text, .. } => Ok(text.clone()),
            PieceKind::AnyText => Ok("*".to_owned()),
            PieceKind::AnyCharacter => Ok("?".to_owned()),
            PieceKind::OneOf(bracket) => Ok(bracket.to_string()),
            PieceKind::Status { .. } => Ok(self.status.to_string()),
            PieceKind::Home => printable(self.home, "the home directory", piece.span),
            PieceKind::Constant { name, quoted } => self.constant(name, *quoted, piece.span),
        }
    }

    /// The value of a constant. Unquoted, a POSIX shell would split it into words and expand its globs, so that nothing in it may ask for that.
    fn constant(&self, name: &str, quoted: bool, span: Span) -> Result<String, SyntaxError> {
        let Some(value) = self.constants.get(name) else {
            let refusal = SyntaxError::new(format!("there is no constant `${name}`"), span);
            let near = suggest::nearest(name, self.constants.keys().map(String::as_str));
            return Err(match near {
                Some(near) => refusal.with_help(format!("did you mean `${near}`?")),
                None if name == "HOME" => refusal.with_help("write `~`"),
                None => refusal.with_help("the policy lists constants under `env:`; `\\$` is the character itself"),
            });
        };
        if !quoted && (value.is_empty() || value.contains([' ', '\t', '\n', '*', '?', '[', '\\'])) {
            let message = format!("the value of `${name}` is empty, or holds a blank, a backslash or a glob character");
            return Err(SyntaxError::new(message, span).with_help(format!("write `\"${name}\"`")));
        }
        printable(value, "the value of this constant", span)
    }
}

/// A text from outside the line, if it holds nothing that the line itself may not.
fn printable(text: &str, what: &str, span: Span) -> Result<String, SyntaxError> {
    match text.chars().find_map(escape::hazard) {
        Some(hazard) => Err(SyntaxError::new(format!("{what} holds {hazard}"), span)),
        None => Ok(text.to_owned()),
    }
}
