#include "server/certificates.h"

#include <stdio.h>
#include <sys/stat.h>

#include "ops/log.h"

enum { DAY = 86400, WARN_DAYS = 14, DATE_MAX = 32 };

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15U;
    return hash ^ hash >> 32;
}

static uint64_t mix_file(uint64_t hash, const char *file) {
    struct stat status;
    if (file == NULL || stat(file, &status) < 0) {
        return mix(hash, 0);
    }
    hash = mix(hash, status.st_dev);
    hash = mix(hash, status.st_ino);
    hash = mix(hash, (uint64_t)status.st_size);
    hash = mix(hash, (uint64_t)status.st_mtim.tv_sec);
    hash = mix(hash, (uint64_t)status.st_mtim.tv_nsec);
    hash = mix(hash, (uint64_t)status.st_ctim.tv_sec);
    return mix(hash, (uint64_t)status.st_ctim.tv_nsec);
}

uint64_t certificates_signature(const struct config *config) {
    uint64_t hash = 1;
    for (size_t i = 0; i < config->listeners_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        hash = mix_file(mix_file(mix_file(hash, listener->cert), listener->key), listener->client_ca);
        for (size_t j = 0; j < listener->certificates_count; j++) {
            hash = mix_file(mix_file(hash, listener->certificates[j].cert), listener->certificates[j].key);
        }
    }
    for (size_t i = 0; i < config->upstreams_count; i++) {
        hash = mix_file(hash, config->upstreams[i].ca);
    }
    return hash;
}

bool certificates_look(struct certificates_watch *watch, uint64_t signature) {
    bool has_settled = signature == watch->seen;
    watch->seen = signature;
    if (signature == watch->read || !has_settled) {
        return false;
    }
    watch->read = signature;
    return true;
}

static const char *date_of(time_t time, char out[DATE_MAX]) {
    struct tm parts;
    if (gmtime_r(&time, &parts) == NULL || strftime(out, DATE_MAX, "%Y-%m-%d %H:%M UTC", &parts) == 0) {
        snprintf(out, DATE_MAX, "?");
    }
    return out;
}

void certificates_warn(const struct certificate *certificates, size_t count, time_t now) {
    char date[DATE_MAX];
    for (size_t i = 0; i < count; i++) {
        const struct certificate *one = &certificates[i];
        time_t third = (one->ends - one->begins) / 3;
        time_t notice = third < (time_t)WARN_DAYS * DAY ? third : (time_t)WARN_DAYS * DAY;
        if (now >= one->ends) {
            log_write(CONFIG_LOG_ERROR, "certificate %s has expired at %s: browsers refuse it", one->file,
                      date_of(one->ends, date));
        } else if (now < one->begins) {
            log_write(CONFIG_LOG_WARNING, "certificate %s holds from %s on: until then browsers refuse it",
                      one->file, date_of(one->begins, date));
        } else if (one->ends - now < notice) {
            log_write(
                CONFIG_LOG_WARNING,
                "certificate %s expires at %s, in %lld hours: a new one is noticed when it is written there",
                one->file, date_of(one->ends, date), (long long)(one->ends - now) / 3600);
        }
    }
}
