/* Hostile code in a confined child: `attack ATTEMPT [WORD...] [, ATTEMPT [WORD...]]...`. With `-` alone the words come from standard input.
 *
 * Each attempt is made by a child of its own, so that one that is killed does not end the others. For each, this is printed: a line `@`, what
 * the attempt itself prints, and a line `= yes`, `= no ERRNO` or `= killed SIGNAL`. The status at the end is 1 if one of them was refused
 * descriptors or memory, which is how programs fail at that. `alone ATTEMPT [WORD...]` makes one without a child, and ends as it does. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Makes one attempt. Zero: it worked; else why not, an errno. The words are those behind its name, and then NULL. */
typedef int attempt(char **words);

struct attack {
    const char *name;
    attempt *make;
    int words;
};

/* Each ends with a row without a name. */
extern const struct attack exec_attacks[], file_attacks[], kernel_attacks[], limit_attacks[], network_attacks[], process_attacks[];

/* The parent that this program had at first: the shell, as far as there is one. */
extern pid_t shell;

/* A result of a system call as an attempt returns it. */
static inline int outcome(long result) { return result < 0 ? errno : 0; }

/* Calls that C libraries have no function for, or one that does something else. */
#define call(number, ...) syscall(number, ##__VA_ARGS__)
