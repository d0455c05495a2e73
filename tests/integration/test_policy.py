"""Policies, with a real Router behind the bridge and with the router inside: what pages may call, in which serde, how often, and
what they see of it. Refusals come at once, and say what is accepted."""

from __future__ import annotations

import json
import time

import pytest
import wire
from native import Native
from page import Page, RemoteError
from processes import free_port

SOON = 2.0  # no time-out of anybody has passed by then


class World:
    """A bridge with a configuration, before a real Router or with the router inside."""

    def __init__(self, house, tmp_path, kind: str, listen: dict | None = None, upstream: dict | None = None, **configuration):
        self.kind = kind
        port = free_port()
        if kind == "router":
            house.router(port)
        url = f"tcp://127.0.0.1:{port}" if kind == "router" else "router:"
        file = tmp_path / "bridge.json"
        file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0", **(listen or {})}],
                                    "upstreams": {"default": {"url": url, **(upstream or {})}}, **configuration}))
        self.bridge = house.bridge(None, "-c", str(file), listeners=())
        self.bridge.wait_for_listeners(1)
        self.url = self.bridge.ws_url
        self.worker_port = port if kind == "router" else self.bridge.port


@pytest.fixture(params=["router", "inside"])
def world(request, house, tmp_path):
    """Makes one."""
    return lambda **configuration: World(house, tmp_path, request.param, **configuration)


def refusal(page: Page, function: str, *args, **more) -> tuple[str, str]:
    """Type and text of the error that a call gets, at once."""
    began = time.monotonic()
    with pytest.raises(RemoteError) as caught:
        page.call(function, *args, **more)
    assert time.monotonic() - began < SOON
    assert caught.value.args[1] == "daffi_bridge"
    return caught.value.args[0], caught.value.args[2]


def test_functions_and_receivers(world, house):
    place = world(policy={"allow_functions": ["add", "e*", "whoami"], "deny_receivers": ["w2"]},
                  upstream={"policy": {"deny_functions": ["echo"]}})
    house.worker(place.worker_port, "w1")
    house.worker(place.worker_port, "w2")
    with Page(place.url) as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
        for function in ("fail", "echo"):
            kind, text = refusal(page, function, 1)
            assert kind == "Refused" and f'"{function}"' in text and "one of those that the handshake names" in text
        kind, text = refusal(page, "add", 1, 2, receiver="w2")
        assert kind == "Refused" and '"w2"' in text
        assert page.call("whoami") == "w1"


def test_what_may_not_be_called_is_not_shown(world, house):
    """Neither to who is there when a member joins, nor to who comes later; nor are its end and its coming."""
    place = world(policy={"allow_functions": ["add", "sub*"], "deny_receivers": ["secret"]})
    early = Page(place.url, "early")
    with Native(place.worker_port, "watcher") as watcher:
        with Native(place.worker_port, "w1", ["add", "fail", "subtract"]), Native(place.worker_port, "secret", ["add"]), \
                Native(place.worker_port, "w2", ["fail"]):
            with Native(place.worker_port, "last", ["add"]):
                early.wait_for_event("connected", "last")
                with Page(place.url, "late") as late:
                    expected = {"w1": ["add", "subtract"], "last": ["add"]}
                    workers = ("w1", "w2", "secret", "last")
                    assert {name: methods for name, methods in late.members.items() if name in workers} == expected
                    assert {name: methods for name, methods in early.members.items() if name in workers} == expected
                    watcher.wait_for_news("connected", "late")
        for name in ("w1", "secret", "w2", "last"):
            watcher.wait_for(lambda message, name=name: message.flag == wire.EVENTS and message.json()["type"] == "disconnected")
    end = Native(place.worker_port, "end")
    early.wait_for_event("connected", "end")
    end.close()
    told = {member for _, member in early.events}
    assert {"w1", "last", "watcher", "late"} <= told and not told & {"secret", "w2"}
    assert ("disconnected", "w1") in early.events
    early.close()


