/* proxy_header.h: both versions, at every split point; and proxy_reader.h, which takes the header off a socket and nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "guarded.h"
#include "net/proxy_header.h"
#include "net/proxy_reader.h"

static int parse(struct daffi_span in, struct proxy_header *ret_header, size_t *ret_size,
                 const char **ret_reason) {
    const struct daffi_span copy = guarded_copy(&guarded, in);
    return proxy_header_parse(copy.data, copy.length, ret_header, ret_size, ret_reason);
}

/* Every beginning asks for more, the whole is taken, and so it is with something of the client's behind it. */
static void taken(struct daffi_span in, const char *address) {
    static uint8_t bytes[PROXY_HEADER_MAX + 16];
    struct proxy_header header;
    size_t size = 99999;
    const char *reason = NULL;
    for (size_t i = 0; i < in.length; i++) {
        assert_int_equal(parse(daffi_span_of(in.data, i), &header, &size, &reason), -EAGAIN);
        assert_int_equal(size, 99999);
    }
    memcpy(bytes, in.data, in.length);
    memcpy(bytes + in.length, "\0\n PROXY\r\n\x16", 12);
    for (size_t more = 0; more <= 12; more++) {
        assert_int_equal(parse(daffi_span_of(bytes, in.length + more), &header, &size, &reason), 0);
        assert_int_equal(size, in.length);
        assert_string_equal(header.address, address);
        assert_null(reason);
    }
}

/* At some byte it is refused; before that, more is asked for; behind it, it stays refused. */
static void refused(struct daffi_span in, const char *words) {
    struct proxy_header header;
    size_t size = 99999;
    int status = -EAGAIN;
    for (size_t i = 0; i <= in.length; i++) {
        const char *reason = NULL;
        int now = parse(daffi_span_of(in.data, i), &header, &size, &reason);
        assert_true(now == -EPROTO || (now == -EAGAIN && status == -EAGAIN));
        if (now == -EPROTO && strstr(reason, words) == NULL) {
            fail_msg("%s", reason);
        }
        status = now;
    }
    assert_int_equal(status, -EPROTO);
    assert_int_equal(size, 99999);
}

static void lines_are_taken(void **state) {
    (void)state;
    static const struct {
        const char *line, *address;
    } cases[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.2 0 65535\r\n", "192.0.2.1"},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"},
        {"PROXY TCP6 2001:DB8::1 ::1 56324 443\r\n", "2001:db8::1"},
        {"PROXY TCP6 ::ffff:192.0.2.9 ::1 1 2\r\n", "192.0.2.9"},
        {"PROXY UNKNOWN\r\n", ""},
        {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        taken(daffi_span_text(cases[i].line), cases[i].address);
    }
}

static void other_lines_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"GET / HTTP/1.1\r\n", "no PROXY header"},
        {"\x16\x03\x01", "no PROXY header"},
        {"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "no PROXY header"},
        {"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "another protocol"},
        {"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "another protocol"},
        {"PROXY UNKNOWNS\r\n", "another protocol"},
        {"PROXY \r\n", "another protocol"},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "two addresses and two ports"},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "two addresses and two ports"},
        {"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n", "two addresses and two ports"},
        {"PROXY TCP4 192.0.2.1 2001:db8::1 1 2\r\n", "no address"},
        {"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n", "no address"},
        {"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "no address"},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "no port"},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "no port"},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n", "no port"},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "CR LF"},
        {"PROXY \n", "CR LF"},
        {"PROXY UNKNOWN                                                                                      "
         "          \r\n",
         "107 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refused(daffi_span_text(cases[i].line), cases[i].words);
    }
    static const char zero[] = "PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n";
    refused(daffi_span_of(zero, sizeof zero - 1), "zero byte");
}

/* `command` with version, `family`, and `behind` bytes. */
static struct daffi_span binary(uint8_t command, uint8_t family, const void *behind, size_t length) {
    static uint8_t bytes[PROXY_HEADER_MAX + 64];
    memcpy(bytes, "\r\n\r\n\0\r\nQUIT\n", 12);
    bytes[12] = command;
    bytes[13] = family;
    bytes[14] = (uint8_t)(length >> 8);
    bytes[15] = (uint8_t)length;
    memcpy(bytes + 16, behind, length);
    return daffi_span_of(bytes, 16 + length);
}

static void binary_headers_are_taken(void **state) {
    (void)state;
    static const uint8_t v4[20] = {192, 0, 2, 1, 198, 51, 100, 2, 1, 2, 3, 4, 0x04, 0, 3, 'a', 'b', 'c'};
    static const uint8_t v6[36] = {0x20, 0x01, 0x0D, 0xB8, [15] = 7},
                         mapped[36] = {[10] = 0xFF, 0xFF, 192, 0, 2, 5};
    static const uint8_t path[216] = "/run/client";
    static uint8_t much[PROXY_HEADER_MAX - 16];
    taken(binary(0x21, 0x11, v4, 12), "192.0.2.1");
    taken(binary(0x21, 0x11, v4, sizeof v4), "192.0.2.1");
    taken(binary(0x21, 0x21, v6, sizeof v6), "2001:db8::7");
    taken(binary(0x21, 0x21, mapped, sizeof mapped), "192.0.2.5");
    taken(binary(0x21, 0x31, path, sizeof path), "unix");
    taken(binary(0x21, 0x00, v4, 0), "");
    taken(binary(0x21, 0x00, v4, 5), "");
    taken(binary(0x20, 0x11, v4, 0), "");
    taken(binary(0x20, 0xFF, v4, 20), "");
    taken(binary(0x21, 0x11, much, sizeof much), "0.0.0.0");
}

