//! Processes: plan a whole line, spawn, relay, wait, time out, sweep.
#![forbid(unsafe_code)]

mod environment;
mod identity;
pub mod lookup;
mod open;
pub mod plan;
pub mod program;
pub mod run;
mod walk;

pub use lookup::Host;
pub use plan::{LinePlan, PlanContext, PlanError, plan};
pub use run::{Ended, LineOutcome, StageOutcome, run};
