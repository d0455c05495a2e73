#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/cli.h"
#include "dev/dev.h"
#include "dev/trust/dev_trust.h"
#include "http/integrity.h"
#include "net/clock.h"
#include "net/inherited.h"
#include "net/tls_memory.h"
#include "ops/access_log.h"
#include "ops/log.h"
#include "ops/notify.h"
#include "server/server.h"
#include "server/upgrade.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int complain(const char *error) {
    log_complaint(error);
    return EXIT_USAGE;
}

/* Signals are waited for, not caught; all threads are started with them blocked. */
static void block_signals(sigset_t *ret_awaited) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log that may not grow any more loses lines */
    sigemptyset(ret_awaited);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaddset(ret_awaited, signals[i]);
    }
    pthread_sigmask(SIG_BLOCK, ret_awaited, NULL);
}

/* The file as it is now, under the same command line. */
static void reload(struct server *server, int argc, char **argv) {
    char error[CONFIG_ERROR_MAX];
    char status_line[CONFIG_ERROR_MAX + 80] = NOTIFY_LISTENING;
    struct cli cli = {0};
    notify_reloading();
    int status = cli_parse(argc, argv, &cli, error);
    if (status == 0) {
        status = server_reload(server, cli.config, error);
    }
    if (status == 0) {
        log_start(cli.config->log_level, cli.config->log_format);
        access_log_start(cli.config->log_access, cli.config->log_access_per_second);
        log_write(CONFIG_LOG_INFO, "the configuration has been reloaded");
    } else {
        log_write(CONFIG_LOG_ERROR, "the configuration was not reloaded, all stays as it was: %s", error);
        snprintf(status_line, sizeof status_line, NOTIFY_LISTENING "; the configuration was not reloaded: %s",
                 error);
    }
    config_free(cli.config);
    notify_ready(status_line);
}

/* In ms, so that the service manager hears it in time whatever one tick takes; 0: it does not want to. */
static uint64_t alive_interval(void) {
    return notify_watchdog_ms() / 2;
}

/* Tells the service manager that the event loops turn, as often as it wants to know. */
static void tell_alive(struct server *server, uint64_t *due) {
    uint64_t interval = alive_interval();
    if (interval > 0 && clock_now_ms() >= *due && server_is_alive(server)) {
        notify_alive();
        *due = clock_now_ms() + interval;
    }
}

