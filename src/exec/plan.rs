//! A whole line, planned: programs found and checked, files opened, argv, environment and confinement allocated. Nothing runs yet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::access::Person;
use crate::policy::Allowed;
use crate::syntax::Request;

/// What a plan depends on besides the line and its terms.
pub struct PlanContext<'a> {
    pub person: &'a Person,
    /// The session's directory, which the children start in.
    pub directory: &'a std::path::Path,
    /// Constants of the policy, for the children's environment.
    pub constants: &'a BTreeMap<String, String>,
    /// Directories that the policy adds to the fixed PATH.
    pub search: &'a [String],
    /// What the client said its terminal is; only a known name is passed on.
    pub term: Option<&'a str>,
}

/// Why an allowed line cannot be planned. Each is a refusal (126) of the whole line.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{program} is not safe to run: {reason}")]
    UnsafeProgram { program: String, reason: String },
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error("cannot run as {user}: {reason}")]
    RunAs { user: String, reason: String },
    #[error("{0}")]
    System(String),
}

/// A planned line.
pub struct LinePlan {}

/// What is known of one process before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageFacts {
    /// Full path; `None` when it is not installed.
    pub program: Option<PathBuf>,
    /// The user that it will run as.
    pub run_as: String,
    pub protections: Vec<&'static str>,
}

impl LinePlan {
    /// What is known of each process, by pipeline and stage.
    pub fn stages(&self) -> Vec<Vec<StageFacts>> {
        todo!()
    }
}

/// Plans a line. `allowed` has the permission of each stage, by pipeline.
pub fn plan(_request: &Request, _allowed: Vec<Vec<Allowed>>, _context: &PlanContext<'_>) -> Result<LinePlan, PlanError> {
    todo!()
}
