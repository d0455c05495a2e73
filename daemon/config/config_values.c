#include "config/config_values.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_error.h"
#include "http/origin.h"

int config_url_read(const char *text, const struct config_row *row, struct config_url *ret_url,
                    char ret_error[CONFIG_ERROR_MAX]) {
    struct config_url url = {0};
    char expected[96];
    int result = config_url_parse(text, &url, ret_error);
    if (result < 0) {
        return result;
    }
    bool is_upstream = (row->schemes & 1U << CONFIG_TCP) != 0;
    if ((row->schemes >> url.scheme & 1U) == 0) {
        result = config_refuse(ret_error, "\"%.100s\" %s; %s is expected", text,
                               is_upstream ? "is no upstream" : "can't be listened on",
                               config_schemes_text(row->schemes, expected, sizeof expected));
    } else if (is_upstream && url.port != NULL && strtoul(url.port, NULL, 10) == 0) {
        result = config_refuse(ret_error, "\"%.100s\": port 0 can't be connected to; 1 to 65535 is expected",
                               text);
    }
    if (result < 0) {
        config_url_clear(&url);
        return result;
    }
    *ret_url = url;
    return 0;
}

int config_origin_check(const char *text, char ret_error[CONFIG_ERROR_MAX]) {
    const char *reason = NULL;
    if (origin_form_check(text, &reason) < 0) {
        return config_refuse(ret_error, "\"%.100s\" is %s", text, reason);
    }
    return 0;
}

static bool is_name(const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.' && *c != '_') {
            return false;
        }
    }
    return true;
}

static bool is_ipv6(const char *text) {
    char bare[INET6_ADDRSTRLEN + 2];
    struct in6_addr address;
    size_t length = strlen(text);
    bool bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
    if (length >= sizeof bare) {
        return false;
    }
    snprintf(bare, sizeof bare, "%.*s", (int)(length - (bracketed ? 2 : 0)), text + bracketed);
    return inet_pton(AF_INET6, bare, &address) == 1;
}

int config_host_check(const char *text, char ret_error[CONFIG_ERROR_MAX]) {
    if ((is_name(text) && strlen(text) <= ORIGIN_HOST_MAX) || is_ipv6(text)) {
        return 0;
    }
    return config_refuse(
        ret_error,
        "\"%.100s\" is no host; a name or an address is expected, without https:// and without a port", text);
}
