"""A page that is loaded anew while a call of its is under way: the new one has the name of the former, and answers go by names.
It asks with the very ids of the former, as clients do that count from 1, and must hear its own answers alone: before a real
Router, and of the router inside, with one reactor and across several.
"""

from __future__ import annotations

import json

import pytest
import wire
from native import Native
from page import Page, RemoteError
from processes import free_port

TAB = "0123456789abcdef" * 2
WAYS = ["before a Router", "inside", "inside over TLS"]


class Place:
    """A bridge, and where native peers meet its pages."""

    def __init__(self, house, certificate, tmp_path, way: str):
        tls = way == "inside over TLS"
        port = free_port()
        if way == "before a Router":
            house.router(port)
        file = tmp_path / "bridge.json"
        url = f"tcp://127.0.0.1:{port}" if way == "before a Router" else "router:"
        file.write_text(json.dumps({"upstreams": {"default": url}, "log": {"level": "debug"}}))
        self.bridge = house.bridge(None, "-c", str(file), tls=tls)
        self.ca = certificate.cert if tls else None
        self.fences = 0
        self.port: int | tuple[int, str] = port if way == "before a Router" else self.bridge.port
        if tls:
            self.port = (self.bridge.port, certificate.cert)
        self.door = self.bridge.port if way == "before a Router" else self.port

    def page(self, tab: str = TAB) -> Page:
        page = Page(f"{self.bridge.ws_url}?daffi-tab={tab}", "alice", ca=self.ca)
        for name in "w1", "w2":
            page.wait_for_member(name)
        return page

    def worker(self, name: str) -> Native:
        return Native(self.port, name, ["f"])

    def settle(self, worker: Native, page: Page) -> None:
        """Returns when the page has read all that the worker has answered: no answer is among it."""
        self.fences += 1
        with Native(self.port, f"fence{self.fences}") as fence:
            fence.send(wire.request(fence.name, worker.name, "f"))
            worker.answer(next_call(worker), "fence")
            fence.wait_for(lambda message: message.flag == wire.RESPONSE)
        while ("disconnected", fence.name) not in page.events:
            message = page.receive()
            assert message.flag in (wire.HANDSHAKE, wire.EVENTS), message


@pytest.fixture(params=WAYS)
def place(request, house, certificate, tmp_path):
    return Place(house, certificate, tmp_path, request.param)


def next_call(worker: Native) -> wire.Message:
    return worker.wait_for(lambda message: message.flag == wire.REQUEST)


def reload(place: Place, former: Page, way: str) -> Page:
    """The page in place of the former, which is there still, or has gone before."""
    if way == "gone":
        former.close()
    page = place.page()
    former.socket.close()
    page.uuid = 1  # the first call has the id that it had there
    return page


@pytest.mark.parametrize("way", ["there", "gone"])
@pytest.mark.parametrize("asked", ["w1", "w2"], ids=["the same worker", "another worker"])
@pytest.mark.parametrize("first", ["former", "new"])
def test_a_page_hears_nothing_of_what_the_one_before_it_asked(place, way, asked, first):
    with place.worker("w1") as one, place.worker("w2") as two:
        other = one if asked == "w1" else two
        former = place.page()
        uuid = former.start_call("f", "a", receiver="w1")
        late = next_call(one)
        page = reload(place, former, way)
        assert page.start_call("f", "b", receiver=asked) == uuid
        request = next_call(other)
        assert request.json()["args"] == ["b"]
        if first == "former":
            one.answer(late, "answer to a")
            place.settle(one, page)
        other.answer(request, "answer to b")
        assert page.finish_call(uuid) == "answer to b"
        one.answer(late, "answer to a, once more")
        place.settle(one, page)
        page.close()


def test_each_of_many_pages_in_a_row_hears_its_own_answers(place):
    """Over TLS they come to one reactor and another; each leaves calls behind, which are answered when all have been asked."""
    with place.worker("w1") as one, place.worker("w2"):
        page, owed = place.page(), []
        for number in range(12):
            for call in range(3):
                page.start_call("f", [number, call], receiver="w1")
                owed.append(next_call(one))
            page = reload(place, page, "there" if number % 2 else "gone")
        assert len({request.uuid for request in owed}) == len(owed)
        mine = [page.start_call("f", "mine", receiver="w1") for _ in range(3)]
        asked = [next_call(one) for _ in mine]
        for request in owed:
            one.answer(request, "late")
        for number, request in enumerate(asked):
            one.answer(request, number)
        for number, uuid in enumerate(mine):
            assert page.finish_call(uuid) == number
        page.close()


