//! The program's own code in memory.

/// Lets go of the pages of this program's code, of which the kernel brings back those that are used: to wait takes few of those that a start
/// or a command took. They are the file's, so that nothing is lost.
pub fn let_go() {
    unsafe extern "C" {
        // Of the linker (GNU ld, lld): where the program begins, and where its code ends.
        static __executable_start: u8;
        static etext: u8;
    }
    let (start, end) = (&raw const __executable_start, &raw const etext);
    if let Some(length) = end.addr().checked_sub(start.addr()) {
        // SAFETY: headers, constants and code lie between the two, in mappings that are private and that nobody can write to, so each page is
        // read from the file again as it was; the last page, which the kernel takes whole, is of the same mapping.
        let _ = unsafe { libc::madvise(start.cast_mut().cast(), length, libc::MADV_DONTNEED) };
    }
}
