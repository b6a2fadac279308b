//! A plan in words, for `postern explain` and the builtin `explain`.
//!
//! A sentence says what the policy asks for, and where this kernel does not hold it, that too: nobody reads of a door that is not there.

use super::plan::Plan;
use super::protection::Protection;
use crate::policy::confinement::{Base, Exec, Limits, Processes};
use crate::policy::settings::Strength;
use crate::sys::capability::Capabilities;

impl Plan {
    /// What the command can do and what it cannot, a label and a sentence each. `strength` decides what becomes of it on this kernel.
    pub fn words(&self, strength: &Strength) -> Vec<(&'static str, String)> {
        let confine = &self.confinement;
        let rows = [
            ("reads", Some(self.reads())),
            ("hides", self.hides()),
            ("writes", Some(self.held(Protection::Writes, self.writes()))),
            ("starts", Some(self.starts())),
            ("sees", self.sees()),
            ("network", Some(self.held(Protection::Network, self.network()))),
            ("sockets", Some(self.held(Protection::Sockets, self.sockets()))),
            ("signals", Some(self.held(Protection::Signals, self.signals().to_owned()))),
            (
                "logs",
                confine
                    .log_files
                    .then(|| self.held(Protection::FileLog, "files that it opens in its own places, by name and size".to_owned())),
            ),
            ("limits", limits(&self.confinement.limits).map(|limits| self.held(Protection::Limits, limits))),
            ("keeps", Some(confine.capabilities.join(", ")).filter(|kept| !kept.is_empty())),
            ("lacks", self.lacks(strength)),
            ("holds", Some(self.protection_names().join(", "))),
        ];
        rows.into_iter().filter_map(|(label, text)| Some((label, text?))).collect()
    }

    /// A sentence, and that this kernel does not hold it where it does not.
    fn held(&self, protection: Protection, sentence: String) -> String {
        if self.missing.contains(&protection) { format!("{sentence} (not held by this kernel)") } else { sentence }
    }

    fn is_open(&self) -> bool {
        self.confinement.base == Base::Open
    }

    fn reads(&self) -> String {
        match self.confinement.looks() {
            true => "whatever its user can read and is not masked".to_owned(),
            false => self.held(Protection::Reads, self.confinement.places_in_words()),
        }
    }

    fn hides(&self) -> Option<String> {
        let confine = &self.confinement;
        let (hidden, shown) = (confine.hide.join(", "), confine.unhide.join(", "));
        if confine.looks() {
            let masked = "keys, credentials, raw devices, in places that are the same for every process: postern-policy(5)";
            let named = if hidden.is_empty() { String::new() } else { format!("; {hidden}: where an argument names it, and no further") };
            return Some(self.held(Protection::Masks, format!("{masked}{named}")));
        }
        let built_in = "keys, credentials, other processes, raw devices: postern-policy(5)";
        let mut text = match (self.is_open(), hidden.is_empty()) {
            (true, true) => return None,
            (true, false) => format!("{hidden}: where an argument names it, and no further"),
            (false, true) => built_in.to_owned(),
            (false, false) => format!("{built_in}; {hidden}"),
        };
        if !shown.is_empty() {
            text.push_str(&format!("; but not {shown}"));
        }
        Some(text)
    }

    fn writes(&self) -> String {
        match (self.is_open(), self.confinement.write.as_slice()) {
            (true, _) => "whatever its user can write".to_owned(),
            (false, []) if self.confinement.looks() => "no file; the terminal, but not by name; /dev/null".to_owned(),
            (false, []) => "no file; the terminal and /dev/null".to_owned(),
            (false, places) => format!("{} and what is below; the terminal and /dev/null", places.join(", ")),
        }
    }

    fn starts(&self) -> String {
        match &self.confinement.exec {
            Exec::None => self.held(Protection::OneExec, "no other program".to_owned()),
            Exec::Paths(programs) => self.held(Protection::ExecList, format!("{}; no other program", programs.join(", "))),
            Exec::Any => "any program".to_owned(),
        }
    }

    fn sees(&self) -> Option<String> {
        match self.confinement.processes {
            _ if !self.confinement.looks() => None,
            Processes::Trace => Some("other processes of its user: also their calls and memory; it can stop and end them".to_owned()),
            Processes::Own | Processes::Look => Some("other processes of its user: their programs, open files, connections".to_owned()),
        }
    }

    fn network(&self) -> String {
        let ports = &self.confinement.network;
        if self.capabilities.meets(Capabilities::NET_RAW) && !self.is_open() {
            return "packets of any kind to anywhere (CAP_NET_RAW), and those of others".to_owned();
        }
        match (self.confinement.base, ports.is_empty()) {
            (Base::Open, _) => "any".to_owned(),
            (Base::Network, true) => "to anywhere; it waits for no connection".to_owned(),
            (_, true) => "none".to_owned(),
            (_, false) => format!("to {} of any host; it waits for no connection", ports.join(", ")),
        }
    }

