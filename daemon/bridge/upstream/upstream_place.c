/* An upstream itself: what all of its attachments share on one reactor, from one configuration to the next. */
#include <errno.h>
#include <stdlib.h>

#include "bridge/members/name_hash.h"
#include "bridge/members/presence.h"
#include "bridge/upstream/upstream_internal.h"
#include "ops/log.h"

void upstream_tell(struct upstream *upstream, bool is_up, const char *detail) {
    if (!upstream_health_tell(upstream->health, is_up, detail)) {
        return;
    }
    if (is_up) {
        log_peer(CONFIG_LOG_INFO, "upstream %s is there", upstream->config->name);
    } else {
        log_peer(CONFIG_LOG_WARNING, "upstream %s can't be reached: %s", upstream->config->name, detail);
    }
}

bool upstream_serves(const struct backend *backend, struct daffi_span function, struct daffi_span except,
                     char *ret_name) {
    const struct upstream *upstream =
        (const struct upstream *)(const void *)((const char *)backend - offsetof(struct upstream, backend));
    const struct bridge *bridge = upstream->bridge;
    return presence_serves(bridge->presence, backend->place, function, except, reactor_now(bridge->reactor),
                           ret_name);
}

static void release_upstream(struct upstream *upstream) {
    endpoint_free(upstream->endpoint);
    tls_context_free(upstream->tls);
    config_drop(upstream->whole);
    free(upstream);
}

static void on_unused(struct backend *backend) {
    struct upstream *upstream =
        (struct upstream *)(void *)((char *)backend - offsetof(struct upstream, backend));
    if (upstream->is_freed) {
        release_upstream(upstream);
    }
}

static void end_watch(struct upstream *upstream) {
    watcher_free(upstream->watcher);
    upstream->watcher = NULL;
}

/* By the configuration; where that fails, it is as without: what follows is said in presence.h. */
static int watch(struct upstream *upstream) {
    bool is_wanted = upstream->bridge->watches && upstream->config->watch;
    if (!is_wanted) {
        end_watch(upstream);
        return 0;
    }
    return upstream->watcher != NULL ? 0 : watcher_new(upstream, &upstream->watcher);
}

void upstream_stop(struct upstream *upstream) {
    if (upstream != NULL) {
        end_watch(upstream);
        upstream_end_unread(upstream);
    }
}

int upstream_new(struct bridge *bridge, const struct config_upstream *config, struct tls_context *tls,
                 struct upstream **ret_upstream) {
    struct upstream *upstream = calloc(1, sizeof *upstream);
    if (upstream == NULL) {
        return -ENOMEM;
    }
    upstream->backend = (struct backend){.operations = &upstream_operations,
                                         .name = config->name,
                                         .counters = counters_of_upstream(&bridge->counters, config->name),
                                         .on_unused = on_unused};
    upstream->health = upstream_health_of(bridge->health, config->name);
    upstream_health_note_receipts(upstream->health,
                                  false); /* after a reload its name may be another server's */
    upstream->backend.place = (size_t)name_hash(0, daffi_span_text(config->url.text));
    upstream->bridge = bridge;
    upstream->whole = config_hold(bridge->config);
    upstream->config = config;
    int status = endpoint_new(bridge->reactor, config->url.host, config->url.port, config->url.path,
                              &upstream->endpoint);
    if (status == 0) {
        status = watch(upstream);
    }
    if (status < 0) {
        upstream_free(upstream);
        return status;
    }
    upstream->tls = tls;
    *ret_upstream = upstream;
    return 0;
}

void upstream_configure(struct upstream *upstream, const struct config_upstream *config,
                        struct tls_context *tls) {
    const struct config *before = upstream->whole;
    upstream->whole = config_hold(upstream->bridge->config);
    upstream->config = config;
    upstream->backend.name = config->name;
    tls_context_free(upstream->tls);
    upstream->tls = tls;
    config_drop(before);
    (void)watch(upstream); /* without memory: not watched until the next reload */
}

bool upstream_can_stay(const struct config_upstream *config, const struct config_upstream *next) {
    return strcmp(config->name, next->name) == 0 && strcmp(config->url.text, next->url.text) == 0;
}

void upstream_free(struct upstream *upstream) {
    if (upstream == NULL) {
        return;
    }
    end_watch(upstream);
    upstream->is_freed = true;
    if (upstream->backend.users == 0) {
        release_upstream(upstream);
    }
}

struct backend *upstream_backend(struct upstream *upstream) {
    return &upstream->backend;
}
