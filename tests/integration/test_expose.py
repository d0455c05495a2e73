"""Pages that expose functions, behind the bridge: the handshake that brings them, the one that changes them, who calls them, and what
they may answer."""

from __future__ import annotations

import json
import queue
import threading

import pytest
import wire
from native import Ended, Native
from page import Page, RemoteError
from processes import free_port
from websockets.exceptions import ConnectionClosed


class World:
    """A bridge that lets pages expose all but `secret*`, before a real Router or with the router inside."""

    def __init__(self, house, tmp_path, kind: str, expose=("f*", "g", "h"), limits=None, **policy):
        port = free_port()
        if kind == "router":
            house.router(port)
        file = tmp_path / "bridge.json"
        url = f"tcp://127.0.0.1:{port}" if kind == "router" else "router:"
        file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0"}], "upstreams": {"default": url},
                                    "policy": {**({"expose": list(expose)} if expose else {}), **policy},
                                    "limits": limits or {}, "log": {"level": "debug"}}))
        self.bridge = house.bridge(None, "-c", str(file), listeners=())
        self.bridge.wait_for_listeners(1)
        self.url = self.bridge.ws_url
        self.port = port if kind == "router" else self.bridge.port
        self.is_watched = kind == "router"
        if self.is_watched:
            self.bridge.wait_for("upstream default is there")

    def wait_for(self, member: str) -> None:
        """Until the bridge knows that it has come."""
        if self.is_watched:
            self.bridge.wait_for(f'upstream default: "{member}" has come')


@pytest.fixture(params=["router", "inside"])
def world(request, house, tmp_path):
    """Makes one."""
    return lambda **more: World(house, tmp_path, request.param, **more)


def shake(page: Page, *methods: str, uuid: int = 1) -> wire.Message:
    """A handshake with these functions; its own answer."""
    page.send(wire.handshake(page.name, uuid, list(methods)))
    while True:
        answer = page.receive()
        if answer.uuid == uuid and answer.flag in (wire.HANDSHAKE, wire.ERROR):
            return answer


def open_page(url: str, name: str, *methods: str) -> Page:
    """A page that comes with these functions."""
    page = Page(url, None)
    page.name = name
    assert shake(page, *methods).flag == wire.HANDSHAKE
    return page


def next_call(page: Page) -> wire.Message:
    """The next REQUEST that reaches the page."""
    while True:
        message = page.receive()
        if message.flag == wire.REQUEST:
            return message


def answer(page: Page, call: wire.Message, result, **more) -> None:
    """Answers it."""
    fields = {"uuid": call.uuid, "receiver": call.transmitter, **more}
    page.send(wire.Message(flag=wire.RESPONSE, return_result=0, transmitter=page.name, function=call.function,
                           payload=json.dumps({"args": [result], "kwargs": {}}).encode(), **fields))


def said(message: wire.Message) -> list:
    """Type, module, text of an ERROR."""
    assert message.flag == wire.ERROR
    return message.json()["args"][0][:3]


def test_functions_of_the_first_handshake_are_called(world):
    place = world()
    with open_page(place.url, "tab", "f", "g") as tab, Native(place.port, "caller") as caller, Page(place.url, "other") as other:
        assert sorted(other.members["tab"]) == ["f", "g"]
        caller.send(wire.request("caller", "tab", "f", 1, 2, uuid=5, b=3))
        call = next_call(tab)
        assert (call.transmitter, call.function, call.json()) == ("caller", "f", {"args": [1, 2], "kwargs": {"b": 3}})
        answer(tab, call, "one")
        assert caller.wait_for(lambda message: message.uuid == 5).json()["args"] == ["one"]
        uuid = other.start_call("g", 7, receiver="tab")
        answer(tab, next_call(tab), "two")
        assert other.finish_call(uuid) == "two"


