#include "bridge/members/names.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#include "bridge/members/name_hash.h"

enum { BUCKETS = 4096 };

/* Of a name that nobody holds just now: who was to have it left before the backend knew. */
struct names_debt {
    struct names_debt *next;
    uint64_t until; /* ms */
    size_t place, debt;
    char name[];
};

struct names {
    pthread_mutex_t lock;
    uint64_t seed;
    struct names_entry *buckets[BUCKETS]; /* holders by name */
    struct names_debt *debts;
};

int names_new(struct names **ret_names) {
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL) {
        return -ENOMEM;
    }
    int status = RAND_bytes((unsigned char *)&names->seed, sizeof names->seed) == 1 ? 0 : -EIO;
    if (status == 0) {
        status = -pthread_mutex_init(&names->lock, NULL);
    }
    if (status < 0) {
        free(names);
        return status;
    }
    *ret_names = names;
    return 0;
}

void names_free(struct names *names) {
    if (names != NULL) {
        while (names->debts != NULL) {
            struct names_debt *debt = names->debts;
            names->debts = debt->next;
            free(debt);
        }
        pthread_mutex_destroy(&names->lock);
        free(names);
    }
}

void names_open_desk(struct names *names, struct reactor *reactor, struct names_desk *ret_desk) {
    *ret_desk = (struct names_desk){.names = names, .reactor = reactor};
}

/* -- the table; all under the lock -- */

static struct names_entry **bucket_of(struct names *names, const struct names_entry *entry) {
    return &names->buckets[name_hash(names->seed + entry->place, daffi_span_text(entry->name)) % BUCKETS];
}

static struct names_entry *find_holder(struct names *names, const struct names_entry *entry) {
    struct names_entry *holder = *bucket_of(names, entry);
    while (holder != NULL && (holder->place != entry->place || strcmp(holder->name, entry->name) != 0)) {
        holder = holder->same_bucket;
    }
    return holder;
}

static void hold(struct names *names, struct names_entry *entry) {
    struct names_entry **bucket = bucket_of(names, entry);
    entry->state = NAMES_HOLDING;
    entry->same_bucket = *bucket;
    *bucket = entry;
}

static void take_out(struct names *names, struct names_entry *entry) {
    struct names_entry **at = bucket_of(names, entry);
    while (*at != entry) {
        at = &(*at)->same_bucket;
    }
    *at = entry->same_bucket;
    entry->state = NAMES_AWAY;
    entry->is_leaving = false;
    entry->is_yielding = false;
}

/* `entry` is to have the name of the heir, which stays for its debt. */
static void follow(struct names_entry *heir, struct names_entry *entry) {
    heir->next = entry;
    entry->heir = heir;
    entry->debt = heir->debt;
}

/* Its debt is its own affair from now on. */
static void part(struct names_entry *entry) {
    if (entry->heir != NULL) {
        entry->heir->next = NULL;
        entry->heir = NULL;
    }
    if (entry->next != NULL) {
        entry->next->heir = NULL;
        entry->next = NULL;
    }
}

/* Takes out the debt of that name, and those that nobody waits for any more; 0: there is none. */
static size_t take_debt(struct names *names, const struct names_entry *entry) {
    const uint64_t now = reactor_now(entry->desk->reactor);
    size_t found = 0;
    for (struct names_debt **at = &names->debts; *at != NULL;) {
        struct names_debt *debt = *at;
        const bool is_its_own = debt->place == entry->place && strcmp(debt->name, entry->name) == 0;
        if (!is_its_own && now < debt->until) {
            at = &debt->next;
            continue;
        }
        found += is_its_own && now < debt->until ? debt->debt : 0;
        *at = debt->next;
        free(debt);
    }
    return found;
}

/* Without memory it is forgotten. */
static void keep_debt(struct names *names, const struct names_entry *entry) {
    const size_t debt = entry->debt + take_debt(names, entry);
    const size_t size = strlen(entry->name) + 1;
    struct names_debt *kept = malloc(sizeof *kept + size);
    if (kept != NULL) {
        *kept = (struct names_debt){.next = names->debts,
                                    .until = reactor_now(entry->desk->reactor) + NAMES_DEBT_MS,
                                    .place = entry->place,
                                    .debt = debt};
        memcpy(kept->name, entry->name, size);
        names->debts = kept;
    }
}

