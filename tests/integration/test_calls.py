"""Calls through the bridge: every serde, over every kind of listener and upstream, to a Router's worker and to a Service."""

from __future__ import annotations

import hashlib
import os

import pytest
import wire
from page import Page, RemoteError
from processes import free_port

WAYS = [(kind, upstream, tls) for kind in ("router", "service") for upstream in ("tcp", "unix", "tls") for tls in (False, True)]


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}-over-{way[1]}-{'wss' if way[2] else 'ws'}")
def way(request, shared_house, certificate, tmp_path_factory):
    """A page connected through the bridge, and the member that answers it."""
    kind, upstream, tls = request.param
    port = free_port()
    if upstream == "unix":
        # The reference cuts the path at 26 bytes.
        path = f"/tmp/daffi-{os.getpid() % 100000}-{port}"
        where, url, more = ["--unix", path], f"unix:{path}", []
    elif upstream == "tls":
        where, more = ["--port", str(port), "--tls", "--cert", certificate.cert, "--key", certificate.key], []
        configuration = tmp_path_factory.mktemp("tls") / "bridge.json"
        configuration.write_text(f'{{"upstreams": {{"default": {{"url": "tls://127.0.0.1:{port}", "ca": "{certificate.cert}"}}}}}}')
        url, more = None, ["-c", str(configuration)]
    else:
        where, url, more = ["--port", str(port)], f"tcp://127.0.0.1:{port}", []
    from processes import Peer
    shared_house.keep(Peer(kind, *where))
    member = "service"
    if kind == "router":
        member = "w1"
        own = [part for part in where if part not in ("--cert", "--key", certificate.cert, certificate.key)]
        shared_house.keep(Peer("worker", *own, *(["--ca", certificate.cert] if upstream == "tls" else []), name="w1"))
    bridge = shared_house.bridge(url, *more, tls=tls)
    page = Page(bridge.ws_url, ca=certificate.cert)
    page.wait_for_member(member)
    yield page, member
    page.close()


@pytest.mark.parametrize("serde", ["json", "msgpack"])
@pytest.mark.parametrize("value", [None, True, 0, -1, 2**53 - 1, 2.5, "", "é€😀\x00", [], {}, [1, [2, {"a": [None, "x"]}]]], ids=repr)
def test_values(way, serde, value):
    page, member = way
    assert page.call("echo", value, receiver=member, serde=serde) == value


def test_msgpack_bytes(way):
    page, member = way
    assert page.call("echo", b"\x00\x01\xff", receiver=member, serde="msgpack") == b"\x00\x01\xff"


@pytest.mark.parametrize("value", [b"", b"\x00raw\xff", b'{"args": 1}', "text", "é"], ids=repr)
def test_raw(way, value):
    page, member = way
    assert page.call("echo", value, receiver=member, serde="raw") == value


def test_keyword_arguments(way):
    page, member = way
    assert page.call("add", 1, b=2, receiver=member) == 3
    assert page.call("add", 1, b=2, receiver=member, serde="msgpack") == 3


@pytest.mark.parametrize("serde", ["json", "msgpack", "raw"])
def test_errors_are_readable_whatever_the_serde(way, serde):
    page, member = way
    with pytest.raises(RemoteError) as caught:
        page.call("fail", "kaboom", receiver=member, serde=serde)
    assert caught.value.args[:3] == ("ValueError", "builtins", "kaboom")


def test_a_page_is_never_sent_pickle(way):
    page, member = way
    uuid = page.start_call("fail", "kaboom", receiver=member, serde="raw")
    while True:
        answer = page.receive()
        if answer.uuid == uuid and answer.flag == wire.ERROR:
            break
    assert answer.decoder == wire.JSON


def test_many_in_flight_are_answered_each_once(way):
    page, member = way
    calls = {page.start_call("add", number, 1000, receiver=member): number for number in range(500)}
    while calls:
        answer = page.receive()
        if answer.flag == wire.RESPONSE:
            assert page.result(answer) == calls.pop(answer.uuid) + 1000


def test_nowait_is_not_answered(way):
    page, member = way
    page.start_call("note", "kept", receiver=member, wait=0)
    assert "kept" in page.call("notes", receiver=member)


@pytest.mark.parametrize("size", [131071, 131072, 1 << 20, 8_000_000])
def test_large_raw_both_ways(way, size):
    page, member = way
    data = os.urandom(size)
    assert page.call("echo", data, receiver=member, serde="raw", seconds=60) == data
    assert page.call("digest", data, receiver=member, serde="msgpack", seconds=60) == f"{size} {hashlib.sha256(data).hexdigest()}"
