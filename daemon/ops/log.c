#include "ops/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "net/clock.h"
#include "ops/log_limit.h"

enum {
    RECORD_MAX = LOG_LINE_MAX - 160, /* leaves room for time, level and JSON's names */
    FIELDS_MAX = 1400,               /* of a record with fields, in JSON; the sentence has the rest */
};

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const int journal_levels[] = {3, 4, 6, 7}; /* syslog(3)'s */

static _Atomic(enum config_log_level) least = CONFIG_LOG_INFO;
static _Atomic(enum config_log_format) line_format = CONFIG_LOG_TEXT;
static atomic_bool is_journal;
static atomic_bool is_stuck; /* it took nothing for as long as we wait */
static atomic_bool is_torn;  /* a part of a line was taken: the next one begins anew */
static _Atomic uint64_t written[CONFIG_LOG_DEBUG + 1], left_out, lost, lost_untold;
static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_limit limit; /* under limit_lock */

/* DEVICE:INODE of what the journal made standard error of, if it did and nobody has changed that since. */
static bool goes_to_journal(void) {
    struct stat own;
    char named[64];
    const char *stream = getenv("JOURNAL_STREAM");
    if (stream == NULL || fstat(STDERR_FILENO, &own) < 0) {
        return false;
    }
    snprintf(named, sizeof named, "%ju:%ju", (uintmax_t)own.st_dev, (uintmax_t)own.st_ino);
    return strcmp(stream, named) == 0;
}

void log_start(enum config_log_level level, enum config_log_format format) {
    atomic_store(&is_journal, goes_to_journal());
    atomic_store(&least, level);
    atomic_store(&line_format, format);
}

/* A pipe, or the journal's socket, that nobody reads must not hold up who writes. Files always take more, or refuse. */
static bool takes_more(void) {
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    int ready;
    do {
        ready = poll(&out, 1, atomic_load(&is_stuck) ? 0 : LOG_PATIENCE_MS);
    } while (ready < 0 && errno == EINTR);
    atomic_store(&is_stuck, ready == 0);
    return ready != 0;
}

/* True when all of it was taken. */
static bool write_all(const char *bytes, size_t length) {
    while (length > 0 && takes_more()) {
        ssize_t taken = write(STDERR_FILENO, bytes, length);
        if (taken < 0 && errno != EINTR) {
            break;
        }
        if (taken > 0) {
            bytes += taken;
            length -= (size_t)taken;
            atomic_store(&is_torn, length > 0);
        }
    }
    return length == 0;
}

