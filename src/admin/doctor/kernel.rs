//! What the kernel gives the second door, and what it lets processes do to one another.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Check, Finding, Level};
use super::host::Host;
use super::reading::text;
use crate::admin::output::count;
use crate::confine::{Kernel, Plan, Protection};
use crate::policy::settings::Strength;
use crate::policy::{Applied, Damaged};

pub const CHECKS: &[Check] = &[
    Check { id: "kernel.landlock", run: |host| vec![landlock(host.kernel.landlock)] },
    Check { id: "kernel.seccomp", run: |host| vec![seccomp(&host.kernel)] },
    Check { id: "kernel.protections", run: protections },
    Check { id: "kernel.ia32", run: |_| vec![ia32()] },
    Check { id: "kernel.ptrace", run: |_| vec![ptrace(setting("kernel/yama/ptrace_scope").as_deref())] },
    Check { id: "kernel.tiocsti", run: |_| vec![tiocsti(setting("dev/tty/legacy_tiocsti").as_deref())] },
    Check { id: "kernel.links", run: |_| LINKS.map(|name| links(name, setting(name).as_deref())).into() },
    Check { id: "kernel.core", run: |_| vec![core(setting("kernel/core_pattern").as_deref())] },
    Check { id: "kernel.suid_dumpable", run: |_| vec![suid_dumpable(setting("fs/suid_dumpable").as_deref())] },
    Check { id: "kernel.hidepid", run: hidepid },
    Check { id: "kernel.namespaces", run: |_| vec![namespaces(setting)] },
];

const LINKS: [&str; 2] = ["fs/protected_hardlinks", "fs/protected_symlinks"];

/// A value below /proc/sys; `None` where this kernel has no such setting.
fn setting(name: &str) -> Option<String> {
    text(format!("/proc/sys/{name}")).ok().map(|value| value.trim().to_owned())
}

fn landlock(abi: u32) -> Finding {
    let subject = "Landlock";
    let lacks = [(2, "moving files between directories"), (3, "truncation"), (4, "TCP"), (5, "ioctls of devices"), (6, "signals")];
    let lacks: Vec<&str> = lacks.iter().filter(|(since, _)| abi < *since).map(|(_, what)| *what).collect();
    match (abi, &lacks[..]) {
        (0, _) => Finding::warning(subject, "this kernel has none: nothing holds which files a command reads and writes")
            .fix("boot a kernel from 5.13 on, with `landlock` in its lsm= list"),
        (_, []) => Finding::ok(subject, format!("ABI {abi}, with all that is used here")),
        (_, lacks) => Finding::note(subject, format!("ABI {abi}, without {}: the filter stands in for it", lacks.join(", ")))
            .fix("a kernel from 6.12 on has all of it (ABI 6)"),
    }
}

fn seccomp(kernel: &Kernel) -> Finding {
    let subject = "seccomp";
    match (kernel.filter, kernel.listener) {
        (false, _) => Finding::problem(subject, "this kernel has no filters: nothing holds a command to one program, or off the network")
            .fix("a kernel with CONFIG_SECCOMP_FILTER"),
        (true, false) => {
            Finding::warning(subject, "filters, but no notifications: what they decide about (sockets, ports, programs) is refused or open")
                .fix("a kernel from 5.9 on, and no filter with a listener above the shell, as some container runtimes have one")
        }
        (true, true) => Finding::ok(subject, "filters, and notifications that can be asked for"),
    }
}

/// Whether every rule of the policy in force is held to all that its confinement says.
fn protections(host: &Host) -> Vec<Finding> {
    let Ok(in_force) = &host.policy else { return vec![Finding::skipped("policy", "no policy is in force, so no rule asks for anything")] };
    match lacking(&in_force.policy, &host.kernel) {
        Err(damaged) => vec![Finding::skipped("policy", damaged.to_string())],
        Ok((rules, missing)) if missing.is_empty() => {
            vec![Finding::ok("policy", format!("this kernel gives all that {rules} rules ask for"))]
        }
        Ok((_, missing)) => {
            let place = |(scope, line): &(u32, u32)| {
                let source = in_force.policy.scopes().get(*scope as usize).map_or("", |scope| scope.source.as_str());
                format!("{source}:{line}")
            };
            let strength = &in_force.policy.settings().strength;
            let first = |rules: &BTreeSet<_>| rules.first().map(place).unwrap_or_default();
            missing.iter().map(|(protection, rules)| lack(*protection, rules.len(), &first(rules), strength)).collect()
        }
    }
}

type Missing = BTreeMap<Protection, BTreeSet<(u32, u32)>>;

