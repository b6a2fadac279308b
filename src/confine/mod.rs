//! The second door: terms to a prepared plan, everything allocated before the fork and printable in words.
//!
//! `exec` hands the plan to `sys::process`, which applies it in the child, step by step, all or nothing.
#![forbid(unsafe_code)]

use crate::policy::Confinement;
use crate::policy::confinement::Exec;

/// What will hold the child. No plan is without `no_new_privs`, empty capability sets and core dumps switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether the child may start no other program.
    pub one_exec: bool,
}

impl Plan {
    /// The plan for a confinement on this kernel. A list of programs that the command may start is kept by starting none.
    pub fn of(confinement: &Confinement) -> Plan {
        Plan { one_exec: confinement.exec != Exec::Any }
    }

    /// What is in force under this plan, as records name it: `no_new_privs`, `no_capabilities`, `no_core`, `one_exec`.
    pub fn protections(&self) -> Vec<&'static str> {
        let mut protections = vec!["no_new_privs", "no_capabilities", "no_core"];
        if self.one_exec {
            protections.push("one_exec");
        }
        protections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protections_are_what_the_plan_does() {
        for (exec, one_exec) in [(Exec::None, true), (Exec::Paths(vec!["/usr/bin/less".to_owned()]), true), (Exec::Any, false)] {
            let plan = Plan::of(&Confinement { exec, ..Confinement::default() });
            assert_eq!(plan.one_exec, one_exec);
            assert_eq!(plan.protections().contains(&"one_exec"), one_exec);
            assert!(plan.protections().starts_with(&["no_new_privs", "no_capabilities", "no_core"]));
        }
    }
}
