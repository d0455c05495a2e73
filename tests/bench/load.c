/* bench_load: a load generator for daffi over WebSocket (TLS or not) and over daffi's own framing.
 *
 * Prints one line of JSON: calls, calls a second, latency percentiles in microseconds, connects a second. In idle mode it
 * prints {"idle": N} once all are connected and stays until its standard input ends; in the others `measuring` and `measured`
 * where the time that counts begins and ends. Exits 1 when an answer was wrong or a connection was lost. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load_peer.h"

static const char usage[] =
    "bench_load [options]\n"
    "  --port N | --unix PATH     where to connect (TCP: 127.0.0.1)\n"
    "  --tls CA_FILE              TLS, the server checked against CA_FILE\n"
    "  --ws PATH                  WebSocket at PATH; without it daffi's own framing\n"
    "  --mode calls|connects|idle (default calls)\n"
    "  --receiver NAME            the member that echoes (default echo)\n"
    "  --receivers N              members called in turn: NAME, NAME-1, NAME-2, ... (default 1)\n"
    "  --connections N            (default 32)\n"
    "  --in-flight N              calls at a time on each connection, 1 to 1024 (default 1)\n"
    "  --batch                    as daffi.js does with a bridge: what is called in one turn shares a "
    "WebSocket message\n"
    "  --size BYTES               of the payload (default 32)\n"
    "  --seconds S                measured (default 3), after --warmup S (default 0.5)\n";

enum { OPENING_MAX = 512 };

struct run {
    struct load load;
    struct timer phase; /* end of the warm-up, then end of the run, then end of patience */
    struct reactor_source input;
    uint64_t warmup_ms, measured_ms;
    unsigned connections, started;
    bool timed_out;
};

static struct run *run_of_timer(struct timer *timer) {
    return (struct run *)(void *)((char *)timer - offsetof(struct run, phase));
}

static void say_phase(const char *phase) {
    puts(phase);
    fflush(stdout);
}

static void on_phase(struct timer *timer, uint64_t now) {
    struct run *run = run_of_timer(timer);
    struct load *load = &run->load;
    if (load->stopping) {
        run->timed_out = true;
        reactor_stop(load->reactor);
    } else if (!load->measuring) {
        load->measuring = true;
        say_phase("measuring");
        timer_set(reactor_timers(load->reactor), timer, now + run->measured_ms);
    } else {
        load->measuring = false;
        say_phase("measured");
        load->stopping = true;
        timer_set(reactor_timers(load->reactor), timer, now + 10000);
    }
}

static void on_done(struct load *load) {
    reactor_stop(load->reactor);
}

/* As many as may shake hands at a time: the last of a large crowd should not wait until the server takes it for one that stalls.
 * 0 or -errno. */
static int start_more(struct run *run) {
    struct load *load = &run->load;
    int result = 0;
    while (result == 0 && run->started < run->connections && run->started < load->greeted + OPENING_MAX) {
        result = load_peer_start(load, run->started++);
    }
    return result;
}

static void on_greeted(struct load *load) {
    struct run *run = (struct run *)(void *)((char *)load - offsetof(struct run, load));
    int result = start_more(run);
    if (result < 0) {
        snprintf(load->failure, sizeof load->failure, "cannot connect: %s", strerror(-result));
        reactor_stop(load->reactor);
    }
    if (load->mode == LOAD_IDLE && load->greeted == run->connections) {
        printf("{\"idle\": %u}\n", load->greeted);
        fflush(stdout);
    } else if (load->mode != LOAD_IDLE && run->phase.place == 0 && !load->stopping &&
               (load->mode == LOAD_CONNECTS || load->greeted == run->connections)) {
        timer_set(reactor_timers(load->reactor), &run->phase, reactor_now(load->reactor) + run->warmup_ms);
    }
}

static void on_stdin(struct reactor_source *source, uint32_t events) {
    (void)events;
    struct run *run = (struct run *)(void *)((char *)source - offsetof(struct run, input));
    char ignored[64];
    if (read(source->fd, ignored, sizeof ignored) <= 0) {
        run->load.stopping = true;
        reactor_stop(run->load.reactor);
    }
}

