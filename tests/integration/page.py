"""A page, as the bridge sees one: a WebSocket client that speaks daffi, with every byte in the test's hands."""

from __future__ import annotations

import json
import select
import ssl
import threading
import time

import msgpack
import wire
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


class RemoteError(Exception):
    """An ERROR answer. `args` are type, module, text."""


class OneAtATime(ssl.SSLSocket):
    """websockets reads in one thread and writes in another, which Python's TLS does not bear: a write that meets the arrival of a
    session ticket is lost, and the server waits for a request that was never sent. Here they take turns.
    """

    def _turns(self) -> threading.Lock:
        return self.__dict__.setdefault("_lock", threading.Lock())

    def recv(self, buflen=1024, flags=0):
        while True:
            if self.fileno() < 0:
                raise OSError("it has been closed")
            if not self.pending() and not select.select([self], [], [], self.gettimeout())[0]:
                raise TimeoutError
            with self._turns():
                patience = self.gettimeout()
                self.settimeout(0)
                try:
                    return super().recv(buflen, flags)
                except ssl.SSLWantReadError:  # what came was TLS's own
                    continue
                finally:
                    self.settimeout(patience)

    def sendall(self, data, flags=0):
        with self._turns():
            return super().sendall(data, flags)


class Page:
    """Connects and, unless `name` is None, shakes hands; raises RemoteError when that is refused.

    `members` and `events` are what the server told, in order.
    """

    def __init__(self, url: str, name: str | None = "page", ca: str | None = None, origin: str | None = None, **options):
        context = options.pop("context", None)
        if context is None and url.startswith("wss"):
            context = ssl.create_default_context(cafile=ca)
        if context is not None:
            context.sslsocket_class = OneAtATime
        self.socket = connect(url, ssl=context, origin=origin, compression=None, max_size=None, **options)
        self.name = name
        self.members: dict[str, list[str] | None] = {}
        self.events: list[tuple[str, str]] = []
        self.uuid = 1
        if name is not None:
            self.shake_hands()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def close(self) -> None:
        """Closes in good order."""
        self.socket.close()

    def send(self, message: wire.Message | bytes | str) -> None:
        """Sends a message, or any bytes, or text, as one WebSocket message."""
        self.socket.send(message.encode() if isinstance(message, wire.Message) else message)

    def next_bytes(self, seconds: float) -> bytes:
        """The bytes of the next daffi message: a whole WebSocket message."""
        return self.socket.recv(timeout=seconds)

    def receive(self, seconds: float = 10.0) -> wire.Message:
        """The next message, news of members included; TimeoutError, or ConnectionClosed with code and reason."""
        message = wire.decode(self.next_bytes(seconds))
        if message.flag == wire.HANDSHAKE:
            for member in message.json()["members"]:
                self.members[member["name"]] = member["methods"]
        elif message.flag == wire.EVENTS:
            event = message.json()
            self.events.append((event["type"], event["member"]))
            if event["type"] != "connected":
                self.members.pop(event["member"], None)
        return message

    def shake_hands(self) -> wire.Message:
        """Sends the handshake and waits for its own answer."""
        self.send(wire.handshake(self.name))
        while True:
            answer = self.receive()
            if answer.uuid == 1 and answer.transmitter == self.name:
                break
        if answer.flag == wire.ERROR:
            raise RemoteError(*answer.json()["args"][0][:3])
        assert answer.flag == wire.HANDSHAKE
        return answer

    def wait_for_event(self, kind: str, member: str, seconds: float = 10.0) -> None:
        """Reads until that event has come."""
        deadline = time.monotonic() + seconds
        while (kind, member) not in self.events:
            self.receive(max(0.01, deadline - time.monotonic()))

    def wait_for_member(self, member: str, seconds: float = 10.0) -> None:
        """Reads until that member is known."""
        deadline = time.monotonic() + seconds
        while member not in self.members:
            self.receive(max(0.01, deadline - time.monotonic()))

    def start_call(self, function: str, *args, receiver: str, serde: str = "json", wait: int = 1, **kwargs) -> int:
        """Sends a call; returns its id."""
        self.uuid = self.uuid % 65535 + 1
        message = wire.Message(self.uuid, wire.REQUEST, transmitter=self.name, receiver=receiver, function=function,
                               return_result=wait)
        if serde == "json":
            message.payload = json.dumps({"args": args, "kwargs": kwargs}).encode()
        elif serde == "msgpack":
            message.decoder, message.is_bytes = wire.MSGPACK, 1
            message.payload = msgpack.packb([args, kwargs])
        else:
            value = args[0]
            message.decoder, message.is_bytes = wire.OPAQUE, int(isinstance(value, bytes))
            message.payload = value if isinstance(value, bytes) else value.encode()
        self.send(message)
        return self.uuid

    def finish_call(self, uuid: int, seconds: float = 10.0):
        """Waits for the answer of that call: its result, or RemoteError."""
        while True:
            answer = self.receive(seconds)
            if answer.uuid == uuid and answer.flag in (wire.RESPONSE, wire.ERROR):
                return self.result(answer)

    @staticmethod
    def result(answer: wire.Message):
        """What a RESPONSE holds; raises RemoteError for an ERROR."""
        if answer.decoder == wire.JSON:
            value = json.loads(answer.payload)["args"][0]
        elif answer.decoder == wire.MSGPACK:
            value = msgpack.unpackb(answer.payload)[0][0]
        else:
            value = answer.payload if answer.is_bytes else answer.payload.decode()
        if answer.flag == wire.ERROR:
            raise RemoteError(*(value[:3] if isinstance(value, list) else [value]))
        return value

    def call(self, function: str, *args, receiver: str = "w1", serde: str = "json", seconds: float = 10.0, **kwargs):
        """A call from beginning to end."""
        return self.finish_call(self.start_call(function, *args, receiver=receiver, serde=serde, **kwargs), seconds)

    def expect_close(self, seconds: float = 10.0) -> tuple[int, str]:
        """Reads on until the server closes; its code and reason."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.receive(max(0.01, deadline - time.monotonic()))
            except ConnectionClosed as closed:
                assert closed.rcvd is not None, "the connection ended without a close frame"
                return closed.rcvd.code, closed.rcvd.reason


class OwnPage(Page):
    """As daffi.js does: asks for the offer, and takes WebSocket messages of several daffi messages, or none."""

    def __init__(self, bridge, **options):
        self.queue: list[bytes] = []
        self.frames: list[int] = []  # how many daffi messages each WebSocket message had
        super().__init__(f"{bridge.ws_url}?daffi-bridge=1", **options)

    def shake_hands(self) -> wire.Message:
        answer = super().shake_hands()
        self.offer = answer.json()["meta"]["bridge"]
        return answer

    def next_bytes(self, seconds: float) -> bytes:
        while not self.queue:
            data = self.socket.recv(timeout=seconds)
            before = len(self.queue)
            if len(data) == 4:  # the notice of a large message
                continue
            while data:
                size = wire.size_at_front(data)
                self.queue.append(data[:size])
                data = data[size:]
            self.frames.append(len(self.queue) - before)
        return self.queue.pop(0)
