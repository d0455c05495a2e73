#include "net/tls_plain.h"

#include <sys/socket.h>

enum { READ_MAX = 16384 };

#define SENTENCE "This port speaks https: put https:// in front of its address.\n"

/* A HEAD gets a body, too: the connection ends behind it. */
static const char answer[] = "HTTP/1.1 400 Bad Request\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Cache-Control: no-store\r\n"
                             "X-Content-Type-Options: nosniff\r\n"
                             "Connection: close\r\n"
                             "Content-Length: 62\r\n\r\n" SENTENCE;

_Static_assert(sizeof SENTENCE - 1 == 62, "as the head says");

void tls_plain_refuse(int fd) {
    char unread[READ_MAX];
    (void)send(fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    /* A socket that is closed with bytes unread is reset, and the answer is lost on its way. */
    (void)recv(fd, unread, sizeof unread, MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
}
