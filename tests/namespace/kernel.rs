//! Threads with less than the kernel and the test have.

use nix::libc;

/// Lets the calling thread find no mount_setattr(2), as on kernels before 5.12.
pub fn without_mount_setattr() {
    let jump = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    let statement = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    // The number of the call is the first word of `struct seccomp_data`.
    let mut program = [
        statement((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0),
        statement(jump, 1, libc::SYS_mount_setattr as u32),
        statement(answer, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        statement(answer, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program outlives the call.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

/// Makes the calling thread, alone, nobody's.
pub fn without_privilege() {
    // SAFETY: takes numbers; not the C library's, which would change every thread.
    let set = unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}
