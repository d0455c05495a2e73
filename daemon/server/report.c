#include "server/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/clock.h"
#include "ops/log.h"
#include "ops/metrics_text.h"
#include "ops/process_numbers.h"

/* -- sums over the reactors -- */

static uint64_t sum_counter(const struct report *report, int which) {
    uint64_t sum = 0;
    for (size_t i = 0; i < report->counters_count; i++) {
        sum += counter_cell_read(&report->counters[i]->cells[which]);
    }
    return sum;
}

/* One upstream, of all reactors. */
struct upstream_sum {
    const char *name;
    uint64_t cells[COUNTERS_OF_UPSTREAM_END];
    uint64_t buckets[HISTOGRAM_BOUNDS + 1];
    uint64_t sum_us;
};

static size_t count_upstreams(const struct counters *counters) {
    return atomic_load_explicit(&counters->upstreams_count, memory_order_acquire);
}

static void add_upstream(struct upstream_sum *sum, const struct upstream_counters *counters) {
    for (size_t i = 0; i < COUNTERS_OF_UPSTREAM_END; i++) {
        sum->cells[i] += counter_cell_read(&counters->cells[i]);
    }
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        sum->buckets[i] += counter_cell_read(&counters->latency.buckets[i]);
    }
    sum->sum_us += counter_cell_read(&counters->latency.sum_us);
}

/* The upstream at `place` of the first reactor, which knows them all. */
static struct upstream_sum sum_upstream(const struct report *report, size_t place) {
    struct upstream_sum sum = {.name = report->counters[0]->upstreams[place].name};
    for (size_t i = 0; i < report->counters_count; i++) {
        const struct counters *counters = report->counters[i];
        for (size_t j = 0; j < count_upstreams(counters); j++) {
            if (strcmp(counters->upstreams[j].name, sum.name) == 0) {
                add_upstream(&sum, &counters->upstreams[j]);
            }
        }
    }
    return sum;
}

static size_t upstreams_of(const struct report *report) {
    return report->counters_count == 0 ? 0 : count_upstreams(report->counters[0]);
}

/* -- what it knows -- */

int report_init(struct report *report, struct memory_budget *memory, struct upstream_health_table *health) {
    report->memory = memory;
    report->health = health;
    return -pthread_mutex_init(&report->lock, NULL);
}

void report_clear(struct report *report) {
    if (report->memory == NULL) {
        return;
    }
    free(report->certificates);
    config_drop(report->config);
    pthread_mutex_destroy(&report->lock);
}

void report_add(struct report *report, const struct counters *counters) {
    report->counters[report->counters_count++] = counters;
}

void report_configure(struct report *report, const struct config *config,
                      const struct certificate *certificates, size_t certificates_count,
                      size_t connections_limit) {
    const struct config *held = config_hold(config);
    struct certificate *copies = calloc(certificates_count + 1, sizeof *copies);
    for (size_t i = 0; i < certificates_count && copies != NULL; i++) {
        copies[i] = certificates[i];
    }
    pthread_mutex_lock(&report->lock);
    const struct config *config_before = report->config;
    struct certificate *certificates_before = report->certificates;
    report->config = held;
    report->certificates = copies;
    report->certificates_count = copies == NULL ? 0 : certificates_count;
    report->connections_limit = connections_limit;
    pthread_mutex_unlock(&report->lock);
    free(certificates_before);
    config_drop(config_before);
}

void report_stopping(struct report *report) {
    atomic_store(&report->is_stopping, true);
}

bool report_is_stopping(const struct report *report) {
    return atomic_load(&report->is_stopping);
}

bool report_is_own_host(struct report *report, const char *host) {
    bool is_own = false;
    pthread_mutex_lock(&report->lock);
    for (size_t i = 0; i < report->config->hosts_count && !is_own; i++) {
        is_own = strcasecmp(host, report->config->hosts[i]) == 0;
    }
    pthread_mutex_unlock(&report->lock);
    return is_own;
}

/* -- readiness -- */

/* The name of the Python upstream at `place`, or NULL. Under the lock, as all below. */
static const char *watched_upstream(const struct report *report, size_t place) {
    const struct config_upstream *upstream = &report->config->upstreams[place];
    return upstream->url.scheme == CONFIG_ROUTER ? NULL : upstream->name;
}

