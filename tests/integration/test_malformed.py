"""What a page may not send: nothing of it reaches the upstream, and no other peer notices.

Each case closes the connection with a code and a reason, or is answered with an ERROR and leaves it open.
"""

from __future__ import annotations

import pytest
import wire
from page import Page, RemoteError

GOOD = wire.request("page", "w1", "add", 1, 2)
META = b"page|w1|add"
BODY = b'{"args":[1,2],"kwargs":{}}'


def message(metadata: bytes = META, payload: bytes = BODY, flag: int = wire.REQUEST, decoder: int = wire.JSON, is_bytes: int = 0,
            length: int | None = None, metadata_length: int | None = None, parts: int = 1, endian: int = 1) -> bytes:
    """A message with one thing wrong."""
    total = len(metadata) + len(payload) if length is None else length
    return wire.head(5, flag, decoder, is_bytes, 1, total, len(metadata) if metadata_length is None else metadata_length, parts,
                     endian) + metadata + payload


CLOSING = {
    "text": ("hello", 1003),
    "empty": (b"", 1002),
    "five bytes": (b"\x05" * 5, 1002),
    "header alone": (message()[:9], 1002),
    "length too short": (message(length=len(META) + len(BODY) - 1), 1002),
    "length too long": (message(length=len(META) + len(BODY) + 1), 1002),
    "metadata beyond the message": (message(metadata_length=400), 1002),
    "no bars": (message(metadata=b"page"), 1002),
    "one bar": (message(metadata=b"page|w1"), 1002),
    "three bars": (message(metadata=b"page|w1|add|x"), 1002),
    "four bars": (message(metadata=b"||||"), 1002),
    "metadata no UTF-8": (message(metadata=b"page|\xff|add"), 1002),
    "flag 5": (message(flag=5), 1002),
    "flag 15": (message(flag=15), 1002),
    "two parts": (message(parts=2), 1002),
    "no parts": (message(parts=0), 1002),
    "big-endian": (message(endian=0), 1002),
    "another's name": (message(metadata=b"other|w1|add"), 1008),
    "no name": (message(metadata=b"|w1|add"), 1008),
    "second handshake": (wire.handshake("page", uuid=9).encode(), 1008),
    "events": (wire.Message(5, wire.EVENTS, transmitter="page", payload=b'{"type":"connected","member":"x"}').encode(), 1008),
    "a forged response": (wire.Message(5, wire.RESPONSE, transmitter="page", receiver="w1", function="add",
                                       payload=b'{"args": [1], "kwargs": {}}').encode(), 1008),
    "a forged error": (wire.Message(5, wire.ERROR, transmitter="page", receiver="w1", function="add",
                                    payload=b'{"args": [["a","b","c",null]], "kwargs": {}}').encode(), 1008),
}

ANSWERED = {
    "json cut off": message(payload=b'{"args":[1,2],"kwargs":{}'),
    "json without kwargs": message(payload=b'{"args":[1,2]}'),
    "json array": message(payload=b"[1,2]"),
    "json deep": message(payload=b'{"args":[' + b"[" * 100000 + b"]" * 100000 + b'],"kwargs":{}}'),
    "json long integer": message(payload=b'{"args":[' + b"9" * 5000 + b'],"kwargs":{}}'),
    "json no UTF-8": message(payload=b'{"args":["\xff"],"kwargs":{}}'),
    "json with something behind": message(payload=BODY + b"x"),
    "msgpack map as key": message(payload=b"\x92\x91\x81\x80\x01\x80", decoder=wire.MSGPACK, is_bytes=1),
    "msgpack byte behind": message(payload=b"\x92\x92\x01\x02\x80\x00", decoder=wire.MSGPACK, is_bytes=1),
    "msgpack no UTF-8": message(payload=b"\x92\x91\xa1\xff\x80", decoder=wire.MSGPACK, is_bytes=1),
    "msgpack wrong arity": message(payload=b"\x93\x91\x01\x80\x80", decoder=wire.MSGPACK, is_bytes=1),
    "msgpack timestamp out of range": message(payload=b"\x92\x91\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80", decoder=wire.MSGPACK, is_bytes=1),
    "msgpack cut off": message(payload=b"\x92\x92\x01", decoder=wire.MSGPACK, is_bytes=1),
    "opaque text no UTF-8": message(payload=b"\xff\xfe", decoder=wire.OPAQUE),
    "pickle": message(payload=b"\x80\x04K\x01.", decoder=wire.PICKLE, is_bytes=1),
}


