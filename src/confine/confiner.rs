//! What a session confines its commands with.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::files::{FilesError, Rulesets, Subject};
use super::kernel::Kernel;
use super::plan::Plan;
use super::protection::Protection;
use crate::policy::Confinement;
use crate::policy::settings::Strength;
use crate::sys::landlock;

/// The kernel as it is, what the policy makes of what that lacks, and the rulesets made so far.
#[derive(Debug)]
pub struct Confiner {
    kernel: Kernel,
    strength: Strength,
    rulesets: RefCell<Rulesets>,
    /// Whether this process, and so all that it starts, is in a domain of its own.
    apart: bool,
}

/// The kernel does not hold what the policy wants held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking(pub Vec<Protection>);

impl std::error::Error for Lacking {}

impl std::fmt::Display for Lacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|protection| protection.name()).collect();
        let needs = self.0.first().map_or("", |protection| protection.needs());
        write!(
            f,
            "this kernel cannot hold it to: {}; that needs {needs}, or `confinement:` in policy.yaml to say otherwise",
            names.join(", ")
        )
    }
}

impl Confiner {
    /// A confiner under this policy.
    pub fn new(kernel: Kernel, strength: Strength, rulesets: Rulesets) -> Confiner {
        Confiner { kernel, strength, rulesets: RefCell::new(rulesets), apart: false }
    }

    /// Follows a change of the policy.
    pub fn set_strength(&mut self, strength: Strength) {
        self.strength = strength;
    }

    /// Puts this process into a domain of its own, once and for good, where the kernel has such: what it starts can then signal nothing
    /// outside, and ends at one call ([`Confiner::is_apart`]).
    pub fn set_apart(&mut self) {
        self.apart = self.apart || (self.kernel.landlock >= 6 && landlock::enter_scope().is_ok());
    }

    /// Whether a signal of this process to all reaches nothing but what it started.
    pub fn is_apart(&self) -> bool {
        self.apart
    }

    /// The plan for a confinement; an error if the policy does not put up with what the kernel lacks.
    pub fn plan(&self, confinement: &Confinement) -> Result<Plan, Lacking> {
        let plan = Plan::of(confinement, &self.kernel);
        let lacking: Vec<Protection> =
            plan.missing.iter().copied().filter(|protection| self.strength.requires(protection.name())).collect();
        if lacking.is_empty() { Ok(plan) } else { Err(Lacking(lacking)) }
    }

    /// The ruleset for a plan, as the file system is now.
    pub fn ruleset(&self, plan: &Plan, subject: Subject<'_>) -> Result<Option<Rc<OwnedFd>>, FilesError> {
        self.rulesets.borrow_mut().ruleset(plan, subject)
    }
}
