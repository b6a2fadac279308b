//! System calls as the kernel takes them, for the moment between clone and exec, when the C library must not be asked: its own
//! wrappers of `setresuid` and the like talk to every thread of the process, and the child shares the parent's memory.

use std::io;

/// Makes a system call; the error is the errno.
///
/// # Safety
/// As for the call: each argument must be what it takes, and pointers must be good for as long as the kernel uses them.
pub(super) unsafe fn call(number: libc::c_long, arguments: [usize; 5]) -> Result<usize, i32> {
    let [first, second, third, fourth, fifth] = arguments;
    // SAFETY: the caller vouches for the arguments; `syscall` itself touches nothing but errno.
    let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth) };
    // SAFETY: the address of errno is good in every thread.
    usize::try_from(result).map_err(|_| unsafe { *libc::__errno_location() })
}

/// Bytes of a page: 4 KiB, or 16 or 64 on some aarch64 kernels.
pub(super) fn page_size() -> io::Result<usize> {
    // SAFETY: asks for a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).map_err(|_| io::Error::last_os_error())
}
