//! The first door: YAML to compiled rules, and words to a verdict.
//!
//! Pure: it is given bytes, a [`Subject`] and [`Facts`], and touches no file, clock or environment, so that every decision can be
//! tested without root and on any host. [`load`] reads the YAML of a tree, [`compile`] makes rules of it, [`applied`] is the compiled
//! form that the shell reads, [`decide`](decide::decide) the verdict. A policy is always decided from its applied form, in a file or in
//! memory: what is tested is what is in force.
#![forbid(unsafe_code)]

pub mod applied;
pub mod audience;
pub mod compile;
pub mod confinement;
pub mod decide;
mod denying;
pub mod facts;
pub mod findings;
pub mod form;
pub mod glob;
pub mod golden;
pub mod hidden;
pub mod kinds;
pub mod lint;
pub mod load;
mod matching;
pub mod model;
pub mod rule;
pub mod run_as;
pub mod services;
pub mod settings;
pub mod shipped;
pub mod types;
pub mod undoes;
pub mod witness;

pub use applied::{Applied, Damaged};
pub use confinement::Confinement;
pub use decide::{Allowed, Candidate, DecidedRedirect, Denied, Terms, Verdict, candidates, decide, is_observed, observe};
pub use facts::{Facts, Resolved};
pub use matching::Taken;
pub use rule::{CommandRules, Rule, RuleRef, Scope, Subject};
pub use run_as::RunAsParts;
pub use settings::Settings;
