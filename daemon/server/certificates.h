/* Certificates in their time: whether their files have changed, and how long they still hold.
 *
 * Files are looked at with stat(2) every few seconds, not watched by inotify: that sees renewals through symbolic links
 * (certbot's live/, Kubernetes' ..data), on every file system, and needs nothing to be put up again when a folder has been
 * replaced. What has changed is read when it has been the same for two looks, so that a certificate and its key that are
 * written one after the other are met together. */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

#include <stdint.h>
#include <time.h>

#include "config/config.h"

enum {
    CERTIFICATES_LOOK_MS = 2000,
    CERTIFICATES_WARN_EVERY_MS = 24 * 3600 * 1000,
    CERTIFICATES_MAX = CONFIG_LIST_MAX * (1 + CONFIG_CERTIFICATES_MAX),
};

/* One that a listener shows. */
struct certificate {
    const char *file, *listener; /* the latter's URL; both borrowed from the configuration */
    time_t begins, ends;
};

/* Which files there are now, of certificates, keys and CAs, and which versions of them: changes when one of them does. */
uint64_t certificates_signature(const struct config *config);

/* A warning for each that holds no more, not yet, or not for much longer: a third of its time, at most two weeks. */
void certificates_warn(const struct certificate *certificates, size_t count, time_t now);

/* What has been seen of the files. */
struct certificates_watch {
    uint64_t read; /* the signature of what was read last, be it in vain */
    uint64_t seen; /* of the last look */
};

/* Whether they are to be read anew: they have changed since they were read, and not since the last look. They count as read
 * then. */
bool certificates_look(struct certificates_watch *watch, uint64_t signature);

#endif
