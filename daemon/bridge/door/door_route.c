#include "bridge/door/door_route.h"

#include <errno.h>
#include <stdio.h>

#include "ops/log.h"

enum { QUOTED_MAX = 160 };

static const char OFFER[] = "daffi-bridge=";
static const char TAB[] = "daffi-tab=";

/* 32 lower-case hexadecimal digits; what is none says nothing. */
static void read_tab(struct daffi_span query, char ret_tab[NAMES_TAB_BYTES + 1]) {
    static const char digits[] = "0123456789abcdef";
    const struct daffi_span tab = request_part_find(query, '&', TAB);
    if (tab.length != NAMES_TAB_BYTES) {
        return;
    }
    for (size_t i = 0; i < tab.length; i++) {
        if (memchr(digits, tab.data[i], sizeof digits - 1) == NULL) {
            return;
        }
    }
    for (size_t i = 0; i < tab.length; i++) {
        ret_tab[i] = (char)tab.data[i];
    }
    ret_tab[NAMES_TAB_BYTES] = '\0';
}

static void append(char out[DOOR_ROUTE_TEXT_MAX], const char *text) {
    size_t length = strlen(out);
    snprintf(out + length, DOOR_ROUTE_TEXT_MAX - length, "%s", text);
}

/* `/` is the first, `/NAME` the one of that name. */
static void find_upstream(const struct config *config, const struct config_listener *listener,
                          struct daffi_span path, struct door_route *route) {
    const struct daffi_span name = daffi_span_of(path.data + 1, path.length - 1);
    route->upstream = SIZE_MAX;
    route->text[0] = '\0';
    for (size_t i = 0; i < listener->upstreams_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[listener->upstreams[i]];
        if (name.length == 0 || daffi_span_equal(name, daffi_span_text(upstream->name))) {
            route->upstream = listener->upstreams[i];
            return;
        }
    }
    char quoted[QUOTED_MAX];
    snprintf(route->text, sizeof route->text, "no upstream called \"%s\"; there are: ",
             log_quote(quoted, sizeof quoted, name.data, name.length));
    for (size_t i = 0; i < listener->upstreams_count; i++) {
        append(route->text, i == 0 ? "" : ", ");
        append(route->text, config->upstreams[listener->upstreams[i]].name);
    }
}

static int check_host(const struct origin_rule *rule, struct daffi_span host, char text[DOOR_ROUTE_TEXT_MAX],
                      struct request_refusal *ret_refusal) {
    if (origin_host_is_own(rule, host)) {
        return 0;
    }
    char quoted[QUOTED_MAX];
    log_quote(quoted, sizeof quoted, host.data, host.length);
    if (rule->hosts_option != NULL) {
        snprintf(text, DOOR_ROUTE_TEXT_MAX, "host %s is not one of this bridge's own; add its name by %s",
                 quoted, rule->hosts_option);
    } else {
        snprintf(text, DOOR_ROUTE_TEXT_MAX,
                 "host %s is not one of this bridge's own; add its name to \"hosts\" in the configuration",
                 quoted);
    }
    *ret_refusal = (struct request_refusal){
        .status = 403,
        .text = rule->hosts_option != NULL
                    ? "this host name is not one of this bridge's own: its terminal says how it becomes one"
                    : "this host name is not one of this bridge's own: see \"hosts\" in its configuration"};
    return -EACCES;
}

int door_route_check_page(const struct origin_rule *rule, const struct request_head *head,
                          char ret_text[DOOR_ROUTE_TEXT_MAX], struct request_refusal *ret_refusal) {
    if (daffi_span_equal(head->path, daffi_span_text("/healthz"))) {
        return 0;
    }
    return check_host(rule, request_head_find(head, "Host"), ret_text, ret_refusal);
}

int door_route_check_upgrade(const struct origin_rule *rule, const struct request_head *head,
                             char ret_accept[WS_ACCEPT_MAX], char ret_text[DOOR_ROUTE_TEXT_MAX],
                             struct request_refusal *ret_refusal) {
    char quoted[QUOTED_MAX];
    int status = ws_upgrade_check(head, ret_accept, ret_refusal);
    if (status < 0) {
        return status;
    }
    const struct daffi_span host = request_head_find(head, "Host");
    const struct daffi_span origin = request_head_find(head, "Origin");
    status = check_host(rule, host, ret_text, ret_refusal);
    if (status < 0) {
        return status;
    }
    if (!origin_is_allowed(rule, origin, host)) {
        log_quote(quoted, sizeof quoted, origin.data, origin.length);
        snprintf(ret_text, DOOR_ROUTE_TEXT_MAX, "origin %s is not allowed; add it by --allow-origin %s",
                 quoted, quoted);
        *ret_refusal = (struct request_refusal){
            .status = 403,
            .text = "pages of this origin may not connect here: see --allow-origin of the bridge"};
        return -EACCES;
    }
    return 0;
}

int door_route_find(const struct config *config, const struct config_listener *listener,
                    const struct origin_rule *rule, const struct request_head *head,
                    struct door_route *ret_route, struct request_refusal *ret_refusal) {
    struct door_route route = {
        .wants_offer = daffi_span_equal(request_part_find(head->query, '&', OFFER), daffi_span_text("1"))};
    int status = door_route_check_upgrade(rule, head, route.accept, ret_route->text, ret_refusal);
    if (status < 0) {
        return status;
    }
    read_tab(head->query, route.tab);
    find_upstream(config, listener, head->path, &route);
    *ret_route = route;
    return 0;
}

void door_route_check_token(const struct config *config, const struct request_head *head, uint64_t now,
                            struct door_route *route, struct auth_grant **ret_grant) {
    const char *text = "the bridge is out of memory";
    struct auth_grant *grant = NULL;
    if (config->secrets_count == 0) {
        return;
    }
    int status =
        auth_read_token(config->secrets, config->secrets_count, auth_find_token(head), now, &grant, &text);
    if (status == 0 && route->upstream != SIZE_MAX && grant->upstream[0] != '\0' &&
        strcmp(grant->upstream, config->upstreams[route->upstream].name) != 0) {
        status = -EACCES;
        text = "the token is for another upstream";
    }
    if (status == 0) {
        *ret_grant = grant;
        return;
    }
    auth_grant_free(grant);
    route->upstream = SIZE_MAX;
    snprintf(route->text, sizeof route->text, "%s", text);
}

bool door_is_local(const char *address) {
    return strcmp(address, "unix") == 0 || strcmp(address, "::1") == 0 || strncmp(address, "127.", 4) == 0 ||
           strncmp(address, "::ffff:127.", 11) == 0;
}
