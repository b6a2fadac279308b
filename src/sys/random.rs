//! Random bytes from the kernel.

use nix::errno::Errno;

/// A few random bytes, as `getrandom(2)` gives them: never blocks once the system is up.
///
/// # Errors
/// `ENOSYS` or what a seccomp filter answers; a request of up to 256 bytes cannot be interrupted or cut.
pub fn bytes<const COUNT: usize>() -> nix::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    // SAFETY: the kernel writes at most `bytes.len()` bytes to a buffer of that length.
    let length = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(Errno::result(length)?) == Ok(COUNT) { Ok(bytes) } else { Err(Errno::EIO) }
}
