#include <signal.h>
#include <stdio.h>

#include "config/cli.h"
#include "net/tls_memory.h"
#include "ops/log.h"
#include "ops/notify.h"
#include "server.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int complain(const char *error) {
    fprintf(stderr, "daffi-bridge: %s\n", error);
    return EXIT_USAGE;
}

/* The signals that end us are waited for, not caught; all threads are started with them blocked. */
static void block_signals(sigset_t *ret_awaited) {
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(ret_awaited);
    sigaddset(ret_awaited, SIGTERM);
    sigaddset(ret_awaited, SIGINT);
    pthread_sigmask(SIG_BLOCK, ret_awaited, NULL);
}

static int run(const struct config *config, bool only_check) {
    char error[CONFIG_ERROR_MAX];
    struct server *server = NULL;
    sigset_t awaited;
    block_signals(&awaited);
    log_start(config->log_level, config->log_format);
    if (server_new(config, &server, error) < 0) {
        return complain(error);
    }
    int status = EXIT_DONE;
    if (only_check) {
        fputs("the configuration is fine\n", stderr);
    } else if (server_start(server, error) < 0) {
        status = complain(error);
    } else {
        int caught = 0;
        notify_ready("listening");
        sigwait(&awaited, &caught);
        notify_stopping();
        log_write(CONFIG_LOG_INFO, "shutting down");
        server_stop(server);
        status = server_has_failed(server) ? EXIT_FAILED : EXIT_DONE;
        log_flush();
    }
    server_free(server);
    return status;
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
    case CLI_VERSION:
        puts("daffi-bridge " DAFFI_VERSION);
        break;
    case CLI_CHECK:
    case CLI_RUN:
        status = run(cli.config, cli.action == CLI_CHECK);
        break;
    }
    config_free(cli.config);
    return status;
}