    fn sockets(&self) -> String {
        let own = self.confinement.sockets.join(", ");
        let services = "systemd, the system bus, containers, databases and the like: postern-policy(5)";
        match (self.confinement.base, own.is_empty()) {
            (Base::Open, _) => "any".to_owned(),
            (Base::Service, true) => services.to_owned(),
            (Base::Service, false) => format!("{services}; {own}"),
            (_, true) => "none".to_owned(),
            (_, false) => own,
        }
    }

    fn signals(&self) -> &'static str {
        match self.confinement.processes {
            _ if self.is_open() => "any process of its user",
            Processes::Trace => "what it started itself, and what it traces",
            Processes::Own | Processes::Look => "what it started itself",
        }
    }

    fn lacks(&self, strength: &Strength) -> Option<String> {
        let alike = self.missing.chunk_by(|one, next| one.needs() == next.needs());
        let needs = |alike: &[Protection]| {
            let names: Vec<&str> = alike.iter().map(|protection| protection.name()).collect();
            Some(format!("{}: needs {}", names.join(", "), alike.first()?.needs()))
        };
        let lacking = alike.filter_map(needs).collect::<Vec<_>>().join("; ");
        let refused = self.missing.iter().any(|protection| strength.requires(protection.name()));
        let becomes = if refused { "so it does not run (`confinement:`)" } else { "it runs without (`confinement:`)" };
        (!lacking.is_empty()).then(|| format!("{lacking}; {becomes}"))
    }
}

/// Bounds, each with what it is a bound of; `None` without any.
fn limits(limits: &Limits) -> Option<String> {
    let bounds = [
        limits.cpu.map(|milliseconds| format!("{}s of processor time", milliseconds / 1000)),
        limits.memory.map(|bytes| format!("{} of memory", size(bytes))),
        limits.processes.map(|count| format!("{count} processes at a time")),
        limits.files.map(|count| format!("{count} open files a process")),
        limits.file_size.map(|bytes| format!("{} in a file", size(bytes))),
    ];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    (!bounds.is_empty()).then(|| bounds.join(", "))
}

