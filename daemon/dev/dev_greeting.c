#include "dev/dev_greeting.h"

#include <limits.h>
#include <string.h>

#include "dev/dev_qr.h"
#include "dev/terminal/dev_text.h"

static const char *port_of(const char *address) {
    const char *colon = strrchr(address, ':');
    return colon != NULL ? colon + 1 : "";
}

/* Without brackets. */
static void read_host(const char *address, char out[DEV_NAME_MAX]) {
    const char *colon = strrchr(address, ':');
    size_t length = colon != NULL ? (size_t)(colon - address) : strlen(address);
    const bool is_wide = length > 2 && address[0] == '[';
    snprintf(out, DEV_NAME_MAX, "%.*s", (int)(is_wide ? length - 2 : length),
             is_wide ? address + 1 : address);
}

static bool is_narrow(const char *address) {
    return strncmp(address, "0.0.0.0:", 8) == 0;
}

/* Whether it is reached at every address of this machine, or at every one of IPv4. */
static bool is_open_to_all(const char *address) {
    return is_narrow(address) || strncmp(address, "[::]:", 5) == 0;
}

static bool is_loopback(const char *host) {
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* What this machine's own browser calls it. `localhost` may be 127.0.0.1 and nothing else. */
static void read_shown(const char *address, char out[DEV_NAME_MAX]) {
    if (is_open_to_all(address) || strncmp(address, "127.0.0.1:", 10) == 0) {
        snprintf(out, DEV_NAME_MAX, "localhost");
    } else {
        read_host(address, out);
    }
}

static void format_url(char out[DEV_GREETING_URL_MAX], const char *scheme, const char *host,
                       const char *address, const char *path) {
    bool is_wide = strchr(host, ':') != NULL;
    snprintf(out, DEV_GREETING_URL_MAX, "%s://%s%s%s:%.8s%s", scheme, is_wide ? "[" : "", host,
             is_wide ? "]" : "", port_of(address), path);
}

static void write_line(FILE *out, const struct dev_greeting *greeting, const char *url, const char *what) {
    const char *begin = greeting->has_colours ? "\x1b[1m" : "";
    const char *end = greeting->has_colours ? "\x1b[0m" : "";
    fprintf(out, "    %s%-38s%s %s\n", begin, url, end, what);
}

static void write_address(FILE *out, const struct dev_greeting *greeting, const char *scheme,
                          const char *address, const char *path, const char *what) {
    char host[DEV_NAME_MAX];
    char url[DEV_GREETING_URL_MAX];
    read_shown(address, host);
    format_url(url, scheme, host, address, path);
    write_line(out, greeting, url, what);
}

/* The addresses of others' way here; the one that they had best take, or "". */
static void write_lan(FILE *out, const struct dev_greeting *greeting, char ret_best[DEV_GREETING_URL_MAX]) {
    const struct dev_names *names = greeting->names;
    bool is_best_certified = false;
    ret_best[0] = '\0';
    for (size_t i = names->lan; i < names->count; i++) {
        char url[DEV_GREETING_URL_MAX];
        if (is_narrow(greeting->https) && strchr(names->list[i], ':') != NULL) {
            continue;
        }
        format_url(url, "https", names->list[i], greeting->https, "/");
        write_line(out, greeting, url, ret_best[0] == '\0' ? "from the LAN" : "");
        if (ret_best[0] == '\0' || (names->is_certified[i] && !is_best_certified)) {
            memcpy(ret_best, url, sizeof url);
            is_best_certified = names->is_certified[i];
        }
    }
    if (ret_best[0] == '\0') {
        fputs("    No other address of this machine is up: nobody on a LAN can reach it now.\n", out);
    }
}

/* An address that the authority may not speak for: it was made when this machine had others. */
static void write_uncertified(FILE *out, const struct dev_greeting *greeting) {
    const struct dev_names *names = greeting->names;
    const bool is_all = is_open_to_all(greeting->https);
    char host[DEV_NAME_MAX];
    char list[1024] = "";
    read_shown(greeting->https, host);
    for (size_t i = is_all ? names->lan : 0; i < names->count; i++) {
        const bool is_shown = is_all ? !is_narrow(greeting->https) || strchr(names->list[i], ':') == NULL
                                     : strcmp(names->list[i], host) == 0;
        if (is_shown && !names->is_certified[i]) {
            const size_t length = strlen(list);
            snprintf(list + length, sizeof list - length, "%s%s", length > 0 ? ", " : "", names->list[i]);
        }
    }
    if (list[0] != '\0') {
        fprintf(out,
                "  Browsers will warn at %s: the authority (%s)\n"
                "  may not speak for it, as it was made when this machine had other addresses. `daffi-bridge "
                "untrust`, remove its\n"
                "  folder, and the next start makes another one.\n",
                list, greeting->authority);
    }
}

void dev_greeting_page(const char *address, char out[DEV_GREETING_URL_MAX]) {
    char host[DEV_NAME_MAX];
    read_shown(address, host);
    format_url(out, "https", host, address, "/");
}

void dev_greeting_write(FILE *out, const struct dev_greeting *greeting) {
    char folder[PATH_MAX];
    char host[DEV_NAME_MAX];
    char best[DEV_GREETING_URL_MAX] = "";
    const bool is_split = greeting->local != NULL;
    dev_text_show(greeting->folder, strlen(greeting->folder), folder, sizeof folder);
    fprintf(out, "\n  %s\n\n", folder);
    write_address(out, greeting, "https", greeting->https, "/", "this folder");
    write_address(out, greeting, "https", greeting->https, "/_bridge/", "the playground");
    write_address(out, greeting, "http", greeting->http, "/",
                  is_split ? "without TLS" : "without TLS; Python workers connect here");
    if (is_split) {
        write_address(out, greeting, "http", greeting->local, "/", "Python workers connect here");
    }
    read_host(greeting->https, host);
    if (is_open_to_all(greeting->https)) {
        write_lan(out, greeting, best);
    } else if (!is_loopback(host)) {
        dev_greeting_page(greeting->https, best);
    }
    if (best[0] != '\0' && greeting->is_terminal) {
        fputc('\n', out);
        dev_qr_write(out, best, greeting->has_colours);
    }
    fputc('\n', out);
    if (greeting->moved_from != NULL) {
        fprintf(out, "  %s\n", greeting->moved_from);
    }
    write_uncertified(out, greeting);
    if (!greeting->is_trusted) {
        fprintf(
            out,
            "  Browsers will warn: the certificate is by an authority for you alone. `daffi-bridge trust` "
            "has them believe it\n"
            "  (%s).\n",
            greeting->authority);
    }
    fputs("  Ctrl-C ends it.\n\n", out);
    fflush(out);
}
