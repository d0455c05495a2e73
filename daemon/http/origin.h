/* Whom a request may be for (Host) and whose page it may come from (Origin).                     (RFC 6454)
 *
 * A host is one's own when it is a name of the certificate, of the configuration, or a loopback name; that it stands
 * in Host says nothing, as a rebound DNS name stands there too. Pure functions. */
#ifndef ORIGIN_H
#define ORIGIN_H

#include "daffi/span.h"

enum { ORIGIN_HOST_MAX = 253 }; /* bytes of a host's name */

struct origin_rule {
    char *const *hosts; /* own names, lower case, without port (config.hosts) */
    size_t hosts_count;
    char *const *allowed; /* config.allow_origins, each as origin_form_check takes it */
    size_t allowed_count;
    /* Whether the listener's certificate names `host` (lower case, an IPv6 address without brackets). May be NULL. */
    bool (*is_certificate_name)(void *owner, const char *host);
    void *owner;
    bool secure; /* the listener has TLS */
    const uint16_t
        *ports; /* at which own pages come, whichever listener they ask; NULL: at that listener's alone */
    size_t ports_count;
    const char *hosts_option; /* of the command line, that adds to hosts; NULL: there is none */
};

/* Whether the value of a Host field (or of none: NULL data, HTTP/1.0: then not) names us. Any port: it is the one the
 * client dialled, which a forwarded port changes. */
bool origin_host_is_own(const struct origin_rule *rule, struct daffi_span host);

/* Whether a page of `origin` (the value of the Origin field) may open a WebSocket that it asked of `host`.
 * Without the field (NULL data) it is no browser: allowed. Allowed as well are
 *   - one's own pages: an own host (not necessarily the same name), the port that Host has, and https where the listener
 *     is secure, so that what somebody on the way can change speaks for nobody;
 *   - those of own hosts that come from one of the rule's ports, over https or http;
 *   - what the list holds: an exact origin (case does not count, default ports may be left out),
 *     one with the port `*` (any), `null` (pages from disk, sandboxes), `*` (all). */
bool origin_is_allowed(const struct origin_rule *rule, struct daffi_span origin, struct daffi_span host);

/* Whether `text` is a form the list takes: 0, or -EINVAL with a static sentence in *ret_reason. */
int origin_form_check(const char *text, const char **ret_reason);

#endif
