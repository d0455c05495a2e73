"""What the released package (3.0.1) does to its users, row by row: behind the bridge, none of it happens.

A bystander calls all the while. The bridge runs with its defaults, before a real Router with a real worker.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
import time

import msgpack
import pytest
import wire
from attacks import feed, reset
from page import Page, RemoteError
from websockets.exceptions import InvalidStatus

BODY = b'{"args":[1,2],"kwargs":{}}'


def refused(world, data: bytes | str, code: int) -> None:
    """The page that sends it is closed with that code, and nobody else notices."""
    page = Page(world.url, "culprit")
    page.send(data)
    got, reason = page.expect_close()
    assert (got, bool(reason)) == (code, True)
    world.check()


def answered(world, message: wire.Message, kind: str = "Refused") -> None:
    """The page that sends it gets an ERROR, its connection stays, and nobody else notices."""
    with Page(world.url, "culprit") as page:
        page.send(message)
        with pytest.raises(RemoteError) as caught:
            page.finish_call(message.uuid)
        assert caught.value.args[0] == kind
        assert page.call("add", 3, 4) == 7
    world.check()


def call(payload: bytes = BODY, metadata: bytes = b"culprit|w1|add", decoder: int = wire.JSON, is_bytes: int = 0, flag: int = wire.REQUEST,
         metadata_length: int | None = None, length: int | None = None) -> bytes:
    """A call with something wrong."""
    return wire.head(5, flag, decoder, is_bytes, 1, len(metadata) + len(payload) if length is None else length,
                     len(metadata) if metadata_length is None else metadata_length) + metadata + payload


def test_a_text_message_after_the_handshake(world):
    refused(world, "hello", 1003)


def test_a_message_of_131072_bytes_in_several_frames(world):
    """As Chromium sends it."""
    with Page(world.url, "culprit") as page:
        data = os.urandom(131_072)
        message = wire.Message(5, wire.REQUEST, wire.OPAQUE, 1, 1, "culprit", "w1", "echo", data).encode()
        page.socket.send([message[:131_072], message[131_072:131_080], b"", message[131_080:]])
        assert page.finish_call(5) == data
    world.check()


NO_MESSAGES = [
    ("four bars", call(metadata=b"culprit|w1|add||")),
    ("no bars", call(metadata=b"culprit")),
    ("metadata beyond the message", call(metadata_length=32_000)),
    ("five bytes", b"\5" * 5),
    ("no bytes", b""),
    ("flag 15", call(flag=15)),
]


@pytest.mark.parametrize("what, data", NO_MESSAGES)
def test_a_message_that_is_none(world, what, data):
    refused(world, data, 1002)


def test_a_handshake_whose_transmitter_is_not_its_member_s_name(world):
    page = Page(world.url, None)
    message = wire.handshake("culprit", uuid=5)
    message.transmitter = "somebody"
    page.send(message)
    assert page.expect_close()[0] == 1008
    world.check()


def test_events_from_a_client_then_a_request_to_it(world):
    page = Page(world.url, "culprit")
    page.send(wire.Message(5, wire.EVENTS, transmitter="culprit", payload=b'{"type":"connected","member":"x"}'))
    assert page.expect_close()[0] == 1008
    with Page(world.url, "caller") as caller:
        caller.start_call("add", 1, 2, receiver="culprit")
    world.check()


def test_a_second_entry_in_a_handshake_s_members(world):
    page = Page(world.url, None)
    message = wire.handshake("culprit", uuid=5)
    message.payload = json.dumps({"meta": {"type": "client"}, "members": [{"name": "culprit", "methods": None},
                                                                         {"name": "bystander", "methods": None}]}).encode()
    page.send(message)
    assert page.expect_close()[0] == 1008
    world.check()


class Mark:
    """Pickled, it makes a folder where it is loaded."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_request(world, tmp_path):
    mark = tmp_path / "ran"
    payload = pickle.dumps(((Mark(str(mark)),), {}))
    answered(world, wire.Message(5, wire.REQUEST, wire.PICKLE, 1, 1, "culprit", "w1", "echo", payload))
    assert not mark.exists()


