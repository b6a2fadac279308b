//! Processes: plan a whole line, spawn, relay, wait, time out, sweep.
#![forbid(unsafe_code)]

pub mod lookup;
pub mod plan;
pub mod run;

pub use lookup::Host;
pub use plan::{LinePlan, PlanContext, PlanError, plan};
pub use run::{Ended, LineOutcome, StageOutcome, run};
