"""Payload validity against Python itself: what the bridge accepts, a real worker's decoders accept, over a large generated corpus.

A payload that Python can't decode stops a real worker for good, so one accepted wrongly is a fault; what is refused wrongly is counted only
for payloads that Python wrote itself: of those, none.
"""

from __future__ import annotations

import json
import random
import struct
import subprocess

import msgpack
import wire
from processes import BUILD

CASES = 60_000
ALPHABET = ["", "a", "é", "€", "😀", "\x00", "\x1f", "\x7f", '"', "\\", "/", "\ud7ff", "x" * 40, "args"]


def value(random_: random.Random, depth: int, binary: bool):
    """A random value that both sides know."""
    kinds = 12 if depth else 9
    kind = random_.randrange(kinds)
    if kind == 0:
        return None
    if kind == 1:
        return random_.random() < 0.5
    if kind in (2, 3):
        return random_.choice([0, -1, 1, 127, 128, -33, 2**31, 2**53, -(2**63), 2**64 - 1, random_.randrange(-(10**6), 10**6)])
    if kind == 4:
        return random_.choice([0.0, -0.5, 1e300, 5e-324, 1.5])
    if kind in (5, 6, 7):
        return "".join(random_.choice(ALPHABET) for _ in range(random_.randrange(5)))
    if kind == 8:
        return random_.randbytes(random_.randrange(40)) if binary else "bytes"
    if kind in (9, 10):
        return [value(random_, depth - 1, binary) for _ in range(random_.randrange(5))]
    keys = [1, None, "k", b"b", True, 2.5] if binary else ["k", "l", "é", ""]
    return {random_.choice(keys): value(random_, depth - 1, binary) for _ in range(random_.randrange(4))}


def mutate(random_: random.Random, data: bytes) -> bytes:
    """One to three changes: bytes replaced, removed, doubled, or pieces that mean something put in."""
    changed = bytearray(data)
    pieces = [b"\xff", b"\xc1", b"\x80", b"\x90", b"\xd6\xff", b"\xd7\xff\xff\xff\xff\xff", b"\xc7\x0c\xff", b"\xed\xa0\x80", b"\\ud800", b"NaN", b"[", b"]",
              b"{", b"}", b",", b'"', b"1e999", b"-", b"0", b"\x00", b"\xef\xbb\xbf", b"9" * 4301, b'"args":[],', b"\xd9", b"\xdd\x00\x00\x00\x02", b"\xd4\xfe\x00"]
    for _ in range(random_.randrange(1, 4)):
        at = random_.randrange(len(changed) + 1)
        kind = random_.randrange(4)
        if kind == 0 and changed:
            changed[at % len(changed)] = random_.randrange(256)
        elif kind == 1:
            del changed[at:at + random_.randrange(1, 4)]
        elif kind == 2:
            changed[at:at] = changed[at:at + random_.randrange(1, 6)]
        else:
            changed[at:at] = random_.choice(pieces)
    return bytes(changed)


def python_takes(decoder: int, data: bytes) -> bool:
    """Whether daffi 3.0.1's own steps succeed: the decoder, then unpacking and calling with the arguments."""
    try:
        if decoder == wire.JSON:
            parsed = json.loads(data.decode("utf-8"))
            args, kwargs = parsed["args"], parsed["kwargs"]
        else:
            args, kwargs = msgpack.unpackb(data, raw=False, strict_map_key=False)
        (lambda *_, **__: None)(*args, **kwargs)
        return isinstance(args, list)
    except Exception:
        return False


def verdicts(cases: list[tuple[int, int, bytes]]) -> list[bool]:
    """What the core says of (flag, decoder, payload)."""
    data = b"".join(struct.pack("<BBBI", flag, decoder, decoder != wire.JSON, len(payload)) + payload for flag, decoder, payload in cases)
    done = subprocess.run([BUILD / "tests" / "tools" / "payload_check"], input=data, capture_output=True, check=True)
    assert len(done.stdout) == len(cases)
    return [verdict == ord("+") for verdict in done.stdout]


def test_what_is_accepted_python_decodes():
    random_ = random.Random(20260101)
    cases = []
    whole = []
    for number in range(CASES):
        binary = number % 2 == 1
        args = [value(random_, 4, binary) for _ in range(random_.randrange(4))]
        kwargs = {f"k{i}": value(random_, 3, binary) for i in range(random_.randrange(3))}
        if binary:
            data = msgpack.packb([args, kwargs])
        else:
            data = json.dumps({"args": args, "kwargs": kwargs}, ensure_ascii=random_.random() < 0.5).encode()
        decoder = wire.MSGPACK if binary else wire.JSON
        if number % 4 < 2:
            whole.append((wire.REQUEST, decoder, data))
        else:
            cases.append((wire.REQUEST, decoder, mutate(random_, data)))
    refused = [case for case, accepted in zip(whole, verdicts(whole)) if not accepted]
    assert refused == []
    accepted = [case for case, verdict in zip(cases, verdicts(cases)) if verdict]
    assert len(accepted) > 300, "mutations hardly ever leave a valid payload: the corpus tells nothing"
    wrong = [case for case in accepted if not python_takes(case[1], case[2])]
    assert wrong == []
