#include "dev/files/dev_page.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* What is looked at. */
struct rest {
    const char *text;
    size_t length;
};

static bool begins_with(struct rest rest, const char *word) {
    size_t length = strlen(word);
    return rest.length >= length && strncasecmp(rest.text, word, length) == 0;
}

/* Behind the comment at the front, which may be as short as <!-->; 0 when it has no end.   (HTML, "Comment start state") */
static size_t comment_length(struct rest rest) {
    const char *end = memmem(rest.text + 2, rest.length - 2, "-->", 3);
    return end != NULL ? (size_t)(end - rest.text) + 3 : 0;
}

/* Behind <?...> or <!...>, which browsers take for comments; 0 when it has no end.          (HTML, "Bogus comment state") */
static size_t bogus_comment_length(struct rest rest) {
    const char *end = memchr(rest.text, '>', rest.length);
    return end != NULL ? (size_t)(end - rest.text) + 1 : 0;
}

/* Behind the tag at the front, past what is quoted in it; 0 when it has no end. */
static size_t tag_length(struct rest rest) {
    char quote = '\0';
    for (size_t i = 1; i < rest.length; i++) {
        char c = rest.text[i];
        if (quote != '\0') {
            if (c == quote) {
                quote = '\0';
            }
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>') {
            return i + 1;
        }
    }
    return 0;
}

static bool is_tag(struct rest rest, const char *name) {
    size_t length = strlen(name);
    return begins_with(rest, name) && rest.length > length &&
           strchr(" \t\r\n\f/>", rest.text[length]) != NULL;
}

/* How much of the front is none of the content. */
static size_t skip(struct rest rest) {
    if (rest.length > 0 && strchr(" \t\r\n\f", rest.text[0]) != NULL && rest.text[0] != '\0') {
        return 1;
    }
    if (begins_with(rest, "<!--")) {
        return comment_length(rest);
    }
    if (is_tag(rest, "<!doctype") || is_tag(rest, "<html") || is_tag(rest, "<head")) {
        return tag_length(rest);
    }
    return begins_with(rest, "<?") || begins_with(rest, "<!") ? bogus_comment_length(rest) : 0;
}

size_t dev_page_find_content(const char *text, size_t length) {
    size_t at = begins_with((struct rest){text, length}, "\xef\xbb\xbf") ? 3 : 0;
    size_t skipped = 0;
    while ((skipped = skip((struct rest){text + at, length - at})) > 0) {
        at += skipped;
    }
    return at;
}

static bool is_utf16(const char *text, size_t length) {
    return length >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0);
}

int dev_page_read(int fd, size_t length, const char *line, char **ret_text, size_t *ret_length) {
    size_t extra = strlen(line);
    char *text = malloc(length + extra + 1);
    int status = text != NULL ? 0 : -ENOMEM;
    for (size_t have = 0; status == 0 && have < length;) {
        ssize_t n = pread(fd, text + have, length - have, (off_t)have);
        status = n < 0 ? -errno : n == 0 ? -EAGAIN : 0;
        have += n > 0 ? (size_t)n : 0;
    }
    if (status < 0) {
        free(text);
        return status;
    }
    if (is_utf16(text, length)) {
        extra = 0;
    }
    size_t at = dev_page_find_content(text, length);
    memmove(text + at + extra, text + at, length - at);
    for (size_t i = 0; i < extra; i++) {
        text[at + i] = line[i];
    }
    *ret_text = text;
    *ret_length = length + extra;
    return 0;
}
