"""Peers that vanish in each state, say too much in each state, or stay where they are: everything of theirs is given back."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import threading
import time

import pytest
import wire
from attacks import UPGRADE, descriptors, dial, feed, frame, read_to_end, read_until, reset, site_port, upgraded
from page import Page, RemoteError
from websockets.exceptions import ConnectionClosed

HELLO = b"GET /daffi.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SHAKE = frame(wire.handshake("culprit").encode())
CLOSE = frame(b"\x03\xe8", opcode=8)


def settled(world, before: int, seconds: float = 6.0) -> None:
    """The bridge has as many descriptors open again as before."""
    until = time.monotonic() + seconds
    while descriptors(world.bridge) > before and time.monotonic() < until:
        world.check(2)
    assert descriptors(world.bridge) <= before, f"{descriptors(world.bridge)} descriptors, {before} before"


def no_answer(page: Page, seconds: float = 0.3) -> None:
    """For so long nothing comes but news of others."""
    until = time.monotonic() + seconds
    with contextlib.suppress(TimeoutError):
        while time.monotonic() < until:
            assert page.receive(max(0.01, until - time.monotonic())).flag in (wire.EVENTS, wire.HANDSHAKE)


STATES = {
    "accepted": [],
    "in the head": [b"GET / HTTP/1.1\r\nHost: 127.0."],
    "in the probe": [b"\x1f\x1f\x1f"],
    "native, before the handshake": [wire.PROBE],
    "native, in the handshake": [wire.PROBE + wire.handshake("culprit").encode()[:40]],
    "native, attaching": [wire.PROBE + wire.handshake("culprit").encode()],
    "site being asked": [b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"],
    "asset on its way": [HELLO * 50],
    "upgraded": [UPGRADE],
    "in a frame's header": [UPGRADE, SHAKE[:1]],
    "in the handshake": [UPGRADE, SHAKE[:30]],
    "attaching": [UPGRADE, SHAKE],
    "upgrade, handshake and call at once": [UPGRADE + SHAKE + frame(wire.request("culprit", "w1", "add", 1, 2).encode())],
    "a second handshake racing the first's answer": [UPGRADE + SHAKE + SHAKE],
    "closing": [UPGRADE, SHAKE, CLOSE],
    "closing at once": [UPGRADE + CLOSE],
    "behind a fault": [UPGRADE, SHAKE, b"\xff\xff\xff\xff"],
}


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize("state", STATES)
def test_who_vanishes(world, state, how):
    before = descriptors(world.bridge)
    for _ in range(3):
        connection = dial(world.bridge)
        for part in STATES[state]:
            connection.sendall(part)
        if how == "end":
            connection.close()
        else:
            reset(connection)
    world.check(2)
    settled(world, before)


@pytest.mark.parametrize("bytes_sent", [0, 1, 5, 100, 300])
def test_who_vanishes_in_tls(house, certificate, bytes_sent):
    bridge = house.bridge("tcp://127.0.0.1:9", tls=True)
    before = descriptors(bridge)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    data = outgoing.read()[:bytes_sent]
    for how in (socket.socket.close, reset) * 3:
        connection = dial(bridge)
        connection.sendall(data)
        how(connection)
    until = time.monotonic() + 6
    while descriptors(bridge) > before and time.monotonic() < until:
        time.sleep(0.02)
    assert descriptors(bridge) <= before


def test_half_open_ones_by_the_hundred(world):
    """As many as one address may have, all in other states; members come and go beside them."""
    before = descriptors(world.bridge)
    crowd = []
    for number in range(480):
        connection = dial(world.bridge)
        connection.sendall([b"", b"G", UPGRADE[:50], b"\x1f", UPGRADE, UPGRADE + SHAKE[:9]][number % 6])
        crowd.append(connection)
    with Page(world.url, "newcomer") as page:
        assert page.call("add", 1, 2) == 3
    world.check()
    for connection in crowd:
        connection.close()
    settled(world, before)


def test_close_handshakes_that_cross(world):
    """The page's own close frame is under way while the bridge sends one: each gets the other's, and an end."""
    for data in (b"hello", b""):
        connection = upgraded(world.bridge, "crossing")
        connection.sendall(frame(data, opcode=1) + CLOSE + frame(b"late") + b"\x88")
        assert b"\x03\xeb" in read_to_end(connection)
        connection.close()
    world.check()


def test_a_close_that_is_not_answered_ends(world):
    """The bridge has said 1003; the page neither answers nor goes."""
    with upgraded(world.bridge, "stubborn") as connection:
        connection.sendall(frame(b"hello", opcode=1))
        connection.settimeout(10)
        assert b"\x03\xeb" in read_to_end(connection, 10)


def test_everything_in_fragments_of_one_byte(world):
    """Handshake, call and pings in between, each byte a frame, each frame in two writes."""
    def pieces(data: bytes) -> list[bytes]:
        frames = [frame(data[at:at + 1], opcode=2 if at == 0 else 0, final=at == len(data) - 1) for at in range(len(data))]
        return [one + frame(b"p", opcode=9) + frame(b"", opcode=0, final=False) if number < len(frames) - 1 else one
                for number, one in enumerate(frames)]

    call = wire.request("culprit", "w1", "add", 40, 2, uuid=9).encode()
    with dial(world.bridge) as connection:
        connection.sendall(UPGRADE)
        read_until(connection, b"\r\n\r\n")
        for piece in pieces(wire.handshake("culprit").encode()):
            connection.sendall(piece[:3])
            connection.sendall(piece[3:])
        read_until(connection, b'"members":[')
        for piece in pieces(call):
            connection.sendall(piece)
        read_until(connection, b'{"args": [42], "kwargs": {}}')
    world.check()


@pytest.mark.parametrize("attached", [False, True])
def test_too_much(make_world, attached):
    """Past the wire's limit at once; before the handshake is answered far less, once its head is there or its time is over."""
    world = make_world(timeouts_ms={"handshake": 500})
    with upgraded(world.bridge, "culprit" if attached else None) as connection:
        connection.sendall(frame(b"\0" * 100, length=33_554_441 if attached else 65_537))
        assert b"\x03\xf1" in read_to_end(connection) or not attached
    world.check()


