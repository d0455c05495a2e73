#include "dev/site/dev_live.h"

#include <stddef.h>
#include <string.h>

static bool ends_with(const char *name, const char *ending) {
    size_t length = strlen(name);
    size_t size = strlen(ending);
    return length >= size && strcmp(name + length - size, ending) == 0;
}

/* What pages do not load: workers, and what editors leave behind. */
static bool is_no_page(const char *name) {
    static const char *const endings[] = {".py", ".pyc", "~", ".swp", ".swx", ".tmp"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (ends_with(name, endings[i])) {
            return true;
        }
    }
    const char *slash = strrchr(name, '/');
    return strcmp(slash != NULL ? slash + 1 : name, "4913") == 0; /* vim tries whether it may write there */
}

static void on_due(struct timer *timer, uint64_t now) {
    struct dev_live *live = (struct dev_live *)(void *)((char *)timer - offsetof(struct dev_live, timer));
    const char *word = live->state == DEV_LIVE_STYLES ? "css" : "reload";
    (void)now;
    live->state = DEV_LIVE_UNCHANGED;
    live->tell(live->owner, word);
}

void dev_live_init(struct dev_live *live, struct reactor *reactor,
                   void (*tell)(void *owner, const char *word), void *owner) {
    *live = (struct dev_live){.reactor = reactor, .timer = {.on_due = on_due}, .tell = tell, .owner = owner};
}

void dev_live_hear(struct dev_live *live, const char *name) {
    uint64_t now = reactor_now(live->reactor);
    if (is_no_page(name)) {
        return;
    }
    if (live->state == DEV_LIVE_UNCHANGED) {
        live->first_at = now;
    }
    if (!ends_with(name, ".css")) {
        live->state = DEV_LIVE_PAGES;
    } else if (live->state == DEV_LIVE_UNCHANGED) {
        live->state = DEV_LIVE_STYLES;
    }
    uint64_t due = now + DEV_LIVE_QUIET_MS;
    uint64_t latest = live->first_at + DEV_LIVE_PATIENCE_MS;
    /* Without memory for the timer they are told now. */
    if (timer_set(reactor_timers(live->reactor), &live->timer, due < latest ? due : latest) < 0) {
        on_due(&live->timer, now);
    }
}

void dev_live_clear(struct dev_live *live) {
    if (live->reactor != NULL) {
        timer_clear(reactor_timers(live->reactor), &live->timer);
    }
}
