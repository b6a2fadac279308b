/* Files. What reads prints the contents. What changes something takes a directory with a file `file`, a file `other` and a directory `empty`,
 * and leaves something in it that was not so before. */
#include "attack.h"
#include <dirent.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <mqueue.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>

/* Reading. */
static int show(int file)
{
    char buffer[4096];
    if (file < 0)
        return errno;
    ssize_t count = read(file, buffer, sizeof buffer);
    if (count <= 0)
        return count < 0 ? errno : ENODATA;
    fwrite(buffer, 1, count, stdout);
    return 0;
}
static int by_read(char **words) { return show(open(words[0], O_RDONLY | O_NONBLOCK)); }
static int by_openat2(char **words)
{
    struct open_how how = { .flags = O_RDONLY };
    return show(call(SYS_openat2, AT_FDCWD, words[0], &how, sizeof how));
}
static int by_reopening(char **words)
{
    char path[64];
    int place = open(words[0], O_PATH);
    if (place < 0)
        return errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d", place);
    return show(open(path, O_RDONLY));
}
/* DIRECTORY NAME */
static int by_directory(char **words) { return show(openat(open(words[0], O_PATH | O_DIRECTORY), words[1], O_RDONLY)); }
static int by_chdir(char **words) { return chdir(words[0]) < 0 ? errno : show(open(words[1], O_RDONLY)); }
static int by_mapping(char **words)
{
    int file = open(words[0], O_RDONLY);
    char *text = file < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
    struct stat stat;
    if (text == MAP_FAILED || fstat(file, &stat) < 0)
        return errno;
    fwrite(text, 1, stat.st_size < 4096 ? stat.st_size : 4096, stdout);
    return 0;
}
/* DIRECTORY NAME */
static int by_handle(char **words)
{
    static union { struct file_handle handle; char room[sizeof(struct file_handle) + MAX_HANDLE_SZ]; } file = {
        .handle = { .handle_bytes = MAX_HANDLE_SZ } };
    int mount, place = open(words[0], O_RDONLY | O_DIRECTORY);
    if (place < 0 || name_to_handle_at(place, words[1], &file.handle, &mount, 0) < 0)
        return errno;
    return show(open_by_handle_at(place, &file.handle, O_RDONLY));
}
/* What is read from is not to be shown: a disk, the memory of the machine. */
static int by_open(char **words) { return outcome(open(words[0], O_RDONLY)); }
static int by_listing(char **words)
{
    DIR *directory = opendir(words[0]);
    if (!directory)
        return errno;
    for (struct dirent *entry; (entry = readdir(directory));)
        puts(entry->d_name);
    return 0;
}
static int by_stat(char **words)
{
    struct stat found;
    return outcome(stat(words[0], &found));
}

