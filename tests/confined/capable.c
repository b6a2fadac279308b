/* Hostile code in a command that has capabilities or looks at other processes: tries what its rule does not say, and prints the name of each
 * try that works. capable DIRECTORY BYSTANDER; the directory holds `file` and `spare`, the bystander is a process of the same user. Each
 * try is made by a child of its own, so that one does not change what the next can do. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t bystander;

static int opens(int flags)
{
    return open("file", flags, 0600) >= 0;
}

/* Files. */
static int write_only(void) { return opens(O_WRONLY); }
static int read_write(void) { return opens(O_RDWR); }
static int neither(void) { return opens(3); }
static int append(void) { return opens(O_WRONLY | O_APPEND); }
static int truncate_open(void) { return opens(O_RDONLY | O_TRUNC); }
static int create(void) { return open("new", O_CREAT | O_RDONLY, 0600) >= 0 && unlink("new") == 0; }
static int unnamed(void) { return open(".", O_TMPFILE | O_WRONLY, 0600) >= 0; }
static int open_again(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", open("file", O_RDONLY));
    return open(path, O_WRONLY) >= 0;
}
/* Another name of the one that is handed out, and the one beside it. */
static int by_detour(void) { return open("/dev/../dev/null", O_WRONLY) >= 0 || open("/dev/full", O_RDWR) >= 0; }
static int open_how(void)
{
    uint64_t how[3] = { O_WRONLY, 0, 0 };
    return syscall(SYS_openat2, AT_FDCWD, "file", how, sizeof how) >= 0;
}
static int cut(void) { return truncate("file", 1) == 0; }
static int directory(void) { return mkdir("directory", 0700) == 0 && rmdir("directory") == 0; }
static int fifo(void) { return mkfifo("fifo", 0600) == 0 && unlink("fifo") == 0; }
static int hard_link(void) { return link("file", "hard") == 0 && unlink("hard") == 0; }
static int symbolic_link(void) { return symlink("file", "soft") == 0 && unlink("soft") == 0; }
static int renames(void) { return rename("spare", "other") == 0 && rename("other", "spare") == 0; }
static int exchanges(void) { return renameat2(AT_FDCWD, "spare", AT_FDCWD, "file", 2) == 0; }
static int removes(void) { return unlink("spare") == 0 && close(open("spare", O_CREAT | O_WRONLY, 0666)) == 0; }
static int mode(void) { return chmod("file", 0666) == 0; }
static int socket_name(void)
{
    struct sockaddr_un name = { AF_UNIX, "socket" };
    int made = bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&name, sizeof name) == 0;
    return made && unlink("socket") == 0;
}

/* Other processes. */
static int signals(void) { return kill(bystander, 0) == 0; }
static int environment(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", bystander);
    return open(path, O_RDONLY) >= 0;
}
static int attach(void) { return ptrace(PTRACE_SEIZE, bystander, 0, 0) == 0; }
static unsigned long address(void)
{
    char path[64];
    unsigned long first = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", bystander);
    FILE *maps = fopen(path, "r");
    return maps != NULL && fscanf(maps, "%lx", &first) == 1 ? first : 0;
}
static int stopped(void)
{
    return attach() && ptrace(PTRACE_INTERRUPT, bystander, 0, 0) == 0 && waitpid(bystander, NULL, __WALL) == bystander;
}
static int peek(void)
{
    errno = 0;
    ptrace(PTRACE_PEEKDATA, stopped() ? bystander : -1, address(), 0);
    return errno == 0;
}
static int poke(void)
{
    unsigned long first = address(), word = stopped() ? ptrace(PTRACE_PEEKDATA, bystander, first, 0) : 0;
    return ptrace(PTRACE_POKEDATA, bystander, first, word) == 0;
}
static int registers(void)
{
    uint64_t all[64];
    struct iovec room = { all, sizeof all };
    return stopped() && ptrace(PTRACE_GETREGSET, bystander, 1, &room) == 0 && ptrace(PTRACE_SETREGSET, bystander, 1, &room) == 0;
}
static int kill_with(void) { return ptrace(PTRACE_SEIZE, bystander, 0, PTRACE_O_TRACESYSGOOD | (1 << 20)) == 0; }
static ssize_t other_memory(long call)
{
    char byte = 0x7f;
    unsigned long first = address();
    struct iovec here = { &byte, 1 }, there = { (void *)first, 1 };
    return syscall(call, bystander, &here, 1, &there, 1, 0);
}
static int reads_memory(void) { return other_memory(SYS_process_vm_readv) == 1; }
/* The first page is not writable: the kernel gets as far as to look, or it does not. */
static int writes_memory(void) { return other_memory(SYS_process_vm_writev) == 1 || errno == EFAULT; }
static int memory_file(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", bystander);
    return open(path, O_RDWR) >= 0;
}

