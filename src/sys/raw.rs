//! System calls as the kernel takes them, for the moment between clone and exec, when the C library must not be asked: its own
//! wrappers of `setresuid` and the like talk to every thread of the process, and the child shares the parent's memory, errno included.

use std::arch::asm;
use std::io;

/// Makes a system call; the error is the errno. Touches no memory but what the call itself does.
///
/// # Safety
/// As for the call: each argument must be what it takes, and pointers must be good for as long as the kernel uses them.
pub(super) unsafe fn call(number: libc::c_long, arguments: [usize; 5]) -> Result<usize, i32> {
    let [first, second, third, fourth, fifth] = arguments;
    let result: isize;
    // SAFETY: registers as in syscall(2); the kernel changes those named and, as the caller vouches, memory that may be changed.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") first, in("rsi") second, in("rdx") third,
            in("r10") fourth, in("r8") fifth, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") first as isize => result, in("x1") second, in("x2") third, in("x3") fourth,
            in("x4") fifth, options(nostack));
    }
    // Errors are -4095 to -1; an address, which no call made here returns, could look negative otherwise.
    usize::try_from(result).map_err(|_| -result as i32)
}

/// Bytes of a page: 4 KiB, or 16 or 64 on some aarch64 kernels.
pub(super) fn page_size() -> io::Result<usize> {
    // SAFETY: asks for a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).map_err(|_| io::Error::last_os_error())
}
