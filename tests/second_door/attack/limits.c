/* What outlives its parent, and what takes too much. Everything ends by itself after a few seconds, so that a control leaves nothing. */
#include "attack.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}
static void ignore_all(void)
{
    for (int number = 1; number < 65; number++)
        signal(number, SIG_IGN);
    alarm(0);
}
static void daemonise(void (*live)(void))
{
    if (fork() != 0)
        return;
    setsid();
    if (fork() == 0) {
        ignore_all();
        prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
        live();
    }
    _exit(0);
}
static void sleep_on(void)
{
    for (double end = now(CLOCK_MONOTONIC) + 5; now(CLOCK_MONOTONIC) < end;)
        sleep(1);
}
static void fork_on(void)
{
    for (double end = now(CLOCK_MONOTONIC) + 2; now(CLOCK_MONOTONIC) < end;)
        if (fork() != 0)
            _exit(0);
}
static void stop(void) { raise(SIGSTOP); }
static void adopt(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    for (int count = 0; count < 5; count++)
        daemonise(sleep_on);
    sleep_on();
}

/* COUNT, and a word to be found by. */
static int repeated(char **words, void (*live)(void))
{
    for (int left = atoi(words[0]); left > 0; left--)
        daemonise(live);
    return 0;
}
static int by_daemons(char **words) { return repeated(words, sleep_on); }
static int by_chains(char **words) { return repeated(words, fork_on); }
static int by_stopping(char **words) { return repeated(words, stop); }
static int by_adopting(char **words) { return repeated(words, adopt); }

/* COUNT: every process forks two more, and each stays, until there are so many. */
static int by_bomb(char **words)
{
    volatile int *alive = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int all = atoi(words[0]);
    pid_t first = getpid();
    double end = now(CLOCK_MONOTONIC) + 1.5;
    while (now(CLOCK_MONOTONIC) < end && __atomic_load_n(alive, __ATOMIC_SEQ_CST) < all) {
        if (fork() == 0)
            __atomic_add_fetch(alive, 1, __ATOMIC_SEQ_CST);
        usleep(2000);
    }
    if (getpid() != first) {
        sleep(1);
        _exit(0);
    }
    return *alive >= all ? 0 : EAGAIN;
}
/* Seconds of the processor, whatever it is told. */
static int by_spinning(char **words)
{
    for (int number = 1; number < 65; number++)
        signal(number, SIG_IGN);
    while (now(CLOCK_PROCESS_CPUTIME_ID) < atof(words[0]))
        ;
    return 0;
}
/* The same by processes of which none is alive for long: a limit of each would never be reached. */
static int by_sharing(char **words)
{
    /* On a busy machine this takes far longer. */
    alarm(20);
    for (double left = atof(words[0]); left > 0; left -= 0.2) {
        pid_t child = fork();
        if (child == 0) {
            by_spinning((char *[]){ "0.2" });
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    return 0;
}
/* By processes that nobody waits for: the kernel reaps them. */
static int by_forgetting(char **words)
{
    signal(SIGCHLD, SIG_IGN);
    return by_sharing(words);
}
/* By processes that lose their parent at once: the shell reaps them. */
static int by_orphaning(char **words)
{
    alarm(20);
    for (double left = atof(words[0]); left > 0; left -= 0.2) {
        int ends[2];
        char byte;
        if (pipe(ends) < 0)
            return errno;
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            if (fork() == 0)
                by_spinning((char *[]){ "0.2" });
            _exit(0);
        }
        waitpid(child, NULL, 0);
        close(ends[1]);
        /* Ends when the orphan does. */
        read(ends[0], &byte, 1);
        close(ends[0]);
    }
    return 0;
}
/* Megabytes. */
static int by_grabbing(char **words)
{
    for (int left = atoi(words[0]); left > 0; left--) {
        char *piece = malloc(1 << 20);
        if (!piece)
            return errno;
        memset(piece, 1, 1 << 20);
    }
    return 0;
}
static int by_mapping(char **words)
{
    size_t size = (size_t)atoi(words[0]) << 20;
    char *piece = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (piece == MAP_FAILED)
        return errno;
    memset(piece, 1, size);
    return 0;
}
/* Megabytes that are asked for and not used: none of them counts, but for the kernel. */
static int by_reserving(char **words)
{
    size_t size = (size_t)atoi(words[0]) << 20;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    return mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? errno : 0;
}
static int by_opening(char **words)
{
    for (int left = atoi(words[0]); left > 0; left--)
        if (open("/dev/null", O_RDONLY) < 0)
            return errno;
    return 0;
}
/* BYTES PATH */
static int by_filling(char **words)
{
    char piece[4096] = { 0 };
    int file = open(words[1], O_WRONLY | O_CREAT, 0600);
    for (long left = atol(words[0]); left > 0; left -= sizeof piece)
        if (write(file, piece, sizeof piece) < 0)
            return errno;
    return 0;
}
static int by_filling_on(char **words)
{
    signal(SIGXFSZ, SIG_IGN);
    return by_filling(words);
}
/* BYTES */
static int by_talking(char **words)
{
    char piece[4096];
    memset(piece, 'x', sizeof piece);
    for (long left = atol(words[0]); left > 0; left -= sizeof piece)
        if (write(1, piece, sizeof piece) < 0)
            return errno;
    return 0;
}
static int by_dozing(char **words)
{
    usleep(atof(words[0]) * 1e6);
    return 0;
}

/* An attempt of these by a second thread, while the first has ended: what /proc says of the process it says of the first. */
static void *second(void *words)
{
    const struct attack *attack = limit_attacks;
    while (strcmp(attack->name, *(char **)words) != 0)
        attack++;
    usleep(50000);
    exit(attack->make((char **)words + 1));
}
static int by_losing_the_first(char **words)
{
    pthread_t thread;
    int why = pthread_create(&thread, NULL, second, words);
    if (why == 0)
        syscall(SYS_exit, 0);
    return why;
}

const struct attack limit_attacks[] = {
    { "daemons", by_daemons, 1 }, { "chains", by_chains, 1 }, { "stopped", by_stopping, 1 }, { "reapers", by_adopting, 1 },
    { "bomb", by_bomb, 1 }, { "spin", by_spinning, 1 }, { "spin-shared", by_sharing, 1 }, { "grab", by_grabbing, 1 },
    { "map", by_mapping, 1 }, { "open-many", by_opening, 1 }, { "fill", by_filling, 2 },
    { "fill-ignoring", by_filling_on, 2 }, { "reserve", by_reserving, 1 }, { "talk", by_talking, 1 }, { "doze", by_dozing, 1 },
    { "spin-unwaited", by_forgetting, 1 }, { "spin-orphaned", by_orphaning, 1 }, { "headless", by_losing_the_first, 2 },
    { 0 },
};
