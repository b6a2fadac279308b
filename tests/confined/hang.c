/* A file system whose root answers and whose files never do: hang DIRECTORY. Ends, and lets go of all who wait, when its input ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int device;

static void answer(uint64_t unique, int error, void *body, size_t length)
{
    struct fuse_out_header header = { .len = sizeof header + length, .error = error, .unique = unique };
    struct iovec parts[] = { { &header, sizeof header }, { body, length } };
    if (writev(device, parts, 2) < 0)
        perror("writev");
}

static void serve(struct fuse_in_header *request)
{
    if (request->opcode == FUSE_INIT) {
        struct fuse_init_out body = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 65536 };
        answer(request->unique, 0, &body, sizeof body);
    } else if (request->opcode == FUSE_GETATTR && request->nodeid == FUSE_ROOT_ID) {
        struct fuse_attr_out body = { .attr_valid = 1, .attr = { .ino = 1, .mode = S_IFDIR | 0755, .nlink = 2 } };
        answer(request->unique, 0, &body, sizeof body);
    } else if (request->opcode != FUSE_LOOKUP && request->opcode != FUSE_FORGET && request->opcode != FUSE_INTERRUPT) {
        answer(request->unique, -ENOSYS, NULL, 0);
    }
}

int main(int count, char **arguments)
{
    static char buffer[1 << 17];
    char options[128];
    device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
    if (count != 2 || device < 0 || mount("hang", arguments[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
        perror("hang");
        return 1;
    }
    puts("mounted");
    fflush(stdout);
    struct pollfd both[] = { { .fd = device, .events = POLLIN }, { .fd = 0 } };
    while (poll(both, 2, -1) > 0 && !both[1].revents)
        if (both[0].revents && read(device, buffer, sizeof buffer) > 0)
            serve((struct fuse_in_header *)buffer);
    umount2(arguments[1], MNT_DETACH);
    return 0;
}
