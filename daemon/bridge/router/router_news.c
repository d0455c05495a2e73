#include "bridge/router/router_news.h"

#include <stdlib.h>

#include "bridge/router/router_branch.h"

enum { NEWS_BYTES_MIN = 4096, NEWS_BYTES_MAX = 65536 };

/* Its part of them. */
static void tell(struct router_branch *branch, struct attachment *member) {
    const struct router_news *news = &branch->news;
    const struct router_news_mark told = member->told;
    member->told = (struct router_news_mark){news->length, news->count};
    if (member->session != NULL && told.count < news->count) {
        session_on_backend_news(member->session,
                                daffi_span_of(news->bytes + told.length, news->length - told.length),
                                news->count - told.count);
    }
}

void router_news_flush(struct router_branch *branch) {
    if (branch->news.count == 0) {
        return;
    }
    for (struct attachment *member = branch->first; member != NULL; member = member->next) {
        tell(branch, member);
        member->told = (struct router_news_mark){0};
    }
    branch->news.length = branch->news.count = 0;
}

static bool has_room(struct router_news *news, size_t more) {
    size_t capacity = news->capacity > 0 ? news->capacity : NEWS_BYTES_MIN;
    while (capacity < news->length + more) {
        capacity *= 2;
    }
    if (capacity == news->capacity) {
        return true;
    }
    uint8_t *bytes = capacity <= NEWS_BYTES_MAX ? realloc(news->bytes, capacity) : NULL;
    if (bytes == NULL) {
        return false;
    }
    news->bytes = bytes;
    news->capacity = capacity;
    return true;
}

void router_news_add(struct router_branch *branch, const struct own_message *message) {
    struct router_news *news = &branch->news;
    if (message->memory == NULL || branch->first == NULL) {
        return;
    }
    const struct daffi_span bytes = own_message_bytes(message);
    if (!has_room(news, bytes.length)) {
        router_news_flush(branch);
    }
    if (has_room(news, bytes.length)) {
        memcpy(news->bytes + news->length, bytes.data, bytes.length);
        news->length += bytes.length;
        news->count++;
        return;
    }
    for (struct attachment *member = branch->first; member != NULL; member = member->next) {
        if (member->session != NULL) {
            session_on_backend_news(member->session, bytes, 1);
        }
    }
}

void router_news_clear(struct router_news *news) {
    free(news->bytes);
    *news = (struct router_news){0};
}
