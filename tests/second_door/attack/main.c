#include "attack.h"

pid_t shell;

static const struct attack *const tables[] = {
    exec_attacks, file_attacks, kernel_attacks, limit_attacks, network_attacks, process_attacks,
};

static const struct attack *find(const char *name)
{
    for (size_t table = 0; table < sizeof tables / sizeof *tables; table++)
        for (const struct attack *row = tables[table]; row->name; row++)
            if (strcmp(row->name, name) == 0)
                return row;
    return NULL;
}

static void report(int status)
{
    if (WIFSIGNALED(status))
        printf("\n= killed %d\n", WTERMSIG(status));
    else if (WEXITSTATUS(status) == 0)
        printf("\n= yes\n");
    else
        printf("\n= no %s\n", strerrorname_np(WEXITSTATUS(status)) ? strerrorname_np(WEXITSTATUS(status)) : "?");
}

/* Whether an attempt met a bound of the kernel's. */
static int bounded;

/* One attempt; false if there is no such thing, which must not look like one that failed. */
static int one(char **words)
{
    int alone = words[0] && strcmp(words[0], "alone") == 0, count = 0;
    words += alone;
    const struct attack *attack = words[0] ? find(words[0]) : NULL;
    while (words[0] && words[count + 1])
        count++;
    if (!attack || count < attack->words) {
        fprintf(stderr, "attack: no attempt %s with %d words\n", words[0] ? words[0] : "", count);
        return 0;
    }
    printf("\n@\n");
    fflush(stdout);
    if (alone)
        exit(attack->make(words + 1));
    pid_t child = fork();
    if (child == 0) {
        /* One that hangs is one that failed. */
        alarm(15);
        int why = attack->make(words + 1);
        fflush(stdout);
        _exit(why);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child)
        printf("\n= no %s\n", strerrorname_np(errno));
    else
        report(status);
    bounded |= child > 0 && WIFEXITED(status) && (WEXITSTATUS(status) == EMFILE || WEXITSTATUS(status) == ENOMEM);
    fflush(stdout);
    return 1;
}

static char **from_input(void)
{
    static char text[16384], *words[1024];
    size_t length = fread(text, 1, sizeof text - 1, stdin), count = 0;
    text[length] = 0;
    for (char *word = strtok(text, " \n"); word && count < 1023; word = strtok(NULL, " \n"))
        words[count++] = word;
    return words;
}

/* To be attacked. */
static void suffer(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (;;)
        sleep(60);
}

int main(int count, char **words)
{
    (void)count;
    shell = getppid();
    if (words[1] && strcmp(words[1], "victim") == 0)
        suffer();
    words = words[1] && strcmp(words[1], "-") == 0 ? from_input() : words + 1;
    while (*words) {
        char **end = words;
        while (*end && strcmp(*end, ",") != 0)
            end++;
        int more = *end != NULL;
        *end = NULL;
        if (!one(words))
            return 2;
        words = end + more;
    }
    return bounded ? 3 : 0;
}
