#include "ops/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ops/log_limit.h"

enum { RECORD_MAX = LOG_LINE_MAX - 160 }; /* leaves room for time, level and JSON's names */

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static _Atomic(enum config_log_level) least = CONFIG_LOG_INFO;
static _Atomic(enum config_log_format) line_format = CONFIG_LOG_TEXT;
static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_limit limit; /* under limit_lock */

void log_start(enum config_log_level level, enum config_log_format format) {
    atomic_store(&least, level);
    atomic_store(&line_format, format);
}

static void put(const char *line, size_t length) {
    int kept = errno; /* whoever logs a failure may still look at it */
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, line, length);
        if (written < 0 && errno != EINTR) {
            break; /* nobody is left to be told */
        }
        if (written > 0) {
            line += written;
            length -= (size_t)written;
        }
    }
    errno = kept;
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void format_time(char *out, size_t size) {
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + length, size - length, ".%03ldZ", now.tv_nsec / 1000000);
}

/* The length of the UTF-8 sequence at `bytes`, or 0 when there is none. Overlong forms and surrogates are not told
 * apart: what is written here is our own text, with a path from the configuration at most. */
static size_t utf8_length(const unsigned char *bytes) {
    size_t length = bytes[0] < 0x80   ? 1
                    : bytes[0] < 0xC2 ? 0
                    : bytes[0] < 0xE0 ? 2
                    : bytes[0] < 0xF0 ? 3
                    : bytes[0] < 0xF5 ? 4
                                      : 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* Copies `text` so that it stays on one line: as the inside of a JSON string, or with control characters escaped. Cut at
 * `size`, whole characters alone. Returns how many bytes it took. */
static size_t copy_escaped(char *out, size_t size, const char *text, bool json) {
    static const char cut[] = "...";
    size_t used = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        char piece[8];
        size_t length = utf8_length(at);
        size_t taken = length > 0 ? length : 1;
        bool quoted = json && (*at == '"' || *at == '\\');
        if (quoted) {
            piece[0] = '\\';
            piece[1] = (char)*at;
            length = 2;
        } else if (length == 0 || *at < 0x20 || *at == 0x7F) {
            length = (size_t)snprintf(piece, sizeof piece, json ? "\\u%04x" : "\\x%02x", *at);
        } else {
            memcpy(piece, at, length);
        }
        if (used + length + sizeof cut > size) {
            memcpy(out + used, cut, sizeof cut - 1);
            return used + sizeof cut - 1;
        }
        memcpy(out + used, piece, length);
        used += length;
        at += taken;
    }
    return used;
}

static void write_record(enum config_log_level level, const char *text) {
    char line[LOG_LINE_MAX];
    char when[40];
    format_time(when, sizeof when);
    bool json = atomic_load(&line_format) == CONFIG_LOG_JSON;
    int head =
        snprintf(line, sizeof line, json ? "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"" : "%s %-7s  ",
                 when, level_names[level]);
    const char *tail = json ? "\"}\n" : "\n";
    size_t used = (size_t)head;
    used += copy_escaped(line + used, sizeof line - used - strlen(tail) - 1, text, json);
    memcpy(line + used, tail, strlen(tail) + 1);
    put(line, used + strlen(tail));
}

static void write_formatted(enum config_log_level level, const char *format, va_list arguments) {
    char text[RECORD_MAX];
    vsnprintf(text, sizeof text, format, arguments);
    write_record(level, text);
}

/* Not under the lock: a standard error that blocks holds up who writes, not everybody. */
static void say_left_out(uint64_t now, bool any) {
    const char *kind;
    uint64_t count;
    for (;;) {
        pthread_mutex_lock(&limit_lock);
        bool taken = log_limit_take_left_out(&limit, now, any, &kind, &count);
        pthread_mutex_unlock(&limit_lock);
        if (!taken) {
            return;
        }
        char text[RECORD_MAX];
        snprintf(text, sizeof text, "%llu more lines of this kind were left out: %.200s",
                 (unsigned long long)count, kind);
        write_record(CONFIG_LOG_WARNING, text);
    }
}

void log_write(enum config_log_level level, const char *format, ...) {
    if (level > atomic_load(&least)) {
        return;
    }
    say_left_out(now_ms(), false);
    va_list arguments;
    va_start(arguments, format);
    write_formatted(level, format, arguments);
    va_end(arguments);
}

void log_peer(enum config_log_level level, const char *format, ...) {
    if (level > atomic_load(&least)) {
        return;
    }
    uint64_t now = now_ms();
    say_left_out(now, false);
    pthread_mutex_lock(&limit_lock);
    bool pass = log_limit_pass(&limit, format, LOG_PER_PEER_BURST, now);
    pthread_mutex_unlock(&limit_lock);
    if (!pass) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    write_formatted(level, format, arguments);
    va_end(arguments);
}

void log_flush(void) {
    say_left_out(now_ms(), true);
}

/* Writes one byte, escaped where it has to be. Returns the length, 1 to 4. */
static size_t quote_byte(char piece[5], unsigned char byte) {
    if (byte == '"' || byte == '\\') {
        piece[0] = '\\';
        piece[1] = (char)byte;
        return 2;
    }
    if (byte < 0x20 || byte >= 0x7F) {
        return (size_t)snprintf(piece, 5, "\\x%02x", byte);
    }
    piece[0] = (char)byte;
    return 1;
}

const char *log_quote(char *out, size_t size, const void *bytes, size_t length) {
    static const char cut[] = "...";
    const unsigned char *at = bytes;
    char piece[5];
    size_t used = 0, whole = 0; /* `whole`: as far as a cut would leave room for its mark */
    if (size == 0) {
        return out;
    }
    for (size_t i = 0; i < length; i++) {
        size_t piece_length = quote_byte(piece, at[i]);
        if (used + piece_length >= size) {
            size_t mark = size - whole - 1 < sizeof cut - 1 ? size - whole - 1 : sizeof cut - 1;
            memcpy(out + whole, cut, mark);
            used = whole + mark;
            break;
        }
        memcpy(out + used, piece, piece_length);
        used += piece_length;
        whole = used + sizeof cut <= size ? used : whole;
    }
    out[used] = '\0';
    return out;
}

void log_listening(const char *url) {
    char line[LOG_LINE_MAX];
    int length = snprintf(line, sizeof line, "listening %s\n", url);
    if (length > 0 && (size_t)length < sizeof line) {
        put(line, (size_t)length);
    }
}
