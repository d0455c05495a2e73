/* The administrator's view of the server: its listener, and what is told there. */
#include "generation.h"
#include "ops/log.h"

int server_bind_admin(struct server *server, const struct config *config, char ret_error[CONFIG_ERROR_MAX]) {
    const struct config_url *url = &config->admin;
    return url->text == NULL ? 0
                             : listener_open(url->host, url->port, url->path, &server->admin_socket,
                                             ret_error, CONFIG_ERROR_MAX);
}

void server_write_numbers(void *report, FILE *out) {
    report_json(report, out);
}

static int write_readiness(void *report, const char *upstream, FILE *out) {
    return report_readiness(report, upstream, out);
}

static void write_metrics(void *report, FILE *out) {
    report_metrics(report, out);
}

static bool is_own_host(void *report, const char *host) {
    return report_is_own_host(report, host);
}

int server_start_admin(struct server *server, const struct config *config, char ret_error[CONFIG_ERROR_MAX]) {
    if (server->admin_socket.fd < 0) {
        return 0;
    }
    const struct admin_setup setup = {
        .socket = &server->admin_socket,
        .source = &server->report,
        .is_own_host = is_own_host,
        .write_readiness = write_readiness,
        .write_metrics = write_metrics,
    };
    int status = admin_start(&setup, &server->admin);
    if (status < 0) {
        return server_describe(status, "the admin listener can't be watched", ret_error);
    }
    log_write(CONFIG_LOG_INFO, "health and numbers are at %s%s",
              config->admin.scheme == CONFIG_UNIX ? "unix:" : "http://", server->admin_socket.address);
    return 0;
}

void server_stop_admin(struct server *server) {
    admin_stop(server->admin);
    server->admin = NULL;
}

void server_report(struct server *server, const struct generation *generation,
                   const struct config_limits *limits) {
    report_configure(&server->report, generation->config, generation->certificates,
                     generation->certificates_count, limits->connections);
}
