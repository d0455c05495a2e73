"""Everything at once: pages that expose, change what they expose, take each other over, hold tokens that end, send batches, stop
reading and vanish, while memory is short. Whoever does none of it notices nothing."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time

import pytest
import wire
from attacks import reset
from conftest import Bystander
from page import Page, RemoteError
from websockets.exceptions import WebSocketException

SECONDS, PAGES, MIB = 6.0, 12, 1 << 20


def split(data: bytes) -> list[wire.Message]:
    """The daffi messages of one WebSocket message: none, if it is a heartbeat or the notice of a large message (4 bytes)."""
    messages = []
    while len(data) > 4:
        size = wire.size_at_front(data)
        messages.append(wire.decode(data[:size]))
        data = data[size:]
    return messages


class Restless:
    """One page after another, each of which does at random what it may and what it may not, seeded by its number."""

    def __init__(self, url: str, number: int):
        self._url, self._random = url, random.Random(number)
        self._number = number
        self.done = 0
        self.faults: list[BaseException] = []

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            try:
                self._live(until)
            except (RemoteError, WebSocketException, OSError, EOFError):
                pass  # refused before the upgrade or behind it, taken over, closed for what it did: all that is right
            except BaseException as fault:  # pylint: disable=broad-except
                self.faults.append(fault)
                return

    def _live(self, until: float) -> None:
        pick = self._random
        # Every other page has the name of its neighbour, and the tab: each reload takes the other over.
        name = f"restless{self._number // 2}"
        tab = f"{self._number // 2:032x}"
        page = Page(f"{self._url}?daffi-bridge=1&daffi-tab={tab}", None, max_queue=None)
        page.name = name
        try:
            page.send(wire.handshake(name, 1, pick.choice([None, ["f"], ["f", "g"]])))
            page.next_bytes(5)
            for _ in range(pick.randrange(1, 30)):
                if time.monotonic() > until:
                    break
                self._do(page, pick)
                self.done += 1
                with contextlib.suppress(TimeoutError):
                    for message in split(page.next_bytes(pick.choice([0, 0.001, 0.02]))):
                        self._answer(page, message)
            if pick.random() < 0.5:
                page.close()
        finally:
            reset(page)

    @staticmethod
    def _answer(page: Page, message: wire.Message) -> None:
        if message.flag == wire.REQUEST:
            page.send(wire.Message(message.uuid, wire.RESPONSE, transmitter=page.name, receiver=message.transmitter,
                                   function=message.function, return_result=0, payload=b'{"args":[1],"kwargs":{}}'))

    def _do(self, page: Page, pick: random.Random) -> None:
        other = f"restless{pick.randrange(PAGES // 2)}"
        what = pick.randrange(8)
        if what == 0:
            page.send(wire.handshake(page.name, pick.randrange(1, 9), pick.choice([[], ["f"], ["g"], ["f", "g"], ["add"]])))
        elif what == 1:
            page.start_call("f", 1, receiver=other)
        elif what == 2:
            page.send(b"".join(wire.request(page.name, pick.choice(["w1", other]), pick.choice(["f", "add"]), 1, 2,
                                            uuid=pick.randrange(1, 99)).encode() for _ in range(40)))
        elif what == 3:
            page.start_call("echo", b"x" * pick.choice([10, 100_000, 2_000_000]), receiver="w1", serde="raw")
        elif what == 4:
            page.send(wire.Message(pick.randrange(1, 99), wire.RESPONSE, transmitter=page.name, receiver=other, function="f",
                                   payload=b'{"args":[1],"kwargs":{}}', return_result=0))
        elif what == 5:
            page.start_call("f", 1, receiver=page.name)
        elif what == 6:
            time.sleep(pick.choice([0, 0.01, 0.15]))  # past the bridge's question who is there
        else:
            page.start_call("nothing", receiver=pick.choice(["nobody", other, "w1"]))


@pytest.mark.parametrize("kind", ["router", "inside"])
def test_all_at_once(house, tmp_path, kind):
    router = house.router() if kind == "router" else None
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({
        "listen": [{"url": "http://127.0.0.1:0"}],
        "upstreams": {"default": f"tcp://127.0.0.1:{router.port}" if router else "router:"},
        "policy": {"expose": ["*"], "expose_shared": True},
        "limits": {"memory_bytes": 16 * MIB, "queue_bytes": 8 * MIB, "queue_high": 2 * MIB},
    }))
    bridge = house.bridge(None, "-c", str(file), listeners=())
    bridge.wait_for_listeners(1)
    for worker in ("w1", "w2"):  # the first is theirs: they may use up what may wait for it
        house.worker(router.port if router else bridge.port, worker)
    bystander = Bystander(bridge.ws_url, "w2", patience=20)
    try:
        bystander.check(5)
        pages = [Restless(bridge.ws_url, number) for number in range(PAGES)]
        until = time.monotonic() + SECONDS
        threads = [threading.Thread(target=page.run, args=(until,), daemon=True) for page in pages]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS + 30)
        assert [fault for page in pages for fault in page.faults] == []
        assert sum(page.done for page in pages) > PAGES, "they did next to nothing: this shows nothing"
        bystander.check(5)
        with Page(bridge.ws_url, "restless0") as page:  # the name is free, who had it is gone
            page.wait_for_member("w2")
            assert page.call("add", 1, 2, receiver="w2") == 3
    finally:
        bystander.leave()
    assert bridge.popen.poll() is None and (router is None or router.popen.poll() is None)
