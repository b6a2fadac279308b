//! Whether this process has privilege that its caller lacks.

/// Whether the kernel started this process with more than its caller has: set-user-ID, set-group-ID or file capabilities (`AT_SECURE`
/// of getauxval(3)). Such a process takes nothing from its caller that decides what is trusted.
pub fn is_elevated() -> bool {
    // SAFETY: getauxval reads a table that the kernel gave this process; any argument is valid.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