def test_functions_change_while_calls_are_in_flight_both_ways(world):
    place = world()
    with Native(place.port, "w1", ["work"]) as worker, Native(place.port, "caller") as caller, Page(place.url, "other") as other, \
            Page(place.url, "tab") as tab:
        tab.wait_for_member("w1")
        assert shake(tab, "f", uuid=100).flag == wire.HANDSHAKE
        other.wait_for_member("tab")
        for round_number in range(5):
            in_flight = tab.start_call("work", round_number, receiver="w1")
            at_worker = worker.wait_for(lambda message: message.flag == wire.REQUEST)
            caller.send(wire.request("caller", "tab", "f", round_number, uuid=50 + round_number))
            from_caller = next_call(tab)
            from_page = other.start_call("f", round_number, receiver="tab")
            at_tab = next_call(tab)
            functions = ["f", f"f{round_number}"]
            changed = shake(tab, *functions, uuid=101 + round_number)
            assert changed.flag == wire.HANDSHAKE and changed.transmitter == "tab"
            worker.answer(at_worker, "from the worker")
            answer(tab, from_caller, "to the caller")
            answer(tab, at_tab, "to the page")
            assert tab.finish_call(in_flight) == "from the worker"
            assert caller.wait_for(lambda message, at=50 + round_number: message.uuid == at).json()["args"] == ["to the caller"]
            assert other.finish_call(from_page) == "to the page"
            while sorted(other.members.get("tab") or []) != functions:
                other.receive()
        assert ("evicted", "tab") not in tab.events and ("connected", "tab") not in tab.events


def test_no_call_is_lost_in_silence_as_functions_change(world):
    """Of callers who have not heard the news; behind a Router it is the Router that drops their calls."""
    place = world()
    if place.port != place.bridge.port:
        pytest.skip("a Router's own doing")
    shaken = queue.Queue()

    def serve(page: Page) -> None:
        while True:
            try:
                message = page.receive(60)
            except (ConnectionClosed, TimeoutError):
                return
            if message.flag == wire.REQUEST:
                answer(page, message, "answered")
            elif message.flag == wire.HANDSHAKE and message.uuid:
                shaken.put(message.uuid)

    with Native(place.port, "caller") as caller, open_page(place.url, "tab", "f") as tab:
        server = threading.Thread(target=serve, args=(tab,), daemon=True)
        server.start()
        for number in range(1, 201):
            caller.send(*(wire.request("caller", "tab", "g", uuid=4 * number + i) for i in range(2)))
            tab.send(wire.handshake("tab", number, ["f", "g"] if number % 2 else ["f"]))
            caller.send(*(wire.request("caller", "tab", "g", uuid=4 * number + i) for i in range(2, 4)))
            assert shaken.get(timeout=10) == number
            waiting = {4 * number + i for i in range(4)}
            while waiting:
                message = caller.receive()
                waiting -= {message.uuid} if message.flag in (wire.RESPONSE, wire.ERROR) else set()


def test_what_is_exposed_no_longer_is_refused_at_once(world):
    place = world()
    with Native(place.port, "caller") as caller, Page(place.url, "other") as other, open_page(place.url, "tab", "f", "g") as tab:
        assert shake(tab, "g", uuid=9).flag == wire.HANDSHAKE
        with pytest.raises(RemoteError) as refused:
            other.call("f", receiver="tab")
        assert refused.value.args[:2] == ("NoSuchMethod", "daffi_bridge")
        caller.send(wire.request("caller", "tab", "g", uuid=4))
        answer(tab, next_call(tab), 1)
        assert shake(tab, uuid=10).flag == wire.HANDSHAKE


