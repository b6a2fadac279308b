//! System call filters: a small assembler for seccomp's BPF, and the one-exec filter.
//!
//! One exec: the filter lets through the one `execve` whose three pointers have exactly the values of this command's [`Image`], a
//! secret that the exec itself destroys with the address space it points into. It needs no supervisor and keeps no state, so nothing
//! can hang, be raced or be restarted; a number that an attacker would have to guess stands where others keep "the first one wins".
//! Every other exec is EACCES, the error that programs know how to word.
//!
//! [`Image`]: super::image::Image

pub mod calls;

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use super::notify::Listener;
use super::raw;
pub use calls::Calls;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const NO_ACCESS: u32 = libc::SECCOMP_RET_ERRNO | libc::EACCES as u32;

/// `AUDIT_ARCH_*` of linux/audit.h: the ELF machine, 64 bits, little endian.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;

/// The numbers of the x32 calls start here (asm/unistd.h, `__X32_SYSCALL_BIT`).
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

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
}

/// A place to jump to, further down.
#[derive(Clone, Copy)]
pub struct Label(usize);

/// A jump is longer than the 255 instructions that BPF allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a jump of the system call filter is too long")]
pub struct TooFar;

/// Builds a program top down; jumps lead to labels that are placed later.
#[derive(Default)]
pub struct Assembler {
    program: Vec<libc::sock_filter>,
    /// Where each label was placed.
    labels: Vec<Option<usize>>,
    /// Jumps to be settled: instruction, label, and whether it is taken when the test holds.
    jumps: Vec<(usize, Label, bool)>,
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

    pub fn jump_if(&mut self, test: Test, label: Label) {
        self.jump(test, label, true);
    }

    pub fn jump_unless(&mut self, test: Test, label: Label) {
        self.jump(test, label, false);
    }

    /// Ends the program with a `SECCOMP_RET_*` value.
    pub fn answer(&mut self, value: u32) {
        self.push(libc::BPF_RET | libc::BPF_K, value);
    }

    pub fn finish(mut self) -> Result<Filter, TooFar> {
        for (from, label, when) in self.jumps {
            let to = self.labels.get(label.0).copied().flatten().ok_or(TooFar)?;
            let distance = to.checked_sub(from + 1).and_then(|distance| u8::try_from(distance).ok()).ok_or(TooFar)?;
            if let Some(instruction) = self.program.get_mut(from) {
                *(if when { &mut instruction.jt } else { &mut instruction.jf }) = distance;
            }
        }
        Ok(Filter(self.program))
    }

    fn jump(&mut self, test: Test, label: Label, when: bool) {
        self.jumps.push((self.program.len(), label, when));
        match test {
            Test::Equal(value) => self.push(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value),
            Test::AtLeast(value) => self.push(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, value),
        }
    }

    fn push(&mut self, code: u32, k: u32) {
        self.program.push(libc::sock_filter { code: code as u16, jt: 0, jf: 0, k });
    }
}

/// A finished filter.
pub struct Filter(Vec<libc::sock_filter>);

impl Filter {
    /// The filter under which only the `execve` with exactly these three pointers works. Calls of another architecture end the process;
    /// those of x32 are unknown.
    pub fn one_exec(cookie: [u64; 3]) -> Result<Filter, TooFar> {
        let mut program = Assembler::default();
        let (foreign, allowed, denied) = (program.label(), program.label(), program.label());
        program.load(Word::Architecture);
        program.jump_unless(Test::Equal(NATIVE), foreign);
        program.load(Word::Number);
        #[cfg(target_arch = "x86_64")]
        let x32 = program.label();
        #[cfg(target_arch = "x86_64")]
        program.jump_if(Test::AtLeast(X32), x32);
        program.jump_if(Test::Equal(libc::SYS_execveat as u32), denied);
        program.jump_unless(Test::Equal(libc::SYS_execve as u32), allowed);
        for (argument, pointer) in (0..).zip(cookie) {
            program.load(Word::Low(argument));
            program.jump_unless(Test::Equal(pointer as u32), denied);
            program.load(Word::High(argument));
            program.jump_unless(Test::Equal((pointer >> 32) as u32), denied);
        }
        program.place(allowed);
        program.answer(ALLOW);
        program.place(denied);
        program.answer(NO_ACCESS);
        #[cfg(target_arch = "x86_64")]
        {
            program.place(x32);
            program.answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
        }
        program.place(foreign);
        program.answer(KILL);
        program.finish()
    }

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
/// # Safety
/// As for [`install`].
pub(super) unsafe fn install_with_listener(program: &libc::sock_fprog) -> Result<RawFd, i32> {
    let flags = (libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER) as usize;
    let arguments = [libc::SECCOMP_SET_MODE_FILTER as usize, flags, std::ptr::from_ref(program) as usize, 0, 0];
    // SAFETY: the caller vouches for the program, which the kernel copies.
    unsafe { raw::call(libc::SYS_seccomp, arguments) }.map(|fd| fd as RawFd)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: [u64; 3] = [0x1234_5678_9abc, 0x2345_6789_abc0, 0x3456_789a_bcd8];

    /// What a filter answers, by the rules of BPF. The kernel itself is asked in `tests/confined.rs`, which cannot make a call that is
    /// wrong in one word of the cookie only.
    fn answer(filter: &Filter, architecture: u32, number: u32, arguments: [u64; 3]) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let libc::sock_filter { code, jt, jf, k } = filter.0[at];
            let jump = |holds: bool| usize::from(if holds { jt } else { jf });
            at += 1 + match u32::from(code) {
                0x20 => {
                    loaded = match k {
                        0 => number,
                        4 => architecture,
                        _ => (arguments[(k as usize - 16) / 8] >> (8 * (k % 8))) as u32,
                    };
                    0
                }
                0x15 => jump(loaded == k),
                0x35 => jump(loaded >= k),
                _ => return k,
            };
        }
    }

    #[test]
    fn only_the_exec_with_the_cookie_passes() {
        let filter = Filter::one_exec(COOKIE).unwrap();
        let execve = libc::SYS_execve as u32;
        assert_eq!(answer(&filter, NATIVE, execve, COOKIE), ALLOW);
        assert_eq!(answer(&filter, NATIVE, libc::SYS_read as u32, [3, 4, 5]), ALLOW);
        assert_eq!(answer(&filter, NATIVE, libc::SYS_execveat as u32, COOKIE), NO_ACCESS);
        for argument in 0..3 {
            for bit in 0..64 {
                let mut forged = COOKIE;
                forged[argument] ^= 1 << bit;
                assert_eq!(answer(&filter, NATIVE, execve, forged), NO_ACCESS, "bit {bit} of argument {argument}");
            }
        }
    }

    #[test]
    fn other_system_call_tables_are_closed() {
        let filter = Filter::one_exec(COOKIE).unwrap();
        assert_eq!(answer(&filter, 0x4000_0003, 11, COOKIE), KILL, "i386");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(answer(&filter, NATIVE, X32 | 520, COOKIE), libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32, "x32");
    }

    #[test]
    fn a_jump_that_bpf_cannot_make_is_an_error() {
        let mut program = Assembler::default();
        let end = program.label();
        program.jump_if(Test::Equal(1), end);
        (0..300).for_each(|_| program.load(Word::Number));
        program.place(end);
        program.answer(ALLOW);
        assert_eq!(program.finish().err(), Some(TooFar));
    }
}
