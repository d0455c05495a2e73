"""What attackers do: bare sockets, bytes with something wrong, peers that vanish."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading

import wire
from page import Page
from websockets.exceptions import ConnectionClosed

UPGRADE = (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
RESET = struct.pack("ii", 1, 0)


def dial(bridge) -> socket.socket:
    """A bare connection."""
    return socket.create_connection(("127.0.0.1", bridge.port), 10)


def frame(payload: bytes, opcode: int = 2, final: bool = True, length: int | None = None) -> bytes:
    """A masked WebSocket frame; the mask is zero. `length`: what it says instead of the truth."""
    size = len(payload) if length is None else length
    head = bytes([opcode | (0x80 if final else 0)])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload


def read_to_end(connection: socket.socket, seconds: float = 15.0) -> bytes:
    """All that comes until the bridge ends the connection. TimeoutError when it does not."""
    connection.settimeout(seconds)
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65_536):
            data += more
    return data


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Reads a byte at a time until what came ends so."""
    data = b""
    while not data.endswith(end):
        more = connection.recv(1)
        if not more:
            raise ConnectionResetError(f"the connection ended after {data!r}")
        data += more
    return data


def upgraded(bridge, name: str | None = None) -> socket.socket:
    """A bare connection, upgraded; with a name: attached, its handshake's answer read. ConnectionError where the bridge hangs up."""
    connection = dial(bridge)
    connection.sendall(UPGRADE)
    assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    if name is not None:
        connection.sendall(frame(wire.handshake(name).encode()))
        head = connection.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            raise ConnectionResetError("no answer to the handshake")
        size = head[1] if head[1] < 126 else int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
        assert wire.decode(connection.recv(size, socket.MSG_WAITALL)).flag == wire.HANDSHAKE
    return connection


def reset(peer: Page | socket.socket) -> None:
    """Vanishes: a TCP reset, no goodbye of any layer."""
    bare = peer.socket.socket if isinstance(peer, Page) else peer
    with contextlib.suppress(OSError):  # it may be closed already
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        bare.shutdown(socket.SHUT_RD)  # wakes a reader, sends nothing
    bare.close()


def feed(page: Page, messages: list[wire.Message]) -> threading.Thread:
    """Sends them from a thread of its own until the page is gone; nobody reads what comes."""
    def run() -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            for message in messages:
                page.send(message)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def descriptors(process) -> int:
    """How many a process has open."""
    return len(os.listdir(f"/proc/{process.popen.pid}/fd"))


def processor_seconds(process) -> float:
    """What a process has used up of the processor."""
    with open(f"/proc/{process.popen.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listening_ports(process) -> set[int]:
    """The TCP ports that a process listens on."""
    own = set()
    for entry in os.listdir(f"/proc/{process.popen.pid}/fd"):
        with contextlib.suppress(OSError):
            own.add(os.readlink(f"/proc/{process.popen.pid}/fd/{entry}"))
    ports = set()
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in file.read().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
                ports.add(int(fields[1].split(":")[1], 16))
    return ports


def accept_queue(bridge) -> int:
    """How many connections to its TCP listeners are made, but not yet accepted."""
    ports = {int(url.rsplit(":", 1)[1]) for url in bridge.urls}
    waiting = 0
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in file.read().splitlines()[1:]:
            _, local, _, state, queues, *_ = line.split()
            if state == "0A" and int(local.split(":")[1], 16) in ports:
                waiting += int(queues.split(":")[1], 16)
    return waiting


def site_port(bridge) -> int:
    """civetweb's, which nobody but the door should have an answer from."""
    ports = listening_ports(bridge) - {int(url.rsplit(":", 1)[1]) for url in bridge.urls}
    assert len(ports) == 1, ports
    return ports.pop()
