/* Starts a program as a hostile caller would: `parent ATTACK... -- PROGRAM ARGUMENT...`. An attack is NAME[:VALUE[:VALUE]]. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static char **arguments;
static int traced;

static void must(int condition, const char *what) {
    if (!condition) {
        perror(what);
        exit(99);
    }
}

static void write_file(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    must(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text) && close(file) == 0, path);
}

static int resource(const char *name) {
    static const struct { const char *name; int resource; } known[] = {
        {"AS", RLIMIT_AS}, {"CORE", RLIMIT_CORE}, {"CPU", RLIMIT_CPU}, {"DATA", RLIMIT_DATA}, {"FSIZE", RLIMIT_FSIZE},
        {"MEMLOCK", RLIMIT_MEMLOCK}, {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NOFILE", RLIMIT_NOFILE}, {"NPROC", RLIMIT_NPROC},
        {"RTTIME", RLIMIT_RTTIME}, {"SIGPENDING", RLIMIT_SIGPENDING}, {"STACK", RLIMIT_STACK},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i].resource;
    must(0, name);
    return 0;
}

static void limit(char *what, int hard_too) {
    char *value = strchr(what, ':');
    *value++ = 0;
    struct rlimit limit;
    must(getrlimit(resource(what), &limit) == 0, "getrlimit");
    limit.rlim_cur = strtoul(value, 0, 10);
    if (hard_too)
        limit.rlim_max = limit.rlim_cur;
    must(setrlimit(resource(what), &limit) == 0, "setrlimit");
}

static void replace(int descriptor, int with) {
    must(with >= 0 && (with == descriptor || dup2(with, descriptor) == descriptor), "dup2");
}

/* What stands where a file, a terminal or a pipe is meant to be. */
static void strange(char *what) {
    int descriptor = atoi(what), pipes[2];
    what = strchr(what, ':') + 1;
    if (strcmp(what, "directory") == 0)
        replace(descriptor, open("/", O_RDONLY));
    else if (strcmp(what, "path") == 0)
        replace(descriptor, open("/etc/shadow", O_PATH));
    else if (strcmp(what, "writeonly") == 0)
        replace(descriptor, open("/dev/null", O_WRONLY));
    else if (strcmp(what, "readonly") == 0)
        replace(descriptor, open("/etc/passwd", O_RDONLY));
    else if (strcmp(what, "noreader") == 0) {
        must(pipe(pipes) == 0, "pipe");
        replace(descriptor, pipes[1]);
        close(pipes[0]);
    } else
        must(0, what);
}

static void every_signal(void (*act)(int)) {
    for (int number = 1; number <= 64; number++)
        if (number != SIGKILL && number != SIGSTOP)
            act(number);
}

static void ignore(int number) { signal(number, SIG_IGN); }
static void send_self(int number) { kill(getpid(), number); }

static void block(void) {
    unsigned long all = ~0UL;
    must(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8) == 0, "rt_sigprocmask");
}

static void timers(long microseconds) {
    struct itimerval soon = {{0, microseconds}, {0, microseconds}};
    must(setitimer(ITIMER_REAL, &soon, 0) == 0 && setitimer(ITIMER_VIRTUAL, &soon, 0) == 0 && setitimer(ITIMER_PROF, &soon, 0) == 0,
         "setitimer");
}

static void directory(const char *what) {
    char place[] = "/run/postern-test/canary/here-XXXXXX";
    must(mkdtemp(place) && chdir(place) == 0, "mkdtemp");
    must(strcmp(what, "unreadable") ? rmdir(place) == 0 : chmod(place, 0) == 0, what);
}

static void user_namespace(int more) {
    char map[64];
    snprintf(map, sizeof map, "0 %d 1", getuid());
    must(unshare(CLONE_NEWUSER | more) == 0, "unshare");
    write_file("/proc/self/uid_map", map);
}

/* A process that shares the file system context of this one, and dies with it: execve(2) honours no set-user-ID bit then. */
static void share(void) {
    int armed[2];
    char byte;
    must(pipe(armed) == 0, "pipe");
    long child = syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    must(child >= 0, "clone");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(armed[0]);
        close(armed[1]);
        for (;;)
            pause();
    }
    /* Or this one may have ended before, and the other would live for ever. */
    close(armed[1]);
    must(read(armed[0], &byte, 1) == 0 && close(armed[0]) == 0, "read");
}

static int is(const char *attack, const char *name, char **value) {
    size_t length = strlen(name);
    if (strncmp(attack, name, length) != 0 || (attack[length] != 0 && attack[length] != ':'))
        return 0;
    *value = (char *)attack + length + (attack[length] == ':');
    return 1;
}

static void more_arguments(long count) {
    size_t own = 0;
    while (arguments[own])
        own++;
    char **all = calloc(own + count + 1, sizeof *all);
    memcpy(all, arguments, own * sizeof *all);
    for (long i = 0; i < count; i++)
        all[own + i] = "x";
    arguments = all;
}

static void attack(char *what) {
    char *value;
    if (is(what, "env", &value)) must(putenv(value) == 0, "putenv");
    else if (is(what, "close", &value)) close(atoi(value));
    else if (is(what, "strange", &value)) strange(value);
    else if (is(what, "descriptors", &value)) {
        struct rlimit limit;
        must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
        limit.rlim_cur = limit.rlim_max;
        must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
        for (long i = atol(value); i > 0; i--)
            must(dup(open("/dev/null", O_RDONLY)) >= 0, "dup");
    }
    else if (is(what, "limit", &value)) limit(value, 1);
    else if (is(what, "soft", &value)) limit(value, 0);
    else if (is(what, "ignore", &value)) every_signal(ignore);
    else if (is(what, "block", &value)) block();
    else if (is(what, "send", &value)) every_signal(send_self);
    else if (is(what, "timers", &value)) timers(atol(value));
    else if (is(what, "alarm", &value)) alarm(atoi(value));
    else if (is(what, "umask", &value)) umask(strtol(value, 0, 8));
    else if (is(what, "directory", &value)) directory(value);
    else if (is(what, "noarguments", &value)) arguments = 0;
    else if (is(what, "arguments", &value)) more_arguments(atol(value));
    else if (is(what, "no_new_privs", &value)) must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "prctl");
    else if (is(what, "trace", &value)) traced = 1;
    else if (is(what, "user_namespace", &value)) user_namespace(0);
    else if (is(what, "mount_namespace", &value)) user_namespace(CLONE_NEWNS);
    else if (is(what, "share", &value)) share();
    else if (is(what, "setsid", &value)) must(setsid() >= 0, "setsid");
    else if (is(what, "slack", &value)) must(prctl(PR_SET_TIMERSLACK, strtoul(value, 0, 10), 0, 0, 0) == 0, "prctl");
    else if (is(what, "old_kernel", &value)) must(personality(0x0020000) >= 0, "personality");
    else if (is(what, "death_signal", &value)) must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0, "prctl");
    else if (is(what, "oom", &value)) write_file("/proc/self/oom_score_adj", "1000");
    else must(0, what);
}

static int trace(const char *program) {
    int status = 0;
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        must(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0, "ptrace");
        execv(program, arguments);
        _exit(98);
    }
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status))
        ptrace(PTRACE_CONT, child, 0, WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **words) {
    int at = 1;
    while (at < count && strcmp(words[at], "--") != 0)
        at++;
    must(at + 1 < count, "usage");
    const char *program = words[at + 1];
    arguments = words + at + 1;
    for (int i = 1; i < at; i++)
        attack(words[i]);
    if (traced)
        return trace(program);
    execv(program, arguments);
    /* Standard error may be what is attacked. */
    return 98;
}