/* True when it was taken; else it is counted: nobody is left to be told. */
static bool put(const char *line, size_t length) {
    int kept = errno; /* whoever logs a failure may still look at it */
    bool is_taken = (!atomic_load(&is_torn) || write_all("\n", 1)) && write_all(line, length);
    if (!is_taken) {
        atomic_fetch_add(&lost, 1);
        atomic_fetch_add(&lost_untold, 1);
    }
    errno = kept;
    return is_taken;
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

/* What stands before the text; its length. */
static size_t format_head(char out[LOG_LINE_MAX], enum config_log_level level) {
    char when[40];
    format_time(when, sizeof when);
    int length = atomic_load(&is_journal) ? snprintf(out, LOG_LINE_MAX, "<%d>", journal_levels[level]) : 0;
    if (atomic_load(&line_format) == CONFIG_LOG_JSON) {
        length += snprintf(out + length, LOG_LINE_MAX - (size_t)length,
                           "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"", when, level_names[level]);
    } else if (!atomic_load(&is_journal)) {
        length +=
            snprintf(out + length, LOG_LINE_MAX - (size_t)length, "%s %-7s  ", when, level_names[level]);
    }
    return (size_t)length;
}

/* `fields`: in JSON, behind the message; or empty. */
static bool put_record(enum config_log_level level, const char *text, const char *fields) {
    char line[LOG_LINE_MAX];
    bool json = atomic_load(&line_format) == CONFIG_LOG_JSON;
    size_t used = format_head(line, level);
    size_t tail = json ? strlen("\"}\n") + strlen(fields) : 1;
    used += copy_escaped(line + used, sizeof line - used - tail - 1, text, json);
    used += (size_t)snprintf(line + used, sizeof line - used, "%s%s%s\n", json ? "\"" : "",
                             json ? fields : "", json ? "}" : "");
    if (!put(line, used)) {
        return false;
    }
    atomic_fetch_add_explicit(&written[level], 1, memory_order_relaxed);
    return true;
}

static void write_record(enum config_log_level level, const char *text, const char *fields) {
    char note[RECORD_MAX];
    uint64_t missed;
    if (put_record(level, text, fields) && (missed = atomic_exchange(&lost_untold, 0)) > 0) {
        snprintf(note, sizeof note, "%" PRIu64 " lines of the log could not be written and are lost", missed);
        (void)put_record(CONFIG_LOG_WARNING, note, "");
    }
}

static void write_formatted(enum config_log_level level, const char *format, va_list arguments) {
    char text[RECORD_MAX];
    vsnprintf(text, sizeof text, format, arguments);
    write_record(level, text, "");
}

/* The lines of a kind as docs/operations.md lists them: `…` for what a format would fill in. */
static void format_kind(char *out, size_t size, const char *format) {
    static const char filled[] = "…";
    size_t used = 0;
    for (const char *at = format; *at != '\0' && used + sizeof filled <= size;) {
        if (at[0] != '%') {
            out[used++] = *at++;
        } else if (at[1] == '%') {
            out[used++] = '%';
            at += 2;
        } else {
            at += 1 + strspn(at + 1, "-+ #0123456789.*hljzt");
            at += *at != '\0';
            memcpy(out + used, filled, sizeof filled - 1);
            used += sizeof filled - 1;
        }
    }
    out[used] = '\0';
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
        char text[RECORD_MAX], shown[256];
        format_kind(shown, sizeof shown, kind);
        snprintf(text, sizeof text, "%llu more lines of this kind were left out: %s",
                 (unsigned long long)count, shown);
        write_record(CONFIG_LOG_WARNING, text, "");
    }
}

void log_write(enum config_log_level level, const char *format, ...) {
    if (level > atomic_load(&least)) {
        return;
    }
    say_left_out(clock_now_ms(), false);
    va_list arguments;
    va_start(arguments, format);
    write_formatted(level, format, arguments);
    va_end(arguments);
}

/* Whether one more of `kind` may be written. */
static bool is_due(const char *kind, size_t per_second) {
    uint64_t now = clock_now_ms();
    say_left_out(now, false);
    pthread_mutex_lock(&limit_lock);
    bool pass = log_limit_pass(&limit, kind, (unsigned)per_second, now);
    pthread_mutex_unlock(&limit_lock);
    if (!pass) {
        atomic_fetch_add_explicit(&left_out, 1, memory_order_relaxed);
    }
    return pass;
}

void log_peer(enum config_log_level level, const char *format, ...) {
    if (level > atomic_load(&least) || !is_due(format, LOG_PER_PEER_BURST)) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    write_formatted(level, format, arguments);
    va_end(arguments);
}

/* `,"name":"text","name":1`: whole fields, as many as there is room for. */
static void format_fields(char out[FIELDS_MAX], const struct log_field *fields, size_t count) {
    char text[FIELDS_MAX / 2];
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        int length = 0;
        if (fields[i].text == NULL) {
            length =
                snprintf(out + used, FIELDS_MAX - used, ",\"%s\":%" PRIu64, fields[i].name, fields[i].number);
        } else {
            text[copy_escaped(text, sizeof text, fields[i].text, true)] = '\0';
            length = snprintf(out + used, FIELDS_MAX - used, ",\"%s\":\"%s\"", fields[i].name, text);
        }
        if (length < 0 || (size_t)length >= FIELDS_MAX - used) {
            out[used] = '\0';
            return;
        }
        used += (size_t)length;
    }
}

void log_fields(size_t per_second, const struct log_field *fields, size_t count, const char *format, ...) {
    char text[RECORD_MAX], formatted[FIELDS_MAX] = "";
    if (CONFIG_LOG_INFO > atomic_load(&least) || !is_due(format, per_second)) {
        return;
    }
    if (atomic_load(&line_format) == CONFIG_LOG_JSON) {
        format_fields(formatted, fields, count);
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_record(CONFIG_LOG_INFO, text, formatted);
}

struct log_numbers log_numbers(void) {
    struct log_numbers numbers = {.left_out = atomic_load(&left_out), .lost = atomic_load(&lost)};
    for (size_t i = 0; i <= CONFIG_LOG_DEBUG; i++) {
        numbers.written[i] = atomic_load(&written[i]);
    }
    return numbers;
}

void log_flush(void) {
    say_left_out(clock_now_ms(), true);
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

void log_complaint(const char *text) {
    if (goes_to_journal()) {
        fprintf(stderr, "<%d>%s\n", journal_levels[CONFIG_LOG_ERROR], text);
    } else {
        fprintf(stderr, "daffi-bridge: %s\n", text);
    }
}

void log_listening(const char *url) {
    char text[RECORD_MAX], line[LOG_LINE_MAX];
    snprintf(text, sizeof text, "listening %s", url);
    if (atomic_load(&line_format) == CONFIG_LOG_JSON) {
        write_record(CONFIG_LOG_INFO, text, "");
        return;
    }
    int length =
        atomic_load(&is_journal) ? snprintf(line, sizeof line, "<%d>", journal_levels[CONFIG_LOG_INFO]) : 0;
    length += snprintf(line + length, sizeof line - (size_t)length, "%s\n", text);
    if (put(line, (size_t)length)) {
        atomic_fetch_add_explicit(&written[CONFIG_LOG_INFO], 1, memory_order_relaxed);
    }
}
