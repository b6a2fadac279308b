//! System call filters: a small assembler for seccomp's BPF, and the one-exec filter. What the filter of a command holds is in `filter`;
//! the shell's own processes are held by a list of what they need, in `allow_list`.
//!
//! One exec: the filter lets through the one `execve` whose three pointers have exactly the values of this command's [`Image`], a
//! secret that the exec itself destroys with the address space it points into. It needs no supervisor and keeps no state, so nothing
//! can hang, be raced or be restarted; a number that an attacker would have to guess stands where others keep "the first one wins".
//! Every other exec is EACCES, the error that programs know how to word.
//!
//! [`Image`]: super::image::Image

mod allow_list;
mod arguments;
pub mod calls;
mod capable;
mod filter;
mod sockets;
mod table;
#[cfg(test)]
mod tests;
mod tree;

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::notify::Listener;
use super::raw;
pub use allow_list::{Allowed, Check, ListError, Otherwise};
pub use calls::Calls;
use filter::ALLOW;
pub use filter::Cookie;

/// A word of `struct seccomp_data` (seccomp(2)), by its offset. Arguments have two; both architectures are little endian.
#[derive(Clone, Copy)]
pub enum Word {
    Number,
    Architecture,
    /// The low half of an argument, counted from 0.
    Low(u8),
    /// The high half.
    High(u8),
}

impl Word {
    fn offset(self) -> u32 {
        match self {
            Word::Number => 0,
            Word::Architecture => 4,
            Word::Low(argument) => 16 + 8 * u32::from(argument),
            Word::High(argument) => 20 + 8 * u32::from(argument),
        }
    }
}

/// What a jump asks of the loaded word.
#[derive(Clone, Copy)]
pub enum Test {
    Equal(u32),
    AtLeast(u32),
    /// Has it one of these bits?
    AnyOf(u32),
    /// Is it the one that was kept?
    Kept,
}

/// A place to jump to, further down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// A jump is longer than the 255 instructions that BPF allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a jump of the system call filter is too long")]
pub struct TooFar;

/// When a jump is taken.
#[derive(Clone, Copy)]
enum When {
    Holds,
    Fails,
    Always,
}

/// Builds a program top down; jumps lead to labels that are placed later.
#[derive(Default)]
pub struct Assembler {
    program: Vec<libc::sock_filter>,
    /// Where each label was placed.
    labels: Vec<Option<usize>>,
    /// Jumps to be settled: instruction, label, and when it is taken.
    jumps: Vec<(usize, Label, When)>,
}

impl Assembler {
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The next instruction is where `label` leads.
    pub fn place(&mut self, label: Label) {
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = Some(self.program.len());
        }
    }

    pub fn load(&mut self, word: Word) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, word.offset());
    }

    /// Keeps the loaded word for [`Test::Kept`].
    pub fn keep(&mut self) {
        self.push(libc::BPF_MISC | libc::BPF_TAX, 0);
    }

    /// Keeps only these bits of the loaded word.
    pub fn mask(&mut self, bits: u32) {
        self.push(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, bits);
    }

    pub fn jump_if(&mut self, test: Test, label: Label) {
        self.jumps.push((self.program.len(), label, When::Holds));
        self.test(test);
    }

    pub fn jump_unless(&mut self, test: Test, label: Label) {
        self.jumps.push((self.program.len(), label, When::Fails));
        self.test(test);
    }

    /// Jumps either way.
    pub fn branch(&mut self, test: Test, holds: Label, fails: Label) {
        self.jumps.push((self.program.len(), fails, When::Fails));
        self.jump_if(test, holds);
    }

    /// Jumps in any case, as far as need be.
    pub fn go(&mut self, label: Label) {
        self.jumps.push((self.program.len(), label, When::Always));
        self.push(libc::BPF_JMP | libc::BPF_JA, 0);
    }

    /// Ends the program with a `SECCOMP_RET_*` value.
    pub fn answer(&mut self, value: u32) {
        self.push(libc::BPF_RET | libc::BPF_K, value);
    }

    pub fn finish(mut self) -> Result<Filter, TooFar> {
        for (from, label, when) in self.jumps {
            let to = self.labels.get(label.0).copied().flatten().ok_or(TooFar)?;
            let distance = to.checked_sub(from + 1).ok_or(TooFar)?;
            let Some(instruction) = self.program.get_mut(from) else { continue };
            match when {
                When::Holds => instruction.jt = u8::try_from(distance).map_err(|_| TooFar)?,
                When::Fails => instruction.jf = u8::try_from(distance).map_err(|_| TooFar)?,
                When::Always => instruction.k = u32::try_from(distance).map_err(|_| TooFar)?,
            }
        }
        Ok(Filter(self.program))
    }

    fn test(&mut self, test: Test) {
        let (operation, value) = match test {
            Test::Equal(value) => (libc::BPF_JEQ | libc::BPF_K, value),
            Test::AtLeast(value) => (libc::BPF_JGE | libc::BPF_K, value),
            Test::AnyOf(bits) => (libc::BPF_JSET | libc::BPF_K, bits),
            Test::Kept => (libc::BPF_JEQ | libc::BPF_X, 0),
        };
        self.push(libc::BPF_JMP | operation, value);
    }

    fn push(&mut self, code: u32, k: u32) {
        self.program.push(libc::sock_filter { code: code as u16, jt: 0, jf: 0, k });
    }
}

