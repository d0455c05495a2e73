/* EVENTS: who joined, left or was evicted.                                              (protocol.md, "Router") */
#include <errno.h>

#include "daffi/handshake.h"
#include "json_read.h"
#include "json_write.h"

enum { EVENT_BYTES_MAX = 4096 };

static const char *const type_words[] = {"connected", "disconnected", "evicted"};

int daffi_event_parse(struct daffi_span json, struct daffi_event *ret_event, struct daffi_fault *ret_fault) {
    struct daffi_fault fault = {0};
    json_t *root = json_read_object(json, EVENT_BYTES_MAX, &fault);
    if (root == NULL) {
        if (fault.text == NULL)
            return -ENOMEM;
        *ret_fault = fault;
        return -EBADMSG;
    }
    const struct daffi_span type = json_read_text(json_object_get(root, "type"));
    const struct daffi_span member = json_read_text(json_object_get(root, "member"));
    int result = 0;
    unsigned place = 0;
    while (place < 3 && !daffi_span_equal(type, daffi_span_text(type_words[place])))
        place++;
    if (place == 3)
        result = json_refuse(ret_fault, "an event's type is connected, disconnected or evicted");
    else if (member.data == NULL || member.length == 0 || member.length > DAFFI_NAME_MAX)
        result = json_refuse(ret_fault, "an event's member is a name of 1 to 255 bytes");
    if (result == 0) {
        ret_event->type = (enum daffi_event_type)place;
        memcpy(ret_event->member, member.data, member.length);
        ret_event->member[member.length] = '\0';
    }
    json_decref(root);
    return result;
}

static void write_event(struct json_writer *writer, const void *value) {
    const struct daffi_event *event = value;
    json_write_text(writer, "{\"type\":\"");
    json_write_text(writer, type_words[event->type]);
    json_write_text(writer, "\",\"member\":");
    json_write_string(writer, daffi_span_text(event->member));
    json_write_text(writer, "}");
}

int daffi_event_format(const struct daffi_event *event, char **ret_json, size_t *ret_length) {
    return json_write_allocated(write_event, event, ret_json, ret_length);
}