static int tell_readiness(const struct report *report, const char *upstream, FILE *out) {
    static const char *const states[] = {"not known yet", "up", "down"};
    bool is_ready = true;
    bool is_known = upstream == NULL;
    for (size_t i = 0; i < report->config->upstreams_count; i++) {
        char reason[UPSTREAM_HEALTH_REASON_MAX];
        const char *name = watched_upstream(report, i);
        if (upstream != NULL && strcmp(upstream, report->config->upstreams[i].name) != 0) {
            continue;
        }
        is_known = true;
        if (name == NULL) { /* it is inside */
            continue;
        }
        const struct upstream_health *health = upstream_health_of(report->health, name);
        enum upstream_state state = upstream_health_read(health, reason);
        is_ready = is_ready && upstream_health_is_good(health);
        fprintf(out, "upstream %s: %s%s%s\n", name, states[state], reason[0] != '\0' ? ": " : "", reason);
    }
    fputs(is_ready ? "ready\n" : "not ready\n", out);
    return is_known ? (int)is_ready : -1;
}

int report_readiness(struct report *report, const char *upstream, FILE *out) {
    if (atomic_load(&report->is_stopping)) {
        fputs("shutting down\n", out);
        return 0;
    }
    pthread_mutex_lock(&report->lock);
    int result = tell_readiness(report, upstream, out);
    pthread_mutex_unlock(&report->lock);
    return result;
}

/* -- /metrics -- */

static void write_counters(const struct report *report, FILE *out) {
    const char *family = "";
    for (size_t i = 0; i < counter_rows_count; i++) {
        const struct counter_row *row = &counter_rows[i];
        if (row->family != NULL) {
            family = row->family;
            metrics_text_family(out, family, row->type, row->help);
        } else if (row->which >= 0) {
            metrics_text_count(out, family, NULL, row->labels, sum_counter(report, row->which));
        }
        for (size_t j = 0; row->of_upstream >= 0 && j < upstreams_of(report); j++) {
            const struct upstream_sum sum = sum_upstream(report, j);
            const struct metrics_label label = {"upstream", sum.name};
            metrics_text_count(out, family, &label, row->labels, sum.cells[row->of_upstream]);
        }
    }
}

static void write_upstreams(const struct report *report, FILE *out) {
    static const char latency[] = "daffi_bridge_call_duration_seconds", up[] = "daffi_bridge_upstream_up";
    char reason[UPSTREAM_HEALTH_REASON_MAX];
    metrics_text_family(
        out, latency, "histogram",
        "Time from passing a call on to its answer, by upstream; to a turn of the event loop.");
    for (size_t i = 0; i < upstreams_of(report); i++) {
        const struct upstream_sum sum = sum_upstream(report, i);
        metrics_text_histogram(out, latency, &(struct metrics_label){"upstream", sum.name}, sum.buckets,
                               sum.sum_us);
    }
    bool has_begun = false;
    for (size_t i = 0; i < report->config->upstreams_count; i++) {
        const struct metrics_label label = {"upstream", watched_upstream(report, i)};
        if (label.value == NULL) {
            continue;
        }
        if (!has_begun) {
            metrics_text_family(out, up, "gauge",
                                "Whether a Python upstream is there, as far as is known: 1 or 0.");
            has_begun = true;
        }
        metrics_text_count(out, up, &label, "",
                           upstream_health_read(upstream_health_of(report->health, label.value), reason) ==
                               UPSTREAM_UP);
    }
}

static void write_one(FILE *out, const char *name, const char *type, const char *help, double value) {
    metrics_text_family(out, name, type, help);
    metrics_text_sample(out, name, NULL, "", value);
}

static size_t memory_used(const struct report *report) {
    return atomic_load_explicit(&report->memory->used, memory_order_relaxed);
}

static void write_certificates(const struct report *report, FILE *out) {
    static const char name[] = "daffi_bridge_certificate_expiry_timestamp_seconds";
    if (report->certificates_count > 0) {
        metrics_text_family(out, name, "gauge",
                            "When a certificate of a listener ends, in seconds since 1970.");
    }
    for (size_t i = 0; i < report->certificates_count; i++) {
        const struct certificate *one = &report->certificates[i];
        const struct metrics_label labels[] = {{"listener", one->listener}, {"file", one->file}};
        metrics_text_labelled(out, name, labels, sizeof labels / sizeof *labels, (double)one->ends);
    }
}

static void write_log(FILE *out) {
    static const char lines[] = "daffi_bridge_log_lines_total",
                      missed[] = "daffi_bridge_log_lines_missed_total";
    static const char *const levels[] = {"level=\"error\"", "level=\"warning\"", "level=\"info\"",
                                         "level=\"debug\""};
    const struct log_numbers numbers = log_numbers();
    metrics_text_family(out, lines, "counter", "Lines written to the log, by level.");
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        metrics_text_count(out, lines, NULL, levels[i], numbers.written[i]);
    }
    metrics_text_family(
        out, missed, "counter",
        "Lines that were left out for their rate, or lost because standard error did not take them.");
    metrics_text_count(out, missed, NULL, "reason=\"rate\"", numbers.left_out);
    metrics_text_count(out, missed, NULL, "reason=\"write\"", numbers.lost);
}