static void other_binary_headers_are_refused(void **state) {
    (void)state;
    static const uint8_t none[PROXY_HEADER_MAX];
    refused(daffi_span_text("\r\n\r\nGET / HTTP/1.1\r\n"), "no PROXY header");
    refused(binary(0x11, 0x11, none, 12), "another version");
    refused(binary(0x22, 0x11, none, 12), "another command");
    refused(binary(0x21, 0x11, none, 11), "too short");
    refused(binary(0x21, 0x21, none, 35), "too short");
    refused(binary(0x21, 0x31, none, 215), "too short");
    refused(binary(0x21, 0x12, none, 12), "another family"); /* datagrams */
    refused(binary(0x21, 0x41, none, 12), "another family");
    refused(binary(0x21, 0x11, none, PROXY_HEADER_MAX - 15), "more than 4096 bytes");
}

/* -- the reader -- */

static struct reactor *reactor;
static uint64_t clock_ms;
static int got_fd;
static char got_address[PROXY_ADDRESS_MAX], got_detail[256];
static unsigned done_count;

static uint64_t read_clock(void *argument) {
    (void)argument;
    return clock_ms;
}

static void on_done(void *owner, int fd, const struct proxy_header *header, const char *detail) {
    struct proxy_reader **reader = owner;
    got_fd = fd;
    snprintf(got_address, sizeof got_address, "%s", header != NULL ? header->address : "");
    snprintf(got_detail, sizeof got_detail, "%s", detail);
    done_count++;
    proxy_reader_free(*reader);
    *reader = NULL;
}

static int begin(struct proxy_reader **ret_reader) {
    int fds[2];
    done_count = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(proxy_reader_new(reactor, fds[0], 500, on_done, ret_reader, ret_reader), 0);
    return fds[1];
}

static void the_reader_leaves_what_is_behind(void **state) {
    (void)state;
    static const char text[] = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /";
    const size_t size = sizeof text - 1 - 5;
    for (size_t split = 0; split <= size;
         split++) { /* none before the header's end is told of twice, nor lost */
        struct proxy_reader *reader = NULL;
        char behind[16] = "";
        int fd = begin(&reader);
        assert_int_equal(write(fd, text, split), split);
        assert_int_equal(reactor_turn(reactor, 0), 0);
        assert_int_equal(done_count, split == size);
        assert_int_equal(reactor_turn(reactor, 0), 0);
        assert_int_equal(write(fd, text + split, sizeof text - 1 - split), sizeof text - 1 - split);
        assert_int_equal(reactor_turn(reactor, 0), 0);
        assert_int_equal(done_count, 1);
        assert_string_equal(got_address, "192.0.2.1");
        assert_int_equal(read(got_fd, behind, sizeof behind), 5);
        assert_string_equal(behind, "GET /");
        close(got_fd);
        close(fd);
    }
}

static void the_reader_gives_up(void **state) {
    (void)state;
    struct proxy_reader *reader = NULL;
    int fd = begin(&reader);
    assert_int_equal(write(fd, "GET /", 5), 5);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(done_count, 1);
    assert_int_equal(got_fd, -1);
    assert_non_null(strstr(got_detail, "no PROXY header"));
    assert_int_equal(reactor_turn(reactor, 0), 0);
    close(fd);
    fd = begin(&reader);
    assert_int_equal(write(fd, "PROXY ", 6), 6);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    close(fd);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_non_null(strstr(got_detail, "ended before"));
    fd = begin(&reader);
    clock_ms += 499;
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(done_count, 0);
    clock_ms += 1;
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(done_count, 1);
    assert_non_null(strstr(got_detail, "did not come in time"));
    close(fd);
    fd = begin(&reader);
    proxy_reader_free(reader);
    proxy_reader_free(NULL);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(done_count, 0);
    close(fd);
}

static int set_up(void **state) {
    (void)state;
    static struct memory_budget memory = {.limit = 1 << 20};
    guarded = guarded_new(PROXY_HEADER_MAX + 64);
    int r = reactor_new(&memory, &reactor);
    reactor_set_clock(reactor, read_clock, NULL);
    return r;
}

static int tear_down(void **state) {
    (void)state;
    guarded_free(&guarded);
    reactor_free(reactor);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken),
        cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(binary_headers_are_taken),
        cmocka_unit_test(other_binary_headers_are_refused),
        cmocka_unit_test(the_reader_leaves_what_is_behind),
        cmocka_unit_test(the_reader_gives_up),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