static void unlink_news(struct names_entry *entry) {
    struct names_entry **at = &entry->desk->news;
    while (entry->has_news && *at != entry) {
        at = &(*at)->next_news;
    }
    if (entry->has_news) {
        *at = entry->next_news;
        entry->has_news = false;
    }
    entry->words = 0;
}

/* -- words -- */

/* On the desk's reactor: nobody else frees what it hears of. */
static void read_news(void *argument) {
    struct names_desk *desk = argument;
    for (;;) {
        pthread_mutex_lock(&desk->names->lock);
        struct names_entry *entry = desk->news;
        unsigned words = entry == NULL ? 0 : entry->words;
        if (entry != NULL) {
            unlink_news(entry);
        }
        pthread_mutex_unlock(&desk->names->lock);
        if (entry == NULL) {
            return;
        }
        for (unsigned word = NAMES_GRANTED; word <= NAMES_EVICT; word <<= 1) {
            if ((words & word) != 0) {
                entry->on_word(entry, (enum names_word)word);
            }
        }
    }
}

/* Under the lock. Without memory it may be heard late, or never: those who wait have a deadline of their own. */
static int tell(struct names_entry *entry, enum names_word word) {
    entry->words |= word;
    if (entry->has_news) {
        return 0;
    }
    entry->has_news = true;
    entry->next_news = entry->desk->news;
    entry->desk->news = entry;
    return reactor_post(entry->desk->reactor, read_news, entry->desk);
}

/* -- claims -- */

static bool same_tab(const struct names_entry *a, const struct names_entry *b) {
    return a->tab[0] != '\0' && b->tab[0] != '\0' && CRYPTO_memcmp(a->tab, b->tab, NAMES_TAB_BYTES) == 0;
}

static bool is_same(const struct names_entry *former, const struct names_entry *entry) {
    return former->is_page ? same_tab(former, entry) : !entry->is_page;
}

/* In place of the one that waits, if there is one. */
static int wait_for(struct names_entry *holder, struct names_entry *entry, enum names_word word) {
    struct names_entry *former = holder->other;
    if (!holder->is_leaving && tell(holder, word) < 0) {
        return -ENOMEM;
    }
    if (former != NULL) {
        former->state = NAMES_AWAY;
        former->other = NULL;
        (void)tell(former, is_same(former, entry) ? NAMES_REPLACED : NAMES_TAKEN);
    }
    entry->state = NAMES_WAITING;
    entry->other = holder;
    holder->other = entry;
    return -EINPROGRESS;
}

static int claim_of_page(struct names_entry *holder, struct names_entry *entry) {
    const struct names_entry *former = holder->other;
    bool yields = same_tab(holder, entry);
    bool is_next = former == NULL || (former->is_page && (yields || same_tab(former, entry)));
    if ((!holder->is_page && !holder->is_leaving) || !is_next) {
        return -EEXIST;
    }
    return wait_for(holder, entry, yields ? NAMES_YIELD : NAMES_PROVE);
}

int names_claim(struct names_desk *desk, struct names_entry *entry) {
    struct names *names = desk->names;
    int status = 0;
    if (names == NULL) {
        return 0;
    }
    pthread_mutex_lock(&names->lock);
    entry->desk = desk;
    struct names_entry *holder = find_holder(names, entry);
    entry->debt = 0;
    if (holder != NULL && holder->is_yielding) {
        take_out(names, holder);
        follow(holder, entry);
        hold(names, entry);
    } else if (holder == NULL) {
        entry->debt = take_debt(names, entry);
        hold(names, entry);
    } else {
        status = entry->is_page ? claim_of_page(holder, entry) : wait_for(holder, entry, NAMES_EVICT);
    }
    pthread_mutex_unlock(&names->lock);
    return status;
}

/* The holder has left: its newcomer is next. */
static void pass_on(struct names *names, struct names_entry *waiter) {
    waiter->other = NULL;
    hold(names, waiter);
    (void)tell(waiter, NAMES_GRANTED);
}

