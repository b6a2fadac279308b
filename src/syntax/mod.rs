//! The command line: bytes to words. A small, exact subset of POSIX sh; whatever is outside it is a named error.
//!
//! [`parse`] makes a tree of a line, [`expand()`] settles its words (globs, `~`, `$?`, constants). Neither knows of policy.
#![forbid(unsafe_code)]

pub mod ast;
pub mod bracket;
mod characters;
pub mod complete;
mod corners;
pub mod error;
pub mod expand;
mod glob;
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
