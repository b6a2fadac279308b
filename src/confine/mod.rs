//! The second door: terms to a prepared plan, everything allocated before the fork and printable in words.
//!
//! `exec` hands the plan to `sys::process`, which applies it in the child, step by step, all or nothing.
#![forbid(unsafe_code)]

use crate::policy::Confinement;

/// What will hold the child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether the child may start no other program.
    pub one_exec: bool,
}

impl Plan {
    /// The plan for a confinement on this kernel.
    pub fn of(_confinement: &Confinement) -> Plan {
        todo!()
    }

    /// What is in force under this plan, as records name it: `no_new_privs`, `no_capabilities`, `no_core`, `one_exec`.
    pub fn protections(&self) -> Vec<&'static str> {
        todo!()
    }
}
