#include "bridge/router/router_directory.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096, MEMBERS_MIN = 64, META_MAX = 128 };

struct router_directory {
    pthread_mutex_t lock;
    struct router_mailbox *const *mailboxes;
    size_t branches;
    /* in order of arrival, but for the last taking a leaver's place: as the real one's */
    struct attachment **members;
    size_t count, capacity;
    size_t entries_bytes;
    struct daffi_span opening, ending; /* of a handshake's JSON, around the entries */
    char *json;
    struct attachment *buckets[BUCKETS]; /* by name */
};

int router_directory_new(struct router_mailbox *const *mailboxes, size_t branches,
                         struct router_directory **ret_directory) {
    struct router_directory *directory = calloc(1, sizeof *directory);
    if (directory == NULL) {
        return -ENOMEM;
    }
    const struct daffi_handshake nobody = {.type = DAFFI_TYPE_ROUTER};
    size_t length = 0;
    int status = daffi_handshake_format(&nobody, &directory->json, &length);
    if (status == 0) {
        status = -pthread_mutex_init(&directory->lock, NULL);
    }
    if (status < 0) {
        free(directory->json);
        free(directory);
        return status;
    }
    directory->opening = daffi_span_of(directory->json, length - 2); /* all but the "]}" */
    directory->ending = daffi_span_of(directory->json + length - 2, 2);
    directory->mailboxes = mailboxes;
    directory->branches = branches;
    *ret_directory = directory;
    return 0;
}

void router_directory_free(struct router_directory *directory) {
    if (directory == NULL) {
        return;
    }
    pthread_mutex_destroy(&directory->lock);
    free(directory->members);
    free(directory->json);
    free(directory);
}

static struct attachment **bucket_of(struct router_directory *directory, const struct attachment *member) {
    return &directory->buckets[member->hash % BUCKETS];
}

static bool is_taken(struct router_directory *directory, const struct attachment *member) {
    const struct attachment *holder = *bucket_of(directory, member);
    while (holder != NULL && !daffi_span_equal(holder->name, member->name)) {
        holder = holder->same_bucket;
    }
    return holder != NULL;
}

static struct router_letter *letter_for(struct attachment *member, size_t branch,
                                        enum router_letter_kind kind) {
    switch (kind) {
    case ROUTER_LETTER_JOIN:
        return &member->shares[branch].join;
    case ROUTER_LETTER_CHANGE:
        return &member->exposure->changes[branch].letter;
    default:
        return &member->shares[branch].leave;
    }
}

static void put_letters(struct router_directory *directory, struct attachment *member, size_t home,
                        enum router_letter_kind kind) {
    for (size_t i = 0; i < directory->branches; i++) {
        size_t branch = (home + i) % directory->branches;
        router_mailbox_put(directory->mailboxes[branch], letter_for(member, branch, kind));
    }
}

static void add(struct router_directory *directory, struct attachment *member) {
    struct attachment **bucket = bucket_of(directory, member);
    member->same_bucket = *bucket;
    *bucket = member;
    member->place = (ptrdiff_t)directory->count;
    directory->members[directory->count++] = member;
    directory->entries_bytes += member->exposure->entry.length + 1;
}

static void take_out(struct router_directory *directory, struct attachment *member) {
    struct attachment **at = bucket_of(directory, member);
    while (*at != member) {
        at = &(*at)->same_bucket;
    }
    *at = member->same_bucket;
    struct attachment *last = directory->members[--directory->count];
    directory->members[member->place] = last;
    last->place = member->place;
    member->place = ROUTER_NOWHERE;
    directory->entries_bytes -= member->exposure->entry.length + 1;
}

static int reserve(struct router_directory *directory) {
    if (directory->count < directory->capacity) {
        return 0;
    }
    size_t capacity = directory->capacity == 0 ? MEMBERS_MIN : directory->capacity * 2;
    struct attachment **members = realloc(directory->members, capacity * sizeof *members);
    if (members == NULL) {
        return -ENOMEM;
    }
    directory->members = members;
    directory->capacity = capacity;
    return 0;
}

static uint8_t *append(uint8_t *out, struct daffi_span bytes) {
    memcpy(out, bytes.data, bytes.length);
    return out + bytes.length;
}

