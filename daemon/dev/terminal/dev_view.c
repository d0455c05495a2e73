#include "dev/terminal/dev_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dev/terminal/dev_error.h"
#include "dev/terminal/dev_text.h"

enum { NAME_SHOWN_MAX = 64, ERROR_SHOWN_MAX = 400 };

static void format_time(uint64_t us, char out[32]) {
    if (us < 10000) {
        snprintf(out, 32, "%" PRIu64 ".%" PRIu64 " ms", us / 1000, us % 1000 / 100);
    } else if (us < 1000000) {
        snprintf(out, 32, "%" PRIu64 " ms", us / 1000);
    } else {
        snprintf(out, 32, "%" PRIu64 ".%" PRIu64 " s", us / 1000000, us % 1000000 / 100000);
    }
}

static void format_size(size_t bytes, char out[32]) {
    if (bytes < 1000) {
        snprintf(out, 32, "%zu B", bytes);
    } else if (bytes < 1000000) {
        snprintf(out, 32, "%zu.%zu KB", bytes / 1000, bytes % 1000 / 100);
    } else {
        snprintf(out, 32, "%zu.%zu MB", bytes / 1000000, bytes % 1000000 / 100000);
    }
}

void dev_view_format(const struct access_call *call, bool has_colours, char out[DEV_VIEW_LINE_MAX]) {
    static const char *const serdes[] = {[CONFIG_RAW] = "raw",
                                         [CONFIG_JSON] = "json",
                                         [CONFIG_PICKLE] = "pickle",
                                         [CONFIG_MSGPACK] = "msgpack"};
    char caller[NAME_SHOWN_MAX];
    char receiver[NAME_SHOWN_MAX];
    char function[NAME_SHOWN_MAX];
    char took[32];
    char size[32];
    char error[ERROR_SHOWN_MAX];
    char result[ERROR_SHOWN_MAX + 64];
    const char *name = call->name != NULL ? call->name : "?";
    const bool is_sent = strcmp(call->result, "sent") == 0;
    const bool is_good = is_sent || strcmp(call->result, "response") == 0;
    dev_text_show(name, strlen(name), caller, sizeof caller);
    dev_text_show(call->receiver, call->receiver_length, receiver, sizeof receiver);
    dev_text_show(call->function, call->function_length, function, sizeof function);
    format_time(call->duration_us, took);
    format_size(call->bytes_sent, size);
    if (is_sent) {
        snprintf(result, sizeof result, "sent, no answer is waited for");
    } else if (is_good) {
        snprintf(result, sizeof result, "%s  %s", size, took);
    } else {
        dev_error_show(call, error, sizeof error);
        snprintf(result, sizeof result, "%s%s%s  %s", has_colours ? "\x1b[31m" : "", error,
                 has_colours ? "\x1b[0m" : "", took);
    }
    if (call->function_length == 0) { /* of a call whose receiver has gone, no more is known */
        snprintf(out, DEV_VIEW_LINE_MAX, "call   %s → %s  %s\n", caller, receiver, result);
        return;
    }
    snprintf(out, DEV_VIEW_LINE_MAX, "call   %s → %s.%s  %s%s%s  %s\n", caller, receiver, function,
             has_colours ? "\x1b[2m" : "", call->serde < CONFIG_SERDES_END ? serdes[call->serde] : "?",
             has_colours ? "\x1b[0m" : "", result);
}
