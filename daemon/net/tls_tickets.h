/* Keys of session tickets: the same for all contexts of the process, so that any reactor resumes what another began. A key
 * seals for one period and opens for one more, then it is wiped: what was recorded can't be read any more when the process is
 * broken into later.                                              (RFC 5077, 4; RFC 9325, 7.2.1; SSL_CTX_set_tlsext_ticket_key_evp_cb(3)) */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

#include <stdint.h>

/* Longer than a ticket lives (two hours), so that none is refused for its age alone. */
enum { TLS_TICKETS_PERIOD_MS = 4 * 3600 * 1000 };

/* A new key seals from now on; the one before it still opens. Any thread. 0, or -EIO: no randomness, all stays. */
int tls_tickets_rotate(void);

#endif
