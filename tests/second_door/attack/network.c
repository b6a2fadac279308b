/* Sockets. What sends, sends its last word, TOKEN, to who listens there: `ATTEMPT HOST PORT TOKEN` or `ATTEMPT PATH TOKEN`. */
#include "attack.h"
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_alg.h>
#include <linux/io_uring.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

/* An address, and how long it is. */
static struct sockaddr_storage place;
static socklen_t length;

static void towards(char **words)
{
    memset(&place, 0, sizeof place);
    struct sockaddr_in *four = (struct sockaddr_in *)&place;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&place;
    if (inet_pton(AF_INET, words[0], &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(atoi(words[1]));
        length = sizeof *four;
        return;
    }
    inet_pton(AF_INET6, words[0], &six->sin6_addr);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(atoi(words[1]));
    length = sizeof *six;
}
/* `@name` is an abstract one. */
static void towards_path(const char *path)
{
    struct sockaddr_un *local = (struct sockaddr_un *)&place;
    memset(&place, 0, sizeof place);
    local->sun_family = AF_UNIX;
    strncpy(local->sun_path, path, sizeof local->sun_path - 1);
    length = offsetof(struct sockaddr_un, sun_path) + strlen(path) + (path[0] != '@');
    if (path[0] == '@')
        local->sun_path[0] = 0;
}
static int there(int socket_) { return connect(socket_, (struct sockaddr *)&place, length); }
static int sent(long count) { return count > 0 ? 0 : errno; }
static int write_text(int socket_, const char *text) { return sent(write(socket_, text, strlen(text))); }
static int connected(int socket_, const char *text)
{
    return socket_ < 0 || there(socket_) < 0 ? errno : write_text(socket_, text);
}
static struct msghdr message(const char *text, int addressed)
{
    static struct iovec part;
    part = (struct iovec){ (void *)text, strlen(text) };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
    if (addressed) {
        header.msg_name = &place;
        header.msg_namelen = length;
    }
    return header;
}

/* Streams. */
static int stream(int protocol) { return socket(place.ss_family, SOCK_STREAM, protocol); }
static int by_tcp(char **words)
{
    towards(words);
    return connected(stream(0), words[2]);
}
static int by_tcp_without_waiting(char **words)
{
    towards(words);
    int socket_ = socket(place.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (socket_ < 0 || (there(socket_) < 0 && errno != EINPROGRESS))
        return errno;
    for (int left = 100; left > 0; left--) {
        if (write_text(socket_, words[2]) == 0)
            return 0;
        usleep(10000);
    }
    return errno;
}
static int by_mptcp(char **words)
{
    towards(words);
    return connected(stream(262), words[2]);
}
static int by_fast_open(char **words)
{
    towards(words);
    int socket_ = stream(0);
    return sent(sendto(socket_, words[2], strlen(words[2]), MSG_FASTOPEN, (struct sockaddr *)&place, length));
}
static int by_fast_open_message(char **words)
{
    towards(words);
    struct msghdr header = message(words[2], 1);
    return sent(sendmsg(stream(0), &header, MSG_FASTOPEN));
}
static int by_fast_open_later(char **words)
{
    towards(words);
    int socket_ = stream(0), on = 1;
    if (socket_ < 0 || setsockopt(socket_, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) < 0)
        return errno;
    return connected(socket_, words[2]);
}
/* HOST PORT: waits for others to connect. */
static int by_listening(char **words)
{
    towards(words);
    int socket_ = stream(0);
    return socket_ < 0 || bind(socket_, (struct sockaddr *)&place, length) < 0 ? errno : outcome(listen(socket_, 1));
}

/* Datagrams. */
static int datagrams(void) { return socket(place.ss_family, SOCK_DGRAM, 0); }
static long sent_to(int socket_, const char *text) { return sendto(socket_, text, strlen(text), 0, (struct sockaddr *)&place, length); }
static int by_sendto(char **words)
{
    towards(words);
    return sent(sent_to(datagrams(), words[2]));
}
static int by_sendmsg(char **words)
{
    towards(words);
    struct msghdr header = message(words[2], 1);
    return sent(sendmsg(datagrams(), &header, 0));
}
static int by_sendmmsg(char **words)
{
    towards(words);
    struct mmsghdr headers = { .msg_hdr = message(words[2], 1) };
    return sent(sendmmsg(datagrams(), &headers, 1, 0));
}
static int by_connected_send(char **words)
{
    towards(words);
    int socket_ = datagrams();
    return socket_ < 0 || there(socket_) < 0 ? errno : sent(send(socket_, words[2], strlen(words[2]), 0));
}
static int by_connected_write(char **words)
{
    towards(words);
    return connected(datagrams(), words[2]);
}
static int by_connected_sendmsg(char **words)
{
    towards(words);
    int socket_ = datagrams();
    struct msghdr header = message(words[2], 0);
    return socket_ < 0 || there(socket_) < 0 ? errno : sent(sendmsg(socket_, &header, 0));
}
/* More and more of one datagram, and then the end of it. */
static int by_corked(char **words)
{
    towards(words);
    int socket_ = datagrams();
    if (sendto(socket_, words[2], 1, MSG_MORE, (struct sockaddr *)&place, length) < 0)
        return errno;
    return sent(sendto(socket_, words[2] + 1, strlen(words[2] + 1), 0, NULL, 0));
}
/* Disconnects a socket that was shut, and connects it again. */
static int by_reconnecting(char **words)
{
    struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
    towards(words);
    int socket_ = datagrams();
    connect(socket_, &nowhere, sizeof nowhere);
    there(socket_);
    connect(socket_, &nowhere, sizeof nowhere);
    return connected(socket_, words[2]);
}
static int by_udplite(char **words)
{
    towards(words);
    int socket_ = socket(place.ss_family, SOCK_DGRAM, 136);
    return socket_ < 0 ? errno : outcome(there(socket_));
}
/* HOST PORT: prints what comes. */
static int by_receiving(char **words)
{
    char text[256];
    towards(words);
    int socket_ = datagrams();
    struct timeval patience = { .tv_usec = 600000 };
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (socket_ < 0 || bind(socket_, (struct sockaddr *)&place, length) < 0)
        return errno;
    ssize_t count = recv(socket_, text, sizeof text, 0);
    if (count < 0)
        return errno;
    fwrite(text, 1, count, stdout);
    return 0;
}
/* HOST: the port that the kernel gives, for others to find. */
static int by_joining(char **words)
{
    struct ip_mreq group = { .imr_interface.s_addr = htonl(INADDR_LOOPBACK) };
    int socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    inet_pton(AF_INET, words[0], &group.imr_multiaddr);
    return socket_ < 0 ? errno : outcome(setsockopt(socket_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
}

/* LEVEL OPTION VALUE: an option of a UDP socket. */
static int by_option(char **words)
{
    int value = atoi(words[2]), socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    return socket_ < 0 ? errno : outcome(setsockopt(socket_, atoi(words[0]), atoi(words[1]), &value, sizeof value));
}

/* FAMILY TYPE PROTOCOL, in numbers. */
static int by_socket(char **words) { return outcome(socket(atoi(words[0]), atoi(words[1]), atoi(words[2]))); }
static int by_alg(char **words)
{
    (void)words;
    struct sockaddr_alg hash = { .salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256" };
    int socket_ = socket(AF_ALG, SOCK_SEQPACKET, 0);
    return socket_ < 0 ? errno : outcome(bind(socket_, (struct sockaddr *)&hash, sizeof hash));
}

/* Local sockets. */
static int by_unix(char **words)
{
    towards_path(words[0]);
    return connected(stream(0), words[1]);
}
static int by_unix_packets(char **words)
{
    towards_path(words[0]);
    return connected(socket(AF_UNIX, SOCK_SEQPACKET, 0), words[1]);
}
static int by_unix_datagram(char **words)
{
    towards_path(words[0]);
    return connected(datagrams(), words[1]);
}
static int by_unix_sendto(char **words)
{
    towards_path(words[0]);
    return sent(sent_to(datagrams(), words[1]));
}
static int by_unix_sendmsg(char **words)
{
    towards_path(words[0]);
    struct msghdr header = message(words[1], 1);
    return sent(sendmsg(datagrams(), &header, 0));
}
static int by_unix_sendmmsg(char **words)
{
    towards_path(words[0]);
    struct mmsghdr headers = { .msg_hdr = message(words[1], 1) };
    return sent(sendmmsg(datagrams(), &headers, 1, 0));
}
/* A pair is two sockets like others. */
static int half(int type)
{
    int pair[2];
    return socketpair(AF_UNIX, type, 0, pair) < 0 ? -1 : pair[0];
}
static int by_pair_sendto(char **words)
{
    towards_path(words[0]);
    return sent(sent_to(half(SOCK_DGRAM), words[1]));
}
static int by_pair_flags(char **words)
{
    towards_path(words[0]);
    return sent(sent_to(half(SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK), words[1]));
}
static int by_pair_connect(char **words)
{
    towards_path(words[0]);
    return connected(half(SOCK_DGRAM), words[1]);
}
static int by_raw_pair(char **words)
{
    towards_path(words[0]);
    return sent(sent_to(half(SOCK_RAW), words[1]));
}
/* DIRECTORY NAME TOKEN */
static int by_unix_below(char **words)
{
    if (chdir(words[0]) < 0)
        return errno;
    return by_unix(words + 1);
}
static int by_unix_descriptor(char **words)
{
    char path[64];
    int node = open(words[0], O_PATH);
    if (node < 0)
        return errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d", node);
    return by_unix((char *[]){ path, words[1] });
}

/* io_uring makes, connects and uses a socket without a system call for any of it. */
static int ring;
static struct io_uring_sqe *requests;
static char *submissions, *completions;
static struct io_uring_params parameters;
static int uring(void)
{
    ring = call(SYS_io_uring_setup, 4, &parameters);
    if (ring < 0)
        return errno;
    int flags = PROT_READ | PROT_WRITE;
    submissions = mmap(NULL, 4096, flags, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    completions = mmap(NULL, 4096, flags, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    requests = mmap(NULL, 4096, flags, MAP_SHARED, ring, IORING_OFF_SQES);
    return submissions == MAP_FAILED || completions == MAP_FAILED || requests == MAP_FAILED ? errno : 0;
}
static int queued(struct io_uring_sqe request)
{
    unsigned *tail = (unsigned *)(submissions + parameters.sq_off.tail), mask = parameters.sq_entries - 1;
    unsigned *head = (unsigned *)(completions + parameters.cq_off.head);
    requests[*tail & mask] = request;
    ((unsigned *)(submissions + parameters.sq_off.array))[*tail & mask] = *tail & mask;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    if (call(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        return -errno;
    struct io_uring_cqe *done = (struct io_uring_cqe *)(completions + parameters.cq_off.cqes);
    int result = done[*head & (parameters.cq_entries - 1)].res;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    return result;
}
static int by_uring(const char *text)
{
    int error = uring();
    if (error)
        return error;
    int socket_ = queued((struct io_uring_sqe){ .opcode = 45, .fd = place.ss_family, .off = SOCK_STREAM });
    if (socket_ < 0)
        return -socket_;
    int result = queued((struct io_uring_sqe){ .opcode = IORING_OP_CONNECT, .fd = socket_, .addr = (uintptr_t)&place, .off = length });
    if (result < 0)
        return -result;
    result = queued((struct io_uring_sqe){ .opcode = IORING_OP_SEND, .fd = socket_, .addr = (uintptr_t)text, .len = strlen(text) });
    return result < 0 ? -result : 0;
}
static int by_uring_unix(char **words)
{
    towards_path(words[0]);
    return by_uring(words[1]);
}
static int by_uring_tcp(char **words)
{
    towards(words);
    return by_uring(words[2]);
}

/* Another thread rewrites the address between two while the kernel, or who answers for it, looks at it. */
static struct sockaddr_storage two[2];
static socklen_t lengths[2];
static void *rewrite(void *unused)
{
    for (unsigned turn = 0;; turn++) {
        memcpy(&place, &two[turn % 2], sizeof place);
        for (volatile int pause = 0; pause < 300; pause++)
            ;
    }
    return unused;
}
static int race(int type, const char *text)
{
    pthread_t other;
    int any = EACCES;
    pthread_create(&other, NULL, rewrite, NULL);
    for (int count = 0; count < 300; count++) {
        int socket_ = socket(two[0].ss_family, type, 0);
        length = lengths[0] > lengths[1] ? lengths[0] : lengths[1];
        if (there(socket_) == 0)
            any = write_text(socket_, text);
        close(socket_);
    }
    return any;
}
static void hold(int which)
{
    two[which] = place;
    lengths[which] = length;
}
/* ALLOWED FORBIDDEN TOKEN, paths of the same length. */
static int by_unix_race(char **words)
{
    for (int which = 0; which < 2; which++) {
        towards_path(words[which]);
        hold(which);
    }
    return race(SOCK_STREAM, words[2]);
}
/* HOST ALLOWED FORBIDDEN TOKEN, ports. */
static int by_port_race(char **words)
{
    for (int which = 0; which < 2; which++) {
        towards((char *[]){ words[0], words[which + 1] });
        hold(which);
    }
    return race(SOCK_STREAM, words[3]);
}
/* The same, but what is swapped is the socket behind the descriptor: UDP for a local stream. PATH HOST PORT TOKEN */
static int swapped[2];
static int target;
static void *swap(void *unused)
{
    for (unsigned turn = 0;; turn++)
        dup2(swapped[turn % 2], target);
    return unused;
}
static int by_socket_race(char **words)
{
    pthread_t other;
    int pair[2];
    towards(words + 1);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || (swapped[1] = datagrams()) < 0)
        return errno;
    swapped[0] = pair[0];
    target = dup(pair[0]);
    pthread_create(&other, NULL, swap, NULL);
    int any = EACCES;
    for (int count = 0; count < 2000; count++) {
        struct msghdr header = message(words[3], 1);
        if (sendmsg(target, &header, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
            any = 0;
    }
    return any;
}

/* What ifconfig(8) and ethtool(8) ask of a socket: its ioctls alone. FAMILY is 2 or 10. */
static int by_conf(char **words)
{
    struct ifreq found[16];
    struct ifconf list = { .ifc_len = sizeof found, .ifc_req = found };
    int socket_ = socket(atoi(words[0]), SOCK_DGRAM, 0);
    if (socket_ < 0 || ioctl(socket_, SIOCGIFCONF, &list) < 0)
        return errno;
    for (size_t index = 0; index < list.ifc_len / sizeof *found; index++)
        puts(found[index].ifr_name);
    return 0;
}
static int by_address(char **words)
{
    struct ifreq request = { .ifr_name = "lo" };
    int socket_ = socket(atoi(words[0]), SOCK_DGRAM, 0);
    if (socket_ < 0 || ioctl(socket_, SIOCGIFADDR, &request) < 0)
        return errno;
    puts(inet_ntoa(((struct sockaddr_in *)&request.ifr_addr)->sin_addr));
    return 0;
}
static int by_link_state(char **words)
{
    struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
    struct ifreq request = { .ifr_name = "lo", .ifr_data = (char *)&value };
    int socket_ = socket(atoi(words[0]), SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
    return socket_ < 0 ? errno : outcome(ioctl(socket_, SIOCETHTOOL, &request));
}

const struct attack network_attacks[] = {
    { "tcp", by_tcp, 3 }, { "tcp-nonblock", by_tcp_without_waiting, 3 }, { "mptcp", by_mptcp, 3 }, { "fastopen", by_fast_open, 3 },
    { "fastopen-sendmsg", by_fast_open_message, 3 }, { "fastopen-connect", by_fast_open_later, 3 }, { "listen", by_listening, 2 },
    { "udp", by_sendto, 3 }, { "udp-sendmsg", by_sendmsg, 3 }, { "udp-sendmmsg", by_sendmmsg, 3 }, { "udp-send", by_connected_send, 3 },
    { "udp-write", by_connected_write, 3 }, { "udp-connect-sendmsg", by_connected_sendmsg, 3 }, { "udp-cork", by_corked, 3 },
    { "udp-reconnect", by_reconnecting, 3 }, { "udplite", by_udplite, 3 }, { "udp-receive", by_receiving, 2 }, { "join", by_joining, 1 },
    { "option", by_option, 3 }, { "socket", by_socket, 3 }, { "alg", by_alg, 0 },
    { "unix", by_unix, 2 }, { "unix-packets", by_unix_packets, 2 }, { "unix-datagram", by_unix_datagram, 2 },
    { "unix-sendto", by_unix_sendto, 2 }, { "unix-sendmsg", by_unix_sendmsg, 2 }, { "unix-sendmmsg", by_unix_sendmmsg, 2 },
    { "pair-sendto", by_pair_sendto, 2 }, { "pair-flags", by_pair_flags, 2 }, { "pair-connect", by_pair_connect, 2 },
    { "pair-raw", by_raw_pair, 2 }, { "unix-below", by_unix_below, 3 }, { "unix-descriptor", by_unix_descriptor, 2 },
    { "uring-unix", by_uring_unix, 2 }, { "uring-tcp", by_uring_tcp, 3 }, { "race-unix", by_unix_race, 3 }, { "race-tcp", by_port_race, 4 },
    { "race-socket", by_socket_race, 4 }, { "ioctl-conf", by_conf, 1 }, { "ioctl-address", by_address, 1 }, { "ioctl-link", by_link_state, 1 },
    { 0 },
};
