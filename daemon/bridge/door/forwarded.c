#include "bridge/door/forwarded.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "config/config_networks.h"

static bool is_field(struct daffi_span name) {
    static const char field[] = "X-Forwarded-For";
    return name.length == sizeof field - 1 && strncasecmp((const char *)name.data, field, name.length) == 0;
}

/* The entry at the end of `list`, without white space; `list` becomes what is before it. */
static struct daffi_span take_last(struct daffi_span *list) {
    size_t begin = list->length;
    while (begin > 0 && list->data[begin - 1] != ',') {
        begin--;
    }
    struct daffi_span entry = daffi_span_of(list->data + begin, list->length - begin);
    list->length = begin > 0 ? begin - 1 : 0;
    while (entry.length > 0 && (entry.data[0] == ' ' || entry.data[0] == '\t')) {
        entry = daffi_span_of(entry.data + 1, entry.length - 1);
    }
    while (entry.length > 0 &&
           (entry.data[entry.length - 1] == ' ' || entry.data[entry.length - 1] == '\t')) {
        entry.length--;
    }
    return entry;
}

/* 192.0.2.1, 192.0.2.1:1234, 2001:db8::1, [2001:db8::1], [2001:db8::1]:1234 */
static bool read_address(struct daffi_span entry, char ret_address[FORWARDED_ADDRESS_MAX]) {
    char text[FORWARDED_ADDRESS_MAX];
    struct in6_addr bytes;
    if (entry.length == 0 || entry.length >= sizeof text) {
        return false;
    }
    memcpy(text, entry.data, entry.length);
    text[entry.length] = '\0';
    char *address = text;
    char *colon = strchr(text, ':');
    if (text[0] == '[') {
        char *bracket = strchr(text, ']');
        if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':')) {
            return false;
        }
        *bracket = '\0';
        address = text + 1;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        *colon = '\0';
    }
    if (inet_pton(AF_INET, address, &bytes) == 1) {
        inet_ntop(AF_INET, &bytes, ret_address, FORWARDED_ADDRESS_MAX);
        return true;
    }
    if (inet_pton(AF_INET6, address, &bytes) != 1) {
        return false;
    }
    if (IN6_IS_ADDR_V4MAPPED(&bytes)) {
        inet_ntop(AF_INET, bytes.s6_addr + 12, ret_address, FORWARDED_ADDRESS_MAX);
    } else {
        inet_ntop(AF_INET6, &bytes, ret_address, FORWARDED_ADDRESS_MAX);
    }
    return true;
}

int forwarded_find(const struct request_head *head, const struct config_network *networks, size_t count,
                   char ret_address[FORWARDED_ADDRESS_MAX]) {
    char address[FORWARDED_ADDRESS_MAX] = "";
    for (size_t i = head->headers_count; i-- > 0;) {
        struct daffi_span list = head->headers[i].value;
        if (!is_field(head->headers[i].name)) {
            continue;
        }
        do {
            if (!read_address(take_last(&list), address)) {
                return -EPROTO;
            }
            if (!config_networks_have(networks, count, address)) {
                memcpy(ret_address, address, sizeof address);
                return 0;
            }
        } while (list.length > 0);
    }
    if (address[0] == '\0') {
        return -ENOENT;
    }
    memcpy(ret_address, address, sizeof address); /* all are proxies: the first of them asks for itself */
    return 0;
}