UNDECODABLE = [
    ("JSON cut off", wire.JSON, BODY[:-1]),
    ("JSON without kwargs", wire.JSON, b'{"args":[1,2]}'),
    ("JSON array", wire.JSON, b"[[1,2],{}]"),
    ("JSON 100,000 deep", wire.JSON, b'{"args":[' + b"[" * 100_000 + b"]" * 100_000 + b'],"kwargs":{}}'),
    ("JSON integer of 5,000 digits", wire.JSON, b'{"args":[' + b"9" * 5_000 + b',1],"kwargs":{}}'),
    ("JSON no UTF-8", wire.JSON, b'{"args":["\xff","x"],"kwargs":{}}'),
    ("MSGPACK map as key", wire.MSGPACK, b"\x92\x91\x81\x80\x01\x80"),
    ("MSGPACK trailing byte", wire.MSGPACK, b"\x92\x92\x01\x02\x80\x00"),
    ("MSGPACK no UTF-8", wire.MSGPACK, b"\x92\x91\xa1\xff\x80"),
    ("MSGPACK wrong arity", wire.MSGPACK, b"\x93\x91\x01\x80\x80"),
    ("MSGPACK timestamp out of range", wire.MSGPACK, b"\x92\x91\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80"),
    ("OPAQUE text no UTF-8", wire.OPAQUE, b"\xff\xfe"),
]


@pytest.mark.parametrize("what, decoder, payload", UNDECODABLE)
def test_what_no_worker_can_decode(world, what, decoder, payload):
    answered(world, wire.Message(5, wire.REQUEST, decoder, int(decoder == wire.MSGPACK), 1, "culprit", "w1", "echo", payload))


def test_a_json_call_of_a_function_that_returns_bytes(make_world):
    """The configuration has to say which those are."""
    answered(make_world(policy={"function_serdes": {"picture": ["raw", "msgpack"]}}),
             wire.Message(5, wire.REQUEST, wire.JSON, 0, 1, "culprit", "w1", "picture", b'{"args":[3],"kwargs":{}}'))


@pytest.mark.parametrize("what, message, code", [
    ("request", wire.Message(5, wire.REQUEST, transmitter="bystander", receiver="w1", function="note", payload=b'{"args":["forged"],"kwargs":{}}'), 1008),
    ("response", wire.Message(5, wire.RESPONSE, transmitter="w1", receiver="bystander", function="add", payload=b'{"args": [666], "kwargs": {}}'), 1008),
    ("response under its own name", wire.Message(5, wire.RESPONSE, transmitter="culprit", receiver="bystander", function="add",
                                                 payload=b'{"args": [666], "kwargs": {}}'), 1008),
])
def test_under_another_client_s_name(world, what, message, code):
    refused(world, message.encode(), code)
    with Page(world.url, "asker") as page:
        assert "forged" not in page.call("notes")


def test_a_page_of_any_other_site(world):
    for origin in ("https://evil.example", "null", f"http://127.0.0.1.evil.example:{world.bridge.port}",
                   f"http://evil.example:{world.bridge.port}", f"http://127.0.0.1:{world.bridge.port}.evil.example", "file://", "",
                   f"http://x@127.0.0.1:{world.bridge.port}", f"http://127.0.0.1:{world.bridge.port}/"):
        with pytest.raises(InvalidStatus) as caught:
            Page(world.url, "culprit", additional_headers={"Origin": origin})
        assert caught.value.response.status_code == 403, origin
    world.check()


def test_a_newcomer_with_a_connected_name(world):
    with Page(world.url, "holder") as holder:
        with pytest.raises(RemoteError):
            Page(world.url, "holder").close()
        assert holder.call("add", 1, 2) == 3


def test_a_newcomer_with_the_name_of_a_worker(world):
    """Which is at the Router, past the bridge."""
    world.bridge.wait_for("upstream default is there")
    with pytest.raises(RemoteError) as caught:
        Page(world.url, "w1").close()
    assert caught.value.args[0] == "Refused" and "the name is taken" in caught.value.args[2]
    world.check()


def test_one_connection_that_sends_nothing(world):
    with socket.create_connection(("127.0.0.1", world.bridge.port)):
        with Page(world.url, "newcomer") as page:
            assert page.call("add", 1, 2) == 3
    world.check()


def test_a_peer_that_stops_reading(world):
    """Its worker's answers pile up: 60 MB of them, and the worker goes on answering everybody else."""
    slow = Page(world.url, "slow", max_queue=1)
    data = b"\0" * 4_000_000

    feeder = feed(slow, [wire.Message(5, wire.REQUEST, wire.OPAQUE, 1, 1, "slow", "w1", "echo", data)] * 15)
    began = time.monotonic()
    while time.monotonic() - began < 2.5:  # a worker that is not read dies after one second
        world.check()
    with Page(world.url, "newcomer") as page:
        assert page.call("add", 1, 2) == 3
    reset(slow)
    feeder.join(10)
    world.check()


