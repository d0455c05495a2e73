"""Who may be called what, with a real Router behind the bridge and with the router inside: nobody's name is taken from him, but
a page that reloads has its own back at once."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
import wire
from native import Native
from page import Page, RemoteError
from processes import free_port
from websockets.exceptions import ConnectionClosed

TAB, OTHER_TAB = "0123456789abcdef" * 2, "f" * 32


@pytest.fixture(params=["router", "inside"])
def place(request, house, tmp_path):
    """Makes a bridge with a configuration, and says at which port native peers join the same members."""

    def make(**configuration):
        port = free_port()
        if request.param == "router":
            house.router(port)
        file = tmp_path / "bridge.json"
        url = f"tcp://127.0.0.1:{port}" if request.param == "router" else "router:"
        file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0"}], "upstreams": {"default": url, "again": url},
                                    "log": {"level": "debug"}, **configuration}))
        bridge = house.bridge(None, "-c", str(file), listeners=())
        bridge.wait_for_listeners(1)
        bridge.worker_port = port if request.param == "router" else bridge.port
        bridge.is_router = request.param == "router"
        return bridge

    return make


def of_tab(bridge, tab: str) -> str:
    return f"{bridge.ws_url}?daffi-bridge=1&daffi-tab={tab}"


def refused(url: str, name: str) -> str:
    """The reason why a page may not be called so; close code 1008 follows it."""
    page = Page(url, None)
    page.name = name
    with pytest.raises(RemoteError) as caught:
        page.shake_hands()
    with pytest.raises(ConnectionClosed) as closed:
        page.receive()
    assert closed.value.rcvd.code == 1008
    assert caught.value.args[0] == "Refused"
    return caught.value.args[2]


def listen(page: Page) -> threading.Thread:
    """Reads on, as a browser does: it answers pings. Until the end."""

    def read():
        try:
            while True:
                page.receive(30)
        except (ConnectionClosed, TimeoutError):
            pass

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("tab", ["", f"daffi-tab={OTHER_TAB}", "daffi-tab=", f"daffi-tab={TAB}0", f"daffi-tab={TAB[1:]}G"])
def test_a_page_does_not_get_the_name_of_another(place, house, tab):
    bridge = place()
    house.worker(bridge.worker_port, "w1")
    with Page(of_tab(bridge, TAB), "alice") as alice:
        alice.wait_for_member("w1")
        listen(alice)
        assert "the name is taken" in refused(f"{bridge.ws_url}?{tab}", "alice")
        assert ("evicted", "alice") not in alice.events
    assert TAB not in bridge.log() and OTHER_TAB not in bridge.log() and "daffi-tab" not in bridge.log()


def test_a_page_goes_on_when_its_name_was_asked_for(place, house):
    bridge = place()
    house.worker(bridge.worker_port, "w1")
    with Page(bridge.ws_url, "alice") as alice:
        alice.wait_for_member("w1")
        asks = threading.Thread(target=refused, args=(bridge.ws_url, "alice"))
        asks.start()
        while asks.is_alive():
            assert alice.call("add", 1, 2) == 3
        asks.join()
        assert alice.call("add", 2, 2) == 4


def test_the_same_tab_takes_its_name_over(place, house):
    """The former page is told that it was evicted; the new one hears nothing of it and calls at once."""
    bridge = place()
    house.worker(bridge.worker_port, "w1")
    former = Page(of_tab(bridge, TAB), "alice")
    former.wait_for_member("w1")
    for _ in range(20):
        page = Page(of_tab(bridge, TAB), "alice")
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                former.receive()
        assert closed.value.rcvd.code == 1008 and "same tab" in closed.value.rcvd.reason
        assert former.events[-1] == ("evicted", "alice")
        page.wait_for_member("w1")
        for number in range(3):
            assert page.call("add", number, 1) == number + 1
        assert [event for event in page.events if event[1] == "alice"] == []
        former = page
    former.close()


def silent_page(port: int, name: str) -> socket.socket:
    """Is there, and then says nothing any more: no pong."""
    page = socket.create_connection(("127.0.0.1", port))
    page.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" % port)
    message = wire.handshake(name).encode()
    page.sendall(bytes([0x82, 0x80 | len(message)]) + bytes(4) + message)  # the mask is zero
    page.settimeout(10)
    told = b""
    while b'"members"' not in told:
        told += wire.receive(page)
    return page


def test_a_page_that_does_not_answer_loses_its_name(place, house):
    bridge = place()
    house.worker(bridge.worker_port, "w1")
    silent = silent_page(bridge.port, "alice")
    began = time.monotonic()
    with Page(bridge.ws_url, "alice") as page:
        assert 1.5 < time.monotonic() - began < 9
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
    told = b""
    while chunk := silent.recv(4096):
        told += chunk
    assert b"\x89\x00" in told and b"no sign of life" in told
    silent.close()


def test_a_page_does_not_get_the_name_of_a_native_peer_of_the_bridge(place, house):
    bridge = place()
    with Native(bridge.port, "w1") as worker:
        assert "the name is taken" in refused(bridge.ws_url, "w1")
        assert "the name is taken" in refused(of_tab(bridge, TAB), "w1")
        assert worker is not None


def test_names_of_pages_by_pattern(place):
    bridge = place(policy={"allow_names": ["web-*", "guest"], "deny_names": ["web-root"]})
    for name in ("web-1", "guest"):
        Page(bridge.ws_url, name).close()
    for name in ("w1", "guest2", "Web-1"):
        reason = refused(bridge.ws_url, name)
        assert f'"{name}"' in reason and '"web-*"' in reason
    assert "reserved" in refused(bridge.ws_url, "web-root")
    with Native(bridge.port, "w1"):
        pass


def test_names_of_the_bridge_itself_are_for_nobody(place):
    bridge = place()
    assert "reserved" in refused(bridge.ws_url, "daffi-bridge-watch-1")


def test_upstreams_of_one_address_share_their_names(place):
    bridge = place()
    if not bridge.is_router:
        pytest.skip("each router inside is one of its own")
    with Page(bridge.ws_url, "alice") as alice:
        listen(alice)
        assert "the name is taken" in refused(bridge.ws_url + "again", "alice")


def test_a_name_is_free_when_its_page_has_gone(place):
    bridge = place()
    for _ in range(20):
        Page(bridge.ws_url, "alice").close()
