/* JSON that Python's json.loads accepts, in daffi's envelope.               (RFC 8259, protocol.md)
 *
 * UTF-8 first, in one fast sweep; then the grammar, where bytes past ASCII need no second look. Arrays
 * and objects that are open are bits in an array: no recursion, whatever a peer nests. */
#include <errno.h>

#include "payload_internal.h"

struct json {
    const uint8_t *begin, *at, *end;
    unsigned depth, nesting; /* levels open around `at`, and allowed */
    bool from_worker;        /* an answer: what Python writes beyond RFC 8259 is let through */
    struct daffi_fault *fault;
};

static bool fault(struct json *json, const char *text) {
    *json->fault = (struct daffi_fault){text, (size_t)(json->at - json->begin)};
    return false;
}

/* The next byte that is not white space, or 0 at the end: a NUL is no more JSON than the end is. */
static uint8_t json_peek(struct json *json) {
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\n' || *json->at == '\r' || *json->at == '\t'))
        json->at++;
    return json->at < json->end ? *json->at : 0;
}

static bool json_take(struct json *json, uint8_t byte, const char *or_else) {
    if (json_peek(json) != byte)
        return fault(json, or_else);
    json->at++;
    return true;
}

/* Passes over what needs no look inside a string, a word at a time. */
static const uint8_t *skip_plain(const uint8_t *at, const uint8_t *end) {
    const uint64_t ones = UINT64_MAX / 0xFF, tops = ones * 0x80;
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        const uint64_t quote = word ^ ones * '"', escape = word ^ ones * '\\';
        /* A byte below n borrows into its top bit when n is subtracted from it. */
        const uint64_t hit =
            ((quote - ones) & ~quote) | ((escape - ones) & ~escape) | ((word - ones * 0x20) & ~word);
        if (hit & tops)
            break;
    }
    while (at < end && *at != '"' && *at != '\\' && *at >= 0x20)
        at++;
    return at;
}

/* The code unit of a \uXXXX at `at`, or -1. */
static int32_t code_unit(const uint8_t *at, const uint8_t *end) {
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    int32_t unit = 0;
    for (int i = 2; i < 6; i++) {
        const uint8_t lower = (uint8_t)(at[i] | 0x20);
        if (at[i] >= '0' && at[i] <= '9')
            unit = unit << 4 | (at[i] - '0');
        else if (lower >= 'a' && lower <= 'f')
            unit = unit << 4 | (lower - 'a' + 10);
        else
            return -1;
    }
    return unit;
}

