/* Pages that hear of changes: WebSockets on which only the bridge speaks. Whatever a page says ends them: the only thing that it
 * has to say is its goodbye, and it comes again if it still wants to hear. */
#include "bridge/bridge.h"
#include "bridge/door/door_internal.h"
#include "bridge/door/door_route.h"
#include "ops/log.h"
#include "ws/ws_frame.h"

bool door_is_listener(const struct door *door, const struct request_head *head) {
    const struct page_source *pages = door->bridge->pages;
    return pages != NULL && pages->listen_path != NULL &&
           daffi_span_equal(head->path, daffi_span_text(pages->listen_path));
}

/* One that does not read hears no more: it is told of the next change when it comes again. */
static void tell(struct door_visit *visit, const char *text) {
    uint8_t header[WS_HEADER_MAX];
    const size_t length = strlen(text);
    const struct ws_frame_header frame = {.final = true, .opcode = WS_TEXT, .length = length};
    const struct stream_piece pieces[] = {{header, ws_frame_encode(&frame, header)}, {text, length}};
    (void)connection_write_pieces(visit->visitor.connection, pieces, 2);
}

void door_take_listener(struct door_visit *visit, const struct request_head *head) {
    char accept[WS_ACCEPT_MAX];
    char text[DOOR_ROUTE_TEXT_MAX];
    struct request_refusal refusal;
    if (door_route_check_upgrade(&visit->door->rule, head, accept, text, &refusal) < 0) {
        door_refuse(visit, &refusal, false);
        return;
    }
    const struct response_sink sink = {.write = door_sink_write, .owner = visit->visitor.connection};
    (void)response_switch_protocols(accept, &sink);
    visit->state = VISIT_LISTENING;
    timer_clear(reactor_timers(visit->door->bridge->reactor), &visit->deadline);
    const struct page_source *pages = visit->door->bridge->pages;
    const char *greeting =
        pages->greet_listener != NULL ? pages->greet_listener(pages->owner, head->query) : NULL;
    if (greeting != NULL) {
        tell(visit, greeting);
    }
}

void door_dismiss_listener(struct door_visit *visit) {
    static const uint8_t goodbye[] = {0x80 | WS_CLOSE, 2, WS_CODE_GOING_AWAY >> 8, WS_CODE_GOING_AWAY & 0xff};
    (void)connection_write(visit->visitor.connection, goodbye, sizeof goodbye);
}

void bridge_tell_listeners(struct bridge *bridge, const char *text) {
    for (struct door_visit *visit = bridge->visits; visit != NULL; visit = visit->next) {
        if (visit->state == VISIT_LISTENING) {
            tell(visit, text);
        }
    }
}
