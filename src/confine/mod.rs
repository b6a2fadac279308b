//! The second door: terms to a prepared plan, everything allocated before the fork and printable in words.
//!
//! A [`Plan`] says what will hold a command, on this kernel; [`Rulesets`] makes the Landlock part of it, once for all commands that it
//! fits; `exec` hands both to `sys::process`, which applies them in the child, step by step, all or nothing; a [`Supervisor`] answers what
//! the filter asks while the command runs.
#![forbid(unsafe_code)]

pub mod confiner;
pub mod files;
mod holes;
pub mod index;
pub mod kernel;
mod links;
mod masks;
mod mounts;
pub mod namespace;
mod pairs;
mod patterns;
mod places;
pub mod plan;
mod programs;
pub mod protection;
mod scout;
pub mod supervisor;
pub mod words;

pub use confiner::{Confiner, Lacking};
pub use files::{Rulesets, Subject};
pub use index::Index;
pub use kernel::Kernel;
pub use namespace::{Namespace, NamespaceError, Shape};
pub use plan::Plan;
pub use protection::Protection;
pub use supervisor::programs::is_loader;
pub use supervisor::{FileLog, FileScope, Oversight, Supervisor};
