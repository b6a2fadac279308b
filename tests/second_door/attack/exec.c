/* Other programs: `ATTEMPT PATH [ARGUMENT...]` tries to have PATH executed. */
#include "attack.h"
#include <pthread.h>
#include <spawn.h>
#include <sys/mman.h>

static char *nothing[] = { NULL };

static int by_execve(char **words) { return outcome(execve(words[0], words, nothing)); }
static int by_execvp(char **words) { return outcome(execvp(words[0], words)); }
static int by_execveat(char **words) { return outcome(call(SYS_execveat, AT_FDCWD, words[0], words, nothing, 0)); }

/* By descriptor: what a filter that trusts a number or a flag lets through. */
static int by_descriptor(char **words)
{
    int program = open(words[0], O_PATH), error = 0;
    for (int number = 3; number < 1100; number++)
        if (dup2(program, number) == number)
            error = outcome(call(SYS_execveat, number, "", words, nothing, AT_EMPTY_PATH));
    return error;
}
static int by_fexecve(char **words) { return outcome(fexecve(open(words[0], O_RDONLY), words, nothing)); }
static int by_own_descriptor(char **words)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", open(words[0], O_PATH));
    return outcome(execve(path, words, nothing));
}
static int by_memfd(char **words)
{
    char buffer[65536];
    ssize_t count;
    int source = open(words[0], O_RDONLY), copy = memfd_create("copy", 0);
    while ((count = read(source, buffer, sizeof buffer)) > 0)
        if (write(copy, buffer, count) != count)
            return EIO;
    call(SYS_execveat, copy, "", words, nothing, AT_EMPTY_PATH);
    snprintf(buffer, sizeof buffer, "/proc/self/fd/%d", copy);
    return outcome(execve(buffer, words, nothing));
}

/* Through a process or a thread of its own. */
static int ended(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}
static int by_spawn(char **words)
{
    pid_t child;
    int error = posix_spawn(&child, words[0], NULL, NULL, words, nothing);
    return error ? error : ended(child);
}
static int by_vfork(char **words)
{
    pid_t child = vfork();
    if (child == 0) {
        execve(words[0], words, nothing);
        _exit(errno);
    }
    return ended(child);
}
static void *in_thread(void *words)
{
    static int error;
    execve(((char **)words)[0], words, nothing);
    error = errno;
    return &error;
}
static int by_thread(char **words)
{
    pthread_t other;
    void *error = NULL;
    if (pthread_create(&other, NULL, in_thread, words) == 0)
        pthread_join(other, &error);
    return error ? *(int *)error : EAGAIN;
}

/* Through a shell: these take one word, a program's path. */
static int by_system(char **words)
{
    int status = system(words[0]);
    return status == 0 ? 0 : EACCES;
}
static int by_popen(char **words)
{
    char line[256];
    FILE *pipe = popen(words[0], "r");
    while (pipe && fgets(line, sizeof line, pipe))
        fputs(line, stdout);
    return pipe && pclose(pipe) == 0 ? 0 : EACCES;
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
static void at(uintptr_t path, uintptr_t argv, char **words)
{
    uintptr_t page = path & ~4095ul;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (mmap((void *)page, 65536 * 4, PROT_READ | PROT_WRITE, flags, -1, 0) != (void *)page)
        return;
    strcpy((char *)path, words[0]);
    ((char **)argv)[0] = words[0];
    ((char **)argv)[1] = NULL;
    call(SYS_execve, path, argv, argv + 8);
    munmap((void *)page, 65536 * 4);
}
static int by_guess(char **words)
{
    for (int count = 0; count < 5000; count++) {
        uintptr_t path = wild();
        at(path, (path + 4096 + wild() % 65536) & ~7ul, words);
    }
    return EACCES;
}

/* Other system call tables. */
#ifdef __x86_64__
static int by_int80(char **words)
{
    /* i386 pointers are 32 bits wide: everything must lie low. */
    char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    uint32_t *argv = (uint32_t *)(low + 4096);
    if (low == MAP_FAILED)
        return ENOMEM;
    strcpy(low, words[0]);
    argv[0] = (uint32_t)(uintptr_t)low;
    argv[1] = 0;
    int32_t result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(11), "b"(low), "c"(argv), "d"(&argv[1]) : "memory", "r8", "r9", "r10", "r11");
    return result < 0 ? -result : 0;
}
static int by_x32(char **words)
{
    syscall(0x40000000 | 520, words[0], words, nothing);
    syscall(0x40000000 | 545, AT_FDCWD, words[0], words, nothing, 0);
    return outcome(syscall(0x40000000 | SYS_execve, words[0], words, nothing));
}
#endif