/* All others, then itself. */
static int write_welcome(const struct router_directory *directory, struct attachment *member, uint16_t uuid) {
    const struct daffi_span entry = member->exposure->entry;
    const bool is_there =
        member->place != ROUTER_NOWHERE; /* it changes: the last one stands in its place in the list */
    size_t length = directory->opening.length + directory->entries_bytes + entry.length +
                    directory->ending.length - (is_there ? entry.length + 1 : 0);
    size_t head_max = DAFFI_HEADER_BYTES + member->name.length + 2;
    uint8_t *memory = malloc(head_max + length);
    if (memory == NULL) {
        return -ENOMEM;
    }
    const struct daffi_message message = {
        .uuid = uuid,
        .flag = DAFFI_HANDSHAKE,
        .decoder = DAFFI_JSON,
        .return_result = true,
        .transmitter = member->name,
        .payload = daffi_span_of(memory + head_max, length),
    };
    int head = daffi_message_encode_head(&message, memory, head_max);
    if (head < 0) {
        free(memory);
        return head;
    }
    uint8_t *out = append(memory + head, directory->opening);
    size_t others = directory->count - (is_there ? 1 : 0);
    for (size_t i = 0; i < others; i++) {
        const struct attachment *other = directory->members[i];
        out = append(out, (other == member ? directory->members[others] : other)->exposure->entry);
        *out++ = ',';
    }
    out = append(out, entry);
    append(out, directory->ending);
    member->welcome = (struct own_message){.head = daffi_span_of(memory, (size_t)head),
                                           .payload = daffi_span_of(memory + head, length),
                                           .memory = memory};
    return 0;
}

int router_directory_join(struct router_directory *directory, struct attachment *member, size_t home,
                          uint16_t uuid) {
    pthread_mutex_lock(&directory->lock);
    int status = 0;
    if (is_taken(directory, member)) {
        status = -EEXIST;
    } else if (directory->count >= DAFFI_MEMBERS_MAX) {
        status = -ENOSPC;
    } else {
        status = reserve(directory);
    }
    if (status == 0) {
        status = write_welcome(directory, member, uuid);
    }
    if (status == 0) {
        /* Before anybody can read it: one reference for each branch, until it has been told of the end. */
        for (size_t i = 0; i < directory->branches; i++) {
            router_member_hold(member);
        }
        add(directory, member);
        put_letters(directory, member, home, ROUTER_LETTER_JOIN);
    }
    pthread_mutex_unlock(&directory->lock);
    return status;
}

static void swap_exposure(struct router_directory *directory, struct attachment *member,
                          struct router_exposure **exposure) {
    struct router_exposure *former = member->exposure;
    directory->entries_bytes -= former->entry.length;
    directory->entries_bytes += (*exposure)->entry.length;
    member->exposure = *exposure;
    *exposure = former;
}

int router_directory_change(struct router_directory *directory, struct attachment *member,
                            struct router_exposure *exposure, size_t home, uint16_t uuid) {
    pthread_mutex_lock(&directory->lock);
    int status = -EPIPE;
    if (member->place != ROUTER_NOWHERE) {
        swap_exposure(directory, member, &exposure);
        status = write_welcome(directory, member, uuid);
        if (status < 0) {
            swap_exposure(directory, member, &exposure);
        } else {
            put_letters(directory, member, home, ROUTER_LETTER_CHANGE);
            router_exposure_drop(exposure, 1); /* the former */
        }
    }
    pthread_mutex_unlock(&directory->lock);
    return status;
}

bool router_directory_serves(struct router_directory *directory, struct daffi_span function,
                             struct daffi_span except, char *ret_name) {
    bool serves = false;
    pthread_mutex_lock(&directory->lock);
    for (size_t i = 0; i < directory->count && !serves; i++) {
        const struct attachment *member = directory->members[i];
        serves = router_exposure_has(member->exposure, function) && !daffi_span_equal(member->name, except);
        if (serves) {
            memcpy(ret_name, member->name.data, member->name.length);
            ret_name[member->name.length] = '\0';
        }
    }
    pthread_mutex_unlock(&directory->lock);
    return serves;
}

void router_directory_leave(struct router_directory *directory, struct attachment *member,
                            enum backend_leaving how, size_t home) {
    pthread_mutex_lock(&directory->lock);
    if (member->place != ROUTER_NOWHERE) {
        take_out(directory, member);
        member->leaving = how;
        put_letters(directory, member, home, ROUTER_LETTER_LEAVE);
    }
    pthread_mutex_unlock(&directory->lock);
}
