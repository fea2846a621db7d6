/* Many Modbus TCP slaves in one process, whose registers hold the time.
 *
 *   cc -O2 -Wall -Wextra -o modbus_fleet modbus_fleet.c
 *   ./modbus_fleet --base-port 20000 --count 500
 *
 * Slave i listens on 127.0.0.1, port base-port + i, and answers every unit id. It knows functions 3 and 4 (read),
 * 6 and 16 (write) on registers 0 to 999. A register that was never written reads
 *
 *   (unix time in ms / step-ms + address) mod 65536
 *
 * so whoever reads it on this machine knows the age of the value, and that it came from that address. A register
 * that was written keeps what was written.
 *
 *   --base-port P   first port (20000)
 *   --count N       slaves (10)
 *   --step-ms S     milliseconds in which a register counts one up (10)
 *   --blackhole K   the last K slaves accept and never answer
 *   --exceptions K  the K slaves before those answer everything with exception 4, device failure
 *
 * It prints one line when it listens, and another with its counters on SIGTERM or SIGINT.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REGISTERS = 1000, HEADER = 7, FRAME = 260, UNWRITTEN = -1 };
enum { ILLEGAL_FUNCTION = 1, ILLEGAL_ADDRESS = 2, ILLEGAL_VALUE = 3, DEVICE_FAILURE = 4 };

enum mood { WELL, SILENT, FAILING };

struct slave {
    enum mood mood;
    int32_t registers[REGISTERS];
};

/* What epoll gives back: a listening socket, or a connection with the bytes of an unfinished request. */
struct socket {
    int fd;
    int listening;
    struct slave *slave;
    size_t held;
    uint8_t bytes[4 * FRAME];
};

static long step_ms = 10;
static unsigned long answered, swallowed, values, accepted;
static volatile sig_atomic_t stopping;

static void stop(int signal)
{
    (void)signal;
    stopping = 1;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint16_t word(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put_word(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (unsigned)((now.tv_sec * 1000LL + now.tv_nsec / 1000000) / step_ms);
}

static size_t exception(uint8_t *pdu, uint8_t function, uint8_t code)
{
    pdu[0] = function | 0x80;
    pdu[1] = code;
    return 2;
}

static size_t read_registers(const struct slave *slave, unsigned address, unsigned count, uint8_t *pdu)
{
    unsigned now = clock_now();
    pdu[1] = (uint8_t)(2 * count);
    for (unsigned i = 0; i < count; i++) {
        int32_t written = slave->registers[address + i];
        put_word(pdu + 2 + 2 * i, written == UNWRITTEN ? now + address + i : (unsigned)written);
    }
    values += count;
    return 2 + 2 * count;
}

/* A request PDU of `size` bytes is answered in place; returns the size of the answer. */
static size_t answer(struct slave *slave, uint8_t *pdu, size_t size)
{
    uint8_t function = pdu[0];
    if (slave->mood == FAILING)
        return exception(pdu, function, DEVICE_FAILURE);
    if (function != 3 && function != 4 && function != 6 && function != 16)
        return exception(pdu, function, ILLEGAL_FUNCTION);
    if (size < 5)
        return exception(pdu, function, ILLEGAL_VALUE);

    unsigned address = word(pdu + 1), count = function == 6 ? 1 : word(pdu + 3);
    if (count < 1 || count > (function == 16 ? 123 : 125))
        return exception(pdu, function, ILLEGAL_VALUE);
    if (address + count > REGISTERS)
        return exception(pdu, function, ILLEGAL_ADDRESS);
    if (function == 3 || function == 4)
        return read_registers(slave, address, count, pdu);
    if (function == 16 && size < 6 + 2 * count)
        return exception(pdu, function, ILLEGAL_VALUE);

    const uint8_t *data = pdu + (function == 6 ? 3 : 6);
    for (unsigned i = 0; i < count; i++)
        slave->registers[address + i] = word(data + 2 * i);
    return 5; /* the head of the request is the answer */
}

static void hang_up(struct socket *connection)
{
    close(connection->fd);
    free(connection);
}

/* Answers the requests that are complete; 0 when the client must go: it sent no Modbus, or does not read. */
static int serve(struct socket *connection)
{
    size_t at = 0;
    while (connection->held - at >= HEADER + 1) {
        const uint8_t *request = connection->bytes + at;
        size_t length = word(request + 4); /* of the unit id and the PDU */
        if (word(request + 2) != 0 || length < 2 || length > FRAME - HEADER + 1)
            return 0;
        if (connection->held - at < HEADER - 1 + length)
            break;
        at += HEADER - 1 + length;
        if (connection->slave->mood == SILENT) {
            swallowed++;
            continue;
        }
        uint8_t reply[FRAME + HEADER];
        memcpy(reply, request, HEADER - 1 + length);
        size_t size = answer(connection->slave, reply + HEADER, length - 1);
        put_word(reply + 4, (unsigned)size + 1);
        if (write(connection->fd, reply, HEADER + size) != (ssize_t)(HEADER + size))
            return 0;
        answered++;
    }
    connection->held -= at;
    memmove(connection->bytes, connection->bytes + at, connection->held);
    return 1;
}

static void receive(struct socket *connection)
{
    ssize_t size = read(connection->fd, connection->bytes + connection->held,
                        sizeof connection->bytes - connection->held);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0) {
        hang_up(connection);
        return;
    }
    connection->held += (size_t)size;
    if (!serve(connection))
        hang_up(connection);
}

static void attend(int epoll, int fd, int listening, struct slave *slave)
{
    struct socket *socket = calloc(1, sizeof *socket);
    if (!socket)
        fail("memory");
    socket->fd = fd;
    socket->listening = listening;
    socket->slave = slave;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = socket};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl");
}

