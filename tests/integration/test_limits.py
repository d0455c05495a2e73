"""Bounds: who comes in, for how long one may be silent, who does not read; nobody else notices. Paths and the first bytes of a connection."""

from __future__ import annotations

import select
import socket
import time

import pytest
import wire
from page import Page, RemoteError
from websockets.exceptions import ConnectionClosed, WebSocketException

UPGRADE = (b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n")


def frame(payload: bytes, opcode: int = 2, final: bool = True) -> bytes:
    """A masked WebSocket frame of less than 126 bytes; the mask is zero."""
    return bytes([opcode | (0x80 if final else 0), 0x80 | len(payload)]) + b"\0\0\0\0" + payload


def dial(bridge) -> socket.socket:
    """A bare connection."""
    return socket.create_connection(("127.0.0.1", bridge.port), 10)


def read_to_end(connection: socket.socket) -> bytes:
    """All that comes until the bridge ends the connection."""
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def read_some(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        assert more, f"the connection ended after {data!r}"
        data += more
    return data


def upgraded(bridge, path: bytes = b"/", more: bytes = b"") -> socket.socket:
    """A bare connection, upgraded."""
    connection = dial(bridge)
    connection.sendall(UPGRADE % (path, more))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_some(connection, 1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return connection


def come_in(bridge, name: str, seconds: float = 10.0) -> Page:
    """A page, once there is room for it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return Page(bridge.ws_url, name)
        except (WebSocketException, OSError):
            if time.monotonic() > deadline:
                raise


@pytest.mark.parametrize("first", [b"", b"G", b"GET / HTTP/1.1\r\nHost:", b"\x1f\x1f\x1f"], ids=["nothing", "a letter", "half a head", "half a probe"])
def test_silence_is_ended_and_nobody_else_notices(configured, first):
    bridge = configured(timeouts_ms={"head": 300})
    with Page(bridge.ws_url) as page, dial(bridge) as silent:
        silent.sendall(first)
        began = time.monotonic()
        read_to_end(silent)
        assert 0.2 < time.monotonic() - began < 5
        page.wait_for_member("w1")
        assert page.call("add", 3, 4) == 7


def test_a_page_that_says_nothing_after_the_upgrade_is_ended(configured):
    bridge = configured(timeouts_ms={"handshake": 300})
    page = Page(bridge.ws_url, None)
    code, reason = page.expect_close()
    assert code == 1008
    assert "300 ms" in reason


def test_half_a_handshake_is_ended(configured):
    bridge = configured(timeouts_ms={"handshake": 300})
    with upgraded(bridge) as connection:
        connection.sendall(frame(wire.handshake("page").encode()[:20], final=False))
        assert b"\x03\xf0" in read_to_end(connection)


def test_connections_per_address(configured):
    bridge = configured(limits={"connections_per_address": 3})
    with Page(bridge.ws_url, "a") as page, Page(bridge.ws_url, "b"):
        third = Page(bridge.ws_url, "c")
        with dial(bridge) as fourth:
            assert read_to_end(fourth) == b""
        bridge.wait_for("connections_per_address")
        page.wait_for_member("w1")
        assert page.call("add", 3, 4) == 7
        third.close()
        page.wait_for_event("disconnected", "c")
        come_in(bridge, "d").close()  # "c" is gone for the Router; the bridge may yet have to see the end of its connection


def test_half_open_ones_are_limited_and_members_do_not_count(configured):
    bridge = configured(limits={"half_open": 2})
    with Page(bridge.ws_url, "a"), Page(bridge.ws_url, "b"), Page(bridge.ws_url, "c"):
        dialled = [dial(bridge) for _ in range(3)]
        refused = select.select(dialled, [], [], 10)[0]  # the event loops take them in an order of their own
        assert len(refused) == 1 and read_to_end(refused[0]) == b""
        bridge.wait_for("half_open")
        refused[0].close()
        one, two = (connection for connection in dialled if connection is not refused[0])
        with one, two:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert read_some(one, 12) == b"HTTP/1.1 200"
            two.sendall(b"\x1f" * 9)
            with Page(bridge.ws_url, "d"):
                pass


def test_a_page_that_does_not_read_is_closed_and_a_bystander_goes_on(configured):
    bridge = configured(timeouts_ms={"slow_consumer": 500}, limits={"queue_high": 65536})
    with Page(bridge.ws_url, "bystander") as bystander:
        bystander.wait_for_member("w1")
        slow = Page(bridge.ws_url, "slow", max_queue=1)
        with pytest.raises(ConnectionClosed):
            for _ in range(200):
                slow.start_call("echo", b"\0" * 1_000_000, receiver="w1", serde="raw")
        bystander.wait_for_event("disconnected", "slow", 20)
        bridge.wait_for('closed page "slow"')
        assert bystander.call("add", 20, 22) == 42


def test_a_page_that_reads_late_gets_everything(configured):
    """What it sends is held back while its answers wait, and goes on: no call is lost."""
    bridge = configured(limits={"queue_high": 65536})
    with Page(bridge.ws_url) as page:
        page.wait_for_member("w1")
        data = b"\1" * 100_000
        for _ in range(20):
            calls = [page.start_call("echo", data, receiver="w1", serde="raw") for _ in range(10)]
            for uuid in calls:
                assert page.finish_call(uuid, 30) == data


def test_paths_pick_the_upstream(house):
    first, second = house.router(), house.router()
    house.worker(first.port, "here")
    house.worker(second.port, "there")
    bridge = house.bridge(None, "--upstream", f"one=tcp://127.0.0.1:{first.port}", "--upstream", f"two=tcp://127.0.0.1:{second.port}")
    for path, member in (("", "here"), ("one", "here"), ("two", "there"), ("two?x=1", "there")):
        with Page(bridge.ws_url + path) as page:
            page.wait_for_member(member)
            assert page.call("whoami", receiver=member) == member
    page = Page(bridge.ws_url + "three", None)
    page.send(wire.handshake("page", uuid=5))
    with pytest.raises(RemoteError, match='no upstream called "three"; there are: one, two'):
        Page.result(page.receive())
    assert page.expect_close()[0] == 1008


def test_only_our_own_client_is_told_of_the_bridge(configured):
    bridge = configured(limits={"message_bytes": 5_000_000})
    page = Page(bridge.ws_url, None)
    page.name = "plain"
    assert set(page.shake_hands().json()["meta"]) == {"type", "error"}
    page.close()
    page = Page(bridge.ws_url + "?a=b&daffi-bridge=1", None)
    page.name = "ours"
    offer = page.shake_hands().json()["meta"]["bridge"]
    assert (offer["abi"], offer["maxMessage"]) == (1, 5_000_000)
    page.close()


def test_bytes_behind_a_refused_upgrade_are_no_frames(configured):
    bridge = configured()
    behind = frame(wire.handshake("smuggled").encode())
    with Page(bridge.ws_url, "bystander") as bystander, dial(bridge) as connection:
        connection.sendall(UPGRADE % (b"/", b"Origin: https://evil.example\r\n") + behind)
        assert read_to_end(connection).startswith(b"HTTP/1.1 403 ")
        bystander.wait_for_member("w1")
        assert bystander.call("add", 20, 22) == 42
        assert ("connected", "smuggled") not in bystander.events
    bridge.wait_for("--allow-origin https://evil.example")


def test_bytes_behind_an_accepted_upgrade_are_frames(configured):
    bridge = configured()
    with Page(bridge.ws_url, "bystander") as bystander, dial(bridge) as connection:
        connection.sendall(UPGRADE % (b"/", b"") + frame(wire.handshake("prompt").encode()))
        bystander.wait_for_event("connected", "prompt")


def test_pings_are_answered_and_a_flood_of_them_is_bounded(configured):
    bridge = configured(timeouts_ms={"handshake": 60000}, limits={"queue_high": 65536})
    with upgraded(bridge) as connection:
        connection.sendall(frame(b"are you there", 9))
        assert read_some(connection, 15) == b"\x8a\x0dare you there"
        connection.settimeout(30)
        flood = frame(b"x" * 120, 9) * 1000
        for _ in range(100):
            connection.sendall(flood)
        connection.sendall(frame(b"\x03\xe8", 8))
        assert read_to_end(connection).endswith(b"\x88\x02\x03\xe8")


def test_requests_are_answered_in_turn_however_they_come(configured):
    bridge = configured()
    with dial(bridge) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50
                           + b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answers = read_to_end(connection)
    assert answers.count(b"HTTP/1.1 200 ") == 50
    assert answers.count(b"HTTP/1.1 404 ") == 1


def test_a_head_byte_by_byte(configured):
    bridge = configured()
    with dial(bridge) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")


def test_a_handshake_in_fragments_of_a_byte(configured):
    bridge = configured()
    with upgraded(bridge) as connection:
        message = wire.handshake("slowly").encode()
        connection.sendall(frame(message[:1], 2, False))
        for byte in message[1:-1]:
            connection.sendall(frame(bytes([byte]), 0, False))
        connection.sendall(frame(message[-1:], 0, True))
        header = read_some(connection, 2)
        assert header[0] == 0x82
