//! The protections, as records, policies and `postern doctor` name them.

/// One thing that the kernel holds a command to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    NoNewPrivileges,
    NoCapabilities,
    /// It has exactly those that its rule lists.
    ListedCapabilities,
    NoCore,
    /// It starts no other program.
    OneExec,
    /// It starts no other program than those of a list.
    ExecList,
    /// The calls that reach into the kernel, other processes or the terminal are closed.
    Calls,
    /// It reads the contents of listed places only, and of nothing that is hidden.
    Reads,
    /// It writes to listed places only; usually to none.
    Writes,
    /// What is hidden is covered up, for commands whose reads nothing else holds.
    Masks,
    /// It has no network, or that of the rule only.
    Network,
    /// It has no local sockets, or those of the rule only.
    Sockets,
    /// It signals nothing but what it started.
    Signals,
    /// The limits of its rule.
    Limits,
    /// The files that it opens are on record, as its rule asks.
    FileLog,
}

impl Protection {
    pub const ALL: [Protection; 15] = [
        Protection::NoNewPrivileges,
        Protection::NoCapabilities,
        Protection::ListedCapabilities,
        Protection::NoCore,
        Protection::OneExec,
        Protection::ExecList,
        Protection::Calls,
        Protection::Reads,
        Protection::Writes,
        Protection::Masks,
        Protection::Network,
        Protection::Sockets,
        Protection::Signals,
        Protection::Limits,
        Protection::FileLog,
    ];

    /// As records and policies write it.
    pub fn name(self) -> &'static str {
        match self {
            Protection::NoNewPrivileges => "no_new_privs",
            Protection::NoCapabilities => "no_capabilities",
            Protection::ListedCapabilities => "listed_capabilities",
            Protection::NoCore => "no_core",
            Protection::OneExec => "one_exec",
            Protection::ExecList => "exec_list",
            Protection::Calls => "calls",
            Protection::Reads => "reads",
            Protection::Writes => "writes",
            Protection::Masks => "masks",
            Protection::Network => "network",
            Protection::Sockets => "sockets",
            Protection::Signals => "signals",
            Protection::Limits => "limits",
            Protection::FileLog => "file_log",
        }
    }

    /// What it needs of the kernel, for who has to mend a lack of it.
    pub fn needs(self) -> &'static str {
        match self {
            Protection::NoNewPrivileges | Protection::NoCapabilities | Protection::ListedCapabilities | Protection::NoCore => {
                "any kernel that is supported"
            }
            Protection::OneExec | Protection::Calls => "seccomp filters (CONFIG_SECCOMP_FILTER)",
            Protection::Reads | Protection::Writes => {
                "Landlock (kernel 5.13, `landlock` in the lsm= list of the boot); for writes seccomp filters too"
            }
            Protection::Masks => "the session's own mount namespace, which posternsh makes where it is set-user-ID root",
            Protection::ExecList => "Landlock (kernel 5.13), and seccomp notifications (5.9) that nothing above the shell has taken",
            Protection::Network | Protection::Sockets | Protection::FileLog => {
                "seccomp notifications (kernel 5.9) that nothing above the shell has taken"
            }
            Protection::Signals => "Landlock ABI 6 (kernel 6.12), or seccomp notifications (kernel 5.9)",
            Protection::Limits => "for `processes`: another confinement than `open`, and seccomp notifications (kernel 5.9)",
        }
    }
}
