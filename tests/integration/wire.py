"""daffi's wire format in Python, for the tests alone: written from protocol.md, not from the bridge's own codec, so that the two
check each other.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

HANDSHAKE, REQUEST, RESPONSE, ERROR, EVENTS = range(5)
OPAQUE, JSON, PICKLE, MSGPACK = range(4)
PROBE = b"\x1f" * 9
HEADER = 9


@dataclass
class Message:
    """One daffi message. `payload` is bytes always; `is_bytes` is what the header says of it."""

    uuid: int = 1
    flag: int = REQUEST
    decoder: int = JSON
    is_bytes: int = 0
    return_result: int = 1
    transmitter: str = ""
    receiver: str = ""
    function: str = ""
    payload: bytes = b""

    def encode(self) -> bytes:
        """The message's bytes."""
        metadata = f"{self.transmitter}|{self.receiver}|{self.function}".encode()
        return head(self.uuid, self.flag, self.decoder, self.is_bytes, self.return_result,
                    len(metadata) + len(self.payload), len(metadata)) + metadata + self.payload

    def json(self):
        """The payload, read as JSON."""
        return json.loads(self.payload)


def head(uuid: int, flag: int, decoder: int, is_bytes: int, return_result: int, length: int, metadata_length: int,
         parts: int = 1, endian: int = 1) -> bytes:
    """Nine bytes of header: 72 bits, little-endian, least significant first. Takes nonsense as well, for hostile tests."""
    bits = (uuid | flag << 16 | decoder << 20 | is_bytes << 22 | return_result << 23 | length << 24
            | metadata_length << 49 | parts << 64 | endian << 71)
    return bits.to_bytes(HEADER, "little")


def decode(data: bytes) -> Message:
    """Reads one whole message. Raises ValueError when it is not exactly one."""
    if len(data) < HEADER:
        raise ValueError(f"{len(data)} bytes are no message")
    low, top = struct.unpack("<QB", data[:HEADER])
    length, metadata_length = low >> 24 & 0x1FFFFFF, low >> 49
    if len(data) != HEADER + length or metadata_length > length or top != 0x81:
        raise ValueError("lengths, parts or endianness do not fit")
    parts = data[HEADER:HEADER + metadata_length].decode().split("|")
    if len(parts) != 3:
        raise ValueError(f"metadata has {len(parts)} parts")
    return Message(low & 0xFFFF, low >> 16 & 15, low >> 20 & 3, low >> 22 & 1, low >> 23 & 1, *parts,
                   data[HEADER + metadata_length:])


def size_at_front(data: bytes) -> int | None:
    """The size of the message at the front of a stream, once its header is there."""
    if len(data) < HEADER:
        return None
    return HEADER + (int.from_bytes(data[:HEADER], "little") >> 24 & 0x1FFFFFF)


def handshake(name: str, uuid: int = 1, methods: list[str] | None = None, **more) -> Message:
    """A client's handshake; `more` is put into its meta."""
    payload = {"meta": {"type": "client", **more}, "members": [{"name": name, "methods": methods}]}
    return Message(uuid, HANDSHAKE, JSON, 0, 1, name, "", "", json.dumps(payload, separators=(",", ":")).encode())


def request(name: str, receiver: str, function: str, *args, uuid: int = 2, **kwargs) -> Message:
    """A JSON call."""
    return Message(uuid, REQUEST, JSON, 0, 1, name, receiver, function,
                   json.dumps({"args": list(args), "kwargs": kwargs}).encode())


def receive(connection, size: int = 65536) -> bytes:
    """Some bytes of a socket; EOFError where it has ended: who waits for more would wait without end."""
    data = connection.recv(size)
    if not data:
        raise EOFError("the connection has ended")
    return data
