#include "daffi/handshake.h"

#include <errno.h>
#include <stdlib.h>

#include "daffi/utf8.h"
#include "json_read.h"
#include "json_write.h"

enum {
    CLIENT_BYTES_MAX = 1 << 20, /* one member with DAFFI_METHODS_MAX functions has room */
    SERVER_BYTES_MAX = 1 << 24,
    METHODS_TOTAL_MAX = 262144, /* functions of all members of one handshake together */
};

static const char *const type_words[] = {"client", "service", "router"};

int daffi_name_check(struct daffi_span name, struct daffi_fault *ret_fault) {
    struct daffi_fault fault = {0};
    if (name.length == 0 || name.length > DAFFI_NAME_MAX)
        fault.text = "a name has 1 to 255 bytes";
    for (size_t i = 0; fault.text == NULL && i < name.length; i++) {
        const uint8_t byte = name.data[i];
        if (byte < 0x20 || byte == 0x7F || byte == '|' || byte == ',')
            fault = (struct daffi_fault){"a name has no bar, comma or control character", i};
    }
    if (fault.text == NULL && daffi_utf8_check(name, &fault) < 0)
        fault.text = "a name is UTF-8";
    if (fault.text == NULL)
        return 0;
    *ret_fault = fault;
    return -EINVAL;
}

static void clear_member(struct daffi_member *member) {
    for (size_t i = 0; i < member->methods_count; i++)
        free(member->methods[i]);
    free(member->methods);
    free(member->name);
    *member = (struct daffi_member){0};
}

void daffi_handshake_free(struct daffi_handshake *handshake) {
    if (handshake == NULL)
        return;
    for (size_t i = 0; i < handshake->members_count; i++)
        clear_member(&handshake->members[i]);
    free(handshake->members);
    free(handshake->error);
    free(handshake);
}

/* Functions are what a call's metadata can carry: any text but a bar. */
static bool method_is_sound(struct daffi_span name) {
    return name.data != NULL && name.length > 0 && name.length <= DAFFI_NAME_MAX &&
           memchr(name.data, '|', name.length) == NULL;
}

/* Reads a member's functions; `seen` finds doubles without comparing each with each. */
static int read_methods(const json_t *list, struct daffi_member *member, struct daffi_fault *ret_fault) {
    const size_t count = json_array_size(list);
    if (count > DAFFI_METHODS_MAX)
        return json_refuse(ret_fault, "a member has at most 4096 functions");
    json_t *seen = json_object();
    member->methods = calloc(count + 1, sizeof *member->methods);
    int result = seen != NULL && member->methods != NULL ? 0 : -ENOMEM;
    for (size_t i = 0; result == 0 && i < count; i++) {
        const struct daffi_span name = json_read_text(json_array_get(list, i));
        if (!method_is_sound(name)) {
            result = json_refuse(ret_fault, "a function's name is a text of 1 to 255 bytes without a bar");
        } else if ((member->methods[i] = daffi_span_copy(name)) == NULL) {
            result = -ENOMEM;
        } else {
            member->methods_count = i + 1;
            if (json_object_get(seen, member->methods[i]) != NULL)
                result = json_refuse(ret_fault, "a member names the same function twice");
            else if (json_object_set_new(seen, member->methods[i], json_null()) < 0)
                result = -ENOMEM;
        }
    }
    json_decref(seen);
    return result;
}

/* Reads {"name": …, "methods": […]|null}; `strict`: nothing else. */
static int read_member(const json_t *value, bool strict, struct daffi_member *member,
                       struct daffi_fault *ret_fault) {
    const json_t *methods = json_object_get(value, "methods");
    if (!json_is_object(value) || (strict && json_object_size(value) != (methods != NULL ? 2U : 1U)))
        return json_refuse(ret_fault, "a member is an object with name and methods, and nothing else");
    const struct daffi_span name = json_read_text(json_object_get(value, "name"));
    struct daffi_fault fault = {.text = "a member's name is missing, or no text"};
    if (name.data == NULL || daffi_name_check(name, &fault) < 0)
        return json_refuse(ret_fault, fault.text);
    if (methods != NULL && !json_is_null(methods) && !json_is_array(methods))
        return json_refuse(ret_fault, "a member's methods are a list of names, or null");
    member->name = daffi_span_copy(name);
    if (member->name == NULL)
        return -ENOMEM;
    return json_is_array(methods) ? read_methods(methods, member, ret_fault) : 0;
}

