/* Any bytes as a handshake of a client, of a server, and as an event: refused by a sentence, or read; what was read is
 * written, and reads and writes the same again. */
#include <errno.h>
#include <stdlib.h>

#include "daffi/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int parse_function(struct daffi_span, struct daffi_handshake **, struct daffi_fault *);

static void check_refusal(int result, const struct daffi_fault *fault, size_t size) {
    if (result != -EBADMSG || fault->text == NULL || fault->text[0] == '\0' || fault->offset > size)
        abort();
}

/* What a caller may rely on in what was read. */
static void check_members(const struct daffi_handshake *handshake) {
    struct daffi_fault fault;
    if (handshake->members_count > DAFFI_MEMBERS_MAX)
        abort();
    for (size_t i = 0; i < handshake->members_count; i++) {
        const struct daffi_member *member = &handshake->members[i];
        if (daffi_name_check(daffi_span_text(member->name), &fault) < 0)
            abort();
        if (member->methods_count > (member->methods != NULL ? DAFFI_METHODS_MAX : 0))
            abort();
        for (size_t method = 0; method < member->methods_count; method++) {
            const size_t length = strlen(member->methods[method]);
            if (length == 0 || length > DAFFI_NAME_MAX || strchr(member->methods[method], '|') != NULL)
                abort();
        }
    }
}

static void check_handshake(parse_function *parse, const uint8_t *data, size_t size) {
    struct daffi_handshake *handshake = NULL;
    struct daffi_handshake *again = NULL;
    struct daffi_fault fault = {0};
    char *json = NULL;
    char *json_again = NULL;
    size_t length = 0;
    size_t length_again = 0;
    const int result = parse(daffi_span_of(data, size), &handshake, &fault);
    if (result < 0) {
        check_refusal(result, &fault, size);
        return;
    }
    check_members(handshake);
    if (daffi_handshake_format(handshake, &json, &length) < 0 ||
        parse(daffi_span_of(json, length), &again, &fault) < 0 ||
        daffi_handshake_format(again, &json_again, &length_again) < 0)
        abort();
    if (length != length_again || memcmp(json, json_again, length) != 0)
        abort();
    free(json_again);
    free(json);
    daffi_handshake_free(again);
    daffi_handshake_free(handshake);
}

static void check_event(const uint8_t *data, size_t size) {
    struct daffi_event event;
    struct daffi_event again;
    struct daffi_fault fault = {0};
    char *json = NULL;
    size_t length = 0;
    const int result = daffi_event_parse(daffi_span_of(data, size), &event, &fault);
    if (result < 0) {
        check_refusal(result, &fault, size);
        return;
    }
    if (daffi_event_format(&event, &json, &length) < 0 ||
        daffi_event_parse(daffi_span_of(json, length), &again, &fault) < 0)
        abort();
    if (event.type != again.type || strcmp(event.member, again.member) != 0)
        abort();
    free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_handshake(daffi_handshake_parse_client, data, size);
    check_handshake(daffi_handshake_parse_server, data, size);
    check_event(data, size);
    return 0;
}
