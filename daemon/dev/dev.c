#include "dev/dev.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "config/config_error.h"
#include "dev/dev_config.h"
#include "dev/dev_greeting.h"
#include "dev/dev_opener.h"
#include "dev/files/dev_watch.h"
#include "dev/site/dev_live.h"
#include "dev/site/dev_site.h"
#include "dev/terminal/dev_calls.h"
#include "dev/terminal/dev_terminal.h"
#include "dev/trust/dev_authority.h"
#include "dev/trust/dev_trust.h"
#include "dev/worker/dev_workers.h"
#include "net/clock.h"
#include "ops/log.h"

enum { MEMORY_MAX = 1 << 20 }; /* bytes of buffers: its reactor has no connections */

struct dev {
    const struct dev_options *options;
    struct dev_host host;
    struct dev_ports ports;
    struct dev_names names;
    struct dev_leaf leaf;
    struct dev_programs programs;
    struct dev_root *root;
    atomic_uint edition; /* of the files: how often pages were told of changes */
    struct config *config;
    struct dev_site site;
    struct page_source source;
    struct dev_terminal terminal;
    struct dev_calls *calls;
    struct memory_budget memory;
    struct reactor *reactor; /* of its own thread */
    pthread_t thread;
    bool has_thread;
    struct dev_watch *watch; /* from here on the thread's */
    struct dev_live live;
    struct timer tick;
    struct dev_workers *workers;
    int stopped; /* an eventfd: readable when workers have ended, after dev_stop */
};

static int find_certificate(struct dev *dev, char *ret_error) {
    const char *names[DEV_NAMES_MAX];
    char error[DEV_AUTHORITY_ERROR_MAX];
    for (size_t i = 0; i < dev->names.count; i++) {
        names[i] = dev->names.list[i];
    }
    int status = dev_authority_leaf((struct dev_certificate_names){names, dev->names.count}, time(NULL),
                                    &dev->leaf, error);
    if (status < 0) {
        return config_refuse(ret_error, "%s", error), status;
    }
    dev_names_certify(&dev->names, dev->leaf.cert);
    return 0;
}

/* Where it is going to listen, under which certificate. */
static int configure(struct dev *dev, char *ret_error) {
    const struct dev_options *options = dev->options;
    if (dev_host_read(options->host, &dev->host) < 0) {
        return config_refuse(ret_error, "--host %.100s is no address of this machine", options->host);
    }
    dev_names_find(&dev->names);
    dev_names_add_host(&dev->names, &dev->host);
    int status = dev_ports_choose(options, &dev->host, &dev->ports, ret_error);
    if (status == 0) {
        status = find_certificate(dev, ret_error);
    }
    const struct dev_config_setup setup = {.options = options,
                                           .host = &dev->host,
                                           .ports = &dev->ports,
                                           .names = &dev->names,
                                           .cert = dev->leaf.cert,
                                           .key = dev->leaf.key};
    return status == 0 ? dev_config_new(&setup, &dev->config, ret_error) : status;
}

static void show_report(void *owner, const char *text) {
    dev_terminal_write(owner, text);
}

/* Calls begin and end on all reactors. */
static void on_call_begin(void *owner, const struct access_call *call) {
    dev_calls_begin(owner, call, clock_now_ms());
}

static void on_call_end(void *owner, const struct access_call *call) {
    dev_calls_end(owner, call);
}

static void on_caller_leave(void *owner, const void *caller) {
    dev_calls_leave(owner, caller);
}

/* What the thread beside the server is made with. */
static int prepare_thread(struct dev *dev) {
    dev->memory.limit = MEMORY_MAX;
    dev->stopped = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = dev->stopped < 0 ? -errno : dev_calls_new(&dev->terminal, &dev->calls);
    return status < 0 ? status : reactor_new(&dev->memory, &dev->reactor);
}