static struct daffi_handshake *new_handshake(size_t members) {
    struct daffi_handshake *handshake = calloc(1, sizeof *handshake);
    if (handshake == NULL)
        return NULL;
    handshake->members = calloc(members + 1, sizeof *handshake->members);
    if (handshake->members == NULL) {
        free(handshake);
        return NULL;
    }
    return handshake;
}

static int read_client(const json_t *root, struct daffi_handshake **ret_handshake,
                       struct daffi_fault *ret_fault) {
    const json_t *meta = json_object_get(root, "meta");
    const json_t *list = json_object_get(root, "members");
    const json_t *error = json_object_get(meta, "error");
    if (json_object_size(root) != 2 || !json_is_object(meta) || !json_is_array(list))
        return json_refuse(ret_fault, "a handshake is {\"meta\": {…}, \"members\": […]}, and nothing else");
    if (!daffi_span_equal(json_read_text(json_object_get(meta, "type")),
                          daffi_span_text(type_words[DAFFI_TYPE_CLIENT])))
        return json_refuse(ret_fault, "a handshake's meta.type is \"client\"");
    if (json_object_size(meta) != (error != NULL ? 2U : 1U) || (error != NULL && !json_is_null(error)))
        return json_refuse(ret_fault, "a handshake's meta has type, and error: null at most");
    if (json_array_size(list) != 1)
        return json_refuse(ret_fault, "a handshake names exactly one member: its sender");
    struct daffi_handshake *handshake = new_handshake(1);
    if (handshake == NULL)
        return -ENOMEM;
    handshake->type = DAFFI_TYPE_CLIENT;
    handshake->members_count = 1;
    const int result = read_member(json_array_get(list, 0), true, &handshake->members[0], ret_fault);
    if (result < 0) {
        daffi_handshake_free(handshake);
        return result;
    }
    *ret_handshake = handshake;
    return 0;
}

/* A size from a bridge: 0 where it is missing or no size. */
static size_t read_size(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    const json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;
    return number > 0 && number <= INT32_MAX ? (size_t)number : 0;
}

static unsigned read_heartbeat(const json_t *bridge) {
    const size_t ms = read_size(bridge, "heartbeat");
    return ms < DAFFI_HEARTBEAT_MAX ? (unsigned)ms : DAFFI_HEARTBEAT_MAX;
}

static int read_meta(const json_t *meta, struct daffi_handshake *handshake, struct daffi_fault *ret_fault) {
    const struct daffi_span type = json_read_text(json_object_get(meta, "type"));
    const json_t *bridge = json_object_get(meta, "bridge");
    if (daffi_span_equal(type, daffi_span_text(type_words[DAFFI_TYPE_SERVICE])))
        handshake->type = DAFFI_TYPE_SERVICE;
    else if (daffi_span_equal(type, daffi_span_text(type_words[DAFFI_TYPE_ROUTER])))
        handshake->type = DAFFI_TYPE_ROUTER;
    else
        return json_refuse(ret_fault, "a server's meta.type is \"service\" or \"router\"");
    const json_t *error = json_object_get(meta, "error");
    if (error != NULL && !json_is_null(error)) {
        const struct daffi_span text = json_read_text(error);
        handshake->error =
            daffi_span_copy(text.data != NULL ? text : daffi_span_text("refused without a text"));
        if (handshake->error == NULL)
            return -ENOMEM;
    }
    handshake->bridge = (struct daffi_bridge_offer){
        .abi = (unsigned)read_size(bridge, "abi"),
        .max_message = read_size(bridge, "maxMessage"),
        .max_batch = read_size(bridge, "maxBatch"),
        .heartbeat = read_heartbeat(bridge),
    };
    return 0;
}

