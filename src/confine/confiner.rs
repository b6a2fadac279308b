//! What a session confines its commands with.

use std::cell::RefCell;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;

use super::files::{FilesError, Rulesets, Subject};
use super::kernel::Kernel;
use super::namespace::{Namespace, NamespaceError, Shape};
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
    /// Where the calling thread and all that it starts is, if it is there.
    namespace: Option<Namespace>,
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
        Confiner { kernel, strength, rulesets: RefCell::new(rulesets), apart: false, namespace: None }
    }

    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Has rulesets made by these from now on.
    pub fn set_rulesets(&mut self, rulesets: Rulesets) {
        self.rulesets = RefCell::new(rulesets);
    }

    /// Takes the calling thread into a mount namespace of its own, in place of one of another shape if it is in one. Where this process
    /// is not allowed that and the policy puts up with it, commands lack `masks`. `rulesets` makes those for the commands in there.
    ///
    /// # Errors
    /// It is in there, and something is not as it should be: nothing must run.
    pub fn enter_namespace(&mut self, shape: Shape, rulesets: impl FnOnce() -> Rulesets) -> Result<(), NamespaceError> {
        self.kernel.namespace = false;
        if let Some(former) = self.namespace.take() {
            former.quit()?;
        }
        match Namespace::enter(shape) {
            Ok(namespace) => self.namespace = Some(namespace),
            // What an outer filter or a container does not let root do.
            Err(NamespaceError::Enter(Errno::EPERM)) if !self.strength.requires(Protection::Masks.name()) => {}
            Err(error) => return Err(error),
        }
        self.kernel.namespace = self.namespace.is_some();
        self.set_rulesets(rulesets());
        Ok(())
    }

    /// Puts the namespace right, where there is one: before each command.
    pub fn mend(&mut self) -> Result<(), NamespaceError> {
        self.namespace.as_mut().map_or(Ok(()), Namespace::mend)
    }

    /// Leaves the namespace, of which nothing is left then if nothing else is in it.
    pub fn dissolve(self) {
        // Where that fails, it ends with this process.
        self.namespace.into_iter().for_each(|namespace| drop(namespace.quit()));
    }

    /// Does something in the host's namespace.
    pub fn outside<T>(&self, work: impl FnOnce() -> T) -> Result<T, NamespaceError> {
        match &self.namespace {
            Some(namespace) => namespace.outside(work),
            None => Ok(work()),
        }
    }

    /// The host's namespace, where this thread is in another.
    pub fn host_namespace(&self) -> Option<BorrowedFd<'_>> {
        self.namespace.as_ref().map(Namespace::host)
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
