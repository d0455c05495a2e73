"""Payload validity against Python itself, both ways, over large generated corpora with fixed seeds.

A payload that Python can't decode stops a real worker for good, so none may be accepted. And what Python decodes into daffi's envelope is
refused only for the reasons that wasm-core/include/daffi/payload.h gives: `expected` holds these and nothing else.
"""

from __future__ import annotations

import itertools
import json
import random
import struct
import subprocess

import msgpack
import wire
from processes import BUILD

MUTATIONS = 60_000
TEXTS = ["", "a", "é", "€", "😀", "\x00", "\x1f", "\x7f", '"', "\\", "/", "\ud7ff", "x" * 40, "args"]
INTEGERS = [0, -1, 1, 127, 128, -33, 255, 256, 2**31, 2**53, -(2**63), 2**64 - 1]
EXTENSIONS = [msgpack.ExtType(0, b""), msgpack.ExtType(127, b"abc"), msgpack.ExtType(5, b"x" * 300), msgpack.Timestamp(0, 0),
              msgpack.Timestamp(2**34 - 1, 999_999_999), msgpack.Timestamp(-1, 1), msgpack.Timestamp(2**32, 0)]
PIECES = [b"\xff", b"\xc1", b"\x80", b"\x90", b"\xd6\xff", b"\xd7\xff\xff\xff\xff\xff", b"\xc7\x0c\xff", b"\xed\xa0\x80", b"\\ud800", b"\\udc00",
          b"\\u0000", b"NaN", b"-Infinity", b"[", b"]", b"{", b"}", b",", b":", b'"', b"1e999", b"-", b"0", b"\x00", b"\xef\xbb\xbf",
          b"9" * 4300, b"9" * 4301, b'"args":[],', b"\xd9", b"\xdd\x00\x00\x00\x02", b"\xd4\xfe\x00", b" ", b"\n", b"\x0b", b"\xc2\xa0"]


def value(random_: random.Random, depth: int, binary: bool):
    """A random value that both sides know."""
    kind = random_.randrange(14 if depth else 11)
    if kind == 0:
        return None
    if kind == 1:
        return random_.random() < 0.5
    if kind in (2, 3):
        return random_.choice([*INTEGERS, random_.randrange(-(10**6), 10**6)])
    if kind == 4:
        return random_.choice([0.0, -0.5, 1e300, 5e-324, 1.5])
    if kind in (5, 6, 7):
        return "".join(random_.choice(TEXTS) for _ in range(random_.randrange(5)))
    if kind == 8:
        return random_.randbytes(random_.randrange(40)) if binary else "bytes"
    if kind in (9, 10):
        return random_.choice(EXTENSIONS) if binary else 10 ** random_.randrange(400)
    if kind in (11, 12):
        return [value(random_, depth - 1, binary) for _ in range(random_.randrange(5))]
    keys = [1, None, "k", b"b", True, 2.5, *EXTENSIONS] if binary else ["k", "l", "é", ""]
    return {random_.choice(keys): value(random_, depth - 1, binary) for _ in range(random_.randrange(4))}


def mutate(random_: random.Random, data: bytes) -> bytes:
    """One to three changes: bytes replaced, removed, doubled, or pieces that mean something put in."""
    changed = bytearray(data)
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
            changed[at:at] = random_.choice(PIECES)
    return bytes(changed)


class Pairs(list):
    """A JSON object with all its pairs, also those that a later one of the same name would hide."""


def no_constant(name: str):
    raise ValueError(f"{name} is no JSON")