/* Who had its name was never there: to the backend it is the heir that has it. */
static void give_back(struct names *names, struct names_entry *heir, struct names_entry *waiter) {
    if (waiter != NULL) {
        follow(heir, waiter);
        pass_on(names, waiter);
    } else {
        hold(names, heir);
        heir->is_leaving = true;
        heir->is_yielding = true;
    }
}

void names_leave(struct names_entry *entry) {
    if (entry->desk == NULL) {
        return;
    }
    struct names *names = entry->desk->names;
    pthread_mutex_lock(&names->lock);
    unlink_news(entry);
    struct names_entry *other = entry->other, *heir = entry->heir;
    entry->other = NULL;
    part(entry);
    if (entry->state == NAMES_HOLDING) {
        const bool is_session_s = !entry->is_leaving;
        take_out(names, entry);
        if (heir != NULL) {
            give_back(names, heir, other);
        } else if (other != NULL) {
            other->debt = entry->debt;
            pass_on(names, other);
        } else if (is_session_s && entry->debt > 0) {
            keep_debt(names, entry);
        }
    } else if (entry->state == NAMES_WAITING) {
        other->other = NULL;
        entry->state = NAMES_AWAY;
    }
    pthread_mutex_unlock(&names->lock);
}

void names_hand_over(struct names_entry *entry, struct names_entry *heir) {
    if (entry->desk == NULL) {
        return;
    }
    struct names *names = entry->desk->names;
    pthread_mutex_lock(&names->lock);
    if (entry->state == NAMES_HOLDING) {
        unlink_news(entry);
        part(entry);
        take_out(names, entry);
        heir->desk = entry->desk;
        heir->other = entry->other;
        heir->is_leaving = true;
        entry->other = NULL;
        if (heir->other != NULL) {
            heir->other->other = heir;
        }
        hold(names, heir);
    }
    pthread_mutex_unlock(&names->lock);
}

void names_yield(struct names_entry *heir) {
    if (heir->desk == NULL) {
        return;
    }
    struct names *names = heir->desk->names;
    pthread_mutex_lock(&names->lock);
    struct names_entry *waiter = heir->other;
    heir->is_yielding = true;
    if (waiter != NULL) {
        heir->other = NULL;
        take_out(names, heir);
        follow(heir, waiter);
        pass_on(names, waiter);
    }
    pthread_mutex_unlock(&names->lock);
}

void names_owe(struct names_entry *heir, size_t debt) {
    if (heir->desk == NULL || heir->debt == debt) {
        return; /* asked at each message; nobody else changes it */
    }
    pthread_mutex_lock(&heir->desk->names->lock);
    heir->debt = debt;
    if (heir->next != NULL) {
        heir->next->debt = debt;
    }
    pthread_mutex_unlock(&heir->desk->names->lock);
}

size_t names_take_debt(struct names_entry *entry) {
    if (entry->desk == NULL) {
        return 0;
    }
    pthread_mutex_lock(&entry->desk->names->lock);
    const size_t debt = entry->debt;
    entry->debt = 0;
    part(entry);
    pthread_mutex_unlock(&entry->desk->names->lock);
    return debt;
}

bool names_waits_for_leaver(const struct names_entry *entry) {
    if (entry->desk == NULL) {
        return false;
    }
    pthread_mutex_lock(&entry->desk->names->lock);
    bool waits = entry->state == NAMES_WAITING && entry->other->is_leaving;
    pthread_mutex_unlock(&entry->desk->names->lock);
    return waits;
}

void names_confirm(struct names_entry *entry) {
    if (entry->desk == NULL) {
        return;
    }
    pthread_mutex_lock(&entry->desk->names->lock);
    struct names_entry *waiter = entry->state == NAMES_HOLDING ? entry->other : NULL;
    if (waiter != NULL && waiter->is_page && !same_tab(entry, waiter)) {
        waiter->state = NAMES_AWAY;
        waiter->other = NULL;
        entry->other = NULL;
        (void)tell(waiter, NAMES_TAKEN);
    }
    pthread_mutex_unlock(&entry->desk->names->lock);
}
