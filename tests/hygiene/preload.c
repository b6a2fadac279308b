/* A library that a hostile caller wants in the shell: says so where it can, as whoever it is. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

unsigned int la_version(unsigned int version) { return version; }

__attribute__((constructor)) static void begin(void) {
    int canary = open("/run/postern-test/canary/preloaded", O_WRONLY | O_CREAT, 0666);
    if (canary >= 0)
        close(canary);
}
