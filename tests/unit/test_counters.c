/* Counters, the histogram, and Prometheus' text: what is counted is what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/counters.h"
#include "ops/metrics_text.h"
#include "ops/process_numbers.h"

static void a_gauge_goes_up_and_down(void **state) {
    (void)state;
    struct counters counters[2];
    memset(counters, 0, sizeof counters);
    counter_up(&counters[0], COUNTER_OPEN_PAGES);
    counter_up(&counters[0], COUNTER_OPEN_PAGES);
    counter_down(&counters[0], COUNTER_OPEN_PAGES);
    counter_down(&counters[1], COUNTER_OPEN_PAGES);
    counter_add(&counters[0], COUNTER_PAGE_BYTES_SENT, 1000);
    assert_int_equal(counter_cell_read(&counters[0].cells[COUNTER_OPEN_PAGES]), 1);
    assert_int_equal(counter_cell_read(&counters[0].cells[COUNTER_OPEN_PAGES]) +
                         counter_cell_read(&counters[1].cells[COUNTER_OPEN_PAGES]),
                     0);
    assert_int_equal(counter_cell_read(&counters[0].cells[COUNTER_PAGE_BYTES_SENT]), 1000);
    assert_int_equal(counter_cell_read(&counters[0].cells[COUNTER_PAGE_BYTES_RECEIVED]), 0);
}

static void upstreams_are_found_by_name(void **state) {
    (void)state;
    struct counters *counters = calloc(1, sizeof *counters);
    char name[80];
    struct upstream_counters *a = counters_of_upstream(counters, "a");
    struct upstream_counters *b = counters_of_upstream(counters, "b");
    assert_true(a != NULL && b != NULL && a != b);
    assert_ptr_equal(counters_of_upstream(counters, "a"), a);
    counter_up_of_upstream(a, COUNTER_UPSTREAM_CALLS);
    counter_up_of_upstream(NULL, COUNTER_UPSTREAM_CALLS);
    assert_int_equal(counter_cell_read(&a->cells[COUNTER_UPSTREAM_CALLS]), 1);
    memset(name, 'x', sizeof name);
    name[COUNTERS_NAME_MAX + 1] = '\0';
    assert_null(counters_of_upstream(counters, name));
    for (int i = 2; i < COUNTERS_UPSTREAMS_MAX; i++) {
        snprintf(name, sizeof name, "upstream-%d", i);
        assert_non_null(counters_of_upstream(counters, name));
    }
    assert_null(counters_of_upstream(counters, "one too many"));
    assert_ptr_equal(counters_of_upstream(counters, "b"), b);
    free(counters);
}

/* Each sample has a family, each family samples, and no two are the same. */
static void rows_are_whole(void **state) {
    (void)state;
    assert_non_null(counter_rows[0].family);
    size_t counted = 0;
    for (size_t i = 0; i < counter_rows_count; i++) {
        const struct counter_row *row = &counter_rows[i];
        if (row->family != NULL) {
            assert_true(i + 1 < counter_rows_count && counter_rows[i + 1].family == NULL);
            assert_true(strcmp(row->type, "counter") == 0 || strcmp(row->type, "gauge") == 0);
            continue;
        }
        counted++;
        assert_true((row->which >= 0) != (row->of_upstream >= 0));
        if (counter_rows[i - 1].family == NULL) {
            assert_string_not_equal(row->labels, counter_rows[i - 1].labels);
        }
    }
    assert_int_equal(counted, (size_t)COUNTERS_END + COUNTERS_OF_UPSTREAM_END);
}

static void a_time_falls_into_its_bucket(void **state) {
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        assert_int_equal(histogram_place(histogram_bounds[i]), i);
        assert_int_equal(histogram_place(histogram_bounds[i] + 1), i + 1);
        assert_int_equal((uint64_t)(strtod(histogram_bound_texts[i], NULL) * 1e6 + 0.5), histogram_bounds[i]);
        assert_true(i == 0 || histogram_bounds[i] > histogram_bounds[i - 1]);
    }
    assert_int_equal(histogram_place(0), 0);
    assert_int_equal(histogram_place(UINT64_MAX), HISTOGRAM_BOUNDS);
}

static char *written;
static size_t written_length;

static FILE *begin_text(void) {
    FILE *out = open_memstream(&written, &written_length);
    assert_non_null(out);
    return out;
}

static void assert_text(FILE *out, const char *expected) {
    fclose(out);
    assert_string_equal(written, expected);
    free(written);
}