/* ALLOWED FORBIDDEN: another thread rewrites the path while the kernel, or who answers for it, looks at it. Only the forbidden one counts: it
 * prints what the allowed one does not. */
static char racing[256];
static char *pair[2];
static void *rewrite(void *unused)
{
    for (;;) {
        memcpy(racing, pair[0], strlen(pair[0]) + 1);
        for (volatile int pause = 0; pause < 2000; pause++)
            ;
        memcpy(racing, pair[1], strlen(pair[1]) + 1);
        for (volatile int pause = 0; pause < 2000; pause++)
            ;
    }
    return unused;
}
static int by_race(char **words)
{
    memcpy(pair, words, sizeof pair);
    words[1] = NULL;
    for (int count = 0; count < 150; count++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t other;
            pthread_create(&other, NULL, rewrite, NULL);
            usleep(count * 7 % 400);
            execve(racing, words, nothing);
            _exit(1);
        }
        waitpid(child, NULL, 0);
    }
    return 0;
}

/* DIRECTORY ALLOWED FORBIDDEN: the same with a name, which leads to the one and then to the other. */
static int by_link_race(char **words)
{
    char name[256], next[256];
    snprintf(name, sizeof name, "%s/name", words[0]);
    snprintf(next, sizeof next, "%s/next", words[0]);
    pid_t other = fork();
    if (other < 0)
        return errno;
    for (int turn = 0; other == 0; turn++)
        if (symlink(words[1 + turn % 2], next) < 0 || rename(next, name) < 0)
            _exit(1);
    for (int count = 0; count < 150; count++) {
        pid_t child = fork();
        if (child == 0) {
            usleep(count * 7 % 400);
            execve(name, (char *[]){ words[1], NULL }, nothing);
            _exit(1);
        }
        waitpid(child, NULL, 0);
    }
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    unlink(next);
    return 0;
}

/* PATH: by a process that keeps all descriptors and lives on when its parent, and perhaps the whole command, has ended. */
static int by_orphan(char **words)
{
    if (fork() != 0)
        return 0;
    setsid();
    for (int number = 1; number < 65; number++)
        signal(number, SIG_IGN);
    if (fork() == 0) {
        usleep(100000);
        execve(words[0], words, nothing);
        call(SYS_execveat, AT_FDCWD, words[0], words, nothing, 0);
        usleep(100000);
    }
    _exit(0);
}

/* COUNT PATH: so often that whoever keeps count of it must have a bound. */
static int by_flood(char **words)
{
    int error = 0;
    for (int left = atoi(words[0]); left > 0; left--) {
        char path[256];
        snprintf(path, sizeof path, "%s%.*s", "/", left % 200, "/////////////////////////////////////////////////////////////////////////////"
            "/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////");
        strncat(path, words[1] + 1, sizeof path - strlen(path) - 1);
        error = outcome(execve(path, words + 1, nothing));
    }
    return error;
}

const struct attack exec_attacks[] = {
    { "execve", by_execve, 1 }, { "execvp", by_execvp, 1 }, { "execveat", by_execveat, 1 }, { "exec-descriptor", by_descriptor, 1 },
    { "fexecve", by_fexecve, 1 }, { "exec-proc", by_own_descriptor, 1 }, { "exec-memfd", by_memfd, 1 }, { "spawn", by_spawn, 1 },
    { "vfork", by_vfork, 1 }, { "exec-thread", by_thread, 1 }, { "system", by_system, 1 }, { "popen", by_popen, 1 },
    { "exec-guess", by_guess, 1 }, { "exec-race", by_race, 2 }, { "exec-race-link", by_link_race, 3 },
    { "orphan", by_orphan, 1 }, { "exec-flood", by_flood, 2 },
#ifdef __x86_64__
    { "int80", by_int80, 1 }, { "x32", by_x32, 1 },
#endif
    { 0 },
};
