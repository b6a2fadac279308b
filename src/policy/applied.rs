//! The applied policy: one file, read by offset, so that neither start-up nor a decision depends on the number of rules.

use std::io;
use std::rc::Rc;

use super::compile::Compiled;
use super::rule::{CommandRules, Scope};
use super::settings::Settings;

/// Bytes that are read by offset: a file, or memory.
pub trait ReadAt {
    /// Exactly `length` bytes from `offset`.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// The length of the whole.
    fn length(&self) -> io::Result<u64>;
}

/// The file is not what `postern apply` wrote.
#[derive(Debug, thiserror::Error)]
#[error("the applied policy is damaged: {0}")]
pub struct Damaged(pub String);

/// A policy in force.
pub struct Applied {}

impl Applied {
    /// Opens an applied policy: reads and verifies its header only.
    pub fn open(_source: Box<dyn ReadAt>) -> Result<Applied, Damaged> {
        todo!()
    }
    /// Names exactly what is in force: the first 64 bits... see `encode`.
    pub fn digest(&self) -> &str {
        todo!()
    }
    pub fn settings(&self) -> &Settings {
        todo!()
    }
    pub fn scopes(&self) -> &[Scope] {
        todo!()
    }
    /// The rules for one command word, verified against their checksum; cached.
    pub fn rules(&self, _command: &str) -> Result<Option<Rc<CommandRules>>, Damaged> {
        todo!()
    }
    /// Every command word that has rules, sorted.
    pub fn commands(&self) -> Result<Vec<String>, Damaged> {
        todo!()
    }
}

/// The bytes of an applied policy.
pub fn encode(_compiled: &Compiled) -> Vec<u8> {
    todo!()
}
