//! Whether sshd(8) started this process, so that what it says of the client can be believed.
//!
//! `SSH_CONNECTION` alone proves nothing: `su` without `-`, `sudo` with `env_keep`, and whatever else starts a login shell hand on what their
//! caller has set. sshd starts it as its own child, from a process that has its name and runs wholly as root or as the account. Any program
//! can give itself that name, but not those ids: whoever runs as root or as the account, with a program of their choice, needs no false
//! address any more. Programs that lend privilege (`su`) keep their caller's real id, so their processes do not pass for sshd's either, and
//! a parent that was killed leaves its child to process 1 or to a process of the caller's. /proc/PID/exe would say more, but not to the account.

use std::fs;

use nix::unistd::{Uid, getppid};

/// What sshd's process of a session calls itself; the second since OpenSSH 9.8.
const NAMES: [&str; 2] = ["sshd", "sshd-session"];

/// Whether the parent of this process is sshd's, for a session of `account`. False where the kernel does not say (`hidepid` of proc(5)).
pub(super) fn is_parent(account: Uid) -> bool {
    let parent = getppid();
    let status = fs::read_to_string(format!("/proc/{parent}/status"));
    // A number is given to another process only once this one has another parent.
    status.is_ok_and(|status| is_sshd(&status, account)) && getppid() == parent
}

/// Whether this is the `status` (proc(5)) of a process of sshd's. The kernel escapes newlines in the name.
fn is_sshd(status: &str, account: Uid) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    let ids: Vec<u32> = field("Uid").unwrap_or_default().split_whitespace().filter_map(|id| id.parse().ok()).collect();
    // Real, effective, saved, of the file system.
    let wholly = |uid: u32| ids == [uid; 4];
    field("Name").is_some_and(|name| NAMES.contains(&name)) && (wholly(0) || wholly(account.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sshd_has_its_name_and_runs_wholly_as_root_or_as_the_account() {
        for (name, ids, believed) in [
            ("sshd", "1200\t1200\t1200\t1200", true),
            ("sshd", "0\t0\t0\t0", true),
            ("sshd-session", "1200\t1200\t1200\t1200", true),
            ("su", "0\t0\t0\t0", false),
            ("bash", "1200\t1200\t1200\t1200", false),
            ("sshd", "1001\t1001\t1001\t1001", false),
            ("sshd", "1001\t0\t0\t0", false),
            ("sshd", "1200\t1200\t1200", false),
            ("sshd\\nUid:\t0\t0\t0\t0", "1001\t1001\t1001\t1001", false),
            ("", "", false),
        ] {
            let status = format!("Name:\t{name}\nUmask:\t0022\nPid:\t77\nUid:\t{ids}\nGid:\t0\t0\t0\t0\n");
            assert_eq!(is_sshd(&status, Uid::from_raw(1200)), believed, "{name} {ids}");
        }
    }

    #[test]
    fn the_parent_of_a_test_is_not_sshd() {
        assert!(!is_parent(Uid::current()));
    }
}