def test_errors_bear_the_ids_of_the_page_that_hears_them(place):
    """Whoever makes them: the worker, the Router, the bridge."""
    with place.worker("w1") as one, place.worker("w2") as two:
        former = place.page()
        former.start_call("f", "a", receiver="w1")
        next_call(one)
        page = reload(place, former, "there")
        uuid = page.start_call("f", "b", receiver="w1")
        one.answer(next_call(one), ["ValueError", "builtins", "kaboom", None], wire.ERROR)
        with pytest.raises(RemoteError, match="kaboom"):
            page.finish_call(uuid)
        for receiver, function, expected in [("nobody", "f", "NoSuchMember"), ("w2", "no_such", "NoSuchMethod")]:
            with pytest.raises(RemoteError, match=expected):
                page.call(function, receiver=receiver)
        uuid = page.start_call("f", "c", receiver="w2")
        next_call(two)
        two.close()
        with pytest.raises(RemoteError, match="Disconnected"):
            page.finish_call(uuid)
        page.close()


def test_ids_are_left_as_they_are_where_nothing_is_owed(place):
    with place.worker("w1") as one, place.worker("w2"):
        page = place.page()
        for _ in range(3):
            uuid = page.start_call("f", "a", receiver="w1")
            request = next_call(one)
            assert request.uuid == uuid
            one.answer(request, "answer")
            assert page.finish_call(uuid) == "answer"
            page = reload(place, page, "there")
        page.close()


def test_a_native_peer_that_was_answered_has_its_ids_when_it_comes_again(place):
    """As with the real Router: for Python peers nothing is changed."""
    with place.worker("w1") as one:
        for _ in range(2):
            with Native(place.door, "caller") as caller:
                caller.send(wire.request("caller", "w1", "f", uuid=5))
                request = next_call(one)
                assert request.uuid == 5
                one.answer(request, "answer")
                caller.wait_for(lambda message: message.flag == wire.RESPONSE)


@pytest.mark.parametrize("way", ["there", "gone"])
def test_a_native_peer_hears_nothing_of_what_the_one_before_it_asked(place, way):
    """A script that is started anew counts from 1 again, as every Python client does."""
    with place.worker("w1") as one:
        former = Native(place.door, "caller")
        former.send(wire.request("caller", "w1", "f", "a", uuid=2))
        late = next_call(one)
        if way == "gone":
            former.close()
        with Native(place.door, "caller") as caller:
            former.close()
            caller.send(wire.request("caller", "w1", "f", "b", uuid=2))
            request = next_call(one)
            assert request.json()["args"] == ["b"]
            one.answer(late, "answer to a")
            one.answer(request, "answer to b")
            answer = caller.wait_for(lambda message: message.flag == wire.RESPONSE)
            assert (answer.uuid, answer.json()["args"]) == (2, ["answer to b"])
            for receiver, function, expected in [("nobody", "f", "NoSuchMember"), ("w1", "no_such", "NoSuchMethod")]:
                caller.send(wire.request("caller", receiver, function, uuid=7))
                answer = caller.wait_for(lambda message: message.flag == wire.ERROR)
                assert (answer.uuid, answer.json()["args"][0][0]) == (7, expected)


def test_a_stranger_does_not_know_which_id_was_left(place):
    """Who takes the name later, and chooses its ids as it likes, must not be able to aim at the late answer."""
    hits = 0
    with place.worker("w1") as one, place.worker("w2"):
        for _ in range(8):
            former = place.page()
            former.start_call("f", "a", receiver="w1")
            late = next_call(one)
            former.close()
            stranger = place.page(tab="f" * 32)
            stranger.uuid = 0  # its call has the id of its handshake
            stranger.start_call("f", "b", receiver="w1")
            hits += next_call(one).uuid == late.uuid
            stranger.close()
    assert hits < 8


def test_a_page_hears_nothing_of_what_a_native_peer_asked(place):
    """Python clients leave calls behind as pages do, and count from 1."""
    with place.worker("w1") as one, place.worker("w2"):
        with Native(place.door, "alice") as caller:
            caller.send(wire.request("alice", "w1", "f", uuid=2))
            late = next_call(one)
        page = place.page()
        uuid = page.start_call("f", "b", receiver="w1")
        assert uuid == late.uuid
        request = next_call(one)
        one.answer(late, "answer to a native peer")
        one.answer(request, "answer to b")
        assert page.finish_call(uuid) == "answer to b"
        page.close()