def test_an_id_in_use_is_the_page_s_own_affair(world):
    """Calls with one id: the later one takes the place of the earlier, so there is one answer, and none for anybody else."""
    with Page(world.url, "culprit") as page:
        for seconds in (0.25, 0.01, 0.02):  # all three are with the worker before it answers the first
            page.send(wire.request("culprit", "w1", "slow", seconds, uuid=7))
        assert Page.result(page.receive()) in (0.25, 0.01, 0.02)
        page.start_call("add", 1, 2, receiver="w1", wait=0)
        no_answer(page)
    world.check()


def test_refusals_of_calls_that_nobody_waits_for_are_silent(world):
    with Page(world.url, "culprit") as page:
        page.send(wire.Message(5, wire.REQUEST, wire.PICKLE, 1, 0, "culprit", "w1", "echo", b"\x80\x04."))
        page.send(wire.Message(6, wire.REQUEST, wire.JSON, 0, 0, "culprit", "w1", "echo", b"{"))
        no_answer(page)
        assert page.call("add", 1, 2) == 3
    world.check()


def test_the_site_s_own_port_answers_nobody(world):
    port = site_port(world.bridge)
    for request in (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET /_bridge/ HTTP/1.0\r\n\r\n",
                    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", b"GET / HTTP/1.1\r\nX-Daffi-Secret: " + b"0" * 64 + b"\r\n\r\n",
                    b"\r\n" * 3000, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            with contextlib.suppress(OSError):  # it may have hung up already
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            assert read_to_end(connection) == b""
    world.check()


@pytest.mark.parametrize("host, status", [
    ("127.0.0.1:{port}", 101), ("LOCALHOST", 101), ("localhost:1", 101), ("[::1]:{port}", 101), ("[::1]", 101), ("app.localhost", 101),
    ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil.example", 403), ("localhost:", 403), ("localhost:x", 403),
    ("[::1", 403), ("::1", 403), ("[::ffff:8.8.8.8]", 403), ("localhost:99999", 403), ("127.1", 403), ("2130706433", 403), ("0x7f.1", 403),
    ("localhost:80:80", 403), ("localhost, evil.example", 400), ("a@localhost", 400), ("localhost/", 400), ("", 400),
])
def test_host(world, host, status):
    with dial(world.bridge) as connection:
        text = host.format(port=world.bridge.port).encode()
        connection.sendall(UPGRADE.replace(b"Host: 127.0.0.1", b"Host: " + text))
        connection.shutdown(socket.SHUT_WR)
        got = read_to_end(connection)[9:12]
        assert got == str(status).encode() or (got, status) == (b"400", 403)


@pytest.mark.parametrize("request_bytes", [
    HELLO.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n") + b"hello",
    HELLO.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") + b"0\r\n\r\n",
    HELLO.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n") + b"hello",
    HELLO.replace(b"\r\n\r\n", b"\r\nContent-Length: +0\r\n\r\n"),
    HELLO.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: identity\r\n\r\n"),
    HELLO.replace(b"\r\nHost", b"\r\nHost : x\r\nHost"),
    HELLO.replace(b"\r\nHost", b"\r\n Host: x\r\nHost"),
    HELLO.replace(b"\r\nHost", b"\nHost"),
    HELLO.replace(b"\r\n\r\n", b"\r\nX: a\0b\r\n\r\n"),
    HELLO.replace(b"\r\n\r\n", b"\r\nX: a\r\r\n\r\n"),
    b"\r\n" + HELLO,
    UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"),
    UPGRADE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
    b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
], ids=range(15))
def test_where_a_request_ends_is_never_a_question(world, request_bytes):
    """One refusal, and the connection ends: what stands behind is never a request."""
    with dial(world.bridge) as connection:
        connection.sendall(request_bytes + HELLO + UPGRADE)
        data = read_to_end(connection)
        assert data[9:11] in (b"40", b"50")
        assert data.count(b"HTTP/1.1 ") == 1
    world.check(1)


def test_a_router_killed_in_the_middle_of_a_message(make_world):
    """Pages hear of it at once, and the bridge goes on."""
    world = make_world()
    world.bystander.leave()
    pages = [Page(world.url, f"page{number}") for number in range(3)]
    for page in pages:
        feed(page, [wire.Message(5, wire.REQUEST, wire.OPAQUE, 1, 1, page.name, "w1", "echo", b"\0" * 7_000_000)] * 2)
    pages[0].receive()
    world.house.kill(world.upstream)
    for page in pages:
        with pytest.raises((ConnectionClosed, AssertionError)) as caught:
            while True:
                page.receive()
        assert caught.value.rcvd is None or caught.value.rcvd.code == 1012
    with pytest.raises(RemoteError) as refusal:
        Page(world.url, "late")
    assert "can't be reached" in refusal.value.args[2]
    world.bystander = type("Gone", (), {"leave": staticmethod(lambda: None)})


def test_sigterm_with_peers_that_are_stuck(make_world):
    """In each state one, none of which goes by itself: the bridge ends within the drain."""
    world = make_world(timeouts_ms={"drain": 1000})
    stuck = []
    for parts in STATES.values():
        connection = dial(world.bridge)
        for part in parts:
            connection.sendall(part)
        stuck.append(connection)
    full = Page(world.url, "full", max_queue=1)
    feed(full, [wire.Message(5, wire.REQUEST, wire.OPAQUE, 1, 1, "full", "w1", "echo", b"\0" * 4_000_000)] * 4)
    world.check()
    world.bystander.leave()
    began = time.monotonic()
    world.bridge.popen.send_signal(signal.SIGTERM)
    assert world.bridge.popen.wait(10) == 0
    assert time.monotonic() - began < 4
    for connection in stuck:
        connection.close()
    reset(full)


class Upstream:
    """A server that takes a handshake, answers it as a Router does, then does what the test wants: `behave(connection, page's name)`."""

    def __init__(self, behave):
        self.behave = behave
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        data = b""
        while (size := wire.size_at_front(data[9:])) is None or len(data) < 9 + size:
            data += wire.receive(connection)
        shake = wire.decode(data[9:9 + size])
        name = shake.transmitter
        shake.payload = b'{"meta":{"type":"router","error":null},"members":[{"name":"w1","methods":["add"]}]}'
        if not name.startswith("culprit"):
            connection.sendall(shake.encode())
            while more := connection.recv(65_536):
                call = wire.decode(more)
                connection.sendall(wire.Message(call.uuid, wire.RESPONSE, wire.JSON, 0, 0, "w1", name, call.function,
                                                b'{"args": [3], "kwargs": {}}').encode())
            return
        try:
            self.behave(connection, shake)
        except OSError:
            pass
        connection.close()


def answer(shake: wire.Message, **more) -> bytes:
    """An answer to the page's call number 2."""
    fields = {"uuid": 2, "flag": wire.RESPONSE, "transmitter": "w1", "receiver": shake.transmitter, "function": "add", "return_result": 0,
              "payload": b'{"args": [3], "kwargs": {}}', **more}
    return wire.Message(**fields).encode()


def called(connection: socket.socket, shake: wire.Message, calls: int = 1) -> None:
    """Answers the handshake and waits for the page's first calls."""
    connection.sendall(shake.encode())
    data = b""
    while calls > 0:
        data += wire.receive(connection)
        while (size := wire.size_at_front(data)) is not None and len(data) >= size:
            data = data[size:]
            calls -= 1


def told(connection: socket.socket) -> None:
    """Waits until the page has gone."""
    while connection.recv(65_536):
        pass


MISBEHAVIOUR = {
    "garbage instead of an answer": lambda c, s: (c.sendall(b"\xff" * 100), told(c)),
    "HTTP": lambda c, s: (c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), told(c)),
    "half a header and the end": lambda c, s: c.sendall(s.encode()[:5]),
    "half an answer and the end": lambda c, s: c.sendall(s.encode()[:30]),
    "another's receiver": lambda c, s: (c.sendall(s.encode() + answer(s, receiver="bystander")), told(c)),
    "no receiver": lambda c, s: (c.sendall(s.encode() + answer(s, receiver="")), told(c)),
    "four bars": lambda c, s: (c.sendall(s.encode() + answer(s, function="||")), told(c)),
    "flag 9": lambda c, s: (c.sendall(s.encode() + wire.head(2, 9, 1, 0, 0, 2, 2) + b"||"), told(c)),
    "a handshake that is none": lambda c, s: (c.sendall(s.encode() + wire.Message(0, wire.HANDSHAKE, payload=b"[]").encode()), told(c)),
    "a handshake 5,000 deep": lambda c, s: (c.sendall(s.encode() + wire.Message(0, wire.HANDSHAKE, payload=b"[" * 5000).encode()), told(c)),
    "an event that is none": lambda c, s: (c.sendall(s.encode() + wire.Message(0, wire.EVENTS, payload=b'{"type":"x"}').encode()), told(c)),
    "metadata no UTF-8": lambda c, s: (c.sendall(s.encode() + wire.head(2, 2, 1, 0, 0, 4, 4) + b"\xff||x"), told(c)),
    "33 MB on and on": lambda c, s: (called(c, s, 6), [c.sendall(answer(s, uuid=uuid, decoder=wire.OPAQUE, is_bytes=1,
                                                                        payload=b"\0" * 33_000_000)) for uuid in range(2, 8)], told(c)),
}