/* Writing. */
static char *in(char **words, const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", words[0], name);
    return path;
}
static int put(int file)
{
    if (file < 0)
        return errno;
    return write(file, "attacked", 8) == 8 ? 0 : errno;
}
static int by_writing(char **words) { return put(open(in(words, "file"), O_WRONLY)); }
static int by_updating(char **words) { return put(open(in(words, "file"), O_RDWR)); }
static int by_appending(char **words) { return put(open(in(words, "file"), O_WRONLY | O_APPEND)); }
static int by_creating(char **words) { return put(open(in(words, "new"), O_WRONLY | O_CREAT, 0600)); }
static int by_creat(char **words) { return outcome(creat(in(words, "file"), 0600)); }
static int by_truncate(char **words) { return outcome(truncate(in(words, "file"), 1)); }
static int by_cutting(char **words) { return outcome(open(in(words, "file"), O_RDONLY | O_TRUNC)); }
static int by_openat2_cut(char **words)
{
    struct open_how how = { .flags = O_RDONLY | O_TRUNC };
    return outcome(call(SYS_openat2, AT_FDCWD, in(words, "file"), &how, sizeof how));
}
static int by_nameless(char **words)
{
    char path[64];
    int file = open(words[0], O_WRONLY | O_TMPFILE, 0600);
    if (file < 0)
        return errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return outcome(linkat(AT_FDCWD, path, AT_FDCWD, in(words, "new"), AT_SYMLINK_FOLLOW));
}
static int by_reopened(char **words)
{
    char path[64];
    int place = open(in(words, "file"), O_RDONLY);
    if (place < 0)
        return errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d", place);
    return put(open(path, O_WRONLY));
}
static int by_shared_mapping(char **words)
{
    int file = open(in(words, "file"), O_RDWR);
    char *text = file < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (text == MAP_FAILED)
        return errno;
    *text = 'X';
    return 0;
}
static int by_rename(char **words) { return outcome(rename(in(words, "file"), in(words, "new"))); }
static int by_replacing(char **words) { return outcome(rename(in(words, "other"), in(words, "file"))); }
static int by_exchange(char **words)
{
    return outcome(call(SYS_renameat2, AT_FDCWD, in(words, "file"), AT_FDCWD, in(words, "empty"), RENAME_EXCHANGE));
}
static int by_link(char **words) { return outcome(link(in(words, "file"), in(words, "new"))); }
static int by_symlink(char **words) { return outcome(symlink("file", in(words, "new"))); }
static int by_unlink(char **words) { return outcome(unlink(in(words, "file"))); }
static int by_mkdir(char **words) { return outcome(mkdir(in(words, "new"), 0700)); }
static int by_rmdir(char **words) { return outcome(rmdir(in(words, "empty"))); }
static int by_fifo(char **words) { return outcome(mknod(in(words, "new"), S_IFIFO | 0600, 0)); }
static int by_mknod(char **words) { return outcome(mknod(in(words, "new"), S_IFREG | 0600, 0)); }
/* New files that are set-user-ID, with nothing in them. */
static int by_set_id_open(char **words) { return outcome(open(in(words, "new"), O_WRONLY | O_CREAT | O_EXCL, 04755)); }
static int by_set_id_nameless(char **words)
{
    char path[64];
    int file = open(words[0], O_TMPFILE | O_RDWR, 04755);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return file < 0 ? errno : outcome(linkat(AT_FDCWD, path, AT_FDCWD, in(words, "new"), AT_SYMLINK_FOLLOW));
}
static int by_set_id_openat2(char **words)
{
    struct open_how how = { .flags = O_WRONLY | O_CREAT | O_EXCL, .mode = 02755 };
    return outcome(call(SYS_openat2, AT_FDCWD, in(words, "new"), &how, sizeof how));
}
static int by_set_id_creat(char **words) { return outcome(creat(in(words, "new"), 02755)); }
static int by_set_id_mknod(char **words) { return outcome(mknod(in(words, "new"), S_IFREG | 04755, 0)); }
static int by_bind(char **words)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strncpy(address.sun_path, in(words, "new"), sizeof address.sun_path - 1);
    int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
    return socket_ < 0 ? errno : outcome(bind(socket_, (struct sockaddr *)&address, sizeof address));
}

/* Attributes. */
static int readable(char **words) { return open(in(words, "file"), O_RDONLY); }
static int by_chmod(char **words) { return outcome(chmod(in(words, "file"), 0600)); }
static int by_fchmod(char **words) { return outcome(fchmod(readable(words), 0600)); }
static int by_fchmodat(char **words) { return outcome(call(SYS_fchmodat, AT_FDCWD, in(words, "file"), 0600)); }
static int by_fchmodat2(char **words) { return outcome(call(452, AT_FDCWD, in(words, "file"), 0600, 0)); }
static int by_chown(char **words) { return outcome(chown(in(words, "file"), getuid(), getgid())); }
static int by_lchown(char **words) { return outcome(lchown(in(words, "file"), getuid(), getgid())); }
static int by_fchown(char **words) { return outcome(fchown(readable(words), getuid(), getgid())); }
static int by_fchownat(char **words) { return outcome(fchownat(AT_FDCWD, in(words, "file"), getuid(), getgid(), 0)); }
static const struct timespec long_ago[2] = { { 1, 0 }, { 1, 0 } };
static const struct timeval long_ago_too[2] = { { 1, 0 }, { 1, 0 } };
static int by_utimensat(char **words) { return outcome(utimensat(AT_FDCWD, in(words, "file"), long_ago, 0)); }
static int by_futimens(char **words) { return outcome(futimens(readable(words), long_ago)); }
static int by_setxattr(char **words) { return outcome(setxattr(in(words, "file"), "user.attack", "x", 1, 0)); }
static int by_fsetxattr(char **words) { return outcome(fsetxattr(readable(words), "user.attack", "x", 1, 0)); }
static int by_setxattrat(char **words)
{
    struct { uint64_t value; uint32_t size, flags; } what = { (uintptr_t) "x", 1, 0 };
    return outcome(call(463, AT_FDCWD, in(words, "file"), 0, "user.attack", &what, sizeof what));
}
static int by_file_setattr(char **words)
{
    struct { uint64_t flags; uint32_t extent, extents, project, cow; } what = { FS_XFLAG_NODUMP, 0, 0, 0, 0 };
    return outcome(call(469, AT_FDCWD, in(words, "file"), &what, sizeof what, 0));
}
static int by_flags(char **words)
{
    int flags, file = readable(words);
    if (file < 0 || ioctl(file, FS_IOC_GETFLAGS, &flags) < 0)
        return errno;
    flags |= FS_NODUMP_FL;
    return outcome(ioctl(file, FS_IOC_SETFLAGS, &flags));
}
#ifdef __x86_64__
static int by_utimes(char **words) { return outcome(call(SYS_utimes, in(words, "file"), long_ago_too)); }
static int by_utime(char **words)
{
    const long times[2] = { 1, 1 };
    return outcome(call(SYS_utime, in(words, "file"), times));
}
static int by_futimesat(char **words) { return outcome(call(SYS_futimesat, AT_FDCWD, in(words, "file"), long_ago_too)); }
#endif