@pytest.fixture(scope="module")
def world(shared_house):
    """The bridge before a real Router with a worker, and a bystander that must never notice anything."""
    router = shared_house.router()
    shared_house.worker(router.port)
    bridge = shared_house.bridge(router.port)
    with Page(bridge.ws_url, "bystander") as bystander:
        bystander.wait_for_member("w1")
        yield bridge, bystander


def unharmed(bystander: Page) -> None:
    """The bystander's connection, the bridge, the Router and the worker all go on."""
    assert bystander.call("add", 20, 22) == 42


@pytest.mark.parametrize("what", CLOSING)
def test_not_well_formed_closes_with_code_and_reason(world, what):
    bridge, bystander = world
    data, expected = CLOSING[what]
    page = Page(bridge.ws_url)
    page.send(data)
    code, reason = page.expect_close()
    assert (code, bool(reason)) == (expected, True)
    bystander.wait_for_event("disconnected", "page")
    bystander.events.clear()
    unharmed(bystander)


def test_the_log_says_who_and_what(house):
    """With a bridge of its own: how many lines a second peers can cause is bounded."""
    router = house.router()
    bridge = house.bridge(router.port)
    page = Page(bridge.ws_url, "culprit")
    page.send(CLOSING["four bars"][0])
    page.expect_close()
    bridge.wait_for(r"culprit.*127\.0\.0\.1.*two bars")


@pytest.mark.parametrize("what", ANSWERED)
def test_what_python_can_not_decode_is_answered_and_the_connection_stays(world, what):
    bridge, bystander = world
    with Page(bridge.ws_url) as page:
        page.send(ANSWERED[what])
        with pytest.raises(RemoteError) as caught:
            page.finish_call(5)
        kind, module, text = caught.value.args[:3]
        assert (kind, module) == ("Refused", "daffi_bridge")
        assert len(text) > 15
        assert page.call("add", 3, 4) == 7
    unharmed(bystander)


@pytest.mark.parametrize("what", ["before any", "transmitter differs", "two members", "comma", "bar", "empty name", "unknown field", "methods",
                                  "not JSON", "long name", "control character"])
def test_bad_handshakes_are_refused_before_the_upstream_hears_of_them(world, what):
    bridge, bystander = world
    good = wire.handshake("newcomer", uuid=3)

    def handshake(payload: str, transmitter: str = "newcomer") -> wire.Message:
        return wire.Message(3, wire.HANDSHAKE, transmitter=transmitter, payload=payload.encode())

    def named(name: str) -> wire.Message:
        return wire.handshake(name, uuid=3)

    cases = {
        "before any": wire.request("newcomer", "w1", "add", 1, 2, uuid=3),
        "transmitter differs": handshake(good.payload.decode(), "somebody"),
        "two members": handshake('{"meta":{"type":"client"},"members":[{"name":"newcomer","methods":null},{"name":"w1","methods":null}]}'),
        "comma": named("new,comer"),
        "bar": handshake('{"meta":{"type":"client"},"members":[{"name":"a|b","methods":null}]}', ""),
        "empty name": named(""),
        "unknown field": wire.handshake("newcomer", uuid=3, token="x"),
        "methods": wire.handshake("newcomer", uuid=3, methods=["add"]),
        "not JSON": handshake("{"),
        "long name": named("n" * 256),
        "control character": named("new\ncomer"),
    }
    page = Page(bridge.ws_url, None)
    page.send(cases[what])
    code, reason = page.expect_close()
    assert code in (1002, 1008)
    assert reason
    unharmed(bystander)
    assert not any(member != "page" for kind, member in bystander.events if kind == "connected")


def test_a_call_past_message_bytes_is_answered_and_the_connection_stays(world):
    bridge, bystander = world
    with Page(bridge.ws_url) as page:
        uuid = page.start_call("echo", b"\0" * 9_000_000, receiver="w1", serde="raw")
        with pytest.raises(RemoteError, match="8388608"):
            page.finish_call(uuid)
        assert page.call("add", 3, 4) == 7
    unharmed(bystander)


def test_past_the_wire_s_limit_is_1009(world):
    bridge, bystander = world
    page = Page(bridge.ws_url)
    page.send(b"\0" * 33_554_441)
    assert page.expect_close(30)[0] == 1009
    unharmed(bystander)
