"""The end (SIGTERM): calls that wait get their answers, pages are told a few at a time, and it is over within a bound."""

from __future__ import annotations

import json
import os
import socket
import threading
import time

import pytest
import wire
from native import Native
from page import Page
from websockets.exceptions import ConnectionClosed


def configured(house, folder, **keys):
    """A bridge with that configuration."""
    file = folder / "bridge.json"
    file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0"}], **keys}))
    bridge = house.bridge(None, "-c", str(file), listeners=())
    bridge.wait_for_listeners(1)
    return bridge


def test_a_call_that_waits_is_answered_before_the_end(house):
    """Before a real Router: its caller is told behind it, others at once."""
    router = house.router()
    house.worker(router.port)
    bridge = house.bridge(router.port)
    with Page(bridge.ws_url, "busy") as busy, Page(bridge.ws_url, "idle") as idle:
        busy.wait_for_member("w1")
        call = busy.start_call("slow", 1.0, receiver="w1")
        bridge.wait_for('open page "idle"')
        bridge.terminate()
        assert idle.expect_close()[0] == 1001
        busy.finish_call(call)
        assert busy.expect_close()[0] == 1001
    house.end(bridge)


def test_workers_of_the_router_inside_stay_as_long_as_they_are_waited_for(house, tmp_path):
    """A native peer goes behind the last page."""
    bridge = configured(house, tmp_path)
    with Page(bridge.ws_url, "page") as page, Native(bridge.port, "worker", ["twice"]) as worker:
        page.wait_for_member("worker")
        call = page.start_call("twice", 21, receiver="worker")
        request = worker.wait_for(lambda message: message.function == "twice")
        bridge.begin_stop()
        worker.answer(request, 42)
        assert page.finish_call(call) == 42
        assert page.expect_close()[0] == 1001
        worker.wait_for_end()
    house.end(bridge)


def test_python_workers_do_not_hold_up_the_end(house):
    """A real one does not end its side of the connection, at the latest once it has answered a call."""
    bridge = house.bridge(None)
    house.worker(bridge.port)
    with Page(bridge.ws_url, "page") as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
    began = time.monotonic()
    house.end(bridge)
    assert time.monotonic() - began < 5  # of the 10 s that there are
    assert "did not end in time" not in bridge.log()


def test_a_native_peer_that_is_slow_gets_all_that_was_sent_to_it(house):
    """It reads nothing for longer than its end is waited for, and goes on sending, which would meet a reset."""
    bridge = house.bridge(None)
    text = "x" * 60000  # more than its window, less than the bridge's system takes at once
    with Native(bridge.port, "worker", ["f"]) as worker, Native(bridge.port, "slow") as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.send(wire.request("slow", "worker", "f", uuid=9))
        worker.answer(worker.wait_for(lambda message: message.function == "f"), text)
        bridge.wait_for("open native peer \"slow\"")
        bridge.begin_stop()
        worker.wait_for_end()
        time.sleep(2)
        slow.send(wire.request("slow", "worker", "f", uuid=10))
        assert slow.wait_for(lambda message: message.uuid == 9).json()["args"] == [text]
        slow.wait_for_end()
        house.end(bridge)
    assert "did not end in time" not in bridge.log()


def test_who_comes_while_it_ends_is_refused(house, tmp_path):
    """So that it may go elsewhere or come again, in place of waiting for an end that resets it."""
    path = str(tmp_path / "bridge.sock")
    bridge = configured(house, tmp_path, listen=[{"url": "http://127.0.0.1:0"}, {"url": f"unix:{path}"}])
    with Page(bridge.ws_url, "page") as page, Native(bridge.port, "worker", ["twice"]) as worker:
        page.wait_for_member("worker")
        call = page.start_call("twice", 21, receiver="worker")
        request = worker.wait_for(lambda message: message.function == "twice")
        bridge.begin_stop()
        for where in (bridge.port, path):
            with pytest.raises(ConnectionRefusedError):
                Native(where, "late", shake=False)
        worker.answer(request, 42)
        assert page.finish_call(call) == 42
    house.end(bridge)
    assert not os.path.exists(path)


def test_a_python_worker_hears_at_once_that_it_can_not_come_back(house):
    """It tries once; a connect that nobody accepts would keep it for half a minute."""
    bridge = house.bridge(None)
    worker = house.worker(bridge.port, "w1", "--join")
    with Page(bridge.ws_url, "page") as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
    bridge.begin_stop()
    worker.wait_for("it is lost", seconds=10)


def test_a_call_that_is_never_answered_is_not_waited_for_longer_than_the_bound(house, tmp_path):
    bridge = configured(house, tmp_path, timeouts_ms={"drain": 1000})
    with Page(bridge.ws_url, "page") as page, Native(bridge.port, "worker", ["never"]) as worker:
        page.wait_for_member("worker")
        page.start_call("never", receiver="worker")
        worker.wait_for(lambda message: message.function == "never")
        began = time.monotonic()
        bridge.terminate()
        assert page.expect_close()[0] == 1001
        assert time.monotonic() - began >= 0.7
        house.end(bridge)  # which fails where it does not end


def test_many_pages_are_told_one_after_the_other(house, tmp_path):
    """So that they do not all come again in one moment."""
    bridge = configured(house, tmp_path, timeouts_ms={"spread": 4000})
    pages = [Page(bridge.ws_url, f"page-{number}") for number in range(160)]
    ends = []

    def watch(page):
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                page.receive(60)
        ends.append((time.monotonic(), closed.value.rcvd.code))

    watchers = [threading.Thread(target=watch, args=(page,)) for page in pages]
    for watcher in watchers:
        watcher.start()
    began = time.monotonic()
    bridge.terminate()
    for watcher in watchers:
        watcher.join(60)
    assert {code for _, code in ends} == {1001} and len(ends) == 160
    assert max(at for at, _ in ends) - began >= 0.15  # five steps of 32
    house.end(bridge)