@pytest.mark.parametrize("what", MISBEHAVIOUR)
def test_an_upstream_that_misbehaves_ends_that_session_alone(house, what):
    upstream = Upstream(MISBEHAVIOUR[what])
    bridge = house.bridge(upstream.port)
    with Page(bridge.ws_url, "bystander") as bystander:
        culprit = Page(bridge.ws_url, None, max_queue=1)
        culprit.send(wire.handshake("culprit"))
        if what == "33 MB on and on":
            assert culprit.receive().flag == wire.HANDSHAKE
            culprit.name = "culprit"
            for _ in range(6):
                culprit.start_call("add", 1, 2, receiver="w1")
            bridge.wait_for("closed page \"culprit\".*queue_bytes")
            reset(culprit)
        else:
            assert culprit.expect_close()[0] in (1011, 1012, 1013)
            bridge.wait_for(r'warning +(upstream lost by|refused) page "culprit" from 127.0.0.1, upstream default: .+')
        assert bystander.call("add", 1, 2) == 3


@pytest.mark.parametrize("what, more, expected", [
    ("text that is no UTF-8", {"flag": wire.ERROR, "decoder": wire.OPAQUE, "payload": b"\xff\xfe broken"}, None),
    ("a pickle that is none", {"flag": wire.ERROR, "decoder": wire.PICKLE, "is_bytes": 1, "payload": b"\x80\x04cos\nsystem\n"}, "Remote"),
    ("a pickled answer", {"decoder": wire.PICKLE, "is_bytes": 1, "payload": b"\x80\x04K\x01."}, "Refused"),
    ("1 MB of text", {"flag": wire.ERROR, "decoder": wire.OPAQUE, "payload": b"x" * 1_000_000}, None),
    ("no text", {"flag": wire.ERROR, "decoder": wire.OPAQUE, "payload": b""}, None),
])
def test_strange_errors_arrive_as_readable_ones(house, what, more, expected):
    upstream = Upstream(lambda c, s: (called(c, s), c.sendall(answer(s, **more)), told(c)))
    bridge = house.bridge(upstream.port)
    with Page(bridge.ws_url, "culprit") as page:
        with pytest.raises(RemoteError) as caught:
            page.call("add", 1, 2)
        assert expected is None or caught.value.args[0].startswith(expected)