def test_what_a_page_may_not_call_it_is_not_shown_as_it_changes(world):
    place = world(allow_functions=["f*"])
    with Native(place.port, "caller") as caller, open_page(place.url, "tab", "f", "g") as tab, Page(place.url, "other") as other:
        assert other.members["tab"] == ["f"]
        for uuid, functions, shown in ((20, ["g", "h"], []), (21, ["g", "f2", "f3"], ["f2", "f3"]), (22, [], [])):
            assert shake(tab, *functions, uuid=uuid).flag == wire.HANDSHAKE
            while sorted(other.members.get("tab") or []) != shown:
                other.receive()
        with pytest.raises(RemoteError) as refused:
            other.call("f2", receiver="tab")
        assert refused.value.args[0] == "NoSuchMethod"
        if place.port == place.bridge.port:  # a Router drops such a call
            caller.send(wire.request("caller", "tab", "g", uuid=4))
            assert said(caller.wait_for(lambda message: message.uuid == 4))[0] == "NoSuchMethod"


def test_a_page_whose_exposing_is_not_allowed_is_refused(world):
    place = world(expose=None)
    page = Page(place.url, None)
    page.name = "tab"
    assert said(shake(page, "f"))[:2] == ["Refused", "daffi_bridge"]
    assert page.expect_close()[0] == 1008


def test_a_page_does_not_expose_what_another_member_serves(world):
    """Neither as it comes nor later, be the other a worker or a page; what it has it keeps, and what nobody serves it may bring."""
    place = world()
    with Native(place.port, "w1", ["f"]), open_page(place.url, "other", "g"):
        place.wait_for("w1")
        place.wait_for("other")
        for function, owner in (("f", "w1"), ("g", "other")):
            page = Page(place.url, None)
            page.name = "tab"
            kind, module, text = said(shake(page, "f1", function))
            assert (kind, module) == ("Refused", "daffi_bridge") and f'"{function}"' in text and f'"{owner}"' in text
            assert page.expect_close()[0] == 1008
        with open_page(place.url, "tab", "h") as tab, Native(place.port, "caller") as caller:
            assert 'of the member "w1"' in said(shake(tab, "h", "f", uuid=9))[2]
            assert shake(tab, "h", "f1", uuid=10).flag == wire.HANDSHAKE
            caller.send(wire.request("caller", "tab", "f1", uuid=4))
            answer(tab, next_call(tab), "mine")
            assert caller.wait_for(lambda message: message.uuid == 4).json()["args"] == ["mine"]


def test_a_page_exposes_what_another_member_serves_where_that_is_allowed(world):
    place = world(expose_shared=True)
    with Native(place.port, "w1", ["f"]):
        place.wait_for("w1")
        with open_page(place.url, "tab", "f") as tab:
            assert shake(tab, "f", "g", uuid=9).flag == wire.HANDSHAKE


def test_a_change_that_is_not_allowed_leaves_all_as_it_was(world):
    place = world()
    with Native(place.port, "caller") as caller, open_page(place.url, "tab", "f") as tab:
        for uuid, name in enumerate(("secret", "f,g", "f\u0007", "f" * 256), 20):
            kind, module, text = said(shake(tab, "f", name, uuid=uuid)) if len(name) < 256 else ("Refused", "daffi_bridge", name[:2])
            assert (kind, module) == ("Refused", "daffi_bridge") and name[:2] in text.replace("\\u0007", "\u0007").replace("\\x07", "\u0007")
        assert "256" in said(shake(tab, *[f"f{i}" for i in range(257)], uuid=40))[2]
        caller.send(wire.request("caller", "tab", "f", uuid=4))
        answer(tab, next_call(tab), "still")
        assert caller.wait_for(lambda message: message.uuid == 4).json()["args"] == ["still"]


