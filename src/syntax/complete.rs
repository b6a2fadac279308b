//! The words before the cursor, of a line that is still being typed.

use super::ast::{PieceKind, Word};
use super::lex::{self, Cursor, Token};
use super::{SyntaxError, corners};

/// The command that the cursor is in, as far as it has been typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its complete words, quotes removed, expansions as written; the files of redirections are not among them.
    pub words: Vec<String>,
    /// The word that the cursor touches, its quotes removed; empty behind a blank.
    pub partial: String,
    /// The byte of the line at which that word begins, its quotes included.
    pub start: usize,
    /// Whether that word is the file of a redirection.
    pub is_file: bool,
}

/// The command under the cursor at byte `position`. An open quote and a last backslash are taken for unfinished;
/// `None` where the line is not part of this shell, or the cursor is in a comment.
pub fn words_before(line: &str, position: usize) -> Option<Unfinished> {
    let typed = line.get(..position)?;
    let settled = without_open_escape(typed);
    let guesses = [(typed, ""), (settled, ""), (typed, "'"), (typed, "\""), (settled, "\"")];
    guesses.into_iter().find_map(|(typed, closing)| read(&format!("{typed}{closing}"), position).ok()).flatten()
}

/// The line without a backslash that nothing follows yet.
fn without_open_escape(typed: &str) -> &str {
    let run = typed.len() - typed.trim_end_matches('\\').len();
    typed.get(..typed.len() - run % 2).unwrap_or(typed)
}

/// Reads the tokens of `text`, of which the first `position` bytes were typed.
fn read(text: &str, position: usize) -> Result<Option<Unfinished>, SyntaxError> {
    let mut cursor = Cursor { line: text, position: 0 };
    let mut words: Vec<String> = Vec::new();
    let mut is_file = false;
    loop {
        let (token, span) = lex::token(&mut cursor)?;
        match token {
            Token::Word(word) if cursor.position >= text.len() => {
                let start = span.start as usize;
                return Ok(Some(Unfinished { words, partial: written(text, &word), start, is_file }));
            }
            Token::Word(_) if is_file => is_file = false,
            Token::Word(word) if words.is_empty() && corners::source(text, &word) == "!" => {}
            Token::Word(word) => words.push(written(text, &word)),
            Token::Redirection(operator) => is_file = operator != lex::RedirectionOperator::ErrorToOutput,
            Token::Pipe | Token::And | Token::Or | Token::Semicolon => words.clear(),
            Token::Parenthesis => return Ok(None),
            Token::End if text.get(span.start as usize..).is_some_and(|rest| rest.starts_with('#')) => return Ok(None),
            Token::End => return Ok(Some(Unfinished { words, partial: String::new(), start: position, is_file })),
        }
    }
}

/// A word with its quotes removed and its expansions as they were written.
fn written(text: &str, word: &Word) -> String {
    let pieces = word.pieces.iter().map(|piece| match &piece.kind {
        PieceKind::Text { text, .. } => text.as_str(),
        _ => text.get(piece.span.start as usize..piece.span.end as usize).unwrap_or(""),
    });
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_under_the_cursor_is_found_in_a_line_that_is_not_finished() {
        for (line, words, partial, start) in [
            ("", &[][..], "", 0),
            ("journ", &[], "journ", 0),
            ("journalctl ", &["journalctl"], "", 11),
            ("journalctl -u 'post", &["journalctl", "-u"], "post", 14),
            ("journalctl -u \"post gr", &["journalctl", "-u"], "post gr", 14),
            ("tail a\\ b\\", &["tail"], "a b", 5),
            ("tail 'a\\", &["tail"], "a\\", 5),
            ("tail \"a\\", &["tail"], "a", 5),
            ("ps | grep it\\'s x", &["grep", "it's"], "x", 16),
            ("! uptime && df -", &["df"], "-", 15),
            ("ls ~/x *.log >/dev/null a", &["ls", "~/x", "*.log"], "a", 24),
            ("ls | ", &[], "", 5),
            ("! up", &[], "up", 2),
        ] {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            let expected = Unfinished { words, partial: partial.to_owned(), start, is_file: false };
            assert_eq!(words_before(line, line.len()), Some(expected), "{line}");
        }
    }

    #[test]
    fn the_file_of_a_redirection_is_told_apart() {
        let found = words_before("wc -l < /var/l", 14).unwrap();
        assert!(found.is_file && found.partial == "/var/l" && found.words == ["wc", "-l"]);
    }

    #[test]
    fn only_what_stands_before_the_cursor_counts() {
        assert_eq!(words_before("ls -l /var", 4).unwrap().partial, "-");
        assert_eq!(words_before("ls é", 4), None, "the cursor is inside a character");
    }

    #[test]
    fn nothing_is_offered_where_this_shell_has_no_syntax() {
        for line in ["echo $(ls", "ls # no", "(ls", "ls &"] {
            assert_eq!(words_before(line, line.len()), None, "{line}");
        }
    }
}
