/* The daemon's log, on standard error: a line a record, text or JSON. Only upper rooms log; what a peer can
 * cause is bounded by a rate (LOG_PER_PEER_BURST a second and kind; what was left out is counted and said).
 * Payloads, queries and tokens are never logged. Any thread. */
#ifndef LOG_H
#define LOG_H

#include "config/config.h"

void log_start(enum config_log_level level, enum config_log_format format);

#if defined(__GNUC__)
#define LOG_FORMAT __attribute__((format(printf, 2, 3)))
#else
#define LOG_FORMAT
#endif

/* What we did or could not do: never suppressed. */
void log_write(enum config_log_level level, const char *format, ...) LOG_FORMAT;

/* What a peer caused: bounded. Text from a peer must be passed through log_quote. */
void log_peer(enum config_log_level level, const char *format, ...) LOG_FORMAT;

/* A peer's bytes made fit for a log line: control characters, quotes and non-ASCII escaped, cut at `size`.
 * Returns `out`. */
const char *log_quote(char *out, size_t size, const void *bytes, size_t length);

/* The line that tells a waiting process that a listener is ready: `listening https://127.0.0.1:8443`, always as is. */
void log_listening(const char *url);

#endif
