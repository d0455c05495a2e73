/* The daemon's log, on standard error: a line a record, text or JSON. Only upper rooms log; what a peer can
 * cause is bounded by a rate (LOG_PER_PEER_BURST a second and kind; what was left out is counted and said).
 * Payloads, queries and tokens are never logged. Any thread.
 *
 *   text  2026-01-31T12:34:56.789Z warning  closed: page "tab-1": malformed header
 *   json  {"time":"2026-01-31T12:34:56.789Z","level":"warning","message":"…"}
 *
 * One write(2) a line of at most LOG_LINE_MAX bytes, so that lines of several threads do not mix; a longer record is
 * cut and ends with "...". A standard error that takes nothing (a full pipe that is not waited for) loses lines, never
 * stops the daemon. */
#ifndef LOG_H
#define LOG_H

#include "config/config.h"

enum {
    LOG_PER_PEER_BURST = 100, /* lines a second of one kind, that is of one format */
    LOG_LINE_MAX = 2048,      /* bytes, line feed included; less than PIPE_BUF */
};

/* Before it, the level is info and the format text. May be called again, for a new configuration. */
void log_start(enum config_log_level level, enum config_log_format format);

#if defined(__GNUC__)
#define LOG_FORMAT __attribute__((format(printf, 2, 3)))
#else
#define LOG_FORMAT
#endif

/* What we did or could not do: never suppressed. */
void log_write(enum config_log_level level, const char *format, ...) LOG_FORMAT;

/* What a peer caused: bounded. Text from a peer must be passed through log_quote. `format` is a literal: it is what the
 * rate is bounded by. */
void log_peer(enum config_log_level level, const char *format, ...) LOG_FORMAT;

/* Says what log_peer left out so far; for the end of the program. Otherwise it is said by the first line of a later second. */
void log_flush(void);

/* A peer's bytes made fit for a log line: control characters, quotes and non-ASCII escaped, cut at `size` (then it ends
 * with "..."). Returns `out`. */
const char *log_quote(char *out, size_t size, const void *bytes, size_t length);

/* The line that tells a waiting process that a listener is ready: `listening https://127.0.0.1:8443`, always as is. */
void log_listening(const char *url);

#endif