static void write_process(FILE *out) {
    const struct process_numbers process = process_numbers();
    write_one(out, "process_cpu_seconds_total", "counter", "Processor time used, in seconds.",
              process.cpu_seconds);
    write_one(out, "process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.",
              process.start_seconds);
    write_one(out, "process_resident_memory_bytes", "gauge", "Memory in use.",
              (double)process.resident_bytes);
    write_one(out, "process_virtual_memory_bytes", "gauge", "Address space in use.",
              (double)process.virtual_bytes);
    write_one(out, "process_open_fds", "gauge", "Open file descriptors.", (double)process.descriptors);
    if (process.descriptors_max != UINT64_MAX) {
        write_one(out, "process_max_fds", "gauge", "File descriptors that may be open.",
                  (double)process.descriptors_max);
    }
}

void report_metrics(struct report *report, FILE *out) {
    pthread_mutex_lock(&report->lock);
    metrics_text_family(out, "daffi_bridge_build_info", "gauge", "The version that runs: always 1.");
    metrics_text_count(out, "daffi_bridge_build_info", &(struct metrics_label){"version", DAFFI_VERSION}, "",
                       1);
    write_counters(report, out);
    write_upstreams(report, out);
    write_one(out, "daffi_bridge_queued_bytes", "gauge",
              "Memory of all queues, to peers and from them: see limits.memory_bytes.",
              (double)memory_used(report));
    write_one(out, "daffi_bridge_queued_limit_bytes", "gauge", "What limits.memory_bytes allows of it.",
              (double)atomic_load(&report->memory->limit));
    write_one(out, "daffi_bridge_connections_limit", "gauge",
              "Connections that are taken at a time: limits.connections, or what descriptors allow.",
              (double)report->connections_limit);
    write_certificates(report, out);
    pthread_mutex_unlock(&report->lock);
    write_log(out);
    write_process(out);
}

/* -- the playground's -- */

static void write_sums(const struct report *report, FILE *out, const char *name, const int *which,
                       size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += sum_counter(report, which[i]);
    }
    fprintf(out, ",\"%s\":%" PRIu64, name, sum);
}

#define WRITE_SUM(name, ...)                                                                                 \
    write_sums(report, out, name, (const int[]){__VA_ARGS__},                                                \
               sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void write_call_errors(const struct report *report, FILE *out) {
    uint64_t sum = 0;
    for (int i = COUNTER_CALL_ERROR_REMOTE; i <= COUNTER_CALL_ERROR_BUSY; i++) {
        sum += sum_counter(report, i);
    }
    fprintf(out, ",\"refusedCalls\":%" PRIu64, sum);
}

/* Names of upstreams are letters, digits, '-', '_' and '.': nothing is to be escaped. */
static void write_json_upstream(const struct report *report, size_t place, FILE *out) {
    const struct upstream_sum sum = sum_upstream(report, place);
    fprintf(out,
            "%s{\"name\":\"%s\",\"calls\":%" PRIu64 ",\"responses\":%" PRIu64 ",\"errors\":%" PRIu64
            ",\"buckets\":[",
            place == 0 ? "" : ",", sum.name, sum.cells[COUNTER_UPSTREAM_CALLS],
            sum.cells[COUNTER_UPSTREAM_RESPONSES], sum.cells[COUNTER_UPSTREAM_ERRORS]);
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        fprintf(out, "%s%" PRIu64, i == 0 ? "" : ",", sum.buckets[i]);
    }
    fputs("]}", out);
}

void report_json(struct report *report, FILE *out) {
    fprintf(out, "{\"ms\":%" PRIu64, clock_now_ms());
    WRITE_SUM("pages", COUNTER_OPEN_PAGES);
    WRITE_SUM("native", COUNTER_OPEN_NATIVE);
    WRITE_SUM("visitors", COUNTER_OPEN_VISITORS);
    WRITE_SUM("waitingCalls", COUNTER_WAITING_CALLS);
    WRITE_SUM("receivedBytes", COUNTER_PAGE_BYTES_RECEIVED, COUNTER_NATIVE_BYTES_RECEIVED,
              COUNTER_VISITOR_BYTES_RECEIVED);
    WRITE_SUM("sentBytes", COUNTER_PAGE_BYTES_SENT, COUNTER_NATIVE_BYTES_SENT, COUNTER_VISITOR_BYTES_SENT);
    write_call_errors(report, out);
    fprintf(out, ",\"queuedBytes\":%zu,\"bounds\":[", memory_used(report));
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : ",", histogram_bound_texts[i]);
    }
    fputs("],\"upstreams\":[", out);
    for (size_t i = 0; i < upstreams_of(report); i++) {
        write_json_upstream(report, i, out);
    }
    fputs("]}\n", out);
}
