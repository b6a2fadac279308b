/* Hostile code in a confined child: tries to start a second program, `touch CANARY`, past the one-exec filter.
 * attack MODE CANARY; each try is made by a child of its own, so that one that is killed does not end the others. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "/usr/bin/touch"

static char *canary;
static char *words[3];
static char *nothing[] = { NULL };

static void apart(void (*attempt)(void))
{
    pid_t child = fork();
    if (child == 0) {
        attempt();
        _exit(1);
    }
    waitpid(child, NULL, 0);
}

/* Plain calls, and the ways that the C library has. */
static void by_execve(void) { execve(PROGRAM, words, nothing); }
static void by_execvp(void) { execvp("touch", words); }
static void by_spawn(void)
{
    pid_t child;
    if (posix_spawn(&child, PROGRAM, NULL, NULL, words, nothing) == 0)
        waitpid(child, NULL, 0);
}
static void by_vfork(void)
{
    pid_t child = vfork();
    if (child == 0) {
        execve(PROGRAM, words, nothing);
        _exit(1);
    }
    waitpid(child, NULL, 0);
}
static void *thread(void *unused)
{
    execve(PROGRAM, words, nothing);
    return unused;
}
static void by_thread(void)
{
    pthread_t other;
    if (pthread_create(&other, NULL, thread, NULL) == 0)
        pthread_join(other, NULL);
}

/* By descriptor: what a filter that trusts a number or a flag lets through. */
static void by_descriptor(void)
{
    int program = open(PROGRAM, O_PATH);
    for (int number = 3; number < 1100; number++)
        if (dup2(program, number) == number)
            syscall(SYS_execveat, number, "", words, nothing, AT_EMPTY_PATH);
}
static void by_fexecve(void) { fexecve(open(PROGRAM, O_RDONLY), words, nothing); }
static void by_memfd(void)
{
    char buffer[65536];
    ssize_t count;
    int source = open(PROGRAM, O_RDONLY), copy = memfd_create("copy", 0);
    while ((count = read(source, buffer, sizeof buffer)) > 0)
        if (write(copy, buffer, count) != count)
            return;
    syscall(SYS_execveat, copy, "", words, nothing, AT_EMPTY_PATH);
    snprintf(buffer, sizeof buffer, "/proc/self/fd/%d", copy);
    execve(buffer, words, nothing);
}

/* Wild pointers, each with this program's own words behind it. */
static uintptr_t wild(void)
{
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state & ((1ull << 46) - 1);
}
static void at(uintptr_t path, uintptr_t argv, uintptr_t environment)
{
    uintptr_t page = path & ~4095ul;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (mmap((void *)page, 65536 * 4, PROT_READ | PROT_WRITE, flags, -1, 0) != (void *)page)
        return;
    strcpy((char *)path, PROGRAM);
    memcpy((void *)(argv & ~7ul), words, sizeof words);
    memset((void *)(environment & ~7ul), 0, 8);
    syscall(SYS_execve, path, argv & ~7ul, environment & ~7ul);
    munmap((void *)page, 65536 * 4);
}
static void by_guess(void)
{
    for (int count = 0; count < 20000; count++) {
        uintptr_t path = wild();
        at(path, path + 4096 + wild() % 65536, path + 69632 + wild() % 65536);
    }
}

/* Other system call tables. */
#ifdef __x86_64__
static void by_int80(void)
{
    /* i386 pointers are 32 bits wide: everything must lie low. */
    char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    uint32_t *argv = (uint32_t *)(low + 4096);
    if (low == MAP_FAILED)
        return;
    strcpy(low, PROGRAM);
    strcpy(low + 256, canary);
    argv[0] = (uint32_t)(uintptr_t)low;
    argv[1] = (uint32_t)(uintptr_t)(low + 256);
    argv[2] = 0;
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(11), "b"(low), "c"(argv), "d"(&argv[2])
                     : "memory", "r8", "r9", "r10", "r11");
}
static void by_x32(void)
{
    syscall(0x40000000 | 520, PROGRAM, words, nothing);
    syscall(0x40000000 | 545, AT_FDCWD, PROGRAM, words, nothing, 0);
    syscall(0x40000000 | SYS_execve, PROGRAM, words, nothing);
}
#endif

/* Secrets of the shell: its memory and its descriptors, by which a cookie could be read. Leaves the canary where either opens. */
static void by_shell(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", getppid());
    int memory = open(path, O_RDONLY);
    snprintf(path, sizeof path, "/proc/%d/fd/0", getppid());
    int descriptor = open(path, O_RDONLY);
    if (memory >= 0 || descriptor >= 0)
        close(open(canary, O_CREAT | O_WRONLY, 0600));
}

int main(int count, char **arguments)
{
    static const struct { const char *name; void (*attempt)(void); } modes[] = {
        { "execve", by_execve }, { "execvp", by_execvp }, { "spawn", by_spawn }, { "vfork", by_vfork }, { "thread", by_thread },
        { "descriptor", by_descriptor }, { "fexecve", by_fexecve }, { "memfd", by_memfd }, { "guess", by_guess },
#ifdef __x86_64__
        { "int80", by_int80 }, { "x32", by_x32 },
#endif
    };
    if (count != 3)
        return 2;
    canary = arguments[2];
    words[0] = "touch";
    words[1] = canary;
    if (strcmp(arguments[1], "shell") == 0) {
        by_shell();
        return 0;
    }
    for (size_t index = 0; index < sizeof modes / sizeof *modes; index++)
        if (strcmp(arguments[1], modes[index].name) == 0) {
            apart(modes[index].attempt);
            return 0;
        }
    return 2;
}
