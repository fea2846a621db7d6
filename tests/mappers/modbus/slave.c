/* A Modbus slave on libmodbus, foreign to the code under test.
 *
 *   slave tcp PORT        slave rtu DEVICE UNIT
 *
 * 100 coils (odd ones on), 100 discrete inputs (every third on), 200 holding registers (register i holds i) and
 * 200 input registers (register i holds 1000 + i); holding 100 and 101 hold the float 21.5, high word
 * first. Says "ready" when it listens, ends when its input ends.
 */
#include <errno.h>
#include <modbus.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int input_ended(void)
{
    struct pollfd in = { 0, POLLIN, 0 };
    char byte;
    return poll(&in, 1, 0) > 0 && read(0, &byte, 1) <= 0;
}

static int answer(modbus_t *bus, modbus_mapping_t *map)
{
    uint8_t query[MODBUS_MAX_ADU_LENGTH];
    int length = modbus_receive(bus, query);
    if (length > 0)
        return modbus_reply(bus, query, length, map);
    return length == 0 || errno == ETIMEDOUT || errno == EMBBADCRC ? 0 : -1;
}

static void serve_tcp(modbus_t *bus, modbus_mapping_t *map)
{
    int listener = modbus_tcp_listen(bus, 1);
    if (listener < 0) {
        perror("listen");
        exit(1);
    }
    puts("ready");
    fflush(stdout);
    while (!input_ended()) {
        struct pollfd waiting = { listener, POLLIN, 0 };
        if (poll(&waiting, 1, 20) <= 0)
            continue;
        modbus_tcp_accept(bus, &listener);
        while (!input_ended()) {
            struct pollfd talking = { modbus_get_socket(bus), POLLIN, 0 };
            if (poll(&talking, 1, 20) > 0 && answer(bus, map) < 0)
                break;
        }
        modbus_close(bus);
    }
}

static void serve_rtu(modbus_t *bus, modbus_mapping_t *map)
{
    if (modbus_connect(bus) < 0) {
        perror("connect");
        exit(1);
    }
    puts("ready");
    fflush(stdout);
    while (!input_ended()) {
        struct pollfd talking = { modbus_get_socket(bus), POLLIN, 0 };
        if (poll(&talking, 1, 20) > 0)
            answer(bus, map);
    }
}

int main(int argc, char **argv)
{
    int rtu = argc == 4 && !strcmp(argv[1], "rtu"), i;
    if (!rtu && argc != 3) {
        fprintf(stderr, "slave tcp PORT | slave rtu DEVICE UNIT\n");
        return 2;
    }
    modbus_t *bus = rtu ? modbus_new_rtu(argv[2], 115200, 'N', 8, 1) : modbus_new_tcp("127.0.0.1", atoi(argv[2]));
    modbus_mapping_t *map = modbus_mapping_new(100, 100, 200, 200);
    if (!bus || !map || (rtu && modbus_set_slave(bus, atoi(argv[3])) < 0)) {
        fprintf(stderr, "%s\n", modbus_strerror(errno));
        return 1;
    }
    for (i = 0; i < 100; i++) {
        map->tab_bits[i] = i % 2;
        map->tab_input_bits[i] = i % 3 == 0;
    }
    for (i = 0; i < 200; i++) {
        map->tab_registers[i] = i;
        map->tab_input_registers[i] = 1000 + i;
    }
    map->tab_registers[100] = 0x41ac;                          /* 21.5 in IEEE 754: 41 ac 00 00 */
    map->tab_registers[101] = 0;
    rtu ? serve_rtu(bus, map) : serve_tcp(bus, map);
    return 0;
}
