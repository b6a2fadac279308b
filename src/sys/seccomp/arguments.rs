//! Calls of which the arguments count: each look ends in an answer.
//!
//! The kernel takes an `int` from the low half of a register and forgets the high one, so a test of an `int` must do the same: a filter
//! that compared all of `ioctl`'s request let `TIOCSTI` through with a bit set above it (CVE-2019-10063). Of a pointer both halves count.

use super::calls::Signals;
use super::filter::{ALLOW, AS_IF_DONE, Builder, NO_ACCESS, NOT_PERMITTED};
use super::table::Class;
use super::{Label, Test, Word};

/// Flags of clone(2) that make namespaces, and `CLONE_PARENT`, by which a command's process would pass for the shell's own child.
const CLONE_REFUSED: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_PARENT) as u32;

/// Requests of ioctl(2) that reach through a terminal, from the first to the last of each: what is typed into it (TIOCSTI, and TIOCLINUX and
/// the keymaps of a console, KD*), whose it is (TIOCSCTTY, TIOCEXCL, TIOCVHANGUP, VT_*), what it is (TIOCSETD, TIOCSSERIAL), how large it is
/// (TIOCSWINSZ, which stays when the command is gone), where the console's messages go (TIOCCONS). And whom a descriptor signals (FIOSETOWN,
/// SIOCSPGRP).
const IOCTL_REFUSED: [(u32, u32); 12] = [
    (0x4b00, 0x4bff),
    (0x540c, 0x540c),
    (0x540e, 0x540e),
    (0x5412, 0x5412),
    (0x5414, 0x5414),
    (0x541c, 0x541d),
    (0x541f, 0x541f),
    (0x5423, 0x5423),
    (0x5437, 0x5437),
    (0x5600, 0x56ff),
    (0x8901, 0x8902),
    (0xaa00, 0xaa00),
];

/// Requests that change a file system through a descriptor that is open for reading, of which Landlock knows nothing: flags and versions
/// (FS_IOC_SETFLAGS, FS_IOC_SETVERSION and ext4's own, FS_IOC_FSSETXATTR, FAT_IOCTL_SET_ATTRIBUTES), verity and encryption, ext4's layout,
/// btrfs's subvolumes and snapshots.
const IOCTL_ATTRIBUTES: [(u32, u32); 15] = [
    (0x6609, 0x6609),
    (0x660c, 0x660c),
    (0x4004_7211, 0x4004_7211),
    (0x4008_6602, 0x4008_6602),
    (0x4008_6604, 0x4008_6604),
    (0x4008_7602, 0x4008_7602),
    (0x4008_941a, 0x4008_941a),
    (0x401c_5820, 0x401c_5820),
    (0x4030_9410, 0x4030_9410),
    (0x4080_6685, 0x4080_6685),
    (0x5000_9401, 0x5000_943f),
    (0x800c_6613, 0x800c_6613),
    (0xc040_6618, 0xc040_6619),
    (0xc050_6617, 0xc050_6617),
    (0xc0c8_9425, 0xc0c8_9425),
];

/// `F_SETOWN`, `F_SETOWN_EX` (linux/fcntl.h).
const SETOWN: [u32; 2] = [8, 15];
/// `F_SETLEASE`, and `F_SETDELEG` of Linux 6.19: whoever opens the file next is held up for `/proc/sys/fs/lease-break-time`.
const LEASES: [u32; 2] = [1024, 1040];
/// `RLIMIT_CORE` (asm-generic/resource.h).
const CORE: u32 = 4;
/// `PRIO_PROCESS` (linux/resource.h).
const PRIO_PROCESS: u32 = 0;
/// `IOPRIO_WHO_PROCESS` (linux/ioprio.h).
const IOPRIO_WHO_PROCESS: u32 = 1;
/// `PER_LINUX`, which is what everybody has, and the question for what one has.
const PERSONALITIES: [u32; 2] = [0, u32::MAX];
/// Requests of ptrace(2) that look at a process, stop it and let it go on; those that change its memory, its registers or what it is signalled are
/// not among them. A signal that is waiting can be replaced when it goes on, so what is traced can be ended.
///
/// PEEKTEXT, PEEKDATA, PEEKUSER, CONT, GETREGS, GETFPREGS, ATTACH, DETACH, SYSCALL; SETOPTIONS, GETEVENTMSG, GETSIGINFO; GETREGSET;
/// SEIZE, INTERRUPT, LISTEN, PEEKSIGINFO, GETSIGMASK; GET_SYSCALL_INFO, GET_RSEQ_CONFIGURATION (linux/ptrace.h).
const PTRACE_LOOKS: [(u32, u32); 10] =
    [(1, 3), (7, 7), (12, 12), (14, 14), (16, 17), (24, 24), (0x4201, 0x4202), (0x4204, 0x4204), (0x4207, 0x420a), (0x420e, 0x420f)];
