"""Who leaves a real server: its name goes to the next only when the server has read all that it sent. A real Router or Service reads
each connection in a thread of its own; for a newcomer with a taken name it closes the holder's descriptor, whatever its thread is
doing; that thread then reads from whoever got the number next, and the whole process dies ("attempt to use null value").
"""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest
import wire
from native import Native
from page import OwnPage, Page
from processes import wait_until
from relay import Relay

TAB = "0123456789abcdef" * 2


@pytest.fixture
def place(house):
    """A bridge that reaches a real Router by a relay, and a worker that goes there straight."""
    router = house.router()
    house.worker(router.port)
    relay = Relay(router.port)
    made = SimpleNamespace(router=router, relay=relay, bridge=house.bridge(relay.port))
    learn_of_receipts(made)
    yield made
    relay.close()


def learn_of_receipts(place) -> None:
    """A first page comes and goes, by which the bridge learns that its server gives them."""
    page_of(place, name="first").close()
    place.relay.wait_for(lambda relay: any(leg.sent[-1].flag == wire.RESPONSE for leg in relay.legs_of("first")))


def page_of(place, tab: str = TAB, name: str | None = "alice") -> Page:
    return Page(f"{place.bridge.ws_url}?daffi-tab={tab}", name)


def begin_join(place, is_native: bool = False) -> Page | Native:
    """A newcomer that has sent its handshake."""
    newcomer = Native(place.bridge.port, "alice", shake=False) if is_native else page_of(place, name=None)
    newcomer.send(wire.handshake("alice"))
    return newcomer


def answer_of(newcomer: Page | Native) -> wire.Message:
    """To its handshake."""
    while True:
        answer = newcomer.receive()
        if answer.uuid == 1 and answer.transmitter == "alice":
            return answer


def leave_unread(place, how: str) -> Page:
    """A page that has sent what the Router has not read: five calls, or its handshake alone."""
    if how == "gone before it was let in":
        page = page_of(place, name=None)
        place.relay.hold("alice")
        page.send(wire.handshake("alice"))
        place.relay.wait_for(lambda relay: relay.legs_of("alice"))
        page.close()
        return page
    page = page_of(place)
    page.wait_for_member("w1")
    place.relay.hold("alice")
    for number in range(5):
        page.start_call("add", number, 1, receiver="w1", wait=0)
    if how == "gone":
        page.close()
    return page


@pytest.mark.parametrize("how", ["taken over", "gone", "gone before it was let in", "evicted by a native peer"])
def test_a_name_is_passed_on_when_all_is_read(place, how):
    former = leave_unread(place, how)
    newcomer = begin_join(place, is_native=how == "evicted by a native peer")
    if not how.startswith("gone"):
        assert former.expect_close()[0] == 1008
    with page_of(place, tab="b" * 32, name="bob") as other:  # who comes behind the newcomer, and is not in its way
        other.wait_for_member("w1")
        assert other.call("add", 1, 2) == 3
    [leg] = place.relay.legs_of("alice")
    place.relay.release("alice")
    assert answer_of(newcomer).flag == wire.HANDSHAKE
    sent = [message.flag for message in leg.sent]
    assert sent[0] == wire.HANDSHAKE and leg.sent[-1].function == "daffi-bridge-receipt"
    assert sent[1:-1] == ([] if how == "gone before it was let in" else [wire.REQUEST] * 5)
    newcomer.close()
    assert place.router.popen.poll() is None


def test_who_waits_too_long_is_told_why(place):
    leave_unread(place, "gone")
    newcomer = begin_join(place)
    answer = answer_of(newcomer)
    assert answer.json()["args"][0][2] == ("the name is not free yet: the member that had it has left, but the upstream has not "
                                           "read all that it sent; try again later")
    assert newcomer.expect_close()[0] == 1013
    place.relay.release("alice")
    with page_of(place) as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3


@pytest.fixture
def exposing(house, tmp_path):
    """Makes a place like that before a Router or Service, whose bridge lets pages expose `f`."""
    relays = []

    def make(server) -> SimpleNamespace:
        relays.append(Relay(server.port))
        file = tmp_path / "bridge.json"
        file.write_text(json.dumps({"upstreams": {"default": f"tcp://127.0.0.1:{relays[0].port}"}, "policy": {"expose": ["f"]}}))
        return SimpleNamespace(relay=relays[0], bridge=house.bridge(None, "-c", str(file)))

    yield make
    relays[0].close()


@pytest.fixture
def changing(house, exposing):
    """One before a Router with a worker."""
    router = house.router()
    house.worker(router.port)
    return exposing(router)


def change_functions(page: Page, uuid: int, behind: bytes = b"") -> wire.Message:
    """The answer to it; `behind` comes in the same WebSocket message."""
    page.send(wire.handshake(page.name, uuid, ["f"]).encode() + behind)
    while (answer := page.receive()).uuid != uuid:
        pass
    return answer


def test_a_change_of_functions_waits_for_that_too_and_fails_alone(changing):
    """The page's first connection is evicted by its own second one: not before it has been read, and never in vain."""
    learn_of_receipts(changing)
    with page_of(changing) as page:
        page.wait_for_member("w1")
        changing.relay.hold("alice")
        page.start_call("add", 1, 1, receiver="w1", wait=0)
        answer = change_functions(page, 9)
        assert answer.flag == wire.ERROR and "it has not read yet what the page has sent before" in answer.payload.decode()
        assert len(changing.relay.legs_of("alice")) == 1
        changing.relay.release("alice")
        assert page.call("add", 1, 2) == 3
        assert change_functions(page, 10).flag == wire.HANDSHAKE
        assert page.call("add", 2, 2) == 4


