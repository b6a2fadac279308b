/* Runs a program on a kernel that lacks something: wrap WHAT PROGRAM [ARGUMENT...]
 *   landlock  no Landlock (ENOSYS)
 *   notify    no listener for a filter (EINVAL, as before Linux 5.0)
 *   listener  a listener that is taken already, as under some container managers
 *   seccomp   no filters at all (ENOSYS)
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ANY(bits, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, yes, no)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)
#define FAIL(error) ANSWER(SECCOMP_RET_ERRNO | (error))

static int install(struct sock_filter *program, unsigned short length, unsigned flags) {
    struct sock_fprog filter = {length, program};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}
#define INSTALL(program, flags) install(program, sizeof program / sizeof *program, flags)

int main(int count, char **words) {
    if (count < 3 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return 99;
    int done = -1;
    if (strcmp(words[1], "landlock") == 0) {
        struct sock_filter program[] = {LOAD(nr), IF(444, 2, 0), IF(445, 1, 0), IF(446, 0, 1), FAIL(ENOSYS), ANSWER(SECCOMP_RET_ALLOW)};
        done = INSTALL(program, 0);
    } else if (strcmp(words[1], "notify") == 0) {
        struct sock_filter program[] = {LOAD(nr), IF(SYS_seccomp, 0, 6), LOAD(args[0]), IF(SECCOMP_GET_NOTIF_SIZES, 3, 0),
                                        IF(SECCOMP_SET_MODE_FILTER, 0, 3), LOAD(args[1]),
                                        ANY(SECCOMP_FILTER_FLAG_NEW_LISTENER, 0, 1), FAIL(EINVAL), ANSWER(SECCOMP_RET_ALLOW)};
        done = INSTALL(program, 0);
    } else if (strcmp(words[1], "listener") == 0) {
        /* Asks about a call that nobody makes; the listener itself is kept open. */
        struct sock_filter program[] = {LOAD(nr), IF(SYS_nfsservctl, 0, 1), ANSWER(SECCOMP_RET_USER_NOTIF), ANSWER(SECCOMP_RET_ALLOW)};
        done = INSTALL(program, SECCOMP_FILTER_FLAG_NEW_LISTENER);
        done = done < 0 ? -1 : dup2(done, 200) < 0 ? -1 : 0;
    } else if (strcmp(words[1], "seccomp") == 0) {
        struct sock_filter program[] = {LOAD(nr), IF(SYS_seccomp, 0, 1), FAIL(ENOSYS), ANSWER(SECCOMP_RET_ALLOW)};
        done = INSTALL(program, 0);
    }
    if (done != 0) {
        perror(words[1]);
        return 98;
    }
    execv(words[2], words + 2);
    return 97;
}
