/* The WebSocket opening handshake, the server's side of it.                         (RFC 6455 section 4.2) */
#ifndef WS_UPGRADE_H
#define WS_UPGRADE_H

#include "http/request_head.h"

enum { WS_ACCEPT_MAX = 29 }; /* base64 of SHA-1, and NUL */

/* Whether the head asks for an upgrade at all ("Upgrade: websocket"). */
bool ws_upgrade_is_asked(const struct request_head *head);

/* Checks it: GET, HTTP/1.1, Connection: upgrade, one Sec-WebSocket-Key of 16 bytes, version 13.
 * 0 and the Sec-WebSocket-Accept value; or -EPROTO and how to refuse (400, 426 for another version, 500 where SHA-1
 * is not to be had). */
int ws_upgrade_check(const struct request_head *head, char ret_accept[WS_ACCEPT_MAX],
                     struct request_refusal *ret_refusal);

#endif