/* One path, not a directory of ours. */
static int by_text(char **words)
{
    int file = open(words[0], O_WRONLY | O_NOCTTY);
    if (file < 0)
        return errno;
    return write(file, words[1], strlen(words[1])) < 0 ? errno : 0;
}
static int by_appended_text(char **words)
{
    int file = open(words[0], O_WRONLY | O_APPEND);
    return file < 0 || write(file, words[1], strlen(words[1])) < 0 ? errno : 0;
}
static int by_open_for_writing(char **words) { return outcome(open(words[0], O_WRONLY)); }
static int by_new_path(char **words) { return outcome(open(words[0], O_WRONLY | O_CREAT | O_EXCL, 0600)); }
static int by_chmod_path(char **words) { return outcome(chmod(words[0], 0600)); }
static int by_fchmod_path(char **words) { return outcome(fchmod(open(words[0], O_RDONLY), 0600)); }
static int by_set_user_id(char **words) { return outcome(fchmod(open(words[0], O_RDONLY), 04755)); }
/* A new program that is set-user-ID, with something in it: the kernel takes the bit away when it is written to. */
static int by_new_set_user_id(char **words)
{
    struct stat found;
    umask(0);
    int file = open(in(words, "new"), O_WRONLY | O_CREAT | O_EXCL, 04755);
    if (file < 0 || write(file, "#!", 2) < 0 || fstat(file, &found) < 0)
        return errno;
    return found.st_mode & S_ISUID ? 0 : EPERM;
}
/* Whoever opens it for writing waits until it is given back. */
static int by_lease(char **words) { return outcome(fcntl(readable(words), F_SETLEASE, F_RDLCK)); }
/* MIB, in a file that is not mapped. */
static int by_memory_file(char **words)
{
    static char block[1 << 20] = { 1 };
    int file = memfd_create("attack", 0);
    if (file < 0)
        return errno;
    for (int left = atoi(words[0]); left > 0; left--)
        if (write(file, block, sizeof block) < 0)
            return errno;
    return 0;
}
static int by_truncate_path(char **words) { return outcome(truncate(words[0], 0)); }
static int by_utimens_path(char **words) { return outcome(utimensat(AT_FDCWD, words[0], long_ago, 0)); }
static int by_unlink_path(char **words) { return outcome(unlink(words[0])); }
/* FROM TO: and then reads it there. */
static int by_moving(char **words) { return rename(words[0], words[1]) < 0 ? errno : by_read(words + 1); }
static int by_linking(char **words) { return link(words[0], words[1]) < 0 ? errno : by_read(words + 1); }
static int by_symlinking(char **words) { return symlink(words[0], words[1]) < 0 ? errno : by_read(words + 1); }
/* FROM TO NAME: a directory, and then what is in it. */
static int by_moving_above(char **words)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", words[1], words[2]);
    return rename(words[0], words[1]) < 0 ? errno : show(open(path, O_RDONLY));
}
static int by_exchanging(char **words)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", words[1], words[2]);
    return call(SYS_renameat2, AT_FDCWD, words[0], AT_FDCWD, words[1], RENAME_EXCHANGE) < 0 ? errno : show(open(path, O_RDONLY));
}

