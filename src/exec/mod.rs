//! Processes: plan a whole line, spawn, relay, wait, time out, sweep.
#![forbid(unsafe_code)]

mod capture;
mod environment;
mod identity;
mod job;
pub mod limit;
pub mod lookup;
mod open;
pub mod plan;
pub mod program;
mod redirect;
mod relay;
pub mod run;
mod script;
mod streams;
mod sweep;
pub mod walk;

pub use capture::{Captured, capture};
pub use identity::RunAs;
pub use limit::Reached;
pub use lookup::Host;
pub use plan::{Chapter, LinePlan, PipelineTerms, PlanContext, PlanError, plan, plan_terms};
pub use program::find_program;
pub use relay::{Relayer, Terminal};
pub use run::{Ended, LineOutcome, Recorded, StageEnd, StageOutcome, run};
