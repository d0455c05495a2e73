#include "dev/site/dev_live.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static bool is_style(const char *name) {
    size_t length = strlen(name);
    return length >= 4 && length <= DEV_PATH_MAX && strcmp(name + length - 4, ".css") == 0;
}

/* In this order: whoever comes in between hears of it twice rather than never. */
static void tell_edition(struct dev_live *live, const char *word) {
    atomic_fetch_add(live->setup.edition, 1);
    live->setup.tell(live->setup.owner, word);
}

static void tell_style(struct dev_live *live, const char *name) {
    char word[3 * DEV_PATH_MAX + 8] = "css /";
    (void)dev_path_encode(name, word + 5, sizeof word - 5); /* there is room */
    tell_edition(live, word);
}

static void on_due(struct timer *timer, uint64_t now) {
    struct dev_live *live = (struct dev_live *)(void *)((char *)timer - offsetof(struct dev_live, timer));
    (void)now;
    if (live->pages) {
        tell_edition(live, "reload");
    } else {
        for (size_t i = 0; i < live->styles_count; i++) {
            tell_style(live, live->styles[i]);
        }
        if (live->listings) {
            live->setup.tell(live->setup.owner, "listing");
        }
    }
    live->is_waiting = live->pages = live->listings = false;
    live->styles_count = 0;
}

void dev_live_init(struct dev_live *live, const struct dev_live_setup *setup) {
    *live = (struct dev_live){.setup = *setup, .timer = {.on_due = on_due}};
}

static void add_style(struct dev_live *live, const char *name) {
    for (size_t i = 0; i < live->styles_count; i++) {
        if (strcmp(live->styles[i], name) == 0) {
            return;
        }
    }
    if (live->styles_count == DEV_LIVE_STYLES_MAX) {
        live->pages = true;
        return;
    }
    snprintf(live->styles[live->styles_count++], sizeof *live->styles, "%s", name);
}

void dev_live_hear(struct dev_live *live, const char *name) {
    enum dev_asked_match match = dev_asked_find(live->setup.asked, name);
    uint64_t now = reactor_now(live->setup.reactor);
    if (match == DEV_ASKED_NOT) {
        return;
    }
    if (!live->is_waiting) {
        live->is_waiting = true;
        live->first_at = now;
    }
    if (match == DEV_ASKED_LISTED) {
        live->listings = true;
    } else if (is_style(name)) {
        add_style(live, name);
    } else {
        live->pages = true;
    }
    uint64_t due = now + DEV_LIVE_QUIET_MS;
    uint64_t latest = live->first_at + DEV_LIVE_PATIENCE_MS;
    /* Without memory for the timer they are told now. */
    if (timer_set(reactor_timers(live->setup.reactor), &live->timer, due < latest ? due : latest) < 0) {
        on_due(&live->timer, now);
    }
}

void dev_live_clear(struct dev_live *live) {
    if (live->setup.reactor != NULL) {
        timer_clear(reactor_timers(live->setup.reactor), &live->timer);
    }
}
