//! What is said of a confinement that gives away more than it seems to, while its source is read.
//!
//! What the second door refuses in any case, or what would undo a door, is an error; what is meant now and then is a warning.

use super::reader::Reader;
use super::values;
use crate::policy::confinement::{Base, Confinement, Exec, Processes, is_loader};
use crate::policy::findings::Mistake;
use crate::policy::hidden::HIDDEN;
use crate::policy::load::{Kind, Node, Value};
use crate::policy::{glob, services};
use crate::sys::capability::Capabilities;
use crate::words::{Severity, Span, paths};

/// Directories that cannot be written as a whole: what is in them decides what runs, and for whom.
const HOST: [&str; 11] = ["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/boot", "/proc", "/sys"];

/// postern's own.
const OWN: [&str; 3] = [paths::POLICY_DIR, paths::STATE_DIR, "/var/log/postern"];

/// Programs that do whatever their arguments say.
const INTERPRETERS: [&str; 37] = [
    "sh", "ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "rbash", "tcsh", "zsh", "busybox", "toybox", "awk", "gawk", "mawk", "nawk",
    "ed", "emacs", "ex", "expect", "gdb", "guile", "jshell", "julia", "lua", "luajit", "node", "nodejs", "perl", "php", "python", "R",
    "ruby", "tclsh", "vi", "vim",
];

/// Programs that start the program that they are told to.
const WRAPPERS: [&str; 34] = [
    "chroot",
    "chrt",
    "doas",
    "env",
    "find",
    "flock",
    "ionice",
    "ltrace",
    "make",
    "nice",
    "nohup",
    "nsenter",
    "numactl",
    "parallel",
    "pkexec",
    "run-parts",
    "runuser",
    "script",
    "setarch",
    "setpriv",
    "setsid",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "systemd-run",
    "taskset",
    "time",
    "timeout",
    "unshare",
    "watch",
    "xargs",
    "prlimit",
    "start-stop-daemon",
];

/// Capabilities that give away more than they seem to: why, and what would do.
const WIDE: [(&str, &str, &str); 9] = [
    (
        "CAP_SYS_ADMIN",
        "is as good as root: it commands disks, and reads the environments of other processes",
        "look for a narrower one in capabilities(7)",
    ),
    (
        "CAP_SYS_RAWIO",
        "is as good as root: it commands disks, and through /proc/kcore reads all memory",
        "let through only forms that look",
    ),
    (
        "CAP_DAC_OVERRIDE",
        "reads what root can read in the places of the confinement, and writes where that writes",
        "CAP_DAC_READ_SEARCH reads only; less still is a user or a group that may, by `as:`",
    ),
    ("CAP_SETUID", "is as good as root: the command becomes whom it likes", "say by `as:` whom the command runs as"),
    ("CAP_SETGID", "lets the command into any group, that of root and those of disks too", "say by `as:` whom the command runs as"),
    (
        "CAP_NET_ADMIN",
        "changes interfaces, routes and the firewall, and no door tells reading those from changing them",
        "let through only forms that look",
    ),
    ("CAP_SYS_NICE", "slows down or starves any process, the shell too", "let through only forms that are meant to"),
    (
        "CAP_PERFMON",
        "watches the kernel and every process: calls, addresses, environments, pieces of memory",
        "let through only forms that count, and no recording",
    ),
    ("CAP_SYS_RESOURCE", "raises the limits that the kernel itself holds a command to", "set `limits` on `cpu`, `memory` and `processes`"),
];

/// Capabilities for what stays closed in every confinement but `open`.
const IDLE: [&str; 18] = [
    "CAP_AUDIT_CONTROL",
    "CAP_AUDIT_READ",
    "CAP_AUDIT_WRITE",
    "CAP_BPF",
    "CAP_CHOWN",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE",
    "CAP_MKNOD",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_SYS_BOOT",
    "CAP_SYS_CHROOT",
    "CAP_SYS_MODULE",
    "CAP_SYS_PACCT",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
];

/// Says what there is to say of `read:`.
pub fn on_read(reader: &mut Reader<'_>, node: &Node) {
    for (_, span) in items(node).filter(|(path, _)| *path == "/") {
        let mistake = Mistake::new("everything but the hidden list can be read: customers' data and homes too");
        reader.warning(span, mistake.with_help("name the directories that the command is to read"));
    }
}