/// Those of them that take options: SETOPTIONS, SEIZE.
const PTRACE_OPTIONS: [u32; 2] = [0x4200, 0x4206];
/// `PTRACE_O_EXITKILL`, `PTRACE_O_SUSPEND_SECCOMP`.
const PTRACE_REFUSED: u32 = 3 << 20;
/// Flags of open(2) by which something changes.
const WRITING: u32 = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND) as u32;
/// Flags of open(2) by which the mode counts: `O_CREAT`, and the bit that `O_TMPFILE` has beside `O_DIRECTORY`.
const MAKING: u32 = (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;
/// `S_ISUID`, `S_ISGID`: no umask takes them away.
const SET_IDS: u32 = 0o6000;
/// Clocks from here on are devices that are open; those below are the kernel's (`MAX_CLOCKS`).
const DEVICE_CLOCKS: u32 = 16;
/// Reading the kernel's messages, and how many there are: `SYSLOG_ACTION_READ_ALL`, `SIZE_UNREAD`, `SIZE_BUFFER`. It asks for the
/// capability itself where not everybody may read them.
const SYSLOG_READS: [u32; 3] = [3, 9, 10];
/// `IPC_STAT`, `IPC_INFO`, `SHM_STAT`, `SHM_INFO`, `SHM_STAT_ANY`.
const SHM_STATISTICS: [u32; 5] = [2, 3, 13, 14, 15];
/// `IPC_STAT`, `IPC_INFO`, `SEM_STAT`, `SEM_INFO`, `SEM_STAT_ANY`.
const SEM_STATISTICS: [u32; 5] = [2, 3, 18, 19, 20];
/// `IPC_STAT`, `IPC_INFO`, `MSG_STAT`, `MSG_INFO`, `MSG_STAT_ANY`.
const MSG_STATISTICS: [u32; 5] = [2, 3, 11, 12, 13];

impl Builder<'_> {
    /// Looks at the arguments of a call.
    pub(super) fn inspect(&mut self, class: Class) {
        match class {
            Class::Execve => self.execve(),
            Class::Clone => self.clone_flags(),
            Class::Socket => self.socket(),
            Class::Socketpair => self.socketpair(),
            Class::Sendto => self.sendto(),
            Class::Sendmsg => self.send_message(2),
            Class::Sendmmsg => self.send_message(3),
            Class::Setsockopt => self.setsockopt(),
            Class::Signal => self.signal(),
            Class::Setpgid => self.setpgid(),
            Class::Fcntl => self.fcntl(),
            Class::Ioctl => self.ioctl(),
            Class::Prlimit => self.prlimit(),
            Class::Setrlimit => self.setrlimit(),
            Class::Setpriority => self.of_itself(PRIO_PROCESS),
            Class::IoprioSet => self.of_itself(IOPRIO_WHO_PROCESS),
            Class::Prctl => self.prctl(),
            Class::Scheduling => self.allow_values(0, &[0]),
            Class::Ptrace => self.ptrace(),
            Class::Creat => self.new_file(1, self.noted()),
            Class::Mknod => self.new_file(1, ALLOW),
            Class::Mknodat => self.new_file(2, ALLOW),
            Class::Open => self.open(1),
            Class::Openat => self.open(2),
            Class::Personality => self.allow_values(0, &PERSONALITIES),
            Class::ClockAdjtime => self.clock_adjtime(),
            Class::Syslog => self.allow_values(0, &SYSLOG_READS),
            Class::Shmctl => self.allow_values(1, &SHM_STATISTICS),
            Class::Semctl => self.allow_values(2, &SEM_STATISTICS),
            Class::Msgctl => self.allow_values(1, &MSG_STATISTICS),
            Class::Seccomp => self.refuse_bits(1, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32, NOT_PERMITTED),
            // The rest is answered by its number.
            _ => self.program.answer(NOT_PERMITTED),
        }
    }

    /// Jumps by whether the loaded word is one of some.
    pub(super) fn one_of(&mut self, values: &[u32], holds: Label, fails: Label) {
        let numbers: Vec<_> = values.iter().map(|&value| (value, holds)).collect();
        self.program.choose(&numbers, fails);
    }

    /// Lets an `int` have some values only.
    fn allow_values(&mut self, argument: u8, values: &[u32]) {
        let (allow, refuse) = (self.to(ALLOW), self.to(NOT_PERMITTED));
        self.program.load(Word::Low(argument));
        self.one_of(values, allow, refuse);
    }

    /// Lets an `int` have all values but some.
    pub(super) fn refuse_values(&mut self, argument: u8, values: &[u32]) {
        let (allow, refuse) = (self.to(ALLOW), self.to(NOT_PERMITTED));
        self.program.load(Word::Low(argument));
        self.one_of(values, refuse, allow);
    }

    /// Lets an `int` have no bit of some.
    fn refuse_bits(&mut self, argument: u8, bits: u32, refusal: u32) {
        let (allow, refuse) = (self.to(ALLOW), self.to(refusal));
        self.program.load(Word::Low(argument));
        self.program.branch(Test::AnyOf(bits), refuse, allow);
    }

    /// Goes on if a pointer is null.
    pub(super) fn unless_null(&mut self, argument: u8, label: Label) {
        for word in [Word::Low(argument), Word::High(argument)] {
            self.program.load(word);
            self.program.jump_unless(Test::Equal(0), label);
        }
    }

    /// Only with the three pointers of the cookie; see the top of `seccomp`.
    fn execve(&mut self) {
        let other = self.asked(NO_ACCESS);
        let other = self.to(other);
        for (argument, pointer) in (0..).zip(self.cookie.into_iter().flat_map(|cookie| cookie.execve)) {
            self.unless_pointer(argument, pointer, other);
        }
        self.program.answer(ALLOW);
    }

    /// Goes on if a pointer has a value.
    pub(super) fn unless_pointer(&mut self, argument: u8, pointer: u64, label: Label) {
        self.program.load(Word::Low(argument));
        self.program.jump_unless(Test::Equal(pointer as u32), label);
        self.program.load(Word::High(argument));
        self.program.jump_unless(Test::Equal((pointer >> 32) as u32), label);
    }

    fn clone_flags(&mut self) {
        if !self.calls.count_processes {
            return self.refuse_bits(0, CLONE_REFUSED, NOT_PERMITTED);
        }
        let refuse = self.to(NOT_PERMITTED);
        let thread = self.to(ALLOW);
        let process = self.asked(NOT_PERMITTED);
        let process = self.to(process);
        self.program.load(Word::Low(0));
        self.program.jump_if(Test::AnyOf(CLONE_REFUSED), refuse);
        self.program.branch(Test::AnyOf(libc::CLONE_THREAD as u32), thread, process);
    }

    /// Not to some processes, the groups that they lead, and all.
    fn signal(&mut self) {
        let Signals::NotTo(pids) = &self.calls.signals else { return self.program.answer(NOT_PERMITTED) };
        let groups = pids.iter().map(|pid| pid.wrapping_neg());
        let targets: Vec<u32> = pids.iter().copied().chain(groups).chain([-1]).map(i32::cast_unsigned).collect();
        self.refuse_values(0, &targets);
    }

    /// A group of the process's own only. Whoever joins that of the shell, or of another job of the terminal, reaches it with `kill(0)`, and
    /// has the kernel stop or hang up all of it by reading from the terminal or by ending.
    fn setpgid(&mut self) {
        let (allow, refuse) = (self.to(ALLOW), self.to(NOT_PERMITTED));
        self.program.load(Word::Low(0));
        self.program.keep();
        self.program.load(Word::Low(1));
        self.program.jump_if(Test::Equal(0), allow);
        self.program.branch(Test::Kept, allow, refuse);
    }

    fn fcntl(&mut self) {
        let owners = if self.calls.signals == Signals::Free { &[][..] } else { &SETOWN };
        self.refuse_values(1, &[&LEASES, owners].concat());
    }

    fn ioctl(&mut self) {
        let (allow, refuse) = (self.to(ALLOW), self.to(NOT_PERMITTED));
        let refused = [&IOCTL_REFUSED[..], &IOCTL_ATTRIBUTES, self.requests_of_host()].concat();
        self.program.load(Word::Low(1));
        self.within(&refused, refuse, allow);
    }

    /// Jumps by whether the loaded word is in one of some ranges, which do not overlap.
    fn within(&mut self, ranges: &[(u32, u32)], holds: Label, fails: Label) {
        let mut ranges = ranges.to_vec();
        ranges.sort_unstable();
        // Those that touch are one.
        let mut apart: Vec<(u32, u32)> = Vec::new();
        for (first, last) in ranges {
            match apart.last_mut() {
                Some((_, end)) if *end + 1 == first => *end = last,
                _ => apart.push((first, last)),
            }
        }
        let edges = apart.into_iter().flat_map(|(first, last)| [(first, holds), (last + 1, fails)]);
        let edges: Vec<_> = std::iter::once((0, fails)).chain(edges).collect();
        self.program.decide(&edges);
    }

    /// The request is a `long`: the kernel knows none with a bit in its high half.
    fn ptrace(&mut self) {
        let (allow, refuse) = (self.to(ALLOW), self.to(NOT_PERMITTED));
        let (options, others) = (self.program.label(), self.program.label());
        self.program.load(Word::Low(0));
        self.one_of(&PTRACE_OPTIONS, options, others);
        self.program.place(others);
        self.within(&PTRACE_LOOKS, allow, refuse);
        self.program.place(options);
        self.refuse_bits(3, PTRACE_REFUSED, NOT_PERMITTED);
    }

    /// To read them, or its own. Of cores it looks as if it were set; but not where the old limit is asked for too, which would be missing.
    fn prlimit(&mut self) {
        let (allow, refuse, own) = (self.to(ALLOW), self.to(NOT_PERMITTED), self.program.label());
        let changed = self.program.label();
        self.unless_null(2, changed);
        self.program.answer(ALLOW);
        self.program.place(changed);
        self.program.load(Word::Low(0));
        self.program.branch(Test::Equal(0), own, refuse);
        self.program.place(own);
        self.program.load(Word::Low(1));
        self.program.jump_unless(Test::Equal(CORE), allow);
        self.unless_null(3, refuse);
        self.program.answer(AS_IF_DONE);
    }

    /// The limit of cores is one byte, for which there is no core. It could be lowered to none, which a program that takes cores
    /// (`core_pattern`, core(5)) knows no limit by. Programs that do so are protecting secrets, and give up if they cannot.
    fn setrlimit(&mut self) {
        let (allow, keep) = (self.to(ALLOW), self.to(AS_IF_DONE));
        self.program.load(Word::Low(0));
        self.program.branch(Test::Equal(CORE), keep, allow);
    }

    /// `which` says that a process is meant, and 0 is the caller.
    fn of_itself(&mut self, which: u32) {
        let refuse = self.to(NOT_PERMITTED);
        self.program.load(Word::Low(0));
        self.program.jump_unless(Test::Equal(which), refuse);
        self.allow_values(1, &[0]);
    }

    /// A command whose files are logged stays readable to the shell, which reads their names in its memory and need not be root: that it hides
    /// looks as if it were done. sftp-server does so, lest a process of the same user trace it, or a client have it write its own memory; here
    /// no command traces another but by its rule, and none writes under /proc.
    fn prctl(&mut self) {
        let (allow, pretend) = (self.to(ALLOW), self.to(AS_IF_DONE));
        self.program.load(Word::Low(0));
        self.program.branch(Test::Equal(libc::PR_SET_DUMPABLE as u32), pretend, allow);
    }

    /// A mode without set-ID bits. Directories need no look: the kernel takes the bits away itself.
    fn new_file(&mut self, mode: u8, answer: u32) {
        let (allow, refuse) = (self.to(answer), self.to(NOT_PERMITTED));
        self.program.load(Word::Low(mode));
        self.program.branch(Test::AnyOf(SET_IDS), refuse, allow);
    }

    /// Nothing that changes, where nobody else holds that; the listener knows an exception. Else no new file with set-ID bits, and no `O_TRUNC`
    /// unless the file is opened for writing, which Landlock asks about. The access mode 3 is neither: the kernel asks the file's mode for
    /// both, opens it for none, and cuts it short.
    fn open(&mut self, flags: u8) {
        if self.calls.read_only {
            return self.refuse_bits(flags, WRITING, self.asked(NO_ACCESS));
        }
        let noted = self.noted();
        if self.calls.guard_set_ids {
            let (refuse, other) = (self.to(NOT_PERMITTED), self.program.label());
            self.program.load(Word::Low(flags));
            self.program.jump_unless(Test::AnyOf(MAKING), other);
            self.program.load(Word::Low(flags + 1));
            self.program.jump_if(Test::AnyOf(SET_IDS), refuse);
            self.program.place(other);
        }
        if !self.calls.guard_truncation {
            return self.program.answer(noted);
        }
        let (allow, refuse) = (self.to(noted), self.to(NO_ACCESS));
        self.program.load(Word::Low(flags));
        self.program.jump_unless(Test::AnyOf(libc::O_TRUNC as u32), allow);
        self.program.mask(libc::O_ACCMODE as u32);
        self.one_of(&[libc::O_WRONLY as u32, libc::O_RDWR as u32], allow, refuse);
    }

    /// The kernel's own clocks, which ask for the capability; those of devices are set by whoever could open them, before Linux 6.15.
    fn clock_adjtime(&mut self) {
        let (allow, refuse) = (self.to(ALLOW), self.to(NOT_PERMITTED));
        self.program.load(Word::Low(0));
        self.program.branch(Test::AtLeast(DEVICE_CLOCKS), refuse, allow);
    }
}
