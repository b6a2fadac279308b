//! Named second doors: what a policy says that a command may reach. `confine` makes a plan of them.
//!
//! Where contents can be read stands here once, for both doors: the first refuses an argument that the second would not let the command
//! read, so that the person is told which place it is and why, and not only that permission was denied.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::hidden::HIDDEN;
use super::{glob, services};

/// A confinement, its bases merged in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// As the rule names it; an inline one is named after its base, `inspect+`.
    pub name: String,
    /// Which of the built-in ones it refines.
    pub base: Base,
    /// Absolute paths whose contents can be read on top of the base's, with all that is below them.
    pub read: Vec<String>,
    /// Path globs of the rule's own path types, where the base does not read already: their contents can be read too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<String>,
    /// Absolute paths that can be written, with all that is below them.
    pub write: Vec<String>,
    /// Path globs hidden on top of the built-in list; `~` is the account's home directory.
    pub hide: Vec<String>,
    /// Path globs taken from the hidden lists.
    pub unhide: Vec<String>,
    pub exec: Exec,
    /// Absolute paths of Unix sockets that can be connected to on top of the base's, with all that is below them.
    pub sockets: Vec<String>,
    /// Ports that can be connected to: `tcp:443`, `udp:53`, `443` for both.
    pub network: Vec<String>,
    /// Capabilities as capabilities(7) writes them: `CAP_NET_RAW`.
    pub capabilities: Vec<String>,
    pub processes: Processes,
    pub limits: Limits,
    /// `log_files:` of the rule — the files that the command opens, in the places that the policy adds, are on record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log_files: bool,
    /// `accept:` — why what `check` and `lint` warn of is meant, by the key that it is about.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accept: BTreeMap<String, String>,
}

/// The built-in confinements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    Sealed,
    #[default]
    Inspect,
    Service,
    Network,
    Open,
}

/// Which programs the command may start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exec {
    #[default]
    None,
    Paths(Vec<String>),
    Any,
}

/// What a command sees of processes that it did not start. No Landlock domain lets it see more than the first, whatever it has, so from the
/// second on there is none, and other means hold what Landlock would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Processes {
    /// What everybody may know of them.
    #[default]
    Own,
    /// What its user may look at: programs, open files, connections.
    Look,
    /// The same, and their calls and memory by ptrace(2).
    Trace,
}

/// Bounds on what one command may use; `None` for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Milliseconds of processor time.
    pub cpu: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes at a time.
    pub processes: Option<u64>,
    /// Open files of one process.
    pub files: Option<u64>,
    /// Bytes of one file that is written.
    pub file_size: Option<u64>,
}

/// Programs, configuration, the state of the kernel and of services, logs; and where programs and libraries are on hosts whose `/bin` is no
/// link.
const INSPECTED: &[&str] = &["/usr", "/etc", "/proc", "/sys", "/run", "/var/log", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What programs need to start and to speak: the loader and libraries, locales, time zones, terminals, names of users and hosts, and the
/// few numbers of the kernel that the C library asks for.
const RUNTIME: &[&str] = &[
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/local/lib",
    "/usr/share/locale",
    "/usr/share/locale-langpack",
    "/usr/share/terminfo",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/locale.alias",
    "/etc/locale.conf",
    "/etc/default/locale",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/terminfo",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/gai.conf",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/run/systemd/resolve/resolv.conf",
    "/run/systemd/resolve/stub-resolv.conf",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/sys/devices/system/cpu",
    "/sys/kernel/mm/transparent_hugepage",
];

/// Devices that hold nothing of anybody's: every command reads them.
pub const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// Places that one message names.
const NAMED: usize = 10;

impl Base {
    /// All of them, the strictest first.
    pub const ALL: [Base; 5] = [Base::Sealed, Base::Inspect, Base::Service, Base::Network, Base::Open];

    /// As policies and records name it.
    pub fn name(self) -> &'static str {
        match self {
            Base::Sealed => "sealed",
            Base::Inspect => "inspect",
            Base::Service => "service",
            Base::Network => "network",
            Base::Open => "open",
        }
    }

    /// Absolute paths whose contents can be read, with all that is below them. Besides, every confinement reads [`DEVICES`].
    pub fn roots(self) -> &'static [&'static str] {
        match self {
            Base::Sealed => RUNTIME,
            Base::Inspect | Base::Service | Base::Network => INSPECTED,
            Base::Open => &["/"],
        }
    }

    /// The same for people.
    fn roots_in_words(self) -> &'static [&'static str] {
        match self {
            Base::Sealed => &["what programs need to run"],
            Base::Inspect | Base::Service | Base::Network => INSPECTED.split_at(6).0,
            Base::Open => &["everything"],
        }
    }

    /// The built-in confinement of that name.
    pub fn named(name: &str) -> Option<Base> {
        Base::ALL.into_iter().find(|base| base.name() == name)
    }
}