/// Says what there is to say of `write:`.
pub fn on_write(reader: &mut Reader<'_>, node: &Node) {
    for (path, span) in items(node) {
        let above = |place: &&&str| glob::path_or_below(path, place, "/");
        if let Some(place) = HOST.iter().find(above) {
            let mistake = Mistake::new(format!("`write`: whoever can write {place} decides what the host runs"));
            reader.error(span, mistake.with_help("name the directory below it that the command writes to"));
        } else if let Some(own) = OWN.iter().find(|own| above(own) || glob::path_or_below(own, path, "/")) {
            let mistake = Mistake::new(format!("`write`: {path} would open {own} to the command, which is postern's own"));
            reader.error(span, mistake.with_help("name the directory that the command writes to, and no other"));
        }
    }
}

/// Says what there is to say of `hide:`.
pub fn on_hide(reader: &mut Reader<'_>, node: &Node) {
    let known = |glob: &str| HIDDEN.iter().any(|group| group.paths.contains(&glob));
    for (glob, span) in items(node).filter(|(glob, _)| glob::path_or_below("/proc", glob, "/") && !known(glob)) {
        let mistake = Mistake::new(format!("`hide`: {glob} cannot be held, /proc is shown as a whole"));
        reader.error(span, mistake.with_help("leave it out: what is private to other processes is hidden in any case"));
    }
}

/// Says what there is to say of `unhide:`.
pub fn on_unhide(reader: &mut Reader<'_>, node: &Node) {
    let globs: Vec<(&str, Span)> = items(node).collect();
    if let Some((glob, span)) = globs.iter().find(|(glob, _)| matches!(*glob, "/" | "/**")) {
        let mistake = Mistake::new(format!("`{glob}` shows all that is hidden: keys, passwords, other processes' memory"));
        return reader.warning(*span, mistake.with_help("name the files that the command is to read"));
    }
    let is_shown = |hidden: &&str| globs.iter().any(|(glob, _)| glob::path_or_below(glob, hidden, "/"));
    for group in HIDDEN.iter().filter(|group| group.paths.iter().all(is_shown)) {
        let mistake = Mistake::new(format!("this shows all of a group that is hidden: {}", group.reason));
        reader.warning(node.span, mistake.with_help("name the files that the command is to read"));
    }
}

/// Says what there is to say of `exec:`.
pub fn on_exec(reader: &mut Reader<'_>, node: &Node) {
    if matches!(&node.value, Value::Scalar(Kind::Text, text) if text == "any") {
        let mistake = Mistake::new("`exec: any` lets the command start whatever its user can start, shells too");
        return reader.warning(node.span, mistake.with_help("list the programs that it has to start"));
    }
    for (path, span) in items(node) {
        let name = path.rsplit('/').next().unwrap_or(path);
        if is_loader(name) {
            let mistake = Mistake::new(format!("`exec`: {path} is an ELF loader, which runs any program; it is never started by name"));
            reader.error(span, mistake.with_help("take it out; programs that are started need no loader on the list"));
        } else if INTERPRETERS.contains(&unversioned(name)) {
            let mistake = Mistake::new(format!("`exec`: {path} does whatever its arguments say, within this confinement"));
            reader.warning(span, mistake.with_help("list the programs that it would be used to start in its place"));
        } else if WRAPPERS.contains(&name) {
            let mistake =
                Mistake::new(format!("`exec`: {path} starts what its arguments name: any program of this list, with any arguments"));
            reader.warning(span, mistake.with_help("list the programs that it would be used to start in its place"));
        }
    }
}

/// Says what there is to say of `sockets:`.
pub fn on_sockets(reader: &mut Reader<'_>, node: &Node) {
    for (path, span) in items(node) {
        let real = path.strip_prefix("/var/run").map_or_else(|| path.to_owned(), |rest| format!("/run{rest}"));
        let met = |socket: &&&str| glob::path_or_below(socket, &real, "/") || glob::path_or_below(&real, socket, "/");
        for (reason, socket) in services::CAUTIONS.iter().filter_map(|group| Some((group.reason, group.sockets.iter().find(met)?))) {
            let holds = if real.len() < socket.len() { format!(", which holds {socket}") } else { String::new() };
            let mistake = Mistake::new(format!("`sockets`: {path}{holds}: {reason}"));
            reader.warning(span, mistake.with_help("name the sockets that the command needs, and let through only forms that look"));
        }
    }
}

