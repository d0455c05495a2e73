/* The text format of Prometheus, version 0.0.4: families, each with what it is and its samples. Pure: it writes to a stream.
 *                                                              (Prometheus, "Exposition formats", "Text-based format") */
#ifndef METRICS_TEXT_H
#define METRICS_TEXT_H

#include <stdint.h>
#include <stdio.h>

#include "ops/histogram.h"

#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_label { /* its value is escaped */
    const char *name, *value;
};

/* Begins a family: `type` is counter, gauge or histogram. */
void metrics_text_family(FILE *out, const char *name, const char *type, const char *help);

/* One sample of the family `name`: `label` (name NULL: none), then `labels`, ready-made text (`kind="page"`; may be empty). */
void metrics_text_sample(FILE *out, const char *name, const struct metrics_label *label, const char *labels,
                         double value);
void metrics_text_count(FILE *out, const char *name, const struct metrics_label *label, const char *labels,
                        uint64_t value);

/* One sample with several labels. */
void metrics_text_labelled(FILE *out, const char *name, const struct metrics_label *labels, size_t count,
                           double value);

/* All samples of one histogram, in seconds: `buckets` are counts of HISTOGRAM_BOUNDS + 1, not cumulative. */
void metrics_text_histogram(FILE *out, const char *name, const struct metrics_label *label,
                            const uint64_t *buckets, uint64_t sum_us);

#endif
