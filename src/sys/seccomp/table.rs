//! Every system call of Linux 6.18 on x86_64 and aarch64, by what a filter makes of it.
//!
//! All are listed, those that are let through too: a call that a later kernel brings is not there for a command until somebody has put it
//! here, and programs do without what a kernel does not have. Where two classes would do, the one of the neighbouring numbers makes the
//! filter shorter: so it is for numbers that no kernel serves any more.
//!
//! Some that are plain, and why: `set*id` and the like are held by the capabilities that a command does not have; changes to directories
//! (`Change`, `Name`), where a filter need not hold them, by Landlock; the old `io_submit` works on open files only; `seccomp` and Landlock's own calls
//! make a program weaker, and many use them; `uretprobe` and `uprobe` are made by the kernel itself in a process that is traced from outside.
//!
//! Sources: arch/x86/entry/syscalls/syscall_64.tbl, scripts/syscall.tbl.

/// What a filter makes of a call. Those from `Execve` on depend on the filter, or on the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Plain,
    /// Not permitted (EPERM).
    Refused,
    /// Not there (ENOSYS).
    Missing,
    Execve,
    Execveat,
    Fork,
    Clone,
    Socket,
    Socketpair,
    Connect,
    /// Waiting for connections.
    Accept,
    Sendto,
    Sendmsg,
    Sendmmsg,
    Setsockopt,
    Signal,
    /// Traces a process.
    Ptrace,
    /// Reads the memory of a process.
    ReadMemory,
    Perf,
    Adjtimex,
    Setpgid,
    Fcntl,
    Ioctl,
    Prlimit,
    Setrlimit,
    Setpriority,
    IoprioSet,
    /// Of a process that the first argument names.
    Scheduling,
    /// Settings of the caller's own process.
    Prctl,
    /// Makes a file in memory.
    MemoryFile,
    /// Changes a directory or the length of a file.
    Change,
    /// Gives a file a name, or takes one away.
    Name,
    /// Gives a new file a name and a mode.
    Creat,
    Mknod,
    Mknodat,
    /// Gives a socket a name.
    Bind,
    Truncate,
    Open,
    Openat,
    Openat2,
    Personality,
    ClockAdjtime,
    Syslog,
    Shmctl,
    Semctl,
    Msgctl,
    Seccomp,
}

/// A table of system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    pub(super) const NATIVE: Machine = if cfg!(target_arch = "x86_64") { Machine::X86_64 } else { Machine::Aarch64 };

    /// `AUDIT_ARCH_*` of linux/audit.h: the ELF machine, 64 bits, little endian.
    pub(super) fn architecture(self) -> u32 {
        match self {
            Machine::X86_64 => 0xc000_003e,
            Machine::Aarch64 => 0xc000_00b7,
        }
    }
}

/// A call: its name as in syscalls(2), and its numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) class: Class,
    x86_64: Option<u16>,
    aarch64: Option<u16>,
}

impl Call {
    /// Its number, where a machine has it.
    pub(super) fn number(&self, machine: Machine) -> Option<u16> {
        match machine {
            Machine::X86_64 => self.x86_64,
            Machine::Aarch64 => self.aarch64,
        }
    }
}

/// The last number that is known. Those above are not there.
pub(super) const LAST: u16 = 469;

macro_rules! number {
    (-) => {
        None
    };
    ($number:literal) => {
        Some($number)
    };
}

/// `Class { name x86_64 aarch64, ... }`; `-` where a machine does not have it.
macro_rules! calls {
    ($($class:ident { $($name:ident $x86_64:tt $aarch64:tt),+ $(,)? })+) => {
        pub(super) const CALLS: &[Call] = &[$($(Call {
            name: stringify!($name),
            class: Class::$class,
            x86_64: number!($x86_64),
            aarch64: number!($aarch64),
        }),+),+];
    };
}