def test_members_that_are_not_visible_are_not_there(world, house):
    place = world(upstream={"policy": {"visible": ["public-*", "page*"]}})
    house.worker(place.worker_port, "internal")
    house.worker(place.worker_port, "public-1")
    with Page(place.url) as page:
        page.wait_for_member("public-1")
        assert "internal" not in page.members
        hidden, missing = refusal(page, "add", 1, 2, receiver="internal"), refusal(page, "add", 1, 2, receiver="public-2")
        assert hidden[0] == missing[0] == "NoSuchMember"
        assert page.call("add", 1, 2, receiver="public-1") == 3
        with Native(place.worker_port, "native") as native:  # is told of all
            members = native.seen[0].json()["members"] if native.seen[0].flag == wire.HANDSHAKE else []
            assert {"internal", "public-1"} <= {member["name"] for member in members}
            assert native.call("internal", "add", 1, 2).json()["args"] == [3]
        assert not any(member == "internal" for _, member in page.events)


def test_serdes(world, house):
    place = world(policy={"serdes": ["json", "raw"], "function_serdes": {"dig*": ["raw"], "add": ["json", "msgpack"]}})
    house.worker(place.worker_port)
    with Page(place.url) as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
        kind, text = refusal(page, "add", 1, 2, serde="msgpack")
        assert kind == "Refused" and "msgpack" in text and "use one of raw, json" in text
        kind, text = refusal(page, "digest", "abc")
        assert kind == "Refused" and '"digest"' in text and "in json" in text and "use one of raw" in text
        assert page.call("digest", b"abc", serde="raw").startswith("3 ")


def test_a_function_that_returns_bytes_does_not_stop_its_worker(world, house):
    """Asked in JSON it would, for good: it is pinned to serdes that can say what it returns."""
    place = world(policy={"function_serdes": {"picture": ["raw", "msgpack"]}})
    house.worker(place.worker_port)
    with Page(place.url) as page:
        page.wait_for_member("w1")
        kind, text = refusal(page, "picture", 3)
        assert kind == "Refused" and "use one of raw, msgpack" in text
        assert page.call("picture", 3, serde="msgpack") == b"\x00\x00\x00"
        assert page.call("add", 1, 2) == 3


def test_pickle_has_to_be_named_and_is_warned_of(world, house):
    place = world(listen={"policy": {"serdes": ["json", "pickle"]}})
    place.bridge.wait_for(r"warning.*the policy of the listener http://127.0.0.1:0 takes pickle: .* any code")
    house.worker(place.worker_port)
    with Page(place.url) as page:
        page.wait_for_member("w1")
        page.send(wire.Message(9, wire.REQUEST, wire.PICKLE, 1, 1, "page", "w1", "add", b"\x80\x04K\x01K\x02\x86\x94}\x86\x94."))
        answer = page.receive()
        assert (answer.flag, answer.decoder, answer.uuid) == (wire.RESPONSE, wire.PICKLE, 9)
        assert refusal(page, "add", 1, 2, serde="msgpack")[0] == "Refused"
        assert page.call("add", 1, 2) == 3


def test_pickle_is_refused_where_nobody_names_it(world, house):
    place = world()
    house.worker(place.worker_port)
    with Page(place.url) as page:
        page.wait_for_member("w1")
        page.send(wire.Message(9, wire.REQUEST, wire.PICKLE, 1, 1, "page", "w1", "add", b"\x80\x04."))
        with pytest.raises(RemoteError, match="no calls in pickle from pages: use one of raw, json, msgpack"):
            page.finish_call(9)
    assert "takes pickle" not in place.bridge.log()


def test_rates(world, house):
    """Each page has its own; others and Python peers do not notice."""
    place = world(policy={"calls_per_second": 1, "calls_burst": 5})
    house.worker(place.worker_port)
    with Page(place.url, "greedy") as greedy, Page(place.url, "modest") as modest:
        greedy.wait_for_member("w1")
        modest.wait_for_member("w1")
        calls = [greedy.start_call("add", number, 0, receiver="w1") for number in range(20)]
        results = []
        for uuid in calls:
            answer = greedy.receive()
            results.append((answer.uuid, answer.flag))
        refused = [uuid for uuid, flag in results if flag == wire.ERROR]
        assert 5 <= 20 - len(refused) <= 8
        assert len({uuid for uuid, _ in results}) == len(calls)
        assert modest.call("add", 1, 2) == 3
        kind, text = refusal(greedy, "add", 1, 2)
        assert kind == "Refused" and "calls_per_second" in text and "1 calls a second" in text and "5 at once" in text
        with Native(place.worker_port, "native") as native:
            for _ in range(20):
                assert native.call("w1", "add", 1, 2).json()["args"] == [3]


