#include "ops/metrics_text.h"

#include <inttypes.h>
#include <stdbool.h>

void metrics_text_family(FILE *out, const char *name, const char *type, const char *help) {
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_escaped(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            fputs("\\n", out);
        } else {
            if (*text == '"' || *text == '\\') {
                fputc('\\', out);
            }
            fputc(*text, out);
        }
    }
}

static void write_name(FILE *out, const char *name, const char *suffix, const struct metrics_label *label,
                       const char *labels) {
    bool has_label = label != NULL && label->name != NULL;
    bool has_more = labels[0] != '\0';
    fprintf(out, "%s%s", name, suffix);
    if (has_label || has_more) {
        fputc('{', out);
    }
    if (has_label) {
        fprintf(out, "%s=\"", label->name);
        write_escaped(out, label->value);
        fputc('"', out);
    }
    fprintf(out, "%s%s", has_label && has_more ? "," : "", labels);
    fputs(has_label || has_more ? "} " : " ", out);
}

void metrics_text_sample(FILE *out, const char *name, const struct metrics_label *label, const char *labels,
                         double value) {
    write_name(out, name, "", label, labels);
    fprintf(out, "%.17g\n", value);
}

void metrics_text_labelled(FILE *out, const char *name, const struct metrics_label *labels, size_t count,
                           double value) {
    fprintf(out, "%s{", name);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s%s=\"", i == 0 ? "" : ",", labels[i].name);
        write_escaped(out, labels[i].value);
        fputc('"', out);
    }
    fprintf(out, "} %.17g\n", value);
}

void metrics_text_count(FILE *out, const char *name, const struct metrics_label *label, const char *labels,
                        uint64_t value) {
    write_name(out, name, "", label, labels);
    fprintf(out, "%" PRIu64 "\n", value);
}

void metrics_text_histogram(FILE *out, const char *name, const struct metrics_label *label,
                            const uint64_t *buckets, uint64_t sum_us) {
    uint64_t count = 0;
    char bound[32];
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        count += buckets[i];
        snprintf(bound, sizeof bound, "le=\"%s\"", i < HISTOGRAM_BOUNDS ? histogram_bound_texts[i] : "+Inf");
        write_name(out, name, "_bucket", label, bound);
        fprintf(out, "%" PRIu64 "\n", count);
    }
    write_name(out, name, "_sum", label, "");
    fprintf(out, "%" PRIu64 ".%06u\n", sum_us / 1000000, (unsigned)(sum_us % 1000000));
    write_name(out, name, "_count", label, "");
    fprintf(out, "%" PRIu64 "\n", count);
}