calls! {
    Plain {
        read 0 63, write 1 64, close 3 57, stat 4 -, fstat 5 80, lstat 6 -, poll 7 -, lseek 8 62, mmap 9 222, mprotect 10 226,
        munmap 11 215, brk 12 214, rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, pread64 17 67, pwrite64 18 68,
        readv 19 65, writev 20 66, access 21 -, pipe 22 -, select 23 -, sched_yield 24 124, mremap 25 216, msync 26 227, mincore 27 232,
        madvise 28 233, dup 32 23, dup2 33 -, pause 34 -, nanosleep 35 101, getitimer 36 102, alarm 37 -, setitimer 38 103, getpid 39 172,
        sendfile 40 71, recvfrom 45 207, recvmsg 47 212, shutdown 48 210, getsockname 51 204, getpeername 52 205, getsockopt 55 209,
        exit 60 93, wait4 61 260, uname 63 160, flock 73 32, fsync 74 82, fdatasync 75 83, getdents 78 -, getcwd 79 17, chdir 80 49,
        fchdir 81 50, readlink 89 -, umask 95 166, gettimeofday 96 169, getrlimit 97 163, getrusage 98 165, sysinfo 99 179, times 100 153,
        getuid 102 174, getgid 104 176, setuid 105 146, setgid 106 144, geteuid 107 175, getegid 108 177, getppid 110 173, getpgrp 111 -,
        setsid 112 157, setreuid 113 145, setregid 114 143, getgroups 115 158, setgroups 116 159, setresuid 117 147, getresuid 118 148,
        setresgid 119 149, getresgid 120 150, getpgid 121 155, setfsuid 122 151, setfsgid 123 152, getsid 124 156, capget 125 90,
        capset 126 91, rt_sigpending 127 136, rt_sigtimedwait 128 137, rt_sigsuspend 130 133, sigaltstack 131 132, statfs 137 43,
        fstatfs 138 44, getpriority 140 141, sched_getparam 143 121, sched_getscheduler 145 120, sched_get_priority_max 146 125,
        sched_get_priority_min 147 126, sched_rr_get_interval 148 127, mlock 149 228, munlock 150 229, mlockall 151 230,
        munlockall 152 231, arch_prctl 158 -, sync 162 81, gettid 186 178, readahead 187 213, getxattr 191 8,
        lgetxattr 192 9, fgetxattr 193 10, listxattr 194 11, llistxattr 195 12, flistxattr 196 13, time 201 -, futex 202 98,
        sched_getaffinity 204 123, set_thread_area 205 -, io_setup 206 0, io_destroy 207 1, io_getevents 208 4, io_submit 209 2,
        io_cancel 210 3, get_thread_area 211 -, epoll_create 213 -, epoll_ctl_old 214 -, epoll_wait_old 215 -, getdents64 217 61,
        set_tid_address 218 96, restart_syscall 219 128, fadvise64 221 223, timer_create 222 107, timer_settime 223 110,
        timer_gettime 224 108, timer_getoverrun 225 109, timer_delete 226 111, clock_gettime 228 113, clock_getres 229 114,
        clock_nanosleep 230 115, exit_group 231 94, epoll_wait 232 -, epoll_ctl 233 21, get_mempolicy 239 236, waitid 247 95,
        ioprio_get 252 31, inotify_init 253 -, inotify_add_watch 254 27, inotify_rm_watch 255 28, newfstatat 262 79, readlinkat 267 78,
        faccessat 269 48, pselect6 270 72, ppoll 271 73, set_robust_list 273 99, get_robust_list 274 100, splice 275 76, tee 276 77,
        sync_file_range 277 84, epoll_pwait 281 22, signalfd 282 -, timerfd_create 283 85, eventfd 284 -, timerfd_settime 286 86,
        timerfd_gettime 287 87, signalfd4 289 74, eventfd2 290 19, epoll_create1 291 20, dup3 292 24, pipe2 293 59, inotify_init1 294 26,
        preadv 295 69, pwritev 296 70, recvmmsg 299 243, syncfs 306 267, getcpu 309 168, sched_getattr 315 275, getrandom 318 278,
        membarrier 324 283, mlock2 325 284, copy_file_range 326 285, preadv2 327 286, pwritev2 328 287, pkey_mprotect 329 288,
        pkey_alloc 330 289, pkey_free 331 290, statx 332 291, io_pgetevents 333 292, rseq 334 293, uretprobe 335 -, uprobe 336 -,
        close_range 436 436, faccessat2 439 439, epoll_pwait2 441 441, landlock_create_ruleset 444 444, landlock_add_rule 445 445,
        landlock_restrict_self 446 446, futex_waitv 449 449, cachestat 451 451, map_shadow_stack 453 453, futex_wake 454 454,
        futex_wait 455 455, futex_requeue 456 456, statmount 457 457, listmount 458 458, lsm_get_self_attr 459 459,
        lsm_list_modules 461 461, mseal 462 462, getxattrat 464 464, listxattrat 465 465, file_getattr 468 468,
    }
    // Other processes: their memory, descriptors, state.
    Refused {
        process_vm_writev 311 271, kcmp 312 272, pidfd_send_signal 424 424,
        pidfd_getfd 438 438, process_madvise 440 440, process_mrelease 448 448,
    }
    // The kernel itself.
    Refused {
        modify_ldt 154 -, reboot 169 142, iopl 172 -, ioperm 173 -, init_module 175 105, delete_module 176 106, kexec_load 246 104,
        finit_module 313 273, kexec_file_load 320 294, bpf 321 280, userfaultfd 323 282,
    }
    // Mounts, namespaces, files by handle.
    Refused {
        pivot_root 155 41, chroot 161 51, mount 165 40, umount2 166 39, unshare 272 97, name_to_handle_at 303 264,
        open_by_handle_at 304 265, setns 308 268, open_tree 428 428, move_mount 429 429, fsopen 430 430, fsconfig 431 431,
        fsmount 432 432, fspick 433 433, mount_setattr 442 442, open_tree_attr 467 467,
    }
    // What the whole host shares.
    Refused {
        vhangup 153 58, acct 163 89, settimeofday 164 170, swapon 167 224, swapoff 168 225, sethostname 170 161, setdomainname 171 162,
        quotactl 179 60, clock_settime 227 112, quotactl_fd 443 443,
    }
    // Keys, message queues, shared memory: things that outlive a command, and through which others are reached.
    Refused {
        shmget 29 194, shmat 30 196, semget 64 190, semop 65 193, shmdt 67 197, msgget 68 186, msgsnd 69 189, msgrcv 70 188,
        semtimedop 220 192, mq_open 240 180, mq_unlink 241 181, mq_timedsend 242 182, mq_timedreceive 243 183, mq_notify 244 184,
        mq_getsetattr 245 185, add_key 248 217, request_key 249 218, keyctl 250 219,
    }
    // Placement of memory, odd ways to give memory away, and watching what others open.
    Refused {
        remap_file_pages 216 234, mbind 237 235, set_mempolicy 238 237, migrate_pages 256 238, vmsplice 278 75, move_pages 279 239,
        fanotify_init 300 262, fanotify_mark 301 263, set_mempolicy_home_node 450 450, lsm_set_self_attr 460 460,
    }
    // Modes, owners, times and extended attributes of files. Landlock knows nothing of them, and a descriptor is enough that is open for
    // reading: so root could make a shell set-user-id, and anybody a record of the session readable.
    Refused {
        chmod 90 -, fchmod 91 52, chown 92 -, fchown 93 55, lchown 94 -, utime 132 -, setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7,
        removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16, utimes 235 -, fchownat 260 54, futimesat 261 -, fchmodat 268 53,
        utimensat 280 88, fchmodat2 452 452, setxattrat 463 463, removexattrat 466 466, file_setattr 469 469,
    }
    // Gone, or never there, and beside others of this class.
    Refused {
        uselib 134 -, ustat 136 -, sysfs 139 -, _sysctl 156 -, create_module 174 -, get_kernel_syms 177 -, query_module 178 -,
        nfsservctl 180 42, getpmsg 181 -, putpmsg 182 -, afs_syscall 183 -, tuxcall 184 -, security 185 -, lookup_dcookie 212 18,
        vserver 236 -,
    }
    // Programs do without where a kernel has none of them. Of `clone3` a filter cannot see the flags.
    Missing {
        io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427, pidfd_open 434 434, clone3 435 435,
        memfd_secret 447 447,
    }
    Execve { execve 59 221 }
    Execveat { execveat 322 281 }
    Fork { fork 57 -, vfork 58 - }
    Clone { clone 56 220 }
    Socket { socket 41 198 }
    Socketpair { socketpair 53 199 }
    Connect { connect 42 203 }
    Accept { accept 43 202, listen 50 201, accept4 288 242 }
    Sendto { sendto 44 206 }
    Sendmsg { sendmsg 46 211 }
    Sendmmsg { sendmmsg 307 269 }
    Setsockopt { setsockopt 54 208 }
    Signal { kill 62 129, rt_sigqueueinfo 129 138, tkill 200 130, tgkill 234 131, rt_tgsigqueueinfo 297 240 }
    Ptrace { ptrace 101 117 }
    ReadMemory { process_vm_readv 310 270 }
    Perf { perf_event_open 298 241 }
    Adjtimex { adjtimex 159 171 }
    Setpgid { setpgid 109 154 }
    Fcntl { fcntl 72 25 }
    Ioctl { ioctl 16 29 }
    Prlimit { prlimit64 302 261 }
    Setrlimit { setrlimit 160 164 }
    Setpriority { setpriority 141 140 }
    IoprioSet { ioprio_set 251 30 }
    Prctl { prctl 157 167 }
    Scheduling { sched_setparam 142 118, sched_setscheduler 144 119, sched_setaffinity 203 122, sched_setattr 314 274 }
    MemoryFile { memfd_create 319 279 }
    Change {
        ftruncate 77 46, mkdir 83 -, rmdir 84 -, symlink 88 -, mkdirat 258 34, symlinkat 266 36, fallocate 285 47,
    }
    Name {
        rename 82 -, link 86 -, unlink 87 -, unlinkat 263 35, renameat 264 38, linkat 265 37, renameat2 316 276,
    }
    Creat { creat 85 - }
    Mknod { mknod 133 - }
    Mknodat { mknodat 259 33 }
    Bind { bind 49 200 }
    Truncate { truncate 76 45 }
    Open { open 2 - }
    Openat { openat 257 56 }
    Openat2 { openat2 437 437 }
    Personality { personality 135 92 }
    ClockAdjtime { clock_adjtime 305 266 }
    Syslog { syslog 103 116 }
    Shmctl { shmctl 31 195 }
    Semctl { semctl 66 191 }
    Msgctl { msgctl 71 187 }
    Seccomp { seccomp 317 277 }
}