def test_bytes(world, house):
    place = world(policy={"bytes_per_second": 1000, "bytes_burst": 20000})
    house.worker(place.worker_port)
    with Page(place.url) as page:
        page.wait_for_member("w1")
        assert page.call("echo", "x" * 30000) == "x" * 30000  # more than the burst, when none has been used
        kind, text = refusal(page, "add", 1, 2)
        assert kind == "Refused" and "bytes_per_second" in text


def test_calls_in_flight(world, house):
    """The slot is free again with the answer, and an answer too many is not passed on."""
    place = world(policy={"calls_in_flight": 3})
    with Native(place.worker_port, "w1", ["add"]) as worker, Page(place.url) as page:
        page.wait_for_member("w1")
        calls = [page.start_call("add", number, receiver="w1") for number in range(4)]
        with pytest.raises(RemoteError) as caught:
            page.finish_call(calls[3])
        assert caught.value.args[0] == "Busy" and "calls_in_flight" in caught.value.args[2]
        requests = [worker.wait_for(lambda message: message.flag == wire.REQUEST) for _ in range(3)]
        worker.answer(requests[1], 1)
        worker.answer(requests[1], "again")
        assert page.finish_call(calls[1]) == 1
        last = page.start_call("add", 9, receiver="w1")
        request = worker.wait_for(lambda message: message.flag == wire.REQUEST)
        worker.answer(request, 9)
        assert page.finish_call(last) == 9


def test_who_is_not_there(world, house):
    place = world()
    house.worker(place.worker_port)
    with Page(place.url) as page:
        page.wait_for_member("w1")
        assert refusal(page, "add", 1, 2, receiver="w9")[0] == "NoSuchMember"
        assert refusal(page, "no_such", 1)[0] == "NoSuchMethod"
        assert refusal(page, "add", 1, 2, receiver="page")[0] in ("NoSuchMember", "NoSuchMethod")
        assert refusal(page, "add", 1, 2, receiver="")[0] == "NoSuchMember"
        page.start_call("no_such", 1, receiver="w9", wait=0)
        assert page.call("add", 1, 2) == 3


def test_who_leaves_before_it_answers(world):
    """Its callers hear it at once, before the news of it; so do callers of one that is evicted."""
    place = world()
    with Native(place.worker_port, "w1", ["add"]) as worker, Page(place.url) as page:
        page.wait_for_member("w1")
        calls = {page.start_call("add", number, receiver="w1") for number in range(2)}
        for _ in range(2):
            worker.wait_for(lambda message: message.flag == wire.REQUEST)
        worker.close()
        answers = [page.receive(SOON) for _ in calls]
        assert {answer.uuid for answer in answers if b'"Disconnected"' in answer.payload} == calls
        assert ("disconnected", "w1") not in page.events
        page.wait_for_event("disconnected", "w1")
        with Native(place.worker_port, "w2", ["add"]) as evicted:
            page.wait_for_member("w2")
            uuid = page.start_call("add", 1, receiver="w2")
            evicted.wait_for(lambda message: message.flag == wire.REQUEST)
            with Native(place.worker_port, "w2", ["add"]) as heir:
                with pytest.raises(RemoteError) as caught:
                    page.finish_call(uuid, SOON)
                assert caught.value.args[0] == "Disconnected"
                page.wait_for_event("evicted", "w2")
                page.wait_for_member("w2")
                uuid = page.start_call("add", 2, receiver="w2")
                heir.answer(heir.wait_for(lambda message: message.flag == wire.REQUEST), 2)
                assert page.finish_call(uuid) == 2


def test_who_has_just_come_is_never_refused(world):
    """A page may hear of a member sooner than its own connection says so: a call is delivered whenever the Router would."""
    place = world()
    with Page(place.url) as page:
        for number in range(100):
            with Native(place.worker_port, f"new{number}", ["add"]) as worker:
                uuid = page.start_call("add", number, receiver=worker.name)
                worker.answer(worker.wait_for(lambda message: message.flag == wire.REQUEST), number)
                assert page.finish_call(uuid) == number
