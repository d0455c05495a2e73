"""What is lost: upstreams that are not there, go, come back; pages that vanish; the bridge's own end."""

from __future__ import annotations

import pytest
import json
import socket
import wire
from page import Page, RemoteError
from processes import free_port


def test_upstream_not_there_is_a_readable_error_then_1013(house):
    bridge = house.bridge(free_port())
    page = Page(bridge.ws_url, None)
    page.send(wire.handshake("page", uuid=7))
    answer = page.receive()
    assert (answer.flag, answer.uuid, answer.decoder, answer.transmitter) == (wire.ERROR, 7, wire.JSON, "page")
    kind, module, text = answer.json()["args"][0][:3]
    assert (kind, module) == ("Refused", "daffi_bridge")
    assert "upstream" in text
    code, reason = page.expect_close()
    assert code == 1013
    assert "upstream" in reason


def test_upstream_that_accepts_and_stays_silent_runs_into_the_deadline(house, tmp_path):
    configuration = tmp_path / "bridge.json"
    configuration.write_text('{"timeouts_ms": {"upstream_connect": 300}}')
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bridge = house.bridge(silent.getsockname()[1], "-c", str(configuration))
        with pytest.raises(RemoteError, match="upstream"):
            Page(bridge.ws_url)


def test_upstream_lost_is_1012_and_its_return_is_noticed(house):
    router = house.router()
    bridge = house.bridge(router.port)
    page = Page(bridge.ws_url)
    house.kill(router)
    code, reason = page.expect_close()
    assert code == 1012
    assert "upstream" in reason
    with pytest.raises(RemoteError):
        Page(bridge.ws_url)
    house.router(router.port)
    house.worker(router.port)
    with Page(bridge.ws_url) as again:
        again.wait_for_member("w1")
        assert again.call("add", 1, 2) == 3


def test_a_page_that_vanishes_leaves_the_router(house):
    router = house.router()
    bridge = house.bridge(router.port)
    with Page(bridge.ws_url, "stays") as stays:
        gone = Page(bridge.ws_url, "goes")
        stays.wait_for_event("connected", "goes")
        gone.socket.socket.shutdown(socket.SHUT_RDWR)
        stays.wait_for_event("disconnected", "goes")


def test_sigterm_tells_the_pages_and_ends_with_0(house):
    router = house.router()
    bridge = house.bridge(router.port)
    page = Page(bridge.ws_url)
    bridge.terminate()
    code, reason = page.expect_close()
    assert code == 1001
    assert reason
    house.end(bridge)


def test_a_malformed_answer_of_the_upstream_ends_that_session_alone(house, tmp_path):
    """An upstream of our own that speaks nonsense after the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        file = tmp_path / "bridge.json"
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        file.write_text(json.dumps({"upstreams": {"default": {"url": url, "watch": False}}}))
        bridge = house.bridge(None, "-c", str(file))
        page = Page(bridge.ws_url, None)
        page.send(wire.handshake("page"))
        leg, _ = server.accept()
        with leg:
            received = b""
            while len(received) < 9 or wire.size_at_front(received[9:]) is None or len(received) < 9 + wire.size_at_front(received[9:]):
                received += wire.receive(leg)
            assert received[:9] == wire.PROBE
            greeting = wire.decode(received[9:])
            assert greeting.json() == {"meta": {"type": "client"}, "members": [{"name": "page", "methods": None}]}
            greeting.payload = b'{"meta":{"type":"router","error":null},"members":[{"name":"page","methods":null}]}'
            leg.sendall(greeting.encode())
            assert page.receive().flag == wire.HANDSHAKE
            leg.sendall(wire.head(5, 9, 0, 0, 0, 3, 2) + b"||x")
            code, reason = page.expect_close()
            assert code == 1011
            assert reason
