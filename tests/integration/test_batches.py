"""Batches and signs of life: what our own client, which asks by ?daffi-bridge=1, gets from the bridge, and nobody else."""

from __future__ import annotations

import select
import socket
import time

import pytest
import wire
from native import Native
from page import OwnPage, Page

UPGRADE = (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def masked(payload: bytes) -> bytes:
    """A binary frame of less than 126 bytes; the mask is zero."""
    return bytes([0x82, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


def calls(page, count, function="echo", size=10, first=100):
    """Requests, as bytes, with ids from `first`."""
    return [wire.request(page.name, "w1", function, "x" * size, uuid=first + i).encode() for i in range(count)]


def answers(page, count):
    """Reads until that many answers came; their ids in order."""
    ids = []
    while len(ids) < count:
        message = page.receive()
        if message.flag == wire.RESPONSE:
            ids.append(message.uuid)
    return ids


def test_the_offer_tells_the_bounds(configured):
    bridge = configured(limits={"batch_bytes": 1000, "message_bytes": 5000}, timeouts_ms={"heartbeat": 7000})
    with OwnPage(bridge) as page:
        assert page.offer == {"abi": 1, "maxMessage": 5000, "maxBatch": 1000, "heartbeat": 7000}
    with Page(bridge.ws_url, name=None) as page:
        page.name = "other"
        assert "bridge" not in page.shake_hands().json()["meta"]


def test_a_batch_of_calls_is_answered_each_once_and_in_batches(configured):
    bridge = configured()
    with OwnPage(bridge) as page:
        page.wait_for_member("w1")
        page.frames.clear()
        page.socket.send(b"".join(calls(page, 500)))
        assert sorted(answers(page, 500)) == list(range(100, 600))


def test_answers_that_come_together_go_on_together(house):
    bridge = house.bridge(None)
    with Native(bridge.port, "w1", ["echo"]) as worker, OwnPage(bridge) as page:
        page.wait_for_member("w1")
        page.socket.send(b"".join(calls(page, 500)))
        asked = [worker.wait_for(lambda message: message.flag == wire.REQUEST) for _ in range(500)]
        page.frames.clear()
        worker.send(*(worker.reply(request, "x") for request in asked))
        assert sorted(answers(page, 500)) == list(range(100, 600))
        assert len(page.frames) < 50, "one WebSocket message for each read of the worker"


def test_a_batch_is_taken_at_every_cut(configured):
    bridge = configured()
    with OwnPage(bridge) as page:
        page.wait_for_member("w1")
        for cut in range(1, 6):
            batch = calls(page, 6)
            page.socket.send(b"".join(batch[:cut]))
            page.socket.send(b"".join(batch[cut:]))
            assert sorted(answers(page, 6)) == list(range(100, 106))


@pytest.mark.parametrize("tail", [b"\x01", b"\x00" * 8, b"\xff" * 30])
def test_a_tail_that_is_no_message_ends_the_session_behind_what_was_whole(configured, tail):
    bridge = configured()
    with OwnPage(bridge) as page:
        page.wait_for_member("w1")
        page.socket.send(calls(page, 1)[0] + tail)
        code, reason = page.expect_close()
        assert code == 1002 and "message" in reason


def test_a_bad_message_in_a_batch_is_refused_alone(configured):
    bridge = configured()
    with OwnPage(bridge) as page:
        page.wait_for_member("w1")
        good, bad, other = calls(page, 1), wire.request(page.name, "w1", "echo", uuid=7), calls(page, 1, first=101)
        bad.payload = b'{"args":[1]'
        page.socket.send(good[0] + bad.encode() + other[0])
        seen = {}
        while len(seen) < 3:
            message = page.receive()
            if message.flag in (wire.RESPONSE, wire.ERROR):
                seen[message.uuid] = message.flag
        assert seen == {100: wire.RESPONSE, 7: wire.ERROR, 101: wire.RESPONSE}


def test_who_did_not_ask_may_not_batch_and_gets_one_each(configured):
    bridge = configured()
    with Page(bridge.ws_url) as page:
        page.wait_for_member("w1")
        ids = [page.start_call("echo", i, receiver="w1") for i in range(50)]
        for uuid in ids:
            page.finish_call(uuid)  # wire.decode takes exactly one message
        page.socket.send(b"".join(calls(page, 2)))
        assert page.expect_close()[0] == 1002


def test_before_the_handshake_is_answered_there_are_no_batches(configured):
    bridge = configured()
    with Page(f"{bridge.ws_url}?daffi-bridge=1", name=None) as page:
        page.name = "early"
        page.socket.send(wire.handshake("early").encode() + calls(page, 1)[0])
        assert page.expect_close()[0] == 1002


def test_a_batch_larger_than_the_bridge_said_is_refused_whole(configured):
    bridge = configured(limits={"batch_bytes": 1000})
    with OwnPage(bridge) as page:
        page.wait_for_member("w1")
        many = calls(page, 40)
        page.socket.send(b"".join(many))
        code, reason = page.expect_close()
        assert code == 1002 and f"{sum(map(len, many))} bytes; at most 1000" in reason
    with OwnPage(bridge) as page:
        page.wait_for_member("w1")
        page.socket.send(wire.request(page.name, "w1", "echo", "x" * 5000, uuid=9).encode())
        assert answers(page, 1) == [9], "one message alone may be larger"


def test_none_where_the_configuration_says_none(configured):
    bridge = configured(limits={"batch_bytes": 0})
    with OwnPage(bridge) as page:
        assert page.offer["maxBatch"] == 0
        page.wait_for_member("w1")
        page.socket.send(b"".join(calls(page, 2)))
        assert page.expect_close()[0] == 1002


def test_answers_too_large_for_a_batch_come_alone_and_in_order(configured):
    bridge = configured(limits={"batch_bytes": 4000})
    with OwnPage(bridge) as page:
        page.wait_for_member("w1")
        batch = [wire.request(page.name, "w1", "echo", "y" * size, uuid=10 + i).encode()
                 for i, size in enumerate([10, 3000, 10, 30000, 10, 10])]
        for message in batch:
            page.socket.send(message)
        assert sorted(answers(page, 6)) == list(range(10, 16))


# -- signs of life --


def wait_for_empty(page) -> None:
    """Reads until an empty message comes."""
    while page.socket.recv(timeout=10) != b"":
        pass


def test_our_client_gets_an_empty_message_each_interval(configured):
    bridge = configured(timeouts_ms={"heartbeat": 300, "heartbeat_answer": 5000})
    begun = time.monotonic()
    with OwnPage(bridge) as page:
        for _ in range(3):
            wait_for_empty(page)
        assert time.monotonic() - begun > 0.7  # since before it came: whoever is late, here or there, only adds to it


def test_our_client_gets_an_empty_message_when_it_asks(configured):
    bridge = configured(timeouts_ms={"heartbeat": 60_000})
    with OwnPage(bridge) as page:
        page.wait_for_member("w1")
        for _ in range(2):
            page.socket.send(b"")
            wait_for_empty(page)


def test_others_get_no_empty_messages_and_are_pinged(configured):
    bridge = configured(timeouts_ms={"heartbeat": 200, "heartbeat_answer": 5000})
    with Page(bridge.ws_url) as page:
        page.wait_for_member("w1")
        with pytest.raises(TimeoutError):
            while True:
                assert page.receive(1.0).flag != wire.REQUEST
        assert page.call("echo", 1) == 1  # its pongs, which the library sends, keep it


def test_one_that_answers_no_ping_is_closed_and_its_name_is_free(configured):
    bridge = configured(timeouts_ms={"heartbeat": 200, "heartbeat_answer": 300})
    with Page(bridge.ws_url, name="bystander") as bystander:
        with socket.create_connection(("127.0.0.1", bridge.port), 10) as silent:
            begun = time.monotonic()
            silent.sendall(UPGRADE + masked(wire.handshake("silent").encode()))
            bystander.wait_for_event("connected", "silent")
            bystander.wait_for_event("disconnected", "silent", 10)
            assert time.monotonic() - begun > 0.45
            silent.settimeout(10)
            try:
                while silent.recv(65536):
                    pass
            except ConnectionResetError:
                pass
        assert bystander.call("echo", 2) == 2
        with Page(bridge.ws_url, name="silent") as again:
            assert again.call("echo", 3) == 3
    bridge.wait_for("no sign of life for 500 ms")


def next_frame(connection) -> tuple[int, bytes]:
    """Opcode and payload of the next frame of a server."""
    def take(count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            assert more, "the connection ended"
            data += more
        return data
    first, length = take(2)
    if length >= 126:
        length = int.from_bytes(take(2 if length == 126 else 8), "big")
    return first & 15, take(length)


def next_ping(connection) -> None:
    while next_frame(connection)[0] != 9:
        pass


def greet(connection, name) -> None:
    """Upgrades and shakes hands by hand, up to the answer: nobody answers pings."""
    connection.settimeout(10)
    connection.sendall(UPGRADE)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += wire.receive(connection, 1)
    connection.sendall(masked(wire.handshake(name).encode()))
    while True:
        opcode, data = next_frame(connection)
        if opcode == 2 and data and wire.decode(data).transmitter == name:
            assert wire.decode(data).flag == wire.HANDSHAKE
            return


def test_one_that_is_still_sending_a_large_message_is_alive(configured):
    bridge = configured(timeouts_ms={"heartbeat": 100, "heartbeat_answer": 1500})  # less than the message takes, more than a busy machine stands still
    with socket.create_connection(("127.0.0.1", bridge.port), 10) as slow:
        greet(slow, "slow")
        message = wire.request("slow", "w1", "echo", "x" * 100000, uuid=7).encode()
        slow.sendall(b"\x82\xff" + len(message).to_bytes(8, "big") + b"\0\0\0\0")
        for begin in range(0, len(message), len(message) // 20 + 1):
            next_ping(slow)
            slow.sendall(message[begin:begin + len(message) // 20 + 1])
        while True:
            opcode, data = next_frame(slow)
            if opcode == 2 and data and wire.decode(data).flag == wire.RESPONSE:
                assert wire.decode(data).uuid == 7
                break


def test_one_that_is_still_taking_a_large_message_is_alive(configured):
    """The ping stands behind the message: what it acknowledges is its sign of life."""
    bridge = configured(timeouts_ms={"heartbeat": 100, "heartbeat_answer": 1500})  # less than the message takes, more than a busy machine stands still
    with socket.socket() as slow:
        # With room for several segments of the loopback's, of 64 KiB each: where one is about all that fits, the kernel finds the window
        # shut, and asks after ever longer pauses whether it has opened.
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262144)
        slow.connect(("127.0.0.1", bridge.port))
        greet(slow, "slow")
        message = wire.request("slow", "w1", "echo", "x" * 2_000_000, uuid=7).encode()
        slow.sendall(b"\x82\xff" + len(message).to_bytes(8, "big") + b"\0\0\0\0" + message)
        begun = time.monotonic()
        taken = 0
        while taken < len(message):
            data = slow.recv(65536)
            assert data, "given up while it took what it was sent"
            taken += len(data)
            while (time.monotonic() - begun) * 5e5 < taken:  # a line of 500 kB a second
                select.select([], [], [], 0.01)
        slow.sendall(masked(wire.request("slow", "w1", "echo", "after", uuid=8).encode()))
        end = b""
        while b"after" not in end:
            data = slow.recv(65536)
            assert data, "given up while it took what it was sent"
            end = end[-10:] + data


def test_a_page_that_speaks_is_left_in_peace(configured):
    bridge = configured(timeouts_ms={"heartbeat": 100, "heartbeat_answer": 1500})
    with OwnPage(bridge) as page:
        page.wait_for_member("w1")
        end = time.monotonic() + 2.0
        number = 0
        while time.monotonic() < end:
            number += 1
            page.socket.send(wire.request(page.name, "w1", "echo", number, uuid=number).encode())
            assert answers(page, 1) == [number]


def test_our_client_is_told_of_a_large_message_before_it_comes(configured):
    bridge = configured()
    with OwnPage(bridge) as page, Page(bridge.ws_url, name="other") as other:
        page.wait_for_member("w1")
        page.socket.send(calls(page, 1)[0])  # answered before, so that its batch is out
        assert answers(page, 1) == [100]
        page.socket.send(wire.request(page.name, "w1", "echo", "x" * 100000, uuid=7).encode())
        sizes = []
        while not sizes or sizes[-1] < 65536:
            sizes.append(len(data := page.socket.recv(timeout=10)))
            if sizes[-1] == 4:
                told = int.from_bytes(data, "little")
        assert sizes[-2] == 4 and told == sizes[-1]
        other.wait_for_member("w1")
        assert len(other.call("echo", "x" * 100000, receiver="w1")) == 100000  # and nobody else is: it takes daffi messages alone