static int read_server(const json_t *root, struct daffi_handshake **ret_handshake,
                       struct daffi_fault *ret_fault) {
    const json_t *meta = json_object_get(root, "meta");
    const json_t *list = json_object_get(root, "members");
    if (!json_is_object(meta) || !json_is_array(list))
        return json_refuse(ret_fault, "a server's handshake has meta and members");
    if (json_array_size(list) > DAFFI_MEMBERS_MAX)
        return json_refuse(ret_fault, "a server's handshake has at most 16384 members");
    struct daffi_handshake *handshake = new_handshake(json_array_size(list));
    if (handshake == NULL)
        return -ENOMEM;
    int result = read_meta(meta, handshake, ret_fault);
    size_t methods = 0;
    for (size_t i = 0; result == 0 && i < json_array_size(list); i++) {
        struct daffi_member *member = &handshake->members[handshake->members_count];
        result = read_member(json_array_get(list, i), false, member, ret_fault);
        if (result == -EBADMSG) {
            /* One that nobody here could call does not hide the others. */
            clear_member(member);
            result = 0;
            continue;
        }
        handshake->members_count++;
        methods += member->methods_count;
        if (result == 0 && methods > METHODS_TOTAL_MAX)
            result = json_refuse(ret_fault, "a server's handshake has at most 262144 functions in all");
    }
    if (result < 0) {
        daffi_handshake_free(handshake);
        return result;
    }
    *ret_handshake = handshake;
    return 0;
}

static int parse(struct daffi_span json, size_t bytes_max,
                 int (*read)(const json_t *, struct daffi_handshake **, struct daffi_fault *),
                 struct daffi_handshake **ret_handshake, struct daffi_fault *ret_fault) {
    struct daffi_fault fault = {0};
    json_t *root = json_read_object(json, bytes_max, &fault);
    int result = root != NULL ? read(root, ret_handshake, &fault) : fault.text != NULL ? -EBADMSG : -ENOMEM;
    json_decref(root);
    if (result == -EBADMSG)
        *ret_fault = fault;
    return result;
}

int daffi_handshake_parse_client(struct daffi_span json, struct daffi_handshake **ret_handshake,
                                 struct daffi_fault *ret_fault) {
    return parse(json, CLIENT_BYTES_MAX, read_client, ret_handshake, ret_fault);
}

int daffi_handshake_parse_server(struct daffi_span json, struct daffi_handshake **ret_handshake,
                                 struct daffi_fault *ret_fault) {
    return parse(json, SERVER_BYTES_MAX, read_server, ret_handshake, ret_fault);
}

static void write_member(struct json_writer *writer, const struct daffi_member *member) {
    json_write_text(writer, "{\"name\":");
    json_write_string(writer, daffi_span_text(member->name));
    json_write_text(writer, member->methods == NULL ? ",\"methods\":null" : ",\"methods\":[");
    for (size_t i = 0; member->methods != NULL && i < member->methods_count; i++) {
        json_write_text(writer, i > 0 ? "," : "");
        json_write_string(writer, daffi_span_text(member->methods[i]));
    }
    json_write_text(writer, member->methods == NULL ? "}" : "]}");
}

static void write_offer(struct json_writer *writer, const struct daffi_bridge_offer *bridge) {
    json_write_text(writer, ",\"bridge\":{\"abi\":");
    json_write_size(writer, bridge->abi);
    json_write_text(writer, ",\"maxMessage\":");
    json_write_size(writer, bridge->max_message);
    json_write_text(writer, ",\"maxBatch\":");
    json_write_size(writer, bridge->max_batch);
    json_write_text(writer, ",\"heartbeat\":");
    json_write_size(writer, bridge->heartbeat);
    json_write_text(writer, "}");
}

static void write_handshake(struct json_writer *writer, const void *value) {
    const struct daffi_handshake *handshake = value;
    json_write_text(writer, "{\"meta\":{\"type\":\"");
    json_write_text(writer, type_words[handshake->type]);
    json_write_text(writer, "\"");
    if (handshake->type != DAFFI_TYPE_CLIENT) {
        json_write_text(writer, ",\"error\":");
        if (handshake->error != NULL)
            json_write_string(writer, daffi_span_text(handshake->error));
        else
            json_write_text(writer, "null");
    }
    if (handshake->bridge.abi != 0)
        write_offer(writer, &handshake->bridge);
    json_write_text(writer, "},\"members\":[");
    for (size_t i = 0; i < handshake->members_count; i++) {
        json_write_text(writer, i > 0 ? "," : "");
        write_member(writer, &handshake->members[i]);
    }
    json_write_text(writer, "]}");
}

int daffi_handshake_format(const struct daffi_handshake *handshake, char **ret_json, size_t *ret_length) {
    return json_write_allocated(write_handshake, handshake, ret_json, ret_length);
}