static void print_result(const struct run *run) {
    const struct load *load = &run->load;
    double seconds = (double)run->measured_ms / 1000.0;
    printf("{\"calls\": %llu, \"calls_per_second\": %.0f, \"connects\": %llu, \"connects_per_second\": %.0f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           (unsigned long long)load->calls, (double)load->calls / seconds, (unsigned long long)load->connects,
           (double)load->connects / seconds, (double)histogram_quantile(&load->latency, 0.5) / 1000.0,
           (double)histogram_quantile(&load->latency, 0.99) / 1000.0, (double)load->latency.largest / 1000.0);
}

static int parse(int argc, char **argv, struct run *run) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"unix", required_argument, NULL, 'u'},
        {"tls", required_argument, NULL, 't'},
        {"ws", required_argument, NULL, 'w'},
        {"mode", required_argument, NULL, 'm'},
        {"receiver", required_argument, NULL, 'r'},
        {"connections", required_argument, NULL, 'c'},
        {"in-flight", required_argument, NULL, 'i'},
        {"size", required_argument, NULL, 's'},
        {"seconds", required_argument, NULL, 'd'},
        {"warmup", required_argument, NULL, 'W'},
        {"receivers", required_argument, NULL, 'R'},
        {"batch", no_argument, NULL, 'b'},
        {NULL, 0, NULL, 0},
    };
    struct load *load = &run->load;
    char error[512];
    int option = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            load->port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'u':
            load->unix_path = optarg;
            break;
        case 't':
            if (tls_context_new_client(optarg, &load->tls, error, sizeof error) < 0) {
                fprintf(stderr, "bench_load: %s\n", error);
                return -EINVAL;
            }
            break;
        case 'w':
            load->path = optarg;
            break;
        case 'm':
            load->mode = strcmp(optarg, "connects") == 0 ? LOAD_CONNECTS
                         : strcmp(optarg, "idle") == 0   ? LOAD_IDLE
                                                         : LOAD_CALLS;
            break;
        case 'r':
            load->receiver = optarg;
            break;
        case 'R':
            load->receivers = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            run->connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'i':
            load->in_flight = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'b':
            load->batches = true;
            break;
        case 's':
            load->payload_size = strtoul(optarg, NULL, 10);
            break;
        case 'd':
            run->measured_ms = (uint64_t)(strtod(optarg, NULL) * 1000.0);
            break;
        case 'W':
            run->warmup_ms = (uint64_t)(strtod(optarg, NULL) * 1000.0);
            break;
        default:
            return -EINVAL;
        }
    }
    bool sound = load->in_flight >= 1 && load->in_flight <= LOAD_IN_FLIGHT_MAX && run->connections >= 1 &&
                 load->receivers >= 1 && (load->path != NULL || !load->batches) &&
                 (load->port != 0 || load->unix_path != NULL);
    return sound ? 0 : -EINVAL;
}

int main(int argc, char **argv) {
    static struct memory_budget memory = {.limit = (size_t)8 << 30};
    static struct run run = {
        .load = {.receiver = "echo",
                 .receivers = 1,
                 .in_flight = 1,
                 .payload_size = 32,
                 .on_greeted = on_greeted,
                 .on_done = on_done},
        .phase = {.on_due = on_phase},
        .input = {.fd = STDIN_FILENO, .on_ready = on_stdin},
        .warmup_ms = 500,
        .measured_ms = 3000,
        .connections = 32,
    };
    struct load *load = &run.load;
    signal(SIGPIPE, SIG_IGN);
    if (parse(argc, argv, &run) < 0) {
        fputs(usage, stderr);
        return 2;
    }
    load->payload = malloc(load->payload_size + 1);
    if (load->payload == NULL || reactor_new(&memory, &load->reactor) < 0) {
        fputs("bench_load: out of memory\n", stderr);
        return 1;
    }
    for (size_t i = 0; i < load->payload_size; i++) {
        load->payload[i] = (uint8_t)(i * 31);
    }
    int result = start_more(&run);
    if (result < 0) {
        fprintf(stderr, "bench_load: cannot connect: %s\n", strerror(-result));
        return 1;
    }
    if (load->mode == LOAD_IDLE) {
        reactor_watch(load->reactor, &run.input, EPOLLIN);
    }
    reactor_run(load->reactor);
    if (run.timed_out) {
        snprintf(load->failure, sizeof load->failure, "answers were missing 10 s after the end of the run");
    }
    if (load->failure[0] != '\0') {
        fprintf(stderr, "bench_load: %s\n", load->failure);
        return 1;
    }
    if (load->mode != LOAD_IDLE) {
        print_result(&run);
    }
    return 0;
}
