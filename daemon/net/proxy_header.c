#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 107, /* of version 1, CRLF included */
    FIXED_BYTES = 16,     /* of version 2, before the addresses */
    WORDS = 4,            /* behind the protocol: two addresses, two ports */
    SOURCES = 2,          /* of these, addresses */
};

static const uint8_t signature[] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};
static const char beginning[] = "PROXY ";

static int refuse(const char *reason, const char **ret_reason) {
    *ret_reason = reason;
    return -EPROTO;
}

/* A proxy may name an IPv4 client by a mapped address. */
static void write_address(int family, const void *bytes, char out[PROXY_ADDRESS_MAX]) {
    const struct in6_addr *v6 = bytes;
    if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(v6)) {
        inet_ntop(AF_INET, v6->s6_addr + 12, out, PROXY_ADDRESS_MAX);
    } else {
        inet_ntop(family, bytes, out, PROXY_ADDRESS_MAX);
    }
}

/* -- version 1 -- */

static bool is_port(const char *word) {
    size_t length = strlen(word);
    unsigned value = 0;
    if (length == 0 || length > 5 || (word[0] == '0' && length > 1)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (word[i] < '0' || word[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(word[i] - '0');
    }
    return value <= UINT16_MAX;
}

/* `line` is between "PROXY " and CRLF. */
static int read_line(char *line, struct proxy_header *ret_header, const char **ret_reason) {
    char *words[WORDS];
    int family = strncmp(line, "TCP4 ", 5) == 0 ? AF_INET : AF_INET6;
    struct proxy_header header = {{0}};
    if (strncmp(line, "UNKNOWN", 7) == 0 && (line[7] == '\0' || line[7] == ' ')) {
        *ret_header = header;
        return 0;
    }
    if (family == AF_INET6 && strncmp(line, "TCP6 ", 5) != 0) {
        return refuse("the PROXY line names another protocol than TCP4, TCP6 or UNKNOWN", ret_reason);
    }
    char *at = line + 5;
    for (size_t i = 0; i < WORDS; i++) {
        words[i] = at;
        at = strchr(at, ' ');
        if ((at == NULL) != (i + 1 == WORDS)) {
            return refuse("the PROXY line has to have two addresses and two ports, with one space between",
                          ret_reason);
        }
        if (at != NULL) {
            *at++ = '\0';
        }
    }
    for (size_t i = 0; i < SOURCES; i++) {
        struct in6_addr bytes;
        if (inet_pton(family, words[i], &bytes) != 1) {
            return refuse("the PROXY line holds no address where one of its protocol is expected",
                          ret_reason);
        }
        if (i == 0) {
            write_address(family, &bytes, header.address);
        }
    }
    if (!is_port(words[2]) || !is_port(words[3])) {
        return refuse("the PROXY line holds no port where a number from 0 to 65535 is expected", ret_reason);
    }
    *ret_header = header;
    return 0;
}

static int parse_line(const uint8_t *bytes, size_t length, struct proxy_header *ret_header, size_t *ret_size,
                      const char **ret_reason) {
    char line[LINE_MAX_BYTES + 1];
    size_t seen = length < LINE_MAX_BYTES ? length : LINE_MAX_BYTES;
    const uint8_t *end = memchr(bytes, '\n', seen);
    if (end == NULL) {
        return length < LINE_MAX_BYTES ? -EAGAIN
                                       : refuse("the PROXY line does not end within 107 bytes", ret_reason);
    }
    size_t size = (size_t)(end - bytes) + 1;
    size_t skipped = sizeof beginning - 1;
    if (size < skipped + 2 || bytes[size - 2] != '\r') {
        return refuse("the PROXY line has to end with CR LF", ret_reason);
    }
    if (memchr(bytes, '\0', size) != NULL) {
        return refuse("the PROXY line holds a zero byte", ret_reason);
    }
    memcpy(line, bytes + skipped, size - skipped - 2);
    line[size - skipped - 2] = '\0';
    int status = read_line(line, ret_header, ret_reason);
    if (status == 0) {
        *ret_size = size;
    }
    return status;
}

/* -- version 2 -- */

/* Families and transports, as they stand in one byte, and the bytes that their addresses take. */
enum { UNSPECIFIED = 0x00, TCP4 = 0x11, TCP6 = 0x21, UNIX_STREAM = 0x31 };
enum { TCP4_BYTES = 12, TCP6_BYTES = 36, UNIX_BYTES = 216 };
enum { VERSION_LOCAL = 0x20, VERSION_PROXY = 0x21 };

static int read_addresses(uint8_t family, const uint8_t *bytes, size_t length,
                          struct proxy_header *ret_header, const char **ret_reason) {
    static const char too_short[] = "the PROXY header is too short for the addresses of its family";
    struct proxy_header header = {{0}};
    switch (family) {
    case UNSPECIFIED:
        break;
    case TCP4:
        if (length < TCP4_BYTES) {
            return refuse(too_short, ret_reason);
        }
        write_address(AF_INET, bytes, header.address);
        break;
    case TCP6:
        if (length < TCP6_BYTES) {
            return refuse(too_short, ret_reason);
        }
        struct in6_addr address;
        memcpy(&address, bytes, sizeof address);
        write_address(AF_INET6, &address, header.address);
        break;
    case UNIX_STREAM:
        if (length < UNIX_BYTES) {
            return refuse(too_short, ret_reason);
        }
        snprintf(header.address, sizeof header.address, "unix");
        break;
    default:
        return refuse(
            "the PROXY header is of another family than TCP over IPv4, TCP over IPv6 or Unix streams",
            ret_reason);
    }
    *ret_header = header;
    return 0;
}

static int parse_binary(const uint8_t *bytes, size_t length, struct proxy_header *ret_header,
                        size_t *ret_size, const char **ret_reason) {
    struct proxy_header header = {{0}};
    if (length > sizeof signature && bytes[12] != VERSION_LOCAL && bytes[12] != VERSION_PROXY) {
        return refuse(
            "the PROXY header is of another version than 2, or of another command than LOCAL or PROXY",
            ret_reason);
    }
    if (length < FIXED_BYTES) {
        return -EAGAIN;
    }
    size_t behind = (size_t)bytes[14] << 8 | bytes[15];
    if (FIXED_BYTES + behind > PROXY_HEADER_MAX) {
        return refuse("the PROXY header has more than 4096 bytes", ret_reason);
    }
    if (length < FIXED_BYTES + behind) {
        return -EAGAIN;
    }
    int status = bytes[12] == VERSION_LOCAL
                     ? 0
                     : read_addresses(bytes[13], bytes + FIXED_BYTES, behind, &header, ret_reason);
    if (status == 0) {
        *ret_header = header;
        *ret_size = FIXED_BYTES + behind;
    }
    return status;
}

static bool begins(const uint8_t *bytes, size_t length, const void *wanted, size_t size) {
    return memcmp(bytes, wanted, length < size ? length : size) == 0;
}

int proxy_header_parse(const uint8_t *bytes, size_t length, struct proxy_header *ret_header, size_t *ret_size,
                       const char **ret_reason) {
    size_t text = sizeof beginning - 1;
    if (length == 0) {
        return -EAGAIN;
    }
    if (begins(bytes, length, beginning, text)) {
        return length < text ? -EAGAIN : parse_line(bytes, length, ret_header, ret_size, ret_reason);
    }
    if (begins(bytes, length, signature, sizeof signature)) {
        return parse_binary(bytes, length, ret_header, ret_size, ret_reason);
    }
    return refuse("its first bytes are no PROXY header", ret_reason);
}