/// The number of rules, and by protection the scopes and lines of those whose plan lacks it. Where sessions have no mount namespace nobody becomes
/// root, and rules that need it are passed over.
fn lacking(policy: &Applied, kernel: &Kernel) -> Result<(usize, Missing), Damaged> {
    let (mut count, mut missing) = (0, Missing::new());
    for command in policy.commands()? {
        let rules = policy.rules(&command)?;
        let allowed = rules.iter().flat_map(|rules| &rules.allow);
        for rule in allowed.filter(|rule| kernel.namespace || !rule.needs_privilege()) {
            count += 1;
            for protection in Plan::of(&rule.confine, kernel).missing {
                missing.entry(protection).or_default().insert((rule.scope, rule.line));
            }
        }
    }
    Ok((count, missing))
}

/// One protection that rules lack: how many, and the place of the first.
fn lack(protection: Protection, rules: usize, first: &str, strength: &Strength) -> Finding {
    let name = protection.name();
    let (level, then) = match strength {
        Strength::All => (Level::Problem, "they are refused"),
        Strength::Require(required) if required.iter().any(|required| required == name) => (Level::Problem, "they are refused"),
        Strength::Require(_) | Strength::BestEffort => (Level::Warning, "they run without, as the policy says"),
    };
    let message = format!("this kernel does not give it to {} that ask for it, the first at {first}: {then}", count(rules, "rule"));
    Finding::new(level, name, message).fix(format!("needs {}", protection.needs()))
}

/// The filter kills whatever calls the kernel as another architecture would.
fn ia32() -> Finding {
    Finding::ok("IA32 emulation", "closed to commands by the filter, whether the kernel has it or not")
}

fn ptrace(scope: Option<&str>) -> Finding {
    let subject = "kernel.yama.ptrace_scope";
    match scope {
        Some("0") | None => {
            Finding::note(subject, "processes of one account may trace each other; commands and the shell are kept from it by other means")
                .fix("kernel.yama.ptrace_scope = 1 in /etc/sysctl.d, on a kernel with Yama")
        }
        Some(scope) => Finding::ok(subject, format!("{scope}: processes of one account are kept apart")),
    }
}

fn tiocsti(legacy: Option<&str>) -> Finding {
    let subject = "dev.tty.legacy_tiocsti";
    match legacy {
        Some("0") => Finding::ok(subject, "0: nobody types into a terminal for others"),
        Some(_) => {
            Finding::note(subject, "a program may type into its terminal; the filter keeps commands from it, but not those under `open`")
                .fix("dev.tty.legacy_tiocsti = 0 in /etc/sysctl.d")
        }
        None => {
            Finding::note(subject, "this kernel cannot turn off that a program types into its terminal; the filter keeps commands from it")
                .fix("a kernel from 6.2 on")
        }
    }
}

fn links(name: &str, value: Option<&str>) -> Finding {
    let subject = name.replace('/', ".");
    match value {
        Some("0") | None => Finding::warning(&subject, "an account can make links that lead others, root too, to files of its choice")
            .fix(format!("{subject} = 1 in /etc/sysctl.d")),
        Some(value) => Finding::ok(subject, format!("{value}: links in shared directories lead nobody astray")),
    }
}

fn core(pattern: Option<&str>) -> Finding {
    let subject = "kernel.core_pattern";
    match pattern {
        Some(pattern) if pattern.starts_with('|') => Finding::note(
            subject,
            "dumps go to a program, which a limit of 0 does not stop: what a command had in memory when it crashed may be kept",
        )
        .fix("let that program keep none: for systemd, Storage=none in /etc/systemd/coredump.conf"),
        _ => Finding::ok(subject, "dumps are files, and commands have a limit of 0 on them"),
    }
}

/// proc_sys_fs(5). A shell that is set-user-ID forbids dumps of itself too, as the first thing that it does.
fn suid_dumpable(value: Option<&str>) -> Finding {
    let subject = "fs.suid_dumpable";
    let fix = "fs.suid_dumpable = 0 in /etc/sysctl.d, unless dumps of such programs are wanted";
    match value {
        Some("1") => Finding::note(subject, "1: who starts a set-user-ID program may trace it, and gets dumps of its memory").fix(fix),
        Some("2") => Finding::note(subject, "2: dumps of set-user-ID programs are made, which root alone can read").fix(fix),
        _ => Finding::ok(subject, "no dumps are made of set-user-ID programs"),
    }
}

/// posternsh reads its parent's status in /proc, and believes in a client's address only when that is sshd.
fn hidepid(host: &Host) -> Vec<Finding> {
    let proc = host.mounts.iter().rfind(|mount| mount.kind == "proc" && mount.point.as_os_str() == "/proc");
    let hides = |option: &&String| option.starts_with("hidepid=") && !matches!(option.as_str(), "hidepid=0" | "hidepid=off");
    let Some(option) = proc.and_then(|mount| mount.options.iter().find(hides)) else {
        return vec![Finding::ok("/proc", "accounts can see who started them")];
    };
    let decides = host.policy.as_ref().is_ok_and(|in_force| in_force.policy.scopes().iter().any(|scope| !scope.from.is_empty()));
    let level = if decides { Level::Warning } else { Level::Note };
    let effect = if decides { "no rule of a file with `from:` allows anything" } else { "records have no address" };
    let message = format!("{option} keeps from an account who started it, so the client's address is unknown to the shell: {effect}");
    vec![Finding::new(level, "/proc", message).command(["mount", "-o", "remount,hidepid=0", "/proc"])]
}

