/* The rest of the kernel: calls that no diagnosis needs, each of which worked for somebody once. */
#include "attack.h"
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/quota.h>
#include <sys/uio.h>

#define NONE (void)words

static int by_unshare(char **words) { return outcome(unshare((int)strtol(words[0], NULL, 16))); }
/* FLAGS of clone(2) in hexadecimal. */
static int by_clone(char **words)
{
    long child = call(SYS_clone, strtol(words[0], NULL, 16) | SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        _exit(0);
    return outcome(child);
}
static int by_clone3(char **words)
{
    uint64_t arguments[8] = { strtol(words[0], NULL, 16), 0, 0, 0, SIGCHLD };
    long child = call(SYS_clone3, arguments, sizeof arguments);
    if (child == 0)
        _exit(0);
    return outcome(child);
}
static int by_setns(char **words) { return outcome(setns(open(words[0], O_RDONLY), 0)); }
static int by_chroot(char **words) { NONE; return outcome(chroot("/")); }
static int by_mount(char **words) { NONE; return outcome(mount("none", "/tmp", "tmpfs", 0, NULL)); }
static int by_umount(char **words) { return outcome(umount2(words[0], MNT_DETACH)); }
static int by_open_tree(char **words) { return outcome(call(428, AT_FDCWD, words[0], 1 /* OPEN_TREE_CLONE */)); }
static int by_fsopen(char **words) { NONE; return outcome(call(430, "tmpfs", 0)); }
static int by_handle(char **words)
{
    static union { struct file_handle handle; char room[256]; } file = { .handle = { .handle_bytes = 128 } };
    int mount;
    return outcome(name_to_handle_at(AT_FDCWD, words[0], &file.handle, &mount, 0));
}
static int by_userfaultfd(char **words) { NONE; return outcome(call(SYS_userfaultfd, UFFD_USER_MODE_ONLY | O_CLOEXEC)); }
static int by_uring(char **words)
{
    NONE;
    char parameters[256] = { 0 };
    return outcome(call(SYS_io_uring_setup, 4, parameters));
}
static int by_join_keyring(char **words) { NONE; return outcome(call(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL)); }
static int by_add_key(char **words)
{
    NONE;
    return outcome(call(SYS_add_key, "user", "attack", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}
static int by_request_key(char **words)
{
    NONE;
    long key = call(SYS_request_key, "user", "no such key", NULL, 0);
    return key < 0 && errno != ENOKEY ? errno : 0;
}
static int by_personality(char **words) { NONE; return outcome(personality(ADDR_NO_RANDOMIZE)); }
static int by_bpf(char **words)
{
    NONE;
    union bpf_attr map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
    return outcome(call(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
}
static int by_perf(char **words)
{
    NONE;
    struct perf_event_attr event = { .type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1,
        .exclude_hv = 1 };
    return outcome(call(SYS_perf_event_open, &event, 0, -1, -1, 0));
}
static int by_traceme(char **words) { NONE; return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL)); }
static int by_readv(char **words)
{
    NONE;
    char from = 1, into = 0;
    struct iovec here = { &into, 1 }, other = { &from, 1 };
    return outcome(process_vm_readv(getpid(), &here, 1, &other, 1, 0));
}
static int by_kcmp(char **words) { NONE; return outcome(call(SYS_kcmp, getpid(), getpid(), 0, 0, 1)); }
static int by_pidfd(char **words)
{
    NONE;
    int self = call(SYS_pidfd_open, getpid(), 0);
    return self < 0 ? errno : outcome(call(SYS_pidfd_getfd, self, 0, 0));
}
static int by_secret(char **words) { NONE; return outcome(call(447, 0)); }
static int by_fanotify(char **words) { NONE; return outcome(fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY)); }
static int by_vmsplice(char **words)
{
    NONE;
    int ends[2];
    struct iovec part = { "x", 1 };
    return pipe(ends) < 0 ? errno : outcome(vmsplice(ends[1], &part, 1, 0));
}
static int by_move_pages(char **words) { NONE; return outcome(call(SYS_move_pages, 0, 0, NULL, NULL, NULL, 0)); }
static int by_set_mempolicy(char **words) { NONE; return outcome(call(SYS_set_mempolicy, 0, NULL, 0)); }
static int by_mbind(char **words)
{
    NONE;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return outcome(call(SYS_mbind, page, 4096, 0, NULL, 0, 0));
}
static int by_syslog(char **words)
{
    NONE;
    char text[64];
    return outcome(call(SYS_syslog, 3, text, sizeof text));
}
static int by_quota(char **words)
{
    NONE;
    long result = call(SYS_quotactl, QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL);
    return result < 0 && errno != ESRCH ? errno : 0;
}
#ifdef __x86_64__
static int by_ldt(char **words)
{
    NONE;
    char table[64];
    return outcome(call(SYS_modify_ldt, 0, table, sizeof table));
}
#endif
static int by_remap(char **words)
{
    NONE;
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return outcome(call(SYS_remap_file_pages, pages, 4096, 0, 1, 0));
}
/* A filter with a listener of its own would come before the shell's. */
static int by_listener(char **words)
{
    NONE;
    struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
    struct sock_fprog program = { 1, all };
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return outcome(call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}
/* A number that no kernel has yet, and one beyond all tables: anything but ENOSYS is a surprise. */
static int by_unknown(char **words)
{
    call(atoi(words[0]), 0, 0, 0, 0, 0, 0);
    return errno;
}

const struct attack kernel_attacks[] = {
    { "unshare", by_unshare, 1 }, { "clone", by_clone, 1 }, { "clone3", by_clone3, 1 }, { "setns", by_setns, 1 },
    { "chroot", by_chroot, 0 }, { "mount", by_mount, 0 }, { "umount", by_umount, 1 }, { "open-tree", by_open_tree, 1 },
    { "fsopen", by_fsopen, 0 }, { "file-handle", by_handle, 1 }, { "userfaultfd", by_userfaultfd, 0 }, { "uring", by_uring, 0 },
    { "keyctl", by_join_keyring, 0 }, { "add-key", by_add_key, 0 }, { "request-key", by_request_key, 0 },
    { "personality", by_personality, 0 }, { "bpf", by_bpf, 0 }, { "perf", by_perf, 0 }, { "traceme", by_traceme, 0 },
    { "vm-readv", by_readv, 0 }, { "kcmp-self", by_kcmp, 0 }, { "pidfd", by_pidfd, 0 }, { "secret", by_secret, 0 },
    { "fanotify", by_fanotify, 0 }, { "vmsplice", by_vmsplice, 0 }, { "move-pages", by_move_pages, 0 },
    { "set-mempolicy", by_set_mempolicy, 0 }, { "mbind", by_mbind, 0 }, { "kernel-log", by_syslog, 0 }, { "quota", by_quota, 0 },
#ifdef __x86_64__
    { "ldt", by_ldt, 0 },
#endif
    { "remap", by_remap, 0 }, { "listener", by_listener, 0 }, { "unknown", by_unknown, 1 },
    { 0 },
};
