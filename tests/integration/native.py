"""A native daffi peer, every byte of it in the test's hands: caller or worker, over TCP, TLS or a Unix socket."""

from __future__ import annotations

import json
import socket
import ssl
import time

import wire


class Ended(Exception):
    """The server ended the connection."""


class Native:
    """Connects, sends the probe and, unless told not to, shakes hands. `seen` is all it got, in order.
    `where` is a port of the loopback, the path of a Unix socket, or a port and the file of the CA for TLS."""

    def __init__(self, where: int | str | tuple[int, str], name: str, methods: list[str] | None = None, ca: str | None = None,
                 shake: bool = True, client=None):
        self.name = name
        self.seen: list[wire.Message] = []
        self._buffer = bytearray()
        if isinstance(where, tuple):
            where, ca = where
        if isinstance(where, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(where)
        else:
            self.socket = socket.create_connection(("127.0.0.1", where))
        if ca is not None:
            context = ssl.create_default_context(cafile=ca)
            if client is not None:
                context.load_cert_chain(client.cert, client.key)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.socket.sendall(wire.PROBE)
        if shake:
            self.send(wire.handshake(name, 77, methods))
            self.wait_for(lambda message: message.uuid == 77 and message.transmitter == name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Leaves."""
        self.socket.close()

    def send(self, *messages: wire.Message) -> None:
        """Sends them at once."""
        self.socket.sendall(b"".join(message.encode() for message in messages))

    def receive(self, seconds: float = 10.0) -> wire.Message:
        """The next message. Raises TimeoutError, or Ended."""
        deadline = time.monotonic() + seconds
        while True:
            size = wire.size_at_front(self._buffer)
            if size is not None and len(self._buffer) >= size:
                message = wire.decode(bytes(self._buffer[:size]))
                del self._buffer[:size]
                self.seen.append(message)
                return message
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                more = self.socket.recv(1 << 20)
            except (ConnectionError, ssl.SSLEOFError) as fault:  # the real Router says no goodbye over TLS
                raise Ended from fault
            if not more:
                raise Ended
            self._buffer += more

    def wait_for(self, is_it, seconds: float = 10.0) -> wire.Message:
        """Reads until a message is the one."""
        deadline = time.monotonic() + seconds
        while True:
            message = self.receive(max(0.01, deadline - time.monotonic()))
            if is_it(message):
                return message

    def wait_for_news(self, kind: str, member: str) -> None:
        """Reads until that event is told."""
        self.wait_for(lambda message: message.flag == wire.EVENTS and message.json() == {"type": kind, "member": member})

    def wait_for_end(self) -> None:
        """Reads until the server ends the connection."""
        while True:
            try:
                self.receive()
            except Ended:
                return

    def call(self, receiver: str, function: str, *args, uuid: int = 2, **kwargs) -> wire.Message:
        """A JSON call, and its answer."""
        self.send(wire.request(self.name, receiver, function, *args, uuid=uuid, **kwargs))
        return self.wait_for(lambda message: message.uuid == uuid and message.flag in (wire.RESPONSE, wire.ERROR))

    def reply(self, request: wire.Message, result, flag: int = wire.RESPONSE) -> wire.Message:
        """A worker's answer to a call, to be sent."""
        return wire.Message(request.uuid, flag, wire.JSON, 0, 0, self.name, request.transmitter, request.function,
                            json.dumps({"args": [result], "kwargs": {}}).encode())

    def answer(self, request: wire.Message, result, flag: int = wire.RESPONSE) -> None:
        """Answers a call, as a worker."""
        self.send(self.reply(request, result, flag))