/* More than it has. */
static int starts(void)
{
    pid_t child = fork();
    int status = 1;
    if (child == 0) {
        execl("/usr/bin/true", "true", NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    return status == 0;
}
static int capset_with(uint32_t bit)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &header, sets) != 0)
        return 0;
    sets[0].permitted |= bit;
    sets[0].effective |= bit;
    sets[0].inheritable |= bit;
    return syscall(SYS_capset, &header, sets) == 0;
}
/* CAP_SYS_BOOT and CAP_SYS_RAWIO, which no test lists. */
static int more(void) { return capset_with(1u << CAP_SYS_BOOT | 1u << CAP_SYS_RAWIO); }
/* One that it has, again: taken away, it does not come back either. */
static int ambient(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct sets[2];
    syscall(SYS_capget, &header, sets);
    sets[0].inheritable = sets[0].permitted;
    syscall(SYS_capset, &header, sets);
    for (int capability = 0; capability < 32; capability++) {
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, capability, 0, 0);
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0)
            return 1;
    }
    return 0;
}
static int becomes_root(void) { return setresuid(1, 1, 1) == 0 && setresuid(0, 0, 0) == 0; }
static int securebits(void) { return prctl(PR_SET_SECUREBITS, 0) == 0; }
static int mounts(void) { return syscall(SYS_mount, "none", "/", NULL, 1 << 19, NULL) == 0; }
static int names(void)
{
    char name[256];
    return gethostname(name, sizeof name) == 0 && sethostname(name, strlen(name)) == 0;
}

int main(int count, char **arguments)
{
    static const struct { const char *name; int (*works)(void); } tries[] = {
        { "write-only", write_only }, { "read-write", read_write }, { "neither", neither }, { "append", append },
        { "truncate-open", truncate_open }, { "create", create }, { "unnamed", unnamed }, { "open-again", open_again },
        { "detour", by_detour }, { "openat2", open_how }, { "truncate", cut }, { "mkdir", directory }, { "mkfifo", fifo }, { "link", hard_link },
        { "symlink", symbolic_link }, { "rename", renames }, { "renameat2", exchanges }, { "unlink", removes }, { "chmod", mode },
        { "socket-name", socket_name },
        { "kill", signals }, { "environ", environment }, { "seize", attach }, { "peek", peek }, { "poke", poke },
        { "registers", registers }, { "readv", reads_memory }, { "writev", writes_memory },
        { "mem", memory_file },
        { "exec", starts }, { "capset", more }, { "ambient", ambient }, { "setuid", becomes_root },
        { "securebits", securebits }, { "mount", mounts }, { "hostname", names },
        { "exit-kill", kill_with },
    };
    if (count != 3 || chdir(arguments[1]) != 0)
        return 2;
    bystander = atoi(arguments[2]);
    for (size_t index = 0; index < sizeof tries / sizeof *tries; index++) {
        int status = 0;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            _exit(tries[index].works() ? 0 : 1);
        if (waitpid(child, &status, 0) == child && status == 0)
            printf("%s\n", tries[index].name);
    }
    return 0;
}
