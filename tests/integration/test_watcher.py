"""The bridge's own connection to a real Router: names of members that are there past the bridge are kept from pages, nobody sees it, and
it comes back when the Router does."""

from __future__ import annotations

import json
import signal

import pytest
from native import Native
from page import Page, RemoteError
from processes import free_port
from test_names import listen, refused

WATCHED = "upstream default is there"


@pytest.fixture
def make(house, tmp_path):
    """Makes a bridge before what listens on a port, and waits until it is watched (unless that is off)."""

    def bridge_before(port: int, watch: bool = True, **configuration):
        file = tmp_path / "bridge.json"
        file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0"}],
                                    "upstreams": {"default": {"url": f"tcp://127.0.0.1:{port}", "watch": watch}},
                                    "log": {"level": "debug"}, **configuration}))
        bridge = house.bridge(None, "-c", str(file), listeners=())
        bridge.wait_for_listeners(1)
        if watch:
            bridge.wait_for(WATCHED)
        return bridge

    return bridge_before


def test_a_page_does_not_get_the_name_of_a_worker_past_the_bridge(house, make):
    router = house.router()
    house.worker(router.port, "w1")
    bridge = make(router.port)
    assert "the name is taken" in refused(bridge.ws_url, "w1")
    assert "the name is taken" in refused(f"{bridge.ws_url}?daffi-bridge=1&daffi-tab={'0' * 32}", "w1")
    with Page(bridge.ws_url, "alice") as alice:
        assert alice.call("whoami", receiver="w1") == "w1"


def test_a_page_does_not_get_the_name_of_a_client_past_the_bridge(house, make):
    router = house.router()
    bridge = make(router.port)
    with Native(router.port, "client") as client:
        bridge.wait_for('upstream default: "client" has come')
        assert "the name is taken" in refused(bridge.ws_url, "client")
        with Native(router.port, "other"):
            client.wait_for(lambda message: b'"other"' in message.payload)  # it is a member still
    bridge.wait_for('upstream default: "client" has gone')
    Page(bridge.ws_url, "client").close()


def test_a_worker_that_comes_later_has_its_name_and_keeps_it(house, make):
    router = house.router()
    bridge = make(router.port)
    with Page(bridge.ws_url, "w1") as page:
        bridge.wait_for('upstream default: "w1" has come')
        seen = len(bridge.lines)
        house.worker(router.port, "w1")
        page.wait_for_event("evicted", "w1")
        bridge.wait_for('upstream default: "w1" has come', after=seen)
    assert "the name is taken" in refused(bridge.ws_url, "w1")
    with Page(bridge.ws_url, "alice") as alice:
        assert alice.call("add", 1, 2, receiver="w1") == 3


def test_a_page_has_its_own_name_back_at_once(house, make):
    """Before the Router can have said that it left."""
    router = house.router()
    bridge = make(router.port)
    for _ in range(30):
        Page(bridge.ws_url, "alice").close()


def test_the_name_of_a_worker_that_is_gone_is_free(house, make):
    router = house.router()
    worker = house.worker(router.port, "w1")
    bridge = make(router.port)
    assert "the name is taken" in refused(bridge.ws_url, "w1")
    house.kill(worker)
    bridge.wait_for('upstream default: "w1" has gone')
    Page(bridge.ws_url, "w1").close()


def test_nobody_behind_the_bridge_sees_the_watcher(house, make):
    """Not in the list, not when it comes anew; the Router's own members do see it, as one without functions."""
    router = house.router()
    with Native(router.port, "past") as past:
        bridge = make(router.port)
        name = past.wait_for(lambda message: b"daffi-bridge-watch-" in message.payload).json()["member"]
        with Page(bridge.ws_url, "alice") as alice, Native(bridge.port, "w1") as w1, Native(router.port, name):
            bridge.wait_for("upstream default can't be reached")  # its name was taken from it: it comes under another
            past.wait_for(lambda message: b"daffi-bridge-watch-" in message.payload and name.encode() not in message.payload)
            with Native(router.port, "last"):
                alice.wait_for_event("connected", "last")
                w1.wait_for(lambda message: b'"last"' in message.payload)
            assert "past" in alice.members and not any("watch" in member for member in alice.members)
            assert not any("watch" in member for _, member in alice.events)
            assert not any(b"watch" in message.payload for message in w1.seen)


def test_a_router_that_comes_back_is_watched_again(house, make):
    port = free_port()
    router = house.router(port)
    bridge = make(port)
    house.kill(router)
    bridge.wait_for("upstream default can't be reached")
    bridge.popen.send_signal(signal.SIGSTOP)
    house.router(port)
    house.worker(port, "w1")
    seen = len(bridge.lines)
    bridge.popen.send_signal(signal.SIGCONT)
    bridge.wait_for(WATCHED, after=seen)
    assert "the name is taken" in refused(bridge.ws_url, "w1")


def test_a_service_tells_nothing_and_goes_on(house, make):
    service = house.service()
    bridge = make(service.port)
    with Page(bridge.ws_url, "alice") as alice:
        assert sorted(alice.members) == ["service"]
        assert alice.call("add", 1, 2, receiver="service") == 3
    with Native(service.port, "client") as client, Page(bridge.ws_url, "bob") as bob:
        assert bob.call("add", 2, 2, receiver="service") == 4
        assert client is not None


def test_without_a_watcher_the_router_decides(house, make):
    """What SECURITY.md says of it: a newcomer evicts who is there."""
    router = house.router()
    bridge = make(router.port, watch=False)
    with Native(router.port, "client") as client:
        page = Page(bridge.ws_url, "client")
        listen(page)
        client.wait_for(lambda message: b'"evicted"' in message.payload)
        page.close()
    assert "watch" not in bridge.log()


def test_the_watcher_takes_nothing_from_what_pages_may(house, make):
    """It counts against no limit, and ends with the bridge."""
    router = house.router()
    bridge = make(router.port, limits={"connections": 1, "upstream_connects": 1})
    with Page(bridge.ws_url, "alice") as alice:
        with pytest.raises(RemoteError):
            alice.call("nothing", receiver="w1")
    house.end(bridge)