/// Says what there is to say of `capabilities:`, each by itself.
pub fn on_capabilities(reader: &mut Reader<'_>, node: &Node) {
    for (name, span) in items(node).filter_map(|(text, span)| Some((values::capability(text).ok()?, span))) {
        if let Some((_, what, help)) = WIDE.iter().find(|(wide, ..)| *wide == name) {
            reader.warning(span, Mistake::new(format!("`capabilities`: {name} {what}")).with_help(*help));
        } else if IDLE.contains(&name.as_str()) {
            let mistake = Mistake::new(format!("`capabilities`: {name} is for what stays closed to every command but those under `open`"));
            reader.warning(span, mistake.with_help("take it out"));
        }
    }
}

/// What is to be said of keys together, once all bases are in: how bad it is, and the key under which `accept` has it.
pub fn of_whole(confine: &Confinement) -> Vec<(Severity, &'static str, Mistake)> {
    use Severity::{Error, Warning};
    let open = confine.base == Base::Open;
    let (looks, traces) = (confine.looks(), confine.processes == Processes::Trace && !open);
    let given = Capabilities::of_names(&confine.capabilities);
    let reads_all = given.meets(Capabilities::DAC_READ_SEARCH | Capabilities::DAC_OVERRIDE);
    let sees_all = given.meets(Capabilities::SYS_PTRACE);
    let anywhere = confine.base == Base::Network && confine.network.is_empty();
    let cautions = [
        (
            looks && !confine.write.is_empty(),
            Error,
            "write",
            "`write` cannot be held to its places for a command that looks at other processes (`processes`)",
            "give what is written to a rule of its own",
        ),
        (
            looks && matches!(confine.exec, Exec::Paths(_)),
            Error,
            "exec",
            "a list under `exec` cannot be held for a command that looks at other processes (`processes`)",
            "give what is started a rule of its own",
        ),
        (
            looks && !confine.hide.is_empty(),
            Warning,
            "hide",
            "`hide` holds where an argument names it and no further, for a command that looks at other processes (`processes`)",
            "what is hidden by the built-in list is masked",
        ),
        (
            sees_all && !looks && !open,
            Warning,
            "capabilities",
            "CAP_SYS_PTRACE shows nothing more under `processes: own`",
            "write `processes: look` with it, or take it out",
        ),
        (
            traces && sees_all,
            Warning,
            "processes",
            "`processes: trace` with CAP_SYS_PTRACE is as good as root: it reads the memory of every process, keys and passwords in it",
            "let the command run `as:` the user whose processes it traces",
        ),
        (
            looks && reads_all && !sees_all,
            Warning,
            "processes",
            "with `processes` and a capability that reads all, the command reads every file that is not masked, whatever its mode",
            "let through only forms that name no file",
        ),
        (
            looks && reads_all && sees_all && !traces,
            Warning,
            "processes",
            "with `processes` and these capabilities the command reads what root reads: environments and memory of all processes, all that is not masked",
            "let through only forms that name no file, or let it run `as:` the user whose processes it looks at",
        ),
        (
            given.meets(Capabilities::NET_RAW) && !anywhere && !open,
            Warning,
            "capabilities",
            "CAP_NET_RAW sends any packet anywhere, and shows those of others; `network` does not hold it",
            "let through only forms that are meant to",
        ),
    ];
    let said = cautions.into_iter().filter(|(so, ..)| *so);
    said.map(|(_, severity, key, what, help)| (severity, key, Mistake::new(what).with_help(help))).collect()
}

/// `python3.11` is python.
fn unversioned(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'))
}

/// The texts of a list, with their places.
fn items(node: &Node) -> impl Iterator<Item = (&str, Span)> {
    let list = if let Value::List(items) = &node.value { items.as_slice() } else { &[] };
    list.iter().filter_map(|item| match &item.value {
        Value::Scalar(Kind::Text, text) => Some((text.as_str(), item.span)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::undoes;

    #[test]
    fn whatever_is_warned_of_as_wide_undoes_something() {
        for (name, ..) in WIDE {
            assert!(!undoes::of_capability(name).is_empty(), "{name}");
        }
    }
}
