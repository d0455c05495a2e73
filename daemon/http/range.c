#include "http/range.h"

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

/* Takes a number off the front; what is past any length counts as SIZE_MAX. False when none is there. */
static bool take_number(struct daffi_span *text, size_t *ret_number) {
    size_t number = 0;
    size_t digits = 0;
    for (; digits < text->length && is_digit(text->data[digits]); digits++) {
        size_t digit = (size_t)(text->data[digits] - '0');
        number = number > (SIZE_MAX - digit) / 10 ? SIZE_MAX : number * 10 + digit;
    }
    *text = daffi_span_of(text->data + digits, text->length - digits);
    *ret_number = number;
    return digits > 0;
}

static bool take_byte(struct daffi_span *text, char byte) {
    if (text->length == 0 || text->data[0] != (uint8_t)byte) {
        return false;
    }
    *text = daffi_span_of(text->data + 1, text->length - 1);
    return true;
}

/* `-N`: the last N bytes. */
static enum range_verdict choose_last(struct daffi_span text, size_t length, struct range *ret_range) {
    size_t count;
    if (!take_number(&text, &count) || text.length > 0) {
        return RANGE_WHOLE;
    }
    if (count == 0 || length == 0) {
        return RANGE_OUTSIDE;
    }
    count = count < length ? count : length;
    *ret_range = (struct range){length - count, count};
    return RANGE_PART;
}

/* `FIRST-` and `FIRST-LAST`. */
static enum range_verdict choose_from(struct daffi_span text, size_t length, struct range *ret_range) {
    size_t first;
    size_t last = SIZE_MAX;
    if (!take_number(&text, &first) || !take_byte(&text, '-')) {
        return RANGE_WHOLE;
    }
    if (text.length > 0 && (!take_number(&text, &last) || text.length > 0 || last < first)) {
        return RANGE_WHOLE;
    }
    if (first >= length) {
        return RANGE_OUTSIDE;
    }
    last = last < length ? last : length - 1;
    *ret_range = (struct range){first, last - first + 1};
    return RANGE_PART;
}

enum range_verdict range_choose(const struct request_head *head, const char *etag, size_t length,
                                struct range *ret_range) {
    static const char unit[] = "bytes=";
    struct daffi_span text = request_head_find(head, "Range");
    struct daffi_span condition = request_head_find(head, "If-Range");
    if (head->method != REQUEST_GET || text.length < sizeof unit - 1 ||
        memcmp(text.data, unit, sizeof unit - 1) != 0 ||
        (condition.data != NULL && !daffi_span_equal(condition, daffi_span_text(etag)))) {
        return RANGE_WHOLE;
    }
    text = daffi_span_of(text.data + sizeof unit - 1, text.length - (sizeof unit - 1));
    return take_byte(&text, '-') ? choose_last(text, length, ret_range)
                                 : choose_from(text, length, ret_range);
}

struct range range_apply(const struct request_head *head, const char *etag, size_t length,
                         struct head_writer *fields, struct response *response) {
    struct range range = {0};
    switch (range_choose(head, etag, length, &range)) {
    case RANGE_WHOLE:
        return (struct range){0, length};
    case RANGE_PART:
        response->status = 206;
        head_put(fields, "Content-Range: bytes ");
        head_put_number(fields, range.first);
        head_put(fields, "-");
        head_put_number(fields, range.first + range.length - 1);
        break;
    case RANGE_OUTSIDE:
        response->status = 416;
        head_put(fields, "Content-Range: bytes *");
        break;
    }
    head_put(fields, "/");
    head_put_number(fields, length);
    head_put(fields, "\r\n");
    return range;
}
