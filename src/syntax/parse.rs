//! Bytes to a tree.

use super::{SyntaxError, ast::Script};

/// Parses one line.
pub fn parse(_line: &[u8]) -> Result<Script, SyntaxError> {
    todo!()
}
