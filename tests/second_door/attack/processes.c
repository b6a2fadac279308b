/* Other processes and the terminal. PROCESS is `shell`, `shells-parent`, or a number. */
#include "attack.h"
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <termios.h>

static pid_t process(const char *word)
{
    char path[64], text[512] = { 0 };
    if (strcmp(word, "shell") == 0)
        return shell;
    if (strcmp(word, "shells-parent") != 0)
        return atoi(word);
    snprintf(path, sizeof path, "/proc/%d/stat", shell);
    int file = open(path, O_RDONLY);
    if (file < 0 || read(file, text, sizeof text - 1) < 0)
        return 0;
    char *behind = strrchr(text, ')');
    return behind ? atoi(behind + 4) : 0;
}

/* PROCESS SIGNAL. For a process that blocks all signals it counts that the signal is pending there; for others, what the call says. */
static int arrived(pid_t target, int number, int error)
{
    char path[64], line[256];
    unsigned long pending = 0, blocked = 0, mask;
    usleep(2000);
    snprintf(path, sizeof path, "/proc/%d/status", target);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status)) {
        if (sscanf(line, "SigPnd: %lx", &mask) == 1 || sscanf(line, "ShdPnd: %lx", &mask) == 1)
            pending |= mask;
        if (sscanf(line, "SigBlk: %lx", &mask) == 1)
            blocked = mask;
    }
    unsigned long bit = 1ul << (number - 1);
    if (blocked & bit)
        return pending & bit ? 0 : error ? error : EPERM;
    return error;
}
static int by_kill(char **words)
{
    pid_t target = process(words[0]);
    return arrived(target, atoi(words[1]), outcome(kill(target, atoi(words[1]))));
}
static int by_tkill(char **words)
{
    pid_t target = process(words[0]);
    return arrived(target, atoi(words[1]), outcome(call(SYS_tkill, target, atoi(words[1]))));
}
static int by_tgkill(char **words)
{
    pid_t target = process(words[0]);
    return arrived(target, atoi(words[1]), outcome(call(SYS_tgkill, target, target, atoi(words[1]))));
}
static int by_queue(char **words)
{
    pid_t target = process(words[0]);
    return arrived(target, atoi(words[1]), outcome(sigqueue(target, atoi(words[1]), (union sigval){ 0 })));
}
static int by_thread_queue(char **words)
{
    pid_t target = process(words[0]);
    siginfo_t info = { .si_code = SI_QUEUE, .si_signo = atoi(words[1]) };
    return arrived(target, info.si_signo, outcome(call(SYS_rt_tgsigqueueinfo, target, target, info.si_signo, &info)));
}
static int by_pidfd(char **words)
{
    pid_t target = process(words[0]);
    int handle = call(SYS_pidfd_open, target, 0);
    return arrived(target, atoi(words[1]), handle < 0 ? errno : outcome(call(SYS_pidfd_send_signal, handle, atoi(words[1]), NULL, 0)));
}
/* The directory in /proc is as good as a pidfd. */
static int by_proc_pidfd(char **words)
{
    char path[64];
    pid_t target = process(words[0]);
    snprintf(path, sizeof path, "/proc/%d", target);
    int handle = open(path, O_RDONLY | O_DIRECTORY);
    return arrived(target, atoi(words[1]), handle < 0 ? errno : outcome(call(SYS_pidfd_send_signal, handle, atoi(words[1]), NULL, 0)));
}
/* Its group, if its number is to be had here (0 would be our own), and everything. */
static int by_group(char **words)
{
    pid_t target = process(words[0]), group = getpgid(target);
    return arrived(target, atoi(words[1]), group <= 0 ? ESRCH : outcome(kill(-group, atoi(words[1]))));
}
static int by_all(char **words) { return arrived(process(words[0]), atoi(words[1]), outcome(kill(-1, atoi(words[1])))); }
/* The kernel sends it when a pipe becomes ready. */
static int owned(char **words, int request, const void *owner)
{
    int ends[2], target = process(words[0]);
    if (pipe(ends) < 0 || fcntl(ends[0], request, owner) < 0)
        return arrived(target, atoi(words[1]), errno);
    fcntl(ends[0], F_SETSIG, atoi(words[1]));
    fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK);
    return write(ends[1], "x", 1) < 0 ? errno : arrived(target, atoi(words[1]), 0);
}
static int by_owner(char **words) { return owned(words, F_SETOWN, (void *)(long)process(words[0])); }
static int by_extended_owner(char **words)
{
    struct f_owner_ex owner = { F_OWNER_PID, process(words[0]) };
    return owned(words, F_SETOWN_EX, &owner);
}
static int by_owner_ioctl(char **words)
{
    int ends[2], target = process(words[0]);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || ioctl(ends[0], 0x8901 /* FIOSETOWN */, &target) < 0)
        return arrived(target, atoi(words[1]), errno);
    fcntl(ends[0], F_SETSIG, atoi(words[1]));
    fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK);
    return write(ends[1], "x", 1) < 0 ? errno : arrived(target, atoi(words[1]), 0);
}
static int by_own_signal(char **words)
{
    (void)words;
    signal(SIGUSR1, SIG_IGN);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    int error = outcome(raise(SIGUSR1)) | outcome(kill(getpid(), SIGUSR1)) | outcome(kill(child, SIGKILL));
    waitpid(child, NULL, 0);
    return error;
}