/* How long to wait for signals at a time. */
static struct timespec patience(const struct upgrade *upgrade) {
    uint64_t ms = upgrade->pid != 0 ? UPGRADE_TICK_MS : SERVER_TICK_MS;
    uint64_t alive_ms = alive_interval();
    if (alive_ms > 0 && alive_ms < ms) {
        ms = alive_ms;
    }
    return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

/* Until a signal ends it. */
static void serve(struct server *server, const sigset_t *awaited, struct upgrade *upgrade, int argc,
                  char **argv) {
    int caught = 0;
    uint64_t alive_due = 0;
    if (inherited_say_ready()) {
        alive_due = clock_now_ms() + alive_interval(); /* by then this is known as the main process */
    } else {
        notify_ready(NOTIFY_LISTENING);
    }
    while (caught != SIGTERM && caught != SIGINT) {
        server_tick(server, clock_now_ms());
        tell_alive(server, &alive_due);
        if (upgrade->pid != 0 && upgrade_is_done(upgrade, server, clock_now_ms())) {
            break; /* the service goes on: no STOPPING=1 */
        }
        const struct timespec tick = patience(upgrade);
        caught = sigtimedwait(awaited, NULL, &tick);
        if (caught == SIGHUP) {
            reload(server, argc, argv);
        } else if (caught == SIGUSR2) {
            upgrade_begin(upgrade, server, clock_now_ms());
        }
    }
    if (caught == SIGTERM || caught == SIGINT) {
        notify_stopping(server_stop_ms(server));
        upgrade_cancel(upgrade);
        server_refuse(server);
    }
    log_write(CONFIG_LOG_INFO, "shutting down");
    server_stop(server);
}

static int check(const struct server *server) {
    char error[CONFIG_ERROR_MAX];
    if (server_check(server, error) < 0) {
        return complain(error);
    }
    fputs("the configuration is fine\n", stderr);
    return EXIT_DONE;
}

static int run(const struct cli *cli, int argc, char **argv) {
    const struct config *config = cli->config;
    char error[CONFIG_ERROR_MAX];
    struct server *server = NULL;
    sigset_t awaited;
    struct upgrade upgrade;
    upgrade_init(&upgrade, argv);
    inherited_read();
    int status = inherited_leave_parent();
    if (status < 0) {
        log_complaint(strerror(-status));
        return EXIT_FAILED;
    }
    block_signals(&awaited);
    log_start(config->log_level, config->log_format);
    access_log_start(config->log_access, config->log_access_per_second);
    if (server_new(config, &server, error) < 0) {
        return complain(error);
    }
    if (cli->action == CLI_CHECK) {
        status = check(server);
    } else if (server_start(server, error) < 0) {
        status = complain(error);
    } else {
        size_t left = inherited_close_rest();
        if (left > 0) {
            log_write(CONFIG_LOG_WARNING,
                      "%zu sockets were passed on that no listener is for; they are closed", left);
        }
        serve(server, &awaited, &upgrade, argc, argv);
        status = server_has_failed(server) ? EXIT_FAILED : EXIT_DONE;
        log_flush();
    }
    server_free(server);
    return status;
}

static void tell_pages(void *server, const char *word) {
    server_tell_listeners(server, word);
}

static int serve_dev(struct dev *dev, struct server *server, const sigset_t *awaited, char *ret_error) {
    const struct listener_socket *sockets[DEV_SOCKETS_MAX];
    const struct dev_setup setup = {.sockets = sockets,
                                    .sockets_count = server_list_sockets(server, sockets, DEV_SOCKETS_MAX),
                                    .tell_pages = tell_pages,
                                    .owner = server};
    int status = dev_start(dev, &setup, ret_error);
    static const struct timespec tick = {.tv_sec = SERVER_TICK_MS / 1000};
    int caught = 0;
    while (status == 0 && caught != SIGTERM && caught != SIGINT && caught != SIGHUP) {
        server_tick(server, clock_now_ms());
        caught = sigtimedwait(awaited, NULL, &tick);
    }
    dev_stop(dev);
    log_start(CONFIG_LOG_ERROR, CONFIG_LOG_TEXT); /* that browsers are cut off is what is wanted */
    server_refuse(server);
    server_stop(server);
    return status;
}

static int run_dev(const struct cli *cli) {
    char error[CONFIG_ERROR_MAX];
    struct dev *dev = NULL;
    struct server *server = NULL;
    sigset_t awaited;
    if (dev_new(&cli->dev, &dev, error) < 0) {
        return complain(error);
    }
    const struct config *config = dev_config(dev);
    block_signals(&awaited);
    log_start(config->log_level, config->log_format);
    access_log_start(config->log_access, config->log_access_per_second);
    int status = server_new(config, &server, error);
    if (status == 0) {
        server_set_pages(server, dev_pages(dev));
        status = server_start(server, error);
    }
    if (status == 0) {
        status = serve_dev(dev, server, &awaited, error);
    }
    int exit_status = status < 0 ? complain(error) : server_has_failed(server) ? EXIT_FAILED : EXIT_DONE;
    log_flush();
    server_free(server);
    dev_free(dev);
    return exit_status;
}

int main(int argc, char **argv) {
    char error[CONFIG_ERROR_MAX];
    struct cli cli = {0};
    (void)tls_memory_install(); /* without it all works, in more memory */
    if (cli_parse(argc, argv, &cli, error) < 0) {
        return complain(error);
    }
    int status = EXIT_DONE;
    switch (cli.action) {
    case CLI_HELP:
        cli_print_help(stdout);
        break;
    case CLI_HELP_DEV:
        cli_dev_print_help(stdout);
        break;
    case CLI_VERSION:
        puts("daffi-bridge " DAFFI_VERSION);
        break;
    case CLI_INTEGRITY:
        status = integrity_print(assets_embedded(), cli.base, stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
        break;
    case CLI_DEV:
        status = run_dev(&cli);
        break;
    case CLI_TRUST:
    case CLI_UNTRUST:
        status = dev_trust_apply(cli.action == CLI_TRUST, stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
        break;
    case CLI_CHECK:
    case CLI_RUN:
        status = run(&cli, argc, argv);
        break;
    }
    config_free(cli.config);
    return status;
}