def envelope_of_json(flag: int, data: bytes):
    """(args, kwargs) or an exception: json.loads, and the rules that are stricter than it."""
    text = data.decode("utf-8")
    json.loads(text)["args"], json.loads(text)["kwargs"]  # what daffi itself does
    strict = {"parse_constant": no_constant} if flag == wire.REQUEST else {}
    pairs = json.loads(text, object_pairs_hook=Pairs, **strict)
    if flag == wire.REQUEST:
        json.dumps(pairs, ensure_ascii=False).encode("utf-8")  # raises for half a surrogate pair
    if sorted(name for name, _ in pairs) != ["args", "kwargs"]:
        raise ValueError("each once and nothing else")
    args, kwargs = dict(pairs)["args"], dict(pairs)["kwargs"]
    if isinstance(args, Pairs) or not isinstance(kwargs, Pairs):
        raise ValueError("args is an array, kwargs an object")
    return args, kwargs


def envelope_of_msgpack(data: bytes):
    """(args, kwargs) or an exception: unpackb as daffi calls it, and text as the names of keyword arguments."""
    whole = msgpack.unpackb(data, raw=False, strict_map_key=False)
    args, kwargs = whole
    if not isinstance(whole, list) or not isinstance(kwargs, dict):
        raise ValueError("[[...], {...}]")
    if not all(isinstance(name, str) for name in kwargs):
        raise ValueError("names are text")
    return args, kwargs


def expected(flag: int, decoder: int, data: bytes) -> bool:
    """Whether daffi 3.0.1's own steps succeed, and payload.h has nothing against it."""
    try:
        args, kwargs = envelope_of_json(flag, data) if decoder == wire.JSON else envelope_of_msgpack(data)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, msgpack.UnpackException):
        return False
    if type(args) is not list:
        return False
    if flag == wire.REQUEST:
        return True
    if len(args) != 1 or kwargs:
        return False
    if flag == wire.RESPONSE:
        return True
    return type(args[0]) is list and len(args[0]) == 4 and all(isinstance(part, str) for part in args[0][:3])


def verdicts(cases: list[tuple[int, int, bytes]]) -> list[bool]:
    """What the core says of (flag, decoder, payload)."""
    data = b"".join(struct.pack("<BBBI", flag, decoder, decoder != wire.JSON, len(payload)) + payload for flag, decoder, payload in cases)
    done = subprocess.run([BUILD / "tests" / "tools" / "payload_check"], input=data, capture_output=True, check=True)
    assert len(done.stdout) == len(cases)
    return [verdict == ord("+") for verdict in done.stdout]


def compare(cases: list[tuple[int, int, bytes]]) -> tuple[int, int]:
    """Asserts that both agree on each case; how many were accepted, and how many refused."""
    accepted = verdicts(cases)
    wrong = []
    for case, verdict in zip(cases, accepted):
        if verdict != expected(*case) and not (not verdict and b"\\u00" in case[2]):  # an envelope's key may not be spelled with escapes
            wrong.append(("accepted" if verdict else "refused", case))
    assert wrong[:5] == []
    return sum(accepted), len(cases) - sum(accepted)


def payload(random_: random.Random, flag: int, binary: bool) -> bytes:
    """A payload as daffi's own Serializer writes it."""
    kwargs = {}
    if flag == wire.REQUEST:
        args = [value(random_, 4, binary) for _ in range(random_.randrange(4))]
        kwargs = {f"k{i}": value(random_, 3, binary) for i in range(random_.randrange(3))}
    elif flag == wire.RESPONSE:
        args = [value(random_, 4, binary) if random_.random() < 0.9 else random_.choice([float("nan"), float("-inf"), [float("inf")]])]
    else:
        args = [["ValueError", "builtins", random_.choice(TEXTS), value(random_, 2, binary)]]
    if binary:
        return msgpack.packb([args, kwargs])
    return json.dumps({"args": args, "kwargs": kwargs}, ensure_ascii=random_.random() < 0.5).encode()


def test_what_python_writes_is_accepted():
    random_ = random.Random(20260101)
    cases = []
    for number in range(20_000):
        flag = (wire.REQUEST, wire.RESPONSE, wire.ERROR)[number % 3]
        cases.append((flag, wire.MSGPACK if number % 2 else wire.JSON, payload(random_, flag, number % 2 == 1)))
    assert compare(cases) == (len(cases), 0)