def test_who_owes_too_many_answers_gets_no_more_calls(world):
    """The caller hears `busy` at once, and is answered again as soon as one answer has been given."""
    place = world(limits={"calls_in_flight": 2})
    with open_page(place.url, "tab", "f") as tab, Page(place.url, "caller") as caller:
        caller.wait_for_member("tab")
        waiting = [caller.start_call("f", number, receiver="tab") for number in range(2)]
        calls = [next_call(tab) for _ in waiting]
        with pytest.raises(RemoteError) as refused:
            caller.call("f", 2, receiver="tab")
        assert refused.value.args[:2] == ("Busy", "daffi_bridge")
        for call in calls:
            answer(tab, call, call.json()["args"][0])
        assert [caller.finish_call(uuid) for uuid in waiting] == [0, 1]
        again = caller.start_call("f", 3, receiver="tab")
        answer(tab, next_call(tab), "again")
        assert caller.finish_call(again) == "again"
    if place.is_watched:  # the router inside counts by caller alone
        with open_page(place.url, "tab2", "f") as tab, Native(place.port, "one") as one, Native(place.port, "two") as two:
            for uuid in (1, 2):
                one.send(wire.request("one", "tab2", "f", uuid=uuid))
                next_call(tab)
            two.send(wire.request("two", "tab2", "f", uuid=3))
            refusal = two.wait_for(lambda message: message.uuid == 3 and message.flag == wire.ERROR)
            assert said(refusal)[0] == "Busy" and "wait for this member's answers" in said(refusal)[2]


def test_a_page_without_functions_may_not_answer(world):
    place = world()
    with Page(place.url, "tab") as tab:
        tab.send(wire.Message(5, wire.RESPONSE, transmitter="tab", receiver="other", payload=b'{"args": [1], "kwargs": {}}'))
        assert tab.expect_close()[0] == 1008


def test_answers_pass_once_and_to_those_who_asked(world):
    place = world()
    with Native(place.port, "victim") as victim, Native(place.port, "caller") as caller, open_page(place.url, "tab", "f") as tab:
        answer(tab, wire.Message(77, transmitter="victim", function="f"), "forged")
        caller.send(wire.Message(6, transmitter="caller", receiver="tab", function="f", return_result=0,
                                 payload=b'{"args": [], "kwargs": {}}'))
        answer(tab, next_call(tab), "to a call that waits for none")
        caller.send(wire.request("caller", "tab", "f", uuid=7))
        call = next_call(tab)
        answer(tab, call, "to another", receiver="victim")
        answer(tab, call, "by another id", uuid=8)
        answer(tab, call, "the answer")
        answer(tab, call, "a second one")
        caller.send(wire.request("caller", "tab", "f", uuid=9))
        answer(tab, next_call(tab), "the end")
        caller.wait_for(lambda message: message.uuid == 9)
        got = [message.json()["args"] for message in caller.seen if message.flag == wire.RESPONSE]
        assert got == [["the answer"], ["the end"]]
        victim.send(wire.request("victim", "tab", "f", uuid=2))
        answer(tab, next_call(tab), "and now")
        victim.wait_for(lambda message: message.uuid == 2)
        assert [message.uuid for message in victim.seen if message.flag == wire.RESPONSE] == [2]


def test_a_page_is_never_sent_pickle_nor_what_it_can_not_read(world):
    place = world()
    with Native(place.port, "caller") as caller, open_page(place.url, "tab", "f") as tab:
        bad = [(wire.PICKLE, 1, b"cos\nsystem\n", "PICKLE"), (wire.JSON, 0, b"{", ""), (wire.MSGPACK, 1, b"\x92\x90", ""),
               (wire.JSON, 0, b'{"args": ' + b"[" * 600 + b"]" * 600 + b', "kwargs": {}}', "nest")]
        for uuid, (decoder, is_bytes, payload, text) in enumerate(bad, 10):
            caller.send(wire.Message(uuid, decoder=decoder, is_bytes=is_bytes, transmitter="caller", receiver="tab", function="f",
                                     payload=payload))
            kind, module, sentence = said(caller.wait_for(lambda message, at=uuid: message.uuid == at))
            assert (kind, module) == ("Refused", "daffi_bridge") and text in sentence
        caller.send(wire.request("caller", "tab", "f", uuid=30))
        assert next_call(tab).uuid == 30


