//! Random bytes from the kernel.

use nix::errno::Errno;

/// Four random bytes, as `getrandom(2)` gives them: never blocks once the system is up.
///
/// # Errors
/// `ENOSYS` or what a seccomp filter answers; a request this small cannot be interrupted or cut.
pub fn four_bytes() -> nix::Result<[u8; 4]> {
    let mut bytes = [0; 4];
    // SAFETY: the kernel writes at most `bytes.len()` bytes to a buffer of that length.
    let length = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    match Errno::result(length)? {
        4 => Ok(bytes),
        _ => Err(Errno::EIO),
    }
}