impl Display for Base {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Confinement {
    /// A built-in confinement.
    pub fn built_in(base: Base) -> Confinement {
        let exec = if base == Base::Open { Exec::Any } else { Exec::None };
        Confinement { name: base.name().to_owned(), base, exec, ..Confinement::default() }
    }

    /// The same, for a rule whose own path types have these globs. What the base reads already is left out, so that rules with the same
    /// rights have equal confinements.
    pub fn reading(self, globs: Vec<String>) -> Confinement {
        let new = |glob: &String| !self.base.roots().iter().any(|root| glob::path_or_below(root, glob, ""));
        let roots = globs.into_iter().filter(new).collect();
        Confinement { roots, ..self }
    }

    /// The same with those of its own types' places alone that these absolute, resolved paths are in.
    pub fn leading_to(mut self, paths: &[String], home: &str) -> Confinement {
        self.roots.retain(|glob| paths.iter().any(|path| glob::path_or_below(glob, path, home)));
        self
    }

    /// Whether the contents of an absolute, resolved path can be read. Of one that does not exist: whether they could, if it did.
    pub fn reads(&self, path: &str, home: &str) -> bool {
        self.reaches(path, home) && !self.hides(path, home)
    }

    /// Whether a path is in a place whose contents can be read, hidden or not.
    pub fn reaches(&self, path: &str, home: &str) -> bool {
        let mut places = self.base.roots().iter().chain(&DEVICES).copied().chain(self.own_places());
        places.any(|place| glob::path_or_below(place, path, home))
    }

    /// Where contents can be read, for people: the base's places and those that the policy adds, each once.
    pub fn places_in_words(&self) -> String {
        let mut places: Vec<&str> = Vec::new();
        for place in self.base.roots_in_words().iter().copied().chain(self.own_places()) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let more = if places.len() > NAMED { format!(" and {} more", places.len() - NAMED) } else { String::new() };
        places.truncate(NAMED);
        format!("{}{more}", places.join(", "))
    }

    /// What the policy adds to the places that the base reads.
    pub fn own_places(&self) -> impl Iterator<Item = &str> {
        [&self.read, &self.write, &self.roots].into_iter().flatten().map(String::as_str)
    }

    /// Absolute paths of Unix sockets that can be connected to, with all that is below them: its own, and the services' of its base.
    pub fn all_sockets(&self) -> impl Iterator<Item = &str> {
        let services = if self.base == Base::Service { services::SERVICES } else { &[] };
        self.sockets.iter().map(String::as_str).chain(services.iter().flat_map(|group| group.sockets).copied())
    }

    /// Whether an absolute, resolved path can be written. What is hidden cannot.
    pub fn writes(&self, path: &str, home: &str) -> bool {
        let listed = || self.write.iter().any(|pattern| glob::path_or_below(pattern, path, home)) && !self.hides(path, home);
        self.base == Base::Open || listed()
    }

    /// Whether no Landlock domain holds the command.
    pub fn is_unscoped(&self) -> bool {
        self.base == Base::Open || self.looks()
    }

    /// Whether the command looks at processes that it did not start, and is held by its filter for the sake of that.
    pub fn looks(&self) -> bool {
        self.base != Base::Open && self.processes != Processes::Own
    }

    /// Whether there is anything that can be written.
    pub fn writes_anything(&self) -> bool {
        self.base == Base::Open || !self.write.is_empty()
    }

    /// Whether an absolute path is in a place that the policy adds, hidden or not: to what the command writes, or to all that it reads.
    pub fn is_in_own_place(&self, path: &str, home: &str, writes: bool) -> bool {
        let covers = |place: &str| glob::path_or_below(place, path, home);
        if writes { self.write.iter().map(String::as_str).any(covers) } else { self.own_places().any(covers) }
    }

    /// Whether the contents of an absolute, resolved path are hidden from the command.
    pub fn hides(&self, path: &str, home: &str) -> bool {
        let covers = |pattern: &str| glob::path_or_below(pattern, path, home);
        let built_in = || HIDDEN.iter().flat_map(|group| group.paths).any(|pattern| covers(pattern));
        let hidden = self.hide.iter().any(|pattern| covers(pattern)) || (self.base != Base::Open && built_in());
        hidden && !self.unhide.iter().any(|pattern| covers(pattern))
    }
}

/// Whether a file name is that of the loader of ELF programs, ld.so(8), under the names that it has on Linux, musl's too:
/// `ld-linux-x86-64.so.2`, `ld-2.31.so`, `ld64.so.2`. It starts any file that it can read.
pub fn is_loader(name: &str) -> bool {
    let versioned = name.strip_prefix("ld-").and_then(|rest| rest.strip_suffix(".so"));
    let glibc = versioned.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()));
    glibc || ["ld-linux", "ld-musl", "ld64.so", "ld.so"].iter().any(|prefix| name.starts_with(prefix))
}