def test_python_workers_behind_the_bridge_answer_once(house):
    """The same for native peers before a real Router: a forged and a second answer go nowhere."""
    router = house.router()
    bridge = house.bridge(router.port)
    with Native(bridge.port, "w1", ["f"]) as worker, Native(router.port, "victim") as victim, Page(bridge.ws_url, "tab") as tab:
        tab.wait_for_member("w1")
        worker.answer(wire.Message(9, transmitter="victim", function="f"), "forged")
        uuid = tab.start_call("f", receiver="w1")
        call = worker.wait_for(lambda message: message.flag == wire.REQUEST)
        worker.answer(call, "first")
        worker.answer(call, "second")
        assert tab.finish_call(uuid) == "first"
        victim.send(wire.request("victim", "w1", "f", uuid=3))
        worker.answer(worker.wait_for(lambda message: message.flag == wire.REQUEST and message.uuid == 3), "end")
        victim.wait_for(lambda message: message.uuid == 3)
        assert [message.uuid for message in victim.seen if message.flag == wire.RESPONSE] == [3]
        with pytest.raises(RemoteError):
            tab.call("nothing", receiver="w1")


def test_a_page_calls_itself(world):
    """The Router sends it back to its sender, as it does the bridge's own questions: the two are not taken for each other."""
    place = world()
    with open_page(place.url, "tab", "f") as tab:
        for result in ([9], "x" * 1000):
            uuid = tab.start_call("f", 1, receiver="tab")
            answer(tab, next_call(tab), result)
            assert tab.finish_call(uuid) == result
        slow = tab.start_call("f", 1, receiver="tab")
        call = next_call(tab)
        with pytest.raises(TimeoutError):  # longer than the bridge waits before it asks who is there
            tab.finish_call(slow, 0.4)
        answer(tab, call, "late")
        assert tab.finish_call(slow) == "late"
        refused = tab.start_call("no", receiver="tab")
        with pytest.raises(RemoteError) as error:
            tab.finish_call(refused)
        assert error.value.args[0] == "NoSuchMethod"


def still_answers(port: int) -> bool:
    """Whether the Service does, asked without the bridge."""
    try:
        with Native(port, "direct") as direct:
            direct.send(wire.request("direct", "service", "add", 1, 2, uuid=5))
            return direct.wait_for(lambda message: message.uuid == 5, 5).flag == wire.RESPONSE
    except (OSError, Ended):
        return False


def test_a_page_leaves_while_its_functions_change_and_answers_are_owed(house, tmp_path):
    """Before a Service, which an answer to nobody kills: of the two connections one stays, for the answers to a page that is gone."""
    faults = 0
    for attempt in range(4):
        service = house.service()
        folder = tmp_path / str(attempt)
        folder.mkdir()
        try:
            leave_while_answers_are_owed(house, folder, service.port)
            return
        except TimeoutError:  # now and then the Service answers nobody any more, or loses an answer as news arrive: asked of another one
            faults += still_answers(service.port)
            assert faults < 2, "the Service answers, and the bridge does not"
    pytest.fail("the Service stood still each time")


def leave_while_answers_are_owed(house, folder, port: int) -> None:
    """Ten pages that change what they expose, and go, each with one or two answers owed."""
    file = folder / "bridge.json"
    file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0"}], "upstreams": {"default": f"tcp://127.0.0.1:{port}"},
                                "policy": {"expose": ["*"]}}))
    bridge = house.bridge(None, "-c", str(file), listeners=())
    bridge.wait_for_listeners(1)
    with Page(bridge.ws_url, "other") as other:
        for number in range(10):
            page = open_page(bridge.ws_url, f"tab{number}", "f")
            page.start_call("slow", 0.2, receiver="service")
            page.send(wire.handshake(page.name, 2, ["f", "g"]))
            if number % 2:
                page.start_call("slow", 0.1, receiver="service")
            page.close()
            assert other.call("add", number, 1, receiver="service") == number + 1
        other.call("slow", 0.4, receiver="service")  # all the others are answered meanwhile
        assert other.call("add", 1, 1, receiver="service") == 2
    assert bridge.popen.poll() is None
