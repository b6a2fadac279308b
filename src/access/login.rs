//! What the audit system of the kernel calls this login, so that its records join ours: auditd(8) has `auid=` and `ses=` on every line.
//!
//! pam_loginuid(8) sets both for good when somebody logs in, and every process inherits them whatever user it becomes. Nothing here writes
//! them: a command that runs as another user is still this login's.

use std::fs;

/// The login's uid and the number of its session (proc_pid_loginuid(5)); `None` where nobody has set them, or this kernel has no audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Login {
    pub uid: Option<u32>,
    pub session: Option<u32>,
}

impl Login {
    pub fn of_this_process() -> Login {
        let read = |path| fs::read_to_string(path).ok().and_then(|text| id(&text));
        Login { uid: read("/proc/self/loginuid"), session: read("/proc/self/sessionid") }
    }
}

/// Minus one, as a number without a sign, stands for none.
fn id(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|id| *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_set_is_nothing() {
        for (text, expected) in [("1001", Some(1001)), ("0\n", Some(0)), ("4294967295", None), ("-1", None), ("", None), ("x", None)] {
            assert_eq!(id(text), expected, "{text:?}");
        }
    }
}
