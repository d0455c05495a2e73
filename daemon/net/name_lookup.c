#include "net/name_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { WRONG_MAX = 512, THREAD_STACK = 524288 };

/* Shared by the helper thread and the lookup; the last to let go frees it. The thread knows neither lookup nor reactor: closing its
 * end of a pipe is how it tells. */
struct name_lookup_errand {
    atomic_int holders;
    int tell_fd; /* the thread's */
    char *host, *port;
    atomic_bool done; /* what follows is written */
    int failed;       /* getaddrinfo's */
    int system_error;
    struct addresses addresses;
};

static void let_go(struct name_lookup_errand *errand) {
    if (atomic_fetch_sub(&errand->holders, 1) > 1) {
        return;
    }
    free(errand->host);
    free(errand->port);
    free(errand);
}

static void add_addresses(struct addresses *addresses, const struct addrinfo *list) {
    for (const struct addrinfo *info = list; info && addresses->count < ADDRESSES_MAX; info = info->ai_next) {
        struct address *address = &addresses->list[addresses->count++];
        memcpy(&address->storage, info->ai_addr, info->ai_addrlen);
        address->size = info->ai_addrlen;
    }
}

static int look_up(const char *host, const char *port, int flags, struct addresses *addresses) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(host, port, &hints, &list);
    if (!failed) {
        add_addresses(addresses, list);
        freeaddrinfo(list);
    }
    return failed;
}

bool name_lookup_is_address(const char *host, const char *port, struct addresses *ret_addresses) {
    return look_up(host, port, AI_NUMERICHOST, ret_addresses) == 0;
}

/* -- the thread -- */

static void *run_errand(void *argument) {
    struct name_lookup_errand *errand = argument;
    errand->failed = look_up(errand->host, errand->port, AI_ADDRCONFIG, &errand->addresses);
    errand->system_error = errno;
    atomic_store_explicit(&errand->done, true, memory_order_release);
    close(errand->tell_fd);
    let_go(errand);
    return NULL;
}

static int start_thread(struct name_lookup_errand *errand) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    int r = pthread_create(&thread, &attributes, run_errand, errand);
    pthread_attr_destroy(&attributes);
    return -r;
}

/* -- the reactor's side -- */

static void on_told(struct reactor_source *source, uint32_t events) {
    struct name_lookup *lookup =
        (struct name_lookup *)(void *)((char *)source - offsetof(struct name_lookup, told));
    (void)events;
    const struct name_lookup_errand *errand = lookup->errand;
    if (!atomic_load_explicit(&errand->done, memory_order_acquire)) {
        return;
    }
    const struct addresses addresses = errand->addresses;
    const bool failed = errand->failed != 0;
    char wrong[WRONG_MAX] = "";
    if (failed) {
        snprintf(wrong, sizeof wrong, "its name cannot be looked up: %s",
                 errand->failed == EAI_SYSTEM ? strerror(errand->system_error)
                                              : gai_strerror(errand->failed));
    }
    name_lookup_stop(lookup);
    lookup->on_done(lookup->owner, failed ? NULL : &addresses, wrong);
}

int name_lookup_start(struct name_lookup *lookup, struct reactor *reactor, const char *host, const char *port,
                      name_lookup_callback on_done, void *owner) {
    int fds[2] = {-1, -1};
    struct name_lookup_errand *errand = calloc(1, sizeof *errand);
    if (!errand) {
        return -ENOMEM;
    }
    atomic_init(&errand->holders, 1);
    errand->host = strdup(host);
    errand->port = strdup(port);
    int r = errand->host && errand->port ? 0 : -ENOMEM;
    if (r == 0 && pipe2(fds, O_CLOEXEC) < 0) {
        r = -errno;
    }
    if (r < 0) {
        goto fail;
    }
    errand->tell_fd = fds[1];
    *lookup = (struct name_lookup){
        .reactor = reactor,
        .told = {.fd = fds[0], .on_ready = on_told},
        .on_done = on_done,
        .owner = owner,
    };
    r = reactor_watch(reactor, &lookup->told, EPOLLIN);
    if (r < 0) {
        goto fail;
    }
    atomic_store(&errand->holders, 2);
    r = start_thread(errand);
    if (r < 0) {
        atomic_store(&errand->holders, 1);
        (void)reactor_watch(reactor, &lookup->told, 0);
        goto fail;
    }
    lookup->errand = errand;
    return 0;

fail:
    if (fds[0] >= 0) {
        close(fds[0]);
        close(fds[1]);
    }
    let_go(errand);
    return r;
}

void name_lookup_stop(struct name_lookup *lookup) {
    if (!lookup->errand) {
        return;
    }
    (void)reactor_watch(lookup->reactor, &lookup->told, 0);
    close(lookup->told.fd);
    let_go(lookup->errand);
    lookup->errand = NULL;
}
