/* Whether a payload is one that every peer can decode.              (protocol.md, "Payloads")
 * One that Python can't decode stops a real worker for good, so none may pass.
 *
 * Sans-I/O, allocation-free, stack bounded by DAFFI_NESTING_MAX whatever comes. What is accepted here is
 * accepted by Python's json.loads, or msgpack.unpackb(raw=False, strict_map_key=False), and by what daffi
 * 3.0.1 does with the result. */
#ifndef DAFFI_PAYLOAD_H
#define DAFFI_PAYLOAD_H

#include "daffi/message.h"
#include "daffi/utf8.h"

enum { DAFFI_NESTING_MAX = 512, DAFFI_INTEGER_DIGITS_MAX = 4300 };

/* Checks `message->payload` by its decoder, its flag and is_bytes.
 * REQUEST: JSON {"args":[...],"kwargs":{...}}, both once, nothing else; MSGPACK [[...],{text: ...}];
 *   OPAQUE: bytes as they are, or UTF-8 text.
 * RESPONSE, ERROR: the same envelopes, one argument, no keyword arguments; an ERROR's argument is
 *   [type, module, text, anything]. An OPAQUE ERROR is UTF-8 text whatever is_bytes says.
 * PICKLE is opaque to this function: whether it may pass is the guard's decision.
 * HANDSHAKE, EVENTS: JSON of any shape within the same bounds (their rooms read them), no other decoder.
 * MSGPACK and PICKLE have to say is_bytes: as text, Python's native layer would hand over a str, at which
 *   the worker dies. JSON may say either: json.loads takes both.
 *
 * JSON is RFC 8259 in UTF-8, white space around it, no byte order mark, integers of at most
 *   DAFFI_INTEGER_DIGITS_MAX digits. Answers (RESPONSE, ERROR) may hold what Python's json.dumps writes
 *   beyond that: NaN, Infinity, -Infinity and halves of surrogate pairs (\ud800). Requests may not: a half
 *   is no character, and a worker that logs it, or encodes it for its own peers, raises.
 * MSGPACK maps have scalars and extensions as keys, never arrays or maps (unhashable in Python); extension
 *   types are 0 to 127 and -1, a timestamp of 4, 8 or 12 bytes with at most 999,999,999 nanoseconds.
 * `nesting`: levels of arrays and objects allowed inside the payload, the envelope's own included;
 *   1 to DAFFI_NESTING_MAX.
 * Returns 0, or -EBADMSG with *ret_fault set. */
int daffi_payload_check(const struct daffi_message *message, unsigned nesting, struct daffi_fault *ret_fault);

#endif
