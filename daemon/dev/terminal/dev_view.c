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

static bool is_sent(const struct access_call *call) {
    return strcmp(call->result, "sent") == 0;
}

static bool is_good(const struct access_call *call) {
    return is_sent(call) || strcmp(call->result, "response") == 0;
}

void dev_view_call(const struct access_call *call, bool has_colours, char out[DEV_VIEW_CALL_MAX]) {
    static const char *const serdes[] = {[CONFIG_RAW] = "raw",
                                         [CONFIG_JSON] = "json",
                                         [CONFIG_PICKLE] = "pickle",
                                         [CONFIG_MSGPACK] = "msgpack"};
    char caller[NAME_SHOWN_MAX];
    char receiver[NAME_SHOWN_MAX];
    char function[NAME_SHOWN_MAX];
    const char *name = call->name != NULL ? call->name : "?";
    dev_text_show(name, strlen(name), caller, sizeof caller);
    dev_text_show(call->receiver, call->receiver_length, receiver, sizeof receiver);
    dev_text_show(call->function, call->function_length, function, sizeof function);
    if (call->function_length == 0) { /* of a call whose receiver has gone, no more is known */
        snprintf(out, DEV_VIEW_CALL_MAX, "call   %s → %s", caller, receiver);
        return;
    }
    snprintf(out, DEV_VIEW_CALL_MAX, "call   %s → %s.%s  %s%s%s", caller, receiver, function,
             has_colours ? "\x1b[2m" : "", call->serde < CONFIG_SERDES_END ? serdes[call->serde] : "?",
             has_colours ? "\x1b[0m" : "");
}

void dev_view_result(const struct access_call *call, bool has_colours, char out[DEV_VIEW_RESULT_MAX]) {
    char error[ERROR_SHOWN_MAX];
    if (is_good(call)) {
        snprintf(out, DEV_VIEW_RESULT_MAX, "%s", is_sent(call) ? "sent, no answer is waited for" : "");
        return;
    }
    dev_error_show(call, error, sizeof error);
    snprintf(out, DEV_VIEW_RESULT_MAX, "%s%s%s", has_colours ? "\x1b[31m" : "", error,
             has_colours ? "\x1b[0m" : "");
}

void dev_view_took(const struct access_call *call, char out[DEV_VIEW_TOOK_MAX]) {
    char size[32];
    char took[32];
    format_time(call->duration_us, took);
    format_size(call->bytes_sent, size);
    if (is_sent(call)) {
        out[0] = '\0';
    } else if (is_good(call)) {
        snprintf(out, DEV_VIEW_TOOK_MAX, "%s  %s", size, took);
    } else {
        snprintf(out, DEV_VIEW_TOOK_MAX, "%s", took);
    }
}
