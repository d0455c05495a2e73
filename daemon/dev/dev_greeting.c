#include "dev/dev_greeting.h"

#include <limits.h>
#include <string.h>

#include "dev/dev_qr.h"
#include "dev/terminal/dev_text.h"

const char *dev_greeting_port(const char *address) {
    const char *colon = strrchr(address, ':');
    return colon != NULL ? colon + 1 : "";
}

/* Whether it is reached at every address of this machine. */
static bool is_open_to_all(const char *address) {
    return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
}

static bool is_loopback(const char *address) {
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0;
}

static void write_line(FILE *out, const struct dev_greeting *greeting, const char *url, const char *what) {
    const char *begin = greeting->is_terminal ? "\x1b[1m" : "";
    const char *end = greeting->is_terminal ? "\x1b[0m" : "";
    fprintf(out, "    %s%-38s%s %s\n", begin, url, end, what);
}

static void format_url(char out[320], const char *scheme, const char *host, const char *address,
                       const char *path) {
    bool is_wide = strchr(host, ':') != NULL;
    snprintf(out, 320, "%s://%s%.253s%s:%.8s%s", scheme, is_wide ? "[" : "", host, is_wide ? "]" : "",
             dev_greeting_port(address), path);
}

static void write_lan(FILE *out, const struct dev_greeting *greeting) {
    char url[320];
    char first[320] = "";
    for (size_t i = greeting->names->addresses; i < greeting->names->count; i++) {
        format_url(url, "https", greeting->names->list[i], greeting->https, "/");
        write_line(out, greeting, url, first[0] == '\0' ? "from the LAN" : "");
        if (first[0] == '\0') {
            memcpy(first, url, sizeof first);
        }
    }
    if (first[0] == '\0') {
        fputs("    No other address of this machine is up: nobody on a LAN can reach it now.\n", out);
    } else if (greeting->is_terminal) {
        fputc('\n', out);
        dev_qr_write(out, first);
    }
}

void dev_greeting_write(FILE *out, const struct dev_greeting *greeting) {
    char host[256];
    char url[320];
    char folder[PATH_MAX];
    snprintf(host, sizeof host, "%.*s",
             (int)(strlen(greeting->https) - strlen(dev_greeting_port(greeting->https)) - 1),
             greeting->https);
    bool is_local = is_loopback(greeting->https) || is_open_to_all(greeting->https);
    const char *shown = is_local ? "localhost" : host;
    dev_text_show(greeting->folder, strlen(greeting->folder), folder, sizeof folder);
    fprintf(out, "\n  %s\n\n", folder);
    format_url(url, "https", shown, greeting->https, "/");
    write_line(out, greeting, url, "this folder");
    format_url(url, "https", shown, greeting->https, "/_bridge/");
    write_line(out, greeting, url, "the playground");
    format_url(url, "http", shown, greeting->http, "/");
    write_line(out, greeting, url, "without TLS; Python workers connect here");
    if (is_open_to_all(greeting->https)) {
        write_lan(out, greeting);
    }
    fputc('\n', out);
    if (greeting->moved_from != NULL) {
        fprintf(out, "  %s\n", greeting->moved_from);
    }
    if (greeting->authority != NULL) {
        fprintf(out,
                "  Browsers will warn: the certificate is by an authority that was made just now, for you "
                "alone. `daffi-bridge trust`\n"
                "  has them believe it (%s).\n",
                greeting->authority);
    }
    fputs("  Ctrl-C ends it.\n\n", out);
    fflush(out);
}