static void samples_are_written(void **state) {
    (void)state;
    FILE *out = begin_text();
    const struct metrics_label odd = {"listener", "a\"b\\c\nd"};
    metrics_text_family(out, "f_total", "counter", "What it is.");
    metrics_text_count(out, "f_total", NULL, "", UINT64_MAX);
    metrics_text_count(out, "f_total", NULL, "a=\"b\"", 1);
    metrics_text_count(out, "f_total", &odd, "a=\"b\"", 2);
    metrics_text_sample(out, "f_total", &odd, "", 0.5);
    metrics_text_labelled(out, "f_total", (const struct metrics_label[]){odd, {"file", "/x"}}, 2, 3);
    assert_text(out, "# HELP f_total What it is.\n# TYPE f_total counter\n"
                     "f_total 18446744073709551615\n"
                     "f_total{a=\"b\"} 1\n"
                     "f_total{listener=\"a\\\"b\\\\c\\nd\",a=\"b\"} 2\n"
                     "f_total{listener=\"a\\\"b\\\\c\\nd\"} 0.5\n"
                     "f_total{listener=\"a\\\"b\\\\c\\nd\",file=\"/x\"} 3\n");
}

static void a_histogram_is_cumulative(void **state) {
    (void)state;
    struct histogram histogram = {0};
    uint64_t buckets[HISTOGRAM_BOUNDS + 1];
    histogram_add(&histogram, 50);
    histogram_add(&histogram, 100);
    histogram_add(&histogram, 200);
    histogram_add(&histogram, 3600000000);
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        buckets[i] = histogram.buckets[i];
    }
    FILE *out = begin_text();
    metrics_text_histogram(out, "h_seconds", &(struct metrics_label){"upstream", "u"}, buckets,
                           histogram.sum_us);
    fclose(out);
    assert_non_null(strstr(written, "h_seconds_bucket{upstream=\"u\",le=\"0.0001\"} 2\n"
                                    "h_seconds_bucket{upstream=\"u\",le=\"0.00025\"} 3\n"
                                    "h_seconds_bucket{upstream=\"u\",le=\"0.0005\"} 3\n"));
    assert_non_null(strstr(written, "le=\"60\"} 3\nh_seconds_bucket{upstream=\"u\",le=\"+Inf\"} 4\n"
                                    "h_seconds_sum{upstream=\"u\"} 3600.000350\n"
                                    "h_seconds_count{upstream=\"u\"} 4\n"));
    free(written);
}

enum { ADDITIONS = 200000 };

static void *add_many(void *counters) {
    for (int i = 0; i < ADDITIONS; i++) {
        counter_up(counters, COUNTER_ACCEPTED);
    }
    return NULL;
}

/* A reader on another thread sees it rise, never anything else; and all of it in the end. */
static void a_reader_sees_it_rise(void **state) {
    (void)state;
    struct counters *counters = calloc(1, sizeof *counters);
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, add_many, counters), 0);
    uint64_t seen = 0;
    while (seen < ADDITIONS) {
        uint64_t now = counter_cell_read(&counters->cells[COUNTER_ACCEPTED]);
        assert_true(now >= seen && now <= ADDITIONS);
        seen = now;
    }
    pthread_join(writer, NULL);
    free(counters);
}

static void the_system_tells_of_us(void **state) {
    (void)state;
    struct timespec now;
    const struct process_numbers before = process_numbers();
    FILE *file = fopen("/dev/null", "re");
    const struct process_numbers behind = process_numbers();
    fclose(file);
    clock_gettime(CLOCK_REALTIME, &now);
    assert_int_equal(behind.descriptors, before.descriptors + 1);
    assert_true(before.resident_bytes > 100000 && before.virtual_bytes >= before.resident_bytes);
    assert_true(before.cpu_seconds > 0 && before.descriptors_max > before.descriptors);
    assert_true(before.start_seconds <= (double)now.tv_sec + 1 &&
                before.start_seconds > (double)now.tv_sec - 600);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gauge_goes_up_and_down), cmocka_unit_test(upstreams_are_found_by_name),
        cmocka_unit_test(rows_are_whole),           cmocka_unit_test(a_time_falls_into_its_bucket),
        cmocka_unit_test(samples_are_written),      cmocka_unit_test(a_histogram_is_cumulative),
        cmocka_unit_test(a_reader_sees_it_rise),    cmocka_unit_test(the_system_tells_of_us),
    };
    return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
