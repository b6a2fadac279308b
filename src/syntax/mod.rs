//! The command line: bytes to words. A small, exact subset of POSIX sh; whatever is outside it is a named error.
//!
//! [`parse()`] makes a tree of a line, [`expand()`] settles its words (globs, `~`, `$?`, constants). Neither knows of policy.
//!
//! On the way down: `characters` (what no line may hold), `lex` (operators), `word` (quotes and `$`), `bracket` (`[…]`), `corners` (keywords,
//! assignments, and where shells disagree), `parse` (structure); then `expand`, `glob` (directories) and `pattern` (one name). `complete`
//! reads lines that are not finished. That what is accepted means the same to bash and dash is held by `tests/oracle.rs`.
#![forbid(unsafe_code)]

pub mod ast;
pub mod bracket;
mod characters;
pub mod complete;
mod corners;
pub mod error;
pub mod expand;
pub mod glob;
mod lex;
pub mod parse;
mod pattern;
pub mod request;
#[cfg(test)]
mod tests;
mod word;

pub use ast::Script;
pub use error::SyntaxError;
pub use expand::{Context, expand};
pub use parse::parse;
pub use request::{Argument, Connector, Item, Redirect, RedirectKind, Request, Stage};
