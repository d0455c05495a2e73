/* Who holds which name: all sessions of the process, whatever their reactor, so that one page can't take another's name,
 * nor a native peer's.   (protocol.md, "Between daffi.js and the bridge", takeover)
 *
 * A name is claimed before the backend hears of it, and held until the backend has been told of its end; where that is not
 * enough for the backend, it keeps the name a while longer (names_hand_over), and any newcomer waits for that. What the backend
 * owes to whoever has the name goes with it from one to the next (`debt`). A page that asks for a held name is refused, save where
 *  - the holder is a page of the same tab: it is told to YIELD, and the newcomer waits for its end;
 *  - the holder is a page that does not prove to be there: it is told to PROVE it, and the newcomer waits for either.
 * A native peer always gets the name, as at a real Router: the holder is told that it is EVICTed, and the newcomer waits for its
 * end, so that nothing which the former has begun is finished behind its back.
 * One newcomer waits for a name at a time. The table is under a lock that is taken at joins and leaves alone; what concerns
 * a session of another reactor is posted to it. Entries are their sessions': the table is bounded as these are. A debt
 * outlives them where nobody was there for it: for an hour, one a name. Who has a name from an heir has its debt as it is when it is
 * there for it (names_take_debt); if it goes before, the heir holds the name as it did. */
#ifndef NAMES_H
#define NAMES_H

#include "daffi/span.h"
#include "net/reactor.h"

enum { NAMES_TAB_BYTES = 32, NAMES_DEBT_MS = 3600000 /* for what is owed to a name to be paid */ };

struct names;
struct names_entry;

/* A reactor's side. Zeroed, then made by names_open_desk. */
struct names_desk {
    struct names *names;
    struct reactor *reactor;
    struct names_entry *news; /* entries of this reactor that have words to hear */
};

enum names_word {
    NAMES_GRANTED = 1, /* to the newcomer: it holds the name now */
    NAMES_TAKEN = 2, /* to the newcomer: the holder is there, or somebody else has come first; it has left */
    NAMES_REPLACED = 4, /* to the newcomer: its tab, or a native peer, has asked once more; it has left */
    NAMES_YIELD = 8,    /* to the holder: its tab asks anew; it is to end */
    NAMES_PROVE = 16,   /* to the holder: names_confirm, or end */
    NAMES_EVICT = 32,   /* to the holder: a native peer asks; it is to end */
};

enum names_state { NAMES_AWAY, NAMES_WAITING, NAMES_HOLDING };

/* Of a session, or of an attachment that it has left behind, which fills in the first part. All zero: away. */
struct names_entry {
    const char *name; /* borrowed for as long as it is not away */
    size_t place;     /* of the backend: names of different ones have nothing to do with each other */
    bool is_page;
    char tab[NAMES_TAB_BYTES + 1]; /* empty: none was sent */
    void (*on_word)(struct names_entry *entry,
                    enum names_word word); /* on its reactor; may end the session */

    enum names_state state;
    bool is_leaving;  /* HOLDING: its session has ended */
    bool is_yielding; /* likewise: whoever asks has the name at once */
    /* HOLDING: answers to those who had the name before; of an heir: all that are owed */
    size_t debt;
    unsigned words;
    bool has_news;
    struct names_desk *desk;
    struct names_entry *same_bucket, *next_news;
    struct names_entry *other; /* HOLDING: who waits for it, or NULL; WAITING: the holder */
    struct names_entry *heir;  /* HOLDING: whose debt it is to take over yet, with the name; or NULL */
    struct names_entry *next;  /* of an heir: the one that has it as `heir`, or NULL */
};

int names_new(struct names **ret_names); /* 0 or -errno */
void names_free(struct names *names);    /* NULL-safe; all entries must be away */

void names_open_desk(struct names *names, struct reactor *reactor, struct names_desk *ret_desk);

/* 0: held; -EINPROGRESS: GRANTED, TAKEN or REPLACED comes; -EEXIST: taken; -ENOMEM. */
int names_claim(struct names_desk *desk, struct names_entry *entry);

/* Waits no more, or holds no more: then whoever waits gets the name. Nothing where it is away. */
void names_leave(struct names_entry *entry);

/* `heir`, which is filled in as an entry is, but for on_word, holds the name in place of `entry`, which is away then; it hears no
 * words. Of the same reactor; nothing where `entry` does not hold a name. */
void names_hand_over(struct names_entry *entry, struct names_entry *heir);

/* The heir is in nobody's way any more: it holds the name until somebody asks for it, who may be on another reactor. */
void names_yield(struct names_entry *heir);

/* So many answers are owed to the heir now, and so to whoever has its name and has not taken the debt over as yet. */
void names_owe(struct names_entry *heir, size_t debt);

/* The debt of a holder that is there for it from now on; once. */
size_t names_take_debt(struct names_entry *entry);

/* Whether it waits for one that is leaving. */
bool names_waits_for_leaver(const struct names_entry *entry);

/* The holder is there: whoever waits for its end because it had to be proved is told that the name is TAKEN. */
void names_confirm(struct names_entry *entry);

#endif
