#include "ops/access_log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "ops/log.h"

enum { QUOTED_MAX = 160, SENTENCE_MAX = 1024 };

static _Atomic(enum config_log_access) wanted = CONFIG_LOG_ACCESS_NONE;
static atomic_size_t most_per_second;
static struct access_watcher watcher_instead; /* all NULL: none */

void access_log_redirect(const struct access_watcher *watcher) {
    watcher_instead = *watcher;
}

void access_log_start(enum config_log_access access, size_t per_second) {
    atomic_store(&most_per_second, per_second);
    atomic_store(&wanted, access);
}

bool access_log_wants_connections(void) {
    return atomic_load_explicit(&wanted, memory_order_relaxed) != CONFIG_LOG_ACCESS_NONE;
}

bool access_log_wants_calls(void) {
    return atomic_load_explicit(&wanted, memory_order_relaxed) == CONFIG_LOG_ACCESS_CALLS;
}

bool access_log_wants_beginnings(void) {
    return watcher_instead.begin != NULL && access_log_wants_calls();
}

void access_log_begin(const struct access_call *call) {
    if (access_log_wants_beginnings()) {
        watcher_instead.begin(watcher_instead.owner, call);
    }
}

void access_log_leave(const void *caller) {
    if (access_log_wants_beginnings()) {
        watcher_instead.leave(watcher_instead.owner, caller);
    }
}

static const char *or_dash(const char *text) {
    return text == NULL || text[0] == '\0' ? "-" : text;
}

static const char *quote_text(char out[QUOTED_MAX], const char *text) {
    return log_quote(out, QUOTED_MAX, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

void access_log_connection(const struct access_connection *connection) {
    char name[QUOTED_MAX], reason[2 * QUOTED_MAX], code[16] = "";
    if (!access_log_wants_connections()) {
        return;
    }
    quote_text(name, connection->name);
    log_quote(reason, sizeof reason, connection->reason, strlen(connection->reason));
    if (connection->code != 0) {
        snprintf(code, sizeof code, "%u ", connection->code);
    }
    const struct log_field fields[] = {
        {.name = "event", .text = "connection"},
        {.name = "who", .text = connection->who},
        {.name = "name", .text = name},
        {.name = "address", .text = connection->address},
        {.name = "upstream", .text = or_dash(connection->upstream)},
        {.name = "duration_ms", .number = connection->duration_ms},
        {.name = "received_bytes", .number = connection->bytes_received},
        {.name = "sent_bytes", .number = connection->bytes_sent},
        {.name = "received_messages", .number = connection->messages_received},
        {.name = "sent_messages", .number = connection->messages_sent},
        {.name = "code", .number = connection->code},
        {.name = "reason", .text = reason},
    };
    log_fields(atomic_load(&most_per_second), fields, sizeof fields / sizeof *fields,
               "closed %s \"%s\" from %s, upstream %s: %s%s; %" PRIu64 ".%03u s, received %" PRIu64
               " messages, %" PRIu64 " bytes, sent %" PRIu64 " messages, %" PRIu64 " bytes",
               connection->who, name, connection->address, or_dash(connection->upstream), code, reason,
               connection->duration_ms / 1000, (unsigned)(connection->duration_ms % 1000),
               connection->messages_received, connection->bytes_received, connection->messages_sent,
               connection->bytes_sent);
}

void access_log_call(const struct access_call *call) {
    char name[QUOTED_MAX], receiver[QUOTED_MAX], function[QUOTED_MAX];
    if (!access_log_wants_calls()) {
        return;
    }
    if (watcher_instead.end != NULL) {
        watcher_instead.end(watcher_instead.owner, call);
        return;
    }
    quote_text(name, call->name);
    log_quote(receiver, sizeof receiver, call->receiver, call->receiver_length);
    log_quote(function, sizeof function, call->function, call->function_length);
    const struct log_field fields[] = {
        {.name = "event", .text = "call"},
        {.name = "who", .text = call->who},
        {.name = "name", .text = name},
        {.name = "address", .text = call->address},
        {.name = "upstream", .text = or_dash(call->upstream)},
        {.name = "receiver", .text = receiver},
        {.name = "function", .text = function},
        {.name = "result", .text = call->result},
        {.name = "duration_us", .number = call->duration_us},
        {.name = "sent_bytes", .number = call->bytes_sent},
    };
    log_fields(atomic_load(&most_per_second), fields, sizeof fields / sizeof *fields,
               "call of %s \"%s\" from %s, upstream %s: \"%s\" at \"%s\": %s in %" PRIu64
               ".%03u ms, %zu bytes",
               call->who, name, call->address, or_dash(call->upstream), function, receiver, call->result,
               call->duration_us / 1000, (unsigned)(call->duration_us % 1000), call->bytes_sent);
}