def own_calls(page: OwnPage, count: int) -> bytes:
    """Calls of `add`, ids from 100, for a batch."""
    return b"".join(wire.request(page.name, "w1", "add", number, 1, uuid=100 + number).encode() for number in range(count))


def collect_answers(page: Page, count: int) -> list[int]:
    """The ids of the next ones, sorted."""
    ids = []
    while len(ids) < count:
        message = page.receive()
        if message.flag == wire.RESPONSE:
            ids.append(message.uuid)
    return sorted(ids)


def test_what_is_sent_as_functions_change_goes_by_the_second_connection(changing):
    """On the first it would come behind the receipt: nobody would know whether it has been read."""
    with OwnPage(changing.bridge) as page:
        page.wait_for_member("w1")
        assert change_functions(page, 9, own_calls(page, 50)).flag == wire.HANDSHAKE
        assert collect_answers(page, 50) == list(range(100, 150))
        first, second = changing.relay.legs_of("page")
        assert [message.flag for message in first.sent] == [wire.HANDSHAKE, wire.RESPONSE]
        assert [message.flag for message in second.sent] == [wire.HANDSHAKE] + [wire.REQUEST] * 50


def test_what_is_sent_as_functions_change_in_vain_goes_by_the_first_connection(changing):
    learn_of_receipts(changing)
    with OwnPage(changing.bridge) as page:
        page.wait_for_member("w1")
        changing.relay.hold("page")
        assert change_functions(page, 9, own_calls(page, 50)).flag == wire.ERROR
        changing.relay.release("page")
        assert collect_answers(page, 50) == list(range(100, 150))
        assert len(changing.relay.legs_of("page")) == 1


def test_of_a_server_that_gives_no_receipts_none_is_insisted_on(changing):
    changing.relay.gives_receipts = False
    with page_of(changing) as page:
        page.wait_for_member("w1")
        assert change_functions(page, 9).flag == wire.HANDSHAKE
        assert page.call("add", 1, 2) == 3
    with page_of(changing) as page:
        page.wait_for_member("w1")
        assert page.call("add", 2, 2) == 4


def test_a_bridge_behind_a_bridge_gives_receipts_too(house):
    inner = house.bridge("router:")
    house.worker(inner.port)
    relay = Relay(inner.port)
    place = SimpleNamespace(relay=relay, bridge=house.bridge(relay.port))
    for _ in range(3):  # a page that is loaded anew; where no receipt came, it would wait for seconds
        page = page_of(place)
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
        page.close()
    for leg in relay.legs_of("alice"):
        wait_until(lambda leg=leg: leg.sent[-1].flag == wire.RESPONSE)
    with page_of(place) as page:
        assert page.name == "alice"
    assert "dropped an answer" not in inner.log()
    relay.close()


@pytest.fixture
def service(house):
    """The same before a real Service."""
    served = house.service()
    relay = Relay(served.port)
    yield SimpleNamespace(relay=relay, bridge=house.bridge(relay.port), served=served)
    relay.close()


def test_a_service_has_read_what_it_has_answered(service):
    """It is asked for nothing that it does not bear, and who has had its answers passes its name on at once."""
    for number in range(3):
        with page_of(service) as page:
            assert page.call("add", number, 1, receiver="service") == number + 1
    for leg in service.relay.legs_of("alice"):
        assert [message.flag for message in leg.sent] == [wire.HANDSHAKE, wire.REQUEST]
    assert service.served.popen.poll() is None


@pytest.mark.parametrize("how", ["taken over", "gone"])
def test_a_service_has_time_to_read_the_rest(service, how):
    page = page_of(service)
    begun = time.monotonic()  # not behind the call: a busy machine may be late to look
    page.start_call("add", 1, 2, receiver="service", wait=0)
    service.relay.wait_for(lambda relay: len(relay.legs_of("alice")[0].sent) == 2)
    if how == "gone":
        page.close()
    newcomer = begin_join(service)
    assert answer_of(newcomer).flag == wire.HANDSHAKE
    assert time.monotonic() - begun > 0.49, "nobody takes its place before the Service has had half a second for the call"
    newcomer.close()
    page.close()


def test_a_service_has_time_to_read_as_functions_change(house, exposing):
    place = exposing(house.service())
    with page_of(place) as page:
        begun = time.monotonic()
        page.start_call("add", 1, 2, receiver="service", wait=0)
        place.relay.wait_for(lambda relay: len(relay.legs_of("alice")[0].sent) == 2)
        assert change_functions(page, 9).flag == wire.HANDSHAKE
        assert time.monotonic() - begun > 0.49, "its second connection takes its place when the Service has had half a second for the call"
        assert page.call("add", 2, 2, receiver="service") == 4


def test_a_page_that_comes_back_and_goes_leaves_nobody_without_an_answer(service):
    """A Service dies of an answer to somebody who has gone, be it to what the page asked that had the name before."""
    with page_of(service, tab="b" * 32, name="bob") as other:
        page = page_of(service)
        page.start_call("slow", 1.5, receiver="service")
        page.close()
        page_of(service).close()
        assert other.call("slow", 2, receiver="service") == 2
        assert other.call("add", 1, 2, receiver="service") == 3
        assert len(service.relay.legs_of("alice")) == 2