/// Bytes in the largest unit that needs no fraction.
pub fn size(bytes: u64) -> String {
    let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes} bytes"), |(name, unit)| format!("{}{name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confine::Kernel;
    use crate::policy::Confinement;
    use crate::policy::settings::PROTECTIONS;

    fn words(confinement: &Confinement, kernel: &Kernel, strength: &Strength) -> Vec<String> {
        let words = Plan::of(confinement, kernel).words(strength);
        words.into_iter().map(|(label, text)| format!("{label}: {text}")).collect()
    }

    #[test]
    fn the_policy_names_protections_as_records_do() {
        assert_eq!(PROTECTIONS, Protection::ALL.map(Protection::name));
    }

    #[test]
    fn a_plan_says_what_the_command_can_do() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let own = Confinement {
            read: list(&["/srv/db"]),
            write: list(&["/srv/out"]),
            hide: list(&["/srv/db/keys"]),
            unhide: list(&["/etc/ssl/private/public"]),
            exec: Exec::Paths(list(&["/usr/bin/less"])),
            sockets: list(&["/run/mine"]),
            network: list(&["tcp:443", "udp:53"]),
            limits: Limits { cpu: Some(10_000), memory: Some(1 << 30), processes: Some(20), files: Some(64), file_size: Some(1000) },
            ..Confinement::built_in(Base::Service)
        };
        for (confinement, expected) in [
            (
                Confinement { roots: list(&["/var/log/postgresql/**"]), ..Confinement::built_in(Base::Inspect) },
                &[
                    "reads: /usr, /etc, /proc, /sys, /run, /var/log, /var/log/postgresql/**",
                    "hides: keys, credentials, other processes, raw devices: postern-policy(5)",
                    "writes: no file; the terminal and /dev/null",
                    "starts: no other program",
                    "network: none",
                    "sockets: none",
                    "signals: what it started itself",
                    "holds: no_new_privs, no_capabilities, no_core, one_exec, calls, reads, writes, masks, network, sockets, signals",
                ][..],
            ),
            (
                own,
                &[
                    "reads: /usr, /etc, /proc, /sys, /run, /var/log, /srv/db, /srv/out",
                    "hides: keys, credentials, other processes, raw devices: postern-policy(5); /srv/db/keys; but not /etc/ssl/private/public",
                    "writes: /srv/out and what is below; the terminal and /dev/null",
                    "starts: /usr/bin/less; no other program",
                    "network: to tcp:443, udp:53 of any host; it waits for no connection",
                    "sockets: systemd, the system bus, containers, databases and the like: postern-policy(5); /run/mine",
                    "signals: what it started itself",
                    "limits: 10s of processor time, 1GiB of memory, 20 processes at a time, 64 open files a process, \
                     1000 bytes in a file",
                    "holds: no_new_privs, no_capabilities, no_core, exec_list, calls, reads, writes, masks, network, sockets, signals, limits",
                ],
            ),
            (
                Confinement { hide: list(&["/srv/x"]), ..Confinement::built_in(Base::Open) },
                &[
                    "reads: everything",
                    "hides: /srv/x: where an argument names it, and no further",
                    "writes: whatever its user can write",
                    "starts: any program",
                    "network: any",
                    "sockets: any",
                    "signals: any process of its user",
                    "holds: no_new_privs, no_capabilities, no_core",
                ],
            ),
        ] {
            assert_eq!(words(&confinement, &Kernel::FULL, &Strength::All), expected);
        }
    }

    #[test]
    fn a_plan_says_what_capabilities_and_looking_at_processes_change() {
        let seeing = |processes, capabilities: &[&str]| Confinement {
            processes,
            capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
            ..Confinement::built_in(Base::Inspect)
        };
        for (confinement, kernel, expected) in [
            (
                seeing(Processes::Look, &["CAP_SYS_PTRACE"]),
                &Kernel::FULL,
                "reads: whatever its user can read and is not masked\
                     |hides: keys, credentials, raw devices, in places that are the same for every process: postern-policy(5)\
                     |writes: no file; the terminal, but not by name; /dev/null|starts: no other program\
                     |sees: other processes of its user: their programs, open files, connections|network: none|sockets: none\
                     |signals: what it started itself|keeps: CAP_SYS_PTRACE\
                     |holds: no_new_privs, listed_capabilities, no_core, one_exec, calls, writes, masks, network, sockets, signals",
            ),
            (
                seeing(Processes::Trace, &[]),
                &Kernel { landlock: 0, namespace: false, ..Kernel::FULL },
                "reads: whatever its user can read and is not masked\
                 |hides: keys, credentials, raw devices, in places that are the same for every process: postern-policy(5) \
                 (not held by this kernel)\
                 |writes: no file; the terminal, but not by name; /dev/null|starts: no other program\
                 |sees: other processes of its user: also their calls and memory; it can stop and end them|network: none|sockets: none\
                 |signals: what it started itself, and what it traces\
                 |lacks: masks: needs the session's own mount namespace, which posternsh makes where it is set-user-ID root; \
                 so it does not run (`confinement:`)\
                 |holds: no_new_privs, no_capabilities, no_core, one_exec, calls, writes, network, sockets",
            ),
            (
                seeing(Processes::Own, &["CAP_NET_RAW"]),
                &Kernel { namespace: false, ..Kernel::FULL },
                "reads: /usr, /etc, /proc, /sys, /run, /var/log|hides: keys, credentials, other processes, raw devices: postern-policy(5)\
                     |writes: no file; the terminal and /dev/null|starts: no other program\
                 |network: packets of any kind to anywhere (CAP_NET_RAW), and those of others|sockets: none\
                     |signals: what it started itself|keeps: CAP_NET_RAW\
                     |holds: no_new_privs, listed_capabilities, no_core, one_exec, calls, reads, writes, sockets, signals",
            ),
        ] {
            assert_eq!(words(&confinement, kernel, &Strength::All).join("|"), expected);
        }
    }

    #[test]
    fn a_plan_says_what_is_logged_and_where_it_cannot_be() {
        let logged = Confinement { read: vec!["/srv".to_owned()], log_files: true, ..Confinement::built_in(Base::Sealed) };
        let said = |kernel: &Kernel| words(&logged, kernel, &Strength::All).join("|");
        let full = said(&Kernel::FULL);
        assert!(full.contains("|logs: files that it opens in its own places, by name and size|") && full.ends_with("file_log"), "{full}");
        let lesser = said(&Kernel { listener: false, ..Kernel::FULL });
        assert!(lesser.contains("by name and size (not held by this kernel)|lacks: file_log: needs seccomp notifications"), "{lesser}");
    }

    #[test]
    fn what_a_kernel_does_not_hold_is_said_with_what_becomes_of_the_command() {
        let inspect = Confinement::built_in(Base::Inspect);
        let old = Kernel { landlock: 0, ..Kernel::FULL };
        for (strength, becomes) in [
            (Strength::All, "so it does not run (`confinement:`)"),
            (Strength::Require(vec!["reads".to_owned()]), "so it does not run (`confinement:`)"),
            (Strength::Require(vec!["one_exec".to_owned()]), "it runs without (`confinement:`)"),
            (Strength::BestEffort, "it runs without (`confinement:`)"),
        ] {
            let said = words(&inspect, &old, &strength);
            let lacks = said.iter().find(|line| line.starts_with("lacks: ")).unwrap();
            assert!(lacks.contains("reads, writes: needs Landlock (kernel 5.13") && lacks.ends_with(becomes), "{lacks}");
            assert!(said.iter().any(|line| line.starts_with("reads: ") && line.ends_with("(not held by this kernel)")), "{said:?}");
            assert!(!said.iter().any(|line| line.starts_with("holds: ") && line.contains("reads")), "{said:?}");
        }
        assert!(!words(&inspect, &Kernel::FULL, &Strength::All).iter().any(|line| line.starts_with("lacks")), "positive control");
    }

    #[test]
    fn sizes_have_the_largest_unit_that_fits() {
        for (bytes, text) in [(1, "1 bytes"), (1 << 10, "1KiB"), (1536, "1536 bytes"), (64 << 20, "64MiB"), (3 << 40, "3TiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
