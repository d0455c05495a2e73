"""A relay before a real server: it tells which daffi messages went there, by which connection and in which order, and can hold
them back, as a network or a busy server would."""

from __future__ import annotations

import contextlib
import socket
import threading

import wire


class Leg:
    """A connection through the relay. `sent` are the messages that its peer has sent so far, those that are held back, too."""

    def __init__(self, relay: Relay, near: socket.socket, far: socket.socket):
        self.sent: list[wire.Message] = []
        self._relay, self._near, self._far = relay, near, far

    def start(self) -> None:
        """Passes on what comes, from now on."""
        for run in self._up, self._down:
            threading.Thread(target=run, daemon=True).start()

    @property
    def name(self) -> str | None:
        """Of the member whose connection it is; None before its handshake."""
        return self.sent[0].transmitter if self.sent else None

    def _up(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            probe = b""
            while len(probe) < len(wire.PROBE):
                probe += wire.receive(self._near, len(wire.PROBE) - len(probe))
            self._far.sendall(probe)  # never held back: a real Router accepts nobody else before it has come
            buffer = b""
            while data := self._near.recv(65536):
                buffer += data
                passed = b""
                while (size := wire.size_at_front(buffer)) is not None and len(buffer) >= size:
                    message = wire.decode(buffer[:size])
                    self._relay.note(self, message)
                    is_receipt = message.function == "daffi-bridge-receipt"
                    passed += b"" if is_receipt and not self._relay.gives_receipts else buffer[:size]
                    buffer = buffer[size:]
                self._relay.wait_for_release(self)
                self._far.sendall(passed)
            self._relay.wait_for_release(self)
            self._far.shutdown(socket.SHUT_WR)

    def _down(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._far.recv(65536):
                self._near.sendall(data)
        with contextlib.suppress(OSError):
            self._near.shutdown(socket.SHUT_WR)


class Relay:
    """Listens on `port` of the loopback, and passes what comes on to `to`, another one."""

    def __init__(self, to: int):
        self.legs: list[Leg] = []
        self._to = to
        self._held: set[str] = set()
        self.gives_receipts = True  # else what asks for one goes no further
        self._news = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                leg = Leg(self, near, far)
                self.legs.append(leg)  # before anything comes by it
                leg.start()

    def note(self, leg: Leg, message: wire.Message) -> None:
        """A message was sent."""
        with self._news:
            leg.sent.append(message)
            self._news.notify_all()

    def wait_for_release(self, leg: Leg) -> None:
        """Returns when the leg is not held back."""
        with self._news:
            self._news.wait_for(lambda: leg.name not in self._held)

    def legs_of(self, name: str) -> list[Leg]:
        """Those whose handshake has that name, the oldest first."""
        return [leg for leg in self.legs if leg.name == name]

    def hold(self, name: str) -> None:
        """What members of that name send from now on goes no further, until `release`."""
        with self._news:
            self._held.add(name)

    def release(self, name: str) -> None:
        """What was held back goes on."""
        with self._news:
            self._held.discard(name)
            self._news.notify_all()

    def wait_for(self, is_it, seconds: float = 10.0) -> None:
        """Until that is so of what was sent: `is_it(relay)`, asked after each message."""
        with self._news:
            assert self._news.wait_for(lambda: is_it(self), seconds), [leg.sent for leg in self.legs]

    def close(self) -> None:
        """No newcomers any more."""
        self._listener.close()
