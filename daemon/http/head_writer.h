/* Puts an answer's head together, piece by piece, in memory of the caller's: always a string, never longer than its room.
 * What printf would do, at a fifth of its price: an answer from memory costs little else. */
#ifndef HEAD_WRITER_H
#define HEAD_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { HTTP_DATE_LENGTH = 29 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */

struct head_writer {
    char *text;      /* the caller's */
    size_t capacity; /* bytes, the NUL's too */
    size_t length;   /* bytes written, without the NUL */
    bool is_over;    /* something did not fit, and was left out whole; nothing is written any more */
};

static inline struct head_writer head_writer_of(char *text, size_t capacity) {
    text[0] = '\0';
    return (struct head_writer){.text = text, .capacity = capacity};
}

static inline void head_put_bytes(struct head_writer *writer, const char *bytes, size_t length) {
    if (writer->is_over || length >= writer->capacity - writer->length) {
        writer->is_over = true;
        return;
    }
    memcpy(writer->text + writer->length, bytes, length);
    writer->length += length;
    writer->text[writer->length] = '\0';
}

static inline void head_put(struct head_writer *writer, const char *text) {
    head_put_bytes(writer, text, strlen(text));
}

void head_put_number(struct head_writer *writer, uint64_t number); /* decimal */

/* As IMF-fixdate, whatever the locale; nothing when the year has no four digits.        (RFC 9110, 5.6.7) */
void head_put_date(struct head_writer *writer, time_t date);

#endif
