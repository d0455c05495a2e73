/* Whether a payload is one that every peer can decode.              (protocol.md, "Payloads"; design
 * contract 3: a payload that Python can't decode stops a real worker for good, so none may pass.)
 *
 * Sans-I/O, allocation-free, one pass, stack bounded by DAFFI_NESTING_MAX whatever comes. What is
 * accepted here is accepted by Python's json.loads and by msgpack's unpackb(strict_map_key=False is NOT
 * assumed: keys are scalar), with the envelope that the flag asks for. */
#ifndef DAFFI_PAYLOAD_H
#define DAFFI_PAYLOAD_H

#include "daffi/message.h"

enum { DAFFI_NESTING_MAX = 512, DAFFI_INTEGER_DIGITS_MAX = 4300 };

/* Checks `message->payload` by its decoder, its flag and is_bytes.
 * REQUEST: JSON {"args":[...],"kwargs":{...}}, both once, nothing else; MSGPACK [[...],{text: ...}];
 *   OPAQUE: bytes as they are, or UTF-8 text.
 * RESPONSE, ERROR: the same envelopes, one argument, no keyword arguments; an ERROR's argument is
 *   [type, module, text, anything].
 * PICKLE is opaque to this function and always passes: whether it may is the guard's decision.
 * HANDSHAKE, EVENTS: JSON of any shape within the same bounds (their rooms read them).
 * `nesting`: levels of arrays and objects allowed inside the payload, the envelope's own included;
 *   1 to DAFFI_NESTING_MAX.
 * Returns 0, or -EBADMSG with *ret_fault set. */
int daffi_payload_check(const struct daffi_message *message, unsigned nesting, struct daffi_fault *ret_fault);

#endif
