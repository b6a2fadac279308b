//! System calls: the only module with `unsafe`, one family of calls a file. Every block says why it is sound.
#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks)]

pub mod capability;
pub mod deadline;
pub mod random;
pub mod user;
pub mod file;
pub mod descriptor;
pub mod identity;
pub mod image;
pub mod process;
mod raw;
pub mod seccomp;
pub mod signal;
pub mod tty;
