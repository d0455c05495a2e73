/* The daemon's log, on standard error: a line a record, text or JSON. Only upper rooms log; what a peer can
 * cause is bounded by a rate (LOG_PER_PEER_BURST a second and kind; what was left out is counted and said).
 * Payloads, queries and tokens are never logged. Any thread.
 *
 *   text  2026-01-31T12:34:56.789Z warning  refused page "tab-1" from 192.0.2.1, upstream default: the name is taken
 *   json  {"time":"2026-01-31T12:34:56.789Z","level":"warning","message":"…"}
 *
 * One write(2) a line of at most LOG_LINE_MAX bytes, so that lines of several threads do not mix; a longer record is
 * cut and ends with "...". A standard error that takes nothing (a full disk, a pipe that nobody reads) loses lines, never
 * stops the daemon: a pipe is waited for a moment, LOG_PATIENCE_MS, then not any more until it takes something. How many
 * were lost is said once it does. */
#ifndef LOG_H
#define LOG_H

#include <stdint.h>

#include "config/config.h"

enum {
    LOG_PER_PEER_BURST = 100, /* lines a second of one kind, that is of one format */
    LOG_LINE_MAX = 2048,      /* bytes, line feed included; less than PIPE_BUF */
    LOG_PATIENCE_MS = 200,
};

/* Before it, the level is info and the format text. May be called again, for a new configuration. Where standard error is
 * the journal's (JOURNAL_STREAM, systemd.exec(5)), lines begin with their level as sd-daemon(3) has it, and a line of text has
 * no time of its own. */
void log_start(enum config_log_level level, enum config_log_format format);

#if defined(__GNUC__)
#define LOG_FORMAT __attribute__((format(printf, 2, 3)))
#else
#define LOG_FORMAT
#endif

/* Why the program can't start: `daffi-bridge: TEXT`, whatever the format is; to the journal, behind `<3>`, TEXT alone. Needs no
 * log_start. */
void log_complaint(const char *text);

/* What we did or could not do: never suppressed. */
void log_write(enum config_log_level level, const char *format, ...) LOG_FORMAT;

/* What a peer caused: bounded. Text from a peer must be passed through log_quote. `format` is a literal: it is what the
 * rate is bounded by. */
void log_peer(enum config_log_level level, const char *format, ...) LOG_FORMAT;

/* A record with parts: in JSON they are its fields, in text the sentence says all of it. At level info; at most
 * `per_second` of one `format`, a literal. */
struct log_field {
    const char *name;
    const char *text; /* NULL: the number */
    uint64_t number;
};
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
void log_fields(size_t per_second, const struct log_field *fields, size_t count, const char *format, ...);

/* Lines so far: written, by level; left out for their rate; lost, as standard error took them not. */
struct log_numbers {
    uint64_t written[CONFIG_LOG_DEBUG + 1], left_out, lost;
};
struct log_numbers log_numbers(void);

/* Says what log_peer left out so far; for the end of the program. Otherwise it is said by the first line of a later second. */
void log_flush(void);

/* A peer's bytes made fit for a log line: control characters, quotes and non-ASCII escaped, cut at `size` (then it ends
 * with "..."). Returns `out`. */
const char *log_quote(char *out, size_t size, const void *bytes, size_t length);

/* The line that tells a waiting process that a listener is ready, whatever the level is. As text it is nothing but
 * `listening https://127.0.0.1:8443`, without a time (to the journal, behind `<6>`); in JSON a record with that message. */
void log_listening(const char *url);

#endif