/// A finished filter.
pub struct Filter(Vec<libc::sock_filter>);

impl Filter {
    /// Installs it on the calling thread with a listener, for good, and sets `no_new_privs`.
    pub fn install_with_listener(&self) -> nix::Result<Listener> {
        nix::sys::prctl::set_no_new_privs()?;
        // SAFETY: the program lives, and the kernel has just made the descriptor for us.
        let fd = unsafe { install_with_listener(&self.program()).map(|fd| OwnedFd::from_raw_fd(fd)) };
        fd.map(Listener::from).map_err(nix::Error::from_raw)
    }

    /// As seccomp(2) takes it; good for as long as `self`.
    pub(super) fn program(&self) -> libc::sock_fprog {
        libc::sock_fprog { len: self.0.len() as u16, filter: self.0.as_ptr().cast_mut() }
    }
}

/// Installs a filter on the calling thread, for good. `no_new_privs` must be set. Async-signal-safe.
///
/// # Safety
/// `program` must be that of a living [`Filter`].
pub(super) unsafe fn install(program: &libc::sock_fprog) -> Result<(), i32> {
    // Without SPEC_ALLOW, kernels before 5.16 slow the command down (speculative store bypass is then switched off).
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW as usize;
    // SAFETY: the caller vouches for the program, which the kernel copies.
    unsafe { raw::call(libc::SYS_seccomp, [libc::SECCOMP_SET_MODE_FILTER as usize, flags, std::ptr::from_ref(program) as usize, 0, 0]) }?;
    Ok(())
}

/// The same with a listener ([`super::notify`]), whose descriptor is returned, closed on exec. `EBUSY` when a filter above has one. Async-signal-safe.
///
/// A call that the listener has received ends before a signal does, unless that kills: a call that is interrupted is made again, and what the
/// listener has done for it (a datagram, a connection) would be done twice. Kernels before 5.19 do not have that, and nothing helps there.
///
/// # Safety
/// As for [`install`].
pub(super) unsafe fn install_with_listener(program: &libc::sock_fprog) -> Result<RawFd, i32> {
    let flags = (libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER) as usize;
    let install = |flags| {
        let arguments = [libc::SECCOMP_SET_MODE_FILTER as usize, flags, std::ptr::from_ref(program) as usize, 0, 0];
        // SAFETY: the caller vouches for the program, which the kernel copies.
        unsafe { raw::call(libc::SYS_seccomp, arguments) }.map(|fd| fd as RawFd)
    };
    match install(flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV as usize) {
        Err(libc::EINVAL) => install(flags),
        result => result,
    }
}

/// Whether this kernel has filters.
pub fn is_available() -> bool {
    let action = ALLOW;
    let arguments = [libc::SECCOMP_GET_ACTION_AVAIL as usize, 0, std::ptr::from_ref(&action) as usize, 0, 0];
    // SAFETY: reads one 32-bit word.
    unsafe { raw::call(libc::SYS_seccomp, arguments) }.is_ok()
}