int dev_new(const struct dev_options *options, struct dev **ret_dev, char ret_error[CONFIG_ERROR_MAX]) {
    struct dev *dev = calloc(1, sizeof *dev);
    if (dev == NULL) {
        return config_refuse(ret_error, "out of memory");
    }
    dev->options = options;
    dev->stopped = -1;
    dev_terminal_init(&dev->terminal, STDOUT_FILENO);
    dev_programs_read(options, &dev->programs);
    const struct dev_root_setup setup = {.path = options->dir,
                                         .spa = options->spa,
                                         .programs = &dev->programs,
                                         .script = DEV_LIVE_SCRIPT_PATH,
                                         .edition = &dev->edition};
    int status = dev_root_new(&setup, &dev->root);
    if (status < 0) {
        config_refuse(ret_error, "%.300s can't be served: %s; a folder is expected", options->dir,
                      strerror(-status));
    }
    if (status == 0) {
        status = configure(dev, ret_error);
    }
    if (status == 0) {
        status = prepare_thread(dev);
        if (status < 0) {
            config_refuse(ret_error, "nothing can go on beside the server: %s", strerror(-status));
        }
    }
    if (status < 0) {
        dev_free(dev);
        return status;
    }
    dev->site = (struct dev_site){.root = dev->root,
                                  .report = show_report,
                                  .owner = &dev->terminal,
                                  .is_terminal = dev->terminal.has_colours,
                                  .edition = &dev->edition};
    dev->source = dev_site_source(&dev->site);
    access_log_redirect(&(struct access_watcher){
        .begin = on_call_begin, .end = on_call_end, .leave = on_caller_leave, .owner = dev->calls});
    *ret_dev = dev;
    return 0;
}

void dev_free(struct dev *dev) {
    if (dev != NULL) {
        if (dev->has_thread) {
            reactor_stop(dev->reactor);
            pthread_join(dev->thread, NULL);
        }
        dev_watch_free(dev->watch);
        dev_workers_free(dev->workers);
        reactor_free(dev->reactor);
        dev_calls_free(dev->calls);
        dev_terminal_close(&dev->terminal);
        if (dev->stopped >= 0) {
            close(dev->stopped);
        }
        dev_root_free(dev->root);
        config_free(dev->config);
    }
    free(dev);
}

const struct config *dev_config(const struct dev *dev) {
    return dev->config;
}

const struct page_source *dev_pages(const struct dev *dev) {
    return &dev->source;
}

static void describe_move(char out[64], const char *scheme, unsigned wanted, unsigned port, int obstacle) {
    out[0] = '\0';
    if (obstacle != 0) {
        snprintf(out, 64, "For %s port %u is %s: %u it is.", scheme, wanted,
                 obstacle == -EACCES ? "not for this user" : "taken", port);
    }
}

static const char *describe_moves(const struct dev *dev, char out[160]) {
    const struct dev_ports *ports = &dev->ports;
    char https[64];
    char http[64];
    describe_move(https, "https", dev->options->https_port, ports->https, ports->https_obstacle);
    describe_move(http, "http", dev->options->http_port, ports->http, ports->http_obstacle);
    snprintf(out, 160, "%s%s%s", https, https[0] != '\0' && http[0] != '\0' ? " " : "", http);
    return out[0] != '\0' ? out : NULL;
}

_Static_assert((int)DEV_SOCKETS_MAX == (int)DEV_LISTENERS_NAMED, "each listener that is named has a socket");

static bool has_local(const struct dev *dev) {
    return dev->host.reach == DEV_HOST_LAN;
}

/* The address that Python peers come in at. */
static const char *address_of_workers(const struct dev *dev, const struct dev_setup *setup) {
    return setup->sockets[has_local(dev) ? DEV_LISTENER_LOCAL : DEV_LISTENER_HTTP]->address;
}

static void greet(const struct dev *dev, const struct dev_setup *setup) {
    char moved[160];
    const struct dev_greeting greeting = {
        .folder = dev_root_path(dev->root),
        .https = setup->sockets[DEV_LISTENER_HTTPS]->address,
        .http = setup->sockets[DEV_LISTENER_HTTP]->address,
        .local = has_local(dev) ? address_of_workers(dev, setup) : NULL,
        .moved_from = describe_moves(dev, moved),
        .authority = dev->leaf.authority,
        .is_trusted = dev_trust_was_run(&dev->leaf),
        .names = &dev->names,
        .is_terminal = dev->terminal.is_terminal,
        .has_colours = dev->terminal.has_colours,
    };
    dev_greeting_write(stdout, &greeting);
}

static void open_page(const struct dev_setup *setup) {
    char url[DEV_GREETING_URL_MAX];
    dev_greeting_page(setup->sockets[DEV_LISTENER_HTTPS]->address, url);
    int status = dev_opener_open(url);
    if (status < 0) {
        log_write(CONFIG_LOG_WARNING,
                  "no browser could be told to open %s: %s (xdg-open is asked, or what $BROWSER names)", url,
                  strerror(-status));
    }
}

/* -- the thread beside the server -- */

static void on_change(void *owner, const char *name) {
    struct dev *dev = owner;
    dev_live_hear(&dev->live, name);
}

static void on_cut(void *owner, const char *why) {
    const struct dev *dev = owner;
    log_write(CONFIG_LOG_WARNING,
              "only %zu folders are watched, pages are not loaded anew when files in others change: %s",
              dev_watch_count(dev->watch), why);
}