fn namespaces(setting: impl Fn(&str) -> Option<String>) -> Finding {
    let subject = "user namespaces";
    let off = |name: &str| setting(name).as_deref() == Some("0");
    if off("user/max_user_namespaces") || off("kernel/unprivileged_userns_clone") {
        return Finding::ok(subject, "only root can make them");
    }
    Finding::note(
        subject,
        "any account can make them, and reach more of the kernel there; the filter keeps commands from it, but not those under `open`",
    )
    .fix("user.max_user_namespaces = 0 in /etc/sysctl.d, if nothing else on the host needs them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_judged_by_their_values() {
        let kernel = |filter, listener| Kernel { landlock: 7, filter, listener, namespace: false };
        for (finding, level) in [
            (landlock(0), Level::Warning),
            (landlock(2), Level::Note),
            (landlock(6), Level::Ok),
            (landlock(9), Level::Ok),
            (seccomp(&kernel(false, false)), Level::Problem),
            (seccomp(&kernel(true, false)), Level::Warning),
            (seccomp(&kernel(true, true)), Level::Ok),
            (ptrace(None), Level::Note),
            (ptrace(Some("0")), Level::Note),
            (ptrace(Some("1")), Level::Ok),
            (tiocsti(None), Level::Note),
            (tiocsti(Some("1")), Level::Note),
            (tiocsti(Some("0")), Level::Ok),
            (links(LINKS[0], Some("0")), Level::Warning),
            (links(LINKS[1], Some("1")), Level::Ok),
            (core(Some("core")), Level::Ok),
            (core(Some("|/usr/lib/systemd/systemd-coredump %P")), Level::Note),
            (suid_dumpable(None), Level::Ok),
            (suid_dumpable(Some("0")), Level::Ok),
            (suid_dumpable(Some("1")), Level::Note),
            (suid_dumpable(Some("2")), Level::Note),
            (namespaces(|_| None), Level::Note),
            (namespaces(|name| (name == "kernel/unprivileged_userns_clone").then(|| "0".to_owned())), Level::Ok),
            (namespaces(|name| (name == "user/max_user_namespaces").then(|| "0".to_owned())), Level::Ok),
        ] {
            assert_eq!(finding.level, level, "{finding:?}");
            assert_eq!(finding.fix.is_some(), level != Level::Ok, "{finding:?}");
        }
        assert_eq!(landlock(4).message, "ABI 4, without ioctls of devices, signals: the filter stands in for it");
    }

    #[test]
    fn what_a_kernel_lacks_is_named_with_its_rules() {
        let text = "postern: 1\nallow:\n  - uptime\n  - { run: date, confine: open }\n";
        let source = crate::policy::compile::Source { name: "policy.yaml".to_owned(), bytes: text.as_bytes().to_vec(), main: true };
        let (policy, _) = Applied::from_sources(&[source]).unwrap();
        let all = Kernel { landlock: 7, filter: true, listener: true, namespace: false };
        assert_eq!(lacking(&policy, &all).unwrap(), (2, Missing::new()));
        let (_, missing) = lacking(&policy, &Kernel { landlock: 0, ..all }).unwrap();
        assert_eq!(missing.get(&Protection::Reads).unwrap(), &BTreeSet::from([(0, 3)]));

        let text = "postern: 1\nallow:\n  - { run: lsof, confine: { processes: look, capabilities: [CAP_SYS_PTRACE] } }\n  - lsof\n";
        let source = crate::policy::compile::Source { name: "policy.yaml".to_owned(), bytes: text.as_bytes().to_vec(), main: true };
        let (policy, _) = Applied::from_sources(&[source]).unwrap();
        assert_eq!(lacking(&policy, &all).unwrap(), (1, Missing::new()), "passed over where nobody is root");
        assert_eq!(lacking(&policy, &Kernel { namespace: true, ..all }).unwrap(), (2, Missing::new()));

        for (strength, level) in [
            (Strength::All, Level::Problem),
            (Strength::Require(vec!["reads".to_owned()]), Level::Problem),
            (Strength::Require(vec!["calls".to_owned()]), Level::Warning),
            (Strength::BestEffort, Level::Warning),
        ] {
            assert_eq!(lack(Protection::Reads, 1, "policy.yaml:3", &strength).level, level, "{strength:?}");
        }
    }
}
