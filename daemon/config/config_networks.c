#include "config/config_networks.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_error.h"

enum { TEXT_MAX = INET6_ADDRSTRLEN, V4_BITS = 32, V6_BITS = 128 };

static bool read_address(const char *text, struct config_network *ret_network) {
    struct config_network network = {.family = CONFIG_NETWORK_V4, .bits = V4_BITS};
    if (inet_pton(AF_INET, text, network.bytes) != 1) {
        network = (struct config_network){.family = CONFIG_NETWORK_V6, .bits = V6_BITS};
        if (inet_pton(AF_INET6, text, network.bytes) != 1) {
            return false;
        }
    }
    *ret_network = network;
    return true;
}

/* 0 to `most`, or -1. */
static int read_bits(const char *text, unsigned most) {
    size_t length = strlen(text);
    if (length == 0 || length > 3 || strspn(text, "0123456789") != length) {
        return -1;
    }
    unsigned long bits = strtoul(text, NULL, 10);
    return bits <= most ? (int)bits : -1;
}

static uint8_t mask_of(unsigned bits, size_t place) {
    size_t before = place * 8;
    unsigned own = bits <= before ? 0 : bits >= before + 8 ? 8 : bits - (unsigned)before;
    return (uint8_t)(0xFF00U >> own);
}

int config_network_parse(const char *text, struct config_network *ret_network,
                         char ret_error[CONFIG_ERROR_MAX]) {
    static const char expected[] = "an address, a network such as 10.0.0.0/8, or \"unix\" is expected";
    struct config_network network;
    char address[TEXT_MAX];
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (strcmp(text, "unix") == 0) {
        *ret_network = (struct config_network){.family = CONFIG_NETWORK_UNIX};
        return 0;
    }
    snprintf(address, sizeof address, "%.*s", (int)(length < sizeof address ? length : 0), text);
    if (!read_address(address, &network)) {
        return config_refuse(ret_error, "\"%.100s\" is no address; %s", text, expected);
    }
    if (slash != NULL) {
        int bits = read_bits(slash + 1, network.bits);
        if (bits < 0) {
            return config_refuse(ret_error, "\"%.100s\": no number of bits from 0 to %u; %s", text,
                                 network.bits, expected);
        }
        network.bits = (unsigned)bits;
    }
    for (size_t i = 0; i < sizeof network.bytes; i++) {
        if ((network.bytes[i] & ~mask_of(network.bits, i)) != 0) {
            return config_refuse(
                ret_error,
                "\"%.100s\" has bits set behind the first %u; the network's own address is expected", text,
                network.bits);
        }
    }
    *ret_network = network;
    return 0;
}

static bool contains(const struct config_network *network, const struct config_network *address) {
    if (network->family != address->family) {
        return false;
    }
    for (size_t i = 0; i < sizeof network->bytes; i++) {
        if ((address->bytes[i] & mask_of(network->bits, i)) != network->bytes[i]) {
            return false;
        }
    }
    return true;
}

bool config_networks_have(const struct config_network *networks, size_t count, const char *address) {
    struct config_network own = {.family = CONFIG_NETWORK_UNIX};
    if (strcmp(address, "unix") != 0 && !read_address(address, &own)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (contains(&networks[i], &own)) {
            return true;
        }
    }
    return false;
}
