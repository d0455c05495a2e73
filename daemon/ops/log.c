#include "ops/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, PEER_LINES_A_SECOND = 50 };

static atomic_int threshold = CONFIG_LOG_INFO;
static atomic_int output_format = CONFIG_LOG_TEXT;

static const char *const level_words[] = {"error", "warning", "info", "debug"};

/* The lines of one second that peers caused. One lock: it is taken for lines that are due, which are few. */
static struct {
    pthread_mutex_t lock;
    time_t second;
    unsigned written, suppressed;
} peer_rate = {.lock = PTHREAD_MUTEX_INITIALIZER};

void log_start(enum config_log_level level, enum config_log_format format) {
    atomic_store(&threshold, (int)level);
    atomic_store(&output_format, (int)format);
}

/* One write for a line, so that lines of several threads don't mix. What can't be written is lost: there is nobody to tell. */
static void put_line(const char *line, size_t length) {
    ssize_t written = write(STDERR_FILENO, line, length);
    (void)written;
}

static void append(char *line, size_t *length, const char *text) {
    while (*text != '\0' && *length < LINE_BYTES - 2) {
        line[(*length)++] = *text++;
    }
}

/* The message as it may stand between the quotes of JSON; it holds ASCII controls only where a caller forgot log_quote. */
static void append_json(char *line, size_t *length, const char *text) {
    for (; *text != '\0' && *length < LINE_BYTES - 16; text++) {
        unsigned char c = (unsigned char)*text;
        char escaped[8] = {(char)c, '\0'};
        if (c == '"' || c == '\\') {
            snprintf(escaped, sizeof escaped, "\\%c", c);
        } else if (c < 0x20) {
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
        }
        append(line, length, escaped);
    }
}

static void put_record(enum config_log_level level, const char *message) {
    struct timespec now;
    struct tm utc;
    char stamp[40];
    char line[LINE_BYTES];
    size_t length = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + used, sizeof stamp - used, ".%03ldZ", now.tv_nsec / 1000000);
    if (atomic_load(&output_format) == CONFIG_LOG_JSON) {
        append(line, &length, "{\"time\":\"");
        append(line, &length, stamp);
        append(line, &length, "\",\"level\":\"");
        append(line, &length, level_words[level]);
        append(line, &length, "\",\"message\":\"");
        append_json(line, &length, message);
        line[length++] = '"';
        line[length++] = '}';
    } else {
        append(line, &length, stamp);
        append(line, &length, " ");
        append(line, &length, level_words[level]);
        append(line, &length, ": ");
        append(line, &length, message);
    }
    line[length++] = '\n';
    put_line(line, length);
}

void log_write(enum config_log_level level, const char *format, ...) {
    char message[LINE_BYTES / 2];
    va_list arguments;
    if ((int)level > atomic_load(&threshold)) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    put_record(level, message);
}

/* Whether this second still has room for a line; *ret_suppressed is what the last one left out. */
static bool peer_line_is_due(unsigned *ret_suppressed) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&peer_rate.lock);
    *ret_suppressed = 0;
    if (now.tv_sec != peer_rate.second) {
        *ret_suppressed = peer_rate.suppressed;
        peer_rate.second = now.tv_sec;
        peer_rate.written = 0;
        peer_rate.suppressed = 0;
    }
    bool due = peer_rate.written < PEER_LINES_A_SECOND;
    peer_rate.written += due;
    peer_rate.suppressed += !due;
    pthread_mutex_unlock(&peer_rate.lock);
    return due;
}

void log_peer(enum config_log_level level, const char *format, ...) {
    char message[LINE_BYTES / 2];
    unsigned suppressed = 0;
    va_list arguments;
    if ((int)level > atomic_load(&threshold) || !peer_line_is_due(&suppressed)) {
        return;
    }
    if (suppressed > 0) {
        log_write(CONFIG_LOG_WARNING, "%u more lines about peers were left out of the log", suppressed);
    }
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    put_record(level, message);
}

const char *log_quote(char *out, size_t size, const void *bytes, size_t length) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = bytes;
    size_t used = 0;
    size_t i = 0;
    if (size == 0) {
        return out;
    }
    for (; i < length && used + 8 < size; i++) {
        unsigned char c = in[i];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            out[used++] = (char)c;
        } else {
            out[used++] = '\\';
            out[used++] = 'x';
            out[used++] = digits[c >> 4];
            out[used++] = digits[c & 15];
        }
    }
    for (size_t dots = 0; i < length && dots < 3 && used + 1 < size; dots++) {
        out[used++] = '.';
    }
    out[used] = '\0';
    return out;
}

void log_listening(const char *url) {
    char line[512];
    int length = snprintf(line, sizeof line, "listening %s\n", url);
    put_line(line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}
