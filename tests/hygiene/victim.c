/* A program without hygiene: says, a line each, what it was started with. Set-user-ID or not, as the test installs it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

static void print_status(const char *field) {
    char line[512];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, field, strlen(field)) == 0)
            fputs(line, stdout);
    if (status)
        fclose(status);
}

int main(int count, char **words) {
    (void)words;
    int open_ones = 0, timers = 0;
    for (int i = 3; i < 20000; i++)
        open_ones += fcntl(i, F_GETFD) >= 0;
    for (int i = 0; i < 3; i++) {
        struct itimerval left;
        getitimer(i, &left);
        timers += left.it_interval.tv_usec || left.it_value.tv_sec || left.it_value.tv_usec;
    }
    struct rlimit size;
    getrlimit(RLIMIT_FSIZE, &size);
    printf("effective %d\narguments %d\ndescriptors %d\ntimers %d\numask %04o\nfile size %ld\n", geteuid(), count, open_ones, timers,
           umask(0), (long)size.rlim_cur);
    printf("personality %x\nslack %d\n", personality(0xffffffff), prctl(PR_GET_TIMERSLACK));
    for (int i = 0; i < 3; i++) {
        struct stat found;
        printf("standard %d %s\n", i, fstat(i, &found) != 0                ? "closed"
                                      : S_ISDIR(found.st_mode)          ? "directory"
                                      : fcntl(i, F_GETFL) & O_PATH      ? "path"
                                                                        : "open");
    }
    char *here = getcwd(0, 0);
    printf("directory %s\n", here ? here : "none");
    print_status("SigBlk");
    print_status("SigIgn");
    print_status("ShdPnd");
    for (char **name = environ; *name; name++)
        printf("variable %s\n", *name);
    return 0;
}