def test_mutations_are_judged_as_python_does():
    random_ = random.Random(20260102)
    cases = []
    for number in range(MUTATIONS):
        flag = (wire.REQUEST, wire.RESPONSE, wire.ERROR, wire.REQUEST)[number % 4]
        binary = random_.random() < 0.5
        cases.append((flag, wire.MSGPACK if binary else wire.JSON, mutate(random_, payload(random_, flag, binary))))
    accepted, refused = compare(cases)
    assert accepted > 3000 and refused > 3000, "a corpus that is all of one kind tells nothing"


def test_every_short_json_value():
    """All short texts over the letters that mean something: of numbers, of strings, of structure."""
    texts = ["".join(letters) for alphabet, longest in (("01-+.eE ", 5), ('"\\u/ndD8c0', 4), ('[]{},:"a1 \n', 5), ("\t\v\x00\x1f\xa0\u2028 1", 3))
             for length in range(1, longest + 1) for letters in itertools.product(alphabet, repeat=length)]
    texts += [word[:end] + tail for word in ("true", "false", "null", "NaN", "Infinity", "-Infinity", "nan", "None", "-NaN", "+Infinity")
              for end in range(len(word) + 1) for tail in ("", "x", " ")]
    units = ["\\ud800", "\\uDBFF", "\\udc00", "\\uDFFF", "\\ud7ff", "\\ue000", "a", "\\n", "\\ud8"]
    texts += ['"' + "".join(units_) + '"' for length in range(1, 5) for units_ in itertools.product(units, repeat=length)]
    for flag in (wire.REQUEST, wire.RESPONSE):
        compare([(flag, wire.JSON, b'{"args":[%s],"kwargs":{}}' % text.encode()) for text in texts])


def test_every_short_msgpack_value():
    """Every first byte with every second one, and lengths, types and contents behind that fit and don't."""
    tails = [b"", b"\x00", b"\x01", b"\x00\x00", b"\x80", b"\xa1a", b"a\xc0", b"\x05abcd", b"\xff" * 16, b"\x00" * 12, b"\x00\x00\x01\xc0",
             b"\x3b\x9a\xc9\xff" + b"\x00" * 8, b"\x3b\x9a\xca\x00" + b"\x00" * 8, b"\xee\x6b\x27\xff" + b"\xff" * 4, b"\xee\x6b\x28\x00" + b"\x00" * 4]
    cases = []
    for first in range(256):
        cases += [(wire.REQUEST, wire.MSGPACK, b"\x92\x91" + bytes([first, second]) + tail + b"\x80") for second in range(256) for tail in tails]
        cases += [(wire.REQUEST, wire.MSGPACK, b"\x92\x90\x81\xa1k" + bytes([first]) + tail) for tail in tails]
        cases += [(wire.REQUEST, wire.MSGPACK, b"\x92\x91\x81" + bytes([first]) + tail + b"\x01\x80") for tail in tails]
        cases += [(wire.REQUEST, wire.MSGPACK, bytes([first]) + tail + b"\x90\x80") for tail in tails]
    accepted, refused = compare(cases)
    assert accepted > 5_000 and refused > 5_000


def test_utf8_as_python_has_it():
    """Bytes in a JSON text, a MSGPACK text and a raw one: all pairs, and triples and fours at the borders."""
    borders = [0x00, 0x22, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF]
    texts = [bytes(pair) for pair in itertools.product(range(0x20, 256), repeat=2)]
    texts += [bytes(three) for three in itertools.product(borders, repeat=3)] + [bytes(four) for four in itertools.product(borders[4:], repeat=4)]
    compare([(wire.REQUEST, wire.JSON, b'{"args":["%s"],"kwargs":{}}' % text) for text in texts])
    compare([(wire.REQUEST, wire.MSGPACK, b"\x92\x91" + bytes([0xA0 + len(text)]) + text + b"\x80") for text in texts])
