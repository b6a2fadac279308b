//! What no line may hold, whatever its syntax: checked before anything else looks at it.

use super::SyntaxError;
use crate::words::escape::{Hazard, hazard};
use crate::words::{Span, limits};

/// The line as text, if it is short enough, valid UTF-8 and free of what a terminal obeys or a reader does not see.
pub(super) fn check(line: &[u8]) -> Result<&str, SyntaxError> {
    if line.len() > limits::LINE_BYTES {
        let message = format!("the line is longer than {} bytes", limits::LINE_BYTES);
        return Err(SyntaxError::new(message, Span::new(limits::LINE_BYTES, line.len())));
    }
    let text = std::str::from_utf8(line).map_err(|error| {
        let start = error.valid_up_to();
        let length = error.error_len().unwrap_or(line.len() - start);
        SyntaxError::new("the line is not valid UTF-8", Span::new(start, start + length))
    })?;
    let found = text.char_indices().find_map(|(offset, character)| Some((offset, character, hazard(character)?)));
    match found {
        Some((offset, character, hazard)) => Err(refusal(character, hazard, Span::new(offset, offset + character.len_utf8()))),
        None => Ok(text),
    }
}

fn refusal(character: char, hazard: Hazard, span: Span) -> SyntaxError {
    match (character, hazard) {
        ('\n' | '\r', _) => {
            SyntaxError::new("a line ends at its line break", span).with_help("give one line at a time; `;` joins commands")
        }
        ('\t', _) => SyntaxError::new("a tab is not allowed in a line", span).with_help("use a space"),
        (_, Hazard::Nul | Hazard::Control) => SyntaxError::new(format!("{hazard} is not allowed in a line"), span),
        (_, Hazard::Bidi | Hazard::Invisible) => {
            let message = format!("{hazard} (U+{:04X}) is not allowed in a line", character as u32);
            SyntaxError::new(message, span).with_help("type the word instead of pasting it")
        }
    }
}