static bool json_escape(struct json *json) {
    static const char letters[] = {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'};
    const uint8_t letter = json->end - json->at > 1 ? json->at[1] : 0;
    if (letter != 'u') {
        if (letter == 0 || !memchr(letters, letter, sizeof letters))
            return fault(
                json,
                "unknown escape in a JSON string; \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX are accepted");
        json->at += 2;
        return true;
    }
    const int32_t unit = code_unit(json->at, json->end);
    if (unit < 0)
        return fault(json, "\\u in a JSON string without four hexadecimal digits behind it");
    const bool is_high = (unit & 0xFC00) == 0xD800;
    const bool is_pair = is_high && (code_unit(json->at + 6, json->end) & 0xFC00) == 0xDC00;
    if ((unit & 0xF800) == 0xD800 && !is_pair && !json->from_worker)
        return fault(
            json,
            "half of a surrogate pair in a JSON string; it is no character, and Python can't encode it");
    json->at += is_pair ? 12 : 6;
    return true;
}

static bool json_string(struct json *json, const char *or_else) {
    if (!json_take(json, '"', or_else))
        return false;
    for (;;) {
        json->at = skip_plain(json->at, json->end);
        if (json->at == json->end)
            return fault(json, "JSON ends within a string");
        if (*json->at == '"') {
            json->at++;
            return true;
        }
        if (*json->at < 0x20)
            return fault(json, "control character in a JSON string; it has to be escaped");
        if (!json_escape(json))
            return false;
    }
}

static size_t json_digits(struct json *json) {
    const uint8_t *const first = json->at;
    while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
        json->at++;
    return (size_t)(json->at - first);
}

static bool json_word(struct json *json, const char *word) {
    const size_t length = strlen(word);
    if ((size_t)(json->end - json->at) < length || memcmp(json->at, word, length) != 0)
        return fault(json,
                     "no JSON value; an object, array, string, number, true, false or null is accepted");
    json->at += length;
    return true;
}

static bool json_number(struct json *json) {
    const uint8_t *const first = json->at;
    if (*json->at == '-')
        json->at++;
    if (json->from_worker && json->at < json->end && *json->at == 'I')
        return json_word(json, "Infinity");
    const bool leading_zero = json->at < json->end && *json->at == '0';
    const size_t digits = json_digits(json);
    if (digits == 0 || (leading_zero && digits > 1))
        return fault(json,
                     "no JSON number: a minus needs a digit behind it, and a zero can't lead other digits");
    bool is_integer = true;
    if (json->at < json->end && *json->at == '.') {
        json->at++;
        is_integer = false;
        if (json_digits(json) == 0)
            return fault(json, "JSON number without a digit behind its point");
    }
    if (json->at < json->end && (*json->at | 0x20) == 'e') {
        json->at++;
        is_integer = false;
        if (json->at < json->end && (*json->at == '+' || *json->at == '-'))
            json->at++;
        if (json_digits(json) == 0)
            return fault(json, "JSON number without a digit in its exponent");
    }
    if (is_integer && digits > DAFFI_INTEGER_DIGITS_MAX) {
        json->at = first;
        return fault(json, "integer of more than 4300 digits, which Python can't read");
    }
    return true;
}

static bool json_scalar(struct json *json, uint8_t first) {
    switch (first) {
    case '"':
        return json_string(json, "");
    case 't':
        return json_word(json, "true");
    case 'f':
        return json_word(json, "false");
    case 'n':
        return json_word(json, "null");
    case 'N':
    case 'I':
        if (!json->from_worker)
            return fault(json, "NaN and Infinity are no JSON; a finite number or null is accepted");
        return json_word(json, first == 'N' ? "NaN" : "Infinity");
    default:
        if (first == '-' || (first >= '0' && first <= '9'))
            return json_number(json);
        return fault(
            json, json->at == json->end
                      ? "JSON ends where a value has to stand"
                      : "no JSON value; an object, array, string, number, true, false or null is accepted");
    }
}

static bool json_open(struct json *json) {
    if (json->depth >= json->nesting)
        return fault(json, "JSON nested deeper than allowed");
    json->depth++;
    json->at++;
    return true;
}

static bool json_key(struct json *json) {
    return json_string(json, "a key in double quotes has to stand here") &&
           json_take(json, ':', "a colon has to stand behind a key");
}

/* Any one value with all that is in it. */
static bool json_value(struct json *json) {
    uint8_t is_object[DAFFI_NESTING_MAX / 8 + 1] = {0}; /* by level */
    const unsigned around = json->depth;
    for (;;) {
        const uint8_t first = json_peek(json);
        if (first == '[' || first == '{') {
            if (!json_open(json))
                return false;
            const uint8_t bit = (uint8_t)(1U << json->depth % 8);
            uint8_t *const level = &is_object[json->depth / 8];
            *level = (uint8_t)(first == '{' ? *level | bit : *level & ~bit);
            if (json_peek(json) != (first == '{' ? '}' : ']')) {
                if (first == '{' && !json_key(json))
                    return false;
                continue;
            }
            json->at++;
            json->depth--;
        } else if (!json_scalar(json, first)) {
            return false;
        }
        /* Behind a value: close what ends here, or go to the next. */
        for (;;) {
            if (json->depth == around)
                return true;
            const bool in_object = is_object[json->depth / 8] >> json->depth % 8 & 1;
            const uint8_t next = json_peek(json);
            if (next == ',') {
                json->at++;
                if (in_object && !json_key(json))
                    return false;
                break;
            }
            if (!json_take(json, in_object ? '}' : ']',
                           in_object ? "a comma or } has to stand here" : "a comma or ] has to stand here"))
                return false;
            json->depth--;
        }
    }
}

/* [type, module, text, anything] */
static bool json_error(struct json *json) {
    static const char what[] = "an ERROR's argument has to be [type, module, text, traceback or null]";
    if (json_peek(json) != '[')
        return fault(json, what);
    if (!json_open(json))
        return false;
    for (int i = 0; i < 3; i++)
        if (!json_string(json, what) || !json_take(json, ',', what))
            return false;
    if (!json_value(json) || !json_take(json, ']', what))
        return false;
    json->depth--;
    return true;
}

static bool json_args(struct json *json, enum daffi_flag flag) {
    if (json_peek(json) != '[')
        return fault(json, "\"args\" has to be an array");
    if (flag == DAFFI_REQUEST)
        return json_value(json);
    if (!json_open(json))
        return false;
    if (json_peek(json) == ']')
        return fault(json, "an answer's \"args\" has to hold one value");
    if (!(flag == DAFFI_ERROR ? json_error(json) : json_value(json)))
        return false;
    json->depth--;
    return json_take(json, ']', "an answer's \"args\" has to hold one value");
}

static bool json_kwargs(struct json *json, enum daffi_flag flag) {
    if (json_peek(json) != '{')
        return fault(json, "\"kwargs\" has to be an object");
    if (flag == DAFFI_REQUEST)
        return json_value(json);
    json->at++;
    return json_take(json, '}', "an answer's \"kwargs\" has to be empty");
}

/* {"args":[...],"kwargs":{...}} in either order. The keys are compared as they stand: one that is spelled
 * with escapes is unknown here, so that none can come twice in two spellings. */
static bool json_envelope(struct json *json, enum daffi_flag flag) {
    static const char what[] =
        "a payload has to be {\"args\": [...], \"kwargs\": {...}}, each once and nothing else";
    static const char args[] = "\"args\"", kwargs[] = "\"kwargs\"";
    bool have_args = false, have_kwargs = false;
    if (json_peek(json) != '{')
        return fault(json, what);
    if (!json_open(json))
        return false;
    while (!have_args || !have_kwargs) {
        if ((have_args || have_kwargs) && !json_take(json, ',', what))
            return false;
        json_peek(json);
        const uint8_t *const key = json->at;
        if (!json_key(json))
            return false;
        const size_t left = (size_t)(json->end - key);
        if (!have_args && left > sizeof args && memcmp(key, args, sizeof args - 1) == 0) {
            have_args = true;
            if (!json_args(json, flag))
                return false;
        } else if (!have_kwargs && left > sizeof kwargs && memcmp(key, kwargs, sizeof kwargs - 1) == 0) {
            have_kwargs = true;
            if (!json_kwargs(json, flag))
                return false;
        } else {
            json->at = key;
            return fault(json, what);
        }
    }
    json->depth--;
    return json_take(json, '}', what);
}

int daffi_payload_json_check(struct daffi_span payload, enum daffi_flag flag, unsigned nesting,
                             struct daffi_fault *ret_fault) {
    if (payload.length == 0) {
        *ret_fault = (struct daffi_fault){"the JSON payload is empty", 0};
        return -EBADMSG;
    }
    int r = daffi_utf8_check(payload, ret_fault);
    if (r < 0)
        return r;
    struct json json = {
        .begin = payload.data,
        .at = payload.data,
        .end = payload.data + payload.length,
        .nesting = nesting,
        .from_worker = flag == DAFFI_RESPONSE || flag == DAFFI_ERROR,
        .fault = ret_fault,
    };
    const bool has_envelope = flag == DAFFI_REQUEST || json.from_worker;
    if (!(has_envelope ? json_envelope(&json, flag) : json_value(&json)))
        return -EBADMSG;
    json_peek(&json);
    if (json.at != json.end) {
        fault(&json, "more stands behind the JSON value");
        return -EBADMSG;
    }
    return 0;
}
