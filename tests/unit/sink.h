/* A response_sink that keeps what is written, as a string, or fails as told. */
#ifndef SINK_H
#define SINK_H

#include <errno.h>

#include "http/response.h"

struct sink {
    char bytes[16384]; /* NUL-terminated */
    size_t length;
    int failure;
};

static inline int sink_write(void *owner, const void *bytes, size_t length) {
    struct sink *sink = owner;
    if (sink->failure != 0 || length >= sizeof sink->bytes - sink->length) {
        return sink->failure != 0 ? sink->failure : -ENOBUFS;
    }
    memcpy(sink->bytes + sink->length, bytes, length);
    sink->length += length;
    sink->bytes[sink->length] = '\0';
    return 0;
}

static inline struct response_sink sink_of(struct sink *sink) {
    return (struct response_sink){.write = sink_write, .owner = sink};
}

static inline void sink_clear(struct sink *sink) {
    *sink = (struct sink){.failure = sink->failure};
}

#endif