static void welcome(int epoll, struct socket *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    attend(epoll, fd, 0, listener->slave);
    accepted++;
}

static void open_slave(int epoll, struct slave *slave, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 16)) {
        fprintf(stderr, "port %d: ", port);
        fail("cannot listen");
    }
    for (int i = 0; i < REGISTERS; i++)
        slave->registers[i] = UNWRITTEN;
    attend(epoll, fd, 1, slave);
}

static void allow_many_sockets(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"base-port", required_argument, NULL, 'p'}, {"count", required_argument, NULL, 'c'},
        {"step-ms", required_argument, NULL, 's'},   {"blackhole", required_argument, NULL, 'b'},
        {"exceptions", required_argument, NULL, 'e'}, {NULL, 0, NULL, 0},
    };
    int base_port = 20000, count = 10, silent = 0, failing = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        long value = optarg ? strtol(optarg, NULL, 10) : 0;
        switch (option) {
        case 'p': base_port = (int)value; break;
        case 'c': count = (int)value; break;
        case 's': step_ms = value; break;
        case 'b': silent = (int)value; break;
        case 'e': failing = (int)value; break;
        default: return 2;
        }
    }
    if (count < 1 || step_ms < 1 || base_port < 1 || base_port + count > 65536) {
        fprintf(stderr, "--count and --step-ms start at 1, and all ports must lie below 65536\n");
        return 2;
    }
    allow_many_sockets();
    struct sigaction on_stop = {.sa_handler = stop}; /* without SA_RESTART: epoll_wait comes back */
    sigaction(SIGTERM, &on_stop, NULL);
    sigaction(SIGINT, &on_stop, NULL);
    signal(SIGPIPE, SIG_IGN);

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct slave *slaves = calloc((size_t)count, sizeof *slaves);
    if (epoll < 0 || !slaves)
        fail("start");
    for (int i = 0; i < count; i++) {
        slaves[i].mood = i >= count - silent ? SILENT : i >= count - silent - failing ? FAILING : WELL;
        open_slave(epoll, &slaves[i], base_port + i);
    }
    printf("%d slaves listen on 127.0.0.1, ports %d to %d\n", count, base_port, base_port + count - 1);
    fflush(stdout);

    while (!stopping) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct socket *socket = events[i].data.ptr;
            if (socket->listening)
                welcome(epoll, socket);
            else
                receive(socket);
        }
    }
    printf("accepted %lu connections, answered %lu requests with %lu values, swallowed %lu\n", accepted, answered,
           values, swallowed);
    return 0;
}
