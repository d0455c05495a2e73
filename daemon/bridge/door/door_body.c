/* The bodies of answers that are files: read as fast as they go out. */
#include <errno.h>
#include <unistd.h>

#include "bridge/door/door_internal.h"

enum { BODY_PIECE = 16384 }; /* bytes of a file read at once */

void door_close_body(struct door_visit *visit) {
    if (visit->body.fd >= 0) {
        close(visit->body.fd);
        visit->body = (struct page_body){.fd = -1};
    }
}

/* A file in pieces, as fast as they go out: what waits is never much more than queue_high. */
void door_send_body(struct door_visit *visit) {
    struct connection *connection = visit->visitor.connection;
    uint8_t piece[BODY_PIECE];
    while (visit->body.length > 0 && !connection_is_congested(connection)) {
        size_t wanted = visit->body.length < sizeof piece ? (size_t)visit->body.length : sizeof piece;
        ssize_t n = pread(visit->body.fd, piece, wanted, (off_t)visit->body.offset);
        if (n <= 0) { /* it has become shorter: what was announced can't be sent */
            visit->state = VISIT_ENDING;
            connection_abort(connection, n < 0 ? -errno : -EIO, "a file changed while it was sent");
            return;
        }
        if (connection_write(connection, piece, (size_t)n) < 0) {
            visit->state = VISIT_ENDING;
            return;
        }
        visit->body.offset += (uint64_t)n;
        visit->body.length -= (uint64_t)n;
    }
    if (visit->body.length == 0) {
        door_close_body(visit);
        connection_resume(connection);
        door_go_on(visit, visit->keeps);
    }
}

void door_begin_body(struct door_visit *visit, const struct page_body *body, bool keeps) {
    visit->body = *body;
    visit->keeps = keeps;
    visit->state = VISIT_SENDING;
    timer_clear(reactor_timers(visit->door->bridge->reactor), &visit->deadline);
    connection_pause(visit->visitor.connection);
    door_send_body(visit);
}