/* Its memory and descriptors. */
static int by_trace(char **words)
{
    pid_t target = process(words[0]);
    if (ptrace(PTRACE_SEIZE, target, NULL, NULL) < 0)
        return errno;
    ptrace(PTRACE_INTERRUPT, target, NULL, NULL);
    waitpid(target, NULL, __WALL);
    return outcome(ptrace(PTRACE_DETACH, target, NULL, NULL));
}
/* A wrong address is an error of those only that may ask. */
static int reached(ssize_t result) { return result >= 0 || errno == EFAULT ? 0 : errno; }
static int by_readv(char **words)
{
    char byte;
    struct iovec here = { &byte, 1 }, other = { (void *)1, 1 };
    return reached(process_vm_readv(process(words[0]), &here, 1, &other, 1, 0));
}
static int by_writev(char **words)
{
    char byte = 0;
    struct iovec here = { &byte, 1 }, other = { (void *)1, 1 };
    return reached(process_vm_writev(process(words[0]), &here, 1, &other, 1, 0));
}
static int by_descriptor(char **words)
{
    int handle = call(SYS_pidfd_open, process(words[0]), 0);
    return handle < 0 ? errno : outcome(call(SYS_pidfd_getfd, handle, 0, 0));
}
static int by_kcmp(char **words) { return outcome(call(SYS_kcmp, getpid(), process(words[0]), KCMP_VM, 0, 0)); }
static int by_move_pages(char **words) { return outcome(call(SYS_move_pages, process(words[0]), 0, NULL, NULL, NULL, 0)); }
static int by_robust_list(char **words)
{
    void *head;
    size_t length;
    return outcome(call(SYS_get_robust_list, process(words[0]), &head, &length));
}
/* PROCESS NAME [TEXT]: a file of it in /proc. */
static const char *in_proc(char **words)
{
    static char path[256];
    snprintf(path, sizeof path, "/proc/%d/%s", process(words[0]), words[1]);
    return path;
}
static int by_reading(char **words)
{
    char buffer[4096];
    int file = open(in_proc(words), O_RDONLY | O_NONBLOCK);
    if (file < 0)
        return errno;
    ssize_t count = read(file, buffer, sizeof buffer);
    /* Memory has nothing at address zero; that it opens is enough. */
    if (count <= 0)
        return count < 0 && errno != EIO ? errno : strcmp(words[1], "mem") == 0 ? 0 : ENODATA;
    for (ssize_t index = 0; index < count; index++)
        putchar(buffer[index] ? buffer[index] : '\n');
    return 0;
}
static int by_writing(char **words)
{
    int file = open(in_proc(words), O_WRONLY);
    return file < 0 || write(file, words[2], strlen(words[2])) < 0 ? errno : 0;
}
static int by_opening(char **words) { return outcome(open(in_proc(words), O_WRONLY)); }
static int by_readlink(char **words)
{
    char path[256];
    return outcome(readlink(in_proc(words), path, sizeof path));
}

/* Its share of the machine. */
static int by_limit(char **words)
{
    const struct rlimit none = { 65536, 65536 };
    return outcome(prlimit(process(words[0]), RLIMIT_FSIZE, &none, NULL));
}
/* Its own limit of cores, to none: what /proc says then is what counts. */
static int core_is_none(void)
{
    char line[256], soft[32];
    FILE *limits = fopen("/proc/self/limits", "r");
    while (limits && fgets(line, sizeof line, limits))
        if (sscanf(line, "Max core file size %31s", soft) == 1)
            return strcmp(soft, "0") == 0 ? 0 : EPERM;
    return ENODATA;
}
static const struct rlimit none = { 0, 0 };
static int by_no_core(char **words) { (void)words; return setrlimit(RLIMIT_CORE, &none) < 0 ? errno : core_is_none(); }
static int by_old_no_core(char **words) { (void)words; return call(SYS_setrlimit, RLIMIT_CORE, &none) < 0 ? errno : core_is_none(); }
static int by_no_core_and_old(char **words)
{
    (void)words;
    struct rlimit old;
    return prlimit(0, RLIMIT_CORE, &none, &old) < 0 ? errno : core_is_none();
}
static int by_nice(char **words) { return outcome(setpriority(PRIO_PROCESS, process(words[0]), 19)); }
static int by_nice_group(char **words)
{
    pid_t group = getpgid(process(words[0]));
    return group <= 0 ? ESRCH : outcome(setpriority(PRIO_PGRP, group, 19));
}
/* Without a number anywhere: everybody of this user. PROCESS is then no better off than before. */
static int by_nice_user(char **words)
{
    int before = getpriority(PRIO_PROCESS, process(words[0]));
    /* It fails as soon as one of them is not to be had. */
    setpriority(PRIO_USER, 0, before + 1);
    return getpriority(PRIO_PROCESS, process(words[0])) > before ? 0 : EPERM;
}
static int by_io_priority(char **words) { return outcome(call(SYS_ioprio_set, 1, process(words[0]), 3 << 13)); }
/* PROCESS LEVEL: everybody of this user. */
static int by_io_priority_user(char **words)
{
    int priority = 2 << 13 | atoi(words[1]);
    call(SYS_ioprio_set, 3, getuid(), priority);
    return call(SYS_ioprio_get, 1, process(words[0])) == priority ? 0 : EPERM;
}
static int by_affinity(char **words)
{
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    return outcome(sched_setaffinity(process(words[0]), sizeof first, &first));
}
static int by_scheduler(char **words)
{
    const struct sched_param none = { 0 };
    return outcome(sched_setscheduler(process(words[0]), SCHED_BATCH, &none));
}
static int by_parameter(char **words)
{
    const struct sched_param none = { 0 };
    return outcome(sched_setparam(process(words[0]), &none));
}
static int by_attributes(char **words)
{
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t times[3]; } what = { .size = 48, .policy = 3,
        .nice = 19 };
    return outcome(call(SYS_sched_setattr, process(words[0]), &what, 0));
}