/* What is kept outside of any file. */
static int by_shm(char **words)
{
    (void)words;
    int segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    return segment < 0 ? errno : outcome(shmctl(segment, IPC_RMID, NULL));
}
static int by_msg(char **words)
{
    (void)words;
    int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    return queue < 0 ? errno : outcome(msgctl(queue, IPC_RMID, NULL));
}
static int by_sem(char **words)
{
    (void)words;
    int set = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    return set < 0 ? errno : outcome(semctl(set, 0, IPC_RMID));
}
static int by_mqueue(char **words)
{
    if (mq_open(words[0], O_RDWR | O_CREAT, 0600, NULL) < 0)
        return errno;
    return outcome(mq_unlink(words[0]));
}
static int by_core(char **words)
{
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    int status;
    pid_t child = chdir(words[0]) < 0 ? -1 : fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &all);
        abort();
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return errno;
    return WCOREDUMP(status) ? 0 : EPERM;
}

const struct attack file_attacks[] = {
    { "read", by_read, 1 }, { "read-openat2", by_openat2, 1 }, { "read-reopened", by_reopening, 1 }, { "read-below", by_directory, 2 },
    { "read-chdir", by_chdir, 2 }, { "read-mapped", by_mapping, 1 }, { "read-handle", by_handle, 2 }, { "open", by_open, 1 },
    { "list", by_listing, 1 }, { "stat", by_stat, 1 },
    { "write", by_writing, 1 }, { "update", by_updating, 1 }, { "append", by_appending, 1 }, { "create", by_creating, 1 },
    { "creat", by_creat, 1 }, { "truncate", by_truncate, 1 }, { "cut", by_cutting, 1 }, { "cut-openat2", by_openat2_cut, 1 },
    { "tmpfile", by_nameless, 1 }, { "reopen", by_reopened, 1 }, { "map-shared", by_shared_mapping, 1 }, { "rename", by_rename, 1 },
    { "replace", by_replacing, 1 }, { "exchange", by_exchange, 1 }, { "link", by_link, 1 }, { "symlink", by_symlink, 1 },
    { "unlink", by_unlink, 1 }, { "mkdir", by_mkdir, 1 }, { "rmdir", by_rmdir, 1 }, { "fifo", by_fifo, 1 }, { "mknod", by_mknod, 1 },
    { "set-id-open", by_set_id_open, 1 }, { "set-id-tmpfile", by_set_id_nameless, 1 }, { "set-id-openat2", by_set_id_openat2, 1 },
    { "set-id-creat", by_set_id_creat, 1 }, { "set-id-mknod", by_set_id_mknod, 1 },
    { "bind-path", by_bind, 1 }, { "chmod", by_chmod, 1 }, { "fchmod", by_fchmod, 1 }, { "fchmodat", by_fchmodat, 1 },
    { "fchmodat2", by_fchmodat2, 1 }, { "chown", by_chown, 1 }, { "lchown", by_lchown, 1 }, { "fchown", by_fchown, 1 },
    { "fchownat", by_fchownat, 1 }, { "utimensat", by_utimensat, 1 }, { "futimens", by_futimens, 1 }, { "setxattr", by_setxattr, 1 },
    { "fsetxattr", by_fsetxattr, 1 }, { "setxattrat", by_setxattrat, 1 }, { "file-setattr", by_file_setattr, 1 }, { "flags", by_flags, 1 },
#ifdef __x86_64__
    { "utimes", by_utimes, 1 }, { "utime", by_utime, 1 }, { "futimesat", by_futimesat, 1 },
#endif
    { "write-to", by_text, 2 }, { "append-to", by_appended_text, 2 }, { "open-to-write", by_open_for_writing, 1 },
    { "create-path", by_new_path, 1 }, { "chmod-path", by_chmod_path, 1 }, { "fchmod-path", by_fchmod_path, 1 },
    { "set-user-id", by_set_user_id, 1 }, { "new-set-user-id", by_new_set_user_id, 1 }, { "lease", by_lease, 1 },
    { "memory-file", by_memory_file, 1 }, { "truncate-path", by_truncate_path, 1 },
    { "utimens-path", by_utimens_path, 1 }, { "unlink-path", by_unlink_path, 1 }, { "move", by_moving, 2 }, { "hardlink", by_linking, 2 },
    { "point-at", by_symlinking, 2 }, { "move-above", by_moving_above, 3 }, { "swap-above", by_exchanging, 3 },
    { "shm", by_shm, 0 }, { "msg", by_msg, 0 }, { "sem", by_sem, 0 }, { "mqueue", by_mqueue, 1 }, { "core", by_core, 1 },
    { 0 },
};