static void on_presence(void *owner, bool is_there) {
    const struct dev *dev = owner;
    const char *path = dev_root_path(dev->root);
    if (is_there) {
        log_write(CONFIG_LOG_WARNING, "%s is there again, and served", path);
    } else {
        log_write(CONFIG_LOG_WARNING,
                  "%s is no longer there: nothing of it is served until a folder is there again", path);
    }
}

static void on_workers_ended(void *owner) {
    const struct dev *dev = owner;
    (void)eventfd_write(dev->stopped, 1);
}

static void on_tick(struct timer *timer, uint64_t now) {
    struct dev *dev = (struct dev *)(void *)((char *)timer - offsetof(struct dev, tick));
    dev_calls_tick(dev->calls, now);
    (void)timer_set(reactor_timers(dev->reactor), timer, now + DEV_CALLS_TICK_MS); /* it had a place */
}

static void *run(void *argument) {
    struct dev *dev = argument;
    (void)pthread_setname_np(pthread_self(), "dev");
    dev->tick.on_due = on_tick;
    on_tick(&dev->tick, reactor_now(dev->reactor));
    dev_workers_start(dev->workers, dev->reactor);
    int status = reactor_run(dev->reactor);
    if (status < 0) {
        log_write(CONFIG_LOG_ERROR, "files are no longer watched, nor workers: %s", strerror(-status));
        on_workers_ended(dev); /* so that dev_stop waits for nothing; workers end with this thread */
    }
    return NULL;
}

static int watch_files(struct dev *dev, const struct dev_setup *setup) {
    dev_live_init(&dev->live, &(struct dev_live_setup){.reactor = dev->reactor,
                                                       .asked = dev_root_asked(dev->root),
                                                       .edition = &dev->edition,
                                                       .tell = setup->tell_pages,
                                                       .owner = setup->owner});
    int status = dev_watch_new(dev->reactor, dev_root_path(dev->root), on_change, dev, &dev->watch);
    if (status == -ENOMEM) {
        return status;
    }
    if (status < 0) {
        log_write(CONFIG_LOG_WARNING, "pages are not loaded anew when files change: %s",
                  dev_watch_explain(status));
    } else {
        dev_watch_on_cut(dev->watch, on_cut);
        dev_watch_on_presence(dev->watch, on_presence);
    }
    return 0;
}

int dev_start(struct dev *dev, const struct dev_setup *setup, char ret_error[CONFIG_ERROR_MAX]) {
    if (setup->sockets_count <= (has_local(dev) ? DEV_LISTENER_LOCAL : DEV_LISTENER_HTTP)) {
        return config_refuse(ret_error, "the listeners are not there");
    }
    int status = watch_files(dev, setup); /* first: who reads the greeting may change files at once */
    greet(dev, setup);
    if (dev->options->open) {
        open_page(setup);
    }
    if (status == 0) {
        status = dev_workers_new(dev->options, address_of_workers(dev, setup), &dev->terminal, &dev->workers);
    }
    if (status == 0) {
        status = dev_terminal_start(&dev->terminal);
    }
    if (status == 0) {
        status = -pthread_create(&dev->thread, NULL, run, dev);
    }
    if (status < 0) {
        config_refuse(ret_error, "files can't be watched, nor workers: %s", strerror(-status));
        return status;
    }
    dev->has_thread = true;
    return 0;
}

/* On the thread, as what follows. */
static void stop(void *argument) {
    struct dev *dev = argument;
    timer_clear(reactor_timers(dev->reactor), &dev->tick);
    dev_live_clear(&dev->live);
    dev_watch_free(dev->watch);
    dev->watch = NULL;
    dev_workers_stop(dev->workers, on_workers_ended, dev);
}

static void abandon(void *argument) {
    struct dev *dev = argument;
    dev_workers_abandon(dev->workers);
}

void dev_stop(struct dev *dev) {
    const uint64_t began = clock_now_ms();
    sigset_t signals;
    struct signalfd_siginfo caught;
    if (!dev->has_thread || reactor_post(dev->reactor, stop, dev) < 0) {
        return;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    struct pollfd waited[] = {{.fd = dev->stopped, .events = POLLIN},
                              {.fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN}};
    while ((waited[0].revents & POLLIN) == 0) {
        if (poll(waited, 2, -1) > 0 && (waited[1].revents & POLLIN) != 0 &&
            read(waited[1].fd, &caught, sizeof caught) > 0 && clock_now_ms() - began >= DEV_STOP_ECHO_MS) {
            (void)reactor_post(dev->reactor, abandon, dev);
        }
    }
    if (waited[1].fd >= 0) {
        close(waited[1].fd);
    }
}
