//! What will hold a command: its confinement, on this kernel.

use std::path::PathBuf;

use nix::unistd::{Pid, getpgrp, getpid, getppid};

use super::kernel::Kernel;
use super::protection::Protection;
use super::supervisor::{FileScope, Oversight};
use crate::policy::Confinement;
use crate::policy::confinement::{Base, Exec, Limits, Processes};
use crate::sys::capability::Capabilities;
use crate::sys::identity::Identity;
use crate::sys::sealed;
use crate::sys::seccomp::calls::{self, Calls, Inet, Signals, Unix};

/// What will hold a child. No plan is without `no_new_privs`, capability sets that are settled and core dumps switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub confinement: Confinement,
    pub kernel: Kernel,
    /// `None`: no filter (`open`, or a kernel that has none).
    pub calls: Option<Calls>,
    /// Whether Landlock holds its files.
    pub files: bool,
    /// Those that it has.
    pub capabilities: Capabilities,
    /// What is in force.
    pub protections: Vec<Protection>,
    /// What the confinement asks for and this kernel does not have.
    pub missing: Vec<Protection>,
}

impl Plan {
    /// The plan for a confinement on a kernel.
    pub fn of(confinement: &Confinement, kernel: &Kernel) -> Plan {
        let open = confinement.base == Base::Open;
        let calls = (!open && kernel.filter).then(|| calls(confinement, kernel));
        let files = !confinement.is_unscoped() && kernel.landlock > 0;
        let mut plan = Plan {
            confinement: confinement.clone(),
            kernel: kernel.clone(),
            calls,
            files,
            capabilities: Capabilities::of_names(&confinement.capabilities),
            protections: vec![Protection::NoNewPrivileges],
            missing: Vec::new(),
        };
        plan.judge();
        plan
    }

    /// Sorts what the confinement asks for into what is in force and what is missing.
    fn judge(&mut self) {
        let (kernel, confine, given) = (&self.kernel, &self.confinement, self.capabilities);
        let (open, looks) = (confine.base == Base::Open, confine.looks());
        // Packets are made of nothing that is held.
        let packets = given.meets(Capabilities::NET_RAW);
        let files = kernel.landlock > 0;
        let brokered = confine.all_sockets().next().is_some();
        let ports = !confine.network.is_empty();
        let counted = self.calls.as_ref().is_some_and(|calls| calls.count_processes);
        let wanted = [
            (given.is_empty(), Protection::NoCapabilities, true),
            (!given.is_empty(), Protection::ListedCapabilities, true),
            (true, Protection::NoCore, true),
            (confine.exec == Exec::None, Protection::OneExec, kernel.filter),
            (matches!(confine.exec, Exec::Paths(_)), Protection::ExecList, kernel.filter && kernel.listener && self.files),
            (!open, Protection::Calls, kernel.filter),
            (!open && !looks, Protection::Reads, files),
            // Modes and times are the filter's to hold, and of what looks at processes all the rest.
            (!open, Protection::Writes, kernel.filter && (files || looks)),
            (looks || (!open && kernel.namespace), Protection::Masks, kernel.namespace),
            (
                !open && !packets && (ports || confine.base != Base::Network),
                Protection::Network,
                kernel.filter && (kernel.listener || !ports),
            ),
            (!open, Protection::Sockets, kernel.filter && (kernel.listener || !brokered)),
            // What is traced can be ended.
            (
                !open && confine.processes != Processes::Trace,
                Protection::Signals,
                kernel.filter && (has_scope(confine, kernel) || kernel.listener),
            ),
            // It could raise them.
            (
                confine.limits != Limits::default() && !given.meets(Capabilities::SYS_RESOURCE),
                Protection::Limits,
                counted || confine.limits.processes.is_none(),
            ),
            (confine.log_files, Protection::FileLog, self.logs_files()),
        ];
        for (_, protection, there) in wanted.into_iter().filter(|(wanted, ..)| *wanted) {
            if there { &mut self.protections } else { &mut self.missing }.push(protection);
        }
    }

    fn logs_files(&self) -> bool {
        self.calls.as_ref().is_some_and(|calls| calls.log_files)
    }

    /// The names of what is in force, as records have them.
    pub fn protection_names(&self) -> Vec<&'static str> {
        self.protections.iter().map(|protection| protection.name()).collect()
    }

    /// What a supervisor of the command decides by, and with whose rights it connects.
    /// `home` is the account's home directory, for `~` in hidden paths.
    pub fn oversight(&self, identity: Option<&Identity>, home: &str) -> Oversight {
        let confine = &self.confinement;
        Oversight {
            exec: match &confine.exec {
                Exec::Paths(paths) => Some(paths.iter().map(PathBuf::from).collect()),
                Exec::None | Exec::Any => None,
            },
            sockets: confine.all_sockets().map(str::to_owned).collect(),
            network: confine.network.clone(),
            processes: confine.limits.processes,
            identity: identity.cloned(),
            files: self.logs_files().then(|| FileScope { confinement: confine.clone(), home: home.to_owned() }),
        }
    }
}

/// The calls that a confinement leaves, on a kernel.
fn calls(confinement: &Confinement, kernel: &Kernel) -> Calls {
    let unix = match (confinement.all_sockets().next().is_some(), kernel.listener) {
        (false, _) => Unix::Pairs,
        (true, true) => Unix::Asked,
        (true, false) => Unix::Any,
    };
    let datagrams = confinement.network.iter().any(|port| !port.starts_with("tcp:"));
    let inet = match (confinement.network.is_empty(), confinement.base == Base::Network) {
        (false, _) if kernel.listener => Inet::Asked { datagrams },
        (false, _) | (true, true) => Inet::Outbound,
        (true, false) => Inet::Idle,
    };
    let signals = match (has_scope(confinement, kernel), kernel.listener) {
        (true, _) => Signals::Free,
        (false, true) => Signals::Asked,
        (false, false) => {
            let shells = [getpid(), getppid(), getpgrp()].into_iter().chain(sealed::living());
            Signals::NotTo(shells.map(Pid::as_raw).collect())
        }
    };
    Calls {
        listener: kernel.listener,
        exec: match confinement.exec {
            Exec::None => calls::Exec::Once,
            // Without Landlock the answer can be raced, which `missing` says; it is an answer all the same.
            Exec::Paths(_) if kernel.listener => calls::Exec::Asked,
            Exec::Paths(_) | Exec::Any => calls::Exec::Any,
        },
        unix,
        inet,
        signals,
        guard_truncation: kernel.landlock < 3,
        guard_set_ids: confinement.writes_anything() || kernel.landlock == 0,
        count_processes: kernel.listener && confinement.limits.processes.is_some(),
        count_memory: confinement.limits.memory.is_some(),
        capabilities: Capabilities::of_names(&confinement.capabilities),
        read_only: confinement.looks(),
        log_files: kernel.listener && confinement.log_files && !confinement.looks(),
        trace: confinement.processes == Processes::Trace,
    }
}

/// Whether Landlock keeps the signals of a command inside.
fn has_scope(confinement: &Confinement, kernel: &Kernel) -> bool {
    kernel.landlock >= 6 && !confinement.is_unscoped()
}
