//! System calls: the only module with `unsafe`, one family of calls a file. Every block says why it is sound.
#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks)]

pub mod deadline;
pub mod file;
pub mod privilege;
