//! What operators see. A reader that went away is no error: nothing is left to tell it.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

use serde::Serialize;

use super::Failure;
use crate::words::Diagnostic;

/// One line, or several, on standard output.
pub fn say(text: impl Display) {
    let _ = writeln!(stdout().lock(), "{text}");
}

/// One line, or several, on standard error.
pub fn complain(text: impl Display) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Findings on standard error.
pub fn report(findings: &[Diagnostic]) {
    findings.iter().for_each(complain);
}

/// `1 rule`, `2 rules`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// ASCII alone, so that no terminal acts on what a value holds.
pub fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Other(error.to_string()))?;
    let mut ascii = String::new();
    for character in text.chars() {
        match character {
            ' '..='~' => ascii.push(character),
            _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| ascii.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    Ok(ascii)
}
