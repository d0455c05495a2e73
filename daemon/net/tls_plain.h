/* What is said to who speaks plain HTTP where TLS is expected: http:// before an address, where https:// belongs. */
#ifndef TLS_PLAIN_H
#define TLS_PLAIN_H

/* Answers without having read what was asked for, which no limit of HTTP has bounded: one write, of a constant, that does
 * not block. The socket can be closed behind it. */
void tls_plain_refuse(int fd);

#endif
