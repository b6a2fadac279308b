//! System calls: the only module with `unsafe`, one family of calls a file. Every block says why it is sound.
#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks)]

pub mod caller;
pub mod capability;
pub mod children;
pub mod code;
pub mod deadline;
pub mod deputy;
pub mod descriptor;
pub mod directory;
pub mod file;
pub mod half;
pub mod holder;
pub mod identity;
pub mod image;
pub mod landlock;
pub mod leader;
pub mod mount;
pub mod notify;
pub mod packet;
pub mod process;
pub mod prompt;
pub mod pty;
pub mod random;
mod raw;
pub mod rights;
pub mod sealed;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod start;
mod step;
pub mod user;
pub mod watch;