def test_a_peer_that_stops_reading_does_not_freeze_a_service(make_world):
    world = make_world("service")
    slow = Page(world.url, "slow", max_queue=1)
    data = b"\0" * 4_000_000
    feeder = feed(slow, [wire.Message(5, wire.REQUEST, wire.OPAQUE, 1, 1, "slow", "service", "echo", data)] * 8)
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        world.check()
    reset(slow)
    feeder.join(10)
    world.check()


def test_connections_opened_and_closed_do_not_reach_the_router(world):
    """A Router leaks a descriptor for each connection: those that never prove themselves cost it none."""
    def descriptors(process) -> int:
        return len(os.listdir(f"/proc/{process.popen.pid}/fd"))

    with Page(world.url, "first"):
        pass
    before, ours = descriptors(world.upstream), descriptors(world.bridge)
    for number in range(100):
        with socket.create_connection(("127.0.0.1", world.bridge.port)) as connection:
            connection.sendall((b"", b"GET / HTTP/1.1\r\n", b"\x1f" * 9, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")[number % 4])
    world.check(50)
    assert descriptors(world.upstream) <= before
    deadline = time.monotonic() + 5
    while descriptors(world.bridge) > ours and time.monotonic() < deadline:
        world.check()
    assert descriptors(world.bridge) <= ours


def test_idle_connections_cost_the_bridge_little(make_world):
    """The real Router: 1.3 MB for each. Here they are 100 upgraded ones that say nothing more."""
    def resident() -> int:
        with open(f"/proc/{world.bridge.popen.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    world = make_world()
    warm = [Page(world.url, None) for _ in range(20)]
    before = resident()
    idle = [Page(world.url, None) for _ in range(100)]
    world.check()
    assert (resident() - before) / len(idle) < 65_536  # with AddressSanitizer; a few KB without
    for page in warm + idle:
        page.socket.socket.close()


def test_pings_and_unsolicited_pongs(world):
    with Page(world.url, "culprit") as page:
        page.socket.ping().wait(5)
        page.socket.pong(b"nobody asked")
        assert page.call("add", 1, 2) == 3
    world.check()


def test_tls_with_its_chain_and_checked(house):
    router = house.router()
    house.worker(router.port)
    bridge = house.bridge(router.port, tls=True)
    with Page(bridge.ws_url, "page", ca=house.certificate.cert) as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3


# Found by attacking: the real worker does not survive these either.


def test_a_call_whose_id_is_0(world):
    """The worker's native layer asserts when it answers it."""
    answered(world, wire.Message(0, wire.REQUEST, transmitter="culprit", receiver="w1", function="add", payload=BODY))


@pytest.mark.parametrize("receiver, function", [("w1", "add\0"), ("w1", "\0add"), ("w1\0", "add"), ("w1", "\0")])
def test_names_with_zero_bytes(world, receiver, function):
    """C takes `add\\0` for `add`; the answer then has a name that Python does not take."""
    answered(world, wire.Message(5, wire.REQUEST, transmitter="culprit", receiver=receiver, function=function, payload=BODY))


def test_who_leaves_before_its_answer_comes(make_world):
    """A Service dies of an answer to nobody."""
    world = make_world("service")
    for how in ("close", "vanish", "reset"):
        page = Page(world.url, f"culprit-{how}")
        page.start_call("slow", 0.3, receiver="service")
        page.start_call("no_such_function", receiver="service")
        if how == "close":
            page.close()
        elif how == "vanish":
            page.socket.socket.shutdown(socket.SHUT_RDWR)
        else:
            reset(page)
        world.check(3)


def test_msgpack_results_are_read_by_the_bystander_s_kin(world):
    """The other serdes go on beside all that."""
    with Page(world.url, "kin") as page:
        assert page.call("echo", [1, "é", None, b"\0"], serde="msgpack") == [1, "é", None, b"\0"]
        assert msgpack.unpackb(msgpack.packb([1])) == [1]
        assert page.call("echo", b"\0\xff", serde="raw") == b"\0\xff"
    world.check()
