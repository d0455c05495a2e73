"""A native peer that comes with a name has it, whoever bore it before: a native peer or a page, in whatever state. Nothing that the
former began may be finished behind the newcomer's back, nor may the newcomer hear anything of it."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
import wire
from native import Ended, Native
from page import Page, RemoteError
from processes import free_port
from websockets.exceptions import ConnectionClosed

FROM_AFAR = {"X-Forwarded-For": "203.0.113.9"}


def next_call(worker: Native) -> wire.Message:
    return worker.wait_for(lambda message: message.flag == wire.REQUEST)


def read_to_the_end(peer: Native) -> list[wire.Message]:
    with pytest.raises(Ended):
        while True:
            peer.receive()
    return peer.seen


class BeforeRouter:
    """A bridge before a real Router, to which pages of one address may connect but slowly: the next one waits for its turn."""

    def __init__(self, house, tmp_path):
        self.port = free_port()
        house.router(self.port)
        file = tmp_path / "bridge.json"
        file.write_text(json.dumps({
            "listen": [{"url": "http://127.0.0.1:0", "proxies": ["127.0.0.1"], "proxy_header": "x-forwarded-for"}],
            "upstreams": {"default": f"tcp://127.0.0.1:{self.port}"}, "policy": {"expose": ["*"]},
            "limits": {"upstream_connects_per_address": 1, "connections_per_address": 4}, "log": {"level": "debug"}}))
        self.bridge = house.bridge(None, "-c", str(file), listeners=())
        self.bridge.wait_for_listeners(1)

    def page(self, name: str | None) -> Page:
        return Page(self.bridge.ws_url, name, additional_headers=FROM_AFAR)

    def use_up_turns(self, count: int) -> None:
        for number in range(count):
            self.page(f"other{number}").close()

    def has_its_turn(self, name: str) -> bool:
        """Within the time that it may wait."""
        try:
            self.page(name).close()
        except RemoteError as error:
            assert "too many connections in too short a time" in error.args[2]
            return False
        return True

    def methods_of(self, name: str) -> list[str] | None:
        """As the Router has them."""
        with Native(self.port, "onlooker") as onlooker:
            members = {member["name"]: member["methods"] for member in onlooker.seen[-1].json()["members"]}
        return members[name]

    def expect_to_stay(self, native: Native) -> None:
        """Whoever waited for a turn would have had it by now: a page that came later has."""
        deadline = time.monotonic() + 20
        while not self.has_its_turn("later"):
            assert time.monotonic() < deadline
        with Native(self.port, "caller") as caller:
            caller.send(wire.request("caller", native.name, "own"))
            native.answer(next_call(native), "here")
            answer = caller.wait_for(lambda message: message.flag == wire.RESPONSE)
            assert answer.json()["args"] == ["here"]
        assert self.methods_of(native.name) == ["own"]


def test_a_page_that_still_waits_to_be_let_in_makes_way(house, tmp_path):
    place = BeforeRouter(house, tmp_path)
    place.use_up_turns(4)
    page = place.page(None)
    page.name = "worker"
    page.send(wire.handshake(page.name))
    place.bridge.wait_for("waits for its turn")
    with Native(place.bridge.port, "worker", ["own"]) as native:
        answer = page.receive()
        assert (answer.flag, "evicted" in answer.payload.decode()) == (wire.ERROR, True)
        with pytest.raises(ConnectionClosed) as closed:
            page.receive()
        assert closed.value.rcvd.code == 1008
        place.expect_to_stay(native)


def test_a_page_that_is_changing_its_functions_makes_way(house, tmp_path):
    place = BeforeRouter(house, tmp_path)
    page = place.page(None)
    page.name = "worker"
    page.send(wire.handshake(page.name, 1, ["a"]))
    assert page.receive().flag == wire.HANDSHAKE
    place.use_up_turns(3)
    page.send(wire.handshake(page.name, 9, ["a", "own"]))
    place.bridge.wait_for("waits for its turn")
    with Native(place.bridge.port, "worker", ["own"]) as native:
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                page.receive()
        assert (closed.value.rcvd.code, "evicted" in closed.value.rcvd.reason) == (1008, True)
        assert page.events[-1] == ("evicted", "worker")
        place.expect_to_stay(native)


class Inside:
    """A bridge that is the Router: plain peers are all on one event loop, those over TLS on all of them."""

    def __init__(self, house, certificate, tls: bool):
        self.bridge = house.bridge(None, tls=tls)
        self.ca = certificate.cert if tls else None
        self.door = (self.bridge.port, self.ca) if tls else self.bridge.port

    def native(self, name: str, methods: list[str] | None = None, shake: bool = True) -> Native:
        return Native(self.door, name, methods, shake=shake)

    def all_at_once(self, peers: list[Native]) -> None:
        """They shake hands, and the bridge reads that in one turn."""
        os.kill(self.bridge.popen.pid, signal.SIGSTOP)
        try:
            for peer in peers:
                peer.send(wire.handshake(peer.name, 77))
        finally:
            os.kill(self.bridge.popen.pid, signal.SIGCONT)


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def inside(request, house, certificate):
    return Inside(house, certificate, request.param)


def is_welcomed(peer: Native) -> bool:
    try:
        return peer.wait_for(lambda message: message.uuid == 77).json()["meta"]["error"] is None
    except (Ended, ConnectionError):
        return False


def is_there(peer: Native) -> bool:
    try:
        peer.send(wire.request(peer.name, "w", "no_such", uuid=5))
        peer.wait_for(lambda message: message.flag == wire.ERROR)
        return True
    except (Ended, ConnectionError):
        return False


@pytest.mark.parametrize("count", [2, 3])
def test_of_several_that_come_at_once_one_has_the_name_and_hears_its_own_answers(inside, count):
    """Each counts its calls from 1, as Python clients do."""
    with inside.native("w", ["f"]) as worker:
        for _ in range(6):
            former = inside.native("caller")
            former.send(wire.request("caller", "w", "f", "former", uuid=1))
            late = next_call(worker)
            newcomers = [inside.native("caller", shake=False) for _ in range(count)]
            inside.all_at_once(newcomers)
            welcomed = [newcomer for newcomer in newcomers if is_welcomed(newcomer)]
            winners = [newcomer for newcomer in welcomed if is_there(newcomer)]
            assert len(winners) == 1
            winners[0].send(wire.request("caller", "w", "f", "mine", uuid=1))
            request = next_call(worker)
            assert request.json()["args"] == ["mine"]
            worker.answer(late, "answer to the former")
            worker.answer(request, "answer to mine")
            answer = winners[0].wait_for(lambda message: message.flag == wire.RESPONSE)
            assert (answer.uuid, answer.json()["args"]) == (1, ["answer to mine"])
            for peer in [former, *newcomers]:
                peer.close()


def test_who_is_evicted_has_no_say_any_more(inside):
    """What it asks when the newcomer has been welcomed is asked by nobody."""
    with inside.native("w", ["f"]) as worker:
        for number in range(5):
            former = inside.native("caller")
            with inside.native("caller") as newcomer:
                try:
                    former.send(*(wire.request("caller", "w", "f", "former", uuid=uuid) for uuid in range(1, 9)))
                except ConnectionError:
                    pass
                newcomer.send(wire.request("caller", "w", "f", number, uuid=1))
                request = next_call(worker)
                assert request.json()["args"] == [number]
                worker.answer(request, number)
                assert newcomer.wait_for(lambda message: message.flag == wire.RESPONSE).json()["args"] == [number]
                events = [message.json() for message in read_to_the_end(former) if message.flag == wire.EVENTS]
                assert events[-1] == {"type": "evicted", "member": "caller"}
            former.close()


@pytest.mark.parametrize("of_holder", ["native", "page"])
def test_others_hear_that_it_was_evicted_and_who_has_come(inside, of_holder):
    with inside.native("onlooker") as onlooker, inside.native("fence", ["f"]) as fence:
        holder = inside.native("x") if of_holder == "native" else Page(inside.bridge.ws_url, "x", ca=inside.ca)
        onlooker.seen.clear()
        with inside.native("x") as newcomer:
            newcomer.send(wire.request("x", "fence", "f"))
            fence.answer(next_call(fence), "fence")
            onlooker.send(wire.request("onlooker", "fence", "f"))
            fence.answer(next_call(fence), "fence")
            onlooker.wait_for(lambda message: message.flag == wire.RESPONSE)
            news = [message.json() for message in onlooker.seen if message.flag == wire.EVENTS]
            assert news[-2:] == [{"type": "evicted", "member": "x"}, {"type": "connected", "member": "x"}]
        holder.close()