/* Its group. Whoever is in it stops or hangs up all of it by reading from the terminal. */
static int join(pid_t who, const char *word)
{
    pid_t group = getpgid(process(word));
    /* 0 would be its own. */
    return group <= 0 ? ESRCH : outcome(setpgid(who, group));
}
static int by_joining(char **words) { return join(0, words[0]); }
static int by_joined_child(char **words)
{
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    int error = join(child, words[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return error;
}
/* As a shell does with its jobs. */
static int by_own_groups(char **words)
{
    (void)words;
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    int error = outcome(setpgid(child, child)) | outcome(setpgid(0, 0));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return error;
}

/* The terminal on standard input. `^` is the key Enter. */
static int by_typing(char **words)
{
    for (char *key = words[0]; *key; key++)
        if (ioctl(0, TIOCSTI, *key == '^' ? "\n" : key) < 0)
            return errno;
    return 0;
}
/* The kernel looks at 32 bits of the request only. */
static int by_wide_typing(char **words) { return outcome(call(SYS_ioctl, 0, 0x100000000ul | TIOCSTI, words[0])); }
static int by_own_typing(char **words)
{
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY);
    return terminal < 0 ? errno : outcome(ioctl(terminal, TIOCSTI, words[0]));
}
/* REQUEST in hexadecimal, with a pointer to some zeros. */
static int by_ioctl(char **words)
{
    static char zeros[4096];
    return outcome(call(SYS_ioctl, 0, strtoul(words[0], NULL, 16), zeros));
}
static int by_stealing(char **words)
{
    (void)words;
    setsid();
    return outcome(ioctl(0, TIOCSCTTY, 1));
}

const struct attack process_attacks[] = {
    { "kill", by_kill, 2 }, { "tkill", by_tkill, 2 }, { "tgkill", by_tgkill, 2 }, { "sigqueue", by_queue, 2 },
    { "tgsigqueue", by_thread_queue, 2 }, { "pidfd-signal", by_pidfd, 2 }, { "proc-signal", by_proc_pidfd, 2 }, { "kill-group", by_group, 2 },
    { "kill-all", by_all, 2 }, { "setown", by_owner, 2 }, { "setown-ex", by_extended_owner, 2 }, { "fiosetown", by_owner_ioctl, 2 },
    { "kill-self", by_own_signal, 0 }, { "ptrace", by_trace, 1 }, { "process-readv", by_readv, 1 }, { "process-writev", by_writev, 1 },
    { "pidfd-getfd", by_descriptor, 1 }, { "kcmp", by_kcmp, 1 }, { "move-pages-of", by_move_pages, 1 },
    { "robust-list", by_robust_list, 1 }, { "read-proc", by_reading, 2 }, { "write-proc", by_writing, 3 }, { "open-proc", by_opening, 2 },
    { "link-proc", by_readlink, 2 }, { "prlimit", by_limit, 1 }, { "nice", by_nice, 1 }, { "nice-group", by_nice_group, 1 },
    { "nice-user", by_nice_user, 1 }, { "ioprio", by_io_priority, 1 }, { "ioprio-user", by_io_priority_user, 2 },
    { "affinity", by_affinity, 1 }, { "scheduler", by_scheduler, 1 }, { "sched-param", by_parameter, 1 }, { "sched-attr", by_attributes, 1 },
    { "no-core", by_no_core, 0 }, { "no-core-old-call", by_old_no_core, 0 }, { "no-core-and-old", by_no_core_and_old, 0 },
    { "join-group", by_joining, 1 }, { "child-joins", by_joined_child, 1 }, { "own-groups", by_own_groups, 0 },
    { "type", by_typing, 1 }, { "type-wide", by_wide_typing, 1 }, { "type-own", by_own_typing, 1 }, { "ioctl", by_ioctl, 1 },
    { "steal-terminal", by_stealing, 0 },
    { 0 },
};
